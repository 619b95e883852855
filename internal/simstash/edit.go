package simstash

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// errForeignKey is what a reference to something that does not exist gives.
var errForeignKey = errors.New("FOREIGN KEY constraint failed")

// edit applies the fields of an input to a copy of an object. A field that was
// not given leaves its target alone; the first error is kept. Slices are
// replaced, never changed in place: snapshots share them.
type edit struct {
	in  args
	l   *library
	now time.Time
	err error
}

func (e *edit) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *edit) text(key string, dst *string) {
	if e.in.has(key) {
		*dst = strings.TrimSpace(e.in.str(key))
	}
}

func (e *edit) flag(key string, dst *bool) {
	if e.in.has(key) {
		*dst = e.in.flag(key)
	}
}

func (e *edit) rating(key string, dst **int) {
	if !e.in.has(key) {
		return
	}
	*dst = nil
	if n, ok := e.in[key].(int64); ok {
		v := int(n)
		*dst = &v
	}
}

// date accepts a day, a month or a year.
func (e *edit) date(key string, dst *string) {
	if !e.in.has(key) {
		return
	}
	text := strings.TrimSpace(e.in.str(key))
	ok := text == ""
	for _, layout := range []string{"2006-01-02", "2006-01", "2006"} {
		_, err := time.Parse(layout, text)
		ok = ok || err == nil
	}
	if !ok {
		e.fail(fmt.Errorf("converting %s: failed to parse date %q", key, text))
		return
	}
	*dst = text
}

func (e *edit) image(key string, dst *[]byte) {
	if !e.in.has(key) {
		return
	}
	image, err := imageInput(e.in[key])
	if err != nil {
		e.fail(fmt.Errorf("processing %s: %w", key, err))
		return
	}
	*dst = image
}

func (e *edit) ref(key string, dst *int64, exists func(int64) bool) {
	if !e.in.has(key) {
		return
	}
	*dst = 0
	if e.in.str(key) == "" {
		return
	}
	id, err := parseID(e.in.str(key))
	if err != nil {
		e.fail(fmt.Errorf("converting %s: %w", key, err))
		return
	}
	if !exists(id) {
		e.fail(errForeignKey)
		return
	}
	*dst = id
}

// bulk takes a list, or a bulk update with its mode, apart.
func (e *edit) bulk(key, values string) (list []any, mode string) {
	switch v := e.in[key].(type) {
	case []any:
		return v, "SET"
	case args:
		list, _ = v[values].([]any)
		return list, v.str("mode")
	}
	return nil, "SET"
}

func merge[T comparable](have, given []T, mode string) []T {
	out := []T{}
	if mode != "SET" {
		out = append(out, have...)
	}
	for _, v := range given {
		i := slices.Index(out, v)
		switch {
		case mode == "REMOVE" && i >= 0:
			out = slices.Delete(out, i, i+1)
		case mode != "REMOVE" && i < 0:
			out = append(out, v)
		}
	}
	return out
}

func (e *edit) ids(key string, dst *[]int64, exists func(int64) bool) {
	if !e.in.has(key) {
		return
	}
	list, mode := e.bulk(key, "ids")
	given, err := parseIDs(args{"x": list}.strs("x"))
	if err != nil {
		e.fail(fmt.Errorf("converting %s: %w", key, err))
		return
	}
	if mode != "REMOVE" && slices.ContainsFunc(given, func(id int64) bool { return !exists(id) }) {
		e.fail(errForeignKey)
		return
	}
	*dst = merge(*dst, given, mode)
}

func (e *edit) texts(key string, dst *[]string) {
	if !e.in.has(key) {
		return
	}
	list, mode := e.bulk(key, "values")
	var given []string
	for _, v := range (args{"x": list}).strs("x") {
		given = append(given, strings.TrimSpace(v))
	}
	*dst = merge(*dst, given, mode)
}

// urls prefers urls over the deprecated url.
func (e *edit) urls(dst *[]string) {
	switch {
	case e.in.has("urls"):
		e.texts("urls", dst)
	case e.in.has("url"):
		*dst = []string{}
		if u := e.in.str("url"); u != "" {
			*dst = []string{u}
		}
	}
}

func (e *edit) stashIDs(dst *[]StashID, now time.Time) {
	if !e.in.has("stash_ids") {
		return
	}
	list, _ := e.bulk("stash_ids", "stash_ids")
	out := []StashID{}
	for _, v := range list {
		in := v.(args)
		id := StashID{StashID: in.str("stash_id"), Endpoint: in.str("endpoint"), UpdatedAt: now}
		if t, err := time.Parse(time.RFC3339Nano, in.str("updated_at")); err == nil {
			id.UpdatedAt = t
		}
		if !slices.ContainsFunc(out, func(o StashID) bool { return o.StashID == id.StashID && o.Endpoint == id.Endpoint }) {
			out = append(out, id)
		}
	}
	*dst = out
}

func exists[T any](t *table[T]) func(int64) bool {
	return func(id int64) bool { return t.get(id) != nil }
}

