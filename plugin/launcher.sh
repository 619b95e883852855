#!/bin/sh
# Starts the PlexSync that fits this machine. Stash starts this file for every event,
# so it does as little as it can: one look at what machine this is, then exec. To ask
# uname is a process of its own; Linux since 6.1 has a file that tells.
# On Windows, Stash takes plexsync.exe instead, by itself.
here=$0
[ -h "$here" ] && here=$(readlink -f "$here")
here=${here%/*}
if { read -r machine </proc/sys/kernel/arch; } 2>/dev/null; then
	machine="Linux $machine"
else
	machine=$(uname -sm)
fi
case $machine in
"Linux x86_64" | "Linux amd64") program=linux-amd64 ;;
"Linux aarch64" | "Linux arm64") program=linux-arm64 ;;
"Linux armv7l" | "Linux armv8l") program=linux-armv7 ;;
"Darwin arm64") program=darwin-arm64 ;;
"Darwin x86_64") program=darwin-amd64 ;;
*) program= ;;
esac
if [ -z "$program" ] || [ ! -f "$here/plexsync-$program" ]; then
	echo "PlexSync has no program for this machine ($machine) in $here. Build it there with ./build.sh from https://github.com/plexsync/plexsync, or ask for it in an issue" >&2
	exit 126
fi
if [ ! -x "$here/plexsync-$program" ]; then
	echo "PlexSync may not be started: $here/plexsync-$program lacks the right to be executed. Install the package again, or run: chmod +x '$here/plexsync-$program'" >&2
	exit 126
fi
exec "$here/plexsync-$program" "$@"
