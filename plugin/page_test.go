package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
)

// hostPageDir is what TestMain removes at the end.
var hostPageDir string

// hostPage builds the page that stands for Stash's, once.
var hostPage = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "plexsync-page"); err != nil {
		return dir, err
	}
	hostPageDir = dir
	if err := os.CopyFS(dir, os.DirFS("testdata/page")); err != nil {
		return dir, err
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

// flow opens the world's Stash in a browser and goes through one of flows.mjs. steps
// are what it can have done meanwhile.
func (w *world) flow(name string, steps map[string]func()) {
	w.Helper()
	chromium := ""
	for _, c := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(c); err == nil {
			chromium = path
			break
		}
	}
	if chromium == "" {
		lacks(w.T, "a browser (chromium)")
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
	for path, file := range map[string]string{"/host.js": dir + "/host.js", "/host.css": dir + "/host.css", "/plexsync.js": "ui/plexsync.js", "/plexsync.css": "ui/plexsync.css"} {
		mux.HandleFunc(path, func(rw http.ResponseWriter, r *http.Request) { http.ServeFile(rw, r, file) })
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
			<link rel="icon" href="data:,"><link rel="stylesheet" href="/host.css"><link rel="stylesheet" href="/plexsync.css"></head>
			<body><div id="root"></div><script src="/host.js"></script><script src="/plexsync.js"></script><script>drawStash()</script></body></html>`)
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
	cmd := exec.CommandContext(ctx, "node", "flows.mjs", name, server.URL, shots)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "PLEX="+w.plexURL, "TOKEN="+token)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("%s: %v\n%s\n%s", name, err, out, w.log())
	}
}

// films puts n scenes with their items into the world.
func (w *world) films(n int) {
	w.Helper()
	for i := range n {
		w.film(fmt.Sprintf("film%03d.mp4", i), simstash.Scene{Title: fmt.Sprintf("Film %d", i)})
	}
}

func TestThePageSetsPlexSyncUp(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, simstash.Options{Folders: []string{"/data"}}, map[string]any{"plexUrl": nil, "plexToken": nil, "pathRules": nil})
	w.films(3)
	w.plex.AddSection(simplex.SectionSpec{Title: "Others", Locations: []string{"/others"}})
	want := map[string]any{"plexUrl": w.plexURL, "plexToken": token, "plexLibraries": "Films", "pathRules": "/data => /media",
		"fields": "title, summary, date, studio, director, performers, tags, collections, poster, rating"}
	saved := func(more map[string]any) func() {
		return func() {
			var got struct {
				Configuration struct{ Plugins map[string]map[string]any }
			}
			must(t, w.stash.Query(context.Background(), `{ configuration { plugins } }`, nil, &got))
			all := map[string]any{}
			for k, v := range want {
				all[k] = v
			}
			for k, v := range more {
				all[k] = v
			}
			if s := got.Configuration.Plugins["plexsync"]; !reflect.DeepEqual(s, all) && !reflect.DeepEqual(without(s, "paused", false), all) {
				t.Errorf("saved are %v, want %v", s, all)
			}
		}
	}
	w.flow("setup", map[string]func(){"check-settings": saved(nil), "check-paused": saved(map[string]any{"paused": true})})
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
	t.Parallel()
	w := newWorld(t, nil)
	w.films(3)
	w.plex.Set(func(o *simplex.Options) { o.Down = true })
	w.task("Sync all scenes")
	for range 6 {
		w.task("Process queue")
	}
	w.flow("outage", map[string]func(){"up": func() { w.plex.Set(func(o *simplex.Options) { o.Down = false }) }})
}

func TestThePageWhileADrainRuns(t *testing.T) {
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
	t.Parallel()
	w := newWorld(t, map[string]any{"excludeTags": "Private"})
	_, item := w.film("a.mp4", simstash.Scene{Title: "New title"})
	w.stash.AddScene(simstash.Scene{Title: "Nowhere", Files: []*simstash.File{{Path: "/data/none.mp4", Size: 1, Duration: 60}}})
	private := w.stash.AddTag(simstash.Tag{Name: "Private"})
	w.film("c.mp4", simstash.Scene{Title: "Left alone", TagIDs: []int64{private}})
	w.flow("scene", map[string]func(){"check-title": func() { w.shows(item, map[string]string{"title": "New title"}) }})
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
	t.Parallel()
	w := newWorld(t, nil)
	w.films(5)
	w.set(map[string]any{"dlqRetentionDays": 3650})
	w.fill(fmt.Sprintf(someLetters, 5000))
	w.fill(`INSERT INTO dead_letter(kind, subject_id, class, error, attempts, title, first_event_at, last_event_at, died_at)
		VALUES('scene', 6000, 'not_in_plex', 'Plex lacks it', 0, 'Missing', 1767225600000, 1767225600000, 1767225600000)`)
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
	t.Parallel()
	w := newWorld(t, nil)
	w.films(130)
	w.flow("preview", map[string]func(){"check-untouched": func() {
		if n := w.plex.Counts().Writes; n != 0 {
			t.Errorf("the preview made %d writes", n)
		}
	}})
}

func TestNamesOnThePageAreText(t *testing.T) {
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
	t.Parallel()
	newWorld(t, nil).flow("failing", nil)
}

func TestThePageIsGentle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	scene, _ := w.film("a.mp4", simstash.Scene{})
	w.flow("gentle", map[string]func(){"edit": func() { w.edit(scene, map[string]any{"title": "Edited"}) }})
}

func TestThePageOnAPhone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.films(3)
	w.flow("phone", nil)
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
		`{"mode":"overview","v":2}`:                       "speaks version 1 of the interface",
		`{"mode":"dlq_list","v":1,"sort":"class; DROP"}`:  "must be one of",
		`{"mode":"queue_list","v":1,"show":"everything"}`: "must be one of due, leased, waiting",
		`{"mode":"preview_list","v":1,"after":-5}`:        "must be a positive whole number",
	} {
		var a map[string]any
		must(t, json.Unmarshal([]byte(args), &a))
		if err := w.operation(a, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
