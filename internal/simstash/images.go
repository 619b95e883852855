package simstash

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// placeholderSize is the size of the picture that Stash serves for a scene
// without a cover.
const placeholderSize = 733

// Placeholder is the picture of a scene without a cover: an SVG of 733 bytes.
func Placeholder() []byte {
	const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 9"><rect width="16" height="9" fill="#202b33"/><path d="M6 2v5l4-2.5z" fill="#5c7080"/>`
	const foot = "</svg>\n"
	return []byte(head + strings.Repeat(" ", placeholderSize-len(head)-len(foot)) + foot)
}

// serveImage serves covers and the pictures of performers, studios, tags and
// groups; false when the path is none of these.
func (s *Server) serveImage(w http.ResponseWriter, r *http.Request) bool {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) != 3 || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	switch parts[0] + "/" + parts[2] {
	case "scene/screenshot", "performer/image", "studio/image", "tag/image", "group/frontimage", "group/backimage":
	default:
		return false
	}
	id, err := strconv.ParseInt(parts[1], 10, 64)
	var image []byte
	found := false
	s.mu.RLock()
	switch {
	case err != nil:
	case parts[0] == "scene":
		if o := s.lib.scenes.get(id); o != nil {
			image, found = o.Cover, true
		}
	case parts[0] == "performer":
		if o := s.lib.performers.get(id); o != nil {
			image, found = o.Image, true
		}
	case parts[0] == "studio":
		if o := s.lib.studios.get(id); o != nil {
			image, found = o.Image, true
		}
	case parts[0] == "tag":
		if o := s.lib.tags.get(id); o != nil {
			image, found = o.Image, true
		}
	case parts[0] == "group":
		if o := s.lib.groups.get(id); o != nil {
			if image, found = o.FrontImage, true; parts[2] == "backimage" {
				image = o.BackImage
			}
		}
	}
	s.mu.RUnlock()
	if !found {
		http.Error(w, http.StatusText(http.StatusNotFound), http.StatusNotFound)
		return true
	}
	if image == nil || r.URL.Query().Get("default") == "true" && parts[0] != "scene" {
		image = Placeholder()
	}
	kind := http.DetectContentType(image)
	if kind == "text/xml; charset=utf-8" || kind == "text/plain; charset=utf-8" {
		kind = "image/svg+xml"
	}
	sum := md5.Sum(image)
	w.Header().Set("Content-Type", kind)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	if r.URL.Query().Has("t") {
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	} else {
		w.Header().Set("Cache-Control", "no-cache")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(image))
	return true
}

var dataURL = regexp.MustCompile(`^data:.+/(.+);base64,(.*)$`)

// imageInput decodes a picture given to a mutation as a data URL. Stash would
// fetch any other string from the network; the simulator does not.
func imageInput(given any) ([]byte, error) {
	text, _ := given.(string)
	if text == "" {
		return nil, nil
	}
	m := dataURL.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("simstash: pictures from URLs are not simulated")
	}
	return base64.StdEncoding.DecodeString(m[2])
}
