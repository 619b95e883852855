package worker

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/plexsync/plexsync/internal/fold"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
)

// read reads the targets in full, with what is known of them.
func (p *planner) read(ctx context.Context, all []*plan) {
	var keys, paths []string
	var scenes []int64
	for _, x := range all {
		scenes = append(scenes, x.scene.ID)
		for _, t := range x.targets {
			keys = append(keys, t.hit.Key)
			paths = append(paths, t.hit.Part.Path)
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	known, err := p.knownBases(ctx, keys, paths, scenes)
	if err != nil {
		endAll(all, err)
		return
	}
	p.bury(ctx, all, known)
	for _, x := range all {
		for _, t := range x.targets {
			var stale []string
			t.old, stale = known.of(t.hit, x.scene.ID)
			x.forget = append(x.forget, stale...)
		}
	}
	items, errs := p.readItems(ctx, keys)
	for _, x := range all {
		for _, t := range x.targets {
			item, err := items[t.hit.Key], errs[t.hit.Key]
			switch {
			case err != nil:
				x.err = err
			case item == nil:
				x.err = &vanishedError{t.hit.Key}
			case item.Trashed && !t.hit.Part.Trashed && !p.trashed[t.hit.Key]:
				// Another may fit better, since it went there.
				p.trashed[t.hit.Key] = true
				x.err = &vanishedError{t.hit.Key}
			default:
				t.item = item
				// The pictures of an item that was never written are not known.
				known := t.old
				if t.old.Key != t.hit.Key {
					known = job.Pushed{}
				}
				t.looksAt = p.looksAtCover(x.scene, known) || p.putsBack(t)
				x.answered = true
			}
		}
	}
}

// readItems reads items in full. If Plex chokes on a batch, it is asked for each alone,
// so that one poisonous item costs only itself. What is in neither map is not in Plex.
func (p *planner) readItems(ctx context.Context, keys []string) (map[string]*Item, map[string]error) {
	items, errs := map[string]*Item{}, map[string]error{}
	var read func(keys []string)
	read = func(keys []string) {
		found, err := p.items.Items(ctx, keys)
		if err != nil && len(keys) > 1 {
			if err = p.confirm(ctx, err); job.ClassOf(err) == job.ClassBusy || job.ClassOf(err) == job.ClassRejected {
				for _, k := range keys {
					if p.stopped() || ctx.Err() != nil {
						errs[k] = err
						continue
					}
					read([]string{k})
				}
				return
			}
		}
		for _, k := range keys {
			if err != nil {
				errs[k] = err
			}
		}
		for i := range found {
			items[found[i].Key] = &found[i]
		}
	}
	for chunk := range slices.Chunk(keys, batchSize) {
		read(chunk)
	}
	return items, errs
}

// bases are the pushed states that may belong to the items of a batch.
type bases struct {
	byKey   map[string]job.Pushed
	byPath  map[string][]job.Pushed
	byScene map[int64][]job.Pushed
	// live are the rating keys, of all these, that Plex still has: their states are
	// theirs and cannot pass to another item.
	live map[string]bool
}

func (p *planner) knownBases(ctx context.Context, keys, paths []string, scenes []int64) (bases, error) {
	b := bases{byKey: map[string]job.Pushed{}, byPath: map[string][]job.Pushed{}, byScene: map[int64][]job.Pushed{}, live: map[string]bool{}}
	memory := p.catalogue.memory()
	byKey, err := memory.PushedOfKeys(ctx, keys...)
	if err != nil {
		return b, err
	}
	byPath, err := memory.PushedOfPaths(ctx, paths...)
	if err != nil {
		return b, err
	}
	byScene, err := memory.PushedOfScenes(ctx, scenes...)
	if err != nil {
		return b, err
	}
	for _, r := range byKey {
		b.byKey[r.Key] = r
	}
	for _, r := range byPath {
		b.byPath[r.Path] = append(b.byPath[r.Path], r)
	}
	for _, r := range byScene {
		b.byScene[r.Scene] = append(b.byScene[r.Scene], r)
	}
	for _, r := range slices.Concat(byPath, byScene) {
		if _, ok := b.live[r.Key]; ok {
			continue
		}
		parts, err := p.catalogue.partsOf(ctx, r.Key)
		if err != nil {
			return b, err
		}
		b.live[r.Key] = len(parts) > 0
	}
	return b, nil
}

// bury finds out which items are gone from Plex although the index still has them: a
// renewal of the index shows what is new, not what has gone. It matters where a scene
// has an item that was never written and a state of another: if that item is gone, the
// state passes to the new one.
func (p *planner) bury(ctx context.Context, all []*plan, known bases) {
	suspects := map[string][]*plan{}
	for _, x := range all {
		for _, t := range x.targets {
			if _, ok := known.byKey[t.hit.Key]; ok {
				continue
			}
			for _, old := range slices.Concat(known.byScene[x.scene.ID], known.byPath[t.hit.Part.Path]) {
				hit := slices.ContainsFunc(x.found.Hits, func(h match.Hit) bool { return h.Key == old.Key })
				if known.live[old.Key] && !hit {
					suspects[old.Key] = append(suspects[old.Key], x)
				}
			}
		}
	}
	var keys []string
	for key := range suspects {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	items, errs := p.readItems(ctx, keys)
	for _, key := range keys {
		if items[key] == nil && errs[key] == nil {
			known.live[key] = false
			suspects[key][0].vanished = append(suspects[key][0].vanished, key)
		}
	}
}

// of returns the state that belongs to an item: by its rating key, whichever scene
// wrote it, then by its path, then by its scene, where the old item is gone; of
// several, the newest. stale are the states of keys that are gone and of which the
// item at this path, or the scene's, has a newer one: a drain that was killed between
// two keys leaves them.
func (b bases) of(h match.Hit, scene int64) (r job.Pushed, stale []string) {
	r, found := b.byKey[h.Key]
	for _, candidates := range [][]job.Pushed{b.byPath[h.Part.Path], b.byScene[scene]} {
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(c job.Pushed) bool {
			return c.Key == h.Key || b.live[c.Key] || c.Path != h.Part.Path && (c.Section != h.Section || !sameFile(c, h.File))
		})
		slices.SortStableFunc(candidates, func(x, y job.Pushed) int { return y.At.Compare(x.At) })
		for _, c := range candidates {
			switch {
			case !found:
				r, found = c, true
			case c.Path == h.Part.Path && c.Key != r.Key:
				stale = append(stale, c.Key)
			}
		}
	}
	return r, stale
}

// sameFile reports whether a state was written for a file: one that was moved or
// renamed keeps its size, one that was encoded anew its name. By a scene's id alone a
// state passes to nothing: Stash gives ids again after it began anew.
func sameFile(r job.Pushed, f match.File) bool {
	if r.Size > 0 && r.Size == f.Size {
		return r.Duration <= 0 || f.Duration <= 0 || match.Agree(r.Duration, f.Duration)
	}
	return fold.Base(r.Path) == fold.Base(f.Path) && (r.Duration <= 0 || match.Agree(r.Duration, f.Duration))
}

// decodeBase reads the base of a state, and the base that holds if its write went
// through.
func decodeBase(r job.Pushed) (base, intent merge.Base, err error) {
	if len(r.Base) > 0 {
		if err := json.Unmarshal(r.Base, &base); err != nil {
			return base, intent, err
		}
	}
	if len(r.Intent) > 0 {
		err = json.Unmarshal(r.Intent, &intent)
	}
	return base, intent, err
}

// record is the pushed state of t's item: with intent while it is being written,
// and afterwards, without one, as brought to the wanted state.
func record(x *plan, t *target, base merge.Base, intent *merge.Base) (job.Pushed, error) {
	r := t.old
	if r.Key != t.hit.Key && r.Key != "" {
		// The pictures were the old item's.
		r.PosterHash, r.PosterETag, r.ArtHash, r.Thumb, r.PosterAt = "", "", "", "", time.Time{}
	}
	if r.Scene != x.scene.ID {
		r.PosterAt = time.Time{} // it was another scene's cover that was looked at then
	}
	r.Key, r.Section, r.Path, r.Scene = t.hit.Key, t.hit.Section, t.hit.Part.Path, x.scene.ID
	r.Size, r.Duration = t.hit.File.Size, t.hit.File.Duration
	r.Refs, r.At, r.Seen = refs(x.scene.Meta), x.at, ""
	var err error
	if r.Base, err = json.Marshal(base); err != nil {
		return r, err
	}
	if intent != nil {
		r.WantedHash = ""
		r.Intent, err = json.Marshal(intent)
		return r, err
	}
	r.WantedHash, r.Intent = x.hash, nil
	return r, nil
}

// refs lists the objects that a scene shows.
func refs(s merge.Scene) []job.Subject {
	var all []job.Subject
	for _, p := range s.Performers {
		all = append(all, job.Subject{Kind: job.KindPerformer, ID: p.ID})
	}
	for st, depth := s.Studio, 0; st != nil && depth < 10; st, depth = st.Parent, depth+1 {
		all = append(all, job.Subject{Kind: job.KindStudio, ID: st.ID})
	}
	for _, t := range s.Tags {
		all = append(all, job.Subject{Kind: job.KindTag, ID: t.ID})
	}
	for _, g := range s.Groups {
		all = append(all, job.Subject{Kind: job.KindGroup, ID: g.ID})
	}
	return all
}
