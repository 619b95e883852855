package poster

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"image"
	"image/gif"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the golden pictures and those of the documents")

// mustMake makes a poster that has the shape that was asked for.
func mustMake(t testing.TB, data []byte, shape Shape) [3]plane {
	t.Helper()
	p, err := Make(data, shape)
	if err != nil || p.Note != "" || bytes.Equal(p.Bytes, data) {
		t.Fatalf("%s: %q, %v", shape, p.Note, err)
	}
	got := channels(decoded(t, p.Bytes))
	if got[0].w != Width || got[0].h != Height {
		t.Fatalf("%s: %d × %d pixels", shape, got[0].w, got[0].h)
	}
	return got
}

// part is a rectangle of a picture.
func part(img [3]plane, r image.Rectangle) (out [3]plane) {
	for i, p := range img {
		out[i] = newPlane(r.Dx(), r.Dy())
		for y := range r.Dy() {
			copy(out[i].row(y), p.row(r.Min.Y + y)[r.Min.X:r.Max.X])
		}
	}
	return out
}

// TestShapes says in words what the golden pictures show.
func TestShapes(t *testing.T) {
	for _, size := range [][2]int{{960, 540}, {401, 500}, {1200, 500}} {
		img := cover(size[0], size[1])
		data, want := asJPEG(t, img, 92), channels(img)
		high := (Width*size[1]/size[0] + 1) / 2 * 2
		top := (Height - high) / 2 &^ 1
		middle := image.Rect(0, top, Width, top+high)
		whole := resized(want, Width, high)

		fit := mustMake(t, data, Fit)
		if d := differ(t, part(fit, middle), whole); d > 3 {
			t.Errorf("%v, fit: the cover differs by %.2f", size, d)
		}
		for name, band := range map[string]image.Rectangle{"above": image.Rect(0, 0, Width, top&^15), "below": image.Rect(0, (top+high+15)&^15, Width, Height)} {
			for _, v := range part(fit, band)[0].pix {
				if v > 2 {
					t.Errorf("%v, fit: not black %s", size, name)
					break
				}
			}
		}

		blur := mustMake(t, data, Blur)
		if d := differ(t, part(blur, middle), whole); d > 3 {
			t.Errorf("%v, blur: the cover differs by %.2f", size, d)
		}
		// The ground has the colors of the cover's middle, and no edges.
		wide := size[1] * Width / Height
		at := (size[0] - wide) / 2
		enlarged := resized(part(want, image.Rect(at, 0, at+wide, size[1])), Width, Height)
		for i, name := range []string{"Y", "Cb", "Cr"} {
			ground, want := part(blur, image.Rect(0, 0, Width, top&^15))[i], part(enlarged, image.Rect(0, 0, Width, top&^15))[i]
			if d := math.Abs(mean(ground) - mean(want)); d > 8 {
				t.Errorf("%v, blur: %s of the ground is %.1f off", size, name, d)
			}
			for y := range ground.h {
				for x := 16; x < ground.w; x++ {
					if d := abs(int32(ground.row(y)[x]) - int32(ground.row(y)[x-16])); d > 24 {
						t.Fatalf("%v, blur: an edge at %d, %d", size, x, y)
					}
				}
			}
		}

		if d := differ(t, mustMake(t, data, Crop), enlarged); d > 3 {
			t.Errorf("%v, crop: differs by %.2f", size, d)
		}
	}
}

func mean(p plane) float64 {
	sum := 0
	for _, v := range p.pix {
		sum += int(v)
	}
	return float64(sum) / float64(len(p.pix))
}

// TestGoldenPictures compares with pictures that a person has looked at, and those of
// the documents with what shapes make today.
func TestGoldenPictures(t *testing.T) {
	img := cover(1920, 1080)
	data := asJPEG(t, img, 92)
	docs := filepath.Join("..", "..", "docs", "img")
	if *update {
		small := resized(channels(img), 533, 300)
		write(t, filepath.Join(docs, "cover.jpg"), asJPEG(t, toImage(small), 85))
	}
	for _, shape := range Shapes()[1:] {
		got := mustMake(t, data, shape)
		golden := filepath.Join("testdata", string(shape)+".png")
		shown := filepath.Join(docs, "poster-"+string(shape)+".jpg")
		if *update {
			write(t, golden, asPNG(t, toImage(resized(got, Width/10, Height/10))))
			write(t, shown, asJPEG(t, toImage(resized(got, Width/5, Height/5)), 85))
		}
		want, err := png.Decode(bytes.NewReader(readFile(t, golden)))
		if err != nil {
			t.Fatal(err)
		}
		if d := differ(t, resized(got, Width/10, Height/10), channels(want)); d > 1 {
			t.Errorf("%s differs by %.2f from its golden picture", shape, d)
		}
		if d := differ(t, resized(got, Width/5, Height/5), channels(decoded(t, readFile(t, shown)))); d > 3 {
			t.Errorf("%s differs by %.2f from %s; -update makes it anew", shape, d, shown)
		}
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTheSameBytesMakeTheSameBytes(t *testing.T) {
	data := readFile(t, "testdata", "420-progressive.jpg")
	for _, shape := range Shapes()[1:] {
		first, err := Make(data, shape)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				again, err := Make(bytes.Clone(data), shape)
				if err != nil || !bytes.Equal(again.Bytes, first.Bytes) {
					t.Errorf("%s: %d bytes, then %d, %v", shape, len(first.Bytes), len(again.Bytes), err)
				}
			})
		}
		all.Wait()
	}
}

