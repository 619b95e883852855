package plex

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// FuzzWalk: what is read by walk is what encoding/json reads.
func FuzzWalk(f *testing.F) {
	for _, s := range append(fuzzSeeds, `{"a\u0062":"\"\\","":[ ],"x" : { } , "n":-1.5e3,"t":true}`, `[1,"]",[[]],{"}":"{"} ]`, `[]`, `{ }`) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.TrimSpace(b)
		if !json.Valid(b) || b[0] != '{' && b[0] != '[' {
			return
		}
		var got, want []string
		object := map[string]json.RawMessage{}
		if b[0] == '{' {
			if json.Unmarshal(b, &object) != nil {
				return
			}
			seen := map[string]string{}
			walk(b, func(name, value []byte) error {
				seen[unquote(name)] = string(value)
				return nil
			})
			for _, name := range slices.Sorted(maps.Keys(object)) {
				want = append(want, name+"="+string(object[name]))
			}
			for _, name := range slices.Sorted(maps.Keys(seen)) {
				got = append(got, name+"="+seen[name])
			}
		} else {
			var list []json.RawMessage
			if json.Unmarshal(b, &list) != nil {
				return
			}
			for _, v := range list {
				want = append(want, string(v))
			}
			walk(b, func(_, value []byte) error {
				got = append(got, string(value))
				return nil
			})
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, want %q", b, got, want)
		}
	})
}

func TestNamesThatDifferInCaseOnlyAreTwoNames(t *testing.T) {
	for body, want := range map[string]string{
		`{"studio":"One","Studio":[{"tag":"Two"}]}`:                       "One",
		`{"Studio":[{"tag":"Two"}],"studio":"One"}`:                       "One",
		`{"Studio":"Two","studio":"One"}`:                                 "One",
		`{"studio":"One","Studio":"Two","STUDIO":"Three"}`:                "One",
		`{"Studio":[{"tag":"Two"}]}`:                                      "",
		`{"STUDIO":"Three"}`:                                              "Three",
		`{"studio":null,"Studio":"Two"}`:                                  "",
		`{"\u0073tudio":"One","Studio":"Two"}`:                            "One",
		`{"studio":"One","studio":"Again"}`:                               "Again",
		`{"studio":"` + strings.Repeat("x", 5) + `","ratingKey":"7"}`:     "xxxxx",
		`{"\u017ftudio":"with a long s, which folds to the same letter"}`: "",
	} {
		var w wireItem
		if err := read([]byte(body), &w); err != nil || string(w.Studio) != want {
			t.Errorf("%s: studio %q, %v; want %q", body, w.Studio, err, want)
		}
	}
	// Lists beside texts, the other way round.
	var w wireItem
	if err := read([]byte(`{"genre":"x","Genre":[{"tag":"G"}],"role":5,"media":{},"Media":[{"part":"p","Part":[{"File":"no","file":"/a"}]}],"field":true}`), &w); err != nil {
		t.Fatal(err)
	}
	if len(w.Genre) != 1 || w.Genre[0].Tag != "G" || len(w.Role) != 0 || len(w.Media) != 1 || len(w.Media[0].Part) != 1 || w.Media[0].Part[0].File != "/a" {
		t.Errorf("%+v", w)
	}
	// And in the container.
	for _, body := range []string{`{"MediaContainer":{"Version":"0.1","version":"1.43","MachineIdentifier":"x","machineIdentifier":"m"}}`,
		`{"MediaContainer":{"version":"1.43","Version":"0.1","machineIdentifier":"m","MachineIdentifier":"x"}}`} {
		if id, _, err := identity(strings.NewReader(body)); err != nil || id != (Identity{"m", "1.43"}) {
			t.Errorf("%s: %+v, %v", body, id, err)
		}
	}
}

