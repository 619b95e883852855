package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
	// While a drain runs its row is stored this often.
	savePause = time.Second
	// Outcomes are stored together: many to a transaction, none kept back longer
	// than flushPause.
	flushSize  = 50
	flushPause = 250 * time.Millisecond
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
	d := w.newDrain()
	begun, err := w.store.BeginDrain(ctx, d.run.Started, d.run.Token, w.opt.Retention)
	if err != nil {
		return d.run, err
	}
	if begun.Orphans > 0 {
		w.log.Info(fmt.Sprintf("%s interrupted when an earlier run ended; starting again", plural(begun.Orphans, "job was", "jobs were")))
	}
	if begun.Purged > 0 {
		w.log.Info(fmt.Sprintf("Deleted %s older than %d days", plural(begun.Purged, "dead letter", "dead letters"), int(w.opt.Retention.Hours()/24)))
	}
	if w.opt.ByPerson {
		// Who asks for the queue to be worked means all of it.
		if _, err := w.store.Wake(ctx, d.run.Started); err != nil {
			return d.run, err
		}
	}
	d.dlq.log(ctx, atStart)
	err = d.work(ctx)
	if err != nil {
		// Nobody may be left to say so in the database; try anyway, briefly.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		d.run.Note = err.Error()
		d.jobs.GiveBack(ctx, d.run.Token)
		d.jobs.EndDrain(ctx, w.now(), d.run, false)
		return d.run, err
	}
	d.dlq.log(ctx, atEnd)
	d.summary()
	return d.run, nil
}

// drain is one run of [Worker.Drain]: it leases jobs and takes them through the
// planner, the committer and the guard.
type drain struct {
	env
	jobs      Jobs
	notes     Notes
	servers   Servers
	plex      PlexWriter
	planner   *planner
	committer *committer
	guard     *guard
	catalogue *catalogue
	comparer  *comparer
	progress  *progress
	dlq       *dlqStatus

	run     job.Run
	met     bool // which server answers is known
	awaited bool // whether what Plex lacked was looked for

	mu       sync.Mutex // guards all below, and run's counts
	idle     *sync.Cond
	inFlight int
	worked   int // jobs, also those that are no scene's
	sinceLog int // jobs since the DLQ's status was logged, at lastLog
	lastLog  time.Time
	// lastSaved is when the run's row was stored last, for whoever watches it.
	lastSaved time.Time
	// fanned are the performers, studios, tags and groups whose scenes were queued.
	fanned fannedOut
	fatal  error
	cancel func()
}

func (w *Worker) newDrain() *drain {
	c := newCatalogue(w.env, w.plex, w.store)
	c.prunes = true
	g := &guard{env: w.env, queue: w.store, plex: w.plex, jitter: w.jitter, lost: c.gone}
	p := newPlanner(w.env, w.stash, w.plex, w.store, c, g.confirm, g.isStopped)
	d := &drain{
		env: w.env, jobs: w.store, notes: w.store, servers: w.store, plex: w.plex, catalogue: c, guard: g, planner: p,
		committer: &committer{env: w.env, plex: w.plex, server: c.server, version: c.serverVersion, notes: w.store, stopped: g.isStopped},
		progress:  &progress{report: w.progress},
		dlq:       &dlqStatus{env: w.env, letters: w.store, notes: w.store},
		run:       job.Run{Token: token(), Started: w.now(), Cause: w.opt.Cause},
	}
	d.comparer = &comparer{env: w.env, planner: p, catalogue: c, guard: g, stash: w.stash, jobs: w.store, letters: w.store,
		servers: w.store, notes: w.store, progress: d.progress, wrote: func() bool { return w.plex.Writes() > 0 }}
	p.meets = d.meet
	d.idle = sync.NewCond(&d.mu)
	return d
}