// TestPixelsAreTheSameOnEveryMachine, before Go's own encoder writes them. If this fails,
// shapes look otherwise than they did: raise version, so that posters are made anew.
func TestPixelsAreTheSameOnEveryMachine(t *testing.T) {
	want := map[string]string{
		"420-progressive.jpg fit":  "60f8ce8d1354a8c3",
		"420-progressive.jpg blur": "72e78aea1fdfdb39",
		"palette.png blur":         "3e39160b87985d22",
	}
	for name, sum := range want {
		file, shape, _ := strings.Cut(name, " ")
		img := readAs(t, readFile(t, "testdata", file), 1000, 562).shaped(Shape(shape))
		h := sha256.New()
		for _, p := range []plane{img.y, img.cb, img.cr} {
			h.Write(p.pix)
		}
		if got := hex.EncodeToString(h.Sum(nil)[:8]); got != sum {
			t.Errorf("%s: %s, was %s", name, got, sum)
		}
	}
	if version != 1 {
		t.Error("these are the pixels of version 1")
	}
}

func TestACoverThatIsTurnedMakesTheSamePoster(t *testing.T) {
	img := cover(600, 400)
	for _, shape := range []Shape{Fit, Crop} {
		want := mustMake(t, asJPEG(t, img, 95), shape)
		for _, o := range []int{3, 6} { // another test reads all eight
			got := mustMake(t, withExif(asJPEG(t, coded(img, o), 95), o, binary.LittleEndian), shape)
			if d := differ(t, got, want); d > 2 {
				t.Errorf("%s, orientation %d: differs by %.2f", shape, o, d)
			}
		}
	}
}

func TestACoverThatIsNarrowKeepsItsShape(t *testing.T) {
	for _, c := range []struct {
		w, h  int
		keeps bool
	}{{799, 1000, true}, {800, 1000, false}, {400, 600, true}, {1, 2, true}, {10, 10000, true}, {4, 5, false}, {1, 1, false}} {
		data := asPNG(t, image.NewGray(image.Rect(0, 0, c.w, c.h)))
		got, err := Make(data, Fit)
		if err != nil || got.Note != "" || bytes.Equal(got.Bytes, data) != c.keeps {
			t.Errorf("%d × %d keeps its shape: %v, %q, %v", c.w, c.h, !c.keeps, got.Note, err)
		}
	}
	// It is what people see that counts.
	wide := asJPEG(t, image.NewGray(image.Rect(0, 0, 1600, 900)), 90)
	if got, err := Make(withExif(wide, 6, binary.BigEndian), Blur); err != nil || got.Note != "" || !bytes.HasPrefix(got.Bytes, wide[:2]) || len(got.Bytes) != len(withExif(wide, 6, binary.BigEndian)) {
		t.Errorf("a cover that is turned to be narrow: %q, %v", got.Note, err)
	}
}

func TestOddSizes(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {3, 2}, {10000, 10}, {65535, 1}, {17, 9}} {
		img := image.NewGray(image.Rect(0, 0, size[0], size[1]))
		for i := range img.Pix {
			img.Pix[i] = 180
		}
		for name, data := range map[string][]byte{"PNG": asPNG(t, img), "JPEG": asJPEG(t, img, 90)} {
			shapes := []Shape{Blur}
			if name == "JPEG" {
				shapes = []Shape{Fit, Crop}
			}
			for _, shape := range shapes {
				got := mustMake(t, data, shape)
				if v := got[0].row(Height / 2)[Width/2]; abs(int32(v)-180) > 2 && size[0] < 100*size[1] {
					t.Errorf("a %s of %v, %s: its middle is %d", name, size, shape, v)
				}
				if shape != Fit && math.Abs(mean(got[0])-180) > 1 {
					t.Errorf("a %s of %v, %s: its mean is %.1f", name, size, shape, mean(got[0]))
				}
			}
		}
	}
}

