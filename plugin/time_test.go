package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexsync/plexsync/internal/bridge"
	"github.com/plexsync/plexsync/internal/host"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/waker"
	"github.com/plexsync/plexsync/internal/worker"
)

// bubble is the whole way in one process, for days that pass in milliseconds.
type bubble struct {
	*testing.T
	stash   *simstash.Server
	plex    *simplex.Server
	section string
	db      *store.Store
	queue   worker.Store // nil = db
}

func newBubble(t *testing.T) *bubble {
	t.Helper()
	b := &bubble{T: t, stash: simstash.New(simstash.Options{}), plex: simplex.New(simplex.Options{Token: token})}
	b.section = b.plex.AddSection(simplex.SectionSpec{Title: "Films"})
	var err error
	b.db, err = store.Open(context.Background(), t.TempDir(), time.Now())
	must(t, err)
	return b
}

// film makes a scene with its item and queues it.
func (b *bubble) film(name string) (scene int64, item string) {
	scene = b.stash.AddScene(simstash.Scene{Title: name, Files: []*simstash.File{{Path: "/media/" + name, Size: 5, Duration: 60}}})
	item = b.plex.AddItem(b.section, simplex.ItemSpec{Title: "?", Parts: []simplex.PartSpec{{File: "/media/" + name, Size: 5, Duration: time.Minute}}})
	must(b, b.db.Enqueue(context.Background(), time.Now(), job.PriorityEvent, job.Scene(scene)))
	return scene, item
}

func (b *bubble) client() *plex.Client {
	px, err := plex.New(plex.Options{URL: "http://plex.test:32400", Token: token, ClientID: "bubble", Transport: b.plex.Transport()})
	must(b, err)
	return px
}

// drain runs one drain, as a hook's.
func (b *bubble) drain() job.Run {
	b.Helper()
	run, err := b.worker().Drain(context.Background())
	must(b, err)
	return run
}

func (b *bubble) worker() *worker.Worker {
	b.Helper()
	st, err := stash.New(stash.Options{URL: "http://stash.test:9999", Transport: b.stash.Transport()})
	must(b, err)
	queue := b.queue
	if queue == nil {
		queue = bridge.Store(b.db)
	}
	return worker.New(worker.Deps{Store: queue, Stash: bridge.Stash(st, false), Plex: bridge.Plex(b.client()), Log: slog.New(host.NewHandler(io.Discard, nil))},
		worker.Options{Merge: merge.DefaultOptions(), Rules: match.Rules{}})
}

// wake lets a waker watch until nothing waits, at most for so long.
func (b *bubble) wake(long time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	if _, err := (&waker.Waker{World: bubbleWorld{b}}).Run(ctx); err != nil && ctx.Err() == nil {
		b.Fatal(err)
	}
}

// bubbleWorld is what a waker sees in a bubble. Asking Stash for the drain runs it.
type bubbleWorld struct{ *bubble }

func (w bubbleWorld) Look(ctx context.Context) (s waker.State, err error) {
	if s.Counts, err = w.db.Counts(ctx, time.Now()); err == nil {
		s.Breaker, err = w.db.Breaker(ctx, job.Plex)
	}
	if err == nil {
		err = awaits(ctx, w.db, &s)
	}
	if err == nil {
		s.Compare, err = nextCompare(ctx, w.db, 0)
	}
	return s, err
}

func (w bubbleWorld) Await(ctx context.Context) error { return w.worker().Await(ctx) }

func (w bubbleWorld) Settings(context.Context) (waker.Settings, error) {
	return waker.Settings{Enabled: true, Ready: true}, nil
}

func (w bubbleWorld) Unseen(context.Context) (changed, busy bool, err error) {
	return false, false, nil
}

func (w bubbleWorld) Probe(ctx context.Context) error {
	_, err := worker.Probe(ctx, w.db, bridge.Plex(w.client()), time.Now, false)
	return err
}

func (w bubbleWorld) Ask(_ context.Context, anew bool) (waker.Asked, error) {
	if !anew {
		return waker.Asked{}, nil
	}
	w.drain()
	return waker.Asked{Task: "1", New: true}, nil
}

func (w bubbleWorld) RunBeside(context.Context) error { w.drain(); return nil }
func (w bubbleWorld) Reaped() bool                    { return true }

