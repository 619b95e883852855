package merge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/plexsync/plexsync/internal/fold"
)

func manyTags(n int, format string) (tags []Named) {
	for i := range n {
		tags = append(tags, Named{int64(i + 1), fmt.Sprintf(format, i+1)})
	}
	return tags
}

func costs(f Field, list []Tag) (n int) {
	for _, t := range list {
		n += cost(f, t)
	}
	return n
}

func TestAListThatIsTooLongIsCut(t *testing.T) {
	var cast []Person
	for i := range 230 {
		cast = append(cast, Person{ID: int64(230 - i), Name: fmt.Sprintf("P%d", 230-i)})
	}
	s := Scene{ID: 1, Tags: manyTags(1500, "Tag number %d"), Performers: cast, Groups: manyTags(200, "G%d")}
	w := Want(s, everything())
	n := len(w.Lists[Genre])
	if c := costs(Genre, w.Lists[Genre]); c > ListLimit || c < ListLimit-100 || n < 150 {
		t.Errorf("%d genres, %d bytes", n, c)
	}
	for i, x := range w.Lists[Genre] {
		if x.Name != fmt.Sprintf("Tag number %d", i+1) {
			t.Fatalf("genre %d is %q, want those of the lowest ids", i, x.Name)
		}
	}
	if actors := w.Lists[Actor]; len(actors) != MaxActors || actors[0].Name != "P200" || actors[MaxActors-1].Name != "P1" {
		t.Errorf("%d actors, from %v to %v", len(actors), actors[0], actors[len(actors)-1])
	}
	if len(w.Lists[Collection]) != 200 {
		t.Errorf("%d of 200 collections", len(w.Lists[Collection]))
	}
	want := []string{
		fmt.Sprintf("genre: %d of 1500 names left out, because Plex accepts at most 8,000 bytes per edit", 1500-n),
		"actor: 30 of 230 names left out, because Plex shows at most 200",
	}
	if !slices.Equal(w.Cut, want) {
		t.Errorf("the log is told %q, want %q", w.Cut, want)
	}
	// Whatever the order in which Stash lists them.
	other := s
	other.Tags = slices.Clone(s.Tags)
	slices.Reverse(other.Tags)
	if Want(other, everything()).Hash() != w.Hash() {
		t.Error("another order of the tags leaves others out")
	}
	// In the item's own URL, the list has room.
	if room := 8000 - len("https://192-168-1-10.0123456789abcdef0123456789abcdef.plex.direct:32400/library/sections/12/all?type=1&id=123456&genre.locked=1"); ListLimit > room {
		t.Errorf("%d bytes do not fit into %d", ListLimit, room)
	}
}

func TestWhatOthersAddedLeavesRoomForWhatFits(t *testing.T) {
	o := DefaultOptions()
	it := newItem()
	for i := range 100 {
		it.Lists[Genre] = append(it.Lists[Genre], Tag{Name: fmt.Sprintf("A genre that an agent gave %03d", i)})
	}
	theirs := slices.Clone(it.Lists[Genre])
	base := Base{}
	s := Scene{ID: 1, Code: "x", Tags: manyTags(100, "Tag number %d")}
	e := sync(&base, &it, s, o)
	if c := costs(Genre, it.Lists[Genre]); c > ListLimit || len(it.Lists[Genre]) <= 100 || !slices.Equal(it.Lists[Genre][:100], theirs) {
		t.Errorf("%d genres, %d bytes", len(it.Lists[Genre]), c)
	}
	left := 200 - len(it.Lists[Genre])
	if want := []string{fmt.Sprintf("genre: %d of 100 names left out, because Plex accepts at most 8,000 bytes per edit", left)}; !slices.Equal(e.Notes, want) {
		t.Errorf("told %q, want %q", e.Notes, want)
	}
	slices.Reverse(s.Tags)
	if e := sync(&base, &it, s, o); !e.Empty() {
		t.Errorf("in another order it is written again: %+v", e.Fields())
	}
	s.Tags = nil
	if sync(&base, &it, s, o); !slices.Equal(it.Lists[Genre], theirs) {
		t.Errorf("what is ours went, and left %d genres", len(it.Lists[Genre]))
	}
}

