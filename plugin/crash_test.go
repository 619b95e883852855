package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/store"
)

// loader is the dynamic loader that a binary asks for; "" if it is static.
func loader(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			name := make([]byte, p.Filesz)
			_, err := p.ReadAt(name, 0)
			return string(bytes.TrimRight(name, "\x00")), err
		}
	}
	return "", nil
}

// TestScripts runs the process by hand, as text: stdin, exit code, output.
func TestScripts(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	must(t, err)
	must(t, os.Symlink(self, filepath.Join(dir, "plexsync")))
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", dir+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
	})
}

// TestADrainThatIsKilledAtAnyMomentLosesNothing kills drains with SIGKILL until one
// gets through. Between two kills a person goes on in Plex; at the end every item is
// right, nothing was uploaded twice, and what Stash drops later goes: nothing of
// ours was taken for a person's. So it is also where each upload has a name of its own.
func TestADrainThatIsKilledAtAnyMomentLosesNothing(t *testing.T) {
	slow(t, "kills 400 drains")
	t.Parallel()
	for name, random := range map[string]bool{"uploads are named by their bytes": false, "uploads have names of their own": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killDrains(t, random)
		})
	}
}

func killDrains(t *testing.T, random bool) {
	w := newWorld(t, map[string]any{"paused": true})
	w.plex.Set(func(o *simplex.Options) { o.WriteTime, o.RandomUploads = 15*time.Millisecond, random })
	const films = 500
	tags := []int64{w.stash.AddTag(simstash.Tag{Name: "Night"}), w.stash.AddTag(simstash.Tag{Name: "Sea"}), w.stash.AddTag(simstash.Tag{Name: "Fog"})}
	var ids []int64
	var items []string
	for i := range films {
		id, item := w.film(fmt.Sprintf("%03d.mp4", i), simstash.Scene{Title: fmt.Sprintf("Film %d", i), Cover: picture(i % 5)})
		ids, items = append(ids, id), append(items, item)
		w.plex.EditByPerson(item, simplex.Values{Tags: map[string][]simplex.Tag{"genre": {{Name: "By hand"}}}})
	}
	bulk := func(tags []int64) {
		t.Helper()
		w.mutate(`mutation($ids: [ID!]!, $t: [ID!]) { bulkSceneUpdate(input: {ids: $ids, tag_ids: {mode: SET, ids: $t}}) { id } }`,
			map[string]any{"ids": ids, "t": tags})
		w.settle()
	}
	bulk(tags)
	w.set(map[string]any{"paused": nil})
	kills := w.drainWithKills(10*time.Millisecond, 100)
	bulk2 := tags[:1]
	w.set(map[string]any{"paused": true})
	bulk(bulk2)
	w.set(map[string]any{"paused": nil})
	kills += w.drainWithKills(10*time.Millisecond, 100)
	if kills < 200 {
		t.Errorf("only %d drains were killed: the test does not test", kills)
	}
	t.Logf("%d drains were killed", kills)
	for i, item := range items {
		w.shows(item, map[string]string{"title": fmt.Sprintf("Film %d", i), "genre": "By hand, Night"})
		if it := w.item(item); len(it.Uploads) != 1 || it.PosterSHA1 != sha1Hex(picture(i%5)) {
			t.Errorf("item %s: uploads %v", item, it.Uploads)
		}
		if t.Failed() {
			break
		}
	}
	if err := w.db().Check(context.Background()); err != nil {
		t.Error(err)
	}
	letters, err := w.db().Letters(context.Background(), job.Which{}, 10, 0)
	if err != nil || len(letters) != 0 || w.queued() != 0 {
		t.Errorf("letters %+v, %v; %d jobs are left", letters, err, w.queued())
	}
}

// drainWithKills starts drains and kills each after a random time, until the queue
// is empty; after so many kills it lets one through.
func (w *world) drainWithKills(mean time.Duration, most int) (kills int) {
	w.Helper()
	db := w.db()
	// No waker: each drain is one that can be killed here.
	killWakers(w, w.dir)
	alone, err := store.TryLock(dataDir(w.dir), store.WakerLock)
	must(w, err)
	if alone == nil {
		w.Fatal("a waker lives on")
	}
	defer alone.Release()
	for {
		c, err := db.Counts(context.Background(), time.Now())
		must(w, err)
		if c.Queued == 0 {
			return kills
		}
		cmd := exec.Command(filepath.Join(w.dir, "plugins", "plexsync", "plexsync"))
		cmd.Dir, cmd.Env = w.dir, append(os.Environ(), "GORACE=atexit_sleep_ms=0")
		cmd.Stdin = bytes.NewReader(w.stash.Document("plexsync", map[string]any{"mode": "process"}))
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		must(w, cmd.Start())
		if kills >= most {
			must(w, cmd.Wait())
			var answer struct{ Error *string }
			if d := json.NewDecoder(bytes.NewReader(out.Bytes())); d.Decode(&answer) == nil && answer.Error != nil {
				w.Fatalf("the last drain failed: %s", *answer.Error)
			}
			kills++ // so that this ends if it leaves jobs behind
			if kills > most+5 {
				w.Fatalf("%d jobs are left although drains get through\n%s", c.Queued, &out)
			}
			continue
		}
		// Most of a process's life goes by before it writes; spread over all of it.
		timer := time.AfterFunc(mean+time.Duration(rand.Int64N(int64(20*mean))), func() { cmd.Process.Kill() })
		if cmd.Wait() != nil {
			kills++
		}
		timer.Stop()
	}
}
