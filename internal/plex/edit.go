package plex

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// ScalarEdit sets a field; an empty value clears it.
type ScalarEdit struct{ Field, Value string }

// ListEdit changes a list: Full is the whole list as it should become, Remove what
// has to go, as Plex spells it. Together they give the same whether Plex appends
// what it gets to the list or replaces the list by it.
type ListEdit struct {
	Field  string
	Full   []Tag
	Remove []string
}

// Edit is what has to change in an item.
type Edit struct {
	Scalars      []ScalarEdit
	Lists        []ListEdit
	Lock, Unlock []string
}

// userRating is the one field that an edit cannot clear.
const userRating = "userRating"

// Edit changes an item by as few requests as fit below the limit for URLs, usually
// one, and returns how many that were. It is idempotent. A list that does not fit
// into one request ([Client.Chunked]) is sent in pieces, which is right only if
// this Plex appends: read the item back, and if pieces are missing use EditLong.
func (c *Client) Edit(ctx context.Context, section, key string, e Edit) (int, error) {
	return c.edit(ctx, section, key, e, c.o.MaxURL)
}

// EditLong is Edit with URLs as long as Plex itself takes; a proxy may refuse them.
func (c *Client) EditLong(ctx context.Context, section, key string, e Edit) (int, error) {
	return c.edit(ctx, section, key, e, longMaxURL)
}

// Chunked reports whether e has a list that does not fit into one request.
func (c *Client) Chunked(section, key string, e Edit) bool {
	room := c.o.MaxURL - len(c.base) - len(editPath(section, key))
	return slices.ContainsFunc(groups(e), func(g group) bool { return g.list && g.size() > room })
}

func (c *Client) edit(ctx context.Context, section, key string, e Edit, limit int) (int, error) {
	op := "edit item " + key
	if !digits(key) || !digits(section) {
		return 0, badKey("edit an item of library "+section, key)
	}
	n := 0
	put := func(path string) error {
		n++
		return c.do(ctx, request{op: op, method: http.MethodPut, path: path})
	}
	i := slices.IndexFunc(e.Scalars, func(s ScalarEdit) bool { return s.Field == userRating && s.Value == "" })
	if i >= 0 {
		if err := put("/:/rate?key=" + key + "&identifier=com.plexapp.plugins.library&rating=-1"); err != nil {
			return n, err
		}
		e.Scalars = slices.Delete(slices.Clone(e.Scalars), i, i+1)
	}
	path := editPath(section, key)
	for _, query := range pack(groups(e), limit-len(c.base)-len(path)) {
		if err := put(path + query); err != nil {
			return n, err
		}
	}
	return n, nil
}

func editPath(section, key string) string {
	return "/library/sections/" + section + "/all?type=1&id=" + key
}

// group is a run of parameters that belong together, each with its & and encoded.
type group struct {
	params []string
	list   bool
}

func (g group) size() int {
	n := 0
	for _, p := range g.params {
		n += len(p)
	}
	return n
}

func param(name, value string) string { return "&" + escape(name) + "=" + escape(value) }

// groups writes an edit as parameters: a field with its lock, a list with its
// removals and its lock, and the locks of what does not change otherwise.
func groups(e Edit) []group {
	var all []group
	locks := map[string]string{}
	for _, f := range e.Lock {
		locks[f] = "1"
	}
	for _, f := range e.Unlock {
		locks[f] = "0"
	}
	lock := func(f string) []string {
		v, ok := locks[f]
		if !ok {
			return nil
		}
		delete(locks, f)
		return []string{param(f+".locked", v)}
	}
	for _, s := range e.Scalars {
		all = append(all, group{params: append([]string{param(s.Field+".value", s.Value)}, lock(s.Field)...)})
	}
	for _, l := range e.Lists {
		g := group{list: true}
		for i, t := range l.Full {
			element := fmt.Sprintf("%s[%d]", l.Field, i)
			p := param(element+".tag.tag", t.Name)
			if t.Role != "" {
				p += param(element+".tagging.text", t.Role)
			}
			if t.Thumb != "" {
				p += param(element+".tag.thumb", t.Thumb)
			}
			g.params = append(g.params, p)
		}
		g.params = append(g.params, removals(l)...)
		g.params = append(g.params, lock(l.Field)...)
		all = append(all, g)
	}
	for _, f := range slices.Concat(e.Lock, e.Unlock) {
		if p := lock(f); p != nil {
			all = append(all, group{params: p})
		}
	}
	return all
}

// removalsSize is how long a parameter with removals may get, in bytes.
const removalsSize = 6000

// removals writes what has to go from a list: in one parameter if it fits, because
// nobody has said what Plex makes of two of one name; those that do not fit into
// one are too long to travel together anyway. The comma separates names, so each is
// encoded once more of its own.
func removals(l ListEdit) []string {
	name := l.Field + "[].tag.tag-"
	var params []string
	value := ""
	for _, n := range l.Remove {
		n = escape(n)
		if value != "" && len(param(name, value+","+n)) > removalsSize {
			params, value = append(params, param(name, value)), ""
		}
		if value != "" {
			value += ","
		}
		value += n
	}
	if value != "" {
		params = append(params, param(name, value))
	}
	return params
}

// pack fills queries of at most room bytes with whole groups in their order. A
// group that is larger by itself is cut between its parameters.
func pack(all []group, room int) []string {
	var queries []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			queries = append(queries, b.String())
			b.Reset()
		}
	}
	for _, g := range all {
		if b.Len()+g.size() > room {
			flush()
		}
		for _, p := range g.params {
			if b.Len()+len(p) > room {
				flush()
			}
			b.WriteString(p)
		}
	}
	flush()
	return queries
}
