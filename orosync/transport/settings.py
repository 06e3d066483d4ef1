"""The settings of one listener: who may connect, how long things may take, how much may wait.

``config`` reads them and ``app`` hands them over; here they are plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.web.resource import IResource

from orosync.headers import Network
from orosync.model import ConnectionFacts


def _networks(values: Iterable[str | Network]) -> tuple[Network, ...]:
    return tuple(ip_network(value) if isinstance(value, str) else value for value in values)


SCHEMES = {"websocket": ("ws",), "rawsocket": ("rs",), "universal": ("ws", "rs")}
"""What the URLs of each kind of listener begin with; over TLS an s follows."""

PollAnswer = tuple[int, bytes, bool]
"""Status, body, and whether the client has joined."""


class OtherWorkers(Protocol):
    """The other processes that serve the same listener. ``number`` is this one's. ``poll`` fails when there is no such
    worker any more; once its client has gone, ``poll_gone`` is called with the same ``key``."""

    @property
    def number(self) -> str: ...

    def poll(self, worker: str, key: int, listener: str, name: str, verb: str, body: bytes) -> Deferred[PollAnswer]: ...

    def poll_gone(self, worker: str, key: int) -> None: ...


class BackEndSign(Protocol):
    """How the back end is known before it has been authenticated."""

    def may_come_from(self, peer: str) -> bool:
        """Whether it may be a connection of this peer, of which nothing has been read."""

    def is_shown_by(self, facts: ConnectionFacts) -> bool:
        """Whether this request looks like one of the back end."""


@attrs.frozen(kw_only=True)
class ListenerSettings:
    """One listener. Times in seconds, sizes in bytes. Raises ValueError for a network that is none.

    While more than half of ``max_unauthenticated`` places are taken, one address has at most
    ``unauthenticated_per_address`` of them, and of its new connections ``connection_burst`` may come at once, then
    ``connection_rate`` a second.
    """

    name: str
    path: str | None
    """The path of WebSocket requests; None for any."""
    origins: tuple[str, ...] = attrs.field(converter=tuple[str, ...])
    """Hosts (with any scheme and port) and full origins; see ``headers.OriginRule``."""
    origin_required: bool
    trusted_proxies: tuple[Network, ...] = attrs.field(converter=_networks)
    """Networks whose X-Forwarded-For, Forwarded and X-Real-IP, or header of the PROXY protocol, is trusted."""
    proxy_protocol: bool
    """Every connection comes from a trusted proxy, and begins with a header of the PROXY protocol."""
    header_limit: int
    handshake_timeout: float
    """For TLS and HTTP together, without authentication."""
    close_timeout: float = 2.0
    """For the closing handshake, and for a finished connection to go."""
    max_connections: int
    max_unauthenticated: int
    """Of ``max_connections``: those of clients that have not joined yet."""
    unauthenticated_per_address: int
    connection_rate: float
    connection_burst: int
    backend_places: int
    """Beyond ``max_connections``, for connections that ``back_end`` recognises."""
    back_end: BackEndSign | None = None
    ping_interval: float
    ping_timeout: float
    send_buffer_limit: int
    """What may wait for a slow client."""
    send_timeout: float
    """How long a slow client may read nothing."""
    frame_timeout: float
    """How long a message may take to arrive."""
    tls: bool
    web: IResource | None = None
    """Answers plain HTTP requests on the same port."""
    deflate: bool
    """Use permessage-deflate with clients that offer it."""
    health: str | None = None
    """The path of health checks of load balancers; None: there is none."""
    healthy: Callable[[], bool] = lambda: True
    """What they are answered."""
    longpoll: str | None
    """The path below which clients may use long-poll."""
    workers: OtherWorkers | None = None
    """The other processes that serve the same listener, for long-poll; None: there are none."""
    body_limit: int
    """Of the body of a plain HTTP request."""

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
