package store

import (
	"context"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	now := time.Now()
	s, err := Open(ctx, t.TempDir(), now)
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Event(ctx, now, job.Scene(3), "tok", "", func() bool { return false })
	t.Log(a, err)
	js, err := s.Lease(ctx, now.Add(time.Second), 10, "L1")
	t.Log(js, err)
	c, err := s.Counts(ctx, now)
	t.Log(c, err)
	err = s.Finish(ctx, now, job.Ended{Job: js[0], Outcome: job.Outcome{Verdict: job.Dead, Class: job.ClassRejected, Error: "x"}, Pushed: []job.Pushed{{Key: "1", Scene: 3, Refs: []job.Subject{{Kind: job.KindTag, ID: 4}}}}})
	t.Log(err)
	l, err := s.Letters(ctx, job.Which{Review: true}, 10, 0)
	t.Log(l, err)
	ids, err := s.Showing(ctx, job.Subject{Kind: job.KindTag, ID: 4})
	t.Log(ids, err)
	n, err := s.BeginScan(ctx, "1", "x")
	t.Log(n, err)
	t.Log(s.AddParts(ctx, n, []job.Part{{Key: "1", Path: "/a/b", Name: job.Name{"/a/b", "b", "a"}}}))
	t.Log(s.EndScan(ctx, now, "1", n, true))
	p, tr, err := s.Candidates(ctx, job.Lookup{Mapped: "/x", Name: job.Name{Base: "b"}})
	t.Log(p, tr, err)
	t.Log(s.UpdateBreaker(ctx, now, job.Plex, func(b job.Breaker) job.Breaker { return b.Failure(now, job.ClassUnauthorized, "x") }))
	t.Log(s.Outages(ctx, 5))
	t.Log(s.NewServer(ctx, "a"))
	t.Log(s.NewServer(ctx, "b"))
	t.Log(s.BeginDrain(ctx, now, "d", time.Hour))
	t.Log(s.EndDrain(ctx, now, job.Run{Token: "d", Done: 3}, true))
	t.Log(s.Runs(ctx, 3))
}
