package match

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/plexsync/plexsync/internal/fold"
)

// Rule maps a path prefix as Stash sees it to the prefix under which Plex sees
// the same folder.
type Rule struct{ From, To string }

// String is the rule as it is written in the setting, in quotes where it must be:
// [ParseRules] reads it back.
func (r Rule) String() string { return quote(r.From) + " => " + quote(r.To) }

// Rules are the path rules of the settings, in their order. The zero value has none:
// both servers see the same paths.
type Rules []Rule

const arrow = "=>"

// ParseRules reads path rules as they are written in the setting pathRules:
// "/data => /media; D:\videos => /videos", separated by semicolons or line
// breaks. A path in double quotes, either side, is taken as it is, with semicolons,
// arrows, and blanks at its ends; a quote in it is written twice. Text without a rule
// gives none. One prefix may have several targets: the rules stay in their order.
// Every rule that is wrong is named in the error, all at once; the others are
// returned beside it. A rule given twice counts once.
func ParseRules(s string) (Rules, error) {
	var rules Rules
	var errs []error
	seen := map[[2]string]bool{}
	for s != "" {
		text, sides, trouble, rest := nextRule(s)
		s = rest
		if text == "" {
			continue
		}
		bad := func(what string) {
			errs = append(errs, fmt.Errorf("path rule %q: %s; a valid rule is, for example, /data => /media", text, what))
		}
		switch {
		case trouble != "":
			bad(trouble)
			continue
		case len(sides) < 2:
			bad("has no arrow (=>) between Stash's path and Plex's" + quoting)
			continue
		case len(sides) > 2:
			bad("has two arrows; separate rules with a semicolon, and put a path with an arrow in it in quotes")
			continue
		}
		from, to := sides[0], sides[1]
		switch {
		case from == "" || to == "":
			bad("has a path on only one side of the arrow" + quoting)
			continue
		case strings.ContainsRune(from+to, 0):
			bad("contains a NUL character")
			continue
		case !absolute(from) || !absolute(to):
			bad("both paths must be absolute, like /data, D:\\videos or \\\\nas\\videos" + quoting)
			continue
		}
		if key := [2]string{folderKey(from), folderKey(to)}; !seen[key] {
			seen[key] = true
			rules = append(rules, Rule{From: from, To: to})
		}
	}
	return rules, errors.Join(errs...)
}

// quoting is what helps who has a folder that is taken for something else.
const quoting = ` (put a path that contains a semicolon, or ends with a space, in double quotes: "/data/a;b" => /media)`

// nextRule cuts the first rule off s and returns its text and the paths between its
// arrows. trouble is what is wrong with its quotes, "" if nothing is.
func nextRule(s string) (text string, sides []string, trouble, rest string) {
	var side strings.Builder
	quoted, blank := false, true // of the side so far
	end := func() {
		path := side.String()
		if !quoted {
			path = strings.TrimSpace(path)
		}
		sides = append(sides, path)
		side.Reset()
		quoted, blank = false, true
	}
	i := 0
	for i < len(s) && trouble == "" {
		c, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == ';' || c == '\n' || c == '\r':
			end()
			return strings.TrimSpace(s[:i]), sides, "", s[i+size:]
		case strings.HasPrefix(s[i:], arrow):
			end()
			size = len(arrow)
		case blank && isQuote(c):
			var path string
			if path, size = unquote(s[i:]); size == 0 {
				trouble, size = "has a double quote that is never closed", len(s)-i
				break
			}
			side.Reset()
			side.WriteString(path)
			quoted, blank = true, false
		case quoted && !unicode.IsSpace(c):
			trouble = "has text after a closing double quote; a quote in a path is written twice"
		case !quoted:
			side.WriteString(s[i : i+size])
			blank = blank && unicode.IsSpace(c)
		}
		i += size
	}
	end()
	if trouble != "" {
		// The rest of the rule is not understood; the next begins after its end.
		if n := strings.IndexAny(s[i:], ";\n\r"); n >= 0 {
			return strings.TrimSpace(s[:i+n]), sides, trouble, s[i+n+1:]
		}
		i = len(s)
	}
	return strings.TrimSpace(s[:i]), sides, trouble, s[i:]
}

// isQuote reports whether c begins a path in quotes. Editors curl them.
func isQuote(c rune) bool { return strings.ContainsRune("\"“”„", c) }

// unquote reads the quoted text at the start of s and returns it with the number of
// bytes that it takes; 0 if the quotes are never closed. Two closing quotes are one of
// the text.
func unquote(s string) (text string, size int) {
	open, i := utf8.DecodeRuneInString(s)
	closes := func(c rune) bool { return c == open || open != '"' && c != '"' && isQuote(c) }
	var b strings.Builder
	for i < len(s) {
		c, n := utf8.DecodeRuneInString(s[i:])
		if closes(c) {
			again, m := utf8.DecodeRuneInString(s[i+n:])
			if m == 0 || again != c {
				return b.String(), i + n
			}
			i += m
		}
		b.WriteString(s[i : i+n])
		i += n
	}
	return "", 0
}

// quote writes a path as ParseRules reads it.
func quote(path string) string {
	first, _ := utf8.DecodeRuneInString(path)
	if strings.TrimSpace(path) == path && !strings.ContainsAny(path, ";\n\r") && !strings.Contains(path, arrow) && !isQuote(first) {
		return path
	}
	return `"` + strings.ReplaceAll(path, `"`, `""`) + `"`
}

