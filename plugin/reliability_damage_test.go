package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
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

// database is the path of the plugin's database.
func (w *world) database() string { return filepath.Join(dataDir(w.dir), store.FileName) }

// exec changes the plugin's database as another program does.
func (w *world) exec(statements string) {
	w.Helper()
	db, err := sql.Open("sqlite3", "file:"+w.database()+"?_busy_timeout=20000")
	must(w, err)
	defer db.Close()
	_, err = db.Exec(statements)
	must(w, err)
}

// alone ends the waker and waits until no process of the plugin is left, so that nothing
// but the next one meets what is done to the files.
func (w *world) alone() {
	w.Helper()
	w.settle()
	killWakers(w, w.dir)
	w.until("no process of the plugin runs", func() bool { return len(w.plugins()) == 0 })
}

// trash overwrites each page of the database that holds one of the words.
func (w *world) trash(words ...string) {
	w.Helper()
	w.exec("PRAGMA wal_checkpoint(TRUNCATE)")
	data, err := os.ReadFile(w.database())
	must(w, err)
	n := 0
	for page := 1; page < len(data)/4096; page++ {
		p := data[page*4096 : (page+1)*4096]
		for _, word := range words {
			if bytes.Contains(p, []byte(word)) {
				for i := range p {
					p[i] = byte(i * 7)
				}
				n++
				break
			}
		}
	}
	if n == 0 {
		w.Fatalf("no page holds any of %q", words)
	}
	must(w, os.WriteFile(w.database(), data, 0o600))
	for _, side := range []string{"-wal", "-shm"} {
		if err := os.Remove(w.database() + side); err != nil && !os.IsNotExist(err) {
			w.Fatal(err)
		}
	}
}

// kept are the databases that were set aside.
func (w *world) kept() (names []string) {
	w.Helper()
	all, err := filepath.Glob(w.database() + ".damaged-*")
	must(w, err)
	for _, name := range all {
		if !strings.HasSuffix(name, "-wal") && !strings.HasSuffix(name, "-shm") {
			names = append(names, name)
		}
	}
	return names
}

// TestAPersonsEditsOutliveADamagedDatabase: what was written is known from the file
// itself, or from the copy that a comparison keeps, so that a person's edits stay and what
// Stash drops later goes.
func TestAPersonsEditsOutliveADamagedDatabase(t *testing.T) {
	slow(t, "drives processes into faults")
	for name, damage := range map[string]func(w *world){
		"in the file, the states can be read": func(w *world) { w.trash("plexsync-") }, // the client's id
		"only the copy knows them":            func(w *world) { w.trash(`"summary"`) },
		"the file was emptied":                func(w *world) { must(w, os.Truncate(w.database(), 0)) },
		"the file was deleted":                func(w *world) { must(w, os.Remove(w.database())) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]any{"keepPlexEdits": true})
			night, sea, fog := w.stash.AddTag(simstash.Tag{Name: "Night"}), w.stash.AddTag(simstash.Tag{Name: "Sea"}), w.stash.AddTag(simstash.Tag{Name: "Fog"})
			scene, item := w.film("a.mp4", simstash.Scene{})
			w.edit(scene, map[string]any{"title": "A", "details": "Ours", "tag_ids": []int64{night, sea, fog}})
			w.settle()
			w.shows(item, map[string]string{"title": "A", "summary": "Ours", "genre": "Fog, Night, Sea"})
			must(t, w.db().KeepCopy(context.Background()))
			w.plex.EditByPerson(item, simplex.Values{Scalars: map[string]string{"summary": "Hers"}, Tags: map[string][]simplex.Tag{"genre": {{Name: "Night"}, {Name: "Fog"}}}})
			w.alone()
			damage(w)
			w.task("Sync all scenes")
			w.within(time.Minute, "the library was looked at", func() bool { return w.queued() == 0 })
			w.shows(item, map[string]string{"title": "A", "summary": "Hers", "genre": "Fog, Night"})
			w.edit(scene, map[string]any{"title": "B", "tag_ids": []int64{night, sea}})
			w.settle()
			w.shows(item, map[string]string{"title": "B", "summary": "Hers", "genre": "Night"})
			if told := strings.Count(w.log(), "error: The database "); told != 1 {
				t.Errorf("it was told %d times:\n%s", told, w.log())
			}
		})
	}
}

