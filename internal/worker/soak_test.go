package worker_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/poster"
	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
	"github.com/plexsync/plexsync/internal/title"
	"github.com/plexsync/plexsync/internal/worker"
)

// TestWhateverBecomesOfTheServersOneRunMakesItTrue is a soak in one process: random
// things happen in Stash and in two Plex servers that are synced in turn, items are made
// anew, go to the trash, are joined and split, libraries are added anew, scenes cannot be
// read, and Plex shows values otherwise. In the end one run for each server leaves it as
// an independent calculation says, and another writes nothing. The processes' part (kills,
// wakers) is the soak of package plugin.
func TestWhateverBecomesOfTheServersOneRunMakesItTrue(t *testing.T) {
	t.Parallel()
	seeds := []uint64{uint64(time.Now().UnixNano()), 1, 2, 3}
	if testing.Short() {
		seeds = seeds[:1]
	}
	if text := os.Getenv("PLEXSYNC_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		must(t, err)
		seeds = []uint64{seed}
	}
	for i, seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", i), func(t *testing.T) {
			t.Logf("again with PLEXSYNC_SEED=%d", seed)
			inBubble(t, func(b *bench) {
				s := &soak{bench: b, r: rand.New(rand.NewPCG(seed, 14)), hands: map[string][]string{}, edited: map[string]bool{}}
				s.begin()
				for range 300 {
					s.happen()
				}
				s.end()
			})
		})
	}
}

// soak is a history of two servers.
type soak struct {
	*bench
	r                    *rand.Rand
	scenes, tags, people []int64
	servers              [2]server
	now                  int // which is connected
	made                 int
	// hands are the genres that a person gave an item, edited those whose summary a
	// person changed, by server and key.
	hands  map[string][]string
	edited map[string]bool
	// off is a tag, and below are those below it, which are to be no genres; 0 if all are.
	off   int64
	below map[int64]bool
}

func (s *soak) name(what string) string { s.made++; return fmt.Sprintf("%s %d", what, s.made) }
func (s *soak) at(key string) string    { return fmt.Sprint(s.now, " ", key) }

func some[T any](s *soak, all []T) []T {
	out := []T{}
	for _, x := range all {
		if s.r.IntN(3) == 0 {
			out = append(out, x)
		}
	}
	return out
}

func (s *soak) begin() {
	if s.r.IntN(2) == 0 {
		s.choose()
	}
	for i := range 6 {
		s.tags = append(s.tags, s.stash.AddTag(simstash.Tag{Name: fmt.Sprintf("Tag %d", i)}))
		s.people = append(s.people, s.stash.AddPerformer(simstash.Performer{Name: fmt.Sprintf("Person %d", i)}))
	}
	s.servers[0] = s.server()
	x := simplex.New(simplex.Options{Token: token, MachineID: "second"})
	s.servers[1] = server{x, x.AddSection(simplex.SectionSpec{Title: "Films", Locations: []string{"/media"}}), x.Transport()}
	for i := range s.servers {
		s.servers[i].Set(func(o *simplex.Options) {
			o.ListsReplace, o.OneRemovalPerPUT, o.GoneIs200 = s.r.IntN(2) == 0, s.r.IntN(2) == 0, s.r.IntN(2) == 0
			o.Removals = simplex.Decoding(s.r.IntN(3))
			if s.r.IntN(2) == 0 {
				o.Shows = simplex.Otherwise
			}
		})
	}
	for range 20 {
		s.add()
	}
}

// choose turns on what decides about scenes, genres, titles and posters.
func (s *soak) choose() {
	s.off, s.below = s.stash.AddTag(simstash.Tag{Name: "Off"}), map[int64]bool{}
	s.opt.GenreTags, s.opt.LabelTags = []string{"-under:Off"}, []string{"under:Off", "-Off"}
	s.opt.OnlyPaths, s.opt.ExcludePaths, s.opt.ExcludeTags = []string{"/data"}, []string{"**/none/**"}, []string{"Off", "under:None"}
	s.opt.Shape = poster.Crop
	var err error
	s.opt.Title, err = title.Parse("{title} [{year}]")
	must(s, err)
}

