// Package job holds the words of PlexSync's queue as types: subject, job,
// outcome, failure class, backoff and breaker. Everything in it is a pure
// function of its arguments: the clock and the dice are passed in, and nothing
// here does I/O. What is decided here is stored by package store and acted on
// by package worker.
package job

import (
	"fmt"
	"strconv"
	"time"
)

// Kind says what sort of Stash object a subject is.
type Kind string

// The kinds. A scene is synced; a performer, studio, tag or group stands for
// the scenes that show it, which are queued when its job is worked; the library
// stands for all scenes.
const (
	KindScene     Kind = "scene"
	KindPerformer Kind = "performer"
	KindStudio    Kind = "studio"
	KindTag       Kind = "tag"
	KindGroup     Kind = "group"
	KindLibrary   Kind = "library"
)

// Valid reports whether k is one of the kinds above.
func (k Kind) Valid() bool {
	switch k {
	case KindScene, KindPerformer, KindStudio, KindTag, KindGroup, KindLibrary:
		return true
	}
	return false
}

// Subject is what a job is about. ID is Stash's id of the object, positive,
// and 0 for the library.
type Subject struct {
	Kind Kind
	ID   int64
}

// Scene is the subject of one scene.
func Scene(id int64) Subject { return Subject{Kind: KindScene, ID: id} }

// Library is the subject that stands for all scenes.
func Library() Subject { return Subject{Kind: KindLibrary} }

// String is how a subject is named to people: "scene 12", "library".
func (s Subject) String() string {
	if s.Kind == KindLibrary {
		return string(KindLibrary)
	}
	return string(s.Kind) + " " + strconv.FormatInt(s.ID, 10)
}

// Validate says what is wrong with a subject that came from outside, or nil.
func (s Subject) Validate() error {
	switch {
	case !s.Kind.Valid():
		return fmt.Errorf("unknown kind of subject %q", string(s.Kind))
	case s.Kind == KindLibrary && s.ID != 0:
		return fmt.Errorf("the library has no id, got %d", s.ID)
	case s.Kind != KindLibrary && s.ID <= 0:
		return fmt.Errorf("%s id %d: must be positive", s.Kind, s.ID)
	}
	return nil
}

// Priority orders jobs that are due: lower goes first.
type Priority int

const (
	// PriorityEvent is for what a person just did in Stash.
	PriorityEvent Priority = 0
	// PriorityBulk is for what PlexSync queued itself: the scenes of a renamed
	// performer, a comparison, "Sync all". A fresh edit overtakes it.
	PriorityBulk Priority = 1
)

// Job is the durable wish "bring this subject's state to Plex". A subject has
// at most one live job, whatever number of events it had.
type Job struct {
	ID       int64
	Subject  Subject
	Priority Priority
	// Attempt counts the attempts that failed and cost one; 0 for a new job.
	Attempt int
	// Missing counts the attempts that ended in ClassNotInPlex. It is apart
	// from Attempt because a file that Plex has not scanned is nobody's fault.
	Missing int
	// DueAt is the earliest time of the next attempt.
	DueAt time.Time
	// Token proves the lease; empty while the job is queued.
	Token string
	// Generation is raised by every event. A worker may delete the job only if
	// it still is what it was when it was leased, so that an edit made
	// meanwhile is not lost.
	Generation int64
	// FirstEvent and LastEvent are the times of the first and the newest event
	// that folded into this job.
	FirstEvent, LastEvent time.Time
	// LastClass and LastError tell how the last attempt ended; empty before it.
	LastClass Class
	LastError string
}

// Letter is a dead letter: a job that was moved out of the queue because
// trying again would not help. There is at most one for a subject.
type Letter struct {
	ID      int64
	Subject Subject
	Class   Class
	// Error is the full text of the last failure, without secrets.
	Error    string
	Attempts int
	// Title and Path are the scene's as they were, for people; empty if they
	// were never learnt.
	Title, Path           string
	FirstEvent, LastEvent time.Time
	Died                  time.Time
	// History is a short list of how the last attempts ended, oldest first.
	History []Attempt
}

// Attempt is one line of a letter's history.
type Attempt struct {
	At    time.Time `json:"at"`
	Class Class     `json:"class"`
	Error string    `json:"error"`
}

// LogLine is the line that tells of the letter in Stash's log:
// "DLQ #3: scene 12 - rejected: edit item 4711: …", the error cut to its first
// 80 characters.
func (l Letter) LogLine() string {
	return fmt.Sprintf("DLQ #%d: %s - %s: %s", l.ID, l.Subject, l.Class, FirstChars(l.Error, 80))
}

// FirstChars returns the first n characters (not bytes) of s.
func FirstChars(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
