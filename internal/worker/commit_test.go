package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
)

// Writing: what is stored before and after, what is read back, pictures, and what is left
// when the process dies in between.

// TestWhatIsAboutToBeWrittenIsStoredBefore the request, and is no intent any more when the
// job has ended.
func TestWhatIsAboutToBeWrittenIsStoredBefore(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A", TagIDs: []int64{b.stash.AddTag(simstash.Tag{Name: "Sea"})}})
		puts := 0
		b.plexNetwork = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				puts++
				rows := b.pushed(scene)
				if len(rows) != 1 || rows[0].Key != item || rows[0].WantedHash != "" || !strings.Contains(string(rows[0].Intent), `"A"`) || strings.Contains(string(rows[0].Base), `"A"`) {
					b.Errorf("while the edit is under way the state is %+v", rows)
				}
			}
			return b.plex.Transport().RoundTrip(r)
		})
		b.event(scene)
		b.drain()
		rows := b.pushed(scene)
		if puts != 1 || len(rows) != 1 || rows[0].WantedHash == "" || len(rows[0].Intent) != 0 || !strings.Contains(string(rows[0].Base), `"A"`) {
			b.Errorf("after %d edits the state is %+v", puts, rows)
		}
		if want := []job.Subject{{Kind: job.KindTag, ID: 1}}; !slices.Equal(rows[0].Refs, want) || rows[0].Path != "/media/a.mp4" || rows[0].Section != b.section {
			b.Errorf("state %+v", rows[0])
		}
	})
}

// killed runs a drain in a process of its own that dies at the request of which at says
// so, before the server gets it or after the server has carried it out; nobody hears the
// answer. It reports whether the drain got so far. What it had in hand is lost, and
// nothing is stored afterwards: the database is closed first.
func (b *bench) killed(at func(n int, r *http.Request) bool, after bool) (died bool) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	process := *b
	process.openStore()
	var mu sync.Mutex
	asked := 0
	through := func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			if asked++; !died && !at(asked, r) {
				return next.RoundTrip(r)
			}
			if !died {
				if after {
					if res, err := next.RoundTrip(r); err == nil {
						res.Body.Close()
					}
				}
				died = true
				process.db.Close()
				cancel()
			}
			return nil, errors.New("this process is dead")
		})
	}
	process.stashNetwork, process.plexNetwork = through(b.stash.Transport()), through(b.plex.Transport())
	if _, err := process.worker().Drain(ctx); err != nil && !died {
		b.Fatal(err)
	}
	process.db.Close()
	return died
}

// nth is the n-th request of a drain, from 1; anEdit its first edit of an item.
func nth(n int) func(int, *http.Request) bool {
	return func(at int, _ *http.Request) bool { return at == n }
}

func anEdit(_ int, r *http.Request) bool { return r.Method == http.MethodPut }

// TestADrainKilledAtAnyRequestLosesNothing kills a drain at its first request, at its
// second, and so on, each before the server has it and after. Then a person goes on in
// Plex; the next drain brings everything, uploads nothing twice, and knows what is ours
// from what is the person's, now and when Stash drops things later.
func TestADrainKilledAtAnyRequestLosesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                string
		first, keep, random bool
	}{
		{"the first write to an item", true, false, false},
		{"a later write", false, false, false},
		{"a later write, keepPlexEdits", false, true, false},
		{"the first write, uploads have names of their own", true, false, true},
		{"a later write, uploads have names of their own", false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			points := 0
			for _, after := range []bool{false, true} {
				for n := 1; ; n++ {
					died := false
					t.Run(fmt.Sprintf("request %d, %v", n, map[bool]string{false: "before", true: "after"}[after]), func(t *testing.T) {
						bubble(t, func(b *bench) { died = b.killAndGoOn(n, after, c.first, c.keep, c.random) })
					})
					if !died || t.Failed() {
						break
					}
					points++
				}
			}
			t.Logf("%d moments", points)
			if points < 20 && !t.Failed() {
				t.Errorf("only %d moments: the test does not test", points)
			}
		})
	}
}

