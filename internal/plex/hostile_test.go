package plex_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
)

// endless writes head and then one after another of what item makes, until the
// reader goes or there were n of them; then it writes tail.
func endless(head string, n int, item func(int) string, tail string) func(io.Writer, *http.Request) {
	return func(w io.Writer, _ *http.Request) {
		io.WriteString(w, head)
		for i := range n {
			if _, err := io.WriteString(w, item(i)); err != nil {
				return
			}
		}
		io.WriteString(w, tail)
	}
}

func always(s string) func(int) string { return func(int) string { return s } }

const many = 1<<31 - 1

// hostile are answers that are small on the wire, and what is asked for when they
// come.
var hostile = map[string]struct {
	answer func(io.Writer, *http.Request)
	ask    func(context.Context, *plex.Client) error
	says   string
}{
	"a listing with one text of 900 MB": {
		endless(`{"MediaContainer":{"size":1,"Metadata":[{"ratingKey":"1","title":"`, 900, always(strings.Repeat("x", 1<<20)), `"}]}}`),
		list, "one value in it has more than 4 MB"},
	"a listing with a name of 900 MB": {
		endless(`{"MediaContainer":{"size":1,"Metadata":[{"`, 900, always(strings.Repeat("x", 1<<20)), `":1}]}}`),
		list, "one value in it has more than 4 MB"},
	"a listing with a text of 900 MB beside its items": {
		endless(`{"MediaContainer":{"title1":"`, 900, always(strings.Repeat("x", 1<<20)), `","Metadata":[]}}`),
		list, "one value in it has more than 4 MB"},
	"a listing of nothing but blanks": {
		endless(`{"MediaContainer":{`, many, always(strings.Repeat(" ", 1<<16)), ``),
		list, "one value in it has more than 4 MB"},
	"a listing without an end": {
		endless(`{"MediaContainer":{"Metadata":[`, many, func(i int) string {
			return fmt.Sprintf(`{"ratingKey":"%d","Media":[{"Part":[{"file":"/m/%d.mp4"}]}]},`, i+1, i)
		}, ``),
		list, "a library has at most 500000 items"},
	"a listing of items that are none": {
		endless(`{"MediaContainer":{"Metadata":[`, many, always(strings.Repeat("{},", 1000)), ``),
		list, "a library has at most 500000 items"},
	"a listing of an item with a million files": {
		endless(`{"MediaContainer":{"Metadata":[{"ratingKey":"1","Media":[{"Part":[`, 1000, always(strings.Repeat("{},", 1000)), `{}]}]}]}}`),
		list, "an item in it has more than 20000 entries"},
	"a listing of an item with a million versions": {
		endless(`{"MediaContainer":{"Metadata":[{"ratingKey":"1","Media":[`, 1000, always(strings.Repeat(`{"Part":{}},`, 100)), `{}]}]}}`),
		list, "an item in it has more than 20000 entries"},
	"a listing of items with many files": {
		endless(`{"MediaContainer":{"Metadata":[`, many, func(i int) string {
			return fmt.Sprintf(`{"ratingKey":"%d","title":"%s","Media":[{"Part":[%s{}]}]},`, i+1, strings.Repeat("t", 100_000), strings.Repeat(`{"file":"/a"},`, 10_000))
		}, ``), list, "it lists more than 2000000 files"},
	"a listing of items with much else": {
		endless(`{"MediaContainer":{"Metadata":[`, many, always(`{"ratingKey":"1"`+strings.Repeat(`,"x":1`, 100_000)+`},`), ``),
		shortList, "it has more than 64 MB"},
	"a listing of items with long texts": {
		endless(`{"MediaContainer":{"Metadata":[`, many, always(`{"ratingKey":"1","title":"`+strings.Repeat("é", 1_000_000)+`","Media":{"Part":{}}},`), ``),
		shortList, "it has more than 64 MB"},
	"a listing that is nested": {
		endless(`{"MediaContainer":{"Metadata":[{"ratingKey":`, 4, always(strings.Repeat("[", 1_000_000)), ``),
		list, "not Plex's JSON"},
	"a listing that promises for ever": {
		func(w io.Writer, r *http.Request) {
			start, _ := strconv.Atoi(r.Header.Get("X-Plex-Container-Start"))
			endless(fmt.Sprintf(`{"MediaContainer":{"offset":%d,"totalSize":%d,"Metadata":[`, start, start+2000), 1000,
				func(i int) string { return fmt.Sprintf(`{"ratingKey":"%d"},`, start+i+1) }, `{}]}}`)(w, r)
		}, list, "a library has at most 500000 items"},
	"a listing that promises for ever, little by little": {
		func(w io.Writer, r *http.Request) {
			start, _ := strconv.Atoi(r.Header.Get("X-Plex-Container-Start"))
			fmt.Fprintf(w, `{"MediaContainer":{"offset":%d,"totalSize":%d,"Metadata":[{"ratingKey":"%d"}]}}`, start, start+2, start+1)
		}, list, "the listing does not end: 555 requests returned 555 items"},
	"items without an end": {
		endless(`{"MediaContainer":{"Metadata":[`, many, func(i int) string {
			return fmt.Sprintf(`{"ratingKey":"%d","title":"%s"},`, i+1, strings.Repeat("x", 5000))
		}, ``),
		items, "it has more than 16 MB"},
	"items of nothing but tags": {
		endless(`{"MediaContainer":{"Metadata":[`, 100, func(i int) string {
			return fmt.Sprintf(`{"ratingKey":"%d","Genre":[%s{"tag":"x"}]},`, i+1, strings.Repeat(`{"tag":"x"},`, 10_000))
		}, `{}]}}`), items, "the lists in it have more than 200000 elements"},
	"an item with a text of 900 MB": {
		endless(`{"MediaContainer":{"Metadata":[{"ratingKey":"1","summary":"`, 900, always(strings.Repeat("x", 1<<20)), `"}]}}`),
		items, "one value in it has more than 4 MB"},
	"one item that is no list": {
		endless(`{"MediaContainer":{"Metadata":{"ratingKey":"1"`, many, func(i int) string { return fmt.Sprintf(`,"x%d":1`, i) }, ``),
		items, "one value in it has more than 4 MB"},
	"libraries without an end": {
		endless(`{"MediaContainer":{"Directory":[`, many, always(`{"key":"1","type":"movie"},`), ``),
		sections, "one value in it has more than 4 MB"},
	"libraries with a million folders": {
		endless(`{"MediaContainer":{"Directory":[{"key":"1","Location":[`, 1000, always(strings.Repeat("{},", 1000)), `{}]}]}}`),
		sections, "an item in it has more than 20000 entries"},
	"a server that allows everything": {
		endless(`{"MediaContainer":{`, many, func(i int) string { return fmt.Sprintf(`"allow%d":true,`, i) }, ``),
		server, "it has more than 16 MB"},
	"a server with one member many times": {
		endless(`{"MediaContainer":{"Directory":[{`, 300_000, always(`"key":1,"KEY":2,`), `"key":"1"}]}}`),
		sections, "one value in it has more than 4 MB"},
	"an item with one member many times": {
		endless(`{"MediaContainer":{"Metadata":[{`, 100_000, always(`"title":1,"Title":2,"TITLE":[],`), `"ratingKey":"1"}]}}`),
		items, ""},
	"a gallery without an end": {
		endless(`{"MediaContainer":{"Metadata":[`, many, func(i int) string { return fmt.Sprintf(`{"ratingKey":"upload://posters/%040d"},`, i) }, ``),
		picture900, "it has more than 16 MB"},
}

