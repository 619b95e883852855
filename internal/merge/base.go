package merge

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/plexsync/plexsync/internal/fold"
)

// Base is what we know of an item since we last wrote it. The zero value says
// that we never did: then its values are nobody's edits.
type Base struct {
	// Wrote is, for each field, the value that we last wrote.
	Wrote map[Field]string `json:"wrote,omitempty"`
	// ShownAs is, for a field of Wrote, what Plex showed for it after our write, where
	// that was another value: a date a day off, a rating rounded. See [Base.Shown].
	ShownAs map[Field]string `json:"shown,omitempty"`
	// Seen is, for a field that we did not write, the value that Plex had when we
	// first looked: what differs from it later is a person's.
	Seen map[Field]string `json:"seen,omitempty"`
	// Added are, for each list, the elements that we added, by key.
	Added map[Field][]string `json:"added,omitempty"`
	// Had are the elements that Stash wanted and that were there before us, by key.
	Had map[Field][]string `json:"had,omitempty"`
	// Elements tells more of elements of Added and Had, where there is more to tell.
	Elements map[Field]map[string]Element `json:"elements,omitempty"`
	// Removed are, for each list, the keys of elements of ours that the last write was to
	// remove, until it was read back.
	Removed map[Field][]string `json:"removed,omitempty"`
	// Locked are the fields that we locked, LockHidden those whose lock Plex did not
	// show after that.
	Locked     []Field `json:"locked,omitempty"`
	LockHidden []Field `json:"lock_hidden,omitempty"`
	// Known is set once an item was merged.
	Known bool `json:"known,omitempty"`
	// Keys says what the key of a name is: [fold.Tag] if 1; [fold.Name] if 0, as it was
	// before. Whoever reads such a base calls keyed.
	Keys int `json:"keys,omitempty"`
}

// Element tells how Plex shows an element of a list that we wrote, where it is not as
// it was sent, and which photo was sent for it.
type Element struct {
	// Name is the key of the name that Plex shows it by, "" for its own.
	Name string `json:"name,omitempty"`
	// Gone: Plex shows nothing for it.
	Gone bool `json:"gone,omitempty"`
	// Photo stands for the address of the photo that we sent last, "" for none. NoPhoto:
	// Plex showed none after it.
	Photo   string `json:"photo,omitempty"`
	NoPhoto bool   `json:"no_photo,omitempty"`
}

// byOwnName reports whether Plex shows the element, as we wrote it, by the name that was
// sent. If it does not, what shows by that name is another's.
func (e Element) byOwnName() bool { return e.Name == "" && !e.Gone }

// in returns how the element with this key shows in a list; the zero Tag if it does not.
func (e Element) in(list map[string]Tag, key string) Tag {
	if t, ok := list[e.Name]; ok && e.Name != "" {
		return t
	}
	return list[key]
}

// hasPhoto reports whether the photo of a person need not be sent, although Plex shows
// another. A photo is the person's, not the item's: whoever replaced it did so in all
// their items, and it is sent once for an item, not in turn with another scene's. It
// is sent again if it was lost altogether.
func (e Element) hasPhoto(want, now string) bool {
	return want == now || e.Photo == photo(want) && (now != "" || e.NoPhoto)
}

// photo is a short stand-in for a photo's address.
func photo(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:4])
}

// IsZero reports whether the item was never written.
func (b Base) IsZero() bool { return !b.Known }

// Ours reports whether we added the element that an item shows by this name.
func (b Base) Ours(f Field, name string) bool {
	if b.Keys < 1 && slices.Contains(b.Added[f], fold.Name(name)) {
		return true
	}
	key := fold.Tag(name)
	return slices.ContainsFunc(b.Added[f], func(k string) bool {
		e := b.Elements[f][k]
		return k == key && e.byOwnName() || e.Name == key
	})
}

// asLeft reports whether a field that we wrote shows as it did after that.
func (b Base) asLeft(f Field, now string) bool {
	wrote, ours := b.Wrote[f]
	shown, otherwise := b.ShownAs[f]
	return ours && (same(f, now, wrote) || otherwise && same(f, now, shown))
}

