package plex

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/plexsync/plexsync/internal/job"
)

// maxPoster is the largest picture that [Client.Poster] reads, in bytes: one that a page
// can show many of.
const maxPoster = 2 << 20

// Poster reads the poster that an item shows, and its type as a browser names it. Both are
// empty if Plex has no such item, or the item no poster. What comes is a picture of a kind
// that runs nothing (no SVG); anything else is an error.
func (c *Client) Poster(ctx context.Context, key string) (kind string, image []byte, err error) {
	items, err := c.Items(ctx, []string{key})
	if err != nil || len(items) == 0 || items[0].Thumb == "" {
		return "", nil, err
	}
	op := "read the poster of item " + key
	thumb := items[0].Thumb
	// As Plex gives it: /library/metadata/4711/thumb/1699999999. The token goes to no other
	// place, and an address that was set by somebody else is not asked.
	number, ok := strings.CutPrefix(thumb, itemPath+key+"/thumb/")
	if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
		return "", nil, &job.Error{Class: job.ClassBusy, Op: op, Err: errors.New("its poster is not on this server")}
	}
	err = c.do(ctx, request{op: op, method: http.MethodGet, path: thumb, header: map[string]string{"Accept": "image/*"}, limit: maxPoster,
		decode: func(_ http.Header, r io.Reader) (err error) {
			image, err = io.ReadAll(r)
			return err
		}})
	if err != nil {
		return "", nil, err
	}
	kind = http.DetectContentType(image)
	if !slices.Contains([]string{"image/jpeg", "image/png", "image/webp", "image/gif"}, kind) {
		return "", nil, &job.Error{Class: job.ClassBusy, Op: op, Err: errors.New("it is no picture")}
	}
	return kind, image, nil
}
