"""Retained events (P9), and who gets them."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Match
from orosync.router.filters import Filters
from orosync.router.realm import Realm
from orosync.router.retention import OF_A_TOPIC, Retention
from orosync.wamp.payload import Payload
from tests.router.members import FAR, member, names_of
from tests.router.retention_machine import RetentionMachine


class RetentionCase(SynchronousTestCase):
    """A realm with a publisher and two who come later."""

    def setUp(self) -> None:
        self.realm = Realm("oro")
        self.peter, self.anna, self.bert = member(1, "peter", "backend"), member(2, "anna"), member(3, "bert", "guest")
        for each in (self.peter, self.anna, self.bert):
            self.realm.join(each)

    def retain(self, topic: str, value: object, publisher: Any = None, **how: Any) -> int:
        """Publish and retain; the publication's id."""
        return self.realm.broker.publish_retained(topic, Payload.of([value]), publisher or self.peter, **how)[0]

    def got(self, subscriber: Any, topic: str, match: Match = Match.EXACT) -> list[object]:
        """The values of the retained events that ``subscriber`` gets when it subscribes."""
        subscription, deliveries = self.realm.broker.subscribe(subscriber, topic, match, True)
        values = []
        for receivers, event, payload, about in deliveries:
            if about.startswith("wamp."):
                continue
            self.assertEqual(tuple(receivers), (subscriber,))
            self.assertEqual(event.head()[1], subscription.id)
            self.assertIs(event.head()[3]["retained"], True)
            assert payload is not None
            values.append(payload.values()[0][0])
        return values


class Retaining(RetentionCase):
    """P9: the last event of a topic is there for who comes later."""

    def test_last_event(self) -> None:
        """The last one that was to be retained, as it was published, under the same publication id."""
        self.retain("a", 1)
        number = self.retain("a", 2, disclose=True, extra_details={"trustlevel": 3})
        self.realm.broker.publish("a", Payload.of([3]), self.peter)
        subscription, ((receivers, event, payload, topic),) = self.realm.broker.subscribe(
            self.anna, "a", Match.EXACT, True
        )
        identity = {"publisher": self.peter.session, "publisher_authid": "peter", "publisher_authrole": "backend"}
        details = {**identity, "trustlevel": 3, "retained": True}
        self.assertEqual((tuple(receivers), topic), ((self.anna,), "a"))
        self.assertEqual(event.head(), [36, subscription.id, number, details])
        assert payload is not None
        self.assertEqual(payload.values(), ([2], {}))

    def test_only_when_asked(self) -> None:
        """Who does not ask gets nothing; who asks again gets it again."""
        self.retain("a", 1)
        self.assertEqual(self.realm.broker.subscribe(self.anna, "a")[1], [])
        self.assertEqual([self.got(self.anna, "a"), self.got(self.anna, "a")], [[1], [1]])
        self.assertEqual(self.got(self.anna, "b"), [])

    def test_without_payload(self) -> None:
        """An event without arguments is an event, and replaces what was retained before."""
        self.retain("a", 1)
        self.realm.broker.publish_retained("a", None, self.peter)
        ((_, _, payload, _),) = self.realm.broker.subscribe(self.anna, "a", Match.EXACT, True)[1]
        self.assertIsNone(payload)

    def test_patterns(self) -> None:
        """A pattern gets the last event of each topic that it matches, with the topic, in the order of publication."""
        for topic, value in (("a.b", 1), ("a.c", 2), ("b.c", 3), ("a.b", 4)):
            self.retain(topic, value)
        table = [("a.", Match.PREFIX, [2, 4]), (".c", Match.WILDCARD, [2, 3]), ("", Match.PREFIX, [2, 3, 4])]
        for pattern, match, expected in table:
            self.assertEqual(self.got(self.anna, pattern, match), expected, pattern)
        (event,) = self.realm.broker.subscribe(self.bert, ".b", Match.WILDCARD, True)[1][-1:]
        self.assertEqual(event.message.head()[3], {"retained": True, "topic": "a.b"})


