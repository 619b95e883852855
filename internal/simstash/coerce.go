package simstash

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// coerceArgs brings a field's arguments into the form that args promises.
func coerceArgs(defs ast.ArgumentDefinitionList, given map[string]any) (args, error) {
	out := args{}
	for _, d := range defs {
		v, ok := given[d.Name]
		if !ok {
			continue
		}
		cv, err := coerce(d.Type, v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Name, err)
		}
		out[d.Name] = cv
	}
	return out, nil
}

func coerce(t *ast.Type, v any) (any, error) {
	if v == nil {
		if t.NonNull {
			return nil, fmt.Errorf("must not be null")
		}
		return nil, nil
	}
	if t.Elem != nil {
		rv := reflect.ValueOf(v)
		if rv.Kind() != reflect.Slice { // one value stands for a list of one
			e, err := coerce(t.Elem, v)
			return []any{e}, err
		}
		out := make([]any, 0, rv.Len())
		for i := range rv.Len() {
			e, err := coerce(t.Elem, rv.Index(i).Interface())
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			out = append(out, e)
		}
		return out, nil
	}
	def := schema().Types[t.NamedType]
	switch def.Kind {
	case ast.Enum:
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("enums must be strings")
		}
		if def.EnumValues.ForName(s) == nil {
			return nil, fmt.Errorf("%s is not a valid %s", s, def.Name)
		}
		return s, nil
	case ast.InputObject:
		m, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("must be a %s, not %T", def.Name, v)
		}
		out := args{}
		for key, e := range m {
			f := def.Fields.ForName(key)
			if f == nil {
				return nil, fmt.Errorf("%s: unknown field", key)
			}
			ce, err := coerce(f.Type, e)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			out[key] = ce
		}
		for _, f := range def.Fields {
			if f.Type.NonNull && f.DefaultValue == nil && !out.has(f.Name) {
				return nil, fmt.Errorf("%s: must be defined", f.Name)
			}
		}
		return out, nil
	}
	return coerceScalar(def.Name, v)
}

func coerceScalar(name string, v any) (any, error) {
	text := ""
	switch v := v.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case int64:
		text = strconv.FormatInt(v, 10)
	}
	switch name {
	case "ID", "String":
		switch v.(type) {
		case string, json.Number, int64:
			return text, nil
		}
	case "Int", "Int64":
		if f, ok := v.(float64); ok && f == math.Trunc(f) {
			return int64(f), nil
		}
		bits := 32
		if name == "Int64" {
			bits = 64
		}
		if n, err := strconv.ParseInt(text, 10, bits); err == nil {
			return n, nil
		}
	case "Float":
		if f, ok := v.(float64); ok {
			return f, nil
		}
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f, nil
		}
	case "Boolean":
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case "Map", "BoolMap", "PluginConfigMap":
		if m, ok := v.(map[string]any); ok {
			return m, nil
		}
	case "Time", "Timestamp":
		if strings.TrimSpace(text) != "" {
			return text, nil
		}
	default: // Any, Upload
		return v, nil
	}
	return nil, fmt.Errorf("cannot use %T as %s", v, name)
}
