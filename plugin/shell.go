package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"unicode"

	"github.com/plexsync/plexsync/internal/host"
	"github.com/plexsync/plexsync/internal/store"
)

// What the command line prints: the answer on stdout, everything else on stderr; an
// error is one line that begins with "plexsync:" and says what to do. The exit code
// is 0 if all went well, 1 if not, 2 if the command was not understood. Nothing that
// comes from outside can control the terminal.

const usage = `PlexSync keeps your Plex library in sync with Stash. It is a plugin: Stash starts it.
In a shell, it shows its state and fixes problems:

  plexsync status               show the queue, waiting jobs, dead letters and the state of Plex
  plexsync process              process the queue now
  plexsync compare              compare the whole library with Plex now
  plexsync preview              show what a sync of all scenes would write; writes nothing
  plexsync explain ID           show why scene ID is, or is not, in Plex as in Stash
  plexsync dlq list             list the dead letters
  plexsync dlq retry [ID ...]   queue dead letters again: all, or those named
  plexsync dlq drop ID ...      delete dead letters for good
  plexsync health               test Plex, Stash, the database and the settings
  plexsync sign-in              sign in with Plex: find your server, save its address and a token
  plexsync sign-out             revoke that token and remove it from the settings
  plexsync version              show the version

Options:

  --data DIR         the folder of Stash's config.yml, or the folder plexsync in it
  --stash URL        where Stash is; default http://127.0.0.1:9999
  --api-key-file F   a file that holds Stash's API key, if Stash asks for a login
  --class CLASS      for dlq: only letters of this class, such as rejected
  --server NAME      for sign-in: the server to use, if you have several
  --json             print the answer as JSON
`

// shell is one call of the command line.
type shell struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	data, url      string
	keyFile, class string
	server         string
	asJSON         bool
	table          bool // the answer is printed as a table, not as the lines of a log
	first          bool // it may be the first call of all, before there is a database
}

// commandLine is PlexSync in a shell.
func commandLine(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &shell{stdin: stdin, stdout: stdout, stderr: stderr}
	words, err := c.parse(args)
	if err == nil {
		err = c.run(words)
	}
	var misused *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &misused):
		fmt.Fprintf(stderr, "plexsync: %s\n\n%s", printable(err.Error()), usage)
		return 2
	}
	fmt.Fprintf(stderr, "plexsync: %s\n", printable(err.Error()))
	return 1
}

// usageError is a command that was not understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func misuse(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// parse takes options and words in any order.
func (c *shell) parse(args []string) (words []string, err error) {
	f := flag.NewFlagSet("plexsync", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&c.data, "data", "", "")
	f.StringVar(&c.url, "stash", "http://127.0.0.1:9999", "")
	f.StringVar(&c.keyFile, "api-key-file", "", "")
	f.StringVar(&c.class, "class", "", "")
	f.StringVar(&c.server, "server", "", "")
	f.BoolVar(&c.asJSON, "json", false, "")
	for len(args) > 0 {
		switch err := f.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			return []string{"help"}, nil
		case err != nil:
			return nil, misuse("%v", err)
		}
		if args = f.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	return words, nil
}

func (c *shell) run(words []string) error {
	if len(words) == 0 {
		return misuse("no command given")
	}
	args := map[string]any{}
	command := words[0]
	switch rest := words[1:]; command {
	case "help":
		fmt.Fprint(c.stdout, usage)
		return nil
	case "version":
		return c.version()
	case "status", "process", "health", "compare", "preview", "sign-in", "sign-out":
		args["mode"] = strings.ReplaceAll(command, "-", "_")
		if len(rest) > 0 {
			return misuse("%s takes no more arguments, got %q", command, rest[0])
		}
		if command == "sign-in" {
			return c.signIn()
		}
	case "explain":
		if len(rest) != 1 {
			return misuse("explain takes the id of one scene, for example: plexsync explain 12")
		}
		args["mode"], args["scene_id"] = "explain", rest[0]
	case "dlq":
		if len(rest) == 0 {
			return misuse("dlq takes one of list, retry, drop")
		}
		if !slices.Contains([]string{"list", "retry", "drop"}, rest[0]) {
			return misuse("unknown command %q", "dlq "+rest[0])
		}
		args["mode"] = "dlq_" + rest[0]
		if c.class != "" {
			args["class"] = c.class
		}
		if ids := rest[1:]; len(ids) > 0 {
			list := make([]any, len(ids))
			for i, id := range ids {
				list[i] = strings.TrimPrefix(id, "#")
			}
			args["ids"] = list
		}
		if rest[0] == "list" {
			args["limit"] = "1000"
			c.table = true
		}
	default:
		return misuse("unknown command %q", command)
	}
	return c.ask(args)
}

// version shows which PlexSync this is, for a bug report.
func (c *shell) version() error {
	v := Build{System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	var rest string
	v.Version, rest, _ = strings.Cut(stamp, "+")
	v.Commit, v.Date, _ = strings.Cut(rest, "+")
	if c.asJSON {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return c.printJSON(data)
	}
	line := "plexsync " + v.Version
	if v.Commit != "" {
		line += fmt.Sprintf(" (commit %s of %s)", v.Commit, v.Date)
	}
	_, err := fmt.Fprintf(c.stdout, "%s %s %s\n", line, v.System, v.Go)
	return err
}

// ask calls a mode as a task of Stash does, and prints what comes of it: the lines of its
// log, or its answer as JSON or as a table.
func (c *shell) ask(args map[string]any) error {
	answer, data, err := c.call(args)
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(data)
	}
	if letters, ok := answer.(List[Letter]); ok {
		c.letters(letters)
	}
	return nil
}

