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
  const { api, h, B, Link, ask, readSettings, saveSettings, count, things } = PlexSync;
  const { Boundary, Input, useDo } = PlexSync;
  const { Fragment, useEffect, useRef, useState } = api.React;

  /** @type {Record<string, string>} */
  const FIELD_NAMES = {
    title: "Title",
    summary: "Summary",
    date: "Date",
    studio: "Studio",
    director: "Director",
    performers: "Performers",
    tags: "Tags as genres",
    collections: "Collections",
    poster: "Poster",
    rating: "Rating",
    background: "Background",
    originalTitle: "Original title",
    tagline: "Studio code as tagline",
    sortTitle: "Sort title",
    photos: "Photos of performers",
  };
  // Labels and the content rating have settings of their own: on if these are set.
  const OWN = ["labels", "contentRating"];
  const DEFAULT_FIELDS = 9; // the first of them
  /** @type {[string, string[]][]} */
  const GROUPS = [
    ["Connection", ["plexUrl", "plexToken", "insecureTLS"]],
    ["Libraries", ["plexLibraries"]],
    ["Paths", ["pathRules", "scanPlex", "plexIsSubset"]],
    ["What is synced", ["fields", "collections", "contentRating", "labels", "onlyOrganized", "excludeTags"]],
    ["Edits made in Plex", ["keepPlexEdits", "mirrorLists", "leaveUnlocked"]],
    ["Work", ["paused", "maxRetries", "dlqRetentionDays", "compareEveryHours"]],
    ["Log", ["hidePaths", "verbose"]],
  ];

  /** @param {unknown} text */
  const list = (text) =>
    String(text || "")
      .split(",")
      .map((x) => x.trim())
      .filter(Boolean);
  /** @param {string} name */
  const quoted = (name) => (/[",]/.test(name) ? '"' + name.replace(/"/g, '""') + '"' : name);
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

  /** @param {RowProps & { test: SettingsTest | null }} props */
  const PathRow = ({ test, ...row }) => {
    /** @param {string} rule */
    const add = (rule) => {
      const before = String(row.value || "")
        .trim()
        .replace(/;$/, "");
      row.set([before, rule].filter(Boolean).join("; "));
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
      test && h(Boundary, { of: "The comparison of folders" }, h(Folders, { test, add })),
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
      { role: "group", "aria-label": row.label, className: "form-group" },
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
      { role: "group", "aria-label": row.label, className: "form-group" },
      h("div", { className: "form-label" }, row.label),
      h(
        "div",
        { className: "plexsync-checks" },
        choices
          .filter((c) => FIELD_NAMES[c.name])
          .map((c) =>
            h(B.Form.Check, {
              key: c.name,
              id: "plexsync-field-" + c.name,
              label: FIELD_NAMES[c.name],
              checked: c.on,
              onChange: () => toggle(c),
            }),
          ),
      ),
      h(Below, row),
    );
  }

  /** @param {{ test: SettingsTest, add: (rule: string) => void }} props */
  function Folders({ test: t, add }) {
    /** @param {string | null | undefined} rule */
    const button = (rule) =>
      rule && h(B.Button, { size: "sm", variant: "secondary", onClick: () => add(rule) }, "Add " + rule);
    return h(
      "div",
      { className: "plexsync-folders" },
      t.folders.map((f) =>
        h(
          "div",
          { key: f.stash },
          h("code", null, f.stash),
          " is ",
          h("code", null, f.mapped),
          " in Plex: ",
          f.found ? "found" : "not a folder of its libraries ",
          !f.found && button(f.suggest),
        ),
      ),
      t.sample &&
        h(
          "div",
          null,
          "Of " +
            things(t.sample.scenes, "scene", "scenes") +
            " Plex has " +
            count(t.sample.by_path) +
            " under their path, " +
            count(t.sample.by_name) +
            " under another, and lacks " +
            count(t.sample.missing) +
            ". ",
          button(t.sample.suggest),
        ),
    );
  }

  /** @param {{ test: SettingsTest }} props */
  function Connection({ test: t }) {
    const problem = t.problems.find((p) => p.setting === "plexUrl" || p.setting === "plexToken");
    const server = '"' + t.name + '"';
    if (t.error || !t.reachable) {
      const why = t.error || (problem ? problem.setting + ": " + problem.message : "Plex was not asked.");
      return h(B.Alert, { variant: "danger" }, why);
    }
    if (t.may_edit === false) {
      return h(
        B.Alert,
        { variant: "danger" },
        server + " accepts the token, but it is not the owner's, who alone may edit.",
      );
    }
    const libraries = things(t.libraries.length, "library", "libraries");
    return h(
      B.Alert,
      { variant: "success" },
      server + " answers, version " + t.version + ", " + libraries + " of movies.",
    );
  }

  PlexSync.Settings = ({ settings }) => {
    const [saved, setSaved] = useState(/** @type {SavedSettings | null} */ (null)); // without the token
    const [hasToken, setHasToken] = useState(false);
    const [form, setForm] = useState(/** @type {SavedSettings} */ ({})); // what differs
    const [test, setTest] = useState(/** @type {SettingsTest | null} */ (null));
    const [testing, setTesting] = useState(false);
    const [problems, setProblems] = useState(/** @type {Problem[]} */ ([]));
    const [choices, setChoices] = useState(/** @type {Field[]} */ ([]));
    const doing = useDo();
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
    // Errors are told beside the field while one types, before anything is saved.
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

    const run = async () => {
      setTesting(true);
      await doing.run(async () => {
        setTest(await ask("settings_test", { settings: form }));
      });
      setTesting(false);
    };
    const save = () =>
      doing.run(async () => {
        const checked = await ask("settings_test", { settings: form, offline: true });
        setProblems(checked.problems);
        const bad = checked.problems.filter((p) => p.setting in form && p.fatal && form[p.setting] !== "");
        if (bad.length) throw new Error("Not saved. " + bad.map((p) => p.setting + ": " + p.message).join("; "));
        const changes = { ...form };
        if (!changes.plexToken) delete changes.plexToken; // untouched
        await saveSettings(changes);
        await load();
        return "The settings of PlexSync are saved";
      });

    const defs = new Map(settings.map((s) => [s.name, s]));
    /** @param {string} name */
    const field = (name) => {
      const d = defs.get(name);
      if (!d) return null;
      const row = {
        key: name,
        d,
        label: (d.display_name || name).replace(/^\d+\. /, ""),
        value: name in form ? form[name] : saved[name],
        /** @param {string | number | boolean} v */
        set: (v) => setForm((f) => ({ ...f, [name]: v })),
        wrong: problems.filter((p) => p.setting === name),
      };
      if (name === "plexToken") return h(TokenRow, { ...row, hasToken });
      if (name === "plexLibraries" && test && test.libraries.length) {
        return h(LibrariesRow, { ...row, libraries: test.libraries });
      }
      if (name === "fields" && choices.length) return h(FieldsRow, { ...row, choices, setChoices });
      if (name === "pathRules") return h(PathRow, { ...row, test });
      if (d.type === "BOOLEAN") return h(SwitchRow, row);
      return h(d.type === "NUMBER" ? NumberRow : TextRow, row);
    };
    const changed = Object.keys(form).length > 0;
    return h(
      "div",
      { className: "plexsync plexsync-settings" },
      GROUPS.map(([title, names]) =>
        h(
          "fieldset",
          { key: title },
          h("legend", null, title),
          names.map(field),
          title === "Connection" &&
            h(
              Fragment,
              null,
              h(
                B.Button,
                { variant: "secondary", onClick: run, disabled: testing },
                testing ? "Asking Plex …" : "Test the connection",
              ),
              test && h(Boundary, { of: "The result of the test" }, h(Connection, { test })),
            ),
        ),
      ),
      h(
        "div",
        { className: "plexsync-buttons" },
        h(B.Button, { onClick: save, disabled: doing.busy || !changed }, "Save"),
        h(B.Button, { variant: "secondary", disabled: doing.busy || !changed, onClick: () => doing.run(load) }, "Undo"),
        h(Link, { to: "/plexsync", className: "btn btn-secondary" }, "Open PlexSync"),
      ),
      doing.status,
    );
  };
})();
