package worker_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/worker"
)

// The compare: what it finds, what it costs, and that it goes on where it was.

// TestCompareFindsWhatNoEventTold makes every change that calls no hook, or moves no
// updated_at, and those that happen in Plex.
func TestCompareFindsWhatNoEventTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(b *bench, f *films)
		finds  func(worker.Found) int
		shows  func(b *bench, f *films)
	}{
		{"auto-tag", func(b *bench, f *films) {
			b.stash.AddTag(simstash.Tag{Name: "lighthouse"})
			b.mutate(`mutation { metadataAutoTag(input: {tags: ["*"]}) }`, nil)
		}, func(f worker.Found) int { return f.ChangedInStash }, func(b *bench, f *films) {
			b.shows(f.items[0], map[string]string{"genre": "Sea, lighthouse"})
		}},
		{"a merge of performers", func(b *bench, f *films) {
			ann := b.stash.AddPerformer(simstash.Performer{Name: "Ann"})
			b.mutate(`mutation($s: [ID!]!, $d: ID!) { performerMerge(input: {source: $s, destination: $d}) { id } }`, map[string]any{"s": []int64{f.jane}, "d": ann})
		}, func(f worker.Found) int { return f.ChangedInStash }, func(b *bench, f *films) {
			b.shows(f.items[0], map[string]string{"actor": "Ann"})
		}},
		{"a merge of scenes", func(b *bench, f *films) {
			b.mutate(`mutation($s: [ID!]!, $d: ID!) { sceneMerge(input: {source: $s, destination: $d}) { id } }`, map[string]any{"s": f.scenes[1:2], "d": f.scenes[0]})
		}, func(f worker.Found) int { return f.Gone + f.Rekeyed }, func(b *bench, f *films) {
			b.shows(f.items[0], map[string]string{"title": "Film 0"})
			b.shows(f.items[1], map[string]string{"title": "Film 0"})
		}},
		{"a scene that was destroyed", func(b *bench, f *films) {
			b.mutate(`mutation($id: ID!) { sceneDestroy(input: {id: $id}) }`, map[string]any{"id": f.scenes[3]})
			_, err := b.db.Clear(b.Context()) // as if no hook had told
			must(b, err)
		}, func(f worker.Found) int { return f.Gone }, func(b *bench, f *films) {
			b.shows(f.items[3], map[string]string{"title": "Film 3"})
			if rows := b.pushed(f.scenes[3]); len(rows) != 0 {
				b.Errorf("states %+v", rows)
			}
		}},
		{"a file that moved on both sides", func(b *bench, f *films) {
			sc, _ := b.stash.Scene(f.scenes[0])
			b.mutate(`mutation($f: [ID!]!) { moveFiles(input: {ids: $f, destination_basename: "moved.mp4"}) }`, map[string]any{"f": []int64{sc.Files[0].ID}})
			b.plex.MovePart(f.items[0], 0, "/media/moved.mp4")
			b.byHand(f.items[0], map[string]string{"title": "moved"})
		}, func(f worker.Found) int { return f.ChangedInPlex }, func(b *bench, f *films) {
			b.shows(f.items[0], map[string]string{"title": "Film 0"})
		}},
		{"a cover that was generated", func(b *bench, f *films) {
			b.mutate(`mutation($id: ID!) { sceneGenerateScreenshot(id: $id) }`, map[string]any{"id": f.scenes[3]})
		}, func(f worker.Found) int { return f.ChangedInStash }, func(b *bench, f *films) {
			if it := b.item(f.items[3]); len(it.Uploads) != 1 || it.PosterSHA1 == "" {
				b.Errorf("the cover did not arrive: %v", it.Uploads)
			}
		}},
		{"an item under a new key", func(b *bench, f *films) { f.items[0] = b.plex.Recreate(f.items[0]) },
			func(f worker.Found) int { return f.Rekeyed }, func(b *bench, f *films) {
				b.shows(f.items[0], map[string]string{"title": "Film 0", "genre": "Sea", "actor": "Jane"})
			}},
		{"an agent that refreshed", func(b *bench, f *films) {
			b.byHand(f.items[0], map[string]string{"summary": "An agent's"})
		}, func(f worker.Found) int { return f.ChangedInPlex }, func(b *bench, f *films) {
			b.shows(f.items[0], map[string]string{"summary": "About 0"})
		}},
		{"a tag that a person removed", func(b *bench, f *films) { b.listByHand(f.items[0], "genre", "By hand") },
			func(f worker.Found) int { return f.ChangedInPlex }, func(b *bench, f *films) {
				b.shows(f.items[0], map[string]string{"genre": "By hand, Sea"})
			}},
		{"a second item with the file", func(b *bench, f *films) { f.items[0] = b.file("lighthouse 0.mp4") },
			func(f worker.Found) int { return f.Rekeyed }, func(b *bench, f *films) {
				b.shows(f.items[0], map[string]string{"title": "Film 0"})
			}},
		{"a scene that is new", func(b *bench, f *films) {
			_, f.items[0] = b.film("new.mp4", simstash.Scene{Title: "New"})
		}, func(f worker.Found) int { return f.NeverPushed }, func(b *bench, f *films) {
			b.shows(f.items[0], map[string]string{"title": "New"})
		}},
		{"a scene that Plex lacks", func(b *bench, f *films) {
			f.scenes[0] = b.scene("none.mp4", simstash.Scene{Title: "New"})
		}, func(f worker.Found) int { return f.NotInPlex }, func(b *bench, f *films) {
			if j := b.job(f.scenes[0]); len(b.jobs()) != 1 || j.Missing != 1 {
				b.Errorf("jobs %+v", b.jobs())
			}
		}},
		{"a scene that fits two items", func(b *bench, f *films) {
			b.file("x/tie.mp4")
			b.file("y/tie.mp4")
			f.scenes[0] = b.scene("z/tie.mp4", simstash.Scene{Title: "Tie"})
		}, func(f worker.Found) int { return f.NeverPushed }, func(b *bench, f *films) {
			if l := b.letters(); len(l) != 1 || l[0].Class != job.ClassAmbiguous || l[0].Subject != job.Scene(f.scenes[0]) {
				b.Errorf("letters %+v", l)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				f := b.films()
				b.allSame()
				time.Sleep(time.Minute)
				c.change(b, &f)
				b.onlyCompare()
				if found := b.compare(); c.finds(found) != 1 && !strings.Contains(c.name, "merge") && c.name != "auto-tag" || c.finds(found) < 1 {
					b.Errorf("found %s\n%s", found, b.log)
				}
				c.shows(b, &f)
				b.compare() // what was written is read once more
				b.allSame()
			})
		})
	}
}

