package simstash

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// DiskFile is a video file on the simulated disk.
type DiskFile struct {
	Path     string
	Size     int64
	Duration float64 // seconds
	Cover    []byte  // the cover that Stash makes of it; nil = a small JPEG
	// Content is what the fingerprints are made of: two files of one content are
	// copies. "" = a content of its own.
	Content string
}

type diskFile struct {
	DiskFile
	content uint64
}

// disk holds what a scan can see. It has its own lock, taken inside Server.mu.
type disk struct {
	mu    sync.Mutex
	files map[string]diskFile
}

func (d *disk) put(f diskFile) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil {
		d.files = map[string]diskFile{}
	}
	d.files[f.Path] = f
}

func (d *disk) remove(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, path)
}

func (d *disk) rename(from, to string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.files[from]
	if ok {
		delete(d.files, from)
		f.Path = to
		d.files[to] = f
	}
	return ok
}

func (d *disk) get(path string) (diskFile, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.files[path]
	return f, ok
}

// below lists the files below the paths (none: all), in path order.
func (d *disk) below(paths []string) []diskFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []diskFile
	for p, f := range d.files {
		if inPaths(p, paths) {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b diskFile) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func inPaths(p string, paths []string) bool {
	return len(paths) == 0 || slices.ContainsFunc(paths, func(dir string) bool {
		return p == dir || strings.HasPrefix(p, strings.TrimRight(dir, "/")+"/")
	})
}

// AddFileOnDisk lays a file on the disk, or replaces the one at its path. Stash
// knows nothing of it before a scan.
func (s *Server) AddFileOnDisk(f DiskFile) {
	content := f.Content
	if content == "" {
		content = fmt.Sprintf("%s|%d", f.Path, f.Size)
	}
	s.disk.put(diskFile{f, contentKey(content)})
}

// RenameOnDisk moves a file; false when there is none at the first path.
func (s *Server) RenameOnDisk(from, to string) bool { return s.disk.rename(from, to) }

// CopyOnDisk makes a copy of the same content; false when there is no original.
func (s *Server) CopyOnDisk(from, to string) bool {
	f, ok := s.disk.get(from)
	if ok {
		f.Path = to
		s.disk.put(f)
	}
	return ok
}

// ChangeOnDisk gives a file another content and size in place.
func (s *Server) ChangeOnDisk(path string, size int64, duration float64) bool {
	f, ok := s.disk.get(path)
	if ok {
		f.content += 0x9e3779b97f4a7c15
		f.Size, f.Duration = size, duration
		s.disk.put(f)
	}
	return ok
}

// RemoveFromDisk deletes a file; Stash notices when it cleans.
func (s *Server) RemoveFromDisk(path string) { s.disk.remove(path) }

// ScanOptions are the choices of a scan.
type ScanOptions struct {
	Paths   []string // folders or files; none = everything
	Rescan  bool     // handle unchanged files too: one Scene.Update.Post per file
	Covers  bool
	Phashes bool
}

// Scan queues a scan and returns its job's id. Its workers
// (Options.ParallelTasks) fire their hooks in parallel; WaitIdle waits for it.
func (s *Server) Scan(o ScanOptions) int { return s.scan(identity{user: s.opts.Username}, o) }

func (s *Server) scan(who identity, o ScanOptions) int {
	return s.queue.add("Scanning...", func(ctx context.Context, j *jobEntry) error {
		files := s.disk.below(o.Paths)
		work := make(chan diskFile)
		var wg sync.WaitGroup
		for range s.opts.ParallelTasks {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for f := range work {
					s.scanFile(ctx, who, f, o)
				}
			}()
		}
		for i, f := range files {
			select {
			case work <- f:
				s.queue.setProgress(j, float64(i+1)/float64(len(files)))
				continue
			case <-ctx.Done():
			}
			break
		}
		close(work)
		wg.Wait()
		return nil
	})
}

// scanFile brings one file's news into the library, then fires its hook, then
// makes cover and phash: a hook of a new scene runs before they exist.
func (s *Server) scanFile(ctx context.Context, who identity, d diskFile, o ScanOptions) {
	hook, scene := s.noteFile(d, o.Rescan)
	if hook != "" {
		s.fire(ctx, who, hook, scene, nil, nil)
	}
	if scene == 0 || ctx.Err() != nil {
		return
	}
	if o.Covers {
		s.makeCover(scene, 0, false)
	}
	if o.Phashes {
		s.makePhash(scene, false)
	}
}

