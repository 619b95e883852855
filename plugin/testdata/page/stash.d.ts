// What PlexSync uses of the API that Stash hands to plugins (window.PluginApi), typed by
// the libraries behind it in the versions that Stash uses. For the type check only:
// CONTRIBUTING.md says how it runs. The source of the shapes is Stash's ui/v2.5/src/pluginApi.tsx.

import type { ApolloClient } from "@apollo/client";
import type { FunctionComponent, ReactNode } from "react";
import type * as RB from "react-bootstrap";

/** What a patched component of Stash is called with: its props, and React's second argument. */
type Call = [props: any, context?: any];

/**
 * A component with these props that passes the rest on to an element. (The types of
 * react-bootstrap let any element be named by "as", which createElement cannot follow.)
 */
type Over<E extends keyof JSX.IntrinsicElements, Props> = FunctionComponent<
  Props & Omit<JSX.IntrinsicElements[E], keyof Props | "ref">
>;

interface Bootstrap {
  Alert: Over<"div", RB.AlertProps>;
  Button: Over<"button", RB.ButtonProps>;
  ButtonGroup: Over<"div", RB.ButtonGroupProps>;
  Card: Over<"div", RB.CardProps>;
  Form: {
    Check: Over<"input", RB.FormCheckProps>;
    /** An input, or what "as" names. */
    Control: Over<"input", RB.FormControlProps & { rows?: number }>;
    Group: Over<"div", RB.FormGroupProps>;
    Label: Over<"label", RB.FormLabelProps>;
    Text: Over<"small", RB.FormTextProps>;
  };
  Modal: Over<"div", RB.ModalProps> & {
    Body: Over<"div", {}>;
    Footer: Over<"div", {}>;
  };
  Nav: {
    Item: Over<"div", {}>;
    Link: Over<"a", RB.NavLinkProps>;
  };
  Tab: FunctionComponent<RB.TabProps> & { Pane: Over<"div", RB.TabPaneProps> };
  Tabs: FunctionComponent<RB.TabsProps>;
}

declare global {
  interface PluginApi {
    React: typeof import("react");
    libraries: {
      ReactRouterDOM: typeof import("react-router-dom");
      Bootstrap: Bootstrap;
      Apollo: typeof import("@apollo/client");
    };
    register: {
      /** Adds a page. */
      route(path: string, component: () => ReactNode): void;
    };
    patch: {
      /** Changes the arguments that a component is called with. */
      before(component: string, f: (...call: Call) => Call): void;
      /** Takes a component's place; next calls the original, or another plugin's replacement. */
      instead(component: string, f: (props: any, context: any, next: (...call: Call) => ReactNode) => ReactNode): void;
    };
    utils: { StashService: { getClient(): ApolloClient<unknown> } };
    hooks: {
      /** Not in every version of Stash. */
      useToast?(): { success(message: string): void; error(error: unknown): void };
    };
  }

  interface Window {
    /** Missing in a Stash that is too old for pages of plugins. */
    PluginApi?: PluginApi;
    /** Ours, see plugin/ui/plexsync.js; missing if PluginApi is. */
    PlexSync?: PlexSync;
  }
}
