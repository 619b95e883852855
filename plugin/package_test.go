package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"gopkg.in/yaml.v2"
)

// packaged is the folder with plexsync.zip, index.yml and bin, as ./build.sh package
// makes it.
func packaged(t *testing.T) string {
	t.Helper()
	slow(t, "needs a built package")
	dir := os.Getenv("PLEXSYNC_PACKAGE")
	if dir == "" {
		t.Skip("no package was built; ./build.sh test builds it and sets PLEXSYNC_PACKAGE")
	}
	return dir
}

// lacks skips the test for want of something, except where everything must be there.
func lacks(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("PLEXSYNC_ALL") != "" {
		t.Fatalf("%s is missing", what)
	}
	t.Skipf("%s is missing; .ci/run installs it", what)
}

// TestTheIndexIsOneThatStashReads parses it with Stash's library into Stash's types,
// and installs nothing that Stash would trip over.
func TestTheIndexIsOneThatStashReads(t *testing.T) {
	dir := packaged(t)
	text, err := os.ReadFile(filepath.Join(dir, "index.yml"))
	must(t, err)
	var list []struct {
		ID       string         `yaml:"id"`
		Name     string         `yaml:"name"`
		Version  string         `yaml:"version"`
		Date     string         `yaml:"date"`
		Path     string         `yaml:"path"`
		Sha256   string         `yaml:"sha256"`
		Requires []string       `yaml:"requires"`
		Metadata map[string]any `yaml:"metadata"`
	}
	must(t, yaml.UnmarshalStrict(text, &list))
	if len(list) != 1 || list[0].ID != "plexsync" || list[0].Name != "PlexSync" || list[0].Requires == nil || list[0].Metadata["description"] == nil {
		t.Fatalf("the index is %+v", list)
	}
	if _, err := time.Parse("2006-01-02 15:04:05", list[0].Date); err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, list[0].Path))
	must(t, err)
	if sum := fmt.Sprintf("%x", sha256.Sum256(data)); sum != list[0].Sha256 {
		t.Errorf("the zip's sum is %s, the index says %s", sum, list[0].Sha256)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	must(t, err)
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		program := strings.HasPrefix(f.Name, "plexsync") && !strings.Contains(f.Name, ".") || f.Name == "plexsync.exe"
		want := fs.FileMode(0o644)
		if program {
			want = 0o755
		}
		if f.Mode() != want {
			t.Errorf("%s has the mode %v, want %v", f.Name, f.Mode(), want)
		}
		if strings.HasSuffix(f.Name, ".yml") && f.Name != "plexsync.yml" || strings.ContainsAny(f.Name, `/\`) {
			t.Errorf("%s does not belong there", f.Name)
		}
	}
	wanted := slices.Concat([]string{"LICENSE", "plexsync", "plexsync.yml"}, uiFiles(t, "javascript"), uiFiles(t, "css"))
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			t.Errorf("the package lacks %s: %v", name, names)
		}
	}
	if os.Getenv("PLEXSYNC_ALL") != "" {
		for _, name := range []string{"plexsync-linux-amd64", "plexsync-linux-arm64", "plexsync-linux-armv7", "plexsync.exe"} {
			if !slices.Contains(names, name) {
				t.Errorf("the package lacks %s: %v", name, names)
			}
		}
	}
}

// source serves a package, and a later one that has another file and lacks one.
type source struct {
	*httptest.Server
	later bool
}

func newSource(t *testing.T, dir string) *source {
	t.Helper()
	index, err := os.ReadFile(filepath.Join(dir, "index.yml"))
	must(t, err)
	first, err := os.ReadFile(filepath.Join(dir, "plexsync.zip"))
	must(t, err)
	var changed bytes.Buffer
	z, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	must(t, err)
	out := zip.NewWriter(&changed)
	for _, f := range z.File {
		if f.Name == "LICENSE" {
			f.Name = "LICENCE"
		}
		in, err := f.Open()
		must(t, err)
		h := &zip.FileHeader{Name: f.Name, Method: zip.Deflate}
		h.SetMode(f.Mode())
		w, err := out.CreateHeader(h)
		must(t, err)
		_, err = io.Copy(w, in)
		must(t, err)
	}
	must(t, out.Close())
	s := &source{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/source/index.yml" && s.later:
			fmt.Fprintf(w, "- id: plexsync\n  name: PlexSync\n  version: 99.0.0-abcdef0\n  date: \"2099-01-02 03:04:05\"\n  path: plexsync.zip\n  sha256: %x\n", sha256.Sum256(changed.Bytes()))
		case r.URL.Path == "/source/index.yml":
			w.Write(index)
		case r.URL.Path == "/source/plexsync.zip" && s.later:
			w.Write(changed.Bytes())
		case r.URL.Path == "/source/plexsync.zip":
			w.Write(first)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestAsAUserInstallsUpdatesAndUninstalls goes through a package manager that works
// as Stash's does.
func TestAsAUserInstallsUpdatesAndUninstalls(t *testing.T) {
	t.Parallel()
	src := newSource(t, packaged(t))
	w := newBareWorld(t, simstash.Options{})
	ctx, index := context.Background(), src.URL+"/source/index.yml"
	must(t, os.Mkdir(filepath.Join(w.dir, "plugins"), 0o755))
	must(t, w.stash.LoadPlugin("plugins"))
	w.stash.AddPackageSource(index, "plexsync-source")
	install := func() {
		t.Helper()
		must(t, w.stash.InstallPackage(ctx, index, "plexsync"))
	}
	install()
	scene, item := w.film("a.mp4", simstash.Scene{})

	// Before it is set up it says what to do, and keeps the edit.
	w.edit(scene, map[string]any{"title": "Early"})
	w.settle()
	w.wantLog(simstash.LevelError, "Set it up in Settings > Plugins > PlexSync; until then, edits are queued. plexUrl: is empty")
	told := len(w.stash.Logs(simstash.LevelError))
	w.set(nil)
	w.task("Process queue")
	w.shows(item, map[string]string{"title": "Early"})
	w.edit(scene, map[string]any{"title": "One"})
	w.settle()
	w.shows(item, map[string]string{"title": "One"})
	if up, err := w.stash.Upgradable(ctx, index, "plexsync"); up || err != nil {
		t.Errorf("an update is offered: %v, %v", up, err)
	}

	// An update comes while a waker lives, because Plex is out. A file of the user's
	// own, and our data, survive it.
	w.plex.Set(func(o *simplex.Options) { o.Down = true })
	w.edit(scene, map[string]any{"title": "Two"})
	w.settle()
	w.within(time.Minute, "a waker lives", func() bool { return len(wakers(t, w.dir)) == 1 })
	before := wakers(t, w.dir)
	dir := filepath.Join(w.dir, "plugins", "plexsync-source", "plexsync")
	must(t, os.WriteFile(filepath.Join(dir, "mine.txt"), nil, 0o644))
	src.later = true
	if up, err := w.stash.Upgradable(ctx, index, "plexsync"); !up || err != nil {
		t.Errorf("no update is offered: %v, %v", up, err)
	}
	install()
	for name, want := range map[string]bool{"LICENCE": true, "LICENSE": false, "mine.txt": true, "plexsync": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("after the update, %s: %v", name, err)
		}
	}
	w.within(2*time.Minute, "the waker is that of the update", func() bool {
		now := wakers(t, w.dir)
		return len(now) == 1 && now[0] != before[0]
	})
	w.plex.Set(func(o *simplex.Options) { o.Down = false })
	w.task("Process queue")
	w.shows(item, map[string]string{"title": "Two"})

	// Uninstalled, nothing of it is left in the plugins folder, and no edit hurts.
	must(t, os.Remove(filepath.Join(dir, "mine.txt")))
	must(t, w.stash.UninstallPackage(index, "plexsync"))
	if _, err := os.Stat(dir); err == nil {
		left, _ := os.ReadDir(dir)
		t.Errorf("left behind: %v", left)
	}
	w.edit(scene, map[string]any{"title": "Unseen"})
	w.settle()
	w.shows(item, map[string]string{"title": "Two"})
	w.within(2*time.Minute, "the waker has ended", func() bool { return len(wakers(t, w.dir)) == 0 })

	// Installed again, settings and memory are there: one write, not one too many.
	install()
	w.plex.ResetCounts()
	w.task("Sync all scenes")
	w.shows(item, map[string]string{"title": "Unseen"})
	w.task("Sync all scenes")
	if n := w.plex.Counts().Writes; n != 1 {
		t.Errorf("%d writes after the reinstallation, want 1", n)
	}
	for _, l := range w.stash.Logs(simstash.LevelError)[told:] {
		t.Errorf("error: %s", l.Text)
	}
}

// TestOlderAndNewerDatabases: what an earlier version left is taken over, what a later
// one left is refused with a word about it, and not touched.
func TestOlderAndNewerDatabases(t *testing.T) {
	t.Parallel()
	for name, schema := range map[string]int{"older": 1, "newer": 99} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			scene, item := w.film("a.mp4", simstash.Scene{Title: "Waited"})
			must(t, os.Mkdir(dataDir(w.dir), 0o700))
			path := filepath.Join(dataDir(w.dir), "plexsync.db")
			first, err := os.ReadFile("../internal/store/migrations/0001.sql")
			must(t, err)
			db, err := sql.Open("sqlite3", path)
			must(t, err)
			_, err = db.Exec(string(first) + fmt.Sprintf(`; PRAGMA journal_mode=WAL; PRAGMA user_version=%d;
				INSERT INTO job(kind, subject_id, priority, due_at, first_event_at, last_event_at) VALUES('scene', %d, 0, 1000, 1000, 1000)`, schema, scene))
			must(t, err)
			must(t, db.Close())
			before, err := os.ReadFile(path)
			must(t, err)
			w.task("Process queue")
			if name == "older" {
				w.shows(item, map[string]string{"title": "Waited"})
				return
			}
			w.wantLog(simstash.LevelError, "it was written by a newer PlexSync (schema 99, this one supports")
			w.edit(scene, map[string]any{"title": "Edited"}) // Stash saves all the same
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed: %v", err)
			}
			if all, err := filepath.Glob(path + ".*"); err != nil || len(all) > 0 {
				t.Errorf("beside it lie %v", all)
			}
		})
	}
}

// hookIn runs a program as Stash does for an edit, where the folder of Stash's config
// is called conf, and checks that the event is in the queue, for which the file is
// looked at from outside.
func hookIn(t *testing.T, cmd *exec.Cmd, conf, outside string) {
	t.Helper()
	doc, err := json.Marshal(map[string]any{
		// Nobody listens there: the event must be queued all the same.
		"server_connection": map[string]any{"Scheme": "http", "Host": "127.0.0.1", "Port": 9, "Dir": conf, "PluginDir": conf,
			"SessionCookie": map[string]any{"Name": "session", "Value": "v"}},
		"args": map[string]any{"hookContext": map[string]any{"id": 7, "type": "Scene.Update.Post", "input": map[string]any{"id": "7"}, "inputFields": []string{"id"}}},
	})
	must(t, err)
	cmd.Stdin = bytes.NewReader(doc)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	killWakers(t, cmd.Dir)
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(outside, "plexsync", "plexsync.db"))
	must(t, err)
	defer db.Close()
	var n int
	must(t, db.QueryRow(`SELECT count(*) FROM job WHERE kind='scene' AND subject_id=7`).Scan(&n))
	if n != 1 {
		t.Errorf("%d jobs are queued, want 1; it said:\n%s", n, out)
	}
}

// program is one of the package's programs.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(packaged(t), "bin", name))
	must(t, err)
	if _, err := os.Stat(path); err != nil {
		lacks(t, name)
	}
	return path
}

// TestTheProgramsOfOtherProcessors runs them in an emulator.
func TestTheProgramsOfOtherProcessors(t *testing.T) {
	for name, emulator := range map[string]string{"plexsync-linux-arm64": "qemu-aarch64", "plexsync-linux-armv7": "qemu-arm"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := program(t, name)
			qemu, err := exec.LookPath(emulator)
			if err != nil {
				lacks(t, emulator)
			}
			out, err := exec.Command(qemu, path, "version").CombinedOutput()
			if err != nil || !strings.Contains(string(out), "linux/arm") {
				t.Errorf("version: %q, %v", out, err)
			}
			dir := t.TempDir()
			cmd := exec.Command(qemu, path)
			cmd.Dir = dir
			hookIn(t, cmd, dir, dir)
		})
	}
}

// TestTheLauncherPicksTheProgram with machines that tell other names.
func TestTheLauncherPicksTheProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows takes plexsync.exe")
	}
	dir := filepath.Join(t.TempDir(), "a folder")
	must(t, os.MkdirAll(filepath.Join(dir, "bin"), 0o755))
	write := func(name, text string, mode fs.FileMode) {
		t.Helper()
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), mode))
	}
	launcher, err := os.ReadFile("launcher.sh")
	must(t, err)
	// Other machines tell what they are by a file of ours in place of the kernel's, or,
	// where there is none, by uname.
	const kernel = "/proc/sys/kernel/arch"
	if !strings.Contains(string(launcher), kernel) {
		t.Fatal("the launcher does not look at " + kernel)
	}
	write("plexsync", strings.ReplaceAll(string(launcher), kernel, "'"+filepath.Join(dir, "arch")+"'"), 0o755)
	for _, p := range []string{"linux-amd64", "linux-arm64", "linux-armv7", "darwin-arm64"} {
		write("plexsync-"+p, "#!/bin/sh\necho "+p+" \"$#\" \"$1\" $(cat); exit 3\n", 0o755)
	}
	must(t, os.Symlink(filepath.Join(dir, "plexsync"), filepath.Join(dir, "bin", "link")))
	start := func(machine, name string) string {
		t.Helper()
		system, arch, _ := strings.Cut(machine, " ")
		if told, file := strings.CutSuffix(arch, " by file"); file {
			arch = told
			write("arch", arch+"\n", 0o644)
			write("bin/uname", "#!/bin/sh\necho it should not be asked\n", 0o755)
		} else {
			os.Remove(filepath.Join(dir, "arch"))
			write("bin/uname", "#!/bin/sh\necho '"+system+" "+arch+"'\n", 0o755)
		}
		cmd := exec.Command(filepath.Join(dir, name), "one arg")
		cmd.Stdin = strings.NewReader("input")
		cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 3 && code != 126 {
			t.Errorf("%s: %v", machine, err)
		}
		return strings.TrimSpace(string(out))
	}
	for machine, want := range map[string]string{
		"Linux x86_64": "linux-amd64", "Linux aarch64": "linux-arm64", "Linux armv7l": "linux-armv7",
		"Linux armv8l": "linux-armv7", "Darwin arm64": "darwin-arm64",
		"Linux x86_64 by file": "linux-amd64", "Linux aarch64 by file": "linux-arm64", "Linux armv7l by file": "linux-armv7",
	} {
		for _, name := range []string{"plexsync", "bin/link"} {
			if got := start(machine, name); got != want+" 1 one arg input" {
				t.Errorf("%s by %s: %q", machine, name, got)
			}
		}
	}
	if got := start("Darwin x86_64", "plexsync"); !strings.HasPrefix(got, "PlexSync has no program for this machine (Darwin x86_64)") {
		t.Errorf("a program that is not there: %q", got)
	}
	if got := start("SunOS sparc", "plexsync"); !strings.HasPrefix(got, "PlexSync has no program for this machine (SunOS sparc)") {
		t.Errorf("an unknown machine: %q", got)
	}
	must(t, os.Chmod(filepath.Join(dir, "plexsync-linux-arm64"), 0o644))
	if got := start("Linux aarch64", "plexsync"); !strings.HasPrefix(got, "PlexSync may not be started") {
		t.Errorf("without the right: %q", got)
	}
}
