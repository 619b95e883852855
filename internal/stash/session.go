package stash

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SessionLifetime is how long the session holds from the last answer on, as its cookie
// said (Stash's max_session_age); 0 if it did not say, none was renewed yet, or an API key
// is used, which does not end.
func (c *Client) SessionLifetime() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.apiKey != "" {
		return 0
	}
	return time.Duration(c.lifetime.Load())
}

// lifetime is how long a fresh cookie holds; 0 if it does not say. Max-Age goes before
// Expires (RFC 6265, section 5.3), which depends on two clocks.
func lifetime(cookie *http.Cookie, now time.Time) time.Duration {
	switch {
	case cookie.MaxAge > 0:
		return time.Duration(min(cookie.MaxAge, int(maxLifetime/time.Second))) * time.Second
	case slices.ContainsFunc(cookie.Unparsed, hugeMaxAge):
		return maxLifetime
	case cookie.MaxAge == 0 && cookie.Expires.After(now):
		return min(cookie.Expires.Sub(now), maxLifetime)
	}
	return 0
}

// hugeMaxAge reports whether part of a cookie is a Max-Age that is a number, but too large
// for the int of net/http, which has 32 bits on ARMv7.
func hugeMaxAge(part string) bool {
	name, value, _ := strings.Cut(part, "=")
	_, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
	return strings.EqualFold(strings.TrimSpace(name), "Max-Age") && errors.Is(err, strconv.ErrRange)
}

// maxLifetime bounds what is believed: longer sessions need no more care.
const maxLifetime = 24 * time.Hour

// TaskStopped reports whether a person has stopped, or is stopping, the task with this
// id. One that ended by itself, was killed by the system, or that Stash no longer knows
// was not: Stash remembers the last ten that ended, and forgets them at a restart
// (observed on Stash 0.30).
func (c *Client) TaskStopped(ctx context.Context, id string) (bool, error) {
	var out struct{ FindJob *struct{ Status string } }
	if err := c.query(ctx, "ask Stash how a task ended", findTaskQuery, map[string]any{"id": id}, &out); err != nil {
		return false, err
	}
	return out.FindJob != nil && (out.FindJob.Status == "CANCELLED" || out.FindJob.Status == "STOPPING"), nil
}
