package main

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// printed is every text that the program can print: its string literals and the
// launcher's lines, with "…" for what is filled in.
func printed(t *testing.T) []string {
	t.Helper()
	verb := regexp.MustCompile(`%[-+# 0]*(\d+|\[\d+\])?(\.\d+)?[a-zA-Z]|\$\w+`)
	var all []string
	add := func(text string) { all = append(all, verb.ReplaceAllString(text, "…")) }
	launcher, err := os.ReadFile("launcher.sh")
	must(t, err)
	add(string(launcher))
	for _, root := range []string{".", "../internal"} {
		must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/sim") {
				return err
			}
			file, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == gotoken.STRING {
					if text, err := strconv.Unquote(lit.Value); err == nil {
						add(text)
					}
				}
				return true
			})
			return nil
		}))
	}
	return all
}

// TestTroubleshootingTellsOfMessagesThatExist: who looks a message up finds it as it
// is printed.
func TestTroubleshootingTellsOfMessagesThatExist(t *testing.T) {
	page, err := os.ReadFile("../docs/troubleshooting.md")
	must(t, err)
	texts := printed(t)
	keys := regexp.MustCompile("(?m)^### `(.+)`$").FindAllStringSubmatch(string(page), -1)
	if len(keys) < 30 {
		t.Errorf("only %d messages are looked up", len(keys))
	}
	exists := func(part string) bool {
		for _, text := range texts {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	for _, key := range keys {
		for _, part := range strings.Split(key[1], "…") {
			if part = strings.TrimSpace(part); len(part) > 6 && !exists(part) {
				t.Errorf("no message holds %q (of %q)", part, key[1])
			}
		}
	}
	if exists("no message holds this text, because") {
		t.Error("the search finds what is not there")
	}
}

// TestTheNamesFromElsewhereLeadToOurs: what docs/architecture.md says a name of the plan is
// here, exists.
func TestTheNamesFromElsewhereLeadToOurs(t *testing.T) {
	text, err := os.ReadFile("../docs/architecture.md")
	must(t, err)
	_, table, _ := strings.Cut(string(text), "## Names from elsewhere")
	table, _, _ = strings.Cut(table, "\n## ")
	names := regexp.MustCompile("`(job|worker)\\.(?:(\\w+)\\.)?(\\w+)`").FindAllStringSubmatch(table, -1)
	if len(names) < 9 {
		t.Fatalf("the table names only %v", names)
	}
	declared := map[string]bool{} // "worker.Worker", "job.Class.Retry"
	for _, pkg := range []string{"job", "worker"} {
		files, err := filepath.Glob("../internal/" + pkg + "/*.go")
		must(t, err)
		for _, name := range files {
			file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.SkipObjectResolution)
			must(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					if n.Recv != nil {
						of := n.Recv.List[0].Type
						if p, ok := of.(*ast.StarExpr); ok {
							of = p.X
						}
						declared[pkg+"."+of.(*ast.Ident).Name+"."+n.Name.Name] = true
					}
				case *ast.TypeSpec:
					declared[pkg+"."+n.Name.Name] = true
				case *ast.ValueSpec:
					declared[pkg+"."+n.Names[0].Name] = true
				}
				return true
			})
		}
	}
	for _, n := range names {
		if name := strings.Trim(n[0], "`"); !declared[name] {
			t.Errorf("there is no %s", name)
		}
	}
}

// TestLinksInTheDocumentsLeadSomewhere: to files that exist, and headings in them.
func TestLinksInTheDocumentsLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	must(t, err)
	seen := 0
	for _, page := range append(pages, "../README.md", "../CHANGELOG.md", "../CONTRIBUTING.md", "../SECURITY.md") {
		text, err := os.ReadFile(page)
		must(t, err)
		for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			seen++
			name, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if name != "" {
				target = filepath.Join(filepath.Dir(page), name)
			}
			data, err := os.ReadFile(target)
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			found := anchor == ""
			for _, h := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(data), -1) {
				slug := strings.ReplaceAll(regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")
				found = found || slug == anchor
			}
			if !found {
				t.Errorf("%s: there is no heading %s", page, m[1])
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d links were followed", seen)
	}
}

// TestEveryPackageSaysWhatItIs: once, in the file that a reader opens first: doc.go,
// main.go, or the one that is named like the package. Where there is none of these, any
// file will do.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	said := map[string][]string{} // by folder, the files that say it
	must(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != ".." && (name[0] == '.' || name == "testdata" || name == "dist") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.Dir(path)
		if said[dir] == nil {
			said[dir] = []string{}
		}
		if file.Doc != nil {
			said[dir] = append(said[dir], filepath.Base(path))
		}
		return nil
	}))
	if len(said) < 10 {
		t.Errorf("only %d packages were found", len(said))
	}
	for dir, files := range said {
		if len(files) != 1 {
			t.Errorf("%s says what it is in %q, and should in one file", dir, files)
			continue
		}
		for _, first := range []string{"doc.go", "main.go", filepath.Base(dir) + ".go"} {
			if _, err := os.Stat(filepath.Join(dir, first)); err == nil {
				if files[0] != first {
					t.Errorf("%s says what it is in %s, and should in %s", dir, files[0], first)
				}
				break
			}
		}
	}
}
