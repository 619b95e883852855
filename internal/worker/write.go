package worker

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/merge"
)

// metaDropsSeveral remembers that Plex honours several removals in one request:
// accounts differ, so it is learnt by reading back.
const metaDropsSeveral = "plex_drops_several"

// maxRounds bounds how often an edit that Plex took only partly is continued.
const maxRounds = 40

// fetchCover asks Stash for the scene's cover if the one that Plex has may be
// another.
func (d *drain) fetchCover(ctx context.Context, a *attempt) {
	// One request for all targets: conditional only if it would tell for each.
	etag, looks := "", false
	for _, t := range a.targets {
		if !t.looksAt {
			continue
		}
		switch known := t.old.Key == t.hit.Key && d.hasPictures(t.old) && !d.putsBack(t); {
		case !looks && known:
			etag = t.old.PosterETag
		case !known || etag != t.old.PosterETag:
			etag = ""
		}
		looks = true
	}
	if !looks {
		return
	}
	c, err := d.stash.Cover(ctx, a.scene.CoverURL, etag)
	if err != nil {
		if class := job.ClassOf(err); class == job.ClassRejected || errors.Is(err, ErrPicture) {
			a.notes = append(a.notes, fmt.Sprintf("poster left out: %v", err))
			return
		}
		a.err = err
		return
	}
	a.cover = &c
}

// write brings every target to the wanted state and collects what to remember.
func (d *drain) write(ctx context.Context, a *attempt) {
	if len(a.targets) > 0 && d.stopReason() != "" {
		a.err = errGiveBack
		return
	}
	var changed []string
	for _, t := range a.targets {
		what, err := d.writeTarget(ctx, a, t)
		if err != nil {
			a.err = err
			return
		}
		changed = append(changed, what...)
	}
	a.verdict = job.Unchanged
	if len(changed) > 0 {
		a.verdict = job.Done
		d.tell(a, changed)
	}
	for _, n := range a.notes {
		d.log.Warn(fmt.Sprintf("%s: %s", a.job.Subject, n))
	}
}

// errGiveBack ends an attempt that was not made because the drain is stopping.
var errGiveBack = errors.New("not tried: the drain is stopping")

// tell logs what a scene changed in Plex.
func (d *drain) tell(a *attempt, changed []string) {
	d.mu.Lock()
	d.chatty++
	n := d.chatty
	d.mu.Unlock()
	name := a.scene.Meta.Title
	if name == "" {
		name = a.targets[0].hit.File.Path
	}
	var keys []string
	for _, t := range a.targets {
		keys = append(keys, t.hit.Key)
	}
	// Several items mostly change alike.
	var what []string
	for _, c := range changed {
		if !slices.Contains(what, c) {
			what = append(what, c)
		}
	}
	line := fmt.Sprintf("%s %q -> item %s: %s", a.job.Subject, d.opt.Hide(name), strings.Join(keys, ", "), strings.Join(what, ", "))
	switch {
	case n < chattyScenes:
		d.log.Info(line)
	case n == chattyScenes:
		d.log.Info(line + " (from here on, scenes are logged at debug level)")
	default:
		d.log.Debug(line)
	}
}

// writeTarget writes one item: its fields, then its pictures.
func (d *drain) writeTarget(ctx context.Context, a *attempt, t *target) (changed []string, err error) {
	poster, background := d.pictures(a, t)
	edit := t.edit
	if poster && !d.opt.Merge.LeaveUnlocked && !t.item.State.Locked[merge.Thumb] {
		edit.Lock = append(edit.Lock[:len(edit.Lock):len(edit.Lock)], merge.Thumb)
	}
	if background && !d.opt.Merge.LeaveUnlocked && !t.item.State.Locked[merge.Art] {
		edit.Lock = append(edit.Lock[:len(edit.Lock):len(edit.Lock)], merge.Art)
	}
	if !edit.Empty() {
		if t.next, err = d.edit(ctx, a, t, edit); err != nil {
			return nil, err
		}
		changed = append(changed, edit.Fields()...)
	}
	p, err := d.record(a, t, t.next, nil)
	if err != nil {
		return nil, err
	}
	if p.PosterHash == "" {
		p.Thumb = t.item.Thumb
	}
	if a.cover != nil {
		if err := d.setPictures(ctx, a, t, &p, poster, background); err != nil {
			// The fields are written; say so, and come back for the picture.
			p.WantedHash = ""
			a.pushed = append(a.pushed, p)
			return nil, err
		}
		if poster {
			changed = append(changed, "poster")
		}
		if background {
			changed = append(changed, "background")
		}
	} else if t.looksAt {
		// Left out, with a note: not looked at again until the scene changes.
		p.PosterAt = a.scene.Updated
	}
	a.pushed = append(a.pushed, p)
	if t.old.Key != "" && t.old.Key != p.Key {
		a.forget = append(a.forget, t.old.Key)
	}
	return changed, nil
}

