package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
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

	// NotInPlex scenes were queued if that was not known of them.
	NotInPlex int `json:"not_in_plex"`
	Same      int `json:"same"`
	// WithoutMetadata and Excluded scenes (by a setting, or without a file) are left
	// alone. Waiting scenes have a job already, Dead ones a letter that only a person
	// or a new event revives.
	WithoutMetadata int `json:"without_metadata"`
	Excluded        int `json:"excluded"`
	Waiting         int `json:"waiting"`
	Dead            int `json:"dead"`
	// Queued is how many jobs were made.
	Queued int `json:"queued"`
}

// Scenes is how many scenes were looked at.
func (f Found) Scenes() int {
	return f.NeverPushed + f.ChangedInStash + f.ChangedInPlex + f.Rekeyed + f.NotInPlex + f.Same + f.WithoutMetadata + f.Excluded + f.Waiting + f.Dead
}

// String tells all that is not zero.
func (f Found) String() string {
	var all []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{f.NeverPushed, "never pushed"}, {f.ChangedInStash, "changed in Stash"}, {f.ChangedInPlex, "changed in Plex"},
		{f.Rekeyed, "under a new key in Plex"}, {f.Gone, "gone from Stash"}, {f.NotInPlex, "not in Plex"}, {f.Same, "the same"},
		{f.WithoutMetadata, "without metadata"}, {f.Excluded, "excluded"}, {f.Waiting, "queued already"}, {f.Dead, "dead letters"},
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
	// metaRecent is when Stash was last asked for recent scenes, in seconds.
	metaRecent = "recent_at"
	// A compare that was cut short goes on where it was for so long.
	compareGoesOn = 6 * time.Hour
	// recentOverlap is how far a look reaches back before the last one: Stash's times
	// have whole seconds.
	recentOverlap = 2 * time.Second
)

// AskCompare makes the next drain compare the whole library, and a running one when
// it has nothing else to do. One that is under way is not begun anew, unless full is
// set and it is not.
func AskCompare(ctx context.Context, queue Queue, now time.Time, full bool) error {
	var c Comparing
	if err := readMeta(ctx, queue, job.MetaCompare, &c); err != nil {
		return err
	}
	if !c.Asked.IsZero() && (c.Full || !full) && !old(now, c.Asked, compareGoesOn) {
		return nil
	}
	return writeMeta(ctx, queue, job.MetaCompare, Comparing{Asked: now.UTC(), Full: full})
}

// LastCompare is the last compare that ended, and the one that is wanted or under way;
// zero if there is none.
func LastCompare(ctx context.Context, queue Queue) (ended, wanted Comparing, err error) {
	if err = readMeta(ctx, queue, metaCompared, &ended); err == nil {
		err = readMeta(ctx, queue, job.MetaCompare, &wanted)
	}
	return ended, wanted, err
}

// readMeta decodes a stored value; one that cannot be read is as if it were not there.
func readMeta(ctx context.Context, queue Queue, key string, out any) error {
	text, err := queue.Meta(ctx, key)
	if err == nil && text != "" {
		json.Unmarshal([]byte(text), out)
	}
	return err
}

func writeMeta(ctx context.Context, queue Queue, key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return queue.SetMeta(ctx, key, string(text))
}

// schedule asks for a compare if the last one is older than the setting says. The
// time begins with the first drain ever: a new installation is not synced whole before
// anybody has looked at its settings.
func (d *drain) schedule(ctx context.Context) error {
	if d.opt.CompareEvery <= 0 {
		return nil
	}
	ended, wanted, err := LastCompare(ctx, d.queue)
	if err != nil || !wanted.Asked.IsZero() {
		return err
	}
	now := d.now()
	if ended.Ended.IsZero() {
		return writeMeta(ctx, d.queue, metaCompared, Comparing{Ended: now.UTC()})
	}
	if !old(now, ended.Ended, d.opt.CompareEvery) {
		return nil
	}
	return AskCompare(ctx, d.queue, now, false)
}

