package poster

import "math/bits"

// huffman is a table of codes (C.2), for values of a byte.
type huffman struct {
	defined bool
	// fast has, for the next fastBits bits, the value and below it the length of its
	// code; 0 if the code is longer.
	fast [1 << fastBits]uint16
	// For the codes of a length: the one behind the last, at 16 bits, and what to add
	// to a code for its place in values.
	limit  [17]int32
	offset [17]int32
	values []uint8
}

const fastBits = 9

// huffmanTables reads B.2.4.2.
func (d *jpegDecoder) huffmanTables(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 || b[0]>>4 > 1 || b[0]&15 > 3 {
			return errDamaged
		}
		h := &d.huffman[b[0]>>4][b[0]&15]
		*h = huffman{defined: true, values: b[17:]}
		code, n := int32(0), 0
		for length := 1; length <= 16; length++ {
			h.offset[length] = int32(n) - code
			for range b[length] {
				if n == min(len(h.values), 256) || code == 1<<length {
					return errDamaged
				}
				if length <= fastBits {
					entries := h.fast[code<<(fastBits-length):][:1<<(fastBits-length)]
					for i := range entries {
						entries[i] = uint16(h.values[n])<<8 | uint16(length)
					}
				}
				code++
				n++
			}
			h.limit[length] = code << (16 - length)
			code <<= 1
		}
		b = b[17+n:]
	}
	return nil
}

// bitReader reads the entropy-coded segment (F.2.2.5). Behind its end it gives zeros.
type bitReader struct {
	acc uint64 // the next bit is the highest
	n   uint   // how many of acc are read
	// invented is how many of those were never there.
	invented uint
	bad      bool // a code that no table has
}

// fill reads until there are more than 56 bits.
func (d *jpegDecoder) fill() {
	b := &d.bits
	for b.n <= 56 {
		v := byte(0)
		switch {
		case d.pos >= len(d.data):
			b.invented += 8
		case d.data[d.pos] != 0xFF:
			v = d.data[d.pos]
			d.pos++
		case d.pos+1 < len(d.data) && d.data[d.pos+1] == 0:
			v = 0xFF
			d.pos += 2
		default: // a marker
			b.invented += 8
		}
		b.acc |= uint64(v) << (56 - b.n)
		b.n += 8
	}
}

// spent reports whether bits were used that were never there.
func (b *bitReader) spent() bool { return b.n < b.invented }

// symbol decodes the next code. At least 16 bits are left behind it.
func (d *jpegDecoder) symbol(h *huffman) uint8 {
	b := &d.bits
	if b.n < 32 {
		d.fill()
	}
	if e := h.fast[b.acc>>(64-fastBits)]; e != 0 {
		b.acc <<= e & 0xFF
		b.n -= uint(e & 0xFF)
		return uint8(e >> 8)
	}
	next := int32(b.acc >> 48)
	for length := uint(fastBits + 1); length <= 16; length++ {
		if next < h.limit[length] {
			b.acc <<= length
			b.n -= length
			return h.values[h.offset[length]+next>>(16-length)]
		}
	}
	b.bad = true
	return 0
}

// take reads n bits, 16 at most, of those that symbol left.
func (b *bitReader) take(n uint) int32 {
	v := int32(b.acc >> (64 - n))
	b.acc <<= n
	b.n -= n
	return v
}

// signed reads a number of n bits as F.2.2.1 codes it.
func (b *bitReader) signed(n uint) int32 {
	v := b.take(n)
	if n > 0 && v < 1<<(n-1) {
		v -= 1<<n - 1
	}
	return v
}

// bit reads one bit.
func (d *jpegDecoder) bit() bool {
	if d.bits.n == 0 {
		d.fill()
	}
	return d.bits.take(1) != 0
}

// tables finds the tables that a scan needs.
func (d *jpegDecoder) tables(p scanPart) (dc, ac *huffman, err error) {
	dc, ac = &d.huffman[0][p.dc], &d.huffman[1][p.ac]
	if !dc.defined && d.scan.from == 0 && d.scan.high == 0 || !ac.defined && d.scan.to > 0 {
		return nil, nil, errDamaged
	}
	if p.c.quant == nil {
		// A table may be defined anew for a later scan (B.2.4).
		q := d.quant[p.c.tq]
		p.c.quant = &q
	}
	return dc, ac, nil
}