// work runs the stages: a producer that leases and plans, one that fetches covers, the
// writers, and one that stores outcomes.
func (d *drain) work(ctx context.Context) error {
	ctx, d.cancel = context.WithCancel(ctx)
	defer d.cancel()
	if err := d.begin(ctx); err != nil {
		return err
	}
	prepared := make(chan *plan, batchSize)
	ready := make(chan *plan, 2) // with their covers: few, pictures are large
	var pictures held
	ended := make(chan job.Ended, flushSize)
	var stages, writers sync.WaitGroup
	stages.Go(func() {
		defer close(ready)
		for x := range prepared {
			pictures.wait()
			protect(x, func() { d.planner.fetchCover(ctx, x) })
			protect(x, func() { d.planner.shapeCover(x) })
			if x.cover != nil {
				pictures.add(len(x.cover.Bytes))
			}
			ready <- x
		}
	})
	first := make(chan struct{})
	for number := range d.opt.Writers {
		writers.Go(func() {
			d.committer.writer(ctx, number, first, ready, func(x *plan) {
				if x.cover != nil {
					pictures.add(-len(x.cover.Bytes))
					x.cover = nil
				}
				ended <- d.conclude(ctx, x)
			})
		})
	}
	stages.Go(func() {
		writers.Wait()
		close(ended)
	})
	stages.Go(func() { d.store(ctx, ended) })

	err := d.produce(ctx, prepared)
	close(prepared)
	stages.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fatal != nil {
		return d.fatal
	}
	return err
}

// begin does what comes before the first lease.
func (d *drain) begin(ctx context.Context) error {
	b, err := d.guard.queue.Breaker(ctx, job.Plex)
	if err != nil {
		return err
	}
	d.guard.breaker = b
	if err := d.rescope(ctx); err != nil {
		return err
	}
	if err := d.settle(ctx); err != nil {
		return err
	}
	if err := d.chooseAgain(ctx); err != nil {
		return err
	}
	if err := d.comparer.queueRecent(ctx); err != nil {
		return err
	}
	if err := d.comparer.schedule(ctx); err != nil {
		return err
	}
	counts, err := d.comparer.letters.Counts(ctx, d.now())
	d.progress.expect(counts.Due)
	return err
}

// produce leases batches and hands their plans on until nothing is due or the drain
// has to stop.
func (d *drain) produce(ctx context.Context, out chan<- *plan) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		limit, err := d.guard.permit(ctx)
		if err != nil {
			return err
		}
		if limit == 0 {
			d.waitIdle()
			if err := d.jobs.GiveBack(ctx, d.run.Token); err != nil {
				return err
			}
			d.run.Note = d.guard.stopReason()
			_, err := d.end(ctx, false)
			return err
		}
		jobs, err := d.jobs.Lease(ctx, d.now(), limit, d.run.Token)
		if err != nil {
			return err
		}
		if len(jobs) == 0 {
			d.waitIdle()
			if d.guard.isStopped() {
				continue
			}
			more, err := d.idleStep(ctx)
			if err != nil {
				return err
			}
			if more {
				continue
			}
			done, err := d.end(ctx, true)
			if done || err != nil {
				return err
			}
			continue
		}
		d.grow(len(jobs))
		if d.tagMoves(jobs) {
			if err := d.chooseAgain(ctx); err != nil {
				return err
			}
		}
		plans := d.planner.plan(ctx, jobs)
		d.committer.prepare(ctx, plans)
		if err := d.turnedUp(ctx); err != nil {
			return err
		}
		for _, x := range plans {
			select {
			case out <- x:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if limit < batchSize {
			d.waitIdle() // half-open, where the end of one decides, or just recovered
		}
		if err := d.readBackSome(ctx); err != nil {
			return err
		}
	}
}

// idleStep does what there is to do when no job is due, and reports whether jobs may be
// due after it.
func (d *drain) idleStep(ctx context.Context) (more bool, err error) {
	if d.committer.owes() {
		if err := d.readBack(ctx); err != nil {
			return false, err
		}
		d.committer.forgetWritten() // what is left has no state any more
	}
	wanted, err := d.comparer.wanted(ctx)
	if err != nil {
		return false, err
	}
	if wanted {
		switch {
		case d.met:
			err = d.comparer.step(ctx)
		default:
			err = d.meet(ctx) // which may queue the library: that goes first
		}
		if err = d.guard.halt(ctx, err, "The comparison was interrupted and will resume later"); err == nil {
			err = d.turnedUp(ctx)
		}
		return true, err
	}
	return false, d.lookForMissing(ctx)
}

