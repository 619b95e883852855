// Package stash asks Stash, over GraphQL, what PlexSync needs to know.
//
// Its errors are [job.Error] with class [job.ClassStashUnreachable], whatever is
// wrong with Stash: it is out, the session has ended, it is too old to understand
// the question, its answer is cut or garbled. All of that is Stash's state and no
// job's fault, so that no job may become a dead letter by it; the hint says what a
// person can do. The exception is a picture that Stash cannot give, see
// [Client.Cover]. When the caller's own context ends, its error is in the chain.
// No error holds a body, a cookie or a key.
//
// Nothing is tried twice here: a hook, whom a person waits for, asks too, and Stash
// is on our own host, where what fails now fails in 100 ms too. The queue waits.
package stash

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	graphql "github.com/hasura/go-graphql-client"

	"github.com/plexsync/plexsync/internal/job"
)

// Options are what a Client needs to know of Stash.
type Options struct {
	// URL is Stash's base address, such as http://127.0.0.1:9999.
	URL string
	// CookieName and CookieValue are the session's, as a plugin gets them; empty
	// where Stash asks for no login. Each answer brings a fresh one, which is kept in
	// memory, so that a client that asks at least once in Stash's max_session_age
	// (one hour unless set) stays logged in.
	CookieName, CookieValue string
	// APIKey is Stash's API key, used instead of the cookie if it is set.
	APIKey string
	// Transport is for tests; nil = our own, which waits 5 s for a connection. Over
	// https it does not verify Stash's certificate, which cannot name the address
	// that a plugin uses.
	Transport http.RoundTripper
	// Timeout bounds each request with its answer; 0 = 30 s.
	Timeout time.Duration
}

const (
	connectTimeout = 5 * time.Second
	callTimeout    = 30 * time.Second
	// maxAnswer is the most that is read of an answer, in bytes: a hundred scenes
	// with long texts are far below.
	maxAnswer = 64 << 20
)

// Client asks one Stash. Its methods may be called from several goroutines. Only
// the host of Options.URL is ever asked: redirects are errors.
type Client struct {
	base      *url.URL // without a slash at the end
	http      *http.Client
	gql       *graphql.Client // for queries
	mutations *graphql.Client
	timeout   time.Duration

	mu         sync.Mutex
	cookieName string
	cookie     string // its value
	apiKey     string
	past       []string // secrets of before, which an answer under way may echo

	stashIDs atomic.Bool // see AskForStashIDs

	lifetime atomic.Int64 // of the session, see SessionLifetime
}

// New makes a client; nothing is asked yet.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		// Not quoted: a person may have put a password into it.
		return nil, errors.New("Stash's address is not a URL; a valid one is, for example, http://127.0.0.1:9999")
	}
	base = &url.URL{Scheme: base.Scheme, User: base.User, Host: base.Host, Path: strings.TrimRight(base.Path, "/")}
	c := &Client{base: base, timeout: o.Timeout, cookieName: o.CookieName, cookie: o.CookieValue, apiKey: o.APIKey}
	if c.timeout <= 0 {
		c.timeout = callTimeout
	}
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout: connectTimeout,
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // it is our own host
			MaxIdleConnsPerHost: 4,
			IdleConnTimeout:     time.Minute,
		}
	}
	c.http = &http.Client{Transport: session{c, transport}}
	c.mutations = graphql.NewClient(base.JoinPath("graphql").String(), c.http)
	c.gql = c.mutations.WithRequestModifier(func(r *http.Request) {
		// Without a value it is not sent, but allows net/http to ask again when a kept
		// connection turns out to be dead, as after a restart of Stash.
		r.Header["Idempotency-Key"] = nil
	})
	return c, nil
}

// session sends what proves who we are, keeps the fresh cookie that each answer
// brings, and turns statuses into classed errors before the GraphQL client sees
// them: that one keeps the bodies of such answers in its errors.
type session struct {
	*Client
	next http.RoundTripper
}

func (s session) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	s.mu.Lock()
	anonymous := s.apiKey == "" && s.cookie == ""
	if s.apiKey != "" {
		r.Header.Set("ApiKey", s.apiKey)
	} else if s.cookie != "" {
		r.Header.Set("Cookie", s.cookieName+"="+s.cookie)
	}
	s.mu.Unlock()
	// With */* first, Stash answers an invalid query in another form.
	r.Header.Set("Accept", "application/json, image/*, */*;q=0.1")
	resp, err := s.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for _, fresh := range resp.Cookies() {
		if fresh.Name == s.cookieName && fresh.Value != "" {
			s.renew(fresh.Value)
			s.lifetime.Store(int64(lifetime(fresh, time.Now())))
		}
	}
	resp.Body = &body{resp.Body, maxAnswer}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotModified {
		return resp, nil
	}
	resp.Body.Close()
	return nil, statusError(resp.StatusCode, anonymous)
}

// pastSecrets is how many are remembered: more than requests are under way at once.
const pastSecrets = 16

func (c *Client) renew(cookie string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cookie == "" || c.cookie == cookie {
		return
	}
	c.forget(c.cookie)
	c.cookie = cookie
}

// forget keeps a secret that is not used any more out of errors. It wants the lock.
func (c *Client) forget(secret string) {
	if !slices.Contains(c.past, secret) {
		c.past = append(c.past[max(0, len(c.past)-pastSecrets+1):], secret)
	}
}

