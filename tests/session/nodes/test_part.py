"""What the subjects of a shared realm have in common."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.session.nodes.part import PORTION, RealmPart, portions


class PartTests(SynchronousTestCase):
    def test_portions(self) -> None:
        """Everything in its order, in lists that are full when they reach the limit."""
        items = ["x" * 1000] * 100
        found = list(portions(items, len))
        self.assertEqual([one for some in found for one in some], items)
        self.assertTrue(all(sum(map(len, some)) <= PORTION + 1000 for some in found))
        self.assertEqual(len(found), 4)
        self.assertEqual(list(portions([], len)), [])

    def test_nothing_to_do(self) -> None:
        """A subject tells nothing and has nothing to load unless it says so."""
        part = RealmPart()
        self.assertEqual((tuple(part.snapshot()), part.handlers), ((), {}))
        self.assertIsNone(self.successResultOf(part.load()))
