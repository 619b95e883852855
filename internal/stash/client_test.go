package stash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

const (
	cookieSecret = "SECRET-cookie-4711"
	freshSecret  = "SECRET-fresh-4712"
	keySecret    = "SECRET-key-4713"
)

// fake is a Stash made of one function. Each GraphQL request must fit Stash's
// schema.
type fake struct {
	*testing.T
	answer func(w http.ResponseWriter, r *http.Request, body string)
	asked  []string // the bodies so far; a GET's is its URL
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
		if err := conforms(sent); err != nil {
			f.Errorf("Stash would refuse %s: %v", sent, err)
		}
	} else {
		sent = []byte(r.URL.String())
	}
	f.asked = append(f.asked, string(sent))
	w := httptest.NewRecorder()
	f.answer(w, r, string(sent))
	return w.Result(), nil
}

// dial makes a client of a fake Stash.
func dial(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, body string)) (*Client, *fake) {
	t.Helper()
	f := &fake{T: t, answer: answer}
	c, err := New(Options{URL: "http://127.0.0.1:9999/", CookieName: "session", CookieValue: cookieSecret, Transport: f})
	if err != nil {
		t.Fatal(err)
	}
	return c, f
}

// always answers the same.
func always(status int, body string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// sceneJSON is a scene without anything, as Stash writes it.
func sceneJSON(id int64) string {
	return fmt.Sprintf(`{"id":"%d","title":"","code":"","details":"","director":"","date":null,"rating100":null,"organized":false,
		"updated_at":"2026-01-02T03:04:05Z","files":[],"paths":{"screenshot":"http://h/scene/%[1]d/screenshot"},"studio":null,"performers":[],"tags":[],"groups":[]}`, id)
}

func wantScene(id int64) Scene {
	return Scene{ID: id, UpdatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), ScreenshotURL: fmt.Sprintf("http://h/scene/%d/screenshot", id)}
}

func idsIn(t testing.TB, body string) []int64 {
	t.Helper()
	var in struct {
		Variables struct{ IDs []int64 }
	}
	if err := json.Unmarshal([]byte(body), &in); err != nil {
		t.Fatal(err)
	}
	return in.Variables.IDs
}

func TestASceneIsReadAsARealStashWritesIt(t *testing.T) {
	recorded, err := os.ReadFile("testdata/scene.json")
	if err != nil {
		t.Fatal(err)
	}
	c, _ := dial(t, always(200, string(recorded)))
	found, missing, err := c.Scenes(t.Context(), []int64{20})
	if err != nil || missing != nil {
		t.Fatal(missing, err)
	}
	rating := 85
	want := []Scene{{
		ID: 20, Title: "Full Title", Code: "ABC-123", Details: "Some details\nline 2", Director: "Dir", Date: "2021-02-03",
		Rating100: &rating, Organized: true, StashIDs: 1, UpdatedAt: time.Date(2026, 11, 23, 13, 16, 23, 0, time.UTC),
		Files: []File{
			{Path: "/media/dupes/dir1/identical.mp4", Size: 9908, Duration: time.Second, Width: 160, Height: 90},
			{Path: "/media/dupes/dir2/identical copy.mp4", Size: 9908, Duration: time.Second, Width: 160, Height: 90},
		},
		Studio: &Studio{ID: 2, Name: "Child Studio Renamed", Parent: &Studio{ID: 1, Name: "Parent Studio"}},
		Performers: []Performer{
			{ID: 1, Name: "Jane Renamed", Disambiguation: "actor", ImagePath: "http://127.0.0.1:9999/performer/1/image?t=1795439772"},
			{ID: 2, Name: "John Roe"},
		},
		Tags:          []Named{{2, "Tag One Renamed"}, {3, "Tag Two"}},
		Groups:        []Named{{1, "Group Renamed"}},
		ScreenshotURL: "http://127.0.0.1:9999/scene/20/screenshot?t=1795439783",
	}}
	if !reflect.DeepEqual(found, want) {
		t.Errorf("got  %+v\nwant %+v", found, want)
	}
}

func TestScenesAreAskedForByTheHundredAndOnceEach(t *testing.T) {
	c, f := dial(t, func(w http.ResponseWriter, _ *http.Request, body string) {
		var all []string
		for _, id := range idsIn(t, body) {
			all = append([]string{sceneJSON(id)}, all...) // in another order
		}
		fmt.Fprintf(w, `{"data":{"findScenes":{"scenes":[%s]}}}`, strings.Join(all, ","))
	})
	ids := []int64{250, 250, 1}
	for id := int64(250); id > 0; id-- {
		ids = append(ids, id)
	}
	given := slices.Clone(ids)
	found, missing, err := c.Scenes(t.Context(), ids)
	if err != nil || missing != nil {
		t.Fatal(missing, err)
	}
	for i, s := range found {
		if s.ID != int64(i+1) {
			t.Fatalf("scene %d at place %d", s.ID, i)
		}
	}
	var sizes []int
	for _, body := range f.asked {
		sizes = append(sizes, len(idsIn(t, body)))
	}
	if len(found) != 250 || !slices.Equal(sizes, []int{100, 100, 50}) || !slices.Equal(ids, given) {
		t.Errorf("%d scenes by requests of %v", len(found), sizes)
	}
}

