package worker_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/bridge"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/worker"
)

// How attempts end: each kind of failure, what it costs the job, what the breaker makes
// of it, and when it is tried again.

// TestEachFailureHasItsOutcome drives the table of failures: what Plex or Stash answers
// for one scene of two, what becomes of its job, and whether the other one arrives.
func TestEachFailureHasItsOutcome(t *testing.T) {
	t.Parallel()
	const all = -1
	put := func(r simplex.Rule) func(*bench, string) {
		return func(b *bench, item string) {
			r.Method, r.Query, r.Count = "PUT", "id="+item, all
			b.plex.Script(r)
		}
	}
	out := func(r simplex.Rule) func(*bench, string) {
		return func(b *bench, _ string) { r.Count = all; b.plex.Script(r) }
	}
	stash := func(f simstash.Fault) func(*bench, string) {
		return func(b *bench, _ string) {
			f.Count, f.Path = all, "/graphql"
			b.stash.Script(f)
		}
	}
	for _, c := range []struct {
		name string
		fail func(b *bench, item string)
		// The job afterwards: class "" means that there is none.
		class            job.Class
		attempt, missing int
		// Until it is tried again, at least and at most; 0 = at once.
		from, to time.Duration
		dead     bool
		// The breaker afterwards: closed unless said otherwise, after so many failures at
		// least, or exactly if it is closed.
		state    job.BreakerState
		failures int
		// other: the other scene arrives all the same.
		other bool
		level slog.Level // at which the failure is told
	}{
		{name: "an error inside the server for one item", fail: put(simplex.Rule{Status: 500}),
			class: job.ClassBusy, attempt: 1, from: 2500 * time.Millisecond, to: 5 * time.Second, other: true, level: slog.LevelInfo},
		{name: "a cut answer for one item", fail: put(simplex.Rule{Cut: true}),
			class: job.ClassBusy, attempt: 1, from: 2500 * time.Millisecond, to: 5 * time.Second, other: true, level: slog.LevelInfo},
		{name: "too many requests", fail: put(simplex.Rule{Status: 429}),
			class: job.ClassBusy, attempt: 1, from: 2500 * time.Millisecond, to: 5 * time.Second, other: true, level: slog.LevelInfo},
		{name: "too many requests, with a time to wait", fail: put(simplex.Rule{Status: 429, RetryAfter: "600"}),
			class: job.ClassBusy, attempt: 1, from: 600 * time.Second, to: 600 * time.Second, other: true, level: slog.LevelInfo},
		{name: "a time to wait of years", fail: put(simplex.Rule{Status: 429, RetryAfter: "100000000"}),
			class: job.ClassBusy, attempt: 1, from: time.Hour, to: time.Hour, other: true, level: slog.LevelInfo},
		{name: "a timeout for one item", fail: put(simplex.Rule{Hang: true}),
			class: job.ClassBusy, attempt: 1, from: 2500 * time.Millisecond, to: 5 * time.Second, other: true, level: slog.LevelInfo},
		{name: "503 for one item", fail: put(simplex.Rule{Status: 503}),
			class: job.ClassBusy, attempt: 1, from: 2500 * time.Millisecond, to: 5 * time.Second, other: true, level: slog.LevelInfo},
		{name: "a refused edit", fail: put(simplex.Rule{Status: 400}),
			class: job.ClassRejected, dead: true, other: true, level: slog.LevelWarn},
		{name: "404 twice", fail: put(simplex.Rule{Status: 404}),
			class: job.ClassRejected, dead: true, other: true, level: slog.LevelWarn},
		{name: "a web page in answer to an edit", fail: put(simplex.Rule{Status: 200, Body: "<html>router</html>"}),
			class: job.ClassBusy, attempt: 1, from: 2500 * time.Millisecond, to: 5 * time.Second, other: true, level: slog.LevelInfo},
		{name: "Plex is down", fail: func(b *bench, _ string) { b.down() },
			class: job.ClassUnreachable, from: time.Second, to: time.Minute, state: job.BreakerOpen, failures: 1, level: slog.LevelWarn},
		{name: "Plex is starting", fail: func(b *bench, _ string) { b.plex.Set(func(o *simplex.Options) { o.Maintenance = true }) },
			class: job.ClassUnreachable, from: time.Second, to: time.Minute, state: job.BreakerOpen, failures: 1, level: slog.LevelWarn},
		{name: "Plex answers nothing but errors", fail: out(simplex.Rule{Status: 500}),
			class: job.ClassUnreachable, from: time.Second, to: time.Minute, state: job.BreakerOpen, failures: 1, level: slog.LevelWarn},
		{name: "the token is refused", fail: func(b *bench, _ string) { b.plex.Set(func(o *simplex.Options) { o.Token = "another" }) },
			class: job.ClassUnauthorized, from: 15 * time.Second, to: 15 * time.Second, state: job.BreakerOpen, failures: 1, level: slog.LevelError},
		{name: "the token may not write", fail: func(b *bench, _ string) { b.plex.Set(func(o *simplex.Options) { o.RefuseWrites = true }) },
			class: job.ClassUnauthorized, from: 15 * time.Second, to: 15 * time.Second, state: job.BreakerOpen, failures: 1, level: slog.LevelError},
		{name: "the item holds another file", fail: func(b *bench, item string) { b.plex.MovePart(item, 0, "/media/moved/elsewhere.mp4") },
			class: job.ClassNotInPlex, missing: 1, from: 15 * time.Second, to: 30 * time.Second, other: true, level: slog.LevelDebug},
		{name: "Stash is gone", fail: stash(simstash.Fault{Reset: true}),
			class: job.ClassNone, level: slog.LevelWarn},
		{name: "Stash refuses the session", fail: stash(simstash.Fault{Status: 401}),
			class: job.ClassNone, level: slog.LevelWarn},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.Poster = false
				scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
				other, good := b.film("b.mp4", simstash.Scene{Title: "B"})
				b.drain() // so that the next looks for recent scenes, and finds Stash out before any job
				time.Sleep(time.Hour)
				b.event(scene, other)
				c.fail(b, item)
				b.drain()
				switch letters := b.letters(); {
				case c.dead:
					if len(letters) != 1 || letters[0].Subject != job.Scene(scene) || letters[0].Class != c.class || letters[0].Attempts != 1 {
						b.Errorf("letters %+v", letters)
					}
				case len(letters) > 0:
					b.Errorf("letters %+v", letters)
				default:
					j := b.job(scene)
					wait := time.Until(j.DueAt) + time.Since(b.lastRun().Ended)
					if c.from == 0 {
						wait = max(wait, 0)
					}
					// Once the breaker is open, what is not yet tried is given back as it was.
					untried := c.state == job.BreakerOpen && j.LastClass == job.ClassNone && !j.DueAt.After(time.Now())
					if untried {
						break
					}
					if j.LastClass != c.class || j.Attempt != c.attempt || j.Missing != c.missing || c.to > 0 && (wait < c.from-time.Second || wait > c.to) || j.Token != "" {
						b.Errorf("job %+v, due in %v", j, wait)
					}
				}
				br := b.breaker()
				if state := c.state; state == "" && (!br.Closed() || br.Failures != c.failures) || state != "" && (br.State != state || br.Failures < c.failures) {
					b.Errorf("breaker %+v, want %q with %d failures", br, state, c.failures)
				}
				if sb, err := b.db.Breaker(b.Context(), job.Stash); err != nil || (sb.Failures > 0) != strings.HasPrefix(c.name, "Stash") {
					b.Errorf("Stash's breaker %+v, %v", sb, err)
				}
				if arrived := b.item(good).Scalars["title"] == "B"; arrived != c.other {
					b.Errorf("the other scene arrived: %v\n%s", arrived, b.log)
				}
				told := slices.MaxFunc(b.log.lines(), func(x, y logLine) int { return int(x.Level - y.Level) })
				if told.Level != c.level && !(c.level == slog.LevelDebug && told.Level == slog.LevelInfo) {
					b.Errorf("it is told at level %s, want %s\n%s", told.Level, c.level, b.log)
				}

				// Whatever it was, when it has passed, both arrive: by themselves, or, where a
				// person has to look, when the letter is tried again.
				b.up()
				b.stash.ClearScript()
				b.plex.Set(func(o *simplex.Options) { o.Token, o.RefuseWrites = token, false })
				if c.class == job.ClassNotInPlex {
					b.plex.MovePart(item, 0, "/media/a.mp4")
				}
				time.Sleep(2 * time.Hour)
				if c.dead {
					_, err := b.db.Revive(b.Context(), time.Now(), job.Which{})
					must(b, err)
				}
				b.drain()
				b.shows(item, map[string]string{"title": "A"})
				b.shows(good, map[string]string{"title": "B"})
				b.nothingLeft()
				if br := b.breaker(); !br.Closed() || br.Failures != 0 {
					b.Errorf("breaker %+v", br)
				}
			})
		})
	}
}

