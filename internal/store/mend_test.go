package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// remembered is how many items the memory of these tests holds.
const remembered = 1500

func rememberedKey(i int) string { return fmt.Sprint(10000 + i) }

// memory makes a database in dir that remembers items, letters, jobs and more. Its bases
// hold word, by which they are found in the file.
func memory(t testing.TB, dir, word string) *Store {
	t.Helper()
	ctx := context.Background()
	s, err := Open(ctx, dir, t0)
	if err != nil {
		t.Fatal(err)
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = s.UseServer(ctx, "machine-1")
	ok(err)
	plex, err := s.Current(ctx)
	ok(err)
	ok(plex.SavePushed(ctx, states(word)...))
	var subjects []job.Subject
	for i := range 60 {
		subjects = append(subjects, job.Scene(int64(100_000+i)))
	}
	ok(s.Enqueue(ctx, t0, job.PriorityEvent, subjects...))
	jobs, err := s.Lease(ctx, t0, 40, "worked")
	ok(err)
	var ended []job.Ended
	for _, j := range jobs[:30] {
		ended = append(ended, job.Ended{Job: j, Title: "Title", Path: "/data/x.mp4", Outcome: job.Outcome{Verdict: job.Dead, Class: job.ClassRejected, Error: "answered 400"}})
	}
	ok(s.Finish(ctx, t0, ended...)) // ten jobs stay leased
	scan, err := plex.BeginScan(ctx, "1", "Films")
	ok(err)
	ok(plex.AddParts(ctx, scan, []job.Part{{Key: rememberedKey(0), Section: "1", Path: "/media/0.mp4"}}))
	ok(plex.EndScan(ctx, t0, "1", scan, true))
	ok(s.SetMeta(ctx, "client_id", "plexsync-mine"))
	ok(s.SetMeta(ctx, job.MetaCompare, `{"after":7}`))
	_, err = s.UpdateBreaker(ctx, t0, job.Plex, func(b job.Breaker) job.Breaker { return b.Failure(t0, job.ClassUnauthorized, "401") })
	ok(err)
	return s
}

// states are the states of all items, as written with word.
func states(word string) []job.Pushed {
	all := make([]job.Pushed, remembered)
	for i := range all {
		all[i] = job.Pushed{Key: rememberedKey(i), Scene: int64(i + 1), Section: "1", Path: fmt.Sprintf("/media/%d.mp4", i), WantedHash: "hash", Seen: "1 /t",
			Base: fmt.Appendf(nil, `{"n":"%s-%04d","filler":"%s"}`, word, i, strings.Repeat("x", 200)), PosterAt: t0, At: t0}
	}
	return all
}

// trash overwrites the pages of the database in dir that hold one of the words.
func trash(t testing.TB, path string, words ...string) (pages int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for page := 1; page < len(data)/4096; page++ {
		p := data[page*4096 : (page+1)*4096]
		for _, w := range words {
			if bytes.Contains(p, []byte(w)) {
				for i := range p {
					p[i] = byte(i*7 + 1)
				}
				pages++
				break
			}
		}
	}
	if pages == 0 {
		t.Fatalf("no page holds %q", words)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return pages
}

// bases counts the states by the word of their base.
func bases(t *testing.T, s *Server) map[string]int {
	t.Helper()
	n := map[string]int{}
	for after := ""; ; {
		all, err := s.PushedAfter(t.Context(), after, 1000)
		must(t, err)
		if len(all) == 0 {
			return n
		}
		for _, p := range all {
			word, _, _ := strings.Cut(strings.TrimPrefix(string(p.Base), `{"n":"`), "-")
			if p.Untied() {
				word = "untied " + word
			}
			n[word]++
			if p.WantedHash != "" || p.Seen != "" {
				t.Errorf("item %s is taken for right: %q, %q", p.Key, p.WantedHash, p.Seen)
			}
			after = p.Key
		}
	}
}

// readStates reads all states of the server that is synced.
func readStates(ctx context.Context, s *Store) error {
	plex, err := s.Current(ctx)
	if err == nil {
		_, err = plex.PushedAfter(ctx, "", 10000)
	}
	return err
}

// mend opens a damaged database as a drain would, and mends it if it must.
func mend(t *testing.T, dir string) *Store {
	t.Helper()
	ctx := t.Context()
	s, err := Open(ctx, dir, t0)
	must(t, err)
	for range 2 {
		if err = readStates(ctx, s); err == nil {
			_, err = s.Letters(ctx, job.Which{}, 1000, 0)
		}
		if err == nil {
			_, err = s.Meta(ctx, "client_id")
		}
		if err == nil {
			break
		}
		if !Damaged(err) {
			t.Fatal(err)
		}
		s, err = s.Replace(ctx, t0)
		must(t, err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// asides are the damaged databases that were kept in dir.
func asides(t *testing.T, dir string) (kept []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, FileName+".damaged-*"))
	must(t, err)
	for _, name := range all {
		if !strings.HasSuffix(name, "-wal") && !strings.HasSuffix(name, "-shm") {
			kept = append(kept, name)
		}
	}
	return kept
}

func TestWhatCanBeReadOfADamagedDatabaseIsCarriedOver(t *testing.T) {
	slow(t, "damages a database in many places")
	ctx := t.Context()
	for _, c := range []struct {
		name string
		// damage is done to the file, with the copy beside it.
		damage func(t *testing.T, path string)
		copy   bool
		// what remains: bases written before ("old") and after ("new") the copy
		new, old int // at least
		lost     bool
		letters  int // at least
	}{
		{"one page of states, no copy", func(t *testing.T, path string) { trash(t, path, "new-0700") }, false, remembered - 30, 0, true, 30},
		{"one page of states, and a copy", func(t *testing.T, path string) { trash(t, path, "new-0700") }, true, remembered - 30, 5, true, 30},
		{"the first and the last page", func(t *testing.T, path string) { trash(t, path, "new-0001", "new-1499") }, true, remembered - 60, 10, true, 30},
		{"every page of states, and a copy", func(t *testing.T, path string) { trash(t, path, "new-") }, true, 0, remembered - 30, true, 30},
		{"every page of states, no copy", func(t *testing.T, path string) { trash(t, path, "new-") }, false, 0, 0, true, 30},
		{"a page of states, in the copy too", func(t *testing.T, path string) {
			trash(t, path, "new-0700")
			trash(t, path+".copy", "old-0700")
		}, true, remembered - 30, 0, true, 30},
		{"the letters", func(t *testing.T, path string) { trash(t, path, "answered 400") }, true, remembered, 0, false, 30},
		{"the stored values", func(t *testing.T, path string) { trash(t, path, "plexsync-mine") }, true, remembered, 0, false, 30},
		{"no database any more", func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("no database"), 0o600)) }, true, 0, remembered, true, 30},
		{"cut in the middle", func(t *testing.T, path string) { must(t, os.Truncate(path, 70*4096)) }, true, 100, 100, true, 0},
		{"nothing but garbage, also as a copy", func(t *testing.T, path string) {
			must(t, os.WriteFile(path, bytes.Repeat([]byte("x"), 9000), 0o600))
			must(t, os.WriteFile(path+".copy", bytes.Repeat([]byte("y"), 9000), 0o600))
		}, true, 0, 0, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := memory(t, dir, "old")
			if c.copy {
				must(t, s.KeepCopy(ctx))
			}
			must(t, syncing(t, s, "machine-1").SavePushed(ctx, states("new")...))
			must(t, s.Close())
			c.damage(t, s.path)
			before, err := os.ReadFile(s.path)
			must(t, err)
			s = mend(t, dir)
			if kept := asides(t, dir); len(kept) != 1 {
				t.Fatalf("kept %v", kept)
			} else if data, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(data, before) {
				t.Errorf("it was not kept as it was (%v)", err)
			}
			got := bases(t, syncing(t, s, "machine-1"))
			if got["new"] < c.new || got["old"] < c.old || got["old"]+got["new"] > remembered || c.copy && !c.lost && got["old"]+got["new"] < remembered {
				t.Errorf("states %v, want at least %d new and %d old", got, c.new, c.old)
			}
			if lost, err := s.MemoryLost(ctx); err != nil || lost != c.lost {
				t.Errorf("the memory is lost: %v, %v", lost, err)
			}
			letters, err := s.Letters(ctx, job.Which{}, 1000, 0)
			if err != nil || len(letters) < c.letters {
				t.Errorf("%d letters, %v", len(letters), err)
			}
			for i, l := range letters {
				if l.ID != int64(len(letters)-i) || l.Title != "Title" || l.Class != job.ClassRejected {
					t.Errorf("letter %+v", l)
				}
			}
			if _, live, err := s.Job(ctx, job.Library()); err != nil || !live {
				t.Errorf("the library is not queued: %v", err)
			}
			counts, err := s.Counts(ctx, t0)
			if err != nil || counts.Leased != 0 {
				t.Errorf("a lease was carried over: %+v, %v", counts, err)
			}
			if c.letters > 0 {
				if id, err := s.Meta(ctx, "client_id"); err != nil || id != "plexsync-mine" {
					t.Errorf("client id %q, %v", id, err)
				}
				if b, err := s.Breaker(ctx, job.Plex); err != nil || b.State != job.BreakerOpen {
					t.Errorf("breaker %+v, %v", b, err)
				}
			}
			if at, err := s.Meta(ctx, job.MetaCompare); err != nil || at != "" {
				t.Errorf("a compare goes on at %q without its index, %v", at, err)
			}
			if all, err := syncing(t, s, "machine-1").Sections(ctx); err != nil || len(all) != 0 {
				t.Errorf("the index is taken for whole: %v, %v", all, err)
			}
			told, err := s.Notices(ctx)
			if err != nil || len(told) != 1 || !strings.Contains(told[0], "The database was damaged (") || !strings.Contains(told[0], asides(t, dir)[0]) ||
				strings.Contains(told[0], "keepPlexEdits") != c.lost {
				t.Errorf("told %q, %v", told, err)
			}
			must(t, use(ctx, s, "run"))
		})
	}
}

