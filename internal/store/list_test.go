package store

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// lists is a store with jobs in each state and dead letters of two classes.
func lists(t *testing.T) *Store {
	t.Helper()
	s := open(t, t.TempDir())
	exec := func(q string, args ...any) {
		t.Helper()
		_, err := s.db.ExecContext(t.Context(), q, args...)
		must(t, err)
	}
	for i := range 10 {
		lease := any(nil)
		if i == 0 {
			lease = "worked"
		}
		exec(`INSERT INTO job(kind, subject_id, priority, attempt, due_at, lease, first_event_at, last_event_at, last_class, last_error) VALUES('scene', ?, ?, ?, ?, ?, ?, 1, 'busy', ?)`,
			i, i%2, i%3, ms(t0.Add(time.Duration(i-5)*time.Minute)), lease, 100-i, fmt.Sprintf(`100%% of item_%d \ x`, i))
	}
	for i := range 7 {
		exec(`INSERT INTO dead_letter(kind, subject_id, class, error, attempts, title, path, first_event_at, last_event_at, died_at) VALUES('scene', ?, ?, 'e', ?, ?, ?, 1, 1, ?)`,
			i, []string{"rejected", "not_in_plex"}[i%2], i, fmt.Sprintf("%c title", 'g'-i), fmt.Sprintf("/data/%d.mp4", i), i)
	}
	return s
}

func TestListsAreSearchedSortedAndCutIntoPages(t *testing.T) {
	s := lists(t)
	for _, c := range []struct {
		state string
		list  List
		want  string
		total int
	}{
		{"", List{Limit: 3}, "0 1 2", 10},
		{"", List{Limit: 3, Offset: 9}, "9", 10},
		{"", List{Limit: 3, Offset: 99}, "", 10},
		{"", List{Limit: 2, Sort: "id", Desc: true}, "9 8", 10},
		{"", List{Limit: 4, Sort: "attempt"}, "0 3 6 9", 10},
		{"", List{Limit: 2, Sort: "first_event"}, "9 8", 10},
		{JobsLeased, List{Limit: 9}, "0", 1},
		{JobsDue, List{Limit: 9}, "1 2 3 4 5", 5},
		{JobsWaiting, List{Limit: 9}, "6 7 8 9", 4},
		{"", List{Limit: 9, Search: "ITEM_7"}, "7", 1},
		{"", List{Limit: 1, Search: "100%"}, "0", 10},
		{"", List{Limit: 9, Search: "itemX7"}, "", 0},
		{"", List{Limit: 9, Search: `\ X`, Offset: 8}, "8 9", 10},
		{JobsWaiting, List{Limit: 9, Search: "scene 8"}, "8", 1},
	} {
		jobs, total, err := s.ListJobs(t.Context(), t0, c.state, c.list)
		var got []string
		for _, j := range jobs {
			got = append(got, fmt.Sprint(j.Subject.ID))
		}
		if strings.Join(got, " ") != c.want || total != c.total || err != nil {
			t.Errorf("jobs %q %+v: %v of %d (%v), want %s of %d", c.state, c.list, got, total, err, c.want, c.total)
		}
	}
	for _, c := range []struct {
		which job.Which
		list  List
		want  string
		total int
	}{
		{job.Which{}, List{Limit: 3}, "6 5 4", 7},
		{job.Which{Review: true}, List{Limit: 9}, "6 4 2 0", 4},
		{job.Which{Class: job.ClassNotInPlex}, List{Limit: 9, Sort: "died"}, "1 3 5", 3},
		{job.Which{}, List{Limit: 2, Sort: "title"}, "6 5", 7},
		{job.Which{}, List{Limit: 2, Sort: "attempts", Desc: true}, "6 5", 7},
		{job.Which{}, List{Limit: 9, Search: "data/3"}, "3", 1},
		{job.Which{Class: job.ClassRejected}, List{Limit: 9, Search: "data/3"}, "", 0},
	} {
		letters, total, err := s.ListLetters(t.Context(), c.which, c.list)
		var got []string
		for _, l := range letters {
			got = append(got, fmt.Sprint(l.Subject.ID))
		}
		if strings.Join(got, " ") != c.want || total != c.total || err != nil {
			t.Errorf("letters %+v %+v: %v of %d (%v), want %s of %d", c.which, c.list, got, total, err, c.want, c.total)
		}
	}
	for _, l := range []List{{Sort: "due; DROP TABLE job"}, {Sort: "title"}} {
		if _, _, err := s.ListJobs(t.Context(), t0, "", l); err == nil || !strings.Contains(err.Error(), "attempt, due, first_event, id") {
			t.Errorf("sorted by %q: %v", l.Sort, err)
		}
	}
	classes, err := s.LetterClasses(t.Context())
	if want := map[job.Class]int{job.ClassRejected: 4, job.ClassNotInPlex: 3}; err != nil || !reflect.DeepEqual(classes, want) {
		t.Errorf("classes: %v, %v", classes, err)
	}
}

// TestCountsTellWhatTheListsHold: the counts come from indexes, the lists from the rows.
func TestCountsTellWhatTheListsHold(t *testing.T) {
	s := lists(t)
	for _, now := range []time.Time{t0.Add(-time.Hour), t0, t0.Add(2 * time.Minute), t0.Add(time.Hour), t0.Add(-48 * time.Hour)} {
		c, err := s.Counts(t.Context(), now)
		must(t, err)
		got := map[string]int{"": c.Queued, JobsDue: c.Due, JobsLeased: c.Leased, JobsWaiting: c.Waiting}
		for state, n := range got {
			jobs, total, err := s.ListJobs(t.Context(), now, state, List{Limit: 1})
			if err != nil || total != n {
				t.Errorf("at %v %q: counted %d, listed %d (%v)", now, state, n, total, err)
			}
			if state == JobsWaiting && n > 0 && !jobs[0].DueAt.Equal(c.NextDue) {
				t.Errorf("at %v the next is due at %v, by the list at %v", now, c.NextDue, jobs[0].DueAt)
			}
		}
	}
}
