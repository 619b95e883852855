package plex_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
)

// keeper brings items to what is wanted, as a worker does: it reads an item, edits
// it, and reads it back while it does not know the server well enough.
type keeper struct {
	t       *testing.T
	c       *plex.Client
	trusted map[plex.NameKind]bool
	left    []plex.LeftOut
	rounds  int // the most that one change may take
}

func newKeeper(t *testing.T, c *plex.Client) *keeper {
	return &keeper{t: t, c: c, trusted: map[plex.NameKind]bool{}, rounds: 5}
}

// wanted are lists by field. Names that begin with "person" are nobody else's.
type wanted map[string][]string

func (k *keeper) diff(it plex.Item, want wanted) plex.Edit {
	var e plex.Edit
	for _, f := range []string{"genre", "actor", "collection", "label"} {
		l := plex.ListEdit{Field: f}
		changed := false
		for _, tag := range it.Lists[f] {
			if strings.HasPrefix(tag.Name, "Person") || slices.Contains(want[f], tag.Name) {
				l.Full = append(l.Full, tag)
			} else {
				l.Remove = append(l.Remove, tag.Name)
				changed = true
			}
		}
		for _, name := range want[f] {
			if !slices.ContainsFunc(it.Lists[f], func(tag plex.Tag) bool { return tag.Name == name }) {
				l.Full = append(l.Full, plex.Tag{Name: name})
				changed = true
			}
		}
		if changed {
			e.Lists = append(e.Lists, l)
		}
	}
	e, k.left = plex.Cut(e, it.Lists, k.c.Habits())
	return e
}

func (k *keeper) read(key string) plex.Item {
	k.t.Helper()
	all, err := k.c.Items(k.t.Context(), []string{key})
	if err != nil || len(all) != 1 {
		k.t.Fatal(len(all), err)
	}
	return all[0]
}

// bring returns how many edits it took.
func (k *keeper) bring(key string, want wanted) int {
	k.t.Helper()
	e := k.diff(k.read(key), want)
	for round := 0; ; round++ {
		if len(e.Lists) == 0 {
			return round
		}
		if round == k.rounds {
			k.t.Fatalf("Plex does not keep %+v", e.Lists)
		}
		used := k.c.Habits().Removals
		if _, err := k.c.Edit(k.t.Context(), "1", key, e); err != nil {
			k.t.Fatal(err)
		}
		kinds := plex.RemovalKinds(e)
		if !k.c.Chunked("1", key, e) && !slices.ContainsFunc(kinds, func(kind plex.NameKind) bool { return !k.trusted[kind] }) && len(kinds) < 2 {
			return round + 1
		}
		still := k.diff(k.read(key), want)
		ignored := plex.IgnoredRemovals(e, still)
		if slices.Contains(ignored, plex.SpecialName) || slices.Contains(ignored, plex.CommaName) {
			k.c.OtherRemovals(used)
		}
		for _, kind := range kinds {
			if k.trusted[kind] = !slices.Contains(ignored, kind); k.trusted[kind] && len(still.Lists) > 0 {
				k.trusted[kind] = false // several at once are not honoured here
			}
		}
		e = still
	}
}

// servers are all the ways in which accounts of Plex differ about lists.
func servers() map[string]simplex.Options {
	all := map[string]simplex.Options{}
	for decoding, d := range map[string]simplex.Decoding{"once": simplex.DecodeOnce, "twice": simplex.DecodeTwice, "both": simplex.DecodeBoth} {
		for lists, replace := range map[string]bool{"appends": false, "replaces": true} {
			for order, last := range map[string]bool{"empties first": false, "empties last": true} {
				for _, one := range []bool{false, true} {
					name := decoding + ", " + lists + ", " + order
					if one {
						name += ", one removal"
					}
					all[name] = simplex.Options{Removals: d, ListsReplace: replace, ClearLast: last, OneRemovalPerPUT: one}
				}
			}
		}
	}
	return all
}