func TestOneOddFieldDoesNotCostTheItem(t *testing.T) {
	all, err := items(strings.NewReader(`{"MediaContainer":{"Metadata":[7,null,"x",[],{"ratingKey":"7","title":{"x":1},"summary":["a"],"userRating":"good",
		"Genre":"Sea","Role":[null,5,"x",[{}],{"tag":["x"]},{"tag":"Jane","role":{}}],"Media":[{"Part":"/a"},5,{"Part":[7,{"file":"/b","size":true}]}],
		"Field":[{"name":"title","locked":"yes"},{"name":"genre","locked":1}],"updatedAt":"soon","deletedAt":"never"}]}}`), []string{"7"}, room())
	if err != nil || len(all) != 1 {
		t.Fatal(len(all), err)
	}
	it := all[0]
	if it.Title != "" || it.Scalars["summary"] != "" || it.Scalars["userRating"] != "" || len(it.Lists["genre"]) != 0 ||
		!reflect.DeepEqual(it.Lists["actor"], []Tag{{Name: "Jane"}}) || !reflect.DeepEqual(it.Parts, []Part{{Key: "7", Path: "/b"}}) ||
		!reflect.DeepEqual(it.Locked, map[string]bool{"genre": true}) || it.UpdatedAt != 0 || it.Deleted {
		t.Errorf("%+v", it)
	}
}

func TestWhatIsInTheTrashAndWhatPlexMadeItself(t *testing.T) {
	part := func(more string) string { return `{"file":"/a"` + more + `}` }
	media := func(more, parts string) string { return `{"Part":[` + parts + `]` + more + `}` }
	item := func(more, all string) string { return `{"ratingKey":"7","Media":[` + all + `]` + more + `}` }
	for _, test := range []struct {
		name, body         string
		deleted            bool // the item
		partsGone, ofPlexs []bool
	}{
		{"a live item", item("", media("", part(""))), false, []bool{false}, []bool{false}},
		{"an item in the trash", item(`,"deletedAt":1700000000`, media("", part(""))), true, []bool{true}, []bool{false}},
		{"as a string", item(`,"deletedAt":"1700000000"`, media("", part(""))), true, []bool{true}, []bool{false}},
		{"restored", item(`,"deletedAt":0`, media("", part(""))), false, []bool{false}, []bool{false}},
		{"one version in the trash", item("", media(`,"deletedAt":1700000000`, part(""))+","+media("", part(""))), false, []bool{true, false}, []bool{false, false}},
		{"one file in the trash", item("", media("", part("")+","+part(`,"deletedAt":1700000000`))), false, []bool{false, true}, []bool{false, false}},
		{"an optimized version", item("", media("", part(""))+","+media(`,"proxyType":42,"target":"Optimized for Mobile","title":"Optimized for Mobile"`, part(""))),
			false, []bool{false, false}, []bool{false, true}},
		{"an optimized version without its number", item("", media(`,"target":"Mobile"`, part(""))), false, []bool{false}, []bool{true}},
		{"an optimized version without its name", item("", media(`,"proxyType":"42"`, part(""))), false, []bool{false}, []bool{true}},
		{"a file that streams well", item("", media(`,"optimizedForStreaming":1,"proxyType":0,"target":""`, part(`,"optimizedForStreaming":true`))), false, []bool{false}, []bool{false}},
	} {
		all, err := items(strings.NewReader(`{"MediaContainer":{"Metadata":[`+test.body+`]}}`), []string{"7"}, room())
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %d items, %v", test.name, len(all), err)
		}
		if all[0].Deleted != test.deleted {
			t.Errorf("%s: deleted %v", test.name, all[0].Deleted)
		}
		var gone, ofPlexs []bool
		for _, p := range all[0].Parts {
			gone, ofPlexs = append(gone, p.Trashed), append(ofPlexs, p.Optimized)
		}
		if !slices.Equal(gone, test.partsGone) || !slices.Equal(ofPlexs, test.ofPlexs) {
			t.Errorf("%s: deleted %v, optimized %v", test.name, gone, ofPlexs)
		}
	}
}
