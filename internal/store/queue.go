package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// maxAhead bounds how far in the future a due time is believed: no delay of ours
// is longer, so a later one means that the clock was set back, and the job is
// due. It is a little more than job.MaxRetryAfter.
const maxAhead = 2 * time.Hour

// historyLength is how many attempts a job and its letter remember.
const historyLength = 10

// maxErrorText bounds a stored error or title, maxPath a path that is stored for people,
// in bytes.
const (
	maxErrorText = 2000
	maxPath      = 8000
)

// enqueueAtOnce is how many subjects are queued in one transaction.
const enqueueAtOnce = 5000

// enqueue queues s, or folds the event into its live job: the generation rises,
// the job becomes due, a higher priority wins, attempts are kept.
func enqueue(ctx context.Context, tx *sql.Tx, now time.Time, s job.Subject, p job.Priority) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO job (kind, subject_id, priority, due_at, first_event_at, last_event_at)
		VALUES (?1, ?2, ?3, ?4, ?4, ?4)
		ON CONFLICT (kind, subject_id) DO UPDATE SET
			generation = generation + 1,
			priority = min(priority, excluded.priority),
			due_at = excluded.due_at,
			last_event_at = excluded.last_event_at`,
		string(s.Kind), s.ID, int(p), ms(now))
	return err
}

// Enqueue queues the subjects in one transaction, folding each into its live job
// if it has one. It never asks for a drain: that is [Store.Event]'s.
func (s *Store) Enqueue(ctx context.Context, now time.Time, p job.Priority, subjects ...job.Subject) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, sub := range subjects {
			if err := enqueue(ctx, tx, now, sub, p); err != nil {
				return err
			}
		}
		return nil
	})
}

const jobColumns = `id, kind, subject_id, priority, attempt, missing, due_at, coalesce(lease, ''),
	generation, first_event_at, last_event_at, last_class, last_error`

func scanJob(row interface{ Scan(...any) error }) (job.Job, error) {
	var j job.Job
	var due, first, last int64
	err := row.Scan(&j.ID, &j.Subject.Kind, &j.Subject.ID, &j.Priority, &j.Attempt, &j.Missing, &due, &j.Token,
		&j.Generation, &first, &last, &j.LastClass, &j.LastError)
	j.DueAt, j.FirstEvent, j.LastEvent = at(due), at(first), at(last)
	if err == nil && (oddSubject(j.Subject) || oddTime(due, first, last) || oddClass(j.LastClass)) {
		err = odd("a queued job")
	}
	return j, err
}

func queryJobs(ctx context.Context, q interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string, args ...any) ([]job.Job, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var jobs []job.Job
	for rows.Next() {
		j, err := scanJob(rows)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}

// Lease takes up to limit due jobs, the oldest due of the highest priority
// first, and marks them with token, which must be new. The jobs stay leased
// until [Store.Finish] or until the next drain gives them back.
func (s *Store) Lease(ctx context.Context, now time.Time, limit int, token string) ([]job.Job, error) {
	var jobs []job.Job
	err := s.tx(ctx, func(tx *sql.Tx) error {
		// Two ranges of the index instead of an OR: due, and due by a clock that
		// has since been set back.
		var err error
		jobs, err = queryJobs(ctx, tx, `
			UPDATE job SET lease = ?1 WHERE id IN (
				SELECT id FROM (
					SELECT id, priority, due_at FROM job WHERE lease IS NULL AND priority = 0 AND due_at <= ?2
					UNION ALL
					SELECT id, priority, due_at FROM job WHERE lease IS NULL AND priority = 1 AND due_at <= ?2
					UNION ALL
					SELECT id, priority, due_at FROM job WHERE lease IS NULL AND priority = 0 AND due_at > ?3
					UNION ALL
					SELECT id, priority, due_at FROM job WHERE lease IS NULL AND priority = 1 AND due_at > ?3
					ORDER BY priority, due_at, id LIMIT ?4))
			RETURNING `+jobColumns, token, ms(now), ms(now.Add(maxAhead)), limit)
		return err
	})
	slices.SortFunc(jobs, func(a, b job.Job) int {
		if a.Priority != b.Priority {
			return int(a.Priority - b.Priority)
		}
		if c := a.DueAt.Compare(b.DueAt); c != 0 {
			return c
		}
		return int(a.ID - b.ID)
	})
	return jobs, err
}

// due is the condition of a job that may be leased at ?1, for a clock that may
// have been set back (?2 = ?1 + maxAhead).
const due = `lease IS NULL AND (due_at <= ?1 OR due_at > ?2)`

func anyDue(ctx context.Context, tx *sql.Tx, now time.Time) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM job WHERE `+due+`)`,
		ms(now), ms(now.Add(maxAhead))).Scan(&n)
	return n == 1, err
}

