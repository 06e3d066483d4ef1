"""A client's connection as Crossbar.io's ``TransportDetails`` describe it (``TransportDetails.marshal`` of autobahn).

``connection_facts`` reads what another router tells of its clients; ``transport_details`` tells procedures of the
application about ours. ``peer`` is ``tcp4:192.0.2.7:40000``; ``http_headers_received`` has lower-case names and exists
for WebSocket alone. A value that is missing or of another type counts as absent. Cookies, credentials, the query string
(which holds tickets) and all but a few headers are never told, nor anything of this process.
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
"""The address of a peer that the router does not tell; it is in no network."""


def connection_facts(listener: str, transport: object, proxies: Sequence[Network]) -> ConnectionFacts:
    """The facts for ``listener`` (our name for the router). ``proxies`` are trusted, like those of a listener of
    ours."""
    details: Mapping[str, Any] = transport if isinstance(transport, Mapping) else EMPTY
    headers = _headers(details.get("http_headers_received"))
    peer = peer_address(details.get("peer"))
    subprotocol = details.get("websocket_protocol")
    return ConnectionFacts(
        listener=listener,
        peer=peer,
        address=client_address(peer, headers, proxies),
        host=headers.get("host", ""),
        path="",
        query="",
        origin=headers.get("origin"),
        subprotocols=(subprotocol,) if isinstance(subprotocol, str) else (),
        cookies=parse_cookies(headers.get("cookie")),
        headers=headers,
        tls=details.get("is_secure") is True,
        forwarded=forwarded(headers),
    )


def peer_address(peer: object) -> str:
    """The address in ``tcp4:ADDRESS:PORT`` or ``tcp6:ADDRESS:PORT`` (with or without a port), "unix" for a UNIX socket,
    else UNKNOWN."""
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


def _headers(received: object) -> Mapping[str, str]:
    """Names in lower case, as routers should send them."""
    if not isinstance(received, Mapping):
        return EMPTY
    return {name.lower(): value for name, value in received.items() if isinstance(name, str) and isinstance(value, str)}


HEADERS = ("accept-language", "host", "origin", "user-agent")
"""The headers that are told. Others may hold credentials: Cookie, Authorization, Referer, those that proxies add."""

LONGEST_HEADER = 1024

FORWARDED = "for=unknown"
"""The value of the header "forwarded" (RFC 7239 section 6.2): there was a proxy, and nothing that it said."""


def transport_details(facts: ConnectionFacts | None) -> dict[str, Any]:
    """All keys that components of Crossbar.io read; what is not told is null or empty.

    ``peer`` is the client's own address, behind trusted proxies too; its port is not told (0). A header "forwarded" of
    our own says that the client came through a proxy, for an authenticator that allows no publishing through one. A
    component in this process, and orosync itself (None), has ``{"type": "stdio"}``.
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
    shown = {
        name: facts.headers[name] for name in HEADERS if len(facts.headers.get(name, "x" * 2048)) <= LONGEST_HEADER
    }
    return {**shown, "forwarded": FORWARDED} if facts.forwarded else shown


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
    """The first that orosync speaks; a client that offers none speaks v1."""
    return next((one for one in offered if one == "wamp" or one.startswith("wamp.2.")), "wamp")
