package worker_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexsync/plexsync/internal/bridge"
	"github.com/plexsync/plexsync/internal/host"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
)

// token is marked so that a search finds it wherever it should not be.
const token = "SECRET-plex-token-4711"

// bench is a worker with everything around it in one process: a simulated Stash and a
// simulated Plex that see the same files under /data and /media, both without sockets,
// and the real clients, bridge and store. What happens in Stash is queued as the hook
// does it, but nothing is worked before the test says so.
//
// It lives in a bubble of testing/synctest: time passes only while everything waits, so
// that three days take milliseconds and no test depends on the machine's pace.
type bench struct {
	*testing.T
	stash   *simstash.Server
	plex    *simplex.Server
	section string
	dir     string
	db      *store.Store
	log     *logBook
	close   func() // ends it, at the latest with the test

	// What the next worker is made with.
	opt worker.Options
	// lost: no hook gets to the queue.
	lost bool
	// photos: performers carry the address of their photo.
	photos bool
	// queue stands between the worker and the store; nil = nothing does.
	queue worker.Store
	// deps, if set, changes what else the worker is connected to.
	deps func(*worker.Deps)
	// network is how requests get to each server; the simulators' own unless changed.
	stashNetwork, plexNetwork http.RoundTripper
}

// inBubble runs a test on a bench of its own, beside other tests.
func inBubble(t *testing.T, test func(b *bench)) {
	t.Helper()
	t.Parallel()
	bubble(t, test)
}

// bubble runs a test on a bench of its own, alone.
func bubble(t *testing.T, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newBench(t)) })
}

// newBench makes a bench in the bubble that the test is in.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, dir: memoryDisk(t), log: new(logBook)}
	b.stash = simstash.New(simstash.Options{OnHook: b.hook})
	b.plex = simplex.New(simplex.Options{Token: token})
	b.stashNetwork, b.plexNetwork = b.stash.Transport(), b.plex.Transport()
	b.section = b.plex.AddSection(simplex.SectionSpec{Title: "Films", Locations: []string{"/media"}})
	b.openStore()
	b.opt = worker.Options{Merge: merge.DefaultOptions(), Rules: b.rules("/data => /media"), Poster: true}
	b.close = sync.OnceFunc(func() {
		b.stash.Close()
		b.db.Close()
		os.RemoveAll(b.dir)
		for _, v := range b.plex.Violations() {
			b.Errorf("Plex was misused: %+v", v)
		}
		for _, l := range b.log.lines() {
			if strings.Contains(l.Text, token) {
				b.Errorf("the token is in the log: %s", l.Text)
			}
		}
	})
	t.Cleanup(b.close)
	return b
}

// memoryDisk is a folder that is in memory where the system has such: three days have
// thousands of transactions, each of which would wait for the disk, and no test here
// pulls the plug.
func memoryDisk(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "plexsync-test")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) rules(text string) match.Rules {
	b.Helper()
	r, err := match.ParseRules(text)
	must(b, err)
	return r
}

// hook queues what happened in Stash, as the plugin's hook does. The hooks that
// plexsync.yml does not ask for (galleries, markers) are passed over.
func (b *bench) hook(ctx context.Context, document []byte) error {
	in, err := host.Read(bytes.NewReader(document))
	if err != nil {
		return err
	}
	kind, _, _ := strings.Cut(in.Hook.Type, ".")
	sub := job.Subject{Kind: job.Kind(strings.ToLower(kind)), ID: in.Hook.ID}
	if !sub.Kind.Valid() || b.lost {
		return nil
	}
	return b.db.Enqueue(ctx, time.Now(), job.PriorityEvent, sub)
}

// openStore opens the database, as each process does.
func (b *bench) openStore() {
	b.Helper()
	var err error
	b.db, err = store.Open(b.Context(), b.dir, time.Now())
	must(b, err)
}

// worker makes a worker, as each process does.
func (b *bench) worker() *worker.Worker {
	b.Helper()
	st, err := stash.New(stash.Options{URL: "http://stash.test:9999", Transport: b.stashNetwork})
	must(b, err)
	d := worker.Deps{Store: bridge.Store(b.db), Stash: bridge.Stash(st, b.photos), Plex: bridge.Plex(b.client()), Log: slog.New(b.log)}
	if b.queue != nil {
		d.Store = b.queue
	}
	if b.deps != nil {
		b.deps(&d)
	}
	return worker.New(d, b.opt)
}

func (b *bench) client() *plex.Client {
	b.Helper()
	px, err := plex.New(plex.Options{URL: "http://plex.test:32400", Token: token, ClientID: "bench", Transport: b.plexNetwork})
	must(b, err)
	return px
}

