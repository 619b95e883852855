package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// How long a question to Stash ("please run the drain") is taken for standing
// without a look.
const (
	// askGrace is how long an asker has before another hook asks in its place: it
	// may have been killed between its transaction and its request. Longer than
	// the request may take.
	askGrace = 5 * time.Second
	// askTrust is how long an answer (the id of Stash's job) is believed before a
	// hook asks Stash whether it still knows that job. Somebody may have
	// cancelled it.
	askTrust = 2 * time.Second
)

// Ask is what a hook must do after its transaction.
type Ask int

const (
	// AskNothing: a drain runs or has been asked for.
	AskNothing Ask = iota
	// AskDrain: ask Stash to run the drain, then call Asked or AskFailed.
	AskDrain
	// AskCheck: ask Stash whether it still knows job Asking.Job; if not, ask it
	// to run the drain. Then call Asked or AskFailed.
	AskCheck
)

// Asking is the right, given to one hook at a time, to ask Stash for the drain.
type Asking struct {
	Ask   Ask
	Token string
	// Job is Stash's id of the job to check, for AskCheck.
	Job string
}

// turnPatience is how long an event waits for its turn before the others'. It is for a
// burst: who holds the lock longer than its transaction takes is stopped or hangs.
const turnPatience = time.Second

// Event queues a subject because Stash called the hook, and says whether this
// process has to ask for a drain. Both happen in one transaction, in which also
// the drain gives up its role ([Store.EndDrain]): either the drain sees this job
// or this hook sees that no drain will.
//
// alive reports whether a drain process holds the drain lock. stash tells one
// Stash process from the next ("" = unknown): a Stash that was restarted has
// forgotten what it was asked. token must be new; a burst of hooks asks once.
func (s *Store) Event(ctx context.Context, now time.Time, sub job.Subject, token, stash string, alive func() bool) (Asking, error) {
	asking := Asking{Token: token}
	defer turn(s.dir, min(turnPatience, s.patience))()
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := enqueue(ctx, tx, now, sub, job.PriorityEvent); err != nil {
			return err
		}
		var err error
		asking.Ask, asking.Job, err = claim(ctx, tx, now, token, stash, alive)
		return err
	})
	return asking, err
}

// Claim says whether this process has to ask for a drain, as [Store.Event] does,
// without an event: for a process that has seen that jobs are due.
func (s *Store) Claim(ctx context.Context, now time.Time, token, stash string, alive func() bool) (Asking, error) {
	asking := Asking{Token: token}
	err := s.tx(ctx, func(tx *sql.Tx) (err error) {
		asking.Ask, asking.Job, err = claim(ctx, tx, now, token, stash, alive)
		return err
	})
	return asking, err
}

// claim looks at the drain's role and takes the right to ask if nobody has it.
func claim(ctx context.Context, tx *sql.Tx, now time.Time, token, stash string, alive func() bool) (Ask, string, error) {
	var holder, asked, askedJob, askedOf string
	var checked int64
	if err := tx.QueryRowContext(ctx, `SELECT holder, asked, asked_job, asked_of, checked_at FROM drain`).
		Scan(&holder, &asked, &askedJob, &askedOf, &checked); err != nil {
		return 0, "", err
	}
	if holder != "" && alive() {
		return AskNothing, "", nil
	}
	ask := AskDrain
	// An age below zero means that the clock was set back: not to be trusted.
	age := now.Sub(at(checked))
	if asked != "" && age >= 0 && (askedOf == stash || askedOf == "" || stash == "") {
		switch {
		case askedJob == "" && age < askGrace, askedJob != "" && age < askTrust:
			return AskNothing, "", nil
		case askedJob != "":
			ask = AskCheck
		}
	}
	if ask != AskCheck {
		askedJob = "" // while it is being checked, the other hooks go on trusting it
	}
	return ask, askedJob, exec(ctx, tx, `UPDATE drain SET asked = ?, asked_job = ?, asked_of = ?, checked_at = ?`,
		token, askedJob, stash, ms(now))
}

// Asked notes that Stash knows the drain as job id, asked for or checked under
// token. It changes nothing if the drain has begun or somebody else has asked.
func (s *Store) Asked(ctx context.Context, now time.Time, token, id string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		return exec(ctx, tx, `UPDATE drain SET asked_job = ?, checked_at = ? WHERE asked = ?`, id, ms(now), token)
	})
}

