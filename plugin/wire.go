package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
)

// lockPatience is how long a drain tries for its lock: hooks hold it for an
// instant to see whether a drain is alive.
const lockPatience = time.Second

// metaClient is the device that Plex sees.
const metaClient = "client_id"

func newClientID() string { return "plexsync-" + strings.ToLower(rand.Text()) }

// worker joins the queue, the two servers and the settings. Packages worker, store,
// stash and plex do not know each other; the translation is here.
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
	by, _ := p.in.Args["by"].(string)
	o := worker.Options{
		Libraries:     c.Libraries,
		Rules:         rules,
		Merge:         mergeOptions(c),
		Poster:        c.Fields.Poster,
		Background:    c.Fields.Background,
		Policy:        job.Policy{MaxRetries: c.MaxRetries, PlexIsSubset: c.PlexIsSubset},
		Retention:     c.DLQRetention,
		OnlyOrganized: c.OnlyOrganized,
		ExcludeTags:   c.ExcludeTags,
		ScanPlex:      c.ScanPlex,
		CompareEvery:  c.CompareEvery,
		ByPerson:      by == "",
	}
	if o.Hide, err = s.hide(ctx); err != nil {
		return nil, err
	}
	return worker.New(worker.Deps{
		Queue:    s.db,
		Stash:    stashSide{s.stash, c.Fields.Photos},
		Plex:     plexSide{px},
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

// hide is what names go through on their way to the log.
func (s *session) hide(ctx context.Context) (func(string) string, error) {
	if !s.config.HidePaths {
		return func(name string) string { return name }, nil
	}
	device, err := s.db.MetaOnce(ctx, metaClient, newClientID())
	return hider(device), err
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

// stashSide is Stash as the worker sees it.
type stashSide struct {
	*stash.Client
	photos bool
}

func (s stashSide) Scenes(ctx context.Context, ids []int64) ([]worker.Scene, []int64, error) {
	found, missing, err := s.Client.Scenes(ctx, ids)
	return s.scenes(found), missing, err
}

func (s stashSide) SceneIDs(ctx context.Context, sub job.Subject, page func([]int64) error) error {
	return s.Client.SceneIDs(ctx, sub.Kind, sub.ID, page)
}

func (s stashSide) AllScenes(ctx context.Context, after int64, page func([]worker.Scene) error) error {
	return s.Client.AllScenes(ctx, after, func(found []stash.Scene) error { return page(s.scenes(found)) })
}

func (s stashSide) ScenesByBasename(ctx context.Context, name string) ([]worker.Scene, error) {
	found, err := s.Client.ScenesByBasename(ctx, name)
	return s.scenes(found), err
}

func (s stashSide) Cover(ctx context.Context, url, etag string) (worker.Cover, error) {
	c, err := s.Client.Cover(ctx, url, etag)
	return worker.Cover{Bytes: c.Bytes, ETag: c.ETag, NotModified: c.NotModified, Placeholder: c.Placeholder}, err
}

func (s stashSide) scenes(all []stash.Scene) []worker.Scene {
	out := make([]worker.Scene, len(all))
	for i, x := range all {
		m := merge.Scene{ID: x.ID, Title: x.Title, Code: x.Code, Details: x.Details, Director: x.Director,
			Date: x.Date, Rating100: x.Rating100, Studio: studioOf(x.Studio)}
		for _, p := range x.Performers {
			person := merge.Person{ID: p.ID, Name: p.Name}
			// A photo's address must not carry Stash's key to Plex.
			if s.photos && !strings.Contains(strings.ToLower(p.ImagePath), "apikey=") {
				person.ImageURL = p.ImagePath
			}
			m.Performers = append(m.Performers, person)
		}
		for _, t := range x.Tags {
			m.Tags = append(m.Tags, merge.Named{ID: t.ID, Name: t.Name})
		}
		for _, g := range x.Groups {
			m.Groups = append(m.Groups, merge.Named{ID: g.ID, Name: g.Name})
		}
		w := worker.Scene{ID: x.ID, Organized: x.Organized, Updated: x.UpdatedAt, Meta: m, CoverURL: x.ScreenshotURL}
		for _, f := range x.Files {
			w.Files = append(w.Files, match.File{Path: f.Path, Size: f.Size, Duration: f.Duration})
		}
		out[i] = w
	}
	return out
}

func studioOf(s *stash.Studio) *merge.StudioOf {
	if s == nil {
		return nil
	}
	return &merge.StudioOf{ID: s.ID, Name: s.Name, Parent: studioOf(s.Parent)}
}

// plexSide is Plex as the worker sees it.
type plexSide struct{ *plex.Client }

func (p plexSide) Identity(ctx context.Context) (machine, version string, err error) {
	id, err := p.Client.Identity(ctx)
	return id.MachineID, id.Version, err
}

func (p plexSide) Authorized(ctx context.Context) error {
	_, err := p.Server(ctx)
	return err
}

func (p plexSide) Libraries(ctx context.Context) ([]worker.Library, error) {
	sections, err := p.Sections(ctx)
	var out []worker.Library
	for _, s := range sections {
		if s.Type == "movie" {
			out = append(out, worker.Library{Key: s.Key, Title: s.Title, Folders: s.Locations})
		}
	}
	return out, err
}

func (p plexSide) List(ctx context.Context, section string, since time.Time, page func([]job.Part) error) error {
	_, err := p.Client.List(ctx, section, since, func(parts []plex.Part) error {
		out := make([]job.Part, len(parts))
		for i, x := range parts {
			out[i] = job.Part{Key: x.Key, Index: x.Index, Section: x.Section, Path: x.Path, Size: x.Size, Duration: x.Duration,
				Thumb: x.Thumb, UpdatedAt: x.UpdatedAt}
		}
		return page(out)
	})
	return err
}

func (p plexSide) Items(ctx context.Context, keys []string) ([]worker.Item, error) {
	items, err := p.Client.Items(ctx, keys)
	out := make([]worker.Item, len(items))
	for i, x := range items {
		state := merge.Item{Scalars: map[merge.Field]string{}, Lists: map[merge.Field][]merge.Tag{}, Locked: map[merge.Field]bool{}}
		for f, v := range x.Scalars {
			state.Scalars[merge.Field(f)] = v
		}
		for f, tags := range x.Lists {
			for _, t := range tags {
				state.Lists[merge.Field(f)] = append(state.Lists[merge.Field(f)], merge.Tag{Name: t.Name, Role: t.Role, Thumb: t.Thumb})
			}
		}
		for f, locked := range x.Locked {
			state.Locked[merge.Field(f)] = locked
		}
		out[i] = worker.Item{Key: x.Key, Section: x.Section, Title: x.Title, Thumb: x.Thumb, State: state}
	}
	return out, err
}

func (p plexSide) Edit(ctx context.Context, section, key string, e merge.Edit, long bool) error {
	write := p.Client.Edit
	if long {
		write = p.Client.EditLong
	}
	_, err := write(ctx, section, key, plexEdit(e))
	return err
}

func (p plexSide) Chunked(section, key string, e merge.Edit) bool {
	return p.Client.Chunked(section, key, plexEdit(e))
}

func (p plexSide) SetPicture(ctx context.Context, key string, slot worker.Slot, img []byte) error {
	where := plex.Poster
	if slot == worker.Background {
		where = plex.Art
	}
	_, err := p.Client.SetPicture(ctx, key, where, img)
	if errors.Is(err, plex.ErrPicture) {
		return fmt.Errorf("%w: %w", worker.ErrPicture, err)
	}
	return err
}

func (p plexSide) Writes() int {
	s := p.Stats()
	return s.Writes + s.Uploads
}

func plexEdit(e merge.Edit) plex.Edit {
	var out plex.Edit
	for _, s := range e.Scalars {
		out.Scalars = append(out.Scalars, plex.ScalarEdit{Field: string(s.Field), Value: s.Value})
	}
	for _, l := range e.Lists {
		x := plex.ListEdit{Field: string(l.Field), Remove: l.Remove}
		for _, t := range l.Full {
			x.Full = append(x.Full, plex.Tag{Name: t.Name, Role: t.Role, Thumb: t.Thumb})
		}
		out.Lists = append(out.Lists, x)
	}
	for _, f := range e.Lock {
		out.Lock = append(out.Lock, string(f))
	}
	for _, f := range e.Unlock {
		out.Unlock = append(out.Unlock, string(f))
	}
	return out
}
