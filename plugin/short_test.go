package main

import "testing"

// slow leaves a test out of the quick loop, go test -short. What is left out waits for
// minutes of real processes, or needs a browser, npm, compilers or a built package; why
// says which. CONTRIBUTING.md lists it. Each kind of thing (a hook, a task, an operation,
// a shell command, a kill) keeps a process-level test that is quick, and the rules behind
// them are tested without processes in the packages.
func slow(t *testing.T, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short leaves it out: " + why)
	}
}
