"""Attempts to connect: how long to wait before the next, and whether the failure of the last is news.

It must not know connections or time: both are told to it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from twisted.application.internet import backoffPolicy

FIRST = 0.25
"""Seconds; the first pause is twice that, each further one twice the one before, and jitter of up to a second comes on
top, so that many do not come back at once."""

STEADY = 30.0
"""A connection that lasted so many seconds was a good one: the next attempt follows soon."""

REMINDER = 300.0
"""The same failure again is told after so many seconds."""


class Attempts:
    """``longest`` is the longest pause without its jitter; ``steady`` as STEADY."""

    def __init__(self, longest: float, jitter: Callable[[], float] = random.random, *, steady: float = STEADY) -> None:
        self._pause = backoffPolicy(initialDelay=FIRST, maxDelay=longest, factor=2.0, jitter=jitter)
        self._steady = steady
        self._failures = 0
        self._told: tuple[str, str] | None = None
        self._told_at = 0.0

    def joined(self) -> None:
        """One was good: whatever comes next is news."""
        self._told = None

    def failed(self, now: float, kind: str, reason: str, lasted: float) -> tuple[float, bool]:
        """An attempt ended at ``now``, ``lasted`` seconds after it had begun: the pause before the next, and whether
        somebody should be told."""
        self._failures = 1 if kind == "lost" and lasted > self._steady else self._failures + 1
        news = (kind, reason) != self._told or now - self._told_at >= REMINDER
        if news:
            self._told, self._told_at = (kind, reason), now
        return self._pause(self._failures), news
