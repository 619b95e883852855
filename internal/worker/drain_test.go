package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/bridge"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/worker"
)

// The drain: leases, pace, what it logs, and how it ends.

func TestADrainWaitsUntilEventsHaveSettled(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene, _ := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.event(scene)
		began := time.Now()
		go func() { // a person who edits on and on, every 400 ms for 20 s
			for range 50 {
				time.Sleep(400 * time.Millisecond)
				b.db.Enqueue(context.Background(), time.Now(), job.PriorityEvent, job.Scene(scene))
			}
		}()
		b.drain()
		if first := b.plex.Requests()[0].At.Sub(began); first < 9*time.Second || first > 11*time.Second {
			b.Errorf("the first request to Plex came after %v, want 10 s", first)
		}
		time.Sleep(time.Minute)
		b.drain()
		if c := b.plex.Counts(); c.Writes != 1 {
			b.Errorf("%d writes for 51 events", c.Writes)
		}
	})
}

func TestADrainDoesNotWaitForWhatPlexSyncQueuedItself(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene, _ := b.film("a.mp4", simstash.Scene{Title: "A"})
		must(b, b.db.Enqueue(b.Context(), time.Now(), job.PriorityBulk, job.Scene(scene)))
		began := time.Now()
		if b.drain(); time.Since(began) >= time.Second {
			b.Errorf("it took %v", time.Since(began))
		}
	})
}

// TestAnEventFromTheFutureIsNotWaitedFor: the clock was set back.
func TestAnEventFromTheFutureIsNotWaitedFor(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		must(b, b.db.Enqueue(b.Context(), time.Now().Add(24*time.Hour), job.PriorityEvent, job.Scene(scene)))
		began := time.Now()
		b.drain()
		b.shows(item, map[string]string{"title": "A"})
		if time.Since(began) >= time.Second {
			b.Errorf("it took %v", time.Since(began))
		}
	})
}

// leases counts how many jobs are leased at once.
type leases struct {
	worker.Store
	got []int
}

func (l *leases) Lease(ctx context.Context, now time.Time, limit int, token string) ([]job.Job, error) {
	jobs, err := l.Store.Lease(ctx, now, limit, token)
	l.got = append(l.got, len(jobs))
	return jobs, err
}

func TestAfterAnOutageTheRateRisesStepByStep(t *testing.T) {
	inBubble(t, func(b *bench) {
		_, items := b.numbered(260)
		b.down()
		b.drain()
		b.up()
		time.Sleep(time.Minute)
		l := &leases{Store: bridge.Store(b.db)}
		b.queue = l
		b.drain()
		if want := []int{1, 2, 4, 8, 16, 32, 64, 100, 33, 0}; !slices.Equal(l.got, want) {
			b.Errorf("leased %v at once, want %v", l.got, want)
		}
		b.haveTitles(items, 0)
		b.wantLog(slog.LevelInfo, "Plex answers again")
	})
}

func TestASlowPlexGetsOneEditAtATime(t *testing.T) {
	inBubble(t, func(b *bench) {
		_, items := b.numbered(40)
		b.plex.Set(func(o *simplex.Options) { o.WriteLatency = 5 * time.Second })
		go func() {
			time.Sleep(30 * time.Second)
			b.plex.ResetCounts()
		}()
		b.drain()
		if c := b.plex.Counts(); c.PeakWrites != 1 || c.Writes < 20 {
			b.Errorf("%d writes at once to a slow Plex, %d in all", c.PeakWrites, c.Writes)
		}
		b.haveTitles(items, 0)
	})
}

func TestAFastPlexGetsAsManyEditsAtATimeAsThereAreWriters(t *testing.T) {
	t.Parallel()
	for _, writers := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(writers), func(t *testing.T) {
			inBubble(t, func(b *bench) {
				_, items := b.numbered(30)
				b.opt.Writers = writers
				b.plex.Set(func(o *simplex.Options) { o.WriteLatency = 50 * time.Millisecond })
				b.drain()
				want := writers
				if writers == 0 {
					want = 2
				}
				if c := b.plex.Counts(); c.PeakWrites != want || c.Writes != 30 {
					b.Errorf("%d writes at once, %d in all; want %d and 30", c.PeakWrites, c.Writes, want)
				}
				b.haveTitles(items, 0)
			})
		})
	}
}

