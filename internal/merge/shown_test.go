package merge

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/plexsync/plexsync/internal/fold"
)

// otherwise is a Plex that shows values otherwise than they were sent. A nil function
// changes nothing; a name that becomes "" is not shown at all.
type otherwise struct {
	value       func(Field, string) string
	name, photo func(string) string
	noLock      Field
	folds       bool // takes "É" and "é" for one
}

// takes is the item after an edit.
func (o otherwise) takes(e Edit, it Item) Item {
	out := Apply(Edit{Scalars: e.Scalars, Lock: e.Lock, Unlock: e.Unlock}, it)
	if slices.Contains(e.Lock, o.noLock) {
		delete(out.Locked, o.noLock)
	}
	for _, s := range e.Scalars {
		if o.value != nil && s.Value != "" {
			out.Scalars[s.Field] = o.value(s.Field, s.Value)
		}
	}
	one := fold.Tag
	if o.folds {
		one = fold.Name
	}
	for _, l := range e.Lists {
		list := slices.Clone(it.Lists[l.Field])
		for _, t := range l.Full {
			old := slices.ContainsFunc(it.Lists[l.Field], func(x Tag) bool { return x.Name == t.Name })
			if !old && o.name != nil {
				t.Name = o.name(t.Name)
			}
			i := slices.IndexFunc(list, func(x Tag) bool { return one(x.Name) == one(t.Name) && (!old || x.Name == t.Name && x.Role == t.Role) })
			if o.photo != nil && t.Thumb != "" && (i < 0 || list[i].Thumb != t.Thumb) {
				t.Thumb = o.photo(t.Thumb)
			}
			switch {
			case t.Name == "":
			case i < 0:
				list = append(list, t)
			case t.Thumb != "":
				list[i].Thumb = t.Thumb
			}
		}
		removed := func(x Tag) bool { return slices.Contains(l.Remove, x.Name) }
		out.Lists[l.Field] = slices.DeleteFunc(list, removed)
	}
	return out
}

