package match

import "github.com/plexsync/plexsync/internal/fold"

// PathKey is [fold.Path], BaseKey [fold.Base], ParentKey [fold.Parent]: the names that
// callers know until they ask package fold themselves.
func PathKey(path string) string { return fold.Path(path) }

// BaseKey: see PathKey.
func BaseKey(path string) string { return fold.Base(path) }

// ParentKey: see PathKey.
func ParentKey(path string) string { return fold.Parent(path) }
