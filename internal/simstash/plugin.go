package simstash

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// PluginRun is one process of a plugin.
type PluginRun struct {
	Kind     string // "hook", "task", "operation" or "raw"
	Plugin   string // its id
	Hook     string // the hook's type, for a hook
	ID       int64  // the object's id, for a hook
	Task     string // the task's name, for a task
	Argv     []string
	Document []byte // what was written to stdin; secret: it holds the session cookie

	Start    time.Time
	Duration time.Duration
	Ended    bool
	Killed   bool // Stash killed it
	ExitCode int  // -1: ended by a signal
	Stdout   []byte
	Stderr   []byte // as it came, at most 1 MiB
	// MaxRSS is the peak resident memory in bytes, 0 where the system does not
	// tell. On Linux it is never below that of the simulator's own process when
	// it started the plugin: measure from a small process.
	MaxRSS int64
	// Err is why the process could not be started, or "".
	Err string
}

// stderrKept bounds what a PluginRun keeps of stderr.
const stderrKept = 1 << 20

type pluginCache struct {
	mu      sync.Mutex
	roots   []string
	sources []packageSource
	list    []*plugin
	runs    []*PluginRun
}

// PluginRuns lists every process that was started, in that order.
func (s *Server) PluginRuns() []PluginRun {
	s.plugins.mu.Lock()
	defer s.plugins.mu.Unlock()
	out := make([]PluginRun, len(s.plugins.runs))
	for i, r := range s.plugins.runs {
		out[i] = *r
	}
	return out
}

func (s *Server) enabledPlugins() []*plugin {
	s.plugins.mu.Lock()
	list := slices.Clone(s.plugins.list)
	s.plugins.mu.Unlock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.DeleteFunc(list, func(p *plugin) bool { return s.disabled[p.id] })
}

