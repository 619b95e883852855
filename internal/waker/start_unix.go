//go:build unix

package waker

import "syscall"

// detached makes the process the leader of a session of its own.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