func TestNoIDsNeedNoRequest(t *testing.T) {
	c, f := dial(t, always(500, ""))
	found, missing, err := c.Scenes(t.Context(), nil)
	if found != nil || missing != nil || err != nil || f.asked != nil {
		t.Error(found, missing, err, f.asked)
	}
}

const (
	notFound = `{"errors":[{"message":"scene with id 2 not found","path":["findScenes"]}],"data":null}`
	locked   = `{"errors":[{"message":"database is locked","path":["findScenes"]}],"data":null}`
)

// twice answers the request for all scenes and the one for each.
func twice(together, each string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, body string) {
		if strings.Contains(body, "findScenes") {
			io.WriteString(w, together)
			return
		}
		io.WriteString(w, each)
	}
}

func TestOnlyWhatStashCallsMissingIsMissing(t *testing.T) {
	scenes := func(ids ...int64) (out []Scene) {
		for _, id := range ids {
			out = append(out, wantScene(id))
		}
		return out
	}
	s1, s2, s3 := sceneJSON(1), sceneJSON(2), sceneJSON(3)
	for _, c := range []struct {
		name           string
		together, each string
		found          []Scene // those that cannot be read without the error
		missing        []int64
		err            string // part of it; "" = none
		requests       int
	}{
		{"one is missing", notFound, `{"data":{"s1":` + s1 + `,"s2":null,"s3":` + s3 + `}}`, scenes(1, 3), []int64{2}, "", 2},
		{"all are missing", notFound, `{"data":{"s1":null,"s2":null,"s3":null}}`, nil, []int64{1, 2, 3}, "", 2},
		{"none is missing after all", locked, `{"data":{"s1":` + s1 + `,"s2":` + s2 + `,"s3":` + s3 + `}}`, scenes(1, 2, 3), nil, "", 2},
		{"one cannot be read", locked, `{"data":{"s1":` + s1 + `,"s2":null,"s3":null},"errors":[{"message":"bad date","path":["s2","date"]}]}`, []Scene{wantScene(1), {ID: 2}}, []int64{3}, "", 2},
		{"none can be read", locked, `{"data":{"s1":null,"s2":null,"s3":null},"errors":[{"message":"x","path":["s1"]},{"message":"y","path":["s2"]},{"message":"z","path":["s3"]}]}`, nil, nil, "Stash reports: x", 3},
		{"errors about nothing", locked, `{"data":{"s1":null,"s2":null,"s3":null},"errors":[{"message":"database is locked"}]}`, nil, nil, "Stash reports: database is locked", 3},
		{"errors and half the data", locked, `{"data":{"s1":{"id":7},"s2":"x"},"errors":[{"message":"m","path":["s1"]}]}`, nil, nil, "Stash reports: m", 3},
		{"refused twice", locked, locked, nil, nil, "Stash reports: database is locked", 3},
		{"an answer for others", notFound, `{"data":{"s1":` + s1 + `,"s2":null}}`, nil, nil, "not the expected one", 2},
		{"mixed up", notFound, `{"data":{"s1":` + s2 + `,"s2":null,"s3":null}}`, nil, nil, "not the expected one", 2},
		{"nothing at all", notFound, `{"data":null}`, nil, nil, "not the expected one", 2},
		{"one is left out", `{"data":{"findScenes":{"scenes":[` + s1 + `,` + s3 + `]}}}`, "", nil, nil, "not the expected one", 1},
		{"an empty list", `{"data":{"findScenes":{"scenes":[]}}}`, "", nil, nil, "not the expected one", 1},
		{"null", `{"data":null}`, "", nil, nil, "not the expected one", 1},
		{"no data", `{}`, "", nil, nil, "not the expected one", 1},
		{"half a scene", `{"data":{"findScenes":{"scenes":[` + s1 + `,` + s2 + `,{"id":"3"}]}}}`, "", nil, nil, "not the expected one", 1},
		{"a null scene", `{"data":{"findScenes":{"scenes":[` + s1 + `,` + s2 + `,null]}}}`, "", nil, nil, "not the expected one", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, f := dial(t, twice(c.together, c.each))
			found, missing, err := client.Scenes(t.Context(), []int64{3, 1, 2, 2})
			if c.err == "" && err != nil || c.err != "" && (job.ClassOf(err) != job.ClassStashUnreachable || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			for i, s := range found {
				if s.Err != nil && job.ClassOf(s.Err) != job.ClassUnreadable {
					t.Errorf("scene %d: %v", s.ID, s.Err)
				}
				found[i].Err = nil
			}
			if !reflect.DeepEqual(found, c.found) || !slices.Equal(missing, c.missing) || len(f.asked) != c.requests {
				t.Errorf("found %v, missing %v, %d requests", found, missing, len(f.asked))
			}
		})
	}
}

