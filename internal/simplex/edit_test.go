package simplex_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
)

// oneMovie is a server with a movie in section 1 and the client to edit it.
func oneMovie(t *testing.T, opt simplex.Options, spec simplex.ItemSpec) (*simplex.Server, *client, string) {
	t.Helper()
	s := simplex.New(opt)
	s.AddSection(simplex.SectionSpec{Title: "Videos", Locations: []string{"/media"}})
	if spec.Parts == nil {
		spec.Parts = []simplex.PartSpec{{File: "/media/The harbour.mp4", Size: 1}}
	}
	key := s.AddItem("1", spec)
	return s, newClient(t, s), key
}

func genres(names ...string) simplex.ItemSpec {
	var spec simplex.ItemSpec
	spec.Tags = map[string][]simplex.Tag{}
	for _, name := range names {
		spec.Tags["genre"] = append(spec.Tags["genre"], simplex.Tag{Name: name})
	}
	return spec
}

func q(s string) string { return url.QueryEscape(s) }

func item(t *testing.T, s *simplex.Server, key string) simplex.Item {
	t.Helper()
	it, found := s.Item(key)
	if !found {
		t.Fatalf("no item %s", key)
	}
	return it
}

func tagNames(it simplex.Item, field string) []string {
	var list []string
	for _, tag := range it.Tags[field] {
		list = append(list, tag.Name)
	}
	return list
}

func TestScalarEdits(t *testing.T) {
	for _, test := range []struct {
		name   string
		params []string
		want   map[string]string
	}{
		{"a title is trimmed of nothing and the sort title follows without its article",
			[]string{"title.value=" + q("The café +1 &=%")},
			map[string]string{"title": "The café +1 &=%", "titleSort": "café +1 &=%"}},
		{"an unescaped plus is a blank", []string{"summary.value=a+b"},
			map[string]string{"title": "The harbour", "titleSort": "harbour", "summary": "a b"}},
		{"line breaks stay", []string{"summary.value=a%0Ab"},
			map[string]string{"title": "The harbour", "titleSort": "harbour", "summary": "a\nb"}},
		{"a sort title that comes with the title wins, in any order",
			[]string{"titleSort.value=zzz", "title.value=New"},
			map[string]string{"title": "New", "titleSort": "zzz"}},
		{"a sort title unlocked in the same edit follows",
			[]string{"titleSort.locked=0", "title.value=New"},
			map[string]string{"title": "New", "titleSort": "New"}},
		{"an empty value clears", []string{"studio.value="},
			map[string]string{"title": "The harbour", "titleSort": "harbour"}},
		{"an empty title is the file's name", []string{"title.value="},
			map[string]string{"title": "The harbour", "titleSort": "harbour"}},
		{"an empty rating clears", []string{"userRating.value="},
			map[string]string{"title": "The harbour", "titleSort": "harbour"}},
		{"ratings are numbers", []string{"userRating.value=8.0", "rating.value=7.50"},
			map[string]string{"title": "The harbour", "titleSort": "harbour", "userRating": "8", "rating": "7.5"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
			if test.params[0] == "studio.value=" {
				c.edit(key, "studio.value=Studio+One")
			}
			if test.params[0] == "userRating.value=" {
				c.edit(key, "userRating.value=7")
			}
			c.edit(key, test.params...)
			equal(t, "fields", item(t, s, key).Scalars, test.want)
		})
	}
}

func TestALockedSortTitleStays(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{Title: "Old", Locked: []string{"titleSort"}})
	c.edit(key, "title.value=New")
	equal(t, "fields", item(t, s, key).Scalars, map[string]string{"title": "New", "titleSort": "Old"})
}

func TestTheYearFollowsTheDate(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	c.edit(key, "originallyAvailableAt.value=2024-02-29")
	equal(t, "year", item(t, s, key).Year, 2024)
	c.edit(key, "originallyAvailableAt.value=")
	equal(t, "year of no date", item(t, s, key).Year, 0)
}

func TestLocksAreSetAndTakenOff(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	c.edit(key, "title.locked=1", "genre.locked=1", "thumb.locked=1", "art.locked=1")
	equal(t, "locks", item(t, s, key).Locks, []string{"art", "genre", "thumb", "title"})
	detail := c.get("/library/metadata/" + key)["Metadata"].([]any)[0].(map[string]any)
	equal(t, "locks as shown", detail["Field"], []any{
		map[string]any{"locked": true, "name": "art"}, map[string]any{"locked": true, "name": "genre"},
		map[string]any{"locked": true, "name": "thumb"}, map[string]any{"locked": true, "name": "title"}})
	c.edit(key, "genre.locked=0", "art.locked=0", "thumb.locked=0")
	equal(t, "locks", item(t, s, key).Locks, []string{"title"})
}

