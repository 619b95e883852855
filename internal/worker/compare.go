package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/merge"
)

// Comparing is a compare that is wanted, under way or over: where it is, and what it
// has found. It is stored after each page, so that it goes on where it was.
type Comparing struct {
	// Asked is when it was asked for, Began when its listing of Plex began; zero if
	// it has not begun.
	Asked time.Time `json:"asked"`
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Full: every item is read in full, because a person asked.
	Full bool `json:"full"`
	// Total is how many scenes Stash had at its begin.
	Total int `json:"total"`
	// After is the last scene that was looked at.
	After int64 `json:"after"`
	Found Found `json:"found"`
}

// Found counts the scenes of a compare by what was found. Those above the line were
// queued.
type Found struct {
	NeverPushed    int `json:"never_pushed"`
	ChangedInStash int `json:"changed_in_stash"`
	ChangedInPlex  int `json:"changed_in_plex"`
	// Rekeyed scenes have an item under another key than before.
	Rekeyed int `json:"rekeyed"`
	// Gone scenes are no longer in Stash.
	Gone int `json:"gone"`

	// NotInPlex scenes, and Joined ones, whose item is another scene's, were queued if
	// that was not known of them.
	NotInPlex int `json:"not_in_plex"`
	Joined    int `json:"joined"`
	Same      int `json:"same"`
	// WithoutMetadata and Excluded scenes (by a setting, or without a file) are left
	// alone. Waiting scenes have a job already, Dead ones a letter that only a person
	// or a new event revives.
	WithoutMetadata int `json:"without_metadata"`
	Excluded        int `json:"excluded"`
	// Unreadable scenes, which Stash cannot read, were queued, so that their jobs say so.
	Unreadable int `json:"unreadable"`
	// Of the Excluded scenes: those without a file, and those that a condition leaves
	// out ([scope.Reason]). The first that applies counts, in this order.
	NoFile        int `json:"no_file,omitzero"`
	NotOrganized  int `json:"not_organized,omitzero"`
	NoStashID     int `json:"no_stash_id,omitzero"`
	NoRequiredTag int `json:"no_required_tag,omitzero"`
	ByTag         int `json:"by_tag,omitzero"`
	OutsidePaths  int `json:"outside_paths,omitzero"`
	ByPath        int `json:"by_path,omitzero"`
	Waiting       int `json:"waiting"`
	Dead          int `json:"dead"`
	// Queued is how many jobs were made.
	Queued int `json:"queued"`
}

// Scenes is how many scenes were looked at.
func (f Found) Scenes() int {
	return f.NeverPushed + f.ChangedInStash + f.ChangedInPlex + f.Rekeyed + f.NotInPlex + f.Joined + f.Same + f.WithoutMetadata + f.Excluded + f.Unreadable + f.Waiting + f.Dead
}

