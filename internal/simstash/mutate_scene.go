package simstash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

func sceneTable(l *library) *table[Scene] { return &l.scenes }

// sceneKind is what the scene mutations share with the others; the hooks are
// fired by their own code.
func sceneKind() kind[Scene] {
	return kind[Scene]{
		name: "scene", table: sceneTable, apply: (*edit).scene, check: func(*library, *Scene) error { return nil },
		meta: func(s *Scene) (*int64, *time.Time, *time.Time) { return &s.ID, &s.CreatedAt, &s.UpdatedAt },
	}
}

func sceneMutations(m map[string]resolver) {
	m["sceneCreate"] = createScene
	m["sceneUpdate"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		id, err := parseID(in.str("id"))
		if err != nil {
			return nil, fmt.Errorf("converting id: %w", err)
		}
		if err := changeAll(c, sceneKind(), []int64{id}, []args{in}); err != nil {
			return nil, err
		}
		c.fire("Scene.Update.Post", id, hookInput("SceneUpdateInput", in), in)
		return refetch(c, sceneTable, id)
	}
	m["scenesUpdate"] = func(c *call, _ any, a args) (any, error) {
		list, _ := a["input"].([]any)
		var ids []int64
		var inputs []args
		for _, v := range list {
			in := v.(args)
			id, err := parseID(in.str("id"))
			if err != nil {
				return nil, fmt.Errorf("converting id: %w", err)
			}
			ids, inputs = append(ids, id), append(inputs, in)
		}
		if err := changeAll(c, sceneKind(), ids, inputs); err != nil {
			return nil, err
		}
		// Every hook is shown the inputs of all scenes, and the fields of its own.
		return c.fireScenes(ids, nestedInput("SceneUpdateInput", list), inputs)
	}
	m["bulkSceneUpdate"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		ids, err := parseIDs(in.strs("ids"))
		if err != nil {
			return nil, fmt.Errorf("converting ids: %w", err)
		}
		inputs := slices.Repeat([]args{in}, len(ids))
		if err := changeAll(c, sceneKind(), ids, inputs); err != nil {
			return nil, err
		}
		return c.fireScenes(ids, hookInput("BulkSceneUpdateInput", in), inputs)
	}
	m["sceneDestroy"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		return c.destroyScenes([]string{in.str("id")}, in.flag("delete_file"), hookInput("SceneDestroyInput", in))
	}
	m["scenesDestroy"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		return c.destroyScenes(in.strs("ids"), in.flag("delete_file"), hookInput("ScenesDestroyInput", in))
	}
	m["sceneMerge"] = mergeScenes
	m["sceneAssignFile"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		sceneID, err := parseID(in.str("scene_id"))
		if err != nil {
			return nil, fmt.Errorf("converting scene id: %w", err)
		}
		fileID, err := parseID(in.str("file_id"))
		if err != nil {
			return nil, fmt.Errorf("converting file id: %w", err)
		}
		return true, c.commit(func(l *library, _ time.Time) error {
			f, to := l.files.get(fileID), l.scenes.get(sceneID)
			if f == nil || to == nil {
				return fmt.Errorf("assigning file to scene: %w", errForeignKey)
			}
			if from := l.scenes.get(f.scene); from != nil {
				if from.Files[0] == f {
					return errors.New("assigning file to scene: cannot reassign primary file")
				}
				from.dropFile(f)
			}
			f.scene = to.ID
			to.Files = append(slices.Clone(to.Files), f)
			return nil
		})
	}
	m["moveFiles"] = moveFiles
	m["deleteFiles"] = func(c *call, _ any, a args) (any, error) {
		ids, err := parseIDs(a.strs("ids"))
		if err != nil {
			return nil, err
		}
		return true, c.commit(func(l *library, _ time.Time) error {
			for _, id := range ids {
				f := l.files.get(id)
				if f == nil {
					return fmt.Errorf("file with id %d not found", id)
				}
				if sc := l.scenes.get(f.scene); sc != nil && sc.Files[0] == f {
					return fmt.Errorf("cannot delete primary file %s", f.Path)
				}
			}
			for _, id := range ids {
				f := l.files.get(id)
				if sc := l.scenes.get(f.scene); sc != nil {
					sc.dropFile(f)
				}
				l.dropFile(f)
				c.s.disk.remove(f.Path)
			}
			return nil
		})
	}
	m["sceneGenerateScreenshot"] = func(c *call, _ any, a args) (any, error) {
		id, err := parseID(a.str("id"))
		if err != nil {
			return nil, err
		}
		at, _ := a["at"].(float64)
		c.s.queue.add(fmt.Sprintf("Generating screenshot for scene id %d", id), func(context.Context, *jobEntry) error {
			c.s.makeCover(id, at, true)
			return nil
		})
		return "todo", nil
	}
}

func (s *Scene) dropFile(f *File) {
	s.Files = slices.DeleteFunc(slices.Clone(s.Files), func(o *File) bool { return o == f })
}

// fireScenes runs the hooks of a bulk, one process per scene, one after
// another. When the client goes away the rest never runs, although all scenes
// are changed.
func (c *call) fireScenes(ids []int64, input any, fields []args) (any, error) {
	out := []any{}
	for i, id := range ids {
		c.fire("Scene.Update.Post", id, input, fields[i])
		sc, err := refetch(c, sceneTable, id)
		if err != nil {
			return nil, err
		}
		out = append(out, sc)
	}
	return out, nil
}