// statusError is the failure of an answer that is not 200. Stash sends 401 when a
// session has ended, for a picture a redirect to its login page, and 422 or 400 for
// a query that does not fit its schema. anonymous tells that it was given neither a session
// nor a key.
func statusError(status int, anonymous bool) error {
	e := &job.Error{Class: job.ClassStashUnreachable, Status: status}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status/100 == 3:
		e.Hint = "Stash no longer accepts the session or API key. The next edit or task brings a new session"
		if anonymous {
			e.Hint = "Stash asks for a login. Put Stash's API key, which it shows under Settings > Security, in a file and name the file with --api-key-file"
		}
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		e.Hint = "Stash did not understand PlexSync. Use Stash " + minVersion + " or newer; if Stash is newer than PlexSync, update PlexSync"
	case status == http.StatusNotFound:
		e.Hint = "Is Stash running at this address?"
	}
	return e
}

// body fails when more is read of it than should be there, and is read to its end
// when it is closed: only then can the connection be used again.
type body struct {
	io.ReadCloser
	left int64
}

// maxDrain is how much may be unread at the end; with more, a new connection is
// cheaper.
const maxDrain = 64 << 10

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

func (b *body) Close() error {
	io.CopyN(io.Discard, b.ReadCloser, maxDrain)
	return b.ReadCloser.Close()
}

// failure is what went wrong with an answer, in words of ours.
type failure string

func (f failure) Error() string { return string(f) }

const (
	errTooLarge = failure("the answer is too large")
	errCut      = failure("the answer is cut off")
	errGarbled  = failure("the answer cannot be read")
	errAnswer   = failure("the answer is not the expected one")
)

// refusal is a GraphQL error: Stash answered, but not with (all of) the data.
type refusal struct {
	message string // Stash's own, without secrets
	// parts are the fields of the query that the errors are about; all others were
	// answered. nil if there is no telling.
	parts []string
}

func (r *refusal) Error() string { return "Stash reports: " + r.message }

// query runs a query or mutation and decodes its data into out. A *refusal with
// parts leaves the data of the other parts in out.
func (c *Client) query(ctx context.Context, op, query string, vars map[string]any, out any) error {
	call, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.call(ctx, call, op, query, vars, out)
}

// call is query with a deadline of the caller's own: call is what the request ends
// with, ctx the caller's.
func (c *Client) call(ctx, call context.Context, op, query string, vars map[string]any, out any) error {
	gql := c.gql
	if strings.HasPrefix(query, "mutation") {
		gql = c.mutations
	}
	data, err := gql.ExecRaw(call, query, vars)
	undecoded := json.Unmarshal(data, out)
	if err == nil && undecoded != nil {
		err = errAnswer
	}
	if err == nil {
		return nil
	}
	err = c.fail(ctx, op, err)
	var refused *refusal
	if undecoded != nil && errors.As(err, &refused) {
		refused.parts = nil
	}
	return err
}

// fail gives err its class and operation, and leaves out everything that was sent
// or received but Stash's own messages. ctx is the caller's.
func (c *Client) fail(ctx context.Context, op string, err error) error {
	out := &job.Error{Class: job.ClassStashUnreachable, Op: op}
	var own *job.Error
	switch {
	case ctx.Err() != nil:
		out.Err = ctx.Err()
	case errors.As(err, &own):
		out.Class, out.Status, out.Hint, out.Err = own.Class, own.Status, own.Hint, own.Err
	default:
		out.Err = c.cause(err)
	}
	return out
}

// cause is what went wrong, in words that quote nothing: net/http and the GraphQL
// client put pieces of answers into some of their errors.
func (c *Client) cause(err error) error {
	var list graphql.Errors
	var network *net.OpError
	var timeout net.Error
	var record tls.RecordHeaderError
	var words failure
	switch {
	// An error of the GraphQL client itself has a cause, one of Stash has none.
	case errors.As(err, &list) && len(list) > 0 && list[0].Unwrap() == nil:
		return c.refusal(list)
	case errors.As(err, &network) && network.Op == "dial":
		return network // names the address and the system's reason
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no answer within %s", c.timeout)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return errors.New("one side uses http, the other https")
	case errors.As(err, &words):
		return words
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), network != nil:
		return errCut
	}
	return errGarbled
}

// maxMessage is how much of a message of Stash is told, in characters.
const maxMessage = 200

func (c *Client) refusal(list graphql.Errors) *refusal {
	r := &refusal{message: c.clean(list[0].Message), parts: []string{}}
	for _, e := range list {
		var part string
		if len(e.Path) > 0 {
			part, _ = e.Path[0].(string)
		}
		if part == "" {
			r.parts = nil
			break
		}
		r.parts = append(r.parts, part)
	}
	return r
}

// clean makes one short line without our secrets of a message.
func (c *Client) clean(message string) string {
	c.mu.Lock()
	secrets := append(slices.Clone(c.past), c.cookie, c.apiKey)
	c.mu.Unlock()
	if password, ok := c.base.User.Password(); ok {
		secrets = append(secrets, password)
	}
	for _, s := range secrets {
		if s != "" {
			message = strings.ReplaceAll(message, s, "***")
		}
	}
	short := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, message))
	if len(short) > maxMessage {
		short = append(short[:maxMessage], '…')
	}
	return string(short)
}
