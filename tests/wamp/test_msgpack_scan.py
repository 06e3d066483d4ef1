"""The scan of MessagePack against msgpack, the library that autobahn-python decodes with."""

from __future__ import annotations

from typing import Any

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.wamp import msgpack_scan
from orosync.wamp.formats import KEYS, MAX_DEPTH, TOO_DEEP
from orosync.wamp.msgpack_scan import EXTENSIONS, UNDEFINED, MsgpackFindings

UNKNOWN = [
    b"\xd4\x05a", b"\xd5\x05aa", b"\xd6\x05aaaa", b"\xd7\x05" + b"a" * 8, b"\xd8\x05" + b"a" * 16, b"\xc7\x01\x05a",
    b"\xc8\0\x01\x05a", b"\xc9\0\0\0\x01\x05a", b"\xd4\x00\x01", b"\xc7\0\xff", b"\xd4\xffa", b"\xc7\x05\xffaaaaa",
    b"\xd7\xff" + b"\xff" * 8, b"\xc7\x0c\xff" + b"\xff" * 12, b"\xc7\x0c\xff\0\0\0\0\x7f" + b"\xff" * 7,
]  # fmt: skip
"""Unsupported extensions: other types, and invalid instants."""

INSTANTS = [
    b"\xd6\xff\0\0\0\1", b"\xd7\xff\0\0\0\4\0\0\0\1", b"\xc7\x0c\xff\0\0\0\1" + b"\xff" * 8,
    b"\xc8\0\x0c\xff\0\0\0\0" + b"\0" * 8,
]  # fmt: skip


def scanned(data: bytes) -> MsgpackFindings | None:
    """None: not well-formed, or something follows."""
    found = MsgpackFindings()
    try:
        return found if msgpack_scan.skip(data, 0, found, 0) == len(data) else None
    except (ValueError, IndexError):
        return None


def is_well_formed(data: bytes) -> bool:
    """What the library says of it; keys and what extensions hold are not its structure."""
    try:
        msgpack.unpackb(
            data, raw=False, strict_map_key=False, ext_hook=msgpack.ExtType, object_pairs_hook=list, timestamp=0
        )
    except (ValueError, IndexError, TypeError, msgpack.UnpackException):
        return False
    return True


SCALARS = st.sampled_from(
    [msgpack.packb(value) for value in (None, True, 0, 127, 128, 2**16, 2**32, 2**64 - 1, -1, -33, -(2**63), 1.5, "",
                                        "é",
                                                                                "x" * 40, "x" * 300, b"", b"y" * 300)]
    + [b"\xca\0\0\0\0", b"\xdb\0\0\0\1a", b"\xc6\0\0\0\1a", UNDEFINED, *UNKNOWN[:8], INSTANTS[0]]
)  # fmt: skip
ITEMS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: bytes([0x90 + len(items)]) + b"".join(items)),
        st.lists(inner, max_size=4).map(lambda items: b"\xdc" + len(items).to_bytes(2) + b"".join(items)),
        st.lists(st.tuples(st.just(b"\xa1k") | inner, inner), max_size=3).map(
            lambda pairs: b"\xdf" + len(pairs).to_bytes(4) + b"".join(key + value for key, value in pairs)
        ),
        st.lists(inner, max_size=3).map(
            lambda items: bytes([0x80 + len(items)]) + b"".join(b"\xd9\1k" + item for item in items)
        ),
    ),
    max_leaves=10,
)  # fmt: skip


class Looking(SynchronousTestCase):
    """What a scan comes across."""

    def test_extensions(self) -> None:
        """Instants and undefined are found with their places; others are unsupported."""
        for extension in UNKNOWN:
            found = scanned(b"\x91" + extension)
            assert found is not None
            self.assertEqual((found.unsupported, found.instants), ({EXTENSIONS}, []), extension)
        for extension in INSTANTS:
            found = scanned(b"\x92\x01" + extension)
            assert found is not None
            self.assertEqual((found.unsupported, len(found.instants)), (set(), 1), extension)
        data = b"\x93" + UNDEFINED + b"\x81\xa1k" + UNDEFINED + b"\xc4\x03" + UNDEFINED
        found = scanned(data)
        assert found is not None
        self.assertEqual(msgpack_scan.with_nil(data, found.undefined), b"\x93\xc0\x81\xa1k\xc0\xc4\x03" + UNDEFINED)

    def test_keys(self) -> None:
        """Keys are text; what stands behind another key is looked at all the same."""
        for key in [b"\x01", b"\xc0", b"\xc4\1k", b"\x90", b"\x80", INSTANTS[0], UNDEFINED, b"\x92\x01\x02"]:
            found = scanned(b"\x91\x82" + key + b"\x01\xa1k\x02")
            assert found is not None
            self.assertIn(KEYS, found.unsupported)
            self.assertIsNone(scanned(b"\x91\x82" + key + b"\x01\xa1k\xc1"))
            self.assertIsNone(scanned(b"\x91\x82" + key + b"\x01\xa1k"))

    def test_depth(self) -> None:
        """MAX_DEPTH levels are carried, one more is not, and no depth is too much for the scan."""
        for opening in [b"\x91", b"\x81\xa1a", b"\xdc\x00\x01", b"\xdf\0\0\0\1\xa1a"]:
            for levels, deep in [(MAX_DEPTH, False), (MAX_DEPTH + 1, True), (50000, True)]:
                found = scanned(opening * levels + b"\x01")
                assert found is not None
                self.assertEqual(TOO_DEEP in found.unsupported, deep)
        self.assertIsNone(scanned(b"\x81" * 90000))

    def test_lies_about_lengths(self) -> None:
        """Counts of what is not there are no matter of time or memory."""
        for data in [b"\xdf\xff\xff\xff\xff" + b"\xa0" * 9, b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
                     b"\xdb\xff\xff\xff\xff",
                     b"\xc9\xff\xff\xff\xff\x05", b"\xdc\xff", b"\xd9", b"\xc7", b"\xc1"]:  # fmt: skip
            self.assertIsNone(scanned(data), data)


class Models(SynchronousTestCase):
    """Random input."""

    @settings(max_examples=150, deadline=None, database=None)
    @given(ITEMS, st.data())
    def test_library(self, data: bytes, more: Any) -> None:
        """What msgpack reads is taken, and nothing else: whole, cut and damaged."""
        self.assertTrue(is_well_formed(data))
        self.assertIsNotNone(scanned(data))
        for end in range(len(data)):
            self.assertEqual(scanned(data[:end]) is not None, is_well_formed(data[:end]), data[:end].hex())
        place = more.draw(st.integers(0, len(data) - 1))
        damaged = data[:place] + bytes([more.draw(st.integers(0, 255))]) + data[place + more.draw(st.integers(0, 1)) :]
        found = scanned(damaged)
        # The library refuses an instant that is none, for which we find a reason.
        if found is None or EXTENSIONS not in found.unsupported:
            self.assertEqual(found is not None, is_well_formed(damaged), damaged.hex())

    @settings(max_examples=150, deadline=None, database=None)
    @given(ITEMS)
    def test_autobahn_takes_what_is_carried(self, data: bytes) -> None:
        """autobahn-python ends its session over what msgpack refuses, such as integers for keys: that never passes."""
        found = scanned(data)
        assert found is not None
        if not found.unsupported:
            msgpack.unpackb(data, raw=False)
