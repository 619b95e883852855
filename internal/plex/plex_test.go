package plex_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
)

const base = "http://plex.test:32400"

// wire is a transport that answers by a handler, in process, and keeps what was
// asked.
type wire struct {
	answer func(w http.ResponseWriter, r *http.Request)

	mu     sync.Mutex
	asked  []string // "GET /path?query", as sent
	header []http.Header
	bodies []string
}

func (x *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	x.asked = append(x.asked, r.Method+" "+r.URL.RequestURI())
	x.header = append(x.header, r.Header)
	x.bodies = append(x.bodies, string(body))
	x.mu.Unlock()
	w := httptest.NewRecorder()
	x.answer(w, r)
	return w.Result(), nil
}

// says answers everything with this.
func says(body string) *wire {
	return &wire{answer: func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }}
}

// transport is a function as a transport.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// clientWith is client with other options.
func clientWith(t *testing.T, o plex.Options) *plex.Client {
	t.Helper()
	o.Token, o.ClientID, o.Version = token, "device-1", "1"
	c, err := plex.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// simulated is a client of a simulated Plex with one library of movies, "1".
func simulated(t *testing.T, o simplex.Options) (*simplex.Server, *plex.Client) {
	t.Helper()
	o.Token = token
	s := simplex.New(o)
	s.AddSection(simplex.SectionSpec{Title: "Films", Locations: []string{"/media"}})
	t.Cleanup(func() {
		for _, v := range s.Violations() {
			t.Errorf("request %d: %s", v.Request, v.What)
		}
	})
	return s, client(t, base, s.Transport())
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got\n\t%#v\nwant\n\t%#v", what, got, want)
	}
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// failure returns the classed error that err must be.
func failure(t *testing.T, err error) job.Error {
	t.Helper()
	var e *job.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is not a classed error", err)
	}
	if strings.Contains(err.Error(), token) {
		t.Errorf("the token is in %q", err)
	}
	return *e
}

