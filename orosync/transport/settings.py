"""The settings of one listener: who may connect, how long things may take, how much may wait.

``config`` reads them and ``app`` hands them over; here they are plain values.
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
    path: str | None
    origins: tuple[str, ...] = attrs.field(converter=tuple[str, ...])
    origin_required: bool
    trusted_proxies: tuple[Network, ...] = attrs.field(converter=_networks)
    proxy_protocol: bool
    header_limit: int
    handshake_timeout: float
    close_timeout: float = 2.0
    max_connections: int
    max_unauthenticated: int
    unauthenticated_per_address: int
    connection_rate: float
    connection_burst: int
    backend_places: int
    back_end: BackEndSign | None = None
    ping_interval: float
    ping_timeout: float
    send_buffer_limit: int
    send_timeout: float
    frame_timeout: float
    tls: bool
    web: IResource | None = None
    deflate: bool
    longpoll: str | None
    body_limit: int

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
