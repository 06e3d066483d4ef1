"""One timer for many equal time limits (a HELLO must come within 10 s).

Entries fall due in the order in which they were set, so a queue and a single delayed call do; a timer for each
connection would cost more than the rest of a join.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Deadlines:
    """Calls ``overdue`` of everything that is not cancelled within ``seconds``."""

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._waiting: deque[tuple[float, Deadline]] = deque()
        self._timer: IDelayedCall | None = None

    def set(self, overdue: Callable[[], None]) -> Deadline:
        """Start one time limit now."""
        deadline = Deadline(overdue)
        self._waiting.append((self._clock.seconds() + self._seconds, deadline))
        if self._timer is None:
            self._timer = self._clock.callLater(self._seconds, self._check)
        return deadline

    def stop(self) -> None:
        """Forget everything, fire nothing."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        while self._waiting and (self._waiting[0][0] <= now or self._waiting[0][1].overdue is None):
            overdue = self._waiting.popleft()[1].take()
            if overdue is not None:
                overdue()
        if self._waiting and self._timer is None:
            self._timer = self._clock.callLater(max(0.0, self._waiting[0][0] - now), self._check)


class Deadline:
    """One running time limit."""

    __slots__ = ("overdue",)

    def __init__(self, overdue: Callable[[], None]) -> None:
        self.overdue: Callable[[], None] | None = overdue

    def cancel(self) -> None:
        """It was kept. Drops what it would have called, so that a closed session is not held."""
        self.overdue = None

    def take(self) -> Callable[[], None] | None:
        overdue, self.overdue = self.overdue, None
        return overdue
