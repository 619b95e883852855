package plex_test

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/simplex"
)

func TestAnUploadWhoseAnswerIsLostIsNotMadeTwice(t *testing.T) {
	// Reads are lists and looks at the bytes of what a person uploaded; the last learns how
	// uploads are named, unless that has shown itself.
	for name, test := range map[string]struct {
		rule    simplex.Rule
		perhaps bool
		uploads int
		reads   [2]int // where names are hashes, and where they are not
	}{
		"it had arrived":   {simplex.Rule{Method: "POST", ResetAfter: true}, false, 1, [2]int{1, 2}},
		"it had not":       {simplex.Rule{Method: "POST", ResetBefore: true}, false, 2, [2]int{3, 3}},
		"Plex was busy":    {simplex.Rule{Method: "POST", Status: 500, Count: 2}, false, 3, [2]int{5, 5}},
		"the list was cut": {simplex.Rule{Method: "GET", Cut: true}, true, 1, [2]int{4, 4}},
		"a look was cut":   {simplex.Rule{Method: "GET", Path: "/file$", Cut: true}, true, 1, [2]int{5, 5}},
		"it is the first":  {simplex.Rule{Method: "DELETE"}, false, 1, [2]int{1, 1}},
		"it may be there":  {simplex.Rule{Method: "DELETE"}, true, 1, [2]int{3, 3}},
	} {
		for i, random := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", random names: ", random), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, c := simulated(t, simplex.Options{RandomUploads: random})
					key := s.AddItem("1", simplex.ItemSpec{Title: "A"})
					s.EditByPerson(key, simplex.Values{Poster: picture(t, 7)})
					s.Script(test.rule)
					img := picture(t, 1)
					uploaded, err := c.SetPicture(t.Context(), key, plex.Poster, img, test.perhaps)
					if err != nil || !uploaded {
						t.Fatal(uploaded, err)
					}
					sum := sha1.Sum(img)
					it, _ := s.Item(key)
					equal(t, "poster", it.PosterSHA1, hex.EncodeToString(sum[:]))
					equal(t, "pictures", len(it.Uploads), 2)
					equal(t, "uploads", s.Counts().Uploads, test.uploads)
					equal(t, "reads", s.Counts().Reads, test.reads[i])
				})
			})
		}
	}
}

// TestAPictureThatMayBeThereIsFoundByItsBytes, where uploads have names of their own, and
// nothing is asked once that is known and nothing speaks for it.
func TestAPictureThatMayBeThereIsFoundByItsBytes(t *testing.T) {
	for _, random := range []bool{false, true} {
		t.Run(fmt.Sprint("random names: ", random), func(t *testing.T) {
			s, c := simulated(t, simplex.Options{RandomUploads: random})
			key := s.AddItem("1", simplex.ItemSpec{Title: "A"})
			set := func(seed uint8, perhaps bool, want simplex.Counts) {
				t.Helper()
				s.ResetCounts()
				if _, err := c.SetPicture(t.Context(), key, plex.Poster, picture(t, seed), perhaps); err != nil {
					t.Fatal(err)
				}
				sum := sha1.Sum(picture(t, seed))
				it, _ := s.Item(key)
				equal(t, "poster", it.PosterSHA1, hex.EncodeToString(sum[:]))
				n := s.Counts()
				equal(t, "requests", [3]int{n.Reads, n.Writes, n.Uploads}, [3]int{want.Reads, want.Writes, want.Uploads})
			}
			looks := 0
			if random {
				looks = 1
			}
			set(1, false, simplex.Counts{Reads: 1, Uploads: 1})
			equal(t, "habits", c.Habits().Uploads, map[bool]plex.Uploads{false: plex.UploadsByHash, true: plex.UploadsOtherwise}[random])
			set(2, false, simplex.Counts{Uploads: 1})
			set(2, true, simplex.Counts{Reads: 1 + looks})
			set(1, true, simplex.Counts{Reads: 1 + 2*looks, Writes: 1})
			it, _ := s.Item(key)
			equal(t, "pictures", len(it.Uploads), 2)

			// What was learnt before need not be learnt again.
			again := client(t, base, s.Transport())
			again.SetHabits(c.Habits())
			c = again
			set(3, false, simplex.Counts{Uploads: 1})

			// A person's pictures, however many, are looked at a few at
			// most, and never taken for it.
			for seed := range uint8(20) {
				s.EditByPerson(key, simplex.Values{Poster: picture(t, 100+seed)})
			}
			set(4, true, simplex.Counts{Reads: 1 + 8*looks, Uploads: 1})
		})
	}
}

func TestWhatIsNoPictureIsRejectedAtOnce(t *testing.T) {
	const big = 10_000_000
	png := func(size int) []byte { return append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, size-8)...) }
	for name, test := range map[string]struct {
		img []byte
		why string
	}{
		"nothing":       {nil, "it is empty"},
		"a placeholder": {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "it is text/plain; charset=utf-8"},
		"an XML file":   {[]byte(`<?xml version="1.0"?><svg/>`), "it is text/xml; charset=utf-8"},
		"a page":        {[]byte("<!DOCTYPE html><html>"), "it is text/html; charset=utf-8"},
		"too much":      {png(big + 1), "it has 10.0 MB, and Plex accepts at most 10"},
	} {
		x := says("")
		_, err := client(t, base, x).SetPicture(t.Context(), "7", plex.Art, test.img, false)
		equal(t, name, tell(failure(t, err)), told{job.ClassRejected, 0, 0, "", "not a picture for Plex: " + test.why})
		equal(t, name+": operation", failure(t, err).Op, "set the art of item 7")
		equal(t, name+": requests", x.asked, []string(nil))
		if !errors.Is(err, plex.ErrPicture) || !errors.Is(err, job.ErrPermanent) {
			t.Errorf("%s: %v is not ErrPicture, for ever", name, err)
		}
	}
	s, c := simulated(t, simplex.Options{})
	key := s.AddItem("1", simplex.ItemSpec{Title: "A"})
	if _, err := c.SetPicture(t.Context(), key, plex.Art, png(big), false); err != nil {
		t.Errorf("the largest picture: %v", err)
	}
	_, err := c.SetPicture(t.Context(), "999", plex.Art, png(big), false)
	equal(t, "an item that is gone", tell(failure(t, err)), told{job.ClassRejected, 404, 0, "", ""})
}
