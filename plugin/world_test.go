package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
)

// TestMain lets the simulated Stash launch this test binary as the plugin: what it
// runs under the name plexsync is our own main, race detector and all.
func TestMain(m *testing.M) {
	if name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe"); name == "plexsync" {
		main()
	}
	// No test asks the real plex.tv.
	os.Setenv(tvVariable, "http://127.0.0.1:1")
	// Most of these tests wait for processes, and some for minutes.
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		f.Value.Set(strconv.Itoa(6 * runtime.GOMAXPROCS(0)))
	}
	code := m.Run()
	if hostPageDir != "" {
		os.RemoveAll(hostPageDir)
	}
	os.Exit(code)
}

// token is marked so that a search finds it wherever it should not be.
const (
	token  = "SECRET-plex-token-4711"
	apiKey = "SECRET-stash-key-4712"
)

// world is a Stash and a Plex that see the same files under different paths, with
// the plugin installed and set up.
type world struct {
	*testing.T
	stash    *simstash.Server
	plex     *simplex.Server
	plexURL  string
	section  string
	dir      string // of Stash's config
	settings map[string]any
}

// newWorld starts both servers. settings are added to the three that a person must
// set.
func newWorld(t *testing.T, settings map[string]any) *world {
	t.Helper()
	return newWorldWith(t, simstash.Options{}, settings)
}

// newWorldWith is newWorld with a Stash that has, say, a login.
func newWorldWith(t *testing.T, o simstash.Options, settings map[string]any) *world {
	t.Helper()
	w := newBareWorld(t, o)
	plugin := filepath.Join(w.dir, "plugins", "plexsync")
	must(t, os.MkdirAll(plugin, 0o755))
	yml, err := os.ReadFile("../plexsync.yml")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(plugin, "plexsync.yml"), yml, 0o644))
	self, err := os.Executable()
	must(t, err)
	exe := "plexsync"
	if runtime.GOOS == "windows" {
		exe += ".exe"
	}
	must(t, os.Symlink(self, filepath.Join(plugin, exe)))
	// Relative, so that Stash gives us a relative PluginDir.
	must(t, w.stash.LoadPlugin("plugins"))
	w.set(settings)
	return w
}

// newBareWorld is a world in which the plugin has yet to be installed.
func newBareWorld(t *testing.T, o simstash.Options) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir()}
	w.plex = simplex.New(simplex.Options{Token: token})
	w.section = w.plex.AddSection(simplex.SectionSpec{Title: "Films", Locations: []string{"/media"}})
	var stop func()
	w.plexURL, stop = w.plex.Start()
	// A process under the race detector sleeps for a second before it ends.
	env := append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	o.Dir, o.Cwd, o.Env = w.dir, w.dir, append(env, o.Env...)
	w.stash = simstash.New(o)
	w.stash.Start()
	t.Cleanup(func() {
		w.stash.Close()
		killWakers(t, w.dir)
		stop()
		for _, v := range w.plex.Violations() {
			t.Errorf("Plex was misused: %+v", v)
		}
		w.noSecrets()
	})
	w.settings = map[string]any{"plexUrl": w.plexURL, "plexToken": token, "pathRules": "/data => /media"}
	return w
}