func TestRefusedEditsChangeNothing(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		target string
		params string
	}{
		{"no type", 400, "/library/sections/1/all", "id=KEY&title.value=x"},
		{"another type", 400, "/library/sections/1/all", "type=2&id=KEY&title.value=x"},
		{"an unknown field", 400, "", "title.value=x&headline.value=x"},
		{"sortTitle", 400, "", "sortTitle.value=x"},
		{"year", 400, "", "year.value=2020"},
		{"an unknown list", 400, "", "performer[0].tag.tag=x"},
		{"a misspelled property", 400, "", "title.valeu=x"},
		{"a misspelled tag property", 400, "", "genre[0].tag=x"},
		{"an index on a removal", 400, "", "genre[0].tag.tag-=x"},
		{"a bracket that stays open", 400, "", "genre[0.tag.tag=x"},
		{"an empty name", 400, "", "genre[0].tag.tag="},
		{"the role of nobody", 400, "", "actor[0].tagging.text=Captain"},
		{"a photo that is no address", 400, "", "actor[0].tag.tag=x&actor[0].tag.thumb=/a.jpg"},
		{"two values for one field", 400, "", "title.value=x&title.value=y"},
		{"a lock that is neither on nor off", 400, "", "title.locked=true"},
		{"a lock on nothing", 400, "", "headline.locked=1"},
		{"nothing to do", 400, "", "includeFields=title"},
		{"a key that is no number", 400, "/library/sections/1/all", "type=1&id=abc&title.value=x"},
		{"a broken escape", 400, "", "title.value=%zz"},
		{"a bad date", 500, "", "title.value=x&originallyAvailableAt.value=2024-02-30"},
		{"a year for a date", 500, "", "originallyAvailableAt.value=2024"},
		{"a rating out of range", 500, "", "userRating.value=11"},
		{"a rating below zero", 500, "", "userRating.value=-1"},
		{"no critics' rating", 500, "", "rating.value="},
		{"a date for a moment", 500, "", "addedAt.value=2024-01-01"},
		{"a missing item", 404, "/library/sections/1/all", "type=1&id=KEY,999999&title.value=x"},
		{"a missing item by itself", 404, "/library/metadata/999999", "title.value=x"},
		{"a missing section", 404, "/library/sections/9/all", "type=1&id=KEY&title.value=x"},
		{"a movie as a collection", 404, "/library/sections/1/all", "type=18&id=KEY&title.value=x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c, key := oneMovie(t, simplex.Options{}, genres("Drama"))
			before := item(t, s, key)
			target, params := test.target, strings.ReplaceAll(test.params, "KEY", key)
			if target == "" {
				c.put(test.status, "/library/metadata/"+key, params)
				target, params = "/library/sections/1/all", "type=1&id="+key+"&"+params
			}
			c.put(test.status, target, params)
			equal(t, "the item", item(t, s, key), before)
			equal(t, "its history", s.History(key), []simplex.Write(nil))
		})
	}
}

func TestAnEditOfAnItemInAnotherSectionIsNotFound(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	s.AddSection(simplex.SectionSpec{Title: "Other"})
	c.put(404, "/library/sections/2/all", "type=1", "id="+key, "title.value=x")
	equal(t, "title", item(t, s, key).Scalars["title"], "The harbour")
}

