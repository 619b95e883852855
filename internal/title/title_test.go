package title

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func mustParse(t testing.TB, text string) Template {
	t.Helper()
	template, err := Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return template
}

func rating(n int) *int { return &n }

// full has a value for every field.
func full() Values {
	return Values{
		Title: "Night Train", Code: "NT-7", Director: "Eve Blanc", Studio: "Northlight", Parent: "Aurora", Date: "2024-05-06",
		Performers: []string{"Ann Ito", "Bea Roy"}, Rating100: rating(85), Width: 1920, Height: 1080,
	}
}

func TestATemplateReadsAsItIsWritten(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{"{title}", "Night Train"},
		{"{studio} - {title}", "Northlight - Night Train"},
		{"{date} {title} [{code}]", "2024-05-06 Night Train [NT-7]"},
		{"{parent}/{studio}: {title} ({year}, {resolution})", "Aurora/Northlight: Night Train (2024, 1080p)"},
		{"{title} by {director}", "Night Train by Eve Blanc"},
		{"{title} - {performers}", "Night Train - Ann Ito, Bea Roy"},
		{"{rating}/10 {title}", "8.5/10 Night Train"},
		{"{TITLE} { Year }", "Night Train 2024"},
		{"{{{code}}} {title}", "{NT-7} Night Train"},
		{"{{ {title} }}", "{ Night Train }"},
		{"{title}}}{{", "Night Train}{"},
		{"{studio}{code}", "NorthlightNT-7"},
		{"  {title}\n\t{code} ", "Night Train NT-7"},
		{"🎬 {title} ★ {rating}", "🎬 Night Train ★ 8.5"},
		{"«{title}» — {studio}", "«Night Train» — Northlight"},
		{"#{code} {title}!", "#NT-7 Night Train!"},
		{"- {title} -", "Night Train"}, // separators with nothing to separate
		{"{title} [HD]", "Night Train [HD]"},
		{"{title} :) {code}", "Night Train :) NT-7"},
		{"({title}", "(Night Train"},
		{"{title} {title}", "Night Train Night Train"},
	} {
		if got := mustParse(t, c.template).Render(full()); got != c.want {
			t.Errorf("%q reads %q, want %q", c.template, got, c.want)
		}
	}
}

