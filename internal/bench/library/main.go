// Command library measures what a whole library costs: the built plugin between a
// simulated Stash and a simulated Plex, both in this process.
//
//	go run ./internal/bench/library -plugin dist/plexsync
//
// Counts (requests, writes) are exact and the same everywhere. Times are compared with
// what Plex itself needs for the writes, or with the smaller row of the same table;
// alone they mean little, because the simulators share the machine.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
)

func main() {
	plugin := flag.String("plugin", "dist/plexsync", "folder of the built plugin")
	small := flag.Bool("small", false, "small libraries, and fail if a count is over its budget")
	full := flag.Bool("full", false, "10,000 scenes at every latency, which takes an hour more")
	only := flag.String("only", "", "one part: drain, posters, compare, index, page or others")
	match := flag.String("match", "", "of the drains only those whose names hold this, such as \"2000 scenes, changed, writes of 5ms\"")
	out := flag.String("json", "bench-library.json", "file for the results")
	flag.Parse()
	dir, err := filepath.Abs(*plugin)
	if err == nil {
		err = run(dir, *small, *full, *only, *match, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is one measurement. What does not apply is left out.
type row struct {
	Name   string  `json:"name"`
	Scenes int     `json:"scenes"`
	Wall   float64 `json:"seconds"`
	CPU    float64 `json:"cpu_seconds"`
	// PeakMiB is the plugin's peak resident memory.
	PeakMiB float64 `json:"peak_mib"`
	// Requests by kind, per scene.
	Writes  float64 `json:"plex_writes_per_scene"`
	Reads   float64 `json:"plex_reads_per_scene"`
	Uploads float64 `json:"plex_uploads_per_scene"`
	Stash   float64 `json:"stash_requests_per_scene"`
	// Share is how much of the time Plex's only writer was busy.
	Share float64 `json:"share_of_plex_write_time"`
	// Steady is the same between the first write and the last one.
	Steady float64 `json:"share_while_writing,omitempty"`
	// First is the time from the start of the task to the first write, of which one
	// second is the wait until events have settled.
	First float64 `json:"first_write_seconds,omitempty"`
	// Exponent of the growth of the time since the row before: 1 = linear.
	Exponent float64 `json:"growth_exponent,omitempty"`
}

func run(plugin string, small, full bool, only, match, out string) error {
	results := map[string]any{}
	var over []string
	budget := func(what string, value, most float64) {
		if value > most {
			over = append(over, fmt.Sprintf("%s is %.3f, the budget is %.3f", what, value, most))
		}
	}

	parts := []struct {
		name    string
		measure func() ([]row, error)
	}{
		{"drain", func() ([]row, error) { return drains(plugin, small, full, match, budget) }},
		{"posters", func() ([]row, error) { return posters(plugin, small, budget) }},
		{"compare", func() ([]row, error) { return comparisons(plugin, small, budget) }},
		{"index", func() ([]row, error) { return indexes(plugin, small, budget) }},
	}
	for _, p := range parts {
		if only != "" && only != p.name {
			continue
		}
		rows, err := p.measure()
		if err != nil {
			return err
		}
		results[p.name] = rows
	}
	if !small && (only == "" || only == "page") {
		if err := page(plugin, results); err != nil {
			return err
		}
	}
	if !small && (only == "" || only == "others") {
		if err := others(plugin, results); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, append(data, '\n'), 0o644); err != nil {
		return err
	}
	if len(over) > 0 {
		return fmt.Errorf("over budget:\n  %s", strings.Join(over, "\n  "))
	}
	return nil
}

// drains syncs changed and unchanged libraries, without and with posters.
func drains(plugin string, small, full bool, match string, budget func(string, float64, float64)) ([]row, error) {
	sizes := []struct {
		n       int
		at      time.Duration
		posters bool
	}{
		{10_000, time.Millisecond, false}, {10_000, time.Millisecond, true},
		{2_000, 5 * time.Millisecond, true}, {10_000, 5 * time.Millisecond, true},
		{2_000, 20 * time.Millisecond, false}, {2_000, 20 * time.Millisecond, true},
		{500, 100 * time.Millisecond, false}, {500, 100 * time.Millisecond, true},
	}
	switch {
	case small:
		sizes = sizes[:2]
		sizes[0].n, sizes[1].n = 500, 2_000
	case full:
		for i := 4; i < len(sizes); i++ {
			sizes[i].n = 10_000
		}
	}
	head("drain")
	var rows []row
	for _, s := range sizes {
		name := fmt.Sprintf("changed, writes of %v", s.at)
		if s.posters {
			name += ", with posters"
		}
		if !strings.Contains(fmt.Sprintf("%d scenes, %s", s.n, name), match) {
			continue
		}
		var cover func(int) []byte
		if s.posters {
			cover = picture
		}
		w, err := newWorld(plugin, s.n, cover, s.at)
		if err != nil {
			return nil, err
		}
		r, err := w.task(name, "Sync all scenes")
		if err == nil {
			if s.posters {
				budget(name+": writes and uploads per scene", r.Writes+r.Uploads, 2)
				budget(name+": reads per scene", r.Reads, 0.03)
				budget(name+": peak MiB", r.PeakMiB, 30)
			} else {
				budget(name+": writes per scene", r.Writes, 1.02)
				budget(name+": reads per scene", r.Reads, 0.05+10/float64(s.n))
			}
			show(r)
			rows = append(rows, r)
			r, err = w.task("the same, unchanged", "Sync all scenes")
			budget("unchanged: writes to Plex per scene", r.Writes+r.Uploads, 0)
			// Who asks for all has the listing read: a request for a thousand items,
			// and a few about the server.
			budget("unchanged: reads from Plex per scene", r.Reads, 0.001+5/float64(s.n))
		}
		w.close()
		if err != nil {
			return nil, err
		}
		show(r)
		rows = append(rows, r)
	}

	return rows, nil
}

// posters syncs scenes whose covers are as large as videos, in each shape.
func posters(plugin string, small bool, budget func(string, float64, float64)) ([]row, error) {
	n := 200
	if small {
		n = 20
	}
	head("posters")
	var rows []row
	for _, shape := range []string{"original", "fit", "blur", "crop"} {
		w, err := newWorld(plugin, n, frame, time.Millisecond)
		if err != nil {
			return nil, err
		}
		w.settings["posterShape"] = shape
		w.stash.SetPluginSettings("plexsync", w.settings)
		r, err := w.task("covers of 1920×1080, "+shape, "Sync all scenes")
		w.close()
		if err != nil {
			return nil, err
		}
		budget(r.Name+": uploads per scene", r.Uploads, 1)
		show(r)
		rows = append(rows, r)
	}
	return rows, nil
}

// frame is a JPEG of a video's size, with as much detail as films have.
func frame(seed int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 1920, 1080))
	for y := range 1080 {
		for x := range 1920 {
			at := img.PixOffset(x, y)
			img.Pix[at], img.Pix[at+1], img.Pix[at+2], img.Pix[at+3] = byte(x/8+seed), byte(y/4), byte((x/16)*(y/16)+seed), 255
		}
	}
	var b bytes.Buffer
	jpeg.Encode(&b, img, nil)
	return b.Bytes()
}

// comparisons compares libraries of growing size that have not changed.
func comparisons(plugin string, small bool, budget func(string, float64, float64)) ([]row, error) {
	head("compare")
	compares := []int{1_000, 10_000, 100_000}
	if small {
		compares = []int{300, 600}
	}
	var rows []row
	for _, n := range compares {
		w, err := newWorld(plugin, n, nil, 0)
		if err != nil {
			return nil, err
		}
		r, err := w.task("first sync", "Sync all scenes")
		if err == nil {
			// What was written is read once in full; the second has nothing to do.
			_, err = w.task("", "Compare with Plex")
		}
		if err == nil {
			if err = w.scheduleCompare(); err == nil {
				r, err = w.task(fmt.Sprintf("unchanged, %d scenes", n), "Process queue")
			}
		}
		w.close()
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			last := rows[len(rows)-1]
			r.Exponent = math.Log(r.Wall/last.Wall) / math.Log(float64(n)/float64(last.Scenes))
		}
		budget("compare: reads per scene", r.Reads, 0.01+10/float64(n))
		budget("compare: peak MiB", r.PeakMiB, 150)
		show(r)
		rows = append(rows, r)
	}

	return rows, nil
}

