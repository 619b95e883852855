package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/plexsync/plexsync/internal/bridge"
	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/host"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/waker"
	"github.com/plexsync/plexsync/internal/worker"
)

// wake starts the waker unless one lives. Nothing depends on it but how soon jobs
// are worked that wait: what goes wrong is only told.
func (p *process) wake() {
	if store.Held(p.dir, store.WakerLock) {
		return
	}
	program, err := os.Executable()
	exe := program
	if err == nil {
		exe, err = waker.Program(program, p.dir)
	}
	if err == nil {
		var doc []byte
		// The form in which Stash writes it, so that one reader does for both.
		doc, err = json.Marshal(map[string]any{
			"server_connection": map[string]any{
				"Scheme": p.in.Conn.Scheme, "Host": p.in.Conn.Host, "Port": p.in.Conn.Port,
				"SessionCookie": map[string]any{"Name": p.in.Conn.Cookie.Name, "Value": p.in.Conn.Cookie.Value},
				"Dir":           p.in.Conn.Dir, "PluginDir": p.in.Conn.PluginDir,
			},
			"args": map[string]any{"parent": os.Getppid(), "api_key": p.apiKey, "program": program},
		})
		if err == nil {
			err = waker.Start(exe, "plexsync", []string{"waker"}, doc)
		}
	}
	if err != nil {
		p.log.Debug(fmt.Sprintf("No waker could be started; jobs that wait are worked at the next event or task: %v", err))
	}
}

// metaWaker tells when and why the last waker ended.
const metaWaker = "waker_ended"

// runWaker is the process that wake starts.
func runWaker(stdin io.Reader) int {
	doc, err := io.ReadAll(io.LimitReader(stdin, maxWakerInput))
	if err != nil {
		return 1
	}
	in, err := host.Read(bytes.NewReader(doc))
	if err != nil {
		return 1
	}
	key, _ := in.Args["api_key"].(string)
	parent, _ := strconv.Atoi(fmt.Sprint(in.Args["parent"]))
	program, _ := in.Args["program"].(string)
	began, _ := os.Stat(program)
	level := new(slog.LevelVar)
	handler := host.NewHandler(io.Discard, level)
	p := &process{in: in, handler: handler, level: level, log: slog.New(handler), dir: dataDir(in.Conn.Dir), apiKey: key}
	ctx := context.Background()
	// The program that started this one may be replaced in the meantime. A waker must
	// not go on with what an update was to mend, nor with an older schema.
	replaced := func() bool {
		now, err := os.Stat(program)
		return began != nil && (err != nil || now.Size() != began.Size() || !now.ModTime().Equal(began.ModTime()))
	}
	for {
		// Whoever asks whether a waker lives has the lock for an instant.
		lock, err := store.WaitLock(ctx, p.dir, store.WakerLock, wakerPatience)
		if lock == nil || err != nil {
			return 0 // another one watches
		}
		lock.Note(strconv.Itoa(os.Getpid()))
		w := &wakerWorld{process: p, parent: parent, replaced: replaced}
		why, err := (&waker.Waker{World: w}).Run(ctx)
		if err != nil {
			why = err.Error()
		}
		w.ended(ctx, why)
		lock.Note("")
		lock.Release()
		if why == waker.Replaced {
			return p.succeed(program, doc)
		}
		// A drain that left jobs behind a moment ago has seen us alive, and so has a hook
		// that the database did not let write.
		s, err := w.Look(ctx)
		if why != waker.NothingWaits || err == nil && (s.Gone || !s.Draining && s.Counts.Queued == 0 && s.Breaker.Closed() && !s.Missing) {
			return 0
		}
	}
}

// maxWakerInput bounds what a waker reads at its start.
const maxWakerInput = 1 << 20

// wakerPatience is how long a waker tries to become the one.
const wakerPatience = 500 * time.Millisecond

// updateTime is how long the files of an update may take to be written.
const updateTime = 5 * time.Second

// succeed starts the waker of the program that took our place. If there is none, the
// plugin was removed.
func (p *process) succeed(program string, doc []byte) int {
	time.Sleep(updateTime)
	exe, err := waker.Program(program, p.dir)
	if err == nil {
		err = waker.Start(exe, "plexsync", []string{"waker"}, doc)
	}
	if err != nil {
		return 1 // nobody reads of it; the next event starts one
	}
	return 0
}