// TestTheNextDrainFindsWhatNoEventTold, of scenes that Stash has updated since the last
// look: auto-tag and generated covers move updated_at and call no hook.
func TestTheNextDrainFindsWhatNoEventTold(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		if at, err := worker.LastRecent(b.Context(), b.db); err != nil || time.Since(at) > time.Minute {
			b.Errorf("last asked %v, %v", at, err)
		}
		time.Sleep(time.Hour)
		b.stash.AddTag(simstash.Tag{Name: "lighthouse"})
		b.mutate(`mutation { metadataAutoTag(input: {tags: ["*"]}) }`, nil)
		b.mutate(`mutation($id: ID!) { sceneGenerateScreenshot(id: $id) }`, map[string]any{"id": f.scenes[3]})
		time.Sleep(time.Minute) // what changes in the second of a look is looked at again
		b.drain()
		b.shows(f.items[0], map[string]string{"genre": "Sea, lighthouse"})
		if it := b.item(f.items[3]); len(it.Uploads) != 1 {
			b.Errorf("the cover did not arrive: %v", it.Uploads)
		}
		time.Sleep(time.Hour)
		b.plex.ResetCounts()
		if run := b.drain(); run.Processed() != 0 {
			b.Errorf("looked at again: %+v", run)
		}
		b.askedNothing()
	})
}

