package merge

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The properties draw from few values, so that they often meet.
var (
	someText  = rapid.SampledFrom([]string{"", "a", "b", "c"})
	someDate  = rapid.SampledFrom([]string{"", "2020", "2021-02-03", "soon"})
	someNames = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "Y", "z, w", "é"}), 0, 4, Fold)
	somePlace = rapid.SampledFrom([]string{"", "", "Prague"})
	someURL   = rapid.SampledFrom([]string{"", "http://stash/1", "http://stash/2"})
)

// someScene has a code, so that it is never without metadata.
func someScene(t *rapid.T) Scene {
	s := Scene{ID: 1, Code: "A-1", Title: someText.Draw(t, "title"), Details: someText.Draw(t, "details"),
		Date: someDate.Draw(t, "date"), Director: someText.Draw(t, "director")}
	if r := rapid.IntRange(-1, 100).Draw(t, "rating"); r >= 0 {
		s.Rating100 = &r
	}
	if name := someText.Draw(t, "studio"); name != "" {
		s.Studio = &StudioOf{ID: 1, Name: name, Parent: &StudioOf{ID: 2, Name: "x"}}
	}
	for i, n := range someNames.Draw(t, "performers") {
		s.Performers = append(s.Performers, Person{int64(i), n, somePlace.Draw(t, "disambiguation"), someURL.Draw(t, "photo")})
	}
	for i, n := range someNames.Draw(t, "tags") {
		s.Tags = append(s.Tags, Named{int64(i), n})
	}
	for i, n := range someNames.Draw(t, "groups") {
		s.Groups = append(s.Groups, Named{int64(i), n})
	}
	return s
}

// everything has all fields switched on.
func everything() Options {
	o := DefaultOptions()
	o.Rating, o.OriginalTitle, o.Tagline, o.SortTitle, o.Photos, o.CollectParents, o.CollectGroups = true, true, true, true, true, true, true
	o.ContentRating, o.Labels = "XXX", []string{"Stash"}
	return o
}

func someOptions(t *rapid.T) Options {
	o := everything()
	for _, on := range []*bool{&o.Title, &o.Summary, &o.Rating, &o.Tags, &o.Performers, &o.Photos, &o.CollectGroups} {
		*on = rapid.Bool().Draw(t, "field")
	}
	o.KeepPlexEdits, o.MirrorLists, o.LeaveUnlocked = rapid.Bool().Draw(t, "keep"), rapid.Bool().Draw(t, "mirror"), rapid.Bool().Draw(t, "leave unlocked")
	return o
}

func newItem() Item {
	return Item{Scalars: map[Field]string{}, Lists: map[Field][]Tag{}, Locked: map[Field]bool{}}
}

// person changes some of an item by hand. Plex has no lock of a rating.
func person(t *rapid.T, it Item) {
	for _, f := range ScalarFields() {
		if rapid.Bool().Draw(t, "a person sets "+string(f)) {
			switch f {
			case Date:
				it.Scalars[f] = rapid.SampledFrom([]string{"", "2020-01-01", "1999-09-09"}).Draw(t, "their date")
			case UserRating:
				it.Scalars[f] = rapid.SampledFrom([]string{"", "8", "8.0", "3.5"}).Draw(t, "their rating")
			default:
				it.Scalars[f] = someText.Draw(t, "their value")
			}
		}
	}
	for _, f := range ListFields() {
		if rapid.Bool().Draw(t, "a person sets "+string(f)) {
			it.Lists[f] = nil
			for _, n := range someNames.Draw(t, "their names") {
				it.Lists[f] = append(it.Lists[f], Tag{Name: n, Role: map[bool]string{true: "The captain"}[f == Actor]})
			}
		}
	}
	for _, f := range slices.Concat(ScalarFields(), ListFields()) {
		if f != UserRating && rapid.IntRange(0, 3).Draw(t, "a person turns the lock of "+string(f)) == 0 {
			it.Locked[f] = !it.Locked[f]
		}
	}
}

// seen is an item as a person sees it: without order.
func seen(it Item) string {
	scalars, lists, locked := map[Field]string{}, map[Field][]string{}, []Field{}
	for f, v := range it.Scalars {
		if v != "" {
			scalars[f] = v
		}
	}
	for f, l := range it.Lists {
		for _, t := range l {
			lists[f] = append(lists[f], fmt.Sprint(t))
		}
		slices.Sort(lists[f])
	}
	for f, is := range it.Locked {
		if is {
			locked = append(locked, f)
		}
	}
	slices.Sort(locked)
	return fmt.Sprintf("%q %q locked %v", scalars, lists, locked)
}

