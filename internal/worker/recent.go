package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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
	// metaFannedOut is for which performers, studios, tags and groups Stash was asked
	// since then, and when, so that a change whose event was worked is not worked again.
	metaFannedOut = "fanned_out"
	// Of more than maxShown of them the library is looked at instead.
	maxShown = 500
	// maxFannedOut bounds metaFannedOut; what falls out costs a second look.
	maxFannedOut = 2000
)

// fannedOut is when Stash was asked last for the scenes of each subject, in seconds, by
// [job.Subject.String].
type fannedOut map[string]int64

// covers reports whether a change of u is older than what was worked. Stash's times have
// whole seconds: a change in the second of the question may have come after it.
func (f fannedOut) covers(u Updated) bool {
	at := max(f[u.Subject.String()], f[job.Library().String()])
	return at > u.At.Unix()
}

// noteFannedOut adds what this run has worked.
func noteFannedOut(ctx context.Context, notes Notes, worked fannedOut) error {
	if len(worked) == 0 {
		return nil
	}
	before, err := readFannedOut(ctx, notes)
	if err != nil {
		return err
	}
	maps.Copy(before, worked)
	if len(before) > maxFannedOut {
		subjects := slices.SortedFunc(maps.Keys(before), func(a, b string) int { return cmp.Compare(before[b], before[a]) })
		for _, sub := range subjects[maxFannedOut:] {
			delete(before, sub)
		}
	}
	return writeMeta(ctx, notes, metaFannedOut, before)
}

func readFannedOut(ctx context.Context, notes Notes) (fannedOut, error) {
	f := fannedOut{}
	err := readMeta(ctx, notes, metaFannedOut, &f)
	if f == nil {
		f = fannedOut{}
	}
	return f, err
}

// queueRecent queues the scenes that Stash has updated since the last look and that no
// job is about, and the performers, studios, tags and groups: auto-tag, merges and covers
// that were generated call no hook, and a hook may fail to run.
func (c *comparer) queueRecent(ctx context.Context) error {
	now := c.now()
	var before int64
	if err := readMeta(ctx, c.notes, metaRecent, &before); err != nil {
		return err
	}
	then := time.Unix(before, 0)
	if before > 0 && !then.After(now) {
		scenes, err := c.recentScenes(ctx, then.Add(-recentOverlap))
		var shown []job.Subject
		if err == nil {
			shown, err = c.recentlyShown(ctx, then.Add(-recentOverlap))
		}
		switch {
		case errors.Is(err, job.ErrStore), job.Interrupted(ctx, err):
			return err
		case err != nil:
			c.guard.stashFailed(ctx, err)
			return nil
		}
		if slices.Contains(shown, job.Library()) {
			scenes = nil
		}
		if err := c.jobs.Enqueue(ctx, now, job.PriorityBulk, append(scenes, shown...)...); err != nil {
			return err
		}
		if len(scenes) > 0 {
			c.log.Debug(fmt.Sprintf("%s changed in Stash without an event, or since the last run began", plural(len(scenes), "scene", "scenes")))
		}
		for _, sub := range shown {
			c.log.Debug(fmt.Sprintf("%s changed in Stash without an event, or since the last run began", sub))
		}
	}
	return writeMeta(ctx, c.notes, metaRecent, now.Unix())
}

// recentScenes are the scenes that were updated at or after then, whose states were read
// before that, and that no job is about.
func (c *comparer) recentScenes(ctx context.Context, then time.Time) ([]job.Subject, error) {
	memory, err := c.servers.Current(ctx)
	if err != nil {
		return nil, err
	}
	var subjects []job.Subject
	err = c.stash.UpdatedSince(ctx, then, func(ids []int64, updated []time.Time) error {
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
	return subjects, err
}

// recentlyShown are the performers, studios, tags and groups that were changed at or
// after then, whose scenes were not asked for since, and that no job is about; the whole
// library if there are too many of them.
func (c *comparer) recentlyShown(ctx context.Context, then time.Time) ([]job.Subject, error) {
	changed, err := c.stash.SubjectsUpdatedSince(ctx, then)
	if err != nil || len(changed) == 0 {
		return nil, err
	}
	worked, err := readFannedOut(ctx, c.notes)
	if err != nil {
		return nil, err
	}
	// What is older than any look to come need not be known any longer.
	maps.DeleteFunc(worked, func(_ string, at int64) bool { return at < then.Unix() })
	if err := writeMeta(ctx, c.notes, metaFannedOut, worked); err != nil {
		return nil, err
	}
	var subjects []job.Subject
	for _, u := range changed {
		if worked.covers(u) {
			continue
		}
		_, live, err := c.jobs.Job(ctx, u.Subject)
		if err != nil {
			return nil, err
		}
		if !live {
			subjects = append(subjects, u.Subject)
		}
	}
	if len(subjects) > maxShown {
		return []job.Subject{job.Library()}, nil
	}
	return subjects, nil
}

// LastRecent is when Stash was last asked for recent scenes; zero if never.
func LastRecent(ctx context.Context, notes Notes) (time.Time, error) {
	var at int64
	if err := readMeta(ctx, notes, metaRecent, &at); err != nil || at == 0 {
		return time.Time{}, err
	}
	return time.Unix(at, 0), nil
}
