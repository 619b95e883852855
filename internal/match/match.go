// Package match decides which item of Plex a scene of Stash is: path rules, and
// six rungs from certain to likely. It is pure: the candidates are handed in,
// and nothing is ever guessed. Several items that fit equally are ambiguous. Its words
// are package job's, so that what the index holds is matched as it is.
package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/fold"
	"github.com/plexsync/plexsync/internal/job"
)

// File is a file of a scene, with its path as Stash sees it. Size, in bytes, and
// Duration are 0 where they are not known; less is taken for 0.
type File struct {
	Path     string
	Size     int64
	Duration time.Duration
}

// Part is a part of an item, as the index holds it: package job has the word. A match
// goes by its item's Key and Section, its Index, Path, Size and Duration; the rest goes
// along into the hit.
type Part = job.Part

// Input is what a match is made from.
type Input struct {
	Files []File
	Rules Rules
	// PushedKeys are the rating keys that were written for the scene before.
	PushedKeys []string
	// Parts are the candidates: every part whose [fold.Path] is that of a mapped file,
	// or else, if there is none, whose [fold.Base] is that of a file. Others do no
	// harm.
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
	Hits []Hit
	// Ambiguous are the candidates, one part of each, that the last rung which found
	// several could not tell apart.
	Ambiguous []Part
	Steps     []Step
	// Suggest is the path rule that would explain a hit by name; nil if there is
	// none.
	Suggest *Rule
}

// Match goes down the rungs and stops at the first that gives an answer. At the
// certain ones (1 to 3) every item that holds one of the scene's files is the
// scene's; at the others there must be exactly one, and several that one of them
// cannot tell apart are handed to the next. What is in Plex's trash, or an optimized
// version, is no candidate while another part fits. The answer does not depend on
// the order of the input.
func Match(in Input) Result {
	kept := in
	kept.Parts = slices.DeleteFunc(slices.Clone(in.Parts), spare)
	r := match(kept)
	if len(kept.Parts) == len(in.Parts) || len(r.Hits) > 0 {
		return r
	}
	// A path that is certain beats names that are not.
	if all := match(in); len(r.Ambiguous) == 0 || len(all.Hits) > 0 && all.Hits[0].Rung <= RungFolded {
		return all
	}
	return r
}

// spare reports whether p stands for its film only while nothing better does.
func spare(p Part) bool { return p.Trashed || p.Optimized }

func match(in Input) Result {
	var r Result
	bases := make([]string, len(in.Parts))
	for i, p := range in.Parts {
		bases[i] = fold.Base(p.Path)
	}
	if r.certain(in, bases) {
		return r
	}
	all := namesakes(in, bases) // those that no rung has ruled out
	for _, rung := range []Rung{RungSize, RungTail, RungName} {
		fits := make([][]pair, len(all))
		for i, of := range all {
			switch {
			case rung == RungSize:
				fits[i] = bySize(of)
			case rung == RungTail:
				fits[i] = byTail(of)
			case len(r.Ambiguous) > 0:
				fits[i] = byDuration(of)
			default:
				fits[i] = of
			}
		}
		fit := slices.Concat(fits...)
		slices.SortFunc(fit, comparePairs)
		proof := 0 // the pair that tells of the item
		if rung == RungName {
			proof = slices.IndexFunc(fit, pair.agree)
		}
		if proof < 0 {
			fit = nil // a name alone says nothing
		}
		parts := firstParts(fit)
		step := Step{Rung: rung, Candidates: parts, Verdict: "no item"}
		switch {
		case len(parts) == 0:
		case len(parts) == 1 && rung == RungName && in.Truncated:
			r.Ambiguous = parts
			step.Verdict = "item " + parts[0].Key + ", but more files have this name than were checked"
		case len(parts) == 1:
			p := fit[proof]
			step.Verdict = told(*p.part)
			r.Steps = append(r.Steps, step)
			r.Hits = []Hit{{Key: p.part.Key, Section: p.part.Section, Rung: rung, Part: *p.part, File: *p.file}}
			r.Suggest = SuggestRule(p.file.Path, p.part.Path)
			r.Ambiguous = nil
			return r
		case rung == RungName:
			r.Ambiguous = parts
			step.Verdict = fmt.Sprintf("%d items have this name", len(parts))
		default:
			r.Ambiguous, all = parts, fits
			step.Verdict = fmt.Sprintf("%d items fit equally", len(parts))
		}
		r.Steps = append(r.Steps, step)
	}
	return r
}

