package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/host"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
)

// modes is what Stash's tasks and operations can name. The two are the same to
// us: what a mode returns is the operation's output, and what it logs is for
// whoever started the task. (A function, because a hook should not pay for it.)
func modes() map[string]func(*process, context.Context, *session) (any, error) {
	return map[string]func(*process, context.Context, *session) (any, error){
		"process":        (*process).drain,
		"sync_all":       (*process).syncAll,
		"sync_recent":    (*process).syncRecent,
		"sync_scene":     (*process).syncScene,
		"status":         (*process).status,
		"settings_check": (*process).settingsCheck,
		"queue_list":     (*process).queueList,
		"queue_clear":    (*process).queueClear,
		"dlq_list":       (*process).dlqList,
		"dlq_retry":      (*process).dlqRetry,
		"dlq_drop":       (*process).dlqDrop,
		"dlq_purge":      (*process).dlqPurge,
		"dlq_clear":      (*process).dlqClear,
		"outages":        (*process).outages,
		"forget_matches": (*process).forgetMatches,
		"health":         (*process).health,
		"explain":        (*process).explain,
		"compare":        (*process).compare,
		"preview":        (*process).preview,
		"unlock":         (*process).unlock,
		"settings_test":  (*process).settingsTest,
		"history":        (*process).history,
		"overview":       (*process).overview,
		"preview_list":   (*process).previewPage,
	}
}

// pageModes are modes that answer a call of the versioned interface otherwise than a
// task: in pages, and without draining.
func pageModes() map[string]func(*process, context.Context, *session) (any, error) {
	return map[string]func(*process, context.Context, *session) (any, error){
		"queue_list": (*process).queuePage,
		"dlq_list":   (*process).lettersPage,
	}
}

// session is what every mode needs: the database, Stash, and the settings.
type session struct {
	db       *store.Store
	stash    *stash.Client
	raw      map[string]any // the settings as Stash has them
	config   config.Config
	problems []config.Problem
	version  string   // of Stash
	unknown  []string // settings that nobody reads
}

// mode runs the mode that the arguments name.
func (p *process) mode(ctx context.Context) (any, error) {
	name, _ := p.in.Args["mode"].(string)
	all := modes()
	run, ok := all[name]
	var err error
	if p.v, err = p.asked(); err != nil {
		return nil, err
	}
	if p.v > 0 {
		if page, ok := pageModes()[name]; ok {
			run = page
		}
	}
	if !ok {
		return nil, fmt.Errorf("argument mode %q: must be one of %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	s, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if s.db != nil {
			s.db.Close()
		}
	}()
	if p.v > 0 {
		p.level.Set(silent)
	}
	out, err := run(p, ctx, s)
	if store.Damaged(err) {
		// Everything in it can be learnt again: with the new one the work goes on.
		if s.db, err = s.db.Replace(ctx, time.Now()); err != nil {
			return nil, err
		}
		p.tellSetAside(s.db)
		out, err = run(p, ctx, s)
	}
	p.wakeIfNeeded(ctx, s.db, s.config.CompareEvery)
	if p.v > 0 && err == nil {
		out = map[string]any{"v": p.v, "data": out}
	}
	return out, err
}

// wakeIfNeeded starts the waker if something waits for a later time.
func (p *process) wakeIfNeeded(ctx context.Context, db *store.Store, compareEvery time.Duration) {
	if store.Held(p.dir, store.WakerLock) {
		return // it sees for itself
	}
	c, err := db.Counts(ctx, time.Now())
	if err != nil {
		return // told by whoever did the work
	}
	b, err := db.Breaker(ctx, job.Plex)
	if err != nil {
		return
	}
	awaits, err := db.Awaits(ctx)
	if err != nil {
		return
	}
	compare, err := nextCompare(ctx, db, compareEvery)
	due := !compare.IsZero() && !compare.After(time.Now())
	if err == nil && (c.Queued > 0 || b.State == job.BreakerOpen || awaits || due) {
		p.wake()
	}
}

