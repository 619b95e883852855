package worker_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
)

// The base: which stored state belongs to an item, so that what we wrote is told from
// what people set.

// TestTheBaseFollowsTheItem wherever its key, its file or its scene go: a tag of ours that
// Stash drops later goes from Plex, a person's stays.
func TestTheBaseFollowsTheItem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// move changes what becomes of scene and item, and returns them.
		move func(b *bench, scene int64, item string) (int64, string)
	}{
		{"nothing moves", func(_ *bench, s int64, i string) (int64, string) { return s, i }},
		{"by its key: another scene has its file now", func(b *bench, s int64, i string) (int64, string) {
			into, _ := b.film("into.mp4", simstash.Scene{Title: "A", TagIDs: []int64{1, 2}})
			b.mutate(`mutation($s: [ID!]!, $d: ID!) { sceneMerge(input: {source: $s, destination: $d}) { id } }`, map[string]any{"s": []int64{s}, "d": into})
			return into, i
		}},
		{"by its key: the file was renamed on both sides", func(b *bench, s int64, i string) (int64, string) {
			sc, _ := b.stash.Scene(s)
			b.mutate(`mutation($f: [ID!]!) { moveFiles(input: {ids: $f, destination_basename: "moved.mp4"}) }`, map[string]any{"f": []int64{sc.Files[0].ID}})
			b.plex.MovePart(i, 0, "/media/moved.mp4")
			return s, i
		}},
		{"by its path: Plex gave it a new key", func(b *bench, s int64, i string) (int64, string) { return s, b.plex.Rekey(i) }},
		{"by its path: matches were forgotten", func(b *bench, s int64, i string) (int64, string) {
			n, err := b.db.ForgetMatches(b.Context())
			if err != nil || n == 0 {
				b.Fatal(n, err)
			}
			return s, i
		}},
		{"by its scene: a new key and a new path", func(b *bench, s int64, i string) (int64, string) {
			sc, _ := b.stash.Scene(s)
			b.mutate(`mutation($f: [ID!]!) { moveFiles(input: {ids: $f, destination_basename: "moved.mp4"}) }`, map[string]any{"f": []int64{sc.Files[0].ID}})
			i = b.plex.Rekey(i)
			b.plex.MovePart(i, 0, "/media/moved.mp4")
			return s, i
		}},
		{"the drain dies between two keys", func(b *bench, s int64, i string) (int64, string) {
			i = b.plex.Rekey(i)
			b.edit(s, map[string]any{"director": "Ann"})
			if !b.killed(anEdit, true) || len(b.pushed(s)) != 2 {
				b.Fatalf("states %+v: the test does not test", b.pushed(s))
			}
			return s, i
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				sea, night := b.stash.AddTag(simstash.Tag{Name: "Sea"}), b.stash.AddTag(simstash.Tag{Name: "Night"})
				scene, item := b.film("a.mp4", simstash.Scene{Title: "A", TagIDs: []int64{sea, night}})
				b.listByHand(item, "genre", "By hand")
				b.event(scene)
				b.drain()
				b.shows(item, map[string]string{"genre": "By hand, Night, Sea"})
				time.Sleep(time.Hour)
				scene, item = c.move(b, scene, item)
				b.event(scene)
				b.drain()
				b.compare() // what no event told
				b.edit(scene, map[string]any{"tag_ids": []int64{sea}})
				b.drain()
				b.shows(item, map[string]string{"title": "A", "genre": "By hand, Sea"})
				b.nothingLeft()
				b.allSame()
				for _, p := range b.pushed(scene) {
					if p.Untied() || len(p.Intent) > 0 {
						b.Errorf("a state is left behind: %+v", p)
					}
				}
			})
		})
	}
}

