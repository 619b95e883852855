package plex_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
)

// proxy has a Plex below a path, and notes the length of each URL and the writes.
type proxy struct {
	next   http.RoundTripper
	urls   []int
	writes int
	after  func() // each write
}

func (p *proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	p.urls = append(p.urls, len(r.URL.String()))
	if r.Method != http.MethodGet {
		p.writes++
		defer func() {
			if p.after != nil {
				p.after()
			}
		}()
	}
	r = r.Clone(r.Context())
	r.URL.Path = strings.TrimPrefix(r.URL.Path, "/behind/proxy")
	return p.next.RoundTrip(r)
}

// element is one of a list, with all that an edit says of it.
func element(t plex.Tag) string { return t.Name + "|" + t.Role + "|" + t.Thumb }

func TestAnEditThatIsSplitLosesNothing(t *testing.T) {
	name := rapid.StringMatching(`[a-zA-Z0-9é港🌊,+%&#"' ]{0,9}[a-z0-9é港]`).Filter(func(s string) bool { return strings.TrimSpace(s) == s })
	text := rapid.StringMatching(`[a-zé港\n &]{0,30}[a-z]`)
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(700, 3000).Draw(rt, "limit")
		s := simplex.New(simplex.Options{Token: token, MaxURL: -1, TagsKeepCase: true,
			ListsReplace: rapid.Bool().Draw(rt, "replaces")})
		s.AddSection(simplex.SectionSpec{Title: "Films"})
		way := &proxy{next: s.Transport()}
		c := clientWith(t, plex.Options{URL: base + "/behind/proxy", Transport: way, MaxURL: limit})

		var e plex.Edit
		scalars := map[string]string{}
		for _, f := range []string{"title", "summary", "tagline", "studio"} {
			if rapid.Bool().Draw(rt, f) {
				scalars[f] = text.Draw(rt, f+"'s value")
				e.Scalars = append(e.Scalars, plex.ScalarEdit{Field: f, Value: scalars[f]})
				e.Lock = append(e.Lock, f)
			}
		}
		before := map[string][]simplex.Tag{}
		want := map[string][]string{}
		for _, f := range []string{"genre", "actor", "label"} {
			all := rapid.SliceOfNDistinct(name, 0, 40, rapid.ID[string]).Draw(rt, f)
			if f == "label" { // they get a capital letter, which others make a name twice
				for i := range all {
					all[i] = "L" + all[i]
				}
			}
			gone := rapid.IntRange(0, len(all)).Draw(rt, f+"s to go")
			kept := rapid.IntRange(0, len(all)-gone).Draw(rt, f+"s there")
			l := plex.ListEdit{Field: f, Remove: all[:gone]}
			for i, n := range all {
				if i < gone+kept {
					before[f] = append(before[f], simplex.Tag{Name: n})
				}
				if i >= gone {
					tag := plex.Tag{Name: n}
					if f == "actor" {
						tag.Role = rapid.SampledFrom([]string{"Captain & crew", "Herself"}).Draw(rt, "role")
					}
					l.Full = append(l.Full, tag)
					want[f] = append(want[f], element(tag))
				}
			}
			e.Lists = append(e.Lists, l)
			e.Lock = append(e.Lock, f)
			slices.Sort(want[f])
		}
		e.Lock = append(e.Lock, "thumb")
		key := s.AddItem("1", simplex.ItemSpec{Title: "Before", Tags: before})

		check := func(what string) {
			rt.Helper()
			it, _ := s.Item(key)
			for f, v := range scalars {
				if it.Scalars[f] != v {
					rt.Errorf("%s: %s is %q, want %q", what, f, it.Scalars[f], v)
				}
			}
			for f := range want {
				var got []string
				for _, x := range it.Tags[f] {
					got = append(got, element(plex.Tag{Name: x.Name, Role: x.Role, Thumb: x.Thumb}))
				}
				slices.Sort(got)
				if !slices.Equal(got, want[f]) {
					rt.Errorf("%s: %s is %q, want %q", what, f, got, want[f])
				}
			}
			if got := slices.Sorted(slices.Values(it.Locks)); !slices.Equal(got, slices.Sorted(slices.Values(e.Lock))) {
				rt.Errorf("%s: locks %v, want %v", what, got, e.Lock)
			}
		}
		// Whatever it takes, the item never has less of what it had and keeps.
		way.after = func() {
			it, _ := s.Item(key)
			for f, had := range before {
				for _, x := range had {
					if slices.ContainsFunc(want[f], func(e string) bool { return strings.HasPrefix(e, x.Name+"|") }) &&
						!slices.ContainsFunc(it.Tags[f], func(now simplex.Tag) bool { return now.Name == x.Name }) {
						rt.Errorf("%s lost %q", f, x.Name)
					}
				}
			}
		}
		chunked := c.Chunked("1", key, e)
		for _, round := range []string{"first", "again"} {
			way.writes = 0
			n, err := c.Edit(t.Context(), "1", key, e)
			if err != nil {
				rt.Fatal(err)
			}
			if n != way.writes {
				rt.Errorf("%d writes, said %d", way.writes, n)
			}
			if !chunked || c.Habits().Lists == plex.ListsAppend {
				check(round)
			}
		}
		for _, length := range way.urls {
			if length >= limit {
				rt.Errorf("a URL of %d bytes", length)
			}
		}
		switch learnt := c.Habits().Lists; {
		case learnt == plex.ListsAppend && s.Options().ListsReplace:
			rt.Error("a Plex that replaces lists is taken for one that appends")
		case learnt != plex.ListsUnknown && !chunked:
			rt.Errorf("%s was learnt without need", learnt)
		}
	})
}

