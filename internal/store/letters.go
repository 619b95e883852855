package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// purge deletes dead letters that died more than retention ago. A letter from
// the future (the clock was set back) stays.
func purge(ctx context.Context, tx *sql.Tx, now time.Time, retention time.Duration) (int, error) {
	r, err := tx.ExecContext(ctx, `DELETE FROM dead_letter WHERE died_at < ?`, ms(now.Add(-retention)))
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// Purge deletes dead letters that died more than retention ago and returns how
// many.
func (s *Store) Purge(ctx context.Context, now time.Time, retention time.Duration) (int, error) {
	var n int
	err := s.tx(ctx, func(tx *sql.Tx) (err error) {
		n, err = purge(ctx, tx, now, retention)
		return err
	})
	return n, err
}

// where is the SQL condition of w with its arguments.
func where(w job.Which) (string, []any) {
	var conds []string
	var args []any
	if len(w.IDs) > 0 {
		conds = append(conds, `id IN (?`+strings.Repeat(`,?`, len(w.IDs)-1)+`)`)
		for _, id := range w.IDs {
			args = append(args, id)
		}
	}
	if w.Class != "" {
		conds, args = append(conds, `class = ?`), append(args, string(w.Class))
	}
	if w.Subject != (job.Subject{}) {
		conds, args = append(conds, `kind = ? AND subject_id = ?`), append(args, string(w.Subject.Kind), w.Subject.ID)
	}
	if w.Review {
		conds = append(conds, `class NOT IN (?`+strings.Repeat(`,?`, len(job.ApartClasses())-1)+`)`)
		for _, c := range job.ApartClasses() {
			args = append(args, string(c))
		}
	}
	if len(conds) == 0 {
		return `1`, nil
	}
	return strings.Join(conds, ` AND `), args
}

// Letters lists dead letters, the newest first.
func (s *Store) Letters(ctx context.Context, w job.Which, limit, offset int) ([]job.Letter, error) {
	cond, args := where(w)
	return s.letters(ctx, cond+` ORDER BY died_at DESC, id DESC`, args, limit, offset)
}

// letters reads the dead letters of a condition with its order.
func (s *Store) letters(ctx context.Context, cond string, args []any, limit, offset int) ([]job.Letter, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT id, kind, subject_id, class, error, attempts, title, path,
		first_event_at, last_event_at, died_at, history FROM dead_letter WHERE `+cond+` LIMIT ? OFFSET ?`, append(args, limit, offset)...)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	var letters []job.Letter
	for rows.Next() {
		var l job.Letter
		var first, last, died int64
		var history string
		if err := rows.Scan(&l.ID, &l.Subject.Kind, &l.Subject.ID, &l.Class, &l.Error, &l.Attempts, &l.Title, &l.Path,
			&first, &last, &died, &history); err != nil {
			return nil, s.explain(err)
		}
		l.FirstEvent, l.LastEvent, l.Died = at(first), at(last), at(died)
		if oddSubject(l.Subject) || oddClass(l.Class) || oddTime(first, last, died) || oddJSON([]byte(history)) {
			return nil, s.explain(odd("a dead letter"))
		}
		if json.Unmarshal([]byte(history), &l.History) != nil {
			l.History = nil // it is for people only
		}
		letters = append(letters, l)
	}
	return letters, s.explain(rows.Err())
}

// Revive queues the subjects of the letters again, with no attempt spent. The
// letters stay until the jobs are done. It returns how many there were.
func (s *Store) Revive(ctx context.Context, now time.Time, w job.Which) (int, error) {
	cond, args := where(w)
	var n int
	err := s.tx(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT kind, subject_id FROM dead_letter WHERE `+cond, args...)
		if err != nil {
			return err
		}
		var subjects []job.Subject
		for rows.Next() {
			var sub job.Subject
			if err := rows.Scan(&sub.Kind, &sub.ID); err != nil {
				rows.Close()
				return err
			}
			subjects = append(subjects, sub)
		}
		if err := rows.Close(); err != nil {
			return err
		}
		for _, sub := range subjects {
			if err := enqueue(ctx, tx, now, sub, job.PriorityEvent); err != nil {
				return err
			}
		}
		n = len(subjects)
		return nil
	})
	return n, err
}

// Drop deletes letters for good and returns how many there were.
func (s *Store) Drop(ctx context.Context, w job.Which) (int, error) {
	cond, args := where(w)
	return s.change(ctx, `DELETE FROM dead_letter WHERE `+cond, args...)
}
