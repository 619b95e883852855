package merge

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/plexsync/plexsync/internal/fold"
)

// TestTheTableOfAnItemUnderANewKey: what holds of the base, and what the item shows
// after the next sync, by default and where edits are kept.
func TestTheTableOfAnItemUnderANewKey(t *testing.T) {
	// Of the old item: the summary "a" and the genres night and sea are ours; "agent" was
	// there before us.
	s := Scene{ID: 1, Title: "Harbour", Details: "a", Tags: []Named{{1, "night"}, {2, "sea"}, {3, "agent"}}}
	for _, c := range []struct {
		name    string
		carried func(it *Item) // what the new item shows of it
		stash   func(s *Scene)
		summary string
		genres  string
		keep    string // summary and genres where edits are kept, if otherwise
	}{
		{name: "a new item with the file's name", carried: func(it *Item) { *it = newItem(); it.Scalars[Title] = "harbour-01" },
			summary: "a", genres: "agent,night,sea"},
		{name: "a new item with an agent's values", carried: func(it *Item) { *it = newItem(); it.Scalars[Summary] = "agent's"; withGenres(it, "film") },
			summary: "a", genres: "agent,film,night,sea"},
		{name: "all of it was carried over", carried: func(*Item) {}, summary: "a", genres: "agent,night,sea"},
		{name: "all of it was carried over, and Stash drops what is ours", carried: func(*Item) {},
			stash: func(s *Scene) { s.Details, s.Tags = "", nil }, summary: "", genres: "agent"},
		{name: "the values were carried over, the lists were not", carried: func(it *Item) { it.Lists = map[Field][]Tag{} },
			stash: func(s *Scene) { s.Details, s.Tags = "b", s.Tags[1:] }, summary: "b", genres: "agent,sea"},
		{name: "one genre was carried over, and a person had given another", carried: func(it *Item) { withGenres(it, "night", "mine") },
			stash: func(s *Scene) { s.Tags = s.Tags[1:] }, summary: "a", genres: "agent,mine,sea"},
		{name: "the film is another, whose genre a person gave", carried: func(it *Item) { *it = newItem(); withGenres(it, "Sea", "mine"); it.Scalars[Summary] = "theirs" },
			stash: func(s *Scene) { s.Tags = s.Tags[:1] }, summary: "a", genres: "mine,night"}, // Sea looks like ours
		{name: "the summary is a person's, from before or after", carried: func(it *Item) { it.Scalars[Summary] = "mine" },
			summary: "a", genres: "agent,night,sea"},
		{name: "a person had removed a genre", carried: func(it *Item) { withGenres(it, "agent", "night") },
			summary: "a", genres: "agent,night,sea"},
	} {
		for _, keep := range []bool{false, true} {
			o := DefaultOptions()
			o.KeepPlexEdits = keep
			base, it := Base{}, newItem()
			withGenres(&it, "agent")
			sync(&base, &it, s, o)
			c.carried(&it)
			base = Carry(restored(t, base), it)
			later := s
			if c.stash != nil {
				c.stash(&later)
			}
			sync(&base, &it, later, o)
			if it.Scalars[Summary] != c.summary || genres(it) != c.genres || it.Scalars[Title] != "Harbour" {
				t.Errorf("%s (keep %v): %q, summary %q, genres %s; want %q, %s", c.name, keep, it.Scalars[Title], it.Scalars[Summary], genres(it), c.summary, c.genres)
			}
			if e := sync(&base, &it, later, o); !e.Empty() {
				t.Errorf("%s (keep %v): the second time: %+v", c.name, keep, e)
			}
		}
	}
}

// A base says nothing that the item does not show, and nothing else is lost.
func TestABaseHoldsAsFarAsTheItemShowsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plex := someOtherwise(t)
		it, base := newItem(), Base{}
		person(t, it)
		for range rapid.IntRange(1, 3).Draw(t, "rounds before") {
			plex.bring(&base, &it, someScene(t), someOptions(t))
		}
		now := it
		switch rapid.IntRange(0, 2).Draw(t, "the new item") {
		case 0:
			now = newItem()
			person(t, now)
		case 1:
			now = Apply(Edit{}, it)
			person(t, now)
		}
		next := Carry(base, now)
		if again := Carry(next, now); !reflect.DeepEqual(again, next) {
			t.Fatalf("carried twice: %+v\nonce: %+v", again, next)
		}
		for f, wrote := range base.Wrote {
			shows := now.Scalars[f] != "" && base.asLeft(f, now.Scalars[f])
			if got, kept := next.Wrote[f]; kept != shows || kept && got != wrote {
				t.Fatalf("%s: we wrote %q (shown as %q), the item shows %q, kept %v", f, wrote, base.ShownAs[f], now.Scalars[f], kept)
			}
		}
		for f, seen := range next.Seen {
			if !same(f, seen, now.Scalars[f]) {
				t.Fatalf("%s: %q is kept as seen, the item shows %q", f, seen, now.Scalars[f])
			}
		}
		for _, f := range ListFields() {
			shows := tags(now.Lists[f])
			for _, all := range [][2][]string{{base.Added[f], next.Added[f]}, {base.Had[f], next.Had[f]}} {
				for _, key := range all[0] {
					_, there := shows[key]
					_, as := shows[base.Elements[f][key].Name]
					if kept := slices.Contains(all[1], key); kept != (there || as && base.Elements[f][key].Name != "") && !next.IsZero() {
						t.Fatalf("%s: %q is kept %v; the item shows %v, base %+v", f, key, kept, now.Lists[f], base)
					}
				}
				for _, key := range all[1] {
					if !slices.Contains(all[0], key) {
						t.Fatalf("%s: %q came from nowhere", f, key)
					}
				}
			}
		}
		for _, f := range next.Locked {
			if !now.Locked[f] {
				t.Fatalf("the lock of %s is kept, and not there", f)
			}
		}
		if next.IsZero() && len(next.Added)+len(next.Wrote)+len(next.Locked) > 0 {
			t.Fatalf("%+v counts as never written", next)
		}
	})
}

