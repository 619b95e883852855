package plex

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// broken lists what a connection that was cut ends with.
var broken = [...]error{io.ErrUnexpectedEOF, io.EOF, syscall.ECONNRESET, syscall.EPIPE}

// cut returns the one of broken that err is, or nil.
func cut(err error) error {
	for _, b := range broken {
		if errors.Is(err, b) {
			return b
		}
	}
	return nil
}

// quick reports whether an error may be gone in a moment. A timeout has taken half
// a minute already, a 503 lasts, and some say themselves how long to wait.
func quick(err error) bool {
	var e *job.Error
	if !errors.As(err, &e) || e.RetryAfter > 0 {
		return false
	}
	switch {
	case e.Status == http.StatusInternalServerError, e.Status == http.StatusBadGateway:
		return true
	case e.Status/100 == 2: // cut or garbled
		return e.Class == job.ClassBusy && !errors.Is(e, errTooLarge)
	case e.Status == 0:
		return e.Class == job.ClassUnreachable && cut(e) != nil
	}
	return false
}

// garbled says what is wrong with an answer without quoting it.
func garbled(b *bounded, err error) error {
	switch {
	case errors.Is(err, errTooLarge):
		return err
	case b.err != nil && b.err != io.EOF, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the answer is cut off: %w", io.ErrUnexpectedEOF)
	}
	return errors.New("the answer is not Plex's JSON")
}

// transportError classes the failure of a call that got no answer. Only errors
// that are known to hold nothing but addresses are quoted; others quote what was
// received.
func (c *Client) transportError(op string, err error) error {
	e := &job.Error{Class: job.ClassUnreachable, Op: op, Err: err, Hint: "Is Plex running, and is plexUrl its address as seen from Stash?"}
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	var timeout net.Error
	var network *net.OpError
	var refused proxyRefused
	switch {
	case errors.Is(err, errProxy):
		e.Hint = "Correct it, or exclude Plex with NO_PROXY"
	case errors.As(err, &refused):
		e.Err, e.Hint = refused, c.proxyHint()
	case byProxy(err):
		errors.As(err, &network)
		e.Err, e.Hint = network, c.proxyHint()
	case errors.As(err, &dns) && dns.IsNotFound:
		e.Err, e.Hint = fmt.Errorf("no host is named %s", dns.Name), "Correct the setting plexUrl; in Docker, use the host's address instead of its name"
	case errors.As(err, &dns):
		e.Err = fmt.Errorf("%s could not be looked up", dns.Name)
	case errors.As(err, &certificate), errors.As(err, &host):
		e.Hint = "The certificate does not match the address in plexUrl: use Plex's plex.direct address, http://, or the setting insecureTLS"
	case errors.As(err, &record):
		e.Err, e.Hint = fmt.Errorf("%s does not speak TLS here", c.url.Host), "Should plexUrl begin with http://?"
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Err = fmt.Errorf("%s did not answer in time", c.url.Host)
	case cut(err) != nil:
		e.Err = fmt.Errorf("%s cut the connection: %w", c.url.Host, cut(err))
	case errors.As(err, &network):
		e.Err = network
	case c.url.Scheme == "http":
		e.Err, e.Hint = fmt.Errorf("%s does not speak HTTP here", c.url.Host), "Should plexUrl begin with https://?"
	default:
		e.Err = fmt.Errorf("%s does not speak HTTPS correctly", c.url.Host)
	}
	return e
}

// statusTokenExpired is plex.tv's "token expired"; it is in no standard.
const statusTokenExpired = 498

// TokenExpires reports whether a token is of the kind that lives for seven days: a
// JSON web token, which always begins with "eyJ". Plex's older tokens last until
// they are revoked.
func TokenExpires(token string) bool { return strings.HasPrefix(token, "eyJ") }

// statusError classes an answer that is not a success. Its body is never looked
// at: Plex's errors are bare pages, and a body can echo what was sent.
func (c *Client) statusError(op string, resp *http.Response) error {
	e := &job.Error{Op: op, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	switch s := resp.StatusCode; {
	case s/100 == 3:
		e.Class = job.ClassUnreachable
		target := "another address"
		if u, err := url.Parse(resp.Header.Get("Location")); err == nil && u.Host != "" {
			target = u.Host
		}
		e.Err = fmt.Errorf("%s redirects to %s, which PlexSync does not follow because it would send the token there", c.url.Host, target)
		e.Hint = "Set plexUrl to the address of Plex itself"
	case s == http.StatusUnauthorized, s == statusTokenExpired:
		e.Class = job.ClassUnauthorized
		switch {
		case TokenExpires(c.o.Token):
			e.Hint = "The token has expired, as those that begin with eyJ do after seven days: sign in again on PlexSync's page"
		case s == statusTokenExpired:
			e.Hint = "The token has expired: sign in again on PlexSync's page"
		default:
			e.Hint = "Plex does not accept the token: sign in again on PlexSync's page, or set plexToken"
		}
	case s == http.StatusForbidden:
		e.Class, e.Hint = job.ClassUnauthorized, "The token is not that of the server's owner: sign in as the owner on PlexSync's page, or set plexToken to the owner's"
	case s == http.StatusServiceUnavailable:
		e.Class, e.Hint = job.ClassUnreachable, "Plex is starting, under maintenance or overloaded; PlexSync will try again"
	case s == http.StatusBadGateway, s == http.StatusGatewayTimeout:
		e.Class, e.Hint = job.ClassUnreachable, cmp.Or(c.proxyHint(), "The proxy between Stash and Plex does not reach Plex")
	case s == http.StatusProxyAuthRequired:
		e.Class, e.Hint = job.ClassUnreachable, c.proxyHint()
		e.Err = errors.New("a proxy between Stash and Plex asks for a password")
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout, s >= 500:
		e.Class = job.ClassBusy
	default:
		e.Class = job.ClassRejected
	}
	return e
}

// notPlex turns an answer to /identity that no Plex gives into what it means: the
// address is wrong. Other errors stay.
func (c *Client) notPlex(err error) error {
	var e *job.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Status / 100 {
	case 2:
	case 4:
		if e.Class == job.ClassBusy {
			return err
		}
	default:
		return err
	}
	hint := "Set plexUrl to the address of Plex itself"
	if e.Status == http.StatusBadRequest && c.url.Scheme == "http" {
		hint = "Should plexUrl begin with https://?"
	}
	return &job.Error{Class: job.ClassUnreachable, Op: e.Op, Status: e.Status, Hint: hint,
		Err: fmt.Errorf("%s answers, but not like a Plex server", c.url.Host)}
}

// retryAfter reads the header of that name: seconds or a date; 0 if it is neither.
func retryAfter(v string) time.Duration {
	if s, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
		return time.Duration(min(max(s, 0), 1<<31)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}