// open opens the database and asks Stash for the settings.
func (p *process) open(ctx context.Context) (*session, error) {
	db, err := store.Open(ctx, p.dir, time.Now())
	if err != nil {
		return nil, err
	}
	p.tellSetAside(db)
	s := &session{db: db}
	if s.stash, err = p.stash(0); err != nil {
		db.Close()
		return nil, err
	}
	state, err := s.stash.State(ctx)
	if nerr := noteStash(ctx, db, err); err == nil {
		err = nerr
	}
	if err != nil {
		p.wakeIfNeeded(ctx, db, 0)
		db.Close()
		return nil, err
	}
	if err := stash.CheckVersion(state.Version); err != nil {
		p.log.Warn(err.Error())
	}
	s.raw = state.Settings
	s.config, s.problems = parseSettings(state.Settings)
	s.version, s.unknown = state.Version, config.Unknown(state.Settings)
	p.handler.AddSecret(s.config.PlexToken.Reveal())
	if s.config.Verbose {
		p.level.Set(host.LevelDebug)
	}
	return s, nil
}

func parseSettings(settings map[string]any) (config.Config, []config.Problem) {
	return config.Parse(settings, config.Check{Setting: "pathRules", Test: func(v string) error {
		_, err := match.ParseRules(v)
		return err
	}})
}

// drain works the queue. A queue that is paused or not set up yet is left as it is.
func (p *process) drain(ctx context.Context, s *session) (any, error) {
	if err := p.beginDrain(ctx, s); err != nil {
		return nil, err
	}
	for _, problem := range s.problems {
		if !problem.Fatal {
			p.log.Warn(problem.String())
		}
	}
	if err := s.fatal(); err != nil {
		return nil, err
	}
	if s.config.Paused {
		c, err := s.db.Counts(ctx, time.Now())
		if err != nil {
			return nil, err
		}
		p.log.Info(fmt.Sprintf("Paused in the settings. Jobs that wait: %d", c.Queued))
		return map[string]any{"paused": true, "queued": c.Queued}, nil
	}
	w, err := p.worker(ctx, s)
	if err != nil {
		return nil, err
	}
	run, err := w.Drain(ctx)
	if errors.Is(err, worker.ErrRunning) {
		p.log.Info("Nothing to start: " + err.Error())
		return map[string]any{"running": true}, nil
	}
	if err == nil {
		p.stayFor(ctx, s)
	}
	return run, err
}

// stayFor starts the waker if Stash has tasks of others before it: auto-tag, say, or
// the covers of what was just scanned, of which no event tells.
func (p *process) stayFor(ctx context.Context, s *session) {
	tasks, err := s.stash.Tasks(ctx)
	if err != nil {
		return // the next drain looks for what changed
	}
	// The one that is running may be this drain.
	if slices.ContainsFunc(tasks, func(t stash.Task) bool { return !t.Ours && !t.Running }) {
		p.wake()
	}
}

// fatal is what keeps the settings from being used, all of it at once; nil if
// nothing does.
func (s *session) fatal() error {
	var all []string
	for _, problem := range s.problems {
		if problem.Fatal {
			all = append(all, problem.String())
		}
	}
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("PlexSync cannot work yet, set it up in Settings > Plugins > PlexSync; what is edited meanwhile is queued. %s", strings.Join(all, "; "))
}

// syncAll queues every scene and looks at every cover again.
func (p *process) syncAll(ctx context.Context, s *session) (any, error) {
	if err := s.db.LookAtCovers(ctx); err != nil {
		return nil, err
	}
	if err := s.db.Enqueue(ctx, time.Now(), job.PriorityBulk, job.Library()); err != nil {
		return nil, err
	}
	return p.drain(ctx, s)
}

// recent is what "Sync recent scenes" calls recent.
const recent = 24 * time.Hour

