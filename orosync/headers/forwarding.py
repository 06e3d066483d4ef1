"""Who a request comes from, past the proxies on its way. Pure, and nothing here raises.

It must not know what an address is good for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

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


def address_group(address: str) -> str:
    """What is counted as one address: an IPv4 address, or the /64 of an IPv6 one (its owner has 2**64 of them).

    A mapped IPv4 address counts as itself; what is no IP address (a UNIX socket) stands for itself.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return f"{IPv6Address(int(ip) >> 64 << 64)}/64"


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
