package plex

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// The recordings are what real servers answered. They are not ours to copy, so
// they lie beside the repository.
const recordings = "../../../shared/plex/recordings"

// needRecordings ends a test that cannot have them. Where the tests count, that is
// a failure.
func needRecordings(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(recordings); err != nil {
		if os.Getenv("PLEXSYNC_RECORDINGS") != "" {
			t.Fatalf("the recordings of real servers are missing: %v", err)
		}
		t.Skipf("the recordings of real servers do not lie beside the repository (%v); CI has them", err)
	}
}

func recording(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(recordings, name))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".xml") {
		return jsonOf(t, b)
	}
	return b
}

// jsonOf writes an XML answer as Plex writes the same in JSON: attributes become
// members, elements become lists by their names (PLEX.md, "Transport"). Numbers stay
// strings and flags 0 or 1, which the client must read as well.
func jsonOf(t *testing.T, doc []byte) []byte {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(doc))
	var element func(start xml.StartElement) map[string]any
	element = func(start xml.StartElement) map[string]any {
		m := map[string]any{}
		for _, a := range start.Attr {
			m[a.Name.Local] = a.Value
		}
		for {
			tok, err := dec.Token()
			if err != nil {
				t.Fatal(err)
			}
			switch tok := tok.(type) {
			case xml.StartElement:
				all, _ := m[tok.Name.Local].([]any)
				m[tok.Name.Local] = append(all, element(tok))
			case xml.EndElement:
				return m
			}
		}
	}
	for {
		tok, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := tok.(xml.StartElement); ok {
			b, err := json.Marshal(map[string]any{start.Name.Local: element(start)})
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
}

// answers is a transport with one answer for each path, as "GET /path".
type answers map[string]struct {
	status int
	body   []byte
}

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	one, known := a[r.Method+" "+r.URL.Path]
	if !known {
		return nil, fmt.Errorf("%s %s was not recorded", r.Method, r.URL.Path)
	}
	return &http.Response{StatusCode: one.status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(one.body))}, nil
}

func recorded(t *testing.T, a answers) *Client {
	t.Helper()
	c, err := New(Options{URL: "http://plex.test:32400", Token: "token", ClientID: "device", Transport: a})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wants(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got\n\t%#v\nwant\n\t%#v", what, got, want)
	}
}

// document is an answer as encoding/json sees it.
type document struct {
	Metadata []map[string]any
}

func documentOf(t *testing.T, b []byte) document {
	t.Helper()
	var d struct{ MediaContainer document }
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d.MediaContainer
}

func elementsOf(v any) []map[string]any {
	var all []map[string]any
	list, _ := v.([]any)
	for _, x := range list {
		all = append(all, x.(map[string]any))
	}
	return all
}

