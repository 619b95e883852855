// @ts-check
// PlexSync's place in Stash: a button in the navigation bar, the page /plexsync, the
// form in Settings > Plugins, and a tab on each scene. No build step, and no library but
// those that Stash hands out. Everything that comes from Stash or Plex is shown as text:
// React escapes it.
//
// Stash joins the files that plexsync.yml lists, in that order, and loads them as one
// script. So a file may use what the files above it have put into window.PlexSync:
//
//   plexsync.js   begins: what Stash hands out, and what the files share
//   ask.js        asking the plugin, with the types of its answers (docs/interface.md)
//   words.js      numbers, times and failure classes in words
//   pieces.js     small components, and the boundary that holds what fails
//   table.js      a list that the plugin searches, sorts and cuts into pages
//   history.js    the tab "History", and the plot
//   preview.js    the tab "Preview"
//   signin.js     signing in with Plex, for the set-up and the form
//   setup.js      the first run, in four steps
//   overview.js   the tab "Overview", the head of the page, and the button
//   lists.js      the tabs "Needs attention", "Queue", "Not in Plex" and "Left out"
//   scene.js      the tab of a scene
//   settings.js   the form
//   main.js       ends: the page of these tabs, and where Stash shows what
//
// The types are checked by ./build.sh test; CONTRIBUTING.md says how to do it by hand.

