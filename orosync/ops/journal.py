"""The journal: counts events by reason code, and writes them to the log, each in one line (twisted.logger).

Lines are limited for each (event, reason code), so that a flood of refusals fills no disk; suppressed lines are counted
in a line of their own. Values are escaped, so that text of a client can neither forge a line nor hide one.
"""

from __future__ import annotations

import re
import reprlib
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger, LogLevel
from zope.interface import implementer

from orosync.interfaces import IJournal

LONGEST = 200
"""Characters of one value that are shown."""

_RESERVED = frozenset({"code", "event", "fields", "format", "level", "self"})
"""What a field of a log event cannot be called."""

_PLAIN = re.compile(r"[A-Za-z0-9_.:/@+*,-]+", re.ASCII)

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = LONGEST
_brief.maxlevel = 2


def shown(value: object, longest: int = LONGEST) -> str:
    """``value`` as it stands in a log line.

    Numbers, booleans, None and plain words as they are; any other text in double quotes with quotes and backslashes
    escaped. What has no picture of its own (control characters and newlines, ESC and so every ANSI sequence, bidi and
    zero-width controls, line separators, spaces other than the plain one, lone surrogates) is written as \\xNN, \\uNNNN
    or \\UNNNNNNNN. Cut after ``longest`` characters, with the number of those left out.
    """
    if value is None or isinstance(value, bool | float):
        return str(value)
    text = as_text(value)
    cut = f"... ({len(text) - longest} more)" if len(text) > longest else ""
    text = text[:longest]
    if not cut and _PLAIN.fullmatch(text):
        return text
    return f'"{_escaped(text)}"{cut}'


def as_text(value: object) -> str:
    """``value`` as text, not yet escaped or cut. Never raises."""
    if isinstance(value, str):
        return value
    try:
        if isinstance(value, int):
            return str(value)
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"
        return _brief.repr(value)
    except Exception:
        # A broken __repr__ or __str__, or an integer too long to be written out.
        return f"<{type(value).__name__}>"


def _escaped(text: str) -> str:
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(map(_character, text))


def _character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


LEVELS: Mapping[str, LogLevel] = MappingProxyType(
    dict.fromkeys(("session.joined", "session.left"), LogLevel.debug)
    | dict.fromkeys(
        (
            "attach.failed",
            "authorizer.failed",
            "backplane.away",
            "backplane.dropped",
            "backplane.gap",
            "backplane.redis",
            "backplane.refused",
            "component.ended",
            "connection.cut",
            "connection.refused",
            "connection.slowed",
            "consumer.cut",
            "cookie.ignored",
            "directory",
            "frame.cut",
            "frame.lost",
            "frame.skipped",
            "hasher",
            "link.failed",
            "origins",
            "ping.failed",
            "probe",
            "proxy.hidden",
            "proxy.refused",
            "review.postponed",
            "stop.cut",
            "stop.failed",
            "stop.hanging",
            "uplink.failed",
            "uplink.refused",
            "worker.ended",
        ),
        LogLevel.warn,
    )
)
"""Events with a level other than "info": action may be required, or there are too many of them."""

LENGTHS = {"remedy": 800, "result": 800, "rule": 800, "users": 800}
"""Characters that are shown of some fields: the text of a rule has its reason at the end, behind the path of a file."""

OTHER = ("other", "other")
"""Where notes are counted once there are too many different (event, code)."""


RECENT = 500
"""Lines that are remembered."""

Observer: TypeAlias = Callable[[str, str, Mapping[str, object]], None]
"""Called with each event, its reason code and its fields, before rations; it must not raise."""


class Line(NamedTuple):
    """A line that was written: when, by the journal's clock, and its fields, escaped."""

    time: float
    event: str
    code: str
    fields: Mapping[str, str]


class _Ration:
    """How many lines an (event, code) may still have (a token bucket), and how many it went without."""

    __slots__ = ("left", "since", "suppressed")

    def __init__(self, left: float, since: float) -> None:
        self.left = left
        self.since = since
        self.suppressed = 0


