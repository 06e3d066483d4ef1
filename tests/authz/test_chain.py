"""The one place where leave is given or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from orosync.authz.chain import Chain
from orosync.authz.channels import Channel
from orosync.authz.factory import ORO_CHANNELS
from orosync.authz.roles import Permission, RolePermissions
from orosync.authz.topics import TopicRules
from orosync.interfaces import IAuthorizer
from orosync.model import Action, Decision, Match, Principal, Verdict
from orosync.testing import RecordingJournal, principal

ALLOW = Decision(Verdict.ALLOW, "yes", disclose=True)
DENY = Decision(Verdict.DENY, "no")
ABSTAIN = Decision(Verdict.ABSTAIN, "no idea", declared=False)
KNOWN = Decision(Verdict.ABSTAIN, "known, but no word on it")


@implementer(IAuthorizer)
class Says:
    """Answers whatever it was given; an exception is raised."""

    def __init__(self, answer: Any, name: str = "says") -> None:
        self.answer = answer
        self.name = name
        self.asked = 0

    def authorize(
        self, principal: Principal, action: Action, uri: str, match: Match, options: Mapping[str, Any]
    ) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class ChainTests(SynchronousTestCase):
    """Chain.decide"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.journal = RecordingJournal()

    def decide(self, *authorizers: IAuthorizer, uri: str = "a.b", match: Match = Match.EXACT) -> Any:
        chain = Chain(authorizers, self.journal, 5.0, clock=self.clock)
        return chain.decide(principal(), Action.SUBSCRIBE, uri, match, {})

    def test_first_word_counts(self) -> None:
        """The first authorizer with an opinion decides, at once and as it said; no later one is asked."""
        for answer in (ALLOW, DENY):
            behind = Says(ALLOW)
            self.assertIs(self.decide(Says(ABSTAIN), Says(answer), behind), answer)
            self.assertEqual(behind.asked, 0)

    def test_nobodys_word(self) -> None:
        """A request that no authorizer allows is denied; it is undeclared only where none knew the URI."""
        for answers, declared in (((), False), ((ABSTAIN, ABSTAIN), False), ((ABSTAIN, KNOWN, ABSTAIN), True)):
            decision = self.decide(*map(Says, answers))
            self.assertEqual((decision.verdict, decision.declared), (Verdict.DENY, declared))
            self.assertEqual(decision.rule, 'subscribe "a.b": no authorizer allows it, so it is denied')
            self.assertFalse(decision.failed)
        self.assertEqual(self.journal.notes, [])

    def test_nobodys_word_on_a_pattern(self) -> None:
        """The sentence says that a pattern was asked for, and does not repeat endless URIs."""
        self.assertEqual(
            self.decide(uri="a.", match=Match.PREFIX).rule,
            'subscribe "a." (prefix): no authorizer allows it, so it is denied',
        )
        self.assertLess(len(self.decide(uri="a" * 60_000).rule), 300)

    def test_broken_authorizer(self) -> None:
        """An authorizer that raises, fails or answers nonsense is a refusal, noted with its name and trouble."""
        for answer, code, reason in (
            (RuntimeError("down"), "raised", "RuntimeError: down"),
            (fail(RuntimeError("down")), "failed", "RuntimeError: down"),
            (True, "nonsense", "answered with bool, not with a decision"),
            (None, "nonsense", "answered with NoneType, not with a decision"),
            (Verdict.ALLOW, "nonsense", "answered with Verdict, not with a decision"),
            (Decision("allow"), "nonsense", "answered with Decision, not with a decision"),  # type: ignore[arg-type]
            (succeed(1), "nonsense", "answered with int, not with a decision"),
            (succeed(Decision("allow")), "nonsense", "answered with Decision, not with a decision"),  # type: ignore[arg-type]
        ):
            self.journal.notes.clear()
            behind = Says(ALLOW)
            decision = self.decide(Says(ABSTAIN), Says(answer, "remote"), behind)
            if isinstance(decision, Deferred):
                decision = self.successResultOf(decision)
            self.assertEqual((decision.verdict, decision.failed, behind.asked), (Verdict.DENY, True, 0))
            self.assertEqual(decision.rule, f'authorizer "remote" gave no answer ({code}), so it is denied')
            self.assertEqual(
                self.journal.notes, [("authorizer.failed", code, {"authorizer": "remote", "reason": reason})]
            )

    def test_later_answers(self) -> None:
        """An authorizer may answer later; its word, or if it has none the words behind it, count just the same."""
        for answers, expected in (
            ((ALLOW,), "yes"),
            ((DENY, ALLOW), "no"),
            ((ABSTAIN, ALLOW), "yes"),
            ((ABSTAIN, ABSTAIN), 'subscribe "a.b": no authorizer allows it, so it is denied'),
        ):
            pending: list[Deferred[Any]] = [Deferred() for _ in answers]
            decision = self.decide(Says(ABSTAIN), *map(Says, pending), Says(ABSTAIN))
            for each, answer in zip(pending, answers, strict=True):
                self.assertNoResult(decision)
                each.callback(answer)
                if answer is not ABSTAIN:
                    break
            self.assertEqual(self.successResultOf(decision).rule, expected)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_later_known(self) -> None:
        """That an authorizer knew the URI is kept, whether it answered at once or later."""
        for answers in ((KNOWN, succeed(ABSTAIN)), (succeed(KNOWN), ABSTAIN), (succeed(ABSTAIN), succeed(KNOWN))):
            decision = self.successResultOf(self.decide(*map(Says, answers)))
            self.assertEqual((decision.verdict, decision.declared), (Verdict.DENY, True))

    def test_late(self) -> None:
        """An authorizer that does not answer in time has refused; its late yes changes nothing. Each of two slow ones
        has its own time."""
        slow: Deferred[Any] = Deferred()
        stuck: Deferred[Any] = Deferred(lambda pending: pending.callback(ALLOW))
        decision = self.decide(Says(slow, "slow"), Says(stuck, "stuck"))
        self.clock.advance(4)
        slow.callback(ABSTAIN)
        self.clock.advance(4)
        self.assertNoResult(decision)
        self.clock.advance(1)
        settled = self.successResultOf(decision)
        self.assertEqual((settled.verdict, settled.failed), (Verdict.DENY, True))
        self.assertEqual(settled.rule, 'authorizer "stuck" gave no answer (late), so it is denied')
        self.assertEqual(
            self.journal.notes,
            [("authorizer.failed", "late", {"authorizer": "stuck", "reason": "no answer within 5 s"})],
        )

    def test_coroutine(self) -> None:
        """An authorizer written with ``async def`` is as good, whatever becomes of it."""
        behind = Says(ALLOW)
        for outcome, decided in ((ALLOW, ALLOW), (ABSTAIN, ALLOW), (ValueError("no"), None), ("yes", None)):

            async def answer(outcome: Any = outcome) -> Any:
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

            decision = self.successResultOf(self.decide(Says(answer()), behind))
            self.assertIs(decision if decided else None, decided)
            self.assertIs(decision.failed, decided is None)

    def test_own_patience(self) -> None:
        """One that says how long it may take is waited for so long, and no other one is."""
        patient = Says(Deferred())
        patient.timeout = 60.0  # type: ignore[attr-defined]
        decision = self.decide(patient)
        self.clock.advance(59)
        self.assertNoResult(decision)
        self.clock.advance(1)
        self.assertTrue(self.successResultOf(decision).failed)
        for meant_otherwise in (None, "5s", True, 0, -1.0):
            other = Says(Deferred())
            other.timeout = meant_otherwise  # type: ignore[attr-defined]
            decision = self.decide(other)
            self.clock.advance(5)
            self.assertTrue(self.successResultOf(decision).failed)

    def test_replaced_meanwhile(self) -> None:
        """What an authorizer still has to say when others have taken its place counts no more: these are asked."""
        for late in (ALLOW, DENY, ABSTAIN):
            pending: Deferred[Decision] = Deferred()
            chain = Chain([Says(pending)], self.journal, 5.0, clock=self.clock)
            decision = chain.decide(principal(), Action.SUBSCRIBE, "a.b", Match.EXACT, {})
            new = Says(ABSTAIN), Says(DENY, "new")
            chain.replace(new)
            pending.callback(late)
            self.assertIs(self.successResultOf(decision), DENY)
            self.assertEqual([one.asked for one in new], [1, 1])

    def test_still_the_same(self) -> None:
        """A later answer about a user whose rights have changed meanwhile is dropped, and the chain is asked again."""

        class Member:
            principal = principal()

        first, second, asked = Deferred[Decision](), Deferred[Decision](), list[Any]()

        def authorize(who: Principal, *rest: Any) -> Any:
            asked.append(who)
            return [first, second, DENY][len(asked) - 1]

        chain = Chain([Says(None)], self.journal, clock=self.clock)
        chain._authorizers = (chain._authorizers[0]._replace(authorize=authorize),)
        question = Action.SUBSCRIBE, "a.b", Match.EXACT, dict[str, Any]()
        decision = chain.decide(Member.principal, *question)
        assert isinstance(decision, Deferred)
        still = Deferred.fromCoroutine(chain.still(Member(), decision, *question))
        for later in (first, second):
            Member.principal = principal()
            self.assertNoResult(still)
            later.callback(ALLOW)
        self.assertIs(self.successResultOf(still), DENY)
        self.assertEqual(len({id(who) for who in asked}), 3)

    def test_needs(self) -> None:
        """The chain says whether any of its authorizers needs to know the session."""
        chain = Chain([Says(ALLOW)], self.journal, clock=self.clock)
        self.assertFalse(chain.sessions)
        curious = Says(ALLOW)
        curious.sessions = True  # type: ignore[attr-defined]
        chain.replace([Says(ALLOW), curious])
        self.assertTrue(chain.sessions)

    def test_client_gone(self) -> None:
        """When the client is gone meanwhile, the authorizer's work is cancelled and no failure is logged."""
        for earlier in ((), (Says(succeed(ABSTAIN)),)):
            cancelled: list[object] = []
            pending: Deferred[Any] = Deferred(cancelled.append)
            decision = self.decide(*earlier, Says(pending), Says(ALLOW))
            decision.cancel()
            self.failureResultOf(decision, CancelledError)
            self.assertEqual(cancelled, [pending])
            self.assertEqual((self.journal.notes, self.clock.getDelayedCalls()), ([], []))

    def test_nameless(self) -> None:
        """An authorizer without a name is called by its class."""
        nameless = Says(RuntimeError())
        del nameless.name
        self.assertIn('"Says"', self.decide(nameless).rule)

    def test_oro_in_front_of_permissions(self) -> None:
        """Broad permissions behind Oro's channels open other topics, never Oro's: not by name, not by pattern."""
        chain = Chain(
            [
                TopicRules(ORO_CHANNELS),
                RolePermissions({"user": [Permission("", Match.PREFIX, frozenset(Action))]}),
            ],
            self.journal,
            clock=self.clock,
        )
        for action, uri, match, expected in (
            (Action.SUBSCRIBE, "com.shop.sold", Match.EXACT, Verdict.ALLOW),
            (Action.SUBSCRIBE, "com.shop.", Match.PREFIX, Verdict.ALLOW),
            (Action.PUBLISH, "com.shop.sold", Match.EXACT, Verdict.ALLOW),
            (Action.CALL, "oro/ping", Match.EXACT, Verdict.ALLOW),
            (Action.PUBLISH, "oro/data/update", Match.EXACT, Verdict.DENY),
            (Action.SUBSCRIBE, "oro/email_event/2/1", Match.EXACT, Verdict.DENY),
            (Action.SUBSCRIBE, "oro/email", Match.PREFIX, Verdict.DENY),
            (Action.SUBSCRIBE, "", Match.PREFIX, Verdict.DENY),
            (Action.SUBSCRIBE, "", Match.WILDCARD, Verdict.DENY),
        ):
            decision = chain.decide(principal(), action, uri, match, {})
            assert isinstance(decision, Decision)
            self.assertIs(decision.verdict, expected, (action, uri, match))

    def test_retained_topics(self) -> None:
        """Which topics are retained is for channels to say; who decides with them when others take over is told."""
        kept = TopicRules([Channel("oro/state", {}, retained=True), Channel("oro/other", {})])
        chain = Chain([Says(ALLOW), kept], self.journal, clock=self.clock)
        self.assertTrue(chain.retains)
        self.assertEqual([chain.retained(topic) for topic in ("oro/state", "oro/other", "x")], [True, False, False])
        told: list[bool] = []
        chain.on_replaced = lambda: told.append(chain.retains)
        chain.replace([Says(ALLOW), TopicRules(ORO_CHANNELS)])
        self.assertEqual((told, chain.retained("oro/state")), ([False], False))
