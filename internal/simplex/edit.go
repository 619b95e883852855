package simplex

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An edit is what the parameters of a PUT ask for, checked.
type edit struct {
	scalars map[string]string
	locks   map[string]bool
	clear   []string // lists to empty
	remove  []named  // in the order of the query, not yet read by Options.Removals
	add     map[string][]indexed
}

type named struct{ field, name string }

// indexed is FIELD[N]: what its parameters say of one element of a list.
type indexed struct {
	n      int
	given  Tag
	tagKey string
	named  bool // there is a .tag.tag
}

// checkScalar says whether a value will do: 400 for a field that does not
// exist, 500 for bad data.
func checkScalar(field, value string) int {
	kind, known := scalarFields[field]
	if !known {
		return http.StatusBadRequest
	}
	switch kind {
	case date:
		if _, err := time.Parse(time.DateOnly, value); err != nil && value != "" {
			return http.StatusInternalServerError
		}
	case rating:
		if field == "userRating" && value == "" {
			break // it clears
		}
		if f, err := strconv.ParseFloat(value, 64); err != nil || !(f >= 0 && f <= 10) {
			return http.StatusInternalServerError
		}
	case moment:
		if n, err := strconv.ParseInt(value, 10, 64); err != nil || n < 0 {
			return http.StatusInternalServerError
		}
	}
	return http.StatusOK
}

// parseEdit reads an edit from a query. Parameters that have nothing to do
// with one are left alone; the status is 200 unless one is wrong, and nothing
// is applied then.
func parseEdit(query []param) (*edit, int) {
	e := &edit{scalars: map[string]string{}, locks: map[string]bool{}, add: map[string][]indexed{}}
	found := false
	for _, p := range query {
		status := http.StatusOK
		mine := true
		if i := strings.IndexByte(p.key, '['); i >= 0 {
			status = e.parseTag(p, i)
		} else if field, ok := strings.CutSuffix(p.key, ".value"); ok {
			status = checkScalar(field, p.value)
			if _, twice := e.scalars[field]; twice {
				status = http.StatusBadRequest
			}
			e.scalars[field] = p.value
		} else if field, ok := strings.CutSuffix(p.key, ".locked"); ok {
			if !lockable(field) || p.value != "0" && p.value != "1" {
				status = http.StatusBadRequest
			}
			e.locks[field] = p.value == "1"
		} else if strings.Contains(p.key, ".") && conditionOf(p) == nil {
			status = http.StatusBadRequest
		} else {
			mine = false
		}
		if status != http.StatusOK {
			return nil, status
		}
		found = found || mine
	}
	if !found {
		return nil, http.StatusBadRequest
	}
	for _, list := range e.add {
		slices.SortFunc(list, func(a, b indexed) int { return cmp.Compare(a.n, b.n) })
		for _, one := range list {
			if !one.named {
				return nil, http.StatusBadRequest // the role of nobody
			}
		}
	}
	return e, http.StatusOK
}

