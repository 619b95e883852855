package simplex

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Options is what a [Server] is and how it misbehaves. The zero value is a
// healthy recent server behind a reverse proxy that takes request lines of up
// to 8192 bytes. All of it can be changed while the server runs, see
// [Server.Set].
type Options struct {
	// Now is the clock of all stored times. Default time.Now. Delays are slept
	// with package time whatever it says.
	Now func() time.Time

	// Token is the owner's token. Default "simplex-token".
	Token string
	// AllowMissingToken lets requests without any token in, as a server does
	// for the networks that it lists as "allowed without auth". A wrong token
	// is still refused.
	AllowMissingToken bool
	// NotOwner makes the token one of a person the server is shared with:
	// everything that changes the library is 403, rating is not.
	NotOwner bool
	// RefuseWrites makes every write 403, whoever asks.
	RefuseWrites bool
	// AllowURLToken accepts a token in the URL, as the real server does.
	// Without it such a request fails with 400. It is a violation either way.
	AllowURLToken bool
	// Check looks at each request before it is served. An error fails the
	// request with 400 and is recorded as a violation.
	Check func(*http.Request) error

	// MachineID, Version and Name are what /identity and / tell. They have
	// defaults; the version is 1.43.2.
	MachineID, Version, Name string

	// MaxURL is the longest request line in bytes (method, URL, protocol) that
	// a reverse proxy in front lets through; longer ones are 414. 0 = 8192,
	// negative = no proxy. A URL of more than 30,000 bytes is always 400: Kometa
	// met that with about 4,400 ids.
	MaxURL int

	// MaxPage is the most items a listing returns at once, less than asked for
	// if need be. 0 = no limit.
	MaxPage int
	// IgnorePaging makes listings return everything, without offset and
	// totalSize.
	IgnorePaging bool
	// IgnoreFilters makes listings take no notice of filters.
	IgnoreFilters bool
	// HonourExcludes makes excludeFields and excludeElements work. They are
	// requests, not guarantees.
	HonourExcludes bool
	// NumbersAsStrings sends the numbers in JSON as strings, as some published
	// examples have it.
	NumbersAsStrings bool

	// ListsReplace makes indexed tags in an edit replace the item's list, as
	// older reports say, instead of being appended.
	ListsReplace bool
	// OneRemovalPerPUT honours only the first name that an edit removes.
	OneRemovalPerPUT bool
	// TagsKeepCase tells "Blonde" from "blonde". Without it a tag has the
	// spelling in which it first came to the server, in any section.
	TagsKeepCase bool
	// TagEditsTouch makes edits of tags alone move updatedAt.
	TagEditsTouch bool
	// NoPictureLock keeps uploading or selecting a picture from locking it.
	NoPictureLock bool

	// Maintenance answers every path, /identity included, with 503.
	Maintenance bool
	// Down closes each connection without an answer; in process the
	// connection is refused.
	Down bool

	// ReadLatency and WriteLatency pass before a request is looked at.
	ReadLatency, WriteLatency time.Duration
	// WriteTime is how long each write holds the only writer, see
	// [Server.WriteBusy].
	WriteTime time.Duration
	// ScanTime is how long a scan takes; what it finds appears at its end.
	ScanTime time.Duration

	// Fetch gets the picture of an upload by URL. Default: a plain GET.
	Fetch func(ctx context.Context, url string) ([]byte, error)
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Token == "" {
		o.Token = "simplex-token"
	}
	if o.MachineID == "" {
		o.MachineID = "5127e91c8f0b4d6ea35d0c9f1f7ab2d4e8c60b13"
	}
	if o.Version == "" {
		o.Version = "1.43.2.10687-563d026ea"
	}
	if o.Name == "" {
		o.Name = "Simplex"
	}
	if o.MaxURL == 0 {
		o.MaxURL = 8192
	}
	if o.Fetch == nil {
		o.Fetch = fetch
	}
}

// fetch is the default of Options.Fetch.
func fetch(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the picture's address answers %s", resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxBody))
}