func (b *bench) killAndGoOn(n int, after, first, keep, random bool) (died bool) {
	b.plex.Set(func(o *simplex.Options) { o.RandomUploads, o.NoPictureLock = random, random })
	b.opt.Merge.KeepPlexEdits = keep
	var tags []int64
	for _, name := range []string{"Sea", "Night", "Fog"} {
		tags = append(tags, b.stash.AddTag(simstash.Tag{Name: name}))
	}
	sea, night, fog := tags[0], tags[1], tags[2]
	jane := b.stash.AddPerformer(simstash.Performer{Name: "Jane"})
	scene, item := b.film("a.mp4", simstash.Scene{Title: "Old", TagIDs: []int64{night}, Cover: picture(1)})
	other, second := b.film("b.mp4", simstash.Scene{Title: "Other"})
	b.listByHand(item, "genre", "By hand")
	uploads := 1
	if !first {
		b.event(scene, other)
		b.drain()
		time.Sleep(time.Hour)
		uploads = 2
		b.shows(item, map[string]string{"title": "Old", "genre": "By hand, Night"})
	}
	b.edit(scene, map[string]any{"title": "New", "tag_ids": []int64{sea, fog}, "performer_ids": []int64{jane}, "cover_image": coverInput(picture(2))})
	b.event(other)
	died = b.killed(nth(n), after)
	list := func(add string) {
		all := []string{add}
		for _, t := range b.item(item).Tags["genre"] {
			all = append(all, t.Name)
		}
		b.listByHand(item, "genre", all...)
	}
	list("Mine")
	if keep {
		b.byHand(item, map[string]string{"summary": "Mine"})
	}
	time.Sleep(time.Hour)
	b.drain()
	b.shows(item, map[string]string{"title": "New", "genre": "By hand, Fog, Mine, Sea", "actor": "Jane"})
	b.shows(second, map[string]string{"title": "Other"})
	b.poster(item, picture(2), uploads)
	b.nothingLeft()
	b.edit(scene, map[string]any{"title": "Newer", "details": "Stash's", "tag_ids": []int64{fog}, "performer_ids": []int64{}})
	b.drain()
	b.shows(item, map[string]string{"title": "Newer", "genre": "By hand, Fog, Mine", "actor": "", "summary": map[bool]string{false: "Stash's", true: "Mine"}[keep]})
	if rows := b.pushed(scene); len(rows) != 1 || len(rows[0].Intent) != 0 {
		b.Errorf("states %+v", rows)
	}
	must(b, b.db.Check(b.Context()))
	return died
}

// readings are the accounts of Plex that disagree: each must end alike.
var readings = map[string]func(*simplex.Options){
	"appends":                 func(*simplex.Options) {},
	"replaces lists":          func(o *simplex.Options) { o.ListsReplace = true },
	"honours one removal":     func(o *simplex.Options) { o.OneRemovalPerPUT = true },
	"numbers as strings":      func(o *simplex.Options) { o.NumbersAsStrings = true },
	"small pages":             func(o *simplex.Options) { o.MaxPage = 1 },
	"no paging and no filter": func(o *simplex.Options) { o.IgnorePaging, o.IgnoreFilters = true, true },
	"excludes what is asked":  func(o *simplex.Options) { o.HonourExcludes = true },
	"tags keep their case":    func(o *simplex.Options) { o.TagsKeepCase = true },
	"edits of tags touch":     func(o *simplex.Options) { o.TagEditsTouch = true },
	"pictures lock nothing":   func(o *simplex.Options) { o.NoPictureLock = true },
}

func TestTheEndIsTheSameUnderEachReadingOfPlex(t *testing.T) {
	t.Parallel()
	for name, set := range readings {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.plex.Set(set)
				var tags []int64
				for i := range 5 {
					tags = append(tags, b.stash.AddTag(simstash.Tag{Name: fmt.Sprintf("Tag %d, & more", i)}))
				}
				scene, item := b.film("a.mp4", simstash.Scene{Cover: picture(1)})
				b.film("b.mp4", simstash.Scene{})
				b.edit(scene, map[string]any{"title": "A", "tag_ids": tags, "rating100": 80})
				b.drain()
				all := []string{"By hand"}
				for _, t := range b.item(item).Tags["genre"] {
					all = append(all, t.Name)
				}
				b.listByHand(item, "genre", all...)
				b.edit(scene, map[string]any{"tag_ids": tags[4:]})
				b.drain()
				b.shows(item, map[string]string{"genre": "By hand, Tag 4, & more", "title": "A"})
				b.poster(item, picture(1), 1)
				b.compare()
				b.allSame()
				b.nothingLeft()
			})
		})
	}
}

