"""How many connections a listener accepts in one turn of the reactor: few, so that those inside are served in between.

Twisted accepts more with every turn while more are waiting; when thousands come back at once a turn would take as long
as all their handshakes together. It must not know what is done with a connection.
"""

from __future__ import annotations

from typing import Any

ACCEPTS = 16
"""In one turn: several milliseconds of handshakes. The others wait in the system's queue, which is long."""


def accept_few(port: Any, most: int = ACCEPTS) -> None:
    """Keep ``port`` (a port of Twisted's, TCP or UNIX, listening) from accepting more than ``most`` in one turn."""
    accept = port.doRead

    def few() -> None:
        # Twisted raises its number each time that it was not enough, and lowers it when it was too much.
        port.numberAccepts = most
        accept()

    port.doRead = few
