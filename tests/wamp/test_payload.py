"""Payloads: kept as they came, carried to others, and as one value for WAMP v1."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import msgspec
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import NotCarriable, ProtocolViolation
from orosync.wamp.payload import Format, Payload, described, understood

JSON, MSGPACK, CBOR = Format
ABLE = frozenset(["caller.payload_passthru_mode"])


class Tails(SynchronousTestCase):
    """What is put behind a message's fixed part."""

    def test_same_format(self) -> None:
        """Receivers of the sender's serialization get its very bytes, spaces and all."""
        for format, args, kwargs, expected in [
            (JSON, b"", b"", (0, b"")),
            (JSON, b"[ 1 ]", b"", (1, b"[ 1 ]")),
            (JSON, b"[]", b"", (1, b"[]")),
            (JSON, b"[ 1 ]", b'{"a": 1}', (2, b'[ 1 ],{"a": 1}')),
            (JSON, b"", b'{"a": 1}', (2, b'[],{"a": 1}')),
            (JSON, rb'["\ud83d"]', b"", (1, rb'["\ud83d"]')),
            (MSGPACK, b"\x91\x01", b"", (1, b"\x91\x01")),
            (MSGPACK, b"", b"\x80", (2, b"\x90\x80")),
            (CBOR, b"\x81\x01", b"\xa0", (2, b"\x81\x01\xa0")),
            (CBOR, b"", b"\xa0", (2, b"\x80\xa0")),
        ]:
            self.assertEqual(Payload(format, args, kwargs).tail(format), expected)

    def test_other_formats(self) -> None:
        """Receivers of another serialization get the same values in theirs."""
        payload = Payload(JSON, b'[1, "\\u0000AQI="]', b'{"a": null}')
        self.assertEqual(payload.tail(MSGPACK), (2, msgspec.msgpack.encode([1, b"\1\2"]) + b"\x81\xa1a\xc0"))
        self.assertEqual(payload.tail(CBOR), (2, cbor2.dumps([1, b"\1\2"]) + cbor2.dumps({"a": None})))
        self.assertEqual(Payload(MSGPACK, b"", b"\x81\xa1a\xc4\x01x").tail(JSON), (2, b'[],{"a":"\\u0000eA=="}'))
        self.assertEqual(Payload(MSGPACK).tail(JSON), (0, b""))

    def test_once(self) -> None:
        """A thousand receivers of one serialization cost one conversion."""
        payload = Payload.of([1])
        self.assertIs(payload.tail(CBOR), payload.tail(CBOR))

    def test_not_carriable(self) -> None:
        """What one serialization cannot carry is refused for it each time, and only for it."""
        payload = Payload.of([float("nan")])
        for _ in range(2):
            error = self.assertRaises(NotCarriable, payload.tail, JSON)
            self.assertIn("NaN", str(error))
        self.assertEqual(payload.tail(MSGPACK)[0], 1)
        self.assertEqual(payload.tail(CBOR)[0], 1)

    def test_sealed(self) -> None:
        """One binary in the place of the arguments is carried as binary."""
        sealed = Payload(MSGPACK, b"\xc4\x02\1\2")
        self.assertEqual(sealed.tail(JSON), (1, b'"\\u0000AQI="'))
        self.assertEqual(sealed.tail(CBOR), (1, b"\x42\1\2"))
        self.assertEqual(sealed.values(), ([b"\1\2"], {}))
        self.assertEqual(sealed.as_v1(), b'"\\u0000AQI="')


class Inner(SynchronousTestCase):
    """Two of the arguments as a payload of their own."""

    def test_as_they_came(self) -> None:
        """Whatever their bytes, in each serialization; nil and missing ones are absent."""
        when = cbor2.CBORTag(1, 1)
        for format, args, expected in [
            (JSON, b'["t", [ 1e2 ], {"a" :1}]', (b"[ 1e2 ]", b'{"a" :1}')),
            (JSON, b'["t",null,{}]', (b"", b"{}")),
            (JSON, b'["t"]', (b"", b"")),
            (MSGPACK, msgspec.msgpack.encode(["t", [1]]), (b"\x91\x01", b"")),
            (CBOR, cbor2.dumps(["t", [when], {"k": {1}}]), (cbor2.dumps([when]), cbor2.dumps({"k": {1}}))),
            (CBOR, cbor2.dumps(["t", None, cbor2.undefined]), (b"", b"")),
        ]:
            inner = Payload(format, args).inner(1, 2)
            assert inner is not None
            self.assertEqual((inner.format, inner.args, inner.kwargs), (format, *expected))

    def test_of_other_types(self) -> None:
        """What is neither array nor map, such as a set, is not taken for one."""
        for format, args in [(JSON, b'["t",1]'), (CBOR, cbor2.dumps(["t", {1}])), (CBOR, cbor2.dumps(["t", [], 5]))]:
            self.assertIsNone(Payload(format, args).inner(1, 2))


