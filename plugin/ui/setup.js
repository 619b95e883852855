// @ts-check
// The first run, in four steps: connect, libraries, paths, check and sync. Each step is
// saved when it is finished, so that one can leave and come back.

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const ours = PlexSync; // also what files below this one add
  const { api, h, B, ask, readSettings, saveSettings, refreshOverview, count, things, settingName, useAsked } =
    PlexSync;
  const { Boundary, Input, SignIn, Trouble, forBrowser, useDo } = PlexSync;
  const { Fragment, useEffect, useState } = api.React;

  PlexSync.isFirstRun = (o) => o.coverage.synced === 0 && !o.progress && !o.runs.some((r) => r.done + r.unchanged > 0);

  /** @typedef {{ test: SettingsTest, next: () => void, retest: () => void }} StepProps */

  // Edits may have been queued before PlexSync was set up. They wait until the person has seen
  // what would change, and says so.
  const hold = () => saveSettings({ paused: true });

  /** @param {{ next: () => void }} props */
  function Connect({ next }) {
    const [url, setUrl] = useState("");
    const [token, setToken] = useState("");
    const [test, setTest] = useState(/** @type {SettingsTest | null} */ (null));
    const [byHand, setByHand] = useState(false);
    const doing = useDo();
    useEffect(() => {
      readSettings().then(
        (s) => setUrl(String(s.plexUrl || "")),
        () => undefined,
      );
    }, []);
    /** @param {React.FormEvent} e */
    const connect = (e) => {
      e.preventDefault();
      doing.run(async () => {
        const settings = { plexUrl: url.trim(), ...(token ? { plexToken: token.trim() } : {}) };
        const t = await ask("settings_test", { settings });
        setTest(t);
        if (t.error || !t.reachable || t.may_edit === false) return;
        await saveSettings({ ...settings, paused: true }); // as hold does
        setToken("");
        next();
      });
    };
    const wrong = test ? test.problems.filter((p) => p.setting === "plexUrl" || p.setting === "plexToken") : [];
    const form = h(
      "form",
      { onSubmit: connect, id: "plexsync-by-hand" },
      h("p", null, "Enter the address of your Plex server as Stash reaches it, and the token of the server's owner."),
      h(
        B.Form.Group,
        { controlId: "plexsync-setup-url" },
        h(B.Form.Label, null, "Plex address"),
        h(Input, {
          type: "text",
          value: url,
          onText: setUrl,
          placeholder: "http://192.168.1.10:32400",
          spellCheck: false,
        }),
      ),
      h(
        B.Form.Group,
        { controlId: "plexsync-setup-token" },
        h(B.Form.Label, null, "Plex token"),
        h(Input, {
          type: "password",
          autoComplete: "off",
          value: token,
          onText: setToken,
          "aria-describedby": "plexsync-setup-token-help",
        }),
        h(
          B.Form.Text,
          { id: "plexsync-setup-token-help", className: "text-muted" },
          "In Plex Web, open an item, choose Get Info, then View XML: the token is at the end of the address, after X-Plex-Token=.",
        ),
      ),
      h(
        "div",
        { className: "plexsync-buttons" },
        h(B.Button, { type: "submit", disabled: doing.busy || !url.trim() }, doing.busy ? "Connecting…" : "Connect"),
      ),
      wrong.map((p) =>
        h(B.Alert, { key: p.setting, variant: "danger" }, h("strong", null, settingName(p.setting)), ": ", p.message),
      ),
      test && !wrong.length && h(ours.Connection, { test }),
      doing.status,
    );
    return h(
      Fragment,
      null,
      h(SignIn, { before: hold, onDone: next }),
      h(
        "div",
        null,
        h(
          B.Button,
          {
            variant: "link",
            "aria-expanded": byHand,
            "aria-controls": byHand ? "plexsync-by-hand" : undefined,
            onClick: () => setByHand(!byHand),
          },
          "Enter an address and token instead",
        ),
      ),
      byHand && form,
    );
  }

  /** @param {StepProps} props */
  function Libraries({ test, next }) {
    const [chosen, setChosen] = useState(() => test.libraries.filter((l) => l.synced).map((l) => l.key));
    const doing = useDo();
    const use = () =>
      doing.run(async () => {
        const all = chosen.length === test.libraries.length;
        const names = test.libraries.filter((l) => chosen.includes(l.key)).map((l) => ours.quoted(l.title));
        await saveSettings({ plexLibraries: all ? "" : names.join(", ") });
        next();
      });
    if (!test.libraries.length) {
      return h(
        B.Alert,
        { variant: "warning" },
        'Plex has no library of movies. Add one of the type "Movies" or "Other Videos" in Plex, then come back.',
      );
    }
    return h(
      Fragment,
      null,
      h("p", null, "Which libraries hold the videos that Stash knows?"),
      test.libraries.map((l) =>
        h(B.Form.Check, {
          key: l.key,
          id: "plexsync-setup-library-" + l.key,
          label: l.title + " (" + (l.folders || []).join(", ") + ")",
          checked: chosen.includes(l.key),
          onChange: () => setChosen((c) => (c.includes(l.key) ? c.filter((k) => k !== l.key) : c.concat(l.key))),
        }),
      ),
      h(
        "div",
        { className: "plexsync-buttons" },
        h(
          B.Button,
          { onClick: use, disabled: doing.busy || !chosen.length },
          chosen.length === 1 ? "Use this library" : "Use these libraries",
        ),
      ),
      doing.status,
    );
  }

  /** @param {StepProps} props */
  function Paths({ test: saved, next }) {
    const [test, setTest] = useState(saved);
    const [rules, setRules] = useState("");
    const [edit, setEdit] = useState(false);
    const doing = useDo();
    /** @param {string} value */
    const attempt = (value) =>
      doing.run(async () => {
        setRules(value);
        setTest(await ask("settings_test", { settings: { pathRules: value } }));
      });
    const s = test.sample;
    const proposed = (s && s.suggest) || (test.folders.find((f) => !f.found && f.suggest) || {}).suggest;
    // The proposed rule is tried at once: what it leads to is shown, not what it is for.
    useEffect(() => {
      readSettings().then(
        (all) => {
          const now = String(all.pathRules || "");
          setRules(now);
          if (proposed && s && s.by_path === 0)
            attempt([now.replace(/;\s*$/, ""), proposed].filter(Boolean).join("; "));
        },
        () => undefined,
      );
    }, []);
    const use = () =>
      doing.run(async () => {
        await saveSettings({ pathRules: rules });
        next();
      });
    const wrong = test.problems.filter((p) => p.setting === "pathRules" && p.fatal);
    return h(
      Fragment,
      null,
      h(
        "p",
        null,
        "Stash and Plex may see the same files under different paths. ",
        s
          ? h(
              "strong",
              null,
              count(s.by_path) +
                " of " +
                things(s.scenes, "sample file matches", "sample files match") +
                (rules ? " with the rule below." : "."),
            )
          : "",
      ),
      h(Boundary, { of: "The comparison of folders" }, h(ours.Folders, { test, add: (r) => attempt(r) })),
      (edit || (rules !== "" && wrong.length > 0)) &&
        h(
          B.Form.Group,
          { controlId: "plexsync-setup-rules" },
          h(B.Form.Label, null, "Path rules"),
          h(Input, { type: "text", value: rules, onText: setRules, spellCheck: false, placeholder: "/data => /media" }),
          wrong.map((p) => h("div", { key: p.message, className: "plexsync-wrong", role: "alert" }, p.message)),
          h(
            B.Button,
            { size: "sm", variant: "secondary", onClick: () => attempt(rules), disabled: doing.busy },
            "Try these rules",
          ),
        ),
      !edit && rules && h("p", null, "Rule: ", h("code", null, rules)),
      h(
        "div",
        { className: "plexsync-buttons" },
        h(
          B.Button,
          { onClick: use, disabled: doing.busy || wrong.length > 0 },
          rules ? "Use this mapping" : "The paths are the same",
        ),
        h(B.Button, { variant: "secondary", "aria-expanded": edit, onClick: () => setEdit(!edit) }, "Edit"),
      ),
      doing.status,
    );
  }

  /** @param {{ o: Overview } & TabProps} props */
  function Check({ o, go }) {
    const part = useAsked(() => ask("preview_list", { after: 0, limit: 5 }), []);
    const doing = useDo();
    const p = part.value;
    const sync = () =>
      doing.run(async () => {
        if (o.paused) await saveSettings({ paused: false });
        await ours.startSync();
        return "Syncing all scenes";
      });
    return h(
      Fragment,
      null,
      h("p", null, "This is what would change for some of your own scenes. Nothing has been written yet."),
      h(Trouble, { error: part.error, retry: part.reload }),
      part.loading && h("p", null, "Loading the preview…"),
      p &&
        p.first
          .slice(0, 5)
          .map((i) =>
            h(
              Boundary,
              { key: i.scene + " " + i.key, of: "Scene " + i.scene },
              h(ours.PreviewItem, { item: i, machine: o.machine, quiet: true }),
            ),
          ),
      p && !p.first.length && h("p", null, "Nothing would change: Plex shows what Stash has."),
      h(
        "div",
        { className: "plexsync-buttons" },
        h(B.Button, { onClick: sync, disabled: doing.busy }, "Sync all scenes"),
        h(B.Button, { variant: "secondary", onClick: () => go("preview") }, "See every change"),
      ),
      o.paused && h("p", null, "PlexSync is paused until you do. Edits in Stash are queued."),
      doing.status,
    );
  }

  const STEPS = ["Connect", "Libraries", "Paths", "Check and sync"];
  const TITLES = ["Connect to Plex", "Choose the libraries", "Match the folders", "Check, then sync"];
  // Where somebody left off; a browser that keeps nothing begins at the first open step.
  const remembered = forBrowser("plexsync-setup-step", "local");

  PlexSync.Setup = ({ o, go }) => {
    const [step, setStep] = useState(() => (o.ready ? Math.min(3, Number(remembered.get()) || 1) : 0));
    const at = o.ready || step === 0 ? step : 0;
    const test = useAsked(async () => (o.ready ? ask("settings_test", {}) : null), [o.ready, at]);
    useEffect(() => {
      if (o.ready && at === 0) setStep(1);
    }, [o.ready]);
    /** @param {number} n */
    const to = (n) => {
      setStep(n);
      remembered.set(String(n));
      refreshOverview();
    };
    const t = test.value;
    const failed = t && (t.error || !t.reachable);
    const body = () => {
      if (at === 0) return h(Connect, { next: () => to(1) });
      if (at === 3) return h(Check, { o, go });
      if (!t)
        return h(
          Fragment,
          null,
          h(Trouble, { error: test.error, retry: test.reload }),
          !test.error && h("p", null, "Asking Plex…"),
        );
      if (failed)
        return h(
          Fragment,
          null,
          h(ours.Connection, { test: t }),
          h(B.Button, { variant: "secondary", onClick: test.reload }, "Try again"),
        );
      const props = { key: at, test: t, next: () => to(at + 1), retest: test.reload };
      return at === 1 ? h(Libraries, props) : h(Paths, props);
    };
    return h(
      "section",
      { className: "plexsync-setup", "aria-label": "Set up PlexSync" },
      h("h3", null, "Set up PlexSync"),
      h(
        "p",
        null,
        "Four short steps. You can leave and come back at any time; nothing is written to Plex until you say so.",
      ),
      h(
        "ol",
        { className: "plexsync-stepper" },
        STEPS.map((name, i) =>
          h(
            "li",
            {
              key: name,
              className: i === at ? "plexsync-on" : i < at ? "plexsync-done" : "",
              "aria-current": i === at ? "step" : undefined,
            },
            i < at
              ? h(
                  B.Button,
                  { variant: "link", onClick: () => to(i) },
                  i + 1 + ". " + name,
                  h("span", { className: "sr-only" }, " (done)"),
                )
              : i + 1 + ". " + name,
          ),
        ),
      ),
      h("div", { className: "card plexsync-card" }, h("h3", null, TITLES[at]), body()),
    );
  };
})();
