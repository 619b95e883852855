package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

const (
	// batchSize is how many jobs are leased at once: as many scenes as one request
	// to Stash and one read of items take.
	batchSize = 100
	// A drain waits until no event has come for settleQuiet, so that a person who
	// edits five fields one by one causes one write, but not longer than settleMax.
	settleQuiet = time.Second
	settleMax   = 10 * time.Second
	// The DLQ's status is logged every statusJobs jobs, at most every statusPause.
	statusJobs  = 10
	statusPause = 10 * time.Second
	// Outcomes are stored together: many to a transaction, none kept back longer
	// than flushPause.
	flushSize  = 50
	flushPause = 250 * time.Millisecond
	// chattyScenes is how many written scenes are logged at info level in one run.
	chattyScenes = 100
)

// Drain works due jobs until none is due, and returns the run's summary. It
// returns ErrRunning, having changed nothing, if another process is draining.
// Jobs that fail are no error of the drain; an error means that the queue itself
// could not be used. When ctx ends, what is under way is given back and ctx's
// error returned. A drain that is killed loses nothing: the next one finds its
// leases and intents.
func (w *Worker) Drain(ctx context.Context) (job.Run, error) {
	release, err := w.take(ctx)
	if err != nil {
		return job.Run{}, err
	}
	defer release()
	d := &drain{
		Worker:   w,
		run:      job.Run{Token: token(), Started: w.now()},
		relooked: map[int64]bool{},
	}
	begun, err := w.queue.BeginDrain(ctx, d.run.Started, d.run.Token, w.opt.Retention)
	if err != nil {
		return d.run, err
	}
	if begun.Orphans > 0 {
		w.log.Info(fmt.Sprintf("%s cut short by the end of an earlier run; starting again", plural(begun.Orphans, "job was", "jobs were")))
	}
	if begun.Purged > 0 {
		w.log.Info(fmt.Sprintf("Deleted %s older than %d days", plural(begun.Purged, "dead letter", "dead letters"), int(w.opt.Retention.Hours()/24)))
	}
	if w.opt.ByPerson {
		// Who asks for the queue to be worked means all of it.
		if _, err := w.queue.Wake(ctx, d.run.Started); err != nil {
			return d.run, err
		}
	}
	w.LogDLQ(ctx)
	err = d.work(ctx)
	if err != nil {
		// Nobody may be left to say so in the database; try anyway, briefly.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		d.run.Note = err.Error()
		d.queue.GiveBack(ctx, d.run.Token)
		d.queue.EndDrain(ctx, w.now(), d.run, false)
		return d.run, err
	}
	w.LogDLQ(ctx)
	d.summary()
	return d.run, nil
}

// take takes the drain lock, for whatever must not run beside a drain. It returns
// ErrRunning if another process has it.
func (w *Worker) take(ctx context.Context) (release func(), err error) {
	if w.lock == nil {
		return func() {}, nil
	}
	if release, err = w.lock(ctx); err == nil && release == nil {
		err = ErrRunning
	}
	return release, err
}

// drain is one run of Worker.Drain.
type drain struct {
	*Worker
	run job.Run
	// dry: nothing is written, and every item is looked at in full, to tell what a
	// drain would do.
	dry bool

	mu       sync.Mutex // guards what the stages share: all fields down to idle
	inFlight int
	total    int // jobs seen so far, for the progress
	breaker  job.Breaker
	stopped  string // why no more jobs are leased; "" = go on
	chatty   int    // scenes told at info level
	outTold  bool   // that Plex could not be reached
	sinceLog int    // jobs since the DLQ's status was logged, at lastLog
	lastLog  time.Time
	relooked map[int64]bool  // scenes whose item had vanished once already
	scanned  map[string]bool // folders that Plex was asked to scan
	editTime time.Duration   // of late, on average
	// recovering is how many jobs were leased at once since an outage; 0 = as many as
	// ever.
	recovering int
	walk       bool // the progress is that of a walk through all scenes
	awaited    bool // whether what Plex lacked was looked for
	stale      bool // an item had vanished: the index must be read in full
	// dropsSeveral: this Plex honours several removals in one request.
	dropsSeveral bool
	fatal        error
	cancel       func()
	idle         *sync.Cond

	index indexState // used by the producer only
}

