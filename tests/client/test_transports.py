"""Tests for orosync.client.transports; that they work against routers is shown by the tests of the uplink."""

from __future__ import annotations

from typing import Any

import trustme
from autobahn.twisted.websocket import WebSocketClientFactory
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, PrivateCertificate, trustRootFromCertificates
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from orosync.client.transports import LARGEST, endpoint_of, factory_of, reach
from tests.support.ports import free_port


class Heard:
    """A speaker that remembers."""

    def __init__(self) -> None:
        self.line: Any = None
        self.messages: list[tuple[bytes, bool]] = []
        self.reasons: list[str] = []

    def opened(self, line: Any) -> None:
        self.line = line

    def received(self, data: bytes, binary: bool) -> None:
        self.messages.append((data, binary))

    def closed(self, reason: str) -> None:
        self.reasons.append(reason)


class TcpTransport(StringTransport):
    """One that can be told what a TCP transport can."""

    aborted = False

    def setTcpNoDelay(self, enabled: bool) -> None: ...

    def setTcpKeepAlive(self, enabled: bool) -> None: ...

    def abortConnection(self) -> None:
        self.aborted = True


class RawSocket(SynchronousTestCase):
    """Octets by octets."""

    def connected(self, serializer: str = "json") -> None:
        self.heard, self.transport = Heard(), TcpTransport()
        self.protocol = factory_of("rs://127.0.0.1:1", serializer, 1.0, self.heard).buildProtocol(None)
        self.protocol.makeConnection(self.transport)

    def test_greeting(self) -> None:
        """We offer 16 MiB and the serializer; what comes in pieces is put together."""
        for serializer, octet in (("json", 0xF1), ("msgpack", 0xF2), ("cbor", 0xF3)):
            self.connected(serializer)
            self.assertEqual(self.transport.value(), bytes((0x7F, octet, 0, 0)))
            for byte in bytes((0x7F, octet, 0, 0)):
                self.assertIsNone(self.heard.line)
                self.protocol.dataReceived(bytes((byte,)))
            self.assertIs(self.heard.line, self.protocol)

    def test_messages(self) -> None:
        """Messages come whole however they are cut; pings are answered, pongs passed over."""
        stream = b"\x7f\xf1\0\0" + b"\0\0\0\x02[]" + b"\1\0\0\x01p" + b"\2\0\0\x01q" + b"\0\0\0\0" + b"\0\0\0\x01x"
        for size in (1, 3, 7, 100):
            self.connected()
            self.transport.clear()
            for start in range(0, len(stream), size):
                self.protocol.dataReceived(stream[start : start + size])
            self.assertEqual(self.heard.messages, [(b"[]", False), (b"", False), (b"x", False)])
            self.assertEqual(self.transport.value(), b"\2\0\0\x01p")

    def test_sending(self) -> None:
        """Behind its length; never more than the other side said it takes."""
        self.connected()
        self.protocol.dataReceived(b"\x7f\x01\0\0")
        self.transport.clear()
        self.heard.line.put(b"[1]", False)
        self.assertEqual(self.transport.value(), b"\0\0\0\x03[1]")
        self.heard.line.put(b"x" * 512, False)
        self.assertFalse(self.transport.aborted)
        self.heard.line.put(b"x" * 513, False)
        self.assertTrue(self.transport.aborted)

    def test_refusals(self) -> None:
        """Whoever does not speak RawSocket, or refuses, is left with a reason."""
        for data, words in (
            (b"HTTP/1.1 400 Bad Request", "does not speak RawSocket"),
            (b"\x7f\x10\0\0", "RawSocket error 1"),
            (b"\x7f\x40\0\0", "RawSocket error 4"),
            (b"\x7f\xf1\0\0\x07\0\0\0", "no known kind"),
        ):
            self.connected()
            self.protocol.dataReceived(data)
            self.assertTrue(self.transport.aborted)
            self.protocol.connectionLost(Failure(ConnectionDone()))
            self.assertIn(words, self.heard.reasons[0])
        self.connected()
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertIn("closed cleanly", self.heard.reasons[0])


class Making(SynchronousTestCase):
    """From an address to a factory and an endpoint."""

    def test_factory(self) -> None:
        """A WebSocket with one subprotocol, which takes no more than RawSocket could carry."""
        factory = factory_of("wss://wamp.example.com/ws", "cbor", 3.0, Heard())
        self.assertIsInstance(factory, WebSocketClientFactory)
        self.assertEqual((factory.protocols, factory.host, factory.port), (["wamp.2.cbor"], "wamp.example.com", 443))
        self.assertEqual(factory.maxMessagePayloadSize, LARGEST)

    def test_endpoint(self) -> None:
        """With TLS only where the address says so."""
        reactor = MemoryReactorClock()
        for url, tls in (("ws://h/", False), ("rs://h:1", False), ("wss://h/", True), ("rss://h:1", True)):
            self.assertEqual(not isinstance(endpoint_of(url, None, 1.0, reactor), HostnameEndpoint), tls, url)


class Reach(TestCase):
    """Whether another router can be reached, on real sockets."""

    timeout = 20

    def listening(self, endpoint: str, factory: Any) -> int:
        """A port, until the test ends."""
        port = reactor.listenSSL(0, factory, endpoint) if endpoint else reactor.listenTCP(0, factory)
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    async def test_plain(self) -> None:
        """An open port is reached and left; a closed one raises."""
        port = self.listening("", Factory.forProtocol(Protocol))
        await reach(f"ws://127.0.0.1:{port}/ws", None, 2.0, reactor)
        await reach(f"rs://127.0.0.1:{port}", None, 2.0, reactor)
        await self.assertFailure(
            Deferred.fromCoroutine(reach(f"rs://127.0.0.1:{free_port()}", None, 2.0, reactor)), ConnectionRefusedError
        )

    async def test_tls(self) -> None:
        """With TLS the other side has to prove who it is."""
        authority = trustme.CA()
        made = PrivateCertificate.loadPEM(authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes())
        port = self.listening(made.options(), Factory.forProtocol(Protocol))
        root = trustRootFromCertificates([Certificate.loadPEM(authority.cert_pem.bytes())])
        await reach(f"rss://localhost:{port}", root, 2.0, reactor)
        with self.assertRaises(Exception) as raised:
            await reach(f"wss://localhost:{port}/ws", None, 2.0, reactor)
        self.assertIn("certificate verify failed", str(raised.exception))
