"""What the tags of CBOR stand for, elsewhere."""

from __future__ import annotations

import struct
from decimal import Decimal
from fractions import Fraction
from typing import Any

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import NotCarriable
from orosync.wamp import cbor_tags
from orosync.wamp.cbor_rules import read

Tag = cbor2.CBORTag

FORMATS = {
    65: ">H", 66: ">I", 67: ">Q", 69: "<H", 70: "<I", 71: "<Q", 72: "b", 73: ">h", 74: ">i", 75: ">q", 77: "<h",
    78: "<i", 79: "<q", 80: ">e", 81: ">f", 82: ">d", 84: "<e", 85: "<f", 86: "<d",
}  # fmt: skip
"""RFC 8746, section 2: the elements of typed arrays as Python's struct has them."""


class Untagged(SynchronousTestCase):
    """Values for receivers of another serialization."""

    def test_values(self) -> None:
        """Instants are text, big integers integers, sets lists, maps dicts, arrays of bytes binary."""
        for value, expected in [
            (Tag(0, "2013-03-21T20:04:00+01:00"), "2013-03-21T20:04:00+01:00"),
            (Tag(1, 1363896240), "2013-03-21T20:04:00Z"),
            (Tag(1, 1363896240.5), "2013-03-21T20:04:00.5Z"),
            (2**64, 2**64),
            (-(2**64) - 1, -(2**64) - 1),
            (Tag(2, b""), 0),
            (Tag(2, b"\5"), 5),
            (Tag(3, b"\4"), -5),
            (Tag(4, [-1, 15]), 1.5),
            (Tag(4, [2, 1]), 100),
            (Tag(4, [-2, 110]), Decimal("1.10")),
            (Tag(5, [-1, 3]), 1.5),
            (Tag(5, [1, 3]), 6),
            (Tag(64, b"ab"), b"ab"),
            (Tag(68, b"ab"), b"ab"),
            (Tag(258, [1, [2], {"a": Tag(258, [])}]), [1, [2], {"a": []}]),
            (Tag(259, {"a": Tag(259, {"b": Tag(64, b"x")})}), {"a": {"b": b"x"}}),
        ]:
            for wrapped, outer in ((value, expected), ([{"k": value}], [{"k": expected}])):
                found = read(cbor2.dumps(wrapped))
                self.assertEqual(found, outer)
                self.assertIs(type(found), type(outer))

    def test_without_a_form(self) -> None:
        """A number that no other type equals exactly is not delivered in other serializations."""
        for value in [
            Tag(76, b"x"),
            Tag(259, {1: 2}),
            Tag(5, [-9000, 1]),
            Tag(83, (1).to_bytes(16)),
            Tag(5, [-60, 2**70 + 1]),
        ]:
            self.assertRaises(NotCarriable, read, cbor2.dumps([value]))

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.sampled_from(sorted(FORMATS)), st.binary(max_size=64))
    def test_typed_arrays(self, tag: int, content: bytes) -> None:
        """Each element is the number that Python's struct reads."""
        size = struct.calcsize(FORMATS[tag])
        content = content[: len(content) // size * size]
        self.assertTrue(cbor_tags.fits(tag, cbor2.dumps(content)))
        expected = [element for (element,) in struct.iter_unpack(FORMATS[tag], content)]
        self.assertEqual(repr(read(cbor2.dumps(Tag(tag, content)))), repr(expected))

    def test_quadruples(self) -> None:
        """IEEE 754 binary128, both ways round, where a double has the value."""
        for bits, expected in [
            (0x3FFF << 112, 1.0),
            (0xBFFF << 112 | 1 << 111, -1.5),
            (0, 0.0),
            (0x7FFF << 112, float("inf")),
            (0x4000 << 112 | 0x921FB54442D18 << 60, 3.141592653589793),
        ]:
            self.assertEqual(read(cbor2.dumps(Tag(83, bits.to_bytes(16, "big")))), [expected])
            self.assertEqual(read(cbor2.dumps(Tag(87, bits.to_bytes(16, "little")))), [expected])

    def test_edges_of_fractions(self) -> None:
        """The smallest and largest doubles, integers of more digits, and what is beyond."""
        for tag, parts, expected in [
            (5, [-1074, 1], 5e-324), (5, [971, 2**53 - 1], 2**971 * (2**53 - 1)), (5, [-1074, 2**1074], 1),
            (5, [-3, 0], 0),
            (5, [-1, 2**54], 2**53), (5, [-1, -3], -1.5), (4, [-400, 0], 0), (4, [300, 1], 10**300), (4, [-1, 20], 2),
            (4, [-3, -1500], -1.5), (4, [0, 2**70], 2**70), (4, [-400, 10**100], Decimal("1e-300")),
        ]:  # fmt: skip
            value = read(cbor2.dumps(Tag(tag, parts)))
            self.assertEqual((value, type(value)), (expected, type(expected)), (tag, parts))
        for tag, parts in [
            (5, [-1075, 1]),
            (5, [1024, 1]),
            (5, [-1, 2**54 + 1]),
            (4, [500, 1]),
            (4, [-500, 1]),
            (5, [9999, 1]),
        ]:
            self.assertRaises(NotCarriable, read, cbor2.dumps(Tag(tag, parts)))

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.sampled_from([4, 5]), st.integers(-40, 40), st.integers(-(2**60), 2**60))
    def test_fractions(self, tag: int, exponent: int, mantissa: int) -> None:
        """Whatever comes of a decimal or bigfloat is exactly what it was."""
        exact = mantissa * Fraction(10 if tag == 4 else 2) ** exponent
        try:
            value: Any = read(cbor2.dumps(Tag(tag, [exponent, mantissa])))
        except NotCarriable:
            self.assertEqual(tag, 5)
            self.assertNotEqual(Fraction(float(exact)), exact)
        else:
            self.assertEqual(Fraction(value), exact)
