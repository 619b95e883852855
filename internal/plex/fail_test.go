package plex_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
)

const (
	hintRunning = "Is Plex running, and is plexUrl its address as seen from Stash?"
	hintAddress = "Set plexUrl to the address of Plex itself"
)

// told is what a failure tells, without its cause.
type told struct {
	class      job.Class
	status     int
	retryAfter time.Duration
	hint       string
	text       string // of the cause
}

func tell(e job.Error) told {
	text := ""
	if e.Err != nil {
		text = e.Err.Error()
	}
	return told{e.Class, e.Status, e.RetryAfter, e.Hint, text}
}

func TestAStatusGivesTheClass(t *testing.T) {
	const none = ""
	for _, test := range []struct {
		name   string
		answer simplex.Rule
		want   told
		tries  int
	}{
		{"unknown token", simplex.Rule{Status: 401}, told{job.ClassUnauthorized, 401, 0, "Plex does not accept the token: sign in again on PlexSync's page, or set plexToken", none}, 1},
		{"expired token", simplex.Rule{Status: 498}, told{job.ClassUnauthorized, 498, 0, "The token has expired: sign in again on PlexSync's page", none}, 1},
		{"somebody else's token", simplex.Rule{Status: 403}, told{job.ClassUnauthorized, 403, 0,
			"The token is not that of the server's owner: sign in as the owner on PlexSync's page, or set plexToken to the owner's", none}, 1},
		{"bad edit", simplex.Rule{Status: 400}, told{job.ClassRejected, 400, 0, none, none}, 1},
		{"missing item", simplex.Rule{Status: 404}, told{job.ClassRejected, 404, 0, none, none}, 1},
		{"conflict", simplex.Rule{Status: 409}, told{job.ClassRejected, 409, 0, none, none}, 1},
		{"too large", simplex.Rule{Status: 413}, told{job.ClassRejected, 413, 0, none, none}, 1},
		{"too long", simplex.Rule{Status: 414}, told{job.ClassRejected, 414, 0, none, none}, 1},
		{"too many", simplex.Rule{Status: 429, RetryAfter: "120"}, told{job.ClassBusy, 429, 2 * time.Minute, none, none}, 1},
		{"too slow for the proxy", simplex.Rule{Status: 408}, told{job.ClassBusy, 408, 0, none, none}, 1},
		{"broken", simplex.Rule{Status: 500}, told{job.ClassBusy, 500, 0, none, none}, 3},
		{"broken for a while", simplex.Rule{Status: 500, RetryAfter: " 7 "}, told{job.ClassBusy, 500, 7 * time.Second, none, none}, 1},
		{"broken until a date", simplex.Rule{Status: 500, RetryAfter: "Sat, 01 Jan 2000 00:01:30 GMT"}, told{job.ClassBusy, 500, 90 * time.Second, none, none}, 1},
		{"broken until the past", simplex.Rule{Status: 429, RetryAfter: "Sat, 01 Jan 1999 00:00:00 GMT"}, told{job.ClassBusy, 429, 0, none, none}, 1},
		{"broken with nonsense", simplex.Rule{Status: 429, RetryAfter: "-5"}, told{job.ClassBusy, 429, 0, none, none}, 1},
		{"not built", simplex.Rule{Status: 501}, told{job.ClassBusy, 501, 0, none, none}, 1},
		{"proxy without Plex", simplex.Rule{Status: 502}, told{job.ClassUnreachable, 502, 0,
			"The proxy between Stash and Plex does not reach Plex", none}, 3},
		{"maintenance", simplex.Rule{Status: 503}, told{job.ClassUnreachable, 503, 0,
			"Plex is starting, under maintenance or overloaded; PlexSync will try again", none}, 1},
		{"proxy with a slow Plex", simplex.Rule{Status: 504}, told{job.ClassUnreachable, 504, 0,
			"The proxy between Stash and Plex does not reach Plex", none}, 1},
		{"elsewhere", simplex.Rule{RedirectTo: "https://app.example/web?X-Plex-Token=" + token}, told{job.ClassUnreachable, 302, 0, hintAddress,
			"plex.test:32400 redirects to app.example, which PlexSync does not follow because it would send the token there"}, 1},
		{"elsewhere on itself", simplex.Rule{RedirectTo: "/web/?a=" + token}, told{job.ClassUnreachable, 302, 0, hintAddress,
			"plex.test:32400 redirects to another address, which PlexSync does not follow because it would send the token there"}, 1},
		{"nowhere", simplex.Rule{RedirectTo: ":\x7f" + token}, told{job.ClassUnreachable, 302, 0, hintAddress,
			"plex.test:32400 redirects to another address, which PlexSync does not follow because it would send the token there"}, 1},
		{"reset before", simplex.Rule{ResetBefore: true}, told{job.ClassUnreachable, 0, 0, hintRunning,
			"plex.test:32400 cut the connection: connection reset by peer"}, 3},
		{"reset after", simplex.Rule{ResetAfter: true}, told{job.ClassUnreachable, 0, 0, hintRunning,
			"plex.test:32400 cut the connection: connection reset by peer"}, 3},
		{"no answer", simplex.Rule{Hang: true}, told{job.ClassUnreachable, 0, 0, hintRunning, "plex.test:32400 did not answer in time"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := simulated(t, simplex.Options{})
				key := s.AddItem("1", simplex.ItemSpec{Title: "A"})
				test.answer.Body = "<html>" + token + "</html>"
				if test.answer.Status == 0 {
					test.answer.Body = ""
				}
				test.answer.Count = -1
				s.Script(test.answer)
				began := time.Now()
				puts, err := c.Edit(t.Context(), "1", key, plex.Edit{Scalars: []plex.ScalarEdit{{Field: "title", Value: "secret of the body"}}})
				e := failure(t, err)
				equal(t, "failure", tell(e), test.want)
				equal(t, "operation", e.Op, "edit item "+key)
				equal(t, "PUTs", puts, 1)
				equal(t, "tries", s.Counts().Writes, test.tries)
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("%q quotes what was sent", err)
				}
				if waited := time.Since(began); test.tries == 3 && waited != 300*time.Millisecond || waited > 35*time.Second {
					t.Errorf("it took %v", waited)
				}
			})
		})
	}
}

