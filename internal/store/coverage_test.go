package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// fillCovered makes a database with n scenes that were pushed, of which one in ten has a
// job and one in a hundred a letter, and as many besides that were not.
func fillCovered(t testing.TB, s *Store, n int) {
	t.Helper()
	ctx := context.Background()
	if _, err := s.UseServer(ctx, "machine"); err != nil {
		t.Fatal(err)
	}
	series := fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) `, n)
	long := strings.Repeat("x", 300)
	for _, q := range []string{
		// Each scene has an item, each hundredth two.
		`INSERT INTO pushed (server, rating_key, scene_id, section, path, wanted_hash, base, pushed_at)
			SELECT ` + current + `, 'k' || i, i, '1', '/media/' || i, 'h', '` + long + `', 1 FROM n`,
		`INSERT INTO pushed (server, rating_key, scene_id, section, path, wanted_hash, base, pushed_at)
			SELECT ` + current + `, 'l' || i, i, '1', '/media2/' || i, 'h', '', 1 FROM n WHERE i % 100 = 0`,
		// What was written to another server counts nothing here.
		`INSERT INTO pushed (server, rating_key, scene_id, section, path, wanted_hash, base, pushed_at)
			SELECT 99, 'm' || i, 9000000 + i, '1', '', 'h', '', 1 FROM n WHERE i % 10 = 0`,
		`INSERT INTO job (kind, subject_id, priority, due_at, first_event_at, last_event_at, last_error)
			SELECT 'scene', i, 0, 1, 1, 1, '` + long + `' FROM n WHERE i % 10 = 0`,
		`INSERT INTO job (kind, subject_id, priority, due_at, first_event_at, last_event_at)
			SELECT 'tag', i, 0, 1, 1, 1 FROM n WHERE i % 50 = 0`,
		`INSERT INTO job (kind, subject_id, priority, due_at, first_event_at, last_event_at)
			SELECT 'scene', 1000000 + i, 0, 1, 1, 1 FROM n WHERE i % 10 = 0`,
		`INSERT INTO missing (scene_id, path_key, base_key, namesakes, joined)
			SELECT 1000000 + i, k, 1, 0, 0 FROM n, (SELECT 1 AS k UNION SELECT 2) WHERE i % 20 = 0`,
		`INSERT INTO dead_letter (kind, subject_id, class, error, attempts, first_event_at, last_event_at, died_at)
			SELECT 'scene', i, 'rejected', '` + long + `', 5, 1, 1, 1 FROM n WHERE i % 100 = 5`,
		`INSERT INTO dead_letter (kind, subject_id, class, error, attempts, first_event_at, last_event_at, died_at)
			SELECT 'scene', 2000000 + i, 'not_in_plex', '` + long + `', 5, 1, 1, 1 FROM n WHERE i % 100 = 5`,
		`INSERT INTO dead_letter (kind, subject_id, class, error, attempts, first_event_at, last_event_at, died_at)
			SELECT 'scene', 3000000 + i, 'joined', '` + long + `', 5, 1, 1, 1 FROM n WHERE i % 200 = 5`,
		// A letter that was revived has a job, and is that.
		`INSERT INTO dead_letter (kind, subject_id, class, error, attempts, first_event_at, last_event_at, died_at)
			SELECT 'scene', i, 'busy', '` + long + `', 5, 1, 1, 1 FROM n WHERE i % 20 = 0`,
	} {
		if _, err := s.db.Exec(series + q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

// TestEachSceneIsCountedOnce: with items, jobs and letters that overlap.
func TestEachSceneIsCountedOnce(t *testing.T) {
	s := open(t, t.TempDir())
	if c, err := s.Coverage(context.Background()); err != nil || c != (Coverage{}) {
		t.Errorf("an empty database covers %+v, %v", c, err)
	}
	const n = 2000
	fillCovered(t, s, n)
	got, err := s.Coverage(context.Background())
	want := Coverage{Synced: n - n/10 - n/100, Waiting: n/10 + n/10 - n/20, NotInPlex: n/20 + n/100, Joined: n / 200, Dead: n / 100}
	if err != nil || got != want {
		t.Errorf("the coverage is %+v, %v; want %+v", got, err, want)
	}
	jobs, total, err := s.Lacked(context.Background(), 10, 5)
	if err != nil || total != n/20 || len(jobs) != 10 {
		t.Errorf("%d of %d jobs are listed, %v; want 10 of %d", len(jobs), total, err, n/20)
	}
	for _, j := range jobs {
		if j.Subject.Kind != job.KindScene || j.Subject.ID <= 1000000 {
			t.Errorf("%s is listed", j.Subject)
		}
	}
}

// TestTheCoverageReadsIndexesOnly: a row of a job, a letter or an item is long.
func TestTheCoverageReadsIndexesOnly(t *testing.T) {
	s := open(t, t.TempDir())
	fillCovered(t, s, 200)
	for _, q := range []string{
		`SELECT count(*) FROM (` + synced + `)`,
		`SELECT count(*) FROM job WHERE kind = 'scene'`,
		`SELECT count(*) FROM job WHERE ` + lacked,
	} {
		rows, err := s.db.Query(`EXPLAIN QUERY PLAN ` + q)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			for _, table := range []string{"pushed", "job", "j"} {
				if strings.HasPrefix(step, "SCAN "+table+" ") && !strings.Contains(step, "COVERING INDEX") || step == "SCAN "+table {
					t.Errorf("%s: %s", q, step)
				}
			}
		}
		rows.Close()
	}
}

// BenchmarkCoverage is at 200,000 scenes; the page asks every few seconds.
func BenchmarkCoverage(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(context.Background(), dir, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fillCovered(b, s, 200000)
	for b.Loop() {
		if _, err := s.Coverage(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
