package merge

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// text is s as Plex should show it: valid UTF-8, NFC, lines ended by \n, without
// control characters, and without blanks and what nobody sees at its ends; "" if nobody
// sees anything. Everything else is the user's: curly quotes, dashes, emoji, joiners
// inside words.
func text(s string) string {
	if plain(s) {
		return strings.TrimSpace(s)
	}
	return trim(norm.NFC.String(controls(s, '\n')))
}

// oneLine is text without line breaks and tabs, in which a run of blanks is one: the
// first of them, or a space.
func oneLine(s string) string {
	if plain(s) && !strings.Contains(s, "  ") {
		return strings.TrimSpace(s)
	}
	return trim(norm.NFC.String(oneBlank(controls(s, ' '))))
}

// plain reports whether s is printable ASCII, as most text is: that needs no work.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// controls makes s valid UTF-8 and replaces what ends a line by line, and what else
// divides words by a space; other control characters go.
func controls(s string, line rune) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch r {
		case '\n', '\r', '\v', '\f', '\u0085', '\u2028', '\u2029':
			return line
		case '\x1c', '\x1d', '\x1e', '\x1f': // separators of files, groups, records, units
			return ' '
		case '\t':
			if line == '\n' {
				return r
			}
			return ' '
		}
		if unicode.Is(unicode.Cc, r) {
			return -1
		}
		return r
	}, s)
}

// oneBlank makes each run of blanks one.
func oneBlank(s string) string {
	blank := false
	return strings.Map(func(r rune) rune {
		before := blank
		if blank = unicode.IsSpace(r); blank && before {
			return -1
		}
		return r
	}, s)
}

// unseen reports whether r is a character that nobody sees: it takes no room, or shows
// as a blank although it is none. (Unicode's Default_Ignorable_Code_Point, and the
// Braille pattern without dots.)
func unseen(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r) || r == 0x2800
}

// trim drops blanks and unseen characters at the ends of s, but what makes the
// character at its end what it is; all of s if nothing else is in it.
func trim(s string) string {
	if s == "" || s[0] > ' ' && s[0] < utf8.RuneSelf && s[len(s)-1] > ' ' && s[len(s)-1] < utf8.RuneSelf {
		return s
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsSpace(r) && !unseen(r) }) {
		return ""
	}
	// In a text that runs from right to left the marks of direction say how its ends
	// are set.
	rightToLeft := strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsLetter(r) && (r >= 0x590 && r < 0x900 || r >= 0xFB1D && r < 0xFEFF || r >= 0x10800 && r < 0x11000 || r >= 0x1E800 && r < 0x1F000)
	})
	drops := func(r rune) bool {
		switch {
		case unicode.Is(unicode.Bidi_Control, r):
			return !rightToLeft
		case r == 0x115F || r == 0x1160: // stand for a consonant or vowel of Hangul
			return false
		}
		return unicode.IsSpace(r) || unseen(r)
	}
	s = strings.TrimLeftFunc(s, drops)
	end := strings.TrimRightFunc(s, drops)
	base, _ := utf8.DecodeLastRuneInString(end)
	for n := len(end); n < len(s); end = s[:n] {
		r, size := utf8.DecodeRuneInString(s[n:])
		if !completes(r, base) {
			break
		}
		n += size
	}
	return end
}

// completes reports whether r, which nobody sees by itself, makes base look as it does
// at the end of a text.
func completes(r, base rune) bool {
	switch {
	case unicode.Is(unicode.Variation_Selector, r):
		return true
	case r == zwj || r == zwnj:
		return unicode.Is(unicode.M, base) // a letter of Malayalam ends so
	case r >= 0xE0020 && r <= 0xE007F:
		return base == 0x1F3F4 // the flag of a region, spelt behind a black one
	}
	return false
}

const (
	zwj  = '\u200d' // joins two emoji, or letters, into one
	zwnj = '\u200c' // keeps letters apart that would be joined
)
