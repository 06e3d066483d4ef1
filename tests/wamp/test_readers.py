"""From bytes to messages: what is none of WAMP's never becomes one."""

from __future__ import annotations

from typing import Any

import cbor2
import msgspec
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import NotCarriable, ProtocolViolation
from orosync.wamp.formats import MAX_DEPTH
from orosync.wamp.messages import AnyMessage, Event
from orosync.wamp.readers import SHAPES
from tests.wamp.clients import CBOR, JSON, MSGPACK, WRITE

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
            b'[16,7,{},"t",[1e400]]', b'[16,7,{"a":1e400},"t"]', b'[16,1e400,{},"t"]', b'[16,7,{},"t",["\xff"]]',
            b'[16,7,{},"\xff"]', b'[16,7,{"\xff":1},"t"]', b'[16,7,{},"t",[],{"\xff":1}]',
            b'[16,7,{},"t",["\\ud83d",NaN]]',
            b'[16,7,{},"t",["\\ud83d"],5]', b'[16,7,{},"t","\\ud83d"]', b'[16,"\\ud83d",{},"t"]', b'["\\ud83d"]',
        ]:  # fmt: skip
            self.assertRaises(ProtocolViolation, JSON.decode, text)

    def test_types_that_are_not_wamps(self) -> None:
        """Dates, extensions and tags are refused wherever they stand."""
        for place in [
            lambda x: [16, 7, {}, "t", [x]],
            lambda x: [16, 7, {}, "t", [], {"a": [x]}],
            lambda x: [16, 7, {"a": x}, "t"],
        ]:
            self.assertRaises(
                ProtocolViolation, MSGPACK.decode, msgspec.msgpack.encode(place(msgspec.msgpack.Ext(5, b"x")))
            )
            self.assertRaises(ProtocolViolation, CBOR.decode, cbor2.dumps(place(cbor2.CBORTag(0, "2026-01-01"))))
            self.assertRaises(ProtocolViolation, CBOR.decode, cbor2.dumps(place(2**70)))
            self.assertRaises(ProtocolViolation, CBOR.decode, cbor2.dumps(place(cbor2.CBORSimpleValue(7))))

    def test_keys(self) -> None:
        """Options and keywords have text for keys."""
        for codec, write in WRITE[1:]:
            for value in [[16, 7, {1: 2}, "t"], [16, 7, {}, "t", [], {1: 2}], [16, 7, {}, "t", [], {b"a": 2}]]:
                self.assertRaises(ProtocolViolation, codec.decode, write(value))

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
                self.assertRaises(ProtocolViolation, codec.decode, write(place(nested(MAX_DEPTH - 1))))
        for codec, data in [
            (JSON, b"[" * 200000),
            (JSON, b'[16,7,{},"t",' + b"[" * 100000 + b"]" * 100000 + b"]"),
            (JSON, b'[16,7,{"a":' + b'{"a":' * 100000),
            (MSGPACK, b"\x91" * 200000),
            (MSGPACK, b"\x94\x10\x01\x81\xa1a" + b"\x81\xa1a" * 100000),
            (CBOR, b"\x81" * 200000),
            (CBOR, b"\x9f" * 200000),
        ]:
            self.assertRaises(ProtocolViolation, codec.decode, data)

    def test_cut_at_every_byte(self) -> None:
        """A message that ends too early is refused wherever it ends."""
        for codec, write in WRITE:
            data = write(SEED)
            codec.decode(data)
            for end in range(len(data)):
                self.assertRaises(ProtocolViolation, codec.decode, data[:end])
