#!/bin/sh
# debian.sh WHAT:PACKAGE ...: installs each Debian package whose WHAT (a command, or the absolute path of a file) is not there.
# Where that is not allowed it says what to install and fails.
set -eu
PATH=$PATH:/usr/sbin:/sbin

missing=
for pair in "$@"; do
    what=${pair%%:*}
    case $what in
        /*) [ -e "$what" ] || missing="$missing ${pair#*:}" ;;
        *) command -v "$what" >/dev/null 2>&1 || missing="$missing ${pair#*:}" ;;
    esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    root=
elif [ "$(id -u)" = 0 ]; then
    root="env"
elif sudo -n true >/dev/null 2>&1; then
    root="sudo -n env"
else
    root=
fi
if [ -z "$root" ]; then
    echo "These are needed and cannot be installed from here. Debian calls them:" >&2
    echo "    apt-get install$missing" >&2
    exit 1
fi

echo "Installing$missing"
$root apt-get -q update >/dev/null
# shellcheck disable=SC2086 # a list of package names
$root DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing >/dev/null