// work runs the stages: a producer that leases and prepares, one that fetches
// covers, the writers, and one that stores outcomes.
func (d *drain) work(ctx context.Context) error {
	d.idle = sync.NewCond(&d.mu)
	ctx, d.cancel = context.WithCancel(ctx)
	defer d.cancel()
	var err error
	if d.breaker, err = d.queue.Breaker(ctx, job.Plex); err != nil {
		return err
	}
	if err := d.learn(ctx); err != nil {
		return err
	}
	if err := d.rescope(ctx); err != nil {
		return err
	}
	if err := d.settle(ctx); err != nil {
		return err
	}
	if err := d.lookForRecent(ctx); err != nil {
		return err
	}
	if err := d.schedule(ctx); err != nil {
		return err
	}
	counts, err := d.queue.Counts(ctx, d.now())
	if err != nil {
		return err
	}
	d.total = counts.Due

	prepared := make(chan *attempt, batchSize)
	ready := make(chan *attempt, 2) // with their covers: few, pictures are large
	ended := make(chan job.Ended, flushSize)
	var stages, writers sync.WaitGroup
	stages.Go(func() {
		defer close(ready)
		for a := range prepared {
			d.protect(a, func() { d.fetchCover(ctx, a) })
			ready <- a
		}
	})
	first := make(chan struct{})
	for number := range d.opt.Writers {
		writers.Go(func() {
			d.writer(ctx, number, first, ready, func(a *attempt) { ended <- d.conclude(ctx, a) })
		})
	}
	stages.Go(func() {
		writers.Wait()
		close(ended)
	})
	stages.Go(func() { d.store(ctx, ended) })

	err = d.produce(ctx, prepared)
	close(prepared)
	stages.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fatal != nil {
		return d.fatal
	}
	return err
}

// produce leases batches and hands their attempts on until nothing is due or the
// drain has to stop.
func (d *drain) produce(ctx context.Context, out chan<- *attempt) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		limit, err := d.permit(ctx)
		if err != nil {
			return err
		}
		if limit == 0 {
			d.waitIdle()
			if err := d.queue.GiveBack(ctx, d.run.Token); err != nil {
				return err
			}
			d.run.Note = d.stopReason()
			_, err := d.endDrain(ctx, false)
			return err
		}
		jobs, err := d.queue.Lease(ctx, d.now(), limit, d.run.Token)
		if err != nil {
			return err
		}
		if len(jobs) == 0 {
			d.waitIdle()
			if d.stopReason() != "" {
				continue
			}
			if more, err := d.compare(ctx); err != nil {
				return err
			} else if more {
				continue
			}
			if err := d.lookForMissing(ctx); err != nil {
				return err
			}
			done, err := d.endDrain(ctx, true)
			if done || err != nil {
				return err
			}
			continue
		}
		d.grow(len(jobs))
		for _, a := range d.prepare(ctx, jobs) {
			select {
			case out <- a:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if limit < batchSize {
			d.waitIdle() // half-open, where the end of one decides, or just recovered
		}
	}
}

func (d *drain) endDrain(ctx context.Context, unlessDue bool) (bool, error) {
	d.run.Ended = d.now()
	d.run.Writes = d.plex.Writes()
	return d.queue.EndDrain(ctx, d.run.Ended, d.run, unlessDue)
}

// permit says how many jobs may be leased now: a batch, one (half-open), or none,
// with the reason in stopped. It probes when the breaker is open and a probe is
// due.
func (d *drain) permit(ctx context.Context) (int, error) {
	b := d.breakerNow()
	switch {
	case d.stopReason() != "":
		return 0, nil
	case b.State == job.BreakerHalfOpen:
		return 1, nil
	case b.Closed():
		return d.ramp(), nil
	}
	p, err := Probe(ctx, d.queue, d.plex, d.now, d.opt.ByPerson)
	if err != nil {
		return 0, err
	}
	d.opt.ByPerson = false // probes once
	d.mu.Lock()
	d.breaker = p.Breaker
	d.mu.Unlock()
	switch {
	case !p.Taken && p.Breaker.State == job.BreakerOpen:
		d.stop(slog.LevelWarn, fmt.Sprintf("Plex cannot be used since %s (%s); the next try is at %s, the jobs wait until then",
			clock(b.OpenedAt), b.Message, clock(b.NextProbe)))
		return 0, nil
	case p.Err != nil:
		d.stop(slog.LevelWarn, fmt.Sprintf("Plex is still out: %s The next try is at %s", sentence(firstLine(p.Err.Error())), clock(p.Breaker.NextProbe)))
		return 0, nil
	}
	d.log.Info("Plex answers again; trying one scene")
	return 1, nil
}

// updateBreaker changes the stored breaker and our copy of it.
func (d *drain) updateBreaker(ctx context.Context, change func(job.Breaker) job.Breaker) error {
	b, err := d.queue.UpdateBreaker(ctx, d.now(), job.Plex, change)
	if err == nil {
		d.mu.Lock()
		d.breaker = b
		d.mu.Unlock()
	}
	return err
}

// breakerNow is our copy of the stored breaker.
func (d *drain) breakerNow() job.Breaker {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.breaker
}

// stop makes the drain end early: what is under way is finished, nothing more is
// leased. The first reason stays.
func (d *drain) stop(level slog.Level, reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped == "" {
		d.stopped = reason
		d.log.Log(context.Background(), level, reason)
	}
}

func (d *drain) stopReason() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stopped
}

