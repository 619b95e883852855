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

// overview shows everything at a glance.
func (s *session) overview(ctx context.Context, _ NoArguments) (Overview, error) {
	now := time.Now()
	o := Overview{
		Version: version, Now: Time{now}, Draining: store.Held(s.dir, store.DrainLock), Paused: s.config.Paused,
		Ready: s.config.Ready(), Problems: problems(s.problems), Waker: s.waker(ctx),
	}
	counts, err := s.db.Counts(ctx, now)
	if err != nil {
		return o, err
	}
	o.Counts = countsOf(counts)
	if o.Classes, err = s.letterClasses(ctx); err != nil {
		return o, err
	}
	if o.Breaker, err = s.breaker(ctx); err != nil {
		return o, err
	}
	runs, err := s.db.Runs(ctx, 5)
	if err != nil {
		return o, err
	}
	o.Runs = runAnswers(runs)
	if o.Coverage, err = s.coverage(ctx); err != nil {
		return o, err
	}
	if o.Progress, err = s.progress(ctx, &o); err != nil {
		return o, err
	}
	outages, err := s.db.Outages(ctx, 20)
	if err != nil {
		return o, err
	}
	if i := slices.IndexFunc(outages, func(x store.Outage) bool { return x.System == job.Plex }); i >= 0 {
		last := outage(outages[i])
		o.LastOutage = &last
	}
	o.Machine, err = s.db.Meta(ctx, store.MetaMachine)
	return o, err
}

// status is what the task "Show status" logs.
func (s *session) status(ctx context.Context, _ NoArguments) (Status, error) {
	x := Status{Version: version, Draining: store.Held(s.dir, store.DrainLock), Waker: s.waker(ctx), Problems: problems(s.problems)}
	counts, err := s.db.Counts(ctx, time.Now())
	if err != nil {
		return x, err
	}
	x.Counts = countsOf(counts)
	if x.Coverage, err = s.coverage(ctx); err != nil {
		return x, err
	}
	if x.LastEvent.Time, err = s.db.NewestEvent(ctx); err != nil {
		return x, err
	}
	if x.Breaker, err = s.breaker(ctx); err != nil {
		return x, err
	}
	runs, err := s.db.Runs(ctx, 1)
	if len(runs) > 0 {
		last := runAnswer(runs[0])
		x.LastRun = &last
	}
	return x, err
}

func logStatus(s *session, x Status) {
	s.log.Info(x.Coverage.sentence())
	s.log.Info(fmt.Sprintf("Queue: %d jobs, %d due, %d being processed, %d waiting", x.Queued, x.Due, x.Leased, x.Waiting))
	if x.Waiting > 0 && !x.NextDue.IsZero() {
		s.log.Info(fmt.Sprintf("The next is due %s", clock(x.NextDue)))
	}
	s.log.Info(fmt.Sprintf("Dead letters: %d need review, %d scenes are not in Plex, %d share an item with another scene", x.Dead, x.NotInPlex, x.Joined))
	if x.Breaker.State == BreakerClosed {
		s.log.Info("Plex: OK at last check")
	} else {
		s.log.Warn(fmt.Sprintf("Plex: cannot be used since %s: %s", clock(x.Breaker.Since), x.Breaker.Message))
	}
	if r := x.LastRun; r != nil {
		s.log.Info(fmt.Sprintf("Last run: %s, %d done, %d unchanged, %d retry, %d waiting, %d dead, %d gone",
			clock(r.Started), r.Done, r.Unchanged, r.Retry, r.Waiting, r.Dead, r.Gone))
	}
	for _, p := range x.Problems {
		s.log.Warn(p.Setting + ": " + p.Message)
	}
}

// clock is a time for people, in their own zone.
func clock(t Time) string { return t.Local().Format(time.DateTime) }

// breaker is the state of Plex's.
func (s *session) breaker(ctx context.Context) (Breaker, error) {
	b, err := s.db.Breaker(ctx, job.Plex)
	return breakerAnswer(b), err
}

func breakerAnswer(b job.Breaker) Breaker {
	x := Breaker{State: BreakerOpen, Since: Time{b.OpenedAt}, NextProbe: Time{b.NextProbe}, Cause: Class(b.Cause), Message: b.Message}
	switch {
	case b.Closed():
		x.State = BreakerClosed
	case b.State == job.BreakerHalfOpen:
		x.State = BreakerHalfOpen
	}
	return x
}

// waker tells whether the waker lives, and how the last one ended.
func (s *session) waker(ctx context.Context) Waker {
	w := Waker{Alive: store.Held(s.dir, store.WakerLock)}
	if text, err := s.db.Meta(ctx, metaWaker); err == nil && text != "" {
		at, why, _ := strings.Cut(text, " ")
		w.LastEnded.Time, _ = time.Parse(time.RFC3339, at)
		w.LastReason = why
	}
	return w
}

func countsOf(c job.Counts) Counts {
	return Counts{
		Queued: c.Queued, Due: c.Due, Leased: c.Leased, Waiting: c.Waiting, NextDue: Time{c.NextDue},
		Dead: c.Dead, NotInPlex: c.NotInPlex, Joined: c.Joined,
	}
}

func runAnswer(r job.Run) Run {
	return Run{
		Started: Time{r.Started}, Ended: Time{r.Ended}, Done: r.Done, Unchanged: r.Unchanged, Retry: r.Retry,
		Waiting: r.Waiting, Dead: r.Dead, Gone: r.Gone, Writes: r.Writes, Cause: RunCause(r.Cause), Note: r.Note,
	}
}

func runAnswers(runs []job.Run) List[Run] {
	var all List[Run]
	for _, r := range runs {
		all = append(all, runAnswer(r))
	}
	return all
}
