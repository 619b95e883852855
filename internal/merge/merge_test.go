package merge

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// sync merges a scene into an item as the worker does, and applies the edit.
func sync(base *Base, it *Item, s Scene, o Options) Edit {
	if s.Empty() {
		return Edit{}
	}
	e, next := Merge(*base, Want(s, o), *it, o)
	*it, *base = Apply(e, *it), next
	return e
}

// tagged is a scene with tags by name; it is never without metadata.
func tagged(tags ...string) Scene {
	s := Scene{ID: 1, Code: "A-1"}
	for i, t := range tags {
		s.Tags = append(s.Tags, Named{int64(i + 1), t})
	}
	return s
}

func described(details string) Scene { return Scene{ID: 1, Code: "A-1", Details: details} }

func genres(it Item) string {
	var all []string
	for _, t := range it.Lists[Genre] {
		all = append(all, t.Name)
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

func withGenres(it *Item, names ...string) {
	if it.Lists == nil {
		it.Lists = map[Field][]Tag{}
	}
	it.Lists[Genre] = nil
	for _, n := range names {
		it.Lists[Genre] = append(it.Lists[Genre], Tag{Name: n})
	}
}

// step is what happens in one row of the table: a sync of the scene, or a person
// who sets the summary or the genres in Plex.
type step struct {
	stash  *Scene
	person *string
	genres []string
}

func in(s Scene) step            { return step{stash: &s} }
func plex(v string) step         { return step{person: &v} }
func hand(genres ...string) step { return step{genres: append([]string{}, genres...)} }

func TestTheTableOfAValue(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
		want  string // the summary, by default
		keep  string // with keepPlexEdits
	}{
		{"Stash has a value, Plex another, nobody wrote it", []step{plex("old"), in(described("new"))}, "new", "new"},
		{"Stash changed, Plex is as we left it", []step{in(described("a")), in(described("b"))}, "b", "b"},
		{"a person rewrote what we had written", []step{in(described("a")), plex("mine"), in(described("a"))}, "a", "mine"},
		{"a person rewrote it, then Stash changed", []step{in(described("a")), plex("mine"), in(described("b"))}, "b", "mine"},
		{"a person rewrote it, and it stays looked at", []step{in(described("a")), plex("mine"), in(described("b")), in(described("c"))}, "c", "mine"},
		{"a person cleared what we had written", []step{in(described("a")), plex(""), in(described("b"))}, "b", ""},
		{"a person filled it where Stash had nothing", []step{in(described("")), plex("mine"), in(described("a"))}, "a", "mine"},
		{"it had a value before us, and Stash gets one later", []step{plex("agent"), in(described("")), in(described("a"))}, "a", "a"},
		{"Stash cleared it, Plex is as we left it", []step{in(described("a")), in(described(""))}, "", ""},
		{"Stash cleared it, a person had rewritten it", []step{in(described("a")), plex("mine"), in(described(""))}, "mine", "mine"},
		{"Stash cleared it and has one again, a person had rewritten it", []step{in(described("a")), plex("mine"), in(described("")), in(described("b"))}, "b", "mine"},
		{"Stash came to say what a person had set, and changed on", []step{in(described("a")), plex("mine"), in(described("mine")), in(described("b"))}, "b", "b"},
		{"a person cleared it, and so did Stash", []step{in(described("a")), plex(""), in(described("")), in(described("b"))}, "b", "b"},
		{"Stash never had it", []step{plex("mine"), in(described(""))}, "mine", "mine"},
		{"both have the same by chance, then Stash clears it", []step{plex("same"), in(described("same")), in(described(""))}, "same", "same"},
		{"cleared and filled again", []step{in(described("a")), in(described("")), in(described("b"))}, "b", "b"},
		{"a scene without metadata", []step{plex("mine"), in(described("a")), in(Scene{ID: 1})}, "a", "a"},
		{"line ends of another kind are no change", []step{in(described("a\r\nb")), in(described("a\nb"))}, "a\nb", "a\nb"},
	} {
		for _, keep := range []bool{false, true} {
			o := DefaultOptions()
			o.KeepPlexEdits = keep
			want := c.want
			if keep {
				want = c.keep
			}
			var base Base
			it := Item{Scalars: map[Field]string{}, Locked: map[Field]bool{}}
			for _, s := range c.steps {
				if s.person != nil {
					it.Scalars[Summary] = *s.person
				} else {
					sync(&base, &it, *s.stash, o)
					if e := sync(&base, &it, *s.stash, o); !e.Empty() {
						t.Errorf("%s (keep %v): syncing twice writes again: %+v", c.name, keep, e)
					}
				}
			}
			if got := it.Scalars[Summary]; got != want {
				t.Errorf("%s (keep %v): %q, want %q", c.name, keep, got, want)
			}
			if it.Locked[Summary] && want == "" && !keep {
				t.Errorf("%s: cleared, but locked", c.name)
			}
		}
	}
}

func TestTheTableOfAList(t *testing.T) {
	for _, c := range []struct {
		name               string
		steps              []step
		want, keep, mirror string
	}{
		{"an element that we add", []step{in(tagged("a"))}, "a", "a", "a"},
		{"an element of a person's stays", []step{hand("mine"), in(tagged("a"))}, "a,mine", "a,mine", "a"},
		{"one that Stash drops goes", []step{in(tagged("a", "b")), in(tagged("a"))}, "a", "a", "a"},
		{"the last that Stash drops goes", []step{hand("mine"), in(tagged("a")), in(tagged())}, "mine", "mine", ""},
		{"one that was there before us stays when Stash drops it", []step{hand("both"), in(tagged("both")), in(tagged())}, "both", "both", ""},
		{"one that a person removed", []step{in(tagged("a", "b")), hand("a"), in(tagged("a", "b"))}, "a,b", "a", "a,b"},
		{"one that a person removed, and Stash adds another", []step{in(tagged("a", "b")), hand("a"), in(tagged("a", "b", "c"))}, "a,b,c", "a,c", "a,b,c"},
		{"one that was there before us and a person removed", []step{hand("a"), in(tagged("a", "b")), hand("b"), in(tagged("a", "b", "c"))}, "a,b,c", "b,c", "a,b,c"},
		{"another case is the same name", []step{hand("blonde"), in(tagged("Blonde"))}, "blonde", "blonde", "blonde"},
		{"a tag renamed in its case only", []step{in(tagged("blonde")), in(tagged("Blonde"))}, "blonde", "blonde", "blonde"},
		{"another Unicode form is the same name", []step{hand("e\u0301te\u0301"), in(tagged("été"))}, "e\u0301te\u0301", "e\u0301te\u0301", "e\u0301te\u0301"},
		{"a scene without metadata", []step{hand("mine"), in(tagged("a")), in(Scene{ID: 1})}, "a,mine", "a,mine", "a"},
		{"one that Stash dropped and has again", []step{in(tagged("a", "b")), in(tagged("a")), in(tagged("a", "b"))}, "a,b", "a,b", "a,b"},
		{"one that we removed and a person added", []step{in(tagged("a", "b")), in(tagged("a")), hand("a", "b"), in(tagged("a"))}, "a,b", "a,b", "a"},
		{"all that we added, removed by a person", []step{in(tagged("a", "b")), hand(), in(tagged("a", "b"))}, "a,b", "", "a,b"},
		{"names with commas", []step{in(tagged("a, b", "c & d")), in(tagged("c & d"))}, "c & d", "c & d", "c & d"},
	} {
		for mode, want := range map[string]string{"default": c.want, "keep": c.keep, "mirror": c.mirror, "mirror and keep": c.mirror} {
			o := DefaultOptions()
			o.KeepPlexEdits, o.MirrorLists = strings.Contains(mode, "keep"), strings.Contains(mode, "mirror")
			var base Base
			it := Item{Locked: map[Field]bool{}}
			for _, s := range c.steps {
				if s.genres != nil {
					withGenres(&it, s.genres...)
				} else {
					sync(&base, &it, *s.stash, o)
					if e := sync(&base, &it, *s.stash, o); !e.Empty() {
						t.Errorf("%s (%s): syncing twice writes again: %+v", c.name, mode, e)
					}
				}
			}
			if got := genres(it); got != want {
				t.Errorf("%s (%s): %q, want %q", c.name, mode, got, want)
			}
		}
	}
}

func TestLabelsOfOthersAreNeverTouched(t *testing.T) {
	o := DefaultOptions()
	o.MirrorLists, o.Labels = true, []string{"Stash"}
	it := Item{Lists: map[Field][]Tag{Label: {{Name: "Kids"}}}}
	var base Base
	sync(&base, &it, tagged(), o)
	if got := Names(it.Lists[Label]); got != "Kids, Stash" {
		t.Errorf("labels %q", got)
	}
	o.Labels = []string{"Other"}
	sync(&base, &it, tagged(), o)
	if got := Names(it.Lists[Label]); got != "Kids, Other" {
		t.Errorf("after another label was chosen: %q", got)
	}
}

func TestATitleIsNeverCleared(t *testing.T) {
	var base Base
	it := Item{}
	sync(&base, &it, Scene{ID: 1, Title: "A", Code: "x"}, DefaultOptions())
	sync(&base, &it, Scene{ID: 1, Code: "x"}, DefaultOptions())
	if it.Scalars[Title] != "A" {
		t.Errorf("title %q", it.Scalars[Title])
	}
}

func TestATitleGivenInPlexStaysIfEditsAreKept(t *testing.T) {
	o := DefaultOptions()
	o.KeepPlexEdits = true
	var base Base
	it := Item{Scalars: map[Field]string{Title: "file-0001"}, Locked: map[Field]bool{}}
	sync(&base, &it, Scene{ID: 1, Code: "x"}, o)
	other, otherBase := Apply(Edit{}, it), base
	it.Scalars[Title] = "Harbour at night"
	sync(&base, &it, Scene{ID: 1, Title: "Harbour", Code: "x"}, o)
	if it.Scalars[Title] != "Harbour at night" {
		t.Errorf("a person's title became %q", it.Scalars[Title])
	}
	sync(&otherBase, &other, Scene{ID: 1, Title: "Harbour", Code: "x"}, o)
	if other.Scalars[Title] != "Harbour" {
		t.Errorf("the file's name %q is taken for a person's title", other.Scalars[Title])
	}
}

func TestALockOfAPersonsStays(t *testing.T) {
	s := Scene{ID: 1, Code: "x", Details: "d", Tags: []Named{{1, "t"}}}
	gone := Scene{ID: 1, Code: "x"}
	for _, c := range []struct {
		name          string
		leaveUnlocked bool
		scenes        []Scene
		want          map[Field]bool
	}{
		{"while we write", false, []Scene{s}, map[Field]bool{Summary: true, Genre: true}},
		{"with leaveUnlocked, while we write", true, []Scene{s}, map[Field]bool{Summary: true, Genre: true}},
		{"with leaveUnlocked, when what we wrote goes", true, []Scene{s, gone}, map[Field]bool{Summary: true, Genre: true}},
		// The value is gone: a locked empty field would keep Plex's agents out.
		{"except when what we wrote goes", false, []Scene{s, gone}, map[Field]bool{}},
	} {
		o := DefaultOptions()
		o.LeaveUnlocked = c.leaveUnlocked
		var base Base
		it := Item{Locked: map[Field]bool{Summary: true, Genre: true}}
		for _, s := range c.scenes {
			sync(&base, &it, s, o)
		}
		if !maps.Equal(it.Locked, c.want) {
			t.Errorf("%s: locks %v, want %v", c.name, it.Locked, c.want)
		}
	}
}

func TestWhatIsKeptForAPersonIsTold(t *testing.T) {
	s := Scene{ID: 1, Title: "A", Details: "a", Date: "2021-02-03", Tags: []Named{{1, "x"}, {2, "y"}}}
	for keep, want := range map[bool][]Field{false: nil, true: {Date, Summary, Genre}} {
		o := DefaultOptions()
		o.KeepPlexEdits = keep
		var base Base
		it := newItem()
		sync(&base, &it, Scene{ID: 1, Title: "A", Details: "a", Tags: s.Tags}, o)
		it.Scalars[Summary], it.Scalars[Date] = "mine", "1999-09-09"
		withGenres(&it, "y", "mine")
		if e := sync(&base, &it, s, o); !slices.Equal(e.Kept, want) || e.Empty() == !keep {
			t.Errorf("keep %v: kept %v of %+v, want %v", keep, e.Kept, e, want)
		}
	}
}

func TestAValueThatAPersonKeepsIsNotLocked(t *testing.T) {
	o := DefaultOptions()
	o.KeepPlexEdits = true
	var base Base
	it := Item{Scalars: map[Field]string{}, Locked: map[Field]bool{}}
	sync(&base, &it, described("a"), o)
	it.Scalars[Summary], it.Locked[Summary] = "mine", false
	if e := sync(&base, &it, described("b"), o); !e.Empty() {
		t.Errorf("%+v", e)
	}
}

func TestValuesThatPlexWritesInItsOwnWayAreTheSame(t *testing.T) {
	rating := func(n int) *int { return &n }
	o := DefaultOptions()
	o.Rating = true
	for _, c := range []struct {
		field Field
		shown string
		scene Scene
	}{
		{UserRating, "8.0", Scene{ID: 1, Rating100: rating(80)}},
		{UserRating, "8.50", Scene{ID: 1, Rating100: rating(85)}},
		{UserRating, "", Scene{ID: 1, Rating100: rating(0)}},
		{Date, "2021-02-03T00:00:00Z", Scene{ID: 1, Date: "2021-02-03"}},
		{Date, "2020-01-01", Scene{ID: 1, Date: "2020"}},
		{Summary, "a\nb", Scene{ID: 1, Details: "a\r\nb \n"}},
		{Title, "été", Scene{ID: 1, Title: " été"}},
		{Title, "a b", Scene{ID: 1, Title: "a\tb"}},
	} {
		it := Item{Scalars: map[Field]string{c.field: c.shown}}
		if e, _ := Merge(Base{}, Want(c.scene, o), it, o); len(e.Scalars) != 0 {
			t.Errorf("%s: Plex shows %q, and %+v is written", c.field, c.shown, e.Scalars)
		}
	}
	for shown, want := range map[string]string{"": "8.5", "8": "8.5", "none": "8.5"} {
		e, _ := Merge(Base{}, Want(Scene{ID: 1, Rating100: rating(85)}, o), Item{Scalars: map[Field]string{UserRating: shown}}, o)
		if !slices.Contains(e.Scalars, ScalarEdit{UserRating, want}) {
			t.Errorf("Plex shows %q: %+v", shown, e.Scalars)
		}
	}
}

func TestAnEditIsToldInWords(t *testing.T) {
	o := DefaultOptions()
	now := Item{Scalars: map[Field]string{Title: "Old", Studio: "One"}, Lists: map[Field][]Tag{Genre: {{Name: "Night"}}}}
	s := Scene{ID: 1, Title: "New", Studio: &StudioOf{ID: 1, Name: "One"}, Tags: []Named{{1, "night"}, {2, "Sea"}}}
	o.CollectStudio = false
	e, base := Merge(Base{}, Want(s, o), now, o)
	if got := e.Fields(); !slices.Equal(got, []string{"title", "genre"}) {
		t.Errorf("fields %q", got)
	}
	if got, want := e.Changes(now), []Change{{Title, "Old", "New"}, {Genre, "Night", "Night, Sea"}}; !slices.Equal(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
	now = Apply(e, now)
	now.Locked = nil // by a refresh
	e, _ = Merge(base, Want(s, o), now, o)
	if got := e.Fields(); !slices.Equal(got, []string{"locks"}) || len(e.Changes(now)) != 0 {
		t.Errorf("only locks: fields %q, changes %q", got, e.Changes(now))
	}
	if got := (Edit{}).Fields(); len(got) != 0 {
		t.Errorf("nothing: fields %q", got)
	}
}

func TestLocksFollowWhatWeWrite(t *testing.T) {
	o := DefaultOptions()
	var base Base
	it := Item{Locked: map[Field]bool{Studio: true}}
	sync(&base, &it, Scene{ID: 1, Title: "A", Details: "d", Tags: []Named{{1, "t"}}}, o)
	if want := (map[Field]bool{Studio: true, Title: true, Summary: true, Genre: true}); !maps.Equal(it.Locked, want) {
		t.Errorf("locks %v, want %v", it.Locked, want)
	}
	delete(it.Locked, Title) // by a refresh
	if e := sync(&base, &it, Scene{ID: 1, Title: "A", Details: "d", Tags: []Named{{1, "t"}}}, o); !slices.Equal(e.Lock, []Field{Title}) || len(e.Scalars) != 0 {
		t.Errorf("an unlocked field: %+v", e)
	}
	o.LeaveUnlocked = true
	sync(&base, &it, Scene{ID: 1, Title: "A", Details: "d", Tags: []Named{{1, "t"}}}, o)
	if want := (map[Field]bool{Studio: true}); !maps.Equal(it.Locked, want) {
		t.Errorf("after leaveUnlocked: locks %v, want a person's own %v", it.Locked, want)
	}
}

func TestAFieldThatIsSwitchedOffIsLeftAlone(t *testing.T) {
	on, off := DefaultOptions(), DefaultOptions()
	off.Summary, off.Tags = false, false
	var base Base
	it := Item{}
	both := Scene{ID: 1, Title: "A", Details: "d", Tags: []Named{{1, "t"}}}
	sync(&base, &it, both, on)
	sync(&base, &it, Scene{ID: 1, Title: "B"}, off)
	if it.Scalars[Summary] != "d" || genres(it) != "t" || it.Scalars[Title] != "B" {
		t.Errorf("switched off: %+v", it)
	}
	sync(&base, &it, Scene{ID: 1, Title: "B"}, on) // what we wrote is still known as ours
	if it.Scalars[Summary] != "" || genres(it) != "" {
		t.Errorf("switched on again: %+v", it)
	}
}

func TestRolesAndPhotosStayWithTheirPeople(t *testing.T) {
	o := DefaultOptions()
	o.Photos = true
	it := Item{Lists: map[Field][]Tag{Actor: {{Name: "Jane Doe", Role: "The captain", Thumb: "http://agent/jane"}}}}
	var base Base
	sync(&base, &it, Scene{ID: 1, Performers: []Person{{ID: 1, Name: "Jane Doe"}, {ID: 2, Name: "John Roe", ImageURL: "http://stash/john"}}}, o)
	want := []Tag{{"Jane Doe", "The captain", "http://agent/jane"}, {"John Roe", "", "http://stash/john"}}
	if !slices.Equal(it.Lists[Actor], want) {
		t.Errorf("%+v, want %+v", it.Lists[Actor], want)
	}
}

func TestTwoPerformersOfOneNameAreTwoActors(t *testing.T) {
	o := DefaultOptions()
	o.Photos = true
	w := Want(Scene{ID: 1, Performers: []Person{
		{1, "Jane Doe", "1970s", "http://stash/1"}, {2, " Jane  Doe", " Prague\n", "http://stash/2"}, {3, "Jane Doe", "", "http://stash/3"},
		{4, "John Roe", "\u200b", ""}, {5, "\u200b", "Prague", "http://stash/5"},
	}}, o)
	want := []Tag{{"Jane Doe (1970s)", "", "http://stash/1"}, {"Jane Doe (Prague)", "", "http://stash/2"}, {"Jane Doe", "", "http://stash/3"}, {Name: "John Roe"}}
	if !slices.Equal(w.Lists[Actor], want) {
		t.Errorf("%+v, want %+v", w.Lists[Actor], want)
	}
	// The name, and so the photo, is the same in a scene of her alone.
	if alone := Want(Scene{ID: 2, Performers: []Person{{2, "Jane Doe", "Prague", "http://stash/2"}}}, o).Lists[Actor]; !slices.Equal(alone, want[1:2]) {
		t.Errorf("alone: %+v", alone)
	}
}

func TestTheWantedState(t *testing.T) {
	rating := 85
	o := DefaultOptions()
	o.Rating, o.OriginalTitle, o.Tagline, o.SortTitle, o.CollectParents, o.CollectGroups = true, true, true, true, true, true
	o.ContentRating, o.Labels = "X", []string{"Stash"}
	s := Scene{ID: 1, Title: " Harbour\tat night\x00 ", Code: "HRB-1", Details: "a\r\nb\x07", Director: "Ann", Date: "2021-02", Rating100: &rating,
		Studio:     &StudioOf{ID: 1, Name: "One", Parent: &StudioOf{ID: 2, Name: "Network"}},
		Performers: []Person{{ID: 1, Name: "Jane"}, {ID: 2, Name: "jane"}}, Tags: []Named{{1, "e\u0301t\u00e9"}, {2, " "}}, Groups: []Named{{1, "Series"}, {2, "ONE"}}}
	w := Want(s, o)
	scalars := map[Field]string{Title: "Harbour at night", OriginalTitle: "Harbour at night", TitleSort: "One 2021-02-01 Harbour at night",
		Summary: "a\nb", Date: "2021-02-01", Studio: "One", Tagline: "HRB-1", ContentRating: "X", UserRating: "8.5"}
	lists := map[Field][]Tag{Director: {{Name: "Ann"}}, Actor: {{Name: "Jane"}}, Genre: {{Name: "été"}},
		Collection: {{Name: "One"}, {Name: "Network"}, {Name: "Series"}}, Label: {{Name: "Stash"}}}
	if !maps.Equal(w.Scalars, scalars) || !reflect.DeepEqual(w.Lists, lists) || len(w.Cut) != 0 {
		t.Errorf("%+v\nwant %v %v", w, scalars, lists)
	}
	for date, want := range map[string]string{"2020": "2020-01-01", "2020-02": "2020-02-01", "2020-02-30": "", "soon": "", "0000": ""} {
		s.Date = date
		w := Want(s, o)
		if w.Scalars[Date] != want || (want == "") != (len(w.Cut) == 1) {
			t.Errorf("date %q becomes %q (%q), want %q", date, w.Scalars[Date], w.Cut, want)
		}
	}
	loop := &StudioOf{ID: 1, Name: "Loop"}
	loop.Parent = loop
	if got := Want(Scene{ID: 1, Studio: loop}, o).Lists[Collection]; len(got) != 1 {
		t.Errorf("a circle of studios: %v", got)
	}
}

func TestWhatCannotBeTakenIsTold(t *testing.T) {
	o := DefaultOptions()
	o.Rating = true
	for _, n := range []int{-1, 101} {
		w := Want(Scene{ID: 1, Title: "A", Rating100: &n}, o)
		if want := []string{fmt.Sprintf("rating: left out, %d is not between 0 and 100", n)}; !slices.Equal(w.Cut, want) || w.Scalars[UserRating] != "" {
			t.Errorf("rating %d: %q, %q", n, w.Scalars[UserRating], w.Cut)
		}
	}
	w := Want(Scene{ID: 1, Date: strings.Repeat("é", 60), Title: strings.Repeat("a", 3000), Tags: []Named{{1, strings.Repeat("b", 3000)}}}, o)
	want := []string{
		"title: cut from 3000 to 1992 characters, because Plex accepts at most 8,000 bytes per edit",
		`date: left out, "` + strings.Repeat("é", 20) + `…" is not a date`,
		"a name in genre: cut from 3000 to 1992 characters, because Plex accepts at most 8,000 bytes per edit",
	}
	if !slices.Equal(w.Cut, want) {
		t.Errorf("%q\nwant %q", w.Cut, want)
	}
	again := Want(Scene{ID: 1, Title: w.Scalars[Title]}, o)
	if again.Scalars[Title] != w.Scalars[Title] || len(again.Cut) != 0 {
		t.Errorf("what was cut is cut again: %q", again.Cut)
	}
}

func TestTextIsTheUsers(t *testing.T) {
	o := DefaultOptions()
	for _, text := range []string{`“Curly” ‘quotes’ — dashes … & <b>, "plain"; 100% #1 + a=b?`, "👩‍👩‍👧‍👦 👍🏽 🇯🇵 ❤️", "\u200fשלום\u200e \u2067עברית\u2069", "港の夜", "a\u00a0b\u200bc"} {
		s := Scene{ID: 1, Title: text, Details: text, Tags: []Named{{1, text}}}
		if w := Want(s, o); w.Scalars[Title] != text || w.Scalars[Summary] != text || w.Lists[Genre][0].Name != text {
			t.Errorf("%q became %q, %q, %q", text, w.Scalars[Title], w.Scalars[Summary], w.Lists[Genre])
		}
	}
}

func TestLongTextsAreCutWhereNothingIsTornApart(t *testing.T) {
	for _, c := range []struct {
		text    string
		atLeast int // characters
	}{
		{strings.Repeat("港の夜。", 5000), 770},
		{strings.Repeat("Boats come and go. ", 1000), 4000},
		{strings.Repeat("👩‍👩‍👧‍👦", 500), 500},
		{strings.Repeat("e\u0323\u0301", 3000), 500},
		{strings.Repeat("🇯🇵", 2000), 500},
		{strings.Repeat("👍🏽", 2000), 500},
		{strings.Repeat("❤\ufe0f", 2000), 500},
		{strings.Repeat("ｶﾞ", 2000), 500},
		{strings.Repeat("\u1112\u1161\u11ab", 3000), 700},
		{"x" + strings.Repeat("\u0301", 20000), 0},
	} {
		w := Want(Scene{ID: 1, Details: c.text}, DefaultOptions())
		got := w.Scalars[Summary]
		if EncodedLen(got) > SummaryLimit || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") || utf8.RuneCountInString(got) < c.atLeast {
			t.Errorf("%.20q…: cut to %d characters, %d bytes encoded, ending %q", c.text, utf8.RuneCountInString(got), EncodedLen(got), got[max(0, len(got)-12):])
		}
		if body := strings.TrimSuffix(got, "…"); strings.HasSuffix(body, "\u200d") || !strings.HasPrefix(norm.NFC.String(c.text), body) {
			t.Errorf("%.20q…: torn apart", c.text)
		}
		for _, unit := range []string{"👩‍👩‍👧‍👦", "🇯🇵", "👍🏽", "❤\ufe0f", "ｶﾞ", "ẹ́"} {
			if body := strings.TrimSuffix(got, "…"); strings.HasPrefix(c.text, unit) && strings.ReplaceAll(body, unit, "") != "" {
				t.Errorf("%s is torn apart: %q", unit, strings.ReplaceAll(body, unit, ""))
			}
		}
		if len(w.Cut) != 1 {
			t.Errorf("the log is told %q", w.Cut)
		}
	}
	hundred := make([]Named, 100)
	for i := range hundred {
		hundred[i] = Named{int64(i), fmt.Sprintf("タグ%d", i)}
	}
	if got := Want(Scene{ID: 1, Tags: hundred}, DefaultOptions()).Lists[Genre]; len(got) != 100 {
		t.Errorf("%d of 100 tags", len(got))
	}
}

func TestTheHashKnowsNoOrder(t *testing.T) {
	o := DefaultOptions()
	a, b := Want(tagged("x", "y", "z"), o), Want(tagged("z", "x", "y"), o)
	if a.Hash() != b.Hash() {
		t.Error("the order of tags changes the hash")
	}
	o.KeepPlexEdits = true
	for name, other := range map[string]Wanted{
		"a tag": Want(tagged("x", "y"), DefaultOptions()), "the spelling": Want(tagged("X", "y", "z"), DefaultOptions()),
		"keepPlexEdits": Want(tagged("x", "y", "z"), o), "a value": Want(Scene{ID: 1, Title: "t", Tags: tagged("x", "y", "z").Tags}, DefaultOptions()),
	} {
		if other.Hash() == a.Hash() {
			t.Errorf("%s does not change the hash", name)
		}
	}
}

func FuzzWant(f *testing.F) {
	f.Add("Harbour", "Boats\r\ncome", "2021-02", "Night, outdoors")
	f.Add("\xff\x00", strings.Repeat("é\u0301", 4000), "9999-99-99", "\u200f\u2028")
	f.Add(strings.Repeat("🇯🇵", 200), strings.Repeat("ｶﾞ", 4000), "2021\x00", "\u1112\u1161\u11ab")
	f.Fuzz(func(t *testing.T, title, details, date, tag string) {
		s := Scene{ID: 1, Title: title, Details: details, Date: date, Code: tag, Director: tag, Studio: &StudioOf{ID: 1, Name: tag},
			Tags: []Named{{1, tag}, {2, title}}, Performers: []Person{{ID: 1, Name: title, Disambiguation: tag}}, Groups: []Named{{1, title}}}
		o := everything()
		w := Want(s, o)
		check := func(f Field, v string, limit int) {
			if EncodedLen(v) > limit || !utf8.ValidString(v) || !norm.NFC.IsNormalString(v) || f != Summary && strings.ContainsAny(v, "\r\n\t") || strings.Contains(v, "\x00") {
				t.Errorf("%s: %q is too long, not UTF-8, not NFC or not one line", f, v)
			}
		}
		for f, v := range w.Scalars {
			check(f, v, map[bool]int{true: SummaryLimit, false: LineLimit}[f == Summary])
		}
		for f, l := range w.Lists {
			for _, t := range l {
				check(f, t.Name, LineLimit)
			}
			if costs(f, l) > ListLimit {
				t.Errorf("%s takes %d bytes", f, costs(f, l))
			}
		}
		other := s
		other.Tags = []Named{s.Tags[1], s.Tags[0]}
		if w.Hash() != Want(other, o).Hash() {
			t.Error("the order changes the hash")
		}
		base, it := Base{}, Item{}
		sync(&base, &it, s, o)
		if e := sync(&base, &it, s, o); !e.Empty() {
			t.Errorf("syncing twice writes again: %+v", e)
		}
	})
}

func FuzzBase(f *testing.F) {
	f.Add([]byte(`{"wrote":{"title":"A"},"added":{"genre":["x"]},"known":true}`), []byte(`{}`), "A", uint8(0))
	f.Add([]byte(`{"wrote":{"summary":""},"seen":{"title":"B"},"had":{"genre":["x",""]},"locked":["genre","nonsense"]}`), []byte(`{"known":true}`), "", uint8(7))
	f.Add([]byte(`{"added":{"genre":["y","É"]},"elements":{"genre":{"y":{"name":"x"},"É":{"gone":true}}},"shown":{"title":"A"},"known":true,"keys":1}`), []byte(`{"lock_hidden":["genre"]}`), "A", uint8(1))
	f.Add([]byte(`{"had":{"genre":["x"]},"elements":{"genre":{"x":{"name":"y","photo":"0","no_photo":true},"y":{"name":"x"}},"nonsense":{}},"keys":-1}`), []byte(`{"known":true}`), "É", uint8(3))
	f.Add([]byte(`null`), []byte(`{"wrote":{"originallyAvailableAt":"2021","userRating":"NaN"}}`), "x", uint8(2))
	f.Fuzz(func(t *testing.T, a, b []byte, shown string, switches uint8) {
		var base, intent Base
		if json.Unmarshal(a, &base) != nil || json.Unmarshal(b, &intent) != nil {
			return // the caller begins anew then
		}
		it := Item{Scalars: map[Field]string{Title: shown, Date: shown, UserRating: shown},
			Lists: map[Field][]Tag{Genre: {{Name: "x"}, {Name: shown}}}, Locked: map[Field]bool{Genre: true}}
		o := everything()
		o.KeepPlexEdits, o.MirrorLists, o.LeaveUnlocked = switches&1 != 0, switches&2 != 0, switches&4 != 0
		if once := Carry(base, it); !reflect.DeepEqual(Carry(once, it), once) {
			t.Errorf("carried twice: %+v", Carry(once, it))
		}
		e, next := Merge(Recover(base, intent, it), Want(tagged("y"), o), it, o)
		if shown := next.Shown(e, it, Apply(e, it)); !reflect.DeepEqual(shown.Shown(e, it, Apply(e, it)), shown) {
			t.Errorf("noted twice: %+v", shown)
		}
		it = Apply(e, it)
		if e, _ := Merge(next, Want(tagged("y"), o), it, o); !e.Empty() {
			t.Errorf("syncing twice writes again: %+v", e)
		}
	})
}

func BenchmarkSync(b *testing.B) {
	s := Scene{ID: 1, Title: "Harbour at night", Details: strings.Repeat("Boats come and go. ", 20), Date: "2021-02-03", Studio: &StudioOf{ID: 1, Name: "One"}}
	for i := range 15 {
		s.Tags = append(s.Tags, Named{int64(i), fmt.Sprintf("Tag %d", i)})
	}
	for i := range 3 {
		s.Performers = append(s.Performers, Person{ID: int64(i), Name: fmt.Sprintf("Jane %d", i)})
	}
	o := DefaultOptions()
	b.Run("want and hash", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Want(s, o).Hash()
		}
	})
	b.Run("merge", func(b *testing.B) {
		b.ReportAllocs()
		w := Want(s, o)
		for b.Loop() {
			Merge(Base{}, w, Item{}, o)
		}
	})
	b.Run("merge of what is unchanged", func(b *testing.B) {
		b.ReportAllocs()
		w := Want(s, o)
		e, base := Merge(Base{}, w, Item{}, o)
		it := Apply(e, Item{})
		for b.Loop() {
			Merge(base, w, it, o)
		}
	})
}