// String tells all that is not zero.
func (f Found) String() string {
	var all []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{f.NeverPushed, "never pushed"}, {f.ChangedInStash, "changed in Stash"}, {f.ChangedInPlex, "changed in Plex"},
		{f.Rekeyed, "under a new key in Plex"}, {f.Gone, "gone from Stash"}, {f.NotInPlex, "not in Plex"}, {f.Joined, "joined with others in Plex"}, {f.Same, "the same"},
		{f.WithoutMetadata, "without metadata"}, {f.Excluded, "excluded"}, {f.Unreadable, "unreadable in Stash"}, {f.Waiting, "queued already"}, {f.Dead, "dead letters"},
	} {
		if c.n > 0 {
			all = append(all, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	return strings.Join(all, ", ")
}

const (
	// metaCompared holds the last Comparing that ended, job.MetaCompare the one that is
	// wanted or under way.
	metaCompared = "compared"
	// A compare that was cut short goes on where it was for so long.
	compareGoesOn = 6 * time.Hour
)

// AskCompare makes the next drain compare the whole library, and a running one when
// it has nothing else to do. One that is under way is not begun anew, unless full is
// set and it is not.
func AskCompare(ctx context.Context, notes Notes, now time.Time, full bool) error {
	var c Comparing
	if err := readMeta(ctx, notes, job.MetaCompare, &c); err != nil {
		return err
	}
	if !c.Asked.IsZero() && (c.Full || !full) && !old(now, c.Asked, compareGoesOn) {
		return nil
	}
	return writeMeta(ctx, notes, job.MetaCompare, Comparing{Asked: now.UTC(), Full: full})
}

// LastCompare is the last compare that ended, and the one that is wanted or under way;
// zero if there is none.
func LastCompare(ctx context.Context, notes Notes) (ended, wanted Comparing, err error) {
	if err = readMeta(ctx, notes, metaCompared, &ended); err == nil {
		err = readMeta(ctx, notes, job.MetaCompare, &wanted)
	}
	return ended, wanted, err
}

// readMeta decodes a stored value; one that cannot be read is as if it were not there.
func readMeta(ctx context.Context, notes Notes, key string, out any) error {
	text, err := notes.Meta(ctx, key)
	if err == nil && text != "" {
		json.Unmarshal([]byte(text), out)
	}
	return err
}

func writeMeta(ctx context.Context, notes Notes, key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return notes.SetMeta(ctx, key, string(text))
}

// comparer finds out what differs between Stash and Plex, and queues it. It writes
// nothing to Plex.
type comparer struct {
	env
	planner   *planner
	catalogue *catalogue
	guard     *guard
	stash     Stash
	jobs      Jobs
	letters   Letters
	servers   Servers
	notes     Notes
	progress  *progress
	wrote     func() bool // this drain wrote to Plex
}

// schedule asks for a compare if the last one is older than the setting says. The
// time begins with the first drain ever: a new installation is not synced whole before
// anybody has looked at its settings.
func (c *comparer) schedule(ctx context.Context) error {
	if c.opt.CompareEvery <= 0 {
		return nil
	}
	ended, wanted, err := LastCompare(ctx, c.notes)
	if err != nil || !wanted.Asked.IsZero() {
		return err
	}
	now := c.now()
	if ended.Ended.IsZero() {
		return writeMeta(ctx, c.notes, metaCompared, Comparing{Ended: now.UTC()})
	}
	if !old(now, ended.Ended, c.opt.CompareEvery) {
		return nil
	}
	return AskCompare(ctx, c.notes, now, false)
}

// wanted reports whether a compare is wanted or under way.
func (c *comparer) wanted(ctx context.Context) (bool, error) {
	var state Comparing
	err := readMeta(ctx, c.notes, job.MetaCompare, &state)
	return !state.Asked.IsZero(), err
}

// step does the next step of a compare that is wanted: the listing of Plex, or a
// page of scenes. The drain calls it whenever it has no job to do, so that a fresh edit
// overtakes, and never two compares run. After a failure the compare goes on where it
// was, in another drain.
func (c *comparer) step(ctx context.Context) error {
	var state Comparing
	if err := readMeta(ctx, c.notes, job.MetaCompare, &state); err != nil {
		return err
	}
	if c.guard.breakerNow().State == job.BreakerOpen {
		c.guard.stop(slog.LevelInfo, "The comparison waits until Plex is back")
		return nil
	}
	err := c.advance(ctx, &state)
	if err == nil {
		c.guard.succeeded(ctx) // half-open, without a job that decides, the compare does
	}
	return err
}

// advance begins the compare, looks at its next page, or ends it.
func (c *comparer) advance(ctx context.Context, state *Comparing) error {
	begins := state.Began.IsZero() || old(c.now(), state.Began, compareGoesOn)
	if begins {
		c.log.Info("Comparing Stash with Plex")
		*state = Comparing{Asked: state.Asked, Full: state.Full, Began: c.now().UTC()}
	}
	if begins {
		list := c.catalogue.listAll
		if c.wrote() {
			// A listing from before shows each item as it was then, and all of them would
			// have to be read in full.
			list = c.catalogue.listAnew
		}
		if err := list(ctx); err != nil {
			return err
		}
		var err error
		if state.Total, err = c.stash.SceneCount(ctx); err != nil {
			return err
		}
		return writeMeta(ctx, c.notes, job.MetaCompare, state)
	}
	if err := c.planner.learnTags(ctx); err != nil {
		return err
	}
	scenes, err := c.planner.nextScenes(ctx, state.After)
	if err != nil {
		return err
	}
	if err := c.page(ctx, state, scenes); err != nil {
		return err
	}
	if len(scenes) > 0 {
		state.After = scenes[len(scenes)-1].ID
		c.progress.pass(state.Found.Scenes(), state.Total)
		c.log.Debug(fmt.Sprintf("Compared %d scenes", state.Found.Scenes()))
		return writeMeta(ctx, c.notes, job.MetaCompare, state)
	}
	c.progress.pass(0, 0)
	state.Ended = c.now().UTC()
	if err := writeMeta(ctx, c.notes, metaCompared, state); err != nil {
		return err
	}
	if err := c.catalogue.server().KeepCopy(ctx); err != nil {
		// The one of before is still there, and nothing else depends on it.
		c.log.Error(fmt.Sprintf("Could not save a copy of what was written to Plex: %v", err))
	}
	c.log.Info(fmt.Sprintf("Compared %s in %s: %s", plural(state.Found.Scenes(), "scene", "scenes"),
		state.Ended.Sub(state.Began).Round(100*time.Millisecond), state.Found))
	return c.notes.SetMeta(ctx, job.MetaCompare, "")
}

// page looks at a page of scenes, all that Stash has with ids between state.After and
// the last of them, or to the end if there are none; and queues what differs.
func (c *comparer) page(ctx context.Context, state *Comparing, scenes []Scene) error {
	last := int64(1<<63 - 1)
	if len(scenes) > 0 {
		last = scenes[len(scenes)-1].ID
	}
	found := &state.Found
	var queue []job.Subject
	ours, err := c.catalogue.server().PushedScenes(ctx, state.After, last)
	if err != nil {
		return err
	}
	for _, id := range ours {
		if _, there := slices.BinarySearchFunc(scenes, id, func(s Scene, id int64) int { return cmp.Compare(s.ID, id) }); !there {
			queue = append(queue, job.Scene(id))
			found.Gone++
		}
	}
	live, err := c.jobs.LiveScenes(ctx, state.After, last)
	if err != nil {
		return err
	}
	dead, err := c.letters.DeadScenes(ctx, state.After, last)
	if err != nil {
		return err
	}
	var open []*plan
	for i := range scenes {
		s := &scenes[i]
		if s.Err != nil {
			_, isDead := dead[s.ID]
			switch {
			case slices.Contains(live, s.ID):
				found.Waiting++
			case isDead:
				found.Dead++
			default:
				found.Unreadable++
				queue = append(queue, job.Scene(s.ID))
			}
			continue
		}
		why := c.planner.skip(s)
		switch {
		case dead[s.ID] == job.ClassUnreadable: // it can be read now
			found.add(changedInStash)
			queue = append(queue, job.Scene(s.ID))
		case why != "" && s.Meta.Empty() && len(s.Files) > 0:
			found.WithoutMetadata++
		case why != "":
			found.Excluded++
			c.planner.countExcluded(s, found)
		case slices.Contains(live, s.ID):
			found.Waiting++
		default:
			open = append(open, &plan{job: job.Job{Subject: job.Scene(s.ID)}, scene: s})
		}
	}
	c.planner.want(ctx, open)
	known := c.planner.matchAll(ctx, open)
	var read []*plan
	var save []job.Pushed
	for _, x := range open {
		if x.err != nil {
			return x.err
		}
		rows := known[x.scene.ID]
		class, isDead := dead[x.scene.ID]
		why, err := c.differs(ctx, x, rows)
		switch {
		case err != nil:
			return err
		case len(x.found.Hits) == 0 && len(x.found.Ambiguous) == 0:
			found.NotInPlex++
			if !isDead && !c.opt.Policy.PlexIsSubset {
				queue = append(queue, x.job.Subject)
			}
		case why == joined:
			found.Joined++
			if !isDead {
				queue = append(queue, x.job.Subject)
			}
		case isDead && !class.Apart():
			found.Dead++
		case why != same:
			found.add(why)
			queue = append(queue, x.job.Subject)
		default:
			rows = shown(x, rows)
			known[x.scene.ID] = rows
			if c.coverDiffers(ctx, x, rows) {
				found.add(changedInStash)
				queue = append(queue, x.job.Subject)
				continue
			}
			save = append(save, x.remember...)
			if len(x.moved(rows, state.Full)) > 0 {
				read = append(read, x)
				continue
			}
			found.Same++
		}
	}
	if err := c.catalogue.server().SavePushed(ctx, save...); err != nil {
		return err
	}
	changed, err := c.changedInPlex(ctx, read, known, state.Full)
	if err != nil {
		return err
	}
	for i, x := range read {
		if !changed[i] {
			found.Same++
			continue
		}
		found.add(changedInPlex)
		queue = append(queue, x.job.Subject)
	}
	found.Queued += len(queue)
	return c.jobs.Enqueue(ctx, c.now(), job.PriorityBulk, queue...)
}

// difference is why a scene has to be queued.
type difference int

const (
	same difference = iota
	neverPushed
	changedInStash
	changedInPlex
	rekeyed
	joined
)

// add counts a scene that differs.
func (f *Found) add(why difference) {
	switch why {
	case same:
		f.Same++
	case neverPushed:
		f.NeverPushed++
	case changedInStash:
		f.ChangedInStash++
	case changedInPlex:
		f.ChangedInPlex++
	case rekeyed:
		f.Rekeyed++
	case joined:
		f.Joined++
	}
}

// differs says why a scene that Plex has has to be queued, as far as can be told
// without asking Plex for its items or Stash for its cover.
func (c *comparer) differs(ctx context.Context, x *plan, rows []job.Pushed) (difference, error) {
	own, why := false, same
	for _, h := range x.found.Hits {
		owner, err := c.planner.firstOwner(ctx, x.scene, h)
		if err != nil {
			return same, err
		}
		if owner != x.scene.ID {
			continue
		}
		own = true
		i := slices.IndexFunc(rows, func(r job.Pushed) bool { return r.Key == h.Key })
		switch {
		case i >= 0 && !x.current(rows[i]):
			return changedInStash, nil
		case i < 0 && len(rows) > 0:
			why = rekeyed
		case i < 0:
			why = neverPushed
		}
	}
	switch {
	case len(x.found.Ambiguous) > 0:
		return neverPushed, nil
	case len(x.found.Hits) > 0 && !own:
		return joined, nil
	}
	return why, nil
}

// coverDiffers asks Stash for the scene's cover, if it may be another than the items'
// poster, and reports whether it is. What was learnt is in x.remember.
func (c *comparer) coverDiffers(ctx context.Context, x *plan, rows []job.Pushed) bool {
	if !slices.ContainsFunc(rows, func(r job.Pushed) bool { return c.planner.looksAtCover(x.scene, r) }) {
		return false
	}
	c.planner.coverAsPushed(ctx, x, rows)
	return x.verdict != job.Unchanged
}

// seen is what the listing shows of the candidates' items, by their keys.
func (x *plan) seen() map[string]string {
	seen := map[string]string{}
	for _, p := range x.parts {
		seen[p.Key] = p.Seen()
	}
	return seen
}

// moved returns those of a scene's items that may have changed in Plex: by what the
// listing shows, or all of them.
func (x *plan) moved(rows []job.Pushed, all bool) []job.Pushed {
	seen := x.seen()
	return slices.DeleteFunc(slices.Clone(rows), func(r job.Pushed) bool {
		now, listed := seen[r.Key]
		return listed && !all && r.Seen == now
	})
}

// changedInPlex reads the items of scenes in full and reports which scenes have one
// that a drain would write. Of those the stored state is marked, so that the drain
// looks; of the others it is remembered how the listing showed them.
func (c *comparer) changedInPlex(ctx context.Context, scenes []*plan, known map[int64][]job.Pushed, all bool) ([]bool, error) {
	var keys []string
	for _, x := range scenes {
		for _, r := range x.moved(known[x.scene.ID], all) {
			keys = append(keys, r.Key)
		}
	}
	slices.Sort(keys)
	items, errs := c.planner.readItems(ctx, slices.Compact(keys))
	for _, err := range errs {
		// One poisonous item must not keep the others from being compared; its own
		// scene is queued and fails by itself.
		if job.ClassOf(err) != job.ClassBusy && job.ClassOf(err) != job.ClassRejected {
			return nil, err
		}
	}
	changed := make([]bool, len(scenes))
	var save []job.Pushed
	for i, x := range scenes {
		seen := x.seen()
		for _, r := range x.moved(known[x.scene.ID], all) {
			item := items[r.Key]
			if item == nil || c.planner.wouldWrite(x, r, item) {
				changed[i] = true
				r.WantedHash, r.Seen = "", ""
			} else {
				r.Seen = seen[r.Key]
			}
			save = append(save, r)
		}
	}
	return changed, c.catalogue.server().SavePushed(ctx, save...)
}

// wouldWrite reports whether a drain would change the item.
func (p *planner) wouldWrite(x *plan, r job.Pushed, item *Item) bool {
	base, _, err := decodeBase(r)
	if err != nil {
		return true
	}
	edit, _ := merge.Merge(base, x.wanted, item.State, p.opt.Merge)
	return !edit.Empty() || p.posterMoved(r, item) && !p.opt.Merge.KeepPlexEdits
}
