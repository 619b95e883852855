package plex_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
)

// The secrets of signing in, marked.
const (
	tvAccount = "SECRET-account-0816"
	tvServer  = "SECRET-server-0817"
	tvCode    = "SECRET-"
)

// newTV is a client of a simulated plex.tv.
func newTV(t *testing.T, o simplex.TVOptions) (*plex.TV, *simplex.TV) {
	t.Helper()
	o.CodePrefix, o.Account = tvCode, tvAccount
	s := simplex.NewTV(o)
	address, stop := s.Start()
	t.Cleanup(func() {
		stop()
		for _, v := range s.Violations() {
			t.Errorf("plex.tv was misused: %s", v)
		}
	})
	return tvAt(t, address, nil), s
}

func tvAt(t testing.TB, address string, transport http.RoundTripper) *plex.TV {
	t.Helper()
	c, err := plex.NewTV(plex.TVOptions{ClientID: "device 1", Version: "1", URL: address, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tvFailed reads what failed, and holds what is true of every such error.
func tvFailed(t *testing.T, err error) plex.TVError {
	t.Helper()
	var e *plex.TVError
	if !errors.As(err, &e) {
		t.Fatalf("%v is no TVError", err)
	}
	if text := e.Error(); text == "" || strings.ContainsAny(text, "\n\x00") || strings.HasSuffix(text, ".") || strings.Contains(text, "SECRET") {
		t.Errorf("the sentence is %q", text)
	}
	return *e
}

func TestAPersonSignsIn(t *testing.T) {
	c, s := newTV(t, simplex.TVOptions{Servers: []simplex.TVServer{
		{Name: "Player", Machine: "p", Provides: "client,player"},
		{Name: "Ann's", Machine: "m3", SharedBy: "Ann", Token: tvServer + "3"},
		{Name: "home", Machine: "m2", Version: "1.43", Token: tvServer + "2"},
		{Name: "Cabin", Machine: "m1", Version: "1.42", Token: tvServer, Provides: "client,server", Connections: []simplex.TVConnection{{Address: "192.168.1.10", Port: 32400, Local: true}}},
	}})
	pin, err := c.NewPin(t.Context())
	if err != nil || pin.ID == 0 || pin.Left != 15*time.Minute {
		t.Fatalf("%v, %v", pin, err)
	}
	page, err := url.Parse(c.Page(pin))
	if err != nil || page.Path != "/auth" || page.RawQuery != "" {
		t.Fatalf("the page is %v, %v", page, err)
	}
	// As the page itself reads it: no plus stands for a blank.
	told, err := url.ParseQuery(strings.ReplaceAll(strings.TrimPrefix(page.EscapedFragment(), "?"), "+", "%2B"))
	if want := (url.Values{"clientID": {"device 1"}, "code": {pin.Code.Reveal()}, "context[device][product]": {"PlexSync"}}); err != nil || !reflect.DeepEqual(told, want) {
		t.Errorf("the page is told %v, %v", told, err)
	}
	if token, left, err := c.Confirmed(t.Context(), pin.ID); token != "" || left < 14*time.Minute || err != nil {
		t.Errorf("before: %v, %v, %v", token, left, err)
	}
	if err := s.Confirm(pin.Code.Reveal()); err != nil {
		t.Fatal(err)
	}
	account, _, err := c.Confirmed(t.Context(), pin.ID)
	if account.Reveal() != tvAccount || err != nil {
		t.Fatalf("after: %v", err)
	}
	servers, err := c.Servers(t.Context(), account)
	want := []plex.Found{
		{Machine: "m1", Name: "Cabin", Version: "1.42", Owned: true, Token: tvServer}, {Machine: "m2", Name: "home", Version: "1.43", Owned: true, Token: tvServer + "2"},
		{Machine: "m3", Name: "Ann's", Owner: "Ann", Token: tvServer + "3"},
	}
	if err != nil || len(servers) != 3 || len(servers[0].Addresses) != 2 {
		t.Fatalf("%+v, %v", servers, err)
	}
	for i := range servers {
		servers[i].Addresses = nil
	}
	if !reflect.DeepEqual(servers, want) {
		t.Errorf("%+v", servers)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(format, []any{servers, pin, account}); strings.Contains(text, "SECRET") || strings.Contains(text, "534543524554") {
			t.Errorf("%s prints a secret: %s", format, text)
		}
	}
	if text, err := json.Marshal(servers); err != nil || strings.Contains(string(text), "SECRET") {
		t.Errorf("JSON holds a secret: %s", text)
	}
	if err := c.SignOut(t.Context(), servers[0].Token); err != nil || !s.Revoked(tvServer) {
		t.Error(err)
	}
	if e := tvFailed(t, c.SignOut(t.Context(), servers[0].Token)); e.Problem != plex.TVRefused || !e.TokenRefused() {
		t.Errorf("%+v", e)
	}
	if _, err := c.Servers(t.Context(), account); tvFailed(t, err).Problem != plex.TVRefused {
		t.Error(err)
	}
	if d := s.Devices(); len(d) != 1 || d[0].Identifier != "device 1" || d[0].Product != "PlexSync" || d[0].Name != "PlexSync (Stash)" {
		t.Errorf("the devices are %+v", d)
	}
}

func TestAnExpiredCodeIsToldApart(t *testing.T) {
	now := time.Now()
	c, s := newTV(t, simplex.TVOptions{Now: func() time.Time { return now }})
	pin, err := c.NewPin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(15 * time.Minute)
	if _, _, err := c.Confirmed(t.Context(), pin.ID); tvFailed(t, err).Problem != plex.TVExpired {
		t.Error(err)
	}
	s.Set(func(o *simplex.TVOptions) { o.ExpiredIsNull = true })
	if token, left, err := c.Confirmed(t.Context(), pin.ID); token != "" || left != 0 || err != nil {
		t.Errorf("%v, %v, %v", token, left, err)
	}
}

// TestEachFailureOfPlexTVIsASentence: what kind it is, and what it says.
func TestEachFailureOfPlexTVIsASentence(t *testing.T) {
	const echo = `{"authToken":"` + tvAccount + `"}`
	for _, x := range []struct {
		rule    simplex.Rule
		problem plex.TVProblem
		wait    time.Duration
		says    string
	}{
		{simplex.Rule{Status: 429, RetryAfter: "30", Body: echo}, plex.TVBusy, 30 * time.Second, "asks PlexSync to wait for 30s"},
		{simplex.Rule{Status: 429, Body: echo}, plex.TVBusy, 0, "asks PlexSync to wait"},
		{simplex.Rule{Status: 500, Body: echo}, plex.TVTrouble, 0, "it answered 500"},
		{simplex.Rule{Status: 503, Body: echo}, plex.TVTrouble, 0, "has a problem at the moment"},
		{simplex.Rule{Status: 400, Body: echo}, plex.TVRefused, 0, "refused the request (it answered 400)"},
		{simplex.Rule{Status: 401, Body: echo}, plex.TVRefused, 0, "does not accept the sign-in"},
		{simplex.Rule{Status: 498, Body: echo}, plex.TVRefused, 0, "does not accept the sign-in"},
		{simplex.Rule{Status: 407, Body: echo}, plex.TVTrouble, 0, "asks for a password"},
		{simplex.Rule{RedirectTo: "http://127.0.0.1:1/" + tvAccount}, plex.TVTrouble, 0, "wants to send PlexSync elsewhere"},
		{simplex.Rule{Status: 200, Body: "<html>" + tvAccount}, plex.TVTrouble, 0, "cannot be read"},
		{simplex.Rule{Status: 200, Body: "null"}, plex.TVTrouble, 0, "cannot be read"},
		{simplex.Rule{Garble: true}, plex.TVTrouble, 0, "cannot be read"},
		{simplex.Rule{Cut: true}, plex.TVTrouble, 0, "broke off"},
		{simplex.Rule{ResetBefore: true}, plex.TVTrouble, 0, "broke off"},
		{simplex.Rule{Status: 200, Body: strings.Repeat(" ", 5<<20) + "[]"}, plex.TVTrouble, 0, "too large"},
	} {
		for _, call := range []func(*plex.TV, int64) error{
			func(c *plex.TV, _ int64) error { return second(c.NewPin(t.Context())) },
			func(c *plex.TV, id int64) error { _, _, err := c.Confirmed(t.Context(), id); return err },
			func(c *plex.TV, _ int64) error { return second(c.Servers(t.Context(), tvAccount)) },
		} {
			c, s := newTV(t, simplex.TVOptions{})
			pin, err := c.NewPin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.Script(x.rule)
			e := tvFailed(t, call(c, pin.ID))
			if e.Problem != x.problem || e.Wait != x.wait || !strings.Contains(e.Error(), x.says) {
				t.Errorf("%+v: %+v: %v", x.rule, e, &e)
			}
			if n := len(s.Requests()); n > 2 {
				t.Errorf("%+v: asked %d times", x.rule, n-1)
			}
		}
	}
}

// TestWhyPlexTVIsNotReached: no internet, no DNS, a clock that is off, and whoever answers
// in its place.
func TestWhyPlexTVIsNotReached(t *testing.T) {
	ca, other := simplex.NewCA(), simplex.NewCA()
	s := simplex.NewTV(simplex.TVOptions{})
	serve := func(ca *simplex.CA, until time.Time, name string) string {
		addr, stop := ca.Serve(s, until, name)
		t.Cleanup(stop)
		return addr
	}
	plain, stop := s.Start()
	t.Cleanup(stop)
	day := 24 * time.Hour
	good := serve(ca, time.Now().Add(day), "127.0.0.1")
	trusting := &http.Transport{TLSClientConfig: tlsOf(ca)}
	dialing := func(err error) http.RoundTripper {
		return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
	}
	if _, err := tvAt(t, "https://"+good, trusting).NewPin(t.Context()); err != nil {
		t.Fatalf("a plex.tv that is well: %v", err)
	}
	for _, x := range []struct {
		name      string
		address   string
		transport http.RoundTripper
		problem   plex.TVProblem
		says      string
	}{
		{"expired", "https://" + serve(ca, time.Now().Add(-day), "127.0.0.1"), trusting, plex.TVUntrusted, "set its clock right"},
		{"not valid yet", "https://" + serve(ca, time.Now().Add(30*day), "127.0.0.1"), trusting, plex.TVUntrusted, "set its clock right"},
		{"another name", "https://" + serve(ca, time.Now().Add(day), "filter.test"), trusting, plex.TVUntrusted, "for another name"},
		{"unknown", "https://" + serve(other, time.Now().Add(day), "127.0.0.1"), trusting, plex.TVUntrusted, "ca-certificates"},
		{"no https", strings.Replace(plain, "http:", "https:", 1), trusting, plex.TVUntrusted, "not over https"},
		{"no name", "https://plex.test", dialing(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "plex.test", IsNotFound: true}}), plex.TVTrouble, "cannot be looked up"},
		{"no DNS", "https://plex.test", dialing(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Name: "plex.test", IsTimeout: true}}), plex.TVTrouble, "cannot be looked up"},
		{"late", "https://plex.test", dialing(context.DeadlineExceeded), plex.TVTrouble, "does not answer in time"},
		{"no internet", "http://127.0.0.1:1", nil, plex.TVTrouble, "cannot be reached (connection refused)"},
		{"no proxy", "https://plex.test", &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse("http://anna:SECRET-proxy@127.0.0.1:1") }}, plex.TVTrouble, "HTTPS_PROXY"},
	} {
		_, err := tvAt(t, x.address, x.transport).NewPin(t.Context())
		if e := tvFailed(t, err); e.Problem != x.problem || !strings.Contains(e.Error(), x.says) {
			t.Errorf("%s: %+v: %v", x.name, e, &e)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tvAt(t, plain, nil).NewPin(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who went: %v", err)
	}
}

func TestThePlaceOfPlexTVIsAnAddress(t *testing.T) {
	for _, bad := range []string{"plex.tv", "ftp://plex.tv", "https://", "https://a:b@plex.tv", "https://plex.tv?x=y", "https://plex.tv#x", "://"} {
		if _, err := plex.NewTV(plex.TVOptions{URL: bad}); err == nil || strings.Contains(err.Error(), "a:b") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	// Without one, Plex's own are asked, each for what is its own.
	var asked []string
	c := tvAt(t, "", transport(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.Method+" "+r.URL.String())
		body := `{"id":7,"code":"c"}`
		if strings.Contains(r.URL.Path, "resources") {
			body = "[]"
		}
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}))
	pin, err := c.NewPin(t.Context())
	if err != nil || pin.Left != 15*time.Minute { // what plex.tv usually gives
		t.Errorf("%v, %v", pin, err)
	}
	c.Confirmed(t.Context(), 7)
	c.Servers(t.Context(), "x")
	c.SignOut(t.Context(), "x")
	want := []string{"POST https://plex.tv/api/v2/pins?strong=true", "GET https://plex.tv/api/v2/pins/7",
		"GET https://clients.plex.tv/api/v2/resources?includeHttps=1&includeRelay=1&includeIPv6=1", "DELETE https://plex.tv/api/v2/users/signout"}
	if !slices.Equal(asked, want) || !strings.HasPrefix(c.Page(pin), "https://app.plex.tv/auth#?clientID=device%201&code=c&context%5Bdevice%5D%5Bproduct%5D=PlexSync") {
		t.Errorf("%q, %s", asked, c.Page(pin))
	}
}

