// Package store keeps PlexSync's state in one SQLite file: the queue, the dead
// letters, what was last written to Plex, the index of Plex's parts, breakers,
// outages and runs.
//
// Many processes use the file at once: every hook is one. So every transaction
// takes the write lock at its start (BEGIN IMMEDIATE), and every change is
// guarded by what its author believes (a lease token, a generation, the role of
// the drain). No process is ever asked to clean up: Stash stops its plugins with
// SIGKILL, and what a killed process leaves behind is put right by the next.
//
// Methods take the time from their caller, who reads the clock once for all that
// belongs together.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/plexsync/plexsync/internal/job"
)

// FileName is the database's name in the data folder.
const FileName = "plexsync.db"

// busyTimeout is how long a process waits for the others' transactions, unless
// [Patience] says otherwise. Those are short; hundreds of processes at once on a slow
// disk are what it is for.
const busyTimeout = 30 * time.Second

// Store is an open database. Its methods may be called from several goroutines;
// they share one connection and so run one after another.
type Store struct {
	db       *sql.DB
	dir      string
	path     string
	file     os.FileInfo // of the file that is open
	owner    account     // of the folder
	patience time.Duration
	hasty    bool
	// reindexed is what was wrong with an index that was made anew; "" if nothing was.
	reindexed string
	points    func(string) // for tests that kill the process at a named point; nil = none
	// SetAside is the name under which this process kept a damaged database when this one
	// was begun in its place; empty if none was.
	SetAside string
}

// at marks a point at which a killed process must leave nothing that the next one cannot
// put right.
func (s *Store) at(point string) {
	if s.points != nil {
		s.points(point)
	}
}

// Option changes how [Open] goes about it.
type Option func(*Store)

// Patience is how long to wait for other processes, also later on; 30 s unless set.
func Patience(d time.Duration) Option { return func(s *Store) { s.patience = d } }

// Hasty is for a process that somebody waits for: it makes and migrates a database, but
// to repair one takes too long. A damaged file is an error ([Damaged]), and left to the
// next process.
func Hasty() Option { return func(s *Store) { s.hasty = true } }

// Open opens the database in dir and brings it to the current schema. The folder
// (0700) and the file (0600) are made if they do not exist. Any number of
// processes may do this at once on a new folder. One that is damaged, or lost, is mended
// as [Store.Replace] says; one of a newer PlexSync is refused and left alone.
func Open(ctx context.Context, dir string, now time.Time, options ...Option) (*Store, error) {
	owner, note, err := checkFolder(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, path: filepath.Join(dir, FileName), owner: owner, patience: busyTimeout}
	giveBack(dir, s.path, s.path+"-wal", s.path+"-shm")
	for _, o := range options {
		o(s)
	}
	if note != "" {
		defer func() {
			if s.db != nil {
				s.notice(ctx, note)
			}
		}()
	}
	if err = s.open(ctx); err == nil {
		return s, nil
	}
	var newer *newerError
	if !errors.Is(err, errMigrate) && (!Damaged(err) || s.hasty) || errors.As(err, &newer) {
		return nil, s.explain(err)
	}
	// One process at a time makes, migrates or replaces the file; the others
	// wait here and then find it done.
	lock, lerr := WaitLock(ctx, dir, openLock, s.patience)
	if lerr != nil {
		return nil, s.explain(lerr)
	}
	if lock == nil {
		return nil, s.explain(errBusy)
	}
	defer lock.Release()
	if err = s.mend(ctx, now, false); err != nil {
		return nil, s.explain(err)
	}
	return s, nil
}

// Close closes the database. A hook does not call it: the last connection to
// close pays for a checkpoint, and exiting does no harm.
func (s *Store) Close() error { return s.db.Close() }

// errBusy says that another process holds the open lock.
var errBusy = errors.New("another process has been setting it up for a while. If no other PlexSync is running, restart Stash")

// errMigrate says that the file is new or has an older schema.
var errMigrate = errors.New("the database has to be made or migrated")

// errMigration says that a migration does not fit the file.
var errMigration = errors.New("migration")

// newerError says that the file has a schema that this program does not know.
type newerError struct{ version int }

func (e *newerError) Error() string {
	return fmt.Sprintf("it was written by a newer PlexSync (schema %d, this one supports %d). Install that version again; the file was left unchanged", e.version, schemaVersion)
}

//go:embed migrations/*.sql
var migrations embed.FS

// schemaVersion is the number of the newest migration.
const schemaVersion = 6

// open connects to a file that exists and has the current schema.
func (s *Store) open(ctx context.Context) error {
	if s.db != nil {
		s.db.Close()
		s.db = nil
	}
	info, err := os.Lstat(s.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return errMigrate
	}
	if err == nil {
		err = plain(s.path, info, s.owner)
	}
	if err != nil {
		return err
	}
	db := s.connect()
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		db.Close()
		return err
	}
	switch {
	case version < 0:
		db.Close()
		return errGarbage
	case version > schemaVersion:
		db.Close()
		return &newerError{version}
	case version < schemaVersion:
		db.Close()
		return errMigrate
	}
	s.db, s.file = db, info
	return nil
}

// create makes the file if need be and runs the migrations that it lacks. The caller
// holds the open lock.
func (s *Store) create(ctx context.Context) error {
	// SQLite would make the file with the umask's mode; its WAL and shared memory
	// files take the mode of the database.
	f, err := createFile(s.dir, s.path)
	if err != nil {
		return err
	}
	f.Close()
	db := s.connect()
	defer db.Close()
	// The journal mode is a property of the file. It is set here, under the lock,
	// because switching it fails when others are at work.
	var mode string
	if err := db.QueryRowContext(ctx, `PRAGMA journal_mode=WAL`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("this disk does not support a shared database (journal mode %q). The folder must be on a local disk, not on a network share", mode)
	}
	if err := migrate(ctx, db); err != nil {
		return err
	}
	// Made while there is room for it. Who needs it and does not find it makes it too.
	makeDir(s.dir, SpoolDir)
	return nil
}

