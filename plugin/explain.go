package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/worker"
)

// explain shows why a scene is, or is not, in Plex as it is in Stash.
func (s *session) explain(ctx context.Context, q ExplainRequest) (Explanation, error) {
	w, err := s.ready(ctx)
	if err != nil {
		return Explanation{}, err
	}
	if q.Fresh {
		// That Plex cannot be read is told below.
		if _, err := w.CheckPaths(ctx, nil, true); job.Interrupted(ctx, err) || errors.Is(err, job.ErrStore) {
			return Explanation{}, err
		}
	}
	e, err := w.Explain(ctx, q.Scene)
	return explanation(e), err
}

func explanation(e worker.Explanation) Explanation {
	x := Explanation{Scene: e.Scene, Title: e.Title, Machine: e.Machine, Decision: e.Decision, Last: LastSync{
		Pushed: Time{e.Last.Pushed}, Queued: e.Last.Queued, Due: Time{e.Last.Due}, LastError: e.Last.LastError,
		DeadClass: Class(e.Last.DeadClass), DeadError: e.Last.DeadError,
	}}
	x.State, x.Class, x.InPlex = sceneState(e), Class(e.Class), e.InPlex
	for _, f := range e.Ambiguous {
		rule, folder := deciding(e.Files, f.Path)
		x.Fitting = append(x.Fitting, FittingItem{Key: f.Key, Path: f.Path, Rule: rule, FolderRule: folder})
	}
	for _, f := range e.Files {
		x.Files = append(x.Files, ExplainedFile{Path: f.Path, Mapped: f.Mapped, Rule: f.Rule})
	}
	for _, t := range e.Steps {
		x.Steps = append(x.Steps, ExplainedStep{Rung: rungOf(t.Rung), Candidates: t.Candidates, Verdict: t.Verdict})
	}
	for _, i := range e.Items {
		item := ExplainedItem{Key: i.Key, Path: i.Path, Rung: rungOf(i.Rung), Poster: i.Poster, Background: i.Background, Lock: i.Lock, Unlock: i.Unlock}
		for _, f := range i.Fields {
			item.Fields = append(item.Fields, explainedField(f))
		}
		x.Items = append(x.Items, item)
	}
	return x
}

// deciding are path rules that lead one of a scene's files to a path of Plex's: one for the
// file alone, and one for its folder.
func deciding(files []worker.ExplainedFile, path string) (rule, folder string) {
	for _, f := range files {
		if r := match.SuggestRule(f.Path, path); r != nil {
			folder = r.String()
		}
		one := match.Rule{From: f.Path, To: path}
		// What the setting cannot hold is not offered.
		if again, err := match.ParseRules(one.String()); err == nil && len(again) == 1 && again.Maps(f.Path, path) && (rule == "" || folder != "") {
			rule = one.String()
		}
		if folder != "" {
			break // this file has the item's name
		}
	}
	return rule, folder
}

// sceneState is the one state of a scene, from what is known of it: what keeps it from
// being synced comes before what would be done.
func sceneState(e worker.Explanation) SceneState {
	switch {
	case e.Empty:
		return SceneWithoutMetadata
	case e.Skipped:
		return SceneExcluded
	case e.Class == job.ClassNotInPlex:
		return SceneNotInPlex
	case e.Class == job.ClassAmbiguous:
		return SceneAmbiguous
	case e.Class == job.ClassGone, e.Class == "" && len(e.Files) == 0:
		return SceneGone
	case e.Class == job.ClassUnreachable, e.Class == job.ClassUnauthorized, e.Class == job.ClassStashUnreachable:
		return SceneUnknown
	case e.Class != "":
		return SceneFailed
	case len(e.Items) == 0:
		return SceneJoined
	case e.Last.Queued:
		return SceneWaiting
	case e.Last.DeadClass != "" && !e.Last.DeadClass.Apart():
		return SceneFailed
	case slices.ContainsFunc(e.Items, func(i worker.ExplainedItem) bool { return !i.Untouched() }):
		return SceneChanges
	}
	return SceneSynced
}

func explainedField(f worker.ExplainedField) ExplainedField {
	return ExplainedField{Field: f.Field, Wanted: f.Wanted, Base: f.Base, Plex: f.Plex, Locked: f.Locked, Write: f.Write, Kept: f.Kept}
}

// rungs are the interface's names of the rungs.
func rungs() map[Rung]match.Rung {
	return map[Rung]match.Rung{
		RungPushed: match.RungPushed, RungPath: match.RungPath, RungFolded: match.RungFolded,
		RungSize: match.RungSize, RungTail: match.RungTail, RungName: match.RungName,
	}
}

// rungOf finds a rung by the words that people read.
func rungOf(words string) Rung {
	for name, r := range rungs() {
		if r.String() == words {
			return name
		}
	}
	return ""
}

// words are how people read it.
func (r Rung) words() string { return rungs()[r].String() }

func logExplanation(s *session, e Explanation) {
	for _, line := range explained(e) {
		s.log.Info(line)
	}
}

// explained is an explanation in lines.
func explained(e Explanation) []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	say("Scene %d %q: %s", e.Scene, e.Title, e.Decision)
	for _, f := range e.Files {
		rule := "no path rule applies"
		if f.Rule != "" {
			rule = "by the path rule " + f.Rule
		}
		say("Looked for file %s in Plex as %s (%s)", f.Path, f.Mapped, rule)
	}
	for _, s := range e.Steps {
		say("Match by %s: %s", s.Rung.words(), s.Verdict)
		for _, c := range s.Candidates {
			say("    %s", c)
		}
	}
	for _, i := range e.Items {
		say("Item %s (%s), found by %s", i.Key, i.Path, i.Rung.words())
		for _, f := range i.changes() {
			say("    %s: %q would become %q", f.Field, short(f.Plex), short(*f.Write))
			if f.Base != "" && f.Base != f.Plex {
				say("        (last written by PlexSync: %q)", short(f.Base))
			}
		}
		if i.Poster {
			say("    poster: would become the scene's cover")
		}
		if i.Background {
			say("    background: would become the scene's cover")
		}
		if len(i.Lock) > 0 {
			say("    fields to lock: %s", strings.Join(i.Lock, ", "))
		}
		if len(i.Unlock) > 0 {
			say("    fields to unlock: %s", strings.Join(i.Unlock, ", "))
		}
		if i.untouched() {
			say("    is up to date")
		}
	}
	if l := e.Last; !l.Pushed.IsZero() {
		say("Last written on %s", clock(l.Pushed))
	} else {
		say("Never written by PlexSync")
	}
	if l := e.Last; l.Queued {
		say("It is queued, due %s", clock(l.Due))
		if l.LastError != "" {
			say("    last attempt: %s", l.LastError)
		}
	}
	if l := e.Last; l.DeadClass != "" {
		say("It is a failed item (%s): %s", l.DeadClass, l.DeadError)
	}
	return all
}

// short cuts a value for a line.
func short(s string) string {
	if start := job.FirstChars(s, 120); len(start) < len(s) {
		return start + "…"
	}
	return s
}
