"""The WebSocket upgrade: whether it is well-formed, by the rules of autobahn, and the 101 that accepts it (RFC 6455
section 4.2).

autobahn is shown a request composed anew of the few headers that concern it: it never sees the target, the Origin, a
cookie or any byte of theirs, so it can log none of them. The result depends on those headers alone, and nearly all
clients send the same ones, so results are cached.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from functools import lru_cache
from hashlib import sha1

import attrs
from autobahn.websocket.protocol import WebSocketServerFactory
from autobahn.websocket.types import ConnectionRequest

from orosync.transport.autobahn_protocol import AutobahnServerProtocol
from orosync.transport.http_request import BadRequest, HttpRequest

_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
_ANY_KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
_HEADERS = ("upgrade", "connection", "sec-websocket-version", "sec-websocket-protocol")
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@attrs.frozen
class UpgradeResult:
    """``status`` 101, or the refusal's with a ``reason`` that quotes nothing; ``subprotocols`` as offered."""

    status: int
    reason: str = ""
    subprotocols: tuple[str, ...] = ()


class _UpgradeParser(AutobahnServerProtocol):
    """autobahn's handshake, stopped where it would ask the application."""

    result = UpgradeResult(400, "incomplete request")

    def __init__(self, head: bytes) -> None:
        self.data = head
        self.peer = ""

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: object = None) -> None:
        # autobahn quotes the header; the quotation stays out of the log.
        self.result = UpgradeResult(code, reason.partition('"')[0].strip())

    def onConnect(self, request: ConnectionRequest) -> None:
        self.result = UpgradeResult(101, subprotocols=tuple(request.protocols))

    def succeedHandshake(self, res: object) -> None:
        """The result is known; WebSocketHandshake answers."""


_UpgradeParser.factory = WebSocketServerFactory(server="")


def wants_websocket(request: HttpRequest) -> bool:
    """Whether the request asks for WebSocket at all; all others are plain HTTP."""
    return "websocket" in request.headers.get("upgrade", "").lower()


def parse_upgrade(request: HttpRequest) -> tuple[str, tuple[str, ...]]:
    """The Sec-WebSocket-Key and the subprotocols of a well-formed upgrade (RFC 6455 section 4.2.1).

    Raises BadRequest for any other.
    """
    headers = request.headers
    if request.method != "GET":
        raise BadRequest(405, "upgrade with a method other than GET")
    if request.version != "HTTP/1.1":
        raise BadRequest(505, "upgrade with another version than HTTP/1.1")
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        raise BadRequest(400, "upgrade with a body")
    result = _parse(*(headers.get(name) for name in _HEADERS))
    if result.status != 101:
        raise BadRequest(result.status, result.reason)
    key = headers.get("sec-websocket-key", "")
    if not _KEY.fullmatch(key):
        raise BadRequest(400, "Sec-WebSocket-Key missing or malformed")
    return key, result.subprotocols


@lru_cache(maxsize=64)
def _parse(*values: str | None) -> UpgradeResult:
    lines = ["GET / HTTP/1.1", "Host: orosync", f"Sec-WebSocket-Key: {_ANY_KEY}"]
    for name, value in zip(_HEADERS, values, strict=True):
        if value is not None:
            if not value.isascii():
                return UpgradeResult(400, f"{name} is not ASCII")
            lines.append(f"{name}: {value}")
    parser = _UpgradeParser("\r\n".join([*lines, "", ""]).encode())
    parser.processHandshake()
    return parser.result


def accepted(key: str, subprotocol: str | None, extensions: str = "") -> bytes:
    """The 101 (RFC 6455 section 4.2.2). It names no software and holds no "[" or "]": Oro's publisher looks for
    the first bracket of everything that it reads."""
    accept = b2a_base64(sha1(key.encode() + _MAGIC, usedforsecurity=False).digest(), newline=False).decode()
    chosen = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol is not None else ""
    if extensions:
        chosen += f"Sec-WebSocket-Extensions: {extensions}\r\n"
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"{chosen}Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode()