// wakerWorld is what the waker watches and does. The database is opened for each
// look: a waker lives long, and must not keep a file in use that was set aside.
type wakerWorld struct {
	*process
	parent   int  // Stash's process id
	missed   bool // there was no database at the last look
	replaced func() bool
	client   *stash.Client
	config   config.Config
}

// wakerDatabaseTime is how long a waker waits for the database each time: less than any
// session lasts.
const wakerDatabaseTime = 5 * time.Second

// use opens the database for fn. What fn finds damaged is mended, and fn tried again.
func (w *wakerWorld) use(ctx context.Context, fn func(*store.Store) error) error {
	db, err := store.Open(ctx, w.dir, time.Now(), store.Patience(wakerDatabaseTime))
	if err != nil {
		return err
	}
	if err = fn(db); store.Damaged(err) {
		if db, err = db.Replace(ctx, time.Now()); err != nil {
			return err
		}
		err = fn(db)
	}
	db.Close()
	return err
}

func (w *wakerWorld) ended(ctx context.Context, why string) {
	if w.missing() {
		return
	}
	w.use(ctx, func(db *store.Store) error {
		return db.SetMeta(ctx, metaWaker, time.Now().UTC().Format(time.RFC3339)+" "+why)
	})
}

// gone reports whether the data folder is gone, as after an uninstall.
func (w *wakerWorld) gone() bool {
	_, err := os.Stat(w.dir)
	return errors.Is(err, fs.ErrNotExist)
}

// missing reports whether the folder is there without a database.
func (w *wakerWorld) missing() bool {
	_, err := os.Lstat(filepath.Join(w.dir, store.FileName))
	return errors.Is(err, fs.ErrNotExist)
}

func (w *wakerWorld) Look(ctx context.Context) (s waker.State, err error) {
	switch {
	case w.replaced():
		return waker.State{Replaced: true}, nil
	case w.gone():
		return waker.State{Gone: true}, nil
	case w.missing() && !w.missed:
		// The folder may be about to be deleted, and must not be made anew. If only the
		// database was, a new one is begun at the next look.
		w.missed = true
		return waker.State{}, fmt.Errorf("there is no %s in %s", store.FileName, w.dir)
	}
	w.missed = false
	err = w.use(ctx, func(db *store.Store) (err error) {
		if _, err = db.TakeSpool(ctx, time.Now()); err != nil {
			return err
		}
		if s.Counts, err = db.Counts(ctx, time.Now()); err != nil {
			return err
		}
		s.Draining = store.Held(w.dir, store.DrainLock)
		if s.Breaker, err = db.Breaker(ctx, job.Plex); err != nil {
			return err
		}
		if err = awaits(ctx, db, &s); err != nil {
			return err
		}
		s.Compare, err = nextCompare(ctx, db, w.config.CompareEvery)
		return err
	})
	return s, err
}

// nextCompare is when the whole library is to be compared; zero if never.
func nextCompare(ctx context.Context, db *store.Store, every time.Duration) (time.Time, error) {
	ended, wanted, err := worker.LastCompare(ctx, db)
	switch {
	case err != nil:
		return time.Time{}, err
	case !wanted.Asked.IsZero():
		return wanted.Asked, nil
	case every <= 0 || ended.Ended.IsZero():
		return time.Time{}, nil
	}
	return ended.Ended.Add(every), nil
}

// awaits sets whether scenes wait to turn up in Plex, and when it was last asked.
func awaits(ctx context.Context, db *store.Store, s *waker.State) (err error) {
	if s.Missing, err = db.AnyMissing(ctx); err != nil || !s.Missing {
		return err
	}
	current, err := db.Current(ctx)
	if err != nil {
		return err
	}
	sections, err := current.Sections(ctx)
	for _, x := range sections {
		if s.Looked.IsZero() || x.Since.Before(s.Looked) {
			s.Looked = x.Since
		}
	}
	return err
}

func (w *wakerWorld) Settings(ctx context.Context) (waker.Settings, error) {
	var s waker.Settings
	if w.client == nil {
		client, err := w.stash(0)
		if err != nil {
			return s, err
		}
		// A key does not end with the session.
		if key, err := client.APIKey(ctx); err == nil && key != "" {
			w.apiKey = key
			if client, err = w.stash(0); err != nil {
				return s, err
			}
		}
		w.client = client
	}
	state, err := w.client.State(ctx)
	w.noteStash(ctx, err)
	if err != nil {
		return s, err
	}
	text, err := json.Marshal(state.Settings)
	if err != nil {
		return s, err
	}
	w.config, _ = parseSettings(state.Settings)
	sum := sha256.Sum256(text)
	return waker.Settings{Enabled: state.Enabled, Ready: w.config.Ready() && !w.config.Paused, Print: string(sum[:]),
		Lifetime: w.client.SessionLifetime()}, nil
}

