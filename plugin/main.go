// Command plexsync is the Stash plugin: one binary for every way in which Stash
// starts it. Without arguments it reads one JSON document on stdin and is a hook,
// a task or an operation; with arguments it is a command line. This package is
// the process edge and the wiring, and nothing else.
package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/plexsync/plexsync/internal/host"
)

// stamp is set by build.sh: version, commit and the commit's date, joined by "+".
var stamp = "dev"

// version is what Plex and the page are told.
var version, _, _ = strings.Cut(stamp, "+")

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the whole process: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if args[0] == "waker" {
			return runWaker(stdin)
		}
		return commandLine(args, stdin, stdout, stderr)
	}
	// A Stash that ends closes our log. To Go that is a reason to die at the next
	// line, but the work at hand can be finished without one.
	signal.Ignore(syscall.SIGPIPE)
	level := new(slog.LevelVar)
	handler := host.NewHandler(stderr, level)
	return handler.Guard(stdout, func() (any, error) {
		in, err := host.Read(stdin)
		handler.AddSecret(in.Conn.Cookie.Value) // also known with some errors
		if err != nil {
			return nil, err
		}
		p := &process{
			in: in, handler: handler, level: level, log: slog.New(handler),
			dir: dataDir(in.Conn.Dir),
		}
		if in.Hook != nil {
			return nil, p.hook(context.Background(), in.Hook)
		}
		answer, err := p.mode(context.Background())
		if p.in.Args["v"] == nil {
			p.logOutlook(err)
		}
		return answer, err
	})
}

// process is one call by Stash.
type process struct {
	in      host.Input
	handler *host.Handler
	level   *slog.LevelVar
	log     *slog.Logger
	dir     string // the data folder
	apiKey  string // Stash's, for a caller without a session
}

// dataDir is the data folder below the folder of Stash's config.yml.
func dataDir(stashDir string) string { return filepath.Join(stashDir, "plexsync") }