// TestAStateThatCannotBeReadCostsOnlyTheMemory.
func TestAStateThatCannotBeReadCostsOnlyTheMemory(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		p := b.pushed(f.scenes[0])[0]
		p.Base, p.WantedHash = []byte(`{"wrote": 7}`), ""
		must(b, b.known().SavePushed(b.Context(), p))
		b.edit(f.scenes[0], map[string]any{"title": "Else"})
		b.drain()
		b.shows(f.items[0], map[string]string{"title": "Else", "genre": "Sea"})
		b.wantLog(slog.LevelWarn, fmt.Sprintf("item %s: its stored state cannot be read", f.items[0]))
		b.nothingLeft()
	})
}

// TestKeepPlexEditsKeepsWhatAPersonChanged after our write, and nothing else.
func TestKeepPlexEditsKeepsWhatAPersonChanged(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Merge.KeepPlexEdits = true
		sea, night := b.stash.AddTag(simstash.Tag{Name: "Sea"}), b.stash.AddTag(simstash.Tag{Name: "Night"})
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A", Details: "Text", TagIDs: []int64{sea, night}})
		b.byHand(item, map[string]string{"title": "Before us"})
		b.event(scene)
		b.drain()
		b.shows(item, map[string]string{"title": "A"}) // an item that we never wrote is nobody's edit
		b.byHand(item, map[string]string{"summary": "Mine"})
		b.listByHand(item, "genre", "Sea", "By hand")
		b.edit(scene, map[string]any{"title": "B", "details": "Other text", "director": "Ann"})
		b.drain()
		b.shows(item, map[string]string{"title": "B", "summary": "Mine", "director": "Ann", "genre": "By hand, Sea"})
		b.compare()
		b.allSame()
		b.shows(item, map[string]string{"summary": "Mine", "genre": "By hand, Sea"})
	})
}

// TestAnotherServerIsFoundAnew: the keys of one server mean nothing to another.
func TestAnotherServerIsFoundAnew(t *testing.T) {
	inBubble(t, func(b *bench) {
		var tags []int64
		for i := range 3 {
			tags = append(tags, b.stash.AddTag(simstash.Tag{Name: fmt.Sprintf("Tag %d", i)}))
		}
		scene, _ := b.film("a.mp4", simstash.Scene{Title: "A", TagIDs: tags, Cover: picture(1)})
		b.event(scene)
		b.drain()
		b.edit(scene, map[string]any{"tag_ids": tags[:1]})
		b.drain() // that several removals work is learnt
		b.plex = simplex.New(simplex.Options{Token: token, MachineID: "another", OneRemovalPerPUT: true})
		b.plexNetwork = b.plex.Transport()
		b.section = b.plex.AddSection(simplex.SectionSpec{Title: "Films", Locations: []string{"/media"}})
		b.file("other.mp4")
		item := b.file("a.mp4")
		b.edit(scene, map[string]any{"tag_ids": tags, "title": "B"})
		b.drain()
		b.shows(item, map[string]string{"title": "B", "genre": "Tag 0, Tag 1, Tag 2"})
		b.poster(item, picture(1), 1)
		if len(b.log.lines("another Plex server")) != 1 {
			b.Errorf("told %v", b.log.lines("another Plex server"))
		}
		b.edit(scene, map[string]any{"tag_ids": []int64{}})
		b.drain()
		b.shows(item, map[string]string{"genre": ""}) // of this one it is not known that several removals work
	})
}

