package store

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/plexsync/plexsync/internal/job"
)

// row is the model of one live job.
type row struct {
	generation       int64
	attempt, missing int
	due              int64
	priority         job.Priority
	token            string
}

// model is what the queue should hold, kept with the simplest means.
type model struct {
	jobs    map[job.Subject]row
	letters map[job.Subject]job.Class
	spool   map[job.Subject]bool
}

// killedAt is what a taker panics with in place of being killed.
type killedAt string

// TestQueueBehavesAsItsModel drives the queue with random events, leases, ends of
// attempts, kills, revivals and clock jumps, and compares it with the model after
// every step. The database may refuse an event, which then goes to the spool, and who
// takes it in may be killed: an event is in the queue, in the spool, or was refused
// with an error, and never nowhere.
func TestQueueBehavesAsItsModel(t *testing.T) {
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "plexsync")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		s, err := Open(ctx, dir, now)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		m := model{jobs: map[job.Subject]row{}, letters: map[job.Subject]job.Class{}, spool: map[job.Subject]bool{}}
		var leased []job.Job // what workers hold, perhaps no longer rightly
		n := 0
		token := func() string { n++; return fmt.Sprint("token-", n) }
		subject := rapid.Custom(func(t *rapid.T) job.Subject {
			return job.Subject{Kind: rapid.SampledFrom([]job.Kind{job.KindScene, job.KindTag}).Draw(t, "kind"),
				ID: rapid.Int64Range(1, 4).Draw(t, "id")}
		})
		fail := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		event := func(sub job.Subject, p job.Priority) {
			r, live := m.jobs[sub]
			if live {
				r.generation++
				r.priority = min(r.priority, p)
			} else {
				r = row{generation: 1, priority: p}
			}
			r.due = ms(now)
			m.jobs[sub] = r
		}
		t.Repeat(map[string]func(*rapid.T){
			"event": func(t *rapid.T) {
				sub := subject.Draw(t, "subject")
				_, err := s.Event(ctx, now, sub, token(), "", func() bool { return false })
				fail(err)
				event(sub, job.PriorityEvent)
			},
			"an event that the database refuses": func(t *rapid.T) {
				sub := subject.Draw(t, "subject")
				first, err := Spool(dir, sub)
				fail(err)
				if want := len(m.spool) == 0; first != want {
					t.Fatalf("%v is the first in the spool: %v, want %v", sub, first, want)
				}
				m.spool[sub] = true
			},
			"an event that nothing takes": func(t *rapid.T) {
				spool := filepath.Join(dir, SpoolDir)
				fail(os.Rename(spool, spool+"-away"))
				fail(os.WriteFile(spool, nil, 0o600)) // no folder
				if _, err := Spool(dir, subject.Draw(t, "subject")); err == nil {
					t.Fatal("an event that is nowhere was not refused")
				}
				fail(os.Remove(spool))
				fail(os.Rename(spool+"-away", spool))
			},
			"take the spool": func(t *rapid.T) {
				n, err := s.TakeSpool(ctx, now)
				fail(err)
				if n < len(m.spool) { // more, if some were taken in part
					t.Fatalf("took %d of %d events", n, len(m.spool))
				}
				for sub := range m.spool {
					event(sub, job.PriorityEvent)
				}
				m.spool = map[job.Subject]bool{}
			},
			"kill who takes the spool": func(t *rapid.T) {
				if len(m.spool) == 0 {
					t.Skip("the spool is empty")
				}
				point := rapid.SampledFrom([]string{"spool: claimed", "spool: queued", "spool: removed"}).Draw(t, "point")
				killed := false
				func() {
					defer func() {
						p := recover()
						if killed = p == killedAt(point); p != nil && !killed {
							panic(p)
						}
					}()
					s.points = func(at string) {
						if at == point {
							panic(killedAt(at))
						}
					}
					s.TakeSpool(ctx, now)
				}()
				s.points = nil
				if !killed && point != "spool: claimed" { // all may have been claimed before
					t.Fatalf("it was not killed at %q", point)
				}
				if point != "spool: claimed" || !killed {
					for sub := range m.spool {
						event(sub, job.PriorityEvent)
					}
				}
				if left := spooled(t, dir); point == "spool: removed" {
					m.spool = left // one file less; whichever it was, its event is queued
				} else if !killed {
					m.spool = map[job.Subject]bool{}
				}
			},
			"queue in bulk": func(t *rapid.T) {
				subs := rapid.SliceOfN(subject, 1, 5).Draw(t, "subjects")
				fail(s.Enqueue(ctx, now, job.PriorityBulk, subs...))
				for _, sub := range subs {
					event(sub, job.PriorityBulk)
				}
			},
			"lease": func(t *rapid.T) {
				limit := rapid.IntRange(1, 4).Draw(t, "limit")
				tok := token()
				var due []job.Subject
				for sub, r := range m.jobs {
					if r.token == "" && (r.due <= ms(now) || r.due > ms(now.Add(maxAhead))) {
						due = append(due, sub)
					}
				}
				got, err := s.Lease(ctx, now, limit, tok)
				fail(err)
				if want := min(limit, len(due)); len(got) != want {
					t.Fatalf("leased %d of %d due jobs, want %d", len(got), len(due), want)
				}
				for i, j := range got {
					r, ok := m.jobs[j.Subject]
					if !ok || !slices.Contains(due, j.Subject) {
						t.Fatalf("leased %v, which is not due", j.Subject)
					}
					if j.Generation != r.generation || j.Attempt != r.attempt || j.Missing != r.missing || j.Token != tok {
						t.Fatalf("leased %+v, the model has %+v", j, r)
					}
					if i > 0 && (got[i-1].Priority > j.Priority || got[i-1].Priority == j.Priority && got[i-1].DueAt.After(j.DueAt)) {
						t.Fatalf("leased out of order: %+v before %+v", got[i-1], j)
					}
					r.token = tok
					m.jobs[j.Subject] = r
				}
				leased = append(leased, got...)
			},
			"finish": func(t *rapid.T) {
				if len(leased) == 0 {
					t.Skip("nobody holds a lease")
				}
				i := rapid.IntRange(0, len(leased)-1).Draw(t, "which")
				j := leased[i]
				if rapid.Bool().Draw(t, "forgets it") { // else it may be finished once more, by mistake
					leased = slices.Delete(leased, i, i+1)
				}
				o := job.Outcome{
					Verdict: rapid.SampledFrom([]job.Verdict{job.Done, job.Unchanged, job.Retry, job.Wait, job.Dead, job.Gone, job.GivenBack}).Draw(t, "verdict"),
					Missing: rapid.Bool().Draw(t, "missing"),
					Class:   rapid.SampledFrom([]job.Class{job.ClassBusy, job.ClassNotInPlex, job.ClassRejected}).Draw(t, "class"),
					Error:   "it failed",
					At:      now.Add(time.Duration(rapid.IntRange(1, 600).Draw(t, "delay")) * time.Second),
				}
				fail(s.Finish(ctx, now, job.Ended{Job: j, Outcome: o}))
				r, live := m.jobs[j.Subject]
				if !live || r.token != j.Token {
					return // a late worker changes nothing
				}
				moved := r.generation != j.Generation
				r.token = ""
				if o.Verdict == job.Retry && o.Missing {
					r.missing++
				} else if o.Verdict == job.Retry {
					r.attempt++
				}
				if !moved && (o.Verdict == job.Retry || o.Verdict == job.Wait) {
					r.due = ms(o.At)
				}
				m.jobs[j.Subject] = r
				switch o.Verdict {
				case job.Done, job.Unchanged, job.Gone:
					delete(m.letters, j.Subject)
				case job.Dead:
					if !moved {
						m.letters[j.Subject] = o.Class
					}
				}
				if !moved && slices.Contains([]job.Verdict{job.Done, job.Unchanged, job.Gone, job.Dead}, o.Verdict) {
					delete(m.jobs, j.Subject)
				}
			},
			"kill the drain": func(t *rapid.T) {
				_, err := s.BeginDrain(ctx, now, token(), 200*365*24*time.Hour)
				fail(err)
				for sub, r := range m.jobs {
					r.token = ""
					m.jobs[sub] = r
				}
			},
			"revive": func(t *rapid.T) {
				class := rapid.SampledFrom([]job.Class{"", job.ClassBusy, job.ClassNotInPlex}).Draw(t, "class")
				got, err := s.Revive(ctx, now, job.Which{Class: class})
				fail(err)
				want := 0
				for sub, c := range m.letters {
					if class == "" || c == class {
						want++
						event(sub, job.PriorityEvent)
					}
				}
				if got != want {
					t.Fatalf("revived %d letters, want %d", got, want)
				}
			},
			"reopen": func(t *rapid.T) {
				fail(s.Close())
				var err error
				s, err = Open(ctx, dir, now)
				fail(err)
			},
			"time passes": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "seconds")) * time.Second)
			},
			"the clock jumps": func(t *rapid.T) {
				now = now.AddDate(rapid.IntRange(-3, 3).Draw(t, "years"), 0, 0)
			},
			"": func(t *rapid.T) {
				jobs, err := s.Jobs(ctx, 1000, 0)
				fail(err)
				got := map[job.Subject]row{}
				for _, j := range jobs {
					if _, twice := got[j.Subject]; twice {
						t.Fatalf("two live jobs for %v", j.Subject)
					}
					got[j.Subject] = row{j.Generation, j.Attempt, j.Missing, ms(j.DueAt), j.Priority, j.Token}
				}
				if !maps.Equal(got, m.jobs) {
					t.Fatalf("queue:\n%v\nmodel:\n%v", got, m.jobs)
				}
				letters, err := s.Letters(ctx, job.Which{}, 1000, 0)
				fail(err)
				dead := map[job.Subject]job.Class{}
				for _, l := range letters {
					dead[l.Subject] = l.Class
				}
				if len(letters) != len(dead) || !maps.Equal(dead, m.letters) {
					t.Fatalf("letters:\n%v\nmodel:\n%v", letters, m.letters)
				}
				if got := spooled(t, dir); !maps.Equal(got, m.spool) {
					t.Fatalf("spool:\n%v\nmodel:\n%v", got, m.spool)
				}
			},
		})
	})
}
