"""Connections just accepted: a few in one turn of the reactor, and the protocols of those that are not served at once.

``DelayedConnection`` waits unread until it may proceed, ``RefusedConnection`` is told that there is no place for it.
``listener`` decides which connection gets which.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from orosync.transport.admission import Place
from orosync.transport.timers import Timed, TimerWheel

ACCEPTS = 16
"""Connections accepted in one turn: several milliseconds of handshakes. The others wait in the system's queue."""

MOST_LINGERING = 64
"""Refused connections of a listener that get an answer at one time; more than that are closed without."""

MOST_DRAINED = 65536
"""Bytes that a refused connection may still send."""

Build = Callable[[Place], Protocol | None]
"""Makes the protocol of an admitted connection, with TLS where the listener has it."""


def accept_few(port: Any, most: int = ACCEPTS) -> None:
    """Keep ``port`` (a port of Twisted's, TCP or UNIX, listening) from accepting more than ``most`` in one turn.

    Twisted accepts more with every turn while more are waiting; when thousands come back at once a turn would take as
    long as all their handshakes together.
    """
    accept = port.doRead

    # doRead is what the reactor calls when a connection waits; there is no other place to limit what it accepts.
    def few() -> None:
        # Twisted raises its number each time that it was not enough, and lowers it when it was too much.
        port.numberAccepts = most
        accept()

    port.doRead = few


def hand_over(connection: Protocol, chosen: Any) -> None:
    """From now on ``chosen`` serves the connection instead of ``connection``."""
    transport: Any = connection.transport
    if getattr(transport, "protocol", None) is connection:
        transport.protocol = chosen
    else:
        # Under TLS the transport goes on calling the protocol that it was made with.
        connection.dataReceived = chosen.dataReceived  # type: ignore[method-assign]
        connection.connectionLost = chosen.connectionLost  # type: ignore[method-assign]
    chosen.makeConnection(transport)


class DelayedConnection(Protocol):
    """A connection that is delayed for the rate of its address: nothing of it is read, TLS has not begun."""

    def __init__(self, place: Place, build: Build) -> None:
        self._place = place
        self._build = build
        place.proceed = self.proceed

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.pauseProducing()

    def proceed(self) -> None:
        """Continue, unless the peer has hung up meanwhile: a TLS handshake for it would be wasted."""
        transport: Any = self.transport
        if _has_hung_up(transport):
            transport.abortConnection()
            return
        chosen = self._build(self._place)
        assert chosen is not None, "a connection with a place is served"
        hand_over(self, chosen)
        transport.resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._place.release()


def _has_hung_up(transport: Any) -> bool:
    """Whether the peer has ended its side without having sent anything."""
    try:
        return not transport.getHandle().recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except (AttributeError, OSError) as error:
        return isinstance(error, OSError)


class Refusals:
    """What the refused connections of a listener share. ``answer_to(first)`` is the answer to a client whose first byte
    is ``first``; with ``at_once`` it does not depend on that. Each has ``ticks`` of ``timers`` to read it."""

    def __init__(self, timers: TimerWheel, ticks: int, answer_to: Callable[[int], bytes], at_once: bool) -> None:
        self.timers = timers
        self.ticks = ticks
        self.answer_to = answer_to
        self.at_once = at_once
        self.lingering = 0


class RefusedConnection(Protocol):
    """A connection without a place. With ``refusals`` it gets an answer, unless too many others are getting one; then
    our side is closed, and what the client still sends is read and dropped, so that it does not lose the answer.
    Without, it is closed at once, before any TLS handshake."""

    slot: set[Timed] | None = None
    _lingers = _answered = False
    _size = 0

    def __init__(self, refusals: Refusals | None = None) -> None:
        self._refusals = refusals

    def connectionMade(self) -> None:
        refusals = self._refusals
        if refusals is None or refusals.lingering >= MOST_LINGERING:
            self._abort()
            return
        refusals.lingering += 1
        self._lingers = True
        refusals.timers.schedule(self, refusals.ticks)
        if refusals.at_once:
            self._answer(0)

    def dataReceived(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MOST_DRAINED:
            self._abort()
        elif not self._answered:
            self._answer(data[0])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._lingers and self._refusals is not None:
            self._refusals.lingering -= 1
            self._refusals.timers.cancel(self)

    def due(self) -> None:
        """See timers.Timed."""
        self._abort()

    def _answer(self, first: int) -> None:
        self._answered = True
        transport: Any = self.transport
        if self._refusals is not None:
            transport.write(self._refusals.answer_to(first))
        with suppress(AttributeError):
            transport.loseWriteConnection()

    def _abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()
