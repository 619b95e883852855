package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simstash"
)

// decoded are arguments as Stash hands them to a plugin.
func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var args map[string]any
	must(t, d.Decode(&args))
	return args
}

func TestArgumentsAreReadStrictly(t *testing.T) {
	for text, want := range map[string]LetterListRequest{
		`{}`: {ListRequest: ListRequest{Limit: 100}},
		`{"limit":0,"ids":[7,"8"],"stranger":{}}`:                                                    {LettersRequest: LettersRequest{IDs: []int64{7, 8}}},
		`{"limit":"50","offset":"5","review":"true"}`:                                                {ListRequest: ListRequest{Limit: 50, Offset: 5}, LettersRequest: LettersRequest{Review: true}},
		`{"limit":null,"class":null,"review":null,"ids":null,"search":null,"sort":null,"desc":null}`: {ListRequest: ListRequest{Limit: 100}},
		`{"class":"busy","sort":"title","desc":true,"search":"100%","review":false}`: {ListRequest: ListRequest{Limit: 100, Desc: true, Search: "100%"},
			LettersRequest: LettersRequest{Class: "busy"}, Sort: LettersByTitle},
	} {
		var got LetterListRequest
		if err := readArguments(decoded(t, text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		`{"class":["rejected"]}`:         "argument class: must be one of unreachable,",
		`{"class":"Rejected"}`:           "argument class: must be one of",
		`{"class":""}`:                   "argument class: must be one of",
		`{"class":7}`:                    "argument class: must be one of",
		`{"review":"yes"}`:               "argument review: must be true or false",
		`{"review":1}`:                   "argument review: must be true or false",
		`{"review":[true]}`:              "argument review: must be true or false",
		`{"desc":"descending"}`:          "argument desc: must be true or false",
		`{"limit":"many"}`:               "argument limit: must be an integer from 0 to 1000",
		`{"limit":""}`:                   "argument limit: must be an integer from 0 to 1000",
		`{"limit":1001}`:                 "argument limit: must be an integer from 0 to 1000",
		`{"limit":-1}`:                   "argument limit: must be an integer from 0 to 1000",
		`{"limit":1.5}`:                  "argument limit: must be an integer from 0 to 1000",
		`{"limit":1e2}`:                  "argument limit: must be an integer from 0 to 1000",
		`{"limit":true}`:                 "argument limit: must be an integer from 0 to 1000",
		`{"offset":-1}`:                  "argument offset: must be 0 or a positive integer",
		`{"offset":9223372036854775808}`: "argument offset: must be 0 or a positive integer",
		`{"search":5}`:                   "argument search: must be text",
		`{"sort":"died DESC"}`:           "argument sort: must be one of died, id, title, class, attempts",
		`{"ids":7}`:                      "argument ids: must be a list of numbers",
		`{"ids":"7"}`:                    "argument ids: must be a list of numbers",
		`{"ids":{"0":7}}`:                "argument ids: must be a list of numbers",
		`{"ids":[]}`:                     "argument ids: is an empty list",
		`{"ids":[7,"x"]}`:                "argument ids: each must be a positive integer",
		`{"ids":[7,0]}`:                  "argument ids: each must be a positive integer",
		`{"ids":[[7]]}`:                  "argument ids: each must be a positive integer",
		`{"ids":[null]}`:                 "argument ids: each must be a positive integer",
	} {
		var q LetterListRequest
		if err := readArguments(decoded(t, text), &q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{`{}`: "argument scene_id: must be a positive", `{"scene_id":"x"}`: "argument scene_id: must be", `{"scene_id":null}`: "argument scene_id: must be"} {
		if err := readArguments(decoded(t, text), new(SceneRequest)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if err := readArguments(decoded(t, `{"settings":"plexToken=x"}`), new(SettingsRequest)); err == nil || err.Error() != "argument settings: must be an object" {
		t.Errorf("settings as text: %v", err)
	}
	for text, want := range map[string]string{
		`{"v":1,"mode":"overview"}`: "", `{"v":"1","mode":"overview"}`: "", `{"mode":"overview"}`: "", `{"v":null}`: "",
		`{"v":2}`: "argument v: this is PlexSync", `{"v":"x"}`: "argument v: this is PlexSync", `{"v":0}`: "argument v: this is", `{"v":{}}`: "argument v: this is",
		`{"v":1,"mode":5}`: "argument mode: must be text", `{"by":[]}`: "argument by: must be text",
	} {
		if _, err := readCall(decoded(t, text)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// FuzzArguments: whatever the arguments of whatever mode, they are read or refused, and what
// is read is within its bounds.
func FuzzArguments(f *testing.F) {
	for _, text := range []string{`{"limit":5}`, `{"ids":[1,"2"],"class":"busy"}`, `{"settings":{"a":[1]},"offline":true}`, `{"scene_id":"1"}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var args map[string]any
		if d.Decode(&args) != nil {
			return
		}
		for name, m := range modes() {
			for _, c := range []CallRequest{{Mode: name}, {Mode: name, V: 1}} {
				if _, err := m.prepare(c, args); err != nil && !strings.HasPrefix(err.Error(), "argument ") {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		var q LetterListRequest
		if readArguments(args, &q) == nil && (q.Limit < 0 || q.Limit > 1000 || q.Offset < 0) {
			t.Errorf("%+v", q)
		}
	})
}

// TestAWrongArgumentChangesNothing: neither a call of the page's nor one without a version
// takes a wrong argument for none, which would mean all.
func TestAWrongArgumentChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"paused": true})
	w.fill(fmt.Sprintf(someLetters, 10))
	id, _ := w.film("a.mp4", simstash.Scene{})
	w.edit(id, map[string]any{"title": "A"})
	w.settle()
	for _, mode := range []string{"dlq_retry", "dlq_drop"} {
		for _, wrong := range []string{
			`{"class":["rejected"]}`, `{"class":"refused"}`, `{"class":""}`, `{"review":"yes"}`, `{"review":1}`, `{"ids":[]}`, `{"ids":"1"}`, `{"ids":["one"]}`,
			`{"ids":[1,-1]}`, `{"ids":[1.5]}`, `{"ids":[1],"class":true}`, `{"ids":[1],"review":"no"}`, `{"class":"rejected","ids":{}}`,
		} {
			for _, v := range []any{nil, 1} {
				var args map[string]any
				must(t, json.Unmarshal([]byte(wrong), &args))
				args["mode"], args["v"] = mode, v
				if err := w.operation(args, nil); err == nil || !strings.Contains(err.Error(), "argument ") {
					t.Errorf("%s %s: %v", mode, wrong, err)
				}
			}
		}
	}
	for _, wrong := range []string{`{"scene_id":"all"}`, `{"scene_id":[1]}`, `{}`} {
		args := decoded(t, wrong)
		args["mode"] = "sync_scene"
		if err := w.operation(args, nil); err == nil || !strings.Contains(err.Error(), "argument scene_id") {
			t.Errorf("sync_scene %s: %v", wrong, err)
		}
	}
	if letters, err := w.db().Letters(context.Background(), job.Which{}, 100, 0); err != nil || len(letters) != 10 {
		t.Errorf("%d letters are left, want 10 (%v)", len(letters), err)
	}
	if n := w.queued(); n != 1 {
		t.Errorf("%d jobs are queued, want 1", n)
	}
}

// TestManyLettersAreWorkedInPieces: more ids than SQLite takes in a statement.
func TestManyLettersAreWorkedInPieces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"paused": true})
	const there, named = 2500, 70_000
	w.fill(fmt.Sprintf(someLetters, there))
	ids := make([]int, 0, named+there)
	for i := range named {
		ids = append(ids, i+1)
	}
	for i := range there { // some twice, in pieces that differ
		ids = append(ids, i+1)
	}
	var n Count
	if err := w.operation(map[string]any{"mode": "dlq_retry", "v": 1, "ids": ids}, &struct{ Data *Count }{&n}); err != nil || n.Count != there {
		t.Errorf("%d letters were queued again, want %d (%v)", n.Count, there, err)
	}
	w.settle()
	if n := w.queued(); n != there {
		t.Errorf("%d jobs are queued, want %d", n, there)
	}
	if err := w.operation(map[string]any{"mode": "dlq_list", "v": 1, "ids": ids}, nil); err == nil || !strings.Contains(err.Error(), "argument ids: has 72500 ids") {
		t.Errorf("a list of all these: %v", err)
	}
	if err := w.operation(map[string]any{"mode": "dlq_drop", "v": 1, "ids": ids, "class": "rejected"}, &struct{ Data *Count }{&n}); err != nil || n.Count != there/2 {
		t.Errorf("%d letters were dropped, want %d (%v)", n.Count, there/2, err)
	}
	if letters, err := w.db().Letters(context.Background(), job.Which{}, 2*there, 0); err != nil || len(letters) != there/2 {
		t.Errorf("%d letters are left, want %d (%v)", len(letters), there/2, err)
	}
}
