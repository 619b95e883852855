package simstash

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// find answers a find query over one table: by ids, or filtered, sorted and
// paged.
type find[T any] struct {
	kind    string // "scene", in errors
	table   func(*library) *table[T]
	match   func(c *call, filter args) (func(*T) bool, error)
	text    func(*T) []string                            // what q looks at
	compare func(c *call, sort string) func(a, b *T) int // nil: unknown
	sorts   []string                                     // known to Stash, not simulated
}

func (f find[T]) byIDs(c *call, given []string, name string) ([]*T, error) {
	for i, id := range given {
		if slices.Contains(given[:i], id) {
			return nil, fmt.Errorf("validating %s: duplicate id found: %s", name, id)
		}
	}
	ids, err := parseIDs(given)
	if err != nil {
		return nil, fmt.Errorf("converting %s: %w", name, err)
	}
	return f.many(c, ids)
}

// many fails whole when one id is missing, or is there twice.
func (f find[T]) many(c *call, ids []int64) ([]*T, error) {
	out := make([]*T, 0, len(ids))
	for i, id := range ids {
		v := f.table(&c.s.lib).get(id)
		if v == nil || slices.Contains(ids[:i], id) {
			return nil, fmt.Errorf("%s with id %d not found", f.kind, id)
		}
		out = append(out, v)
	}
	return out, nil
}

// query returns the page and everything that matches.
func (f find[T]) query(c *call, filter, objectFilter args) (page, all []*T, err error) {
	match, err := f.match(c, objectFilter)
	if err != nil {
		return nil, nil, err
	}
	q := parseSearch(filter.str("q"))
	t := f.table(&c.s.lib)
	for _, id := range t.ids {
		if v := t.get(id); match(v) && q.match(func() []string { return f.text(v) }) {
			all = append(all, v)
		}
	}
	sort := filter.str("sort")
	switch seed, isRandom := strings.CutPrefix(sort, "random_"); {
	case sort == "":
		shuffle(all, c.turn) // no promise at all: another order each time
	case isRandom:
		n, err := strconv.ParseUint(seed, 10, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("invalid random seed: %s", seed)
		}
		shuffle(all, n)
	case sort == "random":
		shuffle(all, c.turn)
	default:
		compare := f.compare(c, sort)
		if compare == nil {
			if slices.Contains(f.sorts, sort) {
				return nil, nil, fmt.Errorf("simstash: sort %s of %ss is not simulated", sort, f.kind)
			}
			return nil, nil, fmt.Errorf("invalid sort: %s", sort)
		}
		if sort != "id" { // they come by id
			slices.SortStableFunc(all, compare)
		}
		if filter.str("direction") == "DESC" {
			slices.Reverse(all)
		}
	}
	perPage, number := 25, 1
	if n, ok := filter["per_page"].(int64); ok {
		perPage = int(n)
	}
	if n, ok := filter["page"].(int64); ok && n > 0 {
		number = int(n)
	}
	if perPage < 0 {
		return all, all, nil
	}
	from := min((number-1)*perPage, len(all))
	return all[from:min(from+perPage, len(all))], all, nil
}

// shuffle brings a list into an order that only the seed decides.
func shuffle[T any](list []T, seed uint64) {
	for i := len(list) - 1; i > 0; i-- {
		seed = seed*6364136223846793005 + 1442695040888963407
		j := int((seed >> 33) % uint64(i+1))
		list[i], list[j] = list[j], list[i]
	}
}

func orEmpty[T any](list []*T) []*T {
	if list == nil {
		return []*T{}
	}
	return list
}

func scenesFinder() find[Scene] {
	return find[Scene]{
		kind:  "scene",
		table: func(l *library) *table[Scene] { return &l.scenes },
		match: func(c *call, filter args) (func(*Scene) bool, error) { return c.sceneFilter(filter) },
		text: func(s *Scene) []string {
			out := []string{s.Title, s.Details}
			for _, f := range s.Files {
				out = append(out, f.Path, f.OSHash(), f.MD5())
			}
			return out
		},
		compare: compareScenes,
		sorts: []string{
			"bitrate", "code", "file_mod_time", "framerate", "group_scene_number", "interactive", "interactive_speed",
			"last_o_at", "last_played_at", "movie_scene_number", "o_counter", "perceptual_similarity", "play_count",
			"play_duration", "resume_time", "resolution", "performer_age",
		},
	}
}

func (s *Scene) path() string {
	if len(s.Files) == 0 {
		return ""
	}
	return s.Files[0].Path
}