func (b Base) clone() Base {
	b.Wrote, b.ShownAs, b.Seen = copied(b.Wrote), copied(b.ShownAs), copied(b.Seen)
	b.Added, b.Had, b.Elements = copied(b.Added), copied(b.Had), copied(b.Elements)
	b.Locked, b.LockHidden = slices.Clone(b.Locked), slices.Clone(b.LockHidden)
	return b
}

// copied is maps.Clone, but never nil.
func copied[V any](m map[Field]V) map[Field]V {
	if m == nil {
		return map[Field]V{}
	}
	return maps.Clone(m)
}

// keyed returns b with the keys of [fold.Tag]. Those of before say less ("école" may
// have been "École"): the names that the item shows, or is to show, tell which it was.
func (b Base) keyed(now Item, want Wanted) Base {
	if b.Keys >= 1 {
		return b
	}
	b.Keys = 1
	convert := func(all map[Field][]string) map[Field][]string {
		out := map[Field][]string{}
		for f, keys := range all {
			names := slices.Concat(now.Lists[f], want.Lists[f])
			for _, key := range keys {
				known := len(out[f])
				for _, t := range names {
					if fold.Name(t.Name) == key {
						out[f] = append(out[f], fold.Tag(t.Name))
					}
				}
				if len(out[f]) == known {
					out[f] = append(out[f], key)
				}
			}
			setOrDelete(out, f, out[f])
		}
		return out
	}
	b.Added, b.Had = convert(b.Added), convert(b.Had)
	return b
}

// aliases returns, by the key that Plex shows, the keys that we sent.
func aliases(elements map[string]Element) map[string][]string {
	var as map[string][]string
	for key, e := range elements {
		if e.Name != "" && e.Name != key {
			if as == nil {
				as = map[string][]string{}
			}
			as[e.Name] = append(as[e.Name], key)
		}
	}
	for _, keys := range as {
		slices.Sort(keys)
	}
	return as
}

// Shown notes how Plex shows what was written, and returns the base that holds then: e
// is the edit, b the base that [Merge] gave with it, before the item that it was made
// for, after the item as it was read once Plex had taken all of e. Whatever Plex shows
// for a value then is that value as we left it: it is neither written again nor taken
// for a person's. A value that Plex ignored is among them; see [Ignored]. Noting twice
// is noting once.
func (b Base) Shown(e Edit, before, after Item) Base {
	next := b.clone()
	for _, s := range e.Scalars {
		f, now := s.Field, after.Scalars[s.Field]
		wrote, ours := b.Wrote[f]
		switch {
		case ours && s.Value != "" && !same(f, now, wrote):
			next.ShownAs[f] = now
		case ours:
			delete(next.ShownAs, f)
		case s.Value == "":
			next.Seen[f] = now // what is there once ours has gone is nobody's edit
		}
	}
	for _, l := range e.Lists {
		next.listShown(l, before.Lists[l.Field], after.Lists[l.Field])
	}
	for _, f := range e.Lock {
		next.LockHidden = slices.DeleteFunc(next.LockHidden, func(x Field) bool { return x == f })
		if !after.Locked[f] {
			next.LockHidden = append(next.LockHidden, f)
		}
	}
	slices.Sort(next.LockHidden)
	return next
}

