"""How many calls at once the callees of one registration take, and the calls that wait until one of them is free.

It must not know what a call or a callee is, nor in which order callees are asked.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Waiting = TypeVar("Waiting")


class Capacity(Generic[Waiting]):
    """``waiting``: in the order in which they came. A callee without a limit is always free."""

    __slots__ = ("_limits", "_working", "waiting")

    def __init__(self) -> None:
        self._limits: dict[int, int] = {}
        self._working: dict[int, int] = {}
        self.waiting: deque[Waiting] = deque()

    def limit(self, session: int, most: int) -> None:
        """The callee with this session id takes ``most`` calls at once."""
        self._limits[session] = most

    def is_free(self, session: int) -> bool:
        """Whether it takes one more."""
        most = self._limits.get(session)
        return most is None or self._working.get(session, 0) < most

    def took(self, session: int) -> None:
        """It has been given one."""
        if session in self._limits:
            self._working[session] = self._working.get(session, 0) + 1

    def gave_back(self, session: int) -> None:
        """One that it had is over; nothing for who has been forgotten."""
        if self._working.get(session):
            self._working[session] -= 1

    def forget(self, session: int) -> None:
        """It is no callee any more."""
        self._limits.pop(session, None)
        self._working.pop(session, None)
