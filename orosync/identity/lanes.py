"""Who waits for a digest: one lane for each address, which take turns, within a bound that the longest lane pays for.

Every step costs the same however many wait: a storm fills this to the brim, from one address or from thousands. It must
not know digests, workers or why anybody waits.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """Somebody in a lane, compared by identity."""

    @property
    def lane(self) -> str:
        """The lane's name."""

    @property
    def size(self) -> int:
        """How much room it takes."""


W = TypeVar("W", bound=Waiting)


class Lanes(Generic[W]):
    """At most ``room`` wait, counted in their sizes. Past that the longest lane (in heads) loses its newest; of lanes
    of the same length, the newcomer's does."""

    def __init__(self, room: int) -> None:
        self.waiting = 0
        self._room = room
        self._lanes: OrderedDict[str, OrderedDict[W, None]] = OrderedDict()
        self._by_length: dict[int, OrderedDict[str, None]] = {}
        self._longest = 0

    def add(self, newcomer: W) -> list[W]:
        """``newcomer`` goes to the end of its lane. Returns those who have to leave for it, perhaps itself."""
        name = newcomer.lane
        lane = self._lanes.setdefault(name, OrderedDict())
        lane[newcomer] = None
        self.waiting += newcomer.size
        self._moved(name, len(lane) - 1, len(lane))
        leaving = []
        while self.waiting > self._room:
            longest = self._by_length[self._longest]
            victim = next(reversed(self._lanes[name if name in longest else next(iter(longest))]))
            self.remove(victim)
            leaving.append(victim)
        return leaving

    def take(self) -> W | None:
        """The first of the lane whose turn it is, which then goes behind all others; None when nobody waits."""
        if not self._lanes:
            return None
        name = next(iter(self._lanes))
        first = next(iter(self._lanes[name]))
        self._lanes.move_to_end(name)
        self.remove(first)
        return first

    def remove(self, one: W) -> bool:
        """Take ``one`` out, wherever it stands; False if it is not here (any more)."""
        lane = self._lanes.get(one.lane)
        if lane is None or one not in lane:
            return False
        del lane[one]
        self.waiting -= one.size
        self._moved(one.lane, len(lane) + 1, len(lane))
        if not lane:
            del self._lanes[one.lane]
        return True

    def clear(self) -> list[W]:
        """Everybody leaves, lane by lane."""
        everybody = [one for lane in self._lanes.values() for one in lane]
        self._lanes.clear()
        self._by_length.clear()
        self.waiting = self._longest = 0
        return everybody

    def _moved(self, name: str, before: int, after: int) -> None:
        """Lane ``name`` has become longer or shorter by one."""
        if before:
            of_that_length = self._by_length[before]
            del of_that_length[name]
            if not of_that_length:
                del self._by_length[before]
        if after:
            self._by_length.setdefault(after, OrderedDict())[name] = None
        if after > self._longest or self._longest not in self._by_length:
            self._longest = after
