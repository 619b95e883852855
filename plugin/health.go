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
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/match"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/stash"
	"github.com/plexsync/plexsync/internal/store"
	"github.com/plexsync/plexsync/internal/worker"
)

// healthReport is what the mode health returns.
type healthReport struct {
	OK     bool          `json:"ok"` // no check failed
	Checks []healthCheck `json:"checks"`
}

// healthCheck is one thing that was tested. Message tells what was found and, if it
// is not well, what to do.
type healthCheck struct {
	Name    string `json:"name"`
	Level   string `json:"level"` // ok, warning or error
	Message string `json:"message"`
}

// checkup is a health check at work.
type checkup struct {
	*process
	*session
	healthReport
}

// health tests everything that a sync needs, and writes nothing to Plex. What is
// wrong is its answer, not its error.
func (p *process) health(ctx context.Context, s *session) (any, error) {
	c := &checkup{process: p, session: s, healthReport: healthReport{OK: true, Checks: []healthCheck{}}}
	c.database(ctx)
	c.settings()
	c.stashItself()
	if c.plexURL() {
		if err := c.plexItself(ctx); err != nil {
			return nil, err
		}
	}
	if !c.OK {
		p.log.Warn("Something needs you: see the errors above")
	}
	return c.healthReport, nil
}

// tell notes the end of a check and logs it.
func (c *checkup) tell(name, level, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	c.Checks = append(c.Checks, healthCheck{name, level, message})
	switch line := name + ": " + message; level {
	case "ok":
		c.log.Info(line)
	case "warning":
		c.log.Warn(line)
	default:
		c.OK = false
		c.log.Error(line)
	}
}

func (c *checkup) database(ctx context.Context) {
	if err := c.db.Check(ctx); err != nil {
		c.tell("Database", "error", "%v", err)
		return
	}
	path := filepath.Join(c.dir, store.FileName)
	size := "unknown size"
	if info, err := os.Stat(path); err == nil {
		size = fmt.Sprintf("%.1f MB", float64(info.Size())/1e6)
	}
	c.tell("Database", "ok", "%s (%s) is whole and can be written", path, size)
}

func (c *checkup) settings() {
	for _, p := range c.problems {
		level := "warning"
		if p.Fatal {
			level = "error"
		}
		c.tell("Settings", level, "%s", p)
	}
	if len(c.unknown) > 0 {
		c.tell("Settings", "warning", "nobody reads %s: another version left them", strings.Join(c.unknown, ", "))
	}
	switch {
	case c.config.Paused:
		c.tell("Settings", "warning", "paused is on: events are queued, nothing is written")
	case len(c.problems) == 0:
		c.tell("Settings", "ok", "every value can be used")
	}
}

func (c *checkup) stashItself() {
	if err := stash.CheckVersion(c.version); err != nil {
		c.tell("Stash", "error", "%v", err)
		return
	}
	c.tell("Stash", "ok", "%s answers at %s", c.version, c.in.Conn.URL())
}

// plexURL reports whether Plex can be asked at all with these settings.
func (c *checkup) plexURL() bool {
	return !slices.ContainsFunc(c.problems, func(p config.Problem) bool { return p.Setting == "plexUrl" || p.Setting == "plexToken" })
}

// plexItself tests Plex from what needs least to what needs most, and stops at what
// the rest depends on.
func (c *checkup) plexItself(ctx context.Context) error {
	px, err := c.plex(ctx, c.db, c.config)
	if err != nil {
		return err
	}
	id, err := px.Identity(ctx)
	if err != nil {
		c.tell("Plex", "error", "%v", err)
		return nil
	}
	if err := plex.CheckVersion(id.Version); err != nil {
		c.tell("Plex", "error", "%v", err)
	} else {
		c.tell("Plex", "ok", "version %s answers at %s", id.Version, c.config.PlexURL)
	}
	if !c.token(ctx, px) {
		return nil
	}
	sections, err := px.Sections(ctx)
	if err != nil {
		c.tell("Libraries", "error", "%v", err)
		return nil
	}
	folders := c.libraries(sections)
	if err := c.folders(ctx, folders); err != nil {
		return err
	}
	return c.paths(ctx)
}

// token tests whether Plex accepts the token, and whether it is the owner's, who
// alone may edit. That is told by what Plex allows, because nothing is written.
func (c *checkup) token(ctx context.Context, px *plex.Client) bool {
	server, err := px.Server(ctx)
	if err != nil {
		c.tell("Token", "error", "%v", err)
		return false
	}
	may := false
	for _, allowed := range server.Allowed {
		may = may || allowed
	}
	switch {
	case len(server.Allowed) == 0:
		c.tell("Token", "warning", "%q accepts it, but does not tell whether it is the owner's, who alone may edit", server.Name)
	case !may:
		c.tell("Token", "error", "%q accepts it, but allows it nothing: it is not the owner's. Set plexToken to the token of the server's owner", server.Name)
	default:
		c.tell("Token", "ok", "%q accepts it, and it may edit", server.Name)
	}
	return true
}

