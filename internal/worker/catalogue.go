package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plexsync/plexsync/internal/fold"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
)

// freshness is how fresh the catalogue has to be, from cheap to dear.
type freshness int

const (
	// listedOnce: the libraries are known and each was listed at least once.
	listedOnce freshness = iota
	// renewed: also what was added or updated since the last look.
	renewed
	// listedNow: listed in full, for files that were replaced or moved: Plex does
	// not count that as an update.
	listedNow
)

// sinceOverlap is how far a renewal reaches back before the last one: Plex's
// times have seconds, and its clock may not be ours.
const sinceOverlap = 10 * time.Minute

// fullPause is how long a full listing is good for. Scenes that are not in Plex
// come back every few minutes, and must not cost a listing each.
const fullPause = 10 * time.Minute

// old reports whether t is at least d ago, or in the future: the clock was set back.
func old(now, t time.Time, d time.Duration) bool {
	age := now.Sub(t)
	return age < 0 || age >= d
}

// plexLister is what the catalogue asks Plex.
type plexLister interface {
	Identity(ctx context.Context) (machine, version string, err error)
	Libraries(ctx context.Context) ([]Library, error)
	List(ctx context.Context, section string, since time.Time, page func([]job.Part) error) error
}

// catalogue is which server answers, its libraries and their files: a copy of what
// Plex has, kept in the store and renewed as far as somebody needs it. It is made for
// one drain, or one look, in which each of these is asked for once.
type catalogue struct {
	env
	plex    plexLister
	servers Servers
	// prunes: the files of libraries that are not synced any more are forgotten.
	prunes bool

	machine   string // "" until Plex has said who it is
	version   string
	known     Known // of that server
	libraries []Library
	read      freshness // has been seen to, one more than the value
	full      bool      // it was listed in full
	changed   bool      // it was read since takeChanged was last called

	mu    sync.Mutex // guards stale, which the writers set
	stale bool       // an item had vanished: it must be listed in full
}

// newCatalogue makes one for who only looks. What it keeps of another server than the
// one that is synced is forgotten by [Servers.UseServer].
func newCatalogue(e env, plex plexLister, servers Servers) *catalogue {
	return &catalogue{env: e, plex: plex, servers: servers}
}

// systemError is a failure of a request that no single job caused, such as a
// listing: it costs no job an attempt, whatever its class.
type systemError struct{ err error }

func (e *systemError) Error() string { return e.err.Error() }
func (e *systemError) Unwrap() error { return e.err }

// settingError is a setting that only Plex could prove wrong. It stops the drain
// and costs no job anything.
type settingError struct{ text string }

func (e *settingError) Error() string { return e.text }

// meet asks Plex who it is, once. Nothing that is remembered may be believed before.
func (c *catalogue) meet(ctx context.Context) error {
	if c.machine != "" {
		return nil
	}
	machine, version, err := c.plex.Identity(ctx)
	if err != nil {
		return &systemError{&outageError{err}}
	}
	c.log.Debug(fmt.Sprintf("Plex %s", version))
	if c.known, err = c.servers.Server(ctx, machine); err != nil {
		return err
	}
	c.machine, c.version = machine, version
	return nil
}

// memory is what was written to the server, to read; server is all that is known of it.
// Both are nil before it was met.
func (c *catalogue) memory() MemoryReader { return c.known }
func (c *catalogue) server() Known        { return c.known }

func (c *catalogue) machineID() string { return c.machine }

// serverVersion tells the server and its version from others.
func (c *catalogue) serverVersion() string { return c.machine + " " + c.version }

// open asks Plex which libraries it has, once.
func (c *catalogue) open(ctx context.Context) error {
	if err := c.meet(ctx); err != nil || c.libraries != nil {
		return err
	}
	libraries, err := c.choose(ctx)
	if err != nil {
		return err
	}
	if c.prunes {
		keys := make([]string, len(libraries))
		for i, l := range libraries {
			keys[i] = l.Key
		}
		if err := c.known.KeepSections(ctx, keys); err != nil {
			return err
		}
	}
	c.libraries = libraries
	return nil
}

// choose returns the libraries to sync, by the setting plexLibraries.
func (c *catalogue) choose(ctx context.Context) ([]Library, error) {
	all, err := c.plex.Libraries(ctx)
	if err != nil {
		return nil, &systemError{err}
	}
	titles := make([]string, len(all))
	titled := make([]fold.Titled, len(all))
	for i, l := range all {
		titles[i] = fmt.Sprintf("%q", l.Title)
		titled[i] = fold.Titled{Key: l.Key, Title: l.Title}
	}
	has := "it has " + strings.Join(titles, ", ")
	if len(all) == 0 {
		has = "it has none; add one of the type \"Movies\" or \"Other Videos\""
	}
	if len(c.opt.Libraries) == 0 {
		if len(all) == 0 {
			return nil, &settingError{"Plex has no movie library: " + has}
		}
		return all, nil
	}
	indexes, unknown := fold.Choose(c.opt.Libraries, titled)
	for _, name := range unknown {
		c.log.Error(fmt.Sprintf("plexLibraries: Plex has no movie library %q; %s", name, has))
	}
	if len(indexes) == 0 {
		return nil, &settingError{"plexLibraries: Plex has none of the libraries " + strings.Join(c.opt.Libraries, ", ") + "; " + has}
	}
	chosen := make([]Library, len(indexes))
	for i, x := range indexes {
		chosen[i] = all[x]
	}
	return chosen, nil
}