// lastRun is the summary of the last drain.
func (b *bench) lastRun() job.Run {
	b.Helper()
	runs, err := b.db.Runs(b.Context(), 1)
	must(b, err)
	if len(runs) == 0 {
		b.Fatal("there was no run")
	}
	return runs[0]
}

// TestBusyIsTriedAtDoubledPauses: 5, 10, 20, 40, 80 s, each between half and whole; then
// it is a dead letter.
func TestBusyIsTriedAtDoubledPauses(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Poster = false
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + item, Status: 500, Count: -1})
		b.event(scene)
		for n, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second} {
			b.drain()
			j := b.job(scene)
			if wait := time.Until(j.DueAt); j.Attempt != n+1 || wait < want/2-100*time.Millisecond || wait > want {
				b.Errorf("after %d failures it waits for %v, want %v: %+v", j.Attempt, wait, want, j)
			}
			time.Sleep(time.Until(j.DueAt) - time.Millisecond)
			if run := b.drain(); run.Processed() != 0 {
				b.Errorf("it is tried before its time: %+v", run)
			}
			time.Sleep(time.Second)
		}
		b.drain()
		letters := b.letters()
		if len(letters) != 1 || letters[0].Attempts != 6 || len(letters[0].History) != 6 || letters[0].Title != "A" || letters[0].Path != "/data/a.mp4" {
			b.Fatalf("letters %+v", letters)
		}
		b.plex.ClearScript()
		b.event(scene)
		b.drain()
		b.shows(item, map[string]string{"title": "A"})
		b.nothingLeft()
	})
}

