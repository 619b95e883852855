package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/fold"
)

// enough are the settings without which nothing works, and others on top.
func enough(more map[string]any) map[string]any {
	s := map[string]any{"plexUrl": "http://nas:32400", "plexToken": "s3cretToken"}
	for k, v := range more {
		s[k] = v
	}
	return s
}

func TestWhatIsNotSetHasItsDefault(t *testing.T) {
	c, problems := Parse(enough(nil))
	if len(problems) != 0 || !c.Ready() {
		t.Fatalf("problems %v", problems)
	}
	want := Fields{Title: true, Summary: true, Date: true, Studio: true, Director: true, Performers: true, Tags: true, Collections: true, Poster: true}
	if c.Fields != want || c.Collections != (Collections{Studio: true}) || c.MaxRetries != 5 || c.DLQRetention != 30*24*time.Hour || c.CompareEvery != 24*time.Hour {
		t.Errorf("%+v", c)
	}
}

func TestAddressesAreTakenAsPeopleTypeThem(t *testing.T) {
	for typed, want := range map[string]string{
		"http://nas:32400":                 "http://nas:32400",
		" nas ":                            "http://nas:32400",
		"192.168.1.10:32400/":              "http://192.168.1.10:32400",
		"https://plex.example":             "https://plex.example",
		"https://example.org/plex/":        "https://example.org/plex",
		"http://nas:32400/web/index.html#": "http://nas:32400",
		"http://[::1]":                     "http://[::1]:32400",
		"HTTPS://plex.example:":            "https://plex.example",
		"http://nas//":                     "http://nas:32400",
		"http://192.168.1.10:32400/web/index.html#!/server/0123abcd/details?key=%2Flibrary%2Fmetadata%2F1": "http://192.168.1.10:32400",
		"192.168.1.10:32400/web/index.html#!/settings/server/0123abcd/general":                             "http://192.168.1.10:32400",
		"http://nas:32400/web/":                          "http://nas:32400",
		"http://nas:32400/#!/":                           "http://nas:32400",
		"http://nas:32400/identity":                      "http://nas:32400",
		"http://nas:32400/library/sections/1/all?type=1": "http://nas:32400",
		"https://example.org/plex/web/index.html#!/":     "https://example.org/plex",
		"https://example.org/library":                    "https://example.org/library",
		"nas/:32400":                                     "http://nas:32400",
		"http://nas/:32400/web/index.html":               "http://nas:32400",
		"//nas:32400/":                                   "http://nas:32400",
		`http:\\nas:32400\web`:                           "http://nas:32400",
		`"http://nas:32400"`:                             "http://nas:32400",
		"“http://nas:32400/”\u200b\n":                    "http://nas:32400",
		"<http://nas:32400>":                             "http://nas:32400",
		"\ufeffnas":                                      "http://nas:32400",
		"https://192-168-1-10.0123abcd.plex.direct":      "https://192-168-1-10.0123abcd.plex.direct:32400",
		"https://192-168-1-10.0123abcd.plex.direct:443":  "https://192-168-1-10.0123abcd.plex.direct:443",
		"https://[fd00::1]/web":                          "https://[fd00::1]",
		"web":                                            "http://web:32400",
	} {
		c, problems := Parse(enough(map[string]any{"plexUrl": typed}))
		if c.PlexURL != want || len(problems) != 0 {
			t.Errorf("%q: %q, %v; want %q", typed, c.PlexURL, problems, want)
		}
	}
	for typed, says := range map[string]string{
		"":                                "is empty",
		"http://":                         "is not an address",
		"ftp://nas":                       "must begin with http:// or https://",
		"http://nas:99999":                "from 1 to 65535",
		"http://user:s3cret@nas":          "only the address",
		"http://nas/?X-Plex-Token=s3cret": "the token belongs in plexToken",
		"http://n as":                     "is not an address",
		"http:/nas":                       "is not an address",
		"http://http://nas":               "is not an address",
		"http://a, http://b":              "is not an address",
		"http://nas:-1":                   "is not an address",
		"http://nas/X-Plex-Token=s3cret":  "the token belongs in plexToken",
		"http://nas/#s3cret":              "only the address",
		"user:s3cret@nas":                 "without a user name or password",
		"http://user:99999/s3cret@nas":    "without a user name or password",
		"http://nas:99999/s3cret":         "from 1 to 65535",
		"nas/:s3cret":                     "from 1 to 65535",
		"https://app.plex.tv/desktop/#!/": "is Plex's website, not your server",
		"app.plex.tv/desktop":             "is Plex's website, not your server",
		"https://www.PLEX.tv":             "is Plex's website, not your server",
		"http://nas:32400/library/metadata/1?X-Plex-Token=s3cret": "the token belongs in plexToken",
		`""`: "is empty",
	} {
		c, problems := Parse(enough(map[string]any{"plexUrl": typed}))
		if c.Ready() || len(problems) != 1 || !strings.Contains(problems[0].String(), says) || !strings.HasPrefix(problems[0].String(), "plexUrl: ") ||
			strings.Contains(problems[0].String(), "s3cret") || strings.Contains(problems[0].String(), "99999") {
			t.Errorf("%q: ready %v, %v; want %q", typed, c.Ready(), problems, says)
		}
	}
}

