package scope

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		glob, path string
		want       bool
	}{
		{"/data/*", "/data/a.mp4", true},
		{"/data/*", "/data/b/a.mp4", false},
		{"/data/**", "/data/b/c/a.mp4", true},
		{"/data/**", "/database/a.mp4", false},
		{"/data/**/a.mp4", "/data/a.mp4", true},
		{"/data/**/a.mp4", "/data/x/y/a.mp4", true},
		{"/data/**/a.mp4", "/data/x/y/b.mp4", false},
		{"/data/**/x/**/*.mp4", "/data/x/y/x/z/a.mp4", true},
		{"**/trailers/**", "/data/a/trailers/x.mp4", true},
		{"**/trailers/**", `D:\a\Trailers\x.mp4`, true},
		{"**/*.mkv", "/data/a/b.mkv", true},
		{"**/*.mkv", "/data/a/b.MKV", false},
		{"**/*.mkv", `D:\data\b.MKV`, true},
		{"**", "/anything", true},
		{"/", "/anything/at/all", true},

		// A folder means everything in it.
		{"/data/films", "/data/films/a/b.mp4", true},
		{"/data/films", "/data/films2/b.mp4", false},
		{"/data/films/", "/data/films/b.mp4", true},
		{"/data/films/a.mp4", "/data/films/a.mp4", true},
		{"/data/*/Amateur", "/data/x/Amateur/y/z.mp4", true},
		{"/data/x*/", "/data/x1/y/z.mp4", true},
		{"/data/x*/", "/data/x.mp4", false},
		{"/data/x*", "/data/x1/y.mp4", false},

		// Either slash, and case on Windows only.
		{`D:\Videos\**`, `d:\videos\a\b.mp4`, true},
		{"d:/videos", `D:\VIDEOS\É.mp4`, true},
		{"d:/videos/e\u0301.mp4", `D:\VIDEOS\É.mp4`, true},
		{`D:\Videos`, `E:\Videos\a.mp4`, false},
		{`\\nas\films\**`, `\\NAS\Films\a.mp4`, true},
		{"//nas/films", `\\NAS\Films\a.mp4`, true},
		{`\data\films\*`, "/data/films/a.mp4", true},
		{"/Data/films", "/data/films/a.mp4", false},
		{"/data//films///*", "/data/films//a.mp4", true},
		{"/data/e\u0301/*", "/data/é/a.mp4", true},
		{"/data/films", `D:\data\films\a.mp4`, false},
		{`/data/a?b.mp4`, `/data/a\b.mp4`, true}, // elsewhere a backslash is a character

		// Only *, ** and ? are special.
		{"/data/[Studio] a.mp4", "/data/[Studio] a.mp4", true},
		{"/data/[ab].mp4", "/data/a.mp4", false},
		{"/data/{a,b}/*", "/data/{a,b}/c.mp4", true},
		{"/data/a?.mp4", "/data/aé.mp4", true},
		{"/data/a?.mp4", "/data/a.mp4", false},
		{"/data/*a*b*", "/data/xxaxxbxx", true},
		{"/data/*a*b*", "/data/xxbxxaxx", false},
		{"/data/a*a", "/data/a", false},
		{"/data/a*b*b", "/data/abxb", true},
		{"/data/*", "", false},
	} {
		all, err := ParseGlobs([]string{c.glob})
		if err != nil {
			t.Errorf("%q: %v", c.glob, err)
			continue
		}
		text, got := all.Match(c.path)
		if got != c.want || got != (text == c.glob) {
			t.Errorf("%q means %q: %v (as %q), want %v", c.glob, c.path, got, text, c.want)
		}
	}
}

func TestABrokenGlobSaysWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct{ glob, want string }{
		{"films/*", "does not begin at the root; valid would be, for example, /data/films/* or **/films/*"},
		{"*.mp4", "/data/*.mp4 or **/*.mp4"},
		{`films\a`, "/data/films/a or **/films/a"},
		{"./films", "/data/films or **/films"},
		{`D:films`, `valid would be, for example, D:\films`},
		{"D:", `D:\`},
		{"/data/a**", `** within the name "a**", but ** stands for whole folders; valid would be a* or **/a*`},
		{"/data/***/b", `valid would be * or **/*`},
		{"/data/../b", "has a . or .. in it"},
		{"/data/\x00b", "NUL"},
	} {
		all, err := ParseGlobs([]string{" ", c.glob, " /ok/* "})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v\nlacks %q", c.glob, err, c.want)
		}
		if len(all) != 1 || all[0].String() != "/ok/*" {
			t.Errorf("%q: the other one is %v", c.glob, all)
		}
	}
	if _, err := ParseGlobs([]string{"a", "/data/b**"}); err == nil || strings.Count(err.Error(), "valid would be") != 2 {
		t.Errorf("two broken ones: %v", err)
	}
}

// asRegexp is what a glob means, said otherwise.
func asRegexp(glob string) string {
	if last := glob[strings.LastIndex(glob, "/")+1:]; last == "" {
		glob += "**/?*"
	} else if !strings.ContainsAny(last, "*?") {
		glob += "/**"
	}
	var b strings.Builder
	for _, e := range split(glob, "/") {
		if e == anyDepth {
			b.WriteString(`(?:/[^/]+)*`)
			continue
		}
		if e = strings.NewReplacer(`\*`, `[^/]*`, `\?`, `[^/]`).Replace(regexp.QuoteMeta(e)); e == `[^/]*` {
			e = `[^/]+` // no name is empty
		}
		b.WriteString("/" + e)
	}
	return `(?s)^` + b.String() + `$`
}

func TestGlobsMeanWhatARegularExpressionDoes(t *testing.T) {
	name := rapid.StringMatching(`[ab]{1,3}`)
	wild := rapid.StringMatching(`[ab*?]{1,4}`).Filter(func(s string) bool { return !strings.Contains(s, "**") })
	rapid.Check(t, func(t *rapid.T) {
		element := rapid.OneOf(wild, name, rapid.Just("**"))
		glob := "/" + strings.Join(rapid.SliceOfN(element, 1, 4).Draw(t, "glob"), "/")
		if rapid.Bool().Draw(t, "slash") {
			glob += "/"
		}
		path := "/" + strings.Join(rapid.SliceOfN(name, 1, 5).Draw(t, "path"), "/")
		all, err := ParseGlobs([]string{glob})
		if err != nil {
			t.Fatal(err)
		}
		expression := asRegexp(glob)
		want := regexp.MustCompile(expression).MatchString(path)
		if _, got := all.Match(path); got != want {
			t.Fatalf("%q means %q: %v, want %v (%s)", glob, path, got, want, expression)
		}
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("/data/**", "/data/x")
	f.Add(`\\nas\*`, `\\NAS\x`)
	f.Add("**/\xff?", "/\xff")
	f.Add(strings.Repeat("**/*a", 1)+strings.Repeat("/**/*a", 20), strings.Repeat("/aaaaaaaaaa", 30)+"b")
	f.Fuzz(func(t *testing.T, glob, path string) {
		all, err := ParseGlobs([]string{glob})
		if err != nil || len(all) == 0 {
			return
		}
		all.Match(path)
		// A path means itself, unless something in it is special or it would not begin
		// at the root.
		if same, err := ParseGlobs([]string{path}); err == nil && len(same) == 1 && !strings.ContainsAny(path, "*?\\") &&
			strings.TrimSpace(path) == path && !strings.HasSuffix(path, "/") {
			if _, in := same.Match(path); !in {
				t.Errorf("%q does not mean itself", path)
			}
		}
		if slices.Contains(split(path, "/"), "") {
			t.Error("an empty name")
		}
	})
}
