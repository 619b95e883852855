package waker

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Program is what to start as a waker: program itself, or, on Windows, a copy of it in
// dir. There a file that runs can neither be deleted nor written, and Stash would fail
// to update the plugin for as long as a waker lives.
func Program(program, dir string) (string, error) {
	if runtime.GOOS != "windows" {
		return program, nil
	}
	return copied(program, filepath.Join(dir, "plexsync-waker.exe"))
}

// copied sees to it that to is a copy of the program from, and returns to. Several
// processes may do this at once.
func copied(from, to string) (string, error) {
	f, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if old, err := os.Stat(to); err == nil && old.Size() == info.Size() && old.ModTime().Equal(info.ModTime()) {
		return to, nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return "", err
	}
	part, err := os.CreateTemp(filepath.Dir(to), "plexsync-waker-*.tmp")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(part, f)
	err = errors.Join(err, part.Chmod(fs.FileMode(0o700)), part.Close())
	if err == nil {
		err = os.Chtimes(part.Name(), info.ModTime(), info.ModTime())
	}
	if err == nil {
		err = replace(part.Name(), to)
	}
	if err != nil {
		os.Remove(part.Name())
		return "", err
	}
	return to, nil
}

// replace renames from to to, also if a waker runs from to, as one does that makes way
// for its update: Windows lets such a file be renamed, and nothing else.
func replace(from, to string) error {
	if os.Rename(from, to) == nil {
		return nil
	}
	aside := to + ".old"
	os.RemoveAll(aside) // of the update before; if it still runs, this one has to wait
	if err := os.Rename(to, aside); err != nil {
		return err
	}
	return os.Rename(from, to)
}