// part is some of an edit: what of it reached Plex before the process was killed.
func part(t *rapid.T, e Edit, base Base, it Item) Edit {
	arrives := func(what string) bool { return rapid.Bool().Draw(t, what+" arrives") }
	p := Edit{}
	for _, x := range e.Scalars {
		if arrives(string(x.Field)) {
			p.Scalars = append(p.Scalars, x)
		}
	}
	for _, l := range e.Lists {
		// Element by element: a list may travel in pieces.
		var got []Tag
		there := map[string]bool{}
		for _, x := range it.Lists[l.Field] {
			there[Fold(x.Name)] = true
			switch i := slices.IndexFunc(l.Full, func(y Tag) bool { return Fold(x.Name) == Fold(y.Name) }); {
			case i < 0 && arrives("a removal"):
			case i >= 0 && arrives("a photo"):
				got = append(got, l.Full[i])
			default:
				got = append(got, x)
			}
		}
		for _, x := range l.Full {
			if !there[Fold(x.Name)] && arrives("an element") {
				got = append(got, x)
			}
		}
		p.Lists = append(p.Lists, ListEdit{Field: l.Field, Full: got})
	}
	for _, f := range e.Lock {
		if arrives("a lock") {
			p.Lock = append(p.Lock, f)
		}
	}
	for _, f := range e.Unlock {
		// Nothing tells later that a list that is empty now had a lock of a person's
		// that was to go with its last element.
		if slices.Contains(ListFields(), f) && !slices.Contains(base.Locked, f) || arrives("an unlock") {
			p.Unlock = append(p.Unlock, f)
		}
	}
	return p
}

// stored is a base after its way through the database.
func stored(t *rapid.T, b Base) Base {
	data, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var c Base
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSyncingTwiceIsSyncingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		it, base := newItem(), Base{}
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			person(t, it)
			s, o := someScene(t), someOptions(t)
			sync(&base, &it, s, o)
			base = stored(t, base)
			was := seen(it)
			if e := sync(&base, &it, s, o); !e.Empty() || seen(it) != was {
				t.Fatalf("the second time: %+v", e)
			}
		}
	})
}

func TestWhatOthersAddedIsNeverRemoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		it, base := newItem(), Base{}
		ours := map[Field]map[string]bool{} // what we ever added
		for _, f := range ListFields() {
			ours[f] = map[string]bool{}
		}
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			person(t, it)
			o := someOptions(t)
			o.MirrorLists = false
			before := it
			e := sync(&base, &it, someScene(t), o)
			for _, l := range e.Lists {
				for _, name := range l.Remove {
					if !ours[l.Field][Fold(name)] {
						t.Fatalf("%s: removed %q, which we never added", l.Field, name)
					}
				}
				for _, x := range before.Lists[l.Field] {
					if !slices.Contains(l.Remove, x.Name) && !slices.ContainsFunc(l.Full, func(y Tag) bool { return y.Name == x.Name && y.Role == x.Role }) {
						t.Fatalf("%s: %+v is left out of %+v", l.Field, x, l.Full)
					}
				}
				for _, x := range l.Full {
					if !slices.ContainsFunc(before.Lists[l.Field], func(y Tag) bool { return Fold(x.Name) == Fold(y.Name) }) {
						ours[l.Field][Fold(x.Name)] = true
					}
				}
			}
		}
	})
}

func TestLabelsOfOthersStayWhereListsAreMirrored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		it, base := newItem(), Base{}
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			person(t, it)
			o := someOptions(t)
			o.MirrorLists = true
			before := it.Lists
			s := someScene(t)
			sync(&base, &it, s, o)
			for f, want := range Want(s, o).Lists {
				if f == Label {
					continue
				}
				got := map[string]bool{}
				for _, x := range it.Lists[f] {
					got[Fold(x.Name)] = true
				}
				if len(got) != len(want) || slices.ContainsFunc(want, func(x Tag) bool { return !got[Fold(x.Name)] }) {
					t.Fatalf("%s is %v, not a mirror of %v", f, it.Lists[f], want)
				}
			}
			for _, x := range before[Label] {
				if !slices.Contains(it.Lists[Label], x) {
					t.Fatalf("label %q was removed", x.Name)
				}
			}
		}
	})
}

