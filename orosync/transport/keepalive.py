"""One timer for all deadlines of a listener: a wheel of slots, each holding those whose turn comes then.

It knows only that a member has a turn; what is due then, the member knows. Entering and leaving cost two set
operations, however many members there are; the timer runs only while there are any.
"""

from __future__ import annotations

from math import ceil
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_log = Logger()


class Member(Protocol):
    """Somebody with one deadline at a time. ``slot`` belongs to the wheel."""

    slot: set[Member] | None

    def due(self) -> None:
        """The deadline has come; the member may enter again."""


class Wheel:
    """``tick`` seconds for each slot; no deadline may lie further ahead than ``horizon`` seconds.

    ``now`` counts ticks: a clock that costs nothing to read. Delays are given in ticks, see ``ticks``.
    """

    def __init__(self, clock: IReactorTime, tick: float, horizon: float) -> None:
        self.now = 0
        self._clock = clock
        self._tick = tick
        self._slots: list[set[Member]] = [set() for _ in range(self.ticks(horizon) + 1)]
        self._members = 0
        self._timer: IDelayedCall | None = None
        self._stopping = False

    def ticks(self, seconds: float) -> int:
        """How many ticks it takes until at least ``seconds`` have passed, whenever they begin."""
        return ceil(seconds / self._tick) + 1

    def enter(self, member: Member, ticks: int) -> None:
        """Give ``member`` its turn in ``ticks`` ticks, and no other turn before."""
        slot = member.slot
        if slot is not None:
            slot.discard(member)
        else:
            self._members += 1
            if self._timer is None:
                self._timer = self._clock.callLater(self._tick, self._turn)
        slot = member.slot = self._slots[(self.now + ticks) % len(self._slots)]
        slot.add(member)

    def leave(self, member: Member) -> None:
        """Forget ``member``; nothing happens if it is not here."""
        slot = member.slot
        if slot is not None:
            slot.discard(member)
            member.slot = None
            self._members -= 1
            if self._stopping:
                self.stop_when_empty()

    def stop_when_empty(self) -> None:
        """From now on leave no timer running for nobody, not even until the next tick (the listener is closed)."""
        self._stopping = True
        if self._timer is not None and not self._members:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
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
            except Exception:  # it must not cost the others theirs
                _log.failure("a connection could not do what was due")
        if self._members and self._timer is None:
            self._timer = self._clock.callLater(self._tick, self._turn)
