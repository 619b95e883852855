package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/bridge"
	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/poster"
	"github.com/plexsync/plexsync/internal/scope"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/title"
	"github.com/plexsync/plexsync/internal/worker"
)

// lockPatience is how long a drain tries for its lock: hooks hold it for an
// instant to see whether a drain is alive.
const lockPatience = time.Second

// metaClient is the device that Plex sees.
const metaClient = "client_id"

func newClientID() string { return "plexsync-" + strings.ToLower(rand.Text()) }

// worker joins the queue, the two servers and the settings.
func (p *process) worker(ctx context.Context, s *session) (*worker.Worker, error) {
	c := s.config
	px, err := p.plex(ctx, s.db, c)
	if err != nil {
		return nil, err
	}
	rules, err := match.ParseRules(c.PathRules)
	if err != nil {
		return nil, err
	}
	titles, err := title.Parse(c.TitleTemplate)
	if err != nil {
		return nil, err
	}
	shape, err := poster.ParseShape(c.PosterShape)
	if err != nil {
		return nil, err
	}
	o := worker.Options{
		Libraries:    c.Libraries,
		Rules:        rules,
		Merge:        mergeOptions(c),
		Poster:       c.Fields.Poster,
		Background:   c.Fields.Background,
		Policy:       job.Policy{MaxRetries: c.MaxRetries, PlexIsSubset: c.PlexIsSubset},
		Retention:    c.DLQRetention,
		Conditions:   conditions(c),
		GenreTags:    c.GenreTags,
		LabelTags:    c.LabelTags,
		Title:        titles,
		Shape:        shape,
		ScanPlex:     c.ScanPlex,
		CompareEvery: c.CompareEvery,
		ByPerson:     s.by == "",
		Cause:        s.cause(),
		Hide:         s.hide,
	}
	return worker.New(worker.Deps{
		Store:    bridge.Store(s.db),
		Stash:    bridge.Stash(s.stash, c.Fields.Photos),
		Plex:     bridge.Plex(px),
		Log:      p.log,
		Progress: p.handler.Progress,
		Lock: func(ctx context.Context) (func(), error) {
			l, err := store.WaitLock(ctx, p.dir, store.DrainLock, lockPatience)
			if l == nil {
				return nil, err
			}
			return l.Release, nil
		},
	}, o), nil
}

// cause is what started this process, for the record of its run.
func (s *session) cause() job.Cause {
	switch s.by {
	case "":
		return job.CausePerson
	case "waker":
		return job.CauseSchedule
	}
	return job.CauseEdit
}

// conditions are the settings that say which scenes are synced.
func conditions(c config.Config) scope.Conditions {
	return scope.Conditions{OnlyOrganized: c.OnlyOrganized, OnlyStashIDs: c.OnlyStashIDs, OnlyTags: c.OnlyTags,
		ExcludeTags: c.ExcludeTags, OnlyPaths: c.OnlyPaths, ExcludePaths: c.ExcludePaths}
}

// mergeOptions translates the settings.
func mergeOptions(c config.Config) merge.Options {
	f := c.Fields
	return merge.Options{
		Title: f.Title, Summary: f.Summary, Date: f.Date, Studio: f.Studio, Director: f.Director,
		Performers: f.Performers, Tags: f.Tags, Rating: f.Rating, OriginalTitle: f.OriginalTitle,
		Tagline: f.Tagline, SortTitle: f.SortTitle, Photos: f.Photos,
		CollectStudio: f.Collections && c.Collections.Studio, CollectParents: f.Collections && c.Collections.Parents,
		CollectGroups: f.Collections && c.Collections.Groups,
		ContentRating: c.ContentRating, Labels: c.Labels,
		KeepPlexEdits: c.KeepPlexEdits, MirrorLists: c.MirrorLists, LeaveUnlocked: c.LeaveUnlocked,
	}
}

// hider replaces names by tags that are always the same for one name, so that a
// log can be followed but not read. The salt is this installation's own.
func hider(salt string) func(string) string {
	return func(s string) string {
		if s == "" {
			return ""
		}
		sum := sha256.Sum256([]byte(salt + "\x00" + s))
		ext := path.Ext(s)
		if len(ext) > 5 || strings.ContainsAny(ext, `/\ `) {
			ext = ""
		}
		return "‹" + hex.EncodeToString(sum[:4]) + "›" + ext
	}
}
