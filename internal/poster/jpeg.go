package poster

import (
	"errors"
	"fmt"
)

// JPEG is read here and not by image/jpeg, which keeps the whole picture in memory, up
// to 15 bytes a pixel if it is progressive: 1.5 GB for a hundred megapixels. This
// decoder gives rows to a scaler as they come, and reads a picture that is to be
// reduced at a half, a quarter or an eighth of its size at once, from the coarse part
// of each block. It is the smaller part of the format: 8 bits, Huffman codes,
// sequential or progressive. Numbers in comments are sections of ITU-T T.81.

// The reasons why a picture cannot be read, as what follows "the cover".
var (
	errDamaged   = errors.New("is damaged")
	errTruncated = errors.New("ends in the middle")
)

const (
	maxComponents = 4
	maxScans      = 64 // encoders write about ten; each costs a walk through all blocks
)

// jpegDecoder reads one picture.
type jpegDecoder struct {
	data []byte
	pos  int

	w, h        int
	progressive bool
	components  []component
	hMax, vMax  int // of the components' samplings
	across      int // MCUs in a row
	down        int // rows of MCUs

	quant   [4][64]uint16 // in zigzag order
	huffman [2][4]huffman // DC, AC
	restart int           // MCUs between restart markers; 0 = none
	adobe   int           // the transform that Adobe's marker tells; -1 = no marker
	jfif    bool
	turn    orientation
	scan    scanHeader // the one that comes next
	bits    bitReader
	stored  bool       // coefficients are kept until all scans are read
	block   [64]int32  // the one at hand
	mix     [3][]uint8 // a row of Y, Cb and Cr made of other colors
	sinks   [3]*scaler // of Y, Cb and Cr
}

// component is a channel as it is coded.
type component struct {
	id   uint8
	h, v int // sampling
	tq   uint8

	w, rows      int      // in samples
	blocks       int      // in a row, with those that only fill up an MCU
	shift        uint     // the picture is read at 1/1<<shift
	n            int      // 8>>shift: what is made of a block of 8
	keep         [64]int8 // where a coefficient, in zigzag order, is in a block; -1 = nowhere
	strip        []uint8  // rows of one row of MCUs
	stride       int
	dc           int32
	coefficients []int16  // n*n for each block, if they are stored
	nonzero      []uint64 // which of a block's 64 are not zero, in zigzag order
	quant        *[64]uint16
	from, to     int // the blocks in a row that the sinks need
}

type scanHeader struct {
	parts     []scanPart
	from, to  int // coefficients
	high, low uint
}

type scanPart struct {
	c      *component
	dc, ac uint8
}

// newJPEG reads up to the first scan.
func newJPEG(data []byte) (*jpegDecoder, error) {
	d := &jpegDecoder{data: data, pos: 2, adobe: -1, turn: 1}
	if more, err := d.nextScan(); err != nil {
		return nil, err
	} else if !more {
		return nil, errDamaged
	}
	return d, nil
}

func (d *jpegDecoder) size() (w, h int, o orientation) { return d.w, d.h, d.turn }

// nextScan reads markers up to the start of the next scan. more is false at the end of
// the picture: its mark, or that of the file.
func (d *jpegDecoder) nextScan() (more bool, err error) {
	for {
		// Whatever is between segments is skipped, as other decoders do.
		for d.pos < len(d.data) && d.data[d.pos] != 0xFF {
			d.pos++
		}
		for d.pos < len(d.data) && d.data[d.pos] == 0xFF {
			d.pos++
		}
		if d.pos >= len(d.data) {
			return false, nil
		}
		marker := d.data[d.pos]
		d.pos++
		switch {
		case marker == 0xD9: // end of image
			return false, nil
		case marker == 0 || marker == 1 || 0xD0 <= marker && marker <= 0xD8:
			continue // without a body
		}
		if d.pos+2 > len(d.data) {
			return false, errTruncated
		}
		size := int(d.data[d.pos])<<8 | int(d.data[d.pos+1])
		if size < 2 {
			return false, errDamaged
		}
		if d.pos+size > len(d.data) {
			return false, errTruncated
		}
		body := d.data[d.pos+2 : d.pos+size]
		d.pos += size
		switch marker {
		case 0xC0, 0xC1, 0xC2:
			err = d.frame(body, marker == 0xC2)
		case 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF:
			err = errors.New("is a JPEG of an unsupported kind (lossless, hierarchical or arithmetic)")
		case 0xC4:
			err = d.huffmanTables(body)
		case 0xDA:
			return true, d.scanStart(body)
		case 0xDB:
			err = d.quantTables(body)
		case 0xDD:
			if len(body) < 2 {
				err = errDamaged
				break
			}
			d.restart = int(body[0])<<8 | int(body[1])
		case 0xE0:
			d.jfif = d.jfif || len(body) >= 5 && string(body[:5]) == "JFIF\x00"
		case 0xE1:
			if d.turn == 1 && len(body) > 6 && string(body[:6]) == "Exif\x00\x00" {
				d.turn = readExif(body)
			}
		case 0xEE:
			if len(body) >= 12 && string(body[:5]) == "Adobe" {
				d.adobe = int(body[11])
			}
		}
		if err != nil {
			return false, err
		}
	}
}

