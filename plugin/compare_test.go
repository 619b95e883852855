package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/worker"
)

// compared is what the last compare found.
func (w *world) compared() worker.Comparing {
	w.Helper()
	ended, wanted, err := worker.LastCompare(context.Background(), w.db())
	must(w, err)
	if !wanted.Asked.IsZero() {
		w.Fatalf("a compare is still under way: %+v\n%s", wanted, w.log())
	}
	return ended
}

// compare runs the task and returns what it found.
func (w *world) compare() worker.Found {
	w.Helper()
	w.task("Compare with Plex")
	return w.compared().Found
}

// onlyCompare keeps the next drain from looking for recent scenes: these tests are
// about the compare, and their scenes are seconds old.
func (w *world) onlyCompare() {
	w.Helper()
	must(w, w.db().SetMeta(context.Background(), "recent_at", fmt.Sprint(time.Now().Add(time.Hour).Unix())))
}

// allSame fails unless a compare finds nothing to do and writes nothing.
func (w *world) allSame() {
	w.Helper()
	w.plex.ResetCounts()
	if f := w.compare(); f.Queued != 0 {
		w.Errorf("another compare queues %d: %s\n%s", f.Queued, f, w.log())
	}
	if c := w.plex.Counts(); c.Writes+c.Uploads != 0 {
		w.Errorf("another compare writes: %v", c.ByRoute)
	}
}

// films are four scenes that are synced.
type films struct {
	scenes    []int64
	items     []string
	jane, sea int64
}

func newFilms(t *testing.T, settings map[string]any) (*world, films) {
	t.Helper()
	w := newWorld(t, settings)
	f := films{jane: w.stash.AddPerformer(simstash.Performer{Name: "Jane"}), sea: w.stash.AddTag(simstash.Tag{Name: "Sea"})}
	for i := range 4 {
		s := simstash.Scene{Title: fmt.Sprintf("Film %d", i), Details: fmt.Sprintf("About %d", i), TagIDs: []int64{f.sea}, PerformerIDs: []int64{f.jane}}
		if i < 2 {
			s.Cover = picture(i)
		}
		scene, item := w.film(fmt.Sprintf("lighthouse %d.mp4", i), s)
		f.scenes, f.items = append(f.scenes, scene), append(f.items, item)
	}
	w.task("Sync all scenes")
	for i, item := range f.items {
		w.shows(item, map[string]string{"title": fmt.Sprintf("Film %d", i)})
	}
	return w, f
}

func TestAPreviewTellsAllAndWritesNothing(t *testing.T) {
	t.Parallel()
	w, f := newFilms(t, nil)
	w.set(map[string]any{"paused": true})
	w.edit(f.scenes[0], map[string]any{"title": "Else", "details": ""})
	w.film("new.mp4", simstash.Scene{Title: "New"})
	w.film("empty.mp4", simstash.Scene{})
	w.stash.AddScene(simstash.Scene{Title: "Lacking", Files: []*simstash.File{{Path: "/data/none.mp4"}}})
	before := fmt.Sprint(w.plex.Snapshot())
	w.plex.ResetCounts()
	w.task("Preview changes")
	w.wantLog(simstash.LevelInfo, `title: "Film 0" would become "Else"`)
	w.wantLog(simstash.LevelInfo, `summary: "About 0" would become ""`)
	w.wantLog(simstash.LevelInfo, "title: 2 items")
	w.wantLog(simstash.LevelInfo, "Preview of 7 scenes: 2 items would change, 3 would not, 1 scenes are left out, 1 were not found in Plex. Nothing was written")
	if c := w.plex.Counts(); c.Writes+c.Uploads+c.Scans != 0 || fmt.Sprint(w.plex.Snapshot()) != before {
		t.Errorf("Plex was written to: %v", c.ByRoute)
	}
	w.set(map[string]any{"paused": nil})
	w.task("Process queue")
	w.shows(f.items[0], map[string]string{"title": "Else", "summary": ""})
}

