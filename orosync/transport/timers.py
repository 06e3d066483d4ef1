"""Finds connections on which the rest of a frame does not come. It must not know what a frame holds or what comes next.

Oro's PHP writes a frame once, without waiting: what does not fit is lost, and all that it publishes later on that
connection would silently be taken for the missing rest. So the time runs from the frame's beginning, not from what
arrived last.

One timer for all deadlines of a listener: a wheel of slots, each holding those whose turn comes then.

It knows only that a member has a turn; what is due then, the member knows. Entering and leaving cost two set
operations, however many members there are; the timer runs only while there are any.

Finds those who take nothing of what waits for them. It knows neither frames nor sockets, nor what is done then.
"""

from __future__ import annotations

from math import ceil
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from orosync.interfaces import IJournal
from orosync.model import ConnectionFacts


class IncompleteFrame(Protocol):
    """A connection whose frame began to arrive."""

    facts: ConnectionFacts
    frame_count: int
    """Another number for another frame."""

    def awaited(self) -> bool | None:
        """Whether the rest is still missing; None: it may be there, but we are not reading."""

    def drop_now(self, reason: str) -> None:
        """End the connection."""


class IncompleteFrames:
    """Whose frame is not complete after ``patience`` seconds is cut, and noted.

    Looked at every ``tick`` seconds, and only while there are any.
    """

    def __init__(self, clock: IReactorTime, tick: float, patience: float, journal: IJournal) -> None:
        self._clock = clock
        self._tick = tick
        self._patience = patience
        self._journal = journal
        self._halves: dict[IncompleteFrame, tuple[int, float]] = {}
        self._timer: IDelayedCall | None = None

    def watch(self, half: IncompleteFrame) -> None:
        """Begin to watch ``half`` (again: no difference); it is let go once its frame is complete."""
        if half not in self._halves:
            self._halves[half] = (half.frame_count, self._clock.seconds())
            if self._timer is None:
                self._timer = self._clock.callLater(self._tick, self._look)

    def forget(self, half: IncompleteFrame) -> None:
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


class Timed(Protocol):
    """Somebody with one deadline at a time. ``slot`` belongs to the wheel."""

    slot: set[Timed] | None

    def due(self) -> None:
        """The deadline has come; the member may enter again."""


class TimerWheel:
    """``tick`` seconds for each slot; no deadline may lie further ahead than ``horizon`` seconds.

    ``now`` counts ticks: a clock that costs nothing to read. Delays are given in ticks, see ``ticks``.
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
        """How many ticks it takes until at least ``seconds`` have passed, whenever they begin."""
        return ceil(seconds / self._tick) + 1

    def enter(self, member: Timed, ticks: int) -> None:
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

    def leave(self, member: Timed) -> None:
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
            member.due()
        if self._members and self._timer is None:
            self._timer = self._clock.callLater(self._tick, self._turn)


class SlowConsumer(Protocol):
    """A link whose peer reads more slowly than it is sent to."""

    def backlog(self) -> int: ...

    def progress(self) -> object: ...

    def stalled(self) -> None:
        """The peer has taken nothing for too long."""


class SlowConsumers:
    """Watches those who owe us reading: who takes nothing for ``patience`` seconds is stalled.

    Looked at every ``tick`` seconds, and only while there are any.
    """

    def __init__(self, clock: IReactorTime, tick: float, patience: float) -> None:
        self._clock = clock
        self._tick = tick
        self._patience = patience
        self._readers: dict[SlowConsumer, tuple[object, float]] = {}
        self._timer: IDelayedCall | None = None

    def watch(self, reader: SlowConsumer) -> None:
        """Begin to watch ``reader`` (again: no difference); it is let go once its backlog is gone."""
        if reader not in self._readers:
            self._readers[reader] = (reader.progress(), self._clock.seconds())
            if self._timer is None:
                self._timer = self._clock.callLater(self._tick, self._look)

    def forget(self, reader: SlowConsumer) -> None:
        """Its connection is gone."""
        self._readers.pop(reader, None)
        if not self._readers and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for reader, (mark, since) in list(self._readers.items()):
            if not reader.backlog():
                del self._readers[reader]
                continue
            latest = reader.progress()
            if latest != mark:
                self._readers[reader] = (latest, now)
            elif now - since >= self._patience:
                del self._readers[reader]
                reader.stalled()
        if self._readers and self._timer is None:
            self._timer = self._clock.callLater(self._tick, self._look)
