package plex

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/plexsync/plexsync/internal/job"
)

// Slot is a place for a picture at an item.
type Slot string

// The slots.
const (
	Poster Slot = "poster"
	Art    Slot = "art"
)

// maxPicture is the most that Plex takes of a picture, in bytes; above 10 MB it
// answers 500.
const maxPicture = 10_000_000

// ErrPicture marks a picture that Plex would not take; nothing is asked then.
var ErrPicture = errors.New("not a picture for Plex")

// maxCompared is how many uploads of an item are compared by their bytes with a picture
// that is not there by its name.
const maxCompared = 8

// SetPicture makes img the item's poster or background, and reports whether it had to be
// uploaded. It is idempotent. Plex keeps every upload for ever, but names it by the SHA-1
// of its bytes (upload://posters/<sha1>, upload://art/<sha1>) and keeps the same bytes
// once, so a first upload asks nothing. perhaps says that img may have been uploaded
// already: then, and before each repeat of an upload that failed, the item's pictures are
// listed, and what is there is selected instead. Of a Plex that names uploads otherwise
// ([Habits].Uploads, which the first upload finds out by one list) the uploads are then
// compared by their bytes.
func (c *Client) SetPicture(ctx context.Context, key string, slot Slot, img []byte, perhaps bool) (uploaded bool, err error) {
	op := fmt.Sprintf("set the %s of item %s", slot, key)
	if !isKey(key) {
		return false, badKey(fmt.Sprintf("set the %s of an item", slot), key)
	}
	kind := http.DetectContentType(img)
	wrong := ""
	switch {
	case len(img) == 0:
		wrong = "it is empty"
	case len(img) > maxPicture:
		wrong = fmt.Sprintf("it has %.1f MB, and Plex accepts at most 10", float64(len(img))/1e6)
	case !strings.HasPrefix(kind, "image/"):
		wrong = "it is " + kind
	}
	if wrong != "" {
		return false, &job.Error{Class: job.ClassRejected, Op: op, Err: fmt.Errorf("%w: %s", ErrPicture, wrong)}
	}
	g := gallery{c: c, op: op, item: "/library/metadata/" + key, slot: slot, sum: sha1.Sum(img)}
	err = patiently(ctx, op, func() error {
		// An upload that failed may have arrived all the same.
		if perhaps || uploaded {
			found, selected, err := g.find(ctx)
			switch {
			case err != nil, selected:
				return err
			case found != "":
				return c.try(ctx, request{op: op, method: http.MethodPut, path: g.path() + "?url=" + escape(found)})
			}
		}
		uploaded = true
		return c.try(ctx, request{op: op, method: http.MethodPost, path: g.path() + "s", body: img,
			header: map[string]string{"Content-Type": kind}})
	})
	if err == nil && uploaded {
		g.learn(ctx)
	}
	return uploaded, err
}

// gallery is the pictures of one item, and one that may be among them.
type gallery struct {
	c        *Client
	op, item string
	slot     Slot
	sum      [sha1.Size]byte
}

func (g gallery) path() string { return g.item + "/" + string(g.slot) }

// uploads are an item's, as its gallery shows them.
type uploads struct {
	named    string   // has the picture's name; "" if none has
	selected string   // is the item's picture; "" if none is
	others   []string // have other names: the selected one first, at most maxCompared
}

// list reads the uploads.
func (g gallery) list(ctx context.Context) (u uploads, err error) {
	suffix := "/" + hex.EncodeToString(g.sum[:])
	err = g.c.try(ctx, request{op: g.op, method: http.MethodGet, path: g.path() + "s", decode: func(_ http.Header, r io.Reader) error {
		u = uploads{}
		_, err := decode(r, func(p wirePicture) error {
			uri := string(p.RatingKey)
			if !strings.HasPrefix(uri, "upload://") {
				return nil
			}
			at := len(u.others)
			if p.Selected {
				u.selected, at = uri, 0
			}
			if strings.HasSuffix(uri, suffix) {
				u.named = uri
			} else if u.others = slices.Insert(u.others, at, uri); len(u.others) > maxCompared {
				u.others = u.others[:maxCompared]
			}
			return nil
		})
		return err
	}})
	return u, err
}

// find looks for the picture: by its name, or by its bytes where uploads may have other
// names. found is "" if it is not there.
func (g gallery) find(ctx context.Context) (found string, selected bool, err error) {
	u, err := g.list(ctx)
	if err != nil {
		return "", false, err
	}
	if u.named != "" {
		g.c.learn(func(h *Habits) { h.Uploads = UploadsByHash })
		return u.named, u.selected == u.named, nil
	}
	if g.c.Habits().Uploads == UploadsByHash {
		return "", false, nil
	}
	for _, uri := range u.others {
		same, err := g.holds(ctx, uri)
		if err != nil {
			return "", false, err
		}
		if same {
			g.c.learn(func(h *Habits) { h.Uploads = UploadsOtherwise })
			return uri, u.selected == uri, nil
		}
	}
	return "", false, nil
}

// holds reports whether an upload has the picture's bytes. One that Plex does not show
// has others.
func (g gallery) holds(ctx context.Context, uri string) (same bool, err error) {
	err = g.c.try(ctx, request{op: g.op, method: http.MethodGet, path: g.item + "/file?url=" + escape(uri), limit: maxPicture,
		decode: func(_ http.Header, r io.Reader) error {
			sum := sha1.New()
			_, err := io.Copy(sum, whole{r})
			same = err == nil && bytes.Equal(sum.Sum(nil), g.sum[:])
			return err
		}})
	if job.ClassOf(err) == job.ClassRejected || errors.Is(err, errTooLarge) {
		return false, nil
	}
	return same, err
}

// whole reads an answer that is one value of any size.
type whole struct{ r io.Reader }

func (w whole) Read(p []byte) (int, error) {
	if b, ok := w.r.(*bounded); ok {
		b.renew()
	}
	return w.r.Read(p)
}

// learn finds out how Plex names uploads, after the first one. That it does not show them
// now is no failure of the upload; the next finds it out then.
func (g gallery) learn(ctx context.Context) {
	if g.c.Habits().Uploads != UploadsUnknown || !g.c.naming.CompareAndSwap(false, true) {
		return
	}
	defer g.c.naming.Store(false)
	u, err := g.list(ctx)
	if err != nil {
		return
	}
	g.c.learn(func(h *Habits) {
		if h.Uploads = UploadsOtherwise; u.named != "" {
			h.Uploads = UploadsByHash
		}
	})
}
