package simstash

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestInvalidQueriesAreRefusedInStashsForm(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	type answer struct {
		Errors []struct {
			Message    string
			Locations  []gqlLocation
			Path       []any
			Extensions map[string]any
		}
		Data any
	}
	for _, c := range []struct {
		name, body, accept string
		status             int
		code, message      string
	}{
		{"unknown field", `{"query":"{findScene(id:1){nope}}"}`, "", 422, "GRAPHQL_VALIDATION_FAILED", `Cannot query field "nope" on type "Scene".`},
		{"unknown field, any type accepted", `{"query":"{findScene(id:1){nope}}"}`, "*/*", 400, "GRAPHQL_VALIDATION_FAILED", `Cannot query field "nope" on type "Scene".`},
		{"unknown argument", `{"query":"{findScene(nope:1){id}}"}`, "application/json", 422, "GRAPHQL_VALIDATION_FAILED", `Unknown argument "nope" on field "Query.findScene".`},
		{"unknown type", `{"query":"query($x:Nope){findScene(id:$x){id}}"}`, "", 422, "GRAPHQL_VALIDATION_FAILED", `Unknown type "Nope".`},
		{"syntax", `{"query":"{findScene(id:1"}`, "", 422, "GRAPHQL_PARSE_FAILED", `Expected Name, found <EOF>`},
		{"variable missing", `{"query":"query($x:ID!){findScene(id:$x){id}}"}`, "", 422, "GRAPHQL_VALIDATION_FAILED", "must be defined"},
		{"variable of a wrong type", `{"query":"query($x:[Int!]){findScenes(scene_ids:$x){count}}","variables":{"x":["one"]}}`, "", 422, "GRAPHQL_VALIDATION_FAILED", "cannot use string as Int"},
		{"unknown field of an input", `{"query":"mutation($x:SceneUpdateInput!){sceneUpdate(input:$x){id}}","variables":{"x":{"id":"1","titel":"x"}}}`, "", 422, "GRAPHQL_VALIDATION_FAILED", "unknown field"},
		{"not JSON", `query`, "", 400, "", "json request body could not be decoded: invalid character 'q' looking for beginning of value"},
		{"nothing", `{}`, "", 422, "GRAPHQL_VALIDATION_FAILED", "no operation provided"},
	} {
		h := http.Header{}
		if c.accept != "" {
			h.Set("Accept", c.accept)
		}
		status, text, _ := post(t, s.Transport(), c.body, h)
		var got answer
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Errors) == 0 {
			t.Errorf("%s: %s", c.name, text)
			continue
		}
		e := got.Errors[0]
		code, _ := e.Extensions["code"].(string)
		if status != c.status || code != c.code || !strings.HasPrefix(e.Message, c.message) || got.Data != nil || !strings.HasSuffix(text, `"data":null}`) {
			t.Errorf("%s: %d %s", c.name, status, text)
		}
		if strings.Contains(c.code, "VALIDATION") && strings.Contains(c.message, "field \"") && len(e.Locations) == 0 {
			t.Errorf("%s: no location: %s", c.name, text)
		}
	}
}