// TestTheCopyHoldsEachServersStates: one that was away when the database was damaged is
// remembered too.
func TestTheCopyHoldsEachServersStates(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s := memory(t, dir, "old")
	other := syncing(t, s, "machine-2")
	must(t, other.SavePushed(ctx, states("other")[:3]...))
	must(t, s.KeepCopy(ctx))
	must(t, s.Close())
	trash(t, s.path, "old-", "other-")
	s = mend(t, dir)
	if got := bases(t, syncing(t, s, "machine-1")); got["old"] != remembered || len(got) != 1 {
		t.Errorf("states of the first %v", got)
	}
	if got := bases(t, syncing(t, s, "machine-2")); got["other"] != 3 || len(got) != 1 {
		t.Errorf("states of the second %v", got)
	}
}

// TestALostDatabaseIsTold: it was deleted, emptied or cut beside what shows that there was
// one. A folder in which PlexSync never worked is a new one.
func TestALostDatabaseIsTold(t *testing.T) {
	slow(t, "damages a database in many places")
	ctx := t.Context()
	traces := map[string]func(dir string) error{
		"a lock of a drain": func(dir string) error { return os.WriteFile(filepath.Join(dir, DrainLock), nil, 0o600) },
		"a lock of a waker": func(dir string) error { return os.WriteFile(filepath.Join(dir, WakerLock), nil, 0o600) },
		"a spool":           func(dir string) error { return os.Mkdir(filepath.Join(dir, SpoolDir), 0o700) },
	}
	for name, trace := range traces {
		for _, empty := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", emptied: ", empty), func(t *testing.T) {
				dir := t.TempDir()
				must(t, trace(dir))
				if empty {
					must(t, os.WriteFile(filepath.Join(dir, FileName), nil, 0o600))
				}
				if s, err := Open(ctx, dir, t0, Hasty()); err == nil || !Damaged(err) || !errors.Is(err, job.ErrStore) {
					t.Fatalf("a hook has begun a new one: %v, %v", s, err)
				}
				s := open(t, dir)
				told, err := s.Notices(ctx)
				if err != nil || len(told) != 1 || !strings.Contains(told[0], "missing or empty") {
					t.Errorf("told %q, %v", told, err)
				}
				if _, live, err := s.Job(ctx, job.Library()); err != nil || !live {
					t.Errorf("the library is not queued: %v", err)
				}
				if lost, err := s.MemoryLost(ctx); err != nil || !lost {
					t.Errorf("the memory is lost: %v, %v", lost, err)
				}
			})
		}
	}
	t.Run("with a copy and a log that stayed", func(t *testing.T) {
		dir := t.TempDir()
		s := memory(t, dir, "old")
		must(t, s.KeepCopy(ctx))
		must(t, syncing(t, s, "machine-1").SavePushed(ctx, states("new")...)) // in the log
		path := s.path
		must(t, os.Rename(path, path+"-stolen"))
		s2 := open(t, dir)
		if got := bases(t, syncing(t, s2, "machine-1")); got["old"] != remembered || len(got) != 1 {
			t.Errorf("states %v", got)
		}
		if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf("%s.damaged-%s-wal", FileName, t0.Format("20060102-150405")))); err != nil {
			t.Errorf("the log of the lost one was not kept: %v", err)
		}
		must(t, s.Close()) // of who had it open: touches nothing of the new one
		must(t, use(ctx, s2, "run"))
		must(t, s2.Check(ctx))
	})
	t.Run("a new folder", func(t *testing.T) {
		s, err := Open(ctx, filepath.Join(t.TempDir(), "new"), t0, Hasty())
		must(t, err)
		defer s.Close()
		if told, err := s.Notices(ctx); err != nil || len(told) != 0 {
			t.Errorf("told %q, %v", told, err)
		}
		if c, err := s.Counts(ctx, t0); err != nil || c.Queued != 0 {
			t.Errorf("%+v, %v", c, err)
		}
	})
	t.Run("a new folder whose first process was killed", func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, FileName), nil, 0o600))
		must(t, os.WriteFile(filepath.Join(dir, openLock), nil, 0o600))
		s := open(t, dir)
		if c, err := s.Counts(ctx, t0); err != nil || c.Queued != 0 {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// TestAHookLeavesTheMendingToOthers: a person waits for it.
func TestAHookLeavesTheMendingToOthers(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, FileName), bytes.Repeat([]byte("no database "), 1000), 0o600))
	if _, err := Open(t.Context(), dir, t0, Hasty()); !Damaged(err) || !errors.Is(err, job.ErrStore) {
		t.Errorf("%v", err)
	}
	if kept := asides(t, dir); len(kept) != 0 {
		t.Errorf("it set aside %v", kept)
	}
}

