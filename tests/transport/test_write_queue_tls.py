"""The write queue on plain sockets and over TLS: what a peer gets is the same, with pyOpenSSL's binding and without."""

from __future__ import annotations

import gc
import ssl
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport import tls_buffers
from orosync.transport.read_turns import ReadTurns
from orosync.transport.tls_buffers import RECORD
from orosync.transport.tls_records import MeasuredTLS
from orosync.transport.write_queue import WriteScheduler, deliverer, tls_event_sender
from tests.support.tls_pairs import TlsFilesPair
from tests.transport.test_write_queue import FakeSocket, FakeTransport


class FillingSocket(FakeSocket):
    """A socket that takes ``room`` bytes in all."""

    def send(self, data: bytes) -> int:
        taken = super().send(data)
        self.room -= taken
        return taken


class RawTransport(FakeTransport):
    """What a connection of Twisted's does besides: it ends, and ``leave`` sends what it has kept."""

    def loseConnection(self) -> None:
        self.disconnecting = True

    def abortConnection(self) -> None:
        self.disconnecting = True

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.7", 40000)

    def leave(self) -> None:
        self.socket.sent += self.written
        self.written, self._tempDataLen = b"", 0


class Received(Protocol):
    """Keeps what it is given, and answers with ``answer``."""

    answer: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self) -> None:
        self.data: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self.data.append(data)
        self.answer()


class OverTcp:
    """A connection whose bytes go to the socket as they are."""

    def __init__(self, directory: Path) -> None:
        self.raw = RawTransport(FillingSocket())
        self.transport: Any = self.raw
        self.raw_transport, self.deliver = deliverer(self.transport)

    def received(self) -> bytes:
        """What the peer reads of all that has been sent, with what the transport has kept behind it."""
        self.raw.leave()
        sent, self.raw.socket.sent = self.raw.socket.sent, b""
        return sent


class OverTls(OverTcp):
    """One over TLS, past its handshake unless ``shaken`` is False."""

    def __init__(self, directory: Path, shaken: bool = True) -> None:
        files = TlsFilesPair(directory)
        clock = Clock()
        self.wrapped = Received()
        factory: Any = Factory.forProtocol(lambda: self.wrapped)  # type: ignore[arg-type]
        factory.turns = ReadTurns(clock)
        tls = TLSMemoryBIOFactory(files.credentials, False, factory, clock)
        tls.protocol = MeasuredTLS
        self.raw = RawTransport(FillingSocket())
        self.transport = tls.buildProtocol(self.raw.getPeer())
        self.transport.makeConnection(self.raw)
        self.client = files.client()
        self.raw_transport, self.deliver = deliverer(self.transport)
        self.records: list[bytes] = []
        if shaken:
            self.shake()

    def shake(self) -> None:
        for _ in range(2):
            self.transport.dataReceived(self.client.hello())
            self.raw.leave()
            sent, self.raw.socket.sent = self.raw.socket.sent, b""
            self.client.take(sent)
        assert self.client.hello() == b""

    def received(self) -> bytes:
        self.client.take(super().received())
        self.records = self.client.read()
        return b"".join(self.records)


class EventTarget:
    """A link as the sender of events sees it."""

    def __init__(self, deliver: Callable[[bytes], int], scheduler: WriteScheduler) -> None:
        self.queue: list[bytes] = []
        self.held: list[tuple[int, int, int]] = []
        self.way, self.send = tls_event_sender(self, deliver, scheduler)
        self.way.clear = True

    def push(self, frame: bytes) -> None:
        self.queue.append(frame)

    def held_back(self, left: int, size: int, largest: int) -> None:
        self.held.append((left, size, largest))