// TestTheNextDrainFindsWhatScenesShow, if the hook of a performer, studio, tag or group
// was lost. Those whose event was worked, or waits, are not worked again.
func TestTheNextDrainFindsWhatScenesShow(t *testing.T) {
	renames := map[string]struct {
		mutation       string
		field, arrives string
	}{
		"performer": {`mutation { performerUpdate(input: {id: 1, name: "Joan"}) { id } }`, "actor", "Joan"},
		"studio":    {`mutation { studioUpdate(input: {id: 1, name: "Pier"}) { id } }`, "studio", "Pier"},
		"tag":       {`mutation { tagUpdate(input: {id: 1, name: "Ocean"}) { id } }`, "genre", "Ocean"},
		"group":     {`mutation { groupUpdate(input: {id: 1, name: "Part two"}) { id } }`, "collection", "Part two"},
	}
	for kind, c := range renames {
		t.Run(kind, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.Merge.CollectGroups, b.opt.Merge.CollectStudio = true, false
				_, item := b.film("a.mp4", simstash.Scene{
					Title:        "One",
					PerformerIDs: []int64{b.stash.AddPerformer(simstash.Performer{Name: "Jane"})},
					StudioID:     b.stash.AddStudio(simstash.Studio{Name: "Harbor"}),
					TagIDs:       []int64{b.stash.AddTag(simstash.Tag{Name: "Sea"})},
					Groups:       []simstash.SceneGroup{{GroupID: b.stash.AddGroup(simstash.Group{Name: "Part one"})}},
				})
				b.syncAll()
				time.Sleep(time.Hour)
				b.drain()

				b.lost = true
				time.Sleep(time.Hour)
				b.mutate(c.mutation, nil)
				time.Sleep(time.Minute)
				b.drain()
				b.shows(item, map[string]string{c.field: c.arrives})
				b.lost = false
				for what, wait := range map[string]time.Duration{"soon": 3 * time.Second, "later": time.Hour} {
					time.Sleep(wait)
					if run := b.drain(); run.Processed() != 0 {
						b.Errorf("worked again %s: %+v", what, run)
					}
				}
				b.mutate(strings.Replace(c.mutation, `name: "`, `name: "The `, 1), nil)
				time.Sleep(2 * time.Second)
				if run := b.drain(); run.Processed() != 1 {
					b.Errorf("with its event: %+v", run)
				}
				time.Sleep(time.Second)
				if run := b.drain(); run.Processed() != 0 {
					b.Errorf("worked again after its event: %+v", run)
				}
			})
		})
	}
}

// TestManyThatScenesShowAreLookedAtOnce: rather the whole library than each of them.
func TestManyThatScenesShowAreLookedAtOnce(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.films()
		for i := range 600 {
			b.stash.AddTag(simstash.Tag{Name: fmt.Sprint("Tag ", i), CreatedAt: time.Now().Add(-time.Hour), UpdatedAt: time.Now().Add(time.Minute)})
		}
		time.Sleep(2 * time.Minute)
		if run := b.drain(); run.Processed() != 4 {
			b.Errorf("instead of the library: %+v", run)
		}
		time.Sleep(time.Minute)
		if run := b.drain(); run.Processed() != 0 {
			b.Errorf("worked again: %+v", run)
		}
	})
}

// TestAClockThatWasSetBackDoesNotStopTheLook.
func TestAClockThatWasSetBackDoesNotStopTheLook(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		b.onlyCompare() // the last look was in the future
		time.Sleep(time.Minute)
		b.stash.AddTag(simstash.Tag{Name: "lighthouse"})
		b.drain() // it notes the time
		time.Sleep(time.Minute)
		b.mutate(`mutation { metadataAutoTag(input: {tags: ["*"]}) }`, nil)
		b.drain()
		b.shows(f.items[0], map[string]string{"genre": "Sea, lighthouse"})
	})
}

