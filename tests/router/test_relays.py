"""What the router tells other nodes of a realm, and what it does with their publications."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Match
from orosync.router.deliveries import Delivery, Member
from orosync.router.filters import Filters
from orosync.router.history import HistoryLimits, Recorder
from orosync.router.queries import Query
from orosync.router.realm import Realm
from orosync.router.relays import RelayedPublication
from orosync.router.subscriptions import Subscription
from orosync.wamp.ids import LARGEST
from orosync.wamp.messages import Event
from orosync.wamp.meta_topics import ON_JOIN, REGISTERED, SUBSCRIBED, SUBSCRIPTION_CREATED, SUBSCRIPTION_DELETED
from orosync.wamp.payload import Payload
from tests.router.members import FAR, PAYLOAD, member


class Others:
    """OtherNodes that write everything down. ``subscribers``: topics that have some elsewhere."""

    def __init__(self) -> None:
        self.published: list[tuple[Any, ...]] = []
        self.changes: list[tuple[str, str]] = []
        self.subscribers: set[str] = set()
        self.unwanted: set[str] = set()

    def forward(self, *publication: Any) -> None:
        self.published.append(publication)

    def filed(self, subscription: Subscription) -> None:
        self.changes.append(("filed", subscription.topic))

    def dropped(self, subscription: Subscription) -> None:
        self.changes.append(("dropped", subscription.topic))

    def subscribed(self, subscription: Subscription) -> bool:
        return subscription.topic in self.subscribers


def counted() -> Callable[[str, Match], int]:
    """Ids from 1000 on."""
    numbers = count(1000)
    return lambda topic, match: next(numbers)


class RelayCase(SynchronousTestCase):
    """A realm with other nodes, a publisher and two subscribers."""

    def setUp(self) -> None:
        self.time = 1000.0
        kept = [HistoryLimits(Match.PREFIX, "kept.", 10, 10_000)]
        self.realm = Realm("oro", now=lambda: self.time, seconds=lambda: self.time, history=kept)
        self.broker, self.others = self.realm.broker, Others()
        self.broker.share(self.others, counted())
        self.broker.recorder = Recorder(self.realm.retention, lambda topic: topic == "always", self.realm.history)
        self.peter, self.anna, self.bert = member(1, "peter", "backend"), member(2, "anna"), member(3, "bert")
        for one in (self.peter, self.anna, self.bert):
            self.realm.join(one)

    def relay(self, topic: str, number: int = 77, **more: Any) -> list[Delivery]:
        return self.broker.relay(RelayedPublication(topic, number, more.pop("payload", PAYLOAD), **more))

    def receivers(self, deliveries: list[Delivery]) -> list[list[str]]:
        return [[one.principal.authid for one in delivery.receivers] for delivery in deliveries]


class Subscribing(RelayCase):
    """Which subscriptions there are here."""

    def test_first_and_last(self) -> None:
        """Only the first and the last member are told, however the last one goes; a kept subscription never ends."""
        topics = ["a", "pre.", "kept.", "wamp.session.on_join"]
        matches = [Match.EXACT, Match.PREFIX, Match.PREFIX, Match.EXACT]
        for who in (self.anna, self.bert):
            for topic, match in zip(topics, matches, strict=True):
                self.broker.subscribe(who, topic, match)
        filed = [("filed", "a"), ("filed", "pre."), ("filed", "wamp.session.on_join")]
        self.assertEqual(self.others.changes, filed)
        first = self.broker.lookup("a")
        assert first is not None
        self.broker.unsubscribe(self.anna, first.id)
        self.broker.unsubscribe(self.bert, first.id)
        self.assertEqual(self.others.changes[3:], [("dropped", "a")])
        self.realm.leave(self.anna)
        self.realm.leave(self.bert)
        gone = sorted(self.others.changes[4:])
        self.assertEqual(gone, [("dropped", "pre."), ("dropped", "wamp.session.on_join")])

    def test_kept_before(self) -> None:
        """A subscription that was kept before gets its new id, and its history stays."""
        kept = self.broker.lookup("kept.", Match.PREFIX)
        assert kept is not None
        self.assertEqual((kept.id, self.broker.find(1000), self.broker.find(1)), (1000, kept, None))
        self.broker.publish("kept.a", PAYLOAD, self.peter)
        self.assertEqual(len(self.realm.history.read(kept, self.anna, Query())[0]), 1)

    def test_ids(self) -> None:
        """Ids come from a function of the realm; where two have the same, the second one gets the next that is free."""
        for given, expected in [(5, [5, 6, 7]), (LARGEST, [LARGEST, 1, 2])]:
            realm = Realm("oro")
            realm.broker.share(self.others, lambda topic, match, given=given: given)
            anna = member(2)
            realm.join(anna)
            found = [realm.broker.subscribe(anna, topic)[0].id for topic in "abc"]
            self.assertEqual(found, expected)


class Forwarding(RelayCase):
    """What is published here."""

    def test_everything(self) -> None:
        """Each publication is told, with its id and its details as they are; not one for this node alone."""
        self.realm.set_trust_levels({"backend": 3})
        filters = Filters(exclude_authid=frozenset(["bert"]))
        number = self.broker.publish("a", PAYLOAD, self.peter, False, filters, True, {"transaction_hash": "x"})[0]
        details = {
            "publisher": self.peter.session,
            "publisher_authid": "peter",
            "publisher_authrole": "backend",
            "trustlevel": 3,
            "transaction_hash": "x",
        }
        self.assertEqual(self.others.published, [(number, "a", PAYLOAD, self.peter, False, filters, details)])
        self.broker.publish("a", PAYLOAD, here=True)
        self.assertEqual(len(self.others.published), 1)
        self.broker.publish("a", PAYLOAD)
        self.assertEqual(self.others.published[1][3:], (None, True, None, None))

    def test_unwanted(self) -> None:
        """What other nodes do not want is not told, unless it is retained; all is told again when something else may
        have to be recorded."""
        self.others.unwanted.add("a")
        for topic in ("a", "b"):
            self.broker.publish(topic, PAYLOAD, self.peter)
        self.broker.publish_retained("a", PAYLOAD, self.peter)
        self.broker.recorder = None
        self.broker.publish("a", PAYLOAD, self.peter)
        self.assertEqual([one[1] for one in self.others.published], ["b", "a", "a"])

    def test_retained(self) -> None:
        """A retained event is told once, after it was given its place in the order of all nodes, even where nobody here
        can get it."""
        places: list[tuple[int, float]] = []
        retention = self.realm.retention
        retention.moment = lambda: self.time
        self.others.forward = lambda number, *_: places.append(
            (number, retention.newest_at * (retention.newest == number))
        )  # type: ignore[method-assign]
        self.broker.publish_retained("a", PAYLOAD, self.peter)
        self.broker.publish_retained("a", PAYLOAD, self.peter, True, Filters(eligible=frozenset([FAR + 99])))
        self.broker.publish("always", PAYLOAD, self.peter)
        self.broker.publish("a", PAYLOAD, self.peter)
        self.assertEqual([at for _, at in places], [1000.0, 1000.0, 1000.0, 0.0])
        self.assertEqual(len({number for number, _ in places}), 4)

    def test_meta_events(self) -> None:
        """Those of sessions and subscriptions are told, if another node listens; each node makes those of registrations
        itself."""
        self.realm.join(member(4, "carl"))
        self.assertEqual(self.others.published, [])
        self.broker.listen_elsewhere(frozenset([ON_JOIN, SUBSCRIBED, REGISTERED]))
        dora = member(5, "dora")
        self.realm.join(dora)
        self.broker.subscribe(dora, "a")
        self.realm.dealer.register(dora, "procedure")
        self.assertEqual([one[1] for one in self.others.published], [ON_JOIN, SUBSCRIBED])
        self.broker.listen_elsewhere(frozenset())
        self.realm.join(member(6))
        self.assertEqual(len(self.others.published), 2)

    def test_first_of_all_nodes(self) -> None:
        """A subscription is created by the first subscriber of all nodes, and deleted with the last one."""
        self.broker.subscribe(self.bert, "wamp.subscription.", Match.PREFIX)
        self.others.subscribers.add("there")
        told = []
        for topic in ("there", "not.there"):
            subscription, deliveries = self.broker.subscribe(self.anna, topic)
            deliveries += self.broker.unsubscribe(self.anna, subscription.id)
            told += [delivery.topic for delivery in deliveries]
        told.sort()
        self.assertEqual(told.count(SUBSCRIPTION_CREATED), 1)
        self.assertEqual(told.count(SUBSCRIPTION_DELETED), 1)
        self.assertEqual(told.count(SUBSCRIBED), 2)


class Relaying(RelayCase):
    """Publications of other nodes."""

    def test_receivers(self) -> None:
        """Local subscriptions and filters decide, id and details are those of the other node, nothing is told on."""
        exact = self.broker.subscribe(self.anna, "kept.a")[0]
        self.broker.subscribe(self.bert, "kept.a")
        prefix = self.broker.subscribe(self.bert, "kept.", Match.PREFIX)[0]
        table: list[tuple[Filters | None, list[list[str]]]] = [
            (None, [["anna", "bert"], ["bert"]]),
            (Filters(exclude=frozenset([self.bert.session])), [["anna"]]),
            (Filters(eligible=frozenset([self.bert.session, FAR + 99])), [["bert"], ["bert"]]),
            (Filters(eligible=frozenset([FAR + 99])), []),
            (Filters(exclude_authid=frozenset(["anna"])), [["bert"], ["bert"]]),
            (Filters(eligible_authrole=frozenset(["backend"])), []),
        ]
        for filters, expected in table:
            deliveries = self.relay("kept.a", filters=filters, extra_details={"trustlevel": 2})
            self.assertEqual(self.receivers(deliveries), expected, filters)
        first, second = self.relay("kept.a", extra_details={"trustlevel": 2})
        self.assertEqual(first.message, Event(exact.id, 77, {"trustlevel": 2}))
        self.assertEqual(second.message, Event(prefix.id, 77, {"trustlevel": 2, "topic": "kept.a"}))
        self.assertEqual((self.others.published, self.broker.published, self.broker.relayed), ([], 0, 7))

    def test_meta_events(self) -> None:
        """Those of another node reach the subscribers of WAMP's own topics here."""
        self.broker.subscribe(self.anna, ON_JOIN)
        self.assertEqual(self.receivers(self.relay(ON_JOIN)), [["anna"]])

    def test_history(self) -> None:
        """It is kept here with the time that it has there, and measured by its age."""
        self.time = 1010.0
        self.relay("kept.a", time=1001.5)
        self.relay("else.a", 78, time=1001.5)
        subscription = self.broker.lookup("kept.", Match.PREFIX)
        assert subscription is not None
        events, _ = self.realm.history.read(subscription, self.anna, Query())
        self.assertEqual([one["publication"] for one in events], [77])
        self.assertEqual(events[0]["timestamp"], "1970-01-01T00:16:41.500Z")
        (history,) = self.realm.history
        self.assertEqual([one.since for one in history], [1001.5])

    def test_merged_history(self) -> None:
        """Each event once: in the order of all nodes, and what this node alone has behind the same event as before."""
        table = [
            ([2, 3], [1, 2], [1, 2, 3]),
            ([], [1, 2], [1, 2]),
            ([1, 2], [], [1, 2]),
            ([5], [1, 2], [1, 2, 5]),
            ([1, 5], [3, 4], [1, 3, 4, 5]),
            ([3, 2, 4], [1, 3, 4], [1, 3, 2, 4]),
            ([1, 2, 3, 4], [1, 4], [1, 2, 3, 4]),
        ]
        (history,) = self.realm.history
        for here, there, expected in table:
            for one in here:
                self.relay("kept.a", one, time=1000.0 + one)
            found = [RelayedPublication("kept.a", number, None, time=1000.0 + number) for number in there]
            history.merge([self.realm.history.past_event(one) for one in found])
            self.assertEqual([one.publication for one in history], expected)
            history._events.clear()
            history._merged = set()

    def retained(self, who: Member, topic: str = "a") -> list[object]:
        found = []
        for event in self.realm.retention.for_member(who, topic, Match.EXACT):
            assert event.payload is not None
            found.append(event.payload.values()[0][0])
        return found

    def test_retained(self) -> None:
        """The one with the later place in the order of all nodes stays, whichever comes first; one comes once."""
        for places, expected in [((1.0, 2.0, 3.0), 3), ((3.0, 2.0, 1.0), 1), ((2.0, 3.0, 1.0), 2)]:
            topic = f"topic.{expected}"
            for number, at in enumerate(places, 1):
                self.relay(topic, 100 * expected + number, payload=Payload.of([number]), retained_at=at)
            self.assertEqual(self.retained(self.anna, topic), [expected])
        self.relay("topic.3", 303, payload=Payload.of(["again"]), retained_at=3.0)
        self.assertEqual((self.retained(self.anna, "topic.3"), len(self.realm.retention)), ([3], 3))

    def test_retained_for_some(self) -> None:
        """An event for certain users that comes late does not hide the later one for all from them, and one for
        sessions of its own node is kept by nobody else."""
        some = Filters(eligible_authid=frozenset(["anna"]))
        self.relay("a", 1, payload=Payload.of(["some"]), filters=some, retained_at=2.0)
        self.relay("a", 2, payload=Payload.of(["all"]), retained_at=1.0)
        self.assertEqual((self.retained(self.anna), self.retained(self.bert)), (["some"], ["all"]))
        self.relay("a", 3, payload=Payload.of(["later"]), retained_at=3.0)
        self.relay("a", 4, payload=Payload.of(["late"]), filters=some, retained_at=2.5)
        self.assertEqual((self.retained(self.anna), self.retained(self.bert)), (["later"], ["later"]))
        there = Filters(eligible=frozenset([FAR + 99]))
        self.relay("b", 5, filters=there, retained_at=4.0)
        self.assertEqual(self.retained(self.anna, "b"), [])


class Presence(RelayCase):
    """How many sessions a user has."""

    def test_on_all_nodes(self) -> None:
        """Sessions of other nodes count, and the realm tells of each of its own that comes or goes."""
        told: list[tuple[str, int]] = []
        self.realm.on_present = lambda one: told.append(
            (one.principal.authid, self.realm.sessions_here(one.principal.authid))
        )
        self.realm.sessions_elsewhere = {"anna": 2}
        second = member(9, "anna")
        self.realm.join(second)
        self.assertEqual((self.realm.sessions_of("anna"), self.realm.sessions_here("anna")), (4, 2))
        self.realm.leave(second)
        self.assertEqual(told, [("anna", 2), ("anna", 1)])
