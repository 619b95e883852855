package plex

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Signing in with Plex: a PIN, which plex.tv makes and a person confirms on Plex's own
// page, gives a token of the person's account; with it, plex.tv lists the servers, each
// with a token of its own. What is known of this is in python-plexapi (plexapi/myplex.py)
// and in the answers that plexapi-rs recorded (crates/plex-api/tests/mocks).

// DeviceName is the name of our device in Plex's list of authorized devices.
const DeviceName = "PlexSync (Stash)"

// The hosts of Plex, the company. The second lists servers, the third has the pages.
const (
	tvAPI     = "https://plex.tv"
	tvClients = "https://clients.plex.tv"
	tvApp     = "https://app.plex.tv"
)

const (
	// tvTimeout bounds a call to plex.tv with its answer.
	tvTimeout = 15 * time.Second
	// maxPin and maxResources are the most that is read of an answer, in bytes. A server
	// in the list takes about 2 kB.
	maxPin       = 64 << 10
	maxResources = 4 << 20
	// usualPin is how long a PIN lives if plex.tv does not say; maxPinLife bounds what
	// it says. It was seen to say 15 and 30 minutes.
	usualPin   = 15 * time.Minute
	maxPinLife = time.Hour
)

// Secret is a token or a code. It is never printed by accident.
type Secret string

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// Format hides the text from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "[secret]") }

// MarshalJSON hides the text.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"[secret]"`), nil }

// TVOptions are what a TV needs to know.
type TVOptions struct {
	// ClientID is the installation's, the same as in [Options]: plex.tv gives a PIN's
	// token only to the client that made the PIN.
	ClientID string
	// Version is ours.
	Version string
	// URL stands for all of Plex's hosts in tests; "" = Plex's own. It may be http.
	URL string
	// Transport is for tests; nil = our own.
	Transport http.RoundTripper
}

// TV is a client of plex.tv. It asks nobody else, over https with a certificate that is
// verified whatever the settings say, follows no redirect, and honors the proxies of the
// environment. Its errors are [*TVError], unless the caller's context ended. Nothing is
// tried twice.
type TV struct {
	o                 TVOptions
	api, clients, app string
	transport         http.RoundTripper
}

// NewTV makes a client; nothing is asked yet.
func NewTV(o TVOptions) (*TV, error) {
	t := &TV{o: o, api: tvAPI, clients: tvClients, app: tvApp, transport: o.Transport}
	if o.URL != "" {
		u, err := url.Parse(o.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, errors.New("the address in place of plex.tv must be one such as http://127.0.0.1:8080")
		}
		base := strings.TrimRight(o.URL, "/")
		t.api, t.clients, t.app = base, base, base
	}
	if t.transport == nil {
		t.transport = &http.Transport{
			Proxy:                  tvProxy,
			OnProxyConnectResponse: proxyAnswered,
			DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout:    connectTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true, // a process makes one call or two
		}
	}
	return t, nil
}

// tvProxy honors the environment, and does not quote it: it may hold a password.
func tvProxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errProxy
	}
	return u, nil
}

// TVProblem is a kind of failure of plex.tv.
type TVProblem int

const (
	// TVTrouble: plex.tv has a problem, or is not reached. It may be gone in a moment.
	TVTrouble TVProblem = iota
	// TVBusy: plex.tv asks to wait (429), see [TVError.Wait].
	TVBusy
	// TVExpired: the PIN has expired, or is none of ours.
	TVExpired
	// TVRefused: plex.tv does not do what it is asked: the token is no good, say.
	TVRefused
	// TVUntrusted: who answers cannot prove to be plex.tv, or the clock is off.
	TVUntrusted
)

// TVError is why plex.tv could not be used: one sentence for people, without a full stop.
type TVError struct {
	Problem TVProblem
	// Wait is how long plex.tv asked us to wait; 0 = it did not.
	Wait time.Duration
	// Status is what plex.tv answered; 0 = nothing.
	Status int
	text   string
}

// Error is the sentence. It holds nothing that was received.
func (e *TVError) Error() string { return e.text }

// TokenRefused reports whether plex.tv does not know the token, or no longer.
func (e *TVError) TokenRefused() bool {
	return e.Status == http.StatusUnauthorized || e.Status == statusTokenExpired
}

func tvError(p TVProblem, format string, args ...any) *TVError {
	return &TVError{Problem: p, text: fmt.Sprintf(format, args...)}
}

