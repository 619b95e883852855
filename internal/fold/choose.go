package fold

import (
	"slices"
	"strings"
)

// Titled is what a person can name in a setting by its title or by its key, such as a
// library of Plex.
type Titled struct{ Key, Title string }

// Choose returns which of all the names mean, as indexes in ascending order, and the
// names that mean none. A name means the titles that are written exactly so. If there
// is none, it means what has it for its key; then the titles that differ from it in
// case or Unicode form only; then the one title that also differs in blanks at its
// ends, which nobody sees. Two that differ in nothing else are told apart by the exact
// one.
func Choose(names []string, all []Titled) (chosen []int, unknown []string) {
	for _, name := range names {
		found := means(name, all)
		if len(found) == 0 {
			unknown = append(unknown, name)
		}
		chosen = append(chosen, found...)
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), unknown
}

func means(name string, all []Titled) []int {
	trimmed := strings.TrimSpace(name)
	folded, bare := full(name), full(trimmed)
	for _, fits := range []func(Titled) bool{
		func(t Titled) bool { return t.Title == name },
		func(t Titled) bool { return t.Key == trimmed },
		func(t Titled) bool { return full(t.Title) == folded },
	} {
		if found := indexes(all, fits); len(found) > 0 {
			return found
		}
	}
	if found := indexes(all, func(t Titled) bool { return Name(t.Title) == bare }); len(found) == 1 && bare != "" {
		return found
	}
	return nil
}

func indexes(all []Titled, fits func(Titled) bool) (found []int) {
	for i, t := range all {
		if fits(t) {
			found = append(found, i)
		}
	}
	return found
}
