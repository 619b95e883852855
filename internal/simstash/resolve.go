package simstash

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"
)

// resolver answers one field. Those of queries and objects run under the
// library's read lock; those of mutations take the locks themselves.
type resolver func(c *call, obj any, a args) (any, error)

// resolvers holds the simulated fields by type and name.
var resolvers = sync.OnceValue(func() map[string]map[string]resolver {
	return map[string]map[string]resolver{
		"Query":        queryFields(),
		"Mutation":     mutationFields(),
		"Scene":        sceneFields(),
		"VideoFile":    fileFields(),
		"Folder":       folderFields(),
		"Performer":    performerFields(),
		"Studio":       studioFields(),
		"Tag":          tagFields(),
		"Group":        groupFields(),
		"ConfigResult": {"plugins": configPlugins},
		"StashID":      stashIDFields(),
	}
})

// of makes a resolver from a function of the object alone.
func of[T any](f func(*T) any) resolver {
	return func(_ *call, obj any, _ args) (any, error) { return f(obj.(*T)), nil }
}

// with makes a resolver from a function of the call and the object.
func with[T any](f func(*call, *T) any) resolver {
	return func(c *call, obj any, _ args) (any, error) { return f(c, obj.(*T)), nil }
}

func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func strings0(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func firstOf(list []string) any {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// pick turns ids into objects, leaving out what no longer exists.
func pick[T any](t *table[T], ids []int64) []*T {
	out := make([]*T, 0, len(ids))
	for _, id := range ids {
		if v := t.get(id); v != nil {
			out = append(out, v)
		}
	}
	return out
}

func one[T any](t *table[T], id int64) any {
	if v := t.get(id); v != nil {
		return v
	}
	return nil
}

func (l *library) tagList(ids []int64) []*Tag {
	out := pick(&l.tags, ids)
	name := func(t *Tag) string {
		if t.SortName != "" {
			return t.SortName
		}
		return t.Name
	}
	slices.SortStableFunc(out, func(a, b *Tag) int { return naturalCompare(name(a), name(b)) })
	return out
}

func stashIDList(ids []StashID) []*StashID {
	out := make([]*StashID, len(ids))
	for i := range ids {
		out[i] = &ids[i]
	}
	return out
}

func stashIDFields() map[string]resolver {
	return map[string]resolver{
		"stash_id":   of(func(s *StashID) any { return s.StashID }),
		"endpoint":   of(func(s *StashID) any { return s.Endpoint }),
		"updated_at": of(func(s *StashID) any { return s.UpdatedAt }),
	}
}

// imageURL is a picture's URL; t moves with the object's updated_at.
func (c *call) imageURL(kind string, id int64, what string, updated time.Time, has bool) string {
	u := fmt.Sprintf("%s/%s/%d/%s?t=%d", c.base, kind, id, what, updated.Unix())
	if !has {
		u += "&default=true"
	}
	return u
}

func sceneFields() map[string]resolver {
	return map[string]resolver{
		"id":                of(func(s *Scene) any { return s.ID }),
		"title":             of(func(s *Scene) any { return s.Title }),
		"code":              of(func(s *Scene) any { return s.Code }),
		"details":           of(func(s *Scene) any { return s.Details }),
		"director":          of(func(s *Scene) any { return s.Director }),
		"url":               of(func(s *Scene) any { return firstOf(s.URLs) }),
		"urls":              of(func(s *Scene) any { return strings0(s.URLs) }),
		"date":              of(func(s *Scene) any { return optional(s.Date) }),
		"rating100":         of(func(s *Scene) any { return s.Rating100 }),
		"organized":         of(func(s *Scene) any { return s.Organized }),
		"interactive":       of(func(*Scene) any { return false }),
		"interactive_speed": of(func(*Scene) any { return nil }),
		"captions":          of(func(*Scene) any { return nil }),
		"created_at":        of(func(s *Scene) any { return s.CreatedAt }),
		"updated_at":        of(func(s *Scene) any { return s.UpdatedAt }),
		"files":             sceneFiles,
		"paths":             with(scenePaths),
		"studio":            with(func(c *call, s *Scene) any { return one(&c.s.lib.studios, s.StudioID) }),
		"groups": with(func(c *call, s *Scene) any {
			out := []rec{}
			for _, g := range s.Groups {
				if v := c.s.lib.groups.get(g.GroupID); v != nil {
					out = append(out, rec{"group": v, "scene_index": g.Index})
				}
			}
			return out
		}),
		"tags": with(func(c *call, s *Scene) any { return c.s.lib.tagList(s.TagIDs) }),
		"performers": with(func(c *call, s *Scene) any {
			out := pick(&c.s.lib.performers, s.PerformerIDs)
			if n := uint64(len(out)); n > 1 { // Stash promises no order: never the same twice running
				k := c.turn % n
				out = append(slices.Clone(out[k:]), out[:k]...)
			}
			return out
		}),
		"stash_ids": of(func(s *Scene) any { return stashIDList(s.StashIDs) }),
	}
}

// sceneFiles are a scene's files. Stash reads those of all scenes of a query together, so
// that one that is broken fails them all (internal/api/loaders of Stash).
func sceneFiles(c *call, obj any, _ args) (any, error) {
	sc := obj.(*Scene)
	if err := c.s.lib.broken(sc.ID); err != nil && c.broken == nil {
		c.broken = err
	}
	if c.broken != nil {
		return nil, c.broken
	}
	return append([]*File{}, sc.Files...), nil
}

// broken is why Stash cannot read a scene's file; nil if it can.
func (l *library) broken(scene int64) error {
	sc := l.scenes.get(scene)
	if sc == nil || !l.unreadable[scene] {
		return nil
	}
	var file int64
	if len(sc.Files) > 0 {
		file = sc.Files[0].ID
	}
	return fmt.Errorf(`getting file by id %d: sql: Scan error on column index 5, name "size": converting driver.Value type string ("broken") to a int64: invalid syntax`, file)
}

func scenePaths(c *call, s *Scene) any {
	at := fmt.Sprintf("%s/scene/%d/", c.base, s.ID)
	stream, hash := at+"stream", ""
	if c.s.opts.APIKey != "" {
		stream += "?apikey=" + c.s.opts.APIKey
	}
	if len(s.Files) > 0 {
		hash = s.Files[0].OSHash()
	}
	return rec{
		"screenshot": c.imageURL("scene", s.ID, "screenshot", s.UpdatedAt, true), "preview": at + "preview",
		"stream": stream, "webp": at + "webp", "vtt": c.base + "/scene/" + hash + "_thumbs.vtt",
		"sprite": c.base + "/scene/" + hash + "_sprite.jpg", "funscript": at + "funscript",
		"interactive_heatmap": at + "interactive_heatmap", "caption": at + "caption",
	}
}

func fileFields() map[string]resolver {
	fingerprints := func(f *File) []rec {
		out := []rec{{"type": "md5", "value": f.MD5()}, {"type": "oshash", "value": f.OSHash()}}
		if f.Phash != "" {
			out = append(out, rec{"type": "phash", "value": f.Phash})
		}
		return out
	}
	return map[string]resolver{
		"id":               of(func(f *File) any { return f.ID }),
		"path":             of(func(f *File) any { return f.Path }),
		"basename":         of(func(f *File) any { return f.Basename() }),
		"parent_folder_id": of(func(f *File) any { return f.folder }),
		"parent_folder":    with(func(c *call, f *File) any { return one(&c.s.lib.folders, f.folder) }),
		"zip_file_id":      of(func(*File) any { return nil }),
		"zip_file":         of(func(*File) any { return nil }),
		"mod_time":         of(func(f *File) any { return f.CreatedAt }),
		"size":             of(func(f *File) any { return f.Size }),
		"duration":         of(func(f *File) any { return f.Duration }),
		"fingerprints":     of(func(f *File) any { return fingerprints(f) }),
		"fingerprint": func(_ *call, obj any, a args) (any, error) {
			for _, fp := range fingerprints(obj.(*File)) {
				if fp["type"] == a.str("type") {
					return fp["value"], nil
				}
			}
			return nil, nil
		},
		"format": of(func(f *File) any {
			ext := filepath.Ext(f.Basename())
			return map[bool]string{true: "matroska", false: "mp4"}[ext == ".mkv"]
		}),
		"width":       of(func(*File) any { return int64(1920) }),
		"height":      of(func(*File) any { return int64(1080) }),
		"video_codec": of(func(*File) any { return "h264" }),
		"audio_codec": of(func(*File) any { return "aac" }),
		"frame_rate":  of(func(*File) any { return 25.0 }),
		"bit_rate": of(func(f *File) any {
			if f.Duration == 0 {
				return int64(0)
			}
			return int64(float64(f.Size) * 8 / f.Duration)
		}),
		"created_at": of(func(f *File) any { return f.CreatedAt }),
		"updated_at": of(func(f *File) any { return f.UpdatedAt }),
	}
}

func folderFields() map[string]resolver {
	return map[string]resolver{
		"id":         of(func(f *folder) any { return f.id }),
		"path":       of(func(f *folder) any { return f.path }),
		"mod_time":   of(func(f *folder) any { return f.createdAt }),
		"created_at": of(func(f *folder) any { return f.createdAt }),
		"updated_at": of(func(f *folder) any { return f.createdAt }),
	}
}

// scenesWith lists the scenes that the condition holds for, in id order.
func (l *library) scenesWith(cond func(*Scene) bool) []*Scene {
	out := []*Scene{}
	for _, id := range l.scenes.ids {
		if sc := l.scenes.get(id); cond(sc) {
			out = append(out, sc)
		}
	}
	return out
}

func depthOf(a args) int {
	if n, ok := a["depth"].(int64); ok {
		return int(n)
	}
	return 0
}

// performerExtra are the fields of Stash's performers that the model does not
// name, with their unset values.
func performerExtra() map[string]any {
	return map[string]any{
		"ethnicity": "", "eye_color": "", "height_cm": nil, "measurements": "", "fake_tits": "", "penis_length": nil,
		"circumcised": nil, "career_length": "", "tattoos": "", "piercings": "", "twitter": nil, "instagram": nil,
		"death_date": nil, "hair_color": "", "weight": nil, "ignore_auto_tag": false,
	}
}

func performerFields() map[string]resolver {
	of := of[Performer]
	m := map[string]resolver{
		"id":             of(func(p *Performer) any { return p.ID }),
		"name":           of(func(p *Performer) any { return p.Name }),
		"disambiguation": of(func(p *Performer) any { return p.Disambiguation }),
		"url":            of(func(p *Performer) any { return firstOf(p.URLs) }),
		"urls":           of(func(p *Performer) any { return strings0(p.URLs) }),
		"gender":         of(func(p *Performer) any { return optional(p.Gender) }),
		"birthdate":      of(func(p *Performer) any { return optional(p.Birthdate) }),
		"country":        of(func(p *Performer) any { return p.Country }),
		"details":        of(func(p *Performer) any { return p.Details }),
		"alias_list":     of(func(p *Performer) any { return strings0(p.Aliases) }),
		"favorite":       of(func(p *Performer) any { return p.Favorite }),
		"rating100":      of(func(p *Performer) any { return p.Rating100 }),
		"stash_ids":      of(func(p *Performer) any { return stashIDList(p.StashIDs) }),
		"created_at":     of(func(p *Performer) any { return p.CreatedAt }),
		"updated_at":     of(func(p *Performer) any { return p.UpdatedAt }),
		"custom_fields": of(func(p *Performer) any {
			if p.CustomFields == nil {
				return map[string]any{}
			}
			return p.CustomFields
		}),
		"tags": with(func(c *call, p *Performer) any { return c.s.lib.tagList(p.TagIDs) }),
		"image_path": with(func(c *call, p *Performer) any {
			return c.imageURL("performer", p.ID, "image", p.UpdatedAt, p.Image != nil)
		}),
		"scenes": with(func(c *call, p *Performer) any { return c.s.lib.performerScenes(p.ID) }),
		"scene_count": with(func(c *call, p *Performer) any {
			return int64(len(c.s.lib.performerScenes(p.ID)))
		}),
	}
	for k, unset := range performerExtra() {
		m[k] = of(func(p *Performer) any {
			if v, ok := p.Extra[k]; ok {
				return v
			}
			return unset
		})
	}
	return m
}

func (l *library) performerScenes(id int64) []*Scene {
	return l.scenesWith(func(s *Scene) bool { return slices.Contains(s.PerformerIDs, id) })
}

func studioFields() map[string]resolver {
	of := of[Studio]
	return map[string]resolver{
		"id":              of(func(s *Studio) any { return s.ID }),
		"name":            of(func(s *Studio) any { return s.Name }),
		"url":             of(func(s *Studio) any { return firstOf(s.URLs) }),
		"urls":            of(func(s *Studio) any { return strings0(s.URLs) }),
		"aliases":         of(func(s *Studio) any { return strings0(s.Aliases) }),
		"details":         of(func(s *Studio) any { return s.Details }),
		"rating100":       of(func(s *Studio) any { return s.Rating100 }),
		"favorite":        of(func(s *Studio) any { return s.Favorite }),
		"ignore_auto_tag": of(func(*Studio) any { return false }),
		"stash_ids":       of(func(s *Studio) any { return stashIDList(s.StashIDs) }),
		"created_at":      of(func(s *Studio) any { return s.CreatedAt }),
		"updated_at":      of(func(s *Studio) any { return s.UpdatedAt }),
		"tags":            with(func(c *call, s *Studio) any { return c.s.lib.tagList(s.TagIDs) }),
		"parent_studio":   with(func(c *call, s *Studio) any { return one(&c.s.lib.studios, s.ParentID) }),
		"child_studios": with(func(c *call, s *Studio) any {
			return pick(&c.s.lib.studios, c.s.lib.studioTree(s.ID, 1)[1:])
		}),
		"image_path": with(func(c *call, s *Studio) any {
			return c.imageURL("studio", s.ID, "image", s.UpdatedAt, s.Image != nil)
		}),
		"scene_count": func(c *call, obj any, a args) (any, error) {
			ids := c.s.lib.studioTree(obj.(*Studio).ID, depthOf(a))
			return int64(len(c.s.lib.scenesWith(func(s *Scene) bool { return slices.Contains(ids, s.StudioID) }))), nil
		},
	}
}

func tagFields() map[string]resolver {
	of := of[Tag]
	return map[string]resolver{
		"id":              of(func(t *Tag) any { return t.ID }),
		"name":            of(func(t *Tag) any { return t.Name }),
		"sort_name":       of(func(t *Tag) any { return t.SortName }),
		"description":     of(func(t *Tag) any { return t.Description }),
		"aliases":         of(func(t *Tag) any { return strings0(t.Aliases) }),
		"favorite":        of(func(t *Tag) any { return t.Favorite }),
		"ignore_auto_tag": of(func(*Tag) any { return false }),
		"stash_ids":       of(func(t *Tag) any { return stashIDList(t.StashIDs) }),
		"created_at":      of(func(t *Tag) any { return t.CreatedAt }),
		"updated_at":      of(func(t *Tag) any { return t.UpdatedAt }),
		"parents":         with(func(c *call, t *Tag) any { return c.s.lib.tagList(t.ParentIDs) }),
		"children":        with(func(c *call, t *Tag) any { return c.s.lib.tagList(c.s.lib.tagTree(t.ID, 1)[1:]) }),
		"parent_count":    of(func(t *Tag) any { return int64(len(t.ParentIDs)) }),
		"child_count":     with(func(c *call, t *Tag) any { return int64(len(c.s.lib.tagTree(t.ID, 1)) - 1) }),
		"image_path": with(func(c *call, t *Tag) any {
			return c.imageURL("tag", t.ID, "image", t.UpdatedAt, t.Image != nil)
		}),
		"scene_count": func(c *call, obj any, a args) (any, error) {
			ids := c.s.lib.tagTree(obj.(*Tag).ID, depthOf(a))
			return int64(len(c.s.lib.scenesWith(func(s *Scene) bool { return overlap(s.TagIDs, ids) }))), nil
		},
	}
}

func groupFields() map[string]resolver {
	of := of[Group]
	return map[string]resolver{
		"id":         of(func(g *Group) any { return g.ID }),
		"name":       of(func(g *Group) any { return g.Name }),
		"aliases":    of(func(g *Group) any { return g.Aliases }),
		"duration":   of(func(*Group) any { return nil }),
		"date":       of(func(g *Group) any { return optional(g.Date) }),
		"rating100":  of(func(g *Group) any { return g.Rating100 }),
		"director":   of(func(g *Group) any { return g.Director }),
		"synopsis":   of(func(g *Group) any { return g.Synopsis }),
		"urls":       of(func(g *Group) any { return strings0(g.URLs) }),
		"created_at": of(func(g *Group) any { return g.CreatedAt }),
		"updated_at": of(func(g *Group) any { return g.UpdatedAt }),
		"studio":     with(func(c *call, g *Group) any { return one(&c.s.lib.studios, g.StudioID) }),
		"tags":       with(func(c *call, g *Group) any { return c.s.lib.tagList(g.TagIDs) }),
		"front_image_path": with(func(c *call, g *Group) any {
			return c.imageURL("group", g.ID, "frontimage", g.UpdatedAt, g.FrontImage != nil)
		}),
		"back_image_path": with(func(c *call, g *Group) any {
			if g.BackImage == nil {
				return nil
			}
			return c.imageURL("group", g.ID, "backimage", g.UpdatedAt, true)
		}),
		"scenes": with(func(c *call, g *Group) any { return c.s.lib.groupScenes([]int64{g.ID}) }),
		"scene_count": func(c *call, obj any, a args) (any, error) {
			return int64(len(c.s.lib.groupScenes(c.s.lib.groupTree(obj.(*Group).ID, depthOf(a))))), nil
		},
	}
}

func (l *library) groupScenes(ids []int64) []*Scene {
	return l.scenesWith(func(s *Scene) bool { return overlap(s.groupIDs(), ids) })
}

func (s *Scene) groupIDs() []int64 {
	out := make([]int64, len(s.Groups))
	for i, g := range s.Groups {
		out[i] = g.GroupID
	}
	return out
}

func overlap(a, b []int64) bool {
	return slices.ContainsFunc(a, func(v int64) bool { return slices.Contains(b, v) })
}

func configPlugins(c *call, _ any, a args) (any, error) {
	out := map[string]any{}
	for id, settings := range c.s.settings {
		if !a.has("include") || a["include"] == nil || slices.Contains(a.strs("include"), id) {
			out[id] = settings
		}
	}
	return out, nil
}

func queryFields() map[string]resolver {
	m := map[string]resolver{
		"version": func(c *call, _ any, _ args) (any, error) {
			return rec{"version": c.s.opts.Version, "hash": "cf3489ef", "build_time": "2026-01-11 07:10:00"}, nil
		},
		"systemStatus": func(c *call, _ any, _ args) (any, error) {
			cwd := c.s.opts.Cwd
			if cwd == "" {
				cwd, _ = os.Getwd()
			}
			return rec{
				"databaseSchema": int64(75), "databasePath": filepath.Join(c.s.opts.Dir, "stash-go.sqlite"),
				"configPath": filepath.Join(c.s.opts.Dir, "config.yml"), "appSchema": int64(75), "status": "OK",
				"os": runtime.GOOS, "workingDir": cwd, "homeDir": filepath.Dir(c.s.opts.Dir),
				"ffmpegPath": "/usr/bin/ffmpeg", "ffprobePath": "/usr/bin/ffprobe",
			}, nil
		},
		"configuration": func(c *call, _ any, _ args) (any, error) {
			o := c.s.opts
			var folders []rec
			for _, f := range o.Folders {
				folders = append(folders, rec{"path": f, "excludeVideo": false, "excludeImage": false})
			}
			return rec{"ui": map[string]any{}, "general": rec{
				"stashes": folders,
				"apiKey":  o.APIKey, "username": o.Username, "maxSessionAge": int64(o.MaxSessionAge / time.Second),
				"configFilePath": filepath.Join(o.Dir, "config.yml"), "databasePath": filepath.Join(o.Dir, "stash-go.sqlite"),
				"pluginsPath": filepath.Join(o.Dir, "plugins"), "generatedPath": filepath.Join(o.Dir, "generated"),
				"cachePath": filepath.Join(o.Dir, "cache"), "parallelTasks": int64(o.ParallelTasks), "logLevel": "Info",
				"calculateMD5": true, "videoFileNamingAlgorithm": "OSHASH", "pythonPath": "",
			}}, nil
		},
		"logs": func(c *call, _ any, _ args) (any, error) { return c.s.shownLogs(), nil },
		"jobQueue": func(c *call, _ any, _ args) (any, error) {
			var out []rec // null, not [], when empty
			for _, j := range c.s.JobQueue() {
				out = append(out, jobRec(&j))
			}
			return out, nil
		},
		"findJob": func(c *call, _ any, a args) (any, error) {
			id, err := strconv.Atoi(a.sub("input").str("id"))
			if err != nil {
				return nil, err
			}
			if j := c.s.queue.find(id); j != nil {
				return jobRec(j), nil
			}
			return nil, nil
		},
		"plugins":     func(c *call, _ any, _ args) (any, error) { return c.pluginList(), nil },
		"pluginTasks": func(c *call, _ any, _ args) (any, error) { return c.pluginTasks(), nil },
		"findFile": func(c *call, _ any, a args) (any, error) {
			if a["id"] != nil {
				id, err := parseID(a.str("id"))
				if err != nil {
					return nil, err
				}
				if f := c.s.lib.files.get(id); f != nil {
					return f, nil
				}
				return nil, fmt.Errorf("file with id %d not found", id)
			}
			if f := c.s.lib.fileByPath[a.str("path")]; f != nil {
				return f, nil
			}
			return nil, fmt.Errorf("file not found")
		},
		"stats": func(c *call, _ any, _ args) (any, error) {
			l := &c.s.lib
			return rec{
				"scene_count": int64(len(l.scenes.ids)), "performer_count": int64(len(l.performers.ids)),
				"studio_count": int64(len(l.studios.ids)), "tag_count": int64(len(l.tags.ids)), "group_count": int64(len(l.groups.ids)),
			}, nil
		},
	}
	addFinders(m)
	return m
}

// pluginList is called under the library's read lock.
func (c *call) pluginList() []rec {
	out := []rec{}
	c.s.plugins.mu.Lock()
	defer c.s.plugins.mu.Unlock()
	for _, p := range c.s.plugins.list {
		r := rec{
			"id": p.id, "name": p.title(), "description": optional(p.description), "url": optional(p.url),
			"version": optional(p.version), "enabled": !c.s.disabled[p.id], "requires": nil,
		}
		var tasks, hooks, settings []rec
		for _, t := range p.tasks {
			tasks = append(tasks, rec{"name": t.name, "description": t.description})
		}
		for _, h := range p.hooks {
			hooks = append(hooks, rec{"name": h.name, "description": h.description, "hooks": h.triggeredBy})
		}
		for _, s := range p.settings {
			settings = append(settings, rec{"name": s.name, "display_name": s.displayName, "description": s.description, "type": s.kind})
		}
		r["tasks"], r["hooks"], r["settings"] = tasks, hooks, settings
		out = append(out, r)
	}
	return out
}

func (c *call) pluginTasks() []rec {
	out := []rec{}
	for _, p := range c.pluginList() {
		if p["enabled"] == false {
			continue
		}
		for _, t := range p["tasks"].([]rec) {
			out = append(out, rec{"name": t["name"], "description": t["description"], "plugin": p})
		}
	}
	return out
}

func parseID(s string) (int64, error) {
	n, err := strconv.Atoi(s)
	return int64(n), err
}

func parseIDs(list []string) ([]int64, error) {
	out := make([]int64, len(list))
	for i, s := range list {
		var err error
		if out[i], err = parseID(s); err != nil {
			return nil, err
		}
	}
	return out, nil
}
