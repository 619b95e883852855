// Package match decides which item of Plex a scene of Stash is: path rules, and
// six rungs from certain to likely. It is pure: the candidates are handed in,
// and nothing is ever guessed. Several items that fit equally are ambiguous.
package match

import (
	"errors"
	"fmt"
	"strings"
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
// breaks. Every rule that is wrong is named in the error, all at once.
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
		key := prefixKey(from)
		if old, twice := seen[key]; twice {
			if old != to {
				bad(fmt.Sprintf("maps %s a second time, to another path", from))
			}
			continue
		}
		seen[key] = to
		rules = append(rules, Rule{From: from, To: to})
	}
	return rules, errors.Join(errs...)
}

// windows reports whether p is a path of Windows: a drive or a UNC share.
func windows(p string) bool {
	return len(p) >= 2 && p[1] == ':' && isLetter(p[0]) || strings.HasPrefix(p, `\\`)
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func absolute(p string) bool { return p[0] == '/' || windows(p) }

// prefixKey is the form in which prefixes are compared: one kind of slash and
// one case for Windows, no slash at the end.
func prefixKey(p string) string {
	if windows(p) {
		p = strings.ToLower(strings.ReplaceAll(p, `\`, "/"))
	}
	return strings.TrimRight(p, "/")
}

// Map returns the path under which Plex sees a path of Stash's, and the rule that
// says so. The longest prefix wins, and a prefix ends where a folder's name ends.
// Without a rule that applies the path is returned as it is. The result is
// written with the slashes of the rule's right side.
func (r Rules) Map(path string) (string, *Rule) {
	best, rest := -1, ""
	for i := range r {
		tail, ok := cutPrefix(path, r[i].From)
		if ok && (best < 0 || len(prefixKey(r[i].From)) > len(prefixKey(r[best].From))) {
			best, rest = i, tail
		}
	}
	if best < 0 {
		return path, nil
	}
	rule := &r[best]
	slash := "/"
	if windows(rule.To) && strings.Contains(rule.To, `\`) || windows(rule.To) && !strings.Contains(rule.To, "/") {
		slash = `\`
	}
	if windows(path) {
		rest = strings.ReplaceAll(rest, `\`, "/")
	}
	if slash == `\` {
		rest = strings.ReplaceAll(rest, "/", `\`)
	}
	to := strings.TrimRight(rule.To, `/\`)
	if rest == "" {
		if to == "" {
			return rule.To, rule
		}
		return to, rule
	}
	return to + slash + rest, rule
}

// cutPrefix cuts the folder from off path and returns what follows it, without a
// slash at its start.
func cutPrefix(path, from string) (string, bool) {
	prefix := prefixKey(from)
	if windows(from) != windows(path) {
		return "", false
	}
	whole := path
	if windows(path) {
		whole = strings.ReplaceAll(path, `\`, "/")
		if len(whole) < len(prefix) || !strings.EqualFold(whole[:len(prefix)], prefix) {
			return "", false
		}
	} else if !strings.HasPrefix(whole, prefix) {
		return "", false
	}
	// ToLower may change the length of odd letters; the cut is made in the path's
	// own bytes, so such a prefix simply does not apply.
	rest := path[len(prefix):]
	if rest == "" {
		return "", true
	}
	if rest[0] != '/' && !(windows(path) && rest[0] == '\\') {
		return "", false
	}
	return strings.TrimLeft(rest, `/`+map[bool]string{true: `\`}[windows(path)]), true
}
