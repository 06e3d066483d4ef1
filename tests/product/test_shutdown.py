"""The end of the process: connections are dropped without a CLOSE, within ten seconds, with status 0."""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from tests.product.house import House
from tests.product.raw import Closed, RawClient


class ShutdownTests(SynchronousTestCase):
    def test_sigterm(self):
        """No CLOSE frame for v1, so that Oro's pages come back; no GOODBYE, ABORT or CLOSE for v2, so that JavaScript
        clients do."""
        house = House()
        self.addCleanup(house.close)
        old = [RawClient(house.url("anna"), "wamp") for _ in range(20)]
        new = [RawClient(house.url()).join() for _ in range(20)]
        waiting = RawClient(house.url())
        for client in (*old, *new, waiting):
            self.addCleanup(client.close)
        for client in old:
            self.assertEqual(client.read()[0], 0)
        started = time.monotonic()
        self.assertEqual(house.child.end(), 0)
        self.assertLess(time.monotonic() - started, 10)
        for client in (*new, waiting):
            with self.assertRaises(Closed) as caught:
                client.read()
            self.assertIsNone(caught.exception.code)
        for client in old:
            self.assertIsNone(client.ended(), "a CLOSE frame keeps Oro's pages from reconnecting")
        self.assertNotIn("Traceback", house.log)
