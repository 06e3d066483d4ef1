"""Connections to another router: WebSocket by autobahn, and RawSocket, both with or without TLS.

A transport passes whole messages as bytes to its ClientSession.
"""

from __future__ import annotations

import struct
from typing import Any, Protocol
from urllib.parse import urlsplit

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure
from zope.interface import implementer

from orosync import __version__
from orosync.wamp.codec import CODECS

LARGEST = 2**24 - 1
"""Larger messages end the connection: RawSocket has no larger ones, and Crossbar.io sends none."""

PING = 25.0
"""Seconds between the pings of a WebSocket; as long may the answer take."""

_PORTS = {"ws": 80, "wss": 443}
_SERIALIZERS = {"json": 1, "msgpack": 2, "cbor": 3}


class ClientTransport(Protocol):
    """What a session may do with its connection."""

    transport: Any

    def put(self, data: bytes, binary: bool) -> None: ...

    def hang_up(self) -> None: ...

    def drop(self) -> None: ...


class ClientSession(Protocol):
    """The session, as its transport sees it. ``closed`` is called once, also when it never was ``opened``."""

    def opened(self, transport: ClientTransport) -> None: ...

    def received(self, data: bytes, binary: bool) -> None: ...

    def closed(self, reason: str) -> None: ...


class WebSocketTransport(WebSocketClientProtocol):
    """One WebSocket."""

    factory: Any
    _fault = ""

    def connectionLost(self, reason: Failure = Failure(ConnectionError())) -> None:  # noqa: B008 (as Twisted has it)
        if not reason.check(ConnectionDone, ConnectionLost):  # TLS: autobahn would say that the peer went
            self._fault = reason.getErrorMessage()
        super().connectionLost(reason)

    def onOpen(self) -> None:
        self.factory.session.opened(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.factory.session.received(payload, isBinary)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.factory.session.closed(self._fault or reason or f"closed with {code}")

    def put(self, data: bytes, binary: bool) -> None:
        self.sendMessage(data, binary)

    def hang_up(self) -> None:
        self.sendClose(1000)

    def drop(self) -> None:
        self.dropConnection(abort=True)


class RawSocketTransport(TwistedProtocol):
    """One RawSocket (WAMP, "RawSocket Transport"): four octets either way, then messages behind their length."""

    factory: Any
    transport: Any

    def __init__(self) -> None:
        self._data = bytearray()
        self._most = 0  # bytes of a message that the router accepts; 0 before its handshake
        self._reason = ""

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.transport.setTcpKeepAlive(True)  # Crossbar.io ends the connection on a ping of RawSocket's own
        self.transport.write(bytes((0x7F, 0xF0 | self.factory.serializer, 0, 0)))

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if not self._most and len(self._data) >= 4:
            self._handshake_received(bytes(self._data[:4]))
            del self._data[:4]
        while self._most and len(self._data) >= 4:
            kind, length = self._data[0], int.from_bytes(self._data[1:4], "big")
            if len(self._data) < 4 + length:
                return
            message = bytes(self._data[4 : 4 + length])
            del self._data[: 4 + length]
            if kind == 0:
                self.factory.session.received(message, self.factory.serializer != _SERIALIZERS["json"])
            elif kind == 1:
                self.transport.write(struct.pack(">I", 2 << 24 | length) + message)
            elif kind != 2:
                self._fail("sent a frame of no known kind")

    def _handshake_received(self, answer: bytes) -> None:
        magic, second = answer[0], answer[1]
        if magic != 0x7F:
            return self._fail("does not speak RawSocket")
        if second & 15 != self.factory.serializer:
            return self._fail(f"refused the connection (RawSocket error {second >> 4})")
        self._most = min(2 ** (9 + (second >> 4)), LARGEST)
        self.factory.session.opened(self)
        return None

    def _fail(self, reason: str) -> None:
        self._reason, self._most = reason, 0
        self._data.clear()
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = Failure(ConnectionError())) -> None:  # noqa: B008 (as Twisted has it)
        self.factory.session.closed(self._reason or reason.getErrorMessage())

    def put(self, data: bytes, binary: bool) -> None:
        if len(data) > self._most:
            self._fail("takes no message of that size")
        else:
            self.transport.write(struct.pack(">I", len(data)) + data)

    def hang_up(self) -> None:
        self.transport.loseConnection()

    def drop(self) -> None:
        self.transport.abortConnection()


def factory_of(url: str, serializer: str, timeout: float, session: ClientSession) -> Any:
    """The Twisted factory of one connection to ``url``, for ``session``."""
    if url.startswith("rs"):
        factory: Any = Factory.forProtocol(RawSocketTransport)
        factory.serializer = _SERIALIZERS[serializer]
    else:
        subprotocol = CODECS[f"wamp.2.{serializer}"].subprotocol
        factory = WebSocketClientFactory(url, protocols=[subprotocol], useragent=f"orosync/{__version__}")
        factory.protocol = WebSocketTransport
        set_bounds(factory, timeout)
    factory.noisy = False
    factory.session = session
    return factory


def set_bounds(factory: WebSocketClientFactory, timeout: float) -> None:
    """The limits of every WebSocket to another router; ``timeout`` seconds are for its handshake."""
    factory.setProtocolOptions(
        maxMessagePayloadSize=LARGEST,
        maxFramePayloadSize=LARGEST,
        openHandshakeTimeout=timeout,
        closeHandshakeTimeout=1,
        autoPingInterval=PING,
        autoPingTimeout=PING,
        tcpNoDelay=True,
    )


@implementer(IHandshakeListener)
class _Reaching(TwistedProtocol):
    """Closes the connection as soon as it is open, with TLS when the other side has proved who it is."""

    factory: Any

    def connectionMade(self) -> None:
        if not self.factory.tls:
            self.handshakeCompleted()

    def handshakeCompleted(self) -> None:
        self.factory.reached.callback(None)
        assert self.transport is not None
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = Failure(ConnectionError())) -> None:  # noqa: B008 (as Twisted has it)
        if not self.factory.reached.called:
            self.factory.reached.errback(reason)


async def reach(url: str, trust_root: Any, timeout: float, reactor: Any) -> None:
    """Open a connection to ``url`` and close it, without a login. Raises the error of connecting or of TLS."""
    factory: Any = Factory.forProtocol(_Reaching)
    factory.noisy = False
    factory.tls = urlsplit(url).scheme in ("wss", "rss")
    factory.reached = Deferred()
    await endpoint_of(url, trust_root, timeout, reactor).connect(factory)
    await factory.reached


def endpoint_of(url: str, trust_root: Any, timeout: float, reactor: Any) -> IStreamClientEndpoint:
    """Where to connect. ``trust_root`` as optionsForClientTLS takes it (None: the system's authorities)."""
    found = urlsplit(url)
    if found.netloc == "unix:":
        return UNIXClientEndpoint(reactor, found.path, timeout=timeout)
    host, port = found.hostname or "", found.port or _PORTS[found.scheme]
    endpoint = HostnameEndpoint(reactor, host.encode(), port, timeout=timeout)
    if found.scheme in ("wss", "rss"):
        return wrapClientTLS(optionsForClientTLS(host, trustRoot=trust_root), endpoint)
    return endpoint
