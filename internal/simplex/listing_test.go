package simplex_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
)

// threeMovies are Alpha, Beta and Gamma, added at 100, 200 and 300 and changed
// in the reverse order.
func threeMovies(t *testing.T, opt simplex.Options) (*simplex.Server, *client, []string) {
	t.Helper()
	s := simplex.New(opt)
	s.AddSection(simplex.SectionSpec{Title: "Videos"})
	var keys []string
	for i, title := range []string{"Beta", "Gamma", "Alpha"} {
		keys = append(keys, s.AddItem("1", simplex.ItemSpec{Title: title,
			AddedAt: int64(100 * (i + 1)), UpdatedAt: int64(1000 - 100*i),
			Scalars: map[string]string{"studio": "Studio " + title[:1], "originallyAvailableAt": fmt.Sprintf("202%d-05-05", i)},
			Tags: map[string][]simplex.Tag{
				"genre": {{Name: "All"}, {Name: title}, {Name: "Third"}},
				"label": {{Name: "Label " + title}}},
			Locked: []string{"title"}}))
	}
	return s, newClient(t, s), keys
}

func TestSorting(t *testing.T) {
	_, c, _ := threeMovies(t, simplex.Options{})
	for order, want := range map[string]string{
		"":                             "Alpha Beta Gamma",
		"titleSort:desc":               "Gamma Beta Alpha",
		"id":                           "Beta Gamma Alpha",
		"id:desc":                      "Alpha Gamma Beta",
		"addedAt:desc":                 "Alpha Gamma Beta",
		"updatedAt":                    "Alpha Gamma Beta",
		"movie.originallyAvailableAt":  "Beta Gamma Alpha",
		"rating,year:desc":             "Alpha Gamma Beta",
		"nonsense":                     "Beta Gamma Alpha",
		"userRating:desc,titleSort,id": "Alpha Beta Gamma",
	} {
		equal(t, "sort="+order, c.titles("/library/sections/1/all?type=1&sort="+order), want)
	}
}

func TestAnEditedTitleMovesInItsOrder(t *testing.T) {
	_, c, keys := threeMovies(t, simplex.Options{})
	equal(t, "titles", c.titles("/library/sections/1/all"), "Alpha Beta Gamma")
	c.edit(keys[2], "title.value=Zulu")
	equal(t, "titles", c.titles("/library/sections/1/all"), "Beta Gamma Zulu")
}

