package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
	"gopkg.in/yaml.v2"
)

// sum is what the counts of a coverage add up to.
func (c Coverage) sum() int {
	n := c.Synced + c.Waiting + c.NotInPlex + c.Joined + c.Dead + c.WithoutMetadata + c.Unchecked
	for _, x := range c.Excluded {
		n += x
	}
	return n
}

// TestTheCoverageAddsUp: to the number of scenes in Stash, whatever is remembered.
func TestTheCoverageAddsUp(t *testing.T) {
	for _, c := range []struct {
		what   string
		known  store.Coverage
		found  worker.Found
		both   int
		scenes int
		want   string
	}{
		{"nothing yet", store.Coverage{}, worker.Found{}, 0, 39, "0 of 39 scenes are in sync: 39 not checked yet"},
		{"no scenes", store.Coverage{}, worker.Found{}, 0, 0, "0 of 0 scenes are in sync"},
		{"all", store.Coverage{Synced: 39}, worker.Found{}, 0, 39, "39 of 39 scenes are in sync"},
		{"each reason", store.Coverage{Synced: 10, Waiting: 2, NotInPlex: 3, Joined: 1, Dead: 4},
			worker.Found{WithoutMetadata: 5, Excluded: 7, NoFile: 1, NotOrganized: 2, ByTag: 4}, 0, 33,
			"10 of 33 scenes are in sync: 2 waiting to sync, 3 not in Plex, 4 need your attention, 1 share a Plex item with another scene, 7 left out by your settings, 5 without metadata, 1 not checked yet"},
		{"metadata came since the comparison", store.Coverage{Synced: 36}, worker.Found{WithoutMetadata: 4}, 0, 39,
			"36 of 39 scenes are in sync: 3 without metadata"},
		{"excluded after they were synced", store.Coverage{Synced: 39}, worker.Found{Excluded: 30, NotOrganized: 30}, 30, 39,
			"9 of 39 scenes are in sync: 30 left out by your settings"},
		{"gone from Stash, and not from the queue", store.Coverage{Synced: 5, Waiting: 1}, worker.Found{}, 0, 4,
			"3 of 4 scenes are in sync: 1 waiting to sync"},
	} {
		got := coverageOf(c.known, c.found, c.both, c.scenes)
		if got.sentence() != c.want || got.sum() != c.scenes {
			t.Errorf("%s: %q, which adds up to %d; want %q", c.what, got.sentence(), got.sum(), c.want)
		}
	}
	for range 10000 {
		n := func() int { return rand.IntN(20) }
		f := worker.Found{WithoutMetadata: n(), NoFile: n(), NotOrganized: n(), ByTag: n()}
		f.Excluded = f.NoFile + f.NotOrganized + f.ByTag + rand.IntN(2)*n()
		known, both, scenes := store.Coverage{Synced: n(), Waiting: n(), NotInPlex: n(), Joined: n(), Dead: n()}, n(), 3*n()
		c := coverageOf(known, f, both, scenes)
		if c.sum() != scenes {
			t.Fatalf("%+v, %+v, %d: %+v adds up to %d of %d", known, f, both, c, c.sum(), scenes)
		}
		for _, x := range []int{c.Synced, c.Waiting, c.NotInPlex, c.Joined, c.Dead, c.WithoutMetadata, c.Unchecked} {
			if x < 0 {
				t.Fatalf("%+v, %+v, %d, %d: %+v", known, f, both, scenes, c)
			}
		}
	}
}

