package host

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// WriteOutput writes what Stash reads on stdout: exactly one JSON object. To Stash
// an empty error text is an error without a reason, so it is never written.
func WriteOutput(w io.Writer, value any, err error) error {
	type output struct {
		Error  *string `json:"error"`
		Output any     `json:"output"`
	}
	fail := func(err error) output {
		text := err.Error()
		if strings.TrimSpace(text) == "" {
			text = fmt.Sprintf("failed without a reason (%T)", err)
		}
		return output{Error: &text}
	}
	o := output{Output: value}
	if err != nil {
		o = fail(err)
	}
	data, merr := json.Marshal(o)
	if merr != nil {
		if data, merr = json.Marshal(fail(fmt.Errorf("the result cannot be written as JSON: %w", merr))); merr != nil {
			return merr
		}
	}
	_, werr := w.Write(append(data, '\n'))
	return werr
}

// Guard runs fn, writes its result to stdout and returns the exit code: 0, or 1
// with an error. A panic in fn becomes an error too, with its stack, so that
// Stash always gets its one object.
func (h *Handler) Guard(stdout io.Writer, fn func() (any, error)) (exitCode int) {
	value, err := protect(fn)
	if err != nil {
		exitCode = 1
		err = redacted{h.Redact(err.Error())}
	}
	if WriteOutput(stdout, value, err) != nil {
		return 1
	}
	return exitCode
}

type redacted struct{ text string }

func (e redacted) Error() string { return e.text }

func protect(fn func() (any, error)) (value any, err error) {
	defer func() {
		if r := recover(); r != nil {
			stack := debug.Stack()
			value, err = nil, fmt.Errorf("internal error, please report it: %v\n%s", r, stack[:min(len(stack), 4<<10)])
		}
	}()
	return fn()
}
