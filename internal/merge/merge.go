// Package merge computes what an item in Plex should look like, and the edit that
// brings it there without destroying what people set: a three-way merge of what
// we last wrote (base), what Stash has (wanted) and what Plex shows now. It is
// pure. Limits and normalization are applied here and nowhere else.
package merge

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/plexsync/plexsync/internal/fold"
)

// Item is what an item in Plex shows now, in full detail. A listing will not do:
// it leaves elements of lists out.
type Item struct {
	Scalars map[Field]string
	Lists   map[Field][]Tag
	Locked  map[Field]bool
}

// ScalarEdit sets a field to a value, or clears it if Value is "".
type ScalarEdit struct {
	Field Field
	Value string
}

// ListEdit changes a list. Full is the whole list as it should become, Remove the
// elements that have to go, as Plex spells them: with both, the result is the
// same whether Plex appends what it is given or replaces the list by it. An empty Full
// only removes: what is not in Remove stays.
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
	// Notes are words for the log about what had to be left out.
	Notes []string
	// Kept are the fields in which Plex does not get what Stash has because of
	// KeepPlexEdits: a person set them otherwise.
	Kept []Field
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
// that holds once it has been applied; see [Base.Shown] for a Plex that shows
// otherwise. Merging again then gives an empty edit, with one exception: of an item
// with as many actors as Plex shows, only those that go tell whether there is room for
// others. o must be the options that want was made with. A wanted state without a
// field, such as that of an empty scene, changes nothing.
func Merge(base Base, want Wanted, now Item, o Options) (Edit, Base) {
	if len(want.Scalars) == 0 && len(want.Lists) == 0 {
		return Edit{}, base
	}
	base = base.keyed(now, want)
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

// lock locks a field; written says that its value is part of the edit. A lock that
// Plex did not show after it was set is not set again for itself.
func (m *merger) lock(f Field, written bool) {
	// A rating is the user's own, no agent touches it, and it is not known whether
	// Plex has a lock for it.
	if m.o.LeaveUnlocked || m.now.Locked[f] || f == UserRating || !written && slices.Contains(m.base.LockHidden, f) {
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
	is := func(x Field) bool { return x == f }
	m.next.Locked = slices.DeleteFunc(m.next.Locked, is)
	m.next.LockHidden = slices.DeleteFunc(m.next.LockHidden, is)
}

// scalar merges a field of one value.
func (m *merger) scalar(f Field, want string) {
	now := m.now.Scalars[f]
	wrote, ours := m.base.Wrote[f]
	seen, hasSeen := m.base.Seen[f]
	asLeft := m.base.asLeft(f, now)
	forget := func() {
		delete(m.next.Wrote, f)
		delete(m.next.ShownAs, f)
	}
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
		forget()
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
		forget()
	case same(f, now, want):
		if !asLeft {
			// It is there already, and not by us: a person's, or another tool's. Both
			// sides agree, so from here a change in Stash is followed again.
			forget()
			m.next.Seen[f] = now
		}
		m.lock(f, false)
	case asLeft && same(f, wrote, want):
		m.lock(f, false) // written already, and Plex shows it so
	case !m.stashOnly && ours && !asLeft:
		// A person rewrote what we had written. Wrote stays, to tell so next time.
		m.edit.Kept = append(m.edit.Kept, f)
	case !m.stashOnly && !ours && hasSeen && now != "" && !same(f, now, seen):
		// A person filled what Stash had left open.
		m.edit.Kept = append(m.edit.Kept, f)
	default:
		m.edit.Scalars = append(m.edit.Scalars, ScalarEdit{Field: f, Value: want})
		m.lock(f, true)
		if !ours || !same(f, wrote, want) {
			delete(m.next.ShownAs, f) // not known of the new value
		}
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
	known := m.base.Elements[f]
	as, shows := aliases(known), tags(now)
	added, had := set(m.base.Added[f]), set(m.base.Had[f])
	wanted := map[string]Tag{}
	for _, t := range want {
		wanted[fold.Tag(t.Name)] = t
	}
	var (
		e       = ListEdit{Field: f}
		changed bool
		left    int                 // elements that found no room
		without bool                // a person's removal is kept
		there   = map[string]bool{} // what is shown, by its key and the key that was sent
		kept    = map[string]bool{} // by the key that Plex shows, whether it stays
		room    = ListLimit         // in bytes
		photos  []newPhoto
		next    map[string]Element

		nextAdded, nextHad []string
	)
	remember := func(key string, x Element) {
		if x == (Element{}) {
			return
		}
		if next == nil {
			next = map[string]Element{}
		}
		next[key] = x
	}
	// Plex shows no more actors than these. Only if we know each of them are they all.
	hidden := f == Actor && len(now) >= MaxActors && slices.ContainsFunc(now, func(t Tag) bool {
		key := fold.Tag(t.Name)
		return !added[key] && !had[key] && len(as[key]) == 0
	})
	keep := func(t Tag) {
		e.Full = append(e.Full, t)
		room -= cost(f, t)
	}
	for _, t := range now {
		shown := fold.Tag(t.Name)
		if stays, again := kept[shown]; again {
			// One element of the set in two spellings, or a person in two roles: they
			// stay or go together.
			if stays {
				keep(t)
			} else if !slices.Contains(e.Remove, t.Name) {
				e.Remove = append(e.Remove, t.Name)
			}
			continue
		}
		there[shown] = true
		key, ours := shown, added[shown] && known[shown].byOwnName()
		w, stays := wanted[shown]
		for _, k := range as[shown] { // we sent it under another name
			there[k] = true
			ours = ours || added[k]
			if x, ok := wanted[k]; ok && !stays {
				key, w, stays = k, x, true
			}
		}
		kept[shown] = stays || !ours && !mirror
		if !kept[shown] {
			e.Remove = append(e.Remove, t.Name)
			changed = true
			for _, k := range as[shown] {
				// It may be there as it was sent, and only look otherwise.
				if _, another := shows[k]; !another {
					e.Remove = append(e.Remove, k)
				}
			}
			continue
		}
		if stays && key != shown {
			sent := t
			sent.Name = w.Name // which Plex makes the same of again
			keep(sent)
		} else {
			keep(t)
		}
		if !stays {
			continue
		}
		x := known[key]
		x.Gone = false
		switch {
		case w.Thumb == "":
			x.Photo, x.NoPhoto = "", false
		case !x.hasPhoto(w.Thumb, t.Thumb):
			photos = append(photos, newPhoto{len(e.Full) - 1, key, w.Thumb})
		default:
			x.Photo, x.NoPhoto = photo(w.Thumb), x.NoPhoto && t.Thumb == ""
		}
		remember(key, x)
		list := &nextHad
		if ours {
			list = &nextAdded
		}
		*list = append(*list, key)
		for _, k := range as[shown] {
			if _, ok := wanted[k]; ok && k != key {
				remember(k, known[k]) // two that Plex shows as one
				*list = append(*list, k)
			}
		}
	}
	full := hidden || room < 0 // what the item shows leaves nothing to add to
	for _, t := range want {
		key := fold.Tag(t.Name)
		x := known[key]
		bare := t
		bare.Thumb = "" // names go before photos
		switch {
		case there[key]:
		case added[key] && x.Gone:
			// Written already, and Plex shows nothing for it.
			remember(key, x)
			nextAdded = append(nextAdded, key)
		case !m.stashOnly && !mirror && added[key]:
			remember(key, x)
			nextAdded = append(nextAdded, key) // a person removed it
			without = true
		case !m.stashOnly && !mirror && had[key]:
			remember(key, x)
			nextHad = append(nextHad, key)
			without = true
		case full || cost(f, bare) > room || f == Actor && len(e.Full) >= MaxActors:
			left++
		default:
			keep(bare)
			if t.Thumb != "" {
				photos = append(photos, newPhoto{len(e.Full) - 1, key, t.Thumb})
			}
			nextAdded = append(nextAdded, key)
			changed = true
		}
	}
	for _, p := range photos {
		t := e.Full[p.at]
		t.Thumb = p.address
		if more := cost(f, t) - cost(f, e.Full[p.at]); !full && more <= room {
			room -= more
			e.Full[p.at] = t
			changed = true
			x := next[p.key]
			x.Photo, x.NoPhoto = photo(p.address), false
			remember(p.key, x)
		}
	}
	setOrDelete(m.next.Added, f, nextAdded)
	setOrDelete(m.next.Had, f, nextHad)
	setElements(m.next.Elements, f, next)
	after := len(e.Full)
	if full {
		e.Full = nil
		changed = len(e.Remove) > 0
	}
	if without {
		m.edit.Kept = append(m.edit.Kept, f)
	}
	if left > 0 {
		m.edit.Notes = append(m.edit.Notes, leftOut(f, left, len(want), f == Actor && (hidden || after >= MaxActors)))
	}
	if changed {
		m.edit.Lists = append(m.edit.Lists, e)
	}
	switch {
	case after > 0 && len(want) > 0:
		m.lock(f, changed)
	case after == 0 && len(want) == 0 && (changed || slices.Contains(m.base.Locked, f)):
		m.unlock(f)
	}
}

// newPhoto is a photo that an element is to get, by its place in ListEdit.Full.
type newPhoto struct {
	at           int
	key, address string
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
		if len(l.Full) > 0 {
			out.Lists[l.Field] = slices.Clone(l.Full)
			continue
		}
		out.Lists[l.Field] = slices.DeleteFunc(slices.Clone(out.Lists[l.Field]), func(t Tag) bool { return slices.Contains(l.Remove, t.Name) })
	}
	for _, f := range e.Lock {
		out.Locked[f] = true
	}
	for _, f := range e.Unlock {
		delete(out.Locked, f)
	}
	return out
}
