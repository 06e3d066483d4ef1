"""How fast the connections of an address come: one token bucket for each address.

A bucket that has filled up again is the same as none, so it is forgotten. It must not know connections, or what becomes
of those that come too fast.
"""

from __future__ import annotations

from collections import OrderedDict

MOST_ADDRESSES = 50_000


class ConnectionRates:
    """``burst`` at once, then ``rate`` a second, for each group of addresses (``forwarding.address_group``).

    Past ``limit`` groups the one whose connection is the longest ago is forgotten.
    """

    def __init__(self, rate: float, burst: int, limit: int = MOST_ADDRESSES) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._limit = limit
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # group: tokens left, at

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, group: str, now: float) -> bool:
        """One more connection of ``group``, at ``now`` (monotonic, in seconds): False where that is over its rate."""
        buckets = self._buckets
        self.forget(now)
        tokens, at = buckets.get(group, (self._burst, now))
        tokens = min(self._burst, tokens + max(now - at, 0.0) * self._rate)
        # A tick of the timer need not be exact: what is a token but for rounding is one.
        taken = tokens > 1.0 - 1e-6
        buckets[group] = (max(tokens - 1.0, 0.0) if taken else tokens, now)
        buckets.move_to_end(group)
        if len(buckets) > self._limit:
            buckets.popitem(last=False)
        return taken

    def forget(self, now: float) -> None:
        """Drop the buckets that have filled up again; the oldest come first, so that nearly always none is looked at
        twice."""
        buckets, full = self._buckets, now - self._burst / self._rate
        while buckets:
            group, (_, at) = next(iter(buckets.items()))
            if at > full:
                break
            del buckets[group]
