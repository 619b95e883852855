package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
)

// What the page in Stash asks for, and anybody else may: docs/interface.md. A call that
// says "v": 1 is answered with {"v": 1, "data": ...}, logs nothing, because a page asks
// every few seconds, and never drains the queue itself, because somebody waits.

// interfaceVersion is the only version there is.
const interfaceVersion = 1

// silent is above every level of a log line.
const silent = slog.LevelError + 100

// asked reads the version that the call speaks; 0 if it names none.
func (p *process) asked() (int, error) {
	v, given := p.in.Args["v"]
	if !given {
		return 0, nil
	}
	if n, err := strconv.Atoi(fmt.Sprint(v)); err != nil || n != interfaceVersion {
		return 0, fmt.Errorf("argument v: this is PlexSync %s, which speaks version %d of the interface. Reload the page, or update PlexSync", version, interfaceVersion)
	}
	return interfaceVersion, nil
}

// list reads what part of a table is asked for.
func (p *process) list() store.List {
	limit, offset := p.limits()
	l := store.List{Limit: limit, Offset: offset}
	l.Search, _ = p.in.Args["search"].(string)
	l.Sort, _ = p.in.Args["sort"].(string)
	l.Desc, _ = p.in.Args["desc"].(bool)
	return l
}

// askDrain sees to it that what was queued is worked soon: by the drain that runs, or
// by one that Stash is asked for.
func (p *process) askDrain(ctx context.Context, s *session) error {
	if store.Held(p.dir, store.DrainLock) {
		return nil
	}
	_, err := s.stash.RunTask(ctx, "process queue", map[string]any{"mode": "process"})
	return err
}

// overview is everything at a glance.
type overview struct {
	Version string    `json:"version"`
	Now     time.Time `json:"now"`
	job.Counts
	// Classes counts the dead letters by class.
	Classes  map[job.Class]int `json:"classes"`
	Draining bool              `json:"draining"`
	Paused   bool              `json:"paused"`
	// Ready: the settings suffice to sync. Problems are what is wrong with them.
	Ready    bool             `json:"ready"`
	Problems []settingProblem `json:"problems"`
	Breaker  breakerState     `json:"breaker"`
	Waker    wakerState       `json:"waker"`
	// Runs are the newest five, LastOutage the newest of Plex.
	Runs       []job.Run     `json:"runs"`
	LastOutage *store.Outage `json:"last_outage,omitempty"`
	// Machine is Plex's id, for links to it; "" if Plex never answered.
	Machine string `json:"machine"`
}

type settingProblem struct {
	Setting string `json:"setting"`
	Message string `json:"message"`
	Fatal   bool   `json:"fatal"`
}

func told(problems []config.Problem) []settingProblem {
	out := []settingProblem{}
	for _, p := range problems {
		out = append(out, settingProblem{p.Setting, p.Message, p.Fatal})
	}
	return out
}

func (p *process) overview(ctx context.Context, s *session) (any, error) {
	now := time.Now()
	o := overview{Version: version, Now: now, Draining: store.Held(p.dir, store.DrainLock), Paused: s.config.Paused,
		Ready: s.config.Ready(), Problems: told(s.problems), Waker: p.tellWaker(ctx, s.db), Runs: []job.Run{}}
	var err error
	if o.Counts, err = s.db.Counts(ctx, now); err != nil {
		return nil, err
	}
	if o.Classes, err = s.db.LetterClasses(ctx); err != nil {
		return nil, err
	}
	b, err := s.db.Breaker(ctx, job.Plex)
	if err != nil {
		return nil, err
	}
	o.Breaker = breakerState{State: b.State, Since: b.OpenedAt, NextProbe: b.NextProbe, Cause: b.Cause, Message: b.Message}
	runs, err := s.db.Runs(ctx, 5)
	if err != nil {
		return nil, err
	}
	o.Runs = append(o.Runs, runs...)
	outages, err := s.db.Outages(ctx, 20)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(outages, func(x store.Outage) bool { return x.System == job.Plex }); i >= 0 {
		o.LastOutage = &outages[i]
	}
	o.Machine, err = s.db.Meta(ctx, store.MetaMachine)
	return o, err
}

// history is the runs and outages, with a row for each day.
type history struct {
	outageReport
	Runs []job.Run    `json:"runs"`
	Days []historyDay `json:"days"` // the last thirty, the oldest first
}

