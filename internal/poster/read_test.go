package poster

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// budget is what there is to read a small cover for a poster.
const budget = memory - besides - 3*Width*Height

// readAs reads a picture at a size.
func readAs(t testing.TB, data []byte, w, h int) ycc {
	t.Helper()
	p, err := open(data)
	if err != nil {
		t.Fatal(err)
	}
	pw, ph, o := p.size()
	if o.sideways() {
		pw, ph = ph, pw
	}
	img, err := read(p, request{w, h, whole(pw), whole(ph)}, len(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestEveryKindOfFileShowsTheSamePicture(t *testing.T) {
	want := channels(cover(320, 180))
	gray := want
	gray[1], gray[2] = newPlane(320, 180), newPlane(320, 180)
	gray[1].fill(128)
	gray[2].fill(128)
	for _, c := range []struct {
		file string
		most float64 // mean difference: coding loses something, colors of half the size too
	}{
		{"420.jpg", 3}, {"444-progressive.jpg", 3}, {"420-progressive.jpg", 3}, {"411.jpg", 3}, {"440-restart.jpg", 3},
		{"422-progressive-restart.jpg", 3}, {"420-separate.jpg", 3}, {"3x1.jpg", 3}, {"odd-sampling.jpg", 4}, {"rgb.jpg", 2},
		{"gray.jpg", 2}, {"low-progressive.jpg", 4}, {"cmyk.jpg", 4}, {"cmyk-progressive.jpg", 4},
		{"lossy.webp", 3}, {"lossless.webp", 1}, {"turned.webp", 3}, {"palette.png", 5}, {"interlaced.png", 1},
	} {
		got := readAs(t, readFile(t, "testdata", c.file), 320, 180).as444()
		want := want
		if c.file == "gray.jpg" {
			want = gray
		}
		if d := differ(t, got, want); d > c.most {
			t.Errorf("%s differs by %.2f, want at most %.0f", c.file, d, c.most)
		}
	}
}

// TestAReducedPictureIsTheSamePicture: from coarse parts of blocks, or from squares of
// pixels.
func TestAReducedPictureIsTheSamePicture(t *testing.T) {
	// Of small pictures colors of half the size are far off where something is fine.
	most := func(w int) float64 {
		if w < 40 {
			return 10
		}
		return 3
	}
	big := cover(1280, 720)
	want, small := channels(big), channels(cover(320, 180))
	for name, data := range map[string][]byte{
		"JPEG": asJPEG(t, big, 92), "PNG": asPNG(t, big),
	} {
		for _, size := range [][2]int{{1279, 719}, {640, 360}, {639, 359}, {320, 180}, {160, 90}, {150, 97}, {30, 20}, {8, 4}, {1, 1}} {
			got := readAs(t, data, size[0], size[1]).as444()
			if d := differ(t, got, resized(want, size[0], size[1])); d > most(size[0]) {
				t.Errorf("a %s at %v differs by %.2f", name, size, d)
			}
		}
	}
	for _, file := range []string{"444-progressive.jpg", "420-progressive.jpg", "420-separate.jpg", "422-progressive-restart.jpg", "cmyk-progressive.jpg", "3x1.jpg", "rgb.jpg"} {
		for _, size := range [][2]int{{160, 90}, {80, 45}, {40, 22}, {20, 11}} {
			got := readAs(t, readFile(t, "testdata", file), size[0], size[1]).as444()
			if d := differ(t, got, resized(small, size[0], size[1])); d > most(size[0])+1 {
				t.Errorf("%s at %v differs by %.2f", file, size, d)
			}
		}
	}
}

// TestAPartOfAPicture: each way of reading finds the same columns and rows.
func TestAPartOfAPicture(t *testing.T) {
	img := cover(640, 360)
	part := image.NewRGBA(image.Rect(0, 0, 203, 101))
	draw.Draw(part, part.Rect, img, image.Pt(157, 83), draw.Src)
	var asGIF bytes.Buffer
	if err := gif.Encode(&asGIF, img, &gif.Options{NumColors: 256}); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"JPEG": asJPEG(t, img, 95), "PNG": asPNG(t, img), "GIF": asGIF.Bytes()} {
		p, err := open(data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.decode(request{203, 101, span{157 << 16, 360 << 16}, span{83 << 16, 184 << 16}}, budget)
		if err != nil {
			t.Fatal(err)
		}
		// 256 colors, chosen for anything and dithered, are far off.
		if d := differ(t, got.as444(), channels(part)); d > 3 && name != "GIF" || d > 10 {
			t.Errorf("a part of a %s differs by %.2f", name, d)
		}
	}
}

// TestJPEGIsReadAsByTheStandardLibrary compares every pixel.
func TestJPEGIsReadAsByTheStandardLibrary(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jpg")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	compared := 0
	for _, f := range files {
		data := readFile(t, f)
		want, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			continue // it knows fewer samplings than there are
		}
		compared++
		got := readAs(t, data, 320, 180)
		luma := channels(want)[0]
		if w, ok := want.(*image.YCbCr); ok {
			luma = plane{320, 180, nil}
			for y := range 180 {
				luma.pix = append(luma.pix, w.Y[w.YOffset(0, y):][:320]...)
			}
		}
		for i, v := range luma.pix {
			if d := abs(int32(v) - int32(got.y.pix[i])); d > 2 {
				t.Errorf("%s: the pixel at %d, %d is %d, want %d", f, i%320, i/320, got.y.pix[i], v)
				break
			}
		}
	}
	if compared < 9 {
		t.Errorf("it read only %d of %d files", compared, len(files))
	}
}

// TestInksOfEveryKind: what is stored of an ink is how much light it lets through, or
// how much it takes; as itself, or as Y, Cb and Cr.
func TestInksOfEveryKind(t *testing.T) {
	ycck := readFile(t, "testdata", "cmyk.jpg")
	const transform = 2 + 2 + 2 + 11 // in Adobe's marker, the first
	if string(ycck[6:11]) != "Adobe" || ycck[transform] != 2 {
		t.Fatalf("begins with %q", ycck[:20])
	}
	cmyk := bytes.Clone(ycck)
	cmyk[transform] = 0 // what is in it is another picture, but no matter
	bare := append(bytes.Clone(ycck[:2]), ycck[18:]...)

	img, err := jpeg.Decode(bytes.NewReader(cmyk))
	if err != nil {
		t.Fatal(err)
	}
	adobe := img.(*image.CMYK)
	negative := image.NewCMYK(adobe.Rect)
	for i, v := range adobe.Pix {
		negative.Pix[i] = 255 - v
	}
	for name, c := range map[string]struct {
		data []byte
		want image.Image
	}{"CMYK of Adobe's": {cmyk, adobe}, "CMYK of others'": {bare, negative}, "YCCK": {ycck, cover(320, 180)}} {
		if d := differ(t, readAs(t, c.data, 320, 180).as444(), channels(c.want)); d > 4 {
			t.Errorf("%s differs by %.2f", name, d)
		}
	}
}

func TestPNGOfEveryKind(t *testing.T) {
	img := cover(97, 61)
	half := func(c color.Color, x int) color.NRGBA64 {
		v := color.NRGBA64Model.Convert(c).(color.NRGBA64)
		if x > 48 {
			v.A = uint16(x * 600)
		}
		return v
	}
	gray, gray16 := image.NewGray(img.Rect), image.NewGray16(img.Rect)
	alpha, alpha16, deep := image.NewNRGBA(img.Rect), image.NewNRGBA64(img.Rect), image.NewRGBA64(img.Rect)
	colors := func(n int) *image.Paletted {
		p := image.NewPaletted(img.Rect, nil)
		for i := range n {
			p.Palette = append(p.Palette, color.NRGBA{uint8(i * 255 / n), uint8(200 - i*100/n), uint8(i * 7), uint8(255 - i%3*80)})
		}
		for i := range p.Pix {
			p.Pix[i] = uint8(i * 7 / 5 % n)
		}
		return p
	}
	for y := range 61 {
		for x := range 97 {
			c := img.At(x, y)
			gray.Set(x, y, c)
			gray16.Set(x, y, c)
			deep.Set(x, y, c)
			alpha.Set(x, y, half(c, x))
			alpha16.Set(x, y, half(c, x))
		}
	}
	for name, img := range map[string]image.Image{
		"RGB": img, "gray": gray, "16-bit gray": gray16, "16-bit RGB": deep, "RGBA": alpha, "16-bit RGBA": alpha16,
		"2 colors": colors(2), "4 colors": colors(4), "16 colors": colors(16), "256 colors": colors(256), "100 colors": colors(100),
	} {
		black := image.NewRGBA(img.Bounds())
		draw.Draw(black, black.Rect, image.Black, image.Point{}, draw.Src)
		draw.Draw(black, black.Rect, img, image.Point{}, draw.Over)
		// Every compression chooses other filters.
		for _, level := range []png.CompressionLevel{png.NoCompression, png.BestSpeed, png.BestCompression} {
			var b bytes.Buffer
			if err := (&png.Encoder{CompressionLevel: level}).Encode(&b, img); err != nil {
				t.Fatal(err)
			}
			got, want := readAs(t, b.Bytes(), 97, 61), channels(black)
			for i, v := range want[0].pix {
				if abs(int32(v)-int32(got.y.pix[i])) > 1 {
					t.Errorf("%s: the pixel at %d, %d is %d, want %d", name, i%97, i/97, got.y.pix[i], v)
					break
				}
			}
			// Random colors of neighbors differ most in half the size.
			if d := differ(t, got.as444(), want); !strings.HasSuffix(name, "colors") && d > 2 {
				t.Errorf("%s differs by %.2f", name, d)
			}
		}
	}
}

// chunk is a chunk of a PNG, with a wrong checksum.
func chunk(kind string, body ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	return append(append(append(b, kind...), body...), 0, 0, 0, 0)
}

func TestPNGWithOneTransparentColor(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, 4, 1))
	copy(gray.Pix, []uint8{10, 200, 200, 90})
	rgb := image.NewRGBA(gray.Rect)
	for x, v := range gray.Pix {
		rgb.SetRGBA(x, 0, color.RGBA{v, v, 50, 255})
	}
	want := []uint8{10, 0, 0, 90}
	for name, c := range map[string]struct {
		img   image.Image
		alpha []byte
	}{"gray": {gray, []byte{0, 200}}, "RGB": {rgb, []byte{0, 200, 0, 200, 0, 50}}} {
		data := asPNG(t, c.img)
		header := len(pngMagic) + 8 + 13 + 4
		data = slices.Concat(data[:header], chunk("tRNS", c.alpha...), data[header:])
		got := readAs(t, data, 4, 1)
		for x, v := range want {
			if name == "RGB" && v != 0 {
				v = toY(int32(v), int32(v), 50)
			}
			if got.y.pix[x] != v {
				t.Errorf("%s: pixel %d is %d, want %d", name, x, got.y.pix[x], v)
			}
		}
	}
}

