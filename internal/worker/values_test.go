package worker_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
)

// What Plex makes of what it is sent.

// only distorts the fields that are named and no others.
func only(show func(string) string, fields ...string) func(field, value string) string {
	return func(field, value string) string {
		if slices.Contains(fields, field) {
			return show(value)
		}
		return value
	}
}

// lists are the names of the lists that are synced here.
var lists = []string{"genre", "actor", "director", "collection", "label"}

// distortions are ways in which Plex shows values otherwise than they were sent.
var distortions = map[string]func(field, value string) string{
	"nothing": nil,
	"dates a day early": func(f, v string) string {
		return map[bool]string{true: simplex.Otherwise(f, v), false: v}[f == "originallyAvailableAt"]
	},
	"ratings rounded": func(f, v string) string {
		return map[bool]string{true: simplex.Otherwise(f, v), false: v}[f == "userRating"]
	},
	"titles cut": func(f, v string) string {
		return map[bool]string{true: simplex.Otherwise(f, v), false: v}[f == "title"]
	},
	"line breaks gone":        only(func(v string) string { return strings.ReplaceAll(v, "\n", " ") }, "summary"),
	"blanks trimmed":          only(strings.TrimSpace, "title", "summary", "studio"),
	"quotes straight":         only(func(v string) string { return strings.NewReplacer("“", `"`, "”", `"`, "’", "'").Replace(v) }, "title", "summary", "genre"),
	"a studio in capitals":    only(strings.ToUpper, "studio"),
	"names in lower case":     only(strings.ToLower, lists...),
	"names with capitals":     only(strings.ToUpper, lists...),
	"names without accents":   only(func(v string) string { return strings.NewReplacer("É", "E", "é", "e", "ü", "u").Replace(v) }, lists...),
	"names with blanks gone":  only(func(v string) string { return strings.ReplaceAll(v, " ", "") }, lists...),
	"names cut":               only(func(v string) string { return string([]rune(v)[:min(len([]rune(v)), 4)]) }, lists...),
	"everything at once":      simplex.Otherwise,
	"a date is only its year": only(func(v string) string { return v[:min(len(v), 4)] + "-01-01" }, "originallyAvailableAt"),
}

// TestNoValueIsWrittenTwice, however Plex shows it; and a later change in Stash arrives,
// also with keepPlexEdits.
func TestNoValueIsWrittenTwice(t *testing.T) {
	t.Parallel()
	for name, shows := range distortions {
		for _, keep := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, keepPlexEdits %v", name, keep), func(t *testing.T) {
				onBoth(t, func(b *bench) {
					b.plex.Set(func(o *simplex.Options) { o.Shows = shows })
					b.opt.Merge.KeepPlexEdits = keep
					b.opt.Merge.Rating, b.opt.Merge.Labels = true, []string{"nas", "été"}
					tag := func(name string) int64 { return b.stash.AddTag(simstash.Tag{Name: name}) }
					tags := []int64{tag("Night Sea"), tag("ÉTÉ"), tag("“Quoted” tale")}
					eva, joe := b.stash.AddPerformer(simstash.Performer{Name: "ÉVA Doe"}), b.stash.AddPerformer(simstash.Performer{Name: "Joe Müller"})
					blue, red := b.stash.AddStudio(simstash.Studio{Name: "Blue Lamp"}), b.stash.AddStudio(simstash.Studio{Name: "Red Lamp"})
					rating := 75
					title := "“A” " + strings.Repeat("é", 120)
					scene, item := b.film("a.mp4", simstash.Scene{Title: title, Details: "One’s line\nAnother", Date: "2024-03-01", Rating100: &rating,
						Director: "Ann Lee", StudioID: blue, TagIDs: tags[:2], PerformerIDs: []int64{eva}, Cover: picture(1)})
					b.syncAll()
					b.shows(item, map[string]string{"title": title, "originallyAvailableAt": "2024-03-01", "userRating": "7.5", "studio": "Blue Lamp",
						"genre": "Night Sea, ÉTÉ", "actor": "ÉVA Doe", "director": "Ann Lee", "collection": "Blue Lamp", "label": "Nas, Été"})
					b.quiet()

					time.Sleep(time.Hour)
					b.edit(scene, map[string]any{"title": "B", "details": "Else", "date": "2023-02-01", "rating100": 35, "director": "Bob Lee",
						"studio_id": red, "tag_ids": tags[1:], "performer_ids": []int64{joe}})
					b.plex.ResetCounts()
					b.drain()
					b.shows(item, map[string]string{"title": "B", "summary": "Else", "originallyAvailableAt": "2023-02-01", "userRating": "3.5", "studio": "Red Lamp",
						"genre": "ÉTÉ, “Quoted” tale", "actor": "Joe Müller", "director": "Bob Lee", "collection": "Red Lamp", "label": "Nas, Été"})
					b.quiet()

					// A person's edit is told from ours all the same.
					time.Sleep(time.Hour)
					b.byHand(item, map[string]string{"title": "Mine", "originallyAvailableAt": "2001-05-05"})
					b.compare()
					want := map[string]string{"title": "B", "originallyAvailableAt": "2023-02-01"}
					if keep {
						want = map[string]string{"title": "Mine", "originallyAvailableAt": "2001-05-05"}
					}
					b.shows(item, want)
					b.edit(scene, map[string]any{"title": "", "details": "", "date": nil, "rating100": nil, "director": "", "studio_id": nil, "tag_ids": []int64{tags[0]}, "performer_ids": []int64{}})
					b.drain()
					b.compare()
					b.shows(item, map[string]string{"summary": "", "studio": "", "genre": "Night Sea", "actor": "", "director": "", "collection": "", "userRating": ""})
					b.quiet()
				})
			})
		}
	}
}

