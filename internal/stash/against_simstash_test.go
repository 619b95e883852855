package stash_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/stash"
)

// pair is a client and the simulated Stash that it talks to, which checks every
// query against the recorded schema.
func pair(t *testing.T, o simstash.Options) (*stash.Client, *simstash.Server) {
	t.Helper()
	s := simstash.New(o)
	t.Cleanup(s.Close)
	url := s.Start()
	cookie := s.SessionCookie()
	c, err := stash.New(stash.Options{URL: url, CookieName: cookie.Name, CookieValue: cookie.Value})
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

func film(path string) []*simstash.File {
	return []*simstash.File{{Path: path, Size: 9908, Duration: 61.5}}
}

var ctx = context.Background()

func TestAStateIsReadWithAndWithoutSettings(t *testing.T) {
	c, s := pair(t, simstash.Options{})
	state, err := c.State(ctx)
	if err != nil || state.Version != "v0.30.1" || len(state.Settings) != 0 {
		t.Fatalf("%+v, %v", state, err)
	}
	s.SetPluginSettings("plexsync", map[string]any{"plexUrl": "x", "paused": true, "maxRetries": 7})
	if state, err = c.State(ctx); err != nil || state.Settings["plexUrl"] != "x" || state.Settings["paused"] != true {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestAllOfASceneIsRead(t *testing.T) {
	c, s := pair(t, simstash.Options{})
	rating := 85
	parent := s.AddStudio(simstash.Studio{Name: "Network"})
	studio := s.AddStudio(simstash.Studio{Name: "One", ParentID: parent})
	jane := s.AddPerformer(simstash.Performer{Name: "Jane Doe", Disambiguation: "Prague", Image: []byte("\x89PNG\r\n\x1a\n")})
	john := s.AddPerformer(simstash.Performer{Name: "John Roe"})
	tag, group := s.AddTag(simstash.Tag{Name: "Night"}), s.AddGroup(simstash.Group{Name: "Series"})
	id := s.AddScene(simstash.Scene{Title: "T", Code: "C", Details: "D", Director: "Ann", Date: "2021-02", Rating100: &rating, Organized: true, StudioID: studio,
		PerformerIDs: []int64{jane, john}, TagIDs: []int64{tag}, Groups: []simstash.SceneGroup{{GroupID: group}}, Files: film("/data/a.mp4")})
	bare := s.AddScene(simstash.Scene{})
	found, missing, err := c.Scenes(ctx, []int64{id, bare, id})
	if err != nil || len(missing) != 0 || len(found) != 2 {
		t.Fatalf("%+v, %v, %v", found, missing, err)
	}
	slices.SortFunc(found, func(a, b stash.Scene) int { return int(a.ID - b.ID) })
	x := found[0]
	slices.SortFunc(x.Performers, func(a, b stash.Performer) int { return int(a.ID - b.ID) })
	if x.Title != "T" || x.Code != "C" || x.Details != "D" || x.Director != "Ann" || x.Date != "2021-02" || *x.Rating100 != 85 || !x.Organized ||
		x.Studio.Name != "One" || x.Studio.Parent.Name != "Network" || x.Studio.Parent.Parent != nil ||
		x.Tags[0] != (stash.Named{ID: tag, Name: "Night"}) || x.Groups[0].Name != "Series" || x.UpdatedAt.IsZero() ||
		x.Files[0].Path != "/data/a.mp4" || x.Files[0].Size != 9908 || x.Files[0].Duration != 61500*time.Millisecond {
		t.Errorf("%+v", x)
	}
	if x.Performers[0].ImagePath == "" || x.Performers[1].ImagePath != "" {
		t.Errorf("photos %+v: Jane has one, John has not", x.Performers)
	}
	if x.Performers[0].Disambiguation != "Prague" || x.Performers[1].Disambiguation != "" {
		t.Errorf("performers %+v: Jane is told apart, John need not be", x.Performers)
	}
	if y := found[1]; y.Title != "" || y.Rating100 != nil || y.Studio != nil || len(y.Files) != 0 {
		t.Errorf("a bare scene: %+v", y)
	}
}

func TestMissingScenesCostOneMoreRequest(t *testing.T) {
	c, s := pair(t, simstash.Options{})
	var ids, gone []int64
	for i := range 150 {
		if i%10 == 3 {
			gone = append(gone, int64(10_000+i))
			ids = append(ids, int64(10_000+i))
			continue
		}
		ids = append(ids, s.AddScene(simstash.Scene{Title: fmt.Sprint(i)}))
	}
	s.ResetCounts()
	found, missing, err := c.Scenes(ctx, ids)
	slices.Sort(missing)
	if err != nil || len(found) != len(ids)-len(gone) || !slices.Equal(missing, gone) {
		t.Errorf("%d found, missing %v, %v", len(found), missing, err)
	}
	if n := s.Counts().Requests; n > 4 {
		t.Errorf("%d requests for 150 scenes, want at most two a hundred", n)
	}
}

func TestScenesAreFoundByWhatTheyShow(t *testing.T) {
	c, s := pair(t, simstash.Options{})
	parent := s.AddStudio(simstash.Studio{Name: "Network"})
	studio := s.AddStudio(simstash.Studio{Name: "One", ParentID: parent})
	jane, tag := s.AddPerformer(simstash.Performer{Name: "Jane"}), s.AddTag(simstash.Tag{Name: "Night"})
	group := s.AddGroup(simstash.Group{Name: "Series"})
	var want []int64
	for range 1200 {
		want = append(want, s.AddScene(simstash.Scene{StudioID: studio, PerformerIDs: []int64{jane}, TagIDs: []int64{tag},
			Groups: []simstash.SceneGroup{{GroupID: group}}, UpdatedAt: time.Now().Add(-time.Hour)}))
	}
	other := s.AddScene(simstash.Scene{UpdatedAt: time.Now().Add(-48 * time.Hour)})
	for _, x := range []struct {
		kind job.Kind
		id   int64
		want []int64
	}{
		{job.KindPerformer, jane, want}, {job.KindStudio, studio, want}, {job.KindStudio, parent, want}, {job.KindTag, tag, want},
		{job.KindGroup, group, want}, {job.KindTag, 999, nil}, {job.KindLibrary, 0, append(slices.Clone(want), other)},
	} {
		var got []int64
		if err := c.SceneIDs(ctx, x.kind, x.id, func(ids []int64) error { got = append(got, ids...); return nil }); err != nil || !slices.Equal(got, x.want) {
			t.Errorf("%s %d: %d scenes, %v; want %d", x.kind, x.id, len(got), err, len(x.want))
		}
	}
	var recent []int64
	if err := c.UpdatedSince(ctx, time.Now().Add(-24*time.Hour), func(ids []int64, _ []time.Time) error { recent = append(recent, ids...); return nil }); err != nil || !slices.Equal(recent, want) {
		t.Errorf("recent: %d scenes, %v", len(recent), err)
	}
	stop := errors.New("enough")
	if err := c.SceneIDs(ctx, job.KindLibrary, 0, func([]int64) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error is lost: %v", err)
	}
}

func TestTagsComeWithThoseAboveThem(t *testing.T) {
	c, s := pair(t, simstash.Options{})
	if tags, err := c.Tags(ctx); err != nil || len(tags) != 0 {
		t.Errorf("without any: %v, %v", tags, err)
	}
	a := s.AddTag(simstash.Tag{Name: "A"})
	b := s.AddTag(simstash.Tag{Name: "69", ParentIDs: []int64{a}})
	x := s.AddTag(simstash.Tag{Name: "C", ParentIDs: []int64{a, b}})
	s.ResetCounts()
	tags, err := c.Tags(ctx)
	slices.SortFunc(tags, func(x, y stash.Tag) int { return int(x.ID - y.ID) })
	for _, t := range tags {
		slices.Sort(t.Parents)
	}
	want := []stash.Tag{{ID: a, Name: "A"}, {ID: b, Name: "69", Parents: []int64{a}}, {ID: x, Name: "C", Parents: []int64{a, b}}}
	if err != nil || !reflect.DeepEqual(tags, want) || s.Counts().Requests != 1 {
		t.Errorf("%+v, %v, %d requests", tags, err, s.Counts().Requests)
	}
}

// TestIDsOfStashBoxesComeIfTheyAreAskedFor, whichever way scenes are asked for.
func TestIDsOfStashBoxesComeIfTheyAreAskedFor(t *testing.T) {
	c, s := pair(t, simstash.Options{})
	with := s.AddScene(simstash.Scene{Title: "A", Files: film("/data/a.mp4"), StashIDs: []simstash.StashID{{StashID: "1", Endpoint: "https://box.example/graphql"}, {StashID: "2", Endpoint: "https://box.example/graphql"}}})
	without := s.AddScene(simstash.Scene{Title: "B", Files: film("/data/b.mp4")})
	for _, want := range []int{0, 2} {
		got := map[int64]int{}
		note := func(all []stash.Scene) error {
			for _, x := range all {
				got[x.ID] += x.StashIDs
			}
			return nil
		}
		if err := c.AllScenes(ctx, 0, note); err != nil {
			t.Fatal(err)
		}
		for _, ids := range [][]int64{{with, without}, {with, without, 999}} { // all at once, and one by one
			found, _, err := c.Scenes(ctx, ids)
			if err != nil {
				t.Fatal(err)
			}
			note(found)
		}
		if got[with] != 3*want || got[without] != 0 {
			t.Errorf("%v, want %d each time", got, want)
		}
		c.AskForStashIDs()
	}
}

func TestASceneIsFoundByTheNameOfItsFile(t *testing.T) {
	c, s := pair(t, simstash.Options{})
	for _, name := range []string{"harbour at night.mp4", "100%_sure.mp4", "été.mp4", `say "hi".mp4`, "harbour.mp4"} {
		id := s.AddScene(simstash.Scene{Files: film("/data/x/" + name)})
		s.AddScene(simstash.Scene{Files: film("/data/x/not " + name)})
		got, err := c.ScenesByBasename(ctx, name)
		if err != nil || len(got) != 1 || got[0].ID != id {
			t.Errorf("%s: %+v, %v; want scene %d", name, got, err, id)
		}
	}
}

func TestACoverIsFetchedWhenItIsNew(t *testing.T) {
	c, s := pair(t, simstash.Options{Username: "u", Password: "p"})
	img := []byte("\x89PNG\r\n\x1a\npicture")
	with, without := s.AddScene(simstash.Scene{Cover: img}), s.AddScene(simstash.Scene{})
	found, _, err := c.Scenes(ctx, []int64{with, without})
	if err != nil {
		t.Fatal(err)
	}
	url := map[int64]string{found[0].ID: found[0].ScreenshotURL, found[1].ID: found[1].ScreenshotURL}
	got, err := c.Cover(ctx, url[with], "")
	if err != nil || string(got.Bytes) != string(img) || got.ETag == "" {
		t.Fatalf("%+v, %v", got, err)
	}
	if again, err := c.Cover(ctx, url[with], got.ETag); err != nil || !again.NotModified || len(again.Bytes) != 0 {
		t.Errorf("%+v, %v", again, err)
	}
	if none, err := c.Cover(ctx, url[without], ""); err != nil || !none.Placeholder || len(none.Bytes) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	// Whatever name it was given under, only our own Stash is asked.
	moved := strings.Replace(url[with], strings.Split(url[with], "/")[2], "proxy.invalid", 1) + "&apikey=SECRET"
	if got, err := c.Cover(ctx, moved, ""); err != nil || string(got.Bytes) != string(img) {
		t.Errorf("%+v, %v", got, err)
	}
	s.Script(simstash.Fault{Path: "/screenshot", Status: 500})
	if _, err := c.Cover(ctx, url[with], ""); job.ClassOf(err) != job.ClassRejected {
		t.Errorf("a picture that fails: %v is the picture's fault", err)
	}
}

func TestTheDrainIsAskedFor(t *testing.T) {
	c, s := pair(t, simstash.Options{})
	release := s.BlockQueue("somebody else's task")
	defer release()
	id, err := c.RunTask(ctx, "process queue", map[string]any{"mode": "process"})
	if err != nil || id == "" {
		t.Fatal(id, err)
	}
	tasks, err := c.Tasks(ctx)
	if err != nil || len(tasks) != 2 || tasks[0].Ours || !tasks[0].Running || tasks[1] != (stash.Task{ID: id, Ours: true}) {
		t.Errorf("tasks %+v, %v", tasks, err)
	}
	release()
	s.WaitIdle(ctx)
	if tasks, err := c.Tasks(ctx); err != nil || len(tasks) != 0 {
		t.Errorf("at the end there are %v, %v", tasks, err)
	}
	if folders, err := c.Folders(ctx); err != nil || !slices.Equal(folders, []string{"/data"}) {
		t.Errorf("folders %q, %v", folders, err)
	}
}

func TestASessionIsKeptFreshAndItsEndIsTold(t *testing.T) {
	now := time.Now()
	c, s := pair(t, simstash.Options{Username: "u", Password: "p", MaxSessionAge: time.Hour, Now: func() time.Time { return now }})
	for range 3 {
		now = now.Add(50 * time.Minute) // each answer brings a new cookie
		if _, err := c.State(ctx); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(2 * time.Hour)
	_, err := c.State(ctx)
	if job.ClassOf(err) != job.ClassStashUnreachable || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "session") {
		t.Errorf("error %v", err)
	}
	if secret := s.SessionCookie().Value; strings.Contains(err.Error(), secret) {
		t.Error("the cookie is in the error")
	}
}

func TestWhateverIsWrongWithStashIsNoJobsFault(t *testing.T) {
	const secret = "SECRET-cookie"
	for name, answer := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.Header.Get("Cookie"), 500) },
		"422": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, r.Header.Get("Cookie"), http.StatusUnprocessableEntity)
		},
		"HTML":    func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>", r.Header.Get("Cookie")) },
		"half":    func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"data":{"findScenes":{"scen`) },
		"null":    func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `null`) },
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"other types": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"data":{"findScenes":{"scenes":[{"id":{}}]}}}`)
		},
		"GraphQL error": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"errors":[{"message":"database is locked"}],"data":null}`)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://evil.invalid/", http.StatusFound)
		},
	} {
		s := httptest.NewServer(answer)
		c, err := stash.New(stash.Options{URL: s.URL, CookieName: "session", CookieValue: secret})
		if err != nil {
			t.Fatal(err)
		}
		found, missing, err := c.Scenes(ctx, []int64{1})
		if job.ClassOf(err) != job.ClassStashUnreachable || len(found)+len(missing) != 0 {
			t.Errorf("%s: %v, missing %v, %v (%s)", name, found, missing, err, job.ClassOf(err))
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
			t.Errorf("%s: the cookie is in the error %v", name, err)
		}
		s.Close()
	}
}

func TestOldVersionsAreTold(t *testing.T) {
	for v, ok := range map[string]bool{"v0.27.2": false, "v0.28.0": true, "v0.30.1-5-gabcdef": true, "v1.0.0": true, "": true, "unknown": true} {
		if err := stash.CheckVersion(v); (err == nil) != ok {
			t.Errorf("%q: %v", v, err)
		}
	}
}
