package worker_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
)

// realCase is an input of testdata/cases: made from public reports, and others of the
// same kinds beside them (those with a letter after the number).
type realCase struct {
	Settings map[string]any
	Stash    []caseScene
	Plex     []struct {
		Path, Title string
		Size        int64
		DurationMS  int64 `json:"duration_ms"`
		Files       []string
	}
	Performers []struct {
		ID, Name, Disambiguation string
		Image                    int
	}
	Tags                  json.RawMessage
	PlexSections          []struct{ Title string } `json:"plex_sections"`
	Rules, Titles, Tokens []string
	Expect                any
}

func number(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	must(t, err)
	return n
}

// caseScene is a scene of a case: with files, or with one at a path.
type caseScene struct {
	Path, Title string
	Files       []struct {
		Path     string
		Size     int64
		Duration float64
	}
	PerformerIDs []string `json:"performer_ids"`
	TagIDs       []string `json:"tag_ids"`
}

// build puts the case's scenes and items into the servers, and its settings into the
// worker. Files without a size have the same one on both sides.
func (c realCase) build(b *bench) (scenes []int64, items []string) {
	b.Helper()
	settings := map[string]any{"plexUrl": "http://plex.test:32400", "plexToken": token}
	for k, v := range c.Settings {
		settings[k] = v
	}
	parsed, problems := config.Parse(settings)
	if len(problems) > 0 {
		b.Fatalf("settings: %v", problems)
	}
	b.opt.Libraries, b.opt.ExcludeTags = parsed.Libraries, parsed.ExcludeTags
	b.opt.Rules = b.rules(parsed.PathRules)
	if len(c.PlexSections) > 0 {
		b.plex.RemoveSection(b.section)
		for _, s := range c.PlexSections {
			b.section = b.plex.AddSection(simplex.SectionSpec{Title: s.Title, Locations: []string{"/media"}})
		}
	}
	var tags []struct{ ID, Name string }
	if json.Unmarshal(c.Tags, &tags) == nil {
		for _, x := range tags {
			b.stash.AddTag(simstash.Tag{ID: number(b, x.ID), Name: x.Name})
		}
	}
	for i, x := range c.Performers {
		p := simstash.Performer{ID: number(b, x.ID), Name: x.Name, Disambiguation: x.Disambiguation}
		if x.Image > 0 {
			p.Image = picture(i)
		}
		b.stash.AddPerformer(p)
	}
	for i, x := range c.Stash {
		s := simstash.Scene{Title: x.Title}
		if s.Title == "" {
			s.Title = fmt.Sprintf("Film %d", i)
		}
		for _, f := range x.Files {
			s.Files = append(s.Files, &simstash.File{Path: f.Path, Size: f.Size, Duration: f.Duration})
		}
		if x.Path != "" {
			s.Files = append(s.Files, &simstash.File{Path: x.Path, Size: sizeOf(x.Path), Duration: lengthOf.Seconds()})
		}
		for _, id := range x.PerformerIDs {
			s.PerformerIDs = append(s.PerformerIDs, number(b, id))
		}
		for _, id := range x.TagIDs {
			s.TagIDs = append(s.TagIDs, number(b, id))
		}
		scenes = append(scenes, b.stash.AddScene(s))
		if len(c.Plex) == 0 {
			items = append(items, b.plex.AddItem(b.section, simplex.ItemSpec{Title: "?", Parts: []simplex.PartSpec{{File: x.Path, Size: sizeOf(x.Path), Duration: lengthOf}}}))
		}
	}
	for _, x := range c.Plex {
		spec := simplex.ItemSpec{Title: x.Title}
		if x.Path != "" {
			spec.Parts = []simplex.PartSpec{{File: x.Path, Size: x.Size, Duration: time.Duration(x.DurationMS) * time.Millisecond}}
		}
		for _, f := range x.Files {
			spec.Parts = append(spec.Parts, simplex.PartSpec{File: f, Size: sizeOf(f), Duration: lengthOf})
		}
		items = append(items, b.plex.AddItem(b.section, spec))
	}
	return scenes, items
}

