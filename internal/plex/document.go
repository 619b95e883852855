package plex

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

type wireTag struct{ Tag, Role, Thumb word }

func (w *wireTag) read(b []byte, room *int) error {
	return members(b, room, func(is func(string) bool) value {
		switch {
		case is("tag"):
			return &w.Tag
		case is("role"):
			return &w.Role
		case is("thumb"):
			return &w.Thumb
		}
		return nil
	})
}

type wirePart struct {
	File                      word
	Size, Duration, DeletedAt number
}

func (w *wirePart) read(b []byte, room *int) error {
	return members(b, room, func(is func(string) bool) value {
		switch {
		case is("file"):
			return &w.File
		case is("size"):
			return &w.Size
		case is("duration"):
			return &w.Duration
		case is("deletedAt"):
			return &w.DeletedAt
		}
		return nil
	})
}

type wireMedia struct {
	Duration, DeletedAt, ProxyType number
	Target                         word
	Part                           list[wirePart, *wirePart]
}

func (w *wireMedia) read(b []byte, room *int) error {
	return members(b, room, func(is func(string) bool) value {
		switch {
		case is("Part"):
			return &w.Part
		case is("duration"):
			return &w.Duration
		case is("deletedAt"):
			return &w.DeletedAt
		case is("proxyType"):
			return &w.ProxyType
		case is("target"):
			return &w.Target
		}
		return nil
	})
}

// optimizedVersion is the proxyType of a version that Plex made itself, for a
// device; it names the device as its target (python-plexapi, plexapi/media.py).
// optimizedForStreaming is something else: it says that a file's index is at its
// beginning, and ordinary files have it too.
const optimizedVersion = 42

func (w *wireMedia) optimized() bool { return w.ProxyType == optimizedVersion || w.Target != "" }

type wireField struct {
	Name   word
	Locked flag
}

func (w *wireField) read(b []byte, room *int) error {
	return members(b, room, func(is func(string) bool) value {
		switch {
		case is("name"):
			return &w.Name
		case is("locked"):
			return &w.Locked
		}
		return nil
	})
}

type tagList = list[wireTag, *wireTag]

type wireItem struct {
	RatingKey             word
	LibrarySectionID      word
	Title                 word
	TitleSort             word
	OriginalTitle         word
	OriginallyAvailableAt word
	Summary               word
	Tagline               word
	Studio                word
	ContentRating         word
	UserRating            optional
	Thumb, Art            word
	AddedAt, UpdatedAt    number
	DeletedAt             number

	Media                                    list[wireMedia, *wireMedia]
	Genre, Role, Director, Collection, Label tagList
	Field                                    list[wireField, *wireField]
}

func (w *wireItem) read(b []byte, room *int) error {
	return members(b, room, func(is func(string) bool) value {
		switch {
		case is("ratingKey"):
			return &w.RatingKey
		case is("librarySectionID"):
			return &w.LibrarySectionID
		case is("title"):
			return &w.Title
		case is("titleSort"):
			return &w.TitleSort
		case is("originalTitle"):
			return &w.OriginalTitle
		case is("originallyAvailableAt"):
			return &w.OriginallyAvailableAt
		case is("summary"):
			return &w.Summary
		case is("tagline"):
			return &w.Tagline
		case is("studio"):
			return &w.Studio
		case is("contentRating"):
			return &w.ContentRating
		case is("userRating"):
			return &w.UserRating
		case is("thumb"):
			return &w.Thumb
		case is("art"):
			return &w.Art
		case is("addedAt"):
			return &w.AddedAt
		case is("updatedAt"):
			return &w.UpdatedAt
		case is("deletedAt"):
			return &w.DeletedAt
		case is("Media"):
			return &w.Media
		case is("Genre"):
			return &w.Genre
		case is("Role"):
			return &w.Role
		case is("Director"):
			return &w.Director
		case is("Collection"):
			return &w.Collection
		case is("Label"):
			return &w.Label
		case is("Field"):
			return &w.Field
		}
		return nil
	})
}

type wireLocation struct{ Path word }

func (w *wireLocation) read(b []byte, room *int) error {
	return members(b, room, func(is func(string) bool) value {
		if is("path") {
			return &w.Path
		}
		return nil
	})
}

