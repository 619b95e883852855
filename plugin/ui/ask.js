// @ts-check
// Asking: the plugin's operations, Stash's settings and titles. Nothing else is asked.

// ---- What the plugin answers: docs/interface.md ---------------------------------
//
// A test checks these types against what the program answers. Times are RFC 3339. What may
// be missing may also be null. Lists are never null by the interface's word; those that
// once were say so.

/**
 * @typedef {"unreachable" | "unauthorized" | "busy" | "not_in_plex" | "ambiguous" | "rejected" | "joined" |
 *   "gone" | "unreadable" | "stash_unreachable" | "internal"} FailureClass
 * @typedef {Partial<Record<FailureClass, number>>} Classes dead letters by class
 *
 * @typedef {object} Problem of a setting
 * @property {string} setting
 * @property {string} message
 * @property {boolean} fatal
 *
 * @typedef {object} Breaker
 * @property {"closed" | "open" | "half_open"} state
 * @property {string | null} [since]
 * @property {string | null} [next_probe]
 * @property {FailureClass | "" | null} [cause]
 * @property {string | null} [message]
 *
 * @typedef {object} Waker
 * @property {boolean} alive
 * @property {string | null} [last_ended]
 * @property {string | null} [last_reason]
 *
 * @typedef {object} Run
 * @property {string} started
 * @property {string | null} [ended]
 * @property {number} done
 * @property {number} unchanged
 * @property {number} retry
 * @property {number} waiting
 * @property {number} dead
 * @property {number} gone
 * @property {number} writes
 * @property {"edit" | "person" | "schedule" | ""} cause
 * @property {string | null} [note]
 *
 * @typedef {object} Outage
 * @property {"plex" | "stash"} system
 * @property {string} started
 * @property {string | null} [ended]
 * @property {FailureClass} cause
 * @property {string} message
 * @property {number} waited jobs
 *
 * @typedef {"no_file" | "not_organized" | "no_stash_id" | "no_required_tag" | "tag" | "outside_paths" | "path" | "other"} Exclusion why a scene is left out
 *
 * @typedef {object} Coverage the counts but scenes add up to scenes
 * @property {number} scenes
 * @property {number} synced
 * @property {number} waiting
 * @property {number} not_in_plex
 * @property {number} joined
 * @property {number} dead
 * @property {Partial<Record<Exclusion, number>>} excluded
 * @property {number} without_metadata
 * @property {number} unchecked
 * @property {string | null} compared
 * @property {string | null} next_compare
 *
 * @typedef {object} Progress of what runs now
 * @property {boolean} comparing
 * @property {string} started
 * @property {number} done
 * @property {number} total
 * @property {number} per_second
 *
 * @typedef {object} Overview
 * @property {string} version
 * @property {string} now
 * @property {number} queued
 * @property {number} due
 * @property {number} leased
 * @property {number} waiting
 * @property {string | null} [next_due]
 * @property {number} dead need review
 * @property {number} not_in_plex
 * @property {number} joined their item is another scene's
 * @property {Classes} classes
 * @property {boolean} draining
 * @property {boolean} paused
 * @property {boolean} ready
 * @property {Problem[]} problems
 * @property {Breaker} breaker
 * @property {Waker} waker
 * @property {Coverage} coverage
 * @property {Progress | null} progress
 * @property {Run[]} runs
 * @property {Outage | null} [last_outage]
 * @property {string} machine Plex's id, "" if it never answered
 *
 * @typedef {object} Day
 * @property {string} day
 * @property {number} synced
 * @property {number} out_seconds
 *
 * @typedef {object} AvailabilityWindow
 * @property {number} days
 * @property {string | null} since
 * @property {number | null} availability 0 to 1
 * @property {number} out_seconds
 * @property {number} outages
 *
 * @typedef {object} HistoryAnswer
 * @property {AvailabilityWindow[]} windows
 * @property {Run[]} runs
 * @property {Outage[]} outages
 * @property {Outage[]} stash_outages
 * @property {Day[]} days
 * @property {number | null} mttr_seconds
 * @property {number | null} mtbf_seconds
 * @property {number | null} availability 0 to 1
 *
 * @typedef {object} QueuedJob
 * @property {string} kind
 * @property {number} id
 * @property {string} due
 * @property {boolean} leased
 * @property {number} attempt
 * @property {number} missing
 * @property {string} first_event
 * @property {string} last_event
 * @property {FailureClass | ""} last_class
 * @property {string} last_error
 * @property {string} [title] added by the page, see lists.js
 *
 * @typedef {{ at: string, class: FailureClass, error: string }} Attempt
 *
 * @typedef {object} Letter
 * @property {number} id
 * @property {string} kind
 * @property {number} subject_id
 * @property {FailureClass} class
 * @property {boolean} [retryable]
 * @property {string} error
 * @property {number} attempts
 * @property {string} title
 * @property {string} path
 * @property {string} first_event
 * @property {string} last_event
 * @property {string} died
 * @property {Attempt[] | null} history null for none
 * @property {string | null} [item]
 *
 * @typedef {{ total: number, rows: QueuedJob[] }} QueueList
 * @typedef {{ total: number, rows: Letter[], classes: Classes }} LetterList
 * @typedef {{ count: number }} Count
 *
 * @typedef {"pushed" | "path" | "folded" | "size" | "tail" | "name" | "folded path" | "name and size" | "path tail"} Rung
 *
 * @typedef {object} ExplainedField a field as Stash wants it, as it was last written, and as Plex shows it
 * @property {string} field
 * @property {string} wanted
 * @property {string} base
 * @property {string} plex
 * @property {boolean} locked
 * @property {string | null} write what Plex would show; null: it would not be touched
 * @property {boolean} kept Plex's own value stays because keepPlexEdits is on
 *
 * @typedef {object} ExplainedItem
 * @property {string} key
 * @property {string} path
 * @property {Rung} rung
 * @property {ExplainedField[]} fields
 * @property {boolean} poster
 * @property {boolean} background
 * @property {string[]} lock
 * @property {string[]} unlock
 *
 * @typedef {"synced" | "changes" | "waiting" | "not_in_plex" | "ambiguous" | "joined" | "without_metadata" |
 *   "excluded" | "failed" | "unknown" | "gone"} SceneState
 *
 * @typedef {object} Explanation
 * @property {SceneState} state
 * @property {FailureClass | ""} class
 * @property {boolean} in_plex
 * @property {{ key: string, path: string, rule: string, folder_rule: string }[]} fitting
 * @property {number} scene
 * @property {string} title
 * @property {string} machine Plex's id, "" if it did not answer
 * @property {string} decision
 * @property {{ path: string, mapped: string, rule: string }[]} files
 * @property {{ rung: Rung, candidates: string[], verdict: string }[]} steps
 * @property {ExplainedItem[]} items
 * @property {LastSync} last
 *
 * @typedef {object} LastSync what happened to the scene before
 * @property {string | null} [pushed]
 * @property {boolean} queued
 * @property {string | null} [due]
 * @property {string | null} [last_error]
 * @property {FailureClass | "" | null} [dead_class]
 * @property {string | null} [dead_error]
 *
 * @typedef {object} PreviewedItem
 * @property {number} scene
 * @property {string} title
 * @property {string} key
 * @property {ExplainedField[] | null} changes null for none, in 0.1.0
 * @property {boolean} poster
 * @property {boolean} locks
 *
 * @typedef {object} Preview
 * @property {number} scenes
 * @property {number} items
 * @property {number} same
 * @property {Record<string, number>} fields
 * @property {number} skipped
 * @property {number} not_found
 * @property {number} [unreadable] of scenes that Stash cannot read
 * @property {PreviewedItem[]} first
 * @property {number} next 0 at the end
 *
 * @typedef {{ name: string, on: boolean }} Field a field that can be synced
 *
 * @typedef {object} Library
 * @property {string} key
 * @property {string} title
 * @property {string[] | null} folders null for none
 * @property {boolean} synced
 *
 * @typedef {object} Folder
 * @property {string} stash
 * @property {string} mapped
 * @property {string} rule
 * @property {boolean} found
 * @property {string | null} [suggest]
 *
 * @typedef {object} PathCheck
 * @property {number} scenes
 * @property {number} by_path
 * @property {number} by_name
 * @property {number} missing
 * @property {string | null} [suggest]
 * @property {string | null} [example]
 * @property {{ path: string, mapped: string, by_path: boolean, by_name: boolean }[]} files
 *
 * @typedef {object} SettingsTest
 * @property {boolean} ready
 * @property {Problem[]} problems
 * @property {Field[]} fields
 * @property {boolean} reachable
 * @property {string | null} [error]
 * @property {FailureClass | ""} cause
 * @property {string | null} [name]
 * @property {string | null} [version]
 * @property {string | null} [machine]
 * @property {boolean | null} may_edit
 * @property {Library[]} libraries
 * @property {Folder[]} folders
 * @property {PathCheck | null} sample
 *
 * @typedef {{ id: number, url: string, expires: string, left_seconds: number }} SignInStart
 *
 * @typedef {object} SignInAddress
 * @property {string} url
 * @property {"local" | "remote" | "relay"} place
 * @property {"answers" | "other_machine" | "not_plex" | "no_name" | "untrusted" | "no_answer" | "skipped"} result
 * @property {boolean} usable
 * @property {boolean} verified
 * @property {boolean} saved
 * @property {number | null} seconds
 * @property {string} message
 *
 * @typedef {object} SignInServer
 * @property {string} machine
 * @property {string} name
 * @property {string} version
 * @property {boolean} owned
 * @property {string} owner
 * @property {boolean} current
 * @property {boolean} usable
 * @property {string} message why it cannot be chosen
 * @property {string} url
 * @property {SignInAddress[]} addresses
 *
 * @typedef {object} SignInProgress
 * @property {"waiting" | "ready" | "expired" | "refused"} state
 * @property {string} message without a full stop
 * @property {string | null} expires
 * @property {number} left_seconds
 * @property {number} poll_seconds
 * @property {SignInServer[]} servers
 * @property {string} machine
 * @property {string} url
 *
 * @typedef {{ changed: boolean, machine: string, name: string, version: string, url: string }} SignedIn
 *
 * @typedef {{ name: string, level: "ok" | "warning" | "error", message: string }} Check
 * @typedef {{ ok: boolean, checks: Check[] }} Health
 */

