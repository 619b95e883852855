// Package poster makes posters of covers: a cover is mostly as wide as a film, and Plex
// shows a poster of two by three. It is pure: bytes go in, bytes come out, and the same
// bytes make the same bytes on every machine, because Plex keeps uploads by their
// content, and for ever. (Another release of Go may write a JPEG otherwise. What is
// remembered of an upload should therefore be the cover and the shape, not the poster.)
//
// Color profiles are not looked at; what is transparent becomes black.
package poster

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"slices"
	"strings"
	"sync"

	"github.com/plexsync/plexsync/internal/fold"
)

// Shape is what becomes of a cover; its values are those of the setting posterShape.
type Shape string

// The shapes. Covers that are narrower than 4:5 keep their own, whatever is asked for.
const (
	Original Shape = "original" // as it is
	Fit      Shape = "fit"      // whole, on black
	Blur     Shape = "blur"     // whole, on its own enlargement, blurred
	Crop     Shape = "crop"     // its middle; nothing is cut off above and below
)

// Shapes returns all shapes, the default first.
func Shapes() []Shape { return []Shape{Original, Fit, Blur, Crop} }

// ParseShape reads the setting, in any case; "" is Original.
func ParseShape(text string) (Shape, error) {
	if strings.TrimSpace(text) == "" {
		return Original, nil
	}
	var names []string
	for _, s := range Shapes() {
		if fold.Name(text) == string(s) {
			return s, nil
		}
		names = append(names, string(s))
	}
	guess := ""
	if near := fold.Nearest(text, slices.Values(names)); near != "" {
		guess = fmt.Sprintf(" (did you mean %s?)", near)
	}
	return Original, fmt.Errorf("%q is not a shape%s; the shapes are %s", text, guess, strings.Join(names, ", "))
}

// version is raised when a shape comes to look otherwise, so that posters are made and
// uploaded once more.
const version = 1

// Key is what to remember of a poster beside its cover: as long as both are the same,
// so is the poster. It is "" for Original, as before there were shapes.
func (s Shape) Key() string {
	if s == Original || s == "" {
		return ""
	}
	return fmt.Sprintf("%s/%d", s, version)
}

const (
	// MaxBytes is the most that Plex takes of a picture; above 10 MB it answers 500.
	MaxBytes = 10_000_000

	// Width and Height are those of a poster that was made, in pixels.
	Width, Height = 1000, 1500

	quality = 90 // of JPEG

	// What is too large for Plex is made no longer than this on either side.
	shrunk = 2560

	// Limits of what is read. Beyond them a cover stays as it is.
	maxPixels = 100_000_000
	maxSide   = 65_535
	memory    = 64 << 20 // bytes, with the cover
	besides   = 4 << 20  // of them, for what is kept of rows, and for tables
)

// Picture is what to upload.
type Picture struct {
	// Bytes may be the cover's own. They are at most MaxBytes.
	Bytes []byte
	// Note says why the cover is not of the shape that was asked for, as what follows
	// "the cover"; "" if it is, or if a narrow cover keeps its own.
	Note string
}

// busy is held by who makes a poster: one at a time, so that the memory is that of one.
var busy sync.Mutex

// Make makes a poster of a cover. A cover that cannot be read, or is larger than is
// safe to read, stays as it is, and the result says why. A cover of more than MaxBytes
// is made smaller, in any shape; the error, which reads as what follows "the cover",
// is one that cannot be.
//
// Up to a hundred megapixels are read, and the header is looked at before any of them.
// It takes at most 64 MiB, the cover's own bytes included if they are no more than
// twenty: JPEG and PNG always make do with that, others (and PNG that is interlaced) are
// said to be too large. Calls wait for each other.
func Make(cover []byte, shape Shape) (Picture, error) {
	if (shape == Original || shape == "") && len(cover) <= MaxBytes {
		return Picture{Bytes: cover}, nil
	}
	busy.Lock()
	defer busy.Unlock()
	out, err := reshape(cover, shape)
	switch {
	case err == nil && out == nil: // keeps its shape
		return Picture{Bytes: cover}, nil
	case err == nil:
		return Picture{Bytes: out}, nil
	case len(cover) <= MaxBytes:
		return Picture{Bytes: cover, Note: err.Error()}, nil
	}
	return Picture{}, fmt.Errorf("has %.1f MB, Plex takes at most %d, and it cannot be made smaller: it %w",
		float64(len(cover))/1e6, MaxBytes/1_000_000, err)
}

