"""Values on their way from one serialization to another."""

from __future__ import annotations

import json
import struct
from collections import OrderedDict
from datetime import UTC, datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import cbor2
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import NotCarriable
from orosync.wamp import transcode
from orosync.wamp.codec import CODECS
from orosync.wamp.formats import Format

JSON, MSGPACK, CBOR = Format

WRITE = {JSON: lambda value: json.dumps(value).encode(), MSGPACK: msgspec.msgpack.encode, CBOR: cbor2.dumps}
"""Each format written by a library alone, without WAMP's rules."""

READ = {JSON: json.loads, MSGPACK: msgspec.msgpack.decode, CBOR: cbor2.loads}

BINARY = [  # in MessagePack and CBOR, and in JSON
    (b"\1\2", "\0AQI="),
    (b"", "\0"),
    ([{"deep": [b"\xff" * 3]}], [{"deep": ["\0////"]}]),
    ({"a": {"b": b"x"}}, {"a": {"b": "\0eA=="}}),
]

NOT_FOR_JSON: list[Any] = [
    float("nan"),
    float("inf"),
    float("-inf"),
    {1: 2},
    "\0text",
    [{"a": [float("nan")]}],
    {"a": {7: "x"}},
]

NOTHING = object()

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT.filter(lambda text: text[:1] != "\0")
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


class Carrying(SynchronousTestCase):
    """From one serialization to another."""

    def test_binary(self) -> None:
        """Binary is a string of NUL and Base64 in JSON and binary elsewhere, both ways, however deep."""
        for value, text in BINARY:
            for other in (MSGPACK, CBOR):
                self.assertEqual(READ[JSON](transcode.carry(WRITE[other](value), other, JSON)), text)
                self.assertEqual(READ[other](transcode.carry(WRITE[JSON](text), JSON, other)), value)
            self.assertEqual(READ[CBOR](transcode.carry(WRITE[MSGPACK](value), MSGPACK, CBOR)), value)
            self.assertEqual(READ[MSGPACK](transcode.carry(WRITE[CBOR](value), CBOR, MSGPACK)), value)

    def test_text_that_only_begins_like_binary(self) -> None:
        """NUL and anything but Base64 stays text on its way out of JSON."""
        self.assertEqual(READ[CBOR](transcode.carry(b'["\\u0000?"]', JSON, CBOR)), ["\0?"])

    def test_not_for_json(self) -> None:
        """What JSON cannot say is not sent to receivers of JSON, rather than sent as something else."""
        for value in NOT_FOR_JSON:
            self.assertRaises(NotCarriable, transcode.carry, WRITE[MSGPACK](value), MSGPACK, JSON)

    def test_big_integers(self) -> None:
        """An integer goes as far as its receiver's serialization: 64 bits, what a double reaches, or any number."""
        for number in [2**64, -(2**63) - 1, 10**30, 2**1024 - 1]:
            text = b'[{"a":%d}]' % number
            if number.bit_length() <= 1023:
                self.assertRaises(NotCarriable, transcode.carry, text, JSON, MSGPACK)
                self.assertEqual(transcode.carry(text, JSON, CBOR), cbor2.dumps([{"a": number}]))
            self.assertRaises(NotCarriable, transcode.carry, cbor2.dumps([{"a": number}]), CBOR, MSGPACK)
            self.assertEqual(transcode.carry(cbor2.dumps([{"a": number}]), CBOR, JSON), text)
        for number in [2**1024, -(2**1024)]:
            self.assertRaises(NotCarriable, transcode.carry, cbor2.dumps(number), CBOR, JSON)
        for number in [2**64 - 1, -(2**63)]:
            self.assertEqual(READ[MSGPACK](transcode.carry(b"%d" % number, JSON, MSGPACK)), number)

    def test_half_an_emoji(self) -> None:
        """Half a surrogate pair has no form in UTF-8."""
        for target in (MSGPACK, CBOR):
            self.assertRaises(NotCarriable, transcode.carry, rb'["\ud83d"]', JSON, target)

    def test_keys(self) -> None:
        """Maps with other keys than text stay among those who speak the sender's serialization."""
        for target in (JSON, CBOR):
            self.assertRaises(NotCarriable, transcode.carry, WRITE[MSGPACK]([{1: 2}]), MSGPACK, target)
        for key in [None, True, 1, 1.5, b"x"]:
            for target in Format:
                self.assertRaises(NotCarriable, transcode.write, {key: 1}, target)

    def test_undefined(self) -> None:
        """JavaScript's undefined is null for everybody else."""
        self.assertEqual(transcode.carry(cbor2.dumps([cbor2.undefined]), CBOR, JSON), b"[null]")

    @settings(max_examples=200, deadline=None, database=None)
    @given(VALUES)
    def test_there_and_back(self, value: Any) -> None:
        """Whatever WAMP can say arrives, by whichever way round."""
        for first in Format:
            for second in Format:
                written = transcode.write(value, first)
                there = transcode.carry(written, first, second) if first is not second else written
                self.assertEqual(transcode.read(there, second), value)


