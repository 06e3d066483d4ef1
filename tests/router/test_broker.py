"""Tests for orosync.router.broker."""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import RequestError
from orosync.model import Match
from orosync.router.broker import Broker
from orosync.router.filters import Filters
from orosync.wamp import uris
from orosync.wamp.messages import Event
from orosync.wamp.payload import Payload
from tests.router.broker_machine import BrokerMachine
from tests.router.members import PAYLOAD, member

RESERVED = ["wamp", "wamp.", "wamp.session.on_join", "wamp.error.anything"]
NOT_RESERVED = ["wampum", "com.wamp.x", "WAMP.x", "oro/ping"]


class Setting(SynchronousTestCase):
    """A broker, a publisher and two others."""

    def setUp(self) -> None:
        self.broker = Broker()
        self.peter, self.anna, self.bert = member(1, "peter", "backend"), member(2, "anna"), member(3, "bert")

    def published(self, topic: str, payload: Payload | None, *how: Any, **more: Any) -> list[tuple[list[str], object]]:
        """(authids of the receivers, message) of each delivery, after what all have in common has been checked."""
        number, deliveries = self.broker.publish(topic, payload, *how, **more)
        for delivery in deliveries:
            self.assertIs(delivery.payload, payload)
            self.assertEqual(delivery.topic, topic)
            self.assertEqual(getattr(delivery.message, "publication", None), number)
        return [([found.principal.authid for found in item.receivers], item.message) for item in deliveries]

    def receivers(self, *publication: Any, **more: Any) -> list[list[str]]:
        return [receivers for receivers, _ in self.published(*publication, **more)]


class Subscribing(Setting):
    """SUBSCRIBE and UNSUBSCRIBE."""

    def test_shared_and_idempotent(self) -> None:
        """Everybody gets the same subscription for the same topic, as often as they ask."""
        first, deliveries = self.broker.subscribe(self.anna, "a")
        self.assertEqual((first.id, deliveries), (1, []))
        self.assertIs(self.broker.subscribe(self.bert, "a", Match.EXACT)[0], first)
        self.assertIs(self.broker.subscribe(self.anna, "a")[0], first)
        self.assertIs(self.broker.lookup("a"), first)
        self.assertEqual(self.receivers("a", PAYLOAD, self.peter), [["anna", "bert"]])

    def test_unsubscribed(self) -> None:
        """After UNSUBSCRIBE no event comes; the other subscribers notice nothing."""
        subscription = self.broker.subscribe(self.anna, "a")[0]
        self.broker.subscribe(self.bert, "a")
        self.broker.unsubscribe(self.anna, subscription.id)
        self.assertEqual(self.receivers("a", PAYLOAD, self.peter), [["bert"]])
        self.assertEqual(self.anna.subscriptions, {})

    def test_not_ones_own(self) -> None:
        """Unknown, finished and other sessions' subscriptions are refused alike, and nothing changes."""
        subscription = self.broker.subscribe(self.anna, "a")[0]
        mine = self.broker.subscribe(self.bert, "b")[0]
        self.broker.unsubscribe(self.bert, mine.id)
        for number in (subscription.id, mine.id, 0, 99, -1):
            error = self.assertRaises(RequestError, self.broker.unsubscribe, self.bert, number)
            self.assertEqual(error.uri, uris.NO_SUCH_SUBSCRIPTION, number)
        self.assertEqual(self.receivers("a", PAYLOAD, self.peter), [["anna"]])

    def test_reserved_topics_can_be_heard(self) -> None:
        """Anybody may subscribe to WAMP's own topics; what the router says there arrives."""
        self.broker.subscribe(self.anna, "wamp.session.on_join")
        self.assertEqual(self.receivers("wamp.session.on_join", PAYLOAD, None), [["anna"]])

    def test_lookup(self) -> None:
        """Looking up finds the very topic or pattern, not what would match it."""
        found = self.broker.subscribe(self.anna, "a", Match.PREFIX)[0]
        self.assertIs(self.broker.lookup("a", Match.PREFIX), found)
        for topic, match in (("a", Match.EXACT), ("a", Match.WILDCARD), ("a.b", Match.PREFIX)):
            self.assertIsNone(self.broker.lookup(topic, match))


