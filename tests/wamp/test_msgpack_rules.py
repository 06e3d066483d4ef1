"""What is taken for MessagePack."""

from __future__ import annotations

from time import process_time

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation, Unfit
from orosync.wamp import msgpack_rules, msgpack_scan
from orosync.wamp.formats import UnsupportedValue
from tests.wamp.clients import MSGPACK

PUBLISH = b"\x95\x10\x01\x80\xa1t"
"""The beginning of [16, 1, {}, "t", args]."""


def taken(data: bytes) -> bool:
    """Whether a message costs nothing; malformed ones are none of this."""
    return not msgpack_rules.parts(data)[1]


class Structure(SynchronousTestCase):
    """What is looked at before anything is built."""

    def test_undefined_is_nil(self) -> None:
        """JavaScript's undefined, as wampy.js has it, counts as nil wherever it stands."""
        undefined = msgpack_scan.UNDEFINED
        for before, after in [
            (b"\x91" + undefined, [b"\xc0"]),
            (b"\x92\x91" + undefined + b"\x81\xa1a" + undefined, [b"\x91\xc0", b"\x81\xa1a\xc0"]),
            (b"\x91\x81\xa1k\x92" + undefined + b"\x01", [b"\x81\xa1k\x92\xc0\x01"]),
            (b"\x91\xc4\x03" + undefined, [b"\xc4\x03" + undefined]),
        ]:
            self.assertEqual(msgpack_rules.parts(before), (after, {}))
            self.assertFalse(msgpack_rules.is_simple(before))

    def test_bytes_that_look_like_more_than_they_are(self) -> None:
        """Binary and text may hold every byte there is."""
        everything = bytes(range(256))
        for value in [everything, everything * 20, everything.decode("latin-1") * 3, 0x8182838485868788, -(2**40)]:
            parts = [16, 1, {"a": {"b": {}}}, "t", [value], {"a": {"b": value}}]
            message = msgspec.msgpack.encode(parts)
            self.assertEqual(msgpack_rules.parts(message), ([msgspec.msgpack.encode(part) for part in parts], {}))
            self.assertEqual(MSGPACK.decode(message)[1].values(), ([value], {"a": {"b": value}}))

    def test_quick_look(self) -> None:
        """What is not scanned has no extension and no room for keys that collide, or is small."""
        padding = b"\xc5\x08\0" + b"x" * 2048
        for data, simple in [
            (PUBLISH + b"\x91\x01", True), (PUBLISH + b"\x91" + padding, True),
            (PUBLISH + b"\x91\x81\xa1a\x81\xa1b\x01", True),
            (PUBLISH + b"\x92" + padding + b"\x81\xa1a\x01", True),
            (PUBLISH + b"\x92" + padding + b"\x81\xa1a\x90", False),
            (PUBLISH + b"\x91\xd4\x05a", False), (PUBLISH + b"\x91" + b"\x91" * 500 + b"\x01", False),
        ]:  # fmt: skip
            self.assertEqual(msgpack_rules.is_simple(data), simple, data[:20])

    def test_keys(self) -> None:
        """Keys are text, in messages of every size: autobahn-python ends its session over an integer, and arrays can be
        chosen so that a hash table takes quadratic time."""
        padding = b"\xc5\x08\0" + b"x" * 2048
        for key in [b"\x92\x01\x02", b"\xdc\0\1\1", b"\x80", b"\x01", b"\xc0", b"\xc4\x01k"]:
            for message in [PUBLISH + b"\x92" + padding + b"\x81" + key + b"\x01",
                            PUBLISH + b"\x91\x81" + key + b"\x01",
                            b"\x95\x10\x01\x81\xa1o\x81" + key + b"\x01\xa1t\x91" + padding]:  # fmt: skip
                self.assertFalse(taken(message))
                self.assertRaises(Unfit, MSGPACK.decode, message)

    def test_many_odd_keys_take_no_time(self) -> None:
        """A message full of maps with arrays for keys is refused in about the time that it takes to read it."""
        keys = b"".join(b"\x92\xcf" + (n * (2**61 - 1) % 2**64).to_bytes(8) + b"\x01\x01" for n in range(20000))
        message = PUBLISH + b"\x91\xdf" + (20000).to_bytes(4) + keys
        before = process_time()
        self.assertFalse(taken(message))
        self.assertTrue(process_time() - before < 1)

    def test_parts(self) -> None:
        """Each element as it came, and which of them are not supported."""
        for data, expected, unsupported in [
            (b"\x90", [], []),
            (b"\xdc\0\2\1\x81\xa1a\2", [b"\1", b"\x81\xa1a\2"], []),
            (b"\x93\1\xd4\5a\x81\1\2", [b"\1", b"\xd4\5a", b"\x81\1\2"], [1, 2]),
        ]:
            parts, found = msgpack_rules.parts(data)
            self.assertEqual((parts, sorted(found)), (expected, unsupported))
        for data in [
            b"",
            b"\x80",
            b"\1",
            b"\x91",
            b"\x91\1\1",
            b"\x91\xc1",
            b"\xdc",
            b"\x91\xa1\xff",
            b"\xdd\xff\xff\xff\xff",
        ]:
            self.assertRaises(ProtocolViolation, msgpack_rules.parts, data)

    def test_entries(self) -> None:
        """The supported entries of options that hold unsupported ones."""
        for data, expected in [
            (b"\x83\xa1a\xc3\xa1b\xd4\5a\xa1c\x91\1", {"a": True, "c": [1]}),
            (b"\xde\0\2\1\2\xa1a\2", {"a": 2}),
            (b"\x82\xa1a" + b"\x91" * 999 + b"\1\xa1b\2", {"b": 2}),
        ]:
            self.assertEqual(msgpack_rules.entries(data), expected)
        self.assertRaises(ProtocolViolation, msgpack_rules.entries, b"\x91\xd4\5a")


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
        """A map is one whose keys are all text."""
        for data, expected in [
            (b"\x91\x01", list),
            (b"\x81\xa1a\x01", dict),
            (b"\xc4\0", bytes),
        ]:
            self.assertIs(msgpack_rules.kind(data), expected)
        for data in [b"\x81\x01\x01", b"\x91\x81\xa1a\x92\x01\x81\x01\x01"]:
            self.assertRaises(UnsupportedValue, msgpack_rules.kind, data)

    def test_instants(self) -> None:
        """An instant is its text, to the nanosecond."""
        for data, text in [
            (b"\xd6\xff\0\0\0\1", "1970-01-01T00:00:01Z"),
            (b"\xd7\xff\0\0\0\4\0\0\0\1", "1970-01-01T00:00:01.000000001Z"),
            (b"\xc7\x0c\xff\0\0\0\1" + b"\xff" * 8, "1969-12-31T23:59:59.000000001Z"),
        ]:
            self.assertEqual(msgpack_rules.read(b"\x92\xff" + data), [-1, text])