func compareScenes(c *call, sort string) func(a, b *Scene) int {
	title := func(s *Scene) string {
		if s.Title == "" && len(s.Files) > 0 {
			return s.Files[0].Basename()
		}
		return s.Title
	}
	number := func(f func(*Scene) float64) func(a, b *Scene) int {
		return func(a, b *Scene) int { return cmp.Compare(f(a), f(b)) }
	}
	switch sort {
	case "id":
		return number(func(s *Scene) float64 { return float64(s.ID) })
	case "title":
		return func(a, b *Scene) int { return naturalCompare(title(a), title(b)) }
	case "path":
		return func(a, b *Scene) int { return naturalCompare(a.path(), b.path()) }
	case "date":
		return func(a, b *Scene) int { return strings.Compare(a.Date, b.Date) }
	case "created_at":
		return func(a, b *Scene) int { return a.CreatedAt.Compare(b.CreatedAt) }
	case "updated_at":
		return func(a, b *Scene) int { return a.UpdatedAt.Compare(b.UpdatedAt) }
	case "rating":
		return number(func(s *Scene) float64 {
			if s.Rating100 == nil {
				return -1
			}
			return float64(*s.Rating100)
		})
	case "organized":
		return number(func(s *Scene) float64 {
			if s.Organized {
				return 1
			}
			return 0
		})
	case "filesize", "duration":
		return number(func(s *Scene) float64 {
			switch {
			case len(s.Files) == 0:
				return -1
			case sort == "filesize":
				return float64(s.Files[0].Size)
			}
			return s.Files[0].Duration
		})
	case "file_count":
		return number(func(s *Scene) float64 { return float64(len(s.Files)) })
	case "tag_count":
		return number(func(s *Scene) float64 { return float64(len(s.TagIDs)) })
	case "performer_count":
		return number(func(s *Scene) float64 { return float64(len(s.PerformerIDs)) })
	case "studio":
		name := func(s *Scene) string {
			if st := c.s.lib.studios.get(s.StudioID); st != nil {
				return st.Name
			}
			return ""
		}
		return func(a, b *Scene) int { return naturalCompare(name(a), name(b)) }
	}
	return nil
}

func addFinders(m map[string]resolver) {
	scenes := scenesFinder()
	m["findScene"] = func(c *call, _ any, a args) (any, error) {
		if a["id"] != nil {
			id, err := parseID(a.str("id"))
			if err != nil {
				return nil, err
			}
			return one(&c.s.lib.scenes, id), nil
		}
		for _, id := range c.s.lib.scenes.ids {
			sc := c.s.lib.scenes.get(id)
			if slices.ContainsFunc(sc.Files, func(f *File) bool { return f.MD5() == a.str("checksum") }) {
				return sc, nil
			}
		}
		return nil, nil
	}
	m["findSceneByHash"] = func(c *call, _ any, a args) (any, error) {
		in := a.sub("input")
		for _, id := range c.s.lib.scenes.ids {
			sc := c.s.lib.scenes.get(id)
			if slices.ContainsFunc(sc.Files, func(f *File) bool {
				return f.MD5() == in.str("checksum") || f.OSHash() == in.str("oshash")
			}) {
				return sc, nil
			}
		}
		return nil, nil
	}
	m["findScenes"] = func(c *call, _ any, a args) (any, error) {
		var page, all []*Scene
		var err error
		ids, _ := a["scene_ids"].([]any)
		switch {
		case len(a.strs("ids")) > 0:
			page, err = scenes.byIDs(c, a.strs("ids"), "ids")
			all = page
		case len(ids) > 0:
			list := make([]int64, len(ids))
			for i, id := range ids {
				list[i] = id.(int64)
			}
			page, err = scenes.many(c, list)
			all = page
		default:
			page, all, err = scenes.query(c, a.sub("filter"), a.sub("scene_filter"))
		}
		if len(a.strs("ids"))+len(ids) > 0 {
			for _, s := range page { // for the sum of their sizes
				err = cmp.Or(err, c.s.lib.broken(s.ID))
			}
		}
		if err != nil {
			return nil, err
		}
		sum := func(of func(*File) float64) func() any {
			return func() any {
				total := 0.0
				for _, s := range all {
					if len(s.Files) > 0 {
						total += of(s.Files[0])
					}
				}
				return total
			}
		}
		return rec{
			"count": int64(len(all)), "scenes": orEmpty(page),
			"duration": sum(func(f *File) float64 { return f.Duration }),
			"filesize": sum(func(f *File) float64 { return float64(f.Size) }),
		}, nil
	}
	addFinder(m, "Performer", "performer", func(l *library) *table[Performer] { return &l.performers },
		func(p *Performer) named { return named{p.ID, p.Name, p.Aliases, p.CreatedAt, p.UpdatedAt} })
	addFinder(m, "Studio", "studio", func(l *library) *table[Studio] { return &l.studios },
		func(s *Studio) named { return named{s.ID, s.Name, s.Aliases, s.CreatedAt, s.UpdatedAt} })
	addFinder(m, "Tag", "tag", func(l *library) *table[Tag] { return &l.tags },
		func(t *Tag) named { return named{t.ID, t.Name, t.Aliases, t.CreatedAt, t.UpdatedAt} })
	addFinder(m, "Group", "group", func(l *library) *table[Group] { return &l.groups },
		func(g *Group) named { return named{g.ID, g.Name, []string{g.Aliases}, g.CreatedAt, g.UpdatedAt} })
}