type historyDay struct {
	Day    string `json:"day"` // 2006-01-02, in Stash's time zone
	Synced int    `json:"synced"`
	// Out is for how many seconds of the day Plex was out.
	Out float64 `json:"out_seconds"`
}

// historyDays is how many days a history tells.
const historyDays = 30

func (p *process) history(ctx context.Context, s *session) (any, error) {
	report, err := p.outages(ctx, s)
	if err != nil {
		return nil, err
	}
	h := history{outageReport: report.(outageReport), Runs: []job.Run{}}
	runs, err := s.db.Runs(ctx, 1000)
	if err != nil {
		return nil, err
	}
	h.Days = days(time.Now(), runs, h.Outages)
	h.Runs = append(h.Runs, runs[:min(len(runs), 200)]...)
	return h, nil
}

// days sums runs and outages up by the day.
func days(now time.Time, runs []job.Run, outages []store.Outage) []historyDay {
	all := make([]historyDay, historyDays)
	y, m, d := now.Date()
	for i := range all {
		begin := time.Date(y, m, d-historyDays+1+i, 0, 0, 0, 0, now.Location())
		end := time.Date(y, m, d-historyDays+2+i, 0, 0, 0, 0, now.Location())
		all[i].Day = begin.Format(time.DateOnly)
		for _, r := range runs {
			if !r.Started.Before(begin) && r.Started.Before(end) {
				all[i].Synced += r.Done
			}
		}
		for _, o := range outages {
			from, to := o.Started, o.Ended
			if to.IsZero() {
				to = now
			}
			if from.Before(begin) {
				from = begin
			}
			if to.After(end) {
				to = end
			}
			all[i].Out += max(0, to.Sub(from).Seconds())
		}
	}
	return all
}

// queuePage is a part of the queue.
func (p *process) queuePage(ctx context.Context, s *session) (any, error) {
	state, _ := p.in.Args["show"].(string)
	jobs, total, err := s.db.ListJobs(ctx, time.Now(), state, p.list())
	if err != nil {
		return nil, err
	}
	return map[string]any{"total": total, "rows": jobRows(jobs)}, nil
}

// lettersPage is a part of the dead letters, with the item that each scene had.
func (p *process) lettersPage(ctx context.Context, s *session) (any, error) {
	w, err := p.which()
	if err != nil {
		return nil, err
	}
	letters, total, err := s.db.ListLetters(ctx, w, p.list())
	if err != nil {
		return nil, err
	}
	var scenes []int64
	for _, l := range letters {
		if l.Subject.Kind == job.KindScene {
			scenes = append(scenes, l.Subject.ID)
		}
	}
	current, err := s.db.Current(ctx)
	if err != nil {
		return nil, err
	}
	pushed, err := current.PushedOfScenes(ctx, scenes...)
	if err != nil {
		return nil, err
	}
	keys := map[int64]string{}
	for _, x := range pushed {
		keys[x.Scene] = x.Key
	}
	rows := letterRows(letters)
	for i, l := range letters {
		if l.Subject.Kind == job.KindScene {
			rows[i]["item"] = keys[l.Subject.ID]
		}
	}
	classes, err := s.db.LetterClasses(ctx)
	return map[string]any{"total": total, "rows": rows, "classes": classes}, err
}

// previewPage is a part of a preview: what would be written for the scenes after one.
func (p *process) previewPage(ctx context.Context, s *session) (any, error) {
	if err := s.fatal(); err != nil {
		return nil, err
	}
	after := int64(0)
	if v, given := p.in.Args["after"]; given && fmt.Sprint(v) != "0" {
		var err error
		if after, err = positive("after", v); err != nil {
			return nil, err
		}
	}
	w, err := p.worker(ctx, s)
	if err != nil {
		return nil, err
	}
	limit, _ := p.limits()
	return w.PreviewFrom(ctx, after, limit, 1000)
}

