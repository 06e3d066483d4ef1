"""T3: autobahn's batched clients, and batches made by hand, beside everybody else."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client
from tests.product.raw import RawClient
from tests.product.running_router import shared

VALUES = [1, -1, 1.5, "äöü €", None, True, [1, [2]], {"a": {"b": 1}}]
HELLO = [1, "open", {"roles": {"publisher": {}, "subscriber": {}}}]


class BatchedTests(SynchronousTestCase):
    """T3."""

    def setUp(self) -> None:
        self.router = shared()

    def client(self, **options: object) -> Client:
        client = Client("autobahn-python", self.router.url(), **{"realm": "open", **options})
        self.addCleanup(client.end)
        return client

    def test_autobahn(self) -> None:
        """Its three batched serializers publish, subscribe, call and are called, among themselves and with others."""
        clients = {one: self.client(serializer=one, batched=True) for one in ("json", "msgpack", "cbor")}
        clients["plain"] = self.client()
        for name, client in clients.items():
            client.ask("subscribe", "com.example.news")
            client.ask("register", f"com.example.{name}")
        for name, publisher in clients.items():
            publisher.ask("publish", "com.example.news", VALUES, {"from": name}, acknowledge=True)
            for other, client in clients.items():
                if other != name:
                    self.assertEqual(client.event(), ("com.example.news", VALUES, {"from": name}), (name, other))
                result = client.ask("call", f"com.example.{name}", VALUES, {"k": 1})
                self.assertEqual(result, {"args": VALUES, "kwargs": {"k": 1}}, (name, other))

    def test_many_at_once(self) -> None:
        """One frame with HELLO and a hundred publications; the separator of the specification is answered with it."""
        plain = RawClient(self.router.url()).join()
        self.addCleanup(plain.close)
        plain.send([32, 1, {}, "com.example.news"])
        plain.read()
        client = RawClient(self.router.url(), "wamp.2.json.batched")
        self.addCleanup(client.close)
        self.assertIn("Sec-WebSocket-Protocol: wamp.2.json.batched", client.head)
        messages = [HELLO, *([16, n, {}, "com.example.news", [n]] for n in range(1, 101))]
        client.send_frame(b"".join(json.dumps(one).encode() + b"\x1e" for one in messages))
        self.assertEqual([plain.read()[4] for _ in range(100)], [[n] for n in range(1, 101)])
        welcome = client.read_frame()[1]
        self.assertEqual((welcome[:3], welcome[-1:]), (b"[2,", b"\x1e"))

    def test_an_empty_batch(self) -> None:
        """ABORT, and 1002."""
        client = RawClient(self.router.url(), "wamp.2.json.batched")
        self.addCleanup(client.close)
        client.send_frame(b"")
        self.assertEqual(json.loads(client.read_frame()[1][:-1])[2], "wamp.error.protocol_violation")
        self.assertEqual(client.ended(), 1002)
