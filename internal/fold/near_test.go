package fold

import (
	"slices"
	"strings"
	"testing"
)

func TestTheNearestNameIsTheOneThatWasMeant(t *testing.T) {
	tags := []string{"Trailer", "Behind the scenes", "École", "Sea", "Seal", "日本", "4K", "x"}
	for _, c := range []struct{ typed, want string }{
		{"Trialer", "Trailer"}, // two letters changed places
		{"trailers", "Trailer"},
		{"TRAILR", "Trailer"},
		{"behind the scene", "Behind the scenes"},
		{"ecole", "École"},
		{"E\u0301COLES", "École"},
		{"Seas", "Sea"}, // and "Seal" is as near, but later
		{"日木", "日本"},
		{"5K", "4K"},
		{"y", ""}, // one letter is not like another
		{"Landscape", ""},
		{"", ""},
		{" ", ""},
		{strings.Repeat("Trailer", 20), ""},
		{"trailer", "Trailer"},
	} {
		if got := Nearest(c.typed, slices.Values(tags)); got != c.want {
			t.Errorf("%q is near %q, want %q", c.typed, got, c.want)
		}
	}
	if got := Nearest("Sea", slices.Values([]string(nil))); got != "" {
		t.Errorf("near %q, but there is nothing", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ab", 2}, {"ab", "", 2}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"abc", "cba", 2}, {"flaw", "lawn", 2},
	} {
		if got := distance([]rune(c.a), []rune(c.b)); got != c.want {
			t.Errorf("from %q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := distance([]rune(c.b), []rune(c.a)); got != c.want {
			t.Errorf("from %q to %q: %d, want %d", c.b, c.a, got, c.want)
		}
	}
}
