"""A connection whose session waits for an authenticator: it is read on within bounds, so that its end is noticed."""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.interfaces import IDENTIFYING, RATE, WAITING
from orosync.transport.autobahn_protocol import CLOSED
from orosync.transport.connection import READ_SIZE, UNAUTHENTICATED_MESSAGE_LIMIT
from orosync.transport.factories import RawSocketFactory
from tests.support.listeners import Client
from tests.support.raw_wires import RawListener, raw_frame
from tests.support.wires import MemoryListener, MemoryWire, RecordingSession, client_frame
from tests.transport.test_tls import TlsListenerCase


class Identified(RecordingSession):
    """Waits for an authenticator from its first message on."""

    authenticates = False

    def received(self, data: bytes, binary: bool) -> None:
        super().received(data, binary)
        if len(self.messages) == 1:
            self.link.pause(IDENTIFYING)


class ReadingOn(SynchronousTestCase):
    """Both framings, in memory."""

    def opened(self) -> list[tuple[Any, MemoryWire, RecordingSession, Any]]:
        """A WebSocket and a RawSocket connection that have said HELLO, and what makes their frames."""
        found: list[tuple[Any, MemoryWire, RecordingSession, Any]] = []
        for listener, frame in ((MemoryListener(), client_frame), (RawListener(), raw_frame)):
            link, wire, session = listener.open()
            link.set_authenticated(False)
            session.on_message = lambda data, binary, link=link: link.pause(IDENTIFYING) if data == b"hello" else None
            link.dataReceived(frame(b"hello"))
            found.append((link, wire, session, frame))
        return found

    def test_order(self) -> None:
        """What arrives meanwhile waits, whole or in pieces, and comes in order."""
        for link, wire, session, frame in self.opened():
            stream = frame(b"one") + frame(b"two") + frame(b"three")
            for n in range(0, len(stream), 5):
                link.dataReceived(stream[n : n + 5])
            self.assertEqual(([data for data, _ in session.messages], wire.producerState), ([b"hello"], "producing"))
            link.resume(IDENTIFYING)
            self.assertEqual([data for data, _ in session.messages], [b"hello", b"one", b"two", b"three"])
            link.dataReceived(frame(b"four"))
            self.assertEqual(session.messages[-1][0], b"four")

    def test_bounded(self) -> None:
        """A few messages are kept, far less than an unfinished one may have; then it is not read until the answer is
        there."""
        for link, wire, session, frame in self.opened():
            stream = frame(b"x" * 1000) * 40
            position = 0
            while wire.producerState == "producing":
                self.assertLess(position, len(stream))
                link.dataReceived(stream[position : position + READ_SIZE])
                position += READ_SIZE
            kept = len(link._buffer) - link._offset + len(link._tail)
            self.assertTrue(READ_SIZE <= kept < 2 * READ_SIZE < UNAUTHENTICATED_MESSAGE_LIMIT, kept)
            self.assertEqual(len(session.messages), 1)
            link.resume(IDENTIFYING)
            self.assertEqual((len(session.messages), wire.producerState), (1 + kept // 1000, "producing"))

    def test_with_the_hello(self) -> None:
        """What comes in one read with HELLO counts as well."""
        listener = MemoryListener()
        link, wire, session = listener.open()
        link.set_authenticated(False)
        session.on_message = lambda data, binary: link.pause(IDENTIFYING)
        link.dataReceived(client_frame(b"hello") + client_frame(b"x" * 5000, mask=b"\0\0\0\0") * 2)
        self.assertEqual((len(session.messages), wire.producerState), (1, "paused"))

    def test_other_reasons(self) -> None:
        """Who also has to wait for another reason is not read from."""
        for reason in (WAITING, RATE):
            for link, wire, _, _ in self.opened():
                self.assertEqual(wire.producerState, "producing")
                link.pause(reason)
                self.assertEqual(wire.producerState, "paused")

    def test_small_pieces_over_tls(self) -> None:
        """Thousands of records with one byte each cost as much as messages: it is not read on then."""
        for link, wire, _, frame in self.opened():
            link._raw = MemoryWire("192.0.2.7")
            count = 0
            for byte in frame(b"x" * 8000):
                if wire.producerState == "paused":
                    break
                link.dataReceived(bytes((byte,)))
                count += 1
            self.assertLess(count, 1100)
            for _ in range(3):
                link.turns._clock.advance(0)
            link.resume(IDENTIFYING)
            self.assertEqual(wire.producerState, "producing")

    def test_its_end(self) -> None:
        """The session is told at once, and the answer that comes later has no effect."""
        for link, _, session, frame in self.opened():
            link.dataReceived(frame(b"late"))
            link.connectionLost(Failure(ConnectionDone()))
            self.assertEqual((len(session.ends), link.state), (1, CLOSED))
            link.resume(IDENTIFYING)
            self.assertEqual(([data for data, _ in session.messages], link._tail), ([b"hello"], None))


class Sockets(TlsListenerCase):
    """Real connections that end while their session waits."""

    async def hello(self, client: Client, frame: bytes) -> RecordingSession:
        sessions = self.host.sessions
        await self.beside(client.send, frame)
        await self.until(lambda: bool(sessions and sessions[-1].messages))
        return sessions[-1]

    def reset(self, client: Client) -> None:
        """End with RST in place of FIN."""
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

    async def test_closed_and_reset(self) -> None:
        """FIN and RST, with and without TLS, whether or not more was sent: noticed before there is an answer."""
        self.host.make = Identified
        for credentials, tls in ((None, None), (self.credentials, self.trusting())):
            port = await self.listen(credentials)
            for end in (Client.close, self.reset):
                for more in (b"", client_frame(b"and more")):
                    client = await self.client(port, tls=tls)
                    await self.beside(client.upgrade)
                    session = await self.hello(client, client_frame(b"hello"))
                    if more:
                        await self.beside(client.send, more)
                    await self.beside(end, client)
                    await self.until(lambda session=session: bool(session.ends))
                    self.assertEqual([data for data, _ in session.messages], [b"hello"])

    async def test_rawsocket(self) -> None:
        """RawSocket too."""
        self.host.make = Identified
        port = await self.listen(kind=RawSocketFactory)
        client = await self.client(port)
        await self.beside(client.send, b"\x7f\xf1\0\0")
        await self.beside(client.exactly, 4)
        session = await self.hello(client, raw_frame(b"hello"))
        await self.beside(client.close)
        await self.until(lambda: bool(session.ends))

    async def test_one_that_sends_without_end(self) -> None:
        """It is slowed by TCP after a few KiB; its end is noticed when there is an answer."""
        self.host.make = Identified
        port = await self.listen()
        client = await self.client(port)
        await self.beside(client.upgrade)
        session = await self.hello(client, client_frame(b"hello"))
        link: Any = session.link

        def flood() -> int:
            client.socket.settimeout(0.3)
            sent = 0
            try:
                while sent < 1 << 26:
                    sent += client.socket.send(client_frame(b"x" * 1000) * 60)
            except TimeoutError:
                pass
            return sent

        self.assertLess(await self.beside(flood), 1 << 26)
        kept = len(link._buffer) - link._offset + len(link._tail)
        self.assertLess(kept, 2 * READ_SIZE)
        await self.beside(client.close)
        link.resume(IDENTIFYING)
        await self.until(lambda: bool(session.ends))


del TlsListenerCase  # its own tests run in test_tls
