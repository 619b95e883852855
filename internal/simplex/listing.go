package simplex

import (
	"cmp"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// listAll is GET /library/sections/{id}/all: a listing, filtered, sorted and
// cut into pages. Its items are partial.
func (c *call) listAll() answer {
	sec := c.s.sectionByKey(c.args[0])
	if sec == nil {
		return page(http.StatusNotFound)
	}
	var all []*item
	switch kind, given := first(c.query, "type"); {
	case !given && sec.spec.Type == "movie", kind == itoa(typeMovie):
		all = sec.items
	case kind == itoa(typeCollection):
		all = sec.collections
	}
	if !c.opt.IgnoreFilters {
		all = c.s.filter(all, c.query)
	}
	sort, _ := first(c.query, "sort")
	if strings.Contains(sort, "ratingKey") {
		return page(http.StatusInternalServerError)
	}
	return c.pageOf(sec, c.s.sorted(sec, all, sort))
}

func (c *call) listCollections() answer {
	sec := c.s.sectionByKey(c.args[0])
	if sec == nil {
		return page(http.StatusNotFound)
	}
	return c.pageOf(sec, c.s.sorted(sec, sec.collections, ""))
}

// children lists the items of a collection.
func (c *call) children() answer {
	it := c.s.items[parseKey(c.args[0])]
	if it == nil || it.kind != typeCollection {
		return page(http.StatusNotFound)
	}
	return c.pageOf(it.section, it.section.members(it.tag))
}

// listTags is GET /library/sections/{id}/genre and the like: the values to
// filter by.
func (c *call) listTags() answer {
	sec := c.s.sectionByKey(c.args[0])
	field := c.args[1]
	if _, known := tagFields[field]; !known || sec == nil {
		c.s.violate(c, c.r.URL.Path+" is not simulated")
		return page(http.StatusNotFound)
	}
	used := map[*tag]bool{}
	for _, it := range sec.items {
		for _, a := range it.tags[field] {
			used[a.tag] = true
		}
	}
	var list []*tag
	for t := range used {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *tag) int { return cmp.Compare(a.name, b.name) })
	n := container(len(list))
	for _, t := range list {
		id := strconv.FormatInt(t.id, 10)
		n.add(element("Directory", attr{"fastKey", "/library/sections/" + c.args[0] + "/all?" + field + "=" + id},
			attr{"key", id}, attr{"title", t.name}, attr{"type", field}))
	}
	return c.show(n)
}

// pageOf cuts a page out of a listing. There are no pages without both a start and a
// size.
func (c *call) pageOf(sec *section, all []*item) answer {
	start, startErr := strconv.Atoi(cmp.Or(c.plex("X-Plex-Container-Start"), "0"))
	size, sizeErr := strconv.Atoi(cmp.Or(c.plex("X-Plex-Container-Size"), "-1"))
	limit := -1
	if v, given := first(c.query, "limit"); given {
		var err error
		if limit, err = strconv.Atoi(v); err != nil || limit < 0 {
			return page(http.StatusBadRequest)
		}
	}
	if startErr != nil || sizeErr != nil || start < 0 {
		return page(http.StatusBadRequest)
	}
	total := len(all)
	if limit >= 0 {
		all = all[:min(limit, len(all))]
	}
	paged := size >= 0 && c.plex("X-Plex-Container-Start") != ""
	if c.opt.IgnorePaging {
		paged = false
	} else {
		if !paged {
			start, size = 0, len(all)
		}
		if c.opt.MaxPage > 0 && size > c.opt.MaxPage && len(all) > c.opt.MaxPage {
			size, paged = c.opt.MaxPage, true // "some endpoints will force pagination"
		}
		start = min(start, len(all))
		all = all[start : start+min(size, len(all)-start)]
	}

	n := container(len(all))
	if paged {
		n.set("offset", start)
		if limit < 0 {
			n.set("totalSize", total)
		}
	}
	n.set("allowSync", true)
	n.set("identifier", identifier)
	sectionAttrs(n, sec)
	n.set("title1", sec.spec.Title)
	n.set("viewGroup", "movie")
	n.kids = make([]*node, 0, len(all))
	for _, it := range all {
		n.add(c.s.show(it, false))
	}
	a := c.show(n)
	if paged {
		a.header.Set("X-Plex-Container-Start", itoa(start))
		if limit < 0 {
			a.header.Set("X-Plex-Container-Total-Size", itoa(total))
		}
	}
	return a
}

