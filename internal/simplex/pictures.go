package simplex

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxImage is the most bytes that a picture may have: Kometa's limit, above
// which the server was seen to answer 500.
const maxImage = 10_480_000

// A slot is a place for a picture. The paths to list and to upload have a plural
// name (posters, arts), the one to choose a singular one.
type slot struct {
	field  string // the name of the lock and of the address
	folder string // in the names of pictures
}

var (
	slotPoster = slot{"thumb", "posters"}
	slotArt    = slot{"art", "art"} // seen on real servers, unlike "arts"
)

func (s slot) of(it *item) *gallery {
	if s == slotArt {
		return &it.art
	}
	return &it.thumb
}

// address is where the selected picture is; its number moves with it.
func (s slot) address(it *item) string {
	g := s.of(it)
	if g.selected == "" {
		return ""
	}
	return "/library/metadata/" + itemKey(it) + "/" + s.field + "/" + strconv.FormatInt(g.at, 10)
}

// list is GET /library/metadata/{id}/posters.
func (s slot) list(c *call) answer {
	it := c.s.items[parseKey(c.args[0])]
	if it == nil {
		return page(http.StatusNotFound)
	}
	g := s.of(it)
	n := container(len(g.pictures))
	n.set("identifier", identifier)
	for _, p := range g.pictures {
		file := "/library/metadata/" + itemKey(it) + "/file?url=" + url.QueryEscape(p.uri)
		e := &node{xml: "Photo", json: "Metadata"}
		e.set("key", file)
		e.setText("provider", p.provider)
		e.set("ratingKey", p.uri)
		e.set("selected", p.uri == g.selected)
		e.set("thumb", file)
		n.add(e)
	}
	return c.show(n)
}

// image is the picture of an upload: the body, or what ?url= leads to. The
// status is 200 if there is one.
func (c *call) image() ([]byte, int) {
	img := c.body
	if address, given := first(c.query, "url"); given {
		var err error
		if img, err = c.opt.Fetch(c.ctx, address); err != nil {
			return nil, http.StatusBadRequest
		}
	}
	switch {
	case len(img) > maxImage:
		return nil, http.StatusInternalServerError
	case !strings.HasPrefix(http.DetectContentType(img), "image/"):
		return nil, http.StatusBadRequest
	}
	return img, http.StatusOK
}

// upload is POST /library/metadata/{id}/posters.
func (s slot) upload(c *call, img []byte) answer {
	it := c.s.items[parseKey(c.args[0])]
	if it == nil {
		return page(http.StatusNotFound)
	}
	before := len(s.of(it).pictures)
	uri := c.s.addPicture(it, s, img, API)
	s.selectPicture(c, it, uri, "upload", len(s.of(it).pictures) > before)
	return done()
}

// choose is PUT /library/metadata/{id}/poster?url=.
func (s slot) choose(c *call) answer {
	it := c.s.items[parseKey(c.args[0])]
	uri, _ := first(c.query, "url")
	if it == nil || !s.of(it).has(uri) {
		return page(http.StatusNotFound)
	}
	s.selectPicture(c, it, uri, "select", s.of(it).selected != uri)
	return done()
}

func (s slot) selectPicture(c *call, it *item, uri, op string, changed bool) {
	if g := s.of(it); g.selected != uri {
		g.choose(uri, c.s.now())
	}
	if !c.opt.NoPictureLock {
		it.setLock(s.field, true)
	}
	c.s.touch(it)
	c.s.note(it, Write{Request: c.entry.N, By: API, Field: s.field, Op: op, Value: uri, Changed: changed})
}

// addPicture keeps a picture under the hash of its bytes: the same bytes are
// there once, others stay for ever. With Options.RandomUploads each upload has a
// name of its own.
func (s *Server) addPicture(it *item, sl slot, img []byte, by Author) (uri string) {
	sum := sha1.Sum(img)
	hash := hex.EncodeToString(sum[:])
	if s.blobs[hash] == nil {
		s.blobs[hash] = slices.Clone(img)
	}
	name := hash
	if s.opt.RandomUploads {
		sum := sha1.Sum(fmt.Appendf(nil, "upload %d", s.newID()))
		name = hex.EncodeToString(sum[:])
	}
	p := picture{uri: "upload://" + sl.folder + "/" + name, sha1: hash}
	if by == Agent {
		p.uri, p.provider = "metadata://"+sl.folder+"/tv.plex.agents.movie_"+hash, "tv.plex.agents.movie"
	}
	if g := sl.of(it); !g.has(p.uri) {
		g.pictures = append(g.pictures, p)
	}
	return p.uri
}

// serveSelected is GET /library/metadata/{id}/thumb/{number}; any number does.
func (s slot) serveSelected(c *call) answer {
	it := c.s.items[parseKey(c.args[0])]
	if it == nil {
		return page(http.StatusNotFound)
	}
	return c.picture(it, s.of(it).selected)
}

// file is GET /library/metadata/{id}/file?url=upload://….
func (c *call) file() answer {
	it := c.s.items[parseKey(c.args[0])]
	uri, _ := first(c.query, "url")
	if it == nil {
		return page(http.StatusNotFound)
	}
	return c.picture(it, uri)
}

func (c *call) picture(it *item, uri string) answer {
	for _, p := range slices.Concat(it.thumb.pictures, it.art.pictures) {
		if p.uri != uri {
			continue
		}
		img := c.s.blobs[p.sha1]
		if img == nil {
			img = frame(it.key)
		}
		return answer{status: http.StatusOK, header: http.Header{"Content-Type": {http.DetectContentType(img)}}, body: slices.Clone(img)}
	}
	return page(http.StatusNotFound)
}

// frame stands for a frame that Plex grabbed from the video.
func frame(key int64) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 16, 9))
	for i := range img.Pix {
		img.Pix[i] = 0xff
	}
	img.Set(0, 0, color.RGBA{byte(key), byte(key >> 8), byte(key >> 16), 0xff})
	var b bytes.Buffer
	png.Encode(&b, img) // a buffer cannot fail
	return b.Bytes()
}