func (w *wakerWorld) Task(ctx context.Context) (string, error) {
	tasks, err := w.client.Tasks(ctx)
	for _, t := range tasks {
		if t.Running {
			return t.ID, nil
		}
	}
	return "", err
}

func (w *wakerWorld) Stopped(ctx context.Context, task string) (bool, error) {
	return w.client.TaskStopped(ctx, task)
}

func (w *wakerWorld) Unseen(ctx context.Context) (changed, busy bool, err error) {
	if changed, err = w.changed(ctx); err != nil {
		return false, false, err
	}
	tasks, err := w.client.Tasks(ctx)
	return changed, slices.ContainsFunc(tasks, func(t stash.Task) bool { return !t.Ours }), err
}

// changed reports whether Stash has updated scenes since a drain last looked for such.
func (w *wakerWorld) changed(ctx context.Context) (bool, error) {
	var looked time.Time
	err := w.use(ctx, func(db *store.Store) (err error) {
		looked, err = worker.LastRecent(ctx, db)
		return err
	})
	if err != nil || looked.IsZero() {
		return false, err
	}
	newest, err := w.client.NewestUpdate(ctx)
	return newest.After(looked), err
}

// noteStash tells Stash's breaker how a request ended. It is for people, and a database
// that cannot be used is told of elsewhere.
func (w *wakerWorld) noteStash(ctx context.Context, err error) {
	if !w.missing() {
		w.use(ctx, func(db *store.Store) error { return noteStash(ctx, db, err) })
	}
}

func (w *wakerWorld) Probe(ctx context.Context) error {
	return w.use(ctx, func(db *store.Store) error {
		px, err := w.plex(ctx, db, w.config)
		if err != nil {
			return err
		}
		_, err = worker.Probe(ctx, db, bridge.Plex(px), time.Now, false)
		return err
	})
}

func (w *wakerWorld) Ask(ctx context.Context, anew bool) (asked waker.Asked, err error) {
	err = w.use(ctx, func(db *store.Store) error {
		a, err := db.Claim(ctx, time.Now(), rand.Text(), "", func() bool { return store.Held(w.dir, store.DrainLock) })
		if err != nil || a.Ask == store.AskNothing {
			return err
		}
		asked, _, err = ask(ctx, w.client, db, a, "waker", anew)
		return err
	})
	return asked, err
}

func (w *wakerWorld) Await(ctx context.Context) error {
	return w.use(ctx, func(db *store.Store) error {
		wk, err := w.worker(ctx, &session{db: db, stash: w.client, config: w.config})
		if err != nil {
			return err
		}
		if err := wk.Await(ctx); !errors.Is(err, worker.ErrRunning) {
			return err
		}
		return nil
	})
}

func (w *wakerWorld) RunBeside(ctx context.Context) error {
	return w.client.RunOperation(ctx, map[string]any{"mode": "process", "by": "waker"})
}

func (w *wakerWorld) Reaped() bool {
	return runtime.GOOS != "linux" || os.Getppid() != w.parent
}

// plex connects to Plex.
func (p *process) plex(ctx context.Context, db *store.Store, c config.Config) (*plex.Client, error) {
	// One identity for ever, or every run is a new device in Plex.
	device, err := db.MetaOnce(ctx, metaClient, newClientID())
	if err != nil {
		return nil, err
	}
	return plex.New(plex.Options{URL: c.PlexURL, Token: c.PlexToken.Reveal(), ClientID: device, Version: version, InsecureTLS: c.InsecureTLS})
}

// noteStash stores in Stash's breaker how a request to Stash ended.
func noteStash(ctx context.Context, db *store.Store, err error) error {
	b, berr := db.Breaker(ctx, job.Stash)
	if berr != nil || err == nil && b.Closed() && b.Failures == 0 {
		return berr
	}
	now := time.Now()
	_, berr = db.UpdateBreaker(ctx, now, job.Stash, func(b job.Breaker) job.Breaker {
		if err == nil {
			return b.Success()
		}
		return b.Failure(now, job.ClassOf(err), err.Error())
	})
	return berr
}
