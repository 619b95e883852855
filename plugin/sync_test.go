package main

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/plexsync/plexsync/internal/job"
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

// TestTheSettingsReachTheWorker, which has tests of its own for what each of them does.
// (Those that other tests here set are left out.)
func TestTheSettingsReachTheWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]any{"mirrorLists": true, "keepPlexEdits": true, "scanPlex": true, "plexIsSubset": true, "maxRetries": 1})
	sea := w.stash.AddTag(simstash.Tag{Name: "Sea"})
	scene, item := w.film("a.mp4", simstash.Scene{})
	w.plex.EditByPerson(item, simplex.Values{Tags: map[string][]simplex.Tag{"genre": {{Name: "By hand"}}}})
	lacking := w.stash.AddScene(simstash.Scene{Files: []*simstash.File{{Path: "/data/new/new.mp4", Size: 5, Duration: 60}}})
	w.edit(scene, map[string]any{"title": "A", "details": "Stash's", "tag_ids": []int64{sea}})
	w.edit(lacking, map[string]any{"title": "New"})
	w.settle()
	w.shows(item, map[string]string{"genre": "Sea", "summary": "Stash's"}) // mirrorLists
	w.wantLog(simstash.LevelInfo, "Asked Plex to scan /media/new")         // scanPlex
	if n := w.queued(); n != 0 {                                           // plexIsSubset
		t.Errorf("%d jobs are left\n%s", n, w.log())
	}
	w.plex.EditByPerson(item, simplex.Values{Scalars: map[string]string{"summary": "Mine"}})
	w.edit(scene, map[string]any{"title": "B", "details": "Stash's, later"})
	w.settle()
	w.shows(item, map[string]string{"title": "B", "summary": "Mine"}) // keepPlexEdits
	w.plex.Script(simplex.Rule{Method: "PUT", Query: "id=" + item, Status: 500, Count: -1})
	w.edit(scene, map[string]any{"title": "C"})
	w.settle()
	w.task("Process queue") // a person's, so that it does not wait
	letters, err := w.db().Letters(context.Background(), job.Which{}, 10, 0)
	if err != nil || len(letters) != 1 || letters[0].Attempts != 2 { // maxRetries
		t.Errorf("letters %+v, %v\n%s", letters, err, w.log())
	}
}