func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	c, problems := Parse(map[string]any{
		"plexUrl": "ftp://x", "plexToken": "two words", "paused": "maybe", "maxRetries": json.Number("1000"), "dlqRetentionDays": 1.5,
		"compareEveryHours": "often", "fields": "title, sumary, nonsense", "collections": "studios, films", "verbose": 7.0, "labels": true, "pathRules": "x",
	}, Check{Setting: "pathRules", Test: func(v string) error { return errors.New("has no arrow") }})
	want := []string{
		"plexUrl: begins with ftp://", "plexToken: contains characters", `labels: "true" is not text; it counts as empty`, `paused: "maybe" is neither`, `verbose: "7" is neither`,
		"maxRetries: 1000 is not between 1 and 100; using 5", `dlqRetentionDays: "1.5" is not an integer; using 30`,
		`compareEveryHours: "often" is not`, `fields: "sumary" is not a field and is ignored (did you mean summary?)`, `fields: "nonsense" is not a field`,
		`collections: "films" is not a collection`, "pathRules: has no arrow",
	}
	for _, w := range want {
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.HasPrefix(p.String(), w) }) {
			t.Errorf("nobody says %q", w)
		}
	}
	if len(problems) != len(want) || c.Ready() {
		t.Errorf("%d problems, want %d:\n%v", len(problems), len(want), problems)
	}
	if c.MaxRetries != 5 || c.DLQRetention != 30*24*time.Hour || c.Paused || !c.Fields.Title || c.Fields.Summary {
		t.Errorf("%+v", c)
	}
}

func TestAMandatorySettingOfAnotherTypeIsFatalAndToldOnce(t *testing.T) {
	for _, name := range []string{"plexUrl", "plexToken", "pathRules"} {
		c, problems := Parse(enough(map[string]any{name: []any{"s3cretToken"}}), Check{Setting: "pathRules", Test: func(v string) error { return nil }})
		if c.Ready() || len(problems) != 1 || problems[0].Setting != name || !problems[0].Fatal || !strings.Contains(problems[0].Message, "is not text") ||
			name != "pathRules" && strings.Contains(problems[0].Message, "s3cret") {
			t.Errorf("%s: ready %v, %v", name, c.Ready(), problems)
		}
	}
}

func TestABadListFallsBackToItsDefault(t *testing.T) {
	standard, _ := Parse(enough(nil))
	for _, x := range []struct {
		name  string
		value any
		says  []string
	}{
		{"fields", "nonsense", []string{`fields: "nonsense" is not a field and is ignored; the fields are title, `, "fields: has no field; using the default set: title, "}},
		{"fields", true, []string{`fields: "true" is not text`}},
		{"collections", "films", []string{`collections: "films" is not a collection`}},
		{"collections", true, []string{`collections: "true" is not text`}},
		{"excludeTags", `"`, []string{`excludeTags: "\"" has a double quote that is never closed`}},
		{"compareEveryHours", 1e6, []string{"compareEveryHours: 1000000 is more than 8760; using 24. A negative number means never"}},
	} {
		c, problems := Parse(enough(map[string]any{x.name: x.value}))
		if !reflect.DeepEqual(c, standard) || !slices.EqualFunc(problems, x.says, func(p Problem, s string) bool { return !p.Fatal && strings.HasPrefix(p.String(), s) }) {
			t.Errorf("%s %v: %+v, %v", x.name, x.value, c, problems)
		}
	}
}

