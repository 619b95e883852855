// Package config turns the settings that Stash keeps for the plugin into a Config.
// Settings are typed by people and stored as they were typed: every value is
// checked, all that is wrong is told at once, and each time with what would be
// right.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/plexsync/plexsync/internal/fold"
)

// Config is what the settings say. See the field of the same name in README.md.
type Config struct {
	// PlexURL has a scheme and a host, and no slash at its end.
	PlexURL   string
	PlexToken Secret
	// Libraries are names or keys; none = every movie library.
	Libraries []string
	// PathRules as typed; checked by a [Check].
	PathRules   string
	Fields      Fields
	Collections Collections
	// ContentRating and Labels for every item; "" and none if switched off.
	ContentRating string
	Labels        []string
	// GenreTags and LabelTags are entries that choose tags; none = all, and none.
	GenreTags, LabelTags []string
	// TitleTemplate and PosterShape as typed; checked by a [Check].
	TitleTemplate, PosterShape string
	// OnlyTags and ExcludeTags are entries that name tags, OnlyPaths and ExcludePaths
	// globs; checked by a [Check].
	OnlyTags, ExcludeTags, OnlyPaths, ExcludePaths []string

	Paused, OnlyOrganized, OnlyStashIDs, KeepPlexEdits, MirrorLists, LeaveUnlocked bool
	PlexIsSubset, ScanPlex, InsecureTLS, HidePaths, Verbose                        bool

	// MaxRetries is 1 to 100, 5 if not set.
	MaxRetries int
	// DLQRetention is how long dead letters are kept: 1 to 3650 days, 30 if not set.
	DLQRetention time.Duration
	// CompareEvery is the time between comparisons; 0 = never. 24 hours if not set.
	CompareEvery time.Duration

	ready bool
}

// Ready reports whether the settings suffice to sync. It is false if a problem is
// fatal.
func (c Config) Ready() bool { return c.ready }

// Fields says what is synced.
type Fields struct {
	Title, Summary, Date, Studio, Director, Performers, Tags, Collections, Poster bool
	Rating, Background, OriginalTitle, Tagline, SortTitle, Photos                 bool
}

// Choice is a field that can be synced, by its name in the setting fields.
type Choice struct {
	Name string `json:"name"`
	On   bool   `json:"on"`
}

// Collections says what makes collections, where Fields.Collections is on.
type Collections struct{ Studio, Parents, Groups bool }

// Secret is a text that is never printed by accident.
type Secret string

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// Format hides the text from every verb of fmt, also from those that pass by String.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// String hides the text.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString hides the text.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the text.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON hides the text.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Problem is a setting with a value that cannot be used. Message tells the value
// and what would be right. If it is not fatal, the default is used instead.
type Problem struct {
	Setting, Message string
	Fatal            bool
}

// String is the problem in one line.
func (p Problem) String() string { return p.Setting + ": " + p.Message }

// Check tests a setting that another package understands: its text, or the entries of
// its list. A failure is fatal: a path rule, say, that is guessed at would match the
// wrong files, and a condition that is passed over would let every scene through.
type Check struct {
	Setting  string
	Test     func(value string) error
	TestList func(entries []string) error
}

const day = 24 * time.Hour

