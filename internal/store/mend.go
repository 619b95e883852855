package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
)

// errGarbage says that a row holds what this program never wrote.
var errGarbage = errors.New("it holds values that PlexSync never wrote")

// errLost says that there was a database once, and is none any more.
var errLost = errors.New("the database is missing or empty, although PlexSync has been used in this folder before")

// Damaged reports whether err says that the file, or a row in it, is not as PlexSync left
// it, or that it is lost. [Store.Replace] puts that right.
func Damaged(err error) bool {
	if errors.Is(err, errGarbage) || errors.Is(err, errLost) {
		return true
	}
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB, sqlite3.ErrFormat, sqlite3.ErrMismatch, sqlite3.ErrTooBig:
		return true
	case sqlite3.ErrError:
		// Our statements are fixed and fit our schema.
		return slices.ContainsFunc([]string{"no such", "has no column", "malformed", "unsupported file format", "already exists", "already another",
			"ON CONFLICT clause does not match"}, func(text string) bool { return strings.Contains(e.Error(), text) })
	}
	return false
}

// Replace is for a caller to whom using the database has shown that it is [Damaged]. It
// closes s and returns the database as it is to be used from then on; what failed may be
// tried again once.
//
//   - Where another process has mended it meanwhile, that one's is opened.
//   - Where the file is sound, it stays: rows that hold what PlexSync never wrote are
//     removed, and what they stood for is queued; indexes that do not fit their tables are
//     made anew.
//   - Where SQLite says that it is damaged, or it is not PlexSync's any more, it is kept
//     under another name. A new one is begun with everything of it that can be read, row
//     by row; where that is not all, with what the copy has ([Store.KeepCopy]); if states
//     of items are in neither, [Store.MemoryLost] says so. The whole library is queued.
//   - One of a newer PlexSync is an error, and left alone.
//
// What was done is told by [Store.Notices].
func (s *Store) Replace(ctx context.Context, now time.Time) (*Store, error) {
	n := &Store{dir: s.dir, path: s.path, owner: s.owner, patience: s.patience, points: s.points}
	s.Close()
	lock, err := WaitLock(ctx, n.dir, openLock, s.patience)
	if err != nil {
		return nil, n.explain(err)
	}
	if lock == nil {
		return nil, n.explain(errBusy)
	}
	defer lock.Release()
	if err = n.open(ctx); err == nil && s.file != nil && !os.SameFile(s.file, n.file) {
		return n, nil
	}
	if err = n.mend(ctx, now, true); err != nil {
		return nil, n.explain(err)
	}
	return n, nil
}

// mend makes, migrates or mends the file and opens it. The caller holds the open lock, so
// that what others did while it waited is seen, and nobody sets aside what they have
// made. rows is set if a row was met that cannot be true.
func (s *Store) mend(ctx context.Context, now time.Time, rows bool) error {
	if s.db != nil {
		s.db.Close()
		s.db = nil
	}
	size, err := s.size()
	if err != nil {
		return err
	}
	if size == 0 {
		return s.begin(ctx, now)
	}
	// A file that is too small is an empty one to SQLite, which would fill it anew.
	var failed error
	if !rows && size >= minPage {
		if failed = s.migrateAndOpen(ctx); s.hasty || !Damaged(failed) && !errors.Is(failed, errMigration) {
			return failed
		}
	}
	why, err := s.examine(ctx, size)
	if err == nil && why == "" {
		if why, err = s.keep(ctx, now, rows); why == "" && errors.Is(failed, errMigration) {
			// It says that it is older, and the newer tables do not fit into it.
			why, err = failed.Error(), nil
		}
	}
	if err != nil || why == "" {
		return err
	}
	if s.hasty {
		return fmt.Errorf("%w: %s", errGarbage, why)
	}
	return s.rebuild(ctx, now, why)
}

// migrateAndOpen opens a file that may have an older schema.
func (s *Store) migrateAndOpen(ctx context.Context) error {
	err := s.open(ctx)
	if errors.Is(err, errMigrate) {
		if err = s.create(ctx); err == nil {
			err = s.open(ctx)
		}
	}
	return err
}

// keep opens a file that SQLite finds sound, and puts right what is wrong in it. why says
// why that is not enough, and the file must be set aside.
func (s *Store) keep(ctx context.Context, now time.Time, rows bool) (why string, err error) {
	if err := s.migrateAndOpen(ctx); err != nil {
		return reason(err)
	}
	if s.reindexed != "" {
		if err := s.notice(ctx, fmt.Sprintf("The indexes of the database were damaged (%s) and have been rebuilt. Nothing is lost", s.reindexed)); err != nil {
			return reason(err)
		}
	}
	if !rows {
		return "", nil
	}
	switch n, err := s.sweep(ctx, now); {
	case isCode(err, sqlite3.ErrTooBig):
		return err.Error(), nil // it cannot even be removed
	case err != nil:
		return reason(err)
	case n == 0 && s.reindexed == "":
		return s.suspect(ctx, now)
	}
	return "", nil
}

