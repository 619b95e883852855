package waker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// fake is a world whose drain is a function of the test's.
type fake struct {
	state    State
	settings Settings
	err      error // of Stash
	zombie   bool
	changed  bool // what no event told
	tasks    bool // Stash works tasks of others while nothing waits
	busy     bool // Stash works somebody else's task
	task     int  // the drain that stands in Stash's list; 0 = none

	looks, asked, probes, beside, awaits int
	askedAt                              []time.Time
	onLook                               func(*fake)
	drain                                func(*fake)
	probe                                func(*fake)
}

func (f *fake) Look(context.Context) (State, error) {
	f.looks++
	if f.onLook != nil {
		f.onLook(f)
	}
	now := time.Now()
	if at := f.state.Counts.NextDue; !at.IsZero() && !at.After(now) {
		f.state.Counts.Due, f.state.Counts.NextDue = f.state.Counts.Queued, time.Time{}
	}
	return f.state, nil
}

func (f *fake) Settings(context.Context) (Settings, error) { return f.settings, f.err }

func (f *fake) Unseen(context.Context) (changed, busy bool, err error) {
	return f.changed, f.tasks, f.err
}

func (f *fake) Probe(context.Context) error {
	f.probes++
	f.state.Breaker = f.state.Breaker.Probing(time.Now())
	if f.probe != nil {
		f.probe(f)
	}
	return nil
}

func (f *fake) Ask(_ context.Context, anew bool) (Asked, error) {
	if f.err != nil {
		return Asked{}, f.err
	}
	if f.task != 0 {
		return Asked{Task: fmt.Sprint(f.task)}, nil
	}
	if !anew {
		return Asked{}, nil
	}
	f.asked++
	f.askedAt = append(f.askedAt, time.Now())
	if f.busy {
		f.task = f.asked
	} else if f.drain != nil {
		f.drain(f)
	}
	return Asked{Task: fmt.Sprint(f.asked), New: true}, nil
}

func (f *fake) RunBeside(context.Context) error {
	f.beside++
	if f.drain != nil {
		f.drain(f)
	}
	return f.err
}

func (f *fake) Await(context.Context) error {
	f.awaits++
	return nil
}

func (f *fake) Reaped() bool { return !f.zombie }

// ready is a world in which n jobs are due after d.
func ready(n int, d time.Duration) *fake {
	f := &fake{settings: Settings{Enabled: true, Ready: true}}
	f.state.Counts = job.Counts{Queued: n, Waiting: n, NextDue: time.Now().Add(d)}
	f.drain = func(f *fake) { f.state.Counts = job.Counts{} }
	return f
}

// run runs a waker for at most d.
func run(t *testing.T, f *fake, d time.Duration) (why string, took time.Duration) {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	why, err := (&Waker{World: f}).Run(ctx)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it failed: %v", err)
	}
	return why, time.Since(began)
}

func stashError(status int) error {
	return &job.Error{Class: job.ClassStashUnreachable, Status: status, Op: "ask"}
}

func TestAJobThatIsDueLaterIsAskedForThenAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		f := ready(1, 95*time.Second)
		why, took := run(t, f, time.Hour)
		if why != NothingWaits || f.asked != 1 {
			t.Errorf("ended with %q after %v, asked %d times", why, took, f.asked)
		}
		if at := f.askedAt[0].Sub(began); at < 95*time.Second || at > 97*time.Second {
			t.Errorf("asked after %v", at)
		}
		if f.looks > 8 {
			t.Errorf("%d looks in 95 s", f.looks)
		}
	})
}

func TestAnOutageOfAWeekIsProbedAMinuteAndEndsInTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := ready(5, 0)
		f.state.Breaker = job.Breaker{System: job.Plex}.Failure(time.Now(), job.ClassUnauthorized, "401")
		back := time.Now().Add(7 * 24 * time.Hour)
		f.probe = func(f *fake) {
			if time.Now().Before(back) {
				f.state.Breaker = f.state.Breaker.ProbeFailed(job.ClassUnreachable, "refused")
				return
			}
			f.state.Breaker = f.state.Breaker.ProbeSucceeded()
		}
		f.drain = func(f *fake) { f.state = State{} }
		why, _ := run(t, f, 8*24*time.Hour)
		if why != NothingWaits || f.asked != 1 || f.probes > 7*24*60+2 {
			t.Errorf("ended with %q, %d probes, asked %d times", why, f.probes, f.asked)
		}
		if late := f.askedAt[0].Sub(back); late > 65*time.Second {
			t.Errorf("the drain came %v after Plex was back", late)
		}
		if f.looks > 3*7*24*60+60 {
			t.Errorf("%d looks in a week", f.looks)
		}
	})
}