// Building libraries.

// film puts a scene into Stash, as if it had always been there, and its file into Plex.
func (b *bench) film(name string, s simstash.Scene) (scene int64, item string) {
	b.Helper()
	return b.scene(name, s), b.file(name)
}

// scene puts a scene with a file into Stash only.
func (b *bench) scene(name string, s simstash.Scene) int64 {
	b.Helper()
	s.Files = append(s.Files, &simstash.File{Path: "/data/" + name, Size: sizeOf(name), Duration: lengthOf.Seconds()})
	return b.stash.AddScene(s)
}

// file puts an item with files into Plex only.
func (b *bench) file(names ...string) (item string) {
	b.Helper()
	spec := simplex.ItemSpec{}
	for _, name := range names {
		spec.Parts = append(spec.Parts, simplex.PartSpec{File: "/media/" + name, Size: sizeOf(name), Duration: lengthOf})
	}
	return b.plex.AddItem(b.section, spec)
}

// A file has the same size and length on both sides.
const lengthOf = 10 * time.Minute

func sizeOf(name string) int64 { return int64(1000 + len(name[strings.LastIndexByte(name, '/')+1:])) }

// films are four synced scenes with a performer and a tag, two of which have a cover.
type films struct {
	scenes    []int64
	items     []string
	jane, sea int64
}

func (b *bench) films() films {
	b.Helper()
	f := films{jane: b.stash.AddPerformer(simstash.Performer{Name: "Jane"}), sea: b.stash.AddTag(simstash.Tag{Name: "Sea"})}
	for i := range 4 {
		s := simstash.Scene{Title: fmt.Sprintf("Film %d", i), Details: fmt.Sprintf("About %d", i), TagIDs: []int64{f.sea}, PerformerIDs: []int64{f.jane}}
		if i < 2 {
			s.Cover = picture(i)
		}
		scene, item := b.film(fmt.Sprintf("lighthouse %d.mp4", i), s)
		f.scenes, f.items = append(f.scenes, scene), append(f.items, item)
	}
	b.syncAll()
	for i, item := range f.items {
		b.shows(item, map[string]string{"title": fmt.Sprintf("Film %d", i)})
	}
	return f
}

// picture makes a PNG that differs for each seed.
func picture(seed int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 16, 9))
	for i := range img.Pix {
		img.Pix[i] = byte(i * (seed + 1))
	}
	img.Set(0, 0, color.RGBA{byte(seed), 1, 2, 255})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// coverInput is a picture as Stash's mutations take it.
func coverInput(img []byte) string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(img)
}

func sha1Hex(b []byte) string {
	sum := sha1.Sum(b)
	return hex.EncodeToString(sum[:])
}

// What happens.

// event queues scenes as events do.
func (b *bench) event(scenes ...int64) {
	b.Helper()
	for _, id := range scenes {
		must(b, b.db.Enqueue(b.Context(), time.Now(), job.PriorityEvent, job.Scene(id)))
	}
}

// edit changes a scene as a person does in Stash, which queues it.
func (b *bench) edit(scene int64, fields map[string]any) {
	b.Helper()
	must(b, b.stash.EditScene(scene, fields))
}

// mutate sends a mutation as Stash's page does, and waits for the tasks that it starts.
func (b *bench) mutate(query string, vars map[string]any) {
	b.Helper()
	must(b, b.stash.Query(b.Context(), query, vars, nil))
	must(b, b.stash.WaitIdle(b.Context()))
}

// byHand is a person who edits an item in Plex.
func (b *bench) byHand(item string, scalars map[string]string) {
	b.Helper()
	b.plex.EditByPerson(item, simplex.Values{Scalars: scalars})
}

// listByHand is a person who makes a list of an item exactly these names.
func (b *bench) listByHand(item, list string, names ...string) {
	b.Helper()
	tags := []simplex.Tag{}
	for _, name := range names {
		tags = append(tags, simplex.Tag{Name: name})
	}
	b.plex.EditByPerson(item, simplex.Values{Tags: map[string][]simplex.Tag{list: tags}})
}

// drain runs one drain.
func (b *bench) drain() job.Run {
	b.Helper()
	run, err := b.worker().Drain(b.Context())
	must(b, err)
	return run
}

// drainByPerson runs a drain that a person started.
func (b *bench) drainByPerson() job.Run {
	b.Helper()
	b.opt.ByPerson = true
	defer func() { b.opt.ByPerson = false }()
	return b.drain()
}

