package stash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
)

const configureMutation = `mutation ($input: Map!) {
	configurePlugin(plugin_id: "plexsync", input: $input)
}`

const settingsQuery = `query {
	configuration { plugins(include: ["plexsync"]) }
}`

// errContended: what was written was replaced each time.
const errContended = failure("something else changes the settings at the same time")

// configureTries is how often settings are merged and written anew because somebody else
// wrote them in between.
const configureTries = 3

// Configure changes some of the plugin's settings and keeps all others, byte for byte:
// a value of nil takes a setting away. Stash knows only how to replace all of them at
// once (STASH.md, "configurePlugin"), so they are read, changed, written and read back.
// If another has written in between so that the change is not there, it is made again
// on what is there now. The window in which what another writes is lost is that between
// reading and writing, a few milliseconds.
//
// It is idempotent: settings that are already as they should be are not written. Texts
// among the changes are kept out of errors.
func (c *Client) Configure(ctx context.Context, changes map[string]any) (changed bool, err error) {
	const op = "save the settings in Stash"
	want := map[string]json.RawMessage{}
	c.mu.Lock()
	for name, v := range changes {
		if text, ok := v.(string); ok && text != "" {
			c.forget(text)
		}
		if v == nil {
			want[name] = nil
			continue
		}
		raw, err := json.Marshal(v)
		if err != nil {
			c.mu.Unlock()
			return false, fmt.Errorf("%s: %s is not a value for a setting", op, name)
		}
		want[name] = raw
	}
	c.mu.Unlock()
	for range configureTries {
		now, err := c.settings(ctx)
		if err != nil {
			return changed, err
		}
		if holds(now, want) {
			return changed, nil
		}
		for name, v := range want {
			if v == nil {
				delete(now, name)
			} else {
				now[name] = v
			}
		}
		// What it answers is the settings as they were sent, with the token.
		var out struct {
			ConfigurePlugin map[string]json.RawMessage
		}
		if err := c.query(ctx, op, configureMutation, map[string]any{"input": now}, &out); err != nil {
			return changed, err
		}
		changed = true
	}
	now, err := c.settings(ctx)
	if err == nil && !holds(now, want) {
		err = c.fail(ctx, op, errContended)
	}
	return changed, err
}

// settings reads the plugin's settings as Stash writes them: numbers keep their digits.
func (c *Client) settings(ctx context.Context) (map[string]json.RawMessage, error) {
	const op = "ask Stash for the settings"
	var out struct {
		Configuration *struct {
			Plugins map[string]map[string]json.RawMessage
		}
	}
	if err := c.query(ctx, op, settingsQuery, nil, &out); err != nil {
		return nil, err
	}
	// Half an answer must not pass for settings of which nothing was ever set.
	if out.Configuration == nil || out.Configuration.Plugins == nil {
		return nil, c.fail(ctx, op, errAnswer)
	}
	all := maps.Clone(out.Configuration.Plugins["plexsync"])
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	return all, nil
}

// holds reports whether the settings are as wanted.
func holds(now, want map[string]json.RawMessage) bool {
	for name, v := range want {
		have, ok := now[name]
		if v == nil {
			if ok {
				return false
			}
			continue
		}
		if !ok || !bytes.Equal(canonical(have), canonical(v)) {
			return false
		}
	}
	return true
}

// canonical is a value in one spelling: a text has several, with its escapes.
func canonical(raw json.RawMessage) []byte {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return raw
	}
	out, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return out
}
