package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/host"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
)

// The secrets of a sign-in, marked. A code has a mark of its own: the address of Plex's
// page has to hold it, behind the "#".
const (
	accountToken = "SECRET-account-4713"
	codeMark     = "MARKED-code-4714-"
)

// tvWorld is a world with a plex.tv, whose account owns the world's Plex at two addresses
// that lead to it: over https as localhost, and over http as 127.0.0.1.
type tvWorld struct {
	*world
	tv     *simplex.TV
	tvURL  string
	ca     *simplex.CA
	secure string // the https address
	env    []string
	key    []string // the option for Stash's API key
	// answers are what the page got.
	answers [][]byte
}

func newTVWorld(t *testing.T, o simstash.Options, settings map[string]any) *tvWorld {
	t.Helper()
	w := &tvWorld{tv: simplex.NewTV(simplex.TVOptions{Account: accountToken, CodePrefix: codeMark}), ca: simplex.NewCA()}
	var stop func()
	w.tvURL, stop = w.tv.Start()
	t.Cleanup(stop)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	must(t, os.WriteFile(roots, w.ca.PEM(), 0o644))
	w.env = []string{tvVariable + "=" + w.tvURL, "SSL_CERT_FILE=" + roots, "SSL_CERT_DIR=" + t.TempDir()}
	o.Env = append(o.Env, w.env...)
	if o.APIKey != "" {
		key := filepath.Join(t.TempDir(), "key")
		must(t, os.WriteFile(key, []byte(o.APIKey+"\n"), 0o600))
		w.key = []string{"--api-key-file", key}
	}
	nothing := map[string]any{"plexUrl": nil, "plexToken": nil}
	maps.Copy(nothing, settings)
	w.world = newWorldWith(t, o, nothing)
	t.Cleanup(w.check) // before the world ends
	w.plex.Set(func(o *simplex.Options) { o.MachineID, o.Name, o.Version = "machine-1", "Home", "1.43.2" })
	addr, stopTLS := w.ca.Serve(w.plex, time.Now().Add(time.Hour), "localhost")
	t.Cleanup(stopTLS)
	w.secure = "https://localhost:" + port(t, "https://"+addr)
	w.tv.Set(func(o *simplex.TVOptions) { o.Servers = []simplex.TVServer{w.home()} })
	return w
}

func port(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	return u.Port()
}

// home is the world's Plex as plex.tv knows it.
func (w *tvWorld) home() simplex.TVServer {
	n, err := strconv.Atoi(port(w.T, w.plexURL))
	must(w, err)
	return simplex.TVServer{Name: "Home", Machine: "machine-1", Version: "1.43.0", Token: token, Connections: []simplex.TVConnection{
		{Address: "2.2.2.2", Port: 8443, Relay: true}, {Address: "127.0.0.1", Port: n, URI: w.secure, Local: true},
	}}
}

// check is what is true at the end of every test: plex.tv was used well, and no code is
// where it should not be.
func (w *tvWorld) check() {
	for _, v := range w.tv.Violations() {
		w.Errorf("plex.tv was misused: %s", v)
	}
	for _, d := range w.tv.Devices() {
		if d.Name != "PlexSync (Stash)" || d.Product != "PlexSync" || d.Identifier != w.tv.Devices()[0].Identifier {
			w.Errorf("plex.tv knows the device as %+v", d)
		}
	}
	code := regexp.MustCompile(`[^ "]*` + codeMark)
	for _, r := range w.stash.PluginRuns() {
		for _, place := range code.FindAllString(string(r.Stdout), -1) {
			if r.Kind != "operation" || !strings.Contains(place, "/auth#?clientID=") {
				w.Errorf("a code is on stdout of a %s: %s", r.Kind, place)
			}
		}
		if code.Match(r.Stderr) {
			w.Errorf("a code is in the log: %s", r.Stderr)
		}
	}
	must(w, filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type()&os.ModeSymlink != 0 {
			return nil
		}
		if text, err := os.ReadFile(path); err == nil && (bytes.Contains(text, []byte(codeMark)) || bytes.Contains(text, []byte(accountToken))) {
			w.Errorf("a code or the account's token is in %s", path)
		}
		return nil
	}))
}

// call asks as the page does, holds the answer against its type and decodes it.
func call[A any](w *tvWorld, mode string, args map[string]any) (A, error) {
	w.Helper()
	all := map[string]any{"v": 1, "mode": mode}
	maps.Copy(all, args)
	raw, err := w.answered(all)
	var out struct{ Data A }
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	w.answers = append(w.answers, raw)
	if err != nil {
		w.answers = append(w.answers, []byte(err.Error()))
	}
	for _, text := range w.answers {
		if bytes.Contains(text, []byte("SECRET-")) {
			w.Errorf("a token reached the page: %s", text)
		}
	}
	return out.Data, err
}

// begin starts a sign-in and returns it with its code.
func (w *tvWorld) begin() (s SignIn, code string) {
	w.Helper()
	s, err := call[SignIn](w, "sign_in", nil)
	must(w, err)
	return s, w.codeIn(s.URL)
}

// codeIn is the code in the address of Plex's page, as that page reads it.
func (w *tvWorld) codeIn(address string) string {
	w.Helper()
	head, told, _ := strings.Cut(address, "#?")
	values, err := url.ParseQuery(told)
	must(w, err)
	if head != w.tvURL+"/auth" || values.Get("context[device][product]") != "PlexSync" || values.Get("code") == "" {
		w.Fatalf("the page is at %s", address)
	}
	return values.Get("code")
}

// poll asks until the state is another than waiting, as a page does.
func (w *tvWorld) poll(id int64) SignInProgress {
	w.Helper()
	for range 30 {
		p, err := call[SignInProgress](w, "sign_in_poll", map[string]any{"id": id})
		must(w, err)
		if p.State != SignInWaiting || p.Message != "" {
			return p
		}
		if p.Poll < 1 {
			w.Fatalf("a page would ask again at once: %+v", p)
		}
	}
	w.Fatal("the sign-in never ends")
	return SignInProgress{}
}

// signedIn is a sign-in up to the choice.
func (w *tvWorld) signedIn() (int64, SignInProgress) {
	w.Helper()
	s, code := w.begin()
	must(w, w.tv.Confirm(code))
	return s.ID, w.poll(s.ID)
}

