package simplex

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// TVOptions is what a [TV] is and how it misbehaves. The zero value is a healthy plex.tv
// with an account that has no server.
type TVOptions struct {
	// Now is the clock of PINs. Default time.Now.
	Now func() time.Time
	// PinLife is how long a PIN lives. Default 15 minutes.
	PinLife time.Duration
	// ExpiredIsNull answers 200 without a token for a PIN that has expired, and not
	// 404: accounts differ.
	ExpiredIsNull bool
	// TokenOnce hands the token of a confirmed PIN out once; then the PIN is gone.
	TokenOnce bool
	// CodePrefix begins each code, so that a test can search for codes.
	CodePrefix string
	// Account is the token of the account that confirms PINs. Default "tv-account".
	Account string
	// ServerTokensAreStrange makes signing out with a server's token 401, as if
	// plex.tv knew only those of accounts.
	ServerTokensAreStrange bool
	// Hasty lets clients poll as often as they like. Without it, more than about one
	// poll in a second is 429 and a violation.
	Hasty bool
	// Servers are what the account can see.
	Servers []TVServer
}

// TVServer is a server, or a player, in an account's list.
type TVServer struct {
	Name, Machine, Version string
	// SharedBy is the person who shares it; "" = the account owns it.
	SharedBy string
	// Token is that of this server for the account; "" = null, as players have it.
	Token string
	// Provides is "server" unless it says something else.
	Provides      string
	Offline       bool
	HTTPSRequired bool
	Connections   []TVConnection
}

// TVConnection is one of the addresses that a server has told plex.tv.
type TVConnection struct {
	// Address and Port are what URI stands for. URI is "" for https at an address that
	// plex.direct names.
	Address             string
	Port                int
	URI                 string
	Local, Relay        bool
	ProtocolIsPlainHTTP bool
}

// TVRequest is an entry of a TV's log.
type TVRequest struct {
	At           time.Time
	Method, Path string
	Device       string // the client identifier
	Token        bool   // there was a token in the header
	Status       int
}

// TV is plex.tv, clients.plex.tv and app.plex.tv in one: PINs, the list of an account's
// servers, signing out, and a page at /auth on which a person confirms a PIN. It is
// strict about what a client has to send. Make it with [NewTV].
//
// It follows the answers that were recorded of the real one; what no account tells is
// its own: an unknown or expired PIN is 404 (see [TVOptions.ExpiredIsNull]), a token can
// be asked for again until its PIN expires (see [TVOptions.TokenOnce]), signing out ends
// the account's token and those of its servers.
type TV struct {
	mu         sync.Mutex
	opt        TVOptions
	lastPin    int64
	pins       map[int64]*tvPin
	revoked    map[string]bool
	log        []TVRequest
	polls      []time.Time
	violations []string
	devices    []Device
	script     []*scripted
}

type tvPin struct {
	id        int64
	code      string
	client    string
	product   string
	created   time.Time
	expires   time.Time
	confirmed bool
	handed    bool
}

// NewTV makes a plex.tv.
func NewTV(opt TVOptions) *TV {
	t := &TV{lastPin: 111222332, pins: map[int64]*tvPin{}, revoked: map[string]bool{}}
	t.Set(func(o *TVOptions) { *o = opt })
	return t
}

// Set changes options while it runs.
func (t *TV) Set(change func(*TVOptions)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.opt)
	if t.opt.Now == nil {
		t.opt.Now = time.Now
	}
	if t.opt.PinLife == 0 {
		t.opt.PinLife = 15 * time.Minute
	}
	t.opt.Account = cmp.Or(t.opt.Account, "tv-account")
}

// Start serves on a free port of 127.0.0.1. close ends all connections.
func (t *TV) Start() (url string, close func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	srv := &http.Server{Handler: t}
	var done sync.WaitGroup
	done.Go(func() { srv.Serve(l) })
	return "http://" + l.Addr().String(), func() {
		srv.Close()
		done.Wait()
	}
}

// Confirm is what a person does on Plex's page: it confirms the PIN with this code.
func (t *TV) Confirm(code string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.confirm(code)
}

