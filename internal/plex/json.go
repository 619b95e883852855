package plex

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Plex writes a number now as a number and now as a string, and a list of one now
// as a list and now as its element. From 1.43 on an item may have a text "studio"
// beside a list "Studio", which encoding/json would take for the same: it does not
// tell names apart that differ in case only. So what one item is made of is read
// here, by exact names first, and within bounds: a list of three bytes an element
// takes twenty times its size in memory.

// value is what a member of an object is read into. The bytes are valid JSON, and
// one that does not fit the type reads as nothing, not as an error: an odd field
// must not cost the item. The only errors are bounds.
type value interface {
	read(b []byte, room *int) error
}

// maxEntries is how many elements the lists of one item may have together. A
// detailed answer of a film with all of its streams and people has a few hundred.
const maxEntries = 20_000

// read reads one whole value of an answer.
func read(b []byte, v value) error {
	room := maxEntries
	return v.read(bytes.TrimSpace(b), &room)
}

// number is a whole or broken number, or a string of one; 0 if it is neither, or
// too large to be exact.
type number float64

func (n *number) read(b []byte, _ *int) error {
	*n, _ = parse(b)
	return nil
}

func parse(b []byte) (number, bool) {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	if err != nil || !(math.Abs(f) <= 1<<53) {
		return 0, false
	}
	return number(f), true
}

// optional is a number that may be missing.
type optional struct {
	number
	given bool
}

func (o *optional) read(b []byte, _ *int) error {
	o.number, o.given = parse(b)
	return nil
}

// word is a string, or a number as it is written.
type word string

func (w *word) read(b []byte, _ *int) error {
	switch b[0] {
	case '"':
		*w = word(unquote(b))
	case 'n', '{', '[': // null, or nothing that is a word
		*w = ""
	default:
		*w = word(b)
	}
	return nil
}

// flag is true, 1, "1" or "true".
type flag bool

func (f *flag) read(b []byte, _ *int) error {
	s := strings.Trim(string(b), `"`)
	*f = flag(s == "1" || strings.EqualFold(s, "true"))
	return nil
}

// list is a list of objects, a single one, or nothing. What is no object is left
// out.
type list[T any, P interface {
	*T
	value
}] []T

func (l *list[T, P]) read(b []byte, room *int) error {
	*l = nil
	one := func(b []byte) error {
		if b[0] != '{' {
			return nil
		}
		if *room--; *room < 0 {
			return fmt.Errorf("%w: an item in it has more than %d entries", errTooLarge, maxEntries)
		}
		var v T
		if err := P(&v).read(b, room); err != nil {
			return err
		}
		*l = append(*l, v)
		return nil
	}
	if b[0] != '[' {
		return one(b)
	}
	return walk(b, func(_, b []byte) error { return one(b) })
}

// members reads an object. where tells where the value of a name goes, nil for a
// name that is of no use; it asks is about each name that it knows, of which no two
// differ in case only. A name in another case counts only where the exact one is
// missing.
func members(b []byte, room *int, where func(is func(name string) bool) value) error {
	if b[0] != '{' {
		return nil
	}
	type found struct {
		to value
		b  []byte
	}
	// One for each place, however often its name comes.
	keep := func(all []found, f found) []found {
		for i := range all {
			if all[i].to == f.to {
				all[i].b = f.b
				return all
			}
		}
		return append(all, f)
	}
	var exact, others []found
	var name []byte
	exactly := false
	is := func(known string) bool {
		if len(name) != len(known) {
			return false
		}
		exactly = string(name) == known
		return exactly || strings.EqualFold(string(name), known)
	}
	walk(b, func(quoted, b []byte) error {
		name = quoted[1 : len(quoted)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(unquote(quoted))
		}
		switch to := where(is); {
		case to == nil:
		case exactly:
			exact = keep(exact, found{to, b})
		default:
			others = keep(others, found{to, b})
		}
		return nil
	})
	for _, f := range exact {
		if err := f.to.read(f.b, room); err != nil {
			return err
		}
	}
	for _, f := range others {
		if slices.ContainsFunc(exact, func(e found) bool { return e.to == f.to }) {
			continue
		}
		if err := f.to.read(f.b, room); err != nil {
			return err
		}
	}
	return nil
}

// walk calls f with each element of a list, or with each member of an object and
// its name in quotes. b is valid JSON without blanks around it.
func walk(b []byte, f func(name, value []byte) error) error {
	object := b[0] == '{'
	for i := blank(b, 1); b[i] != ']' && b[i] != '}'; i = blank(b, i) {
		var name []byte
		if object {
			to := end(b, i)
			name = b[i:to]
			i = blank(b, blank(b, to)+1) // over the colon
		}
		to := end(b, i)
		if err := f(name, b[i:to]); err != nil {
			return err
		}
		if i = blank(b, to); b[i] == ',' {
			i++
		}
	}
	return nil
}

// blank returns where the blanks that begin at i end.
func blank(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r' {
		i++
	}
	return i
}

// end returns where the value that begins at i ends.
func end(b []byte, i int) int {
	switch b[i] {
	case '"':
		for i++; b[i] != '"'; i++ {
			if b[i] == '\\' {
				i++
			}
		}
		return i + 1
	case '{', '[':
		for depth := 0; ; i++ {
			switch b[i] {
			case '"':
				i = end(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for ; i < len(b); i++ {
		switch b[i] {
		case ',', ']', '}', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return i
}

// unquote reads a string.
func unquote(b []byte) string {
	if plain := b[1 : len(b)-1]; bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return string(plain)
	}
	var s string
	if json.Unmarshal(b, &s) != nil {
		return ""
	}
	return s
}
