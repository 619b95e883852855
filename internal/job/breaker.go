package job

import "time"

// BreakerState is the state of a circuit breaker: closed, open or half-open, as the
// pattern has them. These are the stored values; the interface says half_open.
type BreakerState string

const (
	// BreakerClosed: all is well, jobs are worked.
	BreakerClosed BreakerState = "closed"
	// BreakerOpen: the system is out; nothing is asked but the probe, when due.
	BreakerOpen BreakerState = "open"
	// BreakerHalfOpen: the probe was answered; one job may go through, and its
	// end decides.
	BreakerHalfOpen BreakerState = "half-open"
)

// BreakerThreshold is how many counting failures in a row open the breaker.
const BreakerThreshold = 5

// Breaker is the circuit breaker of one remote system. It keeps an outage from costing
// anything: while it is open no job is tried, so no attempt is spent, and a system
// that is just coming up is not flooded. [BreakerThreshold] consecutive failures
// trip it; then only probes go out, ever less often, and after one that is answered
// a single job decides whether it closes (half-open). It is a value: each transition
// returns the next one, and the store keeps it for all processes. The zero value
// with a System is closed.
type Breaker struct {
	System System
	State  BreakerState
	// Failures counts the counting failures since the last success.
	Failures int
	// OpenedAt is when it opened, zero while it is closed. It survives failed
	// probes and half-open tries: it is the start of the outage.
	OpenedAt time.Time
	// NextProbe is when the system may be asked again.
	NextProbe time.Time
	// Probes counts the probes since it opened.
	Probes int
	// Cause and Message tell what opened it.
	Cause   Class
	Message string
}

// Closed reports whether jobs may be worked freely.
func (b Breaker) Closed() bool { return b.State == BreakerClosed || b.State == "" }

// ProbeDue reports whether an open breaker may be probed now. A clock that was
// set back by more than the longest pause does not park it: the probe is due.
func (b Breaker) ProbeDue(now time.Time) bool {
	return b.State == BreakerOpen &&
		(!b.NextProbe.After(now) || b.NextProbe.Sub(now) > probePause(maxProbeStep))
}

// Success notes that the system did what a job asked: the breaker closes.
func (b Breaker) Success() Breaker {
	return Breaker{System: b.System, State: BreakerClosed}
}

// Failure notes a failure of a job. A class that does not count changes
// nothing. The fifth in a row opens the breaker; an authorization failure and
// any failure in half-open open it at once.
func (b Breaker) Failure(now time.Time, class Class, message string) Breaker {
	if !class.CountsForBreaker() {
		return b
	}
	b.Failures++
	b.Cause, b.Message = class, message
	switch {
	case b.State == BreakerOpen:
		return b
	case b.State == BreakerHalfOpen, class == ClassUnauthorized, b.Failures >= BreakerThreshold:
		if b.OpenedAt.IsZero() {
			b.OpenedAt = now
		}
		b.State = BreakerOpen
		b.NextProbe = now.Add(probePause(b.Probes))
		return b
	}
	b.State = BreakerClosed
	return b
}

// Outage notes a failure of a job which a second question has confirmed: the system
// does not answer at all. It opens the breaker at once.
func (b Breaker) Outage(now time.Time, class Class, message string) Breaker {
	if b.Closed() && class.CountsForBreaker() {
		b.Failures = max(b.Failures, BreakerThreshold-1)
	}
	return b.Failure(now, class, message)
}

// Probing notes that a probe starts now. It is stored before the probe is sent,
// so that one process probes at a time and a prober that is killed does not
// block the next: the time of the next probe is already set.
func (b Breaker) Probing(now time.Time) Breaker {
	b.Probes++
	b.NextProbe = now.Add(probePause(b.Probes))
	return b
}

// ProbeSucceeded lets one job through.
func (b Breaker) ProbeSucceeded() Breaker {
	b.State = BreakerHalfOpen
	return b
}

// ProbeFailed keeps it open and remembers why.
func (b Breaker) ProbeFailed(class Class, message string) Breaker {
	if class.CountsForBreaker() {
		b.Cause, b.Message = class, message
	}
	b.State = BreakerOpen
	return b
}

// maxProbeStep is the number of probes after which the pause no longer grows.
const maxProbeStep = 2

// probePause is the pause after the given number of probes: 15 s, 30 s, and
// then every 60 s.
func probePause(probes int) time.Duration {
	switch {
	case probes <= 0:
		return 15 * time.Second
	case probes == 1:
		return 30 * time.Second
	}
	return time.Minute
}