func (t *TV) confirm(code string) error {
	for _, p := range t.pins {
		if p.code == code && t.opt.Now().Before(p.expires) {
			p.confirmed = true
			clear(t.revoked) // a token is made anew
			return nil
		}
	}
	return errors.New("there is no such code")
}

// Script adds faults, as [Server.Script] does. Of a rule, Method, Path, Query, Nth, Count,
// Delay, Status, Body, RetryAfter, RedirectTo, Hang, ResetBefore, Cut and Garble count.
func (t *TV) Script(rules ...Rule) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range rules {
		left := r.Count
		if left == 0 {
			left = 1
		}
		t.script = append(t.script, &scripted{Rule: r, left: left, path: regexp.MustCompile(r.Path), query: regexp.MustCompile(r.Query)})
	}
}

// ClearScript drops all faults.
func (t *TV) ClearScript() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.script = nil
}

// Requests returns the log.
func (t *TV) Requests() []TVRequest {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.log)
}

// Violations returns what no good client does.
func (t *TV) Violations() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.violations)
}

// Devices returns the clients as they introduced themselves, each once.
func (t *TV) Devices() []Device {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.devices)
}

// Revoked reports whether a token was signed out.
func (t *TV) Revoked(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.revoked[token]
}

// ServeHTTP answers a request, or breaks the connection.
func (t *TV) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	t.mu.Lock()
	fault := t.faultFor(r)
	t.mu.Unlock()
	if fault != nil {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	var a answer
	switch {
	case fault == nil:
		a = t.answer(r, body)
	case fault.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case fault.ResetBefore:
		reset(w)
	case fault.RedirectTo != "":
		a = answer{status: http.StatusFound, header: http.Header{"Location": {fault.RedirectTo}}}
	case fault.name() == "status":
		a = tvFail(cmp.Or(fault.Status, http.StatusInternalServerError), "Internal Server Error")
		if fault.Body != "" {
			a.body = []byte(fault.Body)
		}
		if fault.RetryAfter != "" {
			a.header.Set("Retry-After", fault.RetryAfter)
		}
	default:
		a = t.answer(r, body)
		if a.cut = fault.Cut; fault.Garble {
			a.body = append(a.body[:len(a.body)/2:len(a.body)/2], "\x00\"]{"...)
		}
	}
	t.mu.Lock()
	t.log = append(t.log, TVRequest{At: t.opt.Now(), Method: r.Method, Path: r.URL.Path,
		Device: r.Header.Get("X-Plex-Client-Identifier"), Token: r.Header.Get("X-Plex-Token") != "", Status: a.status})
	t.mu.Unlock()
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if a.cut {
		w.Write(a.body[:len(a.body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(a.body)
}

func (t *TV) faultFor(r *http.Request) *Rule {
	var hit *Rule
	for _, s := range t.script {
		if s.Method != "" && s.Method != r.Method || !s.path.MatchString(r.URL.Path) || !s.query.MatchString(r.URL.RawQuery) {
			continue
		}
		s.seen++
		if hit == nil && s.left != 0 && s.seen >= s.Nth {
			s.left--
			hit = &s.Rule
		}
	}
	return hit
}

var tvPinPath = regexp.MustCompile(`^/api/v2/pins/([0-9]+)$`)

// answer answers as plex.tv does.
func (t *TV) answer(r *http.Request, body []byte) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.URL.Path == "/auth" || r.URL.Path == "/auth/confirm" {
		return t.page(r, body)
	}
	violate := func(format string, args ...any) answer {
		t.violations = append(t.violations, r.Method+" "+r.URL.Path+": "+fmt.Sprintf(format, args...))
		return tvFail(http.StatusBadRequest, "Bad Request")
	}
	h := r.Header
	d := Device{h.Get("X-Plex-Client-Identifier"), h.Get("X-Plex-Product"), h.Get("X-Plex-Version"), h.Get("X-Plex-Platform"), h.Get("X-Plex-Device-Name")}
	if !slices.Contains(t.devices, d) {
		t.devices = append(t.devices, d)
	}
	switch {
	case d.Identifier == "" || d.Product == "" || d.Name == "":
		return violate("the client does not introduce itself")
	case h.Get("Accept") != "application/json":
		return violate("the client does not accept JSON alone")
	case len(body) > 0:
		return violate("a body, of which no account tells")
	case len(h.Values("Cookie")) > 0, r.URL.User != nil:
		return violate("a cookie or a password")
	}
	for name := range r.URL.Query() {
		if isToken(name) {
			return violate("a token in the URL")
		}
	}
	token := h.Get("X-Plex-Token")
	switch m := tvPinPath.FindStringSubmatch(r.URL.Path); {
	case r.URL.Path == "/api/v2/pins" && r.Method == http.MethodPost:
		if token != "" || r.URL.RawQuery != "strong=true" {
			return violate("a new PIN needs strong=true and no token")
		}
		return t.newPin(d)
	case m != nil && r.Method == http.MethodGet:
		if token != "" || r.URL.RawQuery != "" {
			return violate("a PIN is asked for without token and arguments")
		}
		id, _ := strconv.ParseInt(m[1], 10, 64)
		return t.poll(id, d.Identifier, violate)
	case r.URL.Path == "/api/v2/resources" && r.Method == http.MethodGet:
		q := r.URL.Query()
		if q.Get("includeHttps") != "1" || q.Get("includeRelay") != "1" || q.Get("includeIPv6") != "1" {
			return violate("the list lacks https, relays or IPv6")
		}
		if token != t.opt.Account || t.revoked[token] {
			return tvFail(http.StatusUnauthorized, "User could not be authenticated")
		}
		return t.resources()
	case r.URL.Path == "/api/v2/users/signout" && r.Method == http.MethodDelete:
		return t.signOut(token)
	}
	return violate("is not simulated")
}

// tvFail is how plex.tv says that something failed.
func tvFail(status int, message string) answer {
	return tvJSON(status, map[string]any{"errors": []any{map[string]any{"code": 1001, "message": message, "status": status}}})
}

func tvJSON(status int, v any) answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return answer{status: status, header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, body: body}
}

func (t *TV) newPin(d Device) answer {
	t.lastPin++
	now := t.opt.Now()
	p := &tvPin{id: t.lastPin, code: fmt.Sprintf("%scode%d", t.opt.CodePrefix, t.lastPin), client: d.Identifier, product: d.Product,
		created: now, expires: now.Add(t.opt.PinLife)}
	t.pins[p.id] = p
	return tvJSON(http.StatusCreated, t.shown(p, now, nil))
}

// maxPolls is how many polls there may be in pollWindow: one a second, and one more for
// requests that were under way for longer than others.
const (
	maxPolls   = 6
	pollWindow = 5 * time.Second
)

func (t *TV) poll(id int64, client string, violate func(string, ...any) answer) answer {
	now := t.opt.Now()
	t.polls = slices.DeleteFunc(t.polls, func(at time.Time) bool { return now.Sub(at) >= pollWindow })
	if t.polls = append(t.polls, now); len(t.polls) > maxPolls && !t.opt.Hasty {
		violate("%d polls in %v", len(t.polls), pollWindow)
		a := tvFail(http.StatusTooManyRequests, "Too many requests")
		a.header.Set("Retry-After", "5")
		return a
	}
	p := t.pins[id]
	if p == nil || p.client != client || p.handed && t.opt.TokenOnce || !now.Before(p.expires) && !t.opt.ExpiredIsNull {
		return tvFail(http.StatusNotFound, "Code not found or expired")
	}
	if p.confirmed && now.Before(p.expires) {
		p.handed = true
		return tvJSON(http.StatusOK, t.shown(p, now, &t.opt.Account))
	}
	return tvJSON(http.StatusOK, t.shown(p, now, nil))
}

// shown is a PIN as it was recorded.
func (t *TV) shown(p *tvPin, now time.Time, token *string) map[string]any {
	var registration *bool
	if token != nil {
		registration = new(bool)
	}
	return map[string]any{
		"id": p.id, "code": p.code, "product": p.product, "trusted": false, "clientIdentifier": p.client,
		"location": map[string]any{"code": "GB", "european_union_member": false, "continent_code": "EU", "country": "United Kingdom",
			"city": "x", "time_zone": "Europe/London", "postal_code": "x", "in_privacy_restricted_country": true, "subdivisions": "x", "coordinates": "x"},
		"expiresIn": max(0, int(p.expires.Sub(now)/time.Second)),
		"createdAt": p.created.UTC().Format(time.RFC3339), "expiresAt": p.expires.UTC().Format(time.RFC3339),
		"authToken": token, "newRegistration": registration,
	}
}

func (t *TV) resources() answer {
	all := []any{}
	for _, s := range t.opt.Servers {
		connections := []any{}
		relay := false
		for _, c := range s.Connections {
			protocol, uri := "https", c.URI
			if c.ProtocolIsPlainHTTP {
				protocol = "http"
			}
			ip := net.ParseIP(c.Address)
			if uri == "" {
				uri = protocol + "://" + net.JoinHostPort(DirectName(c.Address, s.Machine), strconv.Itoa(c.Port))
			}
			relay = relay || c.Relay
			connections = append(connections, map[string]any{"protocol": protocol, "address": c.Address, "port": c.Port, "uri": uri,
				"local": c.Local, "relay": c.Relay, "IPv6": ip != nil && ip.To4() == nil})
		}
		var token, owner *string
		var ownerID *int
		if s.Token != "" {
			token = &s.Token
		}
		if s.SharedBy != "" {
			owner, ownerID = &s.SharedBy, new(int)
		}
		all = append(all, map[string]any{
			"name": s.Name, "product": "Plex Media Server", "productVersion": s.Version, "platform": "Linux", "platformVersion": "6.1",
			"device": "Docker Container", "clientIdentifier": s.Machine, "createdAt": "2021-01-01T12:12:24Z", "lastSeenAt": "2022-01-01T13:43:34Z",
			"provides": cmp.Or(s.Provides, "server"), "ownerId": ownerID, "sourceTitle": owner, "publicAddress": "203.0.113.7",
			"accessToken": token, "owned": s.SharedBy == "", "home": false, "synced": false, "relay": relay, "presence": !s.Offline,
			"httpsRequired": s.HTTPSRequired, "publicAddressMatches": false, "dnsRebindingProtection": false, "natLoopbackSupported": false,
			"connections": connections,
		})
	}
	return tvJSON(http.StatusOK, all)
}

// DirectName is the name under plex.direct that stands for an address of a machine.
func DirectName(address, machine string) string {
	return strings.NewReplacer(".", "-", ":", "-").Replace(address) + "." + strings.ReplaceAll(machine, "_", "-") + ".plex.direct"
}

func (t *TV) signOut(token string) answer {
	known := token == t.opt.Account
	for _, s := range t.opt.Servers {
		known = known || token == s.Token && s.SharedBy == "" && !t.opt.ServerTokensAreStrange
	}
	if token == "" || !known || t.revoked[token] {
		return tvFail(http.StatusUnauthorized, "User could not be authenticated")
	}
	t.revoked[t.opt.Account] = true
	for _, s := range t.opt.Servers {
		t.revoked[s.Token] = true
	}
	return answer{status: http.StatusNoContent, header: http.Header{}}
}

// page is Plex's own page for signing in, as far as a browser in a test needs it.
func (t *TV) page(r *http.Request, body []byte) answer {
	if r.URL.Path == "/auth/confirm" && r.Method == http.MethodPost {
		code, err := url.QueryUnescape(string(body))
		if err == nil && t.confirm(code) == nil {
			return answer{status: http.StatusNoContent, header: http.Header{}}
		}
		return page(http.StatusNotFound)
	}
	if r.URL.RawQuery != "" {
		t.violations = append(t.violations, "/auth is told something before the #: "+r.URL.RawQuery)
	}
	return answer{status: http.StatusOK, header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, body: []byte(`<!doctype html>
<html lang="en"><title>Sign in to Plex (simulated)</title><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<main><h1>Sign in to Plex</h1><p id="what"></p><button id="allow">Allow</button></main>
<script>
const told = new URLSearchParams(location.hash.replace(/^#\?/, ''));
document.getElementById('what').textContent = told.get('context[device][product]') + ' wants to use your account.';
document.getElementById('allow').onclick = async () => {
  const answer = await fetch('/auth/confirm', {method: 'POST', body: encodeURIComponent(told.get('code'))});
  document.getElementById('what').textContent = answer.ok ? 'You can close this window.' : 'This code has expired.';
};
</script></html>
`)}
}
