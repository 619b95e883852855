package stash_test

import (
	"slices"
	"testing"

	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/stash"
)

func TestAllScenesAreListedOnceAlthoughSomeGoMeanwhile(t *testing.T) {
	c, s := pair(t, simstash.Options{})
	for range 2350 {
		s.AddScene(simstash.Scene{Title: "T", Files: film("/data/a.mp4")})
	}
	s.ResetCounts()
	var got []int64
	err := c.AllScenes(t.Context(), 0, func(page []stash.Scene) error {
		for _, x := range page {
			got = append(got, x.ID)
		}
		if len(got) > 250 {
			return nil
		}
		// Page numbers would now skip two scenes.
		return s.Query(t.Context(), `mutation { scenesDestroy(input: {ids: [1, 2]}) }`, nil, nil)
	})
	if err != nil || len(got) != 2350 || !slices.IsSorted(got) || len(slices.Compact(got)) != 2350 {
		t.Errorf("%d scenes, %v", len(got), err)
	}
	if n := s.Counts().Fields["findScenes"]; n != 10 {
		t.Errorf("%d requests for 2,350 scenes", n)
	}
}

func TestTheAPIKeyReplacesTheCookie(t *testing.T) {
	s := simstash.New(simstash.Options{Username: "u", Password: "p", APIKey: "the-key"})
	t.Cleanup(s.Close)
	cookie := s.SessionCookie()
	c, err := stash.New(stash.Options{URL: "http://stash.test", CookieName: cookie.Name, CookieValue: cookie.Value, Transport: s.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	key, err := c.APIKey(t.Context())
	if err != nil || key != "the-key" {
		t.Fatalf("%q, %v", key, err)
	}
	if c, err = stash.New(stash.Options{URL: "http://stash.test", APIKey: key, Transport: s.Transport()}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.State(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestHowManyRequestsEachCallMakes(t *testing.T) {
	c, s := pair(t, simstash.Options{})
	var ids []int64
	for range 2500 {
		ids = append(ids, s.AddScene(simstash.Scene{Files: film("/data/a.mp4")}))
	}
	all := func([]int64) error { return nil }
	for _, x := range []struct {
		name string
		call func() error
		want int
	}{
		{"State", func() error { _, err := c.State(ctx); return err }, 1},
		{"100 scenes", func() error { _, _, err := c.Scenes(ctx, ids[:100]); return err }, 1},
		{"100 scenes, one missing", func() error { _, _, err := c.Scenes(ctx, append(ids[:99:99], 9999)); return err }, 2},
		{"2,500 scenes", func() error { _, _, err := c.Scenes(ctx, ids); return err }, 25},
		{"all ids", func() error { return c.SceneIDs(ctx, "library", 0, all) }, 3},
		{"all scenes", func() error { return c.AllScenes(ctx, 0, func([]stash.Scene) error { return nil }) }, 11},
		{"a name", func() error { _, err := c.ScenesByBasename(ctx, "b.mp4"); return err }, 1},
		{"the tasks", func() error { _, err := c.Tasks(ctx); return err }, 1},
	} {
		s.ResetCounts()
		if err := x.call(); err != nil || s.Counts().Requests != x.want {
			t.Errorf("%s: %d requests, want %d, %v", x.name, s.Counts().Requests, x.want, err)
		}
	}
}