/**
 * The list arguments.
 *
 * @typedef {object} ListArgs
 * @property {string} [search]
 * @property {string} [sort]
 * @property {boolean} [desc]
 * @property {number} [limit]
 * @property {number} [offset]
 */

/** @typedef {Record<string, string | number | boolean>} SavedSettings by name, those that were ever set */

/**
 * Which dead letters.
 *
 * @typedef {{ ids?: number[], class?: FailureClass, review?: boolean }} Which
 */

/**
 * The calls of the interface.
 *
 * @typedef {object} Calls
 * @property {{ args: {}, data: Overview }} overview
 * @property {{ args: {}, data: HistoryAnswer }} history
 * @property {{ args: ListArgs & { show?: "due" | "leased" | "waiting", lacked?: boolean }, data: QueueList }} queue_list
 * @property {{ args: ListArgs & Which, data: LetterList }} dlq_list
 * @property {{ args: Which, data: Count }} dlq_retry
 * @property {{ args: Which, data: Count }} dlq_drop
 * @property {{ args: { scene_id: number }, data: Count }} sync_scene
 * @property {{ args: { scene_id: number, fresh?: boolean }, data: Explanation }} explain
 * @property {{ args: { after: number, limit: number }, data: Preview }} preview_list
 * @property {{ args: {}, data: { ready: boolean, problems: Problem[] } }} settings_check
 * @property {{ args: { settings?: SavedSettings, offline?: boolean }, data: SettingsTest }} settings_test
 * @property {{ args: { key: string }, data: { picture: string } }} poster
 * @property {{ args: {}, data: Health }} health
 * @property {{ args: {}, data: SignInStart }} sign_in
 * @property {{ args: { id: number }, data: SignInProgress }} sign_in_poll
 * @property {{ args: { id: number, machine: string, url: string }, data: SignedIn }} sign_in_choose
 */

