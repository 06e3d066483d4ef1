"""What all connections of a listener share, whatever is spoken on it, and who may connect at all.

It must not know what travels in a message, who the client is, or where a listener's settings come from.
"""

from __future__ import annotations

from typing import Any, TypeVar

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol

from orosync.headers.forwarding import UNIX, plain_address
from orosync.interfaces import IJournal, ISessionHost
from orosync.transport.admission import Turnstile
from orosync.transport.half_frames import HalfFrames
from orosync.transport.keepalive import Wheel
from orosync.transport.outbox import Outbox
from orosync.transport.settings import ListenerSettings
from orosync.transport.slow_readers import SlowReaders

K = TypeVar("K")


class ListenerFactory(Factory):
    """A listener's Twisted factory: give it to an endpoint, wrapped by ``tls.secured`` where it speaks TLS.

    Listeners whose clients send to each other share an ``outbox``.
    """

    noisy = False
    full: bytes = b""
    """What one who is turned away is told; over TLS nothing, which would cost a handshake."""

    def __init__(
        self,
        settings: ListenerSettings,
        host: ISessionHost,
        journal: IJournal,
        clock: IReactorTime,
        outbox: Outbox | None = None,
    ) -> None:
        outbox = outbox or Outbox(clock)
        wheel = Wheel(
            clock,
            settings.tick,
            max(settings.handshake_timeout, settings.close_timeout, settings.ping_interval, settings.ping_timeout),
        )
        self.turnstile = Turnstile(settings.max_connections)
        self.settings = settings
        self.journal = journal
        self.clock = clock
        self.wheel = wheel
        self.host = host
        self.outbox = outbox
        self._shared = {
            "settings": settings,
            "host": host,
            "journal": journal,
            "wheel": wheel,
            "outbox": outbox,
            "_enter": staticmethod(outbox.enter),
            "_output_limit": settings.output_limit,
            "slow_readers": SlowReaders(clock, settings.tick, settings.output_stall),
            "half_frames": HalfFrames(clock, settings.tick, settings.frame_timeout, journal),
            "turnstile": self.turnstile,
            "handshake_ticks": wheel.ticks(settings.handshake_timeout),
            "close_ticks": wheel.ticks(settings.close_timeout),
            "ping_ticks": wheel.ticks(settings.ping_interval),
            "pong_ticks": wheel.ticks(settings.ping_timeout),
        }

    def kind(self, line: type[K], **own: Any) -> type[K]:
        """A kind of line with all that this listener's connections share, and ``own``, on the class."""
        return type(line.__name__, (line,), {**self._shared, **own})

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """A link for a new connection; at the limit None, or a protocol that hangs up at once."""
        if not self.entered():
            if self.settings.tls:
                return HangUp()
            return HangUp(self.full) if self.full else None
        return self.connection(plain_address(getattr(addr, "host", UNIX)))

    def entered(self) -> bool:
        """Whether there is room for one more, who is inside then; if there is none, the log says so."""
        entered = self.turnstile.entered()
        if not entered:
            name, limit = self.settings.name, self.settings.max_connections
            self.journal.note("connection.refused", "too_many", listener=name, limit=limit)
        return entered

    def connection(self, peer: str) -> Protocol:
        """What serves a new connection of ``peer``."""
        raise NotImplementedError

    def stopFactory(self) -> None:
        self.wheel.stop_when_empty()


class HangUp(Protocol):
    """What a connection gets that is not served: a last word, or none and no TLS handshake either."""

    def __init__(self, word: bytes = b"") -> None:
        self._word = word

    def connectionMade(self) -> None:
        transport: Any = self.transport
        if self._word:
            transport.write(self._word)
            transport.loseConnection()
        else:
            transport.abortConnection()
