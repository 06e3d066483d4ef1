"""Batches from worker to worker: whole and in order, with a limit for what waits, and a bounded part in each turn."""

from __future__ import annotations

import os
import random
import socket

from twisted.trial.unittest import SynchronousTestCase

from orosync.backplane import mesh
from orosync.backplane.mesh import LARGEST, MeshSocket
from tests.support.fd_reactor import DescriptorReactor


class MeshCase(SynchronousTestCase):
    """Two ends of one socket."""

    QUEUED = mesh.QUEUED

    def setUp(self) -> None:
        self.reactor = DescriptorReactor()
        self.got: list[bytes] = []
        self.ended: list[str] = []
        one, other = socket.socketpair()
        self.one = self.made(one.detach(), lambda batch: None, "one")
        self.other = self.made(other.detach(), self.got.append, "other")

    def made(self, descriptor: int, received: object, name: str) -> MeshSocket:
        made = MeshSocket(
            descriptor,
            self.reactor,
            received,  # type: ignore[arg-type]
            lambda: self.ended.append(name),
            queued=self.QUEUED,
        )
        self.addCleanup(made.close)
        return made


class Passing(MeshCase):
    """What is sent arrives."""

    def test_sizes(self) -> None:
        """Batches of every size, also larger than the socket holds, arrive whole and in order."""
        sizes = [0, 1, 2, 3, 4, 5, 4000, 8187, 8188, 8189, 8192, 65536, 300_000, 3_000_000, 1, 0]
        batches = [os.urandom(size) for size in sizes]
        self.assertTrue(all(self.one.send(batch) for batch in batches))
        self.reactor.settle()
        self.assertEqual([len(batch) for batch in self.got], sizes)
        self.assertEqual(self.got, batches)
        self.assertEqual((self.one.queued, self.reactor.writers), (0, []))

    def test_at_once(self) -> None:
        """While nothing waits a batch is in the socket when ``send`` returns, and the reactor is not asked to write."""
        self.one.send(b"abc")
        self.assertEqual(self.reactor.writers, [])
        self.other.doRead()
        self.assertEqual(self.got, [b"abc"])

    def test_alone(self) -> None:
        """While a batch is handed over it can be asked whether anything else arrived with it."""
        lone: list[bool] = []
        self.other._received = lambda batch: lone.append(self.other.lone)
        self.one.send(b"abc")
        self.other.doRead()
        self.one.send(b"def")
        self.one.send(b"ghi")
        self.other.doRead()
        self.assertEqual(lone, [True, False, False])

    def test_torn(self) -> None:
        """However the bytes are cut, the batches are the same."""
        raw, other = socket.socketpair()
        self.addCleanup(raw.close)
        got: list[bytes] = []
        end = self.made(other.detach(), got.append, "torn")
        batches = [bytes([number]) * number for number in range(40)]
        stream = b"".join(len(batch).to_bytes(4) + batch for batch in batches)
        cuts = random.Random(1)
        start = 0
        while start < len(stream):
            length = cuts.choice((1, 1, 2, 3, 7, 50))
            raw.send(stream[start : start + length])
            end.doRead()
            start += length
        self.assertEqual(got, batches)

    def test_random(self) -> None:
        """Sending and reading in any order, small and large batches mixed: nothing lost, nothing exchanged."""
        chance = random.Random(2)
        sent = []
        for number in range(3000):
            size = chance.choice((0, 10, 200, 200, 200, 5000)) if number % 100 else 500_000
            sent.append(number.to_bytes(4) + bytes(size))
            self.assertTrue(self.one.send(sent[-1]))
            if chance.random() < 0.2:
                self.reactor.turn()
        self.reactor.settle()
        self.assertEqual(self.got, sent)

    def test_both_ways(self) -> None:
        """Each end sends while it receives."""
        answers: list[bytes] = []
        self.one._received = answers.append
        for number in range(2000):
            self.one.send(b"q%d" % number * 50)
            self.other.send(b"a%d" % number * 50)
        self.reactor.settle()
        self.assertEqual((len(self.got), len(answers)), (2000, 2000))

    def test_a_handler_that_raises(self) -> None:
        """It costs that batch alone, and is logged."""
        self.other._received = lambda batch: self.got.append(batch) if batch != b"2" else self.got.append(1 / 0)  # type: ignore[arg-type]
        for batch in (b"1", b"2", b"3"):
            self.one.send(batch)
        self.reactor.settle()
        self.assertEqual(self.got, [b"1", b"3"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Limits(MeshCase):
    """What one worker may cost another."""

    QUEUED = 1_000_000

    def test_stopped_reader(self) -> None:
        """A worker that reads nothing costs no more than the limit; later batches are dropped, none in part."""
        batches = [number.to_bytes(4) * 250 for number in range(5000)]
        taken = [self.one.send(batch) for batch in batches]
        self.assertIn(False, taken)
        self.assertLessEqual(self.one.queued, self.QUEUED + 50 * mesh.OVERHEAD)
        first = taken.index(False)
        self.reactor.settle()
        self.assertEqual(self.got, [batch for batch, kept in zip(batches, taken, strict=True) if kept])
        self.assertGreater(first, 900)
        self.assertTrue(self.one.send(b"again"))
        self.reactor.settle()
        self.assertEqual(self.got[-1], b"again")

    def test_one_large_batch(self) -> None:
        """A batch above the limit of the queue is taken when nothing waits."""
        self.assertTrue(self.one.send(bytes(6_000_000)))
        self.assertFalse(self.one.send(b"next"))
        self.reactor.settle()
        self.assertEqual([len(batch) for batch in self.got], [6_000_000])

    def test_bounded_turn(self) -> None:
        """When batches take long to handle, a few are handled in each turn; otherwise more, so that no queue grows."""
        for each, most in ((0.001, 40), (0.0, 520)):
            self.other._received = lambda batch, each=each: (self.got.append(batch), self.reactor.advance(each))  # type: ignore
            for _ in range(2000):
                self.one.send(bytes(250))
            found = []
            while self.reactor.turn():
                found.append(len(self.got))
                self.got.clear()
            self.assertEqual(sum(found), 2000)
            self.assertLess(max(found), most + 10)
            self.assertGreater(max(found), most / 2)

    def test_large_batch(self) -> None:
        """It is read in larger parts."""
        self.one.send(bytes(6_000_000))
        self.reactor.settle()
        self.assertEqual([len(batch) for batch in self.got], [6_000_000])
        self.assertLess(self.other.came, 100)

    def test_too_long(self) -> None:
        """What cannot be a batch ends the connection, and is logged."""
        raw, other = socket.socketpair()
        self.addCleanup(raw.close)
        self.made(other.detach(), self.got.append, "third")
        raw.send((LARGEST + 1).to_bytes(4) + b"x")
        self.reactor.settle()
        self.assertEqual((self.got, self.ended), ([], ["third"]))
        self.assertEqual(raw.recv(10), b"")


class Ending(MeshCase):
    """How it ends."""

    def test_what_was_sent_before(self) -> None:
        """What a worker has sent before its end still arrives, also if this end had sent to it in vain."""
        for number in range(100):
            self.one.send(b"%d" % number * 100)
        self.other.send(b"unread")
        self.one.close()
        self.other.send(b"in vain")
        self.reactor.settle()
        self.assertEqual((len(self.got), self.ended), (100, ["other"]))
        self.assertEqual(self.other.fileno(), -1)
        self.assertTrue(self.other.send(b"later"), "it is not counted as dropped for a full queue")

    def test_end_with_a_queue(self) -> None:
        """A queue for a worker that has ended is given up, without an end of this side's reading."""
        while not self.other.queued:
            self.other.send(bytes(50_000))
        self.one.send(b"last")
        self.one.close()
        self.reactor.turn()
        self.assertEqual(self.other.queued, 0)
        self.reactor.settle()
        self.assertEqual((self.got, self.ended), ([b"last"], ["other"]))

    def test_close_while_handling(self) -> None:
        """A handler may close it: nothing more is handed over."""
        self.other._received = lambda batch: (self.got.append(batch), self.other.close())  # type: ignore[assignment]
        for batch in (b"1", b"2"):
            self.one.send(batch)
        self.reactor.settle()
        self.assertEqual((self.got, self.ended), ([b"1"], ["one"]))

    def test_when_sent(self) -> None:
        """``when_sent`` calls at once, when the queue is empty, or when it is given up."""
        called: list[str] = []
        self.one.when_sent(lambda: called.append("at once"))
        self.one.send(bytes(6_000_000))
        self.one.when_sent(lambda: called.append("sent"))
        self.assertEqual(called, ["at once"])
        self.reactor.settle()
        self.assertEqual(called, ["at once", "sent"])
        self.one.send(bytes(6_000_000))
        self.one.when_sent(lambda: called.append("given up"))
        self.other.close()
        self.reactor.settle()
        self.assertEqual(called, ["at once", "sent", "given up"])
