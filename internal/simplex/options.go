package simplex

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Options is what a [Server] is and how it misbehaves. The zero value is a
// healthy recent server. All of it can be changed while the server runs, see
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
	// everything that changes the library is 403, and so is the list of accounts;
	// rating is not. What the server "allows" stays as it is.
	NotOwner bool
	// NoDeletionFlag leaves allowMediaDeletion out of what the server tells, as
	// after its owner switched that off.
	NoDeletionFlag bool
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
	// a reverse proxy in front lets through; longer ones are 414. Not positive =
	// no proxy. The server itself answers 400 to more than 8,192 bytes: a real one
	// took 7,671 and refused 10,232.
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
	// Removals says how the server reads the names in a removal.
	Removals Decoding
	// ClearLast empties a list after adding to it when one edit does both, so
	// that nothing is left.
	ClearLast bool
	// OneRemovalPerPUT honours only the first name that an edit removes.
	OneRemovalPerPUT bool
	// TagsKeepCase tells "Blonde" from "blonde". Without it a tag has the
	// spelling in which it first came to the server, in any section. That goes
	// for A to Z only: "É" and "é" are always two tags.
	TagsKeepCase bool
	// TagEditsTouch makes edits of tags alone move updatedAt.
	TagEditsTouch bool
	// Shows is what the server makes of a field's value, or of the name of an
	// element of a list, when it shows it; nil = it shows what it has. The truth,
	// as [Server.Item] tells it, is what it has. [Otherwise] is one.
	Shows func(field, value string) string
	// StudioList shows a list Studio beside the text studio, as servers of 1.43
	// may.
	StudioList bool
	// GoneIs200 answers 200 to an edit of an item that is not there, not 404.
	GoneIs200 bool
	// RandomUploads gives each upload a name of its own, also if the same bytes
	// are there. Without it an upload is named by its bytes.
	RandomUploads bool
	// NoPictureLock keeps uploading or selecting a picture from locking it.
	NoPictureLock bool

	// Maintenance answers every path, /identity included, with 503, as a server
	// does that is starting.
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

// Decoding is how a server reads the names that an edit removes. They stand in one
// value, parted by commas, and accounts differ on whether each is encoded once more
// by itself. A name that is not found is kept, and the answer is 200 all the same.
type Decoding int

const (
	// DecodeTwice takes each name for encoded once more: "A%2CB" is "A,B".
	DecodeTwice Decoding = iota
	// DecodeOnce takes each name as it is: "A%2CB" is that, and no name with a
	// comma can be removed by itself.
	DecodeOnce
	// DecodeBoth takes a name as it is if the item has it, else as DecodeTwice.
	DecodeBoth
)

// Otherwise shows what servers may show otherwise than it was sent: dates a day
// early, ratings rounded to whole ones, titles without blanks at their ends and of 100
// characters at most, names in lower case (A to Z).
func Otherwise(field, value string) string {
	switch field {
	case "originallyAvailableAt":
		if t, err := time.Parse(time.DateOnly, value); err == nil {
			return t.AddDate(0, 0, -1).Format(time.DateOnly)
		}
	case "userRating":
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			return strconv.FormatFloat(math.Round(f), 'f', -1, 64)
		}
	case "title", "titleSort":
		runes := []rune(strings.TrimSpace(value))
		return string(runes[:min(len(runes), 100)])
	default:
		if _, list := tagFields[field]; list {
			return nocase(value)
		}
	}
	return value
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
