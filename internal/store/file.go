package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// notRegular refuses what is no plain file: a link leads to a file of somebody else's.
func notRegular(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%s must be a plain file, and is a link or something else. Move it away", path)
}

// createFile opens a file of the data folder for writing, and makes it if it does not
// exist. It follows no link.
func createFile(dir, path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
}

// syncFile makes a file's contents durable.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|noFollow, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
