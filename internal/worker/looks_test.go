package worker_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/poster"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/title"
	"github.com/plexsync/plexsync/internal/worker"
)

// Which scenes are synced, and how they look.

// moveTag puts a tag below others, as a person does in Stash.
func (b *bench) moveTag(tag int64, parents ...int64) {
	b.Helper()
	if parents == nil {
		parents = []int64{}
	}
	b.mutate(`mutation($id: ID!, $p: [ID!]) { tagUpdate(input: {id: $id, parent_ids: $p}) { id } }`, map[string]any{"id": tag, "p": parents})
}

// queued are the scenes with a live job.
func (b *bench) queued() (all []int64) {
	b.Helper()
	for _, j := range b.jobs() {
		if j.Subject.Kind == job.KindScene {
			all = append(all, j.Subject.ID)
		}
	}
	slices.Sort(all)
	return all
}

// TestEveryPartFollowsTheSameConditions: event, Sync all, compare, preview and explain.
func TestEveryPartFollowsTheSameConditions(t *testing.T) {
	t.Parallel()
	ids := []simstash.StashID{{StashID: "1", Endpoint: "https://box.example/graphql"}}
	for name, c := range map[string]struct {
		set   func(*worker.Options)
		count func(worker.Found) int
		says  string
	}{
		"onlyOrganized": {func(o *worker.Options) { o.OnlyOrganized = true }, func(f worker.Found) int { return f.NotOrganized }, "is not organized, and onlyOrganized is on"},
		"onlyStashIds":  {func(o *worker.Options) { o.OnlyStashIDs = true }, func(f worker.Found) int { return f.NoStashID }, "has no stash-box ID, and onlyStashIds is on"},
		"onlyTags": {func(o *worker.Options) { o.OnlyTags = []string{"under:Genre"} }, func(f worker.Found) int { return f.NoRequiredTag },
			`has none of the tags in onlyTags; its tags: "Trailer"`},
		"excludeTags": {func(o *worker.Options) { o.ExcludeTags = []string{"under:Rest"} }, func(f worker.Found) int { return f.ByTag },
			`has the tag "Trailer", which excludeTags names (entry "under:Rest")`},
		"onlyPaths": {func(o *worker.Options) { o.OnlyPaths = []string{"/data/in"} }, func(f worker.Found) int { return f.OutsidePaths },
			`has no file that onlyPaths includes; its files: "/data/out/b.mp4"`},
		"excludePaths": {func(o *worker.Options) { o.ExcludePaths = []string{"**/out/*.mp4"} }, func(f worker.Found) int { return f.ByPath },
			`has the file "/data/out/b.mp4", which excludePaths excludes (entry "**/out/*.mp4")`},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				c.set(&b.opt)
				genre, rest := b.stash.AddTag(simstash.Tag{Name: "Genre"}), b.stash.AddTag(simstash.Tag{Name: "Rest"})
				drama := b.stash.AddTag(simstash.Tag{Name: "Drama", ParentIDs: []int64{genre}})
				trailer := b.stash.AddTag(simstash.Tag{Name: "Trailer", ParentIDs: []int64{rest}})
				in, inItem := b.film("in/a.mp4", simstash.Scene{Title: "A", TagIDs: []int64{drama}, Organized: true, StashIDs: ids})
				out, outItem := b.film("out/b.mp4", simstash.Scene{Title: "B", TagIDs: []int64{trailer}})

				if p, told := b.preview(); p.Skipped != 1 || len(told) != 1 || told[0].Scene != in {
					b.Errorf("preview: %+v", p)
				}
				b.event(in, out)
				b.drain()
				b.shows(inItem, map[string]string{"title": "A"})
				b.shows(outItem, map[string]string{"title": "b"})
				b.syncAll()
				b.shows(outItem, map[string]string{"title": "b"})
				if f := b.compare(); f.Same != 1 || f.Excluded != 1 || c.count(f) != 1 || f.Queued != 0 {
					b.Errorf("compare: %+v", f)
				}
				if e := b.explain(out); !e.Skipped || e.Empty || !e.InPlex || e.Decision != "The scene "+c.says {
					b.Errorf("explain: %+v", e)
				}
				if e := b.explain(in); e.Skipped {
					b.Errorf("explain: %+v", e)
				}
				b.nothingLeft()
			})
		})
	}
}

