"""How many wrong credentials an address may present: one token bucket for each address.

Counts failures only, so that a whole company behind one address may log in at once. It must not know what
failed, or what becomes of an address that has failed too often.
"""

from __future__ import annotations

from collections import OrderedDict

from orosync.errors import Unavailable

MOST_ADDRESSES = 10_000


class FailureBuckets:
    """``burst`` failures at once, then ``rate`` a second. Past ``limit`` groups the one that failed longest ago is
    forgotten (and would have been forgiven first)."""

    def __init__(self, rate: float = 20.0, burst: int = 100, limit: int = MOST_ADDRESSES) -> None:
        self._rate = rate
        self._burst = burst
        self._limit = limit
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # group: tokens left, at

    def __len__(self) -> int:
        return len(self._buckets)

    def exhausted(self, group: str, now: float) -> bool:
        """Whether ``group`` has no failure left to make."""
        return self._tokens(group, now) < 1.0

    def check(self, group: str, now: float, what: str) -> None:
        """Unavailable ("too_many_failures") for a ``group`` that has no failure left to make; ``what`` it presents."""
        if self.exhausted(group, now):
            raise Unavailable("too_many_failures", f"too many wrong {what} from {group}")

    def record(self, group: str, now: float) -> None:
        """``group`` has failed once."""
        self._buckets[group] = (max(self._tokens(group, now) - 1.0, 0.0), now)
        self._buckets.move_to_end(group)
        if len(self._buckets) > self._limit:
            self._buckets.popitem(last=False)

    def _tokens(self, group: str, now: float) -> float:
        tokens, at = self._buckets.get(group, (float(self._burst), now))
        return min(float(self._burst), tokens + max(now - at, 0.0) * self._rate)