// TestSeveralRemovalsAreReadBackUntilTheyAreKnownToWork: what was learnt is remembered.
func TestSeveralRemovalsAreReadBackUntilTheyAreKnownToWork(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]bool{"honours all": false, "honours one": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.Poster = false
				b.plex.Set(func(o *simplex.Options) { o.OneRemovalPerPUT = one })
				var tags []int64
				for i := range 7 {
					tags = append(tags, b.stash.AddTag(simstash.Tag{Name: fmt.Sprintf("Tag %d", i)}))
				}
				scene, item := b.film("a.mp4", simstash.Scene{Title: "A", TagIDs: tags})
				b.event(scene)
				b.drain()
				var puts, reads []int
				for _, left := range []int{5, 3, 1} {
					time.Sleep(time.Hour)
					b.plex.ResetCounts()
					b.edit(scene, map[string]any{"tag_ids": tags[:left]})
					b.drain()
					if got := len(b.item(item).Tags["genre"]); got != left {
						b.Errorf("%d tags are left, want %d", got, left)
					}
					puts = append(puts, b.plex.Counts().Writes)
					n := 0
					for _, r := range b.plex.Requests() {
						if strings.HasPrefix(r.Path, "/library/metadata/") {
							n++
						}
					}
					reads = append(reads, n)
				}
				// One read before each edit, and one of what was written.
				wantPuts, wantReads := []int{1, 1, 1}, []int{3, 2, 2}
				if one {
					wantPuts, wantReads = []int{2, 2, 2}, []int{3, 3, 3}
				}
				if !slices.Equal(puts, wantPuts) || !slices.Equal(reads, wantReads) {
					b.Errorf("edits %v, want %v; reads %v, want %v", puts, wantPuts, reads, wantReads)
				}
			})
		})
	}
}

// TestAPlexThatTakesAnEditAndKeepsNothingOfIt ends in a letter that says so, not in a
// circle.
func TestAPlexThatTakesAnEditAndKeepsNothingOfIt(t *testing.T) {
	inBubble(t, func(b *bench) {
		var tags []int64
		for i := range 3 {
			tags = append(tags, b.stash.AddTag(simstash.Tag{Name: fmt.Sprintf("Tag %d", i)}))
		}
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A", TagIDs: tags})
		b.event(scene)
		b.drain()
		b.edit(scene, map[string]any{"tag_ids": []int64{}})
		b.plex.ResetCounts()
		b.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + item, Status: 200, Body: " ", Count: -1})
		b.drain()
		l := b.letters()
		if len(l) != 1 || l[0].Class != job.ClassRejected || !strings.Contains(l[0].Error, "does not keep genre") || b.plex.Counts().Writes > 50 {
			b.Errorf("after %d edits: letters %+v\n%s", b.plex.Counts().Writes, l, b.log)
		}
	})
}

func TestLongListsAndTextsArrive(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*simplex.Options){
		"appends":  func(*simplex.Options) {},
		"replaces": func(o *simplex.Options) { o.ListsReplace, o.MaxURL = true, -1 },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.plex.Set(set)
				var tags []int64
				for i := range 100 {
					tags = append(tags, b.stash.AddTag(simstash.Tag{Name: fmt.Sprintf("港の夜と海の音楽%03d", i)}))
				}
				scene, item := b.film("a.mp4", simstash.Scene{})
				b.edit(scene, map[string]any{"title": "A", "tag_ids": tags, "details": strings.Repeat("港の夜。", 5000)})
				b.drain()
				it := b.item(item)
				// As many as fit one request: a Plex that replaces lists would keep only the
				// last of several.
				if n := len(it.Tags["genre"]); n < 60 || n >= 100 {
					b.Errorf("%d of 100 tags arrived\n%s", n, b.log)
				}
				b.wantLog(slog.LevelWarn, "of 100 names left out")
				if s := it.Scalars["summary"]; len([]rune(s)) < 700 || !strings.HasSuffix(s, "…") {
					b.Errorf("the summary has %d characters and ends %q", len([]rune(s)), s[len(s)-10:])
				}
				b.wantLog(slog.LevelWarn, "summary: cut from 20000 to")
				b.edit(scene, map[string]any{"tag_ids": tags[90:]})
				b.drain()
				if n := len(b.item(item).Tags["genre"]); n != 10 {
					b.Errorf("%d tags are left of 10", n)
				}
				b.compare()
				b.allSame()
			})
		})
	}
}

