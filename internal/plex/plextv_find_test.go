package plex_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
)

func tlsOf(ca *simplex.CA) *tls.Config { return &tls.Config{RootCAs: ca.Pool()} }

// network is names and addresses that lead to servers in this process, and nowhere else.
type network map[string]string // host → host:port, or an IP that refuses

func (n network) dial(ctx context.Context, proto, addr string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(addr)
	to, ok := n[host]
	switch {
	case !ok:
		return nil, &net.OpError{Op: "dial", Net: proto, Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	case to == "slow":
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: proto, Err: ctx.Err()}
	case !strings.Contains(to, ":"):
		return nil, &net.OpError{Op: "dial", Net: proto, Addr: &net.TCPAddr{IP: net.ParseIP(to), Port: 32400},
			Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return (&net.Dialer{}).DialContext(ctx, proto, to)
}

// TestAddressesAreTriedBeforeATokenGoesAnywhere: all of them at once, each by the machine
// that answers, and what came of each.
func TestAddressesAreTriedBeforeATokenGoesAnywhere(t *testing.T) {
	ca, filter := simplex.NewCA(), simplex.NewCA()
	home := simplex.New(simplex.Options{Token: token, MachineID: "home", Version: "1.43.2"})
	cabin := simplex.New(simplex.Options{Token: token, MachineID: "cabin"})
	busy := simplex.New(simplex.Options{Token: token, MachineID: "home", Maintenance: true})
	var mu sync.Mutex
	var others []*http.Request
	anything := func(answer func(http.ResponseWriter, *http.Request)) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			others = append(others, r)
			mu.Unlock()
			answer(w, r)
		}))
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	plain := func(s *simplex.Server) string {
		address, stop := s.Start()
		t.Cleanup(stop)
		return strings.TrimPrefix(address, "http://")
	}
	secure := func(ca *simplex.CA, until time.Duration, name string) string {
		addr, stop := ca.Serve(home, time.Now().Add(until), name)
		t.Cleanup(stop)
		return addr
	}
	day := 24 * time.Hour
	n := network{
		"10-0-0-1.h.plex.direct": secure(ca, day, "10-0-0-1.h.plex.direct"), "10.0.0.1": plain(home), "fd00::1": plain(home),
		"cabin": plain(cabin), "busy": plain(busy), "refused": "10.0.0.9", "slow": "slow",
		"expired.test": secure(ca, -day, "expired.test"), "wrong.test": secure(ca, day, "right.test"), "filter.test": secure(filter, day, "filter.test"),
		"10-0-0-2.h.plex.direct": "0.0.0.0", "10-0-0-3.h.plex.direct": "10.0.0.3",
		"moved": anything(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://10.0.0.1/identity", http.StatusFound)
		}),
		"router":  anything(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") }),
		"login":   anything(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) }),
		"endless": anything(func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 1<<20)) }),
		"cut": anything(func(w http.ResponseWriter, r *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			conn.Close()
		}),
	}
	ip := netip.MustParseAddr
	type row struct {
		plex.Address
		verdict plex.Verdict
		says    string
	}
	rows := []row{
		{plex.Address{URL: "https://10-0-0-1.h.plex.direct:32400"}, plex.Answers, ""},
		{plex.Address{URL: "http://10.0.0.1:32400"}, plex.Answers, ""},
		{plex.Address{URL: "http://[fd00::1]:32400"}, plex.Answers, ""},
		{plex.Address{URL: "https://filter.test", Insecure: true}, plex.Answers, ""},
		{plex.Address{URL: "http://cabin:32400"}, plex.OtherMachine, "belongs to another Plex server"},
		{plex.Address{URL: "http://busy:32400"}, plex.NotPlex, "starting or under maintenance"},
		{plex.Address{URL: "http://refused:32400"}, plex.NoAnswer, "cannot be reached (connection refused)"},
		{plex.Address{URL: "http://slow:32400"}, plex.NoAnswer, "does not answer within 4 seconds"},
		{plex.Address{URL: "https://expired.test"}, plex.Untrusted, "check the clock"},
		{plex.Address{URL: "https://wrong.test"}, plex.Untrusted, "cannot be verified"},
		{plex.Address{URL: "https://filter.test"}, plex.Untrusted, "cannot be verified"},
		{plex.Address{URL: "https://10.0.0.1:32400"}, plex.NotPlex, "does not speak https"},
		{plex.Address{URL: "https://10-9-9-9.h.plex.direct:32400", IP: ip("10.9.9.9")}, plex.NoName, "cannot be looked up. Your router or DNS server protects against DNS rebinding"},
		{plex.Address{URL: "https://10-0-0-2.h.plex.direct:32400", IP: ip("10.0.0.2")}, plex.NoName, "leads to 0.0.0.0 instead of 10.0.0.2. Your router"},
		{plex.Address{URL: "https://10-0-0-3.h.plex.direct:32400", IP: ip("10.0.0.3")}, plex.NoAnswer, "connection refused"},
		{plex.Address{URL: "https://nowhere.test"}, plex.NoName, "cannot look up"},
		{plex.Address{URL: "http://moved"}, plex.NotPlex, "not like a Plex server (302)"},
		{plex.Address{URL: "http://router"}, plex.NotPlex, "not like a Plex server"},
		{plex.Address{URL: "http://login"}, plex.NotPlex, "(401)"},
		{plex.Address{URL: "http://endless"}, plex.NotPlex, "not like a Plex server"},
		{plex.Address{URL: "http://cut"}, plex.NoAnswer, "cuts the connection"},
		{plex.Address{URL: "http://10.0.0.1:32400", Skip: "is no good"}, plex.Skipped, "is no good"},
	}
	all := plex.Found{Machine: "home", Token: token}
	for _, r := range rows {
		all.Addresses = append(all.Addresses, r.Address)
	}
	p := plex.Prober{Roots: ca.Pool(), Dial: n.dial}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // no longer than the slow one is given here
	defer cancel()
	began := time.Now()
	tried := p.TryAll(ctx, []plex.Found{{Machine: "none"}, all})
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("trying took %v", took)
	}
	if len(tried) != 2 || len(tried[0]) != 0 || len(tried[1]) != len(rows) {
		t.Fatalf("%v", tried)
	}
	for i, r := range rows {
		got := tried[1][i]
		if got.Address != r.Address || got.Verdict != r.verdict || !strings.Contains(got.Why, r.says) || (got.Why == "") != (r.verdict == plex.Answers) {
			t.Errorf("%s: %+v", r.URL, got)
		}
		if (got.Verdict == plex.Answers) != (got.Version == "1.43.2" && got.Took > 0) {
			t.Errorf("%s: %+v", r.URL, got)
		}
	}
	if got := p.Try(t.Context(), "home", rows[0].Address); got.Verdict != plex.Answers {
		t.Errorf("one by itself: %+v", got)
	}
	for _, s := range []*simplex.Server{home, cabin, busy} {
		for _, r := range s.Requests() {
			if r.Token || r.Path != "/identity" {
				t.Errorf("%s: token %v", r.Path, r.Token)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(others) < 5 {
		t.Errorf("others got %d requests", len(others))
	}
	for _, r := range others {
		if len(r.Header["X-Plex-Token"]) > 0 || r.URL.RawQuery != "" || r.URL.Path != "/identity" {
			t.Errorf("%s was told %v", r.Host, r.Header)
		}
	}
}

func TestTryingEndsWithTheCaller(t *testing.T) {
	p := plex.Prober{Dial: network{"slow": "slow"}.dial}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if got := p.Try(ctx, "m", plex.Address{URL: "http://slow"}); got.Verdict != plex.NoAnswer || !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("%+v", got)
	}
}
