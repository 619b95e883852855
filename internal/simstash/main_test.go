package simstash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the plugin that the tests launch.
func TestMain(m *testing.M) {
	if os.Getenv("SIMSTASH_TEST_PLUGIN") != "" {
		os.Exit(pluginMain())
	}
	os.Exit(m.Run())
}

// pluginMain is a plugin that does what args.mode says.
func pluginMain() int {
	stdin, _ := io.ReadAll(os.Stdin)
	var in struct {
		Server serverConnection `json:"server_connection"`
		Args   map[string]any   `json:"args"`
	}
	if err := json.Unmarshal(stdin, &in); err != nil {
		fmt.Fprintln(os.Stderr, "plugin: stdin:", err)
		return 1
	}
	say := func(v any) { json.NewEncoder(os.Stdout).Encode(map[string]any{"output": v}) }
	log := func(level, text string) { fmt.Fprintf(os.Stderr, "\x01%s\x02%s\n", level, text) }
	switch in.Args["mode"] {
	case "echo":
		say(in.Args)
	case "where":
		cwd, _ := os.Getwd()
		say(map[string]any{"cwd": cwd, "ppid": os.Getppid(), "argv": os.Args[1:], "env": os.Getenv("SIMSTASH_MARK")})
	case "error":
		fmt.Print(`{"error": "it broke"}`)
	case "empty error":
		fmt.Print(`{"error": ""}`)
	case "exit":
		return 3
	case "text":
		fmt.Print("just text")
	case "log":
		for _, l := range []string{"t", "d", "i", "w", "e"} {
			log(l, "level "+l)
		}
		log("p", "0.25")
		log("i", "") // too short for a line of the protocol
		fmt.Fprintln(os.Stderr, "a bare line")
		log("p", "many")
	case "long line":
		log("i", strings.Repeat("x", 64<<10-5)) // 65,534 bytes and the newline: fits
		log("i", "before")
		log("i", strings.Repeat("y", 64<<10))
		for range 1000 { // the pipe is closed: SIGPIPE
			log("i", "after")
			time.Sleep(time.Millisecond)
		}
	case "sleep":
		log("i", "asleep")
		time.Sleep(time.Minute)
	case "retitle":
		body := `{"query": "mutation { sceneUpdate(input: {id: 1, organized: true}) { id } }"}`
		req, _ := http.NewRequest("POST", fmt.Sprintf("http://127.0.0.1:%d/graphql", in.Server.Port), strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		req.AddCookie(in.Server.SessionCookie)
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != 200 {
			fmt.Fprintln(os.Stderr, "plugin: retitle:", err)
			return 1
		}
	case "queue":
		body := `{"query": "mutation { runPluginTask(plugin_id: \"rec\", task_name: \"Echo\", description: \"from a hook\") }"}`
		req, _ := http.NewRequest("POST", fmt.Sprintf("http://127.0.0.1:%d/graphql", in.Server.Port), strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		req.AddCookie(in.Server.SessionCookie)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Fprintln(os.Stderr, "plugin: queue:", err)
			return 1
		}
		io.Copy(os.Stdout, res.Body)
	}
	return 0
}

// pluginFolder makes a folder with the test binary as the program "rec" and
// the given manifests by file name.
func pluginFolder(t *testing.T, manifests map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "rec")); err != nil {
		t.Fatal(err)
	}
	for name, text := range manifests {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const recManifest = `name: Recorder
exec: [./rec, "{pluginDir}/x"]
interface: raw
tasks:
  - name: Echo
    defaultArgs: {}
`

// manifest is a manifest of the plugin rec with a hook per mode.
func manifest(hooks string) string {
	return `name: Recorder
description: writes down what it is given
version: 1.0
exec:
  - ./rec
  - "{pluginDir}/x"
interface: raw
tasks:
  - name: Echo
    description: says what it was given
    defaultArgs:
      mode: echo
      secs: 3
  - name: Sleep
    defaultArgs:
      mode: sleep
  - name: Log
    defaultArgs:
      mode: log
  - name: Fail
    defaultArgs:
      mode: exit
` + hooks
}

func hookManifest(mode string, types ...string) string {
	return manifest(fmt.Sprintf(`hooks:
  - name: all
    triggeredBy: [%s]
    defaultArgs:
      mode: %s
`, strings.Join(types, ", "), mode))
}

// start makes a server on a listener with the given manifests loaded.
func start(t *testing.T, o Options, manifests map[string]string) (*Server, string) {
	t.Helper()
	if o.Env == nil {
		o.Env = append(os.Environ(), "SIMSTASH_TEST_PLUGIN=1", "SIMSTASH_MARK=inherited")
	}
	s := New(o)
	t.Cleanup(s.Close)
	if manifests != nil {
		if err := s.LoadPlugin(pluginFolder(t, manifests)); err != nil {
			t.Fatal(err)
		}
	}
	return s, s.Start()
}

// query runs a query that must succeed and decodes its data.
func query[T any](t *testing.T, s *Server, text string, vars map[string]any) (out T) {
	t.Helper()
	if err := s.Query(t.Context(), text, vars, &out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

// post sends a raw body to /graphql.
func post(t *testing.T, h http.RoundTripper, body string, header http.Header) (int, string, *http.Response) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://stash.test:9999/graphql", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := h.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res
}

func idle(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.WaitIdle(ctx); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a condition that a process or a connection brings
// about.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !cond(); {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func readJSON(t *testing.T, file string, out any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(out); err != nil {
		t.Fatal(err)
	}
}

func pretty(v any) string {
	text, _ := json.MarshalIndent(v, "", " ")
	return string(text)
}