// TestTheCoverageFollowsWhatHappens: a scene of each kind, through edits and a comparison.
func TestTheCoverageFollowsWhatHappens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"excludeTags": "Private", "onlyOrganized": true})
	private := w.stash.AddTag(simstash.Tag{Name: "Private"})
	// Not of this second: what was read in the second of its change is looked at again.
	before := time.Now().Add(-time.Hour)
	for i := range 4 {
		w.film(fmt.Sprintf("a%d.mp4", i), simstash.Scene{Title: "In sync", Organized: true, UpdatedAt: before})
	}
	w.film("b.mp4", simstash.Scene{Title: "Private", Organized: true, TagIDs: []int64{private}})
	w.film("c.mp4", simstash.Scene{Title: "Not organized"})
	bare, _ := w.film("d.mp4", simstash.Scene{Organized: true})
	w.stash.AddScene(simstash.Scene{Title: "Without a file", Organized: true})
	w.stash.AddScene(simstash.Scene{Title: "Nowhere", Organized: true, Files: []*simstash.File{{Path: "/data/none.mp4", Size: 1, Duration: 60}}})
	coverage := func(want string) {
		t.Helper()
		var o Overview
		must(t, w.operation(map[string]any{"mode": "overview", "v": 1}, &struct{ Data *Overview }{&o}))
		if got := o.Coverage.sentence() + " " + fmt.Sprint(o.Coverage.Excluded); got != want || o.Coverage.sum() != 9 {
			t.Errorf("the coverage is %q, want %q; it adds up to %d", got, want, o.Coverage.sum())
		}
	}
	coverage("0 of 9 scenes are in sync: 9 not checked yet map[]")
	w.task("Sync all scenes")
	w.wantLog(simstash.LevelInfo, "4 of 9 scenes are in sync: 1 not in Plex, 3 left out by your settings, 1 without metadata")
	all := " map[no_file:1 not_organized:1 tag:1]"
	coverage("4 of 9 scenes are in sync: 1 not in Plex, 3 left out by your settings, 1 without metadata" + all)
	w.edit(bare, map[string]any{"title": "It has a title now"})
	w.settle()
	coverage("5 of 9 scenes are in sync: 1 not in Plex, 3 left out by your settings" + all)
	// A scene that was synced, and is excluded then.
	w.edit(1, map[string]any{"organized": false})
	w.settle()
	w.task("Compare with Plex")
	coverage("4 of 9 scenes are in sync: 1 not in Plex, 4 left out by your settings map[no_file:1 not_organized:2 tag:1]")
	// One that fails, and one that waits.
	w.plex.Set(func(o *simplex.Options) { o.Down = true })
	w.edit(2, map[string]any{"title": "Edited"})
	w.settle()
	coverage("3 of 9 scenes are in sync: 1 waiting to sync, 1 not in Plex, 4 left out by your settings map[no_file:1 not_organized:2 tag:1]")
}

// TestAvailabilityIsCountedOverStatedDays: and never over a time of which nothing is known.
func TestAvailabilityIsCountedOverStatedDays(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const day = 24 * time.Hour
	outage := func(from, to time.Duration) store.Outage {
		o := store.Outage{System: job.Plex, Started: ago(from), Cause: job.ClassUnreachable}
		if to >= 0 {
			o.Ended = ago(to)
		}
		return o
	}
	for _, c := range []struct {
		what    string
		outages []store.Outage
		began   time.Time
		want    [3]float64 // availability; -1 for none
		seen    [3]int     // outages
	}{
		{"no run yet", nil, time.Time{}, [3]float64{-1, -1, -1}, [3]int{}},
		{"no outage", nil, ago(100 * day), [3]float64{1, 1, 1}, [3]int{}},
		{"45 seconds, an hour ago", []store.Outage{outage(time.Hour, time.Hour-45*time.Second)}, ago(100 * day),
			[3]float64{1 - 45/(7*86400.), 1 - 45/(30*86400.), 1 - 45/(90*86400.)}, [3]int{1, 1, 1}},
		{"on record for two days only", []store.Outage{outage(day, day/2)}, ago(2 * day), [3]float64{.75, .75, .75}, [3]int{1, 1, 1}},
		{"long ago", []store.Outage{outage(20*day, 17*day)}, ago(100 * day), [3]float64{1, .9, 1 - 3/90.}, [3]int{0, 1, 1}},
		{"still going on, since before the first window", []store.Outage{outage(14*day, -1)}, ago(100 * day), [3]float64{0, 1 - 14/30., 1 - 14/90.}, [3]int{1, 1, 1}},
		{"an outage before the first run on record", []store.Outage{outage(4*day, 3*day)}, ago(day), [3]float64{.75, .75, .75}, [3]int{1, 1, 1}},
	} {
		for i, w := range outageReport(c.outages, c.began, now).Windows {
			got := -1.
			if w.Availability != nil {
				got = *w.Availability
			}
			if math.Abs(got-c.want[i]) > 1e-9 || w.Outages != c.seen[i] || w.Days != windows[i] {
				t.Errorf("%s: %d days: available %v with %d outages, want %v with %d", c.what, w.Days, got, w.Outages, c.want[i], c.seen[i])
			}
		}
	}
}