// TestWhatAComparesReads: its own reads in Plex only what the listing says has moved, a
// person's every item.
func TestWhatACompareReads(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.CompareEvery = 24 * time.Hour
		f := b.films()
		b.compare()
		read := func() (n int) {
			for _, r := range b.plex.Requests() {
				if r.Method == "GET" && strings.HasPrefix(r.Path, "/library/metadata/") {
					n += strings.Count(r.Path, ",") + 1
				}
			}
			return n
		}
		for moved, full := range map[int]bool{0: false, 1: false, 2: true} {
			time.Sleep(25 * time.Hour)
			if moved > 0 {
				b.byHand(f.items[0], map[string]string{"tagline": fmt.Sprint("mine ", moved)}) // a field that is not synced
			}
			b.plex.ResetCounts()
			found, want := worker.Found{}, moved
			if full {
				found, want = b.compare(), 4
			} else {
				b.drain()
				found = b.compared().Found
			}
			if got := read(); got != want || found.Same != 4 || found.Queued != 0 {
				b.Errorf("full %v: %d items were read, want %d; found %s", full, got, want, found)
			}
			b.wroteNothing()
		}
	})
}

// TestACompareTrustsWhatWasReadBack: what a drain wrote and read back a second later need
// not be read once more, and a later edit shows all the same.
func TestACompareTrustsWhatWasReadBack(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.plex.Set(func(o *simplex.Options) { o.WriteTime = 20 * time.Millisecond })
		var items []string
		for i := range 400 {
			scene, item := b.film(fmt.Sprintf("%d.mp4", i), simstash.Scene{Title: fmt.Sprintf("Film %d", i), Cover: picture(i)})
			b.event(scene)
			items = append(items, item)
		}
		b.drain()
		b.plex.ResetCounts()
		b.byHand(items[0], map[string]string{"title": "Mine"})
		must(b, worker.AskCompare(b.Context(), b.db, time.Now(), false))
		b.drain()
		read := 0
		for _, r := range b.plex.Requests() {
			if r.Method == "GET" && strings.HasPrefix(r.Path, "/library/metadata/") {
				read += strings.Count(r.Path, ",") + 1
			}
		}
		// 25 scenes were written in the second before the last were read back; one was
		// edited by a person, and is read to be written and to be read back.
		if found := b.compared().Found; found.ChangedInPlex != 1 || found.Same != 399 || read < 3 || read > 40 {
			b.Errorf("found %s; %d items were read", found, read)
		}
		b.shows(items[0], map[string]string{"title": "Film 0"})
		b.allSame()
	})
}

// TestTheFirstCompareWaitsForADay: a new installation is not synced whole before anybody
// has looked at its settings; without the setting there is none.
func TestTheFirstCompareWaitsForADay(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{0, 24 * time.Hour, 3 * time.Hour} {
		t.Run(every.String(), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.CompareEvery = every
				_, item := b.film("a.mp4", simstash.Scene{Title: "A"})
				time.Sleep(time.Minute)
				for hours := range 30 {
					b.drain()
					if got, want := b.item(item).Scalars["title"] == "A", every > 0 && time.Duration(hours)*time.Hour >= every; got != want {
						b.Errorf("after %d hours: synced %v, want %v", hours, got, want)
					}
					time.Sleep(time.Hour)
				}
			})
		})
	}
}