func TestWhatIsEmptyGoesWithItsPunctuation(t *testing.T) {
	for _, c := range []struct{ template, without, want string }{
		{"{studio} - {title}", "studio", "Night Train"},
		{"{studio} - {title}", "title", "Northlight"},
		{"{studio} - {title}", "studio title", ""},
		{"{date} {title} [{code}]", "code", "2024-05-06 Night Train"},
		{"{date} {title} [{code}]", "date", "Night Train [NT-7]"},
		{"{date} {title} [{code}]", "title", "2024-05-06 [NT-7]"},
		{"{date} {title} [{code}]", "date title", "[NT-7]"},
		{"{title} ({year}, {resolution})", "year", "Night Train (1080p)"},
		{"{title} ({year}, {resolution})", "resolution", "Night Train (2024)"},
		{"{title} ({year}, {resolution})", "year resolution", "Night Train"},
		{"{studio} - {title} ({year}, {resolution})", "title", "Northlight (2024, 1080p)"},
		{"{studio} - {title} ({year}, {resolution})", "title year", "Northlight (1080p)"},
		{"{studio} - {title} - [{code}]", "title", "Northlight - [NT-7]"},
		{"{studio} - {title}[{code}]", "title", "Northlight - [NT-7]"},
		{"{studio} - {title} ({year}) {code}", "title year", "Northlight NT-7"},
		{"{title} ({studio} [{code}] {year})", "code", "Night Train (Northlight 2024)"},
		{"{title} ({studio} [{code}] {year})", "studio year", "Night Train ([NT-7])"},
		{"{title} ({studio} [{code}] {year})", "studio year code", "Night Train"},

		// Between two that are there one separator remains, the one that says most.
		{"{studio}: {title} - {code}", "title", "Northlight: NT-7"},
		{"{title}, {performers} - {date}", "performers", "Night Train, 2024-05-06"},
		{"{studio} {title} - {code}", "title", "Northlight - NT-7"},
		{"{studio} {title}, {code}", "title", "Northlight, NT-7"},
		{"{studio} -- {title}, {code}", "title", "Northlight -- NT-7"},
		{"{studio}{title} {code}", "title", "Northlight NT-7"},
		{"{studio} · {title} 🎬 {code}", "title", "Northlight · NT-7"},
		{"{studio} | {title} | {performers} | {code}", "title performers", "Northlight | NT-7"},
		{"{studio} | {title} | {performers} | {code}", "studio code", "Night Train | Ann Ito, Bea Roy"},

		// Words belong to a field.
		{"{title} by {director}", "director", "Night Train"},
		{"{title} by {director}", "title", "by Eve Blanc"},
		{"{title} directed by {director}, {year}", "director", "Night Train, 2024"},
		{"{title} directed by {director}, {year}", "year", "Night Train directed by Eve Blanc"},
		{"{studio} - Scene {code} - {title}", "code", "Northlight - Night Train"},
		{"{studio} - Scene {code} - {title}", "studio title", "Scene NT-7"},
		{"{rating} stars - {title}", "rating", "Night Train"},
		{"{rating} stars - {title}", "title", "8.5 stars"},
		{"{rating} stars, {title}", "rating", "Night Train"},
		{"{rating} stars, {title}", "title", "8.5 stars"},
		{"{title} Code: {code}", "code", "Night Train"},
		{"{rating}% {title}", "rating", "Night Train"},
		{"{rating}% {title}", "title", "8.5%"},
		{"{rating}%, {title}", "title", "8.5%"},
		{"{title} #{code}", "code", "Night Train"},
		{"{title} -#{code}", "title", "#NT-7"},
		{"{title}'s {code}", "code", "Night Train's"},
		{"“{title}” {code}", "title", "NT-7"},
		{`"{title}" - {code}`, "title", "NT-7"},
		{`{studio} "{title}"`, "title", "Northlight"},
		{`{studio} "{title}" {code}`, "title", "Northlight NT-7"},
		{"Scene: {title}", "title", ""},
		{"[{code}] constant text {year} more", "code", "constant text 2024 more"},
		{"{title} [HD] {code}", "code", "Night Train"},
		{"{year}. {title}", "year", "Night Train"},
		{"{studio}/{title}", "studio", "Night Train"},
		{"{studio}x{code}", "code", "Northlight"},
		{"{{{code}}} {title}", "code", "Night Train"},

		// From right to left it is the same: a template is in reading order.
		{"{studio} \u200f-\u200f {title}", "studio", "Night Train"},
		{"{title}، {studio}", "studio", "Night Train"},
		{"（{code}）{title}、{studio}", "code studio", "Night Train"},
	} {
		v := full()
		for _, field := range strings.Fields(c.without) {
			drop(&v, field)
		}
		if got := mustParse(t, c.template).Render(v); got != c.want {
			t.Errorf("%q without %s reads %q, want %q", c.template, c.without, got, c.want)
		}
	}
}

// drop empties a field, and those that come from the same value.
func drop(v *Values, field string) {
	switch field {
	case "title":
		v.Title = "  "
	case "studio":
		v.Studio = ""
	case "parent":
		v.Parent = "\u00a0"
	case "date", "year":
		v.Date = ""
	case "code":
		v.Code = ""
	case "performers":
		v.Performers = []string{"", " "}
	case "director":
		v.Director = ""
	case "rating":
		v.Rating100 = nil
	case "resolution":
		v.Width = 0
	default:
		panic("no field " + field)
	}
}