// frame reads B.2.2.
func (d *jpegDecoder) frame(b []byte, progressive bool) error {
	if d.components != nil || len(b) < 6 {
		return errDamaged
	}
	if b[0] != 8 {
		return fmt.Errorf("is a JPEG with %d bits a sample", b[0])
	}
	d.progressive = progressive
	d.h, d.w = int(b[1])<<8|int(b[2]), int(b[3])<<8|int(b[4])
	n := int(b[5])
	if d.w == 0 || d.h == 0 || len(b) != 6+3*n {
		return errDamaged
	}
	if n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("is a JPEG with %d channels", n)
	}
	components := make([]component, n)
	for i := range components {
		c := &components[i]
		c.id, c.h, c.v, c.tq = b[6+3*i], int(b[7+3*i]>>4), int(b[7+3*i]&15), b[8+3*i]
		if n == 1 {
			c.h, c.v = 1, 1 // one alone is not interleaved, whatever it says (A.2.2)
		}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.tq > 3 {
			return errDamaged
		}
		for _, before := range components[:i] {
			if before.id == c.id {
				return errDamaged
			}
		}
		d.hMax, d.vMax = max(d.hMax, c.h), max(d.vMax, c.v)
	}
	d.across, d.down = ceil(d.w, 8*d.hMax), ceil(d.h, 8*d.vMax)
	for i := range components {
		c := &components[i]
		c.w, c.rows = ceil(d.w*c.h, d.hMax), ceil(d.h*c.v, d.vMax)
		c.blocks = d.across * c.h
	}
	d.components = components
	return nil
}

func ceil(a, b int) int { return (a + b - 1) / b }

