package worker_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/simstash"
)

// until drains whenever a job is due, for so long.
func (b *bench) until(d time.Duration) {
	b.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Minute) {
		b.drain()
	}
}

// TestASceneThatStashCannotReadFailsAlone, whoever meets it: everything else is synced.
func TestASceneThatStashCannotReadFailsAlone(t *testing.T) {
	for name, meet := range map[string]func(b *bench, f films){
		"Sync all scenes":   func(b *bench, f films) { b.syncAll() },
		"Compare with Plex": func(b *bench, f films) { b.compare() },
		"events":            func(b *bench, f films) { b.event(f.scenes...); b.drain() },
		"a performer":       func(b *bench, f films) { b.edit(f.scenes[1], nil); b.renames(f.jane, "Joan"); b.drain() },
		"recent scenes":     func(b *bench, f films) { b.drain() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				f := b.films()
				b.drain()
				time.Sleep(time.Minute)
				for i, scene := range f.scenes {
					b.edit(scene, map[string]any{"title": fmt.Sprintf("New %d", i)})
				}
				b.forgetEvents()
				b.stash.SetUnreadable(f.scenes[1], true)
				meet(b, f)
				for i, want := range []string{"New 0", "Film 1", "New 2", "New 3"} {
					b.shows(f.items[i], map[string]string{"title": want})
				}
				if j := b.job(f.scenes[1]); j.LastClass != job.ClassUnreadable || j.Attempt < 1 || j.Attempt > 2 || time.Until(j.DueAt) > 10*time.Second {
					b.Errorf("its job is %+v\n%s", j, b.log)
				}
				b.until(time.Hour)
				letters := b.letters()
				if len(letters) != 1 || letters[0].Class != job.ClassUnreadable || letters[0].Attempts != 6 || len(b.jobs()) != 0 {
					b.Fatalf("letters %+v\n%s", letters, b.log)
				}
				for _, part := range []string{"getting file by id", "Rescan the file in Stash"} {
					if !strings.Contains(letters[0].Error, part) {
						b.Errorf("the letter says %q", letters[0].Error)
					}
				}
				if st, err := b.db.Breaker(b.Context(), job.Stash); err != nil || st.Failures != 0 || !b.breaker().Closed() {
					b.Errorf("a breaker has counted it: %+v, %v", st, err)
				}
				b.noLog(slog.LevelWarn, "Stash cannot be asked")
				if c := b.compare(); c.Dead != 1 || c.Unreadable != 0 || c.Gone != 0 || c.Same != 3 {
					b.Errorf("the next compare finds %s", c)
				}

				// Mended in Stash, it is found by the next compare.
				b.stash.SetUnreadable(f.scenes[1], false)
				b.compare()
				b.shows(f.items[1], map[string]string{"title": "New 1"})
				b.nothingLeft()
				b.allSame()
			})
		})
	}
}

// renames is a performer who is renamed.
func (b *bench) renames(performer int64, name string) {
	b.Helper()
	b.mutate(`mutation($id: ID!, $n: String) { performerUpdate(input: {id: $id, name: $n}) { id } }`, map[string]any{"id": performer, "n": name})
}

// forgetEvents takes the jobs that events have made out of the queue.
func (b *bench) forgetEvents() {
	b.Helper()
	_, err := b.db.Clear(b.Context())
	must(b, err)
}

func TestAPreviewAndACompareCountWhatStashCannotRead(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		for i := range 5 {
			b.film(fmt.Sprintf("more %d.mp4", i), simstash.Scene{Title: "More"})
		}
		b.stash.SetUnreadable(f.scenes[3], true)
		b.stash.SetUnreadable(f.scenes[0], true)
		p, told := b.preview()
		if p.Scenes != 9 || p.Unreadable != 2 || p.Items != 5 || p.Same != 2 || len(told) != 5 || p.Next != 0 {
			b.Errorf("the preview tells %+v\n%s", p, b.log)
		}
		b.onlyCompare()
		if c := b.compare(); c.Scenes() != 9 || c.Unreadable != 2 || c.NeverPushed != 5 || c.Same != 2 || c.Gone != 0 || !strings.Contains(c.String(), "2 unreadable in Stash") {
			b.Errorf("the compare finds %s\n%s", c, b.log)
		}
		if e := b.explain(f.scenes[0]); !strings.Contains(e.Decision, "Stash cannot read this scene") {
			b.Errorf("explained as %q", e.Decision)
		}
	})
}

// TestAStashThatReadsNothingIsOut: it costs no scene an attempt.
func TestAStashThatReadsNothingIsOut(t *testing.T) {
	inBubble(t, func(b *bench) {
		f := b.films()
		b.stash.Script(simstash.Fault{Query: "findScene", Count: -1, GraphQLError: "database is locked"})
		b.event(f.scenes...)
		b.until(time.Hour)
		for _, j := range b.jobs() {
			if j.Attempt != 0 {
				b.Errorf("job %+v", j)
			}
		}
		b.stash.ClearScript()
		b.until(5 * time.Minute)
		b.nothingLeft()
	})
}