// TestPicturesAndFieldsFlowBesideEachOther: Plex's one writer has work all the time, though
// covers take as long to come, and edits and pictures to be sent, as it takes to write
// them; few pictures are held at once, and fewer that are large; and the fields of an item
// come before its picture.
func TestPicturesAndFieldsFlowBesideEachOther(t *testing.T) {
	t.Parallel()
	t.Run("small pictures", func(t *testing.T) { inBubble(t, func(b *bench) { b.flow(200, 0, 5) }) })
	t.Run("large pictures", func(t *testing.T) { inBubble(t, func(b *bench) { b.flow(20, 4<<20, 2) }) })
}

func (b *bench) flow(films, extra, atOnce int) {
	const took = 20 * time.Millisecond
	cover := func(i int) []byte { return append(picture(i), make([]byte, extra)...) }
	b.plex.Set(func(o *simplex.Options) { o.WriteTime, o.WriteLatency = took, took/2 })
	var items []string
	for i := range films {
		scene, item := b.film(fmt.Sprintf("%d.mp4", i), simstash.Scene{Title: fmt.Sprintf("Film %d", i), Cover: cover(i)})
		b.event(scene)
		items = append(items, item)
	}
	var mu sync.Mutex
	held, most := 0, 0
	hold := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		held += n
		most = max(most, held)
	}
	b.stashNetwork = roundTrip(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/screenshot") {
			time.Sleep(took)
			hold(1)
		}
		return b.stash.Transport().RoundTrip(r)
	})
	b.plexNetwork = roundTrip(func(r *http.Request) (*http.Response, error) {
		res, err := b.plex.Transport().RoundTrip(r)
		if r.Method == http.MethodPost {
			hold(-1)
		}
		return res, err
	})
	b.drain()
	var first, last time.Time
	fields := map[string]bool{}
	for _, r := range b.plex.Requests() {
		switch r.Method {
		case http.MethodPut:
			fields[r.Query.Get("id")] = true
		case http.MethodPost:
			if id := strings.Split(r.Path, "/")[3]; !fields[id] {
				b.Errorf("the picture of item %s came before its fields", id)
			}
		default:
			continue
		}
		if first.IsZero() {
			first = r.At
		}
		last = r.At
	}
	writes := time.Duration(2*films-1) * took
	if writing := last.Sub(first); writing < writes-took || writing > writes+writes/8 {
		b.Errorf("%d writes of %v took %v", 2*films, took, writing)
	}
	if c := b.plex.Counts(); c.PeakWrites != 2 || c.Writes != films || c.Uploads != films {
		b.Errorf("counts %+v", c)
	}
	if most > atOnce {
		b.Errorf("%d pictures were held at once", most)
	}
	for i, item := range items {
		b.poster(item, cover(i), 1)
	}
}

// TestAPlexThatIsFastAgainGetsTwoEditsAgain: the pace follows the last ten edits or so.
func TestAPlexThatIsFastAgainGetsTwoEditsAgain(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.numbered(80)
		b.plex.Set(func(o *simplex.Options) { o.WriteLatency = 4 * time.Second })
		go func() {
			time.Sleep(40 * time.Second)
			b.plex.Set(func(o *simplex.Options) { o.WriteLatency = 50 * time.Millisecond })
			time.Sleep(2 * time.Second)
			b.plex.ResetCounts()
		}()
		b.drain()
		if c := b.plex.Counts(); c.PeakWrites != 2 || c.Writes < 20 {
			b.Errorf("%d writes at once, %d in all", c.PeakWrites, c.Writes)
		}
	})
}

