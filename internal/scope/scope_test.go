package scope

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tree is
//
//	1 Genre ── 2 Drama ── 3 Sad drama
//	      └─── 4 Comedy ── 5 Sad comedy (also below 2)
//	6 Technical ── 7 4K ── 6 (a circle)
//	8 "69", 9 "under:Genre", 10 "-18", 11 École, 69 Favorite
func tree() Tree {
	return NewTree([]Tag{
		{1, "Genre", nil}, {2, "Drama", []int64{1}}, {3, "Sad drama", []int64{2}}, {4, "Comedy", []int64{1}},
		{5, "Sad comedy", []int64{4, 2}}, {6, "Technical", []int64{7}}, {7, "4K", []int64{6}},
		{8, "69", nil}, {10, "-18", nil}, {11, "École", []int64{999}}, {69, "Favorite", nil},
	})
}

// meant are the names of the tags of tree that has chooses.
func meant(t Tree, has func(int64, string) bool) (names []string) {
	for _, x := range t.tags {
		if has(x.ID, x.Name) {
			names = append(names, x.Name)
		}
	}
	return names
}

func TestTags(t *testing.T) {
	for _, c := range []struct {
		entries string
		want    []string
	}{
		{"Drama", []string{"Drama"}},
		{"drama, e\u0301cole", []string{"Drama", "École"}},
		{"Sad*", []string{"Sad drama", "Sad comedy"}},
		{"4", []string{"Comedy"}},
		{"69", []string{"69"}}, // not Favorite, whose id it is
		{"*", meant(tree(), func(int64, string) bool { return true })},
		{"under:Genre", []string{"Genre", "Drama", "Sad drama", "Comedy", "Sad comedy"}},
		{"UNDER: drama", []string{"Drama", "Sad drama", "Sad comedy"}},
		{"under:2", []string{"Drama", "Sad drama", "Sad comedy"}},
		{"under:69", []string{"69"}},
		{"under:4*", []string{"Technical", "4K"}}, // a circle
		{"under:Nothing", nil},
		{"-18", []string{"-18"}},
		{"-Drama", nil},
		{"", nil},
	} {
		tags := NewTags(strings.Split(c.entries, ","), tree())
		if got := meant(tree(), tags.Has); !slices.Equal(got, c.want) {
			t.Errorf("%q means %q, want %q", c.entries, got, c.want)
		}
		if tags.Empty() != (c.entries == "") {
			t.Errorf("%q is empty: %v", c.entries, tags.Empty())
		}
	}
	unknown := NewTags([]string{"69", "under:Genre", "Drama"}, Tree{})
	if !unknown.Has(69, "x") || !unknown.Has(1, "69") || unknown.Has(1, "Genre") || !unknown.Has(0, "DRAMA") {
		t.Error("without the tree a number is both, under: means none, and a name is a name")
	}
}

func TestATagsOwnNameComesFirst(t *testing.T) {
	odd := NewTree([]Tag{{1, "under:Genre", nil}, {2, "Genre", nil}, {3, "-Drama", nil}, {4, "Drama", nil}, {5, "-under:Genre", nil}, {6, "x", []int64{2}}})
	for _, c := range []struct {
		entry string
		want  []string
	}{
		{"under:Genre", []string{"under:Genre"}},
		{"under: genre", []string{"Genre", "x"}},
		{"-Drama", []string{"-Drama"}},
		{"- Drama", []string{"under:Genre", "Genre", "-Drama", "-under:Genre", "x"}},
		{"-under:Genre", []string{"-under:Genre"}},
		{"-UNDER: Genre", []string{"under:Genre", "-Drama", "Drama", "-under:Genre"}},
		{"--Drama", []string{"under:Genre", "Genre", "Drama", "-under:Genre", "x"}},
	} {
		if got := meant(odd, Genres([]string{c.entry}, odd).Has); !slices.Equal(got, c.want) {
			t.Errorf("%q chooses %q, want %q", c.entry, got, c.want)
		}
	}
}