class Eligible(RetentionCase):
    """P9 with P1 and P2: nobody gets what would not have reached it."""

    def test_every_filter(self) -> None:
        """Each list and the publisher's exclusion hold for who subscribes later, alone and together."""
        ids = {one: frozenset([one.session]) for one in (self.peter, self.anna, self.bert)}
        table: list[tuple[dict[str, Any], bool, str]] = [
            ({"exclude": ids[self.anna]}, True, "bert"),
            ({"eligible": ids[self.anna]}, True, "anna"),
            ({"eligible": ids[self.anna], "exclude": ids[self.anna]}, True, ""),
            ({"eligible": frozenset()}, False, ""),
            ({"exclude_authid": frozenset(["anna"])}, False, "peter bert"),
            ({"eligible_authid": frozenset(["anna", "peter"])}, True, "anna"),
            ({"exclude_authrole": frozenset(["guest", "backend"])}, False, "anna"),
            ({"eligible_authrole": frozenset(["guest"])}, True, "bert"),
            ({"eligible_authrole": frozenset(["guest"]), "exclude": ids[self.bert]}, True, ""),
            ({"eligible_authid": frozenset()}, False, ""),
            ({}, True, "anna bert"),
            ({}, False, "peter anna bert"),
        ]
        for position, (lists, exclude_me, expected) in enumerate(table):
            topic = f"t{position}"
            self.retain(topic, 1, exclude_me=exclude_me, filters=Filters(**lists))
            for pattern, match in ((topic, Match.EXACT), (topic, Match.PREFIX), (topic, Match.WILDCARD)):
                got = [
                    one.principal.authid for one in (self.peter, self.anna, self.bert) if self.got(one, pattern, match)
                ]
                self.assertEqual(" ".join(got), expected, (lists, match))

    def test_last_that_reaches(self) -> None:
        """Who is not meant by the last event gets the last one that it would have got."""
        self.retain("a", 1)
        self.retain("a", 2, filters=Filters(eligible_authrole=frozenset(["guest"])))
        self.assertEqual((self.got(self.anna, "a"), self.got(self.bert, "a")), ([1], [2]))
        self.retain("a", 3, publisher=self.anna)
        self.assertEqual(
            (self.got(self.anna, "a"), self.got(self.bert, "a"), self.got(self.peter, "a")), ([1], [3], [3])
        )
        self.retain("a", 4, exclude_me=False)
        self.assertEqual([self.got(one, "a") for one in (self.peter, self.anna, self.bert)], [[4], [4], [4]])
        self.assertEqual(len(self.realm.retention), 1)

    def test_gone_and_back(self) -> None:
        """Session ids mean a session, not whoever comes later: when it is gone nothing names it and nobody inherits."""
        self.retain("a", 1, filters=Filters(eligible=frozenset([self.anna.session])))
        self.retain("b", 2, filters=Filters(exclude=frozenset([self.anna.session])), exclude_me=False)
        self.retain("c", 3)
        self.realm.leave(self.anna)
        self.assertEqual(names_of(self.realm, self.anna), [])
        self.assertEqual(len(self.realm.retention), 2)
        twin = member(2, "twin")
        self.realm.join(twin)
        self.assertEqual([self.got(twin, topic) for topic in "abc"], [[], [2], [3]])
        self.realm.leave(self.peter)
        self.assertEqual(names_of(self.realm, self.peter), [])
        self.assertEqual(self.realm.retention.named, {})

    def test_nobody_here(self) -> None:
        """Ids of sessions that are not here mean nobody: nothing is kept for them."""
        self.retain("a", 1, filters=Filters(eligible=frozenset([FAR + 77])))
        self.assertEqual(len(self.realm.retention), 0)


class Bounded(SynchronousTestCase):
    """The store has a size, and what goes is counted."""

    def setUp(self) -> None:
        self.anna = member(1)
        self.members = {self.anna.session: self.anna}

    def topics(self, retention: Retention) -> list[str]:
        return [event.topic for event in retention.for_member(self.anna, "", Match.PREFIX)]

    def keep(self, retention: Retention, topic: str, text: str = "", filters: Filters | None = None) -> None:
        retention.keep(topic, 1, Payload.of([text]), None, filters, None)

    def test_events(self) -> None:
        """Over the number of events the oldest goes; a new one for an old topic makes that topic young."""
        retention, dropped = Retention(self.members, 3), []
        retention.on_dropped = lambda: dropped.append(1)
        for topic in "abcad":
            self.keep(retention, topic)
        self.assertEqual(self.topics(retention), ["c", "a", "d"])
        self.assertEqual((retention.dropped, len(dropped)), (1, 1))

    def test_bytes(self) -> None:
        """Over the bytes the oldest go; one that is too large for all is not kept, and what it replaces is gone."""
        retention = Retention(self.members, most_bytes=100)
        self.keep(retention, "a", "x" * 40)
        self.keep(retention, "b", "x" * 40)
        self.keep(retention, "c", "x" * 40)
        self.assertEqual(self.topics(retention), ["b", "c"])
        self.keep(retention, "b", "x" * 400)
        self.assertEqual((self.topics(retention), retention.dropped), (["c"], 2))
        self.keep(retention, "d", "x" * 40)
        self.assertEqual(self.topics(retention), ["c", "d"])

    def test_details_count(self) -> None:
        """What a publisher has its event say besides its arguments takes room as they do."""
        retention = Retention(self.members, most_bytes=100)
        for topic in "ab":
            retention.keep(topic, 1, None, {"ppt_scheme": "x" * 60}, None, None)
        self.assertEqual(self.topics(retention), ["b"])

    def test_lists_count(self) -> None:
        """Long lists of who may not have it take room as arguments do, and give it back whole."""
        members = {FAR + number: member(number) for number in range(50)}
        retention = Retention(members, most_bytes=5000)
        for topic in "ab":
            self.keep(retention, topic, "x", Filters(exclude=frozenset(members) - {self.anna.session}))
        self.assertEqual(self.topics(retention), ["b"])
        for session in list(members):
            del members[session]
            retention.leave(session)
        self.assertEqual(retention._bytes, sum(event.size for event in retention._ages))
        self.keep(retention, "b")
        self.assertEqual((len(retention), retention._bytes), (1, len("b") + len('[""]')))

    def test_of_a_topic(self) -> None:
        """A topic keeps so many; the one for everybody stays."""
        retention = Retention(self.members)
        self.keep(retention, "a", "everybody")
        for number in range(OF_A_TOPIC + 4):
            self.keep(retention, "a", "some", Filters(eligible_authid=frozenset([f"user-{number + 5}"])))
        self.assertEqual(len(retention), OF_A_TOPIC)
        self.assertEqual(self.topics(retention), ["a"])

    def test_never(self) -> None:
        """Of topics that tell their state themselves nothing is kept."""
        retention = Retention(self.members)
        retention.never = frozenset(["a"])
        self.keep(retention, "a")
        self.assertEqual(len(retention), 0)


class AnyLife(SynchronousTestCase):
    """Whatever members do, in whatever order."""

    def test_machine(self) -> None:
        """P9: retained events reach exactly those whom their publisher meant, and name nobody who has left."""
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            RetentionMachine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None, database=None)
        )