func createScene(c *call, _ any, a args) (any, error) {
	in := a.sub("input")
	fileIDs, err := parseIDs(in.strs("file_ids"))
	if err != nil {
		return nil, fmt.Errorf("converting file ids: %w", err)
	}
	var id int64
	err = c.commit(func(l *library, now time.Time) error {
		sc := &Scene{CreatedAt: now, UpdatedAt: now}
		for _, fid := range fileIDs {
			f := l.files.get(fid)
			if f == nil {
				return fmt.Errorf("file with id %d not found", fid)
			}
			if f.scene != 0 {
				return fmt.Errorf("cannot assign file %d: it belongs to scene %d", fid, f.scene)
			}
			sc.Files = append(sc.Files, f)
		}
		e := &edit{in: in, l: l, now: c.s.now()}
		e.scene(sc)
		if e.err == nil && sc.Title == "" && len(sc.Files) == 0 {
			e.err = errors.New("title must be set if scene has no files")
		}
		if e.err != nil {
			return e.err
		}
		sc.ID = l.scenes.next(0)
		for _, f := range sc.Files {
			f.scene = sc.ID
		}
		id = sc.ID
		l.scenes.put(id, sc)
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.fire("Scene.Create.Post", id, nil, nil)
	return refetch(c, sceneTable, id)
}

// gone is what a hook is told of a scene that is no more.
type gone struct {
	id                     int64
	checksum, oshash, path string
}

// removeScene takes a scene out of the library. Its files stay known without a
// scene unless they are deleted too.
func (s *Server) removeScene(l *library, sc *Scene, deleteFiles bool) gone {
	g := gone{id: sc.ID}
	if len(sc.Files) > 0 {
		g.checksum, g.oshash, g.path = sc.Files[0].MD5(), sc.Files[0].OSHash(), sc.Files[0].Path
	}
	for _, f := range sc.Files {
		f.scene = 0
		if deleteFiles {
			l.dropFile(f)
			s.disk.remove(f.Path)
		}
	}
	l.scenes.del(sc.ID)
	return g
}

func (g gone) input(base object) object {
	return append(slices.Clone(base), member{"checksum", g.checksum}, member{"oshash", g.oshash}, member{"path", g.path})
}

func (c *call) destroyScenes(given []string, deleteFiles bool, input object) (any, error) {
	ids, err := parseIDs(given)
	if err != nil {
		return nil, fmt.Errorf("converting ids: %w", err)
	}
	var all []gone
	err = c.commit(func(l *library, _ time.Time) error {
		for i, id := range ids {
			if l.scenes.get(id) == nil || slices.Contains(ids[:i], id) {
				return fmt.Errorf("scene with id %d not found", id)
			}
		}
		for _, id := range ids {
			all = append(all, c.s.removeScene(l, l.scenes.get(id), deleteFiles))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, g := range all {
		c.fire("Scene.Destroy.Post", g.id, g.input(input), nil)
	}
	return true, c.ctx.Err()
}

// mergeScenes fires no hook at all: no Destroy of the sources, no Update of the
// destination, whose updated_at changes.
func mergeScenes(c *call, _ any, a args) (any, error) {
	in := a.sub("input")
	sources, err := parseIDs(in.strs("source"))
	if err != nil {
		return nil, fmt.Errorf("converting source ids: %w", err)
	}
	dest, err := parseID(in.str("destination"))
	if err != nil {
		return nil, fmt.Errorf("converting destination id: %w", err)
	}
	sources = merge(nil, sources, "SET")
	err = c.commit(func(l *library, now time.Time) error {
		if in.flag("play_history") || in.flag("o_history") {
			return errors.New("simstash: merging histories is not simulated")
		}
		if slices.Contains(sources, dest) {
			return errors.New("destination scene cannot be in source list")
		}
		for _, id := range append(slices.Clone(sources), dest) {
			if l.scenes.get(id) == nil {
				return fmt.Errorf("scene with id %d not found", id)
			}
		}
		next := *l.scenes.get(dest)
		next.Files = slices.Clone(next.Files)
		for _, id := range sources {
			next.Files = append(next.Files, l.scenes.get(id).Files...)
		}
		values := args{}
		for k, v := range in.sub("values") {
			if k != "primary_file_id" { // it cannot be changed by a merge
				values[k] = v
			}
		}
		e := &edit{in: values, l: l, now: c.s.now()}
		if e.scene(&next); e.err != nil {
			return e.err
		}
		next.UpdatedAt = now
		for _, f := range next.Files {
			f.scene = dest
		}
		*l.scenes.get(dest) = next
		for _, id := range sources {
			l.scenes.del(id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return refetch(c, sceneTable, dest)
}

// moveFiles renames files on disk and in the library: no hook, same
// updated_at.
func moveFiles(c *call, _ any, a args) (any, error) {
	in := a.sub("input")
	ids, err := parseIDs(in.strs("ids"))
	if err != nil {
		return nil, err
	}
	base := in.str("destination_basename")
	if base != "" && len(ids) > 1 {
		return nil, errors.New("destination_basename must not be set when more than one file is moved")
	}
	return true, c.commit(func(l *library, now time.Time) error {
		dir := in.str("destination_folder")
		if id := in.str("destination_folder_id"); id != "" {
			n, err := parseID(id)
			if err != nil {
				return err
			}
			d := l.folders.get(n)
			if d == nil {
				return fmt.Errorf("folder with id %d not found", n)
			}
			dir = d.path
		}
		for _, id := range ids {
			if l.files.get(id) == nil {
				return fmt.Errorf("file with id %d not found", id)
			}
		}
		for _, id := range ids {
			f := l.files.get(id)
			folder, name := splitPath(f.Path)
			if dir != "" {
				folder = dir
			}
			if base != "" {
				name = base
			}
			to := folder + "/" + name
			if l.fileByPath[to] != nil {
				return fmt.Errorf("file %s already exists", to)
			}
			c.s.disk.rename(f.Path, to)
			l.setPath(f, to, now)
		}
		return nil
	})
}
