"""What stands in front of every store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from orosync.errors import Refused, Unavailable
from orosync.identity.single_flight import SessionLookups
from orosync.interfaces import ISessionStore
from orosync.model import AdminSession
from orosync.testing import RecordingJournal

ANNA = AdminSession("anna", 7)
ID = "a" * 26


@implementer(ISessionStore)
class Inner:
    """Answers from a list of answers, one for each look-up; ``asked`` are the ids."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[], Deferred[AdminSession | None]] = lambda: succeed(ANNA)

    def find(self, session_id: str) -> Deferred[AdminSession | None]:
        self.asked.append(session_id)
        return self.answer()


class Lookups(SynchronousTestCase):
    """One look-up for each session at a time, and no waiting for what is down."""

    def setUp(self) -> None:
        self.inner, self.journal, self.clock = Inner(), RecordingJournal(), Clock()
        self.store = SessionLookups("web", self.inner, self.journal, self.clock, at_once=2)
        verifyObject(ISessionStore, self.store)

    def held(self) -> list[Deferred[Any]]:
        """Answers that are still to come."""
        answers: list[Deferred[Any]] = []

        def answer() -> Deferred[Any]:
            answers.append(Deferred())
            return answers[-1]

        self.inner.answer = answer
        return answers

    def test_single_flight(self) -> None:
        """Ten tabs with one cookie are one look-up, and each gets the answer."""
        answers = self.held()
        waiting = [self.store.find(ID) for _ in range(10)]
        self.assertEqual(self.inner.asked, [ID])
        answers[0].callback(ANNA)
        self.assertEqual([self.successResultOf(one) for one in waiting], [ANNA] * 10)

    def test_nothing_is_kept(self) -> None:
        """A user who logs out is logged out at the next look-up."""
        self.assertEqual(self.successResultOf(self.store.find(ID)), ANNA)
        self.inner.answer = lambda: succeed(None)
        self.assertIsNone(self.successResultOf(self.store.find(ID)))
        self.assertEqual(len(self.inner.asked), 2)

    def test_few_at_once(self) -> None:
        """A third session waits until one of the first two is answered."""
        answers = self.held()
        for letter in "abc":
            self.store.find(letter * 26)
        self.assertEqual(len(answers), 2)
        answers[0].callback(None)
        self.assertEqual(len(answers), 3)

    def test_refusals_are_answers(self) -> None:
        """That one session cannot be read affects no other; every caller gets a refusal of its own."""
        answers = self.held()
        waiting = [self.store.find(ID) for _ in range(2)]
        answers[0].errback(Refused("malformed_session", "it is cut"))
        refusals = [self.failureResultOf(one, Refused).value for one in waiting]
        self.assertEqual([(one.code, one.reason) for one in refusals], [("malformed_session", "it is cut")] * 2)
        self.assertIsNot(*refusals)
        self.inner.answer = lambda: succeed(ANNA)
        self.assertEqual(self.successResultOf(self.store.find(ID)), ANNA)
        self.assertEqual(self.journal.notes, [])

    def test_what_is_no_id(self) -> None:
        """It never reaches the store."""
        refused = self.failureResultOf(self.store.find("../../etc/passwd/aaaaaaaaa"), Refused)
        self.assertEqual((refused.value.code, self.inner.asked), ("malformed_session", []))

    def test_down(self) -> None:
        """While the store is down it is asked now and then; it is told once that it is, and once that it is back."""
        self.inner.answer = lambda: fail(Unavailable("sessions_down", "[sessions:web] gone"))
        self.failureResultOf(self.store.find(ID), Unavailable)
        refused = self.failureResultOf(self.store.find(ID), Unavailable).value
        self.assertEqual((refused.code, len(self.inner.asked)), ("sessions_down", 1))
        self.clock.advance(0.3)
        self.inner.answer = lambda: succeed(ANNA)
        self.assertEqual(self.successResultOf(self.store.find(ID)), ANNA)
        self.assertEqual(set(self.journal.counts), {("sessions", "down"), ("sessions", "recovered")})
        self.assertEqual(self.journal.notes[0][2]["reason"], "[sessions:web] gone")

    def test_whether_it_prolongs(self) -> None:
        """Who checks again and again can see which stores count that as a visit."""
        self.assertFalse(self.store.prolongs)
        exchange = SessionLookups("web", self.inner, self.journal, self.clock, at_once=2, prolongs=True)
        self.assertTrue(exchange.prolongs)
