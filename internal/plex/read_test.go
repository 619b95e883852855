package plex_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
)

// listed walks a listing and returns the keys in the order in which they came,
// repeated ones once, and the number of requests.
func listed(t *testing.T, c *plex.Client, since time.Time) (keys []string, n int, err error) {
	t.Helper()
	n, err = c.List(t.Context(), "1", since, func(parts []plex.Part) error {
		for _, p := range parts {
			if !slices.Contains(keys, p.Key) {
				keys = append(keys, p.Key)
			}
		}
		return nil
	})
	return keys, n, err
}

func keys(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

// movies is a listing's answer: the items with these keys, with more members.
func movies(keys []string, more string) string {
	items := make([]string, len(keys))
	for i, k := range keys {
		items[i] = `{"ratingKey":"` + k + `","Media":[{"Part":[{"file":"/media/` + k + `.mp4"}]}]}`
	}
	return `{"MediaContainer":{` + more + `"Metadata":[` + strings.Join(items, ",") + `]}}`
}

func startOf(r *http.Request) int {
	start, _ := strconv.Atoi(r.Header.Get("X-Plex-Container-Start"))
	return start
}

func TestAListingGoesByWhatPlexReturns(t *testing.T) {
	all := keys(1, 2501)
	window := func(from, size int) []string {
		from = min(from, len(all))
		return all[from:min(from+size, len(all))]
	}
	for _, test := range []struct {
		name     string
		answer   func(h http.Header, start int) string
		requests int
	}{
		{"as asked", func(_ http.Header, start int) string {
			return movies(window(start, 1000), fmt.Sprintf(`"offset":%d,"totalSize":2500,`, start))
		}, 3},
		{"numbers as strings", func(_ http.Header, start int) string {
			return movies(window(start, 1000), fmt.Sprintf(`"offset":"%d","totalSize":"2500",`, start))
		}, 3},
		{"told in headers only", func(h http.Header, start int) string {
			h.Set("X-Plex-Container-Start", strconv.Itoa(start))
			h.Set("X-Plex-Container-Total-Size", "2500")
			return movies(window(start, 1000), "")
		}, 3},
		{"told at the end", func(_ http.Header, start int) string {
			return strings.TrimSuffix(movies(window(start, 1000), ""), "}}") + fmt.Sprintf(`,"offset":%d,"totalSize":2500}}`, start)
		}, 3},
		{"fewer", func(_ http.Header, start int) string {
			return movies(window(start, 300), fmt.Sprintf(`"offset":%d,"totalSize":2500,`, start))
		}, 9},
		{"more", func(_ http.Header, start int) string {
			return movies(window(start, 2000), fmt.Sprintf(`"offset":%d,"totalSize":2500,`, start))
		}, 2},
		{"from earlier than asked", func(_ http.Header, start int) string {
			offset := max(0, start-7)
			return movies(window(offset, 1000), fmt.Sprintf(`"offset":%d,"totalSize":2500,`, offset))
		}, 3},
		{"without a total", func(_ http.Header, start int) string {
			return movies(window(start, 1000), fmt.Sprintf(`"offset":%d,`, start))
		}, 4},
		{"without an offset", func(_ http.Header, start int) string {
			return movies(window(start, 1000), `"totalSize":2500,`)
		}, 3},
		{"without a word", func(_ http.Header, start int) string { return movies(window(start, 1000), "") }, 4},
		{"fewer without a word", func(_ http.Header, start int) string { return movies(window(start, 999), "") }, 4},
		{"all at once", func(http.Header, int) string { return movies(all, "") }, 1},
		{"all at once with the total", func(http.Header, int) string { return movies(all, `"totalSize":2500,`) }, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := &wire{answer: func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, test.answer(w.Header(), startOf(r)))
			}}
			got, n, err := listed(t, client(t, base, x), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "number", n, len(all))
			equal(t, "keys", got, all)
			equal(t, "requests", len(x.asked), test.requests)
			for _, h := range x.header {
				equal(t, "size", h.Get("X-Plex-Container-Size"), "1000")
			}
		})
	}
}

func TestASmallLibraryWithoutPagesIsListedOnce(t *testing.T) {
	for _, n := range []int{0, 1, 999, 1000} {
		all := keys(1, n+1)
		x := says(movies(all, ""))
		got, m, err := listed(t, client(t, base, x), time.Time{})
		if err != nil || m != n || len(got) != n {
			t.Errorf("%d items: got %d, %d, %v", n, len(got), m, err)
		}
	}
}

