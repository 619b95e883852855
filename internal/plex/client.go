// Package plex is a client for Plex Media Server: it lists libraries, reads and
// edits items, and sets their pictures. Its errors carry a class (package job),
// decided here, where the answer is seen. What is known of Plex comes from its
// published API description, python-plexapi and the experience of other tools;
// where these disagree, requests are made so that every reading gives the same.
package plex

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	retry "github.com/avast/retry-go/v4"

	"github.com/plexsync/plexsync/internal/job"
)

// Options are what a Client needs to know of Plex.
type Options struct {
	// URL is Plex's base address, without a slash at its end.
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
	// MaxURL bounds the URL of an edit in bytes; 0 = 8000. Reverse proxies refuse
	// longer ones.
	MaxURL int
}

const (
	connectTimeout = 5 * time.Second
	answerTimeout  = 30 * time.Second
	defaultMaxURL  = 8000
	// longMaxURL is what Plex itself takes: with about 30,000 bytes it was seen to
	// refuse.
	longMaxURL = 24000
	// maxAnswer bounds what is read of an answer: a page of a thousand items is some
	// megabytes.
	maxAnswer = 64 << 20
)

// Client asks one Plex server. Its methods may be called from several goroutines.
type Client struct {
	o    Options
	base string
	host string // for messages
	http *http.Client

	reads, writes, uploads atomic.Int64
}

// New makes a client; nothing is asked yet.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("plexUrl: is not an address; right would be, for example http://192.168.1.10:32400")
	}
	if o.MaxURL <= 0 {
		o.MaxURL = defaultMaxURL
	}
	c := &Client{o: o, base: strings.TrimRight(o.URL, "/"), host: u.Host}
	transport := o.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout:   connectTimeout,
			ResponseHeaderTimeout: answerTimeout,
			TLSClientConfig:       &tls.Config{InsecureSkipVerify: o.InsecureTLS},
			MaxIdleConnsPerHost:   4,
			IdleConnTimeout:       time.Minute,
		}
	}
	c.http = &http.Client{
		Transport: transport,
		// Go would carry our headers, the token among them, to wherever it is sent.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Stats counts requests since the client was made.
type Stats struct{ Reads, Writes, Uploads int }

// Stats counts the requests so far: reads, edits and selections, uploads.
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
	// once: not repeated by itself.
	once bool
	// decode reads the answer; nil = there is nothing to read.
	decode func(*http.Response, io.Reader) error
}

// Quick repeats of a call within one attempt at a job; everything longer is the
// queue's.
const (
	quickTries = 3
	quickDelay = 100 * time.Millisecond
	quickMax   = 400 * time.Millisecond
)

// do makes a call, and repeats it quickly if it failed in a way that a moment may
// mend. All of our calls are idempotent.
func (c *Client) do(ctx context.Context, r request) error {
	if r.once {
		return c.try(ctx, r)
	}
	return retry.Do(
		func() error { return c.try(ctx, r) },
		retry.Context(ctx), retry.Attempts(quickTries), retry.Delay(quickDelay), retry.MaxDelay(quickMax),
		retry.DelayType(retry.BackOffDelay), retry.LastErrorOnly(true), retry.RetryIf(quick),
	)
}