func (e *edit) scene(s *Scene) {
	e.text("title", &s.Title)
	e.text("code", &s.Code)
	e.text("details", &s.Details)
	e.text("director", &s.Director)
	e.date("date", &s.Date)
	e.rating("rating100", &s.Rating100)
	e.flag("organized", &s.Organized)
	e.urls(&s.URLs)
	e.ref("studio_id", &s.StudioID, exists(&e.l.studios))
	e.ids("performer_ids", &s.PerformerIDs, exists(&e.l.performers))
	e.ids("tag_ids", &s.TagIDs, exists(&e.l.tags))
	e.sceneGroups(s)
	e.stashIDs(&s.StashIDs, e.now)
	if e.in.str("cover_image") != "" {
		e.image("cover_image", &s.Cover)
	}
	if id := e.in.str("primary_file_id"); id != "" {
		i := slices.IndexFunc(s.Files, func(f *File) bool { return fmt.Sprint(f.ID) == id })
		if i < 0 {
			e.fail(fmt.Errorf("file with id %s not associated with scene", id))
		} else {
			primary := s.Files[i]
			s.dropFile(primary)
			s.Files = append([]*File{primary}, s.Files...)
		}
	}
	for _, key := range []string{"gallery_ids", "o_counter", "play_count", "play_duration", "resume_time"} {
		if e.in[key] != nil {
			e.fail(fmt.Errorf("simstash: %s of scenes is not simulated", key))
		}
	}
	if e.in.has("title") && s.Title == "" && len(s.Files) == 0 {
		e.fail(errors.New("title must be set if scene has no files"))
	}
}

func (e *edit) sceneGroups(s *Scene) {
	switch {
	case e.in.has("groups") || e.in.has("movies"):
		key, id := "groups", "group_id"
		if !e.in.has("groups") {
			key, id = "movies", "movie_id"
		}
		list, _ := e.bulk(key, key)
		out := []SceneGroup{}
		for _, v := range list {
			in := v.(args)
			g := SceneGroup{}
			var err error
			if g.GroupID, err = parseID(in.str(id)); err != nil {
				e.fail(fmt.Errorf("converting %s: %w", key, err))
				return
			}
			if e.l.groups.get(g.GroupID) == nil {
				e.fail(errForeignKey)
				return
			}
			if n, ok := in["scene_index"].(int64); ok {
				v := int(n)
				g.Index = &v
			}
			out = append(out, g)
		}
		s.Groups = out
	case e.in.has("group_ids") || e.in.has("movie_ids"):
		key := "group_ids"
		if !e.in.has(key) {
			key = "movie_ids"
		}
		ids := s.groupIDs()
		e.ids(key, &ids, exists(&e.l.groups))
		out := []SceneGroup{}
		for _, id := range ids {
			g := SceneGroup{GroupID: id}
			if i := slices.IndexFunc(s.Groups, func(o SceneGroup) bool { return o.GroupID == id }); i >= 0 {
				g = s.Groups[i]
			}
			out = append(out, g)
		}
		s.Groups = out
	}
}

func (e *edit) performer(p *Performer) {
	e.text("name", &p.Name)
	e.text("disambiguation", &p.Disambiguation)
	e.text("gender", &p.Gender)
	e.date("birthdate", &p.Birthdate)
	e.text("country", &p.Country)
	e.text("details", &p.Details)
	e.texts("alias_list", &p.Aliases)
	e.urls(&p.URLs)
	e.flag("favorite", &p.Favorite)
	e.rating("rating100", &p.Rating100)
	e.ids("tag_ids", &p.TagIDs, exists(&e.l.tags))
	e.stashIDs(&p.StashIDs, e.now)
	e.image("image", &p.Image)
	for key := range performerExtra() {
		if e.in.has(key) {
			p.Extra = maps.Clone(p.Extra)
			if p.Extra == nil {
				p.Extra = map[string]any{}
			}
			p.Extra[key] = e.in[key]
		}
	}
	switch v := e.in["custom_fields"].(type) {
	case map[string]any: // create
		p.CustomFields = v
	case args: // update
		p.CustomFields = maps.Clone(p.CustomFields)
		if full, ok := v["full"].(map[string]any); ok {
			p.CustomFields = maps.Clone(full)
		}
		if p.CustomFields == nil {
			p.CustomFields = map[string]any{}
		}
		partial, _ := v["partial"].(map[string]any)
		maps.Copy(p.CustomFields, partial)
		for _, key := range v.strs("remove") {
			delete(p.CustomFields, key)
		}
	}
}

func (e *edit) studio(s *Studio) {
	e.text("name", &s.Name)
	e.ref("parent_id", &s.ParentID, exists(&e.l.studios))
	e.text("details", &s.Details)
	e.texts("aliases", &s.Aliases)
	e.urls(&s.URLs)
	e.flag("favorite", &s.Favorite)
	e.rating("rating100", &s.Rating100)
	e.ids("tag_ids", &s.TagIDs, exists(&e.l.tags))
	e.stashIDs(&s.StashIDs, e.now)
	e.image("image", &s.Image)
}

func (e *edit) tag(t *Tag) {
	e.text("name", &t.Name)
	e.text("sort_name", &t.SortName)
	e.text("description", &t.Description)
	e.texts("aliases", &t.Aliases)
	e.flag("favorite", &t.Favorite)
	e.ids("parent_ids", &t.ParentIDs, exists(&e.l.tags))
	e.stashIDs(&t.StashIDs, e.now)
	e.image("image", &t.Image)
	if e.in["child_ids"] != nil {
		e.fail(errors.New("simstash: child_ids of tags is not simulated"))
	}
}

func (e *edit) group(g *Group) {
	e.text("name", &g.Name)
	e.text("aliases", &g.Aliases)
	e.date("date", &g.Date)
	e.text("director", &g.Director)
	e.text("synopsis", &g.Synopsis)
	e.urls(&g.URLs)
	e.rating("rating100", &g.Rating100)
	e.ref("studio_id", &g.StudioID, exists(&e.l.studios))
	e.ids("tag_ids", &g.TagIDs, exists(&e.l.tags))
	e.image("front_image", &g.FrontImage)
	e.image("back_image", &g.BackImage)
	for _, key := range []string{"containing_groups", "sub_groups", "duration"} {
		if e.in[key] != nil {
			e.fail(fmt.Errorf("simstash: %s of groups is not simulated", key))
		}
	}
}
