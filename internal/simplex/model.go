package simplex

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// The types of metadata that the simulator knows, as Plex numbers them.
const (
	typeMovie      = 1
	typeCollection = 18
)

// fieldKind says what a scalar field holds.
type fieldKind int

const (
	text   fieldKind = iota
	date             // YYYY-MM-DD
	rating           // 0..10
	moment           // seconds since the epoch
)

// scalarFields are the fields that an edit may set, by edit name. "sortTitle",
// in some examples, is not among them: titleSort is what python-plexapi's users
// get to work. year has no editor, it follows the date.
var scalarFields = map[string]fieldKind{
	"title": text, "titleSort": text, "originalTitle": text, "summary": text,
	"tagline": text, "studio": text, "contentRating": text, "editionTitle": text,
	"originallyAvailableAt": date,
	"userRating":            rating, "rating": rating, "audienceRating": rating,
	"addedAt": moment,
}

// tagFields are the list fields by edit name, with the element that shows them.
var tagFields = map[string]string{
	"genre": "Genre", "country": "Country", "director": "Director", "writer": "Writer",
	"producer": "Producer", "actor": "Role", "collection": "Collection", "label": "Label",
	"similar": "Similar", "mood": "Mood", "style": "Style",
}

// tagOrder is the order in which the lists are shown.
var tagOrder = []string{"genre", "country", "director", "writer", "producer", "actor",
	"collection", "label", "similar", "mood", "style"}

// lockOnly are the fields that can be locked but not set by value.
var lockOnly = map[string]bool{"thumb": true, "art": true, "theme": true, "banner": true,
	"clearLogo": true, "squareArt": true, "year": true}

func lockable(field string) bool {
	_, scalar := scalarFields[field]
	_, tags := tagFields[field]
	return scalar || tags || lockOnly[field]
}

// A tag is one row of the server's table of tags: one per field and name, for
// all items of all sections.
type tag struct {
	id     int64
	field  string
	name   string
	thumb  string
	tagKey string
}

// An assoc is one element of an item's list.
type assoc struct {
	tag  *tag
	text string // the role of an actor
}

type tagID struct{ field, name string }

// tagFor returns the row of a name, made if need be. The first spelling stays.
func (s *Server) tagFor(field, name string) *tag {
	id := s.tagID(field, name)
	t := s.tags[id]
	if t == nil {
		t = &tag{id: s.newID(), field: field, name: spelled(field, name)}
		s.tags[id] = t
		s.tagByID[t.id] = t
	}
	return t
}

func (s *Server) tagID(field, name string) tagID { return tagID{field, s.fold(spelled(field, name))} }

// fold is what two spellings of one tag have in common.
func (s *Server) fold(name string) string {
	if s.opt.TagsKeepCase {
		return name
	}
	return nocase(name)
}

// nocase folds A to Z, as the column of the server's database does.
func nocase(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// spelled is how a name is kept: labels get a capital first letter.
func spelled(field, name string) string {
	if field != "label" || name == "" {
		return name
	}
	r, n := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(r)) + name[n:]
}

// An item is a movie or a collection.
type item struct {
	key     int64
	kind    int // typeMovie or typeCollection
	section *section
	guid    string
	tag     *tag // of a collection: what its items carry

	scalars   map[string]string // without empty ones; not addedAt
	year      int
	addedAt   int64
	updatedAt int64
	deletedAt int64              // when it came into the trash, 0 = it is not there
	silent    bool               // it does not show updatedAt
	tags      map[string][]assoc // nil until there is one
	locks     map[string]bool    // true only
	media     []media

	thumb, art gallery
}

type media struct {
	id    int64
	parts []part
}

type part struct {
	id int64
	PartSpec
}

// A gallery is the pictures that an item has for one slot.
type gallery struct {
	pictures []picture
	selected string // a picture's uri, "" for none
	at       int64  // the number in the slot's address
}

// A picture is one entry of a gallery. uri is upload://, metadata:// or media://.
type picture struct {
	uri, provider string
	sha1          string // of its bytes in Server.blobs
}

func (g *gallery) has(uri string) bool {
	return slices.ContainsFunc(g.pictures, func(p picture) bool { return p.uri == uri })
}