// wakers lists the wakers that were started below dir.
func wakers(t testing.TB, dir string) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cwd")
	must(t, err)
	for _, link := range all {
		if cwd, err := os.Readlink(link); err != nil || cwd != dir {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		if err != nil || string(line) != "plexsync\x00waker\x00" {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// killWakers ends what outlives the plugin's processes on purpose.
func killWakers(t testing.TB, dir string) {
	t.Helper()
	for range 3 { // one may be about to begin
		for _, pid := range wakers(t, dir) {
			if p, err := os.FindProcess(pid); err == nil {
				p.Kill()
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// set changes settings; nil takes one away.
func (w *world) set(settings map[string]any) {
	maps.Copy(w.settings, settings)
	maps.DeleteFunc(w.settings, func(_ string, v any) bool { return v == nil })
	w.stash.SetPluginSettings("plexsync", w.settings)
}

// film puts a scene into Stash, as if it had always been there, and its file into
// Plex.
func (w *world) film(name string, s simstash.Scene) (scene int64, item string) {
	w.Helper()
	size, length := int64(1000+len(name)), 10*time.Minute
	s.Files = []*simstash.File{{Path: "/data/" + name, Size: size, Duration: length.Seconds()}}
	scene = w.stash.AddScene(s)
	item = w.plex.AddItem(w.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/" + name, Size: size, Duration: length}}})
	return scene, item
}

// edit changes a scene as a person does.
func (w *world) edit(scene int64, fields map[string]any) {
	w.Helper()
	must(w, w.stash.EditScene(scene, fields))
}

// mutate sends a mutation as the page does.
func (w *world) mutate(query string, vars map[string]any) {
	w.Helper()
	must(w, w.stash.Query(context.Background(), query, vars, nil))
}

// settle waits until Stash has no task left.
func (w *world) settle() {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := w.stash.WaitIdle(ctx); err != nil {
		w.Fatalf("Stash's tasks do not end: %v\n%s", err, w.log())
	}
}

// task runs a task of the plugin's and waits for its end.
func (w *world) task(name string) {
	w.Helper()
	w.stash.RunTask("plexsync", name)
	w.settle()
}

// operation runs an operation of the plugin's and decodes its output into out.
func (w *world) operation(args map[string]any, out any) error {
	var answer struct {
		RunPluginOperation json.RawMessage `json:"runPluginOperation"`
	}
	err := w.stash.Query(context.Background(), `mutation($a: Map!){ runPluginOperation(plugin_id: "plexsync", args: $a) }`,
		map[string]any{"a": args}, &answer)
	if err == nil && out != nil {
		err = json.Unmarshal(answer.RunPluginOperation, out)
	}
	return err
}

// item is what Plex shows.
func (w *world) item(key string) simplex.Item {
	w.Helper()
	it, ok := w.plex.Item(key)
	if !ok {
		w.Fatalf("Plex has no item %s", key)
	}
	return it
}

// names are the elements of a list of an item, sorted.
func names(it simplex.Item, list string) string {
	var all []string
	for _, t := range it.Tags[list] {
		all = append(all, t.Name)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// shows compares fields of an item, lists written as names sorted and joined.
func (w *world) shows(key string, want map[string]string) {
	w.Helper()
	it := w.item(key)
	for field, value := range want {
		got := it.Scalars[field]
		if _, ok := it.Tags[field]; ok {
			got = names(it, field)
		}
		if got != value {
			w.Errorf("item %s: %s is %q, want %q\n%s", key, field, got, value, w.log())
		}
	}
}

// log is the plugin's part of Stash's log.
func (w *world) log() string {
	var b strings.Builder
	for _, l := range w.stash.Logs(0) {
		fmt.Fprintf(&b, "%s: %s\n", l.Level, l.Text)
	}
	return b.String()
}

// logged reports whether a line of the level holds text.
func (w *world) logged(level simstash.Level, text string) bool {
	return slices.ContainsFunc(w.stash.Logs(level), func(l simstash.LogLine) bool {
		return l.Level == level && strings.Contains(l.Text, text)
	})
}

// wantLog fails unless a line of the level holds text.
func (w *world) wantLog(level simstash.Level, text string) {
	w.Helper()
	if !w.logged(level, text) {
		w.Errorf("no line at level %s holds %q; the log is:\n%s", level, text, w.log())
	}
}

// db opens the plugin's database beside it.
func (w *world) db() *store.Store {
	w.Helper()
	s, err := store.Open(context.Background(), filepath.Join(w.dir, "plexsync"), time.Now())
	must(w, err)
	w.Cleanup(func() { s.Close() })
	return s
}

// queued is how many jobs the queue holds.
func (w *world) queued() int {
	w.Helper()
	c, err := w.db().Counts(context.Background(), time.Now())
	must(w, err)
	return c.Queued
}

// secrets are all that must never be told: what is set, and the session of each run.
func (w *world) secrets() [][]byte {
	all := [][]byte{[]byte(token), []byte(apiKey), []byte("SECRET-")}
	for _, r := range w.stash.PluginRuns() {
		var doc struct {
			Conn struct{ SessionCookie struct{ Value string } } `json:"server_connection"`
		}
		if json.Unmarshal(r.Document, &doc) == nil && doc.Conn.SessionCookie.Value != "" {
			all = append(all, []byte(doc.Conn.SessionCookie.Value))
		}
	}
	return all
}

// noSecrets searches everything that the plugin printed or wrote.
func (w *world) noSecrets() {
	w.Helper()
	secrets := w.secrets()
	search := func(where string, text []byte) {
		for _, s := range secrets {
			if bytes.Contains(text, s) {
				w.Errorf("a secret is %s: %q", where, s)
			}
		}
	}
	for _, r := range w.stash.PluginRuns() {
		search("on stdout of a "+r.Kind, r.Stdout)
		search("on stderr of a "+r.Kind, r.Stderr)
	}
	must(w, filepath.WalkDir(dataDir(w.dir), func(path string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) || err == nil && d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		search("in "+path, data)
		return err
	}))
}

// picture makes a PNG that differs for each seed.
func picture(seed int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 16, 9))
	for i := range img.Pix {
		img.Pix[i] = byte(i * (seed + 1))
	}
	img.Set(0, 0, color.RGBA{byte(seed), 1, 2, 255})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}