// begin starts a scan or the interval behind a restart marker.
func (d *jpegDecoder) begin() {
	d.bits = bitReader{bad: d.bits.bad}
	for i := range d.components {
		d.components[i].dc = 0
	}
}

// check is asked after each MCU of a scan: done of total are read. It goes past restart
// markers, and reports whether there was one.
func (d *jpegDecoder) check(done, total int) (restarted bool, err error) {
	switch {
	case d.bits.bad:
		return false, errDamaged
	case d.bits.spent():
		return false, errTruncated
	case d.restart == 0 || done == total || done%d.restart != 0:
		return false, nil
	}
	// Bits that fill up the last byte have been read.
	for d.pos < len(d.data) && d.data[d.pos] != 0xFF {
		d.pos++
	}
	for d.pos+1 < len(d.data) && d.data[d.pos] == 0xFF && d.data[d.pos+1] == 0xFF {
		d.pos++
	}
	if d.pos+1 >= len(d.data) {
		return false, errTruncated
	}
	if want := 0xD0 + byte(done/d.restart-1)%8; d.data[d.pos+1] != want {
		return false, errDamaged
	}
	d.pos += 2
	d.begin()
	return true, nil
}

// readStream reads a picture that is one scan, and hands on each row of MCUs at once.
func (d *jpegDecoder) readStream() error {
	var dc, ac [maxComponents]*huffman
	for i, p := range d.scan.parts {
		var err error
		if dc[i], ac[i], err = d.tables(p); err != nil {
			return err
		}
	}
	d.begin()
	for y := range d.down {
		for x := range d.across {
			for i, p := range d.scan.parts {
				c := p.c
				for v := range c.v {
					for h := range c.h {
						at := x*c.h + h
						needed := c.from <= at && at < c.to
						if last := d.sequential(c, dc[i], ac[i], needed); needed {
							d.transform(c, at, v, last)
						}
					}
				}
			}
			if _, err := d.check(y*d.across+x+1, d.across*d.down); err != nil {
				return err
			}
		}
		d.emit(y)
		if d.sinks[0].done() && (d.sinks[1] == nil || d.sinks[1].done() && d.sinks[2].done()) {
			break
		}
	}
	return nil
}

// sequential reads a block (F.2.2), and if it is needed, what is kept of it to the block
// at hand. last is the last coefficient, in zigzag order, that is not zero.
func (d *jpegDecoder) sequential(c *component, dc, ac *huffman, needed bool) (last int) {
	if needed {
		clear(d.block[:c.n*c.n])
	}
	size := d.symbol(dc)
	if size > 15 {
		d.bits.bad = true
		return 0
	}
	c.dc += d.bits.signed(uint(size))
	d.block[0] = c.dc * int32(c.quant[0])
	for k := 1; k < 64; k++ {
		s := d.symbol(ac)
		if s&15 == 0 {
			if s != 0xF0 {
				break
			}
			k += 15
			continue
		}
		if k += int(s >> 4); k > 63 {
			d.bits.bad = true
			break
		}
		v := d.bits.signed(uint(s & 15))
		if at := c.keep[k]; at >= 0 && needed {
			d.block[at] = v * int32(c.quant[k])
			last = k
		}
	}
	return last
}

