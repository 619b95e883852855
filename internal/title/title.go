// Package title makes the title that an item gets in Plex from a template, such as
// "{studio} - {title} ({year})". It is pure.
package title

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/plexsync/plexsync/internal/fold"
)

// Values is what the fields of a template stand for. Each text is one line, as
// package merge writes names; "" and text of blanks is empty.
type Values struct {
	Title, Code, Director string
	// Studio is the scene's studio, Parent the one above it.
	Studio, Parent string
	// Date is as Stash has it: "2020", "2020-02" or "2020-02-03". Another text is no
	// date, and empty.
	Date string
	// Performers come in any order, as from Stash.
	Performers []string
	// Rating100 is 0 to 100; nil, and anything else, is empty.
	Rating100 *int
	// Width and Height are the video's, in pixels; 0 if they are not known.
	Width, Height int
}

// Fields returns the names of all fields, in the order in which people are told them.
func Fields() []string {
	return []string{"title", "studio", "parent", "date", "year", "code", "performers", "director", "rating", "resolution"}
}

// text is what a field stands for, without blanks at its ends.
func (v Values) text(field string) string {
	switch field {
	case "title":
		return strings.TrimSpace(v.Title)
	case "studio":
		return strings.TrimSpace(v.Studio)
	case "parent":
		return strings.TrimSpace(v.Parent)
	case "date":
		return v.date()
	case "year":
		year, _, _ := strings.Cut(v.date(), "-")
		return year
	case "code":
		return strings.TrimSpace(v.Code)
	case "performers":
		return v.performers()
	case "director":
		return strings.TrimSpace(v.Director)
	case "rating":
		if v.Rating100 == nil || *v.Rating100 < 0 || *v.Rating100 > 100 {
			return ""
		}
		// As Plex has it: 0 to 10.
		return strconv.FormatFloat(float64(*v.Rating100)/10, 'f', -1, 64)
	case "resolution":
		return v.resolution()
	}
	return ""
}

func (v Values) date() string {
	date := strings.TrimSpace(v.Date)
	for _, layout := range []string{"2006-01-02", "2006-01", "2006"} {
		if t, err := time.Parse(layout, date); err == nil && t.Year() > 0 {
			return date
		}
	}
	return ""
}

// maxPerformers is how many performers a title names.
const maxPerformers = 3