// indexes reads a library around one scene.
func indexes(plugin string, small bool, budget func(string, float64, float64)) ([]row, error) {
	// The index alone: one scene, and a library around it.
	head("index")
	n := 100_000
	if small {
		n = 2_000
	}
	rows, err := index(plugin, n)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		show(r)
	}
	// A page of a listing holds 1,000 items; beside the pages a run asks for a handful
	// of things.
	budget("index: requests in full", rows[0].Reads*float64(n), float64(n)/1000+10)
	budget("index: requests of a renewal", rows[1].Reads*float64(n), 8)

	return rows, nil
}

func head(what string) {
	fmt.Printf("\n%-36s %7s %8s %8s %9s %8s %8s %8s %8s %7s %7s %8s %8s\n", what, "scenes", "s", "CPU s", "peak MiB", "writes", "reads", "uploads", "Stash", "share", "steady", "first s", "growth")
}

func show(r row) {
	growth, first, steady := "-", "-", "-"
	if r.Steady != 0 {
		steady = fmt.Sprintf("%.0f%%", 100*r.Steady)
	}
	if r.First != 0 {
		first = fmt.Sprintf("%.1f", r.First)
	}
	if r.Exponent != 0 {
		growth = fmt.Sprintf("%.2f", r.Exponent)
	}
	fmt.Printf("%-36s %7d %8.1f %8.1f %9.1f %8.3f %8.3f %8.3f %8.3f %6.0f%% %7s %8s %8s\n", r.Name, r.Scenes, r.Wall, r.CPU, r.PeakMiB, r.Writes, r.Reads, r.Uploads, r.Stash, 100*r.Share, steady, first, growth)
}