func TestNeverIsAnyNumberBelowZero(t *testing.T) {
	for _, v := range []any{-1.0, "-0.5", json.Number("-9e99"), -3} {
		if c, problems := Parse(enough(map[string]any{"compareEveryHours": v})); c.CompareEvery != 0 || len(problems) != 0 {
			t.Errorf("%v: %v, %v", v, c.CompareEvery, problems)
		}
	}
}

func TestATokenIsTakenOutOfWhatSurroundsIt(t *testing.T) {
	const token = "s3cret-TOKEN_1xyz"
	for _, text := range []string{
		token, " " + token + "\n", `"` + token + `"`, "“" + token + "”", "'" + token + "'", "\ufeff" + token + "\u200b", "=" + token, token + "&includeGuids=1",
		"X-Plex-Token=" + token, "&X-Plex-Token=" + token, "?X-Plex-Token=" + token, "x-plex-token=" + token + "&X-Plex-Language=en",
		"http://192.168.1.10:32400/library/metadata/1?X-Plex-Token=" + token,
		"https://192-168-1-10.0123abcd.plex.direct:32400/library/metadata/1?checkFiles=1&X-Plex-Token=" + token + "#x",
		"http://nas/x?X-Plex-Token=&X-Plex-Token=" + token,
		"X-Plex-Token: " + token, "curl -H 'X-Plex-Token: " + token + "' http://nas:32400", `"X-Plex-Token": "` + token + `",`, "X-Plex-Token%3D" + token,
		`<Preferences PlexOnlineToken="` + token + `" PlexOnlineUsername="x"/>`, `{"authToken":"` + token + `"}`, "“X-Plex-Token=" + token + "”",
	} {
		if c, problems := Parse(enough(map[string]any{"plexToken": text})); c.PlexToken.Reveal() != token || len(problems) != 0 {
			t.Errorf("%q: %q, %v", text, c.PlexToken.Reveal(), problems)
		}
	}
	const jwt = "eyJhbGciOiJFZERTQSJ9.eyJ1c2VyIjp7fX0.c2ln-X_"
	if c, problems := Parse(enough(map[string]any{"plexToken": "http://nas/?X-Plex-Token=" + jwt})); c.PlexToken.Reveal() != jwt || len(problems) != 0 {
		t.Errorf("%q, %v", c.PlexToken.Reveal(), problems)
	}
	for text, says := range map[string]string{
		"":                                "is empty",
		`""`:                              "is empty",
		"claim-s3cretAbCdEf1234":          "is a claim token",
		` "CLAIM-s3cret"`:                 "is a claim token",
		"PLEX_CLAIM=claim-s3cretAbCd":     "is a claim token",
		"X-Plex-Token=claim-s3cret":       "is a claim token",
		"http://s3cret:32400/web":         "is an address without a token",
		"http://nas/s3cret?X-Plex-Token=": "has nothing after",
		"s3cret s3cret":                   "contains characters that no token has",
		"s3crét":                          "contains characters that no token has",
		"s3c\u200bret":                    "contains characters that no token has",
	} {
		c, problems := Parse(enough(map[string]any{"plexToken": text}))
		if c.Ready() || c.PlexToken != "" || len(problems) != 1 || !strings.HasPrefix(problems[0].String(), "plexToken: ") ||
			!strings.Contains(problems[0].Message, says) || strings.Contains(strings.ToLower(problems[0].Message), "s3cr") {
			t.Errorf("%q: %v; want %q", text, problems, says)
		}
	}
}

// TestTheTableHoldsWhatParseReads: a value that fits no setting is complained about
// by the name of each setting that is read, and the table knows no other.
func TestTheTableHoldsWhatParseReads(t *testing.T) {
	wrong := map[string]any{}
	for _, name := range Names() {
		wrong[name] = []any{1}
	}
	_, problems := Parse(wrong)
	var complained []string
	for _, p := range problems {
		complained = append(complained, p.Setting)
	}
	slices.Sort(complained)
	if names := slices.Sorted(slices.Values(Names())); !slices.Equal(complained, names) {
		t.Errorf("Parse reads %v,\nthe table has %v", complained, names)
	}
	for _, s := range Settings() {
		if s.Description == "" || s.Type == Boolean && s.Default != "off" || s.Type == Number && s.Default == "" {
			t.Errorf("%+v", s)
		}
	}
	wrong["oldName"], wrong["aBefore"] = 1, nil
	if got := Unknown(wrong); !slices.Equal(got, []string{"aBefore", "oldName"}) {
		t.Errorf("unknown: %v", got)
	}
}

