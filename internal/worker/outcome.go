package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// guard decides whether Plex may be asked, and how much at once. It turns what
// happened to plans into outcomes, and keeps the stored breaker and its copy of it.
// Its methods may be called from several goroutines.
type guard struct {
	env
	queue  Waking
	plex   Prober
	jitter func() float64
	// lost is told of items that the catalogue has and Plex has not.
	lost func(ctx context.Context, key string) error

	mu       sync.Mutex // guards all below
	breaker  job.Breaker
	stopped  string         // why no more jobs are leased; "" = go on
	probed   bool           // on behalf of the person who started the drain
	outage   bool           // was told in the log
	relooked map[int64]bool // scenes whose item had vanished once already
	// recovering is how many jobs were leased at once since an outage; 0 = as many as
	// ever.
	recovering int
}

// permit says how many jobs may be leased now: a batch, one (half-open), or none,
// with the reason in stopped. It probes when the breaker is open and a probe is
// due.
func (g *guard) permit(ctx context.Context) (int, error) {
	b := g.breakerNow()
	switch {
	case g.stopReason() != "":
		return 0, nil
	case b.State == job.BreakerHalfOpen:
		return 1, nil
	case b.Closed():
		return g.ramp(), nil
	}
	p, err := Probe(ctx, g.queue, g.plex, g.now, g.opt.ByPerson && !g.probed)
	if err != nil {
		return 0, err
	}
	g.mu.Lock()
	g.probed, g.breaker = true, p.Breaker
	g.mu.Unlock()
	switch {
	case !p.Taken && p.Breaker.State == job.BreakerOpen:
		g.stop(slog.LevelWarn, fmt.Sprintf("Plex cannot be used since %s (%s); the next try is at %s, and the jobs wait until then",
			clock(b.OpenedAt), b.Message, clock(b.NextProbe)))
		return 0, nil
	case p.Err != nil:
		g.stop(slog.LevelWarn, fmt.Sprintf("Plex is still unavailable: %s The next try is at %s", sentence(firstLine(p.Err.Error())), clock(p.Breaker.NextProbe)))
		return 0, nil
	}
	g.log.Info("Plex answers again; trying one scene first")
	return 1, nil
}

// ramp is how many jobs are leased at once while Plex recovers from an outage: one
// decides whether it has, then twice as many each time, until it is a batch.
func (g *guard) ramp() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.recovering == 0 {
		return batchSize
	}
	if g.recovering *= 2; g.recovering >= batchSize {
		g.recovering = 0
		return batchSize
	}
	return g.recovering
}

// update changes the stored breaker and our copy of it.
func (g *guard) update(ctx context.Context, change func(job.Breaker) job.Breaker) error {
	b, err := g.queue.UpdateBreaker(ctx, g.now(), job.Plex, change)
	if err == nil {
		g.mu.Lock()
		g.breaker = b
		g.mu.Unlock()
	}
	return err
}

// breakerNow is our copy of the stored breaker.
func (g *guard) breakerNow() job.Breaker {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.breaker
}

// stop makes the drain end early: what is under way is finished, nothing more is
// leased. The first reason stays.
func (g *guard) stop(level slog.Level, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped == "" {
		g.stopped = reason
		g.log.Log(context.Background(), level, reason)
	}
}

func (g *guard) stopReason() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopped
}

func (g *guard) isStopped() bool { return g.stopReason() != "" }

// outageError says of an error that Plex does not answer the simplest question either.
type outageError struct{ err error }

func (e *outageError) Error() string { return e.err.Error() }
func (e *outageError) Unwrap() error { return e.err }

// confirmTimeout is how long the question whether Plex itself is there may take.
const confirmTimeout = 10 * time.Second

// confirm looks twice at an error that could be Plex's or only this item's: one
// that says "unreachable", an error inside the server, an answer that is cut off.
// Whether Plex itself answers decides. So a poisonous item neither waits for ever
// nor stops the others, and a Plex that answers nothing but errors is out, and
// costs no job an attempt.
func confirm(ctx context.Context, plex Prober, err error) error {
	out := unconfirmed(err)
	if out == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	_, _, perr := plex.Identity(ctx)
	switch {
	case perr != nil:
		return &outageError{out}
	case job.ClassOf(err) == job.ClassBusy:
		return err
	}
	return &job.Error{Class: job.ClassBusy, Op: "Plex is there, but", Err: err}
}

