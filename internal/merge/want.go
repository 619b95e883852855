package merge

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/plexsync/plexsync/internal/fold"
)

// Field is a field of an item by the name that Plex's edits and locks use.
type Field string

// The fields. The first nine hold one value, the next five are lists; the last
// two are pictures, which have a lock but are not part of an edit's values.
const (
	Title         Field = "title"
	TitleSort     Field = "titleSort"
	OriginalTitle Field = "originalTitle"
	Date          Field = "originallyAvailableAt"
	Summary       Field = "summary"
	Tagline       Field = "tagline"
	Studio        Field = "studio"
	ContentRating Field = "contentRating"
	UserRating    Field = "userRating"

	Genre      Field = "genre"
	Actor      Field = "actor"
	Director   Field = "director"
	Collection Field = "collection"
	Label      Field = "label"

	Thumb Field = "thumb"
	Art   Field = "art"
)

// ScalarFields and ListFields are the fields of an edit, in the order in which
// they are written and told.
func ScalarFields() []Field {
	return []Field{Title, TitleSort, OriginalTitle, Date, Summary, Tagline, Studio, ContentRating, UserRating}
}

// ListFields: see ScalarFields.
func ListFields() []Field { return []Field{Director, Actor, Genre, Collection, Label} }

// An edit travels in a URL that must stay below 8,000 bytes, so what one value may
// take of it, percent-encoded, is limited.
const (
	// SummaryLimit is the most that a summary may take, in bytes percent-encoded:
	// about 5,500 letters of English or 770 of Japanese.
	SummaryLimit = 7000
	// LineLimit is the same for a title, a name and every other line.
	LineLimit = 2000
	// ListLimit is the same for all elements of a list together, as they are sent: about
	// 200 names in English. A list travels whole, since a Plex that replaces lists would
	// keep only the last piece of one that came in several.
	ListLimit = 7000
	// MaxActors is the most actors that an item is given: Plex shows no more (PLEX.md,
	// "Seen on real servers"), and what it does not show cannot be merged.
	MaxActors = 200
)

// cost is how many bytes an element takes in the URL of an edit, at most.
func cost(f Field, t Tag) int {
	param := func(name, value string) int {
		if value == "" {
			return 0
		}
		return len("&") + len(f) + len("%5B000%5D") + len(name) + len("=") + EncodedLen(value)
	}
	return param(".tag.tag", t.Name) + param(".tagging.text", t.Role) + param(".tag.thumb", t.Thumb)
}

// leftOut tells that some of a list's elements had to be left out; shown says that it is
// for the number that Plex shows, not for their length.
func leftOut(f Field, left, of int, shown bool) string {
	why := "Plex accepts at most 8,000 bytes per edit"
	if shown {
		why = fmt.Sprintf("Plex shows at most %d", MaxActors)
	}
	return fmt.Sprintf("%s: %d of %d names left out, because %s", f, left, of, why)
}

// Scene is what Stash knows of a scene, as far as an item can show it. Text is as
// Stash gives it.
type Scene struct {
	ID                                   int64
	Title, Code, Details, Director, Date string
	// Rating100 is 0 to 100; nil if the scene is not rated.
	Rating100    *int
	Studio       *StudioOf
	Performers   []Person
	Tags, Groups []Named
	// Width and Height are its video's, in pixels; 0 = unknown.
	Width, Height int
}

// StudioOf is a scene's studio, with the one above it.
type StudioOf struct {
	ID     int64
	Name   string
	Parent *StudioOf
}

// Person is a performer. Several of one name are told apart by their Disambiguation,
// mostly "". ImageURL is where a server can fetch the photo; "" for none.
type Person struct {
	ID                             int64
	Name, Disambiguation, ImageURL string
}

// actor is the name of p in Plex: "Jane Doe (Prague)", as Stash itself shows a performer
// with a disambiguation, in every scene. Plex knows people by name alone, and keeps one
// photo for a name: with names that depended on who else is in a scene, one person
// would be two there, or two share a photo that each scene replaces by the other's.
func (p Person) actor() string {
	name, of := oneLine(p.Name), oneLine(p.Disambiguation)
	if name == "" || of == "" {
		return name
	}
	return name + " (" + of + ")"
}