func TestWhatIsTransparentIsBlack(t *testing.T) {
	want := cover(320, 180)
	draw.Draw(want, image.Rect(160, 0, 320, 180), image.Black, image.Point{}, draw.Src)
	if d := differ(t, readAs(t, readFile(t, "testdata", "half-transparent.webp"), 320, 180).as444(), channels(want)); d > 3 {
		t.Errorf("differs by %.2f", d)
	}
}

func TestTheFirstFrameOfAGIF(t *testing.T) {
	want := image.NewRGBA(image.Rect(0, 0, 320, 180))
	draw.Draw(want, want.Rect, image.Black, image.Point{}, draw.Src)
	draw.Draw(want, image.Rect(80, 45, 240, 135), cover(320, 180), image.Pt(80, 45), draw.Src)
	if d := differ(t, readAs(t, readFile(t, "testdata", "part.gif"), 320, 180).as444(), channels(want)); d > 4 {
		t.Errorf("a frame in the middle differs by %.2f", d)
	}

	frames := &gif.GIF{}
	for _, c := range []color.Color{color.White, color.Black} {
		frames.Image = append(frames.Image, image.NewPaletted(image.Rect(0, 0, 30, 20), color.Palette{c}))
		frames.Delay = append(frames.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, frames); err != nil {
		t.Fatal(err)
	}
	if got := readAs(t, b.Bytes(), 1, 1); got.y.pix[0] != 255 {
		t.Errorf("of two frames, white and black, it is %d", got.y.pix[0])
	}
}

// withExif is a JPEG with an orientation noted in it.
func withExif(data []byte, o int, order binary.ByteOrder) []byte {
	magic := "II*\x00"
	if order == binary.BigEndian {
		magic = "MM\x00*"
	}
	tiff := []byte(magic)
	put := func(size int, v uint32) {
		b := make([]byte, 4)
		if order.PutUint32(b, v); size == 2 {
			order.PutUint16(b, uint16(v))
		}
		tiff = append(tiff, b[:size]...)
	}
	put(4, 10) // the directory, behind two bytes of nothing
	put(2, 0)
	put(2, 2)
	for _, entry := range [][2]uint32{{0x010F, 0}, {0x0112, uint32(o)}} {
		put(2, entry[0])
		put(2, 3)
		put(4, 1)
		put(2, entry[1])
		put(2, 0)
	}
	body := append([]byte("Exif\x00\x00"), tiff...)
	segment := binary.BigEndian.AppendUint16([]byte{0xFF, 0xE1}, uint16(len(body)+2))
	return slices.Concat(data[:2], segment, body, data[2:])
}

// coded is the picture that shows img when it is turned as o says: x and y of what is
// coded for each pixel of what is shown, by Exif's own words for the first row and the
// first column of what is coded.
func coded(img image.Image, o int) image.Image {
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	if o >= 5 {
		out = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			var cx, cy int
			switch o {
			case 1: // row 0 is the top, column 0 the left side
				cx, cy = x, y
			case 2: // top, right
				cx, cy = w-1-x, y
			case 3: // bottom, right
				cx, cy = w-1-x, h-1-y
			case 4: // bottom, left
				cx, cy = x, h-1-y
			case 5: // left, top
				cx, cy = y, x
			case 6: // right, top
				cx, cy = y, w-1-x
			case 7: // right, bottom
				cx, cy = h-1-y, w-1-x
			case 8: // left, bottom
				cx, cy = h-1-y, x
			}
			out.Set(cx, cy, img.At(x, y))
		}
	}
	return out
}