// root is what a path starts from. Prefixes apply only to paths of the same root.
type root int

const (
	relative root = iota
	slash         // "/"
	drive         // "D:"
	share         // "\\nas", on Windows also written "//nas"
)

// rootOf tells the root of p, and whether p can only be a path of Windows: a
// leading "//" is a share there, but a plain folder elsewhere.
func rootOf(p string) (r root, windows bool) {
	switch {
	case strings.HasPrefix(p, `\\`):
		return share, true
	case strings.HasPrefix(p, "//"):
		return share, false
	case strings.HasPrefix(p, "/"):
		return slash, false
	case len(p) >= 2 && p[1] == ':' && 'a' <= p[0]|0x20 && p[0]|0x20 <= 'z' &&
		(len(p) == 2 || p[2] == '\\' || p[2] == '/'): // "D:film" is relative to the drive's folder
		return drive, true
	}
	return relative, false
}

// onWindows reports whether p is a path of Windows, where case does not count.
func onWindows(p string) bool {
	_, windows := rootOf(p)
	return windows
}

func absolute(p string) bool {
	r, _ := rootOf(p)
	return r != relative
}

// next cuts the first element off path; slashes before it do not count. The
// element is "" at the path's end.
func next(path string, windows bool) (element, rest string) {
	slashes := "/"
	if windows {
		slashes = `/\`
	}
	path = strings.TrimLeft(path, slashes)
	if i := strings.IndexAny(path, slashes); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// folderKey is equal for two spellings of one folder.
func folderKey(p string) string {
	r, windows := rootOf(p)
	if !windows {
		r = slash
	}
	var key strings.Builder
	fmt.Fprint(&key, int(r))
	for e, rest := next(p, windows); e != ""; e, rest = next(rest, windows) {
		key.WriteString("/" + fold.Element(e, !windows))
	}
	return key.String()
}

// Mapped is a path as Plex may see it, and the rule that says so; nil if none applies
// and both see the same.
type Mapped struct {
	Path string
	Rule *Rule
}

// MapAll returns the paths under which Plex may see a path of Stash's, each once, at
// least one. The longest prefix wins, and a prefix ends where a folder's name ends;
// slashes that are doubled or at the end do not count. Of rules with one prefix (a pool
// of disks is one folder to Stash and several to Plex) each gives a path, in their
// order, which is the order to try them in. Without a rule that applies it is the path
// as it is. A result has backslashes if its rule's right side is a drive or a share
// (\\nas) of Windows, else slashes.
func (r Rules) MapAll(path string) []Mapped {
	var all []Mapped
	longest := 0
	for i := range r {
		rest, n := cutFolder(path, r[i].From)
		if n < longest || n < 0 {
			continue
		}
		if n > longest {
			all, longest = nil, n
		}
		to := r[i].join(path, rest)
		if !slices.ContainsFunc(all, func(m Mapped) bool { return m.Path == to }) {
			all = append(all, Mapped{to, &r[i]})
		}
	}
	if all == nil {
		return []Mapped{{path, nil}}
	}
	return all
}

// Map returns the first path of [Rules.MapAll] and its rule, one of r.
func (r Rules) Map(path string) (string, *Rule) {
	m := r.MapAll(path)[0]
	return m.Path, m.Rule
}

// Maps reports whether plexPath is one of the paths of [Rules.MapAll], letters' case
// and Unicode form aside.
func (r Rules) Maps(path, plexPath string) bool {
	want := fold.Path(plexPath)
	return slices.ContainsFunc(r.MapAll(path), func(m Mapped) bool { return fold.Path(m.Path) == want })
}

// join is the path that follows r's right side, rest being what follows its left side
// in path.
func (r Rule) join(path, rest string) string {
	if onWindows(path) || onWindows(r.From) {
		rest = strings.ReplaceAll(rest, `\`, "/")
	}
	to := r.To
	if !onWindows(to) {
		if to = strings.TrimRight(to, "/"); rest != "" || to == "" {
			to += "/"
		}
		return to + rest
	}
	to = strings.TrimRight(strings.ReplaceAll(to, "/", `\`), `\`)
	if rest != "" || len(to) <= len("D:") {
		to += `\`
	}
	return to + strings.ReplaceAll(rest, "/", `\`)
}

// cutFolder cuts the folder from off path. It returns what follows, without slashes
// at its start, and of how many elements from consists; -1 if path is not in it.
func cutFolder(path, from string) (rest string, elements int) {
	pathRoot, w1 := rootOf(path)
	fromRoot, w2 := rootOf(from)
	windows, slashes := w1 || w2, "/"
	if windows {
		slashes = `/\`
	}
	if pathRoot == relative || fromRoot == relative || windows && pathRoot != fromRoot {
		return "", -1
	}
	rest = path
	for {
		var want, have string
		if want, from = next(from, windows); want == "" {
			return strings.TrimLeft(rest, slashes), elements
		}
		if have, rest = next(rest, windows); have != want && fold.Element(have, !windows) != fold.Element(want, !windows) {
			return "", -1
		}
		elements++
	}
}

// Within reports whether a path lies in a folder, both as one side sees them. The
// folder itself counts.
func Within(path, folder string) bool {
	_, elements := cutFolder(path, folder)
	return elements >= 0
}