func TestMaxRetriesIsObeyed(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Policy.MaxRetries = 2
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + item, Status: 500, Count: -1})
		b.event(scene)
		b.wake(time.Hour)
		if l := b.letters(); len(l) != 1 || l[0].Attempts != 3 {
			b.Errorf("letters %+v", l)
		}
	})
}

// TestWhatPlexLacksIsTriedTwelveTimes, at pauses from 30 s to 10 minutes, and becomes a
// letter that is counted apart; an event makes it begin anew.
func TestWhatPlexLacksIsTriedTwelveTimes(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene := b.scene("new.mp4", simstash.Scene{Title: "New"})
		b.event(scene)
		began := time.Now()
		for n := 1; n <= 12; n++ {
			b.drain()
			j := b.job(scene)
			want := min(30*time.Second<<(n-1), 10*time.Minute)
			if wait := time.Until(j.DueAt); j.Missing != n || j.Attempt != 0 || wait < want/2-time.Second || wait > want {
				b.Errorf("after %d looks it waits for %v, want %v: %+v", n, wait, want, j)
			}
			time.Sleep(time.Until(j.DueAt))
		}
		b.drain()
		l := b.letters()
		if len(l) != 1 || l[0].Class != job.ClassNotInPlex || l[0].Attempts != 13 || time.Since(began) < 40*time.Minute {
			b.Errorf("after %v: letters %+v", time.Since(began), l)
		}
		if c := b.counts(); c.Dead != 0 || c.NotInPlex != 1 || c.Queued != 0 {
			b.Errorf("%+v", c)
		}
		if err := l[0].Error; !strings.Contains(err, "/media/new.mp4") || !strings.Contains(err, "/data => /media") {
			b.Errorf("the error does not tell the path and the rule: %s", err)
		}
		item := b.file("new.mp4")
		time.Sleep(time.Hour)
		b.drain() // whoever drains sees that it has turned up
		b.shows(item, map[string]string{"title": "New"})
		b.nothingLeft()
	})
}