// world is both servers with the plugin between them.
type world struct {
	dir    string
	scenes int
	stash  *simstash.Server
	plex   *simplex.Server
	// section is the key of the only library.
	section string
	// ago is how far the servers' clocks are behind: a library was not made just now,
	// and what is new there would be looked at again.
	ago  atomic.Int64
	stop func()
	ids  []int64
	// settings are the plugin's.
	settings map[string]any
}

const token = "bench-token"

func newWorld(plugin string, n int, cover func(int) []byte, writeTime time.Duration) (*world, error) {
	dir, err := os.MkdirTemp("", "plexsync-bench")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, scenes: n}
	now := func() time.Time { return time.Now().Add(-time.Duration(w.ago.Load())) }
	w.ago.Store(int64(48 * time.Hour))
	defer w.ago.Store(0)
	w.plex = simplex.New(simplex.Options{Now: now, Token: token, WriteTime: writeTime, ReadLatency: writeTime})
	w.section = w.plex.AddSection(simplex.SectionSpec{Title: "Films", Locations: []string{"/media"}})
	address, stop := w.plex.Start()
	w.stop = stop
	w.stash = simstash.New(simstash.Options{Now: now, Dir: dir, Cwd: dir, RequestLog: 10})
	w.stash.Start()
	if err := w.stash.LoadPlugin(plugin); err != nil {
		return nil, err
	}
	w.settings = map[string]any{"plexUrl": address, "plexToken": token, "pathRules": "/data => /media", "compareEveryHours": -1}
	w.stash.SetPluginSettings("plexsync", w.settings)
	var tags, people []int64
	for i := range 40 {
		tags = append(tags, w.stash.AddTag(simstash.Tag{Name: fmt.Sprintf("Tag %d", i)}))
		people = append(people, w.stash.AddPerformer(simstash.Performer{Name: fmt.Sprintf("Person %d", i)}))
	}
	studio := w.stash.AddStudio(simstash.Studio{Name: "Studio"})
	for i := range n {
		s := simstash.Scene{Title: fmt.Sprintf("Scene %d", i), Details: "Some lines about it, as people write them. " + strconv.Itoa(i), Date: "2021-02-03", StudioID: studio,
			TagIDs: []int64{tags[i%40], tags[(i+7)%40], tags[(i+13)%40]}, PerformerIDs: []int64{people[i%40], people[(i+3)%40]},
			Files: []*simstash.File{{Path: fmt.Sprintf("/data/%d/%06d.mp4", i/100, i), Size: int64(1000 + i), Duration: 600}}}
		if cover != nil {
			s.Cover = cover(i)
		}
		w.ids = append(w.ids, w.stash.AddScene(s))
		w.plex.AddItem(w.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: fmt.Sprintf("/media/%d/%06d.mp4", i/100, i), Size: int64(1000 + i), Duration: 10 * time.Minute}}})
	}
	return w, nil
}

