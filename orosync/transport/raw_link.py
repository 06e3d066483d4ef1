"""The link between one RawSocket connection and its session: what both sides see of each other.

It must not know what travels in a message, who the client is, or where a listener's settings come from.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from orosync.transport.line import Line
from orosync.transport.quiet import CONNECTING, OPEN
from orosync.transport.raw_handshake import RawHandshake
from orosync.transport.raw_reading import RawReader
from orosync.transport.tcp_keepalive import probe
from orosync.wamp.rawsocket import FRAMERS, MOST, PING, Request, announced, frame


class RawLink(Line, RawReader, Protocol):
    """One RawSocket connection."""

    state = CONNECTING
    ping = frame(PING, b"")
    framer: Callable[[bytes, bool], bytes] = staticmethod(FRAMERS[MOST])
    _closed = False
    _answers = False

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self._queue: list[bytes] = []
        self._handshake = RawHandshake(self)

    def connectionMade(self) -> None:
        super().connectionMade()
        probe(self.transport, self._raw)

    def agree(self, request: Request, binary: bool) -> None:
        """The client's own terms: the longest message that it takes, and the kind of its serializer."""
        self.peer_limit = request.limit
        self.framer = FRAMERS[request.limit]
        self.binary = binary

    def close(self, code: int, reason: str) -> None:
        """See ILink. RawSocket has no goodbye of its own: what is queued is sent and our side of TCP ended; what still
        arrives is dropped."""
        if self.state == OPEN:
            self._why = f"closed by us with {code}: {reason}"
            self._closed = True
            self.flush()
            self._end(linger=True)

    def violated(self, reason: str) -> None:
        if self.session is not None:
            self.session.violated(reason)
        self.close(1002, reason)

    def due(self) -> None:
        """See keepalive.Member. Only those are pinged who have shown that they know pings: autobahn takes one for the
        head of a message of 16 MiB. For the others there is TCP's keep-alive."""
        if self.state != OPEN or self._answers:
            super().due()

    def answering(self) -> None:
        if not self._answers and self.session is not None:
            self._answers = True
            if self.session.traits.pinged:
                self.wheel.enter(self, self.ping_ticks)

    def _limit(self, size: int) -> None:
        self.message_limit = announced(size)

    def _ending(self, reason: Failure) -> tuple[bool, int | None, str]:
        _, code, why = super()._ending(reason)
        return self._closed and isinstance(reason.value, ConnectionDone), code, why