// AskFailed gives the right to ask back, so that the next event asks at once.
func (s *Store) AskFailed(ctx context.Context, token string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		return exec(ctx, tx, `UPDATE drain SET asked = '', asked_job = '' WHERE asked = ?`, token)
	})
}

// BeginDrain takes the drain's role for the process that holds the drain lock:
// gives orphaned leases back, deletes dead letters that died more than retention
// ago, and begins a run. token must be new.
func (s *Store) BeginDrain(ctx context.Context, now time.Time, token string, retention time.Duration) (job.Begun, error) {
	var b job.Begun
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := exec(ctx, tx, `UPDATE drain SET holder = ?, held_at = ?, asked = '', asked_job = ''`, token, ms(now)); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `UPDATE job SET lease = NULL WHERE lease IS NOT NULL`)
		if err != nil {
			return err
		}
		orphans, err := r.RowsAffected()
		if err != nil {
			return err
		}
		purged, err := purge(ctx, tx, now, retention)
		if err != nil {
			return err
		}
		b = job.Begun{Orphans: int(orphans), Purged: purged}
		if err := exec(ctx, tx, `INSERT INTO run (token, started_at) VALUES (?, ?)`, token, ms(now)); err != nil {
			return err
		}
		// Runs are for people: the newest thousand are plenty.
		return exec(ctx, tx, `DELETE FROM run WHERE id <= (SELECT max(id) FROM run) - 1000`)
	})
	return b, err
}

// EndDrain gives up the role and stores the run, unless a job is due, or a compare
// wanted, and unlessDue is set: then it changes nothing and returns false, and the drain goes
// on. A job that an event queues after this finds no holder, and its hook asks
// for a drain.
func (s *Store) EndDrain(ctx context.Context, now time.Time, r job.Run, unlessDue bool) (bool, error) {
	ended := false
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if unlessDue {
			more, err := anyDue(ctx, tx, now)
			if err != nil || more {
				return err
			}
			err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM meta WHERE key = ? AND value <> '')`, job.MetaCompare).Scan(&more)
			if err != nil || more {
				return err
			}
		}
		ended = true
		if err := exec(ctx, tx, `UPDATE drain SET holder = '' WHERE holder = ?`, r.Token); err != nil {
			return err
		}
		return exec(ctx, tx, `UPDATE run SET ended_at = ?, done = ?, unchanged = ?, retry = ?, waiting = ?,
			dead = ?, gone = ?, writes = ?, cause = ?, note = ? WHERE token = ?`,
			ms(now), r.Done, r.Unchanged, r.Retry, r.Waiting, r.Dead, r.Gone, r.Writes, r.Cause, cut(r.Note, maxErrorText), r.Token)
	})
	return ended && err == nil, err
}

// Runs lists the newest runs first.
func (s *Store) Runs(ctx context.Context, limit int) ([]job.Run, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT token, started_at, coalesce(ended_at, 0), done, unchanged, retry,
		waiting, dead, gone, writes, cause, note FROM run ORDER BY id DESC LIMIT ?`, limit)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	var runs []job.Run
	for rows.Next() {
		var r job.Run
		var started, ended int64
		if err := rows.Scan(&r.Token, &started, &ended, &r.Done, &r.Unchanged, &r.Retry, &r.Waiting, &r.Dead,
			&r.Gone, &r.Writes, &r.Cause, &r.Note); err != nil {
			return nil, s.explain(err)
		}
		r.Started, r.Ended = at(started), at(ended)
		if oddTime(started, ended) {
			return nil, s.explain(odd("a run"))
		}
		runs = append(runs, r)
	}
	return runs, s.explain(rows.Err())
}

// Meta reads a small value; "" if it was never set.
func (s *Store) Meta(ctx context.Context, key string) (string, error) {
	var v string
	err := s.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = ?`, key).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return v, s.explain(err)
}

// SetMeta stores a small value, never a secret.
func (s *Store) SetMeta(ctx context.Context, key, value string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		return exec(ctx, tx, `INSERT INTO meta (key, value) VALUES (?, ?)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
	})
}

// MetaOnce returns the stored value of key, or stores the given one and returns
// that: whoever comes first decides for ever.
func (s *Store) MetaOnce(ctx context.Context, key, value string) (string, error) {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := exec(ctx, tx, `INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING`, key, value); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = ?`, key).Scan(&value)
	})
	return value, err
}