// readStored reads a scan into the coefficients.
func (d *jpegDecoder) readStored() error {
	s := d.scan
	// If only the mean of each block is kept, the rest need not be read: the next marker
	// is looked for. (If more is, all must be: how a coefficient is refined depends on
	// all that were there.)
	if s.from > 0 && s.parts[0].c.n == 1 {
		if s.parts[0].c.quant == nil {
			q := d.quant[s.parts[0].c.tq]
			s.parts[0].c.quant = &q
		}
		return nil
	}
	var dc, ac [maxComponents]*huffman
	for i, p := range s.parts {
		var err error
		if dc[i], ac[i], err = d.tables(p); err != nil {
			return err
		}
	}
	d.begin()
	run := 0 // how many blocks behind this have nothing more (G.1.2.2)
	read := func(i int, c *component, at int) {
		b := storedBlock{c: c, coefficients: c.coefficients[at*c.n*c.n:][:c.n*c.n]}
		if c.nonzero != nil {
			b.nonzero = &c.nonzero[at]
		}
		switch {
		case !d.progressive:
			d.sequential(c, dc[i], ac[i], true)
			for j := range b.coefficients {
				b.coefficients[j] = int16(d.block[j])
			}
		case s.from == 0 && s.high == 0:
			size := d.symbol(dc[i])
			if size > 15 {
				d.bits.bad = true
				return
			}
			c.dc += d.bits.signed(uint(size))
			b.coefficients[0] = int16(c.dc << s.low)
		case s.from == 0:
			if d.bit() {
				b.coefficients[0] |= 1 << s.low
			}
		case s.high == 0:
			d.firstPass(b, ac[i], &run)
		default:
			d.refine(b, ac[i], &run)
		}
	}
	if len(s.parts) == 1 {
		// Alone, a channel has no blocks that only fill up an MCU (A.2.2).
		c := s.parts[0].c
		w, h := ceil(c.w, 8), ceil(c.rows, 8)
		for y := range h {
			for x := range w {
				read(0, c, y*c.blocks+x)
				if restarted, err := d.check(y*w+x+1, w*h); err != nil {
					return err
				} else if restarted {
					run = 0
				}
			}
		}
		return nil
	}
	for y := range d.down {
		for x := range d.across {
			for i, p := range s.parts {
				for v := range p.c.v {
					for h := range p.c.h {
						read(i, p.c, (y*p.c.v+v)*p.c.blocks+x*p.c.h+h)
					}
				}
			}
			if _, err := d.check(y*d.across+x+1, d.across*d.down); err != nil {
				return err
			}
		}
	}
	return nil
}

// storedBlock is a block whose coefficients are kept.
type storedBlock struct {
	c            *component
	coefficients []int16
	nonzero      *uint64
}

// set makes coefficient k v, which is not zero.
func (b storedBlock) set(k int, v int32) {
	*b.nonzero |= 1 << k
	if at := b.c.keep[k]; at >= 0 {
		b.coefficients[at] = int16(v)
	}
}

// grow moves coefficient k away from zero.
func (b storedBlock) grow(k int, by int16) {
	at := b.c.keep[k]
	switch {
	case at < 0:
	case b.coefficients[at] < 0:
		b.coefficients[at] -= by
	default:
		b.coefficients[at] += by
	}
}

func (b storedBlock) isSet(k int) bool { return *b.nonzero>>k&1 != 0 }

// blocks reads for how many blocks, this one included, nothing follows.
func (d *jpegDecoder) blocks(size uint8) int {
	return 1<<size + int(d.bits.take(uint(size)))
}

// firstPass reads the first digits of some coefficients of a block (G.1.2.2).
func (d *jpegDecoder) firstPass(b storedBlock, ac *huffman, run *int) {
	if *run > 0 {
		*run--
		return
	}
	for k := d.scan.from; k <= d.scan.to; k++ {
		s := d.symbol(ac)
		zeros, size := int(s>>4), uint(s&15)
		if size == 0 && zeros < 15 {
			*run = d.blocks(s>>4) - 1
			return
		}
		if k += zeros; size == 0 {
			continue
		}
		if k > d.scan.to {
			d.bits.bad = true
			return
		}
		b.set(k, d.bits.signed(size)<<d.scan.low)
	}
}

// refine reads the next digit of some coefficients of a block (G.1.2.3).
func (d *jpegDecoder) refine(b storedBlock, ac *huffman, run *int) {
	digit := int16(1) << d.scan.low
	k := d.scan.from
	for *run == 0 && k <= d.scan.to {
		s := d.symbol(ac)
		zeros, fresh := int(s>>4), int32(0)
		switch s & 15 {
		case 0:
			if zeros < 15 {
				*run = d.blocks(s >> 4)
			}
		case 1:
			if fresh = int32(digit); d.bits.take(1) == 0 {
				fresh = -fresh
			}
		default:
			d.bits.bad = true
			return
		}
		if *run > 0 {
			break
		}
		for ; k <= d.scan.to; k++ {
			if !b.isSet(k) {
				if zeros == 0 {
					break
				}
				zeros--
			} else if d.bit() {
				b.grow(k, digit)
			}
		}
		if k <= d.scan.to && fresh != 0 {
			b.set(k, fresh)
		}
		k++
	}
	if *run == 0 {
		return
	}
	// Of what is left only those that are something have a digit.
	for left := *b.nonzero >> k << k & (2<<d.scan.to - 1); left != 0; left &= left - 1 {
		if d.bit() {
			b.grow(bits.TrailingZeros64(left), digit)
		}
	}
	*run--
}
