"""What orosync itself subscribes to in a realm."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.app.metrics import subscriptions_by_route
from orosync.model import Match
from orosync.session.local import LocalMember
from tests.session.fixture import RealmFixture


class SubscriberTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.member = LocalMember(self.fixture.realm_context)
        self.heard = []

    def receive(self, event, payload, topic):
        self.heard.append((topic, payload.values()[0] if payload else None))

    def test_events_of_clients(self):
        """Of both protocols, by pattern too; with what they were sent for."""
        self.member.subscribe("oro/", Match.PREFIX, self.receive)
        self.fixture.v1().ask([7, "oro/ping", "alive"])
        self.fixture.v2().ask([16, 1, {}, "oro/data", [1, 2]])
        self.assertEqual(self.heard, [("oro/ping", ["alive"]), ("oro/data", [1, 2])])

    def test_several(self):
        """Each of those that listen to one topic gets its events, until it ends that."""
        endings = [self.member.subscribe("t", Match.EXACT, self.receive) for _ in range(2)]
        publisher = self.fixture.v2()
        for ending, expected in zip([*endings, None], (2, 1, 0), strict=True):
            self.heard.clear()
            publisher.ask([16, expected, {}, "t", []])
            self.assertEqual(len(self.heard), expected)
            if ending is not None:
                ending()
        self.assertIsNone(self.fixture.realm_context.realm.broker.lookup("t"))

    def test_a_failure(self):
        """It is logged, and the others get the event."""
        self.member.subscribe("t", Match.EXACT, lambda *_: 1 // 0)
        self.member.subscribe("t", Match.EXACT, self.receive)
        self.fixture.v2().ask([16, 1, {}, "t", [1]])
        self.assertEqual(self.heard, [("t", [1])])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_hidden(self):
        """The meta API and metrics count it nowhere."""
        broker = self.fixture.realm_context.realm.broker
        endings = [self.member.subscribe("t", Match.EXACT, self.receive) for _ in range(2)]
        client = self.fixture.v2()
        subscription = broker.lookup("t").id
        (result,) = client.ask([48, 1, {}, "wamp.subscription.count_subscribers", [subscription]])
        self.assertEqual(result[3], [0])
        self.assertEqual(subscriptions_by_route(broker, ()), {"other": 0})
        client.ask([32, 2, {}, "t"])
        self.assertEqual(subscriptions_by_route(broker, ()), {"other": 1})
        for ending in endings:
            ending()
        self.assertEqual(subscriptions_by_route(broker, ()), {"other": 1})