class Values(SynchronousTestCase):
    """To and from Python."""

    def test_there_and_back(self) -> None:
        """Our own components publish and read plain values."""
        for args, kwargs in [
            ((), {}),
            ([1, "é", None, b"\xff"], {"a": {"b": [1.5]}}),
            ([float("inf")], {}),
            (["\0text"], {}),
        ]:
            self.assertEqual(Payload.of(args, kwargs).values(), (list(args), kwargs))

    def test_absent(self) -> None:
        """None is nothing at all; an empty list is an empty list."""
        self.assertEqual(Payload.of().tail(JSON), (0, b""))
        self.assertEqual(Payload.of([], None).tail(JSON), (1, b"[]"))
        self.assertEqual(Payload.of(None, {}).tail(JSON), (2, b"[],{}"))
        self.assertEqual(Payload(CBOR).values(), ([], {}))

    def test_what_nobody_could_carry(self) -> None:
        """A payload that no serialization can express is refused when it is made."""
        for args in [["\ud83d"], [{1.5: 1}]]:
            self.assertRaises(NotCarriable, Payload.of, args)
        self.assertRaises(TypeError, Payload.of, [object()])

    def test_half_an_emoji(self) -> None:
        """Our own components read a replacement character where JSON's receivers get the original."""
        self.assertEqual(Payload(JSON, rb'["x\ud83d"]').values(), (["x\ufffd"], {}))

    def test_repr(self) -> None:
        """A payload in a log line tells its size and nothing that is in it."""
        self.assertEqual(repr(Payload.of(["secret"], {"password": 1})), "<Payload json: 10 + 14 bytes>")


class Version1(SynchronousTestCase):
    """A WAMP v1 event is one value."""

    def test_as_v1(self) -> None:
        """One argument is the value, keywords alone are an object, anything else is both by name."""
        for args, kwargs, expected in [
            ([1], None, 1),
            ([1], {}, 1),
            ([[1, 2]], None, [1, 2]),
            ([None], None, None),
            (None, {"a": 1}, {"a": 1}),
            ([], {"a": 1}, {"a": 1}),
            ([1, 2], None, {"args": [1, 2], "kwargs": {}}),
            ([1], {"a": 1}, {"args": [1], "kwargs": {"a": 1}}),
            (None, None, {"args": [], "kwargs": {}}),
            ([], {}, {"args": [], "kwargs": {}}),
            ([], None, {"args": [], "kwargs": {}}),
        ]:
            native = Payload.of(args, kwargs)
            packed = Payload(
                MSGPACK,
                b"" if args is None else msgspec.msgpack.encode(args),
                b"" if kwargs is None else msgspec.msgpack.encode(kwargs),
            )
            self.assertEqual(json.loads(native.as_v1()), expected, f"{args} {kwargs}")
            self.assertEqual(json.loads(packed.as_v1()), expected, f"{args} {kwargs}")

    def test_bytes_as_they_came(self) -> None:
        """A single argument's bytes are not touched; an object with nothing but spaces in it is empty."""
        self.assertEqual(Payload(JSON, rb'[ {"a" : "\ud83d\/"} ]').as_v1(), rb'{"a" : "\ud83d\/"}')
        self.assertEqual(Payload(JSON, b"[1]", b"{ }").as_v1(), b"1")
        self.assertEqual(Payload(JSON, b"[ ]", b'{"a" : 1}').as_v1(), b'{"a" : 1}')

    def test_from_v1(self) -> None:
        """A v1 event reaches WAMP v2 as its only argument, and v1 as it came."""
        payload = Payload.from_v1(b'{"isOn" : true}')
        self.assertEqual(payload.values(), ([{"isOn": True}], {}))
        self.assertEqual(payload.as_v1(), b'{"isOn" : true}')

    def test_not_carriable(self) -> None:
        """What JSON cannot say is not for v1 either."""
        self.assertRaises(NotCarriable, Payload.of([float("nan")]).as_v1)


class Passthru(SynchronousTestCase):
    """P13: the options of a payload that only its sender and its receiver can read."""

    def test_described(self) -> None:
        """Exactly the options that describe the payload are handed on, as they are."""
        table: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
            ({}, None),
            ({"acknowledge": True, "ppt_cipher": "x"}, None),
            ({"ppt_scheme": ""}, None),
            ({"ppt_scheme": "wamp", "timeout": 3}, {"ppt_scheme": "wamp"}),
            (
                {"ppt_scheme": "x", "ppt_serializer": "cbor", "ppt_cipher": "c", "ppt_keyid": "k", "ppt_other": "o"},
                {"ppt_scheme": "x", "ppt_serializer": "cbor", "ppt_cipher": "c", "ppt_keyid": "k"},
            ),
            ({"ppt_scheme": "mqtt", "ppt_keyid": None}, {"ppt_scheme": "mqtt"}),
            ({"enc_algo": "cryptobox", "enc_key": "k"}, {"enc_algo": "cryptobox", "enc_key": "k"}),
        ]
        for options, expected in table:
            self.assertEqual(described(options, ABLE, "caller"), expected, options)

    def test_violations(self) -> None:
        """A sender that has not announced the feature in this role, and an option of another type."""
        for options, features, role in (
            ({"ppt_scheme": "wamp"}, frozenset[str](), "caller"),
            ({"ppt_scheme": "wamp"}, ABLE, "callee"),
            ({"ppt_scheme": 5}, ABLE, "caller"),
            ({"ppt_scheme": "wamp", "ppt_keyid": ["k"]}, ABLE, "caller"),
            ({"enc_algo": "cryptobox", "enc_key": 5}, ABLE, "caller"),
        ):
            self.assertRaises(ProtocolViolation, described, options, features, role)

    def test_understood(self) -> None:
        """A receiver has to have announced the feature, except for the older options."""
        self.assertTrue(understood({"ppt_scheme": "wamp"}, ABLE, "caller"))
        self.assertFalse(understood({"ppt_scheme": "wamp"}, ABLE, "callee"))
        self.assertTrue(understood({"enc_algo": "cryptobox"}, frozenset(), "callee"))
