package plex

import (
	"context"
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
	err := c.try(ctx, request{op: "identify Plex", method: http.MethodGet, path: "/identity", anonymous: true,
		decode: func(_ http.Header, r io.Reader) (err error) {
			id, _, err = identity(r)
			return err
		}})
	return id, c.notPlex(err)
}

func identity(r io.Reader) (Identity, container, error) {
	m, err := decode[none](r, nil)
	if err == nil && m.MachineIdentifier == "" {
		err = errNoContainer
	}
	return Identity{string(m.MachineIdentifier), string(m.Version)}, m, err
}

// Server is what a server tells to those who have a token for it.
type Server struct {
	Identity
	Name string
	// Allowed are the flags that Plex tells, by its names: "allowMediaDeletion",
	// "allowSharing". They say what is switched on, not who asks: an unclaimed server
	// allows less to its owner than another does to a guest, and
	// "allowMediaDeletion" is missing for an owner who switched it off. Ask
	// [Client.Owner].
	Allowed map[string]bool
}

// Server asks Plex about itself with the token, which Identity does not prove.
func (c *Client) Server(ctx context.Context) (Server, error) {
	var s Server
	err := c.do(ctx, request{op: "read Plex's version", method: http.MethodGet, path: "/",
		decode: func(_ http.Header, r io.Reader) error {
			id, m, err := identity(r)
			s = Server{Identity: id, Name: string(m.FriendlyName), Allowed: m.Allowed}
			return err
		}})
	return s, err
}

// Owner reports whether the token is that of the server's owner, who alone may edit,
// and writes nothing. It reads the list of the server's accounts, which a person
// that the server is shared with is refused: with 403 (home-assistant/core issue
// 181394), earlier with 401. A token that is no good is refused just so: ask
// [Client.Server] first. An error says nothing about the owner, for a proxy may keep
// that list back.
func (c *Client) Owner(ctx context.Context) (bool, error) {
	err := c.do(ctx, request{op: "check whose token it is", method: http.MethodGet, path: "/accounts",
		decode: func(_ http.Header, r io.Reader) error {
			_, err := decode[none](r, nil)
			return err
		}})
	if job.ClassOf(err) == job.ClassUnauthorized {
		return false, nil
	}
	return err == nil, err
}

// CheckVersion says whether a version of Plex is too old; one that cannot be read
// is not.
func CheckVersion(v string) error {
	var major, minor int
	if n, _ := fmt.Sscanf(v, "%d.%d", &major, &minor); n == 2 && (major < 1 || major == 1 && minor < 32) {
		return fmt.Errorf("this is Plex Media Server %s, but PlexSync needs 1.32 or newer", v)
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
	m, err := decode[none](r, nil)
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
	var out []Item
	for len(keys) > 0 {
		n, size := 1, len(c.base)+len(itemPath)+len(itemQuery)+len(keys[0])
		for n < min(len(keys), itemsPerRequest) && size+1+len(keys[n]) < c.o.MaxURL {
			size += 1 + len(keys[n])
			n++
		}
		room := maxTags
		page, err := c.items(ctx, keys[:n], &room)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		keys = keys[n:]
	}
	return out, nil
}

const itemPath, itemQuery = "/library/metadata/", "?skipRefresh=1"

// items reads by one request; if that is too much for one answer, by halves. room is
// what is left of maxTags.
func (c *Client) items(ctx context.Context, keys []string, room *int) ([]Item, error) {
	op := "read item " + keys[0]
	if len(keys) > 1 {
		op = fmt.Sprintf("read %d items", len(keys))
	}
	var page []Item
	err := c.do(ctx, request{op: op, method: http.MethodGet, path: itemPath + strings.Join(keys, ",") + itemQuery,
		decode: func(_ http.Header, r io.Reader) (err error) {
			before := *room
			if page, err = items(r, keys, room); err != nil {
				*room = before
			}
			return err
		}})
	var e *job.Error
	var long tooLong
	switch {
	case err == nil:
		return page, nil
	case errors.As(err, &e) && e.Status == http.StatusNotFound: // it has none of them
		return nil, nil
	case errors.As(err, &long) && len(keys) > 1:
		half := len(keys) / 2
		if page, err = c.items(ctx, keys[:half], room); err != nil {
			return nil, err
		}
		more, err := c.items(ctx, keys[half:], room)
		return append(page, more...), err
	}
	return nil, err
}

// maxTags is how many elements the lists of itemsPerRequest items may have.
const maxTags = 200_000

// items reads the items with these keys; what nobody asked for is left out.
func items(r io.Reader, keys []string, room *int) ([]Item, error) {
	wanted := map[string]bool{}
	for _, k := range keys {
		wanted[k] = true
	}
	var out []Item
	m, err := decode(r, func(w wireItem) error {
		if key := string(w.RatingKey); wanted[key] {
			delete(wanted, key)
			it := w.item()
			for _, l := range it.Lists {
				*room -= len(l)
			}
			if *room -= len(it.Parts); *room < 0 {
				return fmt.Errorf("%w: the lists in it have more than %d elements", errTooLarge, maxTags)
			}
			out = append(out, it)
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
	return &job.Error{Class: job.ClassInternal, Op: op, Err: fmt.Errorf("%q is not a key", key)}
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
