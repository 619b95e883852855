package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plexsync/plexsync/internal/bridge"
	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/fold"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
)

// health tests everything that a sync needs, and writes nothing to Plex. What it finds
// is its answer, never an error.
func (s *session) health(ctx context.Context, _ NoArguments) (Health, error) {
	c := &checkup{session: s, Health: Health{OK: true}}
	c.checkDatabase(ctx)
	c.checkSettings()
	c.checkStash()
	if s.plexIsSet() {
		if err := c.checkPlex(ctx); err != nil {
			return Health{}, err
		}
	}
	return c.Health, nil
}

func logHealth(s *session, h Health) {
	for _, c := range h.Checks {
		line := c.Name + ": " + c.Message
		switch c.Level {
		case LevelOK:
			s.log.Info(line)
		case LevelWarning:
			s.log.Warn(line)
		default:
			s.log.Error(line)
		}
	}
	if !h.OK {
		s.log.Warn("Action needed: see the errors above")
	}
}

// checkup is a health check at work.
type checkup struct {
	*session
	Health
}

// add notes the end of a check: what was found and, if it is not OK, what to do.
func (c *checkup) add(name string, level Level, format string, args ...any) {
	c.Checks = append(c.Checks, Check{name, level, fmt.Sprintf(format, args...)})
	c.OK = c.OK && level != LevelError
}

func (c *checkup) checkDatabase(ctx context.Context) {
	if err := c.db.Check(ctx); err != nil {
		c.add("Database", LevelError, "%v", err)
		return
	}
	path := filepath.Join(c.dir, store.FileName)
	size := "unknown size"
	if info, err := os.Stat(path); err == nil {
		size = fmt.Sprintf("%.1f MB", float64(info.Size())/1e6)
	}
	c.add("Database", LevelOK, "%s (%s) is intact and writable", path, size)
}

func (c *checkup) checkSettings() {
	for _, p := range c.problems {
		level := LevelWarning
		if p.Fatal {
			level = LevelError
		}
		c.add("Settings", level, "%s", p)
	}
	if len(c.unknown) > 0 {
		c.add("Settings", LevelWarning, "ignoring unknown settings %s (left over from another version)", strings.Join(c.unknown, ", "))
	}
	switch {
	case c.config.Paused:
		c.add("Settings", LevelWarning, "paused is on: edits are queued, and nothing is written")
	case len(c.problems) == 0:
		c.add("Settings", LevelOK, "every value is valid")
	}
}

func (c *checkup) checkStash() {
	if err := stash.CheckVersion(c.stashVersion); err != nil {
		c.add("Stash", LevelError, "%v", err)
		return
	}
	c.add("Stash", LevelOK, "%s answers at %s", c.stashVersion, c.in.Conn.URL())
}

// plexIsSet reports whether Plex can be asked at all with these settings.
func (s *session) plexIsSet() bool {
	return !slices.ContainsFunc(s.problems, func(p config.Problem) bool { return p.Setting == "plexUrl" || p.Setting == "plexToken" })
}

// checkPlex tests Plex from what needs least to what needs most, and stops at what
// the rest depends on.
func (c *checkup) checkPlex(ctx context.Context) error {
	px, err := c.plex(ctx, c.db, c.config)
	if err != nil {
		return err
	}
	id, err := px.Identity(ctx)
	if err != nil {
		c.add("Plex", LevelError, "%v", err)
		return nil
	}
	if err := plex.CheckVersion(id.Version); err != nil {
		c.add("Plex", LevelError, "%v", err)
	} else {
		c.add("Plex", LevelOK, "version %s answers at %s", id.Version, c.config.PlexURL)
	}
	if !c.checkToken(ctx, px) {
		return nil
	}
	sections, err := px.Sections(ctx)
	if err != nil {
		c.add("Libraries", LevelError, "%v", err)
		return nil
	}
	c.checkFolders(ctx, c.checkLibraries(sections))
	return c.checkPaths(ctx)
}

// checkToken tests whether Plex accepts the token, and whether it is the owner's, who
// alone may edit. Nothing is written for that.
func (c *checkup) checkToken(ctx context.Context, px *plex.Client) bool {
	server, err := px.Server(ctx)
	if err != nil {
		c.add("Token", LevelError, "%v", err)
		return false
	}
	switch may := mayEdit(ctx, px); {
	case may == nil:
		c.add("Token", LevelWarning, "%q accepts the token, but does not say whether it is the owner's, who alone may edit", server.Name)
	case !*may:
		c.add("Token", LevelError, "%q accepts the token, but it is not the owner's, who alone may edit. Sign in as the owner on PlexSync's page, or set plexToken to the owner's token", server.Name)
	default:
		c.add("Token", LevelOK, "%q accepts the token, and it may edit", server.Name)
	}
	return true
}

// mayEdit tells whether the token is the owner's; nil if Plex does not say.
func mayEdit(ctx context.Context, px *plex.Client) *bool {
	owner, err := px.Owner(ctx)
	if err != nil {
		return nil
	}
	return &owner
}

