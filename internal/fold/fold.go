// Package fold says which spellings of a name or path are one. There are three
// equalities, because three parties decide:
//
//   - [Tag]: Plex. The names of its tags (genres, actors, collections, labels) fold A
//     to Z only, as its column is NOCASE: "É" and "é" are two tags there, "E" and "e"
//     one (PLEX.md, "Seen on real servers"). What is compared with a list that Plex
//     shows is compared so. With more folding, a name that a person added would pass
//     for one of ours and go with it; with less, a name would be written again and
//     again that Plex shows in its first spelling.
//   - [Name]: a person who types the name of a tag or a library in a setting. They mean
//     the one that reads alike, so both cases of every letter are one.
//   - [Path], [Base], [Parent]: disks. Some tell cases apart, some do not, and those of
//     a Mac decompose letters; whoever compares folded paths has to look whether a
//     path is there exactly first.
//
// All of them take a letter and its decomposed form ("é" and "e" with an accent) for
// one: that is how it looks. Bytes that are not UTF-8 stay what they are.
package fold

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Tag folds the name of a tag as Plex does: NFC, A to Z in lower case, without blanks
// at its ends. Folding twice is folding once.
func Tag(s string) string {
	s = strings.TrimSpace(s)
	if ascii(s) {
		return lower(s)
	}
	// Of some letters only the small one has a composed form, such as ǰ.
	return norm.NFC.String(lower(norm.NFC.String(s)))
}

// Name folds a name for people: NFC, one case, without blanks at its ends. Folding
// twice is folding once.
func Name(s string) string { return full(strings.TrimSpace(s)) }

// Path folds a whole path: NFC, one case, one kind of slash. Two spellings of one path,
// as macOS and Linux write it, have the same key.
func Path(path string) string { return strings.ReplaceAll(full(path), `\`, "/") }

// Base folds the last element of a path, "" if the path ends in a slash.
func Base(path string) string {
	_, base := Split(path)
	return full(base)
}

// Parent folds the name of the folder that holds the path's last element; "" if there
// is none.
func Parent(path string) string {
	dir, _ := Split(path)
	_, parent := Split(dir)
	return full(parent)
}

// Element folds one element of a path, or with exact only what no disk tells apart:
// the composed and the decomposed form of a letter. (One that is typed is composed; a
// disk of a Mac decomposes.)
func Element(element string, exact bool) string {
	if exact {
		return norm.NFC.String(element)
	}
	return full(element)
}

// Split cuts path before its last element; slashes of both kinds separate.
func Split(path string) (dir, base string) {
	i := strings.LastIndexAny(path, `/\`)
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// full is NFC and case folding. ASCII, the usual case, is done by hand.
func full(s string) string {
	if ascii(s) {
		return lower(s)
	}
	return norm.NFC.String(cherokee(cases.Fold().String(norm.NFC.String(s))))
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// lower is s with A to Z in lower case and all else as it is; s itself if there is
// nothing to do.
func lower(s string) string {
	i := 0
	for i < len(s) && !upper(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:i])
	for ; i < len(s); i++ {
		c := s[i]
		if upper(c) {
			c |= 0x20
		}
		b.WriteByte(c)
	}
	return b.String()
}

func upper(c byte) bool { return 'A' <= c && c <= 'Z' }

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
