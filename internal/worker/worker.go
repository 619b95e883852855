// Package worker brings Stash's scenes to Plex. It has four parts, through which a job
// goes from left to right:
//
//		queue -> drain -> planner -> committer -> outcome -> queue
//		                     |
//		                 catalogue
//
//	  - The drain ([Worker.Drain]) leases due jobs and runs the others as stages of a
//	    pipeline.
//	  - The planner turns scenes into plans: which items are theirs, what to write to
//	    each, what to remember. It changes nothing, and its interfaces let it change
//	    nothing. Preview, explain and compare use it too.
//	  - The committer applies plans: it writes, reads back where accounts of Plex
//	    differ, and says what to remember.
//	  - The guard turns what happened into the job's outcome and keeps the breaker.
//
// The catalogue knows which files Plex has. Failures are judged by package job; matching
// and merging are the pure packages of these names. The store and the two servers are
// reached through the interfaces in interfaces.go.
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
	"github.com/plexsync/plexsync/internal/poster"
	"github.com/plexsync/plexsync/internal/scope"
	"github.com/plexsync/plexsync/internal/title"
)

// Options are the settings that the worker obeys. The zero value of each field
// is the default, except Merge.
type Options struct {
	Libraries []string // titles or keys; empty = every movie library
	Rules     match.Rules
	Merge     merge.Options
	// Poster and Background say which pictures are synced.
	Poster, Background bool
	// Shape is that of posters; the zero value is the cover's own.
	Shape     poster.Shape
	Policy    job.Policy
	Retention time.Duration // of dead letters; 0 = 30 days
	// Conditions say which scenes are synced.
	scope.Conditions
	// GenreTags and LabelTags choose tags, see [scope.Genres] and [scope.Labels].
	GenreTags, LabelTags []string
	// Title makes titles; the zero value leaves them.
	Title title.Template
	// ScanPlex: Plex is asked to scan the folder of a file that it lacks.
	ScanPlex bool
	// CompareEvery is the time between compares; 0 = never by itself.
	CompareEvery time.Duration
	// Writers is how many edits are under way at once; 0 = 2.
	Writers int
	// Cause of the drain, for its record.
	Cause job.Cause
	// ByPerson: a person started this drain, so what waits is worked, and an open
	// breaker probed, at once.
	ByPerson bool
	// Hide replaces a path, title or name in what is logged; nil = as it is.
	Hide func(string) string
}

// Worker brings scenes to Plex: what other systems of this kind call the sync worker.
// It keeps nothing between two calls; what has to last is in the store. Use New.
type Worker struct {
	env
	store    Store
	stash    Stash
	plex     Plex
	progress func(float64)
	lock     func(context.Context) (release func(), err error)
	jitter   func() float64
}

// env is what every part of a worker has: the settings, the log and the clock.
type env struct {
	opt Options
	log *slog.Logger
	now func() time.Time
}

// Deps are a worker's connections to the world.
type Deps struct {
	Store Store
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

// New makes a worker. It does nothing until one of its methods is called.
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
		env:   env{opt: o, log: d.Log, now: d.Now},
		store: d.Store, stash: d.Stash, plex: d.Plex,
		progress: d.Progress, lock: d.Lock, jitter: mathrand.Float64,
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
var ErrRunning = errors.New("another run is in progress and will pick up these jobs")

// take takes the drain lock, for whatever must not run beside a drain. It returns
// ErrRunning if another process has it.
func (w *Worker) take(ctx context.Context) (release func(), err error) {
	if w.lock == nil {
		return func() {}, nil
	}
	if release, err = w.lock(ctx); err == nil && release == nil {
		err = ErrRunning
	}
	return release, err
}

// onlooker is a planner for who only looks: an outage is told, not counted.
func (w *Worker) onlooker() *planner {
	c := newCatalogue(w.env, w.plex, w.store)
	p := newPlanner(w.env, w.stash, w.plex, w.store, c,
		func(ctx context.Context, err error) error { return confirm(ctx, w.plex, err) },
		func() bool { return false })
	p.meets = c.open // the index may have libraries that are not synced
	return p
}

// token makes a lease token that no other process has.
func token() string { return rand.Text() }