// TestAskingForACompareTwiceIsOnce, unless a person wants more than what is under way.
func TestAskingForACompareTwiceIsOnce(t *testing.T) {
	inBubble(t, func(b *bench) {
		ask := func(full bool) worker.Comparing {
			b.Helper()
			must(b, worker.AskCompare(b.Context(), b.db, time.Now(), full))
			_, wanted, err := worker.LastCompare(b.Context(), b.db)
			must(b, err)
			return wanted
		}
		first := ask(false)
		time.Sleep(time.Minute)
		if again := ask(false); again != first || first.Full || first.Asked.IsZero() {
			b.Errorf("%+v, then %+v", first, again)
		}
		full := ask(true)
		if !full.Full || !full.Asked.After(first.Asked) {
			b.Errorf("a person's: %+v", full)
		}
		time.Sleep(time.Minute)
		if again := ask(false); again != full {
			b.Errorf("%+v, then %+v", full, again)
		}
		time.Sleep(7 * time.Hour) // nobody came to do it
		if again := ask(false); !again.Asked.After(full.Asked) {
			b.Errorf("%+v, then %+v", full, again)
		}
		// A note that cannot be read is none.
		must(b, b.db.SetMeta(b.Context(), job.MetaCompare, "{"))
		if again := ask(true); again.Asked != time.Now().UTC() {
			b.Errorf("%+v", again)
		}
	})
}

// TestACompareThatIsKilledGoesOnWhereItWas, and edits overtake it.
func TestACompareThatIsKilledGoesOnWhereItWas(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Poster = false
		n := 2500 // of which a page has 1,000
		if testing.Short() {
			n = 1100
		}
		for i := range n {
			b.film(fmt.Sprintf("%04d.mp4", i), simstash.Scene{})
		}
		b.edit(7, map[string]any{"title": "A"})
		fresh, _ := b.film("fresh.mp4", simstash.Scene{Title: "Fresh"})
		time.Sleep(time.Hour) // so that no drain takes them for recent
		b.drain()
		must(b, worker.AskCompare(b.Context(), b.db, time.Now(), true))
		b.stash.ResetCounts()
		under, kills := worker.Comparing{}, 0
		// Each kill comes one request later, until it is past the first page.
		for at := 1; under.After < 1000; at++ {
			if !b.killed(nth(at), true) {
				b.Fatal("the compare ended before it was killed: the test does not test")
			}
			kills++
			var err error
			began := under.Began
			_, under, err = worker.LastCompare(b.Context(), b.db)
			must(b, err)
			if !under.Began.Equal(began) {
				at = 0 // from here on a drain asks for less
			}
		}
		if under.Began.IsZero() || under.Total != n+1 || under.Found.Scenes() < 1000 {
			b.Errorf("after %d kills: %+v", kills, under)
		}
		b.edit(fresh, map[string]any{"title": "Fresher"})
		began := time.Now()
		b.drain()
		c := b.compared()
		if c.Found.Scenes() != n+1 || c.Found.WithoutMetadata != n-1 || !c.Began.Equal(under.Began) || c.Ended.Before(began) {
			b.Errorf("in the end it found %s (%d scenes); it began %v, and before the kill %v", c.Found, c.Found.Scenes(), c.Began, under.Began)
		}
		b.allSame()
	})
}

// TestACompareThatStoodStillForLongBeginsAnew: what it knows of Plex is too old.
func TestACompareThatStoodStillForLongBeginsAnew(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.films()
		stale := worker.Comparing{Asked: time.Now().UTC(), Began: time.Now().UTC(), Full: true, Total: 4, After: 3, Found: worker.Found{Same: 3}}
		text, err := json.Marshal(stale)
		must(b, err)
		must(b, b.db.SetMeta(b.Context(), job.MetaCompare, string(text)))
		time.Sleep(7 * time.Hour)
		b.drain()
		if c := b.compared(); !c.Began.After(stale.Began) || c.Found.Same != 4 || !c.Full {
			b.Errorf("%+v", c)
		}
	})
}