// checkLibraries tests plexLibraries and returns the folders of the libraries that are
// synced.
func (c *checkup) checkLibraries(sections []plex.Section) (folders []string) {
	var titles, chosen []string
	var all []fold.Titled
	for _, s := range sections {
		if s.Type != "movie" {
			continue
		}
		titles = append(titles, fmt.Sprintf("%q", s.Title))
		all = append(all, fold.Titled{Key: s.Key, Title: s.Title})
	}
	indexes, unknown := c.config.Choose(all)
	for _, i := range indexes {
		chosen = append(chosen, fmt.Sprintf("%q", all[i].Title))
		for _, s := range sections {
			if s.Key == all[i].Key {
				folders = append(folders, s.Locations...)
			}
		}
	}
	switch {
	case len(titles) == 0:
		c.add("Libraries", LevelError, "Plex has no movie library; add one of the type \"Movies\" or \"Other Videos\"")
	case len(unknown) > 0:
		c.add("Libraries", LevelError, "Plex has no movie library %q; it has %s. Correct the setting plexLibraries", strings.Join(unknown, ", "), strings.Join(titles, ", "))
	default:
		c.add("Libraries", LevelOK, "syncing %s", strings.Join(chosen, ", "))
	}
	return folders
}

// checkFolders tests whether each of Stash's folders, by the path rules, is one of
// Plex's.
func (c *checkup) checkFolders(ctx context.Context, plexFolders []string) {
	all, err := c.mapFolders(ctx, plexFolders)
	if err != nil {
		c.add("Folders", LevelError, "%v", err)
		return
	}
	found := len(all) > 0
	for _, f := range all {
		by := "no path rule applies"
		if f.Rule != "" {
			by = "by the path rule " + f.Rule
		}
		if !f.Found {
			found = false
			c.add("Folders", LevelWarning, "Stash's folder %s maps to %s in Plex (%s), but Plex's folders are %s. Set pathRules, for example %s",
				f.Stash, f.Mapped, by, strings.Join(plexFolders, ", "), f.Suggest)
		}
	}
	if found {
		c.add("Folders", LevelOK, "every Stash folder is in a Plex library")
	}
}

// mapFolders tells which of Stash's folders, by the path rules, are in one of Plex's;
// none if the rules cannot be read or Plex has no folder, which is told elsewhere.
func (s *session) mapFolders(ctx context.Context, plexFolders []string) (List[Folder], error) {
	ours, err := s.stash.Folders(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := match.ParseRules(s.config.PathRules)
	if err != nil || len(plexFolders) == 0 {
		return nil, nil
	}
	var all List[Folder]
	for _, f := range ours {
		mapped, rule := rules.Map(f)
		t := Folder{Stash: f, Mapped: mapped}
		if rule != nil {
			t.Rule = rule.String()
		}
		t.Found = slices.ContainsFunc(plexFolders, func(p string) bool { return match.Within(mapped, p) || match.Within(p, mapped) })
		if !t.Found {
			t.Suggest = f + " => " + closestFolder(f, plexFolders)
		}
		all = append(all, t)
	}
	return all, nil
}

// closestFolder is the folder with the longest common end: the same names, from the last
// one up. Of folders alike it is the first.
func closestFolder(ours string, folders []string) string {
	names := func(path string) []string {
		return strings.FieldsFunc(strings.ToLower(path), func(r rune) bool { return r == '/' || r == '\\' })
	}
	best, most := folders[0], 0
	for _, f := range folders {
		a, b, n := names(ours), names(f), 0
		for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
			n++
		}
		if n > most {
			best, most = f, n
		}
	}
	return best
}

// errSample ends the listing of a sample.
var errSample = errors.New("enough")

// sample is the first scenes of Stash, with what they are matched by.
func (s *session) sample(ctx context.Context) ([]worker.Scene, error) {
	var sample []stash.Scene
	err := s.stash.AllScenes(ctx, 0, func(page []stash.Scene) error {
		sample = page
		return errSample
	})
	if err != nil && !errors.Is(err, errSample) {
		return nil, err
	}
	return bridge.Scenes(sample), nil
}

// checkPaths tests the path rules with real scenes.
func (c *checkup) checkPaths(ctx context.Context) error {
	if c.fatal() != nil {
		return nil
	}
	w, err := c.ready(ctx)
	if err != nil {
		return err
	}
	sample, err := c.sample(ctx)
	if err != nil {
		c.add("Paths", LevelError, "%v", err)
		return nil
	}
	r, err := w.CheckPaths(ctx, sample, true)
	if job.Interrupted(ctx, err) {
		return err
	}
	switch {
	case err != nil:
		c.add("Paths", LevelError, "%v", err)
	case r.Scenes == 0:
		c.add("Paths", LevelOK, "Stash has no scene with a file yet")
	case r.Suggest != "":
		c.add("Paths", LevelWarning, "of %d scenes, Plex has %d under the expected path and %d under another. Set pathRules to %s", r.Scenes, r.ByPath, r.ByName, r.Suggest)
	case r.ByPath == 0:
		c.add("Paths", LevelWarning, "of %d scenes, Plex has none under the expected path, for example %s. Set pathRules", r.Scenes, r.Example)
	default:
		c.add("Paths", LevelOK, "of %d scenes, Plex has %d under the expected path, %d under another, and does not have %d", r.Scenes, r.ByPath, r.ByName, r.Missing)
	}
	return nil
}