func TestListingsGoOnAfterTheLastID(t *testing.T) {
	// A Stash of 2,500 scenes, the even ones of studio 5.
	const last = 2500
	answer := func(w http.ResponseWriter, _ *http.Request, body string) {
		var in struct {
			Query     string
			Variables struct {
				Size  int
				Which struct {
					ID      struct{ Value int64 }
					Studios json.RawMessage
				}
			}
		}
		if err := json.Unmarshal([]byte(body), &in); err != nil {
			t.Fatal(err)
		}
		step := int64(1)
		if in.Variables.Which.Studios != nil {
			step = 2
			if s := string(in.Variables.Which.Studios); s != `{"depth":-1,"modifier":"INCLUDES","value":["5"]}` {
				t.Errorf("studios: %s", s)
			}
		}
		var page []string
		for id := in.Variables.Which.ID.Value + 1; id <= last && len(page) < in.Variables.Size; id++ {
			if id%step != 0 {
				continue
			}
			if strings.Contains(in.Query, "...S") {
				page = append(page, sceneJSON(id))
			} else {
				page = append(page, fmt.Sprintf(`{"id":"%d","updated_at":"2026-01-02T03:04:05+01:00"}`, id))
			}
		}
		fmt.Fprintf(w, `{"data":{"findScenes":{"scenes":[%s]}}}`, strings.Join(page, ","))
	}
	for _, l := range []struct {
		name     string
		list     func(c *Client, page func([]int64) error) error
		first, n int64 // the ids are first, first*2 … or first, first+1 …
		step     int64
		pages    []int
		requests int
	}{
		{"all scenes", func(c *Client, page func([]int64) error) error {
			return c.SceneIDs(t.Context(), job.KindLibrary, 0, page)
		}, 1, last, 1, []int{1000, 1000, 500}, 3},
		{"those of a studio", func(c *Client, page func([]int64) error) error {
			return c.SceneIDs(t.Context(), job.KindStudio, 5, page)
		}, 2, last / 2, 2, []int{1000, 250}, 2},
		{"all in full after 500", func(c *Client, page func([]int64) error) error {
			return c.AllScenes(t.Context(), 500, func(all []Scene) error {
				var ids []int64
				for _, s := range all {
					if !reflect.DeepEqual(s, wantScene(s.ID)) {
						t.Errorf("got %+v", s)
					}
					ids = append(ids, s.ID)
				}
				return page(ids)
			})
		}, 501, 2000, 1, slices.Repeat([]int{250}, 8), 9}, // a full last page is known to be the last by an empty one
	} {
		c, f := dial(t, answer)
		var ids []int64
		var pages []int
		err := l.list(c, func(page []int64) error {
			ids, pages = append(ids, page...), append(pages, len(page))
			return nil
		})
		if err != nil || int64(len(ids)) != l.n || !slices.Equal(pages, l.pages) || len(f.asked) != l.requests {
			t.Fatalf("%s: %v, %d ids in pages of %v, %d requests", l.name, err, len(ids), pages, len(f.asked))
		}
		for i, id := range ids {
			if id != l.first+int64(i)*l.step {
				t.Fatalf("%s: id %d at place %d", l.name, id, i)
			}
		}
		stop := errors.New("enough")
		c, f = dial(t, answer)
		if err := l.list(c, func([]int64) error { return stop }); err != stop || len(f.asked) != 1 {
			t.Errorf("%s: a page's error became %v after %d requests", l.name, err, len(f.asked))
		}
	}
}

func TestAListingThatDoesNotAdvanceEnds(t *testing.T) {
	for name, answer := range map[string]string{
		"the same page again": `{"data":{"findScenes":{"scenes":[` + strings.Repeat(`{"id":"1"},`, 999) + `{"id":"1"}]}}}`,
		"no order":            `{"data":{"findScenes":{"scenes":[{"id":"2"},{"id":"1"}]}}}`,
		"no id":               `{"data":{"findScenes":{"scenes":[{}]}}}`,
		"a null scene":        `{"data":{"findScenes":{"scenes":[null]}}}`,
		"a null page":         `{"data":{"findScenes":{"scenes":null}}}`,
		"a null answer":       `{"data":{"findScenes":null}}`,
		"a strange id":        `{"data":{"findScenes":{"scenes":[{"id":"../1"}]}}}`,
		"a negative id":       `{"data":{"findScenes":{"scenes":[{"id":"-1"}]}}}`,
	} {
		c, f := dial(t, always(200, answer))
		err := c.SceneIDs(t.Context(), job.KindTag, 3, func(ids []int64) error {
			t.Errorf("%s: page %v", name, ids)
			return nil
		})
		if job.ClassOf(err) != job.ClassStashUnreachable || len(f.asked) != 1 {
			t.Errorf("%s: %v after %d requests", name, err, len(f.asked))
		}
	}
}

func TestSceneIDsOfNoKindNeedNoRequest(t *testing.T) {
	c, f := dial(t, always(500, ""))
	for _, kind := range []job.Kind{job.KindScene, "gallery", ""} {
		if err := c.SceneIDs(t.Context(), kind, 1, nil); err == nil || f.asked != nil {
			t.Errorf("%q: %v", kind, err)
		}
	}
}