func TestPicturesAreTurnedAsExifSays(t *testing.T) {
	img := cover(320, 180)
	want := channels(img)
	for o := 1; o <= 8; o++ {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			data := withExif(asJPEG(t, coded(img, o), 92), o, order)
			if d := differ(t, readAs(t, data, 320, 180).as444(), want); d > 3 {
				t.Errorf("JPEG, orientation %d, %v: differs by %.2f", o, order, d)
			}
		}
		exif := withExif([]byte{0, 0}, o, binary.BigEndian)[2+4+6:]
		data := asPNG(t, coded(img, o))
		header := len(pngMagic) + 8 + 13 + 4
		data = slices.Concat(data[:header], chunk("eXIf", exif...), data[header:])
		if d := differ(t, readAs(t, data, 320, 180).as444(), want); d > 2 {
			t.Errorf("PNG, orientation %d: differs by %.2f", o, d)
		}
	}
	for o, data := range map[int][]byte{
		0: []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x00\x00\x00\x00"), // 0 is none
		9: []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x09\x00\x00\x00"),
		1: []byte("II*\x00\xff\xff\xff\xff"), 2: []byte("II*\x00\x08\x00\x00\x00\xff\xff"), 3: []byte("XX"), 4: []byte("Exif\x00\x00MM\x00*"),
		5: nil,
	} {
		if got := readExif(data); got != 1 {
			t.Errorf("damaged Exif (%d): %d", o, got)
		}
	}
}

