"""Who does not read is cut with a reason in the log, before the running product, and nobody else has to wait."""

from __future__ import annotations

import socket
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.product.raw import RawClient
from tests.product.running_router import RunningRouter
from tests.product.uninvolved_clients import UninvolvedClients

TOPIC = "oro/data/update"
TEXT = "x" * 60_000


class SlowConsumerTests(SynchronousTestCase):
    def begin(self, **listen):
        self.router = RunningRouter(listen="\n".join(f"{key} = {value}" for key, value in listen.items()))
        self.addCleanup(self.router.close)
        self.uninvolved = UninvolvedClients(self.router)
        self.addCleanup(self.uninvolved.stop)
        self.publisher = self.client(self.router.url("", port=self.router.backend), "wamp")
        self.assertEqual(self.publisher.read()[0], 0)

    def client(self, *args):
        client = RawClient(*args)
        self.addCleanup(client.close)
        return client

    def sleepers(self):
        """One of v1 and one of v2 who subscribe, and then read nothing; little fits into their sockets."""
        old, new = self.client(self.router.url("anna"), "wamp"), self.client(self.router.url("ben"))
        self.assertEqual(old.read()[0], 0)
        new.join("oro").send([32, 1, {}, TOPIC])
        self.assertEqual(new.read()[0], 33)
        old.send([5, TOPIC], [5, "oro/maintenance"])
        self.assertEqual(old.read()[:2], [8, "oro/maintenance"])
        for client in (old, new):
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        return old, new

    def cut(self, reason):
        """Both are gone for ``reason``, the publisher is not; the uninvolved clients' events came in time meanwhile."""
        deadline = time.monotonic() + 20
        while self.router.log.count("consumer.cut") < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        delays = self.uninvolved.finish()
        self.assertGreaterEqual(len(delays), 50)
        self.assertEqual(self.uninvolved.strange, [])
        self.assertLess(sorted(delays)[int(len(delays) * 0.99)], 0.1)
        self.assertEqual(self.router.log.count(f"consumer.cut ({reason})"), 2)
        reader = self.client(self.router.url("anna"), "wamp")
        self.assertEqual(reader.read()[0], 0)
        reader.send([5, TOPIC], [5, "oro/maintenance"])
        self.assertEqual(reader.read()[:2], [8, "oro/maintenance"])
        self.publisher.send([7, TOPIC, "after"])
        self.assertEqual(reader.read(), [8, TOPIC, "after"])

    def test_too_much_queued(self):
        """Past a mebibyte that waits for it, whatever the kernel holds, a consumer is cut."""
        self.begin()
        sleepers = self.sleepers()
        for _ in range(300):
            self.publisher.send([7, TOPIC, TEXT])
        self.cut("queue_full")
        for client in sleepers:
            self.assertIn(client.ended(), (None, 1008))

    def test_nothing_taken(self):
        """Below that bound, but taking nothing for as long as is configured."""
        self.begin(send_timeout="1s", send_buffer_limit="64MiB")
        self.sleepers()
        for _ in range(150):
            self.publisher.send([7, TOPIC, TEXT])
        self.cut("stalled")
