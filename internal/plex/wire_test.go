package plex

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/plexsync/plexsync/internal/job"
)

// fuzzSeeds are answers to start from.
var fuzzSeeds = []string{
	``, `{}`, `[]`, `null`, `<html>`, `{"MediaContainer":null}`, `{"MediaContainer":{}}`, `{"MediaContainer":{"Metadata":`,
	`{"MediaContainer":{"offset":"0","totalSize":2,"librarySectionID":1,"allowSync":true,"Metadata":[{"ratingKey":"7","title":"A","userRating":8.0,
	"addedAt":1,"Media":[{"duration":5,"Part":[{"file":"/a","size":1e3}]}],"Genre":[{"tag":"G"}],"Role":{"tag":"R","role":"X"},"Field":[{"name":"title","locked":"1"}]},{"ratingKey":8}]}}`,
	`{"MediaContainer":{"Metadata":{"ratingKey":7,"Media":{"Part":{"file":1,"size":"NaN","duration":-1e18}},"Genre":null,"Role":[null,{"tag":{}}]},"offset":-9e99}}`,
	`{"MediaContainer":{"Directory":[{"key":"1","title":"Films","Location":[{"path":"/media"}]},{"key":"../2"},null],"Metadata":5}}`,
	`{"MediaContainer":{"Metadata":[{"ratingKey":"7","Genre":"x"}]},"MediaContainer":{"Metadata":[{}]}}`,
}

// room is what is left for the elements of lists, as for any answer.
func room() *int {
	n := maxTags
	return &n
}

func seed(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add([]byte(s))
	}
}

func checkParts(t *testing.T, parts []Part) {
	t.Helper()
	index := map[string]int{}
	for i, p := range parts {
		if p.Duration < 0 {
			t.Errorf("part %d lasts %v", i, p.Duration)
		}
		if i > 0 && parts[i-1].Key == p.Key && p.Index != 0 && p.Index != index[p.Key]+1 {
			t.Errorf("part %d of item %s follows part %d", p.Index, p.Key, index[p.Key])
		}
		index[p.Key] = p.Index
	}
}

func FuzzItems(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		all, _ := items(bytes.NewReader(body), []string{"7", "8"}, room())
		for _, it := range all {
			if !isKey(it.Key) {
				t.Errorf("the key %q", it.Key)
			}
			if len(it.Scalars) != 9 || len(it.Lists) != 5 || it.Locked == nil {
				t.Errorf("item %s is not whole: %+v", it.Key, it)
			}
			if r := it.Scalars["userRating"]; strings.ContainsAny(r, "NaInfe+") {
				t.Errorf("the rating %q", r)
			}
			for f, list := range it.Lists {
				for _, tag := range list {
					if tag.Name == "" {
						t.Errorf("a %s without a name", f)
					}
				}
			}
			checkParts(t, it.Parts)
		}
	})
}

func FuzzList(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		var parts []Part
		a, err := readListed(http.Header{}, bytes.NewReader(body), "1", "7", maxListed, func(p []Part) error {
			if len(p) == 0 {
				t.Error("a page of nothing")
			}
			parts = append(parts, p...)
			return nil
		})
		if a.offset < -1 || a.total < -1 || a.n < 0 {
			t.Errorf("%+v", a)
		}
		if a.again && (a.head != "7" || !errors.Is(err, errStopped) || len(parts) > 0) {
			t.Errorf("%+v, %v, %d parts", a, err, len(parts))
		}
		for _, p := range parts {
			if !isKey(p.Key) || p.Section != "1" {
				t.Errorf("part of item %q of library %q", p.Key, p.Section)
			}
		}
		checkParts(t, parts)
	})
}

func FuzzSections(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		all, _ := sections(bytes.NewReader(body))
		for _, s := range all {
			if !isKey(s.Key) {
				t.Errorf("the key %q", s.Key)
			}
		}
		if id, _, err := identity(bytes.NewReader(body)); err == nil && id.MachineID == "" {
			t.Error("a server without an identifier")
		}
	})
}

func TestNumbersAreExactOrNone(t *testing.T) {
	for in, want := range map[string]number{
		`5`: 5, `"5"`: 5, `7.50`: 7.5, `"7.5"`: 7.5, `-1`: -1, `9007199254740992`: 1 << 53,
		`9007199254740994`: 0, `1e999`: 0, `"Inf"`: 0, `"NaN"`: 0, `""`: 0, `"x"`: 0, `true`: 0, `{}`: 0, `[1]`: 0,
	} {
		var n number
		if err := read([]byte(in), &n); err != nil || n != want {
			t.Errorf("%s is %v, %v; want %v", in, n, err, want)
		}
	}
}

func TestAProxySettingThatIsNoneIsNotQuoted(t *testing.T) {
	c, err := New(Options{URL: "http://plex.test:32400"})
	if err != nil {
		t.Fatal(err)
	}
	var e *job.Error
	if err := c.transportError("list Plex's libraries", errProxy); !errors.As(err, &e) || e.Class != job.ClassUnreachable || !strings.Contains(err.Error(), "NO_PROXY") {
		t.Errorf("error %v", err)
	}
}
