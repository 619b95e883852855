// @ts-check
// The page of all tabs, and where Stash shows what is ours. Each of these places has a
// boundary: what fails in it says so there, and the rest of Stash's page stays.

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const { api, h, B, Link } = PlexSync;
  const { Boundary, Head, Letters, NavButton, Overview, Preview, Queue, Scene } = PlexSync;
  const { Fragment, useEffect } = api.React;
  const { useHistory, useLocation } = api.libraries.ReactRouterDOM;

  const OVERVIEW = "overview";

  /** @type {[string, string, (props: TabProps) => React.ReactElement][]} */
  const TABS = [
    [OVERVIEW, "Overview", Overview],
    ["dead", "Needs attention", () => h(Letters, { missing: false })],
    ["queue", "Queue", Queue],
    ["missing", "Not in Plex", () => h(Letters, { missing: true })],
    ["left", "Left out", PlexSync.LeftOut],
    ["preview", "Preview", Preview],
    ["history", "History", PlexSync.History],
    ["settings", "Settings", PlexSync.SettingsTab],
  ];

  function Page() {
    const at = useLocation();
    const history = useHistory();
    const wanted = new URLSearchParams(at.search).get("tab");
    const tab = TABS.find(([key]) => key === wanted)?.[0] || OVERVIEW;
    /** @param {string | null} key */
    const go = (key) => history.push("/plexsync?tab=" + key);
    const title = TABS.find(([key]) => key === tab)?.[1] || "";
    // Stash sets the title of each of its pages; whoever leaves gets theirs back.
    useEffect(() => {
      document.title = (tab === OVERVIEW ? "" : title + " | ") + "PlexSync | Stash";
    }, [title]);
    useEffect(() => {
      const before = document.title;
      return () => {
        if (document.title.endsWith("PlexSync | Stash"))
          document.title = before.includes("PlexSync") ? "Stash" : before;
      };
    }, []);
    return h(
      "div",
      { className: "plexsync", id: "plexsync-page" },
      h(Boundary, { of: "The head of the page" }, h(Head, { go })),
      h(
        B.Tabs,
        {
          id: "plexsync-tabs",
          activeKey: tab,
          onSelect: go,
          mountOnEnter: true,
          unmountOnExit: true,
          transition: false,
        },
        TABS.map(([key, title, Body]) =>
          h(B.Tab, { key, eventKey: key, title }, h(Boundary, { of: 'The tab "' + title + '"' }, h(Body, { go }))),
        ),
      ),
    );
  }

  const BrokenButton = () =>
    h(
      Link,
      {
        to: "/plexsync",
        className: "btn btn-primary minimal nav-utility plexsync-nav plexsync-alarm",
        title: "PlexSync: its state could not be shown",
      },
      "PlexSync",
    );

  /**
   * What comes next in Stash: its own, or another plugin's.
   *
   * @param {{ next: (props: any, context?: any) => React.ReactNode, props: any, context: any }} props
   */
  const Next = ({ next, props, context }) => h(Fragment, null, next(props, context));

  /**
   * Adds ours to a component's children. If that fails, the component stays as it is.
   *
   * @param {string} component
   * @param {(props: any) => React.ReactNode} children
   */
  function addTo(component, children) {
    api.patch.before(component, (props, context) => {
      try {
        return [{ ...props, children: children(props) }];
      } catch (e) {
        console.error("PlexSync cannot add to " + component, e);
        return [props, context];
      }
    });
  }

  api.register.route("/plexsync", () => h(Boundary, { of: "The page" }, h(Page)));
  addTo("MainNavBar.UtilityItems", (props) => [
    h(Boundary, { key: "plexsync", of: "The button", quietly: h(BrokenButton) }, h(NavButton)),
    h(Fragment, { key: "others" }, props.children),
  ]);
  // Without ours the settings can still be changed, in Stash's plain list.
  api.patch.instead("PluginSettings", (props, context, next) =>
    props.pluginID === "plexsync"
      ? h(Boundary, { of: "The form", instead: h(Next, { next, props, context }) }, h(PlexSync.Panel, props))
      : next(props, context),
  );
  addTo("ScenePage.Tabs", (props) =>
    h(Fragment, null, props.children, h(B.Nav.Item, null, h(B.Nav.Link, { eventKey: "plexsync-panel" }, "Plex"))),
  );
  addTo("ScenePage.TabContent", (props) => {
    const id = Number(props.scene.id);
    return h(
      Fragment,
      null,
      props.children,
      h(
        B.Tab.Pane,
        { eventKey: "plexsync-panel", mountOnEnter: true, unmountOnExit: true },
        h(Boundary, { key: id, of: "What PlexSync knows of the scene" }, h(Scene, { id })),
      ),
    );
  });
})();
