package store

import (
	"context"
	"database/sql"
	"errors"
)

// Server is what is known of one Plex server: the pushed states of its items, and the
// index of their parts. Its methods are in pushed.go and index.go.
type Server struct {
	*Store
	id int64 // 0: a server of which nothing is known
}

// MetaMachine is the key of the machine identifier of the Plex server that is synced.
const MetaMachine = "plex_machine"

// Server returns what is known of the Plex server with this machine identifier, and
// begins to know it if need be. What was written before the server was known by its
// identifier passes to the first one that tells it.
func (s *Store) Server(ctx context.Context, machine string) (*Server, error) {
	id, err := s.serverID(ctx, machine)
	if err != nil || id != 0 || machine == "" {
		return &Server{s, id}, err
	}
	err = s.tx(ctx, func(tx *sql.Tx) error {
		if err := exec(ctx, tx, `UPDATE OR IGNORE server SET machine = ? WHERE machine = ''`, machine); err != nil {
			return err
		}
		if err := exec(ctx, tx, `INSERT INTO server (machine) VALUES (?) ON CONFLICT (machine) DO NOTHING`, machine); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT id FROM server WHERE machine = ?`, machine).Scan(&id)
	})
	return &Server{s, id}, err
}

func (s *Store) serverID(ctx context.Context, machine string) (id int64, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT id FROM server WHERE machine = ?`, machine).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return id, s.explain(err)
}

// Current returns what is known of the server that is synced; nothing if none was yet.
func (s *Store) Current(ctx context.Context) (*Server, error) {
	machine, err := s.Meta(ctx, MetaMachine)
	if err != nil {
		return nil, err
	}
	id, err := s.serverID(ctx, machine)
	return &Server{s, id}, err
}

// UseServer notes that the server with this machine identifier is the one that is
// synced from now on, and returns the one before, "" if there was none. Of the others
// the index is forgotten, which is only a copy of what they have; what was written to
// them is kept, for when they come back.
func (s *Store) UseServer(ctx context.Context, machine string) (before string, err error) {
	if before, err = s.Meta(ctx, MetaMachine); err != nil || before == machine {
		return before, err
	}
	used, err := s.Server(ctx, machine)
	if err != nil {
		return before, err
	}
	err = s.tx(ctx, func(tx *sql.Tx) error {
		for _, q := range []string{`DELETE FROM item WHERE server <> ?`, `DELETE FROM section WHERE server <> ?`} {
			if err := exec(ctx, tx, q, used.id); err != nil {
				return err
			}
		}
		return exec(ctx, tx, `INSERT INTO meta (key, value) VALUES (?, ?)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`, MetaMachine, machine)
	})
	return before, err
}

// current is the id of the server that is synced, in a statement.
const current = `coalesce((SELECT id FROM server WHERE machine = (SELECT value FROM meta WHERE key = 'plex_machine')), 0)`

// ForgetMatches empties the index of every server, so that each scene is looked up anew
// at its next sync. What was written to which item stays known. It returns the number
// of items that will be looked at.
func (s *Store) ForgetMatches(ctx context.Context) (int, error) {
	n := 0
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM pushed`).Scan(&n); err != nil {
			return err
		}
		for _, q := range []string{`DELETE FROM item`, `DELETE FROM section`, `UPDATE pushed SET wanted_hash = '' WHERE wanted_hash <> ''`} {
			if err := exec(ctx, tx, q); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// serverOf is the id of a server that is known.
func serverOf(ctx context.Context, tx *sql.Tx, machine string) (id int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT id FROM server WHERE machine = ?`, machine).Scan(&id)
	return id, err
}