func TestADrainThatStandsBehindALongTaskIsRunBesideIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		f := ready(1, 0)
		f.busy = true
		var at time.Duration
		f.drain = func(f *fake) { at, f.state = time.Since(began), State{} }
		why, _ := run(t, f, time.Hour)
		if why != NothingWaits || f.beside != 1 || f.asked != 1 {
			t.Errorf("ended with %q, %d beside, %d asked", why, f.beside, f.asked)
		}
		if at < patience || at > patience+10*time.Second {
			t.Errorf("it ran after %v", at)
		}
	})
}

func TestItEndsWhenItShould(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fake)
		why    string
		within time.Duration
	}{
		"nothing waits":       {func(f *fake) { f.state = State{} }, NothingWaits, time.Second},
		"updated":             {func(f *fake) { f.state.Replaced = true }, Replaced, time.Second},
		"no database":         {func(f *fake) { f.state.Gone = true }, NoDatabase, time.Second},
		"Stash is gone":       {func(f *fake) { f.err = stashError(0) }, StashGone, 16 * time.Minute},
		"the session ended":   {func(f *fake) { f.err = stashError(401) }, LoggedOut, time.Minute},
		"the plugin is off":   {func(f *fake) { f.settings.Enabled = false }, Disabled, time.Minute},
		"somebody cleared it": {func(f *fake) { f.onLook = func(f *fake) { f.state = State{} } }, NothingWaits, time.Second},
		"a zombie would stay": {func(f *fake) { f.state, f.zombie = State{}, true }, "", time.Hour},
		"paused":              {func(f *fake) { f.settings.Ready = false }, "", time.Hour},
		"Stash is back in time": {func(f *fake) {
			f.err = stashError(502)
			back := time.Now().Add(10 * time.Minute)
			f.onLook = func(f *fake) {
				if time.Now().After(back) {
					f.err = nil
				}
			}
		}, NothingWaits, 12 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := ready(1, 0)
				c.change(f)
				why, took := run(t, f, time.Hour)
				if why != c.why || took > c.within {
					t.Errorf("ended with %q after %v, want %q within %v", why, took, c.why, c.within)
				}
				if name == "paused" && (f.asked != 0 || f.looks > 70) {
					t.Errorf("paused for an hour: asked %d times, %d looks", f.asked, f.looks)
				}
			})
		})
	}
}

func TestWhoUnpausesNeedNotClick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := ready(3, 0)
		f.settings.Ready = false
		on := time.Now().Add(26 * time.Hour)
		f.onLook = func(f *fake) {
			if time.Now().After(on) {
				f.settings = Settings{Enabled: true, Ready: true, Print: "other"}
			}
		}
		run(t, f, 48*time.Hour)
		if f.asked != 1 || f.askedAt[0].Sub(on) > 2*time.Minute {
			t.Errorf("asked %v, unpaused %v", f.askedAt, on)
		}
	})
}

// A drain that leaves due jobs behind cannot work them; asking again at once would
// fill Stash's task list and log.
func TestADrainThatGetsNowhereIsAskedForLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := ready(7, 0)
		f.drain = nil
		run(t, f, 24*time.Hour)
		if f.asked < 100 || f.asked > 160 {
			t.Errorf("asked %d times in a day", f.asked)
		}
		// The person mends the setting.
		f.settings.Print = "mended"
		f.drain = func(f *fake) { f.state = State{} }
		f.askedAt = nil
		began := time.Now()
		if why, took := run(t, f, time.Hour); why != NothingWaits || took > time.Minute {
			t.Errorf("%q after %v, asked at %v", why, took, f.askedAt[0].Sub(began))
		}
	})
}

