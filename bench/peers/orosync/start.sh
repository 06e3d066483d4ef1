#!/bin/bash
# start.sh PORT: orosync of this checkout with ../../router.ini; TWISTD names another twistd; prints the pid
here=$(cd "$(dirname "$0")" && pwd); ulimit -n 20000
node=$here/node.$1; rm -rf "$node"; mkdir -p "$node"
sed "s#@PORT@#$1#" "$here/../../router.ini" > "$node/router.ini"
twistd=${TWISTD:-$here/../../../.venv/bin/twistd}
STATE_DIRECTORY=$node "$twistd" --nodaemon --pidfile= --rundir "$node" --reactor=epoll orosync --config "$node/router.ini" >"$here/log.$1" 2>&1 </dev/null & echo $!
