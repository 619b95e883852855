package config

import (
	"fmt"
	"slices"
	"strings"
)

// fieldNames are the names of the setting fields with their synonyms, the default
// set first.
func fieldNames() [][]string {
	return [][]string{
		{"title"},
		{"summary", "details", "description"},
		{"date", "releasedate", "originallyavailableat"},
		{"studio"},
		{"director", "directors"},
		{"performers", "performer", "actors", "actor", "cast"},
		{"tags", "tag", "genres", "genre"},
		{"collections", "collection"},
		{"poster", "cover", "thumb"},
		{"rating", "rating100", "userrating"},
		{"background", "art"},
		{"labels", "label"},
		{"contentRating"},
		{"originalTitle"},
		{"tagline", "code", "productioncode"},
		{"sortTitle", "titlesort"},
		{"photos", "photo", "performerphotos", "actorphotos"},
	}
}

// defaultFields is how many of fieldNames are the default set.
const defaultFields = 9

// Where a field is switched on without the value that it needs.
const (
	defaultLabel         = "Stash"
	defaultContentRating = "XXX"
)

// canonical drops what people write differently.
func canonical(s string) string {
	return strings.NewReplacer(" ", "", "-", "", "_", "").Replace(strings.ToLower(s))
}

// Choices are all fields that the setting fields can name, the default set first, and
// whether they are synced.
func (c Config) Choices() []Choice {
	f := c.Fields
	on := map[string]bool{
		"title": f.Title, "summary": f.Summary, "date": f.Date, "studio": f.Studio, "director": f.Director,
		"performers": f.Performers, "tags": f.Tags, "collections": f.Collections, "poster": f.Poster,
		"rating": f.Rating, "background": f.Background, "labels": len(c.Labels)+len(c.LabelTags) > 0, "contentRating": c.ContentRating != "",
		"originalTitle": f.OriginalTitle, "tagline": f.Tagline, "sortTitle": f.SortTitle, "photos": f.Photos,
	}
	var all []Choice
	for _, names := range fieldNames() {
		all = append(all, Choice{Name: names[0], On: on[names[0]]})
	}
	return all
}

// fields reads fields, collections, labels and contentRating, which decide
// together what is synced.
func (r *reader) fields(c *Config) {
	names := fieldNames()
	on := map[string]bool{}
	all := func(n int) {
		for _, f := range names[:n] {
			on[f[0]] = true
		}
	}
	entries := r.list("fields")
	// Nothing named outright: what is added and taken away starts from the default.
	if !slices.ContainsFunc(entries, func(e string) bool { return e[0] != '-' && e[0] != '+' }) {
		all(defaultFields)
	}
	removed := map[string]bool{}
	understood := len(entries) == 0
	for _, e := range entries {
		sign, name := byte(0), e
		if e[0] == '-' || e[0] == '+' {
			sign, name = e[0], strings.TrimSpace(e[1:])
		}
		switch key := canonical(name); {
		case key == "default" && sign != '-':
			all(defaultFields)
			understood = true
		case key == "all" && sign != '-':
			all(len(names))
			understood = true
		default:
			i := slices.IndexFunc(names, func(f []string) bool {
				return slices.ContainsFunc(f, func(n string) bool { return canonical(n) == key })
			})
			if i < 0 {
				r.warn("fields", "%s is not a field and is ignored%s; the fields are %s", show(name), nearest(key, names), firsts(names))
				continue
			}
			understood = true
			on[names[i][0]] = sign != '-'
			removed[names[i][0]] = sign == '-'
		}
	}
	if !understood {
		r.warn("fields", "has no field; using the default set: %s", firsts(names[:defaultFields]))
		all(defaultFields)
	}
	if r.collections(c) && !removed["collections"] {
		on["collections"] = c.Collections != Collections{}
	}
	switch {
	case removed["labels"]:
		c.Labels, c.LabelTags = nil, nil
	case on["labels"] && len(c.Labels)+len(c.LabelTags) == 0:
		c.Labels = []string{defaultLabel}
	}
	switch {
	case removed["contentRating"]:
		c.ContentRating = ""
	case on["contentRating"] && c.ContentRating == "":
		c.ContentRating = defaultContentRating
	}
	c.Fields = Fields{
		Title: on["title"], Summary: on["summary"], Date: on["date"], Studio: on["studio"], Director: on["director"],
		Performers: on["performers"], Tags: on["tags"], Collections: on["collections"], Poster: on["poster"],
		Rating: on["rating"], Background: on["background"], OriginalTitle: on["originalTitle"],
		Tagline: on["tagline"], SortTitle: on["sortTitle"], Photos: on["photos"],
	}
}

// collections reads what makes collections, and reports whether the setting says
// anything.
func (r *reader) collections(c *Config) (set bool) {
	for _, e := range r.list("collections") {
		known := true
		switch canonical(e) {
		case "studio", "studios":
			c.Collections.Studio = true
		case "parents", "parent", "parentstudios", "parentstudio":
			c.Collections.Parents = true
		case "groups", "group", "movies":
			c.Collections.Groups = true
		case "none":
		default:
			known = false
			r.warn("collections", "%s is not a collection and is ignored; the choices are studio, parents, groups and none", show(e))
		}
		set = set || known
	}
	if !set {
		c.Collections.Studio = true
	}
	return set
}

func firsts(names [][]string) string {
	var all []string
	for _, f := range names {
		all = append(all, f[0])
	}
	return strings.Join(all, ", ")
}

// nearest guesses what was meant by a name that is not known.
func nearest(key string, names [][]string) string {
	best, least := "", 3
	for _, f := range names {
		for _, n := range f {
			if d := distance(key, canonical(n)); d < min(least, len(key)) {
				best, least = f[0], d
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// distance is how many letters must be changed, added or dropped to make b of a.
func distance(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
