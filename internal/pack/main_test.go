package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tree is a repository with what a package is made of, and two programs.
func tree(t *testing.T) *pack {
	t.Helper()
	p := &pack{root: t.TempDir(), version: "1.2.3", commit: "0123456789ab", date: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)}
	p.bin = filepath.Join(p.root, "bin")
	for _, f := range files {
		put(t, filepath.Join(p.root, f.from), f.name)
	}
	for _, name := range []string{"first.js", "second.js", "look.css", "notes.txt", "other.yml"} {
		put(t, filepath.Join(p.root, pageDir, name), name)
	}
	for _, name := range []string{"plexsync-linux-amd64", "plexsync-windows-amd64.exe"} {
		put(t, filepath.Join(p.bin, name), "code "+Stamp(p.version, p.commit, p.date)+" code")
	}
	return p
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	p, q := tree(t), tree(t)
	q.date = q.date.In(time.FixedZone("", 3600)) // another machine's zone
	for _, x := range []*pack{p, q} {
		if err := x.write(x.root); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"plexsync.zip", "index.yml"} {
		a, err := os.ReadFile(filepath.Join(p.root, name))
		b, berr := os.ReadFile(filepath.Join(q.root, name))
		if err != nil || berr != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs (%v, %v)", name, err, berr)
		}
		if name == "index.yml" && !strings.Contains(string(a), "version: 1.2.3-0123456\n  date: \"2026-05-06 07:08:09\"\n") {
			t.Errorf("the index is\n%s", a)
		}
	}
}

func TestAPackageHoldsThePage(t *testing.T) {
	p := tree(t)
	entries, err := p.collect()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.name)
		if strings.HasSuffix(e.name, ".js") && (string(e.data) != e.name || e.mode != 0o644) {
			t.Errorf("%s holds %q and has the mode %v", e.name, e.data, e.mode)
		}
	}
	want := []string{"LICENSE", "first.js", "look.css", "plexsync", "plexsync-linux-amd64", "plexsync.exe", "plexsync.yml", "second.js"}
	if !slices.Equal(names, want) {
		t.Errorf("the package holds %v, want %v", names, want)
	}
}

func TestWhatMayNotBePackedIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(p *pack)
		want  string
	}{
		"another commit's program": {func(p *pack) {
			put(t, filepath.Join(p.bin, "plexsync-darwin-arm64"), Stamp(p.version, "ffffffffffff", p.date))
		}, "build it again"},
		"no program of ours": {func(p *pack) { put(t, filepath.Join(p.bin, "notes.txt"), "") }, "is no program"},
		"no program at all":  {func(p *pack) { os.RemoveAll(p.bin); os.Mkdir(p.bin, 0o755) }, "holds no program"},
		"no version":         {func(p *pack) { p.version = "" }, "are needed"},
	} {
		p := tree(t)
		c.spoil(p)
		if err := p.write(p.root); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if _, err := os.Stat(filepath.Join(p.root, "plexsync.zip")); err == nil {
			t.Errorf("%s: there is a package", name)
		}
	}
	for _, names := range [][]string{{"other.yml"}, {"a.YAML"}, {"plexsync.db"}, {"plexsync.db-wal"}, {"drain.lock"}, {"manifest"}, {"ui/page.js"}, {"A", "a"}} {
		var all []entry
		for _, n := range names {
			all = append(all, entry{name: n})
		}
		if check(all) == nil {
			t.Errorf("%v may be packed", names)
		}
	}
	if err := check([]entry{{name: "plexsync.yml"}, {name: "plexsync"}, {name: "plexsync.exe"}, {name: "plexsync.js"}}); err != nil {
		t.Error(err)
	}
}
