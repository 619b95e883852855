package store

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/plexsync/plexsync/internal/job"
)

// spooled are the subjects whose events are in the spool.
func spooled(t interface{ Fatal(...any) }, dir string) map[job.Subject]bool {
	entries, err := readSpool(filepath.Join(dir, SpoolDir), 10000)
	if err != nil {
		t.Fatal(err)
	}
	all := map[job.Subject]bool{}
	for _, e := range entries {
		if sub, _, ok := parseSpooled(e); ok {
			all[sub] = true
		}
	}
	return all
}

// live are the subjects of the live jobs.
func live(t *testing.T, s *Store) map[job.Subject]bool {
	t.Helper()
	jobs, err := s.Jobs(context.Background(), 10000, 0)
	must(t, err)
	all := map[job.Subject]bool{}
	for _, j := range jobs {
		all[j.Subject] = true
	}
	return all
}

func TestASpooledEventIsQueuedOnceTaken(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	subjects := []job.Subject{job.Scene(7), {Kind: job.KindStudio, ID: 3}, {Kind: job.KindTag, ID: 1<<63 - 1}, {Kind: job.KindPerformer, ID: 1}, {Kind: job.KindGroup, ID: 2}}
	for i, sub := range subjects {
		first, err := Spool(dir, sub)
		if err != nil || first != (i == 0) {
			t.Errorf("%v: first %v, %v", sub, first, err)
		}
	}
	for range 3 { // edited again and again
		if first, err := Spool(dir, subjects[0]); err != nil || first {
			t.Errorf("the same event again: first %v, %v", first, err)
		}
	}
	for _, sub := range []job.Subject{{}, job.Library(), {Kind: job.KindScene}, {Kind: "../scene", ID: 1}, {Kind: job.KindScene, ID: -1}} {
		if _, err := Spool(dir, sub); err == nil {
			t.Errorf("%v was spooled", sub)
		}
	}
	if n, err := Spooled(dir, 100); err != nil || n != len(subjects) {
		t.Errorf("%d events are in the spool, %v", n, err)
	}
	s := open(t, dir)
	must(t, s.Enqueue(ctx, t0, job.PriorityBulk, subjects[0])) // one of them is queued already
	n, err := s.TakeSpool(ctx, t0)
	if err != nil || n != len(subjects) {
		t.Fatalf("took %d events, %v", n, err)
	}
	got := live(t, s)
	for _, sub := range subjects {
		if !got[sub] {
			t.Errorf("%v is not queued", sub)
		}
	}
	if j, _, err := s.Job(ctx, subjects[0]); err != nil || j.Generation != 2 || j.Priority != job.PriorityEvent {
		t.Errorf("folded into %+v, %v", j, err)
	}
	if n, err := s.TakeSpool(ctx, t0); err != nil || n != 0 || len(spooled(t, dir)) != 0 {
		t.Errorf("took %d more, %v", n, err)
	}
}

// TestWhatIsNoEventIsMovedOutOfTheSpool: nothing of it is opened or followed, and the
// events beside it are taken in.
func TestWhatIsNoEventIsMovedOutOfTheSpool(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	victim := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(victim, []byte("precious"), 0o600))
	spool := filepath.Join(dir, SpoolDir)
	names := []string{"scene", "scene-", "scene-0", "scene-007", "scene--5", "scene-9223372036854775808", "library-0", "gallery-4", "Scene-4",
		".scene-4", "scene-4.", "scene-4 ", "notes.txt", "scene-5\x1b[31m\n", strings.Repeat("x", 255), "scene-1e3"}
	for _, name := range names {
		must(t, os.WriteFile(filepath.Join(spool, name), []byte("garbage"), 0o600))
	}
	must(t, os.Symlink(victim, filepath.Join(spool, "scene-8")))
	must(t, os.Symlink(filepath.Dir(victim), filepath.Join(spool, "scene-9.TOKEN")))
	must(t, os.MkdirAll(filepath.Join(spool, "scene-10", "deep"), 0o700))
	_, err := Spool(dir, job.Scene(8)) // its name leads elsewhere
	must(t, err)
	_, err = Spool(dir, job.Scene(10))
	must(t, err)
	_, err = Spool(dir, job.Scene(12))
	must(t, err)
	if n, err := s.TakeSpool(ctx, t0); err != nil || n != 3 {
		t.Fatalf("took %d events, %v", n, err)
	}
	if got := live(t, s); !maps.Equal(got, map[job.Subject]bool{job.Scene(8): true, job.Scene(10): true, job.Scene(12): true}) {
		t.Errorf("queued %v", got)
	}
	if left, err := os.ReadDir(spool); err != nil || len(left) != 0 {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
	moved, err := os.ReadDir(filepath.Join(dir, foreignDir))
	if err != nil || len(moved) != len(names)+3 {
		t.Errorf("%d of %d were moved, %v", len(moved), len(names)+3, err)
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the victim holds %q, %v", data, err)
	}
	told, err := s.Notices(ctx)
	if err != nil || len(told) != 1 || !strings.Contains(told[0], fmt.Sprintf(": %d, such as", len(names)+3)) || strings.ContainsAny(told[0], "\x1b\n") {
		t.Errorf("told %q, %v", told, err)
	}
	if told, err := s.Notices(ctx); err != nil || len(told) != 0 {
		t.Errorf("told again: %q, %v", told, err)
	}
}

func TestASpoolThatIsNoFolderIsNamed(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"a file": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a link": func(path string) error { return os.Symlink(t.TempDir(), path) },
	} {
		dir := t.TempDir()
		must(t, plant(filepath.Join(dir, SpoolDir)))
		if _, err := Spool(dir, job.Scene(1)); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, SpoolDir)+" must be a folder") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestManySpoolAndManyTake: nothing gets lost between them.
func TestManySpoolAndManyTake(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	open(t, dir)
	const each, writers = 60, 4
	var spooling, taking sync.WaitGroup
	for w := range writers {
		spooling.Go(func() {
			for i := range each {
				if _, err := Spool(dir, job.Scene(int64(w*each+i+1))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	stop := make(chan struct{})
	for range 3 {
		taking.Go(func() {
			s, err := Open(ctx, dir, t0)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			for {
				if _, err := s.TakeSpool(ctx, t0); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	spooling.Wait()
	close(stop)
	taking.Wait()
	s := open(t, dir)
	_, err := s.TakeSpool(ctx, t0)
	must(t, err)
	if got := live(t, s); len(got) != each*writers {
		t.Errorf("%d of %d events are queued", len(got), each*writers)
	}
}

// killAt is a process that ends itself at a point, as SIGKILL would.
func killAt(point string) Option {
	return func(s *Store) {
		s.points = func(at string) {
			if at == point {
				self, err := os.FindProcess(os.Getpid())
				if err == nil {
					err = self.Kill()
				}
				if err != nil {
					panic(err)
				}
				select {}
			}
		}
	}
}

func takeProcess(dir string) int {
	ctx := context.Background()
	s, err := Open(ctx, dir, t0, killAt(os.Getenv("STORE_TEST_KILL")))
	if err == nil {
		_, err = s.TakeSpool(ctx, t0)
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	return 0
}
