package job

import (
	"strconv"
	"strings"
	"time"
)

// Pushed is the pushed state: what we last wrote to one item, the base of the
// three-way merge. It belongs to the item; Scene is whoever wrote it last.
type Pushed struct {
	// Key is Plex's rating key.
	Key   string
	Scene int64
	// Section is the key of the item's library.
	Section string
	// Path of the item's part, as Plex sees it.
	Path string
	// Size in bytes and Duration, in whole milliseconds, of the scene's file; 0 =
	// unknown. They tell whether another item has the same file.
	Size     int64
	Duration time.Duration
	// WantedHash of the state that the item was brought to. "" means that the
	// item must be looked at even if the scene is unchanged.
	WantedHash string
	// Base and Intent are package merge's, as JSON; nil for none. Intent is set
	// while a write is under way: after a crash either of them may be true.
	Base, Intent []byte
	// PosterHash and ArtHash are the SHA-1 of the covers that the pictures that Plex has
	// from us were made of; PosterHash is followed by ":" and the poster's shape, if it
	// has another than the cover.
	PosterHash, ArtHash string
	// PosterETag is Stash's for the cover, and PosterAt the scene's updated_at when
	// the cover was last looked at; zero to look again.
	PosterETag string
	PosterAt   time.Time
	// Thumb is the item's, as seen after our write.
	Thumb string
	// Refs are the objects that the scene showed: who is renamed or destroyed
	// finds its scenes by them.
	Refs []Subject
	// At is when the scene was read that was written.
	At time.Time
	// Seen is what a listing showed, or would have, of the item when it was last read in
	// full and was as we left it, see [Part.Seen]; "" if not since our last write.
	Seen string
	// Unread: it was written and not read back since, so that it is not known yet how
	// Plex shows what was written.
	Unread bool
	// Contested counts how often in a row somebody had overwritten what we wrote, and
	// we wrote it again.
	Contested int
}

// OldKey begins a rating key that no longer means anything to Plex: the state is still
// found by its path or its scene. Version 0.1.0 left such.
const OldKey = "old-"

// Untied reports whether the state has no item: its rating key must not be asked for.
func (p Pushed) Untied() bool { return strings.HasPrefix(p.Key, OldKey) }

// MetaCompare is the key of the stored value that a compare keeps while it is wanted or
// under way; "" when it has ended. No drain ends before.
const MetaCompare = "compare"

// Seen is what a listing tells of changes: it differs when the item may have
// changed.
func (p Part) Seen() string { return strconv.FormatInt(p.UpdatedAt, 10) + " " + p.Thumb }

// Part is a part of an item in Plex: a file, with what is known of its item. It is a
// row of the index, and what a scene is matched with.
type Part struct {
	// Key is the item's rating key, Index the part's position in it, from 0.
	Key     string
	Index   int
	Section string
	// Path is the part's file as Plex sees it.
	Path string
	// Name is what look-ups go by; set when a part is stored, not when it is read.
	Name Name
	// Size, in bytes, and Duration, in whole milliseconds, are 0 where they are not
	// known; less is taken for 0.
	Size     int64
	Duration time.Duration
	// Thumb and UpdatedAt (seconds) are the item's, as the listing showed them.
	Thumb     string
	UpdatedAt int64
	// Trashed: the item is in Plex's trash, which still lists it (with a deletedAt).
	Trashed bool
	// Optimized: Plex made this file itself, as an optimized version of another of the
	// item's (its Media has the proxyType 42, as python-plexapi's isOptimizedVersion
	// reads it).
	Optimized bool
}

// Name holds the folded forms of a path: of the whole, of its last element and
// of the folder above that.
type Name struct{ Path, Base, Parent string }

// Lookup is one file to find parts for.
type Lookup struct {
	// Mapped is the folded path as Plex would see it.
	Mapped string
	// Name of the file as Stash sees it; Name.Path is not used.
	Name Name
	Size int64
}

// Section is how far a library's index has been read.
type Section struct {
	Key, Title string
	// Full is when the last whole listing began, Since when the last renewal
	// began; zero if never.
	Full, Since time.Time
}

// Ended is an attempt that is over, to be stored in one transaction.
type Ended struct {
	Job     Job
	Outcome Outcome
	// Title and Path of the scene, for a dead letter; may be empty.
	Title, Path string
	// Machine is the machine identifier of the Plex server that Pushed and Forget are
	// about; "" if there are none.
	Machine string
	// Pushed is what was written to the scene's items.
	Pushed []Pushed
	// Forget are rating keys whose pushed state has moved to another key.
	Forget []string
	// Queue are subjects to be queued: the scenes of a performer.
	Queue []Subject
	// Missing are the files that were looked for, of a scene that is not in Plex or
	// whose item is another scene's.
	Missing []Lookup
}

// Cause is what started a drain.
type Cause string

const (
	CauseEdit     Cause = "edit"     // an event of Stash's
	CausePerson   Cause = "person"   // somebody who asked for it
	CauseSchedule Cause = "schedule" // the waker, at the time for which something waited
)

// Run is the summary of one drain. Its counts are of attempts at scenes: a whole library,
// or a tag whose scenes are queued, is no scene.
type Run struct {
	Token     string
	Started   time.Time
	Ended     time.Time
	Done      int
	Unchanged int
	Retry     int
	Waiting   int
	Dead      int
	Gone      int
	// Writes counts the requests that changed something in Plex.
	Writes int
	// Cause is "" where it was not recorded.
	Cause Cause
	// Note says why the run ended before the queue was empty; "" if it did not.
	Note string
}

// Processed is the number of attempts at scenes in the run.
func (r Run) Processed() int {
	return r.Done + r.Unchanged + r.Retry + r.Waiting + r.Dead + r.Gone
}

// Count adds one attempt's end.
func (r *Run) Count(v Verdict) {
	switch v {
	case Done:
		r.Done++
	case Unchanged:
		r.Unchanged++
	case Retry:
		r.Retry++
	case Wait:
		r.Waiting++
	case Dead:
		r.Dead++
	case Gone:
		r.Gone++
	}
}

// Begun is what a drain finds at its start.
type Begun struct {
	// Orphans are the leases that a killed process left behind; their jobs are
	// queued again, at no cost.
	Orphans int
	// Purged are the dead letters that were older than the retention.
	Purged int
}

// Counts is the state of the queue at one moment.
type Counts struct {
	// Queued jobs in all, leased ones included.
	Queued int
	// Due now and not leased.
	Due int
	// Leased: being worked.
	Leased int
	// Waiting for a later time.
	Waiting int
	// NextDue is the earliest due time of the waiting jobs, zero if none waits.
	NextDue time.Time
	// Dead letters that need a person's review.
	Dead int
	// NotInPlex and Joined are dead letters of these classes, which need none.
	NotInPlex int
	Joined    int
}

// Which selects dead letters; the zero value selects all.
type Which struct {
	// IDs of letters; empty = any.
	IDs []int64
	// Class of letters; "" = any.
	Class Class
	// Subject; zero = any.
	Subject Subject
	// Review: only those that need a person, that is all but [Class.Apart].
	Review bool
}
