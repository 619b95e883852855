// @ts-check
// Small components, and the boundary that holds what fails.

/**
 * Name, value, note; or nothing.
 *
 * @typedef {[string, React.ReactNode, React.ReactNode?] | false | "" | null | undefined} FigureRow
 */

/**
 * What is done ten seconds later, unless the person takes it back.
 *
 * @typedef {object} Undo
 * @property {(what: string, action: () => Promise<string>) => void} later
 * @property {React.ReactNode} shown
 */

/**
 * @typedef {object} SignInProps
 * @property {() => Promise<void>} [before] what to do before address and token are saved
 * @property {(s: SignedIn) => Promise<unknown> | void} onDone address and token are saved
 * @property {boolean} [again] the server is known, its token has ended
 */

/** @typedef {{ text: string, button: string, onYes: () => void, onNo: () => void }} QuestionProps */

/**
 * @typedef {object} Doing one action at a time, and what it did
 * @property {boolean} busy
 * @property {(action: () => Promise<string | void>) => Promise<boolean>} run tells whether it went well
 * @property {React.ReactElement} status
 */

/**
 * @typedef {object} BoundaryProps
 * @property {string} of what would fail, as a person calls it
 * @property {React.ReactNode} [instead] shown in its place after a failure, below the message
 * @property {React.ReactNode} [quietly] shown in its place, without a message
 * @property {React.ReactNode} [children]
 */

