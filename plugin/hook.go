package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/host"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/waker"
)

const (
	// askTimeout bounds a hook's requests to Stash: a person waits for them.
	askTimeout = 2 * time.Second
	// databaseTime is how long a hook waits for the database. Then its event goes to the
	// spool; or after hasteTime, if another one's is there already: a bulk edit calls one
	// hook after the other, and each of them would wait in vain.
	databaseTime = 3 * time.Second
	hasteTime    = 300 * time.Millisecond
	// hookTime is the longest that a hook lives, whatever hangs.
	hookTime = 4500 * time.Millisecond
)

// hook queues the event's subject and, if nobody else has, asks Stash to run the
// drain. Stash and the person in front of it wait for this, once per scene: one
// transaction, no settings, no request to Plex. An event that the database does not take
// in time goes to the spool. An error means that the event is in neither; a drain that
// could not be asked for is only logged, because the job is safe.
func (p *process) hook(ctx context.Context, h *host.Hook) error {
	subject, err := subjectOf(h)
	if err != nil {
		return err
	}
	safe := make(chan struct{})
	ended := beside(func() error { return p.event(ctx, subject, func() { close(safe) }) })
	select {
	case r := <-ended:
		return r.get()
	case <-time.After(hookTime):
	}
	select {
	case <-safe:
		return nil // only the asking was slow; the next event asks again
	default:
		return notQueued(subject, fmt.Errorf("the disk with %s has not answered for %s", p.dir, hookTime))
	}
}

// event is the work of a hook. It calls safe once the event is stored.
func (p *process) event(ctx context.Context, subject job.Subject, safe func()) error {
	q, err := p.queue(ctx, subject)
	if err != nil {
		if err := p.spool(subject, err); err != nil {
			return err
		}
		safe()
		p.wake() // it waits until the database works again
		return nil
	}
	safe()
	if q.asking.Ask == store.AskNothing {
		return nil
	}
	client, err := p.stash(askTimeout)
	if err == nil {
		var asked waker.Asked
		var tasks []stash.Task
		if asked, tasks, err = ask(ctx, client, q.db, q.asking, "hook", true); err == nil {
			p.standsBehind(ctx, client, asked, tasks)
			return nil
		}
	}
	p.log.Debug(fmt.Sprintf("%s is queued, but Stash could not be asked to process the queue; the next edit asks again: %v", subject, err))
	p.wake()
	return nil
}

// queued is an event that is in the queue.
type queued struct {
	// db is not to be closed: the last connection to close pays for a checkpoint, and a
	// person is waiting. Ending the process is enough.
	db     *store.Store
	asking store.Asking
}

// queue queues the subject, in databaseTime at most. If it takes longer it may still be
// queued in the end, which does no harm to an event that is in the spool too.
func (p *process) queue(ctx context.Context, subject job.Subject) (queued, error) {
	now := time.Now()
	type outcome struct {
		queued
		err error
	}
	work := beside(func() (o outcome) {
		if o.db, o.err = store.Open(ctx, p.dir, now, store.Patience(databaseTime), store.Hasty()); o.err == nil {
			o.asking, o.err = o.db.Event(ctx, now, subject, rand.Text(), stashProcess(),
				func() bool { return store.Held(p.dir, store.DrainLock) })
		}
		return o
	})
	haste, late := time.NewTimer(hasteTime), time.NewTimer(databaseTime+hasteTime)
	for {
		select {
		case r := <-work:
			o := r.get()
			return o.queued, o.err
		case <-haste.C:
			if n, err := store.Spooled(p.dir, 1); err == nil && n > 0 {
				return queued{}, fmt.Errorf("the database in %s is busy", p.dir)
			}
		case <-late.C:
			return queued{}, fmt.Errorf("the database in %s has not answered for %s", p.dir, databaseTime)
		}
	}
}

// spool keeps an event that could not be queued for the reason why. That is told at
// error level by the first one.
func (p *process) spool(subject job.Subject, why error) error {
	first, err := store.Spool(p.dir, subject)
	if err != nil {
		return notQueued(subject, fmt.Errorf("%w. It could not be saved as a file either: %w", why, err))
	}
	level := slog.LevelDebug
	if first {
		level = slog.LevelError
	}
	p.log.Log(context.Background(), level, fmt.Sprintf("The database cannot be used: %v. Edits are saved in %s and sync once it works again (first: %s)",
		why, filepath.Join(p.dir, store.SpoolDir), subject))
	return nil
}