// close ends the servers, and the waker, which lives on on purpose.
func (w *world) close() {
	if text, err := os.ReadFile(filepath.Join(w.dir, "plexsync", "waker.lock")); err == nil {
		if pid, err := strconv.Atoi(string(text)); err == nil {
			if p, err := os.FindProcess(pid); err == nil {
				p.Kill()
			}
		}
	}
	w.stash.Close()
	w.stop()
	os.RemoveAll(w.dir)
}

// index measures reading a library of n items in full, and again after ten were added;
// requests are per item of the library.
func index(plugin string, n int) ([]row, error) {
	w, err := newWorld(plugin, 1, nil, 0)
	if err != nil {
		return nil, err
	}
	defer w.close()
	add := func(i int) {
		w.plex.AddItem(w.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: fmt.Sprintf("/media/more/%d/%06d.mp4", i/100, i), Size: int64(9000 + i), Duration: 10 * time.Minute}}})
	}
	w.ago.Store(int64(48 * time.Hour))
	for i := range n - 1 {
		add(i)
	}
	w.ago.Store(0)
	w.scenes = n // what counts are divided by
	full, err := w.task("read in full, one scene written", "Sync all scenes")
	if err != nil {
		return nil, err
	}
	// Ten new films, on both sides.
	for i := n; i < n+10; i++ {
		add(i)
		w.stash.AddScene(simstash.Scene{Title: fmt.Sprintf("New %d", i), Files: []*simstash.File{{Path: fmt.Sprintf("/data/more/%d/%06d.mp4", i/100, i), Size: int64(9000 + i), Duration: 600}}})
	}
	renewed, err := w.task("renewed for ten new scenes", "Sync recent scenes")
	if err == nil && renewed.Writes*float64(n) != 10 {
		err = fmt.Errorf("ten new scenes made %.0f writes", renewed.Writes*float64(n))
	}
	return []row{full, renewed}, err
}

// picture is a cover of the size that covers have.
func picture(seed int) []byte {
	img := image.NewGray(image.Rect(0, 0, 200, 112))
	for i := range img.Pix {
		img.Pix[i] = byte(i * (seed + 1) / 3)
	}
	var b bytes.Buffer
	png.Encode(&b, img)
	return b.Bytes()
}