// grow notes n more attempts under way.
func (d *drain) grow(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inFlight += n
	d.total = max(d.total, d.run.Processed()+d.inFlight)
}

// fail ends the drain because the database failed. The first error stays.
func (d *drain) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fatal == nil {
		d.fatal = err
		d.cancel()
		d.idle.Broadcast()
	}
}

// waitIdle waits until the outcome of every attempt is stored.
func (d *drain) waitIdle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.inFlight > 0 && d.fatal == nil {
		d.idle.Wait()
	}
}

// store writes outcomes to the queue, several to a transaction.
func (d *drain) store(ctx context.Context, ended <-chan job.Ended) {
	var batch []job.Ended
	flush := func() {
		if len(batch) == 0 {
			return
		}
		// What is done is done, also when the drain is being stopped.
		err := d.queue.Finish(context.WithoutCancel(ctx), d.now(), batch...)
		if err != nil {
			d.fail(err)
		}
		d.mu.Lock()
		for _, e := range batch {
			d.run.Count(e.Outcome.Verdict)
		}
		d.inFlight -= len(batch)
		d.sinceLog += len(batch)
		done, total := d.run.Processed(), d.total
		now := d.now()
		status := d.sinceLog >= statusJobs && now.Sub(d.lastLog) >= statusPause
		if status {
			d.sinceLog, d.lastLog = 0, now
		}
		d.idle.Broadcast()
		d.mu.Unlock()
		batch = batch[:0]
		if total > 0 && !d.walking() {
			d.progress(min(float64(done)/float64(total), 1))
		}
		if status {
			d.LogDLQ(ctx)
		}
	}
	timer := time.NewTimer(flushPause)
	defer timer.Stop()
	for {
		select {
		case e, ok := <-ended:
			if !ok {
				flush()
				return
			}
			batch = append(batch, e)
			d.mu.Lock()
			last := d.inFlight == len(batch)
			d.mu.Unlock()
			if last || len(batch) >= flushSize {
				flush()
			}
		case <-timer.C:
			flush()
			timer.Reset(flushPause)
		}
	}
}

// walked tells how far a walk through all scenes is, in place of the progress of the
// jobs that it makes; total 0 ends it.
func (d *drain) walked(done, total int) {
	d.mu.Lock()
	d.walk = total > 0
	d.mu.Unlock()
	if total > 0 {
		d.progress(min(float64(done)/float64(total), 1))
	}
}

func (d *drain) walking() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.walk
}

// settle waits until the newest due event is settleQuiet old, at most settleMax.
func (d *drain) settle(ctx context.Context) error {
	for deadline := d.now().Add(settleMax); ; {
		now := d.now()
		last, err := d.queue.LastEvent(ctx, now)
		if err != nil {
			return err
		}
		age := now.Sub(last)
		// An event from the future means that the clock was set back.
		if last.IsZero() || age >= settleQuiet || age < 0 || !now.Before(deadline) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(settleQuiet-age, deadline.Sub(now))):
		}
	}
}

// summary logs what the run did.
func (d *drain) summary() {
	r := d.run
	if r.Processed() == 0 {
		if r.Note == "" {
			d.log.Info("Nothing to do: no job is due")
		}
		return
	}
	took := max(r.Ended.Sub(r.Started), time.Millisecond)
	d.log.Info(fmt.Sprintf("Worked %s in %s (%.1f a second): %d done, %d unchanged, %d retry, %d waiting, %d dead, %d gone; %s to Plex",
		plural(r.Processed(), "job", "jobs"), took.Round(100*time.Millisecond), float64(r.Processed())/took.Seconds(),
		r.Done, r.Unchanged, r.Retry, r.Waiting, r.Dead, r.Gone, plural(r.Writes, "write", "writes")))
	d.progress(1)
}

// LogDLQ logs how many dead letters need review and the five newest of them, if
// there are any.
func (w *Worker) LogDLQ(ctx context.Context) {
	c, err := w.queue.Counts(ctx, w.now())
	if err == nil && c.Dead > 0 {
		var letters []job.Letter
		letters, err = w.queue.Letters(ctx, job.Which{Review: true}, 5, 0)
		if err == nil {
			w.log.Warn(fmt.Sprintf("DLQ: %d need review", c.Dead))
			for _, l := range letters {
				w.log.Warn(l.LogLine())
			}
		}
	}
	if err == nil && c.NotInPlex > 0 {
		w.log.Info(fmt.Sprintf("%s not in Plex", plural(c.NotInPlex, "scene is", "scenes are")))
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		w.log.Error(fmt.Sprintf("DLQ status: %v", err))
	}
}

// plural counts things: "1 job", "2 jobs".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// sentence ends a text with a full stop unless it ends like a sentence already.
func sentence(s string) string {
	if strings.HasSuffix(s, "?") || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// clock is how a time is told in a log line.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
