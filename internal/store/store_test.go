package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(context.Background(), dir, t0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func none() bool { return false }

// TestMain lets the tests start this binary again as a process that opens the
// database and queues one event, as a hook does.
func TestMain(m *testing.M) {
	if dir := os.Getenv("STORE_TEST_HOOK"); dir != "" {
		os.Exit(hookProcess(dir))
	}
	for name, process := range map[string]func(string) int{
		"TAKE": takeProcess, "MEND": mendProcess, "COPY": copyProcess, "LOCKS": lockProcess, "SPOOL": spoolProcess,
	} {
		if dir := os.Getenv("STORE_TEST_" + name); dir != "" {
			os.Exit(process(dir))
		}
	}
	os.Exit(m.Run())
}

// lockProcess takes the locks of a drain and a waker, as Stash's user.
func lockProcess(dir string) int {
	for _, name := range []string{DrainLock, WakerLock} {
		l, err := TryLock(dir, name)
		if err != nil || l == nil {
			os.Stderr.WriteString(name + ": " + errText(err))
			return 1
		}
		l.Release()
	}
	return 0
}

func spoolProcess(dir string) int {
	if _, err := Spool(dir, job.Scene(1)); err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	return 0
}

func errText(err error) string {
	if err == nil {
		return "held"
	}
	return err.Error()
}

func hookProcess(dir string) int {
	ctx := context.Background()
	s, err := Open(ctx, dir, time.Now())
	if err == nil {
		_, err = s.Event(ctx, time.Now(), job.Scene(int64(os.Getpid())), "x", "", none)
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	return 0
}

func TestManyProcessesMakeANewDatabaseAtOnce(t *testing.T) {
	processes := 200
	if testing.Short() {
		processes = 30
	}
	dir := filepath.Join(t.TempDir(), "new")
	var wg sync.WaitGroup
	for range processes {
		wg.Go(func() {
			cmd := osexec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "STORE_TEST_HOOK="+dir)
			var out bytes.Buffer
			cmd.Stderr = &out
			if err := cmd.Run(); err != nil {
				t.Errorf("%v: %s", err, &out)
			}
		})
	}
	wg.Wait()
	s := open(t, dir)
	c, err := s.Counts(context.Background(), time.Now())
	if err != nil || c.Queued != processes {
		t.Fatalf("%d of %d events are queued (%v)", c.Queued, processes, err)
	}
	if s.SetAside != "" {
		t.Errorf("a database was taken for damaged: %s", s.SetAside)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for _, name := range []string{FileName, FileName + "-wal", FileName + "-shm", openLock} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, want 0600 (%v)", name, info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: mode %v, want 0700 (%v)", info.Mode(), err)
	}
}

func TestAPathWithOddCharactersIsOpened(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%20é")
	s := open(t, dir)
	if err := s.SetMeta(context.Background(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, FileName)); err != nil {
		t.Error(err)
	}
}

func TestADamagedDatabaseIsSetAsideAndTheLibraryQueued(t *testing.T) {
	ctx := context.Background()
	for name, damage := range map[string]func(path string) error{
		"not a database": func(path string) error {
			return os.WriteFile(path, []byte("this is not a database, just text\n"), 0o600)
		},
		"random bytes":                        func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte{0xA5, 3}, 5000), 0o600) },
		"cut in the middle of the first page": func(path string) error { return os.Truncate(path, 700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := Open(ctx, dir, t0)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			if err := damage(s.path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(s.path)
			s = open(t, dir)
			kept, err := os.ReadFile(s.SetAside)
			if err != nil || !bytes.Equal(kept, before) {
				t.Fatalf("the damaged file was not kept as it was: %q, %v", s.SetAside, err)
			}
			jobs, err := s.Jobs(ctx, 10, 0)
			if err != nil || len(jobs) != 1 || jobs[0].Subject != job.Library() {
				t.Errorf("queue of the new database: %v, %v; want the library", jobs, err)
			}
		})
	}
}

