"""Free ports on the loopback interface."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

LOWEST, HIGHEST = 15000, 32767
"""Below the ports that Linux gives to outgoing connections and to those who listen on port 0: one of those may become
another program's before the program that it was asked for listens on it."""

BLOCK = 256
"""Each process gives out ports of blocks of its own, as tests of several processes run at the same time."""

_guards: list[socket.socket] = []


def free_port() -> int:
    """A TCP port on 127.0.0.1 on which no program listens at this moment, and that was not given out before.

    For programs that cannot say which port they got; those that can listen on port 0 instead.
    """
    return next(_PORTS)


def _ports() -> Iterator[int]:
    while True:
        first = random.randrange(LOWEST, HIGHEST - BLOCK, BLOCK)
        guard = socket.socket()
        try:
            guard.bind(("127.0.0.1", first))
        except OSError:  # the block is another process's, or its first port is in use
            guard.close()
            continue
        _guards.append(guard)
        yield from filter(_is_free, range(first + 1, first + BLOCK))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_PORTS = _ports()
