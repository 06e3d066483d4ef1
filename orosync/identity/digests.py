"""Symfony's MessageDigestPasswordHasher (sha512, base64, 5000 rounds): what signs Oro's tickets.

The rounds are done in C (``native/rounds.c``, two to three times as fast) where that was built, else in Python. Nothing
else than the standard library, since this also runs in processes that hold nothing more. It must not know what is being
signed. Nothing here checks a length for cost: 5000 rounds over the longest allowed input take about 50 ms.

A process of its own that computes digests, and what its other end needs to start it.

Why a process: hashlib keeps the GIL for short inputs, so threads neither compute in parallel nor leave the
reactor alone; each of its system calls then waits for the GIL, up to 5 ms. A process costs it nothing.

On its stdin come lines ``base64(plain) base64(salt)``, on its stdout goes one digest a line, in order. It ends
when its stdin does, and only then: a SIGTERM or Ctrl-C meant for the router reaches it too, but the router
may still need it while it says goodbye. Imports no more than it uses; it must not know what it digests.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

ROUNDS = 5000
LONGEST_PLAIN = 4096
"""In bytes; Symfony refuses a longer one (PasswordHasherInterface::MAX_PASSWORD_LENGTH)."""

DIGEST_LENGTH = 88
ROUNDS_BETWEEN_BREATHS = 250


def merged(plain: bytes, salt: bytes) -> bytes:
    """What is hashed in each round: ``plain{salt}``.

    A salt that PHP takes for false ("" and "0") leaves ``plain`` alone. ValueError for what Symfony refuses:
    a plain over 4096 bytes, or a brace in the salt.
    """
    if len(plain) > LONGEST_PLAIN:
        raise ValueError(f"longer than {LONGEST_PLAIN} bytes")
    if salt in (b"", b"0"):
        return plain
    if b"{" in salt or b"}" in salt:
        raise ValueError("a salt cannot hold { or }")
    return b"%b{%b}" % (plain, salt)


def message_digest(plain: bytes, salt: bytes, breathe: Callable[[], None] | None = None) -> str:
    """The digest as 88 characters of base64; ValueError as ``merged``. ``breathe`` as ``in_python``."""
    salted = merged(plain, salt)
    digest = in_python(salted, breathe) if in_c is None else in_c(salted, ROUNDS)
    return base64.b64encode(digest).decode("ascii")


def in_python(salted: bytes, breathe: Callable[[], None] | None = None) -> bytes:
    """The rounds. ``breathe`` is called every 250 of them: a thread gives way to others there, since hashlib does not
    (it keeps the GIL for inputs below 2048 bytes)."""
    sha512 = hashlib.sha512
    digest = sha512(salted).digest()
    left = ROUNDS - 1
    while left:
        rounds = min(left, ROUNDS_BETWEEN_BREATHS)
        for _ in range(rounds):
            digest = sha512(digest + salted).digest()
        left -= rounds
        if breathe is not None:
            breathe()
    return digest


def _built() -> Callable[[bytes, int], bytes] | None:
    try:
        found: Callable[[bytes, int], bytes] = importlib.import_module("orosync.identity._rounds").rounds
    except ImportError:  # no compiler was there, or the OpenSSL that it was built for is not
        return None
    return found


in_c = _built()
"""(salted, rounds) to the digest, without the GIL; None where it was not built."""


NICENESS = 10
"""The reactor goes first where there are fewer cores than work."""

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from orosync.identity.digests import main; main()"


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
