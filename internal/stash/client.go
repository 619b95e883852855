// Package stash asks Stash, over GraphQL, what PlexSync needs to know. Its errors
// carry a class (package job): whatever is wrong with Stash is no job's fault.
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
	"strings"
	"sync"
	"time"

	graphql "github.com/hasura/go-graphql-client"

	"github.com/plexsync/plexsync/internal/job"
)

// Options are what a Client needs to know of Stash.
type Options struct {
	// URL is Stash's base address, such as http://127.0.0.1:9999.
	URL string
	// CookieName and CookieValue are the session's. Stash answers each request with
	// a fresh one, which is kept in memory.
	CookieName, CookieValue string
	// APIKey is used instead if it is set.
	APIKey string
	// Transport is for tests; nil = our own. Over https it does not verify Stash's
	// certificate, which cannot name the address that we use.
	Transport http.RoundTripper
	// Timeout of each call; 0 = 30 s.
	Timeout time.Duration
}

const (
	connectTimeout = 5 * time.Second
	callTimeout    = 30 * time.Second
	// maxAnswer is the most that is read of an answer: a hundred scenes with long
	// texts are far below.
	maxAnswer = 64 << 20
)

// Client asks one Stash. Its methods may be called from several goroutines.
type Client struct {
	base *url.URL
	http *http.Client
	gql  *graphql.Client

	timeout time.Duration

	mu     sync.Mutex
	cookie string // "name=value"
	apiKey string
}

// New makes a client; nothing is asked yet.
func New(o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(o.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("Stash's address %q is not a URL", o.URL)
	}
	c := &Client{base: base, timeout: o.Timeout, apiKey: o.APIKey}
	if c.timeout <= 0 {
		c.timeout = callTimeout
	}
	if o.CookieValue != "" {
		c.cookie = o.CookieName + "=" + o.CookieValue
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
	c.http = &http.Client{
		Transport:     session{c, transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.gql = graphql.NewClient(base.String()+"/graphql", c.http)
	return c, nil
}

// session sends what proves who we are, keeps the fresh cookie that each answer
// brings, and turns statuses into classed errors, before the GraphQL client sees
// them: that one would quote bodies.
type session struct {
	*Client
	next http.RoundTripper
}

func (s session) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	s.mu.Lock()
	if s.apiKey != "" {
		r.Header.Set("ApiKey", s.apiKey)
	} else if s.cookie != "" {
		r.Header.Set("Cookie", s.cookie)
	}
	name, _, _ := strings.Cut(s.cookie, "=")
	s.mu.Unlock()
	r.Header.Set("Accept", "application/json, image/*, */*;q=0.1")
	resp, err := s.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for _, c := range resp.Cookies() {
		if c.Name == name && c.Value != "" {
			s.mu.Lock()
			s.cookie = c.Name + "=" + c.Value
			s.mu.Unlock()
		}
	}
	switch {
	case resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusNotModified:
		resp.Body = &bounded{resp.Body, maxAnswer}
		return resp, nil
	}
	io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	resp.Body.Close()
	return nil, statusError(resp.StatusCode)
}

// statusError is the failure of an answer that is not 200. Stash sends 401 when a
// session has expired, and a redirect to its login page for a picture.
func statusError(status int) error {
	e := &job.Error{Class: job.ClassStashUnreachable, Status: status}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status/100 == 3:
		e.Hint = "The session that Stash gave has ended; the next event or task brings a new one"
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		e.Hint = "This Stash does not understand PlexSync; v0.28 or newer is needed"
	}
	return e
}

// bounded fails when more is read than should be there.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errors.New("the answer is too large")
	}
	return n, err
}

// query runs a query or mutation and decodes its data into out.
func (c *Client) query(ctx context.Context, op, query string, vars map[string]any, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	data, err := c.gql.ExecRaw(ctx, query, vars)
	if err == nil && len(data) == 0 {
		err = errors.New("the answer is empty")
	}
	if err == nil {
		if err = json.Unmarshal(data, out); err == nil {
			return nil
		}
		err = errors.New("the answer is not what was asked for")
	}
	return c.fail(op, err)
}

// fail gives err its class and operation, without anything that was sent or
// received but Stash's own messages.
func (c *Client) fail(op string, err error) error {
	out := &job.Error{Class: job.ClassStashUnreachable, Op: op}
	var classed *job.Error
	var fromStash graphql.Errors
	var transport *url.Error
	switch {
	case errors.As(err, &classed):
		out.Status, out.Hint, out.Err = classed.Status, classed.Hint, classed.Err
	case errors.As(err, &transport):
		out.Err = transport.Err // without the URL
		if transport.Timeout() {
			out.Err = fmt.Errorf("no answer within %s", c.timeout)
		}
	case errors.As(err, &fromStash) && len(fromStash) > 0:
		switch code, _ := fromStash[0].Extensions["code"].(string); code {
		case graphql.ErrRequestError, graphql.ErrJsonDecode, graphql.ErrJsonEncode, graphql.ErrGraphQLDecode, graphql.ErrGraphQLEncode:
			out.Err = errors.New("the answer is cut off or no GraphQL answer")
		default:
			out.Err = graphqlError(fromStash[0].Message)
		}
	default:
		out.Err = err
	}
	if errors.Is(err, context.Canceled) {
		out.Err = context.Canceled
	}
	return out
}

// graphqlError is what Stash answered instead of data.
type graphqlError string

func (e graphqlError) Error() string { return "Stash answered: " + string(e) }

// State is what a process asks Stash for at its start.
type State struct {
	Version string
	// Settings of the plugin by name; empty if none was ever set.
	Settings map[string]any
}

// State asks for the version and the plugin's settings.
func (c *Client) State(ctx context.Context) (State, error) {
	var out struct {
		Version       struct{ Version string }
		Configuration struct{ Plugins map[string]map[string]any }
	}
	if err := c.query(ctx, "ask Stash for the settings", stateQuery, nil, &out); err != nil {
		return State{}, err
	}
	return State{Version: out.Version.Version, Settings: out.Configuration.Plugins["plexsync"]}, nil
}

// RunTask asks Stash to run the plugin as a task with these arguments and returns
// Stash's id of the job. The description is shown in Stash's task list.
func (c *Client) RunTask(ctx context.Context, description string, args map[string]any) (string, error) {
	var out struct {
		RunPluginTask string `json:"runPluginTask"`
	}
	err := c.query(ctx, "ask Stash to run the drain", runTaskMutation, map[string]any{"description": description, "args": args}, &out)
	return out.RunPluginTask, err
}

// JobState is how a job of Stash's task list stands; "" if Stash does not know it.
type JobState string

// The states in which a job is still to be expected.
const (
	JobReady   JobState = "READY"
	JobRunning JobState = "RUNNING"
)

// JobState asks how a job stands. Stash forgets its jobs when it is restarted.
func (c *Client) JobState(ctx context.Context, id string) (JobState, error) {
	var out struct {
		FindJob *struct{ Status JobState } `json:"findJob"`
	}
	err := c.query(ctx, "ask Stash about its job "+id, jobQuery, map[string]any{"id": id}, &out)
	if err != nil || out.FindJob == nil {
		return "", err
	}
	return out.FindJob.Status, nil
}

// CheckVersion says whether a version of Stash is too old; one that cannot be read
// is not.
func CheckVersion(v string) error {
	var major, minor int
	if n, _ := fmt.Sscanf(strings.TrimPrefix(v, "v"), "%d.%d", &major, &minor); n == 2 && major == 0 && minor < 28 {
		return fmt.Errorf("this is Stash %s; PlexSync needs v0.28 or newer", v)
	}
	return nil
}
