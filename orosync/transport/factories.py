"""The factories of the three kinds of listener: WebSocket, RawSocket, and both on one port.

On a port for both, the first byte of a connection tells which protocol its client speaks (``ProtocolDetector``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from orosync.transport.accepting import hand_over
from orosync.transport.admission import Place
from orosync.transport.handshake import note_refusal
from orosync.transport.http_site import bounded_site
from orosync.transport.listener import ListenerFactory
from orosync.transport.longpoll import LongPoll
from orosync.transport.rawsocket import RawSocketConnection
from orosync.transport.timers import Timed
from orosync.transport.websocket import WebSocketConnection
from orosync.wamp.rawsocket import MAGIC, Refusal, refused


class RawSocketFactory(ListenerFactory):
    """RawSocket alone."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connection_class = self.connection_class(RawSocketConnection)

    def busy_answer(self, first: int) -> bytes:
        """See ListenerFactory."""
        return refused(Refusal.CONNECTIONS)

    def make_connection(self, peer: str) -> Any:
        """See ListenerFactory."""
        return self._connection_class(peer)


def websocket_class(listener: ListenerFactory) -> type[WebSocketConnection]:
    """The class of the WebSocket connections of ``listener``, with its pages and its long-poll transport."""
    settings = listener.settings
    longpoll = None if settings.longpoll is None else LongPoll(listener, settings.longpoll)
    if longpoll is not None:
        listener.longpoll = longpoll.connections
        listener.relayed = longpoll.relayed
    site = bounded_site(settings.web, listener.clock, longpoll, settings.body_limit, listener.turns, listener.responses)
    return listener.connection_class(
        WebSocketConnection,
        origin_rule=listener.origin_rule,
        site=None if settings.web is None and longpoll is None else site,
        longpoll=longpoll,
    )


class WebSocketFactory(ListenerFactory):
    """WebSocket, and plain HTTP where the listener has pages."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connection_class = websocket_class(self)

    def busy_answer(self, first: int) -> bytes:
        """See ListenerFactory."""
        return self.responses.answer(503)

    def make_connection(self, peer: str) -> Any:
        """See ListenerFactory."""
        return self._connection_class(peer)


class ProtocolDetector(Protocol):
    """A connection until its first byte: then ``UniversalFactory.choose`` says which class serves it."""

    slot: set[Timed] | None = None
    place: Place

    def __init__(self, listener: UniversalFactory, peer: str) -> None:
        self._listener = listener
        self._peer = peer
        self._timed_out = False

    def connectionMade(self) -> None:
        listener = self._listener
        listener.timers.schedule(self, listener.hurried_ticks if self.place.undecided else listener.handshake_ticks)

    def dataReceived(self, data: bytes) -> None:
        self._listener.timers.cancel(self)
        chosen = self._listener.choose(data[0])(self._peer)
        chosen.place = self.place
        if self.place.undecided:
            self.place.withdraw = chosen.withdraw
        hand_over(self, chosen)
        chosen.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._listener.timers.cancel(self)
        self.place.release()
        if not self._timed_out:
            self._listener.journal.count("handshake.lost", "silent")

    def withdraw(self) -> None:
        """See Connection. Without an answer: which one the client would understand is not known."""
        self._timed_out = True
        self._listener.timers.cancel(self)
        self.transport.abortConnection()  # type: ignore[union-attr]

    def due(self) -> None:
        """See timers.Timed."""
        listener = self._listener
        self._timed_out = True
        note_refusal(listener.journal, listener.settings.name, "timeout", "no byte came in time", self._peer)
        self.transport.abortConnection()  # type: ignore[union-attr]


class UniversalFactory(ListenerFactory):
    """WebSocket and RawSocket on one port, under one limit."""

    busy_at_once = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._websocket: Callable[[str], Any] = websocket_class(self)
        self._rawsocket: Callable[[str], Any] = self.connection_class(RawSocketConnection)

    def busy_answer(self, first: int) -> bytes:
        """See ListenerFactory."""
        return refused(Refusal.CONNECTIONS) if first == MAGIC else self.responses.answer(503)

    def choose(self, first: int) -> Callable[[str], Any]:
        """The class of a connection that begins with this byte."""
        return self._rawsocket if first == MAGIC else self._websocket

    def make_connection(self, peer: str) -> Any:
        """See ListenerFactory."""
        return ProtocolDetector(self, peer)


FACTORIES: dict[str, type[ListenerFactory]] = {
    "websocket": WebSocketFactory,
    "rawsocket": RawSocketFactory,
    "universal": UniversalFactory,
}
"""The factory of each kind of listener, by its name in a configuration."""
