package match

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// claims makes an item whose parts the scenes have, in order. A scene below 0 has an
// optimized version.
func claims(scenes ...int64) []Claim {
	var all []Claim
	for i, s := range scenes {
		p := part("7", fmt.Sprintf("/v/%d.mp4", i))
		p.Index, p.Optimized = i, s < 0
		all = append(all, Claim{p, max(s, -s)})
	}
	return all
}

func TestAnItemBelongsToTheSceneOfItsFirstPart(t *testing.T) {
	for _, c := range []struct {
		scenes []int64
		owner  int64
		others []int64
	}{
		{nil, 0, nil},
		{[]int64{0, 0}, 0, nil},
		{[]int64{5}, 5, nil},
		{[]int64{5, 3, 9, 3}, 5, []int64{3, 9}}, // four films in one
		{[]int64{5, 5}, 5, nil},                 // two files of one scene
		{[]int64{0, 3, 5}, 3, []int64{5}},       // nobody has the first
		{[]int64{-5, 3}, 3, []int64{5}},         // Plex's own version says nothing
		{[]int64{-5, 0}, 5, nil},                // unless it is alone
	} {
		owner, others := Owner(claims(c.scenes...))
		if owner != c.owner || !slices.Equal(others, c.others) {
			t.Errorf("%v belongs to %d and not to %v; want %d, %v", c.scenes, owner, others, c.owner, c.others)
		}
	}
}

// Whoever asks about one part after the other, and stops at the first that a scene has,
// comes to the same owner.
func TestTheOwnerIsFoundByAskingInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := claims(rapid.SliceOfN(rapid.Int64Range(-3, 3), 1, 6).Draw(t, "scenes")...)
		owner, others := Owner(rapid.Permutation(all).Draw(t, "in another order"))
		var parts []Part
		for _, c := range all {
			parts = append(parts, c.Part)
		}
		for _, c := range all {
			if c.Scene == 0 {
				continue
			}
			found := c.Scene
			for _, p := range Before(rapid.Permutation(parts).Draw(t, "parts in another order"), c.Part) {
				if s := all[p.Index].Scene; s != 0 {
					found = s
					break
				}
			}
			if found != owner {
				t.Fatalf("asked about part %d, it is scene %d's; want %d", c.Part.Index, found, owner)
			}
			if (c.Scene == owner) == slices.Contains(others, c.Scene) {
				t.Fatalf("scene %d owns it (%d) or is one of %v", c.Scene, owner, others)
			}
		}
	})
}
