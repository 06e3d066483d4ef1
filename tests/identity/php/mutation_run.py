"""Reads spoiled sessions in a process of its own, so that the memory that it takes can be told.

    python -m tests.identity.php.mutation_run COUNT SEED  < good sessions, one in base64 on each line

It prints one JSON object: how many were read and refused, the slowest (CPU seconds) and its bytes, by how much the
process grew (KiB), what went wrong (anything but SessionUnreadable), and some of the spoiled single
values that are still read.
"""

from __future__ import annotations

import base64
import json
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from orosync.identity.php.serialized import SessionUnreadable, unserialize
from orosync.identity.php.session import BackOfficeTokens

LARGEST = 256 * 1024
KEPT = 3000
NOTABLE = 0.03
_LOGIN = re.compile(rb's:14:"_security_main";s:[0-9]+:"(.*?})";[s}]', re.DOTALL)
PIECES = [
    *(b"N;", b"b:1;", b"i:0;", b"i:-9223372036854775808;", b"d:NAN;", b"d:1e999;", b's:1:"a";', b's:99999999:"'),
    *(b'S:2:"\\41', b"a:1:{i:0;", b"a:999999999:{", b"a:0:{}", b'O:1:"A":1:{', b'C:1:"A":9:{', b'E:3:"A:B";', b"}"),
    *(b"r:1;", b"R:1;", b"r:9;", b"R:0;", b"R:99999;", b"|", b'"', b";", b":", b"\\", b"\0", b"\xff"),
    *(b"i:0;a:1:{" * 50, b"a:1:{i:0;" * 600, b"R:1;" * 20),
]


def spoiled(good: Sequence[bytes], chance: random.Random, places: int = 5) -> bytes:
    """One of ``good``, changed in up to ``places`` places."""
    data = bytearray(chance.choice(good))
    for _ in range(chance.randint(1, places)):
        here = chance.randint(0, len(data))
        there = min(len(data), here + chance.randint(0, 40))
        kind = chance.randrange(9)
        if kind == 0 and data:
            data[min(here, len(data) - 1)] = chance.randrange(256)
        elif kind == 1:
            del data[here:there]
        elif kind == 2:
            data[here:here] = bytes(data[here:there])
        elif kind == 3:
            data[here:here] = chance.choice(PIECES)
        elif kind == 4:
            data[here:there] = chance.choice(PIECES)
        elif kind == 5:
            other = chance.choice(good)
            begin = chance.randint(0, len(other))
            data[here:here] = other[begin : begin + chance.choice((10, 100, 1000, 100_000))]
        elif kind == 6:
            digits = [at for at in range(here, len(data)) if 48 <= data[at] <= 57][:50]
            if digits:
                data[chance.choice(digits)] = chance.choice(b"0123456789")
        elif kind == 7:
            del data[here:]
        else:
            data[here:here] = bytes(data[here:there]) * chance.choice((2, 10, 3000))
    return bytes(data[: LARGEST + 1])


def session_with(token: bytes) -> bytes:
    """A session of the php handler with this token in it."""
    return b'_sf2_attributes|a:1:{s:14:"_security_main";s:%d:"%b";}' % (len(token), token)


def peak() -> int:
    """The most memory that this process ever had, in KiB. (What getrusage says of it begins with the parent's.)"""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def timed(read_it: Callable[[bytes], object], data: bytes) -> tuple[float, Exception | None]:
    """How long reading took, in seconds of the processor, and with what error it ended."""
    error: Exception | None = None
    start = time.process_time()
    try:
        read_it(data)
    except Exception as raised:
        error = raised
    return time.process_time() - start, error


def main(count: int, seed: int) -> dict[str, object]:
    """Spoils and reads ``count`` sessions: whole ones, single values, and tokens in otherwise whole ones."""
    good = [base64.b64decode(line) for line in sys.stdin]
    chance = random.Random(seed)
    tokens = [BackOfficeTokens(handler=handler) for handler in ("php", "php", "php", "php_binary", "php_serialize")]
    values = [session for session in good if session.startswith(b"a:") and len(session) < 5000]
    logins = [login for session in good for login in _LOGIN.findall(session)]
    read = refused = 0
    slowest, slow = 0.0, b""
    wrong: list[str] = []
    kept: list[str] = []
    BackOfficeTokens().read(good[0])
    before = peak()
    for number in range(count):
        single, logged_in = number % 4 == 0, number % 4 == 1
        if logged_in:
            data = session_with(spoiled(logins, chance, 2))
        else:
            data = spoiled(values, chance, 1) if single else spoiled(good, chance)
        read_it: Callable[[bytes], object] = unserialize if single else tokens[0 if logged_in else number % 5].read
        took, error = timed(read_it, data)
        for _ in range(3 if took > NOTABLE else 0):  # a busy machine is no fault of the code
            took = min(took, timed(read_it, data)[0])
        if took > slowest:
            slowest, slow = took, data
        if error is None:
            read += 1
            # PHP hands out a copy of the outermost value, which is then not what R:1 means; the rest needs classes.
            if single and len(kept) < KEPT and not any(mark in data for mark in (b"R:1;", b"C:", b"E:")):
                kept.append(base64.b64encode(data).decode())
        elif isinstance(error, SessionUnreadable):
            refused += 1
        else:
            wrong.append(f"{type(error).__name__}: {error}: {data[:300]!r}")
    grown = peak() - before
    return {
        "read": read,
        "refused": refused,
        "slowest": slowest,
        "slow": repr(slow[:200]),
        "slow_bytes": len(slow),
        "grown": grown,
        "wrong": wrong[:5],
        "kept": kept,
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
