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
	for name, test := range map[string]struct {
		rule    simplex.Rule
		uploads int
		reads   int
	}{
		"it had arrived":      {simplex.Rule{Method: "POST", ResetAfter: true}, 1, 2},
		"it had not":          {simplex.Rule{Method: "POST", ResetBefore: true}, 2, 2},
		"Plex was busy":       {simplex.Rule{Method: "POST", Status: 500, Count: 2}, 3, 3},
		"the list was cut":    {simplex.Rule{Method: "GET", Cut: true}, 1, 2},
		"there is no trouble": {simplex.Rule{Method: "DELETE"}, 1, 1},
	} {
		for _, random := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", random names: ", random), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, c := simulated(t, simplex.Options{RandomUploads: random})
					key := s.AddItem("1", simplex.ItemSpec{Title: "A"})
					s.EditByPerson(key, simplex.Values{Poster: picture(t, 7)})
					s.Script(test.rule)
					img := picture(t, 1)
					uploaded, err := c.SetPicture(t.Context(), key, plex.Poster, img)
					if err != nil || !uploaded {
						t.Fatal(uploaded, err)
					}
					sum := sha1.Sum(img)
					it, _ := s.Item(key)
					equal(t, "poster", it.PosterSHA1, hex.EncodeToString(sum[:]))
					equal(t, "pictures", len(it.Uploads), 2)
					equal(t, "uploads", s.Counts().Uploads, test.uploads)
					equal(t, "lists", s.Counts().Reads, test.reads)
				})
			})
		}
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
		_, err := client(t, base, x).SetPicture(t.Context(), "7", plex.Art, test.img)
		equal(t, name, tell(failure(t, err)), told{job.ClassRejected, 0, 0, "", "not a picture for Plex: " + test.why})
		equal(t, name+": operation", failure(t, err).Op, "set the art of item 7")
		equal(t, name+": requests", x.asked, []string(nil))
		if !errors.Is(err, plex.ErrPicture) || !errors.Is(err, job.ErrPermanent) {
			t.Errorf("%s: %v is not ErrPicture, for ever", name, err)
		}
	}
	s, c := simulated(t, simplex.Options{})
	key := s.AddItem("1", simplex.ItemSpec{Title: "A"})
	if _, err := c.SetPicture(t.Context(), key, plex.Art, png(big)); err != nil {
		t.Errorf("the largest picture: %v", err)
	}
	_, err := c.SetPicture(t.Context(), "999", plex.Art, png(big))
	equal(t, "an item that is gone", tell(failure(t, err)), told{job.ClassRejected, 404, 0, "", ""})
}
