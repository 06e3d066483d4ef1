"""A cache bounded in entries and in time, for outcomes and look-ups; the oldest entry makes room.

Keys are bytes: hashes, so that no ticket stays in memory.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class TTLCache(Generic[Value]):
    """Values by key, each until its own time (seconds on the caller's clock), at most ``limit`` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[bytes, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: bytes, value: Value, now: float, until: float) -> None:
        """Keep ``value`` for ``key``; the oldest entries are dropped if they have expired, and the oldest one if it is
        full."""
        self._entries.pop(key, None)
        while self._entries:
            oldest = next(iter(self._entries))
            if len(self._entries) < self._limit and self._entries[oldest][0] > now:
                break
            del self._entries[oldest]
        self._entries[key] = (until, value)

    def get(self, key: bytes, now: float) -> Value | None:
        """The value of ``key``, unless it has expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        until, value = entry
        if until <= now:
            del self._entries[key]
            return None
        return value