func TestOriginalIsNotLookedAt(t *testing.T) {
	for _, data := range [][]byte{nil, []byte("anything"), readFile(t, "testdata", "red.avif"), bytes.Repeat([]byte{7}, MaxBytes)} {
		for _, shape := range []Shape{Original, ""} {
			if got, err := Make(data, shape); err != nil || got.Note != "" || !bytes.Equal(got.Bytes, data) {
				t.Errorf("%.10q: %q, %v", data, got.Note, err)
			}
		}
	}
}

func TestWhatCannotBeReadStaysAsItIs(t *testing.T) {
	jpg := readFile(t, "testdata", "420.jpg")
	lossy := bytes.Clone(readFile(t, "testdata", "turned.webp"))
	binary.LittleEndian.PutUint16(lossy[12+8+4+3:], 9999) // a canvas that is higher than its picture
	cut := bytes.Clone(readFile(t, "testdata", "huge-lossless.webp"))
	binary.LittleEndian.PutUint32(cut[4:], 2000)
	binary.LittleEndian.PutUint32(cut[16:], 1000)
	for _, c := range []struct {
		data []byte
		note string
	}{
		{readFile(t, "testdata", "red.avif"), "is an AVIF picture, which PlexSync cannot read"},
		{jpg[:len(jpg)/2], "ends in the middle"},
		{append(bytes.Clone(jpg[:len(jpg)/2]), 0xFF, 0xD9), "ends in the middle"},
		{asJPEGof(65535, 65535), "has 65535 × 65535 pixels, and PlexSync reads at most 100 megapixels"},
		{pngOf(1<<31-1, 1<<31-1), "megapixels"},
		{pngOf(70000, 1), "has 70000 × 1 pixels"},
		{gifOf(60000, 1600), "would take more than 64 MiB of memory to read"},
		{gifOf(60000, 60000), "megapixels"},
		{readFile(t, "testdata", "huge-lossless.webp"), "would take more than 64 MiB"},
		{cut, "would take more than 64 MiB"}, // of a chunk that promises more than there is
		{lossy, "is damaged"},
		{[]byte("no picture at all"), "is not a JPEG, PNG, WebP or GIF picture"},
	} {
		for _, shape := range Shapes()[1:] {
			got, err := Make(c.data, shape)
			if err != nil || !strings.Contains(got.Note, c.note) || !bytes.Equal(got.Bytes, c.data) {
				t.Errorf("%s: %q, %v; want %q", shape, got.Note, err, c.note)
			}
		}
	}
	if got, err := Make(jpg, "oval"); err != nil || !strings.Contains(got.Note, `"oval", which is not a shape`) || !bytes.Equal(got.Bytes, jpg) {
		t.Errorf("an unknown shape: %q, %v", got.Note, err)
	}
}

// Headers that promise more than follows.

func asJPEGof(w, h int) []byte {
	b := append([]byte{0xFF, 0xD8}, segment(0xC0, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 1, 1, 0x11, 0)...)
	return append(b, segment(0xDA, 1, 1, 0, 0, 63, 0)...)
}

func segment(marker byte, body ...byte) []byte {
	return append([]byte{0xFF, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)}, body...)
}

func pngOf(w, h uint32) []byte {
	size := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return slices.Concat([]byte(pngMagic), chunk("IHDR", append(size, 8, 2, 0, 0, 0)...), chunk("IDAT"), chunk("IEND"))
}

func gifOf(w, h uint16) []byte {
	b := binary.LittleEndian.AppendUint16([]byte("GIF89a"), w)
	return append(binary.LittleEndian.AppendUint16(b, h), 0, 0, 0)
}