// picture is a small PNG, another one for each n.
func picture(t *testing.T, n uint8) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 2, 3))
	img.SetGray(0, 0, color.Gray{Y: n})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRequestsOnTheWire(t *testing.T) {
	img := string(picture(t, 1))
	for _, test := range []struct {
		name   string
		call   func(context.Context, *plex.Client) error
		answer string
		asked  []string
		body   string
	}{
		{"the probe", func(ctx context.Context, c *plex.Client) error {
			_, err := c.Identity(ctx)
			return err
		}, `{"MediaContainer":{"machineIdentifier":"m"}}`, []string{"GET /identity"}, ""},
		{"the server", func(ctx context.Context, c *plex.Client) error {
			_, err := c.Server(ctx)
			return err
		}, `{"MediaContainer":{"machineIdentifier":"m"}}`, []string{"GET /"}, ""},
		{"the libraries", func(ctx context.Context, c *plex.Client) error {
			_, err := c.Sections(ctx)
			return err
		}, `{"MediaContainer":{}}`, []string{"GET /library/sections"}, ""},
		{"a listing", func(ctx context.Context, c *plex.Client) error {
			_, err := c.List(ctx, "1", time.Time{}, func([]plex.Part) error { return nil })
			return err
		}, `{"MediaContainer":{"totalSize":0}}`, []string{"GET /library/sections/1/all?type=1&sort=id&excludeFields=summary,tagline" +
			"&excludeElements=Genre,Country,Director,Writer,Role,Collection,Guid,Rating,Image,UltraBlurColors"}, ""},
		{"a listing of what is new", func(ctx context.Context, c *plex.Client) error {
			_, err := c.List(ctx, "1", time.Unix(1700000001, 999), func([]plex.Part) error { return nil })
			return err
		}, `{"MediaContainer":{"totalSize":0}}`, []string{"GET /library/sections/1/all?type=1&sort=id&excludeFields=summary,tagline" +
			"&excludeElements=Genre,Country,Director,Writer,Role,Collection,Guid,Rating,Image,UltraBlurColors&addedAt%3E%3E=1700000000",
			"GET /library/sections/1/all?type=1&sort=id&excludeFields=summary,tagline" +
				"&excludeElements=Genre,Country,Director,Writer,Role,Collection,Guid,Rating,Image,UltraBlurColors&updatedAt%3E%3E=1700000000"}, ""},
		{"items", func(ctx context.Context, c *plex.Client) error {
			_, err := c.Items(ctx, []string{"7", "12"})
			return err
		}, `{"MediaContainer":{}}`, []string{"GET /library/metadata/7,12?skipRefresh=1"}, ""},
		{"no items", func(ctx context.Context, c *plex.Client) error {
			_, err := c.Items(ctx, nil)
			return err
		}, "", nil, ""},
		{"an edit of everything at once", func(ctx context.Context, c *plex.Client) error {
			n, err := c.Edit(ctx, "1", "7", plex.Edit{
				Scalars: []plex.ScalarEdit{{Field: "title", Value: "Harbour & sea + 50%\nnight"}, {Field: "tagline"}},
				Lists: []plex.ListEdit{
					{Field: "genre", Full: []plex.Tag{{Name: "Tide"}, {Name: "Ebb, flow"}}, Remove: []string{"Old, grey", "100%"}},
					{Field: "actor", Full: []plex.Tag{{Name: "Jane Doe", Role: "Herself", Thumb: "http://stash/p/1"}}},
				},
				Lock: []string{"title", "genre", "thumb"}, Unlock: []string{"tagline", "art"},
			})
			if n != 1 {
				t.Errorf("it took %d requests", n)
			}
			return err
		}, "", []string{"PUT /library/sections/1/all?type=1&id=7" +
			"&title.value=Harbour%20%26%20sea%20%2B%2050%25%0Anight&title.locked=1&tagline.value=&tagline.locked=0" +
			"&genre%5B0%5D.tag.tag=Tide&genre%5B1%5D.tag.tag=Ebb%2C%20flow" +
			"&genre%5B%5D.tag.tag-=Old%252C%20grey%2C100%2525&genre.locked=1" +
			"&actor%5B0%5D.tag.tag=Jane%20Doe&actor%5B0%5D.tagging.text=Herself&actor%5B0%5D.tag.thumb=http%3A%2F%2Fstash%2Fp%2F1" +
			"&thumb.locked=1&art.locked=0"}, ""},
		{"an edit of nothing", func(ctx context.Context, c *plex.Client) error {
			_, err := c.Edit(ctx, "1", "7", plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Full: []plex.Tag{{}}, Remove: []string{""}}}})
			return err
		}, "", nil, ""},
		{"a rating that goes", func(ctx context.Context, c *plex.Client) error {
			e := plex.Edit{Scalars: []plex.ScalarEdit{{Field: "userRating"}, {Field: "title", Value: "A"}}, Unlock: []string{"userRating"}}
			_, err := c.Edit(ctx, "1", "7", e)
			equal(t, "the edit afterwards", e.Scalars, []plex.ScalarEdit{{Field: "userRating"}, {Field: "title", Value: "A"}})
			return err
		}, "", []string{"PUT /library/sections/1/all?type=1&id=7&userRating.value=&userRating.locked=0&title.value=A"}, ""},
		{"removals for a Plex that decodes once", func(ctx context.Context, c *plex.Client) error {
			c.SetHabits(plex.Habits{Removals: plex.EncodeOnce})
			_, err := c.Edit(ctx, "1", "7", plex.Edit{Lists: []plex.ListEdit{{Field: "genre", Full: []plex.Tag{{Name: "A,B"}}, Remove: []string{"100%", "a+b", "Old grey", "é"}}}})
			return err
		}, "", []string{"PUT /library/sections/1/all?type=1&id=7&genre%5B0%5D.tag.tag=A%2CB&genre%5B%5D.tag.tag-=100%25%2Ca%2Bb%2COld%20grey%2C%C3%A9"}, ""},
		{"a rating that comes", func(ctx context.Context, c *plex.Client) error {
			_, err := c.Edit(ctx, "1", "7", plex.Edit{Scalars: []plex.ScalarEdit{{Field: "userRating", Value: "7.5"}}})
			return err
		}, "", []string{"PUT /library/sections/1/all?type=1&id=7&userRating.value=7.5"}, ""},
		{"a new poster", func(ctx context.Context, c *plex.Client) error {
			_, err := c.SetPicture(ctx, "7", plex.Poster, []byte(img), false)
			return err
		}, `{"MediaContainer":{"Metadata":[{"ratingKey":"upload://posters/0"}]}}`,
			[]string{"POST /library/metadata/7/posters", "GET /library/metadata/7/posters"}, img},
		{"a background that Plex has", func(ctx context.Context, c *plex.Client) error {
			_, err := c.SetPicture(ctx, "7", plex.Art, []byte("GIF89a"), true)
			return err
		}, `{"MediaContainer":{"Metadata":[{"ratingKey":"upload://art/25c9b37ae36a0a08318d4dca7ca57ea98d776821","selected":false}]}}`,
			[]string{"GET /library/metadata/7/arts", "PUT /library/metadata/7/art?url=upload%3A%2F%2Fart%2F25c9b37ae36a0a08318d4dca7ca57ea98d776821"}, ""},
		{"a background by the name that older accounts give", func(ctx context.Context, c *plex.Client) error {
			_, err := c.SetPicture(ctx, "7", plex.Art, []byte("GIF89a"), true)
			return err
		}, `{"MediaContainer":{"Metadata":[{"ratingKey":"upload://arts/25c9b37ae36a0a08318d4dca7ca57ea98d776821","selected":false}]}}`,
			[]string{"GET /library/metadata/7/arts", "PUT /library/metadata/7/art?url=upload%3A%2F%2Farts%2F25c9b37ae36a0a08318d4dca7ca57ea98d776821"}, ""},
		{"a background that an agent has by the same name", func(ctx context.Context, c *plex.Client) error {
			_, err := c.SetPicture(ctx, "7", plex.Art, []byte("GIF89a"), true)
			return err
		}, `{"MediaContainer":{"Metadata":[{"ratingKey":"metadata://art/25c9b37ae36a0a08318d4dca7ca57ea98d776821","selected":true}]}}`,
			[]string{"GET /library/metadata/7/arts", "POST /library/metadata/7/arts", "GET /library/metadata/7/arts"}, "GIF89a"},
		{"a background that is shown already", func(ctx context.Context, c *plex.Client) error {
			_, err := c.SetPicture(ctx, "7", plex.Art, []byte("GIF89a"), true)
			return err
		}, `{"MediaContainer":{"Metadata":[{"ratingKey":"upload://art/25c9b37ae36a0a08318d4dca7ca57ea98d776821","selected":"1"}]}}`,
			[]string{"GET /library/metadata/7/arts"}, ""},
		{"a scan", func(ctx context.Context, c *plex.Client) error {
			return c.Scan(ctx, "1", "/media/Studio One/a&b")
		}, "", []string{"GET /library/sections/1/refresh?path=%2Fmedia%2FStudio%20One%2Fa%26b"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := says(test.answer)
			if err := test.call(t.Context(), client(t, base+"/", x)); err != nil {
				t.Fatal(err)
			}
			equal(t, "requests", x.asked, test.asked)
			if body := strings.Join(x.bodies, ""); body != test.body {
				t.Errorf("sent %q, want %q", body, test.body)
			}
		})
	}
}

