package scope

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/plexsync/plexsync/internal/fold"
	"github.com/plexsync/plexsync/internal/match"
)

// Tag is a tag of Stash. It can have several parents.
type Tag struct {
	ID      int64
	Name    string
	Parents []int64
}

// Tree is all of Stash's tags. The zero value knows none.
type Tree struct {
	tags     []Tag
	names    map[string]bool // folded
	children map[int64][]int64
}

// NewTree takes Stash's tags in any order. A parent that is not among them is ignored,
// and so are circles.
func NewTree(tags []Tag) Tree {
	t := Tree{tags: tags, names: make(map[string]bool, len(tags)), children: map[int64][]int64{}}
	for _, x := range tags {
		t.names[fold.Name(x.Name)] = true
		for _, p := range x.Parents {
			t.children[p] = append(t.children[p], x.ID)
		}
	}
	return t
}

// below returns the ids of the tags that are named, and of all below them.
func (t Tree) below(named match.Tags) map[int64]bool {
	ids := map[int64]bool{}
	var next []int64
	for _, x := range t.tags {
		if named.Has(x.ID, x.Name) {
			next = append(next, x.ID)
		}
	}
	for len(next) > 0 {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		if !ids[id] {
			ids[id] = true
			next = append(next, t.children[id]...)
		}
	}
	return ids
}

// under begins an entry that names a tag with all that are below it.
const under = "under:"

// entry is one of a setting that names tags.
type entry struct {
	text  string
	name  string // without the minus and under:
	minus bool
	names match.Tags     // unless below is set
	below map[int64]bool // for under:
}

// read finds out what an entry means. Text that is a tag's name means this tag, even if
// it looks like something else: a number, or a name behind under: or a minus.
func (t Tree) read(text string, minus bool) entry {
	e := entry{text: strings.TrimSpace(text)}
	e.name = e.text
	if minus && !t.has(e.name) {
		e.name, e.minus = cut(e.name, "-")
	}
	all := false
	if !t.has(e.name) {
		e.name, all = cut(e.name, under)
	}
	e.names = match.ParseTags([]string{e.name})
	if t.has(e.name) {
		e.names = e.names.WithNames([]string{e.name})
	}
	if all {
		e.below = t.below(e.names)
	}
	return e
}

// has reports whether a tag has this name.
func (t Tree) has(name string) bool { return t.names[fold.Name(name)] }

// cut cuts a prefix, in any case, and the blanks behind it off s.
func cut(s, prefix string) (rest string, found bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return strings.TrimSpace(s[len(prefix):]), true
}

func (e entry) has(id int64, name string) bool {
	if e.below != nil {
		return e.below[id]
	}
	return e.names.Has(id, name)
}

// NeedsTree reports whether Stash's tags must be known to tell what entries mean: one
// of them is a number, begins with a minus, or names all tags below one.
func NeedsTree(entries ...string) bool {
	return slices.ContainsFunc(entries, func(e string) bool {
		name, below := cut(strings.TrimSpace(e), under)
		_, err := strconv.ParseInt(name, 10, 64)
		return below || err == nil || strings.HasPrefix(name, "-")
	})
}

// Tags are tags as a condition names them. The zero value names none.
type Tags struct{ entries []entry }

// NewTags finds out which tags the entries of a setting mean: names, in which * stands
// for anything; ids; and under:X, which means the tags that X means and all below them,
// at any depth. Names are compared as people read them ([fold.Name]). An entry that is
// exactly a tag's name means that tag. Without a tree an id may be a name, too, and
// under:X means none.
func NewTags(entries []string, tree Tree) (t Tags) {
	for _, text := range entries {
		if e := tree.read(text, false); e.text != "" {
			t.entries = append(t.entries, e)
		}
	}
	return t
}

// Empty reports whether there are no entries.
func (t Tags) Empty() bool { return len(t.entries) == 0 }

// Has reports whether an entry means the tag with this id and name.
func (t Tags) Has(id int64, name string) bool {
	return slices.ContainsFunc(t.entries, func(e entry) bool { return e.has(id, name) })
}

// entry is the text of the first that means the tag.
func (t Tags) entry(id int64, name string) string {
	for _, e := range t.entries {
		if e.has(id, name) {
			return e.text
		}
	}
	return ""
}

// Unknown returns the entries that mean no tag of the tree.
func (t Tags) Unknown(tree Tree) []Unknown { return tree.unknown(t.entries) }

// Chooser says which tags become genres, or labels. The zero value chooses none.
type Chooser struct {
	entries []entry
	all     bool // what no entry speaks of is chosen
}

// Genres reads the setting genreTags; without entries, all tags become genres.
//
// Entries are those of [NewTags], and each may have a minus before it, which takes away
// the tags that it means. Their order does not matter: a tag is chosen if an entry
// means it, and none with a minus does. With nothing but minuses, all others are chosen.
func Genres(entries []string, tree Tree) Chooser { return choose(entries, true, tree) }

// Labels reads the setting labelTags, like [Genres]; without entries, no tag becomes a
// label.
func Labels(entries []string, tree Tree) Chooser { return choose(entries, false, tree) }

func choose(entries []string, empty bool, tree Tree) (c Chooser) {
	outright := false
	for _, text := range entries {
		if e := tree.read(text, true); e.text != "" {
			c.entries = append(c.entries, e)
			outright = outright || !e.minus
		}
	}
	c.all = !outright && (empty || len(c.entries) > 0)
	return c
}

// None reports whether no tag can be chosen.
func (c Chooser) None() bool { return !c.all && len(c.entries) == 0 }

// Has reports whether the tag with this id and name is chosen.
func (c Chooser) Has(id int64, name string) bool {
	chosen := c.all
	for _, e := range c.entries {
		switch {
		case !e.has(id, name):
		case e.minus:
			return false
		default:
			chosen = true
		}
	}
	return chosen
}

// Unknown returns the entries that mean no tag of the tree.
func (c Chooser) Unknown(tree Tree) []Unknown { return tree.unknown(c.entries) }

// Unknown is an entry of a setting that means no tag of Stash, and so never matches.
type Unknown struct {
	Entry string
	// Near is the tag that was probably meant, "" if none is like it.
	Near string
}

// String is a sentence about it.
func (u Unknown) String() string {
	guess := ""
	if u.Near != "" {
		guess = fmt.Sprintf(" (did you mean %q?)", u.Near)
	}
	return fmt.Sprintf("%q matches no tag in Stash%s", u.Entry, guess)
}

func (t Tree) unknown(entries []entry) (all []Unknown) {
	for _, e := range entries {
		if !slices.ContainsFunc(t.tags, func(x Tag) bool { return e.has(x.ID, x.Name) }) {
			all = append(all, Unknown{e.text, fold.Nearest(e.name, func(yield func(string) bool) {
				for _, x := range t.tags {
					if !yield(x.Name) {
						return
					}
				}
			})})
		}
	}
	return all
}
