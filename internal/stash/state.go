package stash

import (
	"context"
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
}

// State asks for the version and the plugin's settings, in one request.
func (c *Client) State(ctx context.Context) (State, error) {
	const op = "ask Stash for the settings"
	var out struct {
		Version       struct{ Version *string }
		Configuration struct{ Plugins map[string]map[string]any }
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
// Stash's id of the job. The description is shown in Stash's task list. It is not
// idempotent, and asked only once: Stash may have queued the task although the
// answer was lost.
func (c *Client) RunTask(ctx context.Context, description string, args map[string]any) (string, error) {
	const op = "ask Stash to run a task"
	if args == nil {
		args = map[string]any{}
	}
	var out struct{ RunPluginTask string }
	if err := c.query(ctx, op, runTaskMutation, map[string]any{"description": description, "args": args}, &out); err != nil {
		return "", err
	}
	if out.RunPluginTask == "" {
		return "", c.fail(ctx, op, errAnswer)
	}
	return out.RunPluginTask, nil
}

// JobState is how a job of Stash's task list stands; "" if Stash does not know it.
type JobState string

// The states of Stash's jobs. One that is ready or running is still to be expected;
// a plugin's task ends as finished even if it failed.
const (
	JobReady     JobState = "READY"
	JobRunning   JobState = "RUNNING"
	JobStopping  JobState = "STOPPING"
	JobFinished  JobState = "FINISHED"
	JobCancelled JobState = "CANCELLED"
	JobFailed    JobState = "FAILED"
)

// JobState asks how a job stands. Stash forgets all of its jobs when it is
// restarted, and gives their ids to others.
func (c *Client) JobState(ctx context.Context, id string) (JobState, error) {
	var out struct{ FindJob *struct{ Status JobState } }
	if err := c.query(ctx, "ask Stash how its job stands", jobQuery, map[string]any{"id": id}, &out); err != nil || out.FindJob == nil {
		return "", err
	}
	return out.FindJob.Status, nil
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
	return fmt.Errorf("this is Stash %s; PlexSync needs %s or newer", v, minVersion)
}