// errPage ends a listing of Stash's scenes after one page.
var errPage = errors.New("one page")

// nextScenes asks for the page of scenes after one.
func (w *Worker) nextScenes(ctx context.Context, after int64) (scenes []Scene, err error) {
	err = w.stash.AllScenes(ctx, after, func(page []Scene) error {
		scenes = page
		return errPage
	})
	if errors.Is(err, errPage) {
		err = nil
	}
	return scenes, err
}

// compare does the next step of a compare that is wanted: the listing of Plex, or a
// page of scenes. It reports whether it did something. The drain calls it whenever it
// has no job to do, so that a fresh edit overtakes, and never two compares run. What
// fails in Plex or Stash stops the drain; the compare goes on in another one.
func (d *drain) compare(ctx context.Context) (bool, error) {
	var c Comparing
	if err := readMeta(ctx, d.queue, job.MetaCompare, &c); err != nil || c.Asked.IsZero() {
		return false, err
	}
	if !d.breakerNow().Closed() {
		d.stop(slog.LevelInfo, "The comparison waits until Plex works again")
		return true, nil
	}
	err := d.compareStep(ctx, &c)
	var system *systemError
	var setting *settingError
	switch {
	case err == nil, job.Interrupted(ctx, err), errors.Is(err, job.ErrStore):
		return err == nil, err
	case errors.As(err, &setting):
		d.stop(slog.LevelError, setting.Error())
	case job.ClassOf(err) == job.ClassStashUnreachable:
		d.stashFailed(ctx, err)
	default:
		if !errors.As(err, &system) || !job.ClassOf(err).CountsForBreaker() {
			err = d.confirm(ctx, err)
		}
		if class := job.ClassOf(err); class.CountsForBreaker() {
			d.failed(ctx, class, err)
		}
		d.stop(slog.LevelWarn, fmt.Sprintf("The comparison could not go on and does so later: %s", firstLine(err.Error())))
	}
	return true, nil
}

func (d *drain) compareStep(ctx context.Context, c *Comparing) error {
	if c.Began.IsZero() || old(d.now(), c.Began, compareGoesOn) {
		d.log.Info("Comparing Stash with Plex")
		*c = Comparing{Asked: c.Asked, Full: c.Full, Began: d.now().UTC()}
		if _, err := d.meet(ctx); err != nil {
			return err
		}
		for _, l := range d.index.libraries {
			if err := d.list(ctx, l, time.Time{}); err != nil {
				return err
			}
		}
		d.index.level = indexFull + 1
		var err error
		if c.Total, err = d.stash.SceneCount(ctx); err != nil {
			return err
		}
		if err := d.turnedUp(ctx); err != nil {
			return err
		}
		return writeMeta(ctx, d.queue, job.MetaCompare, c)
	}
	if _, err := d.meet(ctx); err != nil { // another drain began it
		return err
	}
	scenes, err := d.nextScenes(ctx, c.After)
	if err != nil {
		return err
	}
	if err := d.comparePage(ctx, c, scenes); err != nil {
		return err
	}
	if len(scenes) > 0 {
		c.After = scenes[len(scenes)-1].ID
		d.walked(c.Found.Scenes(), c.Total)
		d.log.Debug(fmt.Sprintf("Compared %d scenes", c.Found.Scenes()))
		return writeMeta(ctx, d.queue, job.MetaCompare, c)
	}
	d.walked(0, 0)
	c.Ended = d.now().UTC()
	if err := writeMeta(ctx, d.queue, metaCompared, c); err != nil {
		return err
	}
	d.log.Info(fmt.Sprintf("Compared %s in %s: %s", plural(c.Found.Scenes(), "scene", "scenes"),
		c.Ended.Sub(c.Began).Round(100*time.Millisecond), c.Found))
	return d.queue.SetMeta(ctx, job.MetaCompare, "")
}

