package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/worker"
)

// explain tells why a scene is, or is not, in Plex as it is in Stash.
func (p *process) explain(ctx context.Context, s *session) (any, error) {
	id, err := p.idArgument("scene_id")
	if err != nil {
		return nil, err
	}
	if err := s.fatal(); err != nil {
		return nil, err
	}
	w, err := p.worker(ctx, s)
	if err != nil {
		return nil, err
	}
	e, err := w.Explain(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, line := range explained(e) {
		p.log.Info(line)
	}
	return e, nil
}

// explained is an explanation in lines.
func explained(e worker.Explanation) []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	say("Scene %d %q: %s", e.Scene, e.Title, e.Decision)
	for _, f := range e.Files {
		rule := "no path rule applies"
		if f.Rule != "" {
			rule = "by the path rule " + f.Rule
		}
		say("File %s is looked for in Plex as %s (%s)", f.Path, f.Mapped, rule)
	}
	for _, s := range e.Steps {
		say("Match by %s: %s", s.Rung, s.Verdict)
		for _, c := range s.Candidates {
			say("    %s", c)
		}
	}
	for _, i := range e.Items {
		say("Item %s (%s), found by %s", i.Key, i.Path, i.Rung)
		changes := i.Changes()
		for _, f := range changes {
			say("    %s: %q would become %q", f.Field, short(f.Plex), short(*f.Write))
			if f.Base != "" && f.Base != f.Plex {
				say("        (last written by PlexSync: %q)", short(f.Base))
			}
		}
		if i.Poster {
			say("    the poster would be set to the scene's cover")
		}
		if i.Background {
			say("    the background would be set to the scene's cover")
		}
		if len(i.Lock) > 0 {
			say("    would be locked: %s", strings.Join(i.Lock, ", "))
		}
		if len(i.Unlock) > 0 {
			say("    would be unlocked: %s", strings.Join(i.Unlock, ", "))
		}
		if i.Untouched() {
			say("    shows what it should")
		}
	}
	if l := e.Last; !l.Pushed.IsZero() {
		say("Last written on %s", l.Pushed.Local().Format(time.DateTime))
	} else {
		say("Never written by PlexSync")
	}
	if l := e.Last; l.Queued {
		say("It is queued, due %s", l.Due.Local().Format(time.DateTime))
		if l.LastError != "" {
			say("    last time: %s", l.LastError)
		}
	}
	if l := e.Last; l.DeadClass != "" {
		say("It is a dead letter (%s): %s", l.DeadClass, l.DeadError)
	}
	return all
}

// short cuts a value for a line.
func short(s string) string {
	if r := []rune(s); len(r) > 120 {
		return string(r[:120]) + "…"
	}
	return s
}
