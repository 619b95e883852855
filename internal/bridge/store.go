package bridge

import (
	"context"

	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
)

// storeSide is the store as the worker sees it.
type storeSide struct{ *store.Store }

// Store is the store as the worker's interface.
func Store(s *store.Store) worker.Store { return storeSide{s} }

func (s storeSide) Server(ctx context.Context, machine string) (worker.Known, error) {
	x, err := s.Store.Server(ctx, machine)
	if err != nil {
		return nil, err
	}
	return x, nil
}

func (s storeSide) Current(ctx context.Context) (worker.Known, error) {
	x, err := s.Store.Current(ctx)
	if err != nil {
		return nil, err
	}
	return x, nil
}
