// @ts-check
// Numbers, times and failure classes in words.

(function () {
  "use strict";
  const PlexSync = window.PlexSync;
  if (!PlexSync) return;

  // What each class is called, and what to do about it.
  /** @type {Record<FailureClass, [string, string]>} */
  const CLASSES = {
    unreachable: ["Plex could not be reached", "Nothing to do: it is tried until Plex answers."],
    unauthorized: ["Plex refused the token", "Set the token of the server's owner in the settings."],
    busy: ["Plex answered badly", "Retry; if it fails again, look at the item in Plex."],
    not_in_plex: ["Not in Plex", "Comes back by itself when Plex shows the file, or when the path rules change."],
    ambiguous: ["Several items fit equally", "Add a path rule, or remove the double in Plex."],
    rejected: ["Plex refused the edit", "Look at the error; edit the scene or the item, then retry."],
    joined: [
      "Plex shows it as a version of another scene",
      "Split the item in Plex, or merge the scenes in Stash. It comes back by itself.",
    ],
    gone: ["No longer in Stash", "Drop it."],
    stash_unreachable: ["Stash could not be asked", "Nothing to do: it is tried again."],
    internal: ["A fault of PlexSync", "Please report it with the log."],
  };
  // A later program may answer a class that this page has not heard of.
  PlexSync.className = (c) => (CLASSES[c] || [c, ""])[0];
  PlexSync.whatToDo = (c) => (CLASSES[c] || [c, ""])[1];

  PlexSync.time = (t) => (t ? new Date(t).toLocaleString() : "");
  PlexSync.count = (n) => Number(n || 0).toLocaleString();
  PlexSync.things = (n, one, many) => PlexSync.count(n) + " " + (n === 1 ? one : many);

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
    if (!large) return Math.max(0, Math.floor(seconds)) + " s";
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
})();
