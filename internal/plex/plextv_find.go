package plex

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Found is a server of an account, as plex.tv lists it.
type Found struct {
	Machine, Name, Version string
	// Owned: the account is the owner's, who alone may edit. Owner names somebody else.
	Owned bool
	Owner string
	// Token is this server's, for this account; "" if plex.tv gave none. It is to be sent
	// to an address only after [Prober.Try] has shown that this server answers there.
	Token Secret
	// Addresses are those at which the server may be reached, the best first.
	Addresses []Address
}

// Place is where an address leads.
type Place int

// The places, the nearest first.
const (
	Local  Place = iota // in the server's own network
	Remote              // over the internet
	Relay               // over a computer of Plex's
)

// Address is one of a server's addresses.
type Address struct {
	URL   string
	Place Place
	// Skip is why the address must not be used, in words; "" = it may.
	Skip string
	// IP is what the name in URL stands for; not valid if that is not known.
	IP netip.Addr
	// Insecure: a certificate is not verified, because the settings say so.
	Insecure bool
}

// rank orders addresses: verified https in the local network, plain http in it, https
// over the internet; then what must not be used.
func (a Address) rank() int {
	switch {
	case a.Skip != "":
		return 3
	case a.Place == Local && strings.HasPrefix(a.URL, "https:"):
		return 0
	case a.Place == Local:
		return 1
	}
	return 2
}

// Bounds of what plex.tv lists. An account has a server or a few, and each about five
// addresses.
const (
	maxServers   = 200
	maxAddresses = 20
	maxName      = 200 // characters
)

type wireResource struct {
	Name, ProductVersion, ClientIdentifier, Provides scalar
	Owned, HTTPSRequired                             scalar
	SourceTitle, AccessToken                         scalar
	Connections                                      []wireConnection
}

type wireConnection struct{ Protocol, Address, Port, URI, Local, Relay scalar }

// Servers lists the servers of an account, whose token this is: its own in the order of
// their names, then those of others.
func (t *TV) Servers(ctx context.Context, account Secret) ([]Found, error) {
	var all []wireResource
	const query = "/api/v2/resources?includeHttps=1&includeRelay=1&includeIPv6=1"
	if err := t.call(ctx, http.MethodGet, t.clients+query, account, maxResources, &all); err != nil {
		return nil, err
	}
	if all == nil { // "null" is no list
		return nil, garbledTV()
	}
	var out []Found
	for _, w := range all {
		if f := w.found(); w.serves() && f.Machine != "" && len(out) < maxServers {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b Found) int {
		if a.Owned != b.Owned {
			return map[bool]int{true: -1, false: 1}[a.Owned]
		}
		return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return out, nil
}

// serves reports whether the resource is a server; others are players.
func (w wireResource) serves() bool {
	return slices.ContainsFunc(strings.Split(string(w.Provides), ","), func(p string) bool { return strings.TrimSpace(p) == "server" })
}

func (w wireResource) found() Found {
	f := Found{Machine: short(w.ClientIdentifier), Name: short(w.Name), Version: short(w.ProductVersion),
		Owned: w.Owned.yes(), Owner: short(w.SourceTitle), Token: w.AccessToken.secret()}
	for _, c := range w.Connections {
		for _, a := range c.addresses(w.HTTPSRequired.yes()) {
			known := func(b Address) bool { return a.URL == b.URL }
			if !slices.ContainsFunc(f.Addresses, known) && len(f.Addresses) < maxAddresses {
				f.Addresses = append(f.Addresses, a)
			}
		}
	}
	slices.SortStableFunc(f.Addresses, func(a, b Address) int { return a.rank() - b.rank() })
	return f
}

// short is a name of a length that can be shown. It may hold any character.
func short(s scalar) string {
	text := []rune(strings.TrimSpace(strings.ToValidUTF8(string(s), "\uFFFD")))
	return string(text[:min(len(text), maxName)])
}

// addresses are what can be made of a connection: its own, and in the local network the
// one without Plex's name and certificate, which works where that name does not.
func (c wireConnection) addresses(httpsRequired bool) []Address {
	own, place := baseURL(string(c.URI)), Remote
	switch {
	case c.Relay.yes():
		place = Relay
	case c.Local.yes(), own != "" && local(hostOf(own)):
		// An address that a person gave Plex ("Custom server access URLs") never counts
		// as local to it.
		place = Local
	}
	ip, _ := netip.ParseAddr(string(c.Address))
	var out []Address
	if own != "" {
		out = append(out, Address{URL: own, Place: place, IP: ip})
	}
	port := c.Port.whole()
	if c.Local.yes() && place == Local && !httpsRequired && port >= 1 && port <= 65535 {
		if u := baseURL("http://" + net.JoinHostPort(string(c.Address), string(c.Port))); u != "" {
			out = append(out, Address{URL: u, Place: place, IP: ip})
		}
	}
	for i := range out {
		out[i].skip(httpsRequired)
	}
	return out
}

// skip says why an address must not be used, if it must not.
func (a *Address) skip(httpsRequired bool) {
	switch plain := strings.HasPrefix(a.URL, "http:"); {
	case a.Place == Relay:
		a.Skip = "is Plex's relay, which is too slow to sync"
	case plain && httpsRequired:
		a.Skip = "is not encrypted, and the server requires that"
	case plain && a.Place != Local:
		a.Skip = "is not encrypted: the token could be read on its way over the internet"
	}
}

// AddressOf is an address that a person gave, as far as it tells itself; ok is false if it
// is none. It is trusted no more than those that plex.tv lists, but for a certificate, if
// it is insecure.
func AddressOf(address string, insecure bool) (a Address, ok bool) {
	u, err := url.Parse(baseURL(address))
	if err != nil || u.Host == "" {
		return Address{}, false
	}
	a = Address{URL: u.String(), Place: Remote, Insecure: insecure && u.Scheme == "https"}
	if local(u.Hostname()) {
		a.Place = Local
	}
	a.skip(false)
	return a, true
}

// hostOf is the host of an address that baseURL has made.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// baseURL is s if it is the address of a server and nothing more, without a slash at its
// end; else "".
func baseURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" ||
		u.ForceQuery || u.Fragment != "" || u.Opaque != "" || len(s) > 500 ||
		strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7F || strings.ContainsRune("\"'<>\\^`{|}", r) }) {
		return ""
	}
	return strings.TrimRight(u.String(), "/")
}

