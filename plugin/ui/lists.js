// @ts-check
// The tabs "Queue", "Dead letters" and "Not in Plex".

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const { api, h, B, ask, sceneTitles, useOverview, refreshOverview } = PlexSync;
  const { className, whatToDo, time, count, things, subject } = PlexSync;
  const { Input, Question, Table, sceneLink, plexLink, useDo } = PlexSync;
  const { Fragment, useState } = api.React;

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
    ["leased", "being worked"],
    ["waiting", "waiting"],
  ];

  /** @type {Column<QueuedJob>[]} */
  const JOB_COLUMNS = [
    { name: "what", title: "What", sort: "id", cell: named },
    {
      name: "due",
      title: "Due",
      sort: "due",
      cell: (r) => (r.leased ? "being worked" : new Date(r.due) <= new Date() ? "now" : time(r.due)),
    },
    { name: "attempts", title: "Attempts", sort: "attempt", cell: (r) => count(r.attempt + r.missing) },
    { name: "since", title: "Queued", sort: "first_event", cell: (r) => time(r.first_event) },
    {
      name: "why",
      title: "Why it waits",
      cell: (r) => (r.last_class ? [className(r.last_class), h("small", { key: 0 }, r.last_error)] : ""),
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
          empty: "Nothing is queued.",
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
    title: "What is wrong",
    sort: "class",
    cell: (r) => [
      h("strong", { key: 0 }, className(r.class)),
      h("span", { key: 1 }, " " + whatToDo(r.class)),
      h("small", { key: 2 }, r.error),
    ],
  };

  // Letters is the list of dead letters, or of what Plex lacks.
  PlexSync.Letters = ({ missing }) => {
    const { value: o } = useOverview(true);
    const doing = useDo();
    const [cls, setCls] = useState(/** @type {FailureClass | ""} */ (""));
    const [question, setQuestion] = useState(/** @type {{ text: string, yes: () => void } | null} */ (null));
    const whole = missing ? "not_in_plex" : cls;
    /** @type {Which} */
    const which = whole ? { class: whole } : { review: true };
    const classes = /** @type {FailureClass[]} */ (Object.keys((o && o.classes) || {})).filter(
      (c) => c !== "not_in_plex",
    );

    /** @type {(which: Which, clear: () => void) => void} */
    const retry = (which, clear) => {
      doing.run(async () => {
        const { count: n } = await ask("dlq_retry", which);
        clear();
        refreshOverview();
        return things(n, "scene is", "scenes are") + " queued again";
      });
    };
    /** @type {(which: Which, clear: () => void, text: string) => void} */
    const drop = (which, clear, text) => {
      const yes = () =>
        doing.run(async () => {
          setQuestion(null);
          const { count: n } = await ask("dlq_drop", which);
          clear();
          refreshOverview();
          return things(n, "letter was", "letters were") + " deleted";
        });
      setQuestion({ text, yes });
    };
    /** @type {(text: string, enabled: boolean | number, onClick: () => void) => React.ReactElement} */
    const button = (text, enabled, onClick) =>
      h(B.Button, { variant: "secondary", disabled: doing.busy || !enabled, onClick }, text);
    /** @type {TableProps<Letter>["actions"]} */
    const actions = (ids, clear, total) => {
      const some = things(ids.length, "letter", "letters");
      return h(
        B.ButtonGroup,
        { size: "sm" },
        button("Retry " + count(ids.length) + " selected", ids.length, () => retry({ ids }, clear)),
        button("Drop selected", ids.length, () =>
          drop({ ids }, clear, "Delete " + some + " for good? The scenes are synced again when they change."),
        ),
        button(whole ? "Retry all of this class" : "Retry all", total, () => retry(which, clear)),
        whole &&
          button("Drop all of this class", total, () =>
            drop(
              which,
              clear,
              'Delete all letters of the class "' +
                className(whole) +
                '" for good? Their scenes are synced again when they change.',
            ),
          ),
      );
    };

    /** @type {Column<Letter>[]} */
    const columns = [
      WHAT,
      ...(missing ? [] : [WHY]),
      { name: "item", title: "In Plex", cell: (r) => plexLink(o && o.machine, r.item) },
      { name: "attempts", title: "Attempts", sort: "attempts", cell: (r) => count(r.attempts) },
      { name: "died", title: "Since", sort: "died", cell: (r) => time(r.died) },
    ];
    return h(
      Fragment,
      null,
      missing &&
        h(
          "p",
          null,
          "Scenes whose files Plex does not have. " +
            "They come back by themselves when a file turns up in Plex or the path rules change.",
        ),
      !missing &&
        h(
          B.Form.Group,
          { controlId: "plexsync-class", className: "plexsync-inline" },
          h(B.Form.Label, null, "Class"),
          h(
            Input,
            {
              as: "select",
              size: "sm",
              value: cls,
              onText: (v) => setCls(classes.find((c) => c === v) || ""),
            },
            h("option", { value: "" }, "all"),
            classes.map((c) => h("option", { key: c, value: c }, className(c) + " (" + count(o && o.classes[c]) + ")")),
          ),
        ),
      doing.status,
      h(
        Table,
        /** @type {React.Attributes & TableProps<Letter>} */ ({
          key: cls,
          label: missing ? "Not in Plex" : "Dead letters",
          ask: (part) => ask("dlq_list", { ...part, ...which }),
          columns,
          first: { by: "died", desc: true },
          actions,
          live: o ? JSON.stringify(o.classes) : undefined,
          empty: missing ? "Plex has every file that was looked for." : "No dead letter: nothing needs you.",
        }),
      ),
      question &&
        h(Question, {
          text: question.text,
          button: "Delete",
          onYes: question.yes,
          onNo: () => setQuestion(null),
        }),
    );
  };
})();
