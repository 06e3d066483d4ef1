"""The head of an HTTP request, parsed strictly, and the ConnectionFacts that it and the TCP peer make.

Whatever two parsers could understand differently is refused (RFC 9112).
"""

from __future__ import annotations

import re
from functools import lru_cache

import attrs

from orosync.headers import client_address, forwarded, parse_cookies
from orosync.model import EMPTY, ConnectionFacts
from orosync.transport.admission import Place
from orosync.transport.settings import ListenerSettings
from orosync.transport.tls import TlsConnection, channel_ids, client_certificate

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_LINE = re.compile(rf"({_TOKEN}) (/[!\"$-~]*) (HTTP/1\.[01])\r\n")
_NAME = re.compile(_TOKEN)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OTHER_VERSION = re.compile(r"[!-~]+ [!-~]+ (?!HTTP/1\.[01]\r)[A-Z]+/[^ \r\n]*\r\n")
_HOST = re.compile(r"([0-9A-Za-z._~%\-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")

SINGLE = frozenset(
    {
        "authorization",
        "content-length",
        "cookie",
        "host",
        "origin",
        "sec-websocket-key",
        "sec-websocket-version",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that may appear once: of two, two parsers would use different ones."""

SHARED = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "host",
        "origin",
        "pragma",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "upgrade",
        "user-agent",
    }
)
"""Headers in which many clients send the same value, and none of which is a secret: equal lines are read once, and
their values kept once, since connections keep their headers."""

LONGEST_SHARED = 256
"""Bytes of a line that is read once."""

MOST_SHARED = 256
"""Lines that are remembered; beyond that all are forgotten."""


class BadRequest(Exception):
    """The head cannot be used. ``status`` is the HTTP answer; ``reason`` quotes nothing of the request."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@attrs.define
class HttpRequest:
    """A request's head. Header names are lower case, values Latin-1 text; repeated headers are joined by ", "."""

    method: str
    path: str
    query: str = attrs.field(repr=False)
    version: str
    headers: dict[str, str] = attrs.field(repr=False)

    @property
    def host(self) -> str:
        """The Host header in lower case without its port. Raises BadRequest when missing or malformed."""
        found = _HOST.fullmatch(self.headers.get("host", ""))
        if found is None:
            raise BadRequest(400, "Host header missing or malformed")
        return found[1].lower()


def parse(head: bytes) -> HttpRequest:
    """Read a head that ends in an empty line (RFC 9112 sections 2 to 5).

    Only CR LF ends a line, no header is folded, no name is empty or oddly spelled, and the target is a path with
    an optional query. Raises BadRequest.
    """
    text = head.decode("latin-1")
    line = _LINE.match(text)
    if line is None:
        if _OTHER_VERSION.match(text):
            raise BadRequest(505, "unsupported HTTP version")
        raise BadRequest(400, "malformed request line")
    method, target, version = line.groups()
    headers: dict[str, str] = {}
    for field in text[line.end() : -2].split("\r\n")[:-1]:
        name, value = _known_fields.get(field) or _read_field(field)
        if name in headers:
            if name in SINGLE:
                raise BadRequest(400, f"{name} header repeated")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    path, _, query = target.partition("?")
    return HttpRequest(method, path, query, version, headers)


_known_fields: dict[str, tuple[str, str]] = {}
"""What ``_read_field`` gave for lines of SHARED headers."""


def _read_field(field: str) -> tuple[str, str]:
    """Name and value of a header line. Raises BadRequest."""
    name, colon, value = field.partition(":")
    name = _header_name(name)
    value = value.strip(" \t")
    # A character that cannot be printed may be a letter in another encoding; a control character never is.
    if not colon or (not value.isprintable() and _CONTROL.search(value)):
        raise BadRequest(400, "malformed header line")
    if name in SHARED and len(field) <= LONGEST_SHARED:
        if len(_known_fields) >= MOST_SHARED:
            _known_fields.clear()
        _known_fields[field] = name, value
    return name, value


@lru_cache(maxsize=128)
def _header_name(name: str) -> str:
    """A header's name in lower case; nearly all clients send the same few."""
    if not _NAME.fullmatch(name):
        raise BadRequest(400, "malformed header line")
    return name.lower()


def socket_facts(
    settings: ListenerSettings,
    peer: str,
    subprotocol: str,
    tls: TlsConnection | None = None,
    place: Place | None = None,
) -> ConnectionFacts:
    """The facts of a connection without HTTP, which has no headers. ``peer`` and ``place`` as in
    ``connection_facts``."""
    proxy = "" if place is None else place.proxy
    return ConnectionFacts(
        listener=settings.name,
        peer=proxy or peer,
        proxied_for=peer if proxy else "",
        address=peer,
        host="",
        path="",
        query="",
        origin=None,
        subprotocols=(subprotocol,),
        cookies=EMPTY,
        headers=EMPTY,
        tls=settings.tls,
        forwarded=place is not None and place.unnamed,
        client_certificate=client_certificate(tls),
        channel_id=channel_ids(tls),
    )


def connection_facts(
    settings: ListenerSettings,
    peer: str,
    request: HttpRequest,
    host: str,
    subprotocols: tuple[str, ...],
    tls: TlsConnection | None = None,
    place: Place | None = None,
) -> ConnectionFacts:
    """The facts of a connection whose HTTP upgrade has been read. ``tls`` is its TLS connection; ``peer`` the address
    of the TCP peer, or of the client that a TCP proxy named (see ``admission.Place``). A client that such a proxy does
    not name counts as forwarded."""
    headers = request.headers
    proxy = "" if place is None else place.proxy
    return ConnectionFacts(
        listener=settings.name,
        peer=proxy or peer,
        proxied_for=peer if proxy else "",
        address=client_address(peer, headers, settings.trusted_proxies),
        host=host,
        path=request.path,
        query=request.query,
        origin=headers.get("origin"),
        subprotocols=subprotocols,
        cookies=parse_cookies(headers.get("cookie")),
        headers=headers,
        tls=settings.tls,
        forwarded=forwarded(headers) or (place is not None and place.unnamed),
        client_certificate=client_certificate(tls),
        channel_id=channel_ids(tls),
    )
