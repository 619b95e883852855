package simplex

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file is the Go API over the library: building it, playing the people
// and agents that change it, and reading the truth. Methods that are given a
// section, item or field which does not exist panic: that is a mistake in the
// test, not in the client.

// SectionSpec describes a library.
type SectionSpec struct {
	Title string
	// Type is "movie" unless set. Sections of other types stay empty.
	Type string
	// Agent, Scanner and Language default to those of "other videos".
	Agent, Scanner, Language string
	// Locations are its folders, as the server sees them.
	Locations []string
}

// PartSpec describes a file as Plex shows it.
type PartSpec struct {
	File string
	Size int64
	// Duration is 0 while the file has not been analyzed.
	Duration time.Duration
	// Container defaults to the extension.
	Container string
	// Optimized marks a version that the server made itself, for some device.
	Optimized bool
}

// ItemSpec describes a movie.
type ItemSpec struct {
	Parts []PartSpec
	// Stacked makes all parts one version; else each is a version of its own.
	Stacked bool
	// Title defaults to the name of the first file.
	Title string
	// Scalars are more fields by edit name, Tags the lists, Locked the locks.
	Scalars map[string]string
	Tags    map[string][]Tag
	Locked  []string
	// AddedAt and UpdatedAt, in seconds since the epoch, default to now.
	AddedAt, UpdatedAt int64
	// NoUpdatedAt: it is never shown when the item was updated.
	NoUpdatedAt bool
	// NoThumb leaves out the frame that Plex grabs from the video.
	NoThumb bool
}

// Tag is an element of a list.
type Tag struct {
	Name  string
	Role  string // of an actor
	Thumb string // the person's photo, shared by all items
}

// Item is the full truth about an item.
type Item struct {
	Key, Section, GUID string
	// Scalars are the fields by edit name, without empty ones and addedAt.
	Scalars map[string]string
	Year    int
	// AddedAt and UpdatedAt are in seconds since the epoch, and so is DeletedAt,
	// 0 unless it is in the trash.
	AddedAt, UpdatedAt, DeletedAt int64
	// Tags are the lists by edit name, in order, without empty ones.
	Tags map[string][]Tag
	// Locks are the names of the locked fields, sorted.
	Locks []string
	Parts []PartSpec
	// Thumb and Art are the addresses in listings, "" without a picture.
	Thumb, Art string
	// PosterSHA1 and ArtSHA1 are of the bytes of the selected pictures.
	PosterSHA1, ArtSHA1 string
	// Posters and Arts are all pictures to choose from. Uploads are those among
	// them that begin with "upload://", in the order in which they came; none
	// ever goes.
	Posters, Arts []string
	Uploads       []string
}

// Collection is a collection of a section.
type Collection struct {
	Key, Title string
	Items      []string // keys
}

// Values is what a person or an agent writes.
type Values struct {
	// Scalars by edit name; "" clears.
	Scalars map[string]string
	// Tags become exactly these lists.
	Tags map[string][]Tag
	// Poster and Art are the bytes of new pictures.
	Poster, Art []byte
	// Unlock are fields that a person unlocks, after the rest.
	Unlock []string
}

// AddSection makes a library and returns its key: "1", "2", …
func (s *Server) AddSection(spec SectionSpec) (key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	spec.Type = cmp.Or(spec.Type, "movie")
	spec.Agent = cmp.Or(spec.Agent, "com.plexapp.agents.none")
	spec.Scanner = cmp.Or(spec.Scanner, "Plex Video Files Scanner")
	spec.Language = cmp.Or(spec.Language, "xn")
	return strconv.FormatInt(s.addSection(spec).key, 10)
}

func (s *Server) addSection(spec SectionSpec) *section {
	s.lastSection++
	n := s.lastSection
	now := s.now()
	sum := sha1.Sum(fmt.Appendf(nil, "section %d of %s", n, s.opt.MachineID))
	id := hex.EncodeToString(sum[:16])
	sec := &section{key: n, spec: spec,
		uuid:      strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-"),
		createdAt: now, updatedAt: now, scannedAt: now, contentChangedAt: 1, orders: map[string][]*item{}}
	s.sections = append(s.sections, sec)
	return sec
}

// RemoveSection removes a library with everything in it. Its key is not given
// again.
func (s *Server) RemoveSection(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeSection(s.mustSection(key))
}

