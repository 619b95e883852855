package simstash

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type recordedHook struct {
	Type        string
	ID          int64
	InputFields []string
	Input       any
}

type recordedEvent struct {
	Event  string
	Error  *string
	Result map[string]any
	Hooks  []recordedHook
}

// recordedLibrary is the library in which the events were recorded, as far as
// the recordings show it: 29 scenes of one file each, but for scene 20, whose
// second file (21) is a copy.
func recordedLibrary(t *testing.T) *Server {
	s := New(Options{ParallelTasks: 1})
	t.Cleanup(s.Close)
	paths := map[int64]string{
		11: "/media/UPPER/CASE.MP4", 13: "/media/UPPER/case lower.mp4", 15: "/media/Unicode/emoji 🎬 clip.mp4",
		16: "/media/Unicode/кириллица.mp4", 17: "/media/Unicode/Ünïcödé Straße.mp4", 18: "/media/Unicode/日本語タイトル.mp4",
		20: "/media/dupes/dir1/identical.mp4", 21: "/media/flat four.mp4", 22: "/media/flat one.mp4",
	}
	for id := int64(1); id <= 29; id++ {
		path := paths[id]
		if path == "" {
			path = fmt.Sprintf("/media/plain/clip %d.mp4", id)
		}
		fileID := id
		if id > 20 {
			fileID++
		}
		f := &File{ID: fileID, Path: path, Size: 9908, Duration: 1}
		if id == 11 {
			f.Size, f.Duration = 41476, 2
		}
		s.AddScene(Scene{ID: id, Files: []*File{f}})
	}
	s.CopyOnDisk("/media/dupes/dir1/identical.mp4", "/media/dupes/dir2/identical copy.mp4")
	// The copy has the id that lies before those of the scenes behind it.
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.lib
	sc := l.scenes.get(20)
	copied := &File{ID: 21, Path: "/media/dupes/dir2/identical copy.mp4", Size: 9908, Duration: 1, scene: 20}
	l.addFile(copied, "", s.stampNow())
	l.setContent(copied, sc.Files[0].content)
	sc.Files = append(sc.Files, copied)
	return s
}

// given is a recorded input without what was not given.
func given(input any, fields []string) any {
	switch v := input.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if fields != nil && slices.Contains(fields, k) || fields == nil && e != nil {
				out[k] = e
			}
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, given(e, fields))
		}
		return out
	}
	return input
}