func (g *gallery) sha1() string {
	for _, p := range g.pictures {
		if p.uri == g.selected {
			return p.sha1
		}
	}
	return ""
}

// choose selects a picture and moves the slot's number, also within a second.
func (g *gallery) choose(uri string, now int64) {
	g.selected = uri
	g.at = max(now, g.at+1)
}

type section struct {
	key  int64
	spec SectionSpec
	uuid string

	items       []*item // movies by key
	collections []*item // by key
	onDisk      []ItemSpec

	createdAt, updatedAt, scannedAt, contentChangedAt int64

	// orders keeps listings in other orders than by key, until a change. Its
	// mutex is for listings that run side by side; changes have the server's.
	ordersMu sync.Mutex
	orders   map[string][]*item
}

func (sec *section) changed() { clear(sec.orders) }

func byKey(it *item, key int64) int { return int(it.key - key) }

func drop(list []*item, it *item) []*item {
	if i, found := slices.BinarySearchFunc(list, it.key, byKey); found {
		return slices.Delete(list, i, i+1)
	}
	return list
}

// newID numbers everything: sections apart, no two things share a number.
func (s *Server) newID() int64 {
	s.lastID++
	return s.lastID
}

func (s *Server) now() int64 { return s.opt.Now().Unix() }

// create puts an item into its section. The caller holds the lock.
func (s *Server) create(sec *section, kind int, guid string) *item {
	now := s.now()
	it := &item{key: s.newID(), kind: kind, section: sec, guid: guid,
		scalars: map[string]string{}, addedAt: now, updatedAt: now}
	s.items[it.key] = it
	if kind == typeCollection {
		sec.collections = append(sec.collections, it)
	} else {
		sec.items = append(sec.items, it)
	}
	sec.contentChangedAt++
	sec.changed()
	return it
}

// remove takes an item away, and the collections of which it was the last.
func (s *Server) remove(it *item) {
	delete(s.items, it.key)
	sec := it.section
	if it.kind == typeCollection {
		sec.collections = drop(sec.collections, it)
	} else {
		sec.items = drop(sec.items, it)
		for _, a := range it.tags["collection"] {
			s.leave(sec, a.tag)
		}
	}
	sec.contentChangedAt++
	sec.changed()
}

// members returns the items that carry a collection's tag.
func (sec *section) members(t *tag) []*item {
	var list []*item
	for _, it := range sec.items {
		if it.carries(t) {
			list = append(list, it)
		}
	}
	return list
}

func (it *item) carries(t *tag) bool {
	return slices.ContainsFunc(it.tags[t.field], func(a assoc) bool { return a.tag == t })
}

// join counts an item into a collection, which is made if need be.
func (s *Server) join(sec *section, t *tag) {
	id := memberID{sec, t}
	if s.collections[id] == nil {
		c := s.create(sec, typeCollection, "collection://"+strconv.FormatInt(t.id, 10))
		c.tag = t
		s.setTitle(c, t.name)
		s.collections[id] = &collection{item: c}
	}
	s.collections[id].count++
}

// leave counts an item out of a collection, which vanishes with its last.
func (s *Server) leave(sec *section, t *tag) {
	id := memberID{sec, t}
	c := s.collections[id]
	if c == nil {
		return
	}
	if c.count--; c.count == 0 {
		delete(s.collections, id)
		s.remove(c.item)
	}
}

// A collection lives within one section, under the name of its tag.
type collection struct {
	item  *item
	count int
}

type memberID struct {
	section *section
	tag     *tag
}

// setTitle writes the title; the sort title follows unless it is locked.
func (s *Server) setTitle(it *item, title string) {
	if title == "" {
		title = it.fallbackTitle()
	}
	it.scalars["title"] = title
	if !it.locks["titleSort"] {
		it.scalars["titleSort"] = sortTitle(title)
	}
}