// noteFile returns the hook to fire, if any, and the scene that the file now
// belongs to.
func (s *Server) noteFile(d diskFile, rescan bool) (hook string, scene int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, now := &s.lib, s.stampNow()
	f := l.fileByPath[d.Path]
	changed := false
	switch {
	case f == nil:
		if f = s.vanished(l, d.content); f != nil { // renamed or moved: same file, same scene
			l.setPath(f, d.Path, now)
			changed = true
			break
		}
		f = &File{Path: d.Path, Size: d.Size, Duration: d.Duration}
		l.addFile(f, "", now)
		l.setContent(f, d.content)
	case f.content != d.content:
		l.setContent(f, d.content)
		f.Size, f.Duration, f.Phash, f.UpdatedAt = d.Size, d.Duration, "", now
		changed = true
	}
	if sc := l.scenes.get(f.scene); sc != nil {
		if changed || rescan {
			return "Scene.Update.Post", sc.ID
		}
		return "", sc.ID
	}
	// A file without a scene joins the scene of an identical file, or gets one.
	for _, o := range l.byContent[f.content] {
		if o != f && o.scene != 0 {
			sc := l.scenes.get(o.scene)
			sc.Files = append(slices.Clone(sc.Files), f)
			sc.UpdatedAt = now
			f.scene = sc.ID
			return "Scene.Update.Post", sc.ID
		}
	}
	sc := &Scene{ID: l.scenes.next(0), Files: []*File{f}, CreatedAt: now, UpdatedAt: now}
	f.scene = sc.ID
	l.scenes.put(sc.ID, sc)
	s.logf(LevelInfo, "", "%s doesn't exist. Creating new scene...", d.Path)
	return "Scene.Create.Post", sc.ID
}

// vanished finds a known file of this content that is no longer on the disk.
func (s *Server) vanished(l *library, content uint64) *File {
	for _, f := range l.byContent[content] {
		if _, there := s.disk.get(f.Path); !there {
			return f
		}
	}
	return nil
}

// Clean queues a clean of the library and returns its job's id.
func (s *Server) Clean(paths ...string) int {
	return s.clean(identity{user: s.opts.Username}, paths, false)
}

func (s *Server) clean(who identity, paths []string, dry bool) int {
	return s.queue.add("Cleaning...", func(ctx context.Context, _ *jobEntry) error {
		s.mu.RLock()
		ids := slices.Clone(s.lib.files.ids)
		s.mu.RUnlock()
		for _, id := range ids {
			if ctx.Err() != nil || dry {
				return nil
			}
			g, destroyed := s.cleanFile(id, paths)
			if destroyed { // the id is in hookContext only
				input := object{{"id", ""}, {"delete_file", nil}, {"delete_generated", nil}}
				s.fire(ctx, who, "Scene.Destroy.Post", g.id, g.input(input), nil)
			}
		}
		return nil
	})
}

func (s *Server) cleanFile(id int64, paths []string) (g gone, destroyed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.lib
	f := l.files.get(id)
	if f == nil || !inPaths(f.Path, paths) {
		return g, false
	}
	if _, there := s.disk.get(f.Path); there {
		return g, false
	}
	if sc := l.scenes.get(f.scene); sc != nil {
		if len(sc.Files) <= 1 {
			g, destroyed = s.removeScene(l, sc, false), true
		} else {
			sc.dropFile(f)
			sc.UpdatedAt = s.stampNow()
		}
	}
	l.dropFile(f)
	return g, destroyed
}

// Generate queues the making of covers and phashes that are missing, for the
// given scenes or all of them, and returns the job's id.
func (s *Server) Generate(ids ...int64) int { return s.generate(ids, true, true, false) }

func (s *Server) generate(ids []int64, covers, phashes, overwrite bool) int {
	return s.queue.add("Generating...", func(ctx context.Context, _ *jobEntry) error {
		if len(ids) == 0 {
			ids = s.SceneIDs()
		}
		for _, id := range ids {
			if ctx.Err() != nil {
				return nil
			}
			if covers {
				s.makeCover(id, 0, overwrite)
			}
			if phashes {
				s.makePhash(id, overwrite)
			}
		}
		return nil
	})
}

// makeCover makes a scene's cover if it has none or overwrite is set. No hook;
// updated_at moves.
func (s *Server) makeCover(id int64, at float64, overwrite bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc := s.lib.scenes.get(id)
	if sc == nil || len(sc.Files) == 0 || sc.Cover != nil && !overwrite {
		return
	}
	f := sc.Files[0]
	d, _ := s.disk.get(f.Path)
	sc.Cover = d.Cover
	if sc.Cover == nil || at != 0 {
		sc.Cover = drawCover(f.content + uint64(at*1000))
	}
	sc.UpdatedAt = s.stampNow()
}

