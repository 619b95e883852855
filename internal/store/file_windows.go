//go:build windows

package store

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/windows"
)

// noFollow has no counterpart in the way Go opens files on Windows, where links can be
// made by administrators only.
const noFollow = 0

// ownerOf tells nothing: on Windows files belong to who makes them, and the folder of
// Stash's data decides who may write there.
func ownerOf(fs.FileInfo) (account, bool) { return account{}, false }

// shared reports whether a file has more than one name, which is not known here.
func shared(fs.FileInfo) bool { return false }

// syncDir does nothing: NTFS keeps names in its journal, and folders cannot be synced.
func syncDir(string) error { return nil }

// outOfSpace reports whether err says that a disk is full.
func outOfSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
