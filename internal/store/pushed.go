package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

const pushedColumns = `rating_key, scene_id, section, path, size, duration, wanted_hash, base, intent, poster_hash, poster_etag,
	poster_at, art_hash, thumb, refs, pushed_at, seen, unread, contested`

func scanPushed(rows *sql.Rows) (job.Pushed, error) {
	var p job.Pushed
	var posterAt, pushedAt, duration int64
	var refs string
	err := rows.Scan(&p.Key, &p.Scene, &p.Section, &p.Path, &p.Size, &duration, &p.WantedHash, &p.Base, &p.Intent, &p.PosterHash, &p.PosterETag,
		&posterAt, &p.ArtHash, &p.Thumb, &refs, &pushedAt, &p.Seen, &p.Unread, &p.Contested)
	p.Duration = time.Duration(duration) * time.Millisecond
	p.PosterAt, p.At, p.Refs = at(posterAt), at(pushedAt), parseRefs(refs)
	if err == nil && (p.Key == "" || p.Scene < 0 || oddTime(posterAt, pushedAt) || oddJSON(p.Base) || oddJSON(p.Intent)) {
		err = odd("the state of an item")
	}
	return p, err
}

func savePushed(ctx context.Context, tx *sql.Tx, server int64, p job.Pushed) error {
	return exec(ctx, tx, `INSERT OR REPLACE INTO pushed (server, `+pushedColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		server, p.Key, p.Scene, p.Section, p.Path, p.Size, p.Duration.Milliseconds(), p.WantedHash, string(p.Base), string(p.Intent), p.PosterHash, p.PosterETag,
		ms(p.PosterAt), p.ArtHash, p.Thumb, formatRefs(p.Refs), ms(p.At), p.Seen, p.Unread, p.Contested)
}

// formatRefs writes refs so that one can be found with LIKE '% tag:3 %'.
func formatRefs(refs []job.Subject) string {
	if len(refs) == 0 {
		return ""
	}
	var b strings.Builder
	for _, r := range refs {
		fmt.Fprintf(&b, " %s:%d", r.Kind, r.ID)
	}
	b.WriteByte(' ')
	return b.String()
}

func parseRefs(s string) []job.Subject {
	var refs []job.Subject
	for _, f := range strings.Fields(s) {
		kind, id, _ := strings.Cut(f, ":")
		r := job.Subject{Kind: job.Kind(kind)}
		if _, err := fmt.Sscanf(id, "%d", &r.ID); err == nil && r.Validate() == nil {
			refs = append(refs, r)
		}
	}
	return refs
}

