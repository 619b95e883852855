package plex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/plexsync/plexsync/internal/job"
)

// Identity is who a server is.
type Identity struct{ MachineID, Version string }

// Identity asks whether Plex is there. It needs no token and sends none, and is
// tried once: it is the probe in an outage. An answer that no Plex gives means a
// wrong address, and is as if nobody were there.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	var id Identity
	err := c.try(ctx, request{op: "ask Plex who it is", method: http.MethodGet, path: "/identity", anonymous: true,
		decode: func(_ http.Header, r io.Reader) (err error) {
			id, _, err = identity(r)
			return err
		}})
	return id, c.notPlex(err)
}

func identity(r io.Reader) (Identity, container, error) {
	m, err := decode[json.RawMessage](r, nil)
	if err == nil && m.MachineIdentifier == "" {
		err = errNoContainer
	}
	return Identity{string(m.MachineIdentifier), string(m.Version)}, m, err
}

// Server is what a server tells to those who have a token for it.
type Server struct {
	Identity
	Name string
	// Allowed is what the token's owner may do there, as Plex puts it:
	// "allowMediaDeletion", "allowSharing". Only the server's owner may all of it.
	Allowed map[string]bool
}

// Server asks Plex about itself with the token, which Identity does not prove.
func (c *Client) Server(ctx context.Context) (Server, error) {
	var s Server
	err := c.do(ctx, request{op: "ask Plex about itself", method: http.MethodGet, path: "/",
		decode: func(_ http.Header, r io.Reader) error {
			id, m, err := identity(r)
			s = Server{Identity: id, Name: string(m.FriendlyName), Allowed: m.Allowed}
			return err
		}})
	return s, err
}

// CheckVersion says whether a version of Plex is too old; one that cannot be read
// is not.
func CheckVersion(v string) error {
	var major, minor int
	if n, _ := fmt.Sscanf(v, "%d.%d", &major, &minor); n == 2 && (major < 1 || major == 1 && minor < 32) {
		return fmt.Errorf("this is Plex Media Server %s; PlexSync needs 1.32 or newer", v)
	}
	return nil
}

// Section is a library.
type Section struct {
	Key, Title, Type, UUID string
	Locations              []string
	// ContentChangedAt is a counter that moves with the library's content; what
	// exactly moves it is not documented. 0 = unknown.
	ContentChangedAt int64
}

// Sections lists the libraries of all types.
func (c *Client) Sections(ctx context.Context) ([]Section, error) {
	var out []Section
	err := c.do(ctx, request{op: "list Plex's libraries", method: http.MethodGet, path: "/library/sections",
		decode: func(_ http.Header, r io.Reader) (err error) {
			out, err = sections(r)
			return err
		}})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func sections(r io.Reader) ([]Section, error) {
	m, err := decode[json.RawMessage](r, nil)
	var out []Section
	for _, d := range m.Directory {
		if !isKey(string(d.Key)) {
			continue // it goes into a path
		}
		s := Section{Key: string(d.Key), Title: string(d.Title), Type: string(d.Type), UUID: string(d.UUID),
			ContentChangedAt: int64(d.ContentChangedAt)}
		for _, l := range d.Location {
			s.Locations = append(s.Locations, string(l.Path))
		}
		out = append(out, s)
	}
	return out, err
}

// itemsPerRequest is how many items one request reads in full.
const itemsPerRequest = 100

// Items reads items in full; those that Plex does not have are left out. The order
// is Plex's.
func (c *Client) Items(ctx context.Context, keys []string) ([]Item, error) {
	for _, k := range keys {
		if !isKey(k) {
			return nil, badKey("read an item", k)
		}
	}
	const path, query = "/library/metadata/", "?skipRefresh=1"
	var out []Item
	for len(keys) > 0 {
		n, size := 1, len(c.base)+len(path)+len(query)+len(keys[0])
		for n < min(len(keys), itemsPerRequest) && size+1+len(keys[n]) < c.o.MaxURL {
			size += 1 + len(keys[n])
			n++
		}
		op := "read item " + keys[0]
		if n > 1 {
			op = fmt.Sprintf("read %d items", n)
		}
		var page []Item
		err := c.do(ctx, request{op: op, method: http.MethodGet, path: path + strings.Join(keys[:n], ",") + query, limit: maxItems,
			decode: func(_ http.Header, r io.Reader) (err error) {
				page, err = items(r)
				return err
			}})
		var e *job.Error
		switch {
		case err == nil:
			out = append(out, page...)
		case errors.As(err, &e) && e.Status == http.StatusNotFound: // it has none of them
		default:
			return nil, err
		}
		keys = keys[n:]
	}
	return out, nil
}

func items(r io.Reader) ([]Item, error) {
	var out []Item
	m, err := decode(r, func(w wireItem) error {
		if isKey(string(w.RatingKey)) {
			out = append(out, w.item())
		}
		return nil
	})
	for i := range out {
		if it := &out[i]; it.Section == "" {
			it.Section = string(m.LibrarySectionID)
			for j := range it.Parts {
				it.Parts[j].Section = it.Section
			}
		}
	}
	return out, err
}

// Scan asks Plex to scan one folder of a library, as Plex sees its path, and
// returns before it has. Without a path Plex would scan the whole library: that is
// refused here.
func (c *Client) Scan(ctx context.Context, section, path string) error {
	op := "scan a folder of library " + section
	if !isKey(section) {
		return badKey("scan a library", section)
	}
	if path == "" {
		return &job.Error{Class: job.ClassInternal, Op: op, Err: errors.New("no folder is given")}
	}
	return c.do(ctx, request{op: op, method: http.MethodGet, path: "/library/sections/" + section + "/refresh?path=" + escape(path)})
}

func badKey(op, key string) error {
	return &job.Error{Class: job.ClassInternal, Op: op, Err: fmt.Errorf("%q is no key", key)}
}

// isKey reports whether s is a positive number: what goes into a path must be, for
// an edit without an item's key edits the whole library.
func isKey(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && s[0] != '0' && len(s) < 20
}

// escape percent-encodes everything but letters, digits and -_.~: Plex takes a plus
// for a blank, and brackets are not allowed in a URL.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
