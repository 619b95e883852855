package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/plexsync/plexsync/internal/job"
)

// stashUser and stranger are users of nobody's.
const (
	stashUser = 54321
	stranger  = 54322
)

// asRoot skips where nobody can be somebody else.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may give files away; CI is root in its container")
	}
}

// folderOf is a folder of a user, in one that everybody can reach.
func folderOf(t *testing.T, uid int, mode fs.FileMode) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plexsync")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.Chmod(dir, mode))
	must(t, os.Chown(dir, uid, uid))
	for up := filepath.Dir(dir); len(up) > len(os.TempDir()); up = filepath.Dir(up) {
		must(t, os.Chmod(up, 0o755))
	}
	return dir
}

// as runs this binary as a user, to do something with the database in dir.
func as(t *testing.T, uid uint32, what, dir string) (string, error) {
	t.Helper()
	program := filepath.Join(folderOf(t, 0, 0o755), "test")
	from, err := os.Open(os.Args[0])
	must(t, err)
	defer from.Close()
	to, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(to, from)
	must(t, errors.Join(err, to.Close()))
	cmd := osexec.Command(program)
	cmd.Env = append(os.Environ(), "STORE_TEST_"+what+"="+dir, "STORE_TEST_KILL=")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// owners checks that everything in dir is uid's, and returns the names.
func owners(t *testing.T, dir string, uid int) (names []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if of, _ := ownerOf(info); of.uid != uid || of.gid != uid {
			t.Errorf("%s belongs to %v, want %d", path, of, uid)
		}
		names = append(names, d.Name())
		return nil
	}))
	return names
}

// TestWhatRootMakesBelongsToTheFoldersOwner, as somebody does with docker exec: Stash's
// user goes on with all of it.
func TestWhatRootMakesBelongsToTheFoldersOwner(t *testing.T) {
	asRoot(t)
	ctx, dir := t.Context(), folderOf(t, stashUser, 0o700)
	s, err := Open(ctx, dir, t0)
	must(t, err)
	for _, name := range []string{DrainLock, WakerLock} {
		l, err := TryLock(dir, name)
		must(t, err)
		must(t, l.Note("1"))
		l.Release()
	}
	_, err = s.Event(ctx, t0, job.Scene(1), "x", "", none)
	must(t, err)
	_, err = Spool(dir, job.Scene(2))
	must(t, err)
	must(t, os.Symlink("/etc/passwd", filepath.Join(dir, SpoolDir, "odd")))
	must(t, os.Lchown(filepath.Join(dir, SpoolDir, "odd"), stashUser, stashUser))
	_, err = s.TakeSpool(ctx, t0)
	must(t, err)
	_, err = Spool(dir, job.Scene(3))
	must(t, err)
	must(t, s.KeepCopy(ctx))
	names := strings.Join(owners(t, dir, stashUser), " ")
	for _, want := range []string{FileName, FileName + "-wal", FileName + "-shm", FileName + ".copy", DrainLock, WakerLock, openLock, "scene-3", foreignDir} {
		if !strings.Contains(names, want) {
			t.Errorf("there is no %s in %s", want, names)
		}
	}
	must(t, s.Close())
	if out, err := as(t, stashUser, "TAKE", dir); err != nil {
		t.Errorf("Stash's user cannot go on: %v: %s", err, out)
	}
	if out, err := as(t, stashUser, "LOCKS", dir); err != nil {
		t.Errorf("Stash's user cannot go on: %v: %s", err, out)
	}
	// One that is mended by root, too.
	s = memory(t, folderOf(t, stashUser, 0o700), "old")
	must(t, s.Close())
	trash(t, s.path, "old-0700")
	mend(t, s.dir)
	owners(t, s.dir, stashUser)
	// And what an earlier version left as root's.
	must(t, os.Chown(filepath.Join(dir, FileName), 0, 0))
	if out, err := as(t, stashUser, "TAKE", dir); err == nil || !strings.Contains(out, FileName) {
		t.Errorf("%v: %s", err, out)
	}
	s, err = Open(ctx, dir, t0)
	must(t, err)
	must(t, s.Close())
	must(t, os.Chown(filepath.Join(dir, DrainLock), 0, 0))
	if out, err := as(t, stashUser, "LOCKS", dir); err == nil || !strings.Contains(out, "Another user, such as root, created it") {
		t.Errorf("%v: %s", err, out)
	}
	l, err := TryLock(dir, DrainLock)
	must(t, err)
	l.Release()
	owners(t, dir, stashUser)
}

