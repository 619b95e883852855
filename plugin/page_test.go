package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
	"gopkg.in/yaml.v2"
)

// hostPageDir is what TestMain removes at the end.
var hostPageDir string

// hostPage builds the page that stands for Stash's, once.
var hostPage = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "plexsync-page"); err != nil {
		return dir, err
	}
	hostPageDir = dir
	files, err := os.ReadDir("testdata/page")
	if err != nil {
		return dir, err
	}
	for _, f := range files {
		if !f.Type().IsRegular() {
			continue // node_modules, of whoever works on the page
		}
		text, err := os.ReadFile(filepath.Join("testdata/page", f.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, f.Name()), text, 0o600)
		}
		if err != nil {
			return dir, err
		}
	}
	for _, args := range [][]string{
		{"npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"},
		{"node", "node_modules/esbuild/bin/esbuild", "host.jsx", "--bundle", "--outfile=host.js", `--define:process.env.NODE_ENV="production"`},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return dir, fmt.Errorf("%v: %w\n%s", args, err, out)
		}
	}
	return dir, nil
})

// browsers bounds how many run at once: each takes a core.
var browsers = make(chan struct{}, 2)

// flow opens the world's Stash in Chromium and goes through one of flows.mjs. steps are
// what it can have done meanwhile.
func (w *world) flow(name string, steps map[string]func()) {
	w.Helper()
	w.flowIn("flows.mjs", "CHROMIUM", []string{"chromium", "chromium-browser", "google-chrome"}, name, steps)
}

// flowIn is flow with a script, and a browser: the one that a variable of the environment
// names, or the first that is installed.
func (w *world) flowIn(script, variable string, browser []string, name string, steps map[string]func()) {
	w.Helper()
	program := ""
	for _, b := range append([]string{os.Getenv(variable)}, browser...) {
		if path, err := exec.LookPath(b); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		lacks(w.T, "a browser ("+browser[0]+")")
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			lacks(w.T, tool)
		}
	}
	dir, err := hostPage()
	must(w, err)
	stash, err := url.Parse(fmt.Sprintf("http://127.0.0.1:%d", w.port()))
	must(w, err)
	proxy := httputil.NewSingleHostReverseProxy(stash)
	mux := http.NewServeMux()
	mux.Handle("/graphql", proxy)
	mux.HandleFunc("GET /scene/{id}/screenshot", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "image/png")
		rw.Write(picture(len(r.PathValue("id"))))
	})
	for _, name := range []string{"/host.js", "/host.css"} {
		mux.HandleFunc(name, func(rw http.ResponseWriter, r *http.Request) { http.ServeFile(rw, r, dir+name) })
	}
	for path, kind := range map[string]string{"/plugin/plexsync/javascript": "javascript", "/plugin/plexsync/css": "css"} {
		joined := w.joined(kind)
		mux.HandleFunc(path, func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "text/"+kind)
			rw.Write(joined)
		})
	}
	mux.HandleFunc("POST /do/{name}", func(rw http.ResponseWriter, r *http.Request) {
		step, ok := steps[r.PathValue("name")]
		if !ok {
			http.NotFound(rw, r)
			return
		}
		step()
	})
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		// The policy that Stash sends, as far as it concerns a plugin.
		rw.Header().Set("Content-Security-Policy", "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src * data:; connect-src 'self'")
		fmt.Fprint(rw, `<!doctype html><html lang="en"><head><title>Stash</title><meta name="viewport" content="width=device-width, initial-scale=1">
			<link rel="icon" href="data:,"><link rel="stylesheet" href="/host.css"><link rel="stylesheet" href="/plugin/plexsync/css"></head>
			<body><div id="root"></div><script src="/host.js"></script><script src="/plugin/plexsync/javascript"></script><script>drawStash()</script></body></html>`)
	})
	server := httptest.NewServer(mux)
	w.Cleanup(server.Close)
	// Screenshots are kept where CI finds them, if it says where.
	shots := w.TempDir()
	if kept := os.Getenv("PLEXSYNC_SHOTS"); kept != "" {
		shots = kept
		must(w, os.MkdirAll(shots, 0o755))
	}
	browsers <- struct{}{}
	defer func() { <-browsers }()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script, name, server.URL, shots)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), variable+"="+program, "PLEX="+w.plexURL, "TOKEN="+token)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("%s: %v\n%s\n%s", name, err, out, w.log())
	}
}

