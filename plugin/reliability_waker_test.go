package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
)

// plugins lists the plugin's processes that are no wakers.
func (w *world) plugins() (pids []int) {
	w.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cwd")
	must(w, err)
	for _, link := range all {
		if cwd, err := os.Readlink(link); err != nil || cwd != w.dir {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		if err != nil || !strings.Contains(string(line), "plexsync") || strings.Contains(string(line), "waker") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// halfSynced is a world whose drain, a task of the returned id, has begun to write.
func halfSynced(t *testing.T) (w *world, items []string, task int) {
	t.Helper()
	w = newWorld(t, nil)
	w.plex.Set(func(o *simplex.Options) { o.WriteTime = 100 * time.Millisecond })
	for i := range 40 {
		_, item := w.film(fmt.Sprintf("%02d.mp4", i), simstash.Scene{Title: fmt.Sprintf("Film %d", i)})
		items = append(items, item)
	}
	task = w.stash.RunTask("plexsync", "Sync all scenes")
	w.until("the drain writes", func() bool { return w.plex.Counts().Writes > 3 })
	w.until("a waker lives", func() bool { return len(wakers(t, w.dir)) == 1 })
	time.Sleep(time.Second) // it has seen the drain
	return w, items, task
}

// TestADrainThatTheSystemKillsIsMadeGood, as the OOM killer does, with no event after it.
func TestADrainThatTheSystemKillsIsMadeGood(t *testing.T) {
	slow(t, "drives processes into faults")
	t.Parallel()
	w, items, _ := halfSynced(t)
	killed := w.plugins()
	if len(killed) != 1 {
		t.Fatalf("%d processes of the plugin run", len(killed))
	}
	p, err := os.FindProcess(killed[0])
	must(t, err)
	must(t, p.Kill())
	if w.titles(items, "Film %d")() {
		t.Fatal("everything had been written: the test does not test")
	}
	w.within(2*time.Minute, "everything is in Plex", w.titles(items, "Film %d"))
	w.within(time.Minute, "the queue is empty", func() bool { return w.queued() == 0 })
	w.within(time.Minute, "the waker has ended", func() bool { return len(wakers(t, w.dir)) == 0 })
}

// TestADrainThatAPersonStopsRests: it does not begin again under her hands, but for an
// edit. That it begins by itself within fifteen minutes is tested in package waker.
func TestADrainThatAPersonStopsRests(t *testing.T) {
	slow(t, "drives processes into faults")
	t.Parallel()
	w, items, task := halfSynced(t)
	w.stash.StopJob(task)
	w.settle()
	time.Sleep(2 * time.Second) // Plex ends the write that was on its way
	w.plex.ResetCounts()
	time.Sleep(25 * time.Second)
	if n := w.plex.Counts().Writes; n != 0 || w.titles(items, "Film %d")() {
		t.Errorf("%d writes after the stop", n)
	}
	if n := len(wakers(t, w.dir)); n != 1 {
		t.Errorf("%d wakers live", n)
	}
	scene, item := w.film("new.mp4", simstash.Scene{})
	w.edit(scene, map[string]any{"title": "New"})
	w.within(2*time.Minute, "everything is in Plex", w.titles(append(items, item)[:len(items)], "Film %d"))
	w.shows(item, map[string]string{"title": "New"})
}

// TestAShortSessionDoesNotEndUnderTheWaker: max_session_age is far below the five minutes
// in which it asks Stash otherwise, and there is no API key.
func TestAShortSessionDoesNotEndUnderTheWaker(t *testing.T) {
	slow(t, "drives processes into faults")
	t.Parallel()
	w := newWorldWith(t, simstash.Options{Username: "anna", Password: "SECRET-password", MaxSessionAge: 15 * time.Second}, nil)
	w.plex.Set(func(o *simplex.Options) { o.Down = true })
	var items []string
	for i := range 6 {
		scene, item := w.film(fmt.Sprintf("%d.mp4", i), simstash.Scene{})
		items = append(items, item)
		w.edit(scene, map[string]any{"title": fmt.Sprintf("Film %d", i)})
	}
	time.Sleep(50 * time.Second)
	w.plex.Set(func(o *simplex.Options) { o.Down = false })
	w.within(2*time.Minute, "everything is in Plex", w.titles(items, "Film %d"))
}