func TestGenresAndLabels(t *testing.T) {
	everything := meant(tree(), func(int64, string) bool { return true })
	without := func(names ...string) []string {
		return slices.DeleteFunc(slices.Clone(everything), func(n string) bool { return slices.Contains(names, n) })
	}
	for _, c := range []struct {
		entries        string
		genres, labels []string
	}{
		{"", everything, nil},
		{" ", everything, nil},
		{"*", everything, everything},
		{"Drama, Comedy", []string{"Drama", "Comedy"}, []string{"Drama", "Comedy"}},
		{"-Drama", without("Drama"), without("Drama")},
		{"-under:Genre", without("Genre", "Drama", "Sad drama", "Comedy", "Sad comedy"), without("Genre", "Drama", "Sad drama", "Comedy", "Sad comedy")},
		{"under:Genre, -Genre", []string{"Drama", "Sad drama", "Comedy", "Sad comedy"}, []string{"Drama", "Sad drama", "Comedy", "Sad comedy"}},
		{"-Genre, under:Genre", []string{"Drama", "Sad drama", "Comedy", "Sad comedy"}, []string{"Drama", "Sad drama", "Comedy", "Sad comedy"}},
		{"under:Genre, -Sad*, -4", []string{"Genre", "Drama"}, []string{"Genre", "Drama"}},
		{"*, -*", nil, nil},
		{"-18", []string{"-18"}, []string{"-18"}}, // a tag's name
		{"--18", without("-18"), without("-18")},
		{"-69", without("69"), without("69")},
		{"Nothing", nil, nil},
	} {
		entries := strings.Split(c.entries, ",")
		genres, labels := Genres(entries, tree()), Labels(entries, tree())
		if got := meant(tree(), genres.Has); !slices.Equal(got, c.genres) {
			t.Errorf("genreTags %q: %q, want %q", c.entries, got, c.genres)
		}
		if got := meant(tree(), labels.Has); !slices.Equal(got, c.labels) {
			t.Errorf("labelTags %q: %q, want %q", c.entries, got, c.labels)
		}
		if genres.None() || labels.None() != (strings.TrimSpace(c.entries) == "") {
			t.Errorf("%q: none is chosen: %v, %v", c.entries, genres.None(), labels.None())
		}
	}
	if (Chooser{}).Has(1, "Genre") || !(Chooser{}).None() {
		t.Error("the zero value chooses")
	}
}

func TestTheOrderOfEntriesDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOf(rapid.SampledFrom([]string{"*", "Drama", "-Drama", "under:Genre", "-under:Drama", "Sad*", "-4K", "-18", "7", ""})).Draw(t, "entries")
		want := meant(tree(), Genres(entries, tree()).Has)
		again := rapid.Permutation(entries).Draw(t, "again")
		if got := meant(tree(), Genres(again, tree()).Has); !slices.Equal(got, want) {
			t.Errorf("%q: %q, but %q: %q", entries, want, again, got)
		}
	})
}

func TestNeedsTree(t *testing.T) {
	for entry, want := range map[string]bool{"Drama": false, "Dra*": false, "7": true, " under:x": true, "UNDER:x": true, "-x": true, "": false} {
		if got := NeedsTree("x", entry); got != want {
			t.Errorf("%q needs the tree: %v", entry, got)
		}
	}
	if (Conditions{OnlyTags: []string{"a"}, OnlyPaths: []string{"/7"}}).NeedsTree() || !(Conditions{ExcludeTags: []string{"under:a"}}).NeedsTree() {
		t.Error("of conditions only tags count")
	}
}

func TestUnknownTagsAreNamedWithTheNearest(t *testing.T) {
	entries := []string{"Drama", "Dramma", "under:Comdey", "xyzzy", "Sad*", "Happy*", "under:Genre", "7", "12345", "-ecole", "-École", ""}
	want := []Unknown{{"Dramma", "Drama"}, {"under:Comdey", "Comedy"}, {"xyzzy", ""}, {"Happy*", ""}, {"12345", ""}, {"-ecole", "École"}}
	if got := Genres(entries, tree()).Unknown(tree()); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	// Of conditions, a minus is part of the name.
	want = []Unknown{{"-Drama", "Drama"}}
	if got := NewTags([]string{"-Drama", "-18"}, tree()).Unknown(tree()); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := fmt.Sprint(Unknown{"Dramma", "Drama"}, "; ", Unknown{Entry: "x"}); got != `"Dramma" matches no tag in Stash (did you mean "Drama"?); "x" matches no tag in Stash` {
		t.Error(got)
	}
}

