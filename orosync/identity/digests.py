"""Symfony's MessageDigestPasswordHasher (sha512, base64, 5000 rounds), which signs Oro's tickets; also the child
process that computes digests for the router.

The rounds are done in C (``native/rounds.c``, two to three times as fast) where that was built, else in Python. 5000
rounds over the longest allowed input take about 50 ms.

Why a process: hashlib keeps the GIL for short inputs, so threads neither compute in parallel nor leave the reactor
alone: each of its system calls then waits for the GIL, up to 5 ms. The process reads lines ``base64(plain)
base64(salt)`` on stdin and writes one digest a line to stdout, in order. It ends when stdin does, and only then: a
SIGTERM or Ctrl-C for the router reaches it too, while the router may still need it. It imports the standard library
only.
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
ROUNDS_BETWEEN_YIELDS = 250

NICENESS = 10
"""Of the process: the reactor goes first where there are fewer cores than work."""

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from orosync.identity.digests import main; main()"


def merged(plain: bytes, salt: bytes) -> bytes:
    """The input of each round: ``plain{salt}``.

    A salt that is false in PHP ("" and "0") leaves ``plain`` alone. ValueError for what Symfony refuses:
    a plain over 4096 bytes, or a brace in the salt.
    """
    if len(plain) > LONGEST_PLAIN:
        raise ValueError(f"longer than {LONGEST_PLAIN} bytes")
    if salt in (b"", b"0"):
        return plain
    if b"{" in salt or b"}" in salt:
        raise ValueError("a salt cannot hold { or }")
    return b"%b{%b}" % (plain, salt)


def message_digest(plain: bytes, salt: bytes, give_way: Callable[[], None] | None = None) -> str:
    """The digest as 88 characters of base64; ValueError as ``merged``. ``give_way`` as ``in_python``."""
    salted = merged(plain, salt)
    digest = in_python(salted, give_way) if in_c is None else in_c(salted, ROUNDS)
    return base64.b64encode(digest).decode("ascii")


def in_python(salted: bytes, give_way: Callable[[], None] | None = None) -> bytes:
    """The rounds. ``give_way`` is called every 250 of them, for a thread to release the GIL: hashlib keeps it for
    inputs below 2048 bytes."""
    sha512 = hashlib.sha512
    digest = sha512(salted).digest()
    left = ROUNDS - 1
    while left:
        rounds = min(left, ROUNDS_BETWEEN_YIELDS)
        for _ in range(rounds):
            digest = sha512(digest + salted).digest()
        left -= rounds
        if give_way is not None:
            give_way()
    return digest


def _built() -> Callable[[bytes, int], bytes] | None:
    try:
        found: Callable[[bytes, int], bytes] = importlib.import_module("orosync.identity._rounds").rounds
    except ImportError:  # it was not built, or its OpenSSL is not installed
        return None
    return found


in_c = _built()
"""(salted, rounds) to the digest, without the GIL; None where it was not built."""


def command_line(interpreter: str) -> list[str]:
    """The command of a process: isolated from the environment, without the site packages."""
    return [interpreter, "-I", "-S", "-c", _BOOT, str(Path(__file__).resolve().parents[2])]


def environment() -> dict[str, str]:
    """Its environment: only where shared libraries are."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


def request(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The lines that request the digests of ``pairs`` of plain and salt."""
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
    with contextlib.suppress(BrokenPipeError):  # the router has gone
        serve(sys.stdin.buffer, sys.stdout.buffer)
    os._exit(0)  # without a flush of the broken pipe, which would print an error