func TestATokenThatLivesSevenDaysIsTold(t *testing.T) {
	const short = "eyJhbGciOiJFZERTQSJ9.eyJ1c2VyIjoxfQ.SECRET"
	if !plex.TokenExpires(short) || plex.TokenExpires(token) || plex.TokenExpires("") || plex.TokenExpires("xeyJ") {
		t.Error("tokens that expire are not told from others")
	}
	for _, status := range []int{401, 498} {
		x := &wire{answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }}
		c, err := plex.New(plex.Options{URL: base, Token: short, ClientID: "device-1", Transport: x})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Sections(t.Context())
		e := failure(t, err)
		if e.Class != job.ClassUnauthorized || !strings.Contains(e.Hint, "seven days") || !strings.Contains(e.Hint, "sign in again") || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), short[4:10]) {
			t.Errorf("%d: %s %v", status, e.Class, err)
		}
	}
}

func TestWhoOwnsTheServer(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		body   string
		owner  bool
		class  job.Class
	}{
		{"the owner", 200, `{"MediaContainer":{"size":1,"Account":[{"id":1}]}}`, true, job.ClassNone},
		{"a guest", 403, "<html>", false, job.ClassNone},
		{"a guest of an older server", 401, "<html>", false, job.ClassNone},
		{"a proxy that keeps it back", 404, "<html>", false, job.ClassRejected},
		{"a page", 200, "<html>", false, job.ClassBusy},
		{"an outage", 503, "<html>", false, job.ClassUnreachable},
	} {
		x := &wire{answer: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(test.status)
			io.WriteString(w, test.body)
		}}
		owner, err := client(t, base, x).Owner(t.Context())
		if owner != test.owner || job.ClassOf(err) != test.class || x.asked[0] != "GET /accounts" {
			t.Errorf("%s: %v, %v after %v", test.name, owner, err, x.asked)
		}
	}
}

