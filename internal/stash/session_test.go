package stash

import (
	"net/http"
	"testing"
	"time"

	"github.com/plexsync/plexsync/internal/simstash"
)

func TestTheLifetimeOfASessionIsReadOffItsCookie(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		header string
		want   time.Duration
	}{
		{"session=x; Max-Age=3600", time.Hour},
		{"session=x; Max-Age=60; Expires=Sun, 01 Mar 2026 13:00:00 GMT", time.Minute},
		{"session=x; Expires=Sun, 01 Mar 2026 12:00:30 GMT", 30 * time.Second},
		{"session=x; Expires=Sun, 01 Mar 2020 12:00:30 GMT", 0},
		{"session=x; Max-Age=0", 0},
		{"session=x; Max-Age=-5; Expires=Sun, 01 Mar 2026 12:00:30 GMT", 0},
		{"session=x; Max-Age=9999999999999", maxLifetime},
		{"session=x; Expires=Fri, 01 Mar 2999 12:00:30 GMT", maxLifetime},
		{"session=x; Expires=soon; Max-Age=soon", 0},
		{"session=x", 0},
	} {
		cookie, err := http.ParseSetCookie(c.header)
		if err != nil {
			t.Fatal(err)
		}
		if got := lifetime(cookie, now); got != c.want {
			t.Errorf("%s: %v, want %v", c.header, got, c.want)
		}
	}
}

func TestAClientTellsHowLongItsSessionHolds(t *testing.T) {
	s := simstash.New(simstash.Options{Username: "anna", Password: "pass", APIKey: "key", MaxSessionAge: 40 * time.Second})
	url := s.Start()
	defer s.Close()
	cookie := s.SessionCookie()
	c, err := New(Options{URL: url, CookieName: cookie.Name, CookieValue: cookie.Value})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.SessionLifetime(); got != 0 {
		t.Errorf("before any answer: %v", got)
	}
	if _, err := c.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.SessionLifetime(); got != 40*time.Second {
		t.Errorf("it tells %v", got)
	}
	if c, err = New(Options{URL: url, CookieName: cookie.Name, CookieValue: cookie.Value, APIKey: "key"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.State(t.Context()); err != nil || c.SessionLifetime() != 0 {
		t.Errorf("with an API key: %v, %v", c.SessionLifetime(), err)
	}
}

func TestATaskThatAPersonStoppedIsToldFromOthers(t *testing.T) {
	s := simstash.New(simstash.Options{})
	url := s.Start()
	defer s.Close()
	c, err := New(Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(id, what string, want bool) {
		t.Helper()
		if got, err := c.TaskStopped(t.Context(), id); err != nil || got != want {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	release := s.BlockQueue("Generating...")
	expect("1", "one that runs", false)
	release()
	if err := s.WaitIdle(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("1", "one that has ended", false)
	defer s.BlockQueue("Generating...")()
	defer s.BlockQueue("Generating...")()
	s.StopJob(3)
	expect("3", "one that was stopped while it waited", true)
	s.StopJob(2)
	if err := s.WaitIdle(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("2", "one that was stopped while it ran", true)
	expect("77", "one that never was", false)
	s.Restart()
	expect("2", "one that Stash has forgotten", false)
}