// named is what performers, studios, tags and groups have in common.
type named struct {
	id      int64
	name    string
	aliases []string
	created time.Time
	updated time.Time
}

func addFinder[T any](m map[string]resolver, typ, kind string, tab func(*library) *table[T], of func(*T) named) {
	f := find[T]{
		kind:  kind,
		table: tab,
		text:  func(v *T) []string { n := of(v); return append([]string{n.name}, n.aliases...) },
		match: func(c *call, filter args) (func(*T) bool, error) {
			conds, err := compileFilter(kind+"_filter", filter, map[string]func(any) (func(*T) bool, error){
				"name": func(v any) (func(*T) bool, error) {
					return stringCriterion(v.(args), func(o *T) string { return of(o).name })
				},
				"created_at": func(v any) (func(*T) bool, error) {
					return timeCriterion(v.(args), func(o *T) time.Time { return of(o).created })
				},
				"updated_at": func(v any) (func(*T) bool, error) {
					return timeCriterion(v.(args), func(o *T) time.Time { return of(o).updated })
				},
			})
			return conds, err
		},
		compare: func(_ *call, sort string) func(a, b *T) int {
			switch sort {
			case "id":
				return func(a, b *T) int { return cmp.Compare(of(a).id, of(b).id) }
			case "name":
				return func(a, b *T) int { return naturalCompare(of(a).name, of(b).name) }
			case "created_at":
				return func(a, b *T) int { return of(a).created.Compare(of(b).created) }
			case "updated_at":
				return func(a, b *T) int { return of(a).updated.Compare(of(b).updated) }
			}
			return nil
		},
		sorts: []string{"scenes_count", "rating", "birthdate", "parent_id", "child_count", "date", "height", "weight"},
	}
	m["find"+typ] = func(c *call, _ any, a args) (any, error) {
		id, err := parseID(a.str("id"))
		if err != nil {
			return nil, err
		}
		return one(tab(&c.s.lib), id), nil
	}
	m["find"+typ+"s"] = func(c *call, _ any, a args) (any, error) {
		var page, all []*T
		var err error
		ids, _ := a[kind+"_ids"].([]any)
		switch {
		case len(a.strs("ids")) > 0:
			page, err = f.byIDs(c, a.strs("ids"), "ids")
			all = page
		case len(ids) > 0:
			list := make([]int64, len(ids))
			for i, id := range ids {
				list[i], _ = id.(int64)
			}
			page, err = f.many(c, list)
			all = page
		default:
			page, all, err = f.query(c, a.sub("filter"), a.sub(kind+"_filter"))
		}
		if err != nil {
			return nil, err
		}
		return rec{"count": int64(len(all)), kind + "s": orEmpty(page)}, nil
	}
}

// compileFilter turns an object filter into one condition. A criterion that is
// given as null counts as not given.
func compileFilter[T any](name string, filter args, known map[string]func(any) (func(*T) bool, error)) (func(*T) bool, error) {
	var conds []func(*T) bool
	for key, v := range filter {
		if v == nil || key == "AND" || key == "OR" || key == "NOT" {
			continue
		}
		make := known[key]
		if make == nil {
			return nil, fmt.Errorf("simstash: %s.%s is not simulated", name, key)
		}
		cond, err := make(v)
		if err != nil {
			return nil, err
		}
		conds = append(conds, cond)
	}
	own := func(o *T) bool {
		for _, c := range conds {
			if !c(o) {
				return false
			}
		}
		return true
	}
	for _, op := range []string{"AND", "OR", "NOT"} {
		if filter.sub(op) == nil {
			continue
		}
		sub, err := compileFilter(name, filter.sub(op), known)
		if err != nil {
			return nil, err
		}
		switch op {
		case "AND":
			return func(o *T) bool { return own(o) && sub(o) }, nil
		case "OR":
			return func(o *T) bool { return own(o) || sub(o) }, nil
		default:
			return func(o *T) bool { return own(o) && !sub(o) }, nil
		}
	}
	return own, nil
}

