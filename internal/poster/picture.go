package poster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/draw"
	"image/gif"
	"image/png"

	"golang.org/x/image/webp"
)

// picture is a cover whose header was read.
type picture interface {
	// size is how many pixels the picture is coded with, and how it is to be turned.
	size() (w, h int, o orientation)
	// decode makes what is requested, in the way up in which the picture is coded. It
	// takes at most budget bytes of memory, besides a little for each row; the error is
	// errMemory if that does not suffice.
	decode(r request, budget int) (ycc, error)
}

// request is a part of a picture, in pixels as it is coded, and the size to make of it.
type request struct {
	w, h         int
	across, down span
}

// reduced is s where only num of den samples are left, at 1/1<<shift of the size.
func (s span) reduced(num, den int, shift uint) span {
	return span{s.from * fixed(num) / fixed(den) >> shift, s.to * fixed(num) / fixed(den) >> shift}
}

// ycc is a picture of Y, Cb and Cr, of which the colors have half the size (4:2:0).
type ycc struct{ y, cb, cr plane }

func newYCC(w, h int) ycc {
	return ycc{newPlane(w, h), newPlane(ceil(w, 2), ceil(h, 2)), newPlane(ceil(w, 2), ceil(h, 2))}
}

// errMemory names memory.
var errMemory = errors.New("would take more than 64 MiB of memory to read")

// open reads a picture's header. Errors read as what follows "the cover".
func open(data []byte) (picture, error) {
	switch {
	case bytes.HasPrefix(data, []byte{0xFF, 0xD8, 0xFF}):
		d, err := newJPEG(data)
		if err != nil {
			return nil, err // not a nil *jpegDecoder in a picture
		}
		return d, nil
	case bytes.HasPrefix(data, []byte(pngMagic)):
		return openPNG(data)
	case bytes.HasPrefix(data, []byte("GIF8")):
		return openGIF(data)
	case len(data) >= 16 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return openWebP(data)
	case len(data) >= 12 && string(data[4:8]) == "ftyp":
		switch brand := string(data[8:12]); brand {
		case "avif", "avis":
			return nil, errors.New("is an AVIF picture, which PlexSync cannot read")
		case "heic", "heix", "hevc", "mif1", "msf1":
			return nil, errors.New("is a HEIC picture, which PlexSync cannot read")
		}
	case len(data) == 0:
		return nil, errors.New("is empty")
	}
	return nil, errors.New("is not a JPEG, PNG, WebP or GIF picture")
}

// rgbSink makes Y, Cb and Cr of rows of red, green and blue, for three scalers. What
// will be much smaller is first reduced by whole numbers, which is cheaper.
type rgbSink struct {
	luma, color box
	sinks       [3]*scaler
	rows        [3][]uint8
}

func newRGBSink(r request, out ycc, w, h int) *rgbSink {
	s := &rgbSink{luma: newBox(r, out.y, w, h), color: newBox(r, out.cb, w, h)}
	for i, dst := range []plane{out.y, out.cb, out.cr} {
		b := &s.luma
		if i > 0 {
			b = &s.color
		}
		s.sinks[i] = newScaler(dst, b.w, b.h, r.across.reduced(1, b.n, 0), r.down.reduced(1, b.n, 0))
		s.rows[i] = make([]uint8, b.w)
		from, to := s.sinks[i].columns()
		b.from, b.to = from, to
	}
	return s
}

func (s *rgbSink) done() bool {
	return s.sinks[0].done() && s.sinks[1].done() && s.sinks[2].done()
}

// add takes row y. Each pixel is size bytes, the first three of which are its colors.
func (s *rgbSink) add(y int, pix []uint8, size int) {
	if rgb, step := s.luma.add(y, pix, size); rgb != nil {
		for x := s.luma.from; x < s.luma.to; x++ {
			p := rgb[x*step:][:3]
			s.rows[0][x] = toY(int32(p[0]), int32(p[1]), int32(p[2]))
		}
		s.sinks[0].add(y/s.luma.n, s.rows[0])
	}
	if rgb, step := s.color.add(y, pix, size); rgb != nil {
		for x := s.color.from; x < s.color.to; x++ {
			p := rgb[x*step:][:3]
			s.rows[1][x], s.rows[2][x] = toCbCr(int32(p[0]), int32(p[1]), int32(p[2]))
		}
		s.sinks[1].add(y/s.color.n, s.rows[1])
		s.sinks[2].add(y/s.color.n, s.rows[2])
	}
}

// box reduces rows of pixels to the means of squares of n by n of them.
type box struct {
	n        int
	w, h     int // of what comes out; the last squares may lack pixels
	from, to int // the columns that are needed
	width    int // of what goes in
	last     int // row
	sum      []uint32
	rgb      []uint8
}

// newBox makes squares as large as they may be without less coming out than dst needs.
func newBox(r request, dst plane, w, h int) box {
	n := max(1, int(min((r.across.to-r.across.from)>>16/fixed(dst.w), (r.down.to-r.down.from)>>16/fixed(dst.h))))
	b := box{n: n, w: ceil(w, n), h: ceil(h, n), width: w, last: h - 1}
	if n > 1 {
		b.sum, b.rgb = make([]uint32, 3*b.w), make([]uint8, 3*b.w)
	}
	return b
}

// add takes row y, and returns the row that it completes, nil if it completes none, and
// how many bytes a pixel of that has.
func (b *box) add(y int, pix []uint8, size int) (rgb []uint8, step int) {
	if b.n == 1 {
		return pix, size
	}
	for x := b.from; x < b.to; x++ {
		var r, g, b2 uint32
		for cell := pix[x*b.n*size : min((x+1)*b.n, b.width)*size]; len(cell) >= 3; {
			r, g, b2 = r+uint32(cell[0]), g+uint32(cell[1]), b2+uint32(cell[2])
			cell = cell[min(size, len(cell)):]
		}
		sum := b.sum[3*x:][:3]
		sum[0], sum[1], sum[2] = sum[0]+r, sum[1]+g, sum[2]+b2
	}
	if y%b.n != b.n-1 && y != b.last {
		return nil, 0
	}
	rows := uint32(y%b.n + 1)
	for x := b.from; x < b.to; x++ {
		count := rows * uint32(min((x+1)*b.n, b.width)-x*b.n)
		for i := 3 * x; i < 3*x+3; i++ {
			b.rgb[i] = uint8((b.sum[i] + count/2) / count)
		}
	}
	clear(b.sum)
	return b.rgb, 3
}

// still is a picture that only a decoder of whole pictures reads.
type still struct {
	w, h   int
	turn   orientation
	memory int // how many bytes the decoder takes
	read   func() (image.Image, error)
}

func (s still) size() (w, h int, o orientation) { return s.w, s.h, s.turn }

func (s still) decode(r request, budget int) (ycc, error) {
	if s.memory > budget {
		return ycc{}, errMemory
	}
	img := s.image()
	if img == nil {
		return ycc{}, errDamaged
	}
	out := newYCC(r.w, r.h)
	if img, ok := img.(*image.YCbCr); ok && img.SubsampleRatio == image.YCbCrSubsampleRatio420 && img.Rect == image.Rect(0, 0, s.w, s.h) {
		direct(img, r, out)
		return out, nil
	}
	sink := newRGBSink(r, out, s.w, s.h)
	// What is transparent, and what no frame covers, is black.
	row := image.NewRGBA(image.Rect(0, 0, s.w, 1))
	for y := 0; y < s.h && !sink.done(); y++ {
		draw.Draw(row, row.Rect, image.Black, image.Point{}, draw.Src)
		draw.Draw(row, row.Rect, img, image.Pt(0, y), draw.Over)
		sink.add(y, row.Pix, 4)
	}
	return out, nil
}

// direct scales Y, Cb and Cr of a picture, as WebP has them, without a way through other
// colors.
func direct(img *image.YCbCr, r request, out ycc) {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	for y, s := 0, newScaler(out.y, w, h, r.across, r.down); y < h; y++ {
		s.add(y, img.Y[y*img.YStride:][:w])
	}
	w, h = ceil(w, 2), ceil(h, 2)
	across, down := r.across.reduced(1, 2, 0), r.down.reduced(1, 2, 0)
	cb, cr := newScaler(out.cb, w, h, across, down), newScaler(out.cr, w, h, across, down)
	for y := range h {
		cb.add(y, img.Cb[y*img.CStride:][:w])
		cr.add(y, img.Cr[y*img.CStride:][:w])
	}
}

// image reads the whole picture; nil if that fails. Decoders that are not ours may
// panic at what somebody made to harm.
func (s still) image() (img image.Image) {
	defer func() {
		if recover() != nil {
			img = nil
		}
	}()
	img, err := s.read()
	if err != nil {
		return nil
	}
	return img
}

// openGIF reads a GIF's header. Its first frame is what is read of it.
func openGIF(data []byte) (picture, error) {
	c, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil || c.Width == 0 || c.Height == 0 {
		return nil, errDamaged
	}
	return still{c.Width, c.Height, 1, c.Width * c.Height, func() (image.Image, error) { return gif.Decode(bytes.NewReader(data)) }}, nil
}

// interlaced is a PNG in seven passes, each of which is a picture before it is added to
// the whole.
func interlaced(data []byte, w, h, bytesPerPixel int, turn orientation) picture {
	return still{w, h, turn, w * h * bytesPerPixel * 2, func() (image.Image, error) { return png.Decode(bytes.NewReader(data)) }}
}

// openWebP reads a WebP's header.
func openWebP(data []byte) (picture, error) {
	c, err := webp.DecodeConfig(bytes.NewReader(data))
	if err != nil || c.Width == 0 || c.Height == 0 {
		return nil, errDamaged
	}
	s := still{w: c.Width, h: c.Height, turn: 1}
	// Half-bytes a pixel: lossless are four bytes, and two more before the colors of a
	// small palette are looked up; an alpha channel is made so, and one byte of it
	// remains. What is lossy is copied before it is read.
	lossy, lossless := 0, 0
	for kind, body := range riffChunks(data) {
		switch kind {
		case "VP8X":
			if len(body) > 0 && body[0]&2 != 0 {
				return nil, errors.New("is an animated WebP picture, which PlexSync cannot read")
			}
		case "VP8 ":
			lossy = 3
			s.memory = len(body)
		case "VP8L":
			lossless = max(lossless, 12)
		case "ALPH":
			lossless = 14
		case "EXIF":
			s.turn = readExif(body)
		}
	}
	if lossy+lossless == 0 {
		lossless = 14 // whatever it may be
	}
	s.memory += c.Width * c.Height / 2 * (lossy + lossless)
	s.read = func() (image.Image, error) {
		img, err := webp.Decode(bytes.NewReader(data))
		switch img := img.(type) {
		case *image.YCbCr:
			fullRange(img)
		case *image.NYCbCrA:
			fullRange(&img.YCbCr)
		}
		return img, err
	}
	return s, nil
}

// fullRange stretches a picture's samples. Those of WebP are a video's, black at 16 and
// white at 235, but package webp hands them out as if they were a JPEG's.
func fullRange(img *image.YCbCr) {
	var luma, color [256]uint8
	for i := range int32(256) {
		luma[i] = clamp(((i-16)*255 + 109) / 219)
		color[i] = clamp(((i-128)*255 + 128*224 + 112) / 224)
	}
	for i, v := range img.Y {
		img.Y[i] = luma[v]
	}
	for _, channel := range [][]uint8{img.Cb, img.Cr} {
		for i, v := range channel {
			channel[i] = color[v]
		}
	}
}

// riffChunks yields the chunks of a RIFF file. One that is cut short is what is there.
func riffChunks(data []byte) func(yield func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		for data = data[12:]; len(data) >= 8; {
			kind, size := string(data[:4]), uint64(binary.LittleEndian.Uint32(data[4:]))
			data = data[8:]
			if !yield(kind, data[:min(size, uint64(len(data)))]) {
				return
			}
			data = data[min(size+size&1, uint64(len(data))):]
		}
	}
}