// Stash compares these times as texts, in its own zone: west of Greenwich a scene of
// this minute has the text of hours ago.
func TestRecentScenesAreFoundInEveryTimeZone(t *testing.T) {
	then := time.Date(2026, 3, 1, 12, 0, 0, 900, time.FixedZone("", 3600))
	texts := map[int64]string{
		1: "2026-03-01T10:59:59Z",      // a second too old
		2: "2026-03-01T11:00:00Z",      // just then
		3: "2026-02-28T23:00:00-12:00", // just then, in the farthest west
		4: "2026-03-02T01:00:00+14:00", // just then, in the farthest east
		5: "2026-03-01T12:59:59+02:00", // too old
	}
	c, f := dial(t, func(w http.ResponseWriter, _ *http.Request, body string) {
		var in struct {
			Variables struct {
				Which struct {
					UpdatedAt struct{ Value, Modifier string } `json:"updated_at"`
				}
			}
		}
		if err := json.Unmarshal([]byte(body), &in); err != nil {
			t.Fatal(err)
		}
		var page []string
		for id := range int64(6) {
			if text, ok := texts[id]; ok && text > in.Variables.Which.UpdatedAt.Value {
				page = append(page, fmt.Sprintf(`{"id":"%d","updated_at":%q}`, id, text))
			}
		}
		fmt.Fprintf(w, `{"data":{"findScenes":{"scenes":[%s]}}}`, strings.Join(page, ","))
	})
	var got []int64
	err := c.UpdatedSince(t.Context(), then, func(ids []int64, _ []time.Time) error {
		got = append(got, ids...)
		return nil
	})
	if err != nil || !slices.Equal(got, []int64{2, 3, 4}) || len(f.asked) != 1 {
		t.Errorf("%v, %v, %d requests", got, err, len(f.asked))
	}
	texts = map[int64]string{1: texts[1]}
	if err := c.UpdatedSince(t.Context(), then, func([]int64, []time.Time) error { return errors.New("an empty page") }); err != nil {
		t.Error(err)
	}
}

// TestSubjectsUpdatedSinceSortsOutZones, and what was only created.
func TestSubjectsUpdatedSinceSortsOutZones(t *testing.T) {
	then := time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC)
	c, f := dial(t, func(w http.ResponseWriter, _ *http.Request, body string) {
		if !strings.Contains(body, `"2024-05-05T23:00:00Z"`) {
			t.Errorf("asked %s", body)
		}
		io.WriteString(w, `{"data":{
			"performers":{"of":[{"id":"1","created_at":"2020-01-01T00:00:00Z","updated_at":"2024-05-06T11:59:59Z"},
				{"id":"2","created_at":"2020-01-01T00:00:00Z","updated_at":"2024-05-06T02:00:00-10:00"}]},
			"studios":{"of":[{"id":"3","created_at":"2024-05-06T13:00:00Z","updated_at":"2024-05-06T15:00:00+02:00"}]},
			"tags":{"of":[{"id":"4","created_at":"2024-05-06T13:00:00Z","updated_at":"2024-05-06T13:00:01Z"}]},
			"groups":{"of":[]}}}`)
	})
	got, err := c.SubjectsUpdatedSince(t.Context(), then.Add(300*time.Millisecond))
	var subjects []string
	for _, u := range got {
		subjects = append(subjects, fmt.Sprint(u.Subject, " ", u.At.Unix()-then.Unix()))
	}
	if want := []string{"performer 2 0", "tag 4 3601"}; err != nil || !slices.Equal(subjects, want) || len(f.asked) != 1 {
		t.Errorf("%q, %v, %d requests", subjects, err, len(f.asked))
	}
	for _, answer := range []string{`{}`, `{"performers":{"of":[]},"studios":{"of":[]},"tags":{"of":[]}}`,
		`{"performers":{"of":[]},"studios":{"of":[]},"tags":{"of":[{"id":"-1","created_at":"2024-05-06T13:00:00Z","updated_at":"2024-05-06T13:00:01Z"}]},"groups":{"of":[]}}`} {
		c, _ := dial(t, func(w http.ResponseWriter, _ *http.Request, _ string) { io.WriteString(w, `{"data":`+answer+`}`) })
		if got, err := c.SubjectsUpdatedSince(t.Context(), then); err == nil {
			t.Errorf("%s passes for %v", answer, got)
		}
	}
}

func TestScenesByBasenameTakesOnlyTheWholeName(t *testing.T) {
	file := func(id int, paths ...string) string {
		var files []string
		for _, p := range paths {
			files = append(files, fmt.Sprintf(`{"path":%s,"size":5,"duration":1.5}`, strconv.Quote(p)))
		}
		return fmt.Sprintf(`{"id":"%d","files":[%s]}`, id, strings.Join(files, ","))
	}
	c, f := dial(t, always(200, `{"data":{"findScenes":{"scenes":[`+strings.Join([]string{
		file(1, "/data/1.mp4"), file(2, "/data/11.mp4"), file(3, "/data/1.mp4/other.mp4"), file(4, "/data/x.mp4", `D:\films\1.mp4`),
		file(5), file(6, "/data/1.MP4"), file(7, "1.mp4"),
	}, ",")+`]}}}`))
	found, err := c.ScenesByBasename(t.Context(), "1.mp4")
	f1 := File{Path: "/data/1.mp4", Size: 5, Duration: 1500 * time.Millisecond}
	want := []Scene{
		{ID: 1, Files: []File{f1}},
		{ID: 4, Files: []File{{Path: "/data/x.mp4", Size: 5, Duration: 1500 * time.Millisecond}, {Path: `D:\films\1.mp4`, Size: 5, Duration: 1500 * time.Millisecond}}},
		{ID: 7, Files: []File{{Path: "1.mp4", Size: 5, Duration: 1500 * time.Millisecond}}},
	}
	if err != nil || !reflect.DeepEqual(found, want) || len(f.asked) != 1 || !strings.Contains(f.asked[0], `"\"1.mp4\""`) {
		t.Errorf("%+v, %v, asked %q", found, err, f.asked)
	}
	if found, err := c.ScenesByBasename(t.Context(), ""); found != nil || err != nil || len(f.asked) != 1 {
		t.Errorf("no name: %v, %v", found, err)
	}
}

