package plex

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/plexsync/plexsync/internal/job"
)

// ScalarEdit sets a field; an empty value clears it.
type ScalarEdit struct{ Field, Value string }

// ListEdit changes a list: Full is the whole list as it should become, Remove what
// has to go, as Plex spells it. Together they give the same whether Plex appends
// what it gets to the list or replaces the list by it. Without Full, Remove is taken
// out of whatever is there.
type ListEdit struct {
	Field  string
	Full   []Tag
	Remove []string
}

// Edit is what has to change in an item.
type Edit struct {
	Scalars      []ScalarEdit
	Lists        []ListEdit
	Lock, Unlock []string
}

// Unremovable is the cause of the error of an edit of which everything was written
// but the removal of names with a comma, see [Client.Edit]. Its text does not quote
// them.
type Unremovable struct {
	Field string
	Names []string
	why   string
}

func (u *Unremovable) Error() string {
	return fmt.Sprintf("cannot remove a name that contains a comma from %s: %s", u.Field, u.why)
}

// Edit changes an item by as few requests as fit below [MaxURL], usually one, and
// returns how many writes that were. It is idempotent.
//
// Accounts of Plex differ on what it makes of a list and of a removal. Edit follows
// what is known of this server ([Client.Habits]), and until then does what does no
// harm:
//
//   - Names in removals are written so that ordinary ones have the same bytes
//     whether Plex decodes them once or twice. For the others ([RemovalKinds]) the
//     caller reads the item back, the first time, and changes the way
//     ([Client.OtherRemovals]) if one is still there.
//   - A name with a comma cannot be written at all for a Plex that decodes once:
//     the comma parts two names, and Plex would remove both of them. Its list is
//     emptied and written anew by one request instead, from what the item shows,
//     and read back: should Plex have emptied it last, it is written once more. So
//     it is whole in the end whether Plex empties first or last, appends or
//     replaces. A collection would vanish with its last item, and its picture with
//     it, so the item is taken out of it by the collection's key. Where neither
//     can be done, because the list does not fit into one request or the
//     collection is not found, the name is left, and the error's cause is
//     [Unremovable]; everything else has been written then.
//   - A list that does not fit into one request ([Fit]) is sent in pieces if Plex
//     appends. If that is not known it is found out first: as much as fits is
//     written, what is there before what is new, and then the same without its
//     last new element. If that one is still there afterwards, Plex appends. At no
//     moment does the item have less than before.
//   - If Plex replaces lists, what does not fit is left out, and a list of which
//     not even what is there would fit is not written ([Cut]). Plex is taken for
//     one that does where it cannot be found out.
//   - An item that shows [MaxRoles] actors may have more. Nothing is added to them
//     unless Plex is known to append.
//
// A single value or element that does not fit by itself is an error of class
// rejected, and nothing is written.
func (c *Client) Edit(ctx context.Context, section, key string, e Edit) (int, error) {
	switch {
	case !isKey(section):
		return 0, badKey("edit an item of a library", section)
	case !isKey(key):
		return 0, badKey("edit an item", key)
	}
	w := &writer{c: c, ctx: ctx, op: "edit item " + key, section: section, key: key, room: c.room(section, key), habits: c.Habits()}
	err := w.edit(e)
	return w.writes, err
}

// EditLong is Edit: Plex refuses longer URLs than Edit's.
//
// Deprecated: use Edit.
func (c *Client) EditLong(ctx context.Context, section, key string, e Edit) (int, error) {
	return c.Edit(ctx, section, key, e)
}

// Chunked reports whether e has a list that does not fit into one request. After
// such an edit read the item back, and apply [Cut] if this Plex replaces lists.
func (c *Client) Chunked(section, key string, e Edit) bool {
	room := c.room(section, key)
	return slices.ContainsFunc(e.Lists, func(l ListEdit) bool { return fitBytes(l.Field, l.Full, room) < len(l.Full) })
}

func editPath(section, key string) string {
	return "/library/sections/" + section + "/all?type=1&id=" + key
}