// TestACompareThatIsKilledGoesOnWhereItWas, with edits that overtake it.
func TestACompareThatIsKilledGoesOnWhereItWas(t *testing.T) {
	slow(t, "syncs 3,500 scenes and kills a compare")
	t.Parallel()
	w := newWorld(t, nil)
	const n = 3500
	for i := range n {
		w.film(fmt.Sprintf("%04d.mp4", i), simstash.Scene{Title: "?"})
	}
	w.onlyCompare()
	w.stash.Script(simstash.Fault{Query: "GREATER_THAN|per_page", Field: "findScenes", Skip: 7, Count: 1, Hang: true})
	id := w.stash.RunTask("plexsync", "Compare with Plex")
	ctx := context.Background()
	var under worker.Comparing
	w.within(5*time.Minute, "the compare is in the middle", func() bool {
		_, under, _ = worker.LastCompare(ctx, w.db())
		return under.After >= 1000
	})
	time.Sleep(300 * time.Millisecond)
	w.stash.StopJob(id)
	w.settle()
	w.stash.ClearScript()
	_, under, err := worker.LastCompare(ctx, w.db())
	if err != nil || under.After == 0 || under.After >= n {
		t.Fatalf("killed at %d, %v: the test does not test", under.After, err)
	}
	w.onlyCompare()
	w.task("Process queue")
	c := w.compared()
	if c.Found.Scenes() != n || c.Found.NeverPushed != n || !c.Began.Equal(under.Began) {
		t.Errorf("in the end it found %s (%d scenes); it began %v, and %v after the kill", c.Found, c.Found.Scenes(), under.Began, c.Began)
	}
	if got := w.plex.Counts().Writes; got < n || got > n+100 {
		t.Errorf("%d writes for %d scenes", got, n)
	}
	w.task("Compare with Plex")
	w.allSame()
	w.plex.ResetCounts()
	w.task("Sync all scenes")
	if c := w.plex.Counts(); c.Total > 10 {
		t.Errorf("syncing all of an unchanged library costs Plex %d requests: %v", c.Total, c.ByRoute)
	}
}

// TestTheLibraryIsComparedByItself: by the waker, where nothing else happens.
func TestTheLibraryIsComparedByItself(t *testing.T) {
	slow(t, "waits for a waker that compares")
	t.Parallel()
	w, f := newFilms(t, nil)
	// As if nobody had ever synced the library, which ends with a comparison.
	must(t, w.db().SetMeta(context.Background(), "compared", ""))
	w.edit(f.scenes[3], map[string]any{"director": "Bob"})
	w.settle()
	if c := w.compared(); c.Ended.IsZero() || !c.Began.IsZero() {
		t.Errorf("the first drain notes when the time begins, and compares nothing: %+v", c)
	}
	time.Sleep(time.Second)
	w.plex.EditByPerson(f.items[0], simplex.Values{Scalars: map[string]string{"title": "An agent's"}})
	past, err := json.Marshal(worker.Comparing{Ended: time.Now().Add(-24*time.Hour + 5*time.Second)})
	must(t, err)
	must(t, w.db().SetMeta(context.Background(), "compared", string(past)))
	time.Sleep(6 * time.Second)
	w.task("Show status")
	w.within(2*time.Minute, "the title is Stash's again", func() bool { return w.item(f.items[0]).Scalars["title"] == "Film 0" })
	w.within(time.Minute, "the compare is noted", func() bool {
		ended, wanted, err := worker.LastCompare(context.Background(), w.db())
		return err == nil && wanted.Asked.IsZero() && ended.Found.ChangedInPlex == 1 && !ended.Full
	})
}