// TestTheDefaultsOfTheTableAreTrue: to set a default is to set nothing.
func TestTheDefaultsOfTheTableAreTrue(t *testing.T) {
	unset, _ := Parse(enough(nil))
	all := map[string]any{}
	for _, s := range Settings() {
		all[s.Name] = s.Default
	}
	maps.Copy(all, enough(nil))
	if c, problems := Parse(all); !reflect.DeepEqual(c, unset) || len(problems) != 0 {
		t.Errorf("%+v, want %+v; %v", c, unset, problems)
	}
}

// TestTheManifestSaysWhatTheTableSays reads what Stash will show.
func TestTheManifestSaysWhatTheTableSays(t *testing.T) {
	yml, err := os.ReadFile("../../plexsync.yml")
	if err != nil {
		t.Fatal(err)
	}
	entries := regexp.MustCompile(`(?m)^  (\w+):\n    displayName: .+\n    description: (.+)\n    type: (\w+)$`).FindAllStringSubmatch(string(yml), -1)
	if len(entries) != strings.Count(string(yml), "\n    displayName:") {
		t.Errorf("%d settings of plexsync.yml were understood", len(entries))
	}
	table := Settings()
	for _, e := range entries {
		text := e[2]
		if unquoted, err := strconv.Unquote(text); err == nil {
			text = unquoted
		}
		i := slices.IndexFunc(table, func(s Setting) bool { return s.Name == e[1] })
		if i < 0 || table[i].Description != text || string(table[i].Type) != e[3] {
			t.Errorf("plexsync.yml has %q, not as the table has it", e[1:])
		}
	}
}

func TestValuesOfEveryKindAreUnderstood(t *testing.T) {
	c, problems := Parse(enough(map[string]any{
		"paused": true, "onlyOrganized": "true", "keepPlexEdits": "on", "mirrorLists": "0", "scanPlex": json.Number("1"), "verbose": 0.0, "maxRetries": "7", "dlqRetentionDays": float64(2),
		"compareEveryHours": json.Number("-1"), "excludeTags": ` "a, b" , c,, 12 ,c`, "plexLibraries": "Films\nMore", "old setting": "x", "contentRating": nil,
	}))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	if !c.Paused || !c.OnlyOrganized || !c.KeepPlexEdits || c.MirrorLists || !c.ScanPlex || c.Verbose || c.MaxRetries != 7 || c.DLQRetention != 48*time.Hour || c.CompareEvery != 0 ||
		!slices.Equal(c.ExcludeTags, []string{"a, b", "c", "12"}) || !slices.Equal(c.Libraries, []string{"Films", "More"}) {
		t.Errorf("%+v", c)
	}
}