func TestAnAnswerThatIsNoneGivesTheClass(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer simplex.Rule
		want   told
		tries  int
	}{
		{"cut", simplex.Rule{Cut: true}, told{job.ClassBusy, 200, 0, "", "the answer is cut off: unexpected EOF"}, 3},
		{"garbled", simplex.Rule{Garble: true}, told{job.ClassBusy, 200, 0, "", "the answer is not Plex's JSON"}, 3},
		{"a web page", simplex.Rule{Status: 200, Body: "<html>" + token}, told{job.ClassBusy, 200, 0, "", "the answer is not Plex's JSON"}, 3},
		{"other JSON", simplex.Rule{Status: 200, Body: `{"error":"` + token + `"}`}, told{job.ClassBusy, 200, 0, "", "the answer is not Plex's JSON"}, 3},
		{"a list", simplex.Rule{Status: 200, Body: `[1]`}, told{job.ClassBusy, 200, 0, "", "the answer is not Plex's JSON"}, 3},
		{"a container that is none", simplex.Rule{Status: 200, Body: `{"MediaContainer":null}`}, told{job.ClassBusy, 200, 0, "", "the answer is not Plex's JSON"}, 3},
		{"half", simplex.Rule{Status: 200, Body: `{"MediaContainer":{"Directory":[`}, told{job.ClassBusy, 200, 0, "", "the answer is cut off: unexpected EOF"}, 3},
		{"too much", simplex.Rule{Status: 200, Body: `{"MediaContainer":{` + strings.Repeat(`"x":"`+strings.Repeat("x", 1<<20)+`",`, 17) + `"y":1}}`},
			told{job.ClassBusy, 200, 0, "", "the answer is too large: it has more than 16 MB"}, 1},
		{"too much of one thing", simplex.Rule{Status: 200, Body: `{"MediaContainer":{"x":"` + strings.Repeat("x", 5<<20) + `"}}`},
			told{job.ClassBusy, 200, 0, "", "the answer is too large: one value in it has more than 4 MB"}, 1},
		{"too many of one thing", simplex.Rule{Status: 200, Body: `{"MediaContainer":{"Directory":[` + strings.Repeat("{},", 20_000) + `{}]}}`},
			told{job.ClassBusy, 200, 0, "", "the answer is too large: an item in it has more than 20000 entries"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := simulated(t, simplex.Options{})
				test.answer.Count = -1
				s.Script(test.answer)
				_, err := c.Sections(t.Context())
				e := failure(t, err)
				equal(t, "failure", tell(e), test.want)
				equal(t, "operation", e.Op, "list Plex's libraries")
				equal(t, "tries", s.Counts().Reads, test.tries)
			})
		})
	}
}

func TestAMomentOfTroubleIsNotNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := simulated(t, simplex.Options{})
		key := s.AddItem("1", simplex.ItemSpec{Title: "A"})
		s.Script(simplex.Rule{Method: "PUT"}, simplex.Rule{Method: "PUT", ResetAfter: true}, simplex.Rule{Method: "GET", Cut: true, Path: "metadata"})
		must(c.Edit(t.Context(), "1", key, plex.Edit{Scalars: []plex.ScalarEdit{{Field: "title", Value: "B"}}}))(t)
		equal(t, "title", must(c.Items(t.Context(), []string{key}))(t)[0].Title, "B")
		equal(t, "faults left", s.ScriptLeft(), 0)
		equal(t, "stats", c.Stats(), plex.Stats{Reads: 2, Writes: 3})
	})
}

func TestWhatAnswersTheProbeMustBePlex(t *testing.T) {
	const strange = "plex.test:32400 answers, but not like a Plex server"
	for _, test := range []struct {
		name   string
		answer simplex.Rule
		want   told
	}{
		{"a router's page", simplex.Rule{Status: 200, Body: "<html>router</html>"}, told{job.ClassUnreachable, 200, 0, hintAddress, strange}},
		{"nothing", simplex.Rule{Status: 200, Body: " "}, told{job.ClassUnreachable, 200, 0, hintAddress, strange}},
		{"another container", simplex.Rule{Status: 200, Body: `{"MediaContainer":{"size":0}}`}, told{job.ClassUnreachable, 200, 0, hintAddress, strange}},
		{"a web server", simplex.Rule{Status: 404}, told{job.ClassUnreachable, 404, 0, hintAddress, strange}},
		{"a proxy with a password", simplex.Rule{Status: 401}, told{job.ClassUnreachable, 401, 0, hintAddress, strange}},
		{"a TLS port", simplex.Rule{Status: 400}, told{job.ClassUnreachable, 400, 0, "Should plexUrl begin with https://?", strange}},
		{"maintenance", simplex.Rule{Status: 503}, told{job.ClassUnreachable, 503, 0,
			"Plex is starting, under maintenance or overloaded; PlexSync will try again", ""}},
		{"a broken Plex", simplex.Rule{Status: 500}, told{job.ClassBusy, 500, 0, "", ""}},
		{"a busy proxy", simplex.Rule{Status: 429, RetryAfter: "9"}, told{job.ClassBusy, 429, 9 * time.Second, "", ""}},
		{"elsewhere", simplex.Rule{RedirectTo: "https://login.example/"}, told{job.ClassUnreachable, 302, 0, hintAddress,
			"plex.test:32400 redirects to login.example, which PlexSync does not follow because it would send the token there"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c := simulated(t, simplex.Options{})
			test.answer.Count = -1
			s.Script(test.answer)
			_, err := c.Identity(t.Context())
			equal(t, "failure", tell(failure(t, err)), test.want)
			equal(t, "probes", s.Counts().ProbeIdentity, 1)
		})
	}
}