// call calls a mode as a task of Stash does, and returns its answer, also as JSON without
// secrets.
func (c *shell) call(args map[string]any) (answer any, data []byte, err error) {
	conn, err := c.connection()
	if err != nil {
		return nil, nil, err
	}
	level := new(slog.LevelVar)
	lines := &plainLines{out: c.stdout}
	if c.asJSON || c.table {
		lines.out = c.stderr
		level.Set(slog.LevelWarn)
	}
	p := &process{in: host.Input{Conn: conn, Args: args}, level: level, dir: dataDir(conn.Dir)}
	p.handler = host.NewHandler(lines, level)
	p.log = slog.New(p.handler)
	if c.keyFile != "" {
		key, err := os.ReadFile(c.keyFile)
		if err != nil {
			return nil, nil, fmt.Errorf("--api-key-file: %w", err)
		}
		p.apiKey = strings.TrimSpace(string(key))
		p.handler.AddSecret(p.apiKey)
	}
	code := p.handler.Guard(io.Discard, func() (any, error) {
		answer, err = p.mode(context.Background())
		return nil, err
	})
	switch {
	case err != nil:
		return nil, nil, errors.New(p.handler.Redact(err.Error()))
	case code != 0:
		return nil, nil, errors.New("failed; see the error above") // a panic, which Guard has logged
	}
	data, err = p.handler.JSON(answer)
	return answer, data, err
}

// printJSON prints a JSON text with line breaks, for people.
func (c *shell) printJSON(data []byte) error {
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, data, "", "  "); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.stdout, escapeControls(pretty.String()))
	return err
}

// connection is where Stash and the data are.
func (c *shell) connection() (host.Connection, error) {
	var conn host.Connection
	u, err := url.Parse(c.url)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return conn, misuse("--stash: must be an address such as http://127.0.0.1:9999")
	}
	conn.Scheme, conn.Host = u.Scheme, u.Hostname()
	conn.Port, _ = strconv.Atoi(u.Port())
	if conn.Port == 0 {
		conn.Port = map[string]int{"http": 80, "https": 443}[u.Scheme]
	}
	dir, err := c.dataFolder()
	conn.Dir = dir
	return conn, err
}

// dataFolder is the folder above the data folder: the one named, or one of those in
// which Stash's is usually found, seen from where the program lies.
func (c *shell) dataFolder() (string, error) {
	has := func(dir string) bool {
		_, err := os.Stat(filepath.Join(dataDir(dir), store.FileName))
		if err != nil && c.first {
			_, err = os.Stat(filepath.Join(dir, "config.yml"))
		}
		return err == nil
	}
	if c.data != "" {
		dir, err := filepath.Abs(c.data)
		if err != nil {
			return "", err
		}
		if _, err := os.Stat(filepath.Join(dir, store.FileName)); err == nil && filepath.Base(dir) == "plexsync" {
			return filepath.Dir(dir), nil
		}
		if !has(dir) {
			return "", fmt.Errorf("--data: there is no database in %s. Give the folder of Stash's config.yml. The database is created at the first edit", dataDir(dir))
		}
		return dir, nil
	}
	var tried []string
	if exe, err := os.Executable(); err == nil {
		// …/plugins/plexsync or …/plugins/<source>/plexsync, beside config.yml.
		plugin := filepath.Dir(exe)
		tried = append(tried, filepath.Join(plugin, "..", ".."), filepath.Join(plugin, "..", "..", ".."))
	}
	if home, err := os.UserHomeDir(); err == nil {
		tried = append(tried, filepath.Join(home, ".stash"))
	}
	for _, dir := range tried {
		if has(dir) {
			return filepath.Clean(dir), nil
		}
	}
	return "", errors.New("--data: give the folder of Stash's config.yml, for example --data /root/.stash")
}

// letters prints dead letters as a table.
func (c *shell) letters(all []Letter) {
	if len(all) == 0 {
		fmt.Fprintln(c.stdout, "No dead letters.")
		return
	}
	t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "#\tSUBJECT\tCLASS\tDIED\tTITLE\tERROR")
	for _, l := range all {
		fmt.Fprintf(t, "%d\t%s %d\t%s\t%s\t%s\t%s\n", l.ID, printable(string(l.Kind)), l.SubjectID, printable(string(l.Class)),
			clock(l.Died), printable(l.Title), printable(l.Error))
	}
	t.Flush()
}

// controls reports whether a character moves a terminal's cursor, changes its state or
// turns the direction of its text: the controls of ASCII and of ISO 6429 (C1), the
// separators of lines, and Unicode's bidirectional controls.
func controls(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

// printable is a text from outside as a terminal may be shown it, on one line.
func printable(text string) string {
	return escapeControls(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text))
}

// escapeControls writes every control but a line feed as JSON does. JSON stays what it
// was: outside its strings there are none.
func escapeControls(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r != '\n' && controls(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// plainLines turns log lines for Stash into lines for people: without the bytes of
// the protocol and the progress, with the level where it is a warning or worse.
type plainLines struct {
	mu  sync.Mutex
	out io.Writer
}

// Write takes whole lines.
func (w *plainLines) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := string(p)
	if len(p) > 3 && p[0] == 1 && p[2] == 2 {
		prefix, known := map[byte]string{'w': "warning: ", 'e': "error: ", 'i': "", 'd': "", 't': ""}[p[1]]
		if !known { // progress
			return len(p), nil
		}
		text = prefix + string(p[3:])
	}
	text = printable(strings.TrimSuffix(text, "\n")) + "\n"
	if _, err := io.WriteString(w.out, text); err != nil {
		return 0, err
	}
	return len(p), nil
}
