package main

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/plexsync/plexsync/internal/simplex"
	"github.com/plexsync/plexsync/internal/simstash"
)

func sha1Hex(b []byte) string {
	sum := sha1.Sum(b)
	return hex.EncodeToString(sum[:])
}

func TestAnEditOfEveryFieldArrives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{
		"fields": "all", "collections": "studio, parents, groups", "labels": "Stash, From NAS", "contentRating": "NC-17",
	})
	network := w.stash.AddStudio(simstash.Studio{Name: "Network & Co"})
	studio := w.stash.AddStudio(simstash.Studio{Name: "Studio, One", ParentID: network})
	jane := w.stash.AddPerformer(simstash.Performer{Name: "Jane Doe", Image: picture(1)})
	john := w.stash.AddPerformer(simstash.Performer{Name: "John \"Jack\" Roe"})
	night := w.stash.AddTag(simstash.Tag{Name: "Night, outdoors"})
	sea := w.stash.AddTag(simstash.Tag{Name: "Sea 🌊"})
	series := w.stash.AddGroup(simstash.Group{Name: "Harbours"})
	scene, item := w.film("Harbour/harbour.mp4", simstash.Scene{})
	cover := picture(7)
	w.edit(scene, map[string]any{
		"title": "Harbour at night – “live”", "details": "First line.\nSecond line; 100% & more + שלום", "date": "2021-02",
		"code": "HRB-001", "director": "Ann Dir", "rating100": 85, "studio_id": studio,
		"performer_ids": []int64{jane, john}, "tag_ids": []int64{night, sea},
		"groups":      []map[string]any{{"group_id": series}},
		"cover_image": "data:image/png;base64," + base64.StdEncoding.EncodeToString(cover),
	})
	w.settle()
	w.shows(item, map[string]string{
		"title": "Harbour at night – “live”", "summary": "First line.\nSecond line; 100% & more + שלום",
		"originallyAvailableAt": "2021-02-01", "studio": "Studio, One", "tagline": "HRB-001", "userRating": "8.5",
		"originalTitle": "Harbour at night – “live”", "titleSort": "Studio, One 2021-02-01 Harbour at night – “live”",
		"contentRating": "NC-17", "director": "Ann Dir", "actor": "Jane Doe, John \"Jack\" Roe",
		"genre": "Night, outdoors, Sea 🌊", "collection": "Harbours, Network & Co, Studio, One", "label": "From NAS, Stash",
	})
	it := w.item(item)
	if it.PosterSHA1 != sha1Hex(cover) || it.ArtSHA1 != sha1Hex(cover) {
		t.Errorf("poster %s, background %s; want %s", it.PosterSHA1, it.ArtSHA1, sha1Hex(cover))
	}
	if c := w.plex.Counts(); c.Writes != 1 || c.Uploads != 2 {
		t.Errorf("%d writes and %d uploads, want one PUT with everything and two pictures", c.Writes, c.Uploads)
	}
	if n := w.queued(); n != 0 {
		t.Errorf("%d jobs are left", n)
	}

	// The same value again moves the scene's updated_at and calls the hook.
	w.plex.ResetCounts()
	w.edit(scene, map[string]any{"title": "Harbour at night – “live”"})
	w.settle()
	if c := w.plex.Counts(); c.Total != 1 || c.ByRoute["GET /identity"] != 1 {
		t.Errorf("the second time Plex got %d requests, want to be asked who it is: %v\n%s", c.Total, c.ByRoute, w.log())
	}
	// A person who syncs everything has the listing read, and no item.
	w.plex.ResetCounts()
	w.task("Sync all scenes")
	if c := w.plex.Counts(); c.Writes+c.Uploads != 0 || c.ByRoute["GET /library/sections/{id}/all"] != 1 || c.Total > 4 {
		t.Errorf("a sync of everything cost %v\n%s", c.ByRoute, w.log())
	}
}

func TestABulkEditArrivesAndAsksForOneDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var ids []int64
	var items []string
	for i := range 40 {
		id, item := w.film(fmt.Sprintf("%02d.mp4", i), simstash.Scene{Title: fmt.Sprintf("Film %d", i)})
		ids, items = append(ids, id), append(items, item)
	}
	// While a task of somebody else's keeps the drain waiting, its 40 events ask
	// for one drain, however slowly the hooks follow each other.
	release := w.stash.BlockQueue("Generating...")
	defer release()
	w.mutate(`mutation($ids: [ID!]!){ bulkSceneUpdate(input: {ids: $ids, director: "Ann Dir"}) { id } }`, map[string]any{"ids": ids})
	if jobs := w.stash.Jobs(); len(jobs) != 2 {
		t.Errorf("Stash was asked for %d drains, want 1: %+v", len(jobs)-1, jobs)
	}
	release()
	w.settle()
	arrived := func(director string) {
		t.Helper()
		for i, item := range items {
			w.shows(item, map[string]string{"director": director, "title": fmt.Sprintf("Film %d", i)})
		}
		if c := w.plex.Counts(); c.Writes != len(ids) {
			t.Errorf("%d writes for %d scenes", c.Writes, len(ids))
		}
	}
	arrived("Ann Dir")
	// And while drains run beside the hooks. How many depends on the machine: a
	// drain ends when no event has come for a second.
	w.plex.ResetCounts()
	w.mutate(`mutation($ids: [ID!]!){ bulkSceneUpdate(input: {ids: $ids, director: "Bea Dir"}) { id } }`, map[string]any{"ids": ids})
	w.settle()
	arrived("Bea Dir")
}

func TestTagsOfOthersStayAndOursGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	night, sea := w.stash.AddTag(simstash.Tag{Name: "Night"}), w.stash.AddTag(simstash.Tag{Name: "Sea"})
	scene, item := w.film("a.mp4", simstash.Scene{Title: "A"})
	w.plex.EditByPerson(item, simplex.Values{Tags: map[string][]simplex.Tag{"genre": {{Name: "By hand"}, {Name: "sea"}}}})
	w.edit(scene, map[string]any{"tag_ids": []int64{night, sea}})
	w.settle()
	w.shows(item, map[string]string{"genre": "By hand, Night, sea"})
	w.edit(scene, map[string]any{"tag_ids": []int64{}, "director": "Ann"})
	w.settle()
	w.shows(item, map[string]string{"genre": "By hand, sea", "director": "Ann"})
}

func TestASceneWithoutMetadataChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"mirrorLists": true})
	scene, item := w.film("a.mp4", simstash.Scene{Cover: picture(1)})
	w.plex.EditByPerson(item, simplex.Values{Scalars: map[string]string{"title": "Mine", "summary": "Mine too"},
		Tags: map[string][]simplex.Tag{"genre": {{Name: "By hand"}}}})
	w.plex.ResetCounts()
	w.edit(scene, map[string]any{"organized": true})
	w.settle()
	if c := w.plex.Counts(); c.Total != 0 {
		t.Errorf("Plex got %d requests: %v", c.Total, c.ByRoute)
	}
}

func TestRenamingAPerformerReachesItsScenes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	jane := w.stash.AddPerformer(simstash.Performer{Name: "Jane Doe"})
	scene, item := w.film("a.mp4", simstash.Scene{Title: "A", PerformerIDs: []int64{jane}})
	_, other := w.film("b.mp4", simstash.Scene{Title: "B", PerformerIDs: []int64{jane}})
	w.edit(scene, map[string]any{"title": "A"})
	w.settle()
	w.shows(item, map[string]string{"actor": "Jane Doe"})
	w.mutate(`mutation($id: ID!){ performerUpdate(input: {id: $id, name: "Jane Roe"}) { id } }`, map[string]any{"id": jane})
	w.settle()
	w.shows(item, map[string]string{"actor": "Jane Roe"})
	w.shows(other, map[string]string{"actor": "Jane Roe"})
	w.mutate(`mutation($id: ID!){ performerDestroy(input: {id: $id}) }`, map[string]any{"id": jane})
	w.settle()
	w.shows(item, map[string]string{"actor": ""})
	w.shows(other, map[string]string{"actor": ""})
}

func TestAPosterIsUploadedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	scene, item := w.film("a.mp4", simstash.Scene{Title: "A", Cover: picture(1)})
	for range 3 {
		w.edit(scene, map[string]any{"title": "A"})
		w.settle()
	}
	w.task("Sync all scenes")
	it := w.item(item)
	if len(it.Uploads) != 1 || it.PosterSHA1 != sha1Hex(picture(1)) {
		t.Errorf("uploads %v, poster %s\n%s", it.Uploads, it.PosterSHA1, w.log())
	}
	back := "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture(2))
	w.edit(scene, map[string]any{"cover_image": back})
	w.settle()
	w.edit(scene, map[string]any{"cover_image": "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture(1))})
	w.settle()
	if it := w.item(item); len(it.Uploads) != 2 || it.PosterSHA1 != sha1Hex(picture(1)) {
		t.Errorf("after going back: uploads %v, poster %s", it.Uploads, it.PosterSHA1)
	}
}