func TestTheCosineTransform(t *testing.T) {
	// The definition (A.3.3), at n points.
	slow := func(f [64]int32, n int) (out [64]float64) {
		c := func(u int) float64 {
			if u == 0 {
				return math.Sqrt(1 / float64(n))
			}
			return math.Sqrt(2 / float64(n))
		}
		for y := range n {
			for x := range n {
				sum := 0.0
				for v := range n {
					for u := range n {
						sum += c(u) * c(v) * float64(f[v*n+u]) *
							math.Cos(float64((2*x+1)*u)*math.Pi/float64(2*n)) * math.Cos(float64((2*y+1)*v)*math.Pi/float64(2*n))
					}
				}
				out[y*n+x] = min(max(sum*float64(n)/8+128, 0), 255)
			}
		}
		return out
	}
	seed := uint32(1)
	for range 2000 {
		var f [64]int32
		for i := range f {
			seed = seed*1664525 + 1013904223
			if f[i] = int32(seed>>20)%600 - 300; seed>>12&3 != 0 {
				f[i] /= int32(i + 1)
			}
			if seed>>16&7 == 0 {
				f[i] = 0
			}
		}
		for _, n := range []int{8, 4, 2} {
			block, want := f, slow(f, n)
			got := make([]uint8, 64)
			switch n {
			case 8:
				inverse8(&block, got, 8)
			case 4:
				inverse4(&block, got, 4)
			case 2:
				inverse2(&block, got, 2)
			}
			for i := range n * n {
				if math.Abs(float64(got[i])-want[i]) > 1.1 {
					t.Fatalf("%d points: sample %d is %d, want %.2f", n, i, got[i], want[i])
				}
			}
		}
	}
	if z := zigzag(); z[1] != 1 || z[2] != 8 || z[24] != 8*3+3 || z[63] != 63 || slices.Max(z[:]) != 63 {
		t.Errorf("zigzag: %v", z)
	}
}

