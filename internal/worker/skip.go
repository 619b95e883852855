package worker

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/plexsync/plexsync/internal/merge"
)

// skip says why a scene changes nothing in Plex; "" if it may.
func (p *planner) skip(s *Scene) string {
	switch {
	case len(s.Files) == 0:
		return "has no file in Stash, so nothing can be synced; scan its folder or assign a file to it"
	case p.opt.OnlyOrganized && !s.Organized:
		return "is not organized, and onlyOrganized is on"
	case s.Meta.Empty():
		return "has no metadata yet, which changes nothing in Plex"
	}
	for _, t := range s.Meta.Tags {
		for _, x := range p.exclude {
			if x.matches(t) {
				return fmt.Sprintf("has the tag %q, which excludeTags names", p.opt.Hide(t.Name))
			}
		}
	}
	return ""
}

// tagPattern is one entry of excludeTags: an id, or a name in which * stands for
// anything; letters match in either case.
type tagPattern struct {
	id      int64
	pattern string
}

func tagPatterns(entries []string) []tagPattern {
	var all []tagPattern
	for _, e := range entries {
		id, _ := strconv.ParseInt(e, 10, 64)
		// Only * is special: a name may hold brackets.
		quoted := strings.NewReplacer(`\`, `\\`, `[`, `\[`, `?`, `\?`, `/`, "\x00").Replace(strings.ToLower(e))
		all = append(all, tagPattern{id, quoted})
	}
	return all
}

func (p tagPattern) matches(t merge.Named) bool {
	if p.id != 0 && p.id == t.ID {
		return true
	}
	ok, err := path.Match(p.pattern, strings.ReplaceAll(strings.ToLower(t.Name), "/", "\x00"))
	return ok && err == nil
}