// details is GET /library/metadata/{ids}: everything about the items that
// there are, 404 only if there is none.
func (c *call) details() answer {
	var found []*item
	for key := range strings.SplitSeq(c.args[0], ",") {
		if it := c.s.items[parseKey(key)]; it != nil && !slices.Contains(found, it) {
			found = append(found, it)
		}
	}
	if len(found) == 0 {
		return page(http.StatusNotFound)
	}
	slices.SortFunc(found, func(a, b *item) int { return cmp.Compare(a.key, b.key) })
	n := container(len(found))
	n.set("allowSync", true)
	n.set("identifier", identifier)
	sectionAttrs(n, found[0].section)
	for _, it := range found {
		n.add(c.s.show(it, true))
	}
	return c.show(n)
}

func sectionAttrs(n *node, sec *section) {
	n.set("librarySectionID", sec.key)
	n.set("librarySectionTitle", sec.spec.Title)
	n.set("librarySectionUUID", sec.uuid)
}

// inListing is how much of a list a listing shows; what is missing here is
// missing there, and so are the locks. It was seen in 864 items of real servers.
var inListing = map[string]int{"genre": 2, "country": 2, "director": 3, "writer": 2, "actor": 3, "collection": 2}

// inDetail is how many roles a detailed answer shows.
const inDetail = 200

// show makes the element of an item: in full, or as listings have it.
func (s *Server) show(it *item, full bool) *node {
	key := itemKey(it)
	n := &node{xml: "Video", json: "Metadata", attrs: make([]attr, 0, 28)}
	n.set("ratingKey", key)
	if it.kind == typeCollection {
		n.xml = "Directory"
		n.set("key", "/library/collections/"+key+"/children")
	} else {
		n.set("key", "/library/metadata/"+key)
	}
	n.set("guid", it.guid)
	n.setText("studio", s.shown(it, "studio"))
	if it.kind == typeCollection {
		n.set("type", "collection")
		n.set("subtype", "movie")
		n.set("childCount", s.collections[memberID{it.section, it.tag}].count)
		n.set("smart", false)
	} else {
		n.set("type", "movie")
	}
	n.set("title", s.shown(it, "title"))
	if s.shown(it, "titleSort") != s.shown(it, "title") { // left out where it says nothing new
		n.setText("titleSort", s.shown(it, "titleSort"))
	}
	if full {
		n.set("librarySectionTitle", it.section.spec.Title)
		n.set("librarySectionID", it.section.key)
		n.set("librarySectionKey", "/library/sections/"+strconv.FormatInt(it.section.key, 10))
	}
	n.setText("originalTitle", s.shown(it, "originalTitle"))
	n.setText("contentRating", s.shown(it, "contentRating"))
	n.set("summary", s.shown(it, "summary"))
	for _, field := range []string{"rating", "audienceRating", "userRating"} {
		if v := s.shown(it, field); v != "" {
			f, _ := strconv.ParseFloat(v, 64)
			n.set(field, f)
		}
	}
	n.setInt("year", int64(it.year))
	n.setText("tagline", s.shown(it, "tagline"))
	n.setText("editionTitle", s.shown(it, "editionTitle"))
	n.setText("thumb", slotPoster.address(it))
	n.setText("art", slotArt.address(it))
	n.setInt("duration", it.duration().Milliseconds())
	n.setText("originallyAvailableAt", s.shown(it, "originallyAvailableAt"))
	n.set("addedAt", it.addedAt)
	if !it.silent {
		n.set("updatedAt", it.updatedAt)
	}
	n.setInt("deletedAt", it.deletedAt)
	for i := range it.media {
		n.add(it.media[i].show(it))
	}
	if s.opt.StudioList && it.scalars["studio"] != "" {
		n.add(element("Studio", attr{"tag", "List of " + it.scalars["studio"]}))
	}
	for _, field := range tagOrder {
		list := it.tags[field]
		switch {
		case !full:
			list = list[:min(inListing[field], len(list))]
		case field == "actor":
			list = list[:min(inDetail, len(list))]
		}
		for _, a := range list {
			e := element(tagFields[field])
			if full {
				e.set("id", a.tag.id)
				e.set("filter", field+"="+strconv.FormatInt(a.tag.id, 10))
			}
			e.set("tag", s.shows(field, a.tag.name))
			if full {
				e.setText("tagKey", a.tag.tagKey)
				e.setText("role", a.text)
				e.setText("thumb", a.tag.thumb)
			}
			n.add(e)
		}
	}
	if full {
		for _, field := range it.snapshotLocks() {
			n.add(element("Field", attr{"locked", true}, attr{"name", field}))
		}
	}
	return n
}

// shown is a field as the server shows it.
func (s *Server) shown(it *item, field string) string { return s.shows(field, it.scalars[field]) }

func (s *Server) shows(field, value string) string {
	if s.opt.Shows == nil || value == "" {
		return value
	}
	return s.opt.Shows(field, value)
}