// dead makes a dead letter of a scene, as a drain of then would have.
func (b *bench) dead(scene int64, class job.Class, text string, died time.Time) {
	b.Helper()
	must(b, b.db.Enqueue(b.Context(), died, job.PriorityEvent, job.Scene(scene)))
	jobs, err := b.db.Lease(b.Context(), died, 1, "of then")
	if err != nil || len(jobs) != 1 || jobs[0].Subject != job.Scene(scene) {
		b.Fatalf("leased %v, %v", jobs, err)
	}
	must(b, b.db.Finish(b.Context(), died, job.Ended{Job: jobs[0],
		Outcome: job.Outcome{Verdict: job.Dead, Class: class, Error: text}}))
}

// status is one telling of the DLQ's status in the log.
type status struct {
	at      time.Time
	worked  int      // jobs until then
	letters []string // the lines that name one
}

// statuses finds them: a line that begins with "DLQ", and those with a number after it.
func (b *bench) statuses() (all []status) {
	b.Helper()
	worked := 0
	for _, l := range b.log.lines() {
		switch {
		case strings.Contains(l.Text, "-> item"):
			worked++
		case strings.HasPrefix(l.Text, "DLQ #") && len(all) > 0:
			all[len(all)-1].letters = append(all[len(all)-1].letters, l.Text)
		case strings.HasPrefix(l.Text, "DLQ"):
			if l.Level != slog.LevelWarn {
				b.Errorf("the status is told at level %s", l.Level)
			}
			all = append(all, status{at: l.At, worked: worked})
		}
	}
	return all
}

// TestTheStatusOfTheDLQ: it is told at the start, after the clean-up; then every 10
// processed jobs, but at most every 10 s; with the five newest letters that need a
// person, the error cut to 80 characters.
func TestTheStatusOfTheDLQ(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		write time.Duration // that each job takes
		every int           // jobs between two statuses
	}{
		"a Plex that needs more than a second a job":  {1500 * time.Millisecond, 10},
		"a Plex that needs a tenth of a second a job": {100 * time.Millisecond, 100},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				began := time.Now()
				b.dead(901, job.ClassRejected, "too old", began.Add(-31*24*time.Hour))
				for i := range 7 {
					b.dead(902+int64(i), job.ClassBusy, fmt.Sprintf("letter %d: %s", i, strings.Repeat("é", 90)), began.Add(time.Duration(i-100)*time.Minute))
				}
				b.dead(910, job.ClassNotInPlex, "no letter for a person", began)
				var want []string // the newest five
				for i := 6; i >= 2; i-- {
					text := fmt.Sprintf("letter %d: ", i)
					want = append(want, fmt.Sprintf("DLQ #%d: scene %d - busy: %s%s", i+2, 902+i, text, strings.Repeat("é", 80-len(text))))
				}
				_, items := b.numbered(5 * c.every)
				b.plex.Set(func(o *simplex.Options) { o.WriteTime = c.write })
				b.opt.Writers = 1
				b.drain()
				b.haveTitles(items, 0)

				all := b.statuses()
				if len(all) < 5 {
					b.Fatalf("%d statuses\n%s", len(all), b.log)
				}
				for _, s := range all {
					if !slices.Equal(s.letters, want) {
						b.Errorf("the letters told are\n%s\nwant\n%s", strings.Join(s.letters, "\n"), strings.Join(want, "\n"))
					}
				}
				first := b.log.lines("DLQ")[0]
				purged := b.log.lines("Deleted 1 dead letter")
				if len(purged) != 1 || first.At.Before(purged[0].At) || first.At != began || all[0].worked != 0 {
					b.Errorf("the first status comes %v after the start and %d jobs\n%s", first.At.Sub(began), all[0].worked, b.log)
				}
				// The last one is the end's.
				for i, s := range all[1 : len(all)-1] {
					jobs, pause := s.worked-all[i].worked, s.at.Sub(all[i].at)
					if jobs < 10 || i > 0 && pause < 10*time.Second {
						b.Errorf("status %d comes after %d jobs and %v", i+1, jobs, pause)
					}
					// Outcomes are stored several at a time.
					if i > 0 && (jobs > c.every+5 || pause > time.Duration(c.every+5)*c.write) {
						b.Errorf("status %d comes only after %d jobs and %v", i+1, jobs, pause)
					}
				}
			})
		})
	}
}

