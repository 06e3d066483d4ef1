"""``orosync init``: reads an Oro application and writes a configuration for it, with all that belongs to it.

Nothing of the application is changed. Its database is asked for one value, the Application URL, and only if that is
permitted. On a terminal what is not said by options is asked.
"""

from __future__ import annotations

import os
import secrets
from argparse import Namespace
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from orosync.authz.factory import ORO_CHANNELS
from orosync.cli import installation, next_steps, topics
from orosync.cli.installation import DATABASE, PRIVATE, PROXIES, Decisions, Installation
from orosync.cli.streams import Misused, Streams, line
from orosync.config import database_dsn, oro_application, readers, yaml_document
from orosync.config.oro_application import OroApplication
from orosync.errors import ConfigError
from orosync.identity.directories import sql
from orosync.identity.directories.application_url import APPLICATION_URL, origin_of
from orosync.identity.directories.pool import rows
from orosync.identity.directories.sql import QueryLimits
from orosync.registry import missing_module

STEPS = "NEXT-STEPS.txt"

LIMITS = QueryLimits(connect=5.0, query=5.0, connections=1)

PORTS = range(1, 65536)

T = TypeVar("T")


def run(options: Namespace, streams: Streams) -> int:
    """Do what the command line says: 0 when all was found, 1 when the configuration needs something by hand first.

    Raises ConfigError when there is no Oro application, Misused when files exist or cannot be written.
    """
    lacking = missing_module(yaml_document.MODULE, yaml_document.EXTRA)
    if lacking:
        raise Misused(f"reading an Oro application {lacking}")
    directory = options.output.absolute()
    if options.port is not None and options.port not in PORTS:
        raise Misused(f"--port {options.port} is no port, write a number from 1 to 65535")
    application = oro_application.read(options.from_oro, os.environ)
    asked = _Questions(application, options, streams)
    origin = asked.origin()
    routing, unread = _topics(application.directory)
    decisions = Decisions(
        origin=origin,
        proxy=asked.proxy(origin),
        port=asked.port(),
        cookie=asked.cookie(),
        directory=directory,
        password=_password(directory / DATABASE) if options.force else secrets.token_urlsafe(24),
        topics=routing,
    )
    made = Installation(application, decisions)
    made.missing += [*asked.missing, *unread]
    files = made.files()
    _write(directory, {**files, STEPS: next_steps.text(made)}, options.force)
    for one in made.missing:
        streams.tell(f"orosync: {line(one)}")
    streams.answer(f"written to {directory}; {STEPS} there says what is left to do by hand")
    return 1 if made.missing else 0


