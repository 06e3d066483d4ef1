#!/bin/sh
# environment.sh DIRECTORY [WHAT ...]: a virtual environment there, with the checkout installed for working on it and all that its
# tests import; or, with WHAT of pip's, the checkout and that.
# The first Python from 3.11 up that runs at all and can make environments is taken; PYTHON=... names one.
set -eu
cd "$(dirname "$0")/.."
venv=$1
shift
checkout=.
[ $# -gt 0 ] || checkout='.[test]'

usable() { # a shim may be on the PATH without a Python behind it, and Debian ships ensurepip apart
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}
find_python() {
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3 /usr/bin/python3}; do
        if usable "$candidate"; then echo "$candidate"; return; fi
    done
}

if ! usable "$venv/bin/python"; then
    python=$(find_python)
    if [ -z "$python" ]; then
        tools/debian.sh /usr/bin/python3:python3 no-ensurepip:python3-venv
        python=$(find_python)
    fi
    if [ -z "$python" ]; then
        echo "No Python 3.11 or newer with the modules venv and ensurepip was found; name one by PYTHON=/path/to/python3." >&2
        exit 1
    fi
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

# Twisted finds plugins through directories on sys.path: of the editable installs only `compat` puts the checkout there.
"$venv/bin/python" -m pip install --quiet --quiet --upgrade pip
"$venv/bin/python" -m pip install --quiet --quiet --editable "$checkout" --config-settings editable_mode=compat "$@"
