package store

import (
	"context"

	"github.com/plexsync/plexsync/internal/job"
)

// Coverage counts the scenes that something is remembered of, each once.
type Coverage struct {
	// Synced scenes have an item that was written, or seen to be right, on the Plex server
	// that is synced; and neither a job nor a dead letter.
	Synced int
	// Waiting scenes have a job; not those that are counted as NotInPlex.
	Waiting int
	// NotInPlex scenes were looked for in Plex and not found: they have a job that looks
	// again, or a dead letter.
	NotInPlex int
	// Joined scenes have a dead letter because their item belongs to another scene, Dead
	// ones because they need attention. A letter that was revived counts as Waiting.
	Joined, Dead int
}

// synced are the scenes with an item on the current server and nothing left to do.
const synced = `SELECT scene_id FROM pushed INDEXED BY pushed_scene WHERE server = ` + current + `
	EXCEPT SELECT subject_id FROM job WHERE kind = 'scene'
	EXCEPT SELECT subject_id FROM dead_letter WHERE kind = 'scene'`

// lacked is the condition of a job of a scene that Plex was seen to lack.
const lacked = `kind = 'scene' AND subject_id IN (SELECT scene_id FROM missing WHERE joined = 0)`

// Coverage counts the scenes that something is remembered of. Every figure but
// the classes of the dead letters comes from an index, because a row of a job, a letter or
// an item is long.
func (s *Store) Coverage(ctx context.Context) (Coverage, error) {
	var c Coverage
	var live int
	err := s.db.QueryRowContext(ctx, `SELECT
			(SELECT count(*) FROM (`+synced+`)),
			(SELECT count(*) FROM job WHERE kind = 'scene'),
			(SELECT count(*) FROM job WHERE `+lacked+`)`).Scan(&c.Synced, &live, &c.NotInPlex)
	if err != nil {
		return c, s.explain(err)
	}
	c.Waiting = live - c.NotInPlex
	rows, err := s.db.QueryContext(ctx, `SELECT class, count(*) FROM dead_letter AS d WHERE kind = 'scene'
			AND NOT EXISTS (SELECT 1 FROM job WHERE kind = 'scene' AND subject_id = d.subject_id) GROUP BY class`)
	if err != nil {
		return c, s.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var class job.Class
		var n int
		if err := rows.Scan(&class, &n); err != nil {
			return c, s.explain(err)
		}
		switch class {
		case job.ClassNotInPlex:
			c.NotInPlex += n
		case job.ClassJoined:
			c.Joined += n
		default:
			c.Dead += n
		}
	}
	return c, s.explain(rows.Err())
}

// Lacked lists the jobs of scenes that Plex was seen to lack and that look again, the next
// due first, and tells how many there are.
func (s *Store) Lacked(ctx context.Context, limit, offset int) (jobs []job.Job, total int, err error) {
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM job WHERE `+lacked).Scan(&total); err != nil {
		return nil, 0, s.explain(err)
	}
	jobs, err = queryJobs(ctx, s.db, `SELECT `+jobColumns+` FROM job WHERE `+lacked+` ORDER BY due_at, id LIMIT ? OFFSET ?`, limit, offset)
	return jobs, total, s.explain(err)
}

// SaveRun stores how far a run is, for whoever watches it. It changes nothing once the run
// has ended. The row holds counts only, so losing an update loses nothing.
func (s *Store) SaveRun(ctx context.Context, r job.Run) error {
	_, err := s.change(ctx, `UPDATE run SET done = ?, unchanged = ?, retry = ?, waiting = ?, dead = ?, gone = ?, writes = ?, cause = ?
		WHERE token = ? AND ended_at IS NULL`, r.Done, r.Unchanged, r.Retry, r.Waiting, r.Dead, r.Gone, r.Writes, r.Cause, r.Token)
	return err
}
