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
	"pgregory.net/rapid"
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
	if got := names(it.Lists[Label]); got != "Kids, Stash" {
		t.Errorf("labels %q", got)
	}
	o.Labels = []string{"Other"}
	sync(&base, &it, tagged(), o)
	if got := names(it.Lists[Label]); got != "Kids, Other" {
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
	sync(&base, &it, Scene{ID: 1, Performers: []Person{{1, "Jane Doe", ""}, {2, "John Roe", "http://stash/john"}}}, o)
	want := []Tag{{"Jane Doe", "The captain", "http://agent/jane"}, {"John Roe", "", "http://stash/john"}}
	if !slices.Equal(it.Lists[Actor], want) {
		t.Errorf("%+v, want %+v", it.Lists[Actor], want)
	}
}

func TestTheWantedState(t *testing.T) {
	rating := 85
	o := DefaultOptions()
	o.Rating, o.OriginalTitle, o.Tagline, o.SortTitle, o.CollectParents, o.CollectGroups = true, true, true, true, true, true
	o.ContentRating, o.Labels = "X", []string{"Stash"}
	s := Scene{ID: 1, Title: " Harbour\tat night\x00 ", Code: "HRB-1", Details: "a\r\nb\x07", Director: "Ann", Date: "2021-02", Rating100: &rating,
		Studio:     &StudioOf{ID: 1, Name: "One", Parent: &StudioOf{ID: 2, Name: "Network"}},
		Performers: []Person{{1, "Jane", ""}, {2, "jane", ""}}, Tags: []Named{{1, "e\u0301t\u00e9"}, {2, " "}}, Groups: []Named{{1, "Series"}, {2, "ONE"}}}
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

func TestLongTextsAreCutWhereNothingIsTornApart(t *testing.T) {
	for _, c := range []struct {
		text    string
		atLeast int // characters
	}{
		{strings.Repeat("港の夜。", 5000), 770},
		{strings.Repeat("Boats come and go. ", 1000), 4000},
		{strings.Repeat("👩‍👩‍👧‍👦", 500), 500},
		{strings.Repeat("e\u0323\u0301", 3000), 500},
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

// What the properties draw from: few values, so that they often meet.
var (
	someText = rapid.SampledFrom([]string{"", "a", "b", "c"})
	someTags = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "Y", "z", "w"}), 0, 4, strings.ToLower)
)

func someScene(t *rapid.T, label string) Scene {
	s := tagged(someTags.Draw(t, label+" tags")...)
	s.Title, s.Details = someText.Draw(t, label+" title"), someText.Draw(t, label+" details")
	return s
}

func someOptions(t *rapid.T) Options {
	o := DefaultOptions()
	o.KeepPlexEdits, o.MirrorLists, o.LeaveUnlocked = rapid.Bool().Draw(t, "keep"), rapid.Bool().Draw(t, "mirror"), rapid.Bool().Draw(t, "unlocked")
	return o
}

func person(t *rapid.T, it *Item, label string) {
	if rapid.Bool().Draw(t, label+" edits summary") {
		it.Scalars[Summary] = someText.Draw(t, label+" summary")
	}
	if rapid.Bool().Draw(t, label+" edits genres") {
		withGenres(it, someTags.Draw(t, label+" genres")...)
	}
}

func TestSyncingTwiceIsSyncingOnceAndOthersAreLeftAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := someOptions(t)
		it := Item{Scalars: map[Field]string{}, Locked: map[Field]bool{}}
		var base Base
		ours := map[string]bool{} // genres that we ever wrote
		for i := range rapid.IntRange(1, 6).Draw(t, "rounds") {
			person(t, &it, fmt.Sprint(i))
			before := it
			s := someScene(t, fmt.Sprint(i))
			e := sync(&base, &it, s, o)
			for _, l := range e.Lists {
				for _, r := range l.Remove {
					if l.Field == Genre && !o.MirrorLists && !ours[fold(r)] {
						t.Fatalf("removed %q, which we never wrote", r)
					}
				}
			}
			was := genres(before)
			for _, g := range it.Lists[Genre] {
				if !slices.Contains(strings.Split(was, ","), g.Name) {
					ours[fold(g.Name)] = true
				}
			}
			// The base survives its way through the database.
			data, err := json.Marshal(base)
			if err != nil {
				t.Fatal(err)
			}
			base = Base{}
			if err := json.Unmarshal(data, &base); err != nil {
				t.Fatal(err)
			}
			if e := sync(&base, &it, s, o); !e.Empty() {
				t.Fatalf("the second time: %+v", e)
			}
		}
	})
}