func TestAListThatIsTooLongAlreadyOnlyLosesWhatIsOurs(t *testing.T) {
	o := DefaultOptions()
	base, it := Base{}, newItem()
	sync(&base, &it, tagged("ours", "ours too"), o)
	for i := range 300 { // an agent, or another program
		it.Lists[Genre] = append(it.Lists[Genre], Tag{Name: fmt.Sprintf("A genre of somebody else's %03d", i)})
	}
	e := sync(&base, &it, tagged("ours", "new"), o)
	if len(e.Lists) != 1 || len(e.Lists[0].Full) != 0 || !slices.Equal(e.Lists[0].Remove, []string{"ours too"}) || len(e.Notes) != 1 {
		t.Errorf("%+v", e)
	}
	if n := len(it.Lists[Genre]); n != 301 || it.Lists[Genre][0].Name != "ours" {
		t.Errorf("%d genres are left", n)
	}
	if got := e.Changes(it); len(got) != 1 || !strings.HasPrefix(got[0].New, "ours, A genre") {
		t.Errorf("told as %.80v", got)
	}
	if e := sync(&base, &it, tagged("ours", "new"), o); !e.Empty() {
		t.Errorf("written again: %+v", e)
	}
}

func TestActorsThatPlexDoesNotShowAreNotWrittenOver(t *testing.T) {
	o := DefaultOptions()
	jane := Scene{ID: 1, Code: "x", Performers: []Person{{ID: 1, Name: "Jane"}}}
	base, it := Base{}, newItem()
	for i := range MaxActors {
		it.Lists[Actor] = append(it.Lists[Actor], Tag{Name: fmt.Sprintf("Q%d", i)})
	}
	if e := sync(&base, &it, jane, o); len(e.Lists) != 0 || !slices.Equal(e.Notes, []string{"actor: 1 of 1 names left out, because Plex shows at most 200"}) {
		t.Errorf("behind 200 of an agent's there may be more: %+v", e.Notes)
	}
	// Ours are known to be all.
	base, it = Base{}, newItem()
	full := Scene{ID: 1, Code: "x"}
	for i := range MaxActors {
		full.Performers = append(full.Performers, Person{ID: int64(i + 2), Name: fmt.Sprintf("P%d", i)})
	}
	sync(&base, &it, full, o)
	full.Performers[7] = Person{ID: 1, Name: "Jane"}
	if e := sync(&base, &it, full, o); len(it.Lists[Actor]) != MaxActors || !base.Ours(Actor, "Jane") || base.Ours(Actor, "P7") || len(e.Notes) != 0 {
		t.Errorf("%d actors, %+v", len(it.Lists[Actor]), e.Notes)
	}
	if e := sync(&base, &it, full, o); !e.Empty() {
		t.Errorf("written again: %v", e.Fields())
	}
}

// However long the lists are: each fits into one request or is not sent, nothing of
// others is missing in it, and twice is once.
func TestAListIsSentWholeOrNotAtAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := func(what string) (all []Named) {
			long := rapid.SampledFrom([]string{"%d", "A name of middling length, %d", strings.Repeat("港", 60) + "%d"}).Draw(t, what)
			return manyTags(rapid.IntRange(0, 260).Draw(t, what), long)
		}
		o := everything()
		o.MirrorLists, o.KeepPlexEdits = rapid.Bool().Draw(t, "mirror"), rapid.Bool().Draw(t, "keep")
		base, it := Base{}, newItem()
		for _, n := range names("there") {
			it.Lists[Genre] = append(it.Lists[Genre], Tag{Name: n.Name})
			it.Lists[Actor] = append(it.Lists[Actor], Tag{Name: n.Name, Thumb: "http://agent/" + n.Name})
		}
		if len(it.Lists[Actor]) > MaxActors {
			it.Lists[Actor] = it.Lists[Actor][:MaxActors]
		}
		for range 2 {
			s := Scene{ID: 1, Code: "x"}
			for _, n := range names("wanted") {
				s.Tags = append(s.Tags, n)
				s.Performers = append(s.Performers, Person{ID: n.ID, Name: n.Name, ImageURL: "http://stash/" + n.Name})
			}
			before := it
			e := sync(&base, &it, s, o)
			for _, l := range e.Lists {
				if costs(l.Field, l.Full) > ListLimit {
					t.Fatalf("%s takes %d bytes", l.Field, costs(l.Field, l.Full))
				}
				if l.Field == Actor && len(l.Full) > MaxActors {
					t.Fatalf("%d actors", len(l.Full))
				}
				after := tags(l.Full)
				for _, x := range before.Lists[l.Field] {
					if _, there := after[fold.Tag(x.Name)]; len(l.Full) > 0 && !there && !slices.Contains(l.Remove, x.Name) {
						t.Fatalf("%s: %q is left out", l.Field, x.Name)
					}
				}
			}
			// What is behind the actors that Plex shows is seen once some have gone.
			if e := sync(&base, &it, s, o); swaps(e) || !e.Empty() && !slices.ContainsFunc(e.Lists, func(l ListEdit) bool { return l.Field == Actor && len(before.Lists[Actor]) == MaxActors }) {
				t.Fatalf("the second time: %v, %v", e.Fields(), e.Notes)
			}
		}
	})
}