// pictures says which pictures of t's item have to be set to the cover.
func (d *drain) pictures(a *attempt, t *target) (poster, background bool) {
	c := a.cover
	if !t.looksAt || c == nil || c.NotModified || c.Placeholder {
		return false, false
	}
	hash := sha1Hex(c.Bytes)
	same := t.old.Key == t.hit.Key
	// A thumb that moved since our write is a person's choice.
	theirs := same && d.posterMoved(t.old, t.item)
	poster = d.opt.Poster && (!(same && t.old.PosterHash == hash) || theirs) && !(theirs && d.opt.Merge.KeepPlexEdits)
	background = d.opt.Background && !(same && t.old.ArtHash == hash)
	return poster, background
}

// setPictures uploads or selects the cover and notes it in p.
func (d *drain) setPictures(ctx context.Context, a *attempt, t *target, p *job.Pushed, poster, background bool) error {
	c := a.cover
	if c.Placeholder {
		return nil // PosterAt stays: looked at again
	}
	set := func(slot Slot, name string) (bool, error) {
		err := d.plex.SetPicture(ctx, t.hit.Key, slot, c.Bytes)
		if errors.Is(err, ErrPicture) || job.ClassOf(err) == job.ClassRejected {
			a.notes = append(a.notes, fmt.Sprintf("%s left out: %v", name, err))
			return false, nil
		}
		return err == nil, err
	}
	hash := ""
	if !c.NotModified {
		hash = sha1Hex(c.Bytes)
	}
	if poster {
		ok, err := set(Poster, "poster")
		if err != nil {
			return err
		}
		if ok {
			p.PosterHash = hash
			// What the item shows now tells later whether a person chose another.
			items, err := d.plex.Items(ctx, []string{t.hit.Key})
			if err != nil {
				return err
			}
			if len(items) == 1 {
				p.Thumb = items[0].Thumb
			}
		}
	}
	if background {
		ok, err := set(Background, "background")
		if err != nil {
			return err
		}
		if ok {
			p.ArtHash = hash
		}
	}
	p.PosterAt = a.scene.Updated
	if c.ETag != "" {
		p.PosterETag = c.ETag
	}
	return nil
}

// edit writes e to t's item and returns the base that holds then. Where accounts
// of Plex differ in what one request achieves (several removals, a list in
// pieces), it reads the item back and goes on until nothing is left.
func (d *drain) edit(ctx context.Context, a *attempt, t *target, e merge.Edit) (merge.Base, error) {
	next, long := t.next, false
	for round := 0; ; round++ {
		chunked := d.plex.Chunked(t.hit.Section, t.hit.Key, e)
		began := d.now()
		err := d.plex.Edit(ctx, t.hit.Section, t.hit.Key, e, long)
		d.edited(d.now().Sub(began))
		if err != nil {
			if job.ClassOf(err) == job.ClassRejected && job.StatusOf(err) == 404 {
				return next, d.vanished(ctx, a, t.hit.Key)
			}
			return next, err
		}
		a.asked = true
		removals := 0
		for _, l := range e.Lists {
			removals += len(l.Remove)
		}
		d.mu.Lock()
		trusted := d.dropsSeveral
		d.mu.Unlock()
		if !chunked && (removals < 2 || trusted) {
			return next, nil
		}
		items, err := d.plex.Items(ctx, []string{t.hit.Key})
		if err != nil {
			return next, err
		}
		if len(items) == 0 {
			return next, d.vanished(ctx, a, t.hit.Key)
		}
		base := merge.Recover(t.base, t.next, items[0].State)
		e, next = merge.Merge(base, a.wanted, items[0].State, d.opt.Merge)
		if e.Empty() {
			if round == 0 && removals >= 2 {
				d.mu.Lock()
				d.dropsSeveral = true
				d.mu.Unlock()
				if err := d.queue.SetMeta(ctx, metaDropsSeveral, "yes"); err != nil {
					return next, err
				}
			}
			return next, nil
		}
		if round == maxRounds {
			return next, &job.Error{Class: job.ClassRejected, Op: "edit item " + t.hit.Key,
				Err: fmt.Errorf("Plex accepts the edit but does not keep %s", strings.Join(e.Fields(), ", "))}
		}
		long = long || chunked
	}
}

func sha1Hex(b []byte) string {
	sum := sha1.Sum(b)
	return hex.EncodeToString(sum[:])
}

// confirmTimeout is how long the question whether Plex itself is there may take.
const confirmTimeout = 10 * time.Second

// confirm looks twice at an error that could be Plex's or only this item's: one
// that says "unreachable", an error inside the server, an answer that is cut off.
// Whether Plex itself answers decides. So a poisonous item neither waits for ever
// nor stops the others, and a Plex that answers nothing but errors is out, and
// costs no job an attempt.
func (d *drain) confirm(ctx context.Context, err error) error {
	class, status := job.ClassOf(err), job.StatusOf(err)
	if class != job.ClassUnreachable && (class != job.ClassBusy || status/100 == 4) {
		return err
	}
	out := err
	if class == job.ClassBusy {
		out = &job.Error{Class: job.ClassUnreachable, Err: err}
	}
	if d.stopReason() != "" {
		return out // the outage is known
	}
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	_, _, perr := d.plex.Identity(ctx)
	switch {
	case perr != nil:
		return out
	case class == job.ClassBusy:
		return err
	}
	return &job.Error{Class: job.ClassBusy, Op: "Plex is there, but", Err: err}
}