func (s *Server) removeSection(sec *section) {
	for _, it := range slices.Clone(sec.items) {
		s.remove(it)
	}
	s.sections = slices.DeleteFunc(s.sections, func(o *section) bool { return o == sec })
	s.scanning = slices.DeleteFunc(s.scanning, func(r *running) bool { return r.section == sec })
}

// AddAnew removes a library and adds it again, as people do: the library and its
// items have new keys, titles are the names of files, and lists, locks, ratings and
// pictures are gone. What was in the trash, and versions that the server had made
// itself, do not come back. keys leads from the old keys of items to the new ones.
func (s *Server) AddAnew(key string) (section string, keys map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.mustSection(key)
	specs := map[string]ItemSpec{}
	var order []string
	for _, it := range old.items {
		if spec := it.files(); it.deletedAt == 0 && len(spec.Parts) > 0 {
			specs[itemKey(it)] = spec
			order = append(order, itemKey(it))
		}
	}
	s.removeSection(old)
	sec := s.addSection(old.spec)
	sec.onDisk = old.onDisk
	keys = map[string]string{}
	for _, k := range order {
		keys[k] = itemKey(s.addItem(sec, specs[k]))
	}
	return strconv.FormatInt(sec.key, 10), keys
}

// files describes an item by its files alone.
func (it *item) files() ItemSpec {
	var spec ItemSpec
	for _, m := range it.media {
		if m.parts[0].Optimized {
			continue
		}
		spec.Stacked = spec.Stacked || len(m.parts) > 1
		for _, p := range m.parts {
			spec.Parts = append(spec.Parts, p.PartSpec)
		}
	}
	return spec
}

// Trash puts an item into the trash, as a scan does when its files are gone. It
// stays in listings and details, and can still be edited.
func (s *Server) Trash(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.mustMovie(key)
	it.deletedAt = s.now()
	it.section.contentChangedAt++
}

// Restore takes an item out of the trash, as a scan does when its files are back.
func (s *Server) Restore(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.mustMovie(key)
	it.deletedAt = 0
	it.section.contentChangedAt++
}

// EmptyTrash removes what is in a library's trash.
func (s *Server) EmptyTrash(section string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range slices.Clone(s.mustSection(section).items) {
		if it.deletedAt != 0 {
			s.remove(it)
		}
	}
}

// Join makes the files of the other items versions of the first, as the server does
// by itself with films that it takes for one. The others are gone.
func (s *Server) Join(key string, others ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.mustMovie(key)
	for _, other := range others {
		o := s.mustMovie(other)
		if o == it || o.section != it.section {
			panic("simplex: item " + other + " cannot be joined to " + key)
		}
		it.media = append(it.media, o.media...)
		s.remove(o)
	}
}

// Split makes items of their own of all versions of an item but the first and those
// that the server made itself, and returns their keys. They are new: nothing of what
// was written is theirs.
func (s *Server) Split(key string) (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.mustMovie(key)
	versions := it.media
	it.media = nil
	for i, m := range versions {
		if i == 0 || m.parts[0].Optimized {
			it.media = append(it.media, m)
			continue
		}
		split := item{media: []media{m}}
		keys = append(keys, itemKey(s.addItem(it.section, split.files())))
	}
	return keys
}

// AddItem puts a movie into a section and returns its rating key.
func (s *Server) AddItem(section string, spec ItemSpec) (key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return itemKey(s.addItem(s.mustSection(section), spec))
}

func (s *Server) addItem(sec *section, spec ItemSpec) *item {
	if sec.spec.Type != "movie" {
		panic(fmt.Sprintf("simplex: section %d holds %ss, no movies", sec.key, sec.spec.Type))
	}
	it := s.create(sec, typeMovie, "")
	it.guid = "local://" + itemKey(it)
	for i, p := range spec.Parts {
		s.addPart(it, p, i > 0 && spec.Stacked)
	}
	s.setTitle(it, spec.Title)
	for field, value := range spec.Scalars {
		s.mustScalar(field, value)
		if field != "titleSort" {
			s.setScalar(it, field, value)
		}
	}
	if value, given := spec.Scalars["titleSort"]; given {
		s.setScalar(it, "titleSort", value)
	}
	for _, field := range slices.Sorted(maps.Keys(spec.Tags)) {
		mustTags(field)
		for _, t := range spec.Tags[field] {
			s.addTag(it, field, t)
		}
	}
	for _, field := range spec.Locked {
		mustLockable(field)
		it.setLock(field, true)
	}
	it.addedAt = cmp.Or(spec.AddedAt, it.addedAt)
	it.updatedAt = cmp.Or(spec.UpdatedAt, it.updatedAt)
	it.silent = spec.NoUpdatedAt
	if !spec.NoThumb {
		uri := fmt.Sprintf("media://%x/%s.bundle/Contents/Thumbnails/thumb1.jpg", it.key%16, itemKey(it))
		it.thumb.pictures = []picture{{uri: uri}}
		it.thumb.choose(uri, it.updatedAt)
	}
	return it
}

