package poster

import (
	"bytes"
	"encoding/binary"
)

// orientation is how a picture is to be turned to be upright, as Exif numbers it: 1 as
// it is, 2 mirrored, 3 upside down, 4 both, and 5 to 8 the same with rows for columns.
type orientation uint16

// sideways reports whether width and height change places.
func (o orientation) sideways() bool { return o >= 5 }

// maxEntries bounds how much of a directory of Exif is read. Cameras write about ten.
const maxEntries = 200

// readExif returns the orientation that is noted in Exif data, with or without its
// heading; 1 if none is, or what is there is damaged.
func readExif(data []byte) orientation {
	data = bytes.TrimPrefix(data, []byte("Exif\x00\x00"))
	if len(data) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	switch string(data[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
	default:
		return 1
	}
	at := uint64(order.Uint32(data[4:]))
	if at+2 > uint64(len(data)) {
		return 1
	}
	n := order.Uint16(data[at:])
	entries := data[at+2:]
	for range min(n, maxEntries) {
		if len(entries) < 12 {
			break
		}
		const orientationTag, short = 0x0112, 3
		if order.Uint16(entries) == orientationTag && order.Uint16(entries[2:]) == short {
			if o := orientation(order.Uint16(entries[8:])); 1 <= o && o <= 8 {
				return o
			}
			break
		}
		entries = entries[12:]
	}
	return 1
}

// upright turns p as o says.
func (p plane) upright(o orientation) plane {
	if o <= 1 {
		return p
	}
	out := newPlane(p.w, p.h)
	if o.sideways() {
		out.w, out.h = p.h, p.w
	}
	for y := range p.h {
		for x, v := range p.row(y) {
			to := 0
			switch right, bottom := p.w-1-x, p.h-1-y; o {
			case 2:
				to = y*out.w + right
			case 3:
				to = bottom*out.w + right
			case 4:
				to = bottom*out.w + x
			case 5:
				to = x*out.w + y
			case 6:
				to = x*out.w + bottom
			case 7:
				to = right*out.w + bottom
			case 8:
				to = right*out.w + y
			}
			out.pix[to] = v
		}
	}
	return out
}
