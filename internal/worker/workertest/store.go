// Package workertest holds what each implementation of package worker's store must do, as
// tests that any of them can run. It is never part of the shipped binary.
package workertest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/worker"
)

// Store runs the tests of [worker.Store] and of all that it is made of. open returns an
// empty store, which the test that it is given to may use until its end.
func Store(t *testing.T, open func(t *testing.T) worker.Store) {
	for name, test := range map[string]func(*store){
		"events of a subject fold into one job":              (*store).eventsFold,
		"jobs are leased by priority, then by due time":      (*store).leaseOrder,
		"a lease is exclusive until it is given back":        (*store).leaseIsExclusive,
		"a clock that was set back parks no job":             (*store).clockSetBack,
		"each verdict has its end":                           (*store).verdicts,
		"an event during the attempt keeps the job":          (*store).eventDuringAttempt,
		"a late worker ends nothing":                         (*store).lateWorker,
		"what an attempt leaves behind":                      (*store).leftBehind,
		"a drain gives orphans back and purges letters":      (*store).beginDrain,
		"a drain does not end while there is something due":  (*store).endDrain,
		"only events count for the quiet before a drain":     (*store).lastEvent,
		"waiting jobs are woken, all or by class":            (*store).wake,
		"dead letters are revived and go when the job ends":  (*store).revive,
		"what turns up comes back":                           (*store).turnedUp,
		"letters come newest first":                          (*store).letters,
		"scenes are listed by ranges of ids":                 (*store).ranges,
		"the memory of items is found by key, path or scene": (*store).memory,
		"what was read back yields to what is written":       (*store).readBack,
		"the index follows the scans":                        (*store).index,
		"an overtaken scan changes nothing":                  (*store).overtakenScan,
		"each server is known by itself":                     (*store).servers,
		"changes of a breaker follow each other":             (*store).breakers,
		"notes are kept by name":                             (*store).notes,
	} {
		t.Run(name, func(t *testing.T) {
			test(&store{T: t, Store: open(t), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)})
		})
	}
}

// store is one under test, at a time of its own.
type store struct {
	*testing.T
	worker.Store
	now   time.Time
	token int
}

func (s *store) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *store) passes(d time.Duration) { s.now = s.now.Add(d) }

// event queues scenes as events do.
func (s *store) event(scenes ...int64) {
	s.Helper()
	for _, id := range scenes {
		s.must(s.Enqueue(s.Context(), s.now, job.PriorityEvent, job.Scene(id)))
	}
}

// lease leases under a token of its own.
func (s *store) lease(limit int) []job.Job {
	s.Helper()
	s.token++
	jobs, err := s.Lease(s.Context(), s.now, limit, fmt.Sprintf("token %d", s.token))
	s.must(err)
	return jobs
}

// one leases the only due job.
func (s *store) one() job.Job {
	s.Helper()
	jobs := s.lease(10)
	if len(jobs) != 1 {
		s.Fatalf("leased %+v, want one job", jobs)
	}
	return jobs[0]
}

func (s *store) finish(ended ...job.Ended) {
	s.Helper()
	s.must(s.Finish(s.Context(), s.now, ended...))
}

// job is a scene's live job.
func (s *store) job(scene int64) (job.Job, bool) {
	s.Helper()
	j, ok, err := s.Job(s.Context(), job.Scene(scene))
	s.must(err)
	return j, ok
}

func (s *store) counts() job.Counts {
	s.Helper()
	c, err := s.Counts(s.Context(), s.now)
	s.must(err)
	return c
}

// server is what is known of the Plex server that is synced.
func (s *store) server(machine string) worker.Known {
	s.Helper()
	_, err := s.UseServer(s.Context(), machine)
	s.must(err)
	known, err := s.Server(s.Context(), machine)
	s.must(err)
	return known
}

// subjects names jobs, in their order.
func subjects(jobs []job.Job) string {
	var all []string
	for _, j := range jobs {
		all = append(all, j.Subject.String())
	}
	return fmt.Sprint(all)
}

// same compares values as a test of theirs would print them.
func (s *store) same(what string, got, want any) {
	s.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		s.Errorf("%s:\n%s, want\n%s", what, g, w)
	}
}

// Jobs.

func (s *store) eventsFold() {
	began := s.now
	s.must(s.Enqueue(s.Context(), s.now, job.PriorityBulk, job.Scene(1), job.Scene(2), job.Scene(1)))
	s.passes(time.Minute)
	s.event(1)
	j, ok := s.job(1)
	if !ok || s.counts().Queued != 2 {
		s.Fatalf("job %+v, %v; %+v", j, ok, s.counts())
	}
	if j.Priority != job.PriorityEvent || !j.DueAt.Equal(s.now) || !j.FirstEvent.Equal(began) || !j.LastEvent.Equal(s.now) || j.Attempt+j.Missing != 0 || j.Token != "" {
		s.Errorf("job %+v", j)
	}
	s.must(s.Enqueue(s.Context(), s.now, job.PriorityBulk, job.Scene(1)))
	if again, _ := s.job(1); again.Priority != job.PriorityEvent || again.Generation <= j.Generation {
		s.Errorf("job %+v, then %+v: a bulk lowers no priority, and each event raises the generation", j, again)
	}
	if _, ok := s.job(3); ok {
		s.Error("scene 3 has a job")
	}
	s.must(s.Enqueue(s.Context(), s.now, job.PriorityBulk)) // nothing
}

