package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/plexsync/plexsync/internal/bridge"
	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/fold"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/scope"
	"github.com/plexsync/plexsync/internal/worker"
)

// settingsCheck shows whether the saved settings are good enough to sync.
func (s *session) settingsCheck(context.Context, NoArguments) (SettingsCheck, error) {
	return SettingsCheck{Ready: s.config.Ready(), Problems: problems(s.problems)}, nil
}

func problems(all []config.Problem) List[Problem] {
	var out List[Problem]
	for _, p := range all {
		out = append(out, Problem{Setting: p.Setting, Message: p.Message, Fatal: p.Fatal})
	}
	return out
}

// settingsTest tries settings out and saves none.
func (s *session) settingsTest(ctx context.Context, q SettingsRequest) (SettingsTest, error) {
	try := s.with(q.Settings)
	t := SettingsTest{Ready: try.config.Ready(), Problems: problems(try.problems)}
	tags, err := try.tagProblems(ctx)
	if job.Interrupted(ctx, err) {
		return SettingsTest{}, err
	}
	t.Problems = append(t.Problems, tags...)
	for _, c := range try.config.Choices() {
		t.Fields = append(t.Fields, Field{Name: c.Name, On: c.On})
	}
	if q.Offline || !try.plexIsSet() {
		return t, nil
	}
	err = try.testPlex(ctx, &t)
	if job.Interrupted(ctx, err) {
		return SettingsTest{}, err
	}
	if err != nil {
		t.Error, t.Cause = err.Error(), Class(job.ClassOf(err))
	}
	return t, nil
}

// tagProblems asks Stash, if a setting names tags, which entries mean none.
func (s *session) tagProblems(ctx context.Context) (all List[Problem], err error) {
	c := s.config
	if len(c.OnlyTags)+len(c.ExcludeTags)+len(c.GenreTags)+len(c.LabelTags) == 0 {
		return nil, nil
	}
	tags, err := bridge.Stash(s.stash, false).Tags(ctx)
	if err != nil {
		return nil, err
	}
	o := worker.Options{Conditions: conditions(c), GenreTags: c.GenreTags, LabelTags: c.LabelTags}
	for _, p := range worker.TagProblems(o, scope.NewTree(tags), nil) {
		all = append(all, Problem{Setting: p.Setting, Message: p.Text})
	}
	return all, nil
}

const tokenSetting = "plexToken"

// with is the session with changed settings. A token that is empty stands for the saved
// one, because the page never has it; but that one goes to the saved server only. For
// another address it has to be typed: the address may be anybody's.
func (s *session) with(changed map[string]any) *session {
	merged := maps.Clone(s.raw)
	if merged == nil {
		merged = map[string]any{}
	}
	typed := false
	for name, v := range changed {
		if name == tokenSetting && (v == nil || v == "") {
			continue
		}
		typed = typed || name == tokenSetting
		merged[name] = v
	}
	try := *s
	try.config, try.problems = parseSettings(merged)
	if typed || try.config.PlexToken == "" || origin(try.config.PlexURL) == origin(s.config.PlexURL) {
		s.handler.AddSecret(try.config.PlexToken.Reveal())
		return &try
	}
	delete(merged, tokenSetting)
	try.config, try.problems = parseSettings(merged)
	for i, p := range try.problems {
		if p.Setting == tokenSetting {
			try.problems[i].Message = "enter the token for this address. The saved token is only sent to " + s.savedServer()
		}
	}
	return &try
}

// savedServer names where the saved token may go.
func (s *session) savedServer() string {
	if s.config.PlexURL == "" {
		return "the saved address"
	}
	return origin(s.config.PlexURL)
}

// origin is the scheme, the host and the port of an address: who is sent what.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s://%s:%s", u.Scheme, strings.ToLower(host), port)
}

// testPlex fills in what Plex and Stash say, as far as it gets.
func (s *session) testPlex(ctx context.Context, t *SettingsTest) error {
	px, err := s.plex(ctx, s.db, s.config)
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
	t.Name, t.MayEdit = server.Name, mayEdit(ctx, px)
	sections, err := px.Sections(ctx)
	if err != nil {
		return err
	}
	movies := slices.DeleteFunc(sections, func(x plex.Section) bool { return x.Type != "movie" })
	all := make([]fold.Titled, len(movies))
	for i, x := range movies {
		all[i] = fold.Titled{Key: x.Key, Title: x.Title}
	}
	chosen, _ := s.config.Choose(all)
	var folders []string
	for i, x := range movies {
		synced := slices.Contains(chosen, i)
		if synced {
			folders = append(folders, x.Locations...)
		}
		t.Libraries = append(t.Libraries, Library{Key: x.Key, Title: x.Title, Folders: x.Locations, Synced: synced})
	}
	if t.Folders, err = s.mapFolders(ctx, folders); err != nil {
		return err
	}
	t.Sample, err = s.testPaths(ctx, t.Machine)
	return err
}

// testPaths matches a sample of scenes. A server whose files are not known yet is read:
// that is what the first sync would begin with.
func (s *session) testPaths(ctx context.Context, machine string) (*PathCheck, error) {
	if s.fatal() != nil {
		return nil, nil
	}
	server, err := s.db.Server(ctx, machine)
	if err != nil {
		return nil, err
	}
	known, err := server.Sections(ctx)
	if err != nil {
		return nil, err
	}
	w, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	sample, err := s.sample(ctx)
	if err != nil {
		return nil, err
	}
	check, err := w.CheckPaths(ctx, sample, len(known) == 0)
	if err != nil {
		return nil, err
	}
	answer := pathCheck(check)
	return &answer, nil
}

func pathCheck(c worker.PathCheck) PathCheck {
	x := PathCheck{Scenes: c.Scenes, ByPath: c.ByPath, ByName: c.ByName, Missing: c.Missing, Suggest: c.Suggest, Example: c.Example}
	for _, f := range c.Files {
		x.Files = append(x.Files, SampledFile{Path: f.Path, Mapped: f.Mapped, ByPath: f.ByPath, ByName: f.ByName})
	}
	return x
}