// TestTheEndIsTheSameHoweverPlexReadsRemovals: two hundred changes of lists whose names
// are hard to remove, beside names of a person that stay.
func TestTheEndIsTheSameHoweverPlexReadsRemovals(t *testing.T) {
	t.Parallel()
	names := []string{"Sea", "Night Swim", "50% off", "100%25", "a%2Cb", "A, B", "Doe, Jane", "A+B", "C++", "q&a", "x=y;z", "#1 \"best\"", "é ü", "%", "+", ",,", "a%20b"}
	for decoding, d := range map[string]simplex.Decoding{"once": simplex.DecodeOnce, "twice": simplex.DecodeTwice, "both": simplex.DecodeBoth} {
		for what, set := range map[string]func(o *simplex.Options){
			"appends":               func(*simplex.Options) {},
			"replaces":              func(o *simplex.Options) { o.ListsReplace = true },
			"one removal a request": func(o *simplex.Options) { o.OneRemovalPerPUT = true },
		} {
			t.Run(decoding+", "+what, func(t *testing.T) {
				inBubble(t, func(b *bench) {
					b.plex.Set(func(o *simplex.Options) { o.Removals = d; set(o) })
					b.opt.Poster = false
					b.opt.Merge.CollectStudio, b.opt.Merge.CollectGroups = false, true
					r := rand.New(rand.NewPCG(14, uint64(d)))
					var tags, people, groups []int64
					for _, n := range names {
						tags = append(tags, b.stash.AddTag(simstash.Tag{Name: n}))
						people = append(people, b.stash.AddPerformer(simstash.Performer{Name: n}))
						groups = append(groups, b.stash.AddGroup(simstash.Group{Name: n}))
					}
					some := func(all []int64) []int64 {
						out := []int64{}
						for _, x := range all {
							if r.IntN(4) == 0 {
								out = append(out, x)
							}
						}
						return out
					}
					const n = 8
					var scenes []int64
					var items []string
					for i := range n {
						scene, item := b.film(fmt.Sprintf("%d.mp4", i), simstash.Scene{Title: fmt.Sprintf("Film %d", i)})
						b.listByHand(item, "genre", "By hand", "By, hand")
						scenes, items = append(scenes, scene), append(items, item)
					}
					b.syncAll()
					changes := 200
					if testing.Short() {
						changes = 50
					}
					for i := range changes {
						var g []map[string]any
						for _, id := range some(groups) {
							g = append(g, map[string]any{"group_id": fmt.Sprint(id)})
						}
						b.edit(scenes[r.IntN(n)], map[string]any{"tag_ids": some(tags), "performer_ids": some(people), "groups": g})
						if i%5 == 0 {
							b.drain()
							time.Sleep(time.Minute)
						}
					}
					b.drain()
					b.compare()
					for i, item := range items {
						sc, _ := b.stash.Scene(scenes[i])
						want := map[string][]string{"genre": {"By hand", "By, hand"}}
						for _, id := range sc.TagIDs {
							want["genre"] = append(want["genre"], names[slices.Index(tags, id)])
						}
						for _, id := range sc.PerformerIDs {
							want["actor"] = append(want["actor"], names[slices.Index(people, id)])
						}
						for _, g := range sc.Groups {
							want["collection"] = append(want["collection"], names[slices.Index(groups, g.GroupID)])
						}
						for _, list := range []string{"genre", "actor", "collection"} {
							slices.Sort(want[list])
							if got := listed(b.item(item), list); !slices.Equal(got, want[list]) {
								b.Errorf("item %s: %s is %q, want %q", item, list, got, want[list])
							}
						}
					}
					b.nothingLeft()
					b.allSame()
				})
			})
		}
	}
}

