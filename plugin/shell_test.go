package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
)

// shell runs the command line against the world.
func (w *world) shell(args ...string) (stdout, stderr string, code int) {
	w.Helper()
	key := filepath.Join(w.dir, "key")
	must(w, os.WriteFile(key, []byte(apiKey+"\n"), 0o600))
	var out, err bytes.Buffer
	address := fmt.Sprintf("http://127.0.0.1:%d", w.port())
	code = run(append([]string{"--data", w.dir, "--stash", address, "--api-key-file", key}, args...), nil, &out, &err)
	for _, s := range w.secrets() {
		if bytes.Contains(out.Bytes(), s) || bytes.Contains(err.Bytes(), s) {
			w.Errorf("%v tells a secret", args)
		}
	}
	return out.String(), err.String(), code
}

// port is where Stash listens.
func (w *world) port() int {
	w.Helper()
	var doc struct {
		Conn struct{ Port int } `json:"server_connection"`
	}
	must(w, json.Unmarshal(w.stash.Document("plexsync", nil), &doc))
	return doc.Conn.Port
}

// says fails unless the command ends well and its output holds all of want.
func (w *world) says(args string, want ...string) {
	w.Helper()
	stdout, stderr, code := w.shell(strings.Fields(args)...)
	for _, text := range want {
		if !strings.Contains(stdout, text) {
			w.Errorf("plexsync %s does not say %q, but:\n%s", args, text, stdout)
		}
	}
	if code != 0 || stderr != "" {
		w.Errorf("plexsync %s: code %d, %s", args, code, stderr)
	}
}

func TestTheCommandLineShowsAndMends(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, simstash.Options{Username: "anna", Password: "SECRET-password", APIKey: apiKey}, map[string]any{"pathRules": nil})
	night := w.stash.AddTag(simstash.Tag{Name: "Night"})
	scene, item := w.film("a.mp4", simstash.Scene{})
	tie := w.stash.AddScene(simstash.Scene{Title: "Tie \x1b[31m", Files: []*simstash.File{{Path: "/data/tie.mp4", Size: 7, Duration: 60}}})
	for _, folder := range []string{"x", "y"} {
		w.plex.AddItem(w.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/" + folder + "/tie.mp4", Size: 7, Duration: time.Minute}}})
	}
	w.edit(tie, map[string]any{"title": "Tie \x1b[31m", "tag_ids": []int64{night}})
	w.settle()
	w.says("status", "Queue: 0 jobs", "Dead letters: 1 need review", "Plex: OK at last check", "Last run: ")
	w.says("dlq list", "ambiguous", "scene "+fmt.Sprint(tie), "Tie  [31m", "fits 2 items equally")
	w.says("dlq --class busy list", "No dead letters.")
	w.says(fmt.Sprintf("explain %d", tie), "Looked for file /data/tie.mp4 in Plex as /data/tie.mp4 (no path rule applies)",
		"Match by name and size: 2 items fit equally", "/media/x/tie.mp4", "Never written by PlexSync", "It is a failed item (ambiguous)")
	w.says("explain 99999", "Stash has no such scene")

	w.set(map[string]any{"pathRules": "/data => /media/y"})
	w.says("dlq retry", "Dead letters queued again: 1", "1 done")
	w.says("dlq list", "No dead letters.")

	w.set(map[string]any{"pathRules": "/data => /media", "paused": true})
	w.edit(scene, map[string]any{"title": "A", "details": strings.Repeat("long ", 100)})
	w.settle()
	w.says(fmt.Sprintf("explain %d", scene), "1 item would be written", "by the path rule /data => /media", "found by path", `would become "A"`, "It is queued, due")
	w.shows(item, map[string]string{"summary": ""})
	w.says("process", "Paused in the settings. Jobs waiting: 1")
	w.set(map[string]any{"paused": nil})
	w.says("process", "1 done")
	w.shows(item, map[string]string{"title": "A"})
	w.says(fmt.Sprintf("explain %d", scene), "Plex is up to date; there is nothing to write", "is up to date", "Last written on")
	w.plex.EditByPerson(item, simplex.Values{Scalars: map[string]string{"title": "Mine"}})
	w.says(fmt.Sprintf("explain %d", scene), `title: "Mine" would become "A"`, `(last written by PlexSync: "A")`)

	w.says("preview", `title: "Mine" would become "A"`, "Nothing was written")
	w.says("compare", "1 changed in Plex", "1 done")
	w.shows(item, map[string]string{"title": "A"})

	stdout, _, code := w.shell("--json", "status")
	var status struct {
		Queued  int
		Breaker struct{ State string }
	}
	if err := json.Unmarshal([]byte(stdout), &status); err != nil || code != 0 || status.Breaker.State != "closed" {
		t.Errorf("code %d, %v: %s", code, err, stdout)
	}
	if _, stderr, code := w.shell("dlq", "drop"); code != 1 || !strings.Contains(stderr, "name the dead letters to drop") {
		t.Errorf("dropping nothing: code %d, %s", code, stderr)
	}
	if _, stderr, code := w.shell("explain", "x"); code != 1 || !strings.Contains(stderr, "must be a positive integer") {
		t.Errorf("explaining x: code %d, %s", code, stderr)
	}
}