// Named is a tag or a group.
type Named struct {
	ID   int64
	Name string
}

// Empty reports whether the scene has no metadata: such a scene changes nothing
// in Plex. Cover, URLs and the organized mark do not count, nor does blank text.
func (s Scene) Empty() bool {
	blank := func(text string) bool { return text == "" || oneLine(text) == "" }
	named := func(n Named) bool { return !blank(n.Name) }
	return blank(s.Title) && blank(s.Code) && blank(s.Details) && blank(s.Director) && blank(s.Date) && s.Rating100 == nil &&
		blank(studioName(s.Studio)) && !slices.ContainsFunc(s.Performers, func(p Person) bool { return !blank(p.Name) }) &&
		!slices.ContainsFunc(s.Tags, named) && !slices.ContainsFunc(s.Groups, named)
}

// Options say what is synced and how.
type Options struct {
	Title, Summary, Date, Studio, Director, Performers, Tags bool
	Rating, OriginalTitle, Tagline, SortTitle                bool
	// Photos: performers get their photos.
	Photos bool
	// What makes collections.
	CollectStudio, CollectParents, CollectGroups bool
	// ContentRating for every item; "" = the field is not synced.
	ContentRating string
	// Labels for every item, and which tags become labels, too; none and nil = the field
	// is not synced.
	Labels    []string
	LabelTags func(Named) bool
	// GenreTags says which tags become genres; nil = all.
	GenreTags func(Named) bool
	// ShownTitle is the title that an item gets, "" to leave it as it is; nil = the
	// scene's.
	ShownTitle func(Scene) string
	// KeepPlexEdits: what a person changed after we wrote it stays.
	KeepPlexEdits bool
	// MirrorLists: genres, actors, directors and collections become exactly
	// Stash's. It beats KeepPlexEdits there.
	MirrorLists bool
	// LeaveUnlocked: what we write is not locked, and our locks are taken off.
	LeaveUnlocked bool
}

// DefaultOptions is the default set of fields.
func DefaultOptions() Options {
	return Options{Title: true, Summary: true, Date: true, Studio: true, Director: true, Performers: true, Tags: true, CollectStudio: true}
}

// Tag is an element of a list. Role and Thumb (a URL) only mean something for
// actors.
type Tag struct {
	Name  string
	Role  string `json:",omitempty"`
	Thumb string `json:",omitempty"`
}

// Wanted is the wanted state. A field that is switched on is a key of its map,
// also if Stash has no value for it; one that is switched off is not.
type Wanted struct {
	Scalars map[Field]string
	Lists   map[Field][]Tag
	// Cut are words for the log about what could not be taken as it is.
	Cut []string

	options string // those of the options that change what is written
}

