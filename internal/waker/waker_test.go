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
	lookErr  error
	askErr   error         // of the database
	session  time.Duration // Stash refuses who does not ask for so long; 0 = never
	running  string        // the task that Stash works
	cancel   string        // the one that a person stopped
	heard    time.Time     // when Stash was last asked

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
	return f.state, f.lookErr
}

func (f *fake) Settings(context.Context) (Settings, error) {
	now := time.Now()
	if f.session > 0 && !f.heard.IsZero() && now.Sub(f.heard) > f.session {
		return f.settings, stashError(401)
	}
	f.heard = now
	return f.settings, f.err
}

func (f *fake) Task(context.Context) (string, error) { return f.running, f.err }

func (f *fake) Stopped(_ context.Context, task string) (bool, error) {
	return task == f.cancel, f.err
}

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
	if f.err != nil || f.askErr != nil {
		return Asked{}, errors.Join(f.err, f.askErr)
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
		f.state = State{Missing: true, Looked: time.Now()}
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
		f.state = State{Missing: true, Looked: time.Now().Add(24 * time.Hour)}
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

// full is an error of a database that may work again at any moment.
type full struct{}

func (full) Error() string { return "the disk is full" }
func (full) Soon() bool    { return true }

// TestADatabaseThatFailsIsWaitedOut: also one that can be read and not be written to.
func TestADatabaseThatFailsIsWaitedOut(t *testing.T) {
	broken := errors.New("the folder cannot be read")
	for _, c := range []struct {
		name      string
		look, ask error
		lasts     time.Duration
		within    time.Duration // of its end
	}{
		{"locked for a minute", full{}, nil, 75 * time.Second, time.Minute},
		{"locked for hours", full{}, nil, 5 * time.Hour, time.Minute},
		{"a full disk", nil, full{}, 23 * time.Hour, time.Minute},
		{"another fault for a minute", broken, nil, time.Minute, time.Minute},
		{"another fault for hours", broken, nil, 5 * time.Hour, 10 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := ready(1, 0)
				f.lookErr, f.askErr = c.look, c.ask
				over := time.Now().Add(c.lasts)
				f.onLook = func(f *fake) {
					if !time.Now().Before(over) {
						f.lookErr, f.askErr = nil, nil
					}
				}
				why, _ := run(t, f, 48*time.Hour)
				if why != NothingWaits || f.asked != 1 {
					t.Fatalf("ended with %q, asked %d times", why, f.asked)
				}
				if late := f.askedAt[0].Sub(over); late < 0 || late > c.within+time.Second {
					t.Errorf("asked %v after the fault was over", late)
				}
				if most := 20 + int(c.lasts/(45*time.Second)); f.looks > most {
					t.Errorf("%d looks, want at most %d", f.looks, most)
				}
			})
		})
	}
	t.Run("for a day", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := ready(1, 0)
			f.lookErr = broken
			began := time.Now()
			why, err := (&Waker{World: f}).Run(context.Background())
			if !errors.Is(err, broken) || why != "" {
				t.Errorf("ended with %q, %v", why, err)
			}
			if took := time.Since(began); took < 24*time.Hour || took > 25*time.Hour {
				t.Errorf("it ended after %v", took)
			}
		})
	})
}

// draining is a world in which a drain works for d and is then gone, with jobs left.
func draining(d time.Duration) (f *fake, gone time.Time) {
	f = ready(3, 0)
	f.running = "17"
	f.state.Draining, f.state.Counts = true, job.Counts{Queued: 3, Leased: 1, Due: 2}
	gone = time.Now().Add(d)
	f.onLook = func(f *fake) {
		if !time.Now().Before(gone) {
			f.state.Draining, f.running = false, ""
		}
	}
	f.drain = func(f *fake) { f.state = State{} }
	return f, gone
}

