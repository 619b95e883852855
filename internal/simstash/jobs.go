package simstash

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"
)

// JobStatus is the status of a job, in Stash's words.
type JobStatus string

// A job that a plugin's error ended is FINISHED all the same; FAILED is only
// what could not start.
const (
	JobReady     JobStatus = "READY"
	JobRunning   JobStatus = "RUNNING"
	JobStopping  JobStatus = "STOPPING"
	JobFinished  JobStatus = "FINISHED"
	JobCancelled JobStatus = "CANCELLED"
	JobFailed    JobStatus = "FAILED"
)

// graveyard is how many ended jobs Stash still knows (source).
const graveyard = 10

// Job is an entry of Stash's queue.
type Job struct {
	ID          int
	Description string
	Status      JobStatus
	Progress    float64   // the last one, 0 to 1
	Progresses  []float64 // every one that the plugin sent
	Error       string
	AddTime     time.Time
	StartTime   time.Time // zero: not started
	EndTime     time.Time // zero: not ended
	Lost        bool      // forgotten by a restart
}

type jobEntry struct {
	Job
	run    func(ctx context.Context, j *jobEntry) error
	cancel context.CancelFunc
}

// queue runs jobs one at a time. A goroutine exists only while a job waits or
// runs.
type queue struct {
	s *Server

	mu      sync.Mutex
	last    int
	waiting []*jobEntry // the first one may be running
	dead    []*jobEntry // the last ones that ended
	history []*jobEntry // all ever
	epoch   int         // counts restarts
	idle    chan struct{}
}

func (q *queue) add(description string, run func(context.Context, *jobEntry) error) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last++
	j := &jobEntry{Job: Job{ID: q.last, Description: description, Status: JobReady, AddTime: q.s.now()}, run: run}
	q.history = append(q.history, j)
	q.waiting = append(q.waiting, j)
	if q.idle == nil {
		q.idle = make(chan struct{})
		q.s.work.Add(1)
		go q.dispatch(q.epoch)
	}
	return j.ID
}

// dispatch works the queue of one epoch until it is empty.
func (q *queue) dispatch(epoch int) {
	defer q.s.work.Done()
	for {
		q.mu.Lock()
		if q.epoch != epoch {
			q.mu.Unlock()
			return
		}
		if len(q.waiting) == 0 {
			close(q.idle)
			q.idle = nil
			q.mu.Unlock()
			return
		}
		j := q.waiting[0]
		ctx, cancel := context.WithCancel(q.s.life)
		j.Status, j.StartTime, j.cancel = JobRunning, q.s.now(), cancel
		q.mu.Unlock()

		err := j.run(ctx, j)

		q.mu.Lock()
		j.cancel = nil
		cancel()
		if !j.Lost {
			switch {
			case err != nil:
				j.Status, j.Error = JobFailed, err.Error()
				q.s.logf(LevelError, "", "task failed due to error: %v", err)
			case j.Status == JobStopping:
				j.Status = JobCancelled
			default:
				j.Status = JobFinished
			}
			j.EndTime = q.s.now()
			q.bury(j)
		}
		q.mu.Unlock()
	}
}

func (q *queue) bury(j *jobEntry) {
	if i := slices.Index(q.waiting, j); i >= 0 {
		q.waiting = slices.Delete(slices.Clone(q.waiting), i, i+1)
	}
	if q.dead = append(q.dead, j); len(q.dead) > graveyard {
		q.dead = q.dead[1:]
	}
}

func (q *queue) setProgress(j *jobEntry, p float64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.Progress = min(max(p, 0), 1)
	j.Progresses = append(j.Progresses, p)
}

// stop cancels a job: one that waits leaves the queue, one that runs is told.
// An unknown id changes nothing.
func (q *queue) stop(id int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range q.waiting {
		if j.ID == id {
			q.stopLocked(j)
			return
		}
	}
}

func (q *queue) stopAll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range slices.Clone(q.waiting) {
		q.stopLocked(j)
	}
}

func (q *queue) stopLocked(j *jobEntry) {
	switch j.Status {
	case JobReady:
		j.Status, j.EndTime = JobCancelled, q.s.now()
		q.bury(j)
	case JobRunning:
		j.Status = JobStopping
		j.cancel()
	}
}

func (q *queue) find(id int) *Job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, list := range [][]*jobEntry{q.waiting, q.dead} {
		for _, j := range list {
			if j.ID == id {
				c := j.Job
				return &c
			}
		}
	}
	return nil
}

func (q *queue) list(which func(*queue) []*jobEntry) (out []Job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range which(q) {
		c := j.Job
		c.Progresses = slices.Clone(c.Progresses)
		out = append(out, c)
	}
	return out
}

// Jobs lists every job ever queued, also those that Stash has forgotten.
func (s *Server) Jobs() []Job { return s.queue.list(func(q *queue) []*jobEntry { return q.history }) }

// JobQueue lists the jobs that wait or run, as the jobQueue query does.
func (s *Server) JobQueue() []Job {
	return s.queue.list(func(q *queue) []*jobEntry { return q.waiting })
}

// StopJob does what the person's "stop" does: SIGKILL for a plugin's task.
func (s *Server) StopJob(id int) { s.queue.stop(id) }

// WaitIdle returns when no job waits or runs, or with the context's error.
// Hooks and operations are not jobs.
func (s *Server) WaitIdle(ctx context.Context) error {
	for {
		s.queue.mu.Lock()
		idle := s.queue.idle
		s.queue.mu.Unlock()
		if idle == nil {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// BlockQueue queues somebody else's long task, which runs until release is
// called or the job is stopped.
func (s *Server) BlockQueue(description string) (release func()) {
	open := make(chan struct{})
	s.queue.add(description, func(ctx context.Context, _ *jobEntry) error {
		select {
		case <-open:
		case <-ctx.Done():
		}
		return nil
	})
	return sync.OnceFunc(func() { close(open) })
}

// BlockQueueFor queues somebody else's task that takes d.
func (s *Server) BlockQueueFor(description string, d time.Duration) {
	s.queue.add(description, func(ctx context.Context, _ *jobEntry) error {
		sleep(ctx, d)
		return nil
	})
}

// Restart is a restart of Stash: the queue and its ended jobs are forgotten,
// job ids start anew, the log page is empty. Sessions survive (their key is in
// config.yml), and so does the listener. Running plugin tasks are not killed:
// each goes on as an orphan, the reading ends of its pipes closed, as the
// kernel closes them with the process that held them. Stash's own jobs end.
func (s *Server) Restart() {
	q := &s.queue
	q.mu.Lock()
	for _, j := range q.waiting {
		j.Lost = true
		if j.cancel != nil {
			j.cancel()
		}
	}
	q.epoch++
	q.waiting, q.dead, q.last = nil, nil, 0
	if q.idle != nil {
		close(q.idle)
		q.idle = nil
	}
	q.mu.Unlock()
	s.logs.mu.Lock()
	s.logs.since = len(s.logs.lines)
	s.logs.mu.Unlock()
}

func jobRec(j *Job) rec {
	when := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t
	}
	r := rec{
		"id": strconv.Itoa(j.ID), "status": string(j.Status), "subTasks": nil, "description": j.Description,
		"progress": j.Progress, "startTime": when(j.StartTime), "endTime": when(j.EndTime), "addTime": j.AddTime, "error": nil,
	}
	if j.Error != "" {
		r["error"] = j.Error
	}
	return r
}