// TestAnUnchangedSceneCostsPlexNothing, whatever event it had, and how often it is looked
// at.
func TestAnUnchangedSceneCostsPlexNothing(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		time.Sleep(time.Hour)
		b.drain() // what changed while the first ran
		b.plex.ResetCounts()
		for i, scene := range f.scenes {
			b.edit(scene, map[string]any{"title": fmt.Sprintf("Film %d", i)}) // moves updated_at
		}
		if run := b.drain(); run.Unchanged != 4 {
			b.Errorf("run %+v", run)
		}
		b.askedOnlyWhoItIs()

		// "Sync all" lists the library in full before it believes a key.
		b.plex.ResetCounts()
		b.syncAll()
		b.wroteNothing()
		if c := b.plex.Counts(); c.Total != 3 || c.ByRoute["GET /library/sections/{id}/all"] != 1 {
			b.Errorf("Plex got %d requests: %v", c.Total, c.ByRoute)
		}
	})
}

// TestOneEditBringsEverything of an item, in one request, and each new picture in one more.
func TestOneEditBringsEverything(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Background, b.photos = true, true
		b.opt.Merge = merge.Options{Title: true, Summary: true, Date: true, Studio: true, Director: true, Performers: true, Tags: true, Rating: true,
			OriginalTitle: true, Tagline: true, SortTitle: true, Photos: true, CollectStudio: true, CollectParents: true, CollectGroups: true,
			ContentRating: "NC-17", Labels: []string{"Stash", "From NAS"}}
		network := b.stash.AddStudio(simstash.Studio{Name: "Network & Co"})
		studio := b.stash.AddStudio(simstash.Studio{Name: "Studio, One", ParentID: network})
		jane := b.stash.AddPerformer(simstash.Performer{Name: "Jane Doe", Image: picture(1)})
		john := b.stash.AddPerformer(simstash.Performer{Name: "John \"Jack\" Roe"})
		night, sea := b.stash.AddTag(simstash.Tag{Name: "Night, outdoors"}), b.stash.AddTag(simstash.Tag{Name: "Sea 🌊"})
		series := b.stash.AddGroup(simstash.Group{Name: "Harbours"})
		scene, item := b.film("Harbour/harbour.mp4", simstash.Scene{})
		b.edit(scene, map[string]any{
			"title": "Harbour at night – “live”", "details": "First line.\nSecond line; 100% & more + שלום", "date": "2021-02",
			"code": "HRB-001", "director": "Ann Dir", "rating100": 85, "studio_id": studio, "performer_ids": []int64{jane, john},
			"tag_ids": []int64{night, sea}, "groups": []map[string]any{{"group_id": series}}, "cover_image": coverInput(picture(7)),
		})
		b.drain()
		b.shows(item, map[string]string{
			"title": "Harbour at night – “live”", "summary": "First line.\nSecond line; 100% & more + שלום",
			"originallyAvailableAt": "2021-02-01", "studio": "Studio, One", "tagline": "HRB-001", "userRating": "8.5",
			"originalTitle": "Harbour at night – “live”", "titleSort": "Studio, One 2021-02-01 Harbour at night – “live”",
			"contentRating": "NC-17", "director": "Ann Dir", "actor": "Jane Doe, John \"Jack\" Roe",
			"genre": "Night, outdoors, Sea 🌊", "collection": "Harbours, Network & Co, Studio, One", "label": "From NAS, Stash",
		})
		it := b.item(item)
		if want := sha1Hex(picture(7)); it.PosterSHA1 != want || it.ArtSHA1 != want {
			b.Errorf("poster %s, background %s; want %s", it.PosterSHA1, it.ArtSHA1, want)
		}
		for _, actor := range it.Tags["actor"] {
			if (actor.Thumb != "") != (actor.Name == "Jane Doe") || strings.Contains(strings.ToLower(actor.Thumb), "apikey") {
				b.Errorf("actor %+v", actor)
			}
		}
		for _, field := range []string{"title", "genre", "thumb", "art", "label"} {
			if !slices.Contains(it.Locks, field) {
				b.Errorf("%s is not locked: %v", field, it.Locks)
			}
		}
		if c := b.plex.Counts(); c.Writes != 1 || c.Uploads != 2 {
			b.Errorf("%d writes and %d uploads, want one edit with everything and two pictures", c.Writes, c.Uploads)
		}
		b.nothingLeft()
	})
}