// TestADLQThatIsAsBeforeIsToldInOneLine, in the next run and in another process, until it
// changes.
func TestADLQThatIsAsBeforeIsToldInOneLine(t *testing.T) {
	inBubble(t, func(b *bench) {
		lines := func() (all []string) {
			b.log.reset()
			b.drain()
			for _, l := range b.log.lines() {
				if strings.HasPrefix(l.Text, "DLQ") || strings.Contains(l.Text, "not in Plex") {
					all = append(all, fmt.Sprint(l.Level, " ", l.Text))
				}
			}
			return all
		}
		for i := range 2 {
			b.dead(901+int64(i), job.ClassRejected, "no", time.Now())
		}
		full := []string{"WARN DLQ: 2 need review", "WARN DLQ #2: scene 902 - rejected: no", "WARN DLQ #1: scene 901 - rejected: no"}
		if got := lines(); !slices.Equal(got, full) {
			b.Errorf("a DLQ that was never logged: %q", got)
		}
		for range 2 {
			b.film(fmt.Sprint(time.Now().UnixNano()), simstash.Scene{Title: "A"})
			if got := lines(); !slices.Equal(got, []string{"WARN DLQ: 2 need review, as before"}) {
				b.Errorf("as before: %q", got)
			}
		}
		b.dead(910, job.ClassNotInPlex, "no letter for a person", time.Now())
		if got, want := lines(), append(full, "INFO 1 scene is not in Plex"); !slices.Equal(got, want) {
			b.Errorf("with a scene that Plex lacks: %q", got)
		}
		if got := lines(); !slices.Equal(got, []string{"WARN DLQ: 2 need review, as before; 1 scene is not in Plex"}) {
			b.Errorf("as before, with it: %q", got)
		}
		// One that comes in the run is told at its end.
		scene, item := b.film("x.mp4", simstash.Scene{Title: "X"})
		b.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + item, Status: 400, Count: -1})
		b.event(scene)
		got := lines()
		if len(got) != 6 || got[0] != "WARN DLQ: 2 need review, as before; 1 scene is not in Plex" || got[1] != "WARN DLQ: 3 need review" {
			b.Errorf("with a new one: %q", got)
		}
		b.plex.ClearScript()
		_, err := b.db.Drop(b.Context(), job.Which{})
		must(b, err)
		if got := lines(); len(got) > 0 {
			b.Errorf("an empty one: %q", got)
		}
	})
}

// TestOnlyScenesAreCounted: a tag whose scenes are queued is no scene, and neither is the
// whole library.
func TestOnlyScenesAreCounted(t *testing.T) {
	inBubble(t, func(b *bench) {
		tag := b.stash.AddTag(simstash.Tag{Name: "Sea"})
		for i := range 3 {
			b.film(fmt.Sprintf("%d.mp4", i), simstash.Scene{Title: "A", TagIDs: []int64{tag}})
		}
		must(b, b.db.Enqueue(b.Context(), time.Now(), job.PriorityBulk, job.Library()))
		if run := b.drain(); run.Processed() != 3 || run.Done != 3 {
			b.Errorf("a whole library: %+v", run)
		}
		b.wantLog(slog.LevelInfo, "Processed 3 scenes in")
		must(b, b.db.Enqueue(b.Context(), time.Now(), job.PriorityEvent, job.Subject{Kind: job.KindTag, ID: tag}))
		// What changed a moment ago is looked at once more.
		if run := b.drain(); run.Processed() != run.Unchanged || run.Unchanged != 3 && run.Unchanged != 6 {
			b.Errorf("a tag: %+v", run)
		}
	})
}

