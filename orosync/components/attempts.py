"""Attempts to connect, one after the other: how long to wait before the next, and whether the failure of the last is
news.

It must not know connections: what an attempt is, is told to it.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.application.internet import backoffPolicy
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater

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

    async def go_on(
        self,
        once: Callable[[], Awaitable[tuple[str, str]]],
        wanted: Callable[[], bool],
        tell: Callable[[str, str, float, bool], None],
        reactor: Any,
    ) -> None:
        """Try ``once``, again and again while it is ``wanted``, or until this is cancelled. ``once`` gives the kind of
        its end and the reason; ``tell`` gets both, the pause until the next, and whether that is news."""
        try:
            while wanted():
                began = reactor.seconds()
                kind, reason = await once()
                if not wanted():
                    return
                now = reactor.seconds()
                pause, news = self.failed(now, kind, reason, now - began)
                tell(kind, reason, pause, news)
                await deferLater(reactor, pause, lambda: None)
        except CancelledError:
            return

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