// uiFiles are the files of the page that plexsync.yml lists as javascript or css.
func uiFiles(t testing.TB, kind string) []string {
	t.Helper()
	text, err := os.ReadFile("../plexsync.yml")
	must(t, err)
	var manifest struct {
		UI map[string][]string `yaml:"ui"`
	}
	must(t, yaml.Unmarshal(text, &manifest))
	return manifest.UI[kind]
}

// joined is what Stash serves at /plugin/plexsync/javascript or .../css: the files in
// their order as one, a line feed after each (its internal/api/server.go, serveFiles).
func (w *world) joined(kind string) []byte {
	w.Helper()
	var all []byte
	for _, name := range uiFiles(w, kind) {
		text, err := os.ReadFile(filepath.Join("ui", name))
		must(w, err)
		all = append(append(all, text...), '\n')
	}
	return all
}

// TestStashLoadsEveryFileOfThePage: a file that plexsync.yml does not list is dead, and
// one that is not there ends the page with an error in Stash's log alone.
func TestStashLoadsEveryFileOfThePage(t *testing.T) {
	for kind, pattern := range map[string]string{"javascript": "ui/*.js", "css": "ui/*.css"} {
		files, err := filepath.Glob(pattern)
		must(t, err)
		for i := range files {
			files[i] = filepath.Base(files[i])
		}
		listed := slices.Sorted(slices.Values(uiFiles(t, kind)))
		if !slices.Equal(listed, files) {
			t.Errorf("plexsync.yml lists %v as %s, plugin/ui holds %v", listed, kind, files)
		}
	}
}

// films puts n scenes with their items into the world.
func (w *world) films(n int) {
	w.Helper()
	for i := range n {
		w.film(fmt.Sprintf("film%03d.mp4", i), simstash.Scene{Title: fmt.Sprintf("Film %d", i)})
	}
}

// saved returns a check of the settings that Stash has now.
func (w *world) saved(want map[string]any) func() {
	return func() {
		var got struct {
			Configuration struct{ Plugins map[string]map[string]any }
		}
		must(w, w.stash.Query(context.Background(), `{ configuration { plugins } }`, nil, &got))
		if s := got.Configuration.Plugins["plexsync"]; !reflect.DeepEqual(s, want) && !reflect.DeepEqual(without(s, "paused", false), want) {
			w.Errorf("saved are %v, want %v", s, want)
		}
	}
}

// untouched fails if anything was written to Plex.
func (w *world) untouched() {
	if n := w.plex.Counts().Writes; n != 0 {
		w.Errorf("%d writes were made", n)
	}
}

// newFreshWorld is a world in which PlexSync is installed, and nothing more.
func newFreshWorld(t *testing.T) *world {
	t.Helper()
	w := newWorldWith(t, simstash.Options{Folders: []string{"/data"}}, map[string]any{"plexUrl": nil, "plexToken": nil, "pathRules": nil})
	w.films(3)
	w.plex.AddSection(simplex.SectionSpec{Title: "Others", Locations: []string{"/others"}})
	return w
}

// TestThePageSetsPlexSyncUp: from a fresh Stash to the first synced scenes, with its clicks
// and its time counted.
func TestThePageSetsPlexSyncUp(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newFreshWorld(t)
	w.edit(1, map[string]any{"details": "Edited before Plex was known"}) // is queued, and must wait
	w.flow("setup", map[string]func(){
		"check-untouched": w.untouched,
		"check-settings":  w.saved(map[string]any{"plexUrl": w.plexURL, "plexToken": token, "plexLibraries": "Films", "pathRules": "/data => /media"}),
	})
}

// newFirstWorld is a fresh world with a plex.tv, whose account has three servers: the
// world's, one that does not answer, and another person's.
func newFirstWorld(t *testing.T) *tvWorld {
	t.Helper()
	w := newTVWorld(t, simstash.Options{Folders: []string{"/data"}}, map[string]any{"pathRules": nil})
	w.films(3)
	w.plex.AddSection(simplex.SectionSpec{Title: "Others", Locations: []string{"/others"}})
	other := simplex.New(simplex.Options{MachineID: "machine-9"})
	otherURL, stop := other.Start()
	t.Cleanup(stop)
	n, err := strconv.Atoi(port(t, otherURL))
	must(t, err)
	w.tv.Set(func(o *simplex.TVOptions) {
		o.Servers = append(o.Servers,
			simplex.TVServer{Name: "Cabin", Machine: "machine-3", Version: "1.42.1", Token: "SECRET-cabin-4717", Connections: []simplex.TVConnection{{Address: "127.0.0.1", Port: n, URI: otherURL, Local: true}}},
			simplex.TVServer{Name: "Ann's", Machine: "machine-2", SharedBy: "Ann", Token: "SECRET-anns-4716"})
	})
	return w
}

