"""Time limits of a session.

``Deadlines`` is for many equal limits: HELLO must come within 10 s. They end in the order in which they began, so that
a queue and a single delayed call do for all; a timer for each connection would cost more than the rest of a join.

``CallTimer`` is for one call (WAMP, "Call Timeouts"), whose caller chose the limit. It is measured from the beginning
of the call and anew from each progressive result. While a callee has the call that keeps the limit itself, the time
runs on, but nothing happens at its end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

LONGEST = 24 * 3600 * 1000
"""Milliseconds, to which longer limits of calls are cut."""


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
    """One running time limit of ``Deadlines``."""

    __slots__ = ("overdue",)

    def __init__(self, overdue: Callable[[], None]) -> None:
        self.overdue: Callable[[], None] | None = overdue

    def cancel(self) -> None:
        """It was kept. What it would have called is dropped, so that a closed session is not kept in memory."""
        self.overdue = None

    def take(self) -> Callable[[], None] | None:
        overdue, self.overdue = self.overdue, None
        return overdue


class CallTimer:
    """Calls ``expired`` after ``timeout`` milliseconds, unless the call is over by then or its callee sees to that.

    It is the ``watch`` of a call's state (``router.pending``).
    """

    __slots__ = ("_clock", "_delayed", "_end", "_expired", "_seconds")

    def __init__(self, clock: IReactorTime, timeout: int, expired: Callable[[], None]) -> None:
        self._clock = clock
        self._seconds = min(timeout, LONGEST) / 1000
        self._end = clock.seconds() + self._seconds
        self._expired = expired
        self._delayed: IDelayedCall | None = clock.callLater(self._seconds, self._overdue)

    def progressed(self) -> None:
        """The time runs anew."""
        self._end = self._clock.seconds() + self._seconds
        if self._delayed is not None:
            self._delayed.reset(self._seconds)

    def settled(self) -> None:
        """The call is over."""
        self.enforce(False)

    def left(self) -> int:
        """See ``router.pending.Watch``."""
        return max(0, round((self._end - self._clock.seconds()) * 1000))

    def enforce(self, ours: bool) -> None:
        """See ``router.pending.Watch``."""
        if not ours and self._delayed is not None:
            self._delayed.cancel()
            self._delayed = None
        elif ours and self._delayed is None:
            self._delayed = self._clock.callLater(max(0.0, self._end - self._clock.seconds()), self._overdue)

    def _overdue(self) -> None:
        self._delayed = None
        self._expired()
