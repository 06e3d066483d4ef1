"""A process of its own that computes digests, and what its other end needs to start it.

Why a process: hashlib keeps the GIL for short inputs, so threads neither compute in parallel nor leave the
reactor alone; each of its system calls then waits for the GIL, up to 5 ms. A process costs it nothing.

On its stdin come lines ``base64(plain) base64(salt)``, on its stdout goes one digest a line, in order. It ends
when its stdin does, and only then: a SIGTERM or Ctrl-C meant for the router reaches it too, but the router
may still need it while it says goodbye. Imports no more than it uses; it must not know what it digests.
"""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from orosync.identity.digest import message_digest

NICENESS = 10
"""The reactor goes first where there are fewer cores than work."""

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from orosync.identity.digest_worker import main; main()"


def command_line(interpreter: str) -> list[str]:
    """How to start one: isolated from the environment, and without the site packages."""
    return [interpreter, "-I", "-S", "-c", _BOOT, str(Path(__file__).resolve().parents[2])]


def environment() -> dict[str, str]:
    """What it inherits: nothing but where shared libraries are."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


def request(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The lines that ask for the digests of ``pairs`` of plain and salt."""
    return b"".join(b"%b %b\n" % (base64.b64encode(plain), base64.b64encode(salt)) for plain, salt in pairs)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer each line of ``source`` on ``sink`` until ``source`` ends."""
    for line in source:
        plain, _, salt = line.rstrip(b"\n").partition(b" ")
        digest = message_digest(base64.b64decode(plain), base64.b64decode(salt))
        sink.write(digest.encode("ascii") + b"\n")
        sink.flush()


def main() -> None:
    """Serve stdin and stdout."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    with contextlib.suppress(BrokenPipeError):  # nobody waits for the answer any more
        serve(sys.stdin.buffer, sys.stdout.buffer)
    os._exit(0)  # a flush of the broken pipe at exit would only complain
