package match

import (
	"strings"

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

// fold is NFC and case folding. ASCII, the usual case, is done by hand.
func fold(s string) string {
	upper := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x80 {
			return norm.NFC.String(cases.Fold().String(norm.NFC.String(s)))
		}
		upper = upper || 'A' <= c && c <= 'Z'
	}
	if !upper {
		return s
	}
	return strings.ToLower(s)
}