// Want computes the wanted state of a scene. That of an empty scene has no field.
func Want(s Scene, o Options) Wanted {
	w := Wanted{Scalars: map[Field]string{}, Lists: map[Field][]Tag{}}
	if s.Empty() {
		return w
	}
	w.options = fmt.Sprint(o.KeepPlexEdits, o.MirrorLists, o.LeaveUnlocked)
	line := func(on bool, f Field, text string) {
		if on {
			w.Scalars[f] = w.cut(string(f), oneLine(text), LineLimit)
		}
	}
	shown := s.Title
	if o.ShownTitle != nil {
		shown = o.ShownTitle(s)
	}
	line(o.Title, Title, shown)
	line(o.OriginalTitle, OriginalTitle, s.Title)
	line(o.Tagline, Tagline, s.Code)
	line(o.ContentRating != "", ContentRating, o.ContentRating)
	if o.Studio {
		line(true, Studio, studioName(s.Studio))
	}
	if o.Summary {
		w.Scalars[Summary] = w.cut(string(Summary), text(s.Details), SummaryLimit)
	}
	date := w.date(s.Date)
	if o.Date {
		w.Scalars[Date] = date
	}
	if o.Rating {
		w.Scalars[UserRating] = w.rating(s.Rating100)
	}
	if o.SortTitle {
		sort := ""
		if title := oneLine(s.Title); title != "" {
			sort = strings.Join(slices.DeleteFunc([]string{oneLine(studioName(s.Studio)), date, title},
				func(s string) bool { return s == "" }), " ")
		}
		line(true, TitleSort, sort)
	}
	if o.Director {
		w.list(Director, candidate{Tag: Tag{Name: s.Director}})
	}
	if o.Tags {
		w.list(Genre, named(chosen(s.Tags, o.GenreTags))...)
	}
	if o.Performers {
		actors := make([]candidate, len(s.Performers))
		for i, p := range s.Performers {
			actors[i].Name, actors[i].id = p.actor(), p.ID
			if o.Photos {
				actors[i].Thumb = p.ImageURL
			}
		}
		w.list(Actor, actors...)
	}
	if o.CollectStudio || o.CollectParents || o.CollectGroups {
		var all []candidate
		if o.CollectStudio {
			all = append(all, candidate{Tag{Name: studioName(s.Studio)}, -maxParents - 1})
		}
		if o.CollectParents && s.Studio != nil {
			for p, depth := s.Studio.Parent, 0; p != nil && depth < maxParents; p, depth = p.Parent, depth+1 {
				all = append(all, candidate{Tag{Name: p.Name}, int64(depth - maxParents)})
			}
		}
		if o.CollectGroups {
			all = append(all, named(s.Groups)...)
		}
		w.list(Collection, all...)
	}
	if len(o.Labels) > 0 || o.LabelTags != nil {
		labels := make([]candidate, len(o.Labels))
		for i, l := range o.Labels {
			labels[i].Name = l
		}
		if o.LabelTags != nil {
			labels = append(labels, named(chosen(s.Tags, o.LabelTags))...)
		}
		w.list(Label, labels...)
	}
	return w
}

// maxParents bounds the chain of studios: hostile data may have a circle in it.
const maxParents = 10

func studioName(s *StudioOf) string {
	if s == nil {
		return ""
	}
	return s.Name
}

// chosen are those that a choice means; nil means all.
func chosen(all []Named, choice func(Named) bool) []Named {
	if choice == nil {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(n Named) bool { return !choice(n) })
}

func named(all []Named) []candidate {
	tags := make([]candidate, len(all))
	for i, n := range all {
		tags[i] = candidate{Tag{Name: n.Name}, n.ID}
	}
	return tags
}

// candidate is an element of a list with the id that it has in Stash.
type candidate struct {
	Tag
	id int64
}

// list switches a list on with the given elements, cleaned, without empty and
// repeated names. Of a repeated name the element with the lowest id wins: Stash
// gives them in any order, and its spelling and photo must not change with it. Of a
// list that is too long those with the lowest ids stay, for the same reason.
func (w *Wanted) list(f Field, candidates ...candidate) {
	at := make(map[string]int, len(candidates))
	all := make([]candidate, 0, len(candidates))
	for _, t := range candidates {
		t.Name = w.cut("a name in "+string(f), oneLine(t.Name), LineLimit)
		key := fold.Tag(t.Name)
		i, again := at[key]
		switch {
		case key == "":
		case !again:
			at[key] = len(all)
			all = append(all, t)
		case t.id < all[i].id:
			all[i] = t
		}
	}
	w.Lists[f] = make([]Tag, 0, len(all))
	fits := w.fitting(f, all)
	for i, t := range all {
		if fits == nil || fits[i] {
			w.Lists[f] = append(w.Lists[f], t.Tag)
		}
	}
}

// fitting chooses those of a list's elements that Plex takes; nil if it takes all. It
// notes how many it does not.
func (w *Wanted) fitting(f Field, all []candidate) []bool {
	size := func(t candidate) int { return cost(f, Tag{Name: t.Name}) }
	room, most := ListLimit, len(all)
	if f == Actor {
		most = min(most, MaxActors)
	}
	byID := make([]int, len(all))
	for i, t := range all {
		byID[i] = i
		room -= size(t)
	}
	if room >= 0 && most == len(all) {
		return nil
	}
	slices.SortStableFunc(byID, func(i, j int) int { return cmp.Compare(all[i].id, all[j].id) })
	fits, n := make([]bool, len(all)), 0
	room = ListLimit
	for _, i := range byID {
		if c := size(all[i]); n < most && c <= room {
			fits[i] = true
			n++
			room -= c
		}
	}
	w.Cut = append(w.Cut, leftOut(f, len(all)-n, len(all), n == most))
	return fits
}

