package simstash

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

func mutationFields() map[string]resolver {
	m := map[string]resolver{}
	sceneMutations(m)
	addKind(m, kind[Performer]{
		name: "performer", hooks: []string{"Performer"},
		table: func(l *library) *table[Performer] { return &l.performers },
		apply: (*edit).performer,
		meta:  func(p *Performer) (*int64, *time.Time, *time.Time) { return &p.ID, &p.CreatedAt, &p.UpdatedAt },
		check: func(l *library, p *Performer) error {
			for _, o := range l.performers.byID {
				if o.ID != p.ID && strings.EqualFold(o.Name, p.Name) && o.Disambiguation == p.Disambiguation {
					return fmt.Errorf("performer with name '%s' already exists", p.Name)
				}
			}
			return nil
		},
		unlink: func(l *library, id int64) { l.replacePerformer(id, 0) },
	})
	addKind(m, kind[Studio]{
		name: "studio", hooks: []string{"Studio"},
		table: func(l *library) *table[Studio] { return &l.studios },
		apply: (*edit).studio,
		meta:  func(s *Studio) (*int64, *time.Time, *time.Time) { return &s.ID, &s.CreatedAt, &s.UpdatedAt },
		check: func(l *library, s *Studio) error {
			for _, o := range l.studios.byID {
				if o.ID != s.ID && strings.EqualFold(o.Name, s.Name) {
					return fmt.Errorf("studio with name '%s' already exists", s.Name)
				}
			}
			return nil
		},
		unlink: func(l *library, id int64) {
			for _, sc := range l.scenes.byID {
				if sc.StudioID == id {
					sc.StudioID = 0
				}
			}
			for _, st := range l.studios.byID {
				if st.ParentID == id {
					st.ParentID = 0
				}
			}
		},
	})
	addKind(m, kind[Tag]{
		name: "tag", hooks: []string{"Tag"},
		table: func(l *library) *table[Tag] { return &l.tags },
		apply: (*edit).tag,
		meta:  func(t *Tag) (*int64, *time.Time, *time.Time) { return &t.ID, &t.CreatedAt, &t.UpdatedAt },
		check: func(l *library, t *Tag) error {
			for _, o := range l.tags.byID {
				if o.ID != t.ID && strings.EqualFold(o.Name, t.Name) {
					return fmt.Errorf("tag with name '%s' already exists", t.Name)
				}
			}
			return nil
		},
		unlink: func(l *library, id int64) { l.replaceTag(id, 0) },
	})
	addKind(m, kind[Group]{
		name: "group", hooks: []string{"Group", "Movie"}, // both, in this order (source)
		table: func(l *library) *table[Group] { return &l.groups },
		apply: (*edit).group,
		meta:  func(g *Group) (*int64, *time.Time, *time.Time) { return &g.ID, &g.CreatedAt, &g.UpdatedAt },
		check: func(*library, *Group) error { return nil },
		unlink: func(l *library, id int64) {
			for _, sc := range l.scenes.byID {
				if slices.Contains(sc.groupIDs(), id) {
					sc.Groups = slices.DeleteFunc(slices.Clone(sc.Groups), func(g SceneGroup) bool { return g.GroupID == id })
				}
			}
		},
	})
	m["performerMerge"] = mergePerformers
	m["tagsMerge"] = mergeTags
	serverMutations(m)
	return m
}

// kind describes one of the object types that scenes refer to.
type kind[T any] struct {
	name   string
	hooks  []string
	table  func(*library) *table[T]
	apply  func(*edit, *T)
	meta   func(*T) (id *int64, created, updated *time.Time)
	check  func(*library, *T) error
	unlink func(*library, int64) // linked scenes keep their updated_at
}

func (c *call) who() identity { return identity{c.user, c.visited} }

// fire runs an event's hooks; the mutation's answer waits for them.
func (c *call) fire(typ string, id int64, input any, given args) {
	c.s.fire(c.ctx, c.who(), typ, id, input, given)
}

