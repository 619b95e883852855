// Package waker is the process that works the queue while nobody watches: it waits
// until a job is due or Plex may be probed, and asks Stash to run the drain. It
// exists only while a drain works, so that one that is killed leaves nothing to nobody,
// or something waits; one at a time; and it may be killed at any moment, because the next
// event or task starts it again.
//
// [Waker.Run] is the loop, over a [World] that package main provides; [Start] makes
// a process that outlives the one that Stash waits for.
package waker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// State is what the database tells.
type State struct {
	// Gone: the data folder does not exist any more, as after an uninstall.
	Gone bool
	// Replaced: the program was updated, or removed, since this process was started.
	Replaced bool
	Counts   job.Counts
	Breaker  job.Breaker // Plex's
	// Draining: a drain is at work.
	Draining bool
	// Missing: scenes wait to turn up in Plex, perhaps as dead letters only. Looked is
	// when Plex was last asked for what is new there.
	Missing bool
	Looked  time.Time
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
	// Lifetime is how long the session holds that Stash's answer brought along; 0 if that
	// is not known, or no session is needed.
	Lifetime time.Duration
}

// Asked is how the drain that was asked for stands in Stash's task list.
type Asked struct {
	// Task is Stash's id of it; "" if Stash has none, or somebody else is about to
	// ask for it.
	Task string
	// New: it was asked for just now. Running: Stash has begun it.
	New, Running bool
}

// World is what a waker watches and does. Errors of Stash carry a class. All others are
// the database's, and are waited out; one that says Soon() may end at any moment.
type World interface {
	// Look reads the database, and takes in the events that it did not take before.
	Look(ctx context.Context) (State, error)
	// Settings asks Stash, which also keeps the session alive. It may be called while
	// RunBeside is under way.
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
	// Task returns Stash's id of the task that it works now; "" if it works none.
	Task(ctx context.Context) (string, error)
	// Stopped reports whether a person has stopped the task of this id. One that has
	// ended, was killed, or is no longer known, was not stopped.
	Stopped(ctx context.Context, task string) (bool, error)
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
	// end: Stash's max_session_age is an hour unless set. A session that is shorter is
	// renewed after a third of its time, but not more often than minKeepAlive.
	keepAlive    = 5 * time.Minute
	minKeepAlive = time.Second
	// stopPause is how long the queue rests when a person has stopped a drain. An event
	// ends the rest, because its hook asks for a drain itself.
	stopPause = 10 * time.Minute
	// A database that cannot be used is tried again after troublePause, doubled each time
	// to maxTrouble; or to maxSoon, if it is only locked or the disk is full: that ends
	// when somebody closes a program or deletes a file, and must not be noticed late.
	// After lastTrouble of nothing but errors the waker ends.
	troublePause = 30 * time.Second
	maxSoon      = time.Minute
	maxTrouble   = 10 * time.Minute
	lastTrouble  = 24 * time.Hour
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
	print     string    // of the settings that were last acted on
	met       bool      // Stash has answered
	heard     time.Time // when it last did, or when this began
	called    time.Time // when it was last asked
	unseen    time.Time // when it was last asked what no event tells
	drained   bool      // a drain was at work at the last look
	task      string    // Stash's id of the task that ran then
	stopped   time.Time // when a person stopped a drain
	troubled  time.Time // since when the database cannot be used; zero if it can
	trouble   time.Duration
	awaited   time.Time // when what Plex lacks was last looked for
	asks      int       // in a row
	lastAsk   time.Time
	stands    string    // the task that stands in Stash's list
	since     time.Time // since when, as far as we saw
	left      int       // what there was to do when the drain was last asked for
	fruitless int       // drains in a row that left as many
}

// Run watches until nothing waits, and says why it ended. An error means that the
// database could not be used for a day, or that ctx ended.
func (w *Waker) Run(ctx context.Context) (why string, err error) {
	w.heard = time.Now()
	for {
		pause, why, err := w.turn(ctx)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err == nil:
			w.troubled = time.Time{}
		default:
			if pause, err = w.waitOut(time.Now(), err); err != nil {
				return "", err
			}
		}
		if why == "" {
			why, err = w.rest(ctx, pause)
		}
		if why != "" || err != nil {
			return why, err
		}
	}
}

// turn looks and does what is to be done now; it says how long to sleep, or why to end.
func (w *Waker) turn(ctx context.Context) (pause time.Duration, why string, err error) {
	s, err := w.World.Look(ctx)
	switch {
	case err != nil:
		return 0, "", err
	case s.Gone:
		return 0, NoDatabase, nil
	case s.Replaced:
		return 0, Replaced, nil
	}
	return w.step(ctx, s)
}

