package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/scope"
)

// plan is what one job leads to: first what it is about, then what was found, then
// what there is to do. The planner fills it in, stage by stage; the committer carries
// it out and adds what came of it.
type plan struct {
	job   job.Job
	scene *Scene    // nil until Stash has answered
	at    time.Time // when Stash was asked for the scene, or for those of the subject
	// err and verdict end the plan early: whoever sets one is the last to work on it.
	err     error
	verdict job.Verdict

	wanted  merge.Wanted
	hash    string
	matched bool // found is set
	found   match.Result
	parts   []job.Part // the candidates that found was made from

	targets []*target
	cover   *Cover
	// poster and background are the pictures made of it; nil where none is to be set.
	poster, background []byte
	notes              []string // what is left out, for the log
	// scan are folders that Plex should be asked to scan.
	scan []folder
	// release are the states of items whose scene is gone, and whose labels of ours
	// go with it.
	release []job.Pushed
	// vanished are keys that the index has and Plex has not.
	vanished []string

	// answered: Plex has answered for this plan, so that it is there.
	answered bool
	// machine is the server that the plan is about; "" if none has to be known.
	machine string
	// What the store is to do when the job ends.
	queue    []job.Subject
	remember []job.Pushed
	forget   []string
}

// over reports whether the plan's end is known.
func (p *plan) over() bool { return p.err != nil || p.verdict != "" }

// target is one item that the scene belongs in.
type target struct {
	hit  match.Hit
	old  job.Pushed // what is known of the item; Key "" if nothing
	item *Item      // as read in full; nil until then
	// base is what the merge starts from, next what holds after edit.
	base, next merge.Base
	edit       merge.Edit
	// intent is what to remember before edit is written; nil if nothing is.
	intent *job.Pushed
	// contested: somebody has overwritten what we wrote, and edit writes it again.
	contested  bool
	looksAt    bool // the cover has to be looked at
	poster     bool // the cover is to be its poster
	background bool // the cover is to be its background
}

// folder is one of Plex's, in a library.
type folder struct{ section, path string }

// vanishedError says that an item which the index has is no longer in Plex.
type vanishedError struct{ key string }

func (e *vanishedError) Error() string {
	return "the item is no longer in Plex under its old key; matching it again"
}

// planner turns scenes into plans. It asks Stash, Plex and the store, and changes
// nothing in any of them: none of its fields has a method that does. (The catalogue
// may read Plex's listing anew; what it keeps of that is a copy of what Plex has.)
type planner struct {
	env
	stash     Stash
	items     ItemReader
	catalogue finder
	refs      References
	choice    choice
	// meets is the catalogue's meet, or what does more on that occasion.
	meets func(context.Context) error
	// confirm says what an error of Plex's means, see [confirm]; stopped reports
	// whether Plex should be asked nothing more.
	confirm func(context.Context, error) error
	stopped func() bool
	// suggested counts the path rules that would explain matches by name.
	suggested map[match.Rule]int
	// trashed are items of which the catalogue did not know that they are in the trash.
	trashed map[string]bool
}

// finder is what a planner needs of the catalogue.
type finder interface {
	// meet asks Plex who it is, once. Nothing below may be asked before, but renew.
	meet(ctx context.Context) error
	// machineID is that of the server.
	machineID() string
	// memory is what was written to this server.
	memory() MemoryReader
	// renew makes sure that the catalogue is as fresh as f, and reports whether it
	// had to be read for that; listAll reads all of it, once.
	renew(ctx context.Context, f freshness) (changed bool, err error)
	listAll(ctx context.Context) error
	// candidates are parts that may be of the files; truncated: there are more.
	candidates(ctx context.Context, files ...job.Lookup) (parts []job.Part, truncated bool, err error)
	// partsOf lists an item's parts; none if it is not known.
	partsOf(ctx context.Context, key string) ([]job.Part, error)
	// libraryOf is the library that has a folder; "" if none has.
	libraryOf(folder string) (section string)
}

func newPlanner(e env, stash Stash, items ItemReader, refs References, catalogue finder, confirm func(context.Context, error) error, stopped func() bool) *planner {
	if e.opt.OnlyStashIDs {
		stash.AskForStashIDs()
	}
	return &planner{env: e, stash: stash, items: items, refs: refs, catalogue: catalogue, meets: catalogue.meet,
		choice: newChoice(e.opt, scope.Tree{}), confirm: confirm, stopped: stopped, suggested: map[match.Rule]int{}, trashed: map[string]bool{}}
}

// plan plans leased jobs. Scenes whose items are known to be as they should cost Plex
// no request.
func (p *planner) plan(ctx context.Context, jobs []job.Job) []*plan {
	all, scenes := p.begin(jobs)
	for _, x := range all {
		if x.job.Subject.Kind != job.KindScene {
			protect(x, func() { p.fanOut(ctx, x) })
		}
	}
	p.stages(ctx, scenes, p.load, p.meet, p.want, p.skipUnchanged, p.find, p.read, p.merge)
	return all
}

