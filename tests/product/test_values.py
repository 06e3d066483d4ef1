"""Values of JavaScript and Python between real clients: whatever one of them sends, every session lives on."""

from __future__ import annotations

import itertools
import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import cbor2
import msgpack
from twisted.trial.unittest import SynchronousTestCase

from tests.product.clients import Client
from tests.product.raw import RawClient
from tests.product.running_router import RunningRouter

CLIENTS = [*itertools.product(["autobahn-python", "autobahn", "wampy"], ["json", "msgpack", "cbor"])]

JAVASCRIPT = [
    "undefined",
    "({a: undefined})",
    "[1, undefined]",
    "NaN",
    "-Infinity",
    "2 ** 60",
    "-(2 ** 53)",
    "5n",
    "2n ** 63n",
    "-(2n ** 64n)",
    "2n ** 200n",
    "new Date(0)",
    "new Date(1.5)",
    "new Date(-1e12)",
    "new Date(NaN)",
    "new Date(8.64e15)",
    "Buffer.from([1])",
    "new Uint8Array([1, 255])",
    "new Uint8Array(300).buffer",
    "new Uint8ClampedArray([1])",
    "new Int8Array([-1])",
    "new Uint16Array([1])",
    "new Int16Array([-1])",
    "new Uint32Array([1])",
    "new Int32Array([-1])",
    "new Float32Array([1.5])",
    "new Float64Array([1.5])",
    "new BigInt64Array([-1n])",
    "new BigUint64Array([1n])",
    "new DataView(new ArrayBuffer(2))",
    "new Map([['a', 1]])",
    "new Map([[1, 2]])",
    "new Map([[{}, 2]])",
    "new Set([1, 'a', new Set([2])])",
    "/x/g",
    "new Error('x')",
    "Symbol('x')",
    "(() => 1)",
    "new (class A { x = 1; })()",
    "new URL('http://a/')",
    "Object.create(null)",
    "'\\ud83d'",
    "new String('x')",
    "new Number(1)",
    "[,1]",
    "JSON.parse('['.repeat(130) + ']'.repeat(130))",
    "JSON.parse('['.repeat(300) + ']'.repeat(300))",
    "'x'.repeat(3000)",
]

PYTHON = [
    "math.nan",
    "math.inf",
    "2**53",
    "2**64",
    "-2**70",
    "10**400",
    "b'x'",
    "bytearray(b'x')",
    "memoryview(b'x')",
    "{1, 2}",
    "frozenset(['a'])",
    "{1: 2}",
    "{None: 1}",
    "{b'k': 1}",
    "{(1, 2): 3}",
    "(1, 2)",
    "datetime.datetime.now(datetime.UTC)",
    "datetime.datetime.now()",
    "datetime.date(2026, 12, 1)",
    "datetime.timedelta(1)",
    "decimal.Decimal('1.10')",
    "decimal.Decimal('NaN')",
    "decimal.Decimal('1e-500')",
    "fractions.Fraction(1, 3)",
    "uuid.UUID(int=1)",
    "1j",
    "object()",
    "'\\ud83d'",
    "'\\0x'",
    "cbor2.undefined",
    "cbor2.CBORSimpleValue(99)",
    "cbor2.CBORTag(35, 'x')",
    "msgpack.Timestamp(1, 1)",
    "msgpack.ExtType(5, b'x')",
    "eval('[' * 130 + ']' * 130)",
    "None",
]

BIG = {"-(2n ** 64n)", "2n ** 200n", "new BigInt64Array([-1n])", "new BigUint64Array([1n])"}
NOT_WRITTEN = {
    ("autobahn-python", "json"): {"math.nan", "math.inf"},
    ("autobahn", "json"): {"5n", "2n ** 63n", *BIG},
    ("wampy", "json"): {"5n", "2n ** 63n", *BIG},
    ("wampy", "msgpack"): {"Symbol('x')", *BIG},
    ("wampy", "cbor"): {"Symbol('x')", "(() => 1)"},
}
"""What Python's json writes although it is no JSON, and what wampy ends its session over before anything is sent."""

WRITE: dict[str, Any] = {
    "json": lambda value: json.dumps(value).encode(),
    "msgpack": msgpack.packb,
    "cbor": cbor2.dumps,
}
Tag = cbor2.CBORTag


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


