package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// File is a file of a scene, with its path as Stash sees it. Size in bytes and
// Duration are 0 where they are not known.
type File struct {
	Path     string
	Size     int64
	Duration time.Duration
}

// Part is a part of an item, with its path as Plex sees it.
type Part struct {
	// Key is the item's rating key, Index the part's position in it, from 0.
	Key      string
	Section  string
	Index    int
	Path     string
	Size     int64
	Duration time.Duration
}

// Input is what a match is made from.
type Input struct {
	Files []File
	Rules Rules
	// PushedKeys are the rating keys that were written for the scene before.
	PushedKeys []string
	// Parts are the candidates: every part whose path, folded, is that of a mapped
	// file, or else whose name, folded, is that of a file. Others do no harm; the
	// order does not matter.
	Parts []Part
	// Truncated: more parts share a file's name than are given, so a name alone
	// can never be unique.
	Truncated bool
}

// Rung is how sure a match is.
type Rung int

// The rungs, from the surest down. The first three are certain.
const (
	RungPushed Rung = iota + 1
	RungPath
	RungFolded
	RungSize
	RungTail
	RungName
)

// String names the rung to people.
func (r Rung) String() string {
	switch r {
	case RungPushed:
		return "pushed"
	case RungPath:
		return "path"
	case RungFolded:
		return "folded path"
	case RungSize:
		return "name and size"
	case RungTail:
		return "path tail"
	case RungName:
		return "name"
	}
	return "none"
}

// Hit is an item that the scene belongs in, by its part of the lowest index that
// holds one of the scene's files.
type Hit struct {
	Key, Section string
	Rung         Rung
	Part         Part
	File         File
}

// Step is one rung as it was tried, for people who ask why.
type Step struct {
	Rung       Rung
	Candidates []Part
	Verdict    string
}

// Result is the answer. Without hits the scene is not in Plex, or, if Ambiguous
// lists candidates, cannot be told from others.
type Result struct {
	// Hits are ordered by rating key.
	Hits      []Hit
	Ambiguous []Part
	Steps     []Step
	// Suggest is the path rule that would explain a hit by name; nil if there is
	// none.
	Suggest *Rule
}

// Match goes down the rungs and stops at the first that gives an answer. At the
// certain ones (1 to 3) every item that holds one of the scene's files is the
// scene's; at the others there must be exactly one.
func Match(in Input) Result {
	var r Result
	if r.certain(in) {
		return r
	}
	for _, rung := range []Rung{RungSize, RungTail, RungName} {
		var best []pair
		switch rung {
		case RungSize:
			best = bySize(in)
		case RungTail:
			best = byTail(in)
		case RungName:
			best = byName(in)
		}
		step := Step{Rung: rung, Candidates: partsOf(best)}
		keys := map[string]bool{}
		for _, p := range best {
			keys[p.part.Key] = true
		}
		switch {
		case len(keys) == 0:
			step.Verdict = "no item"
			r.Steps = append(r.Steps, step)
			continue
		case len(keys) == 1 && !(rung == RungName && in.Truncated):
			hit := best[0]
			r.Hits = []Hit{{Key: hit.part.Key, Section: hit.part.Section, Rung: rung, Part: hit.part, File: hit.file}}
			mapped, _ := in.Rules.Map(hit.file.Path)
			if mapped != hit.part.Path {
				r.Suggest = SuggestRule(hit.file.Path, hit.part.Path)
			}
			step.Verdict = "item " + hit.part.Key
		default:
			r.Ambiguous = partsOf(best)
			step.Verdict = fmt.Sprintf("%d items fit equally", len(keys))
		}
		r.Steps = append(r.Steps, step)
		return r
	}
	return r
}

// certain tries rungs 1 to 3 together.
func (r *Result) certain(in Input) bool {
	pushed := map[string]bool{}
	for _, k := range in.PushedKeys {
		pushed[k] = true
	}
	hits := map[string]Hit{}
	for _, f := range in.Files {
		mapped, _ := in.Rules.Map(f.Path)
		key := PathKey(mapped)
		exact := slices.ContainsFunc(in.Parts, func(p Part) bool { return p.Path == mapped })
		for _, p := range in.Parts {
			rung := RungPath
			if p.Path != mapped {
				// On a disk that tells cases apart, a file that has its own part is not
				// also the one whose name differs only in case.
				if exact || PathKey(p.Path) != key {
					continue
				}
				rung = RungFolded
			}
			if pushed[p.Key] {
				rung = RungPushed
			}
			if old, ok := hits[p.Key]; !ok || less(Hit{Rung: rung, Part: p, File: f}, old) {
				hits[p.Key] = Hit{Key: p.Key, Section: p.Section, Rung: rung, Part: p, File: f}
			}
		}
	}
	for _, h := range hits {
		r.Hits = append(r.Hits, h)
	}
	slices.SortFunc(r.Hits, func(a, b Hit) int { return compareKeys(a.Key, b.Key) })
	for _, rung := range []Rung{RungPushed, RungPath, RungFolded} {
		s := Step{Rung: rung, Verdict: "no item"}
		var keys []string
		for _, h := range r.Hits {
			if h.Rung == rung {
				s.Candidates = append(s.Candidates, h.Part)
				keys = append(keys, h.Key)
			}
		}
		if len(keys) > 0 {
			s.Verdict = "item " + strings.Join(keys, ", ")
		}
		r.Steps = append(r.Steps, s)
	}
	return len(r.Hits) > 0
}

