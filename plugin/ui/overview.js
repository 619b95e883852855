// @ts-check
// The tab "Overview", the head of the page, and the button in the navigation bar.

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const ours = PlexSync; // also what files below this one add
  const { api, h, B, Link, ask, useAsked, useOverview, refreshOverview, startTask, stashTasks, saveSettings } =
    PlexSync;
  const {
    happened,
    shortVersion,
    whatToDo,
    when,
    count,
    things,
    between,
    percent,
    lasting,
    runText,
    startedBy,
    excludedCount,
    subject,
  } = PlexSync;
  const {
    Boundary,
    Card,
    Plot,
    ProblemLine,
    Setup,
    SignIn,
    Technical,
    Trouble,
    isFirstRun,
    sceneLink,
    plexLink,
    useDo,
  } = PlexSync;
  const { Fragment, useEffect, useState } = api.React;

  /**
   * The whole in a sentence. An outage comes before everything but missing settings.
   *
   * @param {Overview} o
   * @returns {["ok" | "busy" | "waiting" | "alarm", string]}
   */
  function stateOf(o) {
    const c = o.coverage;
    const inSync = count(c.synced) + " of " + things(c.scenes, "scene is", "scenes are") + " in sync";
    if (!o.ready) return ["alarm", "PlexSync is not set up"];
    if (o.breaker.state !== "closed") return ["alarm", happened(o.breaker.cause || "unreachable", o.breaker.message)];
    if (c.dead > 0 || o.dead > 0) return ["alarm", inSync + ", " + things(o.dead, "needs", "need") + " attention"];
    if (o.paused) return ["waiting", "Paused, " + inSync];
    if (o.breaker.cause) return ["waiting", inSync + "; " + happened(o.breaker.cause, o.breaker.message)];
    if (o.progress || o.draining) return ["busy", inSync + ", syncing"];
    if (c.waiting + c.unchecked + c.not_in_plex + c.joined > 0) return ["waiting", inSync];
    return ["ok", inSync];
  }

  PlexSync.NavButton = () => {
    const { value: o, error } = useOverview(false);
    const [state, text] = error ? ["alarm", error] : o ? stateOf(o) : ["waiting", "loading"];
    const dead = o && state === "alarm" ? o.dead : 0;
    return h(NavLink, { state, text, dot: dead > 99 ? "99+" : dead > 0 ? String(dead) : "" });
  };

  /** @param {{ state: string, text: string, dot: string }} props */
  const NavLink = ({ state, text, dot }) =>
    h(
      Link,
      {
        to: "/plexsync",
        className: "btn btn-primary minimal nav-utility plexsync-nav plexsync-" + state,
        title: "PlexSync: " + text,
        "aria-label": "PlexSync: " + text,
      },
      h(
        "svg",
        { viewBox: "0 0 24 24", width: 20, height: 20, "aria-hidden": true },
        h("path", {
          fill: "none",
          stroke: "currentColor",
          strokeWidth: 2,
          strokeLinecap: "round",
          d: "M4 12a8 8 0 0 1 14-5l2 2M20 4v5h-5M20 12a8 8 0 0 1-14 5l-2-2M4 20v-5h5",
        }),
      ),
      h("span", { className: "plexsync-dot", "aria-hidden": true }, dot),
    );

  // ---- The head: whose Plex it is, and what one can do ------------------------------

  // The server is asked who it is once for all that show it, and again after five minutes.
  /** @type {{ at: number, out: boolean, answer: Promise<SettingsTest> | undefined }} */
  const asked = { at: 0, out: false, answer: undefined };
  /** @param {boolean} out an outage is known: its end is news */
  const whoIsIt = (out) => {
    if (!asked.answer || asked.out !== out || Date.now() - asked.at > 300000) {
      asked.at = Date.now();
      asked.out = out;
      asked.answer = ask("settings_test", {});
    }
    return asked.answer;
  };
  PlexSync.forgetServer = () => {
    asked.answer = undefined;
  };

  /** @param {{ o: Overview }} props */
  function Server({ o }) {
    const out = o.breaker.state !== "closed";
    const server = useAsked(() => whoIsIt(out), [out, o.ready]);
    const t = server.value;
    if (!o.ready) return h("p", { className: "plexsync-sub" }, "Not connected to Plex yet");
    const bad = out || (t && (t.error || !t.reachable));
    return h(
      "p",
      { className: "plexsync-sub " + (bad ? "plexsync-alarm" : "plexsync-ok") },
      h("span", { className: "plexsync-mark", "aria-hidden": true }),
      out
        ? happened(o.breaker.cause || "unreachable", o.breaker.message)
        : !t
          ? server.error
            ? "Plex was not asked"
            : "Connecting to Plex…"
          : t.error || !t.reachable
            ? happened(t.cause || "unreachable", t.error)
            : [
                "Connected to " + (t.name || "Plex") + " (Plex " + shortVersion(t.version) + ")",
                asked.at ? " · checked " : "",
                when(new Date(asked.at).toISOString()),
              ],
    );
  }

  /** @type {Record<string, [string, string]>} */
  const TASKS = {
    sync_all: ["sync all scenes", "Syncing all scenes"],
    compare: ["compare with Plex", "Comparing with Plex"],
    process: ["process queue", "Processing the queue"],
  };

  // What was started here and has not begun: what Stash does before it.
  /** @type {{ id: string, what: string, since: number }} */
  const started = { id: "", what: "", since: 0 };

  /** @param {{ o: Overview }} props */
  function Pending({ o }) {
    const [before, setBefore] = useState(/** @type {string | null} */ (null));
    const waits = started.id !== "" && !o.progress;
    useEffect(() => {
      if (!waits) {
        if (o.progress) started.id = "";
        setBefore(null);
        return undefined;
      }
      let gone = false;
      const look = async () => {
        const tasks = await stashTasks().catch(() => []);
        if (gone) return;
        const mine = tasks.find((t) => t.id === started.id);
        const other = tasks.find((t) => t.status === "RUNNING" && t.id !== started.id);
        if (!mine) started.id = "";
        setBefore(mine && mine.status === "READY" && other ? other.description : null);
      };
      look();
      const timer = window.setInterval(look, 3000);
      return () => {
        gone = true;
        clearInterval(timer);
      };
    }, [waits, o.now]);
    if (!waits) return null;
    return h(
      "section",
      { className: "card plexsync-card", role: "status" },
      h("h3", null, started.what),
      before ? 'Stash is busy with "' + before + '". PlexSync starts when that ends.' : "Stash starts it in a moment.",
    );
  }

  /** @param {{ health: Health, close: () => void }} props */
  const HealthResult = ({ health, close }) =>
    h(
      "section",
      { className: "card plexsync-card", "aria-label": "Health check" },
      h("h3", null, health.ok ? "Health check: everything works" : "Health check: action needed"),
      h(
        "ul",
        { className: "plexsync-checklist" },
        health.checks.map((c, i) =>
          h(
            "li",
            { key: i, className: "plexsync-" + { ok: "ok", warning: "waiting", error: "alarm" }[c.level] },
            h("span", { className: "plexsync-mark", "aria-hidden": true }),
            h("span", { className: "sr-only" }, c.level + ": "),
            h("strong", null, c.name),
            " " + c.message,
            c.name === "Token" &&
              c.level === "error" && [" ", h(Link, { key: 0, to: ours.settingHref("plexToken") }, "Sign in again")],
          ),
        ),
      ),
      h(B.Button, { size: "sm", variant: "secondary", onClick: close }, "Close"),
    );

  /** @param {{ o: Overview } & TabProps} props */
  function Actions({ o, go }) {
    const doing = useDo();
    const [more, setMore] = useState(false);
    const [health, setHealth] = useState(/** @type {Health | null} */ (null));
    /** @param {string} mode */
    const start = (mode) => {
      doing.run(async () => {
        const [name, what] = TASKS[mode] || [mode, mode];
        started.id = await startTask(name, mode);
        started.what = what;
        started.since = Date.now();
        refreshOverview();
        go("overview");
      });
    };
    const pause = () =>
      doing.run(async () => {
        await saveSettings({ paused: !o.paused });
        return o.paused ? "Resumed" : "Paused: edits are queued, nothing is written to Plex";
      });
    const check = () =>
      doing.run(async () => {
        setHealth(await ask("health", {}));
      });
    const idle = doing.busy || !o.ready || o.paused;
    return h(
      Fragment,
      null,
      h(
        "div",
        { className: "plexsync-buttons plexsync-actions" },
        !(isFirstRun(o) || !o.ready) &&
          h(B.Button, { disabled: idle, onClick: () => start("sync_all") }, "Sync all scenes"),
        h(B.Button, { variant: "secondary", disabled: doing.busy, onClick: pause }, o.paused ? "Resume" : "Pause"),
        h(
          B.Button,
          { variant: "secondary", "aria-expanded": more, onClick: () => setMore(!more) },
          more ? "Fewer actions" : "More actions",
        ),
        more &&
          h(
            Fragment,
            null,
            h(B.Button, { variant: "secondary", disabled: idle, onClick: () => start("compare") }, "Compare with Plex"),
            h(B.Button, { variant: "secondary", disabled: idle, onClick: () => start("process") }, "Process queue now"),
            h(B.Button, { variant: "secondary", disabled: doing.busy, onClick: check }, "Health check"),
          ),
      ),
      doing.status,
      health && h(Boundary, { of: "The health check" }, h(HealthResult, { health, close: () => setHealth(null) })),
    );
  }

  PlexSync.Head = ({ go }) => {
    const { value: o } = useOverview(true);
    return h(
      "header",
      { className: "plexsync-head" },
      h("div", null, h("h2", null, "PlexSync"), o && h(Boundary, { of: "The connection" }, h(Server, { o }))),
      o && h("div", null, h(Boundary, { of: "The row of buttons" }, h(Actions, { o, go }))),
    );
  };

  // ---- Is what I see in Stash in Plex? ----------------------------------------------

  /**
   * A link to another tab.
   *
   * @param {TabProps["go"]} go
   * @param {string} tab with what it should show, such as dead&class=joined
   * @param {React.ReactNode[]} children
   */
  const tabLink = (go, tab, ...children) =>
    h(
      "a",
      {
        href: "/plexsync?tab=" + tab,
        onClick: (/** @type {React.MouseEvent} */ e) => {
          e.preventDefault();
          go(tab);
        },
      },
      ...children,
    );

  /** @param {{ o: Overview } & TabProps} props */
  function Covered({ o, go }) {
    const c = o.coverage;
    const share = c.scenes ? c.synced / c.scenes : 0;
    /** @type {[string, number, string, string][]} kind, scenes, what, tab */
    const all = [
      ["ok", c.synced, "in sync", ""],
      ["busy", c.waiting, "waiting to sync", "queue"],
      ["missing", c.not_in_plex, "not in Plex", "missing"],
      ["dead", c.dead, c.dead === 1 ? "needs attention" : "need attention", "dead"],
      ["joined", c.joined, c.joined === 1 ? "shares an item" : "share an item", "dead&class=joined"],
      ["excluded", excludedCount(c), "left out", "left"],
      ["empty", c.without_metadata, "without metadata", "left"],
      ["unchecked", c.unchecked, "not checked yet", isFirstRun(o) ? "" : "left"],
    ];
    const some = all.filter(([kind, n]) => n > 0 || kind === "ok");
    return h(
      "section",
      { className: "card plexsync-card", "aria-label": "Coverage" },
      h(
        "p",
        { className: "plexsync-big", role: "status" },
        count(c.synced) + " of " + things(c.scenes, "scene is", "scenes are") + " in sync",
        c.scenes > 0 && h("small", null, percent(share)),
      ),
      h(
        "div",
        {
          className: "plexsync-coverage",
          role: "img",
          "aria-label": some.map(([, n, what]) => count(n) + " " + what).join(", "),
        },
        all.map(
          ([kind, n]) => n > 0 && h("i", { key: kind, className: "plexsync-is-" + kind, style: { flexGrow: n } }),
        ),
      ),
      h(
        "ul",
        { className: "plexsync-legend" },
        some.map(([kind, n, what, tab]) => {
          const text = [h("b", { key: 0 }, count(n)), " " + what];
          return h(
            "li",
            { key: kind },
            h("i", { className: "plexsync-swatch plexsync-is-" + kind, "aria-hidden": true }),
            tab ? tabLink(go, tab, ...text) : h("span", null, ...text),
          );
        }),
      ),
      h(
        "p",
        { className: "plexsync-foot" },
        c.compared
          ? h(
              Fragment,
              null,
              "Compared with Plex ",
              when(c.compared),
              c.next_compare && h(Fragment, null, "; next comparison ", when(c.next_compare)),
              ".",
            )
          : isFirstRun(o) || !o.ready
            ? "Next: finish the set-up below, then sync all scenes."
            : h(Fragment, null, "Not compared with Plex yet; counts are exact after the first comparison."),
      ),
    );
  }

  /** @param {{ o: Overview }} props */
  function Running({ o }) {
    const p = o.progress;
    if (!p) return null;
    const left = p.per_second > 0 ? (p.total - p.done) / p.per_second : null;
    const share = p.total ? Math.min(1, p.done / p.total) : 0;
    return h(
      "section",
      { className: "card plexsync-card", "aria-label": "Progress" },
      h("h3", null, p.comparing ? "Comparing Stash with Plex" : "Syncing"),
      h(
        "div",
        {
          className: "plexsync-progress",
          role: "progressbar",
          "aria-label": "Progress",
          "aria-valuemin": 0,
          "aria-valuemax": p.total,
          "aria-valuenow": p.done,
        },
        h("i", { style: { width: 100 * share + "%" } }),
      ),
      h(
        "p",
        { className: "plexsync-foot" },
        [
          p.total ? count(p.done) + " of " + things(p.total, "scene", "scenes") : "Starting…",
          p.per_second >= 0.1
            ? p.per_second.toLocaleString(undefined, { maximumFractionDigits: 1 }) + " per second"
            : "",
          left !== null && p.total > p.done ? "about " + lasting(left) + " left" : "",
        ]
          .filter(Boolean)
          .join(" · "),
      ),
    );
  }

  /** @param {{ o: Overview } & TabProps} props */
  function Outage({ o }) {
    const b = o.breaker;
    if (b.state === "closed") return null;
    const cause = b.cause || "unreachable";
    const alert = h(
      B.Alert,
      { variant: "danger", className: "plexsync-outage" },
      h("strong", null, happened(cause, b.message) + "."),
      " ",
      b.since && h(Fragment, null, "The outage began ", when(b.since), ". "),
      o.queued > 0 && things(o.queued, "edit waits", "edits wait") + ", and nothing is lost. ",
      b.next_probe && b.state === "open" && h(Fragment, null, "Next try: ", when(b.next_probe), ". "),
      cause === "unauthorized"
        ? "Sign in again below, as the server's owner. "
        : h(
            Fragment,
            null,
            "Is Plex running? If its address has changed, ",
            h(Link, { to: ours.settingHref("plexUrl") }, "change the Plex address"),
            ".",
          ),
      h(Technical, { text: b.message }),
    );
    if (cause !== "unauthorized") return alert;
    return h(
      Fragment,
      null,
      alert,
      h(
        Card,
        { title: "Sign in to Plex again" },
        // What waited goes on at once, and not only when Plex is next asked.
        h(SignIn, { again: true, onDone: () => startTask("process queue", "process") }),
        h("p", null, "Or ", h(Link, { to: ours.settingHref("plexToken") }, "change the token"), " by hand."),
      ),
    );
  }

  /** @param {{ o: Overview } & TabProps} props */
  function Attention({ o, go }) {
    const letters = useAsked(() => ask("dlq_list", { review: true, limit: 3 }), [o.dead]);
    const doing = useDo();
    /** @param {Letter} l */
    const retry = (l) =>
      doing.run(async () => {
        await ask("dlq_retry", { ids: [l.id] });
        refreshOverview();
        return "Queued again";
      });
    return h(
      Card,
      { title: "Needs attention" },
      h(Trouble, { error: letters.error, retry: letters.reload }),
      ((letters.value && letters.value.rows) || []).map((l) =>
        h(
          "article",
          { key: l.id, className: "plexsync-row" },
          h("strong", null, l.kind === "scene" ? sceneLink(l.subject_id, l.title || undefined) : subject(l)),
          h("p", null, happened(l.class, l.error) + ". " + whatToDo(l.class)),
          h(
            "div",
            { className: "plexsync-buttons" },
            h(B.Button, { size: "sm", disabled: doing.busy, onClick: () => retry(l) }, "Try again"),
            plexLink(o.machine, l.item, "Open in Plex"),
          ),
          h(Technical, { text: l.error }),
        ),
      ),
      doing.status,
      h(
        "p",
        { className: "plexsync-foot" },
        tabLink(go, "dead", o.dead > 3 ? "See all " + count(o.dead) : "Open the list"),
      ),
    );
  }

  /** @param {{ o: Overview } & TabProps} props */
  function Activity({ o, go }) {
    /** @type {[string, string, React.ReactNode][]} key, time, text */
    const all = o.runs
      .filter((r) => r.ended && r.done + r.unchanged + r.retry + r.waiting + r.dead + r.gone > 0)
      .map((r) => [
        "run " + r.started,
        r.ended || r.started,
        (r.done + r.unchanged > 0 ? "Synced" : "Tried to sync") +
          (startedBy(r) ? " " + startedBy(r) : "") +
          ": " +
          runText(r),
      ]);
    const c = o.coverage;
    if (c.compared) all.push(["compare", c.compared, "Compared " + things(c.scenes, "scene", "scenes") + " with Plex"]);
    const last = o.last_outage;
    if (last) {
      const lasted = last.ended ? " for " + between(last.started, last.ended) : ", still going on";
      const waited = last.ended && last.waited ? "; " + things(last.waited, "edit", "edits") + " waited" : "";
      all.push(["outage", last.started, "Outage" + lasted + ": " + happened(last.cause, last.message) + waited]);
    }
    all.sort((a, b) => (a[1] < b[1] ? 1 : -1));
    return h(
      Card,
      { title: "Recent activity" },
      all.length
        ? h(
            "ul",
            { className: "plexsync-activity" },
            all.map(([key, time, text]) => h("li", { key }, h("span", null, text), when(time))),
          )
        : h("p", null, "Nothing yet."),
      h("p", { className: "plexsync-foot" }, tabLink(go, "history", "All history")),
    );
  }

  function Fortnight() {
    const past = useAsked(() => ask("history", {}), []);
    return h(
      Card,
      { title: "Scenes synced, last 14 days" },
      h(Trouble, { error: past.error, retry: past.reload }),
      past.value
        ? h(Boundary, { of: "The plot" }, h(Plot, { days: past.value.days.slice(-14) }))
        : !past.error && "Loading…",
    );
  }

  PlexSync.Overview = ({ go }) => {
    const { value: o, error } = useOverview(true);
    const first = !!o && (!o.ready || isFirstRun(o));
    return h(
      Fragment,
      null,
      h(Trouble, { error, retry: refreshOverview }),
      !o && !error && h("p", null, "Loading…"),
      o &&
        h(
          Fragment,
          null,
          h(Boundary, { of: "The outage" }, h(Outage, { o, go })),
          h(
            Boundary,
            { of: "The list of problems with the settings" },
            o.problems
              .filter((p) => !first || (p.setting !== "plexUrl" && p.setting !== "plexToken"))
              .map((p) => h(ProblemLine, { key: p.setting + p.message, problem: p })),
          ),
          h(Boundary, { of: "The coverage" }, h(Covered, { o, go })),
          h(Boundary, { of: "The progress" }, h(Running, { o })),
          h(Boundary, { of: "What was started" }, h(Pending, { o })),
          first
            ? h(Boundary, { of: "The set-up" }, h(Setup, { o, go }))
            : h(
                "div",
                { className: "plexsync-columns" },
                h(
                  "div",
                  null,
                  o.dead > 0 && h(Boundary, { of: "The list of failed items" }, h(Attention, { o, go })),
                  h(Fortnight),
                ),
                h("div", null, h(Boundary, { of: "Recent activity" }, h(Activity, { o, go }))),
              ),
        ),
    );
  };
  PlexSync.startSync = async () => {
    started.id = await startTask("sync all scenes", "sync_all");
    started.what = "Syncing all scenes";
    started.since = Date.now();
    refreshOverview();
  };
})();