func TestEveryRequestIntroducesItself(t *testing.T) {
	x := says(`{"MediaContainer":{"machineIdentifier":"m","size":0}}`)
	c := client(t, "http://someone:s3cret@plex.test", x)
	must(c.Identity(t.Context()))(t)
	must(c.Sections(t.Context()))(t)
	for i, h := range x.header {
		got := map[string]string{}
		for name := range h {
			got[name] = h.Get(name)
		}
		want := map[string]string{
			"Accept": "application/json", "X-Plex-Client-Identifier": "device-1", "X-Plex-Product": "PlexSync",
			"X-Plex-Version": "1", "X-Plex-Platform": got["X-Plex-Platform"], "X-Plex-Device": "Stash", "X-Plex-Device-Name": "PlexSync (Stash)",
			"Authorization": "Basic c29tZW9uZTpzM2NyZXQ=",
		}
		if i > 0 { // the probe has no token
			want["X-Plex-Token"] = token
		}
		equal(t, x.asked[i], got, want)
	}
}

func TestKeysThatAreNoneAskNothing(t *testing.T) {
	x := says("")
	c := client(t, base, x)
	ctx := t.Context()
	for _, key := range []string{"", "0", "007", "-1", "1,2", "1&id=2", "1/../2", "12345678901234567890", "１"} {
		for name, err := range map[string]error{
			"edit":         second(c.Edit(ctx, "1", key, plex.Edit{Lock: []string{"title"}})),
			"edit long":    second(c.EditLong(ctx, "1", key, plex.Edit{Lock: []string{"title"}})),
			"edit section": second(c.Edit(ctx, key, "1", plex.Edit{Lock: []string{"title"}})),
			"items":        second(c.Items(ctx, []string{"1", key})),
			"list":         second(c.List(ctx, key, time.Time{}, nil)),
			"picture":      second(c.SetPicture(ctx, key, plex.Poster, picture(t, 1), false)),
			"scan":         c.Scan(ctx, key, "/media"),
		} {
			if e := failure(t, err); e.Class != job.ClassInternal || e.Op == "" {
				t.Errorf("%s with key %q: %v", name, key, err)
			}
		}
	}
	if e := failure(t, c.Scan(ctx, "1", "")); e.Class != job.ClassInternal {
		t.Errorf("a scan without a folder: %v", e.Error())
	}
	equal(t, "requests", x.asked, []string(nil))
}

func second[T any](_ T, err error) error { return err }

