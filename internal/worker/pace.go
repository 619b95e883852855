package worker

import (
	"context"
	"time"
)

// A Plex that answers slowly has a reason: it scans, analyses, or its disk is at its
// end. It gets one edit at a time then, not two.
const (
	// slowEdit is the time that edits take on average from which Plex counts as slow;
	// a healthy one takes well below a second.
	slowEdit = 2 * time.Second
	// slowPause is how long the other writers wait before they look again.
	slowPause = 500 * time.Millisecond
	// editWeight is how much one edit moves the average: the last ten or so count.
	editWeight = 0.2
)

// edited notes how long an edit took.
func (d *drain) edited(took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.editTime == 0 {
		d.editTime = took
		return
	}
	d.editTime += time.Duration(editWeight * float64(took-d.editTime))
}

func (d *drain) slow() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.editTime >= slowEdit
}

// writer works what is ready until there is no more. While Plex is slow only the
// first of them does; first is closed when it has ended.
func (d *drain) writer(ctx context.Context, number int, first chan struct{}, ready <-chan *attempt, ended func(*attempt)) {
	if number == 0 {
		defer close(first)
	}
	for {
		for number > 0 && d.slow() {
			select {
			case <-first: // there is nothing left but what is under way
			case <-ctx.Done():
			case <-time.After(slowPause):
				continue
			}
			break
		}
		a, ok := <-ready
		if !ok {
			return
		}
		d.protect(a, func() { d.write(ctx, a) })
		ended(a)
	}
}

// ramp is how many jobs are leased at once while Plex recovers from an outage: one
// decides whether it has, then twice as many each time, until it is a batch.
func (d *drain) ramp() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.recovering == 0 {
		return batchSize
	}
	if d.recovering *= 2; d.recovering >= batchSize {
		d.recovering = 0
		return batchSize
	}
	return d.recovering
}
