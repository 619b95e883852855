package stash_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/stash"
)

// split are the ids of scenes that were read, and of those that could not be.
func split(t *testing.T, all []stash.Scene) (read, unreadable []int64) {
	t.Helper()
	if !slices.IsSortedFunc(all, func(a, b stash.Scene) int { return int(a.ID - b.ID) }) {
		t.Error("the scenes are in no order")
	}
	for _, s := range all {
		if s.Err == nil {
			read = append(read, s.ID)
			continue
		}
		unreadable = append(unreadable, s.ID)
		if text := s.Err.Error(); job.ClassOf(s.Err) != job.ClassUnreadable || len(s.Files) > 0 ||
			!strings.Contains(text, fmt.Sprintf("scene %d: Stash reports: getting file by id", s.ID)) || !strings.Contains(text, "Rescan the file in Stash") {
			t.Errorf("scene %d: %v (%s)", s.ID, s.Err, job.ClassOf(s.Err))
		}
	}
	return read, unreadable
}

func TestASceneThatStashCannotReadFailsAlone(t *testing.T) {
	for _, x := range []struct {
		name     string
		broken   []int64
		ask      []int64 // nil = all 250
		missing  []int64
		requests int // at most
	}{
		{"one of a hundred", []int64{37}, nil, nil, 20},
		{"the only one that is asked for", []int64{37}, []int64{37}, nil, 3},
		{"with one that is missing", []int64{37}, []int64{36, 37, 999}, []int64{999}, 8},
		{"the first and the last of all", []int64{1, 250}, nil, nil, 36},
		{"neighbors", []int64{99, 100, 101, 102}, nil, nil, 48},
		{"all that are asked for", []int64{5, 6, 7}, []int64{5, 6, 7}, nil, 9},
		{"none", nil, nil, nil, 3},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, s := pair(t, simstash.Options{})
			var all []int64
			for i := range 250 {
				all = append(all, s.AddScene(simstash.Scene{Title: "T", Files: film(fmt.Sprintf("/data/%d.mp4", i))}))
			}
			for _, id := range x.broken {
				s.SetUnreadable(id, true)
			}
			if x.ask != nil {
				all = x.ask
			}
			s.ResetCounts()
			found, missing, err := c.Scenes(ctx, all)
			if err != nil {
				t.Fatal(err)
			}
			requests := s.Counts().Requests
			read, unreadable := split(t, found)
			if !slices.Equal(unreadable, x.broken) || !slices.Equal(missing, x.missing) || len(read)+len(unreadable)+len(missing) != len(all) {
				t.Errorf("unreadable %v, missing %v, %d read", unreadable, missing, len(read))
			}
			if requests > x.requests {
				t.Errorf("%d requests", requests)
			}
		})
	}
}

