package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
)

var update = flag.Bool("update", false, "write docs/interface.md and testdata/interface.json anew")

// ---- The types -----------------------------------------------------------------------

// modeTypes are the request and the answer of a mode.
func modeTypes(a answerer) (request, answer reflect.Type) {
	f, _ := reflect.TypeOf(a).FieldByName("answer")
	return f.Type.In(2), f.Type.Out(0)
}

// isList and isTally recognize the generic types of api.go.
func isList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && strings.HasPrefix(t.Name(), "List[")
}
func isTally(t reflect.Type) bool {
	return t.Kind() == reflect.Map && strings.HasPrefix(t.Name(), "Tally[")
}

// interfaceTypes are all types that a mode's answer, or its request, is made of.
func interfaceTypes(t *testing.T, request bool) map[string]reflect.Type {
	t.Helper()
	all := map[string]reflect.Type{}
	var visit func(reflect.Type)
	visit = func(x reflect.Type) {
		switch {
		case x == reflect.TypeFor[Time]():
			return
		case x.Kind() == reflect.Pointer, x.Kind() == reflect.Slice:
			visit(x.Elem())
			return
		case x.Kind() == reflect.Map:
			visit(x.Key())
			return
		case x.PkgPath() == "" || all[x.Name()] != nil:
			return
		}
		all[x.Name()] = x
		if x.Kind() == reflect.Struct {
			for i := range x.NumField() {
				visit(x.Field(i).Type)
			}
		}
	}
	for _, m := range modes() {
		q, a := modeTypes(m)
		if request {
			visit(q)
		} else {
			visit(a)
		}
	}
	return all
}

// TestTheTypesKeepThePromisesOfTheInterface: that a name is always there, that no list is
// null, that times are UTC and enumerated values have a type, is true of all types there
// are, because it is true of what they are made of.
func TestTheTypesKeepThePromisesOfTheInterface(t *testing.T) {
	answers := interfaceTypes(t, false)
	for name, x := range answers {
		if x.Kind() != reflect.Struct {
			continue
		}
		for i := range x.NumField() {
			f := x.Field(i)
			tag, what := f.Tag.Get("json"), name+"."+f.Name
			if f.Anonymous {
				if tag != "" {
					t.Errorf("%s is embedded under a name", what)
				}
				continue
			}
			if tag == "" || tag != strings.ToLower(tag) || strings.Contains(tag, ",") && name != "Drained" {
				t.Errorf("%s has the tag %q", what, tag)
			}
			switch k := f.Type.Kind(); {
			case f.Type == reflect.TypeFor[Time](), k == reflect.Bool, k == reflect.Int, k == reflect.Int64, k == reflect.Float64, k == reflect.Pointer:
			case k == reflect.Slice && isList(f.Type), k == reflect.Map && isTally(f.Type):
			case k == reflect.String && (f.Type == reflect.TypeFor[string]() || f.Type.Implements(reflect.TypeFor[enumerated]())):
			case k == reflect.Struct && answers[f.Type.Name()] == f.Type:
			default:
				t.Errorf("%s has the type %s", what, f.Type)
			}
		}
	}
	if len(answers) < 30 {
		t.Errorf("only %d types were looked at", len(answers))
	}
	for _, empty := range []any{List[Run](nil), Tally[Class](nil)} {
		if text, err := json.Marshal(empty); err != nil || len(text) != 2 {
			t.Errorf("an empty %T is %s, %v", empty, text, err)
		}
	}
	for when, want := range map[time.Time]string{
		{}: "null",
		time.Date(2026, 1, 31, 1, 2, 3, 4_567_890, time.FixedZone("east", 7200)): `"2026-01-30T23:02:03.004Z"`,
		time.UnixMilli(1 << 60): "null", // from a damaged row
	} {
		text, err := json.Marshal(Time{when})
		var back Time
		if err != nil || string(text) != want || json.Unmarshal(text, &back) != nil || want != "null" && !back.Equal(when.Truncate(time.Millisecond)) {
			t.Errorf("%v is %s, %v, and read as %v", when, text, err, back)
		}
	}
}