func (c *call) sceneFilter(filter args) (func(*Scene) bool, error) {
	l := &c.s.lib
	text := func(get func(*Scene) string) func(any) (func(*Scene) bool, error) {
		return func(v any) (func(*Scene) bool, error) { return stringCriterion(v.(args), get) }
	}
	count := func(get func(*Scene) (int, bool)) func(any) (func(*Scene) bool, error) {
		return func(v any) (func(*Scene) bool, error) { return intCriterion(v.(args), get) }
	}
	when := func(get func(*Scene) time.Time) func(any) (func(*Scene) bool, error) {
		return func(v any) (func(*Scene) bool, error) { return timeCriterion(v.(args), get) }
	}
	ids := func(get func(*Scene) []int64, below func(id int64, depth int) []int64) func(any) (func(*Scene) bool, error) {
		return func(v any) (func(*Scene) bool, error) { return idCriterion(v.(args), get, below) }
	}
	alone := func(id int64, _ int) []int64 { return []int64{id} }
	return compileFilter("scene_filter", filter, map[string]func(any) (func(*Scene) bool, error){
		"id":       count(func(s *Scene) (int, bool) { return int(s.ID), true }),
		"title":    text(func(s *Scene) string { return s.Title }),
		"code":     text(func(s *Scene) string { return s.Code }),
		"details":  text(func(s *Scene) string { return s.Details }),
		"director": text(func(s *Scene) string { return s.Director }),
		"path":     func(v any) (func(*Scene) bool, error) { return pathCriterion(v.(args)) },
		"date": func(v any) (func(*Scene) bool, error) {
			return orderedCriterion(v.(args), func(s *Scene) string { return s.Date })
		},
		"rating100": count(func(s *Scene) (int, bool) {
			if s.Rating100 == nil {
				return 0, false
			}
			return *s.Rating100, true
		}),
		"organized": func(v any) (func(*Scene) bool, error) {
			return func(s *Scene) bool { return s.Organized == v.(bool) }, nil
		},
		"file_count":      count(func(s *Scene) (int, bool) { return len(s.Files), true }),
		"tag_count":       count(func(s *Scene) (int, bool) { return len(s.TagIDs), true }),
		"performer_count": count(func(s *Scene) (int, bool) { return len(s.PerformerIDs), true }),
		"created_at":      when(func(s *Scene) time.Time { return s.CreatedAt }),
		"updated_at":      when(func(s *Scene) time.Time { return s.UpdatedAt }),
		"performers":      ids(func(s *Scene) []int64 { return s.PerformerIDs }, alone),
		"tags":            ids(func(s *Scene) []int64 { return s.TagIDs }, l.tagTree),
		"groups":          ids((*Scene).groupIDs, l.groupTree),
		"studios": ids(func(s *Scene) []int64 {
			if s.StudioID == 0 {
				return nil
			}
			return []int64{s.StudioID}
		}, l.studioTree),
	})
}

func badModifier(c args) error {
	return fmt.Errorf("simstash: modifier %s is not simulated here", c.str("modifier"))
}

// idCriterion compares an object's ids with the wanted ones and what is below
// each of them. INCLUDES: any of them; INCLUDES_ALL: each of them, or one below
// it; EXCLUDES: none of them; EQUALS: exactly them.
func idCriterion[T any](c args, get func(*T) []int64, below func(int64, int) []int64) (func(*T) bool, error) {
	depth := depthOf(c)
	expand := func(key string) (out [][]int64, err error) {
		ids, err := parseIDs(c.strs(key))
		for _, id := range ids {
			out = append(out, below(id, depth))
		}
		return out, err
	}
	wanted, err := expand("value")
	if err != nil {
		return nil, err
	}
	unwanted, err := expand("excludes")
	if err != nil {
		return nil, err
	}
	hit := func(have []int64, sets [][]int64) (n int) {
		for _, set := range sets {
			if overlap(have, set) {
				n++
			}
		}
		return n
	}
	var cond func(have []int64) bool
	switch c.str("modifier") {
	case "INCLUDES":
		cond = func(have []int64) bool { return len(wanted) == 0 || hit(have, wanted) > 0 }
	case "INCLUDES_ALL":
		cond = func(have []int64) bool { return hit(have, wanted) == len(wanted) }
	case "EXCLUDES":
		cond = func(have []int64) bool { return hit(have, wanted) == 0 }
	case "EQUALS":
		cond = func(have []int64) bool { return hit(have, wanted) == len(wanted) && len(have) == len(wanted) }
	case "IS_NULL":
		cond = func(have []int64) bool { return len(have) == 0 }
	case "NOT_NULL":
		cond = func(have []int64) bool { return len(have) > 0 }
	default:
		return nil, badModifier(c)
	}
	return func(o *T) bool {
		have := get(o)
		return cond(have) && hit(have, unwanted) == 0
	}, nil
}

