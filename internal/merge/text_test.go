package merge

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestWhatNobodySeesIsNoText(t *testing.T) {
	for _, blank := range []string{"", " ", "\u200b", "\u2060\u200e", "\ufeff", "\u00ad \u200d", "\u202e\u202c", "\u2066\u2069", "\u3164", "\u2800", "\ufe0f",
		"\u115f\u1160", "\U000e0041", "\x00\x1b", "\u2028", "\u0085"} {
		if text(blank) != "" || oneLine(blank) != "" {
			t.Errorf("%+q is read as %+q, on one line %+q", blank, text(blank), oneLine(blank))
		}
		s := Scene{ID: 1, Title: blank, Details: blank, Code: blank, Director: blank, Studio: &StudioOf{ID: 1, Name: blank},
			Tags: []Named{{1, blank}}, Groups: []Named{{1, blank}}, Performers: []Person{{ID: 1, Name: blank}}}
		if !s.Empty() {
			t.Errorf("a scene of %+q has metadata", blank)
		}
		s.Date = "2021"
		w := Want(s, everything())
		if w.Scalars[Title] != "" || len(w.Lists[Genre])+len(w.Lists[Actor])+len(w.Lists[Collection])+len(w.Lists[Director]) != 0 {
			t.Errorf("%+q becomes %+v", blank, w)
		}
		e, _ := Merge(Base{}, w, Item{Scalars: map[Field]string{Title: "harbour-01"}}, everything())
		for _, x := range e.Scalars {
			if x.Field == Title {
				t.Errorf("the title becomes %+q", x.Value)
			}
		}
	}
}

func TestTextIsMadeOneLine(t *testing.T) {
	for s, want := range map[string]string{
		"\ufeffHarbour":                   "Harbour",
		"Harbour\u200b \u200e":            "Harbour",
		"Night\t\tSwim \r\n  at  sea":     "Night Swim at sea",
		"a\u000bb":                        "a b",
		"a\u0085b":                        "a b",
		"a\u000cb\u2028c\u2029d\x1fe":     "a b c d e",
		"a\x00b\x7f":                      "ab",
		"a\u00a0b":                        "a\u00a0b", // does not break
		"a\u3000\u3000b":                  "a\u3000b",
		"港の夜\u3000":                       "港の夜",
		"Caf\u200dé":                      "Caf\u200dé", // inside a word
		"می\u200cخواهم":                   "می\u200cخواهم",
		"خانه\u200cها\u200c":              "خانه\u200cها",
		"ക്\u200dഷ":                       "ക്\u200dഷ",
		"അവന്\u200d":                      "അവന്\u200d", // a letter of its own
		"Harbour\u200d":                   "Harbour",
		"❤\ufe0f":                         "❤\ufe0f",
		"❤\ufe0f\u200b":                   "❤\ufe0f",
		"👩\u200d👩\u200d👧\u200d":           "👩\u200d👩\u200d👧",
		"🏴\U000e0067\U000e0062\U000e007f": "🏴\U000e0067\U000e0062\U000e007f",
		"Harbour\U000e0067\U000e007f":     "Harbour",
		"\u200f3D שלום\u200f":             "\u200f3D שלום\u200f", // says where the 3 stands
		"\u200fHarbour\u200e":             "Harbour",
		"\u2067Harbour\u2069":             "Harbour",
		"co\u00adoperate":                 "co\u00adoperate",
		"\u115f\u1161":                    "\u115f\u1161",
		"\u0601\u0661":                    "\u0601\u0661", // an Arabic sign that is seen
		"e\u0301":                         "é",
		"caf\xe9":                         "caf\ufffd",
	} {
		if got := oneLine(s); got != want {
			t.Errorf("%+q becomes %+q, want %+q", s, got, want)
		}
	}
}

func TestTheLinesOfATextAreKept(t *testing.T) {
	for s, want := range map[string]string{
		"a\r\nb\rc\nd":             "a\nb\nc\nd",
		"a\n\n  b\tc  \n":          "a\n\n  b\tc",
		"a\u2028b\u2029c\u0085d":   "a\nb\nc\nd",
		"a\vb\fc\x1ed\x07":         "a\nb\nc d",
		"\u200b\n\ufeffa  b\u200b": "a  b",
	} {
		if got := text(s); got != want {
			t.Errorf("%+q becomes %+q, want %+q", s, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("\u200f3D \u2067שלום\u2069\u200b")
	f.Add("a \u0301\u200d\ufe0f \u3000\u00a0b")
	f.Add("\u1100\u1161\u11a8\u115f\u1160\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for name, f := range map[string]func(string) string{"text": text, "oneLine": oneLine} {
			got := f(s)
			if f(got) != got {
				t.Errorf("%s: %+q becomes %+q, and that %+q", name, s, got, f(got))
			}
			if !utf8.ValidString(got) || !norm.NFC.IsNormalString(got) || strings.TrimSpace(got) != got {
				t.Errorf("%s: %+q becomes %+q", name, s, got)
			}
			if got != "" && !strings.ContainsFunc(got, func(r rune) bool { return !unseen(r) && !unicode.IsSpace(r) }) {
				t.Errorf("%s: nobody sees %+q", name, got)
			}
			if name == "oneLine" && strings.ContainsAny(got, "\n\r\t\v\f\u0085\u2028\u2029") || strings.Contains(oneLine(s), "  ") {
				t.Errorf("%s: %+q is not one line, with one blank at a time", name, got)
			}
		}
	})
}
