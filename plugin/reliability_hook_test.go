package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
)

// longestHook is the longest that a person may wait for one edit; a process under the
// race detector takes a while to begin.
const longestHook = 5 * time.Second

// quick fails unless an edit ends in time.
func (w *world) quick(edit func()) (took time.Duration) {
	w.Helper()
	began := time.Now()
	edit()
	if took = time.Since(began); took > longestHook {
		w.Errorf("a hook took %v\n%s", took, w.log())
	}
	return took
}

// hold is another program that holds the write lock of the plugin's database, or, in
// exclusive mode, lets nobody read it either.
func (w *world) hold(mode string) (release func()) {
	w.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dataDir(w.dir), store.FileName)+"?_txlock=immediate&_busy_timeout=20000&_locking_mode="+mode)
	must(w, err)
	tx, err := db.BeginTx(context.Background(), nil)
	must(w, err)
	_, err = tx.Exec(`UPDATE meta SET value = value`)
	must(w, err)
	return func() {
		must(w, tx.Rollback())
		must(w, db.Close())
	}
}

// spoolFiles are the names in the spool.
func (w *world) spoolFiles() (names []string) {
	w.Helper()
	entries, err := os.ReadDir(filepath.Join(dataDir(w.dir), store.SpoolDir))
	if err != nil && !os.IsNotExist(err) {
		w.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestALockedDatabaseDelaysNobodyAndLosesNothing: a DB browser holds a write lock while
// Plex is out and scenes are edited. When the lock ends and Plex is back, everything
// arrives, and nobody clicks.
func TestALockedDatabaseDelaysNobodyAndLosesNothing(t *testing.T) {
	slow(t, "drives processes into faults")
	for _, mode := range []string{"NORMAL", "EXCLUSIVE"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			lockedDatabase(t, mode)
		})
	}
}

func lockedDatabase(t *testing.T, mode string) {
	w := newWorld(t, nil)
	first, item := w.film("first.mp4", simstash.Scene{})
	w.edit(first, map[string]any{"title": "Before"})
	w.settle()
	w.shows(item, map[string]string{"title": "Before"})
	w.within(time.Minute, "the waker has ended", func() bool { return len(wakers(t, w.dir)) == 0 })

	release := w.hold(mode)
	w.plex.Set(func(o *simplex.Options) { o.Down = true })
	var items []string
	began := time.Now()
	for i := range 8 {
		scene, item := w.film(fmt.Sprintf("%d.mp4", i), simstash.Scene{})
		items = append(items, item)
		took := w.quick(func() { w.edit(scene, map[string]any{"title": fmt.Sprintf("Film %d", i)}) })
		if i > 0 && took > 2*time.Second {
			t.Errorf("edit %d waited %v for a database that was known to be busy", i, took)
		}
	}
	if n := len(w.spoolFiles()); n != 8 {
		t.Errorf("%d events are in the spool: %v", n, w.spoolFiles())
	}
	if told := strings.Count(w.log(), "error: The database cannot be used"); told != 1 {
		t.Errorf("it was told %d times:\n%s", told, w.log())
	}
	time.Sleep(time.Until(began.Add(15 * time.Second)))
	release()
	w.plex.Set(func(o *simplex.Options) { o.Down = false })
	w.within(2*time.Minute, "everything is in Plex", w.titles(items, "Film %d"))
	w.within(time.Minute, "the queue and the spool are empty", func() bool { return w.queued() == 0 && len(w.spoolFiles()) == 0 })
}

// TestADrainTakesTheSpoolIn: what a hook of before left there is synced by the first task
// that anybody runs, without a waker.
func TestADrainTakesTheSpoolIn(t *testing.T) {
	slow(t, "drives processes into faults")
	t.Parallel()
	w := newWorld(t, map[string]any{"paused": true})
	scene, item := w.film("a.mp4", simstash.Scene{})
	w.edit(scene, map[string]any{"title": "A"})
	w.settle()
	killWakers(t, w.dir)
	w.task("Clear queue")
	must(t, os.WriteFile(filepath.Join(dataDir(w.dir), store.SpoolDir, "not-ours.txt"), []byte("x"), 0o600))
	if _, err := store.Spool(dataDir(w.dir), job.Scene(scene)); err != nil {
		t.Fatal(err)
	}
	w.set(map[string]any{"paused": nil})
	w.task("Process queue")
	w.shows(item, map[string]string{"title": "A"})
	w.wantLog(simstash.LevelInfo, "Edits saved while the database could not be used, now queued: 1")
	w.wantLog(simstash.LevelError, "Moved unknown files from ")
	if left := w.spoolFiles(); len(left) != 0 {
		t.Errorf("left in the spool: %v", left)
	}
}
