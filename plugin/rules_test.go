package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/host"
	"github.com/plexsync/plexsync/internal/job"
)

// TestImportsGoOneWay holds the layering: what may be imported by what.
func TestImportsGoOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	const ours = "github.com/plexsync/plexsync/"
	allowed := map[string][]string{
		"internal/fold": {}, "internal/job": {}, "internal/host": {},
		"internal/config": {"internal/fold"}, "internal/match": {"internal/fold", "internal/job"}, "internal/merge": {"internal/fold"},
		"internal/title": {"internal/fold"}, "internal/poster": {"internal/fold"}, "internal/scope": {"internal/fold", "internal/match"},
		"internal/simstash": {}, "internal/simplex": {},
		"internal/store": {"internal/job"}, "internal/stash": {"internal/job"}, "internal/plex": {"internal/job"}, "internal/waker": {"internal/job"},
		"internal/worker": {"internal/fold", "internal/job", "internal/match", "internal/merge", "internal/poster", "internal/scope", "internal/title"},
		"internal/bridge": {"internal/fold", "internal/job", "internal/match", "internal/merge", "internal/plex", "internal/scope", "internal/stash", "internal/store", "internal/worker"},
		"internal/demo":   {"internal/simstash", "internal/simplex"},
	}
	pure := []string{"internal/fold", "internal/job", "internal/match", "internal/merge", "internal/poster", "internal/scope", "internal/title"}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p struct {
			ImportPath    string
			Imports, Deps []string
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		name, own := strings.CutPrefix(p.ImportPath, ours)
		if !own {
			continue
		}
		may, listed := allowed[name]
		if listed {
			seen++
		}
		for _, i := range p.Imports {
			dep, own := strings.CutPrefix(i, ours)
			switch {
			case own && listed && !slices.Contains(may, dep):
				t.Errorf("%s imports %s", name, dep)
			case !own && slices.Contains(pure, name) && strings.Contains(i, ".") && !strings.HasPrefix(i, "golang.org/x/text/") && i != "golang.org/x/image/webp":
				t.Errorf("%s is pure, but imports %s", name, i)
			}
		}
		if name == "plugin" && slices.ContainsFunc(p.Deps, func(d string) bool { return strings.Contains(d, "/sim") && strings.HasPrefix(d, ours) }) {
			t.Error("a simulator is part of the shipped binary")
		}
	}
	if seen != len(allowed) {
		t.Errorf("%d of %d packages were looked at", seen, len(allowed))
	}
}

// manifest returns the entries of plexsync.yml that a regular expression finds.
func manifest(t *testing.T, expression string) []string {
	t.Helper()
	yml, err := os.ReadFile("../plexsync.yml")
	must(t, err)
	var all []string
	for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(string(yml), -1) {
		all = append(all, m[1])
	}
	if len(all) == 0 {
		t.Fatalf("plexsync.yml has nothing like %s", expression)
	}
	return all
}

func TestEveryTaskOfTheManifestHasAMode(t *testing.T) {
	for _, mode := range manifest(t, `(?m)^      mode: (\w+)$`) {
		if modes()[mode] == nil {
			t.Errorf("mode %s is not known", mode)
		}
	}
}

func TestEveryHookOfTheManifestHasASubject(t *testing.T) {
	hooks := manifest(t, `(?m)^      - (\w+\.\w+\.Post)$`)
	for _, name := range hooks {
		s, err := subjectOf(&host.Hook{ID: 7, Type: name})
		if err != nil || s.ID != 7 || !strings.EqualFold(string(s.Kind), strings.Split(name, ".")[0]) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	if want := 3 + 4*2 + 1; len(hooks) != want {
		t.Errorf("%d hooks, want %d", len(hooks), want)
	}
	for _, h := range []host.Hook{{ID: 1, Type: "Gallery.Update.Post"}, {ID: 0, Type: "Scene.Update.Post"}, {ID: 1, Type: "library.x"}, {ID: 1}} {
		if s, err := subjectOf(&h); err == nil {
			t.Errorf("%+v became %v", h, s)
		}
	}
	if s, err := subjectOf(&host.Hook{ID: 3, Type: "Tag.Merge.Post"}); err != nil || s != (job.Subject{Kind: job.KindTag, ID: 3}) {
		t.Errorf("a merge is about its destination: %v, %v", s, err)
	}
}

// TestEverySettingOfTheManifestDoesSomething: a setting with a wrong type is
// complained about by name only if somebody reads it.
func TestEverySettingOfTheManifestDoesSomething(t *testing.T) {
	for _, name := range manifest(t, `(?m)^  (\w+):\n    displayName`) {
		_, problems := config.Parse(map[string]any{name: []any{"no such type"}},
			config.Check{Setting: "pathRules", Test: func(string) error { return nil }})
		if !slices.ContainsFunc(problems, func(p config.Problem) bool { return p.Setting == name && !strings.Contains(p.Message, "is empty") }) {
			t.Errorf("nobody reads the setting %s", name)
		}
	}
	settings, err := os.ReadFile("../docs/settings.md")
	must(t, err)
	for _, name := range manifest(t, `(?m)^  (\w+):\n    displayName`) {
		if !strings.Contains(string(settings), "`"+name+"`") {
			t.Errorf("docs/settings.md does not tell of the setting %s", name)
		}
	}
	script, err := os.ReadFile("ui/settings.js")
	must(t, err)
	_, groups, _ := strings.Cut(string(script), "const GROUPS = [")
	groups, _, _ = strings.Cut(groups, "];")
	for _, name := range manifest(t, `(?m)^  (\w+):\n    displayName`) {
		if !strings.Contains(groups, `"`+name+`"`) {
			t.Errorf("the form leaves out the setting %s", name)
		}
	}
	tasks, err := os.ReadFile("../docs/tasks.md")
	must(t, err)
	for _, task := range manifest(t, `(?m)^  - name: (.+)\n    description: .+\n    defaultArgs`) {
		if !strings.Contains(string(tasks), task) {
			t.Errorf("docs/tasks.md does not tell of the task %s", task)
		}
	}
}

// TestTheBuiltBinaryNeedsNoLoader: it must run in Stash's Alpine image.
func TestTheBuiltBinaryNeedsNoLoader(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux binaries are static; CI runs on Linux")
	}
	dist := os.Getenv("PLEXSYNC_DIST")
	if dist == "" {
		dist = "../dist/plexsync"
	}
	if _, err := os.Stat(dist + "/plexsync"); err != nil {
		if os.Getenv("PLEXSYNC_DIST") != "" {
			t.Fatal(err)
		}
		t.Skip("not built; ./build.sh test builds it")
	}
	interpreter, err := loader(dist + "/plexsync")
	if err != nil || interpreter != "" {
		t.Errorf("it needs the loader %q (%v)", interpreter, err)
	}
	out, err := exec.Command(dist+"/plexsync", "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "plexsync ") {
		t.Errorf("%q, %v", out, err)
	}
}
