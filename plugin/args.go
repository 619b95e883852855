package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// readArguments reads the arguments of a call into request, a pointer to one of api.go's
// request types. It is strict: a wrong type or value is an error that names the argument,
// so that a call never does something else than what was asked. An argument that is
// missing or null is not given. Arguments that the request does not have are ignored:
// every call has some for others to read, such as the mode.
//
// A number may be a JSON number or its digits as a text, and a switch true, false or
// these words as texts, because Stash's task list passes all arguments as texts.
//
// The fields' tags say the rest: json is the argument's name, min and max bound a
// number or each number of a list, default is the number that is not given, and
// required makes its absence an error.
func readArguments(args map[string]any, request any) error {
	v := reflect.ValueOf(request).Elem()
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		if f.Anonymous {
			if err := readArguments(args, field.Addr().Interface()); err != nil {
				return err
			}
			continue
		}
		name := f.Tag.Get("json")
		value := args[name]
		if value == nil {
			if f.Tag.Get("required") == "" {
				value = f.Tag.Get("default")
			}
			if value == "" {
				continue
			}
		}
		if err := readArgument(field, f.Tag, value); err != nil {
			return fmt.Errorf("argument %s: %w", name, err)
		}
	}
	return nil
}

// readArgument reads one value. Its error says what would be right, and never quotes the
// value, which may be a secret that was meant for another argument.
func readArgument(field reflect.Value, tag reflect.StructTag, value any) error {
	if e, ok := field.Interface().(enumerated); ok {
		text, _ := value.(string)
		if !slices.Contains(e.values(), text) {
			return fmt.Errorf("must be one of %s", strings.Join(e.values(), ", "))
		}
		field.SetString(text)
		return nil
	}
	switch field.Kind() {
	case reflect.Int, reflect.Int64:
		n, err := readNumber(tag, value)
		if err != nil {
			return err
		}
		if field.OverflowInt(n) {
			return errors.New("is too large")
		}
		field.SetInt(n)
	case reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			return errors.New("must be a list of numbers")
		}
		if len(list) == 0 {
			return errors.New("is an empty list. To mean all, leave it out")
		}
		numbers := make([]int64, len(list))
		for i, v := range list {
			var err error
			if numbers[i], err = readNumber(tag, v); err != nil {
				return fmt.Errorf("each %w", err)
			}
		}
		field.Set(reflect.ValueOf(numbers))
	case reflect.String:
		text, ok := value.(string)
		if !ok {
			return errors.New("must be text")
		}
		field.SetString(text)
	case reflect.Bool:
		if value != true && value != false && value != "true" && value != "false" {
			return errors.New("must be true or false")
		}
		field.SetBool(value == true || value == "true")
	case reflect.Map:
		object, ok := value.(map[string]any)
		if !ok {
			return errors.New("must be an object")
		}
		field.Set(reflect.ValueOf(object))
	default:
		panic("a request has a field of the type " + field.Type().String())
	}
	return nil
}

// readNumber reads a whole number within the tags' bounds.
func readNumber(tag reflect.StructTag, value any) (int64, error) {
	bound := func(name string, none int64) int64 {
		if n, err := strconv.ParseInt(tag.Get(name), 10, 64); err == nil {
			return n
		}
		return none
	}
	least, most := bound("min", math.MinInt64), bound("max", math.MaxInt64)
	var digits string
	switch v := value.(type) {
	case json.Number:
		digits = v.String()
	case string:
		digits = v
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err == nil && n >= least && n <= most:
		return n, nil
	case most < math.MaxInt64:
		return 0, fmt.Errorf("must be an integer from %d to %d", least, most)
	case least == 0:
		return 0, errors.New("must be 0 or a positive integer")
	}
	return 0, errors.New("must be a positive integer, for example 12")
}
