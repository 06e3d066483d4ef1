"""Events on their way from one realm into another.

A PUBLISH for each EVENT, in order, with its payload as it came. What does not pass is counted by reason. This file must
not know which of the two realms is ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from orosync.components.side import ALL_SEALS, Side, acceptable, forwarded, well_formed
from orosync.interfaces import IJournal
from orosync.wamp import ids, trail, uris
from orosync.wamp.messages import Publish
from orosync.wamp.payload import Payload

SECONDS_AT_ONCE = 5
"""What has not passed in the last seconds may pass at once."""

MOST_ASKED = 1000
"""Of so many publishes that are not acknowledged yet the topic is known when one is refused."""


class Events:
    """Into ``sink``; ``rate`` a second, payloads of up to
    ``limit`` bytes. ``acknowledge``: let the sink say what it refuses. ``dropped`` counts by reason since it was last
    cleared."""

    def __init__(
        self,
        uplink: str,
        sink: Side,
        journal: IJournal,
        seconds: Callable[[], float],
        rate: int,
        limit: int,
        acknowledge: bool,
    ) -> None:
        self._left = self._entered = ""
        self._numbered = True
        self._seals = ALL_SEALS
        self.dropped: Counter[str] = Counter()
        self._uplink = uplink
        self._sink = sink
        self._journal = journal
        self._seconds = seconds
        self._rate = rate
        self._limit = limit
        self._acknowledge = acknowledge
        self._asked: dict[int, str] = {}
        self._publications = trail.Memory(MOST_ASKED)
        self._allowance = float(rate * SECONDS_AT_ONCE)
        self._since = seconds()

    def begin(self, left: str, entered: str, *, numbered: bool = True, seals: frozenset[str] = ALL_SEALS) -> None:
        """The marks of the two realms, once they are known. ``numbered``: the ids of publications in the first one are
        like no others (``trail.numbers_well``); ``seals``: the sealed payloads that the second one hands on."""
        self._left, self._entered, self._numbered, self._seals = left, entered, numbered, seals
        self._publications = trail.Memory(MOST_ASKED)

    def event(self, publication: int, topic: str, details: dict[str, Any], payload: Payload | None) -> None:
        """An EVENT on ``topic``; where several of our patterns match, it comes once for each of them."""
        if self._publications.seen(publication):
            return
        number = publication if self._numbered else ids.random_id()
        route = trail.further(details, number, self._left, self._entered)
        if uris.is_reserved(topic):
            self._drop("reserved", topic)
        elif not well_formed(topic):
            self._drop("no_uri", topic)
        elif route is None:
            self._drop("loop", topic)
        elif payload is not None and payload.size > self._limit:
            self._drop("too_large", topic)
        elif not acceptable(payload, details, self._seals):
            self._drop("sealed", topic)
        elif not self._granted():
            self._drop("rate", topic)
        else:
            options = forwarded(details, "publisher", route, trail.OPTION)
            request = self._sink.next_request()
            if self._acknowledge:
                options["acknowledge"] = True
                self._ask(request, topic)
            if not self._sink.send(Publish(request, options, topic), payload):
                self._drop("queue", topic)

    def accepted(self, request: int) -> None:
        """PUBLISHED."""
        self._asked.pop(request, None)

    def refused(self, request: int, error: str) -> None:
        """ERROR for a PUBLISH."""
        topic = self._asked.pop(request, "")
        self._journal.note("uplink.refused", "publish", uplink=self._uplink, uri=topic, reason=error)

    def _ask(self, request: int, topic: str) -> None:
        if len(self._asked) >= MOST_ASKED:
            del self._asked[next(iter(self._asked))]
        self._asked[request] = topic

    def lost(self) -> None:
        """An EVENT that nobody is there to take: counted, and told together once somebody is."""
        self.dropped["away"] += 1
        self._journal.count("uplink.dropped", "away")

    def _drop(self, reason: str, topic: str) -> None:
        self.dropped[reason] += 1
        self._journal.note("uplink.dropped", reason, uplink=self._uplink, topic=topic)

    def _granted(self) -> bool:
        now = self._seconds()
        most = float(self._rate * SECONDS_AT_ONCE)
        self._allowance = min(most, self._allowance + (now - self._since) * self._rate)
        self._since = now
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True
