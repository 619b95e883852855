package plex

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
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

// ErrPicture marks a picture that Plex would not take.
var ErrPicture = errors.New("not a picture for Plex")

// SetPicture makes img the item's poster or background, and reports whether it had
// to be uploaded. Plex keeps every upload for ever, so what it has already is
// selected instead; it names uploads by the SHA-1 of their bytes. It is idempotent.
func (c *Client) SetPicture(ctx context.Context, key string, slot Slot, img []byte) (uploaded bool, err error) {
	op := fmt.Sprintf("set the %s of item %s", slot, key)
	if !digits(key) {
		return false, badKey(op, key)
	}
	switch kind := http.DetectContentType(img); {
	case len(img) == 0:
		return false, fmt.Errorf("%s: %w: it is empty", op, ErrPicture)
	case len(img) > maxPicture:
		return false, fmt.Errorf("%s: %w: it has %.1f MB, Plex takes at most 10", op, ErrPicture, float64(len(img))/1e6)
	case !strings.HasPrefix(kind, "image/"):
		return false, fmt.Errorf("%s: %w: it is %s", op, ErrPicture, kind)
	}
	sum := sha1.Sum(img)
	name := "upload://" + string(slot) + "s/" + hex.EncodeToString(sum[:])
	item := "/library/metadata/" + key + "/"
	var there, selected bool
	if err := c.do(ctx, request{op: op, method: http.MethodGet, path: item + string(slot) + "s",
		decode: func(_ *http.Response, r io.Reader) error {
			m, err := decode[wirePicture](r)
			there, selected = false, false
			for _, p := range m.Metadata {
				if string(p.RatingKey) == name {
					there, selected = true, bool(p.Selected)
				}
			}
			return err
		}}); err != nil {
		return false, err
	}
	switch {
	case selected:
		return false, nil
	case there:
		return false, c.do(ctx, request{op: op, method: http.MethodPut, path: item + string(slot) + "?url=" + escape(name)})
	}
	// The same bytes are the same upload, so repeating this does no harm.
	return true, c.do(ctx, request{op: op, method: http.MethodPost, path: item + string(slot) + "s", body: img,
		header: map[string]string{"Content-Type": http.DetectContentType(img)}})
}