func TestANameThatManyPathsContainIsLookedForInAllOfThem(t *testing.T) {
	c, f := dial(t, func(w http.ResponseWriter, _ *http.Request, body string) {
		var page []string
		if strings.Contains(body, `"value":1000}`) {
			for id := 1001; id <= 2000; id++ { // all of the name
				page = append(page, fmt.Sprintf(`{"id":"%d","files":[{"path":"/d/%d/1.mp4","size":1,"duration":1}]}`, id, id))
			}
		} else {
			for id := 1; id <= 1000; id++ { // none of it
				page = append(page, fmt.Sprintf(`{"id":"%d","files":[{"path":"/d/%d1.mp4","size":1,"duration":1}]}`, id, id))
			}
		}
		fmt.Fprintf(w, `{"data":{"findScenes":{"scenes":[%s]}}}`, strings.Join(page, ","))
	})
	found, err := c.ScenesByBasename(t.Context(), "1.mp4")
	if err != nil || len(found) != maxNamesakes || found[0].ID != 1001 || len(f.asked) != 2 {
		t.Errorf("%d scenes, %v, %d requests", len(found), err, len(f.asked))
	}
}

func TestStateTellsVersionAndSettings(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		want         State
		fails        bool
	}{
		{"set", `{"data":{"version":{"version":"v0.30.1"},"configuration":{"plugins":{"plexsync":{"plexUrl":"http://p","maxRetries":5,"paused":true}}},"plugins":[{"id":"other","enabled":false},{"id":"plexsync","enabled":true}]}}`,
			State{"v0.30.1", map[string]any{"plexUrl": "http://p", "maxRetries": 5.0, "paused": true}, true}, false},
		{"never set", `{"data":{"version":{"version":"v0.30.1"},"configuration":{"plugins":{}},"plugins":[{"id":"plexsync","enabled":false},{"id":"b","enabled":true}]}}`, State{"v0.30.1", map[string]any{}, false}, false},
		{"null", `{"data":{"version":{"version":null},"configuration":{"plugins":{"plexsync":null}}}}`, State{"", map[string]any{}, false}, false},
		{"half an answer", `{"data":{"version":{"version":"v0.30.1"}}}`, State{}, true},
		{"no answer", `{"data":{}}`, State{}, true},
		{"a list", `{"data":{"version":{"version":"v0.30.1"},"configuration":{"plugins":[]}}}`, State{}, true},
	} {
		client, f := dial(t, always(200, c.answer))
		got, err := client.State(t.Context())
		if !reflect.DeepEqual(got, c.want) || (err != nil) != c.fails || len(f.asked) != 1 {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestAPIKeyIsReadAndNeverTold(t *testing.T) {
	c, f := dial(t, always(200, `{"data":{"configuration":{"general":{"apiKey":"`+keySecret+`"}}}}`))
	if key, err := c.APIKey(t.Context()); key != keySecret || err != nil {
		t.Errorf("%q, %v", key, err)
	}
	f.answer = always(200, `{"errors":[{"message":"`+keySecret+`"}]}`)
	if _, err := c.APIKey(t.Context()); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Error(err)
	}
	f.answer = always(200, `{"data":{}}`)
	if _, err := c.APIKey(t.Context()); err == nil {
		t.Error("half an answer passes for no key")
	}
	f.answer = always(200, `{"data":{"configuration":{"general":{"apiKey":""}}}}`)
	if key, err := c.APIKey(t.Context()); key != "" || err != nil {
		t.Errorf("without a key: %q, %v", key, err)
	}
}

func TestTasksAreAskedForAndListed(t *testing.T) {
	c, f := dial(t, always(200, `{"data":{"runPluginTask":"17"}}`))
	id, err := c.RunTask(t.Context(), "process queue", map[string]any{"mode": "process", "n": 1})
	var sent struct{ Variables map[string]any }
	json.Unmarshal([]byte(f.asked[0]), &sent)
	want := map[string]any{"description": "PlexSync: process queue", "args": map[string]any{"mode": "process", "n": 1.0}}
	if id != "17" || err != nil || !reflect.DeepEqual(sent.Variables, want) {
		t.Errorf("%q, %v, sent %v", id, err, sent.Variables)
	}
	if _, err := c.RunTask(t.Context(), "", nil); err != nil {
		t.Errorf("without arguments: %v", err)
	}
	f.answer = always(200, `{"data":{"runPluginTask":null}}`)
	if id, err := c.RunTask(t.Context(), "", nil); job.ClassOf(err) != job.ClassStashUnreachable {
		t.Errorf("no id: %q, %v", id, err)
	}
	for answer, want := range map[string][]Task{
		`{"data":{"jobQueue":null}}`: nil,
		`{"data":{"jobQueue":[{"id":"3","status":"RUNNING","description":"Generating..."},{"id":"4","status":"READY","description":"Running plugin task: PlexSync: process queue"},
			{"id":"5","status":"STOPPING","description":"x"},{"id":"6","status":"READY","description":"Running plugin task: Process queue"}]}}`: {{"3", true, false}, {"4", false, true}, {"6", false, false}},
	} {
		f.answer = always(200, answer)
		if got, err := c.Tasks(t.Context()); !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: %v, %v", answer, got, err)
		}
	}
	f.answer = always(200, `{"data":{"runPluginOperation":{"done":1}}}`)
	if err := c.RunOperation(t.Context(), map[string]any{"mode": "process"}); err != nil {
		t.Error(err)
	}
	f.answer = always(200, `{"data":{"configuration":{"general":{"stashes":[{"path":"/data"},{"path":"D:\\v"}]}}}}`)
	if got, err := c.Folders(t.Context()); !slices.Equal(got, []string{"/data", `D:\v`}) || err != nil {
		t.Errorf("folders %q, %v", got, err)
	}
}

