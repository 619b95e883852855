// Package match decides which item of Plex a scene of Stash is: path rules, and
// six rungs from certain to likely. It is pure: the candidates are handed in,
// and nothing is ever guessed. Several items that fit equally are ambiguous. Its words
// are package job's, so that what the index holds is matched as it is.
package match

import (
	"errors"
	"fmt"
	"strings"

	"github.com/plexsync/plexsync/internal/fold"
)

// Rule maps a path prefix as Stash sees it to the prefix under which Plex sees
// the same folder.
type Rule struct{ From, To string }

// String is the rule as it is written in the setting.
func (r Rule) String() string { return r.From + " => " + r.To }

// Rules are the path rules of the settings. The zero value has none: both servers
// see the same paths.
type Rules []Rule

const arrow = "=>"

// ParseRules reads path rules as they are written in the setting pathRules:
// "/data => /media; D:\videos => /videos", separated by semicolons or line
// breaks. Text without a rule gives none. Every rule that is wrong is named in
// the error, all at once; the others are returned beside it. A rule given twice
// counts once.
func ParseRules(s string) (Rules, error) {
	var rules Rules
	var errs []error
	seen := map[string]string{}
	for text := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ';' || r == '\n' || r == '\r' }) {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		bad := func(what string) {
			errs = append(errs, fmt.Errorf("path rule %q: %s; right would be, for example, /data => /media", text, what))
		}
		from, to, ok := strings.Cut(text, arrow)
		from, to = strings.TrimSpace(from), strings.TrimSpace(to)
		switch {
		case !ok:
			bad("has no arrow (=>) between Stash's path and Plex's")
			continue
		case strings.Contains(to, arrow):
			bad("has two arrows; separate rules with a semicolon")
			continue
		case from == "" || to == "":
			bad("has a path on one side of the arrow only")
			continue
		case strings.ContainsRune(from+to, 0):
			bad("holds a NUL character")
			continue
		case !absolute(from) || !absolute(to):
			bad("both paths must be absolute, like /data, D:\\videos or \\\\nas\\videos")
			continue
		}
		key, target := folderKey(from), folderKey(to)
		if old, twice := seen[key]; twice {
			if old != target {
				bad(fmt.Sprintf("maps %s a second time, to another path", from))
			}
			continue
		}
		seen[key] = target
		rules = append(rules, Rule{From: from, To: to})
	}
	return rules, errors.Join(errs...)
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

// Map returns the path under which Plex sees a path of Stash's, and the rule that
// says so, one of r. The longest prefix wins, and a prefix ends where a folder's
// name ends; slashes that are doubled or at the end do not count. Without a rule
// that applies the path is returned as it is, with nil. The result has
// backslashes if the rule's right side is a drive or a share (\\nas) of Windows,
// else slashes.
func (r Rules) Map(path string) (string, *Rule) {
	var rule *Rule
	longest, rest := -1, ""
	for i := range r {
		if tail, n := cutFolder(path, r[i].From); n > longest {
			rule, rest, longest = &r[i], tail, n
		}
	}
	if rule == nil {
		return path, nil
	}
	if onWindows(path) || onWindows(rule.From) {
		rest = strings.ReplaceAll(rest, `\`, "/")
	}
	to := rule.To
	if !onWindows(to) {
		if to = strings.TrimRight(to, "/"); rest != "" || to == "" {
			to += "/"
		}
		return to + rest, rule
	}
	to = strings.TrimRight(strings.ReplaceAll(to, "/", `\`), `\`)
	if rest != "" || len(to) <= len("D:") {
		to += `\`
	}
	return to + strings.ReplaceAll(rest, "/", `\`), rule
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
