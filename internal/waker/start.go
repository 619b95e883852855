package waker

import (
	"os"
	"os/exec"
)

// Start runs exe as a process of its own that outlives this one: with no terminal,
// none of our pipes (Stash waits until they are closed), and stdin as its input,
// which may be secret: it is in no file and no argument. In process lists it is
// called name.
func Start(exe, name string, args []string, stdin []byte) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	cmd := exec.Command(exe, args...)
	cmd.Args[0], cmd.Stdin, cmd.SysProcAttr = name, r, detached()
	err = cmd.Start()
	r.Close()
	if err != nil {
		return err
	}
	if _, err := w.Write(stdin); err != nil {
		return err
	}
	return cmd.Process.Release()
}
