package simstash

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func get(t *testing.T, h http.RoundTripper, target string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := h.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

const versionQuery = `{"query":"{version{version}}"}`

func TestAuthentication(t *testing.T) {
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s := New(Options{Username: "jane", Password: "secret", APIKey: "the-key", Now: c.now})
	t.Cleanup(s.Close)
	h := s.Transport()
	cookie := func(value string) http.Header { return http.Header{"Cookie": {"session=" + value}} }
	fresh := s.SessionCookie().Value
	for _, step := range []struct {
		what   string
		header http.Header
		status int
		cookie bool
	}{
		{"nothing", nil, 401, false},
		{"a forged cookie", cookie("e30." + base64.RawURLEncoding.EncodeToString([]byte("x"))), 401, false},
		{"a cookie", cookie(fresh), 200, true},
		{"the key", http.Header{"Apikey": {"the-key"}}, 200, false},
		{"another key", http.Header{"Apikey": {"another"}}, 401, false},
	} {
		status, body, res := post(t, h, versionQuery, step.header)
		set := res.Header.Get("Set-Cookie") != ""
		if status != step.status || set != step.cookie || status == 401 && (body != "" || res.Header.Get("WWW-Authenticate") != "FormBased") {
			t.Errorf("%s: %d %q, cookie %v", step.what, status, body, set)
		}
	}
	c.t = c.t.Add(59 * time.Minute)
	_, _, res := post(t, h, versionQuery, cookie(fresh))
	renewed := res.Cookies()[0]
	if renewed.Path != "/" || renewed.MaxAge != 3600 {
		t.Errorf("%v", renewed)
	}
	c.t = c.t.Add(2 * time.Minute)
	if status, _, _ := post(t, h, versionQuery, cookie(fresh)); status != 401 {
		t.Errorf("an old cookie: %d", status)
	}
	if status, _, _ := post(t, h, versionQuery, cookie(renewed.Value)); status != 200 {
		t.Errorf("the renewed cookie: %d", status)
	}
	for _, r := range s.Requests() {
		if text := fmt.Sprint(r.Header); strings.Contains(text, "the-key") || strings.Contains(text, fresh) {
			t.Errorf("a secret is remembered: %s", text)
		}
	}
}

func TestLoginGivesASession(t *testing.T) {
	_, base := start(t, Options{Username: "jane", Password: "secret"}, nil)
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	for password, status := range map[string]int{"wrong": 401, "secret": 200} {
		res, err := client.PostForm(base+"/login", url.Values{"username": {"jane"}, "password": {password}})
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != status {
			t.Errorf("%s: %d", password, res.StatusCode)
		}
	}
	res, err := client.Post(base+"/graphql", "application/json", strings.NewReader(versionQuery))
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != 200 {
		t.Errorf("after the login: %d", res.StatusCode)
	}
}

func TestCoversAreServedAsByStash(t *testing.T) {
	s := New(Options{Username: "jane", Password: "secret", APIKey: "k&y"})
	t.Cleanup(s.Close)
	s.AddFileOnDisk(DiskFile{Path: "/m/a.mp4", Size: 5})
	s.Scan(ScanOptions{})
	idle(t, s)
	type paths struct {
		FindScene struct {
			Paths struct{ Screenshot, Stream string }
		}
	}
	p := query[paths](t, s, `{findScene(id:1){paths{screenshot stream}}}`, nil).FindScene.Paths
	if !strings.HasPrefix(p.Screenshot, "http://127.0.0.1:9999/scene/1/screenshot?t=") || !strings.HasSuffix(p.Stream, "/scene/1/stream?apikey=k&y") {
		t.Errorf("%+v", p)
	}
	h, key := s.Transport(), http.Header{"Apikey": {"k&y"}}
	res, _ := get(t, h, p.Screenshot, nil)
	if to := res.Header.Get("Location"); res.StatusCode != 302 || !strings.HasPrefix(to, "/login?returnURL=") {
		t.Errorf("without a session: %d %s", res.StatusCode, to)
	}
	res, body := get(t, h, p.Screenshot, key)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "image/svg+xml" || len(body) != 733 {
		t.Errorf("placeholder: %d %s %d bytes", res.StatusCode, res.Header.Get("Content-Type"), len(body))
	}
	s.Generate(1)
	idle(t, s)
	res, body = get(t, h, p.Screenshot, key)
	etag := res.Header.Get("ETag")
	if res.Header.Get("Content-Type") != "image/jpeg" || etag == "" || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("cover: %v", res.Header)
	}
	key.Set("If-None-Match", etag)
	if res, body := get(t, h, p.Screenshot, key); res.StatusCode != 304 || len(body) != 0 {
		t.Errorf("unchanged: %d, %d bytes", res.StatusCode, len(body))
	}
	png := []byte("\x89PNG\r\n\x1a\n picture")
	if err := s.EditScene(1, map[string]any{"cover_image": "data:image/png;base64," + base64.StdEncoding.EncodeToString(png)}); err != nil {
		t.Fatal(err)
	}
	if res, now := get(t, h, p.Screenshot, key); res.StatusCode != 200 || res.Header.Get("Content-Type") != "image/png" || !bytes.Equal(now, png) || bytes.Equal(now, body) {
		t.Errorf("changed: %d %v", res.StatusCode, res.Header)
	}
	if res, _ := get(t, h, "http://stash.test/scene/7/screenshot", key); res.StatusCode != 404 {
		t.Errorf("no such scene: %d", res.StatusCode)
	}
	s.AddPerformer(Performer{Name: "Jane Doe", Image: png})
	if res, _ := get(t, h, "http://stash.test/performer/1/image?t=1", key); res.Header.Get("Content-Type") != "image/png" {
		t.Errorf("performer: %v", res.Header)
	}
	if res, _ := get(t, h, "http://stash.test/performer/1/image?t=1&default=true", key); res.Header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("performer's default: %v", res.Header)
	}
}