// TestWhatTasksChangeArrivesWhenTheyEnd: a scan, and behind it the covers of its scenes
// and auto-tag; their events come during the scan alone.
func TestWhatTasksChangeArrivesWhenTheyEnd(t *testing.T) {
	slow(t, "waits for Stash's tasks and a waker")
	t.Parallel()
	w, f := newFilms(t, nil)
	scan := w.stash.BlockQueue("Scanning...")
	w.edit(f.scenes[2], map[string]any{"director": "Ann"})
	more := w.stash.BlockQueue("Generating...")
	scan()
	w.within(time.Minute, "the event has arrived", func() bool { return names(w.item(f.items[2]), "director") == "Ann" })
	time.Sleep(2 * time.Second) // Stash's times have seconds
	w.stash.AddTag(simstash.Tag{Name: "lighthouse"})
	w.mutate(`mutation { metadataAutoTag(input: {tags: ["*"]}) }`, nil)
	w.mutate(`mutation($ids: [ID!]) { metadataGenerate(input: {covers: true, sceneIDs: $ids}) }`, map[string]any{"ids": f.scenes[3:]})
	more()
	w.within(3*time.Minute, "tag and cover have arrived", func() bool {
		return names(w.item(f.items[0]), "genre") == "Sea, lighthouse" && len(w.item(f.items[3]).Uploads) == 1
	})
	w.within(2*time.Minute, "the waker has ended", func() bool { return len(wakers(t, w.dir)) == 0 })
}

func TestWhoLeavesTakesTheLocksAlong(t *testing.T) {
	t.Parallel()
	w, f := newFilms(t, nil)
	w.plex.EditByPerson(f.items[0], simplex.Values{Scalars: map[string]string{"tagline": "Mine"}})
	if locks := w.item(f.items[0]).Locks; !slices.Contains(locks, "title") || !slices.Contains(locks, "genre") || !slices.Contains(locks, "thumb") {
		t.Fatalf("locks %v", locks)
	}
	w.task("Unlock fields")
	w.wantLog(simstash.LevelWarning, "leaveUnlocked is off")
	var e Explanation
	must(t, w.operation(map[string]any{"mode": "explain", "scene_id": f.scenes[0]}, &e))
	if len(e.Items) != 1 || e.Items[0].untouched() || !slices.Contains(e.Items[0].Lock, "title") || e.Decision != "1 item would be written" {
		t.Errorf("explained: %+v", e)
	}
	w.task("Preview changes")
	w.wantLog(simstash.LevelInfo, "locks: 4 items")
	w.task("Compare with Plex") // locks them again
	w.set(map[string]any{"leaveUnlocked": true})
	w.task("Unlock fields")
	w.wantLog(simstash.LevelInfo, "Items unlocked: 4")
	if locks := w.item(f.items[0]).Locks; !slices.Equal(locks, []string{"tagline"}) {
		t.Errorf("locks %v, want only the person's", locks)
	}
	w.shows(f.items[0], map[string]string{"title": "Film 0"})
	w.task("Unlock fields")
	w.wantLog(simstash.LevelInfo, "Items unlocked: 0")
	w.task("Forget matches") // states without an item are passed over
	if err := w.operation(map[string]any{"mode": "unlock"}, nil); err != nil {
		t.Error(err)
	}
}

func TestScenesThatAreLeftAloneSayWhy(t *testing.T) {
	t.Parallel()
	w, f := newFilms(t, nil)
	indoor := w.stash.AddTag(simstash.Tag{Name: "Indoor/studio"})
	w.mutate(`mutation($id: ID!, $t: [ID!]) { sceneUpdate(input: {id: $id, organized: true, tag_ids: $t}) { id } }`, map[string]any{"id": f.scenes[0], "t": []int64{indoor}})
	w.mutate(`mutation($id: ID!) { sceneUpdate(input: {id: $id, organized: true}) { id } }`, map[string]any{"id": f.scenes[1]})
	w.settle()
	w.set(map[string]any{"onlyOrganized": true, "excludeTags": "indoor*"})
	if found := w.compare(); found.Excluded != 3 || found.Same != 1 {
		t.Errorf("found %s", found)
	}
	for i, why := range map[int]string{0: `has the tag "Indoor/studio", which excludeTags names`, 2: "is not organized, and onlyOrganized is on"} {
		var e Explanation
		must(t, w.operation(map[string]any{"mode": "explain", "scene_id": f.scenes[i]}, &e))
		if !strings.Contains(e.Decision, why) || len(e.Files) != 1 {
			t.Errorf("explained: %+v", e)
		}
	}
}