// syncAll is the task "Sync all scenes".
func (b *bench) syncAll() job.Run {
	b.Helper()
	must(b, b.db.LookAtCovers(b.Context()))
	must(b, worker.AskListing(b.Context(), b.db))
	must(b, b.db.Enqueue(b.Context(), time.Now(), job.PriorityBulk, job.Library()))
	return b.drain()
}

// compare is the task "Compare with Plex", and returns what it found.
func (b *bench) compare() worker.Found {
	b.Helper()
	must(b, worker.AskCompare(b.Context(), b.db, time.Now(), true))
	b.drain()
	return b.compared().Found
}

// compared is the last compare that ended; none may be under way.
func (b *bench) compared() worker.Comparing {
	b.Helper()
	ended, wanted, err := worker.LastCompare(b.Context(), b.db)
	must(b, err)
	if !wanted.Asked.IsZero() {
		b.Fatalf("a compare is still under way: %+v\n%s", wanted, b.log)
	}
	return ended
}

// onlyCompare keeps the next drain from looking for recent scenes, for tests that are
// about what the compare finds.
func (b *bench) onlyCompare() {
	b.Helper()
	must(b, b.db.SetMeta(b.Context(), "recent_at", fmt.Sprint(time.Now().Add(time.Hour).Unix())))
}

// preview is the task "Preview changes", with the items that it told.
func (b *bench) preview() (worker.Previewed, []worker.PreviewedItem) {
	b.Helper()
	var told []worker.PreviewedItem
	p, err := b.worker().Preview(b.Context(), func(i worker.PreviewedItem) { told = append(told, i) })
	must(b, err)
	return p, told
}

func (b *bench) explain(scene int64) worker.Explanation {
	b.Helper()
	e, err := b.worker().Explain(b.Context(), scene)
	must(b, err)
	return e
}

// What came of it.

// item is what Plex has.
func (b *bench) item(key string) simplex.Item {
	b.Helper()
	it, ok := b.plex.Item(key)
	if !ok {
		b.Fatalf("Plex has no item %s\n%s", key, b.log)
	}
	return it
}

// shows compares fields of an item, lists written as names sorted and joined.
func (b *bench) shows(key string, want map[string]string) {
	b.Helper()
	it := b.item(key)
	for field, value := range want {
		got := it.Scalars[field]
		if _, ok := it.Tags[field]; ok {
			got = names(it, field)
		}
		if got != value {
			b.Errorf("item %s: %s is %q, want %q\n%s", key, field, got, value, b.log)
		}
	}
}

