// Package host speaks Stash's plugin protocol, the "raw" interface: one JSON
// document on stdin, log lines on stderr, one JSON object on stdout. A hook
// process lives for milliseconds, so nothing here does work before it is called.
package host

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Connection is how to reach the Stash that started us.
type Connection struct {
	Scheme, Host string
	Port         int
	Cookie       Cookie
	// Dir is the folder of Stash's config.yml, PluginDir the plugin's own; both
	// absolute.
	Dir, PluginDir string
}

// Cookie is Stash's session cookie. Its value is a secret and is never printed.
type Cookie struct{ Name, Value string }

// Format hides the value from every verb of fmt, also from those that pass by
// String.
func (c Cookie) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// String hides the value.
func (c Cookie) String() string { return c.Name + "=[secret]" }

// GoString hides the value.
func (c Cookie) GoString() string { return c.String() }

// LogValue hides the value.
func (c Cookie) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON hides the value.
func (c Cookie) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// URL is Stash's base address, without a slash at its end. Stash tells the address
// that it listens on, which for "all addresses" is none that can be called: that
// becomes 127.0.0.1.
func (c Connection) URL() string {
	host := strings.TrimSuffix(strings.TrimPrefix(c.Host, "["), "]")
	switch ip, err := netip.ParseAddr(host); {
	case host == "" || err == nil && ip.IsUnspecified():
		host = "127.0.0.1"
	case err == nil && ip.Is6():
		// A zone's percent sign is escaped in a URL.
		host = "[" + strings.Replace(host, "%", "%25", 1) + "]"
	}
	return cmp.Or(c.Scheme, "http") + "://" + host + ":" + strconv.Itoa(c.Port)
}

// Input is what Stash wants of this process.
type Input struct {
	Conn Connection
	// Hook is set if a hook was called; else Args are those of a task or an
	// operation, with numbers as json.Number.
	Hook *Hook
	Args map[string]any
}

// Hook is an event in Stash.
type Hook struct {
	// ID of the object, which is always set, also where the event's input lacks it.
	ID int64
	// Type such as "Scene.Update.Post".
	Type string
	// Fields that were given; nil for events without input, such as a scan.
	Fields []string
}

const (
	// maxString is what is kept of a string: a scene's cover arrives as a string of
	// many megabytes that nobody here needs.
	maxString = 64 << 10
	// maxDocument is what may be left of the document after that.
	maxDocument = 8 << 20
)

// wireConn is server_connection as Stash writes it: Go names, and a whole
// http.Cookie of which two fields matter (observed on Stash 0.30).
type wireConn struct {
	Scheme, Host   string
	Port           int
	SessionCookie  *struct{ Name, Value string }
	Dir, PluginDir string
}

// Read reads the document that Stash writes on stdin. It holds little of it in
// memory, however large it is: strings arrive cut to 64 KiB, and more than 8 MiB
// of the rest is an error. What follows the document is not read.
//
// An error names the field and never quotes contents, which may be secret. With an
// error the Input holds what was understood, so that the connection is known even
// where the arguments are bad or cut off.
func Read(r io.Reader) (Input, error) {
	var in Input
	d := json.NewDecoder(&shortener{r: r, limit: maxDocument})
	switch start, err := d.Token(); {
	case errors.Is(err, io.EOF):
		return in, errors.New("stdin is empty. PlexSync is a plugin that Stash starts; in a shell, see \"plexsync help\"")
	case err != nil:
		return in, explain("the document", err)
	case start != json.Delim('{'):
		return in, errors.New("stdin: the document must be a JSON object")
	}
	var conn *wireConn
	var args json.RawMessage
	err := members(d, &conn, &args)
	if conn == nil {
		return in, cmp.Or(err, errors.New("stdin: server_connection is missing; Stash v0.28 or newer is needed"))
	}
	return in, cmp.Or(err, in.readConn(conn), in.readArgs(args))
}

// members reads the members of the document. A member of the wrong type does not
// keep it from reading the others; the first error is returned.
func members(d *json.Decoder, conn **wireConn, args *json.RawMessage) (first error) {
	for {
		key, err := d.Token()
		if key == json.Delim('}') {
			return first
		}
		if err == nil {
			switch key {
			case "server_connection":
				err = d.Decode(conn)
			case "args":
				err = d.Decode(args)
			default:
				err = d.Decode(new(json.RawMessage)) // a later Stash's; passed over
			}
		}
		if err == nil {
			continue
		}
		name, _ := key.(string)
		if name != "server_connection" && name != "args" {
			name = "the document" // the name may be anything
		}
		first = cmp.Or(first, explain(name, err))
		if _, wrong := errors.AsType[*json.UnmarshalTypeError](err); !wrong {
			return first
		}
	}
}

func (in *Input) readConn(c *wireConn) (err error) {
	in.Conn = Connection{Scheme: c.Scheme, Host: c.Host, Port: c.Port}
	if c.SessionCookie != nil {
		in.Conn.Cookie = Cookie{c.SessionCookie.Name, c.SessionCookie.Value}
	}
	// PluginDir is relative to Stash's working folder, which is ours at the start,
	// if Stash's plugins path is.
	for _, f := range []struct {
		name, dir string
		to        *string
	}{{"Dir", c.Dir, &in.Conn.Dir}, {"PluginDir", c.PluginDir, &in.Conn.PluginDir}} {
		switch {
		case f.dir == "":
			continue
		case strings.Contains(f.dir, "\x00"), len(f.dir) >= maxString:
			return fmt.Errorf("stdin: server_connection.%s is not a path", f.name)
		}
		if *f.to, err = filepath.Abs(f.dir); err != nil {
			return fmt.Errorf("stdin: server_connection.%s: %w", f.name, err)
		}
	}
	switch {
	case c.Scheme != "" && c.Scheme != "http" && c.Scheme != "https":
		return errors.New("stdin: server_connection.Scheme must be http or https")
	case c.Port < 1 || c.Port > 65535:
		return fmt.Errorf("stdin: server_connection.Port is %d, must be 1 to 65535", c.Port)
	case c.Dir == "":
		return errors.New("stdin: server_connection.Dir is missing; PlexSync keeps its database there")
	}
	return nil
}

