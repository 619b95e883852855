package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// The spool keeps events that the database would not take, because it was locked,
// damaged, or on a full disk. An event is an empty file whose name says all there is to
// say: "scene-12". So it is made whole by one system call, there is nothing in it to be
// cut short or forged, it is never opened to be read, and it fits on a disk that has no
// room for a single byte. Later events of the same subject find their file there, as
// they fold into one job in the queue.
//
// Whoever takes events in gives each file a name of its own first ("scene-12.TOKEN"), so
// that an event which comes meanwhile makes a new file, and removes it once the job is
// stored. A process that is killed in between leaves a file that the next one takes in
// again: one look too many, and none too few.
const (
	// SpoolDir is the spool's name in the data folder.
	SpoolDir = "spool"
	// foreignDir gets what was found in the spool and is no event.
	foreignDir = "spool-foreign"
)

const (
	// takeAtOnce is how many events are taken in by one transaction.
	takeAtOnce = 1000
	// maxTake bounds one call of TakeSpool; the next one goes on.
	maxTake = 100_000
	// maxForeign bounds how many foreign files one call sets aside.
	maxForeign = 100
)

// Spool stores an event of sub in the spool below the data folder dir, and returns when
// it is on the disk. first reports whether the spool was empty, so that a burst of events
// is told once. It is safe to call it for a subject that is in the spool or in
// the queue already.
func Spool(dir string, sub job.Subject) (first bool, err error) {
	if err := sub.Validate(); err != nil {
		return false, err
	}
	if sub.Kind == job.KindLibrary {
		return false, errors.New("the library has no events")
	}
	if _, _, err := checkFolder(dir); err != nil {
		return false, err
	}
	made, err := makeDir(dir, SpoolDir)
	if err != nil {
		return false, err
	}
	before, _ := Spooled(dir, 1)
	spool := filepath.Join(dir, SpoolDir)
	path := filepath.Join(spool, string(sub.Kind)+"-"+strconv.FormatInt(sub.ID, 10))
	if err := touch(spool, path); err != nil {
		// Something that may not be opened has the name. Any other will do.
		if touch(spool, path+"."+rand.Text()) != nil {
			return false, folderError(err, path)
		}
	}
	err = syncDir(spool)
	if err == nil && made {
		err = syncDir(dir)
	}
	if err != nil {
		return false, folderError(err, spool)
	}
	return before == 0, nil
}

// touch makes an empty file in a folder durably, or makes sure that it is there.
func touch(folder, path string) error {
	f, err := createFile(folder, path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Spooled counts the events in the spool below dir, at most limit of them. A spool that
// was never made is empty.
func Spooled(dir string, limit int) (int, error) {
	entries, err := readSpool(filepath.Join(dir, SpoolDir), limit)
	n := 0
	for _, e := range entries {
		if _, _, ok := parseSpooled(e); ok {
			n++
		}
	}
	return n, err
}

// readSpool reads up to limit names.
func readSpool(spool string, limit int) ([]fs.DirEntry, error) {
	f, err := os.Open(spool)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(limit)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return entries, err
}

// parseSpooled reads an event off its file's name. claimed reports whether somebody has
// begun to take it in.
func parseSpooled(e fs.DirEntry) (sub job.Subject, claimed, ok bool) {
	name, token, claimed := strings.Cut(e.Name(), ".")
	kind, id, _ := strings.Cut(name, "-")
	sub.Kind = job.Kind(kind)
	var err error
	sub.ID, err = strconv.ParseInt(id, 10, 64)
	canonical := err == nil && strconv.FormatInt(sub.ID, 10) == id && (!claimed || token != "")
	return sub, claimed, canonical && e.Type().IsRegular() && sub.Kind != job.KindLibrary && sub.Validate() == nil
}

// TakeSpool queues the events that are in the spool and returns how many there were. It
// may run in several processes at once and be killed at any moment: an event is queued
// before its file goes. It also makes the spool's folder, which a full disk might
// prevent when it is needed. What is no event is moved into another folder, with a
// notice ([Store.Notices]).
func (s *Store) TakeSpool(ctx context.Context, now time.Time) (int, error) {
	if _, err := makeDir(s.dir, SpoolDir); err != nil {
		return 0, s.explain(err)
	}
	n, err := s.takeSpool(ctx, now)
	if err != nil {
		return n, s.explain(err)
	}
	return n, nil
}

func (s *Store) takeSpool(ctx context.Context, now time.Time) (int, error) {
	spool := filepath.Join(s.dir, SpoolDir)
	mine := "." + rand.Text()
	var foreign foreignFiles
	taken := 0
	var stuck error // what could not be moved or removed
	for stuck == nil && taken < maxTake {
		entries, err := readSpool(spool, takeAtOnce)
		if err != nil {
			return taken, err
		}
		var subjects []job.Subject
		var files []string
		for _, e := range entries {
			sub, claimed, ok := parseSpooled(e)
			path := filepath.Join(spool, e.Name())
			if !ok {
				stuck = errors.Join(stuck, foreign.setAside(s.dir, e.Name()))
				continue
			}
			if !claimed {
				if err := os.Rename(path, path+mine); errors.Is(err, fs.ErrNotExist) {
					continue // another process has it
				} else if err != nil {
					stuck = err
					continue
				}
				path += mine
				s.at("spool: claimed")
			}
			files = append(files, path)
			if !slices.Contains(subjects, sub) { // one may have been claimed before, and come again
				subjects = append(subjects, sub)
			}
		}
		if len(files) == 0 {
			break
		}
		if err := s.Enqueue(ctx, now, job.PriorityEvent, subjects...); err != nil {
			return taken, err
		}
		s.at("spool: queued")
		for _, path := range files {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				stuck = err
			}
			s.at("spool: removed")
		}
		taken += len(subjects)
	}
	return taken, errors.Join(stuck, foreign.tell(ctx, s))
}

// foreignFiles are the files in the spool that are no events.
type foreignFiles struct {
	moved int
	name  string // of the first
}

// setAside moves one out of the spool, as it is: a link is not followed.
func (f *foreignFiles) setAside(dir, name string) error {
	if f.moved >= maxForeign {
		return fmt.Errorf("%s holds too many files that are not PlexSync's. Delete them", filepath.Join(dir, SpoolDir))
	}
	to := filepath.Join(dir, foreignDir)
	if _, err := makeDir(dir, foreignDir); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, SpoolDir, name), filepath.Join(to, rand.Text()+"-"+plainName(name))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f.moved == 0 {
		f.name = name
	}
	f.moved++
	return nil
}

func (f *foreignFiles) tell(ctx context.Context, s *Store) error {
	if f.moved == 0 {
		return nil
	}
	return s.notice(ctx, fmt.Sprintf("Moved unknown files from %s to %s: %d, such as %q. No edit is lost; delete them if you do not need them",
		filepath.Join(s.dir, SpoolDir), filepath.Join(s.dir, foreignDir), f.moved, plainName(f.name)))
}

// plainName is a file's name as it may be told and used for another: short, and without
// odd characters.
func plainName(name string) string {
	name = regexp.MustCompile(`[^A-Za-z0-9._-]+`).ReplaceAllString(name, "_")
	return name[:min(len(name), 60)]
}
