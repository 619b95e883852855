// Package waker is the process that works the queue while nobody watches: it waits
// until a job is due or Plex may be probed, and asks Stash to run the drain. It
// exists only while something waits; one at a time; and it may be killed at any
// moment, because the next event or task starts it again.
//
// [Waker.Run] is the loop, over a [World] that package main provides; [Start] makes
// a process that outlives the one that Stash waits for.
package waker

import (
	"context"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// State is what the database tells.
type State struct {
	// Gone: the database does not exist any more, as after an uninstall.
	Gone bool
	// Replaced: the program was updated, or removed, since this process was started.
	Replaced bool
	Counts   job.Counts
	Breaker  job.Breaker // Plex's
	// Draining: a drain is at work.
	Draining bool
	// Awaits: scenes wait to turn up in Plex, perhaps as dead letters only. Looked is
	// when Plex was last asked for what is new there.
	Awaits bool
	Looked time.Time
	// Compare is when the whole library is to be compared; zero if never. A time to
	// come is no reason to stay.
	Compare time.Time
}

// Settings is what Stash tells about the plugin.
type Settings struct {
	// Enabled: Stash has the plugin, and it is switched on.
	Enabled bool
	// Ready: the settings suffice to sync, and the person has not paused it.
	Ready bool
	// Print differs when the settings do. It holds no secret.
	Print string
}

// Asked is how the drain that was asked for stands in Stash's task list.
type Asked struct {
	// Task is Stash's id of it; "" if Stash has none, or somebody else is about to
	// ask for it.
	Task string
	// New: it was asked for just now. Running: Stash has begun it.
	New, Running bool
}

// World is what a waker watches and does. The errors of Settings, Unseen and Ask come from
// Stash and carry a class.
type World interface {
	// Look reads the database.
	Look(ctx context.Context) (State, error)
	// Settings asks Stash, which also keeps the session alive.
	Settings(ctx context.Context) (Settings, error)
	// Unseen asks Stash for what no event tells: changed scenes that no drain has looked
	// for, and whether it works tasks of others, such as auto-tag, that may yet change
	// some.
	Unseen(ctx context.Context) (changed, busy bool, err error)
	// Probe asks Plex whether it is back, if a probe is due, and stores the answer.
	Probe(ctx context.Context) error
	// Ask looks whether the drain is in Stash's task list and, if it is not and anew
	// is set, asks for it.
	Ask(ctx context.Context, anew bool) (Asked, error)
	// Await looks whether what Plex lacked has turned up.
	Await(ctx context.Context) error
	// RunBeside runs the drain beside Stash's task list and returns at its end.
	RunBeside(ctx context.Context) error
	// Reaped reports whether this process leaves nothing behind when it ends. In a
	// container whose first process is Stash it leaves a zombie.
	Reaped() bool
}

const (
	// look is the longest sleep: an earlier due time may have come up meanwhile.
	look = 30 * time.Second
	// While a drain works, or waits in Stash's list, it is looked after so often.
	watch = 5 * time.Second
	// patience is how long the drain may stand behind somebody else's task.
	patience = 2 * time.Minute
	// Asking again for a drain pauses from askPause, doubled each time, to
	// maxAskPause: a thousand scenes that wait for Plex each come back at a time of
	// their own, and must not cost a task each. A drain that leaves due jobs behind
	// cannot work them: then up to maxIdlePause.
	askPause     = 5 * time.Second
	maxAskPause  = time.Minute
	maxIdlePause = 10 * time.Minute
	// calm is how long no drain has to be asked for until the pauses begin anew.
	calm = 5 * time.Minute
	// A Stash that does not answer is asked again every retryStash, and is gone for
	// good after giveUp.
	retryStash = 15 * time.Second
	giveUp     = 15 * time.Minute
	// What Plex lacks is looked for so often, and after a failure once in awaitRetry.
	awaitEvery = 30 * time.Minute
	awaitRetry = 5 * time.Minute
	// keepAlive is how often Stash is asked at least, so that the session does not
	// end: Stash's max_session_age is an hour unless set.
	keepAlive = 5 * time.Minute
)

// Why a waker ended.
const (
	NothingWaits = "nothing waits"
	NoDatabase   = "the database is gone"
	Replaced     = "PlexSync was updated or removed"
	StashGone    = "Stash is gone"
	LoggedOut    = "Stash does not accept the session"
	Disabled     = "the plugin is disabled"
)

// Waker is one run of the loop. The zero value with a World is ready.
type Waker struct {
	World World

	settings  Settings
	met       bool      // Stash has answered
	heard     time.Time // when it last did, or when this began
	awaited   time.Time // when what Plex lacks was last looked for
	asks      int       // in a row
	lastAsk   time.Time
	stands    string    // the task that stands in Stash's list
	since     time.Time // since when, as far as we saw
	left      int       // what there was to do when the drain was last asked for
	fruitless int       // drains in a row that left as many
}

// Run watches until nothing waits, and says why it ended. An error means that the
// database cannot be used, or that ctx ended.
func (w *Waker) Run(ctx context.Context) (why string, err error) {
	w.heard = time.Now()
	for {
		s, err := w.World.Look(ctx)
		if err != nil {
			return "", err
		}
		switch {
		case s.Gone:
			return NoDatabase, nil
		case s.Replaced:
			return Replaced, nil
		}
		pause, why, err := w.step(ctx, s)
		if err != nil || why != "" {
			return why, err
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(pause):
		}
	}
}

// step does what is to be done now, and says how long to sleep, or why to end.
func (w *Waker) step(ctx context.Context, s State) (pause time.Duration, why string, err error) {
	now := time.Now()
	if !w.met {
		// At first the session is young: a key that outlives it is asked for at once.
		if w.settings, err = w.World.Settings(ctx); err != nil {
			return w.silence(ctx, now, err)
		}
		w.heard, w.met = now, true
		return time.Millisecond, "", nil
	}
	if s.Draining {
		w.stands = ""
		if s.work(now) < w.left {
			w.fruitless = 0
		}
		return watch, "", nil
	}
	at := w.next(s, now)
	wait := at.Sub(now)
	if at.IsZero() {
		return w.idle(ctx, s, now)
	}
	if wait > 0 && now.Sub(w.lastAsk) > calm {
		w.asks, w.fruitless = 0, 0
	}
	held := time.Duration(0) // by how much another asking would come too soon
	if wait <= 0 && s.Breaker.State != job.BreakerOpen {
		if held = max(0, w.lastAsk.Add(w.pause(s.Breaker)).Sub(now)); w.stands == "" {
			wait = held
		}
	}
	if wait > 0 && now.Sub(w.heard) < keepAlive {
		return min(wait, look), "", nil
	}
	before := w.settings.Print
	if w.settings, err = w.World.Settings(ctx); err != nil {
		return w.silence(ctx, now, err)
	}
	w.heard = now
	if w.settings.Print != before {
		w.asks, w.fruitless = 0, 0 // what stood in the way may have been mended
		if s.Breaker.Closed() {
			wait, held = 0, 0
		}
	}
	switch {
	case !w.settings.Enabled:
		return 0, Disabled, nil
	case !w.settings.Ready:
		return 2 * look, "", nil
	case wait > 0:
		return min(wait, look), "", nil
	case s.Breaker.State == job.BreakerOpen:
		return time.Millisecond, "", w.World.Probe(ctx)
	case s.Counts.Queued == 0 && w.settings.Print == before && s.work(now) == 0:
		w.awaited = now
		return watch, "", w.World.Await(ctx)
	}
	return w.ask(ctx, s, now, held)
}

// idle is what is done when nothing waits: a last look at Stash, and the end.
func (w *Waker) idle(ctx context.Context, s State, now time.Time) (pause time.Duration, why string, err error) {
	reaped := w.World.Reaped()
	if !reaped && now.Sub(w.heard) < keepAlive {
		return look, "", nil // it stays, rather than leave a zombie each time
	}
	if w.settings, err = w.World.Settings(ctx); err != nil {
		return w.silence(ctx, now, err)
	}
	w.heard = now
	changed, busy, err := w.World.Unseen(ctx)
	if err != nil {
		return w.silence(ctx, now, err)
	}
	switch {
	case !w.settings.Enabled:
		return 0, Disabled, nil
	case !w.settings.Ready:
	case changed:
		if held := w.lastAsk.Add(w.pause(s.Breaker)).Sub(now); held > 0 {
			return min(held, look), "", nil
		}
		return w.ask(ctx, s, now, 0)
	case busy:
		return look, "", nil
	}
	if reaped {
		return 0, NothingWaits, nil
	}
	return look, "", nil
}

// next is when something is to be done; zero if nothing waits.
func (w *Waker) next(s State, now time.Time) (at time.Time) {
	switch {
	case s.Breaker.State == job.BreakerOpen && s.Breaker.ProbeDue(now):
		return now
	case s.Breaker.State == job.BreakerOpen:
		return s.Breaker.NextProbe
	case s.Counts.Due+s.Counts.Leased > 0, s.Counts.Queued > 0 && s.Counts.NextDue.IsZero():
		return now // a lease without a drain is of one that was killed
	}
	at = s.Counts.NextDue
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if s.Awaits && s.Counts.Queued == 0 {
		sooner(latest(s.Looked.Add(awaitEvery), w.awaited.Add(awaitRetry)))
	}
	if s.work(now) > 0 {
		sooner(now) // a compare
	}
	return at
}

// work is how much a drain would have to do now.
func (s State) work(now time.Time) int {
	n := s.Counts.Due
	if !s.Compare.IsZero() && !s.Compare.After(now) {
		n++
	}
	return n
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pause is the time between two askings.
func (w *Waker) pause(b job.Breaker) time.Duration {
	if w.asks == 0 {
		return 0
	}
	most := maxAskPause
	if w.fruitless > 1 && b.Closed() {
		most = maxIdlePause
	}
	d := askPause
	for range w.asks - 1 {
		if d *= 2; d >= most {
			return most
		}
	}
	return d
}

// ask sees to it that the drain runs, or, while another asking is held back, looks
// after the one that was asked for.
func (w *Waker) ask(ctx context.Context, s State, now time.Time, held time.Duration) (time.Duration, string, error) {
	asked, err := w.World.Ask(ctx, held <= 0)
	if err != nil {
		return w.silence(ctx, now, err)
	}
	if asked.New {
		if s.work(now) >= w.left && w.left > 0 {
			w.fruitless++
		}
		w.asks++
		w.lastAsk, w.left = now, s.work(now)
	}
	switch {
	case asked.Task == "":
		w.stands = ""
	case asked.Task != w.stands:
		w.stands, w.since = asked.Task, now
	case asked.Running:
		w.since = now
	case now.Sub(w.since) >= patience:
		w.since = now
		if err := w.World.RunBeside(ctx); err != nil {
			return w.silence(ctx, now, err)
		}
		return time.Millisecond, "", nil
	}
	return watch, "", nil
}

// silence is what follows from an error of Stash's.
func (w *Waker) silence(ctx context.Context, now time.Time, err error) (time.Duration, string, error) {
	switch {
	case job.Interrupted(ctx, err):
		return 0, "", err
	case job.ClassOf(err) != job.ClassStashUnreachable:
		return 0, "", err
	case job.StatusOf(err) == 401, job.StatusOf(err) == 403:
		return 0, LoggedOut, nil
	case now.Sub(w.heard) >= giveUp:
		return 0, StashGone, nil
	}
	return retryStash, "", nil
}