// unsaved returns a check that no address and no token was saved.
func (w *tvWorld) unsaved() func() {
	return func() {
		if s := w.saved(); s["plexUrl"] != nil || s["plexToken"] != nil {
			w.Errorf("saved are %v", s)
		}
	}
}

// TestThePageSignsIn: the first run by the button, from nothing to the first synced scene.
func TestThePageSignsIn(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newFirstWorld(t)
	saved := map[string]any{"plexUrl": w.secure, "plexToken": token, "plexLibraries": "Films", "pathRules": "/data => /media"}
	form := maps.Clone(saved)
	form["plexUrl"], form["labels"] = w.plexURL, "Stash"
	w.flow("signin", map[string]func(){"check-unsaved": w.unsaved(), "check-settings": w.world.saved(saved), "check-form": w.world.saved(form)})
	if d := w.plex.Devices(); len(d) != 1 || d[0].Name != plex.DeviceName || d[0].Identifier != w.tv.Devices()[0].Identifier {
		t.Errorf("Plex lists %+v", d)
	}
}

// TestThePageInFirefox: the first run by the button, and every screen, wide and on a phone.
func TestThePageInFirefox(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newFirstWorld(t)
	w.flowIn("firefox.mjs", "FIREFOX", []string{"firefox-esr", "firefox"}, "first", map[string]func(){
		"check-settings": w.world.saved(map[string]any{"plexUrl": w.secure, "plexToken": token, "plexLibraries": "Films", "pathRules": "/data => /media"}),
	})
}

func TestThePageSaysWhyASignInEnds(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newFirstWorld(t)
	life := func(d time.Duration) func() {
		return func() { w.tv.Set(func(o *simplex.TVOptions) { o.PinLife = d }) }
	}
	home := func(connections func(simplex.TVServer) []simplex.TVConnection) func() {
		return func() {
			w.tv.Set(func(o *simplex.TVOptions) { o.Servers[0].Connections = connections(w.home()) })
		}
	}
	down := func(is bool) func() { return func() { w.plex.Set(func(o *simplex.Options) { o.Down = is }) } }
	w.flow("signinends", map[string]func(){
		"out":     func() { w.tv.Script(simplex.Rule{Method: "POST", Path: "pins", Status: 503}) },
		"trouble": func() { w.tv.Script(simplex.Rule{Path: "pins/", Status: 500}) },
		"short":   life(3 * time.Second), "long": life(15 * time.Minute),
		"none": home(func(simplex.TVServer) []simplex.TVConnection {
			return []simplex.TVConnection{{Address: "127.0.0.1", Port: 1, URI: "http://127.0.0.1:1", Local: true}}
		}),
		"back": home(func(s simplex.TVServer) []simplex.TVConnection { return s.Connections }),
		"down": down(true), "up": down(false), "check-unsaved": w.unsaved(),
	})
}

func TestThePageSignsInInTwoTabs(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newFirstWorld(t)
	w.flow("signintabs", map[string]func(){"check-settings": w.world.saved(map[string]any{"plexUrl": w.secure, "plexToken": token, "paused": true})})
}

func TestThePageSignsInAgain(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newTVWorld(t, simstash.Options{}, nil)
	w.set(map[string]any{"plexUrl": w.plexURL, "plexToken": token})
	scene, item := w.film("a.mp4", simstash.Scene{Title: "A"})
	w.task("Sync all scenes")
	const renewed = "SECRET-renewed-4715"
	w.plex.Set(func(o *simplex.Options) { o.Token = renewed })
	w.tv.Set(func(o *simplex.TVOptions) { o.Servers[0].Token = renewed })
	w.edit(scene, map[string]any{"title": "B"})
	w.settle()
	w.wantLog(simstash.LevelError, "sign in again on PlexSync's page")
	w.flow("signinagain", map[string]func(){"check-title": func() { w.shows(item, map[string]string{"title": "B"}) }})
}

func TestThePageSignsInOnAPhone(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	newFirstWorld(t).flow("signinphone", nil)
}

func TestTheFormOfTheSettings(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newFreshWorld(t)
	want := map[string]any{"plexUrl": w.plexURL, "plexToken": token, "plexLibraries": "Films", "pathRules": "/data => /media",
		"fields": "title, summary, date, studio, director, performers, tags, collections, poster, rating"}
	paused := maps.Clone(want)
	paused["paused"] = true
	w.flow("settings", map[string]func(){"check-settings": w.saved(want), "check-paused": w.saved(paused)})
}

