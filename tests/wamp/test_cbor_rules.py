"""What is taken for CBOR."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import cbor2
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation
from orosync.wamp import cbor_rules
from orosync.wamp.formats import MAX_DEPTH

TAGGED: list[Any] = [
    2**64,
    -(2**64) - 1,
    datetime(2026, 1, 1, tzinfo=UTC),
    Decimal("1.5"),
    Fraction(1, 3),
    UUID(int=1),
    {1, 2},
    frozenset(["a"]),
    *(cbor2.CBORTag(number, [1, [2]]) for number in (*range(64), 100, 256, 258, 260, 261, 1004, 43000, 55799, 2**40)),
]


def hexes(*texts: str) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


class Reading(SynchronousTestCase):
    """One item of a payload."""

    def test_values(self) -> None:
        """Every type of WAMP is read."""
        for value in [None, True, 0, 2**64 - 1, -(2**64), 1.5, "é", b"\xff", [1, [2]], {"a": {"b": [None]}}]:
            self.assertEqual(cbor_rules.read(cbor2.dumps(value)), value)

    def test_undefined_is_null(self) -> None:
        """What JavaScript leaves undefined is nothing."""
        self.assertEqual(cbor_rules.read(cbor2.dumps({"a": [cbor2.undefined]})), {"a": [None]})

    def test_indefinite_lengths(self) -> None:
        """Items that say where they end instead of how long they are are items as well."""
        for data, value in [
            ("9f0102ff", [1, 2]),
            ("bf616101ff", {"a": 1}),
            ("7f61616162ff", "ab"),
            ("5f4101ff", b"\1"),
        ]:
            self.assertEqual(cbor_rules.read(bytes.fromhex(data)), value)

    def test_tags(self) -> None:
        """Nothing that is tagged is WAMP's: no big numbers, no dates, no references."""
        for value in TAGGED:
            for data in [cbor2.dumps(value), cbor2.dumps([{"a": value}])]:
                self.assertRaises(ProtocolViolation, cbor_rules.read, data)

    def test_refused(self) -> None:
        """Simple values, keys that are no text, text that is no UTF-8, and whatever is cut or lies."""
        for data in hexes(
            "", "e0", "81f3", "f8ff", "fc", "1c", "ff", "81ff", "61ff", "63eda0bd", "a10102", "a1414101", "a1810102",
            "a1a0a0", "a1f601", "81", "9f", "9f01", "5affffffff", "9bffffffffffffffff", "bbffffffffffffffff",
            "7bffffffffffffffff", "7f7f6161ffff", "7f4161ff", "bf6161ff",
        ):  # fmt: skip
            self.assertRaises(ProtocolViolation, cbor_rules.read, data)

    def test_reasons(self) -> None:
        """The log says what kind of fault it was."""
        for data, reason in [
            (cbor2.dumps(2**70), "tags"),
            (b"\x81" * (MAX_DEPTH + 1) + b"\x01", f"deeper than {MAX_DEPTH}"),
            (b"\x61\xff", "UTF-8"),
            (b"\x82\x01", "truncated"),
            (b"\xe0", "simple value"),
            (b"\xa1\x41a\x01", "keys"),
        ]:
            error = self.assertRaises(ProtocolViolation, cbor_rules.read, data)
            self.assertIn(reason, str(error))


class Elements(SynchronousTestCase):
    """A message's array."""

    def test_values_and_places(self) -> None:
        """Each element's value, and where its bytes end."""
        for text, values, ends in [
            ("80", [], []),
            ("8401816161f6a0", [1, ["a"], None, {}], [2, 5, 6, 7]),
            ("9f01816161ff", [1, ["a"]], [2, 5]),
            ("8118ff", [255], [3]),
        ]:
            self.assertEqual(cbor_rules.elements(bytes.fromhex(text)), (values, ends))

    def test_refused(self) -> None:
        """What is no array, is cut, is followed by anything, or is longer than any message can be."""
        for data in hexes(
            "", "a0", "01", "f6", "6161", "d9d9f780", "81", "9f01", "9f", "8001", "9f01ff00", "980101",
            "9bffffffffffffffff", "8182", "9c", "81c101",
        ):  # fmt: skip
            self.assertRaises(ProtocolViolation, cbor_rules.elements, data)

    def test_depth(self) -> None:
        """MAX_DEPTH levels are fine, the message's own array included; one more is not."""
        for opening in [b"\x81", b"\xa1\x61a", b"\x9f"]:
            closing = b"\xff" if opening == b"\x9f" else b""
            for levels, fine in [(MAX_DEPTH - 1, True), (MAX_DEPTH, False), (50000, False)]:
                data = b"\x81" + opening * levels + b"\x01" + closing * levels
                if fine:
                    self.assertEqual(len(cbor_rules.elements(data)[0]), 1)
                else:
                    self.assertRaises(ProtocolViolation, cbor_rules.elements, data)

    def test_kinds(self) -> None:
        """What an element holds is told by its first byte."""
        for data, expected in [
            (b"\x80", list),
            (b"\x9f\xff", list),
            (b"\xa0", dict),
            (b"\x40", bytes),
            (b"\x60", object),
        ]:
            self.assertIs(cbor_rules.kind(data), expected)
