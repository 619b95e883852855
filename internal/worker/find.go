package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/plexsync/plexsync/internal/fold"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
)

// lookups are the scene's files as the index is asked for them: one for each path that
// a file may have in Plex.
func (e *env) lookups(s *Scene) []job.Lookup {
	var lookups []job.Lookup
	for _, f := range s.Files {
		for _, m := range e.opt.Rules.MapAll(f.Path) {
			lookups = append(lookups, job.Lookup{
				Mapped: fold.Path(m.Path),
				Name:   job.Name{Base: fold.Base(f.Path), Parent: fold.Parent(f.Path)},
				Size:   f.Size,
			})
		}
	}
	return lookups
}

// match looks the scene's files up in the catalogue.
func (p *planner) match(ctx context.Context, s *Scene, known []job.Pushed) (match.Result, []job.Part, error) {
	parts, truncated, err := p.catalogue.candidates(ctx, p.lookups(s)...)
	if err != nil {
		return match.Result{}, nil, err
	}
	in := match.Input{Files: s.Files, Rules: p.opt.Rules, Parts: parts, Truncated: truncated}
	for _, old := range known {
		in.PushedKeys = append(in.PushedKeys, old.Key)
	}
	return match.Match(in), parts, nil
}

// matchAll looks the scenes of all open plans up in the catalogue, and returns what
// was pushed for each scene.
func (p *planner) matchAll(ctx context.Context, all []*plan) map[int64][]job.Pushed {
	ids := make([]int64, len(all))
	for i, x := range all {
		ids[i] = x.scene.ID
	}
	rows, err := p.catalogue.memory().PushedOfScenes(ctx, ids...)
	if err != nil {
		endAll(all, err)
		return nil
	}
	known := map[int64][]job.Pushed{}
	for _, r := range rows {
		known[r.Scene] = append(known[r.Scene], r)
	}
	for _, x := range all {
		if x.over() {
			continue
		}
		x.found, x.parts, x.err = p.match(ctx, x.scene, known[x.scene.ID])
		x.matched = true
	}
	return known
}

// find makes sure that every scene has been looked up in a catalogue that is fresh
// enough, and decides which of its items are its own.
func (p *planner) find(ctx context.Context, all []*plan) {
	p.matchAll(ctx, slices.DeleteFunc(slices.Clone(all), func(x *plan) bool { return x.matched }))
	for f := listedOnce; f <= listedNow; f++ {
		open := slices.DeleteFunc(slices.Clone(all), func(x *plan) bool { return x.over() || len(x.found.Hits) > 0 })
		if f > listedOnce && len(open) == 0 {
			break
		}
		changed, err := p.catalogue.renew(ctx, f)
		if err != nil {
			endAll(all, err)
			return
		}
		if changed {
			p.matchAll(ctx, open)
		}
	}
	for _, x := range all {
		if x.over() {
			continue
		}
		x.answered = true
		if len(x.found.Hits) == 0 {
			x.err = p.notFound(x)
			if p.opt.ScanPlex && len(x.found.Ambiguous) == 0 {
				x.scan = p.scans(x.scene)
			}
			continue
		}
		p.suggest(x.found)
		protect(x, func() { p.choose(ctx, x) })
	}
}

// notFound is the error of a scene without an item.
func (p *planner) notFound(x *plan) error {
	file := x.scene.Files[0].Path
	op := "find " + x.job.Subject.String()
	if n := len(x.found.Ambiguous); n > 0 {
		var names []string
		for _, c := range x.found.Ambiguous[:min(n, 5)] {
			names = append(names, fmt.Sprintf("item %s (%s)", c.Key, p.opt.Hide(c.Path)))
		}
		if n > 5 {
			names = append(names, fmt.Sprintf("and %d more", n-5))
		}
		return &job.Error{Class: job.ClassAmbiguous, Op: op,
			Err:  fmt.Errorf("%s fits %d items equally: %s", p.opt.Hide(file), n, strings.Join(names, ", ")),
			Hint: "Add a path rule to pathRules, so that the path decides"}
	}
	mapped, rule := p.opt.Rules.Map(file)
	by := "no path rule applies"
	if rule != nil {
		by = fmt.Sprintf("by the path rule %s => %s", p.opt.Hide(rule.From), p.opt.Hide(rule.To))
	}
	return &job.Error{Class: job.ClassNotInPlex, Op: op,
		Err:  fmt.Errorf("Plex has no item with %s (%s)", p.opt.Hide(mapped), by),
		Hint: "PlexSync will try again. If Plex shows the file under another path, set pathRules"}
}

