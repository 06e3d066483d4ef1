"""Queries of a history (WAMP, "Event History"): the keyword arguments of ``wamp.subscription.get_events``.

All conditions have to hold. A publication that is named but not found any more is older than all events that are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import attrs

from orosync.errors import RequestError
from orosync.router.deliveries import flag
from orosync.router.meta_call import read_id
from orosync.wamp import uris

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Occurrence(Protocol):
    """An event that a query selects. ``time`` in microseconds since 1970."""

    @property
    def time(self) -> int: ...

    @property
    def publication(self) -> int: ...

    @property
    def topic(self) -> str: ...


Event = TypeVar("Event", bound=Occurrence)


@attrs.frozen
class Query:
    """Times in microseconds since 1970; None where there is no condition."""

    limit: int | None = None
    reverse: bool = False
    topic: str | None = None
    from_time: int | None = None
    after_time: int | None = None
    before_time: int | None = None
    until_time: int | None = None
    from_publication: int | None = None
    after_publication: int | None = None
    before_publication: int | None = None
    until_publication: int | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Query:
        """The keyword arguments of ``wamp.subscription.get_events``. RequestError INVALID_ARGUMENT."""
        topic = options.get("topic")
        if not isinstance(topic, str | None):
            raise RequestError(uris.INVALID_ARGUMENT, "topic must be a string")
        found: dict[str, Any] = {"topic": topic, "reverse": flag(options, "reverse"), "limit": _limit(options)}
        for side in ("from", "after", "before", "until"):
            name = f"{side}_time"
            found[name] = None if options.get(name) is None else _moment(options[name], name)
            name = f"{side}_publication"
            found[name] = None if options.get(name) is None else read_id(options[name], name)
        return cls(**found)

    def select(self, events: Sequence[Event], has_dropped: bool) -> Iterator[Event]:
        """Those of ``events`` (oldest first) that every condition lets pass, from the newest back with ``reverse``;
        ``limit`` is left to the caller. ``has_dropped``: older events were dropped already."""
        first, last = self._bounds(events, has_dropped)
        places = range(first, last + 1)
        for place in reversed(places) if self.reverse else places:
            if self._lets_pass(events[place]):
                yield events[place]

    def _bounds(self, events: Sequence[Event], has_dropped: bool) -> tuple[int, int]:
        """The first and the last index that the conditions on publications leave."""
        first, last = 0, len(events) - 1
        sides = (
            (self.from_publication, True, 0),
            (self.after_publication, True, 1),
            (self.before_publication, False, -1),
            (self.until_publication, False, 0),
        )
        for publication, is_first, shift in sides:
            if publication is None:
                continue
            place = next((at for at, event in enumerate(events) if event.publication == publication), None)
            if place is None:
                if not has_dropped:
                    return 0, -1  # it never was in this history
                place = -1
            if is_first:
                first = max(first, place + shift)
            else:
                last = min(last, place + shift)
        return first, last

    def _lets_pass(self, event: Occurrence) -> bool:
        time = event.time
        return (
            (self.topic is None or event.topic == self.topic)
            and (self.from_time is None or time >= self.from_time)
            and (self.after_time is None or time > self.after_time)
            and (self.before_time is None or time < self.before_time)
            and (self.until_time is None or time <= self.until_time)
        )


def _limit(options: Mapping[str, Any]) -> int | None:
    value = options.get("limit")
    if value is None:
        return None
    limit = read_id(value, "limit")
    if limit < 1:
        raise RequestError(uris.INVALID_ARGUMENT, "limit must be a positive number")
    return limit


def _moment(value: object, name: str) -> int:
    """RFC 3339 in microseconds since 1970."""
    try:
        if isinstance(value, str):
            return (datetime.fromisoformat(value) - _EPOCH) // _MICROSECOND
    except (ValueError, TypeError, OverflowError):
        pass  # no date, or one without a time zone
    raise RequestError(uris.INVALID_ARGUMENT, f"{name} must be a timestamp like 2026-07-23T14:00:00.000Z")