func TestAListingGoesOnPastAScene(t *testing.T) {
	for _, broken := range [][]int64{{1}, {777}, {1000}, {1001}, {2500}, {1, 2, 3, 1700, 2500}} {
		c, s := pair(t, simstash.Options{})
		tag := s.AddTag(simstash.Tag{Name: "Sea"})
		for i := range 2500 {
			s.AddScene(simstash.Scene{Title: "T", TagIDs: []int64{tag}, Files: film(fmt.Sprintf("/data/%d/same.mp4", i))})
		}
		for _, id := range broken {
			s.SetUnreadable(id, true)
		}
		s.ResetCounts()
		var all []stash.Scene
		var pages []int
		if err := c.AllScenes(ctx, 0, func(page []stash.Scene) error {
			all, pages = append(all, page...), append(pages, len(page))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		read, unreadable := split(t, all)
		if !slices.Equal(unreadable, broken) || len(read) != 2500-len(broken) || !slices.Equal(pages, slices.Repeat([]int{250}, 10)) {
			t.Errorf("broken %v: unreadable %v, %d read, pages of %v", broken, unreadable, len(read), pages)
		}
		if n := s.Counts().Requests; n > 3+25*len(broken) {
			t.Errorf("broken %v: %d requests", broken, n)
		}
		// A scene whose file is broken has an id, and a job of its own.
		for _, list := range []func(func([]int64) error) error{
			func(page func([]int64) error) error { return c.SceneIDs(ctx, job.KindLibrary, 0, page) },
			func(page func([]int64) error) error { return c.SceneIDs(ctx, job.KindTag, tag, page) },
			func(page func([]int64) error) error {
				return c.UpdatedSince(ctx, time.Now().Add(-time.Hour), func(ids []int64, _ []time.Time) error { return page(ids) })
			},
		} {
			n := 0
			if err := list(func(ids []int64) error { n += len(ids); return nil }); err != nil || n != 2500 {
				t.Errorf("%d ids, %v", n, err)
			}
		}
	}
}

func TestAFileIsFoundBesideOneThatCannotBeRead(t *testing.T) {
	c, s := pair(t, simstash.Options{})
	bad := s.AddScene(simstash.Scene{Files: film("/data/1/a.mp4")})
	good := s.AddScene(simstash.Scene{Files: film("/data/2/a.mp4")})
	s.SetUnreadable(bad, true)
	if found, err := c.ScenesByBasename(ctx, "a.mp4"); err != nil || len(found) != 2 || found[0].ID != bad || found[0].Err == nil || found[1].ID != good || found[1].Err != nil {
		t.Errorf("%v, %v", found, err)
	}
	s.SetUnreadable(bad, false)
	if found, err := c.ScenesByBasename(ctx, "a.mp4"); err != nil || len(found) != 2 {
		t.Errorf("after it is mended: %v, %v", found, err)
	}
}

// TestAStashThatCannotReadAnySceneIsOut: no scene is to blame if Stash answers nothing
// else either, or refuses one scene after the other.
func TestAStashThatCannotReadAnySceneIsOut(t *testing.T) {
	c, s := pair(t, simstash.Options{})
	var all []int64
	for i := range 60 {
		all = append(all, s.AddScene(simstash.Scene{Title: "T", Files: film(fmt.Sprintf("/data/%d.mp4", i))}))
	}
	check := func(what string, most int) {
		t.Helper()
		s.ResetCounts()
		_, _, err := c.Scenes(ctx, all)
		lerr := c.AllScenes(ctx, 0, func([]stash.Scene) error { return nil })
		for _, err := range []error{err, lerr} {
			if job.ClassOf(err) != job.ClassStashUnreachable {
				t.Errorf("%s: %v", what, err)
			}
		}
		if n := s.Counts().Requests; n > most {
			t.Errorf("%s: %d requests", what, n)
		}
	}
	for _, id := range all {
		s.SetUnreadable(id, true)
	}
	check("every file is broken", 200)
	for _, id := range all {
		s.SetUnreadable(id, false)
	}
	s.Script(simstash.Fault{Query: "findScene", Count: -1, GraphQLError: "database is locked"})
	check("the database is locked", 5)
}

// rowOf answers as a Stash of a thousand scenes, of which one's own row is broken: not
// even its id can be asked for.
func rowOf(t *testing.T, broken, last int64) http.RoundTripper {
	return answering(func(body string) string {
		var in struct {
			Query     string
			Variables struct {
				Size  int
				Which struct{ ID struct{ Value int64 } }
			}
		}
		if err := json.Unmarshal([]byte(body), &in); err != nil {
			t.Fatal(err)
		}
		after := in.Variables.Which.ID.Value
		if strings.Contains(in.Query, "per_page: 0") {
			return fmt.Sprintf(`{"data":{"findScenes":{"count":%d}}}`, max(last-after, 0))
		}
		var page []string
		for id := after + 1; id <= last && len(page) < in.Variables.Size; id++ {
			if id == broken {
				return `{"errors":[{"message":"sql: Scan error on column index 3, name \"date\"","path":["findScenes"]}],"data":null}`
			}
			page = append(page, fmt.Sprintf(`{"id":"%d","updated_at":"2026-01-02T03:04:05Z"}`, id))
		}
		return `{"data":{"findScenes":{"scenes":[` + strings.Join(page, ",") + `]}}}`
	})
}

type answering func(body string) string

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return saying(a(string(body))).RoundTrip(r)
}

func TestASceneOfWhichNotEvenTheIDCanBeReadHasOne(t *testing.T) {
	for _, broken := range []int64{1, 2, 500, 1000, 1500} {
		c, err := stash.New(stash.Options{URL: "http://stash.test", Transport: rowOf(t, broken, 1500)})
		if err != nil {
			t.Fatal(err)
		}
		var ids []int64
		if err := c.SceneIDs(ctx, job.KindLibrary, 0, func(page []int64) error { ids = append(ids, page...); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(ids) != 1500 || !slices.IsSorted(ids) || !slices.Contains(ids, broken) {
			t.Errorf("broken %d: %d ids", broken, len(ids))
		}
		n := 0
		if err := c.UpdatedSince(ctx, time.Unix(0, 0), func(page []int64, _ []time.Time) error { n += len(page); return nil }); err != nil || n != 1499 {
			t.Errorf("broken %d: %d recent, %v", broken, n, err)
		}
	}
}
