package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
)

// attempt is one try at a job on its way through the stages. Each stage owns it
// in turn.
type attempt struct {
	job   job.Job
	scene *Scene    // nil until Stash has answered
	at    time.Time // when Stash was asked for the scene
	// err and verdict end the attempt early: whoever sets one is the last to do
	// work on it.
	err     error
	verdict job.Verdict

	wanted  merge.Wanted
	hash    string
	found   match.Result
	parts   []job.Part // the candidates that found was made from
	targets []*target
	notes   []string // what was left out, for the log
	asked   bool     // Plex has answered for this attempt

	cover *Cover

	queue  []job.Subject
	pushed []job.Pushed
	forget []string
}

// over reports whether the attempt's end is known.
func (a *attempt) over() bool { return a.err != nil || a.verdict != "" }

// target is one item that the scene belongs in.
type target struct {
	hit  match.Hit
	old  job.Pushed // what is known of the item; Key "" if nothing
	item *Item      // as read in full; nil until then
	// base is what the merge starts from, next what holds after edit.
	base, next merge.Base
	edit       merge.Edit
	looksAt    bool // the cover has to be looked at
}

// protect runs fn and turns a panic into the attempt's internal error, with its
// stack. An attempt that is over already is left alone.
func (d *drain) protect(a *attempt, fn func()) {
	if a.over() {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			a.err = &job.Error{Class: job.ClassInternal, Op: "work on " + a.job.Subject.String(),
				Err: fmt.Errorf("panic: %v\n%s", r, debug.Stack())}
		}
	}()
	fn()
}

// prepare brings leased jobs to the point where only writing is left: scenes
// asked, items found and read, edits merged, intents stored.
func (d *drain) prepare(ctx context.Context, jobs []job.Job) []*attempt {
	all := make([]*attempt, len(jobs))
	var scenes []*attempt
	for i, j := range jobs {
		a := &attempt{job: j, at: d.now()}
		all[i] = a
		if j.Subject.Kind == job.KindScene {
			scenes = append(scenes, a)
			continue
		}
		d.protect(a, func() { d.fanOut(ctx, a) })
	}
	d.stages(ctx, scenes, d.askStash, d.lookAtCatalogue, d.find, d.readItems, d.mergeAll)
	return all
}

// stages hands the attempts that are not over to one stage after the other. A panic
// fails those that were in the stage.
func (d *drain) stages(ctx context.Context, scenes []*attempt, stages ...func(context.Context, []*attempt)) {
	for _, stage := range stages {
		open := slices.DeleteFunc(slices.Clone(scenes), (*attempt).over)
		if len(open) == 0 {
			break
		}
		func() {
			defer func() {
				if r := recover(); r != nil {
					failAll(open, &job.Error{Class: job.ClassInternal, Op: "prepare scenes", Err: fmt.Errorf("panic: %v\n%s", r, debug.Stack())})
				}
			}()
			stage(ctx, open)
		}()
	}
}

func failAll(all []*attempt, err error) {
	for _, a := range all {
		if !a.over() {
			a.err = err
		}
	}
}

// fanOut queues the scenes that show a performer, studio, tag or group: those
// that Stash names, and those that showed it when we last wrote, for a subject
// that is gone.
func (d *drain) fanOut(ctx context.Context, a *attempt) {
	ids := map[int64]bool{}
	err := d.stash.SceneIDs(ctx, a.job.Subject, func(page []int64) error {
		for _, id := range page {
			ids[id] = true
		}
		return ctx.Err()
	})
	if err != nil {
		a.err = err
		return
	}
	if a.job.Subject.Kind != job.KindLibrary {
		shown, err := d.queue.Showing(ctx, a.job.Subject)
		if err != nil {
			a.err = err
			return
		}
		for _, id := range shown {
			ids[id] = true
		}
	}
	for id := range ids {
		a.queue = append(a.queue, job.Scene(id))
	}
	slices.SortFunc(a.queue, func(x, y job.Subject) int { return int(x.ID - y.ID) })
	a.verdict = job.Done
	if len(a.queue) == 0 {
		a.verdict = job.Unchanged
	}
	d.log.Debug(fmt.Sprintf("%s: queued its %d scenes", a.job.Subject, len(a.queue)))
}

