package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
)

// Explanation tells why a scene is, or is not, in Plex as it is in Stash. Paths,
// titles and names in it are as they are: it is an answer to the person who asked.
type Explanation struct {
	Scene int64  `json:"scene"`
	Title string `json:"title"`
	// Decision is the whole in one sentence.
	Decision string          `json:"decision"`
	Files    []ExplainedFile `json:"files"`
	// Steps are the rungs of the match as they were tried.
	Steps []ExplainedStep `json:"steps"`
	Items []ExplainedItem `json:"items"`
	Last  Last            `json:"last"`
}

// ExplainedFile is a file of the scene as each side sees it.
type ExplainedFile struct {
	Path   string `json:"path"`
	Mapped string `json:"mapped"`
	Rule   string `json:"rule"` // "" = none applies
}

// ExplainedStep is one rung.
type ExplainedStep struct {
	Rung       string   `json:"rung"`
	Candidates []string `json:"candidates"`
	Verdict    string   `json:"verdict"`
}

// ExplainedItem is an item that the scene belongs in.
type ExplainedItem struct {
	Key  string `json:"key"`
	Path string `json:"path"`
	Rung string `json:"rung"`
	// Fields that are synced, each as Stash wants it, as we last wrote it, and as
	// Plex shows it.
	Fields []ExplainedField `json:"fields"`
	// Poster and Background: a new picture would be set.
	Poster     bool `json:"poster"`
	Background bool `json:"background"`
	// Lock and Unlock are the fields whose locks would be changed.
	Lock   []string `json:"lock"`
	Unlock []string `json:"unlock"`
}

// Untouched reports whether nothing of the item would be written.
func (i ExplainedItem) Untouched() bool {
	return len(i.Changes()) == 0 && !i.Poster && !i.Background && len(i.Lock)+len(i.Unlock) == 0
}

// ExplainedField is one field. Lists are joined by commas.
type ExplainedField struct {
	Field  string `json:"field"`
	Wanted string `json:"wanted"`
	Base   string `json:"base"`
	Plex   string `json:"plex"`
	Locked bool   `json:"locked"`
	// Write is what Plex would show afterwards, nil if it would not be touched.
	Write *string `json:"write"`
}

// Changes are the fields of the item that would be written.
func (i ExplainedItem) Changes() []ExplainedField {
	var all []ExplainedField
	for _, f := range i.Fields {
		if f.Write != nil {
			all = append(all, f)
		}
	}
	return all
}

// Last is what happened to the scene before.
type Last struct {
	// Pushed is when an item of it was last written; zero if never.
	Pushed time.Time `json:"pushed,omitzero"`
	// Queued: it has a job, due then, whose last attempt ended so.
	Queued    bool      `json:"queued"`
	Due       time.Time `json:"due,omitzero"`
	LastError string    `json:"last_error,omitempty"`
	// DeadClass and DeadError are its dead letter's; empty if it has none.
	DeadClass job.Class `json:"dead_class,omitempty"`
	DeadError string    `json:"dead_error,omitempty"`
}

// Explain looks at a scene as a drain would, writes nothing, and tells what it saw.
// What keeps the scene from being synced is the Decision, not an error.
func (w *Worker) Explain(ctx context.Context, scene int64) (Explanation, error) {
	e := Explanation{Scene: scene, Files: []ExplainedFile{}, Steps: []ExplainedStep{}, Items: []ExplainedItem{}}
	if err := w.last(ctx, job.Scene(scene), &e.Last); err != nil {
		return e, err
	}
	d := w.dryRun()
	if err := d.learn(ctx); err != nil {
		return e, err
	}
	a := d.prepare(ctx, []job.Job{{Subject: job.Scene(scene)}})[0]
	if a.scene != nil {
		e.Title = a.scene.Meta.Title
		for _, f := range a.scene.Files {
			mapped, rule := w.opt.Rules.Map(f.Path)
			x := ExplainedFile{Path: f.Path, Mapped: mapped}
			if rule != nil {
				x.Rule = rule.String()
			}
			e.Files = append(e.Files, x)
		}
	}
	for _, s := range a.found.Steps {
		x := ExplainedStep{Rung: s.Rung.String(), Candidates: []string{}, Verdict: s.Verdict}
		for i, c := range s.Candidates {
			if i == maxTold {
				x.Candidates = append(x.Candidates, fmt.Sprintf("and %d more", len(s.Candidates)-i))
				break
			}
			x.Candidates = append(x.Candidates, fmt.Sprintf("item %s: %s", c.Key, c.Path))
		}
		e.Steps = append(e.Steps, x)
	}
	e.Decision = d.decision(ctx, a)
	for _, t := range a.targets {
		if t.item != nil {
			e.Items = append(e.Items, d.explainItem(a, t))
		}
	}
	return e, nil
}

// maxTold is how many candidates of a rung are told.
const maxTold = 10

// dryRun is a drain that only looks.
func (w *Worker) dryRun() *drain {
	return &drain{Worker: w, dry: true, relooked: map[int64]bool{}, run: job.Run{Token: token(), Started: w.now()}}
}

