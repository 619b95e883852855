package poster

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// reference scales a row with floating point, straight from the definition.
func reference(row []uint8, dst int, from, to float64) []float64 {
	kernel := func(t float64) float64 {
		switch t = math.Abs(t); {
		case t < 1:
			return (1.5*t-2.5)*t*t + 1
		case t < 2:
			return ((-0.5*t+2.5)*t-4)*t + 2
		}
		return 0
	}
	out := make([]float64, dst)
	step := (to - from) / float64(dst)
	wide := max(step, 1)
	for i := range out {
		center := from + step*(float64(i)+0.5)
		sum, total := 0.0, 0.0
		for j := int(center-2*wide) - 2; j < int(center+2*wide)+2; j++ {
			w := kernel((float64(j) + 0.5 - center) / wide)
			total += w
			sum += w * float64(row[min(max(j, 0), len(row)-1)])
		}
		out[i] = min(max(sum/total, 0), 255)
	}
	return out
}

func TestScalingIsTheCubic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "row")
		dst := rapid.IntRange(1, 300).Draw(t, "dst")
		from := rapid.IntRange(0, len(row)*4-1).Draw(t, "from")
		to := rapid.IntRange(from+1, len(row)*4).Draw(t, "to")
		part := span{fixed(from) << 14, fixed(to) << 14} // quarters of a sample
		want := reference(row, dst, float64(from)/4, float64(to)/4)

		across := plane{len(row), 1, row}.scaled(dst, 1, part, whole(1))
		down := plane{1, len(row), row}.scaled(1, dst, whole(1), part)
		for i, w := range want {
			if math.Abs(float64(across.pix[i])-w) > 1.5 || math.Abs(float64(down.pix[i])-w) > 1.5 {
				t.Fatalf("sample %d is %d across and %d down, want %.2f", i, across.pix[i], down.pix[i], w)
			}
		}
	})
}

func TestScalingKeepsWhatIsEven(t *testing.T) {
	for _, size := range [][4]int{{1, 1, 1000, 1500}, {7, 3, 5, 900}, {65535, 2, 1000, 2}, {1920, 1080, 1000, 562}} {
		p := newPlane(size[0], size[1])
		p.fill(201)
		got := p.scaled(size[2], size[3], whole(p.w), whole(p.h))
		if i := slices.IndexFunc(got.pix, func(v uint8) bool { return v != 201 }); i >= 0 {
			t.Errorf("%v: sample %d is %d", size, i, got.pix[i])
		}
	}
	p := plane{3, 2, []uint8{1, 99, 3, 4, 5, 250}}
	if got := p.scaled(3, 2, whole(3), whole(2)); !slices.Equal(got.pix, p.pix) {
		t.Errorf("the same size: %v", got.pix)
	}
}

func TestClamp(t *testing.T) {
	for v, want := range map[int32]uint8{-1 << 31: 0, -1: 0, 0: 0, 255: 255, 256: 255, math.MaxInt32: 255, 7: 7} {
		if got := clamp(v); got != want {
			t.Errorf("%d: %d", v, got)
		}
	}
}
