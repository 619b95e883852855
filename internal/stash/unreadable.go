package stash

import (
	"context"
	"errors"
	"math"

	"github.com/plexsync/plexsync/internal/job"
)

// A broken row in Stash's database, of a file say, makes Stash fail every query that has
// to do with it, whole (observed): with an error of GraphQL, and without data. So a
// refusal may be one scene's fault or Stash's own. Whoever meets one asks for half as
// much, until a single scene is left.

// maxUnreadable is after how many scenes in a row that cannot be read, with none that
// can, Stash itself is to blame.
const maxUnreadable = 20

// doubt is what is known, in one call of ours, of whose fault refusals are.
type doubt struct {
	c *Client
	// answers: Stash has answered something else since.
	answers bool
	inARow  int
}

// read notes that Stash has told n scenes.
func (d *doubt) read(n int) {
	if n > 0 {
		d.answers, d.inARow = true, 0
	}
}

// confirm asks Stash, once, a simple question about its scenes, and returns an error if
// it does not answer that either: refused, which is what Stash said, is Stash's fault.
func (d *doubt) confirm(ctx context.Context, refused error, which map[string]any) error {
	if d.answers {
		return nil
	}
	_, err := d.c.count(ctx, "ask Stash how many scenes it has", which)
	var again *refusal
	if errors.As(err, &again) {
		return refused
	}
	d.answers = err == nil
	return err
}

// unreadable is a scene that Stash refuses to tell, or refused itself if it does so of
// too many.
func (d *doubt) unreadable(id int64, refused error) (Scene, error) {
	if d.inARow++; d.inARow > maxUnreadable {
		return Scene{}, refused
	}
	var said *refusal
	errors.As(refused, &said)
	return Scene{ID: id, Err: &job.Error{Class: job.ClassUnreadable, Op: "ask Stash for " + job.Scene(id).String(), Err: said,
		Hint: "Stash cannot read this scene, most likely because its file's entry in Stash's database is broken. Rescan the file in Stash. If that does not help, delete the scene in Stash, but not its file, and scan the folder again"}}, nil
}

// count is how many scenes fit a filter.
func (c *Client) count(ctx context.Context, op string, which map[string]any) (int, error) {
	var out struct{ FindScenes *struct{ Count int } }
	query, vars := countQuery, map[string]any(nil)
	if which != nil {
		query, vars = countOfQuery, map[string]any{"which": which}
	}
	if err := c.query(ctx, op, query, vars, &out); err != nil {
		return 0, err
	}
	if out.FindScenes == nil || out.FindScenes.Count < 0 {
		return 0, c.fail(ctx, op, errAnswer)
	}
	return out.FindScenes.Count, nil
}

// nextID is the id of l's first scene after an id, which Stash cannot read. It is mostly
// told when nothing else is asked of it; else it is where the number of scenes above
// changes, which takes a request or two if it is close by.
func (c *Client) nextID(ctx context.Context, l listing, after int64) (int64, error) {
	ids, err := c.ask(ctx, listing{op: l.op, query: idsQuery, which: l.which}, after, 1)
	var refused *refusal
	switch {
	case err == nil && len(ids) == 1:
		return int64(ids[0].ID), nil
	case err == nil:
		return 0, c.fail(ctx, l.op, errAnswer) // it has gone meanwhile
	case !errors.As(err, &refused):
		return 0, err
	}
	above := func(id int64) (int, error) { return c.count(ctx, l.op, l.after(id)) }
	all, err := above(after)
	if err != nil {
		return 0, err
	}
	if all == 0 {
		return 0, c.fail(ctx, l.op, errAnswer)
	}
	// The id is above low and not above high.
	low, high := after, int64(math.MaxInt32)
	for step := int64(1); low+1 < high; step *= 2 {
		middle := min(low+step, low+(high-low)/2) // close by at first
		n, err := above(middle)
		if err != nil {
			return 0, err
		}
		if n < all {
			high = middle
		} else {
			low = middle
		}
	}
	return high, nil
}
