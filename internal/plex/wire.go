package plex

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Plex writes a number now as a number and now as a string, and a list of one now
// as a list and now as its element. The types here read all of that.

// number is a whole or broken number, or a string of one; 0 if it is neither, or
// too large to be exact.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	if err != nil || !(math.Abs(f) <= 1<<53) {
		f = 0
	}
	*n = number(f)
	return nil
}

// word is a string, or a number as it is written.
type word string

func (w *word) UnmarshalJSON(b []byte) error {
	switch {
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(w))
	case bytes.Equal(b, []byte("null")), len(b) > 0 && (b[0] == '{' || b[0] == '['):
		*w = ""
	default:
		*w = word(b)
	}
	return nil
}

// flag is true, 1, "1" or "true".
type flag bool

func (f *flag) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	*f = flag(s == "1" || strings.EqualFold(s, "true"))
	return nil
}

// list is a list, a single element, or null.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(l))
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*l = list[T]{one}
	return nil
}

type wireTag struct {
	Tag, Role, Thumb word
}

type wirePart struct {
	File     word
	Size     number
	Duration number
}

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
	UserRating            *number
	Thumb, Art            word
	AddedAt, UpdatedAt    number

	Media list[struct {
		Duration number
		Part     list[wirePart]
	}]
	Genre, Role, Director, Collection, Label list[wireTag]
	Field                                    list[struct {
		Name   word
		Locked flag
	}]
}

type wireSection struct {
	Key, Title, Type, UUID word
	ContentChangedAt       number
	Location               list[struct{ Path word }]
}

type wirePicture struct {
	RatingKey word
	Selected  flag
}

// container is an answer without its items.
type container struct {
	Offset, TotalSize *number
	MachineIdentifier word
	Version           word
	FriendlyName      word
	LibrarySectionID  word
	Directory         list[wireSection]
	// Allowed are the flags whose names begin with "allow", by these names.
	Allowed map[string]bool
}

var errNoContainer = errors.New("the answer has no MediaContainer")

// decode reads an answer and hands each of its items to each, one at a time, so
// that the answer is never in memory as a whole; nil = there are none to read. What
// was read of the container is returned with an error too.
func decode[T any](r io.Reader, each func(T) error) (container, error) {
	var c container
	dec := json.NewDecoder(r)
	found := false
	err := object(dec, func(name string) error {
		if !strings.EqualFold(name, "MediaContainer") {
			return skip(dec)
		}
		found = true
		return object(dec, func(name string) error {
			if each != nil && strings.EqualFold(name, "Metadata") {
				return elements(dec, each)
			}
			return c.read(dec, name)
		})
	})
	if err == nil && !found {
		err = errNoContainer
	}
	return c, err
}

// read reads the container's member of that name.
func (c *container) read(dec *json.Decoder, name string) error {
	switch strings.ToLower(name) {
	case "offset":
		return dec.Decode(&c.Offset)
	case "totalsize":
		return dec.Decode(&c.TotalSize)
	case "machineidentifier":
		return dec.Decode(&c.MachineIdentifier)
	case "version":
		return dec.Decode(&c.Version)
	case "friendlyname":
		return dec.Decode(&c.FriendlyName)
	case "librarysectionid":
		return dec.Decode(&c.LibrarySectionID)
	case "directory":
		return dec.Decode(&c.Directory)
	}
	if strings.HasPrefix(name, "allow") {
		var f flag
		if c.Allowed == nil {
			c.Allowed = map[string]bool{}
		}
		err := dec.Decode(&f)
		c.Allowed[name] = bool(f)
		return err
	}
	return skip(dec)
}

func skip(dec *json.Decoder) error {
	var v json.RawMessage
	return dec.Decode(&v)
}

// object reads an object and calls member with each name; member reads the value.
func object(dec *json.Decoder, member func(name string) error) error {
	if t, err := dec.Token(); err != nil {
		return err
	} else if t != json.Delim('{') {
		return errNoContainer
	}
	return members(dec, member)
}

// members is object after the opening brace.
func members(dec *json.Decoder, member func(name string) error) error {
	for dec.More() {
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

// elements reads a list, a single element, or null.
func elements[T any](dec *json.Decoder, each func(T) error) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('['):
		for dec.More() {
			var v T
			if err := dec.Decode(&v); err != nil {
				return err
			}
			if err := each(v); err != nil {
				return err
			}
		}
		_, err := dec.Token()
		return err
	case json.Delim('{'):
		// Its brace is gone, so it is put together again.
		one := map[string]json.RawMessage{}
		if err := members(dec, func(name string) error {
			var v json.RawMessage
			err := dec.Decode(&v)
			one[name] = v
			return err
		}); err != nil {
			return err
		}
		b, err := json.Marshal(one)
		if err != nil {
			return err
		}
		var v T
		if err := json.Unmarshal(b, &v); err != nil {
			return err
		}
		return each(v)
	case nil:
		return nil
	}
	return errNoContainer
}

// Part is a part of an item, with its path as Plex sees it.
type Part struct {
	// Key is the item's rating key, Index the part's position in the item, from 0.
	Key, Section string
	Index        int
	Path         string
	Size         int64
	Duration     time.Duration // whole milliseconds; 0 = unknown
	// Of the item.
	Title, Thumb       string
	AddedAt, UpdatedAt int64 // seconds
}

func (w wireItem) parts(section string) []Part {
	var parts []Part
	for _, m := range w.Media {
		for _, p := range m.Part {
			d := p.Duration
			if d == 0 {
				d = m.Duration
			}
			parts = append(parts, Part{
				Key: string(w.RatingKey), Section: section, Index: len(parts), Path: string(p.File), Size: int64(p.Size),
				Duration: min(max(0, time.Duration(d)), math.MaxInt64/time.Millisecond) * time.Millisecond,
				Title:    string(w.Title), Thumb: string(w.Thumb), AddedAt: int64(w.AddedAt), UpdatedAt: int64(w.UpdatedAt),
			})
		}
	}
	return parts
}

// Tag is an element of a list: a genre, a person. Role and Thumb are those of
// actors.
type Tag struct{ Name, Role, Thumb string }

func tags(all list[wireTag]) []Tag {
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
	UpdatedAt           int64 // seconds
	Parts               []Part
}

func (w wireItem) item() Item {
	sort := w.TitleSort
	if sort == "" {
		sort = w.Title // Plex leaves it out where it is the same
	}
	rating := ""
	if w.UserRating != nil {
		rating = strconv.FormatFloat(float64(*w.UserRating), 'f', -1, 64)
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
		Thumb:  string(w.Thumb), Art: string(w.Art), UpdatedAt: int64(w.UpdatedAt),
		Parts: w.parts(string(w.LibrarySectionID)),
	}
	for _, f := range w.Field {
		if f.Locked {
			it.Locked[string(f.Name)] = true
		}
	}
	return it
}
