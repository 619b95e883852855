package plex

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"
)

// BenchmarkListing decodes a listing of 10,000 items as real servers answer it,
// with what they show although it was not asked for.
func BenchmarkListing(b *testing.B) {
	one, err := os.ReadFile("../../../shared/plex/recordings/list_movies_offset1_size5_total357.json")
	if err != nil {
		b.Skip("the recordings are not beside the repository")
	}
	from, to := bytes.Index(one, []byte(`"Metadata": [`))+len(`"Metadata": [`), bytes.LastIndex(one, []byte("]"))
	five := string(one[from:to])
	body := `{"MediaContainer":{"size":10000,"Metadata":[` + strings.TrimSuffix(strings.Repeat(five+",", 2000), ",") + `]}}`
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		n := 0
		if _, err := readListed(http.Header{}, bound(strings.NewReader(body), maxListing), "1", "", maxListed, func(p []Part) error {
			n += len(p)
			return nil
		}); err != nil || n != 10_000 {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkMembers reads an item of nothing but members that are of no use.
func BenchmarkMembers(b *testing.B) {
	body := `{"MediaContainer":{"Metadata":[` + strings.TrimSuffix(strings.Repeat(`{"ratingKey":"1"`+strings.Repeat(`,"x":1`, 100_000)+`},`, 20), ",") + `]}}`
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := readListed(http.Header{}, strings.NewReader(body), "1", "", maxListed, func(p []Part) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