class Revoking(Setting):
    """P10, subscription revocation: the router takes a subscription away."""

    def setUp(self) -> None:
        super().setUp()
        self.carl = member(4, "carl", features="subscriber.subscription_revocation")

    def test_told(self) -> None:
        """Who announced that it understands is told which subscription and why, as UNSUBSCRIBED with request 0."""
        number = self.broker.subscribe(self.carl, "a")[0].id
        ((receivers, message, payload, topic),) = self.broker.revoke(self.carl, number, "no longer authorized")
        self.assertEqual((tuple(receivers), payload, topic), ((self.carl,), None, ""))
        self.assertEqual(message.head(), [35, 0, {"subscription": number, "reason": "no longer authorized"}])
        self.assertEqual((self.receivers("a", PAYLOAD, self.peter), self.carl.subscriptions), ([], {}))

    def test_without_reason(self) -> None:
        """Without a reason there is none in the message."""
        number = self.broker.subscribe(self.carl, "a", Match.PREFIX)[0].id
        self.assertEqual(self.broker.revoke(self.carl, number)[0].message.head(), [35, 0, {"subscription": number}])

    def test_not_told(self) -> None:
        """Who announced nothing is told nothing, and hears no more all the same."""
        number = self.broker.subscribe(self.anna, "a")[0].id
        self.broker.subscribe(self.bert, "a")
        self.assertEqual(self.broker.revoke(self.anna, number, "gone"), [])
        self.assertEqual(self.receivers("a", PAYLOAD, self.peter), [["bert"]])

    def test_not_its_own(self) -> None:
        """A subscription that the member has not cannot be taken from it."""
        number = self.broker.subscribe(self.anna, "a")[0].id
        for wrong in (number, 99):
            error = self.assertRaises(RequestError, self.broker.revoke, self.carl, wrong)
            self.assertEqual(error.uri, uris.NO_SUCH_SUBSCRIPTION)
        self.assertEqual(self.receivers("a", PAYLOAD, self.peter), [["anna"]])

    def test_last_unsubscribed(self) -> None:
        """It is called for a topic whose last subscriber was removed."""
        called: list[str] = []
        self.broker.last_unsubscribed = {"a": lambda: called.append("a")}
        self.broker.revoke(self.carl, self.broker.subscribe(self.carl, "a")[0].id)
        self.assertEqual(called, ["a"])


class LastUnsubscribed(Setting):
    """The function that is called when a topic has lost its last subscriber."""

    def setUp(self) -> None:
        super().setUp()
        self.called: list[str] = []
        self.broker.last_unsubscribed = {topic: partial(self.called.append, topic) for topic in "abcd"}

    def test_last_one_unsubscribes(self) -> None:
        """It is called when the last subscriber goes, not before, and for topics only."""
        for each in (self.anna, self.bert):
            topic = self.broker.subscribe(each, "a")[0].id
            pattern = self.broker.subscribe(each, "a", Match.PREFIX)[0].id
        for each, called in ((self.anna, []), (self.bert, ["a"])):
            self.broker.unsubscribe(each, pattern)
            self.broker.unsubscribe(each, topic)
            self.assertEqual(self.called, called)

    def test_last_one_leaves(self) -> None:
        """A session that ends deserts each topic it alone listened to, when all is already in order."""
        for topic in ("a", "b", "c"):
            self.broker.subscribe(self.anna, topic)
        self.broker.subscribe(self.anna, "d", Match.WILDCARD)
        self.broker.subscribe(self.bert, "b")
        seen = []

        def look(topic: str) -> None:
            seen.append((topic, self.broker.lookup("a"), self.broker.lookup("c")))

        self.broker.last_unsubscribed = {topic: partial(look, topic) for topic in "abcd"}
        self.assertEqual(self.broker.leave(self.anna), [])
        self.assertEqual(seen, [("a", None, None), ("c", None, None)])
        self.assertEqual(self.broker.leave(self.anna), [])
        self.assertEqual(len(seen), 2)

    def test_nobody_asks(self) -> None:
        """Without anybody to tell, the last subscriber may go just the same."""
        self.broker.last_unsubscribed = {}
        subscription = self.broker.subscribe(self.anna, "a")[0]
        self.broker.unsubscribe(self.anna, subscription.id)
        self.broker.subscribe(self.anna, "a")
        self.broker.leave(self.anna)
        self.assertIsNone(self.broker.lookup("a"))