func TestValuesAreTakenAsTheyAre(t *testing.T) {
	for _, c := range []struct {
		template string
		v        Values
		want     string
	}{
		{"{studio} - {title}", Values{Title: "- dash -", Studio: "(empty)"}, "(empty) - - dash -"},
		{"{studio} - {title}", Values{Title: "{studio}", Studio: "{title}"}, "{title} - {studio}"},
		{"{studio} - {title}", Values{Title: "שלום (חלק 2)", Studio: "סטודיו"}, "סטודיו - שלום (חלק 2)"},
		{"{title} ({year})", Values{Title: "مرحبا", Date: "2020"}, "مرحبا (2020)"},
		{"{title} ({year})", Values{Title: "👩‍👩‍👧 🏳️‍🌈", Date: "2020-02"}, "👩‍👩‍👧 🏳️‍🌈 (2020)"},
		{"{title}", Values{Title: "two  blanks\u00a0here"}, "two blanks here"},
		{"{date}", Values{Date: "2020-02"}, "2020-02"},
		{"{date} {year}", Values{Date: "soon"}, ""},
		{"{date} {year}", Values{Date: "2020-13-40"}, ""},
		{"{year}", Values{Date: "0000-00-00"}, ""},
		{"{rating}", Values{Rating100: rating(0)}, "0"},
		{"{rating}", Values{Rating100: rating(100)}, "10"},
		{"{rating}", Values{Rating100: rating(-1)}, ""},
		{"{rating}", Values{Rating100: rating(101)}, ""},
		{"{resolution}", Values{Width: 1080, Height: 1920}, "1080p"}, // held upright
		{"{resolution}", Values{Width: 3840, Height: 2160}, "4K"},
		{"{resolution}", Values{Width: 1920, Height: 1079}, "720p"},
		{"{resolution}", Values{Width: 7680, Height: 4320}, "8K"},
		{"{resolution}", Values{Width: 160, Height: 120}, ""},
		{"{resolution}", Values{Width: -1, Height: 1080}, ""},
		{"{performers}", Values{Performers: []string{"Cid"}}, "Cid"},
		{"{performers}", Values{Performers: []string{"cid", "Éva", "Bea"}}, "Bea, cid, Éva"},
		{"{performers}", Values{Performers: []string{"D", "c", "B", "a"}}, "a, B, c and others"},
		{"{performers}", Values{Performers: []string{"Bea", "BEA", " Bea ", "Ann"}}, "Ann, BEA"},
		{"{performers}", Values{}, ""},
	} {
		if got := mustParse(t, c.template).Render(c.v); got != c.want {
			t.Errorf("%q of %+v reads %q, want %q", c.template, c.v, got, c.want)
		}
	}
}

func TestATitleDoesNotDependOnTheOrderOfPerformers(t *testing.T) {
	template := mustParse(t, "{performers}")
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOf(rapid.SampledFrom([]string{"Ann", "ann", "Bea", "Cid", "Éva", "E\u0301va", "Дана", "Zoë"})).Draw(t, "names")
		want := template.Render(Values{Performers: names})
		if got := template.Render(Values{Performers: rapid.Permutation(names).Draw(t, "again")}); got != want {
			t.Errorf("%q, then %q", want, got)
		}
	})
}

func TestATemplateThatIsWrongSaysWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct {
		template string
		want     []string
	}{
		{"{titel}", []string{"{titel} is not a field", "did you mean {title}?", "the fields are title, studio, parent, date, year, code, performers, director, rating, resolution"}},
		{"{Performer} {xyzzy}", []string{"did you mean {performers}?", "{xyzzy} is not a field; the fields are"}},
		{"{}", []string{"{} names no field"}},
		{"{ } {title}", []string{"names no field"}},
		{"{title", []string{`the brace before "title" is never closed`, "{{ stands for a brace"}},
		{"{title {year}", []string{"never closed"}},
		{"title}", []string{`the brace after "title" was never opened`, "}} stands for a brace"}},
		{"title", []string{"has no field", "{studio} - {title}"}},
		{"{{title}}", []string{"has no field", "write {title}, not {{title}}"}},
		{"{bad} } {worse", []string{"{bad} is not a field", "never opened", "never closed"}},
		{"{title}" + strings.Repeat("x", 500), []string{"longer than 500 characters"}},
		{"{" + strings.Repeat("x", 200) + "}", []string{"{xxxxxxxxxxxxxxxxxxxx…} is not a field"}},
	} {
		template, err := Parse(c.template)
		if err == nil || !template.IsZero() {
			t.Errorf("%q is accepted", c.template)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v\nlacks %q", c.template, err, want)
			}
		}
	}
	for _, empty := range []string{"", " \n"} {
		if template := mustParse(t, empty); !template.IsZero() || template.Render(full()) != "" {
			t.Errorf("%q is a template", empty)
		}
	}
	if mustParse(t, "{title}").IsZero() {
		t.Error("{title} is no template")
	}
	for _, f := range Fields() {
		if mustParse(t, "{"+f+"}").Render(full()) == "" {
			t.Errorf("{%s} of a scene that has everything is empty", f)
		}
	}
}