// TestASceneHasOneState: what keeps it from being synced comes before what would be done.
func TestASceneHasOneState(t *testing.T) {
	file := []worker.ExplainedFile{{Path: "/a"}}
	value := "new"
	shown := worker.ExplainedItem{Key: "1"}
	differs := worker.ExplainedItem{Key: "1", Fields: []worker.ExplainedField{{Field: "title", Write: &value}}}
	for want, e := range map[SceneState]worker.Explanation{
		SceneSynced:          {Files: file, Items: []worker.ExplainedItem{shown}},
		SceneChanges:         {Files: file, Items: []worker.ExplainedItem{shown, differs}},
		SceneWaiting:         {Files: file, Items: []worker.ExplainedItem{differs}, Last: worker.Last{Queued: true, DeadClass: job.ClassRejected}},
		SceneFailed:          {Files: file, Items: []worker.ExplainedItem{differs}, Last: worker.Last{DeadClass: job.ClassRejected}},
		SceneNotInPlex:       {Files: file, Class: job.ClassNotInPlex, Last: worker.Last{Queued: true}},
		SceneAmbiguous:       {Files: file, Class: job.ClassAmbiguous, Last: worker.Last{DeadClass: job.ClassAmbiguous}},
		SceneJoined:          {Files: file, Last: worker.Last{DeadClass: job.ClassJoined}},
		SceneWithoutMetadata: {Files: file, Skipped: true, Empty: true, Last: worker.Last{Queued: true}},
		SceneExcluded:        {Files: file, Skipped: true},
		SceneUnknown:         {Files: file, Class: job.ClassUnauthorized, Last: worker.Last{Queued: true}},
		SceneGone:            {},
	} {
		if got := sceneState(e); got != want {
			t.Errorf("%+v is %q, want %q", e, got, want)
		}
	}
}

// TestThePageCallsSettingsAsTheFormDoes: words.js names each setting of plexsync.yml, and
// by its name there.
func TestThePageCallsSettingsAsTheFormDoes(t *testing.T) {
	text, err := os.ReadFile("../plexsync.yml")
	must(t, err)
	var manifest struct {
		Settings map[string]struct {
			Name string `yaml:"displayName"`
		}
	}
	must(t, yaml.Unmarshal(text, &manifest))
	script, err := os.ReadFile("ui/words.js")
	must(t, err)
	part := regexp.MustCompile(`(?s)const SETTINGS = \{(.*?)\n  \};`).FindSubmatch(script)
	if part == nil || len(manifest.Settings) < 20 {
		t.Fatal("the names are not found")
	}
	named := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+): "(.*)",`).FindAllSubmatch(part[1], -1) {
		named[string(m[1])] = string(m[2])
	}
	for name, s := range manifest.Settings {
		if named[name] != s.Name {
			t.Errorf("the page calls %s %q, the form %q", name, named[name], s.Name)
		}
	}
	if len(named) != len(manifest.Settings) {
		t.Errorf("the page names %d settings, the form %d", len(named), len(manifest.Settings))
	}
}

// TestTheProgressOfARunIsTold: while it runs, and not after.
func TestTheProgressOfARunIsTold(t *testing.T) {
	slow(t, "watches a sync of half a minute")
	t.Parallel()
	w := newWorld(t, nil)
	w.films(120)
	w.plex.Set(func(o *simplex.Options) { o.WriteTime = 250 * time.Millisecond })
	w.stash.RunTask("plexsync", "Sync all scenes")
	overview := func() (o Overview) {
		must(t, w.operation(map[string]any{"mode": "overview", "v": 1}, &struct{ Data *Overview }{&o}))
		return o
	}
	var seen []int
	w.within(time.Minute, "two steps are seen", func() bool {
		o := overview()
		if p := o.Progress; p != nil && !p.Comparing && p.Done > 0 && (len(seen) == 0 || p.Done > seen[len(seen)-1]) {
			seen = append(seen, p.Done)
			if p.Total < p.Done || p.Total < 100 || p.PerSecond <= 0 || o.Runs[0].Done+o.Runs[0].Unchanged == 0 {
				t.Errorf("the progress is %+v of the run %+v", *p, o.Runs[0])
			}
		}
		return len(seen) >= 3
	})
	w.settle()
	if o := overview(); o.Progress != nil || o.Coverage.Synced != 120 {
		t.Errorf("after it the progress is %+v, with %d synced", o.Progress, o.Coverage.Synced)
	}
	// An update that comes late changes nothing.
	ctx := context.Background()
	runs, err := w.db().Runs(ctx, 1)
	must(t, err)
	late := runs[0]
	late.Done = 7
	must(t, w.db().SaveRun(ctx, late))
	again, err := w.db().Runs(ctx, 1)
	must(t, err)
	if again[0] != runs[0] {
		t.Errorf("the run that ended became %+v", again[0])
	}
}