// listed are the names of a list of an item, sorted.
func listed(it simplex.Item, list string) []string {
	var all []string
	for _, t := range it.Tags[list] {
		all = append(all, t.Name)
	}
	slices.Sort(all)
	return all
}

// TestAListThatIsTooLongIsCutWithAWord, and never leaves Plex with less than before.
func TestAListThatIsTooLongIsCutWithAWord(t *testing.T) {
	t.Parallel()
	many := func(format string, n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf(format, i))
		}
		return all
	}
	for _, c := range []struct {
		name, list string
		there      []string // in Plex before
		ours       int
	}{
		{"1,500 tags", "genre", nil, 1500},
		{"1,500 tags beside a person's", "genre", many("By hand %03d", 50), 1500},
		{"1,500 tags beside as many of a person", "genre", many("By hand %04d", 1500), 1500},
		{"a tag beside 1,500 of a person", "genre", many("By hand %04d", 1500), 1},
		{"250 roles", "actor", nil, 250},
		{"250 roles beside an agent's", "actor", many("Agent %03d", 40), 250},
		{"a role beside 250", "actor", many("Agent %03d", 250), 1},
		{"a role beside 200", "actor", many("Agent %03d", 200), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBoth(t, func(b *bench) {
				b.opt.Poster = false
				s := simstash.Scene{Title: "A"}
				for i := range c.ours {
					if name := fmt.Sprintf("Name number %04d", i); c.list == "genre" {
						s.TagIDs = append(s.TagIDs, b.stash.AddTag(simstash.Tag{Name: name}))
					} else {
						s.PerformerIDs = append(s.PerformerIDs, b.stash.AddPerformer(simstash.Performer{Name: name}))
					}
				}
				scene, item := b.film("a.mp4", s)
				if len(c.there) > 0 {
					b.listByHand(item, c.list, c.there...)
				}
				b.syncAll()
				got := listed(b.item(item), c.list)
				for _, name := range c.there {
					if _, has := slices.BinarySearch(got, name); !has {
						b.Fatalf("%q is gone: %d are left of %d", name, len(got), len(c.there))
					}
				}
				if all := len(c.there) + c.ours; len(got) < all {
					if b.wantLog(slog.LevelWarn, "left out"); len(got) == 0 {
						b.Errorf("nothing of %d arrived", all)
					}
				}
				b.shows(item, map[string]string{"title": "A"})
				b.quiet()

				// What Stash drops goes, and what is there stays.
				time.Sleep(time.Hour)
				b.edit(scene, map[string]any{"tag_ids": []int64{}, "performer_ids": []int64{}, "director": "Ann"})
				b.drain()
				b.compare()
				if got := listed(b.item(item), c.list); !slices.Equal(got, c.there) {
					b.Errorf("after Stash dropped its own, %d are left of %d", len(got), len(c.there))
				}
				b.quiet()
			})
		})
	}
}

// TestAnEditOfAnItemThatIsGoneArrives, also from a Plex that answers 200 to it.
func TestAnEditOfAnItemThatIsGoneArrives(t *testing.T) {
	t.Parallel()
	for _, gone200 := range []bool{false, true} {
		for name, move := range map[string]func(b *bench, item string) string{
			"made anew":   func(b *bench, item string) string { return b.plex.Recreate(item) },
			"another key": func(b *bench, item string) string { return b.plex.Rekey(item) },
		} {
			t.Run(fmt.Sprintf("%s, 200 %v", name, gone200), func(t *testing.T) {
				onBoth(t, func(b *bench) {
					b.plex.Set(func(o *simplex.Options) { o.GoneIs200 = gone200 })
					f := b.films()
					time.Sleep(time.Hour)
					// It goes between the read and the edit.
					at := b.plexNetwork
					moved := false
					b.plexNetwork = between(at, func(method string) {
						if method == "PUT" && !moved {
							moved = true
							f.items[0] = move(b, f.items[0])
						}
					})
					b.edit(f.scenes[0], map[string]any{"director": "Ann"})
					b.drain()
					b.plexNetwork = at
					if !moved {
						b.Fatal("nothing was edited: the test does not test")
					}
					b.right(f.items)
					b.shows(f.items[0], map[string]string{"director": "Ann"})
					b.quiet()
				})
			})
		}
	}
}
