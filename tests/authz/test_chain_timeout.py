"""Waiting for an authorizer's answer, with a timeout."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.authz.chain import NoAnswer, explain, with_timeout


class Mute(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise ValueError("no text")


class WithinTests(SynchronousTestCase):
    """within"""

    def setUp(self) -> None:
        self.clock = Clock()

    def test_answer(self) -> None:
        """An answer in time is passed on, and no timer is left behind."""
        pending: Deferred[Any] = Deferred()
        outcome = with_timeout(pending, 5, self.clock)
        self.assertNoResult(outcome)
        self.clock.advance(4.9)
        pending.callback("yes")
        self.assertEqual(self.successResultOf(outcome), "yes")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_at_once(self) -> None:
        """An answer that is there already needs no timer at all."""
        self.assertEqual(self.successResultOf(with_timeout(succeed(1), 5, self.clock)), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_failed(self) -> None:
        """A failure becomes trouble with its reason; nothing is reported as unhandled. The other side's own
        cancellation is such a failure."""
        for error, reason in ((ValueError("broken"), "ValueError: broken"), (CancelledError(), "CancelledError: ")):
            outcome = with_timeout(fail(error), 5, self.clock)
            self.assertEqual(self.successResultOf(outcome), NoAnswer("failed", reason))

    def test_late(self) -> None:
        """Past its time an answer is cancelled; that it still comes, or fails, changes nothing."""
        for too_late in ("callback", "errback"):
            pending: Deferred[Any] = Deferred()
            outcome = with_timeout(pending, 5, self.clock)
            self.clock.advance(5)
            self.assertEqual(self.successResultOf(outcome), NoAnswer("late", "no answer within 5 s"))
            self.assertTrue(pending.called)
            getattr(pending, too_late)(RuntimeError("still here"))

    def test_late_and_stubborn(self) -> None:
        """An answer whose cancelling itself breaks, or says yes, is late all the same."""

        def explode(_: Deferred[Any]) -> None:
            raise RuntimeError("cannot be cancelled")

        for canceller in (explode, lambda pending: pending.callback("yes")):
            outcome = with_timeout(Deferred(canceller), 5, self.clock)
            self.clock.advance(5)
            self.assertEqual(self.successResultOf(outcome).code, "late")

    def test_withdrawn(self) -> None:
        """Who asked may lose interest: the other side is told, the timer is gone, and the question ends cancelled."""
        cancelled: list[object] = []

        def explode(pending: Deferred[Any]) -> None:
            cancelled.append(pending)
            raise RuntimeError("cannot be cancelled")

        for canceller in (cancelled.append, explode):
            pending: Deferred[Any] = Deferred(canceller)
            outcome = with_timeout(pending, 5, self.clock)
            outcome.cancel()
            self.failureResultOf(outcome, CancelledError)
            self.assertIs(cancelled.pop(), pending)
            self.assertEqual(self.clock.getDelayedCalls(), [])


class ExplainTests(SynchronousTestCase):
    """explain"""

    def test_explain(self) -> None:
        """An exception is told by type and text, or by its type alone where the text cannot be had."""
        self.assertEqual(explain(KeyError("x")), "KeyError: 'x'")
        self.assertEqual(explain(Mute()), "Mute")