// TestNothingDangles holds what a title looks like, whichever of its fields are empty:
// what is there is there once, in order, in brackets that match, and between two values
// is one separator at most.
func TestNothingDangles(t *testing.T) {
	names := []string{"title", "studio", "parent", "code", "director"}
	separators := []string{" ", " - ", ", ", ": ", " | ", "/", " – ", "; ", " · ", ""}
	rapid.Check(t, func(t *rapid.T) {
		used := names[:rapid.IntRange(1, len(names)).Draw(t, "fields")]
		var template strings.Builder
		depth := 0
		for i, f := range used {
			if i > 0 {
				if depth > 0 && rapid.Bool().Draw(t, "closes") {
					template.WriteString(")")
					depth--
				}
				template.WriteString(rapid.SampledFrom(separators).Draw(t, "separator"))
			}
			if rapid.IntRange(0, 3).Draw(t, "opens") == 0 {
				template.WriteString("(")
				depth++
			}
			template.WriteString("{" + f + "}")
		}
		template.WriteString(strings.Repeat(")", depth))

		v := Values{Title: "aTITLE", Studio: "bSTUDIO", Parent: "cPARENT", Code: "dCODE", Director: "eDIRECTOR"}
		var want []string
		for _, f := range used {
			if rapid.Bool().Draw(t, f) {
				want = append(want, v.text(f))
			} else {
				drop(&v, f)
			}
		}
		parsed, err := Parse(template.String())
		if err != nil {
			t.Fatal(err)
		}
		got := parsed.Render(v)
		about := fmt.Sprintf("%q with %q reads %q", template.String(), want, got)

		var values []string
		rest := got
		for _, w := range want {
			before, after, found := strings.Cut(rest, w)
			if !found {
				t.Fatalf("%s: %s is missing", about, w)
			}
			between := strings.NewReplacer("(", "", ")", "").Replace(before)
			if len(values) == 0 && between != "" || !slices.Contains(separators, between) {
				t.Fatalf("%s: %q comes before %s", about, between, w)
			}
			values, rest = append(values, w), after
		}
		if strings.Trim(rest, ")") != "" {
			t.Fatalf("%s: it ends with %q", about, rest)
		}
		open := 0
		for i, r := range got {
			switch r {
			case '(':
				open++
			case ')':
				if open--; open < 0 || got[i-1] == '(' {
					t.Fatalf("%s: its brackets do not match", about)
				}
			}
		}
		if open != 0 {
			t.Fatalf("%s: a bracket stays open", about)
		}
		oneLine(t, got)
	})
}

// oneLine fails if text has blanks at its ends, or several in a row.
func oneLine(t interface{ Errorf(string, ...any) }, text string) {
	blank := true
	for _, r := range text + " " {
		is := unicode.IsSpace(r)
		if text != "" && is && blank {
			t.Errorf("%q has a blank too many", text)
			return
		}
		blank = is
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add("{studio} - {title} ({year})", "Night", "North", true)
	f.Add("{{{code}}} {title}", "", "", false)
	f.Add("((([{title}]", "(", ")", true)
	f.Add("\xff{title}\x00}", "\xff", "\u2028", true)
	f.Add("{title} x y - z, {studio}", "a", "", true)
	f.Fuzz(func(t *testing.T, text, title, studio string, rated bool) {
		template, err := Parse(text)
		if err != nil {
			return
		}
		v := Values{Title: title, Studio: studio, Code: studio}
		if rated {
			v.Rating100 = rating(50)
		}
		got := template.Render(v)
		oneLine(t, got)
		if template.Render(Values{}) != "" {
			t.Errorf("%q says %q of a scene without anything", text, template.Render(Values{}))
		}
		if template.Render(v) != got {
			t.Error("two titles of one scene")
		}
	})
}