// TestTheEndIsTheSameHoweverPlexReadsNames: random changes of lists with names of all
// kinds end as they should, on every kind of server, and nothing else is touched.
func TestTheEndIsTheSameHoweverPlexReadsNames(t *testing.T) {
	pool := []string{"Tide", "Night sea", "A", "B", "A,B", "A, B", "B,A", "100%", "50%25", "100", "a+b", "a b", "a%20b", "a%2Cb", "%", "+", ",", "%,+", "É", "é", "港 & 海", `"x"`, "#1", "A%2CB,"}
	for name, o := range servers() {
		t.Run(name, func(t *testing.T) {
			o.TagsKeepCase = true
			s, c := simulated(t, o)
			k := newKeeper(t, c)
			if o.OneRemovalPerPUT {
				k.rounds = 200
			}
			r := rand.New(rand.NewPCG(7, uint64(len(name))))
			var keys []string
			for i := range 3 {
				person := simplex.Tag{Name: fmt.Sprintf("Person %d, 100%%", i)}
				keys = append(keys, s.AddItem("1", simplex.ItemSpec{Title: "A", Tags: map[string][]simplex.Tag{
					"genre": {person}, "actor": {{Name: person.Name, Role: "Captain, first"}}, "collection": {person}, "label": {person}}}))
			}
			for step := range 70 {
				key := keys[r.IntN(len(keys))]
				want := wanted{}
				for _, f := range []string{"genre", "actor", "collection", "label"} {
					for _, n := range pool {
						if f == "label" {
							n = "L" + n // with the capital that it gets anyway
						}
						if r.IntN(4) == 0 {
							want[f] = append(want[f], n)
						}
					}
				}
				k.bring(key, want)
				it, _ := s.Item(key)
				for _, f := range []string{"genre", "actor", "collection", "label"} {
					var got []string
					persons := 0
					for _, tag := range it.Tags[f] {
						if strings.HasPrefix(tag.Name, "Person") {
							persons++
							if f == "actor" && tag.Role != "Captain, first" {
								t.Errorf("step %d: a person's role became %q", step, tag.Role)
							}
							continue
						}
						got = append(got, tag.Name)
					}
					slices.Sort(got)
					slices.Sort(want[f])
					if persons != 1 || !slices.Equal(got, want[f]) {
						t.Fatalf("step %d: %s is %q and %d of a person, want %q; %+v", step, f, got, persons, want[f], c.Habits())
					}
				}
				if n := k.bring(key, want); n != 0 {
					t.Fatalf("step %d: %d more edits", step, n)
				}
			}
			if h := c.Habits(); !o.OneRemovalPerPUT && !o.ListsReplace && (h.Removals == plex.EncodeOnce) != (o.Removals == simplex.DecodeOnce) {
				t.Errorf("learnt %+v", h)
			}
		})
	}
}