// An item that shows nothing of the old one is written as one that nobody wrote.
func TestAFreshItemsValuesAreNobodysEdits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		it, base := newItem(), Base{}
		person(t, it)
		o := someOptions(t)
		for range rapid.IntRange(1, 3).Draw(t, "rounds before") {
			sync(&base, &it, someScene(t), o)
			person(t, it)
		}
		fresh := newItem()
		for _, f := range ScalarFields() {
			if rapid.Bool().Draw(t, "an agent sets "+string(f)) {
				fresh.Scalars[f] = "agent's " + string(f)
			}
		}
		fresh.Lists[Genre] = []Tag{{Name: "agent's"}}
		s := someScene(t)
		got, gotBase := Merge(Carry(base, fresh), Want(s, o), fresh, o)
		want, wantBase := Merge(Base{}, Want(s, o), fresh, o)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(gotBase, wantBase) {
			t.Fatalf("%+v\nas never written: %+v", got, want)
		}
		// Where edits are kept, too: Stash's values are there afterwards.
		after := Apply(got, fresh)
		for f, v := range Want(s, o).Scalars {
			if v != "" && !same(f, after.Scalars[f], v) {
				t.Fatalf("%s is %q, want %q", f, after.Scalars[f], v)
			}
		}
	})
}

// What was carried over is as if the key were the old one.
func TestAnItemThatKeptAllIsAsBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plex := someOtherwise(t)
		// What is not shown is not carried over.
		value := plex.value
		plex.name, plex.value = nil, func(f Field, v string) string { return cmp.Or(value(f, v), v) }
		o := someOptions(t)
		o.KeepPlexEdits = false // what a person left open says nothing under a new key
		it, base := newItem(), Base{}
		person(t, it)
		for range rapid.IntRange(1, 3).Draw(t, "rounds before") {
			plex.bring(&base, &it, someScene(t), o)
		}
		carried, other := Carry(base, it), Apply(Edit{}, it)
		for range rapid.IntRange(1, 3).Draw(t, "rounds after") {
			s := someScene(t)
			for range 2 { // a Plex that folds more may need it, see swaps
				plex.bring(&base, &it, s, o)
				plex.bring(&carried, &other, s, o)
			}
			if seen(it) != seen(other) {
				t.Fatalf("under the old key: %s\nunder the new one: %s", seen(it), seen(other))
			}
		}
	})
}

// A write that was cut short, on a Plex that shows values otherwise: nothing of others
// is removed, and what Stash has is there in the end.
func TestAnInterruptedWriteEndsWhateverPlexShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plex := someOtherwise(t)
		o := someOptions(t)
		o.KeepPlexEdits, o.MirrorLists = false, false
		it, base := newItem(), Base{}
		person(t, it)
		theirs := map[Field]map[string]Tag{}
		for _, f := range ListFields() {
			theirs[f] = tags(it.Lists[f])
		}
		for range rapid.IntRange(0, 2).Draw(t, "rounds before") {
			plex.bring(&base, &it, someScene(t), o)
		}
		s := someScene(t)
		e, intent := Merge(base, Want(s, o), it, o)
		torn := plex.takes(part(t, e, base, it), it)
		base = Recover(stored(t, base), stored(t, intent), torn)
		for range 3 {
			plex.bring(&base, &torn, s, o)
		}
		was := seen(torn)
		if e := plex.bring(&base, &torn, s, o); !e.Empty() || seen(torn) != was {
			t.Fatalf("written again: %+v", e)
		}
		for f, v := range Want(s, o).Scalars {
			if got := torn.Scalars[f]; v != "" && got != plex.value(f, v) && !same(f, got, v) {
				t.Fatalf("%s is %q, want %q", f, got, v)
			}
		}
		for f, all := range theirs {
			for key := range all {
				if !slices.Contains(slices.Collect(maps.Keys(tags(torn.Lists[f]))), key) {
					t.Fatalf("%s: %q, a person's, is gone", f, key)
				}
			}
		}
	})
}

func TestNothingIsCarriedFromNothing(t *testing.T) {
	if got := Carry(Base{}, Item{Scalars: map[Field]string{Title: ""}, Lists: map[Field][]Tag{Genre: {{Name: ""}}}}); !reflect.DeepEqual(got, Base{}) {
		t.Errorf("%+v", got)
	}
	base := Base{Wrote: map[Field]string{Summary: ""}, Added: map[Field][]string{Genre: {fold.Tag("x")}}, Known: true, Keys: 1}
	if got := Carry(base, newItem()); !reflect.DeepEqual(got, Base{}) {
		t.Errorf("from an empty summary: %+v", got)
	}
}
