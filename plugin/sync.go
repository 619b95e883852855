package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
)

// drain processes the queue, and logs meanwhile. While PlexSync is paused or not set up,
// the queue is left as it is.
func (s *session) drain(ctx context.Context, _ NoArguments) (Drained, error) {
	if err := s.beginDrain(ctx, s); err != nil {
		return Drained{}, err
	}
	for _, problem := range s.problems {
		if !problem.Fatal {
			s.log.Warn(problem.String())
		}
	}
	if err := s.fatal(); err != nil {
		return Drained{}, err
	}
	if s.config.Paused {
		c, err := s.db.Counts(ctx, time.Now())
		if err != nil {
			return Drained{}, err
		}
		s.log.Info(fmt.Sprintf("Paused in the settings. Jobs waiting: %d", c.Queued))
		return Drained{Paused: true, Queued: &c.Queued}, nil
	}
	w, err := s.worker(ctx, s)
	if err != nil {
		return Drained{}, err
	}
	r, err := w.Drain(ctx)
	if errors.Is(err, worker.ErrRunning) {
		s.log.Info("Already running; the current run will pick up these jobs")
		return Drained{Running: true}, nil
	}
	if err != nil {
		return Drained{}, err
	}
	s.stayFor(ctx)
	s.logCoverage(ctx, r)
	answer := runAnswer(r)
	return Drained{Run: &answer}, nil
}

// stayFor starts the waker if Stash has tasks of others before it: auto-tag, say, or
// the covers of what was just scanned, of which no event tells.
func (s *session) stayFor(ctx context.Context) {
	tasks, err := s.stash.Tasks(ctx)
	if err != nil {
		return // the next drain looks for what changed
	}
	// The one that is running may be this drain.
	if slices.ContainsFunc(tasks, func(t stash.Task) bool { return !t.Ours && !t.Running }) {
		s.wake()
	}
}

// startDrain makes sure that what was queued is processed soon: by the drain that runs, or
// by one that Stash is asked for.
func (s *session) startDrain(ctx context.Context) error {
	if store.Held(s.dir, store.DrainLock) {
		return nil
	}
	_, err := s.stash.RunTask(ctx, "process queue", map[string]any{"mode": "process"})
	return err
}

// syncAll queues every scene and looks at every cover again. The first time a comparison
// follows, which finds out how many scenes there is nothing to write for.
func (s *session) syncAll(ctx context.Context, _ NoArguments) (Count, error) {
	if ended, _, err := worker.LastCompare(ctx, s.db); err != nil {
		return Count{}, err
	} else if ended.Began.IsZero() {
		if err := worker.AskCompare(ctx, s.db, time.Now(), false); err != nil {
			return Count{}, err
		}
	}
	if err := s.db.LookAtCovers(ctx); err != nil {
		return Count{}, err
	}
	if err := worker.AskListing(ctx, s.db); err != nil {
		return Count{}, err
	}
	return Count{1}, s.db.Enqueue(ctx, time.Now(), job.PriorityBulk, job.Library())
}

// recent is what "Sync recent scenes" calls recent.
const recent = 24 * time.Hour

// syncRecent queues the scenes that changed in the last 24 hours.
func (s *session) syncRecent(ctx context.Context, _ NoArguments) (Count, error) {
	now := time.Now()
	var n Count
	err := s.stash.UpdatedSince(ctx, now.Add(-recent), func(ids []int64, _ []time.Time) error {
		subjects := make([]job.Subject, len(ids))
		for i, id := range ids {
			subjects[i] = job.Scene(id)
		}
		n.Count += len(ids)
		return s.db.Enqueue(ctx, now, job.PriorityBulk, subjects...)
	})
	return n, err
}

// syncScene queues one scene, and looks at it and its cover again.
func (s *session) syncScene(ctx context.Context, q SceneRequest) (Count, error) {
	if err := s.db.LookAgain(ctx, q.Scene); err != nil {
		return Count{}, err
	}
	current, err := s.db.Current(ctx)
	if err != nil {
		return Count{}, err
	}
	switch known, err := current.PushedOfScenes(ctx, q.Scene); {
	case err != nil:
		return Count{}, err
	case len(known) == 0:
		// Its item may have come to Plex since Plex was read.
		if err := worker.AskListing(ctx, s.db); err != nil {
			return Count{}, err
		}
	}
	return Count{1}, s.db.Enqueue(ctx, time.Now(), job.PriorityEvent, job.Scene(q.Scene))
}

// compare compares the whole library, reading every item in full, and processes what
// differs.
func (s *session) compare(ctx context.Context, _ NoArguments) (Compared, error) {
	if err := worker.AskCompare(ctx, s.db, time.Now(), true); err != nil {
		return Compared{}, err
	}
	run, err := s.drain(ctx, NoArguments{})
	if err != nil {
		return Compared{}, err
	}
	ended, wanted, err := worker.LastCompare(ctx, s.db)
	if err != nil {
		return Compared{}, err
	}
	c := Compared{Run: run, Compared: comparison(ended)}
	if !wanted.Asked.IsZero() {
		under := comparison(wanted)
		c.UnderWay = &under
	}
	return c, nil
}

func comparison(c worker.Comparing) Comparison {
	f := c.Found
	return Comparison{
		Asked: Time{c.Asked}, Began: Time{c.Began}, Ended: Time{c.Ended}, Full: c.Full, Total: c.Total, After: c.After,
		Found: Found{
			NeverPushed: f.NeverPushed, ChangedInStash: f.ChangedInStash, ChangedInPlex: f.ChangedInPlex, Rekeyed: f.Rekeyed,
			Gone: f.Gone, NotInPlex: f.NotInPlex, Joined: f.Joined, Same: f.Same, WithoutMetadata: f.WithoutMetadata, Excluded: f.Excluded,
			Unreadable: f.Unreadable, NoFile: f.NoFile, NotOrganized: f.NotOrganized,
			NoStashID: f.NoStashID, NoRequiredTag: f.NoRequiredTag, ByTag: f.ByTag, OutsidePaths: f.OutsidePaths, ByPath: f.ByPath, Waiting: f.Waiting, Dead: f.Dead, Queued: f.Queued,
		},
	}
}

// unlock takes off the locks that PlexSync set in Plex, for people who leave it.
func (s *session) unlock(ctx context.Context, _ NoArguments) (Count, error) {
	w, err := s.ready(ctx)
	if err != nil {
		return Count{}, err
	}
	if !s.config.LeaveUnlocked {
		s.log.Warn("leaveUnlocked is off: PlexSync will lock the fields that it writes from now on")
	}
	n, err := w.Unlock(ctx)
	return Count{n}, err
}

// forgetMatches makes the next sync look every item up again.
func (s *session) forgetMatches(ctx context.Context, _ NoArguments) (Count, error) {
	n, err := s.db.ForgetMatches(ctx)
	return Count{n}, err
}
