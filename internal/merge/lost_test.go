package merge

import "testing"

// TestAnItemOfALostMemoryKeepsWhatAPersonMayHaveSet: what is locked and differs is theirs,
// what is locked and agrees is ours and follows Stash again.
func TestAnItemOfALostMemoryKeepsWhatAPersonMayHaveSet(t *testing.T) {
	o := DefaultOptions()
	o.KeepPlexEdits = true
	want := Want(Scene{ID: 1, Title: "Ours", Details: "Stash's", Director: "Ann", Date: "2021-02-01",
		Tags: []Named{{ID: 1, Name: "Sea"}, {ID: 2, Name: "Night"}}}, o)
	now := Item{
		Scalars: map[Field]string{Title: "Ours", Summary: "A person's", Date: "1999-01-01"},
		Lists:   map[Field][]Tag{Genre: {{Name: "Sea"}, {Name: "By hand"}}},
		Locked:  map[Field]bool{Title: true, Summary: true, Genre: true},
	}
	e, next := Merge(Lost(want, now), want, now, o)
	after := Apply(e, now)
	if after.Scalars[Title] != "Ours" || after.Scalars[Summary] != "A person's" {
		t.Errorf("locked fields became %v", after.Scalars)
	}
	if after.Scalars[Date] != "2021-02-01" || Names(after.Lists[Director]) != "Ann" {
		t.Errorf("what is not locked did not become Stash's: %v, %v", after.Scalars, after.Lists)
	}
	// Night was removed by a person, By hand added.
	if got := Names(after.Lists[Genre]); got != "Sea, By hand" && got != "By hand, Sea" {
		t.Errorf("genres %q", got)
	}
	// From here on what Stash drops goes, and what it changes arrives, but not over a
	// person's value.
	later := Want(Scene{ID: 1, Title: "New", Details: "New", Director: "Ann", Date: "2021-02-01"}, o)
	e, _ = Merge(next, later, after, o)
	after = Apply(e, after)
	if after.Scalars[Title] != "New" || after.Scalars[Summary] != "A person's" || Names(after.Lists[Genre]) != "By hand" {
		t.Errorf("later it shows %v, %v", after.Scalars, after.Lists)
	}
	// Without a lock nothing was ours.
	now.Locked = nil
	e, _ = Merge(Lost(want, now), want, now, o)
	if after := Apply(e, now); after.Scalars[Summary] != "Stash's" {
		t.Errorf("an unlocked summary stays %q", after.Scalars[Summary])
	}
}
