//go:build unix

package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// noFollow makes opening a file fail if it is a symbolic link.
const noFollow = unix.O_NOFOLLOW

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
