package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
)

// TestNoSecretIsTold runs everything that the plugin can do, with a login, with each
// kind of failure, verbosely, and looks for the token, the session and the API key in
// all that it prints, writes and shows in process lists. (What was printed and written
// is searched at the end of every test, and the simulated Plex reports a token in a
// URL.)
func TestNoSecretIsTold(t *testing.T) {
	slow(t, "runs everything that the plugin can do")
	t.Parallel()
	w := newWorldWith(t, simstash.Options{Username: "anna", Password: "SECRET-password", APIKey: apiKey}, map[string]any{"verbose": true, "fields": "all"})

	// Process lists and environments, while everything below happens.
	stop, seen := make(chan struct{}), 0
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			all, _ := filepath.Glob("/proc/[0-9]*/cwd")
			for _, link := range all {
				if cwd, err := os.Readlink(link); err != nil || cwd != w.dir {
					continue
				}
				seen++
				for _, name := range []string{"cmdline", "environ"} {
					text, _ := os.ReadFile(filepath.Join(filepath.Dir(link), name))
					for _, s := range w.secrets() {
						if bytes.Contains(text, s) {
							t.Errorf("a secret is in the %s of a process", name)
						}
					}
				}
			}
		}
	})

	jane := w.stash.AddPerformer(simstash.Performer{Name: "Jane", Image: picture(3)})
	var scenes []int64
	for i := range 6 {
		scene, _ := w.film(fmt.Sprintf("%d.mp4", i), simstash.Scene{Cover: picture(i), PerformerIDs: []int64{jane}})
		scenes = append(scenes, scene)
	}
	edit := func(title string) {
		for _, scene := range scenes {
			w.edit(scene, map[string]any{"title": title})
		}
		w.settle()
	}
	edit("First")
	echo := "<html>X-Plex-Token: " + token + " " + apiKey + "</html>"
	for _, r := range []simplex.Rule{
		{Count: 20, Status: 500, Body: echo}, {Count: 20, Status: 401, Body: echo}, {Count: 20, Status: 400, Body: echo},
		{Count: 20, Status: 200, Body: echo}, {Count: 20, RedirectTo: "http://127.0.0.1:1/?X-Plex-Token=" + token}, {Count: 20, Cut: true}, {Count: 20, ResetAfter: true},
	} {
		w.plex.Script(r)
		edit("Then " + fmt.Sprint(r.Status, r.Cut))
		w.task("Process queue")
		w.plex.ClearScript()
	}
	for _, f := range []simstash.Fault{
		{Path: "/graphql", Status: 500, Body: echo, Count: 3}, {Path: "/graphql", Status: 401, Body: echo, Count: 3}, {Path: "/graphql", GraphQLError: "database is locked", Count: 3},
		{Path: "/graphql", Garble: true, Count: 3}, {Path: "/graphql", CutBody: true, Count: 3},
	} {
		w.stash.Script(f)
		w.task("Process queue")
		w.stash.ClearScript()
	}
	// An address with the token in it, a token that is none, and none at all.
	for _, s := range []map[string]any{
		{"plexUrl": w.plexURL + "/?X-Plex-Token=" + token}, {"plexUrl": "http://" + token + "@" + strings.TrimPrefix(w.plexURL, "http://")},
		{"plexUrl": w.plexURL, "plexToken": token + " " + token}, {"plexToken": map[string]any{"x": token}}, {"plexToken": token + "wrong"},
	} {
		w.set(s)
		for _, task := range []string{"Process queue", "Health check", "Show status"} {
			w.task(task)
		}
	}
	w.set(map[string]any{"plexUrl": w.plexURL, "plexToken": token})
	for _, task := range manifest(t, `(?m)^  - name: (.+)\n    description: .+\n    defaultArgs`) {
		w.task(task)
	}
	for mode := range modes() {
		if mode != "queue_clear" && mode != "dlq_clear" {
			w.operation(map[string]any{"mode": mode, "scene_id": scenes[0], "ids": []int64{1}, "secret": token}, nil)
		}
	}
	for _, args := range [][]string{{"status"}, {"health"}, {"dlq", "list"}, {"process"}, {"explain", fmt.Sprint(scenes[0])}, {"--json", "status"}} {
		w.shell(args...)
	}
	close(stop)
	watching.Wait()
	if seen < 20 {
		t.Errorf("only %d looks at processes: the test does not test", seen)
	}
	must(t, filepath.WalkDir(dataDir(w.dir), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return nil // side files of the database come and go
		}
		info, err := d.Info()
		if want := map[bool]os.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has the mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return nil
	}))
}

// TestHiddenNamesAreHiddenEverywhereInTheLog, and each always by the same tag.
func TestHiddenNamesAreHiddenEverywhereInTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"hidePaths": true, "verbose": true, "pathRules": "/data => /media/HIDE-y", "excludeTags": "HIDE-excluded"})
	scene, item := w.film("HIDE-dir/HIDE-a.mp4", simstash.Scene{})
	w.plex.AddItem(w.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/HIDE-x/HIDE-b.mp4", Size: 3}}})
	w.plex.AddItem(w.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/HIDE-z/HIDE-b.mp4", Size: 3}}})
	tie := w.stash.AddScene(simstash.Scene{Files: []*simstash.File{{Path: "/data/HIDE-b.mp4", Size: 3, Duration: 5}}})
	missing := w.stash.AddScene(simstash.Scene{Files: []*simstash.File{{Path: "/data/HIDE-c.mp4", Size: 4, Duration: 5}}})
	tag := w.stash.AddTag(simstash.Tag{Name: "HIDE-excluded"})
	for _, id := range []int64{scene, tie, missing} {
		w.edit(id, map[string]any{"title": "HIDE-title"})
	}
	w.settle()
	w.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + item, Status: 400, Count: -1})
	w.edit(scene, map[string]any{"title": "HIDE-other", "details": strings.Repeat("HIDE-text ", 3000)})
	w.settle()
	w.edit(tie, map[string]any{"tag_ids": []int64{tag}})
	w.settle()
	w.task("Show status")
	w.task("Process queue")
	for _, r := range w.stash.PluginRuns() {
		if bytes.Contains(r.Stderr, []byte("HIDE-")) {
			t.Errorf("a name is in the log: %q", r.Stderr)
		}
	}
	w.wantLog(simstash.LevelWarning, "‹")
}