func (s *store) leaseOrder() {
	s.must(s.Enqueue(s.Context(), s.now, job.PriorityBulk, job.Scene(1)))
	s.passes(time.Second)
	s.event(4)
	s.passes(time.Second)
	s.event(3, 2)
	s.must(s.Enqueue(s.Context(), s.now, job.PriorityBulk, job.Library()))
	s.must(s.Enqueue(s.Context(), s.now.Add(time.Minute), job.PriorityEvent, job.Scene(9))) // later
	s.same("the first two", subjects(s.lease(2)), "[scene 4 scene 3]")
	s.same("the rest", subjects(s.lease(10)), "[scene 2 scene 1 library]")
	s.same("and then", subjects(s.lease(10)), "[]")
	s.passes(time.Minute)
	s.same("a minute later", subjects(s.lease(10)), "[scene 9]")
}

func (s *store) leaseIsExclusive() {
	s.event(1, 2, 3)
	first := s.lease(2)
	if c := s.counts(); len(first) != 2 || c.Leased != 2 || c.Due != 1 || c.Queued != 3 {
		s.Fatalf("leased %s; %+v", subjects(first), c)
	}
	for _, j := range first {
		if j.Token != "token 1" {
			s.Errorf("job %+v", j)
		}
	}
	s.same("another's", subjects(s.lease(10)), "[scene 3]")
	s.must(s.GiveBack(s.Context(), "token 1"))
	if c := s.counts(); c.Leased != 1 || c.Due != 2 {
		s.Errorf("given back: %+v", c)
	}
	again := s.lease(10)
	if len(again) != 2 || again[0].Attempt != 0 {
		s.Errorf("leased again %+v", again)
	}
	s.must(s.GiveBack(s.Context(), "nobody's"))
}

func (s *store) clockSetBack() {
	s.must(s.Enqueue(s.Context(), s.now.AddDate(1, 0, 0), job.PriorityEvent, job.Scene(1)))
	if c := s.counts(); c.Due != 1 || c.Waiting != 0 {
		s.Errorf("%+v", c)
	}
	s.same("leased", subjects(s.lease(10)), "[scene 1]")
	s.must(s.GiveBack(s.Context(), "token 1"))
	// An hour is what a server may ask us to wait.
	s.must(s.Enqueue(s.Context(), s.now.Add(job.MaxRetryAfter), job.PriorityEvent, job.Scene(1)))
	s.same("leased", subjects(s.lease(10)), "[]")
	if c := s.counts(); c.Waiting != 1 || !c.NextDue.Equal(s.now.Add(job.MaxRetryAfter)) {
		s.Errorf("%+v", c)
	}
}

func (s *store) verdicts() {
	for i, c := range []struct {
		outcome job.Outcome
		// The job and the letter afterwards; before, there was a letter with the error
		// "before". due: at once, else when the outcome says.
		live, due        bool
		attempt, missing int
		class            job.Class
		text             string
		letter           string
	}{
		{outcome: job.Outcome{Verdict: job.Done}},
		{outcome: job.Outcome{Verdict: job.Unchanged}},
		{outcome: job.Outcome{Verdict: job.Gone}},
		{outcome: job.Outcome{Verdict: job.Retry, Class: job.ClassBusy, Error: "busy"}, live: true, attempt: 1, class: job.ClassBusy, text: "busy", letter: "before"},
		{outcome: job.Outcome{Verdict: job.Retry, Class: job.ClassNotInPlex, Error: "lacks it", Missing: true}, live: true, missing: 1, class: job.ClassNotInPlex, text: "lacks it", letter: "before"},
		{outcome: job.Outcome{Verdict: job.Wait, Class: job.ClassUnreachable, Error: "out"}, live: true, class: job.ClassUnreachable, text: "out", letter: "before"},
		{outcome: job.Outcome{Verdict: job.GivenBack}, live: true, due: true, letter: "before"},
		{outcome: job.Outcome{Verdict: job.Dead, Class: job.ClassRejected, Error: "refused"}, letter: "refused"},
	} {
		id := int64(i + 1)
		s.dead(id, job.ClassBusy, "before")
		s.event(id)
		at := s.now
		if !c.due {
			at = s.now.Add(10 * time.Minute)
		}
		c.outcome.At = at
		j := s.one()
		for range 2 { // twice is once
			s.finish(job.Ended{Job: j, Outcome: c.outcome, Title: "T", Path: "/p"})
		}
		got, live := s.job(id)
		if live != c.live || live && (got.Attempt != c.attempt || got.Missing != c.missing || got.LastClass != c.class || got.LastError != c.text || got.Token != "" || !got.DueAt.Equal(at)) {
			s.Errorf("%s: job %+v, %v", c.outcome.Verdict, got, live)
		}
		letters, err := s.Letters(s.Context(), job.Which{Subject: job.Scene(id)}, 10, 0)
		s.must(err)
		if len(letters) > 1 || (len(letters) == 1) != (c.letter != "") || len(letters) == 1 && letters[0].Error != c.letter {
			s.Errorf("%s: letters %+v", c.outcome.Verdict, letters)
		}
		if live { // out of the next one's way
			s.passes(time.Hour)
			s.finish(job.Ended{Job: s.one(), Outcome: job.Outcome{Verdict: job.Done}})
		}
	}
}

