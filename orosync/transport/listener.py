"""A listener: what its connections share, and their way in.

From accept to handshake a connection passes, in this order:

1. ``accepting.accept_few``: the port accepts a few connections in each turn of the reactor.
2. ``BeforeTLS`` (of a listener with TLS) and ``ListenerFactory.buildProtocol`` call ``ListenerFactory.accept``. With
   ``proxy_protocol`` a peer that is no trusted proxy is refused.
3. ``admission.ConnectionLimit.acquire``: the connection gets a Place, or is refused (``accepting.RefusedConnection``).
4. ``proxy_protocol.ProxyHeaderReader`` reads the header of the PROXY protocol, where there is one.
5. ``Place.admit_address``, where the client's address is known before its request: admitted, refused, or delayed for
   its rate (``accepting.DelayedConnection``).
6. TLS, then the connection itself; on a listener for both protocols ``factories.ProtocolDetector`` looks at the first
   byte.
7. ``handshake.Handshake`` reads the request. Behind a proxy that speaks HTTP only that tells the client's address:
   ``Place.admit_request`` answers as in step 5. Then ``ISessionHost.admit`` decides who the client is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol

from orosync.clocks import Now, epoch
from orosync.headers import UNIX, OriginRule, plain_address, speaks_for_others
from orosync.interfaces import IJournal, ISessionHost
from orosync.transport.accepting import Build, DelayedConnection, Refusals, RefusedConnection
from orosync.transport.admission import ConnectionLimit, Place, PlaceAnswer
from orosync.transport.connection import Connection
from orosync.transport.http_responses import HttpResponses
from orosync.transport.longpoll_connection import LongPollConnection
from orosync.transport.longpoll_relay import RelayedPoll
from orosync.transport.proxy_protocol import ProxyHeaderReader
from orosync.transport.read_turns import ReadTurns
from orosync.transport.settings import ListenerSettings
from orosync.transport.timers import StallDetector, TimerWheel
from orosync.transport.write_queue import WriteScheduler

C = TypeVar("C")

HURRIED = 1.0
"""Seconds for the handshake of a connection beyond all places, which may be one of the back end: that sends at once."""


class ListenerFactory(Factory):
    """A listener's Twisted factory: give it to an endpoint, wrapped by ``tls.secured`` where it speaks TLS.

    Listeners of one process share a ``scheduler`` and the ``turns``; ``now`` dates their HTTP responses.
    """

    noisy = False
    busy_at_once = True
    """Whether a connection without a place is answered before it has sent anything."""

    def __init__(
        self,
        settings: ListenerSettings,
        host: ISessionHost,
        journal: IJournal,
        clock: IReactorTime,
        scheduler: WriteScheduler | None = None,
        turns: ReadTurns | None = None,
        now: Now = epoch,
    ) -> None:
        scheduler = scheduler or WriteScheduler(clock)
        turns = ReadTurns(clock) if turns is None else turns
        timers = TimerWheel(
            clock,
            settings.tick,
            max(settings.handshake_timeout, settings.close_timeout, settings.ping_interval, settings.ping_timeout),
        )
        self.connection_limit = ConnectionLimit(settings, clock, journal)
        self.origin_rule = OriginRule(settings.origins, settings.origin_required)
        self.settings = settings
        self.journal = journal
        self.clock = clock
        self.timers = timers
        self.host = host
        self.scheduler = scheduler
        self.turns = turns
        self.handshake_ticks = timers.ticks(settings.handshake_timeout)
        self.hurried_ticks = timers.ticks(min(settings.handshake_timeout, HURRIED))
        self.header_limit = settings.header_limit
        self.responses = HttpResponses(now)
        self.refusals = Refusals(timers, timers.ticks(settings.close_timeout), self.busy_answer, self.busy_at_once)
        self.slow_consumers: StallDetector[Connection] = StallDetector(
            clock, settings.tick, settings.send_timeout, Connection.drained, Connection.progress, Connection.stalled
        )
        self.longpoll: Iterable[LongPollConnection] = ()
        self.relayed: Callable[[str, str, bytes], RelayedPoll] | None = None
        """See LongPoll."""
        self._shared = {
            "settings": settings,
            "host": host,
            "journal": journal,
            "timers": timers,
            "scheduler": scheduler,
            "turns": turns,
            "responses": self.responses,
            "_schedule": staticmethod(scheduler.schedule),
            "_send_buffer_limit": settings.send_buffer_limit,
            "slow_consumers": self.slow_consumers,
            "incomplete_frames": StallDetector(
                clock,
                settings.tick,
                settings.frame_timeout,
                Connection.frame_complete,
                Connection.frame_progress,
                Connection.frame_stalled,
            ),
            "handshake_ticks": self.handshake_ticks,
            "hurried_ticks": self.hurried_ticks,
            "close_ticks": timers.ticks(settings.close_timeout),
            "ping_ticks": timers.ticks(settings.ping_interval),
            "pong_ticks": timers.ticks(settings.ping_timeout),
        }

    def backlogs(self) -> Iterator[int]:
        """Bytes that wait for each client that does not read fast enough. It costs nothing for the others."""
        for connection in (*self.slow_consumers, *self.longpoll):
            if waiting := connection.backlog():
                yield waiting

    def busy_answer(self, first: int) -> bytes:
        """The answer to a connection without a place, whose first byte is ``first`` (0 with ``busy_at_once``)."""
        raise NotImplementedError

    def connection_class(self, base: type[C], **own: Any) -> type[C]:
        """A subclass of ``base`` that has on the class what this listener's connections share, and ``own``. It is made
        at run time so that no connection carries a reference to each of these."""
        return type(base.__name__, (base,), {**self._shared, **own})

    def before_tls(self, build: Build) -> Factory:
        """The factory for the port of a listener with TLS; ``build`` puts TLS around what this factory makes."""
        return BeforeTLS(self, build)

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Called by the port with the peer's address; and with the Place of a connection that has been admitted."""
        if not isinstance(addr, Place):
            return self.accept(addr, self.buildProtocol)
        connection = self.make_connection(addr.peer)
        connection.place = addr
        if addr.undecided:
            addr.withdraw = connection.withdraw
        served: Protocol = connection
        return served

    def accept(self, addr: IAddress | None, build: Build) -> Protocol | None:
        """A new connection's protocol: what ``build`` makes, or one that delays it, refuses it, or first reads the
        header of a proxy."""
        peer, settings = plain_address(getattr(addr, "host", UNIX)), self.settings
        if settings.proxy_protocol and not speaks_for_others(peer, settings.trusted_proxies):
            self.refuse_proxy(
                "not_a_proxy", peer, f"its address is none of trusted_proxies of [listen:{settings.name}]"
            )
            return RefusedConnection()
        place = self.connection_limit.acquire(peer)
        if place is None:
            return self.refuse()
        return ProxyHeaderReader(self, place, build) if settings.proxy_protocol else self.admit(place, build)

    def admit(self, place: Place, build: Build) -> Protocol | None:
        """As ``accept``, once ``place.peer`` is the client, or a proxy that speaks HTTP."""
        if speaks_for_others(place.peer, self.settings.trusted_proxies):
            return build(place)  # the request will tell the client's address
        answer = place.admit_address(place.peer)
        if answer is PlaceAnswer.ADMITTED:
            return build(place)
        if answer is PlaceAnswer.DELAYED:
            return DelayedConnection(place, build)
        place.release()
        return self.refuse()

    def refuse_proxy(self, kind: str, peer: str, reason: str) -> None:
        """Log that a connection without a valid header of the PROXY protocol is refused."""
        self.journal.note("proxy.refused", kind, listener=self.settings.name, address=peer, reason=reason)

    def refuse(self) -> Protocol:
        """The protocol of a connection without a place; over TLS no answer, which would cost a handshake."""
        return RefusedConnection(None if self.settings.tls else self.refusals)

    def make_connection(self, peer: str) -> Any:
        """The protocol of an admitted connection of ``peer``."""
        raise NotImplementedError

    def stopFactory(self) -> None:
        self.connection_limit.stop()
        self.timers.stop_when_empty()


class BeforeTLS(Factory):
    """The factory of a port with TLS: connections are delayed and refused before their TLS handshake."""

    noisy = False

    def __init__(self, listener: ListenerFactory, build: Build) -> None:
        self._listener = listener
        self._build = build

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """See ListenerFactory.accept."""
        return self._listener.accept(addr, self._build)

    def startFactory(self) -> None:
        self._listener.doStart()

    def stopFactory(self) -> None:
        self._listener.doStop()
