package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// MetaMemoryLost is the key of the time since when the states of some items, as they were
// written, are lost; "" or none if all are known.
const MetaMemoryLost = "memory_lost"

// lostMemory is the sentence that tells what a lost memory means.
const lostMemory = "PlexSync no longer knows what it wrote to some items; while keepPlexEdits is on, their locked fields that differ from Stash count as your edits"

// MemoryLost reports whether the states of some items, as they were last written, are
// lost: neither the damaged file nor the copy had them. An item without a state may then
// have been written by PlexSync and edited by a person since, so that, while
// keepPlexEdits is on, fields of it that are locked and differ count as a person's. It
// ends with the next [Store.KeepCopy] that finds no scene waiting.
func (s *Store) MemoryLost(ctx context.Context) (bool, error) {
	at, err := s.Meta(ctx, MetaMemoryLost)
	return at != "", err
}

func setMemoryLost(ctx context.Context, tx *sql.Tx, now time.Time) error {
	return exec(ctx, tx, `INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING`,
		MetaMemoryLost, now.UTC().Format(time.RFC3339))
}

// copyPath is the copy's file: one, replaced whole.
func (s *Store) copyPath() string { return s.path + ".copy" }

// KeepCopy keeps a copy of the database beside it, from which is taken what a damaged one
// no longer tells. It is for the end of a compare that went well, which has looked at
// every item: what is remembered is whole then, so that it also ends [Store.MemoryLost],
// unless a scene waits for its turn yet. An earlier copy is replaced, once the new one is
// on the disk; after an error it stays as it was. It reads the whole database (about a
// second for 100 MB), in which hooks go on, but other methods of this Store wait.
func (s *Store) KeepCopy(ctx context.Context) error {
	if err := s.tx(ctx, func(tx *sql.Tx) error {
		return exec(ctx, tx, `DELETE FROM meta WHERE key = ? AND NOT EXISTS (SELECT 1 FROM job WHERE kind IN (?, ?))`,
			MetaMemoryLost, string(job.KindScene), string(job.KindLibrary))
	}); err != nil {
		return err
	}
	part := s.copyPath() + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.explain(err)
	}
	// Made here, because SQLite would make it with the umask's mode. It takes an empty
	// file for none.
	f, err := createFile(s.dir, part)
	if err != nil {
		return s.explain(err)
	}
	defer f.Close()
	s.at("copy: begun")
	if _, err = s.db.ExecContext(ctx, `VACUUM INTO ?`, part); err == nil {
		s.at("copy: made")
		err = f.Sync()
	}
	if err == nil {
		f.Close() // Windows renames no file that is open
		err = os.Rename(part, s.copyPath())
	}
	if err != nil {
		os.Remove(part)
		return s.explain(err)
	}
	s.at("copy: in place")
	return s.explain(syncDir(s.dir))
}

// restoreItems takes the states of the items with these keys from a copy, as far as it
// has them and can be read, and returns how many that were.
func restoreItems(ctx context.Context, tx *sql.Tx, path string, keys []string) (int, error) {
	to, err := columnsOf(ctx, tx, "pushed")
	if err != nil {
		return 0, err
	}
	t := table{"pushed", to}
	from, err := openSource(ctx, path)
	if err != nil {
		return 0, ctx.Err() // no copy, or one that cannot be read
	}
	defer from.close()
	wanted := map[string]bool{}
	for _, k := range keys {
		wanted[k] = true
	}
	n := 0
	_, err = from.rows(ctx, t, func(t table, row []any) error {
		if key, _ := t.value(row, "rating_key").(string); t.odd(row) || !wanted[key] {
			return nil
		}
		fit(t, row)
		added, err := insertRow(ctx, tx, t, row)
		if added {
			n++
		}
		return err
	})
	return n, err
}

// fit makes a row of the copy fit for the database: a state is older than what Plex has,
// so that its item must be looked at.
func fit(t table, row []any) {
	if t.name != "pushed" {
		return
	}
	for i, name := range t.names() {
		if name == "wanted_hash" || name == "seen" {
			row[i] = ""
		}
	}
}

// insertRow adds a row unless there is one with its key; it reports whether it did.
func insertRow(ctx context.Context, tx *sql.Tx, t table, row []any) (bool, error) {
	r, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT OR IGNORE INTO "%s" (%s) VALUES (?%s)`,
		t.name, quoted(t.names(), "", ", "), strings.Repeat(", ?", len(row)-1)), row...)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
