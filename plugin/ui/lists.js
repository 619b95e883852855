// @ts-check
// The tabs "Needs attention", "Queue", "Not in Plex" and "Left out".

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const { api, h, B, Link, ask, sceneTitles, useOverview, refreshOverview } = PlexSync;
  const { className, happened, whatToDo, when, count, things, subject, excludedCount } = PlexSync;
  const { Card, Input, Question, Table, Technical, sceneLink, plexLink, useDo, useUndo } = PlexSync;
  const { Fragment, useState } = api.React;
  const { useLocation } = api.libraries.ReactRouterDOM;

  // withTitles adds the titles of the scenes of a page, which the queue does not know.
  /** @type {(answer: QueueList) => Promise<QueueList>} */
  async function withTitles(answer) {
    const ids = answer.rows.filter((r) => r.kind === "scene").map((r) => r.id);
    if (!ids.length) return answer;
    try {
      const titles = await sceneTitles(ids);
      const rows = answer.rows.map((r) => (r.kind === "scene" ? { ...r, title: titles.get(r.id) } : r));
      return { ...answer, rows };
    } catch (e) {
      return answer; // one of them may have just been destroyed: numbers do
    }
  }

  /** @param {QueuedJob | Letter} r */
  const named = (r) =>
    r.kind === "scene" ? sceneLink("subject_id" in r ? r.subject_id : r.id, r.title || undefined) : subject(r);

  /** @type {["" | "due" | "leased" | "waiting", string][]} */
  const STATES = [
    ["", "all"],
    ["due", "due"],
    ["leased", "being processed"],
    ["waiting", "waiting"],
  ];

  /** @type {Column<QueuedJob>[]} */
  const JOB_COLUMNS = [
    { name: "what", title: "Scene", sort: "id", cell: named },
    {
      name: "due",
      title: "Next attempt",
      sort: "due",
      cell: (r) => (r.leased ? "being processed" : new Date(r.due) <= new Date() ? "now" : when(r.due)),
    },
    { name: "attempts", title: "Attempts", sort: "attempt", cell: (r) => count(r.attempt + r.missing) },
    { name: "since", title: "Queued", sort: "first_event", cell: (r) => when(r.first_event) },
    {
      name: "why",
      title: "Last attempt",
      cell: (r) =>
        r.last_class
          ? [happened(r.last_class, r.last_error), h(Technical, { key: 0, text: r.last_error })]
          : "not tried yet",
    },
  ];

  PlexSync.Queue = () => {
    const { value: o } = useOverview(true);
    const [show, setShow] = useState(/** @type {"" | "due" | "leased" | "waiting"} */ (""));
    return h(
      Fragment,
      null,
      h(
        B.Form.Group,
        { controlId: "plexsync-show", className: "plexsync-inline" },
        h(B.Form.Label, null, "Show"),
        h(
          Input,
          {
            as: "select",
            size: "sm",
            value: show,
            onText: (v) => setShow(STATES.find(([state]) => state === v)?.[0] || ""),
          },
          STATES.map(([v, t]) => h("option", { key: v, value: v }, t)),
        ),
      ),
      h(
        Table,
        /** @type {React.Attributes & TableProps<QueuedJob>} */ ({
          key: show,
          label: "Queue",
          ask: async (part) => withTitles(await ask("queue_list", { ...part, show: show || undefined })),
          columns: JOB_COLUMNS,
          first: { by: "due", desc: false },
          live: o ? [o.queued, o.due, o.leased].join() : undefined,
          empty: "The queue is empty.",
        }),
      ),
    );
  };

  /** @type {Column<Letter>} */
  const WHAT = {
    name: "what",
    title: "Scene",
    sort: "title",
    cell: (r) => [h("span", { key: 0 }, named(r)), h("small", { key: 1 }, r.path)],
  };
  /** @type {Column<Letter>} */
  const WHY = {
    name: "why",
    title: "What happened",
    sort: "class",
    cell: (r) => [
      h("strong", { key: 0 }, happened(r.class, r.error) + "."),
      h("span", { key: 1 }, " " + whatToDo(r.class)),
      (r.class === "unauthorized" || r.class === "ambiguous") && [
        " ",
        h(
          Link,
          { key: 3, to: PlexSync.settingHref(r.class === "ambiguous" ? "pathRules" : "plexToken") },
          "Open the setting",
        ),
      ],
      h(Technical, { key: 2, text: r.error }),
    ],
  };

  // Scenes that wait in the queue for Plex to have their file.
  /** @param {{ o: Overview | undefined }} props */
  function StillLooking({ o }) {
    return h(
      Card,
      { title: "PlexSync looks again for these" },
      h(
        Table,
        /** @type {React.Attributes & TableProps<QueuedJob>} */ ({
          label: "Looked for again",
          searches: false,
          ask: async (part) =>
            withTitles(await ask("queue_list", { limit: part.limit, offset: part.offset, lacked: true })),
          columns: JOB_COLUMNS.map((c) => ({ ...c, sort: undefined })),
          first: { by: "due", desc: false },
          live: o ? [o.coverage.not_in_plex, o.waiting].join() : undefined,
          empty: "None.",
        }),
      ),
    );
  }

  // Why scenes are left out, and where that is changed.
  PlexSync.LeftOut = () => {
    const { value: o } = useOverview(true);
    if (!o) return h("p", null, "Loading…");
    const c = o.coverage;
    const e = c.excluded;
    /** @param {string} name */
    const setting = (name) => h(Link, { to: PlexSync.settingHref(name) }, "Open this setting");
    /** @param {string} type @param {string} value */
    const scenes = (type, value) =>
      h(
        Link,
        {
          to: "/scenes?c=" + encodeURIComponent('("type":"' + type + '","value":"' + value + '","modifier":"EQUALS")'),
        },
        "Show them in Stash",
      );
    /** @type {[number, string, string, React.ReactNode][]} */
    const reasons = [
      [
        e.not_organized || 0,
        "not organized",
        '"Only organized scenes" is on. Mark a scene as organized in Stash to sync it.',
        h(Fragment, null, scenes("organized", "false"), " · ", setting("onlyOrganized")),
      ],
      [e.no_stash_id || 0, "without a stash-box ID", "You sync only scenes with one.", setting("onlyStashIds")],
      [
        e.no_required_tag || 0,
        "without a required tag",
        "You sync only scenes with certain tags.",
        setting("onlyTags"),
      ],
      [e.tag || 0, "with an excluded tag", "They have a tag that you exclude.", setting("excludeTags")],
      [e.outside_paths || 0, "outside your folders", "You sync only files in certain folders.", setting("onlyPaths")],
      [e.path || 0, "in an excluded folder", "They have a file in a folder that you exclude.", setting("excludePaths")],
      [e.no_file || 0, "without a file", "Stash has no file for them, so Plex cannot have one either.", null],
      [e.other || 0, "left out by your settings", "The next comparison finds out by which one.", null],
      [
        c.without_metadata,
        "without metadata",
        "There is nothing to write yet. They sync as soon as you add a title, a date, tags or performers in Stash.",
        scenes("is_missing", "title"),
      ],
      [c.unchecked, "not checked yet", "PlexSync has not seen them yet. Sync all scenes checks them.", null],
    ];
    const some = reasons.filter(([n]) => n > 0);
    return h(
      Fragment,
      null,
      h(
        "p",
        { className: "plexsync-big" },
        things(excludedCount(c) + c.without_metadata + c.unchecked, "scene is", "scenes are") + " left out",
      ),
      !some.length && h("p", null, "Every scene in Stash is synced."),
      h(
        "ul",
        { className: "plexsync-reasons" },
        some.map(([n, what, why, link]) =>
          h("li", { key: what }, h("strong", null, count(n) + " " + what), h("p", null, why, link && " ", link)),
        ),
      ),
      c.compared && h("p", { className: "plexsync-foot" }, "As of the comparison with Plex ", when(c.compared), "."),
    );
  };

  // Letters is the list of failed items, or of what Plex does not have.
  PlexSync.Letters = ({ missing }) => {
    const { value: o } = useOverview(true);
    const doing = useDo();
    const undo = useUndo();
    const asked = new URLSearchParams(useLocation().search).get("class") || "";
    const [cls, setCls] = useState(
      /** @returns {FailureClass | ""} */ () => (missing ? "" : /** @type {FailureClass | ""} */ (asked)),
    );
    const [question, setQuestion] = useState(/** @type {{ text: string, yes: () => void } | null} */ (null));
    const whole = missing ? "not_in_plex" : cls;
    /** @type {Which} */
    const which = whole ? { class: whole } : { review: true };
    const counted = (o && o.classes) || {};
    const classes = /** @type {FailureClass[]} */ (Object.keys(cls ? { [cls]: 0, ...counted } : counted)).filter(
      (c) => c !== "not_in_plex",
    );

    /** @type {(which: Which, clear: () => void) => void} */
    const retry = (which, clear) => {
      doing.run(async () => {
        const { count: n } = await ask("dlq_retry", which);
        clear();
        refreshOverview();
        return things(n, "scene was", "scenes were") + " queued again";
      });
    };
    /** @type {(which: Which, clear: () => void, text: string) => void} */
    const drop = (which, clear, text) => {
      const yes = () => {
        setQuestion(null);
        clear();
        undo.later(text.replace(/^Drop (.*?)\?.*$/, "Dropping $1"), async () => {
          const { count: n } = await ask("dlq_drop", which);
          refreshOverview();
          return things(n, "item was", "items were") + " dropped";
        });
      };
      setQuestion({ text, yes });
    };
    /** @type {(text: string, enabled: boolean | number, onClick: () => void) => React.ReactElement} */
    const button = (text, enabled, onClick) =>
      h(B.Button, { variant: "secondary", disabled: doing.busy || !enabled, onClick }, text);
    /** @type {TableProps<Letter>["actions"]} */
    const actions = (ids, clear, total) => {
      const some = things(ids.length, "failed item", "failed items");
      const later = total === 1 ? "The scene syncs again when it changes." : "The scenes sync again when they change.";
      return h(
        B.ButtonGroup,
        { size: "sm" },
        button(ids.length ? "Retry " + count(ids.length) + " selected" : "Retry selected", ids.length, () =>
          retry({ ids }, clear),
        ),
        button(ids.length ? "Drop " + count(ids.length) + " selected" : "Drop selected", ids.length, () =>
          drop(
            { ids },
            clear,
            "Drop " +
              some +
              "? " +
              (ids.length === 1 ? "The scene syncs again when it changes." : "The scenes sync again when they change."),
          ),
        ),
        button(total ? "Retry all " + count(total) : "Retry all", total, () => retry(which, clear)),
        whole &&
          button(total ? "Drop all " + count(total) : "Drop all", total, () =>
            drop(
              which,
              clear,
              "Drop " +
                things(total, "failed item", "failed items") +
                ' of the kind "' +
                className(whole) +
                '"? ' +
                later,
            ),
          ),
      );
    };

    /** @type {Column<Letter>[]} */
    const columns = [
      WHAT,
      ...(missing ? [] : [WHY]),
      { name: "item", title: "In Plex", cell: (r) => plexLink(o && o.machine, r.item, "Open in Plex") },
      { name: "attempts", title: "Attempts", sort: "attempts", cell: (r) => count(r.attempts) },
      { name: "died", title: "Since", sort: "died", cell: (r) => when(r.died) },
    ];
    return h(
      Fragment,
      null,
      missing &&
        o &&
        h(
          "p",
          { className: "plexsync-big" },
          things(o.coverage.not_in_plex, "scene is", "scenes are") + " not in Plex",
          h(
            "small",
            null,
            o.coverage.not_in_plex > 0
              ? "They sync by themselves when Plex shows the files or when you change the path rules."
              : "Plex has every file that PlexSync looked for.",
          ),
        ),
      missing && o && o.coverage.not_in_plex > o.not_in_plex && h(StillLooking, { o }),
      !missing &&
        h(
          B.Form.Group,
          { controlId: "plexsync-class", className: "plexsync-inline" },
          h(B.Form.Label, null, "Kind"),
          h(
            Input,
            {
              as: "select",
              size: "sm",
              value: cls,
              onText: (v) => setCls(classes.find((c) => c === v) || ""),
            },
            h("option", { value: "" }, "all that need attention"),
            classes.map((c) => h("option", { key: c, value: c }, className(c) + " (" + count(o && o.classes[c]) + ")")),
          ),
        ),
      doing.status,
      undo.shown,
      h(
        Table,
        /** @type {React.Attributes & TableProps<Letter>} */ ({
          key: cls,
          label: missing ? "Not in Plex" : "Needs attention",
          ask: (part) => ask("dlq_list", { ...part, ...which }),
          columns,
          first: { by: "died", desc: true },
          actions,
          live: o ? JSON.stringify(o.classes) : undefined,
          empty: missing
            ? o && o.coverage.not_in_plex > 0
              ? "PlexSync has not given up on any of them."
              : "Nothing is missing."
            : "Nothing needs your attention.",
        }),
      ),
      question &&
        h(Question, {
          text: question.text,
          button: "Drop",
          onYes: question.yes,
          onNo: () => setQuestion(null),
        }),
    );
  };
})();
