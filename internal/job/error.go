package job

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// System names one of the two servers that PlexSync talks to.
type System string

// The two systems. Each has its own breaker.
const (
	Plex  System = "plex"
	Stash System = "stash"
)

// ErrTransient and ErrPermanent are what errors.Is compares a failure with when
// only "try again or not" matters: errors.Is(err, ErrTransient). A failed task says
// by them whether you have to do something.
var (
	ErrTransient = errors.New("may succeed later")
	ErrPermanent = errors.New("trying again will not help")
)

// ErrStore marks a failure of our own database: a full disk, a damaged file. No job
// is at fault, and nothing can be stored, so that the drain ends.
var ErrStore = errors.New("the database failed")

// Error is a failure that knows its class. The clients make them, where the
// answer is seen; everybody else only wraps them with %w.
type Error struct {
	// Class decides what follows.
	Class Class
	// Op is what was tried, on what: "edit item 4711".
	Op string
	// Status is the HTTP status that Plex or Stash answered, 0 if none.
	Status int
	// RetryAfter is how long the server asked us to wait, 0 if it did not.
	RetryAfter time.Duration
	// Hint says what the person can do, a whole sentence; may be empty.
	Hint string
	// Err is the cause; may be nil. It never holds a secret or a body.
	Err error
}

// Error renders "op: status: cause. hint".
func (e *Error) Error() string {
	s := e.Op
	if e.Status != 0 {
		s = join(s, fmt.Sprintf("answered %d", e.Status))
	}
	if e.Err != nil {
		s = join(s, e.Err.Error())
	}
	if s == "" {
		s = string(e.Class)
	}
	if e.Hint != "" {
		s = strings.TrimSuffix(s, ".") + ". " + e.Hint // Windows' own errors end with a full stop
	}
	return s
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ": " + b
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, ErrTransient) and errors.Is(err, ErrPermanent) work.
func (e *Error) Is(target error) bool {
	return target == ErrTransient && e.Class.Transient() ||
		target == ErrPermanent && e.Class.Permanent()
}

// ClassOf reads the class out of err. An error that carries none is a bug of
// ours: ClassInternal. A cancelled context has no class of its own: whoever
// cancels knows why and must not ask. nil is ClassNone.
func ClassOf(err error) Class {
	if err == nil {
		return ClassNone
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ClassInternal
}

// RetryAfter reads the server's wish out of err; 0 if there is none.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// StatusOf reads the HTTP status out of err; 0 if there is none.
func StatusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// Interrupted reports whether err comes from our own context having ended, not
// from a server: such an attempt is given back.
func Interrupted(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}