// add is a new film, on both servers.
func (s *soak) add() {
	name := s.name("film") + ".mp4"
	s.scenes = append(s.scenes, s.scene(name, simstash.Scene{Title: s.name("Title"), Cover: picture(s.made)}))
	for _, x := range s.servers {
		x.AddItem(x.section, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/" + name, Size: sizeOf(name), Duration: lengthOf}}})
	}
}

// live are the items of the connected server that are not in the trash.
func (s *soak) live() []simplex.Item {
	return slices.DeleteFunc(s.plex.Snapshot(), func(it simplex.Item) bool { return it.DeletedAt != 0 })
}

// pathOf is where Plex sees a scene's file.
func (s *soak) pathOf(scene int64) string {
	sc, _ := s.stash.Scene(scene)
	return strings.Replace(sc.Files[0].Path, "/data", "/media", 1)
}

// happen is one thing that happens.
func (s *soak) happen() {
	scene := s.scenes[s.r.IntN(len(s.scenes))]
	all := s.live()
	it := all[s.r.IntN(len(all))]
	forget := func(key string) { delete(s.hands, s.at(key)); delete(s.edited, s.at(key)) }
	if s.off != 0 && s.r.IntN(20) == 0 {
		tag, above := s.tags[s.r.IntN(len(s.tags))], []int64{}
		if s.below[tag] = s.r.IntN(2) == 0; s.below[tag] {
			above = []int64{s.off}
		}
		s.moveTag(tag, above...)
	}
	switch k := s.r.IntN(100); {
	case k < 16:
		s.edit(scene, map[string]any{"title": s.name("Title"), "details": s.name("Details")})
	case k < 20:
		s.edit(scene, map[string]any{"details": ""})
	case k < 32:
		s.edit(scene, map[string]any{"tag_ids": some(s, s.tags), "performer_ids": some(s, s.people)})
	case k < 35:
		s.mutate(`mutation($id: ID!, $n: String) { performerUpdate(input: {id: $id, name: $n}) { id } }`, map[string]any{"id": s.people[s.r.IntN(len(s.people))], "n": s.name("Person")})
	case k < 37 && len(s.scenes) > 12:
		// What was written for a scene that is gone is nobody's from then on. So that no
		// other scene inherits it, the file goes too.
		var items [2]string
		for i, x := range s.servers {
			for _, it := range x.Snapshot() {
				if slices.ContainsFunc(it.Parts, func(p simplex.PartSpec) bool { return p.File == s.pathOf(scene) }) {
					if len(it.Parts) > 1 {
						return
					}
					items[i] = it.Key
				}
			}
		}
		for i, key := range items {
			if key != "" {
				s.servers[i].Remove(key)
			}
		}
		s.scenes = slices.DeleteFunc(s.scenes, func(id int64) bool { return id == scene })
		s.mutate(`mutation($id: ID!) { sceneDestroy(input: {id: $id}) }`, map[string]any{"id": scene})
	case k < 40:
		s.add()
	case k < 43: // a file moves
		before := s.pathOf(scene)
		sc, _ := s.stash.Scene(scene)
		s.mutate(`mutation($f: [ID!]!, $b: String!) { moveFiles(input: {ids: $f, destination_basename: $b}) }`, map[string]any{"f": []int64{sc.Files[0].ID}, "b": s.name("moved") + ".mp4"})
		for _, x := range s.servers {
			for _, it := range x.Snapshot() {
				for i, p := range it.Parts {
					if p.File == before {
						x.MovePart(it.Key, i, s.pathOf(scene))
					}
				}
			}
		}
	case k < 46: // an item is made anew
		s.plex.Recreate(it.Key)
		forget(it.Key)
	case k < 48:
		key := s.plex.Rekey(it.Key)
		s.hands[s.at(key)], s.edited[s.at(key)] = s.hands[s.at(it.Key)], s.edited[s.at(it.Key)]
		forget(it.Key)
	case k < 50: // the library is
		section, _ := s.plex.AddAnew(s.section)
		s.section, s.servers[s.now].section = section, section
		for _, it := range all {
			forget(it.Key)
		}
	case k < 54: // a copy, and the old one in the trash
		if len(it.Parts) == 1 {
			s.plex.Trash(it.Key)
			s.plex.AddItem(s.section, simplex.ItemSpec{Parts: it.Parts})
		}
	case k < 55:
		s.plex.EmptyTrash(s.section)
	case k < 59:
		other := all[s.r.IntN(len(all))]
		if other.Key != it.Key && len(it.Parts)+len(other.Parts) < 5 {
			s.plex.Join(it.Key, other.Key)
			forget(other.Key)
		}
	case k < 64:
		if len(it.Parts) > 1 {
			s.plex.Split(it.Key)
		}
	case k < 70: // a person in Plex
		tag := s.name("hand")
		s.plex.EditByPerson(it.Key, simplex.Values{Tags: map[string][]simplex.Tag{"genre": append(it.Tags["genre"], simplex.Tag{Name: tag})}})
		s.hands[s.at(it.Key)] = append(slices.Clone(s.hands[s.at(it.Key)]), tag)
	case k < 74:
		s.byHand(it.Key, map[string]string{"summary": s.name("Mine")})
		s.edited[s.at(it.Key)] = true
	case k < 76: // the other server
		s.now = 1 - s.now
		s.use(s.servers[s.now])
	case k < 79:
		s.stash.SetUnreadable(scene, s.r.IntN(2) == 0)
	case k < 81:
		s.plex.Set(func(o *simplex.Options) { o.Down = !o.Down })
	case k < 83:
		s.worker().Preview(s.Context(), func(worker.PreviewedItem) {}) // fails while Plex is down
	default:
		s.drain()
		time.Sleep(time.Duration(s.r.IntN(600)) * time.Second)
	}
}

// end makes each server right by one run, and looks.
func (s *soak) end() {
	for _, id := range s.scenes {
		s.stash.SetUnreadable(id, false)
	}
	for i, x := range s.servers {
		x.Set(func(o *simplex.Options) { o.Down = false })
		s.now = i
		s.use(x)
		s.opt.ByPerson = true
		if s.r.IntN(2) == 0 {
			s.syncAll()
		}
		s.compare()
		s.opt.ByPerson = false
		s.check()
		if l, err := s.db.Letters(s.Context(), job.Which{Review: true}, 10, 0); err != nil || len(l) > 0 {
			s.Errorf("server %d: letters %+v, %v", i, l, err)
		}
		// A scene may have become another's version by the last write: it is listed now.
		x.ResetCounts()
		s.compare()
		s.wroteNothing()
		s.allSame()
	}
}

// check compares what the connected server shows with what it should.
func (s *soak) check() {
	s.Helper()
	byPath := map[string]int64{}
	for _, id := range s.scenes {
		byPath[s.pathOf(id)] = id
	}
	checked := 0
	for _, it := range s.live() {
		var owner int64
		for _, p := range it.Parts {
			if owner = byPath[p.File]; owner != 0 {
				break
			}
		}
		if owner == 0 {
			continue
		}
		checked++
		sc, _ := s.stash.Scene(owner)
		genre, actors, label := slices.Clone(s.hands[s.at(it.Key)]), []string{}, []string{}
		for _, id := range sc.TagIDs {
			x, _ := s.stash.Tag(id)
			if s.below[id] {
				label = append(label, x.Name)
			} else {
				genre = append(genre, x.Name)
			}
		}
		slices.Sort(label)
		for _, id := range sc.PerformerIDs {
			x, _ := s.stash.Performer(id)
			actors = append(actors, x.Name)
		}
		slices.Sort(genre)
		slices.Sort(actors)
		want := map[string]string{"title": sc.Title, "genre": strings.Join(genre, ", "), "actor": strings.Join(actors, ", "), "label": strings.Join(label, ", ")}
		if sc.Details != "" || !s.edited[s.at(it.Key)] {
			want["summary"] = sc.Details
		}
		for field, value := range want {
			got := it.Scalars[field]
			if field == "genre" || field == "actor" || field == "label" {
				got = names(it, field)
			}
			if got != value {
				s.Errorf("server %d, scene %d, item %s: %s is %q, want %q", s.now, owner, it.Key, field, got, value)
			}
		}
		picture, err := poster.Make(sc.Cover, s.opt.Shape)
		must(s, err)
		if sum := sha1Hex(picture.Bytes); it.PosterSHA1 != sum {
			s.Errorf("server %d, scene %d, item %s: another poster", s.now, owner, it.Key)
		}
	}
	if checked < len(s.scenes)/3 {
		s.Errorf("only %d items of %d scenes were looked at", checked, len(s.scenes))
	}
	if s.Failed() {
		s.Log(s.log)
	}
}
