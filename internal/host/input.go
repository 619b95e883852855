// Package host speaks Stash's plugin protocol, the "raw" interface: one JSON
// document on stdin, log lines on stderr, one JSON object on stdout. A hook
// process lives for milliseconds, so nothing here does work before it is called.
package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
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

// String hides the value.
func (c Cookie) String() string { return c.Name + "=[secret]" }

// GoString hides the value.
func (c Cookie) GoString() string { return c.String() }

// LogValue hides the value.
func (c Cookie) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON hides the value.
func (c Cookie) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// URL is Stash's base address. Stash tells the address that it listens on, which
// for "all addresses" is none that can be called: that becomes 127.0.0.1.
func (c Connection) URL() string {
	scheme, host := c.Scheme, c.Host
	if scheme == "" {
		scheme = "http"
	}
	switch host {
	case "", "0.0.0.0", "::", "[::]":
		host = "127.0.0.1"
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(c.Port))
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

// Read reads the document that Stash writes on stdin. It holds little of it in
// memory, however large it is. Contents are never part of an error: they may be
// secret. With an error the Input holds what was understood.
func Read(r io.Reader) (Input, error) {
	var doc struct {
		Conn *struct {
			Scheme, Host   string
			Port           int
			SessionCookie  *struct{ Name, Value string }
			Dir, PluginDir string
		} `json:"server_connection"`
		Args json.RawMessage `json:"args"`
	}
	var in Input
	short := &shortener{r: r, limit: maxDocument}
	switch err := json.NewDecoder(short).Decode(&doc); {
	case errors.Is(err, io.EOF):
		return in, errors.New("stdin is empty. PlexSync is a plugin that Stash starts; in a shell, see \"plexsync help\"")
	case err != nil:
		return in, fmt.Errorf("stdin: %w", explain(err))
	case doc.Conn == nil:
		return in, errors.New("stdin: server_connection is missing; Stash v0.28 or newer is needed")
	}
	c := doc.Conn
	in.Conn = Connection{Scheme: c.Scheme, Host: c.Host, Port: c.Port}
	if c.SessionCookie != nil {
		in.Conn.Cookie = Cookie{c.SessionCookie.Name, c.SessionCookie.Value}
	}
	switch {
	case c.Scheme != "" && c.Scheme != "http" && c.Scheme != "https":
		return in, errors.New("stdin: server_connection.Scheme must be http or https")
	case c.Port < 1 || c.Port > 65535:
		return in, fmt.Errorf("stdin: server_connection.Port is %d, must be 1 to 65535", c.Port)
	case c.Dir == "":
		return in, errors.New("stdin: server_connection.Dir is missing; PlexSync keeps its database there")
	}
	// PluginDir is relative to Stash's working folder, which is ours at the start,
	// if Stash's plugins path is.
	var err error
	if in.Conn.Dir, err = filepath.Abs(c.Dir); err != nil {
		return in, fmt.Errorf("stdin: server_connection.Dir: %w", err)
	}
	if c.PluginDir != "" {
		if in.Conn.PluginDir, err = filepath.Abs(c.PluginDir); err != nil {
			return in, fmt.Errorf("stdin: server_connection.PluginDir: %w", err)
		}
	}
	return in, in.readArgs(doc.Args)
}

func (in *Input) readArgs(raw json.RawMessage) error {
	in.Args = map[string]any{}
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var hook struct {
		Context *struct {
			ID     *json.Number `json:"id"`
			Type   string       `json:"type"`
			Fields []string     `json:"inputFields"`
		} `json:"hookContext"`
	}
	if err := json.Unmarshal(raw, &hook); err != nil {
		return fmt.Errorf("stdin: args: %w", explain(err))
	}
	if h := hook.Context; h != nil {
		if h.ID == nil {
			return errors.New("stdin: args.hookContext.id is missing")
		}
		id, err := strconv.ParseInt(h.ID.String(), 10, 64)
		if err != nil {
			return errors.New("stdin: args.hookContext.id must be a whole number")
		}
		if h.Type == "" {
			return errors.New("stdin: args.hookContext.type is missing")
		}
		in.Args, in.Hook = nil, &Hook{ID: id, Type: h.Type, Fields: h.Fields}
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&in.Args); err != nil {
		return fmt.Errorf("stdin: args: %w", explain(err))
	}
	return nil
}

// explain says what is wrong with a document without quoting it.
func explain(err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON document is cut off; Stash was probably stopped while it wrote")
	case errors.As(err, &wrong):
		return fmt.Errorf("%s has the wrong type: a JSON %s", wrong.Field, wrong.Value)
	case errors.As(err, &syntax):
		return fmt.Errorf("not a JSON document (at byte %d)", syntax.Offset)
	}
	return err
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
	kept                       int // bytes of the current string
}

var errTooLarge = errors.New("the JSON document is too large, even without its long strings")

func (s *shortener) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(s.pending) == 0 {
			if n > 0 || s.err != nil {
				break
			}
			var m int
			m, s.err = s.r.Read(s.buf[:])
			s.pending = s.buf[:m]
			continue
		}
		c := s.pending[0]
		s.pending = s.pending[1:]
		if s.pass(c) {
			p[n] = c
			n++
		}
	}
	if s.limit -= n; s.limit < 0 {
		return 0, errTooLarge
	}
	if n > 0 {
		return n, nil
	}
	return 0, s.err
}

// pass moves the state on by one byte and says whether it is kept.
func (s *shortener) pass(c byte) bool {
	if !s.inString {
		if c == '"' {
			s.inString, s.kept = true, 0
		}
		return true
	}
	switch {
	case s.hex > 0:
		s.hex--
	case s.escaped:
		s.escaped = false
		if c == 'u' {
			s.hex = 4
		}
	case c == '"':
		s.inString, s.cutting = false, false
		return true
	default:
		// Between characters: the only place where a cut may begin.
		s.cutting = s.cutting || s.kept >= maxString
		s.escaped = c == '\\'
	}
	s.kept++
	return !s.cutting
}