// Parse reads the settings as Stash hands them out: booleans, numbers and strings
// by name, missing where they were never set. It always returns a usable Config,
// with defaults where a value is wrong, unless a problem is fatal. Names that it
// does not know are ignored, see [Unknown].
func Parse(settings map[string]any, checks ...Check) (Config, []Problem) {
	r := reader{settings: settings}
	c := Config{
		PlexURL:       r.plexURL("plexUrl"),
		PlexToken:     r.token("plexToken"),
		Libraries:     r.list("plexLibraries"),
		PathRules:     r.must("pathRules", "/data => /media").text(),
		ContentRating: r.text("contentRating"),
		Labels:        r.list("labels"),
		GenreTags:     r.must("genreTags", "under:Genre, -Technical").list(),
		LabelTags:     r.must("labelTags", "under:Mood").list(),
		TitleTemplate: r.must("titleTemplate", "{studio} - {title}").text(),
		PosterShape:   r.must("posterShape", "fit").text(),
		OnlyTags:      r.must("onlyTags", "Favorite, under:Genre").list(),
		ExcludeTags:   r.must("excludeTags", "Trailer, under:Private").list(),
		OnlyPaths:     r.must("onlyPaths", "/data/films").list(),
		ExcludePaths:  r.must("excludePaths", "**/trailers/**").list(),
		Paused:        r.boolean("paused"),
		OnlyOrganized: r.condition("onlyOrganized"),
		OnlyStashIDs:  r.condition("onlyStashIds"),
		KeepPlexEdits: r.boolean("keepPlexEdits"),
		MirrorLists:   r.boolean("mirrorLists"),
		LeaveUnlocked: r.boolean("leaveUnlocked"),
		PlexIsSubset:  r.boolean("plexIsSubset"),
		ScanPlex:      r.boolean("scanPlex"),
		InsecureTLS:   r.boolean("insecureTLS"),
		HidePaths:     r.boolean("hidePaths"),
		Verbose:       r.boolean("verbose"),
		MaxRetries:    r.number("maxRetries", 5, 1, 100),
		DLQRetention:  time.Duration(r.number("dlqRetentionDays", 30, 1, 3650)) * day,
	}
	if hours := r.number("compareEveryHours", 24, never, 24*365); hours > 0 {
		c.CompareEvery = time.Duration(hours) * time.Hour
	}
	r.fields(&c)
	for _, check := range checks {
		if text, ok := asText(settings[check.Setting]); ok {
			var err error
			if check.Test != nil {
				err = check.Test(text)
			}
			if check.TestList != nil {
				entries, _ := splitList(text)
				err = errors.Join(err, check.TestList(entries))
			}
			if err != nil {
				r.fatal(check.Setting, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
			}
		}
	}
	c.ready = !slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Fatal })
	return c, r.problems
}

type reader struct {
	settings map[string]any
	problems []Problem
}

func (r *reader) fatal(setting, format string, args ...any) {
	r.problems = append(r.problems, Problem{setting, fmt.Sprintf(format, args...), true})
}

func (r *reader) warn(setting, format string, args ...any) {
	r.problems = append(r.problems, Problem{setting, fmt.Sprintf(format, args...), false})
}

// show is a value as a message quotes it.
func show(v any) string {
	s := fmt.Sprint(v)
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return strconv.Quote(s)
}

// asText is a setting's text; numbers are taken for their digits. ok is false if
// the value is of another kind.
func asText(value any) (text string, ok bool) {
	switch v := value.(type) {
	case nil:
		return "", true
	case string:
		return strings.TrimSpace(strings.ToValidUTF8(v, "\uFFFD")), true
	case float64, json.Number, int, int64:
		return fmt.Sprint(v), true
	}
	return "", false
}

// text reads a text that may be missing.
func (r *reader) text(name string) string {
	text, ok := asText(r.settings[name])
	if !ok {
		r.warn(name, "%s is not text; it counts as empty", show(r.settings[name]))
	}
	return text
}

// must reads a setting whose default would do harm where something else was wanted: with
// other path rules files would be matched wrongly, without a condition scenes would be
// synced that should not be, with another title or poster all items would be written.
func (r *reader) must(name, example string) needed {
	text, ok := asText(r.settings[name])
	if !ok {
		r.fatal(name, "%s is not text; a valid value is, for example, %s", show(r.settings[name]), example)
	}
	return needed{r, name, text}
}

// needed is the text of such a setting.
type needed struct {
	r        *reader
	name, of string
}

func (n needed) text() string { return n.of }

func (n needed) list() []string { return n.r.split(n.name, n.of) }

// condition reads a switch whose default would do harm, see must.
func (r *reader) condition(name string) bool {
	on, ok := asBoolean(r.settings[name])
	if !ok {
		r.fatal(name, "%s is neither true nor false", show(r.settings[name]))
	}
	return on
}