// comparePage looks at a page of scenes, all that Stash has with ids between c.After
// and the last of them, or to the end if there are none; and queues what differs.
func (d *drain) comparePage(ctx context.Context, c *Comparing, scenes []Scene) error {
	last := int64(1<<63 - 1)
	if len(scenes) > 0 {
		last = scenes[len(scenes)-1].ID
	}
	var queue []job.Subject
	ours, err := d.queue.PushedScenes(ctx, c.After, last)
	if err != nil {
		return err
	}
	for _, id := range ours {
		if _, there := slices.BinarySearchFunc(scenes, id, func(s Scene, id int64) int { return cmp.Compare(s.ID, id) }); !there {
			queue = append(queue, job.Scene(id))
			c.Found.Gone++
		}
	}
	live, err := d.queue.LiveScenes(ctx, c.After, last)
	if err != nil {
		return err
	}
	dead, err := d.queue.DeadScenes(ctx, c.After, last)
	if err != nil {
		return err
	}
	var open []*attempt
	for i := range scenes {
		s := &scenes[i]
		a := &attempt{job: job.Job{Subject: job.Scene(s.ID)}, scene: s}
		why := d.skip(s)
		switch {
		case why != "" && s.Meta.Empty() && len(s.Files) > 0:
			c.Found.WithoutMetadata++
		case why != "":
			c.Found.Excluded++
		case slices.Contains(live, s.ID):
			c.Found.Waiting++
		default:
			a.wanted = merge.Want(s.Meta, d.opt.Merge)
			a.hash = d.wantedHash(a.wanted)
			open = append(open, a)
		}
	}
	known := d.matchAll(ctx, open)
	var read []*attempt
	var save []job.Pushed
	for _, a := range open {
		if a.err != nil {
			return a.err
		}
		rows := known[a.scene.ID]
		class, isDead := dead[a.scene.ID]
		differs := d.differs(ctx, a, rows)
		switch {
		case a.err != nil:
			return a.err
		case len(a.found.Hits) == 0 && len(a.found.Ambiguous) == 0:
			c.Found.NotInPlex++
			if !isDead && !d.opt.Policy.PlexIsSubset {
				queue = append(queue, a.job.Subject)
			}
		case isDead && class != job.ClassNotInPlex:
			c.Found.Dead++
		case differs != nil:
			*differs(&c.Found)++
			queue = append(queue, a.job.Subject)
		case len(shown(a, rows)) == 0: // its item is another scene's
			c.Found.Same++
		default:
			known[a.scene.ID] = shown(a, rows)
			rows = known[a.scene.ID]
			if d.coverDiffers(ctx, a, rows) {
				c.Found.ChangedInStash++
				queue = append(queue, a.job.Subject)
				continue
			}
			save = append(save, a.pushed...)
			if moved := d.moved(a, rows, c.Full); len(moved) > 0 {
				read = append(read, a)
				continue
			}
			c.Found.Same++
		}
	}
	if err := d.queue.SavePushed(ctx, save...); err != nil {
		return err
	}
	changed, err := d.changedInPlex(ctx, read, known, c.Full)
	if err != nil {
		return err
	}
	for i, a := range read {
		if !changed[i] {
			c.Found.Same++
			continue
		}
		c.Found.ChangedInPlex++
		queue = append(queue, a.job.Subject)
	}
	c.Found.Queued += len(queue)
	return d.queue.Enqueue(ctx, d.now(), job.PriorityBulk, queue...)
}