func TestWithPlexIsSubsetWhatPlexLacksIsNotReported(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Policy.PlexIsSubset = true
		b.event(b.scene("new.mp4", simstash.Scene{Title: "New"}))
		if run := b.drain(); run.Unchanged != 1 || run.Retry != 0 {
			b.Errorf("run %+v", run)
		}
		b.nothingLeft()
		if f := b.compare(); f.NotInPlex != 1 || f.Queued != 0 {
			b.Errorf("found %s", f)
		}
	})
}

// TestFiveFailuresOpenTheBreaker, not four, as long as Plex still says who it is.
func TestFiveFailuresOpenTheBreaker(t *testing.T) {
	t.Parallel()
	for n, open := range map[int]bool{4: false, 5: true} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.numbered(n)
				b.plex.Script(simplex.Rule{Method: "GET", Path: "/all$", Status: 500, Count: -1})
				b.drain()
				br := b.breaker()
				if (br.State == job.BreakerOpen) != open || br.Failures != n {
					b.Fatalf("after %d failures: %+v\n%s", n, br, b.log)
				}
				for _, j := range b.jobs() {
					if j.Attempt != 0 || j.LastClass != job.ClassUnreachable {
						b.Errorf("job %+v", j)
					}
				}
			})
		})
	}
}

// TestAnOutageThatIsConfirmedOpensTheBreakerAtOnce; from then on nothing is asked but
// /identity.
func TestAnOutageThatIsConfirmedOpensTheBreakerAtOnce(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]func(b *bench, item string){
		"before anything is asked": func(b *bench, _ string) { b.down() },
		"in the middle of an edit": func(b *bench, item string) {
			b.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + item, ResetBefore: true, Count: -1},
				simplex.Rule{Path: "/identity", Nth: 2, ResetBefore: true, Count: -1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.Poster = false
				_, items := b.numbered(1)
				b.drain()
				time.Sleep(time.Hour)
				b.edit(1, map[string]any{"director": "Ann"})
				fails(b, items[0])
				b.drain()
				if br := b.breaker(); br.State != job.BreakerOpen || br.OpenedAt.IsZero() {
					b.Fatalf("breaker %+v\n%s", br, b.log)
				}
				if j := b.job(1); j.Attempt != 0 || j.LastClass != job.ClassUnreachable {
					b.Errorf("job %+v", j)
				}
				if outages, err := b.db.Outages(b.Context(), 10); err != nil || len(outages) != 1 || !outages[0].Ended.IsZero() {
					b.Errorf("outages %+v, %v", outages, err)
				}
				if len(b.log.lines("unreachable")) > 1 {
					b.Errorf("one line tells of an outage\n%s", b.log)
				}
				b.down() // and now wholly
				b.plex.ResetCounts()
				for range 60 {
					time.Sleep(10 * time.Second)
					b.drain()
				}
				// 15 s after the opening, 30 s after that, and then every minute.
				c := b.plex.Counts()
				if c.Total != c.ProbeIdentity || c.Total < 10 || c.Total > 12 {
					b.Errorf("%d requests in ten minutes of outage: %v", c.Total, c.ByRoute)
				}
				b.wantLog(slog.LevelWarn, "Plex is still unavailable")
				b.wantLog(slog.LevelWarn, "Plex cannot be used since")
			})
		})
	}
}

// TestAnItemsErrorNeverOpensTheBreaker, however many there are, also next to each other.
func TestAnItemsErrorNeverOpensTheBreaker(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Poster = false
		b.numbered(20)
		b.plex.Script(simplex.Rule{Method: "PUT", Status: 500, Count: -1})
		run := b.drain()
		if br := b.breaker(); !br.Closed() || br.Failures != 0 || run.Retry < 20 {
			b.Errorf("run %+v, breaker %+v", run, br)
		}
	})
}

// TestASuccessForgetsFailures: only five in a row count.
func TestASuccessForgetsFailures(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Poster = false
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.event(scene)
		b.plex.Script(simplex.Rule{Method: "GET", Path: "/all$", Status: 500, Count: -1})
		b.drain()
		b.drainByPerson()
		if br := b.breaker(); br.Failures != 2 {
			b.Fatalf("breaker %+v", br)
		}
		b.up()
		b.drainByPerson()
		b.shows(item, map[string]string{"title": "A"})
		if br := b.breaker(); br.Failures != 0 {
			b.Errorf("breaker %+v", br)
		}
	})
}