// TestDecodersOfOthersTakeWhatIsPlanned: the budget is kept by looking at headers.
func TestDecodersOfOthersTakeWhatIsPlanned(t *testing.T) {
	deep := image.NewNRGBA64(image.Rect(0, 0, 640, 360))
	for i := range deep.Pix {
		deep.Pix[i] = uint8(i * i >> 3)
	}
	var asGIF bytes.Buffer
	if err := gif.Encode(&asGIF, cover(640, 360), nil); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"lossy.webp": readFile(t, "testdata", "lossy.webp"), "lossless.webp": readFile(t, "testdata", "lossless.webp"),
		"half-transparent.webp": readFile(t, "testdata", "half-transparent.webp"), "interlaced.png": readFile(t, "testdata", "interlaced.png"),
		"GIF": asGIF.Bytes(),
	} {
		p, err := open(data)
		if err != nil {
			t.Fatal(err)
		}
		s := p.(still)
		took := allocated(func() {
			if s.image() == nil {
				t.Errorf("%s cannot be read", name)
			}
		})
		const besides = 192 << 10 // tables, buffers
		if took > s.memory+besides {
			t.Errorf("%s: took %d KiB, planned %d", name, took>>10, s.memory>>10)
		}
	}
}

// allocated is how many bytes f takes from the heap, whether they are freed or not.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

func TestADecoderThatPanicsReadsNothing(t *testing.T) {
	s := still{2, 2, 1, 4, func() (image.Image, error) { panic("index out of range") }}
	if _, err := s.decode(request{2, 2, whole(2), whole(2)}, 4); err != errDamaged {
		t.Error(err)
	}
	if _, err := s.decode(request{2, 2, whole(2), whole(2)}, 3); err != errMemory {
		t.Error(err)
	}
}

func TestWhatCannotBeReadIsToldByName(t *testing.T) {
	progressive := readFile(t, "testdata", "420-progressive.jpg")
	for _, c := range []struct {
		data []byte
		want string
	}{
		{readFile(t, "testdata", "red.avif"), "is an AVIF picture"},
		{[]byte("\x00\x00\x00\x18ftypheic"), "is a HEIC picture"},
		{[]byte("\x00\x00\x00\x18ftypmp42xxxxxxxx"), "is not a JPEG, PNG, WebP or GIF picture"},
		{readFile(t, "testdata", "animated.webp"), "is an animated WebP picture"},
		{readFile(t, "testdata", "arithmetic.jpg"), "is a JPEG of an unsupported kind"},
		{bytes.Replace(bytes.Clone(progressive), []byte{0xFF, 0xC2, 0, 17, 8}, []byte{0xFF, 0xC2, 0, 17, 12}, 1), "is a JPEG with 12 bits"},
		{nil, "is empty"},
		{[]byte("<svg/>"), "is not a JPEG"},
		{[]byte("BM"), "is not a JPEG"},
		{[]byte("\xFF\xD8\xFF"), "is damaged"},
		{[]byte("\xFF\xD8\xFF\xD9"), "is damaged"},
		{[]byte("\xFF\xD8\xFF\xC0\x00"), "ends in the middle"},
		{[]byte("\xFF\xD8\xFF\xC0\x00\x01"), "is damaged"},
		{[]byte("\xFF\xD8\xFF\xE0\xFF\xFFshort"), "ends in the middle"},
		{[]byte(pngMagic), "is damaged"},
		{append([]byte(pngMagic), chunk("IHDR", 0, 0, 0, 1, 0, 0, 0, 1, 9, 2, 0, 0, 0)...), "is damaged"},
		{append([]byte(pngMagic), chunk("IDAT")...), "is damaged"},
		{[]byte("GIF89a"), "is damaged"},
		{[]byte("RIFF\x04\x00\x00\x00WEBPVP8 "), "is damaged"},
	} {
		if _, err := open(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.20q: %v, want %q", c.data, err, c.want)
		}
	}
	if p, err := open([]byte("\xFF\xD8\xFF\xC0\x00")); p != nil || err == nil {
		t.Errorf("%v, %v", p, err)
	}
}

