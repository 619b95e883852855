package fold

import "iter"

// nearLimit is the longest name, in characters, that [Nearest] guesses about: the work
// grows with its square.
const nearLimit = 64

// Nearest returns the one of all that name was probably meant to be, "" if none is like
// it: at most a third of name's characters, and at least one, may be wrong, missing or
// one too many, and two that changed places count once. Spellings that [Name] takes for
// one are the same here. Of several that are equally near it is the first.
func Nearest(name string, all iter.Seq[string]) string {
	want := []rune(Name(name))
	if len(want) == 0 || len(want) > nearLimit {
		return ""
	}
	best, least := "", max(1, len(want)/3)+1
	for candidate := range all {
		have := []rune(Name(candidate))
		switch longer := len(have) - len(want); {
		case longer >= least || -longer >= least:
			continue // at least so many are missing or too many
		case len(want) == 1 && len(have) == 1 && want[0] != have[0]:
			continue // two that differ in all they have are not alike
		}
		if d := distance(want, have); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance is how many characters must be changed, added, dropped or swapped with their
// neighbor to make b of a.
func distance(a, b []rune) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range b {
			d := row[j]
			if a[i] != b[j] {
				d = 1 + min(d, row[j+1], next[j])
				if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
					d = min(d, before[j-1]+1)
				}
			}
			next[j+1] = d
		}
		before, row = row, next
	}
	return row[len(b)]
}
