// Command plexsync is the Stash plugin: one binary for every way in which Stash
// starts it. Without arguments it reads one JSON document on stdin and is a hook,
// a task or an operation; with arguments it is a command line. This package is
// the process edge and the wiring, and nothing else.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/plexsync/plexsync/internal/host"
)

// version is stamped by build.sh.
var version = "dev"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the whole process: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		return commandLine(args, stdout, stderr)
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
			dir: filepath.Join(in.Conn.Dir, "plexsync"),
		}
		if in.Hook != nil {
			return nil, p.hook(context.Background(), in.Hook)
		}
		return p.mode(context.Background())
	})
}

// process is one call by Stash.
type process struct {
	in      host.Input
	handler *host.Handler
	level   *slog.LevelVar
	log     *slog.Logger
	dir     string // the data folder
}

// commandLine is PlexSync in a shell.
func commandLine(args []string, stdout, stderr io.Writer) int {
	switch args[0] {
	case "version", "--version", "-version":
		fmt.Fprintln(stdout, "plexsync", version)
		return 0
	case "help", "--help", "-h", "-help":
		fmt.Fprint(stdout, usage)
		return 0
	}
	fmt.Fprintf(stderr, "plexsync: unknown command %q\n\n%s", args[0], usage)
	return 2
}

const usage = `PlexSync keeps a Plex library true to Stash. It is a plugin: Stash starts it.

  plexsync version   tell the version
  plexsync help      show this text
`
