"""Who a request comes from, past the proxies on its way. Pure, and nothing here raises.

It must not know what an address is good for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

UNIX = "unix"
"""What stands for the address of a peer on a UNIX socket."""

NAMES = frozenset(
    {
        # Standards: RFC 7239, RFC 9110 section 7.6.3, RFC 8586; and the words that came before them.
        "cdn-loop",
        "forwarded",
        "forwarded-for",
        "forwarded-proto",
        "max-forwards",
        "proxy-connection",
        "traceparent",
        "tracestate",
        "via",
        # What reverse proxies and load balancers write: nginx, Apache, HAProxy, IIS, Envoy, WebLogic, hardware.
        "client-ip",
        "front-end-https",
        "http-client-ip",
        "http-forwarded",
        "http-via",
        "http-x-forwarded-for",
        "ns-client-ip",
        "proxy-client-ip",
        "remote-addr",
        "remote-ip",
        "surrogate-capability",
        "true-client-ip",
        "x-bluecoat-via",
        "x-cluster-client-ip",
        "x-coming-from",
        "x-correlation-id",
        "x-custom-ip-authorization",
        "x-host",
        "x-http-client-ip",
        "x-http-forwarded-for",
        "x-https",
        "x-ip",
        "x-originating-ip",
        "x-port",
        "x-proxyuser-ip",
        "x-queue-start",
        "x-scheme",
        "x-source-ip",
        "x-true-client-ip",
        "x-true-ip",
        "x-url-scheme",
        "x-varnish",
        "x-via",
        # What content networks and hosting platforms write.
        "do-connecting-ip",
        "x-nf-client-connection-ip",
        "x-nf-request-id",
        "x-vercel-id",
        "x-zeit-co-forwarded-for",
    }
)
"""Header names, in lower case, that proxies, load balancers and content networks add to what they pass on."""

PREFIXES = (
    "ali-",
    "akamai-",
    "cdn-",
    "cf-",
    "cloudfront-",
    "eagleid",
    "fastly-",
    "fly-",
    "incap-",
    "wl-proxy-",
    "x-accel-",
    "x-akamai-",
    "x-amz-cf-",
    "x-amzn-",
    "x-appengine-",
    "x-arr-",
    "x-azure-",
    "x-b3-",
    "x-backend",
    "x-cdn",
    "x-client",
    "x-cloud-trace-",
    "x-country",
    "x-envoy-",
    "x-forwarded",
    "x-frontend",
    "x-gateway-",
    "x-geoip-",
    "x-goog-",
    "x-haproxy-",
    "x-kong-",
    "x-lb-",
    "x-nginx-",
    "x-original-",
    "x-proxy",
    "x-real-",
    "x-remote-",
    "x-request-",
    "x-server-",
    "x-ssl",
    "x-sucuri-",
    "x-tls-",
    "x-traefik-",
    "x-vercel-",
)
"""What such names begin with where a product writes several: ``x-forwarded-for``, ``-proto``, ``-host`` and so on."""

_HYPHENS = str.maketrans("_.", "--")
_MARK = re.compile("|".join(map(re.escape, PREFIXES)))


def plain_address(host: str) -> str:
    """An IPv4 address that arrived on an IPv6 socket (``::ffff:192.0.2.1``) written as itself."""
    if host[:7].lower() == "::ffff:" and "." in host:
        return host[7:]
    return host


def forwarded(headers: Mapping[str, str]) -> bool:
    """Whether any proxy left its mark, believed or not, whatever the header's value: one of NAMES or PREFIXES.

    The one definition of "came through a proxy". Header names are in lower case; an underscore or dot counts as a
    hyphen.
    """
    return _marked(tuple(headers))


@lru_cache(maxsize=128)
def _marked(names: tuple[str, ...]) -> bool:
    """Of the names of a request's headers; nearly all clients send the same few."""
    return any(name in NAMES or _MARK.match(name) for name in (one.translate(_HYPHENS) for one in names))


def speaks_for_others(peer: str, trusted: Sequence[Network]) -> bool:
    """Whether a peer may be a proxy, so that only a request's headers tell whose it is: one of ``trusted``, or what is
    behind a UNIX socket."""
    return peer == UNIX or (bool(trusted) and within(peer, trusted))


def client_address(peer: str, chain: str | None, trusted: Sequence[Network]) -> str:
    """The client's address: the peer's own, or what trusted proxies say of it.

    ``chain`` is X-Forwarded-For. It is read from its right end, where the nearest proxy wrote, for as long as
    the one who wrote is trusted; the first address that is not a trusted proxy is the client. What cannot be read
    ends the search at the last address that was believed. A peer on a UNIX socket is trusted where anybody is.
    """
    if not chain or not trusted or not (peer == UNIX or within(peer, trusted)):
        return peer
    address = peer
    for entry in reversed(chain.split(",")):
        hop = _hop(entry.strip())
        if hop is None:
            break
        address = hop
        if not within(hop, trusted):
            break
    return address


@lru_cache(maxsize=4096)
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


def within(address: str, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of ``networks``; what is no address (UNIX) is in none. A scope (``%eth0``) does not
    count, and an IPv4 address that arrived on an IPv6 socket counts as itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)