func (p *process) syncRecent(ctx context.Context, s *session) (any, error) {
	now := time.Now()
	n := 0
	err := s.stash.UpdatedSince(ctx, now.Add(-recent), func(ids []int64, _ []time.Time) error {
		subjects := make([]job.Subject, len(ids))
		for i, id := range ids {
			subjects[i] = job.Scene(id)
		}
		n += len(ids)
		return s.db.Enqueue(ctx, now, job.PriorityBulk, subjects...)
	})
	if err != nil {
		return nil, err
	}
	p.log.Info(fmt.Sprintf("Scenes queued that changed in the last 24 hours: %d", n))
	return p.drain(ctx, s)
}

// compare compares the whole library, every item in full, and works what differs.
func (p *process) compare(ctx context.Context, s *session) (any, error) {
	if err := worker.AskCompare(ctx, s.db, time.Now(), true); err != nil {
		return nil, err
	}
	run, err := p.drain(ctx, s)
	if err != nil {
		return nil, err
	}
	ended, wanted, err := worker.LastCompare(ctx, s.db)
	out := map[string]any{"run": run, "compared": ended}
	if !wanted.Asked.IsZero() {
		out["under_way"] = wanted
	}
	return out, err
}

// previewLines is how many items a preview tells in the log.
const previewLines = 200

// preview tells what "Sync all scenes" would write, and writes nothing.
func (p *process) preview(ctx context.Context, s *session) (any, error) {
	if err := s.fatal(); err != nil {
		return nil, err
	}
	w, err := p.worker(ctx, s)
	if err != nil {
		return nil, err
	}
	hide, err := s.hide(ctx)
	if err != nil {
		return nil, err
	}
	p.log.Info("Preview: nothing is written")
	lines := 0
	r, err := w.Preview(ctx, func(i worker.PreviewedItem) {
		if lines++; lines > previewLines {
			return
		}
		p.log.Info(fmt.Sprintf("scene %d %q -> item %s", i.Scene, hide(i.Title), i.Key))
		for _, c := range i.Changes {
			p.log.Info(fmt.Sprintf("    %s: %q would become %q", c.Field, hide(short(c.Plex)), hide(short(*c.Write))))
		}
		if i.Poster {
			p.log.Info("    poster: the scene's cover, if it has one")
		}
	})
	if err != nil {
		return nil, err
	}
	if more := r.Items - previewLines; more > 0 {
		p.log.Info(fmt.Sprintf("and %d items more", more))
	}
	for _, field := range slices.Sorted(maps.Keys(r.Fields)) {
		p.log.Info(fmt.Sprintf("%s: %d items", field, r.Fields[field]))
	}
	p.log.Info(fmt.Sprintf("Preview of %d scenes: %d items would be written, %d would not, %d scenes are left alone, %d are not found in Plex. Nothing was written",
		r.Scenes, r.Items, r.Same, r.Skipped, r.NotFound))
	return r, nil
}

// unlock takes PlexSync's locks off, for who leaves it.
func (p *process) unlock(ctx context.Context, s *session) (any, error) {
	if err := s.fatal(); err != nil {
		return nil, err
	}
	w, err := p.worker(ctx, s)
	if err != nil {
		return nil, err
	}
	if !s.config.LeaveUnlocked {
		p.log.Warn("leaveUnlocked is off: what PlexSync writes from now on is locked again")
	}
	n, err := w.Unlock(ctx)
	return p.told(n, "Items whose fields are no longer locked: %d", err)
}

func (p *process) syncScene(ctx context.Context, s *session) (any, error) {
	id, err := p.idArgument("scene_id")
	if err != nil {
		return nil, err
	}
	if err := s.db.LookAgain(ctx, id); err != nil {
		return nil, err
	}
	if err := s.db.Enqueue(ctx, time.Now(), job.PriorityEvent, job.Scene(id)); err != nil {
		return nil, err
	}
	if p.v > 0 {
		return map[string]any{"count": 1}, p.askDrain(ctx, s)
	}
	return p.drain(ctx, s)
}

// idArgument reads a positive whole number from the arguments; Stash gives
// numbers as JSON numbers or, from the task page, as strings.
func (p *process) idArgument(name string) (int64, error) {
	return positive(name, p.in.Args[name])
}