// task runs a task and measures it.
func (w *world) task(name, task string) (row, error) {
	w.plex.ResetCounts()
	w.stash.ResetCounts()
	busy := w.plex.WriteBusy()
	peak := watch(w.dir, false)
	began := time.Now()
	w.stash.RunTask("plexsync", task)
	if err := w.stash.WaitIdle(context.Background()); err != nil {
		return row{}, err
	}
	r := row{Name: name, Scenes: w.scenes, Wall: time.Since(began).Seconds()}
	m := peak()
	n, c := float64(w.scenes), w.plex.Counts()
	r.PeakMiB, r.CPU = m.peak, m.cpu
	r.Writes, r.Uploads = float64(c.Writes)/n, float64(c.Uploads)/n
	r.Reads = float64(c.Total-c.Writes-c.Uploads) / n
	r.Stash = float64(w.stash.Counts().Requests) / n
	r.Share = (w.plex.WriteBusy() - busy).Seconds() / r.Wall
	if first, last, ok := w.written(began); ok {
		r.First = first.Sub(began).Seconds()
		if last.After(first) {
			r.Steady = (w.plex.WriteBusy() - busy).Seconds() / last.Sub(first).Seconds()
		}
	}
	for _, l := range w.stash.Logs(simstash.LevelError) {
		return r, fmt.Errorf("%s: %s", task, l.Text)
	}
	return r, nil
}

// written is when Plex was asked for the first write after began, and for the last.
func (w *world) written(began time.Time) (first, last time.Time, ok bool) {
	for _, r := range w.plex.Requests() {
		if r.Method == "GET" || !r.At.After(began) {
			continue
		}
		if !ok {
			first, ok = r.At, true
		}
		last = r.At
	}
	return first, last, ok
}

// scheduleCompare makes the next drain compare as by its schedule.
func (w *world) scheduleCompare() error {
	ctx := context.Background()
	db, err := store.Open(ctx, filepath.Join(w.dir, "plexsync"), time.Now())
	if err != nil {
		return err
	}
	defer db.Close()
	return db.SetMeta(ctx, job.MetaCompare, fmt.Sprintf(`{"asked":%q}`, time.Now().UTC().Format(time.RFC3339)))
}

// usage is what processes took.
type usage struct {
	peak, cpu float64 // MiB, seconds
	switches  int     // voluntary context switches
}