// told is how a verdict names an item.
func told(p Part) string {
	if p.Trashed {
		return "item " + p.Key + ", which is in Plex's trash"
	}
	return "item " + p.Key
}

// certain tries rungs 1 to 3 together. A path that does not end in a name is no
// file's.
func (r *Result) certain(in Input, bases []string) bool {
	pushed := map[string]bool{}
	for _, k := range in.PushedKeys {
		pushed[k] = true
	}
	paths := make([]string, len(in.Parts)) // folded when first asked for
	// at returns the parts that hold the file of a path, and whether one has exactly
	// this path. On a disk that tells cases apart, a file that has its own part is not
	// also the one whose name differs only in case. On Windows it is.
	at := func(path string) (held []int, exact bool) {
		base, key := fold.Base(path), fold.Path(path)
		if base == "" {
			return nil, false
		}
		exact = slices.ContainsFunc(in.Parts, func(p Part) bool { return p.Path == path })
		for i, p := range in.Parts {
			switch {
			case p.Path == path:
				held = append(held, i)
				continue
			case bases[i] != base, exact && !onWindows(p.Path):
				continue
			case paths[i] == "":
				paths[i] = fold.Path(p.Path)
			}
			if paths[i] == key {
				held = append(held, i)
			}
		}
		return held, exact
	}
	hits := map[string]Hit{}
	for _, f := range in.Files {
		// One of the file's possible paths is its own: the first that Plex has exactly,
		// or else the first that it has.
		var held []int
		var path string
		sure := false
		for _, m := range in.Rules.MapAll(f.Path) {
			if parts, exact := at(m.Path); len(parts) > 0 && (held == nil || exact && !sure) {
				held, path, sure = parts, m.Path, exact
			}
		}
		for _, i := range held {
			p := in.Parts[i]
			rung := RungFolded
			if p.Path == path {
				rung = RungPath
			}
			if pushed[p.Key] {
				rung = RungPushed
			}
			h := Hit{Key: p.Key, Section: p.Section, Rung: rung, Part: p, File: f}
			if old, ok := hits[p.Key]; !ok || compareHits(h, old) < 0 {
				hits[p.Key] = h
			}
		}
	}
	for _, h := range hits {
		r.Hits = append(r.Hits, h)
	}
	slices.SortFunc(r.Hits, func(a, b Hit) int { return compareKeys(a.Key, b.Key) })
	for _, rung := range []Rung{RungPushed, RungPath, RungFolded} {
		s := Step{Rung: rung, Verdict: "no item"}
		var items []string
		for _, h := range r.Hits {
			if h.Rung == rung {
				s.Candidates = append(s.Candidates, h.Part)
				items = append(items, told(h.Part))
			}
		}
		if len(items) > 0 {
			s.Verdict = strings.Join(items, ", ")
		}
		r.Steps = append(r.Steps, s)
	}
	return len(r.Hits) > 0
}

// compareHits orders the hits of one item: the first part, then the surer rung.
// The rest is there so that the answer does not depend on the order of the input.
func compareHits(a, b Hit) int {
	return cmp.Or(cmp.Compare(a.Part.Index, b.Part.Index), cmp.Compare(a.Rung, b.Rung),
		comparePairs(pair{&a.File, &a.Part}, pair{&b.File, &b.Part}))
}

// pair is a file and a part that may hold it.
type pair struct {
	file *File
	part *Part
}

// agree reports whether the durations of p agree.
func (p pair) agree() bool { return Agree(p.file.Duration, p.part.Duration) }

func comparePairs(a, b pair) int {
	return cmp.Or(compareKeys(a.part.Key, b.part.Key), cmp.Compare(a.part.Index, b.part.Index),
		strings.Compare(a.part.Path, b.part.Path), strings.Compare(a.file.Path, b.file.Path),
		strings.Compare(a.part.Section, b.part.Section),
		cmp.Compare(a.part.Size, b.part.Size), cmp.Compare(a.part.Duration, b.part.Duration),
		cmp.Compare(a.file.Size, b.file.Size), cmp.Compare(a.file.Duration, b.file.Duration))
}

// namesakes lists for each file the parts of its name that it may be, bases being
// the folded names of in.Parts.
func namesakes(in Input, bases []string) [][]pair {
	all := make([][]pair, len(in.Files))
	for i := range in.Files {
		base := fold.Base(in.Files[i].Path)
		if base == "" {
			continue
		}
		for j := range in.Parts {
			if p := (pair{&in.Files[i], &in.Parts[j]}); bases[j] == base && !p.contradict() {
				all[i] = append(all[i], p)
			}
		}
	}
	return all
}