func TestAConnectionThatFailsGivesTheClass(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.Config.ErrorLog = quiet
	web.Start()
	defer web.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"MediaContainer":{"machineIdentifier":"m"}}`)
	}))
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	defer secure.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	babble := answering(t, "SSH-2.0-"+token+"\r\n\r\n")
	garbledHeader := answering(t, "HTTP/1.1 200 OK\r\n"+token+"\r\n\r\n")

	const hintCertificate = "The certificate does not match the address in plexUrl: use Plex's plex.direct address, http://, or the setting insecureTLS"
	for _, test := range []struct{ name, url, hint, cause string }{
		{"refused", gone.URL, hintRunning, "refused"},
		{"unknown certificate", secure.URL, hintCertificate, "certificate"},
		{"http for https", strings.Replace(web.URL, "http:", "https:", 1), "Should plexUrl begin with http://?", "does not speak TLS here"},
		{"https for http", strings.Replace(secure.URL, "https:", "http:", 1), "Should plexUrl begin with https://?", "not like a Plex server"},
		{"another protocol", babble, "Should plexUrl begin with https://?", "does not speak HTTP here"},
		{"a header that is none", garbledHeader, "Should plexUrl begin with https://?", "does not speak HTTP here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := client(t, test.url, nil).Identity(t.Context())
			e := failure(t, err)
			if e.Class != job.ClassUnreachable || e.Hint != test.hint || !strings.Contains(e.Err.Error(), test.cause) {
				t.Errorf("%s: %v", e.Class, err)
			}
		})
	}

	c := clientWith(t, plex.Options{URL: secure.URL, InsecureTLS: true})
	equal(t, "without verification", must(c.Identity(t.Context()))(t).MachineID, "m")
}

// answering is the address of a server that says one thing to all.
func answering(t *testing.T, what string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 1<<12))
			io.WriteString(conn, what)
			conn.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestAnErrorOfTheNetworkGivesTheClass(t *testing.T) {
	for _, test := range []struct {
		name  string
		err   error
		want  told
		tries int
	}{
		{"no such name", &net.OpError{Op: "dial", Err: &net.DNSError{Name: "plex.test", IsNotFound: true}}, told{job.ClassUnreachable, 0, 0,
			"Correct the setting plexUrl; in Docker, use the host's address instead of its name", "no host is named plex.test"}, 1},
		{"no name server", &net.DNSError{Name: "plex.test", IsTemporary: true}, told{job.ClassUnreachable, 0, 0,
			hintRunning, "plex.test could not be looked up"}, 1},
		{"no route", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EHOSTUNREACH}, told{job.ClassUnreachable, 0, 0,
			hintRunning, "dial tcp: " + syscall.EHOSTUNREACH.Error()}, 1},
		{"slow connection", &net.OpError{Op: "dial", Net: "tcp", Err: timeoutError{}}, told{job.ClassUnreachable, 0, 0,
			hintRunning, "plex.test:32400 did not answer in time"}, 1},
		{"closed at once", io.EOF, told{job.ClassUnreachable, 0, 0, hintRunning, "plex.test:32400 cut the connection: EOF"}, 3},
		{"something that quotes", errors.New("malformed HTTP response " + token), told{job.ClassUnreachable, 0, 0,
			"Should plexUrl begin with https://?", "plex.test:32400 does not speak HTTP here"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				c := client(t, base, transport(func(*http.Request) (*http.Response, error) {
					tries++
					return nil, test.err
				}))
				_, err := c.Sections(t.Context())
				equal(t, "failure", tell(failure(t, err)), test.want)
				equal(t, "tries", tries, test.tries)
			})
		})
	}
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func TestARedirectIsNotFollowed(t *testing.T) {
	visited := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited = true }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.RequestURI(), status)
		}))
		c := client(t, first.URL, nil)
		for _, err := range []error{
			second(c.Identity(t.Context())),
			second(c.Sections(t.Context())),
			second(c.Edit(t.Context(), "1", "7", plex.Edit{Scalars: []plex.ScalarEdit{{Field: "title", Value: "secret"}}})),
			second(c.SetPicture(t.Context(), "7", plex.Poster, picture(t, 1), false)),
		} {
			e := failure(t, err)
			if e.Class != job.ClassUnreachable || e.Status != status || !strings.Contains(err.Error(), strings.TrimPrefix(other.URL, "http://")) ||
				strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "/library") {
				t.Errorf("%d: %v", status, err)
			}
		}
		first.Close()
	}
	if visited {
		t.Error("a redirect was followed")
	}
}

func TestAnInterruptedCallHasNoClass(t *testing.T) {
	cause := errors.New("the task was stopped")
	for _, test := range []struct {
		name string
		rule simplex.Rule
		call func(context.Context, *plex.Client) error
	}{
		{"while it waits for an answer", simplex.Rule{Hang: true},
			func(ctx context.Context, c *plex.Client) error { return second(c.Sections(ctx)) }},
		{"while the probe waits", simplex.Rule{Hang: true},
			func(ctx context.Context, c *plex.Client) error { return second(c.Identity(ctx)) }},
		{"between two tries", simplex.Rule{Count: -1},
			func(ctx context.Context, c *plex.Client) error { return second(c.Items(ctx, []string{"7"})) }},
		{"while it uploads", simplex.Rule{Method: "POST", Hang: true},
			func(ctx context.Context, c *plex.Client) error {
				return second(c.SetPicture(ctx, "1001", plex.Poster, picture(t, 1), false))
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := simulated(t, simplex.Options{})
				s.AddItem("1", simplex.ItemSpec{Title: "A"})
				s.Script(test.rule)
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
				err := test.call(ctx, c)
				var e *job.Error
				if !job.Interrupted(ctx, err) || errors.As(err, &e) || !strings.Contains(err.Error(), ": context canceled") {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

func TestAnAnswerThatStopsInTheMiddleIsGivenUp(t *testing.T) {
	for name, test := range map[string]struct {
		call  func(context.Context, *plex.Client) error
		after time.Duration
	}{
		"a listing of libraries": {func(ctx context.Context, c *plex.Client) error { return second(c.Sections(ctx)) }, 35 * time.Second},
		"a listing of items": {func(ctx context.Context, c *plex.Client) error {
			return second(c.List(ctx, "1", time.Time{}, func([]plex.Part) error { return nil }))
		}, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				c := client(t, base, transport(func(r *http.Request) (*http.Response, error) {
					half, w := io.Pipe()
					context.AfterFunc(r.Context(), func() { w.CloseWithError(r.Context().Err()) })
					go io.WriteString(w, `{"MediaContainer":{"size":`)
					return &http.Response{StatusCode: 200, Body: half}, nil
				}))
				e := failure(t, test.call(t.Context(), c))
				equal(t, "failure", tell(e), told{job.ClassUnreachable, 0, 0, hintRunning, "plex.test:32400 did not answer in time"})
				equal(t, "time", time.Since(began), test.after)
			})
		})
	}
}

func TestAReaderMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := movies(keys(1, 3001), "")
		c := client(t, base, transport(func(r *http.Request) (*http.Response, error) {
			rest, w := io.Pipe()
			context.AfterFunc(r.Context(), func() { w.CloseWithError(r.Context().Err()) })
			go func() {
				for half := body; half != ""; half = half[min(len(half), 50_000):] {
					if _, err := io.WriteString(w, half[:min(len(half), 50_000)]); err != nil {
						return
					}
					time.Sleep(20 * time.Second)
				}
				w.Close()
			}()
			return &http.Response{StatusCode: 200, Body: rest}, nil
		}))
		n, err := c.List(t.Context(), "1", time.Time{}, func([]plex.Part) error {
			time.Sleep(time.Minute)
			return nil
		})
		if n != 3000 || err != nil {
			t.Errorf("%d items, %v", n, err)
		}
	})
}

func TestMaintenanceAndADownServerAreOutages(t *testing.T) {
	for name, set := range map[string]func(*simplex.Options){
		"maintenance": func(o *simplex.Options) { o.Maintenance = true },
		"down":        func(o *simplex.Options) { o.Down = true },
	} {
		s, c := simulated(t, simplex.Options{})
		s.Set(set)
		for _, err := range []error{second(c.Identity(t.Context())), second(c.Sections(t.Context()))} {
			if e := failure(t, err); e.Class != job.ClassUnreachable {
				t.Errorf("%s: %s %v", name, e.Class, err)
			}
		}
		equal(t, name+": requests", s.Counts().Total, 2)
	}
}
