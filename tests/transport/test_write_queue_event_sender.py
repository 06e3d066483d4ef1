"""Events to one receiver and to many, on real sockets: the same whether it was built in C or not."""

from __future__ import annotations

import contextlib
import random
import socket
import sys
import weakref
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport import native
from orosync.transport.write_queue import (
    BATCH,
    Way,
    WriteScheduler,
    deliverer,
    event_sender,
    send_to_all,
    send_to_all_in_python,
)
from tests.transport.test_write_queue import FakeTransport


class EventTarget:
    """A link as the sender of events sees it: a queue, flushed when the turn is over, and a transport."""

    way: Way
    send: Callable[[bytes], None]

    def __init__(self, transport: Any, scheduler: WriteScheduler) -> None:
        self.queue: list[bytes] = []
        self.parts: list[tuple[bytes, int]] = []
        self.transport, self.scheduler = transport, scheduler
        _, self.deliver = deliverer(transport)
        self.way, self.send = event_sender(self, self.queue, transport, scheduler)

    def push(self, frame: bytes) -> None:
        if not self.queue:
            self.scheduler.schedule(self)
        elif len(self.queue) >= BATCH:
            self.flush()
        self.queue.append(frame)

    def flush(self) -> None:
        frames = b"".join(self.queue)
        self.queue.clear()
        if frames:
            self.way.clear = not self.deliver(frames)

    def sent_in_part(self, frames: list[bytes], sent: int) -> None:
        data = b"".join(frames)
        self.parts.append((data, sent))
        self.way.clear = False
        self.transport.write(data[sent:])


class Peer:
    """A real socket with a link at one end; ``got`` is what the other end has read."""

    def __init__(self, case: SynchronousTestCase, scheduler: WriteScheduler, buffer: int = 0) -> None:
        self.near, self.far = socket.socketpair()
        case.addCleanup(self.near.close)
        case.addCleanup(self.far.close)
        for end in (self.near, self.far):
            end.setblocking(False)
        if buffer:
            self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        self.transport: Any = FakeTransport(self.near)
        self.link = EventTarget(self.transport, scheduler)
        self.link.way.clear = True
        self.got = b""

    def read(self) -> bytes:
        """Read what is there; then the transport sends what it holds."""
        while True:
            with contextlib.suppress(BlockingIOError):
                while data := self.far.recv(65536):
                    self.got += data
            if not self.transport.written:
                return self.got
            with contextlib.suppress(BlockingIOError):
                sent = self.near.send(self.transport.written)
                self.transport.written = self.transport.written[sent:]
                self.transport._tempDataLen -= sent

    def end(self) -> None:
        """The connection is over, and another one gets its descriptor."""
        self.link.way.close()
        self.near.close()


