package worker

import (
	"context"
	"fmt"
)

// skip says why a scene changes nothing in Plex; "" if it may. learnTags comes before.
func (p *planner) skip(s *Scene) string {
	switch {
	case len(s.Files) == 0:
		return "has no file in Stash, so nothing can be synced; scan its folder or assign a file to it"
	case p.opt.OnlyOrganized && !s.Organized:
		return "is not organized, and onlyOrganized is on"
	case s.Meta.Empty():
		return "has no metadata yet, so nothing changes in Plex"
	}
	for _, t := range s.Meta.Tags {
		if p.exclude.Has(t.ID, t.Name) {
			return fmt.Sprintf("has the tag %q, which excludeTags names", p.opt.Hide(t.Name))
		}
	}
	return ""
}

// countExcluded counts a scene that [planner.skip] leaves out, by the reason.
func (p *planner) countExcluded(s *Scene, f *Found) {
	switch {
	case len(s.Files) == 0:
		f.NoFile++
	case p.opt.OnlyOrganized && !s.Organized:
		f.NotOrganized++
	default:
		f.ByTag++
	}
}

// learnTags asks Stash, once, which numbers in excludeTags are names of tags. Without
// numbers it asks nothing.
func (p *planner) learnTags(ctx context.Context) error {
	numbers := p.exclude.Numbers()
	if len(numbers) == 0 || p.tagsKnown {
		return nil
	}
	names, err := p.stash.TagNames(ctx, numbers)
	if err == nil {
		p.exclude, p.tagsKnown = p.exclude.WithNames(names), true
	}
	return err
}
