package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// key hashes a folded name (FNV-1a, 64 bits). Two names that share a hash only
// cost a comparison.
func key(s string) int64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return int64(h)
}

// Sections returns what is known of the libraries that are in the index.
func (s *Server) Sections(ctx context.Context) ([]job.Section, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT key, title, full_at, since_at FROM section WHERE server = ? ORDER BY key`, s.id)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	var all []job.Section
	for rows.Next() {
		var x job.Section
		var full, since int64
		if err := rows.Scan(&x.Key, &x.Title, &full, &since); err != nil {
			return nil, s.explain(err)
		}
		x.Full, x.Since = at(full), at(since)
		if oddTime(full, since) {
			return nil, s.explain(odd("a library in the index"))
		}
		all = append(all, x)
	}
	return all, s.explain(rows.Err())
}

// BeginScan starts the reading of a library and returns the scan's number. A
// scan that never ends leaves the index as good as it was: its rows are newer,
// and nothing is removed.
func (s *Server) BeginScan(ctx context.Context, section, title string) (int64, error) {
	var scan int64
	err := s.tx(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `INSERT INTO section (server, key, title, scan) VALUES (?, ?, ?, 1)
			ON CONFLICT (server, key) DO UPDATE SET title = excluded.title, scan = scan + 1 RETURNING scan`, s.id, section, title).Scan(&scan)
	})
	return scan, err
}

// AddParts stores one page of a scan. All parts of an item must be in one page. A scan
// that another one of the same library has overtaken changes nothing any more.
func (s *Server) AddParts(ctx context.Context, scan int64, parts []job.Part) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if len(parts) == 0 {
			return nil
		}
		if own, err := s.newest(ctx, tx, parts[0].Section, scan); err != nil || !own {
			return err
		}
		insert, err := tx.PrepareContext(ctx, `INSERT OR REPLACE INTO item (server, rating_key, part, section, path,
			path_key, base_key, parent_key, size, duration, thumb, updated_at, scan, trashed, optimized) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		trim, err := tx.PrepareContext(ctx, `DELETE FROM item WHERE server = ? AND rating_key = ? AND part >= ?`)
		if err != nil {
			return err
		}
		defer trim.Close()
		count := map[string]int{}
		for _, p := range parts {
			count[p.Key] = max(count[p.Key], p.Index+1)
			if _, err := insert.ExecContext(ctx, s.id, p.Key, p.Index, p.Section, p.Path, key(p.Name.Path), key(p.Name.Base),
				key(p.Name.Parent), p.Size, p.Duration.Milliseconds(), p.Thumb, p.UpdatedAt, scan, p.Trashed, p.Optimized); err != nil {
				return err
			}
		}
		for k, n := range count {
			if _, err := trim.ExecContext(ctx, s.id, k, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// newest reports whether scan is the last that was begun of the library.
func (s *Server) newest(ctx context.Context, tx *sql.Tx, section string, scan int64) (bool, error) {
	var last int64
	err := tx.QueryRowContext(ctx, `SELECT scan FROM section WHERE server = ? AND key = ?`, s.id, section).Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return last == scan, err
}

// EndScan notes that a scan which began at began is complete. After a full scan
// the parts of the library that it did not meet are removed.
func (s *Server) EndScan(ctx context.Context, began time.Time, section string, scan int64, full bool) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if own, err := s.newest(ctx, tx, section, scan); err != nil || !own {
			return err
		}
		if !full {
			return exec(ctx, tx, `UPDATE section SET since_at = ? WHERE server = ? AND key = ?`, ms(began), s.id, section)
		}
		if err := exec(ctx, tx, `DELETE FROM item WHERE server = ? AND section = ? AND scan <> ?`, s.id, section, scan); err != nil {
			return err
		}
		return exec(ctx, tx, `UPDATE section SET since_at = ?, full_at = ? WHERE server = ? AND key = ?`, ms(began), ms(began), s.id, section)
	})
}

// KeepSections removes from the index every library that is not in keys.
func (s *Server) KeepSections(ctx context.Context, keys []string) error {
	all, err := s.Sections(ctx)
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, k := range keys {
		keep[k] = true
	}
	for _, x := range all {
		if keep[x.Key] {
			continue
		}
		if err := s.tx(ctx, func(tx *sql.Tx) error {
			if err := exec(ctx, tx, `DELETE FROM item WHERE server = ? AND section = ?`, s.id, x.Key); err != nil {
				return err
			}
			return exec(ctx, tx, `DELETE FROM section WHERE server = ? AND key = ?`, s.id, x.Key)
		}); err != nil {
			return err
		}
	}
	return nil
}

