package simplex_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
)

// TestCtrlPlex drives the simulator with @ctrl/plex, a client by other people,
// so that a misunderstanding of ours does not stand on both sides.
func TestCtrlPlex(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves it out: it installs a client from npm")
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is missing: install Node.js 20 or later with npm (Debian: apt-get install nodejs npm)", tool)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/ctrlplex")); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")

	s := simplex.New(simplex.Options{AllowURLToken: true}) // this client puts it there
	s.AddSection(simplex.SectionSpec{Title: "Shows", Type: "show"})
	section := s.AddSection(simplex.SectionSpec{Title: "Videos", Locations: []string{"/media"}})
	first := s.AddItem(section, simplex.ItemSpec{
		Parts: []simplex.PartSpec{{File: "/media/Harbour at night.mp4", Size: 1000, Duration: time.Minute}}})
	second := s.AddItem(section, simplex.ItemSpec{
		Parts: []simplex.PartSpec{{File: "/media/b.mp4", Size: 2000}}, Title: "Lighthouse",
		Tags: map[string][]simplex.Tag{"genre": {{Name: "Sea"}}}})
	s.AddOnDisk(section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/new/Zebra.mkv"}}})
	url, stop := s.Start()
	defer stop()
	png := picture(t, 1)
	images := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(png) }))
	defer images.Close()

	out := run(t, dir, "node", "drive.mjs", url, s.Options().Token, images.URL)

	var saw, want any
	if err := json.Unmarshal(out, &saw); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	changed := append(png[:len(png):len(png)], "changed"...)
	before, _ := s.Item(first)
	if err := json.Unmarshal([]byte(`{
		"machineIdentifier": "`+s.Options().MachineID+`",
		"sections": [{"key": "1", "title": "Shows", "movies": false}, {"key": "2", "title": "Videos", "movies": true}],
		"locations": ["/media"],
		"listed": ["Harbour at night", "Lighthouse"],
		"files": ["/media/Harbour at night.mp4"],
		"title": "Harbour & café, by \"night\" + rain",
		"year": 2024,
		"userRating": 8.5,
		"genresAdded": ["Drama", "Night, long"],
		"genresLeft": ["Drama"],
		"secondGenres": ["Sea", "Drama"],
		"roles": [{"tag": "Jane Doe", "role": "Captain"}, {"tag": "John Roe"}],
		"posters": [
			{"ratingKey": "`+before.Posters[0]+`", "selected": false},
			{"ratingKey": "upload://posters/`+hash(png)+`", "selected": false},
			{"ratingKey": "upload://posters/`+hash(changed)+`", "selected": true}],
		"collections": [{"title": "Studio One", "size": 1}],
		"items": ["`+first+`"],
		"found": ["Lighthouse"],
		"scanned": ["Harbour & café, by \"night\" + rain", "Lighthouse", "Zebra"]
	}`), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(saw, want) {
		t.Errorf("the client saw\n%v\nwant\n%v", saw, want)
	}

	got, _ := s.Item(first)
	equal(t, "the edited movie's fields", got.Scalars, map[string]string{
		"title": `Harbour & café, by "night" + rain`, "titleSort": `Harbour & café, by "night" + rain`,
		"originallyAvailableAt": "2024-02-29", "userRating": "8.5"})
	equal(t, "its lists", got.Tags, map[string][]simplex.Tag{
		"genre": {{Name: "Drama"}}, "label": {{Name: "Watched"}}, "collection": {{Name: "Studio One"}},
		"actor": {{Name: "Jane Doe", Role: "Captain"}, {Name: "John Roe"}}})
	equal(t, "its locks", got.Locks, []string{"collection", "genre", "label", "thumb", "title"})
	equal(t, "its poster", got.PosterSHA1, hash(changed))
	// This client removes all of the item's genres when it removes one.
	other, _ := s.Item(second)
	equal(t, "the other movie's lists", other.Tags, map[string][]simplex.Tag(nil))
	equal(t, "the scans", s.Scans(), map[string]int{"": 1})
	devices := s.Devices()
	if len(devices) != 1 || devices[0].Product != "PlexAPI" {
		t.Errorf("the devices are %v", devices)
	}
	for _, v := range s.Violations() {
		if v.What != "a token in the URL" {
			t.Errorf("request %d: %s", v.Request, v.What)
		}
	}
}

func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1", "NO_UPDATE_NOTIFIER=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, stderrOf(err))
	}
	return out
}

func stderrOf(err error) []byte {
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.Stderr
	}
	return nil
}