func (s *Server) addPart(it *item, spec PartSpec, stacked bool) {
	p := part{s.newID(), spec}
	if stacked {
		m := &it.media[len(it.media)-1]
		m.parts = append(m.parts, p)
		return
	}
	it.media = append(it.media, media{s.newID(), []part{p}})
}

// AddPart gives an item a further version. updatedAt does not move, as was
// reported of the real server.
func (s *Server) AddPart(key string, spec PartSpec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.mustItem(key)
	s.addPart(it, spec, false)
	it.section.contentChangedAt++
}

// AddOnDisk declares a file that Plex has not scanned yet. It becomes an item
// when a scan covers its folder.
func (s *Server) AddOnDisk(section string, spec ItemSpec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec := s.mustSection(section)
	if len(spec.Parts) == 0 || sec.spec.Type != "movie" {
		panic("simplex: a file for a library of movies is wanted")
	}
	sec.onDisk = append(sec.onDisk, spec)
}

// Remove takes an item out of the library.
func (s *Server) Remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(s.mustMovie(key))
}

// Rekey gives an item a new rating key and leaves everything else as it is, as
// after a library was restored from elsewhere.
func (s *Server) Rekey(key string) (newKey string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.mustMovie(key)
	it := s.create(old.section, old.kind, old.guid)
	moved := *old
	moved.key = it.key
	*it = moved
	delete(s.items, old.key)
	old.section.items = drop(old.section.items, old)
	return itemKey(it)
}

// Recreate removes an item and scans its files again: a new rating key, and
// nothing of what was written to the old one.
func (s *Server) Recreate(key string) (newKey string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.mustMovie(key)
	spec := old.files()
	s.remove(old)
	return itemKey(s.addItem(old.section, spec))
}

// MovePart gives the item's part of that number (from 0, over all versions)
// another path. updatedAt does not move.
func (s *Server) MovePart(key string, index int, file string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.mustItem(key)
	for m := range it.media {
		for p := range it.media[m].parts {
			if index == 0 {
				it.media[m].parts[p].File = file
				return
			}
			index--
		}
	}
	panic("simplex: item " + key + " has no such part")
}

// EditByPerson writes as a person does in Plex Web: each value is set and
// locked; a user rating is not locked, nobody but that person sets it.
func (s *Server) EditByPerson(key string, v Values) { s.write(key, Person, v) }

// RefreshByAgent writes as an agent's refresh does: what is locked stays.
func (s *Server) RefreshByAgent(key string, v Values) { s.write(key, Agent, v) }

func (s *Server) write(key string, by Author, v Values) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.mustItem(key)
	touched := false
	note := func(field, op, value string, changed bool) {
		s.note(it, Write{By: by, Field: field, Op: op, Value: value, Changed: changed})
		if by == Person && field != "userRating" {
			it.setLock(field, true)
		}
	}
	// The sort title after the title, which it follows.
	for _, field := range slices.Sorted(maps.Keys(v.Scalars)) {
		value := v.Scalars[field]
		s.mustScalar(field, value)
		if by == Agent && it.locks[field] {
			continue
		}
		before := it.scalar(field)
		s.setScalar(it, field, value)
		note(field, "set", value, before != it.scalar(field))
		touched = touched || field != "userRating"
	}
	for _, field := range slices.Sorted(maps.Keys(v.Tags)) {
		mustTags(field)
		if by == Agent && it.locks[field] {
			continue
		}
		changed := s.setTags(it, field, v.Tags[field])
		note(field, "replace", names(v.Tags[field]), changed)
		touched = touched || s.opt.TagEditsTouch
	}
	for _, slot := range []slot{slotPoster, slotArt} {
		img := v.Poster
		if slot == slotArt {
			img = v.Art
		}
		if img == nil || by == Agent && it.locks[slot.field] {
			continue
		}
		uri := s.addPicture(it, slot, img, by)
		slot.of(it).choose(uri, s.now())
		note(slot.field, "upload", uri, true)
		touched = true
	}
	for _, field := range v.Unlock {
		mustLockable(field)
		it.setLock(field, false)
	}
	if touched {
		s.touch(it)
	}
}