RAW: dict[str, list[Any]] = {
    "json": [2**64, 10**300, {"__proto__": {"x": 1}}, {"constructor": 1}, nested(250)],
    "msgpack": [
        msgpack.Timestamp(2**33, 999999999),
        msgpack.Timestamp(-62135596800),
        {"__proto__": {"x": 1}},
        msgpack.ExtType(0, b"\0"),
        math.nan,
        b"x",
        nested(250),
        {1: 2},
        msgpack.ExtType(5, b"x"),
    ],
    "cbor": [
        datetime(1, 1, 1, tzinfo=UTC),
        Tag(0, "9999-12-31T23:59:59.999999999+23:59"),
        Tag(1, -62135596800),
        Tag(1, 253402300799),
        Tag(1, 1.5),
        2**64,
        2**2000,
        -(2**70),
        Decimal("1.10"),
        Tag(4, [10_000, 1]),
        Tag(4, [-10_000, 2**1000]),
        Tag(5, [10_000, 1]),
        Tag(5, [-10_000, -1]),
        *(Tag(tag, b"x" * 48) for tag in range(64, 88)),
        *(Tag(tag, b"") for tag in range(64, 88)),
        {1, 2},
        Tag(258, [[1], {"a": 1}, [1]]),
        Tag(258, []),
        Tag(259, {"__proto__": 1}),
        Tag(259, {1: 2, None: 4}),
        Tag(2, b""),
        Tag(3, b"\0\0"),
        cbor2.undefined,
        {"__proto__": {"x": 1}},
        nested(250),
        [nested(40), {"a": {1}}],
        Tag(25, 1),
    ],
}
"""What reaches others, to the edges of what is carried, and some of what does not."""


class ValueTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.router = RunningRouter()
        self.addCleanup(self.router.close)
        self.addCleanup(self.nobody_was_cut)
        self.clients: dict[tuple[str, str], Client] = {}
        for library, serializer in CLIENTS:
            client = self.clients[library, serializer] = Client(
                library, self.router.url(), serializer=serializer, realm="open"
            )
            self.addCleanup(client.end)

    def nobody_was_cut(self) -> None:
        """No session ended over a violation, and nothing went wrong in the router."""
        for word in ("session.violation", "Traceback", "internal error"):
            self.assertNotIn(word, self.router.log)

    def raw(self, serializer: str) -> Any:
        """A client that is no library's: ``send`` and ``read`` messages."""
        client = RawClient(self.router.url(), f"wamp.2.{serializer}")
        self.addCleanup(client.close)
        kind = 1 if serializer == "json" else 2

        class Peer:
            @staticmethod
            def send(message: Any) -> None:
                client.send_frame(WRITE[serializer](message), kind)

            @staticmethod
            def read() -> Any:
                data = client.read_frame()[1]
                return {
                    "json": json.loads,
                    "msgpack": lambda d: msgpack.unpackb(d, strict_map_key=False),
                    "cbor": cbor2.loads,
                }[serializer](data)

        Peer.send([1, "open", {"roles": {"publisher": {}, "caller": {}}}])
        assert Peer.read()[0] == 2
        return Peer

    def all_hear(self, topic: str) -> None:
        """Every client is there, and hears what is said now after all that it has heard before."""
        speaker = self.raw("json")
        speaker.send([16, 99, {"acknowledge": True}, topic, ["the end"]])
        self.assertEqual(speaker.read()[0], 17)
        for who, client in self.clients.items():
            while client.event()[1] != ["the end"]:
                pass
            self.assertEqual(client.ask("publish", "com.example.other", [1], acknowledge=True), "published", who)

    def test_every_session_lives(self) -> None:
        """Whatever is carried, as an event and as a call's argument that comes back, and whatever JavaScript or
        Python has, sent by each library: it may fail, and no session ends over it."""
        for (library, serializer), client in self.clients.items():
            client.ask("subscribe", "com.example.news")
            client.ask("register", f"com.example.{library[-6:]}.{serializer}")
        for serializer, values in RAW.items():
            peer = self.raw(serializer)
            numbers = itertools.count(1)
            for value in values:
                peer.send([16, 1, {}, "com.example.news", [value], {"k": {"a": value}}])
                for library, codec in CLIENTS:
                    peer.send([48, next(numbers), {}, f"com.example.{library[-6:]}.{codec}", [value]])
        self.all_hear("com.example.news")
        for (library, serializer), client in self.clients.items():
            key, values = ("py", PYTHON) if library == "autobahn-python" else ("js", JAVASCRIPT)
            for word in values:
                if word not in NOT_WRITTEN.get((library, serializer), ()):
                    client.send("publish", "com.example.news", [{key: word}], {"k": {key: word}}, acknowledge=True)
        self.all_hear("com.example.news")