func TestWithLeaveUnlockedNothingIsLocked(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Merge.LeaveUnlocked = true
		b.plex.Set(func(o *simplex.Options) { o.NoPictureLock = true })
		f := b.films()
		if locks := b.item(f.items[0]).Locks; len(locks) != 0 {
			b.Errorf("locks %v", locks)
		}
		b.allSame()
	})
}

func TestTagsOfOthersStayAndOursGo(t *testing.T) {
	inBubble(t, func(b *bench) {
		night, sea := b.stash.AddTag(simstash.Tag{Name: "Night"}), b.stash.AddTag(simstash.Tag{Name: "Sea"})
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.listByHand(item, "genre", "By hand", "sea")
		b.edit(scene, map[string]any{"tag_ids": []int64{night, sea}})
		b.drain()
		b.shows(item, map[string]string{"genre": "By hand, Night, sea"})
		b.edit(scene, map[string]any{"tag_ids": []int64{}, "director": "Ann"})
		b.drain()
		b.shows(item, map[string]string{"genre": "By hand, sea", "director": "Ann"})
	})
}

// Pictures.

func TestAPosterIsUploadedOnce(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A", Cover: picture(1)})
		for range 3 {
			b.edit(scene, map[string]any{"title": "A"})
			b.drain()
			time.Sleep(time.Hour)
		}
		b.syncAll()
		b.poster(item, picture(1), 1)
		b.edit(scene, map[string]any{"cover_image": coverInput(picture(2))})
		b.drain()
		b.poster(item, picture(2), 2)
		// Going back costs no upload: Plex keeps every one.
		b.edit(scene, map[string]any{"cover_image": coverInput(picture(1))})
		b.drain()
		b.poster(item, picture(1), 2)
	})
}

// TestACoverThatComesLaterArrives: until then the scene has a placeholder.
func TestACoverThatComesLaterArrives(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.event(scene)
		b.drain()
		b.poster(item, nil, 0)
		time.Sleep(time.Hour)
		b.mutate(`mutation($id: ID!) { sceneGenerateScreenshot(id: $id) }`, map[string]any{"id": scene})
		b.drain() // it has no event
		if it := b.item(item); len(it.Uploads) != 1 || it.PosterSHA1 == "" {
			b.Errorf("uploads %v", it.Uploads)
		}
	})
}

// TestAPictureThatFailsDoesNotFailTheFields: one that nobody can use is left out with a
// word, one that Plex cannot take now comes later, and the fields are not written twice.
func TestAPictureThatFailsDoesNotFailTheFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fail  func(b *bench, item string)
		later bool // the picture comes when the failure has passed
		says  string
	}{
		{"Stash lacks it", func(b *bench, _ string) {
			b.stash.Script(simstash.Fault{Path: "/screenshot", Status: 404, Count: -1})
		}, false, "poster left out"},
		{"Stash cannot read it", func(b *bench, _ string) {
			b.stash.Script(simstash.Fault{Path: "/screenshot", Status: 500, Count: -1})
		}, false, "poster left out"},
		{"it is a web page", func(b *bench, _ string) {
			b.stash.Script(simstash.Fault{Path: "/screenshot", Status: 200, Body: "<html>", Count: -1})
		}, false, "poster left out"},
		{"Plex refuses it", func(b *bench, _ string) {
			b.plex.Script(simplex.Rule{Method: "POST", Path: "/posters$", Status: 400, Count: -1})
		}, false, "poster left out"},
		{"Plex fails at it", func(b *bench, _ string) {
			b.plex.Script(simplex.Rule{Method: "POST", Path: "/posters$", Status: 500, Count: -1})
		}, true, ""},
		{"Stash is gone", func(b *bench, _ string) {
			b.stash.Script(simstash.Fault{Path: "/screenshot", Reset: true, Count: -1})
		}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				scene, item := b.film("a.mp4", simstash.Scene{Title: "A", Cover: picture(1)})
				c.fail(b, item)
				b.event(scene)
				b.drain()
				if c.says != "" {
					b.wantLog(slog.LevelWarn, c.says)
					b.shows(item, map[string]string{"title": "A"})
					b.poster(item, nil, 0)
					b.nothingLeft()
				} else if jobs := b.jobs(); len(jobs) != 1 {
					b.Errorf("jobs %+v\n%s", jobs, b.log)
				}
				b.up()
				b.stash.ClearScript()
				time.Sleep(time.Hour)
				b.drain()
				b.shows(item, map[string]string{"title": "A"})
				if !c.later {
					b.poster(item, nil, 0) // not looked at again until the scene changes
					b.edit(scene, map[string]any{"title": "A"})
					b.drain()
				}
				b.poster(item, picture(1), 1)
				b.nothingLeft()
				if titles := b.plex.WritesTo(item, "title"); len(titles) != 1 {
					b.Errorf("the title was written %d times", len(titles))
				}
			})
		})
	}
}

