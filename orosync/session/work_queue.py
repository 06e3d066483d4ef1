"""Work on many sessions that neither holds up the reactor nor waits for all its answers at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator
from twisted.logger import Logger

AT_A_TURN = 100
"""Items that are begun in one turn of the reactor."""

T = TypeVar("T")


class WorkQueue(Generic[T]):
    """Calls ``begin`` with each item in order: for AT_A_TURN items in one turn of the reactor, and while fewer than
    ``at_once`` Deferreds that it returned have not fired. What it raises or fails with is logged."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, begin: Callable[[T], Deferred[Any] | None], at_once: int) -> None:
        self._begin = begin
        self._at_once = at_once
        self._items: deque[T] = deque()
        self._workers = 0
        self._cooperator = Cooperator(_end_of_turn, partial(clock.callLater, 0))

    def add(self, items: Iterable[T], *, first: bool = False) -> None:
        """Begin with these after all others, or with ``first`` before them, in a later turn."""
        if first:
            self._items.extendleft(reversed([*items]))
        else:
            self._items.extend(items)
        while self._workers < min(self._at_once, len(self._items)):
            self._workers += 1
            self._cooperator.cooperate(self._work())

    def stop(self) -> None:
        """Begin no more."""
        self._items.clear()
        self._cooperator.stop()

    def _work(self) -> Iterator[Deferred[Any]]:
        """One of ``at_once`` workers: the cooperator asks for the next item when the Deferred of the last has fired."""
        while self._items:
            yield maybeDeferred(self._begin, self._items.popleft()).addErrback(self._failed)
        self._workers -= 1

    def _failed(self, failure: Any) -> None:
        self._log.failure("work on a session failed", failure=failure)


def _end_of_turn() -> Callable[[], bool]:
    """Says after each item whether enough have been begun in this turn."""
    begun = count(1)
    return lambda: next(begun) >= AT_A_TURN
