package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/bridge"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/waker"
	"github.com/plexsync/plexsync/internal/worker"
)

// Days with a waker, which asks for the drains.

// wake lets a waker watch until nothing waits, at most for so long.
func (b *bench) wake(long time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), long)
	defer cancel()
	if _, err := (&waker.Waker{World: wakerWorld{b}}).Run(ctx); err != nil && ctx.Err() == nil {
		b.Fatal(err)
	}
}

// wakerWorld is what a waker sees on a bench. Asking Stash for the drain runs it.
type wakerWorld struct{ *bench }

func (w wakerWorld) Look(ctx context.Context) (s waker.State, err error) {
	if s.Counts, err = w.db.Counts(ctx, time.Now()); err != nil {
		return s, err
	}
	if s.Breaker, err = w.db.Breaker(ctx, job.Plex); err != nil {
		return s, err
	}
	if s.Missing, err = w.db.AnyMissing(ctx); err != nil {
		return s, err
	}
	sections, err := w.known().Sections(ctx)
	for _, x := range sections {
		if s.Looked.IsZero() || x.Since.Before(s.Looked) {
			s.Looked = x.Since
		}
	}
	if err != nil {
		return s, err
	}
	ended, wanted, err := worker.LastCompare(ctx, w.db)
	s.Compare = wanted.Asked
	if every := w.opt.CompareEvery; s.Compare.IsZero() && every > 0 && !ended.Ended.IsZero() {
		s.Compare = ended.Ended.Add(every)
	}
	return s, err
}

// Here drains end before anybody could look after them.
func (w wakerWorld) Task(context.Context) (string, error)          { return "", nil }
func (w wakerWorld) Stopped(context.Context, string) (bool, error) { return false, nil }

func (w wakerWorld) Await(ctx context.Context) error { return w.worker().Await(ctx) }

func (w wakerWorld) Settings(context.Context) (waker.Settings, error) {
	return waker.Settings{Enabled: true, Ready: true}, nil
}

func (w wakerWorld) Unseen(context.Context) (changed, busy bool, err error) {
	return false, false, nil
}

func (w wakerWorld) Probe(ctx context.Context) error {
	_, err := worker.Probe(ctx, w.db, bridge.Plex(w.client()), time.Now, false)
	return err
}

func (w wakerWorld) Ask(_ context.Context, anew bool) (waker.Asked, error) {
	if !anew {
		return waker.Asked{}, nil
	}
	w.drain()
	return waker.Asked{Task: "1", New: true}, nil
}

func (w wakerWorld) RunBeside(context.Context) error { w.drain(); return nil }
func (w wakerWorld) Reaped() bool                    { return true }

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

// down and up begin and end an outage.
func (b *bench) down() { b.plex.Set(func(o *simplex.Options) { o.Down = true }) }

func (b *bench) up() {
	b.plex.ClearScript()
	b.plex.Set(func(o *simplex.Options) { o.Down, o.Maintenance = false, false })
}

// numbered makes n films with a title of their number, and queues them.
func (b *bench) numbered(n int) (scenes []int64, items []string) {
	b.Helper()
	for i := range n {
		scene, item := b.film(fmt.Sprintf("%04d.mp4", i), simstash.Scene{Title: fmt.Sprintf("Film %d", i)})
		scenes, items = append(scenes, scene), append(items, item)
	}
	b.event(scenes...)
	return scenes, items
}

// haveTitles fails unless the items show the titles of their numbers.
func (b *bench) haveTitles(items []string, from int) {
	b.Helper()
	for i, item := range items {
		if got, want := b.item(item).Scalars["title"], fmt.Sprintf("Film %d", from+i); got != want {
			b.Errorf("item %s is %q, want %q", item, got, want)
		}
	}
}

// TestAnOutageOfThreeDaysCostsNothing begins each outage in the middle of a drain:
// some scenes are written, of some Plex has the edit but nobody was told, and the
// rest waits. With -short it lasts for three hours.
func TestAnOutageOfThreeDaysCostsNothing(t *testing.T) {
	t.Parallel()
	long := 72 * time.Hour
	if testing.Short() {
		long = 3 * time.Hour
	}
	for name, begin := range outages {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.opt.Poster = false
				b.plex.Set(func(o *simplex.Options) { o.WriteTime = time.Second })
				_, items := b.numbered(20)
				go func() {
					time.Sleep(8 * time.Second)
					begin(b.plex)
				}()
				began := time.Now()
				b.wake(long)
				c := b.plex.Counts()
				if most := int(time.Since(began).Minutes()) + 40; c.ProbeIdentity > most || c.Total-c.ProbeIdentity > 80 {
					b.Errorf("%d probes in %v, want at most %d; %d other requests", c.ProbeIdentity, long, most, c.Total-c.ProbeIdentity)
				}
				jobs := b.jobs()
				for _, j := range jobs {
					if j.Attempt+j.Missing != 0 {
						b.Errorf("%s: the outage cost %d attempts: %s", j.Subject, j.Attempt+j.Missing, j.LastError)
					}
				}
				if letters := b.letters(); len(letters) != 0 || len(jobs) < 10 {
					b.Errorf("%d jobs, letters %v", len(jobs), letters)
				}
				b.up()
				returned := time.Now()
				b.wake(time.Hour)
				b.haveTitles(items, 0)
				if took := time.Since(returned); took > 2*time.Minute {
					b.Errorf("it took %v after Plex was back", took)
				}
				b.nothingLeft()
			})
		})
	}
}