// room is how many bytes of parameters an edit's URL has room for.
func (c *Client) room(section, key string) int {
	return c.o.MaxURL - 1 - len(c.base) - len(editPath(section, key))
}

// writer carries out one edit.
type writer struct {
	c                *Client
	ctx              context.Context
	op, section, key string
	room             int
	habits           Habits
	writes           int
}

func (w *writer) edit(e Edit) error {
	if err := w.tooLong(e); err != nil {
		return err
	}
	locks := locksOf(e)
	var usual []group
	var careful []func() error
	for _, s := range e.Scalars {
		usual = append(usual, group{param(s.Field+".value", s.Value), locks.take(s.Field)})
	}
	for _, l := range e.Lists {
		lock := locks.take(l.Field)
		switch {
		case w.habits.Removals == EncodeOnce && slices.ContainsFunc(l.Remove, hasComma):
			careful = append(careful, func() error { return w.withComma(l, lock) })
		case w.long(l):
			careful = append(careful, func() error { return w.inPieces(l, lock) })
		default:
			usual = append(usual, w.group(l, lock))
		}
	}
	for _, f := range slices.Concat(e.Lock, e.Unlock) {
		usual = append(usual, group{locks.take(f)})
	}
	if err := w.write(usual...); err != nil {
		return err
	}
	var left error
	for _, f := range careful {
		err := f()
		if u := (*Unremovable)(nil); errors.As(err, &u) {
			left = err
		} else if err != nil {
			return err
		}
	}
	return left
}

// group writes a list with its removals.
func (w *writer) group(l ListEdit, lock string) group {
	g := elements(l.Field, l.Full)
	g = append(g, removals(l, w.habits.Removals, w.room)...)
	return append(g, lock)
}

// write sends groups of parameters.
func (w *writer) write(all ...group) error {
	for _, query := range pack(all, w.room) {
		if err := w.send(http.MethodPut, editPath(w.section, w.key)+query); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) send(method, path string) error {
	w.writes++
	return w.c.do(w.ctx, request{op: w.op, method: method, path: path})
}

// list reads what a list shows now.
func (w *writer) list(field string) ([]Tag, error) {
	all, err := w.c.Items(w.ctx, []string{w.key})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, &job.Error{Class: job.ClassRejected, Op: w.op, Status: http.StatusNotFound}
	}
	return all[0].Lists[field], nil
}

// long reports whether a list has to be written with care: because it does not fit
// into one request, or because the item may have more roles than it shows.
func (w *writer) long(l ListEdit) bool {
	return w.habits.Lists != ListsAppend &&
		(fitBytes(l.Field, l.Full, w.room) < len(l.Full) || l.Field == actor && len(l.Full) >= MaxRoles)
}

// inPieces writes a list that is long, see [Client.Edit].
func (w *writer) inPieces(l ListEdit, lock string) error {
	there, err := w.list(l.Field)
	if err != nil {
		return err
	}
	full, kept := thereFirst(l, there)
	n := fitBytes(l.Field, full, w.room)
	switch {
	case mayHide(l.Field, there):
		l.Full = nil
		return w.write(w.group(l, lock))
	case n == len(full):
		return w.write(w.group(l, lock))
	case n <= max(kept, 1):
		// Not even one that is new fits beside what is there, or nothing beside it: it
		// cannot be found out.
		w.learn(ListsReplace)
		l.Full = nil
		return w.write(w.group(l, lock))
	}
	l.Full = full[:n]
	if err := w.write(w.group(l, lock)); err != nil || w.habits.Lists == ListsReplace {
		return err
	}
	if err := w.write(elements(l.Field, full[:n-1])); err != nil {
		return err
	}
	if there, err = w.list(l.Field); err != nil {
		return err
	}
	if _, is := tagKeys(l.Field, there)[tagKey(l.Field, full[n-1].Name)]; !is {
		w.learn(ListsReplace)
		return w.write(elements(l.Field, full[:n]))
	}
	w.learn(ListsAppend)
	return w.write(elements(l.Field, full[n:]))
}

