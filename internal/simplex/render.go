package simplex

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"math"
	"strconv"
	"strings"
)

// A node is an element of an answer, before it is known whether it will be
// JSON or XML.
type node struct {
	// xml is the element's name, json that of the array which holds it: the
	// XML names Video, Directory and Photo become Metadata in JSON, except for
	// the sections.
	xml, json string
	attrs     []attr
	kids      []*node
}

// attr is an attribute: string, int, int64, float64 or bool. A bool is 1 or 0
// in XML; a float64 has at least one decimal, as in "userRating": 8.0.
type attr struct {
	name  string
	value any
}

func element(name string, attrs ...attr) *node {
	return &node{xml: name, json: name, attrs: attrs}
}

func (n *node) set(name string, value any) { n.attrs = append(n.attrs, attr{name, value}) }

// setText leaves an empty text out, as the real answers do.
func (n *node) setText(name, value string) {
	if value != "" {
		n.set(name, value)
	}
}

// setInt leaves a zero out.
func (n *node) setInt(name string, value int64) {
	if value != 0 {
		n.set(name, value)
	}
}

func (n *node) add(kids ...*node) { n.kids = append(n.kids, kids...) }

// A form says how nodes are written.
type form struct {
	json             bool
	numbersAsStrings bool
	// exclude holds names of attributes and elements to leave out.
	exclude map[string]bool
}

func (f form) contentType() string {
	if f.json {
		return "application/json"
	}
	return "text/xml;charset=utf-8"
}

func (f form) render(root *node) []byte {
	var b bytes.Buffer
	if f.json {
		b.WriteByte('{')
		writeJSONString(&b, root.json)
		b.WriteByte(':')
		f.writeJSON(&b, root)
		b.WriteByte('}')
	} else {
		b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
		f.writeXML(&b, root)
	}
	return b.Bytes()
}

func (f form) writeJSON(b *bytes.Buffer, n *node) {
	b.WriteByte('{')
	comma := false
	next := func(name string) {
		if comma {
			b.WriteByte(',')
		}
		comma = true
		writeJSONString(b, name)
		b.WriteByte(':')
	}
	for _, a := range n.attrs {
		if f.exclude[a.name] {
			continue
		}
		next(a.name)
		switch v := a.value.(type) {
		case string:
			writeJSONString(b, v)
		case bool:
			b.WriteString(strconv.FormatBool(v))
		default:
			if f.numbersAsStrings {
				writeJSONString(b, plain(v))
			} else {
				b.WriteString(plain(v))
			}
		}
	}
	// Kids of one name stand together, so each run is one array.
	for i := 0; i < len(n.kids); {
		name := n.kids[i].json
		end := i + 1
		for end < len(n.kids) && n.kids[end].json == name {
			end++
		}
		if !f.exclude[name] {
			next(name)
			b.WriteByte('[')
			for j, kid := range n.kids[i:end] {
				if j > 0 {
					b.WriteByte(',')
				}
				f.writeJSON(b, kid)
			}
			b.WriteByte(']')
		}
		i = end
	}
	b.WriteByte('}')
}

func (f form) writeXML(b *bytes.Buffer, n *node) {
	b.WriteByte('<')
	b.WriteString(n.xml)
	for _, a := range n.attrs {
		if f.exclude[a.name] {
			continue
		}
		b.WriteByte(' ')
		b.WriteString(a.name)
		b.WriteString(`="`)
		switch v := a.value.(type) {
		case string:
			xml.EscapeText(b, []byte(v))
		case bool:
			if v {
				b.WriteByte('1')
			} else {
				b.WriteByte('0')
			}
		default:
			b.WriteString(plain(v))
		}
		b.WriteByte('"')
	}
	if len(n.kids) == 0 {
		b.WriteString("/>\n")
		return
	}
	b.WriteString(">\n")
	for _, kid := range n.kids {
		if !f.exclude[kid.json] {
			f.writeXML(b, kid)
		}
	}
	b.WriteString("</" + n.xml + ">\n")
}

// plain writes a number.
func plain(v any) string {
	switch v := v.(type) {
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		if v == math.Trunc(v) {
			return strconv.FormatFloat(v, 'f', 1, 64)
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	panic("simplex: an attribute is no number")
}

func writeJSONString(b *bytes.Buffer, s string) {
	// A plain string, the usual case, needs no encoder.
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) < 0 {
		b.WriteByte('"')
		b.WriteString(s)
		b.WriteByte('"')
		return
	}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // a string and a buffer cannot fail
	b.Truncate(b.Len() - 1)
}
