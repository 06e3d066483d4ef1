"""From bytes to messages: what is none of WAMP's never becomes one."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import cbor2
import msgpack
import msgspec
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import NotCarriable, ProtocolViolation, Unfit
from orosync.wamp.codec import SHAPES, Codec
from orosync.wamp.formats import MAX_DEPTH
from orosync.wamp.messages import ABSENT, AnyMessage, Event
from tests.wamp.clients import CBOR, JSON, MSGPACK, WRITE, Write

SEED = [16, 7, {"acknowledge": True, "exclude": [1, 2]}, "com.x", [1, "é", None, 1.5], {"a": {"b": [True]}}]

WRONG: list[Any] = [
    # no message at all
    None, True, 0, 16, "x", {}, [], [[]], [None], [99], [0], [-1], ["16"], [16.5], [True, "r", {}], [{}], [1 << 70],
    # too few and too many elements
    [16], [16, 7], [16, 7, {}], [16, 7, {}, "t", [], {}, 1], [32, 7, {}, "t", []], [1, "r"], [1], [1, "r", {}, 1],
    [8, 68, 7, {}], [34, 7], [66, 7], [6, {}], [5, "s"], [70, 7], [49, 7], [337], [337, 1, 2], [35, 1, {}, 1],
    # wrong types
    [16, "7", {}, "t"], [16, None, {}, "t"], [16, True, {}, "t"], [16, [], {}, "t"], [16, {}, {}, "t"],
    [16, 7, [], "t"], [16, 7, None, "t"], [16, 7, "x", "t"], [16, 7, {}, 5], [16, 7, {}, None], [16, 7, {}, ["t"]],
    [16, 7, {}, "t", {}], [16, 7, {}, "t", "x"], [16, 7, {}, "t", 1], [16, 7, {}, "t", True],
    [16, 7, {}, "t", [], []], [16, 7, {}, "t", [], "x"], [16, 7, {}, "t", [], 1], [16, 7, {}, "t", None, []],
    [1, 5, {}], [1, None, {}], [1, "r", []], [1, "r", None], [6, "r", {}], [6, {}, 5], [3, {}, None], [5, 5, {}],
    [8, "68", 7, {}, "e"], [8, 68, 7, [], "e"], [8, 68, 7, {}, 1], [34, 7, "1"], [66, 7, None], [64, 7, {}, 1],
    # ids
    [16, -1, {}, "t"], [16, 2**53 + 1, {}, "t"], [16, 1.5, {}, "t"], [16, -1.0, {}, "t"], [16, 1e300, {}, "t"],
    [16, 2**63, {}, "t"], [34, 1, -1], [34, 1, 2**53 + 1], [34, 1, 0.5], [337, -1], [16, 2**70, {}, "t"],
]  # fmt: skip


class Shapes(SynchronousTestCase):
    """What is known of the fields of each message."""

    def test_shapes(self) -> None:
        """The fixed part is what the head writes; each field that holds an id is known as one."""
        for kind in AnyMessage.__args__:
            names, mapping, carries, fixed = SHAPES[kind]
            fields = [name for name in kind.__struct_fields__ if name not in ("args", "kwargs")]
            self.assertEqual(fixed, len(kind(*range(len(fields))).head()))
            self.assertEqual(carries, "args" in kind.__struct_fields__)
            for name in fields:
                annotation = kind.__annotations__[name]
                self.assertEqual(name in names, annotation == "Id", f"{kind.__name__}.{name}")
                self.assertEqual(name == mapping, annotation.startswith("dict"), f"{kind.__name__}.{name}")


class Mending(SynchronousTestCase):
    """JSON that is forgiven."""

    def test_half_an_emoji(self) -> None:
        """A cut emoji in a payload costs nothing: JSON gets it as it came, our own components a replacement."""
        text = rb'[16, 7, {"x": "\ud83d"}, "t\ude00", ["cut \ud83d", [ 1]] , {"\ud83d": "]}"}]'
        message, payload = JSON.decode(text)
        assert payload is not None
        self.assertEqual(message.head(), [16, 7, {"x": "\ufffd"}, "t\ufffd"])
        self.assertEqual((payload.args, payload.kwargs), (rb'["cut \ud83d", [ 1]]', rb'{"\ud83d": "]}"}'))
        self.assertRaises(NotCarriable, CBOR.encode, Event(1, 2, {}), payload)
        for text in [rb'[16,7,{},"\ud83d"]', rb'[16,7,{},"\ud83d",null]', rb'[32,7,{},"\ud83d"]']:
            message, payload = JSON.decode(text)
            self.assertEqual((message.head()[3], payload), ("\ufffd", None))


class Refusing(SynchronousTestCase):
    """What costs a client its session."""

    def test_wrong_messages(self) -> None:
        """Every shape that is none of WAMP's is refused, in every serialization."""
        for value in WRONG:
            for codec, write in WRITE:
                try:
                    data = write(value)
                except OverflowError:
                    continue  # MessagePack has no integers of this size
                self.assertRaises(ProtocolViolation, codec.decode, data)

    def test_no_json(self) -> None:
        """What is no JSON, or only Python's and JavaScript's idea of it, is refused wherever it stands."""
        for text in [
            b"", b"\0", b"[16,7,{},", b"[16,7,{},'t']", b'[16,7,{},"t"]]', b'[16,7,{},"t"] x', b'\xff[16,7,{},"t"]',
            b'[16,7,{},"t",[NaN]]', b'[16,7,{},"t",[],{"a":Infinity}]', b'[16,7,{"a":-Infinity},"t"]', b"[16,NaN,{}]",
            b'[16,1e400,{},"t"]', b'[16,7,{},"t",["\xff"]]', b'[16,7,{},"t",[1e400, NaN]]',
            b'[16,7,{},"\xff"]', b'[16,7,{"\xff":1},"t"]', b'[16,7,{},"t",[],{"\xff":1}]',
            b'[16,7,{},"t",["\\ud83d",NaN]]',
            b'[16,7,{},"t",["\\ud83d"],5]', b'[16,7,{},"t","\\ud83d"]', b'[16,"\\ud83d",{},"t"]', b'["\\ud83d"]',
        ]:  # fmt: skip
            self.assertRaises(ProtocolViolation, JSON.decode, text)

    def test_cut_at_every_byte(self) -> None:
        """A message that ends too early is refused wherever it ends."""
        for codec, write in WRITE:
            data = write(SEED)
            codec.decode(data)
            for end in range(len(data)):
                self.assertRaises(ProtocolViolation, codec.decode, data[:end])