class EventSenders:
    """The short way of events, to one receiver and to many: the same whether it was built in C or not."""

    in_c: bool

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        if not self.in_c:
            self.patch(native, "built", None)
        self.send_to_all = send_to_all if self.in_c else send_to_all_in_python
        self.clock = Clock()
        self.scheduler = WriteScheduler(self.clock)

    def peers(self, count: int = 3, buffer: int = 0) -> list[Peer]:
        return [Peer(self, self.scheduler, buffer) for _ in range(count)]

    def publish(self, peers: list[Peer], frame: bytes) -> None:
        self.send_to_all([peer.link.send for peer in peers], frame)

    def test_at_once_when_nothing_else_waits(self) -> None:
        """What a message that came alone causes goes straight to the socket."""
        self.scheduler.idle = True
        one, *others = self.peers()
        one.link.send(b"event")
        self.publish(others, b"others")
        self.assertEqual([peer.read() for peer in (one, *others)], [b"event", b"others", b"others"])
        self.assertEqual(self.scheduler.pending, [])

    def test_gathered_otherwise(self) -> None:
        """In a burst, and on a link that is not clear: pushed, so that order holds."""
        peers = self.peers()
        peers[0].link.send(b"1")
        self.publish(peers, b"2")
        self.scheduler.pending.clear()
        self.scheduler.idle = True
        peers[0].link.way.clear = False
        peers[0].link.send(b"3")
        self.assertEqual([peer.link.queue for peer in peers], [[b"1", b"2", b"3"], [b"2"], [b"2"]])
        self.assertEqual([peer.read() for peer in peers], [b"", b"", b""])

    def test_a_burst_is_flushed_once(self) -> None:
        """The first frame schedules the flush of a link, and more than a batch are flushed before the turn is over."""
        peers = self.peers(2)
        frames = [b"%d." % number for number in range(BATCH + 5)]
        for frame in frames:
            self.publish(peers, frame)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertEqual([peer.read() for peer in peers], [b"".join(frames[:BATCH])] * 2)
        self.clock.advance(0)
        self.assertEqual([peer.read() for peer in peers], [b"".join(frames)] * 2)

    def test_flush_of_more_than_one_stretch(self) -> None:
        """Of more links, and of more frames, than C sends in one stretch; each gets its own."""
        peers = self.peers(300)
        for number, peer in enumerate(peers):
            for frame in range(1 + number % 9 * 14):
                peer.link.send(b"%d:%d " % (number, frame))
        self.clock.advance(0)
        for number, peer in enumerate(peers):
            expected = b"".join(b"%d:%d " % (number, frame) for frame in range(1 + number % 9 * 14))
            self.assertEqual((peer.read(), peer.link.queue), (expected, []))

    def test_flush_of_what_may_not_go_at_once(self) -> None:
        """Of links that are not clear, have nothing queued or stand twice among those pending, and of one whose queue
        is longer than any batch."""
        clear, blocked, empty, twice, long = peers = self.peers(5)
        blocked.link.way.clear = False
        for peer in (clear, blocked, twice):
            peer.link.send(b"1")
            peer.link.send(b"2")
        self.scheduler.schedule(empty.link)
        self.scheduler.schedule(twice.link)
        long.link.queue += [b"x"] * 5000
        self.scheduler.schedule(long.link)
        self.clock.advance(0)
        self.assertEqual([peer.read() for peer in peers], [b"12", b"12", b"", b"12", b"x" * 5000])
        self.assertEqual([peer.link.way.clear for peer in peers], [True] * 5)

    def test_flush_that_the_socket_takes_in_part(self) -> None:
        """The transport gets the rest, the link hears of all its frames, and nobody else is affected."""
        peers = self.peers(4, 4096)
        peers[2].far.close()
        frames = [bytes([number]) * 50000 for number in range(5)]
        for peer in peers[:3]:
            for frame in frames:
                peer.link.queue.append(frame)
            self.scheduler.schedule(peer.link)
        peers[3].link.send(b"event")
        self.clock.advance(0)
        whole = b"".join(frames)
        self.assertEqual([peer.read() for peer in (*peers[:2], peers[3])], [whole, whole, b"event"])
        self.assertEqual([peer.link.way.clear for peer in peers], [False, False, False, True])

    def test_flush_that_raises(self) -> None:
        """It is logged, and everybody else is flushed."""
        peers = self.peers(4)
        peers[0].far.close()

        def fail(*args: object) -> None:
            raise RuntimeError("broken")

        peers[0].link.sent_in_part = peers[0].link.flush = fail  # type: ignore[method-assign]
        peers[1].link.flush = fail  # type: ignore[method-assign]
        peers[1].link.way.clear = False
        for peer in peers:
            peer.link.send(b"event")
        self.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)
        self.assertEqual([peer.read() for peer in peers[2:]], [b"event", b"event"])

    def test_a_message_from_elsewhere(self) -> None:
        """What does not come from a client of this process and came alone is sent at once as well, unless anybody has
        something queued; that ends with the message, whatever becomes of it."""

        (peer,) = self.peers(1)

        def handle() -> None:
            peer.link.send(b"event")
            raise ValueError

        self.assertRaises(ValueError, self.scheduler.at_once, handle)
        self.assertEqual((peer.read(), peer.link.queue, self.scheduler.idle), (b"event", [], False))
        self.scheduler.schedule(peer.link)
        self.scheduler.at_once(lambda: peer.link.send(b"second"))
        self.assertEqual((peer.read(), peer.link.queue), (b"event", [b"second"]))

    def test_nothing_overtakes_what_is_queued(self) -> None:
        """Once anybody has something queued, whatever the same message causes after that is queued as well."""
        self.scheduler.idle = True
        before, blocked, *behind = self.peers(4)
        blocked.link.way.clear = False
        self.publish([before, blocked, *behind], b"event")
        self.assertEqual([peer.read() for peer in (before, blocked, *behind)], [b"event", b"", b"", b""])
        self.assertEqual(self.scheduler.pending, [blocked.link, *(peer.link for peer in behind)])
        self.clock.advance(0)
        self.assertEqual([peer.read() for peer in (before, blocked, *behind)], [b"event"] * 4)

    def test_a_socket_that_takes_less(self) -> None:
        """The link gives the rest to its transport; the others get all of it."""
        frame = bytes(range(256)) * 4096
        self.scheduler.idle = True
        peers = self.peers(3)
        peers[1] = Peer(self, self.scheduler, 4096)
        peers[0].link.send(b"first")
        self.publish(peers[1:2], frame)
        ((given, sent),) = peers[1].link.parts
        self.assertEqual(given, frame)
        self.assertTrue(0 < sent < len(frame), sent)
        self.assertEqual([peer.read() for peer in peers], [b"first", frame, b""])

    def test_a_full_or_broken_socket(self) -> None:
        """It takes nothing: the transport gets the frame and finds out which of both it is. Nobody else is affected."""
        self.scheduler.idle = True
        full, broken, well = self.peers(3, 4096)
        with contextlib.suppress(BlockingIOError):
            while True:
                full.near.send(bytes(4096))
        broken.far.close()
        self.publish([full, broken, well], b"event")
        self.assertEqual([peer.link.parts for peer in (full, broken, well)], [[(b"event", 0)], [(b"event", 0)], []])
        self.assertEqual(well.read(), b"event")

    def test_a_link_that_raises(self) -> None:
        """The others of the same call have been sent to by then, and what they did not take is not lost."""
        self.scheduler.idle = True
        peers = self.peers(4)
        for peer in peers[1:3]:
            peer.far.close()

        def fail(frames: list[bytes], sent: int) -> None:
            raise RuntimeError("broken")

        peers[1].link.sent_in_part = fail  # type: ignore[method-assign]
        with self.assertRaises(RuntimeError):
            self.publish(peers, b"event")
        if self.in_c and native.built is not None:
            self.assertEqual((peers[2].link.parts, peers[3].read()), ([(b"event", 0)], b"event"))

    def test_nothing_is_sent_when_it_is_over(self) -> None:
        """The descriptor of a connection that is over may be another connection's: it gets nothing that is not its
        own, whatever the link is told afterwards."""
        self.scheduler.idle = True
        for how in ("alone", "many"):
            peers = self.peers()
            number = peers[1].near.fileno()
            peers[1].end()
            successor = Peer(self, self.scheduler)
            self.assertIn(number, (successor.near.fileno(), successor.far.fileno()))
            if how == "alone":
                peers[1].link.send(b"event")
            else:
                self.publish(peers, b"event")
                self.clock.advance(0)
                self.assertEqual((peers[0].read(), peers[2].read()), (b"event", b"event"))
            self.assertEqual(successor.read(), b"")
            with contextlib.suppress(BlockingIOError):
                self.assertEqual(successor.near.recv(9), b"")
            self.scheduler.pending.clear()
            self.scheduler.idle = True

    def test_twice_the_same_receiver(self) -> None:
        """It gets the frame twice, and whole, also where its socket takes less."""
        self.scheduler.idle = True
        (peer,) = self.peers(1, 4096)
        frame = bytes(range(256)) * 1024
        self.publish([peer, peer], frame)
        self.clock.advance(0)
        self.assertEqual(peer.read(), frame * 2)

    def test_more_than_one_stretch(self) -> None:
        """In C the lock of Python is taken again after some hundred receivers."""
        self.scheduler.idle = True
        peers = self.peers(600)
        peers[300].far.close()
        self.publish(peers, b"event")
        self.assertEqual([peer.read() for peer in peers if peer is not peers[300]], [b"event"] * 599)
        self.assertEqual(peers[300].link.parts, [(b"event", 0)])

    def test_receivers_of_all_kinds(self) -> None:
        """Any function may stand among them, and what it queues holds back those behind it; what is no bytes is only
        for functions."""
        self.scheduler.idle = True
        first, second = self.peers(2)
        got: list[Any] = []

        def function(frame: Any) -> None:
            got.append(frame)
            self.scheduler.schedule(first.link)

        self.send_to_all([first.link.send, function, second.link.send], b"event")
        self.assertEqual((first.read(), got, second.read()), (b"event", [b"event"], b""))
        self.send_to_all([got.append], ("an", "event"))
        self.assertEqual(got[1:], [("an", "event")])

    def test_other_transports(self) -> None:
        """Where Twisted's buffers cannot be seen, everything is pushed."""
        self.scheduler.idle = True
        link = EventTarget(StringTransport(), self.scheduler)
        link.way.clear = True
        link.send(b"event")
        self.assertEqual(link.queue, [b"event"])

    def test_no_cycle_is_left(self) -> None:
        """A link whose connection is over goes without the garbage collector."""
        (peer,) = self.peers(1)
        gone = weakref.ref(peer.link)
        peer.link.way.close()
        del peer.link.way, peer.link.send, peer.link.deliver
        del peer.link
        self.assertIsNone(gone())

    def test_no_reference_is_kept(self) -> None:
        """Whichever way a frame takes, nothing refers to it, or to a receiver, more often than before when it has been
        sent."""
        peers = self.peers(5, 4096)
        peers[1].far.close()
        frames = [b"event" * count for count in (1, 5000)]
        before = None
        for _ in range(3):
            for frame in frames:
                for idle in (True, False):
                    self.scheduler.idle = idle
                    self.publish(peers, frame)
                    peers[0].link.send(frame)
                    peers[2].link.push(frame)
                    peers[2].link.push(frame)
                    self.clock.advance(0)
            del frame
            for peer in peers:
                peer.link.parts.clear()
                peer.transport.written, peer.transport._tempDataLen = b"", 0
            held = [sys.getrefcount(one) for one in (*frames, *(peer.link for peer in peers))]
            held += [sys.getrefcount(one) for one in (self.scheduler, *(peer.link.way for peer in peers))]
            self.assertEqual(held, before or held)
            before = held

    def test_each_gets_its_frames_in_order(self) -> None:
        """Whatever happens in which order: events alone and in bursts, of all sizes, peers that read or do not, and
        that go."""
        chance = random.Random(self.in_c)
        for _ in range(20):
            peers = self.peers(12, 4096)
            there = list(peers)
            expected = dict.fromkeys(peers, b"")
            for number in range(60):
                what = chance.random()
                if what < 0.6:
                    frame = (b"%d " % number) * chance.choice((1, 1, 1, 200, 5000))
                    self.scheduler.idle = not self.scheduler.pending and chance.random() < 0.7
                    receivers = chance.sample(there, chance.randint(0, len(there)))
                    self.publish(receivers, frame)
                    for peer in receivers:
                        expected[peer] += frame
                    self.scheduler.idle = False
                elif what < 0.8:
                    chance.choice(peers).read()
                elif what < 0.95:
                    self.clock.advance(0)
                elif there:
                    gone = there.pop(chance.randrange(len(there)))
                    gone.link.flush()
                    gone.link.way.close()
            self.clock.advance(0)
            for peer in peers:
                self.assertEqual(peer.read(), expected[peer])


class EventSenderTests(EventSenders, SynchronousTestCase):
    """As it was built."""

    in_c = True


class EventSenderInPythonTests(EventSenders, SynchronousTestCase):
    """In Python, also where it was built in C."""

    in_c = False