// SavePushed stores pushed states as they are given, replacing older ones of the
// same items.
func (s *Server) SavePushed(ctx context.Context, all ...job.Pushed) error {
	if len(all) == 0 {
		return nil
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, p := range all {
			if err := savePushed(ctx, tx, s.id, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// PushedOfScenes returns the pushed states whose last writer is one of scenes.
func (s *Server) PushedOfScenes(ctx context.Context, scenes ...int64) ([]job.Pushed, error) {
	return queryPushed(ctx, s, `INDEXED BY pushed_scene`, `scene_id`, scenes)
}

// PushedOfKeys returns the pushed states of the items with these rating keys.
func (s *Server) PushedOfKeys(ctx context.Context, keys ...string) ([]job.Pushed, error) {
	return queryPushed(ctx, s, ``, `rating_key`, keys)
}

// PushedOfPaths returns the pushed states of items that had a part with one of
// these paths, as Plex sees them.
func (s *Server) PushedOfPaths(ctx context.Context, paths ...string) ([]job.Pushed, error) {
	return queryPushed(ctx, s, `INDEXED BY pushed_path`, `path`, paths)
}

// queryPushed looks up column IN values, in pieces that SQLite takes, by an index that is
// named for the reason that [Server.parts] gives.
func queryPushed[T any](ctx context.Context, s *Server, index, column string, values []T) ([]job.Pushed, error) {
	var all []job.Pushed
	for len(values) > 0 {
		n := min(len(values), 500)
		args := []any{s.id}
		for _, v := range values[:n] {
			args = append(args, v)
		}
		values = values[n:]
		rows, err := s.db.QueryContext(ctx, `SELECT `+pushedColumns+` FROM pushed `+index+` WHERE server = ? AND `+column+
			` IN (?`+strings.Repeat(`,?`, n-1)+`) ORDER BY rating_key`, args...)
		if err != nil {
			return nil, s.explain(err)
		}
		found, err := s.allPushed(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// allPushed reads and closes rows.
func (s *Store) allPushed(rows *sql.Rows) (all []job.Pushed, err error) {
	defer rows.Close()
	for rows.Next() {
		p, err := scanPushed(rows)
		if err != nil {
			return nil, s.explain(err)
		}
		all = append(all, p)
	}
	return all, s.explain(rows.Err())
}

// PushedAfter returns up to limit pushed states whose rating key is above after, by
// their keys: a walk over all of them.
func (s *Server) PushedAfter(ctx context.Context, after string, limit int) ([]job.Pushed, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+pushedColumns+` FROM pushed WHERE server = ? AND rating_key > ? ORDER BY rating_key LIMIT ?`, s.id, after, limit)
	if err != nil {
		return nil, s.explain(err)
	}
	return s.allPushed(rows)
}

// PushedScenes lists the scenes with ids above after, up to and with last, that
// wrote an item.
func (s *Server) PushedScenes(ctx context.Context, after, last int64) ([]int64, error) {
	return s.ids(ctx, `SELECT DISTINCT scene_id FROM pushed INDEXED BY pushed_scene WHERE server = ? AND scene_id > ? AND scene_id <= ? ORDER BY scene_id`, s.id, after, last)
}

// LiveScenes lists which of the scenes with ids above after, up to and with last,
// have a live job.
func (s *Store) LiveScenes(ctx context.Context, after, last int64) ([]int64, error) {
	return s.ids(ctx, `SELECT subject_id FROM job WHERE kind = 'scene' AND subject_id > ? AND subject_id <= ?`, after, last)
}

// DeadScenes tells the classes of the dead letters of the scenes with ids above
// after, up to and with last.
func (s *Store) DeadScenes(ctx context.Context, after, last int64) (map[int64]job.Class, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT subject_id, class FROM dead_letter WHERE kind = 'scene' AND subject_id > ? AND subject_id <= ?`, after, last)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	all := map[int64]job.Class{}
	for rows.Next() {
		var id int64
		var class job.Class
		if err := rows.Scan(&id, &class); err != nil {
			return nil, s.explain(err)
		}
		if oddClass(class) {
			return nil, s.explain(odd("the class of a dead letter"))
		}
		all[id] = class
	}
	return all, s.explain(rows.Err())
}

// ids runs a query for one column of ids.
func (s *Store) ids(ctx context.Context, query string, args ...any) ([]int64, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, s.explain(err)
		}
		ids = append(ids, id)
	}
	return ids, s.explain(rows.Err())
}

// Showing returns the scenes whose item showed sub when it was last written. It
// reads the whole table, for a subject that Stash has destroyed and so cannot
// tell us about.
func (s *Store) Showing(ctx context.Context, sub job.Subject) ([]int64, error) {
	return s.ids(ctx, `SELECT DISTINCT scene_id FROM pushed WHERE instr(refs, ?) > 0 ORDER BY scene_id`,
		fmt.Sprintf(" %s:%d ", sub.Kind, sub.ID))
}

// LookAtCovers makes the next look at every scene also look at its cover.
func (s *Store) LookAtCovers(ctx context.Context) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		return exec(ctx, tx, `UPDATE pushed SET poster_at = 0 WHERE poster_at <> 0`)
	})
}

// LookAgain makes the next job of a scene look at its items in Plex and at its
// cover even if the scene is unchanged.
func (s *Store) LookAgain(ctx context.Context, scene int64) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		return exec(ctx, tx, `UPDATE pushed SET poster_at = 0, wanted_hash = '' WHERE scene_id = ?`, scene)
	})
}

// PushedUnread returns up to limit states of items that were written and not read back
// since.
func (s *Server) PushedUnread(ctx context.Context, limit int) ([]job.Pushed, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+pushedColumns+` FROM pushed INDEXED BY pushed_unread WHERE server = ? AND unread <> 0 AND intent = '' ORDER BY rating_key LIMIT ?`, s.id, limit)
	if err != nil {
		return nil, s.explain(err)
	}
	return s.allPushed(rows)
}

// SaveRead stores what reading items back has shown: base, thumb, what a listing shows of
// the item and whether it must be looked at again. A state that was written again
// meanwhile, or is about to be, is left as it is.
func (s *Server) SaveRead(ctx context.Context, all ...job.Pushed) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, p := range all {
			if err := exec(ctx, tx, `UPDATE pushed SET unread = 0, base = ?, thumb = ?, wanted_hash = ?, seen = ?
				WHERE server = ? AND rating_key = ? AND pushed_at = ? AND unread <> 0 AND intent = ''`,
				string(p.Base), p.Thumb, p.WantedHash, p.Seen, s.id, p.Key, ms(p.At)); err != nil {
				return err
			}
		}
		return nil
	})
}