// scans are the folders that Plex should scan for the scene's files.
func (p *planner) scans(s *Scene) (all []folder) {
	for _, f := range s.Files {
		for _, m := range p.opt.Rules.MapAll(f.Path) {
			dir, _ := fold.Split(m.Path)
			if section := p.catalogue.libraryOf(dir); dir != "" && section != "" {
				all = append(all, folder{section, dir})
			}
		}
	}
	return all
}

// choose keeps those of the scene's items that are its own: an item that holds
// files of two scenes belongs to the scene of its first part.
func (p *planner) choose(ctx context.Context, x *plan) {
	var foreign []string
	for _, h := range x.found.Hits {
		owner, err := p.firstOwner(ctx, x.scene, h)
		if err != nil {
			x.err = err
			return
		}
		if owner != x.scene.ID {
			foreign = append(foreign, fmt.Sprintf("item %s, which belongs to scene %d", h.Key, owner))
			continue
		}
		x.targets = append(x.targets, &target{hit: h})
	}
	if len(x.targets) == 0 {
		x.err = &job.Error{Class: job.ClassJoined, Op: "find " + x.job.Subject.String(),
			Err:  fmt.Errorf("Plex has joined its file with others in %s", strings.Join(foreign, "; ")),
			Hint: "In Plex, open the item and choose \"Split Apart\"; or merge the scenes in Stash if they are the same video"}
	}
}

// firstOwner returns the scene of the first part of h's item that any scene has,
// looking only at the parts before h's.
func (p *planner) firstOwner(ctx context.Context, s *Scene, h match.Hit) (int64, error) {
	if h.Part.Index == 0 && !h.Part.Optimized {
		return s.ID, nil
	}
	parts, err := p.catalogue.partsOf(ctx, h.Key)
	if err != nil {
		return 0, err
	}
	for _, part := range match.Before(parts, h.Part) {
		if p.holds(*s, part.Path) {
			return s.ID, nil
		}
		if owner, err := p.ownerOf(ctx, part.Path); err != nil || owner != 0 {
			return owner, err
		}
	}
	return s.ID, nil
}

// ownerOf returns the scene that has a file at a path as Plex sees it, 0 if none
// has. If no other has it, one that Stash cannot read is taken for it.
func (p *planner) ownerOf(ctx context.Context, plexPath string) (int64, error) {
	_, base := fold.Split(plexPath)
	if base == "" {
		return 0, nil
	}
	scenes, err := p.stash.ScenesByBasename(ctx, base)
	if err != nil {
		return 0, err
	}
	var perhaps int64
	for _, s := range scenes {
		switch {
		case s.Err != nil:
			perhaps = s.ID
		case p.holds(s, plexPath):
			return s.ID, nil
		}
	}
	return perhaps, nil
}

// holds reports whether the scene has a file at a path as Plex sees it.
func (p *planner) holds(s Scene, plexPath string) bool {
	return slices.ContainsFunc(s.Files, func(f match.File) bool { return p.opt.Rules.Maps(f.Path, plexPath) })
}

// suggestAfter is how many scenes a path rule has to explain before it is proposed.
const suggestAfter = 3

// suggest counts the path rule that would explain a match by name, and proposes it
// once it has explained several.
func (p *planner) suggest(r match.Result) {
	if r.Suggest == nil {
		return
	}
	if p.suggested[*r.Suggest]++; p.suggested[*r.Suggest] == suggestAfter {
		p.log.Warn(fmt.Sprintf("Scenes are found in Plex by name only. Set pathRules to \"%s => %s\", so that the path decides",
			p.opt.Hide(r.Suggest.From), p.opt.Hide(r.Suggest.To)))
	}
}