/**
 * What the files share. Each file fills in what it is named for here and reads the rest.
 *
 * @typedef {object} PlexSync
 *
 * plexsync.js:
 * @property {PluginApi} api
 * @property {typeof React.createElement} h
 * @property {PluginApi["libraries"]["ReactRouterDOM"]["Link"]} Link
 * @property {PluginApi["libraries"]["Bootstrap"]} B
 *
 * ask.js:
 * @property {<M extends keyof Calls>(mode: M, args: Calls[M]["args"]) => Promise<Calls[M]["data"]>} ask
 *   runs an operation of the plugin and returns the data of its answer
 * @property {(name: string, mode: string) => Promise<string>} startTask adds one to Stash's task list and returns its id
 * @property {() => Promise<{ id: string, status: string, description: string }[]>} stashTasks Stash's task list
 * @property {() => Promise<Definition[]>} definitions the settings as plexsync.yml declares them
 * @property {() => Promise<SavedSettings>} readSettings
 * @property {(changes: SavedSettings) => Promise<void>} saveSettings
 * @property {(ids: number[]) => Promise<Map<number, string>>} sceneTitles
 * @property {(error: unknown) => string} message what an error says
 * @property {() => void} refreshOverview asks for the overview now, if somebody looks at it
 * @property {(close: boolean) => { value?: Overview, error?: string }} useOverview
 *   follows the overview; close: somebody looks at the figures
 * @property {<T>(question: () => Promise<T>, deps: unknown[]) => Asked<T>} useAsked
 *   asks once, and again when a dependency changes or reload is called
 *
 * words.js:
 * @property {(c: FailureClass) => string} className what a class is called
 * @property {(c: FailureClass) => string} whatToDo about a failure of the class
 * @property {(c: FailureClass, text: string | null | undefined) => string} happened what a failure was, by its class and text
 * @property {(field: string) => string} fieldName what the form calls a field of Plex's
 * @property {string[]} listFields the fields that hold lists
 * @property {(name: string) => string} settingName what the form calls a setting
 * @property {(t: string | null | undefined) => string} exactly a time as the reader writes it, "" for none
 * @property {(t: string) => string} ago a time as the distance from now
 * @property {(share: number | null | undefined) => string} percent of a share from 0 to 1
 * @property {(v: string | null | undefined) => string} shortVersion
 * @property {(r: Run) => string} runText what a run did
 * @property {(r: Run) => string} startedBy what started a run, "" if that is not known
 * @property {(c: Coverage) => number} excludedCount
 * @property {(n: number | undefined) => string} count
 * @property {(n: number, one: string, many: string) => string} things a count with its noun
 * @property {(seconds: number | null | undefined) => string} lasting
 * @property {(from: string, to: string) => string} between how long it was
 * @property {(row: { kind: string, id: number, subject_id?: number }) => string} subject
 *
 * pieces.js:
 * @property {(name: string, where: "session" | "local") => { get: () => string, set: (value: string) => void }} forBrowser
 *   a text that the browser keeps for the tab or for longer, if it keeps any
 * @property {(props: InputProps) => React.ReactElement} Input as Stash's own look
 * @property {(id: number, text?: string) => React.ReactElement} sceneLink
 * @property {(machine: string | undefined, key: string | null | undefined, text?: string) => React.ReactNode} plexLink
 * @property {(t: string | null | undefined, none?: string) => React.ReactNode} when a relative time with the exact one on hover
 * @property {(props: { text: string | null | undefined }) => React.ReactElement | null} Technical the text of an error, folded
 * @property {(name: string) => string} settingHref the address of a setting's field
 * @property {(props: { problem: Problem }) => React.ReactElement} ProblemLine
 * @property {new (props: BoundaryProps) => React.Component<BoundaryProps>} Boundary
 * @property {() => Doing} useDo
 * @property {() => Undo} useUndo
 * @property {(props: { error?: string, retry?: () => void }) => React.ReactElement | null} Trouble
 * @property {(props: QuestionProps) => React.ReactElement} Question asks before something is destroyed
 * @property {(props: { title: string, children?: React.ReactNode }) => React.ReactElement} Card
 * @property {(props: { rows: FigureRow[] }) => React.ReactElement} Figures
 * @property {(props: { label: string, head: string[], children?: React.ReactNode }) => React.ReactElement} Sheet
 *   a table that is shown whole
 * @property {(props: { rows: ExplainedField[] }) => React.ReactElement} Changes
 *
 * table.js:
 * @property {(props: TableProps<any>) => React.ReactElement} Table
 *
 * history.js:
 * @property {(props: { days: Day[] }) => React.ReactElement} Plot
 * @property {() => React.ReactElement} History
 *
 * signin.js:
 * @property {(props: SignInProps) => React.ReactElement} SignIn a button that leads to a server whose address
 *   and token are saved
 *
 * setup.js:
 * @property {(o: Overview) => boolean} isFirstRun nothing was ever synced
 * @property {(props: { o: Overview, go: (tab: string) => void }) => React.ReactElement} Setup
 *
 * overview.js:
 * @property {(props: TabProps) => React.ReactElement} Head
 * @property {() => React.ReactElement} NavButton
 * @property {() => Promise<void>} startSync starts a sync of all scenes
 * @property {() => void} forgetServer the settings may lead to another one now
 * @property {(props: TabProps) => React.ReactElement} Overview
 *
 * lists.js:
 * @property {() => React.ReactElement} Queue
 * @property {() => React.ReactElement} LeftOut
 * @property {(props: { missing: boolean }) => React.ReactElement} Letters
 *
 * preview.js:
 * @property {() => React.ReactElement} Preview
 * @property {(props: { item: PreviewedItem, machine: string | undefined, quiet?: boolean }) => React.ReactElement} PreviewItem
 *
 * scene.js:
 * @property {(props: { id: number }) => React.ReactElement} Scene
 *
 * settings.js:
 * @property {(props: { settings: Definition[] }) => React.ReactElement} Settings
 * @property {(props: { settings: Definition[] }) => React.ReactElement} Panel what Stash shows among its plugins' settings
 * @property {() => React.ReactElement} SettingsTab
 * @property {(name: string) => string} quoted a name as a list of names takes it
 * @property {(props: { test: SettingsTest }) => React.ReactElement} Connection
 * @property {(props: { test: SettingsTest, add?: (rule: string) => void }) => React.ReactElement} Folders
 */

/** @typedef {{ go: (tab: string) => void }} TabProps go shows another tab */

(function () {
  "use strict";
  const api = window.PluginApi;
  if (!api || !api.React || !api.patch) return; // an older Stash: its plain list of settings works
  window.PlexSync = /** @type {PlexSync} */ ({
    api,
    h: api.React.createElement,
    Link: api.libraries.ReactRouterDOM.Link,
    B: api.libraries.Bootstrap,
  });
})();
