package worker_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/worker"
)

// What is remembered when the server, the library or the item is not the one from before.

// onBoth runs a test on a Plex that appends to lists and on one that replaces them, with
// -short only on the first.
func onBoth(t *testing.T, test func(b *bench)) {
	t.Helper()
	for name, replace := range map[string]bool{"appends": false, "replaces": true} {
		if replace && testing.Short() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.replaces(replace)
				test(b)
			})
		})
	}
}

func (b *bench) replaces(replace bool) {
	b.plex.Set(func(o *simplex.Options) { o.ListsReplace = replace })
}

// server is a Plex that the bench can be connected to.
type server struct {
	*simplex.Server
	section string
	network http.RoundTripper
}

func (b *bench) server() server { return server{b.plex, b.section, b.plexNetwork} }

// use connects the bench to a server, as a new plexUrl does.
func (b *bench) use(s server) { b.plex, b.section, b.plexNetwork = s.Server, s.section, s.network }

// another is a Plex with the files of the films in another order, so that a rating key
// means another film there.
func (b *bench) another(machine string) (server, []string) {
	b.Helper()
	was := b.server()
	defer b.use(was)
	x := simplex.New(simplex.Options{Token: token, MachineID: machine})
	x.Set(func(o *simplex.Options) { was.Set(func(p *simplex.Options) { o.ListsReplace = p.ListsReplace }) })
	b.use(server{x, x.AddSection(simplex.SectionSpec{Title: "Films", Locations: []string{"/media"}}), x.Transport()})
	items := make([]string, 4)
	for i := 3; i >= 0; i-- {
		items[i] = b.file(fmt.Sprintf("lighthouse %d.mp4", i))
	}
	b.Cleanup(func() {
		for _, v := range x.Violations() {
			b.Errorf("the Plex %s was misused: %+v", machine, v)
		}
	})
	return b.server(), items
}

// right fails unless the items show the films, pictures too.
func (b *bench) right(items []string) {
	b.Helper()
	for i, item := range items {
		b.shows(item, map[string]string{"title": fmt.Sprintf("Film %d", i), "summary": fmt.Sprintf("About %d", i), "genre": "Sea", "actor": "Jane"})
		var cover []byte
		if i < 2 {
			cover = picture(i)
		}
		b.poster(item, cover, min(len(b.item(item).Uploads), 1))
	}
}

// quiet fails if what a person can start writes anything now.
func (b *bench) quiet() {
	b.Helper()
	b.plex.ResetCounts()
	b.syncAll()
	b.wroteNothing()
	b.allSame()
	if p, _ := b.preview(); p.Items != 0 {
		b.Errorf("a preview tells of %d items\n%s", p.Items, b.log)
	}
	b.nothingLeft()
}

// whole are the ways in which a person makes everything right.
var whole = map[string]func(b *bench){
	"Sync all scenes":   func(b *bench) { b.syncAll() },
	"Compare with Plex": func(b *bench) { b.compare() },
}

func TestAnotherServerIsRightAfterOneRun(t *testing.T) {
	t.Parallel()
	for name, run := range whole {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(b *bench) {
				f := b.films()
				first := b.server()
				second, items := b.another("second")
				b.use(second)
				if p, _ := b.preview(); p.Items != 4 || p.Same != 0 {
					b.Errorf("a preview of the new server tells of %d items", p.Items)
				}
				run(b)
				b.right(items)
				b.wantLog(slog.LevelWarn, "another Plex server")
				b.quiet()

				// Back at the first one, everything is remembered.
				b.use(first)
				b.quiet()
				b.right(f.items)
				b.use(second)
				b.quiet()
			})
		})
	}
}

