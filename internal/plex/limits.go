package plex

import (
	"fmt"
	"slices"

	"github.com/plexsync/plexsync/internal/job"
)

const (
	// MaxURL is what the URL of a request stays below, in bytes. Plex took a request
	// line of 7,671 bytes and answered 400 to one of 10,232; reverse proxies often
	// refuse more than 8,192.
	MaxURL = 8000
	// MaxListBytes is how much of that a list may take, its elements percent-encoded
	// with their names, roles and photos: what more is needed fits in beside it.
	MaxListBytes = 7000
	// MaxRoles is how many actors an item shows in full detail. More may be there,
	// and nobody would know.
	MaxRoles = 200
	// maxBase is how long the address of a server may be, so that MaxListBytes holds.
	maxBase = 500
)

// Fit returns how many elements of a list, from the first, can be written so that
// they arrive and are shown: at most MaxRoles actors, and, by a Plex that replaces
// lists, at most MaxListBytes.
func Fit(field string, full []Tag, lists Lists) int {
	n := len(full)
	if lists == ListsReplace {
		n = fitBytes(field, full, MaxURL)
	}
	if field == actor {
		n = min(n, MaxRoles)
	}
	return n
}

// fitBytes returns how many elements, from the first, fit into one request, beside
// what empties the list and locks it.
func fitBytes(field string, full []Tag, room int) int {
	left := min(MaxListBytes, room-len(param(field+"[].tag", ""))-len(param(field+".locked", "1")))
	n := 0
	for i, t := range full {
		if t.Name == "" {
			continue
		}
		if left -= len(element(field, n, t)); left < 0 {
			return i
		}
		n++
	}
	return len(full)
}

// mayHide reports whether a list may have elements that it does not show.
func mayHide(field string, there []Tag) bool { return field == actor && len(there) >= MaxRoles }

// LeftOut is what [Cut] left out of a list.
type LeftOut struct {
	Field string
	// Names are what was left out, of a list of Of elements.
	Names []string
	Of    int
	// Roles: it was because of MaxRoles, not because of MaxListBytes.
	Roles bool
}

// String says it to people: how many and why. It quotes no names.
func (l LeftOut) String() string {
	why := fmt.Sprintf("this Plex server replaces the list with each request, and a request can contain at most %d bytes of it", MaxListBytes)
	if l.Roles {
		why = fmt.Sprintf("Plex shows at most %d per item", MaxRoles)
	}
	return fmt.Sprintf("%s: left out %d of %d, because %s", l.Field, len(l.Names), l.Of, why)
}

// Cut returns what of an edit can be written to an item, and what is left out
// because there is a limit. now are the item's lists, by field, as it shows them; h
// what is known of its server. What the item has stays before what is new, so it
// never ends up with less than it has; a list of which not even that would fit is
// not written, but for its removals. A list edit that changes nothing any more is
// dropped, so cutting again what is there leaves nothing to do.
//
// It is pure. An edit that was cut is written by [Client.Edit] as it is.
func Cut(e Edit, now map[string][]Tag, h Habits) (Edit, []LeftOut) {
	var left []LeftOut
	var lists []ListEdit
	for _, l := range e.Lists {
		there := now[l.Field]
		full, kept := thereFirst(l, there)
		n := Fit(l.Field, full, h.Lists)
		roles := l.Field == actor && n == MaxRoles
		hides := h.Lists != ListsAppend && mayHide(l.Field, there)
		if n == len(full) && !hides {
			lists = append(lists, l)
			continue
		}
		if n < kept || hides { // writing it could take something away
			n, roles = kept, roles || hides
			l.Full = nil
		} else {
			l.Full = full[:n]
		}
		if out := full[n:]; len(out) > 0 {
			o := LeftOut{Field: l.Field, Of: len(full), Roles: roles}
			for _, t := range out {
				o.Names = append(o.Names, t.Name)
			}
			left = append(left, o)
		}
		if len(l.Remove) > 0 || changes(l, there) {
			lists = append(lists, l)
		}
	}
	e.Lists = lists
	return e, left
}

// changes reports whether a list that is written has something that is not there.
func changes(l ListEdit, there []Tag) bool {
	old := tagKeys(l.Field, there)
	return slices.ContainsFunc(l.Full, func(t Tag) bool {
		o, is := old[tagKey(l.Field, t.Name)]
		return !is || t.Role != "" && t.Role != o.Role || t.Thumb != "" && t.Thumb != o.Thumb
	})
}

// tooLong finds what cannot be written because it does not fit into any request.
func (w *writer) tooLong(e Edit) error {
	long := func(what string, n int) error {
		return &job.Error{Class: job.ClassRejected, Op: w.op,
			Err: fmt.Errorf("%s takes %d bytes in the request's address; there is room for %d", what, n, w.room)}
	}
	for _, s := range e.Scalars {
		if n := len(param(s.Field+".value", s.Value)); n > w.room {
			return long(s.Field, n)
		}
	}
	for _, l := range e.Lists {
		for i, t := range l.Full {
			if n := len(element(l.Field, i, t)); n > w.room {
				return long("an element of "+l.Field, n)
			}
		}
		for _, name := range l.Remove {
			if n := len(param(l.Field+"[].tag.tag-", w.habits.Removals.encode(name))); n > w.room {
				return long("a removal from "+l.Field, n)
			}
		}
	}
	return nil
}
