package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// Breaker reads the system's breaker; one that was never stored is closed.
func (s *Store) Breaker(ctx context.Context, system job.System) (job.Breaker, error) {
	b, err := breaker(ctx, s.db.QueryRowContext, system)
	return b, s.explain(err)
}

func breaker(ctx context.Context, query func(context.Context, string, ...any) *sql.Row, system job.System) (job.Breaker, error) {
	b := job.Breaker{System: system, State: job.BreakerClosed}
	var opened, next int64
	err := query(ctx, `SELECT state, failures, opened_at, next_probe, probes, cause, message FROM breaker WHERE system = ?`,
		string(system)).Scan(&b.State, &b.Failures, &opened, &next, &b.Probes, &b.Cause, &b.Message)
	if errors.Is(err, sql.ErrNoRows) {
		return b, nil
	}
	b.OpenedAt, b.NextProbe = at(opened), at(next)
	if err == nil && (oddTime(opened, next) || oddClass(b.Cause)) {
		err = odd("a breaker")
	}
	return b, err
}

// UpdateBreaker reads the breaker, applies change and stores the result, in one
// transaction; it returns the result. The outage table follows: an outage begins
// when a closed breaker opens and ends when it closes, with the number of jobs
// that waited.
func (s *Store) UpdateBreaker(ctx context.Context, now time.Time, system job.System, change func(job.Breaker) job.Breaker) (job.Breaker, error) {
	var after job.Breaker
	err := s.tx(ctx, func(tx *sql.Tx) error {
		before, err := breaker(ctx, tx.QueryRowContext, system)
		if err != nil {
			return err
		}
		after = change(before)
		after.System = system
		if after == before {
			return nil
		}
		if err := exec(ctx, tx, `INSERT INTO breaker (system, state, failures, opened_at, next_probe, probes, cause, message)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (system) DO UPDATE SET state = excluded.state, failures = excluded.failures,
				opened_at = excluded.opened_at, next_probe = excluded.next_probe, probes = excluded.probes,
				cause = excluded.cause, message = excluded.message`,
			string(system), string(after.State), after.Failures, ms(after.OpenedAt), ms(after.NextProbe), after.Probes,
			string(after.Cause), cut(after.Message, maxErrorText)); err != nil {
			return err
		}
		switch {
		case before.Closed() && !after.Closed():
			if err := exec(ctx, tx, `INSERT INTO outage (system, started_at, cause, message) VALUES (?, ?, ?, ?)`,
				string(system), ms(now), string(after.Cause), cut(after.Message, maxErrorText)); err != nil {
				return err
			}
			return exec(ctx, tx, `DELETE FROM outage WHERE id <= (SELECT max(id) FROM outage) - 1000`)
		case !before.Closed() && after.Closed():
			return exec(ctx, tx, `UPDATE outage SET ended_at = ?, waited = (SELECT count(*) FROM job)
				WHERE system = ? AND ended_at IS NULL`, ms(now), string(system))
		}
		return nil
	})
	return after, err
}

// Outage is a time in which a system could not be used.
type Outage struct {
	System  job.System
	Started time.Time
	// Ended is zero while it lasts.
	Ended   time.Time
	Cause   job.Class
	Message string
	// Waited is how many jobs waited when it ended.
	Waited int
}

// Outages lists the newest outages first.
func (s *Store) Outages(ctx context.Context, limit int) ([]Outage, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT system, started_at, coalesce(ended_at, 0), cause, message, waited
		FROM outage ORDER BY id DESC LIMIT ?`, limit)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	var all []Outage
	for rows.Next() {
		var o Outage
		var started, ended int64
		if err := rows.Scan(&o.System, &started, &ended, &o.Cause, &o.Message, &o.Waited); err != nil {
			return nil, s.explain(err)
		}
		o.Started, o.Ended = at(started), at(ended)
		if oddTime(started, ended) || oddClass(o.Cause) {
			return nil, s.explain(odd("an outage"))
		}
		all = append(all, o)
	}
	return all, s.explain(rows.Err())
}