// TestThePageOpensWithTheCoverage: 39 scenes, of which five have no metadata and two are not
// in Plex, before and after the first sync.
func TestThePageOpensWithTheCoverage(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newWorld(t, nil)
	w.films(32)
	for i := range 5 {
		w.film(fmt.Sprintf("bare%d.mp4", i), simstash.Scene{})
	}
	for i := range 2 {
		w.stash.AddScene(simstash.Scene{Title: "Nowhere", Files: []*simstash.File{{Path: fmt.Sprintf("/data/none%d.mp4", i), Size: 1, Duration: 60}}})
	}
	w.flow("fresh", map[string]func(){
		"sync": func() { w.stash.RunTask("plexsync", "Sync all scenes") },
		"status": func() {
			w.task("Show status")
			w.wantLog(simstash.LevelInfo, "32 of 39 scenes are in sync: 2 not in Plex, 5 without metadata")
		},
	})
}

// without is m without an entry of this value.
func without(m map[string]any, name string, value any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		if k != name || v != value {
			out[k] = v
		}
	}
	return out
}

func TestThePageShowsAnOutage(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newWorld(t, nil)
	w.films(3)
	w.task("Sync all scenes")
	w.plex.Set(func(o *simplex.Options) { o.Down = true })
	for i := range 3 {
		w.edit(int64(i+1), map[string]any{"title": fmt.Sprintf("Edited %d, Film 1", i)})
	}
	w.settle()
	w.flow("outage", map[string]func(){"up": func() { w.plex.Set(func(o *simplex.Options) { o.Down = false }) }})
}

// TestThePageSaysWhatPlexAnswered: few edits, a failed item beside them, and a Plex that
// answers 503; then one that rejects the token.
func TestThePageSaysWhatPlexAnswered(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newWorld(t, nil)
	w.films(1)
	w.fill(`INSERT INTO dead_letter(kind, subject_id, class, error, attempts, title, first_event_at, last_event_at, died_at)
		VALUES('scene', 6000, 'rejected', 'edit item: answered 400', 1, 'Old', 1767225600000, 1767225600000, 1795000000000)`)
	w.plex.Set(func(o *simplex.Options) { o.Maintenance = true })
	w.edit(1, map[string]any{"title": "Edited"})
	w.settle()
	w.flow("answered", map[string]func(){"token": func() {
		w.plex.Set(func(o *simplex.Options) { o.Maintenance = false })
		w.set(map[string]any{"plexToken": "SECRET-wrong"})
		w.task("Process queue")
	}})
}

func TestThePageWhileADrainRuns(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newWorld(t, nil)
	w.films(80)
	w.plex.Set(func(o *simplex.Options) { o.WriteTime = 250 * time.Millisecond })
	w.flow("busy", map[string]func(){
		"start": func() { w.stash.RunTask("plexsync", "Sync all scenes") },
		"check-done": func() {
			if n := w.plex.Counts().Writes; n != 80 {
				t.Errorf("%d writes, want 80", n)
			}
		},
	})
}

