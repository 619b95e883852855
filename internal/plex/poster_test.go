package plex_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/plexsync/plexsync/internal/simplex"
)

func TestAPosterIsRead(t *testing.T) {
	c, s, section := pair(t, nil)
	key := s.AddItem(section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/a.mp4"}}})
	kind, image, err := c.Poster(t.Context(), key)
	if err != nil || kind != "image/png" || http.DetectContentType(image) != kind {
		t.Errorf("%s, %d bytes, %v", kind, len(image), err)
	}
	if kind, image, err := c.Poster(t.Context(), "999999"); err != nil || kind != "" || len(image) > 0 {
		t.Errorf("of no item: %s, %d bytes, %v", kind, len(image), err)
	}
	if _, _, err := c.Poster(t.Context(), "1/../../library"); err == nil {
		t.Error("a key that is none is taken")
	}
}

// TestAPosterIsOnlyEverAPictureOfThisServer: whoever may edit in Plex can set an address,
// and what is shown in Stash's page must be a picture.
func TestAPosterIsOnlyEverAPictureOfThisServer(t *testing.T) {
	for name, r := range map[string]simplex.Rule{
		"a page":           {Path: "/thumb/", Status: 200, Body: "<html><script>alert(1)</script>"},
		"an SVG":           {Path: "/thumb/", Status: 200, Body: `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`},
		"too large a file": {Path: "/thumb/", Status: 200, Body: "\x89PNG\r\n\x1a\n" + strings.Repeat("x", 3<<20)},
		"a redirect":       {Path: "/thumb/", RedirectTo: "http://127.0.0.1:1/"},
		"nothing":          {Path: "/thumb/", Status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			c, s, section := pair(t, nil)
			key := s.AddItem(section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/a.mp4"}}})
			r.Count = -1
			s.Script(r)
			if kind, image, err := c.Poster(t.Context(), key); err == nil || len(image) > 0 {
				t.Errorf("%s, %d bytes", kind, len(image))
			}
		})
	}
	for _, thumb := range []string{"http://127.0.0.1:1/x.jpg", "//127.0.0.1/x", "/library/metadata/2/thumb/1", "/library/metadata/1/thumb/1?url=http://127.0.0.1:1", "/library/metadata/1/thumb/../../../:/prefs", "/library/metadata/1/thumb/"} {
		asked := 0
		c := client(t, "http://plex.test:32400", transport(func(r *http.Request) (*http.Response, error) {
			if asked++; asked > 1 {
				t.Errorf("%s: %s is asked for", thumb, r.URL)
			}
			body := fmt.Sprintf(`{"MediaContainer":{"size":1,"Metadata":[{"ratingKey":"1","type":"movie","title":"A","thumb":%q}]}}`, thumb)
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		}))
		if _, image, err := c.Poster(t.Context(), "1"); err == nil || len(image) > 0 {
			t.Errorf("%s: %d bytes", thumb, len(image))
		}
	}
}