func TestAnEmptyDLQIsNotToldOf(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.numbered(25)
		b.drain()
		b.noLog(slog.LevelDebug, "DLQ")
		b.noLog(slog.LevelDebug, "not in Plex")
	})
}

// TestLettersOfScenesThatPlexLacksNeedNobody: they are counted apart.
func TestLettersOfScenesThatPlexLacksNeedNobody(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.dead(910, job.ClassNotInPlex, "no letter for a person", time.Now())
		b.drain()
		b.noLog(slog.LevelWarn, "DLQ")
		b.wantLog(slog.LevelInfo, "1 scene is not in Plex")
	})
}

func TestTheSummaryTellsWhatTheRunDid(t *testing.T) {
	inBubble(t, func(b *bench) {
		done, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		same, _ := b.film("b.mp4", simstash.Scene{Title: "B"})
		gone := b.scene("c.mp4", simstash.Scene{Title: "C"})
		lacking := b.scene("d.mp4", simstash.Scene{Title: "D"})
		b.event(same)
		b.drain()
		b.mutate(`mutation($id: ID!){ sceneDestroy(input: {id: $id}) }`, map[string]any{"id": gone})
		bad, poison := b.film("e.mp4", simstash.Scene{Title: "E"})
		refused, no := b.film("f.mp4", simstash.Scene{Title: "F"})
		b.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + poison, Status: 500, Count: -1},
			simplex.Rule{Method: "PUT", Query: "id=" + no, Status: 400, Count: -1})
		b.event(done, same, lacking, bad, refused)
		b.log.reset()
		run := b.drain()
		want := job.Run{Token: run.Token, Started: run.Started, Ended: run.Ended, Done: 1, Unchanged: 1, Retry: 2, Dead: 1, Gone: 1, Writes: run.Writes}
		if run != want || run.Token == "" || run.Processed() != 6 {
			b.Errorf("run %+v, want %+v", run, want)
		}
		b.wantLog(slog.LevelInfo, "1 done, 1 unchanged, 2 retry, 0 waiting, 1 dead, 1 gone")
		stored, err := b.db.Runs(b.Context(), 1)
		must(b, err)
		stored[0].Started, stored[0].Ended = run.Started, run.Ended // of other precision
		if stored[0] != run {
			b.Errorf("stored %+v, want %+v", stored[0], run)
		}
		b.shows(item, map[string]string{"title": "A"})
	})
}

func TestADrainWithoutJobsAsksPlexNothing(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.film("a.mp4", simstash.Scene{Title: "A"})
		if run := b.drain(); run.Processed() != 0 || run.Writes != 0 {
			b.Errorf("run %+v", run)
		}
		b.askedNothing()
		b.wantLog(slog.LevelInfo, "Nothing to do")
	})
}

func TestAfterAHundredScenesTheLogGetsQuieter(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.numbered(120)
		b.drain()
		told := map[slog.Level]int{}
		for _, l := range b.log.lines("-> item") {
			told[l.Level]++
		}
		if told[slog.LevelInfo] != 100 || told[slog.LevelDebug] != 20 {
			b.Errorf("scenes told by level: %v", told)
		}
	})
}

func TestTheProgressGoesFromNothingToTheEnd(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.numbered(120)
		b.plex.Set(func(o *simplex.Options) { o.WriteTime = 100 * time.Millisecond })
		var told []float64
		b.deps = func(d *worker.Deps) { d.Progress = func(f float64) { told = append(told, f) } }
		b.drain()
		if len(told) < 10 || !slices.IsSorted(told) || told[0] > 0.2 || told[len(told)-1] != 1 {
			b.Errorf("progress %v", told)
		}
	})
}

