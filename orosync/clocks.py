"""The two clocks: one measures spans, the other tells the time of day.

The time of day may be set, forwards and backwards, by an administrator or by NTP. So what lasts (a timeout, a rate, a
pause, a memory) is measured by ``clock``, an IReactorTime that only ever counts on; and what is a date (the age of a
ticket, ``authenticated_at``, a timestamp, the time of a file) is told by ``now()``. Both are passed to the code that
needs them; only this module knows where they come from.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

Now = Callable[[], float]
"""The time of day, in seconds since 1970."""

time_of_day: Now = time.time


def epoch() -> float:
    """A time of day for code without a clock."""
    return 0.0


def timestamp(seconds: float) -> str:
    """A time of day (seconds since 1970) in the format of RFC 3339, in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_monotonic(reactor: Any) -> None:
    """From now on ``reactor`` (Twisted's, in a process of our own) counts by a clock that cannot be set.

    RuntimeError if a delayed call is waiting already: its moment was reckoned by the time of day and would never come.
    """
    waiting = reactor.getDelayedCalls()
    if waiting:
        raise RuntimeError(
            f"the reactor has {len(waiting)} delayed calls already, which count by the time of day: "
            f"start orosync before what made them ({waiting[0]})"
        )
    reactor.seconds = time.monotonic