// planFully plans one scene, and looks at its items even if nothing seems to be to do.
func (p *planner) planFully(ctx context.Context, scene int64) *plan {
	_, scenes := p.begin([]job.Job{{Subject: job.Scene(scene)}})
	p.stages(ctx, scenes, p.load)
	p.planLoaded(ctx, scenes)
	return scenes[0]
}

// planLoaded plans scenes that Stash has told, each fully. Where an item is no longer
// in Plex the catalogue is read anew, and the scene planned once more.
func (p *planner) planLoaded(ctx context.Context, scenes []*plan) {
	look := []func(context.Context, []*plan){p.meet, p.want, p.find, p.read, p.merge}
	p.stages(ctx, scenes, look...)
	var again []*plan
	for _, x := range scenes {
		var vanished *vanishedError
		if errors.As(x.err, &vanished) {
			*x = plan{job: x.job, scene: x.scene, at: x.at}
			again = append(again, x)
		}
	}
	if len(again) == 0 {
		return
	}
	if err := p.catalogue.listAll(ctx); err != nil {
		endAll(again, err)
		return
	}
	p.stages(ctx, again, look...)
}

// meet makes sure that it is known whose items are spoken of.
func (p *planner) meet(ctx context.Context, all []*plan) {
	if err := p.meets(ctx); err != nil {
		endAll(all, err)
		return
	}
	for _, x := range all {
		x.machine = p.catalogue.machineID()
	}
}

func (p *planner) begin(jobs []job.Job) (all, scenes []*plan) {
	all = make([]*plan, len(jobs))
	for i, j := range jobs {
		all[i] = &plan{job: j, at: p.now()}
		if j.Subject.Kind == job.KindScene {
			scenes = append(scenes, all[i])
		}
	}
	return all, scenes
}

// protect runs fn and turns a panic into the plan's internal error, with its stack. A
// plan that is over already is left alone.
func protect(x *plan, fn func()) {
	if x.over() {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			x.err = panicked("work on "+x.job.Subject.String(), r)
		}
	}()
	fn()
}

func panicked(op string, r any) error {
	return &job.Error{Class: job.ClassInternal, Op: op, Err: fmt.Errorf("panic: %v\n%s", r, debug.Stack())}
}

// stages hands the plans that are not over to one stage after the other. A panic
// fails those that were in the stage.
func (p *planner) stages(ctx context.Context, scenes []*plan, stages ...func(context.Context, []*plan)) {
	for _, stage := range stages {
		open := slices.DeleteFunc(slices.Clone(scenes), (*plan).over)
		if len(open) == 0 {
			break
		}
		func() {
			defer func() {
				if r := recover(); r != nil {
					endAll(open, panicked("plan scenes", r))
				}
			}()
			stage(ctx, open)
		}()
	}
}

// endAll ends the plans that are not over.
func endAll(all []*plan, err error) {
	for _, x := range all {
		if !x.over() {
			x.err = err
		}
	}
}

// fanOut queues the scenes that show a performer, studio, tag or group: those
// that Stash names, and those that showed it when we last wrote, for a subject
// that is gone.
func (p *planner) fanOut(ctx context.Context, x *plan) {
	ids := map[int64]bool{}
	x.at = p.now()
	err := p.stash.SceneIDs(ctx, x.job.Subject, func(page []int64) error {
		for _, id := range page {
			ids[id] = true
		}
		return ctx.Err()
	})
	if err != nil {
		x.err = err
		return
	}
	if x.job.Subject.Kind != job.KindLibrary {
		shown, err := p.refs.Showing(ctx, x.job.Subject)
		if err != nil {
			x.err = err
			return
		}
		for _, id := range shown {
			ids[id] = true
		}
	}
	for id := range ids {
		x.queue = append(x.queue, job.Scene(id))
	}
	slices.SortFunc(x.queue, func(a, b job.Subject) int { return int(a.ID - b.ID) })
	x.verdict = job.Done
	if len(x.queue) == 0 {
		x.verdict = job.Unchanged
	}
	p.log.Debug(fmt.Sprintf("%s: queued its %d scenes", x.job.Subject, len(x.queue)))
}