// TestHalfOpenOneJobDecides: its success closes the breaker and ends the outage in the
// books, its failure opens it again, with the time of its begin.
func TestHalfOpenOneJobDecides(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Poster = false
		_, items := b.numbered(20)
		b.down()
		b.drain()
		opened := b.breaker()
		if opened.State != job.BreakerOpen || opened.Cause != job.ClassUnreachable {
			b.Fatalf("breaker %+v", opened)
		}
		// Plex answers /identity and nothing else.
		b.up()
		b.plex.Script(simplex.Rule{Path: "/library", ResetBefore: true, Count: -1}, simplex.Rule{Path: "/identity", Nth: 3, ResetBefore: true, Count: -1})
		time.Sleep(time.Minute)
		b.plex.ResetCounts()
		l := &leases{Store: bridge.Store(b.db)}
		b.queue = l
		b.drain()
		again := b.breaker()
		if again.State != job.BreakerOpen || !again.OpenedAt.Equal(opened.OpenedAt) || !slices.Equal(l.got, []int{1}) {
			b.Errorf("breaker %+v, leased %v; want it open since %v\n%s", again, l.got, opened.OpenedAt, b.log)
		}
		b.up()
		time.Sleep(2 * time.Minute)
		b.drain()
		b.haveTitles(items, 0)
		outages, err := b.db.Outages(b.Context(), 10)
		if err != nil || len(outages) != 1 || outages[0].Ended.IsZero() || outages[0].Cause != job.ClassUnreachable || !outages[0].Started.Equal(opened.OpenedAt) {
			b.Errorf("outages %+v, %v", outages, err)
		}
		b.wantLog(slog.LevelInfo, "Plex is back")
	})
}

// TestAnOutageOfTheTokenEndsWhenTheTokenIsAccepted, not when Plex is there.
func TestAnOutageOfTheTokenEndsWhenTheTokenIsAccepted(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.plex.Set(func(o *simplex.Options) { o.Token = "another" })
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.event(scene)
		b.drain()
		b.wantLog(slog.LevelError, "plexToken")
		for range 5 {
			time.Sleep(5 * time.Minute)
			b.drain()
			if br := b.breaker(); br.State != job.BreakerOpen || br.Cause != job.ClassUnauthorized {
				b.Fatalf("breaker %+v", br)
			}
		}
		if j := b.job(scene); j.Attempt != 0 {
			b.Errorf("job %+v", j)
		}
		b.plex.Set(func(o *simplex.Options) { o.Token = token })
		time.Sleep(5 * time.Minute)
		b.drain()
		b.shows(item, map[string]string{"title": "A"})
	})
}

// TestAPersonProbesAtOnce, once a drain.
func TestAPersonProbesAtOnce(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Poster = false
		_, items := b.numbered(8)
		b.down()
		b.drain()
		b.plex.ResetCounts()
		b.drain()
		b.askedNothing() // the next probe is 15 s away
		b.drainByPerson()
		if c := b.plex.Counts(); c.Total != 1 || c.ProbeIdentity != 1 {
			b.Errorf("%v", c.ByRoute)
		}
		b.up()
		b.drainByPerson()
		b.haveTitles(items, 0)
	})
}

// TestOneProcessProbesAtATime: that a probe is made is stored before it is sent.
func TestOneProcessProbesAtATime(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.numbered(8)
		b.down()
		b.drain()
		b.up()
		b.plex.Script(simplex.Rule{Path: "/identity", Delay: 3 * time.Second, Count: -1})
		time.Sleep(time.Minute)
		b.plex.ResetCounts()
		probes := make(chan worker.Probed, 10)
		for range 10 {
			go func() {
				p, err := worker.Probe(b.Context(), b.db, bridge.Plex(b.client()), time.Now, false)
				if err != nil {
					b.Error(err)
				}
				probes <- p
			}()
		}
		taken := 0
		for range 10 {
			if p := <-probes; p.Taken {
				taken++
				if p.Err != nil || p.Breaker.State != job.BreakerHalfOpen {
					b.Errorf("probed %+v", p)
				}
			}
		}
		if c := b.plex.Counts(); taken != 1 || c.Total != 1 {
			b.Errorf("%d probes were taken, Plex got %d", taken, c.Total)
		}
		// The jobs that waited for Plex are due, whatever their own time was.
		if c := b.counts(); c.Due != 8 {
			b.Errorf("%+v", c)
		}
	})
}

