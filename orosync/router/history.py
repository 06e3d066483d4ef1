"""Past events for clients that ask for them (WAMP, "Event History"), and the recorder that keeps them.

One history for each pattern that the configuration names, bounded in events, bytes and age; the oldest event is dropped
first. An event for certain sessions is not kept, since its receivers would be unknown later; lists of authids and
authroles apply to the reader. The broker has a recorder only where publications are kept or retained by configuration.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

import attrs

from orosync.clocks import Now, timestamp
from orosync.errors import NotCarriable
from orosync.model import Match
from orosync.router.deliveries import ExtraDetails, Member, text_size
from orosync.router.filters import Filters
from orosync.router.patterns import UriIndex
from orosync.router.queries import Query
from orosync.router.relays import RelayedPublication
from orosync.router.retention import Retention
from orosync.router.subscriptions import Subscription
from orosync.wamp.payload import Payload
from orosync.wamp.uris import is_reserved

ANSWER_BYTES = 512 * 1024
"""Bytes of one answer, about; a client calls again for the rest. It has to fit into ``send_buffer_limit``."""

_EVENT_OVERHEAD = 200  # bytes of an event's timestamp, ids and details
_MILLISECOND = 1000


@attrs.frozen
class HistoryLimits:
    """What is kept of the events that (``uri``, ``match``) matches: at most ``events`` of them, ``bytes`` of topics and
    arguments, none older than ``age`` seconds (None: of any age)."""

    match: Match
    uri: str
    events: int
    bytes: int
    age: float | None = None


@attrs.frozen(eq=False)
class PastEvent:
    """One event. ``time`` in microseconds since 1970, rounded to milliseconds like its timestamp; ``since`` in seconds,
    by the clock that measures its age."""

    time: int
    publication: int
    topic: str
    payload: Payload | None
    extra_details: ExtraDetails
    filters: Filters | None
    since: float = 0.0

    @property
    def size(self) -> int:
        arguments = 0 if self.payload is None else self.payload.size
        filters = 0 if self.filters is None else self.filters.size
        return len(self.topic) + arguments + text_size(self.extra_details) + filters

    def is_for(self, reader: Member) -> bool:
        return self.filters is None or bool(self.filters.select({reader.session: reader}))

    def as_result(self, subscription: Subscription) -> dict[str, Any]:
        """The event in the result of ``wamp.subscription.get_events``."""
        details = dict(self.extra_details)
        if subscription.match is not Match.EXACT:
            details["topic"] = self.topic
        found: dict[str, Any] = {
            "timestamp": timestamp(self.time / 1_000_000),
            "subscription": subscription.id,
            "publication": self.publication,
            "details": details,
        }
        if self.payload is not None:
            args, kwargs = self.payload.values()
            found.update({"args": args} if self.payload.args or kwargs else {})
            found.update({"kwargs": kwargs} if self.payload.kwargs else {})
        return found


class History:
    """The events of one subscription, oldest first. ``has_dropped``: older ones were dropped already."""

    def __init__(self, kept: HistoryLimits, subscription: Subscription) -> None:
        self.kept = kept
        self.subscription = subscription
        self.has_dropped = False
        self._events: deque[PastEvent] = deque()
        self._bytes = 0
        self._merged: set[int] = set()

    def add(self, event: PastEvent) -> None:
        self._events.append(event)
        self._bytes += event.size
        while len(self._events) > self.kept.events or self._bytes > self.kept.bytes:
            self._drop_oldest()
        self.expire(event.since)

    def merge(self, events: Sequence[PastEvent]) -> None:
        """Add ``events`` of other nodes, oldest first, each once. Those that are here alone stay behind the same event
        as before."""
        self._merged = known = {event.publication for event in events}
        behind: dict[int, list[PastEvent]] = {}
        last = 0
        for event in self._events:
            if event.publication in known:
                last = event.publication
            else:
                behind.setdefault(last, []).append(event)
        oldest = events[0].time if events else 0
        first = behind.pop(0, [])
        merged = [event for event in first if event.time < oldest]
        for event in events:
            merged += [event, *behind.get(event.publication, ())]
        merged += [event for event in first if event.time >= oldest]
        self._events, self._bytes = deque(), 0
        for event in merged:
            self.add(event)

    def relay(self, event: PastEvent) -> None:
        """Add an event of another node, unless it was among those that were merged: it may come later than these."""
        if event.publication not in self._merged:
            self.add(event)

    def __iter__(self) -> Iterator[PastEvent]:
        return iter(self._events)

    def expire(self, moment: float) -> None:
        """Drop events that are too old at ``moment``, by the clock of ``PastEvent.since``."""
        if self.kept.age is not None:
            oldest = moment - self.kept.age
            while self._events and self._events[0].since < oldest:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._bytes -= self._events.popleft().size
        self.has_dropped = True

    def read(self, reader: Member, query: Query) -> tuple[list[PastEvent], bool]:
        """The events for ``reader`` that ``query`` selects, and whether there are more than one answer holds."""
        found: list[PastEvent] = []
        room = ANSWER_BYTES
        # A list: looking into the middle of a deque is slow.
        for event in query.select(list(self._events), self.has_dropped):
            if not event.is_for(reader):
                continue
            room -= event.size + _EVENT_OVERHEAD
            if len(found) == query.limit or (found and room < 0):
                return found, True
            found.append(event)
        return found, False


class Histories:
    """All histories of one realm, by their subscriptions. ``now`` dates events, ``seconds`` measures their age.

    ``newest`` is the publication id of this node's event that was kept last, ``newest_time`` its time as PastEvent has
    it.
    """

    def __init__(self, now: Now, seconds: Callable[[], float]) -> None:
        self._now = now
        self._seconds = seconds
        self._index: UriIndex[History] = UriIndex()
        self._histories: dict[Subscription, History] = {}
        self.newest = self.newest_time = 0

    def __iter__(self) -> Iterator[History]:
        return iter(self._histories.values())

    def __len__(self) -> int:
        return len(self._histories)

    def open(self, kept: HistoryLimits, subscription: Subscription) -> None:
        """From now on keep the events that ``subscription`` matches."""
        history = History(kept, subscription)
        self._index.add(kept.uri, kept.match, history)
        self._histories[subscription] = history

    def record(
        self,
        number: int,
        topic: str,
        payload: Payload | None,
        filters: Filters | None,
        extra_details: ExtraDetails | None,
    ) -> None:
        """Keep a publication of this node, whose id is ``number``, in the histories that match its topic."""
        histories = self.of(topic, filters)
        if histories:
            time = int(self._now() * 1000) * _MILLISECOND
            event = PastEvent(time, number, topic, payload, dict(extra_details or {}), filters, self._seconds())
            self.newest, self.newest_time = number, time
            for history in histories:
                history.add(event)

    def of(self, topic: str, filters: Filters | None) -> list[History]:
        """The histories that keep an event on ``topic`` with these filters."""
        if filters is not None and (filters.exclude is not None or filters.eligible is not None):
            return []
        histories = self._index.matching(topic)
        return [] if not histories or is_reserved(topic) else histories

    def relay(self, publication: RelayedPublication) -> None:
        """Keep a publication of another node, with the time that it has there."""
        histories = self.of(publication.topic, publication.filters)
        if histories:
            event = self.past_event(publication)
            for history in histories:
                history.relay(event)

    def past_event(self, publication: RelayedPublication) -> PastEvent:
        """A publication of another node as it is kept here."""
        age = max(0.0, self._now() - publication.time)
        return PastEvent(
            round(publication.time * 1000) * _MILLISECOND,
            publication.publication,
            publication.topic,
            publication.payload,
            dict(publication.extra_details or {}),
            publication.filters,
            self._seconds() - age,
        )

    def read(self, subscription: Subscription, reader: Member, query: Query) -> tuple[list[dict[str, Any]], bool]:
        """The events of a subscription that ``query`` selects, and whether there are more of them; none where no
        history is kept."""
        history = self._histories.get(subscription)
        if history is None:
            return [], False
        history.expire(self._seconds())
        events, more = history.read(reader, query)
        found = []
        for event in events:
            with suppress(NotCarriable):  # its values have no form outside the publisher's serializer
                found.append(event.as_result(subscription))
        return found, more


class PublicationObserver(Protocol):
    """What is told of each publication before it is delivered; it must not raise."""

    def record(
        self,
        number: int,
        topic: str,
        payload: Payload | None,
        publisher: Member | None,
        exclude_me: bool,
        filters: Filters | None,
        extra_details: ExtraDetails | None,
    ) -> None:
        """A publication, whose id is ``number``. ``publisher`` None is the router itself."""

    def relayed(self, publication: RelayedPublication) -> None:
        """A publication of another node."""


class Both:
    """Tells two of them, one after the other."""

    def __init__(self, first: PublicationObserver, second: PublicationObserver) -> None:
        self._observers = first, second

    def record(self, *publication: Any) -> None:
        """See PublicationObserver."""
        for observer in self._observers:
            observer.record(*publication)

    def relayed(self, publication: RelayedPublication) -> None:
        """See PublicationObserver."""
        for observer in self._observers:
            observer.relayed(publication)


class Recorder:
    """Retains and keeps publications by configuration. ``retained`` tells whether all events of a topic are retained,
    without the publisher's ``retain``."""

    def __init__(self, retention: Retention, retained: Callable[[str], bool], history: Histories) -> None:
        self._retention = retention
        self._retained = retained
        self._history = history

    def record(
        self,
        number: int,
        topic: str,
        payload: Payload | None,
        publisher: Member | None,
        exclude_me: bool,
        filters: Filters | None,
        extra_details: ExtraDetails | None,
    ) -> None:
        """Record a publication, whose id is ``number``. The router's own publications are not retained."""
        if publisher is not None and self._retained(topic):
            self._retention.keep(
                topic, number, payload, extra_details, filters, publisher.session if exclude_me else None
            )
        if self._history:
            self._history.record(number, topic, payload, filters, extra_details)

    def relayed(self, publication: RelayedPublication) -> None:
        """Keep a publication of another node; the broker retains it, since that was decided there."""
        if self._history:
            self._history.relay(publication)
