package host

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
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

// shared is what a handler and those made from it by With have in common.
type shared struct {
	redactor Redactor
	mu       sync.Mutex // one line at a time
	w        io.Writer
	progress float64 // as last told; -1 = never
}

// NewHandler returns a handler that writes lines of at least level to w; a nil
// level means info.
func NewHandler(w io.Writer, level slog.Leveler) *Handler {
	if level == nil {
		level = slog.LevelInfo
	}
	return &Handler{shared: &shared{w: w, progress: -1}, level: level}
}

// AddSecret makes sure that secret never appears in a line or an output from now
// on, whichever handler of the family writes it. See [Redactor.Add].
func (h *Handler) AddSecret(secret string) { h.shared.redactor.Add(secret) }

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
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r == '"' || r == '=' || unicode.IsSpace(r) || unicode.IsControl(r) }) {
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
	text = clean(s.redactor.Redact(text))
	b := make([]byte, 0, len(text)+4)
	b = append(b, 1, level, 2)
	b = append(b, text...)
	b = append(b, '\n')
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.w.Write(b)
	return err
}

// clean makes text one line of valid UTF-8 without control characters, short enough
// for maxLine with the four bytes around it.
func clean(text string) string {
	const limit, mark = maxLine - 4, " … (cut)"
	// Nothing is gained by cleaning megabytes of which kilobytes are written.
	whole := len(text) <= 2*maxLine
	if !whole {
		text = text[:2*maxLine]
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if whole && len(text) <= limit {
		return text
	}
	end := min(len(text), limit-len(mark))
	for end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}

// progressStep is by how much the progress must move to be told again.
const progressStep = 0.005

// Progress tells Stash how much of a task is done, 0 to 1. Values out of range are
// taken as the nearer bound; what is no number, and steps too small to be seen,
// are not told. Stash drops a line that arrives while it is busy with another: a
// step that is lost is made good by the next one, and the end, after which none
// comes, is told each time.
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
	s.w.Write(append(strconv.AppendFloat([]byte{1, 'p', 2}, f, 'f', 4, 64), '\n'))
}
