package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/scope"
)

// metaChosen remembers by which settings scenes and tags were chosen, and which tags.
const metaChosen = "chosen"

// chosen is what is stored there.
type chosen struct {
	Conditions           scope.Conditions
	GenreTags, LabelTags []string
	// Tags are, where they have to be known, those of Stash by their ids, each with the
	// settings that mean it.
	Tags map[int64]marks `json:",omitempty"`
}

// marks are the settings that mean a tag: bits, in the order of [marksOf].
type marks int

// tagSettings are the settings that name tags.
func (o Options) tagSettings() [][]string {
	return [][]string{o.OnlyTags, o.ExcludeTags, o.GenreTags, o.LabelTags}
}

// marksOf finds out which settings mean which of Stash's tags.
func marksOf(o Options, tags []scope.Tag, tree scope.Tree) map[int64]marks {
	only, exclude := scope.NewTags(o.OnlyTags, tree), scope.NewTags(o.ExcludeTags, tree)
	genres, labels := scope.Genres(o.GenreTags, tree), scope.Labels(o.LabelTags, tree)
	all := make(map[int64]marks, len(tags))
	for _, t := range tags {
		var m marks
		for i, has := range []func(int64, string) bool{only.Has, exclude.Has, genres.Has, labels.Has} {
			if has(t.ID, t.Name) {
				m |= 1 << i
			}
		}
		all[t.ID] = m
	}
	return all
}

// chooseAgain queues what looks otherwise since the last look, because a condition or a tag
// of Stash was changed: the scenes that the conditions now let in and did not before, and
// those with a tag that a setting means now and did not before, or the other way round.
// (A tag that is new, gone or has another name has an event of its own.) Without a change
// nothing is asked, unless the settings speak of tags by what is above them.
func (d *drain) chooseAgain(ctx context.Context) error {
	text, err := d.notes.Meta(ctx, metaChosen)
	if err != nil {
		return err
	}
	var before chosen
	known := text != "" && json.Unmarshal([]byte(text), &before) == nil
	now := chosen{Conditions: d.opt.Conditions, GenreTags: d.opt.GenreTags, LabelTags: d.opt.LabelTags}
	changed := !known || !sameJSON(chosen{before.Conditions, before.GenreTags, before.LabelTags, nil}, now)
	if !changed && !d.opt.needsTree() {
		return nil
	}
	var subjects []job.Subject
	queue := func(ids []int64) error {
		all := make([]job.Subject, len(ids))
		for i, id := range ids {
			all[i] = job.Scene(id)
		}
		subjects = append(subjects, all...)
		return d.jobs.Enqueue(ctx, d.now(), job.PriorityBulk, all...)
	}
	err = d.lookAnew(ctx, known, changed, before, &now, queue)
	switch {
	case err == nil:
	case errors.Is(err, job.ErrStore), job.Interrupted(ctx, err):
		return err
	default:
		var setting *settingError
		if !errors.As(err, &setting) { // that one the first job tells
			d.guard.stashFailed(ctx, err)
		}
		return nil // as nothing is remembered, the next drain looks again
	}
	if n := len(subjects); n > 0 {
		d.log.Info(fmt.Sprintf("The conditions or the tags that they speak of have changed: queued %s", plural(n, "scene", "scenes")))
	}
	data, err := json.Marshal(now)
	if err != nil || string(data) == text {
		return err
	}
	return d.notes.SetMeta(ctx, metaChosen, string(data))
}

