package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/store"
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

// told logs and returns how many things a mode changed.
func (p *process) told(n int, format string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	p.log.Info(fmt.Sprintf(format, n))
	return map[string]any{"count": n}, nil
}

// What the page in Stash asks for, and anybody else may: docs/interface.md. A call that
// says "v": 1 is answered with {"v": 1, "data": ...}, logs nothing, because a page asks
// every few seconds, and never drains the queue itself, because somebody waits.

// interfaceVersion is the only version there is.
const interfaceVersion = 1

// silent is above every level of a log line.
const silent = slog.LevelError + 100

// asked reads the version that the call speaks; 0 if it names none.
func (p *process) asked() (int, error) {
	v, given := p.in.Args["v"]
	if !given {
		return 0, nil
	}
	if n, err := strconv.Atoi(fmt.Sprint(v)); err != nil || n != interfaceVersion {
		return 0, fmt.Errorf("argument v: this is PlexSync %s, which speaks version %d of the interface. Reload the page, or update PlexSync", version, interfaceVersion)
	}
	return interfaceVersion, nil
}
