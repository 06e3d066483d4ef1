"""How many calls at once the callees of one registration take, and the calls that wait until one of them is free.

It must not know what a call or a callee is, nor in which order callees are asked.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Waiting = TypeVar("Waiting")


class Slots:
    """The slots of one callee in one registration: it takes ``most`` calls at once and works on ``taken``."""

    __slots__ = ("most", "taken")

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0


class Capacity(Generic[Waiting]):
    """``waiting``: in the order in which they came. A callee without a limit is always free.

    Whoever takes a slot keeps the ``Slots`` that it belongs to, and gives it back there: a callee that unregisters and
    registers again has new slots, and the answers to its earlier calls free none of them.
    """

    __slots__ = ("_slots", "waiting")

    def __init__(self) -> None:
        self._slots: dict[int, Slots] = {}
        self.waiting: deque[Waiting] = deque()

    def limit(self, session: int, most: int) -> None:
        """The callee with this session id takes ``most`` calls at once, from now on."""
        self._slots[session] = Slots(most)

    def is_free(self, session: int) -> bool:
        """Whether it takes one more."""
        slots = self._slots.get(session)
        return slots is None or slots.taken < slots.most

    def take(self, session: int) -> Slots | None:
        """It is given one call: where the slot belongs, None for a callee without a limit."""
        slots = self._slots.get(session)
        if slots is not None:
            slots.taken += 1
        return slots

    def forget(self, session: int) -> None:
        """It is no callee any more."""
        self._slots.pop(session, None)