// lookAnew hands queue what chooseAgain is to queue, and fills in now's tags.
func (d *drain) lookAnew(ctx context.Context, known, changed bool, before chosen, now *chosen, queue func([]int64) error) error {
	if d.planner.choice.err != nil {
		return d.planner.choice.err
	}
	var tags []scope.Tag
	var tree scope.Tree
	speaks := slices.ContainsFunc(append(d.opt.tagSettings(), before.Conditions.OnlyTags, before.Conditions.ExcludeTags), func(s []string) bool { return len(s) > 0 })
	if speaks {
		var err error
		if tags, err = d.planner.relearnTags(ctx); err != nil {
			return err
		}
		tree = scope.NewTree(tags)
	}
	if d.opt.needsTree() {
		now.Tags = marksOf(d.opt, tags, tree)
	}
	if changed {
		d.warnOfTags(tree)
	}
	switch {
	case !known:
		return nil
	case changed && !sameJSON(before.Conditions, now.Conditions):
		return d.letIn(ctx, before.Conditions, tree, queue)
	case changed || before.Tags == nil:
		return nil // genres and labels are what a comparison finds
	}
	var moved []int64
	for id, m := range now.Tags {
		if old, there := before.Tags[id]; there && old != m {
			moved = append(moved, id)
		}
	}
	slices.Sort(moved)
	for _, id := range moved {
		if err := d.planner.stash.SceneIDs(ctx, job.Subject{Kind: job.KindTag, ID: id}, queue); err != nil {
			return err
		}
	}
	return nil
}

// letIn hands queue the scenes that the conditions let in, and did not as they were
// before.
func (d *drain) letIn(ctx context.Context, before scope.Conditions, tree scope.Tree, queue func([]int64) error) error {
	if before.OnlyStashIDs {
		d.planner.stash.AskForStashIDs()
	}
	old, err := scope.NewRules(before, tree)
	if err != nil {
		return nil // as if it had let everything in
	}
	return d.planner.stash.AllScenes(ctx, 0, func(page []Scene) error {
		var in []int64
		for i := range page {
			s := scoped(&page[i])
			if page[i].Err == nil && old.Decide(s).Out() && !d.planner.choice.rules.Decide(s).Out() {
				in = append(in, page[i].ID)
			}
		}
		return queue(in)
	})
}

// warnOfTags tells which entries of the settings mean no tag of Stash's.
func (d *drain) warnOfTags(tree scope.Tree) {
	for _, p := range TagProblems(d.opt, tree, d.opt.Hide) {
		if p.Stops {
			d.log.Error(p.Setting + ": " + p.Text)
		} else {
			d.log.Warn(p.Setting + ": " + p.Text)
		}
	}
}

// TagProblem is something wrong with a setting that names tags.
type TagProblem struct {
	Setting, Text string
	Stops         bool // no scene can be synced
}

// TagProblems finds the entries of the settings that mean none of Stash's tags. hide
// replaces names; nil = as they are.
func TagProblems(o Options, tree scope.Tree, hide func(string) string) (all []TagProblem) {
	c := newChoice(o, tree)
	only, exclude := c.rules.Unknown(tree)
	for _, x := range []struct {
		setting string
		unknown []scope.Unknown
	}{{"onlyTags", only}, {"excludeTags", exclude}, {"genreTags", c.genres.Unknown(tree)}, {"labelTags", c.labels.Unknown(tree)}} {
		for _, u := range x.unknown {
			if hide != nil {
				u.Entry, u.Near = hide(u.Entry), hide(u.Near)
			}
			all = append(all, TagProblem{Setting: x.setting, Text: u.String()})
		}
	}
	if c.rules.LetsNothingThrough(tree) {
		all = append(all, TagProblem{"onlyTags", "none of its entries matches a tag in Stash, so no scene is synced", true})
	}
	return all
}

// sameJSON reports whether two values are stored alike.
func sameJSON(a, b any) bool {
	x, xerr := json.Marshal(a)
	y, yerr := json.Marshal(b)
	return xerr == nil && yerr == nil && string(x) == string(y)
}

// tagMoves reports whether a job is about a tag, so that another may be below it since the
// tags were read.
func (d *drain) tagMoves(jobs []job.Job) bool {
	return d.opt.needsTree() && slices.ContainsFunc(jobs, func(j job.Job) bool { return j.Subject.Kind == job.KindTag })
}