type wireSection struct {
	Key, Title, Type, UUID word
	ContentChangedAt       number
	Location               list[wireLocation, *wireLocation]
}

func (w *wireSection) read(b []byte, room *int) error {
	return members(b, room, func(is func(string) bool) value {
		switch {
		case is("key"):
			return &w.Key
		case is("title"):
			return &w.Title
		case is("type"):
			return &w.Type
		case is("uuid"):
			return &w.UUID
		case is("contentChangedAt"):
			return &w.ContentChangedAt
		case is("Location"):
			return &w.Location
		}
		return nil
	})
}

type wirePicture struct {
	RatingKey word
	Selected  flag
}

func (w *wirePicture) read(b []byte, room *int) error {
	return members(b, room, func(is func(string) bool) value {
		switch {
		case is("ratingKey"):
			return &w.RatingKey
		case is("selected"):
			return &w.Selected
		}
		return nil
	})
}

// container is an answer without its items.
type container struct {
	Offset, TotalSize optional
	MachineIdentifier word
	Version           word
	FriendlyName      word
	LibrarySectionID  word
	Directory         list[wireSection, *wireSection]
	// Allowed are the flags whose names begin with "allow", by these names.
	Allowed map[string]bool

	exact map[value]bool // those that came under their exact names
}

// maxAllowed is how many flags a server may tell; real ones have about ten.
const maxAllowed = 100

var errNoContainer = errors.New("the answer has no MediaContainer")

// none is for answers whose items are of no use.
type none struct{}

func (*none) read([]byte, *int) error { return nil }

// decode reads an answer and hands each of its items to each, one at a time, so
// that the answer is never in memory as a whole; nil = there are none to read. What
// was read of the container is returned with an error too. One item, or one other
// member of the container, may have maxElement bytes.
func decode[T any, P interface {
	*T
	value
}](r io.Reader, each func(T) error) (container, error) {
	var c container
	in, ok := r.(*bounded)
	if !ok {
		in = bound(r, maxAnswer)
	}
	dec := json.NewDecoder(in)
	found := false
	var raw json.RawMessage // used again for each item
	one := func(b []byte) error {
		var v T
		if err := read(b, P(&v)); err != nil {
			return err
		}
		return each(v)
	}
	err := object(dec, in, func(name string) error {
		if !strings.EqualFold(name, "MediaContainer") {
			return dec.Decode(&raw)
		}
		found = true
		return object(dec, in, func(name string) error {
			if each != nil && strings.EqualFold(name, "Metadata") {
				return objects(dec, in, &raw, one)
			}
			if err := dec.Decode(&raw); err != nil {
				return err
			}
			return c.member(name, raw)
		})
	})
	if err == nil && !found {
		err = errNoContainer
	}
	return c, err
}

// member reads the container's member of that name.
func (c *container) member(name string, b []byte) error {
	where := func(is func(string) bool) value {
		switch {
		case is("offset"):
			return &c.Offset
		case is("totalSize"):
			return &c.TotalSize
		case is("machineIdentifier"):
			return &c.MachineIdentifier
		case is("version"):
			return &c.Version
		case is("friendlyName"):
			return &c.FriendlyName
		case is("librarySectionID"):
			return &c.LibrarySectionID
		case is("Directory"):
			return &c.Directory
		}
		return nil
	}
	if to := where(func(known string) bool { return name == known }); to != nil {
		if c.exact == nil {
			c.exact = map[value]bool{}
		}
		c.exact[to] = true
		return read(b, to)
	}
	if to := where(func(known string) bool { return strings.EqualFold(name, known) }); to != nil {
		if c.exact[to] {
			return nil
		}
		return read(b, to)
	}
	if strings.HasPrefix(name, "allow") && len(c.Allowed) < maxAllowed {
		var f flag
		if c.Allowed == nil {
			c.Allowed = map[string]bool{}
		}
		read(b, &f) // a flag has no bounds
		c.Allowed[name] = bool(f)
	}
	return nil
}

