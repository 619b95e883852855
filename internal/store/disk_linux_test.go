package store

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/plexsync/plexsync/internal/job"
)

// TestAnEventFitsOnAFullDisk: not one byte is left on a disk of memory.
func TestAnEventFitsOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("only root may mount: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	f, err := os.Create(filepath.Join(dir, "filler"))
	must(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 512))
	}
	f.Close()
	if _, err := Spool(dir, job.Scene(1)); err != nil {
		t.Errorf("it does not: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, SpoolDir, "scene-1")); err != nil {
		t.Error(err)
	}
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	_, err = Spool(dir, job.Scene(2))
	if err == nil || !strings.Contains(err.Error(), SpoolDir) {
		t.Errorf("on a disk that is read-only: %v", err)
	}
}