// askStash fetches the batch's scenes and ends the attempts at those that are
// gone, have nothing to sync, or are excluded.
func (d *drain) askStash(ctx context.Context, all []*attempt) {
	ids := make([]int64, len(all))
	byID := map[int64]*attempt{}
	for i, a := range all {
		ids[i] = a.job.Subject.ID
		byID[ids[i]] = a
	}
	found, missing, err := d.stash.Scenes(ctx, ids)
	if err != nil {
		failAll(all, err)
		return
	}
	for i := range found {
		if a := byID[found[i].ID]; a != nil {
			a.scene = &found[i]
		}
	}
	for _, id := range missing {
		if a := byID[id]; a != nil {
			d.protect(a, func() { d.gone(ctx, a) })
		}
	}
	for _, a := range all {
		switch {
		case a.over():
		case a.scene == nil:
			a.err = &job.Error{Class: job.ClassStashUnreachable, Op: "ask Stash for " + a.job.Subject.String(),
				Err: errors.New("the answer left it out")}
		default:
			if why := d.skip(a.scene); why != "" {
				a.verdict = job.Unchanged
				level := slog.LevelDebug
				if len(a.scene.Files) == 0 {
					level = slog.LevelInfo // nobody asked for that
				}
				d.log.Log(ctx, level, fmt.Sprintf("%s %s", a.job.Subject, why))
			}
		}
	}
}

// skip says why a scene changes nothing in Plex; "" if it may.
func (w *Worker) skip(s *Scene) string {
	switch {
	case len(s.Files) == 0:
		return "has no file in Stash, so nothing can be synced; scan its folder or assign a file to it"
	case w.opt.OnlyOrganized && !s.Organized:
		return "is not organized, and onlyOrganized is on"
	case s.Meta.Empty():
		return "has no metadata yet, which changes nothing in Plex"
	}
	for _, t := range s.Meta.Tags {
		for _, p := range w.exclude {
			if p.matches(t) {
				return fmt.Sprintf("has the tag %q, which excludeTags names", w.opt.Hide(t.Name))
			}
		}
	}
	return ""
}

// gone ends the job of a scene that Stash no longer has. An item that the scene
// had, and whose file another scene has now (a merge of scenes tells no hook),
// passes to that scene with its base.
func (d *drain) gone(ctx context.Context, a *attempt) {
	rows, err := d.queue.PushedOfScenes(ctx, a.job.Subject.ID)
	if err != nil {
		a.err = err
		return
	}
	inherited := map[string]bool{}
	for _, p := range rows {
		heir, err := d.ownerOf(ctx, p.Path)
		if err != nil {
			a.err = err
			return
		}
		if heir == 0 || heir == a.job.Subject.ID {
			continue
		}
		inherited[p.Key] = true
		p.Scene, p.WantedHash = heir, ""
		a.pushed = append(a.pushed, p)
		a.queue = append(a.queue, job.Scene(heir))
	}
	if !d.dry {
		rows = slices.DeleteFunc(rows, func(p job.Pushed) bool { return inherited[p.Key] })
		if a.err = d.release(ctx, rows); a.err != nil {
			return
		}
	}
	a.verdict = job.Gone
	if d.dry {
		return
	}
	d.log.Info(fmt.Sprintf("%s is no longer in Stash: it is forgotten here, and what Plex shows stays", a.job.Subject))
}

// ownerOf returns the scene that has a file at a path as Plex sees it, 0 if none
// has.
func (d *drain) ownerOf(ctx context.Context, plexPath string) (int64, error) {
	base := plexPath[strings.LastIndexAny(plexPath, `/\`)+1:]
	if base == "" {
		return 0, nil
	}
	scenes, err := d.stash.ScenesByBasename(ctx, base)
	if err != nil {
		return 0, err
	}
	for _, s := range scenes {
		if d.holds(s, plexPath) {
			return s.ID, nil
		}
	}
	return 0, nil
}

// holds reports whether the scene has a file at a path as Plex sees it.
func (w *Worker) holds(s Scene, plexPath string) bool {
	want := match.PathKey(plexPath)
	return slices.ContainsFunc(s.Files, func(f match.File) bool {
		mapped, _ := w.opt.Rules.Map(f.Path)
		return match.PathKey(mapped) == want
	})
}

// lookAtCatalogue computes the wanted states and ends the attempts at scenes whose
// items have it already: those cost Plex no request.
func (d *drain) lookAtCatalogue(ctx context.Context, all []*attempt) {
	for _, a := range all {
		a.wanted = merge.Want(a.scene.Meta, d.opt.Merge)
		a.hash = d.wantedHash(a.wanted)
		a.notes = append(a.notes, a.wanted.Cut...)
	}
	known := d.matchAll(ctx, all)
	for _, a := range all {
		if rows := known[a.scene.ID]; !a.over() && !d.dry && d.asPushed(a, rows) {
			d.protect(a, func() { d.coverAsPushed(ctx, a, shown(a, rows)) })
		}
	}
}

// matchAll looks the scenes of all open attempts up in the index, and returns what
// was pushed for each scene.
func (d *drain) matchAll(ctx context.Context, all []*attempt) map[int64][]job.Pushed {
	ids := make([]int64, len(all))
	for i, a := range all {
		ids[i] = a.scene.ID
	}
	rows, err := d.queue.PushedOfScenes(ctx, ids...)
	if err != nil {
		failAll(all, err)
		return nil
	}
	known := map[int64][]job.Pushed{}
	for _, p := range rows {
		known[p.Scene] = append(known[p.Scene], p)
	}
	for _, a := range all {
		if a.over() {
			continue
		}
		var err error
		if a.found, a.parts, err = d.match(ctx, a.scene, known[a.scene.ID]); err != nil {
			a.err = err
		}
	}
	return known
}

// shown are those of a scene's states whose items it has now. (The others' have gone
// from Plex.)
func shown(a *attempt, rows []job.Pushed) []job.Pushed {
	if len(a.found.Hits) == 0 {
		return rows
	}
	return slices.DeleteFunc(slices.Clone(rows), func(p job.Pushed) bool {
		return !slices.ContainsFunc(a.found.Hits, func(h match.Hit) bool { return h.Key == p.Key })
	})
}

// coverAsPushed ends the attempt at a scene whose items are as we left them,
// unless its cover turns out to be another. Only Stash is asked.
func (d *drain) coverAsPushed(ctx context.Context, a *attempt, known []job.Pushed) {
	etag, looks := known[0].PosterETag, false
	for _, p := range known {
		looks = looks || d.looksAtCover(a.scene, p)
		if p.PosterETag != etag || !d.hasPictures(p) {
			etag = ""
		}
	}
	if looks {
		// The bytes are not kept: a batch of them would be large. Should they be
		// new, the cover is fetched again when it is written.
		c, err := d.stash.Cover(ctx, a.scene.CoverURL, etag)
		if err != nil {
			return // told when it is fetched to be written
		}
		for _, p := range known {
			if !c.NotModified && !c.Placeholder && !d.hasPicture(p, sha1Hex(c.Bytes)) {
				return
			}
			if !c.Placeholder {
				p.PosterAt, p.PosterETag = a.scene.Updated, cmp.Or(c.ETag, p.PosterETag)
				a.pushed = append(a.pushed, p)
			}
		}
	}
	a.verdict = job.Unchanged
}

// hasPictures reports whether an item has from us every picture that it should,
// so that an unmodified cover needs nothing.
func (w *Worker) hasPictures(p job.Pushed) bool {
	return (!w.opt.Poster || p.PosterHash != "") && (!w.opt.Background || p.ArtHash != "")
}

// hasPicture reports whether these are the pictures that the item has from us.
func (w *Worker) hasPicture(p job.Pushed, hash string) bool {
	return (!w.opt.Poster || p.PosterHash == hash) && (!w.opt.Background || p.ArtHash == hash)
}

// wantedHash is the hash of everything that makes us look at an item again.
func (w *Worker) wantedHash(want merge.Wanted) string {
	return want.Hash() + strconv.FormatBool(w.opt.Poster)[:1] + strconv.FormatBool(w.opt.Background)[:1]
}

// asPushed reports whether every item of the scene is as we last wrote it, pictures
// apart, as far as can be told without asking Plex.
func (d *drain) asPushed(a *attempt, known []job.Pushed) bool {
	if len(known) == 0 {
		return false
	}
	if len(a.found.Hits) == 0 {
		// The index does not know the path, perhaps because it was never read. The
		// item is where we left it as long as the file is.
		for _, p := range known {
			if !d.current(a, p) || !d.holds(*a.scene, p.Path) {
				return false
			}
		}
		return len(a.found.Ambiguous) == 0
	}
	for _, h := range a.found.Hits {
		i := slices.IndexFunc(known, func(p job.Pushed) bool { return p.Key == h.Key })
		if i < 0 || !d.current(a, known[i]) {
			return false
		}
	}
	return true
}

// current reports whether the item has the scene's wanted state, as far as we know.
func (w *Worker) current(a *attempt, p job.Pushed) bool {
	return p.WantedHash == a.hash && len(p.Intent) == 0
}

// looksAtCover reports whether the scene's cover may differ from the poster that
// Plex has from us.
func (w *Worker) looksAtCover(s *Scene, p job.Pushed) bool {
	return (w.opt.Poster || w.opt.Background) && s.CoverURL != "" && !p.PosterAt.Equal(s.Updated)
}

// lookups are the scene's files as the index is asked for them.
func (w *Worker) lookups(s *Scene) []job.Lookup {
	lookups := make([]job.Lookup, len(s.Files))
	for i, f := range s.Files {
		mapped, _ := w.opt.Rules.Map(f.Path)
		lookups[i] = job.Lookup{
			Mapped: match.PathKey(mapped),
			Name:   job.Name{Base: match.BaseKey(f.Path), Parent: match.ParentKey(f.Path)},
			Size:   f.Size,
		}
	}
	return lookups
}

// match looks the scene's files up in the index.
func (d *drain) match(ctx context.Context, s *Scene, known []job.Pushed) (match.Result, []job.Part, error) {
	parts, truncated, err := d.queue.Candidates(ctx, d.lookups(s)...)
	if err != nil {
		return match.Result{}, nil, err
	}
	in := match.Input{Files: s.Files, Rules: d.opt.Rules, Truncated: truncated}
	for _, p := range known {
		in.PushedKeys = append(in.PushedKeys, p.Key)
	}
	for _, p := range parts {
		in.Parts = append(in.Parts, match.Part{Key: p.Key, Section: p.Section, Index: p.Index, Path: p.Path, Size: p.Size, Duration: p.Duration})
	}
	return match.Match(in), parts, nil
}

// find makes sure that every scene has been looked up in an index that is fresh
// enough, and decides which of its items are its own.
func (d *drain) find(ctx context.Context, all []*attempt) {
	// Whatever was matched before Plex said who it is may be another server's.
	first, err := d.meet(ctx)
	if err != nil {
		failAll(all, err)
		return
	}
	if first {
		d.matchAll(ctx, all)
	}
	for level := indexReady; level <= indexFull; level++ {
		open := slices.DeleteFunc(slices.Clone(all), func(a *attempt) bool { return a.over() || len(a.found.Hits) > 0 })
		if level > indexReady && len(open) == 0 {
			break
		}
		renewed, err := d.ensureIndex(ctx, level)
		if err != nil {
			failAll(all, err)
			return
		}
		if renewed {
			d.matchAll(ctx, open)
		}
	}
	for _, a := range all {
		if a.over() {
			continue
		}
		a.asked = true
		if len(a.found.Hits) == 0 {
			a.err = d.notFound(a)
			if d.opt.ScanPlex && !d.dry && len(a.found.Ambiguous) == 0 {
				d.scanFor(ctx, a.scene)
			}
			continue
		}
		d.suggest(a.found)
		d.protect(a, func() { d.choose(ctx, a) })
	}
}

// notFound is the error of a scene without an item.
func (d *drain) notFound(a *attempt) error {
	file := a.scene.Files[0].Path
	op := "find " + a.job.Subject.String()
	if n := len(a.found.Ambiguous); n > 0 {
		var names []string
		for _, p := range a.found.Ambiguous[:min(n, 5)] {
			names = append(names, fmt.Sprintf("item %s (%s)", p.Key, d.opt.Hide(p.Path)))
		}
		if n > 5 {
			names = append(names, fmt.Sprintf("and %d more", n-5))
		}
		return &job.Error{Class: job.ClassAmbiguous, Op: op,
			Err:  fmt.Errorf("%s fits %d items equally: %s", d.opt.Hide(file), n, strings.Join(names, ", ")),
			Hint: "Add a path rule in the setting pathRules, so that the path decides"}
	}
	mapped, rule := d.opt.Rules.Map(file)
	by := "no path rule applies"
	if rule != nil {
		by = fmt.Sprintf("by the path rule %s => %s", d.opt.Hide(rule.From), d.opt.Hide(rule.To))
	}
	return &job.Error{Class: job.ClassNotInPlex, Op: op,
		Err:  fmt.Errorf("Plex has no item with %s (%s)", d.opt.Hide(mapped), by),
		Hint: "It is tried again; if Plex shows the file under another path, set pathRules"}
}

// choose keeps those of the scene's items that are its own: an item that holds
// files of two scenes belongs to the scene of its first part.
func (d *drain) choose(ctx context.Context, a *attempt) {
	var foreign []string
	for _, h := range a.found.Hits {
		owner := a.scene.ID
		if h.Part.Index > 0 {
			var err error
			if owner, err = d.firstOwner(ctx, a.scene, h); err != nil {
				a.err = err
				return
			}
		}
		if owner != a.scene.ID {
			foreign = append(foreign, fmt.Sprintf("item %s belongs to scene %d, whose file is its first part", h.Key, owner))
			continue
		}
		a.targets = append(a.targets, &target{hit: h})
	}
	if len(foreign) > 0 {
		d.log.Warn(fmt.Sprintf("%s: %s. Two scenes never write one item: split it in Plex, or merge the scenes in Stash", a.job.Subject, strings.Join(foreign, "; ")))
	}
	if len(a.targets) == 0 {
		a.verdict = job.Unchanged
	}
}

// firstOwner returns the scene of the first part of h's item that any scene has,
// looking only at the parts before h's.
func (d *drain) firstOwner(ctx context.Context, s *Scene, h match.Hit) (int64, error) {
	parts, err := d.queue.PartsOf(ctx, h.Key)
	if err != nil {
		return 0, err
	}
	for _, p := range parts {
		if p.Index >= h.Part.Index {
			break
		}
		if d.holds(*s, p.Path) {
			return s.ID, nil
		}
		if owner, err := d.ownerOf(ctx, p.Path); err != nil || owner != 0 {
			return owner, err
		}
	}
	return s.ID, nil
}

// readItems reads the targets in full, with what is known of them.
func (d *drain) readItems(ctx context.Context, all []*attempt) {
	var keys, paths []string
	var scenes []int64
	for _, a := range all {
		scenes = append(scenes, a.scene.ID)
		for _, t := range a.targets {
			keys = append(keys, t.hit.Key)
			paths = append(paths, t.hit.Part.Path)
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	known, err := d.knownBases(ctx, keys, paths, scenes)
	if err != nil {
		failAll(all, err)
		return
	}
	if err := d.bury(ctx, all, known); err != nil {
		failAll(all, err)
		return
	}
	for _, a := range all {
		for _, t := range a.targets {
			var stale []string
			t.old, stale = known.of(t.hit, a.scene.ID)
			a.forget = append(a.forget, stale...)
		}
	}
	items := map[string]*Item{}
	errs := map[string]error{}
	for chunk := range slices.Chunk(keys, batchSize) {
		d.read(ctx, chunk, items, errs)
	}
	for _, a := range all {
		for _, t := range a.targets {
			item, err := items[t.hit.Key], errs[t.hit.Key]
			switch {
			case err != nil:
				a.err = err
			case item == nil:
				a.err = d.vanished(ctx, a, t.hit.Key)
			default:
				t.item = item
				t.looksAt = d.looksAtCover(a.scene, t.old) || d.putsBack(t)
				a.asked = true
			}
		}
	}
}

// putsBack reports whether the poster that we set is to be set again, because the
// item shows another.
func (d *drain) putsBack(t *target) bool {
	return t.old.Key == t.hit.Key && !d.opt.Merge.KeepPlexEdits && d.posterMoved(t.old, t.item)
}

// read reads up to a batch of items. If Plex chokes on them together, it is asked
// for each alone, so that one poisonous item costs only itself.
func (d *drain) read(ctx context.Context, keys []string, items map[string]*Item, errs map[string]error) {
	found, err := d.plex.Items(ctx, keys)
	if err != nil && len(keys) > 1 {
		if err = d.confirm(ctx, err); job.ClassOf(err) == job.ClassBusy || job.ClassOf(err) == job.ClassRejected {
			for _, k := range keys {
				if d.stopReason() != "" || ctx.Err() != nil {
					errs[k] = err
					continue
				}
				d.read(ctx, []string{k}, items, errs)
			}
			return
		}
	}
	for _, k := range keys {
		if err != nil {
			errs[k] = err
		}
	}
	for i := range found {
		items[found[i].Key] = &found[i]
	}
}

// vanished is the error of an item that the index has and Plex has not. The first
// time, the job comes back at once and is looked up anew; the second, Plex
// contradicts itself.
func (d *drain) vanished(ctx context.Context, a *attempt, key string) error {
	d.mu.Lock()
	again := d.relooked[a.scene.ID]
	d.relooked[a.scene.ID], d.stale = true, true
	d.mu.Unlock()
	if again {
		return &job.Error{Class: job.ClassRejected, Op: "edit item " + key, Status: 404,
			Hint: "Plex lists this item but does not find it: run \"Optimize Database\" or \"Empty Trash\" in Plex"}
	}
	if err := d.queue.ForgetItem(ctx, key); err != nil {
		return err
	}
	return errLookAgain
}

// errLookAgain ends an attempt whose item has gone; the job is due at once.
var errLookAgain = errors.New("the item is no longer in Plex under its old key, looking it up anew")

// bases are the pushed states that may belong to the items of a batch.
type bases struct {
	byKey   map[string]job.Pushed
	byPath  map[string][]job.Pushed
	byScene map[int64][]job.Pushed
	// live are the rating keys, of all these, that the index still has: their
	// states are theirs and cannot pass to another item.
	live map[string]bool
}

func (d *drain) knownBases(ctx context.Context, keys, paths []string, scenes []int64) (bases, error) {
	b := bases{byKey: map[string]job.Pushed{}, byPath: map[string][]job.Pushed{}, byScene: map[int64][]job.Pushed{}, live: map[string]bool{}}
	byKey, err := d.queue.PushedOfKeys(ctx, keys...)
	if err != nil {
		return b, err
	}
	byPath, err := d.queue.PushedOfPaths(ctx, paths...)
	if err != nil {
		return b, err
	}
	byScene, err := d.queue.PushedOfScenes(ctx, scenes...)
	if err != nil {
		return b, err
	}
	for _, p := range byKey {
		b.byKey[p.Key] = p
	}
	for _, p := range byPath {
		b.byPath[p.Path] = append(b.byPath[p.Path], p)
	}
	for _, p := range byScene {
		b.byScene[p.Scene] = append(b.byScene[p.Scene], p)
	}
	for _, p := range slices.Concat(byPath, byScene) {
		if _, ok := b.live[p.Key]; ok {
			continue
		}
		parts, err := d.queue.PartsOf(ctx, p.Key)
		if err != nil {
			return b, err
		}
		b.live[p.Key] = len(parts) > 0
	}
	return b, nil
}

// bury finds out which items are gone from Plex although the index still has them: a
// renewal of the index shows what is new, not what has gone. It matters where a scene
// has an item that was never written and a state of another: if that item is gone, the
// state passes to the new one.
func (d *drain) bury(ctx context.Context, all []*attempt, known bases) error {
	var suspects []string
	for _, a := range all {
		for _, t := range a.targets {
			if _, ok := known.byKey[t.hit.Key]; ok {
				continue
			}
			for _, p := range slices.Concat(known.byScene[a.scene.ID], known.byPath[t.hit.Part.Path]) {
				hit := slices.ContainsFunc(a.found.Hits, func(h match.Hit) bool { return h.Key == p.Key })
				if known.live[p.Key] && !hit && !slices.Contains(suspects, p.Key) {
					suspects = append(suspects, p.Key)
				}
			}
		}
	}
	items, errs := map[string]*Item{}, map[string]error{}
	for chunk := range slices.Chunk(suspects, batchSize) {
		d.read(ctx, chunk, items, errs)
	}
	for _, key := range suspects {
		if items[key] != nil || errs[key] != nil {
			continue
		}
		if err := d.queue.ForgetItem(ctx, key); err != nil {
			return err
		}
		known.live[key] = false
	}
	return nil
}

// of returns the state that belongs to an item: by its rating key, whichever scene
// wrote it, then by its path, then by its scene, where the old item is gone; of
// several, the newest. stale are the states of keys that are gone and of which the
// item at this path, or the scene's, has a newer one: a drain that was killed between
// two keys leaves them.
func (b bases) of(h match.Hit, scene int64) (p job.Pushed, stale []string) {
	p, found := b.byKey[h.Key]
	for _, candidates := range [][]job.Pushed{b.byPath[h.Part.Path], b.byScene[scene]} {
		candidates = slices.DeleteFunc(slices.Clone(candidates), func(c job.Pushed) bool {
			return c.Key == h.Key || b.live[c.Key] || c.Section != h.Section && c.Path != h.Part.Path
		})
		slices.SortStableFunc(candidates, func(x, y job.Pushed) int { return y.At.Compare(x.At) })
		for _, c := range candidates {
			switch {
			case !found:
				p, found = c, true
			case c.Path == h.Part.Path && c.Key != p.Key:
				stale = append(stale, c.Key)
			}
		}
	}
	return p, stale
}

// mergeAll computes the edits and stores what the bases will be after them, so
// that a process killed in the middle of a write does not take our own values for
// a person's.
func (d *drain) mergeAll(ctx context.Context, all []*attempt) {
	var intents []job.Pushed
	for _, a := range all {
		for _, t := range a.targets {
			var base, intent merge.Base
			if err := decodeBase(t.old, &base, &intent); err != nil {
				// Only the memory is lost, not the item: as if never written.
				d.log.Warn(fmt.Sprintf("item %s: its stored state cannot be read and is begun anew: %v", t.hit.Key, err))
				base, intent = merge.Base{}, merge.Base{}
			}
			t.base = base
			if len(t.old.Intent) > 0 {
				t.base = merge.Recover(base, intent, t.item.State)
			}
			t.edit, t.next = merge.Merge(t.base, a.wanted, t.item.State, d.opt.Merge)
			if t.edit.Empty() {
				continue
			}
			p, err := d.record(a, t, t.base, &t.next)
			if err != nil {
				a.err = err
				break
			}
			intents = append(intents, p)
		}
	}
	if len(intents) == 0 || d.dry {
		return
	}
	if err := d.queue.SavePushed(ctx, intents...); err != nil {
		failAll(all, err)
	}
}

func decodeBase(p job.Pushed, base, intent *merge.Base) error {
	if len(p.Base) > 0 {
		if err := json.Unmarshal(p.Base, base); err != nil {
			return err
		}
	}
	if len(p.Intent) > 0 {
		return json.Unmarshal(p.Intent, intent)
	}
	return nil
}

// record is the pushed state of t's item: with intent while it is being written,
// and afterwards, without one, as brought to the wanted state.
func (d *drain) record(a *attempt, t *target, base merge.Base, intent *merge.Base) (job.Pushed, error) {
	p := t.old
	if p.Key != t.hit.Key && p.Key != "" {
		// The pictures were the old item's.
		p.PosterHash, p.PosterETag, p.ArtHash, p.Thumb, p.PosterAt = "", "", "", "", time.Time{}
	}
	p.Key, p.Section, p.Path, p.Scene = t.hit.Key, t.hit.Section, t.hit.Part.Path, a.scene.ID
	p.Refs, p.At, p.Seen = refs(a.scene.Meta), a.at, ""
	var err error
	if p.Base, err = json.Marshal(base); err != nil {
		return p, err
	}
	if intent != nil {
		p.WantedHash = ""
		p.Intent, err = json.Marshal(intent)
		return p, err
	}
	p.WantedHash, p.Intent = a.hash, nil
	return p, nil
}

// refs lists the objects that a scene shows.
func refs(s merge.Scene) []job.Subject {
	var all []job.Subject
	for _, p := range s.Performers {
		all = append(all, job.Subject{Kind: job.KindPerformer, ID: p.ID})
	}
	for st, depth := s.Studio, 0; st != nil && depth < 10; st, depth = st.Parent, depth+1 {
		all = append(all, job.Subject{Kind: job.KindStudio, ID: st.ID})
	}
	for _, t := range s.Tags {
		all = append(all, job.Subject{Kind: job.KindTag, ID: t.ID})
	}
	for _, g := range s.Groups {
		all = append(all, job.Subject{Kind: job.KindGroup, ID: g.ID})
	}
	return all
}

// tagPattern is one entry of excludeTags: an id, or a name in which * stands for
// anything; letters match in either case.
type tagPattern struct {
	id      int64
	pattern string
}

func tagPatterns(entries []string) []tagPattern {
	var all []tagPattern
	for _, e := range entries {
		id, _ := strconv.ParseInt(e, 10, 64)
		// Only * is special: a name may hold brackets.
		quoted := strings.NewReplacer(`\`, `\\`, `[`, `\[`, `?`, `\?`, `/`, "\x00").Replace(strings.ToLower(e))
		all = append(all, tagPattern{id, quoted})
	}
	return all
}

func (p tagPattern) matches(t merge.Named) bool {
	if p.id != 0 && p.id == t.ID {
		return true
	}
	ok, err := path.Match(p.pattern, strings.ReplaceAll(strings.ToLower(t.Name), "/", "\x00"))
	return ok && err == nil
}
