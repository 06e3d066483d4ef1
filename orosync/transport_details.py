"""What a deciding procedure is told of a client's connection: Crossbar.io's ``TransportDetails``, as far as it is
anybody's business.

Cookies, credentials, the query string (which holds tickets) and all headers but a few are never told, nor anything of
this process. It must not know who asks, or what is decided.
"""

from __future__ import annotations

from hashlib import sha1, sha256
from typing import Any

from orosync.model import ConnectionFacts

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
        "http_headers_received": _headers(facts),
        "http_headers_sent": {},
        "http_cbtid": None,
    }


def _headers(facts: ConnectionFacts) -> dict[str, str]:
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