// contradict reports whether file and part are surely not the same: both their
// sizes and their durations are known, and neither agrees.
func (p pair) contradict() bool {
	return p.file.Size > 0 && p.part.Size > 0 && p.file.Size != p.part.Size &&
		p.file.Duration > 0 && p.part.Duration > 0 && !p.agree()
}

// bySize returns those of a file's pairs whose sizes agree.
func bySize(of []pair) (fit []pair) {
	for _, p := range of {
		if p.file.Size > 0 && p.file.Size == p.part.Size {
			fit = append(fit, p)
		}
	}
	return fit
}

// byDuration returns those of a file's pairs whose durations do not speak against it.
// It tells apart what a surer rung could not; a name by itself is not proof enough to
// set another file of that name aside.
func byDuration(of []pair) (fit []pair) {
	for _, p := range of {
		if p.file.Duration <= 0 || p.part.Duration <= 0 || p.agree() {
			fit = append(fit, p)
		}
	}
	return fit
}

// byTail returns those of a file's pairs with the longest common tail, of at least
// a folder and a name. A duration that is not known is no proof, but with sizes
// that agree, or are not known either, it is no objection.
func byTail(of []pair) (fit []pair) {
	longest := 2
	for _, x := range of {
		f, p := x.file, x.part
		unknown := (f.Duration <= 0 || p.Duration <= 0) && (f.Size <= 0 || p.Size <= 0 || f.Size == p.Size)
		if !unknown && !x.agree() {
			continue
		}
		n := commonTail(f.Path, p.Path)
		if n > longest {
			longest, fit = n, nil
		}
		if n == longest {
			fit = append(fit, x)
		}
	}
	return fit
}

// commonTail counts the path elements, from the last backwards, that are alike.
func commonTail(a, b string) int {
	for n := 0; ; n++ {
		var x, y string
		a, x = last(a)
		b, y = last(b)
		if x == "" || x != y && fold.Element(x, false) != fold.Element(y, false) {
			return n
		}
	}
}

// last cuts the last element off path; slashes after it do not count. The element
// is "" at the root.
func last(path string) (dir, element string) {
	return fold.Split(strings.TrimRight(path, `/\`))
}

// Agree reports whether two durations are those of one film: both known, and at
// most 2 s or one per cent apart, whichever is more.
func Agree(a, b time.Duration) bool {
	return a > 0 && b > 0 && (a-b).Abs() <= max(2*time.Second, max(a, b)/100)
}

// SuggestRule returns the rule with the shortest prefixes that maps path to
// plexPath, letters' case and Unicode form aside; nil if they are equal in that
// sense, do not end alike, or the rule cannot be written in the setting. A prefix
// is a whole root ("/") only if there is no other: such a rule claims every path.
func SuggestRule(path, plexPath string) *Rule {
	want := fold.Path(plexPath)
	if fold.Path(path) == want {
		return nil
	}
	from, to := path, plexPath
	for n := 0; ; n++ {
		d1, b1 := fold.Split(from)
		d2, b2 := fold.Split(to)
		if b1 == "" || b1 != b2 && fold.Element(b1, false) != fold.Element(b2, false) || n > 0 && (d1 == "" || d2 == "") {
			break
		}
		from, to = d1, d2
		if d1 == "" || d2 == "" {
			break
		}
	}
	rule := Rule{From: cmp.Or(from, "/"), To: cmp.Or(to, "/")}
	if again, err := ParseRules(rule.String()); err != nil || len(again) != 1 || again[0] != rule {
		return nil
	}
	// A name that itself holds a backslash is cut where no folder ends, and files
	// whose names differ are not mapped to each other.
	if mapped, _ := (Rules{rule}).Map(path); len(from) == len(path) || fold.Path(mapped) != want {
		return nil
	}
	return &rule
}

// firstParts returns of each item the first part that is among pairs, which are in
// order.
func firstParts(pairs []pair) []Part {
	var parts []Part
	for _, p := range pairs {
		if len(parts) == 0 || parts[len(parts)-1].Key != p.part.Key {
			parts = append(parts, *p.part)
		}
	}
	return parts
}

// compareKeys orders rating keys as the numbers that they are.
func compareKeys(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