// dead makes a dead letter of a scene.
func (s *store) dead(scene int64, class job.Class, text string) {
	s.Helper()
	s.event(scene)
	s.finish(job.Ended{Job: s.one(), Title: "Title", Path: "/data/a.mp4", Outcome: job.Outcome{Verdict: job.Dead, Class: class, Error: text}})
}

func (s *store) eventDuringAttempt() {
	for i, v := range []job.Verdict{job.Done, job.Unchanged, job.Wait, job.Retry, job.Dead, job.GivenBack, job.Gone} {
		id := int64(i + 1)
		s.event(id)
		j := s.one()
		s.passes(time.Second)
		s.event(id)
		at := s.now
		s.same("a second lease", subjects(s.lease(10)), "[]")
		s.finish(job.Ended{Job: j, Outcome: job.Outcome{Verdict: v, At: s.now.Add(time.Hour), Class: job.ClassBusy, Error: "busy"}})
		got, live := s.job(id)
		if !live || !got.DueAt.Equal(at) || got.Token != "" {
			s.Errorf("%s: job %+v, %v; want it due at once", v, got, live)
			continue
		}
		if cost := got.Attempt; cost != map[bool]int{true: 1}[v == job.Retry] {
			s.Errorf("%s: it cost %d attempts", v, cost)
		}
		s.finish(job.Ended{Job: s.one(), Outcome: job.Outcome{Verdict: job.Done}})
	}
	if c := s.counts(); c.Queued != 0 || c.Dead != 0 {
		s.Errorf("%+v", c)
	}
}

func (s *store) lateWorker() {
	s.event(1)
	late := s.one()
	_, err := s.BeginDrain(s.Context(), s.now, "another", time.Hour) // the first was taken for dead
	s.must(err)
	now := s.one()
	for _, v := range []job.Verdict{job.Done, job.Dead, job.Retry, job.Wait, job.GivenBack} {
		s.finish(job.Ended{Job: late, Outcome: job.Outcome{Verdict: v, At: s.now.Add(time.Hour), Class: job.ClassBusy}})
	}
	if got, live := s.job(1); !live || got.Token != now.Token || got.Attempt != 0 {
		s.Errorf("job %+v, %v; it is leased as %+v", got, live, now)
	}
	if c := s.counts(); c.Dead != 0 {
		s.Errorf("%+v", c)
	}
}

// pushed is a state with everything set.
func (s *store) pushed(key string, scene int64) job.Pushed {
	return job.Pushed{Key: key, Scene: scene, Section: "1", Path: "/media/" + key + ".mp4", WantedHash: "hash", Base: []byte(`{"known":true}`),
		PosterHash: "poster", ArtHash: "art", PosterETag: "etag", PosterAt: s.now, Thumb: "thumb", At: s.now, Seen: "seen",
		Refs: []job.Subject{{Kind: job.KindPerformer, ID: 12}, {Kind: job.KindTag, ID: 1}}}
}

func (s *store) leftBehind() {
	known := s.server("A")
	s.must(known.SavePushed(s.Context(), s.pushed("7", 1), s.pushed("8", 1)))
	s.event(1)
	j := s.one()
	s.finish(job.Ended{Job: j, Outcome: job.Outcome{Verdict: job.Done}, Machine: "A",
		Pushed: []job.Pushed{s.pushed("9", 1)}, Forget: []string{"7"}, Queue: []job.Subject{job.Scene(5), job.Scene(6)}})
	rows, err := known.PushedOfScenes(s.Context(), 1)
	s.must(err)
	s.same("states", keys(rows), []string{"8", "9"})
	jobs := s.lease(10)
	s.same("queued", subjects(jobs), "[scene 5 scene 6]")
	if jobs[0].Priority != job.PriorityBulk {
		s.Errorf("job %+v: a fresh edit overtakes it", jobs[0])
	}
	// What was written is true whoever holds the lease.
	s.finish(job.Ended{Job: j, Outcome: job.Outcome{Verdict: job.Done}, Machine: "A", Pushed: []job.Pushed{s.pushed("10", 1)}})
	if rows, err = known.PushedOfKeys(s.Context(), "10"); err != nil || len(rows) != 1 {
		s.Errorf("states %+v, %v", rows, err)
	}
	// A scene that is gone leaves none.
	s.event(1)
	s.finish(job.Ended{Job: s.one(), Outcome: job.Outcome{Verdict: job.Gone}})
	if rows, err = known.PushedOfScenes(s.Context(), 1); err != nil || len(rows) != 0 {
		s.Errorf("states %+v, %v", rows, err)
	}
	// Many subjects are all queued, whatever pieces they are queued in.
	var many []job.Subject
	for i := range 12_000 {
		many = append(many, job.Scene(int64(100+i)))
	}
	s.must(s.Enqueue(s.Context(), s.now, job.PriorityEvent, job.Library()))
	library := s.lease(1)
	s.finish(job.Ended{Job: library[0], Outcome: job.Outcome{Verdict: job.Done}, Queue: many})
	if c := s.counts(); c.Queued != 12_000+2 {
		s.Errorf("%+v", c)
	}
}

