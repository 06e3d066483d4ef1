"""What a router tells of a client's connection when it asks who that is, read as ConnectionFacts.

The shape is Crossbar.io's (``TransportDetails.marshal`` of autobahn): ``peer`` is ``tcp4:192.0.2.7:40000``,
``http_headers_received`` has lower-case names and is there for WebSocket alone. Whatever is missing or of another
shape counts as not said; nobody is let in for what was not said. Pure; must not know what the facts decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from orosync.headers.cookies import parse_cookies
from orosync.headers.forwarding import UNIX, Network, client_address, forwarded, plain_address
from orosync.model import NOTHING, ConnectionFacts

UNKNOWN = "unknown"
"""The peer where the router does not say it: no network has it."""


def connection_facts(listener: str, transport: object, proxies: Sequence[Network]) -> ConnectionFacts:
    """The facts for ``listener`` (our name for the router); ``proxies`` are believed as those of a listener of ours."""
    told: Mapping[str, Any] = transport if isinstance(transport, Mapping) else NOTHING
    headers = _headers(told.get("http_headers_received"))
    peer = peer_address(told.get("peer"))
    subprotocol = told.get("websocket_protocol")
    return ConnectionFacts(
        listener=listener,
        peer=peer,
        address=client_address(peer, headers.get("x-forwarded-for"), proxies),
        host=headers.get("host", ""),
        path="",
        query="",
        origin=headers.get("origin"),
        subprotocols=(subprotocol,) if isinstance(subprotocol, str) else (),
        cookies=parse_cookies(headers.get("cookie")),
        headers=headers,
        tls=told.get("is_secure") is True,
        forwarded=forwarded(headers),
    )


def peer_address(peer: object) -> str:
    """The address in ``tcp4:ADDRESS:PORT`` or ``tcp6:ADDRESS:PORT`` (of our own router's, which tells no port, without
    one), "unix" for a UNIX socket, else UNKNOWN."""
    kind, _, rest = peer.partition(":") if isinstance(peer, str) else ("", "", "")
    if kind == "unix":
        return UNIX
    if kind not in ("tcp4", "tcp6", "tcp"):
        return UNKNOWN
    for address in (rest.rpartition(":")[0], rest):
        plain = plain_address(address.removeprefix("[").removesuffix("]"))
        with suppress(ValueError):
            return str(ip_address(plain))
    return UNKNOWN


def _headers(told: object) -> Mapping[str, str]:
    """Names come in lower case from every router that keeps to the contract; of others they are made so."""
    if not isinstance(told, Mapping):
        return NOTHING
    return {name.lower(): value for name, value in told.items() if isinstance(name, str) and isinstance(value, str)}
