"""What is taken for MessagePack."""

from __future__ import annotations

from time import process_time

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation
from orosync.wamp import msgpack_rules
from orosync.wamp.formats import MAX_DEPTH

PUBLISH = b"\x95\x10\x01\x80\xa1t"
"""The beginning of [16, 1, {}, "t", args]."""

EXTENSIONS = [
    b"\xd4\x05a",
    b"\xd5\x05aa",
    b"\xd6\xff\0\0\0\0",
    b"\xd7\xff" + b"\0" * 8,
    b"\xd8\x05" + b"a" * 16,
    b"\xc7\x01\x05a",
    b"\xc8\0\x01\x05a",
    b"\xc9\0\0\0\x01\x05a",
]


def passes(data: bytes) -> bool:
    try:
        msgpack_rules.check_structure(data)
    except ProtocolViolation:
        return False
    return True


class Structure(SynchronousTestCase):
    """What is looked at before anything is built."""

    def test_extensions(self) -> None:
        """No extension type passes, at whatever place: as an argument, inside a map, as a key, in the options."""
        for extension in EXTENSIONS:
            self.assertFalse(passes(PUBLISH + b"\x91" + extension))
            self.assertFalse(passes(PUBLISH + b"\x91\x81\xa1a" + extension))
            self.assertFalse(passes(PUBLISH + b"\x91\x81" + extension + b"\x01"))
            self.assertFalse(passes(b"\x94\x10\x01\x81\xa1a" + extension + b"\xa1t"))

    def test_undefined_is_nil(self) -> None:
        """JavaScript's undefined, as wampy.js has it, counts as nil wherever it stands; as a key it does not pass."""
        undefined = msgpack_rules.UNDEFINED
        for before, after in [
            (PUBLISH + b"\x91" + undefined, PUBLISH + b"\x91\xc0"),
            (b"\x94\x10\x01\x81\xa1a" + undefined + b"\xa1t", b"\x94\x10\x01\x81\xa1a\xc0\xa1t"),
            (PUBLISH + b"\x91\x81\xa1k\x92" + undefined + b"\x01", PUBLISH + b"\x91\x81\xa1k\x92\xc0\x01"),
        ]:
            self.assertEqual(msgpack_rules.check_structure(before), after)
        inside_text = PUBLISH + b"\x91\xc4\x03" + undefined
        self.assertEqual(msgpack_rules.check_structure(inside_text), inside_text)
        self.assertFalse(passes(PUBLISH + b"\x91\x81" + undefined + b"\x01"))

    def test_bytes_that_look_like_more_than_they_are(self) -> None:
        """Binary and text may hold every byte there is."""
        everything = bytes(range(256))
        for value in [everything, everything * 20, everything.decode("latin-1") * 3, 0x8182838485868788, -(2**40)]:
            message = msgspec.msgpack.encode([16, 1, {"a": {"b": {}}}, "t", [value], {"a": {"b": value}}])
            self.assertTrue(passes(message))

    def test_depth(self) -> None:
        """MAX_DEPTH levels are fine, one more is not, be they arrays or maps."""
        for opening in [b"\x91", b"\x81\xa1a", b"\xdc\x00\x01", b"\xdf\0\0\0\1\xa1a"]:
            self.assertTrue(passes(PUBLISH + b"\x91" + opening * (MAX_DEPTH - 2) + b"\x01"))
            self.assertFalse(passes(PUBLISH + b"\x91" + opening * (MAX_DEPTH - 1) + b"\x01"))
            self.assertFalse(passes(PUBLISH + b"\x91" + opening * 50000 + b"\x01"))

    def test_lies_about_lengths(self) -> None:
        """A map that claims a great many entries is refused without making room for them."""
        for count in [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\x01\0\0"]:
            data = PUBLISH + b"\x92" + b"\xc4\xff" + b"\x81" * 255 + b"\xdf" + count + b"\x01" * 2000
            self.assertFalse(passes(data))

    def test_arrays_as_keys(self) -> None:
        """Where there is room for many, arrays may not be keys: an attacker can make all of them collide."""
        padding = b"\xc5\x08\0" + b"x" * 2048
        for key in [b"\x92\x01\x02", b"\xdc\0\1\1", b"\x80"]:
            self.assertFalse(passes(PUBLISH + b"\x92" + padding + b"\x81" + key + b"\x01"))
            self.assertFalse(passes(b"\x95\x10\x01\x81\xa1o\x81" + key + b"\x01\xa1t\x91" + padding))

    def test_many_odd_keys_take_no_time(self) -> None:
        """A message full of maps with arrays for keys is refused in about the time that it takes to read it."""
        keys = b"".join(b"\x92\xcf" + (n * (2**61 - 1) % 2**64).to_bytes(8) + b"\x01\x01" for n in range(20000))
        message = PUBLISH + b"\x91\xdf" + (20000).to_bytes(4) + keys
        before = process_time()
        self.assertFalse(passes(message))
        self.assertTrue(process_time() - before < 1)

    def test_other_keys(self) -> None:
        """PHP's arrays may have integers for keys, with and without company."""
        padding = b"\xc5\x08\0" + b"x" * 2048
        self.assertTrue(passes(PUBLISH + b"\x91\x82\x01\x02\x03\x04"))
        self.assertTrue(passes(PUBLISH + b"\x92" + padding + b"\x82\x01\x02\xc4\x01k\x81\x04\x91\x01"))


class Reading(SynchronousTestCase):
    """One item of a payload."""

    def test_values(self) -> None:
        """Every type of WAMP is read."""
        for value in [None, True, 0, 2**64 - 1, -(2**63), 1.5, "é", b"\xff", [1, [2]], {"a": {"b": [None]}}]:
            self.assertEqual(msgpack_rules.read(msgspec.msgpack.encode(value)), value)

    def test_refused(self) -> None:
        """Text that is no UTF-8, unknown bytes and cut items are refused."""
        for data in [b"", b"\xa1\xff", b"\xa3\xed\xa0\xbd", b"\xc1", b"\x92\x01", b"\x01\x01", b"\xdd\xff\xff\xff\xff"]:
            self.assertRaises(ProtocolViolation, msgpack_rules.read, data)

    def test_kinds(self) -> None:
        """A map counts as one only if its keys are text."""
        for data, expected in [
            (b"\x91\x01", list),
            (b"\x81\xa1a\x01", dict),
            (b"\x81\x01\x01", object),
            (b"\xc4\0", bytes),
        ]:
            self.assertIs(msgpack_rules.kind(data), expected)