// TestAnExplanationTellsTheBase, field by field.
func TestAnExplanationTellsEachField(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		b.byHand(f.items[0], map[string]string{"summary": "Mine"})
		b.listByHand(f.items[0], "genre", "By hand")
		b.edit(f.scenes[0], map[string]any{"title": "Else", "director": "Ann"})
		rows := b.rows()
		b.plex.ResetCounts()
		e := b.explain(f.scenes[0])
		b.wroteNothing()
		if changed := b.changedTables(rows); len(changed) > 0 {
			b.Errorf("changed are the tables %v", changed)
		}
		if e.Scene != f.scenes[0] || e.Title != "Else" || e.Decision != "1 item would be written" || len(e.Items) != 1 || len(e.Steps) == 0 {
			b.Fatalf("explained %+v", e)
		}
		if file := e.Files[0]; file.Path != "/data/lighthouse 0.mp4" || file.Mapped != "/media/lighthouse 0.mp4" || !strings.Contains(file.Rule, "/data => /media") {
			b.Errorf("file %+v", file)
		}
		if i := e.Items[0]; i.Key != f.items[0] || i.Path != "/media/lighthouse 0.mp4" || i.Poster || i.Background || i.Untouched() {
			b.Errorf("item %+v", i)
		}
		value := func(s string) *string { return &s }
		for _, want := range []struct {
			field, wanted, base, plex string
			write                     *string
		}{
			{"title", "Else", "Film 0", "Film 0", value("Else")},
			{"summary", "About 0", "About 0", "Mine", value("About 0")},
			{"director", "Ann", "", "", value("Ann")},
			{"genre", "Sea", "sea", "By hand", value("By hand, Sea")},
			{"actor", "Jane", "jane", "Jane", nil},
		} {
			found := false
			for _, x := range e.Items[0].Fields {
				if x.Field != want.field {
					continue
				}
				found = true
				if x.Wanted != want.wanted || x.Base != want.base || x.Plex != want.plex || (x.Write == nil) != (want.write == nil) || x.Write != nil && *x.Write != *want.write {
					b.Errorf("%+v, want %+v", x, want)
				}
			}
			if !found {
				b.Errorf("%s is not told", want.field)
			}
		}
		if n := len(e.Items[0].Changes()); n != 4 {
			b.Errorf("%d changes", n)
		}
		if e.Last.Pushed.IsZero() || !e.Last.Queued || e.Last.Due.IsZero() || e.Last.DeadClass != "" {
			b.Errorf("last %+v", e.Last)
		}
		b.drain()
		if e := b.explain(f.scenes[0]); e.Decision != "Plex is up to date; there is nothing to write" || !e.Items[0].Untouched() || e.Last.Queued {
			b.Errorf("explained %+v", e)
		}
	})
}

// TestAnExplanationOfWhatIsWrong is an answer, not an error.
func TestAnExplanationOfWhatIsWrong(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		b.down()
		if e := b.explain(f.scenes[0]); !strings.Contains(e.Decision, "Plex") || len(e.Items) != 0 {
			b.Errorf("explained %+v", e)
		}
		b.up()
		if br := b.breaker(); br.Failures != 0 {
			b.Errorf("to look counts against Plex: %+v", br)
		}
		for i := range 15 {
			b.file(fmt.Sprintf("%02d/tie.mp4", i))
		}
		tie := b.scene("tie.mp4", simstash.Scene{Title: "Tie"})
		b.event(tie)
		b.drain()
		e := b.explain(tie)
		if !strings.Contains(e.Decision, "fits 15 items equally") || e.Last.DeadClass != job.ClassAmbiguous || e.Last.DeadError == "" {
			b.Errorf("explained %+v", e)
		}
		for _, s := range e.Steps {
			if len(s.Candidates) > 11 || len(s.Candidates) == 11 && !strings.Contains(s.Candidates[10], "5 more") {
				b.Errorf("step %+v", s)
			}
		}
		b.mutate(`mutation($id: ID!) { sceneDestroy(input: {id: $id}) }`, map[string]any{"id": f.scenes[0]})
		rows := b.rows()
		if e := b.explain(f.scenes[0]); e.Decision != "Stash has no such scene" {
			b.Errorf("explained %+v", e)
		}
		if changed := b.changedTables(rows); len(changed) > 0 {
			b.Errorf("to look at a scene that is gone changed the tables %v", changed)
		}
		b.stash.Script(simstash.Fault{Path: "/graphql", Reset: true, Count: -1})
		if e := b.explain(f.scenes[1]); !strings.Contains(e.Decision, "Stash") {
			b.Errorf("explained %+v", e)
		}
	})
}
