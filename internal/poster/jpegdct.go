package poster

// The inverse cosine transform makes samples of a block of coefficients, by rows and
// columns (A.3.3). One of n points makes n samples of the n lowest of eight
// coefficients: the same picture at n eighths of its size.

// dctBits is how many binary digits cosines have behind the point.
const dctBits = 13

// cos1 to cos7 are cos(kπ/16).
const (
	cos1 = 8035
	cos2 = 7568
	cos3 = 6811
	cos4 = 5793
	cos5 = 4551
	cos6 = 3135
	cos7 = 1598
)

const (
	extra  = 2                   // digits that are kept between the passes
	first  = dctBits - extra     // what a first pass shifts out
	second = dctBits + extra + 2 // and a second; both passes together are four times too large
)

// inverse8 is the transform of 8 points, with samples around 128.
func inverse8(block *[64]int32, out []uint8, stride int) {
	for i := range 8 {
		col := block[i:]
		_ = col[56]
		f0, f1, f2, f3, f4, f5, f6, f7 := col[0], col[8], col[16], col[24], col[32], col[40], col[48], col[56]
		if f1|f2|f3|f4|f5|f6|f7 == 0 {
			if f0 == 0 {
				continue
			}
			v := (f0*cos4 + 1<<(first-1)) >> first
			col[0], col[8], col[16], col[24], col[32], col[40], col[48], col[56] = v, v, v, v, v, v, v, v
			continue
		}
		e0, e1, e2, e3 := even8(f0, f2, f4, f6, 1<<(first-1))
		o0, o1, o2, o3 := odd8(f1, f3, f5, f7)
		col[0], col[56] = (e0+o0)>>first, (e0-o0)>>first
		col[8], col[48] = (e1+o1)>>first, (e1-o1)>>first
		col[16], col[40] = (e2+o2)>>first, (e2-o2)>>first
		col[24], col[32] = (e3+o3)>>first, (e3-o3)>>first
	}
	for i := range 8 {
		row := block[8*i : 8*i+8]
		to := out[i*stride:][:8]
		e0, e1, e2, e3 := even8(row[0], row[2], row[4], row[6], 1<<(second-1)+128<<second)
		o0, o1, o2, o3 := odd8(row[1], row[3], row[5], row[7])
		to[0], to[7] = clamp((e0+o0)>>second), clamp((e0-o0)>>second)
		to[1], to[6] = clamp((e1+o1)>>second), clamp((e1-o1)>>second)
		to[2], to[5] = clamp((e2+o2)>>second), clamp((e2-o2)>>second)
		to[3], to[4] = clamp((e3+o3)>>second), clamp((e3-o3)>>second)
	}
}

// even8 is what even coefficients make of the first four samples, and of the last four
// in reverse.
func even8(f0, f2, f4, f6, round int32) (e0, e1, e2, e3 int32) {
	s, d := (f0+f4)*cos4+round, (f0-f4)*cos4+round
	a, b := f2*cos2+f6*cos6, f2*cos6-f6*cos2
	return s + a, d + b, d - b, s - a
}

// odd8 is what odd ones make, with the other sign in the last four.
func odd8(f1, f3, f5, f7 int32) (o0, o1, o2, o3 int32) {
	return f1*cos1 + f3*cos3 + f5*cos5 + f7*cos7,
		f1*cos3 - f3*cos7 - f5*cos1 - f7*cos5,
		f1*cos5 - f3*cos1 + f5*cos7 + f7*cos3,
		f1*cos7 - f3*cos5 + f5*cos3 - f7*cos1
}

// inverse4 is the transform of 4 points: rows of the block are 4 long.
func inverse4(block *[64]int32, out []uint8, stride int) {
	for i := range 4 {
		block[i], block[4+i], block[8+i], block[12+i] = four(block[i], block[4+i], block[8+i], block[12+i], 1<<(first-1), first)
	}
	for i := range 4 {
		row, to := block[4*i:4*i+4], out[i*stride:][:4]
		a, b, c, d := four(row[0], row[1], row[2], row[3], 1<<(second-1)+128<<second, second)
		to[0], to[1], to[2], to[3] = clamp(a), clamp(b), clamp(c), clamp(d)
	}
}

func four(f0, f1, f2, f3, round int32, shift uint) (a, b, c, d int32) {
	s, t := (f0+f2)*cos4+round, (f0-f2)*cos4+round
	o, p := f1*cos2+f3*cos6, f1*cos6-f3*cos2
	return (s + o) >> shift, (t + p) >> shift, (t - p) >> shift, (s - o) >> shift
}

// inverse2 is the transform of 2 points.
func inverse2(block *[64]int32, out []uint8, stride int) {
	a, b, c, d := block[0]+4+128<<3, block[1], block[2], block[3]
	top, bottom := out[:2], out[stride:][:2]
	top[0], top[1] = clamp((a+b+c+d)>>3), clamp((a-b+c-d)>>3)
	bottom[0], bottom[1] = clamp((a+b-c-d)>>3), clamp((a-b-c+d)>>3)
}

// zigzag is where each coefficient is in a block of 8 by 8, in the order in which they
// are coded (figure A.6).
func zigzag() (order [64]uint8) {
	x, y := 0, 0
	for i := range order {
		order[i] = uint8(8*y + x)
		switch up := (x+y)%2 == 0; {
		case up && x == 7:
			y++
		case up && y == 0:
			x++
		case up:
			x++
			y--
		case y == 7:
			x++
		case x == 0:
			y++
		default:
			x--
			y++
		}
	}
	return order
}
