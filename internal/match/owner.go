package match

import (
	"cmp"
	"slices"
)

// Claim is a part of an item, and the scene that has its file; 0 if none has.
type Claim struct {
	Part  Part
	Scene int64
}

// Owner says whose an item is that holds files of several scenes, as when Plex joins
// films into one: that of its first part which a scene has, so that two scenes never
// write one item in turn. An optimized version counts only where no other part has a
// scene. others are the other scenes with a file in it, ascending: for them the item is
// joined ([job.ClassJoined]). owner is 0 if no scene has a file of the item. The order
// of the claims does not matter.
func Owner(claims []Claim) (owner int64, others []int64) {
	claims = slices.DeleteFunc(slices.Clone(claims), func(c Claim) bool { return c.Scene == 0 })
	if len(claims) == 0 {
		return 0, nil
	}
	first := slices.MinFunc(claims, func(a, b Claim) int {
		return cmp.Or(compareClaims(a.Part, b.Part), cmp.Compare(a.Scene, b.Scene))
	})
	for _, c := range claims {
		if c.Scene != first.Scene {
			others = append(others, c.Scene)
		}
	}
	slices.Sort(others)
	return first.Scene, slices.Compact(others)
}

// Before returns those of an item's parts that come before p when it is asked whose the
// item is, the first one first: if a scene has one of them, the item is that scene's,
// and no other part need be asked about. If there is none, or no scene has one, the
// item belongs to the scene that has p.
func Before(parts []Part, p Part) []Part {
	before := slices.DeleteFunc(slices.Clone(parts), func(x Part) bool { return compareClaims(x, p) >= 0 })
	slices.SortFunc(before, compareClaims)
	return before
}

// compareClaims orders the parts of one item by what they say about whose it is.
func compareClaims(a, b Part) int {
	return cmp.Or(compareBools(a.Optimized, b.Optimized), cmp.Compare(a.Index, b.Index))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
