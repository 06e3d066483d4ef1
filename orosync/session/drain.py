"""Going down gently: everybody is asked to leave, spread over time, so that they do not all return at once.

It must not know what kinds of sessions there are, nor why the router stops.
"""

from __future__ import annotations

from collections.abc import Collection

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from orosync.session.lobby import Guest

STEP = 0.05
"""Seconds between two groups."""

RATE = 500
"""Guests asked to leave in a second, where the time allows: each of them comes back with a request to PHP."""


def drain(guests: Collection[Guest], clock: IReactorTime, seconds: float) -> Deferred[None]:
    """Call ``shutdown`` of every guest within ``seconds``.

    Fires when all have gone, or after ``seconds`` and a second more if some do not go.
    """
    done: Deferred[None] = Deferred()
    waiting = list(guests)
    group = max(int(RATE * STEP), int(len(waiting) * STEP / max(seconds, STEP)) + 1)
    end = clock.seconds() + seconds + 1

    def step() -> None:
        leaving = waiting[:group]
        del waiting[:group]
        for guest in leaving:
            guest.shutdown()
        if (waiting or guests) and clock.seconds() < end:
            clock.callLater(STEP, step)
        else:
            done.callback(None)

    step()
    return done