// listing is a plex.tv that answers each question with the same.
func tvSaying(t testing.TB, body string) *plex.TV {
	return tvAt(t, "https://plex.test", transport(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}))
}

// addressLines are a server's addresses, one on a line, and why those that must not be used
// are not.
func addressLines(f plex.Found) string {
	var b strings.Builder
	for _, a := range f.Addresses {
		fmt.Fprintf(&b, "%s %s %s\n", []string{"local", "remote", "relay"}[a.Place], a.URL, a.Skip)
	}
	return b.String()
}

func TestRecordedAnswersOfPlexTVAreRead(t *testing.T) {
	const folder = "../../../shared/plex/recordings"
	if _, err := os.Stat(folder); err != nil && os.Getenv("CI") == "" {
		t.Skipf("the recordings do not lie beside the repository (%v); CI has them", err)
	}
	recorded := func(name string) *plex.TV {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return tvSaying(t, string(text))
	}
	if pin, err := recorded("plextv_pin_new_2022.json").NewPin(t.Context()); err != nil || pin.ID != 111222333 || pin.Code.Reveal() != "CODE" || pin.Left != 900*time.Second {
		t.Errorf("%+v, %v", pin, err)
	}
	if token, left, err := recorded("plextv_pin_new_2022.json").Confirmed(t.Context(), 111222333); token != "" || left != 900*time.Second || err != nil {
		t.Errorf("%v, %v, %v", token, left, err)
	}
	if token, _, err := recorded("plextv_pin_linked_2022.json").Confirmed(t.Context(), 111222333); token.Reveal() != "auth_token" || err != nil {
		t.Errorf("%v, %v", token, err)
	}
	servers, err := recorded("plextv_resources_2022.json").Servers(t.Context(), "x")
	if err != nil || len(servers) != 1 {
		t.Fatal(servers, err)
	}
	want := `local https://172-18-0-3.client-id2.plex.direct:32400 
local http://172.18.0.3:32400 
remote https://example.org:443 
remote https://2-2-2-2.client-id2.plex.direct:443 
relay https://178-3-2-1.client-id2.plex.direct:8443 is Plex's relay, which is too slow to sync
`
	if s := servers[0]; !s.Owned || s.Name != "Box" || s.Machine != "client_id2" || s.Version != "1.25.5.5492-12f6b8c83" || s.Token.Reveal() != "auth_token" || addressLines(s) != want {
		t.Errorf("%+v\n%s", s, addressLines(s))
	}
}

