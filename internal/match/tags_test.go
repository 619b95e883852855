package match

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/plexsync/plexsync/internal/fold"
)

func TestTagsAreNamedAsPeopleReadThem(t *testing.T) {
	for _, c := range []struct {
		entry, tag string
		want       bool
	}{
		{"Trailer", "trailer", true},
		{" École ", "e\u0301COLE", true},
		{"Trailer", "Trailers", false},
		{"*", "anything", true},
		{"T*", "trailer", true},
		{"*er", "Trailer", true},
		{"tr*ail*r", "Trailer", true},
		{"t*t", "t", false}, // one letter is not both
		{"a*b*a", "aba", true},
		{"a*b*a", "aa", false},
		{"a*b*b*a", "abba", true},
		{"a*b*b*a", "aba", false},
		{"[a]?", "[A]?", true}, // only * is special
		{"[a]?", "a", false},
		{"a/*", "a/b", true},
		{"a\\b", "A\\B", true},
		{"**", "x", true},
		{"x", "", false},
	} {
		if got := ParseTags([]string{c.entry}).Has(1, c.tag); got != c.want {
			t.Errorf("%q names %q: %v, want %v", c.entry, c.tag, got, c.want)
		}
	}
	if !ParseTags(nil).Empty() || !ParseTags([]string{" "}).Empty() || ParseTags([]string{"a"}).Empty() || (Tags{}).Has(1, "") {
		t.Error("what names nothing")
	}
}

func TestANumberIsAnIDUnlessATagHasTheName(t *testing.T) {
	all := ParseTags([]string{"69", "7", "69", "6*", "007", "-5", "0", "9999999999999999999999"})
	if got := all.Numbers(); !slices.Equal(got, []string{"69", "7"}) {
		t.Errorf("to be asked about: %q", got)
	}
	told := ParseTags([]string{"69", "7"}).WithNames([]string{"69", "Night"})
	for _, c := range []struct {
		id   int64
		name string
		want bool
	}{
		{69, "Favourite", false}, // 69 is another tag's name
		{5, "69", true},
		{7, "Night", true}, // no tag is called 7
		{8, "Sea", false},
	} {
		if got := told.Has(c.id, c.name); got != c.want {
			t.Errorf("tag %d %q: %v, want %v", c.id, c.name, got, c.want)
		}
	}
	if got := told.Numbers(); !slices.Equal(got, []string{"7"}) {
		t.Errorf("still to be asked about: %q", got)
	}
	if !ParseTags([]string{"69"}).Has(69, "Favourite") {
		t.Error("as long as nobody was asked, a number is an id too")
	}
}

func FuzzTags(f *testing.F) {
	f.Add("a*b", "aXb")
	f.Add("É**\xff", "é\xff")
	f.Add("12", "012")
	f.Fuzz(func(t *testing.T, entry, name string) {
		tags := ParseTags([]string{entry})
		got := tags.Has(-1, name)
		quoted := strings.ReplaceAll(regexp.QuoteMeta(fold.Name(entry)), `\*`, `(?s:.*)`)
		re, err := regexp.Compile("^" + quoted + "$")
		if err != nil || strings.ContainsRune(fold.Name(name), '\uFFFD') {
			return // bytes that are no text
		}
		if want := re.MatchString(fold.Name(name)) && strings.TrimSpace(entry) != ""; got != want {
			t.Errorf("%q names %q: %v, want %v", entry, name, got, want)
		}
	})
}