// reshape returns the bytes of the poster, nil if they are the cover's.
func reshape(cover []byte, shape Shape) ([]byte, error) {
	if shape != "" && !slices.Contains(Shapes(), shape) {
		return nil, fmt.Errorf("cannot be made %q, which is not a shape", shape)
	}
	p, err := open(cover)
	if err != nil {
		return nil, err
	}
	w, h, turned := p.size()
	if w > maxSide || h > maxSide || uint64(w)*uint64(h) > maxPixels {
		return nil, fmt.Errorf("has %d × %d pixels, and PlexSync reads at most %d megapixels", w, h, maxPixels/1_000_000)
	}
	if turned.sideways() {
		w, h = h, w
	}
	if narrow := 5*w < 4*h; narrow || shape == Original || shape == "" {
		if len(cover) <= MaxBytes {
			return nil, nil
		}
		return shrink(cover, w, h)
	}
	r := request{w: Width, h: Height, across: whole(w), down: whole(h)}
	if shape == Crop {
		wide := fixed(h) << 16 * Width / Height
		r.across.from = (fixed(w)<<16 - wide) / 2
		r.across.to = r.across.from + wide
	} else {
		// An even number of rows, as colors have half of them.
		r.h = max(2, (Width*h/w+1)/2*2)
	}
	img, err := read(p, r, len(cover))
	if err != nil {
		return nil, err
	}
	return img.shaped(shape).encode()
}

// shaped makes a poster of a cover that was read as the shape needs it.
func (img ycc) shaped(shape Shape) ycc {
	switch shape {
	case Fit:
		return img.on(black())
	case Blur:
		return img.on(img.blurred())
	}
	return img
}

// read makes what is requested of a picture, whose file has some bytes, as it is when
// it is upright.
func read(p picture, r request, file int) (ycc, error) {
	// A picture that is made takes a byte and a half for a pixel, and again when it is
	// laid on a ground, or written.
	left := max(memory-file, memory-20<<20) - besides - 3*r.w*r.h
	_, _, turned := p.size()
	if turned.sideways() {
		r = request{r.h, r.w, r.down, r.across}
	}
	img, err := p.decode(r, left)
	if err != nil {
		return ycc{}, err
	}
	return ycc{img.y.upright(turned), img.cb.upright(turned), img.cr.upright(turned)}, nil
}

// shrink makes a picture of a cover's own shape, w by h when it is upright, that Plex
// takes.
func shrink(cover []byte, w, h int) ([]byte, error) {
	for longest := min(shrunk, max(w, h)); ; longest /= 2 {
		p, err := open(cover)
		if err != nil {
			return nil, err
		}
		img, err := read(p, request{max(1, w*longest/max(w, h)), max(1, h*longest/max(w, h)), whole(w), whole(h)}, len(cover))
		if err != nil {
			return nil, err
		}
		if out, err := img.encode(); err != nil || len(out) <= MaxBytes {
			return out, err
		}
	}
}

// encode makes a JPEG of a picture.
func (img ycc) encode() ([]byte, error) {
	var out bytes.Buffer
	err := jpeg.Encode(&out, &image.YCbCr{
		Y: img.y.pix, YStride: img.y.w, Cb: img.cb.pix, Cr: img.cr.pix, CStride: img.cb.w,
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, img.y.w, img.y.h),
	}, &jpeg.Options{Quality: quality})
	if err != nil {
		return nil, errors.New("cannot be written as JPEG")
	}
	return out.Bytes(), nil
}

// black is an empty poster.
func black() ycc {
	img := newYCC(Width, Height)
	img.cb.fill(128)
	img.cr.fill(128)
	return img
}

// on lays a picture as wide as a poster on its middle.
func (img ycc) on(ground ycc) ycc {
	top := (ground.y.h - img.y.h) / 2 &^ 1
	copy(ground.y.pix[top*ground.y.w:], img.y.pix)
	copy(ground.cb.pix[top/2*ground.cb.w:], img.cb.pix)
	copy(ground.cr.pix[top/2*ground.cr.w:], img.cr.pix)
	return ground
}

// The ground is blurred at this size, three times over this many samples to each side:
// nearly Gaussian, with a radius of some sixty pixels of the poster.
const (
	groundWidth, groundHeight = Width / 25, Height / 25
	groundBlur                = 2
	groundPasses              = 3
)

// blurred is an enlargement of a picture's middle to the size of a poster, blurred.
func (img ycc) blurred() ycc {
	channel := func(p plane, w, h int) plane {
		wide := min(fixed(p.h)<<16*Width/Height, fixed(p.w)<<16)
		from := (fixed(p.w)<<16 - wide) / 2
		small := p.scaled(groundWidth, groundHeight, span{from, from + wide}, whole(p.h))
		for range groundPasses {
			small = small.smooth(groundBlur)
		}
		return small.scaled(w, h, whole(small.w), whole(small.h))
	}
	return ycc{channel(img.y, Width, Height), channel(img.cb, Width/2, Height/2), channel(img.cr, Width/2, Height/2)}
}

// smooth makes every sample the mean of the square around it.
func (p plane) smooth(radius int) plane {
	out := newPlane(p.w, p.h)
	for y := range p.h {
		for x := range p.w {
			sum, n := 0, 0
			for v := max(0, y-radius); v <= min(p.h-1, y+radius); v++ {
				for u := max(0, x-radius); u <= min(p.w-1, x+radius); u++ {
					sum += int(p.pix[v*p.w+u])
					n++
				}
			}
			out.pix[y*p.w+x] = uint8((sum + n/2) / n)
		}
	}
	return out
}