// object reads an object and calls member with each name; member reads the value.
func object(dec *json.Decoder, in *bounded, member func(name string) error) error {
	if t, err := dec.Token(); err != nil {
		return err
	} else if t != json.Delim('{') {
		return errNoContainer
	}
	for in.renew(); dec.More(); in.renew() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// objects reads a list, a single element, or null, and calls each with every
// element that is an object.
func objects(dec *json.Decoder, in *bounded, raw *json.RawMessage, each func([]byte) error) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('['):
		for in.renew(); dec.More(); in.renew() {
			if err := dec.Decode(raw); err != nil {
				return err
			}
			if (*raw)[0] != '{' {
				continue
			}
			if err := each(*raw); err != nil {
				return err
			}
		}
		_, err := dec.Token()
		return err
	case json.Delim('{'):
		// Its brace is gone, so it is put together again.
		b := []byte{'{'}
		for dec.More() {
			t, err := dec.Token()
			if err != nil {
				return err
			}
			name, err := json.Marshal(t)
			if err != nil {
				return err
			}
			if err := dec.Decode(raw); err != nil {
				return err
			}
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(append(append(b, name...), ':'), *raw...)
		}
		if _, err := dec.Token(); err != nil {
			return err
		}
		return each(append(b, '}'))
	case nil:
		return nil
	}
	return errNoContainer
}

// Part is a part of an item: package job has the word. Its Name is not set.
type Part = job.Part

func (w wireItem) parts(section string) []Part {
	var parts []Part
	for _, m := range w.Media {
		for _, p := range m.Part {
			d := p.Duration
			if d == 0 && len(m.Part) == 1 { // else it is that of all parts together
				d = m.Duration
			}
			parts = append(parts, Part{
				Key: string(w.RatingKey), Section: section, Index: len(parts), Path: string(p.File), Size: int64(p.Size),
				Duration:  min(max(0, time.Duration(d)), math.MaxInt64/time.Millisecond) * time.Millisecond,
				Trashed:   w.DeletedAt > 0 || m.DeletedAt > 0 || p.DeletedAt > 0,
				Optimized: m.optimized(),
				Thumb:     string(w.Thumb), UpdatedAt: int64(w.UpdatedAt),
			})
		}
	}
	return parts
}

// Tag is an element of a list: a genre, a person. Role and Thumb are those of
// actors.
type Tag struct{ Name, Role, Thumb string }

func tags(all tagList) []Tag {
	out := make([]Tag, 0, len(all))
	for _, t := range all {
		if t.Tag != "" {
			out = append(out, Tag{string(t.Tag), string(t.Role), string(t.Thumb)})
		}
	}
	return out
}

// Item is an item in full detail. Scalars, Lists and Locked go by the names that
// edits use. A scalar that Plex does not show is "", except that a title without a
// sort title is its own.
type Item struct {
	Key, Section, Title string
	Scalars             map[string]string
	Lists               map[string][]Tag
	Locked              map[string]bool
	Thumb, Art          string
	UpdatedAt           int64 // seconds; 0 = not told
	// Deleted: it is in Plex's trash.
	Deleted bool
	Parts   []Part
}

func (w wireItem) item() Item {
	sort := w.TitleSort
	if sort == "" {
		sort = w.Title // Plex leaves it out where it is the same
	}
	rating := ""
	if w.UserRating.given {
		rating = strconv.FormatFloat(float64(w.UserRating.number), 'f', -1, 64)
	}
	it := Item{
		Key: string(w.RatingKey), Section: string(w.LibrarySectionID), Title: string(w.Title),
		Scalars: map[string]string{
			"title": string(w.Title), "titleSort": string(sort), "originalTitle": string(w.OriginalTitle),
			"originallyAvailableAt": string(w.OriginallyAvailableAt), "summary": string(w.Summary),
			"tagline": string(w.Tagline), "studio": string(w.Studio), "contentRating": string(w.ContentRating),
			"userRating": rating,
		},
		Lists: map[string][]Tag{
			"genre": tags(w.Genre), "actor": tags(w.Role), "director": tags(w.Director),
			"collection": tags(w.Collection), "label": tags(w.Label),
		},
		Locked: map[string]bool{},
		Thumb:  string(w.Thumb), Art: string(w.Art), UpdatedAt: int64(w.UpdatedAt), Deleted: w.DeletedAt > 0,
		Parts: w.parts(string(w.LibrarySectionID)),
	}
	for _, f := range w.Field {
		if f.Locked {
			it.Locked[string(f.Name)] = true
		}
	}
	return it
}
