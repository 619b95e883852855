package worker

import (
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
)

// wantedHash is the hash of everything that makes us look at an item again.
func (p *planner) wantedHash(want merge.Wanted) string {
	return want.Hash() + strconv.FormatBool(p.opt.Poster)[:1] + strconv.FormatBool(p.opt.Background)[:1]
}

// skipUnchanged ends the plans of scenes whose items have the wanted state already,
// as far as can be told without asking Plex.
func (p *planner) skipUnchanged(ctx context.Context, all []*plan) {
	known := p.matchAll(ctx, all)
	for _, x := range all {
		if rows := known[x.scene.ID]; !x.over() && p.asPushed(x, rows) {
			protect(x, func() { p.coverAsPushed(ctx, x, shown(x, rows)) })
		}
	}
}

// asPushed reports whether every item of the scene is as we last wrote it, pictures
// apart, as far as can be told without asking Plex.
func (p *planner) asPushed(x *plan, known []job.Pushed) bool {
	if len(known) == 0 || len(x.found.Hits) == 0 {
		return false
	}
	for _, h := range x.found.Hits {
		i := slices.IndexFunc(known, func(old job.Pushed) bool { return old.Key == h.Key })
		if i < 0 || !x.current(known[i]) {
			return false
		}
	}
	return true
}

// current reports whether an item has the scene's wanted state, as far as we know.
func (x *plan) current(old job.Pushed) bool {
	return old.WantedHash == x.hash && len(old.Intent) == 0
}

// shown are those of a scene's states whose items it has now. (The others' have gone
// from Plex.)
func shown(x *plan, rows []job.Pushed) []job.Pushed {
	if len(x.found.Hits) == 0 {
		return rows
	}
	return slices.DeleteFunc(slices.Clone(rows), func(old job.Pushed) bool {
		return !slices.ContainsFunc(x.found.Hits, func(h match.Hit) bool { return h.Key == old.Key })
	})
}

// coverAsPushed ends the plan of a scene whose items are as we left them, unless its
// cover turns out to be another. Only Stash is asked.
func (p *planner) coverAsPushed(ctx context.Context, x *plan, known []job.Pushed) {
	etag, looks := known[0].PosterETag, false
	for _, old := range known {
		looks = looks || p.looksAtCover(x.scene, old)
		if old.PosterETag != etag || !p.hasPictures(old) {
			etag = ""
		}
	}
	if looks {
		// The bytes are not kept: a batch of them would be large. Should they be
		// new, the cover is fetched again when it is written.
		c, err := p.stash.Cover(ctx, x.scene.CoverURL, etag)
		if err != nil {
			return // told when it is fetched to be written
		}
		for _, old := range known {
			if !c.NotModified && !c.Placeholder && !p.hasPicture(old, sha1Hex(c.Bytes)) {
				return
			}
			if !c.Placeholder {
				old.PosterAt, old.PosterETag = x.scene.Updated, cmp.Or(c.ETag, old.PosterETag)
				x.remember = append(x.remember, old)
			}
		}
	}
	x.verdict = job.Unchanged
}

// hasPictures reports whether an item has from us every picture that it should,
// so that an unmodified cover needs nothing.
func (p *planner) hasPictures(old job.Pushed) bool {
	return (!p.opt.Poster || old.PosterHash != "") && (!p.opt.Background || old.ArtHash != "")
}

// hasPicture reports whether these are the pictures that the item has from us.
func (p *planner) hasPicture(old job.Pushed, hash string) bool {
	return (!p.opt.Poster || old.PosterHash == hash) && (!p.opt.Background || old.ArtHash == hash)
}

// looksAtCover reports whether the scene's cover may differ from the poster that
// Plex has from us.
func (p *planner) looksAtCover(s *Scene, old job.Pushed) bool {
	return (p.opt.Poster || p.opt.Background) && s.CoverURL != "" && (old.Scene != s.ID || !old.PosterAt.Equal(s.Updated))
}

// posterMoved reports whether the item shows another poster than after our write.
func (p *planner) posterMoved(old job.Pushed, item *Item) bool {
	return p.opt.Poster && old.PosterHash != "" && old.Thumb != "" && item.Thumb != old.Thumb
}

// putsBack reports whether the poster that we set is to be set again, because the
// item shows another.
func (p *planner) putsBack(t *target) bool {
	return t.old.Key == t.hit.Key && !p.opt.Merge.KeepPlexEdits && p.posterMoved(t.old, t.item)
}

// fetchCover asks Stash for the scene's cover, if the one that Plex has may be
// another, and decides for which pictures it is needed.
func (p *planner) fetchCover(ctx context.Context, x *plan) {
	// One request for all targets: conditional only if it would tell for each.
	etag, looks := "", false
	for _, t := range x.targets {
		if !t.looksAt {
			continue
		}
		switch known := t.old.Key == t.hit.Key && p.hasPictures(t.old) && !p.putsBack(t); {
		case !looks && known:
			etag = t.old.PosterETag
		case !known || etag != t.old.PosterETag:
			etag = ""
		}
		looks = true
	}
	if !looks {
		return
	}
	c, err := p.stash.Cover(ctx, x.scene.CoverURL, etag)
	if err != nil {
		if class := job.ClassOf(err); class == job.ClassRejected || errors.Is(err, ErrPicture) {
			x.notes = append(x.notes, fmt.Sprintf("poster left out: %v", err))
			return
		}
		x.err = err
		return
	}
	x.cover = &c
	if c.NotModified || c.Placeholder {
		return
	}
	hash := sha1Hex(c.Bytes)
	for _, t := range x.targets {
		if !t.looksAt {
			continue
		}
		same := t.old.Key == t.hit.Key
		// A thumb that moved since our write is a person's choice.
		theirs := same && p.posterMoved(t.old, t.item)
		t.poster = p.opt.Poster && (!(same && t.old.PosterHash == hash) || theirs) && !(theirs && p.opt.Merge.KeepPlexEdits)
		t.background = p.opt.Background && !(same && t.old.ArtHash == hash)
	}
}

func sha1Hex(b []byte) string {
	sum := sha1.Sum(b)
	return hex.EncodeToString(sum[:])
}
