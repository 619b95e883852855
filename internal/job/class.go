package job

import (
	"slices"
	"time"
)

// Class says what kind of failure ended an attempt, and with it everything
// that follows: whether the attempt counts, whether the breaker counts, whether
// and when to try again. It is decided by the client that saw the answer
// ([Error]) and acted on in one place, [Decide].
type Class string

const (
	// ClassNone is no failure.
	ClassNone Class = ""
	// ClassUnreachable: Plex could not be asked at all: refused, DNS, TLS,
	// timeout, 502, 503, 504, maintenance.
	ClassUnreachable Class = "unreachable"
	// ClassUnauthorized: Plex answered 401 or 403.
	ClassUnauthorized Class = "unauthorized"
	// ClassBusy: Plex answered, badly: 500, 429, a cut or garbled answer, or a
	// timeout on one item while Plex itself is well.
	ClassBusy Class = "busy"
	// ClassNotInPlex: no part in Plex has one of the scene's paths.
	ClassNotInPlex Class = "not_in_plex"
	// ClassAmbiguous: several items fit equally well; PlexSync never guesses.
	ClassAmbiguous Class = "ambiguous"
	// ClassRejected: Plex refused this edit (400, or 404 after a fresh look-up).
	ClassRejected Class = "rejected"
	// ClassJoined: the scene's only items hold files of other scenes too and belong to
	// those, as when Plex joins films into one item. What Plex shows is no failure of
	// the scene: it is counted and listed apart ([Class.Apart]), costs nothing, and ends
	// by itself when the item is split in Plex or the scenes are merged in Stash.
	ClassJoined Class = "joined"
	// ClassGone: the subject is no longer in Stash.
	ClassGone Class = "gone"
	// ClassUnreadable: Stash answers, but not for this scene: something about it in
	// Stash's database is broken, such as the row of its file. It is the scene's failure
	// alone.
	ClassUnreadable Class = "unreadable"
	// ClassStashUnreachable: Stash could not be asked, or no longer accepts us.
	ClassStashUnreachable Class = "stash_unreachable"
	// ClassInternal: a bug of ours.
	ClassInternal Class = "internal"
)

// Transient reports whether the same attempt may succeed later without anybody
// changing the scene or the item.
func (c Class) Transient() bool {
	switch c {
	case ClassUnreachable, ClassUnauthorized, ClassBusy, ClassNotInPlex, ClassUnreadable, ClassStashUnreachable, ClassInternal:
		return true
	}
	return false
}

// Permanent reports whether trying again is pointless until a person does
// something. ClassGone is neither transient nor permanent: it ends the job well.
func (c Class) Permanent() bool {
	return c == ClassAmbiguous || c == ClassRejected || c == ClassJoined
}

// ApartClasses are the classes for which [Class.Apart] is true.
func ApartClasses() []Class { return []Class{ClassNotInPlex, ClassJoined} }

// Apart reports whether dead letters of this class are counted and listed apart from
// those that need a review: the scene is as it should be, and a change in Plex, once
// it is seen, brings it back to life.
func (c Class) Apart() bool { return slices.Contains(ApartClasses(), c) }

// CountsForBreaker reports whether a failure of this class says something about
// the remote system rather than about one item. Item errors never open the
// breaker.
func (c Class) CountsForBreaker() bool {
	return c == ClassUnreachable || c == ClassUnauthorized || c == ClassStashUnreachable
}

// RetryParams are a class's retry policy: exponential backoff with jitter, a cap on the
// delay and a limit on the attempts.
type RetryParams struct {
	// Base is the delay before the second attempt; it doubles from attempt to
	// attempt. 0 means that the class is not tried again.
	Base time.Duration
	// Max bounds the delay.
	Max time.Duration
	// Limit is how many times it is tried again; the failure after that makes a
	// dead letter. 0 means no limit: the job waits as long as it takes.
	Limit int
	// Costs says whether a failure counts towards Limit at all.
	Costs bool
}

// Retry returns the class's retry policy: its base delay, the delay's cap and how many
// times it is tried again. maxRetries is the user's setting of that name; below 1 it
// means [DefaultMaxRetries]. Only busy, unreadable and internal obey it.
func (c Class) Retry(maxRetries int) RetryParams {
	if maxRetries < 1 {
		maxRetries = DefaultMaxRetries
	}
	switch c {
	case ClassUnreachable, ClassUnauthorized, ClassStashUnreachable:
		return RetryParams{Base: 15 * time.Second, Max: time.Minute}
	case ClassBusy, ClassUnreadable, ClassInternal:
		return RetryParams{Base: 5 * time.Second, Max: 10 * time.Minute, Limit: maxRetries, Costs: true}
	case ClassNotInPlex:
		return RetryParams{Base: 30 * time.Second, Max: 10 * time.Minute, Limit: 12, Costs: true}
	}
	return RetryParams{}
}

// DefaultMaxRetries is the maxRetries of somebody who set none.
const DefaultMaxRetries = 5

// Delay is exponential backoff with jitter: the pause after the given number of failed
// attempts (1 = the first failure). Base doubles with each, up to Max; of that,
// jitter keeps between half (0) and all (1) ("equal jitter"), so that jobs that
// failed together do not come back together. jitter outside 0..1 is taken as the
// nearer bound, failures below 1 as 1.
func (p RetryParams) Delay(failures int, jitter float64) time.Duration {
	d := p.Base
	for i := 1; i < failures && d < p.Max; i++ {
		d *= 2
	}
	d = min(d, p.Max)
	if !(jitter > 0) { // NaN too
		jitter = 0
	}
	jitter = min(jitter, 1)
	return d/2 + time.Duration(jitter*float64(d/2))
}
