"""Time limits of calls (WAMP, "Call Timeouts"): a call that has one is measured, from its beginning and anew from each
progressive result.

It must not know what becomes of a call that takes too long.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

LONGEST = 24 * 3600 * 1000
"""Milliseconds; whoever grants more, grants this."""


class CallTimer:
    """Calls ``expired`` after ``timeout`` milliseconds, unless the call is over by then.

    It is the ``watch`` of a call's particulars (``router.invocations``).
    """

    __slots__ = ("_delayed", "_expired", "_seconds")

    def __init__(self, clock: IReactorTime, timeout: int, expired: Callable[[], None]) -> None:
        self._seconds = min(timeout, LONGEST) / 1000
        self._expired = expired
        self._delayed: IDelayedCall = clock.callLater(self._seconds, self._overdue)

    def progressed(self) -> None:
        """The time runs anew."""
        if self._delayed.active():
            self._delayed.reset(self._seconds)

    def settled(self) -> None:
        """The call is over."""
        if self._delayed.active():
            self._delayed.cancel()

    def _overdue(self) -> None:
        self._expired()