// waitOut says how long to wait when the database cannot be used, or gives the error
// back when that was long enough.
func (w *Waker) waitOut(now time.Time, err error) (time.Duration, error) {
	if w.troubled.IsZero() {
		w.troubled, w.trouble = now, troublePause
	}
	if now.Sub(w.troubled) >= lastTrouble {
		return 0, fmt.Errorf("the database could not be used for %s: %w", lastTrouble, err)
	}
	most := maxTrouble
	var soon interface{ Soon() bool }
	if errors.As(err, &soon) && soon.Soon() {
		most = maxSoon
	}
	pause := min(w.trouble, most)
	w.trouble = min(2*w.trouble, maxTrouble)
	return pause, nil
}

// rest sleeps, and keeps the session alive meanwhile. It wakes early if Stash tells of
// other settings, and says why to end if it is gone or wants no more of us.
func (w *Waker) rest(ctx context.Context, pause time.Duration) (why string, err error) {
	for end := time.Now().Add(pause); ; {
		now := time.Now()
		d := end.Sub(now)
		if w.met {
			// Asked again, that is, and after a failure not at once.
			d = min(d, max(w.heard.Add(w.keep()).Sub(now), w.called.Add(min(w.keep(), retryStash)).Sub(now)))
		}
		if d > 0 {
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-time.After(d):
			}
		}
		if !time.Now().Before(end) {
			return "", nil
		}
		if err := w.refresh(ctx); err != nil {
			if _, why, err := w.silence(ctx, time.Now(), err); why != "" || err != nil {
				return why, err
			}
		}
		switch {
		case w.met && !w.settings.Enabled:
			return Disabled, nil
		case w.settings.Print != w.print:
			return "", nil
		}
	}
}

// keep is how often Stash is asked at least.
func (w *Waker) keep() time.Duration {
	if w.settings.Lifetime <= 0 {
		return keepAlive
	}
	return max(minKeepAlive, min(keepAlive, w.settings.Lifetime/3))
}

// refresh asks Stash for the settings.
func (w *Waker) refresh(ctx context.Context) error {
	w.called = time.Now()
	settings, err := w.World.Settings(ctx)
	if err == nil {
		w.settings, w.heard = settings, time.Now()
	}
	return err
}

// step does what is to be done now, and says how long to sleep, or why to end.
func (w *Waker) step(ctx context.Context, s State) (pause time.Duration, why string, err error) {
	now := time.Now()
	if !w.met {
		// At first the session is young: a key that outlives it is asked for at once.
		if err = w.refresh(ctx); err != nil {
			return w.silence(ctx, now, err)
		}
		w.met, w.print = true, w.settings.Print
		return time.Millisecond, "", nil
	}
	if s.Draining {
		w.stands = ""
		if s.work(now) < w.left {
			w.fruitless = 0
		}
		if !w.drained {
			// Without an answer it is not known, and a drain that ends is not taken for one
			// that was stopped.
			w.drained, w.stopped = true, time.Time{}
			w.task, _ = w.World.Task(ctx)
		}
		return watch, "", nil
	}
	if w.drained {
		w.drained = false
		if s.work(now)+s.Counts.Leased > 0 && w.task != "" {
			if stopped, err := w.World.Stopped(ctx, w.task); err == nil && stopped {
				w.stopped = now
			}
		}
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
		held = max(0, w.lastAsk.Add(w.pause(s.Breaker)).Sub(now))
		if !w.stopped.IsZero() {
			held = max(held, w.stopped.Add(stopPause).Sub(now))
		}
		if w.stands == "" {
			wait = held
		}
	}
	if wait > 0 && now.Sub(w.heard) < keepAlive && w.settings.Print == w.print {
		return min(wait, look), "", nil
	}
	if err = w.refresh(ctx); err != nil {
		return w.silence(ctx, now, err)
	}
	same := w.settings.Print == w.print
	w.print = w.settings.Print
	if !same {
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
	case s.Counts.Queued == 0 && same && s.work(now) == 0:
		w.awaited = now
		return watch, "", w.World.Await(ctx)
	}
	return w.ask(ctx, s, now, held)
}

// idle is what is done when nothing waits: a last look at Stash, and the end.
func (w *Waker) idle(ctx context.Context, s State, now time.Time) (pause time.Duration, why string, err error) {
	reaped := w.World.Reaped()
	if !reaped && now.Sub(w.unseen) < keepAlive {
		return look, "", nil // it stays, rather than leave a zombie each time
	}
	w.unseen = now
	if err = w.refresh(ctx); err != nil {
		return w.silence(ctx, now, err)
	}
	w.print = w.settings.Print
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
	if s.Missing && s.Counts.Queued == 0 {
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
		if err := w.beside(ctx); err != nil {
			return w.silence(ctx, time.Now(), err)
		}
		return time.Millisecond, "", nil
	}
	return watch, "", nil
}

// beside runs the drain beside Stash's task list. It may take hours, in which the session
// is kept alive.
func (w *Waker) beside(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- w.World.RunBeside(ctx) }()
	for {
		select {
		case err := <-ended:
			return err
		case <-time.After(w.keep()):
			w.refresh(ctx) // a failure shows when the drain has ended
		}
	}
}

// silence is what follows from an error of Stash's; another's it gives back.
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
