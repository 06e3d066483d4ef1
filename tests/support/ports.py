"""Free ports on the loopback interface."""

from __future__ import annotations

import random
import socket

LOWEST, HIGHEST = 15000, 32767
"""Below the ports that Linux gives to outgoing connections and to those who listen on port 0: one of those may become
another program's before the program that it was asked for listens on it."""

_given: set[int] = set()


def free_port() -> int:
    """A TCP port on 127.0.0.1 on which no program listens at this moment, and that was not given out before.

    For programs that cannot say which port they got; those that can listen on port 0 instead.
    """
    while True:
        port = random.randint(LOWEST, HIGHEST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