// TestTheFirstServerIsRememberedWithItsEdits: there, a person's edit is still told from
// what we wrote.
func TestTheFirstServerIsRememberedWithItsEdits(t *testing.T) {
	t.Parallel()
	onBoth(t, func(b *bench) {
		b.opt.Merge.KeepPlexEdits = true
		f := b.films()
		b.byHand(f.items[0], map[string]string{"title": "Mine"})
		b.listByHand(f.items[1], "genre", "Sea", "By hand")
		b.plex.EditByPerson(f.items[1], simplex.Values{Poster: picture(9)})
		first := b.server()
		second, items := b.another("second")
		b.use(second)
		b.syncAll()
		b.right(items)
		b.edit(f.scenes[2], map[string]any{"title": "Film 2, cut", "tag_ids": []int64{}})
		b.drain()
		b.shows(items[2], map[string]string{"title": "Film 2, cut", "genre": ""})

		b.use(first)
		b.syncAll()
		b.shows(f.items[0], map[string]string{"title": "Mine"})
		b.shows(f.items[1], map[string]string{"title": "Film 1", "genre": "By hand, Sea"})
		b.shows(f.items[2], map[string]string{"title": "Film 2, cut", "genre": ""}) // what changed meanwhile
		b.poster(f.items[1], picture(9), 2)
		if n := len(b.plex.WritesTo(f.items[1], "title")); n != 1 {
			b.Errorf("the title of an item that nothing happened to was written %d times", n)
		}
		b.quiet()
	})
}

// TestAnEditFindsAServerThatIsNew: who changes plexUrl and nothing else has the whole
// library there after the next edit.
func TestAnEditFindsAServerThatIsNew(t *testing.T) {
	t.Parallel()
	onBoth(t, func(b *bench) {
		f := b.films()
		second, items := b.another("second")
		b.use(second)
		b.edit(f.scenes[3], map[string]any{"director": "Ann"})
		b.drain()
		b.right(items)
		b.shows(items[3], map[string]string{"director": "Ann"})
		if n := len(b.log.lines("another Plex server")); n != 1 {
			b.Errorf("told %d times", n)
		}
		b.quiet()
	})
}

func TestALibraryThatIsAddedAnewIsRightAfterOneRun(t *testing.T) {
	t.Parallel()
	for name, run := range whole {
		for _, keep := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, keepPlexEdits %v", name, keep), func(t *testing.T) {
				onBoth(t, func(b *bench) {
					b.opt.Merge.KeepPlexEdits = keep
					f := b.films()
					for range 2 { // what was done once is done again
						var keys map[string]string
						b.section, keys = b.plex.AddAnew(b.section)
						var items []string
						for _, item := range f.items {
							items = append(items, keys[item])
						}
						b.plex.RefreshByAgent(items[2], simplex.Values{Scalars: map[string]string{"summary": "An agent's"}, Tags: map[string][]simplex.Tag{"genre": {{Name: "Drama"}}}})
						if p, _ := b.preview(); p.Scenes != 4 || p.Items != 4 || p.Fields["title"] != 4 || p.Fields["poster"] != 2 {
							b.Errorf("a preview tells of %+v\n%s", p, b.log)
						}
						if e := b.explain(f.scenes[0]); e.Decision != "1 item would be written" {
							b.Errorf("explained as %q", e.Decision)
						}
						b.plex.ResetCounts()
						run(b)
						b.shows(items[2], map[string]string{"summary": "About 2", "genre": "Drama, Sea"})
						b.listByHand(items[2], "genre", "Sea")
						b.right(items)
						if writes := b.plex.Counts().Writes; writes > 8 {
							b.Errorf("%d writes for 4 items\n%s", writes, b.log)
						}
						b.quiet()
						f.items = items
					}
				})
			})
		}
	}
}

// TestAnItemUnderANewKeyGetsItsPosterWithTheSameRun, whoever finds it.
func TestAnItemUnderANewKeyGetsItsPosterWithTheSameRun(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(b *bench, f films){
		"Sync all scenes":   func(b *bench, _ films) { b.syncAll() },
		"Compare with Plex": func(b *bench, _ films) { b.compare() },
		"an edit":           func(b *bench, f films) { b.edit(f.scenes[0], map[string]any{"director": "Ann"}); b.drain() },
	} {
		for what, move := range map[string]func(b *bench, item string) string{
			"made anew":   func(b *bench, item string) string { return b.plex.Recreate(item) },
			"another key": func(b *bench, item string) string { return b.plex.Rekey(item) },
		} {
			for _, keep := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, keepPlexEdits %v", name, what, keep), func(t *testing.T) {
					onBoth(t, func(b *bench) {
						b.opt.Merge.KeepPlexEdits = keep
						f := b.films()
						time.Sleep(time.Hour)
						f.items[0] = move(b, f.items[0])
						run(b, f)
						b.right(f.items)
						b.quiet()
					})
				})
			}
		}
	}
}

