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

// maxGallery is how many uploads of an item are remembered while a picture is set.
const maxGallery = 10_000

// SetPicture makes img the item's poster or background, and reports whether it had
// to be uploaded. Plex keeps every upload for ever, so what it has already is
// selected instead; it names uploads by the SHA-1 of their bytes
// (upload://posters/<sha1>, upload://art/<sha1>). A Plex that names them otherwise
// gets the picture again with each call, but not with the repeats of one. It is
// idempotent.
func (c *Client) SetPicture(ctx context.Context, key string, slot Slot, img []byte) (uploaded bool, err error) {
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
	sum := sha1.Sum(img)
	suffix := "/" + hex.EncodeToString(sum[:])
	item := "/library/metadata/" + key + "/" + string(slot)
	// An upload that failed may have arrived all the same, so each repeat begins by
	// looking: for the picture's name, and for an upload that was not there before.
	var before map[string]bool
	err = patiently(ctx, op, func() error {
		there, selected := "", false
		uploads := map[string]bool{}
		if err := c.try(ctx, request{op: op, method: http.MethodGet, path: item + "s",
			decode: func(_ http.Header, r io.Reader) error {
				there, selected = "", false
				clear(uploads)
				_, err := decode(r, func(p wirePicture) error {
					uri := string(p.RatingKey)
					switch {
					case !strings.HasPrefix(uri, "upload://"):
					case strings.HasSuffix(uri, suffix):
						there, selected = uri, selected || bool(p.Selected)
					case uploaded && bool(p.Selected) && !before[uri] && len(before) < maxGallery:
						selected = true
					case len(uploads) < maxGallery:
						uploads[uri] = true
					}
					return nil
				})
				return err
			}}); err != nil {
			return err
		}
		switch {
		case selected:
			return nil
		case there != "":
			return c.try(ctx, request{op: op, method: http.MethodPut, path: item + "?url=" + escape(there)})
		}
		before, uploaded = uploads, true
		return c.try(ctx, request{op: op, method: http.MethodPost, path: item + "s", body: img,
			header: map[string]string{"Content-Type": kind}})
	})
	return uploaded, err
}