DEEP: Any = 1
for _ in range(MAX_DEPTH):
    DEEP = [DEEP]

ODD: list[tuple[Codec, Write, list[Any]]] = [
    (
        JSON,
        lambda value: json.dumps(value).replace("12345", "1e400").replace("67890", "9" * 5000).encode(),
        [12345, 67890, DEEP],
    ),
    (MSGPACK, msgspec.msgpack.encode, [msgspec.msgpack.Ext(5, b"x"), msgspec.msgpack.Ext(-1, b"x"), {1: 2}, DEEP]),
    (
        CBOR,
        cbor2.dumps,
        [
            UUID(int=1),
            cbor2.CBORTag(0, "x"),
            cbor2.CBORTag(55799, 1),
            cbor2.CBORSimpleValue(7),
            {1: 2},
            {b"k": 1},
            DEEP,
        ],
    ),
]
"""Well-formed unsupported values, in each serialization."""


class Sparing(SynchronousTestCase):
    """An unsupported value does not end the session: the message is read without it."""

    def unfit(self, codec: Codec, data: bytes) -> Any:
        error = self.assertRaises(Unfit, codec.decode, data)
        self.assertTrue(str(error))
        return error.message

    def test_payload(self) -> None:
        """In the payload of each message that has one, at each place: everything else is as it was sent."""
        for codec, write, values in ODD:
            for value in values:
                for payload in [
                    [[value]],
                    [[1, {"a": [value]}]],
                    [[], {"a": value}],
                    [[value], {"a": 1}],
                    [[], {"a": [[value]]}],
                ]:
                    for head in [[16, 7, {"acknowledge": True}, "t"], [48, 7, {}, "t"], [70, 7, {"progress": True}],
                                 [8, 68, 7, {}, "e"], [36, 1, 2, {}], [50, 7, {}], [68, 1, 2, {}]]:  # fmt: skip
                        message = self.unfit(codec, write(head + payload))
                        self.assertEqual((message.head(), message.args, message.kwargs), (head, ABSENT, ABSENT))

    def test_options(self) -> None:
        """In options and details: those that are not the reason are kept, nil ones are absent."""
        for codec, write, values in ODD:
            for value in values:
                if codec is MSGPACK and value == {1: 2}:
                    continue  # nobody is given options
                bad = {"acknowledge": True, "x": value, "match": None, "y": [1]}
                good = {"acknowledge": True, "y": [1]}
                for head, place in [
                    ([16, 7, bad, "t"], 2), ([32, 7, bad, "t"], 2), ([48, 7, bad, "t"], 2), ([64, 7, bad, "t"], 2),
                    ([70, 7, bad], 2), ([8, 68, 7, bad, "e"], 3), ([49, 7, bad], 2), ([1, "r", bad], 2),
                    ([5, "s", bad], 2),                     ([6, bad, "e"], 1), ([3, bad, "e"], 1),
                ]:  # fmt: skip
                    message = self.unfit(codec, write(head))
                    self.assertEqual(message.head(), [*head[:place], good, *head[place + 1 :]])
        for codec, write in WRITE[1:]:
            self.assertEqual(self.unfit(codec, write([16, 7, {1: 2, "a": 3}, "t"])).head(), [16, 7, {"a": 3}, "t"])

    def test_positions_of_the_protocol(self) -> None:
        """Where an id, a URI or a code has to stand, it is the wrong type that is told, and that costs the session."""
        for codec, write, values in ODD:
            for value in values:
                for message in [[value], [16, value, {}, "t"], [16, 7, {}, value], [value, 7, {}, "t"], [1, value, {}],
                                [8, 68, value, {}, "e"], [6, {}, value], [34, 7, value], [99, value]]:  # fmt: skip
                    if isinstance(value, dict) and len(message) == 4 and message[2] is value:
                        continue
                    self.assertRaises(ProtocolViolation, codec.decode, write(message))
                if not isinstance(value, list):
                    self.assertRaises(ProtocolViolation, codec.decode, write([16, 7, {}, "t", value]))

    def test_values_in_options(self) -> None:
        """What is carried elsewhere has its plain value in options."""
        for codec, data, expected in [
            (CBOR, cbor2.dumps([16, 7, {"a": cbor2.CBORTag(1, 0), "b": 2**70, "c": {1},
                               "d": cbor2.CBORTag(64, b"x")}, "t"]),
             {"a": "1970-01-01T00:00:00Z", "b": 2**70, "c": [1], "d": b"x"}),
            (MSGPACK, msgpack.packb([16, 7, {"a": msgpack.Timestamp(0, 1), "u": msgpack.ExtType(0, b"\0")}, "t"]),
             {"a": "1970-01-01T00:00:00.000000001Z"}),
        ]:  # fmt: skip
            self.assertEqual(codec.decode(data)[0].head()[2], expected)

    def test_ids_of_any_length(self) -> None:
        """A BigInt of JavaScript's is an id where it is in range."""
        self.assertEqual(CBOR.decode(cbor2.dumps([16, cbor2.CBORTag(2, b"\7"), {}, "t"]))[0].head(), [16, 7, {}, "t"])

    def test_depth(self) -> None:
        """MAX_DEPTH levels are fine, one more is not, in payload and in options, and no depth ends the process."""

        def nested(levels: int) -> Any:
            value: Any = 1
            for level in range(levels):
                value = [value] if level % 2 else {"a": value}
            return value

        for codec, write in WRITE:
            for place in [
                lambda x: [16, 7, {}, "t", [x]],
                lambda x: [16, 7, {}, "t", [], {"a": x}],
                lambda x: [16, 7, {"a": x}, "t"],
            ]:
                codec.decode(write(place(nested(MAX_DEPTH - 2))))
                self.unfit(codec, write(place(nested(MAX_DEPTH - 1))))
        for codec, data in [
            (JSON, b"[" * 200000),
            (JSON, b'[16,7,{"a":' + b'{"a":' * 100000),
            (MSGPACK, b"\x91" * 200000),
            (MSGPACK, b"\x94\x10\x01\x81\xa1a" + b"\x81\xa1a" * 100000),
            (CBOR, b"\x81" * 200000),
            (CBOR, b"\x9f" * 200000),
        ]:
            self.assertRaises(ProtocolViolation, codec.decode, data)
        for codec, data in [
            (JSON, b'[16,7,{},"t",' + b"[" * 100000 + b"]" * 100000 + b"]"),
            (JSON, b'[16,7,{"x":' + b'{"a":' * 100000 + b"1" + b"}" * 100000 + b'},"t"]'),
            (MSGPACK, b"\x95\x10\x07\x80\xa1t" + b"\x91" * 100000 + b"\x01"),
            (CBOR, b"\x85\x10\x07\xa0\x61t" + b"\x81" * 100000 + b"\x01"),
            (CBOR, b"\x85\x10\x07\xa0\x61t" + b"\x9f" * 100000 + b"\xff" * 100000),
        ]:
            self.assertEqual(self.unfit(codec, data).head(), [16, 7, {}, "t"])