// constantsOf are the constants of an enumerated type in files, by name.
func constantsOf(t *testing.T, typ, files string) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := filepath.Glob(files)
	must(t, err)
	for _, name := range names {
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.SkipObjectResolution)
		must(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 || fmt.Sprint(v.Type) != typ {
				return true
			}
			if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Value != `""` {
				all[v.Names[0].Name], err = strconv.Unquote(lit.Value)
				must(t, err)
			}
			return true
		})
	}
	return all
}

// ofJob are package job's files, whose constants the interface shares.
const ofJob = "../internal/job/*.go"

// TestEveryValueHasItsNameInTheInterface: what the program has a constant for, the
// interface has a value for, lower case with underscores.
func TestEveryValueHasItsNameInTheInterface(t *testing.T) {
	for _, c := range []struct {
		typ string
		e   enumerated
	}{{"Class", Class("")}, {"Kind", Kind("")}, {"System", System("")}} {
		ours := slices.Sorted(slices.Values(c.e.values()))
		if got := slices.Sorted(maps.Values(constantsOf(t, c.typ, ofJob))); len(got) < 2 || !slices.Equal(got, ours) {
			t.Errorf("%s: package job has %v, the interface %v", c.typ, got, ours)
		}
	}
	states := map[job.BreakerState]BreakerState{"": BreakerClosed, job.BreakerClosed: BreakerClosed, job.BreakerOpen: BreakerOpen,
		job.BreakerHalfOpen: BreakerHalfOpen, "from a damaged row": BreakerOpen}
	for from, want := range states {
		if got := breakerAnswer(job.Breaker{State: from}).State; got != want {
			t.Errorf("the state %q is %q, want %q", from, got, want)
		}
	}
	if n := len(constantsOf(t, "BreakerState", ofJob)); n != len(BreakerState("").values()) {
		t.Errorf("package job has %d states of a breaker", n)
	}
	for r := match.RungPushed; r.String() != match.Rung(0).String(); r++ {
		if name := rungOf(r.String()); rungs()[name] != r || name.words() != r.String() {
			t.Errorf("the rung %q is %q in the interface", r, name)
		}
	}
	for name, x := range interfaceTypes(t, false) {
		if e, ok := reflect.Zero(x).Interface().(enumerated); ok {
			for _, v := range e.values() {
				if v != strings.ToLower(v) || strings.ContainsAny(v, " -") {
					t.Errorf("%s has the value %q", name, v)
				}
			}
		}
	}
}

// ---- The values ------------------------------------------------------------------------