// Verdict is how an address did.
type Verdict string

// The verdicts.
const (
	Answers      Verdict = "answers"       // the server answers there
	OtherMachine Verdict = "other_machine" // another Plex server answers there
	NotPlex      Verdict = "not_plex"      // something else answers there, or Plex is not ready
	NoName       Verdict = "no_name"       // its name cannot be looked up, or leads elsewhere
	Untrusted    Verdict = "untrusted"     // its certificate cannot be verified
	NoAnswer     Verdict = "no_answer"     // nothing answers there
	Skipped      Verdict = "skipped"       // it must not be used, and was not tried
)

// Tried is what came of trying an address.
type Tried struct {
	Address
	Verdict Verdict
	// Why is the verdict in words, as the end of a sentence that begins with the
	// address; "" if the server answers.
	Why string
	// Version is what the server says of itself, and Took how long that took, if it
	// answers.
	Version string
	Took    time.Duration
}

// probeTimeout is how long an address may take to answer, and with it all of them, for
// they are tried at once.
const probeTimeout = 4 * time.Second

// maxProbes is how many addresses are tried at once; more than anybody's servers have.
// Others wait for their turn within the same time.
const maxProbes = 100

// Prober tries addresses. It sends no token, and follows no redirect.
type Prober struct {
	// Roots are the certificates that are trusted, for tests; nil = the system's.
	Roots *x509.CertPool
	// Dial connects, for tests; nil = as usual.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Try tries one address for at most a few seconds: it asks /identity, which needs no
// token, for the machine's identifier.
func (p Prober) Try(ctx context.Context, machine string, a Address) Tried {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return p.try(ctx, machine, a)
}

// TryAll tries all addresses of all servers side by side, for at most a few seconds in
// all. What came of a server's addresses has the server's index, and their order.
func (p Prober) TryAll(ctx context.Context, all []Found) [][]Tried {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	out := make([][]Tried, len(all))
	var wg sync.WaitGroup
	room := make(chan struct{}, maxProbes)
	for i, f := range all {
		out[i] = make([]Tried, len(f.Addresses))
		for j, a := range f.Addresses {
			wg.Go(func() {
				select {
				case room <- struct{}{}:
					defer func() { <-room }()
				case <-ctx.Done():
				}
				out[i][j] = p.try(ctx, f.Machine, a)
			})
		}
	}
	wg.Wait()
	return out
}

// maxIdentity is the most that is read of an answer to /identity, in bytes.
const maxIdentity = 64 << 10

func (p Prober) try(ctx context.Context, machine string, a Address) Tried {
	t := Tried{Address: a}
	no := func(v Verdict, format string, args ...any) Tried {
		t.Verdict, t.Why = v, fmt.Sprintf(format, args...)
		return t
	}
	if a.Skip != "" {
		return no(Skipped, "%s", a.Skip)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/identity", nil)
	if err != nil {
		return no(NoAnswer, "is not an address")
	}
	req.Header.Set("Accept", "application/json")
	dial := p.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: probeTimeout}).DialContext
	}
	transport := &http.Transport{
		Proxy:                  proxy,
		OnProxyConnectResponse: proxyAnswered,
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: p.Roots, InsecureSkipVerify: a.Insecure},
		MaxResponseHeaderBytes: maxIdentity,
		DisableKeepAlives:      true,
	}
	began := time.Now()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		verdict, why := a.unreached(req.URL.Hostname(), err)
		return no(verdict, "%s", why)
	}
	defer resp.Body.Close()
	switch s := resp.StatusCode; {
	case s == http.StatusServiceUnavailable:
		return no(NotPlex, "answers that it is starting or under maintenance: try again later")
	case s != http.StatusOK:
		return no(NotPlex, "answers, but not like a Plex server (%d)", s)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxIdentity))
	var w struct {
		MediaContainer struct{ MachineIdentifier, Version scalar }
	}
	id := &w.MediaContainer
	if err != nil || json.Unmarshal(data, &w) != nil || id.MachineIdentifier == "" {
		return no(NotPlex, "answers, but not like a Plex server")
	}
	if string(id.MachineIdentifier) != machine {
		return no(OtherMachine, "belongs to another Plex server")
	}
	t.Verdict, t.Version, t.Took = Answers, short(id.Version), time.Since(began)
	return t
}

