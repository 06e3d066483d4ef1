"""A procedure decides: what it is asked, and what comes of each answer, in a chain as in service."""

from __future__ import annotations

from typing import Any
from weakref import ref

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from orosync.authz.chain import Chain
from orosync.authz.questions import session_details
from orosync.authz.remote import RemoteAuthorizer
from orosync.authz.rulings import RulingCache
from orosync.errors import CallFailed
from orosync.interfaces import IAuthorizer
from orosync.model import Action, Decision, Match, SessionFacts
from orosync.testing import AuthorizerContract, RecordingJournal, ScriptedCaller, connection_facts, principal

ANNA = principal(session=SessionFacts(1, connection_facts()))
MALLORY = principal("mallory", user_id=2, session=SessionFacts(2, connection_facts()))
CACHED = (([{"allow": True, "cache": True}]), {})


class RemoteCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.journal = RecordingJournal()
        self.caller = ScriptedCaller(([True], {}))
        self.build()

    def build(self, cache: RulingCache | None = None, timeout: float = 7.0) -> None:
        options: Any = {"registered_by": ["authorizer"], "timeout": timeout, "cache": cache}
        self.remote = RemoteAuthorizer("acl", lambda: self.caller, "com.decide", self.journal, **options)
        self.chain = Chain([self.remote], self.journal, clock=self.clock)

    def decide(self, who: Any = ANNA, action: Any = Action.SUBSCRIBE, uri: str = "a.b", **options: Any) -> Any:
        match = Match(options.get("match", "exact"))
        return self.chain.decide(who, action, uri, match, options)

    def decided(self, *args: Any, **options: Any) -> Decision:
        answer = self.decide(*args, **options)
        decision: Decision = self.successResultOf(answer) if isinstance(answer, Deferred) else answer
        return decision


class AnswerTests(RemoteCase):
    def test_what_is_asked(self) -> None:
        """Crossbar.io's four arguments, of callees with the right role alone."""
        verifyObject(IAuthorizer, self.remote)
        self.decided(ANNA, Action.REGISTER, "com.x", match="prefix", invoke="first")
        ((procedure, args, roles),) = self.caller.asked
        self.assertEqual(procedure, "com.decide")
        self.assertEqual(args, (session_details(ANNA), "com.x", "register", {"match": "prefix", "invoke": "first"}))
        self.assertEqual(roles, {"authorizer"})

    def test_session_of_another_principal(self) -> None:
        """When somebody's rights have changed, that is what is told from then on."""
        self.decided(ANNA)
        changed = attrs.evolve(ANNA, extra={"level": 2})
        self.decided(changed)
        self.assertEqual([args[0]["authextra"].get("level") for _, args, _ in self.caller.asked], [None, 2])

    def test_a_session_that_has_gone_is_forgotten(self) -> None:
        """Nothing of it is kept, with a cache or without."""
        for cache in (None, RulingCache(30.0, 100, self.clock)):
            self.build(cache)
            who = principal(session=SessionFacts(3, connection_facts()))
            gone = ref(who.session)
            self.decided(who)
            self.caller.asked.clear()
            self.assertIs(gone(), who.session)
            del who
            self.assertIsNone(gone())

    def test_yes_and_no(self) -> None:
        """A clear answer is the decision, with the rule that made it."""
        for answer, verdict, disclose in [
            (True, "allow", False),
            (False, "deny", False),
            ({"allow": True, "disclose": True}, "allow", True),
            ({"allow": False}, "deny", False),
        ]:
            self.caller.answer = ([answer], {})
            decision = self.decided()
            self.assertEqual((decision.verdict.value, decision.disclose, decision.failed), (verdict, disclose, False))
            self.assertEqual((decision.rule, decision.declared), (f"[authorizer:acl] com.decide: {verdict}", True))

    def test_no_answer(self) -> None:
        """An error, nobody there, a callee that left and nonsense all refuse, and the log says why."""
        for answer in [
            CallFailed("wamp.error.no_such_procedure"),
            CallFailed("wamp.error.canceled"),
            CallFailed("com.error.mine", ["I do not feel like it"]),
            (["yes"], {}),
            ([], {"allow": True}),
            ([{"allow": True, "more": 1}], {}),
        ]:
            self.caller.answer = answer
            decision = self.decided()
            self.assertEqual((decision.verdict.value, decision.failed), ("deny", True), answer)
        self.assertEqual(self.journal.counts["authorizer.failed", "failed"], 6)

    def test_late(self) -> None:
        """Nobody waits longer than the section says; the call is ended, and what comes then counts for nothing."""
        cancelled: list[Any] = []
        self.caller.answer = Deferred(cancelled.append)
        waiting = self.decide()
        self.clock.advance(6.9)
        self.assertNoResult(waiting)
        self.clock.advance(0.1)
        decision = self.successResultOf(waiting)
        self.assertEqual((decision.verdict.value, decision.failed), ("deny", True))
        self.assertEqual(len(cancelled), 1)
        self.assertEqual(self.journal.counts["authorizer.failed", "late"], 1)

    def test_not_about_itself(self) -> None:
        """Sessions that may answer are not asked about: they would wait for themselves."""
        decision = self.decided(principal(authrole="authorizer"))
        self.assertEqual((decision.verdict.value, decision.failed), ("deny", False))
        self.assertEqual(self.caller.asked, [])