// large are pictures of w by h pixels, all one color, in a few bytes, as somebody may
// make them who means harm. Their codes are one bit long. Both sides are multiples of 16.
func large(t testing.TB, w, h int) map[string][]byte {
	frame := func(marker byte, components int, sampling byte) []byte {
		body := []byte{8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), byte(components)}
		for i := range components {
			body = append(body, byte(i+1), sampling, 0)
			sampling = 0x11
		}
		quant := append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)
		code := append(append([]byte{0x00, 1}, make([]byte, 15)...), 0) // one code of one bit, for 0
		ac := append([]byte{0x10}, code[1:]...)
		return slices.Concat([]byte{0xFF, 0xD8}, segment(0xDB, quant...), segment(marker, body...), segment(0xC4, code...), segment(0xC4, ac...))
	}
	scan := func(components int, from, to, digits byte) []byte {
		body := []byte{byte(components)}
		for i := range components {
			body = append(body, byte(i+1), 0)
		}
		return segment(0xDA, append(body, from, to, digits)...)
	}
	alone := func(component, from, to, digits byte) []byte { return segment(0xDA, 1, component, 0, from, to, digits) }
	zeros := func(bits int) []byte { return make([]byte, bits/8+8) }
	blocks := (w / 8) * (h / 8)
	end := []byte{0xFF, 0xD9}

	all := map[string][]byte{
		"JPEG 4:2:0": slices.Concat(frame(0xC0, 3, 0x22), scan(3, 0, 63, 0), zeros(blocks*4), end),
		"CMYK":       slices.Concat(frame(0xC0, 4, 0x11), scan(4, 0, 63, 0), zeros(blocks*8), end),
	}
	progressive := slices.Concat(frame(0xC2, 3, 0x11), scan(3, 0, 0, 0x01), zeros(blocks*3))
	for c := range byte(3) {
		progressive = slices.Concat(progressive, alone(c+1, 1, 63, 0x01), zeros(blocks))
	}
	all["progressive JPEG"] = slices.Concat(progressive, end)
	all["JPEG in separate scans"] = slices.Concat(frame(0xC0, 3, 0x11), alone(1, 0, 63, 0), zeros(blocks*2), alone(2, 0, 63, 0), zeros(blocks*2), alone(3, 0, 63, 0), zeros(blocks*2), end)
	all["PNG"] = asPNG(t, image.NewGray(image.Rect(0, 0, w, h)))
	return all
}

func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("reads six pictures of a hundred megapixels")
	}
	check := func(name string, data []byte, shape Shape) {
		var got Picture
		var err error
		// What was taken in all is no less than what was ever held at once.
		took := allocated(func() { got, err = Make(data, shape) })
		if err != nil || got.Note != "" {
			t.Errorf("%s, %s: %q, %v", name, shape, got.Note, err)
		}
		t.Logf("%s, %s: %.1f MiB and %.1f for the cover", name, shape, mib(took), mib(len(data)))
		if took+len(data) > memory {
			t.Errorf("%s, %s: took %.1f MiB", name, shape, mib(took))
		}
	}
	for name, data := range large(t, 10_000, 10_000) {
		check("100 megapixels, "+name, data, Fit)
	}
	// Of these the most is kept.
	const name = "progressive JPEG"
	check("100 megapixels, "+name, large(t, 10_000, 10_000)[name], Crop)
	check("4K, "+name, large(t, 3840, 2160)[name], Crop)
	check("5K, "+name, large(t, 5120, 2880)[name], Crop)
	// With 20 MB of the cover's own, too.
	check("a large file, "+name, append(large(t, 3840, 2160)[name], make([]byte, 20<<20)...), Crop)
}

func mib(n int) float64 { return float64(n) / (1 << 20) }

