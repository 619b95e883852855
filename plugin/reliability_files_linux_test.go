package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
)

// TestALockThatIsALinkIsRefusedWithASentence: nothing is locked or overwritten through
// it, edits go on being queued, and with the link gone they arrive.
func TestALockThatIsALinkIsRefusedWithASentence(t *testing.T) {
	slow(t, "drives processes into faults")
	t.Parallel()
	w := newWorld(t, nil)
	victim := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(victim, []byte("precious"), 0o600))
	must(t, os.MkdirAll(dataDir(w.dir), 0o700))
	for _, name := range []string{store.DrainLock, store.WakerLock} {
		must(t, os.Symlink(victim, filepath.Join(dataDir(w.dir), name)))
	}
	must(t, os.Symlink(victim, filepath.Join(dataDir(w.dir), "open.lock")))
	scene, item := w.film("a.mp4", simstash.Scene{})
	w.edit(scene, map[string]any{"title": "A"}) // no database can be made
	w.settle()
	w.wantLog(simstash.LevelError, filepath.Join(dataDir(w.dir), "open.lock")+": it is not a regular file")
	must(t, os.Remove(filepath.Join(dataDir(w.dir), "open.lock")))
	w.task("Process queue")
	w.wantLog(simstash.LevelError, filepath.Join(dataDir(w.dir), store.DrainLock)+": it is not a regular file")
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the victim holds %q, %v", data, err)
	}
	must(t, os.Remove(filepath.Join(dataDir(w.dir), store.DrainLock)))
	must(t, os.Remove(filepath.Join(dataDir(w.dir), store.WakerLock)))
	w.task("Process queue")
	w.within(time.Minute, "the edit is in Plex", func() bool { return w.item(item).Scalars["title"] == "A" })
}

// TestACommandOfRootsLeavesNothingOfRoots: somebody looks and processes with docker exec,
// while Stash runs as another user.
func TestACommandOfRootsLeavesNothingOfRoots(t *testing.T) {
	slow(t, "drives processes into faults")
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may give files away; CI is root in its container")
	}
	const stashUser = 54321
	w := newWorldWith(t, simstash.Options{Username: "anna", Password: "SECRET-password", APIKey: apiKey}, nil)
	scene, item := w.film("a.mp4", simstash.Scene{})
	must(t, os.MkdirAll(dataDir(w.dir), 0o700))
	must(t, os.Lchown(dataDir(w.dir), stashUser, stashUser))
	w.edit(scene, map[string]any{"title": "A"})
	w.settle()
	for _, args := range []string{"status", "process"} {
		if _, stderr, code := w.shell(args); code != 0 {
			t.Errorf("%s: code %d, %s", args, code, stderr)
		}
	}
	w.shows(item, map[string]string{"title": "A"})
	w.alone()
	entries, err := os.ReadDir(dataDir(w.dir))
	must(t, err)
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		if of := ownerOf(info); of != stashUser {
			t.Errorf("%s belongs to %d", e.Name(), of)
		}
		names = append(names, e.Name())
	}
	for _, want := range []string{store.FileName, store.DrainLock, store.WakerLock, store.SpoolDir} {
		if !strings.Contains(strings.Join(names, " "), want) {
			t.Errorf("there is no %s in %v", want, names)
		}
	}
}
