"""The ``orosync`` command, which needs no running router.

Exit codes (stable, docs/stability.md): 0 good, 1 refused, or a configuration with faults, 2 invalid arguments, 3 a part
cannot be reached. Tickets and cookies are read from a file or standard input, because every user of the machine can
read a command line.
"""

from __future__ import annotations

import resource
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import unquote

import attrs
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import react

from orosync.app.container import Container
from orosync.app.listeners import check
from orosync.cli import explain, session, ticket, topics
from orosync.cli.questions import asked, parser
from orosync.cli.running import Misused, shared_passwords
from orosync.clocks import make_monotonic, time_of_day
from orosync.config import Configuration, load
from orosync.errors import ConfigError, Refused, Unavailable

GOOD, REFUSED, MISUSED, UNREACHABLE = range(4)
TIMEOUT = 30.0
"""Seconds for an answer."""

LONGEST = 65536
"""Characters that are read of a ticket or cookie."""


@attrs.frozen
class Streams:
    """Standard input, output and error."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO


def main() -> None:
    """The console command."""
    react(_reacting, (parser().parse_args(),))


async def _reacting(reactor: Any, options: Namespace) -> None:
    make_monotonic(reactor)
    status = await run(reactor, options, Streams(sys.stdin, sys.stdout, sys.stderr))
    if status:
        raise SystemExit(status)


async def run(reactor: Any, options: Namespace, streams: Streams) -> int:
    """Do what the command line (``parser``) says; the exit code."""
    try:
        status, answer = await Deferred.fromCoroutine(_answer(reactor, options, streams)).addTimeout(TIMEOUT, reactor)
    except ConfigError as error:
        for fault in error.faults:
            print(f"orosync: {fault}", file=streams.stderr)
        return REFUSED if options.command == "check-config" else MISUSED
    except Misused as error:
        print(f"orosync: {error}", file=streams.stderr)
        return MISUSED
    except Unavailable as error:
        print(f"unreachable ({error.code}): {_line(error.reason)}", file=streams.stderr)
        return UNREACHABLE
    except TimeoutError:
        print(f"unreachable (timeout): no answer within {TIMEOUT:g} s", file=streams.stderr)
        return UNREACHABLE
    except Refused as error:
        print(f"refused ({error.code}): {_line(error.reason)}", file=streams.stdout)
        return REFUSED
    print(answer, file=streams.stdout)
    return status


async def _answer(reactor: Any, options: Namespace, streams: Streams) -> tuple[int, str]:
    configuration = load(options.config, open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    try:
        return await _made(configuration, reactor, options, streams)
    except ConfigError as error:
        raise ConfigError(configuration.located(error.faults)) from error


async def _made(configuration: Configuration, reactor: Any, options: Namespace, streams: Streams) -> tuple[int, str]:
    if options.command == "explain":
        answer = await explain.explain(configuration, reactor, asked(options))
        return GOOD if answer.allowed else REFUSED, "\n".join(_line(one) for one in answer.lines)
    return GOOD, await _said(configuration, reactor, options, streams)


async def _said(configuration: Configuration, reactor: Any, options: Namespace, streams: Streams) -> str:
    """The answer of a command that is good if it is answered at all."""
    if options.command == "check-config":
        return await _check_config(configuration, reactor)
    if options.command == "topics":
        return "\n".join(_line(one) for one in topics.tables(configuration))
    if options.command == "session":
        cookie = _given(options.file, streams)
        return f"OK: {_line(await session.verify(configuration, reactor, options.sessions, cookie))}"
    if options.action == "verify":
        text = _given(options.file, streams)
        return f"OK: {_line(await ticket.verify(configuration, reactor, options.authenticator, text))}"
    made, warning = await ticket.make(configuration, reactor, options.authenticator, options.user)
    if warning:
        print(f"orosync: {_line(warning)}", file=streams.stderr)
    return made


async def _check_config(configuration: Configuration, reactor: Any) -> str:
    """Make every part, read certificates, and ask directories for shared passwords, as far as they answer."""
    check(configuration.listeners.values(), configuration.router.state, time_of_day)
    container = Container(configuration, reactor)
    container.realms  # noqa: B018 (made when asked for)
    warnings = [*configuration.warnings, *await shared_passwords(container)]
    return "\n".join([*(f"warning: {_line(warning)}" for warning in warnings), "configuration OK"])


def _given(file: str, streams: Streams) -> str:
    """A ticket or cookie as it stands in a file or, for "-", on standard input, or in a URL."""
    try:
        text = streams.stdin.read(LONGEST) if file == "-" else Path(file).read_text()[:LONGEST]
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{file}: cannot be read ({getattr(error, 'strerror', None) or 'it is not text'})") from None
    if not text.strip():
        raise Misused("nothing was given: name a file, or write it to standard input")
    return unquote(text.strip())


def _line(text: str) -> str:
    """``text`` as one line of printable characters: no control sequence reaches the terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
