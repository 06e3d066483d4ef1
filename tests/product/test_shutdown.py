"""The end of the process: connections are dropped without a CLOSE, within ten seconds, with status 0."""

from __future__ import annotations

import signal
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import Closed, RawClient
from tests.product.running_router import RunningRouter


class ShutdownTests(SynchronousTestCase):
    def test_sigterm(self):
        """No CLOSE frame for v1, so that Oro's pages come back; no GOODBYE, ABORT or CLOSE for v2, so that JavaScript
        clients do."""
        router = RunningRouter()
        self.addCleanup(router.close)
        old = [RawClient(router.url("anna"), "wamp") for _ in range(20)]
        new = [RawClient(router.url()).join() for _ in range(20)]
        waiting = RawClient(router.url())
        for client in (*old, *new, waiting):
            self.addCleanup(client.close)
        for client in old:
            self.assertEqual(client.read()[0], 0)
        started = time.monotonic()
        self.assertEqual(router.child.end(), 0)
        self.assertLess(time.monotonic() - started, 10)
        for client in (*new, waiting):
            with self.assertRaises(Closed) as caught:
                client.read()
            self.assertIsNone(caught.exception.code)
        for client in old:
            self.assertIsNone(client.ended(), "a CLOSE frame keeps Oro's pages from reconnecting")
        self.assertNotIn("Traceback", router.log)
        self.assertNotRegex(router.log.partition(" stops: ")[2] or "#warn]", r"#(warn|error|critical)\]")

    def test_keyboard(self):
        """Ctrl-C is an ordinary end as well: nothing is warned of, be there clients or not."""
        router = RunningRouter()
        self.addCleanup(router.close)
        for client in (RawClient(router.url("anna"), "wamp"), RawClient(router.url()).join(), RawClient(router.url())):
            self.addCleanup(client.close)
        router.child.process.send_signal(signal.SIGINT)
        self.assertEqual(router.child.process.wait(20), 0)
        self.assertNotRegex(router.log.partition(" stops: ")[2] or "#warn]", r"#(warn|error|critical)\]|Traceback")