// TestEverySettingChangesWhatItSays: each setting alone, in each form that Stash may
// give it, changes its own part of the Config and nothing else.
func TestEverySettingChangesWhatItSays(t *testing.T) {
	standard, _ := Parse(enough(nil))
	on := []any{true, "true", " ON ", "1", 1.0, json.Number("1")}
	number := []any{7.0, 7, "7", " 7.0 ", json.Number("7")}
	table := map[string]struct {
		values []any
		change func(*Config)
	}{
		"plexUrl":           {[]any{"https://plex.example:443/", "https://plex.example:443"}, func(c *Config) { c.PlexURL = "https://plex.example:443" }},
		"plexToken":         {[]any{"777", 777.0, json.Number("777")}, func(c *Config) { c.PlexToken = "777" }},
		"pathRules":         {[]any{" /data => /media\n"}, func(c *Config) { c.PathRules = "/data => /media" }},
		"plexLibraries":     {[]any{"Films, 2", "Films\r\n2,", `"Films" , 2,2`}, func(c *Config) { c.Libraries = []string{"Films", "2"} }},
		"fields":            {[]any{"title, rating100", "Title,user-rating", "TITLE\nRating"}, func(c *Config) { c.Fields = Fields{Title: true, Rating: true} }},
		"collections":       {[]any{"parents,groups", "Parent Studios, group"}, func(c *Config) { c.Collections = Collections{Parents: true, Groups: true} }},
		"contentRating":     {[]any{"18", 18.0, json.Number("18"), 18}, func(c *Config) { c.ContentRating = "18" }},
		"labels":            {[]any{`"A, B", C`}, func(c *Config) { c.Labels = []string{"A, B", "C"} }},
		"excludeTags":       {[]any{"Trailer,12", "Trailer, ,12"}, func(c *Config) { c.ExcludeTags = []string{"Trailer", "12"} }},
		"genreTags":         {[]any{"under:Genre, -4K", "under:Genre,,-4K"}, func(c *Config) { c.GenreTags = []string{"under:Genre", "-4K"} }},
		"labelTags":         {[]any{"Mood", "Mood,Mood"}, func(c *Config) { c.LabelTags = []string{"Mood"} }},
		"titleTemplate":     {[]any{"{studio}, {title}", " {studio}, {title}\n"}, func(c *Config) { c.TitleTemplate = "{studio}, {title}" }},
		"posterShape":       {[]any{"fit", " fit "}, func(c *Config) { c.PosterShape = "fit" }},
		"onlyStashIds":      {on, func(c *Config) { c.OnlyStashIDs = true }},
		"onlyTags":          {[]any{"12, A", "12\nA"}, func(c *Config) { c.OnlyTags = []string{"12", "A"} }},
		"onlyPaths":         {[]any{`/a, "/b, c"`}, func(c *Config) { c.OnlyPaths = []string{"/a", "/b, c"} }},
		"excludePaths":      {[]any{`D:\a`, `"D:\a"`}, func(c *Config) { c.ExcludePaths = []string{`D:\a`} }},
		"maxRetries":        {number, func(c *Config) { c.MaxRetries = 7 }},
		"dlqRetentionDays":  {number, func(c *Config) { c.DLQRetention = 7 * day }},
		"compareEveryHours": {number, func(c *Config) { c.CompareEvery = 7 * time.Hour }},
		"paused":            {on, func(c *Config) { c.Paused = true }},
		"onlyOrganized":     {on, func(c *Config) { c.OnlyOrganized = true }},
		"keepPlexEdits":     {on, func(c *Config) { c.KeepPlexEdits = true }},
		"mirrorLists":       {on, func(c *Config) { c.MirrorLists = true }},
		"leaveUnlocked":     {on, func(c *Config) { c.LeaveUnlocked = true }},
		"plexIsSubset":      {on, func(c *Config) { c.PlexIsSubset = true }},
		"scanPlex":          {on, func(c *Config) { c.ScanPlex = true }},
		"insecureTLS":       {on, func(c *Config) { c.InsecureTLS = true }},
		"hidePaths":         {on, func(c *Config) { c.HidePaths = true }},
		"verbose":           {on, func(c *Config) { c.Verbose = true }},
	}
	for _, name := range Names() {
		x := table[name]
		if x.change == nil {
			t.Errorf("%s has no row", name)
			continue
		}
		want := standard
		x.change(&want)
		for _, v := range x.values {
			if c, problems := Parse(enough(map[string]any{name: v})); !reflect.DeepEqual(c, want) || len(problems) != 0 {
				t.Errorf("%s as %#v: %+v, want %+v; %v", name, v, c, want, problems)
			}
		}
		// Not set, in all the ways in which that may arrive.
		if name == "plexUrl" || name == "plexToken" {
			continue
		}
		for _, v := range []any{nil, ""} {
			if c, problems := Parse(enough(map[string]any{name: v})); !reflect.DeepEqual(c, standard) || len(problems) != 0 {
				t.Errorf("%s as %#v: %+v, %v", name, v, c, problems)
			}
		}
	}
}

