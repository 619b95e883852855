package worker_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/worker"
)

// Preview, unlock and the check of paths.

// TestAPreviewTellsAllAndWritesNothing: neither to Plex nor to the database.
func TestAPreviewTellsAllAndWritesNothing(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		b.edit(f.scenes[0], map[string]any{"title": "Else", "details": ""})
		b.edit(f.scenes[1], map[string]any{"cover_image": coverInput(picture(8))})
		_, fresh := b.film("new.mp4", simstash.Scene{Title: "New", Cover: picture(3)})
		b.film("empty.mp4", simstash.Scene{})
		tie := b.scene("tie.mp4", simstash.Scene{Title: "Tie"})
		b.file("x/tie.mp4")
		b.file("y/tie.mp4")
		lacking := b.scene("none.mp4", simstash.Scene{Title: "Lacking"})
		b.event(tie, lacking)
		b.drain() // and what is known is known
		b.byHand(f.items[0], map[string]string{"title": "Another's"})
		b.edit(f.scenes[1], map[string]any{"cover_image": coverInput(picture(9)), "director": "Ann"})
		_, newer := b.film("newer.mp4", simstash.Scene{Title: "Newer", Cover: picture(4)})
		b.preview() // the index learns of the new item
		time.Sleep(time.Minute)
		rows, snapshot := b.rows(), fmt.Sprint(b.plex.Snapshot())
		b.plex.ResetCounts()
		p, told := b.preview()
		b.wroteNothing()
		if now := fmt.Sprint(b.plex.Snapshot()); now != snapshot {
			b.Error("Plex is not as it was")
		}
		// For scenes that it does not find, the listing of Plex is read again.
		for _, table := range b.changedTables(rows) {
			if table != "item" && table != "section" {
				b.Errorf("changed is the table %s", table)
			}
		}
		want := worker.Previewed{Scenes: 9, Items: 3, Same: 3, Skipped: 1, NotFound: 2, First: p.First,
			Fields: map[string]int{"title": 2, "director": 1, "poster": 2, "locks": 2}}
		if got, want := fmt.Sprintf("%+v", p), fmt.Sprintf("%+v", want); got != want {
			b.Errorf("previewed\n%s, want\n%s", got, want)
		}
		byKey := map[string]worker.PreviewedItem{}
		for _, i := range told {
			byKey[i.Key] = i
		}
		if got, want := slices.Sorted(maps.Keys(byKey)), slices.Sorted(slices.Values([]string{f.items[0], f.items[1], newer})); !slices.Equal(got, want) {
			b.Fatalf("told are the items %v, want %v; %s is as it should be", got, want, fresh)
		}
		changes := func(key string) (all []string) {
			for _, c := range byKey[key].Changes {
				all = append(all, fmt.Sprintf("%s: %s -> %s", c.Field, c.Plex, *c.Write))
			}
			return all
		}
		if got := changes(f.items[0]); !slices.Equal(got, []string{"title: Another's -> Else"}) || byKey[f.items[0]].Poster || byKey[f.items[0]].Scene != f.scenes[0] {
			b.Errorf("changes %v of %+v", got, byKey[f.items[0]])
		}
		if got := changes(f.items[1]); !slices.Equal(got, []string{"director:  -> Ann"}) || !byKey[f.items[1]].Poster {
			b.Errorf("changes %v of %+v", got, byKey[f.items[1]])
		}
		if i := byKey[newer]; !i.Poster || i.Title != "Newer" || len(i.Changes) != 1 {
			b.Errorf("%+v", i)
		}
		// And so it comes.
		b.compare()
		if p, told := b.preview(); p.Items != 0 || p.Same != 6 || len(told) != 0 {
			b.Errorf("after it was written: %+v", p)
		}
	})
}

