package host

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
)

// Output is what Stash reads on stdout, exactly once. To Stash an empty error text
// is an error without a reason, so Error is nil or says something.
type Output struct {
	Error *string `json:"error"`
	Value any     `json:"output"`
}

// WriteOutput writes the one JSON object that Stash reads, and a line feed, in one
// write. It tells value, or else err, without the secrets that r knows; a nil r
// knows none. A value that JSON cannot tell becomes an error object, and is
// returned as an error like a failed write: nil means that Stash was told just what
// was asked.
func WriteOutput(w io.Writer, r *Redactor, value any, err error) error {
	if r == nil {
		r = new(Redactor)
	}
	data, problem := encode(r, value, err)
	if problem != nil {
		problem = fmt.Errorf("the result cannot be written as JSON: %w", problem)
		data, _ = encode(r, nil, problem) // a text and a nil: cannot fail
	}
	if _, err := w.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("stdout: %w", err)
	}
	return problem
}

// encode makes the object. A panic in a type's own methods is an error here.
func encode(r *Redactor, value any, err error) (data []byte, problem error) {
	defer func() {
		if p := recover(); p != nil {
			problem = fmt.Errorf("a panic: %v", p)
		}
	}()
	if err != nil {
		text := r.Redact(fmt.Sprint(err)) // Sprint survives an Error method that panics
		if strings.TrimSpace(text) == "" {
			text = fmt.Sprintf("failed without a reason (%T)", err)
		}
		return json.Marshal(Output{Error: &text})
	}
	if data, problem = json.Marshal(value); problem == nil {
		data, problem = r.redactJSON(data)
	}
	if problem != nil {
		return nil, problem
	}
	return json.Marshal(Output{Value: json.RawMessage(data)})
}

// Guard runs fn, writes its result to stdout and returns the exit code: 0, or 1
// with an error. A panic in fn becomes an error too, with its stack in the log, so
// that Stash always gets its one object. A panic in another goroutine is beyond it.
func (h *Handler) Guard(stdout io.Writer, fn func() (any, error)) (exitCode int) {
	value, err := h.protect(fn)
	if WriteOutput(stdout, &h.shared.redactor, value, err) != nil || err != nil {
		return 1
	}
	return 0
}

func (h *Handler) protect(fn func() (any, error)) (value any, err error) {
	defer func() {
		if p := recover(); p != nil {
			value, err = nil, fmt.Errorf("internal error, please report it with the stack from the log: %v", p)
			slog.New(h).Error(fmt.Sprintf("internal error: %v: %s", p, debug.Stack())) // one line, cut
		}
	}()
	return fn()
}

// Redact replaces the secrets that the handler knows, in a text that is printed
// elsewhere than in the log.
func (h *Handler) Redact(text string) string { return h.shared.redactor.Redact(text) }

// JSON is a value as JSON, without the secrets that the handler knows: what
// [WriteOutput] would tell Stash, for whoever prints it elsewhere.
func (h *Handler) JSON(value any) ([]byte, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return h.shared.redactor.redactJSON(data)
}
