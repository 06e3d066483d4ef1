"""Rate limit for failed authentication: one token bucket for each address group.

Only failures are counted, so that all users behind one address may log in at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from orosync.errors import Refused, Unavailable
from orosync.headers import address_group
from orosync.interfaces import IJournal
from orosync.model import ConnectionFacts, Principal

MOST_ADDRESSES = 10_000


class FailureBuckets:
    """``burst`` failures at once, then ``rate`` a second. Beyond ``limit`` groups the one whose last failure is oldest
    is forgotten; its bucket would have been full first.

    With several nodes each tells the others what it has counted (``untold``) and adds what they have (``add``).
    """

    def __init__(self, rate: float = 20.0, burst: int = 100, limit: int = MOST_ADDRESSES) -> None:
        self._rate = rate
        self._burst = burst
        self._limit = limit
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # group: tokens left, at
        self._untold: dict[str, int] | None = None

    def __len__(self) -> int:
        return len(self._buckets)

    def exhausted(self, group: str, now: float) -> bool:
        """Whether the bucket of ``group`` is empty."""
        return self._tokens(group, now) < 1.0

    def check(self, group: str, now: float, what: str) -> None:
        """Unavailable ("too_many_failures") when the bucket of ``group`` is empty; ``what`` is for the log."""
        if self.exhausted(group, now):
            raise Unavailable("too_many_failures", f"too many wrong {what} from {group}")

    def record(self, group: str, now: float) -> None:
        """``group`` has failed once."""
        self.add(group, now, 1)
        if self._untold is not None and (group in self._untold or len(self._untold) < self._limit):
            self._untold[group] = self._untold.get(group, 0) + 1

    def untold(self) -> dict[str, int]:
        """The failures by group since this was last asked; from the first time on they are counted for it."""
        told, self._untold = self._untold or {}, {}
        return told

    def add(self, group: str, now: float, count: int) -> None:
        """``group`` has failed ``count`` times, here or at another node."""
        self._buckets[group] = (max(self._tokens(group, now) - count, 0.0), now)
        self._buckets.move_to_end(group)
        if len(self._buckets) > self._limit:
            self._buckets.popitem(last=False)

    def _tokens(self, group: str, now: float) -> float:
        tokens, at = self._buckets.get(group, (float(self._burst), now))
        return min(float(self._burst), tokens + max(now - at, 0.0) * self._rate)


T = TypeVar("T")


class FailedAttempts:
    """Attempts of one method: counted by outcome as ``event``, and limited for each address group that fails.

    Buckets refill by ``clock``."""

    def __init__(
        self, event: str, journal: IJournal, clock: IReactorTime, failures: FailureBuckets | None = None
    ) -> None:
        self._event = event
        self._journal = journal
        self._clock = clock
        self._failures = FailureBuckets() if failures is None else failures

    def check(self, facts: ConnectionFacts) -> None:
        """Unavailable ("too_many_failures") when the address has failed too often, which is counted."""
        try:
            self._failures.check(address_group(facts.address), self._clock.seconds(), "answers")
        except Unavailable as refusal:
            self._journal.count(self._event, refusal.code)
            raise

    def limited(self, facts: ConnectionFacts, attempt: Callable[[], T]) -> Deferred[T]:
        """Fires with what ``attempt`` returns, or fails with the Refused that it raises, which is counted against the
        address; with Unavailable as ``check``."""
        try:
            self.check(facts)
        except Unavailable as refusal:
            return defer.fail(refusal)
        try:
            outcome = attempt()
        except Refused as refusal:
            self._journal.count(self._event, refusal.code)
            if not isinstance(refusal, Unavailable):
                self._failures.record(address_group(facts.address), self._clock.seconds())
            return defer.fail(refusal)
        if isinstance(outcome, Principal):
            self._journal.count(self._event, "accepted")
        return defer.succeed(outcome)


def wrong_method(name: str, method: str) -> Refused:
    """The refusal of a method that the authenticator ``name`` cannot do."""
    return Refused("unknown_method", f"{name} cannot do authmethod {method!r}")