// bring is sync for such a Plex, which is read back after each write.
func (o otherwise) bring(base *Base, it *Item, s Scene, opt Options) Edit {
	e, next := Merge(*base, Want(s, opt), *it, opt)
	if !e.Empty() {
		after := o.takes(e, *it)
		next = next.Shown(e, *it, after)
		*it = after
	}
	*base = next
	return e
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

func dayBefore(f Field, v string) string {
	if t, err := time.Parse("2006-01-02", v); err == nil && f == Date {
		return t.AddDate(0, 0, -1).Format("2006-01-02")
	}
	return v
}

func rounded(f Field, v string) string {
	if x, err := strconv.ParseFloat(v, 64); err == nil && f == UserRating {
		return strconv.FormatFloat(math.Floor(x), 'f', -1, 64)
	}
	return v
}

func on(f Field, change func(string) string) func(Field, string) string {
	return func(g Field, v string) string {
		if f == g {
			return change(v)
		}
		return v
	}
}

func TestWhatPlexShowsOtherwiseIsWrittenOnce(t *testing.T) {
	rating := func(n int) *int { return &n }
	day := func(date string) Scene { return Scene{ID: 1, Code: "A-1", Date: date} }
	rated := func(n int) Scene { return Scene{ID: 1, Code: "A-1", Rating100: rating(n)} }
	titled := func(title string) Scene { return Scene{ID: 1, Code: "A-1", Title: title} }
	cast := func(photo string) Scene {
		return Scene{ID: 1, Code: "A-1", Performers: []Person{{ID: 1, Name: "Jane", ImageURL: "http://stash/" + photo}}}
	}
	for _, c := range []struct {
		name         string
		plex         otherwise
		field        Field
		first, later Scene
		shown, then  string // after each of them
	}{
		{"a date a day off", otherwise{value: dayBefore}, Date, day("2021-02-03"), day("2022-05-06"), "2021-02-02", "2022-05-05"},
		{"a date that becomes what it was shown as", otherwise{value: dayBefore}, Date, day("2021-02-03"), day("2021-02-02"), "2021-02-02", "2021-02-02"},
		{"a rating that is rounded", otherwise{value: rounded}, UserRating, rated(85), rated(67), "8", "6"},
		{"a rating that is rounded to the same", otherwise{value: rounded}, UserRating, rated(85), rated(82), "8", "8"},
		{"a title that is cut", otherwise{value: on(Title, func(s string) string { return s[:3] })}, Title, titled("Harbour"), titled("Harvest"), "Har", "Har"},
		{"a title in capitals", otherwise{value: on(Title, strings.ToUpper)}, Title, titled("Harbour"), titled("Night"), "HARBOUR", "NIGHT"},
		{"a summary that is not taken", otherwise{value: on(Summary, func(string) string { return "" })}, Summary, described("a"), described("b"), "", ""},
		{"a summary that is cleared", otherwise{value: on(Summary, strings.ToUpper)}, Summary, described("a"), described(""), "A", ""},
		{"a name with a capital", otherwise{name: capital}, Genre, tagged("émile", "night"), tagged("night", "été"), "Night,Émile", "Night,Été"},
		{"a name that is cut", otherwise{name: func(s string) string { return s[:3] }}, Genre, tagged("night", "nightfall"), tagged("night"), "nig", "nig"},
		{"a name of two words that is cut", otherwise{name: func(s string) string { return strings.Fields(s)[0] }}, Genre, tagged("a sea", "night"), tagged("b sea"), "a,night", "b"},
		{"a name that becomes another", otherwise{name: func(s string) string { return "n-" + s }}, Genre, tagged("x"), tagged("y"), "n-x", "n-y"},
		{"a name that is not taken", otherwise{name: func(s string) string { return strings.TrimPrefix(s, "x") }}, Genre, tagged("x", "y"), tagged("x", "z"), "y", "z"},
		{"a name that is folded with another", otherwise{folds: true}, Genre, tagged("École", "école", "x"), tagged("école"), "x,École", "École"},
		{"a photo that is not shown", otherwise{photo: func(string) string { return "" }}, Actor, cast("1"), cast("2"), "[{Jane  }]", "[{Jane  }]"},
		{"a photo under another address", otherwise{photo: func(s string) string { return s + "?p" }}, Actor, cast("1"), cast("2"), "[{Jane  http://stash/1?p}]", "[{Jane  http://stash/2?p}]"},
		{"a lock that is not shown", otherwise{noLock: Summary}, Summary, described("a"), described("b"), "a", "b"},
	} {
		for _, keep := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, keep %v", c.name, keep), func(t *testing.T) {
				o := DefaultOptions()
				o.Rating, o.Photos, o.KeepPlexEdits = true, true, keep
				shown := func(it Item) string {
					switch c.field {
					case Genre:
						return genres(it)
					case Actor:
						return fmt.Sprint(it.Lists[Actor])
					}
					return it.Scalars[c.field]
				}
				base, it := Base{}, newItem()
				for i, step := range []struct {
					scene Scene
					want  string
				}{{c.first, c.shown}, {c.later, c.then}, {c.first, c.shown}} {
					e := c.plex.bring(&base, &it, step.scene, o)
					if i == 0 && e.Empty() {
						t.Fatal("nothing is written")
					}
					base = restored(t, base)
					if e := c.plex.bring(&base, &it, step.scene, o); !e.Empty() {
						t.Errorf("scene %d is written again: %+v", i+1, e)
					}
					if got := shown(it); got != step.want && !(i == 2 && c.then == c.shown) {
						t.Errorf("scene %d shows as %q, want %q", i+1, got, step.want)
					}
				}
			})
		}
	}
}