// metaRelist asks, if it is not "", for a listing of Plex in full before the next scene
// is looked at.
const metaRelist = "relist"

// AskListing makes the next drain list Plex in full before it believes that any item is
// where it was. That costs a request per thousand items, so it is for who asks for a
// sync of everything.
func AskListing(ctx context.Context, notes Notes) error {
	return notes.SetMeta(ctx, metaRelist, "yes")
}

// meet finds out which server answers, once, before anything that is remembered is
// believed. A server that was not synced the last time is queued whole.
func (d *drain) meet(ctx context.Context) error {
	if d.met {
		return nil
	}
	if err := d.catalogue.meet(ctx); err != nil {
		return err
	}
	before, err := d.servers.UseServer(ctx, d.catalogue.machine)
	if err != nil {
		return err
	}
	if before != "" && before != d.catalogue.machine {
		d.log.Warn("plexUrl now leads to another Plex server. Queued every scene for it; what was written to the other server is remembered")
		if err := d.jobs.Enqueue(ctx, d.now(), job.PriorityBulk, job.Library()); err != nil {
			return err
		}
	}
	relist, err := d.notes.Meta(ctx, metaRelist)
	if err != nil {
		return err
	}
	if relist != "" {
		if err := d.catalogue.listAll(ctx); err != nil {
			return err
		}
		if err := d.notes.SetMeta(ctx, metaRelist, ""); err != nil {
			return err
		}
	}
	d.met = true
	return d.readBack(ctx)
}

func (d *drain) end(ctx context.Context, unlessDue bool) (bool, error) {
	d.run.Ended = d.now()
	d.run.Writes = d.plex.Writes()
	d.mu.Lock()
	fanned := d.fanned
	d.fanned = nil
	d.mu.Unlock()
	if err := noteFannedOut(ctx, d.notes, fanned); err != nil {
		return false, err
	}
	return d.jobs.EndDrain(ctx, d.run.Ended, d.run, unlessDue)
}

// grow notes n more plans under way.
func (d *drain) grow(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inFlight += n
	d.progress.expect(d.worked + d.inFlight)
}

// abort ends the drain because the database failed. The first error stays.
func (d *drain) abort(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fatal == nil {
		d.fatal = err
		d.cancel()
		d.idle.Broadcast()
	}
}

// waitIdle waits until the outcome of every plan is stored.
func (d *drain) waitIdle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.inFlight > 0 && d.fatal == nil {
		d.idle.Wait()
	}
}

func (d *drain) conclude(ctx context.Context, x *plan) job.Ended {
	e, err := d.guard.conclude(ctx, x)
	if err != nil {
		d.abort(err)
	}
	if x.job.Subject.Kind != job.KindScene && (e.Outcome.Verdict == job.Done || e.Outcome.Verdict == job.Unchanged) {
		d.mu.Lock()
		if d.fanned == nil {
			d.fanned = fannedOut{}
		}
		d.fanned[x.job.Subject.String()] = x.at.Unix()
		d.mu.Unlock()
	}
	return e
}