// commit runs a transaction.
func (c *call) commit(f func(l *library, now time.Time) error) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return f(&c.s.lib, c.s.stampNow())
}

// refetch reads an object again after its hooks have run, as Stash does. A
// client that is gone by now gets nothing.
func refetch[T any](c *call, t func(*library) *table[T], id int64) (any, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	c.s.mu.RLock()
	defer c.s.mu.RUnlock()
	return one(t(&c.s.lib), id), nil
}

// changeAll applies inputs to objects in one transaction: all or none.
func changeAll[T any](c *call, k kind[T], ids []int64, inputs []args) error {
	return c.commit(func(l *library, now time.Time) error {
		t := k.table(l)
		next := map[int64]*T{}
		for i, id := range ids {
			if next[id] == nil {
				old := t.get(id)
				if old == nil {
					return fmt.Errorf("%s with id %d not found", k.name, id)
				}
				copied := *old
				next[id] = &copied
			}
			e := &edit{in: inputs[i], l: l, now: c.s.now()}
			k.apply(e, next[id])
			if e.err != nil {
				return e.err
			}
			if err := k.check(l, next[id]); err != nil {
				return err
			}
			_, _, updated := k.meta(next[id])
			*updated = now
		}
		for id, v := range next {
			*t.get(id) = *v
		}
		return nil
	})
}

func addKind[T any](m map[string]resolver, k kind[T]) {
	typ := strings.ToUpper(k.name[:1]) + k.name[1:]
	fire := func(c *call, event string, id int64, input any, given args) {
		for _, h := range k.hooks {
			c.fire(h+"."+event+".Post", id, input, given)
		}
	}
	m[k.name+"Create"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		var id int64
		err := c.commit(func(l *library, now time.Time) error {
			v := new(T)
			pid, created, updated := k.meta(v)
			e := &edit{in: in, l: l, now: c.s.now()}
			k.apply(e, v)
			if e.err != nil {
				return e.err
			}
			*pid, *created, *updated = k.table(l).next(0), now, now
			if err := k.check(l, v); err != nil {
				return err
			}
			id = *pid
			k.table(l).put(id, v)
			return nil
		})
		if err != nil {
			return nil, err
		}
		fire(c, "Create", id, hookInput(typ+"CreateInput", in), nil)
		return refetch(c, k.table, id)
	}
	m[k.name+"Update"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		id, err := parseID(in.str("id"))
		if err != nil {
			return nil, fmt.Errorf("converting id: %w", err)
		}
		if err := changeAll(c, k, []int64{id}, []args{in}); err != nil {
			return nil, err
		}
		fire(c, "Update", id, hookInput(typ+"UpdateInput", in), in)
		return refetch(c, k.table, id)
	}
	m["bulk"+typ+"Update"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		ids, err := parseIDs(in.strs("ids"))
		if err != nil {
			return nil, fmt.Errorf("converting ids: %w", err)
		}
		if err := changeAll(c, k, ids, slices.Repeat([]args{in}, len(ids))); err != nil {
			return nil, err
		}
		out := []any{}
		for _, id := range ids {
			fire(c, "Update", id, hookInput("Bulk"+typ+"UpdateInput", in), in)
			v, err := refetch(c, k.table, id)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	}
	destroy := func(c *call, given []string) ([]int64, error) {
		ids, err := parseIDs(given)
		if err != nil {
			return nil, fmt.Errorf("converting ids: %w", err)
		}
		return ids, c.commit(func(l *library, _ time.Time) error {
			for _, id := range ids { // deleting what is not there is no error
				if k.table(l).get(id) != nil {
					k.table(l).del(id)
					k.unlink(l, id)
				}
			}
			return nil
		})
	}
	m[k.name+"Destroy"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		ids, err := destroy(c, []string{in.str("id")})
		if err != nil {
			return nil, err
		}
		fire(c, "Destroy", ids[0], hookInput(typ+"DestroyInput", in), nil)
		return true, c.ctx.Err()
	}
	m[k.name+"sDestroy"] = func(c *call, _ any, a args) (any, error) {
		ids, err := destroy(c, a.strs("ids"))
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			fire(c, "Destroy", id, a["ids"], nil)
		}
		return true, c.ctx.Err()
	}
}

