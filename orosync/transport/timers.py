"""The timers of a listener's connections: few of Twisted's timers for thousands of deadlines.

A ``TimerWheel`` holds one deadline for each of its members. A ``StallDetector`` watches connections that have something
to finish, and reports those that make no progress: consumers that read nothing of what waits for them, and publishers
of which the rest of a frame does not arrive. Both run a timer only while they have members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil
from typing import Generic, Protocol, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_log = Logger()


class Timed(Protocol):
    """An object with one deadline at a time. ``slot`` belongs to the wheel."""

    slot: set[Timed] | None

    def due(self) -> None:
        """The deadline has come; another one may be scheduled at once."""


class TimerWheel:
    """A ring of slots, each of which holds the members whose deadline falls into the same tick of ``tick`` seconds.
    Scheduling and cancelling cost two set operations, however many members there are.

    No deadline may lie further ahead than ``horizon`` seconds. ``now`` counts ticks and costs nothing to read. Delays
    are given in ticks, see ``ticks``.
    """

    def __init__(self, clock: IReactorTime, tick: float, horizon: float) -> None:
        self.now = 0
        self._clock = clock
        self._tick = tick
        self._slots: list[set[Timed]] = [set() for _ in range(self.ticks(horizon) + 1)]
        self._members = 0
        self._timer: IDelayedCall | None = None
        self._stopping = False

    def ticks(self, seconds: float) -> int:
        """How many ticks it takes until at least ``seconds`` have passed, wherever in a tick they begin."""
        return ceil(seconds / self._tick) + 1

    def schedule(self, member: Timed, ticks: int) -> None:
        """Call ``member.due()`` in ``ticks`` ticks. This replaces an earlier deadline of the same member."""
        slot = member.slot
        if slot is not None:
            slot.discard(member)
        else:
            self._members += 1
            if self._timer is None:
                self._timer = self._clock.callLater(self._tick, self._advance)
        slot = member.slot = self._slots[(self.now + ticks) % len(self._slots)]
        slot.add(member)

    def cancel(self, member: Timed) -> None:
        """Forget the deadline of ``member``, if it has one."""
        slot = member.slot
        if slot is not None:
            slot.discard(member)
            member.slot = None
            self._members -= 1
            if self._stopping:
                self.stop_when_empty()

    def stop_when_empty(self) -> None:
        """The listener is closed: stop the timer as soon as the last member is gone, not at the next tick."""
        self._stopping = True
        if self._timer is not None and not self._members:
            self._timer.cancel()
            self._timer = None

    def _advance(self) -> None:
        self._timer = None
        self.now += 1
        slot = self._slots[self.now % len(self._slots)]
        due = list(slot)
        slot.clear()
        for member in due:
            member.slot = None
        self._members -= len(due)
        for member in due:
            try:
                member.due()
            except Exception:  # the other deadlines are kept
                _log.failure("a connection could not do what was due")
        if self._members and self._timer is None:
            self._timer = self._clock.callLater(self._tick, self._advance)


Watched = TypeVar("Watched")


class StallDetector(Generic[Watched]):
    """Calls ``stalled(member)`` for a watched member that has made no progress for ``timeout`` seconds.

    ``done(member)``: there is nothing left to wait for, so it is no longer watched. ``progress(member)``: a value that
    changes with each step; None while the member cannot go on because of us, and then its time begins anew. Members are
    looked at every ``tick`` seconds.
    """

    def __init__(
        self,
        clock: IReactorTime,
        tick: float,
        timeout: float,
        done: Callable[[Watched], bool],
        progress: Callable[[Watched], object],
        stalled: Callable[[Watched], object],
    ) -> None:
        self._clock = clock
        self._tick = tick
        self._timeout = timeout
        self._done = done
        self._progress = progress
        self._stalled = stalled
        self._watched: dict[Watched, tuple[object, float]] = {}
        self._timer: IDelayedCall | None = None

    def __iter__(self) -> Iterator[Watched]:
        """Those that are watched."""
        return iter(self._watched)

    def watch(self, member: Watched) -> None:
        """Begin to watch ``member``; nothing changes if it is being watched already."""
        if member not in self._watched:
            self._watched[member] = (self._progress(member), self._clock.seconds())
            if self._timer is None:
                self._timer = self._clock.callLater(self._tick, self._look)

    def forget(self, member: Watched) -> None:
        """The connection is gone."""
        self._watched.pop(member, None)
        if not self._watched and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for member, (last, since) in list(self._watched.items()):
            if self._done(member):
                del self._watched[member]
                continue
            latest = self._progress(member)
            if latest is None:
                self._watched[member] = (last, now)
            elif latest != last:
                self._watched[member] = (latest, now)
            elif now - since >= self._timeout:
                del self._watched[member]
                self._stalled(member)
        if self._watched and self._timer is None:
            self._timer = self._clock.callLater(self._tick, self._look)
