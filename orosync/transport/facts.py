"""Makes ConnectionFacts of a request and its TCP peer: who is connecting, from where, with what in hand.

Pure functions; whether the client may come in is decided elsewhere. Nothing here raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from orosync.model import NOTHING, ConnectionFacts
from orosync.transport.channel import Connection, channel_ids, client_certificate
from orosync.transport.request import Request
from orosync.transport.settings import ListenerSettings, Network

UNIX = "unix"
"""What stands for the address of a peer on a UNIX socket."""

_FORWARDING = frozenset({"forwarded", "x-real-ip", "via"})


def plain_address(host: str) -> str:
    """An IPv4 address that arrived on an IPv6 socket (``::ffff:192.0.2.1``) written as itself."""
    if host[:7].lower() == "::ffff:" and "." in host:
        return host[7:]
    return host


def forwarded(headers: Mapping[str, str]) -> bool:
    """Whether any proxy left its mark: Forwarded, X-Forwarded-*, X-Real-IP or Via, believed or not."""
    return not _FORWARDING.isdisjoint(headers) or "\nx-forwarded" in "\n".join(("", *headers))


def parse_cookies(header: str | None) -> Mapping[str, str]:
    """A Cookie header as PHP reads it: values verbatim, and of two cookies of one name the first counts.

    A browser sends the cookie of the longer path first (RFC 6265 section 5.4). Pieces without "=" are passed over.
    """
    if not header:
        return NOTHING
    cookies: dict[str, str] = {}
    for piece in header.split(";"):
        name, equals, value = piece.strip(" \t").partition("=")
        if equals and name:
            cookies.setdefault(name, value)
    return cookies


def client_address(peer: str, chain: str | None, trusted: Sequence[Network]) -> str:
    """The client's address: the peer's own, or what trusted proxies say of it.

    ``chain`` is X-Forwarded-For. It is read from its right end, where the nearest proxy wrote, for as long as
    the one who wrote is trusted; the first address that is not a trusted proxy is the client. What cannot be read
    ends the search at the last address that was believed. A peer on a UNIX socket is trusted where anybody is.
    """
    if not chain or not trusted or not (peer == UNIX or _within(peer, trusted)):
        return peer
    address = peer
    for entry in reversed(chain.split(",")):
        hop = _hop(entry.strip())
        if hop is None:
            break
        address = hop
        if not _within(hop, trusted):
            break
    return address


def _hop(entry: str) -> str | None:
    """One entry of X-Forwarded-For, which some proxies write with a port or in brackets."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    entry = plain_address(entry)
    try:
        return str(ip_address(entry))
    except ValueError:
        return None


def _within(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def socket_facts(
    settings: ListenerSettings, peer: str, subprotocol: str, tls: Connection | None = None
) -> ConnectionFacts:
    """What is known of a connection without HTTP: nothing that HTTP would have told."""
    return ConnectionFacts(
        listener=settings.name,
        peer=peer,
        address=peer,
        host="",
        path="",
        query="",
        origin=None,
        subprotocols=(subprotocol,),
        cookies=NOTHING,
        headers=NOTHING,
        tls=settings.tls,
        forwarded=False,
        client_certificate=client_certificate(tls),
        channel_id=channel_ids(tls),
    )


def connection_facts(
    settings: ListenerSettings,
    peer: str,
    request: Request,
    host: str,
    subprotocols: tuple[str, ...],
    tls: Connection | None = None,
) -> ConnectionFacts:
    """Everything that is known of a connection whose HTTP upgrade has been read. ``tls`` is what it came over."""
    headers = request.headers
    return ConnectionFacts(
        listener=settings.name,
        peer=peer,
        address=client_address(peer, headers.get("x-forwarded-for"), settings.trusted_proxies),
        host=host,
        path=request.path,
        query=request.query,
        origin=headers.get("origin"),
        subprotocols=subprotocols,
        cookies=parse_cookies(headers.get("cookie")),
        headers=headers,
        tls=settings.tls,
        forwarded=forwarded(headers),
        client_certificate=client_certificate(tls),
        channel_id=channel_ids(tls),
    )
