// @ts-check
// Numbers, times, failures and names in words.

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;

  // What each class is called, and what to do about it.
  /** @type {Record<FailureClass, [string, string]>} */
  const CLASSES = {
    unreachable: ["Plex could not be reached", "You do not have to do anything: PlexSync keeps trying."],
    unauthorized: [
      "Plex rejected the token",
      "Sign in again as the server's owner, or enter a new token in the settings.",
    ],
    busy: ["Plex returned an error", "Try again. If it fails again, check the item in Plex."],
    not_in_plex: ["Not in Plex", "It syncs by itself when Plex shows the file or when you change the path rules."],
    ambiguous: [
      "Several items in Plex match",
      "Nothing was changed. Add a path rule, or remove the duplicate in Plex, then try again.",
    ],
    rejected: ["Plex rejected the edit", "Read the details, change the scene or the item, then try again."],
    joined: [
      "Shares an item with another scene",
      "Split the item in Plex, or merge the scenes in Stash. It then syncs by itself.",
    ],
    gone: ["No longer in Stash", "You can drop it."],
    unreadable: ["Stash cannot read the scene", "Rescan its file in Stash, then retry."],
    stash_unreachable: ["Stash did not answer", "You do not have to do anything: PlexSync keeps trying."],
    internal: ["A bug in PlexSync", "Please report it with the details below."],
  };
  // A later program may answer a class that this page has not heard of.
  PlexSync.className = (c) => (CLASSES[c] || [c, ""])[0];
  PlexSync.whatToDo = (c) => (CLASSES[c] || [c, ""])[1];

  // What an error text says that its class does not: that Plex answered, and what.
  /** @type {[RegExp, string][]} */
  const CAUSES = [
    [/connection refused/i, "Plex refused the connection"],
    [/no such host|lookup .*: /i, "The address of Plex was not found"],
    [/certificate|x509|tls:/i, "The certificate of Plex could not be verified"],
    [/timeout|deadline exceeded|timed out/i, "Plex did not answer in time"],
    [/connection reset|cut the connection|EOF/, "Plex closed the connection"],
  ];
  PlexSync.happened = (c, text) => {
    if (c !== "unreachable" && c !== "busy") return PlexSync.className(c);
    const answered = /answered (\d{3})/.exec(text || "");
    if (answered) return "Plex answered with error " + answered[1];
    const cause = CAUSES.find(([pattern]) => pattern.test(text || ""));
    return cause ? cause[1] : PlexSync.className(c);
  };

  // Fields as the form calls them, by the names that Plex gives them.
  /** @type {Record<string, string>} */
  const FIELDS = {
    title: "Title",
    summary: "Summary",
    originallyAvailableAt: "Date",
    date: "Date",
    studio: "Studio",
    director: "Director",
    actor: "Performers",
    role: "Performers",
    performers: "Performers",
    genre: "Tags as genres",
    tags: "Tags as genres",
    collection: "Collections",
    collections: "Collections",
    poster: "Poster",
    rating: "Rating",
    userRating: "Rating",
    background: "Background",
    originalTitle: "Original title",
    tagline: "Studio code as tagline",
    titleSort: "Sort title",
    sortTitle: "Sort title",
    photos: "Photos of performers",
    contentRating: "Content rating",
    label: "Labels",
    labels: "Labels",
    locks: "Locks",
  };
  PlexSync.fieldName = (field) => FIELDS[field] || field;
  PlexSync.listFields = ["genre", "actor", "role", "director", "collection", "label"];

  // Settings by their names, as plexsync.yml calls them; a test compares the two.
  /** @type {Record<string, string>} */
  const SETTINGS = {
    plexUrl: "Plex address",
    plexToken: "Plex token",
    pathRules: "Path rules",
    plexLibraries: "Plex libraries",
    fields: "Fields",
    collections: "Collections",
    contentRating: "Content rating",
    labels: "Labels",
    genreTags: "Genre tags",
    labelTags: "Label tags",
    titleTemplate: "Title template",
    posterShape: "Poster shape",
    paused: "Paused",
    onlyOrganized: "Only organized scenes",
    onlyStashIds: "Only scenes with a stash-box ID",
    onlyTags: "Only these tags",
    excludeTags: "Exclude tags",
    onlyPaths: "Only these paths",
    excludePaths: "Exclude paths",
    keepPlexEdits: "Keep edits made in Plex",
    mirrorLists: "Mirror lists",
    leaveUnlocked: "Leave fields unlocked",
    plexIsSubset: "Plex has only some of the scenes",
    scanPlex: "Scan folders in Plex",
    insecureTLS: "Do not verify the Plex certificate",
    maxRetries: "Retries",
    dlqRetentionDays: "Keep failed items (days)",
    compareEveryHours: "Compare every (hours)",
    hidePaths: "Hide paths in logs",
    verbose: "Verbose log",
  };
  PlexSync.settingName = (name) => SETTINGS[name] || name;

  // Without the build, which nobody looks for.
  PlexSync.shortVersion = (v) => (/^\d+(\.\d+){0,2}/.exec(v || "") || [v || ""])[0];

  PlexSync.count = (n) => Number(n || 0).toLocaleString();
  PlexSync.things = (n, one, many) => PlexSync.count(n) + " " + (n === 1 ? one : many);
  PlexSync.percent = (share) =>
    share === null || share === undefined
      ? "–"
      : share.toLocaleString(undefined, {
          style: "percent",
          maximumFractionDigits: share > 0.999 && share < 1 ? 2 : 1,
        });

  PlexSync.exactly = (t) =>
    t ? new Date(t).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) : "";

  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  PlexSync.ago = (t) => {
    const seconds = (new Date(t).getTime() - Date.now()) / 1000;
    const size = Math.abs(seconds);
    if (size < 10) return seconds > 0 ? "in a few seconds" : "just now";
    if (size < 60) return relative.format(Math.round(seconds), "second");
    if (size < 3600) return relative.format(Math.round(seconds / 60), "minute");
    if (size < 86400) return relative.format(Math.round(seconds / 3600), "hour");
    if (size < 14 * 86400) return relative.format(Math.round(seconds / 86400), "day");
    return new Date(t).toLocaleDateString(undefined, { dateStyle: "medium" });
  };

  PlexSync.lasting = (seconds) => {
    if (seconds === null || seconds === undefined) return "–";
    // The two largest units that it has.
    /** @type {[string, number][]} */
    const units = [
      ["d", 86400],
      ["h", 3600],
      ["min", 60],
    ];
    const i = units.findIndex(([, length]) => seconds >= length);
    const large = units[i];
    if (!large) return Math.max(seconds > 0 ? 1 : 0, Math.floor(seconds)) + " s";
    const whole = Math.floor(seconds / large[1]);
    const next = units[i + 1] || ["s", 1];
    const rest = Math.floor((seconds - whole * large[1]) / next[1]);
    return whole + " " + large[0] + (rest ? " " + rest + " " + next[0] : "");
  };

  PlexSync.between = (from, to) => PlexSync.lasting((new Date(to).getTime() - new Date(from).getTime()) / 1000);

  PlexSync.subject = (row) => {
    const id = row.subject_id === undefined ? row.id : row.subject_id;
    if (row.kind === "library") return "whole library";
    return row.kind + " " + id;
  };

  // A run in a sentence.
  PlexSync.runText = (r) => {
    const parts = [
      r.done ? PlexSync.count(r.done) + " updated" : "",
      r.unchanged ? PlexSync.count(r.unchanged) + " already up to date" : "",
      r.retry ? PlexSync.count(r.retry) + " to try again" : "",
      r.waiting ? PlexSync.count(r.waiting) + " waiting for Plex" : "",
      r.dead ? PlexSync.count(r.dead) + " failed" : "",
      r.gone ? PlexSync.count(r.gone) + " no longer in Stash" : "",
    ].filter(Boolean);
    return parts.join(", ") || "nothing to do";
  };

  PlexSync.startedBy = (r) =>
    ({ edit: "after an edit", person: "started by you", schedule: "on schedule", "": "" })[r.cause] || "";

  PlexSync.excludedCount = (c) => Object.values(c.excluded).reduce((n, x) => n + (x || 0), 0);
})();
