// @ts-check
// Signing in with Plex: the button, the wait for Plex's page, and the choice of a server.
// No token and no password ever pass through here.

/**
 * A sign-in that waits for Plex's page.
 *
 * @typedef {object} SignInWait
 * @property {number} id
 * @property {string} url Plex's page. "" after a reload: it holds a code, and is not kept
 * @property {number} until when the code expires, in milliseconds by the browser's clock
 * @property {boolean} blocked the browser opened no tab
 */

/**
 * What is shown.
 *
 * @typedef {{ at: "idle" } | { at: "starting" } | { at: "ended", message: string } | { at: "waiting", wait: SignInWait } |
 *   { at: "ready", id: number, answer: SignInProgress } | { at: "done", server: SignedIn }} SignInView
 */

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const { api, h, B, ask, message, things, shortVersion, forBrowser } = PlexSync;
  const { Boundary, Trouble, refreshOverview } = PlexSync;
  const ours = PlexSync; // also what files below this one add
  const { Fragment, useEffect, useRef, useState } = api.React;

  /** @type {SignInView} */
  const IDLE = { at: "idle" };
  const RETRY = 3; // seconds until Stash is asked again if it does not answer

  // The browser may drop this page while the person is on Plex's, phones do. The id is no
  // secret, and is all that is needed to go on.
  const kept = forBrowser("plexsync-sign-in", "session");

  /** @param {string} s */
  const sentence = (s) => s.replace(/\.?$/, ".");

  /** @param {number} until */
  const clock = (until) => new Date(until).toLocaleTimeString(undefined, { timeStyle: "short" });

  /** @returns {SignInView} */
  const resumed = () => {
    const [id, until] = kept.get().split(" ").map(Number);
    if (!id || !until || until < Date.now()) return IDLE;
    return { at: "waiting", wait: { id, url: "", until, blocked: false } };
  };

  /**
   * A tab has to be opened while the click is handled, before its address is known, or the
   * browser blocks it. Plex's page has no way back into Stash, so we have none to it: the
   * person closes it.
   *
   * @returns {Window | null}
   */
  const openTab = () => {
    const tab = window.open("", "_blank");
    if (!tab) return null;
    try {
      tab.opener = null;
      tab.document.title = "Plex";
      tab.document.body.textContent = "Opening Plex…";
    } catch (e) {
      /* it is shown blank for a moment, no more */
    }
    return tab;
  };

  PlexSync.SignIn = ({ before, onDone, again }) => {
    const [view, setView] = useState(resumed);
    const here = useRef(true);
    useEffect(
      () => () => {
        here.current = false;
      },
      [],
    );
    const label = again ? "Sign in again" : "Sign in with Plex";

    const start = async () => {
      const opened = openTab();
      setView({ at: "starting" });
      try {
        const s = await ask("sign_in", {});
        const until = Date.now() + s.left_seconds * 1000;
        kept.set(s.id + " " + until);
        if (opened) opened.location.href = s.url;
        setView({ at: "waiting", wait: { id: s.id, url: s.url, until, blocked: !opened } });
      } catch (e) {
        opened?.close();
        setView({ at: "ended", message: message(e) });
      }
    };
    /** @param {SignInView} next */
    const end = (next) => {
      if (next.at !== "ready") kept.set("");
      setView(next);
    };

    switch (view.at) {
      case "waiting":
        return h(Waiting, { key: view.wait.id, wait: view.wait, end });
      case "ready":
        return h(
          Boundary,
          { of: "The list of servers" },
          h(Servers, {
            id: view.id,
            answer: view.answer,
            end,
            before,
            done: async (server) => {
              kept.set("");
              ours.forgetServer();
              refreshOverview();
              await onDone(server);
              if (here.current) setView({ at: "done", server });
            },
          }),
        );
    }
    return h(
      "div",
      { className: "plexsync-signin" },
      view.at === "ended" && h(B.Alert, { variant: "warning" }, sentence(view.message)),
      view.at === "done" &&
        h(
          B.Alert,
          { variant: "success" },
          "Signed in. " + (view.server.name || "Plex") + " at ",
          h("span", { className: "plexsync-url" }, view.server.url),
          " is saved in the settings.",
        ),
      h(
        B.Button,
        { onClick: start, disabled: view.at === "starting", className: "plexsync-signin-button" },
        view.at === "starting" ? "Asking Plex…" : label,
      ),
      h(
        "p",
        { className: "plexsync-foot" },
        "Opens Plex's sign-in page in a new tab and finds your servers. Your password and token never pass through this page.",
      ),
    );
  };

  /**
   * Asks how far the sign-in is until it has ended.
   *
   * @param {{ wait: SignInWait, end: (view: SignInView) => void }} props
   */
  function Waiting({ wait, end }) {
    const [until, setUntil] = useState(wait.until);
    const [said, setSaid] = useState("");
    useEffect(() => {
      let gone = false;
      let asking = false;
      let timer = 0;
      const poll = async () => {
        clearTimeout(timer);
        if (asking) return;
        asking = true;
        let pause = RETRY;
        try {
          const p = await ask("sign_in_poll", { id: wait.id });
          if (gone) return;
          if (p.state === "ready") return end({ at: "ready", id: wait.id, answer: p });
          if (p.state !== "waiting") return end({ at: "ended", message: p.message });
          pause = p.poll_seconds;
          setSaid(p.message);
          setUntil(Date.now() + p.left_seconds * 1000);
        } catch (e) {
          if (gone) return;
          if (Date.now() > wait.until) return end({ at: "ended", message: "The time to sign in is over: start again" });
          setSaid(message(e));
        } finally {
          asking = false;
        }
        timer = window.setTimeout(poll, pause * 1000);
      };
      // Whoever comes back from Plex's page does not wait for a timer that was slowed down.
      const look = () => document.hidden || poll();
      timer = window.setTimeout(poll, 1000);
      document.addEventListener("visibilitychange", look);
      return () => {
        gone = true;
        clearTimeout(timer);
        document.removeEventListener("visibilitychange", look);
      };
    }, []);
    /** @param {string} text @param {string} [look] */
    const link = (text, look) =>
      h("a", { href: wait.url, target: "_blank", rel: "noopener noreferrer", className: look }, text);
    return h(
      "div",
      { className: "plexsync-signin plexsync-waits" },
      h(
        "div",
        { role: "status" },
        h(
          "p",
          null,
          h("span", { className: "plexsync-spinner", "aria-hidden": true }),
          h("strong", null, "Waiting for you to sign in on Plex's page."),
        ),
        h("p", null, "You have until " + clock(until) + ". Then come back: this page continues by itself."),
        said && h(B.Alert, { variant: "warning" }, sentence(said)),
      ),
      wait.blocked && h("p", null, "Your browser blocked the new tab. Open it yourself:"),
      h(
        "div",
        { className: "plexsync-buttons" },
        wait.blocked && link("Open Plex's sign-in page", "btn btn-primary"),
        h(B.Button, { variant: "secondary", onClick: () => end(IDLE) }, "Cancel"),
        wait.url && !wait.blocked && h("span", null, "No new tab? ", link("Open Plex's sign-in page")),
      ),
    );
  }

  /** @param {SignInAddress} a */
  const quality = (a) => {
    const where = a.place === "local" ? "local network" : "over the internet";
    const how = !a.url.startsWith("https:")
      ? "not encrypted"
      : a.verified
        ? "encrypted, certificate verified"
        : "encrypted, certificate not verified";
    return where + ", " + how;
  };

  /** @param {SignInAddress} a */
  const answersIn = (a) =>
    a.seconds === null ? "answers" : "answers in " + Math.max(1, Math.round(a.seconds * 1000)).toLocaleString() + " ms";

  /** @param {{ address: SignInAddress }} props */
  const AddressLine = ({ address: a }) =>
    h(
      Fragment,
      null,
      h("span", { className: "plexsync-url" }, a.url),
      " ",
      h("span", { className: "plexsync-tick" }, answersIn(a) + ", " + quality(a)),
    );

  /** @param {{ all: SignInAddress[], title: string }} props */
  const Tried = ({ all, title }) =>
    all.length
      ? h(
          "details",
          { className: "plexsync-technical" },
          h("summary", null, title),
          h(
            "ul",
            null,
            all.map((a) => h("li", { key: a.url }, h("span", { className: "plexsync-url" }, a.url), " " + a.message)),
          ),
        )
      : null;

  /**
   * @param {{ server: SignInServer, on: boolean, url: string, choose: (machine: string, url: string) => void }} props
   */
  function Server({ server: s, on, url, choose }) {
    const [others, setOthers] = useState(false);
    const usable = s.addresses.filter((a) => a.usable);
    const chosen = usable.find((a) => a.url === url) || usable[0];
    const id = "plexsync-server-" + s.machine;
    const about = [
      s.version ? "Plex " + shortVersion(s.version) : "",
      s.current ? "used now" : s.owned ? "yours" : "", // of others' servers the message says so
    ].filter(Boolean);
    return h(
      "div",
      { className: "plexsync-server" + (on ? " plexsync-on" : "") + (s.usable ? "" : " plexsync-unusable") },
      h("input", {
        type: "radio",
        name: "plexsync-server",
        id,
        checked: on,
        disabled: !s.usable,
        "aria-describedby": id + "-about",
        onChange: () => choose(s.machine, s.url),
      }),
      h(
        "div",
        { className: "plexsync-grow" },
        h("label", { htmlFor: id }, h("strong", null, s.name || "Plex"), " ", h("span", null, about.join(" · "))),
        h(
          "div",
          { id: id + "-about" },
          chosen ? !(on && others) && h(AddressLine, { address: chosen }) : sentence(s.message),
        ),
        on &&
          usable.length > 1 &&
          h(
            Fragment,
            null,
            !others &&
              h(
                B.Button,
                { size: "sm", variant: "link", onClick: () => setOthers(true) },
                things(usable.length - 1, "other address answers", "other addresses answer"),
              ),
            others &&
              h(
                "fieldset",
                { className: "plexsync-addresses" },
                h("legend", null, "Address"),
                usable.map((a, i) =>
                  h(B.Form.Check, {
                    key: a.url,
                    type: "radio",
                    name: id + "-address",
                    id: id + "-address-" + i,
                    label: h(AddressLine, { address: a }),
                    checked: a === chosen,
                    onChange: () => choose(s.machine, a.url),
                  }),
                ),
              ),
          ),
        h(Tried, {
          all: s.addresses.filter((a) => !a.usable),
          title: s.usable ? "Addresses that do not work" : "What was tried",
        }),
      ),
    );
  }

  /**
   * @param {{ id: number, answer: SignInProgress, end: (view: SignInView) => void, before?: () => Promise<void>, done: (s: SignedIn) => Promise<void> }} props
   */
  function Servers({ id, answer: first, end, before, done }) {
    const [answer, setAnswer] = useState(first);
    const [chosen, setChosen] = useState({ machine: first.machine, url: first.url });
    const [busy, setBusy] = useState("");
    const [wrong, setWrong] = useState("");
    const head = useRef(/** @type {HTMLElement | null} */ (null));
    // The focus follows, unless the person went on with something else meanwhile.
    useEffect(() => {
      if (!document.activeElement || document.activeElement === document.body) head.current?.focus();
    }, []);
    /** @param {string} what @param {() => Promise<void>} action */
    const run = async (what, action) => {
      setBusy(what);
      setWrong("");
      try {
        await action();
        if (what !== "use") setBusy(""); // the next thing is under way
      } catch (e) {
        setWrong(message(e));
        setBusy("");
      }
    };
    const use = () =>
      run("use", async () => {
        await before?.();
        await done(await ask("sign_in_choose", { id, ...chosen }));
      });
    const check = () =>
      run("check", async () => {
        const p = await ask("sign_in_poll", { id });
        if (p.state === "waiting") throw new Error(p.message || "Plex did not answer in time. Try again");
        if (p.state !== "ready") return end({ at: "ended", message: p.message });
        setAnswer(p);
        const still = p.servers.some((s) => s.usable && s.machine === chosen.machine);
        if (!still) setChosen({ machine: p.machine, url: p.url });
      });
    const server = answer.servers.find((s) => s.usable && s.machine === chosen.machine);
    return h(
      "div",
      { className: "plexsync-signin" },
      h(
        "p",
        { tabIndex: -1, ref: head },
        h("strong", null, "You are signed in. "),
        answer.servers.length > 0 &&
          "Stash tries each address itself, so what you see here works from where Stash runs.",
      ),
      answer.message && h(B.Alert, { variant: "warning" }, sentence(answer.message)),
      h(
        "fieldset",
        { className: "plexsync-servers" },
        h("legend", { className: "sr-only" }, "Your servers"),
        [...answer.servers.filter((s) => s.usable), ...answer.servers.filter((s) => !s.usable)].map((s) =>
          h(Server, {
            key: s.machine,
            server: s,
            on: s === server,
            url: chosen.url,
            choose: (machine, url) => setChosen({ machine, url }),
          }),
        ),
      ),
      h(Trouble, { error: wrong && sentence(wrong) }),
      h(
        "div",
        { className: "plexsync-buttons" },
        server &&
          h(
            B.Button,
            { onClick: use, disabled: !!busy },
            busy === "use" ? "Saving…" : "Use " + (server.name || "Plex"),
          ),
        h(
          B.Button,
          { variant: "secondary", onClick: check, disabled: !!busy },
          busy === "check" ? "Trying the addresses…" : "Check again",
        ),
        h(B.Button, { variant: "secondary", onClick: () => end(IDLE), disabled: !!busy }, "Cancel"),
      ),
    );
  }
})();
