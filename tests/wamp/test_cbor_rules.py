"""What is taken for CBOR."""

from __future__ import annotations

from typing import Any

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import NotCarriable, ProtocolViolation
from orosync.wamp import cbor_rules
from orosync.wamp.formats import MAX_DEPTH, UnsupportedValue
from tests.wamp.cbor_model import ITEMS, scanned


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

    def test_refused(self) -> None:
        """What no scan lets through is no value either, and what has no value of WAMP's types is told so."""
        for data in hexes("", "fc", "1c", "ff", "81ff", "61ff", "63eda0bd", "81", "9f", "9f01", "5affffffff"):
            self.assertRaises(ProtocolViolation, cbor_rules.read, data)
        for data in hexes("e0", "81f3", "f8ff", "a10102", "a1414101", "a1f601", "d81901", "d903e780"):
            self.assertRaises(NotCarriable, cbor_rules.read, data)

    def test_reasons(self) -> None:
        """The log says what kind of fault it was."""
        for data, reason in [(b"\x61\xff", "UTF-8"), (b"\x82\x01", "truncated")]:
            error = self.assertRaises(ProtocolViolation, cbor_rules.read, data)
            self.assertIn(reason, str(error))
        for data, reason in [(b"\xe0", "simple value"), (b"\xa1\x41a\x01", "keys"), (b"\xd8\x19\x01", "tag")]:
            unsupported = self.assertRaises(UnsupportedValue, cbor_rules.check, data)
            self.assertIn(reason, str(unsupported))

    def test_check(self) -> None:
        """A whole message of our own components is looked at before it is sent."""
        cbor_rules.check(cbor2.dumps([16, 1, {}, "t", [2**70, {1, 2}]]))
        for data in hexes("8001", "81", "61ff"):
            self.assertRaises(ProtocolViolation, cbor_rules.check, data)


class Plain(SynchronousTestCase):
    """The quick look at a payload."""

    def test_plain(self) -> None:
        """One item of WAMP's types, and nothing else."""
        for value in [None, True, 0, 2**64 - 1, 1.5, "é", b"\xff", [1, [2]], {"a": {"b": [None]}}, []]:
            data = cbor2.dumps(value)
            self.assertTrue(cbor_rules.is_plain(data))
            self.assertFalse(cbor_rules.is_plain(data * 2))
            self.assertFalse(cbor_rules.is_plain(data[:-1] if len(data) > 1 else b""))
        for value in [
            2**70,
            {1, 2},
            cbor2.undefined,
            cbor2.CBORTag(64, b"x"),
            {1: 2},
            [{"a": {b"k": 1}}],
            cbor2.CBORSimpleValue(7),
        ]:
            self.assertFalse(cbor_rules.is_plain(cbor2.dumps([value])))

    def test_hidden(self) -> None:
        """A second value under the same key does not hide the first, nor does a break or an end what follows."""
        for text in ["a2616bf0616b00", "00ff", "00ff00", "0000", "9f00ffff"]:
            self.assertFalse(cbor_rules.is_plain(bytes.fromhex(text)))

    @settings(max_examples=150, deadline=None, database=None)
    @given(ITEMS, st.data())
    def test_scan(self, data: bytes, more: Any) -> None:
        """What the quick look lets pass the scan lets pass, and finds nothing in it: whole, cut and damaged."""
        place = more.draw(st.integers(0, len(data) - 1))
        damaged = data[:place] + bytes([more.draw(st.integers(0, 255))]) + data[place + 1 :]
        for each in (data, data[:place], damaged, data + data[:place]):
            if cbor_rules.is_plain(each):
                found = scanned(each)
                assert found is not None, each.hex()
                self.assertEqual((found.unsupported, found.uint8), (set(), []), each.hex())

    def test_depth(self) -> None:
        """The bound is not above that of the scan, with the message's own array counted."""
        for opening in [b"\x81", b"\xa1\x61a"]:
            for end in [b"\x01", b"\x80", b"\xa0"]:
                levels = MAX_DEPTH - 1 - (end != b"\x01")
                self.assertTrue(cbor_rules.is_plain(opening * (levels - 1) + end))
                self.assertFalse(cbor_rules.is_plain(opening * (levels + 1) + end))
        self.assertFalse(cbor_rules.is_plain(b"\x81" * 100000))


class Elements(SynchronousTestCase):
    """A message's array."""

    def test_parts(self) -> None:
        """Each element as it came, and which of them are not supported."""
        for text, expected, unsupported in [
            ("80", [], []),
            ("8401816161f6a0", ["01", "816161", "f6", "a0"], []),
            ("9f01816161ff", ["01", "816161"], []),
            ("8118ff", ["18ff"], []),
            ("8301e0a10102", ["01", "e0", "a10102"], [1, 2]),
            ("8281d84041ffd8404100", ["8141ff", "4100"], []),
        ]:
            parts, found = cbor_rules.parts(bytes.fromhex(text))
            self.assertEqual(([part.hex() for part in parts], sorted(found)), (expected, unsupported))

    def test_refused(self) -> None:
        """What is no array, is cut, is followed by anything, or is longer than any message can be."""
        for data in hexes(
            "", "a0", "01", "f6", "6161", "d9d9f780", "81", "9f01", "9f", "8001", "9f01ff00", "980101",
            "9bffffffffffffffff", "8182", "9c", "81c1", "81ff",
        ):  # fmt: skip
            self.assertRaises(ProtocolViolation, cbor_rules.parts, data)

    def test_depth(self) -> None:
        """MAX_DEPTH levels are fine, the message's own array included; one more costs the request."""
        for opening in [b"\x81", b"\xa1\x61a", b"\x9f"]:
            closing = b"\xff" if opening == b"\x9f" else b""
            for levels, fine in [(MAX_DEPTH - 1, True), (MAX_DEPTH, False), (50000, False)]:
                parts, unsupported = cbor_rules.parts(b"\x81" + opening * levels + b"\x01" + closing * levels)
                self.assertEqual((len(parts), not unsupported), (1, fine))

    def test_entries(self) -> None:
        """The supported entries of options that hold unsupported ones."""
        for data, expected in [
            (cbor2.dumps({"a": True, "b": cbor2.CBORTag(25, 1), "c": [1], "d": {1: 2}}), {"a": True, "c": [1]}),
            (bytes.fromhex("bf61610161628120ff"), {"a": 1, "b": [-1]}),
            (bytes.fromhex("a2010261610a"), {"a": 10}),
            (b"\xa2\x61a" + b"\x81" * 999 + b"\x01\x61b\x02", {"b": 2}),
        ]:
            self.assertEqual(cbor_rules.entries(data), expected)
        self.assertRaises(ProtocolViolation, cbor_rules.entries, b"\x81\xe0")

    def test_fixed_part(self) -> None:
        """Elements of the fixed part are read as any other item."""
        for value in [0, 23, 24, 2**53, -1, 1.5, "", "x" * 30, {}, {"a": [1]}, None, 2**70]:
            self.assertEqual(cbor_rules.element(cbor2.dumps(value)), value)

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
