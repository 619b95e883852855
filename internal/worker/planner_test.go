package worker

import (
	"reflect"
	"testing"
)

// TestThePlannerCanChangeNothing holds what preview and explain rely on: nothing that a
// planner can reach by its fields has a method that changes Plex, the queue or what is
// remembered.
func TestThePlannerCanChangeNothing(t *testing.T) {
	changes := map[string]bool{}
	methods := func(of reflect.Type, add bool) {
		for i := range of.NumMethod() {
			changes[of.Method(i).Name] = add
		}
	}
	methods(reflect.TypeFor[Store](), true)
	methods(reflect.TypeFor[Known](), true)
	methods(reflect.TypeFor[PlexWriter](), true)
	for _, reads := range []reflect.Type{reflect.TypeFor[MemoryReader](), reflect.TypeFor[IndexReader](), reflect.TypeFor[Letters](), reflect.TypeFor[References]()} {
		methods(reads, false)
	}
	if !changes["SavePushed"] || !changes["Enqueue"] || !changes["Edit"] || !changes["UseServer"] || !changes["SetMeta"] || changes["PushedOfKeys"] {
		t.Fatalf("the methods are not told apart: %v", changes)
	}
	seen := map[reflect.Type]bool{}
	var look func(path string, of reflect.Type)
	look = func(path string, of reflect.Type) {
		if seen[of] {
			return
		}
		seen[of] = true
		switch of.Kind() {
		case reflect.Interface:
			for i := range of.NumMethod() {
				m := of.Method(i)
				if changes[m.Name] {
					t.Errorf("%s has the method %s", path, m.Name)
				}
				for j := range m.Type.NumOut() {
					look(path+"."+m.Name+"()", m.Type.Out(j))
				}
			}
		case reflect.Struct:
			if of.PkgPath() != reflect.TypeFor[planner]().PkgPath() {
				return
			}
			for i := range of.NumField() {
				look(path+"."+of.Field(i).Name, of.Field(i).Type)
			}
		case reflect.Pointer:
			look(path, of.Elem())
		}
	}
	look("planner", reflect.TypeFor[planner]())
	if !seen[reflect.TypeFor[finder]()] || !seen[reflect.TypeFor[MemoryReader]()] {
		t.Error("not every field was looked at")
	}
}