func (it *item) duration() time.Duration {
	var d time.Duration
	if len(it.media) > 0 {
		for _, p := range it.media[0].parts {
			d += p.Duration
		}
	}
	return d
}

func (m *media) show(it *item) *node {
	n := element("Media")
	n.set("id", m.id)
	var d time.Duration
	for _, p := range m.parts {
		d += p.Duration
	}
	n.setInt("duration", d.Milliseconds())
	if d > 0 { // analyzed
		n.set("width", 1920)
		n.set("height", 1080)
		n.set("aspectRatio", 1.78)
		n.set("videoCodec", "h264")
		n.set("videoResolution", "1080")
	}
	n.set("container", m.parts[0].container())
	if m.parts[0].Optimized {
		n.set("proxyType", 42)
		n.set("target", "Optimized for Mobile")
		n.set("title", "Optimized for Mobile")
	}
	for _, p := range m.parts {
		id := strconv.FormatInt(p.id, 10)
		e := element("Part")
		e.set("id", p.id)
		e.set("key", "/library/parts/"+id+"/"+strconv.FormatInt(it.addedAt, 10)+"/file."+p.container())
		e.setInt("duration", p.Duration.Milliseconds())
		e.set("file", p.File)
		e.set("size", p.Size)
		e.set("container", p.container())
		n.add(e)
	}
	return n
}

func (p part) container() string {
	if p.Container != "" {
		return p.Container
	}
	return strings.ToLower(p.File[strings.LastIndexByte(p.File, '.')+1:])
}

// sorted brings items into an order such as "addedAt:desc,id". Ties are
// broken by key. Items come sorted by key.
func (s *Server) sorted(sec *section, items []*item, order string) []*item {
	order = cmp.Or(order, "titleSort")
	if order == "id" || order == "id:asc" {
		return items
	}
	whole := len(items) == len(sec.items) && len(items) > 0 && items[0] == sec.items[0]
	if whole {
		sec.ordersMu.Lock()
		defer sec.ordersMu.Unlock()
		if cached := sec.orders[order]; cached != nil {
			return cached
		}
	}
	compare := func(a, b *item) int { return cmp.Compare(a.key, b.key) }
	keys := strings.Split(order, ",")
	slices.Reverse(keys)
	for _, key := range keys {
		name, direction, _ := strings.Cut(key, ":")
		by, then := sortKey(strings.TrimPrefix(name, "movie.")), compare
		if by == nil {
			continue
		}
		sign := 1
		if direction == "desc" {
			sign = -1
		}
		compare = func(a, b *item) int { return cmp.Or(sign*by(a, b), then(a, b)) }
	}
	list := slices.Clone(items)
	slices.SortFunc(list, compare)
	if whole {
		sec.orders[order] = list
	}
	return list
}

// sortKey returns nil for an order that is not known; such are ignored.
func sortKey(name string) func(a, b *item) int {
	number := func(f func(*item) float64) func(a, b *item) int {
		return func(a, b *item) int { return cmp.Compare(f(a), f(b)) }
	}
	switch name {
	case "id", "addedAt", "updatedAt", "year", "duration", "rating", "audienceRating", "userRating":
		return number(func(it *item) float64 { return it.number(name) })
	case "originallyAvailableAt":
		return func(a, b *item) int { return cmp.Compare(a.scalars[name], b.scalars[name]) }
	case "title", "titleSort":
		return func(a, b *item) int {
			return cmp.Compare(strings.ToLower(a.scalars[name]), strings.ToLower(b.scalars[name]))
		}
	}
	return nil
}

func (it *item) number(name string) float64 {
	switch name {
	case "id":
		return float64(it.key)
	case "addedAt":
		return float64(it.addedAt)
	case "updatedAt":
		return float64(it.updatedAt)
	case "year":
		return float64(it.year)
	case "duration":
		return float64(it.duration().Milliseconds())
	case "originallyAvailableAt":
		t, err := time.Parse(time.DateOnly, it.scalars[name])
		if err != nil {
			return math.Inf(-1)
		}
		return float64(t.Unix())
	}
	f, err := strconv.ParseFloat(it.scalars[name], 64)
	if err != nil {
		return -1
	}
	return f
}

// A condition is one filter: field, operator and values, of which one must
// fit, or all for the operators that end in '&'.
type condition struct {
	field, op string
	values    []string
	all       bool
}

