package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

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
	plex  plexLister
	index Index
	notes Notes

	met       bool // Plex has answered
	libraries []Library
	read      freshness // has been seen to, one more than the value
	// changed: it was read since takeChanged was last called.
	changed bool
	// newServer: it is another server than the last time.
	newServer bool

	mu    sync.Mutex // guards stale, which the writers set
	stale bool       // an item had vanished: it must be listed in full
}

func newCatalogue(e env, plex plexLister, index Index, notes Notes) *catalogue {
	return &catalogue{env: e, plex: plex, index: index, notes: notes}
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

// meet asks Plex who it is and which libraries it has, once, and reports whether this
// was the time.
func (c *catalogue) meet(ctx context.Context) (bool, error) {
	if c.met {
		return false, nil
	}
	machine, version, err := c.plex.Identity(ctx)
	if err != nil {
		return false, &systemError{err}
	}
	changed, err := c.index.NewServer(ctx, machine)
	if err != nil {
		return false, err
	}
	if changed {
		c.log.Warn("This is another Plex server than before: its items are looked up anew")
		c.newServer = true
		// What was learnt of the other one need not hold.
		if err := c.notes.SetMeta(ctx, metaDropsSeveral, ""); err != nil {
			return false, err
		}
	}
	c.log.Debug(fmt.Sprintf("Plex %s", version))
	if c.libraries, err = c.choose(ctx); err != nil {
		return false, err
	}
	keys := make([]string, len(c.libraries))
	for i, l := range c.libraries {
		keys[i] = l.Key
	}
	if err := c.index.KeepSections(ctx, keys); err != nil {
		return false, err
	}
	c.met = true
	return true, nil
}

// choose returns the libraries to sync, by the setting plexLibraries.
func (c *catalogue) choose(ctx context.Context) ([]Library, error) {
	all, err := c.plex.Libraries(ctx)
	if err != nil {
		return nil, &systemError{err}
	}
	var titles []string
	for _, l := range all {
		titles = append(titles, fmt.Sprintf("%q", l.Title))
	}
	has := "it has " + strings.Join(titles, ", ")
	if len(all) == 0 {
		has = "it has none; add one of the type \"Movies\" or \"Other Videos\""
	}
	if len(c.opt.Libraries) == 0 {
		if len(all) == 0 {
			return nil, &settingError{"Plex has no library for movies: " + has}
		}
		return all, nil
	}
	var chosen []Library
	for _, name := range c.opt.Libraries {
		i := slices.IndexFunc(all, func(l Library) bool { return strings.EqualFold(l.Title, name) || l.Key == name })
		if i < 0 {
			c.log.Error(fmt.Sprintf("plexLibraries: Plex has no movie library %q; %s", name, has))
			continue
		}
		if !slices.ContainsFunc(chosen, func(l Library) bool { return l.Key == all[i].Key }) {
			chosen = append(chosen, all[i])
		}
	}
	if len(chosen) == 0 {
		return nil, &settingError{"plexLibraries: Plex has none of the libraries " + strings.Join(c.opt.Libraries, ", ") + "; " + has}
	}
	return chosen, nil
}

// renew brings the catalogue to the given freshness, each once, and reports whether
// that changed anything. meet comes before.
func (c *catalogue) renew(ctx context.Context, f freshness) (bool, error) {
	c.mu.Lock()
	stale := c.stale
	if f == listedNow {
		c.stale = false
	}
	c.mu.Unlock()
	if f < c.read && !(stale && f == listedNow) {
		return false, nil
	}
	sections, err := c.index.Sections(ctx)
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

// listAll lists every library in full.
func (c *catalogue) listAll(ctx context.Context) error {
	for _, l := range c.libraries {
		if err := c.list(ctx, l, time.Time{}); err != nil {
			return err
		}
	}
	c.read = listedNow + 1
	return nil
}

// list reads a library into the index: what changed since then, or all of it.
func (c *catalogue) list(ctx context.Context, l Library, since time.Time) error {
	began := c.now()
	scan, err := c.index.BeginScan(ctx, l.Key, l.Title)
	if err != nil {
		return err
	}
	n := 0
	var stored error
	err = c.plex.List(ctx, l.Key, since, func(parts []job.Part) error {
		for i := range parts {
			p := &parts[i]
			p.Section = l.Key
			p.Name = job.Name{Path: match.PathKey(p.Path), Base: match.BaseKey(p.Path), Parent: match.ParentKey(p.Path)}
		}
		n += len(parts)
		stored = c.index.AddParts(ctx, scan, parts)
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
	return c.index.EndScan(ctx, began, l.Key, scan, since.IsZero())
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
	return c.index.ForgetItem(ctx, key)
}

func (c *catalogue) candidates(ctx context.Context, files ...job.Lookup) ([]job.Part, bool, error) {
	return c.index.Candidates(ctx, files...)
}

func (c *catalogue) partsOf(ctx context.Context, key string) ([]job.Part, error) {
	return c.index.PartsOf(ctx, key)
}

func (c *catalogue) libraryOf(folder string) string {
	for _, l := range c.libraries {
		if slices.ContainsFunc(l.Folders, func(root string) bool { return match.Within(folder, root) }) {
			return l.Key
		}
	}
	return ""
}

// renewFor renews the catalogue for scenes that wait to turn up in Plex, if the last
// look is a while ago. That Plex cannot be asked is no failure here; whoever has a job
// to do will tell.
func (c *catalogue) renewFor(ctx context.Context) error {
	sections, err := c.index.Sections(ctx)
	if err != nil {
		return err
	}
	for _, s := range sections {
		if !old(c.now(), s.Since, fullPause) {
			continue
		}
		f := renewed
		if old(c.now(), s.Full, fullEvery) {
			f = listedNow // files that were moved or replaced
		}
		_, err := c.meet(ctx)
		if err == nil {
			_, err = c.renew(ctx, f)
		}
		var system *systemError
		var setting *settingError
		if errors.As(err, &system) || errors.As(err, &setting) {
			c.log.Debug(fmt.Sprintf("Plex could not be asked for what it lacked: %v", err))
			err = nil
		}
		return err
	}
	return nil
}

// fullEvery is how often the libraries are listed in full for scenes that wait to
// turn up.
const fullEvery = 24 * time.Hour