func TestFilters(t *testing.T) {
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	s, c, keys := threeMovies(t, simplex.Options{Now: func() time.Time { return now }})
	id := map[string]string{}
	for _, field := range []string{"genre", "label"} {
		for _, row := range c.get("/library/sections/1/" + field)["Directory"].([]any) {
			tag := row.(map[string]any)
			id[tag["title"].(string)] = tag["key"].(string)
		}
	}
	s.AddSection(simplex.SectionSpec{Title: "Other"})
	s.AddItem("2", simplex.ItemSpec{Title: "Elsewhere"})
	for filter, want := range map[string]string{
		"addedAt>>=200":                      "Alpha", // strictly after
		"addedAt>>=199":                      "Alpha Gamma",
		"addedAt%3E%3E=199":                  "Alpha Gamma",
		"addedAt%3E%3E%3D=199":               "Alpha Gamma",
		"addedAt>=200":                       "Alpha Gamma",
		"addedAt<<=200":                      "Beta",
		"updatedAt>>=850":                    "Beta Gamma",
		"updatedAt>>=850&addedAt>>=100":      "Gamma",
		"addedAt>>=-3d":                      "",
		"addedAt<<=-3d":                      "Alpha Beta Gamma",
		"originallyAvailableAt>>=2021-01-01": "Alpha Gamma",
		"originallyAvailableAt>>=-5y":        "Alpha",
		"title=a":                            "Alpha Beta Gamma",
		"title=MM":                           "Gamma",
		"title%3D=mm":                        "Gamma",
		"title==Beta":                        "Beta",
		"title%3D%3D=Beta":                   "Beta",
		"title==Bet":                         "",
		"title=%3DBeta":                      "", // contains "=Beta"
		"title<=Be":                          "Beta",
		"title>=MA":                          "Gamma",
		"title!=et":                          "Alpha Gamma",
		"title!==Beta":                       "Alpha Gamma",
		"title=alp,bet":                      "Alpha Beta",
		"studio=studio":                      "Alpha Beta Gamma",
		"year=2020,2022":                     "Alpha Beta",
		"year!=2020":                         "Alpha Gamma",
		"year>>=2020":                        "Alpha Gamma",
		"year<=2021":                         "Beta Gamma",
		"id=" + keys[0] + "," + keys[1]:      "Beta Gamma",
		"genre=" + id["Beta"]:                "Beta",
		"genre=" + id["Beta"] + "," + id["Gamma"]:           "Beta Gamma",
		"genre%26=" + id["All"] + "," + id["Gamma"]:         "Gamma",
		"genre!=" + id["Beta"]:                              "Alpha Gamma",
		"genre=Beta":                                        "", // tags by id, never by name
		"genre=" + id["Label Beta"]:                         "",
		"label=" + id["Label Beta"]:                         "Beta",
		"unmatched=1":                                       "Alpha Beta Gamma",
		"unmatched=0":                                       "",
		"file=%2Fmedia%2Fa.mp4&checkFiles=1&X-Foo=1":        "Alpha Beta Gamma",
		"studio=S&title=Alp&addedAt>>=1&genre=" + id["All"]: "Alpha",
	} {
		equal(t, filter, c.titles("/library/sections/1/all?type=1&"+filter), want)
	}
	s.Set(func(o *simplex.Options) { o.IgnoreFilters = true })
	equal(t, "filters ignored", c.titles("/library/sections/1/all?type=1&addedAt>>=200"), "Alpha Beta Gamma")
}

func TestPages(t *testing.T) {
	type page struct {
		titles              string
		size, offset, total any
		start, totalHeader  string
	}
	for _, test := range []struct {
		name         string
		opt          simplex.Options
		start, size  string
		query        string
		want         page
		wantedStatus int
	}{
		{"everything without a size", simplex.Options{}, "", "", "", page{"Alpha Beta Gamma", 3.0, nil, nil, "", ""}, 200},
		{"a start alone means nothing", simplex.Options{}, "1", "", "", page{"Alpha Beta Gamma", 3.0, nil, nil, "", ""}, 200},
		{"a page", simplex.Options{}, "1", "1", "", page{"Beta", 1.0, 1.0, 3.0, "1", "3"}, 200},
		{"a page by the query", simplex.Options{}, "", "", "&X-Plex-Container-Start=2&X-Plex-Container-Size=5",
			page{"Gamma", 1.0, 2.0, 3.0, "2", "3"}, 200},
		{"a count", simplex.Options{}, "0", "0", "", page{"", 0.0, 0.0, 3.0, "0", "3"}, 200},
		{"past the end", simplex.Options{}, "9", "2", "", page{"", 0.0, 3.0, 3.0, "3", "3"}, 200},
		{"less than asked for", simplex.Options{MaxPage: 2}, "0", "3", "", page{"Alpha Beta", 2.0, 0.0, 3.0, "0", "3"}, 200},
		{"a page that was not asked for", simplex.Options{MaxPage: 2}, "", "", "", page{"Alpha Beta", 2.0, 0.0, 3.0, "0", "3"}, 200},
		{"no pages at all", simplex.Options{IgnorePaging: true}, "1", "1", "", page{"Alpha Beta Gamma", 3.0, nil, nil, "", ""}, 200},
		{"a limit hides the total", simplex.Options{}, "0", "2", "&limit=1", page{"Alpha", 1.0, 0.0, nil, "0", ""}, 200},
		{"a page of what the filters leave", simplex.Options{}, "0", "1", "&addedAt>>=100", page{"Alpha", 1.0, 0.0, 2.0, "0", "2"}, 200},
		{"a start that is no number", simplex.Options{}, "x", "1", "", page{}, 400},
		{"a start below zero", simplex.Options{}, "-1", "1", "", page{}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, c, _ := threeMovies(t, test.opt)
			c = c.with("X-Plex-Container-Start", test.start).with("X-Plex-Container-Size", test.size)
			target := "/library/sections/1/all?type=1" + test.query
			resp, err := c.send("GET", target, nil)
			if err != nil {
				t.Fatal(err)
			}
			if equal(t, "status", resp.StatusCode, test.wantedStatus); resp.StatusCode != 200 {
				return
			}
			body := c.get(target)
			equal(t, "page", page{strings.Join(column(body, "title"), " "), body["size"], body["offset"], body["totalSize"],
				resp.Header.Get("X-Plex-Container-Start"), resp.Header.Get("X-Plex-Container-Total-Size")}, test.want)
		})
	}
}