// TestANameWithACommaGoesFromAPlexThatDecodesOnce: each way that there is, alone.
func TestANameWithACommaGoesFromAPlexThatDecodesOnce(t *testing.T) {
	tags := func(names ...string) (all []simplex.Tag) {
		for _, n := range names {
			all = append(all, simplex.Tag{Name: n})
		}
		return all
	}
	for name, o := range map[string]simplex.Options{
		"empties first": {Removals: simplex.DecodeOnce}, "empties last": {Removals: simplex.DecodeOnce, ClearLast: true},
		"replaces": {Removals: simplex.DecodeOnce, ListsReplace: true}, "replaces and empties last": {Removals: simplex.DecodeOnce, ListsReplace: true, ClearLast: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := simulated(t, o)
			c.SetHabits(plex.Habits{Removals: plex.EncodeOnce})
			key := s.AddItem("1", simplex.ItemSpec{Title: "A", Tags: map[string][]simplex.Tag{
				"genre": tags("A,B", "A", "B", "Theirs"), "label": tags("Kids, all", "Ours, too"), "actor": {{Name: "Doe, Jane", Role: "Captain"}, {Name: "John", Role: "Mate", Thumb: "http://x/1"}}}})
			other := s.AddItem("1", simplex.ItemSpec{Title: "B", Tags: map[string][]simplex.Tag{"collection": tags("Studio, One")}})
			s.EditByPerson(key, simplex.Values{Tags: map[string][]simplex.Tag{"collection": tags("Studio, One", "Only here")}})
			var only string
			for _, x := range s.Collections("1") {
				if x.Title == "Only here" {
					only = x.Key
				}
			}
			if _, err := c.Edit(t.Context(), "1", key, plex.Edit{Lists: []plex.ListEdit{
				{Field: "genre", Full: []plex.Tag{{Name: "A"}, {Name: "B"}, {Name: "Theirs"}, {Name: "New"}}, Remove: []string{"A,B"}},
				{Field: "label", Remove: []string{"Ours, too"}}, // without the list: the rest stays
				{Field: "actor", Full: []plex.Tag{{Name: "John", Role: "Mate"}}, Remove: []string{"Doe, Jane"}},
				{Field: "collection", Full: []plex.Tag{{Name: "Only here"}, {Name: "Another, one"}}, Remove: []string{"Studio, One"}},
			}, Lock: []string{"genre", "collection"}}); err != nil {
				t.Fatal(err)
			}
			it, _ := s.Item(key)
			// On a Plex that replaces, what is written is the list.
			names := func(field string) string {
				var all []string
				for _, tag := range it.Tags[field] {
					all = append(all, tag.Name+"/"+tag.Role)
				}
				slices.Sort(all)
				return strings.Join(all, ";")
			}
			equal(t, "lists", []string{names("genre"), names("label"), names("actor"), names("collection")},
				[]string{"A/;B/;New/;Theirs/", "Kids, all/", "John/Mate", "Another, one/;Only here/"})
			equal(t, "a person's photo", it.Tags["actor"][0].Thumb, "http://x/1")
			equal(t, "locks", it.Locks, []string{"collection", "genre"})
			there, _ := s.Item(other)
			equal(t, "the other item's collections", len(there.Tags["collection"]), 1)
			if _, ok := s.Item(only); !ok {
				t.Error("a collection of this item alone was destroyed")
			}

			// Nothing is left to do: the same edit again writes as an ordinary one.
			before := s.Counts().Writes
			if n, err := c.Edit(t.Context(), "1", key, plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Full: []plex.Tag{{Name: "A"}, {Name: "B"}, {Name: "Theirs"}, {Name: "New"}}, Remove: []string{"A,B"}}}}); n != 1 || err != nil || s.Counts().Writes != before+1 {
				t.Errorf("again: %d writes, %v", n, err)
			}
		})
	}
}

func TestANameWithACommaThatCannotGo(t *testing.T) {
	s, c := simulated(t, simplex.Options{Removals: simplex.DecodeOnce})
	c.SetHabits(plex.Habits{Removals: plex.EncodeOnce, Lists: plex.ListsAppend})
	spec := simplex.ItemSpec{Title: "A", Tags: map[string][]simplex.Tag{"genre": {{Name: "A,B"}, {Name: "Old"}}}}
	e := plex.Edit{Scalars: []plex.ScalarEdit{{Field: "title", Value: "New"}}, Lists: []plex.ListEdit{{Field: "genre", Remove: []string{"A,B", "Old"}}}}
	for i := range 300 {
		name := fmt.Sprintf("A genre with a long name %03d", i)
		spec.Tags["genre"] = append(spec.Tags["genre"], simplex.Tag{Name: name})
		e.Lists[0].Full = append(e.Lists[0].Full, plex.Tag{Name: name})
	}
	key := s.AddItem("1", spec)
	_, err := c.Edit(t.Context(), "1", key, e)
	f := failure(t, err)
	var u *plex.Unremovable
	if !errors.As(err, &u) || f.Class != job.ClassRejected || f.Hint == "" || strings.Contains(err.Error(), "A,B") || !strings.Contains(err.Error(), "too long") {
		t.Fatalf("error %v", err)
	}
	equal(t, "what it is", []any{u.Field, u.Names}, []any{"genre", []string{"A,B"}})
	it, _ := s.Item(key)
	equal(t, "the title, and the genres", []any{it.Scalars["title"], len(it.Tags["genre"]), it.Tags["genre"][0].Name}, []any{"New", 301, "A,B"})

	// A collection that is not listed under that name.
	x := &wire{answer: func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet:
		case strings.HasSuffix(r.URL.Path, "/collections"):
			w.Write([]byte(`{"MediaContainer":{"Metadata":[{"ratingKey":"9","title":"A"},{"ratingKey":"x","title":"A,B"}]}}`))
		default:
			w.Write([]byte(`{"MediaContainer":{"Metadata":[{"ratingKey":"7","Collection":[{"tag":"A,B"}]}]}}`))
		}
	}}
	c = client(t, base, x)
	c.SetHabits(plex.Habits{Removals: plex.EncodeOnce})
	_, err = c.Edit(t.Context(), "1", "7", plex.Edit{Lists: []plex.ListEdit{{Field: "collection", Remove: []string{"A,B"}}}})
	if !errors.As(err, &u) || u.Field != "collection" {
		t.Errorf("error %v", err)
	}
	equal(t, "requests", x.asked, []string{"GET /library/metadata/7?skipRefresh=1", "GET /library/sections/1/collections"})

	// An item that is gone fails as an edit of it does.
	gone := client(t, base, &wire{answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }})
	gone.SetHabits(plex.Habits{Removals: plex.EncodeOnce})
	_, err = gone.Edit(t.Context(), "1", "7", plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Remove: []string{"A,B"}}}})
	if f := failure(t, err); f.Status != 404 || f.Class != job.ClassRejected || f.Op != "edit item 7" {
		t.Errorf("error %v", err)
	}
}