func (w *tvWorld) choose(id int64, machine, address string) (SignedIn, error) {
	w.Helper()
	return call[SignedIn](w, "sign_in_choose", map[string]any{"id": id, "machine": machine, "url": address})
}

// saved are the settings in Stash.
func (w *tvWorld) saved() map[string]any {
	w.Helper()
	var all struct {
		Configuration struct{ Plugins map[string]map[string]any }
	}
	must(w, w.stash.Query(context.Background(), `{configuration{plugins}}`, nil, &all))
	return all.Configuration.Plugins["plexsync"]
}

// addresses are a server's addresses in short.
func addresses(o SignInServer) string {
	var all []string
	for _, x := range o.Addresses {
		text := fmt.Sprintf("%s %s %s", x.Place, x.Result, x.URL)
		for _, f := range []struct {
			on   bool
			name string
		}{{x.Usable, "usable"}, {x.Verified, "verified"}, {x.Saved, "saved"}, {x.Took != nil, "timed"}, {x.Message != "", "told"}} {
			if f.on {
				text += " " + f.name
			}
		}
		all = append(all, text)
	}
	return strings.Join(all, "\n")
}

// TestSigningInFromNothing is the first run: from settings that know no Plex to the first
// scene that is in it.
func TestSigningInFromNothing(t *testing.T) {
	t.Parallel()
	w := newTVWorld(t, simstash.Options{Username: "anna", Password: "SECRET-password", APIKey: apiKey}, map[string]any{"maxRetries": 7.0, "labels": "Stash", "hidePaths": true})
	before := w.saved()
	scene, item := w.film("a.mp4", simstash.Scene{})
	s, code := w.begin()
	if s.ID == 0 || s.Left < 890 || s.Left > 900 || time.Until(s.Expires.Time) < 14*time.Minute {
		t.Errorf("%+v", s)
	}
	p, err := call[SignInProgress](w, "sign_in_poll", map[string]any{"id": s.ID})
	if want := (SignInProgress{State: SignInWaiting, Expires: p.Expires, Left: p.Left, Poll: 1, Servers: List[SignInServer]{}}); err != nil || !reflect.DeepEqual(p, want) || p.Left < 800 {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := w.choose(s.ID, "machine-1", w.secure); err == nil || !strings.Contains(err.Error(), "You have not signed in on Plex's page yet") {
		t.Errorf("chosen before signing in: %v", err)
	}
	must(t, w.tv.Confirm(code))
	p = w.poll(s.ID)
	if p.State != SignInReady || p.Message != "" || p.Poll != 0 || p.Machine != "machine-1" || p.URL != w.secure || len(p.Servers) != 1 {
		t.Fatalf("%+v", p)
	}
	want := fmt.Sprintf("local answers %s usable verified timed\nlocal answers %s usable timed\nrelay skipped https://2-2-2-2.machine-1.plex.direct:8443 told", w.secure, w.plexURL)
	if o := p.Servers[0]; addresses(o) != want || o.Name != "Home" || o.Version != "1.43.2" || !o.Owned || !o.Usable || o.Current || o.Message != "" || o.URL != w.secure {
		t.Errorf("%+v:\n%s", o, addresses(o))
	}
	if now := w.saved(); !reflect.DeepEqual(now, before) {
		t.Errorf("something was saved before the choice: %v", now)
	}
	for _, r := range w.plex.Requests() {
		if r.Token {
			t.Errorf("a token went to %s before the choice", r.Path)
		}
	}
	for _, changed := range []bool{true, false} { // twice is once
		done, err := w.choose(s.ID, "machine-1", w.secure)
		if err != nil || done != (SignedIn{Changed: changed, Machine: "machine-1", Name: "Home", Version: "1.43.2", URL: w.secure}) {
			t.Errorf("%+v, %v", done, err)
		}
	}
	wantSaved := maps.Clone(before)
	wantSaved["plexUrl"], wantSaved["plexToken"] = w.secure, token
	if now := w.saved(); !reflect.DeepEqual(now, wantSaved) {
		t.Errorf("saved are %v, want %v", now, wantSaved)
	}
	w.edit(scene, map[string]any{"title": "Harbour at night"})
	w.settle()
	w.shows(item, map[string]string{"title": "Harbour at night"})
	// Plex sees one device, and plex.tv the same.
	if d := w.plex.Devices(); len(d) != 1 || d[0].Identifier != w.tv.Devices()[0].Identifier {
		t.Errorf("Plex knows %+v", d)
	}
	// Another of its addresses, later: it is the server that is synced now.
	if o := w.poll(s.ID).Servers[0]; !o.Current || !o.Addresses[0].Saved || o.Addresses[1].Saved {
		t.Errorf("%+v", o)
	}
	if done, err := w.choose(s.ID, "machine-1", w.plexURL); err != nil || !done.Changed || w.saved()["plexUrl"] != w.plexURL {
		t.Errorf("%+v, %v", done, err)
	}
	out, err := call[SignedOut](w, "sign_out", nil)
	if err != nil || !out.Revoked || !out.Removed || !w.tv.Revoked(token) || !w.tv.Revoked(accountToken) {
		t.Errorf("%+v, %v", out, err)
	}
	delete(wantSaved, "plexToken")
	wantSaved["plexUrl"] = w.plexURL
	if now := w.saved(); !reflect.DeepEqual(now, wantSaved) {
		t.Errorf("after signing out the settings are %v", now)
	}
}

// TestSigningInAgain: the token was revoked, the address is one that plex.tv does not know
// (that of a container, say), and what waited goes on.
func TestSigningInAgain(t *testing.T) {
	t.Parallel()
	w := newTVWorld(t, simstash.Options{}, nil)
	address := strings.TrimPrefix(w.plexURL, "http://") // as a person types it
	w.set(map[string]any{"plexUrl": address, "plexToken": token})
	w.tv.Set(func(o *simplex.TVOptions) { o.Servers[0].Connections = o.Servers[0].Connections[:1] })
	scene, item := w.film("a.mp4", simstash.Scene{})
	w.edit(scene, map[string]any{"title": "A"})
	w.settle()
	const renewed = "SECRET-renewed-4715"
	w.plex.Set(func(o *simplex.Options) { o.Token = renewed })
	w.tv.Set(func(o *simplex.TVOptions) { o.Servers[0].Token = renewed })
	w.edit(scene, map[string]any{"title": "B"})
	w.settle()
	w.shows(item, map[string]string{"title": "A"})
	id, p := w.signedIn()
	if o := p.Servers[0]; p.URL != w.plexURL || p.Machine != "machine-1" || !o.Current || addresses(o) != fmt.Sprintf("local answers %s usable saved timed\nrelay skipped https://2-2-2-2.machine-1.plex.direct:8443 told", w.plexURL) {
		t.Errorf("%+v:\n%s", p, addresses(o))
	}
	if done, err := w.choose(id, p.Machine, p.URL); err != nil || !done.Changed {
		t.Fatalf("%+v, %v", done, err)
	}
	if now := w.saved(); now["plexUrl"] != address || now["plexToken"] != renewed {
		t.Errorf("saved are %v", now)
	}
	w.task("Process queue")
	w.shows(item, map[string]string{"title": "B"})
}

// TestWhatCannotBeChosenIsNotSaved: nothing that a page sends makes a token go to an
// address that plex.tv does not name for the server, or that another machine has.
func TestWhatCannotBeChosenIsNotSaved(t *testing.T) {
	slow(t, "signs in again and again")
	t.Parallel()
	w := newTVWorld(t, simstash.Options{}, map[string]any{"paused": true})
	other := simplex.New(simplex.Options{MachineID: "machine-9"})
	otherURL, stop := other.Start()
	t.Cleanup(stop)
	w.tv.Set(func(o *simplex.TVOptions) {
		n, _ := strconv.Atoi(port(t, otherURL))
		o.Servers = append(o.Servers,
			simplex.TVServer{Name: "Ann's", Machine: "machine-2", SharedBy: "Ann", Token: "SECRET-anns-4716", Connections: []simplex.TVConnection{{Address: "127.0.0.1", Port: n, URI: otherURL, Local: true}}},
			simplex.TVServer{Name: "Cabin", Machine: "machine-3", Token: "SECRET-cabin-4717", Connections: []simplex.TVConnection{{Address: "127.0.0.1", Port: n, URI: otherURL, Local: true}}},
			simplex.TVServer{Name: "TV", Machine: "player", Provides: "client,player"})
	})
	before := w.saved()
	id, p := w.signedIn()
	type line struct{ name, message, addresses string }
	var got []line
	for _, o := range p.Servers {
		got = append(got, line{o.Name, o.Message, strings.ReplaceAll(addresses(o), "\n", "; ")})
		if o.Usable != (o.Message == "") || o.Usable != (o.URL != "") {
			t.Errorf("%+v", o)
		}
	}
	want := []line{
		{"Cabin", "Does not answer from Stash (tried 1 address). Check that it is running and that no firewall is in between. If Plex runs in Docker, publish its port 32400 and add the host's address in Plex under Settings > Network > Custom server access URLs, or enter its address by hand",
			"local other_machine " + otherURL + " told"},
		{"Home", "", got[1].addresses},
		{"Ann's", "Shared with you by Ann: only its owner can edit metadata", ""},
	}
	if !reflect.DeepEqual(got, want) || p.Machine != "machine-1" {
		t.Errorf("%+v", got)
	}
	for _, c := range []struct {
		name, machine, url, says string
		change                   func()
	}{
		{"an address of the caller's", "machine-1", otherURL, "argument url: this server has no such address", nil},
		{"almost an address", "machine-1", w.secure + "@" + strings.TrimPrefix(otherURL, "http://"), "argument url: this server has no such address", nil},
		{"a relay", "machine-1", "https://2-2-2-2.machine-1.plex.direct:8443", "is Plex's relay", nil},
		{"no server", "machine-8", w.secure, "your Plex account has no such server", nil},
		{"another's server", "machine-2", otherURL, "Shared with you by Ann", nil},
		{"another machine", "machine-3", otherURL, "belongs to another Plex server", nil},
		{"a player", "player", otherURL, "your Plex account has no such server", nil},
		{"a guest", "machine-1", w.secure, "does not take this account for its owner's", func() { w.plex.Set(func(o *simplex.Options) { o.NotOwner = true }) }},
		{"a token that the server does not know", "machine-1", w.secure, "The server does not accept the sign-in", func() {
			w.plex.Set(func(o *simplex.Options) { o.NotOwner, o.Token = false, "SECRET-other-4718" })
		}},
		{"an old server", "machine-1", w.secure, "needs 1.32 or newer", func() { w.plex.Set(func(o *simplex.Options) { o.Token, o.Version = token, "1.30.0" }) }},
		{"a machine that was set up anew", "machine-1", w.secure, "belongs to another Plex server", func() { w.plex.Set(func(o *simplex.Options) { o.MachineID = "machine-7" }) }},
		{"a server that is out", "machine-1", w.secure, "The address " + w.secure, func() { w.plex.Set(func(o *simplex.Options) { o.MachineID, o.Down = "machine-1", true }) }},
	} {
		if c.change != nil {
			c.change()
		}
		if done, err := w.choose(id, c.machine, c.url); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v, %v", c.name, done, err)
		}
	}
	if now := w.saved(); !reflect.DeepEqual(now, before) {
		t.Errorf("saved are %v", now)
	}
	for _, r := range other.Requests() {
		if r.Token {
			t.Errorf("a token went to another machine: %s", r.Path)
		}
	}
}

