"""A client's connection as Crossbar.io's ``TransportDetails`` describe it (``TransportDetails.marshal`` of autobahn):
read as ConnectionFacts where another router tells of its clients, and written for procedures that decide about ours.

``peer`` is ``tcp4:192.0.2.7:40000``; ``http_headers_received`` has lower-case names and is there for WebSocket alone.
What is missing or of another shape counts as not said. Cookies, credentials, the query string (which holds tickets) and
all headers but a few are never told, nor anything of this process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha1, sha256
from ipaddress import ip_address
from typing import Any

from orosync.headers import UNIX, Network, client_address, forwarded, parse_cookies, plain_address
from orosync.model import EMPTY, ConnectionFacts

UNKNOWN = "unknown"
"""The peer where the router does not say it: no network has it."""


def connection_facts(listener: str, transport: object, proxies: Sequence[Network]) -> ConnectionFacts:
    """The facts for ``listener`` (our name for the router); ``proxies`` are believed as those of a listener of ours."""
    told: Mapping[str, Any] = transport if isinstance(transport, Mapping) else EMPTY
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
        return EMPTY
    return {name.lower(): value for name, value in told.items() if isinstance(name, str) and isinstance(value, str)}


HEADERS = ("accept-language", "host", "origin", "user-agent")
"""The headers that are told. Others may hold credentials: Cookie, Authorization, Referer, whatever a proxy adds."""

LONGEST_HEADER = 1024

SOMEBODY = "for=unknown"
"""What is told of proxies on the way (RFC 7239, section 6.2): that there was one, and nothing that it said."""


def transport_details(facts: ConnectionFacts | None) -> dict[str, Any]:
    """The keys that Crossbar.io's components read, all of them; what is not told is null or empty.

    ``peer`` is the client's own address, behind trusted proxies too; its port is not told (0). That it came through a
    proxy is told by a header "forwarded" of our own, for an authenticator that lets nobody publish through one. A
    component in this process (and orosync itself, None) has ``{"type": "stdio"}``.
    """
    if facts is None or not facts.peer:
        return {"type": "stdio"}
    framing = "websocket" if facts.path else "rawsocket"
    return {
        "channel_type": "tls" if facts.tls else "tcp",
        "channel_framing": framing,
        "channel_serializer": None,
        "own": None,
        "peer": _peer(facts.address),
        "is_server": True,
        "is_secure": facts.tls,
        "channel_id": {},
        "peer_cert": certificate_details(facts.client_certificate),
        "websocket_protocol": _protocol(facts.subprotocols) if framing == "websocket" else None,
        "websocket_extensions_in_use": [],
        "http_headers_received": _shown_headers(facts),
        "http_headers_sent": {},
        "http_cbtid": None,
    }


def _shown_headers(facts: ConnectionFacts) -> dict[str, str]:
    told = {name: facts.headers[name] for name in HEADERS if len(facts.headers.get(name, "x" * 2048)) <= LONGEST_HEADER}
    return {**told, "forwarded": SOMEBODY} if facts.forwarded else told


def certificate_details(certificate: bytes | None) -> dict[str, str] | None:
    """Fingerprints of a client's certificate (DER) as OpenSSL prints them; None without one."""
    if certificate is None:
        return None
    digests = {"sha1": sha1(certificate, usedforsecurity=False), "sha256": sha256(certificate)}
    return {name: ":".join(f"{byte:02X}" for byte in digest.digest()) for name, digest in digests.items()}


def _peer(address: str) -> str:
    if ":" in address:
        return f"tcp6:{address}:0"
    return f"tcp4:{address}:0" if address[:1].isdigit() else address


def _protocol(offered: tuple[str, ...]) -> str:
    """The first that is spoken here; whoever offers nothing speaks v1."""
    return next((one for one in offered if one == "wamp" or one.startswith("wamp.2.")), "wamp")
