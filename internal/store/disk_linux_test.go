package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/plexsync/plexsync/internal/job"
)

// TestACopyThatDoesNotFitLeavesTheOneOfBefore, and nothing else.
func TestACopyThatDoesNotFitLeavesTheOneOfBefore(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("only root may mount: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	s, err := Open(ctx, dir, t0)
	must(t, err)
	defer s.Close()
	must(t, s.SetMeta(ctx, "client_id", "first"))
	must(t, s.KeepCopy(ctx))
	before, err := os.ReadFile(s.copyPath())
	must(t, err)
	must(t, syncing(t, s, "machine-1").SavePushed(ctx, states("new")...))
	f, err := os.Create(filepath.Join(dir, "filler"))
	must(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 512))
	}
	f.Close()
	err = s.KeepCopy(ctx)
	var soon interface{ Soon() bool }
	if err == nil || !errors.As(err, &soon) || !soon.Soon() {
		t.Errorf("%v", err)
	}
	if after, err := os.ReadFile(s.copyPath()); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the copy of before was changed, %v", err)
	}
	if exists(s.copyPath() + ".part") {
		t.Error("half a copy is left")
	}
}

// TestADamagedDatabaseOnAFullDiskIsMendedLater: nothing is set aside until the new one is
// whole.
func TestADamagedDatabaseOnAFullDiskIsMendedLater(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("only root may mount: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	s := memory(t, dir, "old")
	must(t, s.Close())
	trash(t, s.path, "old-0700")
	f, err := os.Create(filepath.Join(dir, "filler"))
	must(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 512))
	}
	f.Close()
	if s, err = Open(t.Context(), dir, t0); err == nil {
		if err = readStates(t.Context(), s); Damaged(err) {
			_, err = s.Replace(t.Context(), t0)
		}
	}
	if err == nil || Damaged(err) {
		t.Fatalf("on a full disk: %v", err)
	}
	if kept := asides(t, dir); len(kept) != 0 {
		t.Errorf("set aside %v", kept)
	}
	must(t, os.Remove(filepath.Join(dir, "filler")))
	s = mend(t, dir)
	if got := bases(t, syncing(t, s, "machine-1")); got["old"] < remembered-30 || len(asides(t, dir)) != 1 {
		t.Errorf("states %v, kept %v", got, asides(t, dir))
	}
}

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
