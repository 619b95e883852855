package stash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/plexsync/plexsync/internal/job"
)

// Cover is the answer to a request for a scene's cover.
type Cover struct {
	Bytes       []byte
	ETag        string // for the next request, "" if there is none
	ContentType string
	// NotModified: it is still the one with the ETag that was given. Placeholder:
	// the scene has no cover (yet). Bytes is empty in both cases.
	NotModified, Placeholder bool
}

// maxCover is the most that is read of a cover, in bytes.
const maxCover = 20 << 20

// Cover fetches a picture from an address that Stash gave, such as
// Scene.ScreenshotURL, unless it is still the one with etag ("" = fetch in any
// case). Only Stash's own host is ever asked: addresses are made from whatever name
// Stash was called by, a reverse proxy's perhaps. A key in the address is not sent.
//
// A picture that Stash itself cannot give is [job.ClassRejected]: not there, broken
// (500), larger than 20 MiB, empty, or no picture. It says nothing about Stash, and
// the scene is synced without it.
func (c *Client) Cover(ctx context.Context, address, etag string) (Cover, error) {
	const op = "fetch a cover from Stash"
	reject := func(why string) (Cover, error) {
		return Cover{}, &job.Error{Class: job.ClassRejected, Op: op, Err: errors.New(why)}
	}
	call, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	u, err := c.own(address)
	if err != nil {
		return reject("its address is not a URL")
	}
	r, err := http.NewRequestWithContext(call, http.MethodGet, u.String(), nil)
	if err != nil {
		return reject("its address is not a URL")
	}
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		err := c.fail(ctx, op, err)
		var e *job.Error
		if errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusInternalServerError) {
			e.Class, e.Hint = job.ClassRejected, ""
		}
		return Cover{}, err
	}
	defer resp.Body.Close()
	out := Cover{ETag: resp.Header.Get("ETag"), ContentType: resp.Header.Get("Content-Type")}
	switch kind := strings.ToLower(out.ContentType); {
	case resp.StatusCode == http.StatusNotModified:
		out.NotModified = true
		return out, nil
	case strings.HasPrefix(kind, "image/svg"):
		// A scene without a cover answers with a drawing, not with a 404.
		out.Placeholder = true
		return out, nil
	case !strings.HasPrefix(kind, "image/"):
		// Stash answers a path that it does not know with its page.
		return reject("what is at its address is not a picture")
	}
	out.Bytes, err = io.ReadAll(io.LimitReader(resp.Body, maxCover+1))
	switch {
	case err != nil:
		return Cover{}, c.fail(ctx, op, err)
	case len(out.Bytes) > maxCover:
		return reject(fmt.Sprintf("it is larger than %d MiB", maxCover>>20))
	case len(out.Bytes) == 0:
		return reject("it is empty")
	}
	return out, nil
}

// own is the same address at our Stash, without a key.
func (c *Client) own(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	own := *c.base
	own.Path, own.RawPath = u.Path, u.RawPath
	// Stash below a path of a proxy does not always know of it.
	if below := c.base.Path; below != "" && !strings.HasPrefix(u.Path, below+"/") {
		own = *c.base.JoinPath(u.EscapedPath())
	}
	q := u.Query()
	for name := range q {
		if strings.EqualFold(name, "apikey") {
			q.Del(name)
		}
	}
	own.RawQuery = q.Encode()
	return &own, nil
}