func TestWhatIsNotSimulatedSaysSo(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	s.AddScene(Scene{Files: []*File{{Path: "/a.mp4"}}})
	for query, want := range map[string]string{
		`{findScene(id:1){sceneStreams{url}}}`:                                      "simstash: field Scene.sceneStreams is not simulated",
		`{findScene(id:1){galleries{id}}}`:                                          "simstash: field Scene.galleries is not simulated",
		`mutation{sceneAddPlay(id:1){count}}`:                                       "simstash: field Mutation.sceneAddPlay is not simulated",
		`mutation{sceneUpdate(input:{id:1,gallery_ids:[1]}){id}}`:                   "simstash: gallery_ids of scenes is not simulated",
		`mutation{sceneMerge(input:{source:[2],destination:1,o_history:true}){id}}`: "simstash: merging histories is not simulated",
		`{dlnaStatus{running}}`:                                                     "simstash: field Query.dlnaStatus is not simulated",
		`mutation{backupDatabase(input:{})}`:                                        "simstash: field Mutation.backupDatabase is not simulated",
		`{configuration{general{scrapersPath}}}`:                                    "simstash: field ConfigGeneralResult.scrapersPath is not simulated",
		`{findScenes(scene_filter:{captions:{value:"x",modifier:EQUALS}}){count}}`:  "simstash: scene_filter.captions is not simulated",
		`{findScenes(filter:{sort:"bitrate"}){count}}`:                              "simstash: sort bitrate of scenes is not simulated",
		`{findScenes(filter:{sort:"nonsense"}){count}}`:                             "invalid sort: nonsense",
		`{__schema{types{name}}}`:                                                   "simstash: field Query.__schema is not simulated",
	} {
		if err := s.Query(t.Context(), query, nil, nil); err == nil || !strings.HasSuffix(err.Error(), strings.TrimPrefix(want, "simstash: ")) {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestAliasesFragmentsDirectivesAndTypename(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	s.AddScene(Scene{Title: "Harbour at night", Files: []*File{{Path: "/m/a.mp4", Size: 7}}})
	_, got, _ := post(t, s.Transport(), pretty(map[string]any{
		"query": `query Two($yes: Boolean!, $no: Boolean!) {
			s1: findScene(id: 1) { ...Named ... on Scene { files { ... on BaseFile { size } __typename } } }
			s2: findScene(id: 2) { id }
			skipped: findScene(id: 1) @skip(if: $yes) { id }
			left: findScene(id: 1) @include(if: $no) { id }
			findFile(id: 1) { __typename ... on VideoFile { path } }
		}
		fragment Named on Scene { id title id }
		query Other { version { version } }`,
		"operationName": "Two", "variables": map[string]any{"yes": true, "no": false},
	}), nil)
	want := `{"data":{"s1":{"id":"1","title":"Harbour at night","files":[{"size":7,"__typename":"VideoFile"}]},"s2":null,"findFile":{"__typename":"VideoFile","path":"/m/a.mp4"}}}`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if c := s.Counts(); c.Requests != 1 || c.Fields["findScene"] != 4 || c.Fields["findFile"] != 1 || c.BytesOut != int64(len(want)) {
		t.Errorf("counts: %+v", c)
	}
}

type foundScenes struct {
	FindScenes struct {
		Count  int
		Scenes []struct {
			ID         string
			Title      string
			Performers []struct{ ID string }
			Tags       []struct{ Name string }
		}
	}
}

func (f foundScenes) ids() string {
	var out []string
	for _, s := range f.FindScenes.Scenes {
		out = append(out, s.ID)
	}
	return strings.Join(out, " ")
}

func TestScenesByIDsFailWholeOrComeInTheirOrder(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	for range 5 {
		s.AddScene(Scene{Title: "x"})
	}
	for query, want := range map[string]string{
		`{findScenes(ids:["99999","2"]){count scenes{id}}}`: `{"errors":[{"message":"scene with id 99999 not found","path":["findScenes"]}],"data":null}`,
		`{findScenes(ids:["2","2"]){count scenes{id}}}`:     `{"errors":[{"message":"validating ids: duplicate id found: 2","path":["findScenes"]}],"data":null}`,
		`{findScenes(scene_ids:[2,2]){count scenes{id}}}`:   `{"errors":[{"message":"scene with id 2 not found","path":["findScenes"]}],"data":null}`,
		`{findScenes(ids:["4","2"]){count scenes{id}}}`:     `{"data":{"findScenes":{"count":2,"scenes":[{"id":"4"},{"id":"2"}]}}}`,
		`{findScenes(scene_ids:[3]){count scenes{id}}}`:     `{"data":{"findScenes":{"count":1,"scenes":[{"id":"3"}]}}}`,
		`{findScene(id:99999){id}}`:                         `{"data":{"findScene":null}}`,
		`{findScene(id:"abc"){id}}`:                         `{"errors":[{"message":"strconv.Atoi: parsing \"abc\": invalid syntax","path":["findScene"]}],"data":{"findScene":null}}`,
		`{jobQueue{id}}`:                                    `{"data":{"jobQueue":null}}`,
		`{findJob(input:{id:5}){id}}`:                       `{"data":{"findJob":null}}`,
		`{configuration{plugins(include:["plexsync"])}}`:    `{"data":{"configuration":{"plugins":{}}}}`,
	} {
		if status, got, _ := post(t, s.Transport(), pretty(map[string]any{"query": query}), nil); status != 200 || got != want {
			t.Errorf("%s: %d\n got %s\nwant %s", query, status, got, want)
		}
	}
}

func TestScenesArePagedAndOnlyASortOrdersThem(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	for i := range 60 {
		s.AddScene(Scene{Title: fmt.Sprintf("Clip %d", i+1)})
	}
	list := func(filter string) foundScenes {
		return query[foundScenes](t, s, `{findScenes(filter:{`+filter+`}){count scenes{id title}}}`, nil)
	}
	for filter, want := range map[string]string{
		`sort:"id", per_page:3`:                    "1 2 3",
		`sort:"id", per_page:3, page:2`:            "4 5 6",
		`sort:"id", per_page:3, direction:DESC`:    "60 59 58",
		`sort:"title", per_page:2, page:6`:         "11 12",
		`sort:"id", per_page:50, page:3`:           "",
		`sort:"id", per_page:0`:                    "",
		`sort:"id", per_page:50, page:2, q:"clip"`: "51 52 53 54 55 56 57 58 59 60",
	} {
		if got := list(filter); got.ids() != want || got.FindScenes.Count != 60 {
			t.Errorf("%s: %q of %d", filter, got.ids(), got.FindScenes.Count)
		}
	}
	if n := len(list(`sort:"id"`).FindScenes.Scenes); n != 25 {
		t.Errorf("%d on a default page", n)
	}
	all := list(`per_page:-1`)
	if again := list(`per_page:-1`); len(all.FindScenes.Scenes) != 60 || all.ids() == again.ids() {
		t.Error("scenes without a sort came twice in one order")
	}
}

func TestPerformersChangeTheirOrderAndTagsDoNot(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	p := []int64{s.AddPerformer(Performer{Name: "Jane Doe"}), s.AddPerformer(Performer{Name: "John Roe"})}
	tags := []int64{s.AddTag(Tag{Name: "Part 10"}), s.AddTag(Tag{Name: "part 9"}), s.AddTag(Tag{Name: "zebra", SortName: "a"})}
	s.AddScene(Scene{Title: "x", PerformerIDs: p, TagIDs: tags})
	seen := map[string]bool{}
	for range 2 {
		got := query[foundScenes](t, s, `{findScenes(ids:[1]){scenes{performers{id} tags{name}}}}`, nil).FindScenes.Scenes[0]
		seen[fmt.Sprint(got.Performers)] = true
		if names := fmt.Sprint(got.Tags); names != "[{zebra} {part 9} {Part 10}]" {
			t.Errorf("tags: %s", names)
		}
	}
	if len(seen) != 2 {
		t.Errorf("performers came in %d orders", len(seen))
	}
}

func TestSceneFilters(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	s := New(Options{})
	t.Cleanup(s.Close)
	parent := s.AddStudio(Studio{Name: "Studio One"})
	child := s.AddStudio(Studio{Name: "Studio Two", ParentID: parent})
	jane, john := s.AddPerformer(Performer{Name: "Jane Doe"}), s.AddPerformer(Performer{Name: "John Roe"})
	top := s.AddTag(Tag{Name: "Places"})
	harbour := s.AddTag(Tag{Name: "Harbours", ParentIDs: []int64{top}})
	group := s.AddGroup(Group{Name: "Group One"})
	rating := 80
	s.AddScene(Scene{Title: "One", StudioID: parent, PerformerIDs: []int64{jane, john}, UpdatedAt: at, Files: []*File{{Path: "/m/Harbour at night.mp4"}}})
	s.AddScene(Scene{Title: "Two", StudioID: child, PerformerIDs: []int64{jane}, TagIDs: []int64{harbour}, UpdatedAt: at.Add(time.Second), Files: []*File{{Path: "/m/a_b.mp4"}, {Path: "/n/other.mp4"}}})
	s.AddScene(Scene{Title: "Three", Organized: true, Groups: []SceneGroup{{GroupID: group}}, Rating100: &rating, UpdatedAt: at.Add(time.Hour), Files: []*File{{Path: "/m/aXb.mp4"}}})
	for filter, want := range map[string]string{
		`performers:{value:[1],modifier:INCLUDES}`:                                           "1 2",
		`performers:{value:[1,2],modifier:INCLUDES_ALL}`:                                     "1",
		`performers:{value:[2],modifier:EXCLUDES}`:                                           "2 3",
		`performers:{value:[1],modifier:INCLUDES,excludes:[2]}`:                              "2",
		`performers:{modifier:IS_NULL}`:                                                      "3",
		`studios:{value:[1],modifier:INCLUDES}`:                                              "1",
		`studios:{value:[1],modifier:INCLUDES,depth:-1}`:                                     "1 2",
		`studios:{value:["99"],modifier:INCLUDES,depth:-1}`:                                  "",
		`tags:{value:[1],modifier:INCLUDES}`:                                                 "",
		`tags:{value:[1],modifier:INCLUDES,depth:1}`:                                         "2",
		`groups:{value:[1],modifier:INCLUDES}`:                                               "3",
		`organized:true`:                                                                     "3",
		`path:{value:"/m/Harbour at night.mp4",modifier:EQUALS}`:                             "1",
		`path:{value:"/M/HARBOUR at night.mp4",modifier:EQUALS}`:                             "1",
		`path:{value:"/m/a_b.mp4",modifier:EQUALS}`:                                          "2 3", // _ is a wildcard
		`path:{value:"other.mp4",modifier:INCLUDES}`:                                         "2",
		`path:{value:"night other",modifier:INCLUDES}`:                                       "1 2", // any of the words
		`path:{value:"\"night other\"",modifier:INCLUDES}`:                                   "",
		`path:{value:"\"at night\"",modifier:INCLUDES}`:                                      "1",
		`updated_at:{value:"2024-05-06T07:08:09Z",modifier:GREATER_THAN}`:                    "2 3",
		`updated_at:{value:"2024-05-06T09:08:10+02:00",modifier:EQUALS}`:                     "2",
		`rating100:{value:80,modifier:EQUALS}`:                                               "3",
		`rating100:{value:10,modifier:NOT_EQUALS}`:                                           "3", // unset ones are skipped
		`id:{value:1,modifier:GREATER_THAN}`:                                                 "2 3",
		`organized:false, OR:{id:{value:3,modifier:EQUALS}}`:                                 "1 2 3",
		`NOT:{studios:{value:[1],modifier:INCLUDES,depth:-1}}`:                               "3",
		`performers:{value:[1],modifier:INCLUDES}, AND:{tags:{value:[2],modifier:INCLUDES}}`: "2",
	} {
		got := query[foundScenes](t, s, `{findScenes(scene_filter:{`+filter+`}, filter:{sort:"id"}){count scenes{id}}}`, nil)
		if got.ids() != want || got.FindScenes.Count != len(got.FindScenes.Scenes) {
			t.Errorf("%s: %q, want %q", filter, got.ids(), want)
		}
	}
}

func TestObjectsAreFound(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	s.AddPerformer(Performer{Name: "Jane Doe", Aliases: []string{"JD"}})
	s.AddPerformer(Performer{Name: "John Roe"})
	s.AddStudio(Studio{Name: "Studio One"})
	s.AddStudio(Studio{Name: "Studio Two", ParentID: 1, Image: []byte("x")})
	s.AddTag(Tag{Name: "Harbours"})
	s.AddGroup(Group{Name: "Group One"})
	s.AddScene(Scene{Title: "x", StudioID: 2, PerformerIDs: []int64{1}})
	_, got, _ := post(t, s.Transport(), pretty(map[string]any{"query": `{
		findPerformers(filter: {q: "jd"}) { count performers { id scene_count height_cm } }
		findStudio(id: 1) { child_studios { name image_path } own: scene_count all: scene_count(depth: -1) }
		findTags(ids: ["1"]) { tags { name } }
		findGroups(group_filter: {name: {value: "group one", modifier: EQUALS}}) { groups { id front_image_path } }
		findTag(id: 9) { id }
	}`}), nil)
	at, _ := s.Studio(2)
	group, _ := s.Group(1)
	want := fmt.Sprintf(`{"data":{"findPerformers":{"count":1,"performers":[{"id":"1","scene_count":1,"height_cm":null}]},`+
		`"findStudio":{"child_studios":[{"name":"Studio Two","image_path":"http://stash.test:9999/studio/2/image?t=%d"}],"own":0,"all":1},`+
		`"findTags":{"tags":[{"name":"Harbours"}]},"findGroups":{"groups":[{"id":"1","front_image_path":"http://stash.test:9999/group/1/frontimage?t=%d&default=true"}]},"findTag":null}}`,
		at.UpdatedAt.Unix(), group.UpdatedAt.Unix())
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// clock is a clock that moves when it is told to.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func TestUpdatedAtMovesAsInStash(t *testing.T) {
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s := New(Options{Now: c.now, Identify: func(Scene) map[string]any { return map[string]any{"code": "A-1"} }})
	t.Cleanup(s.Close)
	s.AddPerformer(Performer{Name: "Jane Doe"})
	s.AddPerformer(Performer{Name: "Janet Doe"})
	s.AddStudio(Studio{Name: "Studio One"})
	s.AddTag(Tag{Name: "Tag One"})
	s.AddTag(Tag{Name: "Tag Two"})
	s.AddGroup(Group{Name: "Group One"})
	s.AddScene(Scene{
		Files: []*File{{Path: "/m/a.mp4"}, {Path: "/m/b.mp4"}, {Path: "/m/Jane Doe.mp4"}}, PerformerIDs: []int64{2}, TagIDs: []int64{1, 2}, StudioID: 1,
		Groups: []SceneGroup{{GroupID: 1}},
	})
	s.AddScene(Scene{Title: "other"})
	s.AddScene(Scene{Title: "third"})
	run := func(q string) func() {
		return func() {
			if err := s.Query(t.Context(), `mutation {`+q+`}`, nil, nil); err != nil {
				t.Errorf("%s: %v", q, err)
			}
		}
	}
	for _, step := range []struct {
		what  string
		do    func()
		moves bool
	}{
		{"edit", run(`sceneUpdate(input:{id:1,title:"x"}){id}`), true},
		{"edit without a change", run(`sceneUpdate(input:{id:1,title:"x"}){id}`), true},
		{"bulk edit", run(`bulkSceneUpdate(input:{ids:[1],rating100:5}){id}`), true},
		{"scenesUpdate", run(`scenesUpdate(input:[{id:1,code:"c"}]){id}`), true},
		{"rename a performer", run(`performerUpdate(input:{id:2,name:"Janet"}){id}`), false},
		{"rename a studio", run(`studioUpdate(input:{id:1,name:"Studio"}){id}`), false},
		{"merge tags", run(`tagsMerge(input:{source:[2],destination:1}){id}`), false},
		{"merge performers", run(`performerMerge(input:{source:[2],destination:1}){id}`), false},
		{"move a file", run(`moveFiles(input:{ids:[1],destination_basename:"c.mp4"})`), false},
		{"delete a second file", run(`deleteFiles(ids:[2])`), false},
		{"rename on disk", func() { s.RenameOnDisk("/m/c.mp4", "/m/d.mp4"); s.Scan(ScanOptions{}) }, false},
		{"change on disk", func() { s.ChangeOnDisk("/m/d.mp4", 5, 5); s.Scan(ScanOptions{}) }, false},
		{"copy on disk", func() { s.CopyOnDisk("/m/d.mp4", "/m/e.mp4"); s.Scan(ScanOptions{}) }, true},
		{"scan of what is known", func() { s.Scan(ScanOptions{}) }, false},
		{"rescan", func() { s.Scan(ScanOptions{Rescan: true}) }, false},
		{"screenshot", run(`sceneGenerateScreenshot(id:1)`), true},
		{"phash", func() { s.Generate(1) }, true},
		{"nothing to generate", func() { s.Generate(1) }, false},
		{"identify", func() { s.Identify(1) }, true},
		{"merge scenes", run(`sceneMerge(input:{source:[2],destination:1}){id}`), true},
		{"delete the studio", run(`studioDestroy(input:{id:1})`), false},
		{"delete the group", run(`groupDestroy(input:{id:1})`), false},
		{"delete the tag", run(`tagsDestroy(ids:[1])`), false},
		{"delete the performer", run(`performerDestroy(input:{id:1})`), false},
	} {
		before, _ := s.Scene(1)
		c.t = c.t.Add(time.Minute)
		step.do()
		idle(t, s)
		after, ok := s.Scene(1)
		if moved := !after.UpdatedAt.Equal(before.UpdatedAt); !ok || moved != step.moves {
			t.Errorf("%s: updated_at moved: %v", step.what, moved)
		}
	}
	last, _ := s.Scene(1)
	var paths []string
	for _, f := range last.Files {
		paths = append(paths, f.Path)
	}
	if want := []string{"/m/d.mp4", "/m/Jane Doe.mp4", "/m/e.mp4"}; !slices.Equal(paths, want) {
		t.Errorf("files: %q", paths)
	}
	if last.StudioID != 0 || len(last.PerformerIDs)+len(last.TagIDs)+len(last.Groups) != 0 {
		t.Errorf("left behind: %+v", last)
	}
}

func TestAutoTagChangesScenesWithoutAHook(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	jane := s.AddPerformer(Performer{Name: "Jane Doe"})
	s.AddPerformer(Performer{Name: "Jan"})
	s.AddScene(Scene{Files: []*File{{Path: "/m/jane.doe-harbour.mp4"}}})
	s.AutoTag()
	idle(t, s)
	if sc, _ := s.Scene(1); !slices.Equal(sc.PerformerIDs, []int64{jane}) || len(s.HookEvents()) != 0 {
		t.Errorf("%v, hooks %v", sc.PerformerIDs, s.HookEvents())
	}
}

func TestIdentifyShowsOnlyTheChangedFields(t *testing.T) {
	s := New(Options{Identify: func(sc Scene) map[string]any {
		if sc.ID == 1 {
			return map[string]any{"tag_ids": []any{"1"}}
		}
		return nil
	}})
	t.Cleanup(s.Close)
	s.AddTag(Tag{Name: "Tag One"})
	s.AddScene(Scene{Title: "x"})
	s.AddScene(Scene{Title: "y"})
	s.Identify()
	idle(t, s)
	got := s.HookEvents()
	if len(got) != 1 || got[0].Type != "Scene.Update.Post" || !slices.Equal(got[0].InputFields, []string{"tag_ids"}) ||
		!strings.Contains(string(got[0].Input), `"id":"1"`) || !strings.Contains(string(got[0].Input), `"tag_ids":["1"]`) {
		t.Errorf("%+v", got)
	}
}

func TestFailedMutationsChangeNothingAndFireNothing(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	s.AddTag(Tag{Name: "Tag One"})
	s.AddScene(Scene{Title: "a"})
	s.AddScene(Scene{Title: "b", Files: []*File{{Path: "/b.mp4"}}})
	before := []Scene{}
	for id := range int64(2) {
		sc, _ := s.Scene(id + 1)
		before = append(before, sc)
	}
	for q, want := range map[string]string{
		`bulkSceneUpdate(input:{ids:[1,9],title:"x"}){id}`:       "scene with id 9 not found",
		`sceneUpdate(input:{id:1,title:""}){id}`:                 "title must be set if scene has no files",
		`sceneUpdate(input:{id:1,date:"soon"}){id}`:              `converting date: failed to parse date "soon"`,
		`sceneUpdate(input:{id:1,performer_ids:[7]}){id}`:        "FOREIGN KEY constraint failed",
		`sceneUpdate(input:{id:1,primary_file_id:1}){id}`:        "file with id 1 not associated with scene",
		`scenesDestroy(input:{ids:[1,9]})`:                       "scene with id 9 not found",
		`sceneMerge(input:{source:[1],destination:1}){id}`:       "destination scene cannot be in source list",
		`sceneAssignFile(input:{scene_id:1,file_id:1})`:          "assigning file to scene: cannot reassign primary file",
		`tagCreate(input:{name:"tag one"}){id}`:                  "tag with name 'tag one' already exists",
		`sceneUpdate(input:{id:1,cover_image:"http://x/y"}){id}`: "processing cover_image: simstash: pictures from URLs are not simulated",
		`runPluginOperation(plugin_id:"none")`:                   "no plugin with ID none",
	} {
		err := s.Query(t.Context(), `mutation {`+q+`}`, nil, nil)
		if err == nil || strings.TrimPrefix(err.Error(), "simstash: ") != want {
			t.Errorf("%s: %v", q, err)
		}
	}
	for i, b := range before {
		if after, _ := s.Scene(int64(i + 1)); !reflect.DeepEqual(after, b) {
			t.Errorf("scene %d changed: %+v", i+1, after)
		}
	}
	if e := s.HookEvents(); len(e) != 0 {
		t.Errorf("hooks: %+v", e)
	}
}

func TestSettingsAreReplacedWhole(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	type settings struct {
		Configuration struct{ Plugins map[string]map[string]any }
	}
	set := func(v map[string]any) {
		query[any](t, s, `mutation($i: Map!){configurePlugin(plugin_id:"plexsync",input:$i)}`, map[string]any{"i": v})
	}
	get := func(include string) map[string]map[string]any {
		return query[settings](t, s, `{configuration{plugins`+include+`}}`, nil).Configuration.Plugins
	}
	set(map[string]any{"plexUrl": "http://plex.test", "maxRetries": 3, "paused": true})
	set(map[string]any{"maxRetries": 1.5})
	s.SetPluginSettings("other", map[string]any{"x": "y"})
	if got, want := get(`(include:["plexsync","absent"])`), (map[string]map[string]any{"plexsync": {"maxRetries": 1.5}}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if got := get(""); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestALargeLibraryIsCheap(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves it out: it measures a library of 200,000 scenes")
	}
	const n = 200_000
	s := New(Options{})
	t.Cleanup(s.Close)
	s.AddPerformer(Performer{Name: "Jane Doe"})
	for i := range n {
		s.AddScene(Scene{
			Title: fmt.Sprintf("Harbour at night %d", i), PerformerIDs: []int64{1},
			Files: []*File{{Path: fmt.Sprintf("/media/%d/clip %d.mp4", i%1000, i), Size: int64(1000 + i), Duration: 60}},
		})
	}
	got := query[foundScenes](t, s, `{findScenes(filter:{sort:"id",page:200,per_page:1000}){count scenes{id title performers{id}}}}`, nil)
	if f := got.FindScenes; f.Count != n || len(f.Scenes) != 1000 || f.Scenes[999].ID != "200000" {
		t.Errorf("%d scenes, %d on the last page", f.Count, len(f.Scenes))
	}
}

func FuzzGraphQLBodies(f *testing.F) {
	f.Add(`{"query":"{findScene(id:1){id title files{path}}}"}`)
	f.Add(`{"query":"mutation($i:SceneUpdateInput!){sceneUpdate(input:$i){id}}","variables":{"i":{"id":1,"title":null}}}`)
	f.Add(`{"query":"{findScenes(scene_filter:{path:{value:\"%_\",modifier:EQUALS}}){count}}"}`)
	f.Add(`{"query":"query($x:[ID!]){findScenes(ids:$x){count}}","variables":{"x":[1,"2",3.5]}}`)
	s := New(Options{})
	f.Cleanup(s.Close)
	s.AddScene(Scene{Title: "Harbour at night", Files: []*File{{Path: "/a.mp4"}}})
	f.Fuzz(func(t *testing.T, body string) {
		status, text, _ := post(t, s.Transport(), body, nil)
		if !json.Valid([]byte(text)) || status != 200 && status != 400 && status != 422 {
			t.Errorf("%d %s", status, text)
		}
		if strings.Contains(text, "Internal system error") {
			t.Errorf("panic: %s", text)
		}
	})
}
