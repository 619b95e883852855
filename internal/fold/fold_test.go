package fold

import (
	"fmt"
	"slices"
	"testing"
	"unicode"
)

func TestNamesFoldAsThoseWhoOwnThemDo(t *testing.T) {
	for _, c := range []struct{ a, b, why string }{
		{"Blonde", "blonde", "tag name"},
		{" Night ", "night", "tag name"},
		{"e\u0301te\u0301", "été", "tag name"},
		{"J\u030cazz", "ǰazz", "tag name"}, // only the small letter has a composed form
		{"École", "école", "name"},
		{"ΝΎΧΤΑ", "νύχτα", "name"},
		{"Straße", "STRASSE", "name"},
		{"\u13a0\u13a1", "\uab70\uab71", "name"}, // Cherokee
		{"\u13f0", "\u13f8", "name"},
		{"ışık", "isik", ""}, // Turkish has an i without a dot
		{"caf\xe9", "caf\xe8", ""},
		{"a b", "a  b", ""},
		{"Ａ", "A", ""}, // as wide as an ideograph
	} {
		if got := Tag(c.a) == Tag(c.b); got != (c.why == "tag name") {
			t.Errorf("one tag in Plex: %q and %q: %v", c.a, c.b, got)
		}
		if got := Name(c.a) == Name(c.b); got != (c.why != "") {
			t.Errorf("one name to a person: %q and %q: %v", c.a, c.b, got)
		}
	}
}

func TestPathsFoldWhatNamesOneFile(t *testing.T) {
	for _, c := range []struct{ path, whole, base, parent string }{
		{"", "", "", ""},
		{"/", "/", "", ""},
		{"a.MP4", "a.mp4", "a.mp4", ""},
		{"/A.mp4", "/a.mp4", "a.mp4", ""},
		{"/Films/Set/A.mp4", "/films/set/a.mp4", "a.mp4", "set"},
		{`D:\Films\A.mp4`, "d:/films/a.mp4", "a.mp4", "films"},
		{"/E\u0301TE\u0301/Straße.mp4", "/été/strasse.mp4", "strasse.mp4", "été"},
		{"/x/../Y", "/x/../y", "y", ".."},
		{"/a\x00B/C", "/a\x00b/c", "c", "a\x00b"},
		{"/v/ A.mp4 ", "/v/ a.mp4 ", " a.mp4 ", "v"}, // a blank is part of a file's name
		{"/caf\xe9/A", "/caf\xe9/a", "a", "caf\xe9"},
	} {
		got := [3]string{Path(c.path), Base(c.path), Parent(c.path)}
		if want := [3]string{c.whole, c.base, c.parent}; got != want {
			t.Errorf("%q has the keys %q, want %q", c.path, got, want)
		}
	}
	if Element("E\u0301té", true) != "Été" || Element("E\u0301té", false) != "été" {
		t.Errorf("an element: %q, %q", Element("E\u0301té", true), Element("E\u0301té", false))
	}
}

func TestBothCasesOfEveryLetterFoldAlike(t *testing.T) {
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if !unicode.IsLetter(r) {
			continue
		}
		f := Name(string(r))
		if Name(f) != f {
			t.Errorf("folding %q (%U) twice is not folding it once", r, r)
		}
		if o := unicode.SimpleFold(r); r >= 0x13A0 && r <= 0xABBF && Name(string(o)) != f {
			t.Errorf("%q and %q (%U) differ folded", r, o, r)
		}
	}
}

func TestFoldingASCIICostsNothingBeyondTheResult(t *testing.T) {
	for text, want := range map[string]float64{"/data/set/a.mp4": 0, "/Data/Set/A long name, longer than a line of it.mp4": 1} {
		for name, f := range map[string]func(string) string{"Base": Base, "Path": Path, "Name": Name, "Tag": Tag} {
			if got := testing.AllocsPerRun(100, func() { f(text) }); got != want {
				t.Errorf("%s of %s: %v allocations, want %v", name, text, got, want)
			}
		}
	}
}

func TestWhatAPersonNamesIsChosen(t *testing.T) {
	libraries := []Titled{{"1", " Movies"}, {"2", "Films"}, {"3", "films"}, {"4", "2"}, {"5", "Été"}, {"6", "Home "}, {"7", " home"}, {"8", "Twice"}, {"9", "Twice"}}
	for _, c := range []struct {
		names   []string
		keys    string
		unknown []string
	}{
		{nil, "[]", nil},
		{[]string{"Movies"}, "[1]", nil},
		{[]string{" Movies"}, "[1]", nil},
		{[]string{"MOVIES "}, "[1]", nil},
		{[]string{"films"}, "[3]", nil},                // exactly so
		{[]string{"FILMS"}, "[2 3]", nil},              // nothing tells which
		{[]string{" films"}, "[]", []string{" films"}}, // two fit that differ in case
		{[]string{"2"}, "[4]", nil},                    // a title before a key
		{[]string{"1", " 3 "}, "[1 3]", nil},
		{[]string{"e\u0301te\u0301", "ÉTÉ"}, "[5]", nil},
		{[]string{"home"}, "[]", []string{"home"}}, // two fit
		{[]string{"Home "}, "[6]", nil},
		{[]string{"twice"}, "[8 9]", nil},
		{[]string{"Twice", "Nights", "Films", " "}, "[2 8 9]", []string{"Nights", " "}},
	} {
		chosen, unknown := Choose(c.names, libraries)
		keys := []string{}
		for _, i := range chosen {
			keys = append(keys, libraries[i].Key)
		}
		if fmt.Sprint(keys) != c.keys || !slices.Equal(unknown, c.unknown) {
			t.Errorf("%q: libraries %v, unknown %q; want %s, %q", c.names, keys, unknown, c.keys, c.unknown)
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("Harbour", "harbour ")
	f.Add("e\u0301\u0323", "\u1ebd\u0323")
	f.Add("\uab70\xff\u03c2", "\u0130\u0149")
	f.Add("J\u030c", "\u01f0")
	f.Fuzz(func(t *testing.T, a, b string) {
		for name, fold := range map[string]func(string) string{"Tag": Tag, "Name": Name, "Path": Path, "Base": Base} {
			if once := fold(a); fold(once) != once {
				t.Errorf("%s: folding %q twice is not folding it once", name, a)
			}
		}
		// Whoever reads alike to Plex reads alike to a person.
		if Tag(a) == Tag(b) && Name(a) != Name(b) {
			t.Errorf("%q and %q are one tag, but two names", a, b)
		}
		if Path(a) == Path(b) && Base(a) != Base(b) {
			t.Errorf("%q and %q are one path, but two files", a, b)
		}
	})
}

func BenchmarkBase(b *testing.B) {
	for name, path := range map[string]string{
		"ascii":   "/data/Studio One/Harbour at Night.mp4",
		"folded":  "/data/studio one/harbour at night.mp4",
		"unicode": "/data/Studio One/Été à la mer.mp4",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Base(path)
			}
		})
	}
}