// conditionOf reads a filter such as title==x, addedAt>>=5 or genre=1,2; the
// operator may be percent-encoded, wholly or in part. A parameter that is no
// filter is nil: the server takes no notice of it.
func conditionOf(p param) *condition {
	i := strings.IndexAny(p.key, "!<>=&")
	name, op := p.key, ""
	if i >= 0 {
		name, op = p.key[:i], p.key[i:]
	}
	name = strings.TrimPrefix(name, "movie.")
	if !filterable(name) {
		return nil
	}
	value := p.value
	op, all := strings.CutSuffix(op, "&")
	if !strings.HasSuffix(op, "=") {
		op += "="
		if p.eq { // title==x came apart at its first '='
			op += "="
			value = value[1:]
		}
	}
	c := &condition{field: name, op: op, all: all}
	for v := range strings.SplitSeq(value, ",") {
		// A comma within a value is encoded once more.
		if plain, err := url.PathUnescape(v); err == nil {
			v = plain
		}
		c.values = append(c.values, v)
	}
	return c
}

func filterable(name string) bool {
	if _, tags := tagFields[name]; tags {
		return true
	}
	switch name {
	case "title", "studio", "contentRating", "guid", "id", "year", "duration", "rating", "audienceRating",
		"userRating", "addedAt", "updatedAt", "originallyAvailableAt", "unwatched", "unmatched":
		return true
	}
	return false
}

// filter returns the items that meet all filters, the list itself if there are
// none.
func (s *Server) filter(items []*item, query []param) []*item {
	var conditions []*condition
	for _, p := range query {
		if c := conditionOf(p); c != nil {
			conditions = append(conditions, c)
		}
	}
	if len(conditions) == 0 {
		return items
	}
	var list []*item
next:
	for _, it := range items {
		for _, c := range conditions {
			if !s.meets(it, c) {
				continue next
			}
		}
		list = append(list, it)
	}
	return list
}

func (s *Server) meets(it *item, c *condition) bool {
	negative := strings.HasPrefix(c.op, "!")
	fits := func(v string) bool { return s.fits(it, c, v) }
	if c.all || negative {
		return !slices.ContainsFunc(c.values, func(v string) bool { return !fits(v) })
	}
	return slices.ContainsFunc(c.values, fits)
}

func (s *Server) fits(it *item, c *condition, v string) bool {
	if _, tags := tagFields[c.field]; tags {
		t := s.tagByID[parseKey(v)] // by id, never by name
		has := t != nil && t.field == c.field && it.carries(t)
		return has == !strings.HasPrefix(c.op, "!")
	}
	switch c.field {
	case "title", "studio", "contentRating", "guid":
		have, want := strings.ToLower(it.scalars[c.field]), strings.ToLower(v)
		if c.field == "guid" {
			have = it.guid
		}
		exact := c.field == "contentRating" || c.field == "guid"
		switch c.op {
		case "=":
			return have == want || !exact && strings.Contains(have, want)
		case "!=":
			return have != want && (exact || !strings.Contains(have, want))
		case "==":
			return have == want
		case "!==":
			return have != want
		case "<=":
			return strings.HasPrefix(have, want)
		case ">=":
			return strings.HasSuffix(have, want)
		}
		return false
	case "unwatched", "unmatched": // nothing here is ever watched or matched
		return (v == "1") == (c.op == "=")
	}
	want, ok := s.moment(c.field, v)
	if !ok {
		return false
	}
	have := it.number(c.field)
	switch c.op {
	case "=", "==":
		return have == want
	case "!=", "!==":
		return have != want
	case ">>=":
		return have > want
	case "<<=":
		return have < want
	case ">=":
		return have >= want
	case "<=":
		return have <= want
	}
	return false
}

// moment reads a number; for dates also 2026-01-31 and the relative -3y.
func (s *Server) moment(field, v string) (float64, bool) {
	if f, err := strconv.ParseFloat(v, 64); err == nil {
		return f, true
	}
	switch field {
	case "addedAt", "updatedAt", "originallyAvailableAt":
	default:
		return 0, false
	}
	if t, err := time.Parse(time.DateOnly, v); err == nil {
		return float64(t.Unix()), true
	}
	unit := strings.TrimLeft(v, "+-0123456789")
	n, err := strconv.Atoi(strings.TrimSuffix(v, unit))
	if err != nil {
		return 0, false
	}
	now := s.opt.Now()
	switch unit {
	case "s":
		now = now.Add(time.Duration(n) * time.Second)
	case "m":
		now = now.Add(time.Duration(n) * time.Minute)
	case "h":
		now = now.Add(time.Duration(n) * time.Hour)
	case "d":
		now = now.AddDate(0, 0, n)
	case "w":
		now = now.AddDate(0, 0, 7*n)
	case "mon":
		now = now.AddDate(0, n, 0)
	case "y":
		now = now.AddDate(n, 0, 0)
	default:
		return 0, false
	}
	return float64(now.Unix()), true
}
