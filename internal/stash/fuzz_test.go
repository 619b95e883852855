package stash_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/stash"
)

// saying answers every request with the same body.
type saying string

func (s saying) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(s))), Request: r}, nil
}

// FuzzAnswers: whatever Stash answers, a scene is either found, missing, or an error.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		"", "null", "<html>", `{"data":null}`, `{"data":{}}`, `{"errors":[]}`, `{"errors":[{"message":""}]}`,
		`{"data":{"findScenes":{"scenes":[{"id":"1","files":[{"path":"/a","size":1e999,"duration":-1}],"rating100":7}]}}}`,
		`{"data":{"s0":null}}`, `{"data":{"findScenes":{"scenes":[{"id":1,"studio":{"id":"x"}}]}}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c, err := stash.New(stash.Options{URL: "http://stash.test", Transport: saying(body)})
		if err != nil {
			t.Fatal(err)
		}
		found, missing, err := c.Scenes(ctx, []int64{1})
		if err == nil && len(found)+len(missing) == 0 {
			t.Error("a scene that is neither found nor missing")
		}
		if err != nil && job.ClassOf(err) != job.ClassStashUnreachable {
			t.Errorf("error %v (%s)", err, job.ClassOf(err))
		}
		c.State(ctx)
		c.Tasks(ctx)
		if tags, err := c.Tags(ctx); err == nil && slices.ContainsFunc(tags, func(t stash.Tag) bool { return t.ID <= 0 }) {
			t.Errorf("a tag without an id: %+v", tags)
		}
		c.Cover(ctx, "http://stash.test/scene/1/screenshot", "")
	})
}
