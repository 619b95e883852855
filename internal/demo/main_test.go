package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheDemoShowsThatPlexFollows runs the demo against the built plugin, which is
// built here if ./build.sh has not done so.
func TestTheDemoShowsThatPlexFollows(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves it out: it builds the plugin and runs the demo, a minute and more")
	}
	dist := os.Getenv("PLEXSYNC_DIST")
	if dist == "" {
		dist = filepath.Join(t.TempDir(), "plexsync")
		if err := os.MkdirAll(dist, 0o755); err != nil {
			t.Fatal(err)
		}
		yml, err := os.ReadFile("../../plexsync.yml")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dist, "plexsync.yml"), yml, 0o644); err != nil {
			t.Fatal(err)
		}
		build := exec.Command("go", "build", "-tags", "sqlite_omit_load_extension", "-o", filepath.Join(dist, "plexsync"), "../../plugin")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	var out strings.Builder
	if err := run(dist, &out, false); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"DLQ #1: scene ", "Favorites, Night, Sea", "All ", "checks passed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not show %q:\n%s", want, &out)
		}
	}
}