// outages are the ways in which a Plex can be out.
var outages = map[string]func(*simplex.Server){
	"maintenance":             func(p *simplex.Server) { p.Set(func(o *simplex.Options) { o.Maintenance = true }) },
	"refused":                 func(p *simplex.Server) { p.Set(func(o *simplex.Options) { o.Down = true }) },
	"hangs":                   func(p *simplex.Server) { p.Script(simplex.Rule{Count: -1, Hang: true}) },
	"500":                     func(p *simplex.Server) { p.Script(simplex.Rule{Count: -1, Status: 500}) },
	"HTML":                    func(p *simplex.Server) { p.Script(simplex.Rule{Count: -1, Status: 200, Body: "<html>router</html>"}) },
	"half a body":             func(p *simplex.Server) { p.Script(simplex.Rule{Count: -1, Cut: true}) },
	"reset after the request": func(p *simplex.Server) { p.Script(simplex.Rule{Count: -1, ResetAfter: true}) },
}

// back ends an outage.
func back(p *simplex.Server) {
	p.ClearScript()
	p.Set(func(o *simplex.Options) { o.Down, o.Maintenance = false, false })
}

// TestAnOutageOfThreeDaysCostsNothing begins each outage in the middle of a drain:
// some scenes are written, of some Plex has the edit but nobody was told, and the
// rest waits.
func TestAnOutageOfThreeDaysCostsNothing(t *testing.T) {
	for name, begin := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t)
				defer b.db.Close()
				b.plex.Set(func(o *simplex.Options) { o.WriteTime = time.Second })
				var items []string
				for i := range 20 {
					_, item := b.film(fmt.Sprintf("%02d.mp4", i))
					items = append(items, item)
				}
				go func() {
					time.Sleep(8 * time.Second)
					begin(b.plex)
				}()
				began := time.Now()
				b.wake(72 * time.Hour)
				c := b.plex.Counts()
				if most := int(time.Since(began).Minutes()) + 40; c.ProbeIdentity > most || c.Total-c.ProbeIdentity > 80 {
					t.Errorf("%d probes in three days, want at most %d; %d other requests", c.ProbeIdentity, most, c.Total-c.ProbeIdentity)
				}
				jobs, err := b.db.Jobs(context.Background(), 100, 0)
				must(t, err)
				for _, j := range jobs {
					if j.Attempt+j.Missing != 0 {
						t.Errorf("%s: the outage cost %d attempts: %s", j.Subject, j.Attempt+j.Missing, j.LastError)
					}
				}
				if letters, err := b.db.Letters(context.Background(), job.Which{}, 1, 0); err != nil || len(letters) != 0 || len(jobs) < 10 {
					t.Errorf("%d jobs, letters %v, %v", len(jobs), letters, err)
				}
				back(b.plex)
				returned := time.Now()
				b.wake(time.Hour)
				for i, item := range items {
					if it, _ := b.plex.Item(item); it.Scalars["title"] != fmt.Sprintf("%02d.mp4", i) {
						t.Errorf("item %s is %q", item, it.Scalars["title"])
					}
				}
				if took := time.Since(returned); took > 2*time.Minute {
					t.Errorf("it took %v after Plex was back", took)
				}
			})
		})
	}
}

func TestAPoisonousItemIsTriedAtGrowingPausesAndStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.db.Close()
		bad, poison := b.film("poison.mp4")
		_, good := b.film("good.mp4")
		b.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + poison, Status: 500, Count: -1})
		began := time.Now()
		b.wake(24 * time.Hour)
		if it, _ := b.plex.Item(good); it.Scalars["title"] != "good.mp4" {
			t.Errorf("the other item is %q", it.Scalars["title"])
		}
		letters, err := b.db.Letters(context.Background(), job.Which{}, 10, 0)
		if err != nil || len(letters) != 1 || letters[0].Subject != job.Scene(bad) || letters[0].Class != job.ClassBusy || letters[0].Attempts != 6 {
			t.Fatalf("letters %+v, %v", letters, err)
		}
		// 5 + 10 + 20 + 40 + 80 s, each between half and whole.
		if took := letters[0].Died.Sub(began); took < 77*time.Second || took > 165*time.Second {
			t.Errorf("it died after %v", took)
		}
		if br, err := b.db.Breaker(context.Background(), job.Plex); err != nil || !br.Closed() {
			t.Errorf("an item's error opened the breaker: %+v, %v", br, err)
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
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.db.Close()
		for i := range 260 {
			b.film(fmt.Sprintf("%03d.mp4", i))
		}
		b.plex.Set(func(o *simplex.Options) { o.Down = true })
		b.drain()
		b.plex.Set(func(o *simplex.Options) { o.Down = false })
		time.Sleep(time.Minute)
		l := &leases{Store: bridge.Store(b.db)}
		b.queue = l
		b.drain()
		if want := []int{1, 2, 4, 8, 16, 32, 64, 100, 33, 0}; !slices.Equal(l.got, want) {
			t.Errorf("leased %v at once, want %v", l.got, want)
		}
	})
}

func TestASlowPlexGetsOneEditAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.db.Close()
		var items []string
		for i := range 40 {
			_, item := b.film(fmt.Sprintf("%02d.mp4", i))
			items = append(items, item)
		}
		b.plex.Set(func(o *simplex.Options) { o.WriteLatency = 5 * time.Second })
		go func() {
			time.Sleep(30 * time.Second)
			b.plex.ResetCounts()
		}()
		b.drain()
		if c := b.plex.Counts(); c.PeakWrites != 1 || c.Writes < 20 {
			t.Errorf("%d writes at once to a slow Plex, %d in all", c.PeakWrites, c.Writes)
		}
		for i, item := range items {
			if it, _ := b.plex.Item(item); it.Scalars["title"] != fmt.Sprintf("%02d.mp4", i) {
				t.Errorf("item %s is %q", item, it.Scalars["title"])
			}
		}
	})
}

// TestAThousandScenesThatPlexLacks: they wait without heating anything, and arrive
// when their files turn up, the last of them long after they became dead letters.
func TestAThousandScenesThatPlexLacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.db.Close()
		b.film("there.mp4")
		for i := range 1000 {
			scene := b.stash.AddScene(simstash.Scene{Title: fmt.Sprint(i), Files: []*simstash.File{{Path: fmt.Sprintf("/media/%04d.mp4", i), Size: 5, Duration: 60}}})
			must(b, b.db.Enqueue(context.Background(), time.Now(), job.PriorityEvent, job.Scene(scene)))
		}
		appear := func(from, to int) (items []string) {
			for i := from; i < to; i++ {
				items = append(items, b.plex.AddItem(b.section, simplex.ItemSpec{Title: "?", Parts: []simplex.PartSpec{{File: fmt.Sprintf("/media/%04d.mp4", i), Size: 5, Duration: time.Minute}}}))
			}
			return items
		}
		arrived := func(what string, items []string, from int) {
			t.Helper()
			for i, item := range items {
				if it, _ := b.plex.Item(item); it.Scalars["title"] != fmt.Sprint(from+i) {
					t.Fatalf("%s: item %s is %q", what, item, it.Scalars["title"])
				}
			}
		}
		b.wake(20 * time.Minute)
		// An hour has at most a drain a minute; each asks Plex three things, and now
		// and then for everything, which is one page here.
		if c := b.plex.Counts(); c.Total > 20*8 || c.Writes != 1 {
			t.Errorf("%d requests to Plex in 20 minutes, %d writes: %v", c.Total, c.Writes, c.ByRoute)
		}
		if c := b.stash.Counts(); c.Requests > 20*30 {
			t.Errorf("%d requests to Stash in 20 minutes", c.Requests)
		}
		early := appear(0, 400)
		b.wake(12 * time.Minute)
		arrived("soon", early, 0)
		b.wake(3 * time.Hour)
		counts, err := b.db.Counts(context.Background(), time.Now())
		if err != nil || counts.Queued != 0 || counts.NotInPlex != 600 || counts.Dead != 0 {
			t.Fatalf("after three hours: %+v, %v", counts, err)
		}
		if br, err := b.db.Breaker(context.Background(), job.Plex); err != nil || !br.Closed() || br.Failures != 0 {
			t.Errorf("breaker %+v, %v", br, err)
		}
		late := appear(400, 1000)
		b.plex.ResetCounts()
		b.wake(time.Hour)
		arrived("from the dead", late, 400)
		if c := b.plex.Counts(); c.Writes != 600 {
			t.Errorf("%d writes for 600 scenes", c.Writes)
		}
		if letters, err := b.db.Letters(context.Background(), job.Which{}, 10, 0); err != nil || len(letters) != 0 {
			t.Errorf("letters %+v, %v", letters, err)
		}
	})
}

func TestADrainWaitsUntilEventsHaveSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.db.Close()
		scene, _ := b.film("a.mp4")
		began := time.Now()
		go func() { // a person who edits on and on, every 400 ms for 20 s
			for range 50 {
				time.Sleep(400 * time.Millisecond)
				b.db.Enqueue(context.Background(), time.Now(), job.PriorityEvent, job.Scene(scene))
			}
		}()
		b.drain()
		if first := b.plex.Requests()[0].At.Sub(began); first < 9*time.Second || first > 11*time.Second {
			t.Errorf("the first request to Plex came after %v, want 10 s", first)
		}
		time.Sleep(time.Minute)
		b.drain()
		if c := b.plex.Counts(); c.Writes != 1 {
			t.Errorf("%d writes for 51 events", c.Writes)
		}
	})
}
