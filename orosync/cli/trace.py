"""``orosync trace``: prints what happens to a user, a topic or an address, a line for each thing (``app.trace``)."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from typing import Any

from orosync.cli.router import Router
from orosync.cli.streams import Misused, Streams, line
from orosync.config import readers
from orosync.ops.journal import shown

FIRST = ("time", "event", "code", "why")
"""The fields with a place of their own."""


def add_options(command: ArgumentParser) -> None:
    """The options of the command, besides those that say which router."""
    command.add_argument("--user", metavar="NAME", help="the sessions of this user")
    command.add_argument("--topic", metavar="URI", help="the events of this topic")
    command.add_argument("--address", metavar="IP", help="the sessions from this address")
    command.add_argument(
        "--for", dest="span", type=_span, default="5m", metavar="TIME", help="how long (default: %(default)s)"
    )
    command.add_argument("--payload", action="store_true", help="print what was published, too")


def trace(router: Router, options: Namespace, streams: Streams) -> int:
    """Print lines until the time is over, or Ctrl-C. Raises Misused, and as the router does."""
    wanted: dict[str, Any] = {
        name: getattr(options, name) for name in ("user", "topic", "address") if getattr(options, name)
    }
    if not wanted:
        raise Misused("say what to trace: --user NAME, --topic URI or --address IP")
    wanted.update(seconds=options.span, payload=options.payload)
    for row in router.watch("trace", wanted):
        if not streams.emit(json.dumps(row, ensure_ascii=False) if options.json else plain(row)):
            break
    return 0


def plain(row: Mapping[str, Any]) -> str:
    """A line of a trace for people: when (UTC), what, about what, and why."""
    time = str(row.get("time", ""))[11:23]
    what = str(row["event"]) + (f" ({row['code']})" if "code" in row else "")
    fields = [f"{name}={_value(value)}" for name, value in row.items() if name not in FIRST and value is not None]
    why = f": {row['why']}" if row.get("why") else ""
    return line(f"{time:<12}  {' '.join([what, *fields])}{why}")


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if value.startswith('"') else shown(value)
    return json.dumps(value, ensure_ascii=False)


def _span(text: str) -> float:
    try:
        return readers.duration(text, readers.BUILTIN)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
