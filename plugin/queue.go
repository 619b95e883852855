package main

import (
	"context"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/store"
)

// queueList shows a part of the queue.
func (s *session) queueList(ctx context.Context, q QueueRequest) (QueueList, error) {
	list := func() ([]job.Job, int, error) {
		if q.Lacked {
			return s.db.Lacked(ctx, q.Limit, q.Offset)
		}
		return s.db.ListJobs(ctx, time.Now(), string(q.Show), q.list(string(q.Sort)))
	}
	jobs, total, err := list()
	if err != nil {
		return QueueList{}, err
	}
	l := QueueList{Total: total}
	for _, j := range jobs {
		l.Rows = append(l.Rows, queuedJob(j))
	}
	return l, nil
}

// list is the part of a table that a request wants, sorted by a column.
func (q ListRequest) list(sort string) store.List {
	return store.List{Search: q.Search, Sort: sort, Desc: q.Desc, Limit: q.Limit, Offset: q.Offset}
}

func queuedJob(j job.Job) QueuedJob {
	return QueuedJob{
		Kind: Kind(j.Subject.Kind), ID: j.Subject.ID, Due: Time{j.DueAt}, Leased: j.Token != "",
		Attempt: j.Attempt, Missing: j.Missing, FirstEvent: Time{j.FirstEvent}, LastEvent: Time{j.LastEvent},
		LastClass: Class(j.LastClass), LastError: j.LastError,
	}
}

// queueClear deletes every job that is not being processed.
func (s *session) queueClear(ctx context.Context, _ NoArguments) (Count, error) {
	n, err := s.db.Clear(ctx)
	return Count{n}, err
}