// settingsTest is what settings that need not be saved yet lead to.
type settingsTest struct {
	Ready    bool             `json:"ready"`
	Problems []settingProblem `json:"problems"`
	// Fields are all that can be synced, and whether they are.
	Fields []config.Choice `json:"fields"`
	// Reachable: Plex answers at the address. Error is why it, or what was asked after
	// that, does not.
	Reachable bool   `json:"reachable"`
	Error     string `json:"error,omitempty"`
	Name      string `json:"name,omitempty"`
	Version   string `json:"version,omitempty"`
	Machine   string `json:"machine,omitempty"`
	// MayEdit tells whether the token is the owner's, who alone may edit; null if
	// Plex does not say.
	MayEdit   *bool         `json:"may_edit"`
	Libraries []testLibrary `json:"libraries"`
	// Folders of Stash, by the path rules.
	Folders []testFolder `json:"folders"`
	// Sample tells how many scenes are found under their path; null if it is another
	// server than the one whose files are known.
	Sample *worker.PathCheck `json:"sample"`
}

type testLibrary struct {
	Key     string   `json:"key"`
	Title   string   `json:"title"`
	Folders []string `json:"folders"`
	Synced  bool     `json:"synced"`
}

type testFolder struct {
	Stash  string `json:"stash"`
	Mapped string `json:"mapped"`
	Rule   string `json:"rule"` // "" = none applies
	Found  bool   `json:"found"`
	// Suggest is a rule for a folder that is not found.
	Suggest string `json:"suggest,omitempty"`
}

// settingsTest tries settings out and saves none. The argument settings holds
// those that differ from the saved ones; a token that is "" stands for the saved one,
// because the page never has it.
func (p *process) settingsTest(ctx context.Context, s *session) (any, error) {
	merged := maps.Clone(s.raw)
	if merged == nil {
		merged = map[string]any{}
	}
	changed, _ := p.in.Args["settings"].(map[string]any)
	for name, v := range changed {
		if name == "plexToken" && (v == nil || v == "") {
			continue
		}
		merged[name] = v
	}
	try := *s
	try.config, try.problems = parseSettings(merged)
	p.handler.AddSecret(try.config.PlexToken.Reveal())
	t := settingsTest{Ready: try.config.Ready(), Problems: told(try.problems), Fields: try.config.Choices(), Libraries: []testLibrary{}, Folders: []testFolder{}}
	c := &checkup{process: p, session: &try}
	if only, _ := p.in.Args["offline"].(bool); only || !c.plexURL() {
		return t, nil
	}
	err := p.testPlex(ctx, &try, &t)
	if job.Interrupted(ctx, err) {
		return nil, err
	}
	if err != nil {
		t.Error = err.Error()
	}
	return t, nil
}

// testPlex fills in what Plex and Stash say, as far as it gets.
func (p *process) testPlex(ctx context.Context, s *session, t *settingsTest) error {
	px, err := p.plex(ctx, s.db, s.config)
	if err != nil {
		return err
	}
	id, err := px.Identity(ctx)
	if err != nil {
		return err
	}
	t.Reachable, t.Version, t.Machine = true, id.Version, id.MachineID
	if err := plex.CheckVersion(id.Version); err != nil {
		return err
	}
	server, err := px.Server(ctx)
	if err != nil {
		return err
	}
	t.Name = server.Name
	for _, allowed := range server.Allowed {
		if t.MayEdit == nil {
			t.MayEdit = new(bool)
		}
		*t.MayEdit = *t.MayEdit || allowed
	}
	sections, err := px.Sections(ctx)
	if err != nil {
		return err
	}
	var folders []string
	for _, x := range sections {
		if x.Type != "movie" {
			continue
		}
		synced := s.config.Syncs(x.Key, x.Title)
		if synced {
			folders = append(folders, x.Locations...)
		}
		t.Libraries = append(t.Libraries, testLibrary{x.Key, x.Title, x.Locations, synced})
	}
	if t.Folders, err = s.mapFolders(ctx, folders); err != nil {
		return err
	}
	return p.testPaths(ctx, s, t)
}

// testPaths matches a sample of scenes, if the index that is there is this server's. If
// there is none yet it is read: that is what the first sync would begin with.
func (p *process) testPaths(ctx context.Context, s *session, t *settingsTest) error {
	known, err := s.db.Meta(ctx, store.MetaMachine)
	if err != nil || known != "" && known != t.Machine {
		return err
	}
	if s.fatal() != nil {
		return nil
	}
	w, err := p.worker(ctx, s)
	if err != nil {
		return err
	}
	sample, err := s.sample(ctx)
	if err != nil {
		return err
	}
	check, err := w.CheckPaths(ctx, sample, known == "")
	if err == nil {
		t.Sample = &check
	}
	return err
}
