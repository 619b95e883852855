package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// TestALookUpReadsOnlyWhatItLooksFor, and not every part or state of the server: among a
// hundred times as many it takes no ten times as long. (SQLite takes the primary key for as
// good as an index, because both begin with the server.)
func TestALookUpReadsOnlyWhatItLooksFor(t *testing.T) {
	ctx := context.Background()
	plex := syncing(t, open(t, t.TempDir()), "first")
	scan, err := plex.BeginScan(ctx, "1", "Films")
	must(t, err)
	name := func(path string) job.Name { return job.Name{Path: path, Base: path, Parent: "/media"} }
	fill := func(from, to int) {
		var parts []job.Part
		var pushed []job.Pushed
		for i := from; i < to; i++ {
			path := fmt.Sprintf("/media/%d.mp4", i)
			parts = append(parts, job.Part{Key: fmt.Sprint(i), Section: "1", Path: path, Name: name(path), Size: 1})
			pushed = append(pushed, job.Pushed{Key: fmt.Sprint(i), Scene: int64(i), Section: "1", Path: path, At: t0})
		}
		must(t, plex.AddParts(ctx, scan, parts))
		must(t, plex.SavePushed(ctx, pushed...))
	}
	lookups := map[string]func() (int, error){
		"by path": func() (int, error) {
			found, _, err := plex.Candidates(ctx, job.Lookup{Mapped: "/media/7.mp4", Name: name("/media/7.mp4")})
			return len(found), err
		},
		"by name": func() (int, error) {
			found, _, err := plex.Candidates(ctx, job.Lookup{Mapped: "/elsewhere", Name: name("/media/7.mp4")})
			return len(found), err
		},
		"the state of a scene": func() (int, error) { rows, err := plex.PushedOfScenes(ctx, 7); return len(rows), err },
		"the state of a path":  func() (int, error) { rows, err := plex.PushedOfPaths(ctx, "/media/7.mp4"); return len(rows), err },
		"the state of a key":   func() (int, error) { rows, err := plex.PushedOfKeys(ctx, "7"); return len(rows), err },
		"a page of scenes":     func() (int, error) { ids, err := plex.PushedScenes(ctx, 6, 7); return len(ids), err },
		"what is unread":       func() (int, error) { rows, err := plex.PushedUnread(ctx, 100); return len(rows) + 1, err },
	}
	best := func(look func() (int, error)) time.Duration {
		least := time.Hour
		for range 50 {
			began := time.Now()
			n, err := look()
			took := time.Since(began)
			if must(t, err); n != 1 {
				t.Fatalf("found %d", n)
			}
			least = min(least, took)
		}
		return least
	}
	fill(1, 200)
	among := map[string]time.Duration{}
	for name, look := range lookups {
		among[name] = best(look)
	}
	fill(200, 20_000)
	for name, look := range lookups {
		if took := best(look); took > 10*among[name] {
			t.Errorf("%s: %v among 200, %v among 20,000", name, among[name], took)
		}
	}
}