class Publishing(Setting):
    """PUBLISH and EVENT."""

    def test_nobody_listens(self) -> None:
        """A publication without receivers makes no delivery, and still has its id."""
        number, deliveries = self.broker.publish("a", None, self.peter)
        self.assertEqual(deliveries, [])
        self.assertTrue(1 <= number <= 2**53)
        self.assertNotEqual(self.broker.publish("a", None, self.peter)[0], number)

    def test_without_payload(self) -> None:
        """An event without arguments is delivered without arguments."""
        self.broker.subscribe(self.anna, "a")
        self.assertEqual(self.receivers("a", None, self.peter), [["anna"]])

    def test_publisher(self) -> None:
        """The publisher gets its own event only when it does not want to be excluded."""
        for each in (self.anna, self.peter, self.bert):
            self.broker.subscribe(each, "a")
        for exclude_me, expected in ((True, ["anna", "bert"]), (False, ["anna", "peter", "bert"])):
            self.assertEqual(self.receivers("a", PAYLOAD, self.peter, exclude_me), [expected])
        self.assertEqual(self.receivers("a", PAYLOAD, None), [["anna", "peter", "bert"]])

    def test_only_the_publisher(self) -> None:
        """Who alone listens to what it publishes makes no delivery."""
        self.broker.subscribe(self.peter, "a")
        self.assertEqual(self.receivers("a", PAYLOAD, self.peter), [])

    def test_filters_and_publisher(self) -> None:
        """Lists and the exclusion of the publisher hold together."""
        audience = (self.peter, self.anna, self.bert)
        for each in audience:
            self.broker.subscribe(each, "a")
        for filters, exclude_me, expected in (
            (Filters(eligible=frozenset(m.session for m in audience)), True, [{"anna", "bert"}]),
            (Filters(eligible=frozenset([self.peter.session])), True, []),
            (Filters(eligible=frozenset([self.peter.session])), False, [{"peter"}]),
            (Filters(exclude=frozenset([self.anna.session])), True, [{"bert"}]),
            (Filters(exclude_authid=frozenset(["bert"])), False, [{"peter", "anna"}]),
            (Filters(eligible_authrole=frozenset()), False, []),
        ):
            found = self.receivers("a", PAYLOAD, self.peter, exclude_me, filters)
            self.assertEqual([set(receivers) for receivers in found], expected, filters)

    def test_overlapping(self) -> None:
        """Each matching subscription gets its event, patterns with the topic, all with one publication id."""
        matches = [("a.b", Match.EXACT), ("a", Match.PREFIX), ("a.", Match.PREFIX), ("a.", Match.WILDCARD)]
        ids = [self.broker.subscribe(self.anna, *wanted)[0].id for wanted in matches]
        self.broker.subscribe(self.bert, "a", Match.PREFIX)
        found = self.published("a.b", PAYLOAD, self.peter)
        events = [event for _, event in found if isinstance(event, Event)]
        self.assertEqual([event.subscription for event in events], ids)
        self.assertEqual([event.details for event in events], [{}] + [{"topic": "a.b"}] * 3)
        self.assertEqual(len({event.publication for event in events}), 1)
        self.assertEqual([receivers for receivers, _ in found], [["anna"], ["anna", "bert"], ["anna"], ["anna"]])

    def test_told(self) -> None:
        """What else receivers are to be told stands in every EVENT, each with details of its own; it says who published
        before the broker does."""
        self.broker.subscribe(self.anna, "a")
        self.broker.subscribe(self.bert, "a", Match.PREFIX)
        extra_details = {
            "publisher": 7,
            "publisher_authid": "zoe",
            "publisher_authrole": "chief",
            "transaction_hash": "x",
        }
        found = self.published("a", PAYLOAD, self.peter, disclose=True, extra_details=extra_details)
        exact, prefix = (message.details for _, message in found)  # type: ignore[attr-defined]
        self.assertEqual((exact, prefix), (extra_details, {**extra_details, "topic": "a"}))
        self.assertIsNot(exact, extra_details)
        found = self.published("a", PAYLOAD, self.peter, extra_details={"transaction_hash": "x"})
        self.assertEqual(found[0][1].details, {"transaction_hash": "x"})  # type: ignore[attr-defined]

    def test_disclosure(self) -> None:
        """Receivers are told who published when that is wanted, and only then; the router itself is nobody."""
        identity = {"publisher": self.peter.session, "publisher_authid": "peter", "publisher_authrole": "backend"}
        self.broker.subscribe(self.anna, "a")
        self.broker.subscribe(self.anna, "a", Match.PREFIX)
        for publisher, disclose, expected in (
            (self.peter, True, [identity, identity | {"topic": "a"}]),
            (self.peter, False, [{}, {"topic": "a"}]),
            (None, True, [{}, {"topic": "a"}]),
        ):
            found = self.published("a", PAYLOAD, publisher, disclose=disclose)
            self.assertEqual([event.details for _, event in found if isinstance(event, Event)], expected)

    def test_reserved(self) -> None:
        """A member cannot speak on WAMP's own topics; names that only look like them are free."""
        self.broker.subscribe(self.anna, "", Match.PREFIX)
        for topic in RESERVED:
            error = self.assertRaises(RequestError, self.broker.publish, topic, PAYLOAD, self.peter)
            self.assertEqual(error.uri, uris.INVALID_URI, topic)
        for topic in NOT_RESERVED:
            self.assertEqual(self.receivers(topic, PAYLOAD, self.peter), [["anna"]], topic)

    def test_receivers_leave_meanwhile(self) -> None:
        """Receivers that leave while a delivery is being made do not disturb it."""
        for each in (self.peter, self.anna, self.bert):
            self.broker.subscribe(each, "a")
        for publisher, expected in ((None, 3), (self.peter, 2)):
            deliveries = self.broker.publish("a", PAYLOAD, publisher)[1]
            reached = 0
            for receiver in deliveries[0].receivers:
                self.broker.leave(receiver)
                self.broker.subscribe(receiver, "a")
                reached += 1
            self.assertEqual(reached, expected)


class AnyLife(SynchronousTestCase):
    """Whatever members do, in whatever order."""

    def test_machine(self) -> None:
        """No event without a subscription, none to the excluded, one id for all, order kept, nothing left behind."""
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            BrokerMachine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None, database=None)
        )