func TestAListThatIsTooLong(t *testing.T) {
	many := func(field string, n int) (all []simplex.Tag, names []string) {
		for i := range n {
			name := fmt.Sprintf("%s %04d", field, i)
			all, names = append(all, simplex.Tag{Name: name}), append(names, name)
		}
		return all, names
	}
	_, all := many("genre", 1500)
	var tags []plex.Tag
	for _, name := range all {
		tags = append(tags, plex.Tag{Name: name})
	}
	fit := plex.Fit("genre", tags, plex.ListsReplace)
	if fit < 150 || fit > 250 {
		t.Fatalf("%d names fit", fit)
	}
	for _, test := range []struct {
		name        string
		replaces    bool
		there, want int
		learnt      plex.Lists
		first       int // that are there afterwards
		leftOut     int
	}{
		{"on a Plex that appends", false, 0, 1500, plex.ListsAppend, 1500, 0},
		{"beside 100, appending", false, 100, 1500, plex.ListsAppend, 1500, 0},
		{"beside more than fit, appending", false, 400, 1500, plex.ListsReplace, 400, 1100},
		{"on a Plex that replaces", true, 0, 1500, plex.ListsReplace, fit, 1500 - fit},
		{"beside 100, replacing", true, 100, 1500, plex.ListsReplace, fit, 1500 - fit},
		{"beside all but one that fit, replacing", true, fit - 1, 1500, plex.ListsReplace, fit, 1500 - fit},
		{"beside as many as fit, replacing", true, fit, 1500, plex.ListsReplace, fit, 1500 - fit},
		{"beside more than fit, replacing", true, 400, 1500, plex.ListsReplace, 400, 1100},
		{"as many as fit", true, 0, fit, plex.ListsUnknown, fit, 0},
		{"one more", true, 0, fit + 1, plex.ListsReplace, fit, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, _ := simulated(t, simplex.Options{ListsReplace: test.replaces})
			tags, names := many("genre", test.want)
			key := s.AddItem("1", simplex.ItemSpec{Title: "A", Tags: map[string][]simplex.Tag{"genre": append(tags[:test.there:test.there], simplex.Tag{Name: "Old, one"})}})
			// Whatever is sent, what was there and stays is there after each request.
			way := &proxy{next: s.Transport(), after: func() {
				it, _ := s.Item(key)
				for i := range test.there {
					if !slices.Contains(it.Tags["genre"], tags[i]) {
						t.Fatalf("%s is gone for a while", tags[i].Name)
					}
				}
			}}
			c := client(t, base, way)
			k := newKeeper(t, c)
			k.bring(key, wanted{"genre": names})
			it, _ := s.Item(key)
			equal(t, "genres", len(it.Tags["genre"]), test.first)
			equal(t, "learnt", c.Habits().Lists, test.learnt)
			left := 0
			for _, l := range k.left {
				left += len(l.Names)
				if l.Field != "genre" || l.Roles || l.Of != test.want || !strings.Contains(l.String(), "at most 7000 bytes") {
					t.Errorf("left out %+v", l)
				}
			}
			equal(t, "left out", left, test.leftOut)
			writes := s.Counts().Writes
			for range 2 {
				if n := k.bring(key, wanted{"genre": names}); n != 0 || s.Counts().Writes != writes {
					t.Errorf("again: %d edits", n)
				}
			}
			// Another client, which was told, needs no probe; and a change still arrives.
			c2 := client(t, base, s.Transport())
			c2.SetHabits(c.Habits())
			k2 := newKeeper(t, c2)
			k2.bring(key, wanted{"genre": names[1:]})
			it, _ = s.Item(key)
			if it.Tags["genre"][0].Name == names[0] {
				t.Errorf("%s is still there", names[0])
			}
		})
	}
}

