package simstash

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Request is one HTTP request as it reached the server. Cookie and ApiKey are
// redacted in its header.
type Request struct {
	At            time.Time
	Method        string
	Path          string
	Header        http.Header
	Query         string   // of GraphQL
	OperationName string   // of GraphQL
	Fields        []string // the root fields of the operation, aliases resolved
	Variables     json.RawMessage

	Status      int // 0 while it is being answered, and when the connection was cut
	BytesIn     int64
	BytesOut    int64
	Fault       string // the kind of fault that was played, "" = none
	Interrupted bool   // the client went away, or a fault cut the answer

	body []byte
	bad  error
}

// Counts are totals since the start or the last ResetCounts.
type Counts struct {
	Requests int
	Fields   map[string]int // GraphQL requests by root field; one aliased twice counts twice
	Images   int            // requests for covers and pictures
	BytesIn  int64
	BytesOut int64
}

type requestBook struct {
	mu     sync.Mutex
	counts Counts
	list   []*Request
}

func (b *requestBook) begin(r *Request, keep int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.BytesIn = int64(len(r.body))
	b.counts.Requests++
	b.counts.BytesIn += r.BytesIn
	if r.Path != "/graphql" && r.Method == http.MethodGet {
		b.counts.Images++
	}
	if b.counts.Fields == nil {
		b.counts.Fields = map[string]int{}
	}
	for _, f := range r.Fields {
		b.counts.Fields[f]++
	}
	if len(b.list) >= 2*keep { // forget in bulk: amortized O(1)
		b.list = slices.Clone(b.list[len(b.list)-keep:])
	}
	b.list = append(b.list, r)
}

func (b *requestBook) done(r *Request, status int, n int64, interrupted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r.Status, r.BytesOut, r.Interrupted, r.body = status, n, interrupted, nil
	b.counts.BytesOut += n
}

// Counts returns the totals.
func (s *Server) Counts() Counts {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	c := s.requests.counts
	c.Fields = maps.Clone(c.Fields)
	return c
}

// ResetCounts sets the totals to zero and forgets the list of requests.
func (s *Server) ResetCounts() {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	s.requests.counts, s.requests.list = Counts{}, nil
}

// Requests lists at least the last Options.RequestLog requests, oldest first.
func (s *Server) Requests() []Request {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	out := make([]Request, len(s.requests.list))
	for i, r := range s.requests.list {
		out[i] = *r
		out[i].Header = r.Header.Clone()
	}
	return out
}

// countingWriter counts what is written. It offers the connection for a
// takeover only where the wrapped writer does.
type countingWriter struct {
	http.ResponseWriter
	code int
	n    int64
}

func (w *countingWriter) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	return n, err
}

func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