// TestConditionsThatAreBrokenLetNothingThrough.
func TestConditionsThatAreBrokenLetNothingThrough(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.OnlyPaths = []string{"films"}
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.event(scene)
		b.drain()
		b.shows(item, map[string]string{"title": "a"})
		if len(b.queued()) != 1 {
			b.Errorf("the job is gone\n%s", b.log)
		}
		b.wantLog(slog.LevelError, `onlyPaths: "films" does not begin at the root`)
		b.opt.OnlyPaths = []string{"/data"}
		time.Sleep(time.Hour)
		b.drain()
		b.shows(item, map[string]string{"title": "A"})
	})
}

// TestATagThatMovesBringsItsScenes, also those of the tags below it, and no others.
func TestATagThatMovesBringsItsScenes(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.OnlyTags, b.opt.GenreTags = []string{"under:Keep"}, []string{"under:Keep", "-Keep"}
		keep := b.stash.AddTag(simstash.Tag{Name: "Keep"})
		other := b.stash.AddTag(simstash.Tag{Name: "Other"})
		parent := b.stash.AddTag(simstash.Tag{Name: "Parent"})
		child := b.stash.AddTag(simstash.Tag{Name: "Child", ParentIDs: []int64{parent}})
		film := func(name string, tags ...int64) (int64, string) {
			return b.film(name+".mp4", simstash.Scene{Title: strings.ToUpper(name), TagIDs: tags})
		}
		_, kept := film("kept", keep, child)
		_, deep := film("deep", child)
		_, no := film("no", other)
		b.syncAll()
		b.shows(kept, map[string]string{"title": "KEPT", "genre": ""})
		b.shows(deep, map[string]string{"title": "deep"})

		time.Sleep(time.Hour)
		b.moveTag(parent, keep)
		b.drain()
		b.shows(kept, map[string]string{"genre": "Child"})
		b.shows(deep, map[string]string{"title": "DEEP", "genre": "Child"})
		b.shows(no, map[string]string{"title": "no"})
		b.nothingLeft()

		// The other way: what is left out stays as it is; a genre that is no longer chosen
		// goes.
		time.Sleep(time.Hour)
		b.moveTag(parent)
		b.drain()
		b.shows(kept, map[string]string{"title": "KEPT", "genre": ""})
		b.shows(deep, map[string]string{"title": "DEEP", "genre": "Child"})

		// Also when the tag above is destroyed, of which the tags below hear nothing.
		time.Sleep(time.Hour)
		b.moveTag(parent, keep)
		b.drain()
		b.shows(kept, map[string]string{"genre": "Child"})
		time.Sleep(time.Hour)
		b.mutate(`mutation($id: ID!) { tagDestroy(input: {id: $id}) }`, map[string]any{"id": parent})
		b.drain()
		b.shows(kept, map[string]string{"title": "KEPT", "genre": ""})
		b.nothingLeft()
		b.quiet()
	})
}