// Finish stores how attempts ended, all in one transaction, apart from long lists of
// subjects to queue, most of which are queued before it. A job whose lease is
// no longer the one it was worked under is left alone (its new owner will
// finish it); one that had an event meanwhile stays queued and due, whatever the
// outcome. Finishing the same attempt twice changes nothing the second time.
func (s *Store) Finish(ctx context.Context, now time.Time, ended ...job.Ended) error {
	for i := range ended {
		// A library has hundreds of thousands of scenes. Hooks wait for each of these
		// transactions; being killed between two only queues some scenes twice.
		for e := &ended[i]; len(e.Queue) > enqueueAtOnce; e.Queue = e.Queue[enqueueAtOnce:] {
			if err := s.Enqueue(ctx, now, job.PriorityBulk, e.Queue[:enqueueAtOnce]...); err != nil {
				return err
			}
		}
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, e := range ended {
			if err := finish(ctx, tx, now, e); err != nil {
				return fmt.Errorf("finish %s: %w", e.Job.Subject, err)
			}
		}
		return nil
	})
}

func finish(ctx context.Context, tx *sql.Tx, now time.Time, e job.Ended) error {
	// What was written is true whoever holds the lease.
	if len(e.Pushed)+len(e.Forget) > 0 {
		server, err := serverOf(ctx, tx, e.Machine)
		if err != nil {
			return err
		}
		for _, p := range e.Pushed {
			if err := savePushed(ctx, tx, server, p); err != nil {
				return err
			}
		}
		for _, k := range e.Forget {
			if err := exec(ctx, tx, `DELETE FROM pushed WHERE server = ? AND rating_key = ?`, server, k); err != nil {
				return err
			}
		}
	}
	for _, sub := range e.Queue {
		if err := enqueue(ctx, tx, now, sub, job.PriorityBulk); err != nil {
			return err
		}
	}
	var generation int64
	var history string
	err := tx.QueryRowContext(ctx, `SELECT generation, history FROM job WHERE id = ? AND lease = ?`,
		e.Job.ID, e.Job.Token).Scan(&generation, &history)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	o := e.Outcome
	if e.Job.Subject.Kind == job.KindScene {
		if err := exec(ctx, tx, `DELETE FROM missing WHERE scene_id = ?`, e.Job.Subject.ID); err != nil {
			return err
		}
		for _, l := range e.Missing {
			if err := exec(ctx, tx, `INSERT OR REPLACE INTO missing (scene_id, path_key, base_key, namesakes, joined)
				VALUES (?1, ?2, ?3, (SELECT count(*) FROM item INDEXED BY item_base WHERE server = `+current+` AND base_key = ?3), ?4)`,
				e.Job.Subject.ID, key(l.Mapped), key(l.Name.Base), o.Class == job.ClassJoined); err != nil {
				return err
			}
		}
	}
	ended := o.Verdict == job.Done || o.Verdict == job.Unchanged || o.Verdict == job.Gone
	if ended {
		if err := exec(ctx, tx, `DELETE FROM dead_letter WHERE kind = ? AND subject_id = ?`, string(e.Job.Subject.Kind), e.Job.Subject.ID); err != nil {
			return err
		}
	}
	if o.Verdict == job.Gone && e.Job.Subject.Kind == job.KindScene {
		// Of the other servers it is forgotten when they are compared.
		if err := exec(ctx, tx, `DELETE FROM pushed INDEXED BY pushed_scene WHERE server = `+current+` AND scene_id = ?`, e.Job.Subject.ID); err != nil {
			return err
		}
	}
	failed := o.Verdict == job.Retry || o.Verdict == job.Dead
	if failed {
		history = remember(history, job.Attempt{At: now.UTC(), Class: o.Class, Error: cut(o.Error, maxErrorText)})
	}
	// A job that had an event meanwhile deserves a new look at once, but what failed,
	// failed.
	moved := generation != e.Job.Generation
	switch {
	case o.Verdict == job.GivenBack, moved && !failed:
		return exec(ctx, tx, `UPDATE job SET lease = NULL WHERE id = ?`, e.Job.ID)
	case ended:
		return exec(ctx, tx, `DELETE FROM job WHERE id = ?`, e.Job.ID)
	case o.Verdict == job.Retry, o.Verdict == job.Wait, moved:
		return exec(ctx, tx, `UPDATE job SET lease = NULL, due_at = CASE WHEN ? THEN due_at ELSE ? END,
			attempt = attempt + ?, missing = missing + ?, last_class = ?, last_error = ?, history = ? WHERE id = ?`,
			moved, ms(o.At), count(!o.Missing && o.Verdict == job.Retry), count(o.Missing && o.Verdict == job.Retry),
			string(o.Class), cut(o.Error, maxErrorText), history, e.Job.ID)
	case o.Verdict == job.Dead:
		attempts := e.Job.Attempt + e.Job.Missing + 1
		if err := exec(ctx, tx, `
			INSERT INTO dead_letter (kind, subject_id, class, error, attempts, title, path,
				first_event_at, last_event_at, died_at, history)
			SELECT kind, subject_id, ?, ?, ?, ?, ?, first_event_at, last_event_at, ?, ? FROM job WHERE id = ?
			ON CONFLICT (kind, subject_id) DO UPDATE SET
				class = excluded.class, error = excluded.error, attempts = excluded.attempts,
				title = excluded.title, path = excluded.path,
				last_event_at = excluded.last_event_at, died_at = excluded.died_at, history = excluded.history`,
			string(o.Class), cut(o.Error, maxErrorText), attempts, cut(e.Title, maxErrorText), cut(e.Path, maxPath), ms(now), history, e.Job.ID); err != nil {
			return err
		}
		return exec(ctx, tx, `DELETE FROM job WHERE id = ?`, e.Job.ID)
	}
	return fmt.Errorf("unknown verdict %q", o.Verdict)
}