func TestTagEdits(t *testing.T) {
	for _, test := range []struct {
		name   string
		opt    simplex.Options
		before []string
		params []string
		want   []string
	}{
		{"tags are appended in the order of their numbers", simplex.Options{}, []string{"a"},
			[]string{"genre[10].tag.tag=d", "genre[2].tag.tag=c", "genre[0].tag.tag=b"}, []string{"a", "b", "c", "d"}},
		{"brackets may be encoded", simplex.Options{}, nil, []string{"genre%5B0%5D.tag.tag=a"}, []string{"a"}},
		{"a tag that is there is not doubled", simplex.Options{}, []string{"a", "b"},
			[]string{"genre[0].tag.tag=b", "genre[1].tag.tag=c"}, []string{"a", "b", "c"}},
		{"tags replace the list where the server is of that kind", simplex.Options{ListsReplace: true}, []string{"a", "b"},
			[]string{"genre[0].tag.tag=c", "genre[1].tag.tag=b"}, []string{"c", "b"}},
		{"removals take several names", simplex.Options{}, []string{"a", "b", "c", "d"},
			[]string{"genre[].tag.tag-=a,c", "genre[].tag.tag-=d"}, []string{"b"}},
		{"one removal a time where the server is of that kind", simplex.Options{OneRemovalPerPUT: true}, []string{"a", "b", "c"},
			[]string{"genre[].tag.tag-=a,b"}, []string{"b", "c"}},
		{"names in removals are encoded once more", simplex.Options{}, []string{"a,b", "50%", "c d+e"},
			[]string{"genre[].tag.tag-=a%252Cb,50%2525,c%2520d%252Be"}, nil},
		{"a comma that is encoded once parts two names", simplex.Options{}, []string{"a,b", "a", "b"},
			[]string{"genre[].tag.tag-=a%2Cb"}, []string{"a,b"}},
		{"removing what is not there is fine", simplex.Options{}, []string{"a"},
			[]string{"genre[].tag.tag-=zzz"}, []string{"a"}},
		{"clearing takes all", simplex.Options{}, []string{"a", "b"}, []string{"genre[].tag="}, nil},
		{"clearing comes before adding, wherever it stands", simplex.Options{}, []string{"a", "b"},
			[]string{"genre[0].tag.tag=c", "genre[].tag="}, []string{"c"}},
		{"the whole list with its removals is right where lists are appended", simplex.Options{}, []string{"a", "x"},
			[]string{"genre[0].tag.tag=a", "genre[1].tag.tag=b", "genre[].tag.tag-=x"}, []string{"a", "b"}},
		{"and where they are replaced", simplex.Options{ListsReplace: true}, []string{"a", "x"},
			[]string{"genre[0].tag.tag=a", "genre[1].tag.tag=b", "genre[].tag.tag-=x"}, []string{"a", "b"}},
		{"another spelling is the same tag", simplex.Options{}, []string{"Blonde"},
			[]string{"genre[0].tag.tag=BLONDE", "genre[].tag.tag-=zzz"}, []string{"Blonde"}},
		{"another spelling can be removed", simplex.Options{}, []string{"Äther"}, []string{"genre[].tag.tag-=ÄTHER"}, nil},
		{"only A to Z are folded", simplex.Options{}, []string{"Äther"}, []string{"genre[0].tag.tag=äther", "genre[].tag.tag-=ÄTHEr"}, []string{"äther"}},
		{"spellings can be told apart", simplex.Options{TagsKeepCase: true}, []string{"Blonde"},
			[]string{"genre[0].tag.tag=blonde"}, []string{"Blonde", "blonde"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c, key := oneMovie(t, test.opt, genres(test.before...))
			c.edit(key, test.params...)
			equal(t, "genres", tagNames(item(t, s, key), "genre"), test.want)
		})
	}
}

func TestTheFirstSpellingIsTheServers(t *testing.T) {
	s, c, _ := oneMovie(t, simplex.Options{}, genres("Blonde"))
	s.AddSection(simplex.SectionSpec{Title: "Other"})
	other := s.AddItem("2", simplex.ItemSpec{Title: "x"})
	c.put(200, "/library/sections/2/all", "type=1", "id="+other, "genre[0].tag.tag=blonde")
	equal(t, "genres", tagNames(item(t, s, other), "genre"), []string{"Blonde"})
}

func TestAPersonsPhotoIsSharedAndTheRoleIsNot(t *testing.T) {
	s, c, one := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	two := s.AddItem("1", simplex.ItemSpec{Title: "Two"})
	jane := "actor[0].tag.tag=" + q("Jane Doe")
	c.edit(one, jane, "actor[0].tagging.text=Captain", "actor[0].tag.thumb="+q("http://stash.test/1.jpg"))
	c.edit(two, jane, "actor[0].tag.thumb="+q("http://stash.test/2.jpg"))
	equal(t, "actors", item(t, s, one).Tags["actor"],
		[]simplex.Tag{{Name: "Jane Doe", Role: "Captain", Thumb: "http://stash.test/2.jpg"}})
	equal(t, "actors", item(t, s, two).Tags["actor"],
		[]simplex.Tag{{Name: "Jane Doe", Thumb: "http://stash.test/2.jpg"}})
	c.edit(one, jane, "actor[0].tagging.text=Mate")
	equal(t, "role", item(t, s, one).Tags["actor"][0].Role, "Mate")
}

