package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
)

// TestADiskThatIsFullOrReadOnlyLosesNothing puts the data on small disks of memory.
func TestADiskThatIsFullOrReadOnlyLosesNothing(t *testing.T) {
	slow(t, "fills disks")
	w := newWorld(t, nil)
	dir := dataDir(w.dir)
	must(t, os.MkdirAll(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=300k"); err != nil {
		t.Skipf("only root may mount; what SQLite does on a full disk is tested in package store: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	scene, item := w.film("a.mp4", simstash.Scene{})
	w.edit(scene, map[string]any{"title": "A"})
	w.settle()
	w.shows(item, map[string]string{"title": "A"})

	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	must(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 1024))
	}
	f.Close()
	w.edit(scene, map[string]any{"title": "B"})
	w.task("Process queue")
	w.wantLog(simstash.LevelError, "The disk ")
	if !strings.Contains(w.log(), filepath.Join(dir, store.FileName)) {
		t.Errorf("the file is not named:\n%s", w.log())
	}
	must(t, os.Remove(filler))
	w.task("Sync recent scenes") // Stash knows what was edited
	w.shows(item, map[string]string{"title": "B"})

	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	w.edit(scene, map[string]any{"title": "C"})
	w.settle()
	w.wantLog(simstash.LevelError, "must be able to write to")
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, ""))
	w.task("Sync recent scenes")
	w.shows(item, map[string]string{"title": "C"})
}
