package store

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/plexsync/plexsync/internal/job"
)

// use does with a database what a hook, a drain and a page do. token is new.
func use(ctx context.Context, s *Store, token string) error {
	steps := []func() error{
		func() error { _, err := s.Event(ctx, t0, job.Scene(3), "hook", "stash", none); return err },
		func() error { _, err := s.BeginDrain(ctx, t0, token, 24*time.Hour); return err },
		func() error { _, err := s.Meta(ctx, "client_id"); return err },
		func() error { _, err := s.Counts(ctx, t0); return err },
		func() error { _, err := s.Letters(ctx, job.Which{}, 1000, 0); return err },
		func() error { _, err := s.LetterClasses(ctx); return err },
		func() error { _, err := s.DeadScenes(ctx, 0, 1<<62); return err },
		func() error { _, err := s.Jobs(ctx, 1000, 0); return err },
		func() error {
			current, err := s.Current(ctx)
			if err == nil {
				_, err = current.PushedOfScenes(ctx, 1, 2, 3, 4, 5)
			}
			return err
		},
		func() error { _, err := s.Showing(ctx, job.Subject{Kind: job.KindTag, ID: 1}); return err },
		func() error {
			current, err := s.Current(ctx)
			if err == nil {
				_, _, err = current.Candidates(ctx, job.Lookup{Mapped: "/media/1.mp4", Name: job.Name{Base: "1.mp4"}})
			}
			return err
		},
		func() error { _, err := s.TurnedUp(ctx, t0); return err },
		func() error { _, err := s.Breaker(ctx, job.Plex); return err },
		func() error { _, err := s.Outages(ctx, 10); return err },
		func() error { _, err := s.Runs(ctx, 10); return err },
		func() error {
			current, err := s.Current(ctx)
			if err == nil {
				_, err = current.Sections(ctx)
			}
			return err
		},
		func() error { _, err := s.Revive(ctx, t0, job.Which{}); return err },
		func() error {
			jobs, err := s.Lease(ctx, t0.Add(time.Hour), 10, token)
			if err != nil {
				return err
			}
			var ended []job.Ended
			for i, j := range jobs {
				e := job.Ended{Job: j, Outcome: job.Outcome{Verdict: job.Done}}
				if i%2 == 1 {
					e.Outcome = job.Outcome{Verdict: job.Retry, At: t0, Class: job.ClassBusy}
				}
				ended = append(ended, e)
			}
			return s.Finish(ctx, t0, ended...)
		},
		func() error { _, err := s.EndDrain(ctx, t0, job.Run{Token: token}, false); return err },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// filled is the file of a database that has something in each table.
func filled(t testing.TB) []byte {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
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
	_, err = s.UseServer(ctx, "machine")
	ok(err)
	plex, err := s.Current(ctx)
	ok(err)
	scan, err := plex.BeginScan(ctx, "1", "Films")
	ok(err)
	var parts []job.Part
	var subjects []job.Subject
	for i := range 60 {
		path := fmt.Sprintf("/media/%d.mp4", i)
		parts = append(parts, job.Part{Key: fmt.Sprint(1000 + i), Section: "1", Path: path, Name: job.Name{Path: path, Base: fmt.Sprintf("%d.mp4", i), Parent: "media"}, Size: 5})
		subjects = append(subjects, job.Scene(int64(i+1)))
		ok(plex.SavePushed(ctx, job.Pushed{Key: fmt.Sprint(1000 + i), Scene: int64(i + 1), Section: "1", Path: path, Base: []byte(`{}`), At: t0,
			Refs: []job.Subject{{Kind: job.KindTag, ID: 1}}}))
	}
	ok(plex.AddParts(ctx, scan, parts))
	ok(plex.EndScan(ctx, t0, "1", scan, true))
	ok(s.Enqueue(ctx, t0, job.PriorityEvent, subjects...))
	_, err = s.BeginDrain(ctx, t0, "run-1", time.Hour)
	ok(err)
	jobs, err := s.Lease(ctx, t0, 20, "run-1")
	ok(err)
	var ended []job.Ended
	for _, j := range jobs {
		ended = append(ended, job.Ended{Job: j, Outcome: job.Outcome{Verdict: job.Dead, Class: job.ClassNotInPlex, Error: "none"},
			Missing: []job.Lookup{{Mapped: "/media/x" + fmt.Sprint(j.ID), Name: job.Name{Base: "x"}}}})
	}
	ok(s.Finish(ctx, t0, ended...))
	_, err = s.UpdateBreaker(ctx, t0, job.Plex, func(b job.Breaker) job.Breaker { return b.Failure(t0, job.ClassUnauthorized, "401") })
	ok(err)
	ok(s.SetMeta(ctx, "client_id", "x"))
	ok(s.Close()) // the last to close writes the log into the file
	data, err := os.ReadFile(s.path)
	ok(err)
	return data
}

// fate is what became of a damaged file.
type fate int

const (
	untouched fate = iota
	mended         // it stays, without some of its rows
	setAside
)

// damaged opens a file with these contents and uses it, as processes do, until it works,
// and returns what became of it.
func damaged(t testing.TB, data []byte) fate {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, dir, t0)
	var newer *newerError
	if errors.As(err, &newer) {
		if after, _ := os.ReadFile(path); !bytes.Equal(after, data) {
			t.Error("the file of a newer version was changed")
		}
		return untouched
	}
	if err != nil {
		t.Fatalf("it cannot be opened: %v", err)
	}
	for attempt := range 3 {
		aside := s.SetAside != ""
		if aside {
			if _, err := os.Stat(s.SetAside); err != nil {
				t.Errorf("the damaged file was not kept: %v", err)
			}
			if j, live, err := s.Job(ctx, job.Library()); err != nil || !live {
				t.Errorf("no compare is queued: %v, %v", j, err)
			}
		}
		err := use(ctx, s, fmt.Sprint("run of attempt ", attempt))
		if err == nil {
			told, err := s.Notices(ctx)
			// Nothing was found the first time if it took a second one.
			if changed := aside || attempt == 1; err != nil || changed != (len(told) > 0) || len(told) > 2 {
				t.Errorf("told %q, %v", told, err)
			}
			s.Close()
			switch {
			case aside:
				return setAside
			case attempt > 0:
				return mended
			}
			return untouched
		}
		if !Damaged(err) || !errors.Is(err, job.ErrStore) {
			t.Fatalf("attempt %d fails: %v", attempt, err)
		}
		if s, err = s.Replace(ctx, t0); err != nil {
			t.Fatalf("it cannot be mended: %v", err)
		}
	}
	t.Fatalf("it does not work: %v", use(ctx, s, "another run"))
	return untouched
}

func TestADamagedDatabaseIsReplacedWhereverTheDamageIs(t *testing.T) {
	slow(t, "damages every page of a database")
	whole := filled(t)
	if damaged(t, whole) != untouched {
		t.Fatal("a whole one is replaced")
	}
	for _, n := range []int{1, 99, 100, 4096, 4097, len(whole) / 2, len(whole) - 1} {
		if damaged(t, whole[:n]) == untouched {
			t.Logf("cut to %d bytes, it still works", n)
		}
	}
	replaced := 0
	for page := 0; page < len(whole)/4096; page++ {
		data := bytes.Clone(whole)
		for i := range 4096 {
			data[page*4096+i] = byte(i*7 + page)
		}
		if damaged(t, data) == setAside {
			replaced++
		}
	}
	if replaced < 5 {
		t.Errorf("only %d of %d damaged pages were noticed", replaced, len(whole)/4096)
	}
}

// TestADatabaseWithForeignContentsWorks: each is a whole SQLite file, which is only set
// aside if it is not PlexSync's any more.
func TestADatabaseWithForeignContentsWorks(t *testing.T) {
	whole := filled(t)
	for name, c := range map[string]struct {
		change string
		want   fate
	}{
		"another program's":                {`DROP TABLE job; DROP TABLE drain; CREATE TABLE job (x)`, setAside},
		"an older number":                  {`PRAGMA user_version = 0`, setAside},
		"a number below zero":              {`PRAGMA user_version = -7`, setAside},
		"a newer number":                   {`PRAGMA user_version = 999; DROP TABLE job`, untouched},
		"no drain":                         {`DROP TABLE drain`, setAside},
		"a column less":                    {`ALTER TABLE pushed DROP COLUMN seen`, setAside},
		"half of the migrations":           {`DROP TABLE missing; PRAGMA user_version = 1; DROP TABLE job`, setAside},
		"a trigger that breaks":            {`CREATE TRIGGER x AFTER INSERT ON job BEGIN SELECT no_such_function(); END`, setAside},
		"a view in a table's place":        {`DROP TABLE item; CREATE VIEW item AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n`, setAside},
		"an index more":                    {`CREATE INDEX mine ON job (last_error)`, untouched},
		"text where a time was":            {`UPDATE job SET due_at = 'soon', first_event_at = 'x'`, mended},
		"a name where an id was":           {`UPDATE OR IGNORE dead_letter SET subject_id = 'Jane' WHERE id = 1`, mended},
		"no row in drain":                  {`DELETE FROM drain`, mended},
		"a text in drain":                  {`UPDATE drain SET checked_at = 'yesterday'`, mended},
		"bytes where a text was":           {`UPDATE pushed SET refs = x'00', base = x'00'`, mended},
		"a class in capitals":              {`UPDATE dead_letter SET class = 'Fatal!' WHERE id = 2`, mended},
		"a kind that there is not":         {`UPDATE dead_letter SET kind = 'gallery' WHERE id = 2`, mended},
		"a history that is no JSON":        {`UPDATE dead_letter SET history = '[{' WHERE id = 3`, mended},
		"a base that is no JSON":           {`UPDATE pushed SET base = '{"scalars"' WHERE scene_id = 3`, mended},
		"a letter of the year 300,000,000": {`UPDATE dead_letter SET died_at = 9223372036854775807 WHERE id = 1`, mended},
		"a run before the flood":           {`UPDATE run SET started_at = -9223372036854775808`, mended},
		"a text in the history":            {`INSERT INTO outage (system, started_at, cause, message, waited) VALUES ('plex', 'x', 'busy', '', 'many')`, mended},
		"a huge error":                     {`UPDATE dead_letter SET error = CAST(zeroblob(30000000) AS TEXT) WHERE id = 1`, mended},
		"a huge number of bytes":           {`UPDATE dead_letter SET title = zeroblob(30000000) WHERE id = 1`, mended},
		"a huge base":                      {`UPDATE pushed SET base = CAST(zeroblob(30000000) AS TEXT) WHERE scene_id = 2`, mended},
		"numbers that make no sense":       {`UPDATE job SET due_at = 9223372036854775807, generation = -5, attempt = -1; UPDATE breaker SET next_probe = -9223372036854775808`, mended},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, FileName)
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(&sqlConnector{"file:" + path})
			if _, err := db.Exec(c.change); err != nil {
				t.Fatal(err)
			}
			db.Close()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := damaged(t, data); got != c.want {
				t.Errorf("its fate is %v, want %v", got, c.want)
			}
		})
	}
}

