package plex_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/plex"
)

// saying answers every request with the same body.
type saying string

func (s saying) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(s)))}, nil
}

// FuzzAnswers: whatever Plex answers, calls end, and what they return is usable.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		"", "null", "<html>", `{"MediaContainer":{}}`, `{"MediaContainer":{"machineIdentifier":"m","version":"1.43"}}`,
		`{"MediaContainer":{"totalSize":"1000000000","Metadata":[{"ratingKey":"1","Media":{"Part":{"file":"/a","size":"5"}}}]}}`,
		`{"MediaContainer":{"offset":-7,"totalSize":-1,"Metadata":{"ratingKey":12,"title":7,"Field":[{"name":"title","locked":"1"}],"Genre":[{"tag":null}]}}}`,
		`{"MediaContainer":{"Directory":[{"key":"../x","type":"movie"},{"key":3,"Location":[{"path":"/m"}]}]}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c, err := plex.New(plex.Options{URL: "http://plex.test", Transport: saying(body)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if id, err := c.Identity(ctx); err == nil && id.MachineID == "" {
			t.Error("a Plex without a name")
		}
		sections, _ := c.Sections(ctx)
		for _, s := range sections {
			if strings.Trim(s.Key, "0123456789") != "" {
				t.Errorf("section key %q", s.Key)
			}
		}
		c.List(ctx, "1", time.Time{}, func(parts []plex.Part) error {
			for _, p := range parts {
				if strings.Trim(p.Key, "0123456789") != "" {
					t.Errorf("rating key %q", p.Key)
				}
			}
			return nil
		})
		c.Items(ctx, []string{"1"})
		if ctx.Err() != nil {
			t.Error("the calls do not end")
		}
	})
}
