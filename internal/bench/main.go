// Command bench measures what the plugin costs, as ratios within one run on one
// machine: absolute times are printed, but mean little on another.
//
//	go run ./internal/bench -plugin dist/plexsync
//
// It is a small process on purpose: Linux counts the peak memory of a child from
// the size of its parent.
package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

func main() {
	plugin := flag.String("plugin", "dist/plexsync", "folder of the built plugin")
	runs := flag.Int("runs", 200, "processes per figure")
	only := flag.String("only", "", "only the rows whose names hold this, such as \"at once\"")
	out := flag.String("json", "bench.json", "file for the results")
	tags := flag.String("tags", "sqlite_omit_load_extension,netgo,osusergo", "build tags of the floor program")
	ldflags := flag.String("ldflags", "-s -w -linkmode external -extldflags -static", "linker flags of the floor program")
	flag.Parse()
	if err := run(*plugin, *only, *runs, *out, *tags, *ldflags); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// figure is one line of the table.
type figure struct {
	Name string `json:"name"`
	// Median and P95 are the plugin's times by the floor's.
	Median float64 `json:"median_ratio"`
	P95    float64 `json:"p95_ratio"`
	// Milliseconds, of this machine.
	PluginMS float64 `json:"plugin_median_ms"`
	FloorMS  float64 `json:"floor_median_ms"`
	CPU      float64 `json:"cpu_ratio"`
	// PeakMiB is the plugin's peak resident memory.
	PeakMiB float64 `json:"plugin_peak_mib"`
	// Asked is how often Stash was asked for a drain.
	Asked int `json:"stash_requests"`
	// Lost events; must be 0.
	Lost int `json:"lost"`
}

func run(plugin, only string, runs int, out, tags, ldflags string) error {
	exe, err := filepath.Abs(filepath.Join(plugin, "plexsync"))
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "plexsync-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	floor := filepath.Join(work, "floor")
	build := exec.Command("go", "build", "-trimpath", "-tags", tags, "-ldflags", ldflags, "-o", floor, "./internal/bench/floor")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the floor program: %w", err)
	}
	launcher, err := pack(exe, filepath.Join(work, "packed"))
	if err != nil {
		return err
	}
	stash, err := listen()
	if err != nil {
		return err
	}
	fmt.Printf("%d processes a figure, the plugin's hook and the floor program in turns; %d cores, %s/%s\n\n", runs, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	fmt.Printf("%-34s %8s %8s %8s %10s %10s %9s %6s %5s\n", "hook", "median", "p95", "CPU", "hook ms", "floor ms", "peak MiB", "asked", "lost")
	var all []figure
	for _, s := range []struct {
		name     string
		queued   int
		drain    bool
		parallel int
		exe      string
	}{
		{"alone", 0, false, 1, exe},
		{"alone, by the package's launcher", 0, false, 1, launcher},
		{"with a drain running", 0, true, 1, exe},
		{"with 100,000 jobs queued", 100_000, false, 1, exe},
		{"100 at once", 0, false, 100, exe},
	} {
		if !strings.Contains(s.name, only) {
			continue
		}
		b := bench{plugin: s.exe, floor: floor, dir: filepath.Join(work, strings.ReplaceAll(s.name, " ", "-")), stash: stash}
		f, err := b.measure(s.name, runs, s.queued, s.drain, s.parallel)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("%-34s %7.2fx %7.2fx %7.2fx %10.1f %10.1f %9.1f %6d %5d\n", f.Name, f.Median, f.P95, f.CPU, f.PluginMS, f.FloorMS, f.PeakMiB, f.Asked, f.Lost)
		all = append(all, f)
	}
	fmt.Println("\nratios are hook by floor, lower is better; the budget is 1.5x at the median, 2x at p95, 20 MiB")
	data, err := json.MarshalIndent(map[string]any{"hook": all}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(data, '\n'), 0o644)
}

// pack puts the program and the launcher of a package into dir, as a package has them.
func pack(exe, dir string) (launcher string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	arch := runtime.GOARCH
	if arch == "arm" {
		arch = "armv7"
	}
	launcher = filepath.Join(dir, "plexsync")
	// A link, because to read the program would make this process large.
	if err := os.Symlink(exe, launcher+"-"+runtime.GOOS+"-"+arch); err != nil {
		return "", err
	}
	script, err := os.ReadFile("plugin/launcher.sh")
	if err != nil {
		return "", err
	}
	return launcher, os.WriteFile(launcher, script, 0o755)
}

// fakeStash accepts every request for a drain and knows every job.
type fakeStash struct {
	port  int
	asked atomic.Int64
}

func listen() (*fakeStash, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &fakeStash{port: l.Addr().(*net.TCPAddr).Port}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"data":{"runPluginTask":"1","jobQueue":[{"id":"1","status":"READY","description":"Running plugin task: PlexSync: process queue"}]}}`)
	}))
	return s, nil
}

type bench struct {
	plugin, floor, dir string
	stash              *fakeStash
}

// cost is what one process took.
type cost struct {
	wall, cpu time.Duration
	peak      int64 // bytes
}

func (b bench) measure(name string, runs, queued int, drain bool, parallel int) (figure, error) {
	f := figure{Name: name}
	if err := os.MkdirAll(filepath.Join(b.dir, "plexsync"), 0o700); err != nil {
		return f, err
	}
	// The plugin makes its own database; the floor's has the one table.
	floorDB := filepath.Join(b.dir, "floor.db")
	if err := prepare(floorDB, `PRAGMA journal_mode=WAL; CREATE TABLE job (id INTEGER PRIMARY KEY, kind TEXT, subject_id INTEGER, due_at INTEGER, UNIQUE (kind, subject_id))`); err != nil {
		return f, err
	}
	if _, err := b.hook(1); err != nil {
		return f, err
	}
	own := filepath.Join(b.dir, "plexsync", "plexsync.db")
	if queued > 0 {
		fill := `WITH RECURSIVE n(i) AS (SELECT 1000001 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO job %s FROM n`
		if err := prepare(own, fmt.Sprintf(fill, 1000000+queued, `(kind, subject_id, priority, due_at, first_event_at, last_event_at) SELECT 'scene', i, 0, 1, 1, 1`)); err != nil {
			return f, err
		}
		if err := prepare(floorDB, fmt.Sprintf(fill, 1000000+queued, `(kind, subject_id, due_at) SELECT 'scene', i, 1`)); err != nil {
			return f, err
		}
	}
	if drain {
		unlock, err := holdDrain(filepath.Join(b.dir, "plexsync"), own)
		if err != nil {
			return f, err
		}
		defer unlock()
	}
	b.stash.asked.Store(0)
	var hooks, floors []cost
	for i := 0; i < runs; i += parallel {
		// In turns, so that what else the machine does falls on both alike.
		h, err := together(parallel, func(j int) (cost, error) { return b.hook(int64(2 + i + j)) })
		if err != nil {
			return f, err
		}
		g, err := together(parallel, func(j int) (cost, error) {
			return spawn(exec.Command(b.floor, floorDB, fmt.Sprint(2+i+j)), nil)
		})
		if err != nil {
			return f, err
		}
		hooks, floors = append(hooks, h...), append(floors, g...)
	}
	f.Asked = int(b.stash.asked.Load())
	db, err := sql.Open("sqlite3", "file:"+own)
	if err != nil {
		return f, err
	}
	defer db.Close()
	var n int
	if err := db.QueryRow(`SELECT count(*) FROM job`).Scan(&n); err != nil {
		return f, err
	}
	f.Lost = len(hooks) + 1 + queued - n
	wall := func(c cost) float64 { return c.wall.Seconds() * 1000 }
	cpu := func(c cost) float64 { return c.cpu.Seconds() }
	f.PluginMS, f.FloorMS = quantile(hooks, 0.5, wall), quantile(floors, 0.5, wall)
	f.Median = f.PluginMS / f.FloorMS
	f.P95 = quantile(hooks, 0.95, wall) / quantile(floors, 0.95, wall)
	f.CPU = quantile(hooks, 0.5, cpu) / quantile(floors, 0.5, cpu)
	f.PeakMiB = quantile(hooks, 1, func(c cost) float64 { return float64(c.peak) / (1 << 20) })
	return f, nil
}

// prepare runs statements on a database.
func prepare(path, statements string) error {
	db, err := sql.Open("sqlite3", "file:"+path+"?_busy_timeout=30000")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(statements)
	return err
}

// hook runs the plugin as Stash does for an edited scene.
func (b bench) hook(scene int64) (cost, error) {
	doc := fmt.Sprintf(`{"server_connection":{"Scheme":"http","Host":"0.0.0.0","Port":%d,"SessionCookie":{"Name":"session","Value":"abcdefgh"},"Dir":%q,"PluginDir":%q},
		"args":{"hookContext":{"id":%d,"type":"Scene.Update.Post","input":{"id":"%d","title":"New title"},"inputFields":["id","title"]}}}`,
		b.stash.port, b.dir, filepath.Dir(b.plugin), scene, scene)
	return spawn(exec.Command(b.plugin), []byte(doc))
}

// spawn runs a process from its start to its end.
func spawn(cmd *exec.Cmd, stdin []byte) (cost, error) {
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &out
	began := time.Now()
	err := cmd.Run()
	c := cost{wall: time.Since(began)}
	if err != nil {
		return c, fmt.Errorf("%w: %s", err, &out)
	}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	c.peak = peak(cmd.ProcessState)
	return c, nil
}

// together runs n processes at once.
func together(n int, start func(int) (cost, error)) ([]cost, error) {
	costs, errs := make([]cost, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { costs[i], errs[i] = start(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return costs, nil
}

func quantile(costs []cost, q float64, of func(cost) float64) float64 {
	values := make([]float64, len(costs))
	for i, c := range costs {
		values[i] = of(c)
	}
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}