// scalar is a text, a number or a boolean of JSON; "" for everything else.
type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	switch {
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(s))
	case bytes.Equal(b, []byte("null")), len(b) > 0 && (b[0] == '{' || b[0] == '['):
		*s = ""
	default:
		*s = scalar(b)
	}
	return nil
}

func (s scalar) yes() bool { return s == "1" || strings.EqualFold(string(s), "true") }

// whole is a whole number; 0 if it is none.
func (s scalar) whole() int64 {
	n, _ := strconv.ParseInt(string(s), 10, 64)
	return n
}

// secret is a token or a code: what can travel in a header and in an address, no more
// than 4 kB. A JSON web token has about 1 kB.
func (s scalar) secret() Secret {
	if len(s) > 4<<10 || strings.ContainsFunc(string(s), func(r rune) bool { return r <= ' ' || r >= 0x7F }) {
		return ""
	}
	return Secret(s)
}

// Pin is a sign-in that a person has yet to confirm.
type Pin struct {
	ID int64
	// Code is what Plex's page confirms. Who has it and our client identifier can
	// confirm the PIN, nothing else.
	Code Secret
	// Left is how long the PIN lives from now on, by no clock but plex.tv's.
	Left time.Duration
}

type wirePin struct {
	ID, Code, ExpiresIn, AuthToken scalar
}

func (w wirePin) left() time.Duration {
	if w.ExpiresIn == "" {
		return usualPin
	}
	return time.Duration(min(max(w.ExpiresIn.whole(), 0), int64(maxPinLife/time.Second))) * time.Second
}

// NewPin makes a PIN. Each call makes another one; those that nobody confirms expire.
func (t *TV) NewPin(ctx context.Context) (Pin, error) {
	var w wirePin
	if err := t.call(ctx, http.MethodPost, t.api+"/api/v2/pins?strong=true", "", maxPin, &w); err != nil {
		return Pin{}, err
	}
	p := Pin{ID: w.ID.whole(), Code: w.Code.secret(), Left: w.left()}
	if p.ID <= 0 || p.Code == "" || p.Left == 0 {
		return Pin{}, garbledTV()
	}
	return p, nil
}

// Page is Plex's page on which a person confirms a PIN. All that it is told stands
// behind the "#", which a browser sends to no server.
func (t *TV) Page(p Pin) string {
	// The page does not take a plus for a blank.
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	return t.app + "/auth#?clientID=" + escape(t.o.ClientID) + "&code=" + escape(p.Code.Reveal()) +
		"&" + escape("context[device][product]") + "=PlexSync"
}

// Confirmed asks whether a PIN was confirmed. The token of the person's account is ""
// while it was not; left is how long the PIN still lives. An expired PIN is an error
// ([TVExpired]), or has nothing left. The token of a confirmed PIN can be asked for
// again until the PIN expires (no account says otherwise). plex.tv wants a second
// between two calls.
func (t *TV) Confirmed(ctx context.Context, id int64) (token Secret, left time.Duration, err error) {
	var w wirePin
	err = t.call(ctx, http.MethodGet, fmt.Sprintf("%s/api/v2/pins/%d", t.api, id), "", maxPin, &w)
	var e *TVError
	switch {
	case errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusGone):
		e.Problem, e.text = TVExpired, "The code for signing in has expired: start the sign-in again"
		return "", 0, err
	case err != nil:
		return "", 0, err
	case w.ID.whole() != id, w.AuthToken != "" && w.AuthToken.secret() == "":
		return "", 0, garbledTV()
	}
	return w.AuthToken.secret(), w.left(), nil
}

// SignOut revokes a token: plex.tv forgets it, and our device if it has no other. A token
// that it does not know, or no longer, is an error ([TVError.TokenRefused]).
func (t *TV) SignOut(ctx context.Context, token Secret) error {
	return t.call(ctx, http.MethodDelete, t.api+"/api/v2/users/signout", token, maxPin, nil)
}

