package simplex

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxBody bounds a request's body in memory; it is far above what an
	// upload may have.
	maxBody = 64 << 20
	// maxRequestLine is what the server itself takes: method, URL and protocol.
	maxRequestLine = 8192
)

// A Server is one Plex Media Server. Make it with [New]. Its methods may be
// called at any time from any goroutine.
type Server struct {
	// writer is the server's only writer. It is a channel so that waiting for
	// it lets the clock of a synctest bubble go on.
	writer chan struct{}

	mu          sync.RWMutex // guards the library and opt
	opt         Options
	lastID      int64
	sections    []*section
	lastSection int64
	items       map[int64]*item
	tags        map[tagID]*tag
	tagByID     map[int64]*tag
	collections map[memberID]*collection
	blobs       map[string][]byte
	history     map[int64][]Write
	scanning    []*running

	logMu      sync.Mutex // guards the rest; never held while taking mu
	requests   int
	log        []*Request
	counts     Counts
	writing    int
	busy       time.Duration
	violations []Violation
	devices    []Device
	scans      map[string]int
	script     []*scripted
}

// New makes an empty server.
func New(opt Options) *Server {
	opt.setDefaults()
	return &Server{
		opt:         opt,
		writer:      make(chan struct{}, 1),
		lastID:      1000, // no rating key looks like a section's
		items:       map[int64]*item{},
		tags:        map[tagID]*tag{},
		tagByID:     map[int64]*tag{},
		collections: map[memberID]*collection{},
		blobs:       map[string][]byte{},
		history:     map[int64][]Write{},
		counts:      Counts{ByRoute: map[string]int{}},
		scans:       map[string]int{},
	}
}

// Set changes options while the server runs. Requests that have begun keep
// those with which they began.
func (s *Server) Set(change func(*Options)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.opt)
	s.opt.setDefaults()
}

// Options returns the options in force.
func (s *Server) Options() Options {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.opt
}

// Start serves on a free port of 127.0.0.1. close ends all connections, also
// hanging ones.
func (s *Server) Start() (url string, close func()) {
	url, close, err := s.StartAt("127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return url, close
}

// StartAt serves on an address, so that a server can come back where it was.
func (s *Server) StartAt(addr string) (url string, close func(), err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: s}
	var done sync.WaitGroup
	done.Go(func() { srv.Serve(l) })
	return "http://" + l.Addr().String(), func() {
		srv.Close()
		done.Wait()
	}, nil
}