// store writes outcomes to the queue, several to a transaction.
func (d *drain) store(ctx context.Context, ended <-chan job.Ended) {
	var batch []job.Ended
	flush := func() {
		if len(batch) == 0 {
			return
		}
		// What is done is done, also when the drain is being stopped.
		err := d.jobs.Finish(context.WithoutCancel(ctx), d.now(), batch...)
		if err != nil {
			d.abort(err)
		}
		d.finished(ctx, batch)
		batch = batch[:0]
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

// finished counts jobs whose outcome is stored, and tells how far the drain is.
func (d *drain) finished(ctx context.Context, batch []job.Ended) {
	d.mu.Lock()
	for _, e := range batch {
		if e.Job.Subject.Kind == job.KindScene {
			d.run.Count(e.Outcome.Verdict)
		}
	}
	d.worked += len(batch)
	d.inFlight -= len(batch)
	d.sinceLog += len(batch)
	done := d.worked
	now := d.now()
	status := d.sinceLog >= statusJobs && now.Sub(d.lastLog) >= statusPause
	if status {
		d.sinceLog, d.lastLog = 0, now
	}
	tell, run := now.Sub(d.lastSaved) >= savePause, d.run
	if tell {
		d.lastSaved = now
	}
	d.idle.Broadcast()
	d.mu.Unlock()
	if tell {
		run.Writes = d.plex.Writes()
		if err := d.jobs.SaveRun(context.WithoutCancel(ctx), run); err != nil {
			d.log.Debug(fmt.Sprintf("Could not store the progress of the run: %v", err))
		}
	}
	d.progress.jobs(done)
	if status {
		d.dlq.log(ctx, underWay)
	}
}

// settle waits until the newest due event is settleQuiet old, at most settleMax.
func (d *drain) settle(ctx context.Context) error {
	for deadline := d.now().Add(settleMax); ; {
		now := d.now()
		last, err := d.jobs.LastEvent(ctx, now)
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

// metaScope remembers by which settings scenes were matched.
const metaScope = "match_scope"

// rescope brings the scenes back that could not be matched, if the settings that
// decide about it have changed since: a person who mends a path rule need not click
// as well.
func (d *drain) rescope(ctx context.Context) error {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", d.opt.Rules, d.opt.Libraries))
	scope := hex.EncodeToString(sum[:8])
	before, err := d.notes.Meta(ctx, metaScope)
	if err != nil || before == scope {
		return err
	}
	n := 0
	if before != "" {
		for _, class := range []job.Class{job.ClassNotInPlex, job.ClassAmbiguous} {
			letters, err := d.jobs.Revive(ctx, d.now(), job.Which{Class: class})
			if err != nil {
				return err
			}
			jobs, err := d.jobs.Wake(ctx, d.now(), class)
			if err != nil {
				return err
			}
			n += letters + jobs
		}
	}
	if n > 0 {
		d.log.Info(fmt.Sprintf("pathRules or plexLibraries changed: looking for %s again", plural(n, "scene", "scenes")))
	}
	return d.notes.SetMeta(ctx, metaScope, scope)
}

// lookForMissing renews the catalogue, once a drain, if scenes wait to turn up in Plex:
// also dead letters come back so. That Plex cannot be asked is no failure here; whoever
// has a job to do will tell.
func (d *drain) lookForMissing(ctx context.Context) error {
	if d.awaited || !d.guard.breakerNow().Closed() {
		return nil
	}
	d.awaited = true
	missing, err := d.jobs.AnyMissing(ctx)
	if err != nil || !missing {
		return err
	}
	f, due, err := d.catalogue.overdue(ctx)
	if err != nil || !due {
		return err
	}
	err = d.meet(ctx)
	if err == nil {
		_, err = d.catalogue.renew(ctx, f)
	}
	var system *systemError
	var setting *settingError
	if errors.As(err, &system) || errors.As(err, &setting) {
		d.log.Debug(fmt.Sprintf("Could not ask Plex for missing files: %v", err))
		err = nil
	}
	if err != nil {
		return err
	}
	return d.turnedUp(ctx)
}

// turnedUp brings scenes back whose files the catalogue has, if it was read anew.
func (d *drain) turnedUp(ctx context.Context) error {
	if !d.catalogue.takeChanged() {
		return nil
	}
	n, err := d.jobs.TurnedUp(ctx, d.now())
	if n > 0 {
		d.log.Info(fmt.Sprintf("%s not in Plex before, and may be now", plural(n, "scene was", "scenes were")))
	}
	return err
}

// Await looks whether what Plex lacked has turned up: its jobs are due then. It
// returns ErrRunning while a drain is at work, which does the same. That Plex cannot
// be asked is no error.
func (w *Worker) Await(ctx context.Context) error {
	release, err := w.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	d := w.newDrain()
	if d.guard.breaker, err = w.store.Breaker(ctx, job.Plex); err != nil {
		return err
	}
	return d.lookForMissing(ctx)
}

// summary logs what the run did.
func (d *drain) summary() {
	r := d.run
	if r.Processed() == 0 {
		if r.Note == "" {
			d.log.Info("Nothing to do: no scene is due")
		}
		return
	}
	took := max(r.Ended.Sub(r.Started), time.Millisecond)
	d.log.Info(fmt.Sprintf("Processed %s in %s (%.1f a second): %d done, %d unchanged, %d retry, %d waiting, %d dead, %d gone; %s to Plex",
		plural(r.Processed(), "scene", "scenes"), took.Round(100*time.Millisecond), float64(r.Processed())/took.Seconds(),
		r.Done, r.Unchanged, r.Retry, r.Waiting, r.Dead, r.Gone, plural(r.Writes, "write", "writes")))
	d.progress.report(1)
}

// metaDLQ is the stored value that tells how the DLQ was when its status was last logged.
const metaDLQ = "dlq_logged"

// moment is when in a run the DLQ's status is logged.
type moment int

const (
	atStart  moment = iota // in one line if it is as it was when it was last logged
	underWay               // in full
	atEnd                  // only if it has changed
)

// dlqStatus logs how many dead letters need review and the five newest of them, if there
// are any.
type dlqStatus struct {
	env
	letters Letters
	notes   Notes
}

func (s *dlqStatus) log(ctx context.Context, m moment) {
	if err := s.tell(ctx, m); err != nil && !errors.Is(err, context.Canceled) {
		s.env.log.Error(fmt.Sprintf("DLQ status: %v", err))
	}
}

func (s *dlqStatus) tell(ctx context.Context, m moment) error {
	c, err := s.letters.Counts(ctx, s.now())
	if err != nil {
		return err
	}
	var newest []job.Letter
	if c.Dead > 0 {
		if newest, err = s.letters.Letters(ctx, job.Which{Review: true}, 5, 0); err != nil {
			return err
		}
	}
	is := fmt.Sprintf("%d %d", c.Dead, c.NotInPlex)
	for _, l := range newest {
		is += fmt.Sprintf(" %d@%d", l.ID, l.Died.UnixMilli())
	}
	was, err := s.notes.Meta(ctx, metaDLQ)
	if err != nil {
		return err
	}
	same := was == is
	if m == atEnd && same {
		return nil
	}
	lacking := ""
	if c.NotInPlex > 0 {
		lacking = plural(c.NotInPlex, "scene is", "scenes are") + " not in Plex"
	}
	switch {
	case c.Dead == 0:
	case same && m == atStart:
		line := fmt.Sprintf("DLQ: %d need review, as before", c.Dead)
		if lacking != "" {
			line += "; " + lacking
		}
		s.env.log.Warn(line)
		return nil
	default:
		s.env.log.Warn(fmt.Sprintf("DLQ: %d need review", c.Dead))
		for _, l := range newest {
			s.env.log.Warn(l.LogLine())
		}
	}
	if lacking != "" {
		s.env.log.Info(lacking)
	}
	if same {
		return nil
	}
	return s.notes.SetMeta(ctx, metaDLQ, is)
}

// progress is how far a drain is: of its jobs, or of a pass over the whole library.
// Safe to use from several goroutines.
type progress struct {
	report func(float64)

	mu       sync.Mutex
	expected int // jobs, as far as is known
	passing  bool
}

// expect notes how many jobs there are at least.
func (p *progress) expect(jobs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = max(p.expected, jobs)
}

// jobs reports that so many jobs are done.
func (p *progress) jobs(done int) {
	p.mu.Lock()
	silent, total := p.passing || p.expected == 0, p.expected
	p.mu.Unlock()
	if !silent {
		p.report(min(float64(done)/float64(total), 1))
	}
}

// pass reports how far a pass over all scenes is, in place of the jobs that it makes;
// total 0 ends it.
func (p *progress) pass(done, total int) {
	p.mu.Lock()
	p.passing = total > 0
	p.mu.Unlock()
	if total > 0 {
		p.report(min(float64(done)/float64(total), 1))
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

// firstLine keeps stacks out of the log.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
