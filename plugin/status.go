package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/store"
)

// statusReport is what the mode status returns.
type statusReport struct {
	Version string `json:"version"`
	job.Counts
	// LastEvent is the time of the newest event of a live job.
	LastEvent time.Time    `json:"last_event,omitzero"`
	Draining  bool         `json:"draining"`
	Breaker   breakerState `json:"breaker"`
	Waker     wakerState   `json:"waker"`
	LastRun   *job.Run     `json:"last_run,omitempty"`
}

type breakerState struct {
	State     job.BreakerState `json:"state"`
	Since     time.Time        `json:"since,omitzero"`
	NextProbe time.Time        `json:"next_probe,omitzero"`
	Cause     job.Class        `json:"cause,omitempty"`
	Message   string           `json:"message,omitempty"`
}

func (p *process) status(ctx context.Context, s *session) (any, error) {
	now := time.Now()
	counts, err := s.db.Counts(ctx, now)
	if err != nil {
		return nil, err
	}
	b, err := s.db.Breaker(ctx, job.Plex)
	if err != nil {
		return nil, err
	}
	runs, err := s.db.Runs(ctx, 1)
	if err != nil {
		return nil, err
	}
	last, err := s.db.NewestEvent(ctx)
	if err != nil {
		return nil, err
	}
	r := statusReport{Version: version, Counts: counts, LastEvent: last, Draining: store.Held(p.dir, store.DrainLock),
		Waker:   p.tellWaker(ctx, s.db),
		Breaker: breakerState{State: b.State, Since: b.OpenedAt, NextProbe: b.NextProbe, Cause: b.Cause, Message: b.Message}}
	p.log.Info(fmt.Sprintf("Queue: %d jobs, %d due, %d being worked, %d waiting", counts.Queued, counts.Due, counts.Leased, counts.Waiting))
	if counts.Waiting > 0 && !counts.NextDue.IsZero() {
		p.log.Info(fmt.Sprintf("The next is due %s", counts.NextDue.Local().Format(time.DateTime)))
	}
	p.log.Info(fmt.Sprintf("Dead letters: %d need review, %d scenes are not in Plex", counts.Dead, counts.NotInPlex))
	if b.Closed() {
		p.log.Info("Plex: nothing wrong at the last look")
	} else {
		p.log.Warn(fmt.Sprintf("Plex: cannot be used since %s: %s", b.OpenedAt.Local().Format(time.DateTime), b.Message))
	}
	if len(runs) > 0 {
		r.LastRun = &runs[0]
		p.log.Info(fmt.Sprintf("Last run: %s, %d done, %d unchanged, %d retry, %d waiting, %d dead, %d gone",
			runs[0].Started.Local().Format(time.DateTime), runs[0].Done, runs[0].Unchanged, runs[0].Retry, runs[0].Waiting, runs[0].Dead, runs[0].Gone))
	}
	for _, problem := range s.problems {
		p.log.Warn(problem.String())
	}
	return r, nil
}

// overview is everything at a glance.
type overview struct {
	Version string    `json:"version"`
	Now     time.Time `json:"now"`
	job.Counts
	// Classes counts the dead letters by class.
	Classes  map[job.Class]int `json:"classes"`
	Draining bool              `json:"draining"`
	Paused   bool              `json:"paused"`
	// Ready: the settings suffice to sync. Problems are what is wrong with them.
	Ready    bool             `json:"ready"`
	Problems []settingProblem `json:"problems"`
	Breaker  breakerState     `json:"breaker"`
	Waker    wakerState       `json:"waker"`
	// Runs are the newest five, LastOutage the newest of Plex.
	Runs       []job.Run     `json:"runs"`
	LastOutage *store.Outage `json:"last_outage,omitempty"`
	// Machine is Plex's id, for links to it; "" if Plex never answered.
	Machine string `json:"machine"`
}

func (p *process) overview(ctx context.Context, s *session) (any, error) {
	now := time.Now()
	o := overview{Version: version, Now: now, Draining: store.Held(p.dir, store.DrainLock), Paused: s.config.Paused,
		Ready: s.config.Ready(), Problems: told(s.problems), Waker: p.tellWaker(ctx, s.db), Runs: []job.Run{}}
	var err error
	if o.Counts, err = s.db.Counts(ctx, now); err != nil {
		return nil, err
	}
	if o.Classes, err = s.db.LetterClasses(ctx); err != nil {
		return nil, err
	}
	b, err := s.db.Breaker(ctx, job.Plex)
	if err != nil {
		return nil, err
	}
	o.Breaker = breakerState{State: b.State, Since: b.OpenedAt, NextProbe: b.NextProbe, Cause: b.Cause, Message: b.Message}
	runs, err := s.db.Runs(ctx, 5)
	if err != nil {
		return nil, err
	}
	o.Runs = append(o.Runs, runs...)
	outages, err := s.db.Outages(ctx, 20)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(outages, func(x store.Outage) bool { return x.System == job.Plex }); i >= 0 {
		o.LastOutage = &outages[i]
	}
	o.Machine, err = s.db.Meta(ctx, store.MetaMachine)
	return o, err
}

// tellWaker adds to a status whether the waker lives.
func (p *process) tellWaker(ctx context.Context, db *store.Store) wakerState {
	s := wakerState{Alive: store.Held(p.dir, store.WakerLock)}
	if text, err := db.Meta(ctx, metaWaker); err == nil && text != "" {
		at, why, _ := strings.Cut(text, " ")
		s.Ended, _ = time.Parse(time.RFC3339, at)
		s.Why = why
	}
	return s
}

// wakerState is the process that works what waits.
type wakerState struct {
	Alive bool `json:"alive"`
	// Ended and Why tell of the last one that ended.
	Ended time.Time `json:"last_ended,omitzero"`
	Why   string    `json:"last_reason,omitempty"`
}
