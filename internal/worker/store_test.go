package worker_test

import (
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/bridge"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
	"github.com/plexsync/plexsync/internal/worker/workertest"
)

// TestTheStoreIsWhatAWorkerNeeds. It is the only one: it is quick enough for every test on
// the bench.
func TestTheStoreIsWhatAWorkerNeeds(t *testing.T) {
	workertest.Store(t, func(t *testing.T) worker.Store {
		db, err := store.Open(t.Context(), memoryDisk(t), time.Now())
		must(t, err)
		t.Cleanup(func() { db.Close() })
		return bridge.Store(db)
	})
}
