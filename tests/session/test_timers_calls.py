"""Time limits of calls."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.session.timers import LONGEST, CallTimer


class CallTimerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.expired: list[float] = []

    def timer(self, timeout: int) -> CallTimer:
        return CallTimer(self.clock, timeout, lambda: self.expired.append(self.clock.seconds()))

    def test_in_time(self) -> None:
        """After so many milliseconds, once."""
        self.timer(1500)
        self.clock.advance(1.4)
        self.assertEqual(self.expired, [])
        self.clock.advance(0.1)
        self.clock.advance(10)
        self.assertEqual(self.expired, [1.5])

    def test_progress(self) -> None:
        """R3: with progress the clock restarts at each result."""
        timer = self.timer(1000)
        for _ in range(5):
            self.clock.advance(0.9)
            timer.progressed()
        self.assertEqual(self.expired, [])
        self.clock.advance(1)
        self.assertEqual(len(self.expired), 1)
        timer.progressed()
        timer.settled()

    def test_settled(self) -> None:
        """Of a call that is over nothing is left, not even a timer."""
        timer = self.timer(1000)
        timer.settled()
        timer.settled()
        timer.progressed()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bound(self) -> None:
        """Nobody keeps a timer for a year."""
        self.timer(2**53)
        self.clock.advance(LONGEST / 1000)
        self.assertEqual(len(self.expired), 1)
