"""How log lines look: text or JSON, from which level on, and with the priorities of systemd's journal where it reads
them.

Twisted's logger hands over events; ``observer`` makes lines of them. The journal of orosync (``ops.journal``) puts
``event``, ``code`` and ``fields`` into its events; events of others have a message alone.
"""

from __future__ import annotations

import json
import math
import os
import syslog
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import IO, Any

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    formatEvent,
    formatEventAsClassicLogText,
    formatTime,
)

from orosync.clocks import timestamp
from orosync.ops.journal import LENGTHS, LONGEST, as_text

LEVELS: Mapping[str, LogLevel] = MappingProxyType(
    {"debug": LogLevel.debug, "info": LogLevel.info, "warn": LogLevel.warn, "error": LogLevel.error}
)
"""The words of ``[router] log_level``."""

PRIORITIES: Mapping[LogLevel, int] = MappingProxyType(
    {
        LogLevel.debug: syslog.LOG_DEBUG,
        LogLevel.info: syslog.LOG_INFO,
        LogLevel.warn: syslog.LOG_WARNING,
        LogLevel.error: syslog.LOG_ERR,
        LogLevel.critical: syslog.LOG_CRIT,
    }
)
"""The numbers of syslog(3), as sd-daemon(3) has them too."""

LARGEST = 2**53
"""Whole numbers beyond are written as text: many readers of JSON round them."""

Form = Callable[[LogEvent], str | None]


def observer(form: str, level: str, out: IO[Any], *, journal: bool = False) -> ILogObserver:
    """Write events from ``level`` on to ``out``, as ``form`` ("text" or "json") has them. ``journal``: it is the
    journal of systemd that reads (``is_journal``)."""
    return _from(level, FileLogObserver(out, _prefixed(form) if journal else FORMS[form]))


def syslog_observer(form: str, level: str, prefix: str) -> ILogObserver:
    """As ``observer``, to syslog; ``prefix`` is the name of the program there."""
    syslog.openlog(prefix)
    return _from(level, partial(_to_syslog, UNTIMED[form]))


def is_journal(stream: IO[Any], environ: Mapping[str, str]) -> bool:
    """Whether the journal of systemd reads ``stream``: JOURNAL_STREAM has its device and inode (systemd.exec(5))."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def prefixed(text: str, level: LogLevel) -> str:
    """``text`` for the journal of systemd: a priority before each of its lines (sd-daemon(3))."""
    priority = PRIORITIES.get(level, syslog.LOG_INFO)
    return "".join(f"<{priority}>{line}\n" for line in text.split("\n"))


def as_json(event: LogEvent) -> str | None:
    """One line with an object: ``time`` (RFC 3339, UTC), ``level``, ``namespace`` and ``message``; of orosync's own
    events also ``event``, ``code`` and ``fields``; of a worker's ``node``; of exceptions ``traceback``. ASCII, so that
    nothing in it can change what a terminal shows. None for an event that has nothing to say."""
    line: dict[str, Any] = {
        "time": timestamp(event.get("log_time", 0.0)),
        "level": event.get("log_level", LogLevel.info).name,
        "namespace": str(event.get("log_namespace", "")),
    }
    if "log_node" in event:
        line["node"] = event["log_node"]
    failure = event.get("log_failure")
    if "fields" in event and "code" in event:
        line |= {"message": f"{event['event']} ({event['code']})", "event": event["event"], "code": event["code"]}
        line["fields"] = plain_fields(event["fields"])
    else:
        line["message"] = _sound(event["log_text"] if "log_node" in event else formatEvent(event))
        if not line["message"] and failure is None:
            return None
    if failure is not None:
        line["traceback"] = _sound(failure.getTraceback())
    elif event.get("log_traceback"):
        line["traceback"] = _sound(event["log_traceback"])
    return json.dumps(line) + "\n"


def plain_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of one of orosync's own events as JSON has them."""
    return {name: _plain(value, LENGTHS.get(name, LONGEST)) for name, value in fields.items()}


def _plain(value: object, longest: int) -> object:
    """A value of a field as JSON has it: what is neither a number, a boolean nor None is text, cut as in text lines."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int) and abs(value) <= LARGEST:
        return int(value)
    text = as_text(value)
    cut = f"... ({len(text) - longest} more)" if len(text) > longest else ""
    return _sound(text[:longest]) + cut


def _sound(text: str) -> str:
    """Without lone surrogates, which not every reader of JSON takes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _untimed(event: LogEvent) -> str | None:
    return eventAsText(event, includeTimestamp=False) or None


def _timed(event: LogEvent) -> str | None:
    return formatEventAsClassicLogText(event, formatTime=formatTime)


FORMS: Mapping[str, Form] = MappingProxyType({"text": _timed, "json": as_json})
"""The words of ``[router] log``."""

UNTIMED: Mapping[str, Form] = MappingProxyType({"text": _untimed, "json": as_json})
"""The same for what notes the time itself. In JSON it stays, for programs that get the object alone."""


def _prefixed(form: str) -> Form:
    make = UNTIMED[form]

    def line(event: LogEvent) -> str | None:
        text = make(event)
        return None if text is None else prefixed(text.rstrip("\n"), event.get("log_level", LogLevel.info))

    return line


def _to_syslog(make: Form, event: LogEvent) -> None:
    text = make(event)
    if text is not None:
        priority = PRIORITIES.get(event.get("log_level", LogLevel.info), syslog.LOG_INFO)
        for line in text.rstrip("\n").split("\n"):
            syslog.syslog(priority, line)


def _from(level: str, to: Any) -> ILogObserver:
    return FilteringLogObserver(to, [LogLevelFilterPredicate(defaultLogLevel=LEVELS[level])])
