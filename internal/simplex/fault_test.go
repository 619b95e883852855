package simplex_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
)

// outcome is what a client sees of one edit of the title.
type outcome struct {
	Status     int
	Body       string
	Err        string // "", reset, cut
	Location   string
	RetryAfter string
}

func TestFaults(t *testing.T) {
	page := func(status, text string) string {
		return "<html><head><title>" + text + "</title></head><body><h1>" + status + " " + text + "</h1></body></html>"
	}
	for _, test := range []struct {
		name    string
		rule    simplex.Rule
		want    outcome
		applied bool
	}{
		{"a status", simplex.Rule{Status: 502}, outcome{Status: 502, Body: page("502", "Bad Gateway")}, false},
		{"a status with a header", simplex.Rule{Status: 429, Body: "slow down", RetryAfter: "7"},
			outcome{Status: 429, Body: "slow down", RetryAfter: "7"}, false},
		{"a page with 200", simplex.Rule{Status: 200, Body: "<html>"}, outcome{Status: 200, Body: "<html>"}, false},
		{"the zero rule", simplex.Rule{}, outcome{Status: 500, Body: page("500", "Internal Server Error")}, false},
		{"a redirect", simplex.Rule{RedirectTo: "http://other.test/x"}, outcome{Status: 302, Body: page("302", "Found"), Location: "http://other.test/x"}, false},
		{"a reset before", simplex.Rule{ResetBefore: true}, outcome{Err: "reset"}, false},
		{"a reset after", simplex.Rule{ResetAfter: true}, outcome{Err: "reset"}, true},
		{"a cut of an empty answer", simplex.Rule{Cut: true}, outcome{Err: "reset"}, true},
		{"a delay", simplex.Rule{Delay: time.Millisecond}, outcome{Status: 200}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			overSocket := func(s *simplex.Server) (http.RoundTripper, string, func()) {
				url, stop := s.Start()
				own := &http.Transport{}
				return own, url, func() { own.CloseIdleConnections(); stop() }
			}
			inProcess := func(s *simplex.Server) (http.RoundTripper, string, func()) {
				return s.Transport(), "http://plex.test", func() {}
			}
			for where, connect := range map[string]func(*simplex.Server) (http.RoundTripper, string, func()){
				"over a socket": overSocket, "in process": inProcess,
			} {
				s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
				transport, url, stop := connect(s)
				defer stop()
				test.rule.Path = "/all$"
				s.Script(test.rule)
				req, _ := http.NewRequestWithContext(t.Context(), "PUT", url+"/library/sections/1/all?type=1&id="+key+"&title.value=x", nil)
				req.Header = c.header
				var got outcome
				switch resp, err := transport.RoundTrip(req); {
				case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF):
					got.Err = "reset"
				case err != nil:
					t.Fatal(err)
				default:
					body, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					got = outcome{Status: resp.StatusCode, Body: string(body),
						Location: resp.Header.Get("Location"), RetryAfter: resp.Header.Get("Retry-After")}
				}
				equal(t, "outcome "+where, got, test.want)
				equal(t, "applied "+where, item(t, s, key).Scalars["title"] == "x", test.applied)
				equal(t, "status in the log", s.Requests()[0].Status, test.want.Status)
				c.edit(key, "title.value=x") // the rule has run out
			}
		})
	}
}

func TestHalfABodyAndGarbledBodies(t *testing.T) {
	s, c, _ := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	url, stop := s.Start()
	defer stop()
	get := func(transport http.RoundTripper, base string) (int, string, error) {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", base+"/library/sections", nil)
		req.Header = c.header
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), err
	}
	_, whole, _ := get(s.Transport(), "http://plex.test")
	for base, transport := range map[string]http.RoundTripper{"http://plex.test": s.Transport(), url: http.DefaultTransport} {
		s.Script(simplex.Rule{Cut: true})
		status, body, err := get(transport, base)
		// Over a socket the transport has asked for gzip: what is cut is that.
		if status != 200 || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(whole, body) || body == whole {
			t.Errorf("cut: %d %v %q", status, err, body)
		}
		s.Script(simplex.Rule{Garble: true})
		status, body, err = get(transport, base)
		if status != 200 || err != nil || json.Valid([]byte(body)) {
			t.Errorf("garbled: %d %v %q", status, err, body)
		}
	}
}

func TestAHangLastsUntilTheClientGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
		s.Script(simplex.Rule{Hang: true}, simplex.Rule{Delay: time.Hour})
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			req, _ := http.NewRequestWithContext(ctx, "PUT", "http://plex.test/library/metadata/"+key+"?title.value=x", nil)
			req.Header = c.header
			start := time.Now()
			_, err := s.Transport().RoundTrip(req)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
			cancel()
		}
		synctest.Wait()
		equal(t, "title", item(t, s, key).Scalars["title"], "The harbour")
		equal(t, "faults", []string{s.Requests()[0].Fault, s.Requests()[1].Fault}, []string{"hang", "delay"})
	})
}

func TestAHangOverASocketEndsWithTheServer(t *testing.T) {
	s, c, _ := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	url, stop := s.Start()
	arrived := make(chan bool)
	s.Set(func(o *simplex.Options) { o.Now = func() time.Time { close(arrived); return time.Now() } })
	s.Script(simplex.Rule{Hang: true})
	failed := make(chan error)
	go func() {
		req, _ := http.NewRequest("GET", url+"/library/sections", nil)
		req.Header = c.header
		_, err := http.DefaultTransport.RoundTrip(req)
		failed <- err
	}()
	<-arrived
	stop()
	if err := <-failed; err == nil {
		t.Error("a hanging request was answered")
	}
}

func TestWhichRequestsARuleHits(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	status := func(method, target string) int {
		n, _ := c.do(method, target, nil)
		return n
	}
	metadata := "/library/metadata/" + key
	s.Script(
		simplex.Rule{Method: "PUT", Path: "^/library/metadata/", Nth: 2, Count: 2, Status: 503},
		simplex.Rule{Query: "title.value=y", Count: -1, Status: 502},
	)
	equal(t, "faults to come", s.ScriptLeft(), 2)
	var got []int
	for _, r := range [][2]string{
		{"PUT", metadata + "?title.value=x"}, {"GET", metadata}, {"PUT", metadata + "?title.value=x"},
		{"PUT", metadata + "?title.value=y"}, {"PUT", metadata + "?title.value=x"},
		{"PUT", metadata + "?title.value=y"}, {"PUT", metadata + "?title.value=y"},
	} {
		got = append(got, status(r[0], r[1]))
	}
	equal(t, "statuses", got, []int{200, 200, 503, 503, 200, 502, 502})
	equal(t, "faults to come", s.ScriptLeft(), 0)
	s.ClearScript()
	equal(t, "status", status("PUT", metadata+"?title.value=y"), 200)
}