// TestASchemaThatGetsNewerInUseIsLeftAlone: an update migrates the file under a drain of
// the older program, to which it then looks damaged.
func TestASchemaThatGetsNewerInUseIsLeftAlone(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s := memory(t, dir, "old")
	db := sql.OpenDB(sqlConnector{"file:" + s.path})
	_, err := db.Exec(`ALTER TABLE job RENAME COLUMN due_at TO due; DROP TABLE missing; PRAGMA user_version = 99`)
	must(t, err)
	must(t, db.Close())
	_, err = s.Counts(ctx, t0)
	if !Damaged(err) {
		t.Fatalf("it does not look damaged: %v", err)
	}
	_, err = s.Replace(ctx, t0)
	var newer *newerError
	if !errors.As(err, &newer) || !errors.Is(err, job.ErrStore) || Damaged(err) || !strings.Contains(err.Error(), "a newer PlexSync") {
		t.Errorf("%v", err)
	}
	if kept := asides(t, dir); len(kept) != 0 {
		t.Errorf("set aside %v", kept)
	}
	db = sql.OpenDB(sqlConnector{"file:" + s.path})
	defer db.Close()
	var n int
	if err := db.QueryRow(`SELECT count(*) FROM pushed`).Scan(&n); err != nil || n != remembered {
		t.Errorf("%d states are left, %v", n, err)
	}
}