func intCriterion[T any](c args, get func(*T) (int, bool)) (func(*T) bool, error) {
	first, _ := c["value"].(int64)
	second, _ := c["value2"].(int64)
	a, b := int(first), int(second)
	var cond func(n int) bool
	switch c.str("modifier") {
	case "EQUALS":
		cond = func(n int) bool { return n == a }
	case "NOT_EQUALS":
		cond = func(n int) bool { return n != a }
	case "GREATER_THAN":
		cond = func(n int) bool { return n > a }
	case "LESS_THAN":
		cond = func(n int) bool { return n < a }
	case "BETWEEN":
		cond = func(n int) bool { return n >= a && n <= b }
	case "NOT_BETWEEN":
		cond = func(n int) bool { return n < a || n > b }
	case "IS_NULL":
		return func(o *T) bool { _, ok := get(o); return !ok }, nil
	case "NOT_NULL":
		return func(o *T) bool { _, ok := get(o); return ok }, nil
	default:
		return nil, badModifier(c)
	}
	return func(o *T) bool { n, ok := get(o); return ok && cond(n) }, nil
}

// timeCriterion reads timestamps as Stash writes them, or dates; an unreadable
// one is an error.
func timeCriterion[T any](c args, get func(*T) time.Time) (func(*T) bool, error) {
	parse := func(key string) (time.Time, error) {
		text := c.str(key)
		if text == "" {
			return time.Time{}, nil
		}
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02"} {
			if t, err := time.Parse(layout, text); err == nil {
				return t, nil
			}
		}
		return time.Time{}, fmt.Errorf("parsing timestamp %q", text)
	}
	a, err := parse("value")
	if err != nil {
		return nil, err
	}
	b, err := parse("value2")
	if err != nil {
		return nil, err
	}
	var cond func(t time.Time) bool
	switch c.str("modifier") {
	case "EQUALS":
		cond = func(t time.Time) bool { return t.Equal(a) }
	case "NOT_EQUALS":
		cond = func(t time.Time) bool { return !t.Equal(a) }
	case "GREATER_THAN":
		cond = func(t time.Time) bool { return t.After(a) }
	case "LESS_THAN":
		cond = func(t time.Time) bool { return t.Before(a) }
	case "BETWEEN":
		cond = func(t time.Time) bool { return !t.Before(a) && !t.After(b) }
	default:
		return nil, badModifier(c)
	}
	return func(o *T) bool { return cond(get(o)) }, nil
}

// orderedCriterion compares dates as text; unset ones match nothing but
// IS_NULL.
func orderedCriterion[T any](c args, get func(*T) string) (func(*T) bool, error) {
	a, b := c.str("value"), c.str("value2")
	var cond func(s string) bool
	switch c.str("modifier") {
	case "EQUALS":
		cond = func(s string) bool { return s == a }
	case "NOT_EQUALS":
		cond = func(s string) bool { return s != a }
	case "GREATER_THAN":
		cond = func(s string) bool { return s > a }
	case "LESS_THAN":
		cond = func(s string) bool { return s < a }
	case "BETWEEN":
		cond = func(s string) bool { return s >= a && s <= b }
	case "IS_NULL":
		return func(o *T) bool { return get(o) == "" }, nil
	case "NOT_NULL":
		return func(o *T) bool { return get(o) != "" }, nil
	default:
		return nil, badModifier(c)
	}
	return func(o *T) bool { s := get(o); return s != "" && cond(s) }, nil
}

// words splits the value of INCLUDES and EXCLUDES: without quotes any of its
// words counts, with quotes the whole.
func words(value string) []string {
	q := strings.TrimSpace(value)
	if bare := strings.Trim(q, `"`); bare != q {
		return []string{bare}
	}
	return strings.Fields(q)
}