func TestAURLIsShorterThanItsLimitWhateverIsInIt(t *testing.T) {
	const limit = 200
	longest := 0
	for n := range 130 {
		x := says("")
		c := clientWith(t, plex.Options{URL: base, Transport: x, MaxURL: limit})
		value := strings.Repeat("x", n)
		if _, err := c.Edit(t.Context(), "1", "7", plex.Edit{Scalars: []plex.ScalarEdit{{Field: "title", Value: value}, {Field: "studio"}}}); err != nil {
			t.Fatal(err)
		}
		for _, asked := range x.asked {
			longest = max(longest, len(base)+len(strings.TrimPrefix(asked, "PUT ")))
		}
	}
	equal(t, "the longest URL", longest, limit-1)
}

func TestWhatBelongsTogetherStaysTogether(t *testing.T) {
	tags := func(n int) (all []plex.Tag) {
		for i := range n {
			all = append(all, plex.Tag{Name: fmt.Sprintf("name %02d", i)})
		}
		return all
	}
	names := func(n int) (all []string) {
		for _, tag := range tags(n) {
			all = append(all, tag.Name)
		}
		return all
	}
	const limit = 1000
	for _, test := range []struct {
		name    string
		edit    plex.Edit
		chunked bool
		// puts are the kinds of parameters in each request, in order.
		puts []string
	}{
		{"all of it fits", plex.Edit{Scalars: []plex.ScalarEdit{{Field: "title", Value: "A"}}, Lists: []plex.ListEdit{{Field: "genre", Full: tags(3), Remove: []string{"x"}}},
			Lock: []string{"art", "genre", "title"}}, false,
			[]string{"title.value title.locked genre[] genre- genre.locked art.locked"}},
		{"a list that fits alone", plex.Edit{Scalars: []plex.ScalarEdit{{Field: "summary", Value: strings.Repeat("s", 500)}},
			Lists: []plex.ListEdit{{Field: "genre", Full: tags(15), Remove: []string{"x"}}}, Lock: []string{"summary", "genre", "art"}}, false,
			[]string{"summary.value summary.locked", "genre[] genre- genre.locked art.locked"}},
		{"two lists that each fit alone", plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Full: tags(20)}, {Field: "label", Full: tags(20)}}}, false,
			[]string{"genre[]", "label[]"}},
		{"removals that do not fit beside the list", plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Full: tags(20), Remove: names(30)}}, Lock: []string{"genre"}}, false,
			[]string{"genre[]", "genre- genre.locked"}},
		{"removals that do not fit into one request", plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Remove: names(90)}}}, false,
			[]string{"genre-", "genre-"}},
		{"a list that does not fit", plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Full: tags(60)}}, Lock: []string{"genre"}}, true,
			[]string{"genre[]", "genre[]", "genre[] genre.locked"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := says("")
			c := clientWith(t, plex.Options{URL: base, Transport: x, MaxURL: limit})
			c.SetHabits(plex.Habits{Lists: plex.ListsAppend})
			n, err := c.Edit(t.Context(), "1", "7", test.edit)
			if err != nil {
				t.Fatal(err)
			}
			var puts []string
			for _, asked := range x.asked {
				_, query, _ := strings.Cut(asked, "?type=1&id=7&")
				var kinds []string
				for p := range strings.SplitSeq(query, "&") {
					kind, _, _ := strings.Cut(p, "=")
					if field, rest, ok := strings.Cut(kind, "%5B"); ok {
						kind = field + "[]"
						if strings.HasPrefix(rest, "%5D") {
							kind = field + "-"
						} else if slices.Contains(kinds, kind) {
							continue
						}
					}
					kinds = append(kinds, kind)
				}
				puts = append(puts, strings.Join(kinds, " "))
			}
			equal(t, "requests", puts, test.puts)
			equal(t, "number", n, len(test.puts))
			equal(t, "chunked", c.Chunked("1", "7", test.edit), test.chunked)
			first := x.asked
			x.asked = nil
			if _, err := c.Edit(t.Context(), "1", "7", test.edit); err != nil {
				t.Fatal(err)
			}
			equal(t, "the same edit again", x.asked, first)
		})
	}
}

