// @ts-check
// The tab of a scene.

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const { api, h, B, ask, useAsked, useOverview, refreshOverview } = PlexSync;
  const { className, whatToDo, time } = PlexSync;
  const { Boundary, Changes, Figures, Trouble, plexLink, useDo } = PlexSync;
  const { Fragment, useEffect, useRef, useState } = api.React;

  /** @type {Record<Rung, string>} */
  const RUNGS = {
    pushed: "known from the last sync",
    path: "same path",
    folded: "same path",
    size: "same name and size",
    tail: "same end of the path",
    name: "same name only",
    // As they were called at first.
    "folded path": "same path",
    "name and size": "same name and size",
    "path tail": "same end of the path",
  };
  /** @param {Rung} rung */
  const rungName = (rung) => RUNGS[rung] || rung;

  /** @param {{ e: Explanation }} props */
  function State({ e }) {
    const [word, look] = e.last.dead_class
      ? [className(e.last.dead_class), "alarm"]
      : e.last.queued
        ? ["waiting", "waiting"]
        : e.items.length
          ? ["in Plex", "ok"]
          : ["not in Plex", "waiting"];
    const last = e.last;
    return h(
      Fragment,
      null,
      h("p", { className: "plexsync-headline plexsync-" + look, role: "status" }, word),
      h("p", null, e.decision),
      h(Figures, {
        rows: [
          ["Last written", last.pushed ? time(last.pushed) : "never"],
          last.queued && ["Due", time(last.due), last.last_error ? " " + last.last_error : ""],
          last.dead_class && ["Dead letter", last.dead_error, " " + whatToDo(last.dead_class)],
        ],
      }),
    );
  }

  /** @param {{ item: ExplainedItem, machine: string | undefined }} props */
  function Item({ item: i, machine }) {
    const changes = i.fields.filter((f) => f.write !== null && f.write !== undefined);
    return h(
      Fragment,
      null,
      h(
        "p",
        null,
        plexLink(machine, i.key, "Open item " + i.key + " in Plex"),
        " ",
        h("small", null, rungName(i.rung) + ": " + i.path),
      ),
      changes.length > 0 && h(Changes, { rows: changes }),
      i.poster && h("p", null, "The poster would be set to the scene's cover."),
    );
  }

  /** @param {{ e: Explanation }} props */
  const Steps = ({ e }) =>
    h(
      "div",
      null,
      e.files.map((f) =>
        h(
          "p",
          { key: f.path },
          h("code", null, f.path),
          " is looked for in Plex as ",
          h("code", null, f.mapped),
          f.rule ? " (rule " + f.rule + ")" : " (no path rule applies)",
        ),
      ),
      h(
        "ol",
        null,
        e.steps.map((s) =>
          h(
            "li",
            { key: s.rung },
            h("strong", null, rungName(s.rung)),
            ": ",
            s.verdict,
            s.candidates.length > 0 &&
              h(
                "ul",
                null,
                s.candidates.map((c) => h("li", { key: c }, c)),
              ),
          ),
        ),
      ),
    );

  PlexSync.Scene = ({ id }) => {
    const asked = useAsked(() => ask("explain", { scene_id: id }), [id]);
    const [steps, setSteps] = useState(false);
    const doing = useDo();
    const e = asked.value;
    const syncing = useRef(0);
    useEffect(() => () => clearTimeout(syncing.current), []);
    const sync = () =>
      doing.run(async () => {
        await ask("sync_scene", { scene_id: id });
        /** @param {number} times */
        const look = (times) => {
          syncing.current = window.setTimeout(() => {
            asked.reload();
            refreshOverview();
            if (times > 1) look(times - 1);
          }, 2500);
        };
        look(3);
        return "The scene is queued";
      });
    return h(
      "div",
      { className: "plexsync plexsync-scene" },
      h(Trouble, { error: asked.error, retry: asked.reload }),
      !e && !asked.error && h("p", null, "Asking …"),
      e &&
        h(
          Fragment,
          null,
          h(Boundary, { of: "The state of the scene" }, h(State, { e })),
          e.items.map((i) =>
            h(Boundary, { key: i.key, of: "Item " + i.key }, h(Item, { item: i, machine: e.machine })),
          ),
          h(
            "div",
            { className: "plexsync-buttons" },
            h(B.Button, { onClick: sync, disabled: doing.busy }, "Sync now"),
            h(B.Button, { variant: "secondary", onClick: asked.reload, disabled: !!asked.loading }, "Look again"),
            h(B.Button, { variant: "secondary", "aria-expanded": steps, onClick: () => setSteps(!steps) }, "Explain"),
          ),
          doing.status,
          steps && h(Boundary, { of: "The explanation" }, h(Steps, { e })),
        ),
    );
  };
})();