// Item returns the truth about an item; false if there is none of that key.
func (s *Server) Item(key string) (Item, bool) {
	s.settle()
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, err := strconv.ParseInt(key, 10, 64)
	it := s.items[n]
	if err != nil || it == nil {
		return Item{}, false
	}
	return it.snapshot(), true
}

// Snapshot returns the truth about all movies of all sections, by key.
func (s *Server) Snapshot() []Item {
	s.settle()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Item
	for _, sec := range s.sections {
		for _, it := range sec.items {
			all = append(all, it.snapshot())
		}
	}
	slices.SortFunc(all, func(a, b Item) int {
		return cmp.Or(cmp.Compare(len(a.Key), len(b.Key)), cmp.Compare(a.Key, b.Key))
	})
	return all
}

// Items counts the movies of all sections.
func (s *Server) Items() int {
	s.settle()
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for _, sec := range s.sections {
		n += len(sec.items)
	}
	return n
}

// Collections returns a section's collections, by key.
func (s *Server) Collections(section string) []Collection {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sec := s.mustSection(section)
	var all []Collection
	for _, c := range sec.collections {
		one := Collection{Key: itemKey(c), Title: c.scalars["title"]}
		for _, it := range sec.members(c.tag) {
			one.Items = append(one.Items, itemKey(it))
		}
		all = append(all, one)
	}
	return all
}

// Picture returns the bytes that an upload put on the server.
func (s *Server) Picture(sha1 string) ([]byte, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	img, found := s.blobs[sha1]
	return slices.Clone(img), found
}

func (it *item) snapshot() Item {
	v := Item{Key: itemKey(it), Section: strconv.FormatInt(it.section.key, 10), GUID: it.guid,
		Scalars: maps.Clone(it.scalars), Year: it.year, AddedAt: it.addedAt, UpdatedAt: it.updatedAt, DeletedAt: it.deletedAt,
		Locks: it.snapshotLocks(),
		Thumb: slotPoster.address(it), Art: slotArt.address(it),
		PosterSHA1: it.thumb.sha1(), ArtSHA1: it.art.sha1()}
	for field, list := range it.tags {
		for _, a := range list {
			if v.Tags == nil {
				v.Tags = map[string][]Tag{}
			}
			v.Tags[field] = append(v.Tags[field], Tag{a.tag.name, a.text, a.tag.thumb})
		}
	}
	for _, m := range it.media {
		for _, p := range m.parts {
			v.Parts = append(v.Parts, p.PartSpec)
		}
	}
	for _, p := range it.thumb.pictures {
		v.Posters = append(v.Posters, p.uri)
	}
	for _, p := range it.art.pictures {
		v.Arts = append(v.Arts, p.uri)
	}
	for _, uri := range slices.Concat(v.Posters, v.Arts) {
		if strings.HasPrefix(uri, "upload://") {
			v.Uploads = append(v.Uploads, uri)
		}
	}
	return v
}

func (it *item) snapshotLocks() []string { return slices.Sorted(maps.Keys(it.locks)) }

func itemKey(it *item) string { return strconv.FormatInt(it.key, 10) }

func names(list []Tag) string {
	var all []string
	for _, t := range list {
		all = append(all, t.Name)
	}
	return strings.Join(all, "\n")
}

func (s *Server) mustSection(key string) *section {
	if sec := s.sectionByKey(key); sec != nil {
		return sec
	}
	panic("simplex: no section " + key)
}

func (s *Server) sectionByKey(key string) *section {
	for _, sec := range s.sections {
		if strconv.FormatInt(sec.key, 10) == key {
			return sec
		}
	}
	return nil
}

func (s *Server) mustItem(key string) *item {
	n, _ := strconv.ParseInt(key, 10, 64)
	if it := s.items[n]; it != nil {
		return it
	}
	panic("simplex: no item " + key)
}

func (s *Server) mustMovie(key string) *item {
	it := s.mustItem(key)
	if it.kind != typeMovie {
		panic("simplex: item " + key + " is no movie")
	}
	return it
}

func (s *Server) mustScalar(field, value string) {
	if status := checkScalar(field, value); status != http.StatusOK {
		panic(fmt.Sprintf("simplex: %s cannot be %q", field, value))
	}
}

func mustTags(field string) {
	if _, known := tagFields[field]; !known {
		panic("simplex: no list " + field)
	}
}

func mustLockable(field string) {
	if !lockable(field) {
		panic("simplex: no field " + field)
	}
}
