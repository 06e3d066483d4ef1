#!/bin/sh
# start.sh PORT PEM: broker.js on the `ws` of npm (node_modules beside this file, made on the first start): plain on PORT, TLS on the next
set -eu
cd "$(dirname "$0")"
[ -d node_modules/ws ] || npm install --no-audit --no-fund --no-save ws@8 >&2
exec node broker.js "$1" "$2"
