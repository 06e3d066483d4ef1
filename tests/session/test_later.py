"""Answers that come later."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.model import Decision, Principal, Verdict
from orosync.router.delivery import Member
from orosync.router.meta_call import MetaCall
from orosync.session.later import answered_later
from orosync.session.post import PostOffice
from orosync.testing import RecordingJournal
from orosync.wamp import names
from orosync.wamp.messages import Message
from orosync.wamp.payload import Payload


class Answering(SynchronousTestCase):
    def setUp(self) -> None:
        self.told: list[tuple[list[object], object]] = []
        principal = Principal("anna", "user", "ticket", "oro")
        self.call = MetaCall(Member(1, principal, tell=self.tell), 7, None)
        self.decision: Deferred[Decision] = Deferred()
        self.answers: list[object] = []

    def tell(self, message: Message, payload: Payload | None) -> None:
        self.told.append((message.head(), None if payload is None else payload.values()[0]))

    def ask(self, answer: list[object] | Exception) -> None:
        def then(decision: Decision) -> list[object]:
            if isinstance(answer, Exception):
                raise answer
            return answer

        answered_later(self.call, self.decision, then, PostOffice(RecordingJournal()))
        self.assertEqual(self.told, [])
        self.decision.callback(Decision(Verdict.ALLOW))

    def test_result(self) -> None:
        """What it is made of becomes a RESULT."""
        self.ask(["x"])
        self.assertEqual(self.told, [([50, 7, {}], ["x"])])

    def test_error(self) -> None:
        """A refusal becomes an ERROR."""
        self.ask(RequestError(names.NOT_AUTHORIZED, "no"))
        self.assertEqual(self.told, [([8, 48, 7, {}, names.NOT_AUTHORIZED], ["no"])])

    def test_fault(self) -> None:
        """A fault of ours is logged and costs nobody else anything."""
        self.ask(ZeroDivisionError())
        self.assertEqual(self.told, [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