// TestASoundDatabaseIsNotSetAside for an error that has another reason; but one that
// fails again and again is.
func TestASoundDatabaseIsNotSetAside(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s := memory(t, dir, "old")
	s, err := s.Replace(ctx, t0)
	must(t, err)
	if kept := asides(t, dir); len(kept) != 0 {
		t.Fatalf("set aside %v", kept)
	}
	s, err = s.Replace(ctx, t0.Add(48*time.Hour))
	must(t, err)
	if kept := asides(t, dir); len(kept) != 0 {
		t.Fatalf("set aside %v", kept)
	}
	if told, err := s.Notices(ctx); err != nil || len(told) != 0 {
		t.Errorf("told %q, %v", told, err)
	}
	s, err = s.Replace(ctx, t0.Add(49*time.Hour))
	must(t, err)
	defer s.Close()
	if kept := asides(t, dir); len(kept) != 1 {
		t.Errorf("kept %v", kept)
	}
	if got := bases(t, syncing(t, s, "machine-1")); got["old"] != remembered {
		t.Errorf("states %v", got)
	}
	if lost, err := s.MemoryLost(ctx); err != nil || lost {
		t.Errorf("the memory is lost: %v, %v", lost, err)
	}
}

// TestAnOddStateIsBroughtBackFromTheCopy: the file stays, and the other rows.
func TestAnOddStateIsBroughtBackFromTheCopy(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s := memory(t, dir, "old")
	must(t, s.KeepCopy(ctx))
	must(t, syncing(t, s, "machine-1").SavePushed(ctx, states("new")...))
	_, err := s.db.Exec(`UPDATE pushed SET base = '{' WHERE scene_id = 5; UPDATE pushed SET pushed_at = 'then' WHERE scene_id = 6`)
	must(t, err)
	_, err = syncing(t, s, "machine-1").PushedOfScenes(ctx, 5, 6)
	if !Damaged(err) {
		t.Fatalf("%v", err)
	}
	s, err = s.Replace(ctx, t0)
	must(t, err)
	defer s.Close()
	found, err := syncing(t, s, "machine-1").PushedOfScenes(ctx, 4, 5, 6)
	must(t, err)
	var got []string
	for _, p := range found {
		got = append(got, fmt.Sprintf("%s %.13s %q", p.Key, p.Base, p.WantedHash))
	}
	want := []string{`10003 {"n":"new-000 "hash"`, `10004 {"n":"old-000 ""`, `10005 {"n":"old-000 ""`}
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("states %q, want %q", got, want)
	}
	for _, scene := range []int64{5, 6} {
		if _, live, err := s.Job(ctx, job.Scene(scene)); err != nil || !live {
			t.Errorf("scene %d is not queued, %v", scene, err)
		}
	}
	if lost, err := s.MemoryLost(ctx); err != nil || lost {
		t.Errorf("the memory is lost: %v, %v", lost, err)
	}
	told, err := s.Notices(ctx)
	if err != nil || len(told) != 1 || !strings.Contains(told[0], "2 remembered items (2 of them restored") {
		t.Errorf("told %q, %v", told, err)
	}
	if kept := asides(t, dir); len(kept) != 0 {
		t.Errorf("set aside %v", kept)
	}
}