func TestInAScanTheHookOfANewSceneComesBeforeItsCover(t *testing.T) {
	var mu sync.Mutex
	var covers, together, most atomic.Int64
	seen := map[int64]bool{}
	var s *Server
	s = New(Options{ParallelTasks: 3, OnHook: func(_ context.Context, doc []byte) error {
		var in struct {
			Args struct{ HookContext HookEvent }
		}
		if err := json.Unmarshal(doc, &in); err != nil {
			return err
		}
		if n := together.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer together.Add(-1)
		mu.Lock()
		seen[in.Args.HookContext.ID] = true
		mu.Unlock()
		sc, _ := s.Scene(in.Args.HookContext.ID)
		if sc.Cover != nil || sc.Files[0].Phash != "" {
			covers.Add(1)
		}
		return nil
	}})
	t.Cleanup(s.Close)
	for i := range 40 {
		s.AddFileOnDisk(DiskFile{Path: fmt.Sprintf("/m/%02d.mp4", i), Size: int64(i), Duration: 60, Cover: []byte{byte(i), 1}})
	}
	s.Scan(ScanOptions{Covers: true, Phashes: true})
	idle(t, s)
	if covers.Load() != 0 || len(seen) != 40 || most.Load() > 3 {
		t.Errorf("%d hooks saw a cover; %d scenes; %d at once", covers.Load(), len(seen), most.Load())
	}
	for _, id := range s.SceneIDs() {
		if sc, _ := s.Scene(id); sc.Cover == nil || sc.Files[0].Phash == "" {
			t.Errorf("scene %d has no cover or phash", id)
		}
	}
	if sc, ok := s.SceneByPath("/m/07.mp4"); !ok || sc.Cover[0] != 7 {
		t.Errorf("%v %v", sc.Cover, ok)
	}
}

func TestCleanDestroysWhatVanished(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	s.AddScene(Scene{Files: []*File{{Path: "/m/a.mp4"}}})
	s.AddScene(Scene{Files: []*File{{Path: "/m/b.mp4"}, {Path: "/m/c.mp4"}}})
	s.RemoveFromDisk("/m/a.mp4")
	s.RemoveFromDisk("/m/b.mp4")
	s.Clean()
	idle(t, s)
	events := s.HookEvents()
	if len(events) != 1 || events[0].ID != 1 || !strings.Contains(string(events[0].Input), `"id":""`) || !strings.Contains(string(events[0].Input), `"path":"/m/a.mp4"`) {
		t.Errorf("%+v", events)
	}
	if sc, _ := s.Scene(2); len(sc.Files) != 1 || sc.Files[0].Path != "/m/c.mp4" {
		t.Errorf("%+v", sc)
	}
}