func TestNoMoreRolesThanPlexShows(t *testing.T) {
	for name, o := range map[string]simplex.Options{"appends": {}, "replaces": {ListsReplace: true}} {
		t.Run(name, func(t *testing.T) {
			s, c := simulated(t, o)
			var names []string
			agent := simplex.ItemSpec{Title: "A", Tags: map[string][]simplex.Tag{}}
			for i := range 250 {
				names = append(names, fmt.Sprint("N", i))
				agent.Tags["actor"] = append(agent.Tags["actor"], simplex.Tag{Name: fmt.Sprint("Person ", i)})
			}
			// 250 wanted on an empty item: the first two hundred that fit.
			key := s.AddItem("1", simplex.ItemSpec{Title: "A"})
			k := newKeeper(t, c)
			k.bring(key, wanted{"actor": names})
			it, _ := s.Item(key)
			equal(t, "actors", len(it.Tags["actor"]), plex.MaxRoles)
			equal(t, "left out", []any{len(k.left), len(k.left[0].Names), k.left[0].Roles, strings.Contains(k.left[0].String(), "50 of 250")}, []any{1, 50, true, true})
			equal(t, "again", k.bring(key, wanted{"actor": names}), 0)
			// An agent's 250, of which fifty are not shown: none is lost, none is added.
			full := s.AddItem("1", agent)
			if k.bring(full, wanted{"actor": {"New"}}); len(k.left) != 1 || !k.left[0].Roles {
				t.Errorf("left out %+v", k.left)
			}
			it, _ = s.Item(full)
			equal(t, "an agent's actors", len(it.Tags["actor"]), 250)
			// The client by itself loses none either.
			items := must(c.Items(t.Context(), []string{full}))(t)
			e := plex.Edit{Lists: []plex.ListEdit{{Field: "actor", Full: append(items[0].Lists["actor"], plex.Tag{Name: "New"})}}}
			if _, err := c.Edit(t.Context(), "1", full, e); err != nil {
				t.Fatal(err)
			}
			it, _ = s.Item(full)
			if len(it.Tags["actor"]) < 250 {
				t.Errorf("%d actors", len(it.Tags["actor"]))
			}
		})
	}
}