// differs says by which reason a scene has to be queued, as far as can be told without
// asking anybody; nil if by none.
func (d *drain) differs(ctx context.Context, a *attempt, rows []job.Pushed) func(*Found) *int {
	byKey := map[string]job.Pushed{}
	for _, p := range shown(a, rows) {
		byKey[p.Key] = p
		if !d.current(a, p) {
			return func(f *Found) *int { return &f.ChangedInStash }
		}
	}
	for _, h := range a.found.Hits {
		if _, ok := byKey[h.Key]; ok {
			continue
		}
		owner := a.scene.ID
		if h.Part.Index > 0 {
			if owner, a.err = d.firstOwner(ctx, a.scene, h); a.err != nil {
				return nil
			}
		}
		switch {
		case owner != a.scene.ID:
		case len(rows) > 0:
			return func(f *Found) *int { return &f.Rekeyed }
		default:
			return func(f *Found) *int { return &f.NeverPushed }
		}
	}
	if len(a.found.Ambiguous) > 0 {
		return func(f *Found) *int { return &f.NeverPushed }
	}
	return nil
}

// coverDiffers asks Stash for the scene's cover, if it may be another than the items'
// poster, and reports whether it is. What was learnt is in a.pushed.
func (d *drain) coverDiffers(ctx context.Context, a *attempt, rows []job.Pushed) bool {
	if !slices.ContainsFunc(rows, func(p job.Pushed) bool { return d.looksAtCover(a.scene, p) }) {
		return false
	}
	d.coverAsPushed(ctx, a, rows)
	return a.verdict != job.Unchanged
}

// seen is what the listing shows of the candidates' items, by their keys.
func (a *attempt) seen() map[string]string {
	seen := map[string]string{}
	for _, p := range a.parts {
		seen[p.Key] = p.Seen()
	}
	return seen
}

// moved returns those of a scene's items that may have changed in Plex: by what the
// listing shows, or all of them.
func (d *drain) moved(a *attempt, rows []job.Pushed, all bool) []job.Pushed {
	seen := a.seen()
	return slices.DeleteFunc(slices.Clone(rows), func(p job.Pushed) bool {
		now, listed := seen[p.Key]
		return listed && !all && p.Seen == now
	})
}

// changedInPlex reads the items of scenes in full and reports which scenes have one
// that a drain would write. Of those the stored state is marked, so that the drain
// looks; of the others it is remembered how the listing showed them.
func (d *drain) changedInPlex(ctx context.Context, scenes []*attempt, known map[int64][]job.Pushed, all bool) ([]bool, error) {
	var keys []string
	for _, a := range scenes {
		for _, p := range d.moved(a, known[a.scene.ID], all) {
			keys = append(keys, p.Key)
		}
	}
	slices.Sort(keys)
	items, errs := map[string]*Item{}, map[string]error{}
	for chunk := range slices.Chunk(slices.Compact(keys), batchSize) {
		d.read(ctx, chunk, items, errs)
		for _, k := range chunk {
			// One poisonous item must not keep the others from being compared; its own
			// scene is queued and fails by itself.
			if err := errs[k]; err != nil && job.ClassOf(err) != job.ClassBusy && job.ClassOf(err) != job.ClassRejected {
				return nil, err
			}
		}
	}
	changed := make([]bool, len(scenes))
	var save []job.Pushed
	for i, a := range scenes {
		seen := a.seen()
		for _, p := range d.moved(a, known[a.scene.ID], all) {
			item := items[p.Key]
			if item == nil || d.wouldWrite(a, p, item) {
				changed[i] = true
				p.WantedHash, p.Seen = "", ""
			} else {
				p.Seen = seen[p.Key]
			}
			save = append(save, p)
		}
	}
	return changed, d.queue.SavePushed(ctx, save...)
}

// wouldWrite reports whether a drain would change the item.
func (d *drain) wouldWrite(a *attempt, p job.Pushed, item *Item) bool {
	var base, intent merge.Base
	if decodeBase(p, &base, &intent) != nil {
		return true
	}
	edit, _ := merge.Merge(base, a.wanted, item.State, d.opt.Merge)
	return !edit.Empty() || d.posterMoved(p, item) && !d.opt.Merge.KeepPlexEdits
}

// posterMoved reports whether the item shows another poster than after our write.
func (w *Worker) posterMoved(p job.Pushed, item *Item) bool {
	return w.opt.Poster && p.PosterHash != "" && p.Thumb != "" && item.Thumb != p.Thumb
}

