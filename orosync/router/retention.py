"""Events that are kept for later subscribers (WAMP, "Event Retention").

A subscriber gets a retained event only if it would have got it at publication: its filters and the exclusion of its
publisher stay in force. Of each topic the last event without filters is kept, and later ones for certain receivers.
Session ids are removed from filters when their session ends, since they never come back.

The store is bounded, in events and in bytes of their arguments, lists and details; when it is full the oldest event is
dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import attrs

from orosync.model import EMPTY, Match
from orosync.router.deliveries import ExtraDetails, Member, text_size
from orosync.router.filters import Filters
from orosync.router.relays import RelayedPublication
from orosync.wamp.payload import Payload
from orosync.wamp.uris import matches

EVENTS = 1000
BYTES = 512 * 1024
OF_A_TOPIC = 16
"""Events of one topic: one for all subscribers and those for certain receivers."""


@attrs.define(eq=False)
class Retained:
    """An event as it was published. ``extra_details`` are the keys of its details that do not depend on the
    subscription. ``excluded`` is the session of a publisher that excluded itself. ``at`` is its place in the order of
    all nodes, 0.0 where there are none. ``size`` is roughly its size in bytes."""

    topic: str
    publication: int
    payload: Payload | None
    extra_details: ExtraDetails
    filters: Filters | None
    excluded: int | None
    at: float = 0.0
    size: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # Computed once, since its lists become shorter when sessions leave.
        arguments = 0 if self.payload is None else self.payload.size
        filters = 0 if self.filters is None else self.filters.size
        self.size = len(self.topic) + arguments + text_size(self.extra_details) + filters

    @property
    def for_all(self) -> bool:
        return self.filters is None and self.excluded is None

    @property
    def order(self) -> tuple[float, int]:
        """Of two events of a topic the one with the greater order supersedes the other, on all nodes."""
        return self.at, self.publication

    @property
    def for_none(self) -> bool:
        return self.filters is not None and self.filters.eligible == frozenset()

    def covers(self, older: Retained) -> bool:
        """Whether no subscriber will get ``older`` any more because of this event."""
        return self.for_all or (older.filters, older.excluded) == (self.filters, self.excluded)

    def reaches(self, member: Member) -> bool:
        """Whether ``member`` would have got it at publication."""
        if member.session == self.excluded:
            return False
        return self.filters is None or bool(self.filters.select({member.session: member}))

    def sessions(self) -> Iterable[int]:
        """The session ids in its filters and its exclusion."""
        if self.excluded is not None:
            yield self.excluded
        if self.filters is not None:
            yield from self.filters.exclude or ()
            yield from self.filters.eligible or ()


class Retention:
    """The retained events of one realm, which has these ``members``. ``never``: topics whose events are not retained.

    ``of_a_topic`` bounds the events of one topic. ``dropped`` counts the events that were dropped over a bound, and
    ``on_dropped`` is called for each. ``named``: by session id, the events that name that session.

    ``moment``, where there are other nodes, gives the place of an event of this node in the order of all: each greater
    than all before. ``newest`` is the publication id of the event that was given one last, also if no subscriber here
    can get it, and ``newest_at`` its place.
    """

    def __init__(self, members: Mapping[int, Member], most: int = EVENTS, most_bytes: int = BYTES) -> None:
        self._members = members
        self.most = most
        self.most_bytes = most_bytes
        self._bytes = 0
        self._events: dict[str, list[Retained]] = {}
        self._ages: dict[Retained, None] = {}
        self.named: dict[int, set[Retained]] = {}
        self.never: frozenset[str] = frozenset()
        self.of_a_topic = OF_A_TOPIC
        self.dropped = 0
        self.on_dropped: Callable[[], None] | None = None
        self.moment: Callable[[], float] | None = None
        self.newest, self.newest_at = 0, 0.0

    def __len__(self) -> int:
        return len(self._ages)

    def keep(
        self,
        topic: str,
        publication: int,
        payload: Payload | None,
        extra_details: ExtraDetails | None,
        filters: Filters | None,
        excluded: int | None,
        at: float = 0.0,
    ) -> None:
        """Retain an event, in the place of older ones for the same receivers. ``at``: of another node's event, its
        place in the order of all nodes; it may come later than one that supersedes it."""
        if topic in self.never:
            return
        if not at and self.moment is not None:
            at = self.moment()
            self.newest, self.newest_at = publication, at
        here = self._members.keys()
        filters = None if filters is None else filters.among(here)
        event = Retained(
            topic, publication, payload, extra_details or EMPTY, filters, excluded if excluded in here else None, at
        )
        if event.for_none or (at and self._is_late(event)):
            return
        self._supersede(event)
        if event.size > self.most_bytes:
            self._count()
            return
        events = self._events.setdefault(topic, [])
        events.append(event)
        if at and len(events) > 1 and events[-2].order > event.order:
            events.sort(key=lambda one: one.order)
        self._ages[event] = None
        self._bytes += event.size
        for session in event.sessions():
            self.named.setdefault(session, set()).add(event)
        if len(events) > self.of_a_topic:
            self._drop(next((one for one in events if not one.for_all), events[0]))
        while len(self._ages) > self.most or self._bytes > self.most_bytes:
            self._drop(next(iter(self._ages)))

    def relay(self, publication: RelayedPublication) -> None:
        """Retain a publication of another node."""
        self.keep(
            publication.topic,
            publication.publication,
            publication.payload,
            publication.extra_details,
            publication.filters,
            publication.excluded,
            publication.retained_at,
        )

    def for_member(self, member: Member, topic: str, match: Match) -> list[Retained]:
        """The events for ``member``, which subscribes: of each topic the last one that reaches it, oldest first."""
        topics = [topic] if match is Match.EXACT else [each for each in self._events if matches(topic, match, each)]
        found: dict[Retained, None] = {}
        for each in topics:
            event = next((one for one in reversed(self._events.get(each, ())) if one.reaches(member)), None)
            if event is not None:
                found[event] = None
        return list(found) if len(found) < 2 else [event for event in self._ages if event in found]

    def leave(self, session: int) -> None:
        """Remove a session that has left from all filters and exclusions."""
        naming = self.named.pop(session, set())
        for event in naming:
            if event.excluded == session:
                event.excluded = None
            event.filters = None if event.filters is None else event.filters.among(self._members.keys())
        for event in naming:
            if event not in self._ages:
                continue  # another one of these has replaced it
            if event.for_none:
                self._remove(event)
            elif event.for_all:
                self._supersede(event)

    def _is_late(self, event: Retained) -> bool:
        """Whether a later event supersedes this one, or it is kept already."""
        return any(
            one.publication == event.publication or (one.order > event.order and one.covers(event))
            for one in self._events.get(event.topic, ())
        )

    def _supersede(self, event: Retained) -> None:
        """Remove older events that no subscriber will get any more because of ``event``."""
        for older in list(self._events.get(event.topic, ())):
            if older is event or (event.at and older.order > event.order):
                break
            if event.covers(older):
                self._remove(older)

    def _drop(self, event: Retained) -> None:
        self._remove(event)
        self._count()

    def _count(self) -> None:
        self.dropped += 1
        if self.on_dropped is not None:
            self.on_dropped()

    def _remove(self, event: Retained) -> None:
        events = self._events[event.topic]
        events.remove(event)
        if not events:
            del self._events[event.topic]
        del self._ages[event]
        self._bytes -= event.size
        for session in event.sessions():
            naming = self.named.get(session)
            if naming is not None:
                naming.discard(event)
                if not naming:
                    del self.named[session]