// TestABadValueIsToldWithItsNameAndReplaced: one of each kind, for every setting
// that has a default. Where the default would do harm nothing is synced instead.
func TestABadValueIsToldWithItsNameAndReplaced(t *testing.T) {
	standard, _ := Parse(enough(nil))
	harm := []string{"onlyOrganized", "onlyStashIds", "onlyTags", "excludeTags", "onlyPaths", "excludePaths", "genreTags", "labelTags", "titleTemplate", "posterShape"}
	for _, s := range Settings() {
		var bad []any
		switch s.Type {
		case Boolean:
			bad = []any{"perhaps", 2.0, json.Number("-1"), []any{}, map[string]any{"a": 1}}
		case Number:
			bad = []any{"many", 1.5, json.Number("x"), true, []any{}, 1e300, math.NaN(), math.Inf(1), "1e9"}
		default:
			if s.Name == "plexUrl" || s.Name == "plexToken" || s.Name == "pathRules" {
				continue // fatal, see above
			}
			bad = []any{true, []any{"a"}, map[string]any{"a": 1}}
		}
		for _, v := range bad {
			c, problems := Parse(enough(map[string]any{s.Name: v}))
			fatal := slices.Contains(harm, s.Name)
			if c.Ready() == fatal || !fatal && !reflect.DeepEqual(c, standard) || len(problems) != 1 || problems[0].Setting != s.Name || problems[0].Fatal != fatal {
				t.Errorf("%s as %#v: %+v, %v", s.Name, v, c, problems)
			}
		}
	}
}

// TestAListIsCheckedByItsEntries, as they are after quotes and blanks are gone, and all
// that is wrong with it is told in one line.
func TestAListIsCheckedByItsEntries(t *testing.T) {
	check := Check{Setting: "onlyPaths", TestList: func(entries []string) error {
		if slices.Equal(entries, []string{"/a, b", "c"}) {
			return errors.Join(errors.New("first"), errors.New("second"))
		}
		return nil
	}}
	c, problems := Parse(enough(map[string]any{"onlyPaths": `"/a, b", c,`}), check)
	if c.Ready() || len(problems) != 1 || !problems[0].Fatal || problems[0].String() != "onlyPaths: first; second" {
		t.Errorf("%v", problems)
	}
	if c, problems := Parse(enough(map[string]any{"onlyPaths": "c"}), check); !c.Ready() || len(problems) != 0 {
		t.Errorf("%v", problems)
	}
}

// TestLabelsOfTags: tags that become labels switch labels on, and need no other label.
func TestLabelsOfTags(t *testing.T) {
	on := func(c Config) bool {
		return slices.Contains(c.Choices(), Choice{"labels", true})
	}
	if c, _ := Parse(enough(map[string]any{"labelTags": "Mood", "fields": "title, labels"})); !on(c) || c.Labels != nil || !slices.Equal(c.LabelTags, []string{"Mood"}) {
		t.Errorf("%q, %q", c.Labels, c.LabelTags)
	}
	if c, _ := Parse(enough(map[string]any{"labelTags": "Mood", "labels": "nas", "fields": "-labels"})); on(c) || c.Labels != nil || c.LabelTags != nil {
		t.Errorf("%q, %q", c.Labels, c.LabelTags)
	}
}

func TestQuotesInAListKeepWhatIsInThem(t *testing.T) {
	for text, want := range map[string][]string{
		`" Movies"`:              {" Movies"},
		` "a, b " , "c"d, " " ,`: {"a, b ", "cd"},
		`Movies , "Movies "`:     {"Movies", "Movies "},
		`say "hello", "x" "y"`:   {`say "hello"`, `x "y"`},
		"\"a\nb\"\nc":            {"a\nb", "c"},
	} {
		if c, problems := Parse(enough(map[string]any{"plexLibraries": text})); !slices.Equal(c.Libraries, want) || len(problems) != 0 {
			t.Errorf("%s: %q, want %q; %v", text, c.Libraries, want, problems)
		}
	}
}

func TestLibrariesAreChosen(t *testing.T) {
	libraries := []fold.Titled{{Key: "1", Title: " Movies"}, {Key: "2", Title: "Films"}}
	for text, want := range map[string]string{
		"":                   "[0 1] []",
		`" Movies"`:          "[0] []",
		"movies":             "[0] []",
		"2, Nights, Movies ": "[0 1] [Nights]",
		"Nights":             "[] [Nights]",
	} {
		c, _ := Parse(enough(map[string]any{"plexLibraries": text}))
		chosen, unknown := c.Choose(libraries)
		if got := fmt.Sprint(chosen, unknown); got != want {
			t.Errorf("%q chooses %s, want %s", text, got, want)
		}
	}
}

