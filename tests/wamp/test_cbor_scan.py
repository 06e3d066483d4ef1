"""The scan of CBOR against the specification's own examples and pseudocode, and against cbor2."""

from __future__ import annotations

from typing import Any

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.wamp import cbor_rules, cbor_scan
from orosync.wamp.formats import KEYS, MAX_DEPTH, TOO_DEEP
from tests.wamp.cbor_model import ITEMS, NOT_WELL_FORMED, ODD, PLAIN, TAGGED, is_well_formed, scanned


class Specification(SynchronousTestCase):
    """RFC 8949 and RFC 8746."""

    def test_examples(self) -> None:
        """Every example of appendix A is well-formed; what of them is carried is told."""
        for text in (*PLAIN, *TAGGED):
            found = scanned(bytes.fromhex(text))
            assert found is not None, text
            self.assertEqual(found.odd, set(), text)
        for text, reason in ODD.items():
            found = scanned(bytes.fromhex(text))
            assert found is not None, text
            self.assertEqual(found.odd, {reason}, text)

    def test_not_well_formed(self) -> None:
        """Every example of appendix F is refused, alone and inside others."""
        for text in NOT_WELL_FORMED:
            data = bytes.fromhex(text)
            self.assertIsNone(scanned(data), text)
            self.assertFalse(is_well_formed(data), text)
            self.assertIsNone(scanned(b"\x82" + data), text)

    def test_typed_arrays(self) -> None:
        """RFC 8746: binary of a whole number of elements; the reserved tag stays among those who speak CBOR."""
        sizes = {64: 1, 65: 2, 66: 4, 67: 8, 68: 1, 69: 2, 70: 4, 71: 8, 72: 1, 73: 2, 74: 4, 75: 8, 76: 1, 77: 2,
                 78: 4,
                 79: 8, 80: 2, 81: 4, 82: 8, 83: 16, 84: 2, 85: 4, 86: 8, 87: 16}  # fmt: skip
        for tag, size in sizes.items():
            for length in (0, 1, 2, 3, 4, 8, 16, 24, 32):
                found = scanned(cbor2.dumps(cbor2.CBORTag(tag, b"x" * length)))
                assert found is not None
                self.assertEqual(bool(found.odd), length % size != 0, (tag, length))
        for tag in (63, 88):
            found = scanned(cbor2.dumps(cbor2.CBORTag(tag, b"")))
            assert found is not None
            self.assertEqual(found.odd, {cbor_scan.TAGS})

    def test_contents(self) -> None:
        """A tag with what it is not for is odd, so that no receiver's library fails on it."""
        for tag, good, bad in [
            (0, ["2013-03-21T20:04:00Z", "2013-03-21T20:04:00.123456789+01:00"], ["x", "2013-02-30T00:00:00Z", 1, b""]),
            (1, [0, -1, 1.5, 1e9], ["1", float("nan"), float("inf"), 2**62, -1e18, True, None, [1]]),
            (2, [b"", b"\1" * 400], ["x", 1, [b"x"]]),
            (3, [b"", b"\1" * 400], ["x", 1]),
            (4, [[-2, 27315], [1, 2**70], [0, -(2**70)]], [[1], [1, 2, 3], [1.5, 1], [True, 1], [99999, 1], "x",
                                                          [[1], 2], [1, 2**5000], [2**70, 1]]),
            (5, [[-1, 3], [10, 2**64]], [[99999, 1], {}, [1, "x"], [None, 1]]),
            (64, [b"", b"abc"], ["abc", [1], 5]),
            (258, [[], [1, [2]]], [1, {}, "x", b"x"]),
            (259, [{}, {"a": 1}, {1: 2, 1.5: 3}], [[], 1, "x"]),
        ]:  # fmt: skip
            for contents, expected in ((good, False), (bad, True)):
                for content in contents:
                    found = scanned(cbor2.dumps([cbor2.CBORTag(tag, content)]))
                    assert found is not None, (tag, content)
                    self.assertEqual(bool(found.odd), expected, (tag, content))