// TestAfterAnyHistoryOneCompareMakesItTrue is a soak: random things happen in Stash and
// in Plex, drains are killed, Plex goes and comes; in the end one compare and its drain
// leave Plex as an independent calculation says, and another compare finds nothing.
func TestAfterAnyHistoryOneCompareMakesItTrue(t *testing.T) {
	slow(t, "a soak of 2,000 operations with kills")
	t.Parallel()
	const n, operations = 30, 2000
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("PLEXSYNC_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("PLEXSYNC_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t, nil)
	var scenes, tags, people, studios []int64
	items := map[int64]string{} // by scene
	hands := map[string][]string{}
	edited := map[string]map[string]bool{} // fields that a person changed in Plex, by item
	for i := range 6 {
		tags = append(tags, w.stash.AddTag(simstash.Tag{Name: fmt.Sprintf("Tag %d", i)}))
		people = append(people, w.stash.AddPerformer(simstash.Performer{Name: fmt.Sprintf("Person %d", i)}))
		studios = append(studios, w.stash.AddStudio(simstash.Studio{Name: fmt.Sprintf("Studio %d", i)}))
	}
	made := 0
	name := func(what string) string { made++; return fmt.Sprintf("%s %d", what, made) }
	add := func() {
		scene, item := w.film(name("film")+".mp4", simstash.Scene{Title: name("Title")})
		scenes = append(scenes, scene)
		items[scene], edited[item] = item, map[string]bool{}
	}
	for range n {
		add()
	}
	pick := func(all []int64) int64 { return all[r.IntN(len(all))] }
	some := func(all []int64) []int64 {
		var out []int64
		for _, x := range all {
			if r.IntN(3) == 0 {
				out = append(out, x)
			}
		}
		return out
	}
	try := func(query string, vars map[string]any) {
		w.stash.Query(context.Background(), query, vars, nil) // some are refused, as by Stash
	}
	for op := range operations {
		scene := pick(scenes)
		item := items[scene]
		switch k := r.IntN(100); {
		case k < 20:
			w.edit(scene, map[string]any{"title": name("Title"), "details": name("Details")})
		case k < 26:
			w.edit(scene, map[string]any{"details": ""})
		case k < 38:
			w.edit(scene, map[string]any{"tag_ids": some(tags), "performer_ids": some(people)})
		case k < 44:
			w.edit(scene, map[string]any{"studio_id": pick(studios), "director": name("Director"), "date": fmt.Sprintf("20%02d-0%d", r.IntN(20), 1+r.IntN(9))})
		case k < 47:
			try(`mutation($ids: [ID!]!, $t: [ID!]) { bulkSceneUpdate(input: {ids: $ids, tag_ids: {mode: ADD, ids: $t}}) { id } }`, map[string]any{"ids": some(scenes), "t": some(tags)})
		case k < 50:
			try(`mutation($id: ID!, $n: String) { performerUpdate(input: {id: $id, name: $n}) { id } }`, map[string]any{"id": pick(people), "n": name("Person")})
		case k < 52:
			try(`mutation($id: ID!, $n: String) { tagUpdate(input: {id: $id, name: $n}) { id } }`, map[string]any{"id": pick(tags), "n": name("Tag")})
		case k < 53 && len(people) > 3:
			i := r.IntN(len(people))
			gone := people[i]
			people = slices.Delete(people, i, i+1)
			try(`mutation($s: [ID!]!, $d: ID!) { performerMerge(input: {source: $s, destination: $d}) { id } }`, map[string]any{"s": []int64{gone}, "d": people[0]})
		case k < 54 && len(tags) > 3:
			i := r.IntN(len(tags))
			gone := tags[i]
			tags = slices.Delete(tags, i, i+1)
			if r.IntN(2) == 0 {
				try(`mutation($s: [ID!]!, $d: ID!) { tagsMerge(input: {source: $s, destination: $d}) { id } }`, map[string]any{"s": []int64{gone}, "d": tags[0]})
			} else {
				try(`mutation($id: ID!) { tagDestroy(input: {id: $id}) }`, map[string]any{"id": gone})
			}
		case k < 56 && len(scenes) > n/2: // the scene goes, its item is nobody's
			i := slices.Index(scenes, scene)
			scenes = slices.Delete(scenes, i, i+1)
			delete(items, scene)
			try(`mutation($id: ID!) { sceneDestroy(input: {id: $id}) }`, map[string]any{"id": scene})
		case k < 58:
			add()
			w.edit(scenes[len(scenes)-1], map[string]any{"director": name("Director")})
		case k < 61: // a file moves
			sc, _ := w.stash.Scene(scene)
			base := name("moved") + ".mp4"
			try(`mutation($f: [ID!]!, $b: String!) { moveFiles(input: {ids: $f, destination_basename: $b}) }`, map[string]any{"f": []int64{sc.Files[0].ID}, "b": base})
			moved, _ := w.stash.Scene(scene)
			w.plex.MovePart(item, 0, strings.Replace(moved.Files[0].Path, "/data", "/media", 1))
		case k < 64:
			items[scene] = w.plex.Rekey(item)
			hands[items[scene]], edited[items[scene]] = hands[item], edited[item]
		case k < 72: // a person in Plex
			tag := name("hand")
			it := w.item(item)
			w.plex.EditByPerson(item, simplex.Values{Tags: map[string][]simplex.Tag{"genre": append(it.Tags["genre"], simplex.Tag{Name: tag})}})
			hands[item] = append(slices.Clone(hands[item]), tag)
		case k < 78:
			w.plex.EditByPerson(item, simplex.Values{Scalars: map[string]string{"summary": name("Mine")}})
			edited[item]["summary"] = true
		case k < 82:
			w.plex.RefreshByAgent(item, simplex.Values{Scalars: map[string]string{"title": name("Agent"), "studio": name("Agent")}})
			edited[item]["studio"], edited[item]["title"] = true, true
		case k < 85:
			w.plex.Set(func(o *simplex.Options) { o.Down = !o.Down })
		case k < 93: // the drain in hand is stopped
			for _, j := range w.stash.JobQueue() {
				if j.Status == simstash.JobRunning {
					w.stash.StopJob(j.ID)
				}
			}
		case k < 95:
			w.stash.RunTask("plexsync", []string{"Process queue", "Compare with Plex", "Sync recent scenes", "Retry dead letters"}[r.IntN(4)])
		default:
			time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
		}
		if op%400 == 399 {
			w.plex.Set(func(o *simplex.Options) { o.Down = false })
			w.settle()
		}
	}
	w.plex.Set(func(o *simplex.Options) { o.Down = false })
	w.settle()
	w.task("Process queue")
	w.task("Compare with Plex")
	if left := w.queued(); left != 0 {
		t.Errorf("%d jobs are left\n%s", left, w.log())
	}

	// What Plex should show, from Stash and from what people did in Plex alone.
	for _, id := range scenes {
		sc, _ := w.stash.Scene(id)
		item := items[id]
		genre, actors := slices.Clone(hands[item]), []string{}
		for _, id := range sc.TagIDs {
			x, _ := w.stash.Tag(id)
			genre = append(genre, x.Name)
		}
		for _, id := range sc.PerformerIDs {
			x, _ := w.stash.Performer(id)
			actors = append(actors, x.Name)
		}
		slices.Sort(genre)
		slices.Sort(actors)
		want := map[string]string{"title": sc.Title, "director": sc.Director, "genre": strings.Join(genre, ", "), "actor": strings.Join(actors, ", ")}
		if sc.Details != "" || !edited[item]["summary"] {
			want["summary"] = sc.Details
		}
		if studio, ok := w.stash.Studio(sc.StudioID); ok {
			want["studio"] = studio.Name
		}
		if sc.Date != "" {
			want["originallyAvailableAt"] = sc.Date + "-01"
		}
		got := w.item(item)
		for field, value := range want {
			now := got.Scalars[field]
			if _, list := got.Tags[field]; list {
				now = names(got, field)
			}
			if now != value {
				t.Errorf("scene %d, item %s: %s is %q, want %q", id, item, field, now, value)
			}
		}
	}
	if letters, err := w.db().Letters(context.Background(), job.Which{Review: true}, 10, 0); err != nil || len(letters) != 0 {
		t.Errorf("letters %+v, %v", letters, err)
	}
	w.task("Compare with Plex")
	w.allSame()
	if t.Failed() {
		t.Logf("again with PLEXSYNC_SEED=%d", seed)
	}
}
