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
./build.sh format   format Go code and the page's scripts
./build.sh bench    measure, and print ratios
./build.sh package  build for every platform that this machine can build for, and make
                    dist/plexsync.zip and dist/index.yml, a package source for Stash
./build.sh programs the first half of it, into dist/bin
./build.sh pack     the second half, from dist/bin, also with programs from elsewhere
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

# What is stamped into the program, and into the package: the version, and the commit
# with its date, so that the same commit gives the same bytes.
version=$(sed -n 's/^version: *//p' plexsync.yml)
commit=unknown
date=1970-01-01T00:00:00Z
if [ -e .git ] && command -v git >/dev/null 2>&1; then
	commit=$(git rev-parse --short=12 HEAD)
	date=$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)
	[ -z "$(git status --porcelain --untracked-files=no)" ] || commit=$commit-changed
fi

# compile OS ARCH CC FILE: one program. PlexSync runs inside Stash's image (Alpine): on
# Linux it is static, and leaves name look-ups to Go, because glibc's need its dynamic
# loader.
compile() {
	tags=sqlite_omit_load_extension
	ldflags="-s -w -X main.stamp=$version+$commit+$date"
	if [ "$1" = linux ]; then
		tags="$tags,netgo,osusergo"
		ldflags="$ldflags -linkmode external -extldflags -static"
	fi
	arm=
	[ "$2" != arm ] || arm=7
	GOOS=$1 GOARCH=$2 GOARM=$arm CC=$3 CGO_ENABLED=1 \
		go build -trimpath -buildvcs=false -tags "$tags" -ldflags "$ldflags" -o "$4" ./plugin
}

build() {
	toolchain
	mkdir -p dist/plexsync
	compile "$(go env GOOS)" "$(go env GOARCH)" "$CC" "dist/plexsync/plexsync$(go env GOEXE)"
	rm -f dist/plexsync/*.js dist/plexsync/*.css # some may have been renamed since
	cp plexsync.yml LICENSE plugin/ui/*.js plugin/ui/*.css dist/plexsync/
}

# page NPM-SCRIPT runs a script of plugin/testdata/page/package.json: check, of the types
# and the format of the page's scripts; format; or spelling, of everything that people read.
# Its tools are installed there once per lock file.
page() {
	need node "Install Node.js 18 or newer and npm: 'apt-get install nodejs npm' on Debian (they check and test the page, and check the spelling)"
	need npm "Install npm: 'apt-get install npm' on Debian"
	(
		cd plugin/testdata/page
		if ! cmp -s package-lock.json node_modules/installed; then
			npm ci --ignore-scripts --prefer-offline --no-audit --no-fund
			cp package-lock.json node_modules/installed
		fi
		npm run --silent "$1"
	)
}

# cross OS ARCH: the C compiler for a platform, or nothing if there is none here. A Mac
# builds for both kinds of Mac, Linux for all else; the compilers are Debian's.
cross() {
	here=$(go env GOHOSTOS)
	case $here-$1 in
	darwin-darwin)
		a=$2
		[ "$2" != amd64 ] || a=x86_64
		echo "clang -arch $a"
		return
		;;
	darwin-* | *-darwin) return ;;
	esac
	if [ "$1-$2" = "$here-$(go env GOHOSTARCH)" ]; then
		go env CC
		return
	fi
	case $1-$2 in
	linux-amd64) cc=x86_64-linux-gnu-gcc ;;
	linux-arm64) cc=aarch64-linux-gnu-gcc ;;
	linux-arm) cc=arm-linux-gnueabihf-gcc ;;
	windows-amd64) cc=x86_64-w64-mingw32-gcc ;;
	esac
	command -v $cc || true
}

# programs builds for every platform for which there is a compiler here. What it lacks it
# says; with PLEXSYNC_ALL set, as for a release, that is an error.
programs() {
	toolchain
	mkdir -p dist/bin
	for p in linux-amd64 linux-arm64 linux-arm windows-amd64 darwin-arm64 darwin-amd64; do
		os=${p%-*} arch=${p#*-}
		file=dist/bin/plexsync-$p
		[ $arch != arm ] || file=${file}v7
		[ $os != windows ] || file=$file.exe
		cc=$(cross $os $arch)
		if [ -n "$cc" ]; then
			compile $os $arch "$cc" "$file"
		elif [ $os = darwin ] || [ "$(go env GOHOSTOS)" = darwin ]; then
			continue # built on the other system, see .github/workflows/release.yml
		else
			echo "build.sh: not built for $p, for want of a compiler ('apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross gcc-mingw-w64-x86-64' on Debian)" >&2
			[ -z "${PLEXSYNC_ALL:-}" ] || exit 1
		fi
	done
}

# pack makes the package from what is in dist/bin, wherever it was built.
pack() {
	go run ./internal/pack -bin dist/bin -out dist -version "$version" -commit "$commit" -date "$date"
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

# again builds the program of this machine once more, elsewhere and from nothing: the
# same sources must give the same bytes, or nobody could check a release.
again() {
	copy=$(mktemp -d)
	git ls-files -z | tar --null -T - -cf - | tar xf - -C "$copy"
	(
		cd "$copy"
		export GOCACHE="$copy/cache"
		compile "$(go env GOOS)" "$(go env GOARCH)" "$CC" "$copy/program"
	)
	same=0
	cmp "$copy/program" "dist/plexsync/plexsync$(go env GOEXE)" || same=1
	chmod -R u+w "$copy" && rm -rf "$copy"
	[ $same = 0 ] || { echo "build.sh: two builds of the same sources differ" >&2; exit 1; }
	echo "ok	build	the same bytes again"
}

# narrow runs what does not need SQLite with integers of 32 bits, as on a Raspberry Pi.
narrow() {
	[ "$(go env GOARCH)" = amd64 ] || return 0
	GOARCH=386 CGO_ENABLED=0 go test ./internal/job ./internal/match ./internal/merge ./internal/config ./internal/host ./internal/plex ./internal/stash
}

# windows vets what cannot be run here; that it builds is for programs to show.
windows() {
	if ! command -v x86_64-w64-mingw32-gcc >/dev/null 2>&1; then
		echo "build.sh: not vetted for Windows: there is no x86_64-w64-mingw32-gcc ('apt-get install gcc-mingw-w64-x86-64' on Debian)" >&2
		return
	fi
	GOOS=windows GOARCH=amd64 CGO_ENABLED=1 CC=x86_64-w64-mingw32-gcc go vet ./...
	echo "ok	windows	vetted"
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
	unformatted=$(gofmt -l $(git ls-files '*.go'))
	[ -z "$unformatted" ] || { echo "build.sh: run gofmt -w on: $unformatted" >&2; exit 1; }
	page check
	page spelling
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	programs
	pack
	PLEXSYNC_DIST="$PWD/dist/plexsync" PLEXSYNC_PACKAGE="$PWD/dist" go test -race -timeout 30m ./...
	go run ./internal/bench/library -plugin dist/plexsync -small -json /dev/null
	narrow
	fuzz
	windows
	again
	;;
format)
	toolchain
	gofmt -w $(git ls-files '*.go')
	page format
	;;
bench)
	build
	go run ./internal/bench -plugin dist/plexsync
	go run ./internal/bench/library -plugin dist/plexsync
	;;
programs)
	programs
	;;
package)
	rm -rf dist/bin
	programs
	pack
	echo "Made dist/plexsync.zip and dist/index.yml"
	;;
pack)
	toolchain
	pack
	;;
clean)
	rm -rf dist
	;;
*)
	usage >&2
	exit 2
	;;
esac
