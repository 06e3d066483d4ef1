"""The queue of work on sessions: order, how much in a turn, how much at once."""

from __future__ import annotations

from itertools import pairwise

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.session.work_queue import AT_A_TURN, WorkQueue


class WorkQueueTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.begun: list[int] = []
        self.answers: dict[int, Deferred[None]] = {}

    def queue(self, at_once: int = 3) -> WorkQueue[int]:
        return WorkQueue(self.clock, self.begin, at_once)

    def begin(self, item: int) -> Deferred[None] | None:
        self.begun.append(item)
        return self.answers.get(item)

    def test_in_order(self) -> None:
        """Items are begun in a later turn, in the order in which they were added; some may be put before the others."""
        queue = self.queue(at_once=1)
        queue.add([1, 2])
        queue.add([3, 4], first=True)
        self.assertEqual(self.begun, [])
        self.clock.advance(0)
        self.assertEqual(self.begun, [3, 4, 1, 2])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_added_meanwhile(self) -> None:
        """An item may add others while it is begun."""
        queue: WorkQueue[int] = WorkQueue(
            self.clock, lambda item: self.begun.append(item) or (queue.add([item + 1]) if item < 50 else None), 3
        )
        queue.add([1])
        self.clock.advance(0)
        self.assertEqual(self.begun, list(range(1, 51)))

    def test_few_in_a_turn(self) -> None:
        """A turn of the reactor begins AT_A_TURN items, and all are begun in the end."""
        turns = []
        call_later = self.clock.callLater
        self.clock.callLater = lambda *args: turns.append(len(self.begun)) or call_later(*args)  # type: ignore
        self.queue(at_once=64).add(range(1000))
        self.clock.advance(0)
        self.assertEqual(self.begun, list(range(1000)))
        self.assertLessEqual(max(later - earlier for earlier, later in pairwise([*turns, 1000])), AT_A_TURN)

    def test_few_at_once(self) -> None:
        """Of items that take time so many are under way, and each that is done lets the next begin."""
        self.answers = {item: Deferred() for item in range(10)}
        self.queue().add(range(10))
        for done in range(10):
            self.clock.advance(0)
            self.assertEqual(self.begun, list(range(min(done + 3, 10))))
            self.answers[done].callback(None)

    def test_failures(self) -> None:
        """An item that raises or fails is logged, and the others are begun."""
        queue: WorkQueue[int] = WorkQueue(
            self.clock, lambda item: fail(ValueError("failed")) if item else self.begun.append(1 // item), 1
        )
        queue.add([0, 1, 0])
        self.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_stop(self) -> None:
        """After the stop nothing is begun, also when what was under way is done."""
        self.answers = {item: Deferred() for item in range(10)}
        queue = self.queue()
        queue.add(range(10))
        self.clock.advance(0)
        queue.stop()
        for answer in self.answers.values():
            answer.callback(None)
        self.clock.advance(60)
        self.assertEqual(self.begun, [0, 1, 2])
        self.assertEqual(self.clock.getDelayedCalls(), [])
