"""Asks a running router over its control socket (``ops.control``)."""

from __future__ import annotations

import http.client
import json
import os
import socket
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orosync.cli.streams import Misused, Streams, line
from orosync.config.defaults import state_directory
from orosync.config.operations import control_sockets, socket_path
from orosync.config.readers import Source, expanded
from orosync.config.source import read
from orosync.errors import Refused, Unavailable

TIMEOUT = 30.0
"""Seconds for an answer."""

UNIT_DIRECTORIES = (Path("/run/orosync"), Path("/var/lib/orosync"))
"""The directories of the systemd unit."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


class Router:
    """A running router, whose control socket is the first of ``candidates`` that is there. Every method raises
    Unavailable ("not_running") where none answers, Refused ("denied") where this user may not, and Misused for what the
    router cannot do."""

    def __init__(self, candidates: Sequence[Path]) -> None:
        self._path = next((path for path in candidates if path.is_socket()), None)
        self._tried = candidates

    def ask(self, verb: str, timeout: float | None = TIMEOUT, **arguments: Any) -> Any:
        """The answer of ``verb``."""
        with self._request(verb, arguments, timeout) as answer:
            try:
                return json.loads(answer.read())
            except (OSError, ValueError, http.client.HTTPException) as error:
                raise Unavailable("not_running", f"the router went away before it answered ({error})") from None

    def watch(self, verb: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """The lines of ``verb``, until the router has no more."""
        with self._request(verb, arguments, None) as answer:
            try:
                for line in answer:
                    yield json.loads(line)
            except (OSError, ValueError, http.client.HTTPException) as error:
                raise Unavailable("not_running", f"the router went away ({error})") from None

    def _request(self, verb: str, arguments: Mapping[str, Any], timeout: float | None) -> http.client.HTTPResponse:
        if self._path is None:
            tried = ", ".join(map(str, self._tried))
            raise Unavailable("not_running", f"no router with this configuration runs here (no socket at {tried})")
        connection = _Connection(self._path, timeout)
        try:
            connection.request("POST", f"/{verb}", json.dumps(arguments), {"Content-Type": "application/json"})
            answer = connection.getresponse()
        except PermissionError:
            raise Refused("denied", f"this user may not connect to {self._path}") from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unavailable("not_running", f"no router answers at {self._path} ({why})") from None
        if answer.status == 200:
            return answer
        with answer:
            words = _words(answer)
        if answer.status == 403:
            raise Refused("denied", words)
        if answer.status >= 500:
            raise Unavailable("failed", words)
        raise Misused(words)


def _words(answer: http.client.HTTPResponse) -> str:
    try:
        return str(json.loads(answer.read())["error"])
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return f"the router answered with status {answer.status}"


def candidates(options: Namespace, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Where the control socket may be. Only [router] is looked at: who may ask the router need not be able to read its
    secrets. Raises Misused."""
    if options.socket:
        return [Path(options.socket)]
    if not options.config:
        raise Misused("name the configuration of the router (--config FILE) or its control socket (--socket PATH)")
    path = Path(options.config).absolute()
    try:
        raw = read(path.read_bytes().decode())
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise Misused(f"{path}: cannot be read ({why}), name the control socket instead (--socket PATH)") from None
    router = next((section.values for section in raw.sections if section.title == "router"), {})
    source = Source(path.parent, environ, path.name)
    try:
        control = socket_path(router["control"].text, source) if "control" in router else None
        state = expanded(router["state"].text, source) if "state" in router else state_directory(environ)
    except ValueError as error:
        raise Misused(f"[router] {error}") from None
    found = control_sockets(control, path, state, environ)
    if control is None:  # the router may be a unit, with directories of its own
        found += [directory / found[0].name for directory in UNIT_DIRECTORIES]
    return list(dict.fromkeys(found))


def run(options: Namespace, streams: Streams) -> int:
    """Do what the command line says; the exit code. Raises as Router does."""
    return COMMANDS[options.command](Router(candidates(options)), options, streams)


def add_commands(commands: Any) -> None:
    """The commands, for the parser of the command line."""
    _asking(commands.add_parser("status", help="print what a running router is and does"))
    _asking(commands.add_parser("sessions", help="list the sessions of a running router"))


def _asking(command: ArgumentParser) -> ArgumentParser:
    where = command.add_mutually_exclusive_group()
    where.add_argument("-c", "--config", metavar="FILE", help="the configuration of the router")
    where.add_argument("--socket", metavar="PATH", help="the control socket of the router")
    command.add_argument("--json", action="store_true", help="print JSON")
    return command


def _status(router: Router, options: Namespace, streams: Streams) -> int:
    status = router.ask("status")
    if options.json:
        streams.answer(json.dumps(status, ensure_ascii=False, indent=2))
        return 0
    health = status["health"]
    lines = [f"orosync {status['version']} on {status['node']}: {health['status']}"]
    lines += [f"  {name}: {what}" for name, what in health["wrong"].items()]
    streams.answer("\n".join(map(line, lines)))
    return 0


def _sessions(router: Router, options: Namespace, streams: Streams) -> int:
    rows = router.ask("sessions")
    if options.json:
        streams.answer(json.dumps(rows, ensure_ascii=False, indent=2))
    elif rows:
        streams.answer("\n".join(table(rows)))
    else:
        streams.answer("no sessions")
    return 0


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows with the same keys as lines: a head, then a line for each."""
    cells = [[key.upper() for key in rows[0]], *([line(str(value)) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


COMMANDS: Mapping[str, Callable[[Router, Namespace, Streams], int]] = {"sessions": _sessions, "status": _status}
"""By the command's name: what asks the router and prints the answer. Each gives the exit code."""