class Contract:
    """Of ``deliverer``, whatever the way is."""

    case: Any
    way: Any
    known = True

    def setUp(self) -> None:
        self.case.patch(tls_buffers, "KNOWN", self.known)
        self.one = self.way(Path(self.case.mktemp()))
        self.socket: FakeSocket = self.one.raw.socket

    def kept(self) -> int:
        """Bytes that the transport has been given."""
        return len(self.one.raw.written)

    def test_what_holds_the_backlog(self) -> None:
        """It is the socket's transport, on which the backlog and its progress are read."""
        self.case.assertIs(self.one.raw_transport, self.one.raw)

    def test_at_once(self) -> None:
        """With nothing held back all of it goes to the socket, long or short, and the transport is not asked."""
        for size in (1, 100, RECORD - 1, RECORD, RECORD + 1, 3 * RECORD, 100_000):
            data = bytes(range(256)) * (size // 256 + 1)
            self.case.assertEqual((self.one.deliver(data[:size]), self.kept()), (0, 0), size)
            self.case.assertEqual(self.one.received(), data[:size], size)
        self.case.assertEqual(self.one.deliver(b""), 0)
        self.case.assertEqual(self.one.received(), b"")

    def test_a_part_of_it(self) -> None:
        """The transport gets what the socket did not take, and all that follows: in order, and counted."""
        for size in (100, RECORD, RECORD + 1, 5 * RECORD):
            for room in (0, 1, size // 2, size - 1):
                data = bytes(range(256)) * (size // 256 + 1)
                self.socket.room = room
                left = self.one.deliver(data[:size])
                self.case.assertEqual(left, self.kept(), (size, room))
                self.case.assertGreater(left, 0)
                self.case.assertEqual(self.one.deliver(b"behind"), self.kept())
                self.case.assertGreater(self.kept(), left)
                self.socket.room = 1 << 30
                self.case.assertEqual(self.one.deliver(b"and last"), self.kept())
                self.case.assertEqual(self.one.received(), data[:size] + b"behindand last", (size, room))
                self.case.assertEqual((self.one.deliver(b"again"), self.kept()), (0, 0))
                self.case.assertEqual(self.one.received(), b"again")

    def test_a_full_or_broken_socket(self) -> None:
        """The transport finds out which it is: it has all of the bytes."""
        for error in (BlockingIOError(), BrokenPipeError(), ConnectionResetError(), OSError(9, "Bad file descriptor")):
            for size in (5, RECORD + 5):
                self.socket.error = error
                self.case.assertEqual(self.one.deliver(b"x" * size), self.kept())
                self.socket.error = None
                self.case.assertEqual(self.one.received(), b"x" * size)

    def test_what_is_held_back_is_not_overtaken(self) -> None:
        """Wherever Twisted keeps it."""
        self.one.raw._tempDataLen = 1
        self.one.deliver(b"first")
        self.case.assertEqual((self.socket.sent, bool(self.kept())), (b"", True))
        self.case.assertEqual(self.one.received(), b"first")
        self.one.raw.dataBuffer, self.one.raw.offset = b"0123456789", 7
        self.one.deliver(b"second")
        self.case.assertEqual((self.socket.sent, bool(self.kept())), (b"", True))
        self.one.raw.offset = 10
        self.case.assertEqual(self.one.received(), b"second")
        self.case.assertEqual((self.one.deliver(b"third"), self.kept()), (0, 0))

    def test_a_transport_that_ends(self) -> None:
        """It may have its own last words to send, so nothing goes to the socket past it."""
        self.one.raw.disconnecting = True
        self.one.deliver(b"late")
        self.case.assertEqual(self.socket.sent, b"")


class PlainTests(Contract, SynchronousTestCase):
    way = OverTcp

    @property
    def case(self) -> SynchronousTestCase:
        return self


class TlsContract(Contract):
    """What TLS adds, and the short way of events (``test_write_queue_event_sender`` has that of plain sockets)."""

    way = OverTls

    def setUp(self) -> None:
        super().setUp()
        self.scheduler = WriteScheduler(Clock())
        self.link = EventTarget(self.one.deliver, self.scheduler)

    def test_one_record(self) -> None:
        """What a turn has queued is one record, and as few as can be if it is longer."""
        for size, records in ((5, 1), (RECORD, 1), (RECORD + 1, 2), (3 * RECORD, 3)):
            self.one.deliver(b"x" * size)
            self.one.received()
            self.case.assertEqual(len(self.one.records), records)

    def test_an_event_at_once(self) -> None:
        """In the turn of a message that came alone, to a link that is clear, and to no other."""
        self.link.send(b"queued")
        self.scheduler.idle, self.link.way.clear = True, False
        self.link.send(b"queued too")
        self.case.assertEqual((self.link.queue, self.one.received()), ([b"queued", b"queued too"], b""))
        self.link.way.clear = True
        for event in (b"event", b"x" * 3 * RECORD):
            self.link.send(event)
            self.case.assertEqual((self.kept(), len(self.link.queue), self.link.held), (0, 2, []))
            self.case.assertEqual(self.one.received(), event)

    def test_an_event_of_which_the_socket_takes_a_part(self) -> None:
        """The link is told what is held back, how much it has just given, and that it is one frame."""
        self.scheduler.idle = True
        for room in (0, 2):
            self.socket.room = room
            self.link.send(b"event")
            self.case.assertEqual(self.link.held.pop(), (self.kept(), 5, 5))
            self.case.assertEqual(self.one.received(), b"event")

    def test_before_the_handshake_is_over(self) -> None:
        """Twisted keeps it, and it is sent in order when the handshake is done."""
        one = OverTls(Path(self.case.mktemp()), shaken=False)
        one.deliver(b"early")
        self.case.assertEqual((one.raw.socket.sent, one.raw.written), (b"", b""))
        one.deliver(b" bird")
        one.wrapped.answer = lambda: one.deliver(b" and worm")
        one.shake()
        one.transport.dataReceived(one.client.write(b"hello"))
        self.case.assertEqual(b"".join(one.client.read()) + one.received(), b"early bird and worm")

    def test_plaintext_that_twisted_keeps(self) -> None:
        """Where OpenSSL could not take something yet, Twisted decides about what comes behind it."""
        self.one.transport._appSendBuffer.append(b"first")
        self.one.deliver(b"second")
        self.case.assertEqual((self.socket.sent, bool(self.kept())), (b"", True))

    def test_writes_of_twisted_itself(self) -> None:
        """A page's writes and ours keep their order."""
        self.one.transport.write(b"1")
        self.one.deliver(b"2")
        self.one.transport.writeSequence([b"3", b"4"])
        self.one.deliver(b"5")
        self.case.assertEqual(self.one.received(), b"12345")

    def test_nothing_follows_our_goodbye(self) -> None:
        """After close_notify a peer would take any record for a violation."""
        self.scheduler.idle = True
        self.one.deliver(b"last")
        self.one.transport.loseConnection()
        sent = self.socket.sent, self.kept()
        self.one.deliver(b"late")
        self.link.send(b"late too")
        self.case.assertEqual((self.socket.sent, self.kept()), sent)
        self.case.assertEqual(self.one.received(), b"last")

    def test_a_peer_that_says_goodbye(self) -> None:
        """What came before its close_notify is handed over and answered; then we say goodbye, and nothing follows."""
        self.one.wrapped.answer = lambda: self.one.deliver(b"answer")
        self.one.transport.dataReceived(self.one.client.write(b"question") + self.one.client.goodbye())
        self.case.assertEqual((self.one.wrapped.data, self.one.raw.disconnecting), ([b"question"], True))
        sent = self.socket.sent, self.kept()
        self.scheduler.idle = True
        self.link.send(b"late")
        self.case.assertEqual((self.socket.sent, self.kept(), self.link.held), (*sent, [(sent[1], 4, 4)]))
        self.case.assertEqual(self.one.received(), b"answer")

    def test_a_record_that_is_none(self) -> None:
        """It ends the connection, with an alert for the peer; what came before it is handed over."""
        self.one.transport.dataReceived(self.one.client.write(b"well") + b"\x17\x03\x03\x00\x20" + b"x" * 32)
        self.case.assertEqual((self.one.wrapped.data, self.one.raw.disconnecting), ([b"well"], True))
        self.case.assertTrue(self.kept())
        self.one.deliver(b"late")
        with self.case.assertRaisesRegex(ssl.SSLError, "(?i)bad.record.mac"):
            self.one.received()

    def test_a_lost_connection(self) -> None:
        """Sending to it does no harm: the link learns of the loss elsewhere. OpenSSL's objects are freed at once."""
        connection = weakref.ref(self.one.transport.getHandle())
        gc.disable()
        self.case.addCleanup(gc.enable)
        self.one.transport.connectionLost(connectionDone)
        self.case.assertIsNone(connection())
        sent = self.socket.sent, self.kept()
        self.one.deliver(b"late")
        self.case.assertEqual((self.socket.sent, self.kept()), sent)

    def test_what_came_together_is_handed_over_together(self) -> None:
        """Several records of one read are one piece: they are a burst, whose events are gathered."""
        self.one.transport.dataReceived(b"".join(self.one.client.write(b"%d" % number) for number in range(9)))
        self.one.transport.dataReceived(self.one.client.write(b"9"))
        self.case.assertEqual(self.one.wrapped.data, [b"012345678", b"9"])

    def test_an_end_in_the_middle(self) -> None:
        """A connection that is cut by its first message gets nothing of the next."""
        self.one.wrapped.answer = self.one.transport.abortConnection
        self.one.transport.dataReceived(self.one.client.write(b"first"))
        self.one.transport.dataReceived(self.one.client.write(b"second"))
        self.case.assertEqual(self.one.wrapped.data, [b"first"])


class BoundTlsTests(TlsContract, SynchronousTestCase):
    @property
    def case(self) -> SynchronousTestCase:
        return self


class PublicTlsTests(TlsContract, SynchronousTestCase):
    known = False

    @property
    def case(self) -> SynchronousTestCase:
        return self
