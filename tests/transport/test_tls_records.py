"""TLS records: how long the incomplete one is, and what that may cost its sender."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.certificates import self_signed
from orosync.transport.stream import UNAUTHENTICATED_MESSAGE_LIMIT
from orosync.transport.tls import ReloadingCredentials
from orosync.transport.tls_records import OVERHEAD, MeasuredTLS
from tests.support.listeners import Client, ListenerCase
from tests.support.wires import MemoryListener, MemoryWire, RecordingSession, client_frame


def record(size: int) -> bytes:
    return b"\x17\x03\x03" + size.to_bytes(2, "big") + b"x" * size


class MeasureTests(SynchronousTestCase):
    @given(st.lists(st.integers(0, 40), max_size=8), st.lists(st.integers(1, 30), max_size=60), st.integers(0, 45))
    def test_any_cut(self, sizes: list[int], cuts: list[int], last: int) -> None:
        """However a stream of records is cut, what is known is the record at its end, and how much of it is missing."""
        tls = MeasuredTLS.__new__(MeasuredTLS)
        whole = b"".join(map(record, sizes))
        stream = whole + record(40)[:last]
        fed = stream
        for cut in cuts:
            tls._measure(fed[:cut]) if fed else None
            fed = fed[cut:]
        if fed:
            tls._measure(fed)
        if last >= 5:
            self.assertEqual((tls._length, tls._rest, tls._head), (40, 45 - last, b""))
        else:
            self.assertEqual((tls._rest, len(tls._head)), (0, last))


class HandshakeTests(SynchronousTestCase):
    """However many begin TLS at the same moment, a turn takes no longer."""

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        files = directory / "certificate.pem", directory / "key.pem"
        self_signed(*files)
        self.listener = MemoryListener()
        self.factory = TLSMemoryBIOFactory(ReloadingCredentials(*files), False, self.listener.factory)
        self.factory.protocol = MeasuredTLS
        context = ssl.create_default_context(cafile=str(files[0]))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
        self.hello = outgoing.read()

    def begin(self, data: bytes) -> tuple[MeasuredTLS, MemoryWire]:
        wire = MemoryWire("192.0.2.7")
        tls: MeasuredTLS = self.factory.buildProtocol(IPv4Address("TCP", "192.0.2.7", 40000))
        tls.makeConnection(wire)
        tls.dataReceived(data)
        return tls, wire

    def test_many_at_once(self) -> None:
        """Eight of them as they are read, and the others in their turns; those who wait are not read from."""
        many = [self.begin(self.hello) for _ in range(50)]
        answered = [0, 0]
        while answered[-1] < 50 and len(answered) < 20:
            for _, wire in many:
                self.assertEqual(wire.producerState, "producing" if wire.value() else "paused")
            answered.append(sum(bool(wire.value()) for _, wire in many))
            self.listener.turn()
        self.assertEqual(answered[2:], [8, 16, 24, 32, 40, 48, 50])
        self.listener.clock.advance(0)
        self.assertEqual((len(self.listener.factory.turns), self.listener.clock.getDelayedCalls()[1:]), (0, []))

    def test_one_that_goes_while_it_waits(self) -> None:
        """It leaves the queue; what came in two pieces is put together."""
        many = [self.begin(self.hello[:100]) for _ in range(10)]
        waiting, wire = many[-1]
        self.assertEqual((waiting._put_off, wire.producerState), (self.hello[:100], "paused"))
        waiting.dataReceived(self.hello[100:])
        many[-2][0].connectionLost(Failure(ConnectionDone()))
        self.assertEqual(len(self.listener.factory.turns), 1)
        self.listener.turn()
        self.assertEqual((bool(wire.value()), wire.producerState, waiting._put_off), (True, "producing", b""))


class RecordTests(ListenerCase):
    """Before a client has joined, an incomplete record is no longer than a message could be."""

    async def connected(self, joins: bool) -> tuple[socket.socket, Client]:
        directory = Path(self.mktemp())
        directory.mkdir()
        files = directory / "certificate.pem", directory / "key.pem"
        self_signed(*files)
        port = await self.listen(ReloadingCredentials(*files))

        def made() -> RecordingSession:
            session = RecordingSession()
            session.authenticates = joins
            return session

        self.host.make = made
        client = await self.client(port, tls=ssl.create_default_context(cafile=str(files[0])))
        await self.beside(client.upgrade)
        assert isinstance(client.socket, ssl.SSLSocket)
        return socket.socket(fileno=socket.dup(client.socket.fileno())), client

    async def test_too_long(self) -> None:
        """It is cut as soon as the length is known and told, whatever has come of it."""
        longest = b"x" * UNAUTHENTICATED_MESSAGE_LIMIT
        for before, size in [
            (b"", UNAUTHENTICATED_MESSAGE_LIMIT + OVERHEAD + 1),
            (client_frame(longest)[:6000], 4000),
            (client_frame(longest[:6000], fin=False), 4000),
        ]:
            plain, client = await self.connected(joins=False)
            self.addCleanup(plain.close)
            if before:
                client.send(before)
                link = self.host.sessions[-1].link
                await self.until(lambda link=link: link._tail or link.inside_message)
            plain.sendall(record(size)[:100])
            await self.host.sessions[-1].ended
            self.assertEqual(self.journal.kinds("frame.refused"), ["record"])
            self.journal.notes.clear()

    async def test_long_enough(self) -> None:
        """The longest message in one record or two; any record once it has joined."""
        longest = client_frame(b"x" * UNAUTHENTICATED_MESSAGE_LIMIT)
        first, second = client_frame(b"x" * 4000, fin=False), client_frame(b"x" * 4192, 0)
        for pieces in ((longest,), (longest[:5000], longest[5000:]), (first, second), (first + second[:9], second[9:])):
            _, client = await self.connected(joins=False)
            for piece in pieces:
                client.send(piece)
            await self.until(lambda: len(self.host.sessions[-1].messages) == 1)
        plain, client = await self.connected(joins=True)
        self.addCleanup(plain.close)
        client.send(client_frame(b"x" * 60_000))
        await self.until(lambda: len(self.host.sessions[-1].messages) == 1)
        plain.sendall(record(16_000)[:15_000])
        client.close()
        self.assertEqual(self.journal.kinds("frame.refused"), [])
