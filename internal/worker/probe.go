package worker

import (
	"context"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// Waking is what [Probe] needs of the store.
type Waking interface {
	Breakers
	Wake(ctx context.Context, now time.Time, classes ...job.Class) (int, error)
}

// Probed is what a probe led to.
type Probed struct {
	// Taken: the probe was due, and this process made it. If not, nothing was
	// asked and nothing changed.
	Taken bool
	// Err is why Plex cannot be used; nil if it can.
	Err error
	// Breaker as it is now stored.
	Breaker job.Breaker
}

// Probe asks Plex whether it is back, if the breaker is open and a probe is due, or
// at once if force is set. That the probe is made is stored before it is sent, so
// that one process probes at a time and one that is killed does not block the next.
// If Plex answers, the breaker is half-open and the jobs that waited for it are due.
// An outage that a refused token began ends only when the token is accepted: that
// Plex is there says nothing about it.
//
// An error means that the database could not be used or that ctx ended.
func Probe(ctx context.Context, queue Waking, plex Prober, now func() time.Time, force bool) (Probed, error) {
	var p Probed
	at := now()
	var err error
	p.Breaker, err = queue.UpdateBreaker(ctx, at, job.Plex, func(b job.Breaker) job.Breaker {
		if p.Taken = b.ProbeDue(at) || force && b.State == job.BreakerOpen; !p.Taken {
			return b
		}
		return b.Probing(at)
	})
	if err != nil || !p.Taken {
		return p, err
	}
	if _, _, p.Err = plex.Identity(ctx); p.Err == nil && p.Breaker.Cause == job.ClassUnauthorized {
		p.Err = plex.Authorized(ctx)
	}
	if job.Interrupted(ctx, p.Err) {
		return p, p.Err
	}
	p.Breaker, err = queue.UpdateBreaker(ctx, now(), job.Plex, func(b job.Breaker) job.Breaker {
		switch {
		case b.State != job.BreakerOpen: // a job of another process has decided
			return b
		case p.Err != nil:
			return b.ProbeFailed(job.ClassOf(p.Err), firstLine(p.Err.Error()))
		}
		return b.ProbeSucceeded()
	})
	if err == nil && p.Err == nil {
		// The outage is what these jobs wait for, not their time.
		_, err = queue.Wake(ctx, now(), job.ClassUnreachable, job.ClassUnauthorized)
	}
	return p, err
}