// TestAPreviewOfWhatIsFoundChangesNoRow at all.
func TestAPreviewOfWhatIsFoundChangesNoRow(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		b.edit(f.scenes[0], map[string]any{"title": "Else", "cover_image": coverInput(picture(9))})
		b.byHand(f.items[1], map[string]string{"title": "Another's"})
		time.Sleep(24 * time.Hour)
		rows := b.rows()
		b.plex.ResetCounts()
		if p, _ := b.preview(); p.Items != 2 || p.Same != 2 {
			b.Errorf("%+v", p)
		}
		b.wroteNothing()
		if changed := b.changedTables(rows); len(changed) > 0 {
			b.Errorf("changed are the tables %v", changed)
		}
	})
}

// TestAFirstPreviewKeepsOnlyTheListing: on an installation that has never run it reads
// Plex's listing, which it may keep, and nothing else is stored.
func TestAFirstPreviewKeepsOnlyTheListing(t *testing.T) {
	inBubble(t, func(b *bench) {
		for i := range 3 {
			b.film(fmt.Sprintf("%d.mp4", i), simstash.Scene{Title: fmt.Sprintf("Film %d", i)})
		}
		rows := b.rows()
		if p, _ := b.preview(); p.Items != 3 {
			b.Errorf("%+v", p)
		}
		b.wroteNothing()
		for _, table := range b.changedTables(rows) {
			if !slices.Contains([]string{"item", "section", "server"}, table) {
				b.Errorf("changed is the table %s", table)
			}
		}
	})
}

// TestAPreviewInPagesTellsTheSame, each scene once.
func TestAPreviewInPagesTellsTheSame(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Poster = false
		for i := range 450 {
			s := simstash.Scene{Title: fmt.Sprintf("Film %d", i)}
			if i%3 == 0 {
				s.Title = ""
			}
			b.film(fmt.Sprintf("%04d.mp4", i), s)
		}
		whole, told := b.preview()
		if whole.Next != 0 || len(told) != 300 || whole.Scenes != 450 || whole.Skipped != 150 {
			b.Fatalf("%+v", whole)
		}
		for name, size := range map[string][2]int{"by items": {50, 1000}, "by scenes": {1000, 120}} {
			var scenes []int64
			pages := 0
			for after := int64(0); ; pages++ {
				p, err := b.worker().PreviewFrom(b.Context(), after, size[0], size[1])
				must(b, err)
				for _, i := range p.First {
					scenes = append(scenes, i.Scene)
				}
				if p.Next == 0 {
					break
				}
				if p.Next <= after {
					b.Fatalf("%s: after %d comes %d", name, after, p.Next)
				}
				after = p.Next
			}
			if !slices.IsSorted(scenes) || len(slices.Compact(scenes)) != 300 || pages < 2 {
				b.Errorf("%s: %d items in %d pages", name, len(scenes), pages)
			}
		}
		b.wroteNothing()
	})
}

// TestAPreviewThatCannotBeMadeSaysWhy, and counts nothing against anybody.
func TestAPreviewThatCannotBeMadeSaysWhy(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(b *bench){
		"Plex is down":      (*bench).down,
		"Stash is down":     func(b *bench) { b.stash.Script(simstash.Fault{Path: "/graphql", Reset: true, Count: -1}) },
		"Stash stops":       func(b *bench) { b.stash.Script(simstash.Fault{Path: "/graphql", Skip: 1, Reset: true, Count: -1}) },
		"items are refused": func(b *bench) { b.plex.Script(simplex.Rule{Path: "^/library/metadata/", Status: 401, Count: -1}) },
		"no such library":   func(b *bench) { b.opt.Libraries = []string{"Flims"} },
		"covers fail": func(b *bench) {
			b.edit(1, map[string]any{"title": "?"})
			b.stash.Script(simstash.Fault{Path: "/screenshot", Reset: true, Count: -1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.films()
				time.Sleep(time.Hour)
				fail(b)
				rows := b.rows()
				b.plex.ResetCounts()
				if _, err := b.worker().Preview(b.Context(), func(worker.PreviewedItem) {}); err == nil || errors.Is(err, job.ErrStore) {
					b.Errorf("error %v", err)
				}
				if changed := b.changedTables(rows); len(changed) > 0 {
					b.Errorf("changed are the tables %v", changed)
				}
				b.wroteNothing()
			})
		})
	}
}