// TestTheMemoryIsWholeAgainAfterACompare that went well, once no scene waits.
func TestTheMemoryIsWholeAgainAfterACompare(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	must(t, s.SetMeta(ctx, MetaMemoryLost, "2026-03-01T12:00:00Z"))
	must(t, s.Enqueue(ctx, t0, job.PriorityBulk, job.Scene(1)))
	for _, want := range []bool{true, false} {
		must(t, s.KeepCopy(ctx))
		if lost, err := s.MemoryLost(ctx); err != nil || lost != want {
			t.Errorf("lost: %v, %v, want %v", lost, err, want)
		}
		_, err := s.Clear(ctx)
		must(t, err)
	}
}

func TestOneCopyIsKeptAndReplacedWhole(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s := memory(t, dir, "old")
	must(t, s.KeepCopy(ctx))
	must(t, os.WriteFile(s.copyPath()+".part", []byte("of a process that was killed"), 0o600))
	must(t, syncing(t, s, "machine-1").SavePushed(ctx, states("new")...))
	must(t, s.KeepCopy(ctx))
	files, err := filepath.Glob(filepath.Join(dir, "*copy*"))
	if err != nil || len(files) != 1 || files[0] != s.copyPath() {
		t.Errorf("files %v, %v", files, err)
	}
	if info, err := os.Stat(s.copyPath()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	elsewhere := t.TempDir()
	must(t, os.Rename(s.copyPath(), filepath.Join(elsewhere, FileName)))
	whole := open(t, elsewhere)
	must(t, whole.Check(ctx))
	if all, err := syncing(t, whole, "machine-1").PushedAfter(ctx, "", 2*remembered); err != nil || len(all) != remembered || !strings.Contains(string(all[7].Base), "new-") {
		t.Errorf("it holds %d states, %v", len(all), err)
	}
}

// mendProcess opens the database, does what a drain does, and queues an event of its own.
func mendProcess(dir string) int {
	ctx := context.Background()
	s, err := Open(ctx, dir, t0, killAt(os.Getenv("STORE_TEST_KILL")))
	for range 3 {
		if err == nil {
			if err = readStates(ctx, s); err == nil {
				_, err = s.Event(ctx, time.Now(), job.Scene(int64(1_000_000+os.Getpid())), "x", "", none)
			}
		}
		if !Damaged(err) {
			break
		}
		s, err = s.Replace(ctx, t0)
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	return 0
}

func copyProcess(dir string) int {
	ctx := context.Background()
	s, err := Open(ctx, dir, t0, killAt(os.Getenv("STORE_TEST_KILL")))
	if err == nil {
		err = s.KeepCopy(ctx)
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	return 0
}

// TestManyProcessesMeetTheSameDamage: one of them mends, and none sets aside what another
// has made.
func TestManyProcessesMeetTheSameDamage(t *testing.T) {
	slow(t, "damages a database in many places")
	const processes = 12
	dir := t.TempDir()
	s := memory(t, dir, "old")
	must(t, s.Close())
	trash(t, s.path, "old-0700")
	var wg sync.WaitGroup
	for range processes {
		wg.Go(func() {
			cmd := osexec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "STORE_TEST_MEND="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	if kept := asides(t, dir); len(kept) != 1 {
		t.Errorf("kept %v", kept)
	}
	s = open(t, dir)
	n := 0
	for sub := range live(t, s) {
		if sub.ID >= 1_000_000 {
			n++
		}
	}
	if n != processes {
		t.Errorf("%d of %d events are queued", n, processes)
	}
	if got := bases(t, syncing(t, s, "machine-1")); got["old"] < remembered-30 {
		t.Errorf("states %v", got)
	}
}

// TestADatabaseOfToday opens one that PlexSync 0.1.0 has written, whose file must be
// understood for ever.
func TestADatabaseOfTodayOpensUnchanged(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	f, err := os.Open("testdata/0.1.0.db.gz")
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	data, err := io.ReadAll(z)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, FileName), data, 0o600))
	s := open(t, dir)
	pushed, err := syncing(t, s, "machine-1").PushedOfKeys(ctx, "1001")
	must(t, err)
	want := job.Pushed{Key: "1001", Scene: 1, Section: "1", Path: "/media/a.mp4", WantedHash: "h", Base: []byte(`{"scalars":{"title":{"want":"A"}}}`), Intent: []byte(`{"scalars":{}}`),
		PosterHash: "p", PosterETag: "e", PosterAt: t0, ArtHash: "a", Thumb: "/t/1", At: t0, Seen: "1700000000 /t/1",
		Refs: []job.Subject{{Kind: job.KindPerformer, ID: 12}, {Kind: job.KindTag, ID: 1}}}
	if len(pushed) != 1 || !equalPushed(pushed[0], want) || pushed[0].Seen != want.Seen {
		t.Errorf("states %+v", pushed)
	}
	jobs, err := s.Jobs(ctx, 10, 0)
	var queued []string
	for _, j := range jobs {
		queued = append(queued, fmt.Sprint(j.Subject, " ", j.Priority, " ", j.Attempt, " ", j.LastClass))
	}
	if want := "studio 7 0 0 ; library 1 0 ; scene 5 0 0 ; scene 4 0 1 busy"; err != nil || strings.Join(queued, "; ") != want {
		t.Errorf("queued %q, want %q (%v)", queued, want, err)
	}
	letters, err := s.Letters(ctx, job.Which{}, 10, 0)
	if err != nil || len(letters) != 2 || letters[0].Title != "Tide" || letters[0].Class != job.ClassNotInPlex || letters[1].LogLine() != "DLQ #1: scene 2 - rejected: edit item 7: answered 400" || len(letters[1].History) != 1 {
		t.Errorf("letters %+v, %v", letters, err)
	}
	if b, err := s.Breaker(ctx, job.Plex); err != nil || b.State != job.BreakerOpen || b.Cause != job.ClassUnauthorized || !b.OpenedAt.Equal(t0) {
		t.Errorf("breaker %+v, %v", b, err)
	}
	runs, err := s.Runs(ctx, 10)
	if err != nil || len(runs) != 1 || runs[0].Dead != 2 || runs[0].Note != "note" || !runs[0].Ended.Equal(t0.Add(time.Second)) {
		t.Errorf("runs %+v, %v", runs, err)
	}
	if outages, err := s.Outages(ctx, 10); err != nil || len(outages) != 1 || outages[0].Message != "401" {
		t.Errorf("outages %+v, %v", outages, err)
	}
	parts, _, err := syncing(t, s, "machine-1").Candidates(ctx, job.Lookup{Mapped: "/media/a.mp4", Name: job.Name{Base: "a.mp4"}})
	if err != nil || len(parts) != 1 || parts[0].Key != "1001" || parts[0].Duration != time.Minute {
		t.Errorf("parts %+v, %v", parts, err)
	}
	if missing, err := s.AnyMissing(ctx); err != nil || !missing {
		t.Errorf("missing %v, %v", missing, err)
	}
	for key, want := range map[string]string{"client_id": "plexsync-fixture", MetaMachine: "machine-1"} {
		if got, err := s.Meta(ctx, key); err != nil || got != want {
			t.Errorf("%s is %q, %v", key, got, err)
		}
	}
	if told, err := s.Notices(ctx); err != nil || len(told) != 0 || s.SetAside != "" {
		t.Errorf("told %q, %v", told, err)
	}
	must(t, use(ctx, s, "run-2"))
	// Its schema is taken for PlexSync's own, and all of it is carried over if need be.
	s, err = s.Replace(ctx, t0)
	must(t, err)
	defer s.Close()
	if kept := asides(t, dir); len(kept) != 0 {
		t.Errorf("set aside %v", kept)
	}
}
