"""The write queue: one flush for a turn, bytes in order, and slow consumers found."""

from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.write_queue import WriteScheduler, backlog, deliverer, progress


class FakeSocket:
    """A socket whose send takes at most ``room`` bytes, or raises."""

    def __init__(self, room: int = 1 << 30, error: OSError | None = None) -> None:
        self.room = room
        self.error = error
        self.sent = b""

    def send(self, data: bytes) -> int:
        if self.error is not None:
            raise self.error
        taken = data[: self.room]
        self.sent += taken
        return len(taken)


class FakeTransport:
    """What Twisted's socket transports look like from outside: their buffers and a socket."""

    disconnecting = False

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.dataBuffer = b""
        self.offset = 0
        self._tempDataLen = 0
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data
        self._tempDataLen += len(data)


class DeliverTests(SynchronousTestCase):
    def send(self, transport: FakeTransport, data: bytes) -> int:
        return deliverer(transport)[1](data)

    def test_an_idle_transport_is_passed_by(self) -> None:
        """With nothing held back the bytes go straight to the socket."""
        transport = FakeTransport(FakeSocket())
        self.assertEqual(self.send(transport, b"event"), 0)
        self.assertEqual((transport.socket.sent, transport.written), (b"event", b""))

    def test_what_the_socket_does_not_take_is_kept_in_order(self) -> None:
        """A short send leaves the rest to the transport, and all that follows goes behind it."""
        transport = FakeTransport(FakeSocket(room=3))
        self.assertEqual(self.send(transport, b"event"), 2)
        self.assertEqual(self.send(transport, b"next"), 6)
        self.assertEqual((transport.socket.sent, transport.written), (b"eve", b"ntnext"))

    def test_held_bytes_are_seen_wherever_they_are(self) -> None:
        """Twisted keeps them in two places, one of them partly sent."""
        transport = FakeTransport(FakeSocket())
        transport.dataBuffer, transport.offset = b"0123456789", 7
        self.assertEqual(backlog(transport), 3)
        self.assertEqual(self.send(transport, b"ab"), 5)
        self.assertEqual((transport.socket.sent, transport.written), (b"", b"ab"))

    def test_a_full_or_broken_socket_is_left_to_the_transport(self) -> None:
        """It will find out which of both it is, and tell the protocol."""
        for error in (BlockingIOError(), BrokenPipeError(), ConnectionResetError()):
            transport = FakeTransport(FakeSocket(error=error))
            self.assertEqual(self.send(transport, b"event"), 5)
            self.assertEqual(transport.written, b"event")

    def test_a_closing_transport_is_not_passed_by(self) -> None:
        """What is sent while it closes must not overtake, so it is the transport's to send or drop."""
        transport = FakeTransport(FakeSocket())
        transport.disconnecting = True
        self.send(transport, b"event")
        self.assertEqual((transport.socket.sent, transport.written), (b"", b"event"))

    def test_any_other_transport_is_written_to(self) -> None:
        """One that hides its buffers, or has no socket, gets everything by write and never counts as slow."""
        transport = StringTransport()
        raw, deliver = deliverer(transport)
        self.assertIs(raw, transport)
        self.assertEqual(deliver(b"event"), 0)
        self.assertEqual(transport.value(), b"event")
        for missing in ("_tempDataLen", "dataBuffer", "offset"):
            hiding = FakeTransport(FakeSocket())
            hiding.write = hiding.socket.send  # type: ignore[assignment,method-assign]
            hiding.socket.sent = b"by write: "
            delattr(hiding, missing)
            self.assertEqual(self.send(hiding, b"event"), 0, missing)
            self.assertEqual((backlog(hiding), hiding.socket.sent), (0, b"by write: event"), missing)
            progress(hiding)

    def test_progress_is_noticed(self) -> None:
        """More bytes waiting is none; any byte taken is."""
        transport = FakeTransport(FakeSocket())
        transport.dataBuffer = b"0123456789"
        before = progress(transport)
        transport.write(b"more")
        self.assertEqual(progress(transport), before)
        transport.offset = 1
        self.assertNotEqual(progress(transport), before)


class FakeLink:
    """Counts flushes; ``failing`` raises instead."""

    def __init__(self, failing: bool = False) -> None:
        self.flushes = 0
        self.failing = failing

    def flush(self) -> None:
        if self.failing:
            raise RuntimeError("broken")
        self.flushes += 1


class WriteSchedulerTests(SynchronousTestCase):
    def test_one_flush_for_all_at_the_end_of_the_turn(self) -> None:
        """However many links have something to send, the reactor is asked once."""
        clock = Clock()
        scheduler = WriteScheduler(clock)
        links = [FakeLink() for _ in range(5)]
        for link in links:
            scheduler.schedule(link)
        self.assertEqual(len(clock.getDelayedCalls()), 1)
        self.assertEqual(sum(link.flushes for link in links), 0)
        clock.advance(0)
        self.assertEqual([link.flushes for link in links], [1] * 5)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_scheduled_during_a_flush_is_sent_in_the_next(self) -> None:
        """A flush does not go on for ever."""
        clock = Clock()
        scheduler = WriteScheduler(clock)
        turns: list[int] = []

        class Inviting(FakeLink):
            def flush(self) -> None:
                super().flush()
                if self.flushes < 3:
                    scheduler.schedule(self)
                turns.append(len(clock.getDelayedCalls()))

        scheduler.schedule(Inviting())
        clock.advance(0)
        self.assertEqual(turns, [1, 1, 0])

    def test_a_broken_link_does_not_cost_the_others_their_bytes(self) -> None:
        """The failure is logged, everybody else is flushed."""
        clock = Clock()
        scheduler = WriteScheduler(clock)
        links = [FakeLink(), FakeLink(failing=True), FakeLink()]
        for link in links:
            scheduler.schedule(link)
        clock.advance(0)
        self.assertEqual([link.flushes for link in links], [1, 0, 1])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
