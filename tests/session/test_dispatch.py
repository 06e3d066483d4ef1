"""Deliveries reach their receivers."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from orosync.router.deliveries import Audience, Delivery, Member
from orosync.session.dispatch import Dispatcher
from orosync.testing import RecordingJournal, principal
from orosync.wamp.messages import Event, Published


class CountingWire:
    def __init__(self, name, frame=b"frame"):
        self.name, self.made, self.frame = name, 0, frame

    def event(self, message, payload, topic):
        self.made += 1
        return self.frame and self.frame + self.name


class DispatcherTests(SynchronousTestCase):
    def setUp(self):
        self.journal = RecordingJournal()
        self.dispatcher = Dispatcher(self.journal)
        self.got = []

    def member(self, number, wire=None):
        return Member(
            number, principal(), wire=wire, push=lambda f: self.got.append((number, f)),
            tell=lambda m, p: self.got.append((number, m, p)),
        )  # fmt: skip

    def test_an_event_is_encoded_once_for_each_wire(self):
        """However many receivers, each way of speaking is encoded once."""
        a, b = CountingWire(b"-a"), CountingWire(b"-b")
        members = [self.member(1, a), self.member(2, b), self.member(3, a), self.member(4, a)]
        self.dispatcher.deliver([Delivery(members, Event(1, 1, {}), None, "t")])
        self.assertEqual((a.made, b.made), (1, 1))
        self.assertEqual(sorted(self.got), [(1, b"frame-a"), (2, b"frame-b"), (3, b"frame-a"), (4, b"frame-a")])

    def test_an_audience_is_grouped_once(self):
        """Whoever gets many events together is sorted by wire for the first of them; each event goes to all of them."""
        a, b = CountingWire(b"-a"), CountingWire(b"-b")
        audience = Audience([self.member(1, a), self.member(2, b), self.member(3, a)])
        for number in (1, 2):
            self.dispatcher.deliver([Delivery(audience, Event(1, number, {}), None, "t")])
            groups = audience.groups
            self.assertEqual(sorted(self.got), [(1, b"frame-a"), (2, b"frame-b"), (3, b"frame-a")])
            self.got.clear()
        self.assertIs(audience.groups, groups)
        self.assertEqual((a.made, b.made), (2, 2))

    def test_how_long_a_fan_out_took(self):
        """Of events for several receivers; the way to one receiver is not measured."""
        clock = Clock()
        self.dispatcher = Dispatcher(self.journal, clock.seconds)
        slow = Member(1, principal(), wire=CountingWire(b""), push=lambda frame: clock.advance(0.002))
        for receivers in ([slow], [slow, self.member(2, slow.wire)]):
            self.dispatcher.deliver([Delivery(receivers, Event(1, 1, {}), None, "t")])
        self.assertEqual(self.dispatcher.fan_outs.count, 1)
        self.assertAlmostEqual(self.dispatcher.fan_outs.sum, 0.002)

    def test_who_cannot_carry_it_gets_nothing(self):
        """The others do; it is counted."""
        members = [self.member(1, CountingWire(b"", None)), self.member(2, CountingWire(b""))]
        self.dispatcher.deliver([Delivery(members, Event(1, 1, {}), None, "t")])
        self.assertEqual(self.got, [(2, b"frame")])
        self.assertEqual(self.journal.counts["payload.undeliverable", "event"], 1)

    def test_other_messages_are_told(self):
        """What is no EVENT goes to its receiver as a message."""
        message = Published(1, 2)
        self.dispatcher.deliver([Delivery([self.member(1)], message)])
        self.assertEqual(self.got, [(1, message, None)])
