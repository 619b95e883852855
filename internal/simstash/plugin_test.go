package simstash

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// documentOf decodes what a process was given.
func documentOf(t *testing.T, r PluginRun) (in struct {
	ServerConnection serverConnection `json:"server_connection"`
	Args             map[string]any
}) {
	t.Helper()
	if err := json.Unmarshal(r.Document, &in); err != nil {
		t.Fatal(err)
	}
	return in
}

func TestAHookIsOneProcessThatTheMutationWaitsFor(t *testing.T) {
	s, _ := start(t, Options{Dir: "/conf/stash"}, map[string]string{"rec.yml": hookManifest("echo", "Scene.Update.Post", "Scene.Destroy.Post", "No.Such.Hook")})
	for range 3 {
		s.AddScene(Scene{Title: "x"})
	}
	query[any](t, s, `mutation { bulkSceneUpdate(input: {ids: [3, 1], code: "c"}) { id } }`, nil)
	query[any](t, s, `mutation { tagCreate(input: {name: "not listened to"}) { id } }`, nil)
	runs := s.PluginRuns()
	if len(runs) != 2 || runs[0].ID != 3 || runs[1].ID != 1 {
		t.Fatalf("%d runs", len(runs))
	}
	for _, r := range runs {
		if r.Kind != "hook" || r.Hook != "Scene.Update.Post" || !r.Ended || r.ExitCode != 0 || r.Killed || r.Duration <= 0 {
			t.Errorf("%+v", r)
		}
		in := documentOf(t, r)
		c := in.ServerConnection
		if c.Host != "0.0.0.0" || c.Port != s.port.Load() || c.Scheme != "http" || c.Dir != "/conf/stash" || !filepath.IsAbs(c.PluginDir) || c.SessionCookie.Value == "" {
			t.Errorf("%+v", c)
		}
		if in.Args["mode"] != "echo" || in.Args["hookContext"].(map[string]any)["type"] != "Scene.Update.Post" {
			t.Errorf("args: %v", in.Args)
		}
		if !strings.Contains(string(r.Stdout), `"hookContext"`) {
			t.Errorf("the plugin read something else: %s", r.Stdout)
		}
	}
}

func TestTheProgramIsLookedUpInPathFirst(t *testing.T) {
	folder := pluginFolder(t, map[string]string{
		"bare.yml":     "name: Bare\nexec: [rec]\n",
		"dotted.yml":   "name: Dotted\nexec: [./rec, '{pluginDir}/x']\n",
		"missing.yml":  "name: Missing\nexec: [./nothing]\n",
		"mode.yml":     "name: Mode\nexec: [./rec.txt]\n",
		"template.yml": "name: Template\nexec: ['{pluginDir}/rec']\n",
		"empty.yml":    "name: Empty\n",
	})
	os.WriteFile(filepath.Join(folder, "rec.txt"), nil, 0o644)
	inPath := t.TempDir()
	self, _ := os.Executable()
	os.Symlink(self, filepath.Join(inPath, "rec"))
	s := New(Options{Env: []string{"SIMSTASH_TEST_PLUGIN=1", "PATH=" + inPath, "SIMSTASH_MARK=inherited"}, Cwd: filepath.Dir(folder)})
	t.Cleanup(s.Close)
	rel := filepath.Base(folder) // relative to Stash's working directory
	if err := s.LoadPlugin(rel); err != nil {
		t.Fatal(err)
	}
	where := func(plugin string) (out map[string]any, err error) {
		var answer struct{ RunPluginOperation map[string]any }
		err = s.Query(t.Context(), `mutation($p: ID!) { runPluginOperation(plugin_id: $p, args: {mode: "where"}) }`, map[string]any{"p": plugin}, &answer)
		return answer.RunPluginOperation, err
	}
	for plugin, want := range map[string]string{
		"bare": "rec []", "dotted": rel + "/rec [" + rel + "/x]",
		"missing": "no such file", "mode": "permission denied", "template": "no such file", "empty": "empty exec value",
	} {
		got, err := where(plugin)
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", plugin, err)
			}
			continue
		}
		run := s.PluginRuns()[len(s.PluginRuns())-1]
		if text := fmt.Sprint(run.Argv[0], " ", run.Argv[1:]); text != want {
			t.Errorf("%s: %s, want %s", plugin, text, want)
		}
		cwd, _ := filepath.EvalSymlinks(filepath.Dir(folder))
		if real, _ := filepath.EvalSymlinks(got["cwd"].(string)); real != cwd || got["env"] != "inherited" || got["ppid"] != float64(os.Getpid()) {
			t.Errorf("%s: %v", plugin, got)
		}
		if dir := documentOf(t, run).ServerConnection.PluginDir; dir != rel {
			t.Errorf("%s: PluginDir %s", plugin, dir)
		}
	}
}

func TestManifestsAreReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		manifest(""): "",
		hookManifest("echo", "Scene.Create.Post"):                                                                            "",
		"name: x\r\nexec:\r\n  - a\r\n":                                                                                      "",
		"name: 'it''s'\nui:\n  javascript: [a.js]\n  assets:\n    /img: img\n  csp: {}\n":                                    "",
		"name: x\nui:\n  requires:\n    - a\n  css:\n  - b.css\n  csp:\n    connect-src:\n      - https://x.test\n":          "",
		"name: x\ndescription: >-\n  some words\n  more\nsettings:\n  a:\n    type: BOOLEAN\n    displayName: A # comment\n": "",
		"name: x\nsettings:\n  a:\n    type: BOOLEAN\n    default: true\n":                                                   "field default not found",
		"name: x\nsettings:\n  a:\n    type: boolean\n":                                                                      "invalid type",
		"name: x\nnonsense: 1\n":                               "field nonsense not found in type plugin.Config",
		"name: x\ntasks:\n  - name: a\n    triggeredBy: [b]\n": "field triggeredBy not found in type plugin.OperationConfig",
		"name: x\nhooks:\n  - name: a\n    mode: b\n":          "field mode not found in type plugin.HookConfig",
		"name: x\nui:\n  js: a\n":                              "field js not found in type plugin.UIConfig",
		"name: x\ninterface: socket\n":                         "invalid interface",
		"name: x\nname: y\n":                                   "already set",
		"name: x\n\texec: a\n":                                 "cannot start any token",
		"name: x\nexec: a\n":                                   "cannot unmarshal into a list",
		"name: a: b\n":                                         "mapping values are not allowed",
		"name: \"a\n":                                          "quoted string",
	} {
		_, err := parseManifest(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestAManifestMeansWhatItSays(t *testing.T) {
	p, err := parseManifest(`# a comment
name: "Plex\u0053ync" # another
description: 'keeps a # library: true'
url: https://example.com/x#y
exec: [ "./a", 'b, c', d ]
errLog: info
tasks:
- name: One
  description: first line
    goes on
  execArgs:
    - --flag
  defaultArgs:
    mode: one
    empty:
hooks:
  - name: h
    triggeredBy:
    - Scene.Update.Post
    - Tag.Merge.Post
settings:
  b:
    type: NUMBER
  a:
    description: |
      line one
      line two
`)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%q %q %q %q %v %q %q %q %q", p.name, p.description, p.url, p.exec, p.errLog,
		p.tasks[0].description, p.tasks[0].execArgs, p.hooks[0].triggeredBy, p.settings)
	want := `"PlexSync" "keeps a # library: true" "https://example.com/x#y" ["./a" "b, c" "d"] info ` +
		`"first line goes on" ["--flag"] ["Scene.Update.Post" "Tag.Merge.Post"] ` +
		`[{"a" "STRING" "" "line one\nline two\n"} {"b" "NUMBER" "" ""}]`
	if got != want || fmt.Sprint(p.tasks[0].defaultArgs) != "map[empty: mode:one]" {
		t.Errorf("\n got %s %v\nwant %s", got, p.tasks[0].defaultArgs, want)
	}
}

func TestABadManifestBesideAGoodOneIsNotLoaded(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	folder := pluginFolder(t, map[string]string{"good.yml": recManifest, "bad.yml": "default: x\n"})
	if err := s.LoadPlugin(folder); err == nil || !strings.Contains(err.Error(), "bad.yml") {
		t.Errorf("error: %v", err)
	}
	if got := s.Plugins(); !slices.Equal(got, []string{"good"}) || len(s.Logs(LevelError)) != 1 {
		t.Errorf("loaded %q, log %v", got, s.Logs(LevelError))
	}
	query[any](t, s, `mutation { setPluginsEnabled(enabledMap: {good: false}) }`, nil)
	type list struct {
		Plugins []struct {
			ID      string
			Enabled bool
		}
	}
	if got := query[list](t, s, `{plugins{id enabled}}`, nil); len(got.Plugins) != 1 || got.Plugins[0].Enabled || len(s.Plugins()) != 0 {
		t.Errorf("%+v", got)
	}
	os.WriteFile(filepath.Join(folder, "bad.yml"), []byte(recManifest), 0o644)
	query[any](t, s, `mutation { reloadPlugins }`, nil)
	if got := s.Plugins(); !slices.Equal(got, []string{"bad"}) {
		t.Errorf("after a reload: %q", got)
	}
}

func TestStderrIsTakenApart(t *testing.T) {
	s, _ := start(t, Options{}, map[string]string{"rec.yml": manifest("")})
	s.RunTask("rec", "Log")
	idle(t, s)
	var got []string
	for _, l := range s.Logs(LevelTrace) {
		if l.Plugin == "Recorder" || strings.Contains(l.Text, "progress") {
			got = append(got, l.Level.String()+": "+l.Text)
		}
	}
	want := []string{
		"trace: level t", "debug: level d", "info: level i", "warning: level w", "error: level e",
		"error: \x01i\x02", "error: a bare line",
		"error: Error parsing progress value 'many': strconv.ParseFloat: parsing \"many\": invalid syntax",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if j := s.Jobs()[0]; !slices.Equal(j.Progresses, []float64{0.25}) || j.Progress != 0.25 {
		t.Errorf("progress: %v", j.Progresses)
	}
	type logs struct {
		Logs []struct{ Level, Message string }
	}
	if shown := query[logs](t, s, `{logs{level message}}`, nil).Logs; len(shown) != 6 || shown[len(shown)-1].Message != "[Plugin / Recorder] level i" {
		t.Errorf("shown: %+v", shown)
	}
}

func TestALineOf64KiBEndsTheLogAndTheProcess(t *testing.T) {
	s, _ := start(t, Options{}, map[string]string{"rec.yml": manifest("")})
	run, err := s.RunRaw(t.Context(), "rec", s.Document("rec", map[string]any{"mode": "long line"}))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, l := range s.Logs(LevelInfo) {
		texts = append(texts, fmt.Sprint(len(l.Text)))
	}
	if got := strings.Join(texts, " "); got != "65531 6" {
		t.Errorf("logged lines of %s bytes", got)
	}
	if run.ExitCode != -1 {
		t.Errorf("exit %d: the process was not ended by SIGPIPE", run.ExitCode)
	}
}

func TestStdoutAndExitBecomeTheOutcome(t *testing.T) {
	s, _ := start(t, Options{}, map[string]string{"rec.yml": manifest("")})
	op := func(mode string) (any, string) {
		var out struct{ RunPluginOperation any }
		err := s.Query(t.Context(), `mutation($a: Map) { runPluginOperation(plugin_id: "rec", args: $a) }`,
			map[string]any{"a": map[string]any{"mode": mode, "deep": map[string]any{"n": json.Number("9007199254740993")}}}, &out)
		if err != nil {
			return nil, strings.TrimPrefix(err.Error(), "simstash: ")
		}
		return out.RunPluginOperation, ""
	}
	for mode, want := range map[string]string{"error": "it broke", "empty error": "", "exit": "exit status 3"} {
		if out, err := op(mode); err != want || out != nil {
			t.Errorf("%s: %v, %q", mode, out, err)
		}
	}
	if out, _ := op("text"); out != "just text" {
		t.Errorf("text: %v", out)
	}
	op("echo")
	if run := s.PluginRuns()[len(s.PluginRuns())-1]; run.Kind != "operation" || !strings.Contains(string(run.Document), `"n":9007199254740993`) {
		t.Errorf("%s", run.Document)
	}
	// An error is an error even when its text is empty.
	if err := s.Query(t.Context(), `mutation { runPluginOperation(plugin_id: "rec", args: {mode: "empty error"}) }`, nil, nil); err == nil {
		t.Error("an empty error passed for success")
	}
}

func TestTasksQueueAndAlwaysFinish(t *testing.T) {
	s, _ := start(t, Options{}, map[string]string{"rec.yml": manifest("")})
	release := s.BlockQueue("Scanning...")
	eventually(t, "the first job runs", func() bool { return s.JobQueue()[0].Status == JobRunning })
	type ran struct{ RunPluginTask string }
	run := func(args string) string {
		return query[ran](t, s, `mutation { runPluginTask(plugin_id: "rec", `+args+`) }`, nil).RunPluginTask
	}
	ids := []string{
		run(`task_name: "Echo", args_map: {mode: "echo", extra: [1]}`),
		run(`task_name: "Echo", description: "mine", args: [{key: "secs", value: {i: 5}}, {key: "list", value: {a: [{str: "x"}, {b: true}]}}]`),
		run(`args_map: {mode: "echo"}`),
		run(`task_name: "Fail"`),
		run(`task_name: "Nope"`),
	}
	cancelled := run(`task_name: "Echo"`)
	query[any](t, s, `mutation($id: ID!) { stopJob(job_id: $id) }`, map[string]any{"id": cancelled})
	type queue struct {
		JobQueue []struct{ ID, Status, Description string }
	}
	got := fmt.Sprint(query[queue](t, s, `{jobQueue{id status description}}`, nil).JobQueue)
	want := `[{1 RUNNING Scanning...} {2 READY Running plugin task: Echo} {3 READY Running plugin task: mine} {4 READY Running plugin task: rec} ` +
		`{5 READY Running plugin task: Fail} {6 READY Running plugin task: Nope}]`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	release()
	idle(t, s)
	type found struct {
		FindJob struct {
			Status string
			Error  *string
		}
	}
	var states []string
	for _, id := range append(ids, cancelled) {
		j := query[found](t, s, `query($id: ID!){findJob(input:{id:$id}){status error}}`, map[string]any{"id": id}).FindJob
		text := j.Status
		if j.Error != nil {
			text += " " + *j.Error
		}
		states = append(states, text)
	}
	if want := []string{"FINISHED", "FINISHED", "FINISHED", "FINISHED", "FAILED Error creating plugin task: no task with name Nope in plugin Recorder", "CANCELLED"}; !slices.Equal(states, want) {
		t.Errorf("%q", states)
	}
	var args []string
	for _, r := range s.PluginRuns() {
		args = append(args, fmt.Sprint(documentOf(t, r).Args))
	}
	if want := []string{
		"map[extra:[1] mode:echo secs:3]", "map[list:[x true] mode:echo secs:5]", "map[mode:echo]", "map[mode:exit]",
	}; !slices.Equal(args, want) {
		t.Errorf("%q", args)
	}
	if errs := s.Logs(LevelError); len(errs) != 2 || errs[0].Text != "Plugin returned error: exit status 3" {
		t.Errorf("log: %v", errs)
	}
}

func TestAHookMayQueueATaskWithItsCookie(t *testing.T) {
	s, _ := start(t, Options{Username: "jane", Password: "secret"}, map[string]string{"rec.yml": hookManifest("queue", "Scene.Create.Post")})
	for i := range 3 {
		s.AddFileOnDisk(DiskFile{Path: fmt.Sprintf("/m/%d.mp4", i), Size: int64(i)})
	}
	s.Scan(ScanOptions{})
	idle(t, s)
	var done int
	for _, j := range s.Jobs() {
		if j.Description == "Running plugin task: from a hook" && j.Status == JobFinished {
			done++
		}
	}
	if done != 3 {
		t.Errorf("%d of 3 tasks ran; log %v", done, s.Logs(LevelWarning))
	}
}

func TestStoppingATaskKillsIt(t *testing.T) {
	s, _ := start(t, Options{}, map[string]string{"rec.yml": manifest("")})
	id := s.RunTask("rec", "Sleep")
	eventually(t, "the task sleeps", func() bool { return len(s.Logs(LevelInfo)) > 0 })
	s.StopJob(id)
	idle(t, s)
	eventually(t, "the process ended", func() bool { return s.PluginRuns()[0].Ended })
	if j, r := s.Jobs()[0], s.PluginRuns()[0]; j.Status != JobCancelled || !r.Killed || r.ExitCode != -1 {
		t.Errorf("%+v", j)
	}
}

func TestARestartForgetsTheQueueButKillsNothing(t *testing.T) {
	s, _ := start(t, Options{}, map[string]string{"rec.yml": manifest("")})
	cookie := s.SessionCookie()
	s.RunTask("rec", "Sleep")
	s.RunTask("rec", "Echo")
	eventually(t, "the task sleeps", func() bool { return len(s.Logs(LevelInfo)) > 0 })
	s.Restart()
	if q := s.JobQueue(); q != nil {
		t.Errorf("queue: %v", q)
	}
	if id := s.RunTask("rec", "Echo"); id != 1 {
		t.Errorf("job ids go on at %d", id)
	}
	idle(t, s)
	runs := s.PluginRuns()
	if len(runs) != 2 || runs[0].Ended || runs[0].Killed || runs[1].Task != "Echo" || !runs[1].Ended {
		t.Errorf("%d runs", len(runs))
	}
	if _, ok := s.open(cookie.Value); !ok {
		t.Error("the session did not survive")
	}
}

func TestAClientThatGoesAwayKillsTheHookAndTheRest(t *testing.T) {
	s, url := start(t, Options{}, map[string]string{"rec.yml": hookManifest("sleep", "Scene.Update.Post")})
	for range 3 {
		s.AddScene(Scene{Title: "x"})
	}
	ctx, leave := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "POST", url+"/graphql", strings.NewReader(`{"query":"mutation{bulkSceneUpdate(input:{ids:[1,2,3],title:\"y\"}){id}}"}`))
	req.Header.Set("Content-Type", "application/json")
	go func() {
		eventually(t, "the hook sleeps", func() bool { return len(s.Logs(LevelInfo)) > 0 })
		leave()
	}()
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		t.Error("the mutation answered")
	}
	eventually(t, "the process ended", func() bool { r := s.PluginRuns(); return len(r) == 1 && r[0].Ended })
	eventually(t, "the request ended", func() bool { return s.Requests()[0].Interrupted })
	if r := s.PluginRuns(); len(r) != 1 || !r[0].Killed {
		t.Errorf("%d runs, killed %v", len(r), r[0].Killed)
	}
	for id := range int64(3) {
		if sc, _ := s.Scene(id + 1); sc.Title != "y" {
			t.Errorf("scene %d was not changed", sc.ID)
		}
	}
}

