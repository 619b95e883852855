// Package plex is a client for Plex Media Server: it lists libraries, reads and
// edits items, and sets their pictures. Its errors carry a class (package job),
// decided here, where the answer is seen. What is known of Plex comes from its
// published API description, python-plexapi and the experience of other tools;
// where these disagree, requests are made so that every reading gives the same.
package plex

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	retry "github.com/avast/retry-go/v4"

	"github.com/plexsync/plexsync/internal/job"
)

// Options are what a Client needs to know of Plex.
type Options struct {
	// URL is Plex's base address; http or https, a path may follow the host.
	URL string
	// Token is the owner's. It travels in a header and nowhere else.
	Token string
	// ClientID identifies this installation; Plex shows a device for each one.
	ClientID string
	// Version is ours.
	Version string
	// InsecureTLS: the certificate is not verified.
	InsecureTLS bool
	// Transport is for tests; nil = our own.
	Transport http.RoundTripper
	// MaxURL is what URLs stay below, in bytes, if that is less than the constant of
	// that name; 0 = that. For tests.
	MaxURL int
}

const (
	connectTimeout = 5 * time.Second
	answerTimeout  = 30 * time.Second
	// listTimeout is how long the rest of a listing may take once it has begun:
	// a server that ignores paging sends the whole library at once.
	listTimeout = 5 * time.Minute
	maxConns    = 4
)

// The most that is read of an answer, in bytes after decompression. What a listing
// holds is decoded item by item, so its size is not its price in memory; for the
// price of one value see maxElement and maxEntries.
const (
	maxAnswer = 16 << 20
	// maxElement is for one item, or anything else in an answer. The largest item
	// that is known, with all streams and people, has a hundredth of it.
	maxElement = 4 << 20
)

// Client asks one Plex server. Its methods may be called from several goroutines.
type Client struct {
	o         Options
	url       *url.URL
	base      string
	transport http.RoundTripper
	// listing is maxListing; a test takes less.
	listing int64

	habitsMu sync.Mutex
	habits   Habits
	naming   atomic.Bool // somebody is finding out how uploads are named

	reads, writes, uploads atomic.Int64
}

// New makes a client; nothing is asked yet. Its errors name the setting at fault
// and do not quote it.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("plexUrl: is not an address; a valid one is, for example, http://192.168.1.10:32400")
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r < ' ' || r == 0x7F }) {
		return nil, errors.New("plexToken: contains characters that no token has; paste only the X-Plex-Token")
	}
	if len(o.URL) > maxBase {
		return nil, fmt.Errorf("plexUrl: is longer than %d bytes", maxBase)
	}
	if o.MaxURL <= 0 || o.MaxURL > MaxURL {
		o.MaxURL = MaxURL
	}
	c := &Client{o: o, url: u, base: strings.TrimRight(o.URL, "/"), transport: o.Transport, listing: maxListing}
	if c.transport == nil {
		c.transport = &http.Transport{
			Proxy:                  proxy,
			OnProxyConnectResponse: proxyAnswered,
			DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout:    connectTimeout,
			ResponseHeaderTimeout:  answerTimeout,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: o.InsecureTLS},
			MaxConnsPerHost:        maxConns,
			MaxIdleConnsPerHost:    maxConns,
			IdleConnTimeout:        time.Minute,
			// The default is 10 MB.
			MaxResponseHeaderBytes: 256 << 10,
		}
	}
	return c, nil
}

// Stats counts requests since the client was made.
type Stats struct{ Reads, Writes, Uploads int }

// Stats counts the requests so far, repeated ones too: reads, edits and selections,
// uploads.
func (c *Client) Stats() Stats {
	return Stats{int(c.reads.Load()), int(c.writes.Load()), int(c.uploads.Load())}
}

// request is one call.
type request struct {
	op     string // for errors: "edit item 4711"
	method string
	path   string // with the query, encoded
	header map[string]string
	body   []byte
	// anonymous: sent without the token.
	anonymous bool
	// limit is the most that is read of the answer, in bytes; 0 = maxAnswer.
	limit int64
	// size is told how much was read, of all tries; nil = it is of no use.
	size *int64
	// rest is how long the answer may take after its headers, as long as something
	// comes every answerTimeout; 0 = what is left of the usual time.
	rest time.Duration
	// decode reads the answer; nil = there is nothing to read. It is called anew for
	// each try. errStopped ends the call without blaming Plex.
	decode func(http.Header, io.Reader) error
}

var errStopped = errors.New("stopped by the reader")

// Quick repeats of a call within one attempt at a job; everything longer is the
// queue's.
const (
	quickTries = 3
	quickDelay = 100 * time.Millisecond
	quickMax   = 400 * time.Millisecond
)

// do makes a call, and repeats it quickly if it failed in a way that a moment may
// mend. Whatever is called must be idempotent.
func (c *Client) do(ctx context.Context, r request) error {
	return patiently(ctx, r.op, func() error { return c.try(ctx, r) })
}

// patiently calls f again, a few times, while its error may be gone in a moment.
func patiently(ctx context.Context, op string, f func() error) error {
	err := retry.Do(f,
		retry.Context(ctx), retry.Attempts(quickTries), retry.Delay(quickDelay), retry.MaxDelay(quickMax),
		retry.DelayType(retry.BackOffDelay), retry.LastErrorOnly(true), retry.RetryIf(quick),
	)
	if err != nil && ctx.Err() != nil && !errors.Is(err, errStopped) {
		return interrupted(ctx, op)
	}
	return err
}

