package plex_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
)

const token = "SECRET-token-0815"

// pair is a client and the simulated server that it talks to.
func pair(t *testing.T, change func(*simplex.Options)) (*plex.Client, *simplex.Server, string) {
	t.Helper()
	s := simplex.New(simplex.Options{Token: token})
	section := s.AddSection(simplex.SectionSpec{Title: "Films"})
	if change != nil {
		s.Set(change)
	}
	c := client(t, "http://plex.test:32400", s.Transport())
	t.Cleanup(func() {
		for _, v := range s.Violations() {
			t.Errorf("Plex was misused: %+v", v)
		}
	})
	return c, s, section
}

func client(t *testing.T, url string, transport http.RoundTripper) *plex.Client {
	t.Helper()
	c, err := plex.New(plex.Options{URL: url, Token: token, ClientID: "device-1", Version: "1", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// traps are the ways in which accounts of Plex differ.
func traps() map[string]func(*simplex.Options) {
	return map[string]func(*simplex.Options){
		"plain":                   func(*simplex.Options) {},
		"numbers as strings":      func(o *simplex.Options) { o.NumbersAsStrings = true },
		"pages of 7":              func(o *simplex.Options) { o.MaxPage = 7 },
		"no paging":               func(o *simplex.Options) { o.IgnorePaging = true },
		"no paging and no filter": func(o *simplex.Options) { o.IgnorePaging, o.IgnoreFilters = true, true },
		"excludes honoured":       func(o *simplex.Options) { o.HonourExcludes = true },
		"lists replaced":          func(o *simplex.Options) { o.ListsReplace = true },
	}
}

func TestAListingIsWholeUnderEveryReading(t *testing.T) {
	for name, trap := range traps() {
		t.Run(name, func(t *testing.T) {
			c, s, section := pair(t, trap)
			want := map[string]bool{}
			for i := range 23 {
				file := fmt.Sprintf("/media/%02d.mp4", i)
				spec := simplex.ItemSpec{AddedAt: 1000, UpdatedAt: 1000, Parts: []simplex.PartSpec{{File: file, Size: 5, Duration: time.Minute}, {File: file + ".2"}}}
				if i == 5 {
					spec.UpdatedAt = time.Now().Unix()
				}
				key := s.AddItem(section, spec)
				want[key+" 0 "+file], want[key+" 1 "+file+".2"] = true, true
			}
			for _, since := range []time.Time{{}, time.Now().Add(-time.Hour)} {
				got := map[string]bool{}
				_, err := c.List(context.Background(), section, since, func(parts []plex.Part) error {
					for _, p := range parts {
						got[fmt.Sprint(p.Key, " ", p.Index, " ", p.Path)] = true
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				for part := range got {
					if !want[part] {
						t.Errorf("invented: %s", part)
					}
				}
				if since.IsZero() && len(got) != len(want) {
					t.Errorf("%d parts, want %d", len(got), len(want))
				}
				if !since.IsZero() && len(got) < 2 {
					t.Errorf("the updated item is missing: %v", got)
				}
			}
		})
	}
}

func TestAnEditIsReadBackAsItWasWritten(t *testing.T) {
	for name, trap := range traps() {
		t.Run(name, func(t *testing.T) {
			c, s, section := pair(t, trap)
			key := s.AddItem(section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/a.mp4"}}, Tags: map[string][]simplex.Tag{
				"genre": {{Name: "Old, one"}, {Name: "Stays"}}, "actor": {{Name: "Jane", Role: "Captain"}}}})
			e := plex.Edit{
				Scalars: []plex.ScalarEdit{{Field: "title", Value: "A+B & “C” 100%"}, {Field: "summary", Value: "x\ny"}, {Field: "userRating", Value: "8.5"}},
				Lists: []plex.ListEdit{
					{Field: "genre", Full: []plex.Tag{{Name: "Stays"}, {Name: "New & “odd”, 🌊"}}, Remove: []string{"Old, one"}},
					{Field: "actor", Full: []plex.Tag{{Name: "Jane", Role: "Captain"}, {Name: "John"}}},
				},
				Lock: []string{"title", "genre", "thumb"},
			}
			for range 2 { // idempotent
				if n, err := c.Edit(context.Background(), section, key, e); err != nil || n != 1 {
					t.Fatalf("%d requests, %v", n, err)
				}
			}
			items, err := c.Items(context.Background(), []string{key, "999999"})
			if err != nil || len(items) != 1 {
				t.Fatalf("%d items, %v", len(items), err)
			}
			it := items[0]
			if it.Scalars["title"] != "A+B & “C” 100%" || it.Scalars["summary"] != "x\ny" || it.Scalars["userRating"] != "8.5" || it.Section != section {
				t.Errorf("%+v", it.Scalars)
			}
			names := func(list string) string {
				var all []string
				for _, x := range it.Lists[list] {
					all = append(all, x.Name+"/"+x.Role)
				}
				slices.Sort(all)
				return strings.Join(all, "; ")
			}
			if got := names("genre"); got != "New & “odd”, 🌊/; Stays/" {
				t.Errorf("genres %s", got)
			}
			if got := names("actor"); got != "Jane/Captain; John/" {
				t.Errorf("actors %s", got)
			}
			if !it.Locked["title"] || !it.Locked["genre"] || !it.Locked["thumb"] || it.Locked["summary"] {
				t.Errorf("locks %v", it.Locked)
			}
			if _, err := c.Edit(context.Background(), section, key, plex.Edit{Scalars: []plex.ScalarEdit{{Field: "userRating"}, {Field: "summary"}}, Unlock: []string{"title"}}); err != nil {
				t.Fatal(err)
			}
			if got, _ := s.Item(key); got.Scalars["userRating"] != "" || got.Scalars["summary"] != "" || slices.Contains(got.Locks, "title") {
				t.Errorf("after clearing: %+v", got)
			}
		})
	}
}

func TestAnItemIsNeverEditedWithoutItsKey(t *testing.T) {
	c, s, section := pair(t, nil)
	for _, key := range []string{"", "1,2", "../1", "x", "1&id="} {
		if _, err := c.Edit(context.Background(), section, key, plex.Edit{Lock: []string{"title"}}); job.ClassOf(err) != job.ClassInternal {
			t.Errorf("key %q: %v", key, err)
		}
		if _, err := c.Items(context.Background(), []string{key}); err == nil {
			t.Errorf("key %q is read", key)
		}
	}
	if n := s.Counts().Total; n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestAPictureIsUploadedOnceAndSelectedAgain(t *testing.T) {
	c, s, section := pair(t, nil)
	key := s.AddItem(section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/a.mp4"}}})
	a, b := []byte("\x89PNG\r\n\x1a\nfirst"), []byte("\x89PNG\r\n\x1a\nsecond")
	for i, want := range []bool{true, false} {
		if up, err := c.SetPicture(context.Background(), key, plex.Poster, a, true); err != nil || up != want {
			t.Fatalf("round %d: uploaded %v, %v", i, up, err)
		}
	}
	for _, step := range []struct {
		img []byte
		up  bool
	}{{b, true}, {a, false}} {
		if up, err := c.SetPicture(context.Background(), key, plex.Poster, step.img, true); err != nil || up != step.up {
			t.Errorf("uploaded %v, %v; want %v", up, err, step.up)
		}
	}
	if _, err := c.SetPicture(context.Background(), key, plex.Art, a, false); err != nil {
		t.Error(err)
	}
	it, _ := s.Item(key)
	if len(it.Uploads) != 3 || it.PosterSHA1 == "" || it.ArtSHA1 != it.PosterSHA1 {
		t.Errorf("uploads %v", it.Uploads)
	}
	before := s.Counts().Total
	for name, img := range map[string][]byte{"nothing": nil, "a text": []byte("hello"), "a drawing": []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`),
		"a film": []byte("\x00\x00\x00\x18ftypmp42"), "11 MB": append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 11_000_000)...)} {
		if _, err := c.SetPicture(context.Background(), key, plex.Poster, img, false); !errors.Is(err, plex.ErrPicture) {
			t.Errorf("%s is taken for a picture: %v", name, err)
		}
	}
	if n := s.Counts().Total - before; n != 0 {
		t.Errorf("%d requests for what is no picture", n)
	}
}

func TestFailuresHaveTheirClass(t *testing.T) {
	for _, c := range []struct {
		name   string
		rule   simplex.Rule
		change func(*simplex.Options)
		class  job.Class
		says   string
		tries  int
	}{
		{"a wrong token", simplex.Rule{}, func(o *simplex.Options) { o.Token = "another" }, job.ClassUnauthorized, "plexToken", 1},
		{"somebody else's server", simplex.Rule{}, func(o *simplex.Options) { o.NotOwner = true }, job.ClassUnauthorized, "owner", 1},
		{"maintenance", simplex.Rule{}, func(o *simplex.Options) { o.Maintenance = true }, job.ClassUnreachable, "starting", 1},
		{"down", simplex.Rule{}, func(o *simplex.Options) { o.Down = true }, job.ClassUnreachable, "plexUrl", 0},
		{"400", simplex.Rule{Status: 400, Count: -1}, nil, job.ClassRejected, "400", 1},
		{"404", simplex.Rule{Status: 404, Count: -1}, nil, job.ClassRejected, "404", 1},
		{"429", simplex.Rule{Status: 429, RetryAfter: "90", Count: -1}, nil, job.ClassBusy, "429", 1},
		{"500", simplex.Rule{Status: 500, Count: -1}, nil, job.ClassBusy, "500", 3},
		{"502", simplex.Rule{Status: 502, Count: -1}, nil, job.ClassUnreachable, "502", 3},
		{"503", simplex.Rule{Status: 503, Count: -1}, nil, job.ClassUnreachable, "503", 1},
		{"a redirect", simplex.Rule{RedirectTo: "http://evil.test/?x=1", Count: -1}, nil, job.ClassUnreachable, "evil.test", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, s, section := pair(t, c.change)
			key := s.AddItem(section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/a.mp4"}}})
			if c.rule != (simplex.Rule{}) {
				s.Script(c.rule)
			}
			_, err := client.Edit(context.Background(), section, key, plex.Edit{Scalars: []plex.ScalarEdit{{Field: "title", Value: "x"}}})
			var e *job.Error
			if !errors.As(err, &e) || e.Class != c.class || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "edit item "+key) {
				t.Errorf("error %v (%s), want %s with %q", err, job.ClassOf(err), c.class, c.says)
			}
			if err != nil && (strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "x=1")) {
				t.Errorf("the error tells too much: %v", err)
			}
			if c.name == "429" && job.RetryAfter(err) != 90*time.Second {
				t.Errorf("Retry-After is %v", job.RetryAfter(err))
			}
			if n := s.Counts().Writes; c.tries > 0 && n != c.tries {
				t.Errorf("%d tries, want %d", n, c.tries)
			}
		})
	}
}

func TestABadAnswerIsBusyAndTriedAgainQuickly(t *testing.T) {
	for name, rule := range map[string]simplex.Rule{"cut": {Cut: true}, "garbled": {Garble: true}, "HTML": {Status: 200, Body: "<html>secret body</html>"}} {
		c, s, section := pair(t, nil)
		key := s.AddItem(section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/a.mp4"}}})
		s.Script(rule)
		if items, err := c.Items(context.Background(), []string{key}); err != nil || len(items) != 1 {
			t.Errorf("%s once: %d items, %v", name, len(items), err)
		}
		rule.Count = -1
		s.Script(rule)
		_, err := c.Items(context.Background(), []string{key})
		if job.ClassOf(err) != job.ClassBusy && !(name == "cut" && job.ClassOf(err) == job.ClassUnreachable) || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s for ever: %v (%s)", name, err, job.ClassOf(err))
		}
	}
}

func TestAWriteThatWasAppliedBeforeTheConnectionBrokeIsRepeated(t *testing.T) {
	c, s, section := pair(t, nil)
	key := s.AddItem(section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/a.mp4"}}})
	s.Script(simplex.Rule{Method: "PUT", ResetAfter: true})
	if _, err := c.Edit(context.Background(), section, key, plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Full: []plex.Tag{{Name: "a"}}}}}); err != nil {
		t.Fatal(err)
	}
	if it, _ := s.Item(key); len(it.Tags["genre"]) != 1 {
		t.Errorf("genres %v", it.Tags["genre"])
	}
}

func TestTheTokenGoesToPlexAloneAndInAHeader(t *testing.T) {
	var leaked []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { leaked = append(leaked, r.URL.String()) }))
	defer other.Close()
	var seen []http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header)
		if strings.Contains(r.URL.String(), token) {
			t.Errorf("the token is in the URL %s", r.URL)
		}
		http.Redirect(w, r, other.URL+"/stolen", http.StatusFound)
	}))
	defer s.Close()
	c := client(t, s.URL, nil)
	if _, err := c.Sections(context.Background()); job.ClassOf(err) != job.ClassUnreachable {
		t.Errorf("error %v", err)
	}
	if _, err := c.Identity(context.Background()); err == nil {
		t.Error("a redirect is taken for Plex")
	}
	if len(leaked) != 0 {
		t.Errorf("another host was asked: %v", leaked)
	}
	if len(seen) != 2 || seen[0].Get("X-Plex-Token") != token || seen[1].Get("X-Plex-Token") != "" {
		t.Errorf("the token was sent with %v", seen)
	}
	for _, h := range seen {
		if h.Get("X-Plex-Client-Identifier") != "device-1" || h.Get("X-Plex-Product") != "PlexSync" || h.Get("Accept") != "application/json" {
			t.Errorf("headers %v", h)
		}
	}
}

func TestNoPlexAtTheAddress(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>router</html>") }))
	defer web.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = nil
	gone := httptest.NewServer(nil)
	gone.Close()
	for url, says := range map[string]string{
		web.URL:                         "not like a Plex server",
		secure.URL:                      "insecureTLS",
		gone.URL:                        "refused",
		"http://no-such-host.invalid:1": "no host is named no-such-host.invalid",
	} {
		_, err := client(t, url, nil).Identity(context.Background())
		if job.ClassOf(err) != job.ClassUnreachable || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "<html>") {
			t.Errorf("%s: %v, want %q", url, err, says)
		}
	}
}

func TestOurOwnCancellingIsNoFailureOfPlex(t *testing.T) {
	c, s, section := pair(t, nil)
	s.AddItem(section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/a.mp4"}}})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := c.Sections(ctx)
	if !job.Interrupted(ctx, err) {
		t.Errorf("error %v", err)
	}
}

func TestEveryListIsRightHoweverPlexReadsIt(t *testing.T) {
	name := rapid.StringMatching(`[A-Za-zé港 ,&+%"#/]{1,30}`).Filter(func(s string) bool { return strings.TrimSpace(s) == s })
	rapid.Check(t, func(rt *rapid.T) {
		replace := rapid.Bool().Draw(rt, "replaces")
		s := simplex.New(simplex.Options{Token: token, ListsReplace: replace, TagsKeepCase: true})
		section := s.AddSection(simplex.SectionSpec{Title: "Films"})
		c := client(t, "http://plex.test:32400", s.Transport())
		all := rapid.SliceOfNDistinct(name, 0, 60, strings.ToLower).Draw(rt, "names")
		cut := rapid.IntRange(0, len(all)).Draw(rt, "cut")
		var now []simplex.Tag
		e := plex.Edit{Scalars: []plex.ScalarEdit{{Field: "summary", Value: strings.Repeat("é", rapid.IntRange(0, 1100).Draw(rt, "summary"))}}, Lock: []string{"genre", "title"}}
		l := plex.ListEdit{Field: "genre"}
		var want []string
		for i, n := range all {
			if i < cut && i%2 == 0 {
				now, l.Remove = append(now, simplex.Tag{Name: n}), append(l.Remove, n)
				continue
			}
			l.Full, want = append(l.Full, plex.Tag{Name: n}), append(want, n)
		}
		e.Lists = []plex.ListEdit{l}
		key := s.AddItem(section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/a.mp4"}}, Tags: map[string][]simplex.Tag{"genre": now}})
		if _, err := c.Edit(context.Background(), section, key, e); err != nil {
			rt.Fatal(err)
		}
		if replace && c.Chunked(section, key, e) {
			return // cut, see TestAListThatIsTooLong
		}
		var got []string
		it, _ := s.Item(key)
		for _, x := range it.Tags["genre"] {
			got = append(got, x.Name)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || it.Scalars["summary"] != e.Scalars[0].Value || len(it.Locks) != 2 {
			rt.Fatalf("genres %q, want %q; locks %v", got, want, it.Locks)
		}
	})
}
