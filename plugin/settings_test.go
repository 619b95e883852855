package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/plexsync/plexsync/internal/simstash"
)

// stranger is a server that anybody may name as Plex's address. It notes what it is sent.
func stranger(t *testing.T) (url string, heard func() []string) {
	var mu sync.Mutex
	var all []string
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r.Header.Get("X-Plex-Token")+r.URL.RawQuery)
		rw.Header().Set("Content-Type", "application/json")
		rw.Write([]byte(`{"MediaContainer":{"machineIdentifier":"stranger","version":"1.43.0","friendlyName":"Stranger"}}`))
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// TestTheSavedTokenGoesToTheSavedServerOnly: whoever may call operations may try settings
// out, but must not get the token out by that.
func TestTheSavedTokenGoesToTheSavedServerOnly(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, simstash.Options{Folders: []string{"/data"}}, nil)
	w.films(1)
	try := func(settings map[string]any) (a SettingsTest) {
		t.Helper()
		must(t, w.operation(map[string]any{"mode": "settings_test", "v": 1, "settings": settings}, &struct{ Data *SettingsTest }{&a}))
		return a
	}
	says := func(a SettingsTest) string {
		t.Helper()
		for _, p := range a.Problems {
			if p.Setting == "plexToken" {
				if !p.Fatal || a.Ready || a.Reachable {
					t.Errorf("%+v", a)
				}
				return p.Message
			}
		}
		return ""
	}
	address, heard := stranger(t)
	other := strings.Replace(w.plexURL, "127.0.0.1", "localhost", 1)
	for _, s := range []map[string]any{
		{"plexUrl": address}, {"plexUrl": address, "plexToken": ""}, {"plexUrl": address, "plexToken": nil}, {"plexUrl": address, "plexToken": "  "},
		{"plexUrl": strings.TrimPrefix(address, "http://")}, {"plexUrl": other}, {"plexUrl": strings.Replace(w.plexURL, "http:", "https:", 1), "insecureTLS": true},
	} {
		a := try(s)
		if m := says(a); m == "" || s["plexToken"] != "  " && !strings.Contains(m, "enter the token for this address. The saved token is only sent to "+w.plexURL) {
			t.Errorf("%v: %+v", s, a)
		}
	}
	if all := heard(); len(all) != 0 {
		t.Fatalf("the stranger was sent %q", all)
	}
	// The saved server, however it is written, and a token that is typed.
	for _, s := range []map[string]any{nil, {"plexUrl": w.plexURL + "/web"}, {"plexUrl": strings.ToUpper(w.plexURL[:4]) + w.plexURL[4:]}, {"plexUrl": other, "plexToken": token}} {
		if a := try(s); says(a) != "" || a.Name != "Simplex" || !a.Ready {
			t.Errorf("%v: %+v", s, a)
		}
	}
	if a := try(map[string]any{"plexUrl": address, "plexToken": "typed-token"}); !a.Reachable || a.Machine != "stranger" {
		t.Errorf("with a token of its own: %+v", a)
	}
	if all := heard(); len(all) == 0 || strings.Contains(strings.Join(all, ""), token) {
		t.Errorf("the stranger was sent %q", all)
	}
	// While no address is saved, the token goes nowhere.
	w.set(map[string]any{"plexUrl": nil})
	if m := says(try(map[string]any{"plexUrl": address})); !strings.Contains(m, "is only sent to the saved address") {
		t.Errorf("without a saved address: %q", m)
	}
	w.set(map[string]any{"plexToken": nil})
	if m := says(try(map[string]any{"plexUrl": address})); !strings.Contains(m, "is empty") {
		t.Errorf("without a saved token: %q", m)
	}
}

