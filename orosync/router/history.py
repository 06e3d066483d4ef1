"""What was published, for those who ask later (WAMP, "Event History").

One history for each pattern that the configuration names, bounded in events, bytes and age, the oldest out first. An
event for certain sessions is not kept, since nobody could tell later whom it was meant for; lists of authids and
authroles hold for who reads. This file must not know who may read, nor anything of the clock but what it is told.

What becomes of publications besides deliveries: retained where a topic is declared so, kept as history.

The broker has a recorder only where there is something to record. This file must not know who declares topics.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import attrs

from orosync.clocks import Now
from orosync.errors import NotCarriable
from orosync.model import Match
from orosync.router.deliveries import Member, text_size
from orosync.router.filters import Filters
from orosync.router.meta_events import timestamp
from orosync.router.patterns import UriIndex
from orosync.router.queries import Query
from orosync.router.retention import Retention
from orosync.router.subscriptions import Subscription
from orosync.wamp.payload import Payload
from orosync.wamp.uris import is_reserved

ANSWER = 512 * 1024
"""Bytes of one answer, about; the rest is a matter of another call. A client has to take it (``send_buffer_limit``)."""

_AROUND = 200  # timestamp, ids and details of an event
_MILLISECOND = 1000


@attrs.frozen
class Kept:
    """What is to be kept: of all that (``uri``, ``match``) matches so many ``events``, so many ``bytes`` of topics and
    arguments, none older than ``age`` seconds (None: of any age)."""

    match: Match
    uri: str
    events: int
    bytes: int
    age: float | None = None


@attrs.frozen(eq=False)
class Past:
    """One event. ``time`` in microseconds since 1970, as exact as its timestamp shows it; ``since`` by the clock that
    measures its age, in seconds."""

    time: int
    publication: int
    topic: str
    payload: Payload | None
    extra_details: Mapping[str, Any]
    filters: Filters | None
    since: float = 0.0

    @property
    def size(self) -> int:
        arguments = 0 if self.payload is None else self.payload.size
        filters = 0 if self.filters is None else self.filters.size
        return len(self.topic) + arguments + text_size(self.extra_details) + filters

    def is_for(self, reader: Member) -> bool:
        return self.filters is None or bool(self.filters.select({reader.session: reader}))

    def described(self, subscription: Subscription) -> dict[str, Any]:
        """As ``wamp.subscription.get_events`` gives it."""
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
    """The events of one subscription, oldest first. ``forgetful``: some have gone already."""

    def __init__(self, kept: Kept, subscription: Subscription) -> None:
        self.kept = kept
        self.subscription = subscription
        self.forgetful = False
        self._events: deque[Past] = deque()
        self._bytes = 0

    def add(self, event: Past) -> None:
        self._events.append(event)
        self._bytes += event.size
        while len(self._events) > self.kept.events or self._bytes > self.kept.bytes:
            self._forget()
        self.expire(event.since)

    def expire(self, moment: float) -> None:
        """Let go of what is too old at ``moment``, by the clock of ``Past.since``."""
        if self.kept.age is not None:
            oldest = moment - self.kept.age
            while self._events and self._events[0].since < oldest:
                self._forget()

    def _forget(self) -> None:
        self._bytes -= self._events.popleft().size
        self.forgetful = True

    def read(self, reader: Member, query: Query) -> tuple[list[Past], bool]:
        """What ``query`` asks for, of what ``reader`` may know, and whether there is more of it than one answer has."""
        found: list[Past] = []
        room = ANSWER
        # A list: looking into the middle of a deque is slow.
        for event in query.select(list(self._events), self.forgetful):
            if not event.is_for(reader):
                continue
            room -= event.size + _AROUND
            if len(found) == query.limit or (found and room < 0):
                return found, True
            found.append(event)
        return found, False


class Histories:
    """All histories of one realm, by their subscriptions' ids. ``now`` dates events, ``seconds`` measures their age."""

    def __init__(self, now: Now, seconds: Callable[[], float]) -> None:
        self._now = now
        self._seconds = seconds
        self._index: UriIndex[History] = UriIndex()
        self._histories: dict[int, History] = {}

    def __len__(self) -> int:
        return len(self._histories)

    def open(self, kept: Kept, subscription: Subscription) -> None:
        """From now on keep what ``subscription`` matches."""
        history = History(kept, subscription)
        self._index.add(kept.uri, kept.match, history)
        self._histories[subscription.id] = history

    def record(
        self,
        number: int,
        topic: str,
        payload: Payload | None,
        filters: Filters | None,
        extra_details: Mapping[str, Any] | None,
    ) -> None:
        """A publication with its id."""
        if filters is not None and (filters.exclude is not None or filters.eligible is not None):
            return
        histories = self._index.matching(topic)
        if histories and not is_reserved(topic):
            event = Past(self._time(), number, topic, payload, dict(extra_details or {}), filters, self._seconds())
            for history in histories:
                history.add(event)

    def read(self, subscription: Subscription, reader: Member, query: Query) -> tuple[list[dict[str, Any]], bool]:
        """The events of a subscription, in the order of occurrence unless ``query`` says otherwise, and whether there
        are more of them; none where nothing is kept."""
        history = self._histories.get(subscription.id)
        if history is None:
            return [], False
        history.expire(self._seconds())
        events, more = history.read(reader, query)
        found = []
        for event in events:
            with suppress(NotCarriable):  # its values have no form outside the publisher's serializer
                found.append(event.described(subscription))
        return found, more

    def _time(self) -> int:
        return int(self._now() * 1000) * _MILLISECOND


class Recorder:
    """``retained`` tells whether what is published to a topic is to be retained, wanted by its publisher or not."""

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
        extra_details: Mapping[str, Any] | None,
    ) -> None:
        """A publication with its id. What the router itself says is said for that moment, and not retained."""
        if publisher is not None and self._retained(topic):
            self._retention.keep(
                topic, number, payload, extra_details, filters, publisher.session if exclude_me else None
            )
        if self._history:
            self._history.record(number, topic, payload, filters, extra_details)
