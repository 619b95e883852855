// Package simstash simulates a Stash server for tests, the demo and the
// benchmarks. It is never part of the shipped binary and shares no type with
// the code that it tests: a simulator that shares the client's types shares
// its bugs.
//
// # What it simulates
//
// What PlexSync asks Stash, and what fires its hooks:
//
//   - Scenes with their files, covers and stash ids, and the performers, studios,
//     tags and groups that they show: queries with Stash's filters, sorts and
//     pages, and the pictures over HTTP with ETags.
//   - Everything that changes those, whether or not it fires a hook: edits one by
//     one and in bulk, merges, destroys, files that are moved, assigned, deleted or
//     changed on disk, scan, clean, generate, auto-tag and identify.
//   - Plugins: manifests, settings, hooks, tasks, operations and packages, run as
//     processes with the input, the log protocol and the limits that Stash has.
//   - Its job queue, sessions, logins and API keys, and the log.
//
// It has no markers, galleries, images, play and O histories, scrapers or
// subscriptions: PlexSync neither asks for them nor listens to their hooks. What
// it does not simulate fails loudly ("simstash: field X.y is not simulated"), never
// with a silent null.
//
// # What it rests on
//
// What it knows was observed on a running Stash server (source of January
// 2026, after v0.30, database schema 75); what was only read in its source is
// marked so. Its tests compare it with what was recorded there (testdata). It is
// strict where Stash is strict, and hostile where Stash makes no promise: a listing
// without a sort comes in another order each time, the performers of a scene change
// their order from read to read, and inputFields are shuffled.
//
// # How to use it
//
// A test builds a library with AddScene and its kin, reaches it through
// [Server.Start] (a listener, plugin processes are launched for hooks, tasks
// and operations) or [Server.Transport] (in process, for testing/synctest;
// [Options.OnHook] stands for the plugin), drives events by GraphQL or by the
// Go conveniences ([Server.EditScene], [Server.Scan]), breaks requests with
// [Server.Script], and reads the outcome ([Server.HookEvents], [Server.PluginRuns],
// [Server.Jobs], [Server.Logs]).
package simstash
