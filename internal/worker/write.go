package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/merge"
)

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
		t.next = t.next.Removing(edit, t.base)
		changed = append(changed, edit.Fields()...)
	}
	r, err := record(x, t, t.next, nil)
	if err != nil {
		return nil, err
	}
	if !edit.Empty() {
		c.contest(x, t, &r)
		c.mark(&r, x, t, edit)
	}
	if r.PosterHash == "" {
		r.Thumb = t.item.Thumb
	}
	if x.cover != nil {
		if err := c.setPictures(ctx, x, t, &r); err != nil {
			// The fields are written; say so, and come back for the picture, which may
			// have arrived all the same.
			r.WantedHash, r.Intent = "", r.Base
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
		r.PosterAt, r.PosterHash = x.scene.Updated, shaped(r.PosterHash, c.opt.Shape)
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
	hash := ""
	if !cover.NotModified {
		hash = sha1Hex(cover.Bytes)
	}
	if t.poster || t.background {
		// How this server names uploads is one of its habits.
		if _, err := c.learn(ctx); err != nil {
			return err
		}
	}
	set := func(slot Slot, name string, picture []byte, before string) (bool, error) {
		err := c.plex.SetPicture(ctx, t.hit.Key, slot, picture, mayBeThere(t, slot, before, hash))
		if err == nil {
			err = c.keepLearnt(ctx)
		}
		if errors.Is(err, ErrPicture) || job.ClassOf(err) == job.ClassRejected {
			x.notes = append(x.notes, fmt.Sprintf("%s left out: %v", name, err))
			return false, nil
		}
		return err == nil, err
	}
	if t.poster {
		ok, err := set(Poster, "poster", x.poster, r.PosterHash)
		if err != nil {
			return err
		}
		if t.poster = ok; ok { // else it is not told as written
			// What the item shows now tells later whether a person chose another.
			r.PosterHash, r.Thumb = hash, ""
			c.mark(r, x, t, merge.Edit{})
		}
	}
	if t.background {
		ok, err := set(Background, "background", x.background, r.ArtHash)
		if err != nil {
			return err
		}
		if t.background = ok; ok {
			r.ArtHash = hash
		}
	}
	// Also a poster that stays another, by a person's choice or because Plex does not take
	// ours, is not to be made anew each time.
	r.PosterHash = shaped(r.PosterHash, c.opt.Shape)
	r.PosterAt = x.scene.Updated
	if cover.ETag != "" {
		r.PosterETag = cover.ETag
	}
	return nil
}

// mayBeThere reports whether t's item may have an upload of the picture already: from a
// write that was cut short, from an earlier one of the same (somebody has chosen another
// since), or from one that is not remembered, for which a lock speaks.
func mayBeThere(t *target, slot Slot, before, hash string) bool {
	field := merge.Thumb
	if slot == Background {
		field = merge.Art
	}
	before, _, _ = strings.Cut(before, ":") // any shape: it may have been this one before
	return len(t.old.Intent) > 0 || before == hash || before == "" && t.item.State.Locked[field]
}

// edit writes e to t's item and returns the base that holds then. Where accounts
// of Plex differ in what it makes of removals, it reads the item back until this server
// is known to heed such, and goes on until nothing is left.
func (c *committer) edit(ctx context.Context, x *plan, t *target, e merge.Edit) (merge.Base, error) {
	next := t.next
	for round := 0; ; round++ {
		known, err := c.learn(ctx)
		if err != nil {
			return next, err
		}
		doubts := known.doubts(c.plex.RemovalKinds(e), e)
		habits := c.plex.Habits()
		began := c.now()
		requests, err := c.plex.Edit(ctx, t.hit.Section, t.hit.Key, e)
		c.edited(began)
		switch {
		case errors.Is(err, ErrUnremovable):
			x.notes = append(x.notes, err.Error())
			c.again(t.hit.Key) // it need not be sent again
			doubts = nil
		case job.ClassOf(err) == job.ClassRejected && job.StatusOf(err) == 404:
			return next, &vanishedError{t.hit.Key}
		case err != nil:
			return next, err
		}
		x.answered = true
		if len(doubts) == 0 {
			return next, c.keepLearnt(ctx)
		}
		items, err := c.plex.Items(ctx, []string{t.hit.Key})
		if err != nil {
			return next, err
		}
		if len(items) == 0 {
			return next, &vanishedError{t.hit.Key}
		}
		base := merge.Arrived(t.base, next, e, t.item.State, items[0].State)
		still, after := merge.Merge(base, x.wanted, items[0].State, c.opt.Merge)
		ignored := c.plex.IgnoredRemovals(e, still)
		if len(ignored) > 0 {
			c.plex.OtherRemovals(habits)
		}
		var heeded []string
		for _, d := range doubts {
			if !slices.Contains(ignored, d) && (d != several && d != emptied || still.Empty() && round == 0 && requests == 1 && proves(e, d)) {
				heeded = append(heeded, d)
			}
		}
		if err := c.keepLearnt(ctx, heeded...); err != nil {
			return next, err
		}
		e, next = still, after
		if e.Empty() {
			return next, nil
		}
		if round == maxRounds {
			return next, &job.Error{Class: job.ClassRejected, Op: "edit item " + t.hit.Key,
				Err: fmt.Errorf("Plex accepts the edit but does not keep %s", strings.Join(e.Fields(), ", "))}
		}
	}
}

// proves reports whether it says something of a kind, several or emptied, that all names
// have gone by an edit of it. Names with a comma may go by writing the whole list, and
// others with them; and where Plex replaces lists, all go that are not in the new one.
func proves(e merge.Edit, kind string) bool {
	_, alone := removals(e)
	return (kind != emptied || alone > 1) && !slices.ContainsFunc(e.Lists, func(l merge.ListEdit) bool {
		return slices.ContainsFunc(l.Remove, func(name string) bool { return strings.Contains(name, ",") })
	})
}

// removals counts the names that e removes, and those of them that leave nothing behind
// in their list.
func removals(e merge.Edit) (n, alone int) {
	for _, l := range e.Lists {
		n += len(l.Remove)
		if len(l.Full) == 0 {
			alone += len(l.Remove)
		}
	}
	return n, alone
}

// learnt is what was found out about one version of one server by reading back.
type learnt struct {
	// Heeds are the kinds of removals that it heeds, and several and emptied if it heeds
	// such.
	Heeds []string `json:"heeds,omitempty"`
	// Habits are the client's.
	Habits string `json:"habits,omitempty"`
}

// Kinds of edits that remove more than one name: from lists that have others left, which
// are sent with them, or also from lists that are empty then.
const (
	several = "several"
	emptied = "several, emptied"
)

// doubts are those of an edit's kinds that this server is not known to heed.
func (l learnt) doubts(kinds []string, e merge.Edit) (doubts []string) {
	switch n, alone := removals(e); {
	case n > 1 && alone > 0:
		kinds = append(kinds, emptied)
	case n > 1:
		kinds = append(kinds, several)
	}
	for _, k := range kinds {
		if !slices.Contains(l.Heeds, k) {
			doubts = append(doubts, k)
		}
	}
	return doubts
}

// metaLearnt begins the note of what was learnt, for each version of each server.
const metaLearnt = "learnt "

// learn returns what is known of the server; it is read once. The catalogue knows by
// then which server it is.
func (c *committer) learn(ctx context.Context) (learnt, error) {
	c.learning.Lock()
	defer c.learning.Unlock()
	if c.learnt == nil {
		var l learnt
		if err := readMeta(ctx, c.notes, metaLearnt+c.version(), &l); err != nil {
			return l, err
		}
		c.plex.SetHabits(l.Habits)
		c.learnt = &l
	}
	return *c.learnt, nil
}

// unlearn forgets which removals this server is known to heed.
func (c *committer) unlearn(ctx context.Context) error {
	if _, err := c.learn(ctx); err != nil {
		return err
	}
	c.learning.Lock()
	defer c.learning.Unlock()
	c.learnt = &learnt{Habits: c.plex.Habits()}
	return writeMeta(ctx, c.notes, metaLearnt+c.version(), *c.learnt)
}

// keepLearnt stores what was learnt since, if anything was.
func (c *committer) keepLearnt(ctx context.Context, heeded ...string) error {
	c.learning.Lock()
	defer c.learning.Unlock()
	l := learnt{Heeds: slices.Clone(c.learnt.Heeds), Habits: c.plex.Habits()}
	for _, h := range heeded {
		if !slices.Contains(l.Heeds, h) {
			l.Heeds = append(l.Heeds, h)
		}
	}
	if l.Habits == c.learnt.Habits && len(l.Heeds) == len(c.learnt.Heeds) {
		return nil
	}
	c.learnt = &l
	return writeMeta(ctx, c.notes, metaLearnt+c.version(), l)
}