// migrate runs the migrations that a database lacks, each in its own transaction.
func migrate(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	for v := version + 1; v <= schemaVersion; v++ {
		text, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", v))
		if err != nil {
			return err
		}
		err = inTx(ctx, db, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, string(text)); err != nil {
				var e sqlite3.Error
				if errors.As(err, &e) && e.Code == sqlite3.ErrError {
					return fmt.Errorf("%w %d: %w", errMigration, v, err)
				}
				return fmt.Errorf("migration %d: %w", v, err)
			}
			_, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version=%d`, v))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// statements is how many prepared statements are kept: all of a drain's. Preparing
// them anew took a tenth of its CPU.
const statements = 64

// connect prepares a pool of one connection; nothing is opened yet.
func (s *Store) connect() *sql.DB {
	dsn := fileURL(s.path) + fmt.Sprintf("?mode=rw&_txlock=immediate&_busy_timeout=%d&_synchronous=FULL&_stmt_cache_size=%d",
		s.patience.Milliseconds(), statements)
	db := sql.OpenDB(connector{dsn})
	db.SetMaxOpenConns(1)
	return db
}

// connector opens connections without registering a driver by name.
type connector struct{ dsn string }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.Driver().Open(c.dsn)
	if own, ok := conn.(*sqlite3.SQLiteConn); ok {
		// No value of ours is near it: a file that holds one costs no memory.
		own.SetLimit(sqlite3.SQLITE_LIMIT_LENGTH, maxValue)
	}
	return conn, err
}

func (c connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

// failure is an error of the database: it is a job.ErrStore.
type failure struct {
	path, hint string
	err        error
}

func (e *failure) Error() string        { return fmt.Sprintf("database %s: %v%s", e.path, e.err, e.hint) }
func (e *failure) Unwrap() error        { return e.err }
func (e *failure) Is(target error) bool { return target == job.ErrStore }

// Soon reports whether the fault may end at any moment, with nothing to mend but what
// another program or a full disk is to blame for.
func (e *failure) Soon() bool {
	var s sqlite3.Error
	if errors.As(e.err, &s) {
		switch s.Code {
		case sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrProtocol:
			return true
		}
		return false
	}
	return errors.Is(e.err, errBusy) || outOfSpace(e.err)
}

// explain turns an error of SQLite or the file system into one that names the
// file and what to do.
func (s *Store) explain(err error) error {
	var known *failure
	if err == nil || errors.As(err, &known) {
		return err
	}
	f := &failure{path: s.path, err: err}
	var e sqlite3.Error
	switch {
	case !errors.As(err, &e):
		// The one has no type of its own; of the other, rows that may be missing are
		// told apart where they are read.
		if strings.Contains(err.Error(), "sql: Scan error") || errors.Is(err, sql.ErrNoRows) {
			f.err = fmt.Errorf("%w: %w", errGarbage, err)
		} else if errors.Is(err, fs.ErrPermission) {
			f.err = folderError(err, s.path)
		}
		return f
	case e.Code == sqlite3.ErrFull:
		f.hint = ". The disk is full: free some space. Nothing that Stash knows is lost"
	case e.Code == sqlite3.ErrReadonly && s.foreignFormat():
		f.err = fmt.Errorf("%w: %w", errGarbage, err)
	case e.Code == sqlite3.ErrReadonly, e.Code == sqlite3.ErrCantOpen, e.Code == sqlite3.ErrPerm, e.Code == sqlite3.ErrAuth:
		f.hint = ". Stash's user must be able to write to this file and its folder"
	case e.Code == sqlite3.ErrIoErr:
		f.hint = ". The disk failed, is full, or is a network share: the folder must be on a local disk"
	case e.Code == sqlite3.ErrBusy, e.Code == sqlite3.ErrLocked:
		f.hint = ". Another process keeps it locked. If no other PlexSync is running, restart Stash"
	case Damaged(err):
		f.hint = ". The file is damaged"
	}
	return f
}

// foreignFormat reports whether the file says that it is of a format which SQLite
// may only read (https://www.sqlite.org/fileformat.html, offset 18): none of ours
// ever was.
func (s *Store) foreignFormat() bool {
	f, err := os.Open(s.path)
	if err != nil {
		return false
	}
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], 18)
	return err == nil && b[0] != 1 && b[0] != 2
}

// folderError explains why path cannot be used.
func folderError(err error, path string) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w. Stash's user must be able to write to %s", err, filepath.Dir(path))
	default:
		return fmt.Errorf("data folder: %w. PlexSync keeps its database at %s", err, path)
	}
}

// tx runs fn in a write transaction; see inTx. Errors are explained.
func (s *Store) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	return s.explain(inTx(ctx, s.db, fn))
}

// inTx runs fn in a transaction that holds the write lock from its start, and
// commits unless fn fails.
func inTx(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}

// ms is how a time is stored: milliseconds since the epoch, 0 for the zero time.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at is the inverse of ms, in UTC.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Check reads the whole database and looks for damage, and makes sure that it can be
// written to. It takes seconds for a large one.
func (s *Store) Check(ctx context.Context) error {
	var verdict string
	if err := s.db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil {
		return s.explain(err)
	}
	if verdict != "ok" {
		return fmt.Errorf("database %s is damaged: %s. PlexSync repairs it when a run meets the damage; nothing that Stash knows is lost", s.path, verdict)
	}
	return s.SetMeta(ctx, "checked", "yes")
}
