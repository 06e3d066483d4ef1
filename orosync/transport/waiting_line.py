"""Those who wait until it is their turn: in order, by address, woken by one timer.

It must not know who waits or for what; whether it is an address's turn it asks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_log = Logger()

TICK = 0.05
"""Seconds between two looks."""

RELEASED = 16
"""How many get their turn in one turn of the reactor: as many as are accepted in one."""


class Waiter(Protocol):
    """One who waits, compared by identity. ``proceed`` is called when it is its turn."""

    proceed: Callable[[], object]


class WaitingLine:
    """``granted(group)`` says whether a group of addresses may have one more of its own now, who then gets its turn."""

    def __init__(self, clock: IReactorTime, granted: Callable[[str], bool]) -> None:
        self._clock = clock
        self._granted = granted
        self._groups: OrderedDict[str, OrderedDict[Waiter, None]] = OrderedDict()
        self._timer: IDelayedCall | None = None

    def __contains__(self, group: str) -> bool:
        return group in self._groups

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def add(self, group: str, one: Waiter) -> None:
        """``one`` waits behind all others of its group."""
        self._groups.setdefault(group, OrderedDict())[one] = None
        if self._timer is None:
            self._timer = self._clock.callLater(TICK, self._look)

    def remove(self, group: str, one: Waiter) -> None:
        """``one`` waits no longer; nothing happens if it does not."""
        waiting = self._groups.get(group)
        if waiting is not None and one in waiting:
            del waiting[one]
            self._tidy(group)
            if not self._groups and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def stop(self) -> None:
        """All get their turn at once: the listener is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        groups, self._groups = self._groups, OrderedDict()
        for waiting in groups.values():
            for one in waiting:
                _call(one.proceed)

    def _look(self) -> None:
        self._timer = None
        left = RELEASED
        for group in list(self._groups):
            # Those who get their turn may leave at once, and others with them.
            while left and group in self._groups and self._granted(group):
                left -= 1
                one, _ = self._groups[group].popitem(last=False)
                self._tidy(group)
                _call(one.proceed)
            if not left:
                if group in self._groups:
                    self._groups.move_to_end(group)  # the others come first next time
                break
        if self._groups and self._timer is None:
            self._timer = self._clock.callLater(TICK if left else 0, self._look)

    def _tidy(self, group: str) -> None:
        if not self._groups[group]:
            del self._groups[group]


def _call(proceed: Callable[[], object]) -> None:
    """What one does must not cost the others their turn."""
    try:
        proceed()
    except Exception:
        _log.failure("a connection could not go on when it was its turn")
