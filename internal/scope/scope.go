// Package scope decides which scenes are synced, and which of their tags become genres
// and labels, as the settings say. It is pure: the scene and Stash's tags are handed
// in, and every part of PlexSync that asks gets the same answer.
package scope

import (
	"errors"
	"fmt"
	"strconv"
)

// Conditions are the settings of the same names. The zero value lets every scene
// through.
type Conditions struct {
	OnlyOrganized, OnlyStashIDs bool
	OnlyTags, ExcludeTags       []string // see [NewTags]
	OnlyPaths, ExcludePaths     []string // see [ParseGlobs]
}

// NeedsTree reports whether Stash's tags must be known to tell what the conditions
// mean; mostly not, and [Tree]'s zero value will do.
func (c Conditions) NeedsTree() bool { return NeedsTree(c.OnlyTags...) || NeedsTree(c.ExcludeTags...) }

// Scene is what conditions look at.
type Scene struct {
	Organized bool
	// StashIDs is how many ids of stash-boxes the scene has.
	StashIDs int
	Tags     []Tag // Parents do not count: the [Tree] knows them
	// Paths are those of all its files, as Stash has them.
	Paths []string
}

// Reason is why a scene is left out. Its values are part of PlexSync's interface.
type Reason string

// The reasons, by setting.
const (
	NotOrganized  Reason = "not_organized"
	NoStashID     Reason = "no_stash_id"
	NoRequiredTag Reason = "no_required_tag"
	ExcludedTag   Reason = "excluded_tag"
	OutsidePaths  Reason = "outside_paths"
	ExcludedPath  Reason = "excluded_path"
)

// Reasons returns all reasons, in the order in which conditions are looked at.
func Reasons() []Reason {
	return []Reason{NotOrganized, NoStashID, NoRequiredTag, ExcludedTag, OutsidePaths, ExcludedPath}
}

// Setting is the name of the setting that the reason comes from.
func (r Reason) Setting() string {
	switch r {
	case NotOrganized:
		return "onlyOrganized"
	case NoStashID:
		return "onlyStashIds"
	case NoRequiredTag:
		return "onlyTags"
	case ExcludedTag:
		return "excludeTags"
	case OutsidePaths:
		return "onlyPaths"
	case ExcludedPath:
		return "excludePaths"
	}
	return ""
}

// Verdict says that a condition leaves a scene out. The zero value: it does not.
type Verdict struct {
	Reason Reason
	// Entry is the one of the setting that decided, as it was typed; "" if none did: the
	// setting is a switch, or asks for something that the scene lacks.
	Entry string
	// Values are those of the scene that decided: the tag or path that is excluded, or
	// all of its tags or paths if none is what is asked for.
	Values []string
}

// Out reports whether the scene is left out.
func (v Verdict) Out() bool { return v.Reason != "" }

// maxTold is how many of a scene's values a sentence names.
const maxTold = 5

// Sentence says why the scene is left out, as what follows "scene 7"; "" if it is not.
// hide replaces names and paths, for logs that are shared; nil leaves them.
func (v Verdict) Sentence(hide func(string) string) string {
	if hide == nil {
		hide = func(s string) string { return s }
	}
	quote := func(s string) string { return strconv.Quote(hide(s)) }
	value, has := "", "none"
	if len(v.Values) > 0 {
		value = quote(v.Values[0])
		has = value
		for _, x := range v.Values[1:min(len(v.Values), maxTold)] {
			has += ", " + quote(x)
		}
		if more := len(v.Values) - maxTold; more > 0 {
			has += fmt.Sprintf(" and %d more", more)
		}
	}
	switch v.Reason {
	case NotOrganized:
		return "is not organized, and onlyOrganized is on"
	case NoStashID:
		return "has no stash-box ID, and onlyStashIds is on"
	case NoRequiredTag:
		return "has none of the tags in onlyTags; its tags: " + has
	case OutsidePaths:
		return "has no file that onlyPaths includes; its files: " + has
	case ExcludedTag:
		return "has the tag " + value + ", which excludeTags names" + by(v, quote)
	case ExcludedPath:
		return "has the file " + value + ", which excludePaths excludes" + by(v, quote)
	}
	return ""
}