func keys(rows []job.Pushed) (all []string) {
	for _, p := range rows {
		all = append(all, p.Key)
	}
	slices.Sort(all)
	return all
}

func (s *store) beginDrain() {
	s.dead(1, job.ClassRejected, "old")
	s.passes(24 * time.Hour)
	s.dead(2, job.ClassRejected, "young")
	s.event(3, 4)
	s.lease(1)
	begun, err := s.BeginDrain(s.Context(), s.now, "run 1", 12*time.Hour)
	s.must(err)
	s.same("found", begun, job.Begun{Orphans: 1, Purged: 1})
	if c := s.counts(); c.Due != 2 || c.Leased != 0 || c.Dead != 1 {
		s.Errorf("%+v", c)
	}
	begun, err = s.BeginDrain(s.Context(), s.now, "run 2", 12*time.Hour)
	s.must(err)
	s.same("found again", begun, job.Begun{})
}

func (s *store) endDrain() {
	end := func(unlessDue bool) bool {
		s.Helper()
		ended, err := s.EndDrain(s.Context(), s.now, job.Run{Token: "run"}, unlessDue)
		s.must(err)
		return ended
	}
	_, err := s.BeginDrain(s.Context(), s.now, "run", time.Hour)
	s.must(err)
	s.event(1)
	if end(true) {
		s.Error("it ended although a job is due")
	}
	s.lease(1)
	if !end(true) {
		s.Error("it did not end although nothing is due")
	}
	s.must(s.SetMeta(s.Context(), job.MetaCompare, `{}`))
	if end(true) {
		s.Error("it ended although a compare is wanted")
	}
	s.must(s.SetMeta(s.Context(), job.MetaCompare, ""))
	s.event(2)
	if !end(false) {
		s.Error("it did not end although it had to")
	}
}

func (s *store) lastEvent() {
	last := func() time.Time {
		s.Helper()
		at, err := s.LastEvent(s.Context(), s.now)
		s.must(err)
		return at
	}
	if !last().IsZero() {
		s.Errorf("of nothing: %v", last())
	}
	s.must(s.Enqueue(s.Context(), s.now, job.PriorityBulk, job.Scene(1)))
	if !last().IsZero() {
		s.Errorf("of a bulk: %v", last())
	}
	s.passes(time.Second)
	s.event(2)
	s.passes(time.Second)
	if at := last(); !at.Equal(s.now.Add(-time.Second)) {
		s.Errorf("of an event a second ago: %v", at)
	}
	s.lease(10)
	if !last().IsZero() {
		s.Errorf("of what is worked already: %v", last())
	}
}

// wait makes a scene's job wait.
func (s *store) wait(scene int64, class job.Class) {
	s.Helper()
	s.event(scene)
	s.finish(job.Ended{Job: s.one(), Outcome: job.Outcome{Verdict: job.Wait, At: s.now.Add(time.Hour), Class: class, Error: "waits"}})
}

func (s *store) wake() {
	s.wait(1, job.ClassUnreachable)
	s.wait(2, job.ClassUnauthorized)
	s.wait(3, job.ClassNotInPlex)
	wake := func(classes ...job.Class) int {
		s.Helper()
		n, err := s.Wake(s.Context(), s.now, classes...)
		s.must(err)
		return n
	}
	if n := wake(job.ClassUnreachable, job.ClassUnauthorized); n != 2 {
		s.Errorf("%d were woken, want 2", n)
	}
	if n := wake(job.ClassUnreachable); n != 0 {
		s.Errorf("%d were woken that were awake", n)
	}
	s.same("due", subjects(s.lease(10)), "[scene 1 scene 2]")
	if n := wake(); n != 1 {
		s.Errorf("%d were woken, want the last", n)
	}
	s.same("due", subjects(s.lease(10)), "[scene 3]")
	if n := wake(); n != 0 {
		s.Errorf("%d were woken that are leased", n)
	}
}

