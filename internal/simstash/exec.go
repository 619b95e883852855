package simstash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// call is one GraphQL request on its way through the resolvers.
type call struct {
	s       *Server
	ctx     context.Context
	base    string // scheme and host as the client wrote them: the start of every URL
	user    string
	visited []visit // the hooks that led here, from the session cookie
	turn    uint64  // differs from request to request; salts what Stash leaves open

	op     *ast.OperationDefinition
	vars   map[string]any
	errors []gqlError
	broken error // the file that could not be read
}

// gqlError is one entry of an answer's errors, in Stash's form.
type gqlError struct {
	Message    string         `json:"message"`
	Path       []any          `json:"path,omitempty"`
	Locations  []gqlLocation  `json:"locations,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty"`
}

type gqlLocation struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// args are the arguments of a field, or the fields of an input object, after
// coercion: ID and enums are strings, Int is int64, Float is float64, input
// objects are args, lists are []any. A key that is present with nil was given
// as null.
type args map[string]any

func (a args) has(key string) bool { _, ok := a[key]; return ok }
func (a args) str(key string) string {
	s, _ := a[key].(string)
	return s
}
func (a args) flag(key string) bool {
	b, _ := a[key].(bool)
	return b
}
func (a args) sub(key string) args {
	m, _ := a[key].(args)
	return m
}
func (a args) strs(key string) []string {
	list, _ := a[key].([]any)
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// rec is an object whose fields are plain values. A value that is a func() any
// is called when it is asked for.
type rec map[string]any

// object is a GraphQL object in the order of its selection.
type object []member

type member struct {
	key string
	val any
}

// MarshalJSON writes the members in their order, without HTML escapes.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := appendJSON(&b, o); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func appendJSON(b *bytes.Buffer, v any) error {
	switch v := v.(type) {
	case object:
		b.WriteByte('{')
		for i, m := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendJSON(b, m.key); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := appendJSON(b, m.val); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := appendJSON(b, e); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case args:
		return appendJSON(b, map[string]any(v))
	}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the encoder's newline
	return nil
}

func toJSON(v any) json.RawMessage {
	var b bytes.Buffer
	if err := appendJSON(&b, v); err != nil {
		panic(fmt.Sprintf("simstash: value without JSON form: %v", err))
	}
	return b.Bytes()
}

// run executes the operation and returns its data; nil when it failed whole.
func (c *call) run() any {
	root := schema().Query
	if c.op.Operation == ast.Mutation {
		root = schema().Mutation
	}
	if c.op.Operation == ast.Query {
		c.s.mu.RLock()
		defer c.s.mu.RUnlock()
	}
	out, ok := c.object(root, nil, []ast.SelectionSet{c.op.SelectionSet}, nil)
	if c.broken != nil && c.op.Operation == ast.Query {
		c.errors = nil
		out, ok = c.object(root, nil, []ast.SelectionSet{c.op.SelectionSet}, nil)
	}
	if !ok {
		return nil
	}
	return out
}

func (c *call) fail(path []any, format string, a ...any) {
	c.errors = append(c.errors, gqlError{Message: fmt.Sprintf(format, a...), Path: append([]any(nil), path...)})
}

// collected is one response key with every field node that asked for it.
type collected struct {
	key    string
	fields []*ast.Field
}

func (c *call) collect(typ *ast.Definition, sets []ast.SelectionSet) []collected {
	var out []collected
	index := map[string]int{}
	var walk func(set ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, sel := range set {
			switch sel := sel.(type) {
			case *ast.Field:
				if !c.included(sel.Directives) {
					continue
				}
				key := sel.Alias
				if i, ok := index[key]; ok {
					out[i].fields = append(out[i].fields, sel)
					continue
				}
				index[key] = len(out)
				out = append(out, collected{key, []*ast.Field{sel}})
			case *ast.InlineFragment:
				if c.included(sel.Directives) && applies(sel.TypeCondition, typ) {
					walk(sel.SelectionSet)
				}
			case *ast.FragmentSpread:
				if c.included(sel.Directives) && applies(sel.Definition.TypeCondition, typ) {
					walk(sel.Definition.SelectionSet)
				}
			}
		}
	}
	for _, set := range sets {
		walk(set)
	}
	return out
}

func applies(condition string, typ *ast.Definition) bool {
	if condition == "" || condition == typ.Name {
		return true
	}
	for _, p := range schema().GetPossibleTypes(schema().Types[condition]) {
		if p.Name == typ.Name {
			return true
		}
	}
	return false
}

