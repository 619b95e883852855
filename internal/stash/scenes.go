package stash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// Scene is a scene as Stash tells it.
type Scene struct {
	ID                                   int64
	Title, Code, Details, Director, Date string
	Rating100                            *int
	Organized                            bool
	UpdatedAt                            time.Time // whole seconds
	Files                                []File
	Studio                               *Studio
	Performers                           []Performer
	Tags, Groups                         []Named
	// ScreenshotURL is the cover's address, for Cover.
	ScreenshotURL string
}

// File is a file of a scene, with its path as Stash sees it.
type File struct {
	Path     string
	Size     int64
	Duration time.Duration
}

// Studio is a studio with those above it, three at most.
type Studio struct {
	ID     int64
	Name   string
	Parent *Studio
}

// Performer is a performer; ImagePath is "" if there is no photo.
type Performer struct {
	ID              int64
	Name, ImagePath string
}

// Named is a tag or a group.
type Named struct {
	ID   int64
	Name string
}

// id is an id as GraphQL writes it: a string of digits.
type id int64

func (x *id) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	*x = id(n)
	return err
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

type wireScene struct {
	ID                                   id
	Title, Code, Details, Director, Date *string
	Rating100                            *int
	Organized                            bool
	UpdatedAt                            time.Time `json:"updated_at"`
	Files                                []struct {
		Path     string
		Size     json.Number
		Duration float64
	}
	Paths      struct{ Screenshot *string }
	Studio     *wireStudio
	Performers []struct {
		wireNamed
		ImagePath *string `json:"image_path"`
	}
	Tags   []wireNamed
	Groups []struct{ Group wireNamed }
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (w wireScene) scene() Scene {
	s := Scene{
		ID: int64(w.ID), Title: text(w.Title), Code: text(w.Code), Details: text(w.Details), Director: text(w.Director),
		Date: text(w.Date), Rating100: w.Rating100, Organized: w.Organized, UpdatedAt: w.UpdatedAt.UTC(),
		Studio: w.Studio.studio(), ScreenshotURL: text(w.Paths.Screenshot),
	}
	for _, f := range w.Files {
		size, _ := f.Size.Int64() // unknown is 0
		d := time.Duration(0)
		if f.Duration > 0 && f.Duration < math.MaxInt32 {
			d = time.Duration(f.Duration * float64(time.Second)).Round(time.Millisecond)
		}
		s.Files = append(s.Files, File{Path: f.Path, Size: size, Duration: d})
	}
	for _, p := range w.Performers {
		x := Performer{ID: int64(p.ID), Name: p.Name, ImagePath: text(p.ImagePath)}
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

// batch is how many scenes one request asks for.
const batch = 100

// Scenes returns the scenes with these ids, in their order, and which of them do
// not exist. It makes one request for every 100 ids, and a second one for those
// 100 if one of them is missing, because Stash then refuses them all.
func (c *Client) Scenes(ctx context.Context, ids []int64) (found []Scene, missing []int64, err error) {
	// Stash refuses a query with an id in it twice.
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for chunk := range slices.Chunk(ids, batch) {
		var out struct {
			FindScenes struct{ Scenes []wireScene } `json:"findScenes"`
		}
		op := fmt.Sprintf("ask Stash for %d scenes", len(chunk))
		err := c.query(ctx, op, scenesQuery, map[string]any{"ids": chunk}, &out)
		var refused graphqlError
		if errors.As(err, &refused) {
			scenes, gone, err := c.each(ctx, op, chunk)
			if err != nil {
				return nil, nil, err
			}
			found, missing = append(found, scenes...), append(missing, gone...)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		got := map[int64]bool{}
		for _, w := range out.FindScenes.Scenes {
			found = append(found, w.scene())
			got[int64(w.ID)] = true
		}
		for _, id := range chunk {
			if !got[id] {
				missing = append(missing, id)
			}
		}
	}
	return found, missing, nil
}

// each asks for every scene by a field of its own, all in one request; those that
// are missing are null.
func (c *Client) each(ctx context.Context, op string, ids []int64) (found []Scene, missing []int64, err error) {
	var q strings.Builder
	q.WriteString("query { ")
	for i, id := range ids {
		fmt.Fprintf(&q, sceneQuery, i, id)
	}
	q.WriteString("}" + sceneFields)
	var out map[string]*wireScene
	if err := c.query(ctx, op, q.String(), nil, &out); err != nil {
		return nil, nil, err
	}
	for i, id := range ids {
		w, ok := out["s"+strconv.Itoa(i)]
		switch {
		case !ok:
			return nil, nil, &job.Error{Class: job.ClassStashUnreachable, Op: op, Err: errors.New("the answer lacks scenes that were asked for")}
		case w == nil:
			missing = append(missing, id)
		default:
			found = append(found, w.scene())
		}
	}
	return found, missing, nil
}

// pageSize is how many ids one request for a list asks for.
const pageSize = 1000

// SceneIDs calls page with the ids of the scenes that show the performer, studio,
// tag or group, a thousand at a time: none if it does not exist. A studio's are
// also those of the studios below it, which show it as their parent. KindLibrary
// means all scenes.
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
	return c.pages(ctx, fmt.Sprintf("ask Stash for the scenes of %s %d", kind, id), which, page)
}

// UpdatedSince calls page with the ids of the scenes that were updated after then.
// Stash's times have whole seconds.
func (c *Client) UpdatedSince(ctx context.Context, then time.Time, page func(ids []int64) error) error {
	return c.pages(ctx, "ask Stash for recent scenes", map[string]any{"updated_at": map[string]any{
		"value": then.UTC().Format(time.RFC3339), "modifier": "GREATER_THAN",
	}}, page)
}

func (c *Client) pages(ctx context.Context, op string, which map[string]any, page func(ids []int64) error) error {
	for n := 1; ; n++ {
		var out struct {
			FindScenes struct{ Scenes []struct{ ID id } } `json:"findScenes"`
		}
		vars := map[string]any{"which": which, "page": n, "size": pageSize}
		if err := c.query(ctx, op, sceneIDsQuery, vars, &out); err != nil {
			return err
		}
		ids := make([]int64, len(out.FindScenes.Scenes))
		for i, s := range out.FindScenes.Scenes {
			ids[i] = int64(s.ID)
		}
		if len(ids) == 0 {
			return nil
		}
		if err := page(ids); err != nil {
			return err
		}
		if len(ids) < pageSize {
			return nil
		}
	}
}

// ScenesByBasename returns the scenes that have a file of exactly this name, at
// most a hundred.
func (c *Client) ScenesByBasename(ctx context.Context, name string) ([]Scene, error) {
	var out struct {
		FindScenes struct{ Scenes []wireScene } `json:"findScenes"`
	}
	// In quotes a value is taken as it is; else its words would be looked for.
	vars := map[string]any{"path": `"` + name + `"`, "size": batch}
	if err := c.query(ctx, "ask Stash for the scene of a file", byPathQuery, vars, &out); err != nil {
		return nil, err
	}
	var found []Scene
	for _, w := range out.FindScenes.Scenes {
		s := w.scene()
		if slices.ContainsFunc(s.Files, func(f File) bool {
			return path.Base(strings.ReplaceAll(f.Path, `\`, "/")) == name
		}) {
			found = append(found, s)
		}
	}
	return found, nil
}

// Cover is the answer to a request for a scene's cover.
type Cover struct {
	Bytes       []byte
	ETag        string
	ContentType string
	// NotModified: it is still the one with the ETag that was given. Placeholder:
	// the scene has no cover yet. Bytes is empty in both cases.
	NotModified, Placeholder bool
}

// maxCover is the most that is read of a cover, in bytes.
const maxCover = 20 << 20

// Cover fetches a scene's cover from the address that the scene gave, unless it is
// still the one with etag ("" = fetch in any case). Only Stash's own host is ever
// asked: that address is made from whatever name Stash was called by.
func (c *Client) Cover(ctx context.Context, address, etag string) (Cover, error) {
	const op = "fetch a cover from Stash"
	u, err := url.Parse(address)
	if err != nil {
		return Cover{}, &job.Error{Class: job.ClassRejected, Op: op, Err: errors.New("its address is no URL")}
	}
	q := u.Query()
	for name := range q {
		if strings.EqualFold(name, "apikey") {
			q.Del(name)
		}
	}
	own := *c.base
	own.Path, own.RawPath, own.RawQuery = u.Path, u.RawPath, q.Encode()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, own.String(), nil)
	if err != nil {
		return Cover{}, &job.Error{Class: job.ClassRejected, Op: op, Err: errors.New("its address is no URL")}
	}
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		err := c.fail(op, err)
		var e *job.Error
		if errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status >= 500) {
			// This picture's fault: Stash itself is well, or the next request for
			// scenes will tell.
			e.Class, e.Hint = job.ClassRejected, ""
		}
		return Cover{}, err
	}
	defer resp.Body.Close()
	out := Cover{ETag: resp.Header.Get("ETag"), ContentType: resp.Header.Get("Content-Type")}
	switch {
	case resp.StatusCode == http.StatusNotModified:
		out.NotModified = true
		return out, nil
	case strings.HasPrefix(out.ContentType, "image/svg"):
		// A scene without a cover answers with a drawing, not with a 404.
		out.Placeholder = true
		return out, nil
	}
	out.Bytes, err = io.ReadAll(io.LimitReader(resp.Body, maxCover+1))
	if err != nil {
		return Cover{}, c.fail(op, err)
	}
	if len(out.Bytes) > maxCover {
		return Cover{}, &job.Error{Class: job.ClassRejected, Op: op, Err: fmt.Errorf("it is larger than %d MiB", maxCover>>20)}
	}
	return out, nil
}
