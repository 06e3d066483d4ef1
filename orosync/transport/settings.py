"""What one listener is told: who may connect, how long things may take, how much may wait.

Values only; where they come from is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Protocol

import attrs
from twisted.web.resource import IResource

from orosync.model import ConnectionFacts

Network = IPv4Network | IPv6Network


def _networks(values: Iterable[str | Network]) -> tuple[Network, ...]:
    return tuple(ip_network(value) if isinstance(value, str) else value for value in values)


class BackEndSign(Protocol):
    """How the back end is known before it has been authenticated."""

    def may_come_from(self, peer: str) -> bool:
        """Whether it may be a connection of this peer, of which nothing has been read."""

    def is_shown_by(self, facts: ConnectionFacts) -> bool:
        """Whether this request looks like one of the back end."""


@attrs.frozen(kw_only=True)
class ListenerSettings:
    """One listener. Times in seconds, sizes in bytes.

    ``path`` None serves every path. ``origins`` holds bare hosts (any scheme and port) and full origins; see
    ``origin.OriginRule``. ``trusted_proxies`` are networks whose X-Forwarded-For is believed; with
    ``proxy_protocol`` each connection is one of theirs and begins with a header of the PROXY protocol.
    ``handshake_timeout`` covers TLS and HTTP, not the wait for identity. ``close_timeout`` bounds the closing
    handshake and how long a finished connection may linger. ``send_buffer_limit`` bounds what waits for a slow reader,
    ``send_timeout`` how long it may take nothing at all, ``frame_timeout`` how long a message may take to arrive.
    ``web`` answers plain HTTP requests on the same port. ``deflate`` compresses for clients that offer it.
    ``longpoll`` is the path below which clients may poll, ``body_limit`` bounds the body of a plain HTTP request.
    Of ``max_connections`` at most ``max_unauthenticated`` may not have joined yet. While more than half of those places
    are taken, one address has at most ``unauthenticated_per_address`` of them, and of its new connections
    ``connection_burst`` may come at once, then ``connection_rate`` a second. ``backend_places`` are there besides for
    what ``back_end`` knows as the back end's.
    Raises ValueError for a network that is none.
    """

    name: str
    path: str | None = None
    origins: tuple[str, ...] = attrs.field(default=(), converter=tuple[str, ...])
    origin_required: bool = True
    trusted_proxies: tuple[Network, ...] = attrs.field(default=(), converter=_networks)
    proxy_protocol: bool = False
    header_limit: int = 16384
    handshake_timeout: float = 5.0
    close_timeout: float = 2.0
    max_connections: int = 10_000
    max_unauthenticated: int = 5000
    unauthenticated_per_address: int = 256
    connection_rate: float = 200.0
    connection_burst: int = 2000
    backend_places: int = 16
    back_end: BackEndSign | None = None
    ping_interval: float = 25.0
    ping_timeout: float = 10.0
    send_buffer_limit: int = 1 << 20
    send_timeout: float = 10.0
    frame_timeout: float = 30.0
    tls: bool = False
    web: IResource | None = None
    deflate: bool = False
    longpoll: str | None = None
    body_limit: int = 65536

    @property
    def tick(self) -> float:
        """How often the listener's timers look: fine enough for the shortest time above, twice a second at most."""
        shortest = min(
            self.handshake_timeout,
            self.close_timeout,
            self.ping_interval,
            self.ping_timeout,
            self.send_timeout,
            self.frame_timeout,
        )
        return max(0.01, min(0.5, shortest / 8))