func (s *store) revive() {
	s.dead(1, job.ClassAmbiguous, "ambiguous")
	s.dead(2, job.ClassBusy, "busy")
	s.dead(3, job.ClassBusy, "busy")
	n, err := s.Revive(s.Context(), s.now, job.Which{Class: job.ClassBusy})
	s.must(err)
	jobs := s.lease(10)
	if n != 2 || subjects(jobs) != "[scene 2 scene 3]" || jobs[0].Attempt != 0 || s.counts().Dead != 3 {
		s.Errorf("revived %d, leased %s; %+v", n, subjects(jobs), s.counts())
	}
	s.finish(job.Ended{Job: jobs[0], Outcome: job.Outcome{Verdict: job.Done}},
		job.Ended{Job: jobs[1], Outcome: job.Outcome{Verdict: job.Dead, Class: job.ClassRejected, Error: "again"}})
	letters, err := s.Letters(s.Context(), job.Which{}, 10, 0)
	s.must(err)
	var left []string
	for _, l := range letters {
		left = append(left, l.Subject.String()+" "+l.Error)
	}
	slices.Sort(left)
	s.same("left", left, []string{"scene 1 ambiguous", "scene 3 again"})
}

// part is a row of the index.
func part(key string, index int, path string) job.Part {
	return job.Part{Key: key, Index: index, Section: "1", Path: path, Size: 10, Duration: time.Second, Thumb: "thumb", UpdatedAt: 7,
		Name: job.Name{Path: path, Base: base(path), Parent: "p"}}
}

func base(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}

func lookup(path string) job.Lookup {
	return job.Lookup{Mapped: path, Name: job.Name{Base: base(path), Parent: "p"}, Size: 10}
}

// scan lists library 1 into the index.
func (s *store) scan(known worker.Known, full bool, parts ...job.Part) {
	s.Helper()
	n, err := known.BeginScan(s.Context(), "1", "Films")
	s.must(err)
	s.must(known.AddParts(s.Context(), n, parts))
	s.must(known.EndScan(s.Context(), s.now, "1", n, full))
}

func (s *store) turnedUp() {
	known := s.server("A")
	s.scan(known, true, part("1", 0, "/m/other.mp4"))
	lacking := func(verdict job.Verdict, scene int64, paths ...string) {
		s.Helper()
		s.event(scene)
		e := job.Ended{Job: s.one(), Outcome: job.Outcome{Verdict: verdict, At: s.now.Add(time.Hour), Class: job.ClassNotInPlex, Error: "lacks it", Missing: true}}
		for _, p := range paths {
			e.Missing = append(e.Missing, lookup(p))
		}
		s.finish(e)
	}
	missing := func() bool {
		s.Helper()
		yes, err := s.AnyMissing(s.Context())
		s.must(err)
		return yes
	}
	turnedUp := func() int {
		s.Helper()
		n, err := s.TurnedUp(s.Context(), s.now)
		s.must(err)
		return n
	}
	if missing() || turnedUp() != 0 {
		s.Error("something is awaited at first")
	}
	lacking(job.Retry, 1, "/m/one.mp4", "/m/two.mp4")
	lacking(job.Dead, 2, "/m/three.mp4")
	lacking(job.Dead, 3, "/m/four.mp4")
	if !missing() || turnedUp() != 0 {
		s.Error("nothing is awaited, or it is there already")
	}
	s.scan(known, false, part("2", 0, "/m/two.mp4"), part("3", 0, "/elsewhere/three.mp4"))
	if n := turnedUp(); n != 2 {
		s.Errorf("%d have turned up, want one by its path and one by its name", n)
	}
	if n := turnedUp(); n != 0 {
		s.Errorf("%d have turned up a second time", n)
	}
	jobs := s.lease(10)
	s.same("due", subjects(jobs), "[scene 1 scene 2]")
	s.finish(job.Ended{Job: jobs[0], Outcome: job.Outcome{Verdict: job.Done}}, job.Ended{Job: jobs[1], Outcome: job.Outcome{Verdict: job.Done}})
	if c := s.counts(); c.NotInPlex != 1 || c.Dead != 0 || !missing() {
		s.Errorf("%+v", c)
	}
	// An event ends the waiting of the last one.
	s.event(3)
	s.finish(job.Ended{Job: s.one(), Outcome: job.Outcome{Verdict: job.Done}})
	if missing() {
		s.Error("something is awaited at last")
	}
}

// Letters.

func (s *store) letters() {
	classes := []job.Class{job.ClassBusy, job.ClassNotInPlex, job.ClassRejected, job.ClassBusy, job.ClassJoined}
	for i, class := range classes {
		s.dead(int64(i+1), class, fmt.Sprint("error ", i))
		s.passes(time.Second)
	}
	list := func(w job.Which, limit, offset int) (all []int64) {
		s.Helper()
		letters, err := s.Letters(s.Context(), w, limit, offset)
		s.must(err)
		for _, l := range letters {
			all = append(all, l.Subject.ID)
		}
		return all
	}
	s.same("all", list(job.Which{}, 10, 0), []int64{5, 4, 3, 2, 1})
	s.same("a page", list(job.Which{}, 2, 1), []int64{4, 3})
	s.same("those that need a person", list(job.Which{Review: true}, 10, 0), []int64{4, 3, 1})
	s.same("of a class", list(job.Which{Class: job.ClassBusy}, 10, 0), []int64{4, 1})
	s.same("of a subject", list(job.Which{Subject: job.Scene(2)}, 10, 0), []int64{2})
	if c := s.counts(); c.Dead != 3 || c.NotInPlex != 1 || c.Joined != 1 || c.Queued != 0 {
		s.Errorf("%+v", c)
	}
	letters, err := s.Letters(s.Context(), job.Which{Subject: job.Scene(1)}, 1, 0)
	s.must(err)
	if l := letters[0]; l.ID == 0 || l.Class != job.ClassBusy || l.Error != "error 0" || l.Attempts != 1 || l.Title != "Title" || l.Path != "/data/a.mp4" ||
		l.FirstEvent.IsZero() || l.Died.IsZero() || len(l.History) != 1 || l.History[0].Error != "error 0" {
		s.Errorf("letter %+v", l)
	}
}

