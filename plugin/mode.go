package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/store"
)

// modes is all that PlexSync can be asked for, by the name that a call gives: by a task, an
// operation, the page in Stash, or a shell. It is the one place that says what is logged,
// whether the queue is processed afterwards, and what is answered. (A function, because
// a hook should not pay for it.)
func modes() map[string]answerer {
	return map[string]answerer{
		// sync.go
		"process":        mode[NoArguments, Drained]{answer: (*session).drain, taskOnly: true},
		"compare":        mode[NoArguments, Compared]{answer: (*session).compare, taskOnly: true},
		"unlock":         mode[NoArguments, Count]{answer: (*session).unlock, log: counted("Items unlocked: %d"), taskOnly: true},
		"sync_all":       mode[NoArguments, Count]{answer: (*session).syncAll, drains: true},
		"sync_recent":    mode[NoArguments, Count]{answer: (*session).syncRecent, log: counted("Scenes changed in the last 24 hours, now queued: %d"), drains: true},
		"sync_scene":     mode[SceneRequest, Count]{answer: (*session).syncScene, drains: true},
		"forget_matches": mode[NoArguments, Count]{answer: (*session).forgetMatches, log: counted("Matches forgotten: %d. Their scenes are matched again at the next sync")},
		// preview.go, explain.go
		"preview":      mode[NoArguments, Preview]{answer: (*session).preview, log: logPreview, taskOnly: true},
		"preview_list": mode[PreviewRequest, Preview]{answer: (*session).previewPart},
		"poster":       mode[ItemRequest, Poster]{answer: (*session).poster},
		"explain":      mode[ExplainRequest, Explanation]{answer: (*session).explain, log: logExplanation},
		// queue.go
		"queue_list":  mode[QueueRequest, QueueList]{answer: (*session).queueList, plain: func(l QueueList) any { return l.Rows }},
		"queue_clear": mode[NoArguments, Count]{answer: (*session).queueClear, log: counted("Jobs deleted from the queue: %d")},
		// letters.go
		"dlq_list":  mode[LetterListRequest, LetterList]{answer: (*session).letterList, plain: func(l LetterList) any { return l.Rows }},
		"dlq_retry": mode[LettersRequest, Count]{answer: (*session).retryLetters, log: counted("Dead letters queued again: %d"), drains: true},
		"dlq_drop":  mode[LettersRequest, Count]{answer: (*session).dropLetters, log: counted("Dead letters deleted: %d")},
		"dlq_purge": mode[NoArguments, Count]{answer: (*session).purgeLetters, log: counted("Old dead letters deleted: %d")},
		"dlq_clear": mode[NoArguments, Count]{answer: (*session).clearLetters, log: counted("Dead letters deleted: %d")},
		// status.go, outages.go, health.go
		"overview": mode[NoArguments, Overview]{answer: (*session).overview},
		"status":   mode[NoArguments, Status]{answer: (*session).status, log: logStatus},
		"history":  mode[NoArguments, History]{answer: (*session).history},
		"outages":  mode[NoArguments, OutageReport]{answer: (*session).outages, log: logOutages},
		"health":   mode[NoArguments, Health]{answer: (*session).health, log: logHealth},
		// settings.go
		"settings_check": mode[NoArguments, SettingsCheck]{answer: (*session).settingsCheck},
		"settings_test":  mode[SettingsRequest, SettingsTest]{answer: (*session).settingsTest},
		// signin.go
		"sign_in":        mode[NoArguments, SignIn]{answer: (*session).signIn},
		"sign_in_poll":   mode[SignInRequest, SignInProgress]{answer: (*session).signInPoll},
		"sign_in_choose": mode[SignInChoice, SignedIn]{answer: (*session).signInChoose, log: logSignedIn},
		"sign_out":       mode[NoArguments, SignedOut]{answer: (*session).signOut, log: logSignedOut},
	}
}

// mode answers requests of the type Q by answers of the type A.
type mode[Q, A any] struct {
	// answer does what is asked. It neither logs its answer nor processes the queue,
	// except where that is what is asked.
	answer func(*session, context.Context, Q) (A, error)
	// log shows an answer to whoever started a task; nil if there is nothing to show.
	log func(*session, A)
	// drains: what was queued is to be processed soon.
	drains bool
	// taskOnly: it takes minutes, so that nobody waits for its answer.
	taskOnly bool
	// plain is what is answered to a call without a version, if that is another thing:
	// what was answered before there were versions.
	plain func(A) any
}

