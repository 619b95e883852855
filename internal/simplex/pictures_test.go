package simplex_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
)

// choices are the pictures as listed, the selected one with a star.
func choices(c *client, target string) string {
	var list []string
	rows, _ := c.get(target)["Metadata"].([]any)
	for _, row := range rows {
		p := row.(map[string]any)
		uri := p["ratingKey"].(string)
		if p["selected"] == true {
			uri += "*"
		}
		list = append(list, uri)
	}
	return strings.Join(list, " ")
}

func TestUploadsAreKeptByTheirBytes(t *testing.T) {
	now := time.Unix(1000, 0)
	s, c, key := oneMovie(t, simplex.Options{Now: func() time.Time { return now }}, simplex.ItemSpec{})
	one, two := picture(t, 1), picture(t, 2)
	posters := "/library/metadata/" + key + "/posters"
	frame := item(t, s, key).Posters[0]
	thumbs := []string{item(t, s, key).Thumb}
	upload := func(img []byte) {
		status, body := c.do("POST", posters, img)
		equal(t, "answer to an upload", []any{status, body}, []any{200, ""})
		thumbs = append(thumbs, item(t, s, key).Thumb)
	}
	equal(t, "posters", choices(c, posters), frame+"*")
	upload(one)
	upload(two)
	first, second := "upload://posters/"+hash(one), "upload://posters/"+hash(two)
	equal(t, "posters", choices(c, posters), frame+" "+first+" "+second+"*")
	upload(one)
	equal(t, "posters", choices(c, posters), frame+" "+first+"* "+second)
	upload(one)

	it := item(t, s, key)
	equal(t, "uploads", it.Uploads, []string{first, second})
	equal(t, "selected", it.PosterSHA1, hash(one))
	equal(t, "locks", it.Locks, []string{"thumb"})
	// The number moves with the picture even within a second, and only then.
	prefix := "/library/metadata/" + key + "/thumb/"
	equal(t, "thumbs", thumbs, []string{prefix + "1000", prefix + "1001", prefix + "1002", prefix + "1003", prefix + "1003"})
	var ops []any
	for _, w := range s.WritesTo(key, "thumb") {
		ops = append(ops, w.Op, w.Value, w.Changed)
	}
	equal(t, "history", ops, []any{"upload", first, true, "upload", second, true, "upload", first, false, "upload", first, false})
	img, _ := s.Picture(hash(two))
	equal(t, "bytes", img, two)
}

func TestAPictureIsSelectedAgainWithoutAnUpload(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{NoPictureLock: true}, simplex.ItemSpec{})
	base := "/library/metadata/" + key
	frame := item(t, s, key).Posters[0]
	c.do("POST", base+"/posters", picture(t, 1))
	c.do("POST", base+"/arts", picture(t, 2))
	equal(t, "art", item(t, s, key).ArtSHA1, hash(picture(t, 2)))
	c.put(200, base+"/poster", "url="+q(frame))
	equal(t, "selected", choices(c, base+"/posters"), frame+"* upload://posters/"+hash(picture(t, 1)))
	c.put(404, base+"/poster", "url="+q("upload://posters/"+hash(picture(t, 2))))
	c.put(404, base+"/art", "url="+q(frame))
	c.put(200, base+"/art", "url="+q("upload://art/"+hash(picture(t, 2))))
	equal(t, "locks", item(t, s, key).Locks, []string(nil))
	status, _ := c.do("DELETE", base+"/posters?url="+q(frame), nil)
	equal(t, "status of taking a picture away", status, 404)
	equal(t, "violations", s.Violations(), []simplex.Violation(nil))
}

func TestPicturesAreServed(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	base := "/library/metadata/" + key
	get := func(target string) string {
		resp, err := c.send("GET", target, nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Header.Get("Content-Type")
	}
	frame := item(t, s, key).Thumb
	equal(t, "type of a frame", get(frame), "image/png")
	equal(t, "type of no art", get(base+"/art/1"), "text/html")
	one, two := picture(t, 1), picture(t, 2)
	c.do("POST", base+"/posters", one)
	c.do("POST", base+"/posters", two)
	_, body := c.do("GET", item(t, s, key).Thumb, nil)
	equal(t, "selected poster", []byte(body), two)
	for _, row := range c.get(base + "/posters")["Metadata"].([]any)[1:2] {
		_, body = c.do("GET", row.(map[string]any)["key"].(string), nil)
		equal(t, "poster by its key", []byte(body), one)
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	png := picture(t, 1)
	padded := func(n int) []byte { return append(png[:len(png):len(png)], bytes.Repeat([]byte{0}, n-len(png))...) }
	fetch := func(_ context.Context, url string) ([]byte, error) {
		if url == "http://stash.test/1.png" {
			return png, nil
		}
		return nil, errors.New("nothing there")
	}
	for _, test := range []struct {
		name   string
		key    string
		query  string
		body   []byte
		status int
	}{
		{"the most that fits", "", "", padded(10_480_000), 200},
		{"one byte more", "", "", padded(10_480_001), 500},
		{"nothing", "", "", nil, 400},
		{"a placeholder in SVG", "", "", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), 400},
		{"a form", "", "", []byte("--x\r\nContent-Disposition: form-data\r\n\r\n" + string(png)), 400},
		{"an address", "", "?url=" + q("http://stash.test/1.png"), nil, 200},
		{"an address with nothing", "", "?url=" + q("http://stash.test/2.png"), nil, 400},
		{"an item that is not there", "999", "", png, 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c, key := oneMovie(t, simplex.Options{Fetch: fetch}, simplex.ItemSpec{})
			if test.key == "" {
				test.key = key
			}
			status, _ := c.do("POST", "/library/metadata/"+test.key+"/posters"+test.query, test.body)
			equal(t, "status", status, test.status)
			equal(t, "uploads", len(item(t, s, key).Uploads) == 1, status == 200)
			equal(t, "counted", s.Counts().Uploads, 1)
		})
	}
}

func TestTheDefaultFetchIsAPlainGET(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	other := simplex.New(simplex.Options{Check: func(r *http.Request) error { return errors.New("refused") }})
	url, stop := other.Start()
	defer stop()
	status, _ := c.do("POST", "/library/metadata/"+key+"/arts?url="+q(url+"/a.png"), nil)
	equal(t, "status", status, 400)
	equal(t, "requests there", len(other.Requests()), 1)
	equal(t, "uploads", item(t, s, key).Uploads, []string(nil))
}
