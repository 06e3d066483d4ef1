"""T1: permessage-deflate as a user has it: autobahn's, JavaScript's and bare clients, compressing or not."""

from __future__ import annotations

import zlib

from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client
from tests.product.raw import RawClient
from tests.product.running_router import RunningRouter, shared

OFFER = ("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",)
LONG = "a text that repeats itself, " * 100


def inflated(payload: bytes) -> bytes:
    return zlib.decompressobj(wbits=-15).decompress(payload + b"\0\0\xff\xff")


class CompressionTests(SynchronousTestCase):
    """T1."""

    def setUp(self) -> None:
        self.router = shared(listen="compression = deflate")

    def bare(self, subprotocol: str = "wamp.2.json", headers: tuple[str, ...] = OFFER) -> RawClient:
        client = RawClient(self.router.url(), subprotocol, headers=headers)
        self.addCleanup(client.close)
        return client

    def test_all_receive_all(self) -> None:
        """Compressing clients of three libraries and one that does not, short and long messages, text and binary."""
        clients = {
            "autobahn-python": self.client("autobahn-python", deflate=True),
            "autobahn-python cbor": self.client("autobahn-python", deflate=True, serializer="cbor"),
            "batched": self.client("autobahn-python", deflate=True, batched=True),
            "autobahn-js": self.client("autobahn"),
            "wampy": self.client("wampy", serializer="msgpack"),
            "plain": self.client("autobahn-python"),
        }
        for client in clients.values():
            client.ask("subscribe", "com.example.news")
        for name, publisher in clients.items():
            for value in ("short", LONG):
                publisher.ask("publish", "com.example.news", [value], {"from": name}, acknowledge=True)
                for other, client in clients.items():
                    if other != name:
                        self.assertEqual(client.event(), ("com.example.news", [value], {"from": name}), (name, other))

    def test_on_the_wire(self) -> None:
        """Long events are compressed, short ones are not, each by itself; v1 clients are no exception."""
        v2 = self.bare()
        v2.send([1, "open", {"roles": {"subscriber": {}}}])
        self.assertEqual(inflated(v2.read_frame()[1])[:3], b"[2,")
        self.assertIn("permessage-deflate; server_no_context_takeover; client_no_context_takeover", v2.head)
        v2.send([32, 1, {}, "com.example.news"])
        v2.read()
        other = RawClient(self.router.url(), headers=()).join()
        self.addCleanup(other.close)
        self.assertNotIn("Extensions", other.head)
        for value in (LONG, LONG):
            other.send([16, 1, {}, "com.example.news", [value]])
            _, payload = v2.read_frame()
            self.assertLess(len(payload), 200)
            self.assertIn(LONG.encode(), inflated(payload))
        other.send([16, 2, {}, "com.example.news", ["short"]])
        self.assertEqual(v2.read()[4], ["short"])

    def test_a_bomb(self) -> None:
        """It costs its sender the connection, with 1009, and the process no memory to speak of."""
        client = self.bare()
        squeezer = zlib.compressobj(wbits=-15)
        bomb = (squeezer.compress(bytes(60_000_000)) + squeezer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        client.send_frame(bomb, 2, rsv=4)
        self.assertEqual(client.ended(), 1009)
        self.router.child.wait_for_line("frame.refused (1009)")

    def client(self, library: str, **options: object) -> Client:
        client = Client(library, self.router.url(), **{"realm": "open", **options})
        self.addCleanup(client.end)
        return client


class OffTests(SynchronousTestCase):
    """T1."""

    def test_off_unless_wanted(self) -> None:
        """Without the key nobody's offer is answered."""
        router = RunningRouter()
        self.addCleanup(router.close)
        client = RawClient(router.url(), headers=OFFER)
        self.addCleanup(client.close)
        self.assertEqual(client.status, 101)
        self.assertNotIn("Extensions", client.head)
