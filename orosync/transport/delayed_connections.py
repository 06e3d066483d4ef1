"""The queue of connections that are delayed because their address exceeds its rate (see ``admission``).

They proceed in order for each group of addresses, a few in one turn of the reactor, and one timer serves all of them.
Nothing of a delayed connection is read. This is not the queue of ``read_turns``, which is about connections that have
been admitted.
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
"""How many proceed in one turn of the reactor: as many as are accepted in one."""


class Waiter(Protocol):
    """A delayed connection, compared by identity. ``proceed`` continues it."""

    proceed: Callable[[], object]


class DelayedConnections:
    """``may_proceed(group)`` says whether one more connection of a group of addresses may proceed now."""

    def __init__(self, clock: IReactorTime, may_proceed: Callable[[str], bool]) -> None:
        self._clock = clock
        self._may_proceed = may_proceed
        self._groups: OrderedDict[str, OrderedDict[Waiter, None]] = OrderedDict()
        self._timer: IDelayedCall | None = None

    def __contains__(self, group: str) -> bool:
        return group in self._groups

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def add(self, group: str, connection: Waiter) -> None:
        """``connection`` waits behind all others of its group."""
        self._groups.setdefault(group, OrderedDict())[connection] = None
        if self._timer is None:
            self._timer = self._clock.callLater(TICK, self._look)

    def remove(self, group: str, connection: Waiter) -> None:
        """``connection`` waits no longer; nothing happens if it does not wait."""
        waiting = self._groups.get(group)
        if waiting is not None and connection in waiting:
            del waiting[connection]
            self._tidy(group)
            if not self._groups and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def stop(self) -> None:
        """The listener is closed: all proceed at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        groups, self._groups = self._groups, OrderedDict()
        for waiting in groups.values():
            for connection in waiting:
                _call(connection.proceed)

    def _look(self) -> None:
        self._timer = None
        left = RELEASED
        for group in list(self._groups):
            # A connection that proceeds may end at once, and others with it.
            while left and group in self._groups and self._may_proceed(group):
                left -= 1
                connection, _ = self._groups[group].popitem(last=False)
                self._tidy(group)
                _call(connection.proceed)
            if not left:
                if group in self._groups:
                    self._groups.move_to_end(group)  # the other groups come first next time
                break
        if self._groups and self._timer is None:
            self._timer = self._clock.callLater(TICK if left else 0, self._look)

    def _tidy(self, group: str) -> None:
        if not self._groups[group]:
            del self._groups[group]


def _call(proceed: Callable[[], object]) -> None:
    """An exception in one connection must not stop the others."""
    try:
        proceed()
    except Exception:
        _log.failure("a delayed connection could not proceed")
