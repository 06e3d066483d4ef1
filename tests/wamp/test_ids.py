"""Ids: random, counted, and as clients write them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import ProtocolViolation
from orosync.wamp.ids import LARGEST, Sequence, free_id, normalise, random_id


class RandomIds(SynchronousTestCase):
    """Session and publication ids."""

    def test_range(self) -> None:
        """Ids lie in [1, 2**53] and use all of it."""
        drawn = [random_id() for _ in range(2000)]
        self.assertTrue(all(1 <= value <= 2**53 for value in drawn))
        self.assertTrue(max(drawn) > 2**52)
        self.assertTrue(min(drawn) < 2**46)

    def test_no_two_alike(self) -> None:
        """Two sessions do not get one id."""
        self.assertEqual(len({random_id() for _ in range(2000)}), 2000)


class FreeIds(SynchronousTestCase):
    """Ids that are hashes."""

    def test_taken(self) -> None:
        """The next one that is free, and 1 after the largest."""
        self.assertEqual([free_id(7, ()), free_id(7, {7, 8}), free_id(LARGEST, {LARGEST, 1})], [7, 9, 2])


class Sequences(SynchronousTestCase):
    """Ids of requests and of invocations."""

    def test_counts_from_one(self) -> None:
        """The first request is number 1."""
        sequence = Sequence()
        self.assertEqual([sequence.next() for _ in range(3)], [1, 2, 3])

    def test_wraps(self) -> None:
        """After 2**53 follows 1, never 0."""
        sequence = Sequence(LARGEST - 1)
        self.assertEqual([sequence.next(), sequence.next()], [2**53, 1])


class Normalising(SynchronousTestCase):
    """An id as a client wrote it."""

    def test_what_counts_as_an_id(self) -> None:
        """JavaScript's integral floats are ids too."""
        for value, expected in [(0, 0), (1, 1), (2**53, 2**53), (123.0, 123), (float(2**53), 2**53), (0.0, 0)]:
            found = normalise(value)
            self.assertEqual(found, expected)
            self.assertIs(type(found), int)

    def test_what_does_not(self) -> None:
        """Whatever else stands in an id's place is a violation."""
        for value in [-1, 2**53 + 1, 1.5, -1.0, 1e300, float("nan"), float("inf"), True, None, "1", b"1", [1], {}]:
            self.assertRaises(ProtocolViolation, normalise, value)