// TestNothingFromOutsideControlsTheTerminal: a title may hold escape sequences, in seven bits
// and in eight, and characters that turn the direction of what follows.
func TestNothingFromOutsideControlsTheTerminal(t *testing.T) {
	t.Parallel()
	const title = "A\x1b[2J\u009b31m\u200eB\u202eC\u2066D\u2028E\x7f 港 🏴\u200d☠️ é"
	w := newWorldWith(t, simstash.Options{Username: "anna", Password: "SECRET-password", APIKey: apiKey}, map[string]any{"pathRules": nil})
	tie := w.stash.AddScene(simstash.Scene{Title: title, Files: []*simstash.File{{Path: "/data/tie.mp4", Size: 7, Duration: 60}}})
	for _, folder := range []string{"x\u202e", "y\u009b"} {
		w.plex.AddItem(w.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/" + folder + "/tie.mp4", Size: 7, Duration: time.Minute}}})
	}
	w.edit(tie, map[string]any{"title": title})
	w.settle()
	for _, args := range [][]string{
		{"dlq", "list"}, {"explain", fmt.Sprint(tie)}, {"--json", "dlq", "list"}, {"--json", "explain", fmt.Sprint(tie)}, {"preview"}, {"status"},
		{"dlq", "\u009b31m"}, {"--data", "/none\u202e", "status"}, {"explain", "\u202e"},
	} {
		stdout, stderr, _ := w.shell(args...)
		if bad := strings.IndexFunc(stdout+stderr, func(r rune) bool { return r != '\n' && controls(r) }); bad >= 0 {
			t.Errorf("%q prints the control %q", args, (stdout + stderr)[bad:bad+4])
		}
		if args[0] == "--json" {
			var answer any
			if err := json.Unmarshal([]byte(stdout), &answer); err != nil {
				t.Errorf("%q: %v", args, err)
			}
			row, _ := answer.(map[string]any)
			if rows, ok := answer.([]any); ok && len(rows) == 1 {
				row, _ = rows[0].(map[string]any)
			}
			if scene, _ := w.stash.Scene(tie); row["title"] != scene.Title {
				t.Errorf("%q: the title is %q", args, row["title"])
			}
		}
	}
	if got, want := printable("a\tb\u009bc\u202ed\n"), `a b c\u202ed `; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheHealthCheckSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		settings map[string]any
		change   func(w *world)
		level    simstash.Level
		says     []string
	}{
		{"all is well", nil, func(*world) {}, simstash.LevelInfo,
			[]string{"Database: ", "Settings: every value is valid", "Stash: v0.30.1 answers", "Plex: version 1.43", "Token: \"Simplex\" accepts the token, and it may edit",
				"Libraries: syncing \"Films\"", "Folders: every Stash folder", "Paths: of 3 scenes, Plex has 3 under the expected path"}},
		{"Plex is down", nil, func(w *world) { w.plex.Set(func(o *simplex.Options) { o.Down = true }) }, simstash.LevelError,
			[]string{"Plex: identify Plex: ", "Is Plex running"}},
		{"Plex starts", nil, func(w *world) { w.plex.Set(func(o *simplex.Options) { o.Maintenance = true }) }, simstash.LevelError,
			[]string{"answered 503. Plex is starting"}},
		{"a wrong token", map[string]any{"plexToken": token + "x"}, func(*world) {}, simstash.LevelError, []string{"Token: ", "sign in again on PlexSync's page"}},
		{"another's token", nil, func(w *world) { w.plex.Set(func(o *simplex.Options) { o.NotOwner = true }) }, simstash.LevelError,
			[]string{"it is not the owner's"}},
		{"an unknown library", map[string]any{"plexLibraries": "Flims"}, func(*world) {}, simstash.LevelError, []string{`no movie library "Flims"; it has "Films"`}},
		{"no path rule", map[string]any{"pathRules": nil}, func(*world) {}, simstash.LevelWarning,
			[]string{"Stash's folder /data maps to /data in Plex (no path rule applies), but Plex's folders are /media", "under another. Set pathRules to /data => /media"}},
		{"another's path rule", map[string]any{"pathRules": "/data => /films"}, func(*world) {}, simstash.LevelWarning, []string{"by the path rule /data => /films"}},
		{"nothing is set", map[string]any{"plexUrl": nil, "plexToken": nil}, func(*world) {}, simstash.LevelError, []string{"Settings: plexUrl: is empty", "Settings: plexToken: is empty"}},
		{"bad values", map[string]any{"maxRetries": 1000.0, "paused": true, "color": "red"}, func(*world) {}, simstash.LevelWarning,
			[]string{"Settings: maxRetries: 1000 is not between", "ignoring unknown settings color", "paused is on"}},
		{"an old Plex", nil, func(w *world) { w.plex.Set(func(o *simplex.Options) { o.Version = "1.30.0" }) }, simstash.LevelError, []string{"needs 1.32 or newer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.settings)
			for i := range 3 {
				w.film(fmt.Sprintf("Harbour/%d.mp4", i), simstash.Scene{Title: "?"})
			}
			c.change(w)
			w.task("Health check")
			for _, text := range c.says {
				w.wantLog(c.level, text)
			}
			if n := w.plex.Counts(); n.Writes+n.Uploads+n.Scans != 0 {
				t.Errorf("it wrote to Plex: %v", n.ByRoute)
			}
			var r Health
			must(t, w.operation(map[string]any{"mode": "health"}, &r))
			if r.OK != (c.level != simstash.LevelError) || len(r.Checks) < 3 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestTheFolderThatIsSuggestedEndsLikeOurs(t *testing.T) {
	folders := []string{"/media/a", "/media/Films/2019", `E:\videos\films`}
	for ours, want := range map[string]string{
		"/data/films/2019": "/media/Films/2019", `D:\videos\films`: `E:\videos\films`, "/data/2019": "/media/Films/2019", "/data": "/media/a",
	} {
		if got := closestFolder(ours, folders); got != want {
			t.Errorf("%s: %s, want %s", ours, got, want)
		}
	}
}

// TestTheShellSaysThatAKeyIsMissing, and not that one is wrong.
func TestTheShellSaysThatAKeyIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, simstash.Options{Username: "anna", Password: "SECRET-password", APIKey: apiKey}, nil)
	scene, _ := w.film("a.mp4", simstash.Scene{Title: "A"})
	w.edit(scene, map[string]any{"title": "B"})
	w.settle()
	wrong := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(wrong, []byte("wrong"), 0o600))
	for _, c := range []struct {
		key  []string
		says string
	}{
		{nil, "Stash asks for a login. Put Stash's API key, which it shows under Settings > Security, in a file and name the file with --api-key-file"},
		{[]string{"--api-key-file", wrong}, "Stash no longer accepts the session or API key"},
	} {
		var out, err bytes.Buffer
		args := append([]string{"--data", w.dir, "--stash", fmt.Sprintf("http://127.0.0.1:%d", w.port())}, c.key...)
		if code := run(append(args, "explain", fmt.Sprint(scene)), nil, &out, &err); code == 0 || !strings.Contains(err.String(), c.says) {
			t.Errorf("with %v: code %d, %s", c.key, code, &err)
		}
	}
}