func TestAPoisonousItemIsTriedAtGrowingPausesAndStopsNobody(t *testing.T) {
	inBubble(t, func(b *bench) {
		bad, poison := b.film("poison.mp4", simstash.Scene{Title: "Poison"})
		other, good := b.film("good.mp4", simstash.Scene{Title: "Good"})
		b.event(bad, other)
		b.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + poison, Status: 500, Count: -1})
		began := time.Now()
		b.wake(24 * time.Hour)
		b.shows(good, map[string]string{"title": "Good"})
		letters := b.letters()
		if len(letters) != 1 || letters[0].Subject != job.Scene(bad) || letters[0].Class != job.ClassBusy || letters[0].Attempts != 6 {
			b.Fatalf("letters %+v", letters)
		}
		// 5 + 10 + 20 + 40 + 80 s, each between half and whole, and the waker's own pauses.
		if took := letters[0].Died.Sub(began); took < 77*time.Second || took > 4*time.Minute {
			b.Errorf("it died after %v", took)
		}
		if br := b.breaker(); !br.Closed() {
			b.Errorf("an item's error opened the breaker: %+v", br)
		}
	})
}

// TestAThousandScenesThatPlexLacks: they wait without heating anything, and arrive
// when their files turn up, the last of them long after they became dead letters. With
// -short they are a hundred.
func TestAThousandScenesThatPlexLacks(t *testing.T) {
	inBubble(t, func(b *bench) {
		n := 1000
		if testing.Short() {
			n = 100
		}
		early, late := n*4/10, n*6/10
		b.opt.Poster = false
		there, _ := b.film("there.mp4", simstash.Scene{Title: "There"})
		b.event(there)
		for i := range n {
			b.event(b.scene(fmt.Sprintf("%04d.mp4", i), simstash.Scene{Title: fmt.Sprintf("Film %d", i)}))
		}
		appear := func(from, to int) (items []string) {
			for i := from; i < to; i++ {
				items = append(items, b.file(fmt.Sprintf("%04d.mp4", i)))
			}
			return items
		}
		b.wake(20 * time.Minute)
		// An hour has at most a drain a minute; each asks Plex three things, and now
		// and then for everything, which is one page here.
		if c := b.plex.Counts(); c.Total > 20*8 || c.Writes != 1 {
			b.Errorf("%d requests to Plex in 20 minutes, %d writes: %v", c.Total, c.Writes, c.ByRoute)
		}
		if c := b.stash.Counts(); c.Requests > 20*30 {
			b.Errorf("%d requests to Stash in 20 minutes", c.Requests)
		}
		soon := appear(0, early)
		b.wake(12 * time.Minute)
		b.haveTitles(soon, 0)
		b.wake(3 * time.Hour)
		if c := b.counts(); c.Queued != 0 || c.NotInPlex != late || c.Dead != 0 {
			b.Fatalf("after three hours: %+v", c)
		}
		if br := b.breaker(); !br.Closed() || br.Failures != 0 {
			b.Errorf("breaker %+v", br)
		}
		dead := appear(early, n)
		b.plex.ResetCounts()
		b.wake(time.Hour)
		b.haveTitles(dead, early)
		if c := b.plex.Counts(); c.Writes != late {
			b.Errorf("%d writes for %d scenes", c.Writes, late)
		}
		b.nothingLeft()
	})
}

// TestTheLibraryIsComparedOnceADay by the waker, where nothing else happens.
func TestTheLibraryIsComparedOnceADay(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.opt.CompareEvery = 24 * time.Hour
		f := b.films()
		first := b.compared()
		if first.Ended.IsZero() || !first.Began.IsZero() {
			b.Fatalf("the first drain notes when the time begins, and compares nothing: %+v", first)
		}
		time.Sleep(time.Hour)
		b.byHand(f.items[0], map[string]string{"title": "An agent's"})
		b.wake(22 * time.Hour)
		b.shows(f.items[0], map[string]string{"title": "An agent's"})
		time.Sleep(time.Until(first.Ended.Add(24 * time.Hour)))
		b.wake(time.Hour)
		b.shows(f.items[0], map[string]string{"title": "Film 0"})
		if c := b.compared(); c.Found.ChangedInPlex != 1 || c.Full {
			b.Errorf("compared %+v", c)
		}
	})
}
