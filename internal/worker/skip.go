package worker

import (
	"context"
	"fmt"

	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/scope"
	"github.com/plexsync/plexsync/internal/title"
)

// choice is what the settings say of scenes and their tags, where the tags of Stash are
// known as far as that matters.
type choice struct {
	rules scope.Rules
	err   error // why rules cannot be used
	// genres and labels choose among a scene's tags.
	genres, labels scope.Chooser
	// merge is what becomes of a scene by all of it.
	merge merge.Options
	known bool // which tags Stash has matters, and is known
}

// newChoice reads the settings where these are Stash's tags.
func newChoice(o Options, tree scope.Tree) choice {
	c := choice{genres: scope.Genres(o.GenreTags, tree), labels: scope.Labels(o.LabelTags, tree), merge: o.Merge}
	c.rules, c.err = scope.NewRules(o.Conditions, tree)
	if c.err != nil {
		c.err = &settingError{c.err.Error()}
	}
	if len(o.GenreTags) > 0 {
		c.merge.GenreTags = func(t merge.Named) bool { return c.genres.Has(t.ID, t.Name) }
	}
	if !c.labels.None() {
		c.merge.LabelTags = func(t merge.Named) bool { return c.labels.Has(t.ID, t.Name) }
	}
	if !o.Title.IsZero() {
		c.merge.ShownTitle = func(s merge.Scene) string { return o.Title.Render(titleValues(s)) }
	}
	return c
}

// titleValues are a scene's as a title template has them.
func titleValues(s merge.Scene) title.Values {
	v := title.Values{Title: s.Title, Code: s.Code, Director: s.Director, Date: s.Date, Rating100: s.Rating100, Width: s.Width, Height: s.Height}
	if s.Studio != nil {
		v.Studio = s.Studio.Name
		if s.Studio.Parent != nil {
			v.Parent = s.Studio.Parent.Name
		}
	}
	for _, p := range s.Performers {
		v.Performers = append(v.Performers, p.Name)
	}
	return v
}

// needsTree reports whether the settings can be told only where Stash's tags are known.
func (o Options) needsTree() bool {
	return o.NeedsTree() || scope.NeedsTree(o.GenreTags...) || scope.NeedsTree(o.LabelTags...)
}

// learnTags finds out, once, what the settings mean among Stash's tags. Mostly they mean
// the same among all, and nothing is asked.
func (p *planner) learnTags(ctx context.Context) error {
	if p.choice.err == nil && p.opt.needsTree() && !p.choice.known {
		_, err := p.relearnTags(ctx)
		return err
	}
	return p.choice.err
}

// relearnTags is the same, also if it was known: a tag may have moved since. It returns
// Stash's tags.
func (p *planner) relearnTags(ctx context.Context) ([]scope.Tag, error) {
	tags, err := p.stash.Tags(ctx)
	if err != nil {
		return nil, err
	}
	p.choice = newChoice(p.opt, scope.NewTree(tags))
	p.choice.known = true
	return tags, p.choice.err
}

// scoped is a scene as conditions look at it.
func scoped(s *Scene) scope.Scene {
	x := scope.Scene{Organized: s.Organized, StashIDs: s.StashIDs}
	for _, t := range s.Meta.Tags {
		x.Tags = append(x.Tags, scope.Tag{ID: t.ID, Name: t.Name})
	}
	for _, f := range s.Files {
		x.Paths = append(x.Paths, f.Path)
	}
	return x
}

// skip says why a scene changes nothing in Plex; "" if it may. learnTags comes before.
func (p *planner) skip(s *Scene) string {
	if len(s.Files) == 0 {
		return "has no file in Stash, so nothing can be synced; scan its folder or assign a file to it"
	}
	if v := p.choice.rules.Decide(scoped(s)); v.Out() {
		return v.Sentence(p.opt.Hide)
	}
	if s.Meta.Empty() {
		return "has no metadata yet, so nothing changes in Plex"
	}
	return ""
}

// countExcluded counts a scene that [planner.skip] leaves out, by the reason.
func (p *planner) countExcluded(s *Scene, f *Found) {
	if len(s.Files) == 0 {
		f.NoFile++
		return
	}
	switch p.choice.rules.Decide(scoped(s)).Reason {
	case scope.NotOrganized:
		f.NotOrganized++
	case scope.NoStashID:
		f.NoStashID++
	case scope.NoRequiredTag:
		f.NoRequiredTag++
	case scope.ExcludedTag:
		f.ByTag++
	case scope.OutsidePaths:
		f.OutsidePaths++
	case scope.ExcludedPath:
		f.ByPath++
	default:
		panic(fmt.Sprintf("scene %d is not excluded", s.ID))
	}
}