class Writing(SynchronousTestCase):
    """Python values of our own."""

    def test_refused(self) -> None:
        """What no serialization of WAMP can say is our own mistake and is named as such."""
        for value in [{1, 2}, datetime(2026, 1, 1, tzinfo=UTC), object()]:
            for format in Format:
                self.assertRaises(TypeError, transcode.write, [value], format)

    def test_mappings(self) -> None:
        """Frozen and ordered maps are maps."""
        for value in [MappingProxyType({"a": 1}), OrderedDict(a=1)]:
            for format in Format:
                self.assertEqual(READ[format](transcode.write([value], format)), [{"a": 1}])

    def test_surrogates(self) -> None:
        """Text that is no text cannot be sent."""
        for format in Format:
            self.assertRaises(NotCarriable, transcode.write, ["\ud83d"], format)

    def test_too_deep(self) -> None:
        """A value that holds itself ends in a refusal, not in a crash."""
        value: list[Any] = []
        value.append(value)
        for format in Format:
            self.assertRaises(NotCarriable, transcode.write, value, format)
            self.assertRaises(NotCarriable, transcode.prepared, value, format)

    def test_heads(self) -> None:
        """Options follow the same rules as payload."""
        self.assertEqual(transcode.prepared([1, {"key": b"x"}], JSON), [1, {"key": "\0eA=="}])
        self.assertEqual(transcode.prepared([1, {"key": b"x"}], CBOR), [1, {"key": b"x"}])
        self.assertRaises(NotCarriable, transcode.prepared, [1, {"key": float("nan")}], JSON)
        self.assertRaises(NotCarriable, transcode.prepared, [1, {"key": 2**64}], MSGPACK)


def decimals(exponent: int, mantissa: int) -> dict[Format, Any]:
    """JSON has the digits, which read as the nearest double; MessagePack only what a double or an integer equals."""
    exact = Fraction(mantissa) * Fraction(10) ** exponent
    near = float(exact)
    whole = exact.denominator == 1
    packed: Any = NOTHING
    if whole:
        packed = int(exact) if -(2**63) <= exact < 2**64 else NOTHING
    elif Fraction(near) == exact:
        packed = near
    return {JSON: int(exact) if whole else near, MSGPACK: packed, CBOR: None}


def listed(values: list[tuple[Any, dict[Format, Any]]]) -> tuple[Any, dict[Format, Any]]:
    return [sent for sent, _ in values], {format: [told[format] for _, told in values] for format in Format}


def mapped(values: list[tuple[Any, dict[Format, Any]]]) -> tuple[Any, dict[Format, Any]]:
    sent, told = listed(values)
    keys = [f"k{number}" for number in range(len(values))]
    return cbor2.CBORTag(259, dict(zip(keys, sent, strict=True))), {
        format: dict(zip(keys, told[format], strict=True)) for format in Format
    }


def has_nothing(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(has_nothing, value))
    return any(map(has_nothing, value.values())) if isinstance(value, dict) else value is NOTHING


WHEN = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))
TAGGED: st.SearchStrategy[tuple[Any, dict[Format, Any]]] = st.one_of(
    VALUES.map(lambda value: (value, dict.fromkeys(Format, value))),
    st.integers(-(2**1023), 2**1023).map(
        lambda value: (
            cbor2.CBORTag(2, value.to_bytes(130)) if value >= 0 else cbor2.CBORTag(3, (-1 - value).to_bytes(130)),
            {JSON: value, MSGPACK: value if -(2**63) <= value < 2**64 else NOTHING, CBOR: value},
        )
    ),
    WHEN.map(
        lambda when: (
            cbor2.CBORTag(0, when.isoformat()),
            {JSON: when.isoformat(), MSGPACK: when.isoformat(), CBOR: cbor2.CBORTag(0, when.isoformat())},
        )
    ),
    st.binary(max_size=9).map(lambda data: (cbor2.CBORTag(68, data), dict.fromkeys(Format, data))),
    st.lists(st.integers(-(2**15), 2**15 - 1), max_size=4).map(
        lambda values: (cbor2.CBORTag(77, struct.pack(f"<{len(values)}h", *values)), dict.fromkeys(Format, values))
    ),
    st.lists(TEXT.filter(lambda text: text[:1] != "\0"), max_size=3).map(
        lambda values: (cbor2.CBORTag(258, values), dict.fromkeys(Format, values))
    ),
    st.tuples(st.integers(-20, 20), st.integers(-(10**14), 10**14)).map(
        lambda parts: (cbor2.CBORTag(4, list(parts)), decimals(*parts))
    ),
)
"""Values as CBOR has them, and what is to arrive in each serialization; NOTHING where it cannot."""


class Models(SynchronousTestCase):
    """Random values, nested at random, against what the specification of each serialization says of them."""

    @settings(max_examples=200, deadline=None, database=None)
    @given(
        st.recursive(
            TAGGED, lambda inner: st.lists(inner, max_size=3).map(listed) | st.lists(inner, max_size=3).map(mapped)
        )
    )
    def test_from_cbor(self, value: tuple[Any, dict[Format, Any]]) -> None:
        """The same bytes to CBOR; to the others what equals it exactly, or nothing."""
        sent, expected = value
        data = cbor2.dumps([16, 1, {}, "t", [sent]])
        payload = CODECS["wamp.2.cbor"].decode(data)[1]
        assert payload is not None
        self.assertEqual(payload.tail(CBOR), (1, data[len(cbor2.dumps([16, 1, {}, "t"])) :]))
        for target in (JSON, MSGPACK):
            if has_nothing(expected[target]):
                self.assertRaises(NotCarriable, payload.tail, target)
            else:
                arrived = transcode.read(payload.tail(target)[1], target)
                self.assertEqual(arrived, [expected[target]])
