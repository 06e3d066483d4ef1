"""What orosync itself publishes in a realm."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from orosync.interfaces import IPublisher
from orosync.session.local import LocalMember
from tests.session.fixture import RealmFixture


class PublisherTests(SynchronousTestCase):
    def setUp(self):
        self.fixture = RealmFixture()
        self.publisher = LocalMember(self.fixture.realm_context)

    def test_reaches_both_protocols(self):
        """v1 and v2 subscribers get it, and the number of receivers comes back."""
        verifyObject(IPublisher, self.publisher)
        old, new = self.fixture.v1(), self.fixture.v2()
        old.ask([5, "oro/ping"])
        new.ask([32, 1, {}, "oro/ping"])
        self.assertEqual(self.publisher.publish("oro/ping", ["alive"]), 2)
        self.assertEqual(old.heard(), [[8, "oro/ping", "alive"]])
        self.assertEqual(new.heard()[0][4], ["alive"])

    def test_eligible(self):
        """Only the sessions named."""
        one, other = self.fixture.v2(), self.fixture.v2()
        for client in (one, other):
            client.ask([32, 1, {}, "t"])
        self.assertEqual(self.publisher.publish("t", [1], eligible=[one.session_id]), 1)
        self.assertEqual((len(one.heard()), len(other.heard())), (1, 0))

    def test_nobody(self):
        """Nobody listens: nothing happens."""
        self.assertEqual(self.publisher.publish("t", [1]), 0)