func TestAnEditStopsAtTheFirstFailure(t *testing.T) {
	s, _ := simulated(t, simplex.Options{})
	c := clientWith(t, plex.Options{URL: base, Transport: s.Transport(), MaxURL: 200})
	key := s.AddItem("1", simplex.ItemSpec{Title: "A"})
	s.Script(simplex.Rule{Nth: 2, Status: 400})
	long := strings.Repeat("x", 80)
	n, err := c.Edit(t.Context(), "1", key, plex.Edit{Scalars: []plex.ScalarEdit{{Field: "title", Value: long}, {Field: "summary", Value: long}, {Field: "tagline", Value: long}}})
	equal(t, "status", failure(t, err).Status, 400)
	equal(t, "requests", n, 2)
	equal(t, "writes", s.Counts().Writes, 2)
}

func TestNoURLIsLongerThanPlexTakes(t *testing.T) {
	long := base + "/" + strings.Repeat("x", 500-len(base)-1)
	if _, err := plex.New(plex.Options{URL: long + "x"}); err == nil || !strings.Contains(err.Error(), "plexUrl") {
		t.Errorf("an address of 501 bytes: %v", err)
	}
	for _, limit := range []int{0, plex.MaxURL, 24_000} {
		x := says("")
		c := clientWith(t, plex.Options{URL: long, Transport: x, MaxURL: limit})
		c.SetHabits(plex.Habits{Lists: plex.ListsAppend})
		e := plex.Edit{Scalars: []plex.ScalarEdit{{Field: "summary", Value: strings.Repeat("x", 7000)}}}
		l := plex.ListEdit{Field: "genre"}
		for i := range 1500 {
			l.Full = append(l.Full, plex.Tag{Name: fmt.Sprintf("Tag number %04d", i)})
			l.Remove = append(l.Remove, fmt.Sprintf("Old, %04d", i))
		}
		e.Lists = []plex.ListEdit{l}
		for _, edit := range []func(context.Context, string, string, plex.Edit) (int, error){c.Edit, c.EditLong} {
			if _, err := edit(t.Context(), "123456789", "1234567890123", e); err != nil {
				t.Fatal(err)
			}
		}
		for _, asked := range x.asked {
			if n := len(base) + len(strings.TrimPrefix(asked, "PUT ")); n >= plex.MaxURL || len(asked)+len(" HTTP/1.1") > 8192 {
				t.Errorf("a URL of %d bytes", n)
			}
		}
	}
}

func TestWhatFitsIntoNoRequestIsNotWritten(t *testing.T) {
	for name, test := range map[string]struct {
		edit plex.Edit
		says string
	}{
		"a value":    {plex.Edit{Scalars: []plex.ScalarEdit{{Field: "title", Value: "A"}, {Field: "summary", Value: strings.Repeat("港", 900)}}}, "summary takes 8115 bytes"},
		"an element": {plex.Edit{Lists: []plex.ListEdit{{Field: "actor", Full: []plex.Tag{{Name: "A", Thumb: "http://" + strings.Repeat("x", 8000)}}}}}, "an element of actor takes"},
		"a removal":  {plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Remove: []string{strings.Repeat(",", 2000)}}}}, "a removal from genre takes"},
	} {
		x := says("")
		_, err := client(t, base, x).Edit(t.Context(), "1", "7", test.edit)
		e := failure(t, err)
		if e.Class != job.ClassRejected || e.Op != "edit item 7" || !strings.Contains(err.Error(), test.says) || len(x.asked) != 0 {
			t.Errorf("%s: %s %v after %d requests", name, e.Class, err, len(x.asked))
		}
	}
}

func TestAnEmptyRatingTakesTheStarsOff(t *testing.T) {
	s, c := simulated(t, simplex.Options{})
	key := s.AddItem("1", simplex.ItemSpec{Title: "A", Scalars: map[string]string{"userRating": "7.5"}})
	if n, err := c.Edit(t.Context(), "1", key, plex.Edit{Scalars: []plex.ScalarEdit{{Field: "userRating"}}}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	it, _ := s.Item(key)
	equal(t, "rating", it.Scalars["userRating"], "")
}
