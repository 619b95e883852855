package match

import (
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
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

func TestAWrongRuleIsNamed(t *testing.T) {
	for text, what := range map[string]string{
		"/data /media":           "has no arrow",
		"/a => /b => /c":         "two arrows",
		"=> /media":              "one side",
		"/data =>":               "one side",
		"data => /media":         "absolute",
		"/data => media":         "absolute",
		"/a => /b; /a/ => /c":    "second time",
		"/ok => /fine; C:v=x":    "has no arrow",
		"/data => /me\x00dia":    "NUL",
		"/a => b; /c /d; /e =>/": "path rule \"/c /d\"",
	} {
		_, err := ParseRules(text)
		if err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "/data => /media") {
			t.Errorf("%q: error %v, want one with %q and an example", text, err, what)
		}
	}
	if rules, err := ParseRules("/a => /b; /a => /b; ; "); err != nil || len(rules) != 1 {
		t.Errorf("a rule given twice: %v, %v", rules, err)
	}
}

func part(key, path string, more ...any) Part {
	p := Part{Key: key, Section: "1", Path: path}
	for _, m := range more {
		switch m := m.(type) {
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
			parts: []Part{part("7", "/m/x/a.mp4", min10), part("8", "/m/y/a.mp4", 3*min10)}, want: []string{"7 name"}},
		{name: "the name alone without durations", files: []File{file("/data/a.mp4")}, parts: []Part{part("7", "/m/x/a.mp4")}},
		{name: "the name alone, among more than were looked at", files: []File{file("/data/a.mp4", min10)},
			parts: []Part{part("7", "/m/x/a.mp4", min10)}, cut: true, ties: []string{"7"}},
		{name: "part one is not part two", files: []File{file("/data/Night Pt. I.mp4", min10)}, parts: []Part{part("7", "/m/Night Pt. II.mp4", min10)}},
		{name: "two files that fit two items by name", files: []File{file("/d/a.mp4", 5), file("/d/b.mp4", 6)},
			parts: []Part{part("7", "/m/a.mp4", 5), part("8", "/m/b.mp4", 6)}, ties: []string{"7", "8"}},
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
		{"/x/a.mp4", "/x/b.mp4", nil},
	} {
		got := SuggestRule(c.path, c.plex)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s and %s: %v, want %v", c.path, c.plex, got, c.want)
			continue
		}
		if got != nil {
			if mapped, _ := (Rules{*got}).Map(c.path); PathKey(mapped) != PathKey(c.plex) {
				t.Errorf("the suggested rule %v maps %s to %s", got, c.path, mapped)
			}
		}
	}
}

// input draws scenes and parts from few names, so that they often collide.
func input(t *rapid.T) Input {
	path := rapid.Custom(func(t *rapid.T) string {
		return "/" + rapid.SampledFrom([]string{"data", "media", "Media"}).Draw(t, "root") +
			rapid.SampledFrom([]string{"", "/set", "/Set"}).Draw(t, "folder") +
			"/" + rapid.SampledFrom([]string{"a.mp4", "A.mp4", "b.mp4", "é.mp4", "e\u0301.mp4"}).Draw(t, "name")
	})
	size := rapid.SampledFrom([]int64{0, 5, 6})
	duration := rapid.SampledFrom([]time.Duration{0, min10, 2 * min10})
	var in Input
	for range rapid.IntRange(1, 3).Draw(t, "files") {
		in.Files = append(in.Files, File{path.Draw(t, "path"), size.Draw(t, "size"), duration.Draw(t, "duration")})
	}
	index := map[string]int{}
	for range rapid.IntRange(0, 6).Draw(t, "parts") {
		key := fmt.Sprint(rapid.IntRange(1, 4).Draw(t, "key"))
		in.Parts = append(in.Parts, Part{key, "1", index[key], path.Draw(t, "path"), size.Draw(t, "size"), duration.Draw(t, "duration")})
		index[key]++
	}
	in.PushedKeys = rapid.SliceOfN(rapid.SampledFrom([]string{"1", "2", "9"}), 0, 2).Draw(t, "pushed")
	if rapid.Bool().Draw(t, "rules") {
		in.Rules = Rules{{"/data", "/media"}}
	}
	in.Truncated = rapid.Bool().Draw(t, "truncated")
	return in
}

func TestAMatchDoesNotDependOnTheOrderAndInventsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := input(t)
		want := Match(in)
		shuffled := in
		shuffled.Files, shuffled.Parts = slices.Clone(in.Files), slices.Clone(in.Parts)
		rnd := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		rnd.Shuffle(len(shuffled.Files), func(i, j int) {
			shuffled.Files[i], shuffled.Files[j] = shuffled.Files[j], shuffled.Files[i]
		})
		rnd.Shuffle(len(shuffled.Parts), func(i, j int) {
			shuffled.Parts[i], shuffled.Parts[j] = shuffled.Parts[j], shuffled.Parts[i]
		})
		got := Match(shuffled)
		keys := func(r Result) (all []string) {
			for _, h := range r.Hits {
				all = append(all, h.Key+" "+h.Rung.String()+" "+h.Part.Path)
			}
			for _, p := range r.Ambiguous {
				all = append(all, "tie "+p.Key)
			}
			return all
		}
		if !slices.Equal(keys(got), keys(want)) {
			t.Fatalf("%q, and in another order %q", keys(want), keys(got))
		}
		for _, h := range want.Hits {
			if !slices.Contains(in.Parts, h.Part) || !slices.Contains(in.Files, h.File) || h.Part.Key != h.Key {
				t.Fatalf("hit %+v is not of the input", h)
			}
			if h.Rung >= RungSize && len(want.Hits) != 1 {
				t.Fatalf("%d hits at rung %v", len(want.Hits), h.Rung)
			}
		}
		if len(want.Hits) > 0 && len(want.Ambiguous) > 0 {
			t.Fatal("both found and ambiguous")
		}
	})
}

func FuzzParseRules(f *testing.F) {
	for _, s := range []string{"/data => /media", `D:\v => /v; \\nas\x => /y`, "=>", ";;=>;", "/=>/", "C:=>D:"} {
		f.Add(s, "/data/a.mp4")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		rules, err := ParseRules(text)
		if err != nil && err.Error() == "" {
			t.Error("an empty error")
		}
		mapped, rule := rules.Map(path)
		if rule == nil && mapped != path {
			t.Errorf("%q became %q without a rule", path, mapped)
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
			Parts: []Part{{"1", "1", 0, plexPath, size, time.Duration(duration)}, {"2", "1", 0, plexPath + "x", duration, 0}},
			Rules: Rules{{"/data", "/media"}},
		})
		if len(r.Hits) > 1 {
			t.Errorf("%q matches %+v", path, r.Hits)
		}
		SuggestRule(path, plexPath)
		if PathKey(PathKey(path)) != PathKey(path) {
			t.Errorf("folding %q twice is not folding it once", path)
		}
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
