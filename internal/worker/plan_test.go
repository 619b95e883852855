package worker_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
)

// The planner's decisions: which scenes are left alone, which items are a scene's, and
// what is queued in place of a performer, a scene that is gone, and the like.

func TestScenesThatAreLeftAloneSayWhy(t *testing.T) {
	t.Parallel()
	indoor := func(b *bench, s *simstash.Scene) {
		s.TagIDs = []int64{b.stash.AddTag(simstash.Tag{Name: "Indoor/[Studio]"})}
	}
	organized := func(_ *bench, s *simstash.Scene) { s.Organized = true }
	excluding := func(tags ...string) func(*bench) { return func(b *bench) { b.opt.ExcludeTags = tags } }
	for _, c := range []struct {
		name   string
		option func(*bench)
		scene  func(*bench, *simstash.Scene)
		why    string // "" = it is synced
	}{
		{"no metadata", nil, func(_ *bench, s *simstash.Scene) { s.Title = "" }, "has no metadata"},
		{"a cover is no metadata", nil, func(_ *bench, s *simstash.Scene) { s.Title, s.Cover, s.Organized = "", picture(1), true }, "has no metadata"},
		{"mirrorLists does not make it any", func(b *bench) { b.opt.Merge.MirrorLists = true }, func(_ *bench, s *simstash.Scene) { s.Title = "" }, "has no metadata"},
		{"a rating is metadata", func(b *bench) { b.opt.Merge.Rating = true }, func(_ *bench, s *simstash.Scene) { r := 80; s.Title, s.Rating100 = "", &r }, ""},
		{"not organized", func(b *bench) { b.opt.OnlyOrganized = true }, nil, "is not organized"},
		{"organized", func(b *bench) { b.opt.OnlyOrganized = true }, organized, ""},
		{"not organized is nothing without onlyOrganized", nil, nil, ""},
		{"an excluded tag", excluding("other", "indoor/[studio]"), indoor, `has the tag "Indoor/[Studio]"`},
		{"an excluded pattern", excluding("indoor*"), indoor, `has the tag "Indoor/[Studio]"`},
		{"a pattern in the middle", excluding("*/*stud*"), indoor, `has the tag "Indoor/[Studio]"`},
		{"a tag's id", excluding("1"), indoor, `has the tag "Indoor/[Studio]"`},
		{"brackets are letters", excluding("indoor/[abcdefs]tudio]"), indoor, ""},
		{"a question mark is a letter", excluding("indoor?[studio]"), indoor, ""},
		{"a part of a name is no name", excluding("indoor"), indoor, ""},
		{"another tag's id", excluding("2"), indoor, ""},
		{"a backslash at the end", excluding(`indoor\`), indoor, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				s := simstash.Scene{Title: "A"}
				if c.scene != nil {
					c.scene(b, &s)
				}
				if c.option != nil {
					c.option(b)
				}
				scene, item := b.film("a.mp4", s)
				b.byHand(item, map[string]string{"title": "Mine", "summary": "Mine too"})
				b.listByHand(item, "genre", "By hand")
				b.event(scene)
				run := b.drain()
				e := b.explain(scene)
				if c.why == "" {
					if run.Done != 1 || strings.HasPrefix(e.Decision, "The scene ") {
						b.Errorf("run %+v, explained: %s", run, e.Decision)
					}
					return
				}
				b.askedOnlyWhoItIs() // to tell where the scene is
				if run.Unchanged != 1 || !strings.Contains(e.Decision, c.why) || len(e.Files) != 1 || len(e.Items) != 0 {
					b.Errorf("run %+v, explained %+v", run, e)
				}
				b.wantLog(slog.LevelDebug, fmt.Sprintf("scene %d %s", scene, c.why))
				b.shows(item, map[string]string{"title": "Mine", "summary": "Mine too", "genre": "By hand"})
				found := b.compare()
				if empty := c.why == "has no metadata"; found.Queued != 0 || found.WithoutMetadata != map[bool]int{true: 1}[empty] || found.Excluded != map[bool]int{false: 1}[empty] {
					b.Errorf("found %s", found)
				}
				if p, _ := b.preview(); p.Skipped != 1 || p.Items+p.Same+p.NotFound != 0 {
					b.Errorf("previewed %+v", p)
				}
				b.nothingLeft()
			})
		})
	}
}

func TestASceneWithoutAFileSaysSo(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene := b.stash.AddScene(simstash.Scene{Title: "A"})
		b.event(scene)
		b.drain()
		b.wantLog(slog.LevelInfo, fmt.Sprintf("scene %d has no file in Stash", scene))
		b.askedNothing()
		b.nothingLeft()
		if e := b.explain(scene); !strings.Contains(e.Decision, "has no file in Stash") || len(e.Files) != 0 {
			b.Errorf("explained %+v", e)
		}
		if f := b.compare(); f.Excluded != 1 || f.WithoutMetadata != 0 {
			b.Errorf("found %s", f)
		}
	})
}

// TestHowAnItemIsFound goes down the rungs: which of the parts in Plex the scene is in.
func TestHowAnItemIsFound(t *testing.T) {
	t.Parallel()
	part := func(file string, size int64, length time.Duration) simplex.PartSpec {
		return simplex.PartSpec{File: file, Size: size, Duration: length}
	}
	one := func(p simplex.PartSpec) []simplex.PartSpec { return []simplex.PartSpec{p} }
	const size = 5000
	for _, c := range []struct {
		name  string
		rules string
		items [][]simplex.PartSpec
		found []int  // which of the items
		rung  string // by which
		class job.Class
	}{
		{"by path", "/data => /media", [][]simplex.PartSpec{one(part("/media/x/tide.mp4", size, lengthOf)), one(part("/media/tide.mp4", 1, 0))}, []int{1}, "path", ""},
		{"in another case", "/data => /media", [][]simplex.PartSpec{one(part("/Media/TIDE.mp4", size, lengthOf))}, []int{0}, "folded path", ""},
		{"in two libraries over one folder", "/data => /media", [][]simplex.PartSpec{one(part("/media/tide.mp4", size, lengthOf)), one(part("/media/tide.mp4", size, lengthOf))}, []int{0, 1}, "path", ""},
		{"the longest prefix wins", "/data => /wrong; /data/tide.mp4 => /media/right.mp4", [][]simplex.PartSpec{one(part("/wrong/tide.mp4", size, lengthOf)), one(part("/media/right.mp4", size, lengthOf))}, []int{1}, "path", ""},
		{"by name and size", "", [][]simplex.PartSpec{one(part("/media/tide.mp4", size, lengthOf)), one(part("/media/x/tide.mp4", 7, lengthOf))}, []int{0}, "name and size", ""},
		{"by the name alone", "", [][]simplex.PartSpec{one(part("/media/tide.mp4", 7, lengthOf))}, []int{0}, "name", ""},
		{"of another length", "", [][]simplex.PartSpec{one(part("/media/tide.mp4", 7, time.Hour))}, nil, "", job.ClassNotInPlex},
		{"two of one name and size", "", [][]simplex.PartSpec{one(part("/media/x/tide.mp4", size, lengthOf)), one(part("/media/y/tide.mp4", size, lengthOf))}, nil, "", job.ClassAmbiguous},
		{"another name", "/data => /media", [][]simplex.PartSpec{one(part("/media/ebb.mp4", size, lengthOf))}, nil, "", job.ClassNotInPlex},
		{"nothing", "/data => /media", nil, nil, "", job.ClassNotInPlex},
		{"a version of an item", "/data => /media", [][]simplex.PartSpec{{part("/media/other.mp4", 1, lengthOf), part("/media/tide.mp4", size, lengthOf)}}, []int{0}, "path", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.Rules = b.rules(c.rules)
				scene := b.stash.AddScene(simstash.Scene{Title: "Tide", Files: []*simstash.File{{Path: "/data/tide.mp4", Size: size, Duration: lengthOf.Seconds()}}})
				var items []string
				for _, parts := range c.items {
					items = append(items, b.plex.AddItem(b.section, simplex.ItemSpec{Title: "?", Parts: parts}))
				}
				b.event(scene)
				b.drain()
				for i, item := range items {
					if got, want := b.item(item).Scalars["title"] == "Tide", slices.Contains(c.found, i); got != want {
						b.Errorf("item %d is the scene's: %v, want %v\n%s", i, got, want, b.log)
					}
				}
				e := b.explain(scene)
				switch {
				case c.class == job.ClassAmbiguous:
					if l := b.letters(); len(l) != 1 || l[0].Class != c.class || !strings.Contains(l[0].Error, "fits 2 items equally") || !strings.Contains(l[0].Error, "item "+items[1]) || e.Last.DeadClass != c.class {
						b.Errorf("letters %+v, explained %+v", l, e.Last)
					}
				case c.class == job.ClassNotInPlex:
					if j := b.job(scene); j.LastClass != c.class || !e.Last.Queued || e.Last.LastError == "" {
						b.Errorf("job %+v, explained %+v", j, e.Last)
					}
				default:
					b.nothingLeft()
				}
				if len(e.Items) != len(c.found) || len(e.Steps) == 0 {
					b.Fatalf("explained %+v", e)
				}
				// What was written is found again by its key, as long as the path is right.
				if rung := e.Items; len(rung) > 0 && !slices.Contains([]string{c.rung, "pushed"}, rung[0].Rung) {
					b.Errorf("found by %s, want %s", rung[0].Rung, c.rung)
				}
			})
		})
	}
}

// TestARuleThatIsMissingIsProposed once it would explain three matches.
func TestARuleThatIsMissingIsProposed(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Rules = nil
		for i := range 5 {
			scene := b.scene(fmt.Sprintf("Harbour/%d.mp4", i), simstash.Scene{Title: "?"})
			b.file(fmt.Sprintf("Harbour/%d.mp4", i))
			b.event(scene)
		}
		b.drain()
		if lines := b.log.lines("/data => /media"); len(lines) != 1 || lines[0].Level != slog.LevelWarn {
			b.Errorf("proposed %v\n%s", lines, b.log)
		}
	})
}

// TestTwoScenesNeverWriteOneItem: it belongs to the scene of its first part, and the
// other one says so.
func TestTwoScenesNeverWriteOneItem(t *testing.T) {
	inBubble(t, func(b *bench) {
		first, second := b.scene("1.mp4", simstash.Scene{Title: "First"}), b.scene("2.mp4", simstash.Scene{Title: "Second"})
		item := b.file("1.mp4", "2.mp4")
		for _, order := range [][]int64{{first, second}, {second, first}} {
			b.event(order[0])
			b.drain()
			b.event(order[1])
			b.drain()
			b.shows(item, map[string]string{"title": "First"})
		}
		if titles := b.plex.WritesTo(item, "title"); len(titles) != 1 {
			b.Errorf("the title was written as %+v", titles)
		}
		// The other is neither forgotten nor a failure.
		if c, letters := b.counts(), b.letters(); c.Joined != 1 || c.Dead+c.NotInPlex+c.Queued != 0 ||
			letters[0].Subject != job.Scene(second) || !strings.Contains(letters[0].Error, fmt.Sprintf("item %s, which belongs to scene %d", item, first)) {
			b.Errorf("%+v, letters %+v", c, letters)
		}
		if e := b.explain(second); !strings.Contains(e.Decision, "Split Apart") || len(e.Items) != 0 {
			b.Errorf("explained %+v", e)
		}
		if f := b.compare(); f.Same != 1 || f.Joined != 1 || f.Queued != 0 {
			b.Errorf("found %s", f)
		}
		// Split in Plex, it comes back by itself.
		b.plex.Remove(item)
		items := []string{b.file("1.mp4"), b.file("2.mp4")}
		f := b.compare()
		b.shows(items[0], map[string]string{"title": "First"})
		b.shows(items[1], map[string]string{"title": "Second"})
		if b.nothingLeft(); f.Joined != 0 {
			b.Errorf("found %s", f)
		}
	})
}

// TestAnItemWhoseFirstFileIsNoScenesIsTheNextOnes.
func TestAnItemWhoseFirstFileIsNoScenesIsTheNextOnes(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene := b.scene("2.mp4", simstash.Scene{Title: "Second"})
		item := b.file("1.mp4", "2.mp4")
		b.event(scene)
		b.drain()
		b.shows(item, map[string]string{"title": "Second"})
	})
}

// TestAnItemWithTwoFilesOfOneSceneIsWrittenOnce.
func TestAnItemWithTwoFilesOfOneSceneIsWrittenOnce(t *testing.T) {
	inBubble(t, func(b *bench) {
		s := simstash.Scene{Title: "Both", Files: []*simstash.File{{Path: "/data/2.mp4", Size: 3, Duration: 60}}}
		scene := b.scene("1.mp4", s)
		item := b.file("1.mp4", "2.mp4")
		b.event(scene)
		b.drain()
		b.shows(item, map[string]string{"title": "Both"})
		if c := b.plex.Counts(); c.Writes != 1 {
			b.Errorf("%d writes", c.Writes)
		}
	})
}

// TestASceneInTwoItemsIsWrittenToBoth, and said in one line.
func TestASceneInTwoItemsIsWrittenToBoth(t *testing.T) {
	inBubble(t, func(b *bench) {
		s := simstash.Scene{Title: "Both", Cover: picture(1), Files: []*simstash.File{{Path: "/data/2.mp4", Size: 3, Duration: 60}}}
		scene := b.scene("1.mp4", s)
		one, two := b.file("1.mp4"), b.file("2.mp4")
		b.event(scene)
		b.drain()
		for _, item := range []string{one, two} {
			b.shows(item, map[string]string{"title": "Both"})
			b.poster(item, picture(1), 1)
		}
		b.wantLog(slog.LevelInfo, fmt.Sprintf("item %s, %s: title, poster", one, two))
		if f := b.compare(); f.Same != 1 {
			b.Errorf("found %s", f)
		}
	})
}

// TestAnIndexThatIsOutOfDateIsRenewedBeforeASceneIsMissing: what is new costs a listing of
// what is new, what was moved or replaced a whole one, and neither more than one each.
func TestAnIndexThatIsOutOfDateIsRenewedBeforeASceneIsMissing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(b *bench, items []string)
		full   bool
	}{
		"new items": {func(b *bench, _ []string) { b.file("new 1.mp4"); b.file("new 2.mp4") }, false},
		"moved files, which Plex counts as no update": {func(b *bench, items []string) {
			b.plex.MovePart(items[0], 0, "/media/new 1.mp4")
			b.plex.MovePart(items[1], 0, "/media/new 2.mp4")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.Poster = false
				items := []string{b.file("old 1.mp4"), b.file("old 2.mp4")}
				time.Sleep(time.Hour) // a renewal reaches back ten minutes before the last look
				b.numbered(1)
				b.drain()
				time.Sleep(time.Hour)
				one, two := b.scene("new 1.mp4", simstash.Scene{Title: "1"}), b.scene("new 2.mp4", simstash.Scene{Title: "2"})
				c.change(b, items)
				b.plex.ResetCounts()
				b.event(one, two)
				if run := b.drain(); run.Done != 2 {
					b.Errorf("run %+v\n%s", run, b.log)
				}
				full, renewed := b.listings()
				if full != map[bool]int{true: 1}[c.full] || renewed == 0 || renewed > 2 {
					b.Errorf("%d listings in full, %d of what is new", full, renewed)
				}
			})
		})
	}
}

// TestALibraryIsNotListedInFullForEachSceneThatPlexLacks: a listing is good for ten
// minutes.
func TestALibraryIsNotListedInFullForEachSceneThatPlexLacks(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Poster = false
		b.numbered(1)
		b.drain()
		time.Sleep(11 * time.Minute)
		b.plex.ResetCounts()
		for i := range 20 {
			b.event(b.scene(fmt.Sprintf("lacking %d.mp4", i), simstash.Scene{Title: "?"}))
			b.drain()
			time.Sleep(25 * time.Second)
		}
		if full, renewed := b.listings(); full != 1 || renewed < 20 {
			b.Errorf("in eight minutes %d listings in full, %d of what is new", full, renewed)
		}
	})
}

// listings counts the requests for listings since the counts were reset: of everything,
// and of what is new.
func (b *bench) listings() (full, renewed int) {
	b.Helper()
	for _, r := range b.plex.Requests() {
		switch {
		case r.Method != "GET" || !strings.HasSuffix(r.Path, "/all"):
		case r.Query.Has("addedAt>>") || r.Query.Has("updatedAt>>"):
			renewed++
		default:
			full++
		}
	}
	return full, renewed
}

// TestAnItemThatVanishedIsLookedForAgain at once, and where its files are now.
func TestAnItemThatVanishedIsLookedForAgain(t *testing.T) {
	t.Parallel()
	for name, vanish := range map[string]func(b *bench, item string) string{
		"before it was read": func(b *bench, item string) string { return b.plex.Recreate(item) },
		"between its reading and its writing": func(b *bench, item string) string {
			b.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + item, Status: 404})
			return item
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
				b.event(scene)
				b.drain()
				b.edit(scene, map[string]any{"title": "B", "director": "Ann"})
				item = vanish(b, item)
				b.drain()
				b.shows(item, map[string]string{"title": "B", "director": "Ann"})
				b.nothingLeft()
				if rows := b.pushed(scene); len(rows) != 1 || rows[0].Key != item || len(rows[0].Intent) != 0 {
					b.Errorf("states %+v", rows)
				}
			})
		})
	}
}

// TestAPlexThatContradictsItselfIsNotAskedForEver: it lists an item which it does not
// have.
func TestAPlexThatContradictsItselfIsNotAskedForEver(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.plex.Script(simplex.Rule{Path: "^/library/metadata/" + item + "$", Status: 404, Count: -1})
		b.event(scene)
		run := b.drain()
		l := b.letters()
		if run.Processed() != 2 || len(l) != 1 || l[0].Class != job.ClassRejected || !strings.Contains(l[0].Error, "Optimize Database") {
			b.Errorf("run %+v, letters %+v\n%s", run, l, b.log)
		}
	})
}

// TestASceneThatIsGoneLeavesNothingBehind here, and everything in Plex.
func TestASceneThatIsGoneLeavesNothingBehind(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.event(scene)
		b.drain()
		b.plex.ResetCounts()
		b.mutate(`mutation($id: ID!){ sceneDestroy(input: {id: $id}) }`, map[string]any{"id": scene})
		if run := b.drain(); run.Gone != 1 {
			b.Errorf("run %+v", run)
		}
		b.shows(item, map[string]string{"title": "A"})
		b.wroteNothing()
		b.wantLog(slog.LevelInfo, fmt.Sprintf("scene %d is no longer in Stash", scene))
		if rows := b.pushed(scene); len(rows) != 0 {
			b.Errorf("states %+v", rows)
		}
		b.nothingLeft()
		if e := b.explain(scene); e.Decision != "Stash has no such scene" {
			b.Errorf("explained %+v", e)
		}
	})
}

// TestAMergeOfScenesHandsTheItemOn with what was written to it: tags that the destination
// lacks go, those of a person stay.
func TestAMergeOfScenesHandsTheItemOn(t *testing.T) {
	inBubble(t, func(b *bench) {
		sea, night := b.stash.AddTag(simstash.Tag{Name: "Sea"}), b.stash.AddTag(simstash.Tag{Name: "Night"})
		from, item := b.film("from.mp4", simstash.Scene{Title: "From", TagIDs: []int64{sea}})
		into, other := b.film("into.mp4", simstash.Scene{Title: "Into", TagIDs: []int64{night}})
		b.event(from, into)
		b.drain()
		b.listByHand(item, "genre", "By hand", "Sea")
		b.mutate(`mutation($s: [ID!]!, $d: ID!) { sceneMerge(input: {source: $s, destination: $d}) { id } }`, map[string]any{"s": []int64{from}, "d": into})
		b.event(from)
		b.drain()
		for _, item := range []string{item, other} {
			b.shows(item, map[string]string{"title": "Into"})
		}
		b.shows(item, map[string]string{"genre": "By hand, Night"})
		b.nothingLeft()
		if rows := b.pushed(into); len(rows) != 2 || len(b.pushed(from)) != 0 {
			b.Errorf("states %+v", rows)
		}
	})
}

// TestADestroyedSceneTakesOnlyItsLabelsAlong: they are ours alone, and may share or hide
// the film.
func TestADestroyedSceneTakesOnlyItsLabelsAlong(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Merge.Labels = []string{"Stash", "NAS"}
		f := b.films()
		b.listByHand(f.items[0], "label", "Kids", "nas", "Stash")
		b.shows(f.items[0], map[string]string{"label": "Kids, NAS, Stash"})
		b.mutate(`mutation($id: ID!) { sceneDestroy(input: {id: $id}) }`, map[string]any{"id": f.scenes[0]})
		b.drain()
		b.shows(f.items[0], map[string]string{"label": "Kids", "title": "Film 0", "genre": "Sea"})
		b.shows(f.items[1], map[string]string{"label": "NAS, Stash"})
		if rows := b.pushed(f.scenes[0]); len(rows) != 0 {
			b.Errorf("states %+v", rows)
		}
	})
}

// TestLabelsOfADestroyedSceneGoWhenPlexIsBack: the job waits with them.
func TestLabelsOfADestroyedSceneGoWhenPlexIsBack(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Merge.Labels = []string{"Stash"}
		f := b.films()
		b.mutate(`mutation($id: ID!) { sceneDestroy(input: {id: $id}) }`, map[string]any{"id": f.scenes[0]})
		b.down()
		b.drain()
		if j := b.job(f.scenes[0]); j.LastClass != job.ClassUnreachable || j.Attempt != 0 {
			b.Errorf("job %+v", j)
		}
		b.up()
		time.Sleep(time.Hour)
		b.drain()
		b.shows(f.items[0], map[string]string{"label": "", "title": "Film 0"})
		b.nothingLeft()
	})
}

// TestAnItemThatIsGoneTooHoldsNothingUp.
func TestAnItemThatIsGoneTooHoldsNothingUp(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Merge.Labels = []string{"Stash"}
		f := b.films()
		b.mutate(`mutation($id: ID!) { sceneDestroy(input: {id: $id}) }`, map[string]any{"id": f.scenes[0]})
		b.plex.Remove(f.items[0])
		if run := b.drain(); run.Gone != 1 {
			b.Errorf("run %+v", run)
		}
		b.nothingLeft()
	})
}

// TestWhoIsRenamedOrGoneReachesItsScenes: a performer, studio, tag or group stands for the
// scenes that show it, and, when it is gone, for those that showed it.
func TestWhoIsRenamedOrGoneReachesItsScenes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, field string
		add         func(b *bench, name string) int64
		show        func(s *simstash.Scene, id int64)
	}{
		{"performer", "actor", func(b *bench, n string) int64 { return b.stash.AddPerformer(simstash.Performer{Name: n}) }, func(s *simstash.Scene, id int64) { s.PerformerIDs = []int64{id} }},
		{"tag", "genre", func(b *bench, n string) int64 { return b.stash.AddTag(simstash.Tag{Name: n}) }, func(s *simstash.Scene, id int64) { s.TagIDs = []int64{id} }},
		{"studio", "studio", func(b *bench, n string) int64 { return b.stash.AddStudio(simstash.Studio{Name: n}) }, func(s *simstash.Scene, id int64) { s.StudioID = id }},
		{"group", "collection", func(b *bench, n string) int64 { return b.stash.AddGroup(simstash.Group{Name: n}) }, func(s *simstash.Scene, id int64) { s.Groups = []simstash.SceneGroup{{GroupID: id}} }},
	} {
		t.Run(c.kind, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.Merge.CollectGroups = true
				id := c.add(b, "Jane Doe")
				var scenes []int64
				var items []string
				for i := range 3 {
					s := simstash.Scene{Title: fmt.Sprintf("Film %d", i)}
					if i < 2 {
						c.show(&s, id)
					}
					scene, item := b.film(fmt.Sprintf("%d.mp4", i), s)
					scenes, items = append(scenes, scene), append(items, item)
				}
				b.event(scenes...)
				b.drain()
				kind := strings.ToUpper(c.kind[:1]) + c.kind[1:]
				for _, step := range []struct{ mutation, name string }{
					{fmt.Sprintf(`mutation($id: ID!){ %sUpdate(input: {id: $id, name: "Jane Roe"}) { id } }`, c.kind), "Jane Roe"},
					{fmt.Sprintf(`mutation($id: ID!){ %sDestroy(input: {id: $id}) }`, c.kind), ""},
				} {
					time.Sleep(time.Hour)
					b.plex.ResetCounts()
					b.mutate(step.mutation, map[string]any{"id": id})
					// Its scenes; the subject itself is no scene.
					if run := b.drain(); run.Done < 2 || run.Dead+run.Retry > 0 {
						b.Errorf("%s: run %+v\n%s", kind, run, b.log)
					}
					b.shows(items[0], map[string]string{c.field: step.name})
					b.shows(items[1], map[string]string{c.field: step.name})
					b.shows(items[2], map[string]string{c.field: ""})
					if n := b.plex.Counts().Writes; n != 2 {
						b.Errorf("%d writes for two items", n)
					}
				}
				b.nothingLeft()
			})
		})
	}
}

// TestAStudiosParentReachesTheScenesToo, where it is a collection.
func TestAStudiosParentReachesTheScenesToo(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Merge.CollectStudio, b.opt.Merge.CollectParents = true, true
		network := b.stash.AddStudio(simstash.Studio{Name: "Network"})
		studio := b.stash.AddStudio(simstash.Studio{Name: "Studio", ParentID: network})
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A", StudioID: studio})
		b.event(scene)
		b.drain()
		b.shows(item, map[string]string{"collection": "Network, Studio"})
		b.mutate(`mutation($id: ID!){ studioUpdate(input: {id: $id, name: "Net"}) { id } }`, map[string]any{"id": network})
		b.drain()
		b.shows(item, map[string]string{"collection": "Net, Studio"})
	})
}

func TestASubjectThatNoSceneShowsChangesNothing(t *testing.T) {
	inBubble(t, func(b *bench) {
		tag := b.stash.AddTag(simstash.Tag{Name: "Alone"})
		b.mutate(`mutation($id: ID!){ tagUpdate(input: {id: $id, name: "Lone"}) { id } }`, map[string]any{"id": tag})
		if run := b.drain(); run.Processed() != 0 || run.Writes != 0 {
			b.Errorf("run %+v", run)
		}
		b.nothingLeft()
	})
}

// TestANewFileIsScannedForOnceAFolder: Plex is asked for it, and when it has it, nobody
// has to do anything.
func TestANewFileIsScannedForOnceAFolder(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.ScanPlex = true
		b.film("old/there.mp4", simstash.Scene{Title: "There"})
		b.event(b.stash.AddScene(simstash.Scene{Title: "Elsewhere", Files: []*simstash.File{{Path: "/elsewhere/e.mp4", Size: 9, Duration: 60}}}))
		for _, name := range []string{"new/one.mp4", "new/two.mp4", "newer/three.mp4"} {
			b.event(b.scene(name, simstash.Scene{Title: "New"}))
			b.plex.AddOnDisk(b.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/" + name, Size: sizeOf(name), Duration: lengthOf}}})
		}
		b.drain()
		if scans := b.plex.Scans(); len(scans) != 2 || scans["/media/new"] != 1 || scans["/media/newer"] != 1 {
			b.Errorf("scans %v\n%s", scans, b.log)
		}
		b.wantLog(slog.LevelInfo, "Asked Plex to scan /media/new")
		time.Sleep(5 * time.Minute)
		b.drain()
		n := 0
		for _, it := range b.plex.Snapshot() {
			if it.Scalars["title"] == "New" {
				n++
			}
		}
		if n != 3 {
			b.Errorf("%d of 3 have arrived\n%s", n, b.log)
		}
	})
}

func TestAScanThatFailsIsOnlyTold(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.ScanPlex = true
		scene := b.scene("new/one.mp4", simstash.Scene{Title: "New"})
		b.plex.Script(simplex.Rule{Path: "/refresh$", Status: 400, Count: -1})
		b.event(scene)
		b.drain()
		b.wantLog(slog.LevelWarn, "scan")
		if j := b.job(scene); j.LastClass != job.ClassNotInPlex || j.Missing != 1 {
			b.Errorf("job %+v", j)
		}
	})
}

// TestScenesThatCouldNotBeMatchedComeBackWhenTheSettingsChange that decide about it, and
// no others do.
func TestScenesThatCouldNotBeMatchedComeBackWhenTheSettingsChange(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Rules = nil
		tie := b.stash.AddScene(simstash.Scene{Title: "Tie", Files: []*simstash.File{{Path: "/data/tie.mp4", Size: 7, Duration: 60}}})
		var items []string
		for _, folder := range []string{"x", "y"} {
			items = append(items, b.plex.AddItem(b.section, simplex.ItemSpec{Title: "?", Parts: []simplex.PartSpec{{File: "/media/" + folder + "/tie.mp4", Size: 7, Duration: time.Minute}}}))
		}
		lacking := b.scene("lacking.mp4", simstash.Scene{Title: "Lacking"})
		refused, item := b.film("refused.mp4", simstash.Scene{Title: "Refused"})
		b.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + item, Status: 400, Count: -1})
		b.event(tie, lacking, refused)
		b.drain()
		if l := b.letters(); len(l) != 2 {
			b.Fatalf("letters %+v", l)
		}
		time.Sleep(time.Second)
		if run := b.drain(); run.Processed() > 2 { // what was just updated is looked at once more
			b.Errorf("run %+v", run)
		}
		b.opt.Rules = b.rules("/data => /media/y")
		run := b.drain()
		b.shows(items[1], map[string]string{"title": "Tie"})
		b.shows(items[0], map[string]string{"title": "?"})
		if run.Done != 1 || run.Retry != 1 || run.Dead != 0 {
			b.Errorf("run %+v\n%s", run, b.log)
		}
		b.wantLog(slog.LevelInfo, "looking for 2 scenes again")
		if l := b.letters(); len(l) != 1 || l[0].Subject != job.Scene(refused) {
			b.Errorf("letters %+v", l)
		}
	})
}

// TestOnlyTheChosenLibrariesAreSynced, by title in any case or by key; an unknown one is
// named with those that there are.
func TestOnlyTheChosenLibrariesAreSynced(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		libraries []string
		films     bool
		series    bool
		says      string
		stops     bool
	}{
		{"all", nil, true, true, "", false},
		{"by title", []string{"FILMS"}, true, false, "", false},
		{"by key", []string{"2"}, false, true, "", false},
		{"twice the same", []string{"films", "1"}, true, false, "", false},
		{"one is unknown", []string{"Flims", "films"}, true, false, `no movie library "Flims"; it has "Films", "Series"`, false},
		{"none is known", []string{"Flims"}, false, false, `none of the libraries Flims; it has "Films", "Series"`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.Libraries = c.libraries
				second := b.plex.AddSection(simplex.SectionSpec{Title: "Series"})
				b.plex.AddSection(simplex.SectionSpec{Title: "Music", Type: "artist"})
				scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
				other := b.plex.AddItem(second, simplex.ItemSpec{Title: "?", Parts: []simplex.PartSpec{{File: "/media/a.mp4", Size: sizeOf("a.mp4"), Duration: lengthOf}}})
				b.event(scene)
				run := b.drain()
				for item, want := range map[string]bool{item: c.films, other: c.series} {
					if got := b.item(item).Scalars["title"] == "A"; got != want {
						b.Errorf("item %s is synced: %v, want %v\n%s", item, got, want, b.log)
					}
				}
				if c.says != "" {
					b.wantLog(slog.LevelError, c.says)
				}
				if c.stops {
					if j := b.job(scene); j.Attempt+j.Missing != 0 || run.Note == "" {
						b.Errorf("run %+v, job %+v", run, j)
					}
					if br := b.breaker(); br.Failures != 0 {
						b.Errorf("breaker %+v", br)
					}
				}
			})
		})
	}
}

func TestAPlexWithoutALibraryOfMoviesSaysSo(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.plex = simplex.New(simplex.Options{Token: token})
		b.plexNetwork = b.plex.Transport()
		b.plex.AddSection(simplex.SectionSpec{Title: "Music", Type: "artist"})
		scene := b.scene("a.mp4", simstash.Scene{Title: "A"})
		b.event(scene)
		b.drain()
		b.wantLog(slog.LevelError, "no movie library")
		if j := b.job(scene); j.Attempt+j.Missing != 0 {
			b.Errorf("job %+v", j)
		}
	})
}

// TestTheFieldsThatAreOffAreNotTouched.
func TestTheFieldsThatAreOffAreNotTouched(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Merge, b.opt.Poster = merge.Options{Title: true}, false
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A", Details: "Text", Director: "Ann", Cover: picture(1)})
		b.event(scene)
		b.drain()
		b.shows(item, map[string]string{"title": "A", "summary": "", "director": ""})
		b.poster(item, nil, 0)
		// Switched on, they arrive with the next look.
		b.opt.Merge.Summary, b.opt.Poster = true, true
		b.syncAll()
		b.shows(item, map[string]string{"title": "A", "summary": "Text", "director": ""})
		b.poster(item, picture(1), 1)
	})
}
