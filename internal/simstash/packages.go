package simstash

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// packageSource is a source of packages in Stash's settings.
type packageSource struct{ index, folder string }

// remotePackage is one entry of a source's index.
type remotePackage struct {
	id, name, version, path, sha256 string
	date                            time.Time
}

// manifestFile lies beside a package's files and names them.
const manifestFile = "manifest"

// packageTime is how dates of packages are written; UTC.
const packageTime = "2006-01-02 15:04:05"

// AddPackageSource enters a source of plugins: the URL of its index.yml, and the
// folder below the plugins path for what comes from it.
func (s *Server) AddPackageSource(index, folder string) {
	s.plugins.mu.Lock()
	defer s.plugins.mu.Unlock()
	s.plugins.sources = append(s.plugins.sources, packageSource{index, folder})
}

// InstallPackage installs a package of a source, or updates it, and loads the plugins
// anew. As in Stash, an update deletes the files that the old manifest names and no
// others, the files of the new one replace whatever has their names, and their modes
// are those in the zip.
func (s *Server) InstallPackage(ctx context.Context, index, id string) error {
	src, root, err := s.packageSource(index)
	if err != nil {
		return err
	}
	list, err := s.readIndex(ctx, index)
	if err != nil {
		return fmt.Errorf("getting remote package: %w", err)
	}
	at := slices.IndexFunc(list, func(p remotePackage) bool { return p.id == id })
	if at < 0 {
		return fmt.Errorf("package %q not found in %s", id, index)
	}
	pkg := list[at]
	base, err := url.Parse(index)
	if err != nil {
		return err
	}
	ref, err := url.Parse(pkg.path)
	if err != nil {
		return err
	}
	data, err := download(ctx, base.ResolveReference(ref).String())
	if err != nil {
		return fmt.Errorf("getting remote package: %w", err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(data)); sum != pkg.sha256 {
		return fmt.Errorf("package data (%s) does not match expected SHA256 (%s)", sum, pkg.sha256)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return fmt.Errorf("reading zip data: %w", err)
	}
	dir := filepath.Join(s.fromCwd(root), src.folder, id)
	if _, err := os.Stat(filepath.Join(dir, manifestFile)); err == nil {
		if err := deletePackageFiles(dir); err != nil {
			return fmt.Errorf("uninstalling existing package: %w", err)
		}
	}
	manifest := fmt.Sprintf("id: %s\nname: %s\nversion: %s\ndate: %s\nsource_repository: %s\nfiles:\n",
		pkg.id, pkg.name, pkg.version, pkg.date.Format(packageTime), index)
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		name := filepath.Clean(f.Name)
		if err := unpack(f, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("writing file %q: %w", name, err)
		}
		manifest += "- " + name + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, manifestFile), []byte(manifest), 0o755); err != nil {
		return err
	}
	return s.reloadPlugins()
}

// UninstallPackage deletes what the manifest of a package names, and its folder if
// nothing is left in it, and loads the plugins anew.
func (s *Server) UninstallPackage(index, id string) error {
	src, root, err := s.packageSource(index)
	if err != nil {
		return err
	}
	dir := filepath.Join(s.fromCwd(root), src.folder, id)
	if err := deletePackageFiles(dir); err != nil {
		return fmt.Errorf("deleting local package: %w", err)
	}
	os.Remove(dir)
	return s.reloadPlugins()
}

// Upgradable reports whether a source offers a package of a later date than the one
// that is installed.
func (s *Server) Upgradable(ctx context.Context, index, id string) (bool, error) {
	src, root, err := s.packageSource(index)
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(filepath.Join(s.fromCwd(root), src.folder, id, manifestFile))
	if err != nil {
		return false, err
	}
	installed, err := time.Parse(packageTime, manifestField(string(text), "date"))
	if err != nil {
		return false, err
	}
	list, err := s.readIndex(ctx, index)
	for _, p := range list {
		if p.id == id {
			return p.date.After(installed), nil
		}
	}
	return false, err
}

func (s *Server) packageSource(index string) (packageSource, string, error) {
	s.plugins.mu.Lock()
	defer s.plugins.mu.Unlock()
	if len(s.plugins.roots) == 0 {
		return packageSource{}, "", errors.New("no plugins path: call LoadPlugin")
	}
	for _, src := range s.plugins.sources {
		if src.index == index {
			return src, s.plugins.roots[0], nil
		}
	}
	return packageSource{}, "", fmt.Errorf("no source %s", index)
}

// readIndex reads a source's list as Stash does.
func (s *Server) readIndex(ctx context.Context, index string) ([]remotePackage, error) {
	text, err := download(ctx, index)
	if err != nil {
		return nil, err
	}
	root, err := parseYAML(string(text))
	if err != nil {
		return nil, err
	}
	var all []remotePackage
	err = root.items(func(v *node) error {
		var p remotePackage
		err := v.each(func(key string, v *node) error {
			switch key {
			case "id":
				return str(&p.id)(v)
			case "name":
				return str(&p.name)(v)
			case "version":
				return str(&p.version)(v)
			case "path":
				return str(&p.path)(v)
			case "sha256":
				return str(&p.sha256)(v)
			case "date":
				var text string
				err := str(&text)(v)
				if err == nil {
					p.date, err = time.Parse(packageTime, text)
				}
				return err
			}
			return nil // what Stash does not know it passes over
		})
		all = append(all, p)
		return err
	})
	return all, err
}

func download(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		return nil, fmt.Errorf("failed to get %s: %s", address, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// unpack writes one file. Like Stash it neither deletes what is there nor changes its
// mode: it writes into it.
func unpack(f *zip.File, to string) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), fs.ModePerm); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, f.Mode())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// deletePackageFiles deletes what a manifest names. A file that cannot be deleted is
// passed over.
func deletePackageFiles(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return err
	}
	for _, line := range strings.Split(string(text), "\n") {
		if name, ok := strings.CutPrefix(line, "- "); ok {
			os.Remove(filepath.Join(dir, name))
		}
	}
	return os.Remove(filepath.Join(dir, manifestFile))
}

func manifestField(text, name string) string {
	for _, line := range strings.Split(text, "\n") {
		if v, ok := strings.CutPrefix(line, name+": "); ok {
			return v
		}
	}
	return ""
}