// metaSuspect is the key of the time at which damage was reported that nothing shows.
const metaSuspect = "suspect"

// suspect is for a database that is sound by every check, and yet has failed as only a
// damaged one does: SQLite's checks do not find everything. The first time that is noted.
// If it happens again within a day, it is the reason to set the file aside, lest every run
// fails for ever.
func (s *Store) suspect(ctx context.Context, now time.Time) (why string, err error) {
	before, err := s.Meta(ctx, metaSuspect)
	if err == nil {
		if at, perr := time.Parse(time.RFC3339, before); perr == nil && now.Sub(at).Abs() < 24*time.Hour {
			return "it keeps failing, although its checks find nothing", nil
		}
		err = s.SetMeta(ctx, metaSuspect, now.UTC().Format(time.RFC3339))
	}
	if err != nil {
		return reason(err)
	}
	return "", nil
}

// isCode reports whether err is SQLite's of this code.
func isCode(err error, code sqlite3.ErrNo) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == code
}

// size is the size of the file; 0 if there is none.
func (s *Store) size() (int64, error) {
	info, err := os.Lstat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), plain(s.path, info, s.owner)
}

// begin makes a database where there is none: at first, or because it was lost, or
// because a process was killed before it had put the one that it built into its place.
func (s *Store) begin(ctx context.Context, now time.Time) error {
	if exists(s.builtPath()) {
		if err := s.putInPlace(now); err != nil {
			return err
		}
		return s.open(ctx)
	}
	if !s.worked() {
		if err := s.create(ctx); err != nil {
			return err
		}
		return s.open(ctx)
	}
	if s.hasty {
		return errLost
	}
	return s.rebuild(ctx, now, "")
}

// worked reports whether PlexSync has been at work in the folder before: what it leaves
// there beside the database is made after it.
func (s *Store) worked() bool {
	return exists(filepath.Join(s.dir, DrainLock)) || exists(filepath.Join(s.dir, WakerLock)) ||
		exists(filepath.Join(s.dir, SpoolDir)) || exists(s.copyPath())
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// minPage is the smallest page of a database, and so the smallest database
// (https://www.sqlite.org/fileformat.html).
const minPage = 512

// examine says why the file must be set aside; "" if it is sound. Only SQLite's own check
// says that a file is damaged, not an error that may have other reasons. A file that is
// whole and not PlexSync's, although it says so, cannot be used either. An error means
// that it could not be told, and that nothing is to be done.
func (s *Store) examine(ctx context.Context, size int64) (why string, err error) {
	if size < minPage {
		return fmt.Sprintf("it was cut to %d bytes", size), nil
	}
	readOnly := s.foreignFormat() // before SQLite has the file open, see giveBack
	db := s.connect()
	defer db.Close()
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return reason(err)
	}
	if version > schemaVersion {
		return "", &newerError{version}
	}
	if why, err := check(ctx, db, "quick_check"); err != nil || why != "" {
		return why, err
	}
	// An index that does not fit its table is no damage that must cost the file.
	if why, err := check(ctx, db, "integrity_check"); err != nil {
		return why, err
	} else if why != "" {
		if _, err := db.ExecContext(ctx, `REINDEX`); isCode(err, sqlite3.ErrConstraint) {
			return why + "; " + err.Error(), nil // rows that exclude each other
		} else if err != nil {
			return reason(err)
		}
		if why, err := check(ctx, db, "integrity_check"); err != nil || why != "" {
			return why, err
		}
		s.reindexed = why
	}
	if readOnly {
		return "its format is one that SQLite can only read", nil
	}
	if version < 0 {
		return "its schema has a number that PlexSync never wrote", nil
	}
	if version < schemaVersion {
		return "", nil // the migrations tell
	}
	return foreignSchema(ctx, db)
}

// reason turns an error that says that the file is damaged into the reason to set it
// aside.
func reason(err error) (string, error) {
	if Damaged(err) {
		return err.Error(), nil
	}
	return "", err
}

// check runs one of SQLite's checks and returns its first complaint.
func check(ctx context.Context, db *sql.DB, name string) (why string, err error) {
	if err := db.QueryRowContext(ctx, `PRAGMA `+name+`(1)`).Scan(&why); err != nil {
		return reason(err)
	}
	if why == "ok" {
		return "", nil
	}
	return cut(strings.Join(strings.Fields(why), " "), 200), nil
}