// by names the entry that decided, unless it is the value itself.
func by(v Verdict, quote func(string) string) string {
	if len(v.Values) == 0 || v.Entry == v.Values[0] {
		return ""
	}
	return " (entry " + quote(v.Entry) + ")"
}

// Rules are conditions whose meaning is known. The zero value lets every scene through.
type Rules struct {
	onlyOrganized, onlyStashIDs bool
	onlyTags, excludeTags       Tags
	onlyPaths, excludePaths     Globs
}

// NewRules finds out what conditions mean where these are Stash's tags. The error names
// every glob that is broken, with its setting, and says what would be right. The Rules
// beside it are no answer then: they would let other scenes through than was meant.
func NewRules(c Conditions, tree Tree) (Rules, error) {
	r := Rules{
		onlyOrganized: c.OnlyOrganized, onlyStashIDs: c.OnlyStashIDs,
		onlyTags: NewTags(c.OnlyTags, tree), excludeTags: NewTags(c.ExcludeTags, tree),
	}
	var errs [2]error
	if r.onlyPaths, errs[0] = ParseGlobs(c.OnlyPaths); errs[0] != nil {
		errs[0] = fmt.Errorf("onlyPaths: %w", errs[0])
	}
	if r.excludePaths, errs[1] = ParseGlobs(c.ExcludePaths); errs[1] != nil {
		errs[1] = fmt.Errorf("excludePaths: %w", errs[1])
	}
	return r, errors.Join(errs[:]...)
}

// Decide returns why a scene is left out: the first reason in the order of [Reasons].
func (r Rules) Decide(s Scene) Verdict {
	for _, reason := range Reasons() {
		if v := r.look(reason, s); v.Out() {
			return v
		}
	}
	return Verdict{}
}

// All returns every condition that leaves a scene out, in the order of [Reasons]: for
// a form that shows what each does by itself.
func (r Rules) All(s Scene) (all []Verdict) {
	for _, reason := range Reasons() {
		if v := r.look(reason, s); v.Out() {
			all = append(all, v)
		}
	}
	return all
}

// look asks one condition.
func (r Rules) look(reason Reason, s Scene) Verdict {
	out := func(entry string, values ...string) Verdict { return Verdict{reason, entry, values} }
	switch reason {
	case NotOrganized:
		if r.onlyOrganized && !s.Organized {
			return out("")
		}
	case NoStashID:
		if r.onlyStashIDs && s.StashIDs == 0 {
			return out("")
		}
	case NoRequiredTag:
		if r.onlyTags.Empty() {
			break
		}
		var names []string
		for _, t := range s.Tags {
			if r.onlyTags.Has(t.ID, t.Name) {
				return Verdict{}
			}
			names = append(names, t.Name)
		}
		return out("", names...)
	case ExcludedTag:
		for _, t := range s.Tags {
			if r.excludeTags.Has(t.ID, t.Name) {
				return out(r.excludeTags.entry(t.ID, t.Name), t.Name)
			}
		}
	case OutsidePaths:
		if len(r.onlyPaths) == 0 {
			break
		}
		for _, p := range s.Paths {
			if _, in := r.onlyPaths.Match(p); in {
				return Verdict{}
			}
		}
		return out("", s.Paths...)
	case ExcludedPath:
		for _, p := range s.Paths {
			if glob, in := r.excludePaths.Match(p); in {
				return out(glob, p)
			}
		}
	}
	return Verdict{}
}

// LetsNothingThrough reports whether onlyTags asks for tags none of which the tree has:
// no scene can have one.
func (r Rules) LetsNothingThrough(tree Tree) bool {
	return !r.onlyTags.Empty() && len(r.onlyTags.Unknown(tree)) == len(r.onlyTags.entries)
}

// Unknown returns the entries of onlyTags and excludeTags that mean no tag of the tree.
func (r Rules) Unknown(tree Tree) (only, exclude []Unknown) {
	return r.onlyTags.Unknown(tree), r.excludeTags.Unknown(tree)
}