func TestWhichAddressesAreTried(t *testing.T) {
	for _, x := range []struct{ name, connections, want string }{
		{"IPv6", `{"protocol":"https","address":"fd00::1","port":32400,"uri":"https://fd00--1.m.plex.direct:32400","local":true,"relay":false,"IPv6":true}`,
			"local https://fd00--1.m.plex.direct:32400 \nlocal http://[fd00::1]:32400 \n"},
		{"text and numbers", `{"address":"10.0.0.1","port":"32400","uri":"https://a.plex.direct:32400/","local":"1","relay":0}`,
			"local https://a.plex.direct:32400 \nlocal http://10.0.0.1:32400 \n"},
		{"no https at all", `{"protocol":"http","address":"10.0.0.1","port":32400,"uri":"http://10.0.0.1:32400","local":true},{"protocol":"http","address":"2.2.2.2","port":32400,"uri":"http://2.2.2.2:32400","local":false}`,
			"local http://10.0.0.1:32400 \nremote http://2.2.2.2:32400 is not encrypted: the token could be read on its way over the internet\n"},
		{"a relay in the local network", `{"address":"10.0.0.1","port":8443,"uri":"https://a.plex.direct:8443","local":true,"relay":true}`,
			"relay https://a.plex.direct:8443 is Plex's relay, which is too slow to sync\n"},
		{"one in the local network that a person typed", `{"protocol":"http","address":"192.168.1.10","port":32400,"uri":"http://192.168.1.10:32400","local":false},{"address":"nas.local","port":443,"uri":"https://nas.local:443","local":false}`,
			"local https://nas.local:443 \nlocal http://192.168.1.10:32400 \n"},
		{"one that a person typed", `{"address":"nas","port":80,"uri":"https://example.org/plex","local":false}`, "remote https://example.org/plex \n"},
		{"nothing of use", `{"address":"10.0.0.1","port":0,"uri":"","local":true},{"local":true},{},{"address":"a b","port":1,"uri":"https://u:p@h","local":true},{"address":"x","port":99999,"uri":"ftp://x","local":true},
			{"uri":"https://h?x=y"},{"uri":"https://h#x"},{"uri":"https://h/\u0000"},{"uri":"javascript:alert(1)"},{"uri":["https://h"]},{"uri":"https://h/\"<b>"},{"uri":"https:h"}`, ""},
	} {
		servers, err := tvSaying(t, `[{"name":"N","clientIdentifier":"m","provides":"server","owned":"1","connections":[`+x.connections+`]}]`).Servers(t.Context(), "x")
		if err != nil || len(servers) != 1 || addressLines(servers[0]) != x.want {
			t.Errorf("%s: %v\n%s", x.name, err, addressLines(servers[0]))
		}
	}
	const local = `{"address":"10.0.0.1","port":32400,"uri":"https://a.plex.direct:32400","local":true}`
	servers, err := tvSaying(t, `[{"clientIdentifier":"m","provides":"server","httpsRequired":true,"connections":[{"uri":"http://10.0.0.2:32400","local":true},`+local+`]}]`).Servers(t.Context(), "x")
	if want := "local https://a.plex.direct:32400 \nlocal http://10.0.0.2:32400 is not encrypted, and the server requires that\n"; err != nil || addressLines(servers[0]) != want {
		t.Errorf("https is required: %v\n%s", err, addressLines(servers[0]))
	}
	// More than anyone has.
	many := "[" + strings.Repeat(`{"clientIdentifier":"m","provides":"server","connections":[`+strings.Repeat(local+",", 30)+`{}]},`, 999) + "{}]"
	if servers, err := tvSaying(t, many).Servers(t.Context(), "x"); err != nil || len(servers) != 200 || len(servers[0].Addresses) != 2 {
		t.Errorf("%d servers, %v", len(servers), err)
	}
}