func drawCover(seed uint64) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 32, 18))
	for i := range img.Pix {
		img.Pix[i] = byte(seed >> (i % 4 * 8))
	}
	for x := range 18 {
		img.Set(x, x, color.RGBA{byte(seed >> 32), byte(seed >> 40), byte(seed >> 48), 255})
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

func (s *Server) makePhash(id int64, overwrite bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc := s.lib.scenes.get(id)
	if sc == nil || len(sc.Files) == 0 || sc.Files[0].Phash != "" && !overwrite {
		return
	}
	sc.Files[0].Phash = fmt.Sprintf("%016x", sc.Files[0].content*0x9e3779b97f4a7c15)
	sc.UpdatedAt = s.stampNow()
}

// AutoTag queues an auto-tagging with every performer, studio and tag and
// returns its job's id. Names found in a scene's path as whole words are added.
// It fires no hook; the updated_at of changed scenes moves.
func (s *Server) AutoTag() int { return s.autoTag([]string{"*"}, []string{"*"}, []string{"*"}) }

func (s *Server) autoTag(performers, studios, tags []string) int {
	return s.queue.add("Auto-tagging...", func(context.Context, *jobEntry) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		l, now := &s.lib, s.stampNow()
		wanted := func(list []string, id int64) bool {
			return slices.Contains(list, "*") || slices.Contains(list, fmt.Sprint(id))
		}
		for _, id := range l.scenes.ids {
			sc := l.scenes.get(id)
			path := pathWords(sc.path())
			has := func(name string) bool { return strings.Contains(path, pathWords(name)) }
			before := [3]int64{int64(len(sc.PerformerIDs)), int64(len(sc.TagIDs)), sc.StudioID}
			for _, p := range pick(&l.performers, l.performers.ids) {
				if wanted(performers, p.ID) && has(p.Name) {
					sc.PerformerIDs = merge(sc.PerformerIDs, []int64{p.ID}, "ADD")
				}
			}
			for _, t := range pick(&l.tags, l.tags.ids) {
				if wanted(tags, t.ID) && has(t.Name) {
					sc.TagIDs = merge(sc.TagIDs, []int64{t.ID}, "ADD")
				}
			}
			for _, st := range pick(&l.studios, l.studios.ids) {
				if sc.StudioID == 0 && wanted(studios, st.ID) && has(st.Name) {
					sc.StudioID = st.ID
				}
			}
			if before != [3]int64{int64(len(sc.PerformerIDs)), int64(len(sc.TagIDs)), sc.StudioID} {
				sc.UpdatedAt = now
			}
		}
		return nil
	})
}

// pathWords reduces text to its words between single blanks, case folded.
func pathWords(s string) string {
	return " " + strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}), " ") + " "
}

// Identify queues an identification of the scenes (none: all) and returns its
// job's id. Options.Identify decides what changes.
func (s *Server) Identify(ids ...int64) int {
	return s.identifyScenes(identity{user: s.opts.Username}, ids)
}

func (s *Server) identifyScenes(who identity, ids []int64) int {
	return s.queue.add("Identifying...", func(ctx context.Context, _ *jobEntry) error {
		if len(ids) == 0 {
			ids = s.SceneIDs()
		}
		for _, id := range ids {
			sc, ok := s.Scene(id)
			if !ok || s.opts.Identify == nil || ctx.Err() != nil {
				continue
			}
			fields := s.opts.Identify(sc)
			if len(fields) == 0 {
				continue
			}
			given, err := coerceIdentified(fields)
			if err == nil {
				err = s.applyIdentified(id, given)
			}
			if err != nil {
				s.logf(LevelError, "", "Error encountered identifying %s: %v", sc.path(), err)
				continue
			}
			// The input names the scene; inputFields are the changed ones alone.
			shown := args{"id": fmt.Sprint(id)}
			for k, v := range given {
				shown[k] = v
			}
			s.fire(ctx, who, "Scene.Update.Post", id, hookInput("SceneUpdateInput", shown), given)
		}
		return nil
	})
}

func coerceIdentified(fields map[string]any) (args, error) {
	out := args{}
	for k, v := range fields {
		f := schema().Types["SceneUpdateInput"].Fields.ForName(k)
		if f == nil {
			return nil, fmt.Errorf("simstash: sceneUpdate has no field %s", k)
		}
		if n, ok := v.(int); ok {
			v = int64(n)
		}
		cv, err := coerce(f.Type, v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		out[k] = cv
	}
	return out, nil
}

func (s *Server) applyIdentified(id int64, given args) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc := s.lib.scenes.get(id)
	if sc == nil {
		return fmt.Errorf("scene with id %d not found", id)
	}
	next := *sc
	e := &edit{in: given, l: &s.lib, now: s.now()}
	if e.scene(&next); e.err != nil {
		return e.err
	}
	next.UpdatedAt = s.stampNow()
	*sc = next
	return nil
}