// TestKeepPlexEditsOfItemsThatAreNew: nothing that a fresh item shows is a person's; what
// a person did to the old one under a key that only changed is.
func TestKeepPlexEditsOfItemsThatAreNew(t *testing.T) {
	t.Parallel()
	onBoth(t, func(b *bench) {
		b.opt.Merge.KeepPlexEdits = true
		f := b.films()
		for _, item := range f.items[:2] {
			b.byHand(item, map[string]string{"summary": "Mine"})
			b.listByHand(item, "genre", "By hand")
		}
		time.Sleep(time.Hour)
		fresh, moved := b.plex.Recreate(f.items[0]), b.plex.Rekey(f.items[1])
		b.syncAll()
		b.shows(fresh, map[string]string{"title": "Film 0", "summary": "About 0", "genre": "Sea"})
		b.shows(moved, map[string]string{"title": "Film 1"})
		b.byHand(fresh, map[string]string{"summary": "Mine again"})
		b.compare()
		b.shows(fresh, map[string]string{"summary": "Mine again"})
		if e := b.explain(f.scenes[0]); !strings.Contains(e.Decision, "keepPlexEdits") {
			b.Errorf("explained as %q", e.Decision)
		}
	})
}

// TestABaseNeverPassesToAnotherFilm: Stash gives an id again, and what was written for it
// is no base of the film that has it now.
func TestABaseNeverPassesToAnotherFilm(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(b *bench, scene int64, item string){
		"the item is gone":   func(b *bench, _ int64, item string) { b.plex.Remove(item) },
		"the item is there":  func(*bench, int64, string) {},
		"the item has a new": func(b *bench, _ int64, item string) { b.plex.Rekey(item) },
	} {
		for _, keep := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, keepPlexEdits %v", name, keep), func(t *testing.T) {
				onBoth(t, func(b *bench) {
					b.opt.Merge.KeepPlexEdits = keep
					sea, night := b.stash.AddTag(simstash.Tag{Name: "Sea"}), b.stash.AddTag(simstash.Tag{Name: "Night"})
					scene, item := b.film("a.mp4", simstash.Scene{Title: "A", Details: "About A", TagIDs: []int64{sea, night}, Cover: picture(1)})
					b.syncAll()
					b.shows(item, map[string]string{"genre": "Night, Sea"})
					time.Sleep(time.Hour)

					other := b.file("another film.mp4")
					b.listByHand(other, "genre", "Sea") // a person's
					b.byHand(other, map[string]string{"title": "A", "summary": "About B"})
					must(b, b.stash.Query(b.Context(), `mutation($id: ID!) { sceneDestroy(input: {id: $id}) }`, map[string]any{"id": scene}, nil))
					b.stash.AddScene(simstash.Scene{ID: scene, Title: "B", Details: "About B", TagIDs: []int64{night}, Cover: picture(2),
						Files: []*simstash.File{{Path: "/data/another film.mp4", Size: sizeOf("another film.mp4"), Duration: lengthOf.Seconds()}}})
					move(b, scene, item)
					b.syncAll()
					b.shows(other, map[string]string{"title": "B", "summary": "About B", "genre": "Night, Sea"})
					b.poster(other, picture(2), 1)
					if it, there := b.plex.Item(item); there {
						if got := names(it, "genre"); got != "Night, Sea" || it.Scalars["title"] != "A" {
							b.Errorf("the old item shows %q, %q", it.Scalars["title"], got)
						}
					}
					b.quiet()
				})
			})
		}
	}
}