// Each of a thousand scenes that Plex lacks comes back at a time of its own.
func TestManyDueTimesDoNotCostATaskEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := ready(1000, 0)
		due := make([]time.Time, 1000)
		again := func(i int) { due[i] = time.Now().Add(5*time.Minute + time.Duration(i*37%300)*time.Second) }
		for i := range due {
			again(i)
		}
		worked := 0
		f.onLook = func(f *fake) {
			now := time.Now()
			c := job.Counts{Queued: 1000}
			for _, at := range due {
				if !at.After(now) {
					c.Due++
				}
			}
			if c.Due == 0 {
				c.NextDue = slices.MinFunc(due, time.Time.Compare)
			}
			f.state.Counts = c
		}
		f.drain = func(*fake) {
			for i, at := range due {
				if !at.After(time.Now()) {
					worked++
					again(i)
				}
			}
		}
		run(t, f, 2*time.Hour)
		if f.asked > 2*60+10 || worked < 8000 {
			t.Errorf("%d tasks in two hours, for %d jobs", f.asked, worked)
		}
	})
}

func TestWhatPlexLacksIsLookedForNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := ready(0, 0)
		f.state = State{Awaits: true, Looked: time.Now()}
		f.onLook = func(f *fake) {
			if f.awaits == 10 { // it has turned up
				f.awaits++
				f.state = State{Counts: job.Counts{Queued: 1, Due: 1}}
				f.drain = func(f *fake) { f.state = State{} }
			}
		}
		why, took := run(t, f, 24*time.Hour)
		if why != NothingWaits || f.asked != 1 || took < 70*time.Minute || took > 90*time.Minute {
			t.Errorf("%q after %v, asked %d times", why, took, f.asked)
		}
		// Whoever mends a path rule need not click.
		f = ready(0, 0)
		f.state = State{Awaits: true, Looked: time.Now().Add(24 * time.Hour)}
		mended := time.Now().Add(time.Hour)
		f.onLook = func(f *fake) {
			if time.Now().After(mended) {
				f.settings.Print = "mended"
			}
		}
		f.drain = func(f *fake) { f.state = State{} }
		f.settings.Print = "first"
		if why, took := run(t, f, 24*time.Hour); why != NothingWaits || f.asked != 1 || took > 70*time.Minute {
			t.Errorf("%q after %v, asked %d times", why, took, f.asked)
		}
	})
}

// TestItStaysWhileStashIsBusy: auto-tag and the like change scenes and tell nobody.
func TestItStaysWhileStashIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := ready(0, 0)
		f.state = State{Compare: time.Now().Add(24 * time.Hour)}
		f.tasks = true
		over := time.Now().Add(3 * time.Hour)
		f.onLook = func(f *fake) {
			if !time.Now().Before(over) {
				f.tasks, f.changed = false, f.asked == 0
			}
		}
		f.drain = func(*fake) {}
		why, took := run(t, f, 24*time.Hour)
		if why != NothingWaits || f.asked != 1 || took < 3*time.Hour || took > 3*time.Hour+2*time.Minute {
			t.Errorf("%q after %v, asked %d times", why, took, f.asked)
		}
	})
}

// TestACompareThatIsDueIsAskedFor, and one that cannot be made not all the time.
func TestACompareThatIsDueIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := ready(0, 0)
		f.state = State{Compare: time.Now()}
		f.drain = func(f *fake) { f.state.Compare = time.Now().Add(24 * time.Hour) }
		if why, took := run(t, f, time.Hour); why != NothingWaits || f.asked != 1 || took > time.Minute {
			t.Errorf("%q after %v, asked %d times", why, took, f.asked)
		}
		f.state.Compare = time.Now()
		f.drain, f.asked = nil, 0
		run(t, f, 24*time.Hour)
		if f.asked > 160 {
			t.Errorf("a compare that gets nowhere is asked for %d times a day", f.asked)
		}
	})
}

func TestAWakerThatIsToldToStopStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() {
			_, err := (&Waker{World: ready(1, time.Hour)}).Run(ctx)
			ended <- err
		}()
		time.Sleep(time.Minute)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
}