// names are the elements of a list of an item, sorted.
func names(it simplex.Item, list string) string {
	var all []string
	for _, t := range it.Tags[list] {
		all = append(all, t.Name)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// poster fails unless the item shows the picture, and so many pictures were uploaded.
func (b *bench) poster(key string, img []byte, uploads int) {
	b.Helper()
	want := ""
	if img != nil {
		want = sha1Hex(img)
	}
	if it := b.item(key); it.PosterSHA1 != want || len(it.Uploads) != uploads {
		b.Errorf("item %s: poster %q of the uploads %v; want %q of %d\n%s", key, it.PosterSHA1, it.Uploads, want, uploads, b.log)
	}
}

// jobs are all live jobs.
func (b *bench) jobs() []job.Job {
	b.Helper()
	all, err := b.db.Jobs(b.Context(), 10000, 0)
	must(b, err)
	return all
}

// job is the scene's live job.
func (b *bench) job(scene int64) job.Job {
	b.Helper()
	j, ok, err := b.db.Job(b.Context(), job.Scene(scene))
	must(b, err)
	if !ok {
		b.Fatalf("scene %d has no job\n%s", scene, b.log)
	}
	return j
}

// letters are all dead letters, the newest first.
func (b *bench) letters() []job.Letter {
	b.Helper()
	all, err := b.db.Letters(b.Context(), job.Which{}, 10000, 0)
	must(b, err)
	return all
}

func (b *bench) breaker() job.Breaker {
	b.Helper()
	br, err := b.db.Breaker(b.Context(), job.Plex)
	must(b, err)
	return br
}

func (b *bench) counts() job.Counts {
	b.Helper()
	c, err := b.db.Counts(b.Context(), time.Now())
	must(b, err)
	return c
}

// pushed are the states of what was written for a scene.
func (b *bench) pushed(scene int64) []job.Pushed {
	b.Helper()
	all, err := b.known().PushedOfScenes(b.Context(), scene)
	must(b, err)
	return all
}

// known is what is known of the server that is synced.
func (b *bench) known() *store.Server {
	b.Helper()
	s, err := b.db.Current(b.Context())
	must(b, err)
	return s
}

// nothingLeft fails if there is a job or a dead letter.
func (b *bench) nothingLeft() {
	b.Helper()
	if jobs, letters := b.jobs(), b.letters(); len(jobs)+len(letters) > 0 {
		b.Errorf("left are the jobs %+v and the letters %+v\n%s", jobs, letters, b.log)
	}
}

// allSame fails unless a compare finds nothing to do and writes nothing.
func (b *bench) allSame() {
	b.Helper()
	b.plex.ResetCounts()
	if f := b.compare(); f.Queued != 0 {
		b.Errorf("another compare queues %d: %s\n%s", f.Queued, f, b.log)
	}
	b.wroteNothing()
}

// wroteNothing fails if Plex was asked to change something since its counts were reset.
func (b *bench) wroteNothing() {
	b.Helper()
	if c := b.plex.Counts(); c.Writes+c.Uploads+c.Scans != 0 {
		b.Errorf("Plex was written to: %v\n%s", c.ByRoute, b.log)
	}
}

// askedNothing fails if Plex was asked anything since its counts were reset.
func (b *bench) askedNothing() {
	b.Helper()
	if c := b.plex.Counts(); c.Total != 0 {
		b.Errorf("Plex got %d requests: %v\n%s", c.Total, c.ByRoute, b.log)
	}
}

// askedOnlyWhoItIs fails if Plex was asked anything but who it is.
func (b *bench) askedOnlyWhoItIs() {
	b.Helper()
	if c := b.plex.Counts(); c.Total != c.ByRoute["GET /identity"] {
		b.Errorf("Plex got %d requests: %v\n%s", c.Total, c.ByRoute, b.log)
	}
}

// rows is the content of the database, a text for each table.
func (b *bench) rows() map[string]string {
	b.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(b.dir, store.FileName)+"?mode=ro")
	must(b, err)
	defer db.Close()
	column := func(query string) (all []string) {
		rows, err := db.QueryContext(b.Context(), query)
		must(b, err)
		defer rows.Close()
		for rows.Next() {
			cols, err := rows.Columns()
			must(b, err)
			values := make([]any, len(cols))
			for i := range values {
				values[i] = new(any)
			}
			must(b, rows.Scan(values...))
			var line strings.Builder
			for i, v := range values {
				v := *v.(*any)
				if raw, ok := v.([]byte); ok {
					v = string(raw)
				}
				fmt.Fprintf(&line, "%s%v", map[bool]string{true: " | "}[i > 0], v)
			}
			all = append(all, line.String())
		}
		must(b, rows.Err())
		return all
	}
	tables := map[string]string{}
	for _, name := range column(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`) {
		lines := column(`SELECT * FROM "` + name + `"`)
		slices.Sort(lines)
		tables[name] = strings.Join(lines, "\n")
	}
	return tables
}

// changedTables names the tables whose rows are no longer those of before, sorted.
func (b *bench) changedTables(before map[string]string) (changed []string) {
	b.Helper()
	for name, rows := range b.rows() {
		if before[name] != rows {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed
}

// logBook keeps what the workers log.
type logBook struct {
	mu  sync.Mutex
	all []logLine
}

type logLine struct {
	At    time.Time
	Level slog.Level
	Text  string
}

func (l *logBook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logBook) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logBook) WithGroup(string) slog.Handler            { return l }

func (l *logBook) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, logLine{time.Now(), r.Level, r.Message})
	return nil
}

// lines are those that hold text, the oldest first; all of them if there is none.
func (l *logBook) lines(text ...string) []logLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.all), func(line logLine) bool {
		return len(text) > 0 && !strings.Contains(line.Text, text[0])
	})
}

func (l *logBook) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = nil
}

func (l *logBook) String() string {
	var b strings.Builder
	b.WriteString("The log:\n")
	for _, line := range l.lines() {
		fmt.Fprintf(&b, "%s %s: %s\n", line.At.Format("02 15:04:05.000"), line.Level, cmp.Or(line.Text, "(empty)"))
	}
	return b.String()
}

// wantLog fails unless a line of the level holds text.
func (b *bench) wantLog(level slog.Level, text string) {
	b.Helper()
	if !slices.ContainsFunc(b.log.lines(text), func(l logLine) bool { return l.Level == level }) {
		b.Errorf("no line at level %s holds %q\n%s", level, text, b.log)
	}
}

// noLog fails if a line of at least the level holds text.
func (b *bench) noLog(level slog.Level, text string) {
	b.Helper()
	if slices.ContainsFunc(b.log.lines(text), func(l logLine) bool { return l.Level >= level }) {
		b.Errorf("a line at level %s holds %q\n%s", level, text, b.log)
	}
}