// TestTheValuesOfTheInterface compares answers with testdata/interface.json, byte for byte:
// every state, what is null, how times look, and that nothing known is told as it should.
func TestTheValuesOfTheInterface(t *testing.T) {
	at := func(minute int) time.Time {
		return time.Date(2026, 1, 31, 12, minute, 0, 123_456_789, time.FixedZone("east", 3600))
	}
	open := job.Breaker{System: job.Plex}.Failure(at(0), job.ClassUnauthorized, "answered 401")
	run := job.Run{Token: "secret", Started: at(0), Done: 1, Unchanged: 2, Retry: 3, Waiting: 4, Dead: 5, Gone: 6, Writes: 7}
	ended := run
	ended.Ended, ended.Note = at(1), "Plex is out"
	past := []store.Outage{
		{System: job.Plex, Started: at(40), Cause: job.ClassUnreachable, Message: "refused"},
		{System: job.Stash, Started: at(30), Ended: at(31), Cause: job.ClassStashUnreachable, Message: "refused"},
		{System: job.Plex, Started: at(10), Ended: at(20), Cause: job.ClassUnauthorized, Message: "answered 401", Waited: 3},
	}
	title := "New"
	field := worker.ExplainedField{Field: "title", Wanted: "New", Base: "Old", Plex: "Old", Locked: true, Write: &title}
	queued := 3
	runs := runAnswer(ended)
	values := []struct {
		name  string
		value any
	}{
		{"breaker: never stored", breakerAnswer(job.Breaker{})},
		{"breaker: closed, after failures", breakerAnswer(job.Breaker{State: job.BreakerClosed, Failures: 2, Cause: job.ClassUnreachable, Message: "refused"})},
		{"breaker: open", breakerAnswer(open)},
		{"breaker: half open", breakerAnswer(open.ProbeSucceeded())},
		{"counts: nothing queued", countsOf(job.Counts{})},
		{"counts", countsOf(job.Counts{Queued: 1, Due: 2, Leased: 3, Waiting: 4, NextDue: at(0), Dead: 5, NotInPlex: 6, Joined: 7})},
		{"run: under way", runAnswer(run)},
		{"run: ended", runs},
		{"drained", Drained{Run: &runs}},
		{"drained: running", Drained{Running: true}},
		{"drained: paused", Drained{Paused: true, Queued: &queued}},
		{"drained: paused with nothing queued", Drained{Paused: true, Queued: new(int)}},
		{"compared", Compared{Run: Drained{Running: true}, Compared: comparison(worker.Comparing{Asked: at(0), Began: at(1), Ended: at(2), Full: true,
			Total: 9, After: 8, Found: worker.Found{NeverPushed: 1, ChangedInStash: 2, ChangedInPlex: 3, Rekeyed: 4, Gone: 5, NotInPlex: 6, Same: 7,
				WithoutMetadata: 8, Excluded: 9, Waiting: 10, Dead: 11, Queued: 12, Joined: 13, Unreadable: 14}})}},
		{"outages: none", outageReport(nil, time.Time{}, at(50))},
		{"outages", outageReport(past, time.Time{}, at(50))},
		{"job: due", queuedJob(job.Job{Subject: job.Scene(12), DueAt: at(0), FirstEvent: at(1), LastEvent: at(2)})},
		{"job: the library, leased", queuedJob(job.Job{Subject: job.Library(), Token: "secret", Attempt: 1, Missing: 2, DueAt: at(0),
			FirstEvent: at(1), LastEvent: at(2), LastClass: job.ClassNotInPlex, LastError: "Plex lacks it"})},
		{"letter", letter(job.Letter{ID: 7, Subject: job.Scene(12), Class: job.ClassRejected, Error: "answered 400", Attempts: 1, Title: "T", Path: "/data/t.mp4",
			FirstEvent: at(0), LastEvent: at(1), Died: at(2), History: []job.Attempt{{At: at(1), Class: job.ClassBusy, Error: "answered 500"}}})},
		{"letter: never tried", letter(job.Letter{ID: 8, Subject: job.Subject{Kind: job.KindTag, ID: 3}, Class: job.ClassBusy})},
		{"letters: none", LetterList{}},
		{"queue: empty", QueueList{}},
		{"explanation: nothing known", explanation(worker.Explanation{Scene: 12, Decision: "Stash has no such scene"})},
		{"explanation: an item with nothing to show", explanation(worker.Explanation{Steps: []worker.ExplainedStep{{Rung: "name and size"}},
			Items: []worker.ExplainedItem{{Key: "7", Rung: "folded path"}}})},
		{"explanation", explanation(worker.Explanation{Scene: 12, Title: "T", Decision: "1 item would be written",
			Files: []worker.ExplainedFile{{Path: "/data/t.mp4", Mapped: "/media/t.mp4", Rule: "/data => /media"}},
			Steps: []worker.ExplainedStep{{Rung: "path", Candidates: []string{"item 7: /media/t.mp4"}, Verdict: "found"}},
			Items: []worker.ExplainedItem{{Key: "7", Path: "/media/t.mp4", Rung: "path", Poster: true, Background: true, Lock: []string{"title"}, Unlock: []string{"genre"},
				Fields: []worker.ExplainedField{field, {Field: "genre", Plex: "Sea", Kept: true}}}},
			Last: worker.Last{Pushed: at(0), Queued: true, Due: at(1), LastError: "answered 500", DeadClass: job.ClassBusy, DeadError: "answered 500"}})},
		{"preview: nothing", previewAnswer(worker.Previewed{})},
		{"preview: only a poster", previewAnswer(worker.Previewed{Scenes: 1, Items: 1, First: []worker.PreviewedItem{{Scene: 12, Key: "7", Poster: true}}})},
		{"preview", previewAnswer(worker.Previewed{Scenes: 5, Items: 1, Same: 2, Fields: map[string]int{"title": 1, "locks": 1}, Skipped: 1, NotFound: 1, Unreadable: 1, Next: 12,
			First: []worker.PreviewedItem{{Scene: 12, Title: "T", Key: "7", Changes: []worker.ExplainedField{field}, Locks: true}}})},
		{"overview: nothing known", Overview{}},
		{"status: nothing known", Status{}},
		{"history: nothing known", History{}},
		{"health: nothing checked", Health{}},
		{"settings test: not asked", SettingsTest{}},
		{"settings test: a library without folders", SettingsTest{MayEdit: new(bool), Libraries: List[Library]{{Key: "1", Title: "Films"}}, Sample: &PathCheck{}}},
		{"sign-in: waiting", SignInProgress{State: SignInWaiting, Message: "plex.tv does not answer", Expires: Time{at(0)}, Left: 60, Poll: 3}},
		{"sign-in: ended", SignInProgress{State: SignInExpired, Message: "The code has expired"}},
		{"sign-in: servers", SignInProgress{State: SignInReady, Servers: List[SignInServer]{{Machine: "m", Owned: true, Addresses: List[SignInAddress]{{URL: "http://10.0.0.1:32400", Place: PlaceLocal, Result: AddressAnswers, Took: new(float64)}, {}}}, {Owner: "Ann"}}}},
		{"settings check", SettingsCheck{Problems: problems([]config.Problem{{Setting: "plexUrl", Message: "is empty", Fatal: true}})}},
	}
	var got bytes.Buffer
	got.WriteString("{\n")
	for i, v := range values {
		text, err := json.MarshalIndent(v.value, "  ", "  ")
		must(t, err)
		fmt.Fprintf(&got, "  %q: %s%s\n", v.name, text, map[bool]string{true: ",", false: ""}[i < len(values)-1])
	}
	got.WriteString("}\n")
	if !json.Valid(got.Bytes()) {
		t.Error("the answers are no JSON")
	}
	golden(t, "testdata/interface.json", got.String())
}

