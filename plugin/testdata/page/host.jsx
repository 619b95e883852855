// A page that offers plugins what Stash's does: window.PluginApi with the same
// libraries, patches that work in the same way, and the places that PlexSync uses. Our
// own code; what it must do is told in the API's public documentation.
import React from "react";
import ReactDOM from "react-dom";
import * as ReactRouterDOM from "react-router-dom";
import * as Bootstrap from "react-bootstrap";
import * as Apollo from "@apollo/client";
import "bootstrap/dist/css/bootstrap.css";
import "./theme.css";

const { BrowserRouter, Link, Route, Switch } = ReactRouterDOM;

const client = new Apollo.ApolloClient({ uri: "/graphql", cache: new Apollo.InMemoryCache() });

const patches = { before: {}, instead: {} };
const add = (kind) => (name, f) => (patches[kind][name] = patches[kind][name] || []).push(f);
const patched = (name, inner) => (props, context) => {
  let args = [props, context];
  for (const f of patches.before[name] || []) args = f(...args);
  const [instead] = patches.instead[name] || [];
  return instead ? instead(...args, inner) : inner(...args);
};
const container = (name) => patched(name, (props) => <>{props.children}</>);

const toasts = { list: [], listeners: new Set() };
const toast = (variant, text) => {
  toasts.list = [...toasts.list, { variant, text }];
  toasts.listeners.forEach((f) => f({}));
};

const Routes = container("PluginRoutes");
const Utility = container("MainNavBar.UtilityItems");
const SceneTabs = container("ScenePage.Tabs");
const SceneContent = container("ScenePage.TabContent");
const PluginSettings = patched("PluginSettings", ({ settings }) => (
  <ul>
    {settings.map((s) => (
      <li key={s.name}>{s.display_name}</li>
    ))}
  </ul>
));

window.PluginApi = {
  React,
  ReactDOM,
  libraries: { ReactRouterDOM, Bootstrap, Apollo },
  register: {
    route: (path, component) =>
      add("before")("PluginRoutes", (props) => [
        {
          children: (
            <>
              {props.children}
              <Route path={path} component={component} />
            </>
          ),
        },
      ]),
  },
  patch: { before: add("before"), instead: add("instead") },
  utils: { StashService: { getClient: () => client } },
  hooks: {
    useToast: () => ({ success: (m) => toast("success", m), error: (e) => toast("danger", String(e.message || e)) }),
  },
};

function Toasts() {
  const [, redraw] = React.useState({});
  React.useEffect(() => {
    toasts.listeners.add(redraw);
    return () => toasts.listeners.delete(redraw);
  }, []);
  return (
    <div id="toasts" aria-hidden="true">
      {toasts.list.map((t, i) => (
        <div key={i} className={"toast-" + t.variant}>
          {t.text}
        </div>
      ))}
    </div>
  );
}

// Stash's settings page: each plugin's settings; also another plugin's.
function Settings() {
  const { data } = Apollo.useQuery(Apollo.gql`{ plugins { id settings { name display_name description type } } }`);
  return (
    <div>
      <h1>Settings</h1>
      {data &&
        data.plugins.map((p) => (
          <section key={p.id} id={"plugin-" + p.id}>
            <h2>{p.id}</h2>
            <PluginSettings pluginID={p.id} settings={p.settings} />
          </section>
        ))}
      <section id="plugin-another">
        <PluginSettings
          pluginID="another"
          settings={[{ name: "a", display_name: "Setting of another plugin", type: "STRING" }]}
        />
      </section>
    </div>
  );
}

function Scene({ match }) {
  const scene = { id: match.params.id };
  return (
    <div>
      <h1>Scene {scene.id}</h1>
      <Bootstrap.Tab.Container defaultActiveKey="details">
        <Bootstrap.Nav variant="tabs" className="mr-auto">
          <SceneTabs scene={scene}>
            <Bootstrap.Nav.Item>
              <Bootstrap.Nav.Link eventKey="details">Details</Bootstrap.Nav.Link>
            </Bootstrap.Nav.Item>
          </SceneTabs>
        </Bootstrap.Nav>
        <Bootstrap.Tab.Content>
          <SceneContent scene={scene}>
            <Bootstrap.Tab.Pane eventKey="details">Details of the scene</Bootstrap.Tab.Pane>
          </SceneContent>
        </Bootstrap.Tab.Content>
      </Bootstrap.Tab.Container>
    </div>
  );
}

function App() {
  return (
    <Apollo.ApolloProvider client={client}>
      <BrowserRouter>
        <header>
          <nav aria-label="Stash">
            <Link to="/">Home</Link>{" "}
            <Utility>
              <Link to="/settings">Settings</Link>
            </Utility>
          </nav>
        </header>
        <main className="container-fluid">
          <Switch>
            <Route exact path="/">
              <h1>Home</h1>
            </Route>
            <Route path="/settings" component={Settings} />
            <Route path="/scenes/:id" component={Scene} />
            <Routes />
          </Switch>
        </main>
        <Toasts />
      </BrowserRouter>
    </Apollo.ApolloProvider>
  );
}

// As in Stash, plugins' scripts are loaded before the first look is drawn.
window.drawStash = () => ReactDOM.render(<App />, document.getElementById("root"));