// TestAFolderThatRootMakesBelongsToTheOneAbove, which is Stash's.
func TestAFolderThatRootMakesBelongsToTheOneAbove(t *testing.T) {
	asRoot(t)
	dir := filepath.Join(folderOf(t, stashUser, 0o755), "plexsync")
	s, err := Open(t.Context(), dir, t0)
	must(t, err)
	must(t, s.Close())
	owners(t, dir, stashUser)
}

// TestRootGivesNobodysFileAway: whoever owns the folder may have put another's file there.
func TestRootGivesNobodysFileAway(t *testing.T) {
	asRoot(t)
	dir := folderOf(t, stashUser, 0o700)
	victim := filepath.Join(filepath.Dir(dir), "victim")
	must(t, os.WriteFile(victim, []byte("precious"), 0o600))
	must(t, os.Link(victim, filepath.Join(dir, WakerLock)))
	l, err := TryLock(dir, WakerLock)
	must(t, err)
	must(t, l.Note("overwritten"))
	l.Release()
	info, err := os.Stat(victim)
	must(t, err)
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the victim holds %q, %v", data, err)
	}
	if of, _ := ownerOf(info); of.uid != 0 {
		t.Errorf("the victim belongs to %v", of)
	}
}

// TestAFolderOfAnotherUserIsRefused, and nothing is made in it, by a hook neither.
func TestAFolderOfAnotherUserIsRefused(t *testing.T) {
	asRoot(t)
	dir := folderOf(t, stranger, 0o777)
	for _, what := range []string{"HOOK", "SPOOL"} {
		out, err := as(t, stashUser, what, dir)
		if err == nil || !strings.Contains(out, dir+" belongs to another user (uid 54322), but PlexSync runs as uid 54321. Change its owner to Stash's user, for example: chown -R 54321") {
			t.Errorf("%s: %v: %s", what, err, out)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left there: %v, %v", left, err)
	}
	dir = folderOf(t, stranger, 0o755)
	if out, err := as(t, stashUser, "HOOK", dir); err == nil || !strings.Contains(out, "must be able to write to "+dir) {
		t.Errorf("%v: %s", err, out)
	}
}

// TestAFileOfAThirdUserIsRefused: he could change it at any time.
func TestAFileOfAThirdUserIsRefused(t *testing.T) {
	asRoot(t)
	dir := folderOf(t, stashUser, 0o700)
	s, err := Open(t.Context(), dir, t0)
	must(t, err)
	must(t, s.Close())
	must(t, os.Chown(s.path, stranger, stranger))
	must(t, os.Chmod(s.path, 0o666))
	if out, err := as(t, stashUser, "HOOK", dir); err == nil || !strings.Contains(out, "belongs to another user (uid 54322) than its folder") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestAFolderThatIsOpenToEverybodyIsClosed, once, and that is told.
func TestAFolderThatIsOpenToEverybodyIsClosed(t *testing.T) {
	for mode, want := range map[fs.FileMode]fs.FileMode{0o777: 0o775, 0o707: 0o705, 0o770: 0o770, 0o755: 0o755, 0o702: 0o700} {
		dir := filepath.Join(t.TempDir(), "plexsync")
		must(t, os.Mkdir(dir, 0o700))
		must(t, os.Chmod(dir, mode))
		for i := range 2 {
			s, err := Open(t.Context(), dir, t0)
			must(t, err)
			told, err := s.Notices(t.Context())
			if changed := i == 0 && mode != want; err != nil || changed != (len(told) == 1) {
				t.Errorf("%o: told %q, %v", mode, told, err)
			}
			must(t, s.Close())
			if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != want {
				t.Errorf("%o became %o, want %o (%v)", mode, info.Mode().Perm(), want, err)
			}
		}
	}
}

// TestADiskWithoutOwnersLocksNobodyOut: there everything belongs to one user, whoever
// makes it, and is open to all.
func TestADiskWithoutOwnersLocksNobodyOut(t *testing.T) {
	for _, c := range []struct {
		what            string
		owner, me, made int
		refused         bool
	}{
		{"Docker Desktop on Windows, Stash not as root", 0, 1000, 0, false},
		{"a share that is mounted for one user", 1000, 99, 1000, false},
		{"a share that squashes all users", 65534, 1000, 65534, false},
		{"another user's folder on a local disk", 1001, 1000, 1000, true},
		{"root's folder on a local disk", 0, 1000, 1000, true},
	} {
		if err := foreign("/config/plexsync", c.owner, c.me, c.made); (err != nil) != c.refused {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	// The right to write cannot be taken from anybody on a disk that refuses to.
	asRoot(t)
	dir := folderOf(t, stashUser, 0o777)
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0777"))
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	if _, note, err := checkFolder(dir); err != nil || note != "" {
		t.Errorf("refused: %q, %v", note, err)
	}
}

// TestLinksAreNotFollowed: whoever could put one into the folder must not have another
// file locked, overwritten or taken for the database.
func TestLinksAreNotFollowed(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(victim, []byte("precious"), 0o600))
	untouched := func(what string) {
		t.Helper()
		if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
			t.Errorf("%s: the victim holds %q, %v", what, data, err)
		}
	}
	for _, name := range []string{DrainLock, WakerLock, openLock} {
		for what, target := range map[string]string{"a link": victim, "a link to nothing": victim + "-new"} {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			must(t, os.Symlink(target, path))
			l, err := TryLock(dir, name)
			if err == nil || l != nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "does not follow links") {
				t.Errorf("%s, %s: %v, %v", name, what, l, err)
			}
			if Held(dir, name) {
				t.Errorf("%s, %s: it counts as held", name, what)
			}
			untouched(name)
			if exists(victim + "-new") {
				t.Errorf("%s, %s: the target was made", name, what)
			}
		}
		dir := t.TempDir()
		must(t, syscall.Mkfifo(filepath.Join(dir, name), 0o600))
		if l, err := TryLock(dir, name); err == nil || l != nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s, a pipe: %v, %v", name, l, err)
		}
	}
	for _, name := range []string{FileName, FileName + ".part", FileName + ".copy.part"} {
		dir := t.TempDir()
		s := memory(t, dir, "old")
		must(t, s.Close())
		if name == FileName {
			must(t, os.Rename(s.path, victim+"-db"))
			must(t, os.Symlink(victim+"-db", s.path))
			before, err := os.ReadFile(victim + "-db")
			must(t, err)
			if _, err := Open(t.Context(), dir, t0); err == nil || !strings.Contains(err.Error(), "does not follow links") {
				t.Errorf("%s: %v", name, err)
			}
			if after, err := os.ReadFile(victim + "-db"); err != nil || !bytes.Equal(after, before) {
				t.Errorf("the target was changed, %v", err)
			}
			continue
		}
		must(t, os.Symlink(victim, filepath.Join(dir, name)))
		s = open(t, dir)
		must(t, s.KeepCopy(t.Context()))
		must(t, s.Close())
		trash(t, s.path, "old-0700")
		mend(t, dir)
		untouched(name)
	}
}