// quantTables reads B.2.4.1.
func (d *jpegDecoder) quantTables(b []byte) error {
	for len(b) > 0 {
		wide, at := int(b[0]>>4), b[0]&15
		b = b[1:]
		if wide > 1 || at > 3 || len(b) < 64*(wide+1) {
			return errDamaged
		}
		for i := range 64 {
			if wide == 1 {
				d.quant[at][i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
			} else {
				d.quant[at][i] = uint16(b[i])
			}
		}
		b = b[64*(wide+1):]
	}
	return nil
}

// scanStart reads B.2.3.
func (d *jpegDecoder) scanStart(b []byte) error {
	if d.components == nil || len(b) < 1 {
		return errDamaged
	}
	n := int(b[0])
	if n < 1 || n > len(d.components) || len(b) != 1+2*n+3 {
		return errDamaged
	}
	s := scanHeader{from: int(b[1+2*n]), to: int(b[2+2*n]), high: uint(b[3+2*n] >> 4), low: uint(b[3+2*n] & 15)}
	for i := range n {
		var part scanPart
		for j := range d.components {
			if d.components[j].id == b[1+2*i] {
				part.c = &d.components[j]
			}
		}
		part.dc, part.ac = b[2+2*i]>>4, b[2+2*i]&15
		if part.c == nil || part.dc > 3 || part.ac > 3 {
			return errDamaged
		}
		for _, before := range s.parts {
			if before.c == part.c {
				return errDamaged
			}
		}
		s.parts = append(s.parts, part)
	}
	if !d.progressive {
		s.from, s.to, s.high, s.low = 0, 63, 0, 0 // all else means nothing (B.2.3)
	}
	if s.from > s.to || s.to > 63 || s.from == 0 && s.to > 0 && d.progressive || s.from > 0 && n > 1 || s.low > 13 {
		return errDamaged
	}
	d.scan = s
	return nil
}

// decode reads the pixels. It takes at most budget bytes for coefficients, if need be
// by reading the picture smaller than r asks for.
func (d *jpegDecoder) decode(r request, budget int) (ycc, error) {
	d.stored = d.progressive || len(d.scan.parts) < len(d.components)
	out := newYCC(r.w, r.h)
	if err := d.plan(r, out, budget); err != nil {
		return ycc{}, err
	}
	if !d.stored {
		return out, d.readStream()
	}
	for scans := 0; ; scans++ {
		if scans == maxScans {
			return ycc{}, fmt.Errorf("is a JPEG of more than %d scans", maxScans)
		}
		if err := d.readStored(); err != nil {
			return ycc{}, err
		}
		if more, err := d.nextScan(); err != nil {
			return ycc{}, err
		} else if !more {
			break
		}
	}
	for _, c := range d.components {
		if c.quant == nil {
			return ycc{}, errTruncated // no scan had it
		}
	}
	for y := range d.down {
		d.draw(y)
	}
	return out, nil
}

// mixed reports whether the channels are not Y, Cb and Cr, and must be mixed to get
// them.
func (d *jpegDecoder) mixed() bool {
	if len(d.components) == 4 {
		return true
	}
	if len(d.components) == 1 || d.jfif {
		return false
	}
	return d.adobe == 0 || d.adobe < 0 && d.components[0].id == 'R' && d.components[1].id == 'G' && d.components[2].id == 'B'
}

// plan makes the sinks, and decides at which size each channel is read.
func (d *jpegDecoder) plan(r request, out ycc, budget int) error {
	dst := []plane{out.y, out.cb, out.cr}
	across, down := r.across.to-r.across.from, r.down.to-r.down.from
	// coarse is the most that a channel of h by v can be reduced and still be enough.
	coarse := func(p plane, h, v int) uint {
		shift := uint(0)
		for shift < 3 && across*fixed(h)/fixed(d.hMax)>>(17+shift) >= fixed(p.w) && down*fixed(v)/fixed(d.vMax)>>(17+shift) >= fixed(p.h) {
			shift++
		}
		return shift
	}
	for i := range d.components {
		c := &d.components[i]
		switch {
		case d.mixed():
			c.shift = coarse(out.y, d.hMax, d.vMax)
		default:
			c.shift = coarse(dst[i], c.h, c.v)
		}
	}
	for d.stored && d.memory() > budget {
		coarsest := true
		for i := range d.components {
			if c := &d.components[i]; c.shift < 3 {
				c.shift++
				coarsest = false
			}
		}
		if coarsest {
			return errMemory
		}
	}
	for i := range d.components {
		c := &d.components[i]
		c.n = 8 >> c.shift
		for k, at := range zigzag() {
			c.keep[k] = -1
			if x, y := int(at&7), int(at>>3); x < c.n && y < c.n {
				c.keep[k] = int8(y*c.n + x)
			}
		}
		c.stride = c.blocks * c.n
		c.strip = make([]uint8, c.stride*c.n*c.v)
		if d.stored {
			blocks := c.blocks * d.down * c.v
			c.coefficients = make([]int16, blocks*c.n*c.n)
			if d.progressive && c.n > 1 {
				c.nonzero = make([]uint64, blocks)
			}
		}
	}

	if d.mixed() {
		shift := d.components[0].shift
		w, h := ceil(d.w, 1<<shift), ceil(d.h, 1<<shift)
		for i := range d.sinks {
			d.sinks[i] = newScaler(dst[i], w, h, r.across.reduced(1, 1, shift), r.down.reduced(1, 1, shift))
			d.mix[i] = make([]uint8, w)
		}
		from, to := d.sinks[0].columns()
		for i := range d.sinks[1:] {
			f, t := d.sinks[1+i].columns()
			from, to = min(from, f), max(to, t)
		}
		for i := range d.components {
			c := &d.components[i]
			c.from, c.to = from*c.h/d.hMax/c.n, ceil(ceil(to*c.h, d.hMax), c.n)
		}
		return nil
	}
	for i := range d.components {
		c := &d.components[i]
		d.sinks[i] = newScaler(dst[i], ceil(c.w, 1<<c.shift), ceil(c.rows, 1<<c.shift),
			r.across.reduced(c.h, d.hMax, c.shift), r.down.reduced(c.v, d.vMax, c.shift))
		from, to := d.sinks[i].columns()
		c.from, c.to = from/c.n, ceil(to, c.n)
	}
	if len(d.components) == 1 {
		out.cb.fill(128)
		out.cr.fill(128)
	}
	return nil
}

// memory is how many bytes coefficients take at the sizes that the channels now have.
func (d *jpegDecoder) memory() (bytes int) {
	for _, c := range d.components {
		n := 8 >> c.shift
		each := 2 * n * n
		if d.progressive && n > 1 {
			each += 8
		}
		bytes += c.blocks * c.v * d.down * each
	}
	return bytes
}

// draw makes samples of the stored coefficients of a row of MCUs, and hands them on.
func (d *jpegDecoder) draw(y int) {
	for i := range d.components {
		c := &d.components[i]
		size := c.n * c.n
		var quant [64]int32
		for k, at := range c.keep {
			switch {
			case at < 0:
			case d.progressive:
				quant[at] = int32(c.quant[k])
			default:
				quant[at] = 1 // has been done
			}
		}
		for v := range c.v {
			row := (y*c.v + v) * c.blocks
			for x := c.from; x < min(c.to, c.blocks); x++ {
				last := 0
				for j, f := range c.coefficients[(row+x)*size:][:size] {
					if d.block[j] = int32(f) * quant[j]; f != 0 {
						last = j
					}
				}
				d.transform(c, x, v, last)
			}
		}
	}
	d.emit(y)
}

// transform makes samples of the block at hand, which is at x and y in its strip. last
// is 0 if none but the first of its coefficients is anything.
func (d *jpegDecoder) transform(c *component, x, y, last int) {
	out := c.strip[y*c.n*c.stride+x*c.n:]
	if last == 0 || c.n == 1 {
		v := clamp((d.block[0]+4)>>3 + 128)
		for range c.n {
			row := out[:c.n]
			for i := range row {
				row[i] = v
			}
			out = out[min(c.stride, len(out)):]
		}
		return
	}
	switch c.n {
	case 8:
		inverse8(&d.block, out, c.stride)
	case 4:
		inverse4(&d.block, out, c.stride)
	case 2:
		inverse2(&d.block, out, c.stride)
	}
}

// emit hands the rows of a row of MCUs to the sinks.
func (d *jpegDecoder) emit(y int) {
	if d.mixed() {
		n := d.components[0].n
		for row := y * n * d.vMax; row < min((y+1)*n*d.vMax, ceil(d.h, 8/n)); row++ {
			d.mixRow(row - y*n*d.vMax)
			for i := range d.sinks {
				d.sinks[i].add(row, d.mix[i])
			}
		}
		return
	}
	for i := range d.components {
		c := &d.components[i]
		w, rows := ceil(c.w, 1<<c.shift), ceil(c.rows, 1<<c.shift)
		for j := range c.n * c.v {
			if row := y*c.n*c.v + j; row < rows {
				d.sinks[i].add(row, c.strip[j*c.stride:][:w])
			}
		}
	}
}

// mixRow makes Y, Cb and Cr of a row of the strips: of R, G and B, or of inks. Inks of
// Adobe's are stored as how much light they let through; without Adobe's mark, as how
// much they take. (So do libjpeg and image/jpeg.)
func (d *jpegDecoder) mixRow(row int) {
	var in [maxComponents][]uint8
	for i, c := range d.components {
		in[i] = c.strip[row*c.v/d.vMax*c.stride:]
	}
	at := func(i, x int) int32 {
		if c := &d.components[i]; c.h != d.hMax {
			x = x * c.h / d.hMax
		}
		return int32(in[i][x])
	}
	from, to := d.sinks[0].columns()
	for _, s := range d.sinks[1:] {
		f, t := s.columns()
		from, to = min(from, f), max(to, t)
	}
	for x := from; x < to; x++ {
		r, g, b := at(0, x), at(1, x), at(2, x)
		if len(d.components) == 4 {
			k := at(3, x)
			if d.adobe == 2 { // Y, Cb and Cr of inks, but not so the black
				r, g, b = toRGB(r, g, b)
				r, g, b = 255-r, 255-g, 255-b
			}
			if d.adobe < 0 {
				r, g, b, k = 255-r, 255-g, 255-b, 255-k
			}
			r, g, b = r*k/255, g*k/255, b*k/255
		}
		d.mix[0][x] = toY(r, g, b)
		d.mix[1][x], d.mix[2][x] = toCbCr(r, g, b)
	}
}

// toY and toCbCr are JFIF's conversion to Y, Cb and Cr, of which toRGB is the inverse.
func toY(r, g, b int32) uint8 { return uint8((19595*r + 38470*g + 7471*b + 1<<15) >> 16) }

func toCbCr(r, g, b int32) (cb, cr uint8) {
	return clamp((-11056*r - 21712*g + 32768*b + 257<<15) >> 16), clamp((32768*r - 27440*g - 5328*b + 257<<15) >> 16)
}

func toRGB(y, cb, cr int32) (r, g, b int32) {
	y, cb, cr = y<<16+1<<15, cb-128, cr-128
	return int32(clamp((y + 91881*cr) >> 16)), int32(clamp((y - 22554*cb - 46802*cr) >> 16)), int32(clamp((y + 116130*cb) >> 16))
}
