package stash_test

import (
	"reflect"
	"testing"

	"github.com/plexsync/plexsync/internal/simstash"
)

func TestConfigureChangesThisPluginsSettingsOnly(t *testing.T) {
	c, s := pair(t, simstash.Options{Username: "anna", Password: "secret"})
	other := map[string]any{"plexUrl": "of another plugin"}
	s.SetPluginSettings("other", other)
	s.SetPluginSettings("plexsync", map[string]any{"paused": true, "maxRetries": 7, "pathRules": "/data => /media", "plexToken": "old"})
	if changed, err := c.Configure(ctx, map[string]any{"plexUrl": "http://plex:32400", "plexToken": nil}); err != nil || !changed {
		t.Fatal(changed, err)
	}
	state, err := c.State(ctx)
	want := map[string]any{"paused": true, "maxRetries": 7.0, "pathRules": "/data => /media", "plexUrl": "http://plex:32400"}
	if err != nil || !reflect.DeepEqual(state.Settings, want) {
		t.Errorf("%v, %v", state.Settings, err)
	}
	var all struct {
		Configuration struct{ Plugins map[string]map[string]any }
	}
	if err := s.Query(ctx, `{configuration{plugins}}`, nil, &all); err != nil || !reflect.DeepEqual(all.Configuration.Plugins["other"], other) {
		t.Errorf("%v, %v", all, err)
	}
	if changed, err := c.Configure(ctx, map[string]any{"plexUrl": "http://plex:32400", "plexToken": nil}); err != nil || changed {
		t.Errorf("once more: %v, %v", changed, err)
	}
}
