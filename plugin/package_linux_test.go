package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestTheStaticProgramNeedsNothing runs it in a folder that holds nothing else: no
// libraries, no time zones, no certificates, no /tmp.
func TestTheStaticProgramNeedsNothing(t *testing.T) {
	path := program(t, "plexsync-linux-"+runtime.GOARCH)
	if os.Getuid() != 0 {
		lacks(t, "the right to chroot")
	}
	root := t.TempDir()
	must(t, os.Mkdir(filepath.Join(root, "conf"), 0o755))
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(root, "plexsync"), data, 0o755))
	cmd := exec.Command("/plexsync")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", []string{}, &syscall.SysProcAttr{Chroot: root}
	hookIn(t, cmd, "/conf", filepath.Join(root, "conf"))
	cmd = exec.Command("/plexsync", "--data", "/conf", "--stash", "http://127.0.0.1:9", "health")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", []string{}, &syscall.SysProcAttr{Chroot: root}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "127.0.0.1:9") {
		t.Errorf("health without Stash: %v\n%s", err, out)
	}
}
