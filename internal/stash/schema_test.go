package stash

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/vektah/gqlparser/v2"
	gql "github.com/vektah/gqlparser/v2/ast"
	gqlparse "github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// schema is that of a real Stash (January 2026, after v0.30), as its introspection
// answered it.
var schema = sync.OnceValues(func() (*gql.Schema, error) {
	f, err := os.Open("testdata/introspection.json.gz")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var in struct {
		Data struct {
			Schema struct{ Types []introType } `json:"__schema"`
		}
	}
	if err := json.NewDecoder(z).Decode(&in); err != nil {
		return nil, err
	}
	var sdl strings.Builder
	for _, t := range in.Data.Schema.Types {
		t.write(&sdl)
	}
	return gqlparser.LoadSchema(&gql.Source{Name: "introspection", Input: sdl.String()})
})

// introType is a type as an introspection describes it.
type introType struct {
	Kind, Name                string
	Fields                    []introField
	InputFields               []introField
	EnumValues                []struct{ Name string }
	Interfaces, PossibleTypes []introRef
}

type introField struct {
	Name         string
	Args         []introField
	Type         introRef
	DefaultValue *string
}

type introRef struct {
	Kind, Name string
	OfType     *introRef
}

func (r introRef) String() string {
	switch r.Kind {
	case "NON_NULL":
		return r.OfType.String() + "!"
	case "LIST":
		return "[" + r.OfType.String() + "]"
	}
	return r.Name
}

func (f introField) String() string {
	var args []string
	for _, a := range f.Args {
		args = append(args, a.String())
	}
	s := f.Name
	if args != nil {
		s += "(" + strings.Join(args, ", ") + ")"
	}
	s += ": " + f.Type.String()
	if f.DefaultValue != nil {
		s += " = " + *f.DefaultValue
	}
	return s
}

// write appends the type's definition in GraphQL's own language.
func (t introType) write(sdl *strings.Builder) {
	if strings.HasPrefix(t.Name, "__") {
		return
	}
	names := func(refs []introRef, before, between string) string {
		var s []string
		for _, r := range refs {
			s = append(s, r.Name)
		}
		if s == nil {
			return ""
		}
		return before + strings.Join(s, between)
	}
	block := func(fields []introField) {
		sdl.WriteString(" {\n")
		for _, f := range fields {
			fmt.Fprintf(sdl, "  %s\n", f)
		}
		sdl.WriteString("}\n")
	}
	switch t.Kind {
	case "SCALAR":
		switch t.Name {
		case "Boolean", "Float", "ID", "Int", "String":
		default:
			fmt.Fprintf(sdl, "scalar %s\n", t.Name)
		}
	case "ENUM":
		fmt.Fprintf(sdl, "enum %s {\n", t.Name)
		for _, v := range t.EnumValues {
			fmt.Fprintf(sdl, "  %s\n", v.Name)
		}
		sdl.WriteString("}\n")
	case "UNION":
		fmt.Fprintf(sdl, "union %s%s\n", t.Name, names(t.PossibleTypes, " = ", " | "))
	case "INPUT_OBJECT":
		fmt.Fprintf(sdl, "input %s", t.Name)
		block(t.InputFields)
	case "INTERFACE", "OBJECT":
		fmt.Fprintf(sdl, "%s %s%s", map[string]string{"INTERFACE": "interface", "OBJECT": "type"}[t.Kind], t.Name, names(t.Interfaces, " implements ", " & "))
		block(t.Fields)
	}
}

// conforms says what a real Stash would not accept of a request's body.
func conforms(body []byte) error {
	schema, err := schema()
	if err != nil {
		return err
	}
	var in struct {
		Query     string
		Variables map[string]any
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	doc, err := gqlparse.ParseQuery(&gql.Source{Input: in.Query})
	if err != nil {
		return err
	}
	if errs := validator.ValidateWithRules(schema, doc, rules.NewDefaultRules()); len(errs) > 0 {
		return errs
	}
	_, err = validator.VariableValues(schema, doc.Operations[0], in.Variables)
	return err
}

// constants evaluates the string constants of queries.go.
func constants(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "queries.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]ast.Expr{}
	for _, d := range file.Decls {
		for _, s := range d.(*ast.GenDecl).Specs {
			v := s.(*ast.ValueSpec)
			all[v.Names[0].Name] = v.Values[0]
		}
	}
	var value func(ast.Expr) string
	value = func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			if err != nil {
				t.Fatal(err)
			}
			return s
		case *ast.Ident:
			return value(all[e.Name])
		case *ast.BinaryExpr:
			return value(e.X) + value(e.Y)
		}
		t.Fatalf("%T in queries.go", e)
		return ""
	}
	out := map[string]string{}
	for name, e := range all {
		out[name] = value(e)
	}
	return out
}

func TestEveryQueryFitsStashsSchema(t *testing.T) {
	for name, query := range constants(t) {
		switch name {
		case "sceneFields", "andStashIDs":
			continue // is part of others
		case "sceneAlias":
			query = "query { " + fmt.Sprintf(query, 7) + fmt.Sprintf(query, 8) + "}" + sceneFields
		}
		schema, err := schema()
		if err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{query, strings.ReplaceAll(query, "...S", andStashIDs)} {
			if _, errs := gqlparser.LoadQueryWithRules(schema, query, rules.NewDefaultRules()); len(errs) > 0 {
				t.Errorf("%s: %v", name, errs)
			}
		}
	}
}

func TestTheSchemaRefusesWhatStashWould(t *testing.T) {
	for _, body := range []string{
		`{"query":"{ version { number } }"}`,
		`{"query":"query($id: Int!){ findJob(input: {id: $id}) { status } }","variables":{"id":1}}`,
		`{"query":"query($ids: [ID!]){ findScenes(ids: $ids) { count } }","variables":{"ids":{"a":1}}}`,
	} {
		if conforms([]byte(body)) == nil {
			t.Errorf("accepted: %s", body)
		}
	}
}
