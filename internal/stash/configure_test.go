package stash

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/plexsync/plexsync/internal/job"
)

func TestTheQueriesOfSettingsFitStashsSchema(t *testing.T) {
	schema, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{configureMutation, settingsQuery} {
		if _, errs := gqlparser.LoadQueryWithRules(schema, query, rules.NewDefaultRules()); len(errs) > 0 {
			t.Errorf("%s: %v", query, errs)
		}
	}
}

// keeper is a Stash that keeps the settings of one plugin, as it was sent them.
type keeper struct {
	settings string // JSON; "" = the plugin has none
	writes   []string
	// between runs after each write, before the next request.
	between func(k *keeper)
}

func (k *keeper) answer(w http.ResponseWriter, _ *http.Request, body string) {
	var in struct {
		Query     string
		Variables struct{ Input json.RawMessage }
	}
	json.Unmarshal([]byte(body), &in)
	if !strings.HasPrefix(in.Query, "mutation") {
		all := "{}"
		if k.settings != "" {
			all = `{"plexsync":` + k.settings + `}`
		}
		fmt.Fprintf(w, `{"data":{"configuration":{"plugins":%s}}}`, all)
		return
	}
	k.settings = string(in.Variables.Input)
	k.writes = append(k.writes, k.settings)
	fmt.Fprintf(w, `{"data":{"configurePlugin":%s}}`, k.settings)
	if k.between != nil {
		k.between(k)
	}
}

func TestConfigureKeepsAllOtherSettingsAsTheyAre(t *testing.T) {
	// Numbers that a float64 would change, texts with escapes, and what no version of
	// ours has written.
	const before = `{"b":9007199254740993,"c":1.50,"d":"<é\u2028>","e":null,"f":{"g":[1,true]},"plexToken":"old","gone":1}`
	k := &keeper{settings: before}
	c, _ := dial(t, k.answer)
	changes := map[string]any{"plexUrl": "http://plex:32400", "plexToken": "SECRET-new", "gone": nil, "never": nil}
	changed, err := c.Configure(t.Context(), changes)
	if err != nil || !changed || len(k.writes) != 1 {
		t.Fatalf("%v, %v, writes %q", changed, err, k.writes)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(k.settings), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"b": "9007199254740993", "c": "1.50", "e": "null", "f": `{"g":[1,true]}`, "plexUrl": `"http://plex:32400"`, "plexToken": `"SECRET-new"`}
	for name, v := range want {
		if string(got[name]) != v {
			t.Errorf("%s is %s, want %s", name, got[name], v)
		}
	}
	if string(canonical(got["d"])) != string(canonical(json.RawMessage(`"<é\u2028>"`))) || len(got) != len(want)+1 {
		t.Errorf("the settings are %s", k.settings)
	}
	// Once more changes nothing, and writes nothing.
	if changed, err := c.Configure(t.Context(), changes); err != nil || changed || len(k.writes) != 1 {
		t.Errorf("once more: %v, %v, writes %q", changed, err, k.writes)
	}
	// Of a plugin that was never set up.
	k.settings, k.writes = "", nil
	if changed, err := c.Configure(t.Context(), map[string]any{"plexUrl": "x"}); err != nil || !changed || k.settings != `{"plexUrl":"x"}` {
		t.Errorf("of nothing: %v, %v, %s", changed, err, k.settings)
	}
}

func TestConfigureIsMadeAgainIfAnotherWritesInBetween(t *testing.T) {
	k := &keeper{settings: `{"a":1}`, between: func(k *keeper) {
		if len(k.writes) == 1 {
			k.settings = `{"a":2,"paused":true}` // a form that was opened before
		}
	}}
	c, _ := dial(t, k.answer)
	if changed, err := c.Configure(t.Context(), map[string]any{"plexUrl": "x"}); err != nil || !changed || k.settings != `{"a":2,"paused":true,"plexUrl":"x"}` {
		t.Errorf("%v, %v, %s", changed, err, k.settings)
	}
	k = &keeper{between: func(k *keeper) { k.settings = `{"a":2}` }}
	c, _ = dial(t, k.answer)
	_, err := c.Configure(t.Context(), map[string]any{"plexUrl": "x"})
	if job.ClassOf(err) != job.ClassStashUnreachable || !strings.Contains(err.Error(), "something else changes") || len(k.writes) != configureTries {
		t.Errorf("%v, writes %q", err, k.writes)
	}
}

func TestConfigureWritesNothingOverAnAnswerThatIsNone(t *testing.T) {
	for _, answer := range []string{`{"data":{"configuration":null}}`, `{"data":{"configuration":{"plugins":null}}}`, `{"data":{}}`, `{"data":null}`, `[]`, `{"data":{"configuration":{"plugins":{"plexsync":[]}}}}`} {
		c, f := dial(t, always(200, answer))
		if _, err := c.Configure(t.Context(), map[string]any{"plexUrl": "x"}); err == nil || len(f.asked) != 1 {
			t.Errorf("%s: %v after %d requests", answer, err, len(f.asked))
		}
	}
}

func TestConfigureTellsNoSecret(t *testing.T) {
	const token = "SECRET-token-4714"
	for _, answer := range []string{
		`{"errors":[{"message":"cannot store ` + token + `"}],"data":null}`,
		`{"data":{"configurePlugin":"` + token + `"}}`, `<html>` + token, `{"data":{"configurePlugin":{"plexToken":"` + token,
	} {
		c, _ := dial(t, func(w http.ResponseWriter, r *http.Request, body string) {
			if strings.Contains(body, "mutation") {
				io.WriteString(w, answer)
				return
			}
			(&keeper{}).answer(w, r, body)
		})
		_, err := c.Configure(t.Context(), map[string]any{"plexToken": token})
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", answer, err)
		}
	}
}
