package simstash

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Fault is one rule of the fault script: what a broken proxy, network or
// server does to the requests that match. Every condition that is set must
// hold. The first rule that matches and has not run out is played.
type Fault struct {
	// Method matches exactly, Path and Query (the GraphQL text) as regular
	// expressions, Field one of the operation's root fields. "" = any.
	Method, Path, Query, Field string
	// Skip lets so many matching requests pass first; Count is how many are then
	// hit: 0 = one, -1 = all.
	Skip, Count int

	// Delay comes before everything else.
	Delay time.Duration
	// Apply says that the request is carried out although its answer is lost or
	// replaced: the case of a mutation that worked and nobody knows.
	Apply bool

	// One of the following is played; none of them: the true answer, after Delay.

	Hang         bool   // no answer until the client goes or the server closes
	Reset        bool   // the connection is reset without an answer
	CutBody      bool   // the head and half of the true body, then the connection breaks
	Garble       bool   // the true answer with its bytes disturbed: no longer JSON
	Status       int    // this status with Body, as text/html
	Body         string // used with Status
	Header       http.Header
	GraphQLError string // status 200, {"errors":[{"message":...}],"data":null}
}

func (f *Fault) kind() string {
	switch {
	case f.Hang:
		return "hang"
	case f.Reset:
		return "reset"
	case f.CutBody:
		return "cut body"
	case f.Garble:
		return "garble"
	case f.Status != 0:
		return "status " + strconv.Itoa(f.Status)
	case f.GraphQLError != "":
		return "graphql error"
	}
	return "delay"
}

type faultRule struct {
	Fault
	path, query *regexp.Regexp
	left        int
}

type faultBook struct {
	mu    sync.Mutex
	rules []*faultRule
}

// Script adds rules to the fault script. A bad regular expression panics.
func (s *Server) Script(faults ...Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	for _, f := range faults {
		r := &faultRule{Fault: f, left: max(f.Count, 1)}
		if f.Path != "" {
			r.path = regexp.MustCompile(f.Path)
		}
		if f.Query != "" {
			r.query = regexp.MustCompile(f.Query)
		}
		s.faults.rules = append(s.faults.rules, r)
	}
}

// ClearScript takes all rules back. Requests that hang go on hanging.
func (s *Server) ClearScript() { s.faults.clear() }

func (b *faultBook) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = nil
}

func (b *faultBook) match(r *Request) *faultRule {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, f := range b.rules {
		if f.Method != "" && f.Method != r.Method ||
			f.path != nil && !f.path.MatchString(r.Path) ||
			f.query != nil && !f.query.MatchString(r.Query) ||
			f.Field != "" && !slices.Contains(r.Fields, f.Field) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Count >= 0 {
			if f.left--; f.left == 0 {
				b.rules = slices.Delete(slices.Clone(b.rules), i, i+1)
			}
		}
		r.Fault = f.kind()
		return f
	}
	return nil
}

func (f *faultRule) serve(w http.ResponseWriter, r *http.Request, real func(http.ResponseWriter)) {
	if !sleep(r.Context(), f.Delay) {
		panic(http.ErrAbortHandler)
	}
	var actual *httptest.ResponseRecorder
	if f.Apply || f.CutBody || f.Garble {
		actual = httptest.NewRecorder()
		real(actual)
	}
	switch {
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Reset:
		reset(w)
	case f.CutBody:
		body := actual.Body.Bytes()
		copyHeader(w.Header(), actual.Header())
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(actual.Code)
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case f.Garble:
		copyHeader(w.Header(), actual.Header())
		w.WriteHeader(actual.Code)
		w.Write(append([]byte("\x00\ufffd<"), bytes.ReplaceAll(actual.Body.Bytes(), []byte(`"`), []byte("'"))...))
	case f.Status != 0:
		w.Header().Set("Content-Type", "text/html")
		copyHeader(w.Header(), f.Header)
		w.WriteHeader(f.Status)
		io.WriteString(w, f.Body)
	case f.GraphQLError != "":
		w.Header().Set("Content-Type", "application/json")
		w.Write(toJSON(object{{"errors", []gqlError{{Message: f.GraphQLError}}}, {"data", nil}}))
	case actual != nil:
		copyHeader(w.Header(), actual.Header())
		w.WriteHeader(actual.Code)
		w.Write(actual.Body.Bytes())
	default:
		real(w)
	}
}

func copyHeader(dst, src http.Header) {
	for k, v := range src {
		dst[k] = slices.Clone(v)
	}
}

// sleep waits for d; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reset breaks the connection so that the client sees a reset, not an end.
func reset(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		conn.Close()
		return
	}
	panic(http.ErrAbortHandler)
}

// Transport reaches the server in process: no socket, so that it suits
// testing/synctest. A request whose context ends fails with the context's
// error and is cancelled for the server too. A connection that the fault script
// breaks is a transport error.
func (s *Server) Transport() http.RoundTripper { return roundTripper{s} }

// errCut is the transport error of a connection that the fault script breaks.
var errCut = errors.New("simstash: connection reset by peer")

type roundTripper struct{ s *Server }

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.Host = r.Host
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:0"
	w := httptest.NewRecorder()
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		t.s.ServeHTTP(w, in)
	}()
	var crash any
	select {
	case crash = <-done:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-t.s.life.Done():
		return nil, errCut
	}
	if crash != nil && crash != http.ErrAbortHandler {
		panic(crash)
	}
	res := w.Result()
	res.Request = r
	if crash == http.ErrAbortHandler {
		if w.Body.Len() == 0 {
			return nil, errCut
		}
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(w.Body.Bytes()), brokenReader{}))
	}
	if n, err := strconv.ParseInt(res.Header.Get("Content-Length"), 10, 64); err == nil {
		res.ContentLength = n
	} else if crash == nil {
		res.ContentLength = int64(w.Body.Len())
	}
	return res, nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.Join(errCut, io.ErrUnexpectedEOF) }