func TestADrainThatDiesIsMadeGood(t *testing.T) {
	for _, c := range []struct {
		name        string
		change      func(*fake)
		least, most time.Duration // from its end to the next drain
	}{
		{"killed", func(*fake) {}, 0, 2 * time.Minute},
		{"killed in the middle of another's task", func(f *fake) { f.running, f.cancel = "3", "9" }, 0, 2 * time.Minute},
		{"run beside no task at all", func(f *fake) { f.running = "" }, 0, 2 * time.Minute},
		{"stopped by a person", func(f *fake) { f.cancel = "17" }, 9 * time.Minute, 15 * time.Minute},
		{"stopped, and the settings change", func(f *fake) {
			f.cancel = "17"
			before := f.onLook
			mended := time.Now().Add(2 * time.Hour).Add(2 * time.Minute)
			f.onLook = func(f *fake) {
				if before(f); time.Now().After(mended) {
					f.settings.Print = "mended"
				}
			}
		}, 2 * time.Minute, 8 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, gone := draining(2 * time.Hour)
				c.change(f)
				why, _ := run(t, f, 12*time.Hour)
				if why != NothingWaits || f.asked != 1 {
					t.Fatalf("ended with %q, asked %d times", why, f.asked)
				}
				if late := f.askedAt[0].Sub(gone); late < c.least || late > c.most {
					t.Errorf("the next drain was asked for after %v", late)
				}
			})
		})
	}
}

// TestTheRestAfterAStopEndsWithTheNextDrain: an event's hook asks for one, which is then
// killed.
func TestTheRestAfterAStopEndsWithTheNextDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, gone := draining(time.Minute)
		f.cancel = "17"
		killed := gone.Add(3 * time.Minute)
		f.onLook = func(f *fake) {
			now := time.Now()
			f.state.Draining = now.Before(gone) || now.After(gone.Add(2*time.Minute)) && now.Before(killed)
			if now.After(gone) {
				f.running = "18"
			}
		}
		why, _ := run(t, f, time.Hour)
		if why != NothingWaits || f.asked != 1 || f.askedAt[0].Sub(killed) > 2*time.Minute {
			t.Errorf("ended with %q, asked at %v, killed at %v", why, f.askedAt, killed)
		}
	})
}

// TestAShortSessionIsKept: whatever the waker does, it does not let it end.
func TestAShortSessionIsKept(t *testing.T) {
	for name, change := range map[string]func(*fake){
		"a job is due later": func(f *fake) { f.state.Counts.NextDue = time.Now().Add(3 * time.Hour) },
		"a drain works": func(f *fake) {
			worked, _ := draining(3 * time.Hour)
			f.state, f.onLook, f.drain = worked.state, worked.onLook, worked.drain
		},
		"the database fails": func(f *fake) {
			over := time.Now().Add(3 * time.Hour)
			f.lookErr = errors.New("broken")
			f.onLook = func(f *fake) {
				if time.Now().After(over) {
					f.lookErr = nil
				}
			}
		},
		"the drain runs beside a long task": func(f *fake) {
			f.busy = true
			f.drain = func(f *fake) {
				time.Sleep(3 * time.Hour)
				f.state = State{}
			}
		},
		"Plex is out": func(f *fake) {
			f.state.Breaker = job.Breaker{System: job.Plex}.Failure(time.Now(), job.ClassUnauthorized, "401")
			back := time.Now().Add(3 * time.Hour)
			f.probe = func(f *fake) {
				if time.Now().After(back) {
					f.state.Breaker = f.state.Breaker.ProbeSucceeded()
				}
			}
		},
		"somebody else's tasks": func(f *fake) {
			f.state, f.tasks = State{}, true
			over := time.Now().Add(3 * time.Hour)
			f.onLook = func(f *fake) { f.tasks = time.Now().Before(over) }
		},
	} {
		for _, session := range []time.Duration{10 * time.Second, 75 * time.Second, 4 * time.Minute} {
			t.Run(fmt.Sprint(name, ", for ", session), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := ready(1, 0)
					change(f)
					f.session, f.settings.Lifetime = session, session
					if why, took := run(t, f, 12*time.Hour); why != NothingWaits || took < 3*time.Hour {
						t.Errorf("ended with %q after %v", why, took)
					}
				})
			})
		}
	}
}