func TestAnEditReachesSeveralItems(t *testing.T) {
	s, c, one := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	two := s.AddItem("1", simplex.ItemSpec{Title: "Two"})
	three := s.AddItem("1", simplex.ItemSpec{Title: "Three"})
	c.edit(one+","+two, "studio.value=One")
	c.put(200, "/library/metadata/"+two+","+three, "tagline.value=x")
	var got []string
	for _, it := range s.Snapshot() {
		got = append(got, it.Scalars["studio"]+"/"+it.Scalars["tagline"])
	}
	equal(t, "studio and tagline", got, []string{"One/", "One/x", "/x"})
	equal(t, "violations", s.Violations(), []simplex.Violation(nil))
}

func TestAnEditWithoutAnIDReachesTheWholeSection(t *testing.T) {
	for _, test := range []struct {
		params []string
		want   []string
	}{
		{nil, []string{"x", "x"}},
		{[]string{"id="}, []string{"x", "x"}},
		{[]string{"title==Two"}, []string{"", "x"}},
	} {
		s, c, _ := oneMovie(t, simplex.Options{}, simplex.ItemSpec{Title: "One"})
		s.AddItem("1", simplex.ItemSpec{Title: "Two"})
		c.put(200, "/library/sections/1/all", append(test.params, "type=1", "tagline.value=x")...)
		var got []string
		for _, it := range s.Snapshot() {
			got = append(got, it.Scalars["tagline"])
		}
		equal(t, "taglines", got, test.want)
		equal(t, "violations", s.Violations(), []simplex.Violation{{Request: 1, What: "an edit of the whole section 1"}})
	}
}

func TestWhatMovesUpdatedAt(t *testing.T) {
	png := picture(t, 1)
	for _, test := range []struct {
		name  string
		opt   simplex.Options
		do    func(s *simplex.Server, c *client, key string)
		moves bool
	}{
		{"a scalar", simplex.Options{}, func(s *simplex.Server, c *client, key string) { c.edit(key, "summary.value=x") }, true},
		{"the same scalar", simplex.Options{}, func(s *simplex.Server, c *client, key string) { c.edit(key, "summary.value=") }, true},
		{"a poster", simplex.Options{}, func(s *simplex.Server, c *client, key string) {
			c.do("POST", "/library/metadata/"+key+"/posters", png)
		}, true},
		{"tags", simplex.Options{}, func(s *simplex.Server, c *client, key string) {
			c.edit(key, "genre[0].tag.tag=b", "genre[].tag.tag-=a", "genre.locked=1")
		}, false},
		{"tags, where the server is of that kind", simplex.Options{TagEditsTouch: true},
			func(s *simplex.Server, c *client, key string) { c.edit(key, "genre[0].tag.tag=b") }, true},
		{"locks", simplex.Options{}, func(s *simplex.Server, c *client, key string) { c.edit(key, "title.locked=1") }, false},
		{"a user rating", simplex.Options{}, func(s *simplex.Server, c *client, key string) { c.edit(key, "userRating.value=5") }, false},
		{"a file that moves", simplex.Options{}, func(s *simplex.Server, c *client, key string) { s.MovePart(key, 0, "/media/x.mp4") }, false},
		{"a file that comes", simplex.Options{}, func(s *simplex.Server, c *client, key string) {
			s.AddPart(key, simplex.PartSpec{File: "/media/y.mp4"})
		}, false},
		{"a person's title", simplex.Options{}, func(s *simplex.Server, c *client, key string) {
			s.EditByPerson(key, simplex.Values{Scalars: map[string]string{"title": "x"}})
		}, true},
		{"a person's tags", simplex.Options{}, func(s *simplex.Server, c *client, key string) {
			s.EditByPerson(key, simplex.Values{Tags: map[string][]simplex.Tag{"genre": nil}})
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			test.opt.Now = func() time.Time { return now }
			s, c, key := oneMovie(t, test.opt, genres("a"))
			now = time.Unix(2000, 0)
			test.do(s, c, key)
			if moved := item(t, s, key).UpdatedAt == 2000; moved != test.moves {
				t.Errorf("updatedAt moved: %v, want %v", moved, test.moves)
			}
		})
	}
}

