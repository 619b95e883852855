package main

import (
	"bytes"
	"context"
	"crypto/rand"
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
		db.Close()
		if db, err = store.Replace(ctx, p.dir, now); err == nil {
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
	id, err := p.ask(ctx, asking)
	if err != nil {
		p.log.Debug(fmt.Sprintf("%s is queued, but Stash could not be asked to run the drain; the next event asks again: %v", subject, err))
		return db.AskFailed(ctx, asking.Token)
	}
	return db.Asked(ctx, time.Now(), asking.Token, id)
}

// ask makes sure that Stash will run the drain and returns its id of the job.
func (p *process) ask(ctx context.Context, a store.Asking) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	client, err := p.stash(askTimeout)
	if err != nil {
		return "", err
	}
	if a.Ask == store.AskCheck {
		state, err := client.JobState(ctx, a.Job)
		if err != nil {
			return "", err
		}
		if state == stash.JobReady || state == stash.JobRunning {
			return a.Job, nil
		}
	}
	return client.RunTask(ctx, "PlexSync: process queue", map[string]any{"mode": "process", "by": "hook"})
}

// stash connects to the Stash that started us.
func (p *process) stash(timeout time.Duration) (*stash.Client, error) {
	return stash.New(stash.Options{
		URL:         p.in.Conn.URL(),
		CookieName:  p.in.Conn.Cookie.Name,
		CookieValue: p.in.Conn.Cookie.Value,
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