// unconfirmed is err as an outage, or nil if it says enough by itself.
func unconfirmed(err error) error {
	switch class, status := job.ClassOf(err), job.StatusOf(err); {
	case class == job.ClassUnreachable:
		return err
	case class == job.ClassBusy && status/100 != 4:
		return &job.Error{Class: job.ClassUnreachable, Err: err}
	}
	return nil
}

// confirm is [confirm], but asks nothing of a Plex that is known to be out.
func (g *guard) confirm(ctx context.Context, err error) error {
	if out := unconfirmed(err); out != nil && g.isStopped() {
		return out
	}
	return confirm(ctx, g.plex, err)
}

// errGiveBack ends a plan that was not carried out because the drain is stopping.
var errGiveBack = errors.New("not tried: the run is stopping")

// conclude turns what happened to a plan into its job's end, and tells the breaker. An
// attempt that was not really made is given back. An error means that the database
// failed: the drain has to end.
func (g *guard) conclude(ctx context.Context, x *plan) (job.Ended, error) {
	e := job.Ended{Job: x.job, Machine: x.machine, Pushed: x.remember, Forget: x.forget, Queue: x.queue}
	if x.scene != nil {
		e.Title = g.opt.Hide(x.scene.Meta.Title)
		if len(x.scene.Files) > 0 {
			e.Path = g.opt.Hide(x.scene.Files[0].Path)
		}
	}
	for _, key := range x.vanished {
		if err := g.lost(ctx, key); err != nil {
			return e, err
		}
	}
	now := g.now()
	e.Outcome.Verdict = job.GivenBack
	err := x.err
	var setting *settingError
	var system *systemError
	var vanished *vanishedError
	switch {
	case err == nil:
		e.Outcome = job.Outcome{Verdict: x.verdict}
		if x.answered {
			g.succeeded(ctx)
		}
		return e, nil
	case errors.Is(err, errGiveBack), job.Interrupted(ctx, err):
		return e, nil
	case errors.Is(err, job.ErrStore):
		return e, err
	case errors.As(err, &setting):
		g.stop(slog.LevelError, setting.Error())
		return e, nil
	case errors.As(err, &vanished):
		if lerr := g.lost(ctx, vanished.key); lerr != nil {
			return e, lerr
		}
		if g.relook(x.job.Subject.ID) {
			e.Outcome = job.Outcome{Verdict: job.Wait, At: now, Class: job.ClassNone, Error: err.Error()}
			return e, nil
		}
		err = &job.Error{Class: job.ClassRejected, Op: "edit item " + vanished.key, Status: 404,
			Hint: "Plex lists this item but cannot find it: run \"Optimize Database\" or \"Empty Trash\" in Plex"}
	case errors.As(err, &system):
		err = counting(err)
	default:
		err = g.confirm(ctx, err)
	}
	class := job.ClassOf(err)
	switch {
	case class == job.ClassStashUnreachable:
		g.stashFailed(ctx, err)
	case class.CountsForBreaker():
		g.failed(ctx, class, err)
	case x.answered:
		// Plex answered; what it said of this item is no sign of an outage.
		g.succeeded(ctx)
	}
	e.Outcome = job.Decide(x.job, err, now, g.opt.Policy, g.breakerNow(), g.jitter())
	if v := e.Outcome.Verdict; class.Apart() && (v == job.Retry || v == job.Dead) {
		e.Missing = g.lookups(x.scene)
	}
	g.log.Log(ctx, g.level(class, e.Outcome.Verdict), fmt.Sprintf("%s: %s: %s", x.job.Subject, e.Outcome.Verdict, firstLine(e.Outcome.Error)))
	return e, nil
}

// relook reports whether a scene whose item has vanished may be looked up anew: once.
// The second time Plex contradicts itself.
func (g *guard) relook(scene int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.relooked[scene] {
		return false
	}
	if g.relooked == nil {
		g.relooked = map[int64]bool{}
	}
	g.relooked[scene] = true
	return true
}