func TestAnInterruptedWriteEndsAsAnUndisturbedOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := someOptions(t)
		it := Item{Scalars: map[Field]string{}, Locked: map[Field]bool{}}
		var base Base
		if rapid.Bool().Draw(t, "written before") {
			sync(&base, &it, someScene(t, "first"), o)
			person(t, &it, "person")
		}
		s := someScene(t, "second")
		e, intent := Merge(base, Want(s, o), it, o)
		whole, wholeBase := Apply(e, it), intent

		// Any part of the edit reaches Plex before the process is killed.
		part := Edit{}
		for _, x := range e.Scalars {
			if rapid.Bool().Draw(t, "scalar arrives") {
				part.Scalars = append(part.Scalars, x)
			}
		}
		for _, l := range e.Lists {
			// Element by element: a list may travel in pieces.
			var got []Tag
			there := map[string]bool{}
			for _, x := range it.Lists[l.Field] {
				there[fold(x.Name)] = true
				if !slices.Contains(l.Remove, x.Name) || !rapid.Bool().Draw(t, "removal arrives") {
					got = append(got, x)
				}
			}
			for _, x := range l.Full {
				if !there[fold(x.Name)] && rapid.Bool().Draw(t, "element arrives") {
					got = append(got, x)
				}
			}
			part.Lists = append(part.Lists, ListEdit{Field: l.Field, Full: got})
		}
		for _, f := range e.Lock {
			if rapid.Bool().Draw(t, "lock arrives") {
				part.Lock = append(part.Lock, f)
			}
		}
		torn := Apply(part, it)
		again, next := Merge(Recover(base, intent, torn), Want(s, o), torn, o)
		done := Apply(again, torn)
		if done.Scalars[Summary] != whole.Scalars[Summary] || done.Scalars[Title] != whole.Scalars[Title] || genres(done) != genres(whole) {
			t.Fatalf("interrupted: %v %q; undisturbed: %v %q", done.Scalars, genres(done), whole.Scalars, genres(whole))
		}
		// And later, what Stash then takes away goes in both cases alike.
		last := Scene{ID: 1, Code: "A-1"}
		sync(&wholeBase, &whole, last, o)
		sync(&next, &done, last, o)
		if done.Scalars[Summary] != whole.Scalars[Summary] || genres(done) != genres(whole) {
			t.Fatalf("later, interrupted: %v %q; undisturbed: %v %q", done.Scalars, genres(done), whole.Scalars, genres(whole))
		}
	})
}

func FuzzWant(f *testing.F) {
	f.Add("Harbour", "Boats\r\ncome", "2021-02", "Night, outdoors")
	f.Add("\xff\x00", strings.Repeat("é\u0301", 4000), "9999-99-99", "\u200f\u2028")
	f.Fuzz(func(t *testing.T, title, details, date, tag string) {
		s := Scene{ID: 1, Title: title, Details: details, Date: date, Tags: []Named{{1, tag}}, Performers: []Person{{1, title, ""}}}
		w := Want(s, DefaultOptions())
		for field, v := range w.Scalars {
			limit := LineLimit
			if field == Summary {
				limit = SummaryLimit
			}
			if EncodedLen(v) > limit || !utf8.ValidString(v) || !norm.NFC.IsNormalString(v) {
				t.Errorf("%s: %q is too long, not UTF-8 or not NFC", field, v)
			}
		}
		var base Base
		it := Item{}
		sync(&base, &it, s, DefaultOptions())
		if e := sync(&base, &it, s, DefaultOptions()); !e.Empty() {
			t.Errorf("syncing twice writes again: %+v", e)
		}
	})
}

func FuzzBase(f *testing.F) {
	f.Add([]byte(`{"wrote":{"title":"A"},"added":{"genre":["x"]},"known":true}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var base, intent Base
		if json.Unmarshal(a, &base) != nil || json.Unmarshal(b, &intent) != nil {
			t.Skip("no base")
		}
		it := Item{Scalars: map[Field]string{Title: "A"}, Lists: map[Field][]Tag{Genre: {{Name: "x"}}}}
		o := DefaultOptions()
		e, next := Merge(Recover(base, intent, it), Want(tagged("y"), o), it, o)
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
		s.Performers = append(s.Performers, Person{int64(i), fmt.Sprintf("Jane %d", i), ""})
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
}