// libraries tests plexLibraries and returns the folders of the libraries that are
// synced.
func (c *checkup) libraries(sections []plex.Section) (folders []string) {
	var titles, chosen []string
	unknown := slices.Clone(c.config.Libraries)
	for _, s := range sections {
		if s.Type != "movie" {
			continue
		}
		titles = append(titles, fmt.Sprintf("%q", s.Title))
		named := func(name string) bool { return config.NamesLibrary(name, s.Key, s.Title) }
		if c.config.Syncs(s.Key, s.Title) {
			chosen = append(chosen, fmt.Sprintf("%q", s.Title))
			folders = append(folders, s.Locations...)
		}
		unknown = slices.DeleteFunc(unknown, named)
	}
	switch {
	case len(titles) == 0:
		c.tell("Libraries", "error", "Plex has no library for movies; add one of the type \"Movies\" or \"Other Videos\"")
	case len(unknown) > 0:
		c.tell("Libraries", "error", "Plex has no movie library %q; it has %s. Correct the setting plexLibraries", strings.Join(unknown, ", "), strings.Join(titles, ", "))
	default:
		c.tell("Libraries", "ok", "synced are %s", strings.Join(chosen, ", "))
	}
	return folders
}

// folders tests whether each of Stash's folders, by the path rules, is one of
// Plex's.
func (c *checkup) folders(ctx context.Context, plexFolders []string) error {
	all, err := c.mapFolders(ctx, plexFolders)
	if err != nil {
		c.tell("Folders", "error", "%v", err)
		return nil
	}
	well := len(all) > 0
	for _, f := range all {
		by := "no path rule applies"
		if f.Rule != "" {
			by = "by the path rule " + f.Rule
		}
		if !f.Found {
			well = false
			c.tell("Folders", "warning", "Stash's folder %s would be %s in Plex (%s), but Plex's folders are %s. Set pathRules, for example %s",
				f.Stash, f.Mapped, by, strings.Join(plexFolders, ", "), f.Suggest)
		}
	}
	if well {
		c.tell("Folders", "ok", "every folder of Stash's is in a library of Plex's")
	}
	return nil
}

// mapFolders tells which of Stash's folders, by the path rules, are in one of Plex's;
// none if the rules cannot be read or Plex has no folder, which is told elsewhere.
func (s *session) mapFolders(ctx context.Context, plexFolders []string) ([]testFolder, error) {
	all := []testFolder{}
	ours, err := s.stash.Folders(ctx)
	if err != nil {
		return all, err
	}
	rules, err := match.ParseRules(s.config.PathRules)
	if err != nil || len(plexFolders) == 0 {
		return all, nil
	}
	for _, f := range ours {
		mapped, rule := rules.Map(f)
		t := testFolder{Stash: f, Mapped: mapped}
		if rule != nil {
			t.Rule = rule.String()
		}
		t.Found = slices.ContainsFunc(plexFolders, func(p string) bool { return match.Within(mapped, p) || match.Within(p, mapped) })
		if !t.Found {
			t.Suggest = f + " => " + likest(f, plexFolders)
		}
		all = append(all, t)
	}
	return all, nil
}

// likest is the folder that ends most like ours: the same names, from the last one up.
// Of folders alike it is the first.
func likest(ours string, folders []string) string {
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

// paths tests the path rules with real scenes.
func (c *checkup) paths(ctx context.Context) error {
	if c.fatal() != nil {
		return nil
	}
	w, err := c.worker(ctx, c.session)
	if err != nil {
		return err
	}
	sample, err := c.sample(ctx)
	if err != nil {
		c.tell("Paths", "error", "%v", err)
		return nil
	}
	r, err := w.CheckPaths(ctx, sample, true)
	if job.Interrupted(ctx, err) {
		return err
	}
	switch {
	case err != nil:
		c.tell("Paths", "error", "%v", err)
	case r.Scenes == 0:
		c.tell("Paths", "ok", "Stash has no scene with a file yet")
	case r.Suggest != "":
		c.tell("Paths", "warning", "of %d scenes Plex has %d under their path and %d under another. Set pathRules to %s", r.Scenes, r.ByPath, r.ByName, r.Suggest)
	case r.ByPath == 0:
		c.tell("Paths", "warning", "of %d scenes Plex has none under its path, for example %s. Set pathRules", r.Scenes, r.Example)
	default:
		c.tell("Paths", "ok", "of %d scenes Plex has %d under their path, %d under another, and lacks %d", r.Scenes, r.ByPath, r.ByName, r.Missing)
	}
	return nil
}