// TestAChangedConditionQueuesWhatItLetsIn, and nothing else.
func TestAChangedConditionQueuesWhatItLetsIn(t *testing.T) {
	t.Parallel()
	ids := []simstash.StashID{{StashID: "1", Endpoint: "https://box.example/graphql"}}
	for name, c := range map[string]struct {
		before, after func(*worker.Options)
		want          []int64 // of the scenes 1 to 4
	}{
		"a tag more":    {func(o *worker.Options) { o.OnlyTags = []string{"A"} }, func(o *worker.Options) { o.OnlyTags = []string{"A", "B"} }, []int64{2}},
		"another tag":   {func(o *worker.Options) { o.OnlyTags = []string{"A"} }, func(o *worker.Options) { o.OnlyTags = []string{"B"} }, []int64{2}},
		"all tags":      {func(o *worker.Options) { o.OnlyTags = []string{"A"} }, func(o *worker.Options) { o.OnlyTags = nil }, []int64{2, 3, 4}},
		"fewer":         {func(o *worker.Options) {}, func(o *worker.Options) { o.OnlyTags = []string{"A"} }, nil},
		"one excluded":  {func(o *worker.Options) { o.ExcludeTags = []string{"A", "B"} }, func(o *worker.Options) { o.ExcludeTags = []string{"B"} }, []int64{1}},
		"ids":           {func(o *worker.Options) { o.OnlyStashIDs = true }, func(o *worker.Options) { o.OnlyStashIDs = false }, []int64{1, 2, 4}},
		"organized":     {func(o *worker.Options) { o.OnlyOrganized = true }, func(o *worker.Options) { o.OnlyOrganized = false }, []int64{1, 2, 3}},
		"a path":        {func(o *worker.Options) { o.ExcludePaths = []string{"/data/x"} }, func(o *worker.Options) { o.ExcludePaths = nil }, []int64{3}},
		"a path less":   {func(o *worker.Options) { o.OnlyPaths = []string{"/data/x"} }, func(o *worker.Options) { o.OnlyPaths = []string{"/data/y"} }, []int64{4}},
		"nothing":       {func(o *worker.Options) { o.OnlyTags = []string{"A"} }, func(o *worker.Options) { o.OnlyTags = []string{"A"} }, nil},
		"genres":        {func(o *worker.Options) {}, func(o *worker.Options) { o.GenreTags = []string{"A"} }, nil},
		"one for other": {func(o *worker.Options) { o.OnlyTags = []string{"A"} }, func(o *worker.Options) { o.OnlyTags = nil; o.OnlyOrganized = true }, []int64{4}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				x, y := b.stash.AddTag(simstash.Tag{Name: "A"}), b.stash.AddTag(simstash.Tag{Name: "B"})
				for i, s := range []simstash.Scene{{TagIDs: []int64{x}}, {TagIDs: []int64{y}}, {StashIDs: ids}, {Organized: true}} {
					s.Title = fmt.Sprint("Film ", i+1)
					b.film([]string{"a.mp4", "b.mp4", "x/c.mp4", "y/d.mp4"}[i], s)
				}
				c.before(&b.opt)
				b.syncAll()
				time.Sleep(time.Hour)
				c.after(&b.opt)
				b.onlyCompare()
				b.down() // so that jobs stay
				b.drain()
				if got := b.queued(); !slices.Equal(got, c.want) {
					b.Fatalf("queued %v, want %v\n%s", got, c.want, b.log)
				}
				b.up()
				time.Sleep(time.Hour)
				b.drain()
				b.nothingLeft()
				time.Sleep(time.Hour)
				b.plex.ResetCounts()
				b.drain()
				b.nothingLeft()
				b.wroteNothing()
			})
		})
	}
}

// TestTagsAreReadOnlyIfASettingNeedsThem, once a drain.
func TestTagsAreReadOnlyIfASettingNeedsThem(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		asks := func() int {
			b.stash.ResetCounts()
			b.event(f.scenes...)
			time.Sleep(time.Hour)
			b.drain()
			return b.stash.Counts().Requests
		}
		b.opt.OnlyTags = []string{"Sea"}
		asks() // the first one looks what has changed
		plain := asks()
		b.opt.OnlyTags = []string{"under:Sea"}
		asks()
		if got := asks(); got != plain+1 {
			b.Errorf("%d requests to Stash, %d without under:", got, plain)
		}
		b.opt.OnlyTags = nil
		asks()
		if got := asks(); got != plain {
			b.Errorf("%d requests to Stash, %d with the name of a tag", got, plain)
		}
	})
}

// TestEntriesThatMatchNoTagAreTold, with the tag that was probably meant.
func TestEntriesThatMatchNoTagAreTold(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		b.opt.OnlyTags, b.opt.GenreTags = []string{"Saa"}, []string{"-Nothing like it"}
		b.event(f.scenes...)
		b.drain()
		b.wantLog(slog.LevelWarn, `onlyTags: "Saa" matches no tag in Stash (did you mean "Sea"?)`)
		b.wantLog(slog.LevelWarn, `genreTags: "-Nothing like it" matches no tag in Stash`)
		b.wantLog(slog.LevelError, "onlyTags: none of its entries matches a tag in Stash, so no scene is synced")
	})
}

