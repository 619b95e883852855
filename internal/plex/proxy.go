package plex

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

var errProxy = errors.New("HTTP_PROXY or HTTPS_PROXY in the environment is not an address")

// proxy honours HTTP_PROXY and its like, and does not quote them: they may hold a
// password. A Plex in the same network is asked directly whatever they say: a proxy
// is there for what is outside, seldom reaches what is inside, and over http it
// would see the token.
func proxy(r *http.Request) (*url.URL, error) {
	if local(r.URL.Hostname()) {
		return nil, nil
	}
	u, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errProxy
	}
	return u, nil
}

// local reports whether a host is in our own network, as far as its name tells:
// nothing is looked up.
func local(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return localAddr(addr)
	}
	if !strings.Contains(host, ".") {
		return true
	}
	// RFC 6762 and 8375, what ICANN keeps free for it, and what routers use.
	for _, suffix := range [...]string{".local", ".lan", ".home.arpa", ".internal", ".localhost"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	// 192-168-1-10.<hash>.plex.direct is 192.168.1.10.
	if strings.HasSuffix(host, ".plex.direct") {
		label, _, _ := strings.Cut(host, ".")
		for _, dot := range [...]string{".", ":"} {
			if addr, err := netip.ParseAddr(strings.ReplaceAll(label, "-", dot)); err == nil {
				return localAddr(addr)
			}
		}
	}
	return false
}

func localAddr(addr netip.Addr) bool {
	addr = addr.Unmap()
	// 100.64.0.0/10 is a provider's inner network, and Tailscale's.
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10)
	return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsUnspecified() || shared.Contains(addr.WithZone(""))
}

// proxyRefused is a proxy's answer when it was asked for a connection.
type proxyRefused int

func (p proxyRefused) Error() string {
	return fmt.Sprintf("the proxy answers %d", int(p))
}

func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return proxyRefused(answer.StatusCode)
	}
	return nil
}

// proxyHint says what to do if it is the proxy's fault; "" if Plex is asked directly.
func (c *Client) proxyHint() string {
	if c.o.Transport != nil {
		return ""
	}
	if u, err := proxy(&http.Request{URL: c.url}); u == nil || err != nil {
		return ""
	}
	names := [...]string{"HTTP_PROXY", "http_proxy"}
	if c.url.Scheme == "https" {
		names = [...]string{"HTTPS_PROXY", "https_proxy"}
	}
	for _, name := range names {
		if os.Getenv(name) != "" {
			return fmt.Sprintf("Stash's environment sends requests to Plex through the proxy in %s. If Plex can be reached without it, add %s to NO_PROXY", name, c.url.Hostname())
		}
	}
	return ""
}

// byProxy reports whether it was the proxy that could not be reached, or would not.
func byProxy(err error) bool {
	var refused proxyRefused
	var network *net.OpError
	return errors.As(err, &refused) || errors.As(err, &network) && network.Op == "proxyconnect"
}
