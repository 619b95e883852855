package simplex_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
)

func TestWhoIsLetIn(t *testing.T) {
	for _, test := range []struct {
		name                  string
		opt                   simplex.Options
		token, device         string
		identity, list, write int
	}{
		{"the owner", simplex.Options{}, "simplex-token", "d", 200, 200, 200},
		{"nobody", simplex.Options{}, "", "d", 200, 401, 401},
		{"somebody else", simplex.Options{}, "other", "d", 200, 401, 401},
		{"nobody, from a listed network", simplex.Options{AllowMissingToken: true}, "", "d", 200, 200, 200},
		{"somebody else, from a listed network", simplex.Options{AllowMissingToken: true}, "other", "d", 200, 401, 401},
		{"an unknown device", simplex.Options{}, "simplex-token", "", 200, 400, 400},
		{"a person the server is shared with", simplex.Options{NotOwner: true}, "simplex-token", "d", 200, 200, 403},
		{"the owner of a server that refuses writes", simplex.Options{RefuseWrites: true}, "simplex-token", "d", 200, 200, 403},
		{"the owner by another token", simplex.Options{Token: "t"}, "t", "d", 200, 200, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c, key := oneMovie(t, test.opt, simplex.ItemSpec{})
			c = c.with("X-Plex-Token", test.token).with("X-Plex-Client-Identifier", test.device)
			identity, _ := c.do("GET", "/identity", nil)
			list, _ := c.do("GET", "/library/sections", nil)
			write, _ := c.do("PUT", "/library/sections/1/all?type=1&id="+key+"&title.value=x", nil)
			equal(t, "statuses", []int{identity, list, write}, []int{test.identity, test.list, test.write})
			equal(t, "written", item(t, s, key).Scalars["title"] == "x", write == 200)
		})
	}
}

func TestAnybodyMayRate(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{NotOwner: true}, simplex.ItemSpec{})
	c.put(200, "/:/rate", "key="+key, "identifier=com.plexapp.plugins.library", "rating=7")
	equal(t, "rating", item(t, s, key).Scalars["userRating"], "7")
	status, _ := c.do("POST", "/library/metadata/"+key+"/posters", picture(t, 1))
	equal(t, "status of an upload", status, 403)
	status, _ = c.do("GET", "/library/sections/1/refresh?path=x", nil)
	equal(t, "status of a scan", status, 403)
	status, _ = c.do("GET", "/accounts", nil)
	equal(t, "status of the accounts", status, 403)
	equal(t, "deletion allowed", c.get("/")["allowMediaDeletion"], true)
}

func TestATokenInTheURLIsAViolation(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		s, c, _ := oneMovie(t, simplex.Options{AllowURLToken: allowed}, simplex.ItemSpec{})
		status, _ := c.with("X-Plex-Token", "").do("GET", "/library/sections?x=1&X-Plex-Token=simplex-token", nil)
		equal(t, "status", status, map[bool]int{false: 400, true: 200}[allowed])
		equal(t, "violations", s.Violations(), []simplex.Violation{{Request: 1, What: "a token in the URL"}})
		equal(t, "query in the log", s.Requests()[0].Query, url.Values{"x": {"1"}})
	}
}

func TestACheckCanRefuse(t *testing.T) {
	s, c, _ := oneMovie(t, simplex.Options{Check: func(r *http.Request) error {
		if r.Header.Get("X-Plex-Product") == "" {
			return errors.New("no product")
		}
		return nil
	}}, simplex.ItemSpec{})
	status, _ := c.do("GET", "/", nil)
	equal(t, "status", status, 400)
	equal(t, "violations", s.Violations(), []simplex.Violation{{Request: 1, What: "no product"}})
	c.with("X-Plex-Product", "p").get("/")
}

func TestWhatIsNotSimulatedIsLoud(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	for _, r := range [][2]string{{"GET", "/library/nonsense"}, {"DELETE", "/library/metadata/" + key}, {"GET", "/library/sections/1/folder"}} {
		status, _ := c.do(r[0], r[1], nil)
		equal(t, r[1], status, 404)
	}
	equal(t, "violations", s.Violations(), []simplex.Violation{
		{Request: 1, What: "GET /library/nonsense is not simulated"},
		{Request: 2, What: "DELETE /library/metadata/" + key + " is not simulated"},
		{Request: 3, What: "/library/sections/1/folder is not simulated"}})
	equal(t, "items", s.Items(), 1)
}

func TestLongURLs(t *testing.T) {
	const target, line = "/library/sections/1/all?type=1&id=", len("PUT  HTTP/1.1")
	for _, test := range []struct {
		name        string
		max, length int // of the request line
		status      int
	}{
		{"the longest the server takes", 0, 8192, 200},
		{"one byte more", 0, 8193, 400},
		{"the longest a proxy takes", 500, 500, 200},
		{"one byte more for the proxy", 500, 501, 414},
		{"more than either takes", 500, 8193, 414},
		{"a wider proxy", 10_000, 8193, 400},
		{"no proxy", -1, 8193, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, c, key := oneMovie(t, simplex.Options{MaxURL: test.max}, simplex.ItemSpec{})
			params := target + key + "&summary.value="
			params += strings.Repeat("x", test.length-line-len(params))
			status, _ := c.do("PUT", params, nil)
			equal(t, "status", status, test.status)
		})
	}
}

