package simstash

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// Scene is a scene of the library. The methods of Server copy it in and out;
// its slices must not be changed afterwards.
type Scene struct {
	ID        int64 // 0 in AddScene: the next free one
	Title     string
	Code      string
	Details   string
	Director  string
	Date      string // "", "2020", "2020-02" or "2020-02-03"
	Rating100 *int
	Organized bool
	URLs      []string
	StudioID  int64 // 0: none

	PerformerIDs []int64
	TagIDs       []int64
	Groups       []SceneGroup
	StashIDs     []StashID
	Files        []*File // the first is the primary one

	Cover     []byte    // nil: the placeholder is served
	CreatedAt time.Time // zero in AddScene: now
	UpdatedAt time.Time // zero in AddScene: CreatedAt. Whole seconds, as in Stash
}

// SceneGroup says that a scene belongs to a group.
type SceneGroup struct {
	GroupID int64
	Index   *int
}

// StashID is an object's identity at a stash-box.
type StashID struct {
	StashID   string
	Endpoint  string
	UpdatedAt time.Time
}

// File is a video file that Stash knows.
type File struct {
	ID        int64 // 0 in AddScene: the next free one
	Path      string
	Size      int64
	Duration  float64 // seconds
	Phash     string  // "": not generated yet
	CreatedAt time.Time
	UpdatedAt time.Time

	scene   int64 // 0: a file without a scene
	folder  int64
	content uint64 // what the fingerprints are made of
}

// OSHash is the file's fingerprint of that name.
func (f *File) OSHash() string { return fmt.Sprintf("%016x", f.content) }

// MD5 is the file's checksum.
func (f *File) MD5() string {
	sum := md5.Sum([]byte(f.OSHash()))
	return hex.EncodeToString(sum[:])
}

// Basename is the last element of the path, behind the last slash or, on a
// path without one, backslash.
func (f *File) Basename() string { _, base := splitPath(f.Path); return base }

func splitPath(p string) (dir, base string) {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		i = strings.LastIndexByte(p, '\\')
	}
	if i < 0 {
		return "", p
	}
	return p[:i], p[i+1:]
}

