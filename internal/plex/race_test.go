//go:build race

package plex_test

const raceDetector = true