// level is that of the log line about an attempt that failed.
func (g *guard) level(class job.Class, v job.Verdict) slog.Level {
	switch {
	case class == job.ClassInternal:
		return slog.LevelError
	case v == job.Dead && !class.Apart(), class == job.ClassUnauthorized:
		return slog.LevelWarn
	case v == job.Retry && (class == job.ClassBusy || class == job.ClassUnreadable):
		return slog.LevelInfo
	case class == job.ClassUnreachable && g.firstOfOutage():
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// firstOfOutage reports whether it is the first time in this run that Plex could not
// be reached: one line tells of an outage, the other jobs' are alike.
func (g *guard) firstOfOutage() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	first := !g.outage && g.stopped == ""
	g.outage = true
	return first
}

// stashFailed tells Stash's breaker of a failure and stops the drain.
func (g *guard) stashFailed(ctx context.Context, err error) {
	now := g.now()
	if _, err := g.queue.UpdateBreaker(context.WithoutCancel(ctx), now, job.Stash, func(b job.Breaker) job.Breaker {
		return b.Failure(now, job.ClassOf(err), firstLine(err.Error()))
	}); err != nil {
		g.log.Error(err.Error())
	}
	g.stop(slog.LevelWarn, fmt.Sprintf("Stash cannot be reached: %s The jobs wait", sentence(err.Error())))
}

// succeeded tells the breaker that Plex works.
func (g *guard) succeeded(ctx context.Context) {
	before := g.breakerNow()
	if before.Closed() && before.Failures == 0 {
		return
	}
	if err := g.update(ctx, job.Breaker.Success); err != nil {
		g.log.Error(err.Error())
		return
	}
	if !before.Closed() {
		g.mu.Lock()
		g.recovering = 1
		g.mu.Unlock()
		g.log.Info("Plex is back; processing the waiting jobs")
	}
}

// counting is the failure of a request that no job caused, as one of Plex.
func counting(err error) error {
	if job.ClassOf(err).CountsForBreaker() {
		return err
	}
	return &job.Error{Class: job.ClassUnreachable, Err: err}
}

// halt stops the drain because of an error that is no job's. It returns the errors
// that end the drain at once: the database's, and that ctx has ended. why says what
// stops, if the breaker does not say it already.
func (g *guard) halt(ctx context.Context, err error, why string) error {
	var system *systemError
	var setting *settingError
	switch {
	case err == nil, errors.Is(err, job.ErrStore), job.Interrupted(ctx, err):
		return err
	case errors.As(err, &setting):
		g.stop(slog.LevelError, setting.Error())
		return nil
	case job.ClassOf(err) == job.ClassStashUnreachable:
		g.stashFailed(ctx, err)
		return nil
	case errors.As(err, &system):
		err = counting(err)
	default:
		err = g.confirm(ctx, err)
	}
	if class := job.ClassOf(err); class.CountsForBreaker() {
		g.failed(ctx, class, err)
	}
	g.stop(slog.LevelWarn, why+": "+firstLine(err.Error()))
	return nil
}

// failed tells the breaker of a counting failure; when it opens, the drain stops.
func (g *guard) failed(ctx context.Context, class job.Class, err error) {
	now := g.now()
	var outage *outageError
	note := job.Breaker.Failure
	if errors.As(err, &outage) {
		note = job.Breaker.Outage
	}
	if uerr := g.update(context.WithoutCancel(ctx), func(b job.Breaker) job.Breaker {
		return note(b, now, class, firstLine(err.Error()))
	}); uerr != nil {
		g.log.Error(uerr.Error())
		return
	}
	b := g.breakerNow()
	if b.State == job.BreakerOpen {
		level := slog.LevelWarn
		if class == job.ClassUnauthorized {
			level = slog.LevelError
		}
		g.stop(level, fmt.Sprintf("Plex cannot be used: %s Nothing is lost: the jobs wait, and the next try is at %s", sentence(b.Message), clock(b.NextProbe)))
	}
}