// FuzzPlexTV: whatever answers in place of plex.tv, what is made of it can be shown, sent
// and tried.
func FuzzPlexTV(f *testing.F) {
	f.Add(`{"id":7,"code":"c","expiresIn":900,"authToken":null}`)
	f.Add(`{"id":"7","code":7,"expiresIn":"x","authToken":"a\nb"}`)
	f.Add(`[{"name":"N","clientIdentifier":"m","provides":"client,server","owned":true,"accessToken":"t","connections":[{"address":"::1","port":1,"uri":"https://a.plex.direct:1","local":true}]}]`)
	f.Fuzz(func(t *testing.T, body string) {
		c := tvSaying(t, body)
		header := func(s plex.Secret) {
			if strings.ContainsFunc(s.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Errorf("%q cannot be sent", s.Reveal())
			}
		}
		if pin, err := c.NewPin(t.Context()); err == nil {
			header(pin.Code)
			page, told, _ := strings.Cut(c.Page(pin), "#?")
			values, err := url.ParseQuery(told)
			if err != nil || page != "https://plex.test/auth" || len(values) != 3 || values.Get("code") != pin.Code.Reveal() || pin.ID <= 0 || pin.Left <= 0 || pin.Left > time.Hour {
				t.Errorf("%+v, %v", pin, err)
			}
		}
		if token, left, err := c.Confirmed(t.Context(), 7); err == nil {
			header(token)
			if left < 0 || left > time.Hour {
				t.Error(left)
			}
		}
		servers, err := c.Servers(t.Context(), "x")
		if err != nil {
			return
		}
		for _, s := range servers {
			header(s.Token)
			for _, a := range s.Addresses {
				if u, err := url.Parse(a.URL); err != nil || u.Hostname() == "" || u.User != nil || a.Place == plex.Relay && a.Skip == "" ||
					u.Scheme == "http" && a.Place != plex.Local && a.Skip == "" || u.Scheme != "http" && u.Scheme != "https" {
					t.Errorf("%+v, %v", a, err)
				}
			}
		}
	})
}