// less orders the hits of one item: the first part, then the surer rung, then the
// path, so that the answer does not depend on the order of the input.
func less(a, b Hit) bool {
	return cmp.Or(cmp.Compare(a.Part.Index, b.Part.Index), cmp.Compare(a.Rung, b.Rung), cmp.Compare(a.File.Path, b.File.Path)) < 0
}

// pair is a file and a part that may hold it.
type pair struct {
	file File
	part Part
}

// pairs lists files and parts of the same name that nothing contradicts, in an
// order that does not depend on the input's.
func pairs(in Input, fits func(File, Part) bool) []pair {
	var all []pair
	for _, f := range in.Files {
		base := BaseKey(f.Path)
		if base == "" {
			continue
		}
		for _, p := range in.Parts {
			if BaseKey(p.Path) == base && !contradict(f, p) && fits(f, p) {
				all = append(all, pair{f, p})
			}
		}
	}
	slices.SortFunc(all, func(a, b pair) int {
		return cmp.Or(compareKeys(a.part.Key, b.part.Key), cmp.Compare(a.part.Index, b.part.Index),
			cmp.Compare(a.part.Path, b.part.Path), cmp.Compare(a.file.Path, b.file.Path))
	})
	return all
}

// contradict reports whether a file and a part are surely not the same: both their
// sizes and their durations are known, and neither agrees.
func contradict(f File, p Part) bool {
	return f.Size > 0 && p.Size > 0 && f.Size != p.Size &&
		f.Duration > 0 && p.Duration > 0 && !Agree(f.Duration, p.Duration)
}

func bySize(in Input) []pair {
	return pairs(in, func(f File, p Part) bool { return f.Size > 0 && f.Size == p.Size })
}

// byTail returns the pairs with the longest common tail of at least a folder and a
// name. A duration that is not known is no proof, but with sizes that agree, or
// are not known either, it is no objection.
func byTail(in Input) []pair {
	longest := 1
	tail := map[pair]int{}
	all := pairs(in, func(f File, p Part) bool {
		if !(Agree(f.Duration, p.Duration) || (f.Duration == 0 || p.Duration == 0) && (f.Size == 0 || p.Size == 0 || f.Size == p.Size)) {
			return false
		}
		n := commonTail(f.Path, p.Path)
		tail[pair{f, p}] = n
		longest = max(longest, n)
		return n >= 2
	})
	return slices.DeleteFunc(all, func(x pair) bool { return tail[x] < longest })
}

// byName returns the pairs of the same name, if one of them has durations that
// agree. A namesake whose duration is not known stands in its way.
func byName(in Input) []pair {
	agrees := false
	all := pairs(in, func(f File, p Part) bool {
		a := Agree(f.Duration, p.Duration)
		agrees = agrees || a
		return a || f.Duration == 0 || p.Duration == 0
	})
	if !agrees {
		return nil
	}
	return all
}

// commonTail counts the path elements, from the last backwards, that are alike.
func commonTail(a, b string) int {
	n := 0
	for a != "" && b != "" {
		var x, y string
		a, x = split(a)
		b, y = split(b)
		if x == "" && y == "" {
			continue
		}
		if fold(x) != fold(y) {
			break
		}
		n++
	}
	return n
}

// Agree reports whether two durations are those of one film: both known, and at
// most 2 s or one per cent apart, whichever is more.
func Agree(a, b time.Duration) bool {
	return a > 0 && b > 0 && (a-b).Abs() <= max(2*time.Second, max(a, b)/100)
}

// SuggestRule returns the rule with the shortest prefixes that maps path to
// plexPath; nil if they are equal, or do not end alike.
func SuggestRule(path, plexPath string) *Rule {
	if path == plexPath {
		return nil
	}
	from, to, n := path, plexPath, 0
	for {
		d1, b1 := split(from)
		d2, b2 := split(to)
		if b1 != b2 || d1 == "" || d2 == "" {
			break
		}
		from, to = d1, d2
		n++
	}
	if n == 0 || from == to {
		return nil
	}
	return &Rule{From: from, To: to}
}

func partsOf(all []pair) []Part {
	var parts []Part
	seen := map[string]bool{}
	for _, p := range all {
		if !seen[p.part.Key] {
			seen[p.part.Key] = true
			parts = append(parts, p.part)
		}
	}
	return parts
}

// compareKeys orders rating keys as the numbers that they are.
func compareKeys(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
