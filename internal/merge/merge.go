// Package merge computes what an item in Plex should look like, and the edit that
// brings it there without destroying what people set: a three-way merge of what
// we last wrote (base), what Stash has (wanted) and what Plex shows now. It is
// pure. Limits and normalisation are applied here and nowhere else.
package merge

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Item is what an item in Plex shows now, in full detail. A listing will not do:
// it leaves elements of lists out.
type Item struct {
	Scalars map[Field]string
	Lists   map[Field][]Tag
	Locked  map[Field]bool
}

// Base is what we know of an item since we last wrote it. The zero value says
// that we never did: then its values are nobody's edits.
type Base struct {
	// Wrote is, for each field, the value that we last wrote.
	Wrote map[Field]string `json:"wrote,omitempty"`
	// Seen is, for a field that we did not write, the value that Plex had when we
	// first looked: what differs from it later is a person's.
	Seen map[Field]string `json:"seen,omitempty"`
	// Added are, for each list, the elements that we added, folded.
	Added map[Field][]string `json:"added,omitempty"`
	// Had are the elements that Stash wanted and that were there before us,
	// folded.
	Had map[Field][]string `json:"had,omitempty"`
	// Locked are the fields that we locked.
	Locked []Field `json:"locked,omitempty"`
	// Known is set once an item was merged.
	Known bool `json:"known,omitempty"`
}

// IsZero reports whether the item was never written.
func (b Base) IsZero() bool { return !b.Known }

func (b Base) clone() Base {
	c := Base{Wrote: maps.Clone(b.Wrote), Seen: maps.Clone(b.Seen), Added: maps.Clone(b.Added), Had: maps.Clone(b.Had),
		Locked: slices.Clone(b.Locked), Known: b.Known}
	if c.Wrote == nil {
		c.Wrote = map[Field]string{}
	}
	if c.Seen == nil {
		c.Seen = map[Field]string{}
	}
	if c.Added == nil {
		c.Added = map[Field][]string{}
	}
	if c.Had == nil {
		c.Had = map[Field][]string{}
	}
	return c
}

// ScalarEdit sets a field to a value, or clears it if Value is "".
type ScalarEdit struct {
	Field Field
	Value string
}

// ListEdit changes a list. Full is the whole list as it should become, Remove the
// elements that have to go, as Plex spells them: with both, the result is the
// same whether Plex appends what it is given or replaces the list by it.
type ListEdit struct {
	Field  Field
	Full   []Tag
	Remove []string
}

// Edit is everything that has to change in an item, for one request.
type Edit struct {
	Scalars      []ScalarEdit
	Lists        []ListEdit
	Lock, Unlock []Field
}

// Empty reports whether there is nothing to do.
func (e Edit) Empty() bool {
	return len(e.Scalars) == 0 && len(e.Lists) == 0 && len(e.Lock) == 0 && len(e.Unlock) == 0
}

// Fields names what the edit changes, for a log line; "locks" if it is only those.
func (e Edit) Fields() []string {
	var all []string
	for _, s := range e.Scalars {
		all = append(all, string(s.Field))
	}
	for _, l := range e.Lists {
		all = append(all, string(l.Field))
	}
	if len(all) == 0 && !e.Empty() {
		all = append(all, "locks")
	}
	return all
}

// Change is one field of an edit for people.
type Change struct {
	Field    Field
	Old, New string
}

// Changes tells what e does to an item that shows now.
func (e Edit) Changes(now Item) []Change {
	var all []Change
	for _, s := range e.Scalars {
		all = append(all, Change{s.Field, now.Scalars[s.Field], s.Value})
	}
	after := Apply(e, now)
	for _, l := range e.Lists {
		all = append(all, Change{l.Field, Names(now.Lists[l.Field]), Names(after.Lists[l.Field])})
	}
	return all
}

// Names joins the names of a list for people.
func Names(tags []Tag) string {
	var all []string
	for _, t := range tags {
		all = append(all, t.Name)
	}
	return strings.Join(all, ", ")
}

// Merge computes the edit that brings an item to the wanted state, and the base
// that holds once it has been applied. Merging again then gives an empty edit.
// o must be the options that want was made with. A wanted state without a field,
// such as that of an empty scene, changes nothing.
func Merge(base Base, want Wanted, now Item, o Options) (Edit, Base) {
	if len(want.Scalars) == 0 && len(want.Lists) == 0 {
		return Edit{}, base
	}
	m := merger{o: o, now: now, base: base, next: base.clone(), stashOnly: !o.KeepPlexEdits || base.IsZero()}
	m.next.Known = true
	for _, f := range ScalarFields() {
		if w, on := want.Scalars[f]; on {
			m.scalar(f, w)
		}
	}
	for _, f := range ListFields() {
		if w, on := want.Lists[f]; on {
			m.list(f, w)
		}
	}
	if o.LeaveUnlocked {
		for _, f := range base.Locked {
			m.unlock(f)
		}
	}
	return m.edit, m.next
}