func (d *drain) decision(ctx context.Context, a *attempt) string {
	switch {
	case a.verdict == job.Gone:
		return "Stash has no such scene"
	case a.scene != nil && d.skip(a.scene) != "":
		return "The scene " + d.skip(a.scene)
	case errors.Is(a.err, errLookAgain):
		return "Its item has just gone from Plex; the next look finds where it went"
	case a.err != nil:
		return a.err.Error()
	case len(a.targets) == 0:
		return "Its item holds another scene's file too and belongs to that scene"
	}
	d.fetchCover(ctx, a)
	if a.err != nil {
		return a.err.Error()
	}
	changes := 0
	for _, t := range a.targets {
		poster, background := d.pictures(a, t)
		if !t.edit.Empty() || poster || background {
			changes++
		}
	}
	if changes == 0 {
		return "Plex shows what Stash has; nothing would be written"
	}
	return fmt.Sprintf("%s would be written", plural(changes, "item", "items"))
}

func (d *drain) explainItem(a *attempt, t *target) ExplainedItem {
	x := ExplainedItem{Key: t.hit.Key, Path: t.hit.Part.Path, Rung: t.hit.Rung.String(), Fields: []ExplainedField{}, Lock: []string{}, Unlock: []string{}}
	x.Poster, x.Background = d.pictures(a, t)
	for _, f := range t.edit.Lock {
		x.Lock = append(x.Lock, string(f))
	}
	for _, f := range t.edit.Unlock {
		x.Unlock = append(x.Unlock, string(f))
	}
	written := map[merge.Field]string{}
	for _, c := range t.edit.Changes(t.item.State) {
		written[c.Field] = c.New
	}
	field := func(f merge.Field, wanted, base, plex string) {
		y := ExplainedField{Field: string(f), Wanted: wanted, Base: base, Plex: plex, Locked: t.item.State.Locked[f]}
		if v, ok := written[f]; ok {
			y.Write = &v
		}
		if y.Wanted != "" || y.Base != "" || y.Plex != "" || y.Write != nil {
			x.Fields = append(x.Fields, y)
		}
	}
	for _, f := range merge.ScalarFields() {
		if v, ok := a.wanted.Scalars[f]; ok {
			field(f, v, t.base.Wrote[f], t.item.State.Scalars[f])
		}
	}
	for _, f := range merge.ListFields() {
		if v, ok := a.wanted.Lists[f]; ok {
			field(f, merge.Names(v), strings.Join(t.base.Added[f], ", "), merge.Names(t.item.State.Lists[f]))
		}
	}
	return x
}

// last reads what happened to a subject before.
func (w *Worker) last(ctx context.Context, sub job.Subject, l *Last) error {
	rows, err := w.queue.PushedOfScenes(ctx, sub.ID)
	if err != nil {
		return err
	}
	for _, p := range rows {
		if p.At.After(l.Pushed) {
			l.Pushed = p.At
		}
	}
	j, live, err := w.queue.Job(ctx, sub)
	if err != nil {
		return err
	}
	if live {
		l.Queued, l.Due, l.LastError = true, j.DueAt, j.LastError
	}
	letters, err := w.queue.Letters(ctx, job.Which{Subject: sub}, 1, 0)
	if err == nil && len(letters) == 1 {
		l.DeadClass, l.DeadError = letters[0].Class, letters[0].Error
	}
	return err
}

// PathCheck tells how the path rules fit a sample of scenes.
type PathCheck struct {
	// Scenes of the sample, how many of them Plex has under their mapped path, how
	// many it has under another path, and how many it has not.
	Scenes  int `json:"scenes"`
	ByPath  int `json:"by_path"`
	ByName  int `json:"by_name"`
	Missing int `json:"missing"`
	// Suggest is the path rule that would explain most of ByName; "" if none would.
	Suggest string `json:"suggest,omitempty"`
	// Example is a scene's path that Plex does not have, as it was looked for.
	Example string `json:"example,omitempty"`
}

// CheckPaths matches a sample of scenes and writes nothing to Plex. With read the
// index is read if it never was; without, it is taken as it is, for settings that are
// not saved yet.
func (w *Worker) CheckPaths(ctx context.Context, scenes []Scene, read bool) (PathCheck, error) {
	var c PathCheck
	d := w.dryRun()
	if read {
		if _, err := d.meet(ctx); err != nil {
			return c, err
		}
		if _, err := d.ensureIndex(ctx, indexReady); err != nil {
			return c, err
		}
	}
	rules, most := map[string]int{}, 0
	for i := range scenes {
		s := &scenes[i]
		if len(s.Files) == 0 {
			continue
		}
		r, _, err := d.match(ctx, s, nil)
		if err != nil {
			return c, err
		}
		c.Scenes++
		switch {
		case len(r.Hits) > 0 && r.Hits[0].Rung <= match.RungFolded:
			c.ByPath++
			continue
		case len(r.Hits) > 0:
			c.ByName++
		default:
			c.Missing++
		}
		if r.Suggest != nil {
			rule := r.Suggest.String()
			if rules[rule]++; rules[rule] > most {
				c.Suggest, most = rule, rules[rule]
			}
		}
		if c.Example == "" {
			c.Example, _ = d.opt.Rules.Map(s.Files[0].Path)
		}
	}
	return c, nil
}