// ServeHTTP answers a request, or breaks the connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler) // the client went in the middle
	}
	a, err := s.serve(r, body)
	if err != nil {
		if breaks(err) {
			reset(w)
		}
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", itoa(len(a.body)))
	w.WriteHeader(a.status)
	if a.cut {
		w.Write(a.body[:len(a.body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(a.body)
}

// reset ends a connection with RST instead of FIN.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
	panic(http.ErrAbortHandler)
}

// Transport serves requests to any host in process. A client that gives up
// gets its context's error at once, while a write that has begun is carried
// out; broken connections are the errors that net would give. Nothing is
// compressed unless asked for, and nothing decompressed.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ s *Server }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(io.LimitReader(r.Body, maxBody))
		r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in := r.Clone(ctx)
	if in.Host == "" {
		in.Host = in.URL.Host
	}
	type result struct {
		a   answer
		err error
	}
	done := make(chan result, 1)
	go func() {
		a, err := t.s.serve(in, body)
		done <- result{a, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case res := <-done:
		if res.err != nil {
			return nil, res.err
		}
		return res.a.response(r), nil
	}
}

// An answer is a whole response, before it is known how it travels.
type answer struct {
	status int
	header http.Header
	body   []byte
	cut    bool // only half of the body arrives
}

func (a answer) response(r *http.Request) *http.Response {
	var body io.Reader = bytes.NewReader(a.body)
	if a.cut {
		body = io.MultiReader(bytes.NewReader(a.body[:len(a.body)/2]), broken{})
	}
	header := a.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Length", itoa(len(a.body)))
	return &http.Response{
		Status: itoa(a.status) + " " + http.StatusText(a.status), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(body), ContentLength: int64(len(a.body)), Request: r,
	}
}

// broken is the rest of a body that does not come.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A call is a request on its way through the server.
type call struct {
	s     *Server
	ctx   context.Context
	opt   Options // as they were when it came
	r     *http.Request
	query []param
	body  []byte
	route route
	args  []string // what the pattern's braces stand for
	entry *Request
}

// plex returns an X-Plex value, which may be a header or a query argument.
func (c *call) plex(name string) string {
	if v := c.r.Header.Get(name); v != "" {
		return v
	}
	for _, p := range c.query {
		if http.CanonicalHeaderKey(p.key) == name {
			return p.value
		}
	}
	return ""
}

func (c *call) device() Device {
	return Device{c.plex("X-Plex-Client-Identifier"), c.plex("X-Plex-Product"), c.plex("X-Plex-Version"),
		c.plex("X-Plex-Platform"), cmp.Or(c.plex("X-Plex-Device-Name"), c.plex("X-Plex-Device"))}
}

// serve takes a request through everything that stands before the server, and
// the server. The error is a broken connection or a client that went.
func (s *Server) serve(r *http.Request, body []byte) (a answer, err error) {
	query, queryErr := parseQuery(r.URL.RawQuery)
	c := &call{s: s, ctx: r.Context(), opt: s.Options(), r: r, query: query, body: body}
	c.route, c.args = match(r.Method, r.URL.Path)
	s.arrive(c)
	defer func() {
		if err != nil {
			a.status = 0
		}
		s.depart(c, a.status)
	}()

	if c.opt.Down {
		return a, errRefused
	}
	fault := s.faultFor(c)
	if fault != nil {
		if err := c.sleep(fault.Delay); err != nil {
			return a, err
		}
		switch {
		case fault.Hang:
			<-c.ctx.Done()
			return a, c.ctx.Err()
		case fault.ResetBefore:
			return a, errReset
		case fault.RedirectTo != "":
			a = page(http.StatusFound)
			a.header.Set("Location", fault.RedirectTo)
			return a, nil
		case fault.name() == "status":
			a = page(cmp.Or(fault.Status, http.StatusInternalServerError))
			if fault.Body != "" {
				a.body = []byte(fault.Body)
			}
			if fault.RetryAfter != "" {
				a.header.Set("Retry-After", fault.RetryAfter)
			}
			return a, nil
		}
	}
	a, err = s.behindProxy(c, queryErr)
	if err != nil {
		return a, err
	}
	if fault != nil && fault.Garble {
		a.body = append(a.body[:len(a.body)/2:len(a.body)/2], "\x00\"]{"...)
	}
	a = c.finish(a)
	if fault != nil && fault.HangAfter {
		<-c.ctx.Done()
		return a, c.ctx.Err()
	}
	if fault != nil {
		// There is no half of nothing: an empty answer that is cut is no answer.
		if fault.ResetAfter || fault.Cut && len(a.body) == 0 {
			return a, errReset
		}
		a.cut = fault.Cut
	}
	return a, nil
}

// behindProxy answers what came through.
func (s *Server) behindProxy(c *call, queryErr error) (answer, error) {
	line := len(c.r.Method) + len(c.r.URL.RequestURI()) + len("  HTTP/1.1")
	switch {
	case c.opt.Maintenance:
		return answer{status: http.StatusServiceUnavailable, header: http.Header{"Content-Type": {"text/xml;charset=utf-8"}},
			body: []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<Response code="503" title="Maintenance" ` +
				`status="Plex Media Server is currently running startup maintenance tasks."/>` + "\n")}, nil
	case c.opt.MaxURL > 0 && line > c.opt.MaxURL:
		return page(http.StatusRequestURITooLong), nil
	case line > maxRequestLine:
		return page(http.StatusBadRequest), nil
	}
	for _, p := range c.query {
		if isToken(p.key) {
			s.violate(c, "a token in the URL")
			if !c.opt.AllowURLToken {
				return page(http.StatusBadRequest), nil
			}
		}
	}
	if c.opt.Check != nil {
		if err := c.opt.Check(c.r); err != nil {
			s.violate(c, err.Error())
			return page(http.StatusBadRequest), nil
		}
	}
	if queryErr != nil {
		return page(http.StatusBadRequest), nil
	}
	if status := c.admit(); status != http.StatusOK {
		return page(status), nil
	}

	writes := c.route.kind.writes()
	latency := c.opt.ReadLatency
	if writes {
		latency = c.opt.WriteLatency
	}
	if err := c.sleep(latency); err != nil {
		return answer{}, err
	}
	s.settle()
	var a answer
	if writes {
		var img []byte
		if c.route.kind == upload { // fetched before the writer is taken
			var status int
			if img, status = c.image(); status != http.StatusOK {
				return page(status), nil
			}
		}
		s.alone(c.opt.WriteTime, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			a = c.route.serve(c, img)
		})
	} else {
		// Scans write too; they are no matter of the one writer.
		lock, unlock := s.mu.RLock, s.mu.RUnlock
		if c.route.kind == scan {
			lock, unlock = s.mu.Lock, s.mu.Unlock
		}
		func() {
			lock()
			defer unlock()
			a = c.route.serve(c, nil)
		}()
		s.settle()
	}
	return a, nil
}

// admit checks who asks, and whether there is anything to ask. It returns 200
// or the status of the refusal.
func (c *call) admit() int {
	if c.route.serve == nil {
		c.s.violate(c, c.r.Method+" "+c.r.URL.Path+" is not simulated")
		return http.StatusNotFound
	}
	if c.route.kind == probe {
		return http.StatusOK
	}
	switch token := c.plex("X-Plex-Token"); {
	case token == "" && c.opt.AllowMissingToken, token == c.opt.Token:
	default:
		return http.StatusUnauthorized
	}
	if c.plex("X-Plex-Client-Identifier") == "" {
		return http.StatusBadRequest
	}
	if c.opt.NotOwner && !c.route.anyone || c.opt.RefuseWrites && c.route.kind != read {
		return http.StatusForbidden
	}
	return http.StatusOK
}

// sleep passes time, unless the client goes first.
func (c *call) sleep(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-t.C:
		return nil
	}
}

// alone runs a write as the server's only writer. Nothing stops it: the real
// server does not notice either that the client has gone.
func (s *Server) alone(took time.Duration, apply func()) {
	s.writer <- struct{}{}
	start := time.Now()
	if took > 0 {
		time.Sleep(took)
	}
	apply()
	s.logMu.Lock()
	s.busy += time.Since(start)
	s.logMu.Unlock()
	<-s.writer
}

// finish adds what all answers have.
func (c *call) finish(a answer) answer {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set("X-Plex-Protocol", "1.0")
	a.header.Set("Cache-Control", "no-cache")
	if len(a.body) == 0 || !strings.Contains(c.r.Header.Get("Accept-Encoding"), "gzip") {
		return a
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // the level is valid
	z.Write(a.body)                                 // a buffer cannot fail
	z.Close()
	a.header.Set("Content-Encoding", "gzip")
	a.body = b.Bytes()
	return a
}

// show answers with an element, in the form that the client accepts.
func (c *call) show(root *node) answer {
	f := form{json: strings.Contains(c.r.Header.Get("Accept"), "application/json"),
		numbersAsStrings: c.opt.NumbersAsStrings}
	if c.opt.HonourExcludes {
		f.exclude = map[string]bool{}
		for _, name := range []string{"excludeFields", "excludeElements"} {
			list, _ := first(c.query, name)
			for one := range strings.SplitSeq(list, ",") {
				f.exclude[one] = true
			}
		}
	}
	return answer{status: http.StatusOK, header: http.Header{"Content-Type": {f.contentType()}}, body: f.render(root)}
}

func itoa(n int) string { return strconv.Itoa(n) }

// parseKey returns 0, which is nobody's key, for what is no number.
func parseKey(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
