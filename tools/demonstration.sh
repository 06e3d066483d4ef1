#!/bin/sh
# demonstration.sh DIRECTORY: runs the demonstration, with the virtual environment there, until Ctrl-C, SIGTERM or the end of the terminal.
# Its exit code is then 0, so that make has nothing to report.
set -u
cd "$(dirname "$0")/.."

"$1/bin/twistd" --nodaemon --pidfile= orosync --config etc/router.ini &
router=$!
asked=
trap 'asked=yes' INT # the terminal sends it to the router too
trap 'asked=yes; kill -TERM "$router" 2>/dev/null' TERM HUP # the router takes SIGHUP for a reload
while wait "$router"; status=$?; kill -0 "$router" 2>/dev/null; do :; done # a trap ends `wait` early
[ -z "$asked" ] || exit 0
exit "$status"