class _Questions:
    """What options say, else answers on a terminal, else what the application suggests."""

    def __init__(self, application: OroApplication, options: Namespace, streams: Streams) -> None:
        self._oro, self._options, self._streams = application, options, streams
        self._terminal = not options.no_input and streams.stdin is not None and streams.stdin.isatty()
        self.missing: list[str] = []

    def origin(self) -> str:
        """That of the Application URL; "" where it is not known."""
        given = self._options.application_url
        if given is not None:
            try:
                return origin_of(given)
            except ValueError as error:
                raise Misused(f"--application-url {error}") from None
        permitted = self._options.query_database or (
            self._oro.database is not None
            and self._yes("Read the Application URL from Oro's database, with Oro's account, by one SELECT?", False)
        )
        found = self._from_database() if permitted else ""
        return self._asked("Application URL, the back office's address in browsers", found, origin_of)

    def proxy(self, origin: str) -> str:
        """One of PROXIES."""
        if self._options.proxy is not None:
            return str(self._options.proxy)
        frontend, server = self._oro.frontend, self._oro.server
        port = server.port if server else 8080
        direct = (frontend.port == port if frontend else True) and origin.startswith("http:")
        return self._asked("Proxy in front of orosync: nginx, apache or none", "none" if direct else "nginx", _proxy)

    def port(self) -> int:
        """Where orosync listens."""
        if self._options.port is not None:
            return int(self._options.port)
        known = self._oro.server or self._oro.backend
        return self._asked("Port of orosync", str(known.port if known else 8080), _port)

    def cookie(self) -> bool:
        """Whether the session cookie is looked up."""
        if self._options.no_cookie:
            return False
        name = self._oro.cookie.value if self._oro.cookie else "BAPID"
        return self._yes(f"Look up the session cookie {name} too, so that a logout ends connections?", True)

    def _from_database(self) -> str:
        try:
            found = _application_url(self._oro)
        except Exception as error:  # a driver's, or that of a DSN
            self.missing.append(f"the Application URL was not read from Oro's database: {' '.join(str(error).split())}")
            return ""
        if not found:
            self.missing.append("Oro's database has no Application URL: set it in the system configuration")
        return found

    def _yes(self, question: str, otherwise: bool) -> bool:
        if not self._terminal:
            return otherwise
        return self._asked(f"{question} yes or no", "yes" if otherwise else "no", _yes_or_no)

    def _asked(self, question: str, suggested: str, read: Callable[[str], T]) -> T:
        """The answer, asked for until it can be read. Without a terminal, and for an empty one, it is what is
        suggested."""
        while True:
            text = suggested
            if self._terminal:
                text = self._answer(f"{question}{f' [{line(suggested)}]' if suggested else ''}: ") or suggested
            try:
                return read(text)
            except ValueError as error:
                if not self._terminal:
                    self.missing.append(f"{question}: {error}")
                    return read("")
                self._streams.tell(str(error))

    def _answer(self, prompt: str) -> str:
        assert self._streams.stdin is not None
        self._streams.stderr.write(prompt)
        self._streams.stderr.flush()
        text = self._streams.stdin.readline()
        if not text:
            raise Misused("the questions were not answered: use options, and --no-input")
        return text.strip()


def _proxy(text: str) -> str:
    return readers.choice(*PROXIES)(text, readers.BUILTIN)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) not in PORTS:
        raise ValueError(f"{text!r} is no port, write a number from 1 to 65535")
    return int(text)


def _yes_or_no(text: str) -> bool:
    return readers.boolean({"y": "yes", "n": "no"}.get(text.lower(), text), readers.BUILTIN)


def _application_url(application: OroApplication) -> str:
    """Oro's Application URL, "" where none is set. Raises what the driver raises, or ValueError."""
    dsn = installation.database(application)
    if dsn is None:
        raise ValueError("its DSN is not known")
    engine: sql.Engine = sql.ENGINES[dsn.engine](dsn, LIMITS)
    lacking = missing_module(engine.module, engine.extra)
    if lacking:
        raise ValueError(lacking)
    with closing(import_module(engine.module).connect(**engine.arguments())) as connection:
        engine.opened(connection)
        found = rows(connection, APPLICATION_URL, None)
    return next((sql.as_text(row[0]) for row in found), "")


def _topics(application: Path) -> tuple[tuple[str, ...], list[str]]:
    """The lines of [topics:oro], none where the application has Oro's channels alone; and what could not be read."""
    try:
        routing = topics.declared(application)
        known = {channel.pattern for channel in ORO_CHANNELS}
        if routing.denied or any(channel.pattern not in known for channel in routing.channels):
            return tuple(topics.section(application, routing)), []
    except ConfigError as error:
        return (), [f"channels of the application's own are not known: {fault}" for fault in error.faults]
    return (), []


def _password(existing: Path) -> str:
    """That of the account that was written before, so that it need not be changed; else a new one."""
    try:
        found = database_dsn.parse(existing.read_text().strip())
    except (OSError, ValueError):
        return secrets.token_urlsafe(24)
    return found.password if found.user == installation.ACCOUNT and found.password else secrets.token_urlsafe(24)


def _write(directory: Path, files: dict[str, str], force: bool) -> None:
    """Each whole or not at all; those with secrets are private from the beginning."""
    there = [name for name in files if os.path.lexists(directory / name)]
    if there and not force:
        raise Misused(f"{directory} has {', '.join(there)} already: name another directory (--output), or use --force")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            _put(directory / name, text, 0o600 if name in PRIVATE else 0o644)
    except OSError as error:
        raise Misused(f"{error.filename or directory} cannot be written ({error.strerror})") from None


def _put(path: Path, text: str, mode: int) -> None:
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.fchmod(descriptor, mode)  # whatever the umask is
        with open(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