// listShown is Shown for a list: it finds for each element that was written and does
// not show by its name what shows in its place.
func (b *Base) listShown(l ListEdit, before, after []Tag) {
	f := l.Field
	was, shows, sent := tags(before), tags(after), tags(l.Full)
	var hidden []string        // names that were written and do not show
	taken := map[string]bool{} // keys that show for others
	for _, t := range l.Full {
		key := fold.Tag(t.Name)
		_, there := shows[key]
		if name := b.Elements[f][key].Name; name != "" && !there {
			if _, there = shows[name]; there { // as it did before
				taken[name] = true
			}
		}
		if _, old := was[key]; !there && !old && slices.Contains(b.Added[f], key) {
			hidden = append(hidden, t.Name)
		}
	}
	var strange []string // names that show now and were not written
	for _, t := range after {
		key := fold.Tag(t.Name)
		_, ours := sent[key]
		if _, old := was[key]; !ours && !old && !taken[key] {
			strange = append(strange, t.Name)
		}
	}
	elements := maps.Clone(b.Elements[f])
	if elements == nil {
		elements = map[string]Element{}
	}
	added, had := slices.Clone(b.Added[f]), slices.Clone(b.Had[f])
	drop := func(key string) { added = slices.DeleteFunc(added, func(k string) bool { return k == key }) }
	as := func(name, shown string) {
		x := elements[fold.Tag(name)]
		x.Name, x.Gone = fold.Tag(shown), false
		elements[fold.Tag(name)] = x
	}
	// pair gives each hidden name one of names, if alike says that it may be it.
	pair := func(names []string, alike func(sent, shown string) bool) []string {
		names = slices.Clone(names)
		hidden = slices.DeleteFunc(hidden, func(name string) bool {
			i := slices.IndexFunc(names, func(shown string) bool { return alike(name, shown) })
			if i < 0 {
				return false
			}
			as(name, names[i])
			names = slices.Delete(names, i, i+1)
			return true
		})
		return names
	}
	strange = pair(strange, twins)
	strange = pair(strange, func(sent, shown string) bool { return holds(fold.Tag(sent), fold.Tag(shown)) })
	strange = pair(strange, like)
	if len(hidden) == 1 && len(strange) == 1 {
		pair(strange, func(_, _ string) bool { return true })
	}
	for _, name := range hidden {
		key := fold.Tag(name)
		i := slices.IndexFunc(after, func(t Tag) bool { return twins(name, t.Name) })
		switch {
		case i >= 0:
			// A Plex that folds more than [fold.Tag] took it for another element. If that one
			// is a person's, it is as if ours had been there before us.
			as(name, after[i].Name)
			if !b.Ours(f, after[i].Name) && !slices.Contains(l.Remove, after[i].Name) {
				drop(key)
				had = append(had, key)
			}
		case slices.ContainsFunc(l.Remove, func(removed string) bool { return like(name, removed) }):
			// Perhaps it was taken for that one and went with it: to be written once more.
			drop(key)
			delete(elements, key)
		default:
			x := elements[key]
			x.Gone = true
			elements[key] = x
		}
	}
	for key, x := range elements {
		for _, name := range []string{key, x.Name} { // sent under its own name, later as Plex shows it
			if address := sent[name].Thumb; address != "" && x.Photo == photo(address) {
				x.NoPhoto = x.in(shows, key).Thumb == ""
				elements[key] = x
			}
		}
	}
	setOrDelete(b.Added, f, added)
	setOrDelete(b.Had, f, had)
	setElements(b.Elements, f, elements)
}

// twins reports whether two names are one to a Plex that folds every letter.
func twins(a, b string) bool { return fold.Name(a) == fold.Name(b) }

// like reports whether one of two names may have been made of the other, as by cutting
// it.
func like(a, b string) bool { return holds(fold.Name(a), fold.Name(b)) }

// holds reports whether one of two texts is in the other.
func holds(a, b string) bool {
	return a != "" && b != "" && (strings.Contains(a, b) || strings.Contains(b, a))
}

// tags is a list by the keys of its names.
func tags(list []Tag) map[string]Tag {
	all := make(map[string]Tag, len(list))
	for _, t := range list {
		key := fold.Tag(t.Name)
		if old, twice := all[key]; twice && t.Thumb == "" {
			t = old
		}
		all[key] = t
	}
	return all
}

// setElements stores what is told of a list's elements, without those of which nothing
// is.
func setElements(all map[Field]map[string]Element, f Field, elements map[string]Element) {
	maps.DeleteFunc(elements, func(_ string, e Element) bool { return e == Element{} })
	if len(elements) == 0 {
		delete(all, f)
		return
	}
	all[f] = elements
}

