package simplex

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// A Request is an entry of the log.
type Request struct {
	// N numbers the requests from 1, over all resets.
	N  int
	At time.Time
	// Host is the address that the client thought it was asking.
	Host         string
	Method, Path string
	// Query is decoded and has no token.
	Query url.Values
	// Route is the method and the pattern of the path, such as
	// "PUT /library/sections/{id}/all"; "" for a path that is not simulated.
	Route string
	// Device is the client identifier.
	Device string
	// Token says whether there was a token, wherever.
	Token bool
	// Status is what was answered: 0 while nothing is, or if the connection
	// was cut instead.
	Status int
	// Fault names what a rule of the script did, "" for nothing.
	Fault string
	// URLBytes is the length of path and query as sent; BodyBytes of the body.
	URLBytes, BodyBytes int
}

// Counts are the requests by kind, whatever became of them. Each request is
// of one kind.
type Counts struct {
	Total int
	// Reads are listings, details, pictures, everything that only looks.
	Reads int
	// Writes are edits, ratings and selections of a picture.
	Writes int
	// Uploads are pictures sent, as bytes or as an address.
	Uploads int
	// ProbeIdentity are the requests for /identity.
	ProbeIdentity int
	// Scans are the requests for scans and refreshes.
	Scans int
	// PeakWrites is the most writes and uploads that were under way at once.
	PeakWrites int
	// ByRoute counts by Request.Route.
	ByRoute map[string]int
}

// A Violation is something that the real server lets pass, or not, but that a
// good client never does.
type Violation struct {
	Request int // its number in the log
	What    string
}

// A Device is a client as it introduced itself.
type Device struct {
	Identifier, Product, Version, Platform, Name string
}

// Author says who wrote.
type Author string

const (
	API    Author = "api"    // a request
	Person Author = "person" // EditByPerson
	Agent  Author = "agent"  // RefreshByAgent
)

// A Write is an entry of an item's history.
type Write struct {
	// Request is the number of the request, 0 for a person or an agent.
	Request int
	At      time.Time
	By      Author
	// Field is the edit name; "thumb" and "art" for pictures.
	Field string
	// Op is "set", "lock" or "unlock" for a scalar; "add", "remove" or "clear"
	// for one element or all of a list, "replace" for a whole list at once;
	// "upload" or "select" for a picture.
	Op string
	// Value is the scalar, the name or the picture's address.
	Value string
	// Changed tells whether the item was different afterwards.
	Changed bool
}

// note adds to an item's history. The caller holds the lock.
func (s *Server) note(it *item, w Write) {
	w.At = s.opt.Now()
	s.history[it.key] = append(s.history[it.key], w)
}

// History returns everything that was written to an item, oldest first. It
// outlives the item.
func (s *Server) History(key string) []Write {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.history[parseKey(key)])
}

// WritesTo returns the part of an item's history about one field, without
// locks: so that a test can state that a value came at most once.
func (s *Server) WritesTo(key, field string) []Write {
	var list []Write
	for _, w := range s.History(key) {
		if w.Field == field && w.Op != "lock" && w.Op != "unlock" {
			list = append(list, w)
		}
	}
	return list
}

// Requests returns the log since the last reset.
func (s *Server) Requests() []Request {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	list := make([]Request, len(s.log))
	for i, r := range s.log {
		list[i] = *r
	}
	return list
}

// Counts returns the counters since the last reset.
func (s *Server) Counts() Counts {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	c := s.counts
	c.ByRoute = maps.Clone(c.ByRoute)
	return c
}

// Violations returns what no good client does, since the server was made.
func (s *Server) Violations() []Violation {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return slices.Clone(s.violations)
}

// Devices returns the distinct clients, in the order in which they first came.
func (s *Server) Devices() []Device {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return slices.Clone(s.devices)
}

// Scans counts the requests for a scan by their path, since the last reset; ""
// is a scan of the whole section.
func (s *Server) Scans() map[string]int {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return maps.Clone(s.scans)
}

// WriteBusy is how long the only writer was held, in total since the last
// reset: what the server itself needed for its writes.
func (s *Server) WriteBusy() time.Duration {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return s.busy
}

// ResetCounts empties the counters and the log. Violations, devices and
// histories stay.
func (s *Server) ResetCounts() {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	s.counts = Counts{ByRoute: map[string]int{}}
	s.log, s.busy = nil, 0
	s.scans = map[string]int{}
}

// arrive enters a request into the log and the counters.
func (s *Server) arrive(c *call) {
	entry := &Request{At: c.opt.Now(), Host: c.r.Host, Method: c.r.Method, Path: c.r.URL.Path,
		Query: url.Values{}, Route: c.route.name(), Device: c.plex("X-Plex-Client-Identifier"),
		Token: c.plex("X-Plex-Token") != "", URLBytes: len(c.r.URL.RequestURI()), BodyBytes: len(c.body)}
	for _, p := range c.query {
		if !isToken(p.key) {
			entry.Query.Add(p.key, p.value)
		}
	}
	s.logMu.Lock()
	defer s.logMu.Unlock()
	s.requests++
	entry.N = s.requests
	c.entry = entry
	s.log = append(s.log, entry)
	n := &s.counts
	n.Total++
	n.ByRoute[entry.Route]++
	switch c.route.kind {
	case write:
		n.Writes++
	case upload:
		n.Uploads++
	case probe:
		n.ProbeIdentity++
	case scan:
		n.Scans++
		if c.route.pattern == scanPattern {
			path, _ := first(c.query, "path")
			s.scans[path]++
		}
	default:
		n.Reads++
	}
	if c.route.kind.writes() {
		s.writing++
		n.PeakWrites = max(n.PeakWrites, s.writing)
	}
	if d := c.device(); d.Identifier != "" {
		if !slices.ContainsFunc(s.devices, func(o Device) bool { return o.Identifier == d.Identifier }) {
			s.devices = append(s.devices, d)
		}
	}
}

// depart notes how a request ended.
func (s *Server) depart(c *call, status int) {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	c.entry.Status = status
	if c.route.kind.writes() {
		s.writing--
	}
}

func (s *Server) violate(c *call, what string) {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	s.violations = append(s.violations, Violation{c.entry.N, what})
}

func isToken(key string) bool { return http.CanonicalHeaderKey(key) == "X-Plex-Token" }