func (c *call) included(ds ast.DirectiveList) bool {
	for _, d := range ds {
		on, _ := d.ArgumentMap(c.vars)["if"].(bool)
		if d.Name == "skip" && on || d.Name == "include" && !on {
			return false
		}
	}
	return true
}

// object resolves the selected fields of obj; ok is false when a field that
// may not be null is null.
func (c *call) object(typ *ast.Definition, obj any, sets []ast.SelectionSet, path []any) (out object, ok bool) {
	for _, f := range c.collect(typ, sets) {
		at := append(path[:len(path):len(path)], any(f.key))
		val, ok := c.field(typ, obj, f.fields, at)
		if !ok {
			return nil, false
		}
		out = append(out, member{f.key, val})
	}
	if out == nil {
		out = object{}
	}
	return out, true
}

func (c *call) field(typ *ast.Definition, obj any, fields []*ast.Field, path []any) (any, bool) {
	f := fields[0]
	if f.Name == "__typename" {
		return typ.Name, true
	}
	if strings.HasPrefix(f.Name, "__") {
		c.fail(path, "simstash: field %s.%s is not simulated", typ.Name, f.Name)
		return nil, false
	}
	given, err := coerceArgs(f.Definition.Arguments, f.ArgumentMap(c.vars))
	if err == nil {
		var val any
		if val, err = c.resolve(typ, f.Name, obj, given); err == nil {
			if typ == schema().Mutation {
				c.s.mu.RLock()
				defer c.s.mu.RUnlock()
			}
			return c.complete(f.Definition.Type, val, fields, path)
		}
	}
	c.fail(path, "%s", err)
	c.s.logf(LevelError, "", "%s: %v", pathString(path), err)
	return nil, !f.Definition.Type.NonNull
}

func pathString(path []any) string {
	var b strings.Builder
	for _, p := range path {
		switch p := p.(type) {
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(p)
		default:
			fmt.Fprintf(&b, "[%v]", p)
		}
	}
	return b.String()
}

func (c *call) resolve(typ *ast.Definition, name string, obj any, a args) (val any, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			c.s.logf(LevelError, "", "%v\n%s", p, debug.Stack())
			err = fmt.Errorf("Internal system error. Error <%v>", p)
		}
	}()
	if r, ok := obj.(rec); ok {
		if v, ok := r[name]; ok {
			if fn, ok := v.(func() any); ok {
				return fn(), nil
			}
			return v, nil
		}
	}
	if fn, ok := resolvers()[typ.Name][name]; ok {
		return fn(c, obj, a)
	}
	return nil, fmt.Errorf("simstash: field %s.%s is not simulated", typ.Name, name)
}

// complete turns a resolved value into the answer's form for its type.
func (c *call) complete(t *ast.Type, val any, fields []*ast.Field, path []any) (any, bool) {
	if isNil(val) {
		if t.NonNull {
			c.fail(path, "must not be null")
			return nil, false
		}
		return nil, true
	}
	if t.Elem != nil {
		v := reflect.ValueOf(val)
		if v.Kind() != reflect.Slice {
			c.fail(path, "simstash: %T is not a list", val)
			return nil, !t.NonNull
		}
		out := make([]any, 0, v.Len())
		for i := range v.Len() {
			e, ok := c.complete(t.Elem, v.Index(i).Interface(), fields, append(path[:len(path):len(path)], any(i)))
			if !ok {
				return nil, !t.NonNull
			}
			out = append(out, e)
		}
		return out, true
	}
	def := schema().Types[t.NamedType]
	switch def.Kind {
	case ast.Scalar, ast.Enum:
		return c.leaf(t.NamedType, val), true
	case ast.Interface, ast.Union:
		if _, ok := val.(*File); ok {
			def = schema().Types["VideoFile"]
		} else {
			c.fail(path, "simstash: %s of %T is not simulated", t.NamedType, val)
			return nil, !t.NonNull
		}
	}
	sets := make([]ast.SelectionSet, len(fields))
	for i, f := range fields {
		sets[i] = f.SelectionSet
	}
	out, ok := c.object(def, val, sets, path)
	if !ok {
		return nil, !t.NonNull
	}
	return out, true
}

func (c *call) leaf(typ string, val any) any {
	switch v := val.(type) {
	case time.Time:
		return c.s.formatTime(v)
	case *time.Time:
		return c.s.formatTime(*v)
	case int64:
		if typ == "ID" {
			return fmt.Sprint(v)
		}
	case *int:
		return *v
	case *int64:
		return *v
	case *float64:
		return *v
	case *string:
		return *v
	}
	return val
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface, reflect.Func:
		return r.IsNil()
	}
	return false
}
