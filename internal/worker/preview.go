package worker

import (
	"context"
	"errors"
	"slices"

	"github.com/plexsync/plexsync/internal/job"
)

// Previewed is what a drain over the whole library would write.
type Previewed struct {
	Scenes int
	// Items would be written, Same would not.
	Items int
	Same  int
	// Fields counts the items by field; "poster" and "background" are pictures that
	// would be looked at.
	Fields map[string]int
	// Skipped counts the scenes that are left alone, NotFound those that Plex lacks
	// or that fit several items.
	Skipped  int
	NotFound int
	// Unreadable counts the scenes that Stash cannot read.
	Unreadable int
	// First are the first of the items, with their old and new values.
	First []PreviewedItem
	// Next is the id to go on after; 0 at the end of the library.
	Next int64
}

// PreviewedItem is an item that would be written.
type PreviewedItem struct {
	Scene   int64
	Title   string
	Key     string
	Changes []ExplainedField
	Poster  bool
	// Locks: fields are locked or unlocked.
	Locks bool
}

// maxPreviewed is how many items a preview tells in detail.
const maxPreviewed = 1000

// Preview walks through the whole library as a drain after "Sync all scenes" would,
// and writes nothing. each is called for every item that would be written.
func (w *Worker) Preview(ctx context.Context, each func(PreviewedItem)) (Previewed, error) {
	return w.preview(ctx, 0, func(Previewed) bool { return true }, each)
}

// PreviewFrom is a part of a preview: of the scenes whose ids are above after, until
// enough items are found or scenes looked at.
func (w *Worker) PreviewFrom(ctx context.Context, after int64, items, scenes int) (Previewed, error) {
	return w.preview(ctx, after, func(p Previewed) bool { return p.Items < items && p.Scenes < scenes }, func(PreviewedItem) {})
}

func (w *Worker) preview(ctx context.Context, after int64, goOn func(Previewed) bool, each func(PreviewedItem)) (Previewed, error) {
	r := Previewed{Fields: map[string]int{}, First: []PreviewedItem{}}
	p := w.onlooker()
	bar := &progress{report: w.progress}
	if err := p.learnTags(ctx); err != nil {
		return r, err
	}
	total, err := w.stash.SceneCount(ctx)
	if err != nil {
		return r, err
	}
	for {
		scenes, err := p.nextScenes(ctx, after)
		if err != nil || len(scenes) == 0 {
			return r, err
		}
		bar.pass(r.Scenes, total)
		after = scenes[len(scenes)-1].ID
		for page := range slices.Chunk(scenes, batchSize) {
			if !goOn(r) {
				r.Next = page[0].ID - 1
				return r, nil
			}
			var all []*plan
			for i := range page {
				r.Scenes++
				if page[i].Err != nil {
					r.Unreadable++
					continue
				}
				if p.skip(&page[i]) != "" {
					r.Skipped++
					continue
				}
				all = append(all, &plan{job: job.Job{Subject: job.Scene(page[i].ID)}, scene: &page[i], at: p.now()})
			}
			p.planLoaded(ctx, all)
			for _, x := range all {
				if err := r.add(ctx, p, x, each); err != nil {
					return r, err
				}
			}
		}
		if err := ctx.Err(); err != nil {
			return r, err
		}
	}
}

// errPage ends a listing of Stash's scenes after one page.
var errPage = errors.New("one page")

// nextScenes asks for the page of scenes after one.
func (p *planner) nextScenes(ctx context.Context, after int64) (scenes []Scene, err error) {
	err = p.stash.AllScenes(ctx, after, func(page []Scene) error {
		scenes = page
		return errPage
	})
	if errors.Is(err, errPage) {
		err = nil
	}
	return scenes, err
}

// add adds a scene's plan to a preview.
func (r *Previewed) add(ctx context.Context, p *planner, x *plan, each func(PreviewedItem)) error {
	var vanished *vanishedError
	switch class := job.ClassOf(x.err); {
	case class == job.ClassNotInPlex, class == job.ClassAmbiguous, class == job.ClassJoined:
		r.NotFound++
		return nil
	case x.err != nil && !errors.As(x.err, &vanished):
		return x.err
	}
	// Covers of scenes that were never written are not fetched: it may be all of them.
	if slices.ContainsFunc(x.targets, func(t *target) bool { return t.old.Key != "" }) {
		if p.fetchCover(ctx, x); x.err != nil && !errors.As(x.err, &vanished) {
			return x.err
		}
	}
	for _, t := range x.targets {
		if t.item == nil {
			continue
		}
		shown := p.explainItem(x, t)
		item := PreviewedItem{Scene: x.scene.ID, Title: x.scene.Meta.Title, Key: shown.Key, Changes: shown.Changes(),
			Locks:  len(shown.Lock)+len(shown.Unlock) > 0,
			Poster: shown.Poster || x.cover == nil && t.old.Key == "" && p.opt.Poster && x.scene.CoverURL != ""}
		if shown.Untouched() && !item.Poster {
			r.Same++
			continue
		}
		r.Items++
		for _, c := range item.Changes {
			r.Fields[c.Field]++
		}
		if item.Poster {
			r.Fields["poster"]++
		}
		if shown.Background {
			r.Fields["background"]++
		}
		if item.Locks {
			r.Fields["locks"]++
		}
		if len(r.First) < maxPreviewed {
			r.First = append(r.First, item)
		}
		each(item)
	}
	return nil
}
