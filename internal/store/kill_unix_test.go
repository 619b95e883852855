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
	slow(t, "kills processes")
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
			killed(t, "TAKE", dir, point)
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

// killed lets a process do something with the database in dir, and fails unless it is
// killed at point.
func killed(t *testing.T, what, dir, point string) {
	t.Helper()
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_"+what+"="+dir, "STORE_TEST_KILL="+point)
	out, err := cmd.CombinedOutput()
	if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !state.Signaled() || state.Signal() != syscall.SIGKILL {
		t.Fatalf("it was not killed at %q: %v\n%s", point, err, out)
	}
}

// TestAMenderThatIsKilledLosesNothing kills a real process at each point of putting a new
// database into the place of a damaged one; the next process goes on.
func TestAMenderThatIsKilledLosesNothing(t *testing.T) {
	slow(t, "kills processes")
	for _, point := range []string{"rebuild: filled", "rebuild: whole", "rebuild: set aside", "rebuild: -wal aside", "rebuild: -shm aside", "rebuild: in place"} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			s := memory(t, dir, "old")
			must(t, s.Close())
			trash(t, s.path, "old-0700")
			must(t, os.WriteFile(s.path+"-wal", []byte("what a crash left"), 0o600))
			killed(t, "MEND", dir, point)
			s = mend(t, dir)
			if kept := asides(t, dir); len(kept) != 1 {
				t.Errorf("kept %v", kept)
			}
			if got := bases(t, syncing(t, s, "machine-1")); got["old"] < remembered-30 {
				t.Errorf("states %v", got)
			}
			if _, isLive, err := s.Job(t.Context(), job.Library()); err != nil || !isLive {
				t.Errorf("the library is not queued: %v", err)
			}
			if told, err := s.Notices(t.Context()); err != nil || len(told) != 1 {
				t.Errorf("told %q, %v", told, err)
			}
			for _, name := range []string{s.builtPath(), s.path + ".part"} {
				if exists(name) {
					t.Errorf("%s is left", name)
				}
			}
			must(t, use(t.Context(), s, "run"))
			must(t, s.Check(t.Context()))
		})
	}
}

// TestWhoKeepsACopyAndIsKilledLeavesOne, whole: the one of before or the new one.
func TestWhoKeepsACopyAndIsKilledLeavesOne(t *testing.T) {
	slow(t, "kills processes")
	for point, want := range map[string]string{"copy: begun": "old", "copy: made": "old", "copy: in place": "new"} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			s := memory(t, dir, "old")
			must(t, s.KeepCopy(t.Context()))
			must(t, syncing(t, s, "machine-1").SavePushed(t.Context(), states("new")...))
			killed(t, "COPY", dir, point)
			must(t, s.Close())
			trash(t, s.path, "new-")
			s = mend(t, dir)
			if got := bases(t, syncing(t, s, "machine-1")); got[want] != remembered || len(got) != 1 {
				t.Errorf("states %v, want all %s", got, want)
			}
			must(t, s.KeepCopy(t.Context())) // what was left is in nobody's way
		})
	}
}
