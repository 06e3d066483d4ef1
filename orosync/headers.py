"""HTTP headers that say who connects: cookies as Oro's PHP reads them, the client's address behind proxies, and the
origin rule.

All of it is pure. A browser always sends Origin, and scripts cannot forge it, which protects a session cookie from
foreign web pages. Other clients may send what they like, so the rule says nothing about them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from orosync.model import EMPTY


def parse_cookies(header: str | None) -> Mapping[str, str]:
    """A Cookie header as PHP reads it: values verbatim, and of two cookies of one name the first counts.

    A browser sends the cookie of the longer path first (RFC 6265 section 5.4). Pieces without "=" are skipped.
    """
    if not header:
        return EMPTY
    cookies: dict[str, str] = {}
    for piece in header.split(";"):
        name, equals, value = piece.strip(" \t").partition("=")
        if equals and name:
            cookies.setdefault(name, value)
    return cookies


Network = IPv4Network | IPv6Network

UNIX = "unix"
"""Stands for the address of a peer on a UNIX socket."""

NAMES = frozenset(
    {
        # Standards: RFC 7239, RFC 9110 section 7.6.3, RFC 8586; and their predecessors.
        "cdn-loop",
        "forwarded",
        "forwarded-for",
        "forwarded-proto",
        "max-forwards",
        "proxy-connection",
        "traceparent",
        "tracestate",
        "via",
        # Reverse proxies and load balancers: nginx, Apache, HAProxy, IIS, Envoy, WebLogic, hardware.
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
        # Content delivery networks and hosting platforms.
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
"""Prefixes of such names, where a product adds several: ``x-forwarded-for``, ``-proto``, ``-host`` and so on."""

_HYPHENS = str.maketrans("_.", "--")
_MARK = re.compile("|".join(map(re.escape, PREFIXES)))


def plain_address(host: str) -> str:
    """An IPv4 address that arrived on an IPv6 socket (``::ffff:192.0.2.1``) written as itself."""
    if host[:7].lower() == "::ffff:" and "." in host:
        return host[7:]
    return host


def forwarded(headers: Mapping[str, str]) -> bool:
    """Whether a proxy, trusted or not, has added a header of NAMES or PREFIXES, whatever its value.

    This is the definition of "came through a proxy". Header names are in lower case; an underscore or dot counts as a
    hyphen.
    """
    return _marked(tuple(headers))


@lru_cache(maxsize=128)
def _marked(names: tuple[str, ...]) -> bool:
    """The same for a tuple of names; nearly all clients send the same few."""
    return any(name in NAMES or _MARK.match(name) for name in (one.translate(_HYPHENS) for one in names))


def speaks_for_others(peer: str, trusted: Sequence[Network]) -> bool:
    """Whether a peer may be a proxy, so that only the headers of a request tell its client: one of ``trusted``, or a
    peer on a UNIX socket."""
    return peer == UNIX or (bool(trusted) and within(peer, trusted))


def client_address(peer: str, headers: Mapping[str, str], trusted: Sequence[Network]) -> str:
    """The client's address: the peer's own, or the one that trusted proxies report in ``headers``, whose names are in
    lower case.

    X-Forwarded-For and Forwarded (RFC 7239) are read from their right end, where the nearest proxy wrote, as long as
    each writer is trusted; the first address that is not a trusted proxy is the client. An entry that cannot be read
    ends the search at the address before it. X-Real-IP is one address.

    Which of the headers the proxy writes is not known, and it passes on the others as the client sent them. So a header
    that leads to a trusted proxy says nothing beside one that leads to a client, and where two lead to different
    clients neither is believed: the address is the peer's own. A client can thus choose no other address than its own
    and the proxy's. A peer on a UNIX socket is trusted if there are trusted proxies at all.
    """
    if not trusted or not speaks_for_others(peer, trusted):
        return peer
    told = []
    if chain := headers.get("x-forwarded-for"):
        told.append(_walked(peer, map(_hop, reversed(chain.split(","))), trusted))
    if chain := headers.get("forwarded"):
        told.append(_walked(peer, map(_forwarded_for, reversed(chain.split(","))), trusted))
    if (address := headers.get("x-real-ip")) and (real := _hop(address)) is not None:
        told.append(real)
    if len(told) < 2:
        return told[0] if told else peer
    clients = {one for one in told if one != UNIX and not within(one, trusted)}
    if len(clients) > 1:
        return peer
    return clients.pop() if clients else told[0]


def _walked(peer: str, hops: Iterable[str | None], trusted: Sequence[Network]) -> str:
    address = peer
    for hop in hops:
        if hop is None:
            break
        address = hop
        if not within(hop, trusted):
            break
    return address


def _forwarded_for(element: str) -> str | None:
    """The address in one element of Forwarded (RFC 7239 section 4). An element is what stands between two commas, also
    in quotes: no address holds one, and a client must not quote what the proxy appends."""
    found = None
    for pair in element.split(";"):
        name, _, value = pair.strip().partition("=")
        if name.lower() == "for":
            if found is not None:
                return None
            found = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return None if found is None else _hop(found)


@lru_cache(maxsize=4096)
def address_group(address: str) -> str:
    """What counts as one address for limits: an IPv4 address, or the /64 of an IPv6 one (its owner has 2**64 of them).

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
    """One address in a header, which some proxies write with a port or in brackets."""
    entry = entry.strip()
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


_ORIGIN = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.\-]*)://)?(?P<host>[0-9A-Za-z._\-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


class OriginRule:
    """The origin rule of a listener.

    An entry that is a bare host (``shop.example``) allows that host with any scheme and port, and without a
    scheme, as Oro's server does; a full origin (``https://shop.example:8443``) is compared exactly, a scheme's
    default port apart. Hosts are compared as browsers send them: an upper-case Origin is refused. ``null``, an
    empty Origin, and anything with a path or user information are always refused. A missing Origin is
    allowed only where ``required`` is False. Raises ValueError for an entry that is neither.
    """

    def __init__(self, entries: Iterable[str], required: bool = True) -> None:
        self._required = required
        self.replace(entries)

    def replace(self, entries: Iterable[str]) -> None:
        """From now on ``entries`` hold; with a ValueError those before do."""
        hosts, origins = set(), set()
        for entry in entries:
            found = _ORIGIN.fullmatch(entry.lower())
            if found is None or found["host"] == "null" or (found["port"] and not found["scheme"]):
                raise ValueError(f"{entry!r} is neither a host nor a full origin such as https://shop.example")
            if found["scheme"]:
                origins.add(_exact(found))
            else:
                hosts.add(found["host"])
        self._hosts = frozenset(hosts)
        self._origins = frozenset(origins)

    def allows(self, origin: str | None) -> bool:
        """Whether a request with this Origin header (None: without one) is allowed."""
        if origin is None:
            return not self._required
        found = _ORIGIN.fullmatch(origin)
        if found is None:
            return False
        if found["host"] in self._hosts:
            return True
        return found["scheme"] is not None and _exact(found) in self._origins


def _exact(found: re.Match[str]) -> str:
    scheme, host, port = found["scheme"], found["host"], found["port"]
    if not port or port == _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}"