// TestTwoDrainsNeverRunAtOnce: the second changes nothing and says so; Await and Unlock
// neither, which must not run beside a drain.
func TestTwoDrainsNeverRunAtOnce(t *testing.T) {
	inBubble(t, func(b *bench) {
		_, items := b.numbered(3)
		b.plex.Set(func(o *simplex.Options) { o.WriteLatency = 5 * time.Second })
		var lock sync.Mutex
		b.deps = func(d *worker.Deps) {
			d.Lock = func(context.Context) (func(), error) {
				if !lock.TryLock() {
					return nil, nil
				}
				return lock.Unlock, nil
			}
		}
		ended := make(chan struct{})
		go func() { defer close(ended); b.drain() }()
		time.Sleep(3 * time.Second)
		before := b.rows()
		if _, err := b.worker().Drain(b.Context()); !errors.Is(err, worker.ErrRunning) {
			b.Errorf("a second drain: %v", err)
		}
		if _, err := b.worker().Unlock(b.Context()); !errors.Is(err, worker.ErrRunning) {
			b.Errorf("unlock beside a drain: %v", err)
		}
		if err := b.worker().Await(b.Context()); !errors.Is(err, worker.ErrRunning) {
			b.Errorf("await beside a drain: %v", err)
		}
		if changed := b.changedTables(before); len(changed) > 0 {
			b.Errorf("changed are the tables %v", changed)
		}
		<-ended
		b.haveTitles(items, 0)
		if !lock.TryLock() {
			b.Error("the lock is not free at the end")
		}
	})
}

func TestALockThatFailsEndsTheDrainBeforeItBegins(t *testing.T) {
	inBubble(t, func(b *bench) {
		broken := errors.New("no locks on this share")
		b.deps = func(d *worker.Deps) { d.Lock = func(context.Context) (func(), error) { return nil, broken } }
		b.event(1)
		before := b.rows()
		if _, err := b.worker().Drain(b.Context()); !errors.Is(err, broken) {
			b.Errorf("error %v", err)
		}
		if changed := b.changedTables(before); len(changed) > 0 {
			b.Errorf("changed are the tables %v", changed)
		}
	})
}

// TestAnEventDuringTheDrainIsNotLost: the write of the first title is under way when the
// second comes.
func TestAnEventDuringTheDrainIsNotLost(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.plex.Set(func(o *simplex.Options) { o.WriteLatency = 2 * time.Second })
		b.edit(scene, map[string]any{"title": "First"})
		go func() {
			time.Sleep(2 * time.Second)
			b.stash.EditScene(scene, map[string]any{"title": "Second"})
		}()
		if run := b.drain(); run.Processed() != 2 {
			b.Errorf("run %+v", run)
		}
		b.shows(item, map[string]string{"title": "Second"})
		b.nothingLeft()
		if titles := b.plex.WritesTo(item, "title"); len(titles) != 2 {
			b.Errorf("the titles written are %+v", titles)
		}
	})
}

// TestAFreshEditOvertakesABulk: what a person just did does not wait for "Sync all".
func TestAFreshEditOvertakesABulk(t *testing.T) {
	inBubble(t, func(b *bench) {
		var items []string
		for i := range 350 {
			_, item := b.film(fmt.Sprintf("%04d.mp4", i), simstash.Scene{Title: "?"})
			items = append(items, item)
		}
		fresh, item := b.film("fresh.mp4", simstash.Scene{Title: "Fresh"})
		b.plex.Set(func(o *simplex.Options) { o.WriteTime = 100 * time.Millisecond })
		go func() {
			time.Sleep(3 * time.Second)
			b.event(fresh)
		}()
		began := time.Now()
		b.syncAll()
		took := time.Since(began)
		if at := b.plex.WritesTo(item, "title")[0].At.Sub(began); at > took*3/4 {
			b.Errorf("the edit arrived after %v of %v", at, took)
		}
		b.shows(items[349], map[string]string{"title": "?"})
	})
}

