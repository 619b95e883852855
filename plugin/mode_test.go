package main

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
)

// TestAFailedTaskSaysWhetherYouHaveToDoSomething, and a page that asks logs nothing.
func TestAFailedTaskSaysWhetherYouHaveToDoSomething(t *testing.T) {
	t.Parallel()
	const later, attention = "Queued edits are kept and will be tried again automatically", "Trying again will not help: this needs your attention"
	w := newWorld(t, nil)
	scene, item := w.film("a.mp4", simstash.Scene{})
	w.edit(scene, map[string]any{"title": "A"})
	w.settle()
	w.stash.Script(simstash.Fault{Path: "/graphql", GraphQLError: "database is locked", Count: 1})
	if err := w.operation(map[string]any{"mode": "overview", "v": 1}, nil); err == nil {
		t.Error("the page was answered")
	}
	w.stash.ClearScript()
	w.plex.Set(func(o *simplex.Options) { o.Down = true })
	if err := w.operation(map[string]any{"mode": "preview_list", "v": 1}, nil); err == nil {
		t.Error("the page was answered")
	}
	if w.logged(simstash.LevelInfo, later) {
		t.Error("what the page asked for is in the log")
	}
	w.task("Preview changes")
	w.wantLog(simstash.LevelInfo, later)
	w.plex.Set(func(o *simplex.Options) { o.Down = false })
	if w.logged(simstash.LevelWarning, attention) {
		t.Error("an outage needs attention")
	}
	w.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + item, Status: 400, Count: 1})
	w.task("Unlock fields")
	w.wantLog(simstash.LevelWarning, attention)
}

// TestADamagedFileIsLoggedThoughAPageAsks: a page logs nothing, but that a file was set aside
// must not go unseen.
func TestADamagedFileIsLoggedThoughAPageAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.films(30)
	w.task("Sync all scenes")
	w.within(time.Minute, "no waker is left", func() bool { return len(wakers(t, w.dir)) == 0 })
	path := filepath.Join(dataDir(w.dir), store.FileName)
	db, err := sql.Open("sqlite3", "file:"+path)
	must(t, err)
	var root, size int64 // of the table of runs, which is not read before the page is answered
	must(t, db.QueryRow(`SELECT rootpage FROM sqlite_master WHERE name = 'run'`).Scan(&root))
	must(t, db.QueryRow(`PRAGMA page_size`).Scan(&size))
	_, err = db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
	must(t, err)
	must(t, db.Close())
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(bytes.Repeat([]byte{7}, int(size)), (root-1)*size)
	must(t, err)
	must(t, f.Close())
	logged := len(w.stash.Logs(0))
	var o Overview
	must(t, w.operation(map[string]any{"mode": "overview", "v": 1}, &struct{ Data *Overview }{&o}))
	if o.Queued == 0 {
		t.Errorf("nothing is queued in the new database: %+v", o)
	}
	lines := 0
	for _, l := range w.stash.Logs(0)[logged:] {
		if l.Level == simstash.LevelError && strings.Contains(l.Text, "was kept as "+path) {
			lines++
		}
	}
	if lines != 1 {
		t.Errorf("%d lines say so:\n%s", lines, w.log())
	}
}