// fill sets everything below v that can be set to something else than zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
			if v.Type().Field(i).Name == "Rung" {
				v.Field(i).SetString(match.RungPath.String())
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	}
}

// filled is a value of which nothing is zero.
func filled[T any]() (v T) {
	fill(reflect.ValueOf(&v).Elem())
	return v
}

// gaps lists what below v is zero.
func gaps(v reflect.Value, path string) (all []string) {
	switch {
	case v.IsZero():
		return []string{path}
	case v.Type() == reflect.TypeFor[Time]():
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			all = append(all, gaps(v.Field(i), path+"."+v.Type().Field(i).Name)...)
		}
	case v.Kind() == reflect.Slice && v.Len() > 0:
		return gaps(v.Index(0), path+"[]")
	}
	return all
}

// fields are the names of a struct's fields.
func fields(t reflect.Type) (all []string) {
	for i := range t.NumField() {
		all = append(all, t.Field(i).Name)
	}
	return all
}

// TestTheAnswersLeaveNothingOut: what the program knows of a thing that it answers about, the
// answer has, and in its place.
func TestTheAnswersLeaveNothingOut(t *testing.T) {
	explained := filled[worker.Explanation]()
	explained.Files[0].Path, explained.Ambiguous[0].Path = "/films/film.mp4", "/media/film.mp4" // a rule leads from one to the other
	for _, answer := range []any{
		countsOf(filled[job.Counts]()), runAnswer(filled[job.Run]()), outage(filled[store.Outage]()), breakerAnswer(filled[job.Breaker]()),
		queuedJob(filled[job.Job]()), problems(filled[[]config.Problem]())[0], explanation(explained),
		previewAnswer(filled[worker.Previewed]()), pathCheck(filled[worker.PathCheck]()), comparison(filled[worker.Comparing]()),
	} {
		if missing := gaps(reflect.ValueOf(answer), fmt.Sprintf("%T", answer)); len(missing) > 0 {
			t.Errorf("not answered: %v", missing)
		}
	}
	for _, c := range []struct {
		from, to reflect.Type
		not      []string // what is no business of others
	}{
		{reflect.TypeFor[job.Counts](), reflect.TypeFor[Counts](), nil},
		{reflect.TypeFor[job.Run](), reflect.TypeFor[Run](), []string{"Token"}},
		{reflect.TypeFor[store.Outage](), reflect.TypeFor[Outage](), nil},
		{reflect.TypeFor[job.Attempt](), reflect.TypeFor[Attempt](), nil},
		{reflect.TypeFor[job.Letter](), reflect.TypeFor[Letter](), []string{"Subject"}},
		{reflect.TypeFor[worker.Explanation](), reflect.TypeFor[Explanation](), []string{"Skipped", "Empty", "Ambiguous"}},
		{reflect.TypeFor[worker.Fitting](), reflect.TypeFor[FittingItem](), nil},
		{reflect.TypeFor[worker.SampledFile](), reflect.TypeFor[SampledFile](), nil},
		{reflect.TypeFor[worker.ExplainedFile](), reflect.TypeFor[ExplainedFile](), nil},
		{reflect.TypeFor[worker.ExplainedStep](), reflect.TypeFor[ExplainedStep](), nil},
		{reflect.TypeFor[worker.ExplainedItem](), reflect.TypeFor[ExplainedItem](), nil},
		{reflect.TypeFor[worker.ExplainedField](), reflect.TypeFor[ExplainedField](), nil},
		{reflect.TypeFor[worker.Last](), reflect.TypeFor[LastSync](), nil},
		{reflect.TypeFor[worker.Previewed](), reflect.TypeFor[Preview](), nil},
		{reflect.TypeFor[worker.PreviewedItem](), reflect.TypeFor[PreviewedItem](), nil},
		{reflect.TypeFor[worker.PathCheck](), reflect.TypeFor[PathCheck](), nil},
		{reflect.TypeFor[worker.Found](), reflect.TypeFor[Found](), nil},
		{reflect.TypeFor[worker.Comparing](), reflect.TypeFor[Comparison](), nil},
		{reflect.TypeFor[config.Choice](), reflect.TypeFor[Field](), nil},
		{reflect.TypeFor[config.Problem](), reflect.TypeFor[Problem](), nil},
	} {
		for _, name := range fields(c.from) {
			if !slices.Contains(c.not, name) && !slices.Contains(fields(c.to), name) {
				t.Errorf("%s leaves out the %s of %s", c.to, name, c.from)
			}
		}
	}
}

