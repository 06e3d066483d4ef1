"""What is there at once costs no Deferred, what is not is waited for; and how a denial is reported to the client."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Action, Decision, Verdict
from orosync.session.replies import at_once, refusal
from orosync.testing import RecordingJournal, principal
from orosync.wamp import uris


class AtOnceTests(SynchronousTestCase):
    @staticmethod
    async def total(*asked: Deferred[int]) -> int:
        return sum([await one for one in asked])

    def test_there(self) -> None:
        """Where all that is awaited is there, the result is no Deferred."""
        self.assertEqual(at_once(self.total(succeed(1), succeed(2))), 3)
        self.assertEqual(at_once(self.total()), 0)

    def test_raised(self) -> None:
        """What is raised before anything has to be waited for is raised at once."""
        failed: Deferred[int] = Deferred()
        failed.errback(KeyError("a"))
        self.assertRaises(KeyError, at_once, self.total(succeed(1), failed))

    def test_later(self) -> None:
        """One that has to wait goes on where it stopped, each time that a Deferred fires."""
        first, second = Deferred[int](), Deferred[int]()
        outcome: Any = at_once(self.total(succeed(1), first, succeed(4), second))
        self.assertNoResult(outcome)
        first.callback(2)
        self.assertNoResult(outcome)
        second.callback(8)
        self.assertEqual(self.successResultOf(outcome), 15)

    def test_fails_later(self) -> None:
        """What is awaited fails, and with it the result."""
        awaited = Deferred[int]()
        outcome: Any = at_once(self.total(awaited))
        awaited.errback(KeyError("a"))
        self.failureResultOf(outcome, KeyError)

    def test_cancelled(self) -> None:
        """Cancelling reaches what is awaited."""
        awaited = Deferred[int]()
        outcome: Any = at_once(self.total(succeed(1), awaited))
        outcome.cancel()
        self.failureResultOf(outcome, CancelledError)
        self.assertTrue(awaited.called)


class Refusing(SynchronousTestCase):
    def test_kinds(self) -> None:
        """The log has the rule and the kind; the client has one of two answers, and no rule."""
        for how, kind, uri in (
            ({}, "denied", uris.NOT_AUTHORIZED),
            ({"declared": False}, "undeclared", uris.NOT_AUTHORIZED),
            ({"failed": True}, "failed", uris.AUTHORIZATION_FAILED),
        ):
            journal = RecordingJournal()
            error = refusal(journal, principal("anna"), Action.CALL, "a.b", Decision(Verdict.DENY, "rule 7", **how))
            self.assertEqual((error.uri, error.message), (uri, "not allowed to call a.b"))
            ((event, noted, fields),) = journal.notes
            self.assertEqual(
                (event, noted, fields), ("call.refused", kind, {"user": "anna", "uri": "a.b", "rule": "rule 7"})
            )