// renew brings the catalogue to the given freshness, each once, and reports whether
// that changed anything.
func (c *catalogue) renew(ctx context.Context, f freshness) (bool, error) {
	if err := c.open(ctx); err != nil {
		return false, err
	}
	c.mu.Lock()
	stale := c.stale
	if f == listedNow {
		c.stale = false
	}
	c.mu.Unlock()
	if f < c.read && !(stale && f == listedNow) {
		return false, nil
	}
	sections, err := c.known.Sections(ctx)
	if err != nil {
		return false, err
	}
	known := map[string]job.Section{}
	for _, s := range sections {
		known[s.Key] = s
	}
	changed := false
	for _, l := range c.libraries {
		s := known[l.Key]
		var since time.Time
		switch {
		case s.Full.IsZero():
		case f == listedOnce:
			continue
		case f == renewed:
			since = s.Since.Add(-sinceOverlap)
		case !old(c.now(), s.Full, fullPause) && !stale:
			continue
		}
		if err := c.list(ctx, l, since); err != nil {
			return changed, err
		}
		changed = true
	}
	c.read = f + 1
	return changed, nil
}

// listAll lists every library in full, whenever that was last done, but once.
func (c *catalogue) listAll(ctx context.Context) error {
	if c.full {
		return nil
	}
	if err := c.open(ctx); err != nil {
		return err
	}
	for _, l := range c.libraries {
		if err := c.list(ctx, l, time.Time{}); err != nil {
			return err
		}
	}
	c.full, c.read = true, listedNow+1
	return nil
}

// listAnew is listAll, but lists again what was listed already.
func (c *catalogue) listAnew(ctx context.Context) error {
	c.full = false
	return c.listAll(ctx)
}

// list reads a library into the index: what changed since then, or all of it.
func (c *catalogue) list(ctx context.Context, l Library, since time.Time) error {
	began := c.now()
	scan, err := c.known.BeginScan(ctx, l.Key, l.Title)
	if err != nil {
		return err
	}
	n := 0
	var stored error
	err = c.plex.List(ctx, l.Key, since, func(parts []job.Part) error {
		for i := range parts {
			p := &parts[i]
			p.Section = l.Key
			p.Name = job.Name{Path: fold.Path(p.Path), Base: fold.Base(p.Path), Parent: fold.Parent(p.Path)}
		}
		n += len(parts)
		stored = c.known.AddParts(ctx, scan, parts)
		return stored
	})
	if stored != nil {
		return stored
	}
	if err != nil {
		return &systemError{err}
	}
	c.log.Debug(fmt.Sprintf("Read %d files of the library %q in %s", n, l.Title, c.now().Sub(began).Round(time.Millisecond)))
	c.changed = true
	return c.known.EndScan(ctx, began, l.Key, scan, since.IsZero())
}

// takeChanged reports whether the catalogue was read since the last call.
func (c *catalogue) takeChanged() bool {
	changed := c.changed
	c.changed = false
	return changed
}

// gone notes that an item which the catalogue has is not in Plex. Safe to call beside
// the other methods.
func (c *catalogue) gone(ctx context.Context, key string) error {
	c.mu.Lock()
	c.stale = true
	c.mu.Unlock()
	return c.known.ForgetItem(ctx, key)
}

func (c *catalogue) candidates(ctx context.Context, files ...job.Lookup) ([]job.Part, bool, error) {
	parts, truncated, err := c.known.Candidates(ctx, files...)
	return c.synced(parts), truncated, err
}

func (c *catalogue) partsOf(ctx context.Context, key string) ([]job.Part, error) {
	parts, err := c.known.PartsOf(ctx, key)
	return c.synced(parts), err
}

// synced are those of the parts whose library is synced, if it is known which are. Who
// only looks leaves the others in the index.
func (c *catalogue) synced(parts []job.Part) []job.Part {
	if c.libraries == nil {
		return parts
	}
	return slices.DeleteFunc(parts, func(p job.Part) bool {
		return !slices.ContainsFunc(c.libraries, func(l Library) bool { return l.Key == p.Section })
	})
}

func (c *catalogue) libraryOf(folder string) string {
	for _, l := range c.libraries {
		if slices.ContainsFunc(l.Folders, func(root string) bool { return match.Within(folder, root) }) {
			return l.Key
		}
	}
	return ""
}

// overdue says how fresh the catalogue should be made for scenes that wait to turn up in
// Plex; false if the last look is recent enough.
func (c *catalogue) overdue(ctx context.Context) (freshness, bool, error) {
	current, err := c.servers.Current(ctx)
	if err != nil {
		return 0, false, err
	}
	sections, err := current.Sections(ctx)
	for _, s := range sections {
		switch {
		case !old(c.now(), s.Since, fullPause):
		case old(c.now(), s.Full, fullEvery):
			return listedNow, true, nil // files that were moved or replaced
		default:
			return renewed, true, nil
		}
	}
	return 0, false, err
}

// fullEvery is how often the libraries are listed in full for scenes that wait to
// turn up.
const fullEvery = 24 * time.Hour
