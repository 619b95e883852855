package main

import (
	"context"
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

// within waits for a condition; what nobody clicks for takes up to a minute or two.
func (w *world) within(limit time.Duration, what string, done func() bool) {
	w.Helper()
	for deadline := time.Now().Add(limit); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("after %v still not: %s\n%s", limit, what, w.log())
		}
	}
}

// titles reports whether the items show these titles.
func (w *world) titles(items []string, format string) func() bool {
	return func() bool {
		for i, key := range items {
			if it, ok := w.plex.Item(key); !ok || it.Scalars["title"] != fmt.Sprintf(format, i) {
				return false
			}
		}
		return true
	}
}

// TestAnOutageEndsWithoutAClick is an outage of real minutes between real processes,
// of each kind: Plex goes while scenes are edited, is away for a while, and comes
// back; nobody does anything.
func TestAnOutageEndsWithoutAClick(t *testing.T) {
	slow(t, "outages of minutes between real processes")
	for name, begin := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			var items []string
			for i := range 12 {
				scene, item := w.film(fmt.Sprintf("%02d.mp4", i), simstash.Scene{})
				items = append(items, item)
				if i == 6 {
					begin(w.plex)
				}
				w.edit(scene, map[string]any{"title": fmt.Sprintf("Film %d", i)})
			}
			db := w.db()
			ctx := context.Background()
			w.within(6*time.Minute, "the outage is noticed", func() bool {
				b, err := db.Breaker(ctx, job.Plex)
				return err == nil && b.State == job.BreakerOpen
			})
			w.plex.ResetCounts()
			time.Sleep(50 * time.Second)
			if n := w.plex.Counts(); n.ProbeIdentity > 4 || n.Writes > 2 {
				t.Errorf("in 50 s of outage Plex got %d probes and %d writes", n.ProbeIdentity, n.Writes)
			}
			if n := len(wakers(t, w.dir)); n != 1 {
				t.Errorf("%d wakers live", n)
			}
			back(w.plex)
			w.within(2*time.Minute, "everything is in Plex", w.titles(items, "Film %d"))
			w.within(time.Minute, "the queue is empty", func() bool {
				c, err := db.Counts(ctx, time.Now())
				return err == nil && c.Queued == 0
			})
			w.within(time.Minute, "the waker has ended", func() bool { return len(wakers(t, w.dir)) == 0 })
			letters, err := db.Letters(ctx, job.Which{}, 10, 0)
			if err != nil || len(letters) != 0 {
				t.Errorf("letters %+v, %v", letters, err)
			}
			outages, err := db.Outages(ctx, 10)
			if err != nil || len(outages) != 1 || outages[0].Ended.IsZero() {
				t.Errorf("outages %+v, %v", outages, err)
			}
		})
	}
}

// TestEditsDoNotWaitForALongTask: somebody generates previews for hours.
func TestEditsDoNotWaitForALongTask(t *testing.T) {
	slow(t, "waits two minutes behind a task")
	t.Parallel()
	w := newWorld(t, nil)
	defer w.stash.BlockQueue("Generating...")()
	scene, item := w.film("a.mp4", simstash.Scene{})
	began := time.Now()
	w.edit(scene, map[string]any{"title": "A"})
	w.within(4*time.Minute, "the edit is in Plex", func() bool { return w.item(item).Scalars["title"] == "A" })
	if took := time.Since(began); took < 110*time.Second {
		t.Errorf("the drain overtook the task after %v", took)
	}
	if jobs := w.stash.Jobs(); len(jobs) != 2 {
		t.Errorf("Stash was asked for %d tasks", len(jobs)-1)
	}
}

// TestAWakerOutlivesALoginAndARestart: a Stash with a login, whose session ends soon
// unless it is kept alive, is restarted in the outage.
func TestAWakerOutlivesALoginAndARestart(t *testing.T) {
	slow(t, "an outage of minutes between real processes")
	t.Parallel()
	for name, o := range map[string]simstash.Options{
		"by the session": {Username: "anna", Password: "SECRET-password", MaxSessionAge: 75 * time.Second},
		"by the API key": {Username: "anna", Password: "SECRET-password", APIKey: apiKey, MaxSessionAge: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, o, nil)
			w.plex.Set(func(o *simplex.Options) { o.Down = true })
			var items []string
			for i := range 6 {
				scene, item := w.film(fmt.Sprintf("%d.mp4", i), simstash.Scene{})
				items = append(items, item)
				w.edit(scene, map[string]any{"title": fmt.Sprintf("Film %d", i)})
			}
			w.within(time.Minute, "the outage is noticed", func() bool {
				b, err := w.db().Breaker(context.Background(), job.Plex)
				return err == nil && b.State == job.BreakerOpen
			})
			time.Sleep(20 * time.Second)
			w.stash.Restart()
			time.Sleep(70 * time.Second) // longer than a session that nobody renews
			w.plex.Set(func(o *simplex.Options) { o.Down = false })
			w.within(2*time.Minute, "everything is in Plex", w.titles(items, "Film %d"))
		})
	}
}

