package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
)

// smallDisk puts the data of a world on a disk of memory with so much room.
func (w *world) smallDisk(size string) (dir string) {
	w.Helper()
	dir = dataDir(w.dir)
	must(w, os.MkdirAll(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		w.Skipf("only root may mount; what SQLite does on a full disk is tested in package store: %v", err)
	}
	w.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fillDisk leaves not a byte on the disk of dir.
func (w *world) fillDisk(dir string) (filler string) {
	w.Helper()
	filler = filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	must(w, err)
	for err == nil {
		_, err = f.Write(make([]byte, 512))
	}
	f.Close()
	return filler
}

// TestAFullDiskLosesNothing: edits go on while the disk is full, of a scene and of a
// studio. Once there is room again they arrive, and nobody clicks.
func TestAFullDiskLosesNothing(t *testing.T) {
	slow(t, "drives processes into faults")
	w := newWorld(t, nil)
	dir := w.smallDisk("1m")
	studio := w.stash.AddStudio(simstash.Studio{Name: "Old name"})
	scene, item := w.film("a.mp4", simstash.Scene{})
	w.edit(scene, map[string]any{"title": "A", "studio_id": studio})
	w.settle()
	w.shows(item, map[string]string{"title": "A", "studio": "Old name"})

	filler := w.fillDisk(dir)
	w.quick(func() { w.edit(scene, map[string]any{"title": "B"}) })
	w.quick(func() {
		w.mutate(`mutation ($i: ID!) { studioUpdate(input: {id: $i, name: "New name"}) { id } }`, map[string]any{"i": studio})
	})
	w.task("Process queue")
	w.wantLog(simstash.LevelError, "Edits are saved in "+filepath.Join(dir, store.SpoolDir))
	w.wantLog(simstash.LevelError, "The disk ")
	if !strings.Contains(w.log(), filepath.Join(dir, store.FileName)) {
		t.Errorf("the file is not named:\n%s", w.log())
	}
	time.Sleep(20 * time.Second) // whoever gives up at the first error has done so by now
	w.shows(item, map[string]string{"title": "A", "studio": "Old name"})
	must(t, os.Remove(filler))
	w.within(3*time.Minute, "both edits are in Plex", func() bool {
		it := w.item(item)
		return it.Scalars["title"] == "B" && it.Scalars["studio"] == "New name"
	})
	w.within(time.Minute, "the queue is empty", func() bool { return w.queued() == 0 })
}

// TestADiskThatIsReadOnlyIsNamedAndLosesNothing: neither the database nor the spool can
// take the edit. The next one that can be stored brings it along.
func TestADiskThatIsReadOnlyIsNamedAndLosesNothing(t *testing.T) {
	slow(t, "drives processes into faults")
	w := newWorld(t, nil)
	dir := w.smallDisk("1m")
	scene, item := w.film("a.mp4", simstash.Scene{})
	other, _ := w.film("b.mp4", simstash.Scene{})
	w.edit(scene, map[string]any{"title": "A"})
	w.settle()
	w.shows(item, map[string]string{"title": "A"})
	w.within(time.Minute, "the waker has ended", func() bool { return len(wakers(t, w.dir)) == 0 })
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	w.quick(func() { w.edit(scene, map[string]any{"title": "C"}) })
	w.settle()
	w.wantLog(simstash.LevelError, "must be able to write to")
	w.wantLog(simstash.LevelError, "was not queued")
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, ""))
	w.edit(other, map[string]any{"title": "Other"})
	w.settle()
	w.shows(item, map[string]string{"title": "C"})
}

// ownerOf is the user whom a file belongs to.
func ownerOf(info os.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }
