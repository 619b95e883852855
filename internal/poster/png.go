package poster

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
)

// PNG is read here and not by image/png, which keeps the whole picture in memory, four
// or eight bytes a pixel. Only one in seven passes has to go there.

const pngMagic = "\x89PNG\r\n\x1a\n"

// pngPicture is a PNG whose rows come one after the other.
type pngPicture struct {
	w, h     int
	turn     orientation
	depth    int
	color    uint8
	palette  []byte // RGB
	alpha    []byte // tRNS: of the palette, or the one color that is transparent
	rest     []byte // of the file, from the first chunk with pixels
	channels int
}

// Types of color (11.2.2 of the PNG specification).
const (
	pngGray      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGrayAlpha = 4
	pngRGBA      = 6
)

// openPNG reads everything but the pixels. Checksums are not looked at: what can be
// shown is shown.
func openPNG(data []byte) (picture, error) {
	p := &pngPicture{turn: 1}
	interlace := uint8(0)
	for rest := data[len(pngMagic):]; len(rest) > 0; {
		kind, body, next := pngChunk(rest)
		if p.w == 0 && kind != "IHDR" {
			return nil, errDamaged
		}
		switch kind {
		case "IHDR":
			if len(body) != 13 || p.w != 0 || body[10] != 0 || body[11] != 0 || body[12] > 1 {
				return nil, errDamaged
			}
			w, h := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
			if w == 0 || h == 0 || w > 1<<31-1 || h > 1<<31-1 {
				return nil, errDamaged
			}
			p.w, p.h, p.depth, p.color, interlace = int(w), int(h), int(body[8]), body[9], body[12]
			if !p.valid() {
				return nil, errDamaged
			}
		case "PLTE":
			p.palette = body
		case "tRNS":
			p.alpha = body
		case "eXIf":
			p.turn = readExif(body)
		case "IDAT":
			if p.rest == nil {
				p.rest = rest
			}
		case "IEND":
			next = nil
		}
		rest = next
	}
	if p.w == 0 || p.color == pngPalette && len(p.palette) < 3 {
		return nil, errDamaged
	}
	if interlace == 1 {
		size := 4
		switch {
		case p.depth == 16:
			size = 8
		case p.color == pngGray || p.color == pngPalette:
			size = 1
		}
		if p.alpha != nil && p.color == pngGray {
			size = 4 * max(1, p.depth/8)
		}
		return interlaced(data, p.w, p.h, size, p.turn), nil
	}
	return p, nil
}

// pngChunk cuts the first chunk off a file. One that is cut short is what is there.
func pngChunk(data []byte) (kind string, body, rest []byte) {
	if len(data) < 8 {
		return "", nil, nil
	}
	size := binary.BigEndian.Uint32(data)
	body = data[8 : 8+min(uint64(size), uint64(len(data)-8))]
	return string(data[4:8]), body, data[min(8+len(body)+4, len(data)):]
}

// pngPixels reads what chunks with pixels hold, one after the other.
type pngPixels struct{ body, rest []byte }

func (p *pngPixels) Read(to []byte) (int, error) {
	for len(p.body) == 0 {
		kind, body, rest := pngChunk(p.rest)
		if kind != "IDAT" {
			return 0, io.EOF
		}
		p.body, p.rest = body, rest
	}
	n := copy(to, p.body)
	p.body = p.body[n:]
	return n, nil
}

// valid reports whether there is such a color of such a depth.
func (p *pngPicture) valid() bool {
	deep := p.depth == 8 || p.depth == 16
	switch p.color {
	case pngGray:
		p.channels = 1
		return deep || p.depth == 1 || p.depth == 2 || p.depth == 4
	case pngPalette:
		p.channels = 1
		return p.depth == 1 || p.depth == 2 || p.depth == 4 || p.depth == 8
	case pngGrayAlpha:
		p.channels = 2
	case pngRGB:
		p.channels = 3
	case pngRGBA:
		p.channels = 4
	default:
		return false
	}
	return deep
}

func (p *pngPicture) size() (w, h int, o orientation) { return p.w, p.h, p.turn }

func (p *pngPicture) decode(r request, _ int) (ycc, error) {
	z, err := zlib.NewReader(&pngPixels{rest: p.rest})
	if err != nil {
		return ycc{}, errDamaged
	}
	defer z.Close()
	out := newYCC(r.w, r.h)
	sink := newRGBSink(r, out, p.w, p.h)
	step := max(1, p.channels*p.depth/8) // bytes to the pixel on the left
	width := ceil(p.w*p.channels*p.depth, 8)
	// The filter's byte, behind a pixel of zeros: those to the left of the first.
	row, above := make([]byte, step+width), make([]byte, step+width)
	colors := p.colors()
	rgb := make([]uint8, 3*p.w)
	filter := make([]byte, 1)
	for y := 0; y < p.h && !sink.done(); y++ {
		if _, err := io.ReadFull(z, filter); err != nil {
			return ycc{}, pngError(err)
		}
		if _, err := io.ReadFull(z, row[step:]); err != nil {
			return ycc{}, pngError(err)
		}
		if !unfilter(filter[0], row, above, step) {
			return ycc{}, errDamaged
		}
		if p.color == pngRGB && p.depth == 8 && p.alpha == nil {
			sink.add(y, row[step:], 3) // is what expand would make of it
		} else {
			p.expand(rgb, row[step:], colors)
			sink.add(y, rgb, 3)
		}
		row, above = above, row
	}
	return out, nil
}

func pngError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	return errDamaged
}

// unfilter makes a row of its differences to its neighbors (9.2). Both rows begin with
// a pixel of zeros.
func unfilter(filter uint8, row, above []byte, step int) bool {
	above = above[:len(row)]
	switch filter {
	case 0:
	case 1:
		for i := step; i < len(row); i++ {
			row[i] += row[i-step]
		}
	case 2:
		for i := step; i < len(row); i++ {
			row[i] += above[i]
		}
	case 3:
		for i := step; i < len(row); i++ {
			row[i] += uint8((int(row[i-step]) + int(above[i])) / 2)
		}
	case 4:
		for i := step; i < len(row); i++ {
			row[i] += paeth(int32(row[i-step]), int32(above[i]), int32(above[i-step]))
		}
	default:
		return false
	}
	return true
}

// paeth is the one of left, up and corner that is nearest to left + up - corner (9.4).
func paeth(left, up, corner int32) uint8 {
	byLeft, byUp, byCorner := abs(up-corner), abs(left-corner), abs(left+up-2*corner)
	switch {
	case byLeft <= byUp && byLeft <= byCorner:
		return uint8(left)
	case byUp <= byCorner:
		return uint8(up)
	}
	return uint8(corner)
}

func abs(v int32) int32 {
	if v < 0 {
		return -v
	}
	return v
}

// colors are the 256 colors that a byte, or less, stands for, on black; nil if it takes
// more than a byte.
func (p *pngPicture) colors() (all *[256][3]uint8) {
	if p.channels > 1 || p.depth > 8 {
		return nil
	}
	all = new([256][3]uint8)
	for i := range 1 << p.depth {
		c := &all[i]
		if p.color == pngPalette {
			if 3*i+3 > len(p.palette) {
				continue // a color that is not there is black
			}
			copy(c[:], p.palette[3*i:])
			if i < len(p.alpha) {
				for j := range c {
					c[j] = onBlack(c[j], p.alpha[i])
				}
			}
			continue
		}
		v := uint8(i * 255 / (1<<p.depth - 1))
		if len(p.alpha) >= 2 && int(p.alpha[0])<<8|int(p.alpha[1]) == i {
			v = 0
		}
		*c = [3]uint8{v, v, v}
	}
	return all
}

// onBlack is what a color of this opacity looks like on black.
func onBlack(v, alpha uint8) uint8 { return uint8((int(v)*int(alpha) + 127) / 255) }

// expand makes three bytes a pixel of a row. Of 16 bits the higher 8 count.
func (p *pngPicture) expand(rgb, row []uint8, colors *[256][3]uint8) {
	if colors != nil {
		for x := range p.w {
			bit := x * p.depth
			v := row[bit/8] >> (8 - p.depth - bit%8) & (1<<p.depth - 1)
			copy(rgb[3*x:], colors[v][:])
		}
		return
	}
	each := p.depth / 8
	for x := range p.w {
		in, out := row[x*p.channels*each:][:p.channels*each], rgb[3*x:][:3]
		out[0], out[1], out[2] = in[0], in[0], in[0]
		if p.channels >= 3 {
			out[1], out[2] = in[each], in[2*each]
		}
		switch {
		case p.channels == 2 || p.channels == 4:
			if alpha := in[(p.channels-1)*each]; alpha != 255 {
				for i := range out {
					out[i] = onBlack(out[i], alpha)
				}
			}
		case p.isTransparent(in):
			clear(out)
		}
	}
}

// isTransparent reports whether a pixel is of the one color that is not there.
func (p *pngPicture) isTransparent(pixel []uint8) bool {
	if len(p.alpha) < 2*p.channels {
		return false
	}
	if p.depth == 16 {
		return bytes.Equal(pixel, p.alpha[:2*p.channels])
	}
	for i, v := range pixel {
		if p.alpha[2*i] != 0 || p.alpha[2*i+1] != v {
			return false
		}
	}
	return true
}
