package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
)

func TestAnEventDuringTheDrainIsNotLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.plex.Set(func(o *simplex.Options) { o.WriteLatency = 300 * time.Millisecond })
	scene, item := w.film("a.mp4", simstash.Scene{Title: "A"})
	w.edit(scene, map[string]any{"title": "First"})
	// The write of the first title is under way when the second comes.
	w.until("a write is under way", func() bool { return w.plex.Counts().Writes > 0 })
	w.edit(scene, map[string]any{"title": "Second"})
	w.settle()
	w.shows(item, map[string]string{"title": "Second"})
	if n := w.queued(); n != 0 {
		t.Errorf("%d jobs are left", n)
	}
}

// until waits for a condition; a minute is for slow machines.
func (w *world) until(what string, done func() bool) {
	w.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			w.Fatalf("waited in vain until %s\n%s", what, w.log())
		case <-tick.C:
		}
	}
}

func TestAnOutageCostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var items []string
	w.plex.Set(func(o *simplex.Options) { o.Down = true })
	for i := range 8 {
		scene, item := w.film(fmt.Sprintf("%d.mp4", i), simstash.Scene{})
		items = append(items, item)
		w.edit(scene, map[string]any{"title": fmt.Sprintf("Film %d", i)})
	}
	w.settle()
	w.wantLog(simstash.LevelWarning, "Plex cannot be used")
	ctx := context.Background()
	db := w.db()
	jobs, err := db.Jobs(ctx, 100, 0)
	must(t, err)
	if len(jobs) != 8 {
		t.Fatalf("%d jobs are queued, want 8", len(jobs))
	}
	for _, j := range jobs {
		if j.Attempt != 0 || j.Missing != 0 {
			t.Errorf("%s: the outage cost %d attempts", j.Subject, j.Attempt+j.Missing)
		}
	}
	if b, err := db.Breaker(ctx, job.Plex); err != nil || b.State != job.BreakerOpen || b.Cause != job.ClassUnreachable {
		t.Errorf("breaker %+v, %v", b, err)
	}
	w.plex.Set(func(o *simplex.Options) { o.Down = false })
	w.task("Process queue") // a person's: it probes at once
	for i, item := range items {
		w.shows(item, map[string]string{"title": fmt.Sprintf("Film %d", i)})
	}
	outages, err := db.Outages(ctx, 10)
	if err != nil || len(outages) != 1 || outages[0].Ended.IsZero() || outages[0].Cause != job.ClassUnreachable {
		t.Errorf("outages %+v, %v", outages, err)
	}
	if letters, err := db.Letters(ctx, job.Which{}, 10, 0); err != nil || len(letters) != 0 {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
	w.task("Outage report")
	w.wantLog(simstash.LevelInfo, "Mean time to recovery")
}

func TestAnAmbiguousSceneIsADeadLetterAndStopsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"pathRules": nil})
	size, length := int64(5000), 10*time.Minute
	tie := w.stash.AddScene(simstash.Scene{Files: []*simstash.File{{Path: "/data/tie.mp4", Size: size, Duration: length.Seconds()}}})
	for _, folder := range []string{"x", "y"} {
		w.plex.AddItem(w.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/" + folder + "/tie.mp4", Size: size, Duration: length}}})
	}
	other, item := w.film("b.mp4", simstash.Scene{})
	w.edit(tie, map[string]any{"title": "Tie"})
	w.edit(other, map[string]any{"title": "B"})
	w.settle()
	w.shows(item, map[string]string{"title": "B"})
	w.wantLog(simstash.LevelWarning, "DLQ: 1 need review")
	w.wantLog(simstash.LevelWarning, fmt.Sprintf("DLQ #1: scene %d - ambiguous: find scene %d: /data/tie.mp4 fits 2 items equally", tie, tie))
	// A path rule decides; a new event brings the scene back, and the letter goes.
	w.set(map[string]any{"pathRules": "/data => /media/y"})
	w.task("Retry dead letters")
	letters, err := w.db().Letters(context.Background(), job.Which{}, 10, 0)
	if err != nil || len(letters) != 0 {
		t.Errorf("letters %+v, %v\n%s", letters, err, w.log())
	}
}

func TestBadSettingsAreNamedAndLoseNoEvent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		settings map[string]any
		says     string
	}{
		{"nothing is set", map[string]any{"plexUrl": nil, "plexToken": nil}, "plexUrl: is empty"},
		{"a bad address", map[string]any{"plexUrl": "http://"}, "plexUrl: is not an address"},
		{"another scheme", map[string]any{"plexUrl": "ftp://nas"}, "must begin with http:// or https://"},
		{"a rule without an arrow", map[string]any{"pathRules": "/data /media"}, "has no arrow"},
		{"an unknown library", map[string]any{"plexLibraries": "Movis"}, `it has "Films"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.settings)
			scene, item := w.film("a.mp4", simstash.Scene{})
			w.edit(scene, map[string]any{"title": "A"})
			w.settle()
			w.wantLog(simstash.LevelError, c.says)
			if n := w.queued(); n != 1 {
				t.Fatalf("%d jobs are queued, want 1", n)
			}
			w.set(map[string]any{"plexUrl": w.plexURL, "plexToken": token, "pathRules": "/data => /media", "plexLibraries": "films"})
			w.task("Process queue")
			w.shows(item, map[string]string{"title": "A"})
		})
	}
}

func TestOneMissingSceneDoesNotFailTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"paused": true})
	gone, _ := w.film("gone.mp4", simstash.Scene{})
	scene, item := w.film("a.mp4", simstash.Scene{})
	w.edit(gone, map[string]any{"title": "Gone"})
	w.edit(scene, map[string]any{"title": "A"})
	w.mutate(`mutation($id: ID!){ sceneDestroy(input: {id: $id}) }`, map[string]any{"id": gone})
	w.settle()
	w.wantLog(simstash.LevelInfo, "Paused in the settings. Jobs waiting: ")
	w.set(map[string]any{"paused": nil})
	w.stash.ResetCounts()
	w.task("Process queue")
	w.shows(item, map[string]string{"title": "A"})
	if n := w.queued(); n != 0 {
		t.Errorf("%d jobs are left\n%s", n, w.log())
	}
	w.wantLog(simstash.LevelInfo, "1 done, 0 unchanged, 0 retry, 0 waiting, 0 dead, 1 gone")
}

func TestASecondDrainDoesNotStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.plex.Set(func(o *simplex.Options) { o.WriteLatency = 2 * time.Second })
	scene, item := w.film("a.mp4", simstash.Scene{})
	w.edit(scene, map[string]any{"title": "A"})
	w.until("a write is under way", func() bool { return w.plex.Counts().Writes > 0 })
	var out struct{ Running bool }
	must(t, w.operation(map[string]any{"mode": "process"}, &out))
	if !out.Running {
		t.Error("a second drain started")
	}
	w.wantLog(simstash.LevelInfo, "Already running; the current run will pick up these jobs")
	w.settle()
	w.shows(item, map[string]string{"title": "A"})
	if c := w.plex.Counts(); c.Writes != 1 {
		t.Errorf("%d writes", c.Writes)
	}
}

func TestAnOperationThatDoesNotExistIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	err := w.operation(map[string]any{"mode": "dance"}, nil)
	if err == nil || !strings.Contains(err.Error(), `mode "dance"`) || !strings.Contains(err.Error(), "process") {
		t.Errorf("error %v", err)
	}
}
