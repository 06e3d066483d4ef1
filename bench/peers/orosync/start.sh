#!/bin/sh
# start.sh PORT PEM: orosync of this checkout: plain on PORT, TLS on the next, then RawSocket, tickets and Oro's rules.
set -eu
top=$(cd "$(dirname "$0")/../../.." && pwd)
sed -e "s#@PLAIN@#$1#; s#@TLS@#$(($1 + 1))#; s#@RAW@#$(($1 + 2))#; s#@TICKETS@#$(($1 + 3))#; s#@ORO@#$(($1 + 4))#; s#@PEM@#$2#" \
    "$top/bench/router.ini" > router.ini
export STATE_DIRECTORY="$PWD" PYTHONPATH="$top"
exec "${PYTHON:-$top/.venv/bin/python}" "$(dirname "${PYTHON:-$top/.venv/bin/python}")/twistd" \
    --nodaemon --pidfile= --rundir "$PWD" --reactor=epoll orosync --config "$PWD/router.ini"
