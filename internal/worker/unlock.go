package worker

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/merge"
)

// Unlock takes off Plex's locks that PlexSync set, and returns at how many items. It
// is for people who leave: as long as leaveUnlocked is off, whatever is written later
// is locked again. It returns ErrRunning while a drain is at work. An item that is
// gone is passed over.
func (w *Worker) Unlock(ctx context.Context) (int, error) {
	release, err := w.take(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	c := newCatalogue(w.env, w.plex, w.store)
	if err := c.meet(ctx); err != nil {
		return 0, err
	}
	n := 0
	for after := ""; ; {
		rows, err := c.server().PushedAfter(ctx, after, batchSize)
		if err != nil || len(rows) == 0 {
			return n, err
		}
		after = rows[len(rows)-1].Key
		var keys []string
		bases := map[string]merge.Base{}
		for _, p := range rows {
			base, intent, err := decodeBase(p)
			if err != nil || p.Untied() {
				continue
			}
			// A write that was cut short may have locked what its intent says.
			for _, f := range intent.Locked {
				if !slices.Contains(base.Locked, f) {
					base.Locked = append(base.Locked, f)
				}
			}
			if p.PosterHash != "" {
				base.Locked = append(base.Locked, merge.Thumb)
			}
			if p.ArtHash != "" {
				base.Locked = append(base.Locked, merge.Art)
			}
			if len(base.Locked) > 0 {
				bases[p.Key] = base
				keys = append(keys, p.Key)
			}
		}
		if len(keys) == 0 {
			continue
		}
		items, err := w.plex.Items(ctx, keys)
		if err != nil {
			return n, err
		}
		for _, item := range items {
			base := bases[item.Key]
			var e merge.Edit
			for _, f := range base.Locked {
				if item.State.Locked[f] && !slices.Contains(e.Unlock, f) {
					e.Unlock = append(e.Unlock, f)
				}
			}
			if !e.Empty() {
				if _, err := w.plex.Edit(ctx, item.Section, item.Key, e); err != nil {
					return n, err
				}
				n++
			}
			i := slices.IndexFunc(rows, func(p job.Pushed) bool { return p.Key == item.Key })
			base.Locked = nil
			if rows[i].Base, err = json.Marshal(base); err != nil {
				return n, err
			}
			if err := c.server().SavePushed(ctx, rows[i]); err != nil {
				return n, err
			}
		}
		w.progress(float64(n%1000) / 1000)
	}
}