func contentKey(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// Performer is a performer of the library.
type Performer struct {
	ID             int64 // 0 in AddPerformer: the next free one
	Name           string
	Disambiguation string
	Gender         string // "" or a value of Stash's GenderEnum
	Birthdate      string
	Country        string
	Details        string
	Aliases        []string
	URLs           []string
	Favorite       bool
	Rating100      *int
	TagIDs         []int64
	StashIDs       []StashID
	CustomFields   map[string]any
	Image          []byte         // nil: the image URL carries &default=true
	Extra          map[string]any // the other fields of Stash's type, by their GraphQL names
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Studio is a studio of the library.
type Studio struct {
	ID        int64 // 0 in AddStudio: the next free one
	Name      string
	ParentID  int64 // 0: none
	Details   string
	Aliases   []string
	URLs      []string
	Favorite  bool
	Rating100 *int
	TagIDs    []int64
	StashIDs  []StashID
	Image     []byte
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Tag is a tag of the library.
type Tag struct {
	ID          int64 // 0 in AddTag: the next free one
	Name        string
	SortName    string
	Description string
	Aliases     []string
	ParentIDs   []int64
	Favorite    bool
	StashIDs    []StashID
	Image       []byte
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Group is a group (formerly movie) of the library.
type Group struct {
	ID         int64 // 0 in AddGroup: the next free one
	Name       string
	Aliases    string
	Date       string
	Director   string
	Synopsis   string
	URLs       []string
	Rating100  *int
	StudioID   int64
	TagIDs     []int64
	FrontImage []byte
	BackImage  []byte
	ParentIDs  []int64 // containing groups
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

type folder struct {
	id        int64
	path      string
	createdAt time.Time
}

// table holds the objects of one kind; ids ascend and are never used twice.
type table[T any] struct {
	byID map[int64]*T
	ids  []int64
	last int64
}

func (t *table[T]) get(id int64) *T { return t.byID[id] }

// next reserves an id: want itself, or the next free one when want is 0.
func (t *table[T]) next(want int64) int64 {
	if want == 0 {
		want = t.last + 1
	}
	if t.byID[want] != nil {
		panic(fmt.Sprintf("simstash: %T with id %d exists already", *new(T), want))
	}
	return want
}

func (t *table[T]) put(id int64, v *T) {
	if t.byID == nil {
		t.byID = map[int64]*T{}
	}
	if t.byID[id] == nil {
		if n := len(t.ids); n == 0 || t.ids[n-1] < id {
			t.ids = append(t.ids, id)
		} else {
			i, _ := slices.BinarySearch(t.ids, id)
			t.ids = slices.Insert(t.ids, i, id)
		}
	}
	t.byID[id] = v
	t.last = max(t.last, id)
}

func (t *table[T]) del(id int64) {
	if i, ok := slices.BinarySearch(t.ids, id); ok {
		t.ids = slices.Delete(t.ids, i, i+1)
	}
	delete(t.byID, id)
}

// library is everything that Stash keeps in its database. Server.mu guards it.
type library struct {
	scenes     table[Scene]
	files      table[File]
	performers table[Performer]
	studios    table[Studio]
	tags       table[Tag]
	groups     table[Group]
	folders    table[folder]

	folderByPath map[string]*folder
	fileByPath   map[string]*File
	byContent    map[uint64][]*File

	unreadable map[int64]bool // scenes with a broken file
}

func (l *library) addFile(f *File, content string, now time.Time) {
	f.ID = l.files.next(f.ID)
	if f.CreatedAt.IsZero() {
		f.CreatedAt = now
	}
	if f.UpdatedAt.IsZero() {
		f.UpdatedAt = f.CreatedAt
	}
	if content == "" {
		content = fmt.Sprintf("%s|%d", f.Path, f.Size)
	}
	l.files.put(f.ID, f)
	l.setContent(f, contentKey(content))
	l.setPath(f, f.Path, now)
}

func (l *library) setContent(f *File, content uint64) {
	if l.byContent == nil {
		l.byContent = map[uint64][]*File{}
	}
	l.forgetContent(f)
	f.content = content
	l.byContent[content] = append(l.byContent[content], f)
}

func (l *library) forgetContent(f *File) {
	rest := slices.DeleteFunc(l.byContent[f.content], func(o *File) bool { return o == f })
	if len(rest) == 0 {
		delete(l.byContent, f.content)
	} else {
		l.byContent[f.content] = rest
	}
}

func (l *library) setPath(f *File, path string, now time.Time) {
	if l.fileByPath == nil {
		l.fileByPath, l.folderByPath = map[string]*File{}, map[string]*folder{}
	}
	if l.fileByPath[f.Path] == f {
		delete(l.fileByPath, f.Path)
	}
	f.Path = path
	l.fileByPath[path] = f
	dir, _ := splitPath(path)
	d := l.folderByPath[dir]
	if d == nil {
		d = &folder{id: l.folders.next(0), path: dir, createdAt: now}
		l.folders.put(d.id, d)
		l.folderByPath[dir] = d
	}
	f.folder = d.id
}

func (l *library) dropFile(f *File) {
	l.files.del(f.ID)
	l.forgetContent(f)
	if l.fileByPath[f.Path] == f {
		delete(l.fileByPath, f.Path)
	}
}

// studioTree is root and, to the given depth (-1: all), the studios below it.
func (l *library) studioTree(root int64, depth int) []int64 {
	return tree(root, depth, func(parent int64) (children []int64) {
		for _, id := range l.studios.ids {
			if l.studios.get(id).ParentID == parent {
				children = append(children, id)
			}
		}
		return children
	})
}

func (l *library) tagTree(root int64, depth int) []int64 {
	return tree(root, depth, func(parent int64) (children []int64) {
		for _, id := range l.tags.ids {
			if slices.Contains(l.tags.get(id).ParentIDs, parent) {
				children = append(children, id)
			}
		}
		return children
	})
}

func (l *library) groupTree(root int64, depth int) []int64 {
	return tree(root, depth, func(parent int64) (children []int64) {
		for _, id := range l.groups.ids {
			if slices.Contains(l.groups.get(id).ParentIDs, parent) {
				children = append(children, id)
			}
		}
		return children
	})
}

func tree(root int64, depth int, children func(int64) []int64) []int64 {
	out := []int64{root}
	for level := out; depth != 0 && len(level) > 0; depth-- {
		var below []int64
		for _, id := range level {
			for _, c := range children(id) {
				if !slices.Contains(out, c) {
					out = append(out, c)
					below = append(below, c)
				}
			}
		}
		level = below
	}
	return out
}

func stamp(created, updated *time.Time, now time.Time) {
	if created.IsZero() {
		*created = now
	}
	if updated.IsZero() {
		*updated = *created
	}
	*created, *updated = created.Truncate(time.Second), updated.Truncate(time.Second)
}

// AddScene puts a scene with its files into the library as if it had always
// been there: no hook fires. It returns the id; an id that is taken panics.
func (s *Server) AddScene(sc Scene) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	stamp(&sc.CreatedAt, &sc.UpdatedAt, now)
	sc.ID = s.lib.scenes.next(sc.ID)
	files := sc.Files
	sc.Files = make([]*File, len(files))
	for i, f := range files {
		c := *f
		c.scene = sc.ID
		s.lib.addFile(&c, "", now)
		sc.Files[i] = &c
		s.disk.put(diskFile{DiskFile: DiskFile{Path: c.Path, Size: c.Size, Duration: c.Duration}, content: c.content})
	}
	s.lib.scenes.put(sc.ID, &sc)
	return sc.ID
}

// AddPerformer puts a performer into the library without firing a hook.
func (s *Server) AddPerformer(p Performer) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	stamp(&p.CreatedAt, &p.UpdatedAt, s.now())
	p.ID = s.lib.performers.next(p.ID)
	s.lib.performers.put(p.ID, &p)
	return p.ID
}

// AddStudio puts a studio into the library without firing a hook.
func (s *Server) AddStudio(st Studio) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	stamp(&st.CreatedAt, &st.UpdatedAt, s.now())
	st.ID = s.lib.studios.next(st.ID)
	s.lib.studios.put(st.ID, &st)
	return st.ID
}

// AddTag puts a tag into the library without firing a hook.
func (s *Server) AddTag(t Tag) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	stamp(&t.CreatedAt, &t.UpdatedAt, s.now())
	t.ID = s.lib.tags.next(t.ID)
	s.lib.tags.put(t.ID, &t)
	return t.ID
}

// AddGroup puts a group into the library without firing a hook.
func (s *Server) AddGroup(g Group) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	stamp(&g.CreatedAt, &g.UpdatedAt, s.now())
	g.ID = s.lib.groups.next(g.ID)
	s.lib.groups.put(g.ID, &g)
	return g.ID
}

