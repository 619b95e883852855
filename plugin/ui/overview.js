// @ts-check
// The tab "Overview", and the button in the navigation bar.

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const { api, h, B, Link, ask, useAsked, useOverview, refreshOverview, startTask, saveSettings } = PlexSync;
  const { className, time, count, things, between } = PlexSync;
  const { Boundary, Card, Figures, Plot, Runs, Trouble, useDo } = PlexSync;
  const { Fragment } = api.React;

  /**
   * The whole in a word, with why.
   *
   * @param {Overview} o
   * @returns {["ok" | "busy" | "waiting" | "alarm", string]}
   */
  function stateOf(o) {
    if (!o.ready) return ["alarm", "PlexSync is not set up"];
    if (o.breaker.state !== "closed") return ["alarm", "Plex cannot be used since " + time(o.breaker.since)];
    if (o.dead > 0) {
      const paused = o.paused ? "; paused" : "";
      return ["alarm", things(o.dead, "dead letter needs", "dead letters need") + " review" + paused];
    }
    if (o.paused) return ["waiting", "Paused, " + things(o.queued, "job waits", "jobs wait")];
    if (o.queued > 0) return [o.draining ? "busy" : "waiting", things(o.queued, "job is", "jobs are") + " queued"];
    return ["ok", "All is well"];
  }

  PlexSync.NavButton = () => {
    const { value: o, error } = useOverview(false);
    const [state, text] = error ? ["alarm", error] : o ? stateOf(o) : ["waiting", "…"];
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

  // Plex is what the settings lead to, asked once.
  function Plex() {
    const asked = useAsked(() => ask("settings_test", {}), []);
    const t = asked.value;
    return h(
      Fragment,
      null,
      h(Trouble, { error: asked.error }),
      !t
        ? "Asking …"
        : h(
            Fragment,
            null,
            t.error && h(B.Alert, { variant: "warning" }, t.error),
            !t.error && !t.reachable && h("p", null, "Address and token are not set."),
            t.reachable &&
              h(Figures, {
                rows: [
                  ["Server", t.name || "–"],
                  ["Version", t.version],
                  [
                    "Libraries",
                    t.libraries
                      .filter((l) => l.synced)
                      .map((l) => l.title)
                      .join(", ") || "none",
                  ],
                  t.sample && [
                    "Sample",
                    count(t.sample.by_path) +
                      " of " +
                      count(t.sample.scenes) +
                      " scenes by their path, " +
                      count(t.sample.by_name) +
                      " by name",
                  ],
                ],
              }),
          ),
      h(
        B.Button,
        { size: "sm", variant: "secondary", onClick: asked.reload, disabled: !!asked.loading },
        asked.loading ? "Asking …" : "Ask again",
      ),
    );
  }

  /** @param {{ o: Overview } & TabProps} props */
  function Jobs({ o, go }) {
    /** @type {(tab: string, n: number) => React.ReactElement} */
    const to = (tab, n) =>
      h(
        "a",
        {
          href: "?tab=" + tab,
          onClick: (/** @type {React.MouseEvent} */ e) => {
            e.preventDefault();
            go(tab);
          },
        },
        count(n),
      );
    const classes = /** @type {FailureClass[]} */ (Object.keys(o.classes)).filter((c) => c !== "not_in_plex");
    return h(
      Fragment,
      null,
      h(Figures, {
        rows: [
          ["Due", count(o.due)],
          ["Being worked", count(o.leased)],
          ["Waiting", count(o.waiting), o.waiting > 0 && o.next_due ? " until " + time(o.next_due) : ""],
          ["Need review", to("dead", o.dead)],
          ["Not in Plex", to("missing", o.not_in_plex)],
        ],
      }),
      classes.map((c) => h("div", { key: c }, className(c) + ": " + count(o.classes[c]))),
    );
  }

  /** @param {{ o: Overview }} props */
  function Connection({ o }) {
    const closed = o.breaker.state === "closed";
    const last = o.last_outage;
    return h(Figures, {
      rows: [
        ["State", closed ? "nothing wrong at the last look" : "Plex cannot be used: " + (o.breaker.message || "")],
        !closed && ["Next try", time(o.breaker.next_probe)],
        [
          "Last outage",
          last
            ? time(last.started) + (last.ended ? ", for " + between(last.started, last.ended) : ", still on")
            : "none on record",
        ],
        ["Waker", o.waker.alive ? "watches the queue" : "not needed"],
      ],
    });
  }

  /** @param {{ o: Overview } & TabProps} props */
  function Buttons({ o, go }) {
    const doing = useDo();
    /** @type {(name: string, mode: string, done: string) => void} */
    const start = (name, mode, done) => {
      doing.run(async () => {
        await startTask(name, mode);
        refreshOverview();
        return done;
      });
    };
    const pause = () =>
      doing.run(async () => {
        await saveSettings({ paused: !o.paused });
        return o.paused ? "PlexSync goes on" : "PlexSync is paused: events are queued";
      });
    const idle = doing.busy || !o.ready || o.paused;
    return h(
      Fragment,
      null,
      h(
        "div",
        { className: "plexsync-buttons" },
        h(
          B.Button,
          { disabled: idle, onClick: () => start("process queue", "process", "The queue is being worked") },
          "Process now",
        ),
        h(
          B.Button,
          {
            variant: "secondary",
            disabled: idle,
            onClick: () => start("compare with Plex", "compare", "The comparison is in Stash's task list"),
          },
          "Compare",
        ),
        h(B.Button, { variant: "secondary", disabled: !o.ready, onClick: () => go("preview") }, "Preview"),
        h(B.Button, { variant: "secondary", disabled: doing.busy, onClick: pause }, o.paused ? "Go on" : "Pause"),
      ),
      doing.status,
    );
  }

  /** @param {{ problems: Problem[] }} props */
  const Problems = ({ problems }) =>
    h(
      Fragment,
      null,
      problems.map((p) =>
        h(
          B.Alert,
          { key: p.setting + p.message, variant: p.fatal ? "danger" : "warning" },
          h("strong", null, p.setting),
          ": ",
          p.message,
          " ",
          h(Link, { to: "/settings?tab=plugins" }, "Open the settings"),
        ),
      ),
    );

  /** @param {{ o: Overview }} props */
  function Headline({ o }) {
    const [state, text] = stateOf(o);
    return h("p", { className: "plexsync-headline plexsync-" + state, role: "status" }, text);
  }

  PlexSync.Overview = ({ go }) => {
    const { value: o, error } = useOverview(true);
    const past = useAsked(() => ask("history", {}), []);
    return h(
      Fragment,
      null,
      h(Trouble, { error, retry: refreshOverview }),
      !o && !error && h("p", null, "Asking …"),
      o &&
        h(
          Fragment,
          null,
          h(Boundary, { of: "The state" }, h(Headline, { o })),
          h(Boundary, { of: "What is wrong with the settings" }, h(Problems, { problems: o.problems })),
          h(Boundary, { of: "The row of buttons" }, h(Buttons, { o, go })),
          h(
            "div",
            { className: "plexsync-cards" },
            h(Card, { title: "Queue" }, h(Jobs, { o, go })),
            h(Card, { title: "Connection" }, h(Connection, { o })),
            h(Card, { title: "Plex" }, h(Plex)),
          ),
          past.value && h(Boundary, { of: "The plot" }, h(Plot, { days: past.value.days })),
          h("h3", null, "Last runs"),
          h(Boundary, { of: "The list of runs" }, h(Runs, { runs: o.runs })),
        ),
    );
  };
})();
