package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// List is a part of a table, for people. The zero value is no rows in the order that
// the table's doc names.
type List struct {
	// Search finds rows that hold it, in any case; "" = all.
	Search string
	// Sort is one of the names that the method's doc lists; another is an error.
	Sort string
	Desc bool
	// Limit and Offset count rows.
	Limit, Offset int
}

// order is the ORDER BY of l, by the columns that may be sorted by.
func (l List) order(columns map[string]string, fallback string) (string, error) {
	if l.Sort == "" {
		return fallback, nil
	}
	column, ok := columns[l.Sort]
	if !ok {
		return "", fmt.Errorf("sort %q: must be one of %s", l.Sort, strings.Join(slices.Sorted(maps.Keys(columns)), ", "))
	}
	if l.Desc {
		return column + ` DESC, id DESC`, nil
	}
	return column + `, id`, nil
}

// like is the pattern of a search.
func (l List) like() string {
	return `%` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(l.Search) + `%`
}

// The states of a job, as a list of jobs can be narrowed to.
const (
	JobsDue     = "due"
	JobsLeased  = "leased"
	JobsWaiting = "waiting"
)

// ListJobs lists live jobs and tells how many the list has in all. state is one of the
// above, or "" for all. Sorted by due (the default), id (the subject's), attempt or
// first_event.
func (s *Store) ListJobs(ctx context.Context, now time.Time, state string, l List) (jobs []job.Job, total int, err error) {
	cond, args := `1`, []any(nil)
	soon, ahead := ms(now), ms(now.Add(maxAhead))
	switch state {
	case "":
	case JobsDue:
		cond, args = due, []any{soon, ahead}
	case JobsLeased:
		cond = `lease IS NOT NULL`
	case JobsWaiting:
		cond, args = `lease IS NULL AND due_at > ? AND due_at <= ?`, []any{soon, ahead}
	default:
		return nil, 0, fmt.Errorf("show %q: must be one of due, leased, waiting", state)
	}
	order, err := l.order(map[string]string{"due": `due_at`, "id": `subject_id`, "attempt": `attempt`, "first_event": `first_event_at`}, `due_at, id`)
	if err != nil {
		return nil, 0, err
	}
	if l.Search != "" {
		cond += ` AND (last_error LIKE ? ESCAPE '\' OR last_class LIKE ? ESCAPE '\' OR kind || ' ' || subject_id LIKE ? ESCAPE '\')`
		args = append(args, l.like(), l.like(), l.like())
	}
	from := ` FROM job WHERE ` + cond
	page := append(slices.Clone(args), l.Limit, l.Offset)
	if l.Search != "" {
		// A search has to read every row. Once, then, for the rows and their number.
		from = ` FROM job JOIN (SELECT id AS hit, count(*) OVER () AS hits` + from + ` ORDER BY ` + order + ` LIMIT ? OFFSET ?) ON id = hit`
		rows, err := s.db.QueryContext(ctx, `SELECT `+jobColumns+`, hits`+from+` ORDER BY `+order, page...)
		if err != nil {
			return nil, 0, s.explain(err)
		}
		defer rows.Close()
		for rows.Next() {
			j, err := scanJob(scanMore{rows, &total})
			if err != nil {
				return nil, 0, s.explain(err)
			}
			jobs = append(jobs, j)
		}
		if err := rows.Err(); err != nil || len(jobs) > 0 || l.Offset == 0 {
			return jobs, total, s.explain(err)
		}
		from = ` FROM job WHERE ` + cond // behind the end: only the number is left to tell
	}
	if err := s.db.QueryRowContext(ctx, `SELECT count(*)`+from, args...).Scan(&total); err != nil || l.Search != "" {
		return nil, total, s.explain(err)
	}
	jobs, err = queryJobs(ctx, s.db, `SELECT `+jobColumns+from+` ORDER BY `+order+` LIMIT ? OFFSET ?`, page...)
	return jobs, total, s.explain(err)
}

// scanMore scans a row that has one more column at its end.
type scanMore struct {
	row  interface{ Scan(...any) error }
	last any
}

func (s scanMore) Scan(dest ...any) error { return s.row.Scan(append(dest, s.last)...) }

// ListLetters lists dead letters and tells how many the list has in all. Sorted by died
// (the newest first is the default), id (the subject's), title, class or attempts.
func (s *Store) ListLetters(ctx context.Context, w job.Which, l List) (letters []job.Letter, total int, err error) {
	order, err := l.order(map[string]string{"died": `died_at`, "id": `subject_id`, "title": `title COLLATE NOCASE`, "class": `class`, "attempts": `attempts`}, `died_at DESC, id DESC`)
	if err != nil {
		return nil, 0, err
	}
	cond, args := where(w)
	if l.Search != "" {
		cond += ` AND (subject_id || ' ' || class || ' ' || title || ' ' || path || ' ' || error LIKE ? ESCAPE '\')`
		args = append(args, l.like())
	}
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM dead_letter WHERE `+cond, args...).Scan(&total); err != nil {
		return nil, 0, s.explain(err)
	}
	letters, err = s.letters(ctx, cond+` ORDER BY `+order, args, l.Limit, l.Offset)
	return letters, total, err
}

// LetterClasses counts the dead letters by class.
func (s *Store) LetterClasses(ctx context.Context) (map[job.Class]int, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT class, count(*) FROM dead_letter GROUP BY class`)
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	all := map[job.Class]int{}
	for rows.Next() {
		var class job.Class
		var n int
		if err := rows.Scan(&class, &n); err != nil {
			return nil, s.explain(err)
		}
		if oddClass(class) {
			return nil, s.explain(odd("the class of a dead letter"))
		}
		all[class] = n
	}
	return all, s.explain(rows.Err())
}