// date completes a partial date; Plex takes whole ones only.
func (w *Wanted) date(s string) string {
	s = oneLine(s)
	if s == "" {
		return ""
	}
	for _, layout := range []string{"2006-01-02", "2006-01", "2006"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 {
			return t.Format("2006-01-02")
		}
	}
	w.Cut = append(w.Cut, fmt.Sprintf("date: left out, %q is not a date", short(s)))
	return ""
}

// rating is Plex's form of a rating: 0 to 10.
func (w *Wanted) rating(r *int) string {
	if r == nil {
		return ""
	}
	if *r < 0 || *r > 100 {
		w.Cut = append(w.Cut, fmt.Sprintf("rating: left out, %d is not between 0 and 100", *r))
		return ""
	}
	return strconv.FormatFloat(float64(*r)/10, 'f', -1, 64)
}

// Hash identifies the wanted state and the options that change what is made of
// it. It does not depend on the order of lists, which Stash does not keep.
func (w Wanted) Hash() string {
	sorted := make(map[Field][]Tag, len(w.Lists))
	for f, l := range w.Lists {
		l = slices.Clone(l)
		slices.SortFunc(l, func(a, b Tag) int {
			return cmp.Or(strings.Compare(fold.Tag(a.Name), fold.Tag(b.Name)), strings.Compare(a.Name, b.Name))
		})
		sorted[f] = l
	}
	// Maps are marshalled in the order of their keys, and strings are valid UTF-8:
	// this cannot fail and is always the same.
	data, err := json.Marshal([]any{w.Scalars, sorted, w.options})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// cut shortens s until it takes at most limit bytes percent-encoded, and notes it.
func (w *Wanted) cut(what, s string, limit int) string {
	c := cutEncoded(s, limit)
	if c != s {
		w.Cut = append(w.Cut, fmt.Sprintf("%s: cut from %d to %d characters, because Plex accepts at most 8,000 bytes per edit",
			what, utf8.RuneCountInString(s), utf8.RuneCountInString(c)))
	}
	return c
}

// EncodedLen is how many bytes s takes in a URL.
func EncodedLen(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		n += encodedLen(s[i])
	}
	return n
}

func encodedLen(c byte) int {
	if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~' {
		return 1
	}
	return 3
}

const ellipsis = "…"

// cutEncoded cuts s where no character is torn apart, if possible where a word
// ends, and marks the cut.
func cutEncoded(s string, limit int) string {
	if EncodedLen(s) <= limit {
		return s
	}
	limit -= EncodedLen(ellipsis)
	n, end, word := 0, 0, 0
	joined, flag := true, false
	for i, r := range s {
		if !joined && !continues(r) && !(flag && regional(r)) {
			end = i
			if unicode.IsSpace(r) {
				word = i
			}
		}
		joined = r == zwj
		flag = !flag && regional(r) // the second of a pair is yet to come
		for _, c := range []byte(string(r)) {
			n += encodedLen(c)
		}
		if n > limit {
			break
		}
	}
	if word > end-end/10 {
		end = word
	}
	return strings.TrimRightFunc(s[:end], unicode.IsSpace) + ellipsis
}

// regional reports whether r is one of the letters of which two make a flag.
func regional(r rune) bool { return 0x1F1E6 <= r && r <= 0x1F1FF }

// continues reports whether r belongs to the character before it.
func continues(r rune) bool {
	return r == zwj || r == zwnj || unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc) ||
		r == 0xFF9E || r == 0xFF9F || // voicing of halfwidth kana
		0x1F3FB <= r && r <= 0x1F3FF || // skin tones
		0xE0020 <= r && r <= 0xE007F || // flags of regions
		0x1160 <= r && r <= 0x11FF // vowels and finals of Hangul
}

// short is s for a message.
func short(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + ellipsis
	}
	return s
}