type merger struct {
	o    Options
	now  Item
	base Base
	// stashOnly: no edit of a person's is to be kept.
	stashOnly bool
	edit      Edit
	next      Base
}

func (m *merger) lock(f Field) {
	// A rating is the user's own, no agent touches it, and it is not known whether
	// Plex has a lock for it.
	if m.o.LeaveUnlocked || m.now.Locked[f] || f == UserRating {
		return
	}
	m.edit.Lock = append(m.edit.Lock, f)
	if !slices.Contains(m.next.Locked, f) {
		m.next.Locked = append(m.next.Locked, f)
	}
}

// unlock gives a field back to Plex's agents. With LeaveUnlocked, only our own
// locks are taken off.
func (m *merger) unlock(f Field) {
	if m.o.LeaveUnlocked && !slices.Contains(m.base.Locked, f) {
		return
	}
	if m.now.Locked[f] && !slices.Contains(m.edit.Unlock, f) {
		m.edit.Unlock = append(m.edit.Unlock, f)
	}
	m.next.Locked = slices.DeleteFunc(m.next.Locked, func(x Field) bool { return x == f })
}

// scalar merges a field of one value.
func (m *merger) scalar(f Field, want string) {
	now := m.now.Scalars[f]
	wrote, ours := m.base.Wrote[f]
	seen, hasSeen := m.base.Seen[f]
	asLeft := ours && same(f, now, wrote)
	switch {
	case want == "" && f == Title:
		// A title is never cleared: Plex would show the file's name.
		if !ours && !hasSeen {
			m.next.Seen[f] = now
		}
	case want == "" && asLeft:
		if now != "" {
			m.edit.Scalars = append(m.edit.Scalars, ScalarEdit{Field: f})
		}
		m.unlock(f)
		delete(m.next.Wrote, f)
		m.next.Seen[f] = ""
	case want == "":
		switch {
		case ours:
			// A person rewrote it. What we had written is kept as seen, so that their
			// value is still told for theirs when Stash has one again.
			m.next.Seen[f] = wrote
		case !hasSeen:
			m.next.Seen[f] = now
		}
		delete(m.next.Wrote, f)
	case same(f, now, want):
		if !asLeft {
			// It is there already, and not by us: a person's, or another tool's. Both
			// sides agree, so from here a change in Stash is followed again.
			delete(m.next.Wrote, f)
			m.next.Seen[f] = now
		}
		m.lock(f)
	case !m.stashOnly && ours && !asLeft:
		// A person rewrote what we had written. Wrote stays, to tell so next time.
	case !m.stashOnly && !ours && hasSeen && now != "" && !same(f, now, seen):
		// A person filled what Stash had left open.
	default:
		m.edit.Scalars = append(m.edit.Scalars, ScalarEdit{Field: f, Value: want})
		m.lock(f)
		m.next.Wrote[f] = want
		delete(m.next.Seen, f)
	}
}

// same compares two values as Plex and Stash may each write them.
func same(f Field, a, b string) bool {
	if a == b {
		return true
	}
	if f == UserRating {
		x, ok1 := stars(a)
		y, ok2 := stars(b)
		return ok1 && ok2 && x == y
	}
	if f == Date && len(a) > 10 {
		a = a[:10] // with a time of day
	}
	return text(a) == text(b)
}