// notQueued is the error of an event that is lost. It tells what that means.
func notQueued(subject job.Subject, why error) error {
	return fmt.Errorf("%s was not queued: %w. The next comparison, or its next edit, will bring the change to Plex", subject, why)
}

// result is what a function that ran in a goroutine of its own came to.
type result[T any] struct {
	value T
	panic any
}

// get returns the value. A panic goes on in the caller's goroutine, where it is told.
func (r result[T]) get() T {
	if r.panic != nil {
		panic(r.panic)
	}
	return r.value
}

// beside runs fn in a goroutine, so that its caller can go on if it hangs.
func beside[T any](fn func() T) <-chan result[T] {
	out := make(chan result[T], 1)
	go func() {
		var r result[T]
		defer func() {
			if p := recover(); p != nil {
				r.panic = fmt.Sprintf("%v: %s", p, debug.Stack())
			}
			out <- r
		}()
		r.value = fn()
	}()
	return out
}

// ask uses the right to ask Stash for a drain, on behalf of by, and stores the
// answer. If it fails the right is given back; and so it is if Stash does not have
// the drain any more and anew is not set, which then is not asked for. tasks is Stash's
// list, if it was read and has the drain.
func ask(ctx context.Context, client *stash.Client, db *store.Store, a store.Asking, by string, anew bool) (asked waker.Asked, tasks []stash.Task, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	asked, tasks, err = askStash(ctx, client, a, by, anew)
	if err != nil || asked.Task == "" {
		return asked, nil, errors.Join(err, db.AskFailed(context.WithoutCancel(ctx), a.Token))
	}
	return asked, tasks, db.Asked(ctx, time.Now(), a.Token, asked.Task)
}

func askStash(ctx context.Context, client *stash.Client, a store.Asking, by string, anew bool) (waker.Asked, []stash.Task, error) {
	if a.Ask == store.AskCheck {
		tasks, err := client.Tasks(ctx)
		if err != nil {
			return waker.Asked{}, nil, err
		}
		for _, t := range tasks {
			if t.Ours && t.ID == a.Job {
				return waker.Asked{Task: t.ID, Running: t.Running}, tasks, nil
			}
		}
	}
	if !anew {
		return waker.Asked{}, nil, nil
	}
	id, err := client.RunTask(ctx, "process queue", map[string]any{"mode": "process", "by": by})
	return waker.Asked{Task: id, New: true}, nil, err
}

// standsBehind starts the waker if what was asked for stands behind somebody else's
// task, which may take hours. tasks is Stash's list; nil to ask for it.
func (p *process) standsBehind(ctx context.Context, client *stash.Client, asked waker.Asked, tasks []stash.Task) {
	if asked.Running {
		return
	}
	if tasks == nil {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		var err error
		if tasks, err = client.Tasks(ctx); err != nil {
			return // it can be asked for, and that is what counts
		}
	}
	for _, t := range tasks {
		if t.ID == asked.Task {
			return
		}
		if !t.Ours {
			p.wake()
			return
		}
	}
}

// stash connects to the Stash that started us.
func (p *process) stash(timeout time.Duration) (*stash.Client, error) {
	return stash.New(stash.Options{
		URL:         p.in.Conn.URL(),
		CookieName:  p.in.Conn.Cookie.Name,
		CookieValue: p.in.Conn.Cookie.Value,
		APIKey:      p.apiKey,
		Timeout:     timeout,
	})
}

// subjectOf reads what an event is about from its hook: its type says the kind,
// and hookContext.id the object, also where the input does not (a destroyed
// scene's input can have an empty id; a merged tag's is the destination).
func subjectOf(h *host.Hook) (job.Subject, error) {
	name, _, _ := strings.Cut(h.Type, ".")
	s := job.Subject{Kind: job.Kind(strings.ToLower(name)), ID: h.ID}
	if s.Kind == job.KindLibrary || !s.Kind.Valid() {
		return s, fmt.Errorf("unexpected hook %q: plexsync.yml should not subscribe to it", h.Type)
	}
	if err := s.Validate(); err != nil {
		return s, fmt.Errorf("hook %s: %w", h.Type, err)
	}
	return s, nil
}

// stashProcess tells one run of Stash from another: our parent's process id and
// the time it started. "" where that cannot be told.
func stashProcess() string {
	if runtime.GOOS != "linux" {
		return ""
	}
	pid := os.Getppid()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The second field is the command in brackets and may hold anything; the start
	// time is the 20th after it.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return ""
	}
	return strconv.Itoa(pid) + "." + string(fields[19])
}
