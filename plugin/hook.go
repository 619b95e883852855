package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/host"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/waker"
)

// askTimeout bounds a hook's requests to Stash: a person waits for them.
const askTimeout = 2 * time.Second

// hook queues the event's subject and, if nobody else has, asks Stash to run the
// drain. Stash and the person in front of it wait for this, once per scene: one
// transaction, no settings, no request to Plex. An error means that the event
// could not be queued; a drain that could not be asked for is only logged,
// because the job is safe.
func (p *process) hook(ctx context.Context, h *host.Hook) error {
	subject, err := subjectOf(h)
	if err != nil {
		return err
	}
	now := time.Now()
	db, err := store.Open(ctx, p.dir, now)
	if err != nil {
		return fmt.Errorf("%s was not queued: %w", subject, err)
	}
	// Not closed: the last connection to close pays for a checkpoint, and a person
	// is waiting. Ending the process is enough.
	p.tellSetAside(db)
	event := func(db *store.Store) (store.Asking, error) {
		return db.Event(ctx, now, subject, rand.Text(), stashProcess(), func() bool { return store.Held(p.dir, store.DrainLock) })
	}
	asking, err := event(db)
	if store.Damaged(err) {
		if db, err = db.Replace(ctx, now); err == nil {
			p.tellSetAside(db)
			asking, err = event(db)
		}
	}
	if err != nil {
		return fmt.Errorf("%s was not queued: %w", subject, err)
	}
	if asking.Ask == store.AskNothing {
		return nil
	}
	client, err := p.stash(askTimeout)
	if err == nil {
		var asked waker.Asked
		var tasks []stash.Task
		if asked, tasks, err = ask(ctx, client, db, asking, "hook", true); err == nil {
			p.standsBehind(ctx, client, asked, tasks)
			return nil
		}
	}
	p.log.Debug(fmt.Sprintf("%s is queued, but Stash could not be asked to run the drain; the next event asks again: %v", subject, err))
	p.wake()
	return nil
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

func (p *process) tellSetAside(db *store.Store) {
	if db.SetAside != "" {
		p.log.Error(fmt.Sprintf("The database was damaged. It is kept as %s, a new one is begun, and every scene is looked at again", db.SetAside))
	}
}

// subjectOf reads what an event is about from its hook: its type says the kind,
// and hookContext.id the object, also where the input does not (a destroyed
// scene's input can have an empty id; a merged tag's is the destination).
func subjectOf(h *host.Hook) (job.Subject, error) {
	name, _, _ := strings.Cut(h.Type, ".")
	s := job.Subject{Kind: job.Kind(strings.ToLower(name)), ID: h.ID}
	if s.Kind == job.KindLibrary || !s.Kind.Valid() {
		return s, fmt.Errorf("PlexSync has no use for the hook %q; plexsync.yml should not ask for it", h.Type)
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
