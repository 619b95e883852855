package worker

import (
	"context"
	"errors"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/scope"
)

// The store, in the pieces that the parts of a worker need. Every method is one
// transaction; what it guarantees is written at the store's methods of the same names.
// What a part cannot name it cannot do: the planner gets only the interfaces whose
// names end in Reader.

// Store is all of them: what [New] needs.
type Store interface {
	Jobs
	Letters
	Breakers
	Notes
	References
	Servers
}

// Servers is what is known of Plex servers. What was written to one is no news of
// another, so each is known apart, by its machine identifier.
type Servers interface {
	// Server is what is known of one; nothing yet, if it is new.
	Server(ctx context.Context, machine string) (Known, error)
	// Current is what is known of the one that is synced.
	Current(ctx context.Context) (Known, error)
	// UseServer notes which one is synced, and returns which was before, "" if none.
	UseServer(ctx context.Context, machine string) (before string, err error)
}

// Known is what is known of one Plex server.
type Known interface {
	Memory
	Index
}

// Jobs is the queue.
type Jobs interface {
	BeginDrain(ctx context.Context, now time.Time, token string, retention time.Duration) (job.Begun, error)
	EndDrain(ctx context.Context, now time.Time, r job.Run, unlessDue bool) (bool, error)
	SaveRun(ctx context.Context, r job.Run) error
	LastEvent(ctx context.Context, now time.Time) (time.Time, error)
	Lease(ctx context.Context, now time.Time, limit int, token string) ([]job.Job, error)
	GiveBack(ctx context.Context, token string) error
	Finish(ctx context.Context, now time.Time, ended ...job.Ended) error
	Enqueue(ctx context.Context, now time.Time, p job.Priority, subjects ...job.Subject) error
	// Wake makes waiting jobs due, those of the given classes or all; Revive queues
	// dead letters again, TurnedUp the scenes whose files the index now has.
	Wake(ctx context.Context, now time.Time, classes ...job.Class) (int, error)
	Revive(ctx context.Context, now time.Time, w job.Which) (int, error)
	TurnedUp(ctx context.Context, now time.Time) (int, error)
	AnyMissing(ctx context.Context) (bool, error)
	LiveScenes(ctx context.Context, after, last int64) ([]int64, error)
	Job(ctx context.Context, sub job.Subject) (job.Job, bool, error)
}

// Letters is the dead-letter queue (DLQ), to read, with the counts of the whole queue.
type Letters interface {
	Counts(ctx context.Context, now time.Time) (job.Counts, error)
	Letters(ctx context.Context, w job.Which, limit, offset int) ([]job.Letter, error)
	DeadScenes(ctx context.Context, after, last int64) (map[int64]job.Class, error)
}

// MemoryReader is what was written to items, the pushed states.
type MemoryReader interface {
	PushedScenes(ctx context.Context, after, last int64) ([]int64, error)
	PushedAfter(ctx context.Context, after string, limit int) ([]job.Pushed, error)
	PushedOfScenes(ctx context.Context, scenes ...int64) ([]job.Pushed, error)
	PushedOfKeys(ctx context.Context, keys ...string) ([]job.Pushed, error)
	PushedOfPaths(ctx context.Context, paths ...string) ([]job.Pushed, error)
	PushedUnread(ctx context.Context, limit int) ([]job.Pushed, error)
	// MemoryLost reports whether states are lost, so that an item without one may have
	// been written.
	MemoryLost(ctx context.Context) (bool, error)
}

// References is which scenes showed what when they were last written, whatever the
// server.
type References interface {
	Showing(ctx context.Context, sub job.Subject) ([]int64, error)
}

// Memory can change it.
type Memory interface {
	MemoryReader
	SavePushed(ctx context.Context, all ...job.Pushed) error
	SaveRead(ctx context.Context, all ...job.Pushed) error
	// KeepCopy keeps a copy of it for when the database is damaged.
	KeepCopy(ctx context.Context) error
}

// IndexReader is the index of Plex's parts.
type IndexReader interface {
	Sections(ctx context.Context) ([]job.Section, error)
	Candidates(ctx context.Context, lookups ...job.Lookup) ([]job.Part, bool, error)
	PartsOf(ctx context.Context, ratingKey string) ([]job.Part, error)
}

// Index can change it.
type Index interface {
	IndexReader
	KeepSections(ctx context.Context, keys []string) error
	BeginScan(ctx context.Context, section, title string) (int64, error)
	AddParts(ctx context.Context, scan int64, parts []job.Part) error
	EndScan(ctx context.Context, began time.Time, section string, scan int64, full bool) error
	ForgetItem(ctx context.Context, ratingKey string) error
}

// Breakers holds the circuit breaker of each system.
type Breakers interface {
	Breaker(ctx context.Context, system job.System) (job.Breaker, error)
	UpdateBreaker(ctx context.Context, now time.Time, system job.System, change func(job.Breaker) job.Breaker) (job.Breaker, error)
}

// Notes holds single values by name; "" for one that was never set.
type Notes interface {
	Meta(ctx context.Context, key string) (string, error)
	SetMeta(ctx context.Context, key, value string) error
}

// Scene is a scene of Stash as the worker needs it.
type Scene struct {
	ID        int64
	Organized bool
	// StashIDs is how many ids of stash-boxes it has; 0 unless they were asked for.
	StashIDs int
	Updated  time.Time
	Files    []match.File
	Meta     merge.Scene
	CoverURL string
	// Err is not nil for a scene that Stash cannot read although it answers, see
	// [job.ClassUnreadable]. Only ID is set then.
	Err error
}