func positive(name string, v any) (int64, error) {
	id, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if err != nil || id <= 0 {
		return 0, fmt.Errorf("argument %s: must be a positive whole number, for example 12", name)
	}
	return id, nil
}

// which reads from the arguments which dead letters are meant: ids, a class, those that
// need review, or all.
func (p *process) which() (job.Which, error) {
	var w job.Which
	switch ids := p.in.Args["ids"].(type) {
	case nil:
	case []any:
		for _, v := range ids {
			id, err := positive("ids", v)
			if err != nil {
				return w, err
			}
			w.IDs = append(w.IDs, id)
		}
		if len(ids) == 0 {
			return w, errors.New("argument ids: is an empty list; leave it out to mean every dead letter")
		}
	default:
		return w, errors.New("argument ids: must be a list of numbers")
	}
	if class, ok := p.in.Args["class"].(string); ok {
		w.Class = job.Class(class)
	}
	w.Review, _ = p.in.Args["review"].(bool)
	return w, nil
}

// limits reads limit and offset for lists.
func (p *process) limits() (limit, offset int) {
	number := func(name string, fallback int) int {
		n, err := strconv.Atoi(fmt.Sprint(p.in.Args[name]))
		if err != nil || n < 0 {
			return fallback
		}
		return n
	}
	return min(number("limit", 100), 1000), number("offset", 0)
}

func (p *process) settingsCheck(_ context.Context, s *session) (any, error) {
	return map[string]any{"ready": s.config.Ready(), "problems": told(s.problems)}, nil
}

func (p *process) queueList(ctx context.Context, s *session) (any, error) {
	limit, offset := p.limits()
	jobs, err := s.db.Jobs(ctx, limit, offset)
	if err != nil {
		return nil, err
	}
	return jobRows(jobs), nil
}

func jobRows(jobs []job.Job) []map[string]any {
	out := []map[string]any{}
	for _, j := range jobs {
		out = append(out, map[string]any{
			"kind": j.Subject.Kind, "id": j.Subject.ID, "attempt": j.Attempt, "missing": j.Missing, "due": j.DueAt,
			"leased": j.Token != "", "first_event": j.FirstEvent, "last_event": j.LastEvent,
			"last_class": j.LastClass, "last_error": j.LastError,
		})
	}
	return out
}

func (p *process) queueClear(ctx context.Context, s *session) (any, error) {
	n, err := s.db.Clear(ctx)
	return p.told(n, "Jobs deleted from the queue: %d", err)
}

// told logs and returns how many things a mode changed.
func (p *process) told(n int, format string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	p.log.Info(fmt.Sprintf(format, n))
	return map[string]any{"count": n}, nil
}

func (p *process) dlqList(ctx context.Context, s *session) (any, error) {
	w, err := p.which()
	if err != nil {
		return nil, err
	}
	limit, offset := p.limits()
	letters, err := s.db.Letters(ctx, w, limit, offset)
	if err != nil {
		return nil, err
	}
	return letterRows(letters), nil
}

func letterRows(letters []job.Letter) []map[string]any {
	out := []map[string]any{}
	for _, l := range letters {
		out = append(out, map[string]any{
			"id": l.ID, "kind": l.Subject.Kind, "subject_id": l.Subject.ID, "class": l.Class, "error": l.Error,
			"attempts": l.Attempts, "title": l.Title, "path": l.Path, "first_event": l.FirstEvent,
			"last_event": l.LastEvent, "died": l.Died, "history": l.History,
		})
	}
	return out
}

// dlqRetry revives dead letters and works them.
func (p *process) dlqRetry(ctx context.Context, s *session) (any, error) {
	w, err := p.which()
	if err != nil {
		return nil, err
	}
	n, err := s.db.Revive(ctx, time.Now(), w)
	out, err := p.told(n, "Dead letters queued again: %d", err)
	if err != nil {
		return nil, err
	}
	if p.v > 0 {
		return out, p.askDrain(ctx, s)
	}
	return p.drain(ctx, s)
}