// parseTag reads FIELD[N].tag.tag and its kin; the bracket is at i.
func (e *edit) parseTag(p param, i int) int {
	field := p.key[:i]
	index, what, closed := strings.Cut(p.key[i+1:], "]")
	if _, known := tagFields[field]; !known || !closed {
		return http.StatusBadRequest
	}
	if index == "" {
		switch {
		case what == ".tag.tag-":
			for name := range strings.SplitSeq(p.value, ",") {
				if name != "" {
					e.remove = append(e.remove, named{field, name})
				}
			}
		case what == ".tag" && p.value == "":
			e.clear = append(e.clear, field)
		default:
			return http.StatusBadRequest
		}
		return http.StatusOK
	}
	n, err := strconv.Atoi(index)
	if err != nil || n < 0 {
		return http.StatusBadRequest
	}
	list := e.add[field]
	at := slices.IndexFunc(list, func(one indexed) bool { return one.n == n })
	if at < 0 {
		at = len(list)
		list = append(list, indexed{n: n})
		e.add[field] = list
	}
	one := &list[at]
	switch what {
	case ".tag.tag":
		if p.value == "" || one.named {
			return http.StatusBadRequest
		}
		one.given.Name, one.named = p.value, true
	case ".tag.thumb":
		if !strings.HasPrefix(p.value, "http://") && !strings.HasPrefix(p.value, "https://") {
			return http.StatusBadRequest // there is no upload for persons
		}
		one.given.Thumb = p.value
	case ".tag.tagKey":
		one.tagKey = p.value
	case ".tagging.text":
		one.given.Role = p.value
	case ".tag.art", ".tagging.thumb", ".tagging.art", ".tagging.theme": // accepted, shown nowhere
	default:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// editSection is PUT /library/sections/{id}/all. Without ids it edits every
// item that meets the filters, which is the whole section if there are none.
func (c *call) editSection() answer {
	sec := c.s.sectionByKey(c.args[0])
	if sec == nil {
		return page(http.StatusNotFound)
	}
	var all []*item
	switch kind, _ := first(c.query, "type"); kind {
	case itoa(typeMovie):
		all = sec.items
	case itoa(typeCollection):
		all = sec.collections
	default:
		return page(http.StatusBadRequest)
	}
	e, status := parseEdit(c.query)
	if status != http.StatusOK {
		c.violateEdit()
		return page(status)
	}
	var targets []*item
	ids, _ := first(c.query, "id")
	if ids == "" {
		c.violateEdit()
		targets = slices.Clone(c.s.filter(all, slices.DeleteFunc(slices.Clone(c.query),
			func(p param) bool { return p.key == "id" })))
	} else {
		for id := range strings.SplitSeq(ids, ",") {
			n, err := strconv.ParseInt(id, 10, 64)
			if err != nil {
				return page(http.StatusBadRequest)
			}
			i, found := slices.BinarySearchFunc(all, n, byKey)
			switch {
			case found:
				targets = append(targets, all[i])
			case !c.opt.GoneIs200:
				return page(http.StatusNotFound)
			}
		}
	}
	return c.edit(targets, e)
}

// violateEdit records an edit that names no item, whether or not it was valid.
func (c *call) violateEdit() {
	if ids, _ := first(c.query, "id"); ids == "" {
		c.s.violate(c, "an edit of the whole section "+c.args[0])
	}
}

// editItems is PUT /library/metadata/{ids}.
func (c *call) editItems() answer {
	e, status := parseEdit(c.query)
	if status != http.StatusOK {
		return page(status)
	}
	var targets []*item
	for id := range strings.SplitSeq(c.args[0], ",") {
		switch it := c.s.items[parseKey(id)]; {
		case it != nil:
			targets = append(targets, it)
		case !c.opt.GoneIs200:
			return page(http.StatusNotFound)
		}
	}
	return c.edit(targets, e)
}

func (c *call) edit(targets []*item, e *edit) answer {
	if title, given := e.scalars["title"]; given {
		for _, it := range targets {
			switch {
			case it.kind != typeCollection:
			case title == "":
				return page(http.StatusBadRequest)
			case len(targets) > 1, c.s.taken(it, title):
				return page(http.StatusConflict)
			}
		}
	}
	for _, it := range targets {
		c.s.apply(it, e, c.entry.N, c.opt)
	}
	return done()
}

// taken reports whether another collection of the section has the name.
func (s *Server) taken(it *item, title string) bool {
	t := s.tags[s.tagID("collection", title)]
	c := s.collections[memberID{it.section, t}]
	return t != nil && c != nil && c.item != it
}

func (s *Server) apply(it *item, e *edit, request int, opt Options) {
	note := func(field, op, value string, changed bool) {
		s.note(it, Write{Request: request, By: API, Field: field, Op: op, Value: value, Changed: changed})
	}
	touched := false
	// Locks that are taken off come first: an unlocked sort title follows the
	// title which comes with it.
	for _, field := range slices.Sorted(maps.Keys(e.locks)) {
		if !e.locks[field] {
			note(field, "unlock", "", it.locks[field])
			it.setLock(field, false)
		}
	}
	// The sort title comes after the title, which it follows.
	for _, field := range slices.Sorted(maps.Keys(e.scalars)) {
		before := it.scalar(field)
		if field == "title" && it.kind == typeCollection {
			s.renameCollection(it, e.scalars[field])
		}
		s.setScalar(it, field, e.scalars[field])
		note(field, "set", e.scalars[field], before != it.scalar(field))
		touched = touched || field != "userRating"
	}
	empty := func() {
		for _, field := range e.clear {
			note(field, "clear", "", s.setTags(it, field, nil))
			touched = touched || opt.TagEditsTouch
		}
	}
	if !opt.ClearLast {
		empty()
	}
	for i, r := range e.remove {
		if i > 0 && opt.OneRemovalPerPUT {
			break
		}
		name := s.removedName(it, r, opt.Removals)
		note(r.field, "remove", name, s.removeTag(it, r.field, name))
		touched = touched || opt.TagEditsTouch
	}
	for _, field := range slices.Sorted(maps.Keys(e.add)) {
		var list []Tag
		for _, one := range e.add[field] {
			list = append(list, one.given)
		}
		if opt.ListsReplace {
			note(field, "replace", names(list), s.setTags(it, field, list))
		} else {
			for _, given := range list {
				note(field, "add", given.Name, s.addTag(it, field, given))
			}
		}
		for _, one := range e.add[field] {
			if one.tagKey != "" {
				s.tagFor(field, one.given.Name).tagKey = one.tagKey
			}
		}
		touched = touched || opt.TagEditsTouch
	}
	if opt.ClearLast {
		empty()
	}
	for _, field := range slices.Sorted(maps.Keys(e.locks)) {
		if e.locks[field] {
			note(field, "lock", "", !it.locks[field])
			it.setLock(field, true)
		}
	}
	if touched {
		s.touch(it)
	}
}

// removedName reads a name of a removal.
func (s *Server) removedName(it *item, r named, how Decoding) string {
	plain, err := url.PathUnescape(r.name)
	if how == DecodeOnce || err != nil {
		return r.name // one that cannot be read as encoded is taken as it is
	}
	if t := s.tags[s.tagID(r.field, r.name)]; how == DecodeBoth && t != nil && it.carries(t) {
		return r.name
	}
	return plain
}

// renameCollection moves all items of a collection to another tag.
func (s *Server) renameCollection(it *item, title string) {
	old, t := it.tag, s.tagFor("collection", title)
	if t == old {
		return
	}
	s.collections[memberID{it.section, t}] = s.collections[memberID{it.section, old}]
	delete(s.collections, memberID{it.section, old})
	it.tag = t
	for _, member := range it.section.items {
		for i, a := range member.tags["collection"] {
			if a.tag == old {
				member.tags["collection"][i].tag = t
			}
		}
	}
}

// leaveCollection is DELETE /library/collections/{id}/items/{key}.
func (c *call) leaveCollection() answer {
	collection, it := c.s.items[parseKey(c.args[0])], c.s.items[parseKey(c.args[1])]
	if collection == nil || collection.kind != typeCollection || it == nil || !it.carries(collection.tag) {
		return page(http.StatusNotFound)
	}
	name := collection.tag.name
	c.s.note(it, Write{Request: c.entry.N, By: API, Field: "collection", Op: "remove", Value: name,
		Changed: c.s.removeTag(it, "collection", name)})
	return done()
}

// rate is PUT /:/rate: -1 clears.
func (c *call) rate() answer {
	key, _ := first(c.query, "key")
	plugin, _ := first(c.query, "identifier")
	value, _ := first(c.query, "rating")
	f, err := strconv.ParseFloat(value, 64)
	if plugin != identifier || err != nil || f != -1 && !(f >= 0 && f <= 10) {
		return page(http.StatusBadRequest)
	}
	it := c.s.items[parseKey(key)]
	if it == nil {
		return page(http.StatusNotFound)
	}
	before := it.scalars["userRating"]
	if f == -1 {
		value = ""
	}
	c.s.setScalar(it, "userRating", value)
	c.s.note(it, Write{Request: c.entry.N, By: API, Field: "userRating", Op: "set", Value: value,
		Changed: before != it.scalars["userRating"]})
	return done()
}