// unreached is why an address gave no answer. host is the one in it.
func (a Address) unreached(host string, err error) (Verdict, string) {
	var (
		dns     *net.DNSError
		invalid x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		network *net.OpError
		timeout net.Error
	)
	errors.As(err, &network)
	direct := strings.HasSuffix(strings.ToLower(host), ".plex.direct")
	const rebinding = "Your router or DNS server protects against DNS rebinding: allow plex.direct there, or use an address that begins with http://"
	switch {
	case errors.As(err, &dns) && direct && dns.IsNotFound:
		return NoName, "has a name that cannot be looked up. " + rebinding
	case network != nil && network.Op == "dial" && direct && a.elsewhere(network.Addr):
		return NoName, fmt.Sprintf("has a name that leads to %v instead of %v. %s", network.Addr.(*net.TCPAddr).IP, a.IP, rebinding)
	case errors.As(err, &dns) && dns.IsNotFound:
		return NoName, "has a name that Stash's machine cannot look up"
	case errors.Is(err, errProxy), byProxy(err):
		return NoAnswer, "cannot be reached through the proxy in Stash's environment"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Untrusted, "has a certificate that is not valid at this time: check the clock of Stash's machine"
	case errors.As(err, &verify):
		return Untrusted, "has a certificate that cannot be verified"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return NotPlex, "does not speak " + strings.SplitN(a.URL, ":", 2)[0]
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return NoAnswer, fmt.Sprintf("does not answer within %d seconds", probeTimeout/time.Second)
	case errors.Is(err, context.Canceled):
		return NoAnswer, "was not fully tried"
	case network != nil && network.Op == "dial":
		return NoAnswer, fmt.Sprintf("cannot be reached (%v)", cause(network))
	case errors.As(err, &dns):
		return NoName, "has a name that cannot be looked up at the moment"
	}
	return NoAnswer, "cuts the connection"
}

// elsewhere reports whether a connection was tried to another computer than the one that
// the address's name stands for: a DNS server gave a wrong answer on purpose.
func (a Address) elsewhere(to net.Addr) bool {
	tcp, ok := to.(*net.TCPAddr)
	return ok && a.IP.IsValid() && tcp.AddrPort().Addr().Unmap().WithZone("") != a.IP.Unmap()
}
