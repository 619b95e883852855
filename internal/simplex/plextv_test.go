package simplex_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
)

// tv asks a simulated plex.tv as a client that does everything right.
type tv struct {
	*testing.T
	*simplex.TV
	url   string
	token string
	now   time.Time
}

func newTV(t *testing.T, o simplex.TVOptions) *tv {
	c := &tv{T: t, now: time.Date(2022, 2, 1, 0, 0, 0, 0, time.UTC)}
	o.Now = func() time.Time { return c.now }
	c.TV = simplex.NewTV(o)
	var stop func()
	c.url, stop = c.Start()
	t.Cleanup(stop)
	return c
}

// ask returns the status and the answer.
func (c *tv) ask(method, path string, change ...func(http.Header)) (int, string) {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), method, c.url+path, nil)
	if err != nil {
		c.Fatal(err)
	}
	for _, h := range []string{"Client-Identifier", "Product", "Device-Name"} {
		r.Header.Set("X-Plex-"+h, "test")
	}
	r.Header.Set("Accept", "application/json")
	if c.token != "" {
		r.Header.Set("X-Plex-Token", c.token)
	}
	for _, f := range change {
		f(r.Header)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// shape is what an answer is made of, without its values: names and kinds. Of a list, all
// of its elements count as one.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, x := range v {
			out[name] = shape(x)
		}
		return out
	case []any:
		all := map[string]any{}
		for _, x := range v {
			if m, ok := shape(x).(map[string]any); ok {
				maps.Copy(all, m)
			}
		}
		return []any{all}
	}
	return fmt.Sprintf("%T", v)
}

func read(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// TestPlexTVAnswersAsTheRealOne compares the shape of each answer with one that was
// recorded of plex.tv.
func TestPlexTVAnswersAsTheRealOne(t *testing.T) {
	const folder = "../../../shared/plex/recordings"
	if _, err := os.Stat(folder); err != nil && os.Getenv("CI") == "" {
		t.Skipf("the recordings do not lie beside the repository (%v); CI has them", err)
	}
	c := newTV(t, simplex.TVOptions{Servers: []simplex.TVServer{{Name: "Box", Machine: "client_id2", Version: "1.25.5", Token: "auth_token", Connections: []simplex.TVConnection{
		{Address: "172.18.0.3", Port: 32400, Local: true}, {Address: "178.3.2.1", Port: 8443, Relay: true},
	}}}})
	same := func(name, got string) {
		t.Helper()
		want, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if a, b := shape(read(t, []byte(got))), shape(read(t, want)); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: the shape is\n%v, want\n%v", name, a, b)
		}
	}
	status, pin := c.ask("POST", "/api/v2/pins?strong=true")
	if status != http.StatusCreated {
		t.Errorf("a new PIN: %d", status)
	}
	same("plextv_pin_new_2022.json", pin)
	if err := c.Confirm("code111222333"); err != nil {
		t.Fatal(err)
	}
	_, pin = c.ask("GET", "/api/v2/pins/111222333")
	same("plextv_pin_linked_2022.json", pin)
	c.token = "tv-account"
	_, list := c.ask("GET", "/api/v2/resources?includeHttps=1&includeRelay=1&includeIPv6=1")
	same("plextv_resources_2022.json", list)
	if !strings.Contains(list, `"uri":"https://172-18-0-3.client-id2.plex.direct:32400"`) {
		t.Errorf("no name under plex.direct: %s", list)
	}
	if v := c.Violations(); v != nil {
		t.Error(v)
	}
}

func TestAPinLivesAndEnds(t *testing.T) {
	for _, once := range []bool{false, true} {
		c := newTV(t, simplex.TVOptions{TokenOnce: once})
		at := func(want int, token string) {
			t.Helper()
			c.now = c.now.Add(time.Second)
			status, body := c.ask("GET", "/api/v2/pins/111222333")
			if status != want || token != "" && !strings.Contains(body, `"authToken":`+token) {
				t.Errorf("%d: %s", status, body)
			}
		}
		at(404, "")
		c.ask("POST", "/api/v2/pins?strong=true")
		at(200, "null")
		if c.Confirm("another") == nil {
			t.Error("a code that is none was confirmed")
		}
		c.Confirm("code111222333")
		if status, _ := c.ask("GET", "/api/v2/pins/111222333", func(h http.Header) { h.Set("X-Plex-Client-Identifier", "another") }); status != 404 {
			t.Errorf("to another client: %d", status)
		}
		at(200, `"tv-account"`)
		if once {
			at(404, "")
			continue
		}
		at(200, `"tv-account"`)
		c.now = c.now.Add(15 * time.Minute)
		at(404, "")
		c.Set(func(o *simplex.TVOptions) { o.ExpiredIsNull = true })
		at(200, "null")
		if c.Confirm("code111222333") == nil {
			t.Error("an expired code was confirmed")
		}
	}
}