// TestWhatIsCutOffIsNotAPicture: at every length, a cover is read whole or not at all.
func TestWhatIsCutOffIsNotAPicture(t *testing.T) {
	for _, file := range []string{"420.jpg", "420-progressive.jpg", "440-restart.jpg", "cmyk.jpg", "palette.png", "interlaced.png", "lossy.webp", "part.gif"} {
		data := readFile(t, "testdata", file)
		whole := readAs(t, data, 32, 18)
		read := 0
		for n := 0; n < len(data); n += 1 + len(data)/200 {
			p, err := open(data[:n])
			if err != nil {
				continue
			}
			got, err := p.decode(request{32, 18, span{0, 320 << 16}, span{0, 180 << 16}}, budget)
			if err != nil {
				continue
			}
			read++
			// A progressive picture may lack its finest scans.
			if d := differ(t, got.as444(), whole.as444()); d > 3 && !strings.Contains(file, "progressive") {
				t.Errorf("%s of %d bytes differs by %.2f at %d", file, len(data), d, n)
			}
		}
		if read > 20 && !strings.Contains(file, "progressive") {
			t.Errorf("%s is read %d times of 200", file, read)
		}
	}
}

func TestPaeth(t *testing.T) {
	for left := range int32(256) {
		for _, c := range [][2]int32{{0, 0}, {255, 0}, {0, 255}, {255, 255}, {17, 200}, {200, 17}, {128, 127}} {
			up, corner := c[0], c[1]
			p := left + up - corner
			want, least := left, abs(p-left)
			if d := abs(p - up); d < least {
				want, least = up, d
			}
			if d := abs(p - corner); d < least {
				want = corner
			}
			if got := paeth(left, up, corner); got != uint8(want) {
				t.Fatal(fmt.Sprint(left, up, corner, " gives ", got, ", want ", want))
			}
		}
	}
}

// TestDamageDoesNoHarm: a cover of which some bytes were changed is read or not, but
// nothing else happens.
func TestDamageDoesNoHarm(t *testing.T) {
	files, err := filepath.Glob("testdata/*.[jpwg]*")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	contents := map[string][]byte{}
	for _, f := range files {
		contents[f] = readFile(t, f)
	}
	rapid.Check(t, func(t *rapid.T) {
		data := bytes.Clone(contents[rapid.SampledFrom(files).Draw(t, "file")])
		// Headers are where most of it is decided.
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			at := rapid.IntRange(0, len(data)-1).Draw(t, "at")
			if rapid.Bool().Draw(t, "near") {
				at = min(at%700, len(data)-1)
			}
			data[at] = rapid.Byte().Draw(t, "byte")
		}
		p, err := open(data)
		if err != nil {
			return
		}
		w, h, _ := p.size()
		if w > 3000 || h > 3000 {
			return
		}
		for _, size := range [][2]int{{32, 18}, {100, 3}, {400, 300}} {
			if p, err = open(data); err != nil {
				t.Fatalf("read once, but not again: %v", err)
			}
			got, err := p.decode(request{size[0], size[1], span{fixed(w) << 14, fixed(w) << 16}, span{0, fixed(h) << 15}}, budget)
			if err == nil && len(got.y.pix) != size[0]*size[1] {
				t.Fatalf("%d samples", len(got.y.pix))
			}
		}
	})
}