func TestTheFreshestCookieIsUsed(t *testing.T) {
	var sent []string
	c, _ := dial(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		sent = append(sent, r.Header.Get("Cookie"))
		w.Header().Add("Set-Cookie", "other=x; Path=/")
		w.Header().Add("Set-Cookie", "session=; Max-Age=0")
		w.Header().Add("Set-Cookie", fmt.Sprintf("session=%s%d; Path=/; Max-Age=3600", freshSecret, len(sent)))
		if len(sent) == 2 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		io.WriteString(w, `{"data":{"jobQueue":null}}`)
	})
	for range 3 {
		c.Tasks(t.Context())
	}
	want := []string{"session=" + cookieSecret, "session=" + freshSecret + "1", "session=" + freshSecret + "2"}
	if !slices.Equal(sent, want) {
		t.Errorf("sent %q, want %q", sent, want)
	}
}

func TestWhoHasNoCookieTakesNone(t *testing.T) {
	var sent []string
	f := &fake{T: t, answer: func(w http.ResponseWriter, r *http.Request, _ string) {
		sent = append(sent, r.Header.Get("Cookie")+r.Header.Get("ApiKey"))
		w.Header().Set("Set-Cookie", "session=x")
		io.WriteString(w, `{"data":{"jobQueue":null}}`)
	}}
	for _, o := range []Options{{}, {CookieName: "session"}, {APIKey: keySecret, CookieName: "session", CookieValue: "y"}} {
		o.URL, o.Transport = "http://h", f
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		c.Tasks(t.Context())
		c.Tasks(t.Context())
	}
	if want := []string{"", "", "", "", keySecret, keySecret}; !slices.Equal(sent, want) {
		t.Errorf("sent %q, want %q", sent, want)
	}
}

// calls are all methods that ask something, for what must hold for each.
func calls(ctx context.Context, c *Client) map[string]func() error {
	none := func([]int64) error { return nil }
	return map[string]func() error{
		"State":                func() error { _, err := c.State(ctx); return err },
		"APIKey":               func() error { _, err := c.APIKey(ctx); return err },
		"Scenes":               func() error { _, _, err := c.Scenes(ctx, []int64{1}); return err },
		"SceneIDs":             func() error { return c.SceneIDs(ctx, job.KindGroup, 1, none) },
		"UpdatedSince":         func() error { return c.UpdatedSince(ctx, time.Time{}, func([]int64, []time.Time) error { return nil }) },
		"SubjectsUpdatedSince": func() error { _, err := c.SubjectsUpdatedSince(ctx, time.Time{}); return err },
		"AllScenes":            func() error { return c.AllScenes(ctx, 0, func([]Scene) error { return nil }) },
		"ScenesByBasename":     func() error { _, err := c.ScenesByBasename(ctx, "a.mp4"); return err },
		"RunTask":              func() error { _, err := c.RunTask(ctx, "", nil); return err },
		"SceneCount":           func() error { _, err := c.SceneCount(ctx); return err },
		"NewestUpdate":         func() error { _, err := c.NewestUpdate(ctx); return err },
		"Tasks":                func() error { _, err := c.Tasks(ctx); return err },
		"Tags":                 func() error { _, err := c.Tags(ctx); return err },
		"Folders":              func() error { _, err := c.Folders(ctx); return err },
		"RunOperation":         func() error { return c.RunOperation(ctx, map[string]any{}) },
		"Cover":                func() error { _, err := c.Cover(ctx, "http://h/scene/1/screenshot", ""); return err },
	}
}