func TestSigningOutEndsTheTokens(t *testing.T) {
	c := newTV(t, simplex.TVOptions{Servers: []simplex.TVServer{{Token: "own"}, {Token: "shared", SharedBy: "Ann"}}})
	for _, x := range []struct {
		token  string
		status int
	}{{"", 401}, {"none", 401}, {"shared", 401}, {"own", 204}, {"own", 401}, {"tv-account", 401}} {
		c.token = x.token
		if status, _ := c.ask("DELETE", "/api/v2/users/signout"); status != x.status {
			t.Errorf("%q: %d, want %d", x.token, status, x.status)
		}
	}
	if !c.Revoked("tv-account") || c.Revoked("none") {
		t.Error("the account's token goes along, and nothing else")
	}
	c.token = ""
	c.ask("POST", "/api/v2/pins?strong=true")
	c.Confirm("code111222333")
	if c.Revoked("own") {
		t.Error("signing in again does not make the tokens anew")
	}
	c.Set(func(o *simplex.TVOptions) { o.ServerTokensAreStrange = true })
	c.token = "own"
	if status, _ := c.ask("DELETE", "/api/v2/users/signout"); status != 401 {
		t.Errorf("a strange token: %d", status)
	}
}

func TestPlexTVIsStrict(t *testing.T) {
	without := func(name string) func(http.Header) { return func(h http.Header) { h.Del(name) } }
	with := func(name string) func(http.Header) { return func(h http.Header) { h.Set(name, "x") } }
	for _, x := range []struct {
		method, path string
		change       func(http.Header)
	}{
		{"POST", "/api/v2/pins?strong=true", without("X-Plex-Client-Identifier")},
		{"POST", "/api/v2/pins?strong=true", without("X-Plex-Product")},
		{"POST", "/api/v2/pins?strong=true", without("X-Plex-Device-Name")},
		{"POST", "/api/v2/pins?strong=true", without("Accept")},
		{"POST", "/api/v2/pins?strong=true", with("X-Plex-Token")},
		{"POST", "/api/v2/pins?strong=true", with("Cookie")},
		{"POST", "/api/v2/pins", without("")},
		{"GET", "/api/v2/pins/1", with("X-Plex-Token")},
		{"GET", "/api/v2/pins/1?X-Plex-Token=x", without("")},
		{"GET", "/api/v2/resources?includeHttps=1&includeRelay=1", without("")},
		{"GET", "/api/v2/users/signout", without("")},
		{"GET", "/", without("")},
	} {
		c := newTV(t, simplex.TVOptions{})
		if status, _ := c.ask(x.method, x.path, x.change); status != 400 || len(c.Violations()) != 1 {
			t.Errorf("%s %s: %d, %v", x.method, x.path, status, c.Violations())
		}
	}
	c := newTV(t, simplex.TVOptions{})
	var got []int
	for range 7 {
		status, _ := c.ask("GET", "/api/v2/pins/1")
		got = append(got, status)
	}
	if !slices.Equal(got, []int{404, 404, 404, 404, 404, 404, 429}) || len(c.Violations()) != 1 {
		t.Errorf("polling without a pause: %v, %v", got, c.Violations())
	}
}

func TestPlexTVFails(t *testing.T) {
	c := newTV(t, simplex.TVOptions{Hasty: true})
	c.Script(simplex.Rule{Path: "pins", Status: 429, RetryAfter: "7"}, simplex.Rule{Path: "pins", RedirectTo: "http://x.test/"}, simplex.Rule{Path: "pins", Garble: true},
		simplex.Rule{Path: "pins", ResetBefore: true}, simplex.Rule{Path: "pins", Cut: true}, simplex.Rule{Path: "pins", Status: 200, Body: "<html>"})
	var got []int
	for range 7 {
		status, _ := c.ask("POST", "/api/v2/pins?strong=true")
		got = append(got, status)
	}
	if want := []int{429, 302, 201, 0, 201, 200, 201}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestThePageConfirmsAPin(t *testing.T) {
	c := newTV(t, simplex.TVOptions{})
	c.ask("POST", "/api/v2/pins?strong=true")
	status, body := c.ask("GET", "/auth")
	if status != 200 || !strings.Contains(body, "Sign in to Plex") {
		t.Errorf("%d: %s", status, body)
	}
	for code, want := range map[string]int{"code111222333": 204, "other": 404} {
		resp, err := http.Post(c.url+"/auth/confirm", "text/plain", strings.NewReader(code))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", code, resp.StatusCode, want)
		}
	}
	if _, body := c.ask("GET", "/api/v2/pins/111222333"); !strings.Contains(body, `"authToken":"tv-account"`) {
		t.Error(body)
	}
	if c.ask("GET", "/auth?code=x"); len(c.Violations()) != 1 {
		t.Error("a code before the # is no violation")
	}
}