/**
 * @typedef {object} InputProps
 * @property {string} [aria-label]
 * @property {string} [aria-describedby]
 * @property {"select" | "textarea"} [as] an input if left out
 * @property {string} [autoComplete]
 * @property {boolean} [isInvalid]
 * @property {string} [placeholder]
 * @property {number} [rows]
 * @property {"sm"} [size]
 * @property {boolean} [spellCheck]
 * @property {string} [type]
 * @property {string | number} value
 * @property {(value: string) => void} onText
 * @property {React.ReactNode} [children]
 */

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const { api, h, B, Link, message, ago, exactly, fieldName, listFields, settingName } = PlexSync;
  const { Component, useEffect, useRef, useState } = api.React;

  PlexSync.Input = ({ onText, children, ...props }) =>
    h(
      B.Form.Control,
      {
        ...props,
        className: props.as === "select" ? "input-control" : "text-input",
        onChange: (e) => onText(e.target.value),
      },
      children,
    );

  // A browser that keeps nothing is as one that was just opened.
  PlexSync.forBrowser = (name, where) => {
    const storage = () => (where === "session" ? window.sessionStorage : window.localStorage);
    return {
      get: () => {
        try {
          return storage().getItem(name) || "";
        } catch (e) {
          return "";
        }
      },
      set: (value) => {
        try {
          if (value) storage().setItem(name, value);
          else storage().removeItem(name);
        } catch (e) {
          /* it begins anew, no more */
        }
      },
    };
  };

  PlexSync.sceneLink = (id, text) => h(Link, { to: "/scenes/" + Number(id) }, text || "scene " + id);

  // Plex's own page knows how to reach the server, also from another network.
  /** @type {(machine: string, key: string) => string} */
  const plexHref = (machine, key) =>
    "https://app.plex.tv/desktop/#!/server/" +
    encodeURIComponent(machine) +
    "/details?key=" +
    encodeURIComponent("/library/metadata/" + key);
  PlexSync.plexLink = (machine, key, text) => {
    if (!key) return null;
    if (!machine) return "item " + key;
    return h(
      "a",
      { href: plexHref(machine, key), target: "_blank", rel: "noopener noreferrer" },
      text || "item " + key,
    );
  };

  PlexSync.when = (t, none) => (t ? h("time", { dateTime: t, title: exactly(t) }, ago(t)) : none || null);

  /** @param {{ text: string | null | undefined }} props */
  function Technical({ text }) {
    const [copied, setCopied] = useState(false);
    if (!text) return null;
    const copy = () => {
      // Without https the browser has no clipboard for us; the text can still be selected.
      const clipboard = navigator.clipboard;
      clipboard &&
        clipboard.writeText(text).then(
          () => setCopied(true),
          () => undefined,
        );
    };
    return h(
      "details",
      { className: "plexsync-technical" },
      h("summary", null, "Technical details"),
      h("code", null, text),
      navigator.clipboard &&
        h(B.Button, { size: "sm", variant: "secondary", onClick: copy }, copied ? "Copied" : "Copy"),
    );
  }
  PlexSync.Technical = Technical;

  PlexSync.settingHref = (name) => "/plexsync?tab=settings&field=" + encodeURIComponent(name);
  PlexSync.ProblemLine = ({ problem: p }) =>
    h(
      B.Alert,
      { variant: p.fatal ? "danger" : "warning" },
      h("strong", null, settingName(p.setting)),
      ": ",
      p.message,
      " ",
      h(Link, { to: PlexSync.settingHref(p.setting) }, "Open this setting"),
    );

  /**
   * Holds what fails below it, so that nothing of ours can blank a page of Stash. React
   * knows boundaries only as classes. What was left in its place is tried again on a click,
   * or with a new key.
   *
   * @extends {Component<BoundaryProps, { failed: boolean, error: unknown }>}
   */
  class Boundary extends Component {
    /** @param {BoundaryProps} props */
    constructor(props) {
      super(props);
      this.state = { failed: false, error: undefined };
    }

    /** @param {unknown} error */
    static getDerivedStateFromError(error) {
      return { failed: true, error };
    }

    render() {
      const { of, instead, quietly, children } = this.props;
      if (!this.state.failed) return children || null;
      if (quietly !== undefined) return quietly;
      return h(
        api.React.Fragment,
        null,
        h(
          B.Alert,
          { variant: "danger", className: "plexsync-failed" },
          h("p", null, of + " could not be shown because of a bug in PlexSync. Please report it with this message: "),
          h("p", null, h("code", null, message(this.state.error))),
          h(
            B.Button,
            { size: "sm", variant: "secondary", onClick: () => this.setState({ failed: false, error: undefined }) },
            "Try again",
          ),
        ),
        instead,
      );
    }
  }
  PlexSync.Boundary = Boundary;

  // What was done is told once more where Stash tells such things.
  PlexSync.useDo = () => {
    const toast = api.hooks.useToast ? api.hooks.useToast() : undefined;
    const [busy, setBusy] = useState(false);
    const [word, setWord] = useState("");
    /** @type {Doing["run"]} */
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
  };

  const UNDO = 10; // seconds

  // Who leaves has decided: then it is done at once.
  PlexSync.useUndo = () => {
    const doing = PlexSync.useDo();
    const [what, setWhat] = useState("");
    const due = useRef(/** @type {{ timer: number, action: () => Promise<string> } | null} */ (null));
    const run = () => {
      const now = due.current;
      due.current = null;
      if (!now) return undefined;
      clearTimeout(now.timer);
      return now.action;
    };
    useEffect(() => {
      const leave = () => {
        const action = run();
        if (action) action().catch(() => undefined);
      };
      window.addEventListener("pagehide", leave);
      return () => {
        window.removeEventListener("pagehide", leave);
        leave();
      };
    }, []);
    /** @type {Undo["later"]} */
    const later = (text, action) => {
      const before = run(); // two at a time would be two buttons
      if (before) doing.run(before);
      setWhat(text);
      const finish = () => {
        const now = run();
        setWhat("");
        if (now) doing.run(now);
      };
      due.current = { timer: window.setTimeout(finish, UNDO * 1000), action };
    };
    const undo = () => {
      run();
      setWhat("");
    };
    return {
      later,
      shown: h(
        api.React.Fragment,
        null,
        what &&
          h(
            B.Alert,
            { variant: "info", className: "plexsync-undo" },
            what + " in " + UNDO + " seconds. ",
            h(B.Button, { size: "sm", variant: "secondary", onClick: undo, autoFocus: true }, "Undo"),
          ),
        doing.status,
      ),
    };
  };

  // What an answer without data says, for people.
  /** @param {string} error */
  const explained = (error) => {
    if (/^exit status|signal: |fork\/exec/.test(error)) {
      return "PlexSync stopped before it answered. Try again; Stash's log says more.";
    }
    if (/Failed to fetch|NetworkError|Load failed/.test(error)) return "Stash did not answer. Is it still running?";
    return error;
  };

  PlexSync.Trouble = ({ error, retry }) =>
    error
      ? h(
          B.Alert,
          { variant: "danger" },
          h("p", null, explained(error)),
          retry && h(B.Button, { size: "sm", variant: "secondary", onClick: retry }, "Try again"),
          explained(error) !== error && h(Technical, { text: error }),
        )
      : null;

  PlexSync.Question = ({ text, button, onYes, onNo }) =>
    h(
      B.Modal,
      { show: true, onHide: onNo, "aria-labelledby": "plexsync-question", dialogClassName: "plexsync-modal" },
      h(B.Modal.Body, { id: "plexsync-question" }, text),
      h(
        B.Modal.Footer,
        null,
        h(B.Button, { variant: "secondary", onClick: onNo, autoFocus: true }, "Cancel"),
        h(B.Button, { variant: "danger", onClick: onYes }, button),
      ),
    );

  PlexSync.Card = ({ title, children }) =>
    h(B.Card, { className: "plexsync-card" }, h("h3", null, title), h(Boundary, { of: title }, children));

  PlexSync.Figures = ({ rows }) =>
    h(
      "dl",
      null,
      rows.map(
        (row) =>
          row &&
          h(
            api.React.Fragment,
            { key: row[0] },
            h("dt", null, row[0]),
            h("dd", null, row[1], row[2] && h("small", null, row[2])),
          ),
      ),
    );

  PlexSync.Sheet = ({ label, head, children }) =>
    h(
      "table",
      { className: "table table-sm plexsync-rows", "aria-label": label },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          head.map((t) => h("th", { key: t, scope: "col" }, t)),
        ),
      ),
      h("tbody", null, children),
    );

  /** @param {string} list */
  const elements = (list) => (list ? list.split(", ") : []);

  // A list: what comes, what goes, and what stays.
  /** @param {{ c: ExplainedField }} props */
  function ListChange({ c }) {
    const before = elements(c.plex);
    const after = elements(c.write || "");
    const come = after.filter((x) => !before.includes(x));
    const go = before.filter((x) => !after.includes(x));
    const stay = after.filter((x) => before.includes(x));
    return h(
      "ul",
      { className: "plexsync-elements" },
      come.map((x) =>
        h("li", { key: "+" + x, className: "plexsync-come" }, h("span", { className: "sr-only" }, "added: "), x),
      ),
      go.map((x) =>
        h("li", { key: "-" + x, className: "plexsync-go" }, h("span", { className: "sr-only" }, "removed: "), x),
      ),
      stay.map((x) => h("li", { key: "=" + x }, h("span", { className: "sr-only" }, "unchanged: "), x)),
    );
  }

  const LONG = 160;
  /** @param {{ text: string }} props */
  function Value({ text }) {
    const [whole, setWhole] = useState(false);
    if (!text) return h("span", { className: "plexsync-none" }, "empty");
    if (text.length <= LONG || whole) return h(api.React.Fragment, null, text);
    return h(
      api.React.Fragment,
      null,
      text.slice(0, LONG) + "… ",
      h(B.Button, { size: "sm", variant: "link", onClick: () => setWhole(true) }, "Show all"),
    );
  }

  PlexSync.Changes = ({ rows }) =>
    h(
      "dl",
      { className: "plexsync-changes" },
      rows.map((c) =>
        h(
          api.React.Fragment,
          { key: c.field },
          h("dt", null, fieldName(c.field)),
          h(
            "dd",
            null,
            listFields.includes(c.field)
              ? h(ListChange, { c })
              : h(
                  api.React.Fragment,
                  null,
                  h(
                    "span",
                    { className: "plexsync-old" },
                    h("span", { className: "sr-only" }, "now "),
                    h(Value, { text: c.plex }),
                  ),
                  h("span", { className: "plexsync-arrow", "aria-hidden": true }, " → "),
                  h(
                    "span",
                    { className: "plexsync-new" },
                    h("span", { className: "sr-only" }, "would become "),
                    h(Value, { text: c.write || "" }),
                  ),
                ),
          ),
        ),
      ),
    );
})();