// golden compares text with a file, or writes it.
func golden(t *testing.T, name, text string) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(name, []byte(text), 0o644))
		return
	}
	want, err := os.ReadFile(name)
	must(t, err)
	// Git may have written the file's line ends as Windows does.
	if want := strings.ReplaceAll(string(want), "\r\n", "\n"); want != text {
		a, b := strings.Split(text, "\n"), strings.Split(want, "\n")
		i := 0
		for i < min(len(a), len(b))-1 && a[i] == b[i] {
			i++
		}
		t.Errorf("%s is not up to date (go test ./plugin -run %s -update): line %d is\n%s\nwant\n%s", name, t.Name(), i+1, b[i], a[i])
	}
}

// ---- The document ------------------------------------------------------------------------

const (
	generatedFrom = "<!-- Written by `go test ./plugin -run TestTheInterfaceIsDocumented -update` from plugin/mode.go and plugin/api.go. -->\n"
	generatedTo   = "<!-- The end of what is written by a test. -->\n"
)

// comments reads the doc comments of the plugin's types, fields, constants and methods, by
// "Type", "Type.Field", "Constant" and "Type.method".
func comments(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	files, err := filepath.Glob("*.go")
	must(t, err)
	files = append(files, "../internal/job/class.go")
	bracketed, link := regexp.MustCompile(` \(\[[\w.]+\]\)`), regexp.MustCompile(`\[([\w.]+)\]`) // links of Go's documentation
	add := func(name string, groups ...*ast.CommentGroup) {
		for _, g := range groups {
			text := link.ReplaceAllString(bracketed.ReplaceAllString(strings.Join(strings.Fields(g.Text()), " "), ""), "$1")
			if text != "" && all[name] == "" {
				all[name] = text
			}
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		must(t, err)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil {
					if p, ok := d.Recv.List[0].Type.(*ast.StarExpr); ok {
						add(fmt.Sprint(p.X)+"."+d.Name.Name, d.Doc)
					}
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.ValueSpec:
						add(spec.Names[0].Name, spec.Doc, spec.Comment)
					case *ast.TypeSpec:
						add(spec.Name.Name, spec.Doc, d.Doc)
						if x, ok := spec.Type.(*ast.StructType); ok {
							for _, f := range x.Fields.List {
								for _, id := range f.Names {
									add(spec.Name.Name+"."+id.Name, f.Doc, f.Comment)
								}
							}
						}
					}
				}
			}
		}
	}
	return all
}

