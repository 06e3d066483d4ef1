#!/bin/sh
# demonstration.sh DIRECTORY [WORKERS]: runs the demonstration, with the virtual environment there, until Ctrl-C, SIGTERM or the end of the
# terminal; with several WORKERS its configuration is .cache/workers.ini.
# Its exit code is then 0, so that make has nothing to report.
set -u
cd "$(dirname "$0")/.."

config=etc/router.ini
if [ -n "${2-}" ]; then
    config=.cache/workers.ini
    mkdir -p .cache
    sed "s/^demo = yes$/&\nworkers = $2/" etc/router.ini > "$config"
    echo "This router is asked with its own configuration: $1/bin/orosync status --config $config"
fi
"$1/bin/twistd" --nodaemon --pidfile= orosync --config "$config" &
router=$!
asked=
trap 'asked=yes' INT # the terminal sends it to the router too
trap 'asked=yes; kill -TERM "$router" 2>/dev/null' TERM HUP # the router takes SIGHUP for a reload
while wait "$router"; status=$?; kill -0 "$router" 2>/dev/null; do :; done # a trap ends `wait` early
[ -z "$asked" ] || exit 0
exit "$status"