func TestFaults(t *testing.T) {
	s, base := start(t, Options{}, nil)
	s.AddScene(Scene{Title: "x"})
	edit := `{"query":"mutation{sceneUpdate(input:{id:1,title:\"y\"}){id}}"}`
	over := map[string]http.RoundTripper{"in process": s.Transport(), "listener": http.DefaultTransport}
	for where, h := range over {
		send := func(body string) (int, string, error) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, "POST", base+"/graphql", strings.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			res, err := h.RoundTrip(req)
			if err != nil {
				return 0, "", err
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			return res.StatusCode, string(text), err
		}
		for _, c := range []struct {
			fault  Fault
			status int
			text   string
			fails  bool
		}{
			{Fault{Status: 502, Body: "<h1>Bad Gateway</h1>"}, 502, "<h1>Bad Gateway</h1>", false},
			{Fault{GraphQLError: "database is locked"}, 200, `{"errors":[{"message":"database is locked"}],"data":null}`, false},
			{Fault{Reset: true}, 0, "", true},
			{Fault{CutBody: true}, 200, `{"data":{"version":{"`, true},
			{Fault{Garble: true}, 200, "\x00\ufffd<{'data':{'version':{'version':'v0.30.1'}}}", false},
			{Fault{Hang: true}, 0, "", true},
			{Fault{Field: "version", Delay: time.Millisecond}, 200, `{"data":{"version":{"version":"v0.30.1"}}}`, false},
			{Fault{Field: "findScene", Status: 500}, 200, `{"data":{"version":{"version":"v0.30.1"}}}`, false},
			{Fault{Query: "sceneUpdate", Status: 500}, 200, `{"data":{"version":{"version":"v0.30.1"}}}`, false},
		} {
			s.ClearScript()
			s.Script(c.fault)
			status, text, err := send(versionQuery)
			if status != c.status || text != c.text || (err != nil) != c.fails {
				t.Errorf("%s, %s: %d %q %v", where, c.fault.kind(), status, text, err)
			}
		}
		s.ClearScript()
		s.Script(Fault{Field: "sceneUpdate", Reset: true, Apply: true}, Fault{Status: 503, Skip: 1, Count: 2})
		if _, _, err := send(edit); err == nil {
			t.Errorf("%s: the edit was answered", where)
		}
		if sc, _ := s.Scene(1); sc.Title != "y" {
			t.Errorf("%s: the edit was not applied", where)
		}
		var got []int
		for range 4 {
			status, _, _ := send(versionQuery)
			got = append(got, status)
		}
		if !slices.Equal(got, []int{200, 503, 503, 200}) {
			t.Errorf("%s: %v", where, got)
		}
	}
	eventually(t, "the requests ended", func() bool {
		cut := 0
		for _, r := range s.Requests() {
			if r.Interrupted {
				cut++
			}
		}
		return cut == 8 // reset, cut body, hang, lost edit; twice
	})
}

func TestTLS(t *testing.T) {
	s, base := start(t, Options{TLS: true}, nil)
	if !strings.HasPrefix(base, "https://127.0.0.1:") {
		t.Errorf("%s", base)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	res, err := client.Post(base+"/graphql", "application/json", strings.NewReader(versionQuery))
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != 200 || !strings.Contains(string(s.Document("x", nil)), `"Scheme":"https"`) {
		t.Errorf("%d", res.StatusCode)
	}
}

func TestEverythingInProcessSuitsSynctest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hooks := 0
		s := New(Options{OnHook: func(context.Context, []byte) error { hooks++; return errors.New("no") }})
		s.AddScene(Scene{Title: "x"})
		s.BlockQueueFor("Generating...", 6*time.Hour)
		s.Scan(ScanOptions{})
		s.Script(Fault{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		began := time.Now()
		req, _ := http.NewRequestWithContext(ctx, "POST", "http://stash.test/graphql", strings.NewReader(versionQuery))
		if _, err := s.Transport().RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := s.EditScene(1, map[string]any{"title": "y"}); err != nil {
			t.Error(err)
		}
		if err := s.WaitIdle(t.Context()); err != nil || time.Since(began) != 6*time.Hour {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		s.Close()
		synctest.Wait()
		if hooks != 1 || s.Logs(LevelError)[0].Text != "Scene.Update.Post []: returned error: no" {
			t.Errorf("%d hooks, log %v", hooks, s.Logs(LevelError))
		}
	})
}

func TestManyClientsAtOnce(t *testing.T) {
	s, base := start(t, Options{}, nil)
	for i := range 20 {
		s.AddScene(Scene{Title: fmt.Sprint(i), Files: []*File{{Path: fmt.Sprintf("/m/%d.mp4", i)}}})
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range 20 {
				body := fmt.Sprintf(`{"query":"mutation{sceneUpdate(input:{id:%d,title:\"%d\"}){id title files{path}}}"}`, n+1, i)
				if n%2 == 1 {
					body = `{"query":"{findScenes(filter:{sort:\"id\",per_page:-1}){scenes{id title tags{name} files{path}}} jobQueue{id} logs{message}}"}`
				}
				res, err := http.Post(base+"/graphql", "application/json", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		}()
	}
	s.Scan(ScanOptions{Rescan: true, Covers: true})
	s.Generate()
	wg.Wait()
	idle(t, s)
	if c := s.Counts(); c.Requests != 160 || c.Fields["sceneUpdate"] != 80 {
		t.Errorf("%+v", c)
	}
	s.ResetCounts()
	if c := s.Counts(); c.Requests != 0 || len(s.Requests()) != 0 {
		t.Errorf("%+v", c)
	}
}
