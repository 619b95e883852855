package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

const (
	// salvageTime bounds the reading of a damaged file, in which pages can point at each
	// other in circles.
	salvageTime = 2 * time.Minute
	// maxSalvaged bounds the rows that are read of a table of one.
	maxSalvaged = 5_000_000
)

// source is a database that is read row by row, as far as it goes: a damaged one, or a
// copy. Nothing in it is changed.
type source struct {
	db   *sql.DB
	stop context.CancelFunc
	ctx  context.Context // ends when it has been read for too long
	// temporary is a file that goes when it was read; "" if there is none.
	temporary string
}

// openSource opens the file at path for reading. An error means that nothing at all can
// be read of it.
func openSource(ctx context.Context, path string) (*source, error) {
	if info, err := os.Lstat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, fmt.Errorf("%s is empty or not a file", path)
	}
	var all error
	// Without its log if it cannot be read with it.
	for _, immutable := range []string{"", "&immutable=1"} {
		r, err := readSource(ctx, path, immutable)
		if err == nil {
			return r, nil
		}
		all = errors.Join(all, err)
	}
	whole, err := padded(path)
	if err != nil {
		return nil, errors.Join(all, err)
	}
	r, err := readSource(ctx, whole, "&immutable=1")
	if err != nil {
		os.Remove(whole)
		return nil, errors.Join(all, err)
	}
	r.temporary = whole
	return r, nil
}

