package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
)

// How fresh the index has to be, from cheap to dear.
const (
	// indexReady: the libraries are known and each was listed at least once.
	indexReady = iota
	// indexRenewed: also what was added or updated since the last look.
	indexRenewed
	// indexFull: listed in full, for files that were replaced or moved: Plex does
	// not count that as an update.
	indexFull
)

// sinceOverlap is how far a renewal reaches back before the last one: Plex's
// times have seconds, and its clock may not be ours.
const sinceOverlap = 10 * time.Minute

// fullPause is how long a full listing is good for. Scenes that are not in Plex
// come back every few minutes, and must not cost a listing each.
const fullPause = 10 * time.Minute

// fullEvery is how often the libraries are listed in full for scenes that wait to
// turn up.
const fullEvery = 24 * time.Hour

// old reports whether t is at least d ago, or in the future: the clock was set back.
func old(now, t time.Time, d time.Duration) bool {
	age := now.Sub(t)
	return age < 0 || age >= d
}

// indexState is what one drain knows of the index.
type indexState struct {
	asked     bool // Plex has answered
	libraries []Library
	level     int
	suggested map[match.Rule]int
}

// learn reads what earlier runs found out about this Plex.
func (d *drain) learn(ctx context.Context) error {
	v, err := d.queue.Meta(ctx, metaDropsSeveral)
	d.dropsSeveral = v == "yes"
	return err
}

// systemError is a failure of a request that no single job caused, such as a
// listing: it costs no job an attempt, whatever its class.
type systemError struct{ err error }

func (e *systemError) Error() string { return e.err.Error() }
func (e *systemError) Unwrap() error { return e.err }

// meet asks Plex who it is and which libraries it has, once a drain, and reports
// whether this was the time.
func (d *drain) meet(ctx context.Context) (bool, error) {
	x := &d.index
	if x.asked {
		return false, nil
	}
	machine, version, err := d.plex.Identity(ctx)
	if err != nil {
		return false, &systemError{err}
	}
	changed, err := d.queue.NewServer(ctx, machine)
	if err != nil {
		return false, err
	}
	if changed {
		d.log.Warn("This is another Plex server than before: its items are looked up anew")
		// What was learnt of the other one need not hold.
		if err := d.queue.SetMeta(ctx, metaDropsSeveral, ""); err != nil {
			return false, err
		}
		d.mu.Lock()
		d.dropsSeveral = false
		d.mu.Unlock()
	}
	d.log.Debug(fmt.Sprintf("Plex %s", version))
	if x.libraries, err = d.libraries(ctx); err != nil {
		return false, err
	}
	keys := make([]string, len(x.libraries))
	for i, l := range x.libraries {
		keys[i] = l.Key
	}
	if err := d.queue.KeepSections(ctx, keys); err != nil {
		return false, err
	}
	x.asked = true
	return true, nil
}

// ensureIndex brings the index to the given freshness, each once a drain, and
// reports whether that changed anything.
func (d *drain) ensureIndex(ctx context.Context, level int) (bool, error) {
	x := &d.index
	d.mu.Lock()
	stale := d.stale
	if level == indexFull {
		d.stale = false
	}
	d.mu.Unlock()
	if level < x.level && !(stale && level == indexFull) {
		return false, nil
	}
	known := map[string]job.Section{}
	sections, err := d.queue.Sections(ctx)
	if err != nil {
		return false, err
	}
	for _, s := range sections {
		known[s.Key] = s
	}
	renewed := false
	for _, l := range x.libraries {
		s := known[l.Key]
		age := d.now().Sub(s.Full)
		var since time.Time
		switch {
		case s.Full.IsZero():
		case level == indexReady:
			continue
		case level == indexRenewed:
			since = s.Since.Add(-sinceOverlap)
		case age >= 0 && age < fullPause && !stale:
			continue
		}
		if err := d.list(ctx, l, since); err != nil {
			return renewed, err
		}
		renewed = true
	}
	x.level = level + 1
	if !renewed {
		return false, nil
	}
	return true, d.turnedUp(ctx)
}

// turnedUp brings scenes back whose files the renewed index has.
func (d *drain) turnedUp(ctx context.Context) error {
	n, err := d.queue.TurnedUp(ctx, d.now())
	if n > 0 {
		d.log.Info(fmt.Sprintf("%s not in Plex before, and may be now", plural(n, "scene was", "scenes were")))
	}
	return err
}

// Await looks whether what Plex lacked has turned up: its jobs are due then. It
// returns ErrRunning while a drain is at work, which does the same. That Plex cannot
// be asked is no error.
func (w *Worker) Await(ctx context.Context) error {
	release, err := w.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	d := &drain{Worker: w}
	if d.breaker, err = w.queue.Breaker(ctx, job.Plex); err != nil {
		return err
	}
	return d.lookForMissing(ctx)
}

// metaScope remembers by which settings scenes were matched.
const metaScope = "match_scope"