// sentence is a doc comment without the name that it begins with.
func sentence(comment string) string {
	_, rest, _ := strings.Cut(comment, " ")
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "is "), "are ")
	if rest == "" {
		return ""
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// page writes the generated part of docs/interface.md.
type page struct {
	strings.Builder
	*testing.T
	comments map[string]string
}

func (p *page) add(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// link names a type that is described on the page.
func link(x reflect.Type) string {
	return fmt.Sprintf("[%s](#%s)", x.Name(), strings.ToLower(x.Name()))
}

// kind is the type of a field in words.
func (p *page) kind(x reflect.Type) string {
	switch {
	case x == reflect.TypeFor[Time]():
		return "time"
	case isTally(x) && x.Key() == reflect.TypeFor[string]():
		return "numbers by name"
	case isTally(x):
		return "numbers by " + link(x.Key())
	case x == reflect.TypeFor[map[string]any]():
		return "object"
	}
	switch x.Kind() {
	case reflect.Pointer:
		return p.kind(x.Elem()) + " or null"
	case reflect.Slice:
		return "list of " + p.kind(x.Elem()) + map[bool]string{true: "s"}[x.Elem().Kind() == reflect.Int64]
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "number"
	case reflect.String:
		if x == reflect.TypeFor[string]() {
			return "text"
		}
	}
	return link(x)
}

// rows writes the fields of a struct, those that it embeds in their place.
func (p *page) rows(x reflect.Type) {
	for i := range x.NumField() {
		f := x.Field(i)
		if f.Anonymous {
			embedded := f.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			p.rows(embedded)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		kind := p.kind(f.Type)
		least, most := f.Tag.Get("min"), f.Tag.Get("max")
		switch {
		case f.Type.Kind() != reflect.Int && f.Type.Kind() != reflect.Int64 || least == "":
		case most != "":
			kind += fmt.Sprintf(", %s to %s", least, most)
		default:
			kind += ", at least " + least
		}
		if d := f.Tag.Get("default"); d != "" {
			kind += "; " + d + " if not given"
		}
		if f.Tag.Get("required") != "" {
			kind += "; required"
		}
		comment := p.comments[x.Name()+"."+f.Name]
		if comment == "" && !strings.Contains(kind, "](#") { // what is linked explains itself
			p.Errorf("%s.%s has no comment", x.Name(), f.Name)
		}
		p.add("| `%s` | %s | %s |\n", name, kind, strings.ReplaceAll(comment, "|", `\|`))
	}
}

// describe writes what a type is.
func (p *page) describe(x reflect.Type) {
	comment := sentence(p.comments[x.Name()])
	if comment == "" {
		p.Errorf("%s has no comment", x)
	}
	p.add("\n### %s\n\n%s\n\n", x.Name(), comment)
	if e, ok := reflect.Zero(x).Interface().(enumerated); ok {
		p.values(x, e)
		return
	}
	p.add("| name | type | meaning |\n|---|---|---|\n")
	p.rows(x)
}

// values writes what an enumerated value can be.
func (p *page) values(x reflect.Type, e enumerated) {
	meaning := map[string]string{}
	constants := constantsOf(p.T, x.Name(), "api*.go")
	if len(constants) == 0 {
		constants = constantsOf(p.T, x.Name(), ofJob)
	}
	for name, value := range constants {
		if comment := p.comments[name]; comment != "" {
			meaning[value] = strings.TrimPrefix(comment, name+": ")
		}
	}
	if len(meaning) == 0 {
		p.add("`%s`\n", strings.Join(e.values(), "`, `"))
		return
	}
	p.add("| value | meaning |\n|---|---|\n")
	for _, v := range e.values() {
		if meaning[v] == "" {
			p.Errorf("%s %s has no comment", x.Name(), v)
		}
		p.add("| `%s` | %s |\n", v, meaning[v])
	}
}

// calls writes the table of the modes.
func (p *page) calls(taskOnly bool) {
	p.add("| mode | arguments | answer | what it does |\n|---|---|---|---|\n")
	all := modes()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m := reflect.ValueOf(all[name])
		if m.FieldByName("taskOnly").Bool() != taskOnly {
			continue
		}
		q, a := modeTypes(all[name])
		arguments := "none"
		if q != reflect.TypeFor[NoArguments]() {
			arguments = link(q)
		}
		answer := link(a)
		method := runtime.FuncForPC(m.FieldByName("answer").Pointer()).Name() // main.(*session).overview
		comment := sentence(p.comments["session"+method[strings.LastIndex(method, "."):]])
		if comment == "" {
			p.Errorf("%s has no comment", method)
		}
		if m.FieldByName("drains").Bool() {
			comment = strings.TrimSuffix(comment, ".") + ", and processes the queue."
		}
		p.add("| `%s` | %s | %s | %s |\n", name, arguments, answer, comment)
	}
}

// TestTheInterfaceIsDocumented: docs/interface.md has every mode, name and value that there
// is, and no other, because its tables are written from the types and compared here.
func TestTheInterfaceIsDocumented(t *testing.T) {
	p := &page{T: t, comments: comments(t)}
	p.add("## Calls\n\n")
	p.calls(false)
	p.add("\n## Calls without a version\n\nThese can take minutes. Start them as tasks, or call them without `v` and wait.\n\n")
	p.calls(true)
	p.add("\n## Types\n")
	types := interfaceTypes(t, false)
	maps.Copy(types, interfaceTypes(t, true))
	types["CallRequest"], types["Build"] = reflect.TypeFor[CallRequest](), reflect.TypeFor[Build]()
	delete(types, "NoArguments")
	sections := map[string]string{}
	links := p.String()
	for name, x := range types {
		section := &page{T: t, comments: p.comments}
		section.describe(x)
		sections[name] = section.String()
		links += section.String()
	}
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		if name == "CallRequest" || name == "Build" || strings.Contains(links, link(types[name])) { // others are only embedded
			p.add("%s", sections[name])
		}
	}
	p.add("\n")
	const name = "../docs/interface.md"
	text, err := os.ReadFile(name)
	must(t, err)
	head, rest, found := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), generatedFrom)
	_, tail, ended := strings.Cut(rest, generatedTo)
	if !found || !ended {
		t.Fatalf("%s has no place for the tables, between\n%s%s", name, generatedFrom, generatedTo)
	}
	golden(t, name, head+generatedFrom+p.String()+generatedTo+tail)
}