// TestADrainThatIsStoppedGivesBackWhatItHasNotDone: it is told so by its context.
func TestADrainThatIsStoppedGivesBackWhatItHasNotDone(t *testing.T) {
	inBubble(t, func(b *bench) {
		_, items := b.numbered(30)
		b.plex.Set(func(o *simplex.Options) { o.WriteTime = time.Second })
		ctx, cancel := context.WithTimeout(b.Context(), 11*time.Second)
		defer cancel()
		run, err := b.worker().Drain(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || run.Done < 5 || run.Done > 12 {
			b.Errorf("run %+v, %v", run, err)
		}
		c := b.counts()
		if c.Leased != 0 || c.Queued != c.Due || c.Queued+run.Done != 30 {
			b.Errorf("%+v after %d are done", c, run.Done)
		}
		for _, j := range b.jobs() {
			if j.Attempt+j.Missing != 0 || j.LastError != "" {
				b.Errorf("the stop cost %+v", j)
			}
		}
		if br := b.breaker(); br.Failures != 0 {
			b.Errorf("the stop counts against Plex: %+v", br)
		}
		runs, err := b.db.Runs(b.Context(), 1)
		if err != nil || len(runs) != 1 || runs[0].Ended.IsZero() || runs[0].Note == "" {
			b.Errorf("runs %+v, %v", runs, err)
		}
		b.drain()
		b.haveTitles(items, 0)
	})
}

// TestLeasesOfAKilledDrainAreWorkedByTheNext at no cost.
func TestLeasesOfAKilledDrainAreWorkedByTheNext(t *testing.T) {
	inBubble(t, func(b *bench) {
		_, items := b.numbered(3)
		if jobs, err := b.db.Lease(b.Context(), time.Now(), 2, "killed"); err != nil || len(jobs) != 2 {
			b.Fatal(jobs, err)
		}
		b.drain()
		b.haveTitles(items, 0)
		b.nothingLeft()
		b.wantLog(slog.LevelInfo, "2 jobs were interrupted")
	})
}

// TestADatabaseThatFailsBlamesNoJob: the drain ends with the error, and what it wrote is
// found to be so by the next.
func TestADatabaseThatFailsBlamesNoJob(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"when outcomes are stored", "when jobs are leased", "when intents are stored", "when Plex fails", "when the index is read"} {
		t.Run(at, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				_, items := b.numbered(4)
				if at == "when Plex fails" {
					b.plex.Script(simplex.Rule{Method: "PUT", Count: -1, ResetBefore: true}, simplex.Rule{Path: "/identity", Nth: 2, Count: -1, ResetBefore: true})
				}
				b.queue = &failing{Store: bridge.Store(b.db), at: at}
				run, err := b.worker().Drain(b.Context())
				if !errors.Is(err, job.ErrStore) {
					b.Errorf("run %+v, %v\n%s", run, err, b.log)
				}
				b.queue = nil
				b.up()
				for _, j := range b.jobs() {
					if j.Attempt != 0 {
						b.Errorf("the database's failure cost %+v", j)
					}
				}
				time.Sleep(time.Hour)
				b.drainByPerson()
				b.haveTitles(items, 0)
				b.nothingLeft()
				for _, item := range items {
					if titles := b.plex.WritesTo(item, "title"); len(titles) > 1 {
						b.Errorf("the title was written %d times", len(titles))
					}
				}
			})
		})
	}
}

// failing is a database whose disk is full from a certain moment on.
type failing struct {
	worker.Store
	at    string
	mu    sync.Mutex
	broke bool
}

var errDisk = fmt.Errorf("%w: the disk is full", job.ErrStore)

func (f *failing) fails(at string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broke = f.broke || at == f.at
	if f.broke {
		return errDisk
	}
	return nil
}

func (f *failing) Finish(ctx context.Context, now time.Time, ended ...job.Ended) error {
	if err := f.fails("when outcomes are stored"); err != nil {
		return err
	}
	return f.Store.Finish(ctx, now, ended...)
}

func (f *failing) Lease(ctx context.Context, now time.Time, limit int, token string) ([]job.Job, error) {
	if err := f.fails("when jobs are leased"); err != nil {
		return nil, err
	}
	return f.Store.Lease(ctx, now, limit, token)
}

func (f *failing) Server(ctx context.Context, machine string) (worker.Known, error) {
	known, err := f.Store.Server(ctx, machine)
	return failingMemory{known, f}, err
}