// sqlConnector is another program's connection, without our limits.
type sqlConnector struct{ dsn string }

func (c sqlConnector) Connect(context.Context) (driver.Conn, error) { return c.Driver().Open(c.dsn) }
func (c sqlConnector) Driver() driver.Driver                        { return &sqlite3.SQLiteDriver{} }

// TestAFullDiskIsNamedAndLosesNothing: the database may not grow, as on a disk that
// is full; then there is room again.
func TestAFullDiskIsNamedAndLosesNothing(t *testing.T) {
	ctx := context.Background()
	s := open(t, t.TempDir())
	if _, err := s.db.Exec(`PRAGMA max_page_count = 1`); err != nil { // not below what it has
		t.Fatal(err)
	}
	queued := 0
	var full error
	for i := 1; i < 5000 && full == nil; i++ {
		if _, full = s.Event(ctx, t0, job.Scene(int64(i)), "hook", "", none); full == nil {
			queued++
		}
	}
	if full == nil || !errors.Is(full, job.ErrStore) || Damaged(full) || !strings.Contains(full.Error(), s.path) || !strings.Contains(full.Error(), "free some space") {
		t.Fatalf("after %d events: %v", queued, full)
	}
	if _, err := s.db.Exec(`PRAGMA max_page_count = 1073741823`); err != nil {
		t.Fatal(err)
	}
	c, err := s.Counts(ctx, t0)
	if err != nil || c.Queued != queued {
		t.Errorf("%d jobs of %d events are there, %v", c.Queued, queued, err)
	}
	if _, err := s.Event(ctx, t0, job.Scene(9999), "hook", "", none); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestAnOlderDatabaseIsMigratedWithItsContents: the schema of each earlier release.
func TestAnOlderDatabaseIsMigratedWithItsContents(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	text, err := migrations.ReadFile("migrations/0001.sql")
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector{"file:" + path})
	for _, q := range []string{string(text), `INSERT INTO job (kind, subject_id, priority, due_at, first_event_at, last_event_at) VALUES ('scene', 7, 0, 1, 1, 1)`, `PRAGMA user_version = 1`} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	s := open(t, dir)
	if _, live, err := s.Job(ctx, job.Scene(7)); err != nil || !live || s.SetAside != "" {
		t.Errorf("the job is lost: %v, set aside %q", err, s.SetAside)
	}
	if err := use(ctx, s, "run-2"); err != nil {
		t.Error(err)
	}
}

// FuzzDatabaseFile damages a database anywhere. It must work, be replaced, or be
// refused as a newer one; and never panic or fail for good.
func FuzzDatabaseFile(f *testing.F) {
	whole := filled(f)
	for _, at := range []int{0, 18, 24, 28, 56, 60, 96, 100, 105, 108, 4096, 4100, 8200, 20000} {
		f.Add(uint32(at), []byte{0xFF}, uint32(0))
		f.Add(uint32(at), []byte{1, 2, 3, 4, 5, 6, 7, 8}, uint32(0))
	}
	f.Add(uint32(0), []byte(nil), uint32(5000))
	for _, page := range []int{1, 2, 3, 4, 8, 12, 20} {
		f.Add(uint32(page*4096), whole[:4096], uint32(0)) // a page in the place of another
	}
	f.Fuzz(func(t *testing.T, at uint32, with []byte, cut uint32) {
		data := bytes.Clone(whole)
		copy(data[int(at)%len(data):], with)
		if cut > 0 {
			data = data[:int(cut)%len(data)]
		}
		damaged(t, data)
	})
}
