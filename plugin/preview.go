package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/plexsync/plexsync/internal/worker"
)

// preview shows what "Sync all scenes" would write, and writes nothing.
func (s *session) preview(ctx context.Context, _ NoArguments) (Preview, error) {
	w, err := s.ready(ctx)
	if err != nil {
		return Preview{}, err
	}
	s.log.Info("Preview: nothing is written")
	p, err := w.Preview(ctx, func(worker.PreviewedItem) {})
	return previewAnswer(p), err
}

// previewScenes is how many scenes a part of a preview looks at: somebody waits for it.
const previewScenes = 1000

// previewPart shows a part of a preview.
func (s *session) previewPart(ctx context.Context, q PreviewRequest) (Preview, error) {
	w, err := s.ready(ctx)
	if err != nil {
		return Preview{}, err
	}
	p, err := w.PreviewFrom(ctx, q.After, q.Limit, previewScenes)
	return previewAnswer(p), err
}

// poster reads the poster that an item shows now, of up to 2 MiB.
func (s *session) poster(ctx context.Context, q ItemRequest) (Poster, error) {
	if err := s.fatal(); err != nil {
		return Poster{}, err
	}
	px, err := s.plex(ctx, s.db, s.config)
	if err != nil {
		return Poster{}, err
	}
	kind, image, err := px.Poster(ctx, q.Key)
	if err != nil || len(image) == 0 {
		return Poster{}, err
	}
	return Poster{"data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(image)}, nil
}

func previewAnswer(p worker.Previewed) Preview {
	x := Preview{Scenes: p.Scenes, Items: p.Items, Same: p.Same, Fields: p.Fields, Skipped: p.Skipped, NotFound: p.NotFound, Unreadable: p.Unreadable, Next: p.Next}
	for _, i := range p.First {
		item := PreviewedItem{Scene: i.Scene, Title: i.Title, Key: i.Key, Poster: i.Poster, Locks: i.Locks}
		for _, f := range i.Changes {
			item.Changes = append(item.Changes, explainedField(f))
		}
		x.First = append(x.First, item)
	}
	return x
}

// previewLines is how many items the log shows.
const previewLines = 200

func logPreview(s *session, p Preview) {
	for _, i := range p.First[:min(len(p.First), previewLines)] {
		s.log.Info(fmt.Sprintf("scene %d %q -> item %s", i.Scene, s.hidden(i.Title), i.Key))
		for _, f := range i.Changes {
			s.log.Info(fmt.Sprintf("    %s: %q would become %q", f.Field, s.hidden(short(f.Plex)), s.hidden(short(*f.Write))))
		}
		if i.Poster {
			s.log.Info("    poster: the scene's cover, if it has one")
		}
	}
	if more := p.Items - previewLines; more > 0 {
		s.log.Info(fmt.Sprintf("and %d more items", more))
	}
	for _, field := range slices.Sorted(maps.Keys(p.Fields)) {
		s.log.Info(fmt.Sprintf("%s: %d items", field, p.Fields[field]))
	}
	unreadable := ""
	if p.Unreadable > 0 {
		unreadable = fmt.Sprintf(", %d could not be read in Stash", p.Unreadable)
	}
	s.log.Info(fmt.Sprintf("Preview of %d scenes: %d items would change, %d would not, %d scenes are left out, %d were not found in Plex%s. Nothing was written",
		p.Scenes, p.Items, p.Same, p.Skipped, p.NotFound, unreadable))
}
