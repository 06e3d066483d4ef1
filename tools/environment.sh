#!/bin/sh
# environment.sh DIRECTORY MARK WHAT ...: a virtual environment there with WHAT in it, as pip names it: `.` is this checkout, installed
# for working on it, `.[test]` that and all that its tests import. DIRECTORY/MARK is touched when all is there.
# The first Python from 3.11 up that runs at all and can make environments is taken; PYTHON=... names one.
# Ctrl-C ends it with exit code 0 and without the mark: make then ends too, and has nothing to report.
set -eu
cd "$(dirname "$0")/.."
venv=$1
mark=$1/$2
shift 2
failure="pip failed"
interrupted=
trap 'interrupted=yes' INT

attempt() { # the command; it ends all of this where it fails
    code=0
    [ -n "$interrupted" ] || "$@" || code=$?
    if [ -n "$interrupted" ]; then
        echo "Interrupted: the same command goes on from here." >&2
        exit 0
    fi
    [ "$code" = 0 ] || exit "$code"
}

usable() { # a shim may be on the PATH without a Python behind it, and Debian ships ensurepip apart
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}
find_python() {
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3 /usr/bin/python3}; do
        if usable "$candidate"; then echo "$candidate"; return; fi
    done
}

create() { # silent, for its words at Ctrl-C are a traceback
    words=$("$1" -m venv "$venv" 2>&1) || { [ -n "$interrupted" ] || echo "$words" >&2; return 1; }
}

install() { # with a line for each package; pip's errors, on standard error, are shown whole
    { "$venv/bin/python" -m pip install "$@" || echo "$failure"; } | while read -r line; do
        case $line in
            "$failure") return 1 ;;
            Collecting* | Downloading* | *": started" | "Installing collected"*) echo "  $line" ;;
        esac
    done
}

# One that Ctrl-C ended may lack pip.
if ! usable "$venv/bin/python" || ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
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
    echo "Creating the virtual environment $venv ($("$python" --version))"
    attempt create "$python"
fi

echo "Installing into $venv: $*"
for what in "$@"; do
    shift
    case $what in
        .*) set -- "$@" --editable "$what" ;;
        *) set -- "$@" "$what" ;;
    esac
done
export PYTHONWARNINGS=ignore # setuptools warns of the mode that setup.cfg names
attempt install "$@"
touch "$mark"
