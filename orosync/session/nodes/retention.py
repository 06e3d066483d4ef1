"""Retained events of all nodes, kept in the engine: a node that starts, or that may have missed something, loads them.

Every node retains every event that is retained, and the later one supersedes the earlier one on all of them, by a place
in one order (``NodeEvent.retained_at``). An event for certain sessions is not kept in the engine: sessions end with
their node. What is kept there is bounded as it is in each node.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec
from twisted.internet.defer import Deferred

from orosync.backplane.messages import NodeEvent
from orosync.backplane.nodes import Nodes
from orosync.clocks import Now
from orosync.router.realm import Realm
from orosync.session.nodes.events import relayed, restored, stored
from orosync.session.nodes.part import RealmPart

_STEP = 1e-6
"""Seconds between two places in the order, at least."""


class _Entry(msgspec.Struct, frozen=True):
    """What is kept under a key: ``order`` as ``Retained`` has it; ``here``: it was published at this node."""

    topic: str
    order: tuple[float, int]
    value: bytes
    here: bool


class SharedRetention(RealmPart):
    """The retained events of one realm. ``now`` tells the time of day, in seconds since 1970."""

    def __init__(self, realm: Realm, nodes: Nodes, now: Now) -> None:
        self._retention = realm.retention
        self._backplane = nodes.backplane
        self._area = f"retained:{realm.name}"
        self._now = now
        self._last = 0.0
        self._entries: dict[str, _Entry] = {}  # by key, in the order in which they came
        self._keys: dict[str, set[str]] = {}  # by topic
        self._bytes = 0
        realm.retention.moment = self._moment

    def _moment(self) -> float:
        """The place of an event of this node: after all that it knows."""
        self._last = max(self._now(), self._last + _STEP)
        return self._last

    def retained(self, event: NodeEvent, here: bool) -> None:
        """An event is retained; ``here``: it was published at this node, which puts it into the engine."""
        self._last = max(self._last, event.retained_at)
        key = _key(event)
        if key is None or event.topic in self._retention.never:
            return
        entry = _Entry(event.topic, (event.retained_at, event.publication), stored(event), here)
        later = self._later(key, entry)
        if later is None:
            crossed = not here and any(self._entries[one].here for one in self._keys.get(event.topic, ()))
            gone = self._file(key, entry)
            if here or crossed:
                self._put(key, gone)
        elif self._entries[later].here and self._entries[later].order > entry.order:
            self._put(later, [key])

    def _put(self, key: str, gone: Iterable[str]) -> None:
        """Put an entry into the engine. Where events of two nodes meet on the way, both nodes have put theirs there, in
        any order: each puts what stays as soon as it knows."""
        entry = self._entries.get(key)
        if entry is not None:
            self._backplane.put(self._area, key, entry.value)
        for one in gone:
            if one not in self._entries:
                self._backplane.remove(self._area, one)

    def _later(self, key: str, entry: _Entry) -> str | None:
        """The key of an entry that leaves no receiver for ``entry``."""
        for one in (key, f"{entry.topic}\0"):
            if one in self._entries and self._entries[one].order >= entry.order:
                return one
        return None

    def _file(self, key: str, entry: _Entry) -> list[str]:
        """Keep an entry; the keys that are free now."""
        everyone = f"{entry.topic}\0"  # the key of an event for all
        keys = self._keys.get(entry.topic, set())
        gone = [one for one in keys if self._entries[one].order < entry.order] if key == everyone else []
        for one in {key, *gone} & keys:
            self._drop(one)
        keys = self._keys.setdefault(entry.topic, set())
        keys.add(key)
        self._entries[key] = entry
        self._bytes += len(entry.value)
        retention = self._retention
        while len(keys) > retention.of_a_topic:
            gone.append(min(keys - {everyone}, key=lambda one: self._entries[one].order))
            self._drop(gone[-1])
        while len(self._entries) > retention.most or self._bytes > retention.most_bytes:
            gone.append(next(iter(self._entries)))
            self._drop(gone[-1])
        return gone

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key)
        self._bytes -= len(entry.value)
        keys = self._keys[entry.topic]
        keys.discard(key)
        if not keys:
            del self._keys[entry.topic]

    def load(self) -> Deferred[None]:
        """See RealmPart: what is in the engine and here is brought together, in both."""
        return self._backplane.load(self._area).addCallback(self._loaded)

    def _loaded(self, values: Mapping[str, bytes]) -> None:
        entries = self._entries
        found = {
            key: event
            for key, value in values.items()
            if (key not in entries or entries[key].value != value) and (event := restored(value)) and _key(event) == key
        }
        for event in sorted(found.values(), key=lambda one: one.retained_at):
            self.retained(event, False)
            self._retention.relay(relayed(event, ""))
        for key, entry in entries.items():
            if values.get(key) != entry.value:
                self._backplane.put(self._area, key, entry.value)
        for key in values:
            if key not in entries:
                self._backplane.remove(self._area, key)


def _key(event: NodeEvent) -> str | None:
    """What the event is kept under: the same for events for the same receivers. None: it is not kept."""
    filters = event.filters
    if filters is None:
        return f"{event.topic}\0"
    if filters.eligible is not None:
        return None
    lists = [filters.exclude_authid, filters.exclude_authrole, filters.eligible_authid, filters.eligible_authrole]
    if all(one is None for one in lists):
        return f"{event.topic}\0"
    text = msgspec.json.encode([None if one is None else sorted(one) for one in lists])
    return f"{event.topic}\0{hashlib.sha256(text).hexdigest()[:32]}"
