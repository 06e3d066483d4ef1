"""Tests for orosync.router.capacity."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.router.capacity import Capacity


class CapacityTests(SynchronousTestCase):
    def test_free_until_full(self) -> None:
        """Who takes two is free until it has two, and again when one is over; who has no limit always is."""
        capacity: Capacity[str] = Capacity()
        capacity.limit(1, 2)
        for session in (1, 2):
            capacity.took(session)
            self.assertTrue(capacity.is_free(session))
            capacity.took(session)
        self.assertEqual((capacity.is_free(1), capacity.is_free(2)), (False, True))
        capacity.gave_back(1)
        self.assertTrue(capacity.is_free(1))

    def test_the_forgotten(self) -> None:
        """What is still given back for one that has gone does not count for one that comes again."""
        capacity: Capacity[str] = Capacity()
        capacity.limit(1, 1)
        capacity.took(1)
        capacity.forget(1)
        capacity.gave_back(1)
        capacity.limit(1, 1)
        capacity.took(1)
        self.assertFalse(capacity.is_free(1))