func TestAddressesAndTokensThatAreNone(t *testing.T) {
	for _, o := range []plex.Options{
		{URL: ""}, {URL: "plex"}, {URL: "ftp://plex"}, {URL: "http://"}, {URL: "http://pl ex"}, {URL: "http://plex\x00"},
		{URL: "http://plex/?X-Plex-Token=" + token}, {URL: "http://plex/#!/x"},
	} {
		if _, err := plex.New(o); err == nil || !strings.Contains(err.Error(), "plexUrl") || strings.Contains(err.Error(), token) {
			t.Errorf("%q: error %v", o.URL, err)
		}
	}
	if _, err := plex.New(plex.Options{URL: base, Token: token + "\n"}); err == nil || !strings.Contains(err.Error(), "plexToken") || strings.Contains(err.Error(), token) {
		t.Errorf("a token with a line break: error %v", err)
	}
}

func TestWhoTheServerIs(t *testing.T) {
	s, c := simulated(t, simplex.Options{MachineID: "m1", Version: "1.40.0.1", Name: "Cellar"})
	id := plex.Identity{MachineID: "m1", Version: "1.40.0.1"}
	equal(t, "identity", must(c.Identity(t.Context()))(t), id)
	equal(t, "server", must(c.Server(t.Context()))(t), plex.Server{Identity: id, Name: "Cellar",
		Allowed: map[string]bool{"allowMediaDeletion": true, "allowSharing": true, "allowSync": true}})
	if owner, err := c.Owner(t.Context()); !owner || err != nil {
		t.Errorf("the owner is %v, %v", owner, err)
	}
	s.Set(func(o *simplex.Options) { o.NotOwner, o.NoDeletionFlag = true, true })
	equal(t, "what a guest is told", must(c.Server(t.Context()))(t).Allowed, map[string]bool{"allowSharing": true, "allowSync": true})
	if owner, err := c.Owner(t.Context()); owner || err != nil {
		t.Errorf("a guest is %v, %v", owner, err)
	}
	s.Set(func(o *simplex.Options) { o.Token = "another" })
	if e := failure(t, second(c.Server(t.Context()))); e.Class != job.ClassUnauthorized {
		t.Errorf("another's token: %s", e.Class)
	}
	equal(t, "devices", len(s.Devices()), 1)
}

func TestVersions(t *testing.T) {
	for v, old := range map[string]bool{
		"1.32.0.6918-6f393eda1": false, "1.43.2": false, "2.0": false, "": false, "dev": false,
		"1.31.3.6868-28fc46b27": true, "0.9.18": true, "1.5": true,
	} {
		err := plex.CheckVersion(v)
		if (err != nil) != old || old && (!strings.Contains(err.Error(), v) || !strings.Contains(err.Error(), "1.32")) {
			t.Errorf("%q: %v", v, err)
		}
	}
}

func TestLibrariesOfAllTypes(t *testing.T) {
	s, c := simulated(t, simplex.Options{})
	s.AddSection(simplex.SectionSpec{Title: "Music", Type: "artist", Locations: []string{"/music", `D:\m`}})
	got := must(c.Sections(t.Context()))(t)
	for i := range got {
		if got[i].UUID == "" || got[i].ContentChangedAt == 0 {
			t.Errorf("%+v lacks its UUID or its counter", got[i])
		}
		got[i].UUID, got[i].ContentChangedAt = "", 0
	}
	equal(t, "libraries", got, []plex.Section{
		{Key: "1", Title: "Films", Type: "movie", Locations: []string{"/media"}},
		{Key: "2", Title: "Music", Type: "artist", Locations: []string{"/music", `D:\m`}},
	})
}

func TestAScanFindsWhatIsInTheFolder(t *testing.T) {
	s, c := simulated(t, simplex.Options{})
	s.AddOnDisk("1", simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/Studio One, 50%/a.mp4"}}})
	if err := c.Scan(t.Context(), "1", "/media/Studio One, 50%"); err != nil {
		t.Fatal(err)
	}
	equal(t, "scans", s.Scans(), map[string]int{"/media/Studio One, 50%": 1})
	equal(t, "items", s.Items(), 1)
}

func TestStatsCountByKind(t *testing.T) {
	s, c := simulated(t, simplex.Options{})
	key := s.AddItem("1", simplex.ItemSpec{Title: "A"})
	must(c.Identity(t.Context()))(t)
	must(c.Items(t.Context(), []string{key}))(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { c.Edit(t.Context(), "1", key, plex.Edit{Lock: []string{"title"}}) })
	}
	all.Wait()
	must(c.SetPicture(t.Context(), key, plex.Poster, picture(t, 1), false))(t)
	equal(t, "stats", c.Stats(), plex.Stats{Reads: 3, Writes: 4, Uploads: 1})
}
