package poster

// plane is one channel of a picture, one byte a sample, without gaps between rows.
type plane struct {
	w, h int
	pix  []uint8
}

func newPlane(w, h int) plane { return plane{w, h, make([]uint8, w*h)} }

func (p plane) row(y int) []uint8 { return p.pix[y*p.w : (y+1)*p.w] }

// fill makes every sample v.
func (p plane) fill(v uint8) {
	for i := range p.pix {
		p.pix[i] = v
	}
}

// fixed is a number with 16 binary digits behind the point. All of scaling is done in
// whole numbers: floating point is rounded otherwise on other processors, and the same
// cover must give the same bytes.
type fixed int64

const one fixed = 1 << 16

// span is a part of a row or column, in samples.
type span struct{ from, to fixed }

// whole is all of n samples.
func whole(n int) span { return span{0, fixed(n) << 16} }

const (
	weightBits = 14 // of a weight; those of one sample add up to 1<<weightBits
	rowBits    = 6  // of a sample between the two passes, behind the point
)

// axis says how the samples of a row or column are made of others.
type axis struct {
	taps    int     // how many samples count for one; some may count nothing
	first   []int   // the first of them, for each
	weights []int32 // taps for each
}

func (a axis) of(i int) []int32 { return a.weights[i*a.taps:][:a.taps] }

// newAxis makes dst samples of part of src samples, by Catmull-Rom's cubic: it is wide
// enough to keep a reduced picture free of false patterns, and keeps edges sharp in an
// enlarged one. Beyond the ends the outermost samples go on.
func newAxis(dst, src int, part span) axis {
	step := (part.to - part.from) / fixed(dst) // samples of the source for one
	wide := max(step, one)
	a := axis{taps: 4, first: make([]int, dst)}
	if wide > one {
		a.taps = (int(4*wide>>16) + 8) &^ 7 // eights are what the loop below is fast with
	}
	a.taps = min(a.taps, src)
	a.weights = make([]int32, dst*a.taps)
	raw := make([]int64, a.taps)
	for i := range dst {
		// (2i+1)/2 of a step, not i steps and a half: no error adds up.
		center := part.from + fixed(int64(part.to-part.from)*int64(2*i+1)/int64(2*dst))
		// Those whose middle is nearer than twice wide. Neither end goes back with i.
		low := int((center-2*wide-one/2)>>16) + 1
		high := int((center + 2*wide - one/2 - 1) >> 16)
		from := min(max(low, 0), src-a.taps)
		clear(raw)
		sum := int64(0)
		for j := low; j <= high; j++ {
			t := fixed(j)<<16 + one/2 - center
			w := cubic(max(t, -t) * one / wide)
			raw[min(max(j, 0), src-1)-from] += w
			sum += w
		}
		a.first[i] = from
		left, largest, weights := int32(1<<weightBits), 0, a.of(i)
		for j, w := range raw {
			weights[j] = int32((w<<(weightBits+1) + sum) / (2 * sum))
			left -= weights[j]
			if w > raw[largest] {
				largest = j
			}
		}
		weights[largest] += left // what rounding left over
	}
	return a
}

// cubic is the weight of a sample at distance t, times 1<<16.
func cubic(t fixed) int64 {
	mul := func(a, b fixed) fixed { return a * b >> 16 }
	switch {
	case t < one:
		return int64(mul(mul(t*3/2-one*5/2, t), t) + one)
	case t < 2*one:
		return int64(mul(mul(one*5/2-t/2, t)-4*one, t) + 2*one)
	}
	return 0
}

// scaler makes a plane of another size from one whose rows come one by one. It keeps
// no more of them than it needs for one row.
type scaler struct {
	dst        plane
	cols, rows axis
	ring       [][]int16 // the rows that came last, scaled across; row y is at y modulo its length
	sum        []int32
	next       int // row of dst
}

