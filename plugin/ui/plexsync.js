// PlexSync's place in Stash: a button in the navigation bar, the page /plexsync, the
// form in Settings > Plugins, and a tab on each scene. No build step and no library
// but what Stash hands out. All that comes from Stash or Plex is shown as text: React
// escapes it. Its data come from the plugin's operations, see docs/interface.md.
(function () {
  "use strict";
  const api = window.PluginApi;
  if (!api || !api.React || !api.patch) return; // an older Stash: the plain list works
  const { React } = api;
  const { useState, useEffect, useRef, useCallback } = React;
  const { Link, useHistory, useLocation } = api.libraries.ReactRouterDOM;
  const B = api.libraries.Bootstrap;
  const { gql } = api.libraries.Apollo;
  const h = React.createElement;
  // Stash's own inputs look so.
  const Input = (props) => h(B.Form.Control, { ...props, className: (props.as === "select" ? "input-control " : "text-input ") + (props.className || "") });
  const ID = "plexsync";

  // ---- Asking -----------------------------------------------------------------

  const OPERATION = gql`
    mutation PlexSyncOperation($args: Map!) { runPluginOperation(plugin_id: "plexsync", args: $args) }`;
  const TASK = gql`
    mutation PlexSyncTask($name: String!, $args: Map) { runPluginTask(plugin_id: "plexsync", task_name: $name, description: $name, args_map: $args) }`;
  const SETTINGS = gql`
    query PlexSyncSettings { configuration { plugins(include: ["plexsync"]) } }`;
  const CONFIGURE = gql`
    mutation PlexSyncConfigure($input: Map!) { configurePlugin(plugin_id: "plexsync", input: $input) }`;
  const TITLES = gql`
    query PlexSyncTitles($ids: [Int!]) { findScenes(scene_ids: $ids, filter: { per_page: -1 }) { scenes { id title files { basename } } } }`;

  const client = () => api.utils.StashService.getClient();

  // ask runs an operation of the plugin and returns its data.
  async function ask(mode, args) {
    const { data } = await client().mutate({
      mutation: OPERATION, fetchPolicy: "no-cache", variables: { args: { v: 1, mode, ...args } },
    });
    const answer = data && data.runPluginOperation;
    if (!answer || answer.v !== 1) {
      throw new Error("The plugin is older than this page. Reload the plugins in Settings > Plugins, then this page.");
    }
    return answer.data;
  }

  const startTask = (name, mode) => client().mutate({ mutation: TASK, variables: { name: "PlexSync: " + name, args: { mode } } });

  async function readSettings() {
    const { data } = await client().query({ query: SETTINGS, fetchPolicy: "no-cache" });
    return (data.configuration.plugins || {})[ID] || {};
  }

  // saveSettings changes some settings. Stash replaces the whole map, so it is read
  // just before, past the cache, which is Stash's own.
  async function saveSettings(changes) {
    const input = { ...(await readSettings()), ...changes };
    for (const name of Object.keys(input)) if (input[name] === undefined || input[name] === null) delete input[name];
    await client().mutate({ mutation: CONFIGURE, variables: { input }, refetchQueries: ["Configuration"] });
    overview.refresh();
  }

  const message = (e) => String((e && e.message) || e).replace(/^GraphQL error: /, "");

  // overview is asked for by one timer for all who look: often while something moves,
  // seldom on other pages, never while the tab is hidden.
  const overview = {
    value: undefined, error: undefined, listeners: new Map(), timer: 0, asking: false, again: false,
    async refresh() {
      clearTimeout(this.timer);
      this.again = this.asking; // what is under way may miss what just happened
      if (this.asking || !this.listeners.size) return;
      if (document.hidden) return; // goes on when it is looked at again
      this.asking = true;
      try {
        this.value = await ask("overview");
        this.error = undefined;
      } catch (e) {
        this.error = message(e);
      }
      this.asking = false;
      for (const listener of this.listeners.keys()) listener({});
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.refresh(), this.again ? 0 : this.pause());
    },
    pause() {
      const close = [...this.listeners.values()].includes(true);
      const busy = this.value && (this.value.draining || this.value.due > 0);
      if (close) return busy ? 2000 : 10000;
      return busy ? 15000 : 60000;
    },
  };
  document.addEventListener("visibilitychange", () => document.hidden || overview.refresh());

  // useOverview follows the overview; close = somebody looks at the figures.
  function useOverview(close) {
    const [, redraw] = useState({});
    useEffect(() => {
      overview.listeners.set(redraw, close);
      overview.refresh();
      return () => { overview.listeners.delete(redraw); };
    }, [close]);
    return overview;
  }

  // useAsked asks once, and again when a dependency changes or reload is called; an
  // answer that a later question has overtaken is dropped.
  function useAsked(question, deps) {
    const [state, setState] = useState({ loading: true });
    const turn = useRef(0);
    const reload = useCallback(async () => {
      const mine = ++turn.current;
      setState((s) => ({ ...s, loading: true }));
      try {
        const value = await question();
        if (mine === turn.current) setState({ value });
      } catch (e) {
        if (mine === turn.current) setState((s) => ({ value: s.value, error: message(e) }));
      }
    }, deps);
    useEffect(() => { reload(); return () => { turn.current++; }; }, [reload]);
    return { ...state, reload };
  }

  // ---- Words ------------------------------------------------------------------

  const CLASSES = {
    unreachable: ["Plex could not be reached", "Nothing to do: it is tried until Plex answers."],
    unauthorized: ["Plex refused the token", "Set the token of the server's owner in the settings."],
    busy: ["Plex answered badly", "Retry; if it fails again, look at the item in Plex."],
    not_in_plex: ["Not in Plex", "Comes back by itself when Plex shows the file, or when the path rules change."],
    ambiguous: ["Several items fit equally", "Add a path rule, or remove the double in Plex."],
    rejected: ["Plex refused the edit", "Look at the error; edit the scene or the item, then retry."],
    gone: ["No longer in Stash", "Drop it."],
    stash_unreachable: ["Stash could not be asked", "Nothing to do: it is tried again."],
    internal: ["A fault of PlexSync", "Please report it with the log."],
  };
  const className = (c) => (CLASSES[c] || [c])[0];
  const whatToDo = (c) => (CLASSES[c] || ["", ""])[1];

  const time = (t) => (t ? new Date(t).toLocaleString() : "");
  const count = (n) => Number(n || 0).toLocaleString();
  const things = (n, one, many) => count(n) + " " + (n === 1 ? one : many);

  function lasting(seconds) {
    if (seconds === null || seconds === undefined) return "–";
    const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
    const i = Math.max(0, units.findIndex(([, n]) => seconds >= n));
    const [unit, n] = units[seconds < 1 ? 3 : i];
    const whole = Math.floor(seconds / n);
    const next = units[i + 1];
    const rest = next && seconds >= 1 ? Math.floor((seconds - whole * n) / next[1]) : 0;
    return whole + " " + unit + (rest ? " " + rest + " " + next[0] : "");
  }

  function subject(row) {
    const id = row.subject_id === undefined ? row.id : row.subject_id;
    if (row.kind === "library") return "whole library";
    return row.kind + " " + id;
  }

  const sceneLink = (id, text) => h(Link, { to: "/scenes/" + Number(id) }, text || "scene " + id);

  // Plex's own page knows how to reach the server, also from another network.
  const plexHref = (machine, key) => "https://app.plex.tv/desktop/#!/server/" + encodeURIComponent(machine) +
    "/details?key=" + encodeURIComponent("/library/metadata/" + key);
  const plexLink = (machine, key, text) => machine && key
    ? h("a", { href: plexHref(machine, key), target: "_blank", rel: "noopener noreferrer" }, text || "item " + key)
    : key ? "item " + key : null;

  // ---- Pieces -----------------------------------------------------------------

  // useDo runs actions one at a time and says afterwards what was done.
  function useDo() {
    const toast = api.hooks.useToast ? api.hooks.useToast() : undefined;
    const [busy, setBusy] = useState(false);
    const [word, setWord] = useState("");
    const run = async (action) => {
      setBusy(true);
      try {
        const done = await action();
        if (done) {
          setWord(done);
          toast && toast.success(done);
        }
        return true;
      } catch (e) {
        setWord(message(e));
        toast && toast.error(e);
        return false;
      } finally {
        setBusy(false);
      }
    };
    return { busy, run, status: h("div", { role: "status", className: "plexsync-status" }, word) };
  }

  const Trouble = ({ error, retry }) => error ? h(B.Alert, { variant: "danger" }, error, " ",
    retry && h(B.Button, { size: "sm", variant: "secondary", onClick: retry }, "Try again")) : null;

  // Question asks before something is destroyed.
  function Question({ text, button, onYes, onNo }) {
    return h(B.Modal, { show: true, onHide: onNo, "aria-labelledby": "plexsync-question", dialogClassName: "plexsync-modal" },
      h(B.Modal.Body, { id: "plexsync-question" }, text),
      h(B.Modal.Footer, null,
        h(B.Button, { variant: "secondary", onClick: onNo, autoFocus: true }, "Cancel"),
        h(B.Button, { variant: "danger", onClick: onYes }, button)));
  }

  const PAGE = 50;

  // Table shows a list that the plugin searches, sorts and cuts into pages. columns:
  // {name, title, sort, cell(row)}; actions(selected, clear) are shown above it.
  function Table({ label, mode, args, columns, first, actions, empty, decorate, live }) {
    const [search, setSearch] = useState("");
    const [typed, setTyped] = useState("");
    const [sort, setSort] = useState(first);
    const [page, setPage] = useState(0);
    const [selected, setSelected] = useState(new Set());
    useEffect(() => {
      const t = setTimeout(() => { setSearch(typed); setPage(0); }, 250);
      return () => clearTimeout(t);
    }, [typed]);
    const key = JSON.stringify([args, search, sort, page]);
    const list = useAsked(async () => {
      const answer = await ask(mode, { ...args, search, sort: sort.by, desc: sort.desc, limit: PAGE, offset: page * PAGE });
      return decorate ? await decorate(answer) : answer;
    }, [key]);
    const shown = useRef(live); // what the figures were when the list was asked for
    useEffect(() => {
      if (shown.current !== undefined && shown.current !== live) list.reload();
      shown.current = live;
    }, [live]);
    const { rows = [], total = 0 } = list.value || {};
    const pages = Math.max(1, Math.ceil(total / PAGE));
    useEffect(() => { if (list.value && page >= pages) setPage(pages - 1); }, [pages, page, list.value]);
    const clear = () => { setSelected(new Set()); list.reload(); };
    const toggle = (id) => setSelected((s) => { const n = new Set(s); n.has(id) ? n.delete(id) : n.add(id); return n; });
    const all = rows.length > 0 && rows.every((r) => selected.has(r.id));
    const head = (c) => h("th", { key: c.name, scope: "col", "aria-sort": c.sort ? (sort.by === c.sort ? (sort.desc ? "descending" : "ascending") : "none") : undefined },
      c.sort ? h("button", { type: "button", className: "plexsync-sort", onClick: () => { setSort({ by: c.sort, desc: sort.by === c.sort && !sort.desc }); setPage(0); } },
        c.title, h("span", { "aria-hidden": true }, sort.by === c.sort ? (sort.desc ? " ▼" : " ▲") : "")) : c.title);
    return h("section", { className: "plexsync-table", "aria-label": label, "aria-busy": !!list.loading },
      h("div", { className: "plexsync-bar" },
        h(Input, { type: "search", size: "sm", "aria-label": "Search in " + label, placeholder: "Search", value: typed, onChange: (e) => setTyped(e.target.value) }),
        actions && actions(selected, clear, list.value || {}),
        h("span", { className: "plexsync-total" }, things(total, "row", "rows"))),
      h(Trouble, { error: list.error, retry: list.reload }),
      list.value && total === 0 ? h("p", { className: "plexsync-empty" }, search ? "Nothing holds \"" + search + "\"." : empty)
        : h("div", { className: "table-responsive", tabIndex: 0, role: "group", "aria-label": label + ", can be scrolled" },
          h("table", { className: "table table-sm table-striped" },
            h("thead", null, h("tr", null,
              actions && h("th", { scope: "col" }, h("input", { type: "checkbox", "aria-label": "Select the page", checked: all, onChange: () => setSelected(all ? new Set() : new Set(rows.map((r) => r.id))) })),
              columns.map(head))),
            h("tbody", null, rows.map((r) => h("tr", { key: r.kind + r.id },
              actions && h("td", null, h("input", { type: "checkbox", "aria-label": "Select " + subject(r), checked: selected.has(r.id), onChange: () => toggle(r.id) })),
              columns.map((c) => h("td", { key: c.name, className: "plexsync-" + c.name }, c.cell(r)))))))),
      pages > 1 && h("nav", { className: "plexsync-pages", "aria-label": "Pages of " + label },
        h(B.Button, { size: "sm", variant: "secondary", disabled: page === 0, onClick: () => setPage(page - 1) }, "Previous"),
        h("span", { "aria-live": "polite" }, "Page " + count(page + 1) + " of " + count(pages)),
        h(B.Button, { size: "sm", variant: "secondary", disabled: page + 1 >= pages, onClick: () => setPage(page + 1) }, "Next")));
  }

  // ---- Overview ---------------------------------------------------------------

  // state is the whole in a word: ok, busy, waiting or alarm, with why.
  function stateOf(o) {
    if (!o.ready) return ["alarm", "PlexSync is not set up"];
    if (o.breaker.state !== "closed") return ["alarm", "Plex cannot be used since " + time(o.breaker.since)];
    if (o.dead > 0) return ["alarm", things(o.dead, "dead letter needs", "dead letters need") + " review" + (o.paused ? "; paused" : "")];
    if (o.paused) return ["waiting", "Paused, " + things(o.queued, "job waits", "jobs wait")];
    if (o.queued > 0) return [o.draining ? "busy" : "waiting", things(o.queued, "job is", "jobs are") + " queued"];
    return ["ok", "All is well"];
  }

  function NavButton() {
    const { value: o, error } = useOverview(false);
    const [state, text] = error ? ["alarm", error] : o ? stateOf(o) : ["waiting", "…"];
    const number = o && state === "alarm" && o.dead > 0 ? o.dead : undefined;
    return h(Link, { to: "/plexsync", className: "btn btn-primary minimal nav-utility plexsync-nav plexsync-" + state, title: "PlexSync: " + text, "aria-label": "PlexSync: " + text },
      h("svg", { viewBox: "0 0 24 24", width: 20, height: 20, "aria-hidden": true },
        h("path", { fill: "none", stroke: "currentColor", strokeWidth: 2, strokeLinecap: "round", d: "M4 12a8 8 0 0 1 14-5l2 2M20 4v5h-5M20 12a8 8 0 0 1-14 5l-2-2M4 20v-5h5" })),
      h("span", { className: "plexsync-dot", "aria-hidden": true }, number ? (number > 99 ? "99+" : number) : ""));
  }

  const Card = ({ title, children }) => h(B.Card, { className: "plexsync-card" }, h("h3", null, title), children);
  const Figures = ({ rows }) => h("dl", null, rows.filter(Boolean).map(([name, value, note]) => h(React.Fragment, { key: name }, h("dt", null, name), h("dd", null, value, note && h("small", null, note)))));

  function Plex() {
    const asked = useAsked(() => ask("settings_test", {}), []);
    const t = asked.value;
    return h(Card, { title: "Plex" },
      h(Trouble, { error: asked.error }),
      !t ? "Asking …" : h(React.Fragment, null,
        t.error && h(B.Alert, { variant: "warning" }, t.error),
        !t.error && !t.reachable && h("p", null, "Address and token are not set."),
        t.reachable && h(Figures, { rows: [["Server", t.name || "–"], ["Version", t.version],
          ["Libraries", t.libraries.filter((l) => l.synced).map((l) => l.title).join(", ") || "none"],
          t.sample && ["Sample", count(t.sample.by_path) + " of " + count(t.sample.scenes) + " scenes by their path, " + count(t.sample.by_name) + " by name"]] })),
      h(B.Button, { size: "sm", variant: "secondary", onClick: asked.reload, disabled: !!asked.loading }, asked.loading ? "Asking …" : "Ask again"));
  }

  function Runs({ runs }) {
    if (!runs.length) return h("p", null, "No run yet.");
    return h("div", { className: "table-responsive", tabIndex: 0, role: "group", "aria-label": "Runs, can be scrolled" }, h("table", { className: "table table-sm" },
      h("thead", null, h("tr", null, ["Started", "Took", "Done", "Unchanged", "Retry", "Waiting", "Dead", "Gone", "Writes", "Note"].map((t) => h("th", { key: t, scope: "col" }, t)))),
      h("tbody", null, runs.map((r) => h("tr", { key: r.started },
        h("td", null, time(r.started)), h("td", null, r.ended ? lasting((new Date(r.ended) - new Date(r.started)) / 1000) : "runs"),
        ["done", "unchanged", "retry", "waiting", "dead", "gone", "writes"].map((n) => h("td", { key: n }, count(r[n]))), h("td", null, r.note || ""))))));
  }

  // Plot draws a bar a day, and below it the time that Plex was out.
  function Plot({ days }) {
    const most = Math.max(1, ...days.map((d) => d.synced));
    const text = days.map((d) => d.day + ": " + things(d.synced, "scene", "scenes") + (d.out_seconds ? ", Plex out for " + lasting(d.out_seconds) : ""));
    return h("figure", { className: "plexsync-plot" },
      h("svg", { viewBox: "0 0 300 100", role: "img", preserveAspectRatio: "none", "aria-label": "Synced scenes and outages of the last 30 days: " + things(days.reduce((n, d) => n + d.synced, 0), "scene", "scenes") },
        days.map((d, i) => h("g", { key: d.day }, h("title", null, text[i]),
          h("rect", { x: i * 10, y: 0, width: 10, height: 100, className: "plexsync-hit" }),
          h("rect", { x: i * 10 + 1, y: 90 - (85 * d.synced) / most, width: 8, height: (85 * d.synced) / most, className: "plexsync-synced" }),
          d.out_seconds > 0 && h("rect", { x: i * 10 + 1, y: 93, width: 8, height: 6, className: "plexsync-out" })))),
      h("figcaption", null, "Synced scenes a day, at most " + count(Math.max(...days.map((d) => d.synced))) + "; below, days on which Plex was out. From " + days[0].day + " to " + days[days.length - 1].day + "."));
  }

  function Overview({ go }) {
    const { value: o, error } = useOverview(true);
    const doing = useDo();
    const past = useAsked(() => ask("history"), []);
    if (!o) return h(React.Fragment, null, h(Trouble, { error, retry: () => overview.refresh() }), !error && h("p", null, "Asking …"));
    const [state, text] = stateOf(o);
    const start = (name, mode, done) => doing.run(async () => { await startTask(name, mode); overview.refresh(); return done; });
    return h(React.Fragment, null,
      h(Trouble, { error, retry: () => overview.refresh() }),
      h("p", { className: "plexsync-headline plexsync-" + state, role: "status" }, text),
      o.problems.map((p) => h(B.Alert, { key: p.setting + p.message, variant: p.fatal ? "danger" : "warning" }, h("strong", null, p.setting), ": ", p.message, " ", h(Link, { to: "/settings?tab=plugins" }, "Open the settings"))),
      h("div", { className: "plexsync-buttons" },
        h(B.Button, { disabled: doing.busy || !o.ready || o.paused, onClick: () => start("process queue", "process", "The queue is being worked") }, "Process now"),
        h(B.Button, { variant: "secondary", disabled: doing.busy || !o.ready || o.paused, onClick: () => start("compare with Plex", "compare", "The comparison is in Stash's task list") }, "Compare"),
        h(B.Button, { variant: "secondary", disabled: !o.ready, onClick: () => go("preview") }, "Preview"),
        h(B.Button, { variant: "secondary", disabled: doing.busy, onClick: () => doing.run(async () => { await saveSettings({ paused: !o.paused }); return o.paused ? "PlexSync goes on" : "PlexSync is paused: events are queued"; }) }, o.paused ? "Go on" : "Pause")),
      doing.status,
      h("div", { className: "plexsync-cards" },
        h(Card, { title: "Queue" },
          h(Figures, { rows: [["Due", count(o.due)], ["Being worked", count(o.leased)],
            ["Waiting", count(o.waiting), o.waiting > 0 && o.next_due ? " until " + time(o.next_due) : ""],
            ["Need review", h("a", { href: "?tab=dead", onClick: (e) => { e.preventDefault(); go("dead"); } }, count(o.dead))],
            ["Not in Plex", h("a", { href: "?tab=missing", onClick: (e) => { e.preventDefault(); go("missing"); } }, count(o.not_in_plex))]] }),
          Object.keys(o.classes).filter((c) => c !== "not_in_plex").map((c) => h("div", { key: c }, className(c) + ": " + count(o.classes[c])))),
        h(Card, { title: "Connection" },
          h(Figures, { rows: [["State", o.breaker.state === "closed" ? "nothing wrong at the last look" : "Plex cannot be used: " + (o.breaker.message || "")],
            o.breaker.state !== "closed" && ["Next try", time(o.breaker.next_probe)],
            ["Last outage", o.last_outage ? time(o.last_outage.started) + (o.last_outage.ended ? ", for " + lasting((new Date(o.last_outage.ended) - new Date(o.last_outage.started)) / 1000) : ", still on") : "none on record"],
            ["Waker", o.waker.alive ? "watches the queue" : "not needed"]] })),
        h(Plex)),
      past.value && h(Plot, { days: past.value.days }),
      h("h3", null, "Last runs"), h(Runs, { runs: o.runs }));
  }

  // ---- Lists ------------------------------------------------------------------

  // withTitles adds the titles of the scenes of a page, which the queue does not know.
  async function withTitles(answer) {
    const ids = answer.rows.filter((r) => r.kind === "scene").map((r) => Number(r.id));
    if (!ids.length) return answer;
    try {
      const { data } = await client().query({ query: TITLES, variables: { ids }, fetchPolicy: "no-cache" });
      const names = new Map(data.findScenes.scenes.map((s) => [Number(s.id), s.title || (s.files[0] && s.files[0].basename) || ""]));
      return { ...answer, rows: answer.rows.map((r) => (r.kind === "scene" ? { ...r, title: names.get(Number(r.id)) } : r)) };
    } catch (e) {
      return answer; // one of them may have just been destroyed: numbers do
    }
  }

  const named = (r) => r.kind === "scene" ? sceneLink(r.subject_id === undefined ? r.id : r.subject_id, r.title || undefined) : subject(r);

  function Queue() {
    const { value: o } = useOverview(true);
    const [show, setShow] = useState("");
    const live = o ? [o.queued, o.due, o.leased].join() : undefined;
    return h(React.Fragment, null,
      h(B.Form.Group, { controlId: "plexsync-show", className: "plexsync-inline" }, h(B.Form.Label, null, "Show"),
        h(Input, { as: "select", size: "sm", value: show, onChange: (e) => setShow(e.target.value) },
          [["", "all"], ["due", "due"], ["leased", "being worked"], ["waiting", "waiting"]].map(([v, t]) => h("option", { key: v, value: v }, t)))),
      h(Table, { key: show, label: "Queue", mode: "queue_list", args: { show: show || undefined }, first: { by: "due" }, decorate: withTitles, live, empty: "Nothing is queued.",
        columns: [
          { name: "what", title: "What", sort: "id", cell: named },
          { name: "due", title: "Due", sort: "due", cell: (r) => (r.leased ? "being worked" : new Date(r.due) <= new Date() ? "now" : time(r.due)) },
          { name: "attempts", title: "Attempts", sort: "attempt", cell: (r) => count(r.attempt + r.missing) },
          { name: "since", title: "Queued", sort: "first_event", cell: (r) => time(r.first_event) },
          { name: "why", title: "Why it waits", cell: (r) => (r.last_class ? [className(r.last_class), h("small", { key: 0 }, r.last_error)] : "") }] }));
  }

  // Letters is the list of dead letters, or of what Plex lacks.
  function Letters({ missing }) {
    const { value: o } = useOverview(true);
    const doing = useDo();
    const [cls, setCls] = useState("");
    const [question, setQuestion] = useState(null);
    const args = missing ? { class: "not_in_plex" } : cls ? { class: cls } : { review: true };
    const name = missing ? "Not in Plex" : "Dead letters";
    const classes = o ? Object.keys(o.classes).filter((c) => c !== "not_in_plex") : [];
    const retry = (which, clear) => doing.run(async () => { const { count: n } = await ask("dlq_retry", which); clear(); overview.refresh(); return things(n, "scene is", "scenes are") + " queued again"; });
    const drop = (which, clear, text) => setQuestion({ text, yes: () => doing.run(async () => { setQuestion(null); const { count: n } = await ask("dlq_drop", which); clear(); overview.refresh(); return things(n, "letter was", "letters were") + " deleted"; }) });
    const actions = (selected, clear, { total }) => {
      const ids = [...selected];
      const whole = missing ? "not_in_plex" : cls;
      return h(B.ButtonGroup, { size: "sm" },
        h(B.Button, { variant: "secondary", disabled: doing.busy || !ids.length, onClick: () => retry({ ids }, clear) }, "Retry " + things(ids.length, "selected", "selected")),
        h(B.Button, { variant: "secondary", disabled: doing.busy || !ids.length, onClick: () => drop({ ids }, clear, "Delete " + things(ids.length, "letter", "letters") + " for good? The scenes are synced again when they change.") }, "Drop selected"),
        h(B.Button, { variant: "secondary", disabled: doing.busy || !total || (!whole && !!cls), onClick: () => retry(whole ? { class: whole } : { review: true }, clear) }, whole ? "Retry all of this class" : "Retry all"),
        whole && h(B.Button, { variant: "secondary", disabled: doing.busy || !total, onClick: () => drop({ class: whole }, clear, "Delete all letters of the class \"" + className(whole) + "\" for good? Their scenes are synced again when they change.") }, "Drop all of this class"));
    };
    return h(React.Fragment, null,
      missing && h("p", null, "Scenes whose files Plex does not have. They come back by themselves when a file turns up in Plex or the path rules change."),
      !missing && h(B.Form.Group, { controlId: "plexsync-class", className: "plexsync-inline" }, h(B.Form.Label, null, "Class"),
        h(Input, { as: "select", size: "sm", value: cls, onChange: (e) => setCls(e.target.value) },
          h("option", { value: "" }, "all"), classes.map((c) => h("option", { key: c, value: c }, className(c) + " (" + count(o.classes[c]) + ")")))),
      doing.status,
      h(Table, { key: cls, label: name, mode: "dlq_list", args, first: { by: "died", desc: true }, actions, live: o ? JSON.stringify(o.classes) : undefined,
        empty: missing ? "Plex has every file that was looked for." : "No dead letter: nothing needs you.",
        columns: [
          { name: "what", title: "Scene", sort: "title", cell: (r) => [h("span", { key: 0 }, named(r)), h("small", { key: 1 }, r.path)] },
          !missing && { name: "why", title: "What is wrong", sort: "class", cell: (r) => [h("strong", { key: 0 }, className(r.class)), h("span", { key: 1 }, " " + whatToDo(r.class)), h("small", { key: 2 }, r.error)] },
          { name: "item", title: "In Plex", cell: (r) => plexLink(o && o.machine, r.item) },
          { name: "attempts", title: "Attempts", sort: "attempts", cell: (r) => count(r.attempts) },
          { name: "died", title: "Since", sort: "died", cell: (r) => time(r.died) }].filter(Boolean) }),
      question && h(Question, { text: question.text, button: "Delete", onYes: question.yes, onNo: () => setQuestion(null) }));
  }

  // ---- Preview ----------------------------------------------------------------

  const Changes = ({ rows }) => h("table", { className: "table table-sm plexsync-changes" },
    h("thead", null, h("tr", null, ["Field", "In Plex now", "Would be"].map((t) => h("th", { key: t, scope: "col" }, t)))),
    h("tbody", null, rows.map((c) => h("tr", { key: c.field }, h("th", { scope: "row" }, c.field), h("td", null, c.plex || "–"), h("td", null, c.write || "–")))));

  function Preview() {
    const { value: o } = useOverview(false);
    const [seen, setSeen] = useState({ items: [], scenes: 0, same: 0, skipped: 0, missing: 0, next: undefined });
    const doing = useDo();
    const more = () => doing.run(async () => {
      const p = await ask("preview_list", { after: seen.next || 0, limit: 50 });
      setSeen((s) => ({ items: s.items.concat(p.first), scenes: s.scenes + p.scenes, same: s.same + p.same, skipped: s.skipped + p.skipped, missing: s.missing + p.not_found, next: p.next }));
    });
    useEffect(() => { more(); }, []);
    return h(React.Fragment, null,
      h("p", null, "What \"Sync all scenes\" would write, old and new side by side. Nothing is written here."),
      doing.status,
      h("p", { role: "status" }, things(seen.scenes, "scene", "scenes") + " looked at: " + things(seen.items.length, "item", "items") + " would be written, " +
        count(seen.same) + " would not, " + count(seen.skipped) + " are left alone, " + count(seen.missing) + " are not found in Plex."),
      seen.items.map((i) => h("article", { key: i.scene + i.key, className: "plexsync-item" },
        h("h3", null, sceneLink(i.scene, i.title || undefined), " → ", plexLink(o && o.machine, i.key)),
        i.changes.length > 0 && h(Changes, { rows: i.changes }),
        i.poster && h("p", null, "The poster would be the scene's cover."),
        i.locks && h("p", null, "Locks would change."))),
      doing.busy ? h("p", null, "Looking …")
        : seen.next ? h(B.Button, { onClick: more }, "Go on")
        : seen.next === 0 ? h("p", null, "That is all.") : h(B.Button, { onClick: more }, "Try again"));
  }

  // ---- History ----------------------------------------------------------------

  function History() {
    const past = useAsked(() => ask("history"), []);
    const p = past.value;
    return h(React.Fragment, null, h(Trouble, { error: past.error, retry: past.reload }), !p ? !past.error && h("p", null, "Asking …") : h(React.Fragment, null,
      h("div", { className: "plexsync-cards" }, h(Card, { title: "Availability of Plex" }, h(Figures, { rows: [
        ["Available", p.availability === null ? "no outage on record" : (100 * p.availability).toFixed(2) + " %", p.availability === null ? "" : " since the first outage"],
        ["Mean time to recovery", lasting(p.mttr_seconds)], ["Mean time between outages", lasting(p.mtbf_seconds)], ["Outages", count(p.outages.length)]] }))),
      h(Plot, { days: p.days }),
      h("h3", null, "Outages"),
      !p.outages.length ? h("p", null, "None.") : h("div", { className: "table-responsive", tabIndex: 0, role: "group", "aria-label": "Outages, can be scrolled" }, h("table", { className: "table table-sm" },
        h("thead", null, h("tr", null, ["Began", "Lasted", "Cause", "Jobs that waited"].map((t) => h("th", { key: t, scope: "col" }, t)))),
        h("tbody", null, p.outages.map((x) => h("tr", { key: x.started }, h("td", null, time(x.started)), h("td", null, x.ended ? lasting((new Date(x.ended) - new Date(x.started)) / 1000) : "still on"), h("td", null, className(x.cause), h("small", null, x.message)), h("td", null, count(x.waited))))))),
      h("h3", null, "Runs"), h(Runs, { runs: p.runs })));
  }

  // ---- The page ---------------------------------------------------------------

  const TABS = [["overview", "Overview", Overview], ["queue", "Queue", Queue], ["dead", "Dead letters", Letters],
    ["missing", "Not in Plex", () => h(Letters, { missing: true })], ["preview", "Preview", Preview], ["history", "Runs and outages", History]];

  function Page() {
    const at = useLocation();
    const history = useHistory();
    const wanted = new URLSearchParams(at.search).get("tab");
    const tab = (TABS.find(([key]) => key === wanted) || TABS[0])[0];
    const go = (key) => history.push("/plexsync?tab=" + key);
    useEffect(() => { document.title = "PlexSync"; }, []);
    return h("div", { className: "plexsync", id: "plexsync-page" },
      h("h2", null, "PlexSync"),
      h(B.Tabs, { id: "plexsync-tabs", activeKey: tab, onSelect: go, mountOnEnter: true, unmountOnExit: true, transition: false },
        TABS.map(([key, title, Body]) => h(B.Tab, { key, eventKey: key, title }, h(Body, { go })))));
  }

  // ---- Settings ---------------------------------------------------------------

  const FIELD_NAMES = { title: "Title", summary: "Summary", date: "Date", studio: "Studio", director: "Director", performers: "Performers", tags: "Tags as genres", collections: "Collections", poster: "Poster", rating: "Rating", background: "Background", originalTitle: "Original title", tagline: "Studio code as tagline", sortTitle: "Sort title", photos: "Photos of performers" };
  // Labels and the content rating have settings of their own: on if these are set.
  const OWN = ["labels", "contentRating"];
  const DEFAULT_FIELDS = 9; // the first of them
  const GROUPS = [
    ["Connection", ["plexUrl", "plexToken", "insecureTLS"]],
    ["Libraries", ["plexLibraries"]],
    ["Paths", ["pathRules", "scanPlex", "plexIsSubset"]],
    ["What is synced", ["fields", "collections", "contentRating", "labels", "onlyOrganized", "excludeTags"]],
    ["Edits made in Plex", ["keepPlexEdits", "mirrorLists", "leaveUnlocked"]],
    ["Work", ["paused", "maxRetries", "dlqRetentionDays", "compareEveryHours"]],
    ["Log", ["hidePaths", "verbose"]],
  ];
  const list = (text) => String(text || "").split(",").map((x) => x.trim()).filter(Boolean);
  const quoted = (name) => (/[",]/.test(name) ? '"' + name.replace(/"/g, '""') + '"' : name);

  function Settings({ settings }) {
    const [saved, setSaved] = useState(null);
    const [form, setForm] = useState({});
    const [test, setTest] = useState(null);
    const [testing, setTesting] = useState(false);
    const [problems, setProblems] = useState([]);
    const [choices, setChoices] = useState([]);
    const doing = useDo();
    const load = async () => {
      const now = await readSettings();
      const { plexToken, ...rest } = now;
      setSaved({ ...rest, hasToken: !!plexToken });
      setForm({});
      const t = await ask("settings_test", { offline: true });
      setProblems(t.problems);
      setChoices(t.fields);
    };
    useEffect(() => { doing.run(load); }, []);
    // Errors are told beside the field while one types, before anything is saved.
    const turn = useRef(0);
    useEffect(() => {
      if (!saved || !Object.keys(form).length) return undefined;
      const mine = ++turn.current;
      const t = setTimeout(async () => {
        try {
          const checked = await ask("settings_test", { settings: form, offline: true });
          if (mine === turn.current) setProblems(checked.problems);
        } catch (e) { /* the next word tries again; saving tells */ }
      }, 400);
      return () => clearTimeout(t);
    }, [form]);
    if (!saved) return h("div", { className: "plexsync plexsync-settings" }, doing.status);

    const value = (name) => (name in form ? form[name] : saved[name]);
    const set = (name, v) => setForm((f) => ({ ...f, [name]: v }));
    const defs = new Map(settings.map((s) => [s.name, s]));
    const wrong = (name) => problems.filter((p) => p.setting === name);
    const run = async () => {
      setTesting(true);
      await doing.run(async () => { setTest(await ask("settings_test", { settings: form })); });
      setTesting(false);
    };
    const save = () => doing.run(async () => {
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

    const help = (name) => "plexsync-help-" + name;
    const below = (name, d) => [
      h(B.Form.Text, { key: "h", id: help(name), className: "text-muted" }, d.description),
      ...wrong(name).map((p, i) => h("div", { key: i, className: p.fatal ? "plexsync-wrong" : "plexsync-warn", role: "alert" }, p.message))];
    const field = (name) => {
      const d = defs.get(name);
      if (!d) return null;
      const label = (d.display_name || name).replace(/^\d+\. /, "");
      const props = { "aria-describedby": help(name), isInvalid: wrong(name).some((p) => p.fatal) };
      if (name === "plexToken") {
        return h(B.Form.Group, { key: name, controlId: "plexsync-" + name }, h(B.Form.Label, null, label),
          h(Input, { ...props, type: "password", autoComplete: "off", value: form.plexToken || "", placeholder: saved.hasToken ? "saved; type a new one to change it" : "", onChange: (e) => set(name, e.target.value) }), below(name, d));
      }
      if (name === "plexLibraries" && test && test.libraries.length) return h(Libraries, { key: name, label, libraries: test.libraries, value: value(name), set: (v) => set(name, v), children: below(name, d) });
      if (name === "fields" && choices.length) return h(Fields, { key: name, label, choices, set: (v, c) => { set(name, v); setChoices(c); }, children: below(name, d) });
      if (name === "pathRules") {
        return h(B.Form.Group, { key: name, controlId: "plexsync-" + name }, h(B.Form.Label, null, label),
          h(Input, { ...props, as: "textarea", rows: 2, spellCheck: false, value: value(name) || "", onChange: (e) => set(name, e.target.value.replace(/\n/g, "; ")) }), below(name, d),
          test && h(Folders, { test, add: (rule) => set(name, [String(value(name) || "").trim().replace(/;$/, ""), rule].filter(Boolean).join("; ")) }));
      }
      if (d.type === "BOOLEAN") {
        return h(B.Form.Group, { key: name, controlId: "plexsync-" + name },
          h(B.Form.Check, { type: "switch", id: "plexsync-" + name, label, "aria-describedby": help(name), checked: !!value(name), onChange: (e) => set(name, e.target.checked) }), below(name, d));
      }
      const number = d.type === "NUMBER";
      return h(B.Form.Group, { key: name, controlId: "plexsync-" + name }, h(B.Form.Label, null, label),
        h(Input, { ...props, type: number ? "number" : "text", value: value(name) === undefined ? "" : value(name), spellCheck: false, onChange: (e) => set(name, number ? Number(e.target.value) : e.target.value) }), below(name, d));
    };
    return h("div", { className: "plexsync plexsync-settings" },
      GROUPS.map(([title, names]) => h("fieldset", { key: title }, h("legend", null, title), names.map(field),
        title === "Connection" && h(React.Fragment, null,
          h(B.Button, { variant: "secondary", onClick: run, disabled: testing }, testing ? "Asking Plex …" : "Test the connection"),
          test && h(Connection, { test })))),
      h("div", { className: "plexsync-buttons" },
        h(B.Button, { onClick: save, disabled: doing.busy || !Object.keys(form).length }, "Save"),
        h(B.Button, { variant: "secondary", disabled: doing.busy || !Object.keys(form).length, onClick: () => doing.run(load) }, "Undo"),
        h(Link, { to: "/plexsync", className: "btn btn-secondary" }, "Open PlexSync")),
      doing.status);
  }

  function Connection({ test: t }) {
    const problem = t.problems.find((p) => p.setting === "plexUrl" || p.setting === "plexToken");
    if (t.error || !t.reachable) return h(B.Alert, { variant: "danger" }, t.error || (problem ? problem.setting + ": " + problem.message : "Plex was not asked."));
    if (t.may_edit === false) return h(B.Alert, { variant: "danger" }, "\"" + t.name + "\" accepts the token, but it is not the owner's, who alone may edit.");
    return h(B.Alert, { variant: "success" }, "\"" + t.name + "\" answers, version " + t.version + ", " + things(t.libraries.length, "library", "libraries") + " of movies.");
  }

  function Libraries({ label, libraries, value, set, children }) {
    const chosen = list(value).map((x) => x.replace(/^"(.*)"$/, "$1").toLowerCase());
    const on = (l) => !chosen.length || chosen.includes(l.title.toLowerCase()) || chosen.includes(l.key);
    const toggle = (l) => {
      const next = libraries.filter((x) => (x.key === l.key ? !on(x) : on(x)));
      if (next.length) set(next.length === libraries.length ? "" : next.map((x) => quoted(x.title)).join(", "));
    };
    return h("div", { role: "group", "aria-label": label, className: "form-group" }, h("div", { className: "form-label" }, label),
      libraries.map((l) => h(B.Form.Check, { key: l.key, id: "plexsync-library-" + l.key, label: l.title + " (" + (l.folders || []).join(", ") + ")", checked: on(l), onChange: () => toggle(l) })), children);
  }

  function Fields({ label, choices, set, children }) {
    const toggle = (c) => {
      const next = choices.map((x) => (x.name === c.name ? { ...x, on: !x.on } : x));
      const isDefault = next.every((x, i) => OWN.includes(x.name) || x.on === i < DEFAULT_FIELDS);
      const names = next.filter((x) => x.on).map((x) => x.name);
      if (names.length) set(isDefault ? "" : names.join(", "), next);
    };
    return h("div", { role: "group", "aria-label": label, className: "form-group" }, h("div", { className: "form-label" }, label),
      h("div", { className: "plexsync-checks" }, choices.filter((c) => FIELD_NAMES[c.name]).map((c) => h(B.Form.Check, { key: c.name, id: "plexsync-field-" + c.name, label: FIELD_NAMES[c.name], checked: c.on, onChange: () => toggle(c) }))), children);
  }

  function Folders({ test: t, add }) {
    return h("div", { className: "plexsync-folders" },
      t.folders.map((f) => h("div", { key: f.stash }, h("code", null, f.stash), " is ", h("code", null, f.mapped), " in Plex: ", f.found ? "found" : "not a folder of its libraries ",
        !f.found && f.suggest && h(B.Button, { size: "sm", variant: "secondary", onClick: () => add(f.suggest) }, "Add " + f.suggest))),
      t.sample && h("div", null, "Of " + things(t.sample.scenes, "scene", "scenes") + " Plex has " + count(t.sample.by_path) + " under their path, " + count(t.sample.by_name) + " under another, and lacks " + count(t.sample.missing) + ". ",
        t.sample.suggest && h(B.Button, { size: "sm", variant: "secondary", onClick: () => add(t.sample.suggest) }, "Add " + t.sample.suggest)));
  }

  // ---- A scene ----------------------------------------------------------------

  const RUNGS = { pushed: "known from the last sync", path: "same path", folded: "same path", size: "same name and size", tail: "same end of the path", name: "same name only" };

  function Scene({ id }) {
    const asked = useAsked(() => ask("explain", { scene_id: id }), [id]);
    const { value: o } = useOverview(false);
    const [steps, setSteps] = useState(false);
    const doing = useDo();
    const e = asked.value;
    // To explain is to meet Plex: from then on its id is known, which a link needs.
    useEffect(() => { if (e && e.items.length && !(o && o.machine)) overview.refresh(); }, [e]);
    const syncing = useRef(0);
    useEffect(() => () => clearTimeout(syncing.current), []);
    const sync = () => doing.run(async () => {
      await ask("sync_scene", { scene_id: id });
      const look = (n) => { syncing.current = setTimeout(() => { asked.reload(); overview.refresh(); if (n > 1) look(n - 1); }, 2500); };
      look(3);
      return "The scene is queued";
    });
    if (!e) return h("div", { className: "plexsync plexsync-scene" }, h(Trouble, { error: asked.error, retry: asked.reload }), !asked.error && h("p", null, "Asking …"));
    const last = e.last;
    const state = last.dead_class ? [className(last.dead_class), "alarm"] : last.queued ? ["waiting", "waiting"] : e.items.length ? ["in Plex", "ok"] : ["not in Plex", "waiting"];
    return h("div", { className: "plexsync plexsync-scene" },
      h(Trouble, { error: asked.error, retry: asked.reload }),
      h("p", { className: "plexsync-headline plexsync-" + state[1], role: "status" }, state[0]),
      h("p", null, e.decision),
      h(Figures, { rows: [["Last written", last.pushed ? time(last.pushed) : "never"],
        last.queued && ["Due", time(last.due), last.last_error ? " " + last.last_error : ""],
        last.dead_class && ["Dead letter", last.dead_error, " " + whatToDo(last.dead_class)]] }),
      e.items.map((i) => h("div", { key: i.key },
        h("p", null, plexLink(o && o.machine, i.key, "Open item " + i.key + " in Plex"), " ", h("small", null, (RUNGS[i.rung] || i.rung) + ": " + i.path)),
        i.fields.some((f) => f.write !== null && f.write !== undefined) ? h(Changes, { rows: i.fields.filter((f) => f.write !== null && f.write !== undefined) }) : null,
        i.poster && h("p", null, "The poster would be set to the scene's cover."))),
      h("div", { className: "plexsync-buttons" },
        h(B.Button, { onClick: sync, disabled: doing.busy }, "Sync now"),
        h(B.Button, { variant: "secondary", onClick: asked.reload, disabled: !!asked.loading }, "Look again"),
        h(B.Button, { variant: "secondary", "aria-expanded": steps, onClick: () => setSteps(!steps) }, "Explain")),
      doing.status,
      steps && h("div", null,
        e.files.map((f) => h("p", { key: f.path }, h("code", null, f.path), " is looked for in Plex as ", h("code", null, f.mapped), f.rule ? " (rule " + f.rule + ")" : " (no path rule applies)")),
        h("ol", null, e.steps.map((s) => h("li", { key: s.rung }, h("strong", null, RUNGS[s.rung] || s.rung), ": ", s.verdict,
          s.candidates.length > 0 && h("ul", null, s.candidates.map((c) => h("li", { key: c }, c))))))));
  }

  // ---- Where it is shown --------------------------------------------------------

  api.register.route("/plexsync", Page);
  api.patch.before("MainNavBar.UtilityItems", (props) => [{ ...props, children: [h(NavButton, { key: "plexsync" }), h(React.Fragment, { key: "others" }, props.children)] }]);
  api.patch.instead("PluginSettings", (props, context, next) => (props.pluginID === ID ? h(Settings, props) : next(props, context)));
  api.patch.before("ScenePage.Tabs", (props) => [{ ...props, children: h(React.Fragment, null, props.children,
    h(B.Nav.Item, null, h(B.Nav.Link, { eventKey: "plexsync-panel" }, "Plex"))) }]);
  api.patch.before("ScenePage.TabContent", (props) => [{ ...props, children: h(React.Fragment, null, props.children,
    h(B.Tab.Pane, { eventKey: "plexsync-panel", mountOnEnter: true, unmountOnExit: true }, h(Scene, { id: Number(props.scene.id) }))) }]);
})();
