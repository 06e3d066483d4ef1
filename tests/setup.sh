#!/bin/sh
# What the tests use beside Python: PHP (the publisher), nginx and HAProxy (proxies), iproute2 (networks), Chromium (the demonstration), Node and npm (other
# people's WAMP clients), PostgreSQL, MariaDB and Redis (the tests start their own), OpenSSL, a C compiler,
# systemd-analyze, libfaketime (a clock that can be set), shells that complete command lines, mandoc (the manual page), promtool (alerts), Crossbar.io.
set -eu
cd "$(dirname "$0")/.."

set -- /usr/lib/postgresql/*/bin/initdb # not on the PATH, and its version is in its own; an unmatched pattern stays one
tools/debian.sh "$1:postgresql" mariadbd:mariadb-server-core mariadb:mariadb-client-core setpriv:util-linux
tools/debian.sh redis-server:redis-server redis-sentinel:redis-sentinel faketime:faketime

tools/debian.sh git:git php:php-cli nginx:nginx-light haproxy:haproxy ip:iproute2 chromium:chromium chromedriver:chromium-driver openssl:openssl \
    node:nodejs npm:npm gcc:gcc /usr/include/stdio.h:libc6-dev /usr/include/openssl/ssl.h:libssl-dev systemd-analyze:systemd
tools/debian.sh promtool:prometheus
tools/debian.sh zsh:zsh fish:fish mandoc:mandoc

extensions=$(php -r 'echo PHP_EXTENSION_DIR;')
tools/debian.sh "$extensions/pdo_pgsql.so:php-pgsql" "$extensions/pdo_mysql.so:php-mysql"

# The lock file pins every client; scripts of packages are not run. Node itself comes along, in the version the clients ask for.
# (Not `npm ci`: the lock does not list accelerators for other machines, and that refuses to work without them.)
cd tests/js
npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
for node in node_modules/node-linux-*/bin/node; do # npm 9 does not link it by itself
    if [ -x "$node" ]; then ln -sf "../${node#node_modules/}" node_modules/.bin/node; fi
done
cd ../..

# A router of somebody else's, in an environment of its own: what it asks for is not what we do. Installing into it twice costs little.
tools/environment.sh .cache/crossbar .installed . crossbar==26.10.1