func TestWhoLeavesTakesTheLocksAlong(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Background = true
		f := b.films()
		b.byHand(f.items[0], map[string]string{"tagline": "Mine"})
		locks := b.item(f.items[0]).Locks
		for _, field := range []string{"title", "genre", "thumb", "art", "tagline"} {
			if !slices.Contains(locks, field) {
				b.Fatalf("locks %v", locks)
			}
		}
		unlock := func() int {
			b.Helper()
			n, err := b.worker().Unlock(b.Context())
			must(b, err)
			return n
		}
		gone := b.item(f.items[3])
		b.plex.Remove(gone.Key)
		b.opt.Merge.LeaveUnlocked = true
		if n := unlock(); n != 3 {
			b.Errorf("%d items were unlocked", n)
		}
		if locks := b.item(f.items[0]).Locks; !slices.Equal(locks, []string{"tagline"}) {
			b.Errorf("locks %v, want only the person's", locks)
		}
		b.shows(f.items[0], map[string]string{"title": "Film 0"})
		b.plex.ResetCounts()
		if n := unlock(); n != 0 {
			b.Errorf("%d items were unlocked again", n)
		}
		b.wroteNothing()
		// The same where the items have to be looked up anew.
		_, err := b.db.ForgetMatches(b.Context())
		must(b, err)
		if n := unlock(); n != 0 {
			b.Errorf("%d items were unlocked", n)
		}
		b.wroteNothing()
	})
}

// TestALockThatAWriteWasSettingGoesToo: the drain died before it knew.
func TestALockThatAWriteWasSettingGoesToo(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.event(scene)
		if !b.killed(anEdit, true) {
			b.Fatal("there was no edit: the test does not test")
		}
		if locks := b.item(item).Locks; !slices.Contains(locks, "title") {
			b.Fatalf("locks %v", locks)
		}
		if n, err := b.worker().Unlock(b.Context()); err != nil || n != 1 {
			b.Errorf("%d items, %v", n, err)
		}
		if locks := b.item(item).Locks; len(locks) != 0 {
			b.Errorf("locks %v", locks)
		}
	})
}

// TestUnlockGoesOnWhereItStopped: Plex fails in between.
func TestUnlockGoesOnWhereItStopped(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		b.opt.Merge.LeaveUnlocked = true
		b.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + f.items[2], Status: 400, Count: -1})
		n, err := b.worker().Unlock(b.Context())
		if err == nil || n != 2 {
			b.Errorf("%d items, %v", n, err)
		}
		b.plex.ClearScript()
		if m, err := b.worker().Unlock(b.Context()); err != nil || n+m != 4 {
			b.Errorf("%d and then %d items, %v", n, m, err)
		}
		b.down()
		if _, err := b.worker().Unlock(b.Context()); job.ClassOf(err) != job.ClassUnreachable {
			b.Errorf("error %v", err)
		}
	})
}