func TestWhatAPersonSetAfterUsStaysIfEditsAreKept(t *testing.T) {
	theirs := func(f Field) string {
		return map[Field]string{Date: "1987-06-05", UserRating: "1.25"}[f] + map[bool]string{true: "mine"}[f != Date && f != UserRating]
	}
	rapid.Check(t, func(t *rapid.T) {
		o := everything()
		o.KeepPlexEdits, o.MirrorLists, o.LeaveUnlocked = true, rapid.Bool().Draw(t, "mirror"), rapid.Bool().Draw(t, "leave unlocked")
		it, base := newItem(), Base{}
		person(t, it)
		for range rapid.IntRange(1, 3).Draw(t, "rounds before") {
			sync(&base, &it, someScene(t), o)
		}
		for _, f := range ScalarFields() {
			it.Scalars[f] = theirs(f)
		}
		for range rapid.IntRange(1, 4).Draw(t, "rounds after") {
			sync(&base, &it, someScene(t), o)
			base = stored(t, base)
		}
		for _, f := range ScalarFields() {
			if it.Scalars[f] != theirs(f) {
				t.Fatalf("%s: %q, want a person's %q", f, it.Scalars[f], theirs(f))
			}
		}
	})
}

func TestWhatAPersonRemovedStaysAwayIfEditsAreKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := everything()
		o.KeepPlexEdits = true
		it, base := newItem(), Base{}
		person(t, it)
		s := someScene(t)
		sync(&base, &it, s, o)
		removed := map[Field]string{}
		for _, f := range ListFields() {
			if l := it.Lists[f]; len(l) > 0 && slices.ContainsFunc(Want(s, o).Lists[f], func(x Tag) bool { return Fold(x.Name) == Fold(l[0].Name) }) {
				removed[f] = Fold(l[0].Name)
				it.Lists[f] = slices.Clone(l[1:])
			}
		}
		for range rapid.IntRange(1, 4).Draw(t, "rounds after") {
			// The scene keeps its lists, and other things change.
			other := someScene(t)
			s.Title, s.Details, s.Date, s.Rating100 = other.Title, other.Details, other.Date, other.Rating100
			sync(&base, &it, s, o)
			base = stored(t, base)
		}
		for f, name := range removed {
			if slices.ContainsFunc(it.Lists[f], func(x Tag) bool { return Fold(x.Name) == name }) {
				t.Fatalf("%s: %q is back", f, name)
			}
		}
	})
}

func TestWhatIsSwitchedOffIsNotTouched(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		it, base := newItem(), Base{}
		person(t, it)
		sync(&base, &it, someScene(t), everything())
		o := someOptions(t)
		o.LeaveUnlocked = false // that takes our locks off, wherever they are
		before, s := it, someScene(t)
		e := sync(&base, &it, s, o)
		w := Want(s, o)
		for _, f := range slices.Concat(ScalarFields(), ListFields()) {
			_, scalar := w.Scalars[f]
			_, list := w.Lists[f]
			if scalar || list {
				continue
			}
			if it.Scalars[f] != before.Scalars[f] || !slices.Equal(it.Lists[f], before.Lists[f]) || slices.Contains(e.Lock, f) || slices.Contains(e.Unlock, f) {
				t.Fatalf("%s is switched off, and %+v", f, e)
			}
		}
	})
}

func TestAnInterruptedWriteEndsAsAnUndisturbedOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := someOptions(t)
		it, base := newItem(), Base{}
		person(t, it)
		for range rapid.IntRange(0, 2).Draw(t, "rounds before") {
			sync(&base, &it, someScene(t), o)
			person(t, it)
		}
		s := someScene(t)
		e, intent := Merge(base, Want(s, o), it, o)
		whole, wholeBase := Apply(e, it), intent

		// Any part of the edit reaches Plex before the process is killed; and again.
		torn, again, next := it, e, intent
		for range rapid.IntRange(1, 2).Draw(t, "kills") {
			torn = Apply(part(t, again, base, torn), torn)
			base = Recover(stored(t, base), stored(t, next), torn)
			again, next = Merge(base, Want(s, o), torn, o)
		}
		done := Apply(again, torn)
		if seen(done) != seen(whole) {
			t.Fatalf("interrupted: %s\nundisturbed: %s", seen(done), seen(whole))
		}
		// And later, what Stash takes away or changes goes in both cases alike.
		for _, last := range []Scene{{ID: 1, Code: "A-1"}, someScene(t)} {
			sync(&wholeBase, &whole, last, o)
			sync(&next, &done, last, o)
			if seen(done) != seen(whole) {
				t.Fatalf("later, interrupted: %s\nundisturbed: %s", seen(done), seen(whole))
			}
		}
	})
}

func TestAWriteThatNeverLeftChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := someOptions(t)
		// Where edits are kept, that Stash had something else in between is remembered.
		o.KeepPlexEdits = false
		it, base := newItem(), Base{}
		person(t, it)
		for range rapid.IntRange(0, 2).Draw(t, "rounds before") {
			sync(&base, &it, someScene(t), o)
			person(t, it)
		}
		_, intent := Merge(base, Want(someScene(t), o), it, o)
		// Then Stash has something else: what follows is as if nothing had been tried.
		s := someScene(t)
		want, _ := Merge(base, Want(s, o), it, o)
		got, _ := Merge(Recover(base, intent, it), Want(s, o), it, o)
		if seen(Apply(got, it)) != seen(Apply(want, it)) {
			t.Fatalf("%s\nwant %s", seen(Apply(got, it)), seen(Apply(want, it)))
		}
	})
}

