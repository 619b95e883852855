package plex

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The fields that are not like the others.
const (
	actor      = "actor"
	collection = "collection"
	label      = "label"
)

// group is a run of parameters that belong together, each with its & and encoded;
// an empty one is none.
type group []string

func size(params []string) int {
	n := 0
	for _, p := range params {
		n += len(p)
	}
	return n
}

func param(name, value string) string { return "&" + escape(name) + "=" + escape(value) }

// locks are those of an edit, by field.
type locks map[string]string

func locksOf(e Edit) locks {
	l := locks{}
	for _, f := range e.Lock {
		l[f] = "1"
	}
	for _, f := range e.Unlock {
		l[f] = "0"
	}
	return l
}

// take writes a field's lock, once.
func (l locks) take(field string) string {
	v, ok := l[field]
	if !ok {
		return ""
	}
	delete(l, field)
	return param(field+".locked", v)
}

// elements writes a list, with a number for each element, that ties its parameters
// together.
func elements(field string, all []Tag) group {
	var g group
	for _, t := range all {
		if t.Name != "" {
			g = append(g, element(field, len(g), t))
		}
	}
	return g
}

func element(field string, i int, t Tag) string {
	name := fmt.Sprintf("%s[%d]", field, i)
	p := param(name+".tag.tag", t.Name)
	if t.Role != "" {
		p += param(name+".tagging.text", t.Role)
	}
	if t.Thumb != "" {
		p += param(name+".tag.thumb", t.Thumb)
	}
	return p
}

// removals writes what has to go from a list: one parameter if it fits, for nobody
// has said what Plex makes of two of that name. Two would not fit into one request.
func removals(l ListEdit, how Encoding, room int) []string {
	name := l.Field + "[].tag.tag-"
	var params []string
	value := ""
	for _, n := range l.Remove {
		switch n = how.encode(n); {
		case n == "":
		case value == "":
			value = n
		case len(param(name, value+","+n)) > room:
			params = append(params, param(name, value))
			value = n
		default:
			value += "," + n
		}
	}
	if value != "" {
		params = append(params, param(name, value))
	}
	return params
}

// pack fills queries of at most room bytes with whole groups in their order. A
// group that is larger by itself is cut between its parameters.
func pack(all []group, room int) []string {
	var queries []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			queries = append(queries, b.String())
			b.Reset()
		}
	}
	for _, g := range all {
		if b.Len()+size(g) > room {
			flush()
		}
		for _, p := range g {
			if b.Len()+len(p) > room {
				flush()
			}
			b.WriteString(p)
		}
	}
	flush()
	return queries
}

// tagKey is what the names of one tag have in common: Plex folds A to Z only, and
// gives labels a capital first letter.
func tagKey(field, name string) string {
	if field == label {
		name = capital(name)
	}
	return nocase(name)
}

// tagKeys are those of a list, with the element that each is of.
func tagKeys(field string, all []Tag) map[string]Tag {
	keys := make(map[string]Tag, len(all))
	for _, t := range all {
		keys[tagKey(field, t.Name)] = t
	}
	return keys
}

// nameKeys are those of names.
func nameKeys(field string, names []string) map[string]bool {
	keys := make(map[string]bool, len(names))
	for _, n := range names {
		keys[tagKey(field, n)] = true
	}
	return keys
}

func nocase(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func capital(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return strings.ToUpper(s[:n]) + s[n:]
}

// thereFirst is what a list should become, what is there already before what is
// new, and how many of the former there are.
func thereFirst(l ListEdit, there []Tag) (full []Tag, kept int) {
	old := tagKeys(l.Field, there)
	var late []Tag
	for _, t := range l.Full {
		if t.Name == "" {
			continue
		}
		if _, is := old[tagKey(l.Field, t.Name)]; is {
			full = append(full, t)
		} else {
			late = append(late, t)
		}
	}
	return append(full, late...), len(full)
}