// kinds say what must come of the cases, by the number that their names begin with.
var kinds = map[string]func(b *bench, c realCase){
	// A tie hands its candidates to the next rung; equal is only what is equal to the last.
	"02": func(b *bench, c realCase) {
		_, items := c.build(b)
		b.syncAll()
		for i, item := range items {
			is := b.item(item).Scalars["title"] == "Film"
			if want := c.Expect == fmt.Sprintf("item %d", i+1); is != want {
				b.Errorf("item %d of %d is synced: %v, want %v\n%s", i+1, len(items), is, want, b.log)
			}
		}
		if l := b.letters(); c.Expect == "" && (len(l) != 1 || l[0].Class != job.ClassAmbiguous) || c.Expect != "" && len(l) != 0 {
			b.Errorf("letters %+v", l)
		}
	},
	// Several targets of one prefix are tried in their order; the longest prefix wins.
	"03": func(b *bench, c realCase) {
		c.build(b)
		b.opt.Poster = false
		want := map[string]string{}
		for i, r := range b.opt.Rules {
			name := fmt.Sprintf("%s/%d.mp4", strings.TrimSuffix(r.From, "/"), i)
			scene := b.stash.AddScene(simstash.Scene{Title: fmt.Sprintf("Film %d", i), Files: []*simstash.File{{Path: name, Size: 7, Duration: 60}}})
			item := b.plex.AddItem(b.section, simplex.ItemSpec{Title: "?", Parts: []simplex.PartSpec{{File: fmt.Sprintf("%s/%d.mp4", strings.TrimSuffix(r.To, "/"), i), Size: 8}}})
			// One of the same name where no rule leads.
			b.plex.AddItem(b.section, simplex.ItemSpec{Title: "?", Parts: []simplex.PartSpec{{File: fmt.Sprintf("/elsewhere/%d.mp4", i), Size: 7, Duration: time.Minute}}})
			want[item] = fmt.Sprintf("Film %d", i)
			if e := b.explain(scene); len(e.Items) != 1 || e.Items[0].Key != item || e.Items[0].Rung != "path" {
				b.Errorf("scene %d is found as %+v", scene, e.Items)
			}
		}
		b.syncAll()
		for item, title := range want {
			b.shows(item, map[string]string{"title": title})
		}
		b.nothingLeft()
	},
	// Joined films are counted and listed with what to do, and end by themselves.
	"04": func(b *bench, c realCase) {
		scenes, items := c.build(b)
		b.syncAll()
		first := map[int]string{} // the scene that an item belongs to
		for i, x := range c.Plex {
			first[slices.IndexFunc(c.Stash, func(s caseScene) bool { return s.Path == x.Files[0] })] = items[i]
		}
		others := len(scenes) - len(items)
		check := func() {
			b.Helper()
			if n := b.counts(); n.Joined != others || n.Dead+n.NotInPlex+n.Queued != 0 {
				b.Errorf("counted %+v, want %d joined\n%s", n, others, b.log)
			}
		}
		check()
		for i, scene := range scenes {
			if item, own := first[i]; own {
				b.shows(item, map[string]string{"title": c.Stash[i].Title})
				continue
			}
			if e := b.explain(scene); !strings.Contains(e.Decision, "Split Apart") {
				b.Errorf("scene %d is explained as %q", scene, e.Decision)
			}
		}
		if f := b.compare(); f.Joined != others || f.Same != len(items) {
			b.Errorf("a compare finds %s", f)
		}
		b.syncAll()
		check()
		for _, item := range items {
			if len(b.item(item).Parts) > 1 {
				b.plex.Split(item)
			}
		}
		b.compare()
		b.nothingLeft()
		titles := map[string]string{}
		for _, it := range b.plex.Snapshot() {
			titles[it.Parts[0].File] = it.Scalars["title"]
		}
		for _, s := range c.Stash {
			if titles[s.Path] != s.Title {
				b.Errorf("%s shows %q, want %q", s.Path, titles[s.Path], s.Title)
			}
		}
		b.allSame()
	},
	// Two performers of one name are two in Plex, and each keeps a photo of their own.
	"07": func(b *bench, c realCase) {
		b.photos, b.opt.Merge.Photos, b.opt.Poster = true, true, false
		_, items := c.build(b)
		b.syncAll()
		shown := map[string]string{} // photo of each name
		name := map[string]string{}  // name of each performer
		for i, item := range items {
			it := b.item(item)
			if len(it.Tags["actor"]) != len(c.Stash[i].PerformerIDs) {
				b.Errorf("item %s shows %v for %d performers", item, it.Tags["actor"], len(c.Stash[i].PerformerIDs))
			}
			for _, a := range it.Tags["actor"] {
				if old, twice := shown[a.Name]; twice && old != a.Thumb {
					b.Errorf("%s has two photos", a.Name)
				}
				shown[a.Name] = a.Thumb
				for _, p := range c.Performers {
					if p.Image > 0 && strings.Contains(a.Thumb, "/performer/"+p.ID+"/") {
						if old := name[p.ID]; old != "" && old != a.Name {
							b.Errorf("performer %s is %q and %q", p.ID, old, a.Name)
						}
						name[p.ID] = a.Name
						if p.Disambiguation != "" && !strings.Contains(a.Name, "("+p.Disambiguation+")") {
							b.Errorf("performer %s is called %q", p.ID, a.Name)
						}
					}
				}
			}
		}
		for _, p := range c.Performers {
			if p.Image > 0 && name[p.ID] == "" {
				b.Errorf("nobody has the photo of performer %s", p.ID)
			}
		}
		b.quiet()
	},
	// One library is found by its name, whatever blanks it has.
	"08": func(b *bench, c realCase) {
		c.build(b)
		_, item := b.scene("a.mp4", simstash.Scene{Title: "A"}), b.file("a.mp4")
		b.opt.Rules = b.rules("/data => /media")
		b.syncAll()
		b.shows(item, map[string]string{"title": "A"})
		b.noLog(0, "no movie library")
	},
	// A number is an id only if no tag has that name.
	"09": func(b *bench, c realCase) {
		scenes, items := c.build(b)
		b.syncAll()
		b.shows(items[0], map[string]string{"title": "Film 0"})
		b.shows(items[1], map[string]string{"title": "?"})
		if e := b.explain(scenes[1]); !strings.Contains(e.Decision, "excludeTags names") {
			b.Errorf("explained as %q", e.Decision)
		}
	},
	// No title is invisible, and no two words become one.
	"10": func(b *bench, c realCase) {
		c.build(b)
		b.opt.Rules = b.rules("/data => /media")
		var tags []string
		must(b, json.Unmarshal(c.Tags, &tags))
		want := map[string]string{"\u200b": "3", "\u2060\u200e": "3", "\ufeffHarbour": "Harbour", "Night\t\tSwim \r\n  at  sea": "Night Swim at sea", "a\u000bb": "a b", "a\u0085b": "a b",
			"\u00ad\u200d": "3", "Sea\u2028side": "Sea side", "\u3000Tide\u3000": "Tide"}
		more := []string{"\u00ad\u200d", "Sea\u2028side", "\u3000Tide\u3000"}
		for i, title := range append(c.Titles, more...) {
			s := simstash.Scene{Title: title, Details: "Text"}
			for _, name := range tags {
				s.TagIDs = append(s.TagIDs, b.stash.AddTag(simstash.Tag{Name: name}))
			}
			_, item := b.film(fmt.Sprintf("%d/3.mp4", i), s)
			b.syncAll()
			expect, known := want[title]
			if !known {
				b.Fatalf("what must become of %q is not said here", title)
			}
			b.shows(item, map[string]string{"title": expect, "genre": "", "summary": "Text"})
		}
		b.quiet()
	},
	// A token as it was pasted is the token, or it is said what is wrong with it.
	"11": func(b *bench, c realCase) {
		for _, pasted := range c.Tokens {
			parsed, problems := config.Parse(map[string]any{"plexUrl": "http://nas:32400", "plexToken": pasted})
			if claim := strings.HasPrefix(pasted, "claim-"); claim {
				if len(problems) != 1 || !strings.Contains(problems[0].String(), "claim") {
					b.Errorf("%q: %v", pasted, problems)
				}
			} else if len(problems) > 0 || parsed.PlexToken.Reveal() != "TOKEN" {
				b.Errorf("%q: %v, %q", pasted, problems, parsed.PlexToken.Reveal())
			}
		}
	},
	// Every folder can be written.
	"15": func(b *bench, c realCase) {
		want := map[string]string{
			`"/data/new;old" => /media/x`:         "/data/new;old/a => /media/x/a",
			`/data/Studio  => /media/Studio `:     "/data/Studio/a => /media/Studio/a",
			`"/data/a => b" => "/media/a"`:        "/data/a => b/a => /media/a/a",
			`"/data/Studio " => "/media/Studio "`: "/data/Studio /a => /media/Studio /a",
			`"/data/x;y;z" => "/media/x;y"`:       "/data/x;y;z/a => /media/x;y/a",
			`/data/new;old => /media/x`:           "", // without quotes it is two
		}
		for _, text := range c.Rules {
			mapping, known := want[text]
			if !known {
				b.Fatalf("what must become of %q is not said here", text)
			}
			rules, err := match.ParseRules(text)
			if mapping == "" {
				if err == nil || !strings.Contains(err.Error(), "quotes") {
					b.Errorf("%s: %v", text, err)
				}
				continue
			}
			must(b, err)
			i := strings.LastIndex(mapping, " => ")
			if got, _ := rules.Map(mapping[:i]); got != mapping[i+4:] {
				b.Errorf("%s leads %s to %s", text, mapping[:i], got)
			}
		}
	},
}

func TestTheCasesOfReality(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/cases/*.json")
	must(t, err)
	if len(files) < 19 {
		t.Fatalf("only %d cases", len(files))
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		text, err := os.ReadFile(path)
		must(t, err)
		var c realCase
		must(t, json.Unmarshal(text, &c))
		check := kinds[name[:2]]
		if check == nil {
			t.Fatalf("nothing is said of %s", name)
		}
		t.Run(name, func(t *testing.T) { onBoth(t, func(b *bench) { check(b, c) }) })
	}
}
