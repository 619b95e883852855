package store

import "testing"

// slow leaves a test out of a run with -short.
func slow(t *testing.T, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short leaves it out: " + why)
	}
}
