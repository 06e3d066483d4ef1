#!/bin/sh
# start.sh PORT PEM: nginx with the module nchan, from Debian: plain on PORT, TLS on the next. It is no WAMP router: clients subscribe
# by a WebSocket at /sub and publish by one at /pub.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin
"$here/../../../tools/debian.sh" nginx:nginx-light /usr/lib/nginx/modules/ngx_nchan_module.so:libnginx-mod-nchan >&2
sed "s#@PLAIN@#$1#; s#@TLS@#$(($1 + 1))#; s#@PEM@#$2#g; s#@HERE@#$PWD#g; s#@USER@#$(id -un)#" "$here/nginx.conf" > nginx.conf
exec nginx -p "$PWD" -c "$PWD/nginx.conf"