// lookForRecent queues the scenes that Stash has updated since the last look and that
// no job is about: auto-tag, merges and covers that were generated call no hook.
func (d *drain) lookForRecent(ctx context.Context) error {
	now := d.now()
	var before int64
	if err := readMeta(ctx, d.queue, metaRecent, &before); err != nil {
		return err
	}
	then := time.Unix(before, 0)
	if before > 0 && !then.After(now) {
		var subjects []job.Subject
		err := d.stash.UpdatedSince(ctx, then.Add(-recentOverlap), func(ids []int64, updated []time.Time) error {
			live, err := d.queue.LiveScenes(ctx, ids[0]-1, ids[len(ids)-1])
			if err != nil {
				return err
			}
			rows, err := d.queue.PushedOfScenes(ctx, ids...)
			if err != nil {
				return err
			}
			read := map[int64]time.Time{} // when the state was read that we wrote
			for _, p := range rows {
				if at, ok := read[p.Scene]; !ok || p.At.Before(at) {
					read[p.Scene] = p.At
				}
			}
			for i, id := range ids {
				// Stash's times have whole seconds: what was read in the same one may be
				// older.
				if !slices.Contains(live, id) && !read[id].Add(-time.Second).After(updated[i]) {
					subjects = append(subjects, job.Scene(id))
				}
			}
			return nil
		})
		switch {
		case errors.Is(err, job.ErrStore), job.Interrupted(ctx, err):
			return err
		case err != nil:
			d.stashFailed(ctx, err)
			return nil
		}
		if err := d.queue.Enqueue(ctx, now, job.PriorityBulk, subjects...); err != nil {
			return err
		}
		if len(subjects) > 0 {
			d.log.Debug(fmt.Sprintf("%s changed in Stash without an event, or since the last run began", plural(len(subjects), "scene", "scenes")))
		}
	}
	return writeMeta(ctx, d.queue, metaRecent, now.Unix())
}

// LastRecent is when Stash was last asked for recent scenes; zero if never.
func LastRecent(ctx context.Context, queue Queue) (time.Time, error) {
	var at int64
	if err := readMeta(ctx, queue, metaRecent, &at); err != nil || at == 0 {
		return time.Time{}, err
	}
	return time.Unix(at, 0), nil
}

// Previewed is what a drain over the whole library would write.
type Previewed struct {
	Scenes int `json:"scenes"`
	// Items would be written, Same would not.
	Items int `json:"items"`
	Same  int `json:"same"`
	// Fields counts the items by field; "poster" and "background" are pictures that
	// would be looked at.
	Fields map[string]int `json:"fields"`
	// Skipped counts the scenes that are left alone, NotFound those that Plex lacks
	// or that fit several items.
	Skipped  int `json:"skipped"`
	NotFound int `json:"not_found"`
	// First are the first of the items, with their old and new values.
	First []PreviewedItem `json:"first"`
	// Next is the id to go on after; 0 at the end of the library.
	Next int64 `json:"next"`
}

// PreviewedItem is an item that would be written.
type PreviewedItem struct {
	Scene   int64            `json:"scene"`
	Title   string           `json:"title"`
	Key     string           `json:"key"`
	Changes []ExplainedField `json:"changes"`
	Poster  bool             `json:"poster"`
	// Locks: fields are locked or unlocked.
	Locks bool `json:"locks"`
}

// maxPreviewed is how many items a preview tells in detail.
const maxPreviewed = 1000

// Preview walks through the whole library as a drain after "Sync all scenes" would,
// and writes nothing. each is called for every item that would be written.
func (w *Worker) Preview(ctx context.Context, each func(PreviewedItem)) (Previewed, error) {
	return w.preview(ctx, 0, func(Previewed) bool { return true }, each)
}

