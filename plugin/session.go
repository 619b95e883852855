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
	"github.com/plexsync/plexsync/internal/poster"
	"github.com/plexsync/plexsync/internal/scope"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/title"
	"github.com/plexsync/plexsync/internal/worker"
)

// session is what every mode needs: the database, Stash, and the settings.
type session struct {
	*process
	db       *store.Store
	stash    *stash.Client
	by       string         // who asks for a drain; "" = a person
	raw      map[string]any // the settings as Stash has them
	config   config.Config
	problems []config.Problem
	unknown  []string // settings that this version does not have
	// stashVersion is what Stash says of itself.
	stashVersion string
	// hide is what names go through on their way to the log; nil = as they are.
	hide func(string) string
}

// open opens the database and asks Stash for the settings.
func (p *process) open(ctx context.Context, c CallRequest) (*session, error) {
	db, err := store.Open(ctx, p.dir, time.Now())
	if err != nil {
		return nil, err
	}
	p.reportNotices(db)
	s := &session{process: p, db: db, by: c.By}
	if err := s.readSettings(ctx); err != nil {
		p.wakeIfNeeded(ctx, db, 0)
		db.Close()
		return nil, err
	}
	switch {
	case c.V > 0:
		p.level.Set(silent)
	case s.config.Verbose:
		p.level.Set(host.LevelDebug)
	}
	return s, nil
}

// readSettings asks Stash for the settings, and notes in its breaker how that ended.
func (s *session) readSettings(ctx context.Context) (err error) {
	if s.stash, err = s.process.stash(0); err != nil {
		return err
	}
	state, err := s.stash.State(ctx)
	if nerr := noteStash(ctx, s.db, err); err == nil {
		err = nerr
	}
	if err != nil {
		return err
	}
	if err := stash.CheckVersion(state.Version); err != nil {
		s.log.Warn(err.Error())
	}
	s.raw, s.stashVersion, s.unknown = state.Settings, state.Version, config.Unknown(state.Settings)
	s.config, s.problems = parseSettings(state.Settings)
	s.handler.AddSecret(s.config.PlexToken.Reveal())
	s.hide, err = s.hiding(ctx)
	return err
}

func parseSettings(settings map[string]any) (config.Config, []config.Problem) {
	globs := func(entries []string) error {
		_, err := scope.ParseGlobs(entries)
		return err
	}
	return config.Parse(settings,
		config.Check{Setting: "pathRules", Test: func(v string) error {
			_, err := match.ParseRules(v)
			return err
		}},
		config.Check{Setting: "titleTemplate", Test: func(v string) error {
			_, err := title.Parse(v)
			return err
		}},
		config.Check{Setting: "posterShape", Test: func(v string) error {
			_, err := poster.ParseShape(v)
			return err
		}},
		config.Check{Setting: "onlyPaths", TestList: globs},
		config.Check{Setting: "excludePaths", TestList: globs},
	)
}

// hidden is a name as the log may show it.
func (s *session) hidden(name string) string {
	if s.hide == nil {
		return name
	}
	return s.hide(name)
}

// hiding is what hidePaths asks for; nil if it is off.
func (s *session) hiding(ctx context.Context) (func(string) string, error) {
	if !s.config.HidePaths {
		return nil, nil
	}
	device, err := s.db.MetaOnce(ctx, metaClient, newClientID())
	return hider(device), err
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
	return fmt.Errorf("PlexSync is not set up yet. Set it up in Settings > Plugins > PlexSync; until then, edits are queued. %s", strings.Join(all, "; "))
}

// ready returns the worker for these settings, or what keeps them from being used.
func (s *session) ready(ctx context.Context) (*worker.Worker, error) {
	if err := s.fatal(); err != nil {
		return nil, err
	}
	return s.worker(ctx, s)
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
	missing, err := db.AnyMissing(ctx)
	if err != nil {
		return
	}
	compare, err := nextCompare(ctx, db, compareEvery)
	due := !compare.IsZero() && !compare.After(time.Now())
	if err == nil && (c.Queued > 0 || b.State == job.BreakerOpen || missing || due) {
		p.wake()
	}
}