// Whatever Stash answers, no job may die of it, and nothing that was sent or
// received may be told.
func TestEveryBadAnswerIsAnOutageAndQuotesNothing(t *testing.T) {
	const echo = cookieSecret + " " + freshSecret + " " + keySecret + " BODY"
	for name, c := range map[string]struct {
		status int
		body   string
		says   string
	}{
		"login page":        {302, echo, "answered 302. Stash no longer accepts the session"},
		"session ended":     {401, echo, "answered 401. Stash no longer accepts the session"},
		"forbidden":         {403, echo, "answered 403. Stash no longer accepts the session"},
		"too old":           {422, `{"errors":[{"message":"Cannot query field groups. ` + echo + `"}]}`, "answered 422. Stash did not understand PlexSync. Use Stash v0.28"},
		"too old, */*":      {400, echo, "answered 400. Stash did not understand PlexSync"},
		"no Stash":          {404, echo, "answered 404. Is Stash running"},
		"broken":            {500, echo, "answered 500"},
		"proxy":             {503, echo, "answered 503"},
		"no content":        {204, "", "answered 204"},
		"HTML":              {200, "<html>" + echo, "the answer cannot be read"},
		"empty":             {200, "", "the answer is cut off"},
		"cut":               {200, `{"data":{"version":{"ver` + echo, "the answer is cut off"},
		"another JSON":      {200, `["` + echo + `"]`, "the answer cannot be read"},
		"strange data":      {200, `{"data":"` + echo + `"}`, "not the expected one"},
		"strange errors":    {200, `{"errors":"` + echo + `"}`, "the answer cannot be read"},
		"not modified":      {304, "", "the answer"},
		"an echoing Stash":  {200, `{"errors":[{"message":"no\n\u0001` + cookieSecret + `,","extensions":{"code":"request_error","internal":{"body":"BODY"}}}]}`, "Stash reports: no  ***,"},
		"a talkative Stash": {200, `{"errors":[{"message":"` + strings.Repeat("é", 5000) + `"}],"data":null}`, "Stash reports: " + strings.Repeat("é", maxMessage) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := dial(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
				w.Header().Set("Location", "http://127.0.0.1:9999/login?returnURL="+cookieSecret)
				w.Header().Set("Set-Cookie", "session="+freshSecret)
				always(c.status, c.body)(w, nil, "")
			})
			for method, call := range calls(t.Context(), client) {
				err := call()
				var e *job.Error
				if !errors.As(err, &e) || e.Op == "" {
					if c.status != 304 || method != "Cover" {
						t.Errorf("%s: %v", method, err)
					}
					continue
				}
				text := fmt.Sprintf("%v %+v %#v", err, err, e.Err)
				if strings.Contains(text, "SECRET") || strings.Contains(text, "BODY") {
					t.Errorf("%s quotes what it should not: %s", method, text)
				}
				if method == "Cover" {
					continue // see the tests of covers
				}
				if e.Class != job.ClassStashUnreachable || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: %s %q, want %q", method, e.Class, err, c.says)
				}
			}
		})
	}
}