func exec(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	_, err := tx.ExecContext(ctx, query, args...)
	return err
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// cut shortens s to at most n bytes without breaking a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// remember appends a to a stored history and drops what is too old. A history
// that cannot be read is begun anew: it is for people only.
func remember(history string, a job.Attempt) string {
	var all []job.Attempt
	if json.Unmarshal([]byte(history), &all) != nil {
		all = nil
	}
	all = append(all, a)
	all = all[max(0, len(all)-historyLength):]
	text, err := json.Marshal(all)
	if err != nil {
		return "[]"
	}
	return string(text)
}

// GiveBack frees the leases of token whose jobs were not worked: they are queued
// as they were and cost nothing.
func (s *Store) GiveBack(ctx context.Context, token string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		return exec(ctx, tx, `UPDATE job SET lease = NULL WHERE lease = ?`, token)
	})
}

// Wake makes waiting jobs due, all of them or those whose last failure was of one
// of the classes, and returns how many.
func (s *Store) Wake(ctx context.Context, now time.Time, classes ...job.Class) (int, error) {
	cond, args := ``, []any{ms(now), ms(now)}
	if len(classes) > 0 {
		cond = ` AND last_class IN (?` + strings.Repeat(`,?`, len(classes)-1) + `)`
		for _, c := range classes {
			args = append(args, string(c))
		}
	}
	return s.change(ctx, `UPDATE job SET due_at = ? WHERE lease IS NULL AND due_at > ?`+cond, args...)
}