func (s *store) ranges() {
	known := s.server("A")
	for id := int64(1); id <= 4; id++ {
		s.dead(id, job.ClassBusy, "busy")
	}
	s.event(1, 2, 3, 4)
	s.must(s.Enqueue(s.Context(), s.now, job.PriorityEvent, job.Subject{Kind: job.KindTag, ID: 3}))
	for id := int64(1); id <= 4; id++ {
		s.must(known.SavePushed(s.Context(), s.pushed(fmt.Sprint("a", id), id), s.pushed(fmt.Sprint("b", id), id)))
	}
	live, err := s.LiveScenes(s.Context(), 1, 3)
	s.must(err)
	slices.Sort(live)
	s.same("live", live, []int64{2, 3})
	dead, err := s.DeadScenes(s.Context(), 1, 3)
	s.must(err)
	s.same("dead", dead, map[int64]job.Class{2: job.ClassBusy, 3: job.ClassBusy})
	pushed, err := known.PushedScenes(s.Context(), 1, 3)
	s.must(err)
	s.same("written", pushed, []int64{2, 3})
}

// Memory.

func (s *store) memory() {
	known := s.server("A")
	want := s.pushed("7", 3)
	want.Intent = []byte(`{"x":1}`)
	want.Size, want.Duration, want.Unread, want.Contested = 5, 3*time.Millisecond, true, 2
	s.must(known.SavePushed(s.Context(), s.pushed("5", 1), s.pushed("6", 3)))
	s.must(known.SavePushed(s.Context(), want))
	one := func(what string, rows []job.Pushed, err error) {
		s.Helper()
		s.must(err)
		if len(rows) != 1 || !equal(rows[0], want) {
			s.Errorf("%s: %+v, want %+v", what, rows, want)
		}
	}
	rows, err := known.PushedOfKeys(s.Context(), "7", "none")
	one("by key", rows, err)
	rows, err = known.PushedOfPaths(s.Context(), "/media/7.mp4", "/none")
	one("by path", rows, err)
	rows, err = known.PushedAfter(s.Context(), "6", 1)
	one("after another", rows, err)
	rows, err = known.PushedOfScenes(s.Context(), 3, 99)
	s.must(err)
	s.same("by scene", keys(rows), []string{"6", "7"})
	if rows, err = known.PushedOfScenes(s.Context()); err != nil || len(rows) != 0 {
		s.Errorf("of no scene: %+v, %v", rows, err)
	}
	var walked []string
	for after := ""; ; {
		rows, err := known.PushedAfter(s.Context(), after, 2)
		s.must(err)
		if len(rows) == 0 {
			break
		}
		walked, after = append(walked, keys(rows)...), rows[len(rows)-1].Key
	}
	s.same("walked", walked, []string{"5", "6", "7"})
	for ref, scenes := range map[job.Subject][]int64{
		{Kind: job.KindTag, ID: 1}:        {1, 3},
		{Kind: job.KindPerformer, ID: 12}: {1, 3},
		{Kind: job.KindPerformer, ID: 1}:  nil, // 12 is another
		{Kind: job.KindStudio, ID: 12}:    nil,
	} {
		showing, err := s.Showing(s.Context(), ref)
		s.must(err)
		s.same("showing "+ref.String(), showing, scenes)
	}
	// A later state of an item replaces the one before.
	want = s.pushed("7", 4)
	want.Base, want.Refs = nil, nil
	s.must(known.SavePushed(s.Context(), want))
	rows, err = known.PushedOfKeys(s.Context(), "7")
	one("replaced", rows, err)
	s.must(known.SavePushed(s.Context()))
}

// equal compares states; times by what they mean, and no bytes with none.
func equal(a, b job.Pushed) bool {
	if !a.At.Equal(b.At) || !a.PosterAt.Equal(b.PosterAt) || string(a.Base) != string(b.Base) || string(a.Intent) != string(b.Intent) || !slices.Equal(a.Refs, b.Refs) {
		return false
	}
	a.At, a.PosterAt, a.Base, a.Intent, a.Refs = b.At, b.PosterAt, b.Base, b.Intent, b.Refs
	return reflect.DeepEqual(a, b)
}