// performers names the first three by alphabet, so that the title does not change with
// the order in which Stash happens to give them.
func (v Values) performers() string {
	var names []string
	for _, name := range v.Performers {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(strings.Compare(fold.Name(a), fold.Name(b)), strings.Compare(a, b))
	})
	names = slices.CompactFunc(names, func(a, b string) bool { return fold.Name(a) == fold.Name(b) })
	if len(names) > maxPerformers {
		return strings.Join(names[:maxPerformers], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

// resolution is what Stash itself calls the size of a video (ui/v2.5, utils/text.ts,
// resolution): its shorter side decides.
func (v Values) resolution() string {
	side := min(v.Width, v.Height)
	for _, r := range []struct {
		least int
		name  string
	}{
		{6144, "HUGE"}, {3840, "8K"}, {3584, "7K"}, {3000, "6K"}, {2560, "5K"}, {1920, "4K"}, {1440, "1440p"}, {1080, "1080p"},
		{720, "720p"}, {540, "540p"}, {480, "480p"}, {360, "360p"}, {240, "240p"}, {144, "144p"},
	} {
		if side >= r.least {
			return r.name
		}
	}
	return ""
}

// Template is a template that was read; see [Parse]. The zero value is no template.
type Template struct{ whole sequence }

// IsZero reports whether there is no template: the scene's title is the item's.
func (t Template) IsZero() bool { return len(t.whole) == 0 }

// Render is the title that v gives, in one line without blanks at its ends or several
// in a row. It is "" if every field of the template is empty, whatever text it has
// besides: then Plex's title stays. (A scene without a title so keeps Plex's with
// "{title}", and gets "Studio" with "{studio} - {title}".)
//
// A field that is empty goes with all that belongs to it:
//
//   - Brackets with nothing left in them go, with all their text.
//   - Of the punctuation between fields that are there one remains, the longest, and
//     of equals the first: a separator stands between two things or not at all. Before
//     brackets it is their own.
//   - Words belong to the field behind them ("by {director}"); those before a
//     separator, or written together with a field ("{rating}%", "#{code}"), to that
//     field.
//
// Values are taken as they are: punctuation in a title is the title's.
func (t Template) Render(v Values) string {
	return strings.Join(strings.Fields(t.whole.render(v)), " ")
}

// sequence is a template, or what is in a pair of brackets of it: one part or more.
type sequence []part

// part is a field, or brackets with a sequence in them, and the text that belongs to it.
type part struct {
	// separator stands between the part and the one before it, if both are there.
	separator string
	// before and after are there whenever the part is.
	before, after string

	field       string // "" for brackets
	inner       sequence
	open, close string
}

func (p part) render(v Values) string {
	if p.field != "" {
		return v.text(p.field)
	}
	if text := p.inner.render(v); text != "" {
		return p.open + text + p.close
	}
	return ""
}

func (s sequence) render(v Values) string {
	var out strings.Builder
	separator := "" // the best since the last part that is there
	for _, p := range s {
		if longer(p.separator, separator) || p.field == "" && p.separator != "" {
			separator = p.separator // brackets part by themselves
		}
		text := p.render(v)
		if text == "" {
			continue
		}
		if out.Len() > 0 {
			out.WriteString(separator)
		}
		separator = ""
		out.WriteString(p.before + text + p.after)
	}
	return out.String()
}

// longer reports whether separator a says more than b: more punctuation, and of blanks
// alone more than nothing.
func longer(a, b string) bool {
	marks := func(s string) int { return utf8.RuneCountInString(strings.Join(strings.Fields(s), "")) }
	if n, m := marks(a), marks(b); n+m > 0 {
		return n > m
	}
	return len(a) > len(b)
}

// belongs splits the text between two parts into what belongs to the left one, what
// stands between them, and what belongs to the right one. Joined they are the text.
func belongs(text string) (left, separator, right string) {
	if !strings.ContainsFunc(text, unicode.IsSpace) {
		return "", text, "" // it joins them
	}
	// What is written together with a part is the part's, but for punctuation that
	// separates.
	first := strings.IndexFunc(text, unicode.IsSpace)
	left = strings.TrimRightFunc(text[:first], separates)
	last := strings.LastIndexFunc(text, unicode.IsSpace)
	right = text[last:]
	right = strings.TrimLeftFunc(right, func(r rune) bool { return unicode.IsSpace(r) || separates(r) })
	middle := text[len(left) : len(text)-len(right)]
	if !strings.ContainsFunc(middle, inWord) {
		return left, middle, right
	}
	// Words: the first separator among them parts them.
	from, to := -1, -1 // of the separator, or of blanks that may become one
	for at, piece := range pieces(middle) {
		end := at + len(piece)
		word := strings.ContainsFunc(piece, inWord)
		switch {
		case word && strings.ContainsFunc(middle[max(from, 0):max(to, 0)], visible):
			return left + middle[:from], middle[from:to], middle[to:] + right
		case word:
			from, to = -1, -1
			if stem := strings.TrimRight(piece, ",;"); stem != piece {
				from, to = at+len(stem), end
			}
		case from < 0:
			from, to = at, end
		default:
			to = end
		}
	}
	if from >= 0 && strings.ContainsFunc(middle[from:to], visible) {
		return left + middle[:from], middle[from:to], middle[to:] + right
	}
	// Only blanks are between them: the words lead to what follows.
	word := strings.IndexFunc(middle, visible)
	return left, middle[:word], middle[word:] + right
}

// pieces yields the runs of blanks and the runs of anything else in s, each with its
// offset.
func pieces(s string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		start, blank := 0, false
		for i, r := range s {
			if is := unicode.IsSpace(r); i == 0 {
				blank = is
			} else if is != blank {
				if !yield(start, s[start:i]) {
					return
				}
				start, blank = i, is
			}
		}
		if s != "" {
			yield(start, s[start:])
		}
	}
}

func visible(r rune) bool { return !unicode.IsSpace(r) }

// inWord reports whether r makes what it is in a word.
func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }

// separates reports whether r, written together with a field, yet separates it from the
// next. Other punctuation, as in "{rating}%" and "#{code}", is the field's.
func separates(r rune) bool {
	return strings.ContainsRune(".,:;/\\|_~+&=·•…،؛、。，：；／｜・", r) || unicode.Is(unicode.Pd, r) || r == '−'
}
