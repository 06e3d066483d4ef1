"""Wrong credentials are counted for each address."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from orosync.errors import Unavailable
from orosync.identity.rate_limit import FailureBuckets


class Buckets(SynchronousTestCase):
    """A burst of failures, then a steady few, for each group on its own."""

    def test_burst_and_refill(self) -> None:
        """A hundred failures at once are borne; then twenty in each second."""
        buckets = FailureBuckets()
        for _ in range(100):
            self.assertFalse(buckets.exhausted("a", 0.0))
            buckets.record("a", 0.0)
        self.assertTrue(buckets.exhausted("a", 0.0))
        self.assertTrue(buckets.exhausted("a", 0.04))
        self.assertFalse(buckets.exhausted("a", 0.05))
        for _ in range(20):
            self.assertFalse(buckets.exhausted("a", 1.0))
            buckets.record("a", 1.0)
        self.assertTrue(buckets.exhausted("a", 1.0))
        self.assertFalse(buckets.exhausted("b", 0.0), "another address pays for it")

    def test_check(self) -> None:
        """An exhausted group is refused, with the group and the word for what was presented."""
        buckets = FailureBuckets(burst=1)
        buckets.check("a", 0.0, "tickets")
        buckets.record("a", 0.0)
        refusal = self.assertRaises(Unavailable, buckets.check, "a", 0.0, "tickets")
        self.assertEqual((refusal.code, refusal.reason), ("too_many_failures", "too many wrong tickets from a"))

    def test_never_more_than_the_burst(self) -> None:
        """A quiet year does not save up for more than one burst."""
        buckets = FailureBuckets(rate=10.0, burst=2)
        buckets.record("a", 0.0)
        for _ in range(2):
            self.assertFalse(buckets.exhausted("a", 1e7))
            buckets.record("a", 1e7)
        self.assertTrue(buckets.exhausted("a", 1e7))

    def test_failing_on_does_not_lock_out_longer(self) -> None:
        """Failures past the last one do not pile up: a second later the address may try again."""
        buckets = FailureBuckets()
        for _ in range(10_000):
            buckets.record("a", 0.0)
        self.assertFalse(buckets.exhausted("a", 0.05))

    def test_clock_set_back(self) -> None:
        """A clock that jumps back neither forgives nor locks out."""
        buckets = FailureBuckets(rate=1.0, burst=1)
        buckets.record("a", 1000.0)
        self.assertTrue(buckets.exhausted("a", 500.0))
        self.assertFalse(buckets.exhausted("a", 1001.0))

    def test_bound(self) -> None:
        """However many addresses fail, only so many are kept, the latest ones."""
        buckets = FailureBuckets(burst=1, limit=50)
        for number in range(1000):
            buckets.record(f"a{number}", 0.0)
        self.assertEqual(len(buckets), 50)
        self.assertTrue(buckets.exhausted("a999", 0.0))
        self.assertFalse(buckets.exhausted("a0", 0.0))


class SeveralNodes(SynchronousTestCase):
    """What one node counts the others add to theirs."""

    def test_an_address_that_goes_from_node_to_node(self) -> None:
        """It has one burst with all of them together, once they have told each other."""
        nodes = [FailureBuckets(burst=10) for _ in range(3)]
        for node in nodes:
            self.assertEqual(node.untold(), {})
        for node in nodes[:2]:
            for _ in range(5):
                node.record("a", 0.0)
        for teller in nodes:
            told = teller.untold()
            for node in nodes:
                if node is not teller:
                    for group, count in told.items():
                        node.add(group, 0.0, count)
        self.assertEqual([node.exhausted("a", 0.0) for node in nodes], [True] * 3)
        self.assertEqual([node.untold() for node in nodes], [{}] * 3, "what was told is told again")

    def test_one_process_counts_once(self) -> None:
        """Nothing is kept for others who never ask."""
        buckets = FailureBuckets()
        buckets.record("a", 0.0)
        self.assertIsNone(buckets._untold)

    def test_bound(self) -> None:
        """What waits to be told is bounded as the buckets are."""
        buckets = FailureBuckets(limit=50)
        buckets.untold()
        for number in range(1000):
            buckets.record(f"a{number}", 0.0)
        buckets.record("a0", 0.0)
        told = buckets.untold()
        self.assertEqual((len(told), told["a0"]), (50, 2))
