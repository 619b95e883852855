package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
)

// metaNotices is the key of what the store did on its own and nobody has been told yet.
const metaNotices = "notices"

const (
	// maxNotices is how many are kept, the newest; maxNoticeText bounds each, in bytes.
	maxNotices    = 20
	maxNoticeText = 1500
)

// notice stores a sentence for the log: something was set aside, dropped or taken from
// elsewhere. Not every process has a log, and one that has may be killed before it
// writes, so that notices wait in the database for [Store.Notices].
func (s *Store) notice(ctx context.Context, text string) error {
	return s.tx(ctx, func(tx *sql.Tx) error { return addNotice(ctx, tx, text) })
}

func addNotice(ctx context.Context, tx *sql.Tx, text string) error {
	all, err := notices(ctx, tx)
	if err != nil {
		return err
	}
	text = cut(text, maxNoticeText)
	if slices.Contains(all, text) {
		return nil
	}
	all = append(all, text)
	value, err := json.Marshal(all[max(0, len(all)-maxNotices):])
	if err != nil {
		return err
	}
	return exec(ctx, tx, `INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
		metaNotices, string(value))
}

// notices reads what is stored; a value that cannot be read is none.
func notices(ctx context.Context, tx *sql.Tx) (all []string, err error) {
	var value string
	err = tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = ?`, metaNotices).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if json.Unmarshal([]byte(value), &all) != nil {
		all = nil
	}
	return all, err
}

// Notices returns what the store did on its own since it was last asked, as sentences
// for the log at error level, and forgets them: each is told once. Without any it is one
// small read.
func (s *Store) Notices(ctx context.Context) ([]string, error) {
	if value, err := s.Meta(ctx, metaNotices); err != nil || value == "" {
		return nil, err
	}
	var all []string
	err := s.tx(ctx, func(tx *sql.Tx) (err error) {
		if all, err = notices(ctx, tx); err != nil {
			return err
		}
		return exec(ctx, tx, `DELETE FROM meta WHERE key = ?`, metaNotices)
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
