"""Finds connections on which the rest of a frame does not come. It must not know what a frame holds or what comes next.

Oro's PHP writes a frame once, without waiting: what does not fit is lost, and all that it publishes later on that
connection would silently be taken for the missing rest. So the time runs from the frame's beginning, not from what
arrived last.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from orosync.interfaces import IJournal
from orosync.model import ConnectionFacts


class Half(Protocol):
    """A connection whose frame began to arrive."""

    facts: ConnectionFacts
    frame_count: int
    """Another number for another frame."""

    def awaited(self) -> bool | None:
        """Whether the rest is still missing; None: it may be there, but we are not reading."""

    def drop_now(self, reason: str) -> None:
        """End the connection."""


class HalfFrames:
    """Whose frame is not complete after ``patience`` seconds is cut, and noted.

    Looked at every ``tick`` seconds, and only while there are any.
    """

    def __init__(self, clock: IReactorTime, tick: float, patience: float, journal: IJournal) -> None:
        self._clock = clock
        self._tick = tick
        self._patience = patience
        self._journal = journal
        self._halves: dict[Half, tuple[int, float]] = {}
        self._timer: IDelayedCall | None = None

    def watch(self, half: Half) -> None:
        """Begin to watch ``half`` (again: no difference); it is let go once its frame is complete."""
        if half not in self._halves:
            self._halves[half] = (half.frame_count, self._clock.seconds())
            if self._timer is None:
                self._timer = self._clock.callLater(self._tick, self._look)

    def forget(self, half: Half) -> None:
        """Its connection is gone."""
        if self._halves.pop(half, None) and not self._halves and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for half, (frame, since) in list(self._halves.items()):
            awaited = half.awaited()
            if awaited is False:
                del self._halves[half]
            elif awaited is None or half.frame_count != frame:
                self._halves[half] = (half.frame_count, now)
            elif now - since >= self._patience:
                del self._halves[half]
                self._journal.note("frame.cut", "incomplete", address=half.facts.address, seconds=self._patience)
                half.drop_now("cut: incomplete frame")
        if self._halves and self._timer is None:
            self._timer = self._clock.callLater(self._tick, self._look)
