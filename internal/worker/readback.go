package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/merge"
)

// What was written is read back, a hundred items at once, before the drain ends. Plex
// may show a value otherwise than it was sent, and how it shows it is what tells our
// value from a person's later; the same of a poster's address. It also confirms that
// the items are there: an edit of an item that is gone may be answered like any other.

// written is what an item was written from, for when it is read back.
type written struct {
	edit   merge.Edit
	before merge.Item
	wanted merge.Wanted // what edit was made for
	at     time.Time    // when Plex had answered
}

// mark notes that t's item was written: e to what it was before. An empty e is a picture.
func (c *committer) mark(r *job.Pushed, x *plan, t *target, e merge.Edit) {
	r.Unread = true
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.written == nil {
		c.written = map[string]written{}
	}
	w, both := c.written[r.Key]
	if !both || !e.Empty() {
		w.edit, w.before = e, t.item.State
	}
	w.wanted, w.at = x.wanted, c.now()
	c.written[r.Key] = w
}

// owes reports whether items were written and not read back since.
func (c *committer) owes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.written) > 0 || c.left
}

// maxUnread is how many items may be written before some of them are read back, however
// lately that was.
const maxUnread = 6 * batchSize

// ripe returns the keys of a batch of items to be read back, those that were written first,
// or none if there are too few: of those only that were written an updatedUnit ago, unless
// there are maxUnread.
func (c *committer) ripe() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.written) < batchSize {
		return nil
	}
	now := c.now()
	var keys []string
	for key, w := range c.written {
		if len(c.written) >= maxUnread || now.Sub(w.at) >= updatedUnit {
			keys = append(keys, key)
		}
	}
	if len(keys) < batchSize {
		return nil
	}
	slices.SortFunc(keys, func(a, b string) int { return c.written[a].at.Compare(c.written[b].at) })
	return keys[:batchSize]
}

// leave forgets from what an item was written that cannot be read back now: its state is
// not stored, or it is about to be written again.
func (c *committer) leave(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.written, key)
	c.left = true
}

// forgetWritten forgets all of them.
func (c *committer) forgetWritten() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.written)
	c.left = false
}

// read returns from what an item was written, and forgets it. What a drain wrote that
// was killed is not known; then it is as if all of base had been written to an empty
// item.
func (c *committer) read(key string, base merge.Base) written {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, ok := c.written[key]
	delete(c.written, key)
	if !ok {
		for f, v := range base.Wrote {
			w.edit.Scalars = append(w.edit.Scalars, merge.ScalarEdit{Field: f, Value: v})
		}
	}
	return w
}

// again reports whether an edit that Plex seems to have ignored is to be sent once more.
func (c *committer) again(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resent[key] {
		return false
	}
	if c.resent == nil {
		c.resent = map[string]bool{}
	}
	c.resent[key] = true
	return true
}

// contestedAt is how often in a row somebody may overwrite what we wrote until a
// warning says so.
const contestedAt = 3

// contest counts how often in a row r's item was overwritten by somebody.
func (c *committer) contest(x *plan, t *target, r *job.Pushed) {
	if !t.contested {
		r.Contested = 0
		return
	}
	if r.Contested++; r.Contested == contestedAt {
		c.log.Warn(fmt.Sprintf("Item %s (%s): something keeps overwriting what PlexSync writes (%d times in a row). If two Stash servers sync to this Plex, exclude the scene in one of them; to keep the other value, turn on keepPlexEdits",
			t.hit.Key, x.job.Subject, r.Contested))
	}
}

// updatedUnit is what an item's updatedAt counts in. Of an item that was written so long
// before it was read, a later change shows in it.
const updatedUnit = time.Second

// readBackSome reads a batch of what was written, if there is one.
func (d *drain) readBackSome(ctx context.Context) error {
	keys := d.committer.ripe()
	if len(keys) == 0 {
		return nil
	}
	rows, err := d.catalogue.server().PushedOfKeys(ctx, keys...)
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(r job.Pushed) bool { return !r.Unread || len(r.Intent) > 0 })
	for _, key := range keys {
		if !slices.ContainsFunc(rows, func(r job.Pushed) bool { return r.Key == key }) {
			d.committer.leave(key)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	_, err = d.readRows(ctx, rows)
	return err
}

// readBack reads what was written and not read since, also by a drain that was killed.
// That Plex cannot be asked is no failure: the next drain does it.
func (d *drain) readBack(ctx context.Context) error {
	for {
		rows, err := d.catalogue.server().PushedUnread(ctx, batchSize)
		if err != nil || len(rows) == 0 {
			return err
		}
		if all, err := d.readRows(ctx, rows); !all || err != nil || len(rows) < batchSize {
			return err
		}
	}
}

// readRows reads the items of these states back, and reports whether all could be read.
func (d *drain) readRows(ctx context.Context, rows []job.Pushed) (all bool, err error) {
	began := d.now()
	keys := make([]string, len(rows))
	for i, r := range rows {
		keys[i] = r.Key
	}
	items, errs := d.planner.readItems(ctx, keys)
	var read []job.Pushed
	var again []job.Subject // scenes to be looked at once more
	for _, r := range rows {
		item := items[r.Key]
		switch {
		case errs[r.Key] != nil:
			continue
		case item == nil:
			if err := d.catalogue.gone(ctx, r.Key); err != nil {
				return false, err
			}
			d.committer.read(r.Key, merge.Base{})
			r.WantedHash = ""
		default:
			if err := d.showed(ctx, began, &r, item); err != nil {
				return false, err
			}
		}
		if r.WantedHash == "" {
			again = append(again, job.Scene(r.Scene))
		}
		read = append(read, r)
	}
	if len(read) == 0 {
		d.log.Debug(fmt.Sprintf("Could not read back what was written: %v", errs[keys[0]]))
		return false, nil
	}
	if err := d.catalogue.server().SaveRead(ctx, read...); err != nil {
		return false, err
	}
	return len(read) == len(rows), d.jobs.Enqueue(ctx, d.now(), job.PriorityBulk, again...)
}

// showed notes in r how its item shows what was written. An edit that changed nothing,
// although Plex said that it had, is to be sent once more, and so are removals of which
// something is still there. The item was asked for at began.
func (d *drain) showed(ctx context.Context, began time.Time, r *job.Pushed, item *Item) error {
	if r.PosterHash != "" {
		r.Thumb = item.Thumb
	}
	base, _, err := decodeBase(*r)
	if err != nil {
		return nil // said when it is planned
	}
	w := d.committer.read(r.Key, base)
	reclaimed, left := base.Reclaim(item.State)
	base.Removed = nil
	switch {
	case len(merge.Ignored(w.edit, w.before, item.State)) > 0 && d.committer.again(r.Key):
		base, r.WantedHash = reclaimed, ""
	case left && d.committer.again(r.Key):
		// What was learnt of this server's removals does not hold: to be learnt anew.
		base, r.WantedHash = reclaimed.Shown(w.edit, w.before, item.State), ""
		if err := d.committer.unlearn(ctx); err != nil {
			return err
		}
	default:
		base = base.Shown(w.edit, w.before, item.State)
		if !w.at.IsZero() && began.Sub(w.at) >= updatedUnit {
			if left, _ := merge.Merge(base, w.wanted, item.State, d.opt.Merge); left.Empty() {
				r.Seen = item.Seen // a compare need not read it once more
			}
		}
	}
	if text, err := json.Marshal(base); err == nil {
		r.Base = text
	}
	return nil
}
