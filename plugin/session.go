package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/host"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
)

// session is what every mode needs: the database, Stash, and the settings.
type session struct {
	db       *store.Store
	stash    *stash.Client
	raw      map[string]any // the settings as Stash has them
	config   config.Config
	problems []config.Problem
	version  string   // of Stash
	unknown  []string // settings that nobody reads
}

// wakeIfNeeded starts the waker if something waits for a later time.
func (p *process) wakeIfNeeded(ctx context.Context, db *store.Store, compareEvery time.Duration) {
	if store.Held(p.dir, store.WakerLock) {
		return // it sees for itself
	}
	c, err := db.Counts(ctx, time.Now())
	if err != nil {
		return // told by whoever did the work
	}
	b, err := db.Breaker(ctx, job.Plex)
	if err != nil {
		return
	}
	awaits, err := db.Awaits(ctx)
	if err != nil {
		return
	}
	compare, err := nextCompare(ctx, db, compareEvery)
	due := !compare.IsZero() && !compare.After(time.Now())
	if err == nil && (c.Queued > 0 || b.State == job.BreakerOpen || awaits || due) {
		p.wake()
	}
}

// open opens the database and asks Stash for the settings.
func (p *process) open(ctx context.Context) (*session, error) {
	db, err := store.Open(ctx, p.dir, time.Now())
	if err != nil {
		return nil, err
	}
	p.tellSetAside(db)
	s := &session{db: db}
	if s.stash, err = p.stash(0); err != nil {
		db.Close()
		return nil, err
	}
	state, err := s.stash.State(ctx)
	if nerr := noteStash(ctx, db, err); err == nil {
		err = nerr
	}
	if err != nil {
		p.wakeIfNeeded(ctx, db, 0)
		db.Close()
		return nil, err
	}
	if err := stash.CheckVersion(state.Version); err != nil {
		p.log.Warn(err.Error())
	}
	s.raw = state.Settings
	s.config, s.problems = parseSettings(state.Settings)
	s.version, s.unknown = state.Version, config.Unknown(state.Settings)
	p.handler.AddSecret(s.config.PlexToken.Reveal())
	if s.config.Verbose {
		p.level.Set(host.LevelDebug)
	}
	return s, nil
}

func parseSettings(settings map[string]any) (config.Config, []config.Problem) {
	return config.Parse(settings, config.Check{Setting: "pathRules", Test: func(v string) error {
		_, err := match.ParseRules(v)
		return err
	}})
}

// fatal is what keeps the settings from being used, all of it at once; nil if
// nothing does.
func (s *session) fatal() error {
	var all []string
	for _, problem := range s.problems {
		if problem.Fatal {
			all = append(all, problem.String())
		}
	}
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("PlexSync cannot work yet, set it up in Settings > Plugins > PlexSync; what is edited meanwhile is queued. %s", strings.Join(all, "; "))
}