// restored is a base after its way through the database.
func restored(t *testing.T, b Base) Base {
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

func TestAPersonsValueIsToldFromWhatPlexMadeOfOurs(t *testing.T) {
	plex := otherwise{value: dayBefore, name: capital}
	o := DefaultOptions()
	o.KeepPlexEdits, o.Labels = true, []string{"été"}
	base, it := Base{}, newItem()
	s := Scene{ID: 1, Date: "2021-02-03", Tags: []Named{{1, "émile"}}}
	plex.bring(&base, &it, s, o)
	it.Scalars[Date] = "1999-09-09"
	it.Lists[Genre] = append(it.Lists[Genre], Tag{Name: "Mine"})
	it.Lists[Label] = nil // a person removed it
	s.Date = "2021-05-06"
	if e := plex.bring(&base, &it, s, o); !e.Empty() {
		t.Errorf("what a person set is written over: %+v", e)
	}
	s.Tags, o.KeepPlexEdits = nil, false
	plex.bring(&base, &it, s, o)
	if it.Scalars[Date] != "2021-05-05" || genres(it) != "Mine" || Names(it.Lists[Label]) != "Été" {
		t.Errorf("where edits are not kept: %+v", it)
	}
}

// A person's photo is theirs in all their items. Two who share a name, or a scene that
// is not up to date, must not write in turn.
func TestAPhotoIsSentOnceForEachItem(t *testing.T) {
	o := DefaultOptions()
	o.Photos = true
	photoOf := func(n string) Scene {
		return Scene{ID: 1, Performers: []Person{{ID: 1, Name: "Jane", ImageURL: "http://stash/" + n}}}
	}
	var bases [2]Base
	items := [2]Item{newItem(), newItem()}
	writes := 0
	bring := func(i int, s Scene) {
		if e := (otherwise{}).bring(&bases[i], &items[i], s, o); !e.Empty() {
			writes++
			for j := range items { // Plex has one photo for a name
				for k := range items[j].Lists[Actor] {
					items[j].Lists[Actor][k].Thumb = items[i].Lists[Actor][0].Thumb
				}
			}
		}
	}
	for range 3 {
		bring(0, photoOf("1"))
		bring(1, photoOf("2"))
	}
	if writes != 2 {
		t.Errorf("%d writes of two scenes", writes)
	}
	for i := range items {
		items[i].Lists[Actor][0].Thumb = "" // lost
	}
	bring(0, photoOf("1"))
	bring(0, photoOf("3")) // changed in Stash
	if writes != 4 || items[1].Lists[Actor][0].Thumb != "http://stash/3" {
		t.Errorf("%d writes, %+v", writes, items[1].Lists[Actor])
	}
}

func TestAnIgnoredEditIsTold(t *testing.T) {
	o := DefaultOptions()
	s := Scene{ID: 1, Title: "Harbour", Details: "d", Tags: []Named{{1, "x"}, {2, "y"}}, Director: "Ann"}
	before := Item{Scalars: map[Field]string{Summary: "old"}, Lists: map[Field][]Tag{Genre: {{Name: "z"}}}}
	e, _ := Merge(Base{}, Want(s, o), before, o)
	if got := Ignored(e, before, before); !slices.Equal(got, []Field{Title, Summary, Director, Genre}) {
		t.Errorf("all of it: %v", got)
	}
	if got := Ignored(e, before, Apply(e, before)); len(got) != 0 {
		t.Errorf("none of it: %v", got)
	}
	after := Apply(e, before)
	after.Scalars[Summary], after.Scalars[Title] = "old", "HARBOUR"
	after.Lists[Genre] = []Tag{{Name: "z"}}
	if got := Ignored(e, before, after); !slices.Equal(got, []Field{Summary, Genre}) {
		t.Errorf("some of it: %v", got)
	}
}

func TestABaseOf010IsUnderstood(t *testing.T) {
	var base Base
	if err := json.Unmarshal([]byte(`{"wrote":{"title":"A"},"added":{"genre":["école","night","été"],"label":["stash"]},"had":{"genre":["sea"]},"locked":["title"],"known":true}`), &base); err != nil {
		t.Fatal(err)
	}
	it := Item{Scalars: map[Field]string{Title: "A"}, Locked: map[Field]bool{Title: true, Genre: true, Label: true},
		Lists: map[Field][]Tag{Genre: {{Name: "École"}, {Name: "Night"}, {Name: "Sea"}, {Name: "Mine"}}, Label: {{Name: "Stash"}}}}
	if !base.Ours(Genre, "École") || !base.Ours(Label, "STASH") || base.Ours(Genre, "Sea") || base.Ours(Genre, "Mine") {
		t.Error("what is ours")
	}
	o := DefaultOptions()
	o.Labels, o.KeepPlexEdits = []string{"Stash"}, true
	all := Scene{ID: 1, Title: "A", Tags: []Named{{1, "École"}, {2, "Night"}, {3, "Sea"}, {4, "Été"}}}
	e, next := Merge(base, Want(all, o), it, o)
	if !e.Empty() { // a person removed Été
		t.Errorf("%+v", e)
	}
	want := Base{Wrote: map[Field]string{Title: "A"}, Seen: map[Field]string{Date: "", Studio: "", Summary: ""}, Locked: []Field{Title}, Known: true, Keys: 1,
		Added: map[Field][]string{Genre: {"night", "École", "Été"}, Label: {"stash"}}, Had: map[Field][]string{Genre: {"sea"}}}
	slices.Sort(want.Added[Genre])
	for f, keys := range want.Added {
		for i := range keys {
			keys[i] = fold.Tag(keys[i])
		}
		slices.Sort(want.Added[f])
	}
	if got := restored(t, next); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	sync(&base, &it, Scene{ID: 1, Title: "A"}, o)
	if genres(it) != "Mine,Sea" {
		t.Errorf("what Stash dropped stays: %s", genres(it))
	}
	if carried := Carry(base, it); carried.Keys != 1 || len(carried.Added[Genre]) != 0 {
		t.Errorf("carried: %+v", carried)
	}
}

var someNamesOtherwise = map[string]func(string) string{
	"": nil, "capital": capital, "upper": strings.ToUpper, "cut": func(s string) string { return string([]rune(s)[:1]) },
	"x is not taken": func(s string) string { return strings.TrimPrefix(s, "x") }, "marked": func(s string) string { return "n-" + s },
}

func someOtherwise(t *rapid.T) otherwise {
	o := otherwise{
		name:   someNamesOtherwise[rapid.SampledFrom(slices.Sorted(maps.Keys(someNamesOtherwise))).Draw(t, "names otherwise")],
		noLock: rapid.SampledFrom([]Field{"", Title, Genre}).Draw(t, "no lock"),
		folds:  rapid.Bool().Draw(t, "folds"),
	}
	switch rapid.IntRange(0, 2).Draw(t, "photos otherwise") {
	case 1:
		o.photo = func(string) string { return "" }
	case 2:
		o.photo = func(s string) string { return s + "?p" }
	}
	fields := rapid.SliceOfDistinct(rapid.SampledFrom(ScalarFields()), func(f Field) Field { return f }).Draw(t, "fields otherwise")
	constant := rapid.SampledFrom([]string{"", "q"}).Draw(t, "as")
	o.value = func(f Field, v string) string {
		switch {
		case !slices.Contains(fields, f):
			return v
		case f == Date:
			return dayBefore(f, v)
		case f == UserRating:
			return rounded(f, v)
		case f == Title || f == Summary:
			return strings.ToUpper(v)
		}
		return constant
	}
	return o
}

// swaps reports whether e takes an element from a list and gives it another. A Plex that
// takes the two for one loses both; then the new one is written once more.
func swaps(e Edit) bool {
	return slices.ContainsFunc(e.Lists, func(l ListEdit) bool { return len(l.Remove) > 0 && len(l.Full) > 0 })
}

// bringsBack reports whether e gives a photo to a name that a person had removed: it
// shows again, for another of ours, and its own photo was not sent yet.
func bringsBack(base Base, before Item, e Edit) bool {
	old := tags(before.Lists[Actor])
	return len(e.Lists) == 1 && e.Lists[0].Field == Actor && slices.ContainsFunc(e.Lists[0].Full, func(t Tag) bool {
		_, there := old[fold.Tag(t.Name)]
		return !there && t.Thumb != "" && slices.Contains(base.Added[Actor], fold.Tag(t.Name))
	})
}

func TestSyncingTwiceIsSyncingOnceWhateverPlexShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plex := someOtherwise(t)
		it, base := newItem(), Base{}
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			person(t, it)
			s, o := someScene(t), someOptions(t)
			before, known := it, base
			before.Lists = maps.Clone(it.Lists)
			e, next := Merge(base, Want(s, o), it, o)
			after := plex.takes(e, it)
			noted := next.Shown(e, before, after)
			if again := noted.Shown(e, before, after); !reflect.DeepEqual(again, noted) {
				t.Fatalf("noting twice: %+v\nonce: %+v", again, noted)
			}
			it, base = after, stored(t, noted)
			was := seen(it)
			if again := plex.bring(&base, &it, s, o); !again.Empty() && (swaps(e) || bringsBack(known, before, again)) {
				was = seen(it)
			} else if !again.Empty() {
				t.Fatalf("the second time: %+v\nfrom %s\nand %+v", again, was, base)
			}
			if e := plex.bring(&base, &it, s, o); !e.Empty() || seen(it) != was {
				t.Fatalf("the third time: %+v\nfrom %s\nand %+v", e, was, base)
			}
		}
	})
}