@implementer(IJournal)
class Journal:
    """Counts in ``counts``; writes at most ``burst`` lines at once and ``rate`` lines a second for each (event, code).

    Lines left out are summed up in one "N more suppressed" line every ``window`` seconds at most. ``kinds`` bounds the
    different (event, code); what comes beyond shares one count and one ration.

    Events of the level debug are written only with ``debug``, and then all of them. ``recent`` holds the last RECENT
    other lines written; ``observers`` are told everything.
    """

    def __init__(
        self,
        clock: IReactorTime,
        rate: float = 10.0,
        burst: int = 20,
        *,
        window: float = 10.0,
        kinds: int = 1024,
        levels: Mapping[str, LogLevel] = LEVELS,
        log: Logger | None = None,
        debug: bool = False,
    ) -> None:
        self.debug = debug
        self.counts: dict[tuple[str, str], int] = {}
        self.recent: deque[Line] = deque(maxlen=RECENT)
        self.observers: list[Observer] = []
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._window = window
        self._kinds = kinds
        self._levels = levels
        self._log = log or Logger(namespace="orosync")
        self._rations: dict[tuple[str, str], _Ration] = {}
        self._summary: IDelayedCall | None = None

    def note(self, event: str, code: str, **fields: object) -> None:
        """Count and, within its ration, log ``event (code): field=value ...`` (see IJournal). Never raises.

        The log event carries ``event``, ``code`` and each field, escaped (``orosync.ops.journal``); a field whose name
        belongs to the logger itself gets a "_" behind it. ``fields`` has them as they were given.
        """
        key = self._counted(event, code)
        for observer in self.observers:
            observer(event, code, fields)
        minor = self._levels.get(event) is LogLevel.debug
        if not (self.debug if minor else self._granted(key)):
            return
        texts = {_field(name): shown(value, LENGTHS.get(name, LONGEST)) for name, value in fields.items()}
        if not minor:
            self.recent.append(Line(self._clock.seconds(), event, code, texts))
        form = "{event} ({code})" + (": " if texts else "") + " ".join(f"{name}={{{name}}}" for name in texts)
        self._emit(event, form, code, texts, fields)

    def count(self, event: str, code: str, **fields: object) -> None:
        """Count only; ``fields`` are for observers."""
        self._counted(event, code)
        for observer in self.observers:
            observer(event, code, fields)

    def close(self) -> None:
        """Write the counts of suppressed lines; the last thing before the process ends."""
        if self._summary is not None and self._summary.active():
            self._summary.cancel()
        self._tell_suppressed()

    def _counted(self, event: str, code: str) -> tuple[str, str]:
        key = (event, code)
        known = self.counts.get(key)
        if known is None:
            if len(self.counts) >= self._kinds:
                key = OTHER
            known = self.counts.get(key, 0)
        self.counts[key] = known + 1
        return key

    def _granted(self, key: tuple[str, str]) -> bool:
        now = self._clock.seconds()
        ration = self._rations.get(key)
        if ration is None:
            ration = self._rations[key] = _Ration(self._burst, now)
        ration.left = min(float(self._burst), ration.left + max(0.0, now - ration.since) * self._rate)
        ration.since = now
        if ration.left >= 1.0:
            ration.left -= 1.0
            return True
        ration.suppressed += 1
        if self._summary is None:
            self._summary = self._clock.callLater(self._window, self._tell_suppressed)
        return False

    def _tell_suppressed(self) -> None:
        self._summary = None
        for (event, code), ration in self._rations.items():
            if ration.suppressed:
                more, ration.suppressed = ration.suppressed, 0
                form = "{event} ({code}): {more} more suppressed"
                self._emit(event, form, code, {"more": str(more)}, {"suppressed": more})

    def _emit(self, event: str, form: str, code: str, texts: Mapping[str, str], fields: Mapping[str, object]) -> None:
        level = self._levels.get(event, LogLevel.info)
        self._log.emit(level, form, event=shown(event), code=shown(code), fields=fields, **texts)


def _field(name: str) -> str:
    return f"{name}_" if name in _RESERVED or name.startswith("log_") else name
