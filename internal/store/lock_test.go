package store

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// TestHooksWaitForTheirTurn: one writes at a time, and each wakes when the one before it
// has ended.
func TestHooksWaitForTheirTurn(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	inside, most, turns := 0, 0, 0
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			release := turn(dir, time.Minute)
			mu.Lock()
			inside++
			most, turns = max(most, inside), turns+1
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			inside--
			mu.Unlock()
			release()
		})
	}
	all.Wait()
	if most != 1 || turns != 50 {
		t.Errorf("%d turns, %d of them at once", turns, most)
	}
}

// TestWhoWaitsTooLongForItsTurnGoesOn without it, and keeps nobody else from having it.
func TestWhoWaitsTooLongForItsTurnGoesOn(t *testing.T) {
	dir := t.TempDir()
	hangs := turn(dir, time.Minute)
	for range 3 {
		began := time.Now()
		turn(dir, 20*time.Millisecond)()
		if waited := time.Since(began); waited < 20*time.Millisecond || waited > 10*time.Second {
			t.Errorf("it waited for %v", waited)
		}
	}
	hangs()
	// Those who gave up get the lock, one after the other, and give it back.
	began := time.Now()
	turn(dir, time.Minute)()
	if waited := time.Since(began); waited > 10*time.Second {
		t.Errorf("the next one waited for %v", waited)
	}
}

// TestWithoutALockEventsAreQueuedAsBefore: somebody holds it for ever, or what has its name
// cannot be locked.
func TestWithoutALockEventsAreQueuedAsBefore(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"somebody hangs": func(t *testing.T, dir string) {
			l, err := TryLock(dir, hookLock)
			must(t, err)
			t.Cleanup(l.Release)
		},
		"it is a folder": func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, hookLock), 0o700)) },
		"it is a link": func(t *testing.T, dir string) {
			if err := os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), filepath.Join(dir, hookLock)); err != nil {
				t.Skip("no links here: ", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir)
			spoil(t, dir)
			began := time.Now()
			_, err := s.Event(context.Background(), t0, job.Scene(1), "token", "", func() bool { return false })
			must(t, err)
			if waited := time.Since(began); waited > turnPatience+10*time.Second {
				t.Errorf("it waited for %v", waited)
			}
			if _, ok, err := s.Job(context.Background(), job.Scene(1)); !ok || err != nil {
				t.Errorf("queued: %v, %v", ok, err)
			}
		})
	}
}
