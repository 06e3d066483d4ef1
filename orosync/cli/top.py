"""``orosync top``: what a running router does, as a screen that is written anew every few seconds.

Rates are computed here, from two snapshots of the router's metrics; the router counts nothing for it.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import termios
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from orosync.cli.router import Router
from orosync.cli.streams import Misused, Streams, line, table
from orosync.config import readers
from orosync.metrics import FAST, Snapshot
from orosync.ops.answers import TopLine, plain

INTERVAL = "2s"
MOST_TOPICS, MOST_SLOW = 10, 5
TOPIC_COLUMNS = ("topic", "match", "realm", "subscribers")
SLOW_COLUMNS = ("session", "user", "realm", "address", "since", "queued")
QUIT = b"qQ\x03\x04"
"""Keys that end it: q, Ctrl-C, Ctrl-D."""


def add_options(command: ArgumentParser) -> None:
    """Those of ``orosync top``."""
    command.add_argument(
        "--interval", default=INTERVAL, metavar="TIME", help="between two screens (default: %(default)s)"
    )
    command.add_argument("--once", action="store_true", help="print one screen and end, as where there is no terminal")


def run(router: Router, options: Namespace, streams: Streams) -> int:
    """Show it until a key ends it; the exit code."""
    try:
        seconds = readers.duration(options.interval, readers.BUILTIN)
    except ValueError as error:
        raise Misused(f"--interval: {error}") from None
    terminal = None if options.once or options.json else _terminal(streams)
    once = options.once or (terminal is None and not options.json)
    before = router.ask("status")
    if terminal is None:
        while True:
            time.sleep(seconds)
            after = router.ask("status")
            shown = _look(router, before, after)
            text = json.dumps(plain(shown), ensure_ascii=False) if options.json else "\n".join(screen(shown))
            if not streams.emit(text) or once:
                return 0
            before = after
    with terminal:
        terminal.show([f"orosync {before['version']} on {line(before['node'])}: counting for {seconds:g} s"])
        while terminal.wait(seconds):
            after = router.ask("status")
            terminal.show([*screen(_look(router, before, after)), "", "q: quit"])
            before = after
    return 0


def _look(router: Router, before: Mapping[str, Any], after: Mapping[str, Any]) -> TopLine:
    topics = router.ask("subscriptions", {"limit": MOST_TOPICS})
    slow = [row for row in router.ask("sessions", {"sort": "queued", "limit": MOST_SLOW}) if row["queued"]]
    return summary(before, after, topics, slow)


def summary(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    topics: Sequence[Mapping[str, Any]] = (),
    slow: Sequence[Mapping[str, Any]] = (),
) -> TopLine:
    """What has happened between two answers of ``status``. After a restart of the router: since then."""
    now: Snapshot = after["metrics"]
    up = _total(now, "uptime_seconds")
    restarted = up < _total(before["metrics"], "uptime_seconds")
    then: Snapshot = {} if restarted else before["metrics"]
    seconds = max(0.001, up - _total(then, "uptime_seconds"))

    def rate(name: str) -> float:
        return round((_total(now, name) - _total(then, name)) / seconds, 3)

    lag, longest = _lag(then, now)
    return TopLine(
        node=after["node"],
        version=after["version"],
        health=after["health"]["status"],
        uptime=round(up, 3),
        seconds=round(seconds, 3),
        sessions=int(_total(now, "sessions")),
        connections=int(_total(now, "connections")),
        subscriptions=int(_total(now, "subscriptions")),
        tickets_waiting=int(_total(now, "tickets_waiting")),
        joins=rate("session_joins"),
        leaves=rate("session_leaves"),
        publications=rate("publications"),
        events=rate("events_queued"),
        refusals=rate("refusals"),
        cuts=rate("cuts"),
        cpu=rate("process_cpu_seconds"),
        memory=int(_total(now, "process_resident_memory_bytes")),
        lag=lag,
        longest_lag=longest,
        topics=list(topics),
        slow=list(slow),
    )


def _total(snapshot: Snapshot, name: str) -> float:
    """All series of a counter or gauge together."""
    return float(sum(value for _, value in snapshot.get(name, ())))


def _lag(before: Snapshot, after: Snapshot) -> tuple[float, float]:
    """The mean lag of the reactor, and the upper bound of the longest; beyond all bounds twice the last."""
    counts, total = [0] * (len(FAST) + 1), 0.0
    for snapshot, sign in ((after, 1), (before, -1)):
        for _, (found, seconds) in snapshot.get("reactor_lag_seconds", ()):
            counts = [one + sign * other for one, other in zip(counts, found, strict=True)]
            total += sign * seconds
    number = sum(counts)
    if not number:
        return 0.0, 0.0
    last = max(index for index, count in enumerate(counts) if count)
    return round(total / number, 6), FAST[last] if last < len(FAST) else 2 * FAST[-1]


def screen(shown: TopLine) -> list[str]:
    """As lines for a person."""
    hours, minutes = divmod(int(shown.uptime) // 60, 60)
    lines = [
        f"orosync {shown.version} on {line(shown.node)}: {shown.health}, up {hours // 24} d {hours % 24}:{minutes:02d}",
        "",
        f"sessions {shown.sessions}   connections {shown.connections}   subscriptions {shown.subscriptions}   "
        f"tickets waiting {shown.tickets_waiting}",
        f"a second: publications {shown.publications:.1f}   events {shown.events:.1f}   joins {shown.joins:.1f}   "
        f"leaves {shown.leaves:.1f}   refusals {shown.refusals:.1f}   cuts {shown.cuts:.1f}",
        f"CPU {shown.cpu:.0%}   memory {shown.memory / (1 << 20):.0f} MiB   "
        f"reactor lag {shown.lag * 1000:.1f} ms, at most {shown.longest_lag * 1000:g} ms",
    ]
    if shown.topics:
        lines += ["", *table(shown.topics, TOPIC_COLUMNS)]
    if shown.slow:
        lines += ["", "Clients that do not read what they are sent:", *table(shown.slow, SLOW_COLUMNS)]
    return lines


def _terminal(streams: Streams) -> _Terminal | None:
    """The terminal of the person who asks, None where there is none."""
    stdin, stdout = streams.stdin, streams.stdout
    if stdin is None or not stdin.isatty() or not stdout.isatty():
        return None
    return _Terminal(stdin.fileno(), stdout.fileno())


class _Terminal:
    """The whole screen, and single keys. Ctrl-C is a key, so that the terminal is left as it was."""

    def __init__(self, keys: int, output: int) -> None:
        self._keys = keys
        self._output = output

    def __enter__(self) -> _Terminal:
        self._before = termios.tcgetattr(self._keys)
        raw = termios.tcgetattr(self._keys)
        raw[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
        raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._keys, termios.TCSADRAIN, raw)
        self._write("\x1b[?1049h\x1b[?25l")  # the alternate screen, no cursor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write("\x1b[?25h\x1b[?1049l")
        termios.tcsetattr(self._keys, termios.TCSADRAIN, self._before)

    def show(self, lines: Sequence[str]) -> None:
        """In place of what was there, as far as it fits."""
        columns, rows = shutil.get_terminal_size()
        self._write("\x1b[H" + "\r\n".join(f"{one[:columns]}\x1b[K" for one in lines[:rows]) + "\x1b[J")

    def wait(self, seconds: float) -> bool:
        """False: a key has ended it."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._keys], [], [], left)[0]:
                pressed = os.read(self._keys, 100)
                if not pressed or set(pressed) & set(QUIT):
                    return False
        return True

    def _write(self, text: str) -> None:
        os.write(self._output, text.encode(errors="backslashreplace"))