// drive does to the simulator what was done to Stash. It returns the data.
func drive(t *testing.T, s *Server, e recordedEvent) (map[string]any, error) {
	t.Helper()
	run := func(text string, vars map[string]any) (out map[string]any, err error) {
		err = s.Query(t.Context(), text, vars, &out)
		idle(t, s)
		return out, err
	}
	scan := func(rescan bool) (map[string]any, error) {
		return run(`mutation($r: Boolean) { metadataScan(input: {rescan: $r, scanGenerateCovers: true}) }`, map[string]any{"r": rescan})
	}
	switch e.Event {
	case "performerMerge p3->p2":
		return run(`mutation { performerMerge(input: {source: ["3"], destination: "2"}) { id } }`, nil)
	case "sceneGenerateScreenshot":
		return run(`mutation { sceneGenerateScreenshot(id: 20) }`, nil)
	case "sceneCreate":
		return run(`mutation { sceneCreate(input: {title: "Created"}) { id } }`, nil)
	case "sceneAssignFile (dup file2 -> created scene)":
		return run(`mutation { sceneAssignFile(input: {scene_id: 30, file_id: 20}) }`, nil)
	case "sceneMerge created scene -> dup scene (with values.title)":
		return run(`mutation { sceneMerge(input: {source: [30], destination: 20, values: {id: 20, title: "Merged"}}) { id title files { path } } }`, nil)
	case "sceneMerge two scenes":
		return run(`mutation { sceneMerge(input: {source: [15], destination: 17}) { id files { path } } }`, nil)
	case "moveFiles (Stash mutation) rename+folder":
		return run(`mutation { moveFiles(input: {ids: [29], destination_folder: "/media/moved", destination_basename: "renamed.mp4"}) }`, nil)
	case "rescan after rename on disk":
		s.RenameOnDisk("/media/moved/renamed.mp4", "/media/moved/renamed again.mp4")
		return scan(false)
	case "rescan after copying an existing file (same fingerprint)":
		s.CopyOnDisk("/media/plain/clip 19.mp4", "/media/plain/clip 19 copy.mp4")
		return scan(false)
	case "rescan after content change in place":
		s.ChangeOnDisk("/media/plain/clip 29.mp4", 12000, 3)
		return scan(false)
	case "rescan nothing changed", "rescan after sceneDestroy (file still on disk)":
		return scan(false)
	case "rescan rescan:true nothing changed":
		return scan(true)
	case "metadataClean after deleting a file on disk":
		s.RemoveFromDisk("/media/flat four.mp4")
		return run(`mutation { metadataClean(input: {dryRun: false}) }`, nil)
	case "deleteFiles mutation (only file)":
		return run(`mutation { deleteFiles(ids: [23]) }`, nil)
	case "deleteFiles mutation (secondary file)":
		sc, _ := s.Scene(19)
		return run(`mutation($id: ID!) { deleteFiles(ids: [$id]) }`, map[string]any{"id": sc.Files[1].ID})
	case "metadataAutoTag":
		return run(`mutation { metadataAutoTag(input: {performers: ["*"]}) }`, nil)
	case "metadataIdentify (auto tag source)":
		return run(`mutation { metadataIdentify(input: {sources: []}) }`, nil)
	case "metadataGenerate covers":
		return run(`mutation { metadataGenerate(input: {covers: true}) }`, nil)
	}
	// What remains can be told from the recorded document: the mutation's name is
	// the event's first word, its argument the hook's input.
	name, _, _ := strings.Cut(e.Event, " ")
	field := schema().Mutation.Fields.ForName(name)
	if field == nil || len(e.Hooks) == 0 {
		t.Fatalf("no way to drive %q", e.Event)
	}
	h := e.Hooks[0]
	input := given(h.Input, h.InputFields)
	if m, ok := input.(map[string]any); ok { // Stash adds these to the destroy inputs
		for _, k := range []string{"path", "checksum", "oshash"} {
			delete(m, k)
		}
		if h.Type == "Performer.Update.Post" && h.InputFields != nil && !slices.Contains(h.InputFields, "custom_fields") {
			delete(m, "custom_fields")
		}
	}
	arg := field.Arguments[0]
	selection := ""
	if schema().Types[field.Type.Name()].IsCompositeType() {
		selection = "{ id }"
		if _, titled := deepFirst(e.Result[name]).(map[string]any)["title"]; titled {
			selection = "{ id title }"
		}
	}
	return run(fmt.Sprintf("mutation($x: %s) { %s(%s: $x) %s }", arg.Type, name, arg.Name, selection), map[string]any{"x": input})
}

func deepFirst(v any) any {
	if list, ok := v.([]any); ok && len(list) > 0 {
		return list[0]
	}
	return v
}

// skipped are events that are not simulated: direct SQL; and markers, galleries, plays and
// the O counter, because PlexSync neither asks for them nor listens to their hooks, and
// none of them changes what a scene shows.
var skipped = []string{
	"execSQL update title",
	"galleryCreate", "galleryUpdate", "galleryDestroy",
	"sceneMarkerCreate", "sceneMarkerUpdate", "sceneMarkerDestroy",
	"sceneAddPlay", "sceneIncrementPlayCount", "sceneDeletePlay", "sceneResetPlayCount",
	"sceneAddO", "sceneResetO", "sceneSaveActivity",
}

