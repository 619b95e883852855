package store

import (
	"context"
	"database/sql"
	"errors"
)

// ChangeMeta replaces the small value of key by what change makes of it ("" if it was
// never set), and returns that. No other process changes the value in between. change
// must be quick, because the database is locked meanwhile. As with [Store.SetMeta], no
// value is a secret.
func (s *Store) ChangeMeta(ctx context.Context, key string, change func(old string) string) (value string, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		var old string
		if err := tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = ?`, key).Scan(&old); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if value = change(old); value == old {
			return nil
		}
		return exec(ctx, tx, `INSERT INTO meta (key, value) VALUES (?, ?)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
	})
	return value, err
}
