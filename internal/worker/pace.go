package worker

import (
	"context"
	"sync"
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

// pace is how fast Plex takes edits. The zero value knows nothing yet.
type pace struct {
	mu   sync.Mutex
	took time.Duration // of late, on average
}

// edited notes how long an edit took.
func (p *pace) edited(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.took == 0 {
		p.took = took
		return
	}
	p.took += time.Duration(editWeight * float64(took-p.took))
}

func (p *pace) slow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.took >= slowEdit
}

// maxHeld is how many bytes of pictures may be held before the next cover is fetched, which
// may have 10 MB itself. Most have a fiftieth of that.
const maxHeld = 6 << 20

// held counts the pictures that were fetched and are not in Plex yet. The zero value is
// ready to use.
type held struct {
	mu    sync.Mutex
	bytes int
	less  chan struct{} // closed when there are less; nil if nobody waits
}

// wait waits until less than maxHeld are held.
func (h *held) wait() {
	for {
		h.mu.Lock()
		if h.bytes < maxHeld {
			h.mu.Unlock()
			return
		}
		if h.less == nil {
			h.less = make(chan struct{})
		}
		less := h.less
		h.mu.Unlock()
		<-less
	}
}

// add notes that so many bytes more are held, or less.
func (h *held) add(bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bytes += bytes
	if h.less != nil {
		close(h.less)
		h.less = nil
	}
}

// writer commits what is ready until there is no more. While Plex is slow only the
// first of them does; first is closed when it has ended.
func (c *committer) writer(ctx context.Context, number int, first chan struct{}, ready <-chan *plan, ended func(*plan)) {
	if number == 0 {
		defer close(first)
	}
	for {
		for number > 0 && c.pace.slow() {
			select {
			case <-first: // there is nothing left but what is under way
			case <-ctx.Done():
			case <-time.After(slowPause):
				continue
			}
			break
		}
		x, ok := <-ready
		if !ok {
			return
		}
		c.commitSafely(ctx, x)
		ended(x)
	}
}

// commitSafely turns a panic into the plan's internal error.
func (c *committer) commitSafely(ctx context.Context, x *plan) {
	defer func() {
		if r := recover(); r != nil {
			x.err = panicked("work on "+x.job.Subject.String(), r)
		}
	}()
	c.commit(ctx, x)
}
