//go:build unix

package store

import (
	"maps"
	"os"
	osexec "os/exec"
	"slices"
	"syscall"
	"testing"

	"github.com/plexsync/plexsync/internal/job"
)

// TestATakerThatIsKilledLosesNoEvent kills a real process at each point of taking in.
func TestATakerThatIsKilledLosesNoEvent(t *testing.T) {
	for _, point := range []string{"spool: claimed", "spool: queued", "spool: removed"} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			want := map[job.Subject]bool{}
			for i := range 5 {
				want[job.Scene(int64(i+1))] = true
				_, err := Spool(dir, job.Scene(int64(i+1)))
				must(t, err)
			}
			killed(t, dir, point)
			// An event of the same subject meanwhile.
			_, err := Spool(dir, job.Scene(3))
			must(t, err)
			for sub := range want {
				if !live(t, s)[sub] && !spooled(t, dir)[sub] {
					t.Errorf("%v is nowhere", sub)
				}
			}
			_, err = s.TakeSpool(t.Context(), t0)
			must(t, err)
			if got := live(t, s); !maps.Equal(got, want) || len(spooled(t, dir)) != 0 {
				t.Errorf("queued %v, spooled %v", slices.Collect(maps.Keys(got)), spooled(t, dir))
			}
		})
	}
}

// killed lets a process take in the spool of dir, and fails unless it is killed at point.
func killed(t *testing.T, dir, point string) {
	t.Helper()
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_TAKE="+dir, "STORE_TEST_KILL="+point)
	out, err := cmd.CombinedOutput()
	if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !state.Signaled() || state.Signal() != syscall.SIGKILL {
		t.Fatalf("it was not killed at %q: %v\n%s", point, err, out)
	}
}