func TestAListingThatGoesNowhereEnds(t *testing.T) {
	for _, test := range []struct {
		name     string
		answer   func(start int) string
		problem  string
		requests int
	}{
		{"always the first page", func(int) string { return movies(keys(1, 1001), `"offset":0,"totalSize":3000,`) },
			"Plex returns the same items again after 1000 of 3000", 2},
		{"always the first page, as if it were the right one",
			func(start int) string {
				return movies(keys(1, 1001), fmt.Sprintf(`"offset":%d,"totalSize":3000,`, start))
			}, "Plex returns the same items again after 1000 of 3000", 2},
		{"other items at the same place", func(start int) string { return movies(keys(start+1, start+11), `"offset":0,`) },
			"Plex returns the same items again after 10", 2},
		{"nothing", func(int) string { return movies(nil, `"offset":0,"totalSize":3000,`) },
			"Plex returns 0 of 3000 items and then no more", 1},
		{"nothing after a page", func(start int) string {
			if start > 0 {
				return movies(nil, fmt.Sprintf(`"offset":%d,"totalSize":3000,`, start))
			}
			return movies(keys(1, 11), `"offset":0,"totalSize":3000,`)
		}, "Plex returns 10 of 3000 items and then no more", 2},
		{"a gap", func(start int) string {
			return movies(keys(start+1, start+11), fmt.Sprintf(`"offset":%d,"totalSize":3000,`, start*2))
		}, "Plex leaves out items 10 to 20", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := &wire{answer: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, test.answer(startOf(r))) }}
			_, _, err := listed(t, client(t, base, x), time.Time{})
			equal(t, "failure", tell(failure(t, err)), told{job.ClassBusy, 0, 0, "", test.problem})
			equal(t, "requests", len(x.asked), test.requests)
		})
	}
}

func TestAListingThatPromisesMoreForEverEnds(t *testing.T) {
	for name, more := range map[string]func(start int) string{
		"by its total":    func(start int) string { return fmt.Sprintf(`"offset":%d,"totalSize":%d,`, start, start+2) },
		"without a total": func(start int) string { return fmt.Sprintf(`"offset":%d,`, start) },
		"without a word":  func(int) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			c := client(t, base, &wire{answer: func(w http.ResponseWriter, r *http.Request) {
				requests++
				start := startOf(r)
				io.WriteString(w, movies(keys(start+1, start+2), more(start)))
			}})
			n, err := c.List(t.Context(), "1", time.Time{}, func([]plex.Part) error { return nil })
			equal(t, "failure", tell(failure(t, err)), told{job.ClassBusy, 0, 0, "", "the listing does not end: 555 requests returned 555 items"})
			equal(t, "number", n, 555)
			equal(t, "requests", requests, 555)
		})
	}
}

func TestItemsThatAreRemovedMeanwhileHideNoOthers(t *testing.T) {
	all := keys(1, 2501)
	x := &wire{}
	x.answer = func(w http.ResponseWriter, r *http.Request) {
		switch len(x.asked) {
		case 2, 4: // the first hundred, and again
			all = all[100:]
		}
		start := min(startOf(r), len(all))
		io.WriteString(w, movies(all[start:min(start+1000, len(all))], fmt.Sprintf(`"offset":%d,"totalSize":%d,`, start, len(all))))
	}
	got, n, err := listed(t, client(t, base, x), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "number", n, 2300)
	for _, k := range all {
		if !slices.Contains(got, k) {
			t.Errorf("item %s was not listed", k)
		}
	}
}

func TestATotalThatFluttersKeepsNobodyWalking(t *testing.T) {
	all := keys(1, 101)
	x := &wire{}
	x.answer = func(w http.ResponseWriter, r *http.Request) {
		start := min(startOf(r), len(all))
		io.WriteString(w, movies(all[start:min(start+1, len(all))], fmt.Sprintf(`"offset":%d,"totalSize":%d,`, start, 100+len(x.asked)%2*50)))
	}
	got, _, err := listed(t, client(t, base, x), time.Time{})
	if err != nil || len(x.asked) > 200 {
		t.Errorf("%v after %d requests", err, len(x.asked))
	}
	equal(t, "keys", got, all)
}