// recordedEvents are those that are simulated, without the galleries of the one scene
// that was given some.
func recordedEvents(t *testing.T) []recordedEvent {
	t.Helper()
	var all []recordedEvent
	readJSON(t, "events.json", &all)
	known := len(all)
	all = slices.DeleteFunc(all, func(e recordedEvent) bool { return slices.Contains(skipped, e.Event) })
	if known-len(all) != len(skipped) {
		t.Fatalf("of the events to be skipped only %d are recorded", known-len(all))
	}
	for _, e := range all {
		for i, h := range e.Hooks {
			if input, ok := h.Input.(map[string]any); ok && input["gallery_ids"] != nil {
				input["gallery_ids"] = nil
				e.Hooks[i].InputFields = slices.DeleteFunc(h.InputFields, func(f string) bool { return f == "gallery_ids" })
			}
		}
	}
	return all
}

func TestEveryRecordedEventFiresTheRecordedHooks(t *testing.T) {
	s := recordedLibrary(t)
	for _, e := range recordedEvents(t) {
		s.ResetHookEvents()
		result, err := drive(t, s, e)
		if wrong := e.Error != nil; wrong != (err != nil) {
			t.Fatalf("%s: error %v, recorded %v", e.Event, err, e.Error)
		} else if wrong && !strings.Contains(*e.Error, strings.TrimPrefix(err.Error(), "simstash: ")) {
			t.Errorf("%s: error %q, recorded %s", e.Event, err, *e.Error)
		}
		if !strings.HasPrefix(e.Event, "metadata") && !strings.HasPrefix(e.Event, "rescan") && !sameJSON(result, e.Result) && e.Error == nil {
			t.Errorf("%s: result %s, recorded %s", e.Event, pretty(result), pretty(e.Result))
		}
		var got []recordedHook
		for _, h := range s.HookEvents() {
			if strings.HasPrefix(h.Type, "Movie.") {
				continue // the recorder listened to Group.* alone
			}
			var input any
			dec := json.NewDecoder(strings.NewReader(string(h.Input)))
			dec.UseNumber()
			if err := dec.Decode(&input); err != nil {
				t.Fatal(err)
			}
			got = append(got, recordedHook{h.Type, h.ID, h.InputFields, input})
		}
		if a, b := normalHooks(got), normalHooks(e.Hooks); !reflect.DeepEqual(a, b) {
			t.Errorf("%s:\n got %s\nwant %s", e.Event, pretty(a), pretty(b))
		}
	}
}

func sameJSON(a, b any) bool { return pretty(a) == pretty(b) }

var hexes = regexp.MustCompile(`^[0-9a-f]{16}$|^[0-9a-f]{32}$`)

// normalHooks brings hooks into a form that can be compared: inputFields are a
// set, hooks of a scan come in any order, fingerprints have a length only.
func normalHooks(list []recordedHook) []string {
	out := []string{}
	for _, h := range list {
		fields := slices.Sorted(slices.Values(h.InputFields))
		out = append(out, pretty([]any{h.Type, h.ID, fields, normalLeaves(h.Input)}))
	}
	if len(list) > 0 && list[0].Input == nil {
		slices.Sort(out)
	}
	return out
}

func normalLeaves(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = normalLeaves(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, normalLeaves(e))
		}
		return out
	case string:
		if hexes.MatchString(v) {
			return fmt.Sprintf("<%d hex digits>", len(v))
		}
	}
	return v
}