func TestADatabaseOfANewerPlexSyncIsRefusedAndLeftAlone(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.db.Exec(`PRAGMA user_version = 999`); err != nil {
		t.Fatal(err)
	}
	s.Close()
	before, _ := os.ReadFile(s.path)
	_, err := Open(ctx, dir, t0)
	if err == nil || !strings.Contains(err.Error(), "newer PlexSync") || !strings.Contains(err.Error(), s.path) {
		t.Errorf("error %v, want one that names the file and the newer PlexSync", err)
	}
	if after, _ := os.ReadFile(s.path); !bytes.Equal(after, before) {
		t.Error("the file was changed")
	}
}

func TestAFolderThatCannotBeWrittenIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(context.Background(), filepath.Join(file, "plexsync"), t0)
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v does not name %s", err, file)
	}
}

func TestABurstOfEventsAsksOnce(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	asked := 0
	for i := range 1000 {
		now := t0.Add(time.Duration(i) * time.Millisecond)
		a, err := s.Event(ctx, now, job.Scene(int64(i+1)), "hook", "stash-1", none)
		if err != nil {
			t.Fatal(err)
		}
		if a.Ask == AskDrain {
			asked++
			if err := s.Asked(ctx, now, a.Token, "77"); err != nil {
				t.Fatal(err)
			}
		} else if a.Ask != AskNothing {
			t.Fatalf("event %d: ask %v", i, a.Ask)
		}
	}
	if asked != 1 {
		t.Errorf("Stash was asked %d times", asked)
	}
}

