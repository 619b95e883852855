package main

import (
	"fmt"
	"strconv"

	"github.com/plexsync/plexsync/internal/store"
)

// idArgument reads a positive whole number from the arguments; Stash gives
// numbers as JSON numbers or, from the task page, as strings.
func (p *process) idArgument(name string) (int64, error) {
	return positive(name, p.in.Args[name])
}

func positive(name string, v any) (int64, error) {
	id, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if err != nil || id <= 0 {
		return 0, fmt.Errorf("argument %s: must be a positive whole number, for example 12", name)
	}
	return id, nil
}

// limits reads limit and offset for lists.
func (p *process) limits() (limit, offset int) {
	number := func(name string, fallback int) int {
		n, err := strconv.Atoi(fmt.Sprint(p.in.Args[name]))
		if err != nil || n < 0 {
			return fallback
		}
		return n
	}
	return min(number("limit", 100), 1000), number("offset", 0)
}

// list reads what part of a table is asked for.
func (p *process) list() store.List {
	limit, offset := p.limits()
	l := store.List{Limit: limit, Offset: offset}
	l.Search, _ = p.in.Args["search"].(string)
	l.Sort, _ = p.in.Args["sort"].(string)
	l.Desc, _ = p.in.Args["desc"].(bool)
	return l
}