// TestAnUploadThatNobodyHeardOfIsNotRepeated: Plex would keep both for ever.
func TestAnUploadThatNobodyHeardOfIsNotRepeated(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A", Cover: picture(1)})
		b.plex.Script(simplex.Rule{Method: "POST", Path: "/posters$", ResetAfter: true, Count: -1})
		b.event(scene)
		b.drain()
		b.poster(item, picture(1), 1)
		if c := b.plex.Counts(); c.Uploads != 1 {
			b.Errorf("%d uploads", c.Uploads)
		}
		b.nothingLeft()
	})
}

// TestAnUploadInAnOutageIsNotRepeated after it, though the job was not charged with a try
// and the upload had a name of its own.
func TestAnUploadInAnOutageIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, random := range []bool{false, true} {
		t.Run(fmt.Sprint("random names: ", random), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.Merge.LeaveUnlocked = true // so that no lock tells of it
				b.plex.Set(func(o *simplex.Options) { o.RandomUploads, o.NoPictureLock = random, true })
				scene, item := b.film("a.mp4", simstash.Scene{Title: "A", Cover: picture(1)})
				b.plexNetwork = roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.Method != http.MethodPost {
						return b.plex.Transport().RoundTrip(r)
					}
					b.plex.Script(simplex.Rule{ResetAfter: true})
					b.plex.Script(simplex.Rule{Status: 503, Count: -1})
					return b.plex.Transport().RoundTrip(r)
				})
				b.event(scene)
				b.drain()
				if b.item(item).PosterSHA1 == "" || len(b.jobs()) != 1 {
					b.Fatalf("jobs %+v\n%s", b.jobs(), b.log)
				}
				b.plexNetwork = b.plex.Transport()
				b.plex.ClearScript()
				time.Sleep(time.Hour)
				b.drain()
				b.shows(item, map[string]string{"title": "A"})
				b.poster(item, picture(1), 1)
				if c := b.plex.Counts(); c.Uploads != 1 {
					b.Errorf("%d uploads", c.Uploads)
				}
				b.nothingLeft()
			})
		})
	}
}

// TestADrainKilledAfterAPosterAloneDoesNotRepeatIt: nothing else was to be written.
func TestADrainKilledAfterAPosterAloneDoesNotRepeatIt(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.plex.Set(func(o *simplex.Options) { o.RandomUploads = true })
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A", Cover: picture(1)})
		b.event(scene)
		b.drain()
		time.Sleep(time.Hour)
		b.edit(scene, map[string]any{"cover_image": coverInput(picture(2))})
		if !b.killed(func(_ int, r *http.Request) bool {
			return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/posters")
		}, true) {
			b.Fatal("no poster was uploaded")
		}
		time.Sleep(time.Hour)
		writes := b.plex.Counts().Writes
		b.drain()
		b.poster(item, picture(2), 2)
		if n := b.plex.Counts().Writes - writes; n != 0 {
			b.Errorf("%d writes of what was there", n)
		}
		b.nothingLeft()
	})
}

