//go:build unix

package store

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// noFollow makes opening a file fail if it is a symbolic link, and not wait if it is a
// pipe.
const noFollow = unix.O_NOFOLLOW | unix.O_NONBLOCK

// ownerOf tells whose a file is.
func ownerOf(info fs.FileInfo) (account, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return account{}, false
	}
	return account{int(stat.Uid), int(stat.Gid)}, true
}

// shared reports whether a file has more than one name.
func shared(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink > 1
}

// syncDir makes the names in a folder durable. A folder that cannot be synced at all, as
// on some network shares, is as durable as it gets.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}

// outOfSpace reports whether err says that a disk is full.
func outOfSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