// newScaler makes dst of the part of a plane of w by h samples.
func newScaler(dst plane, w, h int, across, down span) *scaler {
	s := &scaler{dst: dst, cols: newAxis(dst.w, w, across), rows: newAxis(dst.h, h, down), sum: make([]int32, dst.w)}
	s.ring = make([][]int16, s.rows.taps)
	for i := range s.ring {
		s.ring[i] = make([]int16, dst.w)
	}
	return s
}

// columns are the first sample of a row that counts, and the one behind the last.
func (s *scaler) columns() (from, to int) {
	return s.cols.first[0], s.cols.first[s.dst.w-1] + s.cols.taps
}

// done reports whether dst is complete.
func (s *scaler) done() bool { return s.next == s.dst.h }

// add takes row y of the source. Rows come from the top, none is left out.
func (s *scaler) add(y int, row []uint8) {
	if s.done() || y < s.rows.first[s.next] {
		return
	}
	s.across(s.ring[y%len(s.ring)], row)
	for !s.done() && s.rows.first[s.next]+s.rows.taps-1 <= y {
		s.down(s.dst.row(s.next))
		s.next++
	}
}

// across scales one row.
func (s *scaler) across(out []int16, row []uint8) {
	const round = 1 << (weightBits - rowBits - 1)
	taps, all := s.cols.taps, s.cols.weights
	for i, first := range s.cols.first[:len(out)] {
		sum := int32(round)
		switch {
		case taps == 4:
			w, v := (*[4]int32)(all[4*i:]), (*[4]uint8)(row[first:])
			sum += w[0]*int32(v[0]) + w[1]*int32(v[1]) + w[2]*int32(v[2]) + w[3]*int32(v[3])
		case taps%8 == 0:
			for j := 0; j < taps; j += 8 {
				w, v := (*[8]int32)(all[i*taps+j:]), (*[8]uint8)(row[first+j:])
				sum += w[0]*int32(v[0]) + w[1]*int32(v[1]) + w[2]*int32(v[2]) + w[3]*int32(v[3]) +
					w[4]*int32(v[4]) + w[5]*int32(v[5]) + w[6]*int32(v[6]) + w[7]*int32(v[7])
			}
		default: // fewer samples than that are all there are
			weights := all[i*taps:][:taps]
			for j, v := range row[first:][:len(weights)] {
				sum += weights[j] * int32(v)
			}
		}
		out[i] = int16(sum >> (weightBits - rowBits))
	}
}

// down makes the next row of dst from those in the ring.
func (s *scaler) down(out []uint8) {
	y, weights, sum := s.rows.first[s.next], s.rows.of(s.next), s.sum
	row := func(i int) []int16 { return s.ring[(y+i)%len(s.ring)][:len(sum)] }
	clear(sum)
	i := 0
	for ; i+4 <= len(weights); i += 4 {
		w, r0, r1, r2, r3 := (*[4]int32)(weights[i:]), row(i), row(i+1), row(i+2), row(i+3)
		for x := range sum {
			sum[x] += w[0]*int32(r0[x]) + w[1]*int32(r1[x]) + w[2]*int32(r2[x]) + w[3]*int32(r3[x])
		}
	}
	for ; i < len(weights); i++ {
		for x, v := range row(i) {
			sum[x] += weights[i] * int32(v)
		}
	}
	const shift = weightBits + rowBits
	for x, v := range sum {
		out[x] = clamp((v + 1<<(shift-1)) >> shift)
	}
}

// clamp is the sample nearest to v.
func clamp(v int32) uint8 {
	if uint32(v) <= 255 {
		return uint8(v)
	}
	return uint8(^(v >> 31)) // 0 below, 255 above
}

// scaled is a part of p, enlarged or reduced to w by h samples.
func (p plane) scaled(w, h int, across, down span) plane {
	s := newScaler(newPlane(w, h), p.w, p.h, across, down)
	for y := range p.h {
		s.add(y, p.row(y))
	}
	return s.dst
}