// failingMemory is what such a database knows of a server.
type failingMemory struct {
	worker.Known
	*failing
}

func (f failingMemory) SavePushed(ctx context.Context, all ...job.Pushed) error {
	if err := f.fails("when intents are stored"); err != nil {
		return err
	}
	return f.Known.SavePushed(ctx, all...)
}

func (f *failing) UpdateBreaker(ctx context.Context, now time.Time, system job.System, change func(job.Breaker) job.Breaker) (job.Breaker, error) {
	if err := f.fails("when Plex fails"); err != nil {
		return job.Breaker{}, err
	}
	return f.Store.UpdateBreaker(ctx, now, system, change)
}

func (f failingMemory) Sections(ctx context.Context) ([]job.Section, error) {
	if err := f.fails("when the index is read"); err != nil {
		return nil, err
	}
	return f.Known.Sections(ctx)
}

// TestAPanicFailsOneJobOnly, or those that were in hand together, with the stack in the
// letter, and stops no other.
func TestAPanicFailsOneJobOnly(t *testing.T) {
	inBubble(t, func(b *bench) {
		scenes, items := b.numbered(3)
		b.opt.Policy.MaxRetries = 1
		b.plexNetwork = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut && r.URL.Query().Get("id") == items[1] {
				panic("a bug")
			}
			return b.plex.Transport().RoundTrip(r)
		})
		b.drain()
		b.shows(items[0], map[string]string{"title": "Film 0"})
		b.shows(items[2], map[string]string{"title": "Film 2"})
		if j := b.job(scenes[1]); j.LastClass != job.ClassInternal || j.Attempt != 1 {
			b.Errorf("job %+v", j)
		}
		time.Sleep(time.Minute)
		b.drain()
		letters := b.letters()
		if len(letters) != 1 || letters[0].Class != job.ClassInternal || !strings.Contains(letters[0].Error, "panic: a bug") || !strings.Contains(letters[0].Error, "goroutine") {
			b.Errorf("letters %+v", letters)
		}
		b.wantLog(slog.LevelError, "panic: a bug")
		for _, l := range b.log.lines("goroutine") {
			if !strings.HasPrefix(l.Text, "DLQ #") { // these are the first characters of what the letter holds
				b.Errorf("the stack is in the log: %s", l.Text)
			}
		}
		if br := b.breaker(); br.Failures != 0 {
			b.Errorf("a bug of ours counts against Plex: %+v", br)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAPersonDoesNotWaitForWhatWaits: a drain that a person starts works jobs that are
// due later.
func TestAPersonDoesNotWaitForWhatWaits(t *testing.T) {
	inBubble(t, func(b *bench) {
		scene, item := b.film("a.mp4", simstash.Scene{Title: "A"})
		b.event(scene)
		b.plex.Script(simplex.Rule{Method: "PUT", Status: 500, Count: 3})
		b.drain()
		if j := b.job(scene); j.Attempt != 1 {
			b.Fatalf("job %+v", j)
		}
		if run := b.drain(); run.Processed() != 0 {
			b.Errorf("run %+v", run)
		}
		b.drainByPerson()
		b.shows(item, map[string]string{"title": "A"})
		b.nothingLeft()
	})
}

// TestTheBenchHasItsOwnTime keeps the bench honest: nothing on it reads the real clock.
func TestTheBenchHasItsOwnTime(t *testing.T) {
	inBubble(t, func(b *bench) {
		began := time.Now() // of the bubble, years ago
		f := b.films()
		b.byHand(f.items[0], map[string]string{"title": "?"})
		for what, at := range map[string]time.Time{
			"pushed": b.pushed(f.scenes[0])[0].At, "Plex": time.Unix(b.item(f.items[0]).UpdatedAt, 0), "the log": b.log.lines()[0].At,
		} {
			if age := at.Sub(began); age < 0 || age > time.Minute {
				b.Errorf("%s has the time %v, the test began %v", what, at, began)
			}
		}
	})
}