// answerer is a mode, whatever its types.
type answerer interface {
	// prepare reads the arguments and returns what answers the call. Nothing is done
	// before they are known to be good.
	prepare(c CallRequest, args map[string]any) (func(context.Context, *session) (any, error), error)
}

func (m mode[Q, A]) prepare(c CallRequest, args map[string]any) (func(context.Context, *session) (any, error), error) {
	var q Q
	if err := readArguments(args, &q); err != nil {
		return nil, err
	}
	if c.V == 0 {
		return func(ctx context.Context, s *session) (any, error) { return m.task(ctx, s, q) }, nil
	}
	if m.taskOnly {
		return nil, fmt.Errorf("argument mode: %s can take minutes. Start it as a task, or call it without v", c.Mode)
	}
	return func(ctx context.Context, s *session) (any, error) { return m.page(ctx, s, q) }, nil
}

// task answers a task, an operation that names no version, or a shell: it logs, and
// processes the queue before it returns.
func (m mode[Q, A]) task(ctx context.Context, s *session, q Q) (any, error) {
	a, err := m.answer(s, ctx, q)
	if err != nil {
		return nil, err
	}
	if m.log != nil {
		m.log(s, a)
	}
	switch {
	case m.drains:
		return s.drain(ctx, NoArguments{})
	case m.plain != nil:
		return m.plain(a), nil
	}
	return a, nil
}

// page answers a call of the versioned interface. It logs nothing, because a page asks every
// few seconds, and leaves the queue to a task of its own, because a person waits.
func (m mode[Q, A]) page(ctx context.Context, s *session, q Q) (any, error) {
	a, err := m.answer(s, ctx, q)
	if err == nil && m.drains {
		err = s.startDrain(ctx)
	}
	if err != nil {
		return nil, err
	}
	return Answer{V: interfaceVersion, Data: a}, nil
}

// counted logs a count.
func counted(format string) func(*session, Count) {
	return func(s *session, c Count) { s.log.Info(fmt.Sprintf(format, c.Count)) }
}

// silent is above every level of a log line.
const silent = slog.LevelError + 100

// mode does what the arguments ask for.
func (p *process) mode(ctx context.Context) (any, error) {
	c, err := readCall(p.in.Args)
	if err != nil {
		return nil, err
	}
	all := modes()
	m, ok := all[c.Mode]
	if !ok {
		return nil, fmt.Errorf("argument mode %q: must be one of %s", c.Mode, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	answer, err := m.prepare(c, p.in.Args)
	if err != nil {
		return nil, err
	}
	s, err := p.open(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() {
		if s.db != nil {
			s.db.Close()
		}
	}()
	out, err := answer(ctx, s)
	if store.Damaged(err) {
		// Everything in it can be learned again: the work goes on with a new one. That
		// a file was set aside is logged whoever asks.
		p.level.Set(min(p.level.Level(), slog.LevelError))
		if s.db, err = s.db.Replace(ctx, time.Now()); err != nil {
			return nil, err
		}
		p.reportNotices(s.db)
		out, err = answer(ctx, s)
	}
	p.wakeIfNeeded(ctx, s.db, s.config.CompareEvery)
	return out, err
}

// readCall reads what every call says.
func readCall(args map[string]any) (CallRequest, error) {
	var c CallRequest
	err := readArguments(args, &c)
	if v := args["v"]; v != nil && c.V != interfaceVersion {
		return c, fmt.Errorf("argument v: this is PlexSync %s, which supports version %d of the interface. Reload the page, or update PlexSync", version, interfaceVersion)
	}
	return c, err
}

// logOutlook says after the failure of a task whether you have to do something.
func (p *process) logOutlook(err error) {
	switch {
	case errors.Is(err, job.ErrTransient):
		p.log.Info("Queued edits are kept and will be tried again automatically")
	case errors.Is(err, job.ErrPermanent):
		p.log.Warn("Trying again will not help: this needs your attention")
	}
}
