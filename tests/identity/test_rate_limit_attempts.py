"""The bookkeeping of attempts."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import Refused, Unavailable
from orosync.identity.rate_limit import FailedAttempts, FailureBuckets, wrong_method
from orosync.testing import RecordingJournal, connection_facts, principal


class Counting(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.journal = RecordingJournal()
        self.attempts = FailedAttempts("attempt", self.journal, self.clock, FailureBuckets(rate=1, burst=2))

    def attempt(self, outcome: object, address: str = "192.0.2.1") -> object:
        """One attempt that ends in ``outcome``; gives what it fired with, an exception too."""

        def verdict() -> object:
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        found: list[object] = []
        self.attempts.limited(connection_facts(address=address), verdict).addBoth(found.append)
        return getattr(found[0], "value", found[0])

    def test_outcomes(self) -> None:
        """Principals and refusals are counted; a challenge is no outcome yet."""
        anna, wrong = principal(), Refused("wrong", "it was wrong")
        for outcome in (anna, "a challenge", wrong):
            self.assertIs(self.attempt(outcome), outcome)
        self.assertEqual(dict(self.journal.counts), {("attempt", "accepted"): 1, ("attempt", "wrong"): 1})

    def test_too_many_failures(self) -> None:
        """An address that fails too often is not listened to for a while, whatever it says; others are."""
        for _ in range(2):
            self.attempt(Refused("wrong", "it was wrong"))
        refusal = self.attempt(principal())
        self.assertIsInstance(refusal, Unavailable)
        assert isinstance(refusal, Unavailable)
        self.assertEqual(refusal.code, "too_many_failures")
        self.assertIsNot(refusal, self.attempt(principal(), "192.0.2.2"))
        self.clock.advance(1)
        self.assertEqual(self.attempt(principal()), principal())

    def test_only_their_own_fault_counts(self) -> None:
        """Something that is down is no failure of the client."""
        for _ in range(5):
            self.attempt(Unavailable("down", "the directory is down"))
        self.assertEqual(self.attempt(principal()), principal())

    def test_a_fault_of_ours_is_not_a_refusal(self) -> None:
        """Any other exception is passed on."""
        with self.assertRaises(ZeroDivisionError):
            self.attempts.limited(connection_facts(), lambda: 1 // 0)

    def test_wrong_method(self) -> None:
        """The refusal names the method."""
        self.assertEqual(wrong_method("x", "quantum").code, "unknown_method")
        self.assertIn("quantum", wrong_method("x", "quantum").reason)
