package simplex_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/plexsync/plexsync/internal/simplex"
)

// A client asks a server in process, as its owner, for JSON.
type client struct {
	t      *testing.T
	s      *simplex.Server
	header http.Header
}

func newClient(t *testing.T, s *simplex.Server) *client {
	return &client{t, s, http.Header{"Accept": {"application/json"},
		"X-Plex-Token": {s.Options().Token}, "X-Plex-Client-Identifier": {"test"}}}
}

// with is the client with another header; "" takes it away.
func (c *client) with(name, value string) *client {
	d := *c
	d.header = c.header.Clone()
	if d.header.Del(name); value != "" {
		d.header.Set(name, value)
	}
	return &d
}

func (c *client) send(method, target string, body []byte) (*http.Response, error) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, "http://plex.test:32400"+target, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header = c.header.Clone()
	return c.s.Transport().RoundTrip(req)
}

// do wants an answer and returns its status and body.
func (c *client) do(method, target string, body []byte) (int, string) {
	c.t.Helper()
	resp, err := c.send(method, target, body)
	if err != nil {
		c.t.Fatal(err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// put edits and wants the status.
func (c *client) put(status int, target string, params ...string) {
	c.t.Helper()
	if got, _ := c.do("PUT", target+"?"+strings.Join(params, "&"), nil); got != status {
		c.t.Errorf("PUT %s %v: %d, want %d", target, params, got, status)
	}
}

// edit writes to one movie of the first section and wants it to succeed.
func (c *client) edit(key string, params ...string) {
	c.t.Helper()
	c.put(200, "/library/sections/1/all", append([]string{"type=1", "id=" + key}, params...)...)
}

// get wants 200 and returns the MediaContainer.
func (c *client) get(target string) map[string]any {
	c.t.Helper()
	status, body := c.do("GET", target, nil)
	if status != 200 {
		c.t.Fatalf("GET %s: %d", target, status)
	}
	var doc map[string]map[string]any
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		c.t.Fatalf("GET %s: %v in %s", target, err, body)
	}
	return doc["MediaContainer"]
}

// titles returns the titles of a listing, joined by blanks.
func (c *client) titles(target string) string {
	c.t.Helper()
	return strings.Join(column(c.get(target), "title"), " ")
}

func column(container map[string]any, name string) []string {
	var list []string
	rows, _ := container["Metadata"].([]any)
	for _, row := range rows {
		list = append(list, fmt.Sprint(row.(map[string]any)[name]))
	}
	return list
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got\n\t%#v\nwant\n\t%#v", what, got, want)
	}
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

func hash(b []byte) string {
	sum := sha1.Sum(b)
	return hex.EncodeToString(sum[:])
}
