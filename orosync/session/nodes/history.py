"""Event history of all nodes: each keeps its own copy, and the engine one, which a node reads when it starts.

Every node has the same events with the same times and publication ids, in the order in which they came to it: events of
one publisher are in one order everywhere, and those of two nodes within a moment may be in another order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import attrs
from twisted.internet.defer import Deferred, DeferredList

from orosync.backplane.messages import NodeEvent, packed
from orosync.backplane.nodes import Nodes
from orosync.router.history import History, PastEvent
from orosync.router.realm import Realm
from orosync.session.nodes.events import packed_filters, relayed, restored, stored, unpacked_filters
from orosync.session.nodes.part import RealmPart

_OVERHEAD = 128
"""Bytes of an event in the engine besides its topic and arguments, about."""


@attrs.define(eq=False)
class _Log:
    """A history and its log in the engine. ``own``: the publications of this node in it, the last ones."""

    history: History
    name: str
    own: deque[int]


class SharedHistory(RealmPart):
    """The histories of one realm."""

    def __init__(self, realm: Realm, nodes: Nodes) -> None:
        self._realm = realm
        self._backplane = nodes.backplane
        self._logs: dict[History, _Log] = {}
        for history in realm.history:
            kept = history.kept
            name = f"history:{realm.name}:{kept.match.value}:{kept.uri}"
            self._logs[history] = _Log(history, name, deque(maxlen=kept.events))
            # A client may name a publication that another node had and this one never got: it is taken for older.
            history.has_dropped = True

    def kept(self, event: NodeEvent) -> None:
        """An event of this node is in its histories."""
        value = stored(event)
        for history in self._realm.history.of(event.topic, unpacked_filters(event.filters)):
            log = self._logs[history]
            log.own.append(event.publication)
            self._append(log, value)

    def _append(self, log: _Log, value: bytes) -> None:
        kept = log.history.kept
        self._backplane.append(log.name, value, kept.events, kept.bytes + kept.events * _OVERHEAD)

    def load(self) -> Deferred[None]:
        """See RealmPart."""
        reading = [self._backplane.read(one.name).addCallback(self._read, one) for one in self._logs.values()]
        done = DeferredList(reading, fireOnOneErrback=True, consumeErrors=True)
        return done.addCallbacks(lambda _: None, lambda failure: failure.value.subFailure)

    def _read(self, values: Sequence[bytes], log: _Log) -> None:
        events = {event.publication: event for value in values if (event := restored(value)) is not None}
        if not events.keys() <= {past.publication for past in log.history}:
            log.history.merge([self._realm.history.past_event(relayed(event, "")) for event in events.values()])
        # What was published while the engine was away, or before it forgot everything; not what it has dropped.
        full = len(values) >= log.history.kept.events
        oldest = min((event.time for event in events.values()), default=0.0) if full else 0.0
        own = set(log.own)
        for past in log.history:
            if past.publication in own and past.publication not in events and past.time / 1e6 > oldest:
                self._append(log, stored(self._event(past)))

    def _event(self, past: PastEvent) -> NodeEvent:
        return NodeEvent(
            self._realm.name,
            past.topic,
            past.publication,
            packed(past.payload),
            packed_filters(past.filters),
            dict(past.extra_details) or None,
            time=past.time / 1e6,
        )
