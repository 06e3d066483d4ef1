"""The WebSocket listener: what all its connections share, and who may connect at all.

It must not know what travels in a message, who the client is, or where a listener's settings come from.
"""

from __future__ import annotations

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol

from orosync.interfaces import IJournal, ISessionHost
from orosync.transport.admission import Turnstile
from orosync.transport.facts import UNIX, plain_address
from orosync.transport.half_frames import HalfFrames
from orosync.transport.keepalive import Wheel
from orosync.transport.link import Link
from orosync.transport.origin import OriginRule
from orosync.transport.outbox import Outbox
from orosync.transport.pages import quiet_site
from orosync.transport.settings import ListenerSettings
from orosync.transport.slow_readers import SlowReaders


class WebSocketFactory(Factory):
    """A listener's Twisted factory: give it to an endpoint, wrapped by ``tls.secured`` where it speaks TLS.

    Listeners whose clients send to each other share an ``outbox``.
    """

    noisy = False

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
        self._settings = settings
        self._journal = journal
        self._wheel = wheel
        self._link = type(
            "Link",
            (Link,),
            {
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
                "origin_rule": OriginRule(settings.origins, settings.origin_required),
                "site": None if settings.web is None else quiet_site(settings.web, clock),
                "handshake_ticks": wheel.ticks(settings.handshake_timeout),
                "close_ticks": wheel.ticks(settings.close_timeout),
                "ping_ticks": wheel.ticks(settings.ping_interval),
                "pong_ticks": wheel.ticks(settings.ping_timeout),
            },
        )

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """A link for a new connection; at the limit None, or over TLS a protocol that hangs up at once."""
        if not self.turnstile.entered():
            settings = self._settings
            self._journal.note("connection.refused", "too_many", listener=settings.name, limit=settings.max_connections)
            return HangUp() if self._settings.tls else None
        link: Protocol = self._link(plain_address(getattr(addr, "host", UNIX)))
        return link

    def stopFactory(self) -> None:
        self._wheel.stop_when_empty()


class HangUp(Protocol):
    """What a TLS wrapper gets instead of nothing, which it cannot handle."""

    def connectionMade(self) -> None:
        self.transport.abortConnection()  # type: ignore[union-attr]