// TestACompareStopsAtAnOutageAndGoesOnAfterIt, of Plex or of Stash, wherever it is.
func TestACompareStopsAtAnOutageAndGoesOnAfterIt(t *testing.T) {
	t.Parallel()
	listing, items := simplex.Rule{Method: "GET", Path: "/all$", Count: -1}, simplex.Rule{Method: "GET", Path: "^/library/metadata/", Count: -1}
	with := func(r simplex.Rule, change func(*simplex.Rule)) func(*bench) {
		change(&r)
		return func(b *bench) { b.plex.Script(r) }
	}
	for name, fail := range map[string]func(*bench){
		"Plex is down":           (*bench).down,
		"the listing is cut":     with(listing, func(r *simplex.Rule) { r.Cut = true }),
		"the listing is refused": with(listing, func(r *simplex.Rule) { r.Status = 400 }),
		"items cannot be read": func(b *bench) {
			b.plex.Script(answering(items, 503), simplex.Rule{Path: "/identity", Nth: 2, Count: -1, Status: 503})
		},
		"Stash does not count": func(b *bench) {
			b.stash.Script(simstash.Fault{Path: "/graphql", Query: "count", Reset: true, Count: -1})
		},
		"Stash does not list": func(b *bench) {
			b.stash.Script(simstash.Fault{Path: "/graphql", Query: "per_page|GREATER_THAN", Skip: 1, Reset: true, Count: -1})
		},
		"another library": func(b *bench) { b.opt.Libraries = []string{"Flims"} },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				f := b.films()
				time.Sleep(time.Hour)
				b.drain() // what changed while the first ran
				b.byHand(f.items[0], map[string]string{"title": "Else"})
				must(b, worker.AskCompare(b.Context(), b.db, time.Now(), true))
				fail(b)
				for range 3 {
					run := b.drain()
					if run.Note == "" || run.Dead+run.Retry > 0 {
						b.Errorf("run %+v", run)
					}
					time.Sleep(2 * time.Minute)
				}
				if _, wanted, err := worker.LastCompare(b.Context(), b.db); err != nil || wanted.Asked.IsZero() {
					b.Errorf("the compare was given up: %+v, %v\n%s", wanted, err, b.log)
				}
				if len(b.jobs())+len(b.letters()) > 0 {
					b.Errorf("jobs %+v, letters %+v", b.jobs(), b.letters())
				}
				b.up()
				b.stash.ClearScript()
				b.opt.Libraries = nil
				time.Sleep(2 * time.Minute)
				b.drain()
				if c := b.compared(); c.Found.ChangedInPlex != 1 || c.Found.Same != 3 {
					b.Errorf("found %s", c.Found)
				}
				b.shows(f.items[0], map[string]string{"title": "Film 0"})
			})
		})
	}
}

func answering(r simplex.Rule, status int) simplex.Rule { r.Status = status; return r }

// TestACompareEndsTheOutageThatStoppedIt: with the queue empty no job can decide whether
// Plex works, so that the compare does.
func TestACompareEndsTheOutageThatStoppedIt(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*bench){
		"before it began": func(b *bench) { b.plex.Set(func(o *simplex.Options) { o.Token = "another" }) },
		"in its middle": func(b *bench) {
			b.plex.Script(simplex.Rule{Method: "GET", Path: "^/library/metadata/", Status: 401, Count: -1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				f := b.films()
				time.Sleep(time.Hour)
				b.byHand(f.items[0], map[string]string{"title": "Else"})
				must(b, worker.AskCompare(b.Context(), b.db, time.Now(), true))
				fail(b)
				b.drain()
				if br := b.breaker(); br.State != job.BreakerOpen || br.Cause != job.ClassUnauthorized {
					b.Fatalf("breaker %+v\n%s", br, b.log)
				}
				b.up()
				b.plex.Set(func(o *simplex.Options) { o.Token = token })
				for range 2 {
					time.Sleep(2 * time.Minute)
					b.drain()
				}
				b.shows(f.items[0], map[string]string{"title": "Film 0"})
				if c := b.compared(); c.Found.ChangedInPlex != 1 || c.Found.Same != 3 {
					b.Errorf("found %s", c.Found)
				}
				if br := b.breaker(); !br.Closed() {
					b.Errorf("breaker %+v", br)
				}
				if outages, err := b.db.Outages(b.Context(), 10); err != nil || len(outages) != 1 || outages[0].Ended.IsZero() {
					b.Errorf("outages %+v, %v", outages, err)
				}
			})
		})
	}
}

