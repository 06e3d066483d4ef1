"""TCP keep-alive, for peers that are never pinged. It must not know why they are not."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

_PROBES = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""TCP keep-alive for those who are never pinged: a dead one is found within two minutes."""


def probe(transport: Any, raw: Any) -> None:
    """TCP keep-alive, for a peer that is never pinged."""
    # Where it is not TCP, or the system has no such settings, its own defaults hold.
    with suppress(AttributeError, OSError):
        transport.setTcpKeepAlive(True)
        handle = raw.getHandle()
        for name, value in _PROBES:
            handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
