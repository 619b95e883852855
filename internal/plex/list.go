package plex

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// pageSize is how many items one request of a listing asks for, and about how many
// are handed on at once.
const pageSize = 1000

// What one listing may cost. A server that promises more with each answer, or one
// that sends without end, would keep us for ever.
const (
	// maxListed is how many items a library may have, and maxFiles how many files
	// one answer may list.
	maxListed = 500_000
	maxFiles  = 2_000_000
	// maxListing is how many bytes a listing may have, all of its answers together.
	// A server that leaves nothing out sends some 4,000 for each item.
	maxListing = 1 << 30
	// minRequests is how many requests any listing may take, however little each
	// brings; itemsPerMore items allow one more, up to maxRequests. So pages of
	// fifty, whatever was asked for, get as far as maxListed.
	minRequests  = 500
	itemsPerMore = 10
	maxRequests  = 10_000
)

// The parts that are held before they are handed on: of pageSize items, or less if
// they are many or have long texts.
const (
	maxHeld     = 4 * pageSize
	maxHeldText = 4 << 20
)

// List calls page with the parts of a library's items, all parts of an item in one
// call; an item may come twice. A since that is not zero asks for the items that
// were added or updated since then only, a second more or less; it costs two
// listings. It returns the number of items. An error of page ends the listing and
// is returned as it is.
//
// Plex decides how much it returns, whatever it was asked for, so the walk goes by
// the answers. It goes in the order of ids, which edits do not change. One that does
// not end, or is larger than any library, fails with class busy and what was wrong.
func (c *Client) List(ctx context.Context, section string, since time.Time, page func([]Part) error) (int, error) {
	if !isKey(section) {
		return 0, badKey("list a library", section)
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
	var (
		op       = "list library " + section
		start    = 0  // how many items are behind us
		least    = -1 // the smallest total that was told; -1 = none was
		previous = "" // the first key of the page before
		bytes    int64
	)
	trouble := func(format string, args ...any) error {
		return &job.Error{Class: job.ClassBusy, Op: op, Err: fmt.Errorf(format, args...)}
	}
	for requests := 0; ; requests++ {
		if requests >= min(minRequests+start/itemsPerMore, maxRequests) {
			return start, trouble("the listing does not end: %d requests returned %d items", requests, start)
		}
		var a listed
		var failed error // by page, which must not be taken for Plex's failure
		err := c.do(ctx, request{
			op: op, method: http.MethodGet, limit: max(1, c.listing-bytes), size: &bytes, rest: listTimeout,
			path: "/library/sections/" + section + "/all?type=1&sort=id&excludeFields=summary,tagline" +
				"&excludeElements=Genre,Country,Director,Writer,Role,Collection,Guid,Rating,Image,UltraBlurColors" + filter,
			header: map[string]string{"X-Plex-Container-Start": strconv.Itoa(start), "X-Plex-Container-Size": strconv.Itoa(pageSize)},
			decode: func(h http.Header, r io.Reader) (err error) {
				a, err = readListed(h, r, section, previous, maxListed-start, func(parts []Part) error {
					if failed = page(parts); failed != nil {
						return errStopped
					}
					return nil
				})
				return err
			},
		})
		if failed != nil {
			return start, failed
		}
		if err != nil && !a.again {
			return start, err
		}
		if a.total >= 0 && a.total < least {
			// Items were removed meanwhile, and those behind them moved forward, some of
			// them to where we have been.
			start = max(0, start-(least-a.total))
			least, previous = a.total, ""
			continue
		}
		if least < 0 {
			least = a.total
		}
		next := start + a.n
		if a.offset >= 0 {
			next = a.offset + a.n
		}
		told := a.offset >= 0 || a.total >= 0
		switch {
		case a.again && !told:
			return start, nil // paging is ignored altogether: it was all there
		case a.again:
			return start, trouble("Plex returns the same items again after %d of %d", start, a.total)
		case a.n == 0 && start < a.total:
			return start, trouble("Plex returns %d of %d items and then no more", start, a.total)
		case a.n == 0:
			return start, nil
		case a.offset > start:
			return start, trouble("Plex leaves out items %d to %d", start, a.offset)
		case next <= start:
			return start, trouble("Plex returns the same items again after %d", start)
		case a.total >= 0 && next >= a.total, !told && a.n > pageSize:
			return next, nil
		}
		start, previous = next, a.head
	}
}

// listed is what one answer of a listing was.
type listed struct {
	n             int    // items in it
	head          string // key of the first
	again         bool   // it began like the page before, and was not read further
	offset, total int    // -1 = not told
}

// readListed reads an answer of at most that many items and hands its parts on in
// portions. It stops with errStopped if the answer begins like the previous one.
func readListed(h http.Header, r io.Reader, section, previous string, most int, page func([]Part) error) (listed, error) {
	var a listed
	var parts []Part
	items, text, files := 0, 0, 0 // held, and files in all
	hand := func() error {
		p := parts
		if parts, items, text = nil, 0, 0; len(p) == 0 {
			return nil
		}
		if in, ok := r.(*bounded); ok {
			return in.aside(func() error { return page(p) })
		}
		return page(p)
	}
	m, err := decode(r, func(w wireItem) error {
		key := string(w.RatingKey)
		if a.n++; a.n == 1 {
			a.head = key
			if a.again = key != "" && key == previous; a.again {
				return errStopped
			}
		}
		if a.n > most {
			return fmt.Errorf("%w: a library has at most %d items", errTooLarge, maxListed)
		}
		if isKey(key) {
			more := w.parts(section)
			if files += len(more); files > maxFiles {
				return fmt.Errorf("%w: it lists more than %d files", errTooLarge, maxFiles)
			}
			text += len(w.Thumb)
			for _, p := range more {
				text += len(p.Path)
			}
			parts = append(parts, more...)
		}
		if items++; items == pageSize || len(parts) >= maxHeld || text >= maxHeldText {
			return hand()
		}
		return nil
	})
	if err == nil {
		err = hand()
	}
	a.offset = first(m.Offset, h.Get("X-Plex-Container-Start"))
	a.total = first(m.TotalSize, h.Get("X-Plex-Container-Total-Size"))
	return a, err
}

// first reads a number from the body or else from a header; -1 = neither has it.
func first(n optional, header string) int {
	if n.given {
		return max(-1, int(n.number))
	}
	if i, err := strconv.Atoi(header); err == nil {
		return max(-1, i)
	}
	return -1
}
