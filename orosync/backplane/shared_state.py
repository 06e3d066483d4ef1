"""What the nodes of one machine share: who is there, claims, what is done once, kept values and lists. No I/O here.

The supervisor of several workers has one (``app/hub.py``). It lives as long as that process, so kept values and lists
survive a worker's restart but not the supervisor's. Everything is limited in bytes or in number. A node keeps its
claims until ``leave`` is called for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush

from orosync.clocks import Now, epoch
from orosync.errors import NodeNameTaken, backplane_down
from orosync.interfaces import Claim

MOST_BYTES = 256 * 1024 * 1024
"""Of all kept values together, and of all lists together: what is beyond is not kept, and counted."""
MOST_IN_ONE = 32 * 1024 * 1024
"""Bytes of the values of one area, and of one list: an answer fits into a frame (``channel.LARGEST``)."""
MOST_ONCE = 1_000_000
"""Keys that ``once`` remembers at the same time; beyond, it refuses to answer."""
OVERHEAD = 100
"""Bytes that are counted for each value besides its key and itself."""


class _Held:
    """A claimed key: its policy and the nodes that hold it, with the time of each claim."""

    __slots__ = ("policy", "since")

    def __init__(self) -> None:
        self.policy = ""
        self.since: dict[str, float] = {}

    def oldest_of_others(self, node: str) -> tuple[float, str] | None:
        """Of those beside ``node``, the claim that wins: time and node. None if there is no other."""
        return min(((since, other) for other, since in self.since.items() if other != node), default=None)


class _Area:
    """Kept values by key and how many bytes they have."""

    __slots__ = ("size", "values")

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.size = 0


class _List:
    """A bounded list of values and how many bytes it has."""

    __slots__ = ("size", "values")

    def __init__(self) -> None:
        self.values: deque[bytes] = deque()
        self.size = 0


class SharedState:
    """The shared state. ``seconds`` counts on (a monotonic clock); with ``now``, read once, its times are dates.

    ``dropped``: values of ``put`` and ``append`` that the limits left no room for."""

    def __init__(
        self,
        seconds: Callable[[], float],
        now: Now = epoch,
        *,
        most_bytes: int = MOST_BYTES,
        most_in_one: int = MOST_IN_ONE,
        most_once: int = MOST_ONCE,
    ) -> None:
        self._seconds = seconds
        self._began = now() - seconds()
        self._most_bytes = most_bytes
        self._most_in_one = most_in_one
        self._most_once = most_once
        self.nodes: dict[str, str] = {}
        """The boot of each node that is there."""
        self.dropped = 0
        self._claims: dict[str, _Held] = {}
        self._keys: dict[str, set[str]] = {}
        self._done: dict[str, str] = {}
        self._ends: list[tuple[float, str]] = []
        self._areas: dict[str, _Area] = {}
        self._kept = 0
        self._lists: dict[str, _List] = {}
        self._listed = 0

    # -- nodes

    def join(self, node: str, boot: str) -> None:
        """A node is there from now on. NodeNameTaken while another one has the name."""
        if node in self.nodes:
            raise NodeNameTaken(f"another node is running as {node!r}: give each node a name of its own")
        self.nodes[node] = boot

    def leave(self, node: str, boot: str) -> bool:
        """It has gone, and its claims with it. False if that ``boot`` of it was not there."""
        if self.nodes.get(node) != boot:
            return False
        del self.nodes[node]
        for key in self._keys.pop(node, ()):
            self._give_up(node, key)
        return True

    # -- claims

    def claim(self, node: str, key: str, policy: str, since: float = 0.0, force: bool = False) -> Claim:
        """As ``IBackplane.claim``. A node that is not there gets nothing: Unavailable.

        The older claim wins, of two of the same time that of the node whose name comes first. It takes the key from
        all that hold it, who are not told: they learn it from the winner, or when they claim again."""
        if node not in self.nodes:
            raise backplane_down(f"{node!r} has no lease")
        held = self._claims.get(key) or _Held()
        mine = held.since.get(node)
        if mine is None:
            mine = since or self._began + self._seconds()
        elif since:
            mine = min(mine, since)
        other = held.oldest_of_others(node)
        if other is not None:
            together = bool(policy) and policy == held.policy
            older = bool(since) and (mine, node) < other
            if not (force or together or older):
                return Claim(holder=other[1], since=other[0])
            if force or not together:
                for loser in list(held.since):
                    self._keys[loser].discard(key)
                held.since.clear()
        held.policy = policy
        held.since[node] = mine
        self._claims[key] = held
        self._keys.setdefault(node, set()).add(key)
        return Claim(holder="", since=mine)

    def release(self, node: str, key: str) -> None:
        """The node's claim ends, if it has one."""
        keys = self._keys.get(node)
        if keys is not None and key in keys:
            keys.discard(key)
            self._give_up(node, key)

    def _give_up(self, node: str, key: str) -> None:
        held = self._claims[key]
        del held.since[node]
        if not held.since:
            del self._claims[key]

    def holders(self, key: str) -> list[str]:
        """The nodes that hold ``key``, the oldest claim first."""
        held = self._claims.get(key)
        return [] if held is None else sorted(held.since, key=lambda node: (held.since[node], node))

    # -- once

    def once(self, key: str, seconds: float, by: str = "") -> bool:
        """As ``IBackplane.once``. Unavailable when too many keys are remembered: to say "first" would be a guess."""
        now = self._seconds()
        ends, done = self._ends, self._done
        while ends and ends[0][0] <= now:
            del done[heappop(ends)[1]]
        if key in done:
            return bool(by) and done[key] == by
        if len(done) >= self._most_once:
            raise backplane_down(f"{len(done)} keys are remembered, no more can be")
        done[key] = by
        heappush(ends, (now + seconds, key))
        return True

    # -- kept values

    def put(self, area: str, key: str, value: bytes) -> bool:
        """Keep a value in place of the one before. False if it would be too much, of its area or of all: then the one
        before is kept no more either."""
        self.remove(area, key)
        size = _size(key, value)
        kept = self._areas.get(area) or _Area()
        if kept.size + size > self._most_in_one or self._kept + size > self._most_bytes:
            self.dropped += 1
            return False
        self._areas[area] = kept
        kept.values[key] = value
        kept.size += size
        self._kept += size
        return True

    def remove(self, area: str, key: str) -> None:
        """Keep it no more."""
        kept = self._areas.get(area)
        if kept is not None and key in kept.values:
            size = _size(key, kept.values.pop(key))
            kept.size -= size
            self._kept -= size
            if not kept.values:
                del self._areas[area]

    def load(self, area: str) -> dict[str, bytes]:
        """All values of an area by key."""
        kept = self._areas.get(area)
        return {} if kept is None else dict(kept.values)

    # -- lists

    def append(self, log: str, value: bytes, most: int, most_bytes: int) -> int:
        """Add to a list that keeps its last ``most`` values of at most ``most_bytes`` together. If that is
        too much, of this list or of all together, it loses more of its oldest values; returns how many these
        are."""
        listed = self._lists.setdefault(log, _List())
        values = listed.values
        values.append(value)
        size = _size("", value)
        listed.size += size
        self._listed += size
        while values and (len(values) > most or listed.size > most_bytes + OVERHEAD * len(values)):
            self._drop_oldest(listed)
        dropped = 0
        while values and (listed.size > self._most_in_one or self._listed > self._most_bytes):
            self._drop_oldest(listed)
            dropped += 1
        self.dropped += dropped
        if not values:
            del self._lists[log]
        return dropped

    def _drop_oldest(self, listed: _List) -> None:
        size = _size("", listed.values.popleft())
        listed.size -= size
        self._listed -= size

    def read(self, log: str) -> list[bytes]:
        """The values of a list, oldest first."""
        listed = self._lists.get(log)
        return [] if listed is None else list(listed.values)

    # -- figures

    @property
    def size(self) -> int:
        """Bytes of all kept values and lists, about."""
        return self._kept + self._listed

    @property
    def claimed(self) -> int:
        """How many keys are claimed."""
        return len(self._claims)


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + OVERHEAD