func TestRatingsComeByTheirOwnRequestToo(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	const plugin = "identifier=com.plexapp.plugins.library"
	for _, test := range []struct {
		params string
		status int
		want   string
	}{
		{"key=" + key + "&" + plugin + "&rating=8", 200, "8"},
		{"key=" + key + "&" + plugin + "&rating=10.5", 400, "8"},
		{"key=" + key + "&" + plugin + "&rating=", 400, "8"},
		{"key=" + key + "&rating=3", 400, "8"},
		{"key=99&" + plugin + "&rating=3", 404, "8"},
		{"key=" + key + "&" + plugin + "&rating=-1", 200, ""},
	} {
		c.put(test.status, "/:/rate", test.params)
		equal(t, "rating after "+test.params, item(t, s, key).Scalars["userRating"], test.want)
	}
}

func TestCollectionsComeAndGoWithTheirItems(t *testing.T) {
	s, c, one := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	two := s.AddItem("1", simplex.ItemSpec{Title: "Two"})
	equal(t, "collections", s.Collections("1"), []simplex.Collection(nil))

	c.edit(one, "collection[0].tag.tag=Sea")
	c.edit(two, "collection[0].tag.tag=sea", "collection[1].tag.tag=Land")
	all := s.Collections("1")
	equal(t, "collections", all, []simplex.Collection{
		{Key: all[0].Key, Title: "Sea", Items: []string{one, two}}, {Key: all[1].Key, Title: "Land", Items: []string{two}}})
	equal(t, "listed", c.titles("/library/sections/1/collections"), "Land Sea")
	equal(t, "listed by type", c.titles("/library/sections/1/all?type=18"), "Land Sea")
	equal(t, "children", column(c.get("/library/collections/"+all[0].Key+"/children"), "ratingKey"), []string{one, two})

	c.put(409, "/library/sections/1/all", "type=18", "id="+all[0].Key, "title.value=LAND")
	c.put(200, "/library/sections/1/all", "type=18", "id="+all[0].Key, "title.value=Ocean", "summary.value=Blue", "summary.locked=1")
	equal(t, "names of the collections", tagNames(item(t, s, one), "collection"), []string{"Ocean"})
	equal(t, "its summary", item(t, s, all[0].Key).Scalars["summary"], "Blue")

	c.edit(one, "collection[].tag.tag-=ocean")
	s.Remove(two)
	equal(t, "collections", s.Collections("1"), []simplex.Collection(nil))
	equal(t, "movies", s.Items(), 1)
}

func TestPeopleLockAndAgentsRespectIt(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, genres("Drama", "Sea"))
	png, other := picture(t, 1), picture(t, 2)
	s.EditByPerson(key, simplex.Values{
		Scalars: map[string]string{"title": "Mine", "userRating": "9"},
		Tags:    map[string][]simplex.Tag{"genre": {{Name: "Sea"}, {Name: "Night"}}},
		Poster:  png})
	s.RefreshByAgent(key, simplex.Values{
		Scalars: map[string]string{"title": "Agent's", "summary": "Agent's"},
		Tags:    map[string][]simplex.Tag{"genre": {{Name: "Thriller"}}, "director": {{Name: "Jane Doe"}}},
		Poster:  other, Art: other})
	it := item(t, s, key)
	equal(t, "fields", it.Scalars, map[string]string{
		"title": "Mine", "titleSort": "Mine", "userRating": "9", "summary": "Agent's"})
	equal(t, "lists", it.Tags, map[string][]simplex.Tag{
		"genre": {{Name: "Sea"}, {Name: "Night"}}, "director": {{Name: "Jane Doe"}}})
	equal(t, "locks", it.Locks, []string{"genre", "thumb", "title"})
	equal(t, "poster and art", []string{it.PosterSHA1, it.ArtSHA1}, []string{hash(png), hash(other)})

	s.EditByPerson(key, simplex.Values{Unlock: []string{"title"}})
	s.RefreshByAgent(key, simplex.Values{Scalars: map[string]string{"title": "Agent's"}})
	equal(t, "title", item(t, s, key).Scalars["title"], "Agent's")
	c.edit(key, "title.value=Ours")
	equal(t, "title", item(t, s, key).Scalars["title"], "Ours")
}

