// Command demo shows PlexSync's main job from beginning to end, without a Stash
// and without a Plex: it starts the two simulators on this machine, installs the
// built plugin into the one and points it at the other, does what a person does,
// and shows what that person would see. It checks every step, and fails if Plex is
// not as it should be.
//
//	go run ./internal/demo dist/plexsync
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo FOLDER, where FOLDER is the built plugin (dist/plexsync)")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdout, colors()); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// colors reports whether the output is for eyes.
func colors() bool {
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}

// stage is the two servers and what is told of them.
type stage struct {
	out   io.Writer
	color bool

	stash   *simstash.Server
	plex    *simplex.Server
	section string

	step   int
	told   int // lines of the log that were shown
	checks int
	failed []string
}

const token = "demo-token"

// film is a scene and its item.
type film struct {
	scene int64
	item  string
	name  string
}

func run(plugin string, out io.Writer, color bool) error {
	plugin, err := filepath.Abs(plugin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "plexsync-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &stage{out: out, color: color}
	s.plex = simplex.New(simplex.Options{Token: token, WriteTime: 20 * time.Millisecond})
	s.section = s.plex.AddSection(simplex.SectionSpec{Title: "Films", Locations: []string{"/media"}})
	address, stop := s.plex.Start()
	defer stop()
	s.stash = simstash.New(simstash.Options{Dir: dir, Cwd: dir})
	s.stash.Start()
	defer s.stash.Close()
	defer killWaker(dir)
	if err := s.stash.LoadPlugin(plugin); err != nil {
		return fmt.Errorf("load the plugin from %s: %w. Build it first: ./build.sh", plugin, err)
	}
	s.stash.SetPluginSettings("plexsync", map[string]any{"plexUrl": address, "plexToken": token, "pathRules": "/data => /media"})

	began := time.Now()
	if err := s.play(); err != nil {
		return err
	}
	s.line("")
	if len(s.failed) > 0 {
		return fmt.Errorf("%d of %d checks failed:\n  %s", len(s.failed), s.checks, strings.Join(s.failed, "\n  "))
	}
	s.line("All %d checks passed in %.0f s: Plex shows what Stash has.", s.checks, time.Since(began).Seconds())
	return nil
}

func (s *stage) play() error {
	s.line("PlexSync demo: a simulated Stash and a simulated Plex on this machine, and the real plugin between them.")
	s.line("Stash sees the files below /data, Plex sees the same files below /media.")

	studio := s.stash.AddStudio(simstash.Studio{Name: "Studio One"})
	jane := s.stash.AddPerformer(simstash.Performer{Name: "Jane Doe"})
	john := s.stash.AddPerformer(simstash.Performer{Name: "John Roe"})
	night, sea := s.stash.AddTag(simstash.Tag{Name: "Night"}), s.stash.AddTag(simstash.Tag{Name: "Sea"})
	harbor := s.film("harbor_at_night.mp4", nil)
	series := make([]film, 10)
	for i := range series {
		series[i] = s.film(fmt.Sprintf("lighthouse_%02d.mp4", i+1), []int64{john})
	}
	titles := []string{"The ferry", "The pier", "The storm", "The dunes", "The beacon", "The tide"}
	later := make([]film, len(titles))
	for i, t := range titles {
		later[i] = s.film(strings.ToLower(strings.ReplaceAll(t, " ", "_"))+".mp4", nil)
	}
	// Two files of one name and size in Plex, and in Stash a third path.
	tie := film{name: "tide.mp4", scene: s.stash.AddScene(simstash.Scene{Files: []*simstash.File{{Path: "/archive/tide.mp4", Size: 7000, Duration: 600}}})}
	for _, folder := range []string{"2019", "2021"} {
		s.plex.AddItem(s.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/" + folder + "/tide.mp4", Size: 7000, Duration: 10 * time.Minute}}})
	}

	s.begin("A person gave the film a genre of her own in Plex. Now the scene is edited in Stash: every field, and a cover.")
	s.plex.EditByPerson(harbor.item, simplex.Values{Tags: map[string][]simplex.Tag{"genre": {{Name: "Favorites"}}}})
	before := s.see(harbor)
	cover := picture()
	if err := s.edit(harbor, map[string]any{
		"title": "Harbor at night", "details": "Boats come and go.\nNobody speaks.", "date": "2021-02", "director": "Ann Smith",
		"studio_id": studio, "performer_ids": []int64{jane, john}, "tag_ids": []int64{night, sea},
		"cover_image": "data:image/png;base64," + base64.StdEncoding.EncodeToString(cover),
	}); err != nil {
		return err
	}
	s.settle()
	s.compare(before, harbor)
	s.check(harbor, map[string]string{
		"title": "Harbor at night", "summary": "Boats come and go.\nNobody speaks.", "originallyAvailableAt": "2021-02-01",
		"director": "Ann Smith", "studio": "Studio One", "actor": "Jane Doe, John Roe", "genre": "Favorites, Night, Sea",
		"collection": "Studio One", "uploads": "1",
	})

	s.begin("Ten scenes are edited at once.")
	before = s.see(series...)
	ids := make([]int64, len(series))
	for i, f := range series {
		ids[i] = f.scene
	}
	if err := s.mutate(`mutation($ids: [ID!]!, $s: ID!, $t: [ID!]) { bulkSceneUpdate(input: {ids: $ids, studio_id: $s, tag_ids: {mode: ADD, ids: $t}}) { id } }`,
		map[string]any{"ids": ids, "s": studio, "t": []int64{sea}}); err != nil {
		return err
	}
	s.settle()
	s.compare(before, series[:2]...)
	for _, f := range series {
		s.check(f, map[string]string{"studio": "Studio One", "genre": "Sea", "actor": "John Roe"})
	}

	s.begin("The performer John Roe is renamed. Stash tells nobody about his scenes; they follow all the same.")
	before = s.see(append(series, harbor)...)
	if err := s.mutate(`mutation($id: ID!) { performerUpdate(input: {id: $id, name: "Jack Roe"}) { id } }`, map[string]any{"id": john}); err != nil {
		return err
	}
	s.settle()
	s.compare(before, harbor, series[0])
	s.check(harbor, map[string]string{"actor": "Jack Roe, Jane Doe", "genre": "Favorites, Night, Sea"})
	for _, f := range series {
		s.check(f, map[string]string{"actor": "Jack Roe"})
	}

	s.begin("A scene is edited whose file fits two items in Plex equally. Nothing is guessed: it becomes a dead letter.")
	if err := s.edit(tie, map[string]any{"title": "Tide"}); err != nil {
		return err
	}
	s.settle()
	s.expect("the dead letter is in the log", s.logged("DLQ #1: scene "), "it is not")

	s.begin("Plex is taken away. Six scenes are edited meanwhile.")
	s.plex.Set(func(o *simplex.Options) { o.Down = true })
	before = s.see(later...)
	for i, f := range later {
		if err := s.edit(f, map[string]any{"title": titles[i], "studio_id": studio}); err != nil {
			return err
		}
	}
	s.settle()

	s.begin("Plex is back, and nobody does anything. It is noticed within a minute.")
	s.plex.Set(func(o *simplex.Options) { o.Down = false })
	for began := time.Now(); time.Since(began) < 90*time.Second; time.Sleep(100 * time.Millisecond) {
		if s.logged("Plex is back") {
			break
		}
	}
	s.settle()
	s.compare(before, later[:2]...)
	for i, f := range later {
		s.check(f, map[string]string{"title": titles[i], "studio": "Studio One"})
	}

	s.begin("Everything is synced once more. Nothing has changed, so Plex hears nothing.")
	s.plex.ResetCounts()
	s.stash.RunTask("plexsync", "Sync all scenes")
	s.settle()
	c := s.plex.Counts()
	s.expect("no write", c.Writes+c.Uploads == 0, fmt.Sprintf("%d writes", c.Writes+c.Uploads))
	s.expect("PlexSync misused nothing", len(s.plex.Violations()) == 0, fmt.Sprint(s.plex.Violations()))
	s.expect("Plex knows one device", len(s.plex.Devices()) == 1, fmt.Sprintf("%d devices", len(s.plex.Devices())))
	return nil
}

// killWaker ends the process that outlives the plugin's on purpose, if it lives: the
// demo's folder is about to go.
func killWaker(dir string) {
	text, err := os.ReadFile(filepath.Join(dir, "plexsync", "waker.lock"))
	if err != nil {
		return
	}
	if pid, err := strconv.Atoi(string(text)); err == nil {
		if p, err := os.FindProcess(pid); err == nil {
			p.Kill()
		}
	}
}

// film puts a file into both servers and makes a scene of it.
func (s *stage) film(name string, performers []int64) film {
	length := time.Duration(10+len(name)) * time.Minute
	return film{
		name:  name,
		scene: s.stash.AddScene(simstash.Scene{PerformerIDs: performers, Files: []*simstash.File{{Path: "/data/" + name, Size: int64(9000 + len(name)), Duration: length.Seconds()}}}),
		item:  s.plex.AddItem(s.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/" + name, Size: int64(9000 + len(name)), Duration: length}}}),
	}
}

func picture() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 160, 90))
	for x := range 160 {
		for y := range 90 {
			img.Set(x, y, color.RGBA{uint8(x), uint8(2 * y), 120, 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // of a picture in memory: cannot happen
	}
	return b.Bytes()
}

// edit changes a scene and tells how long the person waited for Stash.
func (s *stage) edit(f film, fields map[string]any) error {
	began := time.Now()
	err := s.stash.EditScene(f.scene, fields)
	s.line("   Stash: scene %d (%s) saved in %d ms", f.scene, f.name, time.Since(began).Milliseconds())
	return err
}

func (s *stage) mutate(query string, vars map[string]any) error {
	began := time.Now()
	err := s.stash.Query(context.Background(), query, vars, nil)
	s.line("   Stash: saved in %d ms", time.Since(began).Milliseconds())
	return err
}

// settle waits until Stash has no task left and shows what was logged.
func (s *stage) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.stash.WaitIdle(ctx); err != nil {
		s.expect("Stash's tasks end", false, errors.Join(err, context.Cause(ctx)).Error())
	}
	lines := s.log()
	for _, l := range lines[s.told:] {
		s.line("   Log:   %s", s.paint(l.Level, fmt.Sprintf("%-7s %s", l.Level, l.Text)))
	}
	s.told = len(lines)
}

// log is what a person sees of the plugin in Stash's log.
func (s *stage) log() []simstash.LogLine {
	return slices.DeleteFunc(s.stash.Logs(simstash.LevelInfo), func(l simstash.LogLine) bool { return l.Plugin == "" })
}

func (s *stage) logged(text string) bool {
	return slices.ContainsFunc(s.log(), func(l simstash.LogLine) bool { return strings.Contains(l.Text, text) })
}

func (s *stage) begin(what string) {
	s.step++
	s.line("")
	s.line("%s", s.bold(fmt.Sprintf("%d. %s", s.step, what)))
}

// fields is what the tables show of an item.
func fields() []string {
	return []string{"title", "summary", "originallyAvailableAt", "studio", "director", "actor", "genre", "collection"}
}

// shown is what Plex shows of an item, lists as their sorted names.
func (s *stage) shown(f film) map[string]string {
	out := map[string]string{}
	it, _ := s.plex.Item(f.item)
	maps.Copy(out, it.Scalars)
	for list, tags := range it.Tags {
		var names []string
		for _, t := range tags {
			names = append(names, t.Name)
		}
		slices.Sort(names)
		out[list] = strings.Join(names, ", ")
	}
	out["uploads"] = fmt.Sprint(len(it.Uploads))
	return out
}

func (s *stage) see(films ...film) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, f := range films {
		out[f.item] = s.shown(f)
	}
	return out
}

// compare shows the fields of items that changed.
func (s *stage) compare(before map[string]map[string]string, films ...film) {
	for _, f := range films {
		s.line("   Plex:  item %s (%s)", f.item, f.name)
		now := s.shown(f)
		for _, field := range fields() {
			if old := before[f.item][field]; old != now[field] {
				s.line("          %-22s %-28s -> %s", field, short(old, 28), short(now[field], 38))
			}
		}
		if now["uploads"] != before[f.item]["uploads"] {
			s.line("          %-22s %-28s -> %s", "poster", "a frame of the film", "the cover")
		}
	}
	if rest := len(before) - len(films); rest > 0 {
		s.line("          and %d more in the same way", rest)
	}
}

// short is text for a column of a table.
func short(text string, width int) string {
	text = strings.ReplaceAll(text, "\n", " / ")
	if text == "" {
		return "-"
	}
	if r := []rune(text); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return text
}

func (s *stage) check(f film, want map[string]string) {
	now := s.shown(f)
	for _, field := range slices.Sorted(maps.Keys(want)) {
		s.expect(fmt.Sprintf("%s of %s is %q", field, f.name, want[field]), now[field] == want[field], fmt.Sprintf("it is %q", now[field]))
	}
}

func (s *stage) expect(what string, ok bool, instead string) {
	s.checks++
	if !ok {
		s.failed = append(s.failed, what+": "+instead)
		s.line("   %s", s.paint(simstash.LevelError, "FAILED: "+what+": "+instead))
	}
}

func (s *stage) line(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *stage) bold(text string) string { return s.escape("1", text) }

func (s *stage) paint(l simstash.Level, text string) string {
	switch {
	case l >= simstash.LevelError:
		return s.escape("31", text)
	case l == simstash.LevelWarning:
		return s.escape("33", text)
	}
	return text
}

func (s *stage) escape(code, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
