"""Tests for orosync.router.deliveries."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.model import Principal
from orosync.router.deliveries import Delivery, Member
from orosync.wamp.messages import Event, Message
from orosync.wamp.payload import Payload
from tests.router.people import member

ANNA = Principal("anna", "user", "ticket", "tests")


class Members(SynchronousTestCase):
    """A session as its realm sees it."""

    def test_reached_as_agreed(self) -> None:
        """What a member was joined with is how it is reached."""
        pushed: list[object] = []
        received: list[object] = []

        def tell(message: Message, payload: Payload | None) -> None:
            received.append((message, payload))

        anna = Member(7, ANNA, frozenset(["callee.call_canceling"]), "a wire", pushed.append, tell)
        anna.push("a frame")
        anna.tell(Event(1, 2, {}), None)
        self.assertEqual((anna.session, anna.principal, anna.wire), (7, ANNA, "a wire"))
        self.assertEqual((pushed, received), (["a frame"], [(Event(1, 2, {}), None)]))
        self.assertIn("callee.call_canceling", anna.features)

    def test_unreachable(self) -> None:
        """Reaching for a member that was joined without a way to reach it is a bug that shows."""
        somebody = Member(7, ANNA)
        self.assertRaises(TypeError, somebody.push, "a frame")
        self.assertRaises(TypeError, somebody.tell, Event(1, 2, {}), None)

    def test_begins_with_nothing(self) -> None:
        """A new member has announced nothing, has no subscriptions and no registrations, and shares neither."""
        one, two = Member(7, ANNA), Member(8, ANNA)
        self.assertEqual((one.features, one.subscriptions, one.registrations), (frozenset(), {}, {}))
        self.assertIsNot(one.subscriptions, two.subscriptions)
        self.assertIsNot(one.registrations, two.registrations)

    def test_no_two_are_the_same(self) -> None:
        """Members are told apart as themselves, not by what they look like."""
        self.assertNotEqual(member(1), member(1))


class Deliveries(SynchronousTestCase):
    """What is to be sent to whom."""

    def test_as_a_tuple(self) -> None:
        """A delivery is taken apart in one step; without payload and topic it is an answer without arguments."""
        anna = member(1)
        receivers, message, payload, topic = Delivery((anna,), Event(1, 2, {}))
        self.assertEqual((receivers, message, payload, topic), ((anna,), Event(1, 2, {}), None, ""))