func TestListingsArePartialAndDetailsAreNot(t *testing.T) {
	s := simplex.New(simplex.Options{Now: func() time.Time { return time.Unix(1700000000, 0) }})
	section := s.AddSection(simplex.SectionSpec{Title: "Videos"})
	tags := func(names ...string) (list []simplex.Tag) {
		for _, n := range names {
			list = append(list, simplex.Tag{Name: n})
		}
		return list
	}
	key := s.AddItem(section, simplex.ItemSpec{
		Parts: []simplex.PartSpec{{File: "/media/a.mp4", Size: 7, Duration: time.Second}}, Title: "One",
		Scalars: map[string]string{"userRating": "8", "summary": "S", "titleSort": "Uno"},
		Tags: map[string][]simplex.Tag{"genre": tags("a", "b", "c"), "actor": tags("1", "2", "3", "4"),
			"director": tags("v", "w", "x", "y"), "label": tags("l"), "collection": tags("k", "m", "n"),
			"writer": tags("1", "2", "3"), "country": tags("1", "2", "3")},
		Locked: []string{"title"}})
	c := newClient(t, s)
	count := func(row map[string]any) map[string]int {
		n := map[string]int{}
		for _, name := range []string{"Genre", "Role", "Director", "Writer", "Country", "Label", "Collection", "Field", "Media"} {
			list, _ := row[name].([]any)
			n[name] = len(list)
		}
		return n
	}
	listed := c.get("/library/sections/1/all?type=1")["Metadata"].([]any)[0].(map[string]any)
	full := c.get("/library/metadata/" + key)["Metadata"].([]any)[0].(map[string]any)
	equal(t, "the listing's lists", count(listed), map[string]int{
		"Genre": 2, "Role": 3, "Director": 3, "Writer": 2, "Country": 2, "Label": 0, "Collection": 2, "Field": 0, "Media": 1})
	equal(t, "the details' lists", count(full), map[string]int{
		"Genre": 3, "Role": 4, "Director": 4, "Writer": 3, "Country": 3, "Label": 1, "Collection": 3, "Field": 1, "Media": 1})
	for name, want := range map[string]any{
		"ratingKey": key, "key": "/library/metadata/" + key, "type": "movie", "title": "One", "titleSort": "Uno",
		"summary": "S", "userRating": 8.0, "addedAt": 1700000000.0, "updatedAt": 1700000000.0, "duration": 1000.0,
		"thumb": "/library/metadata/" + key + "/thumb/1700000000", "guid": "local://" + key, "art": nil, "year": nil,
	} {
		equal(t, name+" in the listing", listed[name], want)
		equal(t, name+" in the details", full[name], want)
	}
	equal(t, "the section of a listed item", listed["librarySectionID"], nil)
	equal(t, "the section in the details", full["librarySectionID"], 1.0)
}