// watch samples the processes that run in dir, the waker only if asked, until the function that it returns is
// called. A child's own counters begin with the size of its parent, which is this
// process with both servers; the kernel's high-water mark of the process does not.
func watch(dir string, wakers bool) func() usage {
	stop := make(chan struct{})
	var total usage
	var wg sync.WaitGroup
	wg.Go(func() {
		last := map[string]usage{}
		for {
			all, _ := filepath.Glob("/proc/[0-9]*/cwd")
			for _, link := range all {
				if cwd, err := os.Readlink(link); err != nil || cwd != dir {
					continue
				}
				if u, ok := sample(filepath.Dir(link), wakers); ok {
					last[link] = u
				}
			}
			select {
			case <-stop:
				for _, u := range last {
					total.peak = max(total.peak, u.peak)
					total.cpu += u.cpu
					total.switches += u.switches
				}
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return func() usage {
		close(stop)
		wg.Wait()
		return total
	}
}

// sample reads one process.
func sample(proc string, wakers bool) (u usage, ok bool) {
	line, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
	if !strings.Contains(string(line), "plexsync") || strings.HasSuffix(string(line), "waker\x00") && !wakers {
		return u, false
	}
	return counters(proc)
}

func counters(proc string) (u usage, ok bool) {
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return u, false
	}
	for _, line := range strings.Split(string(status), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.Atoi(f[1])
		switch f[0] {
		case "VmHWM:":
			u.peak = float64(n) / 1024
		case "voluntary_ctxt_switches:":
			u.switches = n
		}
	}
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return u, false
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(f) > 13 {
		user, _ := strconv.ParseFloat(f[11], 64)
		system, _ := strconv.ParseFloat(f[12], 64)
		u.cpu = (user + system) / 100 // ticks: 100 a second on Linux
	}
	return u, true
}

// page measures the operations of the page in Stash, each a process, with 100,000 jobs
// and 5,000 dead letters.
func page(plugin string, results map[string]any) error {
	w, err := newWorld(plugin, 1, nil, 0)
	if err != nil {
		return err
	}
	defer w.close()
	ctx := context.Background()
	db, err := store.Open(ctx, filepath.Join(w.dir, "plexsync"), time.Now())
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	fill, err := sql.Open("sqlite3", "file:"+filepath.Join(w.dir, "plexsync", store.FileName))
	if err != nil {
		return err
	}
	defer fill.Close()
	for _, q := range []string{
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO job
			(kind, subject_id, priority, due_at, first_event_at, last_event_at, attempt, last_class, last_error)
			SELECT 'scene', i, 1, 1800000000000 + i, 1, 1, i % 7, 'unreachable', 'edit item ' || i || ': Plex cannot be reached' FROM n`,
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO dead_letter
			(kind, subject_id, class, error, attempts, title, path, first_event_at, last_event_at, died_at)
			SELECT 'scene', i, 'rejected', 'answered 400', 5, 'Title ' || i, '/data/' || i || '.mp4', 1, 1, i FROM n`} {
		if _, err := fill.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	fmt.Printf("\n%-58s %8s %8s\n", "page, with 100,000 jobs and 5,000 dead letters", "median", "p95 ms")
	out := map[string][2]float64{}
	for _, args := range []map[string]any{
		{"mode": "overview"}, {"mode": "history"},
		{"mode": "queue_list"}, {"mode": "queue_list", "sort": "attempt", "desc": true, "search": "item 4711", "offset": 0}, {"mode": "queue_list", "sort": "id", "offset": 99_000},
		{"mode": "dlq_list"}, {"mode": "dlq_list", "sort": "title", "search": "title 49"},
	} {
		args["v"] = 1
		name, _ := json.Marshal(args)
		var took []float64
		for range 40 {
			began := time.Now()
			if err := w.stash.Query(ctx, `mutation($a: Map!) { runPluginOperation(plugin_id: "plexsync", args: $a) }`, map[string]any{"a": args}, nil); err != nil {
				return err
			}
			took = append(took, time.Since(began).Seconds()*1000)
		}
		slices.Sort(took)
		out[string(name)] = [2]float64{took[20], took[38]}
		fmt.Printf("%-58s %8.1f %8.1f\n", name, took[20], took[38])
	}
	results["page"] = out
	return nil
}

// others measures what is not a table of its own.
func others(plugin string, results map[string]any) error {
	fmt.Println()
	say := func(name, format string, value any) {
		results[name] = value
		fmt.Printf("%-58s "+format+"\n", strings.ReplaceAll(name, "_", " "), value)
	}
	// Saving in Stash, with and without the plugin, in turns.
	w, err := newWorld(plugin, 1_000, nil, 0)
	if err != nil {
		return err
	}
	defer w.close()
	without, err := newWorld(plugin, 1_000, nil, 0)
	if err != nil {
		return err
	}
	defer without.close()
	if err := without.stash.Query(context.Background(), `mutation { setPluginsEnabled(enabledMap: {plexsync: false}) }`, nil, nil); err != nil {
		return err
	}
	timed := func(w *world, f func(*world) error) (float64, error) {
		began := time.Now()
		err := f(w)
		return time.Since(began).Seconds() * 1000, err
	}
	var a, b []float64
	for i := range 100 {
		edit := func(w *world) error {
			return w.stash.EditScene(w.ids[i], map[string]any{"title": fmt.Sprintf("Title %d", i)})
		}
		x, err := timed(w, edit)
		if err != nil {
			return err
		}
		y, err := timed(without, edit)
		if err != nil {
			return err
		}
		a, b = append(a, x), append(b, y)
	}
	say("sceneUpdate_with_plugin_ms", "%.1f", median(a))
	say("sceneUpdate_without_ms", "%.1f", median(b))
	bulk := func(w *world) error {
		return w.stash.Query(context.Background(), `mutation($ids: [ID!]!) { bulkSceneUpdate(input: {ids: $ids, director: "Ann"}) { id } }`, map[string]any{"ids": w.ids}, nil)
	}
	x, err := timed(w, bulk)
	if err != nil {
		return err
	}
	y, err := timed(without, bulk)
	if err != nil {
		return err
	}
	say("bulk_update_of_1000_with_plugin_ms_per_scene", "%.1f", x/1000)
	say("bulk_update_of_1000_without_ms_per_scene", "%.1f", y/1000)
	if err := w.stash.WaitIdle(context.Background()); err != nil {
		return err
	}

	// From an edit to its first write.
	w.plex.ResetCounts()
	if err := w.stash.EditScene(w.ids[0], map[string]any{"title": "The last"}); err != nil {
		return err
	}
	began := time.Now()
	if err := w.stash.WaitIdle(context.Background()); err != nil {
		return err
	}
	if at, _, ok := w.written(began); ok {
		say("edit_to_first_write_ms_of_which_1000_settling", "%.0f", at.Sub(began).Seconds()*1000)
	}

	// Queueing.
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "plexsync-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := store.Open(ctx, dir, time.Now())
	if err != nil {
		return err
	}
	defer db.Close()
	var took []float64
	for block := range 100 {
		subjects := make([]job.Subject, 1000)
		for i := range subjects {
			subjects[i] = job.Scene(int64(block*1000 + i + 1))
		}
		began := time.Now()
		if err := db.Enqueue(ctx, time.Now(), job.PriorityBulk, subjects...); err != nil {
			return err
		}
		took = append(took, time.Since(began).Seconds())
	}
	say("enqueue_of_100000_last_ten_thousand_by_first", "%.2f", median(took[90:])/median(took[:10]))

	// The waker, while Plex is out.
	w.plex.Set(func(o *simplex.Options) { o.Down = true })
	if err := w.stash.EditScene(w.ids[0], map[string]any{"title": "Out"}); err != nil {
		return err
	}
	time.Sleep(30 * time.Second)
	text, err := os.ReadFile(filepath.Join(w.dir, "plexsync", "waker.lock"))
	if err != nil {
		return err
	}
	proc := filepath.Join("/proc", strings.TrimSpace(string(text)))
	first, _ := counters(proc)
	time.Sleep(2 * time.Minute)
	second, ok := counters(proc)
	if !ok {
		return fmt.Errorf("the waker has ended in the outage")
	}
	say("waker_in_an_outage_cpu_ms_per_minute", "%.1f", (second.cpu-first.cpu)*1000/2)
	say("waker_in_an_outage_wakeups_per_minute", "%.1f", float64(second.switches-first.switches)/2)
	say("waker_peak_mib", "%.1f", second.peak)
	return lacking(plugin, say)
}

// lacking is a thousand scenes that Plex does not have, for two minutes of their
// waiting: what all processes of the plugin take together.
func lacking(plugin string, say func(name, format string, value any)) error {
	w, err := newWorld(plugin, 1, nil, 0)
	if err != nil {
		return err
	}
	defer w.close()
	var ids []int64
	for i := range 1000 {
		ids = append(ids, w.stash.AddScene(simstash.Scene{Files: []*simstash.File{{Path: fmt.Sprintf("/data/none/%d.mp4", i), Size: 5, Duration: 60}}}))
	}
	if err := w.stash.Query(context.Background(), `mutation($ids: [ID!]!) { bulkSceneUpdate(input: {ids: $ids, title: "None"}) { id } }`, map[string]any{"ids": ids}, nil); err != nil {
		return err
	}
	if err := w.stash.WaitIdle(context.Background()); err != nil {
		return err
	}
	w.plex.ResetCounts()
	w.stash.ResetCounts()
	peak := watch(w.dir, true)
	time.Sleep(2 * time.Minute)
	u := peak()
	say("1000_scenes_not_in_Plex_cpu_seconds_per_minute", "%.2f", u.cpu/2)
	say("1000_scenes_not_in_Plex_requests_to_Plex_per_minute", "%.1f", float64(w.plex.Counts().Total)/2)
	say("1000_scenes_not_in_Plex_requests_to_Stash_per_minute", "%.1f", float64(w.stash.Counts().Requests)/2)
	return nil
}

func median(all []float64) float64 {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[len(all)/2]
}