func TestWhoAsksForADrain(t *testing.T) {
	ctx := context.Background()
	alive := func() bool { return true }
	for _, c := range []struct {
		name   string
		before func(t *testing.T, s *Store)
		after  time.Duration
		stash  string
		alive  func() bool
		want   Ask
		job    string
	}{
		{"nobody has asked", func(*testing.T, *Store) {}, 0, "A", none, AskDrain, ""},
		{"a drain runs", began, 0, "A", alive, AskNothing, ""},
		{"a drain was killed", began, 0, "A", none, AskDrain, ""},
		{"a drain has ended", func(t *testing.T, s *Store) { began(t, s); finished(t, s) }, 0, "A", alive, AskDrain, ""},
		{"somebody is about to ask", claimed, time.Second, "A", none, AskNothing, ""},
		{"somebody was killed before asking", claimed, time.Minute, "A", none, AskDrain, ""},
		{"Stash was asked just now", asked, time.Second, "A", none, AskNothing, ""},
		{"Stash was asked a while ago", asked, time.Minute, "A", none, AskCheck, "77"},
		{"Stash was restarted since", asked, time.Second, "B", none, AskDrain, ""},
		{"the clock was set back since", asked, -time.Hour, "A", none, AskDrain, ""},
		{"asking failed", func(t *testing.T, s *Store) { claimed(t, s); must(t, s.AskFailed(ctx, "first")) }, 0, "A", none, AskDrain, ""},
		{"the asked drain has begun and ended", func(t *testing.T, s *Store) { asked(t, s); began(t, s); finished(t, s) }, time.Second, "A", none, AskDrain, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			c.before(t, s)
			a, err := s.Event(ctx, t0.Add(c.after), job.Scene(2), "second", c.stash, c.alive)
			if err != nil || a.Ask != c.want || a.Job != c.job {
				t.Errorf("ask %v about job %q, %v; want %v about %q", a.Ask, a.Job, err, c.want, c.job)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func claimed(t *testing.T, s *Store) {
	t.Helper()
	a, err := s.Event(context.Background(), t0, job.Scene(1), "first", "A", none)
	if err != nil || a.Ask != AskDrain {
		t.Fatal(a, err)
	}
}

func asked(t *testing.T, s *Store) {
	t.Helper()
	claimed(t, s)
	must(t, s.Asked(context.Background(), t0, "first", "77"))
}

func began(t *testing.T, s *Store) {
	t.Helper()
	_, err := s.BeginDrain(context.Background(), t0, "drain", time.Hour)
	must(t, err)
}

func finished(t *testing.T, s *Store) {
	t.Helper()
	ended, err := s.EndDrain(context.Background(), t0, job.Run{Token: "drain"}, false)
	if err != nil || !ended {
		t.Fatal(ended, err)
	}
}

// TestOnlyEventsAreWaitedFor: a drain waits until events have settled, not until what
// PlexSync queued itself has.
func TestOnlyEventsAreWaitedFor(t *testing.T) {
	ctx, s := t.Context(), open(t, t.TempDir())
	must(t, s.Enqueue(ctx, t0, job.PriorityBulk, job.Scene(1), job.Scene(2)))
	if at, err := s.LastEvent(ctx, t0); err != nil || !at.IsZero() {
		t.Errorf("bulk jobs count as an event at %v, %v", at, err)
	}
	_, err := s.Event(ctx, t0.Add(time.Second), job.Scene(2), "a", "", func() bool { return false })
	must(t, err)
	if at, err := s.LastEvent(ctx, t0.Add(time.Minute)); err != nil || !at.Equal(t0.Add(time.Second)) {
		t.Errorf("the last event was at %v, %v", at, err)
	}
}

func TestADrainDoesNotEndWhileAJobIsDue(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	began(t, s)
	claim, err := s.Event(ctx, t0, job.Scene(1), "hook", "A", func() bool { return true })
	if err != nil || claim.Ask != AskNothing {
		t.Fatal(claim, err)
	}
	ended, err := s.EndDrain(ctx, t0, job.Run{Token: "drain"}, true)
	if err != nil || ended {
		t.Fatalf("ended %v with a due job (%v)", ended, err)
	}
	jobs, err := s.Lease(ctx, t0, 10, "drain")
	must(t, err)
	must(t, s.Finish(ctx, t0, job.Ended{Job: jobs[0], Outcome: job.Outcome{Verdict: job.Done}}))
	ended, err = s.EndDrain(ctx, t0, job.Run{Token: "drain", Done: 1}, true)
	if err != nil || !ended {
		t.Fatalf("ended %v with nothing due (%v)", ended, err)
	}
	runs, err := s.Runs(ctx, 1)
	if err != nil || len(runs) != 1 || runs[0].Done != 1 || runs[0].Ended.IsZero() {
		t.Errorf("runs %+v, %v", runs, err)
	}
}

func TestOldDeadLettersGoWhenADrainBegins(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	for i, died := range []time.Time{t0.Add(-31 * 24 * time.Hour), t0.Add(-29 * 24 * time.Hour), t0.Add(time.Hour)} {
		must(t, s.Enqueue(ctx, died, job.PriorityEvent, job.Scene(int64(i+1))))
		jobs, err := s.Lease(ctx, died, 1, "t")
		must(t, err)
		must(t, s.Finish(ctx, died, job.Ended{Job: jobs[0], Title: "Harbour at night", Path: "/data/h.mp4",
			Outcome: job.Outcome{Verdict: job.Dead, Class: job.ClassRejected, Error: "edit item 7: answered 400"}}))
	}
	b, err := s.BeginDrain(ctx, t0, "drain", 30*24*time.Hour)
	if err != nil || b.Purged != 1 {
		t.Fatalf("purged %d, %v; want 1", b.Purged, err)
	}
	letters, err := s.Letters(ctx, job.Which{}, 10, 0)
	must(t, err)
	if len(letters) != 2 || letters[0].Subject != job.Scene(3) || letters[1].Subject != job.Scene(2) {
		t.Fatalf("letters %+v", letters)
	}
	want := "DLQ #2: scene 2 - rejected: edit item 7: answered 400"
	if got := letters[1].LogLine(); got != want {
		t.Errorf("log line %q, want %q", got, want)
	}
}

func TestAnOutageIsRecordedFromOpeningToClosing(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	must(t, s.Enqueue(ctx, t0, job.PriorityEvent, job.Scene(1), job.Scene(2)))
	change := func(after time.Duration, f func(job.Breaker) job.Breaker) job.Breaker {
		t.Helper()
		b, err := s.UpdateBreaker(ctx, t0.Add(after), job.Plex, f)
		must(t, err)
		return b
	}
	for i := range job.BreakerThreshold {
		at := time.Duration(i) * time.Second
		change(at, func(b job.Breaker) job.Breaker { return b.Failure(t0.Add(at), job.ClassUnreachable, "refused") })
	}
	change(time.Minute, func(b job.Breaker) job.Breaker { return b.Probing(t0.Add(time.Minute)).ProbeSucceeded() })
	change(2*time.Minute, job.Breaker.Success)
	got, err := s.Outages(ctx, 10)
	must(t, err)
	want := Outage{System: job.Plex, Started: t0.Add(4 * time.Second), Ended: t0.Add(2 * time.Minute), Cause: job.ClassUnreachable, Message: "refused", Waited: 2}
	if len(got) != 1 || got[0] != want {
		t.Errorf("outages %+v, want %+v", got, want)
	}
}

func TestTheLockIsFreeAgainWhenItsHolderLetsGo(t *testing.T) {
	dir := t.TempDir()
	if Held(dir, DrainLock) {
		t.Fatal("held by nobody")
	}
	l, err := TryLock(dir, DrainLock)
	if err != nil || l == nil {
		t.Fatal(l, err)
	}
	if !Held(dir, DrainLock) {
		t.Error("not seen as held")
	}
	if l2, err := WaitLock(context.Background(), dir, DrainLock, 10*time.Millisecond); l2 != nil || err != nil {
		t.Errorf("taken twice: %v, %v", l2, err)
	}
	l.Release()
	if l, err = WaitLock(context.Background(), dir, DrainLock, time.Second); l == nil || err != nil {
		t.Errorf("not free after its release: %v", err)
	}
	l.Release()
}

func TestTheIndexFollowsPlex(t *testing.T) {
	ctx := context.Background()
	s := syncing(t, open(t, t.TempDir()), "machine")
	part := func(key string, index int, path string) job.Part {
		base := path[strings.LastIndexByte(path, '/')+1:]
		return job.Part{Key: key, Index: index, Section: "1", Path: path, Size: 10, Duration: time.Second,
			Name: job.Name{Path: path, Base: base, Parent: "p"}}
	}
	scan := func(full bool, parts ...job.Part) {
		t.Helper()
		n, err := s.BeginScan(ctx, "1", "Movies")
		must(t, err)
		must(t, s.AddParts(ctx, n, parts))
		must(t, s.EndScan(ctx, t0, "1", n, full))
	}
	find := func(path string) []string {
		t.Helper()
		parts, _, err := s.Candidates(ctx, job.Lookup{Mapped: path, Name: job.Name{Base: path[strings.LastIndexByte(path, '/')+1:]}})
		must(t, err)
		var keys []string
		for _, p := range parts {
			keys = append(keys, p.Key+" "+p.Path)
		}
		return keys
	}
	expect := func(path string, want ...string) {
		t.Helper()
		if got := find(path); strings.Join(got, "; ") != strings.Join(want, "; ") {
			t.Errorf("%s: found %q, want %q", path, got, want)
		}
	}
	scan(true, part("1", 0, "/m/a.mp4"), part("1", 1, "/m/a2.mp4"), part("2", 0, "/m/b.mp4"))
	expect("/m/a.mp4", "1 /m/a.mp4")
	expect("/elsewhere/b.mp4", "2 /m/b.mp4")
	scan(false, part("1", 0, "/m/moved/a.mp4")) // an update: one part less, another path
	expect("/m/a2.mp4")
	expect("/m/moved/a.mp4", "1 /m/moved/a.mp4")
	expect("/m/b.mp4", "2 /m/b.mp4")
	scan(true, part("1", 0, "/m/moved/a.mp4")) // a full scan: 2 is gone
	expect("/m/b.mp4")
	must(t, s.KeepSections(ctx, nil))
	expect("/m/moved/a.mp4")
}

func TestEachPlexServerIsRememberedByItself(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	first := syncing(t, s, "first")
	want := job.Pushed{Key: "7", Scene: 3, Section: "1", Path: "/m/a.mp4", Size: 12, Duration: time.Second, WantedHash: "h", Base: []byte(`{"a":1}`),
		PosterHash: "p", PosterETag: "e", PosterAt: t0, Thumb: "t", At: t0, Unread: true, Contested: 2,
		Refs: []job.Subject{{Kind: job.KindPerformer, ID: 12}, {Kind: job.KindTag, ID: 1}}}
	must(t, first.SavePushed(ctx, want))
	index := func(of *Server) {
		t.Helper()
		scan, err := of.BeginScan(ctx, "1", "Films")
		must(t, err)
		must(t, of.AddParts(ctx, scan, []job.Part{{Key: "7", Section: "1", Path: "/m/a.mp4", Trashed: true}}))
		must(t, of.EndScan(ctx, t0, "1", scan, true))
	}
	index(first)
	knows := func(of *Server, pushed, parts int) {
		t.Helper()
		byKey, err := of.PushedOfKeys(ctx, "7")
		must(t, err)
		byPath, err := of.PushedOfPaths(ctx, "/m/a.mp4")
		must(t, err)
		found, err := of.PartsOf(ctx, "7")
		must(t, err)
		if len(byKey) != pushed || len(byPath) != pushed || len(found) != parts {
			t.Errorf("known are %d states by key, %d by path, %d parts; want %d, %d", len(byKey), len(byPath), len(found), pushed, parts)
		}
		if pushed == 1 && len(byKey) == 1 && !equalPushed(byKey[0], want) {
			t.Errorf("stored %+v, want %+v", byKey[0], want)
		}
		if parts == 1 && len(found) == 1 && (!found[0].Trashed || found[0].Optimized) {
			t.Errorf("part %+v", found[0])
		}
	}
	knows(first, 1, 1)
	if ids, err := s.Showing(ctx, job.Subject{Kind: job.KindTag, ID: 1}); err != nil || len(ids) != 1 || ids[0] != 3 {
		t.Errorf("showing tag 1: %v, %v", ids, err)
	}
	if ids, err := s.Showing(ctx, job.Subject{Kind: job.KindPerformer, ID: 1}); err != nil || len(ids) != 0 {
		t.Errorf("showing performer 1: %v, %v; performer 12 is another", ids, err)
	}

	// Who only looks at a second server changes nothing of the first.
	second, err := s.Server(ctx, "second")
	must(t, err)
	index(second)
	knows(first, 1, 1)
	// Its key 7 is another item.
	if before, err := s.UseServer(ctx, "second"); err != nil || before != "first" {
		t.Fatal(before, err)
	}
	knows(second, 0, 1)
	knows(first, 1, 0)
	// What is there is remembered, also across a second visit.
	if before, err := s.UseServer(ctx, "first"); err != nil || before != "second" {
		t.Fatal(before, err)
	}
	knows(syncing(t, s, "first"), 1, 0)

	if n, err := s.ForgetMatches(ctx); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	want.WantedHash = ""
	knows(first, 1, 0)
}

// syncing is the server with this machine identifier, which is synced from now on.
func syncing(t *testing.T, s *Store, machine string) *Server {
	t.Helper()
	_, err := s.UseServer(context.Background(), machine)
	must(t, err)
	x, err := s.Current(context.Background())
	must(t, err)
	return x
}

func TestWhatIsReadBackChangesNothingThatWasWrittenSince(t *testing.T) {
	ctx := context.Background()
	plex := syncing(t, open(t, t.TempDir()), "first")
	row := func(key string, at time.Time, unread bool, intent string) job.Pushed {
		return job.Pushed{Key: key, Scene: 1, Section: "1", Path: "/" + key, Base: []byte(`"old"`), Intent: []byte(intent), Thumb: "old", At: at, Unread: unread}
	}
	must(t, plex.SavePushed(ctx, row("1", t0, true, ""), row("2", t0, true, ""), row("3", t0, true, `"next"`), row("4", t0, false, "")))
	rows, err := plex.PushedUnread(ctx, 10)
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err) // not what is about to be written again, nor what was read
	}
	rows = append(rows, row("3", t0, true, ""))
	must(t, plex.SavePushed(ctx, row("2", t0.Add(time.Second), true, ""))) // written again meanwhile
	for i := range rows {
		rows[i].Base, rows[i].Thumb = []byte(`"shown"`), "shown"
	}
	must(t, plex.SaveRead(ctx, rows...))
	all, err := plex.PushedOfKeys(ctx, "1", "2", "3", "4")
	must(t, err)
	for i, want := range []string{"shown", "old", "old", "old"} {
		if all[i].Thumb != want || string(all[i].Base) != `"`+want+`"` || all[i].Unread != (i == 1 || i == 2) {
			t.Errorf("item %s: %s, %s, unread %v", all[i].Key, all[i].Base, all[i].Thumb, all[i].Unread)
		}
	}
}

func equalPushed(a, b job.Pushed) bool {
	if len(a.Refs) != len(b.Refs) {
		return false
	}
	for i := range a.Refs {
		if a.Refs[i] != b.Refs[i] {
			return false
		}
	}
	return a.Key == b.Key && a.Scene == b.Scene && a.Section == b.Section && a.Path == b.Path && a.Size == b.Size && a.Duration == b.Duration && a.Unread == b.Unread && a.Contested == b.Contested && a.WantedHash == b.WantedHash &&
		bytes.Equal(a.Base, b.Base) && bytes.Equal(a.Intent, b.Intent) && a.PosterHash == b.PosterHash && a.ArtHash == b.ArtHash &&
		a.PosterETag == b.PosterETag && a.PosterAt.Equal(b.PosterAt) && a.Thumb == b.Thumb && a.At.Equal(b.At)
}

func TestALongListIsQueuedWithoutHoldingHooksUp(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	if err := s.Enqueue(ctx, t0, job.PriorityBulk, job.Library()); err != nil {
		t.Fatal(err)
	}
	jobs, err := s.Lease(ctx, t0, 1, "run")
	if err != nil || len(jobs) != 1 {
		t.Fatal(jobs, err)
	}
	subjects := make([]job.Subject, 2*enqueueAtOnce+7)
	for i := range subjects {
		subjects[i] = job.Scene(int64(i + 1))
	}
	if err := s.Finish(ctx, t0, job.Ended{Job: jobs[0], Outcome: job.Outcome{Verdict: job.Done}, Queue: subjects}); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Counts(ctx, t0); err != nil || c.Queued != len(subjects) {
		t.Errorf("%d jobs are queued, want %d, %v", c.Queued, len(subjects), err)
	}
}

// TestEveryMigrationIsApplied: a file that is forgotten here is applied by nobody.
func TestEveryMigrationIsApplied(t *testing.T) {
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) != schemaVersion || filepath.Base(files[len(files)-1]) != fmt.Sprintf("%04d.sql", schemaVersion) {
		t.Errorf("%d migrations, the schema is %d: %v (%v)", len(files), schemaVersion, files, err)
	}
}

// TestWhoAsksForALockMisleadsNobody: many ask whether a lock is held, while it is not;
// none takes another who asks for its holder, and who wants it gets it.
func TestWhoAsksForALockMisleadsNobody(t *testing.T) {
	dir := t.TempDir()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if Held(dir, DrainLock) {
					t.Error("a lock that nobody holds is held")
					return
				}
			}
		})
	}
	for range 50 {
		l, err := WaitLock(t.Context(), dir, WakerLock, 10*time.Second)
		if err != nil || l == nil {
			t.Fatalf("the lock could not be had: %v", err)
		}
		if !Held(dir, WakerLock) {
			t.Error("a lock that is held is free")
		}
		l.Release()
	}
	close(stop)
	wg.Wait()
}