// TestJobsAreWorkedWhenTheyAreDue: a poisonous item's pauses need no click either.
func TestJobsAreWorkedWhenTheyAreDue(t *testing.T) {
	slow(t, "waits for a waker to retry")
	t.Parallel()
	w := newWorld(t, map[string]any{"maxRetries": 2})
	scene, item := w.film("a.mp4", simstash.Scene{})
	w.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + item, Status: 500, Count: 6})
	w.edit(scene, map[string]any{"title": "A"})
	w.within(time.Minute, "it is in Plex", func() bool { return w.item(item).Scalars["title"] == "A" })
	w.within(time.Minute, "the waker has ended", func() bool { return len(wakers(t, w.dir)) == 0 })
}

// TestAWakerEndsWithThePlugin: who switches the plugin off or deletes its data is
// rid of it.
func TestAWakerEndsWithThePlugin(t *testing.T) {
	slow(t, "waits for wakers to end")
	t.Parallel()
	for name, end := range map[string]func(*world){
		"disabled": func(w *world) {
			w.mutate(`mutation { setPluginsEnabled(enabledMap: {plexsync: false}) }`, nil)
		},
		"deleted": func(w *world) { must(w, os.RemoveAll(dataDir(w.dir))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.plex.Set(func(o *simplex.Options) { o.Down = true })
			scene, _ := w.film("a.mp4", simstash.Scene{})
			w.edit(scene, map[string]any{"title": "A"})
			w.settle()
			w.within(time.Minute, "a waker lives", func() bool { return len(wakers(t, w.dir)) == 1 })
			end(w)
			w.within(90*time.Second, "the waker has ended", func() bool { return len(wakers(t, w.dir)) == 0 })
			if _, err := os.Stat(dataDir(w.dir)); name == "deleted" && err == nil {
				t.Error("the waker has made the data folder anew")
			}
		})
	}
}

// TestAnOrphanedDrainDoesNoHarm: Stash is killed under a drain, which goes on, and
// restarted; more is edited meanwhile.
func TestAnOrphanedDrainDoesNoHarm(t *testing.T) {
	slow(t, "waits for a drain that Stash has lost")
	t.Parallel()
	w := newWorld(t, nil)
	w.plex.Set(func(o *simplex.Options) { o.WriteTime = 100 * time.Millisecond })
	var scenes []int64
	var items []string
	for i := range 40 {
		scene, item := w.film(fmt.Sprintf("%02d.mp4", i), simstash.Scene{Title: "?", Cover: picture(i % 3)})
		scenes, items = append(scenes, scene), append(items, item)
	}
	w.stash.RunTask("plexsync", "Sync all scenes")
	w.until("the drain writes", func() bool { return w.plex.Counts().Writes > 3 })
	w.stash.Restart()
	for i, scene := range scenes {
		w.edit(scene, map[string]any{"title": fmt.Sprintf("Film %d", i)})
	}
	w.settle()
	w.within(2*time.Minute, "everything is in Plex", w.titles(items, "Film %d"))
	w.within(time.Minute, "the queue is empty", func() bool { return w.queued() == 0 })
	for i, item := range items {
		if it := w.item(item); len(it.Uploads) != 1 || it.PosterSHA1 != sha1Hex(picture(i%3)) {
			t.Errorf("item %s: uploads %v", item, it.Uploads)
		}
	}
}

// crashPoint is a moment between "Plex has it" and "the job is finished".
type crashPoint struct {
	name string
	// rule makes Plex hold the drain there; at says that it is there.
	rule simplex.Rule
	at   func(w *world, item string) bool
}