func TestThePageOfAScene(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newWorld(t, map[string]any{"excludeTags": "Private"})
	_, item := w.film("a.mp4", simstash.Scene{Title: "New title"})
	w.stash.AddScene(simstash.Scene{Title: "Nowhere", Files: []*simstash.File{{Path: "/data/none.mp4", Size: 1, Duration: 60}}})
	private := w.stash.AddTag(simstash.Tag{Name: "Private"})
	w.film("c.mp4", simstash.Scene{Title: "Left alone", TagIDs: []int64{private}})
	w.film("d.mp4", simstash.Scene{})
	w.stash.AddScene(simstash.Scene{Title: "Twins", Files: []*simstash.File{{Path: "/other/twin.mp4", Size: 7, Duration: 600}}})
	var twins []string
	for _, dir := range []string{"one", "two"} {
		twins = append(twins, w.plex.AddItem(w.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/" + dir + "/twin.mp4", Size: 7, Duration: 10 * time.Minute}}}))
	}
	w.flow("scene", map[string]func(){
		"check-title": func() { w.shows(item, map[string]string{"title": "New title"}) },
		"check-twin": func() {
			w.shows(twins[1], map[string]string{"title": "Twins"})
			if it := w.item(twins[0]); it.Scalars["title"] == "Twins" {
				t.Error("the other item was written")
			}
			w.saved(map[string]any{"plexUrl": w.plexURL, "plexToken": token, "excludeTags": "Private",
				"pathRules": "/data => /media; /other/twin.mp4 => /media/two/twin.mp4"})()
		},
		"arrives": func() {
			w.plex.AddItem(w.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/none.mp4", Size: 1, Duration: time.Minute}}})
		},
	})
}

// fill puts dead letters into the database that no run would make in a test's time.
func (w *world) fill(statement string) {
	w.Helper()
	w.db() // made
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dataDir(w.dir), "plexsync.db"))
	must(w, err)
	defer db.Close()
	_, err = db.Exec(statement)
	must(w, err)
}

const someLetters = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
	INSERT INTO dead_letter(kind, subject_id, class, error, attempts, title, path, first_event_at, last_event_at, died_at)
	SELECT 'scene', i, CASE i %% 2 WHEN 0 THEN 'rejected' ELSE 'ambiguous' END, 'edit item: answered 400', 5, 'Title ' || i, '/data/' || i || '.mp4', 1767225600000, 1767225600000, 1767225600000 + i FROM n`

func TestThePageWithFiveThousandDeadLetters(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newWorld(t, nil)
	w.films(5)
	w.set(map[string]any{"dlqRetentionDays": 3650})
	w.fill(fmt.Sprintf(someLetters, 5000))
	w.fill(`INSERT INTO dead_letter(kind, subject_id, class, error, attempts, title, first_event_at, last_event_at, died_at)
		VALUES('scene', 6000, 'not_in_plex', 'Plex lacks it', 0, 'Missing', 1767225600000, 1767225600000, 1767225600000)`)
	w.fill(`INSERT INTO dead_letter(kind, subject_id, class, error, attempts, title, first_event_at, last_event_at, died_at)
		VALUES('scene', 6001, 'joined', 'its item belongs to scene 1', 0, 'Second half', 1767225600000, 1767225600000, 1767225600000)`)
	letters := func(which job.Which) int {
		_, n, err := w.db().ListLetters(context.Background(), which, store.List{Limit: 1})
		must(t, err)
		return n
	}
	w.flow("letters", map[string]func(){
		"check-retried": func() {
			w.within(time.Minute, "the letter's scene was tried", func() bool { return letters(job.Which{Subject: job.Scene(100)}) == 0 })
		},
		"check-dropped": func() {
			if n := letters(job.Which{Class: "rejected"}); n != 0 {
				t.Errorf("%d letters are left", n)
			}
			if n := letters(job.Which{Class: "ambiguous"}); n != 2499 {
				t.Errorf("of the other class %d are left, want 2499", n)
			}
		},
	})
}

func TestThePageShowsAPreview(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newWorld(t, nil)
	w.films(130)
	w.flow("preview", map[string]func(){"check-untouched": w.untouched, "check-one": func() {
		w.within(time.Minute, "the scene was written", func() bool { return w.plex.Counts().Writes == 1 })
	}, "check-all": func() {
		w.within(time.Minute, "every scene was written", func() bool { return w.plex.Counts().Writes == 130 })
	}})
}

// TestThePagePreviewsAPosterAlone: an item of which no field would change, in a preview
// and in a scene's tab.
func TestThePagePreviewsAPosterAlone(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newWorld(t, nil)
	w.films(3)
	w.task("Sync all scenes")
	w.set(map[string]any{"paused": true})
	w.edit(2, map[string]any{"cover_image": "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture(1))})
	w.settle()
	w.flow("poster", nil)
}

// TestThePageHoldsWhatFails: nothing of ours can blank a page of Stash.
func TestThePageHoldsWhatFails(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newWorld(t, nil)
	w.films(3)
	w.flow("broken", nil)
}

func TestNamesOnThePageAreText(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	const evil = `<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>`
	w := newWorld(t, map[string]any{"paused": true})
	scene, _ := w.film("a.mp4", simstash.Scene{Title: evil})
	w.edit(scene, map[string]any{"details": evil})
	w.settle()
	w.fill(`INSERT INTO dead_letter(kind, subject_id, class, error, attempts, title, path, first_event_at, last_event_at, died_at)
		VALUES('scene', 1, 'rejected', '` + evil + `', 1, '` + evil + `', '` + evil + `', 1, 1, 1)`)
	w.flow("hostile", nil)
}

func TestThePageWithABackendThatFails(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	newWorld(t, nil).flow("failing", nil)
}

func TestThePageIsGentle(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newWorld(t, nil)
	scene, _ := w.film("a.mp4", simstash.Scene{})
	w.flow("gentle", map[string]func(){"edit": func() { w.edit(scene, map[string]any{"title": "Edited"}) }})
}

func TestThePageAsksNothingInAHiddenTab(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	newWorld(t, nil).flow("hidden", nil)
}

func TestThePageOnAPhone(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newWorld(t, nil)
	w.films(3)
	w.set(map[string]any{"dlqRetentionDays": 3650})
	w.task("Sync all scenes")
	w.fill(`INSERT INTO dead_letter(kind, subject_id, class, error, attempts, title, path, first_event_at, last_event_at, died_at)
		VALUES('scene', 3, 'rejected', 'edit item: answered 400', 5, 'Title 1', '/data/a/rather/long/path/of/a/file/somewhere.mp4', 1767225600000, 1767225600000, 1767225600000)`)
	w.flow("phone", nil)
}

func TestThePageInLightColors(t *testing.T) {
	slow(t, "needs a browser")
	t.Parallel()
	w := newWorld(t, nil)
	w.films(3)
	w.set(map[string]any{"dlqRetentionDays": 3650})
	w.task("Sync all scenes")
	w.fill(fmt.Sprintf(someLetters, 3))
	w.flow("light", nil)
}

// TestTheInterfaceOfThePage: what docs/interface.md promises of the versioned calls.
func TestTheInterfaceOfThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.films(2)
	w.task("Sync all scenes")
	w.fill(fmt.Sprintf(someLetters, 3))
	logged := len(w.stash.Logs(0))
	for _, c := range []struct {
		args string
		want []string // keys of the answer's data
	}{
		{`{"mode":"overview"}`, []string{"version", "now", "queued", "classes", "ready", "problems", "breaker", "waker", "runs", "machine"}},
		{`{"mode":"history"}`, []string{"runs", "days", "outages", "mttr_seconds", "availability"}},
		{`{"mode":"queue_list","search":"x","sort":"due","desc":true}`, []string{"total", "rows"}},
		{`{"mode":"dlq_list","class":"rejected","sort":"title"}`, []string{"total", "rows", "classes"}},
		{`{"mode":"preview_list","after":1}`, []string{"scenes", "items", "first", "next"}},
		{`{"mode":"explain","scene_id":1}`, []string{"decision", "files", "steps", "items", "last"}},
		{`{"mode":"settings_test","settings":{"pathRules":"nonsense"}}`, []string{"ready", "problems", "fields", "reachable", "libraries", "folders"}},
		{`{"mode":"settings_check"}`, []string{"ready", "problems"}},
		{`{"mode":"dlq_retry","ids":[1]}`, []string{"count"}},
		{`{"mode":"dlq_drop","class":"ambiguous"}`, []string{"count"}},
		{`{"mode":"sync_scene","scene_id":1}`, []string{"count"}},
	} {
		var args map[string]any
		must(t, json.Unmarshal([]byte(c.args), &args))
		args["v"] = 1
		var answer struct {
			V    int                        `json:"v"`
			Data map[string]json.RawMessage `json:"data"`
		}
		if err := w.operation(args, &answer); err != nil || answer.V != 1 {
			t.Errorf("%s: %v, version %d", c.args, err, answer.V)
		}
		for _, key := range c.want {
			if _, ok := answer.Data[key]; !ok {
				t.Errorf("%s: the answer lacks %s", c.args, key)
			}
		}
	}
	for _, l := range w.stash.Logs(0)[logged:] {
		if strings.Contains(l.Text, "Queue:") || l.Level >= simstash.LevelWarning {
			t.Errorf("a call of the page logs: %s", l.Text)
		}
	}
	for args, want := range map[string]string{
		`{"mode":"overview","v":2}`:                       "supports version 1 of the interface",
		`{"mode":"dlq_list","v":1,"sort":"class; DROP"}`:  "must be one of",
		`{"mode":"queue_list","v":1,"show":"everything"}`: "must be one of due, leased, waiting",
		`{"mode":"preview_list","v":1,"after":-5}`:        "must be 0 or a positive integer",
	} {
		var a map[string]any
		must(t, json.Unmarshal([]byte(args), &a))
		if err := w.operation(a, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

// TestTheTypesOfThePageFitTheAnswers writes what the program really answers, in many
// states, into a program that is checked against the types in ui/ask.js. A name too many
// in an answer is an error there, as is one too few, or a null where none is promised.
func TestTheTypesOfThePageFitTheAnswers(t *testing.T) {
	slow(t, "needs npm")
	t.Parallel()
	w := newWorldWith(t, simstash.Options{Folders: []string{"/data", "/elsewhere"}}, nil)
	var program strings.Builder
	asked := map[string]bool{}
	ask := func(mode, more string) {
		t.Helper()
		args := map[string]any{}
		must(t, json.Unmarshal([]byte("{"+more+"}"), &args))
		args["mode"], args["v"] = mode, 1
		var answer struct{ Data json.RawMessage }
		must(t, w.operation(args, &answer))
		asked[mode] = true
		fmt.Fprintf(&program, "{\n  // %s {%s}\n  const answer: Calls[%q][\"data\"] = %s;\n}\n", mode, more, mode, answer.Data)
	}

	// As installed, before the first sync.
	w.set(map[string]any{"plexUrl": nil})
	ask("overview", "")
	ask("history", "")
	ask("settings_test", "")
	ask("settings_check", "")
	ask("health", "")
	w.set(map[string]any{"plexUrl": w.plexURL})
	w.plex.AddSection(simplex.SectionSpec{Title: "Empty"})
	scene, item := w.film("a.mp4", simstash.Scene{Title: "A film", Details: "Told"})
	w.film("b.mp4", simstash.Scene{Title: "Another"})
	missing := w.stash.AddScene(simstash.Scene{Title: "Nowhere", Files: []*simstash.File{{Path: "/data/none.mp4", Size: 1, Duration: 60}}})
	ask("explain", fmt.Sprintf(`"scene_id": %d`, scene))
	ask("preview_list", `"after": 0, "limit": 1`)
	ask("settings_test", `"settings": {"pathRules": "nonsense"}`)
	ask("settings_test", `"settings": {"pathRules": "/nowhere => /media"}`)
	ask("settings_test", `"offline": true`)
	ask("health", "")
	// After it: runs, the memory of what was written, a file that Plex lacks.
	w.task("Sync all scenes")
	ask("explain", fmt.Sprintf(`"scene_id": %d`, scene))
	ask("explain", fmt.Sprintf(`"scene_id": %d, "fresh": true`, missing))
	ask("queue_list", `"lacked": true`)
	ask("queue_list", "")
	w.set(map[string]any{"paused": true})
	w.edit(scene, map[string]any{"title": "A better title"})
	w.edit(2, map[string]any{"cover_image": "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture(1))})
	w.settle()
	ask("preview_list", `"after": 0, "limit": 100`)
	ask("poster", fmt.Sprintf(`"key": %q`, item))
	ask("poster", `"key": "999999"`)
	w.set(map[string]any{"paused": false})
	// Dead letters, with a history of attempts and without.
	w.fill(fmt.Sprintf(someLetters, 4))
	w.fill(`UPDATE dead_letter SET history = '[{"at":"2026-01-01T00:00:00Z","class":"busy","error":"answered 500"}]' WHERE subject_id = 2`)
	ask("dlq_list", "")
	ask("dlq_list", `"class": "rejected"`)
	ask("explain", fmt.Sprintf(`"scene_id": %d`, scene))
	ask("dlq_drop", `"class": "ambiguous"`)
	// An outage, and jobs that wait for its end.
	w.films(6)
	w.plex.Set(func(o *simplex.Options) { o.Down = true })
	w.task("Sync all scenes")
	w.task("Process queue")
	ask("overview", "")
	ask("history", "")
	ask("queue_list", "")
	ask("settings_test", "")
	ask("health", "")
	w.plex.Set(func(o *simplex.Options) { o.Down = false })
	w.task("Process queue")
	ask("overview", "")
	ask("history", "")
	ask("dlq_retry", `"class": "rejected"`)
	ask("sync_scene", fmt.Sprintf(`"scene_id": %d`, scene))

	// A sign-in that waits, one that is ready, with and without a server that can be used.
	first := newFirstWorld(t)
	w = first.world
	s, code := first.begin()
	ask("sign_in", "")
	ask("sign_in_poll", fmt.Sprintf(`"id": %d`, s.ID))
	must(t, first.tv.Confirm(code))
	first.poll(s.ID)
	ask("sign_in_poll", fmt.Sprintf(`"id": %d`, s.ID))
	ask("sign_in_choose", fmt.Sprintf(`"id": %d, "machine": "machine-1", "url": %q`, s.ID, first.secure))
	ask("sign_in_poll", `"id": 1`)

	for _, reached := range []string{`"state":"ready"`, `"state":"expired"`, `"poll_seconds":1`, `"result":"other_machine"`, `"seconds":0`, `"state":"open"`, `"next_probe"`, `"last_outage"`, `"availability":0`, `"last_class":"unreachable"`, `"dead_class"`,
		`"history":[{`, `"poster":true`, `"suggest"`, `"level":"error"`, `"may_edit":true`, `"write":"`, `"rung":"pushed"`} {
		if !strings.Contains(program.String(), reached) {
			t.Errorf("no answer has %s", reached)
		}
	}

	// What is one of a few words, and has no answer here for each.
	for _, c := range []job.Class{job.ClassUnreachable, job.ClassUnauthorized, job.ClassBusy, job.ClassNotInPlex, job.ClassAmbiguous,
		job.ClassRejected, job.ClassJoined, job.ClassGone, job.ClassUnreadable, job.ClassStashUnreachable, job.ClassInternal} {
		fmt.Fprintf(&program, "{ const class_: FailureClass = %q; }\n", c)
	}
	for r := match.RungPushed; r <= match.RungName; r++ {
		fmt.Fprintf(&program, "{ const rung: Rung = %q; }\n", r)
	}
	for _, state := range SceneState("").values() {
		fmt.Fprintf(&program, "{ const state: SceneState = %q; }\n", state)
	}
	for _, e := range Exclusion("").values() {
		fmt.Fprintf(&program, "{ const exclusion: Exclusion = %q; }\n", e)
	}
	for _, state := range SignInState("").values() {
		fmt.Fprintf(&program, "{ const state: SignInProgress[\"state\"] = %q; }\n", state)
	}
	for _, result := range AddressResult("").values() {
		fmt.Fprintf(&program, "{ const result: SignInAddress[\"result\"] = %q; }\n", result)
	}
	for _, place := range AddressPlace("").values() {
		fmt.Fprintf(&program, "{ const place: SignInAddress[\"place\"] = %q; }\n", place)
	}
	fmt.Fprintf(&program, "{ const progress: Progress = %s; }\n", asJSON(t, Progress{}))

	// Every call that is typed was made here, and is documented.
	text, err := os.ReadFile("../docs/interface.md")
	must(t, err)
	for mode := range asked {
		if !strings.Contains(string(text), "\n| `"+mode+"` |") {
			t.Errorf("docs/interface.md does not tell of %s", mode)
		}
	}
	script, err := os.ReadFile("ui/ask.js")
	must(t, err)
	_, calls, _ := strings.Cut(string(script), "@typedef {object} Calls\n")
	calls, _, _ = strings.Cut(calls, "*/")
	typed := regexp.MustCompile(`(?m)^ \* @property .* (\w+)$`).FindAllStringSubmatch(calls, -1)
	if len(typed) != len(asked) {
		t.Errorf("ui/ask.js types %d calls, %d were made here", len(typed), len(asked))
	}
	for _, m := range typed {
		if !asked[m[1]] {
			t.Errorf("%s was not asked for", m[1])
		}
	}
	check := w.typed()
	if out := check(program.String()); out != "" {
		t.Errorf("%s\n%s", out, program.String())
	}
	// The check sees what it is for.
	for what, program := range map[string]string{
		"a name too many":  `const a: Calls["dlq_drop"]["data"] = { count: 1, more: 1 };`,
		"a name too few":   `const a: Calls["settings_check"]["data"] = { ready: true };`,
		"a null":           `const a: Calls["queue_list"]["data"] = { total: 0, rows: null };`,
		"a word of no use": `const a: Breaker = { state: "half-open" };`,
		"a list that may be null, used as one that may not": `declare const a: PreviewedItem; a.changes.length;`,
	} {
		if check(program) == "" {
			t.Errorf("%s is let pass", what)
		}
	}
}

// asJSON is v as an answer holds it; a time of it is set, because none of a progress is null.
func asJSON(t testing.TB, v Progress) string {
	t.Helper()
	v.Started = Time{time.Unix(0, 0)}
	text, err := json.Marshal(v)
	must(t, err)
	return string(text)
}

// typed returns a check of a TypeScript program beside the page's scripts: what is wrong
// with its types, "" if nothing is.
func (w *world) typed() func(program string) string {
	w.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			lacks(w.T, tool)
		}
	}
	tools, err := hostPage()
	must(w, err)
	// Under the tools, where the libraries' types are found.
	dir, err := os.MkdirTemp(tools, "typed")
	must(w, err)
	must(w, os.CopyFS(filepath.Join(dir, "ui"), os.DirFS("ui")))
	must(w, os.WriteFile(filepath.Join(dir, "tsconfig.json"),
		[]byte(`{"extends": "../tsconfig.json", "compilerOptions": {"noUnusedLocals": false}, "include": ["ui/*.js", "../stash.d.ts", "program.ts"]}`), 0o600))
	return func(program string) string {
		must(w, os.WriteFile(filepath.Join(dir, "program.ts"), []byte(program), 0o600))
		cmd := exec.Command("node", filepath.Join(tools, "node_modules/typescript/bin/tsc"), "--project", dir)
		out, err := cmd.CombinedOutput()
		if err != nil && len(out) == 0 {
			return err.Error()
		}
		return string(out)
	}
}
