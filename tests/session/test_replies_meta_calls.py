"""Calls of WAMP's own procedures that are answered when a decision is there."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.model import Decision, Principal, Verdict
from orosync.router.deliveries import Member
from orosync.router.meta_call import MetaCall
from orosync.session.dispatch import Dispatcher
from orosync.session.replies import MOST, answer_when_decided
from orosync.testing import RecordingJournal
from orosync.wamp import uris
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

        answer_when_decided(self.call, self.decision, then, Dispatcher(RecordingJournal()))
        self.assertEqual(self.told, [])
        self.decision.callback(Decision(Verdict.ALLOW))

    def test_result(self) -> None:
        """What it is made of becomes a RESULT."""
        self.ask(["x"])
        self.assertEqual(self.told, [([50, 7, {}], ["x"])])

    def test_error(self) -> None:
        """A refusal becomes an ERROR."""
        self.ask(RequestError(uris.NOT_AUTHORIZED, "no"))
        self.assertEqual(self.told, [([8, 48, 7, {}, uris.NOT_AUTHORIZED], ["no"])])

    def test_fault(self) -> None:
        """A fault of ours is logged and costs nobody else anything."""
        self.ask(ZeroDivisionError())
        self.assertEqual(self.told, [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_bound(self) -> None:
        """A session waits for so many at a time; one more is refused and not decided. What is settled makes room."""
        dispatcher = Dispatcher(RecordingJournal())
        decisions: list[Deferred[Decision]] = [Deferred() for _ in range(MOST + 3)]
        for decision in decisions[:MOST]:
            answer_when_decided(self.call, decision, lambda _: [], dispatcher)
        gone: list[object] = []
        decisions[MOST] = Deferred(gone.append)
        error = self.assertRaises(
            RequestError, answer_when_decided, self.call, decisions[MOST], lambda _: [], dispatcher
        )
        self.assertEqual((error.uri, len(gone)), (uris.UNAVAILABLE, 1))
        other = MetaCall(Member(2, self.call.caller.principal, tell=self.tell), 1, None)
        answer_when_decided(other, decisions[MOST + 1], lambda _: [], dispatcher)
        decisions[0].callback(Decision(Verdict.ALLOW))
        decisions[1].cancel()
        self.flushLoggedErrors()
        answer_when_decided(self.call, decisions[MOST + 2], lambda _: [], dispatcher)
        for decision in decisions:
            if not decision.called:
                decision.callback(Decision(Verdict.ALLOW))
        self.assertEqual(dispatcher.awaited, {})
