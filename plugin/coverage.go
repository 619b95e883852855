package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
)

// metaCoverage remembers, for one comparison, how many scenes it left out although
// something had been written for them before.
const metaCoverage = "coverage"

// overlap is what is stored there.
type overlap struct {
	Of     time.Time `json:"of"` // the end of the comparison
	Scenes int       `json:"scenes"`
}

// coverage counts Stash's scenes by how far they are in sync: from what is remembered of
// scenes, and what the last comparison found of those of which nothing is.
func (s *session) coverage(ctx context.Context) (Coverage, error) {
	known, err := s.db.Coverage(ctx)
	if err != nil {
		return Coverage{}, err
	}
	ended, _, err := worker.LastCompare(ctx, s.db)
	if err != nil {
		return Coverage{}, err
	}
	scenes, err := s.stash.SceneCount(ctx)
	if err != nil {
		return Coverage{}, err
	}
	both, err := s.overlap(ctx, known, ended, scenes)
	if err != nil {
		return Coverage{}, err
	}
	c := coverageOf(known, ended.Found, both, scenes)
	if !ended.Began.IsZero() { // a first one is scheduled as if one had ended when PlexSync was set up
		c.Compared = Time{ended.Ended}
	}
	c.NextCompare.Time, err = nextCompare(ctx, s.db, s.config.CompareEvery)
	return c, err
}

// overlap is how many scenes the last comparison left out although something had been
// written for them: they were synced, and then given a tag that excludes them, say. It is
// counted once for each comparison, as soon as somebody asks after it.
func (s *session) overlap(ctx context.Context, known store.Coverage, ended worker.Comparing, scenes int) (int, error) {
	if ended.Began.IsZero() {
		return 0, nil
	}
	text, err := s.db.Meta(ctx, metaCoverage)
	if err != nil {
		return 0, err
	}
	var o overlap
	if json.Unmarshal([]byte(text), &o) == nil && o.Of.Equal(ended.Ended) {
		return o.Scenes, nil
	}
	left := ended.Found.Excluded + ended.Found.WithoutMetadata
	o = overlap{Of: ended.Ended, Scenes: max(0, remembered(known)+left-scenes)}
	data, err := json.Marshal(o)
	if err != nil {
		return 0, err
	}
	return o.Scenes, s.db.SetMeta(ctx, metaCoverage, string(data))
}

// remembered is how many scenes something is remembered of.
func remembered(k store.Coverage) int {
	return k.Synced + k.Waiting + k.NotInPlex + k.Joined + k.Dead
}

// coverageOf joins what is remembered with what the last comparison found, so that the
// counts add up to scenes. both is how many scenes are in the one and in the other.
func coverageOf(k store.Coverage, found worker.Found, both, scenes int) Coverage {
	c := Coverage{
		Scenes: scenes, Synced: max(0, k.Synced-both), Waiting: k.Waiting, NotInPlex: k.NotInPlex, Joined: k.Joined, Dead: k.Dead,
		WithoutMetadata: found.WithoutMetadata,
		Excluded:        Tally[Exclusion]{},
	}
	other := found.Excluded - found.NoFile - found.NotOrganized - found.NoStashID - found.NoRequiredTag - found.ByTag - found.OutsidePaths - found.ByPath
	left := []struct {
		reason Exclusion
		n      int
	}{{ExcludedOther, other}, {ExcludedPath, found.ByPath}, {ExcludedOutsidePaths, found.OutsidePaths}, {ExcludedTag, found.ByTag},
		{ExcludedNoRequiredTag, found.NoRequiredTag}, {ExcludedNoStashID, found.NoStashID}, {ExcludedNotOrganized, found.NotOrganized}, {ExcludedNoFile, found.NoFile}}
	rest := scenes - c.Synced - c.Waiting - c.NotInPlex - c.Joined - c.Dead
	// Fewer are left than the comparison found: some have metadata by now, or are in Plex.
	fits := func(n int) int {
		n = max(0, min(n, rest))
		rest -= n
		return n
	}
	for i := len(left) - 1; i >= 0; i-- {
		if n := fits(left[i].n); n > 0 {
			c.Excluded[left[i].reason] = n
		}
	}
	c.WithoutMetadata = fits(c.WithoutMetadata)
	c.Unchecked = max(0, rest)
	// More are remembered than Stash has: some are gone, and their jobs not yet processed.
	for _, n := range []*int{&c.Synced, &c.Waiting, &c.NotInPlex, &c.Joined, &c.Dead} {
		if rest >= 0 {
			break
		}
		cut := min(*n, -rest)
		*n -= cut
		rest += cut
	}
	return c
}

// sentence says how many scenes are in sync, and why the others are not.
func (c Coverage) sentence() string {
	var why []string
	excluded := 0
	for _, n := range c.Excluded {
		excluded += n
	}
	for _, x := range []struct {
		n    int
		what string
	}{
		{c.Waiting, "waiting to sync"}, {c.NotInPlex, "not in Plex"}, {c.Dead, "need your attention"}, {c.Joined, "share a Plex item with another scene"},
		{excluded, "left out by your settings"}, {c.WithoutMetadata, "without metadata"}, {c.Unchecked, "not checked yet"},
	} {
		if x.n > 0 {
			why = append(why, fmt.Sprintf("%d %s", x.n, x.what))
		}
	}
	text := fmt.Sprintf("%d of %d scenes are in sync", c.Synced, c.Scenes)
	if len(why) > 0 {
		text += ": " + strings.Join(why, ", ")
	}
	return text
}

// manyJobs is how many jobs make a run worth a line about the whole library.
const manyJobs = 20

// logCoverage says at the end of a sync of many scenes, or of a comparison, how many scenes
// are in sync. It is for people only, so that an error changes nothing.
func (s *session) logCoverage(ctx context.Context, r job.Run) {
	ended, _, err := worker.LastCompare(ctx, s.db)
	if err != nil || r.Processed() < manyJobs && (ended.Began.IsZero() || ended.Ended.Before(r.Started)) {
		return
	}
	if c, err := s.coverage(ctx); err == nil {
		s.log.Info(c.sentence())
	}
}

// progress is how far a drain that runs is; nil if none does.
func (s *session) progress(ctx context.Context, o *Overview) (*Progress, error) {
	if !o.Draining || len(o.Runs) == 0 || !o.Runs[0].Ended.IsZero() {
		return nil, nil
	}
	run := o.Runs[0]
	p := Progress{Started: run.Started, Done: run.Done + run.Unchanged + run.Retry + run.Dead + run.Gone}
	p.Total = p.Done + o.Due + o.Leased
	_, under, err := worker.LastCompare(ctx, s.db)
	if err != nil {
		return nil, err
	}
	if !under.Began.IsZero() && o.Due+o.Leased == 0 {
		p = Progress{Comparing: true, Started: Time{under.Began}, Done: under.Found.Scenes(), Total: under.Total}
	}
	if took := o.Now.Sub(p.Started.Time).Seconds(); took > 0 {
		p.PerSecond = float64(p.Done) / took
	}
	return &p, nil
}
