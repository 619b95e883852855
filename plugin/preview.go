package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/plexsync/plexsync/internal/worker"
)

// previewLines is how many items a preview tells in the log.
const previewLines = 200

// preview tells what "Sync all scenes" would write, and writes nothing.
func (p *process) preview(ctx context.Context, s *session) (any, error) {
	if err := s.fatal(); err != nil {
		return nil, err
	}
	w, err := p.worker(ctx, s)
	if err != nil {
		return nil, err
	}
	hide, err := s.hide(ctx)
	if err != nil {
		return nil, err
	}
	p.log.Info("Preview: nothing is written")
	lines := 0
	r, err := w.Preview(ctx, func(i worker.PreviewedItem) {
		if lines++; lines > previewLines {
			return
		}
		p.log.Info(fmt.Sprintf("scene %d %q -> item %s", i.Scene, hide(i.Title), i.Key))
		for _, c := range i.Changes {
			p.log.Info(fmt.Sprintf("    %s: %q would become %q", c.Field, hide(short(c.Plex)), hide(short(*c.Write))))
		}
		if i.Poster {
			p.log.Info("    poster: the scene's cover, if it has one")
		}
	})
	if err != nil {
		return nil, err
	}
	if more := r.Items - previewLines; more > 0 {
		p.log.Info(fmt.Sprintf("and %d items more", more))
	}
	for _, field := range slices.Sorted(maps.Keys(r.Fields)) {
		p.log.Info(fmt.Sprintf("%s: %d items", field, r.Fields[field]))
	}
	p.log.Info(fmt.Sprintf("Preview of %d scenes: %d items would be written, %d would not, %d scenes are left alone, %d are not found in Plex. Nothing was written",
		r.Scenes, r.Items, r.Same, r.Skipped, r.NotFound))
	return r, nil
}

// previewPage is a part of a preview: what would be written for the scenes after one.
func (p *process) previewPage(ctx context.Context, s *session) (any, error) {
	if err := s.fatal(); err != nil {
		return nil, err
	}
	after := int64(0)
	if v, given := p.in.Args["after"]; given && fmt.Sprint(v) != "0" {
		var err error
		if after, err = positive("after", v); err != nil {
			return nil, err
		}
	}
	w, err := p.worker(ctx, s)
	if err != nil {
		return nil, err
	}
	limit, _ := p.limits()
	return w.PreviewFrom(ctx, after, limit, 1000)
}
