package stash

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// Scene is a scene as Stash tells it: texts as they were typed, "" where nothing is
// set. Performers come in any order, another one each time.
type Scene struct {
	ID                             int64
	Title, Code, Details, Director string
	Date                           string // "2020", "2020-02" or "2020-02-03"
	Rating100                      *int   // nil = not rated
	Organized                      bool
	UpdatedAt                      time.Time // UTC, whole seconds
	Files                          []File    // the first is the primary one
	Studio                         *Studio
	Performers                     []Performer
	Tags, Groups                   []Named
	// StashIDs is how many ids of stash-boxes it has; 0 unless [Client.AskForStashIDs].
	StashIDs int
	// ScreenshotURL is the cover's address, for Client.Cover. Its host is whatever
	// name Stash was called by.
	ScreenshotURL string
	// Err is not nil for a scene that Stash cannot read although it answers: of class
	// [job.ClassUnreadable]. Only ID is set then.
	Err error
}

// File is a file of a scene.
type File struct {
	Path     string // as Stash sees it, in the disk's own Unicode form
	Size     int64  // bytes; 0 = unknown
	Duration time.Duration
	// Width and Height are in pixels; 0 = unknown.
	Width, Height int
}

// Basename is the path's last element. A backslash divides too: Stash may run on
// Windows while we are asked about it elsewhere.
func (f File) Basename() string { return f.Path[strings.LastIndexAny(f.Path, `/\`)+1:] }

// Studio is a studio with those above it, three at most.
type Studio struct {
	ID     int64
	Name   string
	Parent *Studio
}

// Performer is a performer. Several may have one name: their Disambiguation, mostly "",
// tells them apart. ImagePath is the photo's address, "" if there is none.
type Performer struct {
	ID                              int64
	Name, Disambiguation, ImagePath string
}

// Named is a tag or a group.
type Named struct {
	ID   int64
	Name string
}

// id is an id as GraphQL writes it: a string of digits. 0 was not there.
type id int64

func (x *id) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	if err != nil || n <= 0 {
		return errAnswer
	}
	*x = id(n)
	return nil
}

type wireNamed struct {
	ID   id
	Name string
}

type wireStudio struct {
	wireNamed
	Parent *wireStudio `json:"parent_studio"`
}

func (w *wireStudio) studio() *Studio {
	if w == nil {
		return nil
	}
	return &Studio{ID: int64(w.ID), Name: w.Name, Parent: w.Parent.studio()}
}

type wireFile struct {
	Path     string
	Size     json.Number
	Duration float64 // seconds
	// Pictures and videos have them, and other files do not.
	Width, Height int
}

type wireScene struct {
	ID                                   id
	Title, Code, Details, Director, Date *string
	Rating100                            *int
	Organized                            bool
	UpdatedAt                            time.Time `json:"updated_at"`
	Files                                []wireFile
	Paths                                struct{ Screenshot *string }
	Studio                               *wireStudio
	Performers                           []struct {
		wireNamed
		Disambiguation *string
		ImagePath      *string `json:"image_path"`
	}
	Tags   []wireNamed
	Groups []struct{ Group wireNamed }
	// StashIDs is nil if it was not asked for.
	StashIDs []struct{} `json:"stash_ids"`

	unreadable error // Stash cannot read it; only ID is set
}

// whole reports whether everything is there that a scene always has. Half a scene
// must not pass for one whose lists are empty: that would take them out of Plex.
func (c *Client) whole(w *wireScene) bool {
	return w.whole() && (w.StashIDs != nil || !c.stashIDs.Load())
}

// whole is the same for what is always asked for.
func (w *wireScene) whole() bool {
	if w.ID == 0 || w.UpdatedAt.IsZero() || w.Files == nil || w.Performers == nil || w.Tags == nil || w.Groups == nil {
		return false
	}
	for s := w.Studio; s != nil; s = s.Parent {
		if s.ID == 0 {
			return false
		}
	}
	for _, p := range w.Performers {
		if p.ID == 0 {
			return false
		}
	}
	for _, t := range w.Tags {
		if t.ID == 0 {
			return false
		}
	}
	for _, g := range w.Groups {
		if g.Group.ID == 0 {
			return false
		}
	}
	return !slices.ContainsFunc(w.Files, func(f wireFile) bool { return f.Path == "" })
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (w *wireScene) scene() Scene {
	s := Scene{
		ID: int64(w.ID), Title: text(w.Title), Code: text(w.Code), Details: text(w.Details), Director: text(w.Director),
		Date: text(w.Date), Rating100: w.Rating100, Organized: w.Organized, UpdatedAt: w.UpdatedAt.UTC(),
		StashIDs: len(w.StashIDs), Files: files(w.Files), Studio: w.Studio.studio(), ScreenshotURL: text(w.Paths.Screenshot),
	}
	for _, p := range w.Performers {
		x := Performer{ID: int64(p.ID), Name: p.Name, Disambiguation: text(p.Disambiguation), ImagePath: text(p.ImagePath)}
		// Stash gives everybody an address; this marks the picture of nobody.
		if strings.Contains(x.ImagePath, "default=true") {
			x.ImagePath = ""
		}
		s.Performers = append(s.Performers, x)
	}
	for _, t := range w.Tags {
		s.Tags = append(s.Tags, Named{int64(t.ID), t.Name})
	}
	for _, g := range w.Groups {
		s.Groups = append(s.Groups, Named{int64(g.Group.ID), g.Group.Name})
	}
	return s
}

func files(all []wireFile) []File {
	var out []File
	for _, w := range all {
		f := File{Path: w.Path, Width: max(w.Width, 0), Height: max(w.Height, 0)}
		f.Size, _ = w.Size.Int64()
		if w.Duration > 0 && w.Duration < math.MaxInt32 {
			f.Duration = time.Duration(w.Duration * float64(time.Second)).Round(time.Millisecond)
		}
		out = append(out, f)
	}
	return out
}

// AskForStashIDs makes scenes come with how many ids of stash-boxes they have, from now
// on.
func (c *Client) AskForStashIDs() { c.stashIDs.Store(true) }

// asking is a query for scenes, as this client asks it.
func (c *Client) asking(query string) string {
	if c.stashIDs.Load() {
		return strings.ReplaceAll(query, "...S", andStashIDs)
	}
	return query
}

// batch is how many scenes one request asks for.
const batch = 100

// Scenes returns the scenes with these ids, in ascending order, each once, and
// which of them do not exist. It makes one request for every 100 ids, and a second
// one for those 100 if Stash refuses, as it does when one of them is missing. A
// scene counts as missing only if Stash says so of this very scene; one that Stash
// cannot read is found with its Err, at the price of some 15 requests.
func (c *Client) Scenes(ctx context.Context, ids []int64) (found []Scene, missing []int64, err error) {
	// Stash refuses a query with an id in it twice.
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	doubt := doubt{c: c}
	for chunk := range slices.Chunk(ids, batch) {
		op := fmt.Sprintf("ask Stash for %d scenes", len(chunk))
		if len(chunk) == 1 {
			op = "ask Stash for " + job.Scene(chunk[0]).String()
		}
		scenes, err := c.together(ctx, op, chunk)
		var gone []int64
		var refused *refusal
		if errors.As(err, &refused) {
			scenes, gone, err = c.apart(ctx, op, chunk, &doubt)
		}
		if err != nil {
			return nil, nil, err
		}
		found, missing = append(found, scenes...), append(missing, gone...)
	}
	return found, missing, nil
}

// apart asks for scenes of which not all can be had: each by itself, those that Stash
// refuses to tell in ever smaller parts.
func (c *Client) apart(ctx context.Context, op string, ids []int64, d *doubt) (found []Scene, missing []int64, err error) {
	found, missing, refused, err := c.each(ctx, op, ids)
	d.read(len(found))
	var why *refusal
	switch {
	case err == nil:
		return found, missing, nil
	case !errors.As(err, &why):
		return nil, nil, err
	}
	if err := d.confirm(ctx, err, nil); err != nil {
		return nil, nil, err
	}
	if len(refused) == 1 {
		unreadable, err := d.unreadable(refused[0], err)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, unreadable)
		sortScenes(found)
		return found, missing, nil
	}
	// Stash reads files many at once (internal/api/loaders), and what is wrong with one
	// it says of all.
	half := len(refused) / 2
	for _, part := range [][]int64{refused[:half], refused[half:]} {
		scenes, gone, err := c.apart(ctx, op, part, d)
		if err != nil {
			return nil, nil, err
		}
		found, missing = append(found, scenes...), append(missing, gone...)
	}
	slices.Sort(missing)
	sortScenes(found)
	return found, missing, nil
}

func sortScenes(all []Scene) {
	slices.SortFunc(all, func(a, b Scene) int { return cmp.Compare(a.ID, b.ID) })
}

// together asks for scenes that all exist; else the error is a *refusal.
func (c *Client) together(ctx context.Context, op string, ids []int64) ([]Scene, error) {
	var out struct {
		FindScenes struct{ Scenes []*wireScene }
	}
	if err := c.query(ctx, op, c.asking(scenesQuery), map[string]any{"ids": ids}, &out); err != nil {
		return nil, err
	}
	byID := map[int64]*wireScene{}
	for _, w := range out.FindScenes.Scenes {
		if w != nil && c.whole(w) {
			byID[int64(w.ID)] = w
		}
	}
	found := make([]Scene, len(ids))
	for i, id := range ids {
		w := byID[id]
		if w == nil {
			return nil, c.fail(ctx, op, errAnswer)
		}
		found[i] = w.scene()
	}
	return found, nil
}

// each asks for every scene by a field of its own, all in one request; those that
// are missing are null, with no error about them. refused are those that Stash refuses
// to tell; then err says why.
func (c *Client) each(ctx context.Context, op string, ids []int64) (found []Scene, missing, refused []int64, err error) {
	var q strings.Builder
	q.WriteString("query { ")
	for _, id := range ids {
		fmt.Fprintf(&q, c.asking(sceneAlias), id)
	}
	q.WriteString("}" + sceneFields)
	var out map[string]*wireScene
	err = c.query(ctx, op, q.String(), nil, &out)
	var why *refusal
	switch {
	case err == nil:
	case !errors.As(err, &why):
		return nil, nil, nil, err
	case why.parts == nil:
		return nil, nil, ids, err
	}
	for _, id := range ids {
		alias := "s" + strconv.FormatInt(id, 10)
		w, ok := out[alias]
		switch {
		case why != nil && (slices.Contains(why.parts, alias) || !ok):
			refused = append(refused, id)
		case !ok, w != nil && (!c.whole(w) || int64(w.ID) != id):
			return nil, nil, nil, c.fail(ctx, op, errAnswer)
		case w == nil:
			missing = append(missing, id)
		default:
			found = append(found, w.scene())
		}
	}
	if why != nil && len(refused) == 0 {
		return nil, nil, ids, err // about something else than scenes
	}
	return found, missing, refused, err
}

// pageSize is how many scenes one request of a listing without details asks for.
const pageSize = 1000

// scenePage is how many scenes with all their details it asks for: a thousand would take a
// compare 6 MiB more.
const scenePage = 250

// SceneIDs calls page with the ids of the scenes that show the performer, studio,
// tag or group, ascending, a thousand (and a request) at a time: never if it does
// not exist. A studio's are also those of the studios below it, which show it as
// their parent; a tag's are only its own. KindLibrary means all scenes. An error
// of page ends the listing and is returned as it is.
func (c *Client) SceneIDs(ctx context.Context, kind job.Kind, id int64, page func(ids []int64) error) error {
	criterion := map[string]any{"value": []string{strconv.FormatInt(id, 10)}, "modifier": "INCLUDES"}
	which := map[string]any{}
	switch kind {
	case job.KindPerformer:
		which["performers"] = criterion
	case job.KindStudio:
		criterion["depth"] = -1
		which["studios"] = criterion
	case job.KindTag:
		which["tags"] = criterion
	case job.KindGroup:
		which["groups"] = criterion
	case job.KindLibrary:
	default:
		return fmt.Errorf("a %s has no scenes", kind)
	}
	op := "ask Stash for the scenes of " + job.Subject{Kind: kind, ID: id}.String()
	return c.list(ctx, listing{op, sceneIDsQuery, which, pageSize}, 0, func(scenes []*wireScene) (bool, error) {
		ids := make([]int64, len(scenes))
		for i, s := range scenes {
			ids[i] = int64(s.ID)
		}
		return true, page(ids)
	})
}

// zones is more than any time zone is off UTC to the west.
const zones = 13 * time.Hour

// UpdatedSince calls page with the ids of the scenes that were updated at or after
// then, to the second, ascending, and when each was, at most a thousand at a time. An
// error of page ends the listing and is returned as it is. A scene of which Stash cannot
// even tell that is left out.
func (c *Client) UpdatedSince(ctx context.Context, then time.Time, page func(ids []int64, updated []time.Time) error) error {
	then = then.Truncate(time.Second)
	// Stash keeps these times as text in its own time zone and compares texts
	// (pkg/sqlite, timestamp.go and getTimestampWhereClause). In the west of us a
	// scene's text is less than that of the same time in UTC: so more is asked for,
	// and sorted out here.
	which := map[string]any{"updated_at": map[string]any{
		"value": then.Add(-zones).UTC().Format(time.RFC3339), "modifier": "GREATER_THAN",
	}}
	return c.list(ctx, listing{"ask Stash for recent scenes", sceneIDsQuery, which, pageSize}, 0, func(scenes []*wireScene) (bool, error) {
		var ids []int64
		var updated []time.Time
		for _, s := range scenes {
			if s.unreadable == nil && !s.UpdatedAt.Before(then) {
				ids, updated = append(ids, int64(s.ID)), append(updated, s.UpdatedAt)
			}
		}
		if len(ids) == 0 {
			return true, nil
		}
		return true, page(ids, updated)
	})
}

// Updated is a performer, studio, tag or group, and when it was changed last, to the
// second.
type Updated struct {
	Subject job.Subject
	At      time.Time
}

// SubjectsUpdatedSince returns the performers, studios, tags and groups that were changed
// at or after then, to the second, in one request. Those that were created in the second
// of their last change are left out: a scene that shows one was updated after that.
func (c *Client) SubjectsUpdatedSince(ctx context.Context, then time.Time) ([]Updated, error) {
	const op = "ask Stash for recent performers, studios, tags and groups"
	then = then.Truncate(time.Second)
	// More is asked for, for the reason that UpdatedSince has.
	vars := map[string]any{"since": map[string]any{
		"value": then.Add(-zones).UTC().Format(time.RFC3339), "modifier": "GREATER_THAN",
	}}
	type found struct {
		Of []struct {
			ID        id
			CreatedAt time.Time `json:"created_at"`
			UpdatedAt time.Time `json:"updated_at"`
		}
	}
	var out struct{ Performers, Studios, Tags, Groups *found }
	if err := c.query(ctx, op, recentQuery, vars, &out); err != nil {
		return nil, err
	}
	var changed []Updated
	for _, kind := range []struct {
		of    job.Kind
		found *found
	}{{job.KindPerformer, out.Performers}, {job.KindStudio, out.Studios}, {job.KindTag, out.Tags}, {job.KindGroup, out.Groups}} {
		if kind.found == nil || kind.found.Of == nil {
			return nil, c.fail(ctx, op, errAnswer)
		}
		for _, o := range kind.found.Of {
			u := Updated{job.Subject{Kind: kind.of, ID: int64(o.ID)}, o.UpdatedAt}
			if u.Subject.Validate() != nil {
				return nil, c.fail(ctx, op, errAnswer)
			}
			if !u.At.Before(then) && u.At.Unix() != o.CreatedAt.Unix() {
				changed = append(changed, u)
			}
		}
	}
	return changed, nil
}

// SceneCount is how many scenes Stash has.
func (c *Client) SceneCount(ctx context.Context) (int, error) {
	return c.count(ctx, "ask Stash how many scenes it has", nil)
}

// NewestUpdate is when a scene was last updated, to the second; zero if there is none.
func (c *Client) NewestUpdate(ctx context.Context) (time.Time, error) {
	const op = "ask Stash for its newest change"
	var out struct {
		FindScenes struct{ Scenes []*wireScene }
	}
	if err := c.query(ctx, op, newestQuery, nil, &out); err != nil {
		return time.Time{}, err
	}
	switch scenes := out.FindScenes.Scenes; {
	case scenes == nil, len(scenes) > 0 && scenes[0] == nil:
		return time.Time{}, c.fail(ctx, op, errAnswer)
	case len(scenes) == 0:
		return time.Time{}, nil
	default:
		return scenes[0].UpdatedAt, nil
	}
}

// AllScenes calls page with every scene whose id is above after (0 = all),
// ascending, 250 (and a request) at a time. A scene that is made or destroyed
// meanwhile may or may not be among them; no other is left out. An error of page
// ends the listing and is returned as it is; going on after the last id seen is
// safe. A scene that Stash cannot read is in its place, with its Err.
func (c *Client) AllScenes(ctx context.Context, after int64, page func([]Scene) error) error {
	const op = "ask Stash for all scenes"
	return c.list(ctx, listing{op, c.asking(allScenesQuery), nil, scenePage}, after, func(scenes []*wireScene) (bool, error) {
		out := make([]Scene, len(scenes))
		for i, w := range scenes {
			if w.unreadable != nil {
				out[i] = Scene{ID: int64(w.ID), Err: w.unreadable}
				continue
			}
			if !c.whole(w) {
				return false, c.fail(ctx, op, errAnswer)
			}
			out[i] = w.scene()
		}
		return true, page(out)
	})
}

// maxNamesakes bounds what ScenesByBasename returns.
const maxNamesakes = 100

// ScenesByBasename returns the scenes that have a file of exactly this name, at
// most a hundred, with their ID and Files only; and with their Err those that Stash
// cannot read and whose paths contain the name. It makes one request, unless more
// than a thousand paths contain the name ("1.mp4").
func (c *Client) ScenesByBasename(ctx context.Context, name string) ([]Scene, error) {
	if name == "" {
		return nil, nil
	}
	// In quotes a value is looked for as it is, else each of its words. % and _ in
	// it stand for any text: what comes is sorted out here.
	which := map[string]any{"path": map[string]any{"value": `"` + name + `"`, "modifier": "INCLUDES"}}
	var found []Scene
	err := c.list(ctx, listing{"ask Stash for the scene of a file", sceneFilesQuery, which, pageSize}, 0, func(scenes []*wireScene) (bool, error) {
		for _, w := range scenes {
			s := Scene{ID: int64(w.ID), Files: files(w.Files), Err: w.unreadable}
			if len(found) < maxNamesakes && (s.Err != nil || slices.ContainsFunc(s.Files, func(f File) bool { return f.Basename() == name })) {
				found = append(found, s)
			}
		}
		return len(found) < maxNamesakes, nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// listing is a question for scenes by ascending id.
type listing struct {
	op    string
	query string
	which map[string]any // the scene filter, without an id
	size  int            // of a page
}

// list asks for page after page and calls page with each that is not empty, until
// the last, or page returns false or an error. Every scene given to page has an id.
func (c *Client) list(ctx context.Context, l listing, after int64, page func([]*wireScene) (more bool, err error)) error {
	doubt := doubt{c: c}
	for {
		scenes, err := c.page(ctx, l, after, l.size, &doubt)
		if err != nil {
			return err
		}
		if len(scenes) == 0 {
			return nil
		}
		after = int64(scenes[len(scenes)-1].ID)
		if more, err := page(scenes); err != nil || !more {
			return err
		}
		if len(scenes) < l.size {
			return nil
		}
	}
}

// page asks for the first n scenes after an id. If Stash refuses, because it cannot read
// one of them, it is asked for half as many, and so on: the one is told as unreadable.
func (c *Client) page(ctx context.Context, l listing, after int64, n int, d *doubt) ([]*wireScene, error) {
	scenes, err := c.ask(ctx, l, after, n)
	var refused *refusal
	switch {
	case err == nil:
		d.read(len(scenes))
		return scenes, nil
	case !errors.As(err, &refused):
		return nil, err
	}
	if err := d.confirm(ctx, err, l.which); err != nil {
		return nil, err
	}
	if n == 1 {
		next, nerr := c.nextID(ctx, l, after)
		if nerr != nil {
			return nil, nerr
		}
		unreadable, err := d.unreadable(next, err)
		return []*wireScene{{ID: id(next), unreadable: unreadable.Err}}, err
	}
	scenes, err = c.page(ctx, l, after, n/2, d)
	if err != nil || len(scenes) < n/2 {
		return scenes, err
	}
	rest, err := c.page(ctx, l, int64(scenes[len(scenes)-1].ID), n-n/2, d)
	return append(scenes, rest...), err
}

// after is l's filter for scenes above an id.
func (l listing) after(id int64) map[string]any {
	which := maps.Clone(l.which)
	if which == nil {
		which = map[string]any{}
	}
	which["id"] = map[string]any{"value": id, "modifier": "GREATER_THAN"}
	return which
}

// ask is one request for the first n scenes after an id.
func (c *Client) ask(ctx context.Context, l listing, after int64, n int) ([]*wireScene, error) {
	var out struct {
		FindScenes struct{ Scenes []*wireScene }
	}
	if err := c.query(ctx, l.op, l.query, map[string]any{"which": l.after(after), "size": n}, &out); err != nil {
		return nil, err
	}
	scenes := out.FindScenes.Scenes
	if scenes == nil || len(scenes) > n { // an empty page is [], not null
		return nil, c.fail(ctx, l.op, errAnswer)
	}
	for _, s := range scenes {
		// Whoever answers the same page again would keep us for ever.
		if s == nil || int64(s.ID) <= after {
			return nil, c.fail(ctx, l.op, errAnswer)
		}
		after = int64(s.ID)
	}
	return scenes, nil
}