func (s *store) readBack() {
	known := s.server("A")
	unread := func(limit int) []string {
		s.Helper()
		rows, err := known.PushedUnread(s.Context(), limit)
		s.must(err)
		return keys(rows)
	}
	for _, key := range []string{"5", "6", "7"} {
		p := s.pushed(key, 1)
		p.Unread = key != "5"
		s.must(known.SavePushed(s.Context(), p))
	}
	if got := unread(10); !slices.Equal(got, []string{"6", "7"}) || len(unread(1)) != 1 {
		s.Errorf("unread %v", got)
	}
	rows, err := known.PushedOfKeys(s.Context(), "6", "7")
	s.must(err)
	// 6 is written again while it is being read.
	s.passes(time.Second)
	again := s.pushed("6", 1)
	again.Unread, again.WantedHash = true, "newer"
	s.must(known.SavePushed(s.Context(), again))
	for i := range rows {
		rows[i].Base, rows[i].Thumb, rows[i].Unread = []byte(`{"as":"shown"}`), "shown", false
	}
	s.must(known.SaveRead(s.Context(), rows...))
	s.same("unread", unread(10), []string{"6"})
	rows, err = known.PushedOfKeys(s.Context(), "6", "7")
	s.must(err)
	for _, p := range rows {
		if read := p.Key == "7"; (p.Thumb == "shown") != read || (string(p.Base) == `{"as":"shown"}`) != read || (p.WantedHash == "newer") == read {
			s.Errorf("state %+v", p)
		}
	}
}

// Index.

func (s *store) index() {
	known := s.server("A")
	find := func(paths ...string) (all []string) {
		s.Helper()
		var lookups []job.Lookup
		for _, p := range paths {
			lookups = append(lookups, lookup(p))
		}
		parts, _, err := known.Candidates(s.Context(), lookups...)
		s.must(err)
		for _, p := range parts {
			all = append(all, p.Key+" "+p.Path)
		}
		slices.Sort(all)
		return all
	}
	sections := func() (all []string) {
		s.Helper()
		known, err := known.Sections(s.Context())
		s.must(err)
		for _, x := range known {
			all = append(all, fmt.Sprintf("%s %s full %v since %v", x.Key, x.Title, x.Full.Equal(s.now), x.Since.Equal(s.now)))
		}
		return all
	}
	s.same("libraries", sections(), []string(nil))
	s.scan(known, true, part("1", 1, "/m/a2.mp4"), part("1", 0, "/m/a.mp4"), part("2", 0, "/m/b.mp4"))
	s.same("libraries", sections(), []string{"1 Films full true since true"})
	s.same("by path", find("/m/a.mp4"), []string{"1 /m/a.mp4"})
	s.same("by name, where no path is right", find("/elsewhere/b.mp4", "/m/none.mp4"), []string{"2 /m/b.mp4"})
	s.same("a path is certain, names are not asked", find("/elsewhere/b.mp4", "/m/a.mp4"), []string{"1 /m/a.mp4"})
	parts, err := known.PartsOf(s.Context(), "1")
	s.must(err)
	whole := part("1", 0, "/m/a.mp4")
	whole.Name = job.Name{} // is for looking up only
	if len(parts) != 2 || parts[1].Index != 1 || !reflect.DeepEqual(parts[0], whole) {
		s.Errorf("parts %+v, want first %+v", parts, whole)
	}
	s.passes(time.Minute)
	s.scan(known, false, part("1", 0, "/m/moved.mp4")) // one part less, another path
	s.same("libraries", sections(), []string{"1 Films full false since true"})
	s.same("moved", find("/m/moved.mp4"), []string{"1 /m/moved.mp4"})
	s.same("a part that is gone", find("/m/a2.mp4"), []string(nil))
	s.same("what was not updated", find("/m/b.mp4"), []string{"2 /m/b.mp4"})
	s.scan(known, true, part("1", 0, "/m/moved.mp4"))
	s.same("what a full scan did not meet", find("/m/b.mp4"), []string(nil))
	s.must(known.ForgetItem(s.Context(), "1"))
	s.same("forgotten", find("/m/moved.mp4"), []string(nil))
	s.scan(known, true, part("1", 0, "/m/moved.mp4"))
	s.must(known.KeepSections(s.Context(), []string{"1"}))
	s.same("kept", find("/m/moved.mp4"), []string{"1 /m/moved.mp4"})
	s.must(known.KeepSections(s.Context(), nil))
	s.same("not kept", find("/m/moved.mp4"), []string(nil))
	s.same("libraries", sections(), []string(nil))
	// A library whose files all have one name must not cost its square.
	var namesakes []job.Part
	for i := range 1000 {
		namesakes = append(namesakes, part(fmt.Sprint(1000+i), 0, fmt.Sprintf("/%d/video.mp4", i)))
	}
	s.scan(known, true, namesakes...)
	parts, truncated, err := known.Candidates(s.Context(), lookup("/none/video.mp4"))
	if s.must(err); !truncated || len(parts) >= 1000 || len(parts) < 100 {
		s.Errorf("%d candidates, truncated %v", len(parts), truncated)
	}
}

