"""T3: batches as bytes, both ways, cut at every byte."""

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation
from orosync.wamp import batching


def plain(payload: bytes, binary: bool) -> bytes:
    return payload


def other(payload: bytes, binary: bool) -> bytes:
    return payload


class TakingApartTests(SynchronousTestCase):
    """T3."""

    def test_table(self) -> None:
        """What the specification draws, and both separators that are in use."""
        for batch, binary, messages in [
            (b"[1]\x1e", False, [b"[1]"]),
            (b"[1]\x1e[2]\x1e", False, [b"[1]", b"[2]"]),
            (b"[1]\x18[2]\x18", False, [b"[1]", b"[2]"]),
            (b'["\x18"]\x1e', False, [b'["\x18"]']),
            (b"\x1e", False, [b""]),
            (b"\0\0\0\x03abc", True, [b"abc"]),
            (b"\0\0\0\x01a\0\0\0\x02bc", True, [b"a", b"bc"]),
            (b"\0\0\0\0", True, [b""]),
        ]:
            self.assertEqual(batching.split(batch, binary), messages, batch)

    def test_refused(self) -> None:
        """An empty batch, one that ends within a message, one of too many."""
        for batch, binary in [
            (b"", False),
            (b"", True),
            (b"[1]", False),
            (b"[1]\x1e[2]", False),
            (b"\0", True),
            (b"\0\0\0", True),
            (b"\0\0\0\x02a", True),
            (b"\0\0\0\x01a\0", True),
            (b"\xff\xff\xff\xffa", True),
            (b"\x1e" * (batching.MOST + 1), False),
            (b"\0\0\0\0" * (batching.MOST + 1), True),
        ]:
            self.assertRaises(ProtocolViolation, batching.split, batch, binary)
        self.assertEqual(len(batching.split(b"\0\0\0\0" * batching.MOST, True)), batching.MOST)
        self.assertEqual(len(batching.split(b"\x1e" * batching.MOST, False)), batching.MOST)

    @given(st.lists(st.binary(max_size=20), min_size=1, max_size=10))
    def test_lengths_there_and_back(self, messages: list[bytes]) -> None:
        """Whatever is joined comes apart again."""
        frame = batching.framer(plain, b"")
        self.assertEqual(batching.split(b"".join(frame(one, True) for one in messages), True), messages)

    def test_cut_at_every_byte(self) -> None:
        """A batch that was cut is whole at the ends of its messages alone."""
        chance = random.Random(30)
        messages = [bytes(chance.randrange(1, 6)) for _ in range(8)]
        whole = b"".join(batching.framer(plain, b"")(one, True) for one in messages)
        ends = {sum(len(one) + 4 for one in messages[:n]): n for n in range(1, 9)}
        for cut in range(len(whole) + 1):
            if cut in ends:
                self.assertEqual(batching.split(whole[:cut], True), messages[: ends[cut]])
            else:
                self.assertRaises(ProtocolViolation, batching.split, whole[:cut], True)


class FramerTests(SynchronousTestCase):
    """T3."""

    def test_batches_of_one(self) -> None:
        """Each message is a batch, and batches joined are a batch."""
        for mark, binary in ((b"\x1e", False), (b"\x18", False), (b"", True)):
            frame = batching.framer(plain, mark)
            self.assertEqual(batching.split(frame(b"[1]", binary) + frame(b"[2]", binary), binary), [b"[1]", b"[2]"])

    def test_shared(self) -> None:
        """One function for each transport and separator, or nobody could share a frame."""
        self.assertIs(batching.framer(plain, b"\x1e"), batching.framer(plain, b"\x1e"))
        self.assertIsNot(batching.framer(plain, b"\x1e"), batching.framer(plain, b"\x18"))
        self.assertIsNot(batching.framer(plain, b"\x1e"), batching.framer(other, b"\x1e"))