func TestTheOrderInWhichStashListsIsOfNoMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := someOptions(t)
		s := someScene(t)
		// Stash may hold two performers of one name, and names that differ in case.
		for i, n := range rapid.SliceOfN(rapid.SampledFrom([]string{"x", "X", "Y", "é", "É"}), 0, 4).Draw(t, "more names") {
			s.Performers = append(s.Performers, Person{int64(100 + i), n, "", someURL.Draw(t, "photo")})
			s.Tags = append(s.Tags, Named{int64(100 + i), n})
			s.Groups = append(s.Groups, Named{int64(100 + i), n})
		}
		other := s
		other.Performers = rapid.Permutation(s.Performers).Draw(t, "performers in another order")
		other.Tags = rapid.Permutation(s.Tags).Draw(t, "tags in another order")
		other.Groups = rapid.Permutation(s.Groups).Draw(t, "groups in another order")
		a, b := Want(s, o), Want(other, o)
		if a.Hash() != b.Hash() {
			t.Fatalf("the order changes the hash: %v, %v", a.Lists, b.Lists)
		}
		one, two := newItem(), newItem()
		person(t, one)
		two.Scalars, two.Lists, two.Locked = maps.Clone(one.Scalars), maps.Clone(one.Lists), maps.Clone(one.Locked)
		var base1, base2 Base
		sync(&base1, &one, s, o)
		sync(&base2, &two, other, o)
		if seen(one) != seen(two) || !reflect.DeepEqual(base1, base2) {
			t.Fatalf("%s\n%s", seen(one), seen(two))
		}
		if e := sync(&base1, &one, other, o); !e.Empty() {
			t.Fatalf("another order writes again: %+v", e)
		}
	})
}

func TestAnEmptySceneChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		it, base := newItem(), Base{}
		person(t, it)
		if rapid.Bool().Draw(t, "written before") {
			sync(&base, &it, someScene(t), someOptions(t))
		}
		blank := rapid.SampledFrom([]string{"", " ", "\n\t", "\x00"}).Draw(t, "blank")
		s := Scene{ID: 1, Title: blank, Details: blank}
		if blank != "" {
			s.Tags, s.Performers, s.Studio = []Named{{1, blank}}, []Person{{1, blank, "Prague", "http://stash/1"}}, &StudioOf{ID: 1, Name: blank}
		}
		o := someOptions(t)
		e, next := Merge(base, Want(s, o), it, o)
		if !s.Empty() || !e.Empty() || !reflect.DeepEqual(base, next) {
			t.Fatalf("empty %v: %+v, %+v", s.Empty(), e, next)
		}
	})
}

// A name that is there in several spellings, or a person in two roles, is one
// element of the set.
func TestTwoSpellingsOfANameStayOrGoTogether(t *testing.T) {
	o := DefaultOptions()
	for _, mirror := range []bool{false, true} {
		o.MirrorLists = mirror
		it, base := newItem(), Base{}
		it.Lists[Actor] = []Tag{{Name: "Jane Doe", Role: "The captain"}, {Name: "Jane Doe", Role: "Her sister"}}
		it.Lists[Genre] = []Tag{{Name: "Night"}, {Name: "night"}, {Name: "Old"}, {Name: "OLD"}}
		s := Scene{ID: 1, Performers: []Person{{ID: 1, Name: "Jane Doe"}, {ID: 2, Name: "John Roe"}}, Tags: []Named{{1, "night"}, {2, "New"}}}
		e := sync(&base, &it, s, o)
		if got := fmt.Sprint(it.Lists[Actor]); got != "[{Jane Doe The captain } {Jane Doe Her sister } {John Roe  }]" {
			t.Errorf("mirror %v: actors %s", mirror, got)
		}
		want := map[bool]string{false: "Night, night, Old, OLD, New", true: "Night, night, New"}[mirror]
		if got := Names(it.Lists[Genre]); got != want {
			t.Errorf("mirror %v: genres %s, want %s", mirror, got, want)
		}
		i := slices.IndexFunc(e.Lists, func(l ListEdit) bool { return l.Field == Genre })
		if got := strings.Join(e.Lists[i].Remove, ", "); got != map[bool]string{true: "Old, OLD"}[mirror] {
			t.Errorf("mirror %v: removed %s", mirror, got)
		}
	}
}