func (s *store) overtakenScan() {
	known := s.server("A")
	slow, err := known.BeginScan(s.Context(), "1", "Films")
	s.must(err)
	s.must(known.AddParts(s.Context(), slow, []job.Part{part("1", 0, "/m/1.mp4")}))
	s.passes(time.Minute)
	s.scan(known, true, part("2", 0, "/m/2.mp4"))
	s.must(known.AddParts(s.Context(), slow, []job.Part{part("3", 0, "/m/3.mp4")}))
	s.must(known.EndScan(s.Context(), s.now.Add(-time.Minute), "1", slow, true))
	for key, want := range map[string]int{"1": 0, "2": 1, "3": 0} {
		if parts, err := known.PartsOf(s.Context(), key); err != nil || len(parts) != want {
			s.Errorf("item %s: %+v, %v", key, parts, err)
		}
	}
	sections, err := known.Sections(s.Context())
	if s.must(err); len(sections) != 1 || !sections[0].Full.Equal(s.now) {
		s.Errorf("libraries %+v", sections)
	}
}

func (s *store) servers() {
	before, err := s.UseServer(s.Context(), "A")
	if s.must(err); before != "" {
		s.Errorf("before the first was %q", before)
	}
	a, err := s.Server(s.Context(), "A")
	s.must(err)
	s.scan(a, true, part("1", 0, "/m/1.mp4"))
	s.must(a.SavePushed(s.Context(), s.pushed("1", 1)))
	if before, err = s.UseServer(s.Context(), "A"); err != nil || before != "A" {
		s.Errorf("before A was %q, %v", before, err)
	}
	b := s.server("B")
	if rows, err := b.PushedOfKeys(s.Context(), "1"); err != nil || len(rows) != 0 {
		s.Errorf("what was written to A is known of B: %+v, %v", rows, err)
	}
	if parts, err := b.PartsOf(s.Context(), "1"); err != nil || len(parts) != 0 {
		s.Errorf("what A has is known of B: %+v, %v", parts, err)
	}
	theirs := s.pushed("1", 2)
	theirs.WantedHash = "B's"
	s.must(b.SavePushed(s.Context(), theirs))
	now, err := s.Current(s.Context())
	s.must(err)
	if rows, err := now.PushedOfKeys(s.Context(), "1"); err != nil || len(rows) != 1 || rows[0].WantedHash != "B's" {
		s.Errorf("the one that is synced: %+v, %v", rows, err)
	}
	a = s.server("A")
	if rows, err := a.PushedOfKeys(s.Context(), "1"); err != nil || len(rows) != 1 || rows[0].WantedHash != "hash" {
		s.Errorf("when A comes back: %+v, %v", rows, err)
	}
}

// Breakers and notes.

func (s *store) breakers() {
	b, err := s.Breaker(s.Context(), job.Plex)
	if s.must(err); !b.Closed() || b.Failures != 0 || b.System != job.Plex {
		s.Errorf("at first: %+v", b)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := s.UpdateBreaker(context.Background(), s.now, job.Plex, func(b job.Breaker) job.Breaker {
				b.Failures++ // each sees what the one before it made
				return b
			}); err != nil {
				s.Error(err)
			}
		})
	}
	all.Wait()
	if b, err = s.Breaker(s.Context(), job.Plex); err != nil || b.Failures != 20 {
		s.Errorf("after 20 changes: %+v, %v", b, err)
	}
	want := job.Breaker{System: job.Plex, State: job.BreakerOpen, Failures: 5, OpenedAt: s.now, NextProbe: s.now.Add(time.Minute), Probes: 3,
		Cause: job.ClassUnauthorized, Message: "answered 401"}
	got, err := s.UpdateBreaker(s.Context(), s.now, job.Plex, func(job.Breaker) job.Breaker { return want })
	s.must(err)
	stored, err := s.Breaker(s.Context(), job.Plex)
	s.must(err)
	for what, b := range map[string]job.Breaker{"returned": got, "stored": stored} {
		if !b.OpenedAt.Equal(want.OpenedAt) || !b.NextProbe.Equal(want.NextProbe) {
			s.Errorf("%s: %+v", what, b)
		}
		b.OpenedAt, b.NextProbe = want.OpenedAt, want.NextProbe
		s.same(what, b, want)
	}
	if b, err = s.Breaker(s.Context(), job.Stash); err != nil || !b.Closed() || b.System != job.Stash {
		s.Errorf("Stash's: %+v, %v", b, err)
	}
}

func (s *store) notes() {
	note := func(key string) string {
		s.Helper()
		v, err := s.Meta(s.Context(), key)
		s.must(err)
		return v
	}
	if v := note("a"); v != "" {
		s.Errorf("never set: %q", v)
	}
	s.must(s.SetMeta(s.Context(), "a", "1"))
	s.must(s.SetMeta(s.Context(), "b", "2"))
	s.must(s.SetMeta(s.Context(), "a", "3"))
	s.must(s.SetMeta(s.Context(), "b", ""))
	s.same("notes", note("a")+note("b")+note("A"), "3")
}
