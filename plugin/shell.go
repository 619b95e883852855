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
	"time"
	"unicode"

	"github.com/plexsync/plexsync/internal/host"
	"github.com/plexsync/plexsync/internal/store"
)

// What the command line prints: the answer on stdout, everything else on stderr; an
// error is one line that begins with "plexsync:" and says what to do. The exit code
// is 0 if all went well, 1 if not, 2 if the command was not understood.

const usage = `PlexSync keeps a Plex library true to Stash. It is a plugin: Stash starts it.

In a shell it shows and mends what it does:

  plexsync status               what is queued, waiting and dead, and how Plex is
  plexsync process              work the queue now
  plexsync compare              compare the whole library with Plex, now
  plexsync preview              what a sync of all scenes would write; writes nothing
  plexsync explain ID           why scene ID is, or is not, in Plex as in Stash
  plexsync dlq list             list the dead letters
  plexsync dlq retry [ID ...]   queue dead letters again, all or the named ones
  plexsync dlq drop ID ...      delete dead letters for good
  plexsync health               test Plex, Stash, the database and the settings
  plexsync version              tell the version

Options:

  --data DIR         the folder of Stash's config.yml, or the folder plexsync in it
  --stash URL        where Stash is; default http://127.0.0.1:9999
  --api-key-file F   a file that holds Stash's API key, if Stash asks for a login
  --class CLASS      for dlq: only letters of this class, such as rejected
  --json             print the answer as JSON
`

// shell is one call of the command line.
type shell struct {
	stdout, stderr io.Writer
	data, url      string
	keyFile, class string
	asJSON         bool
}

// commandLine is PlexSync in a shell.
func commandLine(args []string, stdout, stderr io.Writer) int {
	c := &shell{stdout: stdout, stderr: stderr}
	words, err := c.parse(args)
	if err == nil {
		err = c.run(words)
	}
	var misused *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &misused):
		fmt.Fprintf(stderr, "plexsync: %v\n\n%s", err, usage)
		return 2
	}
	fmt.Fprintf(stderr, "plexsync: %v\n", err)
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
		return misuse("say what to do")
	}
	args := map[string]any{}
	var show func(any)
	command := words[0]
	switch rest := words[1:]; command {
	case "help":
		fmt.Fprint(c.stdout, usage)
		return nil
	case "version":
		return c.version()
	case "status", "process", "health", "compare", "preview":
		args["mode"] = command
		if len(rest) > 0 {
			return misuse("%s takes no more words, got %q", command, rest[0])
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
			args["limit"] = 1000
			show = c.letters
		}
	default:
		return misuse("unknown command %q", command)
	}
	return c.mode(args, show)
}

// version tells which PlexSync this is, for a report of a fault.
func (c *shell) version() error {
	v := struct {
		Version string `json:"version"`
		Commit  string `json:"commit,omitempty"`
		Date    string `json:"date,omitempty"` // of the commit, RFC 3339
		System  string `json:"system"`
		Go      string `json:"go"`
	}{System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	var rest string
	v.Version, rest, _ = strings.Cut(stamp, "+")
	v.Commit, v.Date, _ = strings.Cut(rest, "+")
	if c.asJSON {
		e := json.NewEncoder(c.stdout)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	line := "plexsync " + v.Version
	if v.Commit != "" {
		line += fmt.Sprintf(" (commit %s of %s)", v.Commit, v.Date)
	}
	_, err := fmt.Fprintf(c.stdout, "%s %s %s\n", line, v.System, v.Go)
	return err
}

// mode runs a mode as Stash would, and prints what it says.
func (c *shell) mode(args map[string]any, show func(any)) error {
	conn, err := c.connection()
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	lines := &plainLines{out: c.stdout}
	if c.asJSON || show != nil {
		lines.out = c.stderr
		level.Set(slog.LevelWarn)
	}
	p := &process{in: host.Input{Conn: conn, Args: args}, level: level, dir: dataDir(conn.Dir)}
	p.handler = host.NewHandler(lines, level)
	p.log = slog.New(p.handler)
	if c.keyFile != "" {
		key, err := os.ReadFile(c.keyFile)
		if err != nil {
			return fmt.Errorf("--api-key-file: %w", err)
		}
		p.apiKey = strings.TrimSpace(string(key))
		p.handler.AddSecret(p.apiKey)
	}
	var out bytes.Buffer
	code := p.handler.Guard(&out, func() (any, error) { return p.mode(context.Background()) })
	var answer struct {
		Error  *string         `json:"error"`
		Output json.RawMessage `json:"output"`
	}
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		return err
	}
	switch {
	case answer.Error != nil:
		return errors.New(*answer.Error)
	case c.asJSON:
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, answer.Output, "", "  "); err != nil {
			return err
		}
		fmt.Fprintln(c.stdout, &pretty)
	case show != nil:
		var v any
		if err := json.Unmarshal(answer.Output, &v); err != nil {
			return err
		}
		show(v)
	}
	if code != 0 {
		return errors.New("failed")
	}
	return nil
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
			return "", fmt.Errorf("--data: there is no database in %s. Name the folder of Stash's config.yml; the database is made at the first event", dataDir(dir))
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
	return "", errors.New("--data: name the folder of Stash's config.yml, for example --data /root/.stash")
}

// letters prints dead letters as a table.
func (c *shell) letters(v any) {
	all, _ := v.([]any)
	if len(all) == 0 {
		fmt.Fprintln(c.stdout, "No dead letters.")
		return
	}
	t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "#\tSUBJECT\tCLASS\tDIED\tTITLE\tERROR")
	for _, x := range all {
		l, _ := x.(map[string]any)
		died, _ := time.Parse(time.RFC3339, fmt.Sprint(l["died"]))
		fmt.Fprintf(t, "%v\t%v %v\t%v\t%s\t%v\t%v\n", l["id"], l["kind"], l["subject_id"], l["class"],
			died.Local().Format(time.DateTime), plain(l["title"]), plain(l["error"]))
	}
	t.Flush()
}

// plain is a value from outside as a terminal may be shown it.
func plain(v any) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, fmt.Sprint(v))
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
	if _, err := io.WriteString(w.out, text); err != nil {
		return 0, err
	}
	return len(p), nil
}