func (in *Input) readArgs(raw json.RawMessage) error {
	in.Args = map[string]any{}
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var hook struct {
		Context *struct {
			ID     json.RawMessage `json:"id"`
			Type   string          `json:"type"`
			Fields []string        `json:"inputFields"`
		} `json:"hookContext"`
	}
	if err := json.Unmarshal(raw, &hook); err != nil {
		return explain("args", err)
	}
	h := hook.Context
	if h == nil {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		return explain("args", d.Decode(&in.Args))
	}
	id, err := strconv.ParseInt(string(h.ID), 10, 64)
	switch {
	case len(h.ID) == 0 || string(h.ID) == "null":
		return errors.New("stdin: args.hookContext.id is missing")
	case err != nil || id < 1:
		return errors.New("stdin: args.hookContext.id must be a positive integer")
	case h.Type == "":
		return errors.New("stdin: args.hookContext.type is missing")
	}
	in.Args, in.Hook = nil, &Hook{ID: id, Type: h.Type, Fields: h.Fields}
	return nil
}

// explain says what is wrong with the named part of the document without quoting
// it.
func explain(name string, err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field != "" {
			name += "." + wrong.Field
		}
		kind, _, _ := strings.Cut(wrong.Value, " ") // without the digits of a number
		return fmt.Errorf("stdin: %s has the wrong type: a JSON %s", name, kind)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("stdin: not a JSON document (at byte %d)", syntax.Offset)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("stdin: the JSON document is cut off; Stash was probably stopped while it wrote")
	}
	if broken, ok := errors.AsType[readError](err); ok {
		return fmt.Errorf("stdin: %w", broken.error)
	}
	return fmt.Errorf("stdin: %s cannot be understood", name) // package json may quote in its own words
}

// shortener passes a JSON text through and cuts strings that are longer than
// maxString, never inside an escape, so that the text stays JSON. It knows no
// more of JSON than where strings begin and end.
type shortener struct {
	r     io.Reader
	limit int // of bytes passed through

	buf     [32 << 10]byte
	pending []byte // of buf
	err     error

	inString, escaped, cutting bool
	hex                        int // digits of a \u escape that are still to come
	kept                       int // bytes of the current string so far
}

// readError is an error of reading, not of what was read: it quotes nothing.
type readError struct{ error }

var errTooLarge = errors.New("the JSON document is too large, even without its long strings")

func (s *shortener) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(s.pending) == 0 {
			if n > 0 || s.err != nil {
				break
			}
			var m int
			var err error
			if m, err = s.r.Read(s.buf[:]); err != nil {
				s.err = err
				if err != io.EOF {
					s.err = readError{err}
				}
			}
			s.pending = s.buf[:m]
			continue
		}
		run, keep := s.next(s.pending)
		if keep {
			run = run[:copy(p[n:], run)]
			n += len(run)
		}
		s.pass(run)
		s.pending = s.pending[len(run):]
	}
	if s.limit -= n; s.limit < 0 {
		return 0, readError{errTooLarge}
	}
	if n > 0 {
		return n, nil
	}
	return 0, s.err
}

// window bounds how far next looks ahead, so that a string full of escapes is not
// searched to its end again and again.
const window = 1 << 10

// next is the longest start of b, never empty, that is kept or dropped as a whole
// and moves the state only at its last byte.
func (s *shortener) next(b []byte) (run []byte, keep bool) {
	if !s.inString {
		if i := bytes.IndexByte(b, '"'); i >= 0 {
			b = b[:i+1]
		}
		return b, true
	}
	if s.escaped || s.hex > 0 {
		return b[:1], !s.cutting
	}
	// Between characters: the only place where a cut may begin. The quote that ends
	// the string is always kept.
	s.cutting = s.cutting || s.kept >= maxString
	if b[0] == '"' {
		return b[:1], true
	}
	if b[0] == '\\' {
		return b[:1], !s.cutting
	}
	b = b[:min(len(b), window)]
	if !s.cutting {
		b = b[:min(len(b), maxString-s.kept)]
	}
	for _, end := range []byte{'"', '\\'} {
		if i := bytes.IndexByte(b, end); i >= 0 {
			b = b[:i]
		}
	}
	return b, !s.cutting
}

// pass moves the state on by a run that next found, or by a start of it.
func (s *shortener) pass(run []byte) {
	last := run[len(run)-1]
	if !s.inString {
		if last == '"' {
			s.inString, s.kept = true, 0
		}
		return
	}
	s.kept += len(run)
	switch {
	case s.hex > 0:
		s.hex--
	case s.escaped:
		s.escaped = false
		if last == 'u' {
			s.hex = 4
		}
	case last == '"':
		s.inString, s.cutting = false, false
	case last == '\\':
		s.escaped = true
	}
}