// call makes one call and decodes its answer into out; nil = there is nothing to read.
func (t *TV) call(ctx context.Context, method, address string, token Secret, limit int64, out any) error {
	callCtx, cancel := context.WithTimeout(ctx, tvTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(callCtx, method, address, nil)
	if err != nil {
		return tvError(TVRefused, "The request to plex.tv cannot be made: this is a bug in PlexSync")
	}
	for name, value := range map[string]string{
		"Accept":                   "application/json",
		"X-Plex-Client-Identifier": t.o.ClientID,
		"X-Plex-Product":           "PlexSync",
		"X-Plex-Version":           t.o.Version,
		"X-Plex-Platform":          runtime.GOOS,
		"X-Plex-Device":            "Stash",
		"X-Plex-Device-Name":       DeviceName,
		"User-Agent":               "PlexSync/" + t.o.Version,
	} {
		req.Header.Set(name, value)
	}
	if token != "" {
		req.Header.Set("X-Plex-Token", token.Reveal())
	}
	// The transport itself: an http.Client would follow redirects, with our headers.
	resp, err := t.transport.RoundTrip(req)
	if err != nil {
		return t.unreached(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return statusTV(resp)
	}
	if out == nil {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return t.unreached(ctx, err)
	case int64(len(data)) > limit:
		return tvError(TVTrouble, "The answer of plex.tv is too large")
	case json.Unmarshal(data, out) != nil:
		return garbledTV()
	}
	return nil
}

func garbledTV() *TVError {
	return tvError(TVTrouble, "Something answers in place of plex.tv, or plex.tv has a problem: the answer cannot be read. Check whether this network has a login page or a filter")
}

// statusTV is an answer that is not a success, in words. Its body is never looked at.
func statusTV(resp *http.Response) *TVError {
	var e *TVError
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests:
		e = tvError(TVBusy, "plex.tv gets too many requests and asks PlexSync to wait")
		if e.Wait = retryAfter(resp.Header.Get("Retry-After")); e.Wait > 0 {
			e.text += fmt.Sprintf(" for %v", e.Wait.Round(time.Second))
		}
	case s/100 == 3:
		e = tvError(TVTrouble, "Something answers in place of plex.tv and wants to send PlexSync elsewhere: check whether this network has a login page or a filter")
	case s >= 500, s == http.StatusRequestTimeout:
		e = tvError(TVTrouble, "plex.tv has a problem at the moment (it answered %d): try again in a few minutes", s)
	case s == http.StatusProxyAuthRequired:
		e = tvError(TVTrouble, "The proxy between Stash and the internet asks for a password: correct HTTPS_PROXY in Stash's environment")
	case s == http.StatusUnauthorized, s == statusTokenExpired:
		e = tvError(TVRefused, "plex.tv does not accept the sign-in (it answered %d): start the sign-in again", s)
	default:
		e = tvError(TVRefused, "plex.tv refused the request (it answered %d): start the sign-in again, or enter the address and the token by hand", s)
	}
	e.Status = resp.StatusCode
	return e
}

// unreached is why there was no answer, or not all of it, in words. Only what is known
// to hold nothing but addresses is quoted. ctx is the caller's.
func (t *TV) unreached(ctx context.Context, err error) error {
	var (
		dns     *net.DNSError
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		roots   x509.SystemRootsError
		verify  *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		network *net.OpError
		timeout net.Error
	)
	errors.As(err, &network)
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx, "ask plex.tv")
	case errors.Is(err, errProxy):
		return tvError(TVTrouble, "HTTP_PROXY or HTTPS_PROXY in Stash's environment is not an address: correct it")
	case byProxy(err):
		return tvError(TVTrouble, "The proxy in Stash's environment (HTTPS_PROXY) cannot be reached, or does not let PlexSync ask plex.tv: check whether it is right and works")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return tvError(TVUntrusted, "The certificate of plex.tv is not valid at %s, which is the time on Stash's machine: set its clock right",
			time.Now().Format("15:04 on January 2, 2006"))
	case errors.As(err, &roots), errors.As(err, &unknown):
		return tvError(TVUntrusted, "The certificate of plex.tv cannot be verified: either something answers in its place, such as a filter, or this system lacks root certificates (the package ca-certificates)")
	case errors.As(err, &verify):
		return tvError(TVUntrusted, "Something answers in place of plex.tv: its certificate is for another name")
	case errors.As(err, &record):
		return tvError(TVUntrusted, "Something answers in place of plex.tv, and not over https: check whether this network has a login page or a filter")
	case errors.As(err, &dns):
		return tvError(TVTrouble, "The name plex.tv cannot be looked up: check whether Stash's machine has an internet connection and a working DNS server")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return tvError(TVTrouble, "plex.tv does not answer in time: check the internet connection of Stash's machine")
	case network != nil && network.Op == "dial":
		return tvError(TVTrouble, "plex.tv cannot be reached (%v): check the internet connection of Stash's machine and its firewall", cause(network))
	}
	return tvError(TVTrouble, "The connection to plex.tv broke off: try again")
}

// cause is the system's own reason of a failed connection, such as "connection refused".
func cause(e *net.OpError) error {
	err := e.Err
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