func TestFieldsAreChosen(t *testing.T) {
	standard, _ := Parse(enough(nil))
	with := func(change func(*Fields)) Fields {
		f := standard.Fields
		change(&f)
		return f
	}
	for text, want := range map[string]Fields{
		"title, details":       {Title: true, Summary: true},
		"default, rating":      with(func(f *Fields) { f.Rating = true }),
		"+rating":              with(func(f *Fields) { f.Rating = true }),
		"-poster":              with(func(f *Fields) { f.Poster = false }),
		"actors, GENRE, cover": {Performers: true, Tags: true, Poster: true},
		"sort title, performer-photos, original_title": {SortTitle: true, Photos: true, OriginalTitle: true},
		"all, -background": with(func(f *Fields) {
			f.Rating, f.OriginalTitle, f.Tagline, f.SortTitle, f.Photos = true, true, true, true, true
		}),
	} {
		c, _ := Parse(enough(map[string]any{"fields": text}))
		if c.Fields != want {
			t.Errorf("%q: %+v, want %+v", text, c.Fields, want)
		}
	}
	for _, x := range []struct {
		settings map[string]any
		labels   string
		rating   string
		collects bool
	}{
		{map[string]any{"fields": "labels, contentRating"}, "[Stash]", "XXX", false},
		{map[string]any{"labels": "A, B", "contentRating": "X"}, "[A B]", "X", true},
		{map[string]any{"labels": "A", "fields": "-labels"}, "[]", "", true},
		{map[string]any{"fields": "title", "collections": "groups"}, "[]", "", true},
		{map[string]any{"collections": "none"}, "[]", "", false},
	} {
		c, problems := Parse(enough(x.settings))
		if fmt.Sprint(c.Labels) != x.labels || c.ContentRating != x.rating || c.Fields.Collections != x.collects || len(problems) != 0 {
			t.Errorf("%v: labels %v, rating %q, collections %v, %v", x.settings, c.Labels, c.ContentRating, c.Fields.Collections, problems)
		}
	}
}

func TestTheTokenIsNeverPrinted(t *testing.T) {
	c, _ := Parse(enough(nil))
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "token", c.PlexToken)
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v %s %q %d %x", []any{c, c, c.PlexToken, c.PlexToken, c.PlexToken, c}...), string(data), log.String()} {
		if strings.Contains(text, "s3cretToken") {
			t.Errorf("printed: %s", text)
		}
	}
	if c.PlexToken.Reveal() != "s3cretToken" {
		t.Error("the token is lost")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("plexUrl", "http://nas:32400/?X-Plex-Token=a", 1.5)
	f.Add("fields", `-,+,"`, -1e300)
	f.Add("plexToken", "https://u:p@nas/web/index.html#!/?X-Plex-Token%3D\u201dx", 0.0)
	f.Add("plexUrl", "//[::1]/:32400/identity?a=b", 2.0)
	f.Fuzz(func(t *testing.T, name, text string, number float64) {
		for _, v := range []any{text, number, json.Number(text), []any{text}} {
			c, problems := Parse(map[string]any{name: v, "plexUrl": text, "fields": text, "collections": text, "maxRetries": number})
			if c.MaxRetries < 1 || c.MaxRetries > 100 || c.DLQRetention < 24*time.Hour || c.CompareEvery < 0 {
				t.Errorf("%+v", c)
			}
			for _, p := range problems {
				if p.Setting == "" || p.Message == "" {
					t.Errorf("%+v", p)
				}
			}
			if again, _ := Parse(enough(map[string]any{"plexUrl": c.PlexURL})); c.PlexURL != "" && (again.PlexURL != c.PlexURL || strings.ContainsAny(c.PlexURL, "@?#")) {
				t.Errorf("%q is read as %q, and that as %q", text, c.PlexURL, again.PlexURL)
			}
			if strings.ContainsFunc(c.PlexToken.Reveal(), func(r rune) bool { return r <= ' ' || r >= 0x7F }) {
				t.Errorf("%q is read as the token %q", text, c.PlexToken.Reveal())
			}
		}
	})
}

func TestChoicesAreTheFieldsThatAreSynced(t *testing.T) {
	c, _ := Parse(map[string]any{"fields": "-studio, rating, sortTitle", "labels": "Stash"})
	var on []string
	for _, x := range c.Choices() {
		if x.On {
			on = append(on, x.Name)
		}
	}
	if got, want := strings.Join(on, " "), "rating labels sortTitle"; got != want {
		t.Errorf("on are %s, want %s", got, want)
	}
	if c, _ = Parse(nil); len(c.Choices()) != len(fieldNames()) || !c.Choices()[0].On || c.Choices()[defaultFields].On {
		t.Errorf("by default: %v", c.Choices())
	}
}