func TestAHookThatTriggersItselfIsStoppedAfterTenRuns(t *testing.T) {
	s, _ := start(t, Options{}, map[string]string{"rec.yml": hookManifest("retitle", "Scene.Update.Post")})
	s.AddScene(Scene{Title: "x"})
	if err := s.EditScene(1, map[string]any{"title": "y"}); err != nil {
		t.Fatal(err)
	}
	if n := len(s.PluginRuns()); n != 10 {
		t.Errorf("%d runs", n)
	}
	if n := len(s.HookEvents()); n != 11 {
		t.Errorf("%d events", n)
	}
}

func TestAPluginThatCannotStartHidesTheNextOnes(t *testing.T) {
	s, _ := start(t, Options{}, map[string]string{
		"a.yml":   "name: A\nexec: [./missing]\nhooks:\n  - name: x\n    triggeredBy: [Scene.Update.Post]\n",
		"rec.yml": hookManifest("echo", "Scene.Update.Post"),
	})
	s.AddScene(Scene{Title: "x"})
	if err := s.EditScene(1, map[string]any{"title": "y"}); err != nil {
		t.Fatal(err)
	}
	runs := s.PluginRuns()
	if len(runs) != 1 || runs[0].Plugin != "a" || runs[0].Err == "" || !strings.Contains(s.Logs(LevelError)[0].Text, "error executing post hooks: error running plugin") {
		t.Errorf("%+v", runs)
	}
	query[any](t, s, `mutation { setPluginsEnabled(enabledMap: {a: false}) }`, nil)
	if err := s.EditScene(1, map[string]any{"title": "z"}); err != nil || len(s.PluginRuns()) != 2 {
		t.Errorf("%v, %d runs", err, len(s.PluginRuns()))
	}
}

func TestCloseEndsWhatRuns(t *testing.T) {
	s, _ := start(t, Options{}, map[string]string{"rec.yml": manifest("")})
	s.RunTask("rec", "Sleep")
	eventually(t, "the task sleeps", func() bool { return len(s.Logs(LevelInfo)) > 0 })
	began := time.Now()
	s.Close()
	if r := s.PluginRuns()[0]; !r.Ended || time.Since(began) > 20*time.Second {
		t.Errorf("%+v", r)
	}
}

func FuzzManifest(f *testing.F) {
	for _, seed := range []string{manifest(""), hookManifest("echo", "Scene.Create.Post"), "a: |\n  b\n", "- a\n-\n  - b\n", "a: [b,\n c]\n", "---\na: 'b''c'\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parseManifest(text); (p == nil) == (err == nil) {
			t.Errorf("%v, %v", p, err)
		}
	})
}
