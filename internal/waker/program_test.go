package waker

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestACopyFollowsItsProgram: on Windows a waker runs from a copy, which must become
// that of an update.
func TestACopyFollowsItsProgram(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "program"), filepath.Join(dir, "data", "copy")
	for i, text := range []string{"one", "two, and longer", "two, of anoth."} {
		if err := os.WriteFile(from, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i-10) * time.Hour).Truncate(time.Second)
		if err := os.Chtimes(from, at, at); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := copied(from, to)
			data, rerr := os.ReadFile(to)
			if err != nil || rerr != nil || got != to || string(data) != text {
				t.Errorf("%q: %v, the copy is %q, %v", text, err, data, rerr)
			}
		}
		info, err := os.Stat(to)
		if err != nil || info.Mode()&0o100 == 0 {
			t.Errorf("the copy cannot be started: %v, %v", info.Mode(), err)
		}
	}
	if _, err := copied(filepath.Join(dir, "none"), to); err == nil {
		t.Error("a program that does not exist was copied")
	}
	if left, _ := os.ReadDir(filepath.Dir(to)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestACopyThatRunsIsSetAside: what cannot be written over is renamed. A folder stands
// for a program that runs, which only Windows protects.
func TestACopyThatRunsIsSetAside(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "program"), filepath.Join(dir, "copy")
	for i, text := range []string{"one", "second"} {
		if err := os.WriteFile(from, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		os.Remove(to)
		if err := os.MkdirAll(filepath.Join(to, "in use"), 0o755); err != nil {
			t.Fatal(err)
		}
		got, err := copied(from, to)
		data, rerr := os.ReadFile(to)
		if err != nil || rerr != nil || got != to || string(data) != text {
			t.Errorf("%d: %v, the copy is %q, %v", i, err, data, rerr)
		}
		if _, err := os.Stat(to + ".old/in use"); err != nil {
			t.Errorf("%d: what was in use is not set aside: %v", i, err)
		}
	}
}
