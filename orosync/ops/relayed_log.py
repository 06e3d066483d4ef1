"""The log of a worker: its events go to the supervisor, which writes the one log of the router.

So rotation, syslog and the level are the supervisor's business, and every line of a worker begins with its name. An
event travels as plain values: text is formatted in the worker, the fields of the journal's events stay apart for JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from twisted.logger import FilteringLogObserver, ILogObserver, LogEvent, LogLevel, LogLevelFilterPredicate, formatEvent

from orosync.ops.log import LEVELS, plain_fields

LONGEST_TEXT = 20_000
"""Characters of a line, a traceback among them."""


class RelayedEvent(msgspec.Struct, array_like=True):
    """``time`` in seconds since 1970, ``level`` and ``namespace`` as Twisted names them. Of the journal's events
    ``event``, ``code`` and ``fields``, of others "" and None."""

    time: float
    level: str
    namespace: str
    text: str
    event: str = ""
    code: str = ""
    fields: dict[str, Any] | None = None
    traceback: str = ""


def relay(level: str, send: Callable[[RelayedEvent], None]) -> ILogObserver:
    """An observer that gives ``send`` each event from ``level`` (of ``[router] log_level``) on."""

    def observe(event: LogEvent) -> None:
        relayed = relayed_event(event)
        if relayed is not None:
            send(relayed)

    return FilteringLogObserver(observe, [LogLevelFilterPredicate(defaultLogLevel=LEVELS[level])])  # type: ignore[arg-type]


def relayed_event(event: LogEvent) -> RelayedEvent | None:
    """``event`` as plain values; None if it has nothing to say."""
    failure = event.get("log_failure")
    text = formatEvent(event)
    if not text and failure is None:
        return None
    fields = event.get("fields") if "code" in event else None
    return RelayedEvent(
        event.get("log_time", 0.0),
        event.get("log_level", LogLevel.info).name,
        str(event.get("log_namespace", "")),
        text[:LONGEST_TEXT],
        "" if fields is None else str(event["event"]),
        "" if fields is None else str(event["code"]),
        None if fields is None else plain_fields(fields),
        "" if failure is None else failure.getTraceback()[-LONGEST_TEXT:],
    )


def log_event(node: str, relayed: RelayedEvent) -> LogEvent:
    """The event for Twisted's publisher, as ``ops.log`` writes it."""
    event: LogEvent = {
        "log_time": relayed.time,
        "log_level": LogLevel.lookupByName(relayed.level),
        "log_namespace": relayed.namespace,
        "log_format": "{log_node}: {log_text}" + ("\n{log_traceback}" if relayed.traceback else ""),
        "log_node": node,
        "log_text": relayed.text,
        "log_traceback": relayed.traceback,
    }
    if relayed.fields is not None:
        event |= {"event": relayed.event, "code": relayed.code, "fields": relayed.fields}
    return event
