"""A running router, asked over its control socket (``ops.control``)."""

from __future__ import annotations

import http.client
import json
import os
import socket
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from orosync.cli.streams import Misused
from orosync.config.defaults import state_directory
from orosync.config.operations import control_sockets, in_good_hands, socket_path
from orosync.config.readers import Source, expanded
from orosync.config.source import read
from orosync.errors import Refused, Unavailable

TIMEOUT = 30.0
"""Seconds for an answer."""

LOOK = 1.0
"""Seconds for a router with another configuration to accept a connection."""

HEADERS = {"Content-Type": "application/json", "Connection": "close"}

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
        self._path: Path | None = None
        self._tried = candidates
        self._closed: Path | None = None
        for path in candidates:
            try:
                if path.is_socket():
                    self._path = path
                    break
            except PermissionError:
                self._closed = self._closed or path

    def ask(self, verb: str, arguments: Mapping[str, Any] | None = None, timeout: float | None = TIMEOUT) -> Any:
        """The answer of ``verb``."""
        with self._request(verb, arguments or {}, timeout) as answer:
            try:
                return json.loads(answer.read())
            except (OSError, ValueError, http.client.HTTPException) as error:
                raise Unavailable("not_running", f"the router went away before it answered ({error})") from None

    def watch(self, verb: str, arguments: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """The lines of ``verb``, until the router has no more."""
        with self._request(verb, arguments or {}, None) as answer:
            try:
                for line in answer:
                    yield json.loads(line)
            except (OSError, ValueError, http.client.HTTPException) as error:
                raise Unavailable("not_running", f"the router went away ({error})") from None

    def _request(self, verb: str, arguments: Mapping[str, Any], timeout: float | None) -> http.client.HTTPResponse:
        if self._path is None and self._closed is not None:
            raise Refused("denied", f"this user may not look for a router at {self._closed}")
        if self._path is None:
            tried = ", ".join(map(str, self._tried))
            words = f"no router with this configuration runs here (no socket at {tried})"
            if others := " or ".join(map(str, _others(self._tried))):
                words += f"; one with another configuration does, name that file or its socket (--socket {others})"
            raise Unavailable("not_running", words)
        connection = _Connection(self._path, timeout)
        try:
            connection.request("POST", f"/{verb}", json.dumps(arguments), HEADERS)
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


def _others(tried: Sequence[Path]) -> list[Path]:
    """The control sockets of routers with other configurations that run in the directories of those."""
    found = []
    for directory in dict.fromkeys(path.parent for path in tried):
        with suppress(OSError):
            found += [path for path in sorted(directory.glob("control-*.sock")) if in_good_hands(path)]
    return [path for path in found if path not in tried and _accepts(path)]


def _accepts(path: Path) -> bool:
    connection = _Connection(path, LOOK)
    with closing(connection), suppress(OSError):
        connection.connect()
        return True
    return False


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
    return [path for path in dict.fromkeys(found) if in_good_hands(path)]