func TestAGraphQLErrorIsNotAnAnswer(t *testing.T) {
	// Each has data that would do.
	for method, data := range map[string]string{
		"State":    `{"version":{"version":"v0.30.1"},"configuration":{"plugins":{}}}`,
		"Tasks":    `{"jobQueue":null}`,
		"SceneIDs": `{"findScenes":{"scenes":[]}}`,
	} {
		c, _ := dial(t, always(200, `{"data":`+data+`,"errors":[{"message":"database is locked"}]}`))
		if err := calls(t.Context(), c)[method](); err == nil || !strings.Contains(err.Error(), "Stash reports: database is locked") {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestAnEndlessAnswerIsCutOff(t *testing.T) {
	endless := roundTrip(func(r *http.Request) (*http.Response, error) {
		head := io.MultiReader(strings.NewReader(`{"data":"`), zeros{})
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"image/png"}}, Body: io.NopCloser(head), Request: r}, nil
	})
	c, err := New(Options{URL: "http://h", Transport: endless})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.State(t.Context()); !errors.Is(err, errTooLarge) {
		t.Error(err)
	}
	if _, err := c.Cover(t.Context(), "/scene/1/screenshot", ""); err == nil || !strings.Contains(err.Error(), "larger than 20 MiB") {
		t.Error(err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestNetworkFailuresSayWhat(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer plain.Close()
	// A server notices that its client has gone once the request is read.
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer hanging.Close()
	halfway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"data":`)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer halfway.Close()
	raw := func(answer string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				conn.Read(make([]byte, 4096))
				io.WriteString(conn, answer)
				conn.Close()
			}
		}()
		return "http://" + l.Addr().String()
	}
	const brief = 100 * time.Millisecond
	for name, c := range map[string]struct {
		url     string
		timeout time.Duration
		says    string
	}{
		"refused":         {closed.URL, 0, "connection refused"},
		"https for http":  {"https" + strings.TrimPrefix(plain.URL, "http"), 0, "one side uses http, the other https"},
		"hanging":         {hanging.URL, brief, "no answer within 100ms"},
		"hanging halfway": {halfway.URL, brief, "no answer within 100ms"},
		"closed":          {raw(""), 0, "the answer is cut off"},
		"cut":             {raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\":"), 0, "the answer is cut off"},
		"no HTTP":         {raw("SECRET " + cookieSecret + "\r\n\r\n"), 0, "the answer cannot be read"},
	} {
		client, err := New(Options{URL: c.url, CookieName: "session", CookieValue: cookieSecret, Timeout: c.timeout})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.State(t.Context())
		if job.ClassOf(err) != job.ClassStashUnreachable || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACallersEndIsNotStashsFault(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hang := roundTrip(func(r *http.Request) (*http.Response, error) {
		cancel()
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	c, err := New(Options{URL: "http://h", Transport: hang})
	if err != nil {
		t.Fatal(err)
	}
	for method, call := range calls(ctx, c) {
		if err := call(); !job.Interrupted(ctx, err) || !strings.Contains(err.Error(), "Stash") {
			t.Errorf("%s: %v", method, err)
		}
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for method, call := range calls(late, c) {
		if err := call(); !job.Interrupted(late, err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// A Stash that was restarted has closed the connection that we kept.
func TestADeadConnectionIsReplacedForQueriesOnly(t *testing.T) {
	var asked, broken atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		if len(r.Header["Idempotency-Key"]) > 0 {
			t.Error("the header was sent")
		}
		if n := asked.Add(1); n == 2 || n == 4 { // break the kept connection once it is used
			broken.Add(1)
			conn, _, _ := http.NewResponseController(w).Hijack()
			conn.Close()
			return
		}
		if bytes.Contains(sent, []byte("runPluginTask")) {
			io.WriteString(w, `{"data":{"runPluginTask":"1"}}`)
			return
		}
		io.WriteString(w, `{"data":{"jobQueue":null}}`)
	}))
	defer s.Close()
	c, err := New(Options{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Tasks(t.Context()); err != nil {
			t.Errorf("a query: %v", err)
		}
	}
	if _, err := c.RunTask(t.Context(), "", nil); err == nil || asked.Load() != 4 || broken.Load() != 2 {
		t.Errorf("a task was asked for again: %v, %d requests", err, asked.Load())
	}
}

func TestOneConnectionServesAllRequests(t *testing.T) {
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		var all []string
		for _, id := range idsIn(t, string(sent)) {
			all = append(all, sceneJSON(id))
		}
		// In chunks, and with something behind what a decoder reads.
		fmt.Fprintf(w, `{"data":{"findScenes":{"scenes":[%s]}}}`, strings.Join(all, ","))
		http.NewResponseController(w).Flush()
		io.WriteString(w, strings.Repeat("\n", 5000))
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c, err := New(Options{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, 1000)
	for i := range ids {
		ids[i] = int64(i + 1)
	}
	if found, _, err := c.Scenes(t.Context(), ids); err != nil || len(found) != 1000 || connections.Load() != 1 {
		t.Errorf("%d scenes over %d connections, %v", len(found), connections.Load(), err)
	}
}

func TestAnAddressMustBeOne(t *testing.T) {
	for _, bad := range []string{"", "127.0.0.1:9999", "ftp://h", "http://", "http://SECRET:SECRET@h:port", "/stash", "\x00"} {
		if c, err := New(Options{URL: bad}); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v, %v", bad, c, err)
		}
	}
	for given, want := range map[string]string{
		"http://h:9999":                       "http://h:9999/graphql",
		"http://h:9999/":                      "http://h:9999/graphql",
		"https://h/stash/?apikey=SECRET#top":  "https://h/stash/graphql",
		"http://[::1]:9999":                   "http://[::1]:9999/graphql",
		"https://jane:SECRET-password@h:9999": "https://jane:SECRET-password@h:9999/graphql",
	} {
		var asked string
		c, err := New(Options{URL: given, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked = r.URL.String()
			w := httptest.NewRecorder()
			io.WriteString(w, `{"errors":[{"message":"no SECRET-password"}]}`)
			return w.Result(), nil
		})})
		if err != nil {
			t.Fatalf("%s: %v", given, err)
		}
		if _, err := c.State(t.Context()); asked != want || strings.Contains(err.Error(), "SECRET") && strings.Contains(given, "password") {
			t.Errorf("%s: asked %s: %v", given, asked, err)
		}
	}
}

func TestCheckVersion(t *testing.T) {
	for v, old := range map[string]bool{
		"v0.27.2": true, "0.27.0": true, "v0.9.1": true, "v0.27.2-30-gabc1234": false, "v0.28.0": false,
		"v0.28.0-12-gabc1234": false, "v0.30.1": false, "v1.0.0": false, "": false, "unknown": false, "v0.": false,
		"v99999999999999999999.1": false, "v0.99999999999999999999": false,
	} {
		if err := CheckVersion(v); (err != nil) != old || old && !strings.Contains(err.Error(), v) {
			t.Errorf("%q: %v", v, err)
		}
	}
}

func TestBasename(t *testing.T) {
	for path, want := range map[string]string{"/a/b.mp4": "b.mp4", `D:\a\b.mp4`: "b.mp4", "b.mp4": "b.mp4", "/a/": "", "": "", `/a\b/c`: "c"} {
		if got := (File{Path: path}).Basename(); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