// boolean reads a switch, which is off unless it was set.
func (r *reader) boolean(name string) bool {
	on, ok := asBoolean(r.settings[name])
	if !ok {
		r.warn(name, "%s is neither true nor false; using false", show(r.settings[name]))
	}
	return on
}

// asBoolean is the value of a switch; ok is false if it is of another kind.
func asBoolean(value any) (on, ok bool) {
	switch v := value.(type) {
	case nil:
		return false, true
	case bool:
		return v, true
	case string, json.Number, float64, int:
		switch v := fmt.Sprint(v); strings.ToLower(strings.TrimSpace(v)) {
		case "true", "on", "yes", "1":
			return true, true
		case "false", "off", "no", "0", "":
			return false, true
		}
	}
	return false, false
}

// never is the lowest number, where any below zero means never.
const never = math.MinInt32

// number reads a whole number between low and high; 0 and what is not set mean
// fallback, as Stash shows a number that was never set as 0. If low is never, all
// that is below it is taken as never.
func (r *reader) number(name string, fallback, low, high int) int {
	var f float64
	var err error
	switch v := r.settings[name].(type) {
	case nil:
		return fallback
	case float64:
		f = v
	case int:
		f = float64(v)
	case json.Number:
		f, err = v.Float64()
	case string:
		if strings.TrimSpace(v) == "" {
			return fallback
		}
		f, err = strconv.ParseFloat(strings.TrimSpace(v), 64)
	default:
		err = strconv.ErrSyntax
	}
	switch {
	case err == nil && low == never && f < 0:
		return never
	case err != nil || f != float64(int(f)):
		r.warn(name, "%s is not an integer; using %d", show(r.settings[name]), fallback)
	case f == 0:
	case low == never && int(f) > high:
		r.warn(name, "%d is more than %d; using %d. A negative number means never", int(f), high, fallback)
	case int(f) < low || int(f) > high:
		r.warn(name, "%d is not between %d and %d; using %d", int(f), low, high, fallback)
	default:
		return int(f)
	}
	return fallback
}

// list reads a list separated by commas or line feeds. An element in double quotes is
// taken as it is: it may hold commas, and blanks at its ends, which others lose.
// Repeated and blank elements are dropped.
func (r *reader) list(name string) []string { return r.split(name, r.text(name)) }

func (r *reader) split(name, text string) []string {
	all, closed := splitList(text)
	if !closed {
		r.warn(name, "%s has a double quote that is never closed; the rest counts as one name", show(text))
	}
	return all
}

func splitList(s string) (all []string, closed bool) {
	var b strings.Builder
	inside, kept := false, 0 // quotes; how much of the element is from them
	end := func() {
		e := b.String()
		if e = e[:kept] + strings.TrimRightFunc(e[kept:], unicode.IsSpace); kept == 0 {
			e = strings.TrimSpace(e)
		}
		if strings.TrimSpace(e) != "" && !slices.Contains(all, e) {
			all = append(all, e)
		}
		b.Reset()
		kept = 0
	}
	for _, c := range s {
		switch {
		case c == '"' && inside:
			inside, kept = false, b.Len()
		case c == '"' && strings.TrimSpace(b.String()) == "":
			b.Reset()
			inside = true
		case !inside && (c == ',' || c == '\n' || c == '\r'):
			end()
		default:
			b.WriteRune(c)
		}
	}
	end()
	return all, !inside
}

// Choose returns which of Plex's movie libraries are synced, as ascending indexes, and
// which of Libraries mean none; every one is if Libraries is empty. What a name means
// is told at [fold.Choose].
func (c Config) Choose(libraries []fold.Titled) (chosen []int, unknown []string) {
	if len(c.Libraries) > 0 {
		return fold.Choose(c.Libraries, libraries)
	}
	for i := range libraries {
		chosen = append(chosen, i)
	}
	return chosen, nil
}
