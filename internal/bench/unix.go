//go:build unix

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// peak is the peak resident memory of a process in bytes.
func peak(s *os.ProcessState) int64 {
	u, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return u.Maxrss
	}
	return u.Maxrss << 10
}

// holdDrain plays a running drain: it has the role and the lock.
func holdDrain(dir, db string) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "drain.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, err
	}
	return func() { f.Close() }, prepare(db, `UPDATE drain SET holder = 'bench'`)
}