// load fetches the batch's scenes and ends the plans of those that are gone, have
// nothing to sync, or are excluded.
func (p *planner) load(ctx context.Context, all []*plan) {
	if err := p.learnTags(ctx); err != nil {
		endAll(all, err)
		return
	}
	ids := make([]int64, len(all))
	byID := map[int64]*plan{}
	for i, x := range all {
		ids[i] = x.job.Subject.ID
		byID[ids[i]] = x
	}
	found, missing, err := p.stash.Scenes(ctx, ids)
	if err != nil {
		endAll(all, err)
		return
	}
	for i := range found {
		switch x := byID[found[i].ID]; {
		case x == nil:
		case found[i].Err != nil:
			x.err = found[i].Err
		default:
			x.scene = &found[i]
		}
	}
	for _, id := range missing {
		if x := byID[id]; x != nil {
			protect(x, func() { p.gone(ctx, x) })
		}
	}
	for _, x := range all {
		switch {
		case x.over():
		case x.scene == nil:
			x.err = &job.Error{Class: job.ClassStashUnreachable, Op: "ask Stash for " + x.job.Subject.String(),
				Err: errors.New("Stash left it out of its answer")}
		default:
			if why := p.skip(x.scene); why != "" {
				x.verdict = job.Unchanged
				level := slog.LevelDebug
				if len(x.scene.Files) == 0 {
					level = slog.LevelInfo // nobody asked for that
				}
				p.log.Log(ctx, level, fmt.Sprintf("%s %s", x.job.Subject, why))
			}
		}
	}
}

// gone plans the end of a scene that Stash no longer has. An item that the scene
// had, and whose file another scene has now (a merge of scenes tells no hook),
// passes to that scene with its base.
func (p *planner) gone(ctx context.Context, x *plan) {
	if p.meet(ctx, []*plan{x}); x.over() {
		return
	}
	rows, err := p.catalogue.memory().PushedOfScenes(ctx, x.job.Subject.ID)
	if err != nil {
		x.err = err
		return
	}
	for _, old := range rows {
		heir, err := p.heirOf(ctx, old)
		if err != nil {
			x.err = err
			return
		}
		if heir == 0 || heir == x.job.Subject.ID {
			x.release = append(x.release, old)
			continue
		}
		old.Scene, old.WantedHash, old.PosterAt = heir, "", time.Time{}
		x.remember = append(x.remember, old)
		x.queue = append(x.queue, job.Scene(heir))
	}
	x.verdict = job.Gone
}

// heirOf returns the scene to which the item of a scene that is gone passes: the one that
// has its file now, or another file of an item that Plex has joined; 0 if none has.
func (p *planner) heirOf(ctx context.Context, old job.Pushed) (int64, error) {
	heir, err := p.ownerOf(ctx, old.Path)
	if err != nil || heir != 0 {
		return heir, err
	}
	parts, err := p.catalogue.partsOf(ctx, old.Key)
	if err != nil {
		return 0, err
	}
	for _, part := range parts {
		if part.Path == old.Path {
			continue
		}
		if heir, err := p.ownerOf(ctx, part.Path); err != nil || heir != 0 {
			return heir, err
		}
	}
	return 0, nil
}

// want computes the wanted states.
func (p *planner) want(_ context.Context, all []*plan) {
	for _, x := range all {
		x.wanted = merge.Want(x.scene.Meta, p.choice.merge)
		x.hash = p.wantedHash(x.wanted)
		x.notes = append(x.notes, x.wanted.Cut...)
	}
}

// merge computes the edits, and what to remember before they are written: what the
// bases will be after them, so that a process killed in the middle of a write does not
// take our own values for a person's.
func (p *planner) merge(ctx context.Context, all []*plan) {
	lost := false
	if p.opt.Merge.KeepPlexEdits {
		var err error
		if lost, err = p.catalogue.memory().MemoryLost(ctx); err != nil {
			endAll(all, err)
			return
		}
	}
	for _, x := range all {
		for _, t := range x.targets {
			base, intent, err := decodeBase(t.old)
			if err != nil {
				// Only the memory is lost, not the item: as if never written.
				p.log.Warn(fmt.Sprintf("item %s: its stored state cannot be read, so it was reset: %v", t.hit.Key, err))
				base, intent = merge.Base{}, merge.Base{}
			}
			t.base = base
			if len(t.old.Intent) > 0 {
				t.base = merge.Recover(base, intent, t.item.State)
			}
			switch {
			case t.old.Key == "" && lost:
				t.base = merge.Lost(x.wanted, t.item.State)
			case t.old.Key != t.hit.Key:
				t.base = merge.Carry(t.base, t.item.State)
			}
			t.edit, t.next = merge.Merge(t.base, x.wanted, t.item.State, p.opt.Merge)
			t.contested = contested(t, x.wanted)
			x.notes = append(x.notes, t.edit.Notes...)
			if t.edit.Empty() {
				continue
			}
			r, err := record(x, t, t.base, &t.next)
			if err != nil {
				x.err = err
				break
			}
			t.intent = &r
		}
	}
}

// contested reports whether t's edit writes a value once more that somebody else has
// overwritten since.
func contested(t *target, want merge.Wanted) bool {
	if t.old.Unread || t.old.Key != t.hit.Key {
		return false
	}
	return slices.ContainsFunc(t.edit.Scalars, func(s merge.ScalarEdit) bool {
		wrote, ok := t.base.Wrote[s.Field]
		return ok && s.Value != "" && wrote == want.Scalars[s.Field]
	})
}
