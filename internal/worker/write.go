package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/merge"
)

// metaDropsSeveral remembers that Plex honours several removals in one request:
// accounts differ, so it is learnt by reading back.
const metaDropsSeveral = "plex_drops_several"

// maxRounds bounds how often an edit that Plex took only partly is continued.
const maxRounds = 40

// write writes one item: its fields, then its pictures. It returns what changed.
func (c *committer) write(ctx context.Context, x *plan, t *target) (changed []string, err error) {
	edit := t.edit
	lock := func(field merge.Field, set bool) {
		if set && !c.opt.Merge.LeaveUnlocked && !t.item.State.Locked[field] {
			edit.Lock = append(edit.Lock[:len(edit.Lock):len(edit.Lock)], field)
		}
	}
	lock(merge.Thumb, t.poster)
	lock(merge.Art, t.background)
	if !edit.Empty() {
		if t.next, err = c.edit(ctx, x, t, edit); err != nil {
			return nil, err
		}
		changed = append(changed, edit.Fields()...)
	}
	r, err := record(x, t, t.next, nil)
	if err != nil {
		return nil, err
	}
	if !edit.Empty() {
		c.contest(x, t, &r)
		c.mark(&r, edit, t.item.State)
	}
	if r.PosterHash == "" {
		r.Thumb = t.item.Thumb
	}
	if x.cover != nil {
		if err := c.setPictures(ctx, x, t, &r); err != nil {
			// The fields are written; say so, and come back for the picture.
			r.WantedHash = ""
			x.remember = append(x.remember, r)
			return nil, err
		}
		if t.poster {
			changed = append(changed, "poster")
		}
		if t.background {
			changed = append(changed, "background")
		}
	} else if t.looksAt {
		// Left out, with a note: not looked at again until the scene changes.
		r.PosterAt = x.scene.Updated
	}
	x.remember = append(x.remember, r)
	if t.old.Key != "" && t.old.Key != r.Key {
		x.forget = append(x.forget, t.old.Key)
	}
	return changed, nil
}

// setPictures uploads or selects the cover and notes it in r.
func (c *committer) setPictures(ctx context.Context, x *plan, t *target, r *job.Pushed) error {
	cover := x.cover
	if cover.Placeholder {
		return nil // PosterAt stays: looked at again
	}
	set := func(slot Slot, name string) (bool, error) {
		err := c.plex.SetPicture(ctx, t.hit.Key, slot, cover.Bytes)
		if errors.Is(err, ErrPicture) || job.ClassOf(err) == job.ClassRejected {
			x.notes = append(x.notes, fmt.Sprintf("%s left out: %v", name, err))
			return false, nil
		}
		return err == nil, err
	}
	hash := ""
	if !cover.NotModified {
		hash = sha1Hex(cover.Bytes)
	}
	if t.poster {
		ok, err := set(Poster, "poster")
		if err != nil {
			return err
		}
		if ok {
			// What the item shows now tells later whether a person chose another.
			r.PosterHash, r.Thumb = hash, ""
			c.mark(r, merge.Edit{}, t.item.State)
		}
	}
	if t.background {
		ok, err := set(Background, "background")
		if err != nil {
			return err
		}
		if ok {
			r.ArtHash = hash
		}
	}
	r.PosterAt = x.scene.Updated
	if cover.ETag != "" {
		r.PosterETag = cover.ETag
	}
	return nil
}

// edit writes e to t's item and returns the base that holds then. Where accounts
// of Plex differ in what one request achieves (several removals, a list in
// pieces), it reads the item back and goes on until nothing is left.
func (c *committer) edit(ctx context.Context, x *plan, t *target, e merge.Edit) (merge.Base, error) {
	next, long := t.next, false
	for round := 0; ; round++ {
		chunked := c.plex.Chunked(t.hit.Section, t.hit.Key, e)
		began := c.now()
		err := c.plex.Edit(ctx, t.hit.Section, t.hit.Key, e, long)
		c.edited(began)
		if err != nil {
			if job.ClassOf(err) == job.ClassRejected && job.StatusOf(err) == 404 {
				err = &vanishedError{t.hit.Key}
			}
			return next, err
		}
		x.answered = true
		removals := 0
		for _, l := range e.Lists {
			removals += len(l.Remove)
		}
		if !chunked {
			trusted := removals < 2
			if !trusted {
				if trusted, err = c.trustsRemovals(ctx); err != nil {
					return next, err
				}
			}
			if trusted {
				return next, nil
			}
		}
		items, err := c.plex.Items(ctx, []string{t.hit.Key})
		if err != nil {
			return next, err
		}
		if len(items) == 0 {
			return next, &vanishedError{t.hit.Key}
		}
		base := merge.Recover(t.base, t.next, items[0].State)
		e, next = merge.Merge(base, x.wanted, items[0].State, c.opt.Merge)
		if e.Empty() {
			if round == 0 && removals >= 2 {
				return next, c.trustRemovals(ctx)
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

// trustsRemovals reports whether this Plex is known to honour several removals in one
// request. It is asked for when the catalogue knows which Plex it is.
func (c *committer) trustsRemovals(ctx context.Context) (trusted bool, err error) {
	c.learn.Do(func() {
		var v string
		v, err = c.notes.Meta(ctx, metaDropsSeveral)
		c.mu.Lock()
		c.dropsSeveral = c.dropsSeveral || v == "yes"
		c.mu.Unlock()
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropsSeveral, err
}

func (c *committer) trustRemovals(ctx context.Context) error {
	c.mu.Lock()
	c.dropsSeveral = true
	c.mu.Unlock()
	return c.notes.SetMeta(ctx, metaDropsSeveral, "yes")
}
