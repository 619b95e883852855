package stash

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// State is what a process asks Stash for at its start.
type State struct {
	// Version is Stash's, as in "v0.30.1"; see CheckVersion.
	Version string
	// Settings are the plugin's by name: bool, float64 or string. One that was never
	// set is absent; the map is empty, not nil, if none ever was.
	Settings map[string]any
	// Enabled: Stash has the plugin, and it is not switched off.
	Enabled bool
}

// State asks for the version and the plugin's settings, in one request.
func (c *Client) State(ctx context.Context) (State, error) {
	const op = "ask Stash for the settings"
	var out struct {
		Version       struct{ Version *string }
		Configuration struct{ Plugins map[string]map[string]any }
		Plugins       []struct {
			ID      string
			Enabled bool
		}
	}
	if err := c.query(ctx, op, stateQuery, nil, &out); err != nil {
		return State{}, err
	}
	// Half an answer must not pass for a plugin that nobody has set up.
	if out.Configuration.Plugins == nil {
		return State{}, c.fail(ctx, op, errAnswer)
	}
	s := State{Version: text(out.Version.Version), Settings: out.Configuration.Plugins["plexsync"]}
	if s.Settings == nil {
		s.Settings = map[string]any{}
	}
	for _, p := range out.Plugins {
		s.Enabled = s.Enabled || p.ID == "plexsync" && p.Enabled
	}
	return s, nil
}

// APIKey asks for Stash's API key, which does not end with the session: "" if the
// person never made one. It is a secret, to be kept in memory only.
func (c *Client) APIKey(ctx context.Context) (string, error) {
	const op = "ask Stash for its API key"
	var out struct {
		Configuration *struct {
			General struct{ APIKey string }
		}
	}
	if err := c.query(ctx, op, apiKeyQuery, nil, &out); err != nil {
		return "", err
	}
	if out.Configuration == nil {
		return "", c.fail(ctx, op, errAnswer)
	}
	key := out.Configuration.General.APIKey
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(key)
	return key, nil
}

// RunTask asks Stash to run the plugin as a task with these arguments and returns
// Stash's id of the job. The description is shown in Stash's task list, after
// "PlexSync: ". It is not
// idempotent, and asked only once: Stash may have queued the task although the
// answer was lost.
func (c *Client) RunTask(ctx context.Context, description string, args map[string]any) (string, error) {
	const op = "ask Stash to run a task"
	if args == nil {
		args = map[string]any{}
	}
	var out struct{ RunPluginTask string }
	if err := c.query(ctx, op, runTaskMutation, map[string]any{"description": TaskName + description, "args": args}, &out); err != nil {
		return "", err
	}
	if out.RunPluginTask == "" {
		return "", c.fail(ctx, op, errAnswer)
	}
	return out.RunPluginTask, nil
}

// RunOperation runs the plugin beside Stash's task list and waits for its end, as
// long as it takes: ending ctx kills the process. What the operation returns is
// not read. It is not idempotent.
func (c *Client) RunOperation(ctx context.Context, args map[string]any) error {
	var out struct{ RunPluginOperation json.RawMessage }
	return c.call(ctx, ctx, "run PlexSync beside Stash's tasks", runOperationMutation, map[string]any{"args": args}, &out)
}

// Task is an entry of Stash's task list.
type Task struct {
	ID string
	// Running: it is the one that is being worked; the others wait for it.
	Running bool
	// Ours: it is one that [Client.RunTask] asked for.
	Ours bool
}

// taskPrefix begins the description of a plugin's task in Stash's list (observed),
// TaskName those that PlexSync asks for.
const (
	taskPrefix = "Running plugin task: "
	TaskName   = "PlexSync: "
)

// Tasks lists what Stash works or will work, in order. Ended tasks are not in it,
// and neither is one that is being stopped. Stash forgets all of them when it is
// restarted, and gives their ids to others: an id alone proves nothing.
func (c *Client) Tasks(ctx context.Context) ([]Task, error) {
	var out struct {
		JobQueue []struct {
			ID          json.RawMessage
			Status      string
			Description string
		}
	}
	if err := c.query(ctx, "ask Stash for its tasks", tasksQuery, nil, &out); err != nil {
		return nil, err
	}
	var all []Task
	for _, j := range out.JobQueue {
		if j.Status != "READY" && j.Status != "RUNNING" {
			continue
		}
		all = append(all, Task{ID: strings.Trim(string(j.ID), `"`), Running: j.Status == "RUNNING",
			Ours: strings.HasPrefix(j.Description, taskPrefix+TaskName)})
	}
	return all, nil
}

// Folders lists the folders that Stash's library is made of.
func (c *Client) Folders(ctx context.Context) ([]string, error) {
	var out struct {
		Configuration struct {
			General struct{ Stashes []struct{ Path string } }
		}
	}
	if err := c.query(ctx, "ask Stash for its folders", foldersQuery, nil, &out); err != nil {
		return nil, err
	}
	var all []string
	for _, s := range out.Configuration.General.Stashes {
		all = append(all, s.Path)
	}
	return all, nil
}

// Tags returns all tags, each with those directly above it, in one request.
func (c *Client) Tags(ctx context.Context) ([]Tag, error) {
	const op = "ask Stash for its tags"
	var out struct {
		FindTags struct{ Tags []wireTag }
	}
	if err := c.query(ctx, op, tagsQuery, nil, &out); err != nil {
		return nil, err
	}
	if out.FindTags.Tags == nil {
		return nil, c.fail(ctx, op, errAnswer)
	}
	all := make([]Tag, len(out.FindTags.Tags))
	for i, w := range out.FindTags.Tags {
		if w.ID == 0 || w.Parents == nil {
			return nil, c.fail(ctx, op, errAnswer)
		}
		all[i] = Tag{ID: int64(w.ID), Name: w.Name}
		for _, p := range w.Parents {
			all[i].Parents = append(all[i].Parents, int64(p.ID))
		}
	}
	return all, nil
}

type wireTag struct {
	wireNamed
	Parents []struct{ ID id }
}

// Tag is a tag with the ids of those directly above it; it can have several.
type Tag struct {
	ID      int64
	Name    string
	Parents []int64
}

// minVersion is the oldest Stash that has what our queries ask for.
const minVersion = "v0.28"

// CheckVersion says so if a version of Stash is too old for PlexSync. One that
// cannot be read is not, nor is a development build ("v0.27.2-30-gabc1234"), which
// has more than its number says.
func CheckVersion(v string) error {
	var major, minor int
	if n, _ := fmt.Sscanf(strings.TrimPrefix(v, "v"), "%d.%d", &major, &minor); n < 2 || major != 0 || minor >= 28 {
		return nil
	}
	if strings.Contains(v, "-") {
		return nil
	}
	return fmt.Errorf("this is Stash %s, but PlexSync needs %s or newer", v, minVersion)
}
