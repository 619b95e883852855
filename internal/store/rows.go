package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// What a row may hold. The file may be damaged, or somebody may have edited it: a value
// that PlexSync never wrote costs its row, and not the database. It is looked for when a
// query meets one ([Damaged], [Store.Replace]), and when rows are carried over into a new
// file. Columns of one name mean the same in every table.

const (
	// maxText bounds a stored text, in bytes. Ours are far below.
	maxText = 4 << 20
	// maxValue is the most that SQLite is let load into memory at once.
	maxValue = 4 * maxText
	// maxClass bounds the name of a class.
	maxClass = 40
)

// The times that can be told to people and to JSON: the years 1 to 9999.
var (
	minTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	maxTime = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMilli()
)

// oddTime reports whether a stored time is out of every range.
func oddTime(times ...int64) bool {
	return slices.ContainsFunc(times, func(ms int64) bool { return ms < minTime || ms > maxTime })
}

// oddClass reports whether c is no name of a class. One that a newer PlexSync has made up
// is a name too.
func oddClass(c job.Class) bool {
	return len(c) > maxClass || strings.ContainsFunc(string(c), func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' })
}

// oddJSON reports whether text, if there is any, is no JSON.
func oddJSON(text []byte) bool { return len(text) > 0 && !json.Valid(text) }

// oddSubject reports whether s stands for nothing in Stash. The id of 0, which no object
// of Stash has, does no harm.
func oddSubject(s job.Subject) bool { return !s.Kind.Valid() || s.ID < 0 }

// odd is the error of a row that was read and cannot be true.
func odd(what string) error { return fmt.Errorf("%w: %s", errGarbage, what) }

// column is a column of a table as the schema declares it.
type column struct {
	name, typ string
	notNull   bool
	key       int // its place in the primary key, from 1; 0 if it has none
}

// table is a table of the schema.
type table struct {
	name    string
	columns []column
}

// keys are the columns that name a row.
func (t table) keys() []string {
	var all []column
	for _, c := range t.columns {
		if c.key > 0 {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b column) int { return a.key - b.key })
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	return names
}

// names are the columns' names.
func (t table) names() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

// only is t with the named columns.
func (t table) only(names []string) table {
	t.columns = slices.DeleteFunc(slices.Clone(t.columns), func(c column) bool { return !slices.Contains(names, c.name) })
	return t
}

// value returns the value of the named column of a row; nil if t lacks it.
func (t table) value(row []any, name string) any {
	if i := slices.Index(t.names(), name); i >= 0 {
		return row[i]
	}
	return nil
}

// odd reports whether a row holds something that PlexSync never wrote.
func (t table) odd(row []any) bool {
	for i, c := range t.columns {
		if c.odd(row[i]) {
			return true
		}
	}
	return false
}

func (c column) odd(v any) bool {
	switch v := v.(type) {
	case nil:
		return c.notNull || c.key > 0
	case int64:
		return c.typ != "INTEGER" || c.oddNumber(v)
	case string:
		return c.typ != "TEXT" || len(v) > maxText || c.oddText(v)
	}
	return true
}

func (c column) oddNumber(n int64) bool {
	switch c.name {
	case "priority":
		return n < int64(job.PriorityEvent) || n > int64(job.PriorityBulk)
	case "subject_id", "scene_id", "attempt", "attempts", "missing", "generation", "failures", "probes":
		return n < 0
	case "next_probe":
		return oddTime(n)
	}
	return strings.HasSuffix(c.name, "_at") && oddTime(n)
}

func (c column) oddText(s string) bool {
	switch c.name {
	case "kind":
		return !job.Kind(s).Valid()
	case "class", "last_class", "cause":
		return oddClass(job.Class(s))
	case "base", "intent", "history":
		return oddJSON([]byte(s))
	case "rating_key":
		return s == ""
	}
	return false
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// tablesOf lists the tables of a database. Views and virtual tables are none.
func tablesOf(ctx context.Context, q querier) ([]table, error) {
	rows, err := q.QueryContext(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
		AND sql LIKE 'CREATE TABLE %' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	var all []table
	for rows.Next() {
		var t table
		if err := rows.Scan(&t.name); err != nil {
			rows.Close()
			return nil, err
		}
		all = append(all, t)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].columns, err = columnsOf(ctx, q, all[i].name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func columnsOf(ctx context.Context, q querier, name string) ([]column, error) {
	// Only what is stored: a generated column could be made to compute for ever.
	rows, err := q.QueryContext(ctx, `SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?) WHERE hidden = 0`, name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []column
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.name, &c.typ, &c.notNull, &c.key); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// quoted joins names as SQL names.
func quoted(names []string, each, sep string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = `"` + strings.ReplaceAll(n, `"`, `""`) + `"` + each
	}
	return strings.Join(all, sep)
}

// scanRow reads a row whatever it holds.
func scanRow(rows *sql.Rows, n int) ([]any, error) {
	row, to := make([]any, n), make([]any, n)
	for i := range row {
		to[i] = &row[i]
	}
	return row, rows.Scan(to...)
}

// sweep removes the rows that hold what PlexSync never wrote, queues what they may have
// stood for, and leaves a notice. It returns how many there were. The file itself is
// sound.
func (s *Store) sweep(ctx context.Context, now time.Time) (int, error) {
	tables, err := tablesOf(ctx, s.db)
	if err != nil {
		return 0, s.explain(err)
	}
	total := 0
	err = s.tx(ctx, func(tx *sql.Tx) error {
		total = 0
		w := &sweep{tx: tx, counts: map[string]int{}}
		for _, t := range tables {
			if err := w.table(ctx, t); err != nil {
				return err
			}
		}
		// The one row of the drain's role.
		r, err := tx.ExecContext(ctx, `INSERT INTO drain (id) VALUES (1) ON CONFLICT (id) DO NOTHING`)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err == nil && n > 0 {
			w.counts["drain"] = max(1, w.counts["drain"])
		}
		for _, n := range w.counts {
			total += n
		}
		if total == 0 {
			return nil
		}
		return w.settle(ctx, s, now)
	})
	return total, err
}

// sweep is one run of Store.sweep.
type sweep struct {
	tx     *sql.Tx
	counts map[string]int // rows by table
	queue  []job.Subject  // what the rows stood for
	all    bool           // what some of them stood for cannot be told
	items  []string       // rating keys of items whose state is lost; "" if not known
}

// table removes the odd rows of a table.
func (w *sweep) table(ctx context.Context, t table) error {
	keys := t.keys()
	if len(keys) == 0 {
		return nil
	}
	// What is too large to be loaded is told from the rest without loading it.
	found, err := w.find(ctx, t, `WHERE `+largest(t.names())+` > `+fmt.Sprint(maxText), true)
	if err != nil {
		return err
	}
	if err := w.remove(ctx, t, found); err != nil {
		return err
	}
	if found, err = w.find(ctx, t, ``, false); err != nil {
		return err
	}
	return w.remove(ctx, t, found)
}

// find reads the rows of t that fit a condition and, unless all is set, are odd. Of rows
// that are too large only the numbers and the short texts are read.
func (w *sweep) find(ctx context.Context, t table, where string, all bool) ([][]any, error) {
	columns := quoted(t.names(), "", ", ")
	if all {
		short := make([]string, len(t.columns))
		for i, n := range t.names() {
			q := quoted([]string{n}, "", "")
			short[i] = `iif(octet_length(` + q + `) <= 1000, ` + q + `, NULL)`
		}
		columns = strings.Join(short, ", ")
	}
	rows, err := w.tx.QueryContext(ctx, `SELECT `+columns+` FROM "`+t.name+`" `+where)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found [][]any
	for rows.Next() {
		row, err := scanRow(rows, len(t.columns))
		if err != nil {
			return nil, err
		}
		if all || t.odd(row) {
			found = append(found, row)
		}
	}
	return found, rows.Err()
}

// largest is the length of the longest of some columns, in bytes.
func largest(names []string) string {
	return `max(0, ifnull(octet_length(` + quoted(names, "", "), 0), ifnull(octet_length(") + `), 0))`
}

// remove deletes rows by their keys and notes what they stood for.
func (w *sweep) remove(ctx context.Context, t table, rows [][]any) error {
	keys := t.keys()
	for _, row := range rows {
		args := make([]any, len(keys))
		for i, k := range keys {
			args[i] = t.value(row, k)
		}
		// A key that is itself too large is not known: then whatever is.
		query := `DELETE FROM "` + t.name + `" WHERE ` + quoted(keys, " IS ?", " AND ")
		if slices.Contains(args, nil) {
			query, args = `DELETE FROM "`+t.name+`" WHERE `+largest(keys)+` > 1000`, nil
		}
		if err := exec(ctx, w.tx, query, args...); err != nil {
			return err
		}
		w.counts[t.name]++
		w.note(t, row)
	}
	return nil
}

// note notes what is to be done about a row that is gone.
func (w *sweep) note(t table, row []any) {
	sub := job.Subject{Kind: job.KindScene}
	switch t.name {
	case "job", "dead_letter":
		kind, _ := t.value(row, "kind").(string)
		sub.Kind = job.Kind(kind)
		sub.ID, _ = t.value(row, "subject_id").(int64)
	case "pushed":
		sub.ID, _ = t.value(row, "scene_id").(int64)
		key, _ := t.value(row, "rating_key").(string)
		w.items = append(w.items, key)
	default:
		return
	}
	if sub.Validate() == nil {
		w.queue = append(w.queue, sub)
	} else {
		w.all = true
	}
}

// settle puts right what can be, and leaves the notice.
func (w *sweep) settle(ctx context.Context, s *Store, now time.Time) error {
	if w.all {
		w.queue = []job.Subject{job.Library()}
	}
	for _, sub := range w.queue {
		if err := enqueue(ctx, w.tx, now, sub, job.PriorityEvent); err != nil {
			return err
		}
	}
	if w.counts["item"]+w.counts["section"] > 0 {
		// Half an index hides items; it is read again in full.
		for _, q := range []string{`DELETE FROM item`, `DELETE FROM section`} {
			if err := exec(ctx, w.tx, q); err != nil {
				return err
			}
		}
	}
	back, err := w.restore(ctx, s, now)
	if err != nil {
		return err
	}
	text := "The database held invalid values. Removed: " + rowCounts(w.counts)
	if back > 0 {
		text += fmt.Sprintf(" (%d of them restored from the copy made by the last comparison)", back)
	}
	switch {
	case w.all:
		text += ". Every scene will be checked again"
	case len(w.queue) > 0:
		text += ". The scenes concerned are queued again"
	}
	if n := len(w.items) - back; n > 0 {
		text += ". " + lostMemory
	}
	return addNotice(ctx, w.tx, text)
}

// restore takes the states of items that are gone from the copy, and notes that some are
// lost if it does not have them all.
func (w *sweep) restore(ctx context.Context, s *Store, now time.Time) (back int, err error) {
	if len(w.items) == 0 {
		return 0, nil
	}
	if back, err = restoreItems(ctx, w.tx, s.copyPath(), w.items); err != nil {
		return 0, err
	}
	if back < len(w.items) {
		err = setMemoryLost(ctx, w.tx, now)
	}
	return back, err
}

// rowCounts tells how many rows of which tables, in words.
func rowCounts(counts map[string]int) string {
	words := map[string][2]string{
		"job": {"queued job", "queued jobs"}, "dead_letter": {"dead letter", "dead letters"},
		"pushed": {"remembered item", "remembered items"}, "meta": {"stored value", "stored values"},
		"missing": {"missing file", "missing files"}, "item": {"index entry", "index entries"},
		"section": {"indexed library", "indexed libraries"}, "run": {"past run", "past runs"},
		"outage": {"past outage", "past outages"}, "breaker": {"breaker", "breakers"},
		"drain": {"run marker", "run markers"},
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		n := counts[name]
		if n == 0 {
			continue
		}
		w, known := words[name]
		if !known {
			w = [2]string{"row of " + name, "rows of " + name}
		}
		word := w[1]
		if n == 1 {
			word = w[0]
		}
		all = append(all, fmt.Sprintf("%d %s", n, word))
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}
