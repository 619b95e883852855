// @ts-check
// The tab of a scene.

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const ours = PlexSync; // also what files below this one add
  const { api, h, B, Link, ask, readSettings, saveSettings, useAsked, useOverview, refreshOverview } = PlexSync;
  const { happened, whatToDo, when, things } = PlexSync;
  const { Boundary, Changes, Technical, Trouble, plexLink, useDo } = PlexSync;
  const { Fragment, useEffect, useRef, useState } = api.React;

  /** @type {Record<Rung, string>} */
  const RUNGS = {
    pushed: "Known from the last sync",
    path: "Same path",
    folded: "Same path",
    size: "Same name and size",
    tail: "Same end of the path",
    name: "Same name only",
    // As they were called at first.
    "folded path": "Same path",
    "name and size": "Same name and size",
    "path tail": "Same end of the path",
  };
  /** @param {Rung} rung */
  const rungName = (rung) => RUNGS[rung] || rung;

  /**
   * The one state of a scene: how it looks, in a sentence, and why.
   *
   * @param {Explanation} e
   * @returns {["ok" | "busy" | "waiting" | "alarm", string, React.ReactNode]}
   */
  function stateOf(e) {
    const last = e.last;
    const failure = e.class || last.dead_class || "internal";
    const failed = last.dead_error || last.last_error || e.decision;
    switch (e.state) {
      case "synced":
        return ["ok", "In sync: Plex shows what Stash has.", null];
      case "changes":
        return [
          "waiting",
          "In Plex, but not up to date.",
          "The changes below are not queued. Choose Sync now to write them.",
        ];
      case "waiting":
        return [
          "busy",
          "Waiting to sync.",
          h(
            Fragment,
            null,
            last.due && h(Fragment, null, "Next attempt: ", when(last.due), ". "),
            last.last_error && h(Technical, { text: last.last_error }),
          ),
        ];
      case "not_in_plex":
        return [
          "waiting",
          "Plex does not have this file.",
          h(
            Fragment,
            null,
            last.queued && last.due ? h(Fragment, null, "PlexSync looks again ", when(last.due), ". ") : "",
            whatToDo("not_in_plex"),
          ),
        ];
      case "ambiguous":
        return [
          "alarm",
          "Several items in Plex match this scene equally well.",
          e.fitting.length
            ? "Nothing was changed. Choose the right one below, or remove the duplicate in Plex."
            : whatToDo("ambiguous"),
        ];
      case "joined":
        return ["waiting", "In Plex, as a version of another scene's item.", whatToDo("joined")];
      case "without_metadata":
        return [
          "waiting",
          e.in_plex ? "In Plex, nothing to write yet." : "Nothing to write yet.",
          "The scene has no metadata in Stash. It syncs as soon as you add some, for example a title, a date or tags.",
        ];
      case "excluded":
        return ["waiting", e.in_plex ? "In Plex, but left out." : "Left out.", e.decision + "."];
      case "unknown":
        return [
          "alarm",
          happened(failure, e.decision) + ".",
          h(Fragment, null, whatToDo(failure), h(Technical, { text: e.decision })),
        ];
      case "gone":
        return ["waiting", "Stash has no such scene.", null];
      default:
        return [
          "alarm",
          happened(failure, failed) + ".",
          h(Fragment, null, whatToDo(failure), h(Technical, { text: failed })),
        ];
    }
  }

  /** @param {{ e: Explanation }} props */
  function State({ e }) {
    const [look, sentence, why] = stateOf(e);
    return h(
      "div",
      { className: "plexsync-headline plexsync-" + look, role: "status" },
      h("strong", null, sentence),
      why && h("div", null, why),
    );
  }

  // Of several items the person chooses one: a path rule remembers it.
  /** @param {{ e: Explanation, chosen: () => Promise<string> }} props */
  function Fitting({ e, chosen }) {
    const doing = useDo();
    if (e.state !== "ambiguous" || !e.fitting.length) return null;
    /** @param {string} rule */
    const use = (rule) =>
      doing.run(async () => {
        const before = String((await readSettings()).pathRules || "")
          .trim()
          .replace(/;$/, "");
        const pathRules = [before, rule].filter(Boolean).join("; ");
        const { problems } = await ask("settings_test", { settings: { pathRules }, offline: true });
        const wrong = problems.find((p) => p.setting === "pathRules" && p.fatal);
        if (wrong) throw new Error("Not saved. Path rules: " + wrong.message);
        await saveSettings({ pathRules });
        return chosen();
      });
    return h(
      Fragment,
      null,
      h("h2", null, "The items that match"),
      h(
        "ul",
        { className: "plexsync-fitting" },
        e.fitting.map((f) =>
          h(
            "li",
            { key: f.key },
            h("code", null, f.path),
            h(
              "div",
              { className: "plexsync-buttons" },
              f.rule && h(B.Button, { size: "sm", disabled: doing.busy, onClick: () => use(f.rule) }, "Use this item"),
              f.folder_rule &&
                h(
                  B.Button,
                  { size: "sm", variant: "secondary", disabled: doing.busy, onClick: () => use(f.folder_rule) },
                  "Map the folder: " + f.folder_rule,
                ),
              plexLink(e.machine, f.key, "Open in Plex"),
            ),
          ),
        ),
      ),
      h(
        "p",
        null,
        "Your choice is saved as a path rule for this file, or for its folder. You can also ",
        h(Link, { to: ours.settingHref("pathRules") }, "edit the path rules"),
        ".",
      ),
      doing.status,
    );
  }

  /** @param {{ item: ExplainedItem, machine: string | undefined }} props */
  function Item({ item: i, machine }) {
    const changes = i.fields.filter((f) => f.write !== null && f.write !== undefined);
    const kept = i.fields.filter((f) => f.kept);
    return h(
      Fragment,
      null,
      h(
        "p",
        null,
        plexLink(machine, i.key, "Open in Plex"),
        " ",
        h("small", null, rungName(i.rung) + ": ", h("code", null, i.path)),
      ),
      changes.length > 0 && h("h2", null, things(changes.length, "field would change", "fields would change")),
      changes.length > 0 && h(Changes, { rows: changes }),
      i.poster && h("p", null, "The poster would become the cover of the scene."),
      i.background && h("p", null, "The background would become the cover of the scene."),
      kept.length > 0 &&
        h("p", null, "Edited in Plex, and kept: " + kept.map((f) => ours.fieldName(f.field)).join(", ") + "."),
    );
  }

  /** @param {{ e: Explanation }} props */
  const Steps = ({ e }) =>
    h(
      "div",
      { className: "plexsync-steps" },
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
    useOverview(false);
    const fresh = useRef(false); // Plex is read again before the next answer
    const asked = useAsked(() => {
      const again = fresh.current;
      fresh.current = false;
      return ask("explain", again ? { scene_id: id, fresh: true } : { scene_id: id });
    }, [id]);
    const [steps, setSteps] = useState(false);
    const doing = useDo();
    const e = asked.value;
    const syncing = useRef(0);
    useEffect(() => () => clearTimeout(syncing.current), []);
    const start = async () => {
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
      return "Queued: this scene is synced now";
    };
    const sync = () => doing.run(start);
    const again = () => {
      fresh.current = true;
      asked.reload();
    };
    return h(
      "div",
      { className: "plexsync plexsync-scene" },
      h(Trouble, { error: asked.error, retry: asked.reload }),
      !e && !asked.error && h("p", null, "Loading…"),
      e &&
        h(
          Fragment,
          null,
          h(Boundary, { of: "The state of the scene" }, h(State, { e })),
          h(Boundary, { of: "The list of matching items" }, h(Fitting, { e, chosen: start })),
          e.items.map((i) =>
            h(Boundary, { key: i.key, of: "Item " + i.key }, h(Item, { item: i, machine: e.machine })),
          ),
          e.state !== "synced" && !e.last.pushed
            ? h("p", null, "PlexSync has not written this scene yet.")
            : e.last.pushed && h("p", null, "Last written ", when(e.last.pushed), "."),
          h(
            "div",
            { className: "plexsync-buttons" },
            h(B.Button, { onClick: sync, disabled: doing.busy }, "Sync now"),
            h(
              B.Button,
              { variant: "secondary", onClick: again, disabled: !!asked.loading },
              asked.loading ? "Checking Plex…" : "Check Plex again",
            ),
            h(
              B.Button,
              { variant: "secondary", "aria-expanded": steps, onClick: () => setSteps(!steps) },
              "How it was matched",
            ),
          ),
          doing.status,
          steps && h(Boundary, { of: "The explanation" }, h(Steps, { e })),
        ),
    );
  };
})();
