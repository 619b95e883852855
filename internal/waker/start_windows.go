//go:build windows

package waker

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// detached gives the process no console, also none that flashes up, and keeps a
// Ctrl+C in Stash's console from it.
func detached() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP}
}
