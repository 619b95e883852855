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
// this Plex appends: read the item back, and if pieces are missing use EditLong. A
// single value that does not fit is sent all the same.
func (c *Client) Edit(ctx context.Context, section, key string, e Edit) (int, error) {
	return c.edit(ctx, section, key, e, c.o.MaxURL)
}

// EditLong is Edit with URLs as long as Plex itself takes; a proxy may refuse them.
func (c *Client) EditLong(ctx context.Context, section, key string, e Edit) (int, error) {
	return c.edit(ctx, section, key, e, max(longMaxURL, c.o.MaxURL))
}

// Chunked reports whether e has a list that Edit cannot send in one request.
func (c *Client) Chunked(section, key string, e Edit) bool {
	room := c.room(section, key, c.o.MaxURL)
	return slices.ContainsFunc(groups(e, room), func(g group) bool { return size(g.params[:g.elements]) > room })
}

func (c *Client) edit(ctx context.Context, section, key string, e Edit, limit int) (int, error) {
	switch {
	case !isKey(section):
		return 0, badKey("edit an item of a library", section)
	case !isKey(key):
		return 0, badKey("edit an item", key)
	}
	n := 0
	put := func(path string) error {
		n++
		return c.do(ctx, request{op: "edit item " + key, method: http.MethodPut, path: path})
	}
	i := slices.IndexFunc(e.Scalars, func(s ScalarEdit) bool { return s.Field == userRating && s.Value == "" })
	if i >= 0 {
		if err := put("/:/rate?key=" + key + "&identifier=com.plexapp.plugins.library&rating=-1"); err != nil {
			return n, err
		}
		e.Scalars = slices.Delete(slices.Clone(e.Scalars), i, i+1)
	}
	room := c.room(section, key, limit)
	for _, query := range pack(groups(e, room), room) {
		if err := put(editPath(section, key) + query); err != nil {
			return n, err
		}
	}
	return n, nil
}

func editPath(section, key string) string {
	return "/library/sections/" + section + "/all?type=1&id=" + key
}

// room is how many bytes of parameters an edit's URL has room for.
func (c *Client) room(section, key string, limit int) int {
	return limit - 1 - len(c.base) - len(editPath(section, key))
}

// group is a run of parameters that belong together, each with its & and encoded.
type group struct {
	params []string
	// elements is how many of them, from the first, are a list's wanted elements. To
	// a Plex that replaces lists they are one value.
	elements int
}

func size(params []string) int {
	n := 0
	for _, p := range params {
		n += len(p)
	}
	return n
}

func param(name, value string) string { return "&" + escape(name) + "=" + escape(value) }

// groups writes an edit as parameters: a field with its lock, a list with its
// removals and its lock, and the locks of what does not change otherwise.
func groups(e Edit, room int) []group {
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
		var g group
		for _, t := range l.Full {
			if t.Name == "" {
				continue
			}
			element := fmt.Sprintf("%s[%d]", l.Field, len(g.params))
			p := param(element+".tag.tag", t.Name)
			if t.Role != "" {
				p += param(element+".tagging.text", t.Role)
			}
			if t.Thumb != "" {
				p += param(element+".tag.thumb", t.Thumb)
			}
			g.params = append(g.params, p)
		}
		g.elements = len(g.params)
		g.params = append(append(g.params, removals(l, room)...), lock(l.Field)...)
		all = append(all, g)
	}
	for _, f := range slices.Concat(e.Lock, e.Unlock) {
		if p := lock(f); p != nil {
			all = append(all, group{params: p})
		}
	}
	return all
}

// removals writes what has to go from a list: one parameter if it fits, for nobody
// has said what Plex makes of two of that name. Two would not fit into one request.
// The comma separates names, so each is encoded once more of its own.
func removals(l ListEdit, room int) []string {
	name := l.Field + "[].tag.tag-"
	var params []string
	value := ""
	for _, n := range l.Remove {
		switch n = escape(n); {
		case n == "":
		case value == "":
			value = n
		case len(param(name, value+","+n)) > room:
			params = append(params, param(name, value))
			value = n
		default:
			value += "," + n
		}
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
		if b.Len()+size(g.params) > room {
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
