"""Oro's PHP publisher, unchanged: it connects, publishes and goes, and every event arrives."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client
from tests.product.running_router import shared


class PublisherTests(SynchronousTestCase):
    def setUp(self):
        self.router = shared()

    def listeners(self):
        old = Client("wamp1", self.router.url("anna"))
        self.addCleanup(old.end)
        new = Client("autobahn-python", self.router.url("ben"))
        self.addCleanup(new.end)
        for client in (old, new):
            client.ask("subscribe", "oro/data/update")
        return old, new

    def publish_a_hundred(self, **how):
        """A hundred connections, each publishes once and drops: all connect, both listeners hear all in order."""
        old, new = self.listeners()
        done = self.router.publish(times=100, **how)
        self.assertEqual(len(done.pop("handshakes")), 100)
        self.assertEqual(done, {"connected": 100, "published": 100, "errors": []})
        for client in (old, new):
            heard = [client.event()[1][0]["n"] for _ in range(100)]
            self.assertEqual(sorted(heard), list(range(100)))
            self.assertTrue(client.silent())

    def test_plain_on_the_shared_port(self):
        """On the port that browsers use, from the loopback address."""
        self.publish_a_hundred()

    def test_tls(self):
        """Over TLS, WELCOME in the same record as the 101."""
        self.publish_a_hundred(tls=True)

    def test_back_end_listener(self):
        """On a listener of its own."""
        self.publish_a_hundred(port=self.router.backend)

    def test_order_and_size(self):
        """Many publishes of one connection keep their order; a large one passes (the tags of a mass import); one of
        more than 16 MiB is skipped alone, and the log names its topic."""
        old, _ = self.listeners()
        self.router.publish(per_connection=50, linger=0.2)
        self.assertEqual([old.event()[1][0]["k"] for _ in range(50)], list(range(50)))
        self.router.publish(payload={"text": "x" * 900_000}, linger=0.2, whole=True)
        self.assertEqual(len(old.event()[1][0]["text"]), 900_000)
        self.router.publish(payload={"text": "x" * 5_000_000}, linger=0.2, whole=True)
        self.assertEqual(len(old.event()[1][0]["text"]), 5_000_000)
        self.router.publish(payload={"text": "x" * (16 << 20)}, linger=0.2, whole=True)
        skipped = self.router.child.wait_for_line("frame.skipped (too_large)")
        self.assertIn(" topic=oro/data/update", skipped)
        self.assertTrue(old.silent())
        self.assertNotIn("Traceback", self.router.log)