func TestAListingOfASimulatedPlex(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for name, set := range map[string]func(*simplex.Options){
		"as it is":           func(*simplex.Options) {},
		"small pages":        func(o *simplex.Options) { o.MaxPage = 2 },
		"no paging":          func(o *simplex.Options) { o.IgnorePaging = true },
		"no filters":         func(o *simplex.Options) { o.IgnoreFilters = true },
		"excludes honoured":  func(o *simplex.Options) { o.HonourExcludes = true },
		"numbers as strings": func(o *simplex.Options) { o.NumbersAsStrings = true },
	} {
		t.Run(name, func(t *testing.T) {
			at := now
			s, c := simulated(t, simplex.Options{Now: func() time.Time { return at }})
			s.Set(set)
			var want []plex.Part
			for i := range 5 {
				at = now.Add(time.Duration(i) * time.Hour)
				file := fmt.Sprintf("/media/%d.mp4", i)
				spec := simplex.ItemSpec{Title: fmt.Sprintf("Title %d", 9-i), Parts: []simplex.PartSpec{
					{File: file, Size: 5 << 40, Duration: 61500 * time.Millisecond}, {File: file + ".mkv", Size: 7}}}
				key := s.AddItem("1", spec)
				it, _ := s.Item(key)
				for j, p := range spec.Parts {
					want = append(want, plex.Part{Key: key, Section: "1", Index: j, Path: p.File, Size: p.Size, Duration: p.Duration,
						Thumb: it.Thumb, UpdatedAt: at.Unix()})
				}
			}
			var got []plex.Part
			collect := func(parts []plex.Part) error {
				for _, p := range parts {
					if !slices.Contains(got, p) {
						got = append(got, p)
					}
				}
				return nil
			}
			n, err := c.List(t.Context(), "1", time.Time{}, collect)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "items", n, 5)
			equal(t, "parts", got, want)

			got = nil
			if _, err := c.List(t.Context(), "1", at, collect); err != nil {
				t.Fatal(err)
			}
			if s.Options().IgnoreFilters {
				equal(t, "all parts", got, want)
			} else {
				equal(t, "new parts", got, want[8:])
			}
		})
	}
}

func TestAListingIsHandedOnInPortions(t *testing.T) {
	x := says(movies(keys(1, 2501), ""))
	var portions []int
	n, err := client(t, base, x).List(t.Context(), "1", time.Time{}, func(parts []plex.Part) error {
		portions = append(portions, len(parts))
		return nil
	})
	if err != nil || n != 2500 {
		t.Fatal(n, err)
	}
	equal(t, "portions", portions, []int{1000, 1000, 500})
}

func TestAListingStopsWhenItsReaderFails(t *testing.T) {
	x := says(movies(keys(1, 2501), ""))
	full := errors.New("the disk is full")
	calls := 0
	_, err := client(t, base, x).List(t.Context(), "1", time.Time{}, func([]plex.Part) error {
		calls++
		return full
	})
	if err != full || calls != 1 || len(x.asked) != 1 {
		t.Errorf("error %v after %d calls and %d requests", err, calls, len(x.asked))
	}
}

func TestAListingThatIsCutIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := simulated(t, simplex.Options{MaxPage: 3})
		var want []string
		for i := range 10 {
			want = append(want, s.AddItem("1", simplex.ItemSpec{Parts: []simplex.PartSpec{{File: fmt.Sprintf("/media/%d.mp4", i)}}}))
		}
		s.Script(simplex.Rule{Cut: true, Nth: 2}, simplex.Rule{Nth: 4, ResetBefore: true}, simplex.Rule{Nth: 5, Garble: true})
		got, n, err := listed(t, c, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "keys", got, want)
		equal(t, "number", n, 10)
		equal(t, "requests", s.Counts().Reads, 7)
		equal(t, "faults left", s.ScriptLeft(), 0)
	})
}