// PreviewFrom is a part of a preview: of the scenes whose ids are above after, until
// enough items are found or scenes looked at.
func (w *Worker) PreviewFrom(ctx context.Context, after int64, items, scenes int) (Previewed, error) {
	return w.preview(ctx, after, func(p Previewed) bool { return p.Items < items && p.Scenes < scenes }, func(PreviewedItem) {})
}

func (w *Worker) preview(ctx context.Context, after int64, goOn func(Previewed) bool, each func(PreviewedItem)) (Previewed, error) {
	p := Previewed{Fields: map[string]int{}, First: []PreviewedItem{}}
	d := w.dryRun()
	if err := d.learn(ctx); err != nil {
		return p, err
	}
	total, err := d.stash.SceneCount(ctx)
	if err != nil {
		return p, err
	}
	for {
		scenes, err := d.nextScenes(ctx, after)
		if err != nil || len(scenes) == 0 {
			return p, err
		}
		d.walked(p.Scenes, total)
		after = scenes[len(scenes)-1].ID
		for page := range slices.Chunk(scenes, batchSize) {
			if !goOn(p) {
				p.Next = page[0].ID - 1
				return p, nil
			}
			var all []*attempt
			for i := range page {
				p.Scenes++
				if d.skip(&page[i]) != "" {
					p.Skipped++
					continue
				}
				all = append(all, &attempt{job: job.Job{Subject: job.Scene(page[i].ID)}, scene: &page[i]})
			}
			d.stages(ctx, all, d.lookAtCatalogue, d.find, d.readItems, d.mergeAll)
			for _, a := range all {
				if err := d.previewed(ctx, a, &p, each); err != nil {
					return p, err
				}
			}
		}
		if err := ctx.Err(); err != nil {
			return p, err
		}
	}
}

// previewed adds a scene to a preview.
func (d *drain) previewed(ctx context.Context, a *attempt, p *Previewed, each func(PreviewedItem)) error {
	switch class := job.ClassOf(a.err); {
	case class == job.ClassNotInPlex, class == job.ClassAmbiguous:
		p.NotFound++
		return nil
	case a.err != nil && !errors.Is(a.err, errLookAgain):
		return a.err
	}
	// Covers of scenes that were never written are not fetched: it may be all of them.
	if slices.ContainsFunc(a.targets, func(t *target) bool { return t.old.Key != "" }) {
		if d.fetchCover(ctx, a); a.err != nil && !errors.Is(a.err, errLookAgain) {
			return a.err
		}
	}
	for _, t := range a.targets {
		if t.item == nil {
			continue
		}
		x := d.explainItem(a, t)
		item := PreviewedItem{Scene: a.scene.ID, Title: a.scene.Meta.Title, Key: x.Key, Changes: x.Changes(),
			Locks:  len(x.Lock)+len(x.Unlock) > 0,
			Poster: x.Poster || a.cover == nil && t.old.Key == "" && d.opt.Poster && a.scene.CoverURL != ""}
		if x.Untouched() && !item.Poster {
			p.Same++
			continue
		}
		p.Items++
		for _, c := range item.Changes {
			p.Fields[c.Field]++
		}
		if item.Poster {
			p.Fields["poster"]++
		}
		if x.Background {
			p.Fields["background"]++
		}
		if item.Locks {
			p.Fields["locks"]++
		}
		if len(p.First) < maxPreviewed {
			p.First = append(p.First, item)
		}
		each(item)
	}
	return nil
}