func (w *writer) learn(lists Lists) {
	w.habits.Lists = lists
	w.c.learn(func(h *Habits) { h.Lists = lists })
}

// withComma writes a list from which a name with a comma has to go, for a Plex that
// decodes names once, see [Client.Edit].
func (w *writer) withComma(l ListEdit, lock string) error {
	there, err := w.list(l.Field)
	if err != nil {
		return err
	}
	gone := nameKeys(l.Field, l.Remove)
	var with []string // those that are there
	for _, t := range there {
		if hasComma(t.Name) && gone[tagKey(l.Field, t.Name)] {
			with = append(with, t.Name)
		}
	}
	without := l
	without.Remove = slices.DeleteFunc(slices.Clone(l.Remove), hasComma)
	rest := func() error {
		if w.long(without) {
			return w.inPieces(without, lock)
		}
		return w.write(w.group(without, lock))
	}
	if len(with) == 0 {
		return rest()
	}
	if l.Field == collection {
		if err := rest(); err != nil {
			return err
		}
		return w.leave(with)
	}
	full := rewritten(l, there)
	if mayHide(l.Field, there) || fitBytes(l.Field, full, w.room) < len(full) {
		if err := rest(); err != nil {
			return err
		}
		return w.unremovable(l.Field, with, "this Plex server reads it as two names, and the list is too long to write again in one request")
	}
	all := append(elements(l.Field, full), lock)
	if err := w.send(http.MethodPut, editPath(w.section, w.key)+param(l.Field+"[].tag", "")+strings.Join(all, "")); err != nil {
		return err
	}
	if there, err = w.list(l.Field); err != nil {
		return err
	}
	if _, kept := thereFirst(ListEdit{Field: l.Field, Full: full}, there); kept < len(full) {
		return w.write(elements(l.Field, full))
	}
	return nil
}

// leave takes the item out of the collections with these names, by their keys
// (python-plexapi, Collection.removeItems).
func (w *writer) leave(names []string) error {
	wanted := nameKeys(collection, names)
	keys := map[string]string{}
	err := w.c.do(w.ctx, request{op: "list the collections of library " + w.section, method: http.MethodGet, limit: maxCollections,
		path: "/library/sections/" + w.section + "/collections",
		decode: func(_ http.Header, r io.Reader) error {
			_, err := decode(r, func(it wireItem) error {
				if name := tagKey(collection, string(it.Title)); wanted[name] && isKey(string(it.RatingKey)) {
					keys[name] = string(it.RatingKey)
				}
				return nil
			})
			return err
		}})
	if err != nil {
		return err
	}
	var left []string
	for _, name := range names {
		key := keys[tagKey(collection, name)]
		if key == "" {
			left = append(left, name)
			continue
		}
		// 404: it is in it no more, for a Plex that replaces lists has dropped it.
		if err := w.send(http.MethodDelete, "/library/collections/"+key+"/items/"+w.key); err != nil && job.StatusOf(err) != http.StatusNotFound {
			return err
		}
	}
	if len(left) > 0 {
		return w.unremovable(collection, left, "this Plex server reads it as two names, and has no collection with that title")
	}
	return nil
}

// maxCollections is the most that is read of a library's collections, in bytes.
const maxCollections = 256 << 20

func (w *writer) unremovable(field string, names []string, why string) error {
	return &job.Error{Class: job.ClassRejected, Op: w.op, Hint: "Remove it in Plex", Err: &Unremovable{field, names, why}}
}

// rewritten is a list as it should become, from what is there: what is in neither
// list of the edit stays.
func rewritten(l ListEdit, there []Tag) []Tag {
	gone, wanted := nameKeys(l.Field, l.Remove), tagKeys(l.Field, l.Full)
	var full []Tag
	for _, t := range there {
		key := tagKey(l.Field, t.Name)
		if gone[key] {
			continue
		}
		w, is := wanted[key]
		if !is {
			w = Tag{Name: t.Name, Role: t.Role} // the photo is the person's, and stays with the name
		}
		full = append(full, w)
	}
	more, kept := thereFirst(l, there)
	return append(full, more[kept:]...)
}
