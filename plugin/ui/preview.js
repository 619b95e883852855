// @ts-check
// The tab "Preview": what "Sync all scenes" would write, as far as it was asked for.

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const ours = PlexSync; // also what files below this one add
  const { api, h, B, ask, useOverview, refreshOverview, count, things, fieldName, useDo } = PlexSync;
  const { Boundary, Changes, Input, sceneLink, plexLink } = PlexSync;
  const { Fragment, useEffect, useRef, useState } = api.React;

  const PART = 50; // items

  /** @param {{ scene: number, alt: string }} props */
  const Cover = ({ scene, alt }) =>
    h("img", {
      className: "plexsync-poster",
      src: "/scene/" + Number(scene) + "/screenshot",
      alt,
      loading: "lazy",
    });

  // Posters are read one after another: each is a process of Stash's and a request to Plex.
  /** @type {Promise<unknown>} */
  let reading = Promise.resolve();

  // Plex's own pictures need the token, so the plugin hands them on, when they come in view.
  /** @param {{ item: string }} props */
  function PlexPoster({ item }) {
    const [picture, setPicture] = useState(/** @type {string | undefined} */ (undefined));
    const place = useRef(/** @type {HTMLElement | null} */ (null));
    useEffect(() => {
      let gone = false;
      const read = () =>
        gone
          ? undefined
          : ask("poster", { key: item }).then(
              (p) => gone || setPicture(/^data:image\/(jpeg|png|webp|gif);base64,/.test(p.picture) ? p.picture : ""),
              () => gone || setPicture(""),
            );
      const seen = new IntersectionObserver((all) => {
        if (!all.some((x) => x.isIntersecting)) return;
        seen.disconnect();
        reading = reading.then(read);
      });
      if (place.current) seen.observe(place.current);
      return () => {
        gone = true;
        seen.disconnect();
      };
    }, [item]);
    return picture
      ? h("img", { className: "plexsync-poster", src: picture, alt: "The poster in Plex now" })
      : h(
          "span",
          { className: "plexsync-poster plexsync-nothing", ref: place },
          picture === "" ? "no poster" : h("span", { className: "sr-only" }, "Loading the poster…"),
        );
  }

  /** @param {{ item: PreviewedItem, machine: string | undefined, quiet?: boolean }} props quiet: nothing to click */
  function Item({ item: i, machine, quiet }) {
    const changes = i.changes || [];
    const doing = useDo();
    const write = () =>
      doing.run(async () => {
        await ask("sync_scene", { scene_id: i.scene });
        refreshOverview();
        return "Queued: this scene is synced now";
      });
    return h(
      "article",
      { className: "plexsync-item" },
      i.poster
        ? h(
            "div",
            { className: "plexsync-posters" },
            h("figure", null, h(PlexPoster, { item: i.key }), h("figcaption", null, "now")),
            h("span", { "aria-hidden": true }, "→"),
            h(
              "figure",
              null,
              h(Cover, { scene: i.scene, alt: "The new poster: the cover of the scene" }),
              h("figcaption", null, "new"),
            ),
          )
        : h(Cover, { scene: i.scene, alt: "The cover of the scene" }),
      h(
        "div",
        { className: "plexsync-grow" },
        h("h3", null, sceneLink(i.scene, i.title || undefined)),
        changes.length > 0 && h(Changes, { rows: changes }),
        i.poster && h("p", null, "The poster would become the cover of the scene."),
        i.locks && h("p", null, "Fields would be locked or unlocked, so that a metadata refresh keeps them."),
        !quiet &&
          h(
            "div",
            { className: "plexsync-buttons" },
            h(B.Button, { size: "sm", variant: "secondary", onClick: write, disabled: doing.busy }, "Sync this scene"),
            plexLink(machine, i.key, "Open in Plex"),
          ),
        doing.status,
      ),
    );
  }
  PlexSync.PreviewItem = Item;

  /**
   * @typedef {object} Seen
   * @property {PreviewedItem[]} items
   * @property {number} scenes
   * @property {number} same
   * @property {number} skipped
   * @property {number} missing
   * @property {number} unreadable
   * @property {Record<string, number>} fields
   * @property {number} [next] undefined before the first answer, 0 at the end
   */

  /** @param {PreviewedItem} i */
  const fieldsOf = (i) => [
    ...(i.changes || []).map((c) => c.field),
    ...(i.poster ? ["poster"] : []),
    ...(i.locks ? ["locks"] : []),
  ];

  PlexSync.Preview = () => {
    const { value: o } = useOverview(false);
    const [only, setOnly] = useState("");
    const [seen, setSeen] = useState(
      /** @type {Seen} */ ({ items: [], scenes: 0, same: 0, skipped: 0, missing: 0, unreadable: 0, fields: {} }),
    );
    const doing = useDo();
    const writing = useDo();
    const all = () =>
      writing.run(async () => {
        await ours.startSync();
        return "Syncing all scenes";
      });
    const more = () =>
      doing.run(async () => {
        const p = await ask("preview_list", { after: seen.next || 0, limit: PART });
        setSeen((s) => {
          const fields = { ...s.fields };
          for (const [name, n] of Object.entries(p.fields || {})) fields[name] = (fields[name] || 0) + n;
          return {
            items: s.items.concat(p.first || []),
            scenes: s.scenes + p.scenes,
            same: s.same + p.same,
            skipped: s.skipped + p.skipped,
            missing: s.missing + p.not_found,
            unreadable: s.unreadable + (p.unreadable || 0),
            fields,
            next: p.next,
          };
        });
      });
    useEffect(() => {
      more();
    }, []);
    const shown = seen.items.filter((i) => !only || fieldsOf(i).includes(only));
    return h(
      Fragment,
      null,
      h("p", null, 'This is what "Sync all scenes" would change in Plex. Nothing is written here.'),
      doing.status,
      seen.next !== undefined &&
        h(
          "p",
          { role: "status", className: "plexsync-big" },
          things(seen.items.length, "item would change", "items would change"),
          h(
            "small",
            null,
            [
              count(seen.scenes) + " scenes checked",
              seen.same ? count(seen.same) + " up to date" : "",
              seen.skipped ? count(seen.skipped) + " left out" : "",
              seen.missing ? count(seen.missing) + " not found in Plex" : "",
              seen.unreadable ? count(seen.unreadable) + " cannot be read in Stash" : "",
            ]
              .filter(Boolean)
              .join(" · "),
          ),
        ),
      seen.items.length > 0 &&
        h(
          B.Form.Group,
          { controlId: "plexsync-only", className: "plexsync-inline" },
          h(B.Form.Label, null, "Field"),
          h(
            Input,
            { as: "select", size: "sm", value: only, onText: setOnly },
            h("option", { value: "" }, "all"),
            Object.keys(seen.fields).map((f) =>
              h("option", { key: f, value: f }, fieldName(f) + " (" + count(seen.fields[f]) + ")"),
            ),
          ),
        ),
      shown.map((i) =>
        h(
          Boundary,
          { key: i.scene + " " + i.key, of: "Scene " + i.scene },
          h(Item, { item: i, machine: o && o.machine }),
        ),
      ),
      seen.items.length > 0 &&
        h(
          "div",
          { className: "plexsync-buttons" },
          h(B.Button, { onClick: all, disabled: writing.busy || !o || o.paused }, "Sync all scenes"),
          writing.status,
        ),
      doing.busy
        ? h("p", null, "Loading…")
        : seen.next === 0
          ? h("p", null, seen.items.length ? "End of list." : "Everything is up to date.")
          : h(B.Button, { onClick: more }, seen.next ? "Load more" : "Try again"),
    );
  };
})();
