package match

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// PathKey folds a whole path: NFC, one case, one kind of slash. Two spellings of
// one path, as macOS and Linux write it, have the same key.
func PathKey(path string) string {
	return strings.ReplaceAll(fold(path), `\`, "/")
}

// BaseKey folds the last element of a path.
func BaseKey(path string) string {
	_, base := split(path)
	return fold(base)
}

// ParentKey folds the name of the folder that holds the path's last element; ""
// if there is none.
func ParentKey(path string) string {
	dir, _ := split(path)
	_, parent := split(dir)
	return fold(parent)
}

// split cuts path before its last element; slashes of both kinds separate.
func split(path string) (dir, base string) {
	i := strings.LastIndexAny(path, `/\`)
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// cherokee undoes what cases.Fold does to the one script whose letters fold to capitals:
// it turns each into the other (golang.org/x/text v0.43). Bytes that are no text stay.
func cherokee(s string) string {
	capital := func(r rune) rune {
		switch {
		case r >= 0xAB70 && r <= 0xABBF:
			return r - 0xAB70 + 0x13A0
		case r >= 0x13F8 && r <= 0x13FD:
			return r - 8
		}
		return r
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return capital(r) != r }) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if c := capital(r); c != r {
			b.WriteRune(c)
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// fold is NFC and case folding. ASCII, the usual case, is done by hand.
func fold(s string) string {
	upper := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x80 {
			return norm.NFC.String(cherokee(cases.Fold().String(norm.NFC.String(s))))
		}
		upper = upper || 'A' <= c && c <= 'Z'
	}
	if !upper {
		return s
	}
	return strings.ToLower(s)
}
