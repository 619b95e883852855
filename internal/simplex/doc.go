// Package simplex simulates Plex Media Server for tests, the demo and the
// benchmarks. It is never part of the shipped binary and imports nothing else
// of this module: a simulator that shares the client's types shares its bugs.
//
// A [Server] is an [http.Handler] over a library in memory. A Go API builds the
// library, plays the people and agents that change it behind the client's back,
// and tells the full truth about what the client did: the state of each item,
// the history of each field, the requests, and what no good client does
// ([Server.Violations]).
//
// # What it simulates
//
// What PlexSync asks Plex: who it is, its libraries of movies, their listings in
// pages with filters, items in full, edits of fields, tags and locks, ratings,
// pictures, and scans of a folder; and what comes between: agents that refresh an
// item, people who edit it, files that come and go, and a network that fails
// ([Server.Script]). It has no shows, music, playback, accounts or search: a request
// for those fails and is a violation.
//
// # What it rests on
//
// The behavior follows public accounts: Plex's published API description, the
// code and tests of python-plexapi, Kometa and @ctrl/plex, and reports in their
// issues. Where these disagree, or are silent, there is an option, so that a
// client can be shown to end in the same state under every reading
// ([Options.ListsReplace], [Options.OneRemovalPerPUT], [Options.TagEditsTouch],
// [Options.NoPictureLock], …). Decisions of our own, where no account was found:
//
//   - An upload that is not an image is refused with 400.
//   - A picture to select that the item does not have is 404.
//   - An empty value for a number (userRating, rating, audienceRating, addedAt)
//     is 500, like other bad data: a user rating is cleared with /:/rate.
//   - In one edit, lists are cleared first, then names removed, then added.
//   - Locks and user ratings do not move updatedAt; writing a scalar does, also
//     when the value is the same.
//   - Filters "after" and "before" are strict, to the second.
//   - Several items asked for at once come in the order of their keys, whatever
//     order was asked for.
//   - A write which the server has begun is carried out, even if the client has
//     given up waiting.
//
// # Three ways to use it
//
// As an http.Handler; over a real socket with [Server.Start]; in process with
// [Server.Transport], which suits testing/synctest when the Server is made
// inside the bubble.
package simplex
