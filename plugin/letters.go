package main

import (
	"context"
	"errors"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// which reads from the arguments which dead letters are meant: ids, a class, those that
// need review, or all.
func (p *process) which() (job.Which, error) {
	var w job.Which
	switch ids := p.in.Args["ids"].(type) {
	case nil:
	case []any:
		for _, v := range ids {
			id, err := positive("ids", v)
			if err != nil {
				return w, err
			}
			w.IDs = append(w.IDs, id)
		}
		if len(ids) == 0 {
			return w, errors.New("argument ids: is an empty list; leave it out to mean every dead letter")
		}
	default:
		return w, errors.New("argument ids: must be a list of numbers")
	}
	if class, ok := p.in.Args["class"].(string); ok {
		w.Class = job.Class(class)
	}
	w.Review, _ = p.in.Args["review"].(bool)
	return w, nil
}

func (p *process) dlqList(ctx context.Context, s *session) (any, error) {
	w, err := p.which()
	if err != nil {
		return nil, err
	}
	limit, offset := p.limits()
	letters, err := s.db.Letters(ctx, w, limit, offset)
	if err != nil {
		return nil, err
	}
	return letterRows(letters), nil
}

func letterRows(letters []job.Letter) []map[string]any {
	out := []map[string]any{}
	for _, l := range letters {
		out = append(out, map[string]any{
			"id": l.ID, "kind": l.Subject.Kind, "subject_id": l.Subject.ID, "class": l.Class, "error": l.Error,
			"attempts": l.Attempts, "title": l.Title, "path": l.Path, "first_event": l.FirstEvent,
			"last_event": l.LastEvent, "died": l.Died, "history": l.History,
		})
	}
	return out
}

// dlqRetry revives dead letters and works them.
func (p *process) dlqRetry(ctx context.Context, s *session) (any, error) {
	w, err := p.which()
	if err != nil {
		return nil, err
	}
	n, err := s.db.Revive(ctx, time.Now(), w)
	out, err := p.told(n, "Dead letters queued again: %d", err)
	if err != nil {
		return nil, err
	}
	if p.v > 0 {
		return out, p.askDrain(ctx, s)
	}
	return p.drain(ctx, s)
}

func (p *process) dlqDrop(ctx context.Context, s *session) (any, error) {
	w, err := p.which()
	if err != nil {
		return nil, err
	}
	if len(w.IDs) == 0 && w.Class == "" {
		return nil, errors.New("argument ids: name the dead letters to drop; the mode dlq_clear drops all")
	}
	n, err := s.db.Drop(ctx, w)
	return p.told(n, "Dead letters deleted: %d", err)
}

func (p *process) dlqPurge(ctx context.Context, s *session) (any, error) {
	n, err := s.db.Purge(ctx, time.Now(), s.config.DLQRetention)
	return p.told(n, "Old dead letters deleted: %d", err)
}

func (p *process) dlqClear(ctx context.Context, s *session) (any, error) {
	n, err := s.db.Drop(ctx, job.Which{})
	return p.told(n, "Dead letters deleted: %d", err)
}

// lettersPage is a part of the dead letters, with the item that each scene had.
func (p *process) lettersPage(ctx context.Context, s *session) (any, error) {
	w, err := p.which()
	if err != nil {
		return nil, err
	}
	letters, total, err := s.db.ListLetters(ctx, w, p.list())
	if err != nil {
		return nil, err
	}
	var scenes []int64
	for _, l := range letters {
		if l.Subject.Kind == job.KindScene {
			scenes = append(scenes, l.Subject.ID)
		}
	}
	pushed, err := s.db.PushedOfScenes(ctx, scenes...)
	if err != nil {
		return nil, err
	}
	keys := map[int64]string{}
	for _, x := range pushed {
		keys[x.Scene] = x.Key
	}
	rows := letterRows(letters)
	for i, l := range letters {
		if l.Subject.Kind == job.KindScene {
			rows[i]["item"] = keys[l.Subject.ID]
		}
	}
	classes, err := s.db.LetterClasses(ctx)
	return map[string]any{"total": total, "rows": rows, "classes": classes}, err
}
