"""Histories: what is kept, for how long, and who reads it (P8)."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Match
from orosync.router import history
from orosync.router.filters import Filters
from orosync.router.history import HistoryLimits, Recorder
from orosync.router.queries import Query
from orosync.router.realm import Realm
from orosync.wamp.payload import Payload
from tests.router.members import member


class HistoryCase(SynchronousTestCase):
    """A realm that keeps what is published to a topic, a prefix and a wildcard pattern."""

    KEPT = (
        HistoryLimits(Match.EXACT, "a.b", 3, 10_000),
        HistoryLimits(Match.PREFIX, "a.", 100, 200),
        HistoryLimits(Match.WILDCARD, ".c", 100, 10_000, age=60.0),
    )

    def setUp(self) -> None:
        self.time, self.set = 1000.0, 0.0  # passed so far, and by how much the time of day was set
        self.realm = Realm("oro", now=lambda: self.time + self.set, seconds=lambda: self.time, history=self.KEPT)
        self.broker = self.realm.broker
        self.broker.recorder = Recorder(self.realm.retention, lambda topic: False, self.realm.history)
        self.peter, self.anna = member(1, "peter", "backend"), member(2, "anna")
        for each in (self.peter, self.anna):
            self.realm.join(each)

    def publish(self, topic: str, *args: Any, **how: Any) -> int:
        return self.broker.publish(topic, Payload.of(args), self.peter, **how)[0]

    def read(self, pattern: str, match: Match = Match.EXACT, by: Any = None, **options: Any) -> list[dict[str, Any]]:
        subscription = self.broker.lookup(pattern, match)
        assert subscription is not None
        events, self.more = self.realm.history.read(subscription, by or self.anna, Query.of(options))
        return events

    def values(self, pattern: str, match: Match = Match.EXACT, by: Any = None, **options: Any) -> list[Any]:
        return [event["args"][0] for event in self.read(pattern, match, by, **options)]


class Keeping(HistoryCase):
    """P8: what happened, in the order in which it happened."""

    def test_by_subscription(self) -> None:
        """Each subscription has what would have reached it, also while nobody is subscribed."""
        for position, topic in enumerate(["a.b", "a.c", "b.c", "a.b", "c"]):
            self.publish(topic, position)
        self.assertEqual(self.values("a.b"), [0, 3])
        self.assertEqual(self.values("a.", Match.PREFIX), [0, 1, 3])
        self.assertEqual(self.values(".c", Match.WILDCARD), [1, 2])

    def test_form(self) -> None:
        """An event has timestamp, subscription, publication and details, and the arguments that it had."""
        number = self.broker.publish(
            "a.c", Payload.of([1], {"k": 2}), self.peter, disclose=True, extra_details={"t": 1}
        )[0]
        bare = self.broker.publish("a.c", None, self.peter)[0]
        first, second = self.read("a.", Match.PREFIX)
        subscription = self.broker.lookup("a.", Match.PREFIX)
        assert subscription is not None
        identity = {"publisher": self.peter.session, "publisher_authid": "peter", "publisher_authrole": "backend"}
        common = {"timestamp": "1970-01-01T00:16:40.000Z", "subscription": subscription.id}
        details = {**identity, "t": 1, "topic": "a.c"}
        whole = {**common, "publication": number, "details": details, "args": [1], "kwargs": {"k": 2}}
        self.assertEqual(first, whole)
        self.assertEqual(second, {**common, "publication": bare, "details": {"topic": "a.c"}})

    def test_the_same_id(self) -> None:
        """Who subscribes gets the subscription that the history belongs to, as often as all have left it."""
        kept = self.broker.lookup("a.b")
        for _ in range(2):
            subscription = self.broker.subscribe(self.anna, "a.b")[0]
            self.assertIs(subscription, kept)
            self.publish("a.b", 1)
            self.broker.unsubscribe(self.anna, subscription.id)
        self.broker.subscribe(self.anna, "a.b")
        self.realm.leave(self.anna)
        self.assertIs(self.broker.lookup("a.b"), kept)
        self.assertEqual(self.publish("a.b", 2) > 0, True)
        self.assertEqual(self.values("a.b"), [1, 1, 2])

    def test_what_is_not_kept(self) -> None:
        """Events for certain sessions are nobody's later; WAMP's own topics have no history."""
        for lists in ({"exclude": []}, {"exclude": [5]}, {"eligible": [5]}, {"eligible": []}):
            self.publish("a.b", 0, filters=Filters(**{name: frozenset(value) for name, value in lists.items()}))
        self.assertEqual(self.read("a.b"), [])
        realm = Realm("x", history=[HistoryLimits(Match.PREFIX, "w", 10, 1000)])
        realm.broker.recorder = Recorder(realm.retention, lambda topic: False, realm.history)
        realm.broker.publish("wamp.session.on_join", Payload.of([1]))
        realm.broker.publish("wide", Payload.of([1]))
        subscription = realm.broker.lookup("w", Match.PREFIX)
        assert subscription is not None
        self.assertEqual(len(realm.history.read(subscription, self.anna, Query())[0]), 1)

    def test_of_the_router(self) -> None:
        """What orosync itself publishes is kept like anybody's."""
        self.broker.publish("a.b", Payload.of(["notice"]))
        self.assertEqual(self.values("a.b"), ["notice"])

    def test_nothing_kept(self) -> None:
        """A subscription without a history has had no events to tell."""
        subscription = self.broker.subscribe(self.anna, "x")[0]
        self.publish("x", 1)
        self.assertEqual(self.realm.history.read(subscription, self.anna, Query()), ([], False))


