package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexsync/plexsync/internal/host"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
)

// bubble is the whole way in one process, for days that pass in milliseconds.
type bubble struct {
	*testing.T
	stash   *simstash.Server
	plex    *simplex.Server
	section string
	db      *store.Store
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

// drain runs one drain, as a hook's.
func (b *bubble) drain() job.Run {
	b.Helper()
	px, err := plex.New(plex.Options{URL: "http://plex.test:32400", Token: token, ClientID: "bubble", Transport: b.plex.Transport()})
	must(b, err)
	st, err := stash.New(stash.Options{URL: "http://stash.test:9999", Transport: b.stash.Transport()})
	must(b, err)
	w := worker.New(worker.Deps{Queue: b.db, Stash: stashSide{st, false}, Plex: plexSide{px}, Log: slog.New(host.NewHandler(io.Discard, nil))},
		worker.Options{Merge: merge.DefaultOptions(), Rules: match.Rules{}})
	run, err := w.Drain(context.Background())
	must(b, err)
	return run
}

// wake drains whenever a job is due or the breaker may be probed, for so long.
func (b *bubble) wake(long time.Duration) {
	b.Helper()
	for end := time.Now().Add(long); time.Now().Before(end); {
		b.drain()
		c, err := b.db.Counts(context.Background(), time.Now())
		must(b, err)
		if c.Queued == 0 {
			return
		}
		next := c.NextDue
		if br, err := b.db.Breaker(context.Background(), job.Plex); err == nil && br.State == job.BreakerOpen {
			next = br.NextProbe
		}
		time.Sleep(max(time.Until(next), time.Millisecond))
	}
}

func TestAnOutageOfThreeDaysCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		defer b.db.Close()
		b.plex.Set(func(o *simplex.Options) { o.Maintenance = true })
		var items []string
		for i := range 20 {
			_, item := b.film(fmt.Sprintf("%02d.mp4", i))
			items = append(items, item)
		}
		began := time.Now()
		b.wake(72 * time.Hour)
		c := b.plex.Counts()
		if most := int(time.Since(began).Minutes()) + 30; c.ProbeIdentity > most || c.Total-c.ProbeIdentity > 10 {
			t.Errorf("%d probes in three days, want at most %d; %d other requests", c.ProbeIdentity, most, c.Total-c.ProbeIdentity)
		}
		jobs, err := b.db.Jobs(context.Background(), 100, 0)
		must(t, err)
		for _, j := range jobs {
			if j.Attempt+j.Missing != 0 {
				t.Errorf("%s: the outage cost %d attempts", j.Subject, j.Attempt+j.Missing)
			}
		}
		if letters, err := b.db.Letters(context.Background(), job.Which{}, 1, 0); err != nil || len(letters) != 0 || len(jobs) != 20 {
			t.Errorf("%d jobs, letters %v, %v", len(jobs), letters, err)
		}
		b.plex.Set(func(o *simplex.Options) { o.Maintenance = false })
		back := time.Now()
		b.wake(time.Hour)
		for i, item := range items {
			if it, _ := b.plex.Item(item); it.Scalars["title"] != fmt.Sprintf("%02d.mp4", i) {
				t.Errorf("item %s is %q", item, it.Scalars["title"])
			}
		}
		if took := time.Since(back); took > 2*time.Minute {
			t.Errorf("it took %v after Plex was back", took)
		}
	})
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
