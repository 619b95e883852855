package stash

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/plexsync/plexsync/internal/job"
)

func TestACoverIsOneOfFourAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		kind    string
		body    string
		want    Cover
		class   job.Class
		message string
	}{
		"a picture":        {200, "image/jpeg", "JPEG", Cover{Bytes: []byte("JPEG"), ETag: `"e2"`, ContentType: "image/jpeg"}, "", ""},
		"not modified":     {304, "", "", Cover{ETag: `"e2"`, NotModified: true}, "", ""},
		"a placeholder":    {200, "image/svg+xml", "<svg/>", Cover{ETag: `"e2"`, ContentType: "image/svg+xml", Placeholder: true}, "", ""},
		"Stash's page":     {200, "text/html; charset=utf-8", "<html>", Cover{}, job.ClassRejected, "what is at its address is not a picture"},
		"nothing":          {200, "image/png", "", Cover{}, job.ClassRejected, "it is empty"},
		"just too large":   {200, "image/png", strings.Repeat("x", maxCover+1), Cover{}, job.ClassRejected, "it is larger than 20 MiB"},
		"not there":        {404, "", "", Cover{}, job.ClassRejected, "answered 404"},
		"broken":           {500, "", "", Cover{}, job.ClassRejected, "answered 500"},
		"a proxy's answer": {502, "", "", Cover{}, job.ClassStashUnreachable, "answered 502"},
		"login":            {302, "", "", Cover{}, job.ClassStashUnreachable, "Stash no longer accepts the session"},
		"session ended":    {401, "", "", Cover{}, job.ClassStashUnreachable, "Stash no longer accepts the session"},
	} {
		client, f := dial(t, func(w http.ResponseWriter, r *http.Request, _ string) {
			if got := r.Header.Get("If-None-Match"); got != `"e1"` {
				t.Errorf("%s: If-None-Match %q", name, got)
			}
			if c.kind != "" {
				w.Header().Set("Content-Type", c.kind)
			}
			w.Header().Set("ETag", `"e2"`)
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		got, err := client.Cover(t.Context(), "http://stash.example/scene/1/screenshot?t=5", `"e1"`)
		if !reflect.DeepEqual(got, c.want) || job.ClassOf(err) != c.class || err != nil && !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %.100v, %v", name, got, err)
		}
		if len(f.asked) != 1 {
			t.Errorf("%s: %d requests", name, len(f.asked))
		}
	}
}

func TestACoverAsLargeAsAllowedIsTaken(t *testing.T) {
	c, _ := dial(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		if _, set := r.Header["If-None-Match"]; set {
			t.Error("asks for a change without an ETag")
		}
		w.Header().Set("Content-Type", "IMAGE/PNG")
		io.WriteString(w, strings.Repeat("x", maxCover))
	})
	if got, err := c.Cover(t.Context(), "/scene/1/screenshot", ""); err != nil || len(got.Bytes) != maxCover {
		t.Errorf("%d bytes, %v", len(got.Bytes), err)
	}
}

func TestOnlyStashsOwnHostIsAskedAndWithoutAKey(t *testing.T) {
	for _, c := range []struct{ base, address, asked string }{
		{"http://127.0.0.1:9999", "http://127.0.0.1:9999/scene/1/screenshot?t=5", "http://127.0.0.1:9999/scene/1/screenshot?t=5"},
		{"http://127.0.0.1:9999", "https://stash.example.com/scene/1/screenshot?t=5", "http://127.0.0.1:9999/scene/1/screenshot?t=5"},
		{"http://127.0.0.1:9999", "https://u:p@evil.example:1/scene/1/screenshot#x", "http://127.0.0.1:9999/scene/1/screenshot"},
		{"http://127.0.0.1:9999", "//evil.example/scene/1/screenshot", "http://127.0.0.1:9999/scene/1/screenshot"},
		{"http://127.0.0.1:9999", "scene/1/screenshot", "http://127.0.0.1:9999/scene/1/screenshot"},
		{"http://127.0.0.1:9999", "/scene/1/screenshot?apikey=SECRET&t=5&ApiKey=SECRET", "http://127.0.0.1:9999/scene/1/screenshot?t=5"},
		{"http://127.0.0.1:9999", "http://h/scene/1/screen%2Fshot", "http://127.0.0.1:9999/scene/1/screen%2Fshot"},
		{"http://127.0.0.1:9999", "mailto:jane@example.com", "http://127.0.0.1:9999"},
		{"https://h/stash", "https://h/stash/scene/1/screenshot?t=5", "https://h/stash/scene/1/screenshot?t=5"},
		{"https://h/stash", "http://h/scene/1/screenshot?t=5", "https://h/stash/scene/1/screenshot?t=5"},
	} {
		var asked string
		client, err := New(Options{URL: c.base, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked = r.URL.String()
			return nil, io.EOF
		})})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Cover(t.Context(), c.address, "")
		if asked != c.asked || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: asked %s, want %s: %v", c.address, asked, c.asked, err)
		}
	}
	client, f := dial(t, always(200, ""))
	_, err := client.Cover(t.Context(), "http://h/\x7f?apikey=SECRET", "")
	if job.ClassOf(err) != job.ClassRejected || strings.Contains(err.Error(), "SECRET") || f.asked != nil {
		t.Errorf("no URL: %v", err)
	}
	if _, err := client.Cover(t.Context(), "/scene/1/screenshot", "e\n1"); err == nil || f.asked == nil && strings.Contains(err.Error(), "e\n1") {
		t.Errorf("a strange ETag: %v", err)
	}
}