// TestWhatWasQueuedOutlivesALostDatabase: three edits wait while Plex is out, and somebody
// deletes the file. Nobody clicks, and no event comes.
func TestWhatWasQueuedOutlivesALostDatabase(t *testing.T) {
	slow(t, "drives processes into faults")
	t.Parallel()
	w := newWorld(t, nil)
	w.plex.Set(func(o *simplex.Options) { o.Down = true })
	var items []string
	for i := range 3 {
		scene, item := w.film(fmt.Sprintf("%d.mp4", i), simstash.Scene{})
		items = append(items, item)
		w.edit(scene, map[string]any{"title": fmt.Sprintf("Film %d", i)})
	}
	w.settle()
	w.until("a waker lives", func() bool { return len(wakers(t, w.dir)) == 1 })
	must(t, os.Remove(w.database()))
	w.plex.Set(func(o *simplex.Options) { o.Down = false })
	w.within(3*time.Minute, "everything is in Plex", w.titles(items, "Film %d"))
	w.wantLog(simstash.LevelError, "was missing or empty, although PlexSync has been used in this folder before")
}

// TestOneOddValueCostsItsRowOnly, also where the page meets it, which else logs nothing.
func TestOneOddValueCostsItsRowOnly(t *testing.T) {
	slow(t, "drives processes into faults")
	t.Parallel()
	for name, c := range map[string]struct {
		change string
		ask    map[string]any
		says   string
	}{
		"a letter's time":  {`UPDATE dead_letter SET died_at = 9223372036854775807 WHERE subject_id = 1`, map[string]any{"v": 1, "mode": "dlq_list"}, "1 dead letter"},
		"a letter's class": {`UPDATE dead_letter SET class = 'No class!' WHERE subject_id = 1`, map[string]any{"v": 1, "mode": "overview"}, "1 dead letter"},
		"a letter's bytes": {`UPDATE dead_letter SET attempts = x'01' WHERE subject_id = 1`, map[string]any{"v": 1, "mode": "dlq_list"}, "1 dead letter"},
		"a huge letter":    {`UPDATE dead_letter SET error = CAST(zeroblob(200000000) AS TEXT) WHERE subject_id = 1`, map[string]any{"v": 1, "mode": "dlq_list"}, "1 dead letter"},
		"a run's time":     {`UPDATE run SET started_at = 'once upon a time'`, map[string]any{"v": 1, "mode": "overview"}, "past run"},
		"a job's kind":     {`INSERT INTO job (kind, subject_id, priority, due_at, first_event_at, last_event_at) VALUES ('gallery', 5, 0, 1, 1, 1)`, map[string]any{"v": 1, "mode": "queue_list"}, "1 queued job"},
		"an item's base":   {`UPDATE pushed SET base = 'not JSON'`, map[string]any{"mode": "sync_all"}, "1 remembered item"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			scene, item := w.film("a.mp4", simstash.Scene{})
			w.edit(scene, map[string]any{"title": "A"})
			w.settle()
			w.set(map[string]any{"paused": true})
			w.alone()
			for i := range 3 {
				w.exec(fmt.Sprintf(`INSERT INTO dead_letter (kind, subject_id, class, error, attempts, first_event_at, last_event_at, died_at) VALUES ('scene', %d, 'rejected', 'x', 1, 1, 1, 1)`, i+1))
			}
			w.exec(c.change)
			if c.ask["v"] == nil { // a task
				w.set(map[string]any{"paused": nil})
			}
			var out json.RawMessage
			must(t, w.operation(c.ask, &out))
			if kept := w.kept(); len(kept) != 0 {
				t.Errorf("the file was set aside: %v", kept)
			}
			letters, err := w.db().Letters(context.Background(), job.Which{}, 10, 0)
			// A sync of all scenes works them.
			if want := 3 - strings.Count(c.says, "letter"); err != nil || len(letters) != want && c.ask["v"] != nil {
				t.Errorf("%d letters are left, want %d, %v", len(letters), want, err)
			}
			told := strings.Count(w.log(), "error: The database held invalid values")
			if told != 1 || !strings.Contains(w.log(), c.says) {
				t.Errorf("told %d times:\n%s", told, w.log())
			}
			w.set(map[string]any{"paused": nil})
			w.edit(scene, map[string]any{"title": "B"})
			w.settle()
			w.shows(item, map[string]string{"title": "B"})
		})
	}
}

// TestASchemaThatGetsNewerUnderADrainEndsIt, and costs nothing: the newer program goes on
// with the file.
func TestASchemaThatGetsNewerUnderADrainEndsIt(t *testing.T) {
	slow(t, "drives processes into faults")
	t.Parallel()
	w, _, _ := halfSynced(t)
	killWakers(t, w.dir)
	w.exec(`ALTER TABLE job RENAME COLUMN due_at TO due; PRAGMA user_version = 99`)
	w.settle()
	w.wantLog(simstash.LevelError, "it was written by a newer PlexSync (schema 99")
	if kept := w.kept(); len(kept) != 0 {
		t.Errorf("the file was set aside: %v", kept)
	}
	db, err := sql.Open("sqlite3", "file:"+w.database())
	must(t, err)
	defer db.Close()
	var n int
	if err := db.QueryRow(`SELECT count(*) FROM pushed`).Scan(&n); err != nil || n == 0 {
		t.Errorf("%d states are left, %v", n, err)
	}
}