// ---- What is answered ----------------------------------------------------------------

// answered calls a mode, and holds its answer against its type, name by name.
func (w *world) answered(args map[string]any) (json.RawMessage, error) {
	w.Helper()
	_, a := modeTypes(modes()[fmt.Sprint(args["mode"])])
	if args["v"] != nil {
		a = reflect.StructOf([]reflect.StructField{{Name: "V", Type: reflect.TypeFor[int](), Tag: `json:"v"`}, {Name: "Data", Type: a, Tag: `json:"data"`}})
	}
	var raw json.RawMessage
	if err := w.operation(args, &raw); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	answer := reflect.New(a)
	if err := d.Decode(answer.Interface()); err != nil {
		return nil, fmt.Errorf("%w: %s", err, raw)
	}
	// What was read says the same again: no name was missing, and no value another.
	again, err := json.Marshal(answer.Interface())
	must(w, err)
	var x, y any
	must(w, json.Unmarshal(raw, &x))
	must(w, json.Unmarshal(again, &y))
	if !reflect.DeepEqual(x, y) {
		return nil, fmt.Errorf("%s is read as %s", raw, again)
	}
	return raw, nil
}

// TestEveryCallIsAnsweredByItsType: what a real process answers is what the types say, name
// by name.
func TestEveryCallIsAnsweredByItsType(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, simstash.Options{Folders: []string{"/data", "/other"}}, map[string]any{"dlqRetentionDays": 3650})
	_, item := w.film("film.mp4", simstash.Scene{Title: "Film 0"})
	w.films(2)
	w.stash.AddScene(simstash.Scene{Title: "Nowhere", Files: []*simstash.File{{Path: "/data/none.mp4", Size: 1, Duration: 60}}})
	w.task("Sync all scenes")
	w.edit(1, map[string]any{"title": "Newer"})
	w.settle()
	w.fill(fmt.Sprintf(someLetters, 3))
	all := modes()
	names := slices.Sorted(maps.Keys(all))
	lists := func(name string) bool { return strings.HasSuffix(name, "_list") }
	names = append(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !lists(n) }), slices.DeleteFunc(names, lists)...) // before others empty them
	for _, name := range names {
		if strings.HasPrefix(name, "sign_") {
			continue // TestSigningInFromNothing calls these in their order
		}
		taskOnly := reflect.ValueOf(all[name]).FieldByName("taskOnly").Bool()
		args := map[string]any{"mode": name, "scene_id": 1, "key": item, "class": "rejected"}
		if !taskOnly {
			args["v"] = 1
		}
		raw, err := w.answered(args)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if lists(name) && name != "preview_list" && !strings.Contains(string(raw), `"rows":[{`) {
			t.Errorf("%s shows nothing: %s", name, raw)
		}
		if name == "queue_list" || name == "dlq_list" {
			args["v"] = nil
			var rows []map[string]any
			if err := w.operation(args, &rows); err != nil || len(rows) == 0 || rows[0]["kind"] != "scene" {
				t.Errorf("%s without a version: %v, %v", name, rows, err)
			}
		}
		if taskOnly {
			if args["v"] = 1; w.operation(args, nil) == nil {
				t.Errorf("%s is answered to a page", name)
			}
		}
	}
}