// Unlock takes off Plex's locks that PlexSync set, and returns at how many items. It
// is for people who leave: as long as leaveUnlocked is off, whatever is written later
// is locked again. It returns ErrRunning while a drain is at work. An item that is
// gone is passed over.
func (w *Worker) Unlock(ctx context.Context) (int, error) {
	release, err := w.take(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	n := 0
	for after := ""; ; {
		rows, err := w.queue.PushedAfter(ctx, after, batchSize)
		if err != nil || len(rows) == 0 {
			return n, err
		}
		after = rows[len(rows)-1].Key
		var keys []string
		bases := map[string]merge.Base{}
		for _, p := range rows {
			var base, intent merge.Base
			if p.Untied() || decodeBase(p, &base, &intent) != nil {
				continue
			}
			// A write that was cut short may have locked what its intent says.
			for _, f := range intent.Locked {
				if !slices.Contains(base.Locked, f) {
					base.Locked = append(base.Locked, f)
				}
			}
			if p.PosterHash != "" {
				base.Locked = append(base.Locked, merge.Thumb)
			}
			if p.ArtHash != "" {
				base.Locked = append(base.Locked, merge.Art)
			}
			if len(base.Locked) > 0 {
				bases[p.Key] = base
				keys = append(keys, p.Key)
			}
		}
		if len(keys) == 0 {
			continue
		}
		items, err := w.plex.Items(ctx, keys)
		if err != nil {
			return n, err
		}
		for _, item := range items {
			base := bases[item.Key]
			var e merge.Edit
			for _, f := range base.Locked {
				if item.State.Locked[f] && !slices.Contains(e.Unlock, f) {
					e.Unlock = append(e.Unlock, f)
				}
			}
			if !e.Empty() {
				if err := w.plex.Edit(ctx, item.Section, item.Key, e, false); err != nil {
					return n, err
				}
				n++
			}
			i := slices.IndexFunc(rows, func(p job.Pushed) bool { return p.Key == item.Key })
			base.Locked = nil
			if rows[i].Base, err = json.Marshal(base); err != nil {
				return n, err
			}
			if err := w.queue.SavePushed(ctx, rows[i]); err != nil {
				return n, err
			}
		}
		w.progress(float64(n%1000) / 1000)
	}
}

// release takes the labels that we set off the items of a scene that is no longer in
// Stash: they are ours alone, and may share or hide the film. Everything else stays.
func (d *drain) release(ctx context.Context, rows []job.Pushed) error {
	for _, p := range rows {
		var base, intent merge.Base
		if decodeBase(p, &base, &intent) != nil {
			continue
		}
		ours := append(slices.Clone(base.Added[merge.Label]), intent.Added[merge.Label]...)
		if len(ours) == 0 || p.Untied() {
			continue
		}
		items, err := d.plex.Items(ctx, []string{p.Key})
		if err != nil {
			return err
		}
		if len(items) == 0 {
			continue
		}
		var remove []string
		for _, t := range items[0].State.Lists[merge.Label] {
			if slices.Contains(ours, merge.Fold(t.Name)) {
				remove = append(remove, t.Name)
			}
		}
		for _, name := range remove { // one by one: accounts differ about several
			e := merge.Edit{Lists: []merge.ListEdit{{Field: merge.Label, Remove: []string{name}}}}
			if err := d.plex.Edit(ctx, items[0].Section, p.Key, e, false); err != nil && job.StatusOf(err) != 404 {
				return err
			}
		}
	}
	return nil
}

// scanFor asks Plex to scan the folder of a file that it lacks, once a drain and
// folder, in the library that has the folder. That it could not be asked is only
// told: the job comes back anyway.
func (d *drain) scanFor(ctx context.Context, s *Scene) {
	for _, f := range s.Files {
		mapped, _ := d.opt.Rules.Map(f.Path)
		cut := strings.LastIndexAny(mapped, `/\`)
		if cut <= 0 {
			continue
		}
		folder := mapped[:cut]
		if d.scanned[folder] {
			continue
		}
		for _, l := range d.index.libraries {
			if !slices.ContainsFunc(l.Folders, func(root string) bool { return match.Within(folder, root) }) {
				continue
			}
			if d.scanned == nil {
				d.scanned = map[string]bool{}
			}
			d.scanned[folder] = true
			if err := d.plex.Scan(ctx, l.Key, folder); err != nil {
				d.log.Warn(fmt.Sprintf("scanPlex: %v", err))
				break
			}
			d.log.Info(fmt.Sprintf("Asked Plex to scan %s", d.opt.Hide(folder)))
			break
		}
	}
}