func TestMaintenanceAndDown(t *testing.T) {
	s, c, _ := oneMovie(t, simplex.Options{Maintenance: true}, simplex.ItemSpec{})
	for _, target := range []string{"/identity", "/library/sections"} {
		status, body := c.do("GET", target, nil)
		if status != 503 || !strings.Contains(body, `<Response code="503" title="Maintenance"`) {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
	s.Set(func(o *simplex.Options) { o.Maintenance, o.Down = false, true })
	if _, err := c.send("GET", "/identity", nil); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("down: %v", err)
	}
	s.Set(func(o *simplex.Options) { o.Down = false })
	equal(t, "version", c.get("/identity")["version"], s.Options().Version)
	equal(t, "probes", s.Counts().ProbeIdentity, 3)
}

func TestFormats(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{Title: "A <b> & \"c\"\n\u2028", Locked: []string{"title"},
		Scalars: map[string]string{"userRating": "7.5"}})
	type container struct {
		XMLName xml.Name `xml:"MediaContainer"`
		Size    int      `xml:"size,attr"`
		Video   []struct {
			RatingKey  string `xml:"ratingKey,attr"`
			Title      string `xml:"title,attr"`
			UserRating string `xml:"userRating,attr"`
			Media      []struct {
				Part []struct {
					File string `xml:"file,attr"`
					Size int64  `xml:"size,attr"`
				}
			}
			Field []struct {
				Name   string `xml:"name,attr"`
				Locked string `xml:"locked,attr"`
			}
		}
	}
	for _, accept := range []string{"", "*/*", "application/xml"} {
		_, body := c.with("Accept", accept).do("GET", "/library/metadata/"+key, nil)
		var doc container
		if err := xml.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		v := doc.Video[0]
		equal(t, "XML", []any{doc.Size, v.RatingKey, v.Title, v.UserRating, v.Media[0].Part[0].File, v.Field[0].Name, v.Field[0].Locked},
			[]any{1, key, "A <b> & \"c\"\n\u2028", "7.5", "/media/The harbour.mp4", "title", "1"})
	}
	row := func() map[string]any {
		return c.get("/library/metadata/" + key)["Metadata"].([]any)[0].(map[string]any)
	}
	equal(t, "JSON", []any{row()["ratingKey"], row()["title"], row()["userRating"], row()["librarySectionID"]},
		[]any{key, "A <b> & \"c\"\n\u2028", 7.5, 1.0})
	s.Set(func(o *simplex.Options) { o.NumbersAsStrings = true })
	equal(t, "JSON with strings", []any{row()["ratingKey"], row()["userRating"], row()["librarySectionID"]}, []any{key, "7.5", "1"})
	c.edit(key, "userRating.value=8")
	equal(t, "a whole rating", row()["userRating"], "8.0")
	s.Set(func(o *simplex.Options) { o.HonourExcludes = true })
	full := c.get("/library/metadata/" + key + "?excludeFields=summary,title&excludeElements=Media")["Metadata"].([]any)[0].(map[string]any)
	equal(t, "what was excluded", []any{full["summary"], full["title"], full["Media"], full["ratingKey"]}, []any{nil, nil, nil, key})
}