func TestDetailsLeaveOutWhatIsNotThere(t *testing.T) {
	_, c, keys := threeMovies(t, simplex.Options{})
	equal(t, "several", column(c.get("/library/metadata/"+keys[2]+",999,abc,"+keys[0]+","+keys[2]), "ratingKey"),
		[]string{keys[0], keys[2]})
	status, body := c.do("GET", "/library/metadata/998,999", nil)
	equal(t, "status", status, 404)
	equal(t, "body", body, "<html><head><title>Not Found</title></head><body><h1>404 Not Found</h1></body></html>")
}

func TestScansFindWhatIsOnDisk(t *testing.T) {
	now := time.Unix(1000, 0)
	s := simplex.New(simplex.Options{Now: func() time.Time { return now }, ScanTime: time.Minute})
	s.AddSection(simplex.SectionSpec{Title: "Videos", Locations: []string{"/media", `D:\v`}})
	c := newClient(t, s)
	for _, file := range []string{"/media/new/a.mp4", "/media/newer/b.mp4", `D:\v\c.mp4`, "/elsewhere/d.mp4"} {
		s.AddOnDisk("1", simplex.ItemSpec{Parts: []simplex.PartSpec{{File: file, Size: 1}}})
	}
	refreshing := func() any {
		return c.get("/library/sections")["Directory"].([]any)[0].(map[string]any)["refreshing"]
	}
	c.do("GET", "/library/sections/1/refresh?path="+q("/media/new"), nil)
	equal(t, "found while it runs", s.Items(), 0)
	equal(t, "refreshing", refreshing(), true)
	equal(t, "activity", c.get("/activities")["Activity"].([]any)[0].(map[string]any)["type"], "library.update.section")
	now = now.Add(time.Minute)
	equal(t, "found", c.titles("/library/sections/1/all"), "a")
	equal(t, "refreshing", refreshing(), false)
	equal(t, "activities", c.get("/activities")["size"], 0.0)
	equal(t, "added at", s.Snapshot()[0].AddedAt, now.Unix())

	s.Set(func(o *simplex.Options) { o.ScanTime = 0 })
	c.do("GET", "/library/sections/1/refresh?path="+q("/media/new"), nil)
	c.do("POST", "/library/sections/1/refresh?path="+q(`D:\v\`), nil)
	equal(t, "found", c.titles("/library/sections/1/all"), "a c")
	c.do("GET", "/library/sections/1/refresh", nil)
	c.do("PUT", "/library/metadata/"+s.Snapshot()[0].Key+"/refresh", nil) // no scan
	equal(t, "found", c.titles("/library/sections/1/all"), "a b c")
	equal(t, "scans", s.Scans(), map[string]int{"/media/new": 2, `D:\v\`: 1, "": 1})
	equal(t, "status", func() int { n, _ := c.do("GET", "/library/sections/9/refresh?path=x", nil); return n }(), 404)
}

func TestABigLibraryIsCheap(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves it out: it measures a library of 100,000 items")
	}
	s := simplex.New(simplex.Options{})
	s.AddSection(simplex.SectionSpec{Title: "Videos"})
	const n = 100_000
	for i := range n {
		s.AddItem("1", simplex.ItemSpec{Parts: []simplex.PartSpec{{File: fmt.Sprintf("/media/%06d.mp4", i), Size: int64(i)}}})
	}
	c := newClient(t, s)
	bytes := testing.AllocsPerRun(1, func() {
		page := c.get("/library/sections/1/all?type=1&sort=id&X-Plex-Container-Start=99990&X-Plex-Container-Size=100")
		equal(t, "size", page["size"], 10.0)
		equal(t, "total", page["totalSize"], float64(n))
	})
	if bytes > 10_000 {
		t.Errorf("a page of 10 of %d items took %.0f allocations", n, bytes)
	}
}
