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

// drain works the queue. A queue that is paused or not set up yet is left as it is.
func (p *process) drain(ctx context.Context, s *session) (any, error) {
	for _, problem := range s.problems {
		if !problem.Fatal {
			p.log.Warn(problem.String())
		}
	}
	if err := s.fatal(); err != nil {
		return nil, err
	}
	if s.config.Paused {
		c, err := s.db.Counts(ctx, time.Now())
		if err != nil {
			return nil, err
		}
		p.log.Info(fmt.Sprintf("Paused in the settings. Jobs that wait: %d", c.Queued))
		return map[string]any{"paused": true, "queued": c.Queued}, nil
	}
	w, err := p.worker(ctx, s)
	if err != nil {
		return nil, err
	}
	run, err := w.Drain(ctx)
	if errors.Is(err, worker.ErrRunning) {
		p.log.Info("Nothing to start: " + err.Error())
		return map[string]any{"running": true}, nil
	}
	if err == nil {
		p.stayFor(ctx, s)
	}
	return run, err
}

// stayFor starts the waker if Stash has tasks of others before it: auto-tag, say, or
// the covers of what was just scanned, of which no event tells.
func (p *process) stayFor(ctx context.Context, s *session) {
	tasks, err := s.stash.Tasks(ctx)
	if err != nil {
		return // the next drain looks for what changed
	}
	// The one that is running may be this drain.
	if slices.ContainsFunc(tasks, func(t stash.Task) bool { return !t.Ours && !t.Running }) {
		p.wake()
	}
}

// syncAll queues every scene and looks at every cover again.
func (p *process) syncAll(ctx context.Context, s *session) (any, error) {
	if err := s.db.LookAtCovers(ctx); err != nil {
		return nil, err
	}
	if err := s.db.Enqueue(ctx, time.Now(), job.PriorityBulk, job.Library()); err != nil {
		return nil, err
	}
	return p.drain(ctx, s)
}

// recent is what "Sync recent scenes" calls recent.
const recent = 24 * time.Hour

func (p *process) syncRecent(ctx context.Context, s *session) (any, error) {
	now := time.Now()
	n := 0
	err := s.stash.UpdatedSince(ctx, now.Add(-recent), func(ids []int64, _ []time.Time) error {
		subjects := make([]job.Subject, len(ids))
		for i, id := range ids {
			subjects[i] = job.Scene(id)
		}
		n += len(ids)
		return s.db.Enqueue(ctx, now, job.PriorityBulk, subjects...)
	})
	if err != nil {
		return nil, err
	}
	p.log.Info(fmt.Sprintf("Scenes queued that changed in the last 24 hours: %d", n))
	return p.drain(ctx, s)
}

// compare compares the whole library, every item in full, and works what differs.
func (p *process) compare(ctx context.Context, s *session) (any, error) {
	if err := worker.AskCompare(ctx, s.db, time.Now(), true); err != nil {
		return nil, err
	}
	run, err := p.drain(ctx, s)
	if err != nil {
		return nil, err
	}
	ended, wanted, err := worker.LastCompare(ctx, s.db)
	out := map[string]any{"run": run, "compared": ended}
	if !wanted.Asked.IsZero() {
		out["under_way"] = wanted
	}
	return out, err
}

// unlock takes PlexSync's locks off, for who leaves it.
func (p *process) unlock(ctx context.Context, s *session) (any, error) {
	if err := s.fatal(); err != nil {
		return nil, err
	}
	w, err := p.worker(ctx, s)
	if err != nil {
		return nil, err
	}
	if !s.config.LeaveUnlocked {
		p.log.Warn("leaveUnlocked is off: what PlexSync writes from now on is locked again")
	}
	n, err := w.Unlock(ctx)
	return p.told(n, "Items whose fields are no longer locked: %d", err)
}

func (p *process) syncScene(ctx context.Context, s *session) (any, error) {
	id, err := p.idArgument("scene_id")
	if err != nil {
		return nil, err
	}
	if err := s.db.LookAgain(ctx, id); err != nil {
		return nil, err
	}
	if err := s.db.Enqueue(ctx, time.Now(), job.PriorityEvent, job.Scene(id)); err != nil {
		return nil, err
	}
	if p.v > 0 {
		return map[string]any{"count": 1}, p.askDrain(ctx, s)
	}
	return p.drain(ctx, s)
}

func (p *process) forgetMatches(ctx context.Context, s *session) (any, error) {
	n, err := s.db.ForgetMatches(ctx)
	return p.told(n, "Matches forgotten, to be looked up anew at the next sync: %d", err)
}

// askDrain sees to it that what was queued is worked soon: by the drain that runs, or
// by one that Stash is asked for.
func (p *process) askDrain(ctx context.Context, s *session) error {
	if store.Held(p.dir, store.DrainLock) {
		return nil
	}
	_, err := s.stash.RunTask(ctx, "process queue", map[string]any{"mode": "process"})
	return err
}
