// Package bridge joins package worker to the clients and the store, which do not know
// each other: it translates between their types and decides nothing. Tests import it to
// run a worker against real clients without a process around them.
package bridge

import (
	"context"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/scope"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/worker"
)

// stashSide is Stash as the worker sees it.
type stashSide struct {
	*stash.Client
	photos bool
}

// Stash is a client of Stash as the worker's interface. photos: performers carry the
// address of their photo.
func Stash(c *stash.Client, photos bool) worker.Stash { return stashSide{c, photos} }

// Scenes are scenes of Stash as the worker's, without photos.
func Scenes(all []stash.Scene) []worker.Scene { return stashSide{}.scenes(all) }

func (s stashSide) Scenes(ctx context.Context, ids []int64) ([]worker.Scene, []int64, error) {
	found, missing, err := s.Client.Scenes(ctx, ids)
	return s.scenes(found), missing, err
}

func (s stashSide) SceneIDs(ctx context.Context, sub job.Subject, page func([]int64) error) error {
	return s.Client.SceneIDs(ctx, sub.Kind, sub.ID, page)
}

func (s stashSide) AllScenes(ctx context.Context, after int64, page func([]worker.Scene) error) error {
	return s.Client.AllScenes(ctx, after, func(found []stash.Scene) error { return page(s.scenes(found)) })
}

func (s stashSide) Tags(ctx context.Context) ([]scope.Tag, error) {
	all, err := s.Client.Tags(ctx)
	out := make([]scope.Tag, len(all))
	for i, t := range all {
		out[i] = scope.Tag{ID: t.ID, Name: t.Name, Parents: t.Parents}
	}
	return out, err
}

func (s stashSide) SubjectsUpdatedSince(ctx context.Context, then time.Time) ([]worker.Updated, error) {
	found, err := s.Client.SubjectsUpdatedSince(ctx, then)
	changed := make([]worker.Updated, len(found))
	for i, f := range found {
		changed[i] = worker.Updated(f)
	}
	return changed, err
}

func (s stashSide) ScenesByBasename(ctx context.Context, name string) ([]worker.Scene, error) {
	found, err := s.Client.ScenesByBasename(ctx, name)
	return s.scenes(found), err
}

func (s stashSide) Cover(ctx context.Context, url, etag string) (worker.Cover, error) {
	c, err := s.Client.Cover(ctx, url, etag)
	return worker.Cover{Bytes: c.Bytes, ETag: c.ETag, NotModified: c.NotModified, Placeholder: c.Placeholder}, err
}

func (s stashSide) scenes(all []stash.Scene) []worker.Scene {
	out := make([]worker.Scene, len(all))
	for i, x := range all {
		m := merge.Scene{ID: x.ID, Title: x.Title, Code: x.Code, Details: x.Details, Director: x.Director,
			Date: x.Date, Rating100: x.Rating100, Studio: studioOf(x.Studio)}
		for _, p := range x.Performers {
			person := merge.Person{ID: p.ID, Name: p.Name, Disambiguation: p.Disambiguation}
			// A photo's address must not carry Stash's key to Plex.
			if s.photos && !strings.Contains(strings.ToLower(p.ImagePath), "apikey=") {
				person.ImageURL = p.ImagePath
			}
			m.Performers = append(m.Performers, person)
		}
		for _, t := range x.Tags {
			m.Tags = append(m.Tags, merge.Named{ID: t.ID, Name: t.Name})
		}
		for _, g := range x.Groups {
			m.Groups = append(m.Groups, merge.Named{ID: g.ID, Name: g.Name})
		}
		if len(x.Files) > 0 {
			m.Width, m.Height = x.Files[0].Width, x.Files[0].Height
		}
		w := worker.Scene{ID: x.ID, Err: x.Err, Organized: x.Organized, StashIDs: x.StashIDs, Updated: x.UpdatedAt, Meta: m, CoverURL: x.ScreenshotURL}
		for _, f := range x.Files {
			w.Files = append(w.Files, match.File{Path: f.Path, Size: f.Size, Duration: f.Duration})
		}
		out[i] = w
	}
	return out
}

func studioOf(s *stash.Studio) *merge.StudioOf {
	if s == nil {
		return nil
	}
	return &merge.StudioOf{ID: s.ID, Name: s.Name, Parent: studioOf(s.Parent)}
}
