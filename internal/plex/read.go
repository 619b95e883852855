package plex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

var errNoContainer = errors.New("the answer has no MediaContainer")

// Identity is who a server is.
type Identity struct{ MachineID, Version string }

// Identity asks whether Plex is there. It needs no token and sends none, and is
// tried once: it is the probe in an outage.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	var id Identity
	err := c.do(ctx, request{op: "ask Plex who it is", method: http.MethodGet, path: "/identity", anonymous: true, once: true,
		decode: func(_ *http.Response, r io.Reader) error {
			m, err := decode[json.RawMessage](r)
			if err != nil || m.MachineIdentifier == "" {
				return &job.Error{Class: job.ClassUnreachable, Op: "ask Plex who it is",
					Err: fmt.Errorf("%s answers, but not as a Plex server does", c.host), Hint: "Set plexUrl to the address of Plex itself"}
			}
			id = Identity{string(m.MachineIdentifier), string(m.Version)}
			return nil
		}})
	return id, err
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
}

// Sections lists the libraries of all types.
func (c *Client) Sections(ctx context.Context) ([]Section, error) {
	var out []Section
	err := c.do(ctx, request{op: "list Plex's libraries", method: http.MethodGet, path: "/library/sections",
		decode: func(_ *http.Response, r io.Reader) error {
			m, err := decode[json.RawMessage](r)
			out = nil
			for _, d := range m.Directory {
				if !digits(string(d.Key)) {
					continue // it goes into a path
				}
				s := Section{Key: string(d.Key), Title: string(d.Title), Type: string(d.Type), UUID: string(d.UUID)}
				for _, l := range d.Location {
					s.Locations = append(s.Locations, string(l.Path))
				}
				out = append(out, s)
			}
			return err
		}})
	return out, err
}

// pageSize is how many items one request of a listing asks for.
const pageSize = 1000

// List calls page with the parts of a library's items, all parts of an item in one
// call; an item may come twice. A since that is not zero asks for the items that
// were added or updated since then only, a second more or less; it costs two
// listings. It returns the number of items.
//
// Plex decides how much it returns, whatever it was asked for, so the walk goes by
// the answers. It goes in the order of ids, which edits do not change.
func (c *Client) List(ctx context.Context, section string, since time.Time, page func([]Part) error) (int, error) {
	if !digits(section) {
		return 0, &job.Error{Class: job.ClassInternal, Op: "list a library", Err: fmt.Errorf("%q is no key of a library", section)}
	}
	if since.IsZero() {
		return c.list(ctx, section, "", page)
	}
	n := 0
	for _, field := range []string{"addedAt", "updatedAt"} {
		m, err := c.list(ctx, section, "&"+escape(field+">>")+"="+strconv.FormatInt(since.Unix()-1, 10), page)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (c *Client) list(ctx context.Context, section, filter string, page func([]Part) error) (int, error) {
	op := "list library " + section
	items, start, previous := 0, 0, ""
	for {
		next, total, last := start, -1, false
		var failed error // by page, which must not be taken for Plex's failure
		err := c.do(ctx, request{
			op: op, method: http.MethodGet,
			path: "/library/sections/" + section + "/all?type=1&sort=id&excludeFields=summary,tagline" +
				"&excludeElements=Genre,Country,Director,Writer,Role,Collection,Guid,Rating,Image,UltraBlurColors" + filter,
			header: map[string]string{"X-Plex-Container-Start": strconv.Itoa(start), "X-Plex-Container-Size": strconv.Itoa(pageSize)},
			decode: func(resp *http.Response, r io.Reader) error {
				m, err := decode[wireItem](r)
				if err != nil {
					return err
				}
				offset, told := first(m.Offset, resp.Header.Get("X-Plex-Container-Start"))
				if !told {
					offset = start
				}
				if t, ok := first(m.TotalSize, resp.Header.Get("X-Plex-Container-Total-Size")); ok {
					total = t
				}
				if len(m.Metadata) > 0 {
					// Paging may be ignored altogether: then it is all there, each time.
					head := string(m.Metadata[0].RatingKey)
					last = head == previous || !told && total < 0 && len(m.Metadata) != pageSize
					previous = head
				}
				next = max(start, offset+len(m.Metadata))
				var parts []Part
				for _, w := range m.Metadata {
					if digits(string(w.RatingKey)) {
						parts = append(parts, w.parts(section)...)
					}
				}
				items += next - start
				if len(parts) > 0 {
					failed = page(parts)
				}
				return nil
			},
		})
		switch {
		case err != nil:
			return items, err
		case failed != nil:
			return items, failed
		case (next == start || last) && total > next:
			return items, &job.Error{Class: job.ClassBusy, Op: op, Err: fmt.Errorf("Plex returned %d of %d items and then no more", next, total)}
		case last, next == start, total >= 0 && next >= total:
			return items, nil
		}
		start = next
	}
}

// first reads a number from the body or else from a header.
func first(n *number, header string) (int, bool) {
	if n != nil {
		return int(*n), true
	}
	i, err := strconv.Atoi(header)
	return i, err == nil
}

// itemsPerRequest is how many items one request reads in full.
const itemsPerRequest = 100

// Items reads items in full; those that Plex does not have are left out.
func (c *Client) Items(ctx context.Context, keys []string) ([]Item, error) {
	for _, k := range keys {
		if !digits(k) {
			return nil, badKey("read an item", k)
		}
	}
	var out []Item
	for chunk := range slices.Chunk(keys, itemsPerRequest) {
		op := "read item " + chunk[0]
		if len(chunk) > 1 {
			op = fmt.Sprintf("read %d items", len(chunk))
		}
		var page []Item
		err := c.do(ctx, request{op: op, method: http.MethodGet, path: "/library/metadata/" + strings.Join(chunk, ",") + "?skipRefresh=1",
			decode: func(_ *http.Response, r io.Reader) error {
				m, err := decode[wireItem](r)
				page = nil
				for _, w := range m.Metadata {
					if w.LibrarySectionID == "" {
						w.LibrarySectionID = m.LibrarySectionID
					}
					page = append(page, w.item())
				}
				return err
			}})
		var e *job.Error
		if errors.As(err, &e) && e.Status == http.StatusNotFound {
			continue // it has none of them
		}
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
	}
	return out, nil
}

func badKey(op, key string) error {
	return &job.Error{Class: job.ClassInternal, Op: op, Err: fmt.Errorf("%q is no rating key", key)}
}

// digits reports whether s is a number: what goes into a path must be, for an edit
// without an item's key edits the whole library.
func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) < 20
}

const hexDigits = "0123456789ABCDEF"

// escape percent-encodes everything but letters, digits and -_.~: Plex takes a plus
// for a blank, and brackets are not allowed in a URL.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}