func TestWhatOthersAddedIsNeverRemovedWhateverPlexShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plex := someOtherwise(t)
		it, base := newItem(), Base{}
		ours := map[Field]map[string]bool{} // what ever showed by an edit of ours, and not before
		for _, f := range ListFields() {
			ours[f] = map[string]bool{}
		}
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			person(t, it)
			o := someOptions(t)
			o.MirrorLists = false
			before := it
			e := plex.bring(&base, &it, someScene(t), o)
			for _, l := range e.Lists {
				for _, name := range l.Remove {
					if _, shows := tags(before.Lists[l.Field])[fold.Tag(name)]; shows && !ours[l.Field][fold.Tag(name)] {
						t.Fatalf("%s: removed %q, which we never added", l.Field, name)
					}
				}
			}
			for _, f := range ListFields() {
				old := tags(before.Lists[f])
				for key := range tags(it.Lists[f]) {
					if _, there := old[key]; !there {
						ours[f][key] = true
					}
				}
			}
		}
	})
}

// Where nobody edits in Plex, what Stash changes arrives, also where edits are kept.
func TestWhatStashChangesArrivesWhateverPlexShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plex := someOtherwise(t)
		plex.folds = false
		o := everything()
		o.KeepPlexEdits = rapid.Bool().Draw(t, "keep")
		it, base := newItem(), Base{}
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			s := someScene(t)
			if e := plex.bring(&base, &it, s, o); swaps(e) {
				plex.bring(&base, &it, s, o)
			}
			base = stored(t, base)
			w := Want(s, o)
			for f, want := range w.Scalars {
				got := it.Scalars[f]
				if shown := plex.value(f, want); got != want && got != shown && !(f == Title && want == "") && !same(f, got, want) {
					t.Fatalf("%s is %q, and shows as %q; want %q", f, want, got, shown)
				}
			}
			for f, want := range w.Lists {
				expect := map[string]bool{}
				for _, x := range want {
					name := x.Name
					if plex.name != nil {
						name = plex.name(name)
					}
					if name != "" {
						expect[fold.Tag(name)] = true
					}
				}
				got := tags(it.Lists[f])
				for key := range got {
					if !expect[key] {
						t.Fatalf("%s shows %q, which Stash does not have: %v", f, key, want)
					}
				}
				// Two that Plex makes one are there as long as Stash has both.
				if len(got) < len(expect) && len(expect) == len(want) {
					t.Fatalf("%s shows %v for %v", f, got, want)
				}
			}
		}
	})
}
