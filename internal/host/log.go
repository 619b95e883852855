package host

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Stash has a level below debug.
const (
	LevelTrace = slog.Level(-8)
	LevelDebug = slog.LevelDebug
)

// maxLine is how long a log line may get, in bytes. Stash stops reading at a line
// of 64 KiB, and the next write would kill us.
const maxLine = 8 << 10

// Handler is a slog.Handler that writes log lines as Stash reads them: a 0x01
// byte, a letter for the level, a 0x02 byte, the text and a line feed. A line is
// one write. Text from outside can neither end a line nor begin one, and secrets
// are replaced.
type Handler struct {
	shared *shared
	level  slog.Leveler
	attrs  string // rendered, each with a space before it
	group  string // with a dot at its end
}

type shared struct {
	mu       sync.Mutex
	w        io.Writer
	secrets  []string
	progress float64
}

// NewHandler returns a handler that writes lines of at least level to w; a nil
// level means info.
func NewHandler(w io.Writer, level slog.Leveler) *Handler {
	if level == nil {
		level = slog.LevelInfo
	}
	return &Handler{shared: &shared{w: w, progress: -1}, level: level}
}

// minSecret is how long a secret must be to be replaced: shorter ones would turn
// ordinary words into noise.
const minSecret = 4

// AddSecret makes sure that secret never appears in a line from now on, neither as
// it is nor as URLs and base64 write it.
func (h *Handler) AddSecret(secret string) {
	if len(secret) < minSecret {
		return
	}
	s := h.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret))} {
		if !slices.Contains(s.secrets, form) {
			s.secrets = append(s.secrets, form)
		}
	}
	// Longer forms first: one may contain another.
	slices.SortStableFunc(s.secrets, func(a, b string) int { return len(b) - len(a) })
}

// Redact replaces the secrets in text.
func (h *Handler) Redact(text string) string {
	h.shared.mu.Lock()
	defer h.shared.mu.Unlock()
	return h.shared.redact(text)
}

func (s *shared) redact(text string) string {
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "[secret]")
	}
	return text
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle implements slog.Handler.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		appendAttr(&b, h.group, a)
		return true
	})
	return h.shared.line(letter(r.Level), b.String())
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		appendAttr(&b, h.group, a)
	}
	c.attrs = b.String()
	return &c
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.group += name + "."
	return &c
}

func appendAttr(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, x := range v.Group() {
			appendAttr(b, group, x)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	text := v.String()
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r == '"' || r == '=' || unicode.IsSpace(r) }) {
		text = strconv.Quote(text)
	}
	fmt.Fprintf(b, " %s%s=%s", group, a.Key, text)
}

func letter(l slog.Level) byte {
	switch {
	case l >= slog.LevelError:
		return 'e'
	case l >= slog.LevelWarn:
		return 'w'
	case l >= slog.LevelInfo:
		return 'i'
	case l >= slog.LevelDebug:
		return 'd'
	}
	return 't'
}

// line writes one line.
func (s *shared) line(level byte, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text = clean(s.redact(text))
	b := make([]byte, 0, len(text)+4)
	b = append(b, 1, level, 2)
	b = append(b, text...)
	_, err := s.w.Write(append(b, '\n'))
	return err
}

// clean makes text one line of valid UTF-8 without control characters, not longer
// than maxLine.
func clean(text string) string {
	const mark = " … (cut)"
	if len(text) > maxLine {
		end := maxLine - len(mark)
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + mark
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// progressStep is by how much the progress must move to be told again.
const progressStep = 0.005

// Progress tells Stash how much of a task is done, 0 to 1. Values out of range are
// taken as the nearer bound; what is no number, and steps too small to be seen,
// are not told. Stash may miss any line, so the end is told each time.
func (h *Handler) Progress(f float64) {
	if math.IsNaN(f) {
		return
	}
	f = min(max(f, 0), 1)
	s := h.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if math.Abs(f-s.progress) < progressStep && f < 1 {
		return
	}
	s.progress = f
	var b bytes.Buffer
	b.Write([]byte{1, 'p', 2})
	b.Write(strconv.AppendFloat(nil, f, 'f', 4, 64))
	b.WriteByte('\n')
	s.w.Write(b.Bytes())
}
