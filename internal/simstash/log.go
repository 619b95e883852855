package simstash

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Level is the level of a line in Stash's log.
type Level int

// The levels in their order.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarning
	LevelError
)

func (l Level) String() string {
	return [...]string{"trace", "debug", "info", "warning", "error"}[l]
}

// LogLine is one line of Stash's log.
type LogLine struct {
	At     time.Time
	Level  Level
	Plugin string // the plugin's name if it wrote the line, else ""
	Text   string // without the prefix "[Plugin / name] "
}

type logBook struct {
	mu    sync.Mutex
	lines []LogLine
	since int // index of the first line after the last restart
}

func (s *Server) logf(level Level, plugin, format string, a ...any) {
	s.logs.mu.Lock()
	defer s.logs.mu.Unlock()
	s.logs.lines = append(s.logs.lines, LogLine{s.now(), level, plugin, fmt.Sprintf(format, a...)})
}

// Logs lists the lines from the given level up, oldest first.
func (s *Server) Logs(from Level) []LogLine {
	s.logs.mu.Lock()
	defer s.logs.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.logs.lines), func(l LogLine) bool { return l.Level < from })
}

// shownLogs is what the logs query shows: the last 30 lines from info up,
// newest first (source).
func (s *Server) shownLogs() []any {
	s.logs.mu.Lock()
	defer s.logs.mu.Unlock()
	out := []any{}
	for _, l := range slices.Backward(s.logs.lines[s.logs.since:]) {
		if l.Level < LevelInfo {
			continue
		}
		text := l.Text
		if l.Plugin != "" {
			text = fmt.Sprintf("[Plugin / %s] %s", l.Plugin, text)
		}
		name := map[Level]string{LevelInfo: "Info", LevelWarning: "Warning", LevelError: "Error"}[l.Level]
		if out = append(out, rec{"time": l.At, "level": name, "message": text}); len(out) == 30 {
			break
		}
	}
	return out
}
