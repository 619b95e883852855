// Package worker works the queue: it takes due jobs, asks Stash what their scenes
// look like, finds their items in Plex, merges, writes, and stores how each
// attempt ended. It decides nothing about failures (package job does), matches
// and merges with the pure packages of these names, and reaches the queue and
// the two servers through the interfaces below.
package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
)

// Queue is what the worker needs of the store. Every method is one transaction;
// what it guarantees is written at the store's methods of the same names.
type Queue interface {
	BeginDrain(ctx context.Context, now time.Time, token string, retention time.Duration) (job.Begun, error)
	EndDrain(ctx context.Context, now time.Time, r job.Run, unlessDue bool) (bool, error)
	Lease(ctx context.Context, now time.Time, limit int, token string) ([]job.Job, error)
	GiveBack(ctx context.Context, token string) error
	Wake(ctx context.Context, now time.Time, classes ...job.Class) (int, error)
	Revive(ctx context.Context, now time.Time, w job.Which) (int, error)
	Finish(ctx context.Context, now time.Time, ended ...job.Ended) error
	Counts(ctx context.Context, now time.Time) (job.Counts, error)
	LastEvent(ctx context.Context, now time.Time) (time.Time, error)
	Letters(ctx context.Context, w job.Which, limit, offset int) ([]job.Letter, error)
	Job(ctx context.Context, sub job.Subject) (job.Job, bool, error)

	Breaker(ctx context.Context, system job.System) (job.Breaker, error)
	UpdateBreaker(ctx context.Context, now time.Time, system job.System, change func(job.Breaker) job.Breaker) (job.Breaker, error)

	Enqueue(ctx context.Context, now time.Time, p job.Priority, subjects ...job.Subject) error
	PushedScenes(ctx context.Context, after, last int64) ([]int64, error)
	PushedAfter(ctx context.Context, after string, limit int) ([]job.Pushed, error)
	LiveScenes(ctx context.Context, after, last int64) ([]int64, error)
	DeadScenes(ctx context.Context, after, last int64) (map[int64]job.Class, error)
	PushedOfScenes(ctx context.Context, scenes ...int64) ([]job.Pushed, error)
	PushedOfKeys(ctx context.Context, keys ...string) ([]job.Pushed, error)
	PushedOfPaths(ctx context.Context, paths ...string) ([]job.Pushed, error)
	SavePushed(ctx context.Context, all ...job.Pushed) error
	Showing(ctx context.Context, sub job.Subject) ([]int64, error)

	NewServer(ctx context.Context, machine string) (bool, error)
	Sections(ctx context.Context) ([]job.Section, error)
	KeepSections(ctx context.Context, keys []string) error
	BeginScan(ctx context.Context, section, title string) (int64, error)
	AddParts(ctx context.Context, scan int64, parts []job.Part) error
	EndScan(ctx context.Context, began time.Time, section string, scan int64, full bool) error
	TurnedUp(ctx context.Context, now time.Time) (int, error)
	Awaits(ctx context.Context) (bool, error)
	Candidates(ctx context.Context, lookups ...job.Lookup) ([]job.Part, bool, error)
	PartsOf(ctx context.Context, ratingKey string) ([]job.Part, error)
	ForgetItem(ctx context.Context, ratingKey string) error

	Meta(ctx context.Context, key string) (string, error)
	SetMeta(ctx context.Context, key, value string) error
}

// Scene is a scene of Stash as the worker needs it.
type Scene struct {
	ID        int64
	Organized bool
	Updated   time.Time
	Files     []match.File
	Meta      merge.Scene
	CoverURL  string
}

// Cover is the answer to a request for a scene's cover.
type Cover struct {
	Bytes []byte
	ETag  string
	// NotModified: it is still the one of the given ETag. Placeholder: the scene
	// has no cover yet. Bytes is empty in both cases.
	NotModified, Placeholder bool
}