// TestACoverThatIsTooLargeIsMadeSmaller, in whatever shape.
func TestACoverThatIsTooLargeIsMadeSmaller(t *testing.T) {
	pad := func(data []byte) []byte { return append(bytes.Clone(data), make([]byte, MaxBytes)...) }
	for _, c := range []struct {
		data []byte
		w, h int
	}{
		{asJPEG(t, cover(640, 360), 90), 640, 360},
		{asPNG(t, cover(321, 501)), 321, 501},
		{asPNG(t, image.NewGray(image.Rect(0, 0, 6000, 3000))), 2560, 1280},
		{asJPEG(t, image.NewGray(image.Rect(0, 0, 3000, 5120)), 90), 1500, 2560},
		{withExif(asJPEG(t, image.NewGray(image.Rect(0, 0, 3000, 5120)), 90), 8, binary.BigEndian), 2560, 1500},
		{asPNG(t, image.NewGray(image.Rect(0, 0, 60000, 3))), 2560, 1},
	} {
		got, err := Make(pad(c.data), Original)
		if err != nil || got.Note != "" || len(got.Bytes) > MaxBytes {
			t.Fatalf("%d × %d: %d bytes, %q, %v", c.w, c.h, len(got.Bytes), got.Note, err)
		}
		if r := decoded(t, got.Bytes).Bounds(); r.Dx() != c.w || r.Dy() != c.h {
			t.Errorf("it is %v, want %d × %d", r, c.w, c.h)
		}
	}
	narrow := channels(cover(400, 600))
	for _, shape := range Shapes() {
		got, err := Make(pad(asJPEG(t, cover(400, 600), 95)), shape)
		if err != nil || got.Note != "" {
			t.Fatalf("%s: %q, %v", shape, got.Note, err)
		}
		if d := differ(t, channels(decoded(t, got.Bytes)), narrow); d > 4 {
			t.Errorf("%s: a narrow cover differs by %.2f", shape, d)
		}
	}
	if got := mustMake(t, pad(asJPEG(t, cover(640, 360), 90)), Fit); got[0].h != Height {
		t.Error("a wide one gets its shape")
	}
	for data, want := range map[string]string{
		"no picture": "has 10.0 MB, Plex takes at most 10, and it cannot be made smaller: it is not a JPEG, PNG, WebP or GIF picture",
		string(readFile(t, "testdata", "huge-lossless.webp")): "it would take more than 64 MiB",
	} {
		got, err := Make(pad([]byte(data)), Original)
		if err == nil || !strings.Contains(err.Error(), want) || got.Bytes != nil {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestShapesAreNamed(t *testing.T) {
	for text, want := range map[string]Shape{"": Original, " ": Original, "original": Original, "FIT": Fit, " Blur ": Blur, "crop": Crop} {
		if got, err := ParseShape(text); got != want || err != nil {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"corp":  `"corp" is not a shape (did you mean crop?); the shapes are original, fit, blur, crop`,
		"round": `"round" is not a shape; the shapes are`,
	} {
		if got, err := ParseShape(text); got != Original || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	keys := map[string]bool{}
	for _, s := range Shapes() {
		keys[s.Key()] = true
	}
	if len(keys) != 4 || Original.Key() != "" || Shape("").Key() != "" || Fit.Key() != "fit/1" {
		t.Errorf("keys: %v", keys)
	}
}

func FuzzCover(f *testing.F) {
	files, err := filepath.Glob("testdata/*.[jpwg]*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(readFile(f, file), uint8(7), uint8(5))
	}
	small := cover(32, 18)
	var asGIF bytes.Buffer
	if err := gif.Encode(&asGIF, small, nil); err != nil {
		f.Fatal(err)
	}
	for i, data := range [][]byte{asJPEG(f, small, 80), asPNG(f, small), asGIF.Bytes(), withExif(asJPEG(f, small, 80), 7, binary.BigEndian), asJPEGof(64, 64), pngOf(9, 9), gifOf(5, 5), pngOf(1<<31-1, 1<<31-1)} {
		f.Add(data, uint8(i), uint8(40*i))
	}
	f.Fuzz(func(t *testing.T, data []byte, w, h uint8) {
		p, err := open(data)
		if err == nil {
			pw, ph, o := p.size()
			if pw < 1 || ph < 1 || o < 1 || o > 8 {
				t.Fatalf("%d × %d pixels, orientation %d", pw, ph, o)
			}
			if pw <= 5000 && ph <= 5000 && pw*ph <= 1<<20 { // others are bounded as well, but take their time
				r := request{int(w) + 1, int(h) + 1, span{0, fixed(pw) << 16}, span{fixed(ph) << 14, fixed(ph) << 16}}
				img, err := p.decode(r, budget)
				p, _ = open(data)
				again, err2 := p.decode(r, budget)
				if !bytes.Equal(img.y.pix, again.y.pix) || !bytes.Equal(img.cb.pix, again.cb.pix) || (err == nil) != (err2 == nil) {
					t.Errorf("once %v, then %v, or another picture", err, err2)
				}
				return
			}
			if uint64(pw)*uint64(ph) <= maxPixels && pw <= maxSide && ph <= maxSide {
				return
			}
		}
		if got, err := Make(data, Fit); err != nil || got.Note == "" || !bytes.Equal(got.Bytes, data) {
			t.Errorf("a picture that cannot be read: %q, %v", got.Note, err)
		}
	})
}

func BenchmarkMake(b *testing.B) {
	for _, size := range []struct {
		name string
		w, h int
	}{{"1080p", 1920, 1080}, {"4K", 3840, 2160}, {"24MP", 6000, 4000}} {
		img := cover(size.w, size.h)
		for _, kind := range []string{"jpeg", "png"} {
			data := asJPEG(b, img, 85)
			if kind == "png" {
				if size.name == "24MP" {
					continue
				}
				data = asPNG(b, img)
			}
			for _, shape := range Shapes()[1:] {
				b.Run(fmt.Sprintf("%s/%s/%s", size.name, kind, shape), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if p, err := Make(data, shape); err != nil || p.Note != "" {
							b.Fatal(p.Note, err)
						}
					}
				})
			}
		}
	}
}
