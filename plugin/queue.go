package main

import (
	"context"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

func (p *process) queueList(ctx context.Context, s *session) (any, error) {
	limit, offset := p.limits()
	jobs, err := s.db.Jobs(ctx, limit, offset)
	if err != nil {
		return nil, err
	}
	return jobRows(jobs), nil
}

func jobRows(jobs []job.Job) []map[string]any {
	out := []map[string]any{}
	for _, j := range jobs {
		out = append(out, map[string]any{
			"kind": j.Subject.Kind, "id": j.Subject.ID, "attempt": j.Attempt, "missing": j.Missing, "due": j.DueAt,
			"leased": j.Token != "", "first_event": j.FirstEvent, "last_event": j.LastEvent,
			"last_class": j.LastClass, "last_error": j.LastError,
		})
	}
	return out
}

func (p *process) queueClear(ctx context.Context, s *session) (any, error) {
	n, err := s.db.Clear(ctx)
	return p.told(n, "Jobs deleted from the queue: %d", err)
}

// queuePage is a part of the queue.
func (p *process) queuePage(ctx context.Context, s *session) (any, error) {
	state, _ := p.in.Args["show"].(string)
	jobs, total, err := s.db.ListJobs(ctx, time.Now(), state, p.list())
	if err != nil {
		return nil, err
	}
	return map[string]any{"total": total, "rows": jobRows(jobs)}, nil
}