// TestWhatAPosterCosts: two writes, and hundredths of a read, on both readings of lists and
// however uploads are named. That is found out by one look at a gallery, and remembered.
func TestWhatAPosterCosts(t *testing.T) {
	t.Parallel()
	for _, replace := range []bool{false, true} {
		for _, random := range []bool{false, true} {
			t.Run(fmt.Sprintf("lists replace: %v, random names: %v", replace, random), func(t *testing.T) {
				inBubble(t, func(b *bench) {
					b.plex.Set(func(o *simplex.Options) { o.ListsReplace, o.RandomUploads = replace, random })
					tag := b.stash.AddTag(simstash.Tag{Name: "Sea"})
					scenes := func(n, from int) (items []string) {
						for i := range n {
							scene, item := b.film(fmt.Sprintf("%d.mp4", from+i), simstash.Scene{Title: fmt.Sprintf("Film %d", from+i), TagIDs: []int64{tag}, Cover: picture(from + i)})
							b.event(scene)
							items = append(items, item)
						}
						return items
					}
					galleries := func() (n int) {
						for _, r := range b.plex.Requests() {
							if r.Method == http.MethodGet && strings.HasSuffix(r.Path, "/posters") {
								n++
							}
						}
						return n
					}
					items := scenes(500, 0)
					b.drain()
					c := b.plex.Counts()
					if c.Writes != 500 || c.Uploads != 500 || c.Total-1000 > 15 || galleries() != 1 {
						b.Errorf("%d edits, %d uploads, %d other requests, of which %d for galleries", c.Writes, c.Uploads, c.Total-c.Writes-c.Uploads, galleries())
					}
					for i, item := range items {
						b.poster(item, picture(i), 1)
					}
					b.plex.ResetCounts()
					scenes(10, 500)
					b.drain()
					if c := b.plex.Counts(); c.Writes != 10 || c.Uploads != 10 || galleries() != 0 {
						b.Errorf("later: %d edits, %d uploads, %d galleries", c.Writes, c.Uploads, galleries())
					}
				})
			})
		}
	}
}

// TestAPictureThatIsTooLargeIsMadeSmaller, whatever the shape, if it can be read.
func TestAPictureThatIsTooLargeIsMadeSmaller(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Background = true
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A", Cover: append(picture(1), make([]byte, 11_000_000)...)})
		b.event(scene)
		b.drain()
		if it := b.item(item); len(it.Uploads) != 2 || it.PosterSHA1 == "" {
			b.Errorf("%+v", it)
		}
		b.noLog(slog.LevelWarn, "left out")
		b.nothingLeft()
		b.syncAll()
		if it := b.item(item); len(it.Uploads) != 2 {
			b.Errorf("uploaded once more: %q", it.Uploads)
		}
	})
}

// TestAPictureThatIsTooLargeIsLeftOut if it cannot be read, and not told as written.
func TestAPictureThatIsTooLargeIsLeftOut(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Background = true
		huge := append([]byte("GIF89a"), make([]byte, 11_000_000)...)
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A", Cover: huge})
		b.event(scene)
		b.drain()
		b.shows(item, map[string]string{"title": "A"})
		b.poster(item, nil, 0)
		b.wantLog(slog.LevelWarn, "poster left out: ")
		b.wantLog(slog.LevelWarn, "background left out: ")
		b.noLog(slog.LevelInfo, "title, poster")
		b.nothingLeft()
	})
}

func TestAPosterThatWasReplacedIsPutBackUnlessEditsAreKept(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"put back": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.Merge.KeepPlexEdits = keep
				f := b.films()
				b.allSame()
				time.Sleep(time.Minute)
				other := picture(9)
				b.plex.EditByPerson(f.items[0], simplex.Values{Poster: other})
				found := b.compare()
				want := picture(0)
				if keep {
					want = other
				}
				b.poster(f.items[0], want, 2)
				if found.ChangedInPlex != map[bool]int{false: 1}[keep] {
					b.Errorf("found %s", found)
				}
				// A new cover in Stash is another matter.
				b.edit(f.scenes[0], map[string]any{"cover_image": coverInput(picture(5))})
				b.drain()
				if keep {
					b.poster(f.items[0], other, 2)
				} else {
					b.poster(f.items[0], picture(5), 3)
				}
				b.allSame()
			})
		})
	}
}

// TestABackgroundIsTheCoverToo, and is uploaded once.
func TestABackgroundIsTheCoverToo(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Background = true
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A", Cover: picture(1)})
		for range 3 {
			b.edit(scene, map[string]any{"title": "A"})
			b.drain()
			time.Sleep(time.Hour)
		}
		it := b.item(item)
		if want := sha1Hex(picture(1)); it.PosterSHA1 != want || it.ArtSHA1 != want || len(it.Uploads) != 2 {
			b.Errorf("poster %s, background %s, uploads %v", it.PosterSHA1, it.ArtSHA1, it.Uploads)
		}
		b.opt.Background = false // what is there stays
		b.edit(scene, map[string]any{"cover_image": coverInput(picture(2))})
		b.drain()
		if it := b.item(item); it.PosterSHA1 != sha1Hex(picture(2)) || it.ArtSHA1 != sha1Hex(picture(1)) {
			b.Errorf("poster %s, background %s", it.PosterSHA1, it.ArtSHA1)
		}
	})
}
