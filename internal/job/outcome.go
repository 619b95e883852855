package job

import "time"

// Verdict is how an attempt ended.
type Verdict string

const (
	// Done: Plex now shows the wanted state.
	Done Verdict = "done"
	// Unchanged: there was nothing to write.
	Unchanged Verdict = "unchanged"
	// Retry: failed, costs an attempt, another one at Outcome.At.
	Retry Verdict = "retry"
	// Wait: later, through no fault of the job; the attempt is given back.
	Wait Verdict = "wait"
	// Dead: moved to the dead letters.
	Dead Verdict = "dead"
	// GivenBack: the attempt was not made; the job is queued as it was.
	GivenBack Verdict = "given back"
	// Gone: the subject is no longer in Stash; job, letter and pushed state go.
	Gone Verdict = "gone"
)

// Outcome is what an attempt leads to. Class and Error are set for Retry, Wait
// and Dead; At for Retry and Wait. Missing says that the attempt counts as "not
// in Plex" rather than as a failure.
type Outcome struct {
	Verdict Verdict
	Class   Class
	Error   string
	At      time.Time
	Missing bool
}

// Policy is what of the settings decides about failures.
type Policy struct {
	// MaxRetries as set by the user; below 1 means [DefaultMaxRetries].
	MaxRetries int
	// PlexIsSubset: scenes that Plex lacks are not reported but dropped.
	PlexIsSubset bool
}

// MaxRetryAfter bounds a server's Retry-After: a garbled header must not park a
// job for years.
const MaxRetryAfter = time.Hour

// Decide turns the error of an attempt at j into its outcome. It is the only
// place where a class becomes an action. breaker is the state of the system's
// breaker after this failure: a job that met an outage waits for the next probe.
// jitter is a number in 0..1. err nil is Done.
func Decide(j Job, err error, now time.Time, p Policy, breaker Breaker, jitter float64) Outcome {
	if err == nil {
		return Outcome{Verdict: Done}
	}
	class := ClassOf(err)
	o := Outcome{Class: class, Error: err.Error()}
	params := class.Retry(p.MaxRetries)
	switch {
	case class == ClassGone:
		return Outcome{Verdict: Gone}
	case class == ClassNotInPlex && p.PlexIsSubset:
		return Outcome{Verdict: Unchanged, Class: class, Error: o.Error}
	case class.Permanent() || params.Base == 0:
		o.Verdict = Dead
		return o
	case !params.Costs:
		o.Verdict = Wait
		o.At = now.Add(params.Delay(1, jitter))
		if breaker.State == BreakerOpen && breaker.NextProbe.After(now) {
			o.At = breaker.NextProbe
		}
		return o
	}
	failures := j.Attempt + 1
	if class == ClassNotInPlex {
		failures = j.Missing + 1
		o.Missing = true
	}
	if failures > params.Limit {
		o.Verdict = Dead
		return o
	}
	o.Verdict = Retry
	o.At = now.Add(max(params.Delay(failures, jitter), min(RetryAfter(err), MaxRetryAfter)))
	return o
}