/**
 * A question, its answer so far, and whether another is awaited.
 *
 * @template T
 * @typedef {{ value?: T, error?: string, loading?: boolean, reload: () => void }} Asked
 */

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;
  const { api } = PlexSync;
  const { useState, useEffect, useRef, useCallback } = api.React;
  const { gql } = api.libraries.Apollo;
  const ID = "plexsync";

  const OPERATION = gql`
    mutation PlexSyncOperation($args: Map!) {
      runPluginOperation(plugin_id: "plexsync", args: $args)
    }
  `;
  // Without task_name, which would have to be one of plexsync.yml's.
  const TASK = gql`
    mutation PlexSyncTask($name: String!, $args: Map) {
      runPluginTask(plugin_id: "plexsync", description: $name, args_map: $args)
    }
  `;
  const TASKS = gql`
    query PlexSyncTasks {
      jobQueue {
        id
        status
        description
      }
    }
  `;
  const DEFINITIONS = gql`
    query PlexSyncDefinitions {
      plugins {
        id
        settings {
          name
          display_name
          description
          type
        }
      }
    }
  `;
  const SETTINGS = gql`
    query PlexSyncSettings {
      configuration {
        plugins(include: ["plexsync"])
      }
    }
  `;
  const CONFIGURE = gql`
    mutation PlexSyncConfigure($input: Map!) {
      configurePlugin(plugin_id: "plexsync", input: $input)
    }
  `;
  const TITLES = gql`
    query PlexSyncTitles($ids: [Int!]) {
      findScenes(scene_ids: $ids, filter: { per_page: -1 }) {
        scenes {
          id
          title
          files {
            basename
          }
        }
      }
    }
  `;

  const client = () => api.utils.StashService.getClient();

  PlexSync.ask = async (mode, args) => {
    const { data } = await client().mutate({
      mutation: OPERATION,
      fetchPolicy: "no-cache",
      variables: { args: { v: 1, mode, ...args } },
      // Stash has read the settings before, and shows what it has read.
      refetchQueries: mode === "sign_in_choose" ? ["Configuration"] : [],
    });
    const answer = data && data.runPluginOperation;
    if (!answer || answer.v !== 1) {
      throw new Error("The plugin is older than this page. Reload the plugins in Settings > Plugins, then this page.");
    }
    if (!answer.data || typeof answer.data !== "object") {
      throw new Error("The plugin returned an answer without data. Try again.");
    }
    return answer.data;
  };

  PlexSync.startTask = async (name, mode) => {
    const { data } = await client().mutate({
      mutation: TASK,
      variables: { name: "PlexSync: " + name, args: { mode } },
    });
    return String((data && data.runPluginTask) || "");
  };

  PlexSync.stashTasks = async () => {
    const { data } = await client().query({ query: TASKS, fetchPolicy: "no-cache" });
    return data.jobQueue || [];
  };

  PlexSync.definitions = async () => {
    const { data } = await client().query({ query: DEFINITIONS, fetchPolicy: "no-cache" });
    /** @type {{ id: string, settings: Definition[] | null }[]} */
    const plugins = data.plugins || [];
    return plugins.find((p) => p.id === ID)?.settings || [];
  };

  PlexSync.readSettings = async () => {
    const { data } = await client().query({ query: SETTINGS, fetchPolicy: "no-cache" });
    return (data.configuration.plugins || {})[ID] || {};
  };

  // Stash replaces the whole map, so it is read just before, past the cache, which is
  // Stash's own.
  PlexSync.saveSettings = async (changes) => {
    const input = { ...(await PlexSync.readSettings()), ...changes };
    for (const [name, value] of Object.entries(input)) if (value === undefined || value === null) delete input[name];
    await client().mutate({ mutation: CONFIGURE, variables: { input }, refetchQueries: ["Configuration"] });
    overview.refresh();
  };

  PlexSync.sceneTitles = async (ids) => {
    const { data } = await client().query({ query: TITLES, variables: { ids }, fetchPolicy: "no-cache" });
    /** @type {{ id: string, title: string | null, files: { basename: string }[] }[]} */
    const scenes = data.findScenes.scenes;
    return new Map(scenes.map((s) => [Number(s.id), s.title || s.files[0]?.basename || ""]));
  };

  PlexSync.message = (error) =>
    String((error instanceof Error && error.message) || error).replace(/^GraphQL error: /, "");

  // overview is asked for by one timer for all who look: often while something moves,
  // seldom on other pages, never while the tab is hidden.
  const overview = {
    /** @type {Overview | undefined} */
    value: undefined,
    /** @type {string | undefined} */
    error: undefined,
    /** @type {Map<(redraw: {}) => void, boolean>} */
    listeners: new Map(),
    timer: 0,
    asking: false,
    again: false,
    at: 0, // when it was answered, by the browser's clock
    // Somebody begins to look: what was just answered, or is under way, does.
    join() {
      if (this.asking) return;
      if (Date.now() - this.at >= 2000) {
        this.refresh();
        return;
      }
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.refresh(), this.pause());
    },
    async refresh() {
      clearTimeout(this.timer);
      this.again = this.asking; // what is under way may miss what just happened
      if (this.asking || !this.listeners.size) return;
      if (document.hidden) return; // goes on when it is looked at again
      this.asking = true;
      try {
        this.value = await PlexSync.ask("overview", {});
        this.error = undefined;
      } catch (e) {
        this.error = PlexSync.message(e);
      }
      this.asking = false;
      this.at = Date.now();
      for (const listener of this.listeners.keys()) listener({});
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.refresh(), this.again ? 0 : this.pause());
    },
    pause() {
      const close = [...this.listeners.values()].includes(true);
      const busy = this.value && (this.value.draining || this.value.due > 0);
      if (close) return busy ? 2000 : 10000;
      return busy ? 15000 : 60000;
    },
  };
  document.addEventListener("visibilitychange", () => document.hidden || overview.refresh());

  PlexSync.refreshOverview = () => {
    overview.refresh();
  };

  PlexSync.useOverview = (close) => {
    const [, redraw] = useState({});
    useEffect(() => {
      overview.listeners.set(redraw, close);
      overview.join();
      return () => {
        overview.listeners.delete(redraw);
      };
    }, [close]);
    return overview;
  };

  /**
   * An answer that a later question has overtaken is dropped.
   *
   * @template T
   * @param {() => Promise<T>} question
   * @param {unknown[]} deps
   * @returns {Asked<T>}
   */
  PlexSync.useAsked = (question, deps) => {
    const [state, setState] = useState(/** @type {Omit<Asked<T>, "reload">} */ ({ loading: true }));
    const turn = useRef(0);
    const reload = useCallback(async () => {
      const mine = ++turn.current;
      setState((s) => ({ ...s, loading: true }));
      try {
        const value = await question();
        if (mine === turn.current) setState({ value });
      } catch (e) {
        if (mine === turn.current) setState((s) => ({ value: s.value, error: PlexSync.message(e) }));
      }
    }, deps);
    useEffect(() => {
      reload();
      return () => {
        turn.current++;
      };
    }, [reload]);
    return { ...state, reload };
  };
})();