func TestAnOriginIsWhoIsSentWhat(t *testing.T) {
	for address, want := range map[string]string{
		"http://NAS:32400": "http://nas:32400", "https://plex.example/path": "https://plex.example:443", "http://[::1]:32400": "http://[::1]:32400",
		"http://nas": "http://nas:80", "": "", "nas": "", "http://": "",
	} {
		if got := origin(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

// TestWhatIsChosenArrives: from the settings as Stash keeps them to what Plex shows.
func TestWhatIsChosenArrives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"onlyTags": "under:Genre", "excludePaths": `"**/trailers/**"`, "onlyStashIds": true, "genreTags": "under:Genre, -Genre",
		"labelTags": "Calm", "titleTemplate": "{studio} - {title}", "posterShape": "crop"})
	tag := func(name string, parents ...int64) int64 {
		return w.stash.AddTag(simstash.Tag{Name: name, ParentIDs: parents})
	}
	genre, calm := tag("Genre"), tag("Calm")
	drama := tag("Drama", genre)
	scene := func(title string, tags ...int64) simstash.Scene {
		return simstash.Scene{Title: title, StudioID: w.stash.AddStudio(simstash.Studio{Name: "Studio of " + title}), TagIDs: tags,
			StashIDs: []simstash.StashID{{StashID: title, Endpoint: "https://box.example/graphql"}}}
	}
	_, in := w.film("in.mp4", scene("In", drama, calm))
	later, out := w.film("out.mp4", scene("Out", calm))
	_, trailer := w.film("trailers/t.mp4", scene("Trailer", drama))
	w.task("Sync all scenes")
	w.shows(in, map[string]string{"title": "Studio of In - In", "genre": "Drama", "label": "Calm"})
	w.shows(out, map[string]string{"title": "out"})
	w.shows(trailer, map[string]string{"title": "t"})
	var e Explanation
	must(t, w.operation(map[string]any{"mode": "explain", "scene_id": later}, &e))
	if e.State != SceneExcluded || !strings.Contains(e.Decision, `has none of the tags in onlyTags; its tags: "Calm"`) {
		t.Errorf("%+v", e)
	}
	if f := w.compare(); f.Same != 1 || f.Excluded != 2 || f.NoRequiredTag != 1 || f.ByPath != 1 {
		t.Errorf("%+v", f)
	}
	w.mutate(`mutation($id: ID!, $p: [ID!]) { tagUpdate(input: {id: $id, parent_ids: $p}) { id } }`, map[string]any{"id": calm, "p": []int64{genre}})
	w.settle()
	w.shows(out, map[string]string{"title": "Studio of Out - Out", "genre": "Calm", "label": "Calm"})
	w.shows(in, map[string]string{"genre": "Calm, Drama"})
}

// TestSettingsThatCannotBeUsedSayWhatWouldBeRight, beside their field, and stop the sync.
func TestSettingsThatCannotBeUsedSayWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.stash.AddTag(simstash.Tag{Name: "Trailer"})
	for setting, x := range map[string]struct {
		value, says string
		fatal       bool
	}{
		"onlyPaths":     {"films", "valid would be, for example, /data/films or **/films", true},
		"excludePaths":  {"/data, ./x", "does not begin at the root", true},
		"titleTemplate": {"{titel}", "did you mean {title}?", true},
		"posterShape":   {"blurr", "did you mean blur?", true},
		"excludeTags":   {"Trailr", `"Trailr" matches no tag in Stash (did you mean "Trailer"?)`, false},
		"genreTags":     {"-Trailr", `"-Trailr" matches no tag in Stash (did you mean "Trailer"?)`, false},
		"onlyTags":      {"Nothing", "so no scene is synced", false},
	} {
		var a SettingsTest
		must(t, w.operation(map[string]any{"mode": "settings_test", "v": 1, "offline": true, "settings": map[string]any{setting: x.value}}, &struct{ Data *SettingsTest }{&a}))
		found := false
		for _, p := range a.Problems {
			found = found || p.Setting == setting && p.Fatal == x.fatal && strings.Contains(p.Message, x.says)
		}
		if !found || a.Ready == x.fatal {
			t.Errorf("%s = %s: %+v", setting, x.value, a)
		}
	}
	w.set(map[string]any{"onlyPaths": "films"})
	_, item := w.film("a.mp4", simstash.Scene{Title: "A"})
	w.task("Sync all scenes")
	w.shows(item, map[string]string{"title": "a"})
	w.wantLog(simstash.LevelError, "onlyPaths: \"films\" does not begin at the root")
}