// TestGenresLabelsAndTitlesAreChosen, and what is no longer chosen goes, if it is ours.
func TestGenresLabelsAndTitlesAreChosen(t *testing.T) {
	onBoth(t, func(b *bench) {
		tag := func(name string) int64 { return b.stash.AddTag(simstash.Tag{Name: name}) }
		drama, tech, mood := tag("Drama"), tag("4K"), tag("Calm")
		studio := b.stash.AddStudio(simstash.Studio{Name: "Northlight"})
		_, item := b.film("a.mp4", simstash.Scene{Title: "Night Train", Date: "2024-05", StudioID: studio, TagIDs: []int64{drama, tech, mood}})
		_, bare := b.film("b.mp4", simstash.Scene{StudioID: studio})
		b.syncAll()
		b.shows(item, map[string]string{"title": "Night Train", "genre": "4K, Calm, Drama", "label": ""})
		time.Sleep(time.Hour)
		b.listByHand(item, "genre", "4K", "Calm", "Drama", "Mine")

		template := func(text string) {
			var err error
			b.opt.Title, err = title.Parse(text)
			must(b, err)
		}
		b.opt.GenreTags, b.opt.LabelTags = []string{"-4K", "-Calm"}, []string{"Calm"}
		template("{studio} - {title} ({year}, {resolution})")
		b.syncAll()
		b.shows(item, map[string]string{"title": "Northlight - Night Train (2024, 1080p)", "genre": "Drama, Mine", "label": "Calm"})
		b.shows(bare, map[string]string{"title": "Northlight (1080p)"})
		b.quiet()

		time.Sleep(time.Hour)
		b.opt.GenreTags, b.opt.LabelTags = []string{"4K"}, []string{"Drama"}
		template("{title}")
		b.compare()
		b.drain()
		b.shows(item, map[string]string{"title": "Night Train", "genre": "4K, Mine", "label": "Drama"})
		b.shows(bare, map[string]string{"title": "Northlight (1080p)"}) // a title is never cleared
		b.quiet()
	})
}

// TestAPosterHasItsShape, and is uploaded once for each; backgrounds are the cover.
func TestAPosterHasItsShape(t *testing.T) {
	t.Parallel()
	for _, random := range []bool{false, true} {
		t.Run(fmt.Sprint("random names: ", random), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.plex.Set(func(o *simplex.Options) { o.RandomUploads = random })
				b.opt.Background = true
				scene, item := b.film("a.mp4", simstash.Scene{Title: "A", Cover: picture(1)})
				b.syncAll()
				b.event(scene)
				arts := func() string { return b.item(item).ArtSHA1 }
				uploads := 2
				for i, shape := range []poster.Shape{poster.Fit, poster.Blur, poster.Crop, poster.Fit, poster.Original} {
					b.opt.Shape = shape
					want, err := poster.Make(picture(1), shape)
					must(b, err)
					if i < 3 {
						uploads++ // the others are there
					}
					for range 3 {
						time.Sleep(time.Hour)
						b.syncAll()
						b.poster(item, want.Bytes, uploads)
					}
					time.Sleep(time.Hour)
					if f := b.compare(); f.Same != 1 {
						b.Errorf("%s: %+v", shape, f)
					}
					b.quiet()
					if arts() != sha1Hex(picture(1)) {
						b.Errorf("%s: the background is %s", shape, arts())
					}
				}
				// A new cover is uploaded in the shape.
				b.opt.Shape = poster.Crop
				b.edit(scene, map[string]any{"cover_image": coverInput(picture(2))})
				time.Sleep(time.Hour)
				b.drain()
				want, err := poster.Make(picture(2), poster.Crop)
				must(b, err)
				b.poster(item, want.Bytes, uploads+2)
			})
		})
	}
}

// TestAPersonsPosterOutlivesANewShape where edits are kept, and costs nothing later.
func TestAPersonsPosterOutlivesANewShape(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Merge.KeepPlexEdits = true
		f := b.films()
		b.plex.EditByPerson(f.items[0], simplex.Values{Poster: picture(9)})
		time.Sleep(time.Hour)
		b.opt.Shape = poster.Fit
		b.syncAll()
		if it := b.item(f.items[0]); it.PosterSHA1 != sha1Hex(picture(9)) {
			b.Errorf("it shows %q", it.PosterSHA1)
		}
		b.quiet()
		time.Sleep(time.Hour)
		if got := b.compare(); got.Same != len(f.scenes) {
			b.Errorf("%+v", got)
		}
	})
}