// TurnedUp brings scenes back that were not in Plex and now may be: a part has the
// path of one of their files, or more parts share its name than at the last look; of
// scenes whose item was another scene's, an item begins with one of their files.
// Their waiting jobs become due, their dead letters are queued again. It returns
// how many scenes came back; each comes once.
func (s *Store) TurnedUp(ctx context.Context, now time.Time) (int, error) {
	n := 0
	err := s.tx(ctx, func(tx *sql.Tx) error {
		// Of scenes whose letter was dropped or grew too old nothing is awaited.
		if err := exec(ctx, tx, `DELETE FROM missing WHERE
			NOT EXISTS (SELECT 1 FROM job WHERE kind = ?1 AND subject_id = scene_id) AND
			NOT EXISTS (SELECT 1 FROM dead_letter WHERE kind = ?1 AND subject_id = scene_id)`, string(job.KindScene)); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `SELECT DISTINCT scene_id FROM missing AS m WHERE
			EXISTS (SELECT 1 FROM item INDEXED BY item_path WHERE server = `+current+` AND path_key = m.path_key AND (joined = 0 OR part = 0)) OR
			joined = 0 AND (SELECT count(*) FROM item INDEXED BY item_base WHERE server = `+current+` AND base_key = m.base_key) > m.namesakes`)
		if err != nil {
			return err
		}
		var scenes []int64
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				rows.Close()
				return err
			}
			scenes = append(scenes, id)
		}
		if err := rows.Close(); err != nil {
			return err
		}
		for _, id := range scenes {
			var live int
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM job WHERE kind = ? AND subject_id = ?`, string(job.KindScene), id).Scan(&live); err != nil {
				return err
			}
			if live > 0 {
				err = exec(ctx, tx, `UPDATE job SET due_at = ? WHERE kind = ? AND subject_id = ? AND lease IS NULL`, ms(now), string(job.KindScene), id)
			} else {
				err = enqueue(ctx, tx, now, job.Scene(id), job.PriorityBulk)
			}
			if err == nil {
				err = exec(ctx, tx, `DELETE FROM missing WHERE scene_id = ?`, id)
			}
			if err != nil {
				return err
			}
		}
		n = len(scenes)
		return nil
	})
	return n, err
}

// AnyMissing reports whether scenes wait to turn up in Plex, as jobs or as dead
// letters.
func (s *Store) AnyMissing(ctx context.Context) (bool, error) {
	var any bool
	err := s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM missing)`).Scan(&any)
	return any, s.explain(err)
}

// ForgetItem removes an item that Plex no longer has from the index.
func (s *Server) ForgetItem(ctx context.Context, ratingKey string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		return exec(ctx, tx, `DELETE FROM item WHERE server = ? AND rating_key = ?`, s.id, ratingKey)
	})
}

// maxCandidates bounds the parts that share a file's name. A library whose files
// are all called "video.mp4" must not cost its square.
const maxCandidates = 200

// Candidates returns every part with one of the mapped paths, and if there is
// none, up to [maxCandidates] parts that share a file's name, those of the same
// size or folder first; truncated says that there were more.
func (s *Server) Candidates(ctx context.Context, lookups ...job.Lookup) (parts []job.Part, truncated bool, err error) {
	for _, l := range lookups {
		found, err := s.parts(ctx, `INDEXED BY item_path`, `path_key = ?`, key(l.Mapped))
		if err != nil {
			return nil, false, err
		}
		parts = append(parts, found...)
	}
	// A path is certain, and names are not asked, unless all that has it stands back for
	// another part.
	if slices.ContainsFunc(parts, func(p job.Part) bool { return !p.Trashed && !p.Optimized }) {
		return distinct(parts), false, nil
	}
	for _, l := range lookups {
		found, err := s.parts(ctx, `INDEXED BY item_base`, `base_key = ? ORDER BY size = ? DESC, parent_key = ? DESC, rating_key LIMIT ?`,
			key(l.Name.Base), l.Size, key(l.Name.Parent), maxCandidates+1)
		if err != nil {
			return nil, false, err
		}
		truncated = truncated || len(found) > maxCandidates
		parts = append(parts, found...)
	}
	return distinct(parts), truncated, nil
}

// PartsOf returns the parts of one item in their order; none if the index does
// not know it.
func (s *Server) PartsOf(ctx context.Context, ratingKey string) ([]job.Part, error) {
	return s.parts(ctx, ``, `rating_key = ? ORDER BY part`, ratingKey)
}

// parts reads parts by an index that is named: with the server in front of every key SQLite
// takes the primary key for as good, and reads all parts that the server has.
func (s *Server) parts(ctx context.Context, index, where string, args ...any) ([]job.Part, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT rating_key, part, section, path, size, duration, thumb, updated_at, trashed, optimized
		FROM item `+index+` WHERE server = ? AND `+where, append([]any{s.id}, args...)...)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	var parts []job.Part
	for rows.Next() {
		var p job.Part
		var duration int64
		if err := rows.Scan(&p.Key, &p.Index, &p.Section, &p.Path, &p.Size, &duration, &p.Thumb, &p.UpdatedAt, &p.Trashed, &p.Optimized); err != nil {
			return nil, s.explain(err)
		}
		p.Duration = time.Duration(duration) * time.Millisecond
		parts = append(parts, p)
	}
	return parts, s.explain(rows.Err())
}

// distinct drops repeated parts and keeps the order.
func distinct(parts []job.Part) []job.Part {
	type id struct {
		key  string
		part int
	}
	seen := map[id]bool{}
	return slices.DeleteFunc(parts, func(p job.Part) bool {
		again := seen[id{p.Key, p.Index}]
		seen[id{p.Key, p.Index}] = true
		return again
	})
}