// conclude turns what happened to an attempt into its end, and tells the breaker.
// An attempt that was not really made is given back.
func (d *drain) conclude(ctx context.Context, a *attempt) job.Ended {
	e := job.Ended{Job: a.job, Pushed: a.pushed, Forget: a.forget, Queue: a.queue}
	if a.scene != nil {
		e.Title = d.opt.Hide(a.scene.Meta.Title)
		if len(a.scene.Files) > 0 {
			e.Path = d.opt.Hide(a.scene.Files[0].Path)
		}
	}
	now := d.now()
	e.Outcome.Verdict = job.GivenBack
	var setting *settingError
	var system *systemError
	switch {
	case a.err == nil:
		e.Outcome = job.Outcome{Verdict: a.verdict}
		if a.asked {
			d.succeeded(ctx)
		}
		return e
	case errors.Is(a.err, errGiveBack), job.Interrupted(ctx, a.err):
		return e
	case errors.Is(a.err, errLookAgain):
		e.Outcome = job.Outcome{Verdict: job.Wait, At: now, Class: job.ClassNone, Error: errLookAgain.Error()}
		return e
	case errors.Is(a.err, job.ErrStore):
		d.fail(a.err)
		return e
	case errors.As(a.err, &setting):
		d.stop(slog.LevelError, setting.Error())
		return e
	}
	err := a.err
	if errors.As(err, &system) {
		if !job.ClassOf(err).CountsForBreaker() {
			err = &job.Error{Class: job.ClassUnreachable, Err: system.err}
		}
	} else {
		err = d.confirm(ctx, err)
	}
	class := job.ClassOf(err)
	switch {
	case class == job.ClassStashUnreachable:
		d.stashFailed(ctx, err)
	case class.CountsForBreaker():
		d.failed(ctx, class, err)
	case a.asked:
		// Plex answered; what it said of this item is no sign of an outage.
		d.succeeded(ctx)
	}
	b := d.breakerNow()
	e.Outcome = job.Decide(a.job, err, now, d.opt.Policy, b, d.jitter())
	if v := e.Outcome.Verdict; class == job.ClassNotInPlex && (v == job.Retry || v == job.Dead) {
		e.Missing = d.lookups(a.scene)
	}
	level := d.log.Debug
	switch {
	case class == job.ClassInternal:
		level = d.log.Error
	case e.Outcome.Verdict == job.Dead && class != job.ClassNotInPlex, class == job.ClassUnauthorized:
		level = d.log.Warn
	case e.Outcome.Verdict == job.Retry && class == job.ClassBusy:
		level = d.log.Info
	case class == job.ClassUnreachable && d.firstOut():
		level = d.log.Warn
	}
	level(fmt.Sprintf("%s: %s: %s", a.job.Subject, e.Outcome.Verdict, firstLine(e.Outcome.Error)))
	return e
}

// stashFailed tells Stash's breaker of a failure and stops the drain.
func (d *drain) stashFailed(ctx context.Context, err error) {
	now := d.now()
	if _, err := d.queue.UpdateBreaker(context.WithoutCancel(ctx), now, job.Stash, func(b job.Breaker) job.Breaker {
		return b.Failure(now, job.ClassOf(err), firstLine(err.Error()))
	}); err != nil {
		d.log.Error(err.Error())
	}
	d.stop(slog.LevelWarn, fmt.Sprintf("Stash cannot be asked: %s The jobs wait", sentence(err.Error())))
}

// firstOut reports whether it is the first time in this run that Plex could not be
// reached: one line tells of an outage, the other jobs' are alike.
func (d *drain) firstOut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := !d.outTold && d.stopped == ""
	d.outTold = true
	return first
}

// succeeded tells the breaker that Plex works.
func (d *drain) succeeded(ctx context.Context) {
	before := d.breakerNow()
	if before.Closed() && before.Failures == 0 {
		return
	}
	if err := d.updateBreaker(ctx, job.Breaker.Success); err != nil {
		d.log.Error(err.Error())
		return
	}
	if !before.Closed() {
		d.mu.Lock()
		d.recovering = 1
		d.mu.Unlock()
		d.log.Info("Plex works again; the jobs that waited are worked now")
	}
}

// failed tells the breaker of a counting failure; when it opens, the drain stops.
func (d *drain) failed(ctx context.Context, class job.Class, err error) {
	now := d.now()
	if uerr := d.updateBreaker(context.WithoutCancel(ctx), func(b job.Breaker) job.Breaker {
		return b.Failure(now, class, firstLine(err.Error()))
	}); uerr != nil {
		d.log.Error(uerr.Error())
		return
	}
	b := d.breakerNow()
	if b.State == job.BreakerOpen {
		level := slog.LevelWarn
		if class == job.ClassUnauthorized {
			level = slog.LevelError
		}
		d.stop(level, fmt.Sprintf("Plex cannot be used: %s Nothing is lost: the jobs wait, the next try is at %s", sentence(b.Message), clock(b.NextProbe)))
	}
}

// firstLine keeps stacks out of the log.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
