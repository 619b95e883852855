package scope

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plexsync/plexsync/internal/fold"
)

// Globs are paths with wildcards, as a setting has them.
type Globs []Glob

// Glob is one of them.
type Glob struct {
	text string
	// The elements in the form in which Windows compares them, and in that of others.
	windows, exact []string
}

// String is the glob as it was typed.
func (g Glob) String() string { return g.text }

// anyDepth is the element that stands for any number of folders.
const anyDepth = "**"

// ParseGlobs reads the entries of a setting. In a glob * stands for any text within one
// name, ? for one character, and ** for any number of folders. Nothing else is special:
// names have brackets in them. A glob begins at the root ("/data/films", "D:\films",
// "\\nas\films") or with **, and it is either slash that separates. It means whole
// paths, but a name without wildcards at its end may be a folder's, and means
// everything in it, as does a slash at the end.
//
// Every glob that is broken is named in the error with what would be right; the others
// are returned beside it. Empty entries are dropped.
func ParseGlobs(entries []string) (all Globs, err error) {
	var errs []error
	for _, text := range entries {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		g, wrong := parseGlob(text)
		if wrong != "" {
			errs = append(errs, fmt.Errorf("%q %s", text, wrong))
			continue
		}
		all = append(all, g)
	}
	return all, errors.Join(errs...)
}

// parseGlob returns what is wrong with a glob, "" if nothing is.
func parseGlob(text string) (g Glob, wrong string) {
	path := strings.ReplaceAll(text, `\`, "/")
	elements := split(path, "/")
	switch {
	case strings.ContainsRune(path, 0):
		return g, "has a NUL character"
	case !strings.HasPrefix(path, "/") && !onWindows(path) && (len(elements) == 0 || elements[0] != anyDepth):
		return g, "does not begin at the root; valid would be, for example, " + rooted(text)
	case slices.Contains(elements, ".") || slices.Contains(elements, ".."):
		return g, "has a . or .. in it, and Stash's paths have none; write the folder's full path"
	}
	for _, e := range elements {
		if strings.Contains(e, anyDepth) && e != anyDepth {
			return g, fmt.Sprintf("has ** within the name %q, but ** stands for whole folders; valid would be %s or **/%s",
				e, squeeze(e), squeeze(e))
		}
	}
	switch n := len(elements); {
	case strings.HasSuffix(path, "/"):
		elements = append(elements, anyDepth, "*") // something in it
	case n > 0 && !strings.ContainsAny(elements[n-1], "*?"):
		elements = append(elements, anyDepth)
	}
	g.text = text
	for _, e := range elements {
		g.windows = append(g.windows, fold.Element(e, false))
		g.exact = append(g.exact, fold.Element(e, true))
	}
	return g, ""
}

// rooted is what a glob that begins nowhere may have been meant for.
func rooted(text string) string {
	if len(text) >= 2 && text[1] == ':' {
		return text[:2] + `\` + text[2:] // the drive's current folder, of which nobody knows
	}
	rest := strings.TrimPrefix(strings.ReplaceAll(text, `\`, "/"), "./")
	return "/data/" + rest + " or **/" + rest
}

// squeeze makes each run of * in e one.
func squeeze(e string) string {
	for strings.Contains(e, anyDepth) {
		e = strings.ReplaceAll(e, anyDepth, "*")
	}
	return e
}

// onWindows reports whether path, with a slash of either kind, can only be one of
// Windows: case does not count there, and both slashes separate.
func onWindows(path string) bool {
	return strings.HasPrefix(path, `\\`) ||
		len(path) >= 3 && path[1] == ':' && 'a' <= path[0]|0x20 && path[0]|0x20 <= 'z' && (path[2] == '\\' || path[2] == '/')
}

// split cuts a path into its elements; slashes that are doubled do not count.
func split(path, slashes string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(slashes, r) })
}

// Match returns the first glob that means a path of Stash's, as it was typed.
func (all Globs) Match(path string) (glob string, in bool) {
	if len(all) == 0 {
		return "", false
	}
	windows, slashes := onWindows(path), "/"
	if windows {
		slashes = `/\`
	}
	elements := split(path, slashes)
	for i, e := range elements {
		elements[i] = fold.Element(e, !windows)
	}
	for _, g := range all {
		want := g.exact
		if windows {
			want = g.windows
		}
		if matchList(want, elements) {
			return g.text, true
		}
	}
	return "", false
}

// matchList reports whether elements are those of a glob, where ** stands for any
// number of them. Going back to the last ** suffices: one further left that took more
// would leave it only less to choose from.
func matchList(glob, elements []string) bool {
	star, from := -1, 0
	g, e := 0, 0
	for e < len(elements) {
		switch {
		case g < len(glob) && glob[g] == anyDepth:
			star, from = g, e
			g++
		case g < len(glob) && matchName(glob[g], elements[e]):
			g++
			e++
		case star >= 0:
			from++
			g, e = star+1, from
		default:
			return false
		}
	}
	for g < len(glob) && glob[g] == anyDepth {
		g++
	}
	return g == len(glob)
}

// matchName is the same for the characters of one element, with * and ?.
func matchName(glob, name string) bool {
	if !strings.ContainsAny(glob, "*?") {
		return glob == name
	}
	want, have := []rune(glob), []rune(name)
	star, from := -1, 0
	g, i := 0, 0
	for i < len(have) {
		switch {
		case g < len(want) && want[g] == '*':
			star, from = g, i
			g++
		case g < len(want) && (want[g] == '?' || want[g] == have[i]):
			g++
			i++
		case star >= 0:
			from++
			g, i = star+1, from
		default:
			return false
		}
	}
	for g < len(want) && want[g] == '*' {
		g++
	}
	return g == len(want)
}