func TestFitAndCutArePure(t *testing.T) {
	var long []plex.Tag
	for i := range 1500 {
		long = append(long, plex.Tag{Name: fmt.Sprint("Tag ", i)})
	}
	for _, test := range []struct {
		field string
		full  []plex.Tag
		lists plex.Lists
		want  int
	}{
		{"genre", nil, plex.ListsReplace, 0}, {"genre", long[:5], plex.ListsReplace, 5}, {"genre", long, plex.ListsAppend, 1500}, {"genre", long, plex.ListsUnknown, 1500},
		{"actor", long, plex.ListsAppend, 200}, {"actor", long, plex.ListsUnknown, 200}, {"actor", long[:199], plex.ListsAppend, 199},
		{"genre", []plex.Tag{{Name: strings.Repeat("x", 7000)}}, plex.ListsReplace, 0},
		{"genre", append([]plex.Tag{{}}, long[:3]...), plex.ListsReplace, 4},
	} {
		if got := plex.Fit(test.field, test.full, test.lists); got != test.want {
			t.Errorf("%d of %s fit (%s), want %d", got, test.field, test.lists, test.want)
		}
	}
	n := plex.Fit("genre", long, plex.ListsReplace)
	e := plex.Edit{Scalars: []plex.ScalarEdit{{Field: "title", Value: "A"}}, Lock: []string{"genre"},
		Lists: []plex.ListEdit{{Field: "label", Full: long[:3]}, {Field: "genre", Full: long, Remove: []string{"Old"}}}}
	cut, left := plex.Cut(e, nil, plex.Habits{Lists: plex.ListsReplace})
	equal(t, "cut", cut, plex.Edit{Scalars: e.Scalars, Lock: e.Lock, Lists: []plex.ListEdit{e.Lists[0], {Field: "genre", Full: long[:n:n], Remove: []string{"Old"}}}})
	equal(t, "left out", []any{len(left), left[0].Field, len(left[0].Names), left[0].Names[0], left[0].Of}, []any{1, "genre", 1500 - n, long[n].Name, 1500})
	equal(t, "the edit itself", len(e.Lists[1].Full), 1500)
	same, left := plex.Cut(e, nil, plex.Habits{Lists: plex.ListsAppend})
	equal(t, "uncut", []any{same, len(left)}, []any{e, 0})
	// A photo that changes is a change, however long the list.
	now := map[string][]plex.Tag{"genre": long[:n-5]}
	e = plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Full: append([]plex.Tag{{Name: long[0].Name, Thumb: "http://x"}}, long[1:]...)}}}
	if cut, _ = plex.Cut(e, now, plex.Habits{Lists: plex.ListsReplace}); len(cut.Lists) != 1 {
		t.Error("a photo is dropped")
	}
	e.Lists[0].Full[0].Thumb = ""
	now["genre"] = long[:n]
	if cut, left = plex.Cut(e, now, plex.Habits{Lists: plex.ListsReplace}); len(cut.Lists) != 0 || len(left) != 1 {
		t.Errorf("what changes nothing is written: %+v", cut.Lists)
	}
}

func TestHabitsAreKept(t *testing.T) {
	c := client(t, base, says(""))
	equal(t, "at first", c.Habits(), plex.Habits{})
	equal(t, "changed", c.OtherRemovals(plex.EncodeUnknown), plex.EncodeOnce)
	equal(t, "changed by two at once", c.OtherRemovals(plex.EncodeUnknown), plex.EncodeOnce)
	equal(t, "changed back", c.OtherRemovals(plex.EncodeOnce), plex.EncodeTwice)
	equal(t, "and again", c.OtherRemovals(plex.EncodeTwice), plex.EncodeOnce)
	b, err := json.Marshal(plex.Habits{Lists: plex.ListsAppend, Removals: plex.EncodeTwice})
	if err != nil || string(b) != `{"lists":"append","removals":"twice"}` {
		t.Errorf("%s, %v", b, err)
	}
	c.SetHabits(plex.Habits{Lists: "prepends", Removals: "thrice"})
	equal(t, "what does not exist", c.Habits(), plex.Habits{})

	edit := func(names ...string) plex.Edit {
		return plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Remove: names}}}
	}
	equal(t, "kinds", plex.RemovalKinds(edit("a,%", "x", "50%", "y", "a+b")), []plex.NameKind{plex.PlainName, plex.SpecialName, plex.CommaName})
	equal(t, "no kinds", plex.RemovalKinds(plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Full: []plex.Tag{{Name: "a,b"}}}}}), []plex.NameKind(nil))
	equal(t, "ignored", plex.IgnoredRemovals(edit("x", "50%", "60%", "a,b"), edit("X", "60%", "a,b")), []plex.NameKind{plex.PlainName, plex.CommaName})
	equal(t, "none ignored", len(plex.IgnoredRemovals(edit("x", "50%"), plex.Edit{})), 0)
}
