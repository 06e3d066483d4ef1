"""Batches are signed, numbered and addressed; everything else is refused with a reason code."""

from __future__ import annotations

import hmac

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.backplane.envelope import (
    ANEW,
    BEGIN,
    LONGEST_NAME,
    OVERHEAD,
    REPEAT,
    UNCOUNTED,
    VERSION,
    Envelopes,
    array,
)
from orosync.errors import Refused

KEY, ANNA, BEN = b"k" * 32, "a" * 16, "b" * 16
SENDER, RECEIVER = Envelopes(KEY, "näh/1", ANNA), Envelopes(KEY, "b", BEN)
BATCH = SENDER.seal(bytes.fromhex(BEN), BEGIN, 7, 3, 2, b"\x92\x01\x02")


class Envelope(SynchronousTestCase):
    """One batch, there and back."""

    def code(self, batch: bytes, receiver: Envelopes = RECEIVER) -> str:
        """The reason code with which a batch is refused."""
        with self.assertRaises(Refused) as caught:
            receiver.open(batch)
        return caught.exception.code

    @given(
        st.sampled_from([0, BEGIN, BEGIN | UNCOUNTED, REPEAT, REPEAT | ANEW]),
        st.integers(1, 2**64 - 1),
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**32 - 1),
        st.binary(),
    )
    def test_there_and_back(self, flags: int, first: int, received: int, count: int, body: bytes) -> None:
        """Every field is read as it was written."""
        batch = SENDER.seal(bytes.fromhex(BEN), flags, first, received, count, body)
        found = RECEIVER.open(batch)
        self.assertEqual((found.flags, found.first, found.received, found.count), (flags, first, received, count))
        self.assertEqual((found.sender.hex(), found.name.decode(), bytes(found.body)), (ANNA, "näh/1", body))
        self.assertLessEqual(len(batch) - len(body), OVERHEAD)

    def test_code(self) -> None:
        """The code is the HMAC of the standard library, for keys of any length."""
        for length in (16, 63, 64, 65, 200):
            key = bytes(range(length))
            batch = Envelopes(key, "a", ANNA).seal(bytes.fromhex(BEN), 0, 1, 0, 1, b"\x91\x01")
            self.assertEqual(batch[-16:], hmac.digest(key, batch[:-16], "sha256")[:16])

    def test_unsigned(self) -> None:
        """Where nobody else can send any, batches have no code. They are not read elsewhere, and others' not here."""
        one, other = Envelopes(KEY, "a", ANNA, signed=False), Envelopes(KEY, "b", BEN, signed=False)
        batch = one.seal(bytes.fromhex(BEN), 0, 1, 0, 1, b"\x91\x01")
        self.assertEqual(bytes(other.open(batch).body), b"\x91\x01")
        self.assertEqual(self.code(batch), "bad_signature")
        self.assertEqual(self.code(BATCH, other), "bad_signature")

    def test_cut(self) -> None:
        """A batch that was cut at any byte, or has one more, is refused."""
        for end in range(len(BATCH)):
            self.assertIn(self.code(BATCH[:end]), ("malformed", "bad_signature"))
        self.assertEqual(self.code(BATCH + b"\x00"), "bad_signature")

    def test_changed(self) -> None:
        """A change of any byte is noticed."""
        for place in range(len(BATCH)):
            changed = BATCH[:place] + bytes([BATCH[place] ^ 1]) + BATCH[place + 1 :]
            self.assertEqual(self.code(changed), "bad_signature" if place else "version")

    def test_while_the_key_is_changed(self) -> None:
        """What was made with the previous key is read; this node signs with its own."""
        old, new = b"o" * 32, b"n" * 32
        both, before, after = Envelopes(new, "b", BEN, old), Envelopes(old, "a", ANNA), Envelopes(new, "a", ANNA)
        for sender in (before, after):
            self.assertEqual(both.open(sender.seal(bytes.fromhex(BEN), 0, 1, 0, 0, b"")).sender.hex(), ANNA)
        batch = both.seal(bytes.fromhex(ANNA), 0, 1, 0, 0, b"")
        self.assertEqual(after.open(batch).sender.hex(), BEN)
        self.assertEqual(self.code(batch, before), "bad_signature")
        self.assertEqual(self.code(BATCH, both), "bad_signature")

    def test_not_for_us(self) -> None:
        """Other keys, other receivers and own batches are refused; the version tells of itself without a signature."""
        self.assertEqual(self.code(BATCH, Envelopes(b"l" * 32, "b", BEN)), "bad_signature")
        self.assertEqual(self.code(BATCH, Envelopes(KEY, "b", "c" * 16)), "other_boot")
        self.assertEqual(self.code(RECEIVER.seal(bytes.fromhex(BEN), 0, 1, 0, 0, b"")), "loop")
        self.assertEqual(self.code(bytes([VERSION + 1]) + BATCH[1:]), "version")

    def test_signed_nonsense(self) -> None:
        """A header that no node makes is refused although it is signed."""
        for flags, first in ((16, 1), (0, 0)):
            self.assertEqual(self.code(SENDER.seal(bytes.fromhex(BEN), flags, first, 0, 0, b"")), "malformed")

    def test_parameters(self) -> None:
        """Names, boots and keys that do not fit are told at the start."""
        for key, node, boot in (
            (KEY, "", ANNA),
            (KEY, "x" * (LONGEST_NAME + 1), ANNA),
            (KEY, "a", "aa"),
            (KEY, "a", "x" * 16),
            (b"short", "a", ANNA),
        ):
            self.assertRaises(ValueError, Envelopes, key, node, boot)


class Arrays(SynchronousTestCase):
    """Encoded messages become one MessagePack array without being encoded again."""

    def test_sizes(self) -> None:
        """At each size of an array's head."""
        for count in (0, 1, 15, 16, 65535, 65536):
            self.assertEqual(msgspec.msgpack.decode(array([b"\x07"] * count)), [7] * count)
