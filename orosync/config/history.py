"""The small language of histories: what a realm keeps of what is published. Read here, kept in ``orosync.router``."""

from __future__ import annotations

import re
from typing import Any

import attrs

from orosync.config import values
from orosync.config.values import Place, did_you_mean
from orosync.model import Match

_MATCHES = {match.value: match for match in Match}
_LIMITS = {"events": values.count, "bytes": values.size, "age": values.duration}


@attrs.frozen
class HistoryLine:
    """Of all topics that (``uri``, ``match``) matches so many ``events`` and ``bytes``, none older than ``age`` seconds
    (None: of any age)."""

    match: Match
    uri: str
    events: int = 1000
    bytes: int = 1024 * 1024
    age: float | None = None


def history(text: str, place: Place) -> tuple[HistoryLine, ...]:
    """One pattern a line: ``exact|prefix|wildcard URI [events=1000] [bytes=1MiB] [age=24h]``."""
    faults: list[str] = []
    found: dict[tuple[Match, str], HistoryLine] = {}
    for line in filter(None, (line.strip() for line in text.split("\n"))):
        try:
            one = _line(line.split(), place)
        except ValueError as fault:
            faults.append(f"{line!r}: {fault}")
            continue
        if (one.match, one.uri) in found:
            faults.append(f"{line!r}: another line keeps the same, join the two")
        found[one.match, one.uri] = one
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(found.values())


def _line(parts: list[str], place: Place) -> HistoryLine:
    if len(parts) < 2 or parts[0] not in _MATCHES:
        raise ValueError("is no history, write it like: prefix com.example. events=1000 age=24h")
    match, uri, *limits = parts
    if uri.startswith("wamp.") or not re.fullmatch(r"[^\s#]+", uri):
        raise ValueError(f"{uri} is nothing that clients publish, name topics of your own")
    said: dict[str, Any] = {}
    for limit in limits:
        name, equals, value = limit.partition("=")
        if name not in _LIMITS or not equals:
            raise ValueError(f"{limit!r} is none of events=, bytes=, age={did_you_mean(name, _LIMITS)}")
        if name in said:
            raise ValueError(f"{name} is said twice, remove one")
        said[name] = _LIMITS[name](value, place)
    return HistoryLine(_MATCHES[match], uri, **said)
