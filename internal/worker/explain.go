package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
)

// Explanation tells why a scene is, or is not, in Plex as it is in Stash. Paths,
// titles and names in it are as they are: it is an answer to the person who asked.
type Explanation struct {
	Scene int64
	Title string
	// Machine is the identifier of the Plex server that was asked; "" if it did not answer.
	Machine string
	// Decision is the whole in one sentence.
	Decision string
	// Class is the failure that keeps the scene from being synced; "" if none does.
	Class job.Class
	// Skipped: the settings or what the scene lacks leave it out; Empty: it has a file,
	// but no metadata. InPlex: all the same Plex has an item for it.
	Skipped bool
	Empty   bool
	InPlex  bool
	// Ambiguous are the items that fit equally.
	Ambiguous []Fitting
	Files     []ExplainedFile
	// Steps are the rungs of the match as they were tried.
	Steps []ExplainedStep
	Items []ExplainedItem
	Last  Last
}

// Fitting is one of several items that fit a scene equally.
type Fitting struct {
	Key  string
	Path string
}

// ExplainedFile is a file of the scene as each side sees it.
type ExplainedFile struct {
	Path   string
	Mapped string
	Rule   string // "" = none applies
}

// ExplainedStep is one rung.
type ExplainedStep struct {
	Rung       string
	Candidates []string
	Verdict    string
}

// ExplainedItem is an item that the scene belongs in.
type ExplainedItem struct {
	Key  string
	Path string
	Rung string
	// Fields that are synced, each as Stash wants it, as we last wrote it, and as
	// Plex shows it.
	Fields []ExplainedField
	// Poster and Background: a new picture would be set.
	Poster     bool
	Background bool
	// Lock and Unlock are the fields whose locks would be changed.
	Lock   []string
	Unlock []string
}

// Untouched reports whether nothing of the item would be written.
func (i ExplainedItem) Untouched() bool {
	return len(i.Changes()) == 0 && !i.Poster && !i.Background && len(i.Lock)+len(i.Unlock) == 0
}

// ExplainedField is one field. Lists are joined by commas.
type ExplainedField struct {
	Field  string
	Wanted string
	Base   string
	Plex   string
	Locked bool
	// Write is what Plex would show afterwards, nil if it would not be touched.
	Write *string
	// Kept: Plex shows another value than Stash has, and it stays because keepPlexEdits
	// is on.
	Kept bool
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
	Pushed time.Time
	// Queued: it has a job, due then, whose last attempt ended so.
	Queued    bool
	Due       time.Time
	LastError string
	// DeadClass and DeadError are its dead letter's; empty if it has none.
	DeadClass job.Class
	DeadError string
}

// Explain looks at a scene as a drain would, writes nothing, and tells what it saw.
// What keeps the scene from being synced is the Decision, not an error.
func (w *Worker) Explain(ctx context.Context, scene int64) (Explanation, error) {
	e := Explanation{Scene: scene, Files: []ExplainedFile{}, Steps: []ExplainedStep{}, Items: []ExplainedItem{}}
	p := w.onlooker()
	x := p.planFully(ctx, scene)
	e.Machine = p.catalogue.machineID()
	current, err := w.store.Current(ctx)
	if err != nil {
		return e, err
	}
	memory := p.catalogue.memory()
	if memory == nil { // Plex could not be asked who it is
		memory = current
	}
	if err := w.last(ctx, memory, job.Scene(scene), &e.Last); err != nil {
		return e, err
	}
	if x.scene != nil {
		e.Title = x.scene.Meta.Title
		for _, f := range x.scene.Files {
			mapped, rule := w.opt.Rules.Map(f.Path)
			file := ExplainedFile{Path: f.Path, Mapped: mapped}
			if rule != nil {
				file.Rule = rule.String()
			}
			e.Files = append(e.Files, file)
		}
	}
	for _, s := range x.found.Steps {
		step := ExplainedStep{Rung: s.Rung.String(), Candidates: []string{}, Verdict: s.Verdict}
		for i, c := range s.Candidates {
			if i == maxTold {
				step.Candidates = append(step.Candidates, fmt.Sprintf("and %d more", len(s.Candidates)-i))
				break
			}
			step.Candidates = append(step.Candidates, fmt.Sprintf("item %s: %s", c.Key, c.Path))
		}
		e.Steps = append(e.Steps, step)
	}
	if e.Skipped = x.scene != nil && p.skip(x.scene) != ""; e.Skipped && len(x.scene.Files) > 0 {
		e.Empty = x.scene.Meta.Empty()
		// What is remembered will do: Plex is asked nothing about a scene that is left out.
		parts, truncated, err := current.Candidates(ctx, p.lookups(x.scene)...)
		if err != nil {
			return e, err
		}
		e.InPlex = len(match.Match(match.Input{Files: x.scene.Files, Rules: w.opt.Rules, Parts: parts, Truncated: truncated}).Hits) > 0
	}
	e.InPlex = e.InPlex || len(x.found.Hits) > 0
	for _, c := range x.found.Ambiguous {
		e.Ambiguous = append(e.Ambiguous, Fitting{c.Key, c.Path})
	}
	e.Decision = p.decision(ctx, x)
	if x.err != nil {
		e.Class = job.ClassOf(x.err)
	}
	for _, t := range x.targets {
		if t.item != nil {
			e.Items = append(e.Items, p.explainItem(x, t))
		}
	}
	return e, nil
}

// maxTold is how many candidates of a rung are told.
const maxTold = 10

