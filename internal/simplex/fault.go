package simplex

import (
	"errors"
	"net"
	"net/http"
	"os"
	"regexp"
	"syscall"
	"time"
)

// A Rule is a line of the fault script: what happens to which requests. Faults
// sit in front of the server, as a bad network or proxy does, before tokens are
// looked at. The zero Rule answers the next request, whatever it is, with 500.
type Rule struct {
	// Method, Path and Query choose the requests: the method itself, regular
	// expressions over the decoded path and over the query as sent. Empty = any.
	Method, Path, Query string
	// Nth is the first request chosen that is hit, from 1. 0 = 1.
	Nth int
	// Count is how many are hit from there on; then the rule has run out.
	// 0 = 1, negative = all.
	Count int

	// Delay passes before anything else. A rule with nothing but a Delay leaves
	// the request to the server then.
	Delay time.Duration
	// Status is answered instead of asking the server, with Body, or with the
	// HTML page that goes with it, and with RetryAfter as that header.
	Status     int
	Body       string
	RetryAfter string
	// RedirectTo is answered as a 302's Location.
	RedirectTo string
	// Hang lets the client wait until it goes; HangAfter asks the server first: what
	// was to be written is, and nobody is told.
	Hang, HangAfter bool
	// ResetBefore cuts the connection without asking the server; ResetAfter
	// asks it and cuts instead of answering: what was to be written is.
	ResetBefore, ResetAfter bool
	// Cut sends the headers and half of the answer's body and then cuts.
	Cut bool
	// Garble sends an answer that ends in the middle as if it were whole.
	Garble bool
}

func (r Rule) name() string {
	switch {
	case r.Hang:
		return "hang"
	case r.HangAfter:
		return "hang after"
	case r.ResetBefore:
		return "reset before"
	case r.ResetAfter:
		return "reset after"
	case r.RedirectTo != "":
		return "redirect"
	case r.Cut:
		return "cut"
	case r.Garble:
		return "garble"
	case r.Delay > 0 && r.Status == 0 && r.Body == "":
		return "delay"
	}
	return "status"
}

// scripted is a rule at work.
type scripted struct {
	Rule
	path, query *regexp.Regexp
	seen, left  int
}

// Script adds rules. A request is hit by the first rule that chooses it and
// has not run out; it is counted by every rule that chooses it. A pattern that
// does not compile panics.
func (s *Server) Script(rules ...Rule) {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	for _, r := range rules {
		left := r.Count
		if left == 0 {
			left = 1
		}
		s.script = append(s.script, &scripted{Rule: r, left: left,
			path: regexp.MustCompile(r.Path), query: regexp.MustCompile(r.Query)})
	}
}

// ClearScript drops all rules.
func (s *Server) ClearScript() {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	s.script = nil
}

// ScriptLeft is how many hits the script still has in store, rules without an
// end apart: 0 tells a test that every fault came to pass.
func (s *Server) ScriptLeft() int {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	n := 0
	for _, r := range s.script {
		n += max(r.left, 0)
	}
	return n
}

// faultFor finds the rule that hits a request, nil for none.
func (s *Server) faultFor(c *call) *Rule {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	var hit *Rule
	for _, r := range s.script {
		if r.Method != "" && r.Method != c.r.Method ||
			!r.path.MatchString(c.r.URL.Path) || !r.query.MatchString(c.r.URL.RawQuery) {
			continue
		}
		r.seen++
		if hit != nil || r.left == 0 || r.seen < r.Nth {
			continue
		}
		if r.left > 0 {
			r.left--
		}
		hit = &r.Rule
		c.entry.Fault = r.name()
	}
	return hit
}

// What a client in process sees of a connection that breaks, as net reports it.
var (
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	errReset   = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
)

// breaks reports whether an error is a connection to break off, not a client
// that went away.
func breaks(err error) bool { return errors.Is(err, errRefused) || errors.Is(err, errReset) }

// page is the bare HTML which is all that the server says of an error.
func page(status int) answer {
	text := http.StatusText(status)
	return answer{status: status, header: http.Header{"Content-Type": {"text/html"}}, body: []byte("<html><head><title>" + text +
		"</title></head><body><h1>" + itoa(status) + " " + text + "</h1></body></html>")}
}
