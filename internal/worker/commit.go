package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/merge"
)

// committer carries plans out. What it changed, and what is to be remembered of it, it
// notes in the plan; what could not be done is the plan's error.
type committer struct {
	env
	plex interface {
		ItemReader
		PlexWriter
	}
	notes Notes
	// server is what is known of the server that is written to.
	server  func() Known
	version func() string // tells the server and its version from others
	pace    pace
	stopped func() bool

	learning sync.Mutex // guards learnt, also while it is read and stored
	learnt   *learnt    // of this server; nil until it was needed

	mu      sync.Mutex      // guards all below
	scanned map[folder]bool // that Plex was asked to scan
	logged  int             // scenes told at info level
	// written are the items, by key, that were written and not read back since; left: of
	// more it is not known any more from what.
	written map[string]written
	left    bool
	// resent are those of them whose edit Plex had ignored once.
	resent map[string]bool
}

// prepare does what comes before the writes of a batch: it remembers the intents, and
// asks Plex to scan.
func (c *committer) prepare(ctx context.Context, all []*plan) {
	var intents []job.Pushed
	for _, x := range all {
		for _, f := range x.scan {
			c.scan(ctx, f)
		}
		if x.over() {
			continue
		}
		for _, t := range x.targets {
			if t.intent == nil && t.looksAt {
				// Its picture may be new. Should we be killed, the next looks whether it
				// was uploaded.
				r, err := record(x, t, t.base, &t.next)
				if err != nil {
					x.err = err
					break
				}
				t.intent = &r
			}
			if t.intent != nil {
				intents = append(intents, *t.intent)
			}
		}
	}
	if len(intents) > 0 {
		if err := c.server().SavePushed(ctx, intents...); err != nil {
			endAll(all, err)
		}
	}
}

// scan asks Plex to scan a folder, once. That it could not be asked is only told: the
// job comes back anyway.
func (c *committer) scan(ctx context.Context, f folder) {
	if c.scanned[f] {
		return
	}
	if c.scanned == nil {
		c.scanned = map[folder]bool{}
	}
	c.scanned[f] = true
	if err := c.plex.Scan(ctx, f.section, f.path); err != nil {
		c.log.Warn(fmt.Sprintf("scanPlex: %v", err))
		return
	}
	c.log.Info(fmt.Sprintf("Asked Plex to scan %s", c.opt.Hide(f.path)))
}

// commit brings every target to the wanted state. It is safe to call for several plans
// at once, as long as they have no item in common.
func (c *committer) commit(ctx context.Context, x *plan) {
	if x.verdict == job.Gone {
		c.commitGone(ctx, x)
		return
	}
	if x.over() {
		return
	}
	if len(x.targets) > 0 && c.stopped() {
		x.err = errGiveBack
		return
	}
	var changed []string
	for _, t := range x.targets {
		what, err := c.write(ctx, x, t)
		if err != nil {
			x.err = err
			return
		}
		changed = append(changed, what...)
	}
	x.verdict = job.Unchanged
	if len(changed) > 0 {
		x.verdict = job.Done
		c.logChange(x, changed)
	}
	for _, n := range x.notes {
		c.log.Warn(fmt.Sprintf("%s: %s", x.job.Subject, n))
	}
}

// commitGone takes the labels that we set off the items of a scene that is no longer
// in Stash: they are ours alone, and may share or hide the film. Everything else stays.
func (c *committer) commitGone(ctx context.Context, x *plan) {
	for _, r := range x.release {
		if err := c.dropLabels(ctx, r); err != nil {
			x.err = err
			return
		}
	}
	c.log.Info(fmt.Sprintf("%s is no longer in Stash: removed it from PlexSync; Plex is left unchanged", x.job.Subject))
}

func (c *committer) dropLabels(ctx context.Context, r job.Pushed) error {
	base, intent, err := decodeBase(r)
	if err != nil || r.Untied() {
		return nil // nothing is known to be ours
	}
	if len(base.Added[merge.Label])+len(intent.Added[merge.Label]) == 0 {
		return nil
	}
	items, err := c.plex.Items(ctx, []string{r.Key})
	if err != nil || len(items) == 0 {
		return err
	}
	for _, t := range items[0].State.Lists[merge.Label] {
		if !base.Ours(merge.Label, t.Name) && !intent.Ours(merge.Label, t.Name) {
			continue
		}
		// One by one: accounts differ about several.
		e := merge.Edit{Lists: []merge.ListEdit{{Field: merge.Label, Remove: []string{t.Name}}}}
		if _, err := c.plex.Edit(ctx, items[0].Section, r.Key, e); err != nil && job.StatusOf(err) != 404 {
			return err
		}
	}
	return nil
}

// chattyScenes is how many written scenes are logged at info level in one run.
const chattyScenes = 100

// logChange logs what a scene changed in Plex.
func (c *committer) logChange(x *plan, changed []string) {
	c.mu.Lock()
	c.logged++
	n := c.logged
	c.mu.Unlock()
	name := x.scene.Meta.Title
	if name == "" {
		name = x.targets[0].hit.File.Path
	}
	var keys []string
	for _, t := range x.targets {
		keys = append(keys, t.hit.Key)
	}
	// Several items mostly change alike.
	var what []string
	for _, field := range changed {
		if !slices.Contains(what, field) {
			what = append(what, field)
		}
	}
	line := fmt.Sprintf("%s %q -> item %s: %s", x.job.Subject, c.opt.Hide(name), strings.Join(keys, ", "), strings.Join(what, ", "))
	switch {
	case n < chattyScenes:
		c.log.Info(line)
	case n == chattyScenes:
		c.log.Info(line + " (further scenes are logged at debug level)")
	default:
		c.log.Debug(line)
	}
}

// edited notes how long an edit took.
func (c *committer) edited(began time.Time) { c.pace.edited(c.now().Sub(began)) }
