package host

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

// output is what Stash reads on stdout: exactly one JSON object. To Stash an empty
// error text is an error without a reason, so it is never written.
type output struct {
	Error  *string `json:"error"`
	Output any     `json:"output"`
}

func failure(err error) output {
	text := err.Error()
	if strings.TrimSpace(text) == "" {
		text = fmt.Sprintf("failed without a reason (%T)", err)
	}
	return output{Error: &text}
}

// Guard runs fn, writes its result to stdout and returns the exit code: 0, or 1
// with an error. A panic in fn becomes an error too, with its stack, so that
// Stash always gets its one object.
func (h *Handler) Guard(stdout io.Writer, fn func() (any, error)) (exitCode int) {
	value, err := protect(fn)
	o := output{Output: value}
	if err != nil {
		o, exitCode = failure(err), 1
	}
	data, err := json.Marshal(o)
	if err != nil {
		exitCode = 1
		if data, err = json.Marshal(failure(fmt.Errorf("the result cannot be written as JSON: %w", err))); err != nil {
			return exitCode // a struct with one string: cannot happen
		}
	}
	// Secrets are letters and digits, so this leaves the JSON whole.
	if _, err := io.WriteString(stdout, h.Redact(string(data))+"\n"); err != nil {
		return 1
	}
	return exitCode
}

func protect(fn func() (any, error)) (value any, err error) {
	defer func() {
		if r := recover(); r != nil {
			stack := debug.Stack()
			value, err = nil, fmt.Errorf("internal error, please report it: %v\n%s", r, stack[:min(len(stack), 4<<10)])
		}
	}()
	return fn()
}
