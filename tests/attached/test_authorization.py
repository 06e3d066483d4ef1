"""The procedure that a router calls to ask what a session may do."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.attached.authorization import MOST_AT_ONCE, Authorization, principal_of
from orosync.authz.chain import Chain
from orosync.authz.factory import oro_channels
from orosync.authz.topics import TopicRules
from orosync.model import Action, Decision, Verdict
from orosync.testing import RecordingJournal, ScriptedAuthorizer

BELIEVED = {("dynamic", "ticket")}
YES, NO = ({"allow": allow, "disclose": False, "cache": False} for allow in (True, False))
MAIL = "oro/email_event/1/1"


def session(number: int | None = 7, **changes: Any) -> dict[str, Any]:
    """Anna's, as Crossbar.io tells of it."""
    known = {"user_id": 1, "organizations": [1], "roles": ["ROLE_USER"], "x_cb_node": "a"}
    return {
        "session": number,
        "authid": "anna",
        "authrole": "user",
        "authmethod": "ticket",
        "authprovider": "dynamic",
        "authextra": known,
        "transport": {},
        **changes,
    }


class Answers(SynchronousTestCase):
    """authorization.Authorization, with Oro's channels."""

    def setUp(self) -> None:
        self.journal = RecordingJournal()
        self.scripted = ScriptedAuthorizer(Verdict.ABSTAIN)
        rules = TopicRules(oro_channels({"user": frozenset()}, {"backend": frozenset()}, "[topics:oro]"))
        self.chain = Chain([self.scripted, rules], self.journal, clock=Clock())
        self.authorization = Authorization(self.chain, BELIEVED, self.journal)

    def ask(self, uri: str, action: str = "subscribe", who: dict[str, Any] | None = None, **options: Any) -> Any:
        return self.authorization.answer(session() if who is None else who, uri, action, options)

    def test_topics(self) -> None:
        """One's own, and no other's; the answer always has its three keys, and is never to be cached."""
        self.assertEqual(self.ask(MAIL), YES)
        self.assertEqual(self.ask("oro/email_event/2/1"), NO)
        self.assertEqual(self.ask("oro/data/update", "publish", acknowledge=True), NO)
        publisher = session(authid="backend", authrole="backend", authextra={"user_id": None})
        self.assertEqual(self.ask("oro/data/update", "publish", publisher), YES)
        self.assertEqual([kind for _, kind, _ in self.journal.notes], ["denied", "denied"])
        self.assertEqual(self.journal.notes[0][0], "subscribe.refused")

    def test_patterns(self) -> None:
        """The match is judged too, and one that nobody knows is refused."""
        self.assertEqual(self.ask(MAIL, match="exact"), YES)
        for match in ("prefix", "wildcard", "regex", ["prefix"], 5):
            self.assertEqual(self.ask("oro/", match=match), NO, match)
        self.ask("oro/x", match="prefix")
        self.assertEqual(self.scripted.asked[-1][3].value, "prefix")

    def test_nobody_allows_it(self) -> None:
        """Calls, registrations and undeclared topics are refused unless somebody says otherwise."""
        for action in ("call", "register", "publish", "subscribe"):
            self.assertEqual(self.ask("com.example.x", action), NO)

    def test_disclose(self) -> None:
        """What a rule says of telling the other side goes along."""
        self.scripted.answers[Action.CALL, "com.x"] = Decision(Verdict.ALLOW, "x", disclose=True)
        self.assertEqual(self.ask("com.x", "call"), {"allow": True, "disclose": True, "cache": False})

    def test_what_a_client_makes_up(self) -> None:
        """What stands in authextra counts only where our authenticator has let the session in: a static login has there
        what the client wrote into HELLO, a cookie of Crossbar.io's what was there before."""
        for provider, method in [
            ("static", "ticket"),
            ("static", "anonymous"),
            ("cookie", "ticket"),
            ("dynamic", "wampcra"),
            (None, None),
            (["dynamic"], "ticket"),
            ({}, {}),
        ]:
            who = session(authprovider=provider, authmethod=method)
            self.assertEqual(self.ask(MAIL, who=who), NO, provider)
            self.assertEqual(self.ask("oro/data/update", who=who), YES, provider)

    def test_what_is_no_question(self) -> None:
        """Of another shape than the contract's: refused, and told."""
        whole = (session(), MAIL, "subscribe", {})
        for place, value in [
            (0, None),
            (0, []),
            (0, session(authid=None)),
            (0, session(authrole=5)),
            (0, session("7")),  # type: ignore[arg-type]
            (0, session(authextra={"user_id": True})),
            (0, session(authextra={"user_id": "1"})),
            (0, session(authextra={"user_id": 1, "organizations": 1})),
            (0, session(authextra={"user_id": 1, "organizations": ["1"]})),
            (0, session(authextra={"user_id": 1, "roles": [1]})),
            (0, session(authextra={"user_id": 1, "roles": "ROLE_USER"})),
            (1, 5),
            (2, "destroy"),
            (2, ["subscribe"]),
        ]:
            asked: list[Any] = list(whole)
            asked[place] = value
            self.assertEqual(self.authorization.answer(*asked), NO, value)
            self.assertEqual(self.journal.notes.pop()[:2], ("authorization.refused", "malformed"), value)
        self.assertEqual(self.authorization.answer(), NO)
        self.assertEqual(self.authorization.answer(session(), MAIL, "subscribe", None), YES)
        self.assertEqual(self.authorization.answer(session(None), MAIL, "subscribe", {}), YES)

    def test_a_broken_authorizer(self) -> None:
        """An error is a no, now or later."""
        self.scripted.answers[Action.CALL, "now"] = RuntimeError("boom")
        self.assertEqual(self.ask("now", "call"), NO)
        later: Deferred[Decision] = Deferred()
        self.scripted.answers[Action.CALL, "later"] = later
        answer = self.ask("later", "call")
        self.assertNoResult(answer)
        later.errback(RuntimeError("boom"))
        self.assertEqual(self.successResultOf(answer), NO)
        self.assertEqual([kind for event, kind, _ in self.journal.notes if event == "call.refused"], ["failed"] * 2)

    def test_order(self) -> None:
        """Answers to one session come in the order of its questions; another session does not wait."""
        first: Deferred[Decision] = Deferred()
        second: Deferred[Decision] = Deferred()
        self.scripted.answers[Action.PUBLISH, "one"], self.scripted.answers[Action.PUBLISH, "two"] = first, second
        given: list[str] = []
        for name in ("one", "two"):
            self.ask(name, "publish").addCallback(lambda answer, name=name: given.append(f"{name} {answer['allow']}"))
        self.ask("oro/data/update").addCallback(lambda _: given.append("three"))
        self.assertEqual(self.ask(MAIL, who=session(8)), YES)
        second.callback(Decision(Verdict.ALLOW))
        self.assertEqual(given, [])
        first.callback(Decision(Verdict.DENY))
        self.assertEqual(given, ["one False", "two True", "three"])
        self.assertEqual(self.ask("oro/data/update"), YES)
        self.assertEqual((self.authorization._last, self.authorization._outstanding), ({}, 0))

    def test_given_up(self) -> None:
        """A router that waits no more leaves nothing behind, and those behind are answered."""
        first: Deferred[Decision] = Deferred()
        self.scripted.answers[Action.PUBLISH, "one"] = first
        one, two = self.ask("one", "publish"), self.ask("oro/data/update")
        one.cancel()
        self.failureResultOf(one)
        first.callback(Decision(Verdict.ALLOW))
        self.assertEqual(self.successResultOf(two), YES)
        self.assertEqual(self.authorization._last, {})

    def test_too_many_at_once(self) -> None:
        """A bound on what may be outstanding; beyond it nobody waits, not behind the session's last question either."""
        self.scripted.answers[Action.PUBLISH, "one"] = Deferred()
        for _ in range(2):
            self.authorization._outstanding = MOST_AT_ONCE
            self.assertEqual(self.ask(MAIL), NO)
            self.assertEqual(self.journal.notes[-1][1], "failed")
            self.authorization._outstanding = 0
            self.ask("one", "publish")


class Principals(SynchronousTestCase):
    """authorization.principal_of."""

    def test_a_believed_session(self) -> None:
        """Everything that topic rules go by."""
        who = principal_of(session(), BELIEVED)
        self.assertEqual((who.authid, who.authrole, who.user_id), ("anna", "user", 1))
        self.assertEqual((who.organizations, who.roles), (frozenset({1}), frozenset({"ROLE_USER"})))
        self.assertEqual((who.authmethod, who.authprovider), ("ticket", "dynamic"))

    def test_a_component_of_the_router(self) -> None:
        """It has no login, and is judged by its role."""
        who = principal_of(session(authmethod=None, authprovider=None, authextra=None), BELIEVED)
        self.assertEqual((who.authmethod, who.user_id, who.roles), ("", None, frozenset()))
