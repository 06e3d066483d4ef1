"""wamp.subscription.get_events, as clients call it: frames in, frames out (P8)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from orosync.model import Action, Decision, Match, Verdict
from orosync.router.history import HistoryLimits
from orosync.router.realm import Realm
from tests.session import fixture
from tests.session.meta_case import MISSING, MetaCase

GET = "wamp.subscription.get_events"
NO = Decision(Verdict.DENY, "rule 7")


class HistoryCase(MetaCase):
    """``anna`` has published five times to what is kept."""

    def setUp(self) -> None:
        kept = [HistoryLimits(Match.PREFIX, "com.", 100, 10_000)]

        class KeepingRealm(Realm):
            def __init__(self, name: str, **how: Any) -> None:
                super().__init__(name, history=kept, **how)

        self.patch(fixture, "Realm", KeepingRealm)
        super().setUp()
        self.fixture.clock.advance(1)
        for number in range(5):
            self.anna.say([16, number + 1, {}, f"com.t{number % 2}", [number], {"n": number}])
        (self.number,) = self.call("wamp.subscription.lookup", "com.", {"match": "prefix"})

    def got(self, *args: Any, **options: Any) -> list[int]:
        return [event["args"][0] for event in self.call(GET, *args, **options)]

    def test_events(self) -> None:
        """The events are the arguments of the RESULT, whole and in order."""
        first = self.call(GET, self.number)[0]
        self.assertEqual(first.pop("publication") > 0, True)
        told = {"subscription": self.number, "timestamp": "1970-01-01T00:00:01.000Z"}
        self.assertEqual(first, {**told, "details": {"topic": "com.t0"}, "args": [0], "kwargs": {"n": 0}})
        self.assertEqual(self.got(self.number), [0, 1, 2, 3, 4])
        self.assertEqual(self.got(float(self.number), limit=2, reverse=True, topic="com.t0"), [4, 2])
        self.assertEqual(self.got(self.number, after_time="1970-01-01T00:00:01Z"), [])

    def test_more(self) -> None:
        """Where one answer does not have all, it says so."""
        answer = self.reply(self.admin, GET, self.number, limit=4)
        self.assertEqual((len(answer[3]), answer[4:]), (4, [{"is_limit_reached": True}]))
        self.assertEqual(self.reply(self.admin, GET, self.number, limit=5)[4:], [])

    def test_errors(self) -> None:
        """Unknown subscriptions and bad arguments."""
        self.assertEqual(self.refused(GET, MISSING), "no_such_subscription")
        self.bad(GET, (), ("x",), (None,))
        for option in ({"limit": 0}, {"reverse": 1}, {"from_time": "soon"}, {"topic": 7}, {"after_publication": "x"}):
            self.assertEqual(self.refused(GET, self.number, **option), "invalid_argument", option)

    def test_without_history(self) -> None:
        """A subscription of which nothing is kept has no events, and gives no arguments."""
        self.assertEqual(self.call(GET, self.subscribed(self.ben, "org.x")), [])

    def test_rights(self) -> None:
        """Who may not subscribe may not read what it would have heard, though it may call the procedure."""
        self.fixture.authorizer.answers[Action.SUBSCRIBE, "com."] = NO
        self.assertEqual(self.refused(GET, self.number), "not_authorized")
        self.assertEqual(self.fixture.authorizer.asked[-1], ("admin", Action.SUBSCRIBE, "com.", Match.PREFIX))

    def test_rights_later(self) -> None:
        """An authorizer that takes its time delays the answer."""
        later: Deferred[Decision] = Deferred()
        self.fixture.authorizer.answers[Action.SUBSCRIBE, "com."] = later
        self.assertEqual(self.admin.ask([48, 9, {}, GET, [self.number], {"limit": 1}]), [])
        later.callback(Decision(Verdict.ALLOW))
        ((code, request, _, events, _),) = self.admin.heard()
        self.assertEqual((code, request, events[0]["args"]), (50, 9, [0]))

    def test_announced(self) -> None:
        """event_history is announced where something is kept, and nowhere else."""
        (welcome,) = self.fixture.v2(join=False).ask([1, "oro", {"roles": {"caller": {}}}])
        self.assertIs(welcome[2]["roles"]["broker"]["features"]["event_history"], True)
        self.assertIn("event_retention", welcome[2]["roles"]["broker"]["features"])
        self.patch(fixture, "Realm", Realm)
        (welcome,) = fixture.RealmFixture().v2(join=False).ask([1, "oro", {"roles": {"caller": {}}}])
        self.assertNotIn("event_history", welcome[2]["roles"]["broker"]["features"])

    def test_what_cannot_be_told(self) -> None:
        """An event that no serializer carries as part of a list does not cost the others."""
        binary = self.enter("bin")
        binary.say([16, 1, {}, "com.bin", ["\0AAEC"]])
        self.assertEqual(self.got(self.number)[-2:], [4, "\0AAEC"])