// TestADrainKilledBetweenPlexAndItsRecordLosesNothing kills the drain at chosen
// moments, lets a person go on in Plex, and looks whether our own values are still
// known as ours.
func TestADrainKilledBetweenPlexAndItsRecordLosesNothing(t *testing.T) {
	title := func(w *world, item string) bool { return w.item(item).Scalars["title"] == "New" }
	poster := func(w *world, item string) bool { return w.item(item).PosterSHA1 == sha1Hex(picture(1)) }
	for _, c := range []crashPoint{
		{"before Plex has the fields", simplex.Rule{Method: "PUT", Hang: true}, func(w *world, _ string) bool { return w.plex.ScriptLeft() == 0 }},
		{"Plex has the fields and has not answered", simplex.Rule{Method: "PUT", HangAfter: true}, title},
		{"Plex has answered for the fields", simplex.Rule{Path: "/posters$", Hang: true}, title},
		{"Plex has the poster and has not answered", simplex.Rule{Method: "POST", Path: "/posters$", HangAfter: true}, poster},
		{"Plex has answered for the poster", simplex.Rule{Method: "GET", Path: `^/library/metadata/\d+$`, Nth: 2, Hang: true}, poster},
		{"the outcome is not stored", simplex.Rule{Method: "PUT", Query: "the other", Hang: true}, poster},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]any{"paused": true})
			night, sea := w.stash.AddTag(simstash.Tag{Name: "Night"}), w.stash.AddTag(simstash.Tag{Name: "Sea"})
			scene, item := w.film("a.mp4", simstash.Scene{Cover: picture(1)})
			w.edit(scene, map[string]any{"title": "New", "tag_ids": []int64{night, sea}})
			if c.rule.Query != "" { // held there, the drain has not come to its end
				other, key := w.film("b.mp4", simstash.Scene{})
				w.edit(other, map[string]any{"title": "Other"})
				c.rule.Query = "id=" + key
			}
			w.settle()
			w.plex.Script(c.rule)
			w.set(map[string]any{"paused": nil})
			id := w.stash.RunTask("plexsync", "Process queue")
			w.until("the drain is there", func() bool { return c.at(w, item) })
			w.stash.StopJob(id)
			w.settle()
			w.plex.ClearScript()
			w.plex.EditByPerson(item, simplex.Values{Tags: map[string][]simplex.Tag{"genre": append(w.item(item).Tags["genre"], simplex.Tag{Name: "By hand"})}})
			w.task("Process queue")
			w.shows(item, map[string]string{"title": "New", "genre": "By hand, Night, Sea"})
			w.edit(scene, map[string]any{"title": "Newer", "tag_ids": []int64{sea}})
			w.settle()
			w.shows(item, map[string]string{"title": "Newer", "genre": "By hand, Sea"})
			if it := w.item(item); len(it.Uploads) != 1 || !poster(w, item) {
				t.Errorf("uploads %v", it.Uploads)
			}
			w.within(time.Minute, "the queue is empty", func() bool { return w.queued() == 0 })
			if err := w.db().Check(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTwoHundredHooksWhileADrainIsKilled: every event ends in Plex.
func TestTwoHundredHooksWhileADrainIsKilled(t *testing.T) {
	slow(t, "200 hooks and kills")
	t.Parallel()
	w := newWorld(t, nil)
	w.plex.Set(func(o *simplex.Options) { o.WriteTime = 5 * time.Millisecond })
	const films = 200
	scenes, items := make([]int64, films), make([]string, films)
	for i := range films {
		scenes[i], items[i] = w.film(fmt.Sprintf("%03d.mp4", i), simstash.Scene{})
	}
	w.stash.RunTask("plexsync", "Sync all scenes")
	ended := make(chan error, films)
	for i := range films {
		go func() { ended <- w.stash.EditScene(scenes[i], map[string]any{"title": fmt.Sprintf("Film %d", i)}) }()
	}
	killed := 0
	for done := 0; done < films; {
		select {
		case err := <-ended:
			must(t, err)
			done++
		case <-time.After(200 * time.Millisecond):
			for _, j := range w.stash.JobQueue() {
				if j.Status == simstash.JobRunning {
					w.stash.StopJob(j.ID)
					killed++
				}
			}
		}
	}
	t.Logf("%d drains were killed", killed)
	w.within(2*time.Minute, "everything is in Plex", w.titles(items, "Film %d"))
	w.within(time.Minute, "the queue is empty", func() bool { return w.queued() == 0 })
}

// TestADatabaseDamagedUnderneathIsReplacedByWhoeverMeetsIt: by a hook, or by a drain.
func TestADatabaseDamagedUnderneathIsReplacedByWhoeverMeetsIt(t *testing.T) {
	slow(t, "syncs a library after each of three damages")
	t.Parallel()
	w := newWorld(t, nil)
	var items []string
	var scenes []int64
	for i := range 30 {
		scene, item := w.film(fmt.Sprintf("%d.mp4", i), simstash.Scene{Title: fmt.Sprintf("Film %d", i)})
		scenes, items = append(scenes, scene), append(items, item)
	}
	w.task("Sync all scenes")
	path := filepath.Join(dataDir(w.dir), store.FileName)
	damage := func() {
		t.Helper()
		data, err := os.ReadFile(path)
		must(t, err)
		for i := 4096; i < len(data); i++ { // all but the page with the schema
			data[i] = byte(i * 7)
		}
		must(t, os.WriteFile(path, data, 0o600))
		os.Remove(path + "-wal")
		os.Remove(path + "-shm")
	}
	for _, step := range []func(){
		func() { w.edit(scenes[0], map[string]any{"title": "Film 0"}) },
		func() { w.task("Process queue") },
		func() { w.task("Sync all scenes") },
	} {
		for _, item := range items {
			w.plex.EditByPerson(item, simplex.Values{Scalars: map[string]string{"title": "lost"}})
		}
		damage()
		step()
		w.settle()
		w.within(time.Minute, "everything is in Plex again", w.titles(items, "Film %d"))
	}
	kept, err := filepath.Glob(path + ".damaged-*")
	must(t, err)
	n := 0
	for _, k := range kept {
		if !strings.HasSuffix(k, "-wal") && !strings.HasSuffix(k, "-shm") {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d damaged files were kept, want 3: %v", n, kept)
	}
	w.wantLog(simstash.LevelError, "The damaged file was kept as "+path+".damaged-")
	if told := strings.Count(w.log(), "error: The database was damaged ("); told != 3 {
		t.Errorf("it was told %d times", told)
	}
}
