// Package simstash simulates a Stash server for tests, the demo and the
// benchmarks. It is never part of the shipped binary and shares no type with
// the code that it tests: a simulator that shares the client's types shares
// its bugs.
//
// What it knows was observed on a running Stash server (source of January
// 2026, after v0.30, database schema 75); what was only read in its source is
// marked so. It is strict where Stash is strict, and hostile where Stash makes
// no promise: a listing without a sort comes in another order each time, the
// performers of a scene change their order from read to read, and inputFields
// are shuffled. What it does not simulate fails loudly ("simstash: field X.y
// is not simulated"), never with a silent null.
//
// A test builds a library with AddScene and its kin, reaches it through
// [Server.Start] (a listener, plugin processes are launched for hooks, tasks
// and operations) or [Server.Transport] (in process, for testing/synctest;
// [Options.OnHook] stands for the plugin), drives events by GraphQL or by the
// Go conveniences ([Server.EditScene], [Server.Scan]) and reads the outcome
// ([Server.HookEvents], [Server.PluginRuns], [Server.Jobs], [Server.Logs]).
package simstash
