package simplex_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simplex"
)

// What was seen on real servers, and what may become of one.

// detail is an item as a detailed answer shows it.
func (c *client) detail(key string) map[string]any {
	c.t.Helper()
	return c.get("/library/metadata/" + key)["Metadata"].([]any)[0].(map[string]any)
}

// listed are the items of a section as the listing shows them.
func (c *client) listed(section string) []map[string]any {
	c.t.Helper()
	var all []map[string]any
	rows, _ := c.get("/library/sections/" + section + "/all?type=1&sort=id")["Metadata"].([]any)
	for _, row := range rows {
		all = append(all, row.(map[string]any))
	}
	return all
}

// shownTags are the names in a list of an item as shown, joined by semicolons.
func shownTags(item map[string]any, list string) string {
	var names []string
	all, _ := item[list].([]any)
	for _, x := range all {
		names = append(names, x.(map[string]any)["tag"].(string))
	}
	return strings.Join(names, ";")
}

func TestRemovalsAreReadOnceTwiceOrBoth(t *testing.T) {
	before := []string{"plain name", "A,B", "A", "100%", "c%2Cd", "x+y"}
	for _, test := range []struct {
		how     simplex.Decoding
		removed string // as it stands in the value, before the URL's own encoding
		left    string
	}{
		{simplex.DecodeTwice, "plain name", "A,B;A;100%;c%2Cd;x+y"},
		{simplex.DecodeTwice, "plain%20name", "A,B;A;100%;c%2Cd;x+y"},
		{simplex.DecodeTwice, "A%2CB", "plain name;A;100%;c%2Cd;x+y"},
		{simplex.DecodeTwice, "A,B", "plain name;A,B;100%;c%2Cd;x+y"},
		{simplex.DecodeTwice, "100%25,x%2By", "plain name;A,B;A;c%2Cd"},
		{simplex.DecodeTwice, "100%", "plain name;A,B;A;c%2Cd;x+y"}, // cannot be read as encoded
		{simplex.DecodeTwice, "c%2Cd", "plain name;A,B;A;100%;c%2Cd;x+y"},
		{simplex.DecodeOnce, "plain name", "A,B;A;100%;c%2Cd;x+y"},
		{simplex.DecodeOnce, "plain%20name", "plain name;A,B;A;100%;c%2Cd;x+y"},
		{simplex.DecodeOnce, "A%2CB", "plain name;A,B;A;100%;c%2Cd;x+y"},
		{simplex.DecodeOnce, "A,B", "plain name;A,B;100%;c%2Cd;x+y"},
		{simplex.DecodeOnce, "100%25,x%2By", "plain name;A,B;A;100%;c%2Cd;x+y"},
		{simplex.DecodeOnce, "100%,x+y,c%2Cd", "plain name;A,B;A"},
		{simplex.DecodeBoth, "plain name", "A,B;A;100%;c%2Cd;x+y"},
		{simplex.DecodeBoth, "plain%20name", "A,B;A;100%;c%2Cd;x+y"},
		{simplex.DecodeBoth, "A%2CB", "plain name;A;100%;c%2Cd;x+y"},
		{simplex.DecodeBoth, "c%2Cd", "plain name;A,B;A;100%;x+y"},
		{simplex.DecodeBoth, "100%25,x+y", "plain name;A,B;A;c%2Cd"},
		{simplex.DecodeBoth, "100%", "plain name;A,B;A;c%2Cd;x+y"},
	} {
		s, c, key := oneMovie(t, simplex.Options{Removals: test.how}, genres(before...))
		c.edit(key, "genre[].tag.tag-="+url.QueryEscape(test.removed)) // 200 whatever is found
		if got := strings.Join(tagNames(item(t, s, key), "genre"), ";"); got != test.left {
			t.Errorf("%d %q: left %q, want %q", test.how, test.removed, got, test.left)
		}
	}
}

