"""Tests for orosync.client.login."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.client.login import REMINDER, STEADY, ReconnectDelays


class AttemptsTests(SynchronousTestCase):
    def test_pauses(self) -> None:
        """Twice as long each time, up to the longest; after a connection that lasted, from the beginning."""
        attempts = ReconnectDelays(3.0, jitter=lambda: 0.0)
        table = [
            ("unreachable", 0.0, 0.5),
            ("refused", 0.0, 1.0),
            ("lost", STEADY, 2.0),
            ("unreachable", 2 * STEADY, 3.0),
            ("unreachable", 0.0, 3.0),
            ("lost", STEADY + 1, 0.5),
            ("lost", 0.0, 1.0),
        ]
        for kind, lasted, pause in table:
            self.assertEqual(attempts.failed(0.0, kind, "x", lasted)[0], pause, (kind, lasted))

    def test_jitter(self) -> None:
        """Not everybody comes back at the same moment."""
        pauses = {ReconnectDelays(10.0).failed(0.0, "lost", "x", 0.0)[0] for _ in range(20)}
        self.assertGreater(len(pauses), 10)
        self.assertTrue(all(0.5 <= pause <= 1.5 for pause in pauses))

    def test_a_thousand(self) -> None:
        """The pause stays the longest, however long the other router is away."""
        attempts = ReconnectDelays(15.0, jitter=lambda: 0.0)
        self.assertEqual([attempts.failed(0.0, "lost", "x", 0.0)[0] for _ in range(2000)][-1], 15.0)

    def test_news(self) -> None:
        """The same failure is told once, and again after a while; another one at once."""
        attempts = ReconnectDelays(1.0)
        table = [
            (0.0, "unreachable", "no route", True),
            (1.0, "unreachable", "no route", False),
            (2.0, "unreachable", "refused", True),
            (3.0, "refused", "refused", True),
            (4.0, "refused", "refused", False),
            (3.0 + REMINDER, "refused", "refused", True),
            (4.0 + REMINDER, "refused", "refused", False),
        ]
        for now, kind, reason, news in table:
            self.assertEqual(attempts.failed(now, kind, reason, 0.0)[1], news, now)
        attempts.joined()
        self.assertTrue(attempts.failed(5.0 + REMINDER, "refused", "refused", 0.0)[1])

    def test_going_on(self) -> None:
        """One attempt after the other, each told, with its pause in between; the end of it is its cancelling."""
        clock, tried, told = Clock(), list[float](), list[tuple[str, str, float, bool]]()

        async def once() -> tuple[str, str]:
            tried.append(clock.seconds())
            return "refused", "x"

        attempts = ReconnectDelays(3.0, jitter=lambda: 0.0)
        going_on = attempts.keep_trying(once, lambda: True, lambda *what: told.append(what), clock)
        loop = Deferred.fromCoroutine(going_on)
        clock.pump([0.5, 1.0])
        self.assertEqual(tried, [0.0, 0.5, 1.5])
        self.assertEqual(told[:2], [("refused", "x", 0.5, True), ("refused", "x", 1.0, False)])
        loop.cancel()
        self.successResultOf(loop)
        clock.advance(60.0)
        self.assertEqual(len(tried), 3)

    def test_not_wanted_any_more(self) -> None:
        """An attempt that ends when it is not wanted any more is the last, and is not reported."""
        wanted, told = [True], list[object]()

        async def once() -> tuple[str, str]:
            wanted.clear()
            return "lost", "x"

        going_on = ReconnectDelays(3.0).keep_trying(
            once, lambda: bool(wanted), lambda *what: told.append(what), Clock()
        )
        self.successResultOf(Deferred.fromCoroutine(going_on))
        self.assertEqual(told, [])
