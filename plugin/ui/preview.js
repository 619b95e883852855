// @ts-check
// The tab "Preview": what "Sync all scenes" would write, as far as it was asked for.

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const { api, h, B, ask, useOverview, count, things, useDo } = PlexSync;
  const { Boundary, Changes, sceneLink, plexLink } = PlexSync;
  const { Fragment, useEffect, useState } = api.React;

  const PART = 50; // items

  /** @param {{ item: PreviewedItem, machine: string | undefined }} props */
  function Item({ item: i, machine }) {
    const changes = i.changes || [];
    return h(
      "article",
      { className: "plexsync-item" },
      h("h3", null, sceneLink(i.scene, i.title || undefined), " → ", plexLink(machine, i.key)),
      changes.length > 0 && h(Changes, { rows: changes }),
      i.poster && h("p", null, "The poster would be the scene's cover."),
      i.locks && h("p", null, "Locks would change."),
    );
  }

  /**
   * @typedef {object} Seen
   * @property {PreviewedItem[]} items
   * @property {number} scenes
   * @property {number} same
   * @property {number} skipped
   * @property {number} missing
   * @property {number} [next] undefined before the first answer, 0 at the end
   */

  PlexSync.Preview = () => {
    const { value: o } = useOverview(false);
    const [seen, setSeen] = useState(/** @type {Seen} */ ({ items: [], scenes: 0, same: 0, skipped: 0, missing: 0 }));
    const doing = useDo();
    const more = () =>
      doing.run(async () => {
        const p = await ask("preview_list", { after: seen.next || 0, limit: PART });
        setSeen((s) => ({
          items: s.items.concat(p.first || []),
          scenes: s.scenes + p.scenes,
          same: s.same + p.same,
          skipped: s.skipped + p.skipped,
          missing: s.missing + p.not_found,
          next: p.next,
        }));
      });
    useEffect(() => {
      more();
    }, []);
    return h(
      Fragment,
      null,
      h("p", null, 'What "Sync all scenes" would write, old and new side by side. Nothing is written here.'),
      doing.status,
      h(
        "p",
        { role: "status" },
        things(seen.scenes, "scene", "scenes") +
          " looked at: " +
          things(seen.items.length, "item", "items") +
          " would be written, " +
          count(seen.same) +
          " would not, " +
          count(seen.skipped) +
          " are left alone, " +
          count(seen.missing) +
          " are not found in Plex.",
      ),
      seen.items.map((i) =>
        h(
          Boundary,
          { key: i.scene + " " + i.key, of: "Scene " + i.scene },
          h(Item, { item: i, machine: o && o.machine }),
        ),
      ),
      doing.busy
        ? h("p", null, "Looking …")
        : seen.next === 0
          ? h("p", null, "That is all.")
          : h(B.Button, { onClick: more }, seen.next ? "Go on" : "Try again"),
    );
  };
})();