// Ignored returns the fields of e that the item shows exactly as before, as if e had
// never come: Plex answers an edit with 200 also if it did nothing. Whoever wants to be
// sure sends e a second time before it notes by [Base.Shown] that this is how Plex
// shows it.
func Ignored(e Edit, before, after Item) []Field {
	var all []Field
	for _, s := range e.Scalars {
		if before.Scalars[s.Field] == after.Scalars[s.Field] && !same(s.Field, after.Scalars[s.Field], s.Value) {
			all = append(all, s.Field)
		}
	}
	for _, l := range e.Lists {
		if maps.Equal(tags(before.Lists[l.Field]), tags(after.Lists[l.Field])) {
			all = append(all, l.Field)
		}
	}
	return all
}

// Removing returns b with a note of what e removes of ours, so that it can be told later
// whether it went, see [Base.Removed]. before is the base that e was made from.
func (b Base) Removing(e Edit, before Base) Base {
	b.Removed = nil
	for _, l := range e.Lists {
		for _, name := range l.Remove {
			if before.Ours(l.Field, name) {
				if b.Removed == nil {
					b.Removed = map[Field][]string{}
				}
				b.Removed[l.Field] = append(b.Removed[l.Field], fold.Tag(name))
			}
		}
	}
	return b
}

// Reclaim returns b without the note of what was removed, and whether the item still
// shows any of it: that is ours still.
func (b Base) Reclaim(now Item) (Base, bool) {
	left := false
	removed := b.Removed
	b.Removed = nil
	b.Added = copied(b.Added)
	for f, keys := range removed {
		shows, added := tags(now.Lists[f]), slices.Clone(b.Added[f])
		for _, key := range keys {
			if _, there := shows[key]; there && !b.Ours(f, key) {
				added, left = append(added, key), true
			}
		}
		setOrDelete(b.Added, f, added)
	}
	return b, left
}

// Arrived returns the base that holds after e was written, of which parts of lists may
// not have been taken: next is what would hold if all had, before and now what the item
// showed before and shows now. A value was taken as a whole, however it is shown; an
// element was if something shows for it.
func Arrived(base, next Base, e Edit, before, now Item) Base {
	out := Recover(base, next, now).clone()
	shown := next.Shown(e, before, now)
	out.Wrote, out.ShownAs, out.Seen = shown.Wrote, shown.ShownAs, shown.Seen
	for f, elements := range shown.Elements {
		known, added := maps.Clone(out.Elements[f]), slices.Clone(out.Added[f])
		for key, x := range elements {
			if x.Name == "" || x.Gone || !slices.Contains(shown.Added[f], key) {
				continue
			}
			if known == nil {
				known = map[string]Element{}
			}
			known[key] = x
			added = append(added, key)
		}
		setOrDelete(out.Added, f, added)
		setElements(out.Elements, f, known)
	}
	return out
}

// Carry returns as much of the base of an item as holds for the item now that is its
// successor: another key for the same film. It holds, element by element, as far as the
// item shows that it was carried over: a value as we left it, an element that is there,
// a lock. The rest is forgotten, so that there the item is one that nobody wrote yet,
// and its values are nobody's edits. Carrying twice is carrying once.
func Carry(base Base, now Item) Base {
	base = base.keyed(now, Wanted{})
	next := Base{}.clone()
	next.Keys = base.Keys
	for f, wrote := range base.Wrote {
		// An empty field proves nothing: every new item has them.
		if now.Scalars[f] == "" || !base.asLeft(f, now.Scalars[f]) {
			continue
		}
		next.Wrote[f] = wrote
		if shown, otherwise := base.ShownAs[f]; otherwise {
			next.ShownAs[f] = shown
		}
	}
	for f, seen := range base.Seen {
		if v := now.Scalars[f]; v != "" && same(f, v, seen) {
			next.Seen[f] = seen
		}
	}
	for _, f := range ListFields() {
		shows := tags(now.Lists[f])
		there := func(key string) bool { return base.Elements[f][key].in(shows, key).Name != "" }
		keep := func(keys []string) []string {
			return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !there(key) })
		}
		setOrDelete(next.Added, f, keep(base.Added[f]))
		setOrDelete(next.Had, f, keep(base.Had[f]))
		elements := maps.Clone(base.Elements[f])
		maps.DeleteFunc(elements, func(key string, e Element) bool { return !there(key) })
		for key, e := range elements {
			e.Gone = false // it is there
			elements[key] = e
		}
		setElements(next.Elements, f, elements)
	}
	for _, f := range base.Locked {
		if now.Locked[f] {
			next.Locked = append(next.Locked, f)
		}
	}
	if len(next.Wrote)+len(next.Added)+len(next.Locked) == 0 {
		return Base{}
	}
	next.Known = base.Known
	return next
}