func TestAnItemInFullDetail(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for name, set := range map[string]func(*simplex.Options){
		"as it is":           func(*simplex.Options) {},
		"numbers as strings": func(o *simplex.Options) { o.NumbersAsStrings = true },
	} {
		t.Run(name, func(t *testing.T) {
			s, c := simulated(t, simplex.Options{Now: func() time.Time { return now }})
			s.Set(set)
			plain := s.AddItem("1", simplex.ItemSpec{Title: "Plain"})
			key := s.AddItem("1", simplex.ItemSpec{Title: "A", Parts: []simplex.PartSpec{{File: "/media/a.mp4", Size: 7, Duration: time.Second}}})
			s.EditByPerson(key, simplex.Values{
				Scalars: map[string]string{"title": "Harbour at night", "titleSort": "Harbour", "originalTitle": "港", "originallyAvailableAt": "2024-02-29",
					"summary": "Line one\nLine “two”", "tagline": "T", "studio": "Studio One", "contentRating": "R", "userRating": "7.5"},
				Tags: map[string][]simplex.Tag{"genre": {{Name: "Tide"}, {Name: "Ebb"}, {Name: "Sea"}},
					"actor":    {{Name: "Jane Doe", Role: "Herself", Thumb: "http://stash.test/1"}, {Name: "John Doe"}},
					"director": {{Name: "D"}, {Name: "E"}}, "collection": {{Name: "C"}}, "label": {{Name: "L"}}},
			})
			got := must(c.Items(t.Context(), []string{key, "999999", plain}))(t)
			truth, _ := s.Item(key)
			truth2, _ := s.Item(plain)
			none := []plex.Tag{}
			locked := map[string]bool{}
			for _, f := range []string{"title", "titleSort", "originalTitle", "originallyAvailableAt", "summary", "tagline", "studio",
				"contentRating", "genre", "actor", "director", "collection", "label"} {
				locked[f] = true
			}
			equal(t, "items", got, []plex.Item{
				{Key: plain, Section: "1", Title: "Plain", Thumb: truth2.Thumb, Art: truth2.Art, UpdatedAt: now.Unix(),
					Scalars: map[string]string{"title": "Plain", "titleSort": "Plain", "originalTitle": "", "originallyAvailableAt": "",
						"summary": "", "tagline": "", "studio": "", "contentRating": "", "userRating": ""},
					Lists:  map[string][]plex.Tag{"genre": none, "actor": none, "director": none, "collection": none, "label": none},
					Locked: map[string]bool{}},
				{Key: key, Section: "1", Title: "Harbour at night", Thumb: truth.Thumb, Art: truth.Art, UpdatedAt: now.Unix(),
					Scalars: map[string]string{"title": "Harbour at night", "titleSort": "Harbour", "originalTitle": "港", "originallyAvailableAt": "2024-02-29",
						"summary": "Line one\nLine “two”", "tagline": "T", "studio": "Studio One", "contentRating": "R", "userRating": "7.5"},
					Lists: map[string][]plex.Tag{"genre": {{Name: "Tide"}, {Name: "Ebb"}, {Name: "Sea"}},
						"actor":    {{Name: "Jane Doe", Role: "Herself", Thumb: "http://stash.test/1"}, {Name: "John Doe"}},
						"director": {{Name: "D"}, {Name: "E"}}, "collection": {{Name: "C"}}, "label": {{Name: "L"}}},
					Locked: locked,
					Parts: []plex.Part{{Key: key, Section: "1", Path: "/media/a.mp4", Size: 7, Duration: time.Second,
						Thumb: truth.Thumb, UpdatedAt: now.Unix()}}},
			})
		})
	}
}

func TestItemsAreReadInLots(t *testing.T) {
	s, c := simulated(t, simplex.Options{})
	var all []string
	for range 250 {
		all = append(all, s.AddItem("1", simplex.ItemSpec{Title: "A"}))
	}
	equal(t, "items", len(must(c.Items(t.Context(), all))(t)), 250)
	equal(t, "requests", s.Counts().Reads, 3)

	s.ResetCounts()
	short := clientWith(t, plex.Options{URL: base, Transport: s.Transport(), MaxURL: 100})
	equal(t, "items", len(must(short.Items(t.Context(), all))(t)), 250)
	for _, r := range s.Requests() {
		if n := len(base) + r.URLBytes; n >= 100 {
			t.Errorf("a URL of %d bytes", n)
		}
	}
}

func TestItemsThatPlexLacksAreLeftOut(t *testing.T) {
	s, c := simulated(t, simplex.Options{})
	key := s.AddItem("1", simplex.ItemSpec{Title: "A"})
	equal(t, "none of them", len(must(c.Items(t.Context(), []string{"8", "9"}))(t)), 0)
	equal(t, "one of them", len(must(c.Items(t.Context(), []string{"8", key}))(t)), 1)
}