func TestTheHistoryTellsWhatWasWritten(t *testing.T) {
	now := time.Unix(1000, 0)
	s, c, key := oneMovie(t, simplex.Options{Now: func() time.Time { return now }}, genres("a"))
	c.edit(key, "title.value=x", "title.locked=1", "genre[0].tag.tag=a", "genre[1].tag.tag=b", "genre[].tag.tag-=z")
	c.edit(key, "title.value=x")
	s.EditByPerson(key, simplex.Values{Scalars: map[string]string{"title": "y"}})
	w := func(request int, by simplex.Author, field, op, value string, changed bool) simplex.Write {
		return simplex.Write{Request: request, At: now, By: by, Field: field, Op: op, Value: value, Changed: changed}
	}
	want := []simplex.Write{
		w(1, simplex.API, "title", "set", "x", true),
		w(1, simplex.API, "genre", "remove", "z", false),
		w(1, simplex.API, "genre", "add", "a", false),
		w(1, simplex.API, "genre", "add", "b", true),
		w(1, simplex.API, "title", "lock", "", true),
		w(2, simplex.API, "title", "set", "x", false),
		w(0, simplex.Person, "title", "set", "y", true),
	}
	equal(t, "history", s.History(key), want)
	equal(t, "history of the title", s.WritesTo(key, "title"), []simplex.Write{want[0], want[5], want[6]})
	s.Remove(key)
	equal(t, "history of an item that is gone", len(s.History(key)), len(want))
}

func TestANewRatingKeyKeepsOrLosesWhatWasWritten(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	c.edit(key, "title.value=x", "collection[0].tag.tag=Sea")
	before := item(t, s, key)
	moved := s.Rekey(key)
	if _, found := s.Item(key); found || moved == key {
		t.Errorf("item %s became %s and is still there: %v", key, moved, found)
	}
	want := before
	want.Key, want.Thumb = moved, strings.Replace(before.Thumb, key, moved, 1)
	equal(t, "the item under its new key", item(t, s, moved), want)
	equal(t, "children", s.Collections("1")[0].Items, []string{moved})

	fresh := item(t, s, s.Recreate(moved))
	equal(t, "title", fresh.Scalars["title"], "The harbour")
	equal(t, "parts", fresh.Parts, before.Parts)
	equal(t, "collections", s.Collections("1"), []simplex.Collection(nil))
	equal(t, "items", s.Items(), 1)
}

func TestPartsMove(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{Parts: []simplex.PartSpec{
		{File: "/media/a.mp4", Size: 1, Duration: 1500 * time.Millisecond}, {File: `D:\v\b.MKV`, Size: 2}}})
	s.MovePart(key, 1, "/media/c.mkv")
	equal(t, "parts", item(t, s, key).Parts, []simplex.PartSpec{
		{File: "/media/a.mp4", Size: 1, Duration: 1500 * time.Millisecond}, {File: "/media/c.mkv", Size: 2}})
	row := c.get("/library/sections/1/all?type=1")["Metadata"].([]any)[0].(map[string]any)
	var files []any
	for _, m := range row["Media"].([]any) {
		p := m.(map[string]any)["Part"].([]any)[0].(map[string]any)
		files = append(files, p["file"], p["size"], p["duration"], p["container"])
	}
	equal(t, "parts as listed", files, []any{"/media/a.mp4", 1.0, 1500.0, "mp4", "/media/c.mkv", 2.0, nil, "mkv"})
}

func FuzzEdit(f *testing.F) {
	for _, seed := range []string{"title.value=x&title.locked=1", "genre[0].tag.tag=a&genre[].tag.tag-=b%252C", "genre[].tag=",
		"actor[1].tag.tag=a&actor[1].tagging.text=b", "[", "genre[", "id=&title==x&push=1", "%", "=&==&;"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		s := simplex.New(simplex.Options{})
		s.AddSection(simplex.SectionSpec{Title: "Videos"})
		key := s.AddItem("1", simplex.ItemSpec{Title: "One"})
		req := newClient(t, s)
		for _, target := range []string{"/library/metadata/" + key, "/library/sections/1/all"} {
			u := (&url.URL{Scheme: "http", Host: "plex.test", Path: target, RawQuery: query})
			if _, err := url.Parse(u.String()); err != nil {
				return
			}
			status, _ := req.do("PUT", target+"?"+u.RawQuery, nil)
			if !slices.Contains([]int{200, 400, 404, 409, 414, 500}, status) {
				t.Errorf("%d", status)
			}
			req.do("GET", target+"?"+u.RawQuery, nil)
		}
	})
}