// TestWhoOnlyLooksForgetsNothing: also at another server, and "Forget matches".
func TestWhoOnlyLooksForgetsNothing(t *testing.T) {
	t.Parallel()
	looks := map[string]func(b *bench, f films){
		"a preview":      func(b *bench, _ films) { b.preview() },
		"an explanation": func(b *bench, f films) { b.explain(f.scenes[0]) },
		"a health check": func(b *bench, _ films) {
			if _, err := b.worker().CheckPaths(b.Context(), []worker.Scene{}, true); err != nil {
				b.Error(err)
			}
		},
		"a test of settings": func(b *bench, _ films) {
			if _, err := b.worker().CheckPaths(b.Context(), []worker.Scene{}, false); err != nil {
				b.Error(err)
			}
		},
	}
	for name, look := range looks {
		for _, keep := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, keepPlexEdits %v", name, keep), func(t *testing.T) {
				onBoth(t, func(b *bench) {
					b.opt.Merge.KeepPlexEdits = keep
					f := b.films()
					time.Sleep(time.Hour)
					b.drain()
					if keep {
						b.plex.EditByPerson(f.items[0], simplex.Values{Poster: picture(9), Scalars: map[string]string{"title": "Mine"}})
					}
					first := b.server()
					second, _ := b.another("second")
					before := b.rows()
					b.use(second)
					look(b, f)
					b.use(first)
					for _, table := range b.changedTables(before) {
						if !strings.Contains("item section server", table) { // a copy of what that one has
							b.Errorf("the table %s has changed", table)
						}
					}
					b.quiet()
					if keep {
						b.poster(f.items[0], picture(9), 2)
						b.shows(f.items[0], map[string]string{"title": "Mine"})
					}
				})
			})
		}
	}
}

func TestForgetMatchesForgetsNoEdit(t *testing.T) {
	t.Parallel()
	onBoth(t, func(b *bench) {
		b.opt.Merge.KeepPlexEdits = true
		f := b.films()
		time.Sleep(time.Hour)
		b.plex.EditByPerson(f.items[0], simplex.Values{Poster: picture(9), Scalars: map[string]string{"title": "Mine"}})
		b.listByHand(f.items[1], "genre", "By hand")
		if n, err := b.db.ForgetMatches(b.Context()); err != nil || n == 0 {
			b.Fatal(n, err)
		}
		b.syncAll()
		b.shows(f.items[0], map[string]string{"title": "Mine"})
		b.shows(f.items[1], map[string]string{"genre": "By hand"})
		b.poster(f.items[0], picture(9), 2)
		b.quiet()
	})
}

// TestTwoStashesOnOnePlexAreToldOnce, and of which item.
func TestTwoStashesOnOnePlexAreToldOnce(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		other := newBench(b.T)
		other.use(b.server())
		other.scene("lighthouse 0.mp4", simstash.Scene{Title: "The lighthouse", Details: "About 0"})
		for range 8 {
			time.Sleep(24 * time.Hour)
			other.compare()
			time.Sleep(time.Hour)
			b.compare()
		}
		for _, x := range []*bench{b, other} {
			lines := x.log.lines("keeps overwriting")
			if len(lines) != 1 || lines[0].Level != slog.LevelWarn || !strings.Contains(lines[0].Text, "Item "+f.items[0]+" ") || !strings.Contains(lines[0].Text, "two Stash servers") {
				x.Errorf("told: %+v", lines)
			}
		}
	})
}

// TestAPersonWhoEditsOnceIsNoOtherServer.
func TestAPersonWhoEditsOnceIsNoOtherServer(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		for i := range 8 {
			b.byHand(f.items[i%4], map[string]string{"title": "Mine"})
			b.compare()
			b.compare()
		}
		b.noLog(slog.LevelInfo, "keeps overwriting")
	})
}

// TestAnItemInTheTrashIsNoneWhileALiveOneFits.
func TestAnItemInTheTrashIsNoneWhileALiveOneFits(t *testing.T) {
	t.Parallel()
	for name, run := range whole {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(b *bench) {
				f := b.films()
				time.Sleep(time.Hour)
				b.plex.Trash(f.items[0])
				live := b.file("lighthouse 0.mp4")
				only := f.items[1]
				b.plex.Trash(only) // nothing else fits
				b.edit(f.scenes[0], map[string]any{"director": "Ann"})
				b.edit(f.scenes[1], map[string]any{"director": "Ann"})
				run(b)
				b.shows(live, map[string]string{"title": "Film 0", "genre": "Sea", "director": "Ann"})
				b.poster(live, picture(0), 1)
				b.shows(f.items[0], map[string]string{"director": ""})
				b.shows(only, map[string]string{"director": "Ann"})
				b.plex.EmptyTrash(b.section)
				b.nothingLeft()
				b.plex.ResetCounts()
				b.compare()
				b.shows(live, map[string]string{"title": "Film 0"})
				b.wroteNothing()
			})
		})
	}
}

// between calls before with the method of each request to Plex, before it is sent.
func between(next http.RoundTripper, before func(method string)) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		before(r.Method)
		return next.RoundTrip(r)
	})
}