// rescope brings the scenes back that could not be matched, if the settings that
// decide about it have changed since: a person who mends a path rule need not click
// as well.
func (d *drain) rescope(ctx context.Context) error {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", d.opt.Rules, d.opt.Libraries))
	scope := hex.EncodeToString(sum[:8])
	before, err := d.queue.Meta(ctx, metaScope)
	if err != nil || before == scope {
		return err
	}
	n := 0
	if before != "" {
		for _, class := range []job.Class{job.ClassNotInPlex, job.ClassAmbiguous} {
			letters, err := d.queue.Revive(ctx, d.now(), job.Which{Class: class})
			if err != nil {
				return err
			}
			jobs, err := d.queue.Wake(ctx, d.now(), class)
			if err != nil {
				return err
			}
			n += letters + jobs
		}
	}
	if n > 0 {
		d.log.Info(fmt.Sprintf("pathRules or plexLibraries have changed: %s looked for again", plural(n, "scene is", "scenes are")))
	}
	return d.queue.SetMeta(ctx, metaScope, scope)
}

// lookForMissing renews the index, once a drain and not more often than every
// fullPause, if scenes wait to turn up in Plex: also dead letters come back so. That
// Plex cannot be asked is no failure here; whoever has a job to do will tell.
func (d *drain) lookForMissing(ctx context.Context) error {
	if d.awaited || !d.breakerNow().Closed() {
		return nil
	}
	d.awaited = true
	awaits, err := d.queue.Awaits(ctx)
	if err != nil || !awaits {
		return err
	}
	sections, err := d.queue.Sections(ctx)
	if err != nil {
		return err
	}
	for _, s := range sections {
		if old(d.now(), s.Since, fullPause) {
			level := indexRenewed
			if old(d.now(), s.Full, fullEvery) {
				level = indexFull // files that were moved or replaced
			}
			_, err := d.meet(ctx)
			if err == nil {
				_, err = d.ensureIndex(ctx, level)
			}
			var system *systemError
			var setting *settingError
			if errors.As(err, &system) || errors.As(err, &setting) {
				d.log.Debug(fmt.Sprintf("Plex could not be asked for what it lacked: %v", err))
				err = nil
			}
			return err
		}
	}
	return nil
}

// libraries returns the libraries to sync, by the setting plexLibraries.
func (d *drain) libraries(ctx context.Context) ([]Library, error) {
	all, err := d.plex.Libraries(ctx)
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
	if len(d.opt.Libraries) == 0 {
		if len(all) == 0 {
			return nil, noLibrary("Plex has no library for movies: " + has)
		}
		return all, nil
	}
	var chosen []Library
	for _, name := range d.opt.Libraries {
		i := slices.IndexFunc(all, func(l Library) bool { return strings.EqualFold(l.Title, name) || l.Key == name })
		if i < 0 {
			d.log.Error(fmt.Sprintf("plexLibraries: Plex has no movie library %q; %s", name, has))
			continue
		}
		if !slices.ContainsFunc(chosen, func(l Library) bool { return l.Key == all[i].Key }) {
			chosen = append(chosen, all[i])
		}
	}
	if len(chosen) == 0 {
		return nil, noLibrary("plexLibraries: Plex has none of the libraries " + strings.Join(d.opt.Libraries, ", ") + "; " + has)
	}
	return chosen, nil
}

// noLibrary pauses the queue: no job is at fault.
func noLibrary(text string) error { return &settingError{text} }

// settingError is a setting that only Plex could prove wrong. It stops the drain
// and costs no job anything.
type settingError struct{ text string }

func (e *settingError) Error() string { return e.text }

// list reads a library into the index: what changed since then, or all of it.
func (d *drain) list(ctx context.Context, l Library, since time.Time) error {
	began := d.now()
	scan, err := d.queue.BeginScan(ctx, l.Key, l.Title)
	if err != nil {
		return err
	}
	n := 0
	var stored error
	err = d.plex.List(ctx, l.Key, since, func(parts []job.Part) error {
		for i := range parts {
			p := &parts[i]
			p.Section = l.Key
			p.Name = job.Name{Path: match.PathKey(p.Path), Base: match.BaseKey(p.Path), Parent: match.ParentKey(p.Path)}
		}
		n += len(parts)
		stored = d.queue.AddParts(ctx, scan, parts)
		return stored
	})
	if stored != nil {
		return stored
	}
	if err != nil {
		return &systemError{err}
	}
	d.log.Debug(fmt.Sprintf("Read %d files of the library %q in %s", n, l.Title, d.now().Sub(began).Round(time.Millisecond)))
	return d.queue.EndScan(ctx, began, l.Key, scan, since.IsZero())
}

// suggest counts the path rule that would explain a match by name, and proposes it
// once it has explained several.
func (d *drain) suggest(r match.Result) {
	if r.Suggest == nil {
		return
	}
	if d.index.suggested == nil {
		d.index.suggested = map[match.Rule]int{}
	}
	d.index.suggested[*r.Suggest]++
	if d.index.suggested[*r.Suggest] == 3 {
		d.log.Warn(fmt.Sprintf("Scenes are found in Plex by name only. Set pathRules to \"%s => %s\", so that the path decides",
			d.opt.Hide(r.Suggest.From), d.opt.Hide(r.Suggest.To)))
	}
}