func TestHookDocumentsHaveTheRecordedForm(t *testing.T) {
	docs := map[string]map[string]any{}
	readJSON(t, "hooks.json", &docs)
	var hook []byte
	s := recordedLibrary(t)
	s.opts.OnHook = func(_ context.Context, doc []byte) error { hook = doc; return nil }
	if err := s.EditScene(20, map[string]any{"title": "New Title"}); err != nil {
		t.Fatal(err)
	}
	for name, doc := range map[string][]byte{
		"Scene.Update.Post": hook,
		"_task.SleepTask":   s.Document("rec", map[string]any{"mode": "sleep", "secs": "3"}),
		"_operation.echo": s.Document("rec", map[string]any{
			"b": false, "big": json.Number("9007199254740993"), "f": 1.25, "i": 5, "mode": "echo", "n": nil, "s": "x",
			"o": map[string]any{"x": []any{1, map[string]any{"y": "z"}}},
		}),
	} {
		var got map[string]any
		dec := json.NewDecoder(strings.NewReader(string(doc)))
		dec.UseNumber()
		if err := dec.Decode(&got); err != nil {
			t.Fatal(err)
		}
		conn, want := got["server_connection"].(map[string]any), docs[name]["server_connection"].(map[string]any)
		cookie := conn["SessionCookie"].(map[string]any)
		if cookie["Value"] == "" {
			t.Errorf("%s: no session", name)
		}
		cookie["Value"] = "<redacted>"
		conn["Host"], conn["PluginDir"] = want["Host"], want["PluginDir"]
		for _, d := range []map[string]any{got, docs[name]} {
			if hc, ok := d["args"].(map[string]any)["hookContext"].(map[string]any); ok {
				fields := hc["inputFields"].([]any)
				slices.SortFunc(fields, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			}
		}
		if !sameJSON(got, docs[name]) {
			t.Errorf("%s:\n got %s\nwant %s", name, pretty(got), pretty(docs[name]))
		}
	}
}

func TestRecordedSceneQueriesGetTheRecordedAnswers(t *testing.T) {
	var queries map[string]struct {
		Query     string
		Variables map[string]any
		Response  any
	}
	readJSON(t, "scene-full.json", &queries)
	s := recordedLibrary(t)
	for _, e := range recordedEvents(t) { // the queries were recorded about here
		if e.Event == "sceneGenerateScreenshot" {
			break
		}
		drive(t, s, e)
	}
	for name, q := range queries {
		q.Query = unasked.ReplaceAllString(q.Query, "")
		body := pretty(map[string]any{"query": q.Query, "variables": q.Variables})
		status, text, _ := post(t, s.Transport(), body, nil)
		var got any
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(&got); err != nil || status != 200 {
			t.Fatalf("%s: %d %v", name, status, err)
		}
		if a, b := normalScene("", got), normalScene("", q.Response); !sameJSON(a, b) {
			t.Errorf("%s:\n%s", name, difference(a, b))
		}
	}
}

// unasked are the fields that were asked for in the recordings and are not simulated, as
// they stand in a query.
var unasked = regexp.MustCompile(`\b(o_counter|last_played_at|resume_time|play_duration|play_count|play_history|o_history|(scene_markers|galleries)\{[^}]*\})`)

var (
	isoTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)
	urlTime = regexp.MustCompile(`t=\d+`)
	urlHost = regexp.MustCompile(`^http://[^/]+/`)
	urlHash = regexp.MustCompile(`/[0-9a-f]{16}_`)
)

// normalScene replaces what differs from library to library by its form.
func normalScene(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if unasked.MatchString(k + "{}") {
				continue
			}
			if out[k] = normalScene(k, e); k == "parent_folder_id" || k == "id" && key == "parent_folder" {
				out[k] = "<folder>"
			}
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, normalScene(key, e))
		}
		if key == "performers" {
			slices.SortFunc(out, func(a, b any) int { return strings.Compare(pretty(a), pretty(b)) })
		}
		return out
	case string:
		switch {
		case isoTime.MatchString(v):
			return "<time>"
		case hexes.MatchString(v):
			return fmt.Sprintf("<%d hex digits>", len(v))
		case key == "audio_codec":
			return "<codec>"
		}
		v = urlHash.ReplaceAllString(urlTime.ReplaceAllString(urlHost.ReplaceAllString(v, "<base>/"), "t=<time>"), "/<hash>_")
		return v
	case json.Number:
		switch key {
		case "width", "height", "frame_rate", "bit_rate":
			return "<number>"
		}
	}
	return v
}

// difference lists the lines that only one of two values has.
func difference(got, want any) string {
	var out []string
	a, b := strings.Split(pretty(got), "\n"), strings.Split(pretty(want), "\n")
	for _, l := range a {
		if !slices.Contains(b, l) {
			out = append(out, "got  "+l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			out = append(out, "want "+l)
		}
	}
	return strings.Join(out, "\n")
}