func TestItemsFailAsAWhole(t *testing.T) {
	s, c := simulated(t, simplex.Options{})
	var all []string
	for range 101 {
		all = append(all, s.AddItem("1", simplex.ItemSpec{Title: "A"}))
	}
	s.Script(simplex.Rule{Nth: 2, Status: 503})
	got, err := c.Items(t.Context(), all)
	if e := failure(t, err); got != nil || e.Class != job.ClassUnreachable || e.Op != "read item "+all[100] {
		t.Errorf("%d items, %v", len(got), err)
	}
}

func TestLenientJSON(t *testing.T) {
	part := func(key, path string) plex.Part { return plex.Part{Key: key, Section: "1", Path: path} }
	for _, test := range []struct {
		name, body string
		want       []plex.Part
	}{
		{"a key that is a number", `{"MediaContainer":{"Metadata":[{"ratingKey":7,"Media":[{"Part":[{"file":"/a"}]}]}]}}`, []plex.Part{part("7", "/a")}},
		{"one of everything", `{"MediaContainer":{"Metadata":{"ratingKey":"7","Media":{"Part":{"file":"/a","size":"12"}}}}}`,
			[]plex.Part{{Key: "7", Section: "1", Path: "/a", Size: 12}}},
		{"null everywhere", `{"MediaContainer":{"offset":null,"totalSize":null,"Metadata":[{"ratingKey":"7","title":null,"thumb":null,"addedAt":null,"Media":[
			{"duration":null,"Part":null},{"Part":[{"file":"/a","size":null,"duration":null}]}]}]}}`, []plex.Part{part("7", "/a")}},
		{"no items", `{"MediaContainer":{"Metadata":null}}`, nil},
		{"other names in the case of others", `{"mediacontainer":{"metadata":[{"ratingkey":"7","media":[{"part":[{"FILE":"/a"}]}]}]}}`, []plex.Part{part("7", "/a")}},
		{"what nobody asked for", `{"x":[{}],"MediaContainer":{"y":{"z":[1]},"allowSync":"1","Metadata":[{"q":{},"ratingKey":"7","Media":[{"Part":[{"file":"/a"}]}]}],"w":1e3},"v":null}`,
			[]plex.Part{part("7", "/a")}},
		{"a length only at the medium", `{"MediaContainer":{"Metadata":[{"ratingKey":"7","Media":[{"duration":"1500","Part":[{"file":"/a"}]}]}]}}`,
			[]plex.Part{{Key: "7", Section: "1", Path: "/a", Duration: 1500 * time.Millisecond}}},
		{"numbers that are none", `{"MediaContainer":{"totalSize":"many","Metadata":[{"ratingKey":"7","addedAt":"x","updatedAt":{},"Media":[{"Part":[
			{"file":"/a","size":"NaN","duration":-5},{"file":"/b","size":1e300,"duration":9e15}]}]}]}}`,
			[]plex.Part{part("7", "/a"), {Key: "7", Section: "1", Index: 1, Path: "/b", Duration: 9223372036854 * time.Millisecond}}},
		{"a key that is none", `{"MediaContainer":{"Metadata":[{"ratingKey":"../7","Media":[{"Part":[{"file":"/a"}]}]},{"Media":[{"Part":[{"file":"/b"}]}]}]}}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !json.Valid([]byte(test.body)) {
				t.Fatal("the test is not JSON")
			}
			var got []plex.Part
			if _, err := client(t, base, says(test.body)).List(t.Context(), "1", time.Time{}, func(p []plex.Part) error {
				for _, one := range p {
					if !slices.Contains(got, one) {
						got = append(got, one)
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			equal(t, "parts", got, test.want)
		})
	}
	c := client(t, base, says(`{"MediaContainer":{"Directory":{"key":1,"title":2024,"type":"movie","Location":{"path":"/media"}},"version":1}}`))
	equal(t, "libraries", must(c.Sections(t.Context()))(t), []plex.Section{{Key: "1", Title: "2024", Type: "movie", Locations: []string{"/media"}}})
}

func TestTheLibraryOfAnItemMayBeToldOutside(t *testing.T) {
	c := client(t, base, says(`{"MediaContainer":{"Metadata":[{"ratingKey":"7","Media":[{"Part":[{"file":"/a"}]}]},{"ratingKey":"8","librarySectionID":4}],"librarySectionID":3}}`))
	items := must(c.Items(t.Context(), []string{"7", "8"}))(t)
	equal(t, "libraries", []string{items[0].Section, items[0].Parts[0].Section, items[1].Section}, []string{"3", "3", "4"})
}