func TestAListMayBeEmptiedAfterItWasFilled(t *testing.T) {
	for last, want := range map[bool][]string{false: {"c"}, true: nil} {
		s, c, key := oneMovie(t, simplex.Options{ClearLast: last}, genres("a", "b"))
		c.edit(key, "genre[].tag=", "genre[0].tag.tag=c")
		equal(t, fmt.Sprint(last), tagNames(item(t, s, key), "genre"), want)
		c.edit(key, "genre[0].tag.tag=d")
		equal(t, "after another edit", tagNames(item(t, s, key), "genre"), append(want, "d"))
	}
}

func TestALibraryThatIsAddedAnew(t *testing.T) {
	s, c, one := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	two := s.AddItem("1", simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/b1.mp4", Size: 1}, {File: "/media/b2.mp4", Size: 2}}, Stacked: true})
	gone := s.AddItem("1", simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/gone.mp4"}}})
	s.AddOnDisk("1", simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/new.mp4"}}})
	s.Trash(gone)
	c.edit(one, "title.value=Other", "title.locked=1", "summary.value=S", "userRating.value=7", "genre[0].tag.tag=a", "collection[0].tag.tag=k")
	c.do("POST", "/library/metadata/"+one+"/posters", picture(t, 1))

	section, keys := s.AddAnew("1")
	if section == "1" || len(keys) != 2 || keys[one] == "" || keys[two] == "" || keys[one] == one || keys[two] == two {
		t.Fatalf("section %s, keys %v", section, keys)
	}
	for _, target := range []string{"/library/sections/1/all?type=1", "/library/metadata/" + one, "/library/metadata/" + gone} {
		if status, body := c.do("GET", target, nil); status != 404 || !strings.HasPrefix(body, "<html>") {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
	it := item(t, s, keys[one])
	equal(t, "section", it.Section, section)
	equal(t, "fields", it.Scalars, map[string]string{"title": "The harbour", "titleSort": "harbour"})
	equal(t, "lists, locks and uploads", []int{len(it.Tags), len(it.Locks), len(it.Uploads), len(s.Collections(section))}, []int{0, 0, 0, 0})
	equal(t, "files", item(t, s, keys[two]).Parts, []simplex.PartSpec{{File: "/media/b1.mp4", Size: 1}, {File: "/media/b2.mp4", Size: 2}})
	equal(t, "title of a stack", item(t, s, keys[two]).Scalars["title"], "b1")
	sections := c.get("/library/sections")["Directory"].([]any)
	equal(t, "libraries", []any{len(sections), sections[0].(map[string]any)["key"], sections[0].(map[string]any)["title"]}, []any{1, section, "Videos"})
	if status, _ := c.do("GET", "/library/sections/"+section+"/refresh?path="+q("/media"), nil); status != 200 || s.Items() != 3 {
		t.Errorf("%d items after a scan that answered %d", s.Items(), status)
	}
}

func TestALibraryThatIsRemoved(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	s.RemoveSection("1")
	equal(t, "items", s.Items(), 0)
	if status, _ := c.do("GET", "/library/metadata/"+key, nil); status != 404 {
		t.Errorf("the item answers %d", status)
	}
	answer := c.get("/library/sections")
	if _, there := answer["Directory"]; there || answer["size"] != 0.0 {
		t.Errorf("a server without libraries shows %v", answer)
	}
	equal(t, "the next key", s.AddSection(simplex.SectionSpec{Title: "Again"}), "2")
}

func TestTwoServersKnowNothingOfEachOther(t *testing.T) {
	one := simplex.New(simplex.Options{MachineID: "one", Token: "t1"})
	two := simplex.New(simplex.Options{MachineID: "two", Token: "t2", Name: "Attic"})
	for _, s := range []*simplex.Server{one, two} {
		s.AddSection(simplex.SectionSpec{Title: "Videos"})
	}
	a := one.AddItem("1", simplex.ItemSpec{Title: "A"})
	b := two.AddItem("1", simplex.ItemSpec{Title: "B"})
	if a != b {
		t.Errorf("the first items have the keys %s and %s, which hides a mix-up", a, b)
	}
	c1, c2 := newClient(t, one), newClient(t, two)
	c1.edit(a, "title.value=New")
	equal(t, "titles", []string{item(t, one, a).Scalars["title"], item(t, two, b).Scalars["title"]}, []string{"New", "B"})
	equal(t, "machines", []any{c1.get("/identity")["machineIdentifier"], c2.get("/identity")["machineIdentifier"]}, []any{"one", "two"})
	equal(t, "requests", []int{one.Counts().Total, two.Counts().Total}, []int{2, 1})
	if status, _ := c2.with("X-Plex-Token", "t1").do("GET", "/", nil); status != 401 {
		t.Errorf("the other's token answers %d", status)
	}
}

func TestWhatIsInTheTrashIsStillShown(t *testing.T) {
	now := time.Unix(1000, 0)
	s, c, key := oneMovie(t, simplex.Options{Now: func() time.Time { return now }}, simplex.ItemSpec{})
	live := s.AddItem("1", simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/b.mp4"}}})
	now = time.Unix(2000, 0)
	s.Trash(key)
	shown := func() []any {
		all := c.listed("1")
		return []any{len(all), all[0]["deletedAt"], c.detail(key)["deletedAt"], all[1]["deletedAt"], item(t, s, key).DeletedAt, item(t, s, key).UpdatedAt}
	}
	equal(t, "in the trash", shown(), []any{2, 2000.0, 2000.0, nil, int64(2000), int64(1000)})
	c.edit(key, "userRating.value=5")
	equal(t, "written to", item(t, s, key).Scalars["userRating"], "5")
	s.Restore(key)
	equal(t, "restored", shown(), []any{2, nil, nil, nil, int64(0), int64(1000)})
	s.Trash(key)
	s.EmptyTrash("1")
	_, there := s.Item(key)
	equal(t, "after emptying", []any{there, s.Items(), c.listed("1")[0]["ratingKey"]}, []any{false, 1, live})
}

func TestAnItemLeavesACollectionByItsKey(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{Removals: simplex.DecodeOnce}, simplex.ItemSpec{})
	other := s.AddItem("1", simplex.ItemSpec{Title: "Other"})
	c.edit(key+","+other, "collection[0].tag.tag=Studio%2C+One")
	c.edit(key, "collection[0].tag.tag=Two")
	keys := map[string]string{}
	for _, one := range s.Collections("1") {
		keys[one.Title] = one.Key
	}
	leave := func(collection, item string) int {
		status, _ := c.do("DELETE", "/library/collections/"+collection+"/items/"+item, nil)
		return status
	}
	equal(t, "statuses", []int{leave(keys["Studio, One"], key), leave(keys["Studio, One"], key), leave(key, key), leave("999", key), leave(keys["Two"], "999")},
		[]int{200, 404, 404, 404, 404})
	equal(t, "collections", []any{tagNames(item(t, s, key), "collection"), tagNames(item(t, s, other), "collection"), len(s.Collections("1"))},
		[]any{[]string{"Two"}, []string{"Studio, One"}, 2})
	equal(t, "the last one leaves", []any{leave(keys["Studio, One"], other), len(s.Collections("1"))}, []any{200, 1})
	equal(t, "violations", s.Violations(), []simplex.Violation(nil))
}

func TestItemsAreJoinedAndSplit(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{Parts: []simplex.PartSpec{{File: "/media/S/0.mp4", Size: 1}}})
	var others []string
	for i := range 3 {
		others = append(others, s.AddItem("1", simplex.ItemSpec{Parts: []simplex.PartSpec{{File: fmt.Sprintf("/media/S/%d.mp4", i+1), Size: int64(i + 2)}}}))
	}
	c.edit(key, "title.value=Joined")
	s.Join(key, others...)
	equal(t, "items", s.Items(), 1)
	media := c.listed("1")[0]["Media"].([]any)
	var files []any
	for _, m := range media {
		files = append(files, m.(map[string]any)["Part"].([]any)[0].(map[string]any)["file"])
	}
	equal(t, "files", files, []any{"/media/S/0.mp4", "/media/S/1.mp4", "/media/S/2.mp4", "/media/S/3.mp4"})
	for _, k := range others {
		if status, _ := c.do("GET", "/library/metadata/"+k, nil); status != 404 {
			t.Errorf("item %s answers %d", k, status)
		}
	}
	s.AddPart(key, simplex.PartSpec{File: "/media/S/Plex Versions/Mobile/0.mp4", Optimized: true})
	split := s.Split(key)
	equal(t, "items after splitting", []any{s.Items(), len(split)}, []any{4, 3})
	equal(t, "what stays", item(t, s, key).Parts, []simplex.PartSpec{{File: "/media/S/0.mp4", Size: 1}, {File: "/media/S/Plex Versions/Mobile/0.mp4", Optimized: true}})
	equal(t, "titles", []string{item(t, s, key).Scalars["title"], item(t, s, split[0]).Scalars["title"]}, []string{"Joined", "1"})
	for i, k := range split {
		if k == others[i] {
			t.Errorf("the split item has its old key %s", k)
		}
	}
}

func TestVersionsThatTheServerMadeAreMarked(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	s.AddPart(key, simplex.PartSpec{File: "/media/Plex Versions/Mobile/x.mp4", Optimized: true})
	for what, it := range map[string]map[string]any{"listing": c.listed("1")[0], "details": c.detail(key)} {
		media := it["Media"].([]any)
		first, second := media[0].(map[string]any), media[1].(map[string]any)
		equal(t, what, []any{first["proxyType"], first["target"], second["proxyType"], second["target"]}, []any{nil, nil, 42.0, "Optimized for Mobile"})
	}
}

func TestValuesMayShowOtherwise(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{Shows: simplex.Otherwise}, simplex.ItemSpec{})
	long := strings.Repeat("é", 120)
	c.edit(key, "title.value="+q(" "+long+" "), "originallyAvailableAt.value=2024-03-01", "userRating.value=7.5", "studio.value=One",
		"genre[0].tag.tag=Night+Sea", "label[0].tag.tag=nas", "actor[0].tag.tag=%C3%89VA")
	for what, it := range map[string]map[string]any{"listing": c.listed("1")[0], "details": c.detail(key)} {
		equal(t, what, []any{it["title"], it["originallyAvailableAt"], it["userRating"], it["studio"], shownTags(it, "Genre"), shownTags(it, "Role")},
			[]any{strings.Repeat("é", 100), "2024-02-29", 8.0, "One", "night sea", "Éva"})
	}
	it := item(t, s, key)
	equal(t, "the truth", []string{it.Scalars["title"], it.Scalars["originallyAvailableAt"], it.Scalars["userRating"], it.Tags["genre"][0].Name, it.Tags["label"][0].Name},
		[]string{" " + long + " ", "2024-03-01", "7.5", "Night Sea", "Nas"})
	c.edit(key, "genre[].tag.tag-=night+sea")
	equal(t, "removed by the name that is shown", len(item(t, s, key).Tags["genre"]), 0)
	s.Set(func(o *simplex.Options) { o.Shows = nil })
	equal(t, "shown as it is", c.detail(key)["originallyAvailableAt"], "2024-03-01")
}

func TestLabelsGetACapitalLetter(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	c.edit(key, "label[0].tag.tag=from+NAS", "label[1].tag.tag=%C3%A9t%C3%A9", "label[2].tag.tag=4k", "genre[0].tag.tag=from+NAS")
	equal(t, "labels", tagNames(item(t, s, key), "label"), []string{"From NAS", "Été", "4k"})
	equal(t, "genres", tagNames(item(t, s, key), "genre"), []string{"from NAS"})
	equal(t, "as shown", shownTags(c.detail(key), "Label"), "From NAS;Été;4k")
	c.edit(key, "label[0].tag.tag=From+nas", "label[].tag.tag-=%C3%A9t%C3%A9")
	equal(t, "labels", tagNames(item(t, s, key), "label"), []string{"From NAS", "4k"})
	s.Set(func(o *simplex.Options) { o.TagsKeepCase = true })
	c.edit(key, "label[0].tag.tag=kids", "label[1].tag.tag=KIDS")
	equal(t, "labels", tagNames(item(t, s, key), "label"), []string{"From NAS", "4k", "Kids", "KIDS"})
}

func TestDetailsShowTwoHundredRoles(t *testing.T) {
	spec := simplex.ItemSpec{Tags: map[string][]simplex.Tag{}}
	for i := range 250 {
		spec.Tags["actor"] = append(spec.Tags["actor"], simplex.Tag{Name: fmt.Sprintf("Actor %03d", i)})
		spec.Tags["genre"] = append(spec.Tags["genre"], simplex.Tag{Name: fmt.Sprintf("Genre %03d", i)})
	}
	s, c, key := oneMovie(t, simplex.Options{}, spec)
	it := c.detail(key)
	equal(t, "shown", []int{len(it["Role"].([]any)), len(it["Genre"].([]any))}, []int{200, 250})
	equal(t, "there", []int{len(item(t, s, key).Tags["actor"]), len(item(t, s, key).Tags["genre"])}, []int{250, 250})
	equal(t, "the last one shown", it["Role"].([]any)[199].(map[string]any)["tag"], "Actor 199")
}

func TestAnEditOfAnItemThatIsGone(t *testing.T) {
	for gone200, status := range map[bool]int{false: 404, true: 200} {
		s, c, key := oneMovie(t, simplex.Options{GoneIs200: gone200}, simplex.ItemSpec{})
		other := s.AddItem("1", simplex.ItemSpec{Title: "Other"})
		s.Remove(other)
		c.put(status, "/library/sections/1/all", "type=1", "id="+other, "title.value=x")
		c.put(status, "/library/metadata/"+other, "title.value=x")
		equal(t, "the other item", item(t, s, key).Scalars["title"], "The harbour")
		equal(t, "violations", s.Violations(), []simplex.Violation(nil))
		c.put(status, "/library/sections/1/all", "type=1", "id="+key+","+other, "title.value=x")
		equal(t, "one of two", item(t, s, key).Scalars["title"] == "x", gone200)
		// Reading, and pictures, are 404 in any case.
		for _, r := range [][2]string{{"GET", ""}, {"GET", "/posters"}, {"POST", "/posters"}, {"PUT", "/poster?url=x"}} {
			if got, _ := c.do(r[0], "/library/metadata/"+other+r[1], picture(t, 1)); got != 404 {
				t.Errorf("%v: %d", r, got)
			}
		}
	}
}

func TestUploadsMayHaveNamesOfTheirOwn(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{RandomUploads: true}, simplex.ItemSpec{})
	img := picture(t, 1)
	for range 2 {
		if status, _ := c.do("POST", "/library/metadata/"+key+"/posters", img); status != 200 {
			t.Fatal(status)
		}
	}
	it := item(t, s, key)
	if len(it.Uploads) != 2 || it.Uploads[0] == it.Uploads[1] || strings.Contains(it.Uploads[0], hash(img)) || len(it.Uploads[0]) != len("upload://posters/")+40 {
		t.Errorf("uploads %v", it.Uploads)
	}
	equal(t, "selected bytes", it.PosterSHA1, hash(img))
	if got := choices(c, "/library/metadata/"+key+"/posters"); !strings.HasSuffix(got, it.Uploads[1]+"*") {
		t.Errorf("gallery %s", got)
	}
}

func TestBackgroundsAreNamedInTheSingular(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{}, simplex.ItemSpec{})
	s.RefreshByAgent(key, simplex.Values{Art: picture(t, 1), Poster: picture(t, 3)})
	if status, _ := c.do("POST", "/library/metadata/"+key+"/arts", picture(t, 2)); status != 200 {
		t.Fatal(status)
	}
	equal(t, "backgrounds", item(t, s, key).Arts, []string{"metadata://art/tv.plex.agents.movie_" + hash(picture(t, 1)), "upload://art/" + hash(picture(t, 2))})
	equal(t, "posters", item(t, s, key).Posters[1], "metadata://posters/tv.plex.agents.movie_"+hash(picture(t, 3)))
}

func TestAStartingServerAnswersNothingElse(t *testing.T) {
	_, c, key := oneMovie(t, simplex.Options{Maintenance: true}, simplex.ItemSpec{})
	for _, r := range [][2]string{{"GET", "/"}, {"GET", "/identity"}, {"GET", "/library/sections"}, {"GET", "/library/sections/1/all?type=1"},
		{"GET", "/library/sections/77/all"}, {"GET", "/library/metadata/" + key}, {"GET", "/accounts"}, {"GET", "/web/index.html"}, {"GET", "/nonsense?%zz"},
		{"PUT", "/library/sections/1/all?type=1&id=" + key + "&title.value=x"}, {"PUT", "/:/rate"}, {"POST", "/library/metadata/" + key + "/posters"}, {"DELETE", "/x"},
		{"GET", "/?X-Plex-Token=wrong"}, {"PUT", "/?x=" + strings.Repeat("x", 9000)}} {
		for _, token := range []string{"simplex-token", "wrong", ""} {
			status, body := c.with("X-Plex-Token", token).do(r[0], r[1], nil)
			if status != 503 || !strings.Contains(body, `<Response code="503" title="Maintenance"`) {
				t.Errorf("%v: %d %s", r, status, body)
			}
		}
	}
}

func TestSmallFactsOfRealServers(t *testing.T) {
	s, c, key := oneMovie(t, simplex.Options{StudioList: true}, simplex.ItemSpec{Title: "A", NoUpdatedAt: true, NoThumb: true})
	s.AddItem("1", simplex.ItemSpec{Title: "B"})
	c.edit(key, "studio.value=One")
	it := c.detail(key)
	equal(t, "studio beside Studio", []any{it["studio"], it["Studio"]}, []any{"One", []any{map[string]any{"tag": "List of One"}}})
	for _, name := range []string{"updatedAt", "thumb", "art", "titleSort", "userRating", "viewCount", "deletedAt"} {
		if v, there := it[name]; there {
			t.Errorf("%s is shown: %v", name, v)
		}
	}
	if status, _ := c.do("GET", "/library/sections/1/all?type=1&sort=ratingKey", nil); status != 500 {
		t.Errorf("sort=ratingKey: %d", status)
	}
	// A size without a start is no page.
	answer := c.with("X-Plex-Container-Size", "1").get("/library/sections/1/all?type=1")
	equal(t, "a size alone", []any{answer["size"], answer["offset"], answer["totalSize"]}, []any{2.0, nil, nil})
	answer = c.with("X-Plex-Container-Size", "1").with("X-Plex-Container-Start", "0").get("/library/sections/1/all?type=1")
	equal(t, "a page", []any{answer["size"], answer["offset"], answer["totalSize"]}, []any{1.0, 0.0, 2.0})
	for owner, want := range map[bool]int{true: 200, false: 403} {
		s.Set(func(o *simplex.Options) { o.NotOwner = !owner })
		status, _ := c.do("GET", "/accounts", nil)
		equal(t, "accounts", status, want)
		equal(t, "deletion allowed", c.get("/")["allowMediaDeletion"], true)
	}
	s.Set(func(o *simplex.Options) { o.NotOwner, o.NoDeletionFlag = false, true })
	if v, there := c.get("/")["allowMediaDeletion"]; there {
		t.Errorf("deletion is told: %v", v)
	}
}
