package poster

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// cover is a made-up cover: an evening with the sun on the right, and a house on the
// left. No two corners look alike, and it has grain as a photo has.
func cover(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	mix := func(a, b [3]float64, t float64) (c [3]float64) {
		t = min(max(t, 0), 1)
		for i := range c {
			c[i] = a[i] + (b[i]-a[i])*t
		}
		return c
	}
	for py := range h {
		for px := range w {
			// From 0 to 16 and 9, whatever the size.
			x, y := (float64(px)+0.5)/float64(w)*16, (float64(py)+0.5)/float64(h)*9
			c := mix([3]float64{38, 44, 92}, [3]float64{244, 152, 92}, (y+x/6)/7.5)
			sun := math.Hypot(x-9.1, y-4.1)
			c = mix([3]float64{255, 236, 190}, c, (sun-1.1)*8)
			if sun > 1.1 {
				c = mix([3]float64{255, 214, 150}, c, 0.45+sun/4)
			}
			if y > 5.2+0.7*math.Sin(x*0.9)+0.3*math.Sin(x*2.3+1) {
				c = [3]float64{88, 70, 104}
			}
			if y > 6.4+0.5*math.Sin(x*0.6+2)+0.2*math.Sin(x*3.1) {
				c = mix([3]float64{52, 60, 58}, [3]float64{22, 26, 34}, (y-6)/3)
			}
			if x > 2 && x < 4.4 && y > 5.4 && y < 7.6 {
				c = [3]float64{150, 46, 44}
				if math.Mod(x, 1.2) < 0.6 && y > 6 && y < 6.7 {
					c = [3]float64{255, 224, 120}
				}
			}
			if math.Abs(x-3.2) < (y-4.2)*1.3 && y < 5.4 {
				c = [3]float64{70, 40, 48}
			}
			if x < 0.5 && y < 0.5 {
				c = [3]float64{40, 200, 160} // a mark in the corner
			}
			seed := uint32(px)*2654435761 ^ uint32(py)*2246822519
			seed = (seed ^ seed>>15) * 2654435761
			grain := float64(seed>>28) - 7.5
			var p [3]uint8
			for i := range p {
				p[i] = uint8(min(max(c[i]+grain*0.6, 0), 255))
			}
			img.SetRGBA(px, py, color.RGBA{p[0], p[1], p[2], 255})
		}
	}
	return img
}

func asJPEG(t testing.TB, img image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// channels are an image's Y, Cb and Cr, all of its size.
func channels(img image.Image) (all [3]plane) {
	r := img.Bounds()
	flat := image.NewRGBA(image.Rect(0, 0, r.Dx(), r.Dy()))
	draw.Draw(flat, flat.Rect, img, r.Min, draw.Src)
	for i := range all {
		all[i] = newPlane(r.Dx(), r.Dy())
	}
	for i := range all[0].pix {
		c := flat.Pix[4*i:]
		all[0].pix[i], all[1].pix[i], all[2].pix[i] = color.RGBToYCbCr(c[0], c[1], c[2])
	}
	return all
}

// differ is by how much two pictures of one size differ: the mean over their pixels, of
// the channel where it is the largest.
func differ(t testing.TB, a, b [3]plane) float64 {
	t.Helper()
	worst := 0.0
	for i := range a {
		if a[i].w != b[i].w || a[i].h != b[i].h {
			t.Fatalf("one is %d × %d, the other %d × %d", a[i].w, a[i].h, b[i].w, b[i].h)
		}
		sum := 0
		for j, v := range a[i].pix {
			sum += int(abs(int32(v) - int32(b[i].pix[j])))
		}
		worst = max(worst, float64(sum)/float64(len(a[i].pix)))
	}
	return worst
}

// decoded is a poster's pixels.
func decoded(t testing.TB, data []byte) image.Image {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// resized is a picture at another size.
func resized(img [3]plane, w, h int) (all [3]plane) {
	for i, p := range img {
		all[i] = p.scaled(w, h, whole(p.w), whole(p.h))
	}
	return all
}

// as444 is what was read, with colors of full size.
func (img ycc) as444() [3]plane {
	w, h := img.y.w, img.y.h
	up := func(p plane) plane {
		return p.scaled(w, h, span{0, fixed(w) << 15}, span{0, fixed(h) << 15})
	}
	return [3]plane{img.y, up(img.cb), up(img.cr)}
}

// toImage is the same as an image.
func toImage(p [3]plane) *image.YCbCr {
	return &image.YCbCr{Y: p[0].pix, Cb: p[1].pix, Cr: p[2].pix, YStride: p[0].w, CStride: p[0].w,
		SubsampleRatio: image.YCbCrSubsampleRatio444, Rect: image.Rect(0, 0, p[0].w, p[0].h)}
}

func readFile(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