// Cover is the answer to a request for a scene's cover.
type Cover struct {
	Bytes []byte
	ETag  string
	// NotModified: it is still the one of the given ETag. Placeholder: the scene
	// has no cover yet. Bytes is empty in both cases.
	NotModified, Placeholder bool
}

// Updated is a performer, studio, tag or group, and when Stash says that it was changed
// last, to the second.
type Updated struct {
	Subject job.Subject
	At      time.Time
}

// Stash is what the worker needs of Stash; none of it writes. Its errors carry a class.
type Stash interface {
	// Scenes returns the scenes with these ids, at most a batch of them, and which
	// of them do not exist. One that Stash cannot read is found, with its Err.
	Scenes(ctx context.Context, ids []int64) (found []Scene, missing []int64, err error)
	// SceneIDs calls page with the ids of the scenes that show sub: all scenes for
	// the library, none for an unknown subject.
	SceneIDs(ctx context.Context, sub job.Subject, page func(ids []int64) error) error
	// AllScenes calls page with all scenes whose ids are above after, ascending, also
	// those that Stash cannot read, and returns page's error.
	AllScenes(ctx context.Context, after int64, page func([]Scene) error) error
	// AskForStashIDs makes scenes come with their StashIDs from now on.
	AskForStashIDs()
	// Tags returns all tags.
	Tags(ctx context.Context) ([]scope.Tag, error)
	// SceneCount is how many scenes there are.
	SceneCount(ctx context.Context) (int, error)
	// UpdatedSince calls page with the ids, ascending, of the scenes that were updated
	// at or after then, and when each was.
	UpdatedSince(ctx context.Context, then time.Time, page func(ids []int64, updated []time.Time) error) error
	// SubjectsUpdatedSince returns the performers, studios, tags and groups that were
	// changed at or after then, and not created in that second.
	SubjectsUpdatedSince(ctx context.Context, then time.Time) ([]Updated, error)
	// ScenesByBasename returns the scenes that have a file of this name, and with their
	// Err those that may, but cannot be read.
	ScenesByBasename(ctx context.Context, name string) ([]Scene, error)
	// Cover fetches the picture at a scene's CoverURL, unless it is still the one
	// of etag ("" = fetch).
	Cover(ctx context.Context, url, etag string) (Cover, error)
}

// Library is a library of Plex with movies in it.
type Library struct {
	Key, Title string
	Folders    []string // as Plex sees them
}

// Item is an item of Plex in full detail.
type Item struct {
	Key, Section, Title, Thumb string
	// Seen is what a listing would show of it now, see [job.Part.Seen].
	Seen    string
	Trashed bool // it is in Plex's trash
	State   merge.Item
}

// Slot is a place for a picture at an item.
type Slot int

// The slots.
const (
	Poster Slot = iota
	Background
)

// Plex is what the worker needs of Plex. Its errors carry a class.
type Plex interface {
	Prober
	PlexReader
	PlexWriter
}

// Prober asks Plex whether it is there.
type Prober interface {
	// Identity asks whether Plex is there, and who it is.
	Identity(ctx context.Context) (machine, version string, err error)
	// Authorized asks something that Plex answers only to who has a token for it.
	Authorized(ctx context.Context) error
}

// ItemReader reads items.
type ItemReader interface {
	// Items reads items in full; the ones that do not exist are left out.
	Items(ctx context.Context, keys []string) ([]Item, error)
}

// PlexReader changes nothing in Plex.
type PlexReader interface {
	ItemReader
	// Libraries lists the libraries that hold movies.
	Libraries(ctx context.Context) ([]Library, error)
	// List calls page with the parts of the library's items that were added or
	// updated since then (zero = all), all parts of an item in one page. Names are
	// not set.
	List(ctx context.Context, section string, since time.Time, page func([]job.Part) error) error
}

// PlexWriter changes Plex.
type PlexWriter interface {
	// Edit brings e to the item, by so many requests; idempotent. ErrUnremovable says
	// that all of it is written but the removal of some names.
	Edit(ctx context.Context, section, key string, e merge.Edit) (requests int, err error)
	// RemovalKinds are the kinds of names that e removes. A server that heeds one of a
	// kind heeds all of it; one that does not answers as if it did, so the first of
	// each kind has to be read back. IgnoredRemovals are those of which nothing went:
	// still is what then was still to be done after written.
	RemovalKinds(e merge.Edit) []string
	IgnoredRemovals(written, still merge.Edit) []string
	// Habits is what was learnt of how this server reads edits, to be kept for it, and
	// SetHabits what was learnt before; "" is nothing. OtherRemovals writes removals the
	// other way from now on, unless Habits have changed since they were habits.
	Habits() string
	SetHabits(habits string)
	OtherRemovals(habits string)
	// SetPicture makes img the item's picture; idempotent. perhaps: an earlier call may
	// have uploaded it; then it is looked for first, so that nothing is there twice. A
	// picture that Plex would not take is ErrPicture.
	SetPicture(ctx context.Context, key string, slot Slot, img []byte, perhaps bool) error
	// Scan asks Plex to scan one folder of a library, as Plex sees it; it returns
	// before Plex has.
	Scan(ctx context.Context, section, folder string) error
	// Writes counts the requests so far that changed something.
	Writes() int
}

// ErrUnremovable marks an edit of which everything was written but the removal of names
// that this Plex cannot be told to remove.
var ErrUnremovable = errors.New("Plex has no way to remove it")

// ErrPicture marks a picture that can never be a poster: too large, or not a
// picture. It does not fail a job.
var ErrPicture = errors.New("not usable as a picture in Plex")