// Counts counts the queue and the dead letters.
func (s *Store) Counts(ctx context.Context, now time.Time) (job.Counts, error) {
	var c job.Counts
	var event, bulk sql.NullInt64 // the next due, by priority
	// Each figure from an index alone: a row of a failing job is long, and there may be
	// 100,000.
	err := s.db.QueryRowContext(ctx, `SELECT
			(SELECT count(*) FROM job),
			(SELECT count(*) FROM job WHERE lease IS NOT NULL),
			(SELECT count(*) FROM job WHERE lease IS NULL AND priority IN (0, 1) AND due_at <= ?1)
				+ (SELECT count(*) FROM job WHERE lease IS NULL AND priority IN (0, 1) AND due_at > ?2),
			(SELECT min(due_at) FROM job WHERE lease IS NULL AND priority = 0 AND due_at > ?1 AND due_at <= ?2),
			(SELECT min(due_at) FROM job WHERE lease IS NULL AND priority = 1 AND due_at > ?1 AND due_at <= ?2),
			(SELECT count(*) FROM dead_letter),
			(SELECT count(*) FROM dead_letter WHERE class = ?3),
			(SELECT count(*) FROM dead_letter WHERE class = ?4)`, ms(now), ms(now.Add(maxAhead)), string(job.ClassNotInPlex), string(job.ClassJoined)).
		Scan(&c.Queued, &c.Leased, &c.Due, &event, &bulk, &c.Dead, &c.NotInPlex, &c.Joined)
	c.Dead -= c.NotInPlex + c.Joined
	c.Waiting = c.Queued - c.Leased - c.Due
	c.NextDue = at(event.Int64)
	if b := at(bulk.Int64); c.NextDue.IsZero() || !b.IsZero() && b.Before(c.NextDue) {
		c.NextDue = b
	}
	return c, s.explain(err)
}

// NewestEvent returns the time of the newest event of a live job; zero if there is none.
func (s *Store) NewestEvent(ctx context.Context) (time.Time, error) {
	var last sql.NullInt64
	err := s.db.QueryRowContext(ctx, `SELECT max(last_event_at) FROM job`).Scan(&last)
	if err == nil && oddTime(last.Int64) {
		err = odd("the time of an event")
	}
	return at(last.Int64), s.explain(err)
}

// Jobs lists live jobs, the next due first, for people.
func (s *Store) Jobs(ctx context.Context, limit, offset int) ([]job.Job, error) {
	jobs, err := queryJobs(ctx, s.db, `SELECT `+jobColumns+` FROM job ORDER BY due_at, id LIMIT ? OFFSET ?`, limit, offset)
	return jobs, s.explain(err)
}

// Job returns the subject's live job, or false if there is none.
func (s *Store) Job(ctx context.Context, sub job.Subject) (job.Job, bool, error) {
	jobs, err := queryJobs(ctx, s.db, `SELECT `+jobColumns+` FROM job WHERE kind = ? AND subject_id = ?`, string(sub.Kind), sub.ID)
	if err != nil || len(jobs) == 0 {
		return job.Job{}, false, s.explain(err)
	}
	return jobs[0], true, nil
}

// Clear removes every job that is not being worked and returns how many.
func (s *Store) Clear(ctx context.Context) (int, error) {
	return s.change(ctx, `DELETE FROM job WHERE lease IS NULL`)
}

// change runs one statement and returns how many rows it changed.
func (s *Store) change(ctx context.Context, query string, args ...any) (int, error) {
	var n int64
	err := s.tx(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return int(n), err
}

// LastEvent returns the time of the newest event in Stash that a due job is of, zero
// if there is none. What PlexSync queued itself is no such event.
func (s *Store) LastEvent(ctx context.Context, now time.Time) (time.Time, error) {
	var last sql.NullInt64
	err := s.db.QueryRowContext(ctx, `SELECT max(last_event_at) FROM job WHERE priority=?3 AND `+due, ms(now), ms(now.Add(maxAhead)), job.PriorityEvent).Scan(&last)
	return at(last.Int64), s.explain(err)
}
