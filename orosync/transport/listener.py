"""What all connections of a listener share, whatever is spoken on it, and who may connect at all.

It must not know what travels in a message, who the client is, or where a listener's settings come from.
"""

from __future__ import annotations

from typing import Any, TypeVar

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol

from orosync.headers import UNIX, plain_address, speaks_for_others
from orosync.interfaces import IJournal, ISessionHost
from orosync.transport.accepting import Build, Delayed, Farewells, HangUp
from orosync.transport.admission import ConnectionLimit, Place, PlaceAnswer
from orosync.transport.connection import Connection
from orosync.transport.proxy_protocol import ProxyHeader
from orosync.transport.read_turns import ReadTurns
from orosync.transport.settings import ListenerSettings
from orosync.transport.timers import StallDetector, TimerWheel
from orosync.transport.write_queue import WriteScheduler

C = TypeVar("C")

HURRIED = 1.0
"""Seconds for the handshake of a connection that is let in only in case it is the back end's, which sends at once."""


class ListenerFactory(Factory):
    """A listener's Twisted factory: give it to an endpoint, wrapped by ``tls.secured`` where it speaks TLS.

    Listeners of one process share an ``scheduler`` and the ``turns``.
    """

    noisy = False
    full: bytes | None = None
    """What one is told for whom there is no place; None where that depends on the first byte (``told``)."""

    def __init__(
        self,
        settings: ListenerSettings,
        host: ISessionHost,
        journal: IJournal,
        clock: IReactorTime,
        scheduler: WriteScheduler | None = None,
        turns: ReadTurns | None = None,
    ) -> None:
        scheduler = scheduler or WriteScheduler(clock)
        turns = ReadTurns(clock) if turns is None else turns
        timers = TimerWheel(
            clock,
            settings.tick,
            max(settings.handshake_timeout, settings.close_timeout, settings.ping_interval, settings.ping_timeout),
        )
        self.connection_limit = ConnectionLimit(settings, clock, journal)
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
        self.farewells = Farewells(timers, timers.ticks(settings.close_timeout), self.told, self.full is not None)
        self._shared = {
            "settings": settings,
            "host": host,
            "journal": journal,
            "timers": timers,
            "scheduler": scheduler,
            "turns": turns,
            "_schedule": staticmethod(scheduler.schedule),
            "_send_buffer_limit": settings.send_buffer_limit,
            "slow_consumers": StallDetector(
                clock, settings.tick, settings.send_timeout, Connection.drained, Connection.progress, Connection.stalled
            ),
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

    def told(self, first: int) -> bytes:
        """``full``, or what takes its place for a client that sends ``first`` first."""
        assert self.full is not None
        return self.full

    def connection_class(self, base: type[C], **own: Any) -> type[C]:
        """A kind of line with all that this listener's connections share, and ``own``, on the class."""
        return type(base.__name__, (base,), {**self._shared, **own})

    def behind(self, build: Build) -> Factory:
        """The factory for the port of a listener that speaks TLS: ``build`` puts TLS around what this one makes."""
        return Doorway(self, build)

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """What serves a new connection; where that has a place already (``addr`` is that) it is only made."""
        if not isinstance(addr, Place):
            return self.arrived(addr, self.buildProtocol)
        connection = self.connection(addr.peer)
        connection.place = addr
        if addr.undecided:
            addr.withdraw = connection.withdraw
        served: Protocol = connection
        return served

    def arrived(self, addr: IAddress | None, build: Build) -> Protocol | None:
        """What a connection gets that has just been accepted: ``build``'s, or something that makes it wait or go."""
        peer, settings = plain_address(getattr(addr, "host", UNIX)), self.settings
        if settings.proxy_protocol and not speaks_for_others(peer, settings.trusted_proxies):
            self.refuse_proxy(
                "not_a_proxy", peer, f"its address is none of trusted_proxies of [listen:{settings.name}]"
            )
            return HangUp()
        place = self.connection_limit.acquire(peer)
        if place is None:
            return self.hang_up()
        return ProxyHeader(self, place, build) if settings.proxy_protocol else self.identified(place, build)

    def identified(self, place: Place, build: Build) -> Protocol | None:
        """As ``arrived``, for one of which it is known whom it is for, past proxies that pass on TCP as it is."""
        if speaks_for_others(place.peer, self.settings.trusted_proxies):
            return build(place)  # its request will tell whose it is
        return self.located(place, place.peer, build)

    def refuse_proxy(self, kind: str, peer: str, reason: str) -> None:
        """Write down that a connection without a good header of the PROXY protocol is not served."""
        self.journal.note("proxy.refused", kind, listener=self.settings.name, address=peer, reason=reason)

    def located(self, place: Place, address: str, build: Build) -> Protocol | None:
        """As ``arrived``, for one whose client's address is known now; nothing of its request has been read."""
        answer = place.located(address)
        if answer is PlaceAnswer.ADMITTED:
            return build(place)
        if answer is PlaceAnswer.DELAYED:
            return Delayed(place, build)
        place.release()
        return self.hang_up()

    def hang_up(self) -> Protocol:
        """What a connection gets that has no place; over TLS no answer, which would cost a handshake."""
        return HangUp(None if self.settings.tls else self.farewells)

    def connection(self, peer: str) -> Any:
        """What serves a new connection of ``peer``."""
        raise NotImplementedError

    def stopFactory(self) -> None:
        self.connection_limit.stop()
        self.timers.stop_when_empty()


class Doorway(Factory):
    """Stands at the port in front of TLS: what has to wait or go does so before TLS begins."""

    noisy = False

    def __init__(self, listener: ListenerFactory, build: Build) -> None:
        self._listener = listener
        self._build = build

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """See ListenerFactory.arrived."""
        return self._listener.arrived(addr, self._build)

    def startFactory(self) -> None:
        self._listener.doStart()

    def stopFactory(self) -> None:
        self._listener.doStop()
