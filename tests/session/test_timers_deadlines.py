"""One timer for many equal time limits."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.session.timers import Deadlines


class DeadlineTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock, 10)
        self.fired = []

    def set(self, name):
        return self.deadlines.set(lambda: self.fired.append((name, self.clock.seconds())))

    def test_fires_when_due(self):
        """Each fires after its own ten seconds, in order."""
        self.set("a")
        self.clock.advance(4)
        self.set("b")
        self.clock.pump([1] * 20)
        self.assertEqual(self.fired, [("a", 10), ("b", 14)])

    def test_cancelled_ones_are_silent(self):
        """A limit that was kept does not fire, nor does it hold up the next."""
        kept = self.set("a")
        self.clock.advance(1)
        self.set("b")
        kept.cancel()
        self.clock.pump([1] * 20)
        self.assertEqual(self.fired, [("b", 11)])

    def test_one_timer(self):
        """However many limits run, the clock holds one call, and none when all is quiet."""
        for name in range(100):
            self.set(name)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(10)
        self.assertEqual((len(self.fired), self.clock.getDelayedCalls()), (100, []))

    def test_stop(self):
        """After stop nothing fires and no timer is left."""
        self.set("a")
        self.deadlines.stop()
        self.clock.advance(20)
        self.assertEqual((self.fired, self.clock.getDelayedCalls()), ([], []))

    def test_set_while_firing(self):
        """A limit set by one that fires runs its full time."""
        self.deadlines.set(lambda: self.set("next"))
        self.clock.advance(10)
        self.clock.pump([1] * 12)
        self.assertEqual(self.fired, [("next", 20)])
