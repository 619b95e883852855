// Command pack makes what people install: one zip for all platforms, and the index
// of a package source that offers it, from a folder of built programs.
//
//	go run ./internal/pack -bin dist/bin -out dist -version 0.1.0 -commit abc1234 -date 2026-11-24T03:00:00Z
//
// The same input gives the same bytes, on every machine: names are sorted, times are
// the commit's, and modes are set here and not taken from the disk.
package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	var p pack
	date := flag.String("date", "", "date of the commit, RFC 3339")
	out := flag.String("out", "dist", "folder for plexsync.zip and index.yml")
	flag.StringVar(&p.root, "root", ".", "the repository")
	flag.StringVar(&p.bin, "bin", "dist/bin", "folder with the programs, each named plexsync-OS-ARCH")
	flag.StringVar(&p.version, "version", "", "version")
	flag.StringVar(&p.commit, "commit", "", "commit")
	flag.Parse()
	var err error
	if p.date, err = time.Parse(time.RFC3339, *date); err == nil {
		err = p.write(*out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// pack is one package.
type pack struct {
	root, bin       string
	version, commit string
	date            time.Time
}

// entry is a file of the package. All lie at its top: an uninstall in Stash deletes
// files, and a folder only if nothing is left in it.
type entry struct {
	name string
	data []byte
	mode fs.FileMode
}

// files are the files that every package has, by their place in the repository; the
// page's are whatever is in pageDir.
var files = []struct {
	from, name string
	mode       fs.FileMode
}{
	{"plexsync.yml", "plexsync.yml", 0o644},
	{"LICENSE", "LICENSE", 0o644},
	{"plugin/launcher.sh", "plexsync", 0o755},
}

// pageDir holds the page: scripts and styles, and nothing else that goes along.
const pageDir = "plugin/ui"

// platforms are what a package may hold programs for; see plugin/launcher.sh.
var platforms = []string{"darwin-amd64", "darwin-arm64", "linux-amd64", "linux-arm64", "linux-armv7", "windows-amd64"}

// write makes plexsync.zip and index.yml in out.
func (p *pack) write(out string) error {
	if p.version == "" || p.commit == "" {
		return errors.New("-version and -commit are needed")
	}
	p.date = p.date.UTC().Truncate(time.Second)
	entries, err := p.collect()
	if err != nil {
		return err
	}
	data, err := p.zip(entries)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "plexsync.zip"), data, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "index.yml"), p.index(data), 0o644)
}

// collect reads what goes into the package, sorted by name.
func (p *pack) collect() ([]entry, error) {
	var all []entry
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(p.root, f.from))
		if err != nil {
			return nil, err
		}
		all = append(all, entry{f.name, data, f.mode})
	}
	page, err := os.ReadDir(filepath.Join(p.root, pageDir))
	if err != nil {
		return nil, err
	}
	for _, f := range page {
		if ending := filepath.Ext(f.Name()); ending != ".js" && ending != ".css" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(p.root, pageDir, f.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, entry{f.Name(), data, 0o644})
	}
	programs, err := os.ReadDir(p.bin)
	if err != nil {
		return nil, err
	}
	for _, d := range programs {
		platform, ok := strings.CutPrefix(strings.TrimSuffix(d.Name(), ".exe"), "plexsync-")
		if !ok || !slices.Contains(platforms, platform) {
			return nil, fmt.Errorf("%s is no program for one of %s", filepath.Join(p.bin, d.Name()), strings.Join(platforms, ", "))
		}
		data, err := os.ReadFile(filepath.Join(p.bin, d.Name()))
		if err != nil {
			return nil, err
		}
		// The programs of one package may come from several machines.
		if stamp := Stamp(p.version, p.commit, p.date); !bytes.Contains(data, []byte(stamp)) {
			return nil, fmt.Errorf("%s is not of %s: build it again", filepath.Join(p.bin, d.Name()), stamp)
		}
		name := d.Name()
		if platform == "windows-amd64" {
			// Windows adds the ending of what it starts: ./plexsync finds this one.
			name = "plexsync.exe"
		}
		all = append(all, entry{name, data, 0o755})
	}
	if len(programs) == 0 {
		return nil, fmt.Errorf("%s holds no program", p.bin)
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return all, check(all)
}

// Stamp is what build.sh stamps into a program, and version tells.
func Stamp(version, commit string, date time.Time) string {
	return fmt.Sprintf("%s+%s+%s", version, commit, date.UTC().Format(time.RFC3339))
}

// check holds what Stash makes of a package's files: every .yml is a plugin, a file
// named like one of our data would overwrite it, and a folder outlives an uninstall.
func check(all []entry) error {
	seen := map[string]bool{}
	for _, e := range all {
		low := strings.ToLower(e.name)
		switch {
		case seen[low]:
			return fmt.Errorf("%s is there twice, for a disk that does not tell cases apart", e.name)
		case strings.HasSuffix(low, ".yml") && e.name != "plexsync.yml", strings.HasSuffix(low, ".yaml"):
			return fmt.Errorf("%s would be taken for a plugin", e.name)
		case strings.Contains(low, ".db"), strings.HasSuffix(low, ".lock"), low == "manifest":
			return fmt.Errorf("%s could overwrite data", e.name)
		case strings.ContainsAny(e.name, `/\`):
			return fmt.Errorf("%s is in a folder, which an uninstall leaves behind", e.name)
		}
		seen[low] = true
	}
	return nil
}

// zip packs the files, with the modes that let Stash start the programs.
func (p *pack) zip(all []entry) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range all {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: p.date}
		h.SetMode(e.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(w, bytes.NewReader(e.data)); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

// index is the list of a package source with this one package in it. Stash offers an
// update if the date is later than that of what is installed, whatever the version.
func (p *pack) index(zipped []byte) []byte {
	return fmt.Appendf(nil, `- id: plexsync
  name: PlexSync
  version: %s-%s
  date: "%s"
  path: plexsync.zip
  sha256: %x
  requires: []
  metadata:
    description: Keeps a Plex library true to Stash. Edits arrive in Plex soon, once, without watching, and nothing that you set in Plex is destroyed.
`, p.version, p.commit[:min(7, len(p.commit))], p.date.Format("2006-01-02 15:04:05"), sha256.Sum256(zipped))
}