// stars reads a rating. Plex shows an item without one, or one of 0, without the
// attribute.
func stars(s string) (float64, bool) {
	if s == "" {
		return 0, true
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// list merges a list: a set of names in which each element is ours or not.
func (m *merger) list(f Field, want []Tag) {
	now := m.now.Lists[f]
	mirror := m.o.MirrorLists && f != Label
	added, had := set(m.base.Added[f]), set(m.base.Had[f])
	wanted, there, gone := map[string]Tag{}, map[string]bool{}, map[string]bool{}
	for _, t := range want {
		wanted[Fold(t.Name)] = t
	}
	e := ListEdit{Field: f}
	changed := false
	var nextAdded, nextHad []string
	for _, t := range now {
		key := Fold(t.Name)
		if there[key] {
			// One element of the set in two spellings, or a person in two roles: they
			// stay or go together.
			if !gone[key] {
				e.Full = append(e.Full, t)
			} else if !slices.Contains(e.Remove, t.Name) {
				e.Remove = append(e.Remove, t.Name)
			}
			continue
		}
		there[key] = true
		w, keep := wanted[key]
		if !keep && (added[key] || mirror) {
			gone[key] = true
			e.Remove = append(e.Remove, t.Name)
			changed = true
			continue
		}
		if keep && w.Thumb != "" && w.Thumb != t.Thumb {
			t.Thumb = w.Thumb
			changed = true
		}
		e.Full = append(e.Full, t)
		switch {
		case keep && added[key]:
			nextAdded = append(nextAdded, key)
		case keep:
			nextHad = append(nextHad, key)
		}
	}
	for _, t := range want {
		key := Fold(t.Name)
		switch {
		case there[key]:
		case !m.stashOnly && !mirror && added[key]:
			nextAdded = append(nextAdded, key) // a person removed it
		case !m.stashOnly && !mirror && had[key]:
			nextHad = append(nextHad, key)
		default:
			e.Full = append(e.Full, t)
			nextAdded = append(nextAdded, key)
			changed = true
		}
	}
	setOrDelete(m.next.Added, f, nextAdded)
	setOrDelete(m.next.Had, f, nextHad)
	if changed {
		m.edit.Lists = append(m.edit.Lists, e)
	}
	switch {
	case len(e.Full) > 0 && len(want) > 0:
		m.lock(f)
	case len(e.Full) == 0 && len(want) == 0 && (changed || slices.Contains(m.base.Locked, f)):
		m.unlock(f)
	}
}

func set(keys []string) map[string]bool {
	s := make(map[string]bool, len(keys))
	for _, k := range keys {
		s[k] = true
	}
	return s
}

func setOrDelete(m map[Field][]string, f Field, keys []string) {
	if len(keys) == 0 {
		delete(m, f)
		return
	}
	slices.Sort(keys)
	m[f] = slices.Compact(keys)
}

// Recover returns the base to merge from when a write may have been cut short:
// base held before it, intent would hold after it, and any part of it may have
// reached the item. What the item shows tells which.
func Recover(base, intent Base, now Item) Base {
	r := intent.clone()
	r.Known = base.Known
	for _, f := range ScalarFields() {
		before, had := base.Wrote[f]
		after, has := intent.Wrote[f]
		switch {
		case has && same(f, now.Scalars[f], after):
			// It arrived, or was so all along.
			r.Known = r.Known || !had
		case had && (has || same(f, now.Scalars[f], before)):
			// It did not arrive, nor did a clearing.
			r.Wrote[f] = before
			delete(r.Seen, f)
		case had && now.Scalars[f] == "" && intent.Seen[f] == "":
			// A clearing arrived; "" as ours lets its unlocking follow.
			r.Wrote[f] = ""
			delete(r.Seen, f)
		case has:
			delete(r.Wrote, f)
			if seen, ok := base.Seen[f]; ok {
				r.Seen[f] = seen
			}
		}
	}
	for _, f := range ListFields() {
		there := map[string]bool{}
		for _, t := range now.Lists[f] {
			there[Fold(t.Name)] = true
		}
		before, after := set(base.Added[f]), set(intent.Added[f])
		var added, had []string
		for key := range before {
			if there[key] || after[key] {
				added = append(added, key)
			}
		}
		for key := range after {
			if there[key] && !before[key] {
				added = append(added, key)
				r.Known = true
			}
		}
		ours := set(added)
		for _, key := range slices.Concat(base.Had[f], intent.Had[f]) {
			if !ours[key] {
				had = append(had, key)
			}
		}
		setOrDelete(r.Added, f, added)
		setOrDelete(r.Had, f, had)
	}
	for _, f := range r.Locked {
		// It was not locked when we set out.
		r.Known = r.Known || now.Locked[f]
	}
	for _, f := range base.Locked {
		if !slices.Contains(r.Locked, f) {
			r.Locked = append(r.Locked, f)
		}
	}
	if !r.Known {
		return Base{}
	}
	return r
}

// Apply returns the item as it is after an edit that Plex honoured in full.
func Apply(e Edit, it Item) Item {
	out := Item{Scalars: maps.Clone(it.Scalars), Lists: maps.Clone(it.Lists), Locked: maps.Clone(it.Locked)}
	if out.Scalars == nil {
		out.Scalars = map[Field]string{}
	}
	if out.Lists == nil {
		out.Lists = map[Field][]Tag{}
	}
	if out.Locked == nil {
		out.Locked = map[Field]bool{}
	}
	for _, s := range e.Scalars {
		out.Scalars[s.Field] = s.Value
	}
	for _, l := range e.Lists {
		out.Lists[l.Field] = slices.Clone(l.Full)
	}
	for _, f := range e.Lock {
		out.Locked[f] = true
	}
	for _, f := range e.Unlock {
		delete(out.Locked, f)
	}
	return out
}