func (p *process) dlqDrop(ctx context.Context, s *session) (any, error) {
	w, err := p.which()
	if err != nil {
		return nil, err
	}
	if len(w.IDs) == 0 && w.Class == "" {
		return nil, errors.New("argument ids: name the dead letters to drop; the mode dlq_clear drops all")
	}
	n, err := s.db.Drop(ctx, w)
	return p.told(n, "Dead letters deleted: %d", err)
}

func (p *process) dlqPurge(ctx context.Context, s *session) (any, error) {
	n, err := s.db.Purge(ctx, time.Now(), s.config.DLQRetention)
	return p.told(n, "Old dead letters deleted: %d", err)
}

func (p *process) dlqClear(ctx context.Context, s *session) (any, error) {
	n, err := s.db.Drop(ctx, job.Which{})
	return p.told(n, "Dead letters deleted: %d", err)
}

func (p *process) forgetMatches(ctx context.Context, s *session) (any, error) {
	n, err := s.db.ForgetMatches(ctx)
	return p.told(n, "Matches forgotten, to be looked up anew at the next sync: %d", err)
}

// statusReport is what the mode status returns.
type statusReport struct {
	Version string `json:"version"`
	job.Counts
	// LastEvent is the time of the newest event of a live job.
	LastEvent time.Time    `json:"last_event,omitzero"`
	Draining  bool         `json:"draining"`
	Breaker   breakerState `json:"breaker"`
	Waker     wakerState   `json:"waker"`
	LastRun   *job.Run     `json:"last_run,omitempty"`
}

type breakerState struct {
	State     job.BreakerState `json:"state"`
	Since     time.Time        `json:"since,omitzero"`
	NextProbe time.Time        `json:"next_probe,omitzero"`
	Cause     job.Class        `json:"cause,omitempty"`
	Message   string           `json:"message,omitempty"`
}

func (p *process) status(ctx context.Context, s *session) (any, error) {
	now := time.Now()
	counts, err := s.db.Counts(ctx, now)
	if err != nil {
		return nil, err
	}
	b, err := s.db.Breaker(ctx, job.Plex)
	if err != nil {
		return nil, err
	}
	runs, err := s.db.Runs(ctx, 1)
	if err != nil {
		return nil, err
	}
	last, err := s.db.NewestEvent(ctx)
	if err != nil {
		return nil, err
	}
	r := statusReport{Version: version, Counts: counts, LastEvent: last, Draining: store.Held(p.dir, store.DrainLock),
		Waker:   p.tellWaker(ctx, s.db),
		Breaker: breakerState{State: b.State, Since: b.OpenedAt, NextProbe: b.NextProbe, Cause: b.Cause, Message: b.Message}}
	p.log.Info(fmt.Sprintf("Queue: %d jobs, %d due, %d being worked, %d waiting", counts.Queued, counts.Due, counts.Leased, counts.Waiting))
	if counts.Waiting > 0 && !counts.NextDue.IsZero() {
		p.log.Info(fmt.Sprintf("The next is due %s", counts.NextDue.Local().Format(time.DateTime)))
	}
	p.log.Info(fmt.Sprintf("Dead letters: %d need review, %d scenes are not in Plex", counts.Dead, counts.NotInPlex))
	if b.Closed() {
		p.log.Info("Plex: nothing wrong at the last look")
	} else {
		p.log.Warn(fmt.Sprintf("Plex: cannot be used since %s: %s", b.OpenedAt.Local().Format(time.DateTime), b.Message))
	}
	if len(runs) > 0 {
		r.LastRun = &runs[0]
		p.log.Info(fmt.Sprintf("Last run: %s, %d done, %d unchanged, %d retry, %d waiting, %d dead, %d gone",
			runs[0].Started.Local().Format(time.DateTime), runs[0].Done, runs[0].Unchanged, runs[0].Retry, runs[0].Waiting, runs[0].Dead, runs[0].Gone))
	}
	for _, problem := range s.problems {
		p.log.Warn(problem.String())
	}
	return r, nil
}