// TestAProbeOfAClosedBreakerAsksNothing, also when a person asks.
func TestAProbeOfAClosedBreakerAsksNothing(t *testing.T) {
	inBubble(t, func(b *bench) {
		for _, force := range []bool{false, true} {
			p, err := worker.Probe(b.Context(), b.db, bridge.Plex(b.client()), time.Now, force)
			if err != nil || p.Taken || p.Err != nil || !p.Breaker.Closed() {
				b.Errorf("probed %+v, %v", p, err)
			}
		}
		b.askedNothing()
	})
}

// TestAPoisonousItemIsReadAlone: where Plex chokes on a batch of items, each is asked for
// alone, and only the one that is broken waits.
func TestAPoisonousItemIsReadAlone(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.Poster = false
		scenes, items := b.numbered(10)
		b.plex.Script(simplex.Rule{Method: "GET", Path: "^/library/metadata/(.*,)?" + items[4] + "(,|$)", Status: 500, Count: -1})
		run := b.drain()
		if run.Done != 9 || run.Retry != 1 || b.job(scenes[4]).LastClass != job.ClassBusy {
			b.Errorf("run %+v\n%s", run, b.log)
		}
	})
}

// TestAListingThatFailsCostsNoJobAnAttempt, whatever the failure is.
func TestAListingThatFailsCostsNoJobAnAttempt(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]simplex.Rule{
		"the libraries cannot be listed":  {Path: `^/library/sections/?$`, Status: 500},
		"the library cannot be listed":    {Path: `^/library/sections/\d+/all$`, Method: "GET", Status: 500},
		"the library is refused":          {Path: `^/library/sections/\d+/all$`, Method: "GET", Status: 400},
		"the listing is cut":              {Path: `^/library/sections/\d+/all$`, Method: "GET", Cut: true},
		"Plex does not tell who it is":    {Path: `^/identity`, Status: 404},
		"a web page instead of libraries": {Path: `^/library/sections/?$`, Status: 200, Body: "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				_, items := b.numbered(3)
				r.Count = -1
				b.plex.Script(r)
				for range 3 {
					b.drain()
					time.Sleep(time.Hour)
				}
				for _, j := range b.jobs() {
					if j.Attempt+j.Missing != 0 || j.LastClass != job.ClassUnreachable {
						b.Errorf("job %+v", j)
					}
				}
				if len(b.jobs()) != 3 || len(b.letters()) != 0 {
					b.Errorf("%d jobs, letters %+v", len(b.jobs()), b.letters())
				}
				b.up()
				b.drain()
				b.haveTitles(items, 0)
			})
		})
	}
}

// TestStashThatFailsInTheMiddle of a drain stops it and costs nothing.
func TestStashThatFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]simstash.Fault{
		"scenes":      {Field: "findScenes", Reset: true},
		"cut":         {Field: "findScenes", CutBody: true},
		"garbled":     {Field: "findScenes", Garble: true},
		"hangs":       {Field: "findScenes", Hang: true},
		"the session": {Field: "findScenes", Status: http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				_, items := b.numbered(150)
				f.Count = -1
				f.Skip = 1 // the first batch passes
				b.stash.Script(f)
				run := b.drain()
				if run.Note == "" || run.Done > 100 || run.Dead+run.Retry > 0 {
					b.Errorf("run %+v", run)
				}
				b.wantLog(slog.LevelWarn, "Stash")
				for _, j := range b.jobs() {
					if j.Attempt != 0 || j.Token != "" {
						b.Errorf("job %+v", j)
					}
				}
				b.stash.ClearScript()
				time.Sleep(time.Hour)
				b.drain()
				b.haveTitles(items, 0)
				b.nothingLeft()
			})
		})
	}
}