// foreignSchema says what the file lacks of the current schema, or has too much: a
// trigger would run with every statement of ours.
func foreignSchema(ctx context.Context, db *sql.DB) (string, error) {
	own, err := schemaOf(ctx, db)
	if err != nil {
		return reason(err)
	}
	memory := sql.OpenDB(connector{":memory:"})
	memory.SetMaxOpenConns(1)
	defer memory.Close()
	if err := migrate(ctx, memory); err != nil {
		return "", err
	}
	ours, err := schemaOf(ctx, memory)
	if err != nil {
		return "", err
	}
	for name, text := range ours {
		if own[name] != text {
			return "it does not have the " + name + " as PlexSync created it", nil
		}
	}
	for name := range own {
		if strings.HasPrefix(name, "trigger ") || strings.HasPrefix(name, "view ") {
			return "it has a " + name + ", which PlexSync never created", nil
		}
	}
	return "", nil
}

// schemaOf returns the statements of a schema by type and name, without their blanks.
func schemaOf(ctx context.Context, db *sql.DB) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, `SELECT type || ' ' || name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return nil, fmt.Errorf("%w: %w", errGarbage, err)
		}
		all[name] = strings.Join(strings.Fields(text), "")
	}
	return all, rows.Err()
}

// builtPath is the name of a new database that is whole and yet to be put into its place.
func (s *Store) builtPath() string { return s.path + ".new" }

// rebuild begins a new database in place of one that is damaged, for the reason why, or
// lost (""). It is built under another name, put aside when it is whole, and then takes
// the place of the old one: whatever moment the process is killed at, the next one finds
// the old file or the whole new one.
func (s *Store) rebuild(ctx context.Context, now time.Time, why string) error {
	part := &Store{dir: s.dir, path: s.path + ".part", owner: s.owner, patience: s.patience, points: s.points}
	clear := func() error {
		for _, path := range []string{part.path, part.path + "-wal", part.path + "-shm", s.path + paddedEnd, s.copyPath() + paddedEnd, s.builtPath()} {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	}
	if err := clear(); err != nil { // of a process that was killed
		return err
	}
	aside := s.asideName(now)
	if err := part.fill(ctx, s, now, why, aside); err != nil {
		clear() // perhaps the disk is full
		return err
	}
	s.at("rebuild: filled")
	if err := os.Rename(part.path, s.builtPath()); err != nil {
		return err
	}
	s.at("rebuild: whole")
	if why != "" {
		if err := os.Rename(s.path, aside); err != nil {
			return fmt.Errorf("%s is damaged and cannot be set aside: %w", s.path, err)
		}
		s.SetAside = aside
	}
	s.at("rebuild: set aside")
	if err := s.putInPlace(now); err != nil {
		return err
	}
	return s.open(ctx)
}

// fill makes the new database at part with what can be carried over from old, and closes
// it, so that it is one file.
func (part *Store) fill(ctx context.Context, old *Store, now time.Time, why, aside string) error {
	if err := part.create(ctx); err != nil {
		return err
	}
	if err := part.open(ctx); err != nil {
		return err
	}
	file := old.path
	if why == "" {
		file = ""
	}
	err := inTx(ctx, part.db, func(tx *sql.Tx) error {
		c, err := old.carryOver(ctx, tx, file, now)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("The database was damaged (%s). The damaged file was kept as %s and replaced. %s", why, aside, c)
		if why == "" {
			text = fmt.Sprintf("The database %s was missing or empty, although PlexSync has been used in this folder before. A new one was created. %s", old.path, c)
		}
		return addNotice(ctx, tx, text)
	})
	if err := errors.Join(err, part.Close()); err != nil {
		return err
	}
	if info, err := os.Lstat(part.path + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("%s is in use", part.path)
	}
	return syncFile(part.path)
}

// putInPlace moves the new database into its place, which is empty. What SQLite left there
// beside the old one would be taken for the new one's.
func (s *Store) putInPlace(now time.Time) error {
	aside := s.SetAside
	if aside == "" {
		aside = s.asideName(now)
	}
	for _, side := range []string{"-wal", "-shm"} {
		if err := os.Rename(s.path+side, aside+side); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s cannot be set aside: %w", s.path+side, err)
		}
		s.at("rebuild: " + side + " aside")
	}
	if err := os.Rename(s.builtPath(), s.path); err != nil {
		return err
	}
	s.at("rebuild: in place")
	return syncDir(s.dir)
}

// asideName is a name for a damaged database that nothing has yet.
func (s *Store) asideName(now time.Time) string {
	base := fmt.Sprintf("%s.damaged-%s", s.path, now.UTC().Format("20060102-150405"))
	for i := 1; ; i++ {
		name := base
		if i > 1 {
			name = fmt.Sprintf("%s-%d", base, i)
		}
		if !exists(name) && !exists(name+"-wal") && !exists(name+"-shm") {
			return name
		}
	}
}
