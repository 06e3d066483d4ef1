"""How fast connections come: each address has its bucket, and full buckets are forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from orosync.transport.admission import ConnectionRates


class ConnectionRatesTests(SynchronousTestCase):
    def test_burst_and_refill(self) -> None:
        """The burst at once, then the rate; another address does not pay for it."""
        rates = ConnectionRates(200.0, 2000)
        self.assertEqual(sum(rates.take("a", 0.0) for _ in range(2500)), 2000)
        self.assertEqual(sum(rates.take("a", 0.05) for _ in range(50)), 10)
        self.assertEqual(sum(rates.take("a", 1.05) for _ in range(500)), 200)
        self.assertTrue(rates.take("b", 1.05))

    def test_a_full_bucket_is_forgotten(self) -> None:
        """With the next connection after it has filled up."""
        rates = ConnectionRates(10.0, 5)
        rates.take("a", 0.0)
        rates.take("b", 0.4)
        rates.take("c", 0.5)
        self.assertEqual(len(rates), 2)
        rates.forget(2.0)
        self.assertEqual(len(rates), 0)

    def test_bounded(self) -> None:
        """Of too many addresses the one that was seen the longest ago is forgotten."""
        rates = ConnectionRates(1.0, 1, limit=2)
        for group in ("a", "b", "a", "c"):
            rates.take(group, 0.0)
        self.assertEqual((len(rates), rates.take("a", 0.0), rates.take("b", 0.0)), (2, False, True))

    @given(st.lists(st.floats(0, 3), max_size=60), st.integers(1, 5), st.integers(1, 5))
    def test_never_more_than_promised(self, pauses: list[float], rate: int, burst: int) -> None:
        """In no stretch of time more than the burst and what has been earned since, and never less for one who waits
        that long."""
        rates, now, taken = ConnectionRates(rate, burst), 0.0, []
        for pause in pauses:
            now += pause
            if rates.take("a", now):
                taken.append(now)
            else:
                self.assertTrue(pause < 1.0 / rate)
        for first in range(len(taken)):
            for last in range(first, len(taken)):
                self.assertLessEqual(last - first + 1, burst + (taken[last] - taken[first]) * rate + 0.01)