class Bounds(HistoryCase):
    """The oldest goes first."""

    def test_events(self) -> None:
        """So many events."""
        for position in range(5):
            self.publish("a.b", position)
        self.assertEqual(self.values("a.b"), [2, 3, 4])

    def test_bytes(self) -> None:
        """So many bytes of topics and arguments; one that is larger than all is not kept."""
        for position in range(5):
            self.publish("a.x", position, "x" * 50)
        self.assertEqual(self.values("a.", Match.PREFIX), [2, 3, 4])
        self.publish("a.x", 5, "x" * 500)
        self.assertEqual(self.values("a.", Match.PREFIX), [])

    def test_age(self) -> None:
        """None older than that, whether new ones come or not."""
        self.publish("b.c", 1)
        self.time += 30
        self.publish("b.c", 2)
        self.time += 30
        self.assertEqual(self.values(".c", Match.WILDCARD), [1, 2])
        self.time += 0.002
        self.assertEqual(self.values(".c", Match.WILDCARD), [2])
        self.time += 60
        self.publish("b.c", 3)
        self.assertEqual(self.values(".c", Match.WILDCARD), [3])

    def test_clock_set(self) -> None:
        """An event is as old as the time that has passed; its timestamp says what the time of day was."""
        self.publish("b.c", 1)
        self.set = 600.0
        self.publish("b.c", 2)
        self.set = -600.0
        self.publish("b.c", 3)
        self.assertEqual(self.values(".c", Match.WILDCARD), [1, 2, 3])
        stamps = [event["timestamp"] for event in self.read(".c", Match.WILDCARD)]
        self.assertEqual([stamp[11:19] for stamp in stamps], ["00:16:40", "00:26:40", "00:06:40"])
        self.time += 60.002
        self.assertEqual(self.values(".c", Match.WILDCARD), [])


class Reading(HistoryCase):
    """Asking for some of it."""

    def setUp(self) -> None:
        super().setUp()
        self.numbers = []
        for position in range(6):
            self.time += 1
            self.numbers.append(self.publish(f"{position % 3}.c", position))

    def test_limit_and_direction(self) -> None:
        """In order of occurrence, or from the newest back; so many at most, after all other conditions."""
        for options, expected, more in (
            ({}, [0, 1, 2, 3, 4, 5], False),
            ({"limit": 2}, [0, 1], True),
            ({"limit": 6}, [0, 1, 2, 3, 4, 5], False),
            ({"reverse": True, "limit": 2}, [5, 4], True),
            ({"topic": "1.c"}, [1, 4], False),
            ({"topic": "1.c", "limit": 2}, [1, 4], False),
            ({"topic": "1.c", "reverse": True, "limit": 1}, [4], True),
        ):
            self.assertEqual(self.values(".c", Match.WILDCARD, **options), expected, options)
            self.assertIs(self.more, more, options)

    def test_pages(self) -> None:
        """Page after page by the last publication of the one before, both ways."""
        for reverse, side in ((False, "after"), (True, "before")):
            found, options = [], {"limit": 4, "reverse": reverse}
            while page := self.read(".c", Match.WILDCARD, **options):
                found += [event["args"][0] for event in page]
                options[f"{side}_publication"] = page[-1]["publication"]
            self.assertEqual(found, sorted(range(6), reverse=reverse))

    def test_large(self) -> None:
        """An answer stays small enough for its reader; who goes on behind its end gets all, large events too."""
        self.patch(history, "ANSWER_BYTES", 1000)
        for position in range(6, 12):
            self.publish("0.c", position, "x" * (2000 if position == 8 else 100))
        found, options, pages = [], {}, 0
        while page := self.values(".c", Match.WILDCARD, **options):
            found, pages = found + page, pages + 1
            options["after_publication"] = self.read(".c", Match.WILDCARD, **options)[-1]["publication"]
        self.assertEqual((found, self.more), (list(range(12)), False))
        self.assertTrue(3 < pages < 8, pages)

    def test_own_timestamps(self) -> None:
        """A timestamp that was given out is understood to the last digit."""
        self.time += 0.1234567
        self.publish("9.c", 9)
        for side, expected in (("from", [9]), ("after", [])):
            stamp = self.read(".c", Match.WILDCARD)[-1]["timestamp"]
            self.assertEqual(self.values(".c", Match.WILDCARD, **{f"{side}_time": stamp}), expected)

    def test_who_reads(self) -> None:
        """P8 with P1: lists of authids and roles hold for the reader, whenever it came; who published may read too."""
        for position, lists in enumerate(
            ({"eligible_authid": ["anna"]}, {"exclude_authid": ["anna"]}, {"eligible_authrole": ["backend"]}, {})
        ):
            self.publish("a.c", position, filters=Filters(**{name: frozenset(one) for name, one in lists.items()}))
        newcomer = member(9, "anna")
        for reader, expected in ((newcomer, [0, 3]), (self.peter, [1, 2, 3])):
            self.assertEqual(self.values(".c", Match.WILDCARD, by=reader, topic="a.c"), expected)