// TestACompareLeavesAloneWhatHasAJobOrALetter, and counts it.
func TestACompareLeavesAloneWhatHasAJobOrALetter(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		lacking := b.scene("lacking.mp4", simstash.Scene{Title: "Lacking"})
		b.event(lacking)
		b.drain()
		b.dead(f.scenes[1], job.ClassRejected, "refused", time.Now())
		b.byHand(f.items[1], map[string]string{"title": "Else"})
		b.byHand(f.items[2], map[string]string{"title": "Else"})
		b.onlyCompare()
		// A drain of nobody's: the missing scene's job waits.
		must(b, worker.AskCompare(b.Context(), b.db, time.Now(), false))
		b.drain()
		found := b.compared().Found
		want := worker.Found{Same: 2, ChangedInPlex: 1, Dead: 1, Waiting: 1, Queued: 1}
		if found != want {
			b.Errorf("found %s, want %s", found, want)
		}
		b.shows(f.items[1], map[string]string{"title": "Else"})
		b.shows(f.items[2], map[string]string{"title": "Film 2"})
		b.wantLog(slog.LevelInfo, "Compared 5 scenes")
	})
}

// TestWhatPlexLackedIsQueuedOnceByCompares, not by each.
func TestWhatPlexLackedIsQueuedOnceByCompares(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.dead(b.scene("lacking.mp4", simstash.Scene{Title: "Lacking"}), job.ClassNotInPlex, "lacks it", time.Now())
		if f := b.compare(); f.NotInPlex != 1 || f.Queued != 0 {
			b.Errorf("found %s", f)
		}
	})
}

// TestAPoisonousItemDoesNotStopACompare: its own scene is queued, and fails by itself.
func TestAPoisonousItemDoesNotStopACompare(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Poster = false
		f := b.films()
		b.byHand(f.items[3], map[string]string{"title": "Else"})
		b.plex.Script(simplex.Rule{Method: "GET", Path: "^/library/metadata/(.*,)?" + f.items[1] + "(,|$)", Status: 500, Count: -1})
		found := b.compare()
		if found.ChangedInPlex != 2 || found.Same != 2 {
			b.Errorf("found %s", found)
		}
		b.shows(f.items[3], map[string]string{"title": "Film 3"})
		if j := b.job(f.scenes[1]); j.LastClass != job.ClassBusy {
			b.Errorf("job %+v", j)
		}
	})
}

// TestWhatACompareFindsIsToldInWords: everything that is not zero, and the sum.
func TestWhatACompareFindsIsToldInWords(t *testing.T) {
	f := worker.Found{NeverPushed: 1, ChangedInStash: 2, ChangedInPlex: 3, Rekeyed: 4, Gone: 5, NotInPlex: 6, Same: 7,
		WithoutMetadata: 8, Excluded: 9, Waiting: 10, Dead: 11, Joined: 12, Unreadable: 13, Queued: 15}
	if got := f.Scenes(); got != 1+2+3+4+6+7+8+9+10+11+12+13 {
		t.Errorf("%d scenes; those that are gone are none, and those queued are among the others", got)
	}
	var numbers []string
	for _, part := range strings.Split(f.String(), ", ") {
		number, what, _ := strings.Cut(part, " ")
		if what == "" {
			t.Errorf("%q tells no word", part)
		}
		numbers = append(numbers, number)
	}
	slices.SortFunc(numbers, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	if want := []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13"}; !slices.Equal(numbers, want) {
		t.Errorf("told are %v of %s", numbers, f)
	}
	if s := (worker.Found{Same: 3}).String(); strings.Contains(s, "0") || !strings.HasPrefix(s, "3 ") {
		t.Errorf("%q", s)
	}
}