// fallbackTitle is the name of the file, without its extension.
func (it *item) fallbackTitle() string {
	for _, m := range it.media {
		for _, p := range m.parts {
			name := p.File[strings.LastIndexAny(p.File, `/\`)+1:]
			return strings.TrimSuffix(name, path.Ext(name))
		}
	}
	return "Unknown"
}

// sortTitle leaves a leading article out.
func sortTitle(title string) string {
	for _, article := range []string{"The ", "A ", "An "} {
		if len(title) > len(article) && strings.EqualFold(title[:len(article)], article) {
			return title[len(article):]
		}
	}
	return title
}

// setScalar writes one field that has been checked, see parseEdit.
func (s *Server) setScalar(it *item, field, value string) {
	switch field {
	case "title":
		s.setTitle(it, value)
	case "titleSort":
		if value == "" {
			value = sortTitle(it.scalars["title"])
		}
		it.scalars["titleSort"] = value
	case "addedAt":
		it.addedAt, _ = strconv.ParseInt(value, 10, 64)
	case "originallyAvailableAt":
		it.year = 0
		if t, err := time.Parse(time.DateOnly, value); err == nil {
			it.year = t.Year()
		}
		fallthrough
	default:
		if f, err := strconv.ParseFloat(value, 64); err == nil && scalarFields[field] == rating {
			value = strconv.FormatFloat(f, 'f', -1, 64) // 8.0 is 8
		}
		if value == "" {
			delete(it.scalars, field)
		} else {
			it.scalars[field] = value
		}
	}
	it.section.changed()
}

func (it *item) scalar(field string) string {
	if field == "addedAt" {
		return strconv.FormatInt(it.addedAt, 10)
	}
	return it.scalars[field]
}

func (it *item) setLock(field string, locked bool) {
	if !locked {
		delete(it.locks, field)
		return
	}
	if it.locks == nil {
		it.locks = map[string]bool{}
	}
	it.locks[field] = true
}

// addTag appends a tag, or renews the role of one that is there. It reports
// whether anything changed.
func (s *Server) addTag(it *item, field string, given Tag) bool {
	t := s.tagFor(field, given.Name)
	changed := false
	if given.Thumb != "" && t.thumb != given.Thumb {
		t.thumb, changed = given.Thumb, true // the person's, for all items
	}
	list := it.tags[field]
	if i := slices.IndexFunc(list, func(a assoc) bool { return a.tag == t }); i >= 0 {
		if given.Role != "" && list[i].text != given.Role {
			list[i].text, changed = given.Role, true
		}
		return changed
	}
	if it.tags == nil {
		it.tags = map[string][]assoc{}
	}
	it.tags[field] = append(list, assoc{t, given.Role})
	if field == "collection" {
		s.join(it.section, t)
	}
	return true
}

// removeTag takes a name off; one that is not there is no error.
func (s *Server) removeTag(it *item, field, name string) bool {
	t := s.tags[s.tagID(field, name)]
	if t == nil || !it.carries(t) {
		return false
	}
	it.tags[field] = slices.DeleteFunc(it.tags[field], func(a assoc) bool { return a.tag == t })
	if field == "collection" {
		s.leave(it.section, t)
	}
	return true
}

// setTags makes the list exactly this.
func (s *Server) setTags(it *item, field string, list []Tag) bool {
	keep := map[*tag]bool{}
	for _, given := range list {
		keep[s.tagFor(field, given.Name)] = true
	}
	changed := false
	for _, a := range slices.Clone(it.tags[field]) {
		if !keep[a.tag] {
			changed = s.removeTag(it, field, a.tag.name) || changed
		}
	}
	before := slices.Clone(it.tags[field])
	for _, given := range list {
		changed = s.addTag(it, field, given) || changed
	}
	if len(it.tags[field]) == 0 {
		return changed
	}
	// Into the order that was given.
	var ordered []assoc
	for _, given := range list {
		t := s.tagFor(field, given.Name)
		for _, a := range it.tags[field] {
			if a.tag == t && !slices.ContainsFunc(ordered, func(o assoc) bool { return o.tag == t }) {
				ordered = append(ordered, a)
			}
		}
	}
	it.tags[field] = ordered
	return changed || !slices.Equal(before, ordered)
}

// touch moves updatedAt.
func (s *Server) touch(it *item) {
	it.updatedAt = max(it.updatedAt, s.now())
	it.section.changed()
}
