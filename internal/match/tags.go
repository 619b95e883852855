package match

import (
	"slices"
	"strconv"
	"strings"

	"github.com/plexsync/plexsync/internal/fold"
)

// Tags are tags of Stash's as a setting names them. The zero value names none.
type Tags struct {
	entries []tagEntry
}

type tagEntry struct {
	text string
	// pieces of the folded name; a * stood between them.
	pieces []string
	id     int64 // 0 = the entry is no number, or one that a tag has for its name
}

// ParseTags reads the entries of a setting: names, in which * stands for anything, or
// ids. Names are compared as people read them ([fold.Name]). A number is an id only if
// no tag has it for its name; that is not known here: see [Tags.Numbers].
func ParseTags(entries []string) Tags {
	var t Tags
	for _, e := range entries {
		x := tagEntry{text: strings.TrimSpace(e), pieces: strings.Split(fold.Name(e), "*")}
		if x.text == "" {
			continue
		}
		if id, err := strconv.ParseInt(x.text, 10, 64); err == nil && id > 0 && strconv.FormatInt(id, 10) == x.text {
			x.id = id
		}
		t.entries = append(t.entries, x)
	}
	return t
}

// Empty reports whether no tag can be meant.
func (t Tags) Empty() bool { return len(t.entries) == 0 }

// Numbers are the entries that may be ids, each once; usually there are none, and nobody
// need be asked. Which of them are names of tags tells [Tags.WithNames].
func (t Tags) Numbers() []string {
	var all []string
	for _, e := range t.entries {
		if e.id != 0 && !slices.Contains(all, e.text) {
			all = append(all, e.text)
		}
	}
	return all
}

// WithNames returns t with the knowledge that these are names of tags in Stash: a number
// among them is no id. t itself is as it was, in which a number is both.
func (t Tags) WithNames(names []string) Tags {
	t.entries = slices.Clone(t.entries)
	for i, e := range t.entries {
		if slices.ContainsFunc(names, func(n string) bool { return fold.Name(n) == fold.Name(e.text) }) {
			t.entries[i].id = 0
		}
	}
	return t
}

// Has reports whether t names the tag with this id and name.
func (t Tags) Has(id int64, name string) bool {
	if len(t.entries) == 0 {
		return false
	}
	name = fold.Name(name)
	return slices.ContainsFunc(t.entries, func(e tagEntry) bool { return e.id != 0 && e.id == id || e.fits(name) })
}

// fits reports whether a folded name is the entry's pieces with anything between them.
func (e tagEntry) fits(name string) bool {
	first, last := e.pieces[0], e.pieces[len(e.pieces)-1]
	if len(e.pieces) == 1 {
		return name == first
	}
	if len(name) < len(first)+len(last) || !strings.HasPrefix(name, first) || !strings.HasSuffix(name, last) {
		return false
	}
	name = name[len(first) : len(name)-len(last)]
	for _, p := range e.pieces[1 : len(e.pieces)-1] {
		_, rest, found := strings.Cut(name, p)
		if !found {
			return false
		}
		name = rest
	}
	return true
}