// TestASignInSaysWhyItDoesNotGoOn: each failure of plex.tv is a state with a sentence, and
// what may be gone in a moment does not end it.
func TestASignInSaysWhyItDoesNotGoOn(t *testing.T) {
	slow(t, "waits for the time-outs of a sign-in")
	t.Parallel()
	w := newTVWorld(t, simstash.Options{}, nil)
	echo := `{"authToken":"` + accountToken + `","code":"` + codeMark + `"}`
	for _, c := range []struct {
		rule  simplex.Rule
		state SignInState
		says  string
	}{
		{simplex.Rule{Path: "pins/", Status: 503, Body: echo}, SignInWaiting, "plex.tv has a problem at the moment (it answered 503)"},
		{simplex.Rule{Path: "pins/", Garble: true}, SignInWaiting, "cannot be read"},
		{simplex.Rule{Path: "pins/", ResetBefore: true}, SignInWaiting, "broke off"},
		{simplex.Rule{Path: "pins/", RedirectTo: w.plexURL + "/identity"}, SignInWaiting, "wants to send PlexSync elsewhere"},
		{simplex.Rule{Path: "resources", Status: 500, Body: echo}, SignInWaiting, "it answered 500"},
		{simplex.Rule{Path: "resources", Status: 200, Body: "null"}, SignInWaiting, "cannot be read"},
		{simplex.Rule{Path: "resources", Status: 429, RetryAfter: "1", Body: echo}, SignInWaiting, "asks PlexSync to wait: try again in 1 second"},
		{simplex.Rule{Path: "resources", Status: 401, Body: echo}, SignInRefused, "does not accept the sign-in"},
		{simplex.Rule{Path: "pins/", Status: 403, Body: echo}, SignInRefused, "refused the request"},
		{simplex.Rule{Path: "pins/", Status: 404, Body: echo}, SignInExpired, "has expired: start the sign-in again"},
	} {
		s, code := w.begin()
		must(t, w.tv.Confirm(code))
		w.tv.Script(c.rule)
		p := w.poll(s.ID)
		if p.State != c.state || !strings.Contains(p.Message, c.says) || (p.Poll > 0) != (c.state == SignInWaiting) || len(p.Servers) > 0 || p.Expires.IsZero() != (c.state != SignInWaiting) {
			t.Errorf("%+v: %+v", c.rule, p)
		}
		w.tv.ClearScript()
		if p := w.poll(s.ID); p.State != SignInReady {
			t.Errorf("%+v: it does not go on: %+v", c.rule, p)
		}
	}
	// Who makes no PIN says why.
	w.tv.Script(simplex.Rule{Method: "POST", Status: 500, Body: echo}, simplex.Rule{Method: "POST", Status: 200, Body: echo})
	for _, says := range []string{"it answered 500", "cannot be read"} {
		if _, err := call[SignIn](w, "sign_in", nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
	// Others' PINs, and those of a database that is no more.
	for _, id := range []int64{1, 1 << 50} {
		n := len(w.tv.Requests())
		if p := w.poll(id); p.State != SignInExpired || !strings.Contains(p.Message, "not known here") || len(w.tv.Requests()) != n {
			t.Errorf("%+v", p)
		}
	}
	// Too many requests: nobody asks before the time is over, whoever it was that was told.
	s, code := w.begin()
	must(t, w.tv.Confirm(code))
	w.tv.Script(simplex.Rule{Path: "pins/", Status: 429, RetryAfter: "7", Body: echo})
	p := w.poll(s.ID)
	n := len(w.tv.Requests())
	if p.State != SignInWaiting || p.Poll != 7 || !strings.Contains(p.Message, "asks PlexSync to wait: try again in 7 seconds") {
		t.Errorf("%+v", p)
	}
	for range 2 {
		if p, err := call[SignInProgress](w, "sign_in_poll", map[string]any{"id": s.ID}); err != nil || p.State != SignInWaiting || p.Poll < 3 || !strings.Contains(p.Message, "asks PlexSync to wait") {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if _, err := call[SignIn](w, "sign_in", nil); err == nil || !strings.Contains(err.Error(), "asks PlexSync to wait") {
		t.Errorf("a new sign-in meanwhile: %v", err)
	}
	if got := len(w.tv.Requests()); got != n {
		t.Errorf("plex.tv was asked %d times meanwhile", got-n)
	}
	if done, err := w.choose(s.ID, "machine-1", w.secure); err != nil || !done.Changed {
		t.Errorf("the choice does not wait for its turn: %+v, %v", done, err)
	}
}

// TestACodeExpires under each reading of what plex.tv then says, and by our own clock if it
// says nothing.
func TestACodeExpires(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options func(*simplex.TVOptions)
		rule    simplex.Rule
	}{
		"404":            {},
		"no token":       {options: func(o *simplex.TVOptions) { o.ExpiredIsNull = true }},
		"used once":      {options: func(o *simplex.TVOptions) { o.TokenOnce, o.PinLife = true, time.Minute }},
		"plex.tv is out": {rule: simplex.Rule{Path: "pins/", Status: 503, Count: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTVWorld(t, simstash.Options{}, nil)
			w.tv.Set(func(o *simplex.TVOptions) { o.PinLife = 3 * time.Second })
			if c.options != nil {
				w.tv.Set(c.options)
			}
			s, code := w.begin()
			if name == "used once" {
				must(t, w.tv.Confirm(code))
				if p := w.poll(s.ID); p.State != SignInReady {
					t.Fatalf("%+v", p)
				}
			}
			if c.rule.Status != 0 {
				w.tv.Script(c.rule)
			}
			p := w.poll(s.ID)
			for p.State == SignInWaiting {
				p = w.poll(s.ID)
			}
			if p.State != SignInExpired || !strings.Contains(p.Message, "has expired: start the sign-in again") || p.Poll != 0 || !p.Expires.IsZero() {
				t.Errorf("%+v", p)
			}
			if _, err := w.choose(s.ID, "machine-1", w.secure); err == nil || !strings.Contains(err.Error(), "has expired") {
				t.Errorf("%v", err)
			}
			if w.saved()["plexToken"] != nil {
				t.Error("a token was saved")
			}
		})
	}
}

// TestTwoTabsSignInSideBySide: each by its own code, and together no faster than once a
// second, which the simulated plex.tv watches.
func TestTwoTabsSignInSideBySide(t *testing.T) {
	t.Parallel()
	w := newTVWorld(t, simstash.Options{}, nil)
	var ids []int64
	var codes []string
	for range 2 {
		s, code := w.begin()
		ids, codes = append(ids, s.ID), append(codes, code)
	}
	var wg sync.WaitGroup
	polls := make([]int, len(ids))
	for i, id := range ids {
		wg.Go(func() {
			for polls[i] < 60 {
				var p struct{ Data SignInProgress }
				if err := w.operation(map[string]any{"v": 1, "mode": "sign_in_poll", "id": id}, &p); err != nil {
					t.Error(err)
					return
				}
				if polls[i]++; p.Data.State == SignInReady {
					return
				}
				if polls[i] == 3 {
					w.tv.Confirm(codes[i])
				}
			}
			t.Error("a tab never gets its turn")
		})
	}
	wg.Wait()
	for _, id := range ids {
		if done, err := w.choose(id, "machine-1", w.secure); err != nil {
			t.Errorf("%+v, %v", done, err)
		}
	}
}

// TestPlexTVIsAskedOnceASecondByAll, in whatever order they come, with a clock that jumps.
func TestPlexTVIsAskedOnceASecondByAll(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		session := func() *session {
			db, err := store.Open(ctx, dir, time.Now())
			must(t, err)
			t.Cleanup(func() { db.Close() })
			return &session{process: &process{}, db: db}
		}
		var mu sync.Mutex
		var asked []time.Time
		var wg sync.WaitGroup
		for range 5 {
			s := session()
			wg.Go(func() {
				for range 10 {
					wait, busy, err := s.turn(ctx, time.Minute)
					if err != nil || wait != 0 || busy {
						t.Error(wait, busy, err)
					}
					mu.Lock()
					asked = append(asked, time.Now())
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for i := 1; i < len(asked); i++ {
			if d := asked[i].Sub(asked[i-1]); d < pollEvery || d > pollEvery+10*time.Millisecond {
				t.Errorf("%v between two questions", d)
			}
		}
		s, other := session(), session()
		// Who has no patience is told how long it would take, and takes no turn.
		if wait, busy, err := s.turn(ctx, 0); err != nil || wait <= 0 || wait > pollEvery || busy {
			t.Errorf("%v, %v, %v", wait, busy, err)
		}
		for asks, want := range map[time.Duration]time.Duration{0: usualBusy, time.Millisecond: pollEvery, 30 * time.Second: 30 * time.Second, 24 * time.Hour: maxBusy} {
			e := &plex.TVError{Problem: plex.TVBusy, Wait: asks}
			if err := s.asked(ctx, e); err != e || e.Wait != want {
				t.Errorf("%v: %v, %v", asks, e.Wait, err)
			}
			wait := e.Wait
			left, busy, err := other.turn(ctx, 0)
			if err != nil || left <= wait-10*time.Millisecond || left > wait || !busy {
				t.Errorf("%v: %v, %v, %v", asks, left, busy, err)
			}
			time.Sleep(wait)
		}
		// A time that lies too far ahead is that of a clock that was set back.
		must(t, s.changeSignIn(ctx, func(x *sharedSignIn) { x.Next = time.Now().Add(time.Hour).UnixMilli() }))
		if wait, _, err := s.turn(ctx, 0); wait != 0 || err != nil {
			t.Errorf("%v, %v", wait, err)
		}
		// A row that is damaged is none.
		must(t, s.db.SetMeta(ctx, metaSignIn, "\x00{"))
		if wait, _, err := s.turn(ctx, 0); wait != 0 || err != nil {
			t.Errorf("%v, %v", wait, err)
		}
		canceled, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Millisecond, cancel)
		if _, _, err := s.turn(canceled, time.Minute); err == nil {
			t.Error("who goes still waits")
		}
	})
}

// TestWhyAServerCannotBeChosen, and what to do, and which is chosen for the person.
func TestWhyAServerCannotBeChosen(t *testing.T) {
	answers := func(address string, place plex.Place) plex.Tried {
		return plex.Tried{Address: plex.Address{URL: address, Place: place}, Verdict: plex.Answers, Version: "1.43.2", Took: 4 * time.Millisecond}
	}
	fails := func(address string, v plex.Verdict, place plex.Place) plex.Tried {
		return plex.Tried{Address: plex.Address{URL: address, Place: place}, Verdict: v, Why: "is no good"}
	}
	direct, plain, remote, relay := "https://10-0-0-1.h.plex.direct:32400", "http://10.0.0.1:32400", "https://example.org:443", "https://2-2-2-2.h.plex.direct:8443"
	owned := plex.Found{Machine: "m", Name: "N", Owned: true, Token: "x"}
	shared, tokenless, old := owned, owned, owned
	shared.Owned, tokenless.Token, old.Version = false, "", "1.30.0"
	oldTried := answers(direct, plex.Local)
	oldTried.Version = ""
	for _, c := range []struct {
		name  string
		saved string
		found plex.Found
		tried []plex.Tried
		url   string // "" = it cannot be chosen
		says  string
	}{
		{"https in the local network", "", owned, []plex.Tried{answers(direct, plex.Local), answers(plain, plex.Local), answers(remote, plex.Remote)}, direct, ""},
		{"only http there", "", owned, []plex.Tried{fails(direct, plex.NoName, plex.Local), answers(plain, plex.Local), answers(remote, plex.Remote)}, plain, ""},
		{"only from outside", "", owned, []plex.Tried{fails(direct, plex.NoAnswer, plex.Local), fails(plain, plex.NoAnswer, plex.Local), answers(remote, plex.Remote)}, remote, ""},
		{"the one in the settings", "http://plex:32400", owned, []plex.Tried{answers(direct, plex.Local), answers("http://plex:32400", plex.Local)}, "http://plex:32400", ""},
		{"another's in the settings", "http://plex:32400", owned, []plex.Tried{answers(direct, plex.Local), fails("http://plex:32400", plex.OtherMachine, plex.Local)}, direct, ""},
		{"shared", "", shared, nil, "", "Shared with you: only its owner can edit metadata"},
		{"no token", "", tokenless, []plex.Tried{answers(direct, plex.Local)}, "", "plex.tv gives no access"},
		{"too old", "", old, []plex.Tried{oldTried}, "", "1.32 or newer"},
		{"no address", "", owned, nil, "", "plex.tv knows no address of this server"},
		{"relay only", "", owned, []plex.Tried{fails(relay, plex.Skipped, plex.Relay)}, "", "only over Plex's relay"},
		{"http over the internet only", "", owned, []plex.Tried{fails("http://2.2.2.2:32400", plex.Skipped, plex.Remote), fails(relay, plex.Skipped, plex.Relay)}, "", "no address that is safe to use"},
		{"names that lead nowhere", "", owned, []plex.Tried{fails(direct, plex.NoName, plex.Local), fails(relay, plex.Skipped, plex.Relay)}, "", "allow plex.direct in your router"},
		{"nothing answers", "", owned, []plex.Tried{fails(direct, plex.NoName, plex.Local), fails(plain, plex.NoAnswer, plex.Local), fails(remote, plex.Untrusted, plex.Remote), fails(relay, plex.Skipped, plex.Relay)}, "", "Does not answer from Stash (tried 3 addresses)"},
	} {
		s := &session{config: config.Config{PlexURL: c.saved}}
		o := s.offer(c.found, c.tried, "")
		if o.URL != c.url || o.Usable != (c.url != "") || (o.Message == "") != o.Usable || !strings.Contains(o.Message, c.says) || strings.HasSuffix(o.Message, ".") {
			t.Errorf("%s: %+v", c.name, o)
		}
		p := SignInProgress{Servers: List[SignInServer]{o}}
		if p.choose(); p.URL != c.url || (p.Machine != "") != o.Usable || (p.Message == "") != o.Usable {
			t.Errorf("%s: %+v", c.name, p)
		}
		if c.name == "another's in the settings" && len(o.Addresses) != 1 {
			t.Errorf("%s is shown: %+v", c.name, o.Addresses)
		}
	}
	s := &session{}
	offer := func(machine string, tried ...plex.Tried) SignInServer {
		f := owned
		f.Machine = machine
		return s.offer(f, tried, "current")
	}
	for name, c := range map[string]struct {
		servers []SignInServer
		machine string
		says    string
	}{
		"the best address wins":                       {[]SignInServer{offer("a", answers(remote, plex.Remote)), offer("b", answers(plain, plex.Local)), offer("c", answers(direct, plex.Local)), offer("d", answers(direct, plex.Local))}, "c", ""},
		"the server that is synced now, whatever its": {[]SignInServer{offer("a", answers(direct, plex.Local)), offer("current", answers(remote, plex.Remote))}, "current", ""},
		"but only if it can be used":                  {[]SignInServer{offer("current"), offer("b", answers(remote, plex.Remote))}, "b", ""},
		"none at all":                                 {nil, "", "This Plex account has no server: sign in with the account of the server's owner"},
		"shared ones only":                            {[]SignInServer{s.offer(shared, nil, "")}, "", "only shared with it"},
		"none that can be used":                       {[]SignInServer{offer("a"), s.offer(shared, nil, "")}, "", "None of your servers can be used yet"},
	} {
		p := SignInProgress{Servers: c.servers}
		if p.choose(); p.Machine != c.machine || !strings.Contains(p.Message, c.says) || (p.Message == "") != (c.says == "") {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// TestNoSecretOfASignInIsTold: with every server answering with all secrets there are, and
// the log as talkative as can be. (What was printed and written is searched at the end of
// every test.)
func TestNoSecretOfASignInIsTold(t *testing.T) {
	slow(t, "goes through every failure of a sign-in")
	t.Parallel()
	w := newTVWorld(t, simstash.Options{Username: "anna", Password: "SECRET-password", APIKey: apiKey}, map[string]any{"verbose": true})
	echo := `{"message":"` + strings.Join([]string{token, accountToken, codeMark + "x", apiKey}, " ") + `"}`
	s, code := w.begin()
	must(t, w.tv.Confirm(code))
	for _, v := range []any{nil, 1} { // without a version, calls log
		try := func(mode string) {
			w.operation(map[string]any{"v": v, "mode": mode, "id": s.ID, "machine": "machine-1", "url": w.secure, "secret": token}, nil)
		}
		for _, path := range []string{"pins", "resources", "signout"} {
			for _, r := range []simplex.Rule{{Status: 500, Body: echo}, {Status: 403, Body: echo}, {Status: 200, Body: echo}, {RedirectTo: w.plexURL + "/?X-Plex-Token=" + token}} {
				r.Path, r.Count = path, -1
				w.tv.Script(r)
				for _, mode := range []string{"sign_in", "sign_in_poll", "sign_in_choose"} {
					if (path == "pins") == (mode != "sign_in_choose") {
						try(mode)
					}
				}
				w.tv.ClearScript()
			}
		}
		for _, r := range []simplex.Rule{{Status: 500, Body: echo}, {Status: 401, Body: echo}, {Status: 200, Body: echo}, {RedirectTo: "http://127.0.0.1:1/" + token}} {
			r.Count = -1
			w.plex.Script(r)
			try("sign_in_choose")
			w.plex.ClearScript()
		}
		for _, f := range []simstash.Fault{{Field: "configurePlugin", GraphQLError: "cannot write " + token}, {Field: "configurePlugin", Status: 500, Body: echo}, {Field: "configurePlugin", Garble: true}} {
			w.stash.Script(f)
			try("sign_in_choose")
			w.stash.ClearScript()
		}
		try("sign_in_choose")
		if w.saved()["plexToken"] != token {
			t.Fatalf("the sign-in did not end: %v\n%s", w.saved(), w.log())
		}
		for _, task := range []string{"Health check", "Show status"} {
			w.task(task)
		}
		try("sign_out")
		if w.saved()["plexToken"] != nil {
			t.Errorf("still signed in: %v\n%s", w.saved(), w.log())
		}
		must(t, w.tv.Confirm(code))
	}
	// The database holds a fingerprint, and neither tokens nor their parts.
	text, err := w.db().Meta(context.Background(), metaSignIn)
	if err != nil || !strings.Contains(text, strconv.FormatInt(s.ID, 10)) || regexp.MustCompile(`[^a-z0-9{}\[\]":,]`).MatchString(text) {
		t.Errorf("%s, %v", text, err)
	}
}

// TestATokenOfOursIsKnownAsSuch though another one was about to be saved.
func TestATokenOfOursIsKnownAsSuch(t *testing.T) {
	t.Parallel()
	w := newTVWorld(t, simstash.Options{}, nil)
	id, p := w.signedIn()
	_, err := w.choose(id, p.Machine, p.URL)
	must(t, err)
	const renewed = "SECRET-renewed-4715"
	w.plex.Set(func(o *simplex.Options) { o.Token = renewed })
	w.tv.Set(func(o *simplex.TVOptions) { o.Servers[0].Token = renewed })
	w.stash.Script(simstash.Fault{Field: "configurePlugin", GraphQLError: "disk full"})
	if _, err := w.choose(id, p.Machine, p.URL); err == nil || w.saved()["plexToken"] != token {
		t.Errorf("%v", err)
	}
	w.tv.Set(func(o *simplex.TVOptions) { o.Servers[0].Token = token })
	if out, err := call[SignedOut](w, "sign_out", nil); err != nil || !out.Revoked || !out.Removed {
		t.Errorf("%+v, %v", out, err)
	}
}

// ---- In a shell ------------------------------------------------------------------------

// program runs the real program in a shell, with plex.tv in its environment.
func (w *tvWorld) program(stdin io.Reader, args ...string) (cmd *exec.Cmd, stdout io.Reader, stderr *bytes.Buffer) {
	w.Helper()
	exe := filepath.Join(w.dir, "plugins", "plexsync", "plexsync")
	if runtime.GOOS == "windows" {
		exe += ".exe"
	}
	args = slices.Concat([]string{"--data", w.dir, "--stash", fmt.Sprintf("http://127.0.0.1:%d", w.port())}, w.key, args)
	cmd = exec.CommandContext(w.Context(), exe, args...)
	cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), w.env...)
	stderr = new(bytes.Buffer)
	cmd.Stdin, cmd.Stderr = stdin, stderr
	stdout, err := cmd.StdoutPipe()
	must(w, err)
	must(w, cmd.Start())
	return cmd, stdout, stderr
}

// signInShell runs a sign-in to its end, confirming the code that it shows.
func (w *tvWorld) signInShell(stdin string, args ...string) (stdout, stderr string, code int) {
	w.Helper()
	cmd, out, errs := w.program(strings.NewReader(stdin), append(args, "sign-in")...)
	var all bytes.Buffer
	buf, confirmed := make([]byte, 4096), false
	for {
		n, err := out.Read(buf)
		all.Write(buf[:n])
		if m := regexp.MustCompile(`http://\S+/auth#\S+\n`).FindString(all.String()); m != "" && !confirmed {
			confirmed = true
			must(w, w.tv.Confirm(w.codeIn(strings.TrimSpace(m))))
		}
		if err != nil {
			break
		}
	}
	cmd.Wait()
	for _, s := range w.secrets() {
		if bytes.Contains(all.Bytes(), s) || bytes.Contains(errs.Bytes(), s) {
			w.Errorf("%v tells a secret", args)
		}
	}
	return all.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// run runs another command.
func (w *tvWorld) run(args ...string) (stdout, stderr string, code int) {
	w.Helper()
	cmd, out, errs := w.program(nil, args...)
	text, err := io.ReadAll(out)
	must(w, err)
	cmd.Wait()
	return string(text), errs.String(), cmd.ProcessState.ExitCode()
}

func TestSigningInAndOutInAShell(t *testing.T) {
	t.Parallel()
	w := newTVWorld(t, simstash.Options{Username: "anna", Password: "SECRET-password", APIKey: apiKey}, map[string]any{"paused": true})
	// Before there is a database, there is Stash's own file.
	if _, stderr, code := w.signInShell(""); code != 1 || !strings.Contains(stderr, "there is no database") {
		t.Errorf("in a strange folder: code %d, %s", code, stderr)
	}
	must(t, os.WriteFile(filepath.Join(w.dir, "config.yml"), nil, 0o600))
	if _, stderr, code := w.run("status"); code != 1 || !strings.Contains(stderr, "there is no database") {
		t.Errorf("code %d, %s", code, stderr)
	}
	stdout, stderr, code := w.signInShell("")
	for _, text := range []string{"Open this address in a browser, on any device, and sign in to Plex:\n\n  " + w.tvURL + "/auth#?clientID=plexsync-", "Waiting for up to 15 minutes. Press Ctrl-C to cancel.\n",
		"\nYour servers:\n\n  1  Home, Plex 1.43.2\n     " + w.secure + "\n", "\nSigned in. The server \"Home\" at " + w.secure + " is saved in the settings\n"} {
		if !strings.Contains(stdout, text) {
			t.Errorf("it does not say %q, but:\n%s", text, stdout)
		}
	}
	if want := map[string]any{"plexUrl": w.secure, "plexToken": token, "paused": true, "pathRules": "/data => /media"}; code != 0 || stderr != "" || !reflect.DeepEqual(w.saved(), want) {
		t.Errorf("code %d, %s, saved %v", code, stderr, w.saved())
	}
	w.settings = w.saved()

	// Signing out: not while plex.tv is out, then once, and not a token of a person's.
	w.tv.Script(simplex.Rule{Path: "signout", Status: 503})
	if _, stderr, code := w.run("sign-out"); code != 1 || !strings.Contains(stderr, `plexsync: Nothing was changed. plex.tv has a problem at the moment (it answered 503): try again in a few minutes. You can also remove "PlexSync (Stash)" in Plex under Settings > Authorized Devices`) || w.saved()["plexToken"] != token {
		t.Errorf("code %d, %s", code, stderr)
	}
	w.tv.Script(simplex.Rule{Path: "signout", Status: 403}) // a filter's
	if _, stderr, code := w.run("sign-out"); code != 1 || !strings.Contains(stderr, "Nothing was changed. plex.tv refused the request (it answered 403)") || w.saved()["plexToken"] != token {
		t.Errorf("code %d, %s", code, stderr)
	}
	if stdout, stderr, code := w.run("sign-out"); code != 0 || stderr != "" || stdout != "Signed out: the token is revoked and removed from the settings\n" || w.saved()["plexToken"] != nil || w.saved()["plexUrl"] != w.secure {
		t.Errorf("code %d, %s, %s, %v", code, stdout, stderr, w.saved())
	}
	if stdout, _, code := w.run("sign-out"); code != 0 || stdout != "warning: You are not signed in: there is no token in the settings\n" {
		t.Errorf("twice: code %d, %s", code, stdout)
	}
	w.set(map[string]any{"plexToken": token})
	n := len(w.tv.Requests())
	if stdout, _, code := w.run("sign-out"); code != 0 || !strings.Contains(stdout, "the token in the settings was entered by hand") || w.saved()["plexToken"] != token || len(w.tv.Requests()) != n {
		t.Errorf("by hand: code %d, %s", code, stdout)
	}
	// A token that was revoked elsewhere, or that plex.tv leaves to the server.
	w.tv.Set(func(o *simplex.TVOptions) { o.ServerTokensAreStrange = true })
	if _, stderr, code := w.signInShell(""); code != 0 {
		t.Errorf("code %d, %s", code, stderr)
	}
	var out SignedOut
	stdout, stderr, code = w.run("--json", "sign-out")
	must(t, json.Unmarshal([]byte(stdout), &out))
	if code != 0 || out.Revoked || !out.Removed || !strings.Contains(out.Message, `if it still lists "PlexSync (Stash)" in Plex under Settings > Authorized Devices, remove it there`) || w.saved()["plexToken"] != nil {
		t.Errorf("code %d, %+v, %s", code, out, stderr)
	}
}

func TestAShellPicksAServer(t *testing.T) {
	slow(t, "signs in again and again in a shell")
	t.Parallel()
	w := newTVWorld(t, simstash.Options{}, nil)
	must(t, os.WriteFile(filepath.Join(w.dir, "config.yml"), nil, 0o600))
	second := simplex.New(simplex.Options{MachineID: "machine-2", Token: "SECRET-second-4719"})
	address, stop := second.Start()
	t.Cleanup(stop)
	w.tv.Set(func(o *simplex.TVOptions) {
		n, _ := strconv.Atoi(port(t, address))
		o.Servers = append(o.Servers, simplex.TVServer{Name: "Cabin\x1b[31m", Machine: "machine-2", Token: "SECRET-second-4719", Connections: []simplex.TVConnection{{Address: "127.0.0.1", Port: n, URI: address, Local: true}}},
			simplex.TVServer{Name: "Ann's", Machine: "machine-3", SharedBy: "Ann"}, simplex.TVServer{Name: "Off", Machine: "machine-4", Token: "x"})
	})
	for _, c := range []struct {
		stdin string
		args  []string
		code  int
		url   any
		says  string
	}{
		{"", nil, 1, nil, `you have several servers. Name one, for example: plexsync sign-in --server "Home"`},
		{"", []string{"--server", "nobody's"}, 1, nil, `--server: you have no server "nobody's"`},
		{"", []string{"--server", "ann's"}, 1, nil, "Ann's: Shared with you by Ann: only its owner can edit metadata"},
		{"", []string{"--server", "machine-4"}, 1, nil, "Off: plex.tv knows no address of this server"},
		{"9\nx\n1\n", nil, 0, address, ""},
		{"\n", nil, 0, address, ""}, // it is the one that is used now
		{"", []string{"--server", "HOME"}, 0, w.secure, ""},
	} {
		stdout, stderr, code := w.signInShell(c.stdin, c.args...)
		if code != c.code || !strings.Contains(stderr, c.says) || w.saved()["plexUrl"] != c.url || strings.Contains(stdout+stderr, "\x1b") {
			t.Errorf("%q %v: code %d, %v\n%s%s", c.stdin, c.args, code, w.saved()["plexUrl"], stdout, stderr)
		}
		if !strings.Contains(stdout, "  -  Ann's\n     Shared with you by Ann") {
			t.Errorf("a server that is shared is not shown:\n%s", stdout)
		}
	}
	stdout, stderr, code := w.signInShellJSON("--server", "machine-2")
	var done SignedIn
	must(t, json.Unmarshal([]byte(stdout), &done))
	if code != 0 || !done.Changed || done.Machine != "machine-2" || !strings.Contains(stderr, "Open this address") {
		t.Errorf("code %d, %s, %s", code, stdout, stderr)
	}
}

// signInShellJSON is signInShell with --json, which leaves stdout to the answer.
func (w *tvWorld) signInShellJSON(args ...string) (stdout, stderr string, code int) {
	w.Helper()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // the person reads the address elsewhere
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				for i := range 30 {
					w.tv.Confirm(fmt.Sprintf("%scode%d", codeMark, 111222333+i))
				}
			}
		}
	})
	stdout, stderr, code = w.run(append(args, "--json", "sign-in")...)
	close(stop)
	wg.Wait()
	return stdout, stderr, code
}

// TestCtrlCEndsASignIn, and leaves nothing behind.
func TestCtrlCEndsASignIn(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot send Ctrl-C to another one alone")
	}
	w := newTVWorld(t, simstash.Options{}, nil)
	must(t, os.WriteFile(filepath.Join(w.dir, "config.yml"), nil, 0o600))
	before := w.saved()
	cmd, out, _ := w.program(nil, "sign-in")
	text := make([]byte, 10)
	_, err := io.ReadFull(out, text)
	must(t, err)
	must(t, cmd.Process.Signal(os.Interrupt))
	if cmd.Wait(); cmd.ProcessState.Success() || !reflect.DeepEqual(w.saved(), before) {
		t.Errorf("%v, saved %v", cmd.ProcessState, w.saved())
	}
}

// TestEveryVerdictHasItsNameInTheInterface, and every place.
func TestEveryVerdictHasItsNameInTheInterface(t *testing.T) {
	all := constantsOf(t, "Verdict", "../internal/plex/plextv*.go")
	if got := slices.Sorted(maps.Values(all)); !slices.Equal(got, slices.Sorted(slices.Values(AddressResult("").values()))) || len(got) == 0 {
		t.Errorf("package plex has %v", got)
	}
	if got := []AddressPlace{placeOf(plex.Local), placeOf(plex.Remote), placeOf(plex.Relay)}; !slices.Equal(texts(got...), AddressPlace("").values()) {
		t.Errorf("%v", got)
	}
}

// TestThePlaceOfPlexTVMustBeAnAddress: a mistyped variable is named, and not quoted.
func TestThePlaceOfPlexTVMustBeAnAddress(t *testing.T) {
	t.Setenv(tvVariable, "http://anna:SECRET-password@127.0.0.1")
	db, err := store.Open(t.Context(), t.TempDir(), time.Now())
	must(t, err)
	defer db.Close()
	handler := host.NewHandler(io.Discard, nil)
	s := &session{process: &process{handler: handler, log: slog.New(handler)}, db: db}
	if _, err := s.signIn(t.Context(), NoArguments{}); err == nil || !strings.HasPrefix(err.Error(), tvVariable+": ") || strings.Contains(err.Error(), "SECRET") {
		t.Error(err)
	}
}