func readSource(ctx context.Context, path, options string) (*source, error) {
	db := sql.OpenDB(connector{fileURL(path) + "?mode=ro&_query_only=1&_busy_timeout=1000" + options})
	db.SetMaxOpenConns(1)
	r := &source{db: db}
	r.ctx, r.stop = context.WithTimeout(ctx, salvageTime)
	var n int
	err := db.QueryRowContext(r.ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&n)
	if err == nil {
		// A schema is foreign text, and must not run what only ours may.
		_, err = db.ExecContext(r.ctx, `PRAGMA trusted_schema = OFF`)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// padded makes a copy of a file that was cut, filled up with zeros to the size that its
// header tells: otherwise SQLite reads nothing of it at all.
func padded(path string) (string, error) {
	from, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer from.Close()
	header := make([]byte, 100)
	if _, err := from.ReadAt(header, 0); err != nil {
		return "", err
	}
	// Offsets 16 and 28 of https://www.sqlite.org/fileformat.html; 1 stands for 65536.
	page, pages := int64(binary.BigEndian.Uint16(header[16:])), int64(binary.BigEndian.Uint32(header[28:]))
	if page == 1 {
		page = 65536
	}
	info, err := from.Stat()
	if err != nil {
		return "", err
	}
	size := page * pages
	if size <= info.Size() || size > maxPadded {
		return "", errors.New("it was not cut")
	}
	name := path + paddedEnd
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	to, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Truncate(size), to.Close()); err != nil {
		os.Remove(name)
		return "", err
	}
	return name, nil
}

// paddedEnd is the end of the name of such a copy.
const paddedEnd = ".padded"

// maxPadded bounds the size that is believed of a header: a database of a million scenes
// is below.
const maxPadded = 4 << 30

func (r *source) close() {
	r.stop()
	r.db.Close()
	if r.temporary != "" {
		os.Remove(r.temporary)
	}
}

// rows calls fn with every row of t that can be read, once, with the columns that both
// sides have. whole reports whether that were all rows. The error is fn's, or ctx's.
func (r *source) rows(ctx context.Context, t table, fn func(table, []any) error) (whole bool, err error) {
	tables, err := tablesOf(r.ctx, r.db)
	i := slices.IndexFunc(tables, func(x table) bool { return x.name == t.name })
	if err != nil || i < 0 {
		return false, ctx.Err()
	}
	t = t.only(tables[i].names())
	keys := t.keys()
	if len(keys) == 0 || len(keys) < len(tables[i].keys()) {
		return false, ctx.Err()
	}
	seen := map[string]bool{}
	once := func(row []any) error {
		name := make([]any, len(keys))
		for i, k := range keys {
			name[i] = t.value(row, k)
		}
		id := fmt.Sprintf("%#v", name)
		if seen[id] || len(seen) >= maxSalvaged {
			return nil
		}
		seen[id] = true
		return fn(t, row)
	}
	columns := quoted(t.names(), "", ", ")
	// From the front to the first page that cannot be read, and from the back.
	for _, order := range []string{quoted(keys, "", ", "), quoted(keys, " DESC", ", ")} {
		done, err := r.query(ctx, len(t.columns), once, fmt.Sprintf(`SELECT %s FROM "%s" ORDER BY %s`, columns, t.name, order))
		if done || err != nil {
			return done, err
		}
	}
	// What lies between is looked up row by row, by the keys that indexes tell.
	lists, err := r.keyLists(ctx, t.name, keys)
	if err != nil {
		return false, err
	}
	one := fmt.Sprintf(`SELECT %s FROM "%s" WHERE %s`, columns, t.name, quoted(keys, " = ?", " AND "))
	for _, list := range lists {
		for _, key := range list {
			if seen[fmt.Sprintf("%#v", key)] {
				continue
			}
			if _, err := r.query(ctx, len(t.columns), once, one, key...); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// keyLists reads the keys of a table's rows from each of its indexes, from both ends.
func (r *source) keyLists(ctx context.Context, name string, keys []string) (lists [][][]any, err error) {
	var indexes []string
	collect := func(to *[][]any) func([]any) error {
		return func(row []any) error {
			if len(*to) < maxSalvaged {
				*to = append(*to, row)
			}
			return nil
		}
	}
	var found [][]any
	// A partial index does not tell of all rows, and SQLite would refuse it.
	if _, err := r.query(ctx, 1, collect(&found), `SELECT name FROM pragma_index_list(?) WHERE partial = 0`, name); err != nil {
		return nil, err
	}
	for _, row := range found {
		if n, ok := row[0].(string); ok {
			indexes = append(indexes, n)
		}
	}
	for _, index := range indexes {
		for _, order := range []string{"", " DESC"} {
			var list [][]any
			done, err := r.query(ctx, len(keys), collect(&list), fmt.Sprintf(`SELECT %s FROM "%s" INDEXED BY %s ORDER BY %s`,
				quoted(keys, "", ", "), name, quoted([]string{index}, "", ""), r.indexOrder(index, order)))
			if err != nil {
				return nil, err
			}
			lists = append(lists, list)
			if done {
				break
			}
		}
	}
	return lists, nil
}

// indexOrder is the ORDER BY that follows an index.
func (r *source) indexOrder(index, desc string) string {
	rows, err := r.db.QueryContext(r.ctx, `SELECT name FROM pragma_index_info(?) ORDER BY seqno`, index)
	if err != nil {
		return "1"
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var n sql.NullString
		if rows.Scan(&n) == nil && n.Valid {
			names = append(names, n.String)
		}
	}
	if len(names) == 0 {
		return "1"
	}
	return quoted(names, desc, ", ")
}

// query calls fn with the rows of a query until one cannot be read. done reports whether
// all could. The error is fn's, or ctx's.
func (r *source) query(ctx context.Context, n int, fn func([]any) error, query string, args ...any) (done bool, err error) {
	rows, err := r.db.QueryContext(r.ctx, query, args...)
	if err != nil {
		return false, ctx.Err()
	}
	defer rows.Close()
	for rows.Next() {
		row, err := scanRow(rows, n)
		if err != nil {
			return false, ctx.Err()
		}
		if err := fn(row); err != nil {
			return false, err
		}
	}
	return rows.Err() == nil, ctx.Err()
}

// derived are the tables whose contents are learnt anew: the index from Plex, and who
// drains from the drain.
var derived = []string{"item", "section", "drain"}

// carried is what was carried over into a new database.
type carried struct {
	fromFile, fromCopy, dropped map[string]int // rows by table
	// lost: the states of some items are known to neither.
	lost bool
}

// carryOver fills a new database with what can be read of a damaged file and, where that
// is not all, of the copy of the last compare. file is "" if there is none.
func (s *Store) carryOver(ctx context.Context, tx *sql.Tx, file string, now time.Time) (carried, error) {
	c := carried{fromFile: map[string]int{}, fromCopy: map[string]int{}, dropped: map[string]int{}}
	tables, err := tablesOf(ctx, tx)
	if err != nil {
		return c, err
	}
	tables = slices.DeleteFunc(tables, func(t table) bool { return slices.Contains(derived, t.name) })
	var from *source
	if file != "" {
		if from, err = openSource(ctx, file); err == nil {
			defer from.close()
		}
	}
	add := func(counts map[string]int, fix func(table, []any)) func(table, []any) error {
		return func(t table, row []any) error {
			if t.odd(row) {
				c.dropped[t.name]++
				return nil
			}
			fix(t, row)
			added, err := insertRow(ctx, tx, t, row)
			if added {
				counts[t.name]++
			}
			return err
		}
	}
	var partly []table
	for _, t := range tables {
		whole := false
		if from != nil {
			if whole, err = from.rows(ctx, t, add(c.fromFile, func(table, []any) {})); err != nil {
				return c, err
			}
		}
		if !whole || c.dropped[t.name] > 0 {
			partly = append(partly, t)
		}
	}
	c.lost = slices.ContainsFunc(partly, func(t table) bool { return t.name == "pushed" })
	if len(partly) > 0 {
		// The queue of the past is of no use: every scene is looked at.
		partly = slices.DeleteFunc(partly, func(t table) bool { return t.name == "job" })
		if err := s.fromCopy(ctx, tx, partly, c, add); err != nil {
			return c, err
		}
	}
	for _, q := range []string{
		`UPDATE job SET lease = NULL`,
		`DELETE FROM meta WHERE key IN ('` + job.MetaCompare + `', '` + metaSuspect + `')`, // the first leans on the index
		// The last writes may be lost, so that every item is looked at.
		`UPDATE pushed SET wanted_hash = '', seen = ''`,
		// States of before there were several servers are of the one that was known.
		`INSERT OR IGNORE INTO server (id, machine) SELECT 1, coalesce((SELECT value FROM meta WHERE key = '` + MetaMachine + `'), '')
			WHERE EXISTS (SELECT 1 FROM pushed WHERE server = 1)`,
	} {
		if err := exec(ctx, tx, q); err != nil {
			return c, err
		}
	}
	if c.lost {
		if err := setMemoryLost(ctx, tx, now); err != nil {
			return c, err
		}
	}
	return c, enqueue(ctx, tx, now, job.Library(), job.PriorityBulk)
}

// fromCopy adds to tables what only the copy has.
func (s *Store) fromCopy(ctx context.Context, tx *sql.Tx, tables []table, c carried, add func(map[string]int, func(table, []any)) func(table, []any) error) error {
	from, err := openSource(ctx, s.copyPath())
	if err != nil {
		return ctx.Err()
	}
	defer from.close()
	for _, t := range tables {
		take := add(c.fromCopy, fit)
		if _, err := from.rows(ctx, t, func(t table, row []any) error {
			if t.name == "meta" && t.value(row, "key") == metaNotices {
				return nil // of then
			}
			return take(t, row)
		}); err != nil {
			return err
		}
	}
	return nil
}

// String tells what was carried over.
func (c carried) String() string {
	text := "Recovered: " + rowCounts(c.fromFile)
	if len(c.fromCopy) > 0 {
		text += ". Restored from the copy made by the last comparison: " + rowCounts(c.fromCopy)
	}
	if len(c.dropped) > 0 {
		text += ". Skipped because of invalid values: " + rowCounts(c.dropped)
	}
	text += ". Every scene will be checked again"
	if c.lost {
		text += ". " + lostMemory
	}
	return text
}

// fileURL is a file's name as SQLite takes it with options behind.
func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // file:///C:/…
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path}).String()
}
