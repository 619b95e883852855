package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

const (
	// metaRecent is when Stash was last asked for recent scenes, in seconds.
	metaRecent = "recent_at"
	// recentOverlap is how far a look reaches back before the last one: Stash's times
	// have whole seconds.
	recentOverlap = 2 * time.Second
)

// queueRecent queues the scenes that Stash has updated since the last look and that
// no job is about: auto-tag, merges and covers that were generated call no hook.
func (c *comparer) queueRecent(ctx context.Context) error {
	now := c.now()
	var before int64
	if err := readMeta(ctx, c.notes, metaRecent, &before); err != nil {
		return err
	}
	then := time.Unix(before, 0)
	memory, err := c.servers.Current(ctx)
	if err != nil {
		return err
	}
	if before > 0 && !then.After(now) {
		var subjects []job.Subject
		err := c.stash.UpdatedSince(ctx, then.Add(-recentOverlap), func(ids []int64, updated []time.Time) error {
			live, err := c.jobs.LiveScenes(ctx, ids[0]-1, ids[len(ids)-1])
			if err != nil {
				return err
			}
			rows, err := memory.PushedOfScenes(ctx, ids...)
			if err != nil {
				return err
			}
			read := map[int64]time.Time{} // when the state was read that we wrote
			for _, p := range rows {
				if at, ok := read[p.Scene]; !ok || p.At.Before(at) {
					read[p.Scene] = p.At
				}
			}
			for i, id := range ids {
				// Stash's times have whole seconds: what was read in the same one may be
				// older.
				if !slices.Contains(live, id) && !read[id].Add(-time.Second).After(updated[i]) {
					subjects = append(subjects, job.Scene(id))
				}
			}
			return nil
		})
		switch {
		case errors.Is(err, job.ErrStore), job.Interrupted(ctx, err):
			return err
		case err != nil:
			c.guard.stashFailed(ctx, err)
			return nil
		}
		if err := c.jobs.Enqueue(ctx, now, job.PriorityBulk, subjects...); err != nil {
			return err
		}
		if len(subjects) > 0 {
			c.log.Debug(fmt.Sprintf("%s changed in Stash without an event, or since the last run started", plural(len(subjects), "scene", "scenes")))
		}
	}
	return writeMeta(ctx, c.notes, metaRecent, now.Unix())
}

// LastRecent is when Stash was last asked for recent scenes; zero if never.
func LastRecent(ctx context.Context, notes Notes) (time.Time, error) {
	var at int64
	if err := readMeta(ctx, notes, metaRecent, &at); err != nil || at == 0 {
		return time.Time{}, err
	}
	return time.Unix(at, 0), nil
}