// Recover returns the base to merge from when a write may have been cut short:
// base held before it, intent would hold after it, and any part of it may have
// reached the item. What the item shows tells which. A value that Plex shows otherwise
// than it was sent counts as not arrived: it cannot be told from a person's.
func Recover(base, intent Base, now Item) Base {
	base, intent = base.keyed(now, Wanted{}), intent.keyed(now, Wanted{})
	r := intent.clone()
	r.Known = base.Known
	for _, f := range ScalarFields() {
		before, had := base.Wrote[f]
		_, has := intent.Wrote[f]
		v := now.Scalars[f]
		switch {
		case has && intent.asLeft(f, v):
			// It arrived, or was so all along.
			r.Known = r.Known || !had
		case had && (has || base.asLeft(f, v)):
			// It did not arrive, nor did a clearing.
			r.Wrote[f] = before
			delete(r.Seen, f)
			delete(r.ShownAs, f)
			if shown, otherwise := base.ShownAs[f]; otherwise {
				r.ShownAs[f] = shown
			}
		case had && v == "" && intent.Seen[f] == "":
			// A clearing arrived; "" as ours lets its unlocking follow.
			r.Wrote[f] = ""
			delete(r.Seen, f)
			delete(r.ShownAs, f)
		case has:
			delete(r.Wrote, f)
			delete(r.ShownAs, f)
			if seen, ok := base.Seen[f]; ok {
				r.Seen[f] = seen
			}
		}
	}
	for _, f := range ListFields() {
		shows := tags(now.Lists[f])
		as := func(key string) Tag { return base.Elements[f][key].in(shows, key) }
		there := func(key string) bool { return as(key).Name != "" }
		before, after := set(base.Added[f]), set(intent.Added[f])
		var added, had []string
		for key := range before {
			if there(key) || after[key] {
				added = append(added, key)
			}
		}
		for key := range after {
			if there(key) && !before[key] {
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
		elements := map[string]Element{}
		for _, key := range slices.Concat(added, had) {
			old := base.Elements[f][key]
			e, ok := intent.Elements[f][key]
			if !ok {
				e = old
			}
			if e.Photo != old.Photo && e.Photo != photo(as(key).Thumb) {
				e.Photo, e.NoPhoto = old.Photo, old.NoPhoto // it did not arrive
			}
			elements[key] = e
		}
		setElements(r.Elements, f, elements)
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

// Lost is the base of an item that may have been written, although it is not known any
// more with what. A field that is locked and shows what is wanted counts as written; one
// that is locked and shows something else as a person's edit. What is wanted in a list
// that is locked counts as added: what of it is missing, a person removed. Fields that are
// not locked were never written.
func Lost(want Wanted, now Item) Base {
	b := Base{Known: true, Keys: 1}.clone()
	for f, v := range now.Scalars {
		w, wanted := want.Scalars[f]
		switch {
		case !now.Locked[f]:
			b.Seen[f] = v
		case wanted && same(f, v, w):
			b.Wrote[f] = w
		default:
			b.Seen[f] = ""
		}
	}
	for _, f := range ListFields() {
		if !now.Locked[f] {
			continue
		}
		for _, t := range want.Lists[f] {
			b.Added[f] = append(b.Added[f], fold.Tag(t.Name))
		}
	}
	return b
}