// Stash is what the worker needs of Stash. Its errors carry a class.
type Stash interface {
	// Scenes returns the scenes with these ids, at most a batch of them, and which
	// of them do not exist.
	Scenes(ctx context.Context, ids []int64) (found []Scene, missing []int64, err error)
	// SceneIDs calls page with the ids of the scenes that show sub: all scenes for
	// the library, none for an unknown subject.
	SceneIDs(ctx context.Context, sub job.Subject, page func(ids []int64) error) error
	// AllScenes calls page with all scenes whose ids are above after, ascending, and
	// returns page's error.
	AllScenes(ctx context.Context, after int64, page func([]Scene) error) error
	// SceneCount is how many scenes there are.
	SceneCount(ctx context.Context) (int, error)
	// UpdatedSince calls page with the ids, ascending, of the scenes that were updated
	// at or after then, and when each was.
	UpdatedSince(ctx context.Context, then time.Time, page func(ids []int64, updated []time.Time) error) error
	// ScenesByBasename returns the scenes that have a file of this name.
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
	State                      merge.Item
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
	// Identity asks whether Plex is there, and who it is.
	Identity(ctx context.Context) (machine, version string, err error)
	// Authorized asks something that Plex answers only to who has a token for it.
	Authorized(ctx context.Context) error
	// Libraries lists the libraries that hold movies.
	Libraries(ctx context.Context) ([]Library, error)
	// List calls page with the parts of the library's items that were added or
	// updated since then (zero = all), all parts of an item in one page. Names are
	// not set.
	List(ctx context.Context, section string, since time.Time, page func([]job.Part) error) error
	// Items reads items in full; the ones that do not exist are left out.
	Items(ctx context.Context, keys []string) ([]Item, error)
	// Edit brings e to the item; idempotent. long allows URLs that a proxy might
	// refuse, for a list that does not fit otherwise.
	Edit(ctx context.Context, section, key string, e merge.Edit, long bool) error
	// Chunked reports whether e has a list that does not fit into one request, so
	// that a Plex which replaces lists would keep only its end.
	Chunked(section, key string, e merge.Edit) bool
	// SetPicture makes img the item's picture; idempotent, and never uploads the
	// same bytes twice. A picture that Plex would not take is ErrPicture.
	SetPicture(ctx context.Context, key string, slot Slot, img []byte) error
	// Scan asks Plex to scan one folder of a library, as Plex sees it; it returns
	// before Plex has.
	Scan(ctx context.Context, section, folder string) error
	// Writes counts the requests so far that changed something.
	Writes() int
}

// ErrPicture marks a picture that can never be a poster: too large, or not a
// picture. It does not fail a job.
var ErrPicture = errors.New("not usable as a picture in Plex")

// Options are the settings that the worker obeys. The zero value of each field
// is the default, except Merge.
type Options struct {
	Libraries []string // titles or keys; empty = every movie library
	Rules     match.Rules
	Merge     merge.Options
	// Poster and Background say which pictures are synced.
	Poster, Background bool
	Policy             job.Policy
	Retention          time.Duration // of dead letters; 0 = 30 days
	OnlyOrganized      bool
	// ExcludeTags are names, ids or patterns with * of tags whose scenes are left
	// alone.
	ExcludeTags []string
	// ScanPlex: Plex is asked to scan the folder of a file that it lacks.
	ScanPlex bool
	// CompareEvery is the time between compares; 0 = never by itself.
	CompareEvery time.Duration
	// Writers is how many edits are under way at once; 0 = 2.
	Writers int
	// ByPerson: a person started this drain, so what waits is worked, and an open
	// breaker probed, at once.
	ByPerson bool
	// Hide replaces a path, title or name in what is logged; nil = as it is.
	Hide func(string) string
}

// Worker works the queue. Use New.
type Worker struct {
	queue    Queue
	stash    Stash
	plex     Plex
	opt      Options
	log      *slog.Logger
	progress func(float64)
	lock     func(context.Context) (release func(), err error)
	now      func() time.Time
	jitter   func() float64
	exclude  []tagPattern
}

// Deps are a worker's connections to the world.
type Deps struct {
	Queue Queue
	Stash Stash
	Plex  Plex
	Log   *slog.Logger
	// Progress receives the share of the work that is done, 0 to 1; may be nil.
	Progress func(float64)
	// Lock takes the drain lock: nil release and nil error mean that another
	// process holds it. nil = no lock, for tests.
	Lock func(context.Context) (release func(), err error)
	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

// New makes a worker. It does nothing until Drain is called.
func New(d Deps, o Options) *Worker {
	if o.Retention <= 0 {
		o.Retention = 30 * 24 * time.Hour
	}
	if o.Writers <= 0 {
		o.Writers = 2
	}
	if o.Hide == nil {
		o.Hide = func(s string) string { return s }
	}
	w := &Worker{
		queue: d.Queue, stash: d.Stash, plex: d.Plex, opt: o,
		log: d.Log, progress: d.Progress, lock: d.Lock, now: d.Now, jitter: mathrand.Float64,
		exclude: tagPatterns(o.ExcludeTags),
	}
	if w.now == nil {
		w.now = time.Now
	}
	if w.progress == nil {
		w.progress = func(float64) {}
	}
	return w
}

// ErrRunning says that another process is draining the queue. It is not a
// failure: that process takes the new jobs too.
var ErrRunning = errors.New("another drain is running, it takes these jobs too")

// token makes a lease token that no other process has.
func token() string { return rand.Text() }