// plugin finds an enabled plugin by its id.
func (s *Server) plugin(id string) (*plugin, error) {
	s.mu.RLock()
	off := s.disabled[id]
	s.mu.RUnlock()
	if off {
		return nil, fmt.Errorf("plugin %s is disabled", id)
	}
	s.plugins.mu.Lock()
	defer s.plugins.mu.Unlock()
	for _, p := range s.plugins.list {
		if p.id == id {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no plugin with ID %s", id)
}

// command is the argv of an operation. The program is looked up in PATH first
// (a name with a slash: from Stash's working directory), then in the plugin's
// folder. {pluginDir} is replaced in the later elements only.
func (s *Server) command(p *plugin, o *operation) (argv []string, program string, err error) {
	argv = slices.Clone(p.exec)
	if o != nil {
		argv = append(argv, o.execArgs...)
	}
	if len(argv) == 0 {
		return nil, "", errors.New("empty exec value")
	}
	program = s.lookPath(argv[0])
	if program == "" {
		argv[0] = filepath.Join(p.dir(), argv[0])
		program = s.fromCwd(argv[0])
		if windows := program + ".exe"; !executable(program) && executable(windows) {
			program = windows
		}
	}
	for i := range argv[1:] {
		argv[i+1] = strings.ReplaceAll(argv[i+1], "{pluginDir}", p.dir())
	}
	return argv, program, nil
}

func (s *Server) lookPath(name string) string {
	if strings.ContainsAny(name, `/\`) {
		if at := s.fromCwd(name); executable(at) {
			return at
		}
		return ""
	}
	path := os.Getenv("PATH")
	for _, kv := range s.opts.Env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	for _, dir := range filepath.SplitList(path) {
		if at := filepath.Join(dir, name); filepath.IsAbs(at) && executable(at) {
			return at
		}
	}
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && (os.PathSeparator == '\\' || info.Mode()&0o111 != 0)
}

// serverConnection is a plugin's way back, with Go's names as in Stash.
type serverConnection struct {
	Scheme        string
	Host          string
	Port          int64
	SessionCookie *http.Cookie
	Dir           string
	PluginDir     string
}

type pluginInput struct {
	ServerConnection serverConnection `json:"server_connection"`
	Args             map[string]any   `json:"args"`
}

// document is the JSON that a plugin reads. defaults fill only what args lack.
func (s *Server) document(dir string, defaults map[string]string, given map[string]any, who identity) []byte {
	a := map[string]any{}
	for k, v := range defaults {
		a[k] = v
	}
	for k, v := range given {
		a[k] = v
	}
	scheme := "http"
	if s.opts.TLS {
		scheme = "https"
	}
	doc, err := json.Marshal(pluginInput{
		ServerConnection: serverConnection{
			Scheme: scheme, Host: s.opts.Host, Port: s.port.Load(),
			SessionCookie: s.pluginCookie(who), Dir: s.opts.Dir, PluginDir: dir,
		},
		Args: a,
	})
	if err != nil {
		panic(fmt.Sprintf("simstash: arguments without JSON form: %v", err))
	}
	return doc
}

// output is what Stash makes of a plugin's stdout and exit.
type output struct {
	Error  *string `json:"error"`
	Output any     `json:"output"`
}

// launch starts a process. wait returns when it has ended and its stdout is
// closed. kill ends it with SIGKILL; wait need not be called then. leave is
// closed when Stash ends without the process: its pipes are closed.
func (s *Server) launch(p *plugin, o *operation, run *PluginRun, doc []byte, progress func(float64), leave <-chan struct{}) (wait <-chan output, kill func(), err error) {
	defer func() {
		if err != nil {
			run.Err = err.Error()
		}
		s.plugins.mu.Lock()
		s.plugins.runs = append(s.plugins.runs, run)
		s.plugins.mu.Unlock()
	}()
	run.Plugin, run.Document, run.Start = p.id, doc, s.now()
	argv, program, err := s.command(p, o)
	if err != nil {
		return nil, nil, err
	}
	run.Argv = argv
	cmd := &exec.Cmd{Path: program, Args: argv, Dir: s.opts.Cwd, Env: s.opts.Env}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		outR.Close()
		outW.Close()
		return nil, nil, err
	}
	cmd.Stdout, cmd.Stderr = outW, errW
	began := time.Now()
	err = cmd.Start()
	outW.Close()
	errW.Close()
	if err != nil {
		outR.Close()
		errR.Close()
		return nil, nil, fmt.Errorf("error running plugin: %w", err)
	}
	s.logf(LevelDebug, "", "Plugin %s started: %s", p.title(), strings.Join(argv, " "))

	kill = func() {
		s.plugins.mu.Lock()
		run.Killed = !run.Ended
		s.plugins.mu.Unlock()
		cmd.Process.Kill()
	}
	go func() {
		defer stdin.Close()
		if n, err := stdin.Write(doc); err != nil {
			s.logf(LevelWarning, "", "error writing input to plugins stdin (wrote %d bytes out of %d): %v", n, len(doc), err)
		}
	}()
	logged := make(chan struct{})
	var stderr cappedBuffer
	go func() {
		defer close(logged)
		defer errR.Close()
		s.readLog(p, io.TeeReader(errR, &stderr), progress)
	}()

	done := make(chan output, 1)
	ended := make(chan struct{})
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		defer close(ended)
		stdout, _ := io.ReadAll(outR)
		outR.Close()
		err := cmd.Wait()
		took := time.Since(began)
		// What the process wrote is in the pipe and is read to its end, unless a
		// child holds the pipe open: then Stash closes it.
		select {
		case <-logged:
		case <-time.After(time.Second):
			errR.Close()
			<-logged
		}
		s.plugins.mu.Lock()
		run.Ended, run.Duration, run.Stdout, run.Stderr = true, took, stdout, stderr.Bytes()
		run.ExitCode, run.MaxRSS = cmd.ProcessState.ExitCode(), maxRSS(cmd.ProcessState)
		s.plugins.mu.Unlock()
		s.logf(LevelDebug, "", "Plugin %s finished", p.title())
		done <- interpret(stdout, err)
	}()
	go func() {
		select {
		case <-ended:
			return
		case <-leave:
			outR.Close()
			errR.Close()
		case <-s.life.Done():
		}
		select {
		case <-ended:
		case <-s.life.Done():
			kill()
			outR.Close() // a grandchild may hold them
			errR.Close()
		}
	}()
	return done, kill, nil
}

// interpret is one JSON object {"error", "output"}, or else the text itself. A
// failed exit is an error unless the JSON gave one.
func interpret(stdout []byte, exit error) output {
	var out output
	if json.Unmarshal(stdout, &out) != nil {
		out = output{Output: string(stdout)}
	}
	if exit != nil && out.Error == nil {
		text := exit.Error()
		out.Error = &text
	}
	return out
}

// readLog takes a plugin's stderr apart: lines of 0x01, level, 0x02, text; any
// other line is logged whole at the manifest's errLog level. A line of 64 KiB
// ends the reading for good.
func (s *Server) readLog(p *plugin, r io.Reader, progress func(float64)) {
	levels := map[byte]Level{'t': LevelTrace, 'd': LevelDebug, 'i': LevelInfo, 'w': LevelWarning, 'e': LevelError}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := lines.Text()
		if line == "" {
			continue
		}
		if len(line) >= 4 && line[0] == 1 && line[2] == 2 {
			text := strings.TrimSpace(line[3:])
			if line[1] == 'p' {
				if f, err := strconv.ParseFloat(text, 64); err != nil {
					s.logf(LevelError, "", "Error parsing progress value '%s': %v", text, err)
				} else if progress != nil {
					progress(f)
				}
				continue
			}
			if level, ok := levels[line[1]]; ok {
				s.logf(level, p.title(), "%s", text)
				continue
			}
		}
		if !p.errLogNone {
			s.logf(p.errLog, p.title(), "%s", line)
		}
	}
}

type cappedBuffer struct{ bytes.Buffer }

func (b *cappedBuffer) Write(p []byte) (int, error) {
	if room := stderrKept - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// runAndWait runs a plugin for a caller that waits: a hook or an operation. When
// ctx ends first, the process is killed.
func (s *Server) runAndWait(ctx context.Context, p *plugin, o *operation, run *PluginRun, doc []byte) (output, error) {
	wait, kill, err := s.launch(p, o, run, doc, nil, nil)
	if err != nil {
		return output{}, err
	}
	select {
	case out := <-wait:
		return out, nil
	case <-ctx.Done():
		kill()
		return output{}, errors.New("operation cancelled")
	}
}

// RunRaw runs a loaded plugin with exactly this stdin and waits for its end.
func (s *Server) RunRaw(ctx context.Context, pluginID string, stdin []byte) (PluginRun, error) {
	p, err := s.plugin(pluginID)
	if err != nil {
		return PluginRun{}, err
	}
	run := &PluginRun{Kind: "raw"}
	_, err = s.runAndWait(ctx, p, nil, run, stdin)
	s.plugins.mu.Lock()
	defer s.plugins.mu.Unlock()
	return *run, err
}

// Document is the stdin that a task or operation of the plugin would get with
// these arguments, for RunRaw and for tests that call the plugin's code.
func (s *Server) Document(pluginID string, args map[string]any) []byte {
	dir := ""
	if p, err := s.plugin(pluginID); err == nil {
		dir = p.dir()
	}
	return s.document(dir, nil, args, identity{user: s.opts.Username})
}

// runTask queues a plugin's task. Everything is looked up when the job starts,
// the session cookie made then too: what cannot be found makes a FAILED job.
func (s *Server) runTask(who identity, pluginID string, task, description *string, given map[string]any) int {
	shown := pluginID
	if task != nil {
		shown = *task
	}
	if description != nil {
		shown = *description
	}
	return s.queue.add("Running plugin task: "+shown, func(ctx context.Context, j *jobEntry) error {
		p, err := s.plugin(pluginID)
		if err != nil {
			return fmt.Errorf("Error creating plugin task: %w", err)
		}
		var o *operation
		run := &PluginRun{Kind: "task"}
		if task != nil {
			i := slices.IndexFunc(p.tasks, func(o *operation) bool { return o.name == *task })
			if i < 0 {
				return fmt.Errorf("Error creating plugin task: no task with name %s in plugin %s", *task, p.title())
			}
			o, run.Task = p.tasks[i], *task
		}
		var defaults map[string]string
		if o != nil {
			defaults = o.defaultArgs
		}
		lost := make(chan struct{})
		wait, kill, err := s.launch(p, o, run, s.document(p.dir(), defaults, given, who), func(f float64) { s.queue.setProgress(j, f) }, lost)
		if err != nil {
			return fmt.Errorf("Error running plugin task: %w", err)
		}
		select {
		case out := <-wait:
			switch {
			case out.Error != nil:
				s.logf(LevelError, "", "Plugin returned error: %s", *out.Error)
			case out.Output != nil:
				s.logf(LevelDebug, "", "Plugin returned: %v", out.Output)
			}
		case <-ctx.Done():
			s.queue.mu.Lock()
			orphan := j.Lost
			s.queue.mu.Unlock()
			if orphan && s.life.Err() == nil {
				close(lost)
				return nil
			}
			kill()
		}
		return nil
	})
}

// RunTask queues a task of a plugin as the person's click on Stash's task page
// does, and returns the job's id.
func (s *Server) RunTask(pluginID, task string) int {
	return s.runTask(identity{user: s.opts.Username}, pluginID, &task, nil, nil)
}

// runOperation runs a plugin at once, beside the queue.
func (s *Server) runOperation(ctx context.Context, who identity, pluginID string, given map[string]any) (any, error) {
	p, err := s.plugin(pluginID)
	if err != nil {
		return nil, err
	}
	out, err := s.runAndWait(ctx, p, nil, &PluginRun{Kind: "operation"}, s.document(p.dir(), nil, given, who))
	if err != nil {
		return nil, err
	}
	if out.Error != nil {
		return nil, errors.New(*out.Error)
	}
	return out.Output, nil
}