// stringCriterion is SQL's LIKE: case-blind for ASCII, with % and _ as
// wildcards, as in Stash (source). Unset fields match neither NOT_EQUALS nor
// EXCLUDES.
func stringCriterion[T any](c args, get func(*T) string) (func(*T) bool, error) {
	cond, err := textCondition(c)
	if err != nil {
		return nil, err
	}
	return func(o *T) bool { return cond(get(o)) }, nil
}

func textCondition(c args) (func(string) bool, error) {
	value := c.str("value")
	anyWord := func(s string) bool {
		return slices.ContainsFunc(words(value), func(w string) bool { return like("%"+w+"%", s) })
	}
	switch m := c.str("modifier"); m {
	case "EQUALS":
		return func(s string) bool { return like(value, s) }, nil
	case "NOT_EQUALS":
		return func(s string) bool { return s != "" && !like(value, s) }, nil
	case "INCLUDES":
		return anyWord, nil
	case "EXCLUDES":
		return func(s string) bool { return s != "" && !anyWord(s) }, nil
	case "MATCHES_REGEX", "NOT_MATCHES_REGEX":
		re, err := regexp.Compile(value)
		if err != nil {
			return nil, err
		}
		return func(s string) bool { return re.MatchString(s) == (m == "MATCHES_REGEX") }, nil
	case "IS_NULL":
		return func(s string) bool { return strings.TrimSpace(s) == "" }, nil
	case "NOT_NULL":
		return func(s string) bool { return strings.TrimSpace(s) != "" }, nil
	}
	return nil, badModifier(c)
}

// pathCriterion holds for a scene when it holds for one of its files.
func pathCriterion(c args) (func(*Scene) bool, error) {
	cond, err := textCondition(c)
	if err != nil {
		return nil, err
	}
	if m := c.str("modifier"); m == "IS_NULL" {
		return func(s *Scene) bool { return len(s.Files) == 0 }, nil
	}
	return func(s *Scene) bool {
		return slices.ContainsFunc(s.Files, func(f *File) bool { return cond(f.Path) })
	}, nil
}

// like is SQLite's LIKE: % any run, _ any one rune, letters of ASCII without
// case.
func like(pattern, s string) bool {
	p, t := []rune(pattern), []rune(s)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '%':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '_' || lower(p[i]) == lower(t[j])):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '%' {
		i++
	}
	return i == len(p)
}

func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// search is a parsed q: every word of must, none of mustNot; quotes keep words
// together, a minus excludes. (Stash knows "or" sets besides.)
type search struct{ must, mustNot []string }

func parseSearch(q string) (out search) {
	for q = strings.TrimSpace(q); q != ""; q = strings.TrimSpace(q) {
		not := strings.HasPrefix(q, "-")
		q = strings.TrimPrefix(q, "-")
		var word string
		if rest, ok := strings.CutPrefix(q, `"`); ok {
			word, q, _ = strings.Cut(rest, `"`)
		} else {
			word, q, _ = strings.Cut(q, " ")
		}
		switch {
		case word == "":
		case not:
			out.mustNot = append(out.mustNot, word)
		default:
			out.must = append(out.must, word)
		}
	}
	return out
}

func (s search) match(texts func() []string) bool {
	if len(s.must)+len(s.mustNot) == 0 {
		return true
	}
	have := texts()
	in := func(w string) bool {
		return slices.ContainsFunc(have, func(t string) bool { return like("%"+w+"%", t) })
	}
	for _, w := range s.must {
		if !in(w) {
			return false
		}
	}
	return !slices.ContainsFunc(s.mustNot, in)
}

// naturalCompare orders text as Stash's NATURAL_CI: without case, runs of
// digits by their number.
func naturalCompare(a, b string) int {
	x, y := strings.ToLower(a), strings.ToLower(b)
	for x != "" && y != "" {
		dx, dy := digits(x), digits(y)
		if dx > 0 && dy > 0 {
			nx, ny := strings.TrimLeft(x[:dx], "0"), strings.TrimLeft(y[:dy], "0")
			if c := cmp.Or(cmp.Compare(len(nx), len(ny)), strings.Compare(nx, ny)); c != 0 {
				return c
			}
			x, y = x[dx:], y[dy:]
			continue
		}
		if x[0] != y[0] {
			return cmp.Compare(x[0], y[0])
		}
		x, y = x[1:], y[1:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}
