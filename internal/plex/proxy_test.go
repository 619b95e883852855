package plex

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/plexsync/plexsync/internal/job"
)

// inner are hosts of our own network, outer are not.
var (
	inner = []string{"192.168.1.10", "10.0.0.1", "172.16.0.1", "172.31.255.254", "127.0.0.1", "127.5.5.5", "169.254.1.1", "100.64.0.1", "100.127.255.255", "0.0.0.0",
		"[::1]", "[fd00::1]", "[fe80::1]", "[fe80::1%25eth0]", "[::ffff:192.168.1.10]", "[::ffff:100.64.0.1]", "[::]",
		"plex", "PLEX", "nas.", "nas.local", "nas.local.", "NAS.Local", "plex.lan", "a.b.lan", "plex.home.arpa", "plex.internal", "host.docker.internal", "plex.localhost", "localhost",
		"192-168-1-10.0123456789abcdef0123456789abcdef.plex.direct", "100-64-0-1.0123456789abcdef0123456789abcdef.plex.direct", "fd00--1.0123456789abcdef0123456789abcdef.plex.direct"}
	outer = []string{"192.169.1.10", "11.0.0.1", "172.32.0.1", "172.15.0.1", "169.253.1.1", "100.63.255.255", "100.128.0.1", "1.1.1.1", "[2001:db8::1]", "[::ffff:1.1.1.1]",
		"plex.example.com", "local.example.com", "plex.lan.example.com", "planet-lan.com", "notlan", "x.notlan", "home.arpa.example", "10.0.0.1.example.com",
		"203-0-113-7.0123456789abcdef0123456789abcdef.plex.direct", "nas.0123456789abcdef0123456789abcdef.plex.direct", "plex.direct", "192-168-1-10.example.com"}
)

// asked are the addresses that a copy of this program asks, one each, with another
// environment: Go reads it once.
const asked = "PLEX_PROXY_ASKED"

// TestAskThroughTheEnvironment is that copy.
func TestAskThroughTheEnvironment(t *testing.T) {
	for address := range strings.FieldsSeq(os.Getenv(asked)) {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		through, err := proxy(&http.Request{URL: u})
		c, newErr := New(Options{URL: address, Token: "SECRET", ClientID: "device"})
		if newErr != nil {
			t.Fatal(newErr)
		}
		_, askErr := c.Server(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("ASKED\t%s\t%v\t%s\t%v\n", address, through != nil, job.ClassOf(askErr), askErr)
	}
}

// answered is whether it went through a proxy, and what became of it.
type answered struct{ through, class, text string }

// ask asks all of the addresses with that environment.
func ask(t *testing.T, env map[string]string, addresses ...string) map[string]answered {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestAskThroughTheEnvironment$")
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasSuffix(strings.ToUpper(name), "_PROXY") && name != "REQUEST_METHOD" {
			cmd.Env = append(cmd.Env, e)
		}
	}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, asked+"="+strings.Join(addresses, " "))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if strings.Contains(string(out), "SECRET") || strings.Contains(string(out), "hunter2") {
		t.Errorf("a secret is told: %s", out)
	}
	all := map[string]answered{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); f[0] == "ASKED" {
			all[f[1]] = answered{f[2], f[3], f[4]}
		}
	}
	if len(all) != len(addresses) {
		t.Fatalf("%d of %d were asked: %s", len(all), len(addresses), out)
	}
	return all
}

func TestNoProxyForPlexInOurOwnNetwork(t *testing.T) {
	for _, host := range inner {
		if u, err := url.Parse("http://" + host + ":32400"); err != nil || !local(u.Hostname()) {
			t.Errorf("%s is taken for outside (%v)", host, err)
		}
	}
	for _, host := range outer {
		if host == "notlan" { // one label
			continue
		}
		if u, err := url.Parse("http://" + host + ":32400"); err != nil || local(u.Hostname()) {
			t.Errorf("%s is taken for our own network (%v)", host, err)
		}
	}
}

// TestProxiesOfTheEnvironment runs with the environment of case 14: somebody's
// HTTP_PROXY, and Plex in the local network.
func TestProxiesOfTheEnvironment(t *testing.T) {
	var c struct {
		Env      map[string]string
		Settings map[string]string
	}
	b, err := os.ReadFile("testdata/cases/14-proxy-environment.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	plex := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"MediaContainer":{"machineIdentifier":"m"}}`)
	}))
	host := "127.0.0.1"
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		// One that Go itself does not spare the proxy.
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsPrivate() {
			host = n.IP.String()
		}
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	plex.Listener = l
	plex.Start()
	defer plex.Close()
	at := strings.Replace(strings.TrimSuffix(c.Settings["plexUrl"], ":32400"), "LAN-ADDRESS", l.Addr().String(), 1)
	const remote = "http://plex.example.com:32400"
	got := ask(t, c.Env, at, remote)
	if a := got[at]; a.class != "" || a.text != "<nil>" {
		t.Errorf("Plex at %s: %+v", at, a)
	}
	if a := got[remote]; a.class != string(job.ClassUnreachable) || !strings.Contains(a.text, "proxyconnect") ||
		!strings.Contains(a.text, "the proxy in HTTP_PROXY") || !strings.Contains(a.text, "add plex.example.com to NO_PROXY") || strings.Contains(a.text, "Is Plex running") {
		t.Errorf("Plex behind a proxy that is gone: %+v", a)
	}
}

func TestAProxyThatAnswers(t *testing.T) {
	var mu sync.Mutex
	var passed []string
	mode := http.StatusOK
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		passed = append(passed, r.Method+" "+r.RequestURI)
		w.WriteHeader(mode)
		io.WriteString(w, `{"MediaContainer":{"machineIdentifier":"m"}}`)
	}))
	defer p.Close()
	through := strings.Replace(p.URL, "http://", "http://me:hunter2@", 1)

	env := map[string]string{"http_proxy": through, "HTTPS_PROXY": through, "NO_PROXY": "spared.invalid,.others.invalid"}
	got := ask(t, env, "http://plex.example.com:32400", "http://nas.invalid.local:1")
	if a := got["http://plex.example.com:32400"]; a.through != "true" || a.text != "<nil>" {
		t.Errorf("through the proxy: %+v", a)
	}
	if a := got["http://nas.invalid.local:1"]; a.through != "false" || !strings.Contains(a.text, "nas.invalid.local") || strings.Contains(a.text, "PROXY") {
		t.Errorf("a name of our own network: %+v", a)
	}
	mu.Lock()
	for _, line := range passed {
		if strings.Contains(line, ".local") {
			t.Errorf("the proxy saw %s", line)
		}
	}
	mu.Unlock()

	for _, status := range []int{407, 502, 504} {
		mu.Lock()
		mode = status
		mu.Unlock()
		got := ask(t, env, "http://plex.example.com:32400", "https://plex.example.com:32400")
		for address, a := range got {
			name := "http_proxy"
			if strings.HasPrefix(address, "https") {
				name = "HTTPS_PROXY"
			}
			// Windows does not tell HTTP_PROXY from http_proxy.
			if a.class != string(job.ClassUnreachable) || !strings.Contains(strings.ToLower(a.text), strings.ToLower("the proxy in "+name+".")) || !strings.Contains(a.text, fmt.Sprint(status)) {
				t.Errorf("%d at %s: %+v", status, address, a)
			}
		}
	}

	got = ask(t, env, "http://spared.invalid:1", "http://a.others.invalid:1")
	for address, a := range got {
		if a.through != "false" || strings.Contains(a.text, "the proxy") {
			t.Errorf("%s in NO_PROXY: %+v", address, a)
		}
	}
}