func TestAnEditAnswersNothing(t *testing.T) {
	_, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	resp, err := c.send("PUT", "/library/sections/1/all?type=1&id="+key+"&title.value=x", nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	equal(t, "answer", []any{resp.StatusCode, len(body), resp.ContentLength}, []any{200, 0, int64(0)})
}

func TestGzipIfAskedFor(t *testing.T) {
	_, c, _ := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	resp, err := c.with("Accept-Encoding", "gzip").send("GET", "/library/sections", nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "encoding", resp.Header.Get("Content-Encoding"), "gzip")
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.NewDecoder(z).Decode(&doc); err != nil {
		t.Error(err)
	}
}

func TestTheLogAndTheCounters(t *testing.T) {
	now := time.Unix(1000, 0)
	s, c, key := oneMovie(t, simplex.Options{Now: func() time.Time { return now }}, simplex.ItemSpec{})
	c = c.with("X-Plex-Product", "PlexSync").with("X-Plex-Version", "1.0")
	c.with("X-Plex-Token", "").do("GET", "/identity", nil)
	c.do("GET", "/library/metadata/"+key+"?a=1&a=2", nil)
	c.with("X-Plex-Client-Identifier", "second").edit(key, "title.value=x")
	c.do("POST", "/library/metadata/"+key+"/posters", []byte("abc"))
	c.do("GET", "/library/sections/1/refresh?path=%2Fx", nil)
	equal(t, "counts", s.Counts(), simplex.Counts{Total: 5, Reads: 1, Writes: 1, Uploads: 1, ProbeIdentity: 1, Scans: 1, PeakWrites: 1,
		ByRoute: map[string]int{"GET /identity": 1, "GET /library/metadata/{ids}": 1, "PUT /library/sections/{id}/all": 1,
			"POST /library/metadata/{id}/posters": 1, "GET /library/sections/{id}/refresh": 1}})
	log := s.Requests()
	equal(t, "request 2", log[1], simplex.Request{N: 2, At: now, Host: "plex.test:32400", Method: "GET", Path: "/library/metadata/" + key,
		Query: url.Values{"a": {"1", "2"}}, Route: "GET /library/metadata/{ids}", Device: "test", Token: true, Status: 200,
		URLBytes: len("/library/metadata/" + key + "?a=1&a=2")})
	equal(t, "token on the probe", log[0].Token, false)
	equal(t, "upload", []int{log[3].Status, log[3].BodyBytes}, []int{400, 3})
	equal(t, "devices", s.Devices(), []simplex.Device{
		{Identifier: "test", Product: "PlexSync", Version: "1.0"}, {Identifier: "second", Product: "PlexSync", Version: "1.0"}})
	s.ResetCounts()
	equal(t, "counts after a reset", s.Counts(), simplex.Counts{ByRoute: map[string]int{}})
	c.get("/")
	equal(t, "number after a reset", s.Requests()[0].N, 6)
}

func TestWritesTakeTheirTimeOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, key := oneMovie(t, simplex.Options{WriteTime: time.Second, ReadLatency: 10 * time.Millisecond,
			WriteLatency: 100 * time.Millisecond}, simplex.ItemSpec{})
		start := time.Now()
		c.get("/library/sections")
		equal(t, "a read takes", time.Since(start), 10*time.Millisecond)
		start = time.Now()
		var writers sync.WaitGroup
		for range 3 {
			writers.Go(func() { c.edit(key, "title.value=x") })
		}
		writers.Wait()
		equal(t, "three writes take", time.Since(start), 3*time.Second+100*time.Millisecond)
		equal(t, "the writer was busy", s.WriteBusy(), 3*time.Second)
		equal(t, "writes at once", s.Counts().PeakWrites, 3)
	})
}

func TestAWriteGoesOnWithoutTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, key := oneMovie(t, simplex.Options{WriteTime: time.Minute}, simplex.ItemSpec{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "PUT", "http://plex.test/library/sections/1/all?type=1&id="+key+"&title.value=x", nil)
		req.Header = c.header
		start := time.Now()
		_, err := s.Transport().RoundTrip(req)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		equal(t, "title at once", item(t, s, key).Scalars["title"], "The harbour")
		time.Sleep(time.Minute)
		synctest.Wait()
		equal(t, "title later", item(t, s, key).Scalars["title"], "x")
	})
}

func TestManyClientsAtOnce(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, genres("a"))
	url, stop := s.Start()
	defer stop()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				name := string(rune('a' + (i+j)%8))
				c.edit(key, "genre[0].tag.tag="+name, "title.value="+name, "collection[0].tag.tag="+name)
				c.edit(key, "collection[].tag.tag-="+name)
				c.get("/library/sections/1/all?type=1")
				c.get("/library/metadata/" + key)
				s.EditByPerson(key, simplex.Values{Scalars: map[string]string{"summary": name}})
				s.Snapshot()
				s.Counts()
				if resp, err := http.Get(url + "/identity"); err != nil || resp.Body.Close() != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	equal(t, "genres", len(item(t, s, key).Tags["genre"]), 8)
	equal(t, "collections", len(s.Collections("1")), 0)
}

func TestOverASocket(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	url, stop := s.Start()
	defer stop()
	do := func(method, target string, body []byte) (int, string, error) {
		req, _ := http.NewRequest(method, url+target, bytes.NewReader(body))
		req.Header = c.header.Clone()
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(answer), err
	}
	status, body, err := do("PUT", "/library/sections/1/all?type=1&id="+key+"&title.value=x", nil)
	equal(t, "edit", []any{status, body, err}, []any{200, "", nil})
	status, body, err = do("GET", "/library/sections/1/all?type=1", nil)
	equal(t, "list", []any{status, err, strings.Contains(body, `"title":"x"`)}, []any{200, nil, true})
	status, _, err = do("POST", "/library/metadata/"+key+"/posters", picture(t, 1))
	equal(t, "upload", []any{status, err}, []any{200, nil})
	equal(t, "poster", item(t, s, key).PosterSHA1, hash(picture(t, 1)))
	s.Set(func(o *simplex.Options) { o.Down = true })
	if _, _, err = do("GET", "/identity", nil); err == nil {
		t.Error("a server that is down answered")
	}
	stop()
	s.Set(func(o *simplex.Options) { o.Down = false })
	if _, _, err = do("GET", "/identity", nil); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a server that was stopped: %v", err)
	}
	_, stop, err = s.StartAt(strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	status, _, err = do("GET", "/identity", nil)
	equal(t, "a server that came back", []any{status, err}, []any{200, nil})
}