// TestPathsAreCheckedWithASample: how many are found by path, how many by name only, how
// many not at all, and which rule would help.
func TestPathsAreCheckedWithASample(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rules string
		read  bool
		want  worker.PathCheck
	}{
		{"/data => /media", true, worker.PathCheck{Scenes: 4, ByPath: 3, Missing: 1, Example: "/media/lacking.mp4"}},
		{"/data => /films", true, worker.PathCheck{Scenes: 4, ByName: 3, Missing: 1, Suggest: "/data => /media", Example: "/films/Harbour/0.mp4"}},
		{"", true, worker.PathCheck{Scenes: 4, ByName: 3, Missing: 1, Suggest: "/data => /media", Example: "/data/Harbour/0.mp4"}},
		{"/data => /media", false, worker.PathCheck{Scenes: 4, Missing: 4, Example: "/media/Harbour/0.mp4"}}, // nothing was read yet
	} {
		t.Run(fmt.Sprintf("%q, read %v", c.rules, c.read), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.Rules = b.rules(c.rules)
				for i := range 3 {
					b.film(fmt.Sprintf("Harbour/%d.mp4", i), simstash.Scene{Title: "?"})
				}
				b.scene("lacking.mp4", simstash.Scene{Title: "?"})
				b.stash.AddScene(simstash.Scene{Title: "without a file"})
				got, err := b.worker().CheckPaths(b.Context(), b.sample(), c.read)
				must(b, err)
				files := got.Files
				if got.Files = nil; !reflect.DeepEqual(got, c.want) {
					b.Errorf("got %+v, want %+v", got, c.want)
				}
				byPath, byName := 0, 0
				for _, f := range files {
					if !strings.HasPrefix(f.Path, "/data/") || f.Mapped == "" {
						b.Errorf("the file %+v is told", f)
					}
					if f.ByPath {
						byPath++
					}
					if f.ByName {
						byName++
					}
				}
				if len(files) != c.want.Scenes || byPath != c.want.ByPath || byName != c.want.ByName {
					b.Errorf("the files are %+v", files)
				}
				b.wroteNothing()
				if !c.read {
					b.askedOnlyWhoItIs()
				}
			})
		})
	}
}

// sample are all scenes of Stash, as a sample.
func (b *bench) sample() (all []worker.Scene) {
	b.Helper()
	var d worker.Deps
	deps := b.deps
	b.deps = func(x *worker.Deps) { d = *x }
	b.worker()
	b.deps = deps
	must(b, d.Stash.AllScenes(b.Context(), 0, func(page []worker.Scene) error { all = append(all, page...); return nil }))
	return all
}

func TestPathsThatCannotBeCheckedSayWhy(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.film("a.mp4", simstash.Scene{Title: "?"})
		sample := b.sample()
		b.down()
		if _, err := b.worker().CheckPaths(b.Context(), sample, true); job.ClassOf(err) != job.ClassUnreachable {
			b.Errorf("error %v", err)
		}
	})
}

// TestAwaitLooksForWhatPlexLacked, once in ten minutes at most, and only if something is
// awaited; an outage is no error.
func TestAwaitLooksForWhatPlexLacked(t *testing.T) {
	inBubble(t, func(b *bench) {
		await := func() {
			b.Helper()
			must(b, b.worker().Await(b.Context()))
		}
		await()
		b.askedNothing()
		scene := b.scene("new.mp4", simstash.Scene{Title: "New"})
		b.event(scene)
		b.drain()
		time.Sleep(time.Hour)
		item := b.file("new.mp4")
		b.plex.ResetCounts()
		await()
		if c := b.counts(); c.Due != 1 {
			b.Errorf("%+v", c)
		}
		asked := b.plex.Counts().Total
		await()
		if got := b.plex.Counts().Total; got != asked {
			b.Errorf("asked again after no time: %d requests more", got-asked)
		}
		b.drain()
		b.shows(item, map[string]string{"title": "New"})
		b.event(b.scene("newer.mp4", simstash.Scene{Title: "Newer"}))
		b.drain()
		time.Sleep(time.Hour)
		b.down()
		await()
		b.up()
		b.opt.Libraries = []string{"Flims"}
		await()
		// A file that was renamed counts in Plex as no update; once a day all is listed.
		b.opt.Libraries = nil
		old := b.file("old.mp4")
		time.Sleep(25 * time.Hour)
		b.plex.MovePart(old, 0, "/media/newer.mp4")
		await()
		b.drain()
		b.shows(old, map[string]string{"title": "Newer"})
	})
}