class CacheTests(RemoteCase):
    def setUp(self) -> None:
        super().setUp()
        self.cache = RulingCache(30.0, 100, self.clock)
        self.build(self.cache)

    def test_only_when_both_say_so(self) -> None:
        """Without ``cache: true`` in the answer, and without the section's ``cache``, every question is asked."""
        for cache, answer, asked in [
            (self.cache, ([True], {}), 2),
            (self.cache, ([{"allow": True}], {}), 2),
            (self.cache, ([{"allow": True, "cache": False}], {}), 2),
            (None, CACHED, 2),
            (self.cache, CACHED, 1),
        ]:
            self.build(cache)
            self.caller.asked.clear()
            self.caller.answer = answer
            self.assertEqual([self.decided().verdict.value for _ in range(2)], ["allow", "allow"])
            self.assertEqual(len(self.caller.asked), asked, answer)

    def test_a_no_is_remembered_too(self) -> None:
        """As it was given, and at once."""
        self.caller.answer = ([{"allow": False, "cache": True}], {})
        first = self.decided()
        second = self.decide()
        self.assertIs(second, first)
        self.assertEqual(self.journal.counts["authorizer.cache", "hit"], 1)

    def test_nobody_gets_somebody_elses(self) -> None:
        """Alice's yes is no yes for Mallory, and his no does not take hers away, though their role is the same."""
        self.caller.answer = CACHED
        self.assertEqual(self.decided(ANNA).verdict.value, "allow")
        self.caller.answer = ([{"allow": False, "cache": True}], {})
        self.assertEqual(self.decided(MALLORY).verdict.value, "deny")
        self.assertEqual(self.decided(ANNA).verdict.value, "allow")
        self.assertEqual(len(self.caller.asked), 2)

    def test_another_question(self) -> None:
        """Another action, URI, match or option is asked about."""
        self.caller.answer = CACHED
        for question in [
            (ANNA, Action.SUBSCRIBE, "a.b"), (ANNA, Action.PUBLISH, "a.b"), (ANNA, Action.SUBSCRIBE, "a.c"),
        ]:  # fmt: skip
            self.decided(*question)
        self.decided(ANNA, Action.SUBSCRIBE, "a.b", match="prefix")
        self.decided(ANNA, Action.PUBLISH, "a.b", retain=True)
        self.assertEqual(len(self.caller.asked), 5)

    def test_failures_are_not_remembered(self) -> None:
        """What broke is asked again."""
        self.caller.answer = CallFailed("wamp.error.no_such_procedure")
        self.assertTrue(self.decided().failed)
        self.caller.answer = CACHED
        self.assertEqual(self.decided().verdict.value, "allow")

    def test_purge(self) -> None:
        """Everything is asked again, and an answer that was under way is not remembered."""
        self.caller.answer = CACHED
        self.decided()
        self.remote.purge()
        self.caller.answer = under_way = Deferred()
        waiting = self.decide()
        self.remote.purge()
        under_way.callback(([{"allow": True, "cache": True}], {}))
        self.assertEqual(self.successResultOf(waiting).verdict.value, "allow")
        self.assertEqual(len(self.cache), 0)

    def test_nothing_to_purge(self) -> None:
        """Without a cache a purge is nothing."""
        self.build(None)
        self.remote.purge()
        self.assertEqual(self.decided().verdict.value, "allow")


class Application(ScriptedCaller):
    """A procedure that knows what it may allow: what is in the shop, patterns of it too, to users."""

    def call(self, procedure: str, args: Any = (), *rest: Any, **options: Any) -> Any:
        session, uri, action, told = args
        inside = uri.startswith("shop.") and told.get("match") in (None, "prefix")
        allow = session["authrole"] == "user" and inside and action != "register"
        self.answer = ([{"allow": allow, "cache": True}], {})
        return super().call(procedure, args, *rest, **options)


class Contract(AuthorizerContract, TestCase):
    """With a procedure behind it that decides well, and answers that are remembered."""

    grants = ((ANNA, Action.SUBSCRIBE, "shop.orders"), (MALLORY, Action.CALL, "shop.count"))
    refusals = (
        (ANNA, Action.SUBSCRIBE, "desk.orders"),
        (ANNA, Action.REGISTER, "shop.count"),
        (principal("desk", authrole="authorizer"), Action.SUBSCRIBE, "shop.orders"),
        (principal("back end", authrole="backend"), Action.PUBLISH, "shop.orders"),
    )

    def make_authorizer(self) -> IAuthorizer:
        caller, journal = Application(), RecordingJournal()
        cache = RulingCache(30.0, 100, Clock())
        return RemoteAuthorizer("acl", lambda: caller, "com.decide", journal, registered_by=["authorizer"], cache=cache)