func TestARequiredTagThatNobodyHasStopsEverything(t *testing.T) {
	for _, c := range []struct {
		only []string
		want bool
	}{
		{nil, false}, {[]string{" "}, false}, {[]string{"Drama"}, false}, {[]string{"Dramma"}, true}, {[]string{"Dramma", "under:x"}, true},
		{[]string{"Dramma", "Comedy"}, false},
	} {
		r, err := NewRules(Conditions{OnlyTags: c.only, ExcludeTags: []string{"Nix"}}, tree())
		if err != nil || r.LetsNothingThrough(tree()) != c.want {
			t.Errorf("onlyTags %q lets nothing through: %v, %v", c.only, !c.want, err)
		}
		if only, exclude := r.Unknown(tree()); len(exclude) != 1 || c.want && len(only) != len(c.only) {
			t.Errorf("unknown: %v and %v", only, exclude)
		}
	}
}

func tags(names ...string) (all []Tag) {
	for _, n := range names {
		for _, x := range tree().tags {
			if x.Name == n {
				all = append(all, Tag{ID: x.ID, Name: n})
			}
		}
	}
	return all
}

func TestConditions(t *testing.T) {
	good := Scene{Organized: true, StashIDs: 1, Tags: tags("Sad drama", "4K"), Paths: []string{"/data/films/a.mp4", "/data/b/a.mp4"}}
	for _, c := range []struct {
		name  string
		c     Conditions
		scene Scene
		want  Verdict
		says  string
	}{
		{"none", Conditions{}, Scene{}, Verdict{}, ""},
		{"all are met", Conditions{true, true, []string{"under:Genre"}, []string{"Comedy"}, []string{"/data"}, []string{"/tmp"}}, good, Verdict{}, ""},
		{"organized", Conditions{OnlyOrganized: true}, Scene{}, Verdict{Reason: NotOrganized}, "is not organized, and onlyOrganized is on"},
		{"stash id", Conditions{OnlyStashIDs: true}, Scene{}, Verdict{Reason: NoStashID}, "has no stash-box ID, and onlyStashIds is on"},
		{"required tag", Conditions{OnlyTags: []string{"Comedy"}}, good, Verdict{NoRequiredTag, "", []string{"Sad drama", "4K"}},
			`has none of the tags in onlyTags; its tags: "Sad drama", "4K"`},
		{"required tag, no tags", Conditions{OnlyTags: []string{"*"}}, Scene{}, Verdict{Reason: NoRequiredTag}, "has none of the tags in onlyTags; its tags: none"},
		{"unknown required tag", Conditions{OnlyTags: []string{"Nothing"}}, good, Verdict{NoRequiredTag, "", []string{"Sad drama", "4K"}}, ""},
		{"one of the required tags", Conditions{OnlyTags: []string{"Comedy", "4k"}}, good, Verdict{}, ""},
		{"excluded tag", Conditions{ExcludeTags: []string{"Comedy", "4k"}}, good, Verdict{ExcludedTag, "4k", []string{"4K"}}, `has the tag "4K", which excludeTags names (entry "4k")`},
		{"excluded tag by its name", Conditions{ExcludeTags: []string{"4K"}}, good, Verdict{ExcludedTag, "4K", []string{"4K"}}, `has the tag "4K", which excludeTags names`},
		{"excluded tag by one above it", Conditions{ExcludeTags: []string{"under:Genre"}}, good, Verdict{ExcludedTag, "under:Genre", []string{"Sad drama"}},
			`has the tag "Sad drama", which excludeTags names (entry "under:Genre")`},
		{"paths", Conditions{OnlyPaths: []string{"/data/b/**"}}, good, Verdict{}, ""}, // one file suffices
		{"outside of paths", Conditions{OnlyPaths: []string{"/mnt/**"}}, good, Verdict{OutsidePaths, "", good.Paths},
			`has no file that onlyPaths includes; its files: "/data/films/a.mp4", "/data/b/a.mp4"`},
		{"no file", Conditions{OnlyPaths: []string{"/mnt/**"}}, Scene{}, Verdict{Reason: OutsidePaths}, "has no file that onlyPaths includes; its files: none"},
		{"excluded path", Conditions{ExcludePaths: []string{"/x/**", "/data/b/**"}}, good, Verdict{ExcludedPath, "/data/b/**", []string{"/data/b/a.mp4"}},
			`has the file "/data/b/a.mp4", which excludePaths excludes (entry "/data/b/**")`},
		{"the first reason", Conditions{true, true, []string{"Comedy"}, []string{"4K"}, []string{"/mnt"}, []string{"/data"}}, Scene{Tags: good.Tags, Paths: good.Paths},
			Verdict{Reason: NotOrganized}, ""},
	} {
		r, err := NewRules(c.c, tree())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := r.Decide(c.scene)
		if !reflect.DeepEqual(got, c.want) || got.Out() != (c.want.Reason != "") {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if says := got.Sentence(nil); c.says != "" && says != c.says || (says == "") != !got.Out() {
			t.Errorf("%s: %s", c.name, says)
		}
	}
}

func TestAllConditionsOfAForm(t *testing.T) {
	r, err := NewRules(Conditions{true, true, []string{"Comedy"}, []string{"4K"}, []string{"/mnt"}, []string{"/data"}}, tree())
	if err != nil {
		t.Fatal(err)
	}
	var got []Reason
	settings := map[string]bool{}
	for _, v := range r.All(Scene{Tags: tags("4K"), Paths: []string{"/data/a"}}) {
		got = append(got, v.Reason)
		settings[v.Reason.Setting()] = true
	}
	if !slices.Equal(got, Reasons()) || len(settings) != len(Reasons()) || settings[""] {
		t.Errorf("%q of the settings %v", got, settings)
	}
	if all := (Rules{}).All(Scene{}); all != nil || Reason("").Setting() != "" {
		t.Errorf("%v", all)
	}
}

func TestASentenceHidesWhatIsPrivate(t *testing.T) {
	hide := func(string) string { return "‹x›" }
	for _, v := range []Verdict{
		{ExcludedTag, "under:Secret", []string{"Secret"}}, {ExcludedPath, "/secret/*", []string{"/secret/a"}},
		{NoRequiredTag, "", []string{"Secret", "Secret 2"}}, {OutsidePaths, "", []string{"/secret/a"}},
	} {
		if got := v.Sentence(hide); strings.Contains(strings.ToLower(got), "secret") || !strings.Contains(got, "‹x›") {
			t.Error(got)
		}
	}
	many := Verdict{NoRequiredTag, "", []string{"a", "b", "c", "d", "e", "f", "g"}}
	if got := many.Sentence(nil); !strings.HasSuffix(got, `"a", "b", "c", "d", "e" and 2 more`) {
		t.Error(got)
	}
}

func TestABrokenGlobNamesItsSetting(t *testing.T) {
	_, err := NewRules(Conditions{OnlyPaths: []string{"a/*"}, ExcludePaths: []string{"b/*"}}, Tree{})
	if err == nil || !strings.Contains(err.Error(), `onlyPaths: "a/*"`) || !strings.Contains(err.Error(), `excludePaths: "b/*"`) {
		t.Error(err)
	}
}

// TestATagMovedBelowAnotherLetsItsScenesIn: what under: means is the tree's matter, not
// the setting's.
func TestATagMovedBelowAnotherLetsItsScenesIn(t *testing.T) {
	c := Conditions{OnlyTags: []string{"under:Genre"}}
	s := Scene{Tags: []Tag{{ID: 2, Name: "Noir"}}}
	for _, parents := range [][]int64{nil, {1}} {
		r, err := NewRules(c, NewTree([]Tag{{1, "Genre", nil}, {2, "Noir", parents}}))
		if err != nil || r.Decide(s).Out() != (parents == nil) {
			t.Errorf("below %v: %+v, %v", parents, r.Decide(s), err)
		}
	}
}

func FuzzTags(f *testing.F) {
	f.Add("under:Genre", "Genre", int64(1), int64(2))
	f.Add("--under: -1", "-1", int64(-1), int64(-1))
	f.Add("-\xff*", "\xff", int64(0), int64(0))
	f.Fuzz(func(t *testing.T, text, name string, id, parent int64) {
		tree := NewTree([]Tag{{id, name, []int64{parent}}, {parent, "Genre", []int64{id, parent}}})
		genres := Genres([]string{text}, tree)
		not := Genres([]string{"- " + text}, tree)
		tags := NewTags([]string{text}, tree)
		if len(tags.Unknown(tree)) > 0 && tags.Has(id, name) {
			t.Errorf("%q means %q and is unknown", text, name)
		}
		if strings.TrimSpace(text) == "" || tree.has(text) || tree.has("- "+text) || strings.HasPrefix(strings.TrimSpace(text), "-") {
			return
		}
		if genres.Has(id, name) == not.Has(id, name) || genres.Has(id, name) != tags.Has(id, name) {
			t.Errorf("%q: %v, with a minus %v, as a condition %v", text, genres.Has(id, name), not.Has(id, name), tags.Has(id, name))
		}
	})
}
