"""Time limits of calls (WAMP, "Call Timeouts"): a call that has one is measured, from its beginning and anew from each
progressive result, wherever it goes meanwhile. While a callee has it that keeps the limit itself the time runs on, but
nothing comes of its end.

It must not know what becomes of a call that takes too long.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

LONGEST = 24 * 3600 * 1000
"""Milliseconds; whoever grants more, grants this."""


class CallTimer:
    """Calls ``expired`` after ``timeout`` milliseconds, unless the call is over by then or its callee sees to that.

    It is the ``watch`` of a call's particulars (``router.invocations``).
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
        """See ``router.invocations.Watch``."""
        return max(0, round((self._end - self._clock.seconds()) * 1000))

    def enforce(self, ours: bool) -> None:
        """See ``router.invocations.Watch``."""
        if not ours and self._delayed is not None:
            self._delayed.cancel()
            self._delayed = None
        elif ours and self._delayed is None:
            self._delayed = self._clock.callLater(max(0.0, self._end - self._clock.seconds()), self._overdue)

    def _overdue(self) -> None:
        self._delayed = None
        self._expired()