// Scene returns a copy of the scene as the database holds it.
func (s *Server) Scene(id int64) (Scene, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sc := s.lib.scenes.get(id)
	if sc == nil {
		return Scene{}, false
	}
	out := *sc
	out.Files = make([]*File, len(sc.Files))
	for i, f := range sc.Files {
		c := *f
		out.Files[i] = &c
	}
	return out, true
}

// SceneIDs lists every scene's id in ascending order.
func (s *Server) SceneIDs() []int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.lib.scenes.ids)
}

// SceneByPath finds the scene that has a file of exactly this path.
func (s *Server) SceneByPath(path string) (Scene, bool) {
	s.mu.RLock()
	f := s.lib.fileByPath[path]
	var id int64
	if f != nil {
		id = f.scene
	}
	s.mu.RUnlock()
	return s.Scene(id)
}

// Performer returns a copy of the performer.
func (s *Server) Performer(id int64) (Performer, bool) { return copyOf(s, &s.lib.performers, id) }

// Studio returns a copy of the studio.
func (s *Server) Studio(id int64) (Studio, bool) { return copyOf(s, &s.lib.studios, id) }

// Tag returns a copy of the tag.
func (s *Server) Tag(id int64) (Tag, bool) { return copyOf(s, &s.lib.tags, id) }

// Group returns a copy of the group.
func (s *Server) Group(id int64) (Group, bool) { return copyOf(s, &s.lib.groups, id) }

func copyOf[T any](s *Server, t *table[T], id int64) (out T, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if v := t.get(id); v != nil {
		return *v, true
	}
	return out, false
}
