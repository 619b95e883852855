package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// maxIDs is how many dead letters one look at the database names: SQLite bounds the
// variables of a statement, and a person selects a page.
const maxIDs = 1000

// letterList shows a part of the dead letters, with the item that each scene had.
func (s *session) letterList(ctx context.Context, q LetterListRequest) (LetterList, error) {
	if len(q.IDs) > maxIDs {
		return LetterList{}, fmt.Errorf("argument ids: has %d ids, at most %d are allowed", len(q.IDs), maxIDs)
	}
	letters, total, err := s.db.ListLetters(ctx, q.which(), q.list(string(q.Sort)))
	if err != nil {
		return LetterList{}, err
	}
	items, err := s.itemsOf(ctx, letters)
	if err != nil {
		return LetterList{}, err
	}
	l := LetterList{Total: total}
	for _, x := range letters {
		row := letter(x)
		if x.Subject.Kind == job.KindScene {
			row.Item = items[x.Subject.ID]
		}
		l.Rows = append(l.Rows, row)
	}
	l.Classes, err = s.letterClasses(ctx)
	return l, err
}

// itemsOf is the rating key of an item that each scene among the letters was written to.
func (s *session) itemsOf(ctx context.Context, letters []job.Letter) (map[int64]string, error) {
	var scenes []int64
	for _, l := range letters {
		if l.Subject.Kind == job.KindScene {
			scenes = append(scenes, l.Subject.ID)
		}
	}
	current, err := s.db.Current(ctx)
	if err != nil {
		return nil, err
	}
	pushed, err := current.PushedOfScenes(ctx, scenes...)
	keys := map[int64]string{}
	for _, p := range pushed {
		if !p.Untied() {
			keys[p.Scene] = p.Key
		}
	}
	return keys, err
}

// letterClasses counts the dead letters.
func (s *session) letterClasses(ctx context.Context) (Tally[Class], error) {
	counts, err := s.db.LetterClasses(ctx)
	all := Tally[Class]{}
	for class, n := range counts {
		all[Class(class)] = n
	}
	return all, err
}

func letter(l job.Letter) Letter {
	x := Letter{
		ID: l.ID, Kind: Kind(l.Subject.Kind), SubjectID: l.Subject.ID, Class: Class(l.Class), Retryable: l.Class.Transient(),
		Error: l.Error, Attempts: l.Attempts, Title: l.Title, Path: l.Path,
		FirstEvent: Time{l.FirstEvent}, LastEvent: Time{l.LastEvent}, Died: Time{l.Died},
	}
	for _, a := range l.History {
		x.History = append(x.History, Attempt{At: Time{a.At}, Class: Class(a.Class), Error: a.Error})
	}
	return x
}

// which is the selection, all of it at once.
func (q LettersRequest) which() job.Which {
	return job.Which{IDs: q.IDs, Class: job.Class(q.Class), Review: q.Review}
}

// pieces is the selection in parts that the database can take. A letter is in one of
// them, however often it was named.
func (q LettersRequest) pieces() []job.Which {
	if len(q.IDs) <= maxIDs {
		return []job.Which{q.which()}
	}
	ids := slices.Compact(slices.Sorted(slices.Values(q.IDs)))
	var all []job.Which
	for part := range slices.Chunk(ids, maxIDs) {
		w := q.which()
		w.IDs = part
		all = append(all, w)
	}
	return all
}

// each does something to every piece of the selection and counts the letters.
func (q LettersRequest) each(do func(job.Which) (int, error)) (Count, error) {
	var all Count
	for _, w := range q.pieces() {
		n, err := do(w)
		if err != nil {
			return all, err
		}
		all.Count += n
	}
	return all, nil
}

// retryLetters queues dead letters again.
func (s *session) retryLetters(ctx context.Context, q LettersRequest) (Count, error) {
	return q.each(func(w job.Which) (int, error) { return s.db.Revive(ctx, time.Now(), w) })
}

// dropLetters deletes dead letters for good. Either ids or a class has to be given.
func (s *session) dropLetters(ctx context.Context, q LettersRequest) (Count, error) {
	if len(q.IDs) == 0 && q.Class == "" {
		return Count{}, errors.New("argument ids: name the dead letters to drop; the mode dlq_clear drops all")
	}
	return q.each(func(w job.Which) (int, error) { return s.db.Drop(ctx, w) })
}

// purgeLetters deletes dead letters that are older than the retention.
func (s *session) purgeLetters(ctx context.Context, _ NoArguments) (Count, error) {
	n, err := s.db.Purge(ctx, time.Now(), s.config.DLQRetention)
	return Count{n}, err
}

// clearLetters deletes every dead letter.
func (s *session) clearLetters(ctx context.Context, _ NoArguments) (Count, error) {
	n, err := s.db.Drop(ctx, job.Which{})
	return Count{n}, err
}
