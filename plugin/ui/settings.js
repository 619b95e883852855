// @ts-check
// The form in Settings > Plugins.

/**
 * A setting as plexsync.yml declares it and Stash hands it on.
 *
 * @typedef {object} Definition
 * @property {string} name
 * @property {string | null} display_name
 * @property {string | null} description
 * @property {"BOOLEAN" | "NUMBER" | "STRING"} type
 */

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const ours = PlexSync; // also what files below this one add
  const { api, h, B, Link, ask, definitions, readSettings, saveSettings, useAsked } = PlexSync;
  const { count, things, happened, whatToDo, fieldName, settingName } = PlexSync;
  const { Boundary, Input, Setup, SignIn, Technical, Trouble, isFirstRun, useDo, useOverview } = PlexSync;
  const { Fragment, useEffect, useRef, useState } = api.React;
  const { Prompt, useHistory, useLocation } = api.libraries.ReactRouterDOM;

  // Labels and the content rating have settings of their own: on if these are set.
  const OWN = ["labels", "contentRating"];
  const DEFAULT_FIELDS = 9; // the first of them
  /** @type {[string, string[]][]} */
  const GROUPS = [
    ["Connection", ["plexUrl", "plexToken", "insecureTLS"]],
    ["Libraries", ["plexLibraries"]],
    ["Paths", ["pathRules", "scanPlex", "plexIsSubset"]],
    ["Which scenes", ["onlyOrganized", "onlyStashIds", "onlyTags", "excludeTags", "onlyPaths", "excludePaths"]],
    ["What is written", ["fields", "genreTags", "collections", "contentRating", "labels", "labelTags"]],
    ["How it looks", ["titleTemplate", "posterShape"]],
    ["Edits made in Plex", ["keepPlexEdits", "mirrorLists", "leaveUnlocked"]],
    ["Schedule and retries", ["paused", "maxRetries", "dlqRetentionDays", "compareEveryHours"]],
    ["Log", ["hidePaths", "verbose"]],
  ];
  // What decides whether Plex can be used: tested before it is saved.
  const CONNECTION = ["plexUrl", "plexToken", "insecureTLS", "plexLibraries"];

  /** @param {unknown} text */
  const list = (text) =>
    String(text || "")
      .split(",")
      .map((x) => x.trim())
      .filter(Boolean);
  /** @param {string} name */
  const quoted = (ours.quoted = (name) => (/[",]/.test(name) ? '"' + name.replace(/"/g, '""') + '"' : name));
  /** @param {string} name */
  const help = (name) => "plexsync-help-" + name;

  /** @typedef {string | number | boolean | undefined} Value undefined: never set */

  /**
   * What a row of the form shows and does.
   *
   * @typedef {object} RowProps
   * @property {Definition} d
   * @property {string} label
   * @property {Value} value
   * @property {(value: string | number | boolean) => void} set
   * @property {Problem[]} wrong
   */

  /** @param {RowProps} props */
  const Below = ({ d, wrong }) =>
    h(
      Fragment,
      null,
      h(B.Form.Text, { id: help(d.name), className: "text-muted" }, d.description),
      wrong.map((p, i) =>
        h("div", { key: i, className: p.fatal ? "plexsync-wrong" : "plexsync-warn", role: "alert" }, p.message),
      ),
    );

  /** @param {RowProps & { children?: React.ReactNode }} props */
  const Group = ({ children, ...row }) =>
    h(B.Form.Group, { controlId: "plexsync-" + row.d.name }, h(B.Form.Label, null, row.label), children);

  /** @param {RowProps} row */
  const forInput = ({ d, wrong }) => ({
    "aria-describedby": help(d.name),
    isInvalid: wrong.some((p) => p.fatal),
    spellCheck: false,
  });

  /** @param {RowProps} row */
  const TextRow = (row) =>
    h(
      Group,
      row,
      h(Input, { ...forInput(row), type: "text", value: String(row.value ?? ""), onText: row.set }),
      h(Below, row),
    );

  /** @param {RowProps} row */
  const NumberRow = (row) =>
    h(
      Group,
      row,
      h(Input, {
        ...forInput(row),
        type: "number",
        value: String(row.value ?? ""),
        onText: (text) => row.set(Number(text)),
      }),
      h(Below, row),
    );

  /** @param {RowProps} row */
  const SwitchRow = (row) =>
    h(
      B.Form.Group,
      { controlId: "plexsync-" + row.d.name },
      h(B.Form.Check, {
        type: "switch",
        id: "plexsync-" + row.d.name,
        label: row.label,
        "aria-describedby": help(row.d.name),
        checked: !!row.value,
        onChange: (e) => row.set(e.target.checked),
      }),
      h(Below, row),
    );

  // The page never has the saved token.
  /** @param {RowProps & { hasToken: boolean }} props */
  const TokenRow = ({ hasToken, ...row }) =>
    h(
      Group,
      row,
      h(Input, {
        ...forInput(row),
        type: "password",
        autoComplete: "off",
        value: String(row.value ?? ""),
        placeholder: hasToken ? "saved; type a new one to change it" : "",
        onText: row.set,
      }),
      h(Below, row),
    );

  /** @param {RowProps & { test: SettingsTest | null, retest: (more: SavedSettings) => void }} props */
  const PathRow = ({ test, retest, ...row }) => {
    /** @param {string} rule */
    const add = (rule) => {
      const before = String(row.value || "")
        .trim()
        .replace(/;$/, "");
      const value = [before, rule].filter(Boolean).join("; ");
      row.set(value);
      retest({ pathRules: value });
    };
    return h(
      Group,
      row,
      h(Input, {
        ...forInput(row),
        as: "textarea",
        rows: 2,
        value: String(row.value || ""),
        onText: (text) => row.set(text.replace(/\n/g, "; ")),
      }),
      h(Below, row),
      test && h(Boundary, { of: "The comparison of folders" }, h(ours.Folders, { test, add })),
    );
  };

  /** @param {RowProps & { libraries: Library[] }} props */
  function LibrariesRow({ libraries, ...row }) {
    const chosen = list(row.value).map((x) => x.replace(/^"(.*)"$/, "$1").toLowerCase());
    /** @param {Library} l */
    const on = (l) => !chosen.length || chosen.includes(l.title.toLowerCase()) || chosen.includes(l.key);
    /** @param {Library} l */
    const toggle = (l) => {
      const next = libraries.filter((x) => (x.key === l.key ? !on(x) : on(x)));
      if (next.length) row.set(next.length === libraries.length ? "" : next.map((x) => quoted(x.title)).join(", "));
    };
    return h(
      "div",
      { role: "group", "aria-label": row.label, className: "form-group", id: "plexsync-row-" + row.d.name },
      h("div", { className: "form-label" }, row.label),
      libraries.map((l) =>
        h(B.Form.Check, {
          key: l.key,
          id: "plexsync-library-" + l.key,
          label: l.title + " (" + (l.folders || []).join(", ") + ")",
          checked: on(l),
          onChange: () => toggle(l),
        }),
      ),
      h(Below, row),
    );
  }

  /** @param {RowProps & { choices: Field[], setChoices: (choices: Field[]) => void }} props */
  function FieldsRow({ choices, setChoices, ...row }) {
    /** @param {Field} c */
    const toggle = (c) => {
      const next = choices.map((x) => (x.name === c.name ? { ...x, on: !x.on } : x));
      const isDefault = next.every((x, i) => OWN.includes(x.name) || x.on === i < DEFAULT_FIELDS);
      const names = next.filter((x) => x.on).map((x) => x.name);
      if (!names.length) return;
      row.set(isDefault ? "" : names.join(", "));
      setChoices(next);
    };
    return h(
      "div",
      { role: "group", "aria-label": row.label, className: "form-group", id: "plexsync-row-" + row.d.name },
      h("div", { className: "form-label" }, row.label),
      h(
        "div",
        { className: "plexsync-checks" },
        choices
          .filter((c) => !OWN.includes(c.name))
          .map((c) =>
            h(B.Form.Check, {
              key: c.name,
              id: "plexsync-field-" + c.name,
              label: fieldName(c.name),
              checked: c.on,
              onChange: () => toggle(c),
            }),
          ),
      ),
      h(Below, row),
    );
  }

  // Both sides' folders side by side, and files of a sample with a tick each.
  PlexSync.Folders = ({ test: t, add }) => {
    const [all, setAll] = useState(false);
    /** @param {string | null | undefined} rule */
    const button = (rule) =>
      rule && add && h(B.Button, { size: "sm", variant: "secondary", onClick: () => add(rule) }, "Add rule " + rule);
    const files = (t.sample && t.sample.files) || [];
    const shown = all ? files : files.slice(0, 3);
    return h(
      "div",
      { className: "plexsync-folders" },
      t.folders.length > 0 &&
        h(
          "table",
          { className: "table table-sm plexsync-rows" },
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              ["In Stash", "In Plex", ""].map((x, i) =>
                h(x ? "th" : "td", x ? { key: i, scope: "col" } : { key: i }, x),
              ),
            ),
          ),
          h(
            "tbody",
            null,
            t.folders.map((f) =>
              h(
                "tr",
                { key: f.stash },
                h("td", { "data-label": "In Stash" }, h("code", null, f.stash)),
                h("td", { "data-label": "In Plex" }, h("code", null, f.mapped)),
                h(
                  "td",
                  null,
                  f.found
                    ? h("span", { className: "plexsync-tick" }, "in a Plex library")
                    : h("span", { className: "plexsync-warn" }, "not in a Plex library "),
                  !f.found && button(f.suggest),
                ),
              ),
            ),
          ),
        ),
      t.libraries.some((l) => l.synced) &&
        h(
          "p",
          { className: "plexsync-foot" },
          "Folders in Plex: ",
          t.libraries
            .filter((l) => l.synced)
            .map((l) => l.title + " (" + (l.folders || []).join(", ") + ")")
            .join(", "),
        ),
      t.sample &&
        h(
          Fragment,
          null,
          h(
            "p",
            null,
            "Of " + things(t.sample.scenes, "sample file", "sample files") + ", Plex has ",
            [
              count(t.sample.by_path) + " at the expected path",
              t.sample.by_name ? count(t.sample.by_name) + " at another path" : "",
              t.sample.missing ? "and lacks " + count(t.sample.missing) : "",
            ]
              .filter(Boolean)
              .join(", ") + ". ",
            button(t.sample.suggest),
          ),
          h(
            "ul",
            { className: "plexsync-files" },
            shown.map((f) =>
              h(
                "li",
                { key: f.path, className: f.by_path ? "plexsync-tick" : "plexsync-cross" },
                h("span", { className: "sr-only" }, f.by_path ? "found: " : "not found: "),
                h("code", null, f.path),
                f.mapped !== f.path && [" → ", h("code", { key: 0 }, f.mapped)],
                !f.by_path && f.by_name && " (Plex has it at another path)",
              ),
            ),
          ),
          files.length > shown.length &&
            h(
              B.Button,
              { size: "sm", variant: "link", onClick: () => setAll(true) },
              things(files.length - shown.length, "more file", "more files"),
            ),
        ),
    );
  };

  PlexSync.Connection = ({ test: t }) => {
    const problem = t.problems.find((p) => p.fatal && (p.setting === "plexUrl" || p.setting === "plexToken"));
    const server = t.name || "Plex";
    if (problem)
      return h(B.Alert, { variant: "danger" }, h("strong", null, settingName(problem.setting)), ": ", problem.message);
    if (t.error || !t.reachable) {
      const cause = t.cause || "unreachable";
      return h(
        B.Alert,
        { variant: "danger" },
        h("strong", null, happened(cause, t.error) + ". "),
        cause === "unauthorized"
          ? "Sign in as the server's owner, or enter the owner's token."
          : cause === "unreachable"
            ? "Is Plex running, and is this its address as Stash reaches it?"
            : whatToDo(cause),
        h(Technical, { text: t.error }),
      );
    }
    if (t.may_edit === false) {
      return h(
        B.Alert,
        { variant: "danger" },
        server +
          " accepts the token, but only the server's owner can edit metadata. Sign in as the owner, or enter the owner's token.",
      );
    }
    return h(
      B.Alert,
      { variant: "success" },
      "Connected to " +
        server +
        " (Plex " +
        ours.shortVersion(t.version) +
        "), " +
        things(t.libraries.length, "movie library", "movie libraries") +
        ".",
    );
  };

  PlexSync.Settings = ({ settings }) => {
    const [saved, setSaved] = useState(/** @type {SavedSettings | null} */ (null)); // without the token
    const [hasToken, setHasToken] = useState(false);
    const [form, setForm] = useState(/** @type {SavedSettings} */ ({})); // what differs
    const [test, setTest] = useState(/** @type {SettingsTest | null} */ (null));
    const [testing, setTesting] = useState(false);
    const [problems, setProblems] = useState(/** @type {Problem[]} */ ([]));
    const [choices, setChoices] = useState(/** @type {Field[]} */ ([]));
    const [refused, setRefused] = useState(false); // Plex cannot be used with what was to be saved
    const doing = useDo();
    const wanted = new URLSearchParams(useLocation().search).get("field");
    const load = async () => {
      const { plexToken, ...rest } = await readSettings();
      setSaved(rest);
      setHasToken(!!plexToken);
      setForm({});
      const t = await ask("settings_test", { offline: true });
      setProblems(t.problems);
      setChoices(t.fields);
    };
    useEffect(() => {
      doing.run(load);
    }, []);
    // A link to a setting leads to its field.
    useEffect(() => {
      if (!saved || !wanted) return;
      const group = document.getElementById("plexsync-row-" + wanted);
      const input = document.getElementById("plexsync-" + wanted) || (group && group.querySelector("input"));
      if (!input) return;
      input.scrollIntoView({ block: "center" });
      input.focus();
    }, [!saved, wanted]);
    const unsaved = !!saved && Object.keys(form).length > 0;
    useEffect(() => {
      if (!unsaved) return undefined;
      /** @param {BeforeUnloadEvent} e */
      const stay = (e) => {
        e.preventDefault();
        e.returnValue = "";
      };
      window.addEventListener("beforeunload", stay);
      return () => window.removeEventListener("beforeunload", stay);
    }, [unsaved]);
    // Errors are shown beside the field while one types, before anything is saved.
    const turn = useRef(0);
    useEffect(() => {
      if (!saved || !Object.keys(form).length) return undefined;
      const mine = ++turn.current;
      const t = setTimeout(async () => {
        try {
          const checked = await ask("settings_test", { settings: form, offline: true });
          if (mine === turn.current) setProblems(checked.problems);
        } catch (e) {
          /* the next word tries again; saving tells */
        }
      }, 400);
      return () => clearTimeout(t);
    }, [form]);
    if (!saved) return h("div", { className: "plexsync plexsync-settings" }, doing.status);

    /** @param {SavedSettings} [more] */
    const run = async (more) => {
      setTesting(true);
      await doing.run(async () => {
        const t = await ask("settings_test", { settings: { ...form, ...more } });
        setTest(t);
        setProblems(t.problems);
      });
      setTesting(false);
    };
    // What else was changed and not saved yet stays so. Libraries and paths are next.
    const signedIn = async () => {
      const { plexToken, ...rest } = await readSettings();
      setSaved(rest);
      setHasToken(!!plexToken);
      const { plexUrl, plexToken: typed, ...others } = form;
      setForm(others);
      setTest(null);
      await doing.run(async () => {
        const t = await ask("settings_test", { settings: others });
        setTest(t);
        setProblems(t.problems);
      });
    };
    // A problem blocks what it is about: also a token that has to be typed again because the
    // address is another.
    /** @param {Problem} p */
    const blocks = (p) =>
      p.fatal && form[p.setting] !== "" && (p.setting in form || (p.setting === "plexToken" && !!form.plexUrl));
    /** @param {boolean} anyway also if Plex cannot be used with them */
    const save = (anyway) =>
      doing.run(async () => {
        const connects = CONNECTION.some((name) => name in form) && form.plexUrl !== "";
        const checked = await ask("settings_test", connects ? { settings: form } : { settings: form, offline: true });
        setProblems(checked.problems);
        if (connects) setTest(checked);
        const bad = checked.problems.filter(blocks);
        setRefused(false);
        if (bad.length) {
          throw new Error("Not saved. " + bad.map((p) => settingName(p.setting) + ": " + p.message).join("; "));
        }
        const fails = connects && (checked.error || !checked.reachable || checked.may_edit === false);
        if (fails && checked.ready && !anyway) {
          setRefused(true);
          throw new Error("Not saved, because Plex cannot be used with these settings.");
        }
        const changes = { ...form };
        if (!changes.plexToken) delete changes.plexToken; // untouched
        await saveSettings(changes);
        PlexSync.forgetServer();
        await load();
        return fails ? "Settings saved, but Plex cannot be used with them yet" : "Settings saved";
      });

    const defs = new Map(settings.map((s) => [s.name, s]));
    /** @param {string} name */
    const field = (name) => {
      const d = defs.get(name);
      if (!d) return null;
      const row = {
        key: name,
        d,
        label: settingName(name) === name ? d.display_name || name : settingName(name),
        value: name in form ? form[name] : saved[name],
        /** @param {string | number | boolean} v */
        set: (v) => {
          setRefused(false);
          setForm((f) => ({ ...f, [name]: v }));
        },
        wrong: problems.filter((p) => p.setting === name),
      };
      if (name === "plexToken") return h(TokenRow, { ...row, hasToken });
      if (name === "plexLibraries" && test && test.libraries.length) {
        return h(LibrariesRow, { ...row, libraries: test.libraries });
      }
      if (name === "fields" && choices.length) return h(FieldsRow, { ...row, choices, setChoices });
      if (name === "pathRules") return h(PathRow, { ...row, test, retest: (more) => run(more) });
      if (d.type === "BOOLEAN") return h(SwitchRow, row);
      return h(d.type === "NUMBER" ? NumberRow : TextRow, row);
    };
    return h(
      "div",
      { className: "plexsync plexsync-settings" },
      h(Prompt, { when: unsaved, message: "You have unsaved PlexSync settings. Leave without saving?" }),
      GROUPS.map(([title, names]) =>
        h(
          "fieldset",
          { key: title },
          h("legend", null, title),
          title === "Connection" &&
            h(
              Fragment,
              null,
              h(SignIn, { again: hasToken, onDone: signedIn }),
              h("p", null, "Or enter the address and the token by hand:"),
            ),
          names.map(field),
          title === "Connection" && test && h(Boundary, { of: "The result of the test" }, h(ours.Connection, { test })),
        ),
      ),
      h(
        "div",
        // Over what is scrolled below it, in the theme's own color.
        { className: "plexsync-savebar", style: { background: getComputedStyle(document.body).backgroundColor } },
        h(
          "div",
          { className: "plexsync-buttons" },
          h(B.Button, { onClick: () => save(false), disabled: doing.busy || !unsaved }, "Save"),
          refused &&
            unsaved &&
            h(B.Button, { variant: "danger", onClick: () => save(true), disabled: doing.busy }, "Save anyway"),
          h(
            B.Button,
            { variant: "secondary", onClick: () => run(), disabled: testing },
            testing ? "Testing…" : "Test the connection",
          ),
          h(
            B.Button,
            {
              variant: "secondary",
              disabled: doing.busy || !unsaved,
              onClick: () => {
                setRefused(false);
                doing.run(load);
              },
            },
            "Discard changes",
          ),
          h(Link, { to: "/plexsync", className: "btn btn-secondary" }, "Open PlexSync"),
        ),
        doing.status,
      ),
    );
  };

  // In Stash's own settings: the set-up until something was synced, then the form.
  PlexSync.Panel = ({ settings }) => {
    const { value: o, error } = useOverview(true);
    const history = useHistory();
    const [all, setAll] = useState(false);
    if (!o && !error) return h("p", null, "Loading…");
    if (!o || (o.ready && !isFirstRun(o))) return h(ours.Settings, { settings });
    return h(
      "div",
      { className: "plexsync" },
      all
        ? h(ours.Settings, { settings })
        : h(Boundary, { of: "The set-up" }, h(Setup, { o, go: (tab) => history.push("/plexsync?tab=" + tab) })),
      h(
        B.Button,
        { variant: "secondary", onClick: () => setAll(!all) },
        all ? "Back to the set-up" : "Show all settings",
      ),
    );
  };

  PlexSync.SettingsTab = () => {
    const asked = useAsked(definitions, []);
    return h(
      Fragment,
      null,
      h(Trouble, { error: asked.error, retry: asked.reload }),
      asked.value ? h(PlexSync.Settings, { settings: asked.value }) : !asked.error && h("p", null, "Loading…"),
    );
  };
})();