// interrupted is the error of a call that we ended ourselves: it has no class.
func interrupted(ctx context.Context, op string) error { return fmt.Errorf("%s: %w", op, ctx.Err()) }

// try makes a call once. It asks the transport itself: an http.Client follows
// redirects, and would carry our headers, the token among them, to wherever it is
// sent.
func (c *Client) try(ctx context.Context, r request) error {
	callCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(connectTimeout+answerTimeout, cancel)
	defer timer.Stop()

	req, err := http.NewRequestWithContext(callCtx, r.method, c.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return &job.Error{Class: job.ClassInternal, Op: r.op, Err: errors.New("the request cannot be made")}
	}
	c.introduce(req, r)
	c.count(r.method)
	resp, err := c.transport.RoundTrip(req)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return interrupted(ctx, r.op)
	case callCtx.Err() != nil:
		return c.transportError(r.op, context.DeadlineExceeded)
	default:
		return c.transportError(r.op, err)
	}
	defer func() {
		io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
		resp.Body.Close()
	}()
	if resp.StatusCode/100 != 2 {
		return c.statusError(r.op, resp)
	}
	if r.decode == nil {
		return c.accepted(r.op, resp)
	}
	body := bound(resp.Body, cmp.Or(r.limit, maxAnswer))
	if r.rest > 0 {
		until := time.Now().Add(r.rest)
		body.wait = func(d time.Duration) { timer.Reset(min(d, time.Until(until))) }
		body.wait(answerTimeout)
	}
	err = r.decode(resp.Header, body)
	if r.size != nil {
		*r.size += body.limit - body.left
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errStopped):
		cancel() // nobody waits for the rest of it
		return err
	case ctx.Err() != nil:
		return interrupted(ctx, r.op)
	case callCtx.Err() != nil:
		return c.transportError(r.op, context.DeadlineExceeded)
	}
	return &job.Error{Class: job.ClassBusy, Op: r.op, Status: resp.StatusCode, Err: garbled(body, err)}
}

// accepted makes sure that it was Plex who took an edit: it answers with nothing, or
// with its own XML or JSON (PLEX.md, "Transport"). A router or a proxy that is out
// of sorts answers 200 with a page, and nothing was written.
func (c *Client) accepted(op string, resp *http.Response) error {
	// Cut off or not: the status came, and that is the answer.
	head, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	page := strings.ToLower(string(bytes.TrimLeft(head, "\ufeff \t\r\n")))
	if strings.HasPrefix(page, "<html") || strings.HasPrefix(page, "<!doctype") {
		return &job.Error{Class: job.ClassBusy, Op: op, Status: resp.StatusCode, Err: errors.New("a web page answered, not Plex")}
	}
	return nil
}

// introduce sets the headers that Plex wants of every client.
func (c *Client) introduce(req *http.Request, r request) {
	for name, value := range map[string]string{
		"Accept":                   "application/json",
		"X-Plex-Client-Identifier": c.o.ClientID,
		"X-Plex-Product":           "PlexSync",
		"X-Plex-Version":           c.o.Version,
		"X-Plex-Platform":          runtime.GOOS,
		"X-Plex-Device":            "Stash",
		"X-Plex-Device-Name":       DeviceName,
	} {
		req.Header.Set(name, value)
	}
	if !r.anonymous && c.o.Token != "" {
		req.Header.Set("X-Plex-Token", c.o.Token)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	if u := c.url.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
}

func (c *Client) count(method string) {
	switch method {
	case http.MethodGet:
		c.reads.Add(1)
	case http.MethodPost:
		c.uploads.Add(1)
	default:
		c.writes.Add(1)
	}
}

// bounded fails when more is read than should be there, and remembers what ended
// the reading.
type bounded struct {
	r io.Reader
	// left is what the whole may still have, element what the value that is read
	// now may, in bytes.
	left, element int64
	// limit is what left was.
	limit int64
	// wait says how long the next bytes may take; it may be nil.
	wait func(time.Duration)
	err  error
}

func bound(r io.Reader, limit int64) *bounded {
	return &bounded{r: r, limit: limit, left: limit, element: maxElement}
}

// aside does something else meanwhile, which is no fault of who sends.
func (b *bounded) aside(f func() error) error {
	if b.wait != nil {
		b.wait(listTimeout)
		defer b.wait(answerTimeout)
	}
	return f()
}

// renew begins another value.
func (b *bounded) renew() { b.element = maxElement }

// errTooLarge is wrapped by what says which bound was broken.
var errTooLarge = errors.New("the answer is too large")

// tooLong says that it was the bound for the whole answer, in bytes.
type tooLong int64

func (n tooLong) Error() string { return fmt.Sprintf("%v: it has more than %d MB", errTooLarge, n>>20) }
func (n tooLong) Unwrap() error { return errTooLarge }

func (b *bounded) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	b.element -= int64(n)
	switch {
	case b.left < 0:
		n, err = 0, tooLong(b.limit)
	case b.element < 0:
		n, err = 0, fmt.Errorf("%w: one value in it has more than %d MB", errTooLarge, maxElement>>20)
	case n > 0 && b.wait != nil:
		b.wait(answerTimeout)
	}
	b.err = err
	return n, err
}