// replaced is list with old as new, or without it when new is 0.
func replaced(list []int64, old, new int64) []int64 {
	out := []int64{}
	for _, id := range list {
		if id == old {
			id = new
		}
		if id != 0 && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func (l *library) replacePerformer(old, new int64) {
	for _, sc := range l.scenes.byID {
		if slices.Contains(sc.PerformerIDs, old) {
			sc.PerformerIDs = replaced(sc.PerformerIDs, old, new)
		}
	}
}

func (l *library) replaceTag(old, new int64) {
	in := func(list *[]int64) {
		if slices.Contains(*list, old) {
			*list = replaced(*list, old, new)
		}
	}
	for _, v := range l.scenes.byID {
		in(&v.TagIDs)
	}
	for _, v := range l.performers.byID {
		in(&v.TagIDs)
	}
	for _, v := range l.studios.byID {
		in(&v.TagIDs)
	}
	for _, v := range l.groups.byID {
		in(&v.TagIDs)
	}
	for _, v := range l.tags.byID {
		in(&v.ParentIDs)
	}
}

// mergePerformers fires no hook and leaves the scenes' updated_at alone.
func mergePerformers(c *call, _ any, a args) (any, error) {
	in := a.sub("input")
	sources, err := parseIDs(in.strs("source"))
	if err != nil {
		return nil, fmt.Errorf("converting source ids: %w", err)
	}
	dest, err := parseID(in.str("destination"))
	if err != nil {
		return nil, fmt.Errorf("converting destination id: %w", err)
	}
	err = c.commit(func(l *library, now time.Time) error {
		if slices.Contains(sources, dest) {
			return fmt.Errorf("destination performer cannot be in source list")
		}
		for _, id := range append(slices.Clone(sources), dest) {
			if l.performers.get(id) == nil {
				return fmt.Errorf("performer with id %d not found", id)
			}
		}
		next := *l.performers.get(dest)
		e := &edit{in: in.sub("values"), l: l, now: c.s.now()}
		if e.performer(&next); e.err != nil {
			return e.err
		}
		next.UpdatedAt = now
		*l.performers.get(dest) = next
		for _, id := range sources {
			l.replacePerformer(id, dest)
			l.performers.del(id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return refetch(c, func(l *library) *table[Performer] { return &l.performers }, dest)
}

// mergeTags fires Tag.Merge.Post for the destination, no Destroy; the sources'
// names become its aliases.
func mergeTags(c *call, _ any, a args) (any, error) {
	in := a.sub("input")
	sources, err := parseIDs(in.strs("source"))
	if err != nil {
		return nil, fmt.Errorf("converting source ids: %w", err)
	}
	dest, err := parseID(in.str("destination"))
	if err != nil {
		return nil, fmt.Errorf("converting destination id: %w", err)
	}
	if len(sources) == 0 {
		return nil, nil
	}
	err = c.commit(func(l *library, now time.Time) error {
		t := l.tags.get(dest)
		if t == nil {
			return fmt.Errorf("tag with id %d not found", dest)
		}
		if slices.Contains(sources, dest) {
			return fmt.Errorf("cannot merge where source == destination")
		}
		for _, id := range sources {
			src := l.tags.get(id)
			if src == nil {
				continue
			}
			l.replaceTag(id, dest)
			t.Aliases = append(append(slices.Clone(t.Aliases), src.Name), src.Aliases...)
			t.ParentIDs = slices.DeleteFunc(merge(t.ParentIDs, src.ParentIDs, "ADD"), func(p int64) bool { return p == dest })
			l.tags.del(id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.fire("Tag.Merge.Post", dest, hookInput("TagsMergeInput", in), nil)
	return refetch(c, func(l *library) *table[Tag] { return &l.tags }, dest)
}

// serverMutations are about plugins, jobs and tasks.
func serverMutations(m map[string]resolver) {
	m["configurePlugin"] = func(c *call, _ any, a args) (any, error) {
		input := a["input"].(map[string]any)
		c.s.SetPluginSettings(a.str("plugin_id"), input)
		return input, nil
	}
	m["setPluginsEnabled"] = func(c *call, _ any, a args) (any, error) {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		for id, v := range a["enabledMap"].(map[string]any) {
			on, ok := v.(bool)
			if !ok {
				return nil, fmt.Errorf("%T is not a bool", v)
			}
			if on {
				delete(c.s.disabled, id)
			} else {
				c.s.disabled[id] = true
			}
		}
		return true, nil
	}
	m["reloadPlugins"] = func(c *call, _ any, _ args) (any, error) {
		c.s.reloadPlugins() // what cannot be loaded is told in the log only
		return true, nil
	}
	m["runPluginTask"] = func(c *call, _ any, a args) (any, error) {
		// args_map wins; args counts only without it. Either is completed by the
		// task's defaultArgs (source).
		given, ok := a["args_map"].(map[string]any)
		if !ok {
			given = pluginArgs(a["args"])
		}
		text := func(key string) *string {
			if s, ok := a[key].(string); ok {
				return &s
			}
			return nil
		}
		id := c.s.runTask(c.who(), a.str("plugin_id"), text("task_name"), text("description"), given)
		return strconv.Itoa(id), nil
	}
	m["runPluginOperation"] = func(c *call, _ any, a args) (any, error) {
		given, _ := a["args"].(map[string]any)
		return c.s.runOperation(c.ctx, c.who(), a.str("plugin_id"), given)
	}
	m["stopJob"] = func(c *call, _ any, a args) (any, error) {
		id, err := strconv.Atoi(a.str("job_id"))
		if err != nil {
			return nil, fmt.Errorf("converting id: %w", err)
		}
		c.s.queue.stop(id)
		return true, nil
	}
	m["stopAllJobs"] = func(c *call, _ any, _ args) (any, error) {
		c.s.queue.stopAll()
		return true, nil
	}
	m["metadataScan"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		return strconv.Itoa(c.s.scan(c.who(), ScanOptions{
			Paths: in.strs("paths"), Rescan: in.flag("rescan"),
			Covers: in.flag("scanGenerateCovers"), Phashes: in.flag("scanGeneratePhashes"),
		})), nil
	}
	m["metadataClean"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		return strconv.Itoa(c.s.clean(c.who(), in.strs("paths"), in.flag("dryRun"))), nil
	}
	m["metadataGenerate"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		ids, err := parseIDs(in.strs("sceneIDs"))
		if err != nil {
			return nil, err
		}
		return strconv.Itoa(c.s.generate(ids, in.flag("covers"), in.flag("phashes"), in.flag("overwrite"))), nil
	}
	m["metadataAutoTag"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		return strconv.Itoa(c.s.autoTag(in.strs("performers"), in.strs("studios"), in.strs("tags"))), nil
	}
	m["metadataIdentify"] = func(c *call, _ any, a args) (any, error) {
		ids, err := parseIDs(a.sub("input").strs("sceneIDs"))
		if err != nil {
			return nil, err
		}
		return strconv.Itoa(c.s.identifyScenes(c.who(), ids)), nil
	}
}

func pluginArgs(list any) map[string]any {
	out := map[string]any{}
	entries, _ := list.([]any)
	for _, e := range entries {
		in := e.(args)
		out[in.str("key")] = pluginValue(in.sub("value"))
	}
	return out
}

func pluginValue(v args) any {
	for _, key := range []string{"str", "i", "b", "f"} {
		if v[key] != nil {
			return v[key]
		}
	}
	if v["o"] != nil {
		return pluginArgs(v["o"])
	}
	list, ok := v["a"].([]any)
	if !ok {
		return nil
	}
	out := []any{}
	for _, e := range list {
		out = append(out, pluginValue(e.(args)))
	}
	return out
}
