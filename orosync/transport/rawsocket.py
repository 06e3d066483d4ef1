"""The RawSocket listener.

It must not know what travels in a message, who the client is, or where a listener's settings come from.
"""

from __future__ import annotations

from typing import Any

from orosync.transport.listener import ListenerFactory
from orosync.transport.raw_link import RawLink
from orosync.wamp.rawsocket import Refusal, refused


class RawSocketFactory(ListenerFactory):
    """RawSocket alone."""

    full = refused(Refusal.CONNECTIONS)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._link = self.kind(RawLink)

    def connection(self, peer: str) -> Any:
        """See ListenerFactory."""
        return self._link(peer)