func textOf(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func numberOf(v any) int64 {
	f, _ := v.(float64)
	return int64(f)
}

func partsOf(d document, section string) []Part {
	var all []Part
	for _, it := range d.Metadata {
		n := 0
		for _, m := range elementsOf(it["Media"]) {
			parts := elementsOf(m["Part"])
			for _, p := range parts {
				length := numberOf(p["duration"])
				if length == 0 && len(parts) == 1 {
					length = numberOf(m["duration"])
				}
				all = append(all, Part{Key: textOf(it["ratingKey"]), Section: section, Index: n, Path: textOf(p["file"]), Size: numberOf(p["size"]),
					Duration: time.Duration(length) * time.Millisecond, Thumb: textOf(it["thumb"]),
					UpdatedAt: numberOf(it["updatedAt"])})
				n++
			}
		}
	}
	return all
}

const recordedMachine = "0123456789abcdef0123456789abcdef01234567"

// TestRecordings decodes every answer that was recorded of a real server.
func TestRecordings(t *testing.T) {
	needRecordings(t)
	// listing wants what another decoder, which knows nothing of Plex, finds in the
	// document; the arguments pin that down.
	listing := func(offset, total, items int, firstKey, lastPath string) func(*testing.T, []byte) {
		return func(t *testing.T, b []byte) {
			var got []Part
			a, err := readListed(http.Header{}, bytes.NewReader(b), "1", "", maxListed, func(parts []Part) error {
				got = append(got, parts...)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			wants(t, "offset, total and number", []int{a.offset, a.total, a.n}, []int{offset, total, items})
			want := partsOf(documentOf(t, b), "1")
			wants(t, "parts", got, want)
			if len(want) > 0 {
				wants(t, "the first key and the last path", []string{want[0].Key, want[len(want)-1].Path}, []string{firstKey, lastPath})
			}
			wants(t, "keys", a.head, firstKey)
		}
	}
	item := func(key string, tags int, check func(*testing.T, Item)) func(*testing.T, []byte) {
		return func(t *testing.T, b []byte) {
			all, err := items(bytes.NewReader(b), []string{key}, room())
			if err != nil || len(all) != 1 {
				t.Fatalf("%d items, %v", len(all), err)
			}
			it, doc := all[0], documentOf(t, b)
			for field, list := range map[string]string{"genre": "Genre", "actor": "Role", "director": "Director", "collection": "Collection", "label": "Label"} {
				want := []Tag{}
				for _, x := range elementsOf(doc.Metadata[0][list]) {
					want = append(want, Tag{textOf(x["tag"]), textOf(x["role"]), textOf(x["thumb"])})
				}
				wants(t, field, it.Lists[field], want)
				tags -= len(want)
			}
			wants(t, "tags that are missing", tags, 0)
			for _, field := range []string{"title", "originalTitle", "originallyAvailableAt", "summary", "tagline", "studio", "contentRating", "userRating"} {
				wants(t, field, it.Scalars[field], textOf(doc.Metadata[0][field]))
			}
			wants(t, "parts", it.Parts, partsOf(doc, it.Section))
			wants(t, "pictures", []string{it.Thumb, it.Art}, []string{textOf(doc.Metadata[0]["thumb"]), textOf(doc.Metadata[0]["art"])})
			wants(t, "locks and trash", []any{it.Locked, it.Deleted}, []any{map[string]bool{}, false})
			check(t, it)
		}
	}
	picture := func(want ...string) func(*testing.T, []byte) {
		return func(t *testing.T, b []byte) {
			var got []string
			_, err := decode(bytes.NewReader(b), func(p wirePicture) error {
				got = append(got, fmt.Sprint(p.RatingKey, " ", p.Selected))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			wants(t, "pictures", got, want)
		}
	}
	server := func(path string, want Server) func(*testing.T, []byte) {
		return func(t *testing.T, b []byte) {
			c := recorded(t, answers{"GET " + path: {200, b}})
			if path == "/identity" {
				id, err := c.Identity(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				wants(t, "identity", id, want.Identity)
				return
			}
			got, err := c.Server(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			wants(t, "server", got, want)
			if err := CheckVersion(got.Version); (err != nil) != strings.HasPrefix(got.Version, "1.25") {
				t.Errorf("version %s: %v", got.Version, err)
			}
		}
	}
	allowed := func(upload, sync bool) map[string]bool {
		return map[string]bool{"allowCameraUpload": upload, "allowSync": sync, "allowChannelAccess": true,
			"allowMediaDeletion": true, "allowSharing": true, "allowTuners": true}
	}
	old := Identity{recordedMachine, "1.25.3.5409-f11334058"}
	now := Identity{recordedMachine, "1.43.2.10687-563d026ea"}
	// empty is an answer without anything that the client reads.
	empty := func(t *testing.T, b []byte) {
		c, err := decode(bytes.NewReader(b), func(wireItem) error { return errors.New("there is an item") })
		if err != nil {
			t.Fatal(err)
		}
		wants(t, "what is told", []any{c.Offset.given, c.TotalSize.given, c.MachineIdentifier, c.Version, c.LibrarySectionID}, []any{false, false, word(""), word(""), word("")})
	}
	// notAServer is what plex.tv answers: who takes it for the address of a server
	// hears so.
	notAServer := func(t *testing.T, b []byte) {
		_, err := recorded(t, answers{"GET /identity": {200, b}}).Identity(t.Context())
		if job.ClassOf(err) != job.ClassUnreachable || !strings.Contains(err.Error(), "not like a Plex server") || strings.Contains(err.Error(), "auth_token") {
			t.Errorf("error %v", err)
		}
	}

	table := map[string]func(*testing.T, []byte){
		"gallery_posters_CUT.json": picture(
			"metadata://posters/tv.plex.agents.series_a2cd5269d40e3c70189b7e7b1143e872570a5eaa true",
			"https://image.tmdb.org/t/p/original/hntBJjqbv4m0Iyniqaztv9xaudI.jpg false",
			"https://image.tmdb.org/t/p/original/lFf6LLrQjYldcZItzOkGmMMigP7.jpg false",
			"https://image.tmdb.org/t/p/original/Rb7sga832Cyqvafd7CqOzbwdK4.jpg false",
			"https://image.tmdb.org/t/p/original/4z0ywuL3btruvjDaWm5nR86BoR5.jpg false",
			"https://image.tmdb.org/t/p/original/16x97H9o5q4pfdipsutaNHIylhT.jpg false"),
		"gallery_arts_CUT.json": picture(
			"metadata://art/tv.plex.agents.series_23b0f539f808ed931a85685f51fb440e44ed354f true",
			"https://image.tmdb.org/t/p/original/ixgFmf1X59PUZam2qbAfskx2gQr.jpg false",
			"https://image.tmdb.org/t/p/original/nNt41AqlnyLMgtiyfiVuS2O8ES9.jpg false",
			"https://image.tmdb.org/t/p/original/npD65vPa4vvn1ZHpp3o05A5vdKT.jpg false",
			"https://image.tmdb.org/t/p/original/r9KaBE7i4ovg8uSppQrCp6ZdPD9.jpg false",
			"https://image.tmdb.org/t/p/original/5OsiT39OiZNdD0v2LiAcI2TpSYj.jpg false"),
		"item_movie_full_9.5weeks.json": item("9881", 2+48+1, func(t *testing.T, it Item) {
			wants(t, "facts", []string{it.Section, it.Title, it.Scalars["titleSort"], it.Scalars["originallyAvailableAt"], it.Lists["genre"][1].Name, it.Lists["actor"][1].Role},
				[]string{"1", "9½ Weeks", "9½ Weeks", "1986-02-09", "Romance", "Elizabeth"})
			wants(t, "size and length", []any{it.Parts[0].Size, it.Parts[0].Duration, it.UpdatedAt}, []any{int64(11394952434), 7011007 * time.Millisecond, int64(1732511607)})
		}),
		"item_movie_legacy_agent_1.25.json": item("108", 4+22+1, func(t *testing.T, it Item) {
			wants(t, "facts", []string{it.Title, it.Scalars["studio"], it.Lists["director"][0].Name, it.Parts[0].Path},
				[]string{"Interstate 60", "Fireworks Pictures", "Bob Gale", "/data/Movies/Interstate 60 (2002).mkv"})
		}),
		"item_movie_local_guid.json": item("56939", 0, func(t *testing.T, it Item) {
			wants(t, "facts", []string{it.Section, it.Scalars["titleSort"], it.Scalars["studio"], it.Scalars["summary"]}, []string{"6", "Boiling Point", "", ""})
		}),
		"item_episode_legacy_agent.json": item("44547", 0, func(t *testing.T, it Item) {
			wants(t, "facts", []string{it.Section, it.Title, it.Art}, []string{"2", "Currahee", "/library/metadata/44545/art/1627399570"})
		}),
		// What is not a film has no files.
		"item_collection_1.25.json": item("161", 0, func(t *testing.T, it Item) {
			wants(t, "facts", []any{it.Title, it.Section, len(it.Parts)}, []any{"Animation", "1", 0})
		}),
		"item_playlist_1.25.json": item("168", 0, func(t *testing.T, it Item) {
			wants(t, "facts", []any{it.Title, it.Section, it.UpdatedAt, len(it.Parts)}, []any{"Movies Since 2007", "", int64(1663511750), 0})
		}),
		"list_personal_videos_windows_paths_7.json": listing(0, 7, 7, "713", `P:\concerts\Sepultura - Under Siege (Live in Barcelona 1991).mkv`),
		"list_movies_offset1_size5_total357.json": listing(1, 357, 5, "9881",
			"/Movies/28 Days Later (2002)/28.Days.Later.2002.1080p.REPACK.BluRay.x264-AVCHD.mkv"),
		"list_movies_several_media_or_parts_CUT.json": listing(0, 3, 3, "41933", "/Movies/Indiana Jones 4/Indiana Jones 4 DVDRip DiAMOND cd2.avi"),
		"list_movies_with_collections_userrating_views_CUT.json": listing(0, 6, 6, "20936",
			"/Movies/The Autopsy of Jane Doe (2016)/The.Autopsy.of.Jane.Doe.2016.1080p.BluRay.REMUX.AVC.DTS-HD.MA.5.1-EPSiLON.mkv"),
		"list_episodes_CUT.json": listing(0, 3, 3, "45522",
			"/TV Shows/Alice in Borderland (2020)/Season 01/Alice in Borderland (2020) - S01E03 - Episode 3 WEBDL-2160p.mkv"),
		"list_movies_without_updatedAt_or_thumb_CUT.json": listing(0, 0, 0, "", ""),
		"list_movies_unpaged_no_totalSize_1.25.json": func(t *testing.T, b []byte) {
			listing(-1, -1, 4, "55", "/data/Movies/Sintel (2010).mkv")(t, b)
			// An answer that tells no total is asked for its next page, and is known
			// again.
			n, err := recorded(t, answers{"GET /library/sections/1/all": {200, b}}).List(t.Context(), "1", time.Time{}, func([]Part) error { return nil })
			if n != 4 || err != nil {
				t.Errorf("%d items, %v", n, err)
			}
		},
		"library_sections_14.json": func(t *testing.T, b []byte) {
			all, err := recorded(t, answers{"GET /library/sections": {200, b}}).Sections(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range all {
				wants(t, "UUID and counter", []any{s.UUID, s.ContentChangedAt}, []any{"00000000-0000-4000-8000-000000000001", int64(1735000000)})
				got = append(got, fmt.Sprint(s.Key, " ", s.Type, " ", s.Title, "|", strings.Join(s.Locations, "|")))
			}
			wants(t, "libraries", got, []string{"7 movie Kids Movies|/KidsMovies", "13 movie Kids Movies NL|/KidsMoviesNL", "1 movie Movies|/Movies",
				"6 movie Movies (Documentaries)|/Movies (Documentaries)|/Plex Library/Documentaries", "15 movie Test Media Movies|/TestMedia/Movies", "3 show Anime|/Anime",
				"12 show Kids Tv Shows NL|/KidsTvShowsNL", "14 show Reality TV (NL)|/Reality TV NL", "2 show TV Series |/TV Shows",
				"16 show TV Shows (Documentaries)|/TV Shows (Documentaries)", "17 show TV Shows (Kids)|/TV Shows (Kids)", "10 show TV Shows (Reality)|/TV Shows (Reality)",
				"9 artist Music|/Music", "5 movie Graduation|/Plex Library/Conspiracy"})
		},
		"root_providers_unclaimed_1.25.json": server("/", Server{old, "machine_id3", allowed(false, false)}),
		"root_providers_free_1.25.json":      server("/", Server{old, "machine_id", allowed(true, true)}),
		"root_providers_plexpass_1.25.json":  server("/", Server{old, "machine_id2", allowed(true, true)}),
		"pms1.43.2_unclaimed_root.xml":       server("/", Server{now, "container", allowed(false, false)}),
		"pms1.43.2_unclaimed_identity.xml":   server("/identity", Server{Identity: now}),
		"pms1.43.2_unclaimed_library_sections_empty.xml": func(t *testing.T, b []byte) {
			if all, err := recorded(t, answers{"GET /library/sections": {200, b}}).Sections(t.Context()); err != nil || len(all) != 0 {
				t.Errorf("%d libraries, %v", len(all), err)
			}
		},
		"pms1.43.2_unclaimed_accounts.xml": func(t *testing.T, b []byte) {
			if owner, err := recorded(t, answers{"GET /accounts": {200, b}}).Owner(t.Context()); err != nil || !owner {
				t.Errorf("owner %v, %v", owner, err)
			}
		},
		"pms1.43.2_unclaimed_library.xml":        empty,
		"pms1.43.2_unclaimed_history_empty.xml":  empty,
		"pms1.43.2_unclaimed_activities.xml":     empty,
		"pms1.43.2_unclaimed_updater_status.xml": empty,
		"pms1.43.2_unclaimed_system_agents.xml":  empty,
		"pms1.43.2_unclaimed_statuses.tsv": func(t *testing.T, b []byte) {
			a := answers{}
			for line := range strings.Lines(string(b)) {
				f := strings.Fields(line)
				status, err := strconv.Atoi(f[2])
				if err != nil || len(f) != 3 {
					t.Fatal(line)
				}
				one := a[f[0]+" "+f[1]]
				one.status, one.body = status, []byte(`{"MediaContainer":{"machineIdentifier":"m"}}`)
				if status/100 != 2 {
					one.body = []byte("<html><head><title>Not Found</title></head><body><h1>404 Not Found</h1></body></html>")
				}
				a[f[0]+" "+f[1]] = one
			}
			wants(t, "requests", len(a), 40)
			c := recorded(t, a)
			ctx := t.Context()
			if _, err := c.Identity(ctx); err != nil {
				t.Error(err)
			}
			if _, err := c.Server(ctx); err != nil {
				t.Error(err)
			}
			if owner, err := c.Owner(ctx); !owner || err != nil {
				t.Error(owner, err)
			}
			if all, err := c.Sections(ctx); len(all) != 0 || err != nil {
				t.Error(all, err)
			}
			// A library or an item that is not there.
			if _, err := c.List(ctx, "1", time.Time{}, nil); job.ClassOf(err) != job.ClassRejected || job.StatusOf(err) != 404 {
				t.Error(err)
			}
			if all, err := c.Items(ctx, []string{"1"}); len(all) != 0 || err != nil {
				t.Error(all, err)
			}
		},
		"plextv_pin_new_2022.json":    notAServer,
		"plextv_pin_linked_2022.json": notAServer,
		"plextv_resources_2022.json":  notAServer,
	}

	entries, err := os.ReadDir(recordings)
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, e := range entries {
		if e.Name() != "README.md" {
			there = append(there, e.Name())
		}
	}
	for name := range table {
		if !slices.Contains(there, name) {
			t.Errorf("%s is no longer recorded", name)
		}
	}
	for _, name := range there {
		t.Run(name, func(t *testing.T) {
			if table[name] == nil {
				t.Fatal("nothing is asserted of this recording")
			}
			table[name](t, recording(t, name))
		})
	}
}
