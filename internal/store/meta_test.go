package store

import (
	"context"
	"strconv"
	"sync"
	"testing"
)

func TestAChangeOfAValueIsNotLostToAnother(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	one, two := open(t, dir), open(t, dir)
	const each = 50
	var wg sync.WaitGroup
	for _, s := range []*Store{one, two} {
		for range each {
			wg.Go(func() {
				if _, err := s.ChangeMeta(ctx, "count", func(old string) string {
					n, _ := strconv.Atoi(old)
					return strconv.Itoa(n + 1)
				}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if got, err := one.Meta(ctx, "count"); err != nil || got != strconv.Itoa(2*each) {
		t.Errorf("%s, %v", got, err)
	}
	// What is not changed is returned as it is.
	if got, err := two.ChangeMeta(ctx, "count", func(old string) string { return old }); err != nil || got != strconv.Itoa(2*each) {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := two.ChangeMeta(ctx, "none", func(old string) string { return old }); err != nil || got != "" {
		t.Errorf("%q, %v", got, err)
	}
}