class Structure(SynchronousTestCase):
    """Depth, keys, and what takes much time elsewhere."""

    def test_depth(self) -> None:
        """MAX_DEPTH levels are carried, one more is not, and no depth is too much for the scan."""
        for opening, closing in [(b"\x81", b""), (b"\xa1\x61a", b""), (b"\x9f", b"\xff"), (b"\xbf\x61a", b"\xff")]:
            for levels, deep in [(MAX_DEPTH, False), (MAX_DEPTH + 1, True), (50000, True)]:
                found = scanned(opening * levels + b"\x01" + closing * levels)
                assert found is not None
                self.assertEqual(TOO_DEEP in found.odd, deep, (opening, levels))
        for endless in [
            b"\xa1" * 90000,
            b"\xc4\x82" * 50000,
            b"\xc0" * 90000,
            b"\x5f" * 90000,
            b"\xd9\x01\x03\xa1" * 30000,
        ]:
            self.assertIsNone(scanned(endless))

    def test_depth_of_tags(self) -> None:
        """A set is two levels, as libraries count; whatever is carried has a value, as deep as it may be."""
        for head in (b"\xd9\x01\x02\x81", b"\xd9\x01\x03\xa1\x61a"):
            for count, deep in ((MAX_DEPTH // 2 - 1, set()), (MAX_DEPTH // 2, {TOO_DEEP})):
                found = cbor_scan.Findings()
                data = head * count + b"\x80"
                self.assertEqual((cbor_scan.skip(data, 0, found), found.odd), (len(data), deep))
        leaves = ("c074323031332d30332d32315432303a30343a30305a", "c100", "c24101", "c48201c24101", "c582c24101c34101",
                  "d8404161", "d85144ff000000", "d9010280", "d90102d9010280", "f7", "d9010281c48201c24101")  # fmt: skip
        for leaf in map(bytes.fromhex, leaves):
            for above in range(MAX_DEPTH - 8, MAX_DEPTH + 1):
                data = b"\x81" * above + leaf
                found = cbor_scan.Findings()
                cbor_scan.skip(data, 0, found)
                if not found.odd:
                    cbor_rules.read(data)
                    cbor2.loads(data)

    def test_keys(self) -> None:
        """Text alone is a key, but in a map that is tagged as one; and what is wrong behind such a key is found."""
        for key in ["01", "f6", "fa3f800000", "4161", "80", "a0", "c101", "9f01ff"]:
            for data in (f"a1{key}01", f"bf{key}01ff", f"a2{key}01616101", f"81a1{key}8101", f"a16161a1{key}01"):
                found = scanned(bytes.fromhex(data))
                assert found is not None, data
                self.assertIn(KEYS, found.odd, data)
            for data in (f"a1{key}", f"bf{key}ff", f"a2{key}0161", f"a1{key}61ff"):
                self.assertIsNone(scanned(bytes.fromhex(data)), data)
        for data, odd in [("d90103a20102617803", False), ("d90103a1800a", True), ("d90103bf0102ff", False),
                          ("d90103a101a10102", True)]:  # fmt: skip
            found = scanned(bytes.fromhex(data))
            assert found is not None
            self.assertEqual(bool(found.odd), odd, data)

    def test_uint8(self) -> None:
        """Where the heads of JavaScript's Uint8Arrays stand, in whatever length they are written; without them plain
        binary is left."""
        for text, after in [
            ("d8404101", "4101"), ("82d8404101d90040420102", "824101420102"), ("a16161d8405f4101ff", "a161615f4101ff"),
            ("81d8414101", "81d8414101"),
        ]:  # fmt: skip
            data = bytes.fromhex(text)
            found = scanned(data)
            assert found is not None
            self.assertEqual(cbor_scan.with_bytes(data, found.uint8).hex(), after)


class Models(SynchronousTestCase):
    """Random input."""

    @settings(max_examples=150, deadline=None, database=None)
    @given(ITEMS, st.data())
    def test_pseudocode(self, data: bytes, more: Any) -> None:
        """What the specification's pseudocode takes is taken, and nothing else: whole, cut and damaged."""
        self.assertTrue(is_well_formed(data))
        self.assertIsNotNone(scanned(data))
        for end in range(len(data)):
            self.assertEqual(scanned(data[:end]) is not None, is_well_formed(data[:end]), data[:end].hex())
        place = more.draw(st.integers(0, len(data) - 1))
        damaged = data[:place] + bytes([more.draw(st.integers(0, 255))]) + data[place + more.draw(st.integers(0, 1)) :]
        self.assertEqual(scanned(damaged) is not None, is_well_formed(damaged), damaged.hex())

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.binary(max_size=12))
    def test_noise(self, data: bytes) -> None:
        """The same of bytes without any sense."""
        self.assertEqual(scanned(data) is not None, is_well_formed(data))

    @settings(max_examples=150, deadline=None, database=None)
    @given(ITEMS)
    def test_cbor2_takes_what_is_carried(self, data: bytes) -> None:
        """autobahn-python decodes with cbor2, and ends its session over what that refuses: that never passes."""
        found = scanned(data)
        assert found is not None
        if not found.odd:
            cbor2.loads(data)