// quick reports whether an error may be gone in a moment. A timeout has taken half
// a minute already, a 503 lasts, and 429 says itself how long to wait.
func quick(err error) bool {
	var e *job.Error
	if !errors.As(err, &e) || e.RetryAfter > 0 {
		return false
	}
	switch e.Status {
	case 0, http.StatusOK:
		var timeout net.Error
		return e.Class == job.ClassBusy ||
			e.Class == job.ClassUnreachable && (errors.Is(e, syscall.ECONNRESET) || errors.Is(e, io.EOF) || errors.Is(e, io.ErrUnexpectedEOF)) &&
				!(errors.As(e, &timeout) && timeout.Timeout())
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func (c *Client) try(ctx context.Context, r request) error {
	callCtx, cancel := context.WithTimeout(ctx, connectTimeout+answerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(callCtx, r.method, c.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return &job.Error{Class: job.ClassInternal, Op: r.op, Err: errors.New("the request cannot be made")}
	}
	c.count(r)
	for name, value := range map[string]string{
		"Accept":                   "application/json",
		"X-Plex-Client-Identifier": c.o.ClientID,
		"X-Plex-Product":           "PlexSync",
		"X-Plex-Version":           c.o.Version,
		"X-Plex-Platform":          runtime.GOOS,
		"X-Plex-Device":            "Stash",
		"X-Plex-Device-Name":       "PlexSync",
	} {
		req.Header.Set(name, value)
	}
	if !r.anonymous && c.o.Token != "" {
		req.Header.Set("X-Plex-Token", c.o.Token)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.transportError(ctx, r.op, err)
	}
	defer func() {
		io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
		resp.Body.Close()
	}()
	if resp.StatusCode/100 != 2 {
		return c.statusError(r, resp)
	}
	if r.decode == nil {
		return nil
	}
	body := &bounded{resp.Body, maxAnswer}
	if err := r.decode(resp, body); err != nil {
		var own *job.Error
		if errors.As(err, &own) || job.Interrupted(ctx, err) {
			return err
		}
		return &job.Error{Class: job.ClassBusy, Op: r.op, Status: resp.StatusCode, Err: garbled(err)}
	}
	return nil
}

func (c *Client) count(r request) {
	switch {
	case r.method == http.MethodGet:
		c.reads.Add(1)
	case r.method == http.MethodPost:
		c.uploads.Add(1)
	default:
		c.writes.Add(1)
	}
}

// bounded fails when more is read than should be there.
type bounded struct {
	r    io.Reader
	left int64
}

var errTooLarge = errors.New("the answer is too large")

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// garbled says what is wrong with an answer without quoting it.
func garbled(err error) error {
	switch {
	case errors.Is(err, errTooLarge):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the answer is cut off: %w", io.ErrUnexpectedEOF)
	}
	return errors.New("the answer is not Plex's JSON")
}

// transportError classes the failure of a call that got no answer.
func (c *Client) transportError(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, ctx.Err())
	}
	// url.Error quotes the URL, which is long and says nothing new.
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	e := &job.Error{Class: job.ClassUnreachable, Op: op, Err: err, Hint: "Is Plex running, and is plexUrl its address as seen from Stash?"}
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		e.Err, e.Hint = fmt.Errorf("there is no host named %s", dns.Name), "Correct the setting plexUrl; in Docker, use the host's address instead of its name"
	case errors.As(err, &certificate), errors.As(err, &host):
		e.Hint = "The certificate does not fit the address in plexUrl: use Plex's plex.direct address, http://, or the setting insecureTLS"
	case errors.As(err, &record):
		e.Hint = "This is not TLS: begin plexUrl with http:// instead of https://"
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Err = fmt.Errorf("no answer within %s from %s", answerTimeout, c.host)
	case strings.Contains(err.Error(), "malformed HTTP response"):
		// Its text quotes what was received.
		e.Err, e.Hint = fmt.Errorf("%s does not speak HTTP here", c.host), "Should plexUrl begin with https://?"
	}
	return e
}

// statusError classes an answer that is not a success. Its body is never looked
// at: Plex's errors are bare pages, and a body can echo what was sent.
func (c *Client) statusError(r request, resp *http.Response) error {
	e := &job.Error{Op: r.op, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	switch s := resp.StatusCode; {
	case s/100 == 3:
		e.Class = job.ClassUnreachable
		target := "another address"
		if u, err := url.Parse(resp.Header.Get("Location")); err == nil && u.Host != "" {
			target = u.Host
		}
		e.Err = fmt.Errorf("%s sends us to %s, which is not followed because the token would go there", c.host, target)
		e.Hint = "Set plexUrl to the address of Plex itself"
	case s == http.StatusUnauthorized:
		e.Class, e.Hint = job.ClassUnauthorized, "Plex does not accept the token: set plexToken anew"
	case s == http.StatusForbidden:
		e.Class, e.Hint = job.ClassUnauthorized, "The token is not that of the server's owner: set plexToken to the owner's"
	case s == http.StatusServiceUnavailable:
		e.Class, e.Hint = job.ClassUnreachable, "Plex is starting, at maintenance or overloaded; it is tried again"
	case s == http.StatusBadGateway, s == http.StatusGatewayTimeout:
		e.Class, e.Hint = job.ClassUnreachable, "What stands between Stash and Plex does not reach Plex"
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout, s >= 500:
		e.Class = job.ClassBusy
	default:
		e.Class = job.ClassRejected
	}
	return e
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(v string) time.Duration {
	if s, err := strconv.Atoi(strings.TrimSpace(v)); err == nil {
		return time.Duration(min(max(s, 0), 1<<31)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}
