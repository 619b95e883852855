package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/plexsync/plexsync/internal/store"
)

// beginDrain is what a drain does before anything else: it takes in the events that the
// database did not take, and sees to it that somebody is left if it is killed.
func (p *process) beginDrain(ctx context.Context, s *session) error {
	n, err := s.db.TakeSpool(ctx, time.Now())
	if n > 0 {
		p.log.Info(fmt.Sprintf("Edits saved while the database could not be used, now queued: %d", n))
	}
	if store.Damaged(err) {
		return err
	}
	if err != nil {
		// What is in the queue need not wait for it.
		p.log.Error(fmt.Sprintf("Saved edits could not be queued yet, PlexSync will try again: %v", err))
	}
	p.reportNotices(s.db)
	p.wake()
	return nil
}

// reportNotices tells what the store did on its own: set a file aside, dropped a row. It
// does so also where the page asks, which else logs nothing.
func (p *process) reportNotices(db *store.Store) {
	notices, err := db.Notices(context.Background())
	if err != nil || len(notices) == 0 {
		return
	}
	if level := p.level.Level(); level > slog.LevelError {
		p.level.Set(slog.LevelError)
		defer p.level.Set(level)
	}
	for _, n := range notices {
		p.log.Error(n)
	}
}
