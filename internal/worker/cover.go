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
	"strings"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/poster"
)

// wantedHash is the hash of everything that makes us look at an item again.
func (p *planner) wantedHash(want merge.Wanted) string {
	shape := ""
	if p.opt.Poster {
		shape = p.opt.Shape.Key()
	}
	return want.Hash() + strconv.FormatBool(p.opt.Poster)[:1] + strconv.FormatBool(p.opt.Background)[:1] + shape
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
	return (!p.opt.Poster || old.PosterHash != "" && !p.reshapes(old)) && (!p.opt.Background || old.ArtHash != "")
}

// hasPicture reports whether the pictures that the item has from us were made of the
// cover with this hash.
func (p *planner) hasPicture(old job.Pushed, hash string) bool {
	return (!p.opt.Poster || old.PosterHash == shaped(hash, p.opt.Shape)) && (!p.opt.Background || old.ArtHash == hash)
}

// looksAtCover reports whether the scene's cover may differ from the poster that
// Plex has from us.
func (p *planner) looksAtCover(s *Scene, old job.Pushed) bool {
	return (p.opt.Poster || p.opt.Background) && s.CoverURL != "" && (old.Scene != s.ID || !old.PosterAt.Equal(s.Updated) || p.reshapes(old))
}

// shaped is what is remembered of a poster: the hash of its cover, and its shape. The
// poster's own bytes would differ with each release of Go.
func shaped(hash string, s poster.Shape) string {
	hash, _, _ = strings.Cut(hash, ":")
	if key := s.Key(); hash != "" && key != "" {
		return hash + ":" + key
	}
	return hash
}

// reshapes reports whether the item has a poster from us that has another shape than
// it should.
func (p *planner) reshapes(old job.Pushed) bool {
	return p.opt.Poster && old.PosterHash != shaped(old.PosterHash, p.opt.Shape)
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
		t.poster = p.opt.Poster && (!(same && t.old.PosterHash == shaped(hash, p.opt.Shape)) || theirs) && !(theirs && p.opt.Merge.KeepPlexEdits)
		t.background = p.opt.Background && !(same && t.old.ArtHash == hash)
	}
}

// shapeCover makes the pictures for Plex of the plan's cover. What Plex cannot be given
// is left out with a note. Pictures are made one at a time, see [poster.Make].
func (p *planner) shapeCover(x *plan) {
	if x.cover == nil || len(x.cover.Bytes) == 0 {
		return
	}
	wants := func(of func(*target) *bool) bool {
		return slices.ContainsFunc(x.targets, func(t *target) bool { return *of(t) })
	}
	draw := func(slot string, shape poster.Shape, of func(*target) *bool) []byte {
		if !wants(of) {
			return nil
		}
		picture, err := poster.Make(x.cover.Bytes, shape)
		if err != nil {
			x.notes = append(x.notes, fmt.Sprintf("%s left out: the cover %v", slot, err))
			for _, t := range x.targets {
				*of(t) = false
			}
			return nil
		}
		if picture.Note != "" {
			x.notes = append(x.notes, fmt.Sprintf("%s: the cover %s", slot, picture.Note))
		}
		return picture.Bytes
	}
	x.poster = draw("poster", p.opt.Shape, func(t *target) *bool { return &t.poster })
	x.background = draw("background", poster.Original, func(t *target) *bool { return &t.background })
}

func sha1Hex(b []byte) string {
	sum := sha1.Sum(b)
	return hex.EncodeToString(sum[:])
}
