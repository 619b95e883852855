package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Lock is an operating system lock on a file in the data folder. The kernel
// frees it when the process ends, however it ends, so it is never stale.
type Lock struct {
	f *os.File
	// shared: the file has another name as well, perhaps elsewhere.
	shared bool
}

// The locks of the data folder.
const (
	// DrainLock is held by the one drain.
	DrainLock = "drain.lock"
	// WakerLock is held by the one waker.
	WakerLock = "waker.lock"
	// openLock is held while a database is made, migrated or set aside.
	openLock = "open.lock"
	// hookLock is held by the hook whose turn it is to write.
	hookLock = "hook.lock"
)

// TryLock takes the named lock. It returns nil and no error if another process
// holds it.
func TryLock(dir, name string) (*Lock, error) { return lockFile(dir, name, true) }

// lockFile takes the named lock, for itself alone or shared with others that do not.
func lockFile(dir, name string, alone bool) (*Lock, error) {
	l, err := openLockFile(dir, name, alone)
	if err != nil {
		return nil, err
	}
	ok, err := tryLock(l.f, alone)
	if err != nil {
		l.Release()
		return nil, fmt.Errorf("lock %s: %w. The folder must be on a disk that has file locks", filepath.Join(dir, name), err)
	}
	if !ok {
		l.Release()
		return nil, nil
	}
	return l, nil
}

// openLockFile opens the file of a lock, which it makes for who wants it alone.
func openLockFile(dir, name string, alone bool) (*Lock, error) {
	path := filepath.Join(dir, name)
	var f *os.File
	var err error
	if alone {
		f, err = createFile(dir, path)
	} else {
		f, err = os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	}
	if err != nil {
		return nil, lockError(err, path)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, errLink)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Lock{f, shared(info)}, nil
}

// turn waits until it is this process's turn to write, at most for patience: many that
// write at once then wake one after the other, where SQLite would have each sleep, look
// again and sleep longer. It is a courtesy only: without the lock, or after patience,
// SQLite's own keeps the order.
func turn(dir string, patience time.Duration) (release func()) {
	l, err := openLockFile(dir, hookLock, true)
	if err != nil {
		return func() {}
	}
	switch ok, err := tryLock(l.f, true); {
	case ok:
		return l.Release
	case err != nil:
		l.Release()
		return func() {}
	}
	// The kernel cannot be told to stop waiting; whoever gives up leaves that behind.
	got, gone := make(chan error, 1), make(chan struct{})
	go func() {
		got <- waitLock(l.f)
		<-gone
		l.Release()
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-got:
		return func() { close(gone) }
	case <-timer.C:
		close(gone)
		return func() {}
	}
}

// lockError explains why a lock cannot be used.
func lockError(err error, path string) error {
	if errors.Is(err, errLink) {
		return err
	}
	if errors.Is(err, fs.ErrPermission) && exists(path) {
		return fmt.Errorf("%w. Another user, such as root, created it: delete it, or change its owner to Stash's user", err)
	}
	return folderError(err, path)
}

// Held reports whether some process holds the named lock right now; nobody holds one that
// was never taken. To find out it shares the lock for an instant: any number may ask at once without misleading each
// other, but whoever wants to have it must try more than once ([WaitLock]).
func Held(dir, name string) bool {
	l, err := lockFile(dir, name, false)
	if err != nil {
		return false
	}
	if l == nil {
		return true
	}
	l.Release()
	return false
}

// WaitLock tries to take the named lock until patience is over or ctx ends. It
// returns nil and no error if another process kept it all the time.
func WaitLock(ctx context.Context, dir, name string, patience time.Duration) (*Lock, error) {
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		l, err := TryLock(dir, name)
		if l != nil || err != nil {
			return l, err
		}
		if !time.Now().Before(deadline) {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Note writes text into the lock's file, for people and tests: who holds it. A file that
// has another name may be somebody's, and is left as it is.
func (l *Lock) Note(text string) error {
	if l.shared {
		return nil
	}
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err := l.f.WriteAt([]byte(text), 0)
	return err
}

// Release gives the lock back. The file stays: removing it would let two
// processes hold locks on two files of the same name.
func (l *Lock) Release() {
	if l != nil {
		l.f.Close()
	}
}
