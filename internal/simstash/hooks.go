package simstash

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// HookEvent is one hook that Stash fired, whether or not a plugin listens.
type HookEvent struct {
	At          time.Time
	Type        string // "Scene.Update.Post"
	ID          int64
	Input       json.RawMessage
	InputFields []string
}

type eventLog struct {
	mu   sync.Mutex
	list []HookEvent
}

// HookEvents lists the hooks fired since the start or the last
// ResetHookEvents.
func (s *Server) HookEvents() []HookEvent {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	return slices.Clone(s.events.list)
}

// ResetHookEvents forgets the hooks fired so far.
func (s *Server) ResetHookEvents() {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	s.events.list = nil
}

type hookContext struct {
	ID          int64           `json:"id,omitempty"`
	Type        string          `json:"type"`
	Input       json.RawMessage `json:"input"`
	InputFields []string        `json:"inputFields,omitempty"`
}

// fire runs the hooks of one event, plugin after plugin, and returns when the
// last has ended. What goes wrong is logged, never returned: the mutation has
// long been committed. A plugin that cannot be started, or a client that went
// away, ends the whole chain.
func (s *Server) fire(ctx context.Context, who identity, typ string, id int64, input any, given args) {
	raw := toJSON(input)
	fields := slices.Collect(func(yield func(string) bool) {
		for k := range given {
			if !yield(k) {
				return
			}
		}
	})
	rand.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	s.events.mu.Lock()
	s.events.list = append(s.events.list, HookEvent{s.now(), typ, id, raw, slices.Clone(fields)})
	s.events.mu.Unlock()
	if err := s.runHooks(ctx, who, typ, id, hookContext{id, typ, raw, fields}); err != nil {
		s.logf(LevelError, "", "error executing post hooks: %v", err)
	}
}

func (s *Server) runHooks(ctx context.Context, who identity, typ string, id int64, hc hookContext) error {
	for _, p := range s.enabledPlugins() {
		chain := 0
		for _, v := range who.visited {
			if v == (visit{p.id, typ}) {
				chain++
			}
		}
		for _, h := range p.hooks {
			for _, t := range h.triggeredBy {
				if t != typ {
					continue
				}
				if chain >= maxChain {
					s.logf(LevelDebug, "", "cyclic loop detected: plugin ID '%s' hook %s, not re-triggering", p.id, typ)
					continue
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
				next := identity{who.user, append(slices.Clone(who.visited), visit{p.id, typ})}
				doc := s.document(p.dir(), h.defaultArgs, map[string]any{"hookContext": hc}, next)
				out, err := s.runAndWait(ctx, p, h, &PluginRun{Kind: "hook", Hook: typ, ID: id}, doc)
				if err != nil {
					return err
				}
				switch {
				case out.Error != nil:
					s.logf(LevelError, "", "%s [%s]: returned error: %s", typ, p.name, *out.Error)
				case out.Output != nil:
					s.logf(LevelDebug, "", "%s [%s]: returned: %v", typ, p.name, out.Output)
				}
			}
		}
	}
	if s.opts.OnHook == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	next := identity{who.user, append(slices.Clone(who.visited), visit{"", typ})}
	if err := s.opts.OnHook(ctx, s.document("", nil, map[string]any{"hookContext": hc}, next)); err != nil {
		s.logf(LevelError, "", "%s []: returned error: %v", typ, err)
	}
	return nil
}

// shape tells how Stash writes an input type into a hook's document.
type shape struct {
	keys   []string       // all of these, null when not given
	nested map[string]any // what stands for a nested object that was not given
}

// shapes are the input types that Stash keeps in a structure of its own: their
// documents list every field. The key lists are recorded; some (height,
// aliases) are not in the schema any more and always null. All other inputs
// come from a generator: what was not given, or was null or an empty list, is
// left out.
func shapes(typ string) *shape {
	performer := []string{"name", "disambiguation", "url", "urls", "gender", "birthdate", "ethnicity", "country", "eye_color", "height", "height_cm", "measurements", "fake_tits", "penis_length", "circumcised", "career_length", "tattoos", "piercings", "aliases", "alias_list", "twitter", "instagram", "favorite", "tag_ids", "image", "stash_ids", "rating100", "details", "death_date", "hair_color", "weight", "ignore_auto_tag", "custom_fields"}
	studio := []string{"name", "url", "urls", "parent_id", "image", "stash_ids", "rating100", "favorite", "details", "aliases", "tag_ids", "ignore_auto_tag"}
	switch typ {
	case "SceneUpdateInput":
		return &shape{keys: []string{"clientMutationId", "id", "title", "code", "details", "director", "url", "urls", "date", "rating100", "o_counter", "organized", "studio_id", "gallery_ids", "performer_ids", "movies", "groups", "tag_ids", "cover_image", "stash_ids", "resume_time", "play_duration", "play_count", "primary_file_id"}}
	case "PerformerCreateInput":
		return &shape{keys: performer}
	case "PerformerUpdateInput":
		return &shape{keys: append([]string{"id"}, performer...), nested: map[string]any{"custom_fields": object{{"full", nil}, {"partial", nil}, {"remove", nil}}}}
	case "StudioCreateInput":
		return &shape{keys: studio}
	case "StudioUpdateInput":
		return &shape{keys: append([]string{"id"}, studio...)}
	case "SceneDestroyInput":
		return &shape{keys: []string{"id", "delete_file", "delete_generated"}}
	case "ScenesDestroyInput":
		return &shape{keys: []string{"ids", "delete_file", "delete_generated"}}
	case "StashIDInput":
		return &shape{keys: []string{"stash_id", "endpoint", "updated_at"}}
	case "SceneGroupInput":
		return &shape{keys: []string{"group_id", "scene_index"}}
	case "SceneMovieInput":
		return &shape{keys: []string{"movie_id", "scene_index"}}
	case "CustomFieldsInput":
		return &shape{keys: []string{"full", "partial", "remove"}}
	}
	return nil
}

// hookInput is a mutation's input as its hook's document shows it.
func hookInput(typ string, given args) object {
	def := schema().Types[typ]
	out := object{}
	sh := shapes(typ)
	if sh == nil {
		for _, f := range def.Fields {
			v := given[f.Name]
			if list, ok := v.([]any); isNil(v) || ok && len(list) == 0 && !f.Type.NonNull {
				continue
			}
			out = append(out, member{f.Name, nestedInput(f.Type.Name(), v)})
		}
		return out
	}
	for _, k := range sh.keys {
		v := given[k]
		if f := def.Fields.ForName(k); f != nil && v != nil {
			v = nestedInput(f.Type.Name(), v)
		} else if n, ok := sh.nested[k]; ok {
			v = n
		}
		out = append(out, member{k, v})
	}
	return out
}

func nestedInput(typ string, v any) any {
	switch v := v.(type) {
	case args:
		return hookInput(typ, v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = nestedInput(typ, e)
		}
		return out
	}
	return v
}
