//go:build !unix

package main

import (
	"errors"
	"os"
)

func peak(*os.ProcessState) int64 { return 0 }

func holdDrain(string, string) (func(), error) {
	return nil, errors.New("the benchmark runs on Linux and macOS only")
}