// shortList ends after 64 MB instead of 1024: at 25 MB a second, as a loaded machine
// reads the worst of these, that would be most of a minute.
func shortList(ctx context.Context, c *plex.Client) error {
	c.LimitListings(64 << 20)
	return list(ctx, c)
}

func list(ctx context.Context, c *plex.Client) error {
	_, err := c.List(ctx, "1", time.Time{}, func([]plex.Part) error { return nil })
	return err
}

func items(ctx context.Context, c *plex.Client) error {
	_, err := c.Items(ctx, keys(1, 101))
	return err
}

func sections(ctx context.Context, c *plex.Client) error { return second(c.Sections(ctx)) }
func server(ctx context.Context, c *plex.Client) error   { return second(c.Server(ctx)) }

func picture900(ctx context.Context, c *plex.Client) error {
	return second(c.SetPicture(ctx, "1", plex.Poster, []byte("GIF89a"), true))
}

// hostileURL and hostileName tell a copy of this program which server to ask, and
// how.
const hostileURL, hostileName = "PLEX_HOSTILE_URL", "PLEX_HOSTILE_NAME"

// TestHostileAnswersAreBounded: whatever a server sends, in compressed form, it
// costs less than 100 MB and a minute, and the error says what was wrong. Each is
// asked by a process of its own, whose memory is measured.
func TestHostileAnswersAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves it out: each hostile answer has a process of its own")
	}
	if name := os.Getenv(hostileName); name != "" {
		began := time.Now()
		err := hostile[name].ask(t.Context(), client(t, os.Getenv(hostileURL), nil))
		fmt.Printf("\nTOOK %v\nPEAK %d\nCLASS %s\nERROR %v\n", time.Since(began), peak(t), job.ClassOf(err), err)
		return
	}
	if raceDetector {
		t.Skip("the race detector's own memory and time would be measured; build.sh runs this package without it too")
	}
	for name, test := range hostile {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
				if err != nil {
					t.Error(err)
				}
				b := bufio.NewWriterSize(z, 1<<20)
				test.answer(b, r)
				b.Flush()
				z.Close()
			}))
			defer s.Close()
			defer s.CloseClientConnections()
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, exe, "-test.run=^TestHostileAnswersAreBounded$")
			cmd.Env = append(os.Environ(), hostileURL+"="+s.URL, hostileName+"="+name)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			told := map[string]string{}
			for line := range strings.Lines(string(out)) {
				what, text, _ := strings.Cut(strings.TrimSpace(line), " ")
				told[what] = text
			}
			t.Logf("%s, %s MB: %s", told["TOOK"], told["PEAK"], told["ERROR"])
			if mb, err := strconv.Atoi(told["PEAK"]); err != nil || mb >= 100 {
				t.Errorf("the peak of memory was %s MB", told["PEAK"])
			}
			if test.says == "" {
				if told["ERROR"] != "<nil>" {
					t.Errorf("error %s", told["ERROR"])
				}
				return
			}
			if told["CLASS"] != string(job.ClassBusy) || !strings.Contains(told["ERROR"], test.says) {
				t.Errorf("class %s, error %q; want %q", told["CLASS"], told["ERROR"], test.says)
			}
		})
	}
}

// peak is the most memory that this process ever had, in MB: resident where the
// kernel tells, else what Go asked of the system, which it never gives back.
func peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.Sys >> 20)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb >> 10
}
