package main

import (
	"context"
	"maps"

	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
)

func (p *process) settingsCheck(_ context.Context, s *session) (any, error) {
	return map[string]any{"ready": s.config.Ready(), "problems": told(s.problems)}, nil
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
