package match

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/plexsync/plexsync/internal/fold"
)

func TestRulesMapPaths(t *testing.T) {
	for _, c := range []struct{ rules, path, want string }{
		{"", "/data/a.mp4", "/data/a.mp4"},
		{"/data => /media", "/data/a.mp4", "/media/a.mp4"},
		{"/data/ => /media/", "/data/sub/a.mp4", "/media/sub/a.mp4"},
		{"/data => /media", "/database/a.mp4", "/database/a.mp4"},
		{"/data => /media", "/data", "/media"},
		{"/ => /mnt", "/data/a.mp4", "/mnt/data/a.mp4"},
		{"/data => /", "/data/a.mp4", "/a.mp4"},
		{"/data => /a; /data/sub => /b", "/data/sub/x.mp4", "/b/x.mp4"},
		{"/data/sub => /b; /data => /a", "/data/sub/x.mp4", "/b/x.mp4"},
		{`D:\v => /v`, `d:\V\Sub\a.mp4`, "/v/Sub/a.mp4"},
		{`D:\v => /v`, "D:/v/sub/a.mp4", "/v/sub/a.mp4"},
		{`/data => D:\v`, "/data/sub/a.mp4", `D:\v\sub\a.mp4`},
		{`/data => D:\`, "/data/a.mp4", `D:\a.mp4`},
		{`\\nas\films => /films`, `\\NAS\Films\a b.mp4`, "/films/a b.mp4"},
		{`/data => \\nas\films`, "/data/x/a.mp4", `\\nas\films\x\a.mp4`},
		{"/data => /media", `/data/with\backslash.mp4`, `/media/with\backslash.mp4`},
		{"/Data => /media", "/data/a.mp4", "/data/a.mp4"},
		{"/data=>/media", "/data/été.mp4", "/media/été.mp4"},
		{"/a => /b\n/c => /d;", "/c/x", "/d/x"},
		{"/data => /media", "/data/", "/media"},
		{"/data => /media", "data/a.mp4", "data/a.mp4"},
		{"/data => /media", `D:\data\a.mp4`, `D:\data\a.mp4`},
		{"/a//b => /c", "/a/b/x.mp4", "/c/x.mp4"},
		{"/ => /mnt", `\\nas\a.mp4`, `\\nas\a.mp4`},
		{`\\nas\films => /films`, "//NAS/Films/a.mp4", "/films/a.mp4"},
		{`//nas/films => /films`, `\\NAS\Films\a.mp4`, "/films/a.mp4"},
		{`\\nas\films => /films`, `\\nas\films2\a.mp4`, `\\nas\films2\a.mp4`},
		{`\\nas\films => /films`, "/nas/films/a.mp4", "/nas/films/a.mp4"},
		{`/data => D:/v`, "/data/a.mp4", `D:\v\a.mp4`}, // Plex on Windows always writes backslashes
		{`/data => D:\v/w`, "/data/a.mp4", `D:\v\w\a.mp4`},
		{`/data => D:\`, "/data", `D:\`},
		{`D:\İx => /v`, `D:\İx\a.mp4`, "/v/a.mp4"}, // lower case has more bytes
		{"/Vidéos => /v", "/Vide\u0301os/a.mp4", "/v/a.mp4"},
	} {
		rules, err := ParseRules(c.rules)
		if err != nil {
			t.Errorf("%q: %v", c.rules, err)
			continue
		}
		got, rule := rules.Map(c.path)
		if got != c.want || (rule == nil) != (got == c.path) {
			t.Errorf("%q maps %s to %s (rule %v), want %s", c.rules, c.path, got, rule, c.want)
		}
	}
}

func TestAPathInQuotesIsTakenAsItIs(t *testing.T) {
	for text, want := range map[string]Rules{
		`"/data/new;old" => /media/x`:                   {{"/data/new;old", "/media/x"}},
		`/data/Studio => "/media/Studio "`:              {{"/data/Studio", "/media/Studio "}},
		`"/data/Studio " => "/media/Studio "; /a => /b`: {{"/data/Studio ", "/media/Studio "}, {"/a", "/b"}},
		"/data/Studio  => /media/Studio ":               {{"/data/Studio", "/media/Studio"}}, // nobody sees those
		`"/a => b" => /c`:                               {{"/a => b", "/c"}},
		`"/a""b"=>"/c"`:                                 {{`/a"b`, "/c"}},
		`/a"b => /c"d`:                                  {{`/a"b`, `/c"d`}}, // no quote at its start
		"“/data/a;b” => „/media“":                       {{"/data/a;b", "/media"}},
		`"/a“b” c" => /d`:                               {{"/a“b” c", "/d"}},
		"\"/a\nb\" => /c\n/d => /e":                     {{"/a\nb", "/c"}, {"/d", "/e"}},
		`"D:\films;old" => "\\nas\x "`:                  {{`D:\films;old`, `\\nas\x `}},
		"/mnt/user/films => /mnt/disk1/films; /mnt/user/films => /mnt/disk2/films": {{"/mnt/user/films", "/mnt/disk1/films"}, {"/mnt/user/films", "/mnt/disk2/films"}},
	} {
		rules, err := ParseRules(text)
		if err != nil || !slices.Equal(rules, want) {
			t.Errorf("%s: %v, %v; want %v", text, rules, err, want)
			continue
		}
		var again []string
		for _, r := range rules {
			again = append(again, r.String())
		}
		if back, err := ParseRules(strings.Join(again, "; ")); err != nil || !slices.Equal(back, want) {
			t.Errorf("%s is written as %s, which reads %v, %v", text, again, back, err)
		}
	}
}

func TestSeveralTargetsAreTriedInTheirOrder(t *testing.T) {
	for _, c := range []struct {
		rules, path string
		want        []string
	}{
		{"/u => /d1; /u => /d2", "/u/a.mp4", []string{"/d1/a.mp4", "/d2/a.mp4"}},
		{"/u => /d2; /u/ => /d1/", "/u/x/a.mp4", []string{"/d2/x/a.mp4", "/d1/x/a.mp4"}},
		{"/u => /d1; /u/new => /d3; /u => /d2", "/u/new/a.mp4", []string{"/d3/a.mp4"}}, // the longest prefix
		{"/u => /d1; /u/new => /d3; /u/new => /d4", "/u/a.mp4", []string{"/d1/a.mp4"}},
		{"/ => /d1; / => /d2", "/a.mp4", []string{"/d1/a.mp4", "/d2/a.mp4"}},
		{`D:\v => /v; d:/V => E:\v`, `D:\V\a.mp4`, []string{"/v/a.mp4", `E:\v\a.mp4`}},
		{"/Vidéos => /a; /Vide\u0301os => /b", "/Vidéos/x", []string{"/a/x", "/b/x"}},
		{"/u => /d1", "/other/a.mp4", []string{"/other/a.mp4"}},
	} {
		rules, err := ParseRules(c.rules)
		if err != nil {
			t.Errorf("%s: %v", c.rules, err)
			continue
		}
		var got []string
		for _, m := range rules.MapAll(c.path) {
			got = append(got, m.Path)
			if !rules.Maps(c.path, strings.ToUpper(m.Path)) {
				t.Errorf("%s: %s is not mapped to %s", c.rules, c.path, m.Path)
			}
		}
		first, _ := rules.Map(c.path)
		if !slices.Equal(got, c.want) || first != c.want[0] || rules.Maps(c.path, "/nowhere/a.mp4") {
			t.Errorf("%s: %s maps to %q, first %q; want %q", c.rules, c.path, got, first, c.want)
		}
	}
}

func TestAWrongRuleIsNamed(t *testing.T) {
	for text, what := range map[string]string{
		"/data /media":           "has no arrow",
		"/a => /b => /c":         "two arrows",
		"=> /media":              "one side",
		"/data =>":               "one side",
		"data => /media":         "absolute",
		"/data => media":         "absolute",
		"/data/new;old => /m":    `"/data/a;b" => /media`,
		`"/data => /media`:       "never closed",
		`/data => "/media; /a`:   "never closed",
		`"/data"x => /media`:     "after a closing",
		`"/a" "/b" => /c`:        "after a closing",
		`"" => /media`:           "one side",
		`"data" => /media`:       "absolute",
		"/ok => /fine; C:v=x":    "has no arrow",
		"C:v => /v":              "absolute",
		"/data => /me\x00dia":    "NUL",
		"/a => b; /c /d; /e =>/": "path rule \"/c /d\"",
	} {
		rules, err := ParseRules(text)
		if strings.HasPrefix(text, "/ok") && !slices.Equal(rules, Rules{{"/ok", "/fine"}}) {
			t.Errorf("%q: the right rule beside a wrong one is lost: %v", text, rules)
		}
		if err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "/data => /media") {
			t.Errorf("%q: error %v, want one with %q and an example", text, err, what)
		}
	}
	rules, err := ParseRules("/a => /b; /a => /b; /a/ => /b/; ; ")
	if err != nil || !slices.Equal(rules, Rules{{"/a", "/b"}}) {
		t.Errorf("a rule given twice: %v, %v", rules, err)
	}
	if rules, err := ParseRules(`"/a"b => /c; /d => /e`); err == nil || !slices.Equal(rules, Rules{{"/d", "/e"}}) {
		t.Errorf("a rule after one with wrong quotes: %v, %v", rules, err)
	}
	if _, err := ParseRules("/a /b; /c => /d => /e"); err == nil || strings.Count(err.Error(), "path rule") != 2 {
		t.Errorf("of two wrong rules, told: %v", err)
	}
}

// mark is what else is known of a part.
type mark string

const trashed, optimized mark = "trashed", "optimized"

func part(key, path string, more ...any) Part {
	p := Part{Key: key, Section: "1", Path: path}
	for _, m := range more {
		switch m := m.(type) {
		case mark:
			p.Trashed, p.Optimized = m == trashed, m == optimized
		case int:
			p.Size = int64(m)
		case time.Duration:
			p.Duration = m
		}
	}
	return p
}

func file(path string, more ...any) File {
	p := part("", path, more...)
	return File{p.Path, p.Size, p.Duration}
}

const min10 = 10 * time.Minute

func TestMatching(t *testing.T) {
	second := part("7", "/media/b.mp4")
	second.Index = 1
	for _, c := range []struct {
		name   string
		rules  string
		files  []File
		parts  []Part
		pushed []string
		cut    bool
		want   []string // "key rung"
		ties   []string
	}{
		{name: "no candidate", files: []File{file("/a.mp4")}},
		{name: "the same path", files: []File{file("/v/a.mp4")}, parts: []Part{part("7", "/v/a.mp4")}, want: []string{"7 path"}},
		{name: "the mapped path", rules: "/data => /media", files: []File{file("/data/a.mp4")},
			parts: []Part{part("8", "/data/a.mp4"), part("7", "/media/a.mp4")}, want: []string{"7 path"}},
		{name: "a path that was pushed before", files: []File{file("/v/a.mp4")}, parts: []Part{part("7", "/v/a.mp4")},
			pushed: []string{"7"}, want: []string{"7 pushed"}},
		{name: "a pushed item without the path is no longer the scene's", files: []File{file("/v/a.mp4")},
			parts: []Part{part("7", "/other/a.mp4"), part("8", "/v/a.mp4")}, pushed: []string{"7"}, want: []string{"8 path"}},
		{name: "two libraries over one folder", files: []File{file("/v/a.mp4")},
			parts: []Part{part("10", "/v/a.mp4"), part("9", "/v/a.mp4")}, pushed: []string{"9"}, want: []string{"9 pushed", "10 path"}},
		{name: "several files of one scene, kept apart in Plex", files: []File{file("/v/a.mp4"), file("/w/copy.mp4")},
			parts: []Part{part("1", "/v/a.mp4"), part("2", "/w/copy.mp4")}, want: []string{"1 path", "2 path"}},
		{name: "several parts of one item", files: []File{file("/media/b.mp4")}, parts: []Part{part("7", "/media/a.mp4"), second}, want: []string{"7 path"}},
		{name: "NFC in Stash and NFD in Plex", files: []File{file("/v/été.mp4")}, parts: []Part{part("7", "/v/e\u0301te\u0301.mp4")}, want: []string{"7 folded path"}},
		{name: "another case", files: []File{file("/V/A.MP4")}, parts: []Part{part("7", "/v/a.mp4")}, want: []string{"7 folded path"}},
		{name: "two files that differ only in case", files: []File{file("/v/A.mp4")},
			parts: []Part{part("7", "/v/A.mp4"), part("8", "/v/a.mp4")}, want: []string{"7 path"}},
		{name: "slashes of Windows", files: []File{file(`D:\v\a.mp4`)}, parts: []Part{part("7", "D:/v/a.mp4")}, want: []string{"7 folded path"}},
		{name: "name and size", files: []File{file("/data/a.mp4", 99)},
			parts: []Part{part("7", "/x/a.mp4", 99), part("8", "/y/a.mp4", 98)}, want: []string{"7 name and size"}},
		{name: "name and size twice", files: []File{file("/data/a.mp4", 99)},
			parts: []Part{part("7", "/x/a.mp4", 99), part("8", "/y/a.mp4", 99)}, ties: []string{"7", "8"}},
		{name: "name and size against the duration is still the size", files: []File{file("/d/a.mp4", 99, min10)},
			parts: []Part{part("7", "/x/a.mp4", 99, 2*min10)}, want: []string{"7 name and size"}},
		{name: "sizes that are not known say nothing", files: []File{file("/data/a.mp4")}, parts: []Part{part("7", "/x/a.mp4")}},
		{name: "the tail of the path", files: []File{file("/data/films/set/a.mp4", min10)},
			parts: []Part{part("7", "/m/films/set/a.mp4", min10), part("8", "/m/other/set/a.mp4", min10)}, want: []string{"7 path tail"}},
		{name: "two tails of one length", files: []File{file("/data/set/a.mp4", min10)},
			parts: []Part{part("7", "/m/set/a.mp4", min10), part("8", "/n/set/a.mp4", min10)}, ties: []string{"7", "8"}},
		{name: "a tail with another duration", files: []File{file("/data/set/a.mp4", min10)},
			parts: []Part{part("7", "/m/set/a.mp4", min10+time.Minute)}},
		{name: "a tail without durations", files: []File{file("/data/set/a.mp4")}, parts: []Part{part("7", "/m/set/a.mp4")}, want: []string{"7 path tail"}},
		{name: "a tail without durations, of another size", files: []File{file("/data/set/a.mp4", 5)}, parts: []Part{part("7", "/m/set/a.mp4", 6)}},
		{name: "the name alone", files: []File{file("/data/a.mp4", min10)}, parts: []Part{part("7", "/m/x/a.mp4", min10+time.Second)}, want: []string{"7 name"}},
		{name: "the name alone, twice", files: []File{file("/data/a.mp4", min10)},
			parts: []Part{part("7", "/m/x/a.mp4", min10), part("8", "/m/y/a.mp4", min10)}, ties: []string{"7", "8"}},
		{name: "the name alone, beside one of unknown duration", files: []File{file("/data/a.mp4", min10)},
			parts: []Part{part("7", "/m/x/a.mp4", min10), part("8", "/m/y/a.mp4")}, ties: []string{"7", "8"}},
		{name: "the name alone, beside one of another duration", files: []File{file("/data/a.mp4", min10)},
			parts: []Part{part("7", "/m/x/a.mp4", min10), part("8", "/m/y/a.mp4", 3*min10)}, ties: []string{"7", "8"}},
		{name: "the name alone, beside one of another duration and size", files: []File{file("/data/a.mp4", 5, min10)},
			parts: []Part{part("7", "/m/x/a.mp4", 6, min10), part("8", "/m/y/a.mp4", 7, 3*min10)}, want: []string{"7 name"}},
		{name: "the name alone, on two parts of one item", files: []File{file("/data/a.mp4", min10)},
			parts: []Part{part("7", "/m/x/a.mp4", min10), part("7", "/m/y/a.mp4", min10)}, want: []string{"7 name"}},
		{name: "the name alone without durations", files: []File{file("/data/a.mp4")}, parts: []Part{part("7", "/m/x/a.mp4")}},
		{name: "the name alone, among more than were looked at", files: []File{file("/data/a.mp4", min10)},
			parts: []Part{part("7", "/m/x/a.mp4", min10)}, cut: true, ties: []string{"7"}},
		{name: "part one is not part two", files: []File{file("/data/Night Pt. I.mp4", min10)}, parts: []Part{part("7", "/m/Night Pt. II.mp4", min10)}},
		{name: "two files that fit two items by name", files: []File{file("/d/a.mp4", 5), file("/d/b.mp4", 6)},
			parts: []Part{part("7", "/m/a.mp4", 5), part("8", "/m/b.mp4", 6)}, ties: []string{"7", "8"}},
		{name: "two files that fit two items by tails of two lengths", files: []File{file("/d/x/y/a.mp4", min10), file("/d/z/b.mp4", min10)},
			parts: []Part{part("7", "/m/x/y/a.mp4", min10), part("8", "/m/z/b.mp4", min10)}, ties: []string{"7", "8"}},
		{name: "two files that fit one item by tails of two lengths", files: []File{file("/d/x/y/a.mp4", min10), file("/d/z/b.mp4", min10)},
			parts: []Part{part("7", "/m/x/y/a.mp4", min10), part("7", "/m/z/b.mp4", min10)}, want: []string{"7 path tail"}},
		{name: "a tail with doubled slashes", files: []File{file("/d//s/a.mp4")}, parts: []Part{part("7", "/m/s//a.mp4")}, want: []string{"7 path tail"}},
		{name: "a duration below nothing is not known", files: []File{file("/d/s/a.mp4", -time.Second)},
			parts: []Part{part("7", "/m/s/a.mp4", min10)}, want: []string{"7 path tail"}},
		{name: "one name in two folders, of two sizes", files: []File{file("/d/s/a.mp4", 5, min10)},
			parts: []Part{part("7", "/m/s/a.mp4", 6, min10), part("8", "/m/t/a.mp4", 5, min10)}, want: []string{"8 name and size"}},
		{name: "part one beside part two, one folder and one length", files: []File{file("/d/s/Night Pt. I.mp4", min10)},
			parts: []Part{part("7", "/m/s/Night Pt. I.mp4", min10), part("8", "/m/s/Night Pt. II.mp4", min10)}, want: []string{"7 path tail"}},
		{name: "a file on Windows that two libraries spell in two cases", rules: `/d => D:\v`, files: []File{file("/d/a.mp4")},
			parts: []Part{part("7", `D:\v\a.mp4`), part("8", `d:\V\A.mp4`)}, want: []string{"7 path", "8 folded path"}},
		{name: "a pushed item whose file differs in case from the scene's own", files: []File{file("/v/A.mp4")}, pushed: []string{"8"},
			parts: []Part{part("7", "/v/A.mp4"), part("8", "/v/a.mp4")}, want: []string{"7 path"}},
		{name: "the second disk of a pool has the file", rules: "/u => /d1; /u => /d2", files: []File{file("/u/s/a.mp4")},
			parts: []Part{part("7", "/d2/s/a.mp4"), part("8", "/d1/t/a.mp4")}, want: []string{"7 path"}},
		{name: "two disks of a pool have the file, and the first is shown", rules: "/u => /d1; /u => /d2", files: []File{file("/u/a.mp4")},
			parts: []Part{part("7", "/d2/a.mp4"), part("8", "/d1/a.mp4")}, want: []string{"8 path"}},
		{name: "the second disk has the file exactly, the first in another case", rules: "/u => /d1; /u => /d2", files: []File{file("/u/a.mp4")},
			parts: []Part{part("7", "/d2/a.mp4"), part("8", "/d1/A.mp4")}, want: []string{"7 path"}},
		{name: "both disks have the file in another case", rules: "/u => /d1; /u => /d2", files: []File{file("/u/a.mp4")},
			parts: []Part{part("7", "/d2/A.mp4"), part("8", "/d1/A.mp4")}, want: []string{"8 folded path"}},
		{name: "two files of a scene on two disks", rules: "/u => /d1; /u => /d2", files: []File{file("/u/a.mp4"), file("/u/b.mp4")},
			parts: []Part{part("7", "/d2/a.mp4"), part("8", "/d1/b.mp4")}, want: []string{"7 path", "8 path"}},
		{name: "a rule for a single file", rules: "/d/a.mp4 => /m/b.mp4", files: []File{file("/d/a.mp4")},
			parts: []Part{part("7", "/m/b.mp4")}, want: []string{"7 path"}},
		{name: "the dotless i of Turkish is another letter", files: []File{file("/v/ışık.mp4")}, parts: []Part{part("7", "/v/isik.mp4")}},
		{name: "sharp s and its capitals", files: []File{file("/v/Straße.mp4")}, parts: []Part{part("7", "/v/STRASSE.mp4")}, want: []string{"7 folded path"}},
		{name: "bytes that are no text are told apart", files: []File{file("/v/caf\xe9.mp4")}, parts: []Part{part("7", "/v/caf\xe8.mp4")}},
		{name: "a file without a path", files: []File{{}}, parts: []Part{part("7", "")}},
		{name: "a path of slashes only", files: []File{file("//"), file(`\`)}, parts: []Part{part("7", "//"), part("8", `\`)}},
		{name: "of two of one size, the one with the longer end of the path", files: []File{file("/data/2019/tide.mp4", 5000, 100*time.Second)},
			parts: []Part{part("1", "/media/inbox/tide.mp4", 5000, 100*time.Second), part("2", "/media/2019/tide.mp4", 5000, 100*time.Second)}, want: []string{"2 path tail"}},
		{name: "of three of one size, the two with the longer end of the path", files: []File{file("/data/2019/a.mp4", 5)},
			parts: []Part{part("1", "/m/x/a.mp4", 5), part("2", "/m/2019/a.mp4", 5), part("3", "/n/2019/a.mp4", 5)}, ties: []string{"2", "3"}},
		{name: "of two of one size, a third of the right folder is none of them", files: []File{file("/data/2019/a.mp4", 5, min10)},
			parts: []Part{part("1", "/m/x/a.mp4", 5, min10), part("2", "/m/y/a.mp4", 5, min10), part("3", "/m/2019/a.mp4", 6, min10)}, ties: []string{"1", "2"}},
		{name: "of two of one size, the one of its length", files: []File{file("/d/a.mp4", 5, min10)},
			parts: []Part{part("1", "/m/x/a.mp4", 5, 2*min10), part("2", "/m/y/a.mp4", 5, min10)}, want: []string{"2 name"}},
		{name: "of two of one size, one of its length and one of none", files: []File{file("/d/a.mp4", 5, min10)},
			parts: []Part{part("1", "/m/x/a.mp4", 5), part("2", "/m/y/a.mp4", 5, min10)}, ties: []string{"1", "2"}},
		{name: "of two of one size, one of another length and one of none", files: []File{file("/d/a.mp4", 5, min10)},
			parts: []Part{part("1", "/m/x/a.mp4", 5), part("2", "/m/y/a.mp4", 5, 2*min10)}, ties: []string{"1", "2"}},
		{name: "of two of one size, the one of its length, among more than were looked at", files: []File{file("/d/a.mp4", 5, min10)}, cut: true,
			parts: []Part{part("1", "/m/x/a.mp4", 5, 2*min10), part("2", "/m/y/a.mp4", 5, min10)}, ties: []string{"2"}},
		{name: "an item in the trash beside one that is not", files: []File{file("/d/s/a.mp4", 5)},
			parts: []Part{part("1", "/m/s/a.mp4", 5, trashed), part("2", "/n/s/a.mp4", 5)}, want: []string{"2 name and size"}},
		{name: "an item in the trash has the path, another the size", files: []File{file("/v/a.mp4", 5)}, pushed: []string{"1"},
			parts: []Part{part("1", "/v/a.mp4", 5, trashed), part("2", "/w/a.mp4", 5)}, want: []string{"2 name and size"}},
		{name: "an item in the trash has the path, two others the size", files: []File{file("/v/a.mp4", 5)},
			parts: []Part{part("1", "/v/a.mp4", 5, trashed), part("2", "/w/a.mp4", 5), part("3", "/x/a.mp4", 5)}, want: []string{"1 path"}},
		{name: "an item in the trash alone", files: []File{file("/v/a.mp4", 5)}, parts: []Part{part("1", "/v/a.mp4", 5, trashed)}, want: []string{"1 path"}},
		{name: "two items of one path, one in the trash", files: []File{file("/v/a.mp4")}, pushed: []string{"1"},
			parts: []Part{part("1", "/v/a.mp4", trashed), part("2", "/v/a.mp4")}, want: []string{"2 path"}},
		{name: "two in the trash", files: []File{file("/d/a.mp4", 5)},
			parts: []Part{part("1", "/m/a.mp4", 5, trashed), part("2", "/n/a.mp4", 5, trashed)}, ties: []string{"1", "2"}},
		{name: "an optimized version beside a film", files: []File{file("/v/Plex Versions/a.mp4", 5)},
			parts: []Part{part("1", "/v/Plex Versions/a.mp4", 5, optimized), part("2", "/m/a.mp4", 5)}, want: []string{"2 name and size"}},
		{name: "an optimized version alone", files: []File{file("/v/Plex Versions/a.mp4", 5)},
			parts: []Part{part("1", "/v/Plex Versions/a.mp4", 5, optimized)}, want: []string{"1 path"}},
		{name: "a path is surer than a size", files: []File{file("/v/a.mp4", 5)},
			parts: []Part{part("7", "/v/a.mp4", 6), part("8", "/m/a.mp4", 5)}, want: []string{"7 path"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules, err := ParseRules(c.rules)
			if err != nil {
				t.Fatal(err)
			}
			r := Match(Input{Files: c.files, Rules: rules, PushedKeys: c.pushed, Parts: c.parts, Truncated: c.cut})
			var got, ties []string
			for _, h := range r.Hits {
				got = append(got, h.Key+" "+h.Rung.String())
			}
			for _, p := range r.Ambiguous {
				ties = append(ties, p.Key)
			}
			if !slices.Equal(got, c.want) || !slices.Equal(ties, c.ties) {
				t.Errorf("hits %q, ties %q; want %q, %q", got, ties, c.want, c.ties)
			}
		})
	}
}

func TestTheFirstPartOfAnItemIsTold(t *testing.T) {
	b := part("7", "/v/b.mp4")
	b.Index = 1
	r := Match(Input{Files: []File{file("/v/b.mp4"), file("/v/a.mp4")}, Parts: []Part{b, part("7", "/v/a.mp4")}})
	if len(r.Hits) != 1 || r.Hits[0].Part.Index != 0 || r.Hits[0].File.Path != "/v/a.mp4" {
		t.Errorf("%+v", r.Hits)
	}
}

func TestARuleIsSuggestedThatExplainsAMatchByName(t *testing.T) {
	for _, c := range []struct {
		path, plex string
		want       *Rule
	}{
		{"/data/films/a.mp4", "/media/films/a.mp4", &Rule{"/data", "/media"}},
		{`D:\v\films\a.mp4`, "/v/films/a.mp4", &Rule{`D:\v`, "/v"}}, // a prefix is never empty
		{"/data/a.mp4", "/media/x/a.mp4", &Rule{"/data", "/media/x"}},
		{"/a.mp4", "/a.mp4", nil},
		{"/a.mp4", "/media/a.mp4", &Rule{"/", "/media"}},
		{"/media/a.mp4", "/a.mp4", &Rule{"/media", "/"}},
		{"/data/a.mp4", "/m/data/a.mp4", &Rule{"/data", "/m/data"}},
		{"/data/s/é.mp4", "/media/s/e\u0301.mp4", &Rule{"/data", "/media"}},
		{"/V/a.mp4", "/v/a.mp4", nil}, // found without a rule
		{`\\nas\films\a.mp4`, "/films/a.mp4", &Rule{`\\nas\films`, "/films"}},
		{"/x;y/a.mp4", "/m/a.mp4", &Rule{"/x;y", "/m"}},
		{"/x /a.mp4", "/m=> n/a.mp4", &Rule{"/x ", "/m=> n"}},
		{"a/b.mp4", "/m/b.mp4", nil},
		{`/d/x\b.mp4`, `/m/y\b.mp4`, nil}, // one name, not a folder and a name
		{"/x/a.mp4", "/x/b.mp4", nil},
	} {
		got := SuggestRule(c.path, c.plex)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s and %s: %v, want %v", c.path, c.plex, got, c.want)
			continue
		}
		if got != nil {
			if mapped, _ := (Rules{*got}).Map(c.path); fold.Path(mapped) != fold.Path(c.plex) {
				t.Errorf("the suggested rule %v maps %s to %s", got, c.path, mapped)
			}
		}
	}
}

func TestTheStepsTellWhyAndStopAtTheAnswer(t *testing.T) {
	in := Input{Files: []File{file("/d/a.mp4", min10)}, Parts: []Part{part("7", "/m/a.mp4", min10)}}
	verdicts := func() (all []string) {
		for _, s := range Match(in).Steps {
			all = append(all, fmt.Sprintf("%s: %s (%d)", s.Rung, s.Verdict, len(s.Candidates)))
		}
		return all
	}
	tried := []string{"pushed: no item (0)", "path: no item (0)", "folded path: no item (0)", "name and size: no item (0)", "path tail: no item (0)"}
	if got, want := verdicts(), append(slices.Clone(tried), "name: item 7 (1)"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	in.Truncated = true
	if got, want := verdicts(), append(slices.Clone(tried), "name: item 7, but more files have this name than were checked (1)"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	in.Parts = append(in.Parts, part("10", "/n/a.mp4", min10))
	if got, want := verdicts(), append(slices.Clone(tried), "name: 2 items have this name (2)"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	in.Parts = []Part{part("7", "/m/a.mp4", 5, min10), part("8", "/n/d/a.mp4", 5, min10), part("9", "/d/x/a.mp4", min10)}
	in.Files[0].Size = 5
	tie := []string{"pushed: no item (0)", "path: no item (0)", "folded path: no item (0)", "name and size: 2 items fit equally (2)"}
	if got, want := verdicts(), append(slices.Clone(tie), "path tail: item 8 (1)"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	in.Parts[1].Path = "/n/a.mp4"
	if got, want := verdicts(), append(slices.Clone(tie), "path tail: no item (0)", "name: 2 items have this name (2)"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	in.Parts = []Part{part("9", "/d/a.mp4", trashed)}
	if got, want := verdicts(), []string{"pushed: no item (0)", "path: item 9, which is in Plex's trash (1)", "folded path: no item (0)"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	in.Parts = []Part{part("10", "/d/a.mp4"), part("9", "/d/a.mp4")}
	in.PushedKeys = []string{"10"}
	if got, want := verdicts(), []string{"pushed: item 10 (1)", "path: item 9 (1)", "folded path: no item (0)"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDurationsAgreeWithinTwoSecondsOrOnePerCent(t *testing.T) {
	for _, c := range []struct {
		a, b time.Duration
		want bool
	}{
		{0, 0, false},
		{time.Minute, 0, false},
		{-time.Second, time.Second, false},
		{time.Minute, time.Minute + 2*time.Second, true},
		{time.Minute, time.Minute + 2*time.Second + 1, false},
		{99 * time.Minute, 100 * time.Minute, true},
		{99*time.Minute - 1, 100 * time.Minute, false},
		{1, math.MaxInt64, false},
	} {
		if Agree(c.a, c.b) != c.want || Agree(c.b, c.a) != c.want {
			t.Errorf("%v and %v: want %v", c.a, c.b, c.want)
		}
	}
}

// Were the cost more than linear in a path's length, this would take hours.
func TestPathsOfAMegabyteAreMatched(t *testing.T) {
	size := 1 << 20
	if testing.Short() {
		size = 1 << 16
	}
	for _, element := range []string{"a/", "/", `\`, "../", "É/", "\x00", "e\u0301"} {
		long := strings.Repeat(element, size/len(element))
		r := Match(Input{
			Files: []File{file("/x/" + long + "/s/a.mp4"), file(long)},
			Parts: []Part{part("7", "/y/"+long+"/s/a.mp4"), part("8", "/"+long+"/b")},
			Rules: Rules{{"/x/" + long + "/t", "/z"}},
		})
		if len(r.Hits) != 1 || r.Hits[0].Key != "7" {
			t.Errorf("a path of many %q: %d hits, %d ties", element, len(r.Hits), len(r.Ambiguous))
		}
		ParseRules(strings.Repeat(element+"=>;", 1000))
	}
}

// input draws scenes and parts from few names, so that they often collide.
func input(t *rapid.T) Input {
	path := rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{"/data", "/media", "/Media", `D:\data`, "d:/Data", ""}).Draw(t, "root") +
			rapid.SampledFrom([]string{"", "/set", "/Set", `\set`}).Draw(t, "folder") +
			"/" + rapid.SampledFrom([]string{"a.mp4", "A.mp4", "b.mp4", "é.mp4", "e\u0301.mp4", ""}).Draw(t, "name")
	})
	size := rapid.SampledFrom([]int64{0, 5, 6, -1})
	duration := rapid.SampledFrom([]time.Duration{0, min10, min10 + time.Second, 2 * min10, -1})
	var in Input
	for range rapid.IntRange(0, 3).Draw(t, "files") {
		in.Files = append(in.Files, File{path.Draw(t, "path"), size.Draw(t, "size"), duration.Draw(t, "duration")})
	}
	for range rapid.IntRange(0, 6).Draw(t, "parts") {
		key := fmt.Sprint(rapid.IntRange(8, 11).Draw(t, "key"))
		in.Parts = append(in.Parts, Part{Key: key, Section: "1", Index: rapid.IntRange(0, 2).Draw(t, "index"), Path: path.Draw(t, "path"),
			Size: size.Draw(t, "size"), Duration: duration.Draw(t, "duration"), Trashed: rapid.IntRange(0, 5).Draw(t, "trash") == 0})
	}
	in.PushedKeys = rapid.SliceOfN(rapid.SampledFrom([]string{"8", "9", "99"}), 0, 2).Draw(t, "pushed")
	in.Rules = rapid.SampledFrom([]Rules{nil, {{"/data", "/media"}}, {{"/data", `D:\data`}}, {{`D:\`, "/"}},
		{{"/data", "/media"}, {"/data", `D:\data`}, {"/data", "/data"}}}).Draw(t, "rules")
	in.Truncated = rapid.Bool().Draw(t, "truncated")
	return in
}

func TestAMatchDoesNotDependOnTheOrderAndInventsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := input(t)
		want := Match(in)
		shuffled := in
		shuffled.Files = rapid.Permutation(in.Files).Draw(t, "files in another order")
		shuffled.Parts = rapid.Permutation(in.Parts).Draw(t, "parts in another order")
		if got := Match(shuffled); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v\nand in another order\n%+v", want, got)
		}
		if !slices.IsSortedFunc(want.Hits, func(a, b Hit) int { return cmp.Or(len(a.Key)-len(b.Key), strings.Compare(a.Key, b.Key)) }) {
			t.Fatalf("out of order: %+v", want.Hits)
		}
		for _, p := range want.Ambiguous {
			if !slices.Contains(in.Parts, p) {
				t.Fatalf("tie %+v is not of the input", p)
			}
		}
		if len(want.Hits) > 0 && len(want.Ambiguous) > 0 {
			t.Fatal("both found and ambiguous")
		}
		for _, h := range want.Hits {
			if !slices.Contains(in.Parts, h.Part) || !slices.Contains(in.Files, h.File) || h.Part.Key != h.Key || h.Part.Section != h.Section {
				t.Fatalf("hit %+v is not of the input", h)
			}
			if h.Rung >= RungSize && len(want.Hits) != 1 {
				t.Fatalf("%d hits at rung %v", len(want.Hits), h.Rung)
			}
			if h.Rung == RungName && (in.Truncated || !Agree(h.File.Duration, h.Part.Duration)) {
				t.Fatalf("hit %+v by a name that proves nothing", h)
			}
			if r := want.Suggest; r != nil {
				if mapped, _ := (Rules{*r}).Map(h.File.Path); h.Rung < RungSize || fold.Path(mapped) != fold.Path(h.Part.Path) {
					t.Fatalf("rule %v does not explain %+v", r, h)
				}
			}
		}
	})
}

// The rungs are told once more, in the plainest way.
func TestAMatchIsWhatTheRungsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := input(t)
		live := in
		live.Parts = slices.DeleteFunc(slices.Clone(in.Parts), func(p Part) bool { return p.Trashed })
		want := plainly(live)
		if all := plainly(in); want.hit == "" && (want.ties == "" || strings.Contains(all.hit, "certain")) {
			want = all
		}
		r := Match(in)
		var got answer
		for _, h := range r.Hits {
			rung := h.Rung.String()
			if h.Rung <= RungFolded {
				rung = "certain"
			}
			got.hit += h.Key + " " + rung + ";"
		}
		for _, p := range r.Ambiguous {
			got.ties += p.Key + ";"
		}
		if got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

// answer is what a match came to, as text.
type answer struct{ hit, ties string }

func plainly(in Input) answer {
	type fit struct {
		file File
		part Part
	}
	known := func(f fit) bool { return f.file.Duration > 0 && f.part.Duration > 0 }
	agree := func(f fit) bool { return Agree(f.file.Duration, f.part.Duration) }
	sizes := func(f fit) bool { return f.file.Size > 0 && f.part.Size > 0 }
	keys := func(fits []fit) []string {
		var all []string
		for _, f := range fits {
			if !slices.Contains(all, f.part.Key) {
				all = append(all, f.part.Key)
			}
		}
		slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
		return all
	}
	tell := func(keys []string, rung string) (s string) {
		for _, k := range keys {
			s += strings.TrimRight(k+" "+rung, " ") + ";"
		}
		return s
	}
	var certain, named []fit
	for _, f := range in.Files {
		var mapped string
		for _, alike := range []func(a, b string) bool{
			func(a, b string) bool { return fold.Path(a) == fold.Path(b) },
			func(a, b string) bool { return a == b },
		} {
			for _, m := range slices.Backward(in.Rules.MapAll(f.Path)) { // the first comes last, and wins
				if mapped == "" || slices.ContainsFunc(in.Parts, func(p Part) bool { return alike(p.Path, m.Path) }) {
					mapped = m.Path
				}
			}
		}
		exact := slices.ContainsFunc(in.Parts, func(p Part) bool { return p.Path == mapped })
		for _, p := range in.Parts {
			folded := fold.Path(p.Path) == fold.Path(mapped)
			oneDisk := strings.HasPrefix(p.Path, "D:") || strings.HasPrefix(p.Path, "d:")
			if fold.Base(mapped) != "" && (p.Path == mapped || folded && (!exact || oneDisk)) {
				certain = append(certain, fit{f, p})
			}
			x := fit{f, p}
			if base := fold.Base(f.Path); base != "" && base == fold.Base(p.Path) && !(sizes(x) && f.Size != p.Size && known(x) && !agree(x)) {
				named = append(named, x)
			}
		}
	}
	if len(certain) > 0 {
		return answer{hit: tell(keys(certain), "certain")}
	}
	var tied []string
	sized := slices.DeleteFunc(slices.Clone(named), func(f fit) bool { return !sizes(f) || f.file.Size != f.part.Size })
	switch k := keys(sized); {
	case len(k) == 1:
		return answer{hit: tell(k, "name and size")}
	case len(k) > 1:
		named, tied = sized, k
	}
	tails := slices.DeleteFunc(slices.Clone(named), func(f fit) bool {
		unknown := !known(f) && (!sizes(f) || f.file.Size == f.part.Size)
		return !unknown && !agree(f) || commonTail(f.file.Path, f.part.Path) < 2
	})
	longest := map[File]int{}
	for _, f := range tails {
		longest[f.file] = max(longest[f.file], commonTail(f.file.Path, f.part.Path))
	}
	tails = slices.DeleteFunc(tails, func(f fit) bool { return commonTail(f.file.Path, f.part.Path) < longest[f.file] })
	switch k := keys(tails); {
	case len(k) == 1:
		return answer{hit: tell(k, "path tail")}
	case len(k) > 1:
		named, tied = tails, k
	}
	if tied != nil {
		named = slices.DeleteFunc(named, func(f fit) bool { return known(f) && !agree(f) })
	}
	if !slices.ContainsFunc(named, agree) {
		return answer{ties: tell(tied, "")}
	}
	if k := keys(named); len(k) > 1 || in.Truncated {
		return answer{ties: tell(k, "")}
	}
	return answer{hit: tell(keys(named), "name")}
}

func FuzzParseRules(f *testing.F) {
	for _, s := range []string{"/data => /media", `D:\v => /v; \\nas\x => /y`, "=>", ";;=>;", "/=>/", "C:=>D:", `"/a;""b " => „/c“`, `"`} {
		f.Add(s, "/data/a.mp4")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		rules, err := ParseRules(text)
		if err != nil && err.Error() == "" {
			t.Error("an empty error")
		}
		for _, r := range rules {
			if again, err := ParseRules(r.String()); err != nil || !slices.Equal(again, Rules{r}) {
				t.Errorf("%q is written as %s, which reads %q, %v", r, r, again, err)
			}
		}
		mapped, rule := rules.Map(path)
		if rule == nil && mapped != path {
			t.Errorf("%q became %q without a rule", path, mapped)
		}
	})
}

func FuzzRulesMap(f *testing.F) {
	f.Add("/data", "/media", "/data/a.mp4")
	f.Add(`D:\v`, "/v", "d:/V/a.mp4")
	f.Add(`\\nas\f`, `E:\`, `//NAS/f/a\b.mp4`)
	f.Add("", "", "")
	f.Add("/é", "/", "/e\u0301/\xff\x00")
	f.Fuzz(func(t *testing.T, from, to, path string) {
		rules := Rules{{from, to}}
		mapped, rule := rules.Map(path)
		if rule == nil && mapped != path {
			t.Errorf("%q became %q without a rule", path, mapped)
		}
		if rule != nil && rule != &rules[0] {
			t.Errorf("rule %v is not of the input", rule)
		}
		if strings.Trim(from, `/\`) == "" {
			return // a root, to which a slash more gives another sense
		}
		if again, _ := (Rules{{from + "/", to}}).Map(path); again != mapped {
			t.Errorf("with a slash after %q, %q maps to %q, else to %q", from, path, again, mapped)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("/data/a.mp4", "/media/a.mp4", int64(5), int64(6))
	f.Add("", `\`, int64(0), int64(-1))
	f.Add("/a/../b/\x00.mp4", "//", int64(1), int64(1))
	f.Add("/İ/ß.mp4", "/i̇/SS.mp4", int64(1), int64(1))
	f.Fuzz(func(t *testing.T, path, plexPath string, size, duration int64) {
		r := Match(Input{
			Files: []File{{path, size, time.Duration(duration)}},
			Parts: []Part{{Key: "1", Section: "1", Path: plexPath, Size: size, Duration: time.Duration(duration)},
				{Key: "2", Section: "1", Path: plexPath + "x", Size: duration}},
			Rules: Rules{{"/data", "/media"}},
		})
		if len(r.Hits) > 1 {
			t.Errorf("%q matches %+v", path, r.Hits)
		}
		SuggestRule(path, plexPath)
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := Input{Files: []File{file("/data/Set/a.mp4", 5, min10)}, Rules: Rules{{"/data", "/media"}}}
			for i := range n {
				in.Parts = append(in.Parts, part(fmt.Sprint(i), fmt.Sprintf("/media/%d/a.mp4", i), i, min10))
			}
			b.ReportAllocs()
			for b.Loop() {
				Match(in)
			}
		})
	}
}
