"""Connections as they are accepted: few in one turn, some of them put off before anything is read, some sent away.

It must not know what is done with a connection that is served, nor why there is no place for another.
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
"""In one turn: several milliseconds of handshakes. The others wait in the system's queue, which is long."""

MOST_LINGERING = 64
"""Connections of a listener that are told why they are sent away; more than that are only sent away."""

MOST_DRAINED = 65536
"""Bytes that one of these may still send."""

Build = Callable[[Place], Protocol | None]
"""Makes what serves a connection, TLS and all."""


def accept_few(port: Any, most: int = ACCEPTS) -> None:
    """Keep ``port`` (a port of Twisted's, TCP or UNIX, listening) from accepting more than ``most`` in one turn.

    Twisted accepts more with every turn while more are waiting; when thousands come back at once a turn would take as
    long as all their handshakes together.
    """
    accept = port.doRead

    def few() -> None:
        # Twisted raises its number each time that it was not enough, and lowers it when it was too much.
        port.numberAccepts = most
        accept()

    port.doRead = few


def hand_over(connection: Protocol, chosen: Any) -> None:
    """From now on ``chosen`` serves the connection: Twisted finds its methods where it looks for the other's."""
    transport: Any = connection.transport
    if getattr(transport, "protocol", None) is connection:
        transport.protocol = chosen  # so that whoever is handed it may hand it on
    else:
        connection.dataReceived = chosen.dataReceived  # type: ignore[method-assign]
        connection.connectionLost = chosen.connectionLost  # type: ignore[method-assign]
    chosen.makeConnection(transport)


class Delayed(Protocol):
    """An accepted connection that waits for its turn: nothing of it is read, no TLS has begun."""

    def __init__(self, place: Place, build: Build) -> None:
        self._place = place
        self._build = build
        place.proceed = self.proceed

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.pauseProducing()

    def proceed(self) -> None:
        """It is its turn. Whoever has hung up meanwhile is not greeted: that would cost a TLS handshake."""
        transport: Any = self.transport
        if _has_hung_up(transport):
            transport.abortConnection()
            return
        chosen = self._build(self._place)
        assert chosen is not None, "whoever has a place is served"
        hand_over(self, chosen)
        transport.resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._place.release()


def _has_hung_up(transport: Any) -> bool:
    """Whether the peer has ended its side without having said anything."""
    try:
        return not transport.getHandle().recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except (AttributeError, OSError) as error:
        return isinstance(error, OSError)


class Farewells:
    """Those who are being told that there is no place. ``told`` makes the answer out of the first byte that one sends;
    with ``at_once`` it does not depend on that. Each has ``ticks`` of ``timers`` to hear it."""

    def __init__(self, timers: TimerWheel, ticks: int, told: Callable[[int], bytes], at_once: bool) -> None:
        self.timers = timers
        self.ticks = ticks
        self.told = told
        self.at_once = at_once
        self.lingering = 0


class HangUp(Protocol):
    """What a connection gets that is not served: with ``farewells`` an answer, where there is time for that; our side
    is closed then, and what the client still sends is dropped, so that it does not lose the answer over it. Without,
    nothing, and no TLS handshake either."""

    slot: set[Timed] | None = None
    _lingers = _told = False
    _size = 0

    def __init__(self, farewells: Farewells | None = None) -> None:
        self._farewells = farewells

    def connectionMade(self) -> None:
        farewells = self._farewells
        if farewells is None or farewells.lingering >= MOST_LINGERING:
            self._abort()
            return
        farewells.lingering += 1
        self._lingers = True
        farewells.timers.schedule(self, farewells.ticks)
        if farewells.at_once:
            self._tell(0)

    def dataReceived(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MOST_DRAINED:
            self._abort()
        elif not self._told:
            self._tell(data[0])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._lingers and self._farewells is not None:
            self._farewells.lingering -= 1
            self._farewells.timers.cancel(self)

    def due(self) -> None:
        """See keepalive.Member."""
        self._abort()

    def _tell(self, first: int) -> None:
        self._told = True
        transport: Any = self.transport
        if self._farewells is not None:
            transport.write(self._farewells.told(first))
        with suppress(AttributeError):
            transport.loseWriteConnection()

    def _abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()
