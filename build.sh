#!/bin/sh
# Builds, tests and shows PlexSync. Run without arguments to build dist/plexsync,
# which is copied into Stash's plugins folder; see usage below for the rest.
set -eu
cd "$(dirname "$0")"

usage() {
	cat <<'EOF'
./build.sh          build the plugin into dist/plexsync
./build.sh demo     build it and show its main job against simulated servers
./build.sh test     check format and code, then run all tests
./build.sh bench    measure, and print ratios
./build.sh clean    remove what was built
EOF
}

# need NAME HOW: stops with one line if a program is missing.
need() {
	command -v "$1" >/dev/null 2>&1 || { echo "build.sh: $1 is missing. $2" >&2; exit 1; }
}

toolchain() {
	need go "Install Go 1.26 or newer from https://go.dev/dl/"
	CC=$(go env CC)
	need "${CC%% *}" "Install a C compiler: 'apt-get install gcc libc6-dev' on Debian, 'apk add build-base' on Alpine, Xcode's command line tools on macOS"
	export CGO_ENABLED=1
}

version() { sed -n 's/^version: *//p' plexsync.yml; }

# PlexSync runs inside Stash's image (Alpine): on Linux the binary is static, and
# leaves name look-ups to Go, because glibc's need its dynamic loader.
tags=sqlite_omit_load_extension
ldflags="-s -w -X main.version=$(version)"
if [ "$(uname -s)" = Linux ]; then
	tags="$tags,netgo,osusergo"
	ldflags="$ldflags -linkmode external -extldflags -static"
fi

build() {
	toolchain
	mkdir -p dist/plexsync
	go build -trimpath -tags "$tags" -ldflags "$ldflags" -o dist/plexsync/ ./plugin
	exe=$(go env GOEXE)
	mv "dist/plexsync/plugin$exe" "dist/plexsync/plexsync$exe"
	cp plexsync.yml LICENSE dist/plexsync/
}

# fuzz looks for inputs that break us, ten seconds each. What it finds it writes into
# testdata/fuzz: keep it there.
fuzz() {
	grep -rn --include='*_test.go' '^func Fuzz' internal | sed 's|/[^/]*_test.go:[0-9]*:func | |; s|(.*||' |
	while read -r dir target; do
		if ! out=$(go test "./$dir" -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" 2>&1); then
			# The fuzzer of Go itself ends so now and then, with nothing found.
			case $out in
			*"Failing input"*|*"panic"*) ;;
			*"context deadline exceeded"*) continue ;;
			esac
			echo "$out" >&2
			exit 1
		fi
		echo "ok	$dir	$target"
	done
}

# windows builds and vets what cannot be run here.
windows() {
	if ! command -v x86_64-w64-mingw32-gcc >/dev/null 2>&1; then
		echo "build.sh: not vetted for Windows: there is no x86_64-w64-mingw32-gcc ('apt-get install gcc-mingw-w64-x86-64' on Debian)" >&2
		return
	fi
	GOOS=windows GOARCH=amd64 CGO_ENABLED=1 CC=x86_64-w64-mingw32-gcc go vet ./...
	GOOS=windows GOARCH=amd64 CGO_ENABLED=1 CC=x86_64-w64-mingw32-gcc go build -tags "$tags" -o "${TMPDIR:-/tmp}/plexsync-vet.exe" ./plugin
	rm -f "${TMPDIR:-/tmp}/plexsync-vet.exe"
	echo "ok	windows	built and vetted"
}

case "${1:-build}" in
build)
	build
	echo "Built dist/plexsync. Copy this folder into Stash's plugins folder, then press \"Reload plugins\" in Stash."
	;;
demo)
	build
	exec go run ./internal/demo dist/plexsync
	;;
test)
	build
	need node "Install Node.js 18 or newer and npm: 'apt-get install nodejs npm' on Debian (one test drives the Plex simulator with a client from npm)"
	need npm "Install npm: 'apt-get install npm' on Debian"
	unformatted=$(gofmt -l $(git ls-files '*.go'))
	[ -z "$unformatted" ] || { echo "build.sh: run gofmt -w on: $unformatted" >&2; exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	PLEXSYNC_DIST="$PWD/dist/plexsync" go test -race -timeout 30m ./...
	go run ./internal/bench/library -plugin dist/plexsync -small -json /dev/null
	fuzz
	windows
	;;
bench)
	build
	go run ./internal/bench -plugin dist/plexsync
	go run ./internal/bench/library -plugin dist/plexsync
	;;
clean)
	rm -rf dist
	;;
*)
	usage >&2
	exit 2
	;;
esac
