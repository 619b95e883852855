// Package config turns the settings that Stash keeps for the plugin into a Config.
// Settings are typed by people and stored as they were typed: every value is
// checked, all that is wrong is told at once, and each time with what would be
// right.
package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
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
	ExcludeTags   []string

	Paused, OnlyOrganized, KeepPlexEdits, MirrorLists, LeaveUnlocked bool
	PlexIsSubset, ScanPlex, InsecureTLS, HidePaths, Verbose          bool

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

// Collections says what makes collections, where Fields.Collections is on.
type Collections struct{ Studio, Parents, Groups bool }

// Secret is a text that is never printed by accident.
type Secret string

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

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

// Check tests the text of a setting that another package understands. A failure is
// fatal.
type Check struct {
	Setting string
	Test    func(value string) error
}

const day = 24 * time.Hour

// Parse reads the settings as Stash hands them out: booleans, numbers and strings
// by name, missing where they were never set. It always returns a usable Config,
// with defaults where a value is wrong, unless a problem is fatal. Names that it
// does not know are ignored: they are left over from other versions.
func Parse(settings map[string]any, checks ...Check) (Config, []Problem) {
	r := reader{settings: settings}
	c := Config{
		PlexURL:       r.plexURL("plexUrl"),
		PlexToken:     Secret(r.token("plexToken")),
		Libraries:     r.list("plexLibraries"),
		PathRules:     r.text("pathRules"),
		ExcludeTags:   r.list("excludeTags"),
		ContentRating: r.text("contentRating"),
		Labels:        r.list("labels"),
		Paused:        r.boolean("paused"),
		OnlyOrganized: r.boolean("onlyOrganized"),
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
	if hours := r.number("compareEveryHours", 24, -1<<31, 24*365); hours > 0 {
		c.CompareEvery = time.Duration(hours) * time.Hour
	}
	r.fields(&c)
	for _, check := range checks {
		if err := check.Test(r.text(check.Setting)); err != nil {
			r.fatal(check.Setting, "%v", err)
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

// text reads a string; numbers are taken for their digits.
func (r *reader) text(name string) string {
	switch v := r.settings[name].(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSpace(strings.ToValidUTF8(v, "\uFFFD"))
	case float64, json.Number, int, int64:
		return fmt.Sprint(v)
	default:
		r.warn(name, "is not a text; nothing is used in its place")
		return ""
	}
}

func (r *reader) boolean(name string) bool {
	switch v := r.settings[name].(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true", "on", "yes", "1":
			return true
		case "false", "off", "no", "0", "":
			return false
		}
	}
	r.warn(name, "%s is neither true nor false; off is used in its place", show(r.settings[name]))
	return false
}

// number reads a whole number between low and high; 0 and what is not set mean
// fallback, as Stash shows a number that was never set as 0.
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
	case err != nil || f != float64(int(f)):
		r.warn(name, "%s is not a whole number; %d is used in its place", show(r.settings[name]), fallback)
	case f == 0:
	case int(f) < low || int(f) > high:
		r.warn(name, "%d is not between %d and %d; %d is used in its place", int(f), low, high, fallback)
	default:
		return int(f)
	}
	return fallback
}

// list reads a list separated by commas; an element in double quotes may hold
// commas itself. Repeated and empty elements are dropped.
func (r *reader) list(name string) []string {
	var all []string
	for _, e := range splitList(r.text(name)) {
		if !slices.Contains(all, e) {
			all = append(all, e)
		}
	}
	return all
}

func splitList(s string) []string {
	var all []string
	var b strings.Builder
	quoted := false
	end := func() {
		if e := strings.TrimSpace(b.String()); e != "" {
			all = append(all, e)
		}
		b.Reset()
	}
	for _, c := range s {
		switch {
		case c == '"' && (quoted || strings.TrimSpace(b.String()) == ""):
			quoted = !quoted
		case !quoted && (c == ',' || c == '\n' || c == '\r'):
			end()
		default:
			b.WriteRune(c)
		}
	}
	end()
	return all
}

const urlExample = "for example http://192.168.1.10:32400"

// plexURL reads Plex's address. The scheme may be left out, and so may the port
// then: what a person types is often just the host.
func (r *reader) plexURL(name string) string {
	s := r.text(name)
	if s == "" {
		r.fatal(name, "is empty; set it to Plex's address as Stash can reach it, %s", urlExample)
		return ""
	}
	bare := !strings.Contains(s, "://")
	if bare {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	// A token may be in what was typed, so it is never quoted.
	switch {
	case err != nil || u.Hostname() == "" || strings.ContainsAny(u.Host, " \t"):
		r.fatal(name, "is not an address; right would be, %s", urlExample)
	case u.Scheme != "http" && u.Scheme != "https":
		r.fatal(name, "begins with %s://, must begin with http:// or https://", u.Scheme)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		r.fatal(name, "must be the address alone, %s; the token belongs in plexToken", urlExample)
	case !validPort(u.Port()):
		r.fatal(name, "has the port %q, must be 1 to 65535; Plex's is 32400", u.Port())
	default:
		if u.Port() == "" && u.Scheme == "http" {
			u.Host = net.JoinHostPort(u.Hostname(), "32400")
		}
		path := strings.TrimRight(u.EscapedPath(), "/")
		// Copied from the browser's address bar.
		path = strings.TrimSuffix(strings.TrimSuffix(path, "/web/index.html"), "/web")
		return u.Scheme + "://" + u.Host + path
	}
	return ""
}

func validPort(p string) bool {
	if p == "" {
		return true
	}
	n, err := strconv.Atoi(p)
	return err == nil && n >= 1 && n <= 65535
}

func (r *reader) token(name string) string {
	s := r.text(name)
	if s == "" {
		r.fatal(name, "is empty; set it to the X-Plex-Token of the server's owner")
	} else if strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7F }) {
		r.fatal(name, "holds characters that no token has; paste the X-Plex-Token alone")
		return ""
	}
	return s
}