// decision is the whole in one sentence. It asks Stash for the cover, if that decides.
func (p *planner) decision(ctx context.Context, x *plan) string {
	var vanished *vanishedError
	switch {
	case x.verdict == job.Gone:
		return "Stash has no such scene"
	case x.scene != nil && p.skip(x.scene) != "":
		return "The scene " + p.skip(x.scene)
	case errors.As(x.err, &vanished):
		return "Its item has just been removed from Plex; the next sync finds out why"
	case x.err != nil:
		return x.err.Error()
	case len(x.targets) == 0:
		return "Its item also contains another scene's file and belongs to that scene"
	}
	p.fetchCover(ctx, x)
	if x.err != nil {
		return x.err.Error()
	}
	changes := 0
	var kept []string
	for _, t := range x.targets {
		if !t.edit.Empty() || t.poster || t.background {
			changes++
		}
		for _, f := range t.edit.Kept {
			if !slices.Contains(kept, string(f)) {
				kept = append(kept, string(f))
			}
		}
	}
	if changes == 0 && len(kept) > 0 {
		return fmt.Sprintf("Nothing to write: your edits of %s in Plex stay, because keepPlexEdits is on", strings.Join(kept, ", "))
	}
	if changes == 0 {
		return "Plex is up to date; there is nothing to write"
	}
	return fmt.Sprintf("%s would be written", plural(changes, "item", "items"))
}

func (p *planner) explainItem(x *plan, t *target) ExplainedItem {
	item := ExplainedItem{Key: t.hit.Key, Path: t.hit.Part.Path, Rung: t.hit.Rung.String(), Fields: []ExplainedField{}, Lock: []string{}, Unlock: []string{}}
	item.Poster, item.Background = t.poster, t.background
	for _, f := range t.edit.Lock {
		item.Lock = append(item.Lock, string(f))
	}
	for _, f := range t.edit.Unlock {
		item.Unlock = append(item.Unlock, string(f))
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
		y.Kept = y.Write == nil && slices.Contains(t.edit.Kept, f)
		if y.Wanted != "" || y.Base != "" || y.Plex != "" || y.Write != nil {
			item.Fields = append(item.Fields, y)
		}
	}
	for _, f := range merge.ScalarFields() {
		if v, ok := x.wanted.Scalars[f]; ok {
			field(f, v, t.base.Wrote[f], t.item.State.Scalars[f])
		}
	}
	for _, f := range merge.ListFields() {
		if v, ok := x.wanted.Lists[f]; ok {
			field(f, merge.Names(v), strings.Join(t.base.Added[f], ", "), merge.Names(t.item.State.Lists[f]))
		}
	}
	return item
}

// last reads what happened to a subject before.
func (w *Worker) last(ctx context.Context, memory MemoryReader, sub job.Subject, l *Last) error {
	rows, err := memory.PushedOfScenes(ctx, sub.ID)
	if err != nil {
		return err
	}
	for _, p := range rows {
		if p.At.After(l.Pushed) {
			l.Pushed = p.At
		}
	}
	j, live, err := w.store.Job(ctx, sub)
	if err != nil {
		return err
	}
	if live {
		l.Queued, l.Due, l.LastError = true, j.DueAt, j.LastError
	}
	letters, err := w.store.Letters(ctx, job.Which{Subject: sub}, 1, 0)
	if err == nil && len(letters) == 1 {
		l.DeadClass, l.DeadError = letters[0].Class, letters[0].Error
	}
	return err
}

// PathCheck tells how the path rules fit a sample of scenes.
type PathCheck struct {
	// Scenes of the sample, how many of them Plex has under their mapped path, how
	// many it has under another path, and how many it has not.
	Scenes  int
	ByPath  int
	ByName  int
	Missing int
	// Suggest is the path rule that would explain most of ByName; "" if none would.
	Suggest string
	// Example is a scene's path that Plex does not have, as it was looked for.
	Example string
	// Files are the first files of the sample.
	Files []SampledFile
}

// SampledFile is a file of a sample as each side sees it.
type SampledFile struct {
	Path   string
	Mapped string
	// ByPath: Plex has it under Mapped. ByName: under another path.
	ByPath bool
	ByName bool
}

// maxSampled is how many files of a sample are told.
const maxSampled = 20

// CheckPaths matches a sample of scenes and writes nothing to Plex. With read the
// index is read if it never was; without, it is taken as it is, for settings that are
// not saved yet.
func (w *Worker) CheckPaths(ctx context.Context, scenes []Scene, read bool) (PathCheck, error) {
	var c PathCheck
	p := w.onlooker()
	if err := p.catalogue.meet(ctx); err != nil {
		return c, err
	}
	if read {
		if err := p.catalogue.listAll(ctx); err != nil {
			return c, err
		}
	}
	rules, most := map[string]int{}, 0
	for i := range scenes {
		s := &scenes[i]
		if len(s.Files) == 0 {
			continue
		}
		r, _, err := p.match(ctx, s, nil)
		if err != nil {
			return c, err
		}
		c.Scenes++
		if len(c.Files) < maxSampled {
			f := SampledFile{Path: s.Files[0].Path}
			f.Mapped, _ = p.opt.Rules.Map(f.Path)
			f.ByPath = len(r.Hits) > 0 && r.Hits[0].Rung <= match.RungFolded
			f.ByName = len(r.Hits) > 0 && !f.ByPath
			c.Files = append(c.Files, f)
		}
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
			c.Example, _ = p.opt.Rules.Map(s.Files[0].Path)
		}
	}
	return c, nil
}
