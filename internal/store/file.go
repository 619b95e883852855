package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of the data folder belong to the folder's owner, who is Stash's user, also
// where root makes them (docker exec): otherwise Stash could not open them afterwards.
// Nothing in it is followed elsewhere: a lock is no link, and neither is the database.

// errLink says that a file is a link where none may be.
var errLink = errors.New("it is not a regular file, and PlexSync does not follow links. Delete it or move it away")

// account is a user and group of the system.
type account struct{ uid, gid int }

// checkFolder makes the data folder if need be, and refuses one that others could use to
// mislead PlexSync. owner is whose files in it are. note tells what was changed about it;
// "" for nothing.
func checkFolder(dir string) (owner account, note string, err error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(dir, 0o700); err == nil {
			adopt(dir, filepath.Dir(dir))
			info, err = os.Stat(dir)
		}
	}
	if err != nil {
		return owner, "", folderError(err, dir)
	}
	if !info.IsDir() {
		return owner, "", folderError(fmt.Errorf("%s is not a folder", dir), dir)
	}
	owner, known := ownerOf(info)
	if !known {
		return owner, "", nil
	}
	if me := os.Geteuid(); me != 0 && owner.uid != me {
		made, err := makesFilesOf(dir)
		if err != nil {
			return owner, "", folderError(err, filepath.Join(dir, "x"))
		}
		return owner, "", foreign(dir, owner.uid, me, made)
	}
	if mode := info.Mode(); mode.Perm()&0o002 != 0 {
		note = tighten(dir, mode)
	}
	return owner, note, nil
}

// foreign refuses a folder of another user than me, unless what I make in it is that
// user's as well: then its disk has one owner for everything, whoever writes, as shares,
// FAT and the folders of Docker Desktop have, and the owner says nothing.
func foreign(dir string, owner, me, made int) error {
	if made == owner {
		return nil
	}
	return fmt.Errorf("%s belongs to another user (uid %d), but PlexSync runs as uid %d. Change its owner to Stash's user, for example: chown -R %d '%s'",
		dir, owner, me, me, dir)
}

// tighten takes the right to write from everybody who is neither the owner nor in the
// group of the data folder. A disk that has no such rights (a share, FAT, Docker Desktop
// on Windows) shows 0777 for everything and refuses or ignores this: then there is
// nothing that could be better, and nobody is locked out for it.
func tighten(dir string, mode fs.FileMode) (note string) {
	if os.Chmod(dir, mode&^0o002) != nil {
		return ""
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o002 != 0 {
		return ""
	}
	return fmt.Sprintf("The data folder %s was writable by every user on this machine (mode %04o). PlexSync removed that permission", dir, mode.Perm())
}

// makesFilesOf makes a file in dir for a moment and returns whose it is.
func makesFilesOf(dir string) (uid int, err error) {
	f, err := os.CreateTemp(dir, "owner-*.tmp")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	owner, _ := ownerOf(info)
	return owner.uid, nil
}

// rootAt reports whether root is at work in a folder that is another's, and whose.
func rootAt(folder string) (owner account, foreign bool) {
	if os.Geteuid() != 0 {
		return owner, false
	}
	info, err := os.Stat(folder)
	if err != nil {
		return owner, false
	}
	owner, known := ownerOf(info)
	return owner, known && owner.uid != 0
}

// adopt gives a folder that root has just made at path to the owner of the one that it is
// in. Where root may not (a share that squashes it, a container without the right), that
// is how it has to stay.
func adopt(path, folder string) {
	if owner, foreign := rootAt(folder); foreign {
		os.Lchown(path, owner.uid, owner.gid)
	}
}

// adoptFile is adopt for a file that is open, which root may have made now or before. One
// that has another name may be anybody's, and is not given away.
func adoptFile(f *os.File, folder string) {
	owner, foreign := rootAt(folder)
	if !foreign {
		return
	}
	info, err := f.Stat()
	if err != nil {
		return
	}
	if of, _ := ownerOf(info); of != owner && info.Mode().IsRegular() && !shared(info) {
		f.Chown(owner.uid, owner.gid)
	}
}

// giveBack is adoptFile for files of SQLite's that an earlier version may have made as
// root. They are not opened: to close a file takes away every lock that this process has
// on it (POSIX), also those of SQLite.
func giveBack(folder string, paths ...string) {
	owner, foreign := rootAt(folder)
	if !foreign {
		return
	}
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() || shared(info) {
			continue
		}
		if of, _ := ownerOf(info); of.uid == 0 {
			os.Lchown(path, owner.uid, owner.gid)
		}
	}
}

// plain refuses a file that is a link or the like, and one of a third user: he could
// change it at any time.
func plain(path string, info fs.FileInfo, owner account) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w", path, errLink)
	}
	if of, known := ownerOf(info); known && of.uid != os.Geteuid() && of.uid != owner.uid && of.uid != 0 {
		if made, err := makesFilesOf(filepath.Dir(path)); err == nil && made == of.uid {
			return nil // a disk on which everything that is made belongs to him
		}
		return fmt.Errorf("%s belongs to another user (uid %d) than its folder. Delete it, or change its owner, for example: chown %d '%s'",
			path, of.uid, owner.uid, path)
	}
	return nil
}

// createFile opens a file in dir for reading and writing, and makes it if it does not
// exist. It follows no link.
func createFile(dir, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		if isLink(path) {
			err = fmt.Errorf("%s: %w", path, errLink)
		}
		return nil, err
	}
	adoptFile(f, dir)
	return f, nil
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// makeDir makes a folder in dir; made is false if it was there. One that is a link is
// refused, as it would lead out of the data folder.
func makeDir(dir, name string) (made bool, err error) {
	path := filepath.Join(dir, name)
	switch err := os.Mkdir(path, 0o700); {
	case err == nil:
		adopt(path, dir)
		return true, nil
	case !errors.Is(err, fs.ErrExist):
		return false, folderError(err, path)
	}
	info, err := os.Lstat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s must be a folder. Move it away; PlexSync creates a new one", path)
	}
	return false, err
}

// syncFile makes a file's contents durable.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|noFollow, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
